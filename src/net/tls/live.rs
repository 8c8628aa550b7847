//! What TLS runs with now: built from the settings as a whole, replaced by CONFIG SET and when files have changed.
//!
//! Connections keep what they began with. Invariant: what is in use was built by the newest of those who asked; a
//! reload in the background that meets a newer CONFIG SET is dropped.

use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;

use super::engine::{Built, Context, build};
use super::files::Stamps;
use crate::base::clock::Clock;
use crate::config::{CertificateUser, Settings, TlsSettings};
use crate::dispatch::live::Unapplied;
use crate::figures::certificates::{Certificates, InUse};

/// How often it is looked whether it is time to look at the files.
const WATCH_PERIOD: Duration = Duration::from_secs(1);

/// The TLS of a server.
pub struct Tls {
    terms: ArcSwapOption<Terms>,
    last: Mutex<Last>,
    /// Held while files are read in the background, so that two don't do it at once.
    reloads: Mutex<()>,
    certificates: Arc<Certificates>,
    clock: Clock,
}

/// What a handshake is done by.
pub struct Terms {
    pub context: Context,
    pub users: CertificateUser,
    pub timeout: Duration,
}

/// What was built last.
#[derive(Default)]
struct Last {
    tls: TlsSettings,
    stamps: Stamps,
    /// Grows whenever something is put in use, or given up.
    generation: u64,
}

/// Settings that have proved good, to be put in use.
#[must_use]
pub struct Prepared<'a> {
    owner: &'a Tls,
    /// `None` where nothing changes.
    change: Option<(TlsSettings, Stamps, Option<Built>)>,
}

impl Tls {
    /// No TLS yet.
    #[must_use]
    pub fn new(certificates: Arc<Certificates>, clock: Clock) -> Tls {
        Tls {
            terms: ArcSwapOption::empty(),
            last: Mutex::default(),
            reloads: Mutex::default(),
            certificates,
            clock,
        }
    }

    /// Reads what the settings name; nothing is in use before `commit`.
    ///
    /// # Errors
    /// The setting that is to blame, and why.
    pub fn prepare(&self, settings: &Settings) -> Result<Prepared<'_>, Unapplied> {
        let tls = &settings.tls;
        if *tls == self.last.lock().tls {
            return Ok(Prepared { owner: self, change: None });
        }
        let stamps = Stamps::take(tls);
        let built = if tls.port > 0 { Some(build(tls)?) } else { None };
        Ok(Prepared { owner: self, change: Some((tls.clone(), stamps, built)) })
    }

    /// What a handshake is to be done by, if there is TLS.
    pub(super) fn terms(&self) -> Option<Arc<Terms>> {
        self.terms.load_full()
    }

    /// SIGHUP: reads the files again, in a thread of its own, as they may lie on a slow disk.
    pub fn begin_reload(self: &Arc<Tls>) {
        self.in_background(|tls| {
            let _alone = tls.reloads.lock();
            tls.reload();
        });
    }

    /// Looks at the files every `tls-auto-reload-interval`, for as long as the server runs.
    pub async fn watch(self: &Arc<Tls>) {
        let mut waited_s = 0;
        loop {
            tokio::time::sleep(WATCH_PERIOD).await;
            waited_s += 1;
            let (interval_s, has_port) = {
                let last = self.last.lock();
                (last.tls.auto_reload_interval_s, last.tls.port > 0)
            };
            if has_port && interval_s > 0 && waited_s >= interval_s {
                waited_s = 0;
                self.in_background(Tls::reload_if_changed);
            }
        }
    }

    fn in_background(self: &Arc<Tls>, work: impl FnOnce(&Tls) + Send + 'static) {
        let tls = self.clone();
        if let Err(error) = Builder::new().name("tls-reload".to_owned()).spawn(move || work(&tls)) {
            tracing::error!("TLS: the certificates are not read again: {error}");
        }
    }

    fn reload_if_changed(&self) {
        // One that hangs is not joined by another each time.
        let Some(_alone) = self.reloads.try_lock() else { return };
        let tls = self.last.lock().tls.clone();
        let stamps = Stamps::take(&tls);
        if self.last.lock().stamps != stamps {
            self.reload();
        }
    }

    /// Reads the files of the settings of now. Where that fails, what is in use stays.
    fn reload(&self) {
        let (tls, generation) = {
            let last = self.last.lock();
            (last.tls.clone(), last.generation)
        };
        if tls.port == 0 {
            return;
        }
        let stamps = Stamps::take(&tls);
        match build(&tls) {
            Ok(built) => {
                let mut last = self.last.lock();
                if last.generation != generation {
                    tracing::info!("TLS: what was read is older than the settings of now, and is not used");
                    return;
                }
                self.put_in_use(&mut last, (tls, stamps, Some(built)));
            }
            Err(Unapplied { setting, reason }) => {
                let mut last = self.last.lock();
                // The same fault is told once.
                if last.generation == generation {
                    last.stamps = stamps;
                }
                drop(last);
                tracing::error!("TLS: the certificates stay as they are: {setting}: {reason}");
            }
        }
    }

    fn put_in_use(&self, last: &mut Last, (tls, stamps, built): (TlsSettings, Stamps, Option<Built>)) {
        let timeout = Duration::from_secs(tls.handshake_timeout_s.into());
        let certificates = built.as_ref().map(|built| built.certificates.clone()).unwrap_or_default();
        if built.is_some() {
            self.tell(&certificates);
        }
        self.certificates.set(certificates);
        let terms =
            built.map(|Built { context, .. }| Terms { context, users: tls.auth_clients_user, timeout });
        self.terms.store(terms.map(Arc::new));
        *last = Last { tls, stamps, generation: last.generation + 1 };
    }

    /// Which certificates are in use now, and whether they are still good.
    fn tell(&self, certificates: &InUse) {
        let now_s = self.clock.now().wall_ms / 1000;
        for (what, facts) in [("certificate", &certificates.server), ("CA", &certificates.authority)] {
            let Some(facts) = facts else { continue };
            let days = (facts.not_after_s - now_s) / (24 * 3600);
            if facts.not_after_s <= now_s {
                tracing::warn!("TLS: the {what} with serial number {} has expired", facts.serial);
            } else {
                tracing::info!("TLS: {what} with serial number {}, good for {days} days", facts.serial);
            }
        }
    }
}

impl Prepared<'_> {
    /// Puts it in use for handshakes from now on.
    pub fn commit(self) {
        if let Some(change) = self.change {
            self.owner.put_in_use(&mut self.owner.last.lock(), change);
        }
    }
}
