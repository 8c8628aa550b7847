//! L1: Redis's binary format of stored things: checksums, strings, and the payloads of DUMP commands.
//!
//! Pure: bytes in, bytes out. Knows neither what a payload holds nor where it goes; whatever comes from outside is judged
//! before room is made for it.

mod crc;
mod lzf;
mod payload;
mod string;

pub use payload::{open, seal};
pub use string::{Malformed, Reader, write_string};
