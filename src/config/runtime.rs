//! CONFIG GET and CONFIG SET as pure functions over `Settings`.
//!
//! Knows nothing of connections, nor of what a change leads to: the caller compares old and new settings and
//! acts. Invariant: `set_many` changes everything it was asked to, or nothing.

use std::fmt;

use crate::base::glob;

use super::kind::{Setting, Topic};
use super::settings::Settings;
use super::table::{SETTINGS, find};
use super::value::ValueError;

/// Why CONFIG SET changed nothing. `Display` is Redis's text without the leading `ERR `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// There is no such setting.
    Unknown {
        /// The name as the client wrote it.
        name: String,
    },
    /// The setting is fixed once the server runs.
    Immutable {
        /// The name as the client wrote it.
        name: String,
    },
    /// The setting is named twice.
    Duplicate {
        /// The name as the client wrote it.
        name: String,
    },
    /// The value was not taken.
    Value {
        /// The setting.
        name: &'static str,
        /// Why.
        error: ValueError,
    },
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, reason): (&str, &dyn fmt::Display) = match self {
            SetError::Unknown { name } => {
                return write!(f, "Unknown option or number of arguments for CONFIG SET - '{name}'");
            }
            SetError::Immutable { name } => (name, &"can't set immutable config"),
            SetError::Duplicate { name } => (name, &"duplicate parameter"),
            SetError::Value { name, error } => (name, error),
        };
        write!(f, "CONFIG SET failed (possibly related to argument '{name}') - {reason}")
    }
}

impl std::error::Error for SetError {}

/// Names and values of the settings that match any of `patterns`, each setting once. A pattern without `*`, `?`
/// and `[` is a name, and comes back as the client spelled it (as from Redis). Unknown names match nothing.
/// Cost: patterns × settings.
#[must_use]
pub fn get<'a>(settings: &Settings, patterns: &[&'a [u8]]) -> Vec<(&'a [u8], Vec<u8>)> {
    let mut names: Vec<&'a [u8]> = Vec::new();
    let mut add = |name: &'a [u8]| {
        if !names.iter().any(|shown| shown.eq_ignore_ascii_case(name)) {
            names.push(name);
        }
    };
    for &pattern in patterns {
        if !pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')) {
            add(pattern);
            continue;
        }
        for setting in SETTINGS.iter().filter(|setting| glob::matches(pattern, setting.name.as_bytes(), true))
        {
            add(setting.name.as_bytes());
        }
    }
    names.into_iter().filter_map(|name| Some((name, find(name)?.get(settings)))).collect()
}

/// The settings with all of `pairs` (name, value) changed. On error nothing is changed, and the error is the one
/// that Redis would report.
pub fn set_many(settings: &Settings, pairs: &[(&[u8], &[u8])]) -> Result<Settings, SetError> {
    let mut rows: Vec<(&'static Setting, &[u8])> = Vec::with_capacity(pairs.len());
    for &(name, value) in pairs {
        let shown = || one_line(name);
        let row = find(name).ok_or_else(|| SetError::Unknown { name: shown() })?;
        if !row.live {
            return Err(SetError::Immutable { name: shown() });
        }
        if rows.iter().any(|(earlier, _)| earlier.name == row.name) {
            return Err(SetError::Duplicate { name: shown() });
        }
        rows.push((row, value));
    }
    let mut changed = settings.clone();
    for (row, value) in rows {
        row.set(&mut changed, &arguments(row.takes_list(), value))
            .map_err(|error| SetError::Value { name: row.name, error })?;
        changed.tls.given += u64::from(row.topic == Topic::Tls);
    }
    Ok(changed)
}

/// The value as the arguments of the directive: lists are cut at every blank, as Redis does.
fn arguments(list: bool, value: &[u8]) -> Vec<&[u8]> {
    if !list {
        return vec![value];
    }
    if value.is_empty() {
        return Vec::new();
    }
    value.split(|&byte| byte == b' ').collect()
}

/// A client's bytes inside an error reply, which is one line.
fn one_line(name: &[u8]) -> String {
    String::from_utf8_lossy(name).replace(['\r', '\n'], " ")
}
