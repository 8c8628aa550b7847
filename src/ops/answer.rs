//! The paths of the door, and what each answers.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;

use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, StatusCode};
use tokio::time::Instant;

use super::body::{Answer, text, whole};
use super::guard::{Sight, is_known_host, sight};
use super::seen::Desk;
use super::{health, metrics, page, state, stream};

/// Nothing but what this server itself sends may run, be shown or be asked for.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The answer to a request from `peer`. `until`: when its connection ends if nothing moves it on.
pub fn answer<B>(desk: &Rc<Desk>, peer: IpAddr, request: &Request<B>, until: &Rc<Cell<Instant>>) -> Answer {
    let settings = desk.shared.settings.load();
    let mut answer = if !is_known_host(&settings, request.uri(), request.headers()) {
        let known =
            "this name is not known here: ask under an IP address or localhost, or set metrics-hosts\n";
        text(StatusCode::FORBIDDEN, known.to_owned())
    } else if request.method() == Method::GET || request.method() == Method::HEAD {
        let sight = sight(&settings, peer, request.headers());
        route(desk, request.uri().path(), sight, until)
    } else {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "nothing can be changed here\n".to_owned());
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        refusal
    };
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn route(desk: &Rc<Desk>, path: &str, sight: Sight, until: &Rc<Cell<Instant>>) -> Answer {
    if let Some((kind, content)) = page::file(path) {
        return whole(StatusCode::OK, kind, content);
    }
    let is_secret = matches!(path, "/metrics" | "/state" | "/events");
    match path {
        _ if is_secret && sight == Sight::None => unknown_caller(),
        "/healthz" => probe(health::sickness(&desk.shared)),
        "/readyz" => probe(health::unready(&desk.shared).map(|why| format!("{why}\n"))),
        "/metrics" => whole(StatusCode::OK, metrics::FORMAT, metrics::text(&desk.look())),
        "/state" => whole(StatusCode::OK, "application/json", state::whole(desk, sight).to_string()),
        "/events" => stream::events(desk, sight, until),
        _ => text(StatusCode::NOT_FOUND, "here are /, /metrics, /healthz and /readyz\n".to_owned()),
    }
}

fn probe(trouble: Option<String>) -> Answer {
    match trouble {
        None => text(StatusCode::OK, "ok\n".to_owned()),
        Some(trouble) => text(StatusCode::SERVICE_UNAVAILABLE, trouble),
    }
}

fn unknown_caller() -> Answer {
    let mut refusal =
        text(StatusCode::UNAUTHORIZED, "show metrics-token as `Authorization: Bearer TOKEN`\n".to_owned());
    refusal.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    refusal
}
