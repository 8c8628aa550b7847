//! Handshakes, on threads of their own: one costs as much as a thousand requests, which would wait for it on a worker.
//!
//! The front thread hands sockets over; a connection whose handshake is done goes to a worker.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::task::Poll;
use std::thread::{Builder, JoinHandle};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use super::super::crew::{Workers, start_runtime};
use super::super::stream::{Accepted, Stream};
use super::engine::TlsStream;
use super::failure::Failure;
use super::live::{Terms, Tls};
use super::room::{Room, Stay};
use crate::base::metrics::{Counter, Counters};
use crate::dispatch::operator::Note;
use crate::dispatch::shared::Shared;

/// Bytes read at a time of what is still there when a connection ends.
const SCRATCH_BYTES: usize = 16 * 1024;

/// The threads, and what they share.
pub struct Handshakes {
    shared: Arc<Shared>,
    tls: Arc<Tls>,
    workers: Workers,
    room: Arc<Room>,
    /// Begun when the first port for TLS is opened; who has none needs none.
    threads: RefCell<Vec<Thread>>,
}

struct Thread {
    guests: UnboundedSender<Guest>,
    handle: JoinHandle<()>,
}

/// A socket that was accepted.
struct Guest {
    socket: TcpStream,
    /// What it is to be told instead of being served.
    refusal: Option<&'static [u8]>,
    stay: Stay,
    began: Instant,
}

/// What the handshakes of one thread have at hand.
struct Desk {
    shared: Arc<Shared>,
    tls: Arc<Tls>,
    workers: Workers,
    counters: Arc<Counters>,
}

impl Handshakes {
    #[must_use]
    pub fn new(shared: Arc<Shared>, tls: Arc<Tls>, workers: Workers) -> Handshakes {
        Handshakes { shared, tls, workers, room: Arc::default(), threads: RefCell::default() }
    }

    /// Starts the threads, unless they run.
    pub fn begin(&self) -> io::Result<()> {
        let mut threads = self.threads.borrow_mut();
        while threads.len() < self.shared.figures.identity.handshake_threads() {
            let number = threads.len();
            let (guests, received) = unbounded_channel();
            let (ready, started) = sync_channel(1);
            let (shared, tls, workers) = (self.shared.clone(), self.tls.clone(), self.workers.clone());
            let counters = shared.figures.of_handshakes(number);
            let handle = Builder::new().name(format!("tls-{number}")).spawn(move || {
                if let Some(runtime) = start_runtime(ready) {
                    let desk = Desk { shared, tls, workers, counters };
                    runtime.block_on(receive(Rc::new(desk), received));
                }
            })?;
            started.recv().map_err(|_| io::Error::other("a thread for TLS ended as it began"))??;
            threads.push(Thread { guests, handle });
        }
        Ok(())
    }

    /// Handshakes in progress.
    pub fn in_progress(&self) -> usize {
        self.room.len()
    }

    /// Takes a socket over: it goes to a worker after its handshake, or hears `refusal` and is closed.
    pub fn take(&self, socket: TcpStream, refusal: Option<&'static [u8]>) {
        let Some(stay) = self.room.enter(refusal.is_some()) else { return };
        let threads = self.threads.borrow();
        if let Some(thread) = threads.get(stay.number() as usize % threads.len().max(1)) {
            // A thread that has stopped drops the socket, which closes it.
            drop(thread.guests.send(Guest { socket, refusal, stay, began: Instant::now() }));
        }
    }

    /// Ends the threads, and with them the handshakes in progress.
    pub fn end(self) {
        for Thread { guests, handle } in self.threads.into_inner() {
            drop(guests);
            if handle.join().is_err() {
                tracing::error!("a thread for TLS panicked");
            }
        }
    }
}

/// Serves guests, each in a task of its own, until the front thread has no more.
async fn receive(desk: Rc<Desk>, mut guests: UnboundedReceiver<Guest>) {
    while let Some(guest) = guests.recv().await {
        tokio::task::spawn_local(serve(desk.clone(), guest));
    }
}

async fn serve(desk: Rc<Desk>, guest: Guest) {
    // The port may have been closed meanwhile.
    let Some(terms) = desk.tls.terms() else { return };
    let addr = guest.socket.peer_addr().map_or_else(|_| "?".to_owned(), |addr| addr.to_string());
    let Guest { socket, refusal, stay, began } = guest;
    let mut stream = match TlsStream::open(socket, &terms.context) {
        Ok(stream) => stream,
        Err(error) => return desk.note_failure(&addr, &Failure::Socket(error)),
    };
    let done = tokio::select! {
        done = timeout_at(began + terms.timeout, shake(&mut stream, &stay)) => done.unwrap_or(Err(Failure::TimedOut)),
        () = stay.ends() => Err(Failure::PushedOut),
    };
    match (done, refusal) {
        (Ok(()), None) => desk.hand_on(stream, &terms, &addr),
        (Ok(()), Some(refusal)) => {
            desk.note_done(&stream);
            // One try, no waiting for the client to read.
            poll_fn(|cx| Poll::Ready(stream.poll_write(cx, refusal).is_ready())).await;
            end(stream);
        }
        (Err(failure), _) => {
            desk.note_failure(&addr, &failure);
            if !matches!(failure, Failure::PlainText) {
                end(stream);
            }
        }
    }
}

async fn shake(stream: &mut TlsStream, stay: &Stay) -> Result<(), Failure> {
    poll_fn(|cx| {
        let polled = stream.poll_handshake(cx);
        if stream.has_heard() {
            stay.note_heard();
        }
        polled
    })
    .await
}

/// The peer hears the alert, or the refusal, if it listens.
fn end(stream: TlsStream) {
    Stream::Tls(Box::new(stream)).end(false, &mut [0; SCRATCH_BYTES]);
}

impl Desk {
    fn hand_on(&self, stream: TlsStream, terms: &Terms, addr: &str) {
        self.note_done(&stream);
        match stream.into_shaken(terms.users) {
            Ok(shaken) => self.workers.hand_out(Accepted::Tls(Box::new(shaken))),
            Err(error) => self.note_failure(addr, &Failure::Socket(error)),
        }
    }

    fn note_done(&self, stream: &TlsStream) {
        self.counters.add(Counter::TlsHandshakes, 1);
        self.counters.add(Counter::TlsResumed, u64::from(stream.is_resumed()));
    }

    fn note_failure(&self, addr: &str, failure: &Failure) {
        let (counter, note) = match failure {
            Failure::PlainText => (Counter::TlsPlainText, Note::PlainText),
            Failure::TimedOut => (Counter::TlsTimedOut, Note::Handshake),
            _ => (Counter::TlsFailed, Note::Handshake),
        };
        self.counters.add(counter, 1);
        if let Some(left_out) = self.shared.operator.may_note(note, self.shared.clock.now().mono_ms) {
            tracing::warn!(addr, left_out, "TLS: closed: {failure}");
        }
    }
}
