//! docs/commands.md, rendered from the command table.
//!
//! Pure. The page is committed, and a test fails when it is stale.

use std::fmt::Write as _;

use super::arg::{Arg, ArgKind};
use super::index::Table;
use super::row::Row;
use super::spec::Group;

const HEAD: &str = "\
# Commands

Generated from the command table; do not edit. Refresh with `UPDATE_DOCS=1 cargo test --lib docs_commands`.
Commands, options, errors and replies are those of Redis 7.2, the group *fill* aside, whose contract is
[fill.md](fill.md). Deliberate differences: [differences.md](differences.md).
";

/// The groups in the order of their sections.
pub const GROUPS: &[Group] = &[
    Group::Fill,
    Group::String,
    Group::Bitmap,
    Group::HyperLogLog,
    Group::Hash,
    Group::List,
    Group::Set,
    Group::SortedSet,
    Group::Generic,
    Group::Transactions,
    Group::PubSub,
    Group::Connection,
    Group::Scripting,
    Group::Server,
    Group::Cluster,
];

/// The whole page: a section per group, a paragraph per command.
#[must_use]
pub fn render(table: &Table) -> String {
    let mut page = HEAD.to_owned();
    for group in GROUPS {
        let mut rows: Vec<&Row> = table.rows().iter().filter(|row| row.spec.group == *group).collect();
        rows.sort_unstable_by_key(|row| row.spec.name);
        if rows.is_empty() {
            continue;
        }
        push(&mut page, format_args!("\n## {}\n", group.name()));
        for row in rows {
            render_command(&mut page, row);
        }
    }
    page
}

fn render_command(page: &mut String, row: &Row) {
    push(page, format_args!("\n### {}\n", title(row)));
    render_facts(page, row);
    for sub in &row.subcommands {
        push(page, format_args!("\n#### {}\n", title(sub)));
        render_facts(page, sub);
    }
}

fn render_facts(page: &mut String, row: &Row) {
    let spec = row.spec;
    push(page, format_args!("\n{}\n\n", spec.summary));
    if row.subcommands.is_empty() {
        push(page, format_args!("    {}\n\n", syntax(row)));
    }
    push(page, format_args!("- Since: {}\n", spec.since));
    if let Some(deprecated) = spec.deprecated {
        push(page, format_args!("- Old since {}: use {}\n", deprecated.since, deprecated.replaced_by));
    }
    push(page, format_args!("- Complexity: {}\n", spec.complexity));
    push(page, format_args!("- Reply: {}\n", spec.reply));
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a string cannot fail.
    let _ = page.write_fmt(text);
}

fn title(row: &Row) -> String {
    row.full_name.replace('|', " ").to_uppercase()
}

/// One line: the name and the arguments, in the notation of redis.io.
#[must_use]
pub fn syntax(row: &Row) -> String {
    let mut words = vec![title(row)];
    words.extend(row.spec.args.iter().map(argument));
    words.join(" ")
}

fn argument(arg: &Arg) -> String {
    let value = match arg.kind {
        ArgKind::Token => String::new(),
        ArgKind::OneOf(choices) => {
            let choices = choices.iter().map(argument).collect::<Vec<_>>().join(" | ");
            // Brackets of an optional argument already hold its choices together.
            if arg.optional && arg.token.is_none() && !arg.multiple {
                choices
            } else {
                format!("<{choices}>")
            }
        }
        ArgKind::Block(parts) => parts.iter().map(argument).collect::<Vec<_>>().join(" "),
        _ => arg.name.to_owned(),
    };
    let first: Vec<&str> =
        arg.token.into_iter().chain([value.as_str()]).filter(|word| !word.is_empty()).collect();
    let first = first.join(" ");
    let repeated = if arg.multiple_token { &first } else { &value };
    let whole = if arg.multiple { format!("{first} [{repeated} ...]") } else { first.clone() };
    if arg.optional { format!("[{whole}]") } else { whole }
}

#[cfg(test)]
mod tests {
    use super::super::arg::{block, integer, key, one_of, string, token};
    use super::*;

    #[test]
    fn arguments_are_written_as_on_redis_io() {
        let pair = block("pair", const { &[key("key", &[]), string("value")] });
        assert_eq!(argument(&pair.multiple()), "key value [key value ...]");
        assert_eq!(argument(&string("section").multiple().optional()), "[section [section ...]]");
        let expiry = one_of("expiry", const { &[integer("seconds").token("EX"), token("keep", "KEEPTTL")] });
        assert_eq!(argument(&expiry.optional()), "[EX seconds | KEEPTTL]");
        assert_eq!(argument(&expiry), "<EX seconds | KEEPTTL>");
        assert_eq!(argument(&expiry.token("WITH").optional()), "[WITH <EX seconds | KEEPTTL>]");
        assert_eq!(
            argument(&string("pattern").token("GET").multiple_token()),
            "GET pattern [GET pattern ...]"
        );
    }
}
