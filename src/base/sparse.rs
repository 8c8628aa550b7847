//! Maps that were full once: what they keep of that.

use std::hash::{BuildHasher, Hash};

use hashbrown::{HashMap, HashSet};

/// Maps with room for fewer are left as they are.
const ROOM_MIN: usize = 64;
/// A map with room for this many times its entries is made smaller.
const SPARE_MAX: usize = 8;

/// Whether a map that lost entries is to be made smaller, and to how many.
fn shrinks_to(len: usize, room: usize) -> Option<usize> {
    (room > ROOM_MIN && room / SPARE_MAX >= len).then_some(len * 2)
}

/// Gives memory back after a removal, where little is left of many. Cost: a constant for each removal in the long run.
pub fn shrink_map<K: Eq + Hash, V, S: BuildHasher>(map: &mut HashMap<K, V, S>) {
    if let Some(room) = shrinks_to(map.len(), map.capacity()) {
        map.shrink_to(room);
    }
}

/// The same for a set.
pub fn shrink_set<K: Eq + Hash, S: BuildHasher>(set: &mut HashSet<K, S>) {
    if let Some(room) = shrinks_to(set.len(), set.capacity()) {
        set.shrink_to(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn map_that_was_full_once_keeps_little_of_that() {
        let mut map: HashMap<u32, u32> = (0..100_000).map(|n| (n, n)).collect();
        for n in 0..99_990 {
            map.remove(&n);
            shrink_map(&mut map);
        }
        assert!(map.len() == 10 && map.capacity() <= ROOM_MIN * 2, "{}", map.capacity());
    }
}
