//! A network that loses the first reply to each of some commands.
//!
//! Owns: a listener and its relays. Does not know: what the replies mean.
//! Invariant: when a reply is lost its caller's connection closes, while the server's stays open, as after a cut cable:
//! the server learns of nothing, so that a lease given with that reply lives on.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Commands whose next reply is still to be lost.
type ToLose = Arc<Mutex<Vec<&'static str>>>;

/// A running relay.
pub struct Lossy {
    pub address: SocketAddr,
    to_lose: ToLose,
    commands: usize,
}

impl Lossy {
    /// Relays to `server` until the test's process ends.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start(server: SocketAddr, commands: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let to_lose: ToLose = Arc::new(Mutex::new(commands.to_vec()));
        let shared = Arc::clone(&to_lose);
        thread::spawn(move || {
            let mut cut_off = Vec::new();
            for caller in listener.incoming().map_while(Result::ok) {
                let upstream = TcpStream::connect(server).expect("the server listens");
                cut_off.push(upstream.try_clone().expect("a socket"));
                relay(caller, upstream, &shared);
            }
        });
        Self { address, to_lose, commands: commands.len() }
    }

    /// How many replies were lost.
    pub fn lost(&self) -> usize {
        self.commands - self.to_lose.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

fn relay(caller: TcpStream, server: TcpStream, to_lose: &ToLose) {
    let losing = Arc::new(Mutex::new(false));
    let (from_caller, to_caller) = (caller.try_clone().expect("a socket"), caller);
    let (to_server, from_server) = (server.try_clone().expect("a socket"), server);
    let (upward, commands) = (Arc::clone(&losing), Arc::clone(to_lose));
    thread::spawn(move || {
        copy(from_caller, to_server, |bytes| {
            let mut left = commands.lock().unwrap_or_else(PoisonError::into_inner);
            let text = String::from_utf8_lossy(bytes).into_owned();
            if let Some(place) = left.iter().position(|command| text.contains(command)) {
                left.remove(place);
                *upward.lock().unwrap_or_else(PoisonError::into_inner) = true;
            }
            true
        });
    });
    thread::spawn(move || {
        let closing = to_caller.try_clone().expect("a socket");
        copy(from_server, to_caller, |_| !*losing.lock().unwrap_or_else(PoisonError::into_inner));
        // The caller's side may have closed first.
        let _ = closing.shutdown(Shutdown::Both);
    });
}

/// Copies what `may_pass` lets through, until it does not or either side ends.
fn copy(mut from: TcpStream, mut to: TcpStream, mut may_pass: impl FnMut(&[u8]) -> bool) {
    let mut chunk = [0; 16 * 1024];
    while let Ok(size @ 1..) = from.read(&mut chunk) {
        if !may_pass(&chunk[..size]) || to.write_all(&chunk[..size]).is_err() {
            return;
        }
    }
}
