//! What operators do to a running server other than by settings: its limit on memory, its pause, its sweeps.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::limit::MemoryLimit;
use super::pause::Pause;
use crate::base::seldom::Seldom;

/// A line that strangers could repeat is written this often at most.
const NOTE_PERIOD_MS: u64 = 10_000;
/// The same for what needs to be read only once.
const HINT_PERIOD_MS: u64 = 60_000;

/// What the log says of connections that are refused or ended.
#[derive(Clone, Copy, Debug)]
pub enum Note {
    /// It speaks HTTP.
    Foreign,
    /// It could not be accepted.
    Accept,
    QueryLimit,
    OutputLimit,
    /// It neither authenticates nor reads its replies.
    Stranger,
    /// All clients together held too much.
    Evicted,
    /// It speaks TLS to a port without it.
    TlsOnPlainPort,
    /// It does not speak TLS to the port for that.
    PlainText,
    /// A TLS handshake came to nothing.
    Handshake,
    /// Its certificate names no user.
    CertificateUser,
}

impl Note {
    fn period_ms(self) -> u64 {
        match self {
            Note::TlsOnPlainPort | Note::PlainText => HINT_PERIOD_MS,
            _ => NOTE_PERIOD_MS,
        }
    }
}

const NOTES: usize = 10;

/// The operator's part of a running server.
#[derive(Debug)]
pub struct Operator {
    pub limit: MemoryLimit,
    pub pause: Pause,
    /// DEBUG SET-ACTIVE-EXPIRE.
    pub sweeps: AtomicBool,
    /// DEBUG PAUSE-CRON: nothing is done that nobody asked for.
    pub rests: AtomicBool,
    /// DEBUG SET-DISABLE-DENY-SCRIPTS: scripts may call what is not meant for them.
    pub scripts_may_all: AtomicBool,
    /// It answers what it has received, and ends.
    pub is_stopping: AtomicBool,
    notes: [Seldom; NOTES],
}

impl Default for Operator {
    fn default() -> Operator {
        Operator {
            limit: MemoryLimit::default(),
            pause: Pause::default(),
            sweeps: AtomicBool::new(true),
            rests: AtomicBool::new(false),
            scripts_may_all: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
            notes: Default::default(),
        }
    }
}

impl Operator {
    /// Whether the background sweep is on.
    #[must_use]
    pub fn is_sweeping(&self) -> bool {
        self.sweeps.load(Relaxed) && !self.rests.load(Relaxed)
    }

    /// Whether the log may say this now, and how often it was left out before.
    #[must_use]
    pub fn may_note(&self, note: Note, now_ms: u64) -> Option<u64> {
        self.notes[note as usize].may_write(now_ms, note.period_ms())
    }
}
