//! One client's connection: bytes in, batches run, replies out.
//!
//! A single poll function decides what happens next; every wait is one place. Bytes are read into the
//! worker's buffer and stay there unless a request is cut off at its end. Invariant: whatever ends a
//! connection (client, limit, panic, shutdown), `leave` passes on what it holds.

mod behind;
mod letters;

use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Sleep;

use super::bounds::{self, End, Load};
use super::outflow::Outflow;
use super::partial::Partial;
use super::runs::Running;
use super::stream::{Accepted, Stream};
use super::worker::{Lent, Worker};
use crate::base::limits::{KEPT_REQUEST_BYTES_MIN, READ_BYTES, REAPED_REPLY_BYTES_MIN, REPLY_BYTES_PAUSE};
use crate::base::memory::class_bytes;
use crate::base::metrics::{Counter, add};
use crate::clients::{Client, Peer};
use crate::config::Settings;
use crate::dispatch::batch::{Batch, Cut};
use crate::dispatch::bench::Bench;
use crate::dispatch::certificate::admit_by_certificate;
use crate::dispatch::identity::Identity;
use crate::dispatch::operator::Note;
use crate::dispatch::session::Session;
use crate::keyspace::Effects;
use crate::protocol::output::Output;
use crate::protocol::reply::Reply;
use crate::protocol::request::{Parser, ProtocolError, RequestLimits};

/// What may be left to write of a connection that ends when it is taken out of everybody's sight.
const FAREWELL_BYTES_MAX: usize = 64 * 1024;
/// Bytes that the runtime takes for a task beside what it runs, and for a socket.
const TASK_BYTES: usize = 128;
const SOCKET_BYTES: usize = 256;
/// How long its client has to read that.
const FAREWELL: Duration = Duration::from_secs(5);

struct Connection {
    worker: Rc<Worker>,
    stream: Stream,
    session: Session,
    parser: Parser,
    /// Bytes of a request that is not complete yet.
    partial: Partial,
    outflow: Outflow,
    /// More messages waited for it than it may have.
    is_overrun: bool,
    /// Its last requests sent messages.
    publishes: bool,
    /// Requests that are there wait until replies have drained, or for the next turn; meanwhile they are taken in.
    is_behind: bool,
    /// The client has ended its side.
    is_at_end: bool,
    /// The last request that was run is a script that goes on.
    script: Option<Running>,
    /// Its next request was put off, and it is filed to be woken when it may run.
    is_filed: bool,
    /// Shutdown: close once nothing more is there to read.
    finishes: bool,
    /// It is known to nobody any more; set while the last replies leave.
    farewell: Option<Pin<Box<Sleep>>>,
}

/// Serves a connection in a task of its own until it ends, and cleans up after it.
pub fn serve(worker: Rc<Worker>, accepted: Accepted) {
    let Ok(connection) = Connection::open(worker.clone(), accepted) else {
        worker.connections.fetch_sub(1, Relaxed);
        return;
    };
    let client = connection.session.client.clone();
    let socket_bytes = SOCKET_BYTES + connection.stream.held_bytes();
    let task = run(connection);
    client.seen.connection_bytes.store(class_bytes(size_of_val(&task) + TASK_BYTES) + socket_bytes, Relaxed);
    tokio::task::spawn_local(task);
}

async fn run(mut connection: Connection) {
    let (worker, id) = (connection.worker.clone(), connection.session.client.id);
    // A panic in a handler ends this connection and nothing else.
    let served = AssertUnwindSafe(std::future::poll_fn(|cx| connection.poll(cx))).catch_unwind().await;
    // A client that ended its side has left nothing unread.
    let is_done = matches!(served, Ok(End::Client));
    match served {
        Ok(End::Socket(error)) => tracing::debug!(client = id, "connection ends: {error}"),
        Ok(end) => tracing::debug!(client = id, "connection ends: {end:?}"),
        Err(_) => {
            worker.counters.add(Counter::Panics, 1);
            tracing::error!(client = id, "a handler panicked; its connection is closed, the server goes on");
        }
    }
    connection.leave(is_done);
    worker.connections.fetch_sub(1, Relaxed);
}

impl Connection {
    fn open(worker: Rc<Worker>, mut accepted: Accepted) -> io::Result<Connection> {
        let (addr, laddr, is_unix) = super::stream::names(&accepted);
        let names = accepted.take_names();
        let stream = Stream::register(accepted)?;
        let shared = &worker.shared;
        let now = shared.clock.now().mono_ms;
        let peer = Peer { addr, laddr, fd: stream.fd(), is_unix };
        let client = Arc::new(Client::new(shared.clients.next_id(), peer, now));
        shared.clients.add(client.clone());
        worker.counters.add(Counter::ConnectionsReceived, 1);
        let outflow = Outflow::new(&client);
        let mut session = Session::new(client, Identity::new(&shared.users));
        if let Some(names) = names {
            admit_by_certificate(&mut session, &names, shared, &worker.counters);
        }
        Ok(Connection {
            worker,
            stream,
            session,
            parser: Parser::default(),
            partial: Partial::default(),
            outflow,
            is_overrun: false,
            publishes: false,
            is_behind: false,
            is_at_end: false,
            script: None,
            is_filed: false,
            finishes: false,
            farewell: None,
        })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            if self.farewell.is_some() {
                return self.poll_farewell(cx);
            }
            self.session.post_box().register(cx.waker());
            let heard = if self.script.is_some() { ready!(self.poll_script(cx)) } else { Ok(()) };
            if let Err(end) = heard.and_then(|()| self.take_letters()) {
                return Poll::Ready(end);
            }
            if self.session.closes && self.outflow.waiting_bytes() <= FAREWELL_BYTES_MAX {
                if self.outflow.replies.unanswered() == 0 {
                    // A client that reads its last reply must find itself gone.
                    self.deregister();
                    self.farewell = Some(Box::pin(tokio::time::sleep(FAREWELL)));
                    continue;
                }
                // The answers come as letters, which wake us.
                self.answer_parked();
            }
            let flushed = match self.poll_flush(cx) {
                Poll::Ready(Err(error)) => return Poll::Ready(End::Socket(error)),
                other => other.is_ready(),
            };
            if self.session.closes && flushed && self.outflow.replies.unanswered() == 0 {
                continue;
            }
            if self.session.closes {
                return Poll::Pending;
            }
            if let Some(held_up) = self.poll_held_up(cx) {
                match ready!(held_up) {
                    Ok(()) => continue,
                    Err(end) => return Poll::Ready(end),
                }
            }
            if self.is_behind {
                if let Err(end) = self.catch_up() {
                    return Poll::Ready(end);
                }
                // Whatever is left, the other connections have their turn first.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.is_at_end {
                // It may have closed its sending side alone: what is ready is written first.
                match flushed {
                    true => return Poll::Ready(End::Client),
                    false => self.session.closes = true,
                }
                continue;
            }
            match self.poll_read(cx) {
                Poll::Pending if self.finishes && !self.stream.has_bytes() => self.session.closes = true,
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => self.is_at_end = true,
                Poll::Ready(Ok(_)) => {
                    if self.outflow.writes_later() && !self.session.closes {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Poll::Ready(Err(end)) => return Poll::Ready(end),
            }
        }
    }

    /// If the request that ran last is a script that is not at its end, it goes on by itself. The request behind it, if there
    /// is one, waits.
    fn begin_script(&mut self, next: usize, requests: usize) -> Option<Option<usize>> {
        let aside = self.worker.station.take_unfinished()?;
        self.session.put_off = None;
        self.script = Some(Running::carry_on(self.worker.clone(), aside));
        Some((next < requests).then_some(next))
    }

    /// Waits for the end of a script, which has the session; only what is ready before it is written meanwhile.
    fn poll_script(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        if self.session.client.seen.close_asap.load(Relaxed) {
            return Poll::Ready(Err(End::Killed));
        }
        if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
            return Poll::Ready(Err(End::Socket(error)));
        }
        let Some(mut finished) = self.script.as_ref().and_then(|script| script.poll(cx.waker())) else {
            return Poll::Pending;
        };
        self.script = None;
        let stand_in = std::mem::replace(&mut self.session, finished.session);
        self.session.closes |= stand_in.closes;
        self.session.has_replied(&mut finished.out, Output::default().mark());
        self.outflow.replies.tail().append(&mut finished.out);
        self.outflow.replies.note_reply();
        if finished.panicked {
            self.worker.counters.add(Counter::Panics, 1);
            return Poll::Ready(Err(End::Killed));
        }
        self.is_behind = true;
        Poll::Ready(Ok(()))
    }

    /// What keeps requests from being run, if anything does: ready when it is to be looked at again.
    fn poll_held_up(&mut self, cx: &mut Context<'_>) -> Option<Poll<Result<(), End>>> {
        if self.is_blocked() {
            return Some(self.poll_blocked(cx));
        }
        if self.is_full() {
            // A client may write all of its requests before it reads: what it sends is taken in, and run later.
            return Some(self.poll_take_in(cx));
        }
        if self.publishes && self.worker.post.holds_up(cx) {
            return Some(Poll::Pending);
        }
        self.publishes = false;
        let why = self.session.put_off?;
        if self.finishes {
            self.session.closes = true;
        } else if self.worker.waits(why, &self.session, &mut self.is_filed, cx.waker()) {
            return Some(Poll::Pending);
        } else {
            return Some(Poll::Ready(self.resume()));
        }
        Some(Poll::Ready(Ok(())))
    }

    /// Writes the last replies. A client that does not read them in time goes without.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if let Poll::Ready(flushed) = self.poll_flush(cx) {
            return Poll::Ready(flushed.map_or_else(End::Socket, |()| End::Closed));
        }
        let time = self.farewell.as_mut().map(|time| time.as_mut().poll(cx));
        if time == Some(Poll::Ready(())) { Poll::Ready(End::Closed) } else { Poll::Pending }
    }

    /// Reads what is there and runs it. Returns the bytes read, 0 at the stream's end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, End>> {
        let worker = self.worker.clone();
        let mut lent = worker.lent.borrow_mut();
        let Lent { read_buffer, batch, effects } = &mut *lent;
        let read = if self.partial.is_empty() {
            let mut buffer = ReadBuf::new(read_buffer);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)).map_err(End::Socket)?;
            let read = buffer.filled().len();
            let used = self.run(&mut read_buffer[..read], batch, effects);
            if !self.session.closes {
                self.partial.begin(&read_buffer[used..read], self.parser.missing_bytes());
            }
            read
        } else {
            let missing = self.parser.missing_bytes();
            if self.partial.free() == 0 {
                self.count_growth(self.partial.growth(missing));
                self.partial.grow(missing);
            }
            let read = ready!(self.partial.poll_read(&mut self.stream, cx)).map_err(End::Socket)?;
            // Counted before it runs, after which it is gone.
            self.publish_query();
            self.note_held(&worker, &worker.settings())?;
            self.run_partial(batch, effects);
            read
        };
        self.publish(read);
        Poll::Ready(self.check_limits().map(|()| read))
    }

    /// So much waits to be written that no more requests are run.
    fn is_full(&self) -> bool {
        self.outflow.waiting_bytes() > REPLY_BYTES_PAUSE
    }

    /// Runs some of what was taken in.
    fn catch_up(&mut self) -> Result<(), End> {
        self.is_behind = false;
        let worker = self.worker.clone();
        let mut lent = worker.lent.borrow_mut();
        let Lent { batch, effects, .. } = &mut *lent;
        self.run_partial(batch, effects);
        self.publish(0);
        self.check_limits()
    }

    /// The pause is over, or there is room: runs what was put off.
    fn resume(&mut self) -> Result<(), End> {
        self.session.put_off = None;
        self.catch_up()
    }

    /// Runs what `partial` holds, a long request by itself.
    fn run_partial(&mut self, batch: &mut Batch, effects: &mut Effects) {
        let mut partial = std::mem::take(&mut self.partial);
        if partial.len() >= KEPT_REQUEST_BYTES_MIN {
            let limits = self.limits();
            let (end, cut) = batch.cut_one(&mut self.parser, partial.bytes_mut(), limits);
            let unused = if partial.is_mostly(end) {
                let first = partial.split(end);
                batch.keep(first.clone());
                let unused = self.run_cut(&first, batch, effects, &cut);
                batch.release();
                if let Some(begin) = unused {
                    self.count_room(first.len());
                    partial.put_back(first, begin);
                }
                unused
            } else {
                let unused = self.run_cut(partial.bytes_mut(), batch, effects, &cut);
                partial.advance(unused.unwrap_or(end));
                unused
            };
            self.is_behind |= unused.is_none() && cut == Cut::Full && self.is_full();
            let is_held_up = self.session.closes || self.is_behind || self.is_held_up();
            if unused.is_some() || cut != Cut::Full || is_held_up {
                self.partial = partial;
                return;
            }
        }
        let used = self.run(partial.bytes_mut(), batch, effects);
        partial.advance(used);
        self.partial = partial;
    }

    /// What the next requests may be; whoever changed users meanwhile is met here.
    fn limits(&mut self) -> RequestLimits {
        self.session.refresh_user(&self.worker.shared.users);
        let settings = self.worker.settings();
        let bulk_bytes_max = settings.bulk_bytes_max;
        RequestLimits { authenticated: self.session.identity.is_admitted(), bulk_bytes_max }
    }

    /// Runs the requests in `buffer`, batch by batch. Returns how many of its bytes are used up; `is_behind` says that
    /// there may be more to run.
    fn run(&mut self, buffer: &mut [u8], batch: &mut Batch, effects: &mut Effects) -> usize {
        let mut start = 0;
        loop {
            let limits = self.limits();
            let (next, cut) = batch.cut(&mut self.parser, buffer, start, limits);
            start = next;
            if let Some(begin) = self.run_cut(buffer, batch, effects, &cut) {
                return begin;
            }
            if cut != Cut::Full || self.session.closes || self.is_held_up() {
                return start;
            }
            if self.is_full() || start >= READ_BYTES {
                self.is_behind = true;
                return start;
            }
        }
    }

    /// Runs the requests that were cut out of a buffer. Returns where the first one begins that was put off, if
    /// there is one: it and what follows is cut again when its time has come.
    fn run_cut(
        &mut self,
        buffer: &[u8],
        batch: &mut Batch,
        effects: &mut Effects,
        cut: &Cut,
    ) -> Option<usize> {
        if !batch.is_empty() {
            let worker = self.worker.clone();
            batch.prefetch(buffer, &worker.shared.keyspace, self.session.db);
            let paused = worker.at_bench(effects, |bench| self.run_batch(buffer, batch, bench));
            if let Some(index) = paused {
                self.parser = Parser::default();
                return Some(batch.begin_of(index));
            }
        }
        self.deliver_own_letters(effects);
        if let Cut::Malformed(error) = cut
            && !self.session.closes
        {
            self.refuse(error);
        }
        None
    }

    /// Runs a batch. Returns the index of the request that was put off, if there is one.
    fn run_batch(&mut self, buffer: &[u8], batch: &Batch, bench: &mut Bench<'_>) -> Option<usize> {
        let mut paused = None;
        let bytes_max = bounds::reply_bytes_max(&self.session.client, &bench.current.settings);
        self.outflow.replies.set_limit(bytes_max);
        bench.meter.start();
        for index in 0..batch.len() {
            batch.run(index, buffer, bench, &mut self.session, self.outflow.replies.tail());
            if self.session.put_off.is_some() {
                paused = self.begin_script(index + 1, batch.len()).unwrap_or(Some(index));
                break;
            }
            if let Some(parked) = self.session.slots.parked.take() {
                self.outflow.replies.keep_place(parked, self.session.proto);
                self.session.slots.open += 1;
                if self.is_blocked() {
                    // What stands behind it is run when it is answered.
                    self.is_behind = true;
                    paused = (index + 1 < batch.len()).then_some(index + 1);
                    break;
                }
            } else {
                self.outflow.replies.note_reply();
            }
            if self.session.closes || self.outflow.replies.is_over() {
                break;
            }
        }
        bench.meter.hand_over();
        bench.counters.add(Counter::Batches, 1);
        let effects = &bench.effects;
        self.publishes |=
            !(bench.deliveries.is_empty() && effects.events.is_empty() && effects.changes.is_empty());
        let seen = &self.session.client.seen;
        seen.active_at.store(bench.now.mono_ms, Relaxed);
        self.shed_overfull(bench);
        bench.prune_leases(&mut self.session);
        paused
    }

    /// Answers WAIT to slots behind which too much has queued up.
    fn shed_overfull(&mut self, bench: &mut Bench<'_>) {
        let overfull = self.outflow.replies.claim_overfull();
        bench.counters.add(Counter::FillShedSlots, overfull.len() as u64);
        bench.answer_wait(overfull);
    }

    /// Malformed input: Redis's error, then the end.
    fn refuse(&mut self, error: &ProtocolError) {
        self.session.closes = true;
        self.worker.counters.add(Counter::ProtocolErrors, 1);
        if *error == ProtocolError::Tls {
            // It would take a reply for a broken TLS record, and waits for another one without.
            return self.note_tls();
        }
        self.worker.counters.add(Counter::ErrorReplies, 1);
        tracing::debug!(client = self.session.client.id, addr = %self.session.client.addr, "{}", error.to_string().escape_debug());
        let text = [b"ERR ", &error.text()[..]].concat();
        self.worker.note_error(&text);
        let proto = self.session.proto;
        Reply::new(self.outflow.replies.tail(), proto).error(&text);
    }

    fn note_tls(&self) {
        let Worker { counters, shared, .. } = &*self.worker;
        counters.add(Counter::TlsOnPlainPort, 1);
        if let Some(left_out) = shared.operator.may_note(Note::TlsOnPlainPort, shared.clock.now().mono_ms) {
            let client = &self.session.client;
            tracing::warn!(
                client = client.id, addr = %client.addr, left_out,
                "closed: it speaks TLS to a port without it; tls-port opens one with it"
            );
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Worker { turns, counters, .. } = &*self.worker;
        let client = &self.session.client;
        let was_held_up = ready!(self.outflow.poll_flush(&mut self.stream, turns, client, counters, cx))?;
        // Where it took a while until everything was with the socket, the leases in it begin only now.
        let leases = std::mem::take(&mut self.session.leases.unsent);
        if was_held_up && !leases.is_empty() {
            let client = client.id;
            let worker = self.worker.clone();
            worker.at_bench(&mut Effects::default(), |bench| bench.start_leases(client, &leases));
        }
        Poll::Ready(Ok(()))
    }

    /// Answers everything parked, as nothing more is waited for.
    fn answer_parked(&mut self) {
        self.worker.at_bench(&mut Effects::default(), |bench| bench.answer_parked(&self.session));
    }

    fn publish(&mut self, read: usize) {
        self.worker.counters.add(Counter::InputBytes, read as u64);
        self.session.publish();
        let seen = &self.session.client.seen;
        add(&seen.input_bytes, read);
        self.publish_query();
    }

    fn publish_query(&self) {
        self.session.client.seen.query_bytes.store(self.partial.len(), Relaxed);
        self.count_room(self.partial.held_bytes().saturating_sub(self.partial.len()));
    }

    /// Room is going to be made. Counted before it is there, the old and the new: a thread that asks the allocator
    /// meanwhile must not take them for entries.
    fn count_growth(&self, growth: usize) {
        self.count_room(self.partial.held_bytes() + growth);
    }

    fn count_room(&self, bytes: usize) {
        self.session.client.seen.query_free_bytes.store(bytes, Relaxed);
    }

    /// Ends a connection that piles up requests or replies beyond its limits.
    fn check_limits(&mut self) -> Result<(), End> {
        let worker = self.worker.clone();
        let settings = worker.settings();
        let now_ms = worker.shared.clock.now().mono_ms;
        let load = Load {
            query_bytes: self.partial.len(),
            reply_bytes: self.outflow.waiting_bytes() as u64,
            is_backlogged: self.outflow.is_backlogged(),
            is_overrun: self.is_overrun || self.outflow.replies.is_over(),
        };
        self.outflow.publish(&self.session.client);
        bounds::check(&load, &self.session, &settings, &worker.counters, &worker.shared.operator, now_ms)?;
        self.note_held(&worker, &settings)
    }

    /// Counts what this connection holds towards the limit of all clients.
    fn note_held(&self, worker: &Worker, settings: &Settings) -> Result<(), End> {
        let evicted = worker.shared.note_client(&self.session.client, settings, &worker.counters);
        if evicted { Err(End::Evicted) } else { Ok(()) }
    }

    /// Passes on what this connection holds, so that nobody knows it any more.
    fn deregister(&mut self) {
        let worker = self.worker.clone();
        worker.shared.clients.remove(&self.session.client);
        worker.forget_waiting(self.session.client.id);
        if let Some(script) = self.script.take() {
            script.leave();
        }
        let slots = self.outflow.replies.slots();
        worker.at_bench(&mut Effects::default(), |bench| bench.leave(&mut self.session, &slots));
        worker.shared.clients.left(&self.session.client);
    }

    /// The end: ends the stream too, unless the client did.
    fn leave(mut self, is_done: bool) {
        if self.farewell.is_none() {
            self.deregister();
        }
        self.stream.end(is_done, &mut self.worker.lent.borrow_mut().read_buffer);
        if self.outflow.waiting_bytes() >= REAPED_REPLY_BYTES_MIN {
            // What it did not read may be all that is left of a large collection.
            let unread = std::mem::take(&mut self.outflow.replies.ready);
            let bytes = unread.held_bytes();
            self.worker.shared.keyspace.cast_off_rest(Box::new(unread), bytes);
        }
    }
}
