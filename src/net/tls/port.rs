//! The port for TLS: bound when the settings say so, accepted from by the front thread.

use std::future::pending;
use std::io;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::super::crew::Workers;
use super::super::listener::{Accepting, Listener, bind_tls};
use super::Handshakes;
use crate::config::Settings;
use crate::dispatch::live::Unapplied;
use crate::dispatch::shared::Shared;

/// Opens and closes the port.
pub struct TlsPort {
    /// To the front thread: what it is to listen on from then on.
    listeners: UnboundedSender<Vec<Listener>>,
    bound: Mutex<u16>,
}

/// Sockets that are bound, to be listened on.
#[must_use]
pub struct Bound<'a> {
    owner: &'a TlsPort,
    change: Option<(u16, Vec<Listener>)>,
}

impl TlsPort {
    /// No port yet.
    #[must_use]
    pub fn new(listeners: UnboundedSender<Vec<Listener>>) -> TlsPort {
        TlsPort { listeners, bound: Mutex::default() }
    }

    /// Binds the port of the settings, if it is another one now. The former one is closed by `commit`.
    ///
    /// # Errors
    /// Which address cannot be listened on, and why.
    pub fn prepare(&self, settings: &Settings) -> Result<Bound<'_>, Unapplied> {
        let port = settings.tls.port;
        let change = if port == *self.bound.lock() {
            None
        } else {
            let listeners = bind_tls(settings)
                .map_err(|error| Unapplied { setting: "tls-port", reason: error.to_string() })?;
            Some((port, listeners))
        };
        Ok(Bound { owner: self, change })
    }
}

impl Bound<'_> {
    /// Where clients will connect, for people.
    pub fn addresses(&self) -> impl Iterator<Item = String> {
        self.change.iter().flat_map(|(_, listeners)| listeners.iter().map(Listener::describe))
    }

    /// Lets the front thread listen there.
    pub fn commit(self) {
        if let Some((port, listeners)) = self.change {
            *self.owner.bound.lock() = port;
            // Nobody listens any more when the server stops.
            drop(self.owner.listeners.send(listeners));
        }
    }
}

fn begin(
    listeners: Vec<Listener>,
    handshakes: &Handshakes,
    accepting: &mut Vec<Accepting>,
) -> io::Result<()> {
    if !listeners.is_empty() {
        handshakes.begin()?;
    }
    *accepting = listeners.into_iter().map(Listener::register).collect::<io::Result<_>>()?;
    Ok(())
}

/// Accepts from the port for TLS for ever, whichever it is.
pub async fn accept_tls(
    mut changes: UnboundedReceiver<Vec<Listener>>,
    shared: &Shared,
    workers: &Workers,
    handshakes: &Handshakes,
) {
    let mut accepting: Vec<Accepting> = Vec::new();
    loop {
        let accept = join_all(accepting.drain(..).map(|port| port.accept(shared, workers, handshakes)));
        // There may be none, which would be over at once.
        let accept = async { (accept.await, pending::<()>().await).1 };
        let listeners = tokio::select! {
            listeners = changes.recv() => listeners.unwrap_or_default(),
            () = accept => Vec::new(),
        };
        if let Err(error) = begin(listeners, handshakes, &mut accepting) {
            tracing::error!("TLS: the port cannot be listened on: {error}");
        }
    }
}
