//! The Prometheus exporter of Debian: it reads every metric it knows, and as many as of a redis-server.
//!
//! Owns: running it beside both servers, and the list of metrics that are Redis's alone. Does not know: INFO.
//! Invariant: no exporter outlives its test.

use crate::peer::Peer;
use crate::{report, run};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// `fetch.sh` ends with it where the package cannot be had.
const CANNOT_FETCH: i32 = 3;
const FETCH_LIMIT: Duration = Duration::from_secs(60);
const START_WAIT: Duration = Duration::from_secs(20);

/// Metrics of what this server does not count or is not made of.
const REDIS_ALONE: &[&str] = &[
    "redis_cpu_sys_main_thread_seconds_total",
    "redis_cpu_user_main_thread_seconds_total",
    "redis_io_threaded_reads_processed",
    "redis_io_threaded_writes_processed",
    "redis_total_reads_processed",
    "redis_total_writes_processed",
];

#[test]
fn exporter_reads_every_metric_that_it_knows() {
    let program = match fetch() {
        Ok(program) => program,
        Err(why) => return report::line(&format!("redis-compat exporter: skipped: {why}")),
    };
    let (redis, onefill) = (Peer::redis(), Peer::onefill());
    let [theirs, ours] = [&redis, &onefill].map(|peer| {
        for command in [&["SET", "k", "v"][..], &["SET", "t", "v", "EX", "100"], &["GET", "k"], &["GET"]] {
            peer.call(command);
        }
        Exporter::start(&program, peer.address).scrape()
    });
    assert!(ours.contains("\nredis_up 1\n"), "{ours}");
    let errors =
        |page: &str| page.lines().filter(|line| is_error(line)).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(errors(&ours), Vec::<String>::new());
    let (theirs, ours) = (names(&theirs), names(&ours));
    let missing: BTreeSet<_> = theirs.difference(&ours).map(String::as_str).collect();
    let listed: BTreeSet<_> = REDIS_ALONE.iter().copied().collect();
    assert_eq!(missing, listed, "metrics of redis-server alone, and the list of those that may be");
    report::line(&format!("redis-compat exporter: {} of {} metrics", ours.len(), theirs.len()));
}

/// A running exporter.
struct Exporter {
    child: Child,
    address: SocketAddr,
}

impl Exporter {
    fn start(program: &PathBuf, server: SocketAddr) -> Exporter {
        let free =
            TcpListener::bind("127.0.0.1:0").and_then(|probe| probe.local_addr()).expect("a free port");
        let mut command = Command::new(program);
        command.args(["-redis.addr", &format!("redis://{server}"), "-web.listen-address", &free.to_string()]);
        command.args(["-include-system-metrics", "-export-client-list"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the exporter starts");
        Exporter { child, address: free }
    }

    /// What it exports, once it listens.
    fn scrape(&self) -> String {
        let started = Instant::now();
        loop {
            match self.try_scrape() {
                Ok(page) => return page,
                Err(error) => {
                    assert!(started.elapsed() < START_WAIT, "the exporter does not answer: {error}")
                }
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn try_scrape(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        Ok(page)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines by which the exporter tells of a scrape that went wrong.
fn is_error(line: &str) -> bool {
    line.starts_with("redis_exporter_last_scrape_error{") && !line.ends_with("} 0")
}

/// The names of the metrics on a page, without those of the exporter itself.
fn names(page: &str) -> BTreeSet<String> {
    let metrics =
        page.lines().filter(|line| line.starts_with("redis_") && !line.starts_with("redis_exporter_"));
    metrics.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned).collect()
}

fn fetch() -> Result<PathBuf, String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut script = Command::new(root.join("redis-compat/exporter/fetch.sh"));
    let finished = run::to_end(&mut script, b"", FETCH_LIMIT)?;
    match finished.status.code() {
        Some(0) => Ok(root.join("target/exporter/usr/bin/prometheus-redis-exporter")),
        Some(CANNOT_FETCH) => Err(finished.stdout.trim().to_owned()),
        _ => panic!("fetch.sh: {}\n{}", finished.stdout, finished.stderr),
    }
}
