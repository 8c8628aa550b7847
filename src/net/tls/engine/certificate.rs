//! What stands in a certificate (X.509, RFC 5280): serial number, end, and the names that may be a user's.

use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::config::CertificateUser;
use crate::figures::certificates::Facts;

/// Serial numbers that are longer than allowed, or negative, are in use.
type Certificate = CertificateInner<Raw>;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Serial number and end, for INFO. `None` for what is no certificate.
pub fn facts(der: &[u8]) -> Option<Facts> {
    let certificate = Certificate::from_der(der).ok()?;
    let certificate = certificate.tbs_certificate();
    let serial = certificate.serial_number().as_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
    let not_after_s = certificate.validity().not_after.to_unix_duration().as_secs();
    Some(Facts { serial, not_after_s: i64::try_from(not_after_s).unwrap_or(i64::MAX) })
}

/// The names that may be a user's, in their order, as bytes. A name with a NUL is nobody's, and neither is one common
/// name among several: what one reader takes for the name, another does not.
pub fn names(der: &[u8], which: CertificateUser) -> Vec<Box<[u8]>> {
    let Ok(certificate) = Certificate::from_der(der) else { return Vec::new() };
    let mut names = match which {
        CertificateUser::Off => Vec::new(),
        CertificateUser::CommonName => common_name(&certificate).into_iter().collect(),
        CertificateUser::Uri => uris(&certificate),
    };
    names.retain(|name| !name.is_empty() && !name.contains(&0));
    names
}

fn common_name(certificate: &Certificate) -> Option<Box<[u8]>> {
    let subject = certificate.tbs_certificate().subject();
    let mut names = subject.iter().filter(|attribute| attribute.oid == COMMON_NAME);
    let name = names.next().filter(|_| names.next().is_none())?;
    // Strings of one byte a character, or UTF-8; in others, a user's name does not lie as it is.
    let is_plain = [Tag::Utf8String, Tag::PrintableString, Tag::Ia5String].contains(&name.value.tag());
    is_plain.then(|| name.value.value().into())
}

fn uris(certificate: &Certificate) -> Vec<Box<[u8]>> {
    let Ok(Some((_, SubjectAltName(names)))) = certificate.tbs_certificate().get_extension() else {
        return Vec::new();
    };
    let uri = |name: GeneralName| match name {
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_bytes().into()),
        _ => None,
    };
    names.into_iter().filter_map(uri).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::string::Ia5String;
    use rcgen::{CertificateParams, CustomExtension, DnType, KeyPair, SanType, SerialNumber, date_time_ymd};

    use super::*;

    fn der(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "name");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(Ia5String::try_from(text).expect("ASCII"))
    }

    #[test]
    fn serial_number_and_end_are_read() {
        let der = der(|params| {
            params.serial_number = Some(SerialNumber::from_slice(&[0x0a, 0xff]));
            params.not_after = date_time_ymd(2000, 1, 1);
        });
        let expected = Facts { serial: "0AFF".to_owned(), not_after_s: 946_684_800 };
        assert_eq!(facts(&der), Some(expected));
        assert_eq!(facts(b"no certificate"), None);
    }

    #[test]
    fn names_are_read_as_the_setting_says() {
        let der =
            der(|params| params.subject_alt_names = vec![uri("urn:one"), uri("urn:two\0"), uri("urn:three")]);
        let expected = |which, wanted: &[&str]| {
            let wanted: Vec<Box<[u8]>> = wanted.iter().map(|name| name.as_bytes().into()).collect();
            assert_eq!(names(&der, which), wanted);
        };
        expected(CertificateUser::CommonName, &["name"]);
        expected(CertificateUser::Uri, &["urn:one", "urn:three"]);
        expected(CertificateUser::Off, &[]);
    }

    #[test]
    fn alternative_names_that_are_cut_off_are_none() {
        let der = der(|params| {
            let names = CustomExtension::from_oid_content(&[2, 5, 29, 17], vec![0x30, 0x7f, 0x86, 0x01]);
            params.custom_extensions.push(names);
        });
        assert_eq!(names(&der, CertificateUser::Uri), Vec::<Box<[u8]>>::new());
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(at in any::<prop::sample::Index>(), byte: u8, end in any::<prop::sample::Index>()) {
            let mut der = der(|params| params.subject_alt_names = vec![uri("urn:one")]);
            let at = at.index(der.len());
            der[at] = byte;
            der.truncate(end.index(der.len() * 2) + 1);
            facts(&der);
            names(&der, CertificateUser::CommonName);
            names(&der, CertificateUser::Uri);
        }
    }
}
