//! redis-rs on one multiplexed connection and through its connection manager: the same checks on both.

use super::{Checked, Filled, Results, binary_key, equal, holds, large_value, url, waiters};
use crate::peer::Peer;
use redis::aio::{ConnectionLike, ConnectionManagerConfig};
use redis::{AsyncCommands, AsyncConnectionConfig, Client, RedisResult};
use std::error::Error;
use std::time::{Duration, Instant};

/// Longer than the library's 500 ms, because the checks park for seconds.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

macro_rules! run_checks {
    ($results:ident, $peer:ident, $protocol:ident, $connection:expr, [$($check:ident),* $(,)?]) => {
        $(
            $peer.call(&["FLUSHALL"]);
            $results.add($protocol, stringify!($check), $check($peer, $connection).await);
        )*
    };
}

#[test]
fn redis_rs_multiplexed_does_its_daily_work() {
    let peer = Peer::onefill();
    let mut results = Results::of("redis-rs-multiplexed");
    block_on(async {
        for protocol in [2, 3] {
            match multiplexed(&peer, protocol).await {
                Ok(connection) => run_all(&mut results, &peer, protocol, &connection).await,
                Err(error) => results.add(protocol, "connect", Err(error.into())),
            }
        }
    });
    results.outcome.close();
}

#[test]
fn redis_rs_connection_manager_does_its_daily_work() {
    let peer = Peer::onefill();
    let mut results = Results::of("redis-rs-manager");
    block_on(async {
        for protocol in [2, 3] {
            match managed(&peer, protocol).await {
                Ok(connection) => {
                    run_all(&mut results, &peer, protocol, &connection).await;
                    results.add(
                        protocol,
                        "reconnect_after_kill",
                        reconnect_after_kill(&peer, &connection).await,
                    );
                }
                Err(error) => results.add(protocol, "connect", Err(error.into())),
            }
        }
    });
    results.outcome.close();
}

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work);
}

async fn multiplexed(peer: &Peer, protocol: u8) -> RedisResult<redis::aio::MultiplexedConnection> {
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(RESPONSE_TIMEOUT));
    Client::open(url(peer, protocol))?.get_multiplexed_async_connection_with_config(&config).await
}

async fn managed(peer: &Peer, protocol: u8) -> RedisResult<redis::aio::ConnectionManager> {
    let config = ConnectionManagerConfig::new().set_response_timeout(Some(RESPONSE_TIMEOUT));
    Client::open(url(peer, protocol))?.get_connection_manager_with_config(config).await
}

async fn run_all<C>(results: &mut Results, peer: &Peer, protocol: u8, connection: &C)
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    run_checks!(
        results,
        peer,
        protocol,
        connection,
        [
            strings,
            transaction_pipeline,
            expiry,
            scan_iter,
            client_name_and_info,
            large_values,
            binary_keys,
            errors_are_mapped,
            deep_pipeline,
            many_tasks,
            fill_leader_puts_and_others_hit,
            fill_put_is_taken_while_a_read_is_parked_on_the_same_connection,
            fill_same_connection_is_told_that_it_leads,
        ]
    );
}

async fn strings<C: ConnectionLike + Clone + Send + Sync + 'static>(_: &Peer, connection: &C) -> Checked {
    let mut c = connection.clone();
    let () = c.set("k", "v").await?;
    let (got, none): (String, Option<String>) = (c.get("k").await?, c.get("none").await?);
    equal((got.as_str(), none), ("v", None::<String>), "GET")?;
    let () = c.mset(&[("a", 1), ("b", 2)]).await?;
    let many: Vec<Option<i64>> = c.mget(&["a", "none", "b"]).await?;
    equal(many, vec![Some(1), None, Some(2)], "MGET")?;
    let n: i64 = c.incr("n", 5).await?;
    let deleted: i64 = c.del(&["a", "b", "none"]).await?;
    equal((n, deleted), (5, 2), "INCRBY and DEL")
}

async fn transaction_pipeline<C: ConnectionLike + Clone + Send + Sync + 'static>(
    _: &Peer,
    connection: &C,
) -> Checked {
    let mut c = connection.clone();
    let mut pipe = redis::pipe();
    pipe.atomic().set("k", 1).ignore().incr("k", 1).get("k").get("none");
    let replies: (i64, String, Option<String>) = pipe.query_async(&mut c).await?;
    equal(replies, (2, "2".to_owned(), None), "EXEC")
}

async fn expiry<C: ConnectionLike + Clone + Send + Sync + 'static>(_: &Peer, connection: &C) -> Checked {
    let mut c = connection.clone();
    let () = c.set_ex("k", "v", 100).await?;
    let ttl: i64 = c.ttl("k").await?;
    holds((99..=100).contains(&ttl), "TTL")?;
    let _: bool = c.pexpire("k", 20).await?;
    let started = Instant::now();
    while c.exists::<_, bool>("k").await? {
        holds(started.elapsed() < Duration::from_secs(5), "the key does not expire")?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

async fn scan_iter<C: ConnectionLike + Clone + Send + Sync + 'static>(_: &Peer, connection: &C) -> Checked {
    let mut c = connection.clone();
    let pairs: Vec<_> = (0..1000).map(|n| (format!("key:{n}"), n)).collect();
    let () = c.mset(&pairs).await?;
    let mut keys: Vec<String> = Vec::new();
    let mut iter = c.scan::<String>().await?;
    while let Some(key) = iter.next_item().await {
        keys.push(key?);
    }
    keys.sort();
    keys.dedup();
    equal(keys.len(), 1000, "SCAN")
}

async fn client_name_and_info<C: ConnectionLike + Clone + Send + Sync + 'static>(
    _: &Peer,
    connection: &C,
) -> Checked {
    let mut c = connection.clone();
    redis::cmd("CLIENT").arg("SETNAME").arg("worker-7").exec_async(&mut c).await?;
    let info: String = redis::cmd("CLIENT").arg("INFO").query_async(&mut c).await?;
    holds(info.contains("name=worker-7 ") && info.contains("lib-name=redis-rs"), &info)
}

async fn large_values<C: ConnectionLike + Clone + Send + Sync + 'static>(
    _: &Peer,
    connection: &C,
) -> Checked {
    let mut c = connection.clone();
    let value = large_value();
    let () = c.set("large", &value).await?;
    let back: Vec<u8> = c.get("large").await?;
    holds(back == value, "20 MiB do not come back whole")
}

async fn binary_keys<C: ConnectionLike + Clone + Send + Sync + 'static>(_: &Peer, connection: &C) -> Checked {
    let mut c = connection.clone();
    let () = c.set(binary_key(), b"\x00\xff").await?;
    let value: Vec<u8> = c.get(binary_key()).await?;
    let keys: Vec<Vec<u8>> = c.keys("*").await?;
    equal((value, keys), (b"\x00\xff".to_vec(), vec![binary_key()]), "GET and KEYS")
}

async fn errors_are_mapped<C: ConnectionLike + Clone + Send + Sync + 'static>(
    _: &Peer,
    connection: &C,
) -> Checked {
    let mut c = connection.clone();
    let () = c.set("s", "text").await?;
    let wrong = [
        (vec!["INCR", "s"], "value is not an integer or out of range"),
        (vec!["NONSENSE"], "unknown command"),
        (vec!["GET"], "wrong number of arguments"),
    ];
    for (words, text) in wrong {
        let result = redis::cmd(words[0]).arg(&words[1..]).exec_async(&mut c).await;
        let error = result.err().ok_or("no error")?;
        holds(error.to_string().contains(text) && error.code() == Some("ERR"), &error.to_string())?;
    }
    Ok(())
}

async fn deep_pipeline<C: ConnectionLike + Clone + Send + Sync + 'static>(
    _: &Peer,
    connection: &C,
) -> Checked {
    let mut c = connection.clone();
    let mut pipe = redis::pipe();
    for n in 0..500 {
        pipe.set(format!("key:{n}"), n).ignore().get(format!("key:{n}"));
    }
    let replies: Vec<i64> = pipe.query_async(&mut c).await?;
    equal(replies, (0..500).collect::<Vec<i64>>(), "replies in order")
}

async fn many_tasks<C: ConnectionLike + Clone + Send + Sync + 'static>(_: &Peer, connection: &C) -> Checked {
    let work = |n: i64| {
        let mut c = connection.clone();
        async move {
            let () = c.set(format!("own:{n}"), n).await?;
            let () = c.incr("shared", 1).await?;
            c.get::<_, i64>(format!("own:{n}")).await
        }
    };
    let tasks: Vec<_> = (0..500).map(|n| tokio::spawn(work(n))).collect();
    for (n, task) in (0..).zip(tasks) {
        equal(task.await??, n, "the own key")?;
    }
    let shared: i64 = connection.clone().get("shared").await?;
    equal(shared, 500, "the shared counter")
}

async fn reconnect_after_kill<C: ConnectionLike + Clone + Send + Sync + 'static>(
    peer: &Peer,
    connection: &C,
) -> Checked {
    let mut c = connection.clone();
    let id: i64 = redis::cmd("CLIENT").arg("ID").query_async(&mut c).await?;
    peer.call(&["CLIENT", "KILL", "ID", &id.to_string()]);
    let started = Instant::now();
    while redis::cmd("PING").exec_async(&mut c).await.is_err() {
        holds(started.elapsed() < Duration::from_secs(5), "no new connection")?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let new_id: i64 = redis::cmd("CLIENT").arg("ID").query_async(&mut c).await?;
    holds(new_id != id, "the same id")
}

async fn fill_leader_puts_and_others_hit<C>(peer: &Peer, connection: &C) -> Checked
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    let mut c = connection.clone();
    let token = lead(&mut c, "page").await?;
    let put: String =
        redis::cmd("FILL.PUT").arg(&["page", &token, "made", "EX", "100"]).query_async(&mut c).await?;
    equal(put, "OK", "FILL.PUT")?;
    let mut other = multiplexed(peer, 3).await?;
    let (status, value, ..): Filled = redis::cmd("FILL.GET").arg("page").query_async(&mut other).await?;
    equal((status.as_str(), value.as_deref()), ("HIT", Some("made")), "the next caller")
}

/// The shared connection leads "a" and waits for "b": its PUT must not queue behind its own parked read.
async fn fill_put_is_taken_while_a_read_is_parked_on_the_same_connection<C>(
    peer: &Peer,
    connection: &C,
) -> Checked
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    let (mut shared, mut other, third) =
        (connection.clone(), multiplexed(peer, 2).await?, multiplexed(peer, 3).await?);
    let other_token = lead(&mut other, "b").await?;
    let own_token = lead(&mut shared, "a").await?;
    let waiting = tokio::spawn(parked_get(third, "a"));
    let parked = tokio::spawn(parked_get(connection.clone(), "b"));
    let started = Instant::now();
    // The tasks need a turn of this thread's runtime before the server can count them.
    while waiters(peer, "a") != 1 || waiters(peer, "b") != 1 {
        holds(started.elapsed() < Duration::from_secs(5), "the callers are not parked")?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let put = tokio::spawn(async move {
        redis::cmd("FILL.PUT").arg(&["a", &own_token, "made a"]).query_async::<String>(&mut shared).await
    });
    let (status, value, ..) = waiting.await??;
    equal((status.as_str(), value.as_deref()), ("HIT", Some("made a")), "the waiter of a")?;
    holds(!parked.is_finished(), "the read of b was answered before b was filled")?;
    redis::cmd("FILL.PUT").arg(&["b", &other_token, "made b"]).exec_async(&mut other).await?;
    let (status, value, ..) = parked.await??;
    equal((status.as_str(), value.as_deref()), ("HIT", Some("made b")), "the parked read of b")?;
    equal(put.await??, "OK", "FILL.PUT on the shared connection")
}

async fn fill_same_connection_is_told_that_it_leads<C>(_: &Peer, connection: &C) -> Checked
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    let mut c = connection.clone();
    let token = lead(&mut c, "k").await?;
    let (status, ..) = parked_get(c.clone(), "k").await?;
    equal(status.as_str(), "SELF", "the second read")?;
    let failed: String =
        redis::cmd("FILL.FAIL").arg(&["k", &token, "origin down"]).query_async(&mut c).await?;
    equal(failed, "OK", "FILL.FAIL")
}

async fn parked_get<C: ConnectionLike>(mut connection: C, key: &str) -> RedisResult<Filled> {
    redis::cmd("FILL.GET").arg(&[key, "WAIT", "8000"]).query_async(&mut connection).await
}

async fn lead<C: ConnectionLike>(connection: &mut C, key: &str) -> Result<String, Box<dyn Error>> {
    let (status, _, token, _): Filled = redis::cmd("FILL.GET").arg(key).query_async(connection).await?;
    equal(status.as_str(), "LEAD", "a miss")?;
    token.ok_or_else(|| "no token".into())
}
