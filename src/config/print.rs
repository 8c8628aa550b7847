//! The table of settings as files for a system: an annotated configuration, a manual page, completions for shells.
//!
//! Knows nothing beyond the rows and the program's options. Invariant: the configuration file, uncommented, changes nothing.

use std::fmt::Write;

use super::docs::{OPTIONS, SYNOPSIS, TAGLINE, shown_default, values, wrap};
use super::kind::{Kind, Setting, Topic};
use super::table::SETTINGS;

/// Characters of a line of comment.
const COMMENT_WIDTH: usize = 118;

const CONFIG_HEAD: &str = "\
# Settings of Onefill, each with its default. Remove the # in front of a setting to change it; docs/config.md says more.
# Memory sizes take the units k, kb, m, mb, g and gb. This file is made by `onefill --print-config`.
";

/// Settings that somebody may want to change, by topic.
fn topics() -> impl Iterator<Item = (Topic, Vec<&'static Setting>)> {
    let topics = Topic::ALL.into_iter().filter(|topic| *topic != Topic::Absent);
    topics.map(|topic| {
        let rows = SETTINGS.iter().filter(|setting| setting.topic == topic && !setting.is_old_name());
        (topic, rows.collect())
    })
}

/// A configuration file in which every setting stands with its default and is explained.
#[must_use]
pub fn config_file() -> String {
    let mut text = CONFIG_HEAD.to_owned();
    for (topic, settings) in topics() {
        // Writing to a String can't fail.
        let _ = writeln!(text, "\n# ---- {} ----", topic.title());
        for setting in settings {
            text.push('\n');
            for line in wrap(setting.doc, COMMENT_WIDTH) {
                let _ = writeln!(text, "# {line}");
            }
            let _ = writeln!(text, "#{} {}", setting.name, shown_default(setting));
        }
    }
    text
}

/// The manual page, in the macros of man(7).
#[must_use]
pub fn man_page() -> String {
    let mut page = format!(
        ".TH ONEFILL 1 \"\" \"onefill {}\" \"User Commands\"\n.SH NAME\nonefill \\- {}\n.SH SYNOPSIS\n.B {}\n",
        env!("CARGO_PKG_VERSION"),
        roff(TAGLINE),
        roff(SYNOPSIS)
    );
    page.push_str(MAN_DESCRIPTION);
    page.push_str(".SH OPTIONS\n");
    for (option, meaning) in OPTIONS {
        let _ = writeln!(page, ".TP\n.B {}\n{}", roff(option), roff(meaning));
    }
    page.push_str(".SH SETTINGS\nOn the command line with two dashes, in a file without; the default behind the name.\n");
    for (topic, settings) in topics() {
        let _ = writeln!(page, ".SS {}", roff(topic.title()));
        for setting in settings {
            let (name, default) = (roff(setting.name), roff(shown_default(setting)));
            let (doc, values) = (roff(setting.doc), roff(&values(setting).replace('`', "")));
            let _ = writeln!(page, ".TP\n\\fB\\-\\-{name}\\fR {default}\n{doc}\nValues: {values}.");
        }
    }
    page.push_str(MAN_END);
    page
}

const MAN_DESCRIPTION: &str = "\
.SH DESCRIPTION
Keeps keys and values in memory and serves them to clients of Redis. Its own commands, FILL.GET and its kin, elect one of all
callers that miss a key to compute its value, and let the others wait in the server.
.PP
Settings come from FILE, from standard input and from the command line; the last one wins. A bad value, an unknown setting or an
unreadable file stops the start with one line that names it.
.SH SIGNALS
.TP
.B SIGTERM, SIGINT
Answer what was received, then end; a second one ends at once.
.TP
.B SIGHUP
Open the log file again.
";

const MAN_END: &str = "\
.SH EXIT STATUS
0 after a stop that was asked for; 1 where it could not start, or a fault ended it.
.SH SEE ALSO
.BR redis\\-cli (1),
/usr/share/doc/onefill
";

/// Text in which nothing is taken for a macro or an escape.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

/// A shell that completions are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    /// By its name.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Shell> {
        match name {
            b"bash" => Some(Shell::Bash),
            b"zsh" => Some(Shell::Zsh),
            b"fish" => Some(Shell::Fish),
            _ => None,
        }
    }
}

/// What may follow an option.
enum Follows {
    Words(Vec<&'static str>),
    File,
    Anything,
}

/// What is completed: each option without its dashes, what may follow, and what it means.
fn options() -> Vec<(&'static str, Follows, String)> {
    let own = OPTIONS.iter().filter_map(|(option, meaning)| {
        let words = option.rsplit(", ").next()?.strip_prefix("--")?;
        let (name, argument) = words.split_once(' ').unwrap_or((words, ""));
        let follows = match argument {
            "FILE" => Follows::File,
            "SHELL" => Follows::Words(vec!["bash", "zsh", "fish"]),
            "" => Follows::Words(Vec::new()),
            _ => Follows::Anything,
        };
        Some((name, follows, first_sentence(meaning)))
    });
    let settings = topics().flat_map(|(_, settings)| settings).map(|setting| {
        let follows = match &setting.kind {
            Kind::YesNo { .. } => Follows::Words(vec!["yes", "no"]),
            Kind::Word { words, .. } => Follows::Words(words.to_vec()),
            Kind::Text { what: "path", .. } => Follows::File,
            _ => Follows::Anything,
        };
        (setting.name, follows, first_sentence(setting.doc))
    });
    own.chain(settings).collect()
}

/// The beginning of a text, without what shells would take for their own.
fn first_sentence(doc: &str) -> String {
    let end = [". ", "; ", ": "].iter().filter_map(|end| doc.find(end)).min().unwrap_or(doc.len());
    doc[..end].trim_end_matches('.').replace(['\'', '`', '"', '[', ']', '\\', '$'], "")
}

/// The completion for a shell, as its file.
#[must_use]
pub fn completion(shell: Shell) -> String {
    match shell {
        Shell::Bash => bash(),
        Shell::Zsh => zsh(),
        Shell::Fish => fish(),
    }
}

fn bash() -> String {
    let (mut cases, mut names) = (String::new(), Vec::new());
    for (name, follows, _) in options() {
        names.push(format!("--{name}"));
        let words = match &follows {
            Follows::Words(words) if words.is_empty() => continue,
            Follows::Words(words) => format!("COMPREPLY=($(compgen -W '{}' -- \"$word\"))", words.join(" ")),
            Follows::File => "COMPREPLY=($(compgen -f -- \"$word\"))".to_owned(),
            Follows::Anything => "COMPREPLY=()".to_owned(),
        };
        let _ = writeln!(cases, "        --{name}) {words}; return ;;");
    }
    format!(
        "# Completion of onefill for bash, made by `onefill --print-completion bash`.\n\
         _onefill() {{\n    local word=${{COMP_WORDS[COMP_CWORD]}}\n    case ${{COMP_WORDS[COMP_CWORD-1]}} in\n{cases}    esac\n    \
         if [[ $word == -* ]]; then\n        COMPREPLY=($(compgen -W '{}' -- \"$word\"))\n    else\n        \
         COMPREPLY=($(compgen -f -- \"$word\"))\n    fi\n}}\ncomplete -o filenames -F _onefill onefill\n",
        names.join(" ")
    )
}

fn zsh() -> String {
    let mut text =
        "#compdef onefill\n# Made by `onefill --print-completion zsh`.\n_arguments \\\n".to_owned();
    for (name, follows, meaning) in options() {
        let meaning = meaning.replace(':', "\\:");
        let argument = match &follows {
            Follows::Words(words) if words.is_empty() => String::new(),
            Follows::Words(words) => format!(":value:({})", words.join(" ")),
            Follows::File => ":file:_files".to_owned(),
            Follows::Anything => ":value:".to_owned(),
        };
        let _ = writeln!(text, "    '--{name}[{meaning}]{argument}' \\");
    }
    text + "    '*:file:_files'\n"
}

fn fish() -> String {
    let mut text = "# Made by `onefill --print-completion fish`.\n".to_owned();
    for (name, follows, meaning) in options() {
        let argument = match &follows {
            Follows::Words(words) if words.is_empty() => String::new(),
            Follows::Words(words) => format!(" -x -a '{}'", words.join(" ")),
            Follows::File => " -r -F".to_owned(),
            Follows::Anything => " -x".to_owned(),
        };
        let _ = writeln!(text, "complete -c onefill -l {name} -d '{meaning}'{argument}");
    }
    text
}
