//! Collections that Redis keeps as one string each: ziplists, listpacks, sets of integers, zipmaps.
//!
//! ```text
//! ziplist   bytes 4 | last at 4 | count 2 | entries: bytes before 1 or 5, head, text | 0xff
//! listpack  bytes 4 | count 2 | entries: head, text, bytes of both again 1-5, the highest group first | 0xff
//! integers  width 4 | count 4 | integers ascending           zipmap  count 1 | len 1 or 5, field, len, unused 1, value | 0xff
//! ```
//! Numbers have their lowest byte first. Formats: <https://rdb.fnordig.de/file_format.html>,
//! <https://github.com/antirez/listpack>. Nothing of them is kept and nothing believed: lengths, counts and what leads
//! back must all be true, since most faults of this kind in other servers came from those that were not.

mod ints;
mod listpack;
mod parts;
mod ziplist;
mod zipmap;

use super::string::Malformed;
pub use parts::Element;

/// How a collection lies in its string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compact {
    Ziplist,
    Listpack,
    Ints,
    Zipmap,
}

/// Elements, the last of them a fault where there is one.
type Elements<'a> = Box<dyn Iterator<Item = Result<Element<'a>, Malformed>> + 'a>;

impl Compact {
    /// The elements of such a string. Cost: a step each; nothing is allocated but this.
    pub fn elements(self, bytes: &[u8]) -> Elements<'_> {
        fn checked<'a, I>(begun: Result<I, Malformed>) -> Elements<'a>
        where
            I: Iterator<Item = Result<Element<'a>, Malformed>> + 'a,
        {
            match begun {
                Ok(elements) => Box::new(UntilFault(Some(elements))),
                Err(fault) => Box::new(std::iter::once(Err(fault))),
            }
        }
        match self {
            Compact::Ziplist => checked(ziplist::Ziplist::read(bytes)),
            Compact::Listpack => checked(listpack::Listpack::read(bytes)),
            Compact::Ints => checked(ints::Ints::read(bytes)),
            Compact::Zipmap => checked(zipmap::Zipmap::read(bytes)),
        }
    }
}

/// Ends behind the first fault.
struct UntilFault<I>(Option<I>);

impl<'a, I: Iterator<Item = Result<Element<'a>, Malformed>>> Iterator for UntilFault<I> {
    type Item = Result<Element<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.0.as_mut()?.next();
        if !matches!(next, Some(Ok(_))) {
            self.0 = None;
        }
        next
    }
}

#[cfg(test)]
mod tests;
