//! The order of a large sorted set: a counted B+-tree over references to its records.
//!
//! ```text
//! leaf    64 references of 4 bytes
//! inner   32 children: score and reference of the first member, members below, node
//! ```
//! Knows no record: whoever asks compares it (`compare`, which tells how a record stands to what is looked for) and
//! tells its score (`score_of`). Scores of first members are kept, so that a search asks few records outside of one
//! leaf. Everything is found by comparison once, and changed by its rank from there. Invariants: members ascend by
//! score and member; a count is the sum of the children's; all leaves are equally deep, and none is empty; nodes at
//! the ends of the tree split so that rising and falling scores leave full ones behind. Counted B-trees: Tatham,
//! "Counted B-Trees", 2001.

mod faults;
mod node;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::ops::Range;

use faults::Told;
use node::{Body, Child, Ends, FAN, Member, Nodes};

/// References in the order of their records.
#[derive(Debug, Default)]
pub struct Order {
    root: Option<Child>,
    nodes: Nodes,
}

impl Order {
    /// Members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.root.as_ref().map_or(0, |root| root.count as usize)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Bytes of all nodes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.nodes.bytes()
    }

    /// How many members are before a place: those for which `compare` says `Less`, and it says so for none behind
    /// them. `score` is the score at that place: members with a lower one are before it, with a higher one behind it,
    /// and only those with the same are asked, but in one leaf. Where it is NaN, whoever is met is asked.
    /// Cost: the logarithm of the members; some six records of one leaf.
    #[must_use]
    pub fn rank_of(&self, score: f64, mut compare: impl FnMut(u32) -> Ordering) -> usize {
        let Some(mut node) = self.root.as_ref() else { return 0 };
        let mut rank = 0;
        loop {
            match &node.body {
                Body::Leaf(leaf) => {
                    let members = &leaf[..node.count as usize];
                    return rank + members.partition_point(|reference| compare(*reference).is_lt());
                }
                Body::Inner(children) => {
                    let is_before = |child: &Child| match child.score.partial_cmp(&score) {
                        Some(Ordering::Less) => true,
                        Some(Ordering::Greater) => false,
                        _ => compare(child.first).is_lt(),
                    };
                    let at = children.partition_point(is_before).saturating_sub(1);
                    rank += children[..at].iter().map(|child| child.count as usize).sum::<usize>();
                    node = &children[at];
                }
            }
        }
    }

    /// The rank of the member for which `compare` says `Equal`. Cost: as `rank_of`.
    #[must_use]
    pub fn find(&self, score: f64, mut compare: impl FnMut(u32) -> Ordering) -> Option<usize> {
        let rank = self.rank_of(score, &mut compare);
        self.get(rank).filter(|reference| compare(*reference).is_eq()).map(|_| rank)
    }

    /// The member of a rank. Cost: one way down by counts; no record is asked.
    #[must_use]
    pub fn get(&self, rank: usize) -> Option<u32> {
        let root = self.root.as_ref().filter(|root| rank < root.count as usize)?;
        let (leaf, before) = root.leaf_of(rank);
        leaf.get(rank - before).copied()
    }

    /// Puts a member in at its place, as `rank_of` finds it; returns its rank. The member must not be there.
    /// Cost: as `rank_of`, and a leaf's references moved.
    pub fn insert(
        &mut self,
        reference: u32,
        score: f64,
        compare: impl FnMut(u32) -> Ordering,
        score_of: impl Fn(u32) -> f64,
    ) -> usize {
        let rank = self.rank_of(score, compare);
        let member = Member { reference, score };
        let Some(root) = &mut self.root else {
            self.root = Some(Child::of(member, &mut self.nodes));
            return rank;
        };
        let ends = Ends { is_first: true, is_last: true };
        if let Some(right) = root.insert(rank, member, ends, &score_of, &mut self.nodes)
            && let Some(left) = self.root.take()
        {
            let mut children = Vec::with_capacity(FAN);
            children.extend([left, right]);
            self.root = Some(Child::over(children, &mut self.nodes));
        }
        rank
    }

    /// Takes a member out by its rank. Cost: one way down by counts, a leaf's references moved.
    pub fn remove(&mut self, rank: usize, score_of: impl Fn(u32) -> f64) -> Option<u32> {
        let root = self.root.as_mut().filter(|root| rank < root.count as usize)?;
        let reference = root.remove(rank, &score_of, &mut self.nodes);
        self.lower_root();
        Some(reference)
    }

    /// Names the record of a rank by another reference: it was moved. False where there is none of that rank.
    pub fn replace(&mut self, rank: usize, reference: u32) -> bool {
        let root = self.root.as_mut().filter(|root| rank < root.count as usize);
        root.map(|root| root.replace(rank, reference)).is_some()
    }

    /// The members of these ranks, upwards. Cost: one way down for each leaf.
    #[must_use]
    pub fn iter(&self, ranks: Range<usize>) -> Members<'_> {
        let back = ranks.end.min(self.len());
        Members { order: self, front: ranks.start.min(back), back, leaf: (&[], 0) }
    }

    /// What is untrue of the tree; nothing, if all is well. `is_before` tells how two records stand.
    /// Cost: a look at every member.
    #[must_use]
    pub fn check(
        &self,
        is_before: impl Fn(u32, u32) -> bool,
        score_of: impl Fn(u32) -> f64,
    ) -> Vec<&'static str> {
        let (mut nodes, mut told) = (Nodes::default(), Told::default());
        if let Some(root) = &self.root {
            root.check(&score_of, &mut nodes, &mut told);
            told.hold(root.count > 0, "a root without members");
        }
        told.hold(nodes == self.nodes, "nodes are not as counted");
        let members: Vec<u32> = self.iter(0..self.len()).collect();
        told.hold(members.len() == self.len(), "members are not as counted");
        told.hold(members.windows(2).all(|pair| is_before(pair[0], pair[1])), "members do not ascend");
        told.0
    }

    /// A root with one child gives way to it.
    fn lower_root(&mut self) {
        while let Some(root) = &mut self.root {
            match &mut root.body {
                _ if root.count == 0 => {
                    self.nodes = Nodes::default();
                    self.root = None;
                }
                Body::Inner(children) if children.len() == 1 => {
                    self.nodes.inners -= 1;
                    self.root = children.pop();
                }
                Body::Leaf(_) | Body::Inner(_) => return,
            }
        }
    }
}

/// Members in order, from both ends.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    order: &'a Order,
    /// Ranks of the next one and behind the last one.
    front: usize,
    back: usize,
    /// The leaf looked at last, and the rank of its first member.
    leaf: (&'a [u32], usize),
}

impl Members<'_> {
    #[inline]
    fn at(&mut self, rank: usize) -> Option<u32> {
        let (leaf, before) = self.leaf;
        if let Some(reference) = rank.checked_sub(before).and_then(|at| leaf.get(at)) {
            return Some(*reference);
        }
        let root = self.order.root.as_ref()?;
        let (leaf, before) = root.leaf_of(rank);
        self.leaf = (leaf, before);
        leaf.get(rank - before).copied()
    }
}

impl Iterator for Members<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if self.front >= self.back {
            return None;
        }
        self.front += 1;
        self.at(self.front - 1)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.back - self.front, Some(self.back - self.front))
    }
}

impl DoubleEndedIterator for Members<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<u32> {
        if self.front >= self.back {
            return None;
        }
        self.back -= 1;
        self.at(self.back)
    }
}

impl ExactSizeIterator for Members<'_> {}
