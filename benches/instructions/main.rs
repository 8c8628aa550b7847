//! One hot path, run many times in a row for callgrind to count: `instructions PATH`.
//!
//! Request bytes in, reply bytes out, through the commands' batch layer: no socket, no thread, no system clock, a
//! fixed seed. tests/instructions.rs runs it under valgrind and compares with baseline.toml beside this file.
//! Only what `measured` leads to is counted. To add a path: a row in `PATHS`, then
//! `UPDATE_BASELINE=1 cargo test --test instructions`.

mod desk;
#[path = "../../tests/support/desk.rs"]
mod support;

use std::process::ExitCode;

use desk::Desk;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Keys that are there: enough for a table of several levels, few enough for a quick run under valgrind.
const KEYS: u64 = 10_000;
/// Requests that arrive together, as at `-P 16`.
const BATCH: u64 = 16;
/// Requests that are counted, and as many before them that are not.
const REQUESTS: u64 = 16_000;
const VALUE: &[u8] = &[b'x'; 64];

/// A path: its name, what is there before, the request, and how each reply begins.
struct Path {
    name: &'static str,
    request: fn(&mut Picker) -> Vec<u8>,
    reply: &'static [u8],
}

const PATHS: &[Path] = &[
    Path { name: "ping", request: |_| words(&[b"PING"]), reply: b"+PONG" },
    Path { name: "get_hit", request: |pick| words(&[b"GET", &pick.key()]), reply: b"$64\r\nx" },
    Path { name: "set_overwrite", request: |pick| words(&[b"SET", &pick.key(), VALUE]), reply: b"+OK" },
    Path { name: "fill_get_hit", request: |pick| words(&[b"FILL.GET", &pick.key()]), reply: b"*4\r\n+HIT" },
    Path { name: "incr", request: |pick| words(&[b"INCR", &pick.counter()]), reply: b":1" },
    Path { name: "mget_10", request: mget_10, reply: b"*10\r\n$64\r\nx" },
];

/// Draws keys: always the same ones in the same order.
struct Picker(u64);

impl Picker {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    fn key(&mut self) -> Vec<u8> {
        key(self.below(KEYS))
    }

    fn counter(&mut self) -> Vec<u8> {
        counter(self.below(KEYS))
    }
}

fn key(number: u64) -> Vec<u8> {
    format!("k{number:015}").into_bytes()
}

fn counter(number: u64) -> Vec<u8> {
    format!("c{number:015}").into_bytes()
}

fn mget_10(pick: &mut Picker) -> Vec<u8> {
    let keys: Vec<Vec<u8>> = (0..10).map(|_| pick.key()).collect();
    let mut all: Vec<&[u8]> = vec![b"MGET"];
    all.extend(keys.iter().map(Vec::as_slice));
    words(&all)
}

/// A request in wire format.
fn words(words: &[&[u8]]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        request.extend_from_slice(word);
        request.extend_from_slice(b"\r\n");
    }
    request
}

/// What is counted: callgrind is told to look for this name.
#[inline(never)]
fn measured(desk: &mut Desk, batches: &mut [Vec<u8>]) {
    for batch in batches {
        desk.run(batch);
    }
}

fn fill(desk: &mut Desk) {
    for number in 0..KEYS {
        desk.run(&mut words(&[b"SET", &key(number), VALUE]));
        // Two digits throughout, so that no INCR makes a number longer.
        desk.run(&mut words(&[b"SET", &counter(number), b"10"]));
    }
}

fn run(path: &Path) -> Result<(), String> {
    let mut desk = Desk::new();
    fill(&mut desk);
    let mut pick = Picker(1);
    let mut batches = |count: u64| -> Vec<Vec<u8>> {
        (0..count).map(|_| (0..BATCH).flat_map(|_| (path.request)(&mut pick)).collect()).collect()
    };
    let (mut warm_up, mut counted) = (batches(REQUESTS / BATCH), batches(REQUESTS / BATCH));
    warm_up.iter_mut().for_each(|batch| desk.run(batch));
    measured(&mut desk, &mut counted);
    // The last batch's replies: a path that answers something else measures something else.
    let replies = desk.replies();
    let begins = replies.starts_with(path.reply);
    if begins {
        Ok(())
    } else {
        Err(format!("{}: {}", path.name, replies[..replies.len().min(64)].escape_ascii()))
    }
}

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let done = match PATHS.iter().find(|path| path.name == name) {
        Some(path) => run(path).map(|()| println!("{REQUESTS}")),
        None if name == "--list" => {
            PATHS.iter().for_each(|path| println!("{}", path.name));
            Ok(())
        }
        None => Err("instructions PATH, or --list".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}
