//! The sparse form: registers as runs of zeros and of small values.
//!
//! ```text
//! 00xxxxxx            x + 1 zeros
//! 01xxxxxx yyyyyyyy   xy + 1 zeros
//! 1vvvvvxx            x + 1 registers of v + 1
//! ```
//! Splits and joins runs where Redis does, so that the same additions make the same bytes. Of bytes that somebody
//! SET, everything is checked when it is used.

use std::fmt;

use super::{Corrupted, HEADER_BYTES, REGISTERS};

/// The greatest value of a register that has a run.
pub const VALUE_MAX: u8 = 32;
const ZEROS_MAX: usize = 64;
const VALUES_MAX: usize = 4;
/// Runs that are looked at for a join with the next, from the one before a change on: what a change makes, and its
/// neighbours.
const JOINS_MAX: usize = 5;
/// The bytes that one run becomes at most: long zeros, a value, long zeros.
const SPLIT_BYTES_MAX: usize = 5;

/// Equal registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub value: u8,
    pub len: usize,
}

impl Run {
    fn zeros(len: usize) -> Run {
        Run { value: 0, len }
    }

    /// The run at the front of `bytes`, and its bytes.
    fn decode(bytes: &[u8]) -> Option<(Run, usize)> {
        match *bytes {
            [head @ 0x80..=0xff, ..] => {
                Some((Run { value: (head >> 2 & 31) + 1, len: usize::from(head & 3) + 1 }, 1))
            }
            [head @ 0x40..0x80, low, ..] => {
                Some((Run::zeros((usize::from(head & 63) << 8 | usize::from(low)) + 1), 2))
            }
            [head @ 0..0x40, ..] => Some((Run::zeros(usize::from(head) + 1), 1)),
            _ => None,
        }
    }

    /// Appends a run, if it has any registers.
    fn encode(self, into: &mut Made) {
        let Some(last) = self.len.checked_sub(1) else { return };
        if self.value > 0 {
            into.push(0x80 | (self.value - 1) << 2 | last as u8);
        } else if self.len > ZEROS_MAX {
            into.push(0x40 | (last >> 8) as u8);
            into.push(last as u8);
        } else {
            into.push(last as u8);
        }
    }
}

/// In Redis's notation. How many zeros are many follows from the bytes they take.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            0 if self.len > ZEROS_MAX => write!(f, "Z:{}", self.len),
            0 => write!(f, "z:{}", self.len),
            value => write!(f, "v:{value},{}", self.len),
        }
    }
}

/// Runs that take the place of one.
#[derive(Default)]
struct Made {
    bytes: [u8; SPLIT_BYTES_MAX],
    len: usize,
}

impl Made {
    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }
}

/// The runs of a value without registers.
#[must_use]
pub fn empty() -> [u8; 2] {
    [0x40 | ((REGISTERS - 1) >> 8) as u8, (REGISTERS - 1) as u8]
}

/// Visits the runs of a value with the number of each one's first register.
///
/// # Errors
/// Where they are not exactly all registers.
pub fn each(runs: &[u8], mut visit: impl FnMut(usize, Run)) -> Result<(), Corrupted> {
    let (mut at, mut first) = (0, 0);
    while at < runs.len() {
        let (run, bytes) = Run::decode(&runs[at..]).ok_or(Corrupted)?;
        if first + run.len > REGISTERS {
            return Err(Corrupted);
        }
        visit(first, run);
        (at, first) = (at + bytes, first + run.len);
    }
    if first == REGISTERS { Ok(()) } else { Err(Corrupted) }
}

/// Where a register's run is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// From the beginning of the runs.
    at: usize,
    bytes: usize,
    /// Where the run before begins.
    before: Option<usize>,
    first: usize,
    pub run: Run,
}

/// The run of a register. Cost: a step per run before it.
///
/// # Errors
/// Where the runs end before it.
pub fn find(runs: &[u8], index: usize) -> Result<Place, Corrupted> {
    let (mut at, mut first, mut before) = (0, 0, None);
    loop {
        let (run, bytes) = runs.get(at..).and_then(Run::decode).ok_or(Corrupted)?;
        if index < first + run.len {
            return Ok(Place { at, bytes, before, first, run });
        }
        (before, at, first) = (Some(at), at + bytes, first + run.len);
    }
}

/// Raises a register to a value of its run's form, which is greater; false, and nothing changed, where the value
/// would become longer than `bytes_max`, its header counted. Cost: what is behind the run moves.
pub fn raise(value: &mut Vec<u8>, place: Place, index: usize, to: u8, bytes_max: usize) -> bool {
    let Place { at, bytes, before, first, run } = place;
    let mut made = Made::default();
    Run { len: index - first, ..run }.encode(&mut made);
    Run { value: to, len: 1 }.encode(&mut made);
    Run { len: first + run.len - 1 - index, ..run }.encode(&mut made);
    if made.len > bytes && value.len() + made.len - bytes > bytes_max {
        return false;
    }
    let place = HEADER_BYTES + at;
    value.splice(place..place + bytes, made.bytes[..made.len].iter().copied());
    join(value, HEADER_BYTES + before.unwrap_or(0));
    true
}

/// Joins runs of the same value that follow each other, from one on.
fn join(value: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOINS_MAX {
        let Some((run, bytes)) = value.get(at..).and_then(Run::decode) else { return };
        let next = value.get(at + bytes..).and_then(Run::decode).map(|(next, _)| next);
        let len = run.len + next.map_or(0, |next| next.len);
        if run.value > 0 && next.is_some_and(|next| next.value == run.value) && len <= VALUES_MAX {
            let mut made = Made::default();
            Run { len, ..run }.encode(&mut made);
            // What was joined may go on with the one behind.
            value[at + 1] = made.bytes[0];
            value.remove(at);
        } else {
            at += bytes;
        }
    }
}
