//! Several workers' steps in many orders: the keyspace, its shards, the reply slots and post boxes with shuttle's
//! locks and atomics, whose scheduler decides at each of their uses who goes on.
//!
//! Where tests/fill_proof takes each event as a whole, here events overlap as they do between workers; where
//! tests/fill_history lets the machine choose, here a seeded scheduler does, and a failure names its schedule. Each
//! test runs under two of them: one that chooses at random, and PCT, which changes its mind a few times only and
//! so finds what needs long runs of one thread. shuttle's atomics are sequentially consistent: what needs weaker
//! memory to go wrong is not seen here.
//!
//! | module | what it is |
//! |---|---|
//! | `hand` | a worker with one connection, without sockets: requests in, replies out |
//! | `slots` | reply slots and post boxes by themselves |
//! | `fills` | FILL on one key from several workers |
//! | `holds` | commands that hold several shards |
//! | `spread` | keys that move to other shards meanwhile |
//! | `waits` | those who wait for keys |
//!
//!     cargo test --features shuttle --test interleavings
//!     INTERLEAVINGS=20000 INTERLEAVINGS_SEED=7 cargo test …    # more schedules, from this seed

#[path = "../support/desk.rs"]
mod desk;
mod fills;
mod hand;
mod holds;
#[path = "../support/resp.rs"]
#[allow(dead_code, reason = "this target uses a part of it")]
mod resp;
mod slots;
mod spread;
mod waits;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

/// Schedules of each kind for each test.
const SCHEDULES: usize = 600;
/// Of PCT: how often the scheduler changes its mind.
const CHANGES: usize = 3;
/// Of each thread: commands in debug builds need more than shuttle's default.
const STACK_BYTES: usize = 1 << 20;

/// Runs a story under many schedules; whoever waits for ever fails it.
fn explore(story: impl Fn() + Send + Sync + 'static) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let schedules = number("INTERLEAVINGS").unwrap_or(SCHEDULES);
    let seed = number("INTERLEAVINGS_SEED").unwrap_or(1) as u64;
    let story = std::sync::Arc::new(story);
    let run = |story: std::sync::Arc<dyn Fn() + Send + Sync>| {
        move || {
            fastrand::seed(1);
            story();
        }
    };
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    let random = RandomScheduler::new_from_seed(seed, schedules);
    Runner::new(random, config.clone()).run(run(story.clone()));
    Runner::new(PctScheduler::new_from_seed(seed, CHANGES, schedules), config).run(run(story));
}
