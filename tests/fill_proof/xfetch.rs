//! Early refresh against its formula: a request refreshes with probability `exp(-left / (delta * beta))`, where
//! `left` is the TTL left and `delta` the time the fill took (Vattani et al., VLDB 2015). Sampled through the
//! real code on a held clock, with a seeded generator, so a run is as the one before.
//!
//! By the Dvoretzky-Kiefer-Wolfowitz inequality the greatest distance of n samples from their distribution
//! exceeds `sqrt(ln(2 / a) / 2n)` with probability `a` at most, whatever the distribution; `a` is 1e-7.

use onefill::config::Settings;

use super::real::{Real, keys};
use super::resp::Value;

/// A key under steady load: one request every `step_ms`.
#[derive(Clone, Copy)]
struct Load {
    delta_ms: u64,
    ttl_ms: u64,
    beta: f64,
    step_ms: u64,
}

const SAMPLES: usize = 10_000;
const FALSE_ALARM: f64 = 1e-7;

fn margin(samples: usize) -> f64 {
    ((2.0 / FALSE_ALARM).ln() / (2.0 * samples as f64)).sqrt()
}

impl Load {
    fn chance(&self, left_ms: u64) -> f64 {
        (-(left_ms as f64) / (self.delta_ms as f64 * self.beta)).exp()
    }

    /// For each request of a TTL, the probability that the value was refreshed by then.
    fn formula(&self) -> Vec<f64> {
        let mut not_yet = 1.0;
        let requests = (1..).map(|n| n * self.step_ms).take_while(|at| *at < self.ttl_ms);
        requests
            .map(|at| {
                not_yet *= 1.0 - self.chance(self.ttl_ms - at);
                1.0 - not_yet
            })
            .collect()
    }

    /// At which request each of so many values was refreshed; `None`: it expired first.
    fn sample(&self, samples: usize) -> Vec<Option<usize>> {
        let mut server = Hot::new(*self);
        (0..samples).map(|_| server.live_once()).collect()
    }

    /// The greatest distance of samples from the formula.
    fn distance(&self, samples: &[Option<usize>]) -> f64 {
        let share = |n: usize| samples.iter().filter(|at| at.is_some_and(|at| at <= n)).count() as f64;
        let distances = (self.formula().into_iter().enumerate())
            .map(|(n, expected)| (share(n) / samples.len() as f64 - expected).abs());
        distances.fold(0.0, f64::max)
    }
}

/// A server with one key.
struct Hot {
    load: Load,
    real: Real,
    key: String,
    beta: String,
    is_filled: bool,
}

impl Hot {
    fn new(load: Load) -> Hot {
        let real = Real::new(Settings::default(), 3);
        Hot { load, real, key: keys(1).remove(0), beta: load.beta.to_string(), is_filled: false }
    }

    fn get(&mut self, conn: usize) -> (String, Value) {
        let reply = self.real.ask(conn, 0, &["FILL.GET", &self.key, "NOWAIT", "BETA", &self.beta]);
        (reply.array()[0].text(), reply.array()[2].clone())
    }

    /// The leader takes its time, then answers; everybody else is served meanwhile and nobody else leads.
    fn fill(&mut self, token: &Value) {
        self.real.pass(self.load.delta_ms);
        for conn in [1, 2] {
            let (status, token) = self.get(conn);
            assert!(token == Value::Nil, "{status}: a second leader");
        }
        let ttl_ms = self.load.ttl_ms.to_string();
        let put = ["FILL.PUT", &self.key, &token.text(), "v", "PX", &ttl_ms].map(str::to_owned);
        let words: Vec<&str> = put.iter().map(String::as_str).collect();
        assert_eq!(self.real.ask(0, 0, &words).text(), "OK");
    }

    /// From one PUT to the next refresh or expiry.
    fn live_once(&mut self) -> Option<usize> {
        if !self.is_filled {
            let (status, token) = self.get(0);
            assert_eq!(status, "LEAD");
            self.fill(&token);
            self.is_filled = true;
        }
        for n in 0..self.load.formula().len() {
            self.real.pass(self.load.step_ms);
            let (status, token) = self.get(0);
            if status == "REFRESH" {
                self.fill(&token);
                return Some(n);
            }
            assert_eq!(status, "HIT");
        }
        // The next request finds it expired.
        self.real.pass(self.load.step_ms);
        self.is_filled = false;
        None
    }
}

const LOADS: [Load; 3] = [
    Load { delta_ms: 50, ttl_ms: 400, beta: 1.0, step_ms: 10 },
    Load { delta_ms: 50, ttl_ms: 400, beta: 2.0, step_ms: 10 },
    Load { delta_ms: 80, ttl_ms: 300, beta: 0.5, step_ms: 15 },
];

#[test]
fn refresh_comes_when_the_formula_says() {
    fastrand::seed(1);
    for load in LOADS {
        let samples = load.sample(SAMPLES);
        let distance = load.distance(&samples);
        println!("beta {}: distance {distance:.4}, allowed {:.4}", load.beta, margin(SAMPLES));
        assert!(distance <= margin(SAMPLES), "beta {}: {distance}", load.beta);
        // So many samples would tell a formula that is off by half.
        let off = Load { beta: load.beta * 1.5, ..load };
        assert!(off.distance(&samples) > margin(SAMPLES), "too few samples to tell");
    }
}

#[test]
fn hot_key_expires_unrefreshed_no_more_often_than_the_formula_says() {
    fastrand::seed(2);
    let load = Load { delta_ms: 20, ttl_ms: 200, beta: 1.0, step_ms: 10 };
    let expected = 1.0 - load.formula().pop().expect("some requests");
    let expired = load.sample(SAMPLES).into_iter().filter(Option::is_none).count() as f64 / SAMPLES as f64;
    println!("expired {expired:.4}, by the formula {expected:.4}, allowed {:.4} more", margin(SAMPLES));
    assert!(expected > 0.05, "a load at which keys do expire");
    assert!(expired <= expected + margin(SAMPLES), "{expired}");
    // Ten times as many requests: by the formula less than one in a million expires.
    let hot = Load { step_ms: 1, ..load };
    assert!(1.0 - hot.formula().pop().expect("some requests") < 1e-6);
    assert_eq!(hot.sample(200).into_iter().filter(Option::is_none).count(), 0);
}
