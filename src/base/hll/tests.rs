//! Against what redis-server 7.0.15 makes of the same elements, and against a plain array of registers.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A value after PFADD of `count` elements of a family, one by one.
fn added(family: usize, count: usize, sparse_bytes_max: usize) -> Vec<u8> {
    let mut value = empty();
    for number in 0..count {
        let mark = Mark::of(format!("e{family}:{number}").as_bytes());
        let raises = raises(&value, mark);
        assert_eq!(raise(&mut value, mark, sparse_bytes_max), raises);
    }
    value
}

fn digest(value: &[u8]) -> String {
    sha1_smol::Sha1::from(value).digest().to_string()
}

#[test]
fn few_elements_are_the_bytes_that_redis_has() {
    let mut value = empty();
    for element in [b"a", b"b", b"c"] {
        assert_eq!(raise(&mut value, Mark::of(element), 3_000), Ok(true));
        assert_eq!(raise(&mut value, Mark::of(element), 3_000), Ok(false));
    }
    assert_eq!(value, b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x60\xf3\x80\x50\xb1\x84\x4b\xfb\x80\x42\x5a");
    assert_eq!(empty(), b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff");
}

#[test]
fn values_and_counts_are_those_of_redis() {
    for (family, elements, bytes_max, sha1, count, bytes) in [
        (0, 1_500, 16_000, "a6c65588def50ff30be920f3d1f2592143533d77", 1_503, 2_718),
        (3, 900, 3_000, "2afa146b9ff7cc2b9c86372c0b121feab4a05aa7", 902, 1_722),
        (1, 20, 3_000, "29cc6ec8ca08c5749b2cf615c061744000dacbec", 20, 76),
        (3, 5_000, 16_000, "f357c69190d66a4fe6d8b9afbf86d0f62d3f9069", 5_021, 7_115),
        (0, 40_000, 3_000, "6e843a6fc0dffcc0557784344dcd9727ee98f2f0", 40_341, DENSE_BYTES),
        (0, 1, 100, "1b53d07c94bbd4e5776beb3b14fb7fa8d6bfc535", 1, 21),
    ] {
        let value = added(family, elements, bytes_max);
        assert_eq!((digest(&value).as_str(), value.len()), (sha1, bytes), "{family} {elements}");
        assert_eq!((super::count(&value), is_dense(&value)), (Ok(count), Ok(bytes == DENSE_BYTES)));
    }
}

#[test]
fn unions_are_those_of_redis() {
    let (a, b, c) = (added(3, 5_000, 16_000), added(2, 3, 3_000), added(0, 1_500, 16_000));
    let (d, e) = (added(1, 20, 3_000), added(3, 100, 3_000));
    for (values, bytes_max, sha1, count, bytes) in [
        (vec![&a, &b], 100, "82a735bd03974e77cb52fbe6984c807836cf69c0", 5_025, DENSE_BYTES),
        (vec![&d, &d, &e], 3_000, "b10f893c30def6186eb3b4519ad7bf8de5067c1c", 119, 323),
        (vec![&c, &a], 16_000, "0769ad23b3ec2d625a0579e0921fa0b0321bfd32", 6_506, 8_490),
    ] {
        let mut union = Union::default();
        values.iter().for_each(|value| assert_eq!(union.add(value), Ok(())));
        let mut value = empty();
        assert_eq!(union.put_into(&mut value, bytes_max), Ok(()));
        assert_eq!((digest(&value).as_str(), value.len()), (sha1, bytes));
        assert_eq!((union.count(), super::count(&value)), (count, Ok(count)));
    }
    let mut union = Union::default();
    let mut dense = empty();
    assert_eq!((make_dense(&mut dense), union.add(&dense)), (Ok(()), Ok(())));
    let mut value = added(1, 3, 3_000);
    assert_eq!(
        (union.put_into(&mut value, 3_000), is_dense(&value)),
        (Ok(()), Ok(true)),
        "one of them was dense"
    );
}

#[test]
fn count_is_noted_until_something_is_added() {
    let mut value = added(0, 3, 3_000);
    assert_eq!(cached(&value), None);
    set_cached(&mut value, 3);
    assert_eq!(cached(&value), Some(3));
    assert_eq!((raise(&mut value, Mark::of(b"e0:1"), 3_000), cached(&value)), (Ok(false), Some(3)));
    assert_eq!((raise(&mut value, Mark::of(b"new"), 3_000), cached(&value)), (Ok(true), None));
    set_cached(&mut value, 4);
    assert_eq!((make_dense(&mut value), cached(&value)), (Ok(()), Some(4)));
    assert_eq!((raise_dense(&mut value, Mark::of(b"newer")), cached(&value)), (true, None));
    assert_eq!(cached(b"short"), None);
}

// As PFDEBUG DECODE of redis-server 7.0.15 writes it.
#[test]
fn runs_and_registers_are_shown() {
    let mut value = empty();
    assert_eq!(written_runs(&value).as_deref(), Ok("Z:16384"));
    for index in [64, 65, 3_000] {
        let count = 1 + u8::from(index > 64);
        assert_eq!(raise(&mut value, Mark { index, count }, 3_000), Ok(true));
    }
    assert_eq!(written_runs(&value).as_deref(), Ok("z:64 v:1,1 v:2,1 Z:2934 v:2,1 Z:13383"));
    let registers = |value: &[u8]| {
        let mut all = Vec::new();
        each_register(value, |register| all.push(register)).map(|()| all)
    };
    let mut dense = value.clone();
    assert_eq!((make_dense(&mut dense), written_runs(&dense)), (Ok(()), Err(Invalid::Foreign)));
    assert_eq!(registers(&value), registers(&dense));
    assert!(registers(&value).is_ok_and(|all| all.len() == REGISTERS && all[63..66] == [0, 1, 2]));
    value.pop();
    assert_eq!((registers(&value), written_runs(&value)), (Err(Invalid::Corrupted), Err(Invalid::Corrupted)));
}

// What redis-server 7.0.15 answers to PFCOUNT and PFADD of such a string.
#[test]
fn foreign_bytes_are_refused() {
    let with = |form: u8, registers: &[u8]| {
        [&empty()[..FORM_AT], &[form], &empty()[FORM_AT + 1..HEADER_BYTES], registers].concat()
    };
    let mut lower = empty();
    lower[0] = b'h';
    for value in [
        vec![],
        empty()[..15].to_vec(),
        with(2, &[0x7f, 0xff]),
        with(0, &[0; 12_287]),
        with(0, &[0; 12_289]),
        lower,
    ] {
        assert_eq!((is_dense(&value), super::count(&value)), (Err(Invalid::Foreign), Err(Invalid::Foreign)));
        assert_eq!(raise(&mut value.clone(), Mark::of(b"a"), 3_000), Err(Invalid::Foreign));
    }
    let corrupted: [&[u8]; 6] =
        [&[], &[0x7f, 0xfe], &[0x7f, 0xff, 0x00], &[0x7f], &[0x80], &[0x7f, 0xfe, 0x83]];
    for runs in corrupted {
        let value = with(1, runs);
        assert_eq!(super::count(&value), Err(Invalid::Corrupted), "{runs:?}");
        assert_eq!(Union::default().add(&value), Err(Invalid::Corrupted));
        let mut same = value.clone();
        assert_eq!((make_dense(&mut same), same), (Err(Invalid::Corrupted), value));
    }
    // As in Redis, an addition looks no further than its register.
    let added = |runs: &[u8]| raise(&mut with(1, runs), Mark::of(b"a"), 3_000);
    assert_eq!(
        corrupted.map(added),
        [
            Err(Invalid::Corrupted),
            Ok(true),
            Ok(true),
            Err(Invalid::Corrupted),
            Err(Invalid::Corrupted),
            Ok(true)
        ]
    );
    let impossible = with(0, &[0xff; 12_288]);
    assert_eq!(super::count(&impossible), Ok(i64::MAX as u64));
}

#[test]
fn large_counts_are_nearly_right() {
    let mut value = empty();
    assert_eq!(make_dense(&mut value), Ok(()));
    for number in 0..1_000_000u32 {
        raise_dense(&mut value, Mark::of(&number.to_le_bytes()));
        if [1_000, 30_000, 100_000, 999_999].contains(&number) {
            let error = super::count(&value).unwrap() as f64 / f64::from(number + 1) - 1.0;
            assert!(error.abs() < 0.025, "{number}: {error}");
        }
    }
}

proptest! {
    #[test]
    fn registers_are_what_was_put_there(
        marks in vec((prop_oneof![3 => 0usize..40, 1 => 0..REGISTERS, 1 => REGISTERS - 3..REGISTERS], prop_oneof![8 => 1u8..4, 1 => 1u8..=51]), 0..120),
        bytes_max in prop_oneof![Just(3_000usize), Just(60)],
    ) {
        let mut value = empty();
        let mut model = vec![0u8; REGISTERS];
        for (index, count) in marks {
            let changes = model[index] < count;
            model[index] = model[index].max(count);
            prop_assert_eq!(raises(&value, Mark { index, count }), Ok(changes));
            prop_assert_eq!(raise(&mut value, Mark { index, count }, bytes_max), Ok(changes));
            if is_dense(&value) == Ok(false) {
                prop_assert!(value.len() <= bytes_max);
                let mut registers = Vec::new();
                prop_assert_eq!(sparse::each(&value[HEADER_BYTES..], |_, run| registers.extend(vec![run.value; run.len])), Ok(()));
                prop_assert!(registers == model);
            }
        }
        let mut dense = value.clone();
        prop_assert_eq!(make_dense(&mut dense), Ok(()));
        prop_assert!((0..REGISTERS).all(|index| dense_register(&dense[HEADER_BYTES..], index) == model[index]));
        prop_assert_eq!(super::count(&dense), super::count(&value));
        prop_assert_eq!(dense.len(), DENSE_BYTES);
    }

    #[test]
    fn garbage_is_no_fault(runs in vec(any::<u8>(), 0..40), index in 0..REGISTERS, count in 1u8..=51) {
        let mut value = [&empty()[..HEADER_BYTES], &runs].concat();
        let _ = (super::count(&value), raises(&value, Mark { index, count }));
        let _ = (Union::default().add(&value), make_dense(&mut value.clone()));
        let _ = raise(&mut value, Mark { index, count }, 3_000);
    }
}
