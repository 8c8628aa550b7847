//! How COMMAND INFO and COMMAND DOCS show a row: Redis's nesting of arrays, maps and sets.
//!
//! Pure writing; which rows are asked for is decided in the module above.

use crate::protocol::reply::Reply;
use crate::table::{Arg, ArgKind, Category, FindKeys, Flag, KeySpec, Row};

/// One command as COMMAND INFO shows it.
pub fn write_info(reply: &mut Reply<'_>, row: &Row) {
    let spec = row.spec;
    let range = row.key_specs.range;
    reply.array(10);
    reply.bulk(row.full_name.as_bytes());
    reply.int(row.arity);
    // Redis keeps that one to itself.
    let shown = spec.flags.iter().filter(|flag| **flag != Flag::MayReplicate);
    let mut flags: Vec<&str> = shown.map(|flag| flag.name()).collect();
    if row.key_specs.are_movable && !spec.has(Flag::MovableKeys) {
        flags.push(Flag::MovableKeys.name());
    }
    write_words(reply, flags.into_iter());
    reply.int(range.first);
    reply.int(range.last);
    reply.int(range.step);
    let mut categories = spec.categories();
    categories.sort_unstable_by_key(|category| *category as u8);
    let categories: Vec<&str> = categories.into_iter().map(Category::name).collect();
    write_words(reply, categories.into_iter());
    reply.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    write_key_specs(reply, row);
    if row.subcommands.is_empty() {
        reply.set(0);
    } else {
        reply.array(row.subcommands.len());
        row.subcommands.iter().for_each(|sub| write_info(reply, sub));
    }
}

/// A set of simple strings.
pub fn write_words<'w>(reply: &mut Reply<'_>, words: impl ExactSizeIterator<Item = &'w str>) {
    reply.set(words.len());
    words.for_each(|word| reply.simple(word));
}

fn write_key_specs(reply: &mut Reply<'_>, row: &Row) {
    let specs = row.key_specs.specs.clone();
    let notes = row.spec.key_notes;
    reply.set(specs.len());
    for KeySpec { flags, begin, find } in specs {
        reply.map(3 + usize::from(!notes.is_empty()));
        if !notes.is_empty() {
            write_text(reply, "notes", notes);
        }
        reply.bulk(b"flags");
        write_words(reply, flags.iter().map(|flag| flag.name()));
        if find == FindKeys::Stored {
            write_search(reply, "begin_search", "unknown", &[]);
        } else {
            write_search(reply, "begin_search", "index", &[("index", begin)]);
        }
        match find {
            FindKeys::Range { last, step } => {
                write_search(
                    reply,
                    "find_keys",
                    "range",
                    &[("lastkey", last), ("keystep", step), ("limit", 0)],
                );
            }
            FindKeys::Counted { step } => {
                let figures = [("keynumidx", 0), ("firstkey", 1), ("keystep", step)];
                write_search(reply, "find_keys", "keynum", &figures);
            }
            FindKeys::Stored => write_search(reply, "find_keys", "unknown", &[]),
        }
    }
}

fn write_search(reply: &mut Reply<'_>, field: &str, kind: &str, figures: &[(&str, i64)]) {
    reply.bulk(field.as_bytes());
    reply.map(2);
    write_text(reply, "type", kind);
    reply.bulk(b"spec");
    reply.map(figures.len());
    for (name, figure) in figures {
        reply.bulk(name.as_bytes());
        reply.int(*figure);
    }
}

fn write_text(reply: &mut Reply<'_>, field: &str, text: &str) {
    reply.bulk(field.as_bytes());
    reply.bulk(text.as_bytes());
}

/// One command as COMMAND DOCS shows it.
pub fn write_docs(reply: &mut Reply<'_>, row: &Row) {
    let spec = row.spec;
    let has = |present: bool| usize::from(present);
    let optional = 3 * has(spec.deprecated.is_some())
        + has(!spec.history.is_empty())
        + has(!spec.args.is_empty())
        + has(!row.subcommands.is_empty());
    reply.map(4 + optional);
    write_text(reply, "summary", spec.summary);
    write_text(reply, "since", spec.since);
    write_text(reply, "group", spec.group.name());
    write_text(reply, "complexity", spec.complexity);
    if let Some(deprecated) = spec.deprecated {
        reply.bulk(b"doc_flags");
        write_words(reply, ["deprecated"].into_iter());
        write_text(reply, "deprecated_since", deprecated.since);
        write_text(reply, "replaced_by", deprecated.replaced_by);
    }
    if !spec.history.is_empty() {
        reply.bulk(b"history");
        reply.set(spec.history.len());
        for (since, change) in spec.history {
            reply.array(2);
            reply.bulk(since.as_bytes());
            reply.bulk(change.as_bytes());
        }
    }
    if !spec.args.is_empty() {
        let key_specs = &row.key_specs;
        reply.bulk(b"arguments");
        write_arguments(reply, spec.args, &mut key_specs.of_arguments.iter());
    }
    if !row.subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(row.subcommands.len());
        for sub in &row.subcommands {
            reply.bulk(sub.full_name.as_bytes());
            write_docs(reply, sub);
        }
    }
}

/// Arguments, nested as deep as the table nests them; `key_specs` gives each key's spec in turn.
fn write_arguments(reply: &mut Reply<'_>, args: &[Arg], key_specs: &mut std::slice::Iter<'_, usize>) {
    reply.array(args.len());
    for arg in args {
        let key_spec = if matches!(arg.kind, ArgKind::Key(_)) { key_specs.next() } else { None };
        let nested = match arg.kind {
            ArgKind::OneOf(parts) | ArgKind::Block(parts) => Some(parts),
            _ => None,
        };
        let flags = argument_flags(arg);
        let has = |present: bool| usize::from(present);
        let optional = has(key_spec.is_some())
            + has(arg.token.is_some())
            + has(arg.since.is_some())
            + has(!flags.is_empty())
            + has(nested.is_some());
        reply.map(2 + optional);
        write_text(reply, "name", arg.name);
        write_text(reply, "type", kind_name(arg.kind));
        if let Some(index) = key_spec {
            reply.bulk(b"key_spec_index");
            reply.int(*index as i64);
        }
        if let Some(token) = arg.token {
            write_text(reply, "token", token);
        }
        if let Some(since) = arg.since {
            write_text(reply, "since", since);
        }
        if !flags.is_empty() {
            reply.bulk(b"flags");
            write_words(reply, flags.into_iter());
        }
        if let Some(parts) = nested {
            reply.bulk(b"arguments");
            write_arguments(reply, parts, key_specs);
        }
    }
}

/// The type of an argument in Redis's words.
fn kind_name(kind: ArgKind) -> &'static str {
    match kind {
        ArgKind::Key(_) => "key",
        ArgKind::String | ArgKind::ShardChannel => "string",
        ArgKind::Integer | ArgKind::KeyCount => "integer",
        ArgKind::Double => "double",
        ArgKind::UnixTime => "unix-time",
        ArgKind::Pattern => "pattern",
        ArgKind::Token => "pure-token",
        ArgKind::OneOf(_) => "oneof",
        ArgKind::Block(_) => "block",
    }
}

fn argument_flags(arg: &Arg) -> Vec<&'static str> {
    let all =
        [(arg.optional, "optional"), (arg.multiple, "multiple"), (arg.multiple_token, "multiple_token")];
    all.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect()
}
