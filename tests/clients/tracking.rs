//! Client-side caching: no stale value stays in a cache once its invalidation was delivered, and what FILL adds.
//!
//! What each command answers is compared with a real redis-server in redis-compat/cases/tracking.toml.

use std::collections::HashMap;
use std::thread;

use crate::support::{Conn, TestServer, Value, wait_until};
use onefill::config::DebugAccess;

fn tracking(server: &TestServer, options: &str) -> Conn {
    let mut conn = server.connect_resp3();
    assert_eq!(conn.say(&format!("CLIENT TRACKING ON {options}")), "OK");
    conn
}

/// The keys of the next message, which must be an invalidation.
#[track_caller]
fn invalidated(conn: &mut Conn) -> String {
    let text = conn.reply().text();
    text.strip_prefix("invalidate ")
        .unwrap_or_else(|| panic!("expected an invalidation, got {text}"))
        .to_owned()
}

/// A cache as client libraries keep it: what was read, until told otherwise.
struct Cache {
    conn: Conn,
    values: HashMap<String, String>,
}

impl Cache {
    /// Takes replies until one that is no invalidation.
    fn reply(&mut self) -> Value {
        loop {
            let reply = self.conn.reply();
            match &reply {
                Value::Array(parts) if parts[0].text() == "invalidate" => match &parts[1] {
                    Value::Nil => self.values.clear(),
                    keys => keys.array().iter().for_each(|key| drop(self.values.remove(&key.text()))),
                },
                _ => return reply,
            }
        }
    }

    fn read(&mut self, key: &str) {
        self.conn.send(&["GET", key]);
        let value = self.reply().text();
        self.values.insert(key.to_owned(), value);
    }
}

/// The proof: in each round every key is changed once while two caches read it. When the writer has its replies,
/// what a cache still holds, after one round trip of its own, is the truth: nothing later would heal it.
#[track_caller]
fn expect_no_stale_reads(options: &str, write: impl Fn(&mut Conn, &str, u64)) {
    const ROUNDS: u64 = 400;
    let keys: Vec<String> = (0..16).map(|n| format!("k{n}")).collect();
    let server = TestServer::start();
    let (mut writer, mut truth) = (server.connect(), server.connect());
    let mut caches: Vec<Cache> =
        (0..2).map(|_| Cache { conn: tracking(&server, options), values: HashMap::new() }).collect();
    let mut held = 0;
    for round in 1..=ROUNDS {
        thread::scope(|scope| {
            for cache in &mut caches {
                let keys = &keys;
                scope.spawn(move || keys.iter().for_each(|key| cache.read(key)));
            }
            keys.iter().for_each(|key| write(&mut writer, key, round));
        });
        for cache in &mut caches {
            cache.conn.send(&["PING"]);
            cache.reply();
            for (key, value) in &cache.values {
                assert_eq!(*value, truth.say(&format!("GET {key}")), "{key} in round {round}");
            }
            held += cache.values.len();
        }
    }
    assert!(held > 0, "caches that hold nothing prove nothing");
}

#[test]
fn cache_holds_no_stale_value_under_concurrent_writes() {
    expect_no_stale_reads("", |conn, key, n| drop::<String>(conn.say(&format!("SET {key} {n}"))));
}

#[test]
fn broadcast_cache_holds_no_stale_value_under_concurrent_writes() {
    expect_no_stale_reads("BCAST", |conn, key, n| drop::<String>(conn.say(&format!("SET {key} {n}"))));
}

#[test]
fn cache_holds_no_stale_value_under_transactions_deletions_and_flushes() {
    expect_no_stale_reads("", |conn, key, n| match n % 8 {
        0 if key == "k9" => drop::<String>(conn.say("FLUSHALL")),
        1 | 2 => drop::<String>(conn.say(&format!("DEL {key}"))),
        _ => {
            let lines =
                ["MULTI".to_owned(), format!("SET {key} {n}"), format!("INCR {key}"), "EXEC".to_owned()];
            conn.pipeline(&lines);
            lines.iter().for_each(|_| drop(conn.reply()));
        }
    });
}

#[test]
fn cache_holds_no_stale_value_when_keys_expire() {
    let server = TestServer::start();
    let mut cache = tracking(&server, "");
    let mut writer = server.connect();
    writer.say("SET k v PX 100");
    assert_eq!(cache.say("GET k"), "v");
    // The sweeper tells, without anybody's looking.
    server.advance_ms(1_500);
    assert_eq!(invalidated(&mut cache), "k");
    assert_eq!(cache.say("GET k"), "nil");
}

/// A reading behind a change of the same pipeline is noted again: a later change is told.
#[test]
fn reading_behind_an_own_write_in_one_pipeline_is_noted() {
    let server = TestServer::start();
    let mut other = server.connect();
    for options in ["", "NOLOOP"] {
        let mut conn = tracking(&server, options);
        conn.pipeline(&["GET k", "SET k 1", "GET k", "SET x 1", "PING"]);
        let mut told = 0;
        let mut replies = 0;
        while replies < 5 {
            match conn.reply().text().as_str() {
                "invalidate k" => told += 1,
                _ => replies += 1,
            }
        }
        if options.is_empty() && told == 0 {
            assert_eq!(invalidated(&mut conn), "k");
        }
        other.say("SET k 2");
        assert_eq!(invalidated(&mut conn), "k", "{options}");
        other.say("DEL k");
    }
}

#[test]
fn connection_that_ends_keeps_no_cache() {
    let server = TestServer::start();
    let info = |name: &str| {
        let info = server.control().say("INFO");
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name}")).to_owned()
    };
    let mut conn = tracking(&server, "");
    let mut broadcast = tracking(&server, "BCAST PREFIX a PREFIX b");
    conn.say("MGET a b c");
    let figures = || {
        ["tracking_clients", "tracking_total_keys", "tracking_total_items", "tracking_total_prefixes"]
            .map(info)
    };
    assert_eq!(figures(), ["2", "3", "3", "2"]);
    let ids = [conn.id(), broadcast.id()];
    conn.close();
    broadcast.close();
    ids.into_iter().for_each(|id| server.until_gone(id));
    wait_until("the trackers are gone", || info("tracking_clients") == "0");
    // What it read is forgotten as the keys change; here nobody is left who would note the change.
    assert_eq!(info("tracking_total_prefixes"), "0");
}

/// A way to end a flight, given its leader and its token.
type End = fn(&mut Conn, &str);

/// The rule of docs/fill.md: who keeps a cache and was answered WAIT hears when the flight ends.
#[test]
fn who_was_told_to_wait_hears_when_the_fill_ends() {
    let server = TestServer::start();
    let mut leader = server.connect();
    let ends: [(&str, End); 6] = [
        ("HIT", |leader, token| drop::<String>(leader.say(&format!("FILL.PUT k {token} v")))),
        ("NONE", |leader, token| drop::<String>(leader.say(&format!("FILL.NONE k {token}")))),
        ("FAIL", |leader, token| drop::<String>(leader.say(&format!("FILL.FAIL k {token} boom RETRY 1000")))),
        ("LEAD", |leader, token| drop::<String>(leader.say(&format!("FILL.FAIL k {token}")))),
        ("LEAD", |leader, _| drop::<String>(leader.say("DEL k"))),
        ("HIT", |leader, _| drop::<String>(leader.say("SET k w"))),
    ];
    for (status, end) in ends {
        let mut conn = tracking(&server, "");
        let token = leader.lead("k");
        conn.get("k NOWAIT").expect_stay_away();
        conn.expect_nothing_more();
        end(&mut leader, &token);
        assert_eq!(invalidated(&mut conn), "k");
        conn.get("k NOWAIT").expect(status);
        leader.say("FLUSHALL");
        server.advance_ms(2_000);
    }
    // And when the leader's time is over.
    let mut conn = tracking(&server, "");
    leader.lead("k LEASE 1000");
    conn.get("k NOWAIT").expect_stay_away();
    server.advance_ms(1_500);
    assert_eq!(invalidated(&mut conn), "k");
    conn.get("k").expect("LEAD");
}

/// A parked caller's value is followed by an invalidation: what happened to the key before its answer was
/// delivered was perhaps told before it.
#[test]
fn answer_of_a_parked_caller_is_not_to_be_cached() {
    let server = TestServer::start();
    let mut leader = server.connect();
    let token = leader.lead("k");
    let mut conn = tracking(&server, "");
    server.park(&mut conn, "k WAIT 60000");
    leader.say(&format!("FILL.PUT k {token} v"));
    conn.answer().expect("HIT");
    // That of the PUT, and the one that follows the answer whatever came before it.
    assert_eq!([invalidated(&mut conn), invalidated(&mut conn)], ["k", "k"]);
    conn.get("k").expect("HIT");
    conn.expect_nothing_more();
    leader.say("SET k w");
    assert_eq!(invalidated(&mut conn), "k");
}

/// As above, for the keys that FILL.MGET knew at once and that changed while it was parked for others.
#[test]
fn answer_of_a_parked_mget_is_not_to_be_cached_either() {
    let server = TestServer::start();
    let mut leader = server.connect();
    let token = leader.lead("b");
    leader.say("SET a old");
    let mut conn = tracking(&server, "");
    conn.send(&["FILL.MGET", "2", "a", "b", "WAIT", "60000"]);
    server.until_waiters("b", 1);
    leader.say("SET a new");
    assert_eq!(invalidated(&mut conn), "a");
    leader.say(&format!("FILL.PUT b {token} v"));
    assert_eq!(conn.answers()[0].text(), "old");
    let mut told = [invalidated(&mut conn), invalidated(&mut conn)];
    told.sort();
    assert_eq!(told, ["a b", "b"]);
}

#[test]
fn what_only_fill_knows_is_invalidated_too() {
    let server = TestServer::start();
    let mut leader = server.connect();
    let mut conn = tracking(&server, "");
    for end in ["DEL k", "FILL.STALE k", "SET k v", "FLUSHALL"] {
        let token = leader.lead("k");
        leader.say(&format!("FILL.NONE k {token}"));
        conn.get("k").expect("NONE");
        leader.say(end);
        assert_eq!(invalidated(&mut conn), if end == "FLUSHALL" { "nil" } else { "k" }, "{end}");
        leader.say("DEL k");
    }
    let token = leader.lead("k");
    leader.say(&format!("FILL.PASS k {token} PX 100"));
    conn.get("k").expect("PASS");
    server.advance_ms(1_500);
    assert_eq!(invalidated(&mut conn), "k");
}

#[test]
fn swapped_databases_invalidate_everything() {
    let server = TestServer::start();
    let mut conn = tracking(&server, "");
    conn.say("GET k");
    server.control().say("SWAPDB 0 1");
    assert_eq!(invalidated(&mut conn), "nil");
}

#[test]
fn lowered_table_forgets_without_another_read() {
    let server = TestServer::start();
    let mut conn = tracking(&server, "");
    let keys: Vec<String> = (0..8).map(|number| format!("k{number}")).collect();
    keys.iter().for_each(|key| drop(conn.say(&format!("GET {key}"))));
    assert_eq!(server.control().say("CONFIG SET tracking-table-max-keys 3"), "OK");
    let mut forgotten: Vec<String> = (0..5).map(|_| invalidated(&mut conn)).collect();
    forgotten.sort_unstable();
    forgotten.dedup();
    assert!(forgotten.len() == 5 && forgotten.iter().all(|key| keys.contains(key)), "{forgotten:?}");
    assert!(server.control().say("INFO stats").contains("tracking_total_keys:3\r\n"));
}

#[test]
fn flush_forgets_what_was_tracked_by_those_who_are_off() {
    let server = TestServer::start();
    let mut conn = tracking(&server, "");
    conn.say("GET k");
    conn.say("CLIENT TRACKING OFF");
    let mut control = server.control();
    assert!(control.say("INFO stats").contains("tracking_total_keys:1\r\n"));
    assert_eq!(control.say("FLUSHALL"), "OK");
    assert!(control.say("INFO stats").contains("tracking_total_keys:0\r\n"));
}

/// NOLOOP leaves out what a connection wrote itself. A key whose time is up was not written by it, even if its request
/// is what came upon that; every copy is out of date all the same.
#[test]
fn expiry_is_told_to_the_broadcasting_connection_that_comes_upon_it() {
    for command in
        ["EXISTS b", "GET b", "TTL b", "TYPE b", "STRLEN b", "MGET b", "FILL.GET b NOWAIT", "DEL b"]
    {
        let server = TestServer::start_with(|settings| settings.enable_debug_command = DebugAccess::Yes);
        server.control().say("DEBUG SET-ACTIVE-EXPIRE 0");
        let mut conn = tracking(&server, "BCAST NOLOOP");
        conn.say("SET b 1 PX 1");
        server.advance_ms(3);
        conn.say(command);
        assert_eq!(invalidated(&mut conn), "b", "{command}");
        conn.expect_nothing_more();
        conn.say("DEL b");
    }
}

/// Whoever changed a key last counts: a write over an expired key is the connection's own, and so is a deletion.
#[test]
fn own_write_over_an_expired_key_is_not_told() {
    let server = TestServer::start_with(|settings| settings.enable_debug_command = DebugAccess::Yes);
    server.control().say("DEBUG SET-ACTIVE-EXPIRE 0");
    let mut conn = tracking(&server, "BCAST NOLOOP");
    conn.say("SET b 1 PX 1");
    server.advance_ms(3);
    for command in ["SET b 2", "DEL b", "SET b 3", "PEXPIREAT b 1"] {
        conn.say(command);
        conn.expect_nothing_more();
    }
    let mut reader = tracking(&server, "NOLOOP");
    reader.say("SET c 1 PX 1");
    reader.say("GET c");
    server.advance_ms(3);
    reader.say("EXISTS c");
    reader.expect_nothing_more();
}

/// When the reply to QUIT is read the connection is gone for everybody: a redirection to it is broken.
#[test]
fn redirection_to_a_connection_that_has_quit_is_broken() {
    let server = TestServer::start();
    let mut writer = server.connect();
    for round in 0..200 {
        let mut target = server.connect();
        let id = target.say("CLIENT ID");
        let mut conn = tracking(&server, &format!("REDIRECT {id}"));
        conn.say("GET foo");
        assert_eq!(target.say("QUIT"), "OK");
        writer.say(&format!("SET foo {round}"));
        assert_eq!(conn.reply().text(), format!("tracking-redir-broken {id}"));
    }
}
