//! L1: configuration. One table of settings feeds the file, the flags, CONFIG GET/SET/REWRITE, `--help` and
//! docs/config.md.
//!
//! Knows nothing of sockets, commands or who uses a setting. Invariant: every way in goes through
//! `Setting::set`, so that no `Settings` holds a value outside its row's range.
//! Where to read next: `table` (the rows), `kind` (how a value is read and shown), `launch` (start-up).

mod docs;
mod encodings;
mod error;
mod file;
mod kind;
mod launch;
mod meaningless;
mod nearest;
mod output_limits;
mod print;
mod rewrite;
mod runtime;
mod settings;
mod syntax;
mod table;
mod tls;
mod units;
mod value;

pub use docs::{render_docs, render_help, render_usage};
pub use encodings::Encodings;
pub use error::{LaunchError, Place};
pub use file::{INCLUDE_DEPTH_MAX, INCLUDED_FILES_MAX, SOURCE_BYTES_MAX, read_bounded_file};
pub use kind::{AtStart, Kind, Setting, Topic, percentile_text};
pub use launch::{Launch, Loaded, launch, launch_from};
pub use meaningless::{MEANINGLESS, REFUSED};
pub use output_limits::{ClientClass, OutputLimit};
pub use print::{Shell, completion, config_file, man_page};
pub use rewrite::{Extent, replace_file, rewrite, rewrite_file};
pub use runtime::{SetError, get, set_many};
pub use settings::{
    BusyScope, DebugAccess, EvictionPolicy, LogFormat, LogLevel, MemoryShare, MetricsSettings, PubsubDefault,
    Settings,
};
pub use syntax::{quote, split_args};
pub use table::{SETTINGS, find};
pub use tls::{CertificateUser, ClientCertificates, TlsSettings};
pub use value::ValueError;
