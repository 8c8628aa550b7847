//! A worker process: tasks that ask for keys, and the two ways to get a value.
//!
//! `Caller::plainly` and `Caller::with_fill` are what an application would write; all else keeps time.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult, cmd};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::figures::Figures;
use crate::options::{Asked, Options};

/// A request that isn't answered this long after the end of the run counts as failed.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// The library's own 500 ms are enough for a parked FILL.GET (200 ms), but not on a crowded machine.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// How soon a caller looks again whether another task of its own connection has filled the key.
const SELF_PAUSE: Duration = Duration::from_millis(10);

/// Longest pause before a caller that was told WAIT asks again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How a caller gets its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Plain,
    Fill,
}

impl Way {
    pub fn word(self) -> &'static str {
        match self {
            Way::Plain => "plain",
            Way::Fill => "fill",
        }
    }

    fn of(word: &str) -> Option<Way> {
        [Way::Plain, Way::Fill].into_iter().find(|way| way.word() == word)
    }
}

/// What every caller of this process shares.
struct Scene {
    way: Way,
    options: Options,
    popularity: Popularity,
    /// What this run's keys begin with.
    prefix: String,
    figures: Mutex<Figures>,
}

/// One task with its own seed and its own connections.
struct Caller {
    scene: Arc<Scene>,
    cache: MultiplexedConnection,
    origin: BufReader<TcpStream>,
    rng: fastrand::Rng,
    /// The request under way, until it is answered.
    asking_since: Option<Instant>,
}

/// `[status, value, token, ms]`, what every FILL.GET answers.
type FillReply = (String, Option<String>, Option<String>, i64);

/// The main function of a worker: `WAY INDEX ORIGIN SERVER PREFIX`, then the parent's command line.
///
/// Says `ready`, waits for a line, runs, and says its figures in one line.
pub fn work(args: &[String]) -> Result<(), Error> {
    let [way, index, origin, server, prefix, args @ ..] = args else {
        return Err("a worker is started by its parent only".into());
    };
    let Asked::Run(options) = Options::parse(args)? else { return Err("a worker has no help".into()) };
    let scene = Arc::new(Scene {
        way: Way::of(way).ok_or("unknown way")?,
        popularity: Popularity::zipf(options.keys, options.zipf),
        prefix: prefix.clone(),
        figures: Mutex::new(Figures::new()),
        options,
    });
    let index: u64 = index.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let callers = callers(&scene, index, origin, server).await?;
        println!("ready");
        if std::io::stdin().read_line(&mut String::new())? == 0 {
            return Err("the parent is gone".into());
        }
        let end = Instant::now() + scene.options.run_time();
        let tasks: Vec<_> = callers.into_iter().map(|caller| tokio::spawn(caller.run(end))).collect();
        for task in tasks {
            task.await??;
        }
        Ok::<(), Error>(())
    })?;
    let figures = scene.figures.lock().unwrap_or_else(PoisonError::into_inner);
    let mut out = std::io::stdout().lock();
    figures.write_line(&mut out)?;
    Ok(out.flush()?)
}

/// Connects all callers of process number `index`.
///
/// Each has its own connection to the server, as with a pool: then nobody is ever told SELF, and no reply
/// queues behind somebody else's parked one. `--share-connection` shows the other choice.
async fn callers(scene: &Arc<Scene>, index: u64, origin: &str, server: &str) -> Result<Vec<Caller>, Error> {
    let client = Client::open(format!("redis://{server}/"))?;
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(Some(REPLY_TIMEOUT))
        .set_connection_timeout(Some(REPLY_TIMEOUT));
    let shared = client.get_multiplexed_async_connection_with_config(&config).await?;
    let mut callers = Vec::new();
    for task in 0..scene.options.tasks {
        let cache = if scene.options.share_connection {
            shared.clone()
        } else {
            client.get_multiplexed_async_connection_with_config(&config).await?
        };
        let origin = TcpStream::connect(origin).await?;
        origin.set_nodelay(true)?;
        // The same for both ways, so that both are asked for the same keys in the same order.
        let number = index * scene.options.tasks + task;
        let rng = fastrand::Rng::with_seed(scene.options.seed.wrapping_mul(1_000_003).wrapping_add(number));
        callers.push(Caller {
            scene: Arc::clone(scene),
            cache,
            origin: BufReader::new(origin),
            rng,
            asking_since: None,
        });
    }
    Ok(callers)
}

impl Caller {
    async fn run(mut self, end: Instant) -> Result<(), Error> {
        let mean_pause_s = self.scene.options.pause_ms / 1000.0;
        let give_up = tokio::time::Instant::from_std(end + PATIENCE);
        loop {
            tokio::time::sleep(Duration::from_secs_f64(self.rng.f64() * 2.0 * mean_pause_s)).await;
            if Instant::now() >= end {
                return Ok(());
            }
            let key = format!("{}{}", self.scene.prefix, self.scene.popularity.draw(&mut self.rng));
            self.asking_since = Some(Instant::now());
            let request = async {
                match self.scene.way {
                    Way::Plain => self.plainly(&key).await,
                    Way::Fill => self.with_fill(&key).await,
                }
            };
            if let Ok(done) = tokio::time::timeout_at(give_up, request).await {
                done?;
            }
            // Still asking: it took too long.
            self.answer(None, false);
        }
    }

    /// Cache-aside as everybody writes it.
    async fn plainly(&mut self, key: &str) -> Result<(), Error> {
        let cached: Option<String> = cmd("GET").arg(key).query_async(&mut self.cache).await?;
        if cached.is_some() {
            self.answer(cached.as_deref(), false);
            return Ok(());
        }
        let value = self.compute(key).await?.ok();
        self.answer(value.as_deref(), false);
        if let Some(value) = value {
            let ttl_ms = self.scene.options.ttl_ms;
            () = cmd("SET").arg(key).arg(value).arg("PX").arg(ttl_ms).query_async(&mut self.cache).await?;
        }
        Ok(())
    }

    /// Get or compute with FILL: whoever gets a token computes, everybody else is answered.
    async fn with_fill(&mut self, key: &str) -> Result<(), Error> {
        loop {
            let (status, value, token, ms) = self.fill_get(key).await?;
            match (status.as_str(), token) {
                ("HIT", _) => self.answer(value.as_deref(), false),
                ("STALE", _) => self.answer(value.as_deref(), true),
                ("REFRESH", Some(token)) => {
                    // The user needn't wait for the refresh. Without BETA it is always due to a stale value.
                    self.answer(value.as_deref(), self.scene.options.beta == 0.0);
                    self.lead(key, &token).await?;
                }
                ("LEAD", Some(token)) => self.lead(key, &token).await?,
                ("PASS", _) => {
                    let value = self.compute(key).await?.ok();
                    self.answer(value.as_deref(), false);
                }
                // No value to show. FAIL comes after three failed leaders in a row; NONE never from this origin,
                // which has a value for every key.
                ("NONE" | "FAIL", _) => self.answer(None, false),
                ("WAIT", _) => {
                    self.figures(|figures| figures.again += 1);
                    let pause = Duration::from_millis(ms.try_into().unwrap_or(0));
                    tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
                    continue;
                }
                // A task that shares our connection is computing: its lease is far longer than it will take.
                ("SELF", _) => {
                    self.figures(|figures| figures.again += 1);
                    tokio::time::sleep(SELF_PAUSE).await;
                    continue;
                }
                (other, _) => return Err(format!("FILL.GET answered {other}").into()),
            }
            return Ok(());
        }
    }

    async fn fill_get(&mut self, key: &str) -> RedisResult<FillReply> {
        let options = &self.scene.options;
        // Longer than any value takes, the queue at the origin included.
        let lease_ms = 10_000 + 3 * options.latency().as_millis() as u64;
        let mut get = cmd("FILL.GET");
        get.arg(key).arg("LEASE").arg(lease_ms).arg("BETA").arg(options.beta);
        get.query_async(&mut self.cache).await
    }

    /// Pays the debt that a token is: PUT, or FAIL, which hands the lease to whoever waits longest.
    async fn lead(&mut self, key: &str, token: &str) -> Result<(), Error> {
        let settled: RedisResult<String> = match self.compute(key).await? {
            Ok(value) => {
                self.answer(Some(&value), false);
                let Options { ttl_ms, grace_ms, .. } = self.scene.options;
                let mut put = cmd("FILL.PUT");
                put.arg(key).arg(token).arg(value).arg("PX").arg(ttl_ms).arg("GRACE").arg(grace_ms);
                put.query_async(&mut self.cache).await
            }
            Err(message) => {
                self.answer(None, false);
                cmd("FILL.FAIL").arg(key).arg(token).arg(message).query_async(&mut self.cache).await
            }
        };
        // OK, DUP or VOID: our own user has been answered in any case.
        settled?;
        Ok(())
    }

    /// Asks the origin. The inner error is the origin's own message.
    async fn compute(&mut self, key: &str) -> Result<Result<String, String>, Error> {
        self.origin.get_mut().write_all(format!("{key}\n").as_bytes()).await?;
        let mut line = String::new();
        self.origin.read_line(&mut line).await?;
        match line.trim_end().split_at_checked(1) {
            Some(("+", value)) => Ok(Ok(value.to_owned())),
            Some(("-", message)) => Ok(Err(message.to_owned())),
            _ => Err("the origin hung up".into()),
        }
    }

    /// Ends the request's clock, the first time it is called for a request.
    fn answer(&mut self, value: Option<&str>, stale: bool) {
        let Some(since) = self.asking_since.take() else { return };
        self.figures(|figures| {
            figures.record_latency(since.elapsed());
            figures.answered += u64::from(value.is_some());
            figures.failed += u64::from(value.is_none());
            figures.stale += u64::from(stale);
        });
    }

    fn figures(&self, change: impl FnOnce(&mut Figures)) {
        change(&mut self.scene.figures.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Which keys are asked for how often.
struct Popularity {
    /// The share of keys 0 to n, at place n; the last is 1.
    cumulated: Vec<f64>,
}

impl Popularity {
    /// Key n (from 0) is drawn in proportion to `1 / (n + 1)^skew`.
    fn zipf(keys: u64, skew: f64) -> Popularity {
        let mut sum = 0.0;
        let mut cumulated: Vec<f64> = (1..=keys)
            .map(|rank| {
                sum += (rank as f64).powf(-skew);
                sum
            })
            .collect();
        cumulated.iter_mut().for_each(|share| *share /= sum);
        Popularity { cumulated }
    }

    fn draw(&self, rng: &mut fastrand::Rng) -> usize {
        let point = rng.f64();
        self.cumulated.partition_point(|share| *share <= point).min(self.cumulated.len() - 1)
    }
}
