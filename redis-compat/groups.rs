//! One test per case file, and the tests over the case files themselves.
//!
//! Owns: which files are run. Does not know: what a case is made of.
//! Invariant: every file in cases/ is run, and every command of ours occurs in a case.

use crate::cases;
use crate::peer::Peer;
use crate::script;
use crate::wire::Reply;
use std::collections::BTreeSet;

macro_rules! groups {
    ($($test:ident => $group:literal,)*) => {
        const GROUPS: &[&str] = &[$($group),*];
        $(#[test]
        fn $test() {
            cases::run_group($group);
        })*
    };
}

groups! {
    acl_cases_answer_as_redis => "acl",
    bit_cases_answer_as_redis => "bits",
    blocking_cases_answer_as_redis => "blocking",
    cluster_cases_answer_as_redis => "cluster",
    command_cases_answer_as_redis => "command",
    connection_cases_answer_as_redis => "connection",
    dump_cases_answer_as_redis => "dump",
    error_cases_answer_as_redis => "errors",
    expiry_cases_answer_as_redis => "expiry",
    generic_cases_answer_as_redis => "generic",
    hash_cases_answer_as_redis => "hashes",
    hash_deadline_cases_answer_as_redis => "hash-deadlines",
    hll_cases_answer_as_redis => "hll",
    introspection_cases_answer_as_redis => "introspection",
    list_cases_answer_as_redis => "lists",
    notify_cases_answer_as_redis => "notify",
    pubsub_cases_answer_as_redis => "pubsub",
    scan_cases_answer_as_redis => "scan",
    set_cases_answer_as_redis => "sets",
    sorted_set_cases_answer_as_redis => "sorted_sets",
    server_cases_answer_as_redis => "server",
    sort_cases_answer_as_redis => "sort",
    string_cases_answer_as_redis => "string",
    memory_cases_answer_as_redis => "memory",
    tracking_cases_answer_as_redis => "tracking",
    function_cases_answer_as_redis => "functions",
    scripting_cases_answer_as_redis => "scripting",
    scripting_value_cases_answer_as_redis => "scripting-values",
    scripting_error_cases_answer_as_redis => "scripting-errors",
    scripting_library_cases_answer_as_redis => "scripting-libraries",
    scripting_language_cases_answer_as_redis => "scripting-language",
    scripting_recipe_cases_answer_as_redis => "scripting-recipes",
    transaction_cases_answer_as_redis => "transaction",
}

#[test]
fn case_files_are_all_run() {
    let folder = std::fs::read_dir(cases::folder()).expect("the folder of cases");
    let names: BTreeSet<_> =
        folder.filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned)).collect();
    let run: BTreeSet<_> = GROUPS.iter().map(|&group| group.to_owned()).collect();
    assert_eq!(names, run);
}

#[test]
fn case_names_are_unique_in_their_file() {
    for group in GROUPS {
        let mut seen = BTreeSet::new();
        for case in cases::load(group).cases {
            assert!(seen.insert(case.name.clone()), "{group}: two cases are called {:?}", case.name);
        }
    }
}

#[test]
fn commands_of_onefill_each_occur_in_a_case() {
    let used: BTreeSet<String> = GROUPS.iter().flat_map(|group| commands_used(group)).collect();
    let Reply::Array(listed) = Peer::onefill().call(&["COMMAND", "LIST"]) else {
        panic!("COMMAND LIST is no array");
    };
    let names =
        listed.iter().filter_map(Reply::text).map(|name| String::from_utf8_lossy(name).to_lowercase());
    // These have no counterpart in Redis; their tests are in tests/.
    let is_own = |name: &str| name.starts_with("fill.") || ["object|idlettl", "script|show"].contains(&name);
    let missing: Vec<_> = names.filter(|name| !is_own(name) && !used.contains(name)).collect();
    assert!(missing.is_empty(), "no case calls {missing:?}");
}

/// The command of each line of a file, and `container|subcommand` of its first two words.
fn commands_used(group: &str) -> Vec<String> {
    let lines = cases::load(group).cases.into_iter().flat_map(|case| case.script);
    let parsed = lines.filter_map(|text| script::parse_line(&text).ok());
    let names = parsed.flat_map(|line| {
        let words: Vec<_> =
            line.words.iter().map(|word| String::from_utf8_lossy(word).to_lowercase()).collect();
        let name = words.first().cloned();
        let both = words.get(1).and_then(|second| name.as_ref().map(|first| format!("{first}|{second}")));
        [name, both]
    });
    names.flatten().collect()
}
