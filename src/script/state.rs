//! Machines as the rest of the server sees them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What others see of a machine while it runs a script.
#[derive(Debug, Default)]
pub struct VmState {
    pub is_running: AtomicBool,
    /// The script has changed something, so it may not be stopped.
    pub has_written: AtomicBool,
    /// What the machine held after its last script, bytes.
    pub held_bytes: AtomicU64,
    /// Set by SCRIPT KILL and FUNCTION KILL: the script ends at its next look.
    pub is_killed: AtomicBool,
    called: Mutex<Noted>,
}

/// The function that was called last. The buffers are those of the calls before, so that a note costs no allocation.
#[derive(Debug, Default)]
struct Noted {
    name: String,
    /// The words one behind the other, and where each ends.
    words: Vec<u8>,
    ends: Vec<usize>,
    begun_ms: u64,
}

/// Words of a request that are shown, and bytes of each.
const WORDS_SHOWN: usize = 32;
const WORD_BYTES_SHOWN: usize = 128;

/// A function that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    pub name: String,
    /// The request, as much of it as is shown.
    pub words: Vec<Vec<u8>>,
    /// When it began, in the server's monotonic milliseconds.
    pub begun_ms: u64,
}

/// The machines of one kind, of all workers.
#[derive(Debug, Default)]
pub struct Machines(Mutex<Vec<Weak<VmState>>>);

/// What a KILL found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Killed {
    /// No script runs.
    Nothing,
    /// One runs, and has written already.
    Unkillable,
    Told,
}

impl VmState {
    /// A script begins.
    pub fn begin(&self) {
        self.has_written.store(false, Relaxed);
        self.is_killed.store(false, Relaxed);
        self.is_running.store(true, Relaxed);
    }

    /// It has ended.
    pub fn end(&self) {
        self.is_running.store(false, Relaxed);
    }

    /// Notes which function runs from the next `begin` on, since when and as what request.
    pub fn note_call<'w>(&self, name: &str, words: impl Iterator<Item = &'w [u8]>, begun_ms: u64) {
        let mut called = self.called();
        let Noted { words: all, ends, .. } = &mut *called;
        all.clear();
        ends.clear();
        for word in words.take(WORDS_SHOWN) {
            all.extend_from_slice(&word[..word.len().min(WORD_BYTES_SHOWN)]);
            ends.push(all.len());
        }
        called.name.clear();
        called.name.push_str(name);
        called.begun_ms = begun_ms;
    }

    /// The function that runs, if one does.
    fn shown(&self) -> Option<Called> {
        self.is_running.load(Relaxed).then(|| self.called().shown())
    }

    fn called(&self) -> MutexGuard<'_, Noted> {
        self.called.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    fn shown(&self) -> Called {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        let words = begins.zip(&self.ends).map(|(begin, end)| self.words[begin..*end].to_vec());
        Called { name: self.name.clone(), words: words.collect(), begun_ms: self.begun_ms }
    }
}

impl Machines {
    /// Makes a machine known, so that a KILL finds it.
    pub fn enlist(&self, machine: &Arc<VmState>) {
        let mut machines = self.lock();
        machines.retain(|machine| machine.strong_count() > 0);
        machines.push(Arc::downgrade(machine));
    }

    /// What the machines hold, bytes.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.lock().iter().filter_map(Weak::upgrade).map(|machine| machine.held_bytes.load(Relaxed)).sum()
    }

    /// The function that has been running for the longest time.
    #[must_use]
    pub fn longest_call(&self) -> Option<Called> {
        let machines = self.lock();
        let calls = machines.iter().filter_map(Weak::upgrade).filter_map(|machine| machine.shown());
        calls.min_by_key(|called| called.begun_ms)
    }

    /// Whether any machine runs something.
    #[must_use]
    pub fn is_any_running(&self) -> bool {
        self.lock().iter().filter_map(Weak::upgrade).any(|machine| machine.is_running.load(Relaxed))
    }

    /// Tells every script that runs and has written nothing to end.
    pub fn kill(&self) -> Killed {
        let machines = self.lock();
        let running =
            machines.iter().filter_map(Weak::upgrade).filter(|machine| machine.is_running.load(Relaxed));
        let mut found = Killed::Nothing;
        for machine in running {
            if machine.has_written.load(Relaxed) {
                found = if found == Killed::Told { found } else { Killed::Unkillable };
            } else {
                machine.is_killed.store(true, Relaxed);
                found = Killed::Told;
            }
        }
        found
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<VmState>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kill_tells_those_that_have_written_nothing() {
        let machines = Machines::default();
        let [idle, reader, writer]: [Arc<VmState>; 3] = Default::default();
        [&idle, &reader, &writer].into_iter().for_each(|machine| machines.enlist(machine));
        assert_eq!((machines.kill(), machines.is_any_running()), (Killed::Nothing, false));
        writer.begin();
        writer.has_written.store(true, Relaxed);
        assert_eq!((machines.kill(), machines.is_any_running()), (Killed::Unkillable, true));
        reader.begin();
        assert_eq!(machines.kill(), Killed::Told);
        let killed = [&idle, &reader, &writer].map(|machine| machine.is_killed.load(Relaxed));
        assert_eq!(killed, [false, true, false]);
        drop((idle, reader, writer));
        assert_eq!((machines.kill(), machines.held_bytes()), (Killed::Nothing, 0));
    }

    #[test]
    fn longest_call_is_the_one_that_began_first() {
        let machines = Machines::default();
        let [one, other]: [Arc<VmState>; 2] = Default::default();
        [&one, &other].into_iter().for_each(|machine| machines.enlist(machine));
        assert_eq!(machines.longest_call(), None);
        let (long, many) = ([b'x'; 200], [&b"w"[..]; 40]);
        one.note_call("long", [&b"FCALL"[..], b"", &long].into_iter(), 7);
        other.note_call("many", many.into_iter(), 5);
        assert_eq!(machines.longest_call(), None, "neither has begun");
        [&one, &other].into_iter().for_each(|machine| machine.begin());
        let called = machines.longest_call().expect("one runs");
        assert_eq!((called.name.as_str(), called.begun_ms, called.words.len()), ("many", 5, 32));
        other.end();
        let called = machines.longest_call().expect("one runs");
        assert_eq!((called.name.as_str(), called.begun_ms), ("long", 7));
        assert_eq!(called.words, [b"FCALL".to_vec(), Vec::new(), vec![b'x'; 128]]);
        one.end();
        assert_eq!(machines.longest_call(), None);
    }
}
