//! What COMMAND INFO and COMMAND DOCS say about each of our commands, beside what a real redis-server says.
//!
//! Owns: the facets compared and the list of allowed differences (command-differences.toml). Does not know: how our
//! command table produces them.
//! Invariant: a difference is either listed with its reason or fails the test; a listed one that is gone fails too.

use crate::peer::Peer;
use crate::report;
use crate::wire::{Connection, Reply};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What the first release promises to answer.
const PROMISED: &str = "
    ping echo auth hello select quit reset client client|id client|getname client|setname client|setinfo client|info
    client|list client|kill client|unblock client|no-evict client|no-touch client|reply
    get set setnx setex psetex getset getdel getex mget mset msetnx append strlen getrange substr setrange incr decr
    incrby decrby incrbyfloat lcs setbit getbit bitcount bitpos bitop bitfield bitfield_ro
    del unlink exists type expire pexpire expireat pexpireat ttl pttl expiretime pexpiretime persist keys scan randomkey
    rename renamenx copy move touch flushall flushdb dbsize swapdb time info config config|get config|set
    config|resetstat config|rewrite command command|count command|list command|info command|docs command|getkeys shutdown
    multi exec discard watch unwatch
    subscribe unsubscribe psubscribe punsubscribe ssubscribe sunsubscribe publish spublish pubsub pubsub|channels
    pubsub|numsub pubsub|numpat pubsub|shardchannels pubsub|shardnumsub pubsub|help client|tracking client|trackinginfo
    client|caching client|getredir
    fill.get fill.put fill.none fill.pass fill.fail fill.renew fill.mget fill.mput fill.stale fill.info fill.list fill.top";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowed {
    differs: Vec<Difference>,
}

/// One allowed difference: these facets of these commands (`*` for all).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    commands: Vec<String>,
    facets: Vec<String>,
    reason: String,
}

impl Difference {
    fn covers(&self, command: &str, facet: &str) -> bool {
        let named = |list: &[String], name: &str| list.iter().any(|entry| entry == name || entry == "*");
        named(&self.commands, command) && named(&self.facets, facet)
    }
}

#[test]
fn commands_promised_are_all_listed() {
    let listed = command_list(&mut resp3(&Peer::onefill()));
    let missing: Vec<_> = PROMISED.split_whitespace().filter(|name| !listed.contains(*name)).collect();
    assert!(missing.is_empty(), "COMMAND LIST lacks {missing:?}");
}

#[test]
fn command_info_and_docs_agree_with_redis() {
    let (redis, onefill) = (Peer::redis(), Peer::onefill());
    let (mut reference, mut ours) = (resp3(&redis), resp3(&onefill));
    let known = command_list(&mut reference);
    let names: Vec<_> = command_list(&mut ours).into_iter().filter(|name| known.contains(name)).collect();
    let allowed = load_allowed();
    let (mut used, mut differences) = (BTreeSet::new(), Vec::new());
    for name in &names {
        let (theirs, mine) = (facets_of(&mut reference, name), facets_of(&mut ours, name));
        for facet in theirs.keys().chain(mine.keys()).collect::<BTreeSet<_>>() {
            let (their, my) = (theirs.get(facet), mine.get(facet));
            let cover = allowed.differs.iter().position(|difference| difference.covers(name, facet));
            match (their == my, cover) {
                (true, _) => {}
                (false, Some(index)) => drop(used.insert(index)),
                (false, None) => {
                    differences.push(format!("{name}, {facet}\n    redis:   {their:?}\n    onefill: {my:?}"))
                }
            }
        }
    }
    let unused = allowed.differs.iter().enumerate().filter(|(index, _)| !used.contains(index));
    differences.extend(unused.map(|(_, entry)| {
        format!("{:?} no longer differ ({}): remove the entry", entry.commands, entry.reason)
    }));
    report::line(&format!(
        "redis-compat COMMAND: {} commands compared, {} differences",
        names.len(),
        differences.len()
    ));
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn command_docs_have_a_summary_for_every_command() {
    let onefill = Peer::onefill();
    let mut connection = resp3(&onefill);
    let names = command_list(&mut connection);
    let without = names.iter().filter(|name| {
        let facets = facets_of(&mut connection, name);
        ["docs summary", "docs since", "docs group"]
            .iter()
            .any(|facet| facets.get(facet).is_none_or(|text| text == "\"\""))
    });
    let without: Vec<_> = without.collect();
    assert!(!names.is_empty() && without.is_empty(), "no summary, since or group: {without:?}");
}

fn resp3(peer: &Peer) -> Connection {
    let mut connection = peer.connect();
    connection.call(&["HELLO", "3"]).expect("HELLO 3");
    connection
}

fn command_list(connection: &mut Connection) -> BTreeSet<String> {
    let reply = connection.call(&["COMMAND", "LIST"]).expect("COMMAND LIST");
    reply
        .elements()
        .into_iter()
        .filter_map(Reply::text)
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}

fn load_allowed() -> Allowed {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("redis-compat/command-differences.toml");
    let text = std::fs::read_to_string(path).expect("command-differences.toml");
    toml::from_str(&text).expect("command-differences.toml in its format")
}

/// Every compared facet of one command, as text.
fn facets_of(connection: &mut Connection, name: &str) -> BTreeMap<&'static str, String> {
    let mut facets = BTreeMap::new();
    let info = connection.call(&["COMMAND", "INFO", name]).expect("COMMAND INFO");
    if let [entry] = info.elements().as_slice() {
        info_facets(entry, &mut facets);
    }
    let docs = connection.call(&["COMMAND", "DOCS", name]).expect("COMMAND DOCS");
    if let [_, Reply::Map(entry)] = docs.elements().as_slice() {
        docs_facets(entry, &mut facets);
    }
    facets
}

fn info_facets(entry: &Reply, facets: &mut BTreeMap<&'static str, String>) {
    let parts = entry.elements();
    facets.insert("info types", parts.iter().map(|part| part.kind()).collect::<Vec<_>>().join(" "));
    let names = [
        "name",
        "arity",
        "flags",
        "first key",
        "last key",
        "key step",
        "acl categories",
        "tips",
        "key specs",
    ];
    for (name, part) in names.into_iter().zip(parts) {
        facets.insert(name, canonical(part));
    }
}

fn docs_facets(entry: &[(Reply, Reply)], facets: &mut BTreeMap<&'static str, String>) {
    let compared = [
        ("summary", "docs summary"),
        ("since", "docs since"),
        ("group", "docs group"),
        ("complexity", "docs complexity"),
        ("doc_flags", "docs flags"),
        ("deprecated_since", "docs deprecated since"),
        ("replaced_by", "docs replaced by"),
        ("arguments", "docs arguments"),
    ];
    for (key, value) in entry {
        let field = compared.iter().find(|(field, _)| key.text() == Some(field.as_bytes()));
        if let Some((_, facet)) = field {
            facets.insert(facet, canonical(value));
        }
    }
}

/// A text that does not depend on the order of sets and maps. Left out are the fields that 7.2 added or that only
/// explain: `notes` of key specs, `since`, `display_text`, `deprecated_since` and `summary` of arguments.
fn canonical(reply: &Reply) -> String {
    match reply {
        Reply::Set(_) => {
            let members: BTreeSet<_> = reply.elements().into_iter().map(canonical).collect();
            format!("~{members:?}").replace('\\', "")
        }
        Reply::Map(pairs) => {
            let explains =
                ["notes", "since", "display_text", "deprecated_since", "summary"].map(str::as_bytes);
            let told = pairs.iter().filter(|(key, _)| !explains.iter().any(|word| key.text() == Some(word)));
            let fields: BTreeSet<_> =
                told.map(|(key, value)| format!("{}: {}", canonical(key), canonical(value))).collect();
            format!("{{{}}}", fields.into_iter().collect::<Vec<_>>().join(", "))
        }
        Reply::Array(list) => format!("[{}]", list.iter().map(canonical).collect::<Vec<_>>().join(", ")),
        // Some servers say bulk, some simple string: "info types" judges that for the outer level.
        other => {
            other.text().map_or_else(|| other.to_string(), |text| format!("\"{}\"", text.escape_ascii()))
        }
    }
}
