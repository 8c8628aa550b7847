//! The program: arguments to settings, a running server, signals to its stop.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use onefill::base::clock::Clock;
use onefill::base::memory;
use onefill::config::{Launch, Loaded, Settings, launch};
use onefill::log::Log;
use onefill::server::{Running, Server, Surroundings};
use tokio::signal::unix::{Signal, SignalKind, signal};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// jemalloc's options. Without `cache_oblivious:false` every segment of an arena would take a ninth page.
/// Freed pages go back to the system from a thread of jemalloc's own, not from a worker.
// SAFETY: the name is the one that jemalloc looks for, and a reference is laid out as its `const char *`.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static MALLOC_CONF: &[u8; 45] = b"cache_oblivious:false,background_thread:true\0";

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let done = match launch(&args) {
        Ok(Launch::Help(text) | Launch::Version(text)) => say(&text),
        Ok(Launch::Serve(loaded)) => serve(*loaded).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("onefill: {error}");
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) -> Result<(), String> {
    match io::stdout().write_all(text.as_bytes()) {
        // `onefill --help | head` is not a failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}

fn serve(loaded: Loaded) -> io::Result<()> {
    let log = Log::start(&loaded.settings)?;
    tracing::info!("Onefill {} starting, PID: {}", env!("CARGO_PKG_VERSION"), std::process::id());
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{}", warning.escape_debug()));
    raise_file_limit(loaded.settings.maxclients);
    let level = log.clone();
    let apply = move |settings: &Settings| {
        memory::keep_freed_ms(memory::freed_kept_ms(settings.maxmemory_bytes > 0));
        level.set_level(settings.loglevel)
    };
    // What CONFIG SET does to the process is done once for the settings of the start.
    apply(&loaded.settings).map_err(io::Error::other)?;
    let surroundings = Surroundings {
        clock: Clock::system(),
        config_file: loaded.file,
        apply: Box::new(apply),
        machine_bytes: memory::machine_bytes(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Heard from here on: a program that reads "Ready" may send one at once.
    let signals = runtime.block_on(async { Signals::listen() })?;
    let running = Server::start_in(loaded.settings, surroundings)?;
    greet(&running);
    runtime.block_on(until_stopped(running, signals, &log));
    Ok(())
}

/// Where it listens, with what, and how to try it.
fn greet(running: &Running) {
    let shared = running.shared();
    for address in running.addresses() {
        tracing::info!("listening on {address}");
    }
    let settings = shared.settings.load();
    let memory = match settings.maxmemory_bytes {
        0 => "all the memory it needs (maxmemory 0)".to_owned(),
        limit => format!("maxmemory {limit} bytes ({})", settings.maxmemory_policy.word()),
    };
    tracing::info!(
        "{} workers, {memory}, at most {} clients",
        shared.figures.identity.workers,
        settings.maxclients
    );
    let port = shared.figures.identity.tcp_port.load(std::sync::atomic::Ordering::Relaxed);
    tracing::info!("try it: redis-cli -p {port} fill.get greeting");
    tracing::info!("Ready to accept connections");
}

/// The signals that the program answers.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// Waits for the end: a first SIGTERM or SIGINT begins the graceful stop, a second ends at once.
async fn until_stopped(mut running: Running, signals: Signals, log: &Log) {
    let Signals { mut terminate, mut interrupt, mut hangup } = signals;
    let finished = running.finished();
    tokio::pin!(finished);
    let mut stopping = false;
    loop {
        tokio::select! {
            () = &mut finished => break,
            _ = hangup.recv() => match log.reopen() {
                Ok(()) => tracing::info!("log reopened"),
                Err(error) => tracing::error!("the log cannot be reopened: {error}"),
            },
            _ = async { tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} } } => {
                if stopping {
                    tracing::warn!("second signal: ending at once");
                    std::process::exit(1);
                }
                stopping = true;
                tracing::info!("signal received, stopping: answering what was received");
                running.begin_stop();
            }
        }
    }
    tracing::info!("Onefill is now ready to exit, bye bye...");
}

/// Raises the limit on open files to what `maxclients` needs, as far as the system allows.
fn raise_file_limit(maxclients: u32) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let need = u64::from(maxclients) + 64;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= need) {
        return;
    }
    let allowed = limit.maximum.map_or(need, |most| most.min(need));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum: limit.maximum });
    if raised.is_err() || allowed < need {
        tracing::warn!(
            "open files are limited to {allowed}; maxclients {maxclients} needs {need} (see ulimit -n)"
        );
    }
}
