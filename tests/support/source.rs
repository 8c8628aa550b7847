//! The server's source as the tests over its style read it: comments and literals blanked, tests cut off.
//!
//! A scanner, no parser: it knows enough of the language not to take a brace in a string for a brace.

use std::fs;
use std::path::{Path, PathBuf};

/// One file under src.
pub struct Source {
    /// From src on, such as `net/worker.rs`.
    pub path: String,
    pub text: String,
    /// `text` with the contents of comments, strings and characters blanked, line by line as before.
    pub code: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned(), code: code_of(text) }
    }

    /// The code without its modules of tests, which stand at the end of a file or are one.
    pub fn shipped(&self) -> &str {
        if ["tests.rs", "testing.rs"].iter().any(|name| self.path.ends_with(&format!("/{name}"))) {
            return "";
        }
        self.code.find("#[cfg(test)]\nmod ").map_or(&self.code, |end| &self.code[..end])
    }
}

/// Every Rust file under src, sorted by path.
pub fn all() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(&root).expect("it lies under src").display().to_string();
        Source::new(&name, &fs::read_to_string(path).expect("source can be read"))
    };
    paths.iter().map(read).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of source") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// Blanks comments and the contents of literals; keeps line ends.
fn code_of(text: &str) -> String {
    let mut rest = text;
    let mut code = String::with_capacity(text.len());
    while let Some(first) = rest.chars().next() {
        let skipped = literal_length(rest, code.chars().last());
        let length = if skipped == 0 { first.len_utf8() } else { skipped };
        if skipped == 0 {
            code.push(first);
        } else {
            code.extend(rest[..length].chars().map(|char| if char == '\n' { '\n' } else { ' ' }));
        }
        rest = &rest[length..];
    }
    code
}

/// Bytes of the comment or literal that `rest` begins with; 0 if it begins with code.
fn literal_length(rest: &str, before: Option<char>) -> usize {
    let inside_word = before.is_some_and(|char| char.is_alphanumeric() || char == '_');
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |end| end + 2);
    }
    if let Some(raw) = rest.strip_prefix('r').filter(|_| !inside_word || before == Some('b')) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let open = 1 + hashes + 1;
            return rest[open..].find(&close).map_or(rest.len(), |end| open + end + close.len());
        }
    }
    if let Some(string) = rest.strip_prefix('"') {
        return 1 + until_unescaped(string, '"');
    }
    if let Some(char) = rest.strip_prefix('\'') {
        // A lifetime has no closing quote right behind its first character.
        let plain = char.chars().nth(1) == Some('\'') && !char.starts_with('\\');
        if char.starts_with('\\') || plain {
            return 1 + until_unescaped(char, '\'');
        }
    }
    0
}

/// Bytes up to and with the closing `quote`.
fn until_unescaped(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, char) in text.char_indices() {
        if !escaped && char == quote {
            return at + 1;
        }
        escaped = !escaped && char == '\\';
    }
    text.len()
}
