//! The log: where it goes, how much it says, and what its lines look like. Reopened on SIGHUP, so that logrotate can move the file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::{LogFormat, LogLevel, Settings};

/// The running log's handle.
#[derive(Clone)]
pub struct Log {
    sink: Sink,
    level: reload::Handle<LevelFilter, Registry>,
}

/// Standard output, or a file that can be reopened.
#[derive(Clone)]
struct Sink(Option<Arc<LogFile>>);

struct LogFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl Log {
    /// Begins to log as the settings say. Errors if the file cannot be opened; call once.
    pub fn start(settings: &Settings) -> io::Result<Log> {
        let file = settings.logfile.as_deref().map(LogFile::open).transpose()?;
        let sink = Sink(file.map(Arc::new));
        let (filter, level) = reload::Layer::new(filter(settings.loglevel));
        let lines =
            tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).with_writer(sink.clone());
        let lines = match settings.log_format {
            LogFormat::Text => lines.boxed(),
            LogFormat::Json => {
                lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
            }
        };
        Registry::default().with(filter).with(lines).init();
        Ok(Log { sink, level })
    }

    /// Changes how much is said.
    pub fn set_level(&self, level: LogLevel) -> Result<(), String> {
        self.level.reload(filter(level)).map_err(|error| error.to_string())
    }

    /// Opens the log file anew under its name.
    pub fn reopen(&self) -> io::Result<()> {
        let Some(log) = &self.sink.0 else { return Ok(()) };
        let fresh = append_to(&log.path)?;
        *log.file.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::TRACE,
        LogLevel::Verbose => LevelFilter::DEBUG,
        LogLevel::Notice => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl LogFile {
    fn open(path: &Path) -> io::Result<LogFile> {
        let file = append_to(path).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot open log file {}: {error}", path.display()))
        })?;
        Ok(LogFile { path: path.to_owned(), file: Mutex::new(file) })
    }
}

/// One line on its way to the log.
enum Line {
    Stdout(io::Stdout),
    File(Arc<LogFile>),
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = LineWriter;

    fn make_writer(&'a self) -> LineWriter {
        LineWriter(match &self.0 {
            Some(log) => Line::File(log.clone()),
            None => Line::Stdout(io::stdout()),
        })
    }
}

/// Writes a line to wherever the log goes now.
struct LineWriter(Line);

impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Line::Stdout(stdout) => stdout.write(bytes),
            Line::File(log) => log.file.lock().unwrap_or_else(PoisonError::into_inner).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Line::Stdout(stdout) => stdout.flush(),
            Line::File(log) => log.file.lock().unwrap_or_else(PoisonError::into_inner).flush(),
        }
    }
}
