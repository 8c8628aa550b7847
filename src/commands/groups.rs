//! The list of families: what makes their rows a table, and their handlers those of a server.

use std::sync::LazyLock;

use super::{
    acl, cluster, connection, fill, hashes, keys, lists, pubsub, scripting, server, sets, sorted_sets,
    strings, transactions,
};
use crate::acl::is_redis_name;
use crate::dispatch::command::{Command, tabulate};
use crate::dispatch::ctx::Handlers;
use crate::table::{RenameError, Table};

/// The files of every family.
pub static GROUPS: &[&[&[Command]]] = &[
    acl::FAMILY,
    cluster::FAMILY,
    connection::FAMILY,
    fill::FAMILY,
    hashes::FAMILY,
    keys::FAMILY,
    lists::FAMILY,
    pubsub::FAMILY,
    scripting::FAMILY,
    server::FAMILY,
    sets::FAMILY,
    sorted_sets::FAMILY,
    strings::FAMILY,
    transactions::FAMILY,
];

static ALL: LazyLock<(Table, Handlers)> = LazyLock::new(|| tabulate(all()));

fn all() -> impl Iterator<Item = &'static Command> + Clone {
    GROUPS.iter().copied().flatten().copied().flatten()
}

/// Every command there is.
#[must_use]
pub fn table() -> &'static Table {
    &ALL.0
}

/// Every command there is, called by clients as these lines of `rename-command` say, in their order; an error is a line that
/// names the fault. A table of its own lasts as long as the process, as the one without other names does.
pub fn renamed(renames: &[(Vec<u8>, Vec<u8>)]) -> Result<&'static Table, String> {
    if renames.is_empty() {
        return Ok(table());
    }
    let mut table = tabulate(all()).0;
    for (name, new) in renames {
        match table.rename(name, new) {
            // A file from Redis may hide what is not here.
            Err(RenameError::Unknown) if is_redis_name(&name.to_ascii_lowercase()) => {}
            renamed => renamed
                .map_err(|error| format!("rename-command {}: {error}", String::from_utf8_lossy(name)))?,
        }
    }
    Ok(Box::leak(Box::new(table)))
}

/// What runs them.
#[must_use]
pub fn handlers() -> &'static Handlers {
    &ALL.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::page;

    #[test]
    fn docs_commands_page_is_fresh() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
        let page = page::render(table());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &page).expect("docs/commands.md can be written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == page,
            "docs/commands.md is stale: run UPDATE_DOCS=1 cargo test --lib docs_commands"
        );
    }

    #[test]
    fn every_group_has_its_section() {
        let missing = table().rows().iter().find(|row| !page::GROUPS.contains(&row.spec.group));
        assert!(missing.is_none(), "{missing:?}");
    }
}
