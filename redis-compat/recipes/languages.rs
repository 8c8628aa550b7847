//! How the recipe of each language is cut out of its page and started.
//!
//! Owns: the table of languages. Does not know: scenes.
//! Invariant: the code that runs is the page's first block of its kind, unchanged.

use super::caller::Caller;
use crate::run;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const PROBE_LIMIT: Duration = Duration::from_secs(60);
const VENV: &str = "target/compat/venv/bin/python";

/// A language and a client library.
pub struct Language {
    pub name: &'static str,
    /// The page under docs/clients, without `.md`, and the kind of its block.
    page: (&'static str, &'static str),
    /// The recipe's file name.
    file: &'static str,
    /// What must be there, as a program and its arguments; and how to get it.
    probe: (&'static [&'static str], &'static str),
    /// What plays a caller: a program (or "" for this binary), its options, a file of redis-compat/recipes if any.
    player: (&'static str, &'static [&'static str], &'static str),
    /// Arguments of the player.
    more: &'static [&'static str],
    /// Whether the callers of a process share one connection.
    pub shares: bool,
    /// Whether callers of a process that want the same key wait for one of them.
    pub joins: bool,
    /// Whether the library has no reply time-out.
    pub waits_for_ever: bool,
    /// Whether the library sends a command again by itself after its connection was lost.
    pub resends: bool,
}

const PYTHON: Language = Language {
    name: "python",
    page: ("python", "python"),
    file: "recipe.py",
    probe: (&[VENV, "-c", "import redis"], "run redis-compat/clients/setup.sh"),
    player: (VENV, &["-B"], "python.py"),
    more: &[],
    shares: false,
    joins: false,
    waits_for_ever: false,
    resends: true,
};

const NODE: Language = Language {
    name: "ioredis",
    page: ("node", "js"),
    file: "recipe.mjs",
    probe: (&["test", "-d", "target/compat/node/node_modules/redis"], "run redis-compat/clients/setup.sh"),
    player: ("node", &[], "node.mjs"),
    more: &["target/compat/node", "ioredis"],
    shares: true,
    joins: true,
    waits_for_ever: true,
    resends: true,
};

/// Every recipe that is executed.
pub const LANGUAGES: &[Language] = &[
    PYTHON,
    Language {
        name: "python-asyncio",
        page: ("python-asyncio", "python"),
        player: (VENV, &["-B"], "python_asyncio.py"),
        joins: true,
        ..PYTHON
    },
    NODE,
    Language { name: "node-redis", more: &["target/compat/node", "node-redis"], resends: false, ..NODE },
    Language {
        name: "php",
        page: ("php", "php"),
        file: "recipe.php",
        probe: (
            &["php", "-r", "exit(extension_loaded('redis') ? 0 : 1);"],
            "apt-get install php-cli php-redis",
        ),
        player: ("php", &[], "php.php"),
        resends: false,
        ..PYTHON
    },
    Language {
        name: "ruby",
        page: ("ruby", "ruby"),
        file: "recipe.rb",
        probe: (&["ruby", "-e", "require 'redis'"], "apt-get install ruby ruby-redis"),
        player: ("ruby", &[], "ruby.rb"),
        ..PYTHON
    },
    Language {
        name: "redis-rs",
        page: ("rust", "rust"),
        file: "recipe.rs",
        probe: (&["true"], ""),
        player: ("", PLAYER_IN_RUST, ""),
        more: &[],
        shares: true,
        joins: true,
        waits_for_ever: false,
        resends: false,
    },
];

/// redis-rs's callers are this test binary, started once more; page_for_rust_shows_what_is_run compares the page.
const PLAYER_IN_RUST: &[&str] = &["--exact", "recipes::rust::player", "--ignored", "--nocapture"];

impl Language {
    /// Writes the recipe into a folder of its own.
    ///
    /// # Errors
    /// A sentence, where the language or its library is not there.
    ///
    /// # Panics
    /// When the page has no block of its kind.
    pub fn prepare(&self) -> Result<(), String> {
        let (probe, remedy) = self.probe;
        let mut command = Command::new(probe[0]);
        let probed = run::to_end(command.args(&probe[1..]).current_dir(root()), b"", PROBE_LIMIT);
        if !probed.is_ok_and(|finished| finished.status.success()) {
            return Err(format!("not installed ({remedy})"));
        }
        let (kind, code) = self.code();
        fs::create_dir_all(self.folder()).expect("a folder for the recipe");
        let opening = if kind == "php" { "<?php\n" } else { "" };
        fs::write(self.folder().join(self.file), format!("{opening}{code}")).expect("the recipe's file");
        Ok(())
    }

    /// The kind of the recipe's block, and its code.
    ///
    /// # Panics
    /// When the page has no block of its kind.
    pub fn code(&self) -> (&'static str, String) {
        let (page, kind) = self.page;
        let path = root().join("docs/clients").join(format!("{page}.md"));
        let text = fs::read_to_string(path).expect("the page");
        let code =
            block(&text, kind).unwrap_or_else(|| panic!("docs/clients/{page}.md has no block of {kind}"));
        (kind, code.to_owned())
    }

    /// Starts a process that plays callers against a server.
    pub fn caller(&self, server: SocketAddr) -> Caller {
        let (program, options, player) = self.player;
        let mut command = if program.is_empty() {
            Command::new(std::env::current_exe().expect("this binary"))
        } else {
            Command::new(program)
        };
        command.args(options);
        if !player.is_empty() {
            command.arg(root().join("redis-compat/recipes").join(player));
        }
        command.args(self.more);
        command.env("RECIPE", self.folder()).env("PYTHONPATH", self.folder());
        command.env("REDIS_URL", format!("redis://{server}")).env("REDIS_PORT", server.port().to_string());
        command.current_dir(root());
        Caller::start(&mut command)
    }

    fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("recipes").join(self.name)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A page's first fenced block of a kind.
fn block<'a>(page: &'a str, kind: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(&format!("\n```{kind}\n"))?;
    rest.split_once("```").map(|(code, _)| code)
}
