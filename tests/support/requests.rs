//! A request of every command, made from its row, for tests that go through all of them.

use onefill::commands::groups;
use onefill::table::{Arg, ArgKind, Row};

/// All commands that can be called, each with a request.
pub fn requests() -> impl Iterator<Item = (&'static Row, Vec<String>)> {
    let rows = groups::table().all().filter(|row| row.subcommands.is_empty());
    rows.map(|row| (row, request(row)))
}

/// A request of a command, as long as its required arguments; optional keys and repeated ones stand there twice.
fn request(row: &Row) -> Vec<String> {
    let mut words: Vec<String> = row.full_name.split('|').map(str::to_owned).collect();
    row.spec.args.iter().filter(|arg| !arg.optional || has_key(arg)).for_each(|arg| write(arg, &mut words));
    // DEBUG lists no arguments.
    words.resize(words.len().max(row.arity.unsigned_abs() as usize), "1".to_owned());
    words
}

fn has_key(arg: &Arg) -> bool {
    match arg.kind {
        ArgKind::Key(_) => true,
        ArgKind::Block(parts) => parts.iter().any(has_key),
        _ => false,
    }
}

fn write(arg: &Arg, words: &mut Vec<String>) {
    for _ in 0..=usize::from(arg.multiple) {
        words.extend(arg.token.map(str::to_owned));
        match arg.kind {
            ArgKind::Key(_) => words.push(format!("key{}", words.len())),
            ArgKind::KeyCount => words.push("2".to_owned()),
            ArgKind::Block(parts) => {
                parts.iter().filter(|part| !part.optional).for_each(|part| write(part, words))
            }
            ArgKind::OneOf(choices) => choices.iter().take(1).for_each(|choice| write(choice, words)),
            ArgKind::Token => {}
            _ => words.push("1".to_owned()),
        }
    }
}
