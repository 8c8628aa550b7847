//! The built program as a process of its own, so that its memory and its threads are its own.

#![allow(dead_code, reason = "each program uses its own part")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;

use super::support::Conn;

pub struct Program {
    child: Child,
    pub addr: SocketAddr,
}

impl Program {
    /// Starts with two workers on a port of the system's choice.
    pub fn start(args: &[&str]) -> Program {
        let mut child = Command::new(env!("CARGO_BIN_EXE_onefill"))
            .args(["--port", "0", "--bind", "127.0.0.1", "--io-threads", "2"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut log = BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
        let mut lines = log.by_ref().map_while(Result::ok);
        let line = lines.find(|line| line.contains("listening on 127.0.0.1")).expect("the program listens");
        assert!(lines.any(|line| line.contains("Ready to accept connections")));
        let addr = line.trim_end().rsplit(' ').next().and_then(|addr| addr.parse().ok());
        // The log is read to its end, so that it never blocks the server.
        thread::spawn(move || log.for_each(drop));
        Program { child, addr: addr.expect("an address ends the line") }
    }

    pub fn connect(&self) -> Conn {
        Conn::open(self.addr)
    }

    /// The most memory that it had resident so far.
    pub fn peak_resident_bytes(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux tells");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line VmHWM");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// A number of INFO.
    pub fn figure(&self, name: &str) -> u64 {
        let info = self.connect().say("INFO all");
        let figure = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let figure = figure.unwrap_or_else(|| panic!("INFO has no {name}"));
        figure.trim().parse().unwrap_or_else(|_| panic!("{name} is no number: {figure}"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Nothing to kill and nothing to wait for when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
