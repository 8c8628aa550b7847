//! What a script needs of the server.

use crate::protocol::range::ArgRange;
use crate::protocol::reply::Proto;

/// Who runs what a script calls.
pub trait Host {
    /// Runs a command and gives its reply as on the wire; a refusal is an error line too. Its words lie in `buffer`.
    fn call(&mut self, buffer: &[u8], words: &[ArgRange], proto: Proto) -> &[u8];

    /// Writes a line to the server's log; the level as in `redis.LOG_…`.
    fn log(&mut self, level: i64, text: &[u8]);

    /// Whether the caller may run these words; an error text where there is no such command.
    fn may_call(&mut self, buffer: &[u8], words: &[ArgRange]) -> Result<bool, &'static str>;

    /// Gives others their turn. Whether the script may go on; one that may not ends like one that was killed.
    fn pause(&mut self) -> bool;
}
