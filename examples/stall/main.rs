//! Who waits for a long command? `cargo run --release --example stall [ADDRESS [ITEMS]]`
//!
//! Fills a server with collections (1,000,000 items unless told otherwise; all of its databases are emptied before), runs one
//! long command after the other on one connection, and shows how long another connection's GETs took meanwhile. Without an
//! address, or with `-`, it starts a server of its own; to compare, name one that runs elsewhere. Figures mean something only
//! on a machine that does nothing else.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use onefill::base::clock::Clock;
use onefill::config::Settings;
use onefill::server::{Running, Server};

type Error = Box<dyn std::error::Error + Send + Sync>;

const ITEMS: usize = 1_000_000;
/// Words of one request while the collections are filled.
const BATCH_ITEMS: usize = 1_000;
/// How often each command is run.
const ROUNDS: usize = 5;

/// The commands, with the one that puts things in order before each run.
const COMMANDS: &[(&str, &str)] = &[
    ("PING", ""),
    ("SMEMBERS s", ""),
    ("HGETALL h", ""),
    ("LRANGE l 0 -1", ""),
    ("SUNION s t", ""),
    ("SUNIONSTORE d s t", ""),
    ("SINTERSTORE d s t", ""),
    ("SDIFFSTORE d s t", ""),
    ("COPY h d REPLACE", ""),
    ("DUMP h", ""),
    ("SPOP d 500000", "COPY s d REPLACE"),
    ("LPOS l none", ""),
    ("LREM l 0 none", ""),
    ("DEL d", "COPY h d REPLACE"),
    ("MULTI;SUNIONSTORE d s t;EXEC", ""),
];

/// A connection that counts replies and does not read them closely.
struct Conn(BufReader<TcpStream>);

impl Conn {
    fn open(address: &str) -> Result<Conn, Error> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Conn(BufReader::with_capacity(1 << 20, stream)))
    }

    fn call<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<(), Error> {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend(format!("${}\r\n", word.as_ref().len()).bytes());
            request.extend_from_slice(word.as_ref());
            request.extend(b"\r\n");
        }
        self.0.get_mut().write_all(&request)?;
        self.skip_reply()
    }

    fn line(&mut self, line: &str) -> Result<(), Error> {
        line.split(';').try_for_each(|line| self.call(&line.split(' ').collect::<Vec<_>>()))
    }

    /// Reads a reply of RESP2.
    fn skip_reply(&mut self) -> Result<(), Error> {
        let mut left = 1_usize;
        while left > 0 {
            left -= 1;
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n") {
                let mut byte = [0];
                self.0.read_exact(&mut byte)?;
                head.push(byte[0]);
            }
            let number = String::from_utf8_lossy(&head[1..head.len() - 2]).parse::<i64>();
            match head[0] {
                b'*' => left += usize::try_from(number?).unwrap_or(0),
                b'$' => self.skip(usize::try_from(number?).map_or(0, |bytes| bytes + 2))?,
                b'-' => return Err(String::from_utf8_lossy(&head).trim_end().into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn skip(&mut self, bytes: usize) -> Result<(), Error> {
        let skipped = std::io::copy(&mut (&mut self.0).take(bytes as u64), &mut std::io::sink())?;
        if skipped == bytes as u64 { Ok(()) } else { Err("the server closed the connection".into()) }
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match stall(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stall: {error}");
            ExitCode::FAILURE
        }
    }
}

fn stall(args: &[String]) -> Result<(), Error> {
    let items = args.get(1).map_or(Ok(ITEMS), |items| items.parse())?;
    let (address, _running) = match args.first().filter(|address| *address != "-") {
        Some(address) => (address.clone(), None),
        None => {
            let running = start_server()?;
            (running.tcp_addr().to_string(), Some(running))
        }
    };
    let mut conn = Conn::open(&address)?;
    fill(&mut conn, items)?;
    println!("{items} items. GETs of another connection, ms:");
    println!("{:<32}{:>10}{:>10}{:>10}{:>10}{:>10}", "command", "ms", "GETs", "p99", "p99.9", "longest");
    for (command, before) in COMMANDS {
        let mut took = Duration::ZERO;
        let mut waits = Vec::new();
        for _ in 0..ROUNDS {
            if !before.is_empty() {
                conn.line(before)?;
            }
            let (round, more) = beside(&address, || conn.line(command))?;
            took += round;
            waits.extend(more);
        }
        waits.sort_unstable();
        let at = |share: f64| ms(waits[((waits.len() - 1) as f64 * share) as usize]);
        println!(
            "{command:<32}{:>10.1}{:>10}{:>10.3}{:>10.3}{:>10.3}",
            ms(took / ROUNDS as u32),
            waits.len(),
            at(0.99),
            at(0.999),
            at(1.0)
        );
    }
    Ok(())
}

/// Runs `work` while another connection asks again and again; how long it took, and what each of those did.
fn beside(
    address: &str,
    work: impl FnOnce() -> Result<(), Error>,
) -> Result<(Duration, Vec<Duration>), Error> {
    let is_over = Arc::new(AtomicBool::new(false));
    let (mut conn, over) = (Conn::open(address)?, is_over.clone());
    let asker = std::thread::spawn(move || -> Result<Vec<Duration>, Error> {
        let mut waits = Vec::new();
        // At least some, however short the command is.
        while !over.load(Relaxed) || waits.len() < 1_000 {
            let begun = Instant::now();
            conn.call(&["GET", "small"])?;
            waits.push(begun.elapsed());
        }
        Ok(waits)
    });
    let begun = Instant::now();
    let done = work();
    let took = begun.elapsed();
    is_over.store(true, Relaxed);
    let waits = asker.join().map_err(|_| "the asking thread panicked")??;
    done?;
    Ok((took, waits))
}

/// A hash, a list, and two sets of which half of each is in the other.
fn fill(conn: &mut Conn, items: usize) -> Result<(), Error> {
    conn.line("FLUSHALL")?;
    conn.line("SET small value")?;
    let item = |number: usize| format!("item:{number:010}");
    for first in (0..items).step_by(BATCH_ITEMS) {
        let numbers = first..items.min(first + BATCH_ITEMS);
        let all = |verb: &str, key: &str, items: &dyn Fn(usize) -> Vec<String>| {
            let words = [verb.to_owned(), key.to_owned()].into_iter();
            words.chain(numbers.clone().flat_map(items)).collect::<Vec<String>>()
        };
        conn.call(&all("HSET", "h", &|number| vec![item(number), "value".to_owned()]))?;
        conn.call(&all("SADD", "s", &|number| vec![item(number)]))?;
        conn.call(&all("SADD", "t", &|number| vec![item(number + items / 2)]))?;
        conn.call(&all("RPUSH", "l", &|number| vec![item(number)]))?;
    }
    Ok(())
}

fn start_server() -> Result<Running, Error> {
    let mut settings = Settings { bind: vec!["127.0.0.1".to_owned()], port: 0, ..Settings::default() };
    settings.output_limits.iter_mut().for_each(|limit| limit.hard_bytes = 0);
    Ok(Server::start(settings, Clock::system())?)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
