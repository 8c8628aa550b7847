//! What a function says of itself when it is registered.

/// The flags of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FunctionFlags(u8);

/// Each flag at the bit of its place, in the order in which Redis shows them.
const NAMES: [&str; 5] = ["no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"];

impl FunctionFlags {
    const NO_WRITES: u8 = 1 << 0;
    const ALLOW_OOM: u8 = 1 << 1;

    /// Sets a flag by its name, in any case; false where there is no such flag.
    pub fn set(&mut self, name: &[u8]) -> bool {
        let at = NAMES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name));
        self.0 |= at.map_or(0, |at| 1 << at);
        at.is_some()
    }

    /// It changes nothing.
    #[must_use]
    pub fn no_writes(self) -> bool {
        self.0 & Self::NO_WRITES != 0
    }

    /// It may be run where there is no room for what it may write.
    #[must_use]
    pub fn allow_oom(self) -> bool {
        self.0 & Self::ALLOW_OOM != 0
    }

    /// The names of the flags that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().enumerate().filter(move |(at, _)| self.0 >> at & 1 == 1).map(|(_, name)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_set_by_their_names_and_shown_in_order() {
        let mut flags = FunctionFlags::default();
        assert!(!flags.no_writes() && !flags.allow_oom());
        assert!(flags.set(b"Allow-OOM") && flags.set(b"no-writes") && flags.set(b"no-writes"));
        assert!(!flags.set(b"no-write") && !flags.set(b""));
        assert!(flags.no_writes() && flags.allow_oom());
        assert_eq!(flags.names().collect::<Vec<_>>(), ["no-writes", "allow-oom"]);
        assert!(NAMES.iter().all(|name| flags.set(name.as_bytes())));
        assert_eq!(flags.names().collect::<Vec<_>>(), NAMES);
    }
}
