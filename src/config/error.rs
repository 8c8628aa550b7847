//! Why a start failed before anything ran, and where the fault stands.

use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

/// The most of an offending line that an error shows, bytes.
const SHOWN_BYTES_MAX: usize = 200;

/// Why the server can't start. `Display` is one line, or one for each of several faults.
#[derive(Debug)]
pub enum LaunchError {
    /// A configuration file, or standard input (`-`), can't be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A line or flag can't be taken.
    Rejected {
        /// Where it stands.
        place: Place,
        /// The line, printable and shortened.
        text: String,
        /// Why.
        reason: String,
    },
    /// A flag that is no setting is used in a wrong way.
    Misused {
        /// Its name, without dashes.
        flag: String,
        /// Why.
        reason: String,
    },
    /// Several faults of a file that is checked.
    Several(Vec<LaunchError>),
}

impl LaunchError {
    pub(super) fn misused(flag: &[u8], reason: &str) -> LaunchError {
        LaunchError::Misused { flag: printable(flag), reason: reason.to_owned() }
    }

    pub(super) fn rejected(place: &Place, text: &[u8], reason: &str) -> LaunchError {
        let cut = &text[..text.len().min(SHOWN_BYTES_MAX)];
        let dots = if cut.len() < text.len() { "…" } else { "" };
        LaunchError::Rejected {
            place: place.clone(),
            text: format!("{}{dots}", printable(cut)),
            reason: reason.to_owned(),
        }
    }
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LaunchError::Unreadable { path, error } => {
                let path = printable(path.as_os_str().as_bytes());
                let hint = if error.kind() == io::ErrorKind::NotFound { "; see --help" } else { "" };
                write!(f, "can't read the configuration file '{path}': {error}{hint}")
            }
            LaunchError::Rejected { place, text, reason } => write!(f, "{place}: '{text}': {reason}"),
            LaunchError::Misused { flag, reason } => write!(f, "--{flag}: {reason}; see -h"),
            LaunchError::Several(errors) => {
                let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
                f.write_str(&texts.join("\n"))
            }
        }
    }
}

impl std::error::Error for LaunchError {}

/// Where a line stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's name, `standard input` or `command line`.
    pub source: Arc<str>,
    /// The line's number, from 1; 0 where lines are not counted.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.source),
            line => write!(f, "{}:{line}", self.source),
        }
    }
}

/// The text on one line, whatever it contains.
pub(super) fn printable(text: &[u8]) -> String {
    let mut shown = String::new();
    for char in String::from_utf8_lossy(text).chars() {
        match char {
            '"' | '\'' | '\\' => shown.push(char),
            _ => shown.extend(char.escape_debug()),
        }
    }
    shown
}
