//! Loading: lines of files, of standard input and of flags become settings and warnings, in order.
//!
//! Owns `include`, the warnings about directives without meaning, and the rule that the last line wins. Knows
//! nothing of how a value is written (`kind`). Invariant: no recursion; depth, number and size of what is read
//! are bounded, so that an include cycle is an error.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::base::glob;

use super::error::{LaunchError, Place, printable};
use super::kind::{AtStart, Kind, Setting};
use super::meaningless::{find_meaningless, find_refused};
use super::nearest;
use super::settings::Settings;
use super::syntax::split_args;
use super::table::find;
use super::value::ValueError;

/// Files inside files inside files.
pub const INCLUDE_DEPTH_MAX: usize = 16;
/// Files read in one start.
pub const INCLUDED_FILES_MAX: usize = 1000;
/// Bytes of one file, or of standard input.
pub const SOURCE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The directive of a user: its name, and its rules. What they mean is not known here.
pub(super) const USER: &[u8] = b"user";
/// The directive of what clients call a command: its name, and the other one.
pub(super) const RENAME: &[u8] = b"rename-command";

/// Settings in the making.
#[derive(Default)]
pub(super) struct Loader {
    settings: Settings,
    /// What has no effect here: the names, by where they were read and why they have none.
    idle: BTreeMap<(Arc<str>, &'static str), Vec<&'static str>>,
    /// Wishes for what is always off here; a later line may take them back.
    wishes: BTreeMap<&'static str, LaunchError>,
    /// What is being read, innermost last.
    sources: Vec<Source>,
    files_read: usize,
    /// What is wrong so far, where all of it is to be told.
    faults: Option<Vec<LaunchError>>,
}

/// A text being read line by line.
struct Source {
    name: Arc<str>,
    text: Vec<u8>,
    offset: usize,
    lines_read: usize,
    depth: usize,
}

impl Source {
    /// The next line without its line end, and its number.
    fn next_line(&mut self) -> Option<(Vec<u8>, usize)> {
        let rest = self.text.get(self.offset..).filter(|rest| !rest.is_empty())?;
        let length = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        let line = rest[..length].to_vec();
        self.offset += length + 1;
        self.lines_read += 1;
        Some((line, self.lines_read))
    }
}

impl Loader {
    /// One that goes on behind what is wrong: for `finish_check`.
    pub fn checking() -> Loader {
        Loader { faults: Some(Vec::new()), ..Loader::default() }
    }

    /// The warnings, or all that is wrong.
    pub fn finish_check(mut self) -> Result<Vec<String>, LaunchError> {
        let mut faults = self.faults.take().unwrap_or_default();
        faults.extend(std::mem::take(&mut self.wishes).into_values());
        if !faults.is_empty() {
            return Err(LaunchError::Several(faults));
        }
        self.finish().map(|(_, warnings)| warnings)
    }

    /// Loads a file and everything it includes.
    pub fn load_file(&mut self, path: &Path) -> Result<(), LaunchError> {
        let text = read_file(path)?;
        self.load_text(&path.to_string_lossy(), text)
    }

    /// Loads a text; `name` stands before the line numbers in messages.
    pub fn load_text(&mut self, name: &str, text: Vec<u8>) -> Result<(), LaunchError> {
        self.sources.push(Source { name: name.into(), text, offset: 0, lines_read: 0, depth: 1 });
        self.load_sources()
    }

    /// Reads on until nothing is left, included files first.
    fn load_sources(&mut self) -> Result<(), LaunchError> {
        while let Some(source) = self.sources.last_mut() {
            let Some((line, number)) = source.next_line() else {
                self.sources.pop();
                continue;
            };
            let place = Place { source: Arc::clone(&source.name), line: number };
            match (self.load_line(&place, &line), &mut self.faults) {
                (Err(fault), Some(faults)) => faults.push(fault),
                (loaded, _) => loaded?,
            }
        }
        Ok(())
    }

    /// Loads one flag, written as a line of a file.
    pub fn load_flag(&mut self, line: &[u8]) -> Result<(), LaunchError> {
        let place = Place { source: "command line".into(), line: 0 };
        self.load_line(&place, line)?;
        self.load_sources()
    }

    /// The settings and warnings, unless somebody still wishes for what is always off here.
    pub fn finish(self) -> Result<(Settings, Vec<String>), LaunchError> {
        match self.wishes.into_values().next() {
            Some(error) => Err(error),
            None => Ok((self.settings, self.idle.into_iter().map(warning).collect())),
        }
    }

    fn load_line(&mut self, place: &Place, line: &[u8]) -> Result<(), LaunchError> {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            return Ok(());
        }
        let rejected = |reason: &str| LaunchError::rejected(place, line, reason);
        let args = split_args(line).ok_or_else(|| {
            let name = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
            let is_secret = find(&name.to_ascii_lowercase()).is_some_and(|setting| setting.secret);
            let shown = if is_secret { name } else { line };
            LaunchError::rejected(place, shown, "Unbalanced quotes in configuration line")
        })?;
        let Some((name, args)) = args.split_first() else { return Ok(()) };
        let name = name.to_ascii_lowercase();
        if let Some(setting) = find(&name) {
            return self.load_setting(place, line, setting, args);
        }
        if name == b"include" {
            let [pattern] = args else { return Err(rejected("wrong number of arguments")) };
            return self.include(place, line, pattern);
        }
        if name == USER {
            if args.is_empty() {
                return Err(rejected("wrong number of arguments"));
            }
            self.settings.lines.users.push(args.to_vec());
            return Ok(());
        }
        if name == RENAME {
            let [from, to] = args else { return Err(rejected("wrong number of arguments")) };
            self.settings.lines.renames.push((from.clone(), to.clone()));
            return Ok(());
        }
        if let Some((_, reason)) = find_refused(&name) {
            return Err(rejected(reason));
        }
        let is_flag = place.line == 0;
        let (name, reason) =
            find_meaningless(&name).ok_or_else(|| rejected(&nearest::hint(&name, is_flag)))?;
        self.note_idle(place, name, reason);
        Ok(())
    }

    fn load_setting(
        &mut self,
        place: &Place,
        line: &[u8],
        setting: &'static Setting,
        args: &[Vec<u8>],
    ) -> Result<(), LaunchError> {
        // `bind "a b"` and `bind a b` mean the same, as in Redis.
        let split = match args {
            [list] if setting.takes_list() && !list.is_empty() => split_args(list),
            _ => Some(args.to_vec()),
        };
        let args = split
            .ok_or_else(|| LaunchError::rejected(place, line, "Unbalanced quotes in configuration line"))?;
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        match setting.set(&mut self.settings, &args) {
            Ok(()) => {
                self.wishes.remove(setting.name);
                Ok(())
            }
            Err(ValueError::Unavailable(reason)) => {
                self.load_wish(place, line, setting, reason);
                Ok(())
            }
            Err(error) if setting.secret => {
                Err(LaunchError::rejected(place, setting.name.as_bytes(), &error.to_string()))
            }
            Err(error) => Err(LaunchError::rejected(place, line, &error.to_string())),
        }
    }

    /// Somebody asks for what is always off here.
    fn load_wish(&mut self, place: &Place, line: &[u8], setting: &'static Setting, reason: &'static str) {
        let name = setting.name;
        let from_file = place.line > 0;
        if from_file && matches!(setting.kind, Kind::Off { at_start: AtStart::WarnInFile, .. }) {
            self.note_idle(place, name, reason);
        } else {
            self.wishes.insert(name, LaunchError::rejected(place, line, reason));
        }
    }

    /// A line asks for something that has no effect here.
    fn note_idle(&mut self, place: &Place, name: &'static str, reason: &'static str) {
        let names = self.idle.entry((place.source.clone(), reason)).or_default();
        if !names.contains(&name) {
            names.push(name);
        }
    }

    /// Puts the files that match `pattern` on top of what is being read; a pattern without wildcards must exist.
    fn include(&mut self, place: &Place, line: &[u8], pattern: &[u8]) -> Result<(), LaunchError> {
        let depth = self.sources.last().map_or(1, |source| source.depth) + 1;
        if depth > INCLUDE_DEPTH_MAX {
            return Err(LaunchError::rejected(place, line, "include is nested too deep: is there a cycle?"));
        }
        let path = Path::new(OsStr::from_bytes(pattern));
        let paths = if has_wildcard(pattern) { matching_paths(path) } else { vec![path.to_owned()] };
        self.files_read += paths.len();
        if self.files_read > INCLUDED_FILES_MAX {
            return Err(LaunchError::rejected(place, line, "too many included files"));
        }
        for path in paths.iter().rev() {
            let text = read_file(path)?;
            let name = path.to_string_lossy().into();
            self.sources.push(Source { name, text, offset: 0, lines_read: 0, depth });
        }
        Ok(())
    }
}

/// One line for all that one reason makes idle in one place.
fn warning(((source, reason), names): ((Arc<str>, &str), Vec<&str>)) -> String {
    let source = printable(source.as_bytes());
    format!("{source}: no effect here ({reason}): {}", names.join(", "))
}

/// Everything that `reader` has, if it is not too much.
pub(super) fn read_bounded(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    reader.take(SOURCE_BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > SOURCE_BYTES_MAX {
        return Err(io::Error::other(format!("more than {SOURCE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// Everything that a file has, if it is not too much.
pub fn read_bounded_file(path: &Path) -> io::Result<Vec<u8>> {
    File::open(path).and_then(read_bounded)
}

fn read_file(path: &Path) -> Result<Vec<u8>, LaunchError> {
    read_bounded_file(path).map_err(|error| LaunchError::Unreadable { path: path.to_owned(), error })
}

fn has_wildcard(pattern: &[u8]) -> bool {
    pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// The paths that match, sorted; wildcards may stand in any part of the path. Names that begin with a dot match
/// only a pattern that does.
fn matching_paths(pattern: &Path) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::new()];
    for component in pattern.components() {
        let part = component.as_os_str();
        paths = match component {
            Component::Normal(_) if has_wildcard(part.as_bytes()) => {
                paths.iter().flat_map(|path| matching_names(path, part.as_bytes())).collect()
            }
            _ => paths.into_iter().map(|path| path.join(part)).collect(),
        };
    }
    paths.retain(|path| path.exists());
    paths.sort();
    paths
}

fn matching_names(folder: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names = fs::read_dir(listed).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let matches = |name: &[u8]| {
        glob::matches(pattern, name, false) && (pattern.starts_with(b".") || !name.starts_with(b"."))
    };
    names.filter(|name| matches(name.as_bytes())).map(|name| folder.join(name)).collect()
}
