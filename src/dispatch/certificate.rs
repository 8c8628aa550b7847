//! Which user a client's certificate makes its connection.

use super::admit::log_refusal;
use super::operator::Note;
use super::session::Session;
use super::shared::Shared;
use crate::acl::log::{Context, Reason, Refusal};
use crate::base::metrics::{Counter, Counters};

/// Makes a connection the user that the first of these names is, if one is and is on; he needs no password then. Names
/// are compared whole. Where none is, the connection stays who it is, and that is told.
pub fn admit_by_certificate(
    session: &mut Session,
    names: &[Box<[u8]>],
    shared: &Shared,
    counters: &Counters,
) {
    let users = shared.users.load();
    let mut found = names.iter().filter_map(|name| users.get(name));
    if let Some(user) = found.find(|user| user.is_on()) {
        session.become_user(user.clone());
        return;
    }
    counters.add(Counter::CertificateDenied, 1);
    let now = shared.clock.now();
    let name = names.first().map(|name| name.to_vec()).unwrap_or_default();
    if let Some(left_out) = shared.operator.may_note(Note::CertificateUser, now.mono_ms) {
        let (client, name) = (&session.client, name.escape_ascii());
        tracing::warn!(client = client.id, addr = %client.addr, %name, left_out, "tls-cert: no such user");
    }
    let (reason, context) = (Reason::Certificate, Context::TopLevel);
    let refusal = Refusal { reason, context, object: name.clone(), user: name, client: String::new() };
    log_refusal(refusal, session, shared, now);
}
