//! Keyspace events: their classes, the letters of `notify-keyspace-events`, and one event.
//!
//! Redis's letters and names, and one class of our own for what happens to flights. Knows no key's value
//! and no subscriber.

use std::fmt;

/// A set of classes of events, and of the two ways to publish them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classes(u32);

/// The letters in the order in which CONFIG GET shows them; those before `K` up to `d` make up `A`.
const LETTERS: &[(u8, Classes)] = &[
    (b'g', Classes::GENERIC),
    (b'$', Classes::STRING),
    (b'l', Classes::LIST),
    (b's', Classes::SET),
    (b'h', Classes::HASH),
    (b'z', Classes::SORTED_SET),
    (b'x', Classes::EXPIRED),
    (b'e', Classes::EVICTED),
    (b't', Classes(1 << 8)),
    (b'd', Classes(1 << 9)),
    (b'n', Classes::NEW),
    (b'K', Classes::KEYSPACE),
    (b'E', Classes::KEYEVENT),
    (b'm', Classes::KEY_MISS),
    (b'f', Classes::FILL),
];

impl Classes {
    pub const NONE: Classes = Classes(0);
    /// Commands of every type: DEL, EXPIRE, RENAME …
    pub const GENERIC: Classes = Classes(1);
    /// String commands.
    pub const STRING: Classes = Classes(1 << 1);
    /// List commands.
    pub const LIST: Classes = Classes(1 << 2);
    /// Set commands.
    pub const SET: Classes = Classes(1 << 3);
    /// Hash commands.
    pub const HASH: Classes = Classes(1 << 4);
    /// Sorted set commands.
    pub const SORTED_SET: Classes = Classes(1 << 5);
    /// A key's time was up.
    pub const EXPIRED: Classes = Classes(1 << 6);
    /// A key made room at `maxmemory`.
    pub const EVICTED: Classes = Classes(1 << 7);
    /// A key was added.
    pub const NEW: Classes = Classes(1 << 10);
    /// Publish to `__keyspace@<db>__:<key>`.
    pub const KEYSPACE: Classes = Classes(1 << 11);
    /// Publish to `__keyevent@<db>__:<event>`.
    pub const KEYEVENT: Classes = Classes(1 << 12);
    /// A key was read that is not there.
    pub const KEY_MISS: Classes = Classes(1 << 13);
    /// Ours: leases granted, answered and voided.
    pub const FILL: Classes = Classes(1 << 14);
    /// `A`: every class that tells of changes to values.
    const ALL: Classes = Classes((1 << 10) - 1);

    /// Reads the letters of `notify-keyspace-events`; `None` if one of them is unknown.
    #[must_use]
    pub fn parse(letters: &[u8]) -> Option<Classes> {
        letters.iter().try_fold(Classes::NONE, |all, letter| match letter {
            b'A' => Some(all.with(Classes::ALL)),
            _ => LETTERS.iter().find(|(known, _)| known == letter).map(|(_, class)| all.with(*class)),
        })
    }

    #[must_use]
    pub const fn with(self, more: Classes) -> Classes {
        Classes(self.0 | more.0)
    }

    /// Whether any of these classes is in the set.
    #[inline]
    #[must_use]
    pub const fn has(self, classes: Classes) -> bool {
        self.0 & classes.0 != 0
    }

    /// The set as it is in effect: empty unless it says how to publish.
    #[must_use]
    pub fn in_effect(self) -> Classes {
        if self.has(Classes::KEYSPACE.with(Classes::KEYEVENT)) { self } else { Classes::NONE }
    }
}

/// The letters in Redis's order, `A` for all that it stands for.
impl fmt::Display for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_all = self.0 & Classes::ALL.0 == Classes::ALL.0;
        if has_all {
            f.write_str("A")?;
        }
        for (letter, class) in LETTERS {
            if self.has(*class) && !(has_all && Classes::ALL.has(*class)) {
                write!(f, "{}", char::from(*letter))?;
            }
        }
        Ok(())
    }
}

/// Something that happened to a key, to be published once the locks are released.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    pub db: usize,
    pub name: &'static str,
    pub key: Box<[u8]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(letters: &str) -> Option<String> {
        Classes::parse(letters.as_bytes()).map(|classes| classes.to_string())
    }

    #[test]
    fn letters_are_shown_in_redis_order() {
        let cases = [
            ("", ""),
            ("KEA", "AKE"),
            ("mx$gEK", "g$xKEm"),
            ("dtezhslxg$", "A"),
            ("AA", "A"),
            ("fnAE", "AnEf"),
        ];
        for (given, expected) in cases {
            assert_eq!(shown(given).as_deref(), Some(expected), "{given}");
        }
        assert_eq!((shown("Kq"), shown("K ")), (None, None));
    }

    #[test]
    fn classes_have_no_effect_without_a_way_to_publish() {
        let of = |letters: &str| Classes::parse(letters.as_bytes()).unwrap().in_effect();
        assert_eq!(of("Am"), Classes::NONE);
        assert!(of("g$K").has(Classes::STRING) && !of("gK").has(Classes::STRING));
        assert!(!of("AKE").has(Classes::NEW) && !of("AKE").has(Classes::KEY_MISS));
    }
}
