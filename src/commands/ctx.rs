//! What a handler is given: the keys, its connection's session, a reply writer, the settings, the time.

use super::calls::Meter;
use super::error::CommandError;
use super::session::Session;
use super::shared::Shared;
use crate::base::clock::Now;
use crate::base::int::parse_i64;
use crate::base::metrics::Counters;
use crate::config::Settings;
use crate::keyspace::Keys;
use crate::protocol::reply::Reply;
use crate::pubsub::Delivery;

/// The surroundings of one running command.
pub struct Ctx<'a> {
    pub shared: &'a Shared,
    pub settings: &'a Settings,
    pub counters: &'a Counters,
    pub now: Now,
    pub keys: Keys<'a>,
    /// Messages to send once the locks are released.
    pub deliveries: &'a mut Vec<Delivery>,
    pub session: &'a mut Session,
    pub reply: Reply<'a>,
    /// Inside EXEC: nothing parks, locks are held until its end.
    pub in_transaction: bool,
    /// Times and counts what runs.
    pub meter: &'a mut Meter,
    /// The request behind this one is of the same, quick command.
    pub alike_follows: bool,
    /// It has to wait until there is room for what it writes.
    pub lacks_room: bool,
}

impl Ctx<'_> {
    /// A database number of a request. Redis reads it as a 32-bit integer and has a text of its own for
    /// larger ones.
    pub fn database(&self, word: &[u8]) -> Result<usize, CommandError> {
        let number = parse_i64(word).ok_or(CommandError::NotAnInteger)?;
        let number = i32::try_from(number).map_err(|_| {
            CommandError::OutOfRange("value is out of range, value must between -2147483648 and 2147483647")
        })?;
        let known = usize::try_from(number).ok().filter(|db| *db < self.keys.keyspace.databases());
        known.ok_or(CommandError::OutOfRange("DB index is out of range"))
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
