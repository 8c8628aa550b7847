//! The settings of a running server: read by every worker, replaced by CONFIG SET.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use super::rules::rules_of;
use crate::config::{self, Extent, Settings};
use crate::keyspace::Rules;

/// Applies settings that live outside the server, or says which of them cannot be.
pub type ApplySettings = Box<dyn Fn(&Settings) -> Result<(), Unapplied> + Send + Sync>;

/// A setting that the system does not allow.
#[derive(Debug)]
pub struct Unapplied {
    pub setting: &'static str,
    pub reason: String,
}

/// The settings, and what it takes to change them.
pub struct LiveSettings {
    now: ArcSwap<Settings>,
    /// Grows with each change.
    version: AtomicU64,
    /// Held from reading the settings to storing the changed ones, so that no change is lost.
    change: Mutex<()>,
    /// The configuration file, for CONFIG REWRITE.
    file: Option<PathBuf>,
    /// For what lives outside: log level, the allocator.
    apply: ApplySettings,
}

impl LiveSettings {
    #[must_use]
    pub fn new(settings: Settings, file: Option<PathBuf>, apply: ApplySettings) -> LiveSettings {
        LiveSettings {
            now: ArcSwap::from_pointee(settings),
            version: AtomicU64::new(0),
            change: Mutex::default(),
            file,
            apply,
        }
    }

    /// The settings of now, for a look. Cost: some nanoseconds.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<Settings>> {
        self.now.load()
    }

    /// How often they were changed. Cost: a load of a cache line that is written when that happens.
    #[inline]
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Relaxed)
    }

    /// Replaces the settings by what `change` makes of them, and applies them outside; nothing changes where either
    /// fails.
    pub fn change<E>(
        &self,
        change: impl FnOnce(&Settings) -> Result<Settings, E>,
        unapplied: impl FnOnce(Unapplied) -> E,
    ) -> Result<(), E> {
        let _change = self.change.lock();
        let changed = change(&self.now.load())?;
        (self.apply)(&changed).map_err(unapplied)?;
        self.now.store(Arc::new(changed));
        self.version.fetch_add(1, Relaxed);
        Ok(())
    }

    /// The file that the settings were read from.
    #[must_use]
    pub fn file(&self) -> Option<&PathBuf> {
        self.file.as_ref()
    }

    /// Writes the settings of now and these lines of users into their file. `None` without one.
    pub fn rewrite(&self, users: &[Vec<u8>], extent: Extent) -> Option<std::io::Result<()>> {
        let path = self.file.as_ref()?;
        let _change = self.change.lock();
        Some(config::rewrite_file(path, &self.now.load(), users, extent))
    }
}

/// The settings as one worker last saw them, with what it reads off them for each request.
#[derive(Clone, Debug)]
pub struct Current {
    pub settings: Arc<Settings>,
    pub rules: Rules,
    version: u64,
}

impl Current {
    #[must_use]
    pub fn of(live: &LiveSettings) -> Current {
        // The version first: a change in between is met again.
        let version = live.version();
        let settings = live.now.load_full();
        Current { rules: rules_of(&settings), settings, version }
    }

    /// Of which change the settings are.
    #[inline]
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Takes over settings that were changed since, by whichever connection; true if there were any.
    #[inline]
    pub fn refresh(&mut self, live: &LiveSettings) -> bool {
        let is_old = live.version() != self.version;
        if is_old {
            *self = Current::of(live);
        }
        is_old
    }
}
