//! What looks on at a command that ran: the slow log, the latency monitor, and the connections that MONITOR.
//!
//! Time in the slow log is the handler's: what a parked request waits does not count.

use super::args::Args;
use super::ctx::Ctx;
use super::secrets;
use crate::clients::Client;
use crate::config;
use crate::figures::slowlog::Entry;
use crate::table::{Flag, Row};

/// Words of a command that an entry keeps.
const WORDS_MAX: usize = 32;
/// Bytes of a word that an entry keeps.
const WORD_BYTES_MAX: usize = 128;

impl Ctx<'_> {
    /// A command took long enough for the slow log or the latency monitor to hear of it.
    #[cold]
    pub fn note_slow(&mut self, row: &Row, args: &Args<'_>, ns: u64) {
        let event = if row.spec.has(Flag::Fast) { "fast-command" } else { "command" };
        // Those of now: the command may have been the one that changed them.
        let settings = self.shared.settings.load();
        self.shared.figures.latency.note(event, ns / 1_000_000, self.now().wall_ms / 1000, &settings);
        let wanted = u64::try_from(settings.slowlog_log_slower_than_us).ok();
        let us = ns / 1000;
        // Of a script the script itself is one.
        let is_left_out = row.spec.has(Flag::SkipSlowlog) || self.in_script.is_some();
        if is_left_out || wanted.is_none_or(|least| us < least) {
            return;
        }
        let words: Vec<&[u8]> = (0..args.words()).map(|at| args.word(at)).collect();
        let client = &self.session.client;
        let entry = Entry {
            id: 0,
            wall_s: self.now().wall_ms / 1000,
            us,
            words: trimmed(&words, &secrets::mask(row, &words)),
            addr: client.addr.clone(),
            name: shortened(&client.names().name),
        };
        self.shared.figures.slowlog.push(entry, settings.slowlog_max_len);
    }

    /// Shows a command that ran to those who monitor.
    #[cold]
    pub fn feed_monitors(&mut self, row: &Row, args: &Args<'_>) {
        if row.spec.has(Flag::Admin) {
            return;
        }
        let words: Vec<&[u8]> = (0..args.words()).map(|at| args.word(at)).collect();
        let mask = secrets::mask(row, &words);
        let client = self.in_script.is_none().then_some(&*self.session.client);
        let line = line(self.shared.clock.wall_us(), self.keys.db, client, &words, &mask);
        self.shared.clients.monitors.feed(&line);
    }
}

/// The words as an entry keeps them: few and short, secrets hidden.
fn trimmed(words: &[&[u8]], mask: &[bool]) -> Vec<Vec<u8>> {
    let kept = if words.len() > WORDS_MAX { WORDS_MAX - 1 } else { words.len() };
    let shown = |(word, secret): (&&[u8], &bool)| {
        if *secret { secrets::REDACTED.to_vec() } else { shortened(word) }
    };
    let mut trimmed: Vec<Vec<u8>> = words.iter().zip(mask).take(kept).map(shown).collect();
    if kept < words.len() {
        trimmed.push(format!("... ({} more arguments)", words.len() - kept).into_bytes());
    }
    trimmed
}

fn shortened(word: &[u8]) -> Vec<u8> {
    match word.len().checked_sub(WORD_BYTES_MAX) {
        Some(more @ 1..) => [&word[..WORD_BYTES_MAX], format!("... ({more} more bytes)").as_bytes()].concat(),
        _ => word.to_vec(),
    }
}

/// One command as MONITOR shows it, with the line's end. No client: a script.
fn line(wall_us: i64, db: usize, client: Option<&Client>, words: &[&[u8]], mask: &[bool]) -> Vec<u8> {
    let (seconds, us) = (wall_us / 1_000_000, wall_us % 1_000_000);
    let addr = match client.map(|client| (client, client.addr.strip_suffix(":0"))) {
        None => "lua".to_owned(),
        Some((client, Some(path))) if client.is_unix => format!("unix:{path}"),
        Some((client, _)) => client.addr.clone(),
    };
    let mut line = format!("+{seconds}.{us:06} [{db} {addr}]").into_bytes();
    for (word, secret) in words.iter().zip(mask) {
        line.push(b' ');
        line.extend(config::quote(if *secret { secrets::REDACTED } else { word }));
    }
    line.extend(b"\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_keep_few_and_short_words() {
        let long = [b'A'; 129];
        let mut words: Vec<&[u8]> = vec![b"sadd", b"set", &long];
        assert!(trimmed(&words, &vec![false; words.len()])[2].ends_with(b"A... (1 more bytes)"));
        assert_eq!(trimmed(&words, &vec![false; words.len()])[2].len(), 128 + "... (1 more bytes)".len());
        words.resize(32, b"x");
        assert_eq!(trimmed(&words, &vec![false; words.len()])[31], b"x");
        words.resize(33, b"x");
        assert_eq!(
            (
                trimmed(&words, &vec![false; words.len()]).len(),
                &trimmed(&words, &vec![false; words.len()])[31][..]
            ),
            (32, &b"... (2 more arguments)"[..])
        );
    }
}
