//! The slow origin: a line-based TCP server in the parent process that counts what it is asked.
//!
//! Request `KEY\n`, answer `+VALUE\n` or `-MESSAGE\n`. Knows nothing of caches, except how long a value
//! counts as in date: that is what makes a call necessary or superfluous.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::options::Options;

/// A server's clock may round a TTL down to its tick, so that a value ends this much earlier.
const CLOCK_TICK: Duration = Duration::from_millis(5);

/// What the origin was asked so far.
#[derive(Clone, Copy, Default)]
pub struct Calls {
    pub calls: u64,
    /// How often a value was needed: the calls that an ideal cache would have let through.
    pub expiries: u64,
    /// Calls that failed, for no fault of the caller.
    pub errors: u64,
    /// Calls being computed or queueing now.
    pub open: u64,
}

/// A running origin. Its thread ends with the process.
pub struct Origin {
    pub address: SocketAddr,
    books: Arc<Mutex<Books>>,
}

#[derive(Default)]
struct Books {
    calls: Calls,
    keys: HashMap<String, KeyState>,
}

#[derive(Default)]
struct KeyState {
    calls: u64,
    /// When the newest value handed out ceases to be in date.
    in_date_until: Option<Instant>,
    /// An expiry was counted and no value was handed out since.
    wanted: bool,
}

struct Service {
    latency: Duration,
    ttl: Duration,
    errors_pct: f64,
    seed: u64,
    seats: Semaphore,
    books: Arc<Mutex<Books>>,
}

impl Origin {
    /// Listens on a free loopback port and serves on a thread of its own.
    pub fn start(options: &Options) -> io::Result<Origin> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let books = Arc::new(Mutex::default());
        let service = Arc::new(Service {
            latency: options.latency(),
            ttl: Duration::from_millis(options.ttl_ms).saturating_sub(CLOCK_TICK),
            errors_pct: options.errors_pct,
            seed: options.seed,
            seats: Semaphore::new(options.capacity as usize),
            books: Arc::clone(&books),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || runtime.block_on(accept(listener, service)));
        Ok(Origin { address, books })
    }

    /// What was asked so far.
    pub fn calls(&self) -> Calls {
        locked(&self.books).calls
    }
}

fn locked(books: &Mutex<Books>) -> std::sync::MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: std::net::TcpListener, service: Arc<Service>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = Arc::clone(&service);
        // A caller that hangs up ends only its own connection.
        tokio::spawn(async move { drop(service.serve(stream).await) });
    }
}

impl Service {
    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (reading, mut writing) = stream.split();
        let mut lines = BufReader::new(reading).lines();
        while let Some(key) = lines.next_line().await? {
            let answer = self.answer(&key).await;
            writing.write_all(answer.as_bytes()).await?;
        }
        Ok(())
    }

    async fn answer(&self, key: &str) -> String {
        let number = self.begin(key);
        // Never closed, so this only waits for a seat.
        let seat = self.seats.acquire().await;
        tokio::time::sleep(self.latency).await;
        drop(seat);
        let fails = self.call_fails(key, number);
        self.end(key, fails);
        if fails { "-the origin is out of order\n".to_owned() } else { format!("+{key}@{number}\n") }
    }

    /// Counts the call and returns its number among those of this key.
    fn begin(&self, key: &str) -> u64 {
        let mut books = locked(&self.books);
        let state = books.keys.entry(key.to_owned()).or_default();
        state.calls += 1;
        let in_date = state.in_date_until.is_some_and(|until| Instant::now() < until);
        let expiry = !in_date && !state.wanted;
        state.wanted |= expiry;
        let number = state.calls;
        books.calls.calls += 1;
        books.calls.open += 1;
        books.calls.expiries += u64::from(expiry);
        number
    }

    fn end(&self, key: &str, failed: bool) {
        let mut books = locked(&self.books);
        books.calls.open -= 1;
        books.calls.errors += u64::from(failed);
        if let Some(state) = books.keys.get_mut(key).filter(|_| !failed) {
            state.wanted = false;
            state.in_date_until = Some(Instant::now() + self.ttl);
        }
    }

    /// Whether a key's call of this number fails: the same in every run with the same seed, either way.
    fn call_fails(&self, key: &str, number: u64) -> bool {
        // Without the prefix, which tells runs apart.
        let name = key.rsplit(':').next().unwrap_or(key);
        let key = name.bytes().fold(self.seed, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        fastrand::Rng::with_seed(key ^ number.rotate_left(32)).f64() * 100.0 < self.errors_pct
    }
}
