//! All of a collection as a reply: written at once, or, of a large one that was lent, made page by page as it is written.

use super::value::{write_element, write_part};
use crate::keyspace::{Items, LentItems, ListRange, Part, Whole};
use crate::protocol::output::{Output, Source};
use crate::protocol::reply::{Proto, Reply};
use crate::storage::list::LentList;
use crate::storage::{Collection, LentMembers};

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

/// As `write_whole`, for items that no key has any more.
pub fn write_lent(reply: &mut Reply<'_>, items: LentItems, show: Show) {
    match items {
        LentItems::Packed(bytes) => {
            write_whole(reply, Whole::Here(Items::of(Collection::Packed(&bytes))), show)
        }
        LentItems::Large(items) => write_whole(reply, Whole::Lent(items), show),
    }
}

/// Writes elements of a list, behind a header that is written already.
pub fn write_range(reply: &mut Reply<'_>, range: ListRange<'_>) {
    match range {
        ListRange::Here(list, range) => {
            let elements = list.iter_from(range.start).take(range.len());
            elements.for_each(|element| write_element(reply, element));
        }
        ListRange::Lent(elements) => reply.out.extend_made(Box::new(LentElements(elements))),
    }
}

/// Elements of a list on their way out.
#[derive(Debug)]
struct LentElements(LentList);

impl Source for LentElements {
    fn left_bytes(&self) -> usize {
        self.0.lent_bytes()
    }

    fn held_bytes(&self) -> usize {
        self.0.held_bytes()
    }

    fn make(&mut self, out: &mut Output, bytes: usize) -> bool {
        let mut reply = Reply::new(out, Proto::Resp2);
        self.0.read(|element| {
            write_element(&mut reply, element);
            reply.out.len() < bytes
        })
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
