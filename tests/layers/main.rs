//! The layers of docs/ARCHITECTURE.md, held by tests: which module may import which, where code may await, where
//! `unsafe` and the methods of a type live, and that no files name each other in a circle.
//!
//! Reads the source; a violation is shown as file, line and rule.

mod graph;
#[path = "../support/source.rs"]
mod source;

use source::Source;

/// Per module: its layer, and the modules it may name besides itself: of its own layer those alone that stand before it.
/// Modules not listed here see everything.
const RULES: &[(&str, &str, &[&str])] = &[
    ("base", "L0", &[]),
    ("storage", "L1", &["base"]),
    ("parking", "L1", &["base"]),
    ("fill", "L1", &["base", "parking"]),
    ("protocol", "L1", &["base"]),
    ("config", "L1", &["base"]),
    ("table", "L1", &["base"]),
    ("rdb", "L1", &["base"]),
    ("keyspace", "L2", &["base", "storage", "parking", "fill"]),
    ("clients", "L2", &["base", "parking", "protocol"]),
    ("pubsub", "L2", &["base", "parking"]),
    ("tracking", "L2", &["base", "parking"]),
    ("script", "L2", &["base", "protocol", "rdb"]),
    ("acl", "L2", &["base", "table"]),
    ("figures", "L2", &["base", "fill", "config", "table"]),
    (
        "dispatch",
        "L3",
        &[
            "base", "storage", "parking", "fill", "protocol", "config", "table", "keyspace", "clients",
            "pubsub", "tracking", "script", "figures", "acl",
        ],
    ),
    (
        "commands",
        "L4",
        &[
            "base", "storage", "parking", "fill", "protocol", "config", "table", "keyspace", "clients",
            "pubsub", "tracking", "script", "figures", "acl", "dispatch", "rdb",
        ],
    ),
    // Of the layers above the lowest two it may name `dispatch` alone, but for what dispatch hands it.
    (
        "net",
        "L4",
        &["base", "parking", "protocol", "config", "keyspace", "clients", "pubsub", "figures", "dispatch"],
    ),
    ("ops", "L4", &["base", "config", "table", "keyspace", "fill", "clients", "figures", "dispatch", "net"]),
    ("log", "L4", &["config"]),
];
/// L5: the only modules without a rule.
const TOP: &[&str] = &["lib", "main", "server"];
/// Where waiting is allowed.
const AWAITS: &[&str] = &["net", "ops", "main", "server"];

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
        None => note(0, format!("module {module} has no layer: give it a row in tests/layers")),
    }
    // The program may name the options of its allocator, a symbol that the allocator looks for.
    if module != "storage" && module != "main" && !source.path.starts_with("script/bridge/") {
        let unsafes = words(&source.code, "unsafe");
        unsafes.for_each(|at| note(at, "`unsafe` lives in storage and script/bridge alone".to_owned()));
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

/// The rules themselves go downwards: a module never may name one that stands behind it.
#[test]
fn rules_point_downwards() {
    assert!(RULES.is_sorted_by_key(|(_, layer, _)| layer), "the lowest layer stands first");
    for (place, (module, layer, below)) in RULES.iter().enumerate() {
        for name in *below {
            let is_before = RULES[..place].iter().any(|(other, ..)| other == name);
            assert!(is_before, "{module} ({layer}) may not name {name}");
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
    expect("parking/slot.rs", "use crate::{base::hash::{Key, HashSeed}, storage::Entry, net};", &[1, 1]);
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
    expect("net/worker.rs", "use crate::dispatch::batch::Batch;\nasync fn f() { g().await }\n", &[]);
    expect("commands/bits/scan.rs", "use super::super::ctx::Ctx;\nfn f(unsafe_name: u8) {}\n", &[]);
    expect("server.rs", "use crate::net::Crew;\nasync fn f() {}\n", &[]);
    expect("log.rs", "#[cfg(test)]\nmod tests {\n    use super::net;\n}\n", &[]);
}

/// Files that may name each other, and why.
const CIRCLES: &[(&str, &str, &str)] =
    &[("storage/eviction/", "storage/store.rs", "a type and those of its methods that are its policies")];

/// Circles of files, those aside that are listed: each with what it names of the circle.
fn circles(sources: &[Source]) -> Vec<String> {
    let graph = graph::Graph::new(sources);
    let mut edges = graph.edges();
    for (one, other, _) in CIRCLES {
        for (_, named) in edges.iter_mut().filter(|(file, _)| file.starts_with(one)) {
            named.retain(|name| !name.starts_with(other));
        }
    }
    graph::circles(&edges).iter().map(|circle| format!("{circle:?}")).collect()
}

#[test]
fn no_file_names_another_in_a_circle() {
    let found = circles(&source::all());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn planted_circles_are_found() {
    let circle = |files: &[(&str, &str)]| {
        let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        !circles(&sources).is_empty()
    };
    assert!(circle(&[("a.rs", "use crate::b::{c, D};"), ("b.rs", "fn f() { crate::a::g() }")]));
    assert!(circle(&[("a/mod.rs", "mod b;\nfn f() { b::g() }"), ("a/b.rs", "use super::F;")]));
    assert!(circle(&[("a.rs", "use crate::b;\nfn f() { b::g() }"), ("b.rs", "use super::a::F as G;")]));
    // What a module passes on is its owner's.
    let passes_on = ("a/mod.rs", "mod b;\nmod c;\npub use b::B;\npub use c::C;");
    assert!(circle(&[passes_on, ("a/b.rs", "use super::C;"), ("a/c.rs", "use crate::a::B;")]));
    assert!(!circle(&[passes_on, ("a/b.rs", "use super::C;"), ("a/c.rs", "struct C;")]));
    assert!(circle(&[("a/mod.rs", "mod b;\npub use b::B;\nstruct A(B);"), ("a/b.rs", "use super::A;")]));
    assert!(!circle(&[
        ("a.rs", "use crate::b::F;"),
        ("b.rs", "use bytes::a;\n#[cfg(test)]\nmod tests {\n    use crate::a;\n}")
    ]));
}

/// Methods written outside the module of their type, as `path:line: type`.
fn strayed_methods(sources: &[Source]) -> Vec<String> {
    let mut owners = std::collections::BTreeMap::<&str, Vec<&str>>::new();
    for source in sources {
        for word in ["struct", "enum", "trait", "type"] {
            let named =
                words(&source.code, word).map(|at| word_at(source.code[at + word.len()..].trim_start()));
            named.for_each(|name| owners.entry(name).or_default().push(module_of(&source.path)));
        }
    }
    let mut found = Vec::new();
    for source in sources {
        for at in words(&source.code, "impl") {
            let header = &source.code[at..at + source.code[at..].find('{').unwrap_or(0)];
            let is_block = source.code[..at].ends_with('\n');
            if !is_block || header.contains(" for ") {
                continue;
            }
            // Behind the parameters of the block itself.
            let name = match header["impl".len()..].strip_prefix('<') {
                Some(_) => header.split_once("> ").map_or("", |(_, name)| name),
                None => header["impl".len()..].trim_start(),
            };
            let name = word_at(name);
            let module = module_of(&source.path);
            if owners.get(name).is_some_and(|owners| !owners.contains(&module)) {
                let line = source.code[..at].matches('\n').count() + 1;
                found.push(format!("src/{}:{line}: methods of {name} live with it", source.path));
            }
        }
    }
    found
}

#[test]
fn methods_live_in_the_module_of_their_type() {
    let found = strayed_methods(&source::all());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn planted_methods_are_found() {
    let strayed = |text: &str| {
        let owner = Source::new("dispatch/ctx.rs", "pub struct Ctx<'a>(&'a u8);\nimpl Ctx<'_> {}\n");
        strayed_methods(&[owner, Source::new("commands/keys.rs", text)]).len()
    };
    assert_eq!(strayed("use crate::dispatch::Ctx;\nimpl Ctx<'_> {\n}\nimpl<'a> Ctx<'a> {\n}\n"), 2);
    assert_eq!(strayed("struct Own;\nimpl Own {}\nimpl Clone for Ctx<'_> {}\nfn f() -> impl Ctx {}\n"), 0);
}

/// What is special about a command stands in its row, where the next reader looks for it.
#[test]
fn dispatch_knows_no_command_by_its_name() {
    for source in source::all().iter().filter(|source| source.path.starts_with("dispatch/")) {
        for (line, code) in source.shipped().lines().enumerate() {
            let compares =
                ["==", "!=", "matches!", "starts_with", "match "].iter().any(|word| code.contains(word));
            let names = ["spec.name", "full_name", "self.name"].iter().any(|word| code.contains(word));
            assert!(!(compares && names), "src/{}:{}: {code}", source.path, line + 1);
        }
    }
}
