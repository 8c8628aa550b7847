//! Values into replies: small ones copied, large ones by reference, so that no lock is held while they are
//! copied or sent.

use bytes::Bytes;

use crate::base::score;
use crate::keyspace::Part;
use crate::protocol::reply::Reply;
use crate::storage::ValueRef;
use crate::storage::list::Value;
use crate::storage::packed::Element;

/// Writes a value as a bulk string.
pub fn write_value(reply: &mut Reply<'_>, value: ValueRef<'_>) {
    match value {
        ValueRef::Inline(bytes) => reply.bulk(bytes),
        ValueRef::Shared(value) => reply.bulk_shared(Bytes::clone(value)),
    }
}

/// Writes a field, a value or a member of a collection.
pub fn write_part(reply: &mut Reply<'_>, part: Part<'_>) {
    match part {
        Part::Element(Element::Int(number)) => reply.bulk_int(number),
        Part::Element(Element::Bytes(bytes)) => reply.bulk(bytes),
        Part::Value(value) => write_value(reply, value),
        Part::Score(score) => reply.bulk(&score::text(score)),
    }
}

/// Writes an element of a list.
pub fn write_element(reply: &mut Reply<'_>, element: Value<'_>) {
    match element {
        Value::Element(element) => write_part(reply, Part::Element(element)),
        Value::Large(value) => write_value(reply, ValueRef::Shared(value)),
    }
}

/// Writes a value, or the null of a missing one.
pub fn write_found(reply: &mut Reply<'_>, found: Option<ValueRef<'_>>) {
    match found {
        Some(value) => write_value(reply, value),
        None => reply.null(),
    }
}
