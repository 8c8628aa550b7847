//! What ACL DRYRUN says of every command and every place of a key, for users that lack one thing, here and on a real
//! redis-server.
//!
//! Owns: the users. Does not know: why somebody is refused. Requests are made from our rows; a command that the reference
//! lacks, or reads otherwise, is left out.

use crate::peer::Peer;
use crate::report;
use crate::requests::requests;
use crate::wire::Connection;
use onefill::table::{Category, Row};

#[test]
fn dry_runs_of_every_command_and_every_key_agree_with_redis() {
    let (redis, onefill) = (Peer::redis(), Peer::onefill());
    let mut sides = [redis.connect(), onefill.connect()];
    let (mut compared, mut differ) = (0, Vec::new());
    for (row, words) in requests() {
        if dry_run(&mut sides[0], "~* +@all", &words) != "OK" {
            continue;
        }
        for rules in users(row, &words) {
            compared += 1;
            let [theirs, ours] = sides.each_mut().map(|side| dry_run(side, &rules, &words));
            if theirs != ours {
                differ.push(format!("{} as '{rules}': {ours}, redis: {theirs}", words.join(" ")));
            }
        }
    }
    report::line(&format!("ACL DRYRUN: {compared} compared"));
    assert!(differ.is_empty(), "{} of {compared} differ:\n{}", differ.len(), differ.join("\n"));
    assert!(compared > 1000, "only {compared} compared");
}

/// Rules that lack something that the request may need.
fn users(row: &Row, words: &[String]) -> Vec<String> {
    let commands = ["~other:* +@all", "%R~* +@all", "%W~* +@all", "~* -@all"].map(str::to_owned);
    let mut all = commands.to_vec();
    all.push(format!("~* +@all -{}", row.full_name));
    all.push(format!("~* +{}", row.full_name));
    for category in row.spec.categories().into_iter().filter(|category| *category != Category::Fill) {
        all.push(format!("~* +@all -{}", category.name()));
        all.push(format!("~* +{}", category.name()));
    }
    let word = |at: usize| words[at].as_bytes();
    for (place, _) in row.keys(words.len(), word) {
        let others = row.keys(words.len(), word).filter(|(at, _)| *at != place);
        let others: String = others.map(|(at, _)| format!("~{} ", words[at])).collect();
        let key = &words[place];
        let own = [String::new(), format!("~{key}"), format!("%R~{key}"), format!("%W~{key}")];
        all.extend(own.map(|rule| format!("{others}{rule} +@all")));
    }
    all
}

/// What a fresh user of these rules is told.
fn dry_run(side: &mut Connection, rules: &str, words: &[String]) -> String {
    let set = ["ACL", "SETUSER", "u", "reset", "on", "nopass", "&*"];
    say(side, &[&set, rules.split_whitespace().collect::<Vec<_>>().as_slice()].concat());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // 7.2 names the user, 7.0 does not.
    say(side, &[&["ACL", "DRYRUN", "u"], words.as_slice()].concat()).replace("This user", "User u")
}

fn say(side: &mut Connection, words: &[&str]) -> String {
    let reply = side.call(words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    String::from_utf8_lossy(reply.text().unwrap_or_default()).into_owned()
}
