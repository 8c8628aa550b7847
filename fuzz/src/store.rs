//! What must hold for a store, whatever is done to it: it answers like a map.
//!
//! A case is a row of steps of four bytes: what to do, which of 256 keys, and two bytes for a length or a time.

use std::collections::HashMap;

use onefill::base::hash::{HashSeed, Key};
use onefill::storage::{Kind, Meta, NewValue, Refill, Store, ValueRef};

const SEED: HashSeed = HashSeed(3, 4);

type Model = HashMap<Vec<u8>, (Vec<u8>, Meta)>;

/// Panics if the store and a plain map come to differ.
pub fn check_store_case(case: &[u8]) {
    let (mut store, mut model, mut now_ms) = (Store::new(SEED), Model::new(), 0);
    for step in case.chunks_exact(4) {
        let number = u16::from_le_bytes([step[2], step[3]]);
        apply(&mut store, &mut model, &mut now_ms, (step[0], step[1], number));
    }
    compare(&store, &model);
    while store.is_scattered() {
        store.compact(64, false);
    }
    compare(&store, &model);
}

fn key_of(number: u8) -> Vec<u8> {
    // Some keys are longer than one byte can say.
    let len = if number.is_multiple_of(50) { 260 } else { 2 + usize::from(number % 30) };
    let mut key = format!("{number:02x}").into_bytes();
    key.resize(len, b'.');
    key
}

fn apply(store: &mut Store, model: &mut Model, now_ms: &mut i64, (what, key, number): (u8, u8, u16)) {
    let bytes = key_of(key);
    let key = Key { bytes: &bytes, hash: SEED.hash(&bytes) };
    let found = store.find(&key);
    // Up to 65,535: past the size at which values are shared, and past that of a lone block.
    let len = usize::from(number);
    let at = Some(*now_ms + i64::from(number % 4096));
    match what % 8 {
        0 | 1 => {
            let refill = (what & 16 != 0).then_some(Refill { grace_ms: 50, delta_ms: 7 });
            let expire_at = at.filter(|_| what & 32 != 0);
            let meta = Meta { refill, edited: what & 64 != 0, ..Meta::value(expire_at) };
            // Short ones are often of much the same length, and take each other's place.
            let value = match what & 129 {
                0 => vec![what; len % 3000],
                1 => vec![what; len % 40],
                _ => vec![what; len],
            };
            let new = NewValue::copied(&value);
            if !found.is_some_and(|found| store.overwrite(*now_ms, found, &new, meta)) {
                store.put_at(*now_ms, found, &key, &new, meta);
            }
            model.insert(bytes, (value, meta));
        }
        2 => {
            assert_eq!(found.is_some(), model.remove(&bytes).is_some());
            found.into_iter().for_each(|found| drop(store.remove(found)));
        }
        3 => {
            let Some(found) = found else { return };
            let change = |bytes: &mut [u8]| bytes.iter_mut().take(3).for_each(|byte| *byte = what);
            match store.entry(found).value().expect("only strings") {
                ValueRef::Inline(_) => drop(store.edit(found, len, change)),
                ValueRef::Shared(_) => drop(store.edit_large(found, len, change)),
            }
            model.entry(bytes).and_modify(|(value, _)| {
                value.resize(len, 0);
                value.iter_mut().take(3).for_each(|byte| *byte = what);
            });
        }
        4 => {
            let Some(found) = found else { return };
            let expire_at = at.filter(|_| what & 32 != 0);
            store.set_expire_at(*now_ms, &key, found, expire_at, None);
            model.entry(bytes).and_modify(|(_, meta)| (meta.expire_at, meta.idle) = (expire_at, None));
        }
        5 => drop(store.compact(len % 64 + 1, what & 128 != 0)),
        6 => sweep(store, model, now_ms, i64::from(number % 600)),
        _ => {
            let Some(found) = found else { return };
            store.mark_stale(found);
            model.entry(bytes).and_modify(|(_, meta)| meta.kind = Kind::Stale);
        }
    }
}

fn sweep(store: &mut Store, model: &mut Model, now_ms: &mut i64, ms: i64) {
    *now_ms += ms;
    while let Some(record) = store.sweep_pop(*now_ms) {
        let is_dead = |at: Option<i64>| at.is_some_and(|at| at <= *now_ms);
        if let Some(found) = store.find_record(record, |entry| is_dead(entry.dies_at())) {
            model.remove(store.entry(found).key());
            store.remove(found);
        } else if let Some(found) = store.find_record(record, |_| true) {
            if is_dead(store.entry(found).expire_at()) {
                model
                    .entry(store.entry(found).key().to_vec())
                    .and_modify(|(_, meta)| meta.kind = Kind::Stale);
                store.mark_stale(found);
            }
            store.sweep_later(*now_ms, record, found);
        }
    }
    let overdue = model.values().filter(|(_, meta)| meta.dies_at().is_some_and(|at| at <= *now_ms - 16));
    assert_eq!(overdue.count(), 0, "dead entries are left");
}

fn compare(store: &Store, model: &Model) {
    assert_eq!(store.len(), model.len());
    assert_eq!(store.expiring(), model.values().filter(|(_, meta)| meta.expire_at.is_some()).count());
    assert_eq!(store.hidden(), model.values().filter(|(_, meta)| meta.kind != Kind::Value).count());
    let mut seen = 0;
    store.each(|entry| {
        let (value, meta) = &model[entry.key()];
        assert_eq!((entry.value().expect("only strings").as_slice(), entry.meta()), (&value[..], *meta));
        seen += 1;
    });
    assert_eq!(seen, model.len());
}
