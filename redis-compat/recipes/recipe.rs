//! The recipe of docs/clients/rust.md, which shows this file from the first `use` on.

use redis::{FromRedisValue, RedisResult, aio::ConnectionManager, cmd};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

type Found = Result<Option<String>, Box<dyn std::error::Error + Send + Sync>>;

pub async fn cached(
    cache: &ConnectionManager, // cheap to clone: one connection for all tasks
    key: &str,
    compute: impl AsyncFn() -> Found,
) -> Found {
    let nonce = format!("{:x}", RandomState::new().hash_one(key)); // asked again after an error: the same lease again
    loop {
        let (status, value, token, _ms): (String, Option<String>, Option<String>, i64) =
            send(cache, &["FILL.GET", key, "AS", &nonce]).await?;
        if let Some(token) = token {
            // LEAD, REFRESH: compute, then say what came of it
            let found = compute().await;
            let _: String = match &found {
                Ok(Some(value)) => {
                    send(cache, &["FILL.PUT", key, &token, value, "EX", "60", "GRACE", "30000"]).await?
                }
                Ok(None) => send(cache, &["FILL.NONE", key, &token, "EX", "5"]).await?,
                Err(error) => {
                    send(cache, &["FILL.FAIL", key, &token, &error.to_string(), "RETRY", "1000"]).await?
                }
            };
            return found;
        }
        match status.as_str() {
            "HIT" | "STALE" | "NONE" => return Ok(value), // NONE: it is known not to exist
            "FAIL" => return Err(value.unwrap_or_default().into()),
            "PASS" => return compute().await,
            "SELF" => tokio::time::sleep(Duration::from_millis(10)).await, // another task of this process computes
            _ => {}                                                        // WAIT: ask again at once
        }
    }
}

async fn send<T: FromRedisValue>(cache: &ConnectionManager, words: &[&str]) -> RedisResult<T> {
    cmd(words[0]).arg(&words[1..]).query_async(&mut cache.clone()).await
}
