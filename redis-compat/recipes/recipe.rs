//! The recipe of docs/clients/rust.md, which shows this file from the first `use` on.

// let fills = Fills::new(redis::Client::open("redis://127.0.0.1")?.get_connection_manager().await?);
// let user = fills.cached("user:7", async || load(7).await).await?;
use redis::{FromRedisValue, aio::ConnectionManager, cmd};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::OnceCell;

pub type Failure = Arc<dyn std::error::Error + Send + Sync>;
pub type Found = Result<Option<String>, Failure>;

#[derive(Clone)]
pub struct Fills {
    cache: ConnectionManager, // one connection for all tasks
    underway: Arc<Mutex<HashMap<String, Arc<OnceCell<Found>>>>>, // all tasks wait for one FILL.GET of a key
}

impl Fills {
    pub fn new(cache: ConnectionManager) -> Fills {
        Fills { cache, underway: Arc::default() }
    }

    pub async fn cached(&self, key: &str, compute: impl AsyncFn() -> Found) -> Found {
        let place = self.underway().entry(key.to_owned()).or_default().clone();
        let found = place.get_or_init(|| self.ask(key, compute)).await.clone();
        let mut underway = self.underway();
        if underway.get(key).is_some_and(|now| Arc::ptr_eq(now, &place)) {
            underway.remove(key);
        }
        found
    }

    async fn ask(&self, key: &str, compute: impl AsyncFn() -> Found) -> Found {
        let nonce = format!("{:x}", RandomState::new().hash_one(key)); // asked again after an error: the same lease
        loop {
            let (status, value, token, ms): (String, Option<String>, Option<String>, u64) =
                self.send(&["FILL.GET", key, "AS", &nonce]).await?;
            if let Some(token) = token {
                // LEAD, REFRESH: compute, then say what came of it
                let found = compute().await;
                let _: String = match &found {
                    Ok(Some(value)) => {
                        self.send(&["FILL.PUT", key, &token, value, "EX", "60", "GRACE", "30000"]).await?
                    }
                    Ok(None) => self.send(&["FILL.NONE", key, &token, "EX", "5"]).await?,
                    Err(error) => {
                        self.send(&["FILL.FAIL", key, &token, &error.to_string(), "RETRY", "1000"]).await?
                    }
                };
                return found;
            }
            match status.as_str() {
                "HIT" | "STALE" | "NONE" => return Ok(value), // NONE: None, it is known not to exist
                "FAIL" => {
                    return Err(
                        Box::<dyn std::error::Error + Send + Sync>::from(value.unwrap_or_default()).into()
                    );
                }
                "PASS" => return compute().await,
                // WAIT: how long to stay away, mostly 0. SELF: this connection leads.
                "WAIT" => tokio::time::sleep(Duration::from_millis(ms)).await,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn send<T: FromRedisValue>(&self, words: &[&str]) -> Result<T, Failure> {
        let sent = cmd(words[0]).arg(&words[1..]).query_async(&mut self.cache.clone()).await;
        sent.map_err(|error| Arc::new(error) as Failure)
    }

    fn underway(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<OnceCell<Found>>>> {
        self.underway.lock().expect("nothing panics with the lock held")
    }
}
