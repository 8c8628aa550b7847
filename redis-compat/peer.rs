//! The two servers under comparison, each a child process of the test.
//!
//! Owns: starting a server on a free port of 127.0.0.1, waiting until it answers, ending it. Does not know: cases.
//! Invariant: no server outlives its `Peer`, also when the test panics.
//! `ONEFILL_BIN` names another binary to put in Onefill's place (for example a release build).

use crate::wire::{Connection, Reply};
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const START_WAIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);
const LISTENING: &str = "listening on 127.0.0.1:";

/// A running server.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    log: PathBuf,
    pub address: SocketAddr,
    pub name: &'static str,
}

impl Peer {
    /// Starts the server of this crate.
    ///
    /// # Panics
    /// When it does not listen within 20 s; the message holds its log.
    pub fn onefill() -> Self {
        Self::onefill_with(&[])
    }

    /// Starts the server of this crate with these flags too.
    ///
    /// # Panics
    /// As `onefill` does.
    pub fn onefill_with(settings: &[&str]) -> Self {
        let binary =
            std::env::var("ONEFILL_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_onefill").to_owned());
        let mut command = Command::new(&binary);
        command.args(["--port", "0", "--bind", "127.0.0.1", "--enable-debug-command", "yes"]).args(settings);
        let (child, log) =
            spawn("onefill", &mut command).unwrap_or_else(|error| panic!("cannot start {binary}: {error}"));
        let mut peer = Self { child, log, address: local(0), name: "onefill" };
        let started = Instant::now();
        while peer.address.port() == 0 {
            peer.check_running(started);
            peer.address = local(announced_port(&peer.log_text()).unwrap_or(0));
        }
        peer.wait_until_answering();
        peer
    }

    /// Starts a real redis-server.
    ///
    /// # Panics
    /// When redis-server is not installed or does not start.
    pub fn redis() -> Self {
        for _ in 0..5 {
            let port = free_port();
            let mut command = Command::new("redis-server");
            command.args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ]);
            command.args(["--enable-debug-command", "yes"]);
            let (child, log) = spawn("redis", &mut command).unwrap_or_else(|error| {
                panic!("cannot start redis-server ({error}): these tests compare with it; run `apt-get install redis-server`")
            });
            let mut peer = Self { child, log, address: local(port), name: "redis" };
            // Another process may have taken the port in between: then redis-server ends, and the next port is tried.
            if peer.answers_before_it_ends() {
                return peer;
            }
        }
        panic!("redis-server found no free port in five tries");
    }

    /// Opens a new connection.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
            .unwrap_or_else(|error| panic!("cannot connect to {}: {error}", self.name))
    }

    /// Calls one command on a connection of its own.
    pub fn call(&self, args: &[&str]) -> Reply {
        self.connect()
            .call(args)
            .unwrap_or_else(|error| panic!("{} on {}: {error}\n{}", args[0], self.name, self.log_text()))
    }

    /// The Redis version that the server claims in INFO, as (major, minor).
    pub fn version(&self) -> (u32, u32) {
        let reply = self.call(&["INFO", "server"]);
        let text = String::from_utf8_lossy(reply.text().unwrap_or_default()).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or("0.0");
        let mut parts = line.split('.').map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    }

    /// What the server has logged so far.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn wait_until_answering(&mut self) {
        let started = Instant::now();
        while self.ping().is_err() {
            self.check_running(started);
        }
    }

    fn answers_before_it_ends(&mut self) -> bool {
        let started = Instant::now();
        while started.elapsed() < START_WAIT {
            // The process is asked first and last: whoever answers must be this child, not the port's new owner.
            if self.ping().is_ok() {
                return matches!(self.child.try_wait(), Ok(None));
            }
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
            thread::sleep(POLL);
        }
        false
    }

    fn ping(&self) -> io::Result<Reply> {
        Connection::open(self.address)?.call(&["PING"])
    }

    fn check_running(&mut self, started: Instant) {
        let ended = self.child.try_wait().ok().flatten();
        if ended.is_some() || started.elapsed() > START_WAIT {
            panic!("{} does not serve (exit: {ended:?}); its log:\n{}", self.name, self.log_text());
        }
        thread::sleep(POLL);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Ends this child only. Failing means it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.log);
    }
}

fn spawn(name: &str, command: &mut Command) -> io::Result<(Child, PathBuf)> {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("compat-{name}-{}-{number}.log", std::process::id()));
    let output = File::create(&log)?;
    let child = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn()?;
    Ok((child, log))
}

fn announced_port(log: &str) -> Option<u16> {
    let (_, after) = log.split_once(LISTENING)?;
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    // A port is complete only when something follows it.
    if digits == after.len() {
        return None;
    }
    after[..digits].parse().ok()
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    listener.expect("a free local port").port()
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
