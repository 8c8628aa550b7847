//! The arena against a list of its blocks, and its own figures against a recount.

use super::*;
use proptest::prelude::*;

/// Test blocks: their length in the first bytes, the rest filled with a pattern.
fn len_of(block: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([block[2], block[3]])) << 8 | usize::from(block[1])
}

fn fill(arena: &mut Arena, block: Block, len: usize, pattern: u8) {
    let bytes = &mut arena.bytes_mut(block)[..len];
    bytes.fill(pattern);
    bytes[0] = 0;
    bytes[1] = len as u8;
    bytes[2..4].copy_from_slice(&((len >> 8) as u16).to_le_bytes());
}

/// Walks all that is there and compares it with the arena's own figures.
fn recount(arena: &Arena) {
    let mut listed = 0;
    for class in 0..arena.heads.len() {
        let mut at = arena.heads[class];
        assert_eq!(at != 0, arena.filled >> class & 1 == 1, "bit of class {class}");
        while at != 0 {
            let bytes = arena.bytes(Block(at));
            assert_eq!((bytes[0], class_of(free_size(bytes))), (FREE, class));
            listed += 1;
            at = links(bytes).0;
        }
    }
    let (mut free, mut spread, mut long) = (0, 0, 0);
    let lone = |segment: &Segment| {
        segment.bytes.len() > LONE_BYTES_MIN
            && len_of(&segment.bytes) > LONE_BYTES_MIN
            && segment.bytes[0] != FREE
    };
    for (number, segment) in arena.segments.iter().enumerate().filter(|(_, segment)| !lone(segment)) {
        let (mut at, mut own) = (0, 0);
        while at < segment.bytes.len() {
            let bytes = &segment.bytes[at..];
            let is_free = bytes[0] == FREE;
            let size = if is_free { free_size(bytes) } else { rounded(len_of(bytes)) };
            own += if is_free { size } else { 0 };
            let drained = arena.draining.is_some_and(|draining| draining.segment == number);
            long += usize::from(is_free && size >= BLOCK_BYTES_MIN && !drained);
            at += size;
        }
        assert_eq!(own, segment.free_bytes, "free bytes of segment {number}");
        free += own;
        spread += segment.bytes.len();
    }
    assert_eq!((free, spread, long), (arena.free_bytes, arena.spread_bytes, listed));
}

proptest! {
    #[test]
    fn blocks_keep_their_bytes_while_others_come_go_and_move(
        steps in proptest::collection::vec((0..10u8, prop_oneof![4..40usize, 4..700usize, 4..6000usize], any::<usize>()), 1..200),
        sparing_from in 0..200usize,
    ) {
        let mut arena = Arena::default();
        let mut live: Vec<(Block, usize, u8)> = Vec::new();
        for (step, (what, len, pick)) in steps.into_iter().enumerate() {
            if step == sparing_from || step == sparing_from + 50 {
                arena.set_sparing(step == sparing_from);
            }
            match what {
                0..=4 => {
                    let block = arena.alloc(len);
                    prop_assert!(arena.bytes(block)[..len].iter().all(|byte| *byte == 0));
                    fill(&mut arena, block, len, step as u8);
                    live.push((block, len, step as u8));
                }
                5..=8 if !live.is_empty() => {
                    let (block, len, _) = live.swap_remove(pick % live.len());
                    arena.free(block, len);
                }
                _ => {
                    arena.drain_begin(false, len_of);
                    if let Some(from) = arena.drain_next(len_of) {
                        let moved = live.iter_mut().find(|(block, ..)| *block == from);
                        let Some(moved) = moved else { return Err(TestCaseError::fail("a free block was to move")) };
                        moved.0 = arena.move_block(from, moved.1);
                    }
                }
            }
            for (block, len, pattern) in &live {
                let bytes = &arena.bytes(*block)[..*len];
                prop_assert_eq!(len_of(bytes), *len);
                prop_assert!(bytes[4..].iter().all(|byte| byte == pattern));
            }
            recount(&arena);
        }
        for (block, len, _) in live {
            arena.free(block, len);
        }
        recount(&arena);
        prop_assert_eq!(arena.segments.len() - arena.vacant.len(), usize::from(arena.draining.is_some()) * 2);
    }
}

#[test]
fn draining_gives_scattered_memory_back() {
    let mut arena = Arena::default();
    let mut live: Vec<Block> = (0..20_000).map(|_| arena.alloc(40)).collect();
    live.iter().for_each(|block| fill(&mut arena, *block, 40, 1));
    // Four of five go; what stays is scattered over all segments.
    let mut at = 0;
    live.retain(|block| {
        at += 1;
        if at % 5 != 0 {
            arena.free(*block, 40)
        }
        at % 5 == 0
    });
    assert!(arena.is_scattered(false));
    while arena.is_scattered(false) {
        arena.drain_begin(false, len_of);
        while let Some(block) = arena.drain_next(len_of) {
            arena.move_block(block, 40);
        }
    }
    recount(&arena);
    let held: usize = arena.segments.iter().map(|segment| segment.bytes.held_bytes()).sum();
    assert!(held < 4_000 * 40 * 5 / 4 + 3 * SEGMENT_BYTES, "{held} bytes for 160,000 live ones");
}

#[test]
fn classes_are_ascending_and_within_the_lists() {
    let classes: Vec<usize> =
        (2..=SEGMENT_BYTES / GRANULE).map(|granules| class_of(granules * GRANULE)).collect();
    assert!(classes.windows(2).all(|two| two[0] <= two[1]) && classes.last() < Some(&CLASSES));
}
