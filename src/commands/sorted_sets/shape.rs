//! Members with their scores as replies.

use crate::dispatch::value::write_part;
use crate::keyspace::Part;
use crate::protocol::reply::{Proto, Reply};

/// Writes a member, and its score where those are asked for: in RESP3 both as a pair.
pub fn write_member(reply: &mut Reply<'_>, member: Part<'_>, score: f64, with_scores: bool) {
    if with_scores && reply.proto == Proto::Resp3 {
        reply.array(2);
    }
    write_part(reply, member);
    if with_scores {
        reply.double(score);
    }
}
