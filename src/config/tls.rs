//! The settings of TLS, and the names of protocol versions and cipher suites that they may use.
//!
//! Knows no certificate and no library: what the names stand for, `net::tls` finds out by their last spelling.

use std::path::PathBuf;

use super::settings::words;

words! {
    /// Whether clients must show a certificate.
    pub enum ClientCertificates {
        /// It is asked for, and a connection without a good one ends.
        Yes = "yes",
        /// It is not asked for.
        No = "no",
        /// It is asked for, and must be good where there is one.
        Optional = "optional",
    }
}

words! {
    /// Which name in a client's certificate makes its connection a user.
    pub enum CertificateUser {
        /// The common name of the subject.
        CommonName = "CN",
        /// A URI among the subject's alternative names.
        Uri = "URI",
        /// None.
        Off = "off",
    }
}

/// The settings of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// TCP port; 0 = none.
    pub port: u16,
    /// Our certificate and those that lead from it to its CA, PEM.
    pub cert_file: Option<PathBuf>,
    /// The key of our certificate, PEM.
    pub key_file: Option<PathBuf>,
    /// Who may have signed clients' certificates, PEM.
    pub ca_cert_file: Option<PathBuf>,
    /// The same, as all files of a folder.
    pub ca_cert_dir: Option<PathBuf>,
    pub auth_clients: ClientCertificates,
    pub auth_clients_user: CertificateUser,
    /// Of `PROTOCOLS`; empty = all.
    pub protocols: Vec<&'static str>,
    /// Of `SUITES_13`; empty = all.
    pub ciphersuites: Vec<&'static str>,
    /// Of `SUITES_12`; empty = all.
    pub ciphers: Vec<&'static str>,
    /// Whether clients may resume their sessions.
    pub session_caching: bool,
    pub session_cache_size: u32,
    /// How long they may.
    pub session_cache_timeout_s: u32,
    /// How often it is looked whether the files have changed; 0 = never.
    pub auto_reload_interval_s: u32,
    /// From a connection's beginning to the end of its handshake.
    pub handshake_timeout_s: u32,
    /// How often CONFIG SET named one of these. The same path named again may be a new certificate.
    pub given: u64,
}

impl Default for TlsSettings {
    fn default() -> TlsSettings {
        TlsSettings {
            port: 0,
            cert_file: None,
            key_file: None,
            ca_cert_file: None,
            ca_cert_dir: None,
            auth_clients: ClientCertificates::Yes,
            auth_clients_user: CertificateUser::Off,
            protocols: Vec::new(),
            ciphersuites: Vec::new(),
            ciphers: Vec::new(),
            session_caching: true,
            session_cache_size: 20_480,
            session_cache_timeout_s: 300,
            auto_reload_interval_s: 0,
            handshake_timeout_s: 10,
            given: 0,
        }
    }
}

/// The names that a setting may list.
#[derive(Debug)]
pub struct Names {
    /// What they are, for error texts.
    pub what: &'static str,
    /// Each with its spellings: the first is shown, the last is kept.
    pub names: &'static [&'static [&'static str]],
    /// Between two names that are shown. A value may have blanks, colons and commas there.
    pub separator: char,
}

/// Versions of TLS.
pub static PROTOCOLS: Names =
    Names { what: "version of TLS", names: &[&["TLSv1.2"], &["TLSv1.3"]], separator: ' ' };

/// Cipher suites of TLS 1.3.
pub static SUITES_13: Names = Names {
    what: "cipher suite of TLS 1.3",
    names: &[&["TLS_AES_256_GCM_SHA384"], &["TLS_AES_128_GCM_SHA256"], &["TLS_CHACHA20_POLY1305_SHA256"]],
    separator: ':',
};

/// Cipher suites of TLS 1.2: OpenSSL's names and IANA's.
pub static SUITES_12: Names = Names {
    what: "cipher suite of TLS 1.2",
    names: &[
        &["ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"],
        &["ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"],
        &["ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"],
        &["ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"],
        &["ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
        &["ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"],
    ],
    separator: ':',
};

fn last(spellings: &'static [&'static str]) -> &'static str {
    spellings.last().copied().unwrap_or_default()
}

impl Names {
    /// Reads a list, in any case; none at all is fine.
    ///
    /// # Errors
    /// With the text for people, where a name is unknown. An expression of OpenSSL (`HIGH:!MD5`) is no list of names.
    pub fn parse(&self, text: &[u8]) -> Result<Vec<&'static str>, String> {
        let mut found = Vec::new();
        for word in text.split(|byte| b" :,".contains(byte)).filter(|word| !word.is_empty()) {
            let is_meant =
                |name: &&&[&str]| name.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(word));
            let name =
                self.names.iter().find(is_meant).map(|spellings| last(spellings)).ok_or_else(|| {
                    let (what, known) = (self.what, self.known());
                    format!("'{}' is no {what} that is known here: {known}", word.escape_ascii())
                })?;
            if !found.contains(&name) {
                found.push(name);
            }
        }
        Ok(found)
    }

    /// The list as text, which `parse` reads as the same.
    #[must_use]
    pub fn show(&self, list: &[&'static str]) -> String {
        let shown = list.iter().map(|kept| {
            let name = self.names.iter().find(|spellings| last(spellings) == *kept);
            name.and_then(|spellings| spellings.first()).copied().unwrap_or(kept)
        });
        shown.collect::<Vec<_>>().join(self.separator.encode_utf8(&mut [0; 4]))
    }

    /// All of them as shown.
    #[must_use]
    pub fn known(&self) -> String {
        let shown: Vec<&str> = self.names.iter().filter_map(|spellings| spellings.first().copied()).collect();
        shown.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_known_by_both_names_and_shown_by_the_first() {
        let text =
            b"tls_ecdhe_rsa_with_aes_128_gcm_sha256:ECDHE-RSA-CHACHA20-POLY1305, ECDHE-RSA-AES128-GCM-SHA256";
        let list = SUITES_12.parse(text).expect("known names");
        assert_eq!(SUITES_12.show(&list), "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305");
        assert_eq!(SUITES_12.parse(SUITES_12.show(&list).as_bytes()), Ok(list));
        assert_eq!(SUITES_12.parse(b""), Ok(Vec::new()));
    }

    #[test]
    fn unknown_names_and_expressions_are_refused_with_the_known_ones() {
        for text in ["TLSv1.1", "TLSv1.2 SSLv3", "-TLSv1.3"] {
            let error = PROTOCOLS.parse(text.as_bytes()).expect_err(text);
            assert!(error.ends_with("is no version of TLS that is known here: TLSv1.2, TLSv1.3"), "{error}");
        }
        for text in ["HIGH:!aNULL", "@STRENGTH", "AES128-SHA"] {
            assert!(SUITES_12.parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
