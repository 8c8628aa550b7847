//! Loads made from histograms of production caches, as CacheLib's benchmark, CacheBench, reads them.
//!
//! The files are those of facebook/CacheLib, `cachelib/cachebench/test_configs`, and mean what its sources say
//! (`cachebench/util/Config.h`, `workload/WorkloadDistribution.h`, `workload/distributions/FastDiscrete.h`):
//!
//! - `popularityBuckets` and `popularityWeights`: so many keys share so many requests, the most popular first. A request
//!   draws a bucket by its weight and a key of it evenly. For a load of fewer keys the ranks are shrunk alike, so that
//!   neighbours become one key. CacheBench puts 2048 buckets of equal weight in place of these, to draw faster; here
//!   they are drawn from as they are.
//! - `valSizeRange` and `valSizeRangeProbability`, equally long: lengths and their weights. A key has one for good.
//!   CacheBench draws it at random, and who runs it takes many keys: with few, a popular one that happens to have a value
//!   of 500 KB has most of the bytes. Here lengths are dealt evenly over the keys in order of first use, which the popular
//!   ones are early in: of any run of keys each length has its share.
//! - `oneHits`: CacheBench does not read it. The buckets begin at two requests per key. Taken as the share of *requests*
//!   that go to keys asked for once, it continues them (for `graph_cache_leader_fbobj` 35 million keys asked for once,
//!   after 13.5 million asked for twice and 5.0 million three times); taken as a share of keys it would not.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::replay::Sizes;
use crate::traces::Trace;
use crate::wire::KEY_BYTES;

/// The folders under `meta/`.
pub const NAMES: [&str; 2] = ["graph_cache_leader_fbobj", "kvcache_reg"];

/// Requests of a load, the keys that the histogram's are shrunk to, and the seed.
const REQUESTS: usize = 2_000_000;
const KEYS: u64 = 500_000;
const SEED: u64 = 1;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PopularityFile {
    one_hits: f64,
    popularity_buckets: Vec<u64>,
    popularity_weights: Vec<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SizesFile {
    val_size_range: Vec<u32>,
    val_size_range_probability: Vec<f64>,
}

/// Requests, and for each key the bytes of its value.
pub struct Load {
    pub trace: Trace,
    sizes: Vec<u32>,
}

impl Load {
    pub fn sizes(&self) -> Sizes<'_> {
        Sizes::Each(&self.sizes)
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> u64 {
        self.sizes.iter().map(|bytes| u64::from(*bytes) + KEY_BYTES as u64).sum()
    }
}

/// Makes a load from the histograms of a folder under `meta/`.
pub fn load(folder: &Path, name: &'static str) -> Result<Load, String> {
    let folder = folder.join("meta").join(name);
    let popularity = Popularity::new(read(&folder.join("pop.json"))?)?;
    let sizes: SizesFile = read(&folder.join("sizes.json"))?;
    if sizes.val_size_range.len() != sizes.val_size_range_probability.len() {
        return Err(format!("{}: sizes without a weight each", folder.display()));
    }
    let weights = Weights::new(sizes.val_size_range_probability)?;
    let mut random = fastrand::Rng::with_seed(SEED);
    let requests = popularity.requests(REQUESTS, KEYS, &mut random);
    let keys = requests.iter().max().map_or(0, |last| *last as usize + 1);
    let sizes = dealt(keys).map(|share| sizes.val_size_range[weights.at(share)]).collect();
    Ok(Load { trace: Trace { name, requests, keys }, sizes })
}

/// So many numbers from 0 to 1, of which every run is spread evenly: multiples of the golden ratio, less their whole part.
fn dealt(count: usize) -> impl Iterator<Item = f64> {
    let golden = (5_f64.sqrt() - 1.0) / 2.0;
    (1..=count).map(move |number| (number as f64 * golden).fract())
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Draws numbers by their weights.
struct Weights(Vec<f64>);

impl Weights {
    fn new(weights: Vec<f64>) -> Result<Weights, String> {
        let sums = weights.iter().scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        let sums: Vec<f64> = sums.collect();
        match sums.last() {
            Some(sum) if *sum > 0.0 && weights.iter().all(|weight| *weight >= 0.0) => Ok(Weights(sums)),
            _ => Err("a histogram without weights".to_owned()),
        }
    }

    fn draw(&self, random: &mut fastrand::Rng) -> usize {
        self.at(random.f64())
    }

    /// The number in which this share of all weight ends, from 0 to less than 1.
    fn at(&self, share: f64) -> usize {
        let upto = share * self.0.last().copied().unwrap_or_default();
        self.0.partition_point(|sum| *sum <= upto).min(self.0.len() - 1)
    }
}

/// How often which keys are asked for.
struct Popularity {
    one_hits: f64,
    weights: Weights,
    /// Of each bucket, the rank of its first key and how many it has.
    buckets: Vec<(u64, u64)>,
    keys: u64,
}

impl Popularity {
    fn new(file: PopularityFile) -> Result<Popularity, String> {
        let PopularityFile { one_hits, popularity_buckets, popularity_weights } = file;
        let is_whole =
            popularity_buckets.len() == popularity_weights.len() && !popularity_buckets.contains(&0);
        if !is_whole || !(0.0..1.0).contains(&one_hits) {
            return Err(
                "buckets of popularity need keys and a weight each, and hits that are not of one".to_owned()
            );
        }
        let mut keys = 0;
        let buckets = popularity_buckets.into_iter().map(|count| {
            keys += count;
            (keys - count, count)
        });
        let buckets = buckets.collect();
        Ok(Popularity { one_hits, weights: Weights::new(popularity_weights)?, buckets, keys })
    }

    /// So many requests to keys shrunk to this number, and to others that are asked for once; each key as its number in
    /// order of first use.
    fn requests(&self, count: usize, keys: u64, random: &mut fastrand::Rng) -> Vec<u32> {
        let mut numbers = HashMap::new();
        let mut next = 0;
        let mut first_use = || {
            next += 1;
            next - 1
        };
        let requests = (0..count).map(|_| {
            if random.f64() < self.one_hits {
                return first_use();
            }
            let (first, count) = self.buckets[self.weights.draw(random)];
            let rank = first + random.u64(..count);
            let key = u128::from(rank) * u128::from(keys) / u128::from(self.keys);
            *numbers.entry(key).or_insert_with(&mut first_use)
        });
        requests.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One key has half of the requests to keys that come again, ten share the rest.
    const POPULARITY: &str =
        r#"{"oneHits": 0.25, "popularityBuckets": [1, 10], "popularityWeights": [600, 600]}"#;

    fn popularity(json: &str) -> Result<Popularity, String> {
        Popularity::new(serde_json::from_str(json).map_err(|error| error.to_string())?)
    }

    fn counts(requests: &[u32]) -> Vec<usize> {
        let mut counts = HashMap::new();
        requests.iter().for_each(|key| *counts.entry(*key).or_insert(0) += 1);
        let mut counts: Vec<usize> = counts.into_values().collect();
        counts.sort_unstable_by(|one, other| other.cmp(one));
        counts
    }

    #[test]
    fn requests_follow_the_popularity() -> Result<(), String> {
        let mut random = fastrand::Rng::with_seed(7);
        let requests = popularity(POPULARITY)?.requests(40_000, 11, &mut random);
        let counts = counts(&requests);
        let near = |count: usize, wanted: usize| count.abs_diff(wanted) * 20 < wanted;
        assert!(near(counts[0], 15_000), "{counts:?}");
        assert!(
            near(counts[1..11].iter().sum(), 15_000)
                && counts[1..11].iter().all(|one| one.abs_diff(1_500) < 200)
        );
        assert!(counts[11..].iter().all(|one| *one == 1) && near(counts.len() - 11, 10_000));
        // Numbered in order of first use.
        let mut next = 0;
        for key in requests {
            assert!(key <= next, "{key} came before {next}");
            next = next.max(key + 1);
        }
        Ok(())
    }

    #[test]
    fn fewer_keys_are_neighbours_made_one() -> Result<(), String> {
        let mut random = fastrand::Rng::with_seed(7);
        let file = r#"{"oneHits": 0, "popularityBuckets": [2, 8], "popularityWeights": [300, 100]}"#;
        let counts = counts(&popularity(file)?.requests(10_000, 5, &mut random));
        assert_eq!(counts.len(), 5);
        assert!(counts[0].abs_diff(7_500) < 200 && counts[4] > 500, "{counts:?}");
        Ok(())
    }

    #[test]
    fn histograms_that_mean_nothing_are_refused() {
        for json in [
            r#"{"oneHits": 0.1, "popularityBuckets": [1], "popularityWeights": [1, 2]}"#,
            r#"{"oneHits": 0.1, "popularityBuckets": [0], "popularityWeights": [1]}"#,
            r#"{"oneHits": 1.5, "popularityBuckets": [1], "popularityWeights": [1]}"#,
            r#"{"oneHits": 0.1, "popularityBuckets": [1], "popularityWeights": [0]}"#,
            r#"{"popularityBuckets": [1], "popularityWeights": [1]}"#,
        ] {
            assert!(popularity(json).is_err(), "{json}");
        }
    }

    #[test]
    fn lengths_are_dealt_by_their_weights() -> Result<(), String> {
        let file: SizesFile =
            serde_json::from_str(r#"{"valSizeRange": [31, 63, 95], "valSizeRangeProbability": [1, 0, 3]}"#)
                .map_err(|error| error.to_string())?;
        assert_eq!(file.val_size_range, [31, 63, 95]);
        let weights = Weights::new(file.val_size_range_probability)?;
        // Of every thousand keys in a row each length has its share.
        let shares: Vec<f64> = dealt(4_000).collect();
        for run in shares.chunks(1_000) {
            let mut dealt = [0_usize; 3];
            run.iter().for_each(|share| dealt[weights.at(*share)] += 1);
            assert!(dealt[1] == 0 && dealt[0].abs_diff(250) < 5 && dealt[2].abs_diff(750) < 5, "{dealt:?}");
        }
        let mut random = fastrand::Rng::with_seed(7);
        let drawn = (0..4_000).filter(|_| weights.draw(&mut random) == 2).count();
        assert!(drawn.abs_diff(3_000) < 150, "{drawn}");
        Ok(())
    }
}
