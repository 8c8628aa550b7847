//! The table of settings as text: docs/config.md, `--help` and `--version`.
//!
//! Knows nothing beyond the rows. Invariant: no fact about a setting is written here.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::kind::{Kind, Setting, Topic};
use super::meaningless::{MEANINGLESS, REFUSED};
use super::table::{SETTINGS, find};
use super::units;

const HEAD: &str = "\
# Settings

This page is generated from the table in `src/config/table.rs`; a test fails when it is stale. Write it again with
`UPDATE_DOCS=1 cargo test --test config`.

Settings come from a file in the syntax of redis.conf, from standard input (`-`) and from flags, in this order; the last
one wins:

    onefill [FILE] [--directive value ...] [-]

A line is a directive and its arguments; `#` begins a comment line; arguments may stand in `\"...\"` (with `\\xHH`, `\\n`,
`\\r`, `\\t`, `\\b`, `\\a`) or `'...'`; `include path` reads another file, and a path with `*`, `?` or `[...]` reads all
that match. Names are case-insensitive. Memory sizes take the units `b`, `k` (1000), `kb` (1024), `m`, `mb`, `g` and `gb`.
A bad value, an unknown directive or an unreadable file stops the start with one line that names it.

`CONFIG GET pattern ...` shows settings, `CONFIG SET` changes those marked \"yes\" under *live*, and `CONFIG REWRITE` writes
the running settings back to the file.
";

/// The text of docs/config.md.
#[must_use]
pub fn render_docs() -> String {
    let mut page = HEAD.to_owned();
    for topic in Topic::ALL {
        // Writing to a String can't fail.
        let _ = writeln!(
            page,
            "\n## {}\n\n| directive | default | values | live | meaning |\n|---|---|---|---|---|",
            topic.title()
        );
        for setting in SETTINGS.iter().filter(|setting| setting.topic == topic) {
            let live = if setting.live { "yes" } else { "no" };
            let _ = writeln!(
                page,
                "| `{}` | `{}` | {} | {live} | {} |",
                setting.name,
                shown_default(setting),
                values(setting).replace('|', "\\|"),
                setting.doc
            );
        }
    }
    page.push_str("\n## Directives of Redis without effect\n\n");
    page.push_str("A file or flag that uses some of these is told so in one line for each reason; CONFIG GET and SET don't know them.\n\n");
    page.push_str(&by_reason(MEANINGLESS));
    page.push_str("\n## Directives of Redis that stop the start\n\n");
    page.push_str(&by_reason(REFUSED));
    page
}

pub(super) const SYNOPSIS: &str = "onefill [FILE] [--directive value ...] [-]";

/// What the program takes beside settings: the words, and what they mean.
pub(super) const OPTIONS: &[(&str, &str)] = &[
    ("FILE", "configuration in the syntax of redis.conf"),
    ("-", "read more configuration from standard input (first or last argument)"),
    ("-h", "what most people need"),
    ("--help", "all settings"),
    ("-v, --version", "which version this is"),
    ("--check-config FILE", "say what is wrong with a configuration, all of it, and start nothing"),
    (
        "--check ADDRESS",
        "ask a running server whether it is well: host:port, a socket's path, or http://host:port/healthz",
    ),
    ("--print-config", "a configuration file with every setting, explained"),
    ("--print-man", "the manual page"),
    ("--print-completion SHELL", "completion for bash, zsh or fish"),
];

pub(super) const TAGLINE: &str = "a cache server that speaks the Redis protocol and fills each miss once";

const EXAMPLES: &str = "
Examples:
  onefill                                    listen on 127.0.0.1:6379
  onefill --port 7000 --maxmemory 1gb
  onefill /etc/onefill.conf --loglevel verbose
  echo 'maxmemory 1gb' | onefill -
";

/// What most people change, in the order of `-h`.
const COMMON: [&str; 10] = [
    "port",
    "bind",
    "requirepass",
    "maxmemory",
    "maxmemory-policy",
    "io-threads",
    "maxclients",
    "fill-wait",
    "fill-lease",
    "logfile",
];

fn intro() -> String {
    let version = version();
    let mut text = format!("{}: {TAGLINE}\n\nUsage: {SYNOPSIS}\n", version.trim_end());
    for (option, meaning) in OPTIONS {
        // Writing to a String can't fail.
        let _ = writeln!(text, "  {option:<24} {meaning}");
    }
    text
}

/// The text of `-h`: what most people need.
#[must_use]
pub fn render_usage() -> String {
    let mut text = intro() + EXAMPLES + "\nSettings that most people change (in a file without the --):\n";
    for setting in COMMON.iter().filter_map(|name| find(name.as_bytes())) {
        let end = [". ", "; ", ": "].iter().filter_map(|end| setting.doc.find(end)).min();
        let first = &setting.doc[..end.unwrap_or(setting.doc.len())];
        let head = format!("--{} {}", setting.name, shown_default(setting));
        let _ = writeln!(text, "  {head:<34} {}", first.trim_end_matches('.'));
    }
    text + "\nAll of them: onefill --help, or docs/config.md\n"
}

/// The text of `--help`: everything.
#[must_use]
pub fn render_help() -> String {
    let mut text = intro() + EXAMPLES + "\nSettings, with their defaults (in a file without the --):\n";
    for topic in Topic::ALL {
        let _ = writeln!(text, "\n{}", topic.title());
        for setting in SETTINGS.iter().filter(|setting| setting.topic == topic) {
            let _ = writeln!(
                text,
                "\n  --{} {}\n      values: {}",
                setting.name,
                shown_default(setting),
                values(setting)
            );
            for line in wrap(setting.doc, 90) {
                let _ = writeln!(text, "      {line}");
            }
        }
    }
    text
}

pub(super) fn shown_default(setting: &Setting) -> &'static str {
    if setting.default.is_empty() { "\"\"" } else { setting.default }
}

/// The text of `--version`.
pub(super) fn version() -> String {
    concat!("onefill ", env!("CARGO_PKG_VERSION"), "\n").to_owned()
}

/// What a setting accepts, in words.
pub(super) fn values(setting: &Setting) -> String {
    match &setting.kind {
        Kind::Number { min, max, unit: "", .. } => format!("{min} to {max}"),
        Kind::Number { min, max, unit, .. } => format!("{min} to {max} {unit}"),
        Kind::Octal { max, .. } => format!("0 to {max:o}, octal"),
        Kind::Memory { whole: Some(_), .. } => "memory, or a percentage as `75%`".to_owned(),
        Kind::Memory { min: 0, .. } => "memory".to_owned(),
        Kind::Memory { min, .. } => format!("memory, at least {}", units::file_text(*min)),
        Kind::MemoryOrPercent { .. } => "memory, or a percentage of `maxmemory` as `5%`".to_owned(),
        Kind::Fraction { min, max, .. } => format!("{min} to {max}, with a fraction"),
        Kind::YesNo { .. } => "yes, no".to_owned(),
        Kind::Word { words, .. } => words.join(", "),
        Kind::Names { known, .. } => format!("some of {}", known.known()),
        Kind::Text { what, .. } => (*what).to_owned(),
        Kind::Seed { .. } => "1 to 32 hexadecimal digits".to_owned(),
        Kind::Addresses { .. } => "addresses".to_owned(),
        Kind::Percentiles { .. } => "numbers from 0 to 100".to_owned(),
        Kind::Events { .. } => "letters of `KEg$lshzxetdnmfA`".to_owned(),
        Kind::OutputLimits { .. } => "(normal, replica or pubsub) hard soft seconds, repeated".to_owned(),
        Kind::Off { shown: "", .. } => "only \"\"".to_owned(),
        Kind::Off { shown, .. } => format!("only {shown}"),
    }
}

/// One list line per reason, with the names it holds for.
fn by_reason(rows: &[(&str, &str)]) -> String {
    let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, reason) in rows {
        names.entry(reason).or_default().push(format!("`{name}`"));
    }
    names.into_iter().map(|(reason, names)| format!("- *{reason}*: {}\n", names.join(", "))).collect()
}

/// The text in lines of at most `width` characters, cut at blanks.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
