//! The list of families: what makes their rows a table, and their handlers those of a server.

use std::sync::LazyLock;

use super::{
    acl, cluster, connection, fill, hashes, keys, lists, pubsub, scripting, server, sets, sorted_sets,
    strings, transactions,
};
use crate::dispatch::command::{Command, tabulate};
use crate::dispatch::ctx::Handlers;
use crate::table::Table;

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

static ALL: LazyLock<(Table, Handlers)> =
    LazyLock::new(|| tabulate(GROUPS.iter().copied().flatten().copied().flatten()));

/// Every command there is.
#[must_use]
pub fn table() -> &'static Table {
    &ALL.0
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
