//! Whether every use of what matters is one that the proof allows.

use std::collections::HashSet;

use super::places::{KeyPlaces, Last};
use super::token::*;

/// The last step: looks at every use of the names that matter.
pub(super) struct Check<'c, 's> {
    pub(super) script: &'c Script<'s>,
    pub(super) aliases: &'c HashSet<usize>,
    /// Parameters that stand for `KEYS`.
    pub(super) params: &'c HashSet<usize>,
    /// Functions that may outlive the call whose keys they see.
    pub(super) closures: &'c [(usize, usize)],
    pub(super) places: &'c dyn Fn(&[u8]) -> KeyPlaces,
}

impl Check<'_, '_> {
    pub(super) fn run(&self) -> Option<()> {
        (0..self.script.tokens.len()).try_for_each(|at| self.token(at))
    }

    pub(super) fn token(&self, at: usize) -> Option<()> {
        let Some(name) = self.script.name(at) else {
            return Some(());
        };
        if name.banned && self.script.kind_before(at, 1) != Kind::Dot {
            return None;
        }
        match self.script.name_id(at)? {
            KEYS => self.keys_use(at),
            REDIS | SERVER => self.redis_use(at),
            _ if self.is_alias_call(name, at) => self.call(at + 1),
            _ => Some(()),
        }
    }

    /// An alias was found to be used for calls only, so all that is left out is its binding and fields.
    pub(super) fn is_alias_call(&self, name: &Name, at: usize) -> bool {
        name.role == Role::Call && !self.script.is_field(at) && self.script.kind(at + 1) == Kind::OpenParen
    }

    pub(super) fn redis_use(&self, at: usize) -> Option<()> {
        if self.script.is_field(at) || self.script.kind(at + 1) != Kind::Dot {
            return None;
        }
        if !self.script.is_call_field(at + 1) {
            return is_harmless(self.script.name(at + 2)?.text).then_some(());
        }
        if self.script.kind(at + 3) == Kind::OpenParen {
            return self.call(at + 3);
        }
        self.aliases.contains(&at).then_some(())
    }

    fn may_be_late(&self, at: usize) -> bool {
        self.closures.iter().any(|(from, to)| (*from..*to).contains(&at))
    }

    pub(super) fn keys_use(&self, at: usize) -> Option<()> {
        if self.params.contains(&at) {
            return Some(());
        }
        if self.script.is_field(at) || self.may_be_late(at) {
            return None;
        }
        let next = self.script.kind(at + 1);
        let fine = if next == Kind::OpenBracket {
            let after = self.script.partner(at + 1) + 1;
            !self.script.kind(after).assigns()
        } else if self.script.kind_before(at, 1) == Kind::Length {
            !next.extends_operand()
        } else {
            self.is_passed_on(at)
        };
        fine.then_some(())
    }

    /// Whether `KEYS` is an argument of a function that cannot change it and keeps no hold of it.
    pub(super) fn is_passed_on(&self, at: usize) -> bool {
        let script = self.script;
        let Some(function) = at.checked_sub(2) else {
            return false;
        };
        if !script.is_keys_argument(at - 1) {
            return false;
        }
        if script.is_name(function, IPAIRS) {
            // `ipairs` gives its argument back, so it must not stand where a script can get hold of that.
            return script.names[IPAIRS].is_builtin()
                && script.kind_before(function, 1) == Kind::In
                && script.kind(at + 2) == Kind::Do;
        }
        self.is_unpack(function)
    }

    /// Whether `unpack` or `table.unpack` at `at` is the engine's own.
    pub(super) fn is_unpack(&self, at: usize) -> bool {
        let script = self.script;
        if !script.is_name(at, UNPACK) {
            return false;
        }
        match script.kind_before(at, 1) {
            Kind::Dot => {
                let table = &script.names[TABLE];
                // A library that is only ever used for calls has not had its functions replaced.
                at >= 2
                    && script.is_name(at - 2, TABLE)
                    && !script.is_field(at - 2)
                    && table.is_builtin()
                    && !table.loose
            }
            Kind::Colon => false,
            _ => script.names[UNPACK].is_builtin(),
        }
    }

    /// Checks the call whose arguments open at `open`.
    pub(super) fn call(&self, open: usize) -> Option<()> {
        let words = self.words(open);
        let name = self.command(*words.first()?)?;
        let fixed = self.fixed_words(&words);
        let sorts = name.eq_ignore_ascii_case(b"sort") || name.eq_ignore_ascii_case(b"sort_ro");
        if sorts && (words.len() != 2 || fixed != 2) {
            // BY, GET and STORE name keys of their own, and any word might be one of these.
            return None;
        }
        match (self.places)(name) {
            KeyPlaces::None => Some(()),
            KeyPlaces::Anywhere => None,
            KeyPlaces::Counted { at } => self.counted(&words, fixed, at),
            KeyPlaces::Range { first, last, step } => {
                let end = self.range_end(&words, fixed, last, step)?;
                let keys = words.get(first..end).unwrap_or_default();
                keys.iter().step_by(step.max(1)).try_for_each(|&word| self.key(word))
            }
        }
    }

    /// The arguments of a call, each as its first token and the token behind it.
    pub(super) fn words(&self, open: usize) -> Vec<(usize, usize)> {
        let close = self.script.partner(open);
        let mut words = Vec::new();
        let (mut start, mut at) = (open + 1, open + 1);
        while at < close {
            let next = self.script.skip(at);
            if self.script.kind(at) == Kind::Comma {
                words.push((start, at));
                start = next;
            }
            at = next;
        }
        words.push((start, close));
        words
    }

    /// The name of the command, which must be a plain string.
    pub(super) fn command(&self, (start, end): (usize, usize)) -> Option<&[u8]> {
        (end == start + 1 && self.script.kind(start) == Kind::Text).then(|| self.script.bytes(start))
    }

    /// How many words stand at a place that is known: all, or all but a last one that may be several.
    pub(super) fn fixed_words(&self, words: &[(usize, usize)]) -> usize {
        let expands = words.last().is_some_and(|&(start, end)| self.may_expand(start, end));
        words.len() - usize::from(expands)
    }

    /// Whether an expression may be any number of values: a call or `...`, with nothing around it.
    pub(super) fn may_expand(&self, start: usize, end: usize) -> bool {
        use Kind::*;
        let script = self.script;
        if end == start + 1 {
            return script.kind(start) == Dots;
        }
        let in_parens = script.kind(start) == OpenParen && script.partner(start) + 1 == end;
        let last = script.kind_before(end, 1);
        !in_parens
            && matches!(last, CloseParen | CloseBrace | Text | Opaque | Dots)
            && !self.has_operator(start, end)
    }

    pub(super) fn has_operator(&self, start: usize, end: usize) -> bool {
        let mut at = start;
        while at < end {
            if matches!(self.script.kind(at), Kind::Operator | Kind::Length) {
                return true;
            }
            at = self.script.skip(at);
        }
        false
    }

    /// The word behind the last key of a range. Fails where that word cannot be told.
    pub(super) fn range_end(
        &self,
        words: &[(usize, usize)],
        fixed: usize,
        last: Last,
        step: usize,
    ) -> Option<usize> {
        let open_ended = fixed < words.len();
        match last {
            Last::At(last) if open_ended && last >= fixed => None,
            Last::At(last) => Some(words.len().min(last.saturating_add(1))),
            Last::FromEnd(back) if !open_ended => Some(words.len().saturating_sub(back)),
            Last::FromEnd(0) if step == 1 && self.is_unpacked_keys(words[fixed]) => Some(fixed),
            Last::FromEnd(_) => None,
        }
    }

    /// Whether an argument is `unpack(KEYS)` or `table.unpack(KEYS)`. The use of `KEYS` in it sees to it
    /// that the function is the engine's own.
    pub(super) fn is_unpacked_keys(&self, (start, end): (usize, usize)) -> bool {
        let unpack = if self.script.kind(start + 1) == Kind::Dot { start + 2 } else { start };
        unpack + 4 == end && self.script.is_name(unpack, UNPACK) && self.script.is_keys_argument(unpack + 1)
    }

    pub(super) fn counted(&self, words: &[(usize, usize)], fixed: usize, at: usize) -> Option<()> {
        let count = self.integer(*words[..fixed].get(at)?)?;
        let end = at + 1 + count;
        if end > fixed && fixed < words.len() {
            return None;
        }
        words[at + 1..end.min(fixed)].iter().try_for_each(|&word| self.key(word))
    }

    /// A count written out in plain digits, as a number or as a string.
    pub(super) fn integer(&self, (start, end): (usize, usize)) -> Option<usize> {
        if end != start + 1 || !matches!(self.script.kind(start), Kind::Number | Kind::Text) {
            return None;
        }
        let digits = self.script.bytes(start);
        let plain = digits.iter().all(u8::is_ascii_digit) && matches!(digits.len(), 1..=9);
        if !plain || (digits.len() > 1 && digits[0] == b'0') {
            return None;
        }
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// Checks an argument that is a key.
    pub(super) fn key(&self, (start, end): (usize, usize)) -> Option<()> {
        let script = self.script;
        if script.is_element(start, end) {
            return Some(());
        }
        // Out of its scope the same name means something else.
        let name = script.name(start)?;
        (end == start + 1 && name.is_key_at(start) && !self.may_be_late(start)).then_some(())
    }
}
