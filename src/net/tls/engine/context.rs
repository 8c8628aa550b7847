//! From settings to what a handshake needs: files read, the key fits its certificate, versions and suites chosen.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::GetRandomFailed;
#[cfg(feature = "tls")]
use rustls::crypto::aws_lc_rs as provider;
#[cfg(not(feature = "tls"))]
use rustls::crypto::ring as provider;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ProducesTickets, ServerConfig, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::ticketer::TicketRotator;
use rustls::{Error, InconsistentKeys, ProtocolVersion, SupportedCipherSuite, SupportedProtocolVersion};

use super::certificate::facts;
use super::pem;
use crate::config::{ClientCertificates, TlsSettings};
use crate::dispatch::live::Unapplied;
use crate::figures::certificates::InUse;

/// What every handshake shares.
pub type Context = Arc<ServerConfig>;

/// A context, and what is to be told of it.
pub struct Built {
    pub context: Context,
    pub certificates: InUse,
}

/// The longest time that a ticket may be said to be good for, seconds (RFC 8446, section 4.6.1).
const TICKET_S_MAX: u32 = 7 * 24 * 3600;

/// What is said of certificates of version 1.
const OLD: &str = "the certificate is of X.509 version 1, as `openssl x509 -req` makes it without -extfile; version 3 is needed";

/// Reads the files and builds the context.
///
/// # Errors
/// The setting that is to blame, and why. Cost: reads files, checks signatures of none; about a millisecond.
pub fn build(tls: &TlsSettings) -> Result<Built, Unapplied> {
    let provider = Arc::new(provider(tls));
    let (key, chain) = certified_key(tls, &provider)?;
    let authorities = match tls.auth_clients {
        ClientCertificates::No => Vec::new(),
        _ => pem::authorities(tls.ca_cert_file.as_deref(), tls.ca_cert_dir.as_deref())
            .map_err(|reason| because("tls-ca-cert-file", reason))?,
    };
    let verifier = verifier(tls, &authorities, &provider)?;
    let versions = versions(tls);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(|error| because("tls-protocols", no_suites(&error)))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)));
    let caching = tls.session_caching && tls.session_cache_timeout_s > 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = usize::from(caching);
    if caching {
        let lifetime_s = tls.session_cache_timeout_s.min(TICKET_S_MAX);
        // Keys live for twice that time: then no ticket is good for longer than it should be.
        let rotator = TicketRotator::new((lifetime_s / 2).max(1), new_ticket_keys);
        config.ticketer =
            Arc::new(rotator.map_err(|error| because("tls-session-caching", error.to_string()))?);
    }
    let authority = authorities.iter().filter_map(|der| facts(der)).min_by_key(|facts| facts.not_after_s);
    let server = chain.first().and_then(|der| facts(der));
    Ok(Built { context: Arc::new(config), certificates: InUse { server, authority } })
}

pub(super) fn because(setting: &'static str, reason: String) -> Unapplied {
    Unapplied { setting, reason }
}

/// An error of rustls that has to do with a certificate, for people.
pub(super) fn explain(error: &Error) -> String {
    let text = error.to_string();
    // The error itself is one of a library below rustls.
    if text.contains("UnsupportedCertVersion") { OLD.to_owned() } else { text }
}

fn no_suites(error: &Error) -> String {
    format!("no cipher suite is left for these versions ({error})")
}

/// The provider with the suites that the settings leave.
fn provider(tls: &TlsSettings) -> CryptoProvider {
    let mut provider = provider::default_provider();
    provider.cipher_suites.retain(|suite| {
        let named = match suite {
            SupportedCipherSuite::Tls13(_) => &tls.ciphersuites,
            SupportedCipherSuite::Tls12(_) => &tls.ciphers,
        };
        named.is_empty() || named.contains(&name_of(suite).as_str())
    });
    provider
}

/// IANA's name of a suite, which rustls writes in its own way for TLS 1.3.
fn name_of(suite: &SupportedCipherSuite) -> String {
    suite.suite().as_str().unwrap_or_default().replacen("TLS13_", "TLS_", 1)
}

fn versions(tls: &TlsSettings) -> Vec<&'static SupportedProtocolVersion> {
    let is_wanted = |version: &&&SupportedProtocolVersion| {
        let name = if version.version == ProtocolVersion::TLSv1_3 { "TLSv1.3" } else { "TLSv1.2" };
        tls.protocols.is_empty() || tls.protocols.contains(&name)
    };
    rustls::ALL_VERSIONS.iter().filter(is_wanted).copied().collect()
}

/// Our certificate with its chain and its key.
fn certified_key(
    tls: &TlsSettings,
    provider: &CryptoProvider,
) -> Result<(CertifiedKey, Vec<CertificateDer<'static>>), Unapplied> {
    let missing = |setting| because(setting, "tls-port needs a certificate and its key".to_owned());
    let cert_file = tls.cert_file.as_ref().ok_or_else(|| missing("tls-cert-file"))?;
    let key_file = tls.key_file.as_ref().ok_or_else(|| missing("tls-key-file"))?;
    let chain = pem::certificates(cert_file).map_err(|reason| because("tls-cert-file", reason))?;
    let key = pem::key(key_file).map_err(|reason| because("tls-key-file", reason))?;
    let key = provider.key_provider.load_private_key(key).map_err(|error| {
        because("tls-key-file", format!("the key in '{}' cannot be used: {error}", key_file.display()))
    })?;
    let certified = CertifiedKey::new(chain.clone(), key);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok((certified, chain)),
        Err(Error::InconsistentKeys(_)) => {
            let (key, cert) = (key_file.display(), cert_file.display());
            let reason = format!("the key in '{key}' does not belong to the certificate in '{cert}'");
            Err(because("tls-cert-file", reason))
        }
        Err(error) => {
            let (path, why) = (cert_file.display(), explain(&error));
            Err(because("tls-cert-file", format!("'{path}' cannot be used: {why}")))
        }
    }
}

/// Who looks at clients' certificates.
fn verifier(
    tls: &TlsSettings,
    authorities: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Unapplied> {
    if tls.auth_clients == ClientCertificates::No {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let setting = "tls-ca-cert-file";
    if authorities.is_empty() {
        let reason = "clients must show a certificate (tls-auth-clients), and no CA is known that could have signed \
                      it: name a tls-ca-cert-file or tls-ca-cert-dir, or set tls-auth-clients no";
        return Err(because(setting, reason.to_owned()));
    }
    let store = pem::store(authorities).map_err(|reason| because(setting, reason))?;
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider.clone());
    let builder = match tls.auth_clients {
        ClientCertificates::Optional => builder.allow_unauthenticated(),
        _ => builder,
    };
    builder.build().map(|verifier| verifier as _).map_err(|error| because(setting, error.to_string()))
}

/// Keys of the provider's kind, which `TicketRotator` wants in a box.
#[derive(Debug)]
struct TicketKeys(Arc<dyn ProducesTickets>);

fn new_ticket_keys() -> Result<Box<dyn ProducesTickets>, GetRandomFailed> {
    let keys = provider::Ticketer::new().map_err(|_| GetRandomFailed)?;
    Ok(Box::new(TicketKeys(keys)))
}

impl ProducesTickets for TicketKeys {
    fn enabled(&self) -> bool {
        self.0.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.0.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.0.decrypt(cipher)
    }
}
