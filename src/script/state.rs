//! A machine as the rest of the server sees it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// What others see of a machine while it runs a script.
#[derive(Debug, Default)]
pub struct VmState {
    pub is_running: AtomicBool,
    /// The script has changed something, so it may not be stopped.
    pub has_written: AtomicBool,
    /// What the machine held after its last script, bytes.
    pub held_bytes: AtomicU64,
    /// Set by SCRIPT KILL: the script ends at its next look.
    pub is_killed: AtomicBool,
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
}
