//! The sources that scripts were sent as, once in the server, by the SHA-1 of their text.
//!
//! What SCRIPT LOAD brought stays until SCRIPT FLUSH; what only EVAL brought is kept for the `EVALED_MAX` used last.
//! Machines keep what they compiled; they look at a source's `is_gone` before they use it again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::proof::{KeyPlaces, Proved, prove};
use super::state::Machines;
use crate::base::limits::{SCRIPT_BYTES_MAX, SCRIPTS_EVALED_MAX};

/// A script's text, and what is known of it.
#[derive(Debug)]
pub struct Source {
    /// No other source of this process has it.
    pub number: u64,
    /// 40 lower-case hexadecimal digits.
    pub sha: String,
    pub text: Box<[u8]>,
    /// What its first line asks for (`#!lua flags=…`).
    pub flags: ScriptFlags,
    pub proved: Proved,
    is_loaded: AtomicBool,
    is_gone: AtomicBool,
    /// When it was used last, monotonic ms.
    used_at: AtomicU64,
}

/// What a script's first line says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScriptFlags {
    /// There is a first line at all: then what is not said holds not.
    pub is_said: bool,
    pub no_writes: bool,
    pub allow_oom: bool,
}

/// All sources of a server, and its machines.
#[derive(Debug, Default)]
pub struct Scripts {
    by_sha: Mutex<HashMap<String, Arc<Source>>>,
    evicted: AtomicU64,
    pub machines: Machines,
    /// Scripts that let go of their worker and have ended.
    slow_ended: AtomicU64,
}

/// Numbers the sources of a process.
static SOURCES: AtomicU64 = AtomicU64::new(1);

impl Source {
    /// Notes that it is used: those not used for long give way first. Mostly a look alone, as all workers may use it.
    pub fn note_use(&self, now_ms: u64) {
        if self.used_at.load(Relaxed) != now_ms {
            self.used_at.store(now_ms, Relaxed);
        }
    }

    /// Whether it was flushed, or gave way to others.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.is_gone.load(Relaxed)
    }

    /// The text behind the first line, if that one says something; the line itself stays empty, so that numbers fit.
    #[must_use]
    pub fn code(&self) -> &[u8] {
        if self.flags.is_said { &self.text[first_line(&self.text).len()..] } else { &self.text }
    }

    fn held_bytes(&self) -> usize {
        size_of::<Source>() + 2 * self.sha.len() + self.text.len()
    }
}

fn first_line(text: &[u8]) -> &[u8] {
    &text[..memchr::memchr(b'\n', text).unwrap_or(text.len())]
}

/// The SHA-1 of a text, as 40 hexadecimal digits.
#[must_use]
pub fn sha1_hex(text: &[u8]) -> String {
    sha1_smol::Sha1::from(text).digest().to_string()
}

impl ScriptFlags {
    /// Reads a script's first line.
    ///
    /// # Errors
    /// Where it is wrong, in Redis's own words.
    pub fn read(text: &[u8]) -> Result<ScriptFlags, String> {
        if !text.starts_with(b"#!") {
            return Ok(ScriptFlags::default());
        }
        let line = String::from_utf8_lossy(first_line(text)).into_owned();
        if line.len() == text.len() {
            return Err("Invalid script shebang".to_owned());
        }
        let mut words = line.split_whitespace();
        let engine = words.next().unwrap_or_default();
        if !engine.eq_ignore_ascii_case("#!lua") {
            return Err(format!("Unexpected engine in script shebang: {engine}"));
        }
        let mut flags = ScriptFlags { is_said: true, ..ScriptFlags::default() };
        for word in words {
            let Some(said) = word.strip_prefix("flags=") else {
                return Err(format!("Unknown lua shebang option: {word}"));
            };
            for flag in said.split(',').filter(|flag| !flag.is_empty()) {
                match flag {
                    "no-writes" => flags.no_writes = true,
                    "allow-oom" => flags.allow_oom = true,
                    "allow-stale" | "no-cluster" | "allow-cross-slot-keys" => {}
                    _ => return Err(format!("Unexpected flag in script shebang: {flag}")),
                }
            }
        }
        Ok(flags)
    }
}

impl Scripts {
    /// Adds a text, or finds it. `is_loaded`: it stays until the flush. `places`: where a command's keys stand.
    ///
    /// # Errors
    /// Where it is too long, or its first line is wrong, in Redis's words without a code.
    pub fn add(
        &self,
        text: &[u8],
        is_loaded: bool,
        now_ms: u64,
        places: &dyn Fn(&[u8]) -> KeyPlaces,
    ) -> Result<Arc<Source>, String> {
        if text.len() > SCRIPT_BYTES_MAX {
            return Err("script is too large".to_owned());
        }
        let sha = sha1_hex(text);
        let mut by_sha = self.by_sha.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = by_sha.get(&sha) {
            if is_loaded {
                known.is_loaded.store(true, Relaxed);
            }
            known.note_use(now_ms);
            return Ok(known.clone());
        }
        let flags = ScriptFlags::read(text)?;
        let source = Arc::new(Source {
            number: SOURCES.fetch_add(1, Relaxed),
            proved: Proved::by(prove, text, places),
            flags,
            text: text.into(),
            is_loaded: AtomicBool::new(is_loaded),
            is_gone: AtomicBool::new(false),
            used_at: AtomicU64::new(0),
            sha: sha.clone(),
        });
        source.note_use(now_ms);
        by_sha.insert(sha, source.clone());
        if !is_loaded {
            self.evict(&mut by_sha);
        }
        Ok(source)
    }

    fn evict(&self, by_sha: &mut HashMap<String, Arc<Source>>) {
        let evaled = by_sha.values().filter(|source| !source.is_loaded.load(Relaxed));
        let (mut count, mut oldest) = (0, None::<&Arc<Source>>);
        for source in evaled {
            count += 1;
            let age = |source: &Source| (source.used_at.load(Relaxed), source.number);
            let is_older = |than: &Arc<Source>| age(source) < age(than);
            if oldest.is_none_or(is_older) {
                oldest = Some(source);
            }
        }
        if let Some(oldest) = oldest.cloned().filter(|_| count > SCRIPTS_EVALED_MAX) {
            oldest.is_gone.store(true, Relaxed);
            by_sha.remove(&oldest.sha);
            self.evicted.fetch_add(1, Relaxed);
        }
    }

    /// The source with this SHA-1, in any case of its digits.
    #[must_use]
    pub fn get(&self, sha: &[u8], now_ms: u64) -> Option<Arc<Source>> {
        let sha = std::str::from_utf8(sha).ok()?.to_ascii_lowercase();
        let found = self.by_sha.lock().unwrap_or_else(PoisonError::into_inner).get(&sha).cloned()?;
        found.note_use(now_ms);
        Some(found)
    }

    /// SCRIPT FLUSH.
    pub fn flush(&self) {
        let mut by_sha = self.by_sha.lock().unwrap_or_else(PoisonError::into_inner);
        by_sha.drain().for_each(|(_, source)| source.is_gone.store(true, Relaxed));
    }

    /// How many there are, and the bytes they take.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let by_sha = self.by_sha.lock().unwrap_or_else(PoisonError::into_inner);
        (by_sha.len(), by_sha.values().map(|source| source.held_bytes()).sum())
    }

    /// A script has ended that had let go of its worker.
    pub fn note_slow_ended(&self) {
        self.slow_ended.fetch_add(1, Relaxed);
    }

    /// How many such scripts have ended.
    #[must_use]
    pub fn slow_ended(&self) -> u64 {
        self.slow_ended.load(Relaxed)
    }

    /// How many gave way to others.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Relaxed)
    }
}
