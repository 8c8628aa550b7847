//! The layers of docs/ARCHITECTURE.md, held by a test: who may import whom, who may await, where `unsafe` lives.
//!
//! Reads the source; a violation is shown as file, line and rule.

#[path = "support/source.rs"]
mod source;

use source::Source;

/// Per module: its layer, and the modules it may name besides itself. Modules not listed here see everything.
const RULES: &[(&str, &str, &[&str])] = &[
    ("base", "L0", &[]),
    ("storage", "L1", &["base"]),
    ("fill", "L1", &["base"]),
    ("protocol", "L1", &["base"]),
    ("config", "L1", &["base"]),
    ("keyspace", "L2", &["base", "storage", "fill"]),
    ("clients", "L2", &["base", "fill", "protocol"]),
    ("pubsub", "L2", &["base", "fill"]),
    ("tracking", "L2", &["base", "fill"]),
    (
        "commands",
        "L3",
        &["base", "storage", "fill", "protocol", "config", "keyspace", "clients", "pubsub", "tracking"],
    ),
    (
        "net",
        "L4",
        &[
            "base", "storage", "fill", "protocol", "config", "keyspace", "clients", "pubsub", "tracking",
            "commands",
        ],
    ),
    ("log", "L4", &["config"]),
];
/// L5: the only modules without a rule.
const TOP: &[&str] = &["lib", "main", "server"];
/// Where waiting is allowed.
const AWAITS: &[&str] = &["net", "main", "server"];

/// The module at the top of a path: `net/worker.rs` belongs to `net`, `log.rs` to `log`.
fn module_of(path: &str) -> &str {
    path.split(['/', '.']).next().unwrap_or(path)
}

/// How many modules a file lies deep: 1 for `log.rs` and `net/mod.rs`, 2 for `net/worker.rs`.
fn depth_of(path: &str) -> usize {
    path.split('/').count() - usize::from(path.ends_with("/mod.rs"))
}

/// Every violation in a file, as `path:line: text: rule`.
fn violations(source: &Source) -> Vec<String> {
    let module = module_of(&source.path);
    let mut found = Vec::new();
    let mut note = |at: usize, rule: String| {
        let line = source.code[..at].matches('\n').count();
        let text = source.text.lines().nth(line).unwrap_or_default().trim();
        found.push(format!("src/{}:{}: `{text}`: {rule}", source.path, line + 1));
    };
    match RULES.iter().find(|(name, ..)| *name == module) {
        Some((_, layer, below)) => {
            for (at, named) in imports(source) {
                if named != module && !below.contains(&named) {
                    note(at, format!("{module} ({layer}) may name only itself and {below:?}"));
                }
            }
        }
        None if TOP.contains(&module) => {}
        None => note(0, format!("module {module} has no layer: give it a row in tests/layers.rs")),
    }
    // The program may name the options of its allocator, a symbol that the allocator looks for.
    if module != "storage" && module != "main" {
        let unsafes = words(&source.code, "unsafe");
        unsafes.for_each(|at| note(at, "`unsafe` lives in storage alone".to_owned()));
    }
    if !AWAITS.contains(&module) {
        for word in ["async", "await"] {
            words(&source.code, word).for_each(|at| note(at, "nothing below net waits".to_owned()));
        }
    }
    found
}

/// Modules of this crate that a file names, and where: `crate::a`, `crate::{a, b}`, and `super` up to the root.
fn imports(source: &Source) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let to_root = format!("super::{}", "super::".repeat(depth_of(&source.path) - 1));
    for (code, root) in [(source.code.as_str(), "crate::"), (source.shipped(), to_root.as_str())] {
        for at in words(code, root.trim_end_matches("::")) {
            let behind = &code[at + root.len() - 2..];
            let Some(behind) = behind.strip_prefix("::") else { continue };
            let begin = at + root.len();
            match behind.strip_prefix('{') {
                Some(group) => found.extend(group_heads(group).map(|(from, name)| (begin + 1 + from, name))),
                None => found.push((begin, word_at(behind))),
            }
        }
    }
    // `super::super` in a deep file, and names of the crate's own items, are no modules.
    found.retain(|(_, name)| *name != "super" && is_module(name));
    found
}

fn is_module(name: &str) -> bool {
    RULES.iter().any(|(module, ..)| *module == name) || TOP.contains(&name)
}

/// The first word of each part of `a::b, c::{d, e}, f}…`.
fn group_heads(group: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut depth = 0;
    let mut at_head = true;
    let mut heads = Vec::new();
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_head = true,
            _ if at_head && !char.is_whitespace() => {
                heads.push((at, word_at(&group[at..])));
                at_head = false;
            }
            _ => {}
        }
    }
    heads.into_iter()
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

fn word_at(text: &str) -> &str {
    &text[..text.find(|char| !is_word(char)).unwrap_or(text.len())]
}

/// Where `word` stands alone, not within a longer one or behind `::`.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = code[..*at].chars().last();
        let behind = code[at + word.len()..].chars().next();
        !before.is_some_and(|char| is_word(char) || char == ':') && !behind.is_some_and(is_word)
    })
}

#[test]
fn every_module_names_only_what_lies_below_it() {
    let found: Vec<String> = source::all().iter().flat_map(violations).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The rules themselves go downwards: a module never may name one of its own layer or above.
#[test]
fn rules_point_downwards() {
    for (module, layer, below) in RULES {
        for name in *below {
            let (_, lower, _) = RULES.iter().find(|(other, ..)| other == name).expect("a module with a row");
            assert!(lower < layer, "{module} ({layer}) may not name {name} ({lower})");
        }
    }
}

#[track_caller]
fn expect(path: &str, text: &str, lines: &[usize]) {
    let found = violations(&Source::new(path, text));
    let expected: Vec<String> = lines.iter().map(|line| format!("src/{path}:{line}: ")).collect();
    assert_eq!(found.len(), lines.len(), "{found:#?}");
    assert!(found.iter().zip(&expected).all(|(found, line)| found.starts_with(line)), "{found:#?}");
}

#[test]
fn planted_violations_are_found() {
    expect("storage/entry.rs", "//! x\nuse crate::base::hash;\nuse crate::fill::Flight;\n", &[3]);
    expect("fill/slot.rs", "use crate::{base::hash::{Key, HashSeed}, storage::Entry, net};", &[1, 1]);
    expect("keyspace/mod.rs", "fn f() {\n    let x = crate::commands::batch::N;\n}\n", &[2]);
    expect("keyspace/sweep.rs", "use super::super::commands::Ctx;\nuse super::view::View;\n", &[1]);
    expect("log.rs", "use crate::config::Settings;\nuse super::net::Crew;\n", &[2]);
    expect("base/hash.rs", "pub use crate::config;", &[1]);
    expect(
        "commands/generic.rs",
        "fn f() { unsafe { g() } }\nasync fn h() {\n    g().await;\n}\n",
        &[1, 2, 3],
    );
    expect("novel/mod.rs", "use crate::base::hash;", &[1]);
}

#[test]
fn what_is_allowed_is_no_violation() {
    expect(
        "storage/entry.rs",
        "unsafe { f() } // crate::net\n/* crate::net */ const S: &str = \"crate::net {\";",
        &[],
    );
    expect("net/worker.rs", "use crate::commands::batch::Batch;\nasync fn f() { g().await }\n", &[]);
    expect("commands/bits/scan.rs", "use super::super::ctx::Ctx;\nfn f(unsafe_name: u8) {}\n", &[]);
    expect("server.rs", "use crate::net::Crew;\nasync fn f() {}\n", &[]);
    expect("log.rs", "#[cfg(test)]\nmod tests {\n    use super::net;\n}\n", &[]);
}
