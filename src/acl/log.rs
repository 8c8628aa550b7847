//! What was refused lately (ACL LOG): the same again within a minute counts with what is there.

use std::collections::VecDeque;

use crate::base::limits::ACL_LOG_OBJECT_BYTES_MAX;

/// How long after an entry's last time the same refusal counts with it, ms.
const GROUPED_MS: i64 = 60_000;
/// How many of the newest entries are looked through for the same.
const GROUPED_AMONG: usize = 10;

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Command,
    Key,
    Channel,
    /// A wrong password, or a user who is not there or off.
    Auth,
    /// A TLS certificate that names no user who is on.
    Certificate,
}

impl Reason {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Auth => "auth",
            Reason::Certificate => "tls-cert",
        }
    }
}

/// Where it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    TopLevel,
    Multi,
    Script,
}

impl Context {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Context::TopLevel => "toplevel",
            Context::Multi => "multi",
            Context::Script => "lua",
        }
    }
}

/// One refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    pub context: Context,
    /// The name of a command, key or channel.
    pub object: Vec<u8>,
    pub user: Vec<u8>,
    /// The line of CLIENT INFO.
    pub client: String,
}

/// The same refusal, once or several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: u64,
    pub count: u64,
    /// The last one.
    pub refusal: Refusal,
    /// When it was first and last refused, wall-clock ms.
    pub created_ms: i64,
    pub updated_ms: i64,
}

/// The refusals that are remembered.
#[derive(Debug, Default)]
pub struct Log {
    /// The one that was last met first.
    entries: VecDeque<Entry>,
    next_id: u64,
}

impl Log {
    /// Notes a refusal, and forgets the oldest beyond `most` entries.
    pub fn note(&mut self, mut refusal: Refusal, now_ms: i64, most: usize) {
        for name in [&mut refusal.object, &mut refusal.user] {
            name.truncate(ACL_LOG_OBJECT_BYTES_MAX);
        }
        let is_same = |entry: &Entry| {
            let known = &entry.refusal;
            let mine = (refusal.reason, refusal.context, &refusal.object, &refusal.user);
            (known.reason, known.context, &known.object, &known.user) == mine
                && now_ms.saturating_sub(entry.updated_ms) <= GROUPED_MS
        };
        let same = self.entries.iter().take(GROUPED_AMONG).position(is_same);
        let entry = match same.and_then(|at| self.entries.remove(at)) {
            Some(entry) => Entry { count: entry.count + 1, refusal, updated_ms: now_ms, ..entry },
            None => {
                let id = self.next_id;
                self.next_id += 1;
                Entry { id, count: 1, refusal, created_ms: now_ms, updated_ms: now_ms }
            }
        };
        self.entries.push_front(entry);
        self.entries.truncate(most);
    }

    /// The entries, the last first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// ACL LOG RESET.
    pub fn reset(&mut self) {
        self.entries = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(object: &str) -> Refusal {
        Refusal {
            reason: Reason::Key,
            context: Context::TopLevel,
            object: object.into(),
            user: b"a".into(),
            client: String::new(),
        }
    }

    fn shown(log: &Log) -> Vec<(u64, String, u64)> {
        let shown = |entry: &Entry| {
            (entry.id, String::from_utf8_lossy(&entry.refusal.object).into_owned(), entry.count)
        };
        log.entries().map(shown).collect()
    }

    #[test]
    fn same_refusal_counts_with_the_last_one_within_a_minute() {
        let mut log = Log::default();
        for (object, now_ms) in [("x", 0), ("y", 10), ("x", 60_000), ("x", 120_000), ("x", 180_001)] {
            log.note(refusal(object), now_ms, 10);
        }
        assert_eq!(shown(&log), [(2, "x".to_owned(), 1), (0, "x".to_owned(), 3), (1, "y".to_owned(), 1)]);
        log.note(Refusal { context: Context::Multi, ..refusal("x") }, 180_001, 10);
        assert_eq!(shown(&log).len(), 4);
    }

    #[test]
    fn oldest_entries_make_room_and_names_are_cut() {
        let mut log = Log::default();
        for n in 0..5 {
            log.note(refusal(&n.to_string()), n, 2);
        }
        assert_eq!(shown(&log), [(4, "4".to_owned(), 1), (3, "3".to_owned(), 1)]);
        log.note(refusal(&"k".repeat(5000)), 5, 2);
        assert_eq!(log.entries().next().map(|entry| entry.refusal.object.len()), Some(1024));
        log.note(refusal("x"), 6, 0);
        assert_eq!(log.entries().len(), 0);
    }
}
