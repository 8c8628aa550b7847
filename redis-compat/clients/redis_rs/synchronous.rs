//! redis-rs with a synchronous connection.

use super::{Checked, Filled, Results, binary_key, equal, holds, large_value, url, waiters};
use crate::peer::Peer;
use redis::{Client, Commands, Connection, ErrorKind, RedisResult, TypedCommands};
use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

/// What a check may use: the server, a client for new connections, one open connection.
struct Bench<'a> {
    peer: &'a Peer,
    client: Client,
    connection: Connection,
}

impl Bench<'_> {
    fn another(&self) -> RedisResult<Connection> {
        self.client.get_connection()
    }
}

type Check = fn(&mut Bench) -> Checked;

const CHECKS: &[(&str, Check)] = &[
    ("strings", strings),
    ("transaction_pipeline", transaction_pipeline),
    ("watch_retry_loop", watch_retry_loop),
    ("expiry", expiry),
    ("scan_iter", scan_iter),
    ("select", select),
    ("client_name_and_info", client_name_and_info),
    ("large_value", large_values),
    ("binary_keys", binary_keys),
    ("errors_are_mapped", errors_are_mapped),
    ("deep_pipeline", deep_pipeline),
    ("fill_leader_puts_and_others_hit", fill_leader_puts_and_others_hit),
    ("fill_waiter_is_parked_until_the_put", fill_waiter_is_parked_until_the_put),
];

#[test]
fn redis_rs_sync_does_its_daily_work() {
    let peer = Peer::onefill();
    let mut results = Results::of("redis-rs-sync");
    for protocol in [2, 3] {
        for (name, check) in CHECKS {
            peer.call(&["FLUSHALL"]);
            results.add(protocol, name, with_bench(&peer, protocol, *check));
        }
    }
    results.outcome.close();
}

fn with_bench(peer: &Peer, protocol: u8, check: Check) -> Checked {
    let client = Client::open(url(peer, protocol))?;
    let connection = client.get_connection()?;
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    check(&mut Bench { peer, client, connection })
}

fn strings(bench: &mut Bench) -> Checked {
    let c = &mut bench.connection;
    TypedCommands::set(c, "k", "v")?;
    equal(TypedCommands::get(c, "k")?, Some("v".to_owned()), "GET")?;
    equal(TypedCommands::get(c, "none")?, None::<String>, "GET of nothing")?;
    TypedCommands::mset(c, &[("a", 1), ("b", 2)])?;
    let many: Vec<Option<i64>> = Commands::mget(c, &["a", "none", "b"])?;
    equal(many, vec![Some(1), None, Some(2)], "MGET")?;
    equal(TypedCommands::incr(c, "n", 5)?, 5_isize, "INCRBY")?;
    equal(TypedCommands::append(c, "k", "w")?, 2_usize, "APPEND")?;
    equal(TypedCommands::get_del(c, "k")?, Some("vw".to_owned()), "GETDEL")?;
    equal(TypedCommands::del(c, &["a", "b", "none"])?, 2_usize, "DEL")
}

fn transaction_pipeline(bench: &mut Bench) -> Checked {
    let mut pipe = redis::pipe();
    pipe.atomic().set("k", 1).ignore().incr("k", 1).get("k").get("none");
    let replies: (i64, String, Option<String>) = pipe.query(&mut bench.connection)?;
    equal(replies, (2, "2".to_owned(), None), "EXEC")
}

fn watch_retry_loop(bench: &mut Bench) -> Checked {
    let count_up = |client: Client| -> RedisResult<()> {
        let mut connection = client.get_connection()?;
        for _ in 0..20 {
            redis::transaction(&mut connection, &["counter"], |connection, pipe| {
                let value: Option<i64> = Commands::get(connection, "counter")?;
                pipe.set("counter", value.unwrap_or(0) + 1).ignore().query::<Option<()>>(connection)
            })?;
        }
        Ok(())
    };
    let workers: Vec<_> =
        (0..4).map(|_| bench.client.clone()).map(|client| thread::spawn(move || count_up(client))).collect();
    for worker in workers {
        worker.join().map_err(|_| "a worker panicked")??;
    }
    equal(TypedCommands::get(&mut bench.connection, "counter")?, Some("80".to_owned()), "the counter")
}

fn expiry(bench: &mut Bench) -> Checked {
    let c = &mut bench.connection;
    TypedCommands::set_ex(c, "k", "v", 100)?;
    let ttl: i64 = Commands::ttl(c, "k")?;
    holds((99..=100).contains(&ttl), "TTL")?;
    let set: bool = Commands::pexpire(c, "k", 20)?;
    holds(set, "PEXPIRE")?;
    let started = Instant::now();
    while TypedCommands::exists(c, "k")? {
        holds(started.elapsed() < Duration::from_secs(5), "the key does not expire")?;
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn scan_iter(bench: &mut Bench) -> Checked {
    let pairs: Vec<_> = (0..1000).map(|n| (format!("key:{n}"), n)).collect();
    TypedCommands::mset(&mut bench.connection, &pairs)?;
    let all: RedisResult<Vec<String>> = Commands::scan(&mut bench.connection)?.collect();
    let mut all = all?;
    all.sort();
    all.dedup();
    equal(all.len(), 1000, "SCAN")?;
    let some: RedisResult<Vec<String>> = Commands::scan_match(&mut bench.connection, "key:99?")?.collect();
    equal(some?.len(), 10, "SCAN MATCH")
}

fn select(bench: &mut Bench) -> Checked {
    let mut other = bench.another()?;
    redis::cmd("SELECT").arg(5).exec(&mut other)?;
    TypedCommands::set(&mut other, "k", "five")?;
    equal(TypedCommands::get(&mut bench.connection, "k")?, None::<String>, "GET in database 0")?;
    equal(TypedCommands::get(&mut other, "k")?, Some("five".to_owned()), "GET in database 5")
}

fn client_name_and_info(bench: &mut Bench) -> Checked {
    let c = &mut bench.connection;
    redis::cmd("CLIENT").arg("SETNAME").arg("worker-7").exec(c)?;
    let info: String = redis::cmd("CLIENT").arg("INFO").query(c)?;
    holds(info.contains("name=worker-7 ") && info.contains("lib-name=redis-rs"), &info)
}

fn large_values(bench: &mut Bench) -> Checked {
    let value = large_value();
    TypedCommands::set(&mut bench.connection, "large", &value)?;
    let back: Vec<u8> = Commands::get(&mut bench.connection, "large")?;
    holds(back == value, "20 MiB do not come back whole")
}

fn binary_keys(bench: &mut Bench) -> Checked {
    let c = &mut bench.connection;
    TypedCommands::set(c, binary_key(), b"\x00\xff")?;
    let value: Vec<u8> = Commands::get(c, binary_key())?;
    equal(value, b"\x00\xff".to_vec(), "GET")?;
    let keys: Vec<Vec<u8>> = Commands::keys(c, "*")?;
    equal(keys, vec![binary_key()], "KEYS")
}

fn errors_are_mapped(bench: &mut Bench) -> Checked {
    let c = &mut bench.connection;
    TypedCommands::set(c, "s", "text")?;
    let cases = [
        (redis::cmd("INCR").arg("s").exec(c), "value is not an integer or out of range"),
        (redis::cmd("NONSENSE").exec(c), "unknown command"),
        (redis::cmd("GET").exec(c), "wrong number of arguments"),
        (redis::cmd("SET").arg(&["k", "v", "EX", "0"]).exec(c), "invalid expire time"),
    ];
    for (result, text) in cases {
        let error = result.err().ok_or("no error")?;
        holds(error.to_string().contains(text), &error.to_string())?;
        holds(error.code() == Some("ERR"), &format!("code {:?}", error.code()))?;
    }
    let stranger = Client::open(format!("redis://nobody:x@{}/", bench.peer.address))?;
    let refused = stranger.get_connection().err().ok_or("a wrong password was accepted")?;
    equal(refused.kind(), ErrorKind::AuthenticationFailed, "the kind of error")
}

fn deep_pipeline(bench: &mut Bench) -> Checked {
    let mut pipe = redis::pipe();
    for n in 0..500 {
        pipe.set(format!("key:{n}"), n).ignore().get(format!("key:{n}"));
    }
    let replies: Vec<i64> = pipe.query(&mut bench.connection)?;
    equal(replies, (0..500).collect::<Vec<i64>>(), "replies in order")
}

fn fill_leader_puts_and_others_hit(bench: &mut Bench) -> Checked {
    let token = lead(&mut bench.connection, "page")?;
    let put: String =
        redis::cmd("FILL.PUT").arg(&["page", &token, "made", "EX", "100"]).query(&mut bench.connection)?;
    equal(put, "OK", "FILL.PUT")?;
    let (status, value, token, ms): Filled =
        redis::cmd("FILL.GET").arg("page").query(&mut bench.another()?)?;
    equal(
        (status.as_str(), value.as_deref(), token),
        ("HIT", Some("made"), None::<String>),
        "the next caller",
    )?;
    holds((1..=100_000).contains(&ms), "the TTL left")
}

fn fill_waiter_is_parked_until_the_put(bench: &mut Bench) -> Checked {
    let token = lead(&mut bench.connection, "slow")?;
    let mut other = bench.another()?;
    let waiter = thread::spawn(move || -> RedisResult<Filled> {
        redis::cmd("FILL.GET").arg(&["slow", "WAIT", "8000"]).query(&mut other)
    });
    let started = Instant::now();
    while waiters(bench.peer, "slow") != 1 {
        holds(started.elapsed() < Duration::from_secs(5), "the second caller is not parked")?;
        thread::sleep(Duration::from_millis(2));
    }
    redis::cmd("FILL.PUT").arg(&["slow", &token, "made"]).exec(&mut bench.connection)?;
    let (status, value, ..) = waiter.join().map_err(|_| "the waiter panicked")??;
    equal((status.as_str(), value.as_deref()), ("HIT", Some("made")), "what the waiter got")
}

fn lead(connection: &mut Connection, key: &str) -> Result<String, Box<dyn Error>> {
    let (status, _, token, _): Filled = redis::cmd("FILL.GET").arg(key).query(connection)?;
    equal(status.as_str(), "LEAD", "a miss")?;
    token.ok_or_else(|| "no token".into())
}
