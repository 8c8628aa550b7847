//! The options of SET and GETEX that say how long a value lives: EX, PX, EXAT, PXAT, one that stands alone
//! (KEEPTTL, PERSIST), and IDLE, which goes with any of them.
//!
//! Owns their grammar and the arithmetic of deadlines, in Redis's order of checks. Knows no keys.
//! Invariant: a deadline that is given out is positive milliseconds since the epoch.

use std::num::NonZeroU64;

use crate::base::int::parse_i64;
use crate::dispatch::args::Args;
use crate::dispatch::error::CommandError;

/// What a request says about a value's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime<'a> {
    Unsaid,
    /// The command's option without a number.
    Alone,
    /// The number is not looked at before all options are read.
    Until(Unit, &'a [u8]),
}

/// How a number means a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    Milliseconds,
    UnixSeconds,
    UnixMilliseconds,
}

impl Unit {
    /// All of them.
    pub const ALL: [Unit; 4] = [Unit::Seconds, Unit::Milliseconds, Unit::UnixSeconds, Unit::UnixMilliseconds];

    /// The word in front of the number.
    #[must_use]
    pub fn option(self) -> &'static str {
        match self {
            Unit::Seconds => "EX",
            Unit::Milliseconds => "PX",
            Unit::UnixSeconds => "EXAT",
            Unit::UnixMilliseconds => "PXAT",
        }
    }

    /// Milliseconds of one.
    #[must_use]
    pub fn ms(self) -> i64 {
        if matches!(self, Unit::Seconds | Unit::UnixSeconds) { 1000 } else { 1 }
    }

    /// Whether it counts from now.
    #[must_use]
    pub fn is_relative(self) -> bool {
        matches!(self, Unit::Seconds | Unit::Milliseconds)
    }

    /// The point in time a number means, wall-clock ms since the epoch. The error for zero, negative and
    /// overflowing ones names the command.
    pub fn deadline(self, number: &[u8], now_ms: i64, command: &'static str) -> Result<i64, CommandError> {
        let number = parse_i64(number).ok_or(CommandError::NotAnInteger)?;
        Some(number)
            .filter(|number| *number > 0)
            .and_then(|number| number.checked_mul(self.ms()))
            .and_then(|ms| ms.checked_add(if self.is_relative() { now_ms } else { 0 }))
            .ok_or_else(|| CommandError::invalid_expire(command))
    }
}

impl<'a> Lifetime<'a> {
    /// Reads the next words if they are such an option; `alone` is the one without a number. False if
    /// they are not. An option may be repeated, but two different ones are a syntax error.
    pub fn read(&mut self, args: &mut Args<'a>, alone: &str) -> Result<bool, CommandError> {
        if args.skip(alone) {
            return self.become_if_same(Lifetime::Alone).map(|()| true);
        }
        for unit in Unit::ALL {
            if args.skip(unit.option()) {
                let number = args.take()?;
                return self.become_if_same(Lifetime::Until(unit, number)).map(|()| true);
            }
        }
        Ok(false)
    }

    fn become_if_same(&mut self, said: Lifetime<'a>) -> Result<(), CommandError> {
        let fits = match (&self, &said) {
            (Lifetime::Unsaid, _) | (Lifetime::Alone, Lifetime::Alone) => true,
            (Lifetime::Until(before, _), Lifetime::Until(unit, _)) => before == unit,
            _ => false,
        };
        if !fits {
            return Err(CommandError::Syntax);
        }
        *self = said;
        Ok(())
    }
}

/// The longest idle time that IDLE's number means, ms. The errors are those of PX.
pub fn idle_ms(number: &[u8], now_ms: i64, command: &'static str) -> Result<NonZeroU64, CommandError> {
    let ends_at = Unit::Milliseconds.deadline(number, now_ms, command)?;
    let ms = ends_at.checked_sub(now_ms).and_then(|ms| NonZeroU64::new(ms.unsigned_abs()));
    ms.ok_or_else(|| CommandError::invalid_expire(command))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::range::ArgRange;

    fn read<'a>(
        words: &'a [&'a str],
        buffer: &'a str,
        ranges: &'a mut Vec<ArgRange>,
    ) -> Result<Lifetime<'a>, CommandError> {
        let mut start = 0;
        for word in words {
            ranges.push(ArgRange { start, len: word.len() });
            start += word.len();
        }
        let mut args = Args::new(buffer.as_bytes(), ranges);
        args.seek(0);
        let mut lifetime = Lifetime::Unsaid;
        while lifetime.read(&mut args, "KEEPTTL")? {}
        args.finish().map(|()| lifetime)
    }

    fn is_syntax_error(words: &[&str]) -> bool {
        read(words, &words.concat(), &mut Vec::new()) == Err(CommandError::Syntax)
    }

    #[test]
    fn option_may_be_repeated_and_its_last_number_counts() {
        let words = ["EX", "1", "ex", "2"];
        let read = read(&words, "EX1ex2", &mut Vec::new())
            .map(|lifetime| lifetime == Lifetime::Until(Unit::Seconds, b"2"));
        assert_eq!(read, Ok(true));
    }

    #[test]
    fn different_options_exclude_each_other() {
        for words in [
            &["EX", "1", "PX", "1"][..],
            &["EX", "1", "KEEPTTL"],
            &["KEEPTTL", "PXAT", "1"],
            &["EXAT", "1", "EX", "1"],
            &["EX"],
            &["PERSIST"],
        ] {
            assert!(is_syntax_error(words), "{words:?}");
        }
        assert!(!is_syntax_error(&["KEEPTTL", "keepttl"]));
    }

    #[test]
    fn deadline_is_refused_when_it_is_not_positive_or_overflows() {
        let now_ms = 1_000;
        let deadline = |unit: Unit, number: &str| unit.deadline(number.as_bytes(), now_ms, "set");
        assert_eq!(deadline(Unit::Seconds, "2"), Ok(3_000));
        assert_eq!(deadline(Unit::Milliseconds, "2"), Ok(1_002));
        assert_eq!(deadline(Unit::UnixSeconds, "2"), Ok(2_000));
        assert_eq!(deadline(Unit::UnixMilliseconds, "2"), Ok(2));
        assert_eq!(deadline(Unit::UnixMilliseconds, "9223372036854775807"), Ok(i64::MAX));
        for (unit, number) in [
            (Unit::Seconds, "0"),
            (Unit::Seconds, "-1"),
            (Unit::Seconds, "9223372036854776"),
            (Unit::Milliseconds, "9223372036854775807"),
            (Unit::UnixSeconds, "9223372036854776"),
            (Unit::UnixMilliseconds, "-9223372036854775808"),
        ] {
            assert_eq!(deadline(unit, number), Err(CommandError::invalid_expire("set")), "{unit:?} {number}");
        }
        assert_eq!(deadline(Unit::Seconds, "1.5"), Err(CommandError::NotAnInteger));
    }
}
