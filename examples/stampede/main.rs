//! A stampede to watch: `cargo run --release --example stampede` (`-- --help` for the options).
//!
//! Many callers in several processes ask a slow origin's values through a cache, with plain cache-aside
//! and with FILL. This process holds the origins and, unless told otherwise, the server; `caller` is what
//! a worker process does.

mod caller;
mod crowd;
mod figures;
mod options;
mod origin;

use std::process::ExitCode;

use caller::Way;
use figures::{Outcome, table};
use onefill::base::clock::Clock;
use onefill::config::Settings;
use onefill::server::{Running, Server};
use options::{Asked, Options};

/// What `--check` allows: the rest is the share of failed calls and the odd race with a TTL's end.
const MOST_CALLS_PER_EXPIRY: f64 = 1.2;

type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.split_first() {
        Some((first, rest)) if first == "worker" => caller::work(rest),
        _ => stampede(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stampede: {error}");
            ExitCode::FAILURE
        }
    }
}

fn stampede(args: &[String]) -> Result<(), Error> {
    let options = match Options::parse(args)? {
        Asked::Run(options) => options,
        Asked::Help(text) => {
            print!("{text}");
            return Ok(());
        }
    };
    raise_file_limit();
    let (server, _running) = match &options.server {
        Some(address) => (address.clone(), None),
        None => {
            let running = start_server()?;
            (running.tcp_addr().to_string(), Some(running))
        }
    };
    greet(&server)?;
    println!(
        "{} processes x {} callers, {} keys (zipf {}), TTL {} ms, origin {} ms x {} at a time, {} s each way",
        options.processes,
        options.tasks,
        options.keys,
        options.zipf,
        options.ttl_ms,
        options.latency_ms,
        options.capacity,
        options.seconds,
    );
    let plain = crowd::run(Way::Plain, &options, args, &server)?;
    let fill = crowd::run(Way::Fill, &options, args, &server)?;
    println!("\n{}", table(&plain, &fill));
    if options.check { check(&plain, &fill) } else { Ok(()) }
}

fn start_server() -> std::io::Result<Running> {
    let settings = Settings { port: 0, bind: vec!["127.0.0.1".to_owned()], ..Settings::default() };
    Server::start(settings, Clock::system())
}

/// Makes sure that somebody listens who knows FILL, before a crowd asks.
fn greet(server: &str) -> Result<(), Error> {
    let told = |error: redis::RedisError| format!("{server}: {error}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = redis::Client::open(format!("redis://{server}/")).map_err(told)?;
        let mut connection = client.get_multiplexed_async_connection().await.map_err(told)?;
        redis::cmd("FILL.LIST").query_async::<redis::Value>(&mut connection).await.map_err(told)?;
        Ok(())
    })
}

/// Two sockets per caller end in this process. Too low a limit shows itself when a worker connects.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

fn check(plain: &Outcome, fill: &Outcome) -> Result<(), Error> {
    let [plain_calls, fill_calls] = [plain, fill].map(Outcome::calls_per_expiry);
    if fill.figures.answered == 0 || fill.calls.expiries == 0 {
        return Err("check failed: FILL answered nobody, or no key expired".into());
    }
    if fill_calls > MOST_CALLS_PER_EXPIRY {
        return Err(format!("check failed: FILL made {fill_calls:.2} origin calls per expiry").into());
    }
    if fill_calls >= plain_calls {
        return Err(format!(
            "check failed: {fill_calls:.2} calls per expiry are not fewer than {plain_calls:.2}"
        )
        .into());
    }
    println!("check passed: {fill_calls:.2} origin calls per expiry instead of {plain_calls:.2}");
    Ok(())
}
