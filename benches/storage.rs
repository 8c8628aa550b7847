//! What do the table, an entry and a store cost? Wall clock, one thread.
//!
//! `cargo bench --bench storage`, or with a part of a name behind it. At 1,000 entries everything is in the cache; at
//! ten million (a table) and one million (a store) each look-up waits for memory, as nothing is fetched ahead here.
//! Keys are drawn from a fixed seed; figures of two machines say nothing.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use onefill::base::hash::{HashSeed, Key};
use onefill::storage::arena::Block;
use onefill::storage::entry::{self, Content};
use onefill::storage::outside::OutsideValues;
use onefill::storage::table::Table;
use onefill::storage::{Entry, Meta, NewValue, Store};

const SEED: HashSeed = HashSeed(1, 2);
const KEY: &[u8] = b"k000000000000007";
const VALUE: [u8; 64] = [b'x'; 64];

/// A table whose references are their own keys.
fn filled_table(references: u32) -> Table {
    let mut table = Table::default();
    for number in 1..=references {
        table.insert(hash_of(Block(number)), Block(number), false, 0);
        table.grow(|_| {}, hash_of);
    }
    table
}

fn hash_of(block: Block) -> u64 {
    SEED.hash(&block.0.to_le_bytes())
}

fn table(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("table");
    for (size, references) in [("1k", 1_000_u32), ("10m", 10_000_000)] {
        let table = filled_table(references);
        let mut random = fastrand::Rng::with_seed(7);
        let hashes = |first: u32, random: &mut fastrand::Rng| -> Vec<(u32, u64)> {
            let drawn = (0..100_000).map(|_| first + random.u32(1..=references));
            drawn.map(|number| (number, hash_of(Block(number)))).collect()
        };
        for (name, first) in [("find_hit", 0), ("find_miss", references)] {
            let drawn = hashes(first, &mut random);
            let mut next = drawn.iter().cycle();
            group.bench_function(format!("{name}_{size}"), |bencher| {
                bencher.iter(|| {
                    let (number, hash) = next.next().copied().unwrap_or_default();
                    table.find(black_box(hash), |block| block.0 == number).is_some()
                });
            });
        }
    }
    group.bench_function("fill_100k", |bencher| bencher.iter(|| filled_table(black_box(100_000)).len()));
    group.finish();
}

fn entries(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("entry");
    let mut block = vec![0; 128];
    for (name, meta) in [("", Meta::value(None)), ("_ttl", Meta::value(Some(1_800_000_000_000)))] {
        let content = Content::Inline(&VALUE);
        group.bench_function(format!("write_16b_64b{name}"), |bencher| {
            bencher.iter(|| entry::write(black_box(&mut block), KEY, content, meta));
        });
        let outside = OutsideValues::default();
        group.bench_function(format!("read_16b_64b{name}"), |bencher| {
            bencher.iter(|| {
                let entry = Entry::read(black_box(&block), &outside);
                (entry.is_visible(), entry.expire_at(), entry.value().map_or(0, |value| value.len()))
            });
        });
    }
    entry::write(&mut block, KEY, Content::Inline(&VALUE), Meta::value(None));
    group.bench_function("has_key_16b", |bencher| {
        bencher.iter(|| entry::has_key(black_box(&block), black_box(KEY)));
    });
    group.bench_function("overwrite_64b", |bencher| {
        bencher.iter(|| entry::overwrite(black_box(&mut block), &VALUE, Meta::value(None)));
    });
    group.finish();
}

fn key(number: u32) -> Vec<u8> {
    format!("k{number:015}").into_bytes()
}

fn hashed(bytes: &[u8]) -> Key<'_> {
    Key { bytes, hash: SEED.hash(bytes) }
}

fn store(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    for (size, entries) in [("1k", 1_000_u32), ("1m", 1_000_000)] {
        let mut store = Store::new(SEED);
        let put = |store: &mut Store, key: &[u8]| {
            store.put(0, &hashed(key), &NewValue::Small(&VALUE), Meta::value(None)).is_some()
        };
        assert!((0..entries).all(|number| !put(&mut store, &key(number))));
        let mut random = fastrand::Rng::with_seed(7);
        let keys: Vec<Vec<u8>> = (0..100_000).map(|_| key(random.u32(..entries))).collect();
        let mut next = keys.iter().cycle();
        let mut drawn = move || next.next().map_or(KEY, Vec::as_slice);
        group.bench_function(format!("get_hit_16b_64b_{size}"), |bencher| {
            bencher.iter(|| {
                store.get(&hashed(drawn())).map(|entry| entry.value().map_or(0, |value| value.len()))
            });
        });
        group.bench_function(format!("put_over_16b_64b_{size}"), |bencher| {
            bencher.iter(|| put(&mut store, drawn()));
        });
        let mut new = entries;
        group.bench_function(format!("put_new_and_remove_16b_64b_{size}"), |bencher| {
            let name = || {
                new += 1;
                key(new)
            };
            bencher.iter_batched(
                name,
                |key| {
                    put(&mut store, &key);
                    store.find(&hashed(&key)).map(|found| store.remove(found).kind)
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group! {
    name = storage;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = table, entries, store
}
criterion_main!(storage);
