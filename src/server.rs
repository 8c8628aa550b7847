//! L5: from settings to a running server and to its graceful stop. The only place that sees all layers.
//!
//! Tests start servers in their own process with `Server::start` and a clock they hold.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;

use crate::base::clock::Clock;
use crate::base::hash::HashSeed;
use crate::base::memory::machine_bytes;
use crate::clients::Clients;
use crate::commands::groups;
use crate::config::Settings;
use crate::dispatch::helpers::Helpers;
use crate::dispatch::live::{ApplySettings, LiveSettings, Unapplied};
use crate::dispatch::operator::Operator;
use crate::dispatch::shared::Shared;
use crate::dispatch::users::{LiveUsers, users_at_start};
use crate::figures::certificates::Certificates;
use crate::figures::{Figures, Identity};
use crate::keyspace::{Keyspace, shards_most};
use crate::net::{
    Accepting, Crew, Handshakes, Listener, Tls, TlsPort, Workers, accept_tls, bind_all, keep_house,
};
use crate::ops::{Door, Ops};
use crate::parking::Letter;
use crate::pubsub::PubSub;
use crate::script::Scripts;
use crate::script::functions::Functions;
use crate::tracking::Tracking;

/// How long a stopping server waits for worker threads whose connections are gone or given up.
const JOIN_LIMIT: Duration = Duration::from_millis(200);
/// How often a stopping server looks whether its connections are gone.
const STOP_POLL: Duration = Duration::from_millis(5);

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
    tls: Arc<Tls>,
    addresses: Vec<String>,
    tcp_addrs: Vec<SocketAddr>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
    finished: Option<oneshot::Receiver<bool>>,
    door: Door,
    /// Last, as the probes tell how the stop goes.
    _ops: Ops,
}

impl Server {
    /// Binds, starts the workers and returns at once. Errors name what could not be bound.
    pub fn start(settings: Settings, clock: Clock) -> io::Result<Running> {
        let apply = Box::new(|_: &Settings| Ok(()));
        let machine_bytes = machine_bytes();
        Server::start_in(settings, Surroundings { clock, config_file: None, apply, machine_bytes })
    }

    /// As `start`, with a configuration file and outside settings. Errors name the setting, where one is to blame.
    pub fn start_in(settings: Settings, surroundings: Surroundings) -> io::Result<Running> {
        let (door, wishes) = Door::new();
        door.apply(&settings).map_err(unapplied)?;
        let (opens, outside) = (door.clone(), surroundings.apply);
        // The door last: it alone cannot be taken back.
        let apply = move |settings: &Settings| outside(settings).and_then(|()| opens.apply(settings));
        let surroundings = Surroundings { apply: Box::new(apply), ..surroundings };
        let listeners = bind_all(&settings)?;
        if listeners.is_empty() && settings.tls.port == 0 {
            return Err(io::Error::other(
                "nothing to listen on: no address, no Unix socket, no port for TLS",
            ));
        }
        let mut addresses: Vec<String> = listeners.iter().map(Listener::describe).collect();
        let paths: Vec<PathBuf> = listeners.iter().filter_map(Listener::path).collect();
        let tcp_addrs: Vec<SocketAddr> = listeners.iter().filter_map(Listener::tcp_addr).collect();
        let stop = Arc::new(Notify::new());
        let port = tcp_addrs.first().map_or(settings.tls.port, SocketAddr::port);
        let Secured { tls, certificates, changes, apply, addresses: secured } =
            secure(&settings, surroundings.clock.clone(), surroundings.apply).map_err(unapplied)?;
        addresses.extend(secured.into_iter().map(|address| format!("{address} (TLS)")));
        let has_tls = settings.tls.port > 0;
        let mut shared = share(settings, Surroundings { apply, ..surroundings }, port, &stop)?;
        shared.figures.certificates = certificates;
        let shared = Arc::new(shared);
        // Whatever may be missing is asked for here, so that a server which cannot run is never said to be ready.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let accepting = {
            let _entered = runtime.enter();
            listeners.into_iter().map(Listener::register).collect::<io::Result<Vec<_>>>()?
        };
        shared.helpers.start()?;
        let crew = Crew::start(&shared, groups::handlers())?;
        let ops = Ops::start(shared.clone(), wishes)?;
        let handshakes = Handshakes::new(shared.clone(), tls.clone(), crew.workers.clone());
        if has_tls {
            handshakes.begin()?;
        }
        let (finish, finished) = oneshot::channel();
        let front = Front { shared: shared.clone(), tls: tls.clone(), accepting, changes, paths, handshakes };
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("front".to_owned()).spawn(move || {
            let is_sound = run_front(&runtime, front, &stopped, crew);
            // Nobody may be listening any more.
            finish.send(is_sound).ok();
        })?;
        let (thread, finished) = (Some(thread), Some(finished));
        Ok(Running { shared, tls, addresses, tcp_addrs, stop, thread, finished, door, _ops: ops })
    }
}

/// What TLS needs before anything else stands.
struct Secured {
    tls: Arc<Tls>,
    certificates: Arc<Certificates>,
    /// What the front thread is to listen on for TLS.
    changes: UnboundedReceiver<Vec<Listener>>,
    apply: ApplySettings,
    addresses: Vec<String>,
}

/// Puts the TLS of the settings in use, and sees to it that later ones are as well.
fn secure(settings: &Settings, clock: Clock, outside: ApplySettings) -> Result<Secured, Unapplied> {
    let certificates = Arc::<Certificates>::default();
    let tls = Arc::new(Tls::new(certificates.clone(), clock));
    let (listeners, changes) = unbounded_channel();
    let port = TlsPort::new(listeners);
    let prepared = tls.prepare(settings)?;
    let bound = port.prepare(settings)?;
    let addresses = bound.addresses().collect();
    prepared.commit();
    bound.commit();
    let applied = tls.clone();
    let apply = Box::new(move |settings: &Settings| {
        // What may fail comes first, so that all of it is put in use or none.
        let prepared = applied.prepare(settings)?;
        let bound = port.prepare(settings)?;
        outside(settings)?;
        prepared.commit();
        bound.commit();
        Ok(())
    });
    Ok(Secured { tls, certificates, changes, apply, addresses })
}

fn unapplied(Unapplied { setting, reason }: Unapplied) -> io::Error {
    io::Error::other(format!("{setting}: {reason}"))
}

/// How many workers a server with these settings has.
#[must_use]
pub fn workers_of(settings: &Settings) -> usize {
    match settings.io_threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        given => given as usize,
    }
}

/// What a server's connections share, without a thread or a socket: for programs that run requests by hand, as the
/// benchmarks do. `stop` is what SHUTDOWN will notify. An error names what is wrong with its users.
pub fn share(
    settings: Settings,
    surroundings: Surroundings,
    port: u16,
    stop: &Arc<Notify>,
) -> io::Result<Shared> {
    let workers = workers_of(&settings);
    let seed = settings.hash_seed.unwrap_or_else(HashSeed::random);
    let shards = shards_most(workers, surroundings.machine_bytes);
    let identity = Identity {
        run_id: (0..40).map(|_| fastrand::digit(16)).collect(),
        started_ms: surroundings.clock.now().wall_ms,
        tcp_port: port.into(),
        workers,
    };
    let stop = stop.clone();
    let table = groups::renamed(&settings.lines.renames).map_err(io::Error::other)?;
    let users = users_at_start(&settings, table).map_err(io::Error::other)?;
    Ok(Shared {
        table,
        keyspace: Keyspace::new(settings.databases as usize, shards, settings.maxmemory_bytes, seed),
        clients: Clients::default(),
        pubsub: PubSub::default(),
        tracking: Tracking::default(),
        scripts: Scripts::default(),
        functions: Functions::default(),
        helpers: Helpers::default(),
        figures: Figures::new(identity, crate::base::memory::read().allocated),
        operator: Operator::default(),
        clock: surroundings.clock,
        // `notify_one` keeps a permit, so a stop that comes before anybody waits is not lost.
        stop: Box::new(move || stop.notify_one()),
        users: LiveUsers::new(users),
        settings: LiveSettings::new(settings, surroundings.config_file, surroundings.apply),
    })
}

/// What the front thread works with.
struct Front {
    shared: Arc<Shared>,
    tls: Arc<Tls>,
    accepting: Vec<Accepting>,
    /// What it is to listen on for TLS, whenever that changes.
    changes: UnboundedReceiver<Vec<Listener>>,
    /// Unix sockets.
    paths: Vec<PathBuf>,
    handshakes: Handshakes,
}

/// Accepts and keeps house until told to stop, then lets the connections finish. False if a worker had ended by then.
fn run_front(runtime: &Runtime, front: Front, stop: &Notify, crew: Crew) -> bool {
    let Front { shared, tls, accepting, changes, paths, handshakes } = front;
    let Crew { workers, threads } = crew;
    let is_sound = runtime.block_on(async {
        let accepting = accepting.into_iter().map(|listener| listener.accept(&shared, &workers, &handshakes));
        // There may be none beside those for TLS, which would be over at once.
        let accepting = async { (join_all(accepting).await, pending::<()>().await).1 };
        let is_sound = tokio::select! {
            () = stop.notified() => true,
            () = keep_house(&shared) => false,
            () = tls.watch() => false,
            () = workers.fault() => false,
            () = accepting => false,
            () = accept_tls(changes, &shared, &workers, &handshakes) => false,
        };
        shared.operator.is_stopping.store(true, Relaxed);
        for path in paths {
            drop(std::fs::remove_file(path));
        }
        // What is in the middle of a handshake has asked for nothing yet.
        handshakes.end();
        finish_connections(&shared, &workers).await;
        is_sound
    });
    // Closing their channels ends the workers.
    drop(workers);
    join_workers(threads);
    is_sound
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
async fn finish_connections(shared: &Shared, workers: &Workers) {
    let limit = Duration::from_secs(shared.settings.load().shutdown_timeout_s.into());
    let deadline = tokio::time::Instant::now() + limit;
    let mut told = std::collections::HashSet::new();
    while workers.connections() > 0 && tokio::time::Instant::now() < deadline {
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

    /// Where the page, the metrics and the probes are served.
    #[must_use]
    pub fn metrics_addrs(&self) -> Vec<SocketAddr> {
        self.door.addresses()
    }

    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Reads the files of certificates and keys again, as SIGHUP wants it, and returns at once. The log says what came of
    /// it; where it fails, what is in use stays.
    pub fn reload_tls(&self) {
        self.tls.begin_reload();
    }

    /// Begins the graceful stop and returns at once.
    pub fn begin_stop(&self) {
        self.stop.notify_one();
    }

    /// Resolves when the server has stopped: true if that was asked for, false if a fault ended it.
    pub fn finished(&mut self) -> impl Future<Output = bool> + use<> {
        let finished = self.finished.take();
        async move {
            match finished {
                Some(finished) => finished.await.unwrap_or(false),
                None => true,
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
