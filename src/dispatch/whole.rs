//! All of a collection as a reply: written at once, or, of a large one that was lent, made page by page as it is written.

use super::value::write_part;
use crate::keyspace::{Part, Whole};
use crate::protocol::output::{Output, Source};
use crate::protocol::reply::{Proto, Reply};
use crate::storage::LentMembers;

/// What of each item stands in the reply.
#[derive(Clone, Copy, Debug)]
pub enum Show {
    Names,
    Values,
    Both,
}

impl Show {
    fn write(self, reply: &mut Reply<'_>, name: Part<'_>, value: Part<'_>) {
        if !matches!(self, Show::Values) {
            write_part(reply, name);
        }
        if !matches!(self, Show::Names) {
            write_part(reply, value);
        }
    }
}

/// Writes what of each item is to be shown, behind a header that is written already.
pub fn write_whole(reply: &mut Reply<'_>, whole: Whole<'_>, show: Show) {
    match whole {
        Whole::Here(items) => items.each(|name, value| show.write(reply, name, value)),
        Whole::Lent(items) => reply.out.extend_made(Box::new(Lent { items, show })),
    }
}

/// A lent collection on its way out.
#[derive(Debug)]
struct Lent {
    items: LentMembers,
    show: Show,
}

impl Source for Lent {
    fn left_bytes(&self) -> usize {
        self.items.lent_bytes()
    }

    fn held_bytes(&self) -> usize {
        self.items.held_bytes()
    }

    fn make(&mut self, out: &mut Output, bytes: usize) -> bool {
        // Names and values are bulk strings in both protocols.
        let mut reply = Reply::new(out, Proto::Resp2);
        self.items.read(|name, value| {
            self.show.write(&mut reply, Part::of_text(name), Part::Value(value));
            reply.out.len() < bytes
        })
    }
}
