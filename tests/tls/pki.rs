//! A CA of the tests' own, and what it signs: files for the server, keys for clients.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256, SignatureAlgorithm,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::support::folder::Folder;

/// A CA, and a folder for what it signs.
pub struct Pki {
    folder: Folder,
    issuer: Issuer<'static, KeyPair>,
    pub ca: CertificateDer<'static>,
    pub ca_file: String,
}

/// A certificate with its key, in memory and in files.
pub struct Signed {
    pub cert: CertificateDer<'static>,
    key: Vec<u8>,
    pub cert_file: String,
    pub key_file: String,
}

impl Signed {
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.clone()).expect("a key")
    }
}

impl Pki {
    pub fn new() -> Pki {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "CA of the tests");
        let key = new_key(&PKCS_ECDSA_P256_SHA256);
        let ca = params.self_signed(&key).expect("a CA");
        let folder = Folder::new();
        let ca_file = folder.write("ca.pem", &ca.pem());
        Pki { folder, issuer: Issuer::new(params, key), ca: ca.der().clone(), ca_file }
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path(name)
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        self.folder.write(name, text)
    }

    /// Signs a certificate for `name`, with what `change` makes of it; it lies in `<file>.pem`, its key in `<file>.key`.
    pub fn sign(&self, file: &str, change: impl FnOnce(&mut CertificateParams)) -> Signed {
        self.sign_for(file, &new_key(&PKCS_ECDSA_P256_SHA256), change)
    }

    pub fn sign_for(&self, file: &str, key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Signed {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        let cert = params.signed_by(key, &self.issuer).expect("a certificate");
        let cert_file = self.write(&format!("{file}.pem"), &cert.pem());
        let key_file = self.write(&format!("{file}.key"), &key.serialize_pem());
        Signed { cert: cert.der().clone(), key: key.serialize_der(), cert_file, key_file }
    }

    /// The server's own.
    pub fn server(&self) -> Signed {
        self.sign("server", |_| {})
    }

    /// A client's, with this common name.
    pub fn client(&self, name: &str) -> Signed {
        let name = DnValue::Utf8String(name.to_owned());
        self.sign("client", |params| params.distinguished_name.push(DnType::CommonName, name))
    }
}

pub fn new_key(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).expect("a key")
}
