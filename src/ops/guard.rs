//! Who may see what: by the name it is asked under, by a token, by where it is asked from.

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, HOST};
use hyper::{HeaderMap, Uri};
use subtle::ConstantTimeEq;

use crate::config::Settings;

/// What somebody may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Nothing but the probes.
    None,
    /// Figures: no keys, no requests, no addresses.
    Figures,
    /// All that is shown.
    All,
}

/// What this request may see.
#[must_use]
pub fn sight(settings: &Settings, peer: IpAddr, headers: &HeaderMap) -> Sight {
    match &settings.metrics.token {
        Some(token) if shows(token, headers) => Sight::All,
        Some(_) => Sight::None,
        None if peer.to_canonical().is_loopback() => Sight::All,
        None => Sight::Figures,
    }
}

fn shows(token: &[u8], headers: &HeaderMap) -> bool {
    let shown = headers.get(AUTHORIZATION).map(|value| value.as_bytes().trim_ascii());
    let Some((scheme, shown)) = shown.and_then(|shown| shown.split_at_checked("bearer ".len())) else {
        return false;
    };
    scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(shown.trim_ascii_start().ct_eq(token))
}

/// Whether the server may be known by the name that it is asked under. A page on the web can make a browser ask it under the
/// page's own name (DNS rebinding), and would be shown the answer. What is no browser may leave the name out.
#[must_use]
pub fn is_known_host(settings: &Settings, uri: &Uri, headers: &HeaderMap) -> bool {
    let named = uri.authority().map(|authority| authority.as_str().as_bytes());
    let Some(named) = named.or_else(|| headers.get(HOST).map(|value| value.as_bytes())) else { return true };
    let Ok(named) = std::str::from_utf8(named) else { return false };
    let host = without_port(named);
    let is_ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    is_ip
        || host.eq_ignore_ascii_case("localhost")
        || settings.metrics.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
}

fn without_port(named: &str) -> &str {
    match named.rsplit_once(':') {
        // Colons in brackets are an address's own.
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.ends_with(':') => host,
        _ => named,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: hyper::header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn token_is_shown_whole_or_nothing_is_seen() {
        let mut settings = Settings::default();
        settings.metrics.token = Some(b"secret".to_vec());
        let here = IpAddr::from([127, 0, 0, 1]);
        for (value, expected) in [
            ("Bearer secret", Sight::All),
            ("bearer  secret", Sight::All),
            ("Bearer secre", Sight::None),
            ("Bearer secrett", Sight::None),
            ("Basic secret", Sight::None),
            ("Bearer", Sight::None),
            ("", Sight::None),
        ] {
            assert_eq!(sight(&settings, here, &headers(AUTHORIZATION, value)), expected, "{value}");
        }
        assert_eq!(sight(&settings, here, &HeaderMap::new()), Sight::None);
    }

    #[test]
    fn without_a_token_this_machine_alone_sees_keys() {
        let settings = Settings::default();
        let none = HeaderMap::new();
        assert_eq!(sight(&settings, "::ffff:127.0.0.1".parse().unwrap(), &none), Sight::All);
        assert_eq!(sight(&settings, "::1".parse().unwrap(), &none), Sight::All);
        assert_eq!(sight(&settings, "10.0.0.1".parse().unwrap(), &none), Sight::Figures);
    }

    #[test]
    fn hosts_are_addresses_and_names_that_were_said() {
        let mut settings = Settings::default();
        settings.metrics.hosts = vec!["cache.example".to_owned()];
        let is_known = |host: &str| is_known_host(&settings, &Uri::from_static("/"), &headers(HOST, host));
        for host in [
            "127.0.0.1",
            "10.0.0.1:9121",
            "[::1]:9121",
            "[::1]",
            "localhost:1",
            "LOCALHOST",
            "Cache.example:9121",
        ] {
            assert!(is_known(host), "{host}");
        }
        for host in ["evil.example", "cache.example.evil:80", "127.0.0.1.evil", "", ":80", "localhost:x"] {
            assert!(!is_known(host), "{host}");
        }
        assert!(is_known_host(&settings, &Uri::from_static("/"), &HeaderMap::new()));
        assert!(!is_known_host(
            &settings,
            &Uri::from_static("http://evil.example/"),
            &headers(HOST, "localhost")
        ));
    }
}
