//! What a handler is given: the keys, its connection's session, a reply writer, the settings; and what a handler is.
//!
//! Each fact stands once: the time and the counters are the scope's, the database is the keys', the protocol the
//! reply's; `select` and `speak` keep the session's copy, which outlives the request, alike.

use std::rc::Rc;

use super::args::Args;
use super::error::CommandError;
use super::session::Session;
use super::shared::Shared;
use super::stage::Stage;
use super::station::Station;
use crate::base::clock::Now;
use crate::base::hash::Key;
use crate::base::int::parse_i64;
use crate::base::metrics::Counters;
use crate::config::Settings;
use crate::figures::calls::Meter;
use crate::keyspace::Keys;
use crate::protocol::reply::{Proto, Reply};
use crate::pubsub::Delivery;
use crate::table::Row;

/// What runs a command: writes its reply and returns, or parks. Never waits.
pub type Run = fn(&mut Ctx<'_>, &mut Args<'_>) -> Result<(), CommandError>;

/// The functions that run the commands, by the numbers of their rows.
#[derive(Debug)]
pub struct Handlers(Vec<Run>);

impl Handlers {
    /// `None` stands for a command that only its subcommands run.
    #[must_use]
    pub fn new(in_order: impl IntoIterator<Item = Option<Run>>) -> Handlers {
        Handlers(in_order.into_iter().map(|run| run.unwrap_or(without_handler)).collect())
    }

    #[inline]
    #[must_use]
    pub fn of(&self, row: &Row) -> Run {
        self.0[row.number]
    }
}

/// Its arity keeps such a command from being run.
fn without_handler(_: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    Err(CommandError::Syntax)
}

/// The clock as one script sees it, wall-clock µs: it stands still from the first look on.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScriptClock(Option<i64>);

/// The surroundings of one running command.
pub struct Ctx<'a> {
    pub shared: &'a Shared,
    pub handlers: &'static Handlers,
    /// The worker's place, at its bench.
    pub station: Option<&'a Rc<Station>>,
    /// On a stack of its own: what scripts need.
    pub stage: Option<Stage<'a>>,
    pub settings: &'a Settings,
    pub keys: Keys<'a>,
    /// Messages to send once the locks are released.
    pub deliveries: &'a mut Vec<Delivery>,
    pub session: &'a mut Session,
    pub reply: Reply<'a>,
    /// Inside EXEC: nothing parks, locks are held until its end.
    pub in_transaction: bool,
    /// What runs is called by a script: what its calls have seen of the clock.
    pub in_script: Option<ScriptClock>,
    /// Times and counts what runs.
    pub meter: &'a mut Meter,
    /// There is no room below `maxmemory` for what a script may write.
    pub lacks_memory: bool,
    /// The request behind this one is of the same, quick command.
    pub alike_follows: bool,
}

impl<'a> Ctx<'a> {
    /// The time at which the batch began.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Now {
        self.keys.scope.now
    }

    /// The wall clock in µs, as TIME tells it.
    pub fn wall_us(&mut self) -> i64 {
        let clock = &self.shared.clock;
        match &mut self.in_script {
            Some(ScriptClock(seen)) => *seen.get_or_insert_with(|| clock.wall_us()),
            None => clock.wall_us(),
        }
    }

    /// Where this worker counts.
    #[inline]
    #[must_use]
    pub fn counters(&self) -> &'a Counters {
        self.keys.scope.counters
    }

    /// The next word as a key.
    #[inline]
    pub fn key<'k>(&self, args: &mut Args<'k>) -> Result<Key<'k>, CommandError> {
        args.key(self.keys.keyspace)
    }

    /// Selects a database, for this request and those that follow.
    pub fn select(&mut self, db: usize) {
        self.keys.db = db;
        self.session.db = db;
    }

    /// Speaks this version of the protocol, in this reply and those that follow.
    pub fn speak(&mut self, proto: Proto) {
        self.reply.proto = proto;
        self.session.proto = proto;
    }

    /// A database number of a request. Redis reads it as a 32-bit integer and has a text of its own for
    /// larger ones.
    pub fn database(&self, word: &[u8]) -> Result<usize, CommandError> {
        let number = parse_i64(word).ok_or(CommandError::NotAnInteger)?;
        let number = i32::try_from(number).map_err(|_| {
            CommandError::err("value is out of range, value must between -2147483648 and 2147483647")
        })?;
        let known = usize::try_from(number).ok().filter(|db| *db < self.keys.keyspace.databases());
        known.ok_or_else(|| CommandError::err("DB index is out of range"))
    }

    /// The length a string may reach, bytes (`proto-max-bulk-len`).
    pub fn check_string_len(&self, len: usize) -> Result<(), CommandError> {
        if len as u64 > self.settings.bulk_bytes_max as u64 {
            Err(CommandError::StringTooLong)
        } else {
            Ok(())
        }
    }
}
