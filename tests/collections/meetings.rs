//! Collections under the keys of others' features.

use onefill::config::DebugAccess;

use crate::support::{TestServer, Value};

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

fn start() -> TestServer {
    TestServer::start_with(|settings| settings.enable_debug_command = DebugAccess::Yes)
}

/// A number that INFO shows.
fn figure(server: &TestServer, name: &str) -> u64 {
    let info = server.control().say("INFO everything");
    let found = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("INFO has no number {name}"))
}

/// Every figure kept is what a recount finds.
#[track_caller]
fn expect_sound(server: &TestServer) {
    let census = server.control().run("DEBUG RECOUNT");
    assert_eq!(census.array().last().expect("a recount tells of faults").array(), []);
}

#[test]
fn fill_of_a_collection_is_an_error_and_elects_nobody() {
    let server = start();
    let [mut writer, mut caller] = server.connect_many();
    writer.say("HSET h a 1");
    writer.say("SADD s m");
    writer.say("RPUSH l e");
    writer.say("ZADD z 1 m");
    for key in ["h", "s", "l", "z"] {
        assert_eq!(caller.error(&format!("FILL.GET {key}")), WRONG_TYPE);
        assert!(server.flight(key).is_none());
        assert_eq!(caller.error(&format!("FILL.STALE {key}")), WRONG_TYPE);
    }
    let answers = caller.run("FILL.MGET 2 h k");
    assert_eq!(answers.array()[0], Value::Error(WRONG_TYPE.to_owned()));
    assert_eq!(answers.array()[1].array()[0].text(), "LEAD", "the other key's lease is not lost");
    let token = answers.array()[1].array()[2].text();
    assert_eq!(caller.say(&format!("FILL.PUT h {token} v")), "VOID", "another key's token");
    assert_eq!(caller.say("HGET h a"), "1");
    assert_eq!(caller.say(&format!("FILL.PUT k {token} v")), "OK");
}

#[test]
fn collection_written_over_a_fill_voids_it_and_its_waiters_get_the_error() {
    let server = start();
    let writes = [
        "HSET k a 1",
        "SADD k m",
        "SUNIONSTORE k other",
        "COPY other k",
        "EVAL HSET",
        "RPUSH k e",
        "LMOVE list k LEFT LEFT",
        "RENAME list k",
        "ZADD k 1 m",
        "ZUNIONSTORE k 1 other",
        "ZRANGESTORE k sorted 0 -1",
    ];
    for write in writes {
        let [mut leader, mut waiter, mut writer] = server.connect_many();
        writer.say("DEL other list");
        writer.say("SADD other x");
        writer.say("RPUSH list e");
        writer.say("ZADD sorted 1 x");
        let token = leader.lead("k");
        server.park(&mut waiter, "k");
        match write {
            "EVAL HSET" => {
                drop(writer.call(&["EVAL", "return redis.call('HSET', KEYS[1], 'a', 1)", "1", "k"]))
            }
            write => drop(writer.run(write)),
        }
        assert_eq!(waiter.reply(), Value::Error(WRONG_TYPE.to_owned()), "{write}");
        assert_eq!(leader.say(&format!("FILL.PUT k {token} late")), "VOID", "{write}");
        writer.say("DEL k");
    }
}

#[test]
fn hidden_entries_give_way_to_a_collection_and_the_last_item_ends_a_fill_as_a_deletion() {
    let server = start();
    let [mut leader, mut other] = server.connect_many();
    for (hide, write) in [("FILL.NONE k", "HSET k a 1"), ("FILL.PASS k", "ZADD k 1 m")] {
        let token = leader.lead("k");
        assert_eq!(leader.say(&format!("{hide} {token} PX 1000")), "OK");
        assert_eq!(other.say(write), "1");
        assert_eq!(other.say("TTL k"), "-1");
        other.say("DEL k");
    }
    let token = leader.lead("k");
    leader.say(&format!("FILL.PUT k {token} v PX 10 GRACE 100000"));
    server.advance_ms(20);
    assert_eq!(other.say("SADD k m"), "1", "a stale value is absent to all but FILL");
    assert_eq!(other.say("TYPE k"), "set");
    other.say("SREM k m");
    other.get("k").expect("LEAD");
    other.say("RPUSH k e");
    other.say("LPOP k");
    other.get("k").expect("LEAD");
    expect_sound(&server);
}

#[test]
fn caches_hear_of_each_change_and_of_the_end() {
    let server = TestServer::start_with(|settings| {
        settings.io_threads = 1;
        settings.enable_debug_command = DebugAccess::Yes;
    });
    let mut cache = server.connect_resp3();
    let mut writer = server.connect();
    cache.run("CLIENT TRACKING ON");
    let changes = [
        ("HSET h a 1", "HGET h a"),
        ("HINCRBY h a 1", "HGETALL h"),
        ("HDEL h a", "HLEN h"),
        ("SADD s 1 2", "SMEMBERS s"),
        ("SPOP s", "SISMEMBER s 1"),
        ("SUNIONSTORE s s other", "SRANDMEMBER s"),
        ("SREM s 1 2", "SCARD s"),
        ("RPUSH l a b c d", "LRANGE l 0 -1"),
        ("LSET l 0 x", "LINDEX l 0"),
        ("LINSERT l AFTER x y", "LPOS l y"),
        ("LREM l 1 y", "LLEN l"),
        ("LTRIM l 0 1", "LLEN l"),
        ("LPOP l", "LLEN l"),
        ("RPOPLPUSH l m", "LLEN l"),
        ("ZADD z 1 a 2 b", "ZRANGE z 0 -1"),
        ("ZINCRBY z 1 a", "ZSCORE z a"),
        ("ZREMRANGEBYRANK z 0 0", "ZRANK z b"),
        ("ZUNIONSTORE z 1 z", "ZCOUNT z 0 1"),
        ("ZPOPMAX z", "ZCARD z"),
    ];
    for (change, read) in changes {
        let key = change.split(' ').nth(1).expect("a key");
        cache.run(read);
        writer.say(change);
        let message = cache.reply();
        assert_eq!((message.array()[0].text(), message.array()[1].text()), ("invalidate".into(), key.into()));
    }
    cache.run("HGET h a");
    writer.say("HDEL h none");
    writer.say("SREM none 1");
    cache.run("LLEN m");
    for line in ["LREM m 0 none", "LPOP m 0", "LINSERT m BEFORE none x", "RPUSHX l x", "LTRIM none 0 1"] {
        writer.run(line);
    }
    writer.say("ZADD none XX 1 m");
    assert_eq!(cache.say("PING"), "PONG", "what changed nothing tells nobody");
}

#[test]
fn collections_expire_and_are_swept_like_all_else() {
    let server = start();
    let mut conn = server.connect();
    for key in 0..50 {
        conn.say(&format!("HSET h{key} a 1 b 2"));
        conn.say(&format!("PEXPIRE h{key} 1000"));
    }
    (0..600).for_each(|member| drop(conn.say(&format!("SADD large member:{member}"))));
    (0..600).for_each(|element| drop(conn.say(&format!("RPUSH queue element:{element}"))));
    (0..600).for_each(|member| drop(conn.say(&format!("ZADD sorted {member} member:{member}"))));
    for key in ["large", "queue", "sorted"] {
        conn.say(&format!("PEXPIRE {key} 1000"));
    }
    conn.say("HSET stays a 1");
    server.advance_ms(1_001);
    assert_eq!(conn.say("HGETALL h7"), "");
    assert_eq!((conn.say("SCARD large"), conn.say("LRANGE queue 0 -1")), ("0".into(), "".into()));
    assert_eq!(conn.say("ZRANGE sorted 0 -1"), "");
    assert_eq!(conn.say("DBSIZE"), "1");
    assert_eq!(conn.say("HSET h7 c 3"), "1");
    assert_eq!((conn.say("HLEN h7"), conn.say("TTL h7")), ("1".into(), "-1".into()));
    expect_sound(&server);
}

#[test]
fn scripts_that_keep_to_their_keys_run_narrow() {
    let server = start();
    let mut conn = server.connect();
    let script = "redis.call('HSET', KEYS[1], 'n', (redis.call('HGET', KEYS[1], 'n') or 0) + 1)
        redis.call('SADD', KEYS[2], ARGV[1]) redis.call('ZADD', KEYS[3], ARGV[1], 'm')
        redis.call('ZREMRANGEBYSCORE', KEYS[3], 0, ARGV[1] - 1) return redis.call('SCARD', KEYS[2])";
    for number in ["1", "2", "3"] {
        assert_eq!(conn.call(&["EVAL", script, "3", "h", "s", "z", number]).text(), number);
    }
    assert_eq!((conn.say("HGET h n"), conn.say("ZSCORE z m")), ("3".into(), "3".into()));
    let script = "redis.call('RPUSH', KEYS[1], ARGV[1]) redis.call('RPOPLPUSH', KEYS[1], KEYS[2])
        return redis.call('LRANGE', KEYS[2], 0, -1)";
    assert_eq!(conn.call(&["EVAL", script, "2", "l", "m", "a"]).text(), "a");
    let answer = conn.call(&["EVAL", "return redis.call('HGETALL', KEYS[1])", "1", "h"]);
    assert_eq!(answer.text(), "n 3");
    let error = conn.call(&["EVAL", "return redis.pcall('GET', KEYS[1])", "1", "h"]);
    assert_eq!(error, Value::Error(WRONG_TYPE.to_owned()));
    assert_eq!((figure(&server, "scripts_wide"), figure(&server, "script_demotions")), (0, 0));
    assert!(figure(&server, "scripts_narrow") >= 5);
}

#[test]
fn databases_are_swapped_and_flushed_with_what_is_in_them() {
    let server = start();
    let mut conn = server.connect();
    (0..600).for_each(|field| drop(conn.say(&format!("HSET h field:{field} {field}"))));
    conn.say("SADD s a b");
    (0..600).for_each(|member| drop(conn.say(&format!("ZADD z {member} {member}"))));
    let value = "x".repeat(20_000);
    conn.say(&format!("HSET h large {value}"));
    (0..600).for_each(|element| drop(conn.say(&format!("RPUSH l element:{element}"))));
    conn.say(&format!("LSET l 300 {value}"));
    assert_eq!(conn.say("SWAPDB 0 1"), "OK");
    assert_eq!(conn.say("EXISTS h s l z"), "0");
    conn.say("SELECT 1");
    assert_eq!(
        [conn.say("HLEN h"), conn.say("HGET h field:599"), conn.say("SCARD s"), conn.say("ZRANK z 599")],
        ["601", "599", "2", "599"]
    );
    assert_eq!((conn.say("LLEN l"), conn.say("LINDEX l 300")), ("600".into(), value));
    expect_sound(&server);
    assert_eq!(conn.say("FLUSHALL"), "OK");
    assert_eq!(conn.say("DBSIZE"), "0");
    expect_sound(&server);
}

#[test]
fn sizes_of_collections_are_told_by_their_items() {
    let server = start();
    let mut conn = server.connect();
    for line in [
        "SET k vv",
        "HSET h a 1 b 2 c 3",
        "HSET i a 1",
        "SADD s 1",
        "SADD t a b c d",
        "RPUSH l a a a",
        "ZADD z 1 a 2 b",
    ] {
        conn.say(line);
    }
    (0..600).for_each(|member| drop(conn.say(&format!("SADD large {member}x"))));
    let expected = "# Keysizes\r\ndb0_distrib_strings_sizes:2=1\r\ndb0_distrib_lists_items:2=1\r\n\
                    db0_distrib_sets_items:1=1,4=1,512=1\r\ndb0_distrib_zsets_items:2=1\r\n\
                    db0_distrib_hashes_items:1=1,2=1\r\n";
    assert_eq!(conn.say("INFO keysizes"), expected);
}
