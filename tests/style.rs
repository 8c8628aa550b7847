//! What reviews need not talk about: sizes, headers, calls that a server must not make.
//!
//! The lists of exceptions may only shrink: an entry that is no longer needed fails the test too.

#[path = "support/source.rs"]
mod source;

use source::Source;

/// Lines of a file, its tests included.
const FILE_LINES_MAX: usize = 600;
/// Lines of a function, from its name to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Files that may be longer, and why.
const LONG_FILES: &[(&str, &str)] = &[(
    "script/proof/tests.rs",
    "lists of sources for each clause of the proof, and the programs made at random",
)];
/// Functions that may be longer, and why.
const LONG_FUNCTIONS: &[(&str, &str)] = &[];

/// Calls that don't belong into shipped code, what to do instead, and the files that may make them.
const BANNED: &[(&str, &str, &[&str])] = &[
    (".unwrap()", "say what happens when it is not there", &[]),
    (".expect(", "say what happens when it is not there", &[]),
    ("println!", "write to the log with tracing", &["main.rs"]),
    ("print!", "write to the log with tracing", &["main.rs"]),
    ("eprintln!", "write to the log with tracing", &["main.rs"]),
    ("dbg!", "write to the log with tracing", &[]),
    ("todo!", "finish it", &[]),
    ("unimplemented!", "finish it", &[]),
    ("#[allow", "#[expect(…, reason = …)] ends with its cause", &[]),
    ("SystemTime::now", "take Now as an argument", &["base/clock.rs"]),
];

/// Where functions begin and how many lines they have.
fn functions(source: &Source) -> Vec<(String, usize)> {
    let code = &source.code;
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let before = code[..at].chars().last();
        let name: String =
            code[at + 3..].chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect();
        let Some(open) = code[at..].find(['{', ';']).filter(|_| !name.is_empty()) else { continue };
        if before.is_some_and(char::is_alphanumeric) || code[at + open..].starts_with(';') {
            continue;
        }
        let end = at + open + block_length(&code[at + open..]);
        found.push((name, code[at..end].lines().count()));
    }
    found
}

/// Bytes from an opening brace to the one that closes it.
fn block_length(code: &str) -> usize {
    let mut depth = 0;
    for (at, char) in code.char_indices() {
        depth += match char {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// Lines of a file less those of its tables: statics that are lists of rows.
fn lines_beside_tables(source: &Source) -> usize {
    let tables = source.code.match_indices("pub static ").filter_map(|(at, _)| {
        let table = source.code[at..].split_once("= &[\n")?.0;
        let begin = at + table.len();
        (!table.contains(';')).then(|| {
            source.code[begin..]
                .find("\n];")
                .map_or(0, |length| source.code[begin..begin + length].lines().count())
        })
    });
    source.text.lines().count() - tables.sum::<usize>()
}

fn is_listed(list: &[(&str, &str)], name: &str) -> bool {
    list.iter().any(|(listed, _)| *listed == name)
}

/// Banned calls in a file's shipped code, as `path:line: call: what instead`.
fn banned_calls(source: &Source) -> Vec<String> {
    let code = source.shipped();
    let mut found = Vec::new();
    for (call, instead, allowed) in BANNED {
        for (at, _) in code.match_indices(call) {
            let within_word = call.starts_with(char::is_alphabetic)
                && code[..at].chars().last().is_some_and(|char| char.is_alphanumeric() || char == '_');
            if !within_word && !allowed.contains(&source.path.as_str()) {
                let line = code[..at].matches('\n').count() + 1;
                found.push(format!("src/{}:{line}: {call} {instead}", source.path));
            }
        }
    }
    found
}

#[test]
fn files_begin_with_what_they_are_for() {
    let bare: Vec<String> = source::all()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.path)
        .collect();
    assert!(bare.is_empty(), "no header: {bare:?}");
}

#[test]
fn files_are_short() {
    let sources = source::all();
    let long: Vec<(&str, usize)> = sources
        .iter()
        .map(|source| (source.path.as_str(), lines_beside_tables(source)))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .collect();
    let unlisted: Vec<_> = long.iter().filter(|(path, _)| !is_listed(LONG_FILES, path)).collect();
    assert!(unlisted.is_empty(), "more than {FILE_LINES_MAX} lines: {unlisted:?}");
    let needless: Vec<_> =
        LONG_FILES.iter().filter(|(path, _)| !long.iter().any(|(other, _)| other == path)).collect();
    assert!(needless.is_empty(), "short now, take them off LONG_FILES: {needless:?}");
}

#[test]
fn functions_are_short() {
    let sources = source::all();
    let long: Vec<(String, usize)> = sources
        .iter()
        .flat_map(|source| {
            functions(source).into_iter().map(|(name, lines)| (format!("{}: {name}", source.path), lines))
        })
        .filter(|(_, lines)| *lines > FUNCTION_LINES_MAX)
        .collect();
    let unlisted: Vec<_> = long.iter().filter(|(name, _)| !is_listed(LONG_FUNCTIONS, name)).collect();
    assert!(unlisted.is_empty(), "more than {FUNCTION_LINES_MAX} lines: {unlisted:?}");
    let needless: Vec<_> =
        LONG_FUNCTIONS.iter().filter(|(name, _)| !long.iter().any(|(other, _)| other == name)).collect();
    assert!(needless.is_empty(), "short now, take them off LONG_FUNCTIONS: {needless:?}");
}

#[test]
fn shipped_code_makes_no_banned_call() {
    let found: Vec<String> = source::all().iter().flat_map(banned_calls).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn scanner_tells_code_from_comments_and_literals() {
    let text = "fn a<'x>() {\n    // { .unwrap()\n    f(\"{ .unwrap()\", '{', '\\'', r#\"{\"#, b'{');\n}\nfn b();\nfn c() { d.unwrap() }\n";
    let source = Source::new("x.rs", text);
    assert_eq!(functions(&source), [("a".to_owned(), 4), ("c".to_owned(), 1)]);
    assert_eq!(banned_calls(&source).len(), 1);
    let tested = Source::new("x.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { c.unwrap() }\n}\n");
    assert!(banned_calls(&tested).is_empty());
}

#[test]
fn long_function_and_long_file_are_noticed() {
    let text = format!("fn a() {{\n{}}}\n", "    b();\n".repeat(FUNCTION_LINES_MAX));
    assert_eq!(functions(&Source::new("x.rs", &text)), [("a".to_owned(), FUNCTION_LINES_MAX + 2)]);
    let table =
        format!("pub static ROWS: &[u8] = &[\n{}];\nfn a() {{}}\n", "    1,\n".repeat(FILE_LINES_MAX));
    assert!(lines_beside_tables(&Source::new("x.rs", &table)) < 5);
    assert!(lines_beside_tables(&Source::new("x.rs", &"x\n".repeat(FILE_LINES_MAX + 1))) > FILE_LINES_MAX);
}
