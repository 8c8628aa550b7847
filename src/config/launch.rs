//! The command line: `onefill [FILE] [--directive value …] [-]`, as redis-server reads it.
//!
//! Owns the order (file, standard input, flags: the last one wins) and what a flag means as a line of a file.
//! Knows nothing of what the settings are for. Invariant: an error names the place and the offending text.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::docs::{render_help, render_usage, version};
use super::error::LaunchError;
use super::file::{Loader, read_bounded};
use super::print::{self, Shell};
use super::settings::Settings;
use super::syntax::{quote_if_needed, split_args};

/// What the command line asks for.
#[derive(Debug)]
pub enum Launch {
    /// Run a server.
    Serve(Box<Loaded>),
    /// Print this and stop.
    Print(String),
    /// Ask the server at this address whether it is well, say so, and stop.
    Check(String),
}

/// Everything a start needs to know.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// The configuration file as an absolute path: what CONFIG REWRITE writes to.
    pub file: Option<PathBuf>,
    /// One line each, for the log.
    pub warnings: Vec<String>,
}

/// Reads the command line (without the program's name), the configuration file and, if asked to, standard input.
pub fn launch(args: &[OsString]) -> Result<Launch, LaunchError> {
    launch_from(args, &mut io::stdin())
}

/// As `launch`, with `stdin` in the place of standard input.
pub fn launch_from(args: &[OsString], stdin: &mut dyn Read) -> Result<Launch, LaunchError> {
    let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
    match args.first().copied() {
        Some(b"-h") => return Ok(Launch::Print(render_usage())),
        Some(b"-v") => return Ok(Launch::Print(version())),
        Some(flag) if flag.starts_with(b"--") => {
            if let Some(errand) = errand(&flag[2..], &args[1..]) {
                return errand;
            }
        }
        _ => {}
    }
    let (file, flags) = match args.split_first() {
        Some((first, rest)) if !first.starts_with(b"-") => {
            (Some(PathBuf::from(OsStr::from_bytes(first))), rest)
        }
        _ => (None, args.as_slice()),
    };
    let lines = flag_lines(flags);
    if lines.has(b"help") {
        return Ok(Launch::Print(render_help()));
    }
    if lines.has(b"version") {
        return Ok(Launch::Print(version()));
    }
    let mut loader = Loader::default();
    if let Some(path) = &file {
        loader.load_file(path)?;
    }
    if lines.stdin {
        let text =
            read_bounded(stdin).map_err(|error| LaunchError::Unreadable { path: "-".into(), error })?;
        loader.load_text("standard input", text)?;
    }
    for line in lines.lines {
        loader.load_flag(&line)?;
    }
    let (settings, warnings) = loader.finish()?;
    // Without a current folder there is nothing better than the path as it was given.
    let file = file.map(|path| std::path::absolute(&path).unwrap_or(path));
    Ok(Launch::Serve(Box::new(Loaded { settings, file, warnings })))
}

/// What is asked for by a first flag that is no setting.
fn errand(name: &[u8], args: &[&[u8]]) -> Option<Result<Launch, LaunchError>> {
    let misused = |reason: &str| Err(LaunchError::misused(name, reason));
    Some(match (name, args) {
        (b"print-config", []) => Ok(Launch::Print(print::config_file())),
        (b"print-man", []) => Ok(Launch::Print(print::man_page())),
        (b"print-completion", [shell]) => match Shell::named(shell) {
            Some(shell) => Ok(Launch::Print(print::completion(shell))),
            None => misused("completions are made for bash, zsh and fish"),
        },
        (b"check-config", [file]) => check_file(&PathBuf::from(OsStr::from_bytes(file))),
        (b"check", [address]) => Ok(Launch::Check(String::from_utf8_lossy(address).into_owned())),
        (b"print-config" | b"print-man", _) => misused("it takes no argument"),
        (b"print-completion" | b"check-config" | b"check", _) => misused("it takes one argument"),
        _ => return None,
    })
}

/// What there is to say about a configuration file: its warnings, or all that is wrong with it.
fn check_file(path: &Path) -> Result<Launch, LaunchError> {
    let mut loader = Loader::checking();
    loader.load_file(path)?;
    let warnings = loader.finish_check()?;
    let text: String = warnings.into_iter().map(|warning| format!("{warning}\n")).collect();
    Ok(Launch::Print(text + "the configuration is fine\n"))
}

/// The flags as lines of a configuration file.
#[derive(Default)]
struct FlagLines {
    lines: Vec<Vec<u8>>,
    stdin: bool,
}

impl FlagLines {
    /// Whether there is a flag that is just this word.
    fn has(&self, word: &[u8]) -> bool {
        self.lines.iter().any(|line| line == word)
    }
}

/// Turns `--name value …` into lines, with redis-server's rules: a flag takes at least one argument, even one that
/// begins with `--`; then everything up to the next `--`. `--save` alone means `save ""`. `"--name value"` in one
/// argument is a whole line. A lone `-` at either end is standard input.
fn flag_lines(flags: &[&[u8]]) -> FlagLines {
    let mut parsed = FlagLines::default();
    let mut wants_value = false;
    for (index, &flag) in flags.iter().enumerate() {
        let next = flags.get(index + 1);
        if flag == b"-" && (index == 0 || next.is_none()) {
            parsed.stdin = true;
        } else if let Some(name) = flag.strip_prefix(b"--").filter(|_| !wants_value) {
            let mut line = name.to_vec();
            wants_value = split_args(name).is_some_and(|words| words.len() == 1);
            let valueless = next.is_none_or(|next| next.starts_with(b"--"));
            if wants_value && valueless && name.eq_ignore_ascii_case(b"save") {
                line.extend(b" \"\"");
                wants_value = false;
            }
            parsed.lines.push(line);
        } else {
            let argument = quote_if_needed(flag);
            match parsed.lines.last_mut() {
                Some(line) => {
                    line.push(b' ');
                    line.extend(argument);
                }
                None => parsed.lines.push(argument),
            }
            wants_value = false;
        }
    }
    parsed
}
