//! The program: arguments to settings, a running server, signals to its stop.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use onefill::base::clock::Clock;
use onefill::base::files::{Need, TooFew};
use onefill::base::memory;
use onefill::config::{Launch, Loaded, Settings, launch};
use onefill::dispatch::live::Unapplied;
use onefill::log::Log;
use onefill::ops::{check, tell_manager};
use onefill::server::{Running, Server, Surroundings, workers_of};
use sd_notify::NotifyState;
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
        Ok(Launch::Print(text)) => say(&text),
        Ok(Launch::Check(address)) => check(&address).and_then(|said| say(&said)),
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

fn serve(mut loaded: Loaded) -> io::Result<()> {
    let log = Log::start(&loaded.settings)?;
    if let Some(path) = &loaded.settings.logfile {
        say(&format!("onefill: the log goes to {}\n", path.display())).map_err(io::Error::other)?;
    }
    tracing::info!("Onefill {} starting, PID: {}", env!("CARGO_PKG_VERSION"), std::process::id());
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    fit_clients(&mut loaded.settings)?;
    let level = log.clone();
    let apply = move |settings: &Settings| apply(settings, &level);
    // What CONFIG SET does to the process is done once for the settings of the start.
    apply(&loaded.settings)
        .map_err(|Unapplied { setting, reason }| io::Error::other(format!("{setting}: {reason}")))?;
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
    tell_manager(&[NotifyState::Ready]);
    if runtime.block_on(until_stopped(running, signals, &log)) {
        Ok(())
    } else {
        Err(io::Error::other("stopped by a fault; the log says more"))
    }
}

/// Open files that a server with these settings needs.
fn need(settings: &Settings) -> Need {
    let ports = 1 + usize::from(settings.tls.port > 0);
    let listeners = settings.bind.len() * ports + usize::from(settings.unixsocket.is_some());
    Need { clients: settings.maxclients, workers: workers_of(settings), listeners }
}

/// Sees to it that every client there may be has a file, and one that is refused as well.
fn fit_clients(settings: &mut Settings) -> io::Result<()> {
    let need = need(settings);
    let clients = need.raise_limit().map_err(|TooFew { allowed, needed }| {
        io::Error::other(format!(
            "at most {allowed} open files are allowed, and {} workers need {needed} for one client \
             (see ulimit -n, or set io-threads lower)",
            need.workers
        ))
    })?;
    if clients < settings.maxclients {
        tracing::warn!(
            "maxclients {} needs {} open files; as many as are allowed are enough for {clients}, which is the \
             limit now (see ulimit -n)",
            settings.maxclients,
            need.files()
        );
        settings.maxclients = clients;
    }
    Ok(())
}

/// What a change of the settings means for the process.
fn apply(settings: &Settings, log: &Log) -> Result<(), Unapplied> {
    let clients = need(settings).raise_limit().unwrap_or(0);
    if clients < settings.maxclients {
        let reason = format!(
            "The operating system is not able to handle the specified number of clients, try with {clients}"
        );
        return Err(Unapplied { setting: "maxclients", reason });
    }
    memory::keep_freed_ms(memory::freed_kept_ms(settings.maxmemory_bytes > 0));
    log.set_level(settings.loglevel).map_err(|reason| Unapplied { setting: "loglevel", reason })
}

/// Where it listens, with what, and how to try it.
fn greet(running: &Running) {
    let shared = running.shared();
    for address in running.addresses() {
        tracing::info!("listening on {address}");
    }
    for address in running.metrics_addrs() {
        tracing::info!("page, metrics and probes: http://{address}/");
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
    let tls = if settings.is_tls_alone() { " --tls --cacert <file of your CA>" } else { "" };
    tracing::info!("try it: redis-cli -p {port}{tls} fill.get greeting");
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

/// Two signals within this time are one: a terminal and a service manager may send one each.
const SIGNALS_APART: Duration = Duration::from_millis(100);

/// Waits for the end: a first SIGTERM or SIGINT begins the graceful stop, a second ends at once. False where a fault
/// ended the server.
async fn until_stopped(mut running: Running, signals: Signals, log: &Log) -> bool {
    let Signals { mut terminate, mut interrupt, mut hangup } = signals;
    let finished = running.finished();
    tokio::pin!(finished);
    let mut stopping: Option<Instant> = None;
    let is_sound = loop {
        tokio::select! {
            is_sound = &mut finished => break is_sound,
            _ = hangup.recv() => {
                match log.reopen() {
                    Ok(()) => tracing::info!("log reopened"),
                    Err(error) => tracing::error!("the log cannot be reopened: {error}"),
                }
                running.reload_tls();
            }
            _ = async { tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} } } => {
                match stopping {
                    Some(since) if since.elapsed() >= SIGNALS_APART => {
                        tracing::warn!("second signal: ending at once");
                        std::process::exit(1);
                    }
                    Some(_) => {}
                    None => {
                        stopping = Some(Instant::now());
                        tracing::info!("signal received, stopping: answering what was received");
                        tell_manager(&[NotifyState::Stopping]);
                        running.begin_stop();
                    }
                }
            }
        }
    };
    if is_sound {
        tracing::info!("Onefill is now ready to exit, bye bye...");
    }
    is_sound
}
