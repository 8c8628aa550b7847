//! L5: from settings to a running server and to its graceful stop. The only place that sees all layers.
//!
//! Tests start servers in their own process with `Server::start` and a clock they hold.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::sync::oneshot;

use crate::base::clock::Clock;
use crate::base::hash::HashSeed;
use crate::base::memory::machine_bytes;
use crate::base::metrics::Counters;
use crate::clients::Clients;
use crate::commands::latency::Events;
use crate::commands::limit::MemoryLimit;
use crate::commands::monitor::Monitors;
use crate::commands::pause::Pause;
use crate::commands::shared::{ApplySettings, Rates, Shared};
use crate::commands::slowlog::Slowlog;
use crate::config::Settings;
use crate::fill::{Letter, Times};
use crate::keyspace::{Keyspace, shards_most};
use crate::net::{Crew, Listener, bind_all, keep_house};
use crate::pubsub::PubSub;
use crate::tracking::Tracking;

/// How long a stopping server waits for worker threads whose connections are gone or given up.
const JOIN_LIMIT: Duration = Duration::from_millis(200);
/// How often a stopping server looks whether its connections are gone.
const STOP_POLL: Duration = Duration::from_millis(5);
/// Longest slice of the sweep that its histogram tells from longer ones, microseconds.
const SWEEP_US_MAX: u64 = 1_000_000;

/// What a server gets besides its settings.
pub struct Surroundings {
    pub clock: Clock,
    /// For CONFIG REWRITE.
    pub config_file: Option<PathBuf>,
    /// Applies a changed setting that lives outside the server, such as the log's level.
    pub apply: ApplySettings,
    /// The machine's memory, or 0 where it is unknown: see `shards_most`.
    pub machine_bytes: u64,
}

/// Starts servers.
pub struct Server;

/// A server that accepts connections. Dropping it stops it.
pub struct Running {
    shared: Arc<Shared>,
    addresses: Vec<String>,
    tcp_addrs: Vec<SocketAddr>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
    finished: Option<oneshot::Receiver<()>>,
}

impl Server {
    /// Binds, starts the workers and returns at once. Errors name what could not be bound.
    pub fn start(settings: Settings, clock: Clock) -> io::Result<Running> {
        let apply = Box::new(|_: &Settings| Ok(()));
        let machine_bytes = machine_bytes();
        Server::start_in(settings, Surroundings { clock, config_file: None, apply, machine_bytes })
    }

    /// As `start`, with a configuration file and outside settings.
    pub fn start_in(settings: Settings, surroundings: Surroundings) -> io::Result<Running> {
        let listeners = bind_all(&settings)?;
        let addresses = listeners.iter().map(Listener::describe).collect();
        let tcp_addrs: Vec<SocketAddr> = listeners.iter().filter_map(Listener::tcp_addr).collect();
        let stop = Arc::new(Notify::new());
        let port = tcp_addrs.first().map_or(0, SocketAddr::port);
        let shared = Arc::new(share(settings, surroundings, port, &stop));
        let crew = Crew::start(&shared)?;
        let (finish, finished) = oneshot::channel();
        let front = (shared.clone(), stop.clone());
        let thread = std::thread::Builder::new().name("front".to_owned()).spawn(move || {
            let (shared, stop) = front;
            if let Err(error) = run_front(&shared, &stop, listeners, crew) {
                tracing::error!("the accepting thread failed: {error}");
            }
            drop(finish);
        })?;
        Ok(Running { shared, addresses, tcp_addrs, stop, thread: Some(thread), finished: Some(finished) })
    }
}

/// What a server's connections share, without a thread or a socket: for whoever runs requests by hand, as the
/// benchmarks do. `stop` is what SHUTDOWN will notify.
pub fn share(settings: Settings, surroundings: Surroundings, port: u16, stop: &Arc<Notify>) -> Shared {
    let workers = match settings.io_threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        given => given as usize,
    };
    let seed = settings.hash_seed.unwrap_or_else(HashSeed::random);
    let shards = shards_most(workers, surroundings.machine_bytes);
    let stop = stop.clone();
    Shared {
        keyspace: Keyspace::new(settings.databases as usize, shards, settings.maxmemory_bytes, seed),
        clients: Clients::default(),
        pubsub: PubSub::default(),
        tracking: Tracking::default(),
        config_file: surroundings.config_file,
        started_ms: surroundings.clock.now().wall_ms,
        clock: surroundings.clock,
        counters: (0..=workers).map(|_| Arc::new(Counters::default())).collect(),
        calls: (0..=workers).map(|_| Arc::default()).collect(),
        slowlog: Slowlog::default(),
        latency: Events::default(),
        monitors: Monitors::default(),
        pause: Pause::default(),
        counters_reset: parking_lot::Mutex::default(),
        run_id: (0..40).map(|_| fastrand::digit(16)).collect(),
        tcp_port: port.into(),
        workers,
        settings_version: 0.into(),
        settings_change: parking_lot::Mutex::default(),
        rates: Rates::default(),
        sweeps: AtomicBool::new(true),
        rests: AtomicBool::new(false),
        peak_memory_bytes: 0.into(),
        foreign_noted_ms: 0.into(),
        limit: MemoryLimit::default(),
        sweep_us: Times::new(SWEEP_US_MAX),
        startup_memory_bytes: crate::base::memory::read().allocated,
        // `notify_one` keeps a permit, so a stop that comes before anybody waits is not lost.
        stop: Box::new(move || stop.notify_one()),
        apply: surroundings.apply,
        settings: ArcSwap::from_pointee(settings),
    }
}

/// Accepts and keeps house until told to stop, then lets the connections finish.
fn run_front(shared: &Arc<Shared>, stop: &Notify, listeners: Vec<Listener>, crew: Crew) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let paths: Vec<PathBuf> = listeners.iter().filter_map(Listener::path).collect();
        {
            let accepting = listeners.into_iter().map(|listener| listener.accept(shared, &crew));
            tokio::select! {
                () = stop.notified() => {}
                () = keep_house(shared) => {}
                accepted = futures_util::future::try_join_all(accepting) => drop(accepted?),
            }
        }
        for path in paths {
            drop(std::fs::remove_file(path));
        }
        finish_connections(shared, &crew).await;
        Ok::<(), io::Error>(())
    })?;
    let Crew { workers, threads } = crew;
    // Closing their channels ends the workers.
    drop(workers);
    join_workers(threads);
    Ok(())
}

/// Waits for the workers, but not for one that a long command holds: its thread ends with the process.
fn join_workers(threads: Vec<JoinHandle<()>>) {
    let deadline = Instant::now() + JOIN_LIMIT;
    for thread in threads {
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(STOP_POLL);
        }
        if !thread.is_finished() {
            tracing::warn!("a worker is still busy with a command; stopping without it");
        } else if thread.join().is_err() {
            tracing::error!("a worker thread panicked");
        }
    }
}

/// Tells every connection to answer what it has received and to close; waits for them, with a limit.
async fn finish_connections(shared: &Shared, crew: &Crew) {
    let limit = Duration::from_secs(shared.settings.load().shutdown_timeout_s.into());
    let deadline = tokio::time::Instant::now() + limit;
    let open = || {
        crew.workers.iter().any(|worker| worker.connections.load(std::sync::atomic::Ordering::Relaxed) > 0)
    };
    let mut told = std::collections::HashSet::new();
    while open() && tokio::time::Instant::now() < deadline {
        // Sockets handed out a moment ago may turn up only now.
        for client in shared.clients.list().into_iter().filter(|client| told.insert(client.id)) {
            drop(client.post_box.send(Letter::Finish));
        }
        tokio::time::sleep(STOP_POLL).await;
    }
}

impl Running {
    /// The first TCP address. Panics if the server listens on Unix sockets alone.
    #[must_use]
    pub fn tcp_addr(&self) -> SocketAddr {
        self.tcp_addrs[0]
    }

    /// Every address and path that is listened on.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Begins the graceful stop and returns at once.
    pub fn begin_stop(&self) {
        self.stop.notify_one();
    }

    /// Resolves when the server has stopped, for whatever reason.
    pub fn finished(&mut self) -> impl Future<Output = ()> + use<> {
        let finished = self.finished.take();
        async move {
            if let Some(finished) = finished {
                drop(finished.await);
            }
        }
    }

    /// Stops gracefully and waits for it, at most `shutdown-timeout`.
    pub fn stop(mut self) {
        self.stop_and_join();
    }

    fn stop_and_join(&mut self) {
        self.begin_stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the accepting thread panicked");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop_and_join();
    }
}
