//! Scripts and what else there is: fills, WATCH, events, caches on the client's side, limits on memory, expiry.

use crate::info_number;
use crate::program::Program;
use crate::support::{TestServer, Value};

#[test]
fn a_fill_in_a_script_never_waits_and_belongs_to_its_caller() {
    let server = TestServer::start();
    let [mut leader, mut other] = server.connect_many();
    let answer = leader.call(&["EVAL", "return redis.call('FILL.GET', KEYS[1])", "1", "k"]);
    let Value::Array(words) = &answer else { panic!("{answer:?}") };
    assert_eq!(words[0].text(), "LEAD");
    // Somebody else leads: a plain caller would wait.
    let answer = other.call(&["EVAL", "return redis.call('FILL.GET', KEYS[1])[1]", "1", "k"]);
    assert_eq!(answer.text(), "WAIT");
    // The lease went with its connection.
    let id = leader.id();
    leader.close();
    server.until_gone(id);
    server.advance_ms(10_000);
    other.get("k").expect("LEAD");
}

#[test]
fn a_write_in_a_script_voids_a_fill_and_ends_waiting() {
    let server = TestServer::start();
    let [mut leader, mut waiter, mut writer] = server.connect_many();
    let token = leader.lead("k");
    server.park(&mut waiter, "k");
    writer.call(&["EVAL", "return redis.call('SET', KEYS[1], 'new')", "1", "k"]);
    assert_eq!(waiter.answer().text(), "new");
    assert_eq!(leader.say(&format!("FILL.PUT k {token} old")), "VOID");
}

#[test]
fn events_and_invalidations_of_a_script_are_those_of_its_calls() {
    let server = TestServer::start_with(|settings| settings.io_threads = 1);
    let [mut subscriber, mut writer] = server.connect_many();
    assert_eq!(writer.say("CONFIG SET notify-keyspace-events KEA"), "OK");
    subscriber.run("PSUBSCRIBE __keyevent@0__:*");
    let script =
        "redis.call('SET', KEYS[1], 1) redis.call('EXPIRE', KEYS[1], 100) return redis.call('DEL', KEYS[1])";
    assert_eq!(writer.call(&["EVAL", script, "1", "k"]).text(), "1");
    for event in ["set", "expire", "del"] {
        let Value::Array(message) = subscriber.reply() else { panic!("no message") };
        assert_eq!(message[2].text(), format!("__keyevent@0__:{event}"));
    }
    let mut cache = server.connect_resp3();
    cache.run("CLIENT TRACKING ON");
    cache.call(&["EVAL", "return redis.call('GET', KEYS[1])", "1", "k"]);
    writer.say("SET k 2");
    assert_eq!(cache.reply().array()[0].text(), "invalidate");
}

#[test]
fn nothing_expires_while_a_script_runs() {
    // The clock of a program goes on by itself.
    let server = Program::start(&["--io-threads", "1"]);
    let mut conn = server.connect();
    let script = "redis.call('SET', KEYS[1], 'v', 'PX', 5) local begun = os.clock()
        repeat until os.clock() - begun > 0.05
        return {redis.call('EXISTS', KEYS[1]), redis.call('GET', KEYS[1]) == 'v'}";
    let answer = conn.call(&["EVAL", script, "1", "k"]);
    assert_eq!((answer.array()[0].text(), answer.array()[1].text()), ("1".to_owned(), "1".to_owned()));
    assert!(matches!(conn.run("GET k"), Value::Nil), "its time was over when the script ended");
}

#[test]
fn the_clock_that_a_script_sees_stands_still() {
    let server = Program::start(&["--io-threads", "1"]);
    let mut conn = server.connect();
    let script = "local first, begun = redis.call('TIME'), os.clock()
        repeat until os.clock() - begun > 0.02
        local second = redis.call('TIME')
        return {first[1] .. '.' .. first[2], second[1] .. '.' .. second[2]}";
    let answer = conn.call(&["EVAL", script, "0"]);
    let [first, second] = [0, 1].map(|at| answer.array()[at].text());
    assert_eq!(first, second);
    let next = conn.call(&["EVAL", script, "0"]).array()[0].text();
    assert_ne!(first, next, "the next one sees the time of its own");
}

#[test]
fn the_limit_of_what_scripts_hold_can_be_moved_while_the_server_runs() {
    let server = TestServer::start_with(|settings| settings.io_threads = 1);
    let mut conn = server.connect();
    let script = "local t = {} for i = 1, 24 do t[i] = string.rep('x', 1000000) .. i end return #t";
    assert_eq!(conn.call(&["EVAL", script, "0"]).text(), "24");
    assert_eq!(conn.say("CONFIG SET script-memory-limit 8mb"), "OK");
    let Value::Error(error) = conn.call(&["EVAL", script, "0"]) else { panic!("it found room") };
    assert!(error.contains("not enough memory"), "{error}");
    assert_eq!(conn.call(&["EVAL", "return 1", "0"]).text(), "1");
    assert_eq!(conn.say("CONFIG SET script-memory-limit 128mb"), "OK");
    assert_eq!(conn.call(&["EVAL", script, "0"]).text(), "24");
}

#[test]
fn a_source_is_shown_as_it_was_sent() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let text = "#!lua flags=no-writes\nreturn 1";
    let sha = conn.call(&["SCRIPT", "LOAD", text]).text();
    assert_eq!(conn.say(&format!("SCRIPT SHOW {}", sha.to_uppercase())), text);
    assert_eq!(conn.say("SCRIPT FLUSH"), "OK");
    assert_eq!(conn.error(&format!("SCRIPT SHOW {sha}")), "NOSCRIPT No matching script.");
}

#[test]
fn out_of_memory_is_judged_before_the_first_write() {
    let server = TestServer::start();
    let mut conn = server.connect();
    conn.say("SET k v");
    assert_eq!(conn.say("CONFIG SET maxmemory-policy noeviction"), "OK");
    assert_eq!(conn.say("CONFIG SET maxmemory 1"), "OK");
    let refused = "OOM command not allowed when used memory > 'maxmemory'.";
    for script in [
        "return redis.call('SET', KEYS[1], 1)",
        "redis.call('GET', KEYS[1]) return redis.call('SET', KEYS[1], 1)",
    ] {
        let Value::Error(error) = conn.call(&["EVAL", script, "1", "k"]) else { panic!("{script} ran") };
        assert!(error.starts_with(refused), "{error}");
    }
    assert_eq!(conn.call(&["EVAL", "return redis.call('DEL', KEYS[1])", "1", "k"]).text(), "1");
    // Once something was written the rest may be.
    let script = "redis.call('DEL', KEYS[1]) redis.call('SET', KEYS[1], 2) return redis.call('GET', KEYS[1])";
    assert_eq!(conn.call(&["EVAL", script, "1", "k"]).text(), "2");
    let script = "#!lua flags=allow-oom\nredis.call('SET', KEYS[1], 3) return 1";
    assert_eq!(conn.call(&["EVAL", script, "1", "k"]).text(), "1");
    let Value::Error(error) = conn.call(&["EVAL", "#!lua\nreturn 1", "0"]) else { panic!("it ran") };
    assert!(error.starts_with("OOM allow-oom flag is not set"), "{error}");
}

#[test]
fn sources_that_only_eval_brought_give_way_and_loaded_ones_stay() {
    let server = TestServer::start();
    let mut conn = server.connect();
    let loaded = conn.call(&["SCRIPT", "LOAD", "return 'loaded'"]).text();
    let first = conn.call(&["EVAL", "return redis.sha1hex('return 0')", "0"]).text();
    (0..600).for_each(|number| drop(conn.call(&["EVAL", &format!("return {number}"), "0"])));
    assert_eq!(conn.say(&format!("EVALSHA {loaded} 0")), "loaded");
    assert!(conn.error(&format!("EVALSHA {first} 0")).starts_with("NOSCRIPT"));
    assert_eq!(info_number(&mut conn, "number_of_cached_scripts"), 501);
    assert_eq!(info_number(&mut conn, "evicted_scripts"), 101);
    assert_eq!(conn.say("SCRIPT FLUSH"), "OK");
    assert_eq!(info_number(&mut conn, "number_of_cached_scripts"), 0);
    assert!(conn.error(&format!("EVALSHA {loaded} 0")).starts_with("NOSCRIPT"));
}

#[test]
fn a_pause_of_writes_puts_scripts_off_that_may_write() {
    let server = TestServer::start();
    let [mut operator, mut writer, mut reader] = server.connect_many();
    operator.say("SET k v");
    assert_eq!(operator.say("CLIENT PAUSE 100000 WRITE"), "OK");
    writer.send(&["EVAL", "return redis.call('SET', KEYS[1], 'w')", "1", "k"]);
    assert_eq!(reader.call(&["EVAL_RO", "return redis.call('GET', KEYS[1])", "1", "k"]).text(), "v");
    let said = "#!lua flags=no-writes\nreturn redis.call('GET', KEYS[1])";
    assert_eq!(reader.call(&["EVAL", said, "1", "k"]).text(), "v");
    let sha = reader.call(&["SCRIPT", "LOAD", said]).text();
    assert_eq!(reader.call(&["EVALSHA", &sha, "1", "k"]).text(), "v");
    writer.expect_silence();
    let refused = reader.call(&["EVAL_RO", "return redis.call('PUBLISH', 'c', 'm')", "0"]);
    assert!(
        format!("{refused:?}").contains("Write commands are not allowed from read-only scripts"),
        "{refused:?}"
    );
    assert_eq!(operator.say("CLIENT UNPAUSE"), "OK");
    assert_eq!(writer.reply().text(), "OK");
}

#[test]
fn a_monitor_sees_a_script_and_behind_it_what_that_calls() {
    let server = TestServer::start_with(|settings| settings.io_threads = 1);
    let [mut monitor, mut caller] = server.connect_many();
    assert_eq!(monitor.say("MONITOR"), "OK");
    caller.run("CONFIG SET slowlog-log-slower-than 0");
    caller.call(&["EVAL", "redis.call('SELECT', 3) return redis.call('set', KEYS[1], 'v')", "1", "k"]);
    let mut next = || monitor.reply().text();
    let [script, select, set] = std::array::from_fn(|_| next());
    assert!(
        script.contains(r#""EVAL" "redis.call('SELECT', 3) return"#) && !script.contains("lua]"),
        "{script}"
    );
    assert!(select.contains(r#"lua] "SELECT" "3""#), "{select}");
    assert!(set.contains(r#"[3 lua] "set" "k" "v""#), "{set}");
    let slow = caller.run("SLOWLOG GET 10");
    let names = slow.array().iter().map(|entry| entry.array()[3].array()[0].text()).collect::<Vec<_>>();
    assert_eq!(names, ["EVAL", "CONFIG"], "of a script the slow log has the script alone");
}
