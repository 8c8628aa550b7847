//! The workers' threads: started together, handed their connections, joined at the end.
//!
//! A thread says whether its runtime stands before anybody is told that the server is ready.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use tokio::runtime::{self, LocalOptions, LocalRuntime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::connection;
use super::stream::Accepted;
use super::worker::{Alarm, Worker};
use crate::dispatch::ctx::Handlers;
use crate::dispatch::shared::Shared;

/// What other threads need of a worker.
pub struct WorkerHandle {
    sockets: UnboundedSender<Accepted>,
    pub connections: Arc<AtomicUsize>,
}

/// The workers, for whoever has connections for them. Each of them ends when all copies of this are gone.
#[derive(Clone)]
pub struct Workers(Arc<[WorkerHandle]>);

/// All workers of a server.
pub struct Crew {
    pub workers: Workers,
    pub threads: Vec<JoinHandle<()>>,
}

impl Crew {
    /// Starts the workers' threads and waits until each has what it needs. Where one has not, the others end again.
    pub fn start(shared: &Arc<Shared>, handlers: &'static Handlers) -> io::Result<Crew> {
        let count = shared.figures.identity.workers;
        let alarms: Arc<[Alarm]> = (0..count).map(|_| Alarm::new()).collect();
        let heard = alarms.clone();
        shared.clock.on_advance(move || heard.iter().for_each(Alarm::ring));
        let (mut workers, mut threads) = (Vec::new(), Vec::new());
        let (ready, starts) = sync_channel(count);
        for number in 0..count {
            let (sockets, received) = unbounded_channel();
            let connections = Arc::new(AtomicUsize::new(0));
            workers.push(WorkerHandle { sockets, connections: connections.clone() });
            let (shared, alarms, ready) = (shared.clone(), alarms.clone(), ready.clone());
            let thread = Builder::new().name(format!("worker-{number}")).spawn(move || {
                if let Some(runtime) = start_runtime(ready) {
                    let worker = Worker::new(number, shared, handlers, connections, alarms);
                    run(&runtime, Rc::new(worker), received);
                }
            })?;
            threads.push(thread);
        }
        drop(ready);
        let mut starts: Vec<io::Result<()>> = starts.iter().collect();
        starts.resize_with(count, || Err(io::Error::other("a worker's thread ended as it began")));
        for (number, start) in starts.into_iter().enumerate() {
            start.map_err(|error| {
                io::Error::new(error.kind(), format!("worker {number} of {count}: {error}"))
            })?;
        }
        Ok(Crew { workers: Workers(workers.into()), threads })
    }
}

impl Workers {
    /// Hands a socket to the worker with the fewest connections.
    pub fn hand_out(&self, accepted: Accepted) {
        if let Some(worker) = self.0.iter().min_by_key(|worker| worker.connections.load(Relaxed)) {
            worker.connections.fetch_add(1, Relaxed);
            // A worker that has stopped drops the socket, which closes it.
            drop(worker.sockets.send(accepted));
        }
    }

    /// Resolves when a worker has ended while the server runs: a fault, which the log tells of.
    pub async fn fault(&self) {
        let ended = self.0.iter().map(|worker| Box::pin(worker.sockets.closed()));
        let ((), number, _) = futures_util::future::select_all(ended).await;
        tracing::error!("worker {number} has ended; stopping, as its connections and keys have nobody now");
    }

    /// How many connections the workers have.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.iter().map(|worker| worker.connections.load(Relaxed)).sum()
    }
}

/// A runtime for the calling thread. The thread that started it is told either way.
pub(super) fn start_runtime(ready: SyncSender<io::Result<()>>) -> Option<LocalRuntime> {
    let mut builder = runtime::Builder::new_current_thread();
    let built = builder.enable_io().enable_time().build_local(LocalOptions::default());
    let (said, runtime) = match built {
        Ok(runtime) => (Ok(()), Some(runtime)),
        Err(error) => (Err(error), None),
    };
    // Nobody listens once another worker has failed; then the sockets' channel is closed as well.
    drop(ready.send(said));
    runtime
}

fn run(runtime: &LocalRuntime, worker: Rc<Worker>, mut sockets: UnboundedReceiver<Accepted>) {
    runtime.block_on(async move {
        worker.begin();
        // The channel closes when the server has stopped and every connection has been told.
        while let Some(accepted) = sockets.recv().await {
            connection::serve(worker.clone(), accepted);
        }
    });
}
