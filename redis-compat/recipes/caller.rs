//! A process that runs a recipe and is told line by line what to do.
//!
//! Owns: the process and its two pipes. Does not know: scenes, languages.
//! Invariant: no process outlives its `Caller`.
//!
//! In: `get N KEY` lets caller number N ask for a key; `value N TEXT`, `none N -` and `fail N TEXT` end its computation.
//! Out: `computing N` when its function is called; then `got N value TEXT`, `got N none` or `got N error TEXT`.

use super::LIMIT;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// A running recipe.
pub struct Caller {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Caller {
    /// Starts `command`, which plays the recipe.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = pipes.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            // Other lines are the language's own, like the test harness's "running 1 test".
            let own = |line: &String| line.starts_with("computing ") || line.starts_with("got ");
            output.lines().map_while(Result::ok).filter(own).try_for_each(|line| sender.send(line))
        });
        Self { child, input, lines }
    }

    /// Sends one line.
    ///
    /// # Panics
    /// When the process has ended.
    pub fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}")
            .and_then(|()| self.input.flush())
            .expect("the recipe's process has ended");
    }

    /// Expects that this is the next line.
    ///
    /// # Panics
    /// When another line comes, or none in time.
    pub fn hear(&mut self, expected: &str) {
        assert_eq!(self.next(expected), expected);
    }

    /// Expects that these are the next two lines, in any order.
    ///
    /// # Panics
    /// When others come, or not both in time.
    pub fn hear_both(&mut self, one: &str, other: &str) {
        let mut heard = [self.next(one), self.next(other)];
        heard.sort_unstable();
        assert_eq!(heard, [one, other]);
    }

    fn next(&self, expected: &str) -> String {
        self.lines.recv_timeout(LIMIT).unwrap_or_else(|error| panic!("{error} instead of {expected:?}"))
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
