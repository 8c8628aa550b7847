//! What was asked and what was said, with the instants before and after: the history that `rules` judges.
//!
//! Instants are nanoseconds of the machine's monotonic clock, which is the same in every process, so that what
//! child processes note and what this one notes is one history.

use std::collections::HashMap;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Nanoseconds on the machine's monotonic clock.
pub type Nanos = u64;

pub const MS: Nanos = 1_000_000;
/// The end of a call whose reply nobody read: it may take effect at any time.
pub const NEVER: Nanos = Nanos::MAX;

pub fn now() -> Nanos {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as Nanos * 1_000_000_000 + time.tv_nsec as Nanos
}

/// What one call asks of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// FILL.GET, or one key of FILL.MGET; `wait_ms` 0 is NOWAIT.
    Get {
        wait_ms: u64,
    },
    /// One of PUT, NONE, PASS, FAIL.
    Answer {
        token: String,
        with: With,
    },
    Renew {
        token: String,
    },
    /// SET, or one key of MSET. `fades`: with a TTL.
    Write {
        value: u64,
        fades: bool,
    },
    /// DEL, UNLINK, or one key of FLUSHALL.
    Delete,
    /// FILL.STALE.
    Soften,
    /// GET, or one key of MGET.
    Read,
}

/// How a token is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum With {
    Put { value: u64, fades: bool },
    None,
    Pass,
    Fail,
}

impl With {
    /// Answers that DUP may tell apart from each other.
    pub fn kind(self) -> u8 {
        match self {
            With::Put { .. } => 0,
            With::None => 1,
            With::Pass => 2,
            With::Fail => 3,
        }
    }
}

/// What the server said to one `Op`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// The four elements of FILL.GET.
    Told {
        status: String,
        value: Option<Seen>,
        token: Option<String>,
        ms: i64,
    },
    Stored,
    Dup,
    Void,
    /// RENEW.
    Left(i64),
    /// Writes and deletions.
    Done,
    Value(Seen),
    Absent,
    /// An error reply.
    Refused(String),
}

/// A value as it was read: the key it was written for and its number, which no other value of the run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub key: u32,
    pub value: u64,
}

/// What a caller writes down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Note {
    /// Just before the request is sent. `is_timely`: this caller reads its replies as they come.
    Begin { call: u64, conn: u64, at: Nanos, is_timely: bool, ops: Vec<(u32, Op)> },
    /// Just after the reply was read.
    End { call: u64, at: Nanos, said: Vec<Said> },
    /// The caller closed the connection between these instants.
    Closed { conn: u64, from: Nanos, to: Nanos },
}

/// One op on one key, and what became of it.
#[derive(Clone, Debug)]
pub struct Act {
    pub call: u64,
    pub conn: u64,
    pub key: u32,
    pub op: Op,
    /// `None`: the connection was closed before the reply was read.
    pub said: Option<Said>,
    pub start: Nanos,
    /// `NEVER` without a reply.
    pub end: Nanos,
    /// When the last wait ends that this reply may stand behind, its own included; `None` where the caller reads
    /// its replies when it pleases.
    pub waits_until: Option<Nanos>,
}

/// All of a run.
#[derive(Debug, Default)]
pub struct History {
    pub acts: Vec<Act>,
    /// When connections were closed by their callers.
    pub closed: HashMap<u64, (Nanos, Nanos)>,
    /// When the last reply was waited for in vain.
    pub over_at: Nanos,
}

impl History {
    /// Puts the notes of all callers together; each caller's are in its own order.
    pub fn of(notes: Vec<Note>) -> History {
        let mut history = History::default();
        let mut said_to: HashMap<u64, (Nanos, Vec<Said>)> = HashMap::new();
        let mut begun = Vec::new();
        for note in notes {
            match note {
                Note::Begin { .. } => begun.push(note),
                Note::End { call, at, said } => drop(said_to.insert(call, (at, said))),
                Note::Closed { conn, from, to } => drop(history.closed.insert(conn, (from, to))),
            }
        }
        let mut waits_until: HashMap<u64, Nanos> = HashMap::new();
        for note in begun {
            let Note::Begin { call, conn, at, is_timely, ops } = note else { continue };
            let until = waits_until.entry(conn).or_default();
            *until = ops.iter().fold(at.max(*until), |until, (_, op)| until.max(at + wait_of(op)));
            let (end, said) = said_to.remove(&call).map_or((NEVER, None), |(end, said)| (end, Some(said)));
            for (index, (key, op)) in ops.into_iter().enumerate() {
                let said = said.as_ref().and_then(|said| said.get(index).cloned());
                let waits_until = is_timely.then_some(*until);
                history.acts.push(Act { call, conn, key, op, said, start: at, end, waits_until });
            }
        }
        history.over_at = now();
        history
    }
}

fn wait_of(op: &Op) -> Nanos {
    if let Op::Get { wait_ms } = op { wait_ms * MS } else { 0 }
}

/// Where callers note what they do.
pub trait Notes: Send {
    fn note(&mut self, note: Note);
}

impl Notes for Vec<Note> {
    fn note(&mut self, note: Note) {
        self.push(note);
    }
}
