//! Scripts that run for long: others go on, wait, or are refused, and nothing is lost or seen half done.

use crate::info_number;
use crate::program::Program;
use crate::support::{Conn, Value};

/// Runs for as long as nobody kills it.
const ENDLESS: &str = "while true do end";

/// Writes its first key, spends `ARGV[1]` seconds, and writes its second.
const LONG: &str = "redis.call('SET', KEYS[1], 'half') local begun = os.clock() \
    while os.clock() - begun < tonumber(ARGV[1]) do end redis.call('SET', KEYS[2], 'whole') return 'done'";

/// Sends a script, and returns once it has let others run: it is the `count`th on this server that does.
fn begin(victim: &mut Conn, other: &mut Conn, words: &[&str], count: u64) {
    victim.send(words);
    while info_number(other, "slow_scripts") < count {}
}

fn kill(other: &mut Conn, victim: &mut Conn) {
    assert_eq!(other.say("SCRIPT KILL"), "OK");
    let Value::Error(error) = victim.reply() else { panic!("it ended by itself") };
    assert!(error.starts_with("ERR Script killed by user"), "{error}");
}

fn busy() -> Value {
    Value::Error(
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.".into(),
    )
}

#[test]
fn others_go_on_and_who_needs_its_keys_waits_until_it_ends() {
    for workers in ["1", "2"] {
        let server = Program::start(&["--io-threads", workers]);
        let [mut victim, mut other, mut waiting] = std::array::from_fn(|_| server.connect());
        begin(&mut victim, &mut other, &["EVAL", LONG, "2", "a", "b", "0.3"], 1);
        // Behind it in its own connection, and on another: keys that it has.
        victim.pipeline(&["GET b", "PING"]);
        waiting.pipeline(&["MGET a b x", "APPEND a !", "KEYS [ab]"]);
        // Each of these is answered while it runs.
        for at in 0..10 {
            assert_eq!(other.say(&format!("SET other{at} 1")), "OK");
        }
        assert_eq!(other.say("PING"), "PONG");
        assert_eq!(victim.reply().text(), "done");
        assert_eq!([victim.reply().text(), victim.reply().text()], ["whole", "PONG"]);
        assert_eq!(
            waiting.reply().array()[..2].iter().map(Value::text).collect::<Vec<_>>(),
            ["half", "whole"]
        );
        assert_eq!(waiting.reply().text(), "5");
        assert_eq!(waiting.reply().array().len(), 2);
    }
}

#[test]
fn who_needs_its_keys_is_refused_after_the_threshold_and_nobody_else() {
    let server = Program::start(&["--io-threads", "2", "--busy-reply-threshold", "100"]);
    let [mut victim, mut other, mut waiting, mut transaction] = std::array::from_fn(|_| server.connect());
    begin(&mut victim, &mut other, &["EVAL", ENDLESS, "1", "k"], 1);
    transaction.pipeline(&["MULTI", "GET k", "EXEC", "PING"]);
    // Sent in time, it waits until the threshold.
    waiting.pipeline(&["GET k", "KEYS *", "PING"]);
    assert_eq!([waiting.reply(), waiting.reply()], [busy(), busy()]);
    assert_eq!(waiting.reply().text(), "PONG");
    assert_eq!([transaction.reply().text(), transaction.reply().text()], ["OK", "QUEUED"]);
    let Value::Error(error) = transaction.reply() else { panic!("it is refused") };
    assert!(error.starts_with("EXECABORT Transaction discarded because of: BUSY "), "{error}");
    assert_eq!(transaction.reply().text(), "PONG");
    assert_eq!(other.run("SET k 1"), busy());
    assert_eq!(other.say("SET elsewhere 1"), "OK");
    // Scripts on the other worker run, if they keep to other keys.
    let answers =
        [&mut other, &mut waiting].map(|conn| conn.call(&["EVAL", "return 1", "1", "elsewhere"]).text());
    assert!(answers.contains(&"1".to_owned()), "{answers:?}");
    kill(&mut other, &mut victim);
    assert_eq!(other.say("SET k 1"), "OK");
}

#[test]
fn a_wide_one_that_waits_for_another_is_counted() {
    let wide = LONG.replace("KEYS", "ARGV").replace("tonumber(ARGV[1])", "0.3");
    let server = Program::start(&["--io-threads", "2"]);
    // Connections go to the workers by turns: the last one is not the first one's.
    let [mut victim, mut other, _same, mut waiting] = std::array::from_fn(|_| server.connect());
    begin(&mut victim, &mut other, &["EVAL", &wide, "0", "a", "b"], 1);
    waiting.send(&["EVAL", "return redis.call('GET', ARGV[1])", "0", "x"]);
    while info_number(&mut other, "script_gate_waits") < 1 {}
    assert!(matches!(waiting.reply(), Value::Nil));
    assert_eq!(victim.reply().text(), "done");
}

#[test]
fn with_the_scope_of_redis_everybody_is_refused() {
    let args = ["--io-threads", "1", "--busy-reply-threshold", "50", "--busy-reply-scope", "server"];
    let server = Program::start(&args);
    let [mut victim, mut other] = std::array::from_fn(|_| server.connect());
    begin(&mut victim, &mut other, &["EVAL", ENDLESS, "0"], 1);
    while other.say("PING") == "PONG" {}
    assert_eq!(other.run("PING"), busy());
    assert_eq!(other.run("SET x 1"), busy());
    kill(&mut other, &mut victim);
    assert_eq!(other.say("PING"), "PONG");
}

#[test]
fn what_has_written_cannot_be_killed_and_ends_whole() {
    let server = Program::start(&["--io-threads", "1"]);
    let [mut victim, mut other] = std::array::from_fn(|_| server.connect());
    begin(&mut victim, &mut other, &["EVAL", LONG, "2", "a", "b", "0.2"], 1);
    let error = other.error("SCRIPT KILL");
    assert!(error.starts_with("UNKILLABLE Sorry the script already executed write commands"), "{error}");
    assert_eq!(victim.reply().text(), "done");
    assert_eq!(other.error("SCRIPT KILL"), "NOTBUSY No scripts in execution right now.");
}

#[test]
fn what_a_client_leaves_behind_is_done_to_its_end() {
    let server = Program::start(&["--io-threads", "1"]);
    let [mut victim, mut other, mut subscriber] = std::array::from_fn(|_| server.connect());
    subscriber.run("SUBSCRIBE news");
    let script = format!("redis.call('PUBLISH', 'news', 'begun') {LONG}");
    begin(&mut victim, &mut other, &["EVAL", &script, "2", "a", "b", "0.2"], 1);
    victim.close();
    assert_eq!(other.say("GET b"), "whole");
    // What it told leaves with its end, whoever is there to hear of it.
    assert_eq!(subscriber.reply().array()[2].text(), "begun");
}

#[test]
fn one_who_watches_or_hears_messages_finds_its_session_as_it_was() {
    let server = Program::start(&["--io-threads", "1"]);
    let [mut victim, mut other] = std::array::from_fn(|_| server.connect());
    victim.run("HELLO 3");
    victim.run("SUBSCRIBE news");
    victim.run("SELECT 3");
    begin(&mut victim, &mut other, &["EVAL", LONG, "2", "a", "b", "0.2"], 1);
    assert_eq!(other.say("PUBLISH news x"), "1");
    assert_eq!(victim.reply().text(), "done");
    assert_eq!(victim.reply().array()[2].text(), "x", "the message comes when it has ended");
    assert_eq!(victim.say("GET b"), "whole");
    assert_eq!(other.say("GET b"), "nil");
    // In a transaction, with the reply left out.
    victim.pipeline(&["MULTI"]);
    victim.send(&["EVAL", LONG, "2", "a", "c", "0.05"]);
    victim.pipeline(&["GET c", "EXEC", "CLIENT REPLY SKIP"]);
    victim.send(&["EVAL", LONG, "2", "a", "d", "0.05"]);
    victim.pipeline(&["GET d"]);
    assert_eq!(std::array::from_fn(|_| victim.reply().text()), ["OK", "QUEUED", "QUEUED"]);
    assert_eq!(victim.reply().array().iter().map(Value::text).collect::<Vec<_>>(), ["done", "whole"]);
    assert_eq!(victim.reply().text(), "whole");
}

#[test]
fn many_long_ones_come_to_their_end_one_after_the_other() {
    let server = Program::start(&["--io-threads", "4"]);
    let mut conns: Vec<Conn> = (0..12).map(|_| server.connect()).collect();
    // Wide ones and narrow ones, over the same keys in different orders.
    let wide = "for round = 1, 3 do local begun = os.clock() while os.clock() - begun < 0.008 do end \
        redis.call('INCR', ARGV[1 + round % 2]) end return 1";
    let narrow = "redis.call('INCR', KEYS[1]) local begun = os.clock() while os.clock() - begun < 0.02 do end \
        redis.call('INCR', KEYS[2]) return 1";
    for (at, conn) in conns.iter_mut().enumerate() {
        let (first, second) = if at % 2 == 0 { ("a", "b") } else { ("b", "a") };
        match at % 3 {
            0 => conn.send(&["EVAL", wide, "0", first, second]),
            1 => conn.send(&["EVAL", narrow, "2", first, second]),
            _ => conn.pipeline(&["MULTI", "INCR a", "INCR b", "EXEC"]),
        }
    }
    for (at, conn) in conns.iter_mut().enumerate() {
        match at % 3 {
            0 | 1 => assert_eq!(conn.reply().text(), "1"),
            _ => assert_eq!([0; 4].map(|_| conn.reply()).last().map(|reply| reply.array().len()), Some(2)),
        }
    }
    let sum = ["GET a", "GET b"]
        .map(|line| conns[0].say(line).parse::<u64>().expect("a number"))
        .iter()
        .sum::<u64>();
    assert_eq!(sum, 4 * 3 + 4 * 2 + 4 * 2);
}

#[test]
fn a_server_with_an_endless_script_stops_all_the_same() {
    let server = Program::start(&["--io-threads", "1"]);
    let [mut victim, mut other] = std::array::from_fn(|_| server.connect());
    begin(&mut victim, &mut other, &["EVAL", ENDLESS, "1", "k"], 1);
    other.send(&["SHUTDOWN", "NOSAVE"]);
    assert!(other.next_reply().is_err(), "the connection ends");
}
