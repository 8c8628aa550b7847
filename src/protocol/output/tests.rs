//! What goes in comes out, in order, whatever is shared, made late, undone or cut off.

use super::*;
use proptest::prelude::*;

fn wire(out: &Output) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 1024];
    let used = out.slices(usize::MAX, &mut slices);
    slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
}

/// All bytes that are still to come, made `room` at a time.
fn drained(out: &mut Output, room: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while !out.is_empty() {
        out.make(room);
        if out.is_empty() {
            break;
        }
        let mut slices = [IoSlice::new(&[]); 4];
        let used = out.slices(room, &mut slices);
        let before = all.len();
        slices[..used].iter().for_each(|slice| all.extend_from_slice(slice));
        assert!(all.len() > before, "nothing is made and something is left");
        out.consume(all.len() - before);
    }
    all
}

/// Makes these bytes, and says that it is so many times as much.
#[derive(Debug)]
struct Slow(Vec<u8>, usize);

impl Source for Slow {
    fn left_bytes(&self) -> usize {
        self.0.len() * self.1
    }

    fn held_bytes(&self) -> usize {
        self.0.capacity()
    }

    fn make(&mut self, out: &mut Output, bytes: usize) -> bool {
        let next: Vec<u8> = self.0.drain(..bytes.max(1).min(self.0.len())).collect();
        let half = next.len() / 2;
        out.extend(&next[..half]);
        out.extend_shared(next[half..].to_vec().into());
        self.0.is_empty()
    }
}

#[test]
fn bytes_of_a_source_are_made_in_their_place_and_not_before() {
    let mut out = Output::default();
    out.extend(b"before ");
    out.extend_made(Box::new(Slow(vec![b'x'; 3_000], 2)));
    out.extend_made(Box::new(Slow(Vec::new(), 2)));
    out.extend(b" behind");
    assert!(out.len() == 6_015 && out.shared_bytes() == 6_001 && out.held_bytes() >= 3_000);
    assert_eq!(wire(&out), b"before ");
    out.make(1_000);
    assert_eq!(wire(&out), b"before ", "something else is to be written first");
    assert_eq!(drained(&mut out, 1_000), [b"before ", &[b'x'; 3_000][..], b" behind"].concat());
    assert!(out.as_plain().is_some() && out.shared_bytes() == 0);
}

#[test]
fn source_behind_what_is_written_already_is_asked() {
    let mut out = Output::default();
    out.extend(b"x");
    out.consume(1);
    out.extend_made(Box::new(Slow(Vec::new(), 1)));
    out.extend_made(Box::new(Slow(vec![b'y'; 10], 1)));
    assert_eq!(drained(&mut out, 100), [b'y'; 10]);
}

#[test]
fn reply_with_a_source_is_undone_and_cut_off_as_any_other() {
    let mut out = Output::default();
    let mark = out.mark();
    out.extend(b"x");
    out.extend_made(Box::new(Slow(vec![b'x'; 3_000], 2)));
    out.extend(b"y");
    out.truncate(mark);
    assert!(out.is_empty() && out.held_bytes() < 3_000);
    out.extend(b"z");
    assert_eq!(wire(&out), b"z");
    out.set_limit(5_000);
    out.extend_made(Box::new(Slow(vec![b'x'; 3_000], 2)));
    assert!(out.is_over() && out.len() == 1);
}

#[test]
fn nothing_shared_is_nothing() {
    let mut out = Output::default();
    out.extend_shared(Bytes::new());
    out.consume(0);
    let mut long = Output::default();
    long.extend(&[b'x'; CHUNK_BYTES_MIN]);
    out.append(&mut long);
    assert_eq!(wire(&out), [b'x'; CHUNK_BYTES_MIN]);
}

#[derive(Clone, Debug)]
enum Step {
    Own(usize),
    Shared(usize),
    Made(usize),
    Append(usize, usize),
    Undone(usize, usize),
    Consume(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![4 => 0..40_usize, 1 => 900..1_100_usize, 1 => 2_000..3_000_usize];
    prop_oneof![
        len.clone().prop_map(Step::Own),
        len.clone().prop_map(Step::Shared),
        len.clone().prop_map(Step::Made),
        (len.clone(), len.clone()).prop_map(|(own, shared)| Step::Append(own, shared)),
        (len.clone(), len.clone()).prop_map(|(own, shared)| Step::Undone(own, shared)),
        len.prop_map(Step::Consume),
    ]
}

proptest! {
    /// Whatever is put in leaves in order, however it is chunked, undone and written piece by piece.
    #[test]
    fn bytes_leave_in_the_order_in_which_they_came(steps in prop::collection::vec(step(), 1..30)) {
        let (mut out, mut expected) = (Output::default(), Vec::new());
        // An empty source counts as a byte until it is asked.
        let (mut has_source, mut empty) = (false, 0);
        let mut next = 0_u32;
        let mut piece = |len: usize| {
            next += 1;
            next.to_le_bytes().into_iter().cycle().take(len).collect::<Vec<u8>>()
        };
        for step in steps {
            match step {
                Step::Own(len) => {
                    let piece = piece(len);
                    out.extend(&piece);
                    expected.extend(piece);
                }
                Step::Shared(len) => {
                    let piece = piece(len);
                    out.extend_shared(piece.clone().into());
                    expected.extend(piece);
                }
                Step::Made(len) => {
                    let piece = piece(len);
                    out.extend_made(Box::new(Slow(piece.clone(), 1)));
                    expected.extend(piece);
                    has_source = true;
                    empty += usize::from(len == 0);
                }
                Step::Append(own, shared) => {
                    let (own, shared) = (piece(own), piece(shared));
                    let mut other = Output::default();
                    other.extend(&own);
                    other.extend_shared(shared.clone().into());
                    other.extend(&own);
                    out.append(&mut other);
                    expected.extend([&own[..], &shared, &own].concat());
                }
                Step::Undone(own, shared) => {
                    let mark = out.mark();
                    out.extend(&piece(own));
                    out.extend_shared(piece(shared).into());
                    out.extend(&piece(own));
                    out.truncate(mark);
                }
                Step::Consume(len) => {
                    out.make(len);
                    let len = len.min(wire(&out).len());
                    out.consume(len);
                    expected.drain(..len);
                }
            }
            let (left, made) = (expected.len(), wire(&out));
            prop_assert!((left..=left + empty).contains(&out.len()), "{} of {left}", out.len());
            prop_assert!(expected.starts_with(&made) && (has_source || made.len() == left));
            let mut slices = [IoSlice::new(&[]); 8];
            let used = out.slices(100, &mut slices);
            let part: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
            prop_assert!(part.len() <= 100 && expected.starts_with(&part));
            prop_assert!(!part.is_empty() || made.is_empty());
        }
        prop_assert_eq!(drained(&mut out, 100), expected);
        prop_assert_eq!((out.len(), out.shared_bytes()), (0, 0));
    }
}

#[test]
fn long_output_holds_little_more_than_its_bytes_and_gives_back_what_is_written() {
    let mut out = Output::default();
    (0..1_000_000).for_each(|_| out.extend(&[7; 16]));
    assert!(out.held_bytes() < 16_000_000 * 11 / 10, "{}", out.held_bytes());
    out.consume(12_000_000);
    assert!(out.held_bytes() < 6_000_000, "{}", out.held_bytes());
    assert_eq!(wire(&out).len(), 4_000_000);
}

#[test]
fn growth_is_told_before_it_is_there() {
    let account = Arc::new(AtomicUsize::new(0));
    let mut out = Output::with_account(Some(account.clone()));
    let value = Bytes::from(vec![1; 5_000]);
    for _ in 0..10_000 {
        out.extend(&[7; 700]);
        out.extend_shared(value.clone());
        // The list of the values in the last chunk, and the first bytes, are small.
        let told = account.load(Relaxed) + 20_000;
        assert!(out.held_bytes() < told + told / 50, "{} of {}", told, out.held_bytes());
    }
    assert!(account.load(Relaxed) < out.held_bytes() * 11 / 10);
}

#[test]
fn value_is_let_go_when_it_is_written() {
    let (mut out, value) = (Output::default(), Bytes::from(vec![1; 100_000]));
    out.extend(b"a");
    out.extend_shared(value.clone());
    out.extend(b"b");
    out.consume(100_000);
    assert!(!value.is_unique() && out.shared_bytes() == 100_000);
    out.consume(1);
    assert!(value.is_unique() && out.shared_bytes() == 0);
    assert_eq!(wire(&out), b"b");
}

#[test]
fn what_comes_beyond_the_limit_is_dropped_and_noticed() {
    let mut out = Output::default();
    out.set_limit(100_000);
    (0..1_000_000).for_each(|_| out.extend(&[7; 16]));
    assert!(out.is_over() && out.len() <= 140_000 && out.held_bytes() <= 140_000, "{}", out.len());
    let mut out = Output::default();
    out.set_limit(100_000);
    (0..10).for_each(|_| out.extend_shared(vec![1; 16_384].into()));
    assert!(out.is_over() && out.len() <= 100_000);
    let mut other = Output::default();
    other.extend(&[1; 200_000]);
    let mut out = Output::default();
    out.set_limit(100_000);
    out.append(&mut other);
    assert!(out.is_over() && out.is_empty());
}

#[test]
fn truncating_to_a_mark_removes_what_is_behind_it() {
    let mut out = Output::default();
    out.extend(b"keep");
    let mark = out.mark();
    out.extend_shared(Bytes::from_static(b"drop"));
    out.extend(&[1; 300_000]);
    out.truncate(mark);
    assert_eq!(wire(&out), b"keep");
    assert_eq!((out.len(), out.shared_bytes()), (4, 0));
}
