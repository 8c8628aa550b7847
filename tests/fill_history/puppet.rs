//! Callers in processes of their own, which can be stopped, continued and killed: the test binary run once more
//! for one test, `plays_when_told`, which writes its notes to its standard error, line by line.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::caller::{Caller, Manner};
use super::record::{Nanos, Note, Notes, now};

/// Where a puppet is told what to play.
const PART: &str = "ONEFILL_HISTORY_PART";

/// What a puppet plays.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Part {
    addr: SocketAddr,
    number: u64,
    seed: u64,
    value_bytes: usize,
    until: Nanos,
}

/// A caller in another process.
pub struct Puppet {
    child: Child,
    notes: JoinHandle<Vec<Note>>,
}

impl Puppet {
    pub fn start(addr: SocketAddr, number: u64, seed: u64, value_bytes: usize, until: Nanos) -> Puppet {
        let part = Part { addr, number, seed, value_bytes, until };
        let part = serde_json::to_string(&part).expect("a part is plain data");
        let mut child = Command::new(std::env::current_exe().expect("the test binary"))
            .args(["puppet::plays_when_told", "--exact", "--nocapture"])
            .env(PART, part)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the test binary runs");
        let notes = BufReader::new(child.stderr.take().expect("standard error is piped"));
        let notes =
            thread::spawn(move || notes.lines().map_while(Result::ok).filter_map(read_note).collect());
        Puppet { child, notes }
    }

    /// Stops and continues it until `until`, with pauses long enough for its leases to end and its replies to
    /// pile up.
    pub fn torment(&self, until: Nanos, random: &mut fastrand::Rng) {
        let pid = Pid::from_child(&self.child);
        while now() < until {
            for signal in [Signal::STOP, Signal::CONT] {
                kill_process(pid, signal).expect("the puppet is there until it has been waited for");
                thread::sleep(Duration::from_millis(random.u64(20..400)));
            }
        }
    }

    /// Kills it, and notes that its connections are closed.
    pub fn kill(mut self) -> Vec<Note> {
        let from = now();
        self.child.kill().expect("the puppet is there until it has been waited for");
        self.child.wait().expect("the puppet's end");
        let to = now();
        let mut notes = self.notes.join().expect("its notes are read");
        let mut open = HashSet::new();
        for note in &notes {
            match note {
                Note::Begin { conn, .. } => drop(open.insert(*conn)),
                Note::Closed { conn, .. } => drop(open.remove(conn)),
                Note::End { .. } => {}
            }
        }
        notes.extend(open.into_iter().map(|conn| Note::Closed { conn, from, to }));
        notes
    }

    /// Waits until it has played its part.
    pub fn finish(mut self) -> Vec<Note> {
        let status = self.child.wait().expect("the puppet's end");
        let notes = self.notes.join().expect("its notes are read");
        assert!(status.success(), "a puppet failed, see above");
        notes
    }
}

/// A line that is no note is a puppet's last words, and shown. One that was killed may leave half a line.
fn read_note(line: String) -> Option<Note> {
    let note = serde_json::from_str(&line).ok();
    if note.is_none() {
        eprintln!("puppet: {line}");
    }
    note
}

struct Lines;

impl Notes for Lines {
    fn note(&mut self, note: Note) {
        let mut line = serde_json::to_string(&note).expect("a note is plain data");
        line.push('\n');
        std::io::stderr().lock().write_all(line.as_bytes()).expect("the test reads");
    }
}

/// Does nothing when the tests are run; what a puppet does when it is started as one.
#[test]
fn plays_when_told() {
    let Ok(part) = std::env::var(PART) else { return };
    let part: Part = serde_json::from_str(&part).expect("a part");
    let manner =
        Manner { hangs_up: 60, is_stopped: true, value_bytes: part.value_bytes, ..Manner::default() };
    Caller::new(part.addr, part.number, part.seed, manner, &mut Lines).run(part.until);
}
