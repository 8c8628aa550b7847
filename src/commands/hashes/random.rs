//! HRANDFIELD, and what it shares with SRANDMEMBER and SPOP: how many items are asked for.

use crate::base::int::parse_i64;
use crate::base::limits::PICKS_MAX;
use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::dispatch::value::write_part;
use crate::keyspace::{Items, Part};
use crate::protocol::reply::{Proto, Reply};
use crate::table::KeyFlag::{Access, RO};
use crate::table::arg::{block, integer, key, token};
use crate::table::{Category, Flag, Group, Spec};

pub static COMMANDS: &[Command] = &[Command::new(
    hrandfield,
    Spec {
        name: "hrandfield",
        group: Group::Hash,
        since: "6.2.0",
        summary: "Returns one or more random fields from a hash.",
        complexity: "O(N) where N is the number of fields returned",
        args: &[
            key("key", &[RO, Access]),
            block("options", &[integer("count"), token("withvalues", "WITHVALUES").optional()]).optional(),
        ],
        flags: &[Flag::Readonly],
        acl: &[Category::Hash],
        tips: &["nondeterministic_output"],
        reply: "a field, nil without key; with a count an array of fields, WITHVALUES with their values (RESP3: in pairs)",
        ..Spec::EMPTY
    },
)];

/// How many items are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picks {
    /// So many different ones, fewer where there are no more.
    Distinct(usize),
    /// So many draws, each among all.
    Any(usize),
}

impl Picks {
    /// A count as Redis has it: a negative one asks for draws that may repeat each other.
    ///
    /// # Errors
    /// Where it is no number, or asks for more draws than a reply may have.
    pub fn read(word: &[u8]) -> Result<Picks, CommandError> {
        match parse_i64(word) {
            None => Err(CommandError::NotAnInteger),
            Some(i64::MIN) => Err(CommandError::err(
                "value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            )),
            Some(count @ 0..) => Ok(Picks::Distinct(usize::try_from(count).unwrap_or(usize::MAX))),
            Some(count) => {
                let draws = usize::try_from(count.unsigned_abs()).ok().filter(|draws| *draws <= PICKS_MAX);
                draws.map(Picks::Any).ok_or_else(|| CommandError::err("value is out of range"))
            }
        }
    }

    /// Whether a reply may have twice as many.
    ///
    /// # Errors
    /// Where Redis could not count them.
    pub fn check_pairs(self) -> Result<(), CommandError> {
        match self {
            Picks::Distinct(count) if count > i64::MAX as usize / 2 => {
                Err(CommandError::err("value is out of range"))
            }
            Picks::Distinct(_) | Picks::Any(_) => Ok(()),
        }
    }

    /// How many that are of so many.
    #[must_use]
    pub fn of(self, len: usize) -> usize {
        match self {
            Picks::Distinct(count) => count.min(len),
            Picks::Any(_) if len == 0 => 0,
            Picks::Any(count) => count,
        }
    }

    /// Shows as many.
    pub fn each(self, items: Items<'_>, mut visit: impl FnMut(Part<'_>, Part<'_>)) {
        match self {
            Picks::Distinct(count) => items.draw_distinct(count, visit),
            Picks::Any(count) => (0..count).for_each(|_| items.draw(&mut visit)),
        }
    }
}

fn hrandfield(ctx: &mut Ctx<'_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let key = ctx.key(args)?;
    let count = args.try_take().map(Picks::read).transpose()?;
    let with_values = args.skip("WITHVALUES");
    args.finish()?;
    if with_values {
        count.map_or(Ok(()), Picks::check_pairs)?;
    }
    let mut view = ctx.keys.view(&key);
    let (hash, reply) = (view.hash(&key)?, &mut ctx.reply);
    let Some(picks) = count else {
        match hash.filter(|hash| hash.shown() > 0) {
            Some(hash) => hash.draw(&mut |field, _| write_part(reply, field)),
            None => reply.null(),
        }
        return Ok(());
    };
    let count = hash.map_or(0, |hash| picks.of(hash.shown()));
    begin(reply, count, with_values);
    if let Some(hash) = hash {
        picks.each(*hash, |field, value| {
            if with_values && reply.proto == Proto::Resp3 {
                reply.array(2);
            }
            write_part(reply, field);
            if with_values {
                write_part(reply, value);
            }
        });
    }
    Ok(())
}

/// Begins an array of items, or of pairs with their values, which RESP2 has one behind the other.
pub fn begin(reply: &mut Reply<'_>, count: usize, with_values: bool) {
    let is_flat = with_values && reply.proto == Proto::Resp2;
    reply.array(if is_flat { count * 2 } else { count });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_says_whether_items_may_repeat() {
        assert_eq!(Picks::read(b"0"), Ok(Picks::Distinct(0)));
        assert_eq!(Picks::read(b"-3"), Ok(Picks::Any(3)));
        assert_eq!(Picks::read(b"9223372036854775807"), Ok(Picks::Distinct(i64::MAX as usize)));
        assert_eq!(Picks::read(b"x"), Err(CommandError::NotAnInteger));
        assert_eq!(Picks::read(format!("-{PICKS_MAX}").as_bytes()), Ok(Picks::Any(PICKS_MAX)));
        for word in [format!("-{}", PICKS_MAX + 1), i64::MIN.to_string()] {
            assert!(Picks::read(word.as_bytes()).is_err(), "{word}");
        }
    }
}
