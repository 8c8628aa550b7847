//! Which file names what of which other file: imports and paths resolved to the file that defines the item.
//!
//! A module that passes an item on (`pub use`) is not its owner: who imports it from there depends on the file behind.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;

/// The modules of the crate with their files.
pub struct Graph<'s> {
    /// By path: `net::worker`; the root is empty.
    files: BTreeMap<String, File<'s>>,
}

struct File<'s> {
    source: &'s Source,
    uses: Vec<Use>,
}

/// One leaf of a `use`.
struct Use {
    path: Vec<String>,
    /// The name it has in this file.
    name: String,
    is_public: bool,
}

/// `net/worker.rs` is `net::worker`, `net/mod.rs` is `net`.
fn module_path(file: &str) -> String {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { String::new() } else { path.replace('/', "::") }
}

fn join(module: &str, child: &str) -> String {
    if module.is_empty() { child.to_owned() } else { format!("{module}::{child}") }
}

fn parent(module: &str) -> &str {
    module.rfind("::").map_or("", |end| &module[..end])
}

impl<'s> Graph<'s> {
    pub fn new(sources: &'s [Source]) -> Graph<'s> {
        let file = |source: &'s Source| {
            (module_path(&source.path), File { source, uses: uses_of(source.shipped()) })
        };
        Graph { files: sources.iter().map(file).collect() }
    }

    /// For each file, the files whose items it names.
    pub fn edges(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut edges = BTreeMap::new();
        for (module, file) in &self.files {
            let mut named = BTreeSet::new();
            for path in self.named(file) {
                if let Some(found) = self.resolve(module, &path, 0).filter(|found| found != module) {
                    named.insert(self.files[&found].source.path.as_str());
                }
            }
            edges.insert(file.source.path.as_str(), named);
        }
        edges
    }

    /// The paths that a file's own code depends on: what it imports, and what it names by its path.
    fn named(&self, file: &File<'s>) -> Vec<Vec<String>> {
        let code = without_uses(file.source.shipped());
        let words: BTreeSet<&str> = words(&code).collect();
        // What is only passed on is of no concern to the file itself.
        let imported = file.uses.iter().filter(|leaf| !leaf.is_public || words.contains(leaf.name.as_str()));
        let mut paths: Vec<Vec<String>> = imported.map(|leaf| leaf.path.clone()).collect();
        for path in paths_of(&code) {
            match file.uses.iter().find(|leaf| leaf.name == path[0]) {
                Some(leaf) => paths.push([&leaf.path[..], &path[1..]].concat()),
                None => paths.push(path),
            }
        }
        paths
    }

    /// The module whose file defines what `path` means in `module`; `None` for what is not the crate's, and for a
    /// module by itself.
    fn resolve(&self, module: &str, path: &[String], depth: usize) -> Option<String> {
        let (mut at, mut rest) = match path[0].as_str() {
            "crate" => (String::new(), &path[1..]),
            "self" => (module.to_owned(), &path[1..]),
            "super" => (parent(module).to_owned(), &path[1..]),
            child if self.files.contains_key(&join(module, child)) => (module.to_owned(), path),
            _ => return None,
        };
        while let Some((first, behind)) = rest.split_first() {
            let next = if first == "super" { parent(&at).to_owned() } else { join(&at, first) };
            if first != "super" && !self.files.contains_key(&next) {
                break;
            }
            (at, rest) = (next, behind);
        }
        let item = rest.first()?;
        let file = self.files.get(&at)?;
        match file.uses.iter().find(|leaf| leaf.is_public && leaf.name == *item) {
            Some(leaf) if depth < 8 => {
                let path = [&leaf.path[..], &rest[1..]].concat();
                self.resolve(&at, &path, depth + 1)
            }
            _ => Some(at),
        }
    }
}

/// Files that name each other, in a circle of any length: each with what it names of the circle.
pub fn circles<'g>(edges: &BTreeMap<&'g str, BTreeSet<&'g str>>) -> Vec<Vec<(&'g str, Vec<&'g str>)>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        edges.keys().map(|from| (*from, reachable(edges, from))).collect();
    let mut found: Vec<Vec<&str>> = Vec::new();
    for (from, reach) in &reached {
        let is_known = found.iter().flatten().any(|known| known == from);
        if reach.contains(from) && !is_known {
            found.push(reach.iter().copied().filter(|other| reached[other].contains(from)).collect());
        }
    }
    let within = |circle: Vec<&'g str>| {
        let named = |file: &&'g str| {
            (*file, edges[file].iter().copied().filter(|other| circle.contains(other)).collect())
        };
        circle.iter().map(named).collect()
    };
    found.into_iter().map(within).collect()
}

fn reachable<'g>(edges: &BTreeMap<&'g str, BTreeSet<&'g str>>, from: &str) -> BTreeSet<&'g str> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&str> = edges[from].iter().copied().collect();
    while let Some(file) = next.pop() {
        if found.insert(file) {
            next.extend(&edges[file]);
        }
    }
    found
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|char| !is_word(char)).filter(|word| !word.is_empty())
}

/// Where the `use` statements of a file stand, each with its end.
fn use_spans(code: &str) -> Vec<(usize, usize)> {
    let begins = |at: usize| {
        let before = code[..at].trim_end_matches([' ', '\t']);
        let before = before.strip_suffix("pub").or_else(|| before.strip_suffix(')')).unwrap_or(before);
        before.is_empty() || before.ends_with(['\n', '{', '}', ';', '(', 'r'])
    };
    let found = code.match_indices("use ").filter(|(at, _)| begins(*at));
    found.filter_map(|(at, _)| Some((at, at + code[at..].find(';')?))).collect()
}

fn without_uses(code: &str) -> String {
    let mut left = code.to_owned();
    for (begin, end) in use_spans(code) {
        left.replace_range(begin..end, &" ".repeat(end - begin));
    }
    left
}

fn uses_of(code: &str) -> Vec<Use> {
    let mut uses = Vec::new();
    for (begin, end) in use_spans(code) {
        let line = code[..begin].rfind('\n').map_or(0, |at| at + 1);
        let is_public = code[line..begin].contains("pub");
        flatten(&[], &code[begin + 4..end], is_public, &mut uses);
    }
    uses
}

/// The leaves of `a::{b, c as d}`.
fn flatten(prefix: &[String], tree: &str, is_public: bool, uses: &mut Vec<Use>) {
    let mut depth = 0;
    let mut begin = 0;
    let mut parts = Vec::new();
    for (at, char) in tree.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tree[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[begin..]);
    for part in parts.into_iter().map(str::trim).filter(|part| !part.is_empty()) {
        let (path, inner) = match part.split_once('{') {
            Some((path, inner)) => (path.trim_end_matches("::"), Some(inner.trim_end_matches('}'))),
            None => (part, None),
        };
        let (path, alias) = path.split_once(" as ").map_or((path, None), |(path, alias)| (path, Some(alias)));
        let segments = path.split("::").map(|word| word.trim().to_owned()).filter(|word| !word.is_empty());
        let mut whole: Vec<String> = prefix.iter().cloned().chain(segments).collect();
        if let Some(inner) = inner {
            // Only the outermost closing brace was to be cut off.
            let closing = part.len() - part.trim_end_matches('}').len();
            let inner = format!("{inner}{}", "}".repeat(closing.saturating_sub(1)));
            flatten(&whole, &inner, is_public, uses);
            continue;
        }
        if whole.last().is_some_and(|last| last == "self") {
            whole.pop();
        }
        let name =
            alias.map_or_else(|| whole.last().cloned().unwrap_or_default(), |alias| alias.trim().to_owned());
        uses.push(Use { path: whole, name, is_public });
    }
}

/// Paths of two words or more in a file's code, `use` statements aside.
fn paths_of(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < code.len() {
        let rest = &code[at..];
        let word: &str = &rest[..rest.find(|char| !is_word(char)).unwrap_or(rest.len())];
        if word.is_empty() {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let is_begin = !code[..at].ends_with("::") && !code[..at].ends_with('.');
        let mut path = vec![word.to_owned()];
        at += word.len();
        while let Some(behind) = code[at..].strip_prefix("::") {
            let next: &str = &behind[..behind.find(|char| !is_word(char)).unwrap_or(behind.len())];
            if next.is_empty() {
                break;
            }
            path.push(next.to_owned());
            at += 2 + next.len();
        }
        if is_begin && path.len() > 1 {
            found.push(path);
        }
    }
    found
}
