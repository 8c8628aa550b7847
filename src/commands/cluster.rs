//! The commands of a cluster, on a server that is none: all of them answer what clients and tools look for.
//!
//! Arity and unknown subcommands are checked first, as in Redis, and in MULTI they are queued like any other.

use crate::dispatch::args::Args;
use crate::dispatch::command::Command;
use crate::dispatch::ctx::Ctx;
use crate::dispatch::error::CommandError;
use crate::table::arg::{block, integer, one_of, string, token};
use crate::table::{Category, Deprecated, Flag, Group, Locking, Spec};

/// The files of the family.
pub static FAMILY: &[&[Command]] = &[COMMANDS];

const DISABLED: &str = "an error: cluster support is disabled";

pub static COMMANDS: &[Command] = &[
    Command::new(
        disabled,
        Spec {
            name: "asking",
            group: Group::Cluster,
            since: "3.0.0",
            summary: "Sent by cluster clients after an -ASK redirect",
            flags: &[Flag::Fast],
            acl: &[Category::Connection],
            reply: DISABLED,
            locking: Locking::None,
            ..Spec::EMPTY
        },
    ),
    Command::family(
        Spec {
            name: "cluster",
            group: Group::Cluster,
            since: "3.0.0",
            summary: "A container for cluster commands",
            complexity: "Depends on subcommand.",
            reply: DISABLED,
            locking: Locking::None,
            ..Spec::EMPTY
        },
        &[
            Command::new(
                disabled,
                Spec {
                    name: "addslots",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Assign new hash slots to receiving node",
                    complexity: "O(N) where N is the total number of hash slot arguments",
                    args: &[integer("slot").multiple()],
                    flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "addslotsrange",
                    group: Group::Cluster,
                    since: "7.0.0",
                    summary: "Assign new hash slots to receiving node",
                    complexity: "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
                    args: &[block("start-slot_end-slot", &[integer("start-slot"), integer("end-slot")])
                        .multiple()],
                    flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "bumpepoch",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Advance the cluster config epoch",
                    flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
                    tips: &["nondeterministic_output"],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "count-failure-reports",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Return the number of failure reports active for a given node",
                    complexity: "O(N) where N is the number of failure reports",
                    args: &[string("node-id")],
                    flags: &[Flag::Admin, Flag::Stale],
                    tips: &["nondeterministic_output"],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "countkeysinslot",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Return the number of local keys in the specified hash slot",
                    args: &[integer("slot")],
                    flags: &[Flag::Stale],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "delslots",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Set hash slots as unbound in receiving node",
                    complexity: "O(N) where N is the total number of hash slot arguments",
                    args: &[integer("slot").multiple()],
                    flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "delslotsrange",
                    group: Group::Cluster,
                    since: "7.0.0",
                    summary: "Set hash slots as unbound in receiving node",
                    complexity: "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
                    args: &[block("start-slot_end-slot", &[integer("start-slot"), integer("end-slot")])
                        .multiple()],
                    flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "failover",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Forces a replica to perform a manual failover of its master.",
                    args: &[one_of("options", &[token("force", "FORCE"), token("takeover", "TAKEOVER")])
                        .optional()],
                    flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "flushslots",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Delete a node's own slots information",
                    flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "forget",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Remove a node from the nodes table",
                    args: &[string("node-id")],
                    flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "getkeysinslot",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Return local key names in the specified hash slot",
                    complexity: "O(log(N)) where N is the number of requested keys",
                    args: &[integer("slot"), integer("count")],
                    flags: &[Flag::Stale],
                    tips: &["nondeterministic_output"],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "help",
                    group: Group::Cluster,
                    since: "5.0.0",
                    summary: "Show helpful text about the different subcommands",
                    flags: &[Flag::Loading, Flag::Stale],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "info",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Provides info about Redis Cluster node state",
                    flags: &[Flag::Stale],
                    tips: &["nondeterministic_output"],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "keyslot",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Returns the hash slot of the specified key",
                    complexity: "O(N) where N is the number of bytes in the key",
                    args: &[string("key")],
                    flags: &[Flag::Stale],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "links",
                    group: Group::Cluster,
                    since: "7.0.0",
                    summary: "Returns a list of all TCP links to and from peer nodes in cluster",
                    complexity: "O(N) where N is the total number of Cluster nodes",
                    flags: &[Flag::Stale],
                    tips: &["nondeterministic_output"],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "meet",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Force a node cluster to handshake with another node",
                    args: &[
                        string("ip"),
                        integer("port"),
                        integer("cluster_bus_port").optional().since("4.0.0"),
                    ],
                    flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
                    history: &[("4.0.0", "Added the optional `cluster_bus_port` argument.")],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "myid",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Return the node id",
                    flags: &[Flag::Stale],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "nodes",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Get Cluster config for the node",
                    complexity: "O(N) where N is the total number of Cluster nodes",
                    flags: &[Flag::Stale],
                    tips: &["nondeterministic_output"],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "replicas",
                    group: Group::Cluster,
                    since: "5.0.0",
                    summary: "List replica nodes of the specified master node",
                    args: &[string("node-id")],
                    flags: &[Flag::Admin, Flag::Stale],
                    tips: &["nondeterministic_output"],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "replicate",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Reconfigure a node as a replica of the specified master node",
                    args: &[string("node-id")],
                    flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "reset",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Reset a Redis Cluster node",
                    complexity: "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.",
                    args: &[one_of("hard_soft", &[token("hard", "HARD"), token("soft", "SOFT")]).optional()],
                    flags: &[Flag::Admin, Flag::NoScript, Flag::Stale],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "saveconfig",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Forces the node to save cluster state on disk",
                    flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "set-config-epoch",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Set the configuration epoch in a new node",
                    args: &[integer("config-epoch")],
                    flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "setslot",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Bind a hash slot to a specific node",
                    args: &[
                        integer("slot"),
                        one_of(
                            "subcommand",
                            &[
                                string("node-id").token("IMPORTING"),
                                string("node-id").token("MIGRATING"),
                                string("node-id").token("NODE"),
                                token("stable", "STABLE"),
                            ],
                        ),
                    ],
                    flags: &[Flag::Admin, Flag::Stale, Flag::NoAsyncLoading],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "shards",
                    group: Group::Cluster,
                    since: "7.0.0",
                    summary: "Get array of cluster slots to node mappings",
                    complexity: "O(N) where N is the total number of cluster nodes",
                    flags: &[Flag::Stale],
                    tips: &["nondeterministic_output"],
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "slaves",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "List replica nodes of the specified master node",
                    args: &[string("node-id")],
                    flags: &[Flag::Admin, Flag::Stale],
                    tips: &["nondeterministic_output"],
                    deprecated: Some(Deprecated { since: "5.0.0", replaced_by: "`CLUSTER REPLICAS`" }),
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
            Command::new(
                disabled,
                Spec {
                    name: "slots",
                    group: Group::Cluster,
                    since: "3.0.0",
                    summary: "Get array of Cluster slot to node mappings",
                    complexity: "O(N) where N is the total number of Cluster nodes",
                    flags: &[Flag::Stale],
                    tips: &["nondeterministic_output"],
                    history: &[
                        ("4.0.0", "Added node IDs."),
                        ("7.0.0", "Added additional networking metadata field."),
                    ],
                    deprecated: Some(Deprecated { since: "7.0.0", replaced_by: "`CLUSTER SHARDS`" }),
                    reply: DISABLED,
                    locking: Locking::None,
                    ..Spec::EMPTY
                },
            ),
        ],
    ),
    Command::new(
        disabled,
        Spec {
            name: "readonly",
            group: Group::Cluster,
            since: "3.0.0",
            summary: "Enables read queries for a connection to a cluster replica node",
            flags: &[Flag::Loading, Flag::Stale, Flag::Fast],
            acl: &[Category::Connection],
            reply: DISABLED,
            locking: Locking::None,
            ..Spec::EMPTY
        },
    ),
    Command::new(
        disabled,
        Spec {
            name: "readwrite",
            group: Group::Cluster,
            since: "3.0.0",
            summary: "Disables read queries for a connection to a cluster replica node",
            flags: &[Flag::Loading, Flag::Stale, Flag::Fast],
            acl: &[Category::Connection],
            reply: DISABLED,
            locking: Locking::None,
            ..Spec::EMPTY
        },
    ),
];

fn disabled(_: &mut Ctx<'_>, _: &mut Args<'_>) -> Result<(), CommandError> {
    Err(CommandError::err("This instance has cluster support disabled"))
}
