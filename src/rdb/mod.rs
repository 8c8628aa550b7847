//! L1: Redis's binary format of stored things: checksums, strings, values, and the payloads of DUMP commands.
//!
//! Pure: bytes in, bytes out. Knows no key and not where anything goes; whatever comes from outside is judged before room is
//! made for it.

mod compact;
mod crc;
mod lzf;
mod payload;
mod string;
mod value;

pub use payload::{LIBRARIES_VERSION, VALUES_VERSION, open, seal};
pub use string::{Malformed, Reader, write_string};
pub use value::{Item, Type, read, seal_value, write_deadline, write_head, write_head_until, write_score};
