//! Where the door listens, and its connections: few, with short heads, none of them for ever.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{self, LocalOptions};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinSet, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

use super::answer::answer;
use super::body::ANSWER_TIME;
use super::seen::Desk;
use super::service::give_signs;
use crate::config::Settings;
use crate::dispatch::live::Unapplied;
use crate::dispatch::shared::Shared;
use crate::net::bind_hosts;

/// Connections at a time; more are closed at once.
const CONNECTIONS_MAX: usize = 64;
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// How long a head may take, also the next one of a connection that stays open.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// Out of file descriptors, most likely: waiting a little beats spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Listening = Vec<std::net::TcpListener>;

/// What opens and closes the door: settings say where it is.
#[derive(Clone)]
pub struct Door {
    listening: UnboundedSender<Listening>,
    open: Arc<Mutex<Open>>,
}

/// Where the door is now.
#[derive(Default)]
struct Open {
    port: u16,
    addresses: Vec<SocketAddr>,
}

/// The thread that serves it. Dropping it ends the thread.
pub struct Ops {
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

/// What `Ops::start` needs to hear of the door.
pub struct Wishes(UnboundedReceiver<Listening>);

impl Door {
    /// A door that is closed, and what its thread hears of it.
    #[must_use]
    pub fn new() -> (Door, Wishes) {
        let (listening, wishes) = unbounded_channel();
        (Door { listening, open: Arc::default() }, Wishes(wishes))
    }

    /// Listens where the settings say, or nowhere. Where it cannot, all stays as it was.
    ///
    /// # Errors
    /// The setting that asks for what is not to be had, and why.
    pub fn apply(&self, settings: &Settings) -> Result<(), Unapplied> {
        check(settings)?;
        let mut open = self.open.lock();
        if open.port == settings.metrics.port {
            return Ok(());
        }
        let listeners = match settings.metrics.port {
            0 => Vec::new(),
            port => bind_hosts(&settings.metrics.bind, port, settings.tcp_backlog)
                .map_err(|error| Unapplied { setting: "metrics-port", reason: error.to_string() })?,
        };
        open.port = settings.metrics.port;
        open.addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        // Its thread has ended with the server.
        drop(self.listening.send(listeners));
        Ok(())
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.open.lock().addresses.clone()
    }
}

/// Whoever reaches the port could read everything: that must be said to be meant.
fn check(settings: &Settings) -> Result<(), Unapplied> {
    let is_loopback = |host: &String| {
        let host = host.trim_start_matches('-');
        host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    };
    let is_guarded = settings.metrics.open || settings.metrics.token.is_some();
    if settings.metrics.port == 0 || is_guarded || settings.metrics.bind.iter().all(is_loopback) {
        return Ok(());
    }
    let reason =
        "metrics-bind names addresses beyond this machine: set metrics-token, or metrics-open yes".to_owned();
    Err(Unapplied { setting: "metrics-bind", reason })
}

impl Ops {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system gives no thread or no runtime.
    pub fn start(shared: Arc<Shared>, wishes: Wishes) -> io::Result<Ops> {
        let mut builder = runtime::Builder::new_current_thread();
        builder.enable_io().enable_time();
        let stop = Arc::new(Notify::new());
        let stopped = stop.clone();
        let (ready, started) = std::sync::mpsc::sync_channel(1);
        let thread = Builder::new().name("ops".to_owned()).spawn(move || {
            let runtime = match builder.build_local(LocalOptions::default()) {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error))),
            };
            drop(ready.send(Ok(())));
            runtime.block_on(async {
                tokio::select! {
                    () = serve(shared.clone(), wishes.0) => {}
                    () = give_signs(&shared) => {}
                    () = stopped.notified() => {}
                }
            });
        })?;
        started
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the thread of the metrics ended as it began")))?;
        Ok(Ops { stop, thread: Some(thread) })
    }
}

impl Drop for Ops {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the metrics panicked");
        }
    }
}

/// Accepts wherever the door is, until it is elsewhere.
async fn serve(shared: Arc<Shared>, mut wishes: UnboundedReceiver<Listening>) {
    let desk = Rc::new(Desk::new(shared));
    let connections = Rc::new(Cell::new(0));
    let mut accepting = JoinSet::new();
    while let Some(listeners) = wishes.recv().await {
        // Dropping it closes the sockets.
        accepting = JoinSet::new();
        for listener in listeners {
            match TcpListener::from_std(listener) {
                Ok(listener) => {
                    drop(accepting.spawn_local(accept(listener, desk.clone(), connections.clone())))
                }
                Err(error) => tracing::error!("metrics-port cannot be served: {error}"),
            }
        }
    }
    drop(accepting);
}

async fn accept(listener: TcpListener, desk: Rc<Desk>, connections: Rc<Cell<usize>>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) if connections.get() < CONNECTIONS_MAX => {
                let place = Place::take(&connections);
                spawn_local(converse(desk.clone(), stream, peer, place));
            }
            Ok(_) => {}
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// A connection's place among those there may be.
struct Place(Rc<Cell<usize>>);

impl Place {
    fn take(connections: &Rc<Cell<usize>>) -> Place {
        connections.set(connections.get() + 1);
        Place(connections.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Answers what one connection asks, until it ends or takes too long.
async fn converse(desk: Rc<Desk>, stream: TcpStream, peer: SocketAddr, _place: Place) {
    let until = Rc::new(Cell::new(Instant::now() + ANSWER_TIME));
    let service = service_fn(|request| {
        until.set(Instant::now() + ANSWER_TIME);
        let answer = answer(&desk, peer.ip(), &request, &until);
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES_MAX);
    let mut conversation = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    loop {
        tokio::select! {
            // What went wrong with a connection concerns nobody but its other end.
            _ = &mut conversation => return,
            () = sleep_until(until.get()) => if until.get() <= Instant::now() { return },
        }
    }
}
