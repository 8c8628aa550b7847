//! Nodes of the tree and how they split and join. All by rank: nothing here compares records.

use super::faults::Told;

/// References of a leaf.
pub const LEAF_LEN: usize = 64;
/// Children of an inner node.
pub const FAN: usize = 32;

/// A node with fewer is joined with a neighbour, if both together are no more than three quarters of one: what comes
/// and goes at that edge does not split and join each time.
const fn is_poor(len: usize, full: usize) -> bool {
    len < full / 4
}

const fn joins(both: usize, full: usize) -> bool {
    both <= full * 3 / 4
}

/// A subtree, as its parent knows it.
#[derive(Debug)]
pub struct Child {
    /// Of its first member.
    pub score: f64,
    pub first: u32,
    /// Members below it.
    pub count: u32,
    pub body: Body,
}

#[derive(Debug)]
pub enum Body {
    /// The first `count` are members.
    Leaf(Box<[u32; LEAF_LEN]>),
    Inner(Vec<Child>),
}

/// Nodes of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nodes {
    pub leaves: usize,
    pub inners: usize,
}

impl Nodes {
    /// What they take, bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        self.leaves * size_of::<[u32; LEAF_LEN]>() + self.inners * FAN * size_of::<Child>()
    }
}

/// Which ends of the whole tree a node is at: there it is split so that the other node stays full, since what came at
/// an end mostly goes on there.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub is_first: bool,
    pub is_last: bool,
}

/// A member on its way in.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    pub reference: u32,
    pub score: f64,
}

impl Child {
    /// A leaf with one member.
    #[must_use]
    pub fn of(member: Member, nodes: &mut Nodes) -> Child {
        nodes.leaves += 1;
        let mut leaf = Box::new([0; LEAF_LEN]);
        leaf[0] = member.reference;
        Child { score: member.score, first: member.reference, count: 1, body: Body::Leaf(leaf) }
    }

    /// A node over others.
    #[must_use]
    pub fn over(children: Vec<Child>, nodes: &mut Nodes) -> Child {
        nodes.inners += 1;
        let mut node = Child { score: 0.0, first: 0, count: 0, body: Body::Inner(children) };
        node.count_up();
        node
    }

    /// Puts a member in as the one of that rank; returns what was split off, which belongs behind this.
    /// `score_of` tells the score of a record. Cost: one way down, a leaf's references moved.
    pub fn insert(
        &mut self,
        rank: usize,
        member: Member,
        ends: Ends,
        score_of: &impl Fn(u32) -> f64,
        nodes: &mut Nodes,
    ) -> Option<Child> {
        match &mut self.body {
            Body::Leaf(leaf) => {
                let len = self.count as usize;
                if rank == 0 {
                    (self.first, self.score) = (member.reference, member.score);
                }
                if len < LEAF_LEN {
                    insert_at(leaf, len, rank, member.reference);
                    self.count += 1;
                    return None;
                }
                let (count, right) = split_leaf(leaf, rank, member.reference, ends);
                self.count = count;
                nodes.leaves += 1;
                let first = right.first;
                let score = if first == member.reference { member.score } else { score_of(first) };
                Some(Child { score, ..right })
            }
            Body::Inner(children) => {
                let (at, before) = child_of_gap(children, rank);
                let ends = Ends {
                    is_first: ends.is_first && at == 0,
                    is_last: ends.is_last && at + 1 == children.len(),
                };
                let split = children[at].insert(rank - before, member, ends, score_of, nodes);
                let right = split.and_then(|split| insert_child(children, at + 1, split, ends));
                let right = right.map(|right| Child::over(right, nodes));
                self.count_up();
                right
            }
        }
    }

    /// Takes out the member of that rank, which is there. Cost: as `insert`.
    pub fn remove(&mut self, rank: usize, score_of: &impl Fn(u32) -> f64, nodes: &mut Nodes) -> u32 {
        match &mut self.body {
            Body::Leaf(leaf) => {
                let reference = leaf[rank];
                leaf.copy_within(rank + 1..self.count as usize, rank);
                self.count -= 1;
                if rank == 0 && self.count > 0 {
                    (self.first, self.score) = (leaf[0], score_of(leaf[0]));
                }
                reference
            }
            Body::Inner(children) => {
                let (at, before) = child_of(children, rank);
                let reference = children[at].remove(rank - before, score_of, nodes);
                if children[at].count == 0 {
                    nodes.forget(&children.remove(at).body);
                } else {
                    mend(children, at, nodes);
                }
                self.count_up();
                reference
            }
        }
    }

    /// Names the record of a rank by another reference.
    pub fn replace(&mut self, rank: usize, reference: u32) {
        if rank == 0 {
            self.first = reference;
        }
        match &mut self.body {
            Body::Leaf(leaf) => leaf[rank] = reference,
            Body::Inner(children) => {
                let (at, before) = child_of(children, rank);
                children[at].replace(rank - before, reference);
            }
        }
    }

    /// The references of the leaf that the rank is in, and the rank of the first.
    #[must_use]
    pub fn leaf_of(&self, rank: usize) -> (&[u32], usize) {
        let (mut node, mut before) = (self, 0);
        loop {
            match &node.body {
                Body::Leaf(leaf) => return (&leaf[..node.count as usize], before),
                Body::Inner(children) => {
                    let (at, skipped) = child_of(children, rank - before);
                    (node, before) = (&children[at], before + skipped);
                }
            }
        }
    }

    fn count_up(&mut self) {
        let Body::Inner(children) = &self.body else { return };
        self.count = children.iter().map(|child| child.count).sum();
        if let Some(child) = children.first() {
            (self.first, self.score) = (child.first, child.score);
        }
    }

    /// Checks everything below, leaf by leaf; returns how deep it is.
    pub fn check(&self, score_of: &impl Fn(u32) -> f64, nodes: &mut Nodes, told: &mut Told) -> usize {
        match &self.body {
            Body::Leaf(leaf) => {
                nodes.leaves += 1;
                told.hold((1..=LEAF_LEN).contains(&(self.count as usize)), "a leaf is empty");
                told.hold(leaf[0] == self.first, "a leaf's first member is not its parent's");
                let score = score_of(self.first).to_bits();
                told.hold(score == self.score.to_bits(), "a first member has another score");
                1
            }
            Body::Inner(children) => {
                nodes.inners += 1;
                let depths: Vec<usize> =
                    children.iter().map(|child| child.check(score_of, nodes, told)).collect();
                told.hold(
                    children.capacity() == FAN && !children.is_empty(),
                    "an inner node is empty or too large",
                );
                told.hold(depths.windows(2).all(|pair| pair[0] == pair[1]), "leaves are not equally deep");
                let count: u32 = children.iter().map(|child| child.count).sum();
                told.hold(count == self.count, "a count is not the sum of its children's");
                let first = children.first().map(|child| (child.first, child.score.to_bits()));
                told.hold(
                    first == Some((self.first, self.score.to_bits())),
                    "a first member is not the first's",
                );
                depths.first().map_or(0, |depth| depth + 1)
            }
        }
    }
}

impl Nodes {
    fn forget(&mut self, body: &Body) {
        match body {
            Body::Leaf(_) => self.leaves -= 1,
            Body::Inner(_) => self.inners -= 1,
        }
    }
}

/// The child with the member of that rank, and the members before it. Cost: a look at each count.
fn child_of(children: &[Child], rank: usize) -> (usize, usize) {
    let (mut at, mut before) = (0, 0);
    while at + 1 < children.len() && before + children[at].count as usize <= rank {
        before += children[at].count as usize;
        at += 1;
    }
    (at, before)
}

/// The child that a member belongs into which is to get that rank: of two the left one, so that no first member
/// changes.
fn child_of_gap(children: &[Child], rank: usize) -> (usize, usize) {
    child_of(children, rank.saturating_sub(1))
}

fn insert_at(leaf: &mut [u32; LEAF_LEN], len: usize, at: usize, reference: u32) {
    leaf.copy_within(at..len, at + 1);
    leaf[at] = reference;
}

/// Splits a full leaf for one more; returns its new length and the right one, without its score.
fn split_leaf(leaf: &mut Box<[u32; LEAF_LEN]>, at: usize, reference: u32, ends: Ends) -> (u32, Child) {
    let cut = match at {
        LEAF_LEN if ends.is_last => LEAF_LEN,
        0 if ends.is_first => 0,
        _ => LEAF_LEN / 2,
    };
    let mut right = Box::new([0; LEAF_LEN]);
    let (mut left_len, mut right_len) = (cut, LEAF_LEN - cut);
    right[..right_len].copy_from_slice(&leaf[cut..]);
    if at > cut || cut == LEAF_LEN {
        insert_at(&mut right, right_len, at - cut, reference);
        right_len += 1;
    } else {
        insert_at(leaf, left_len, at, reference);
        left_len += 1;
    }
    let first = right[0];
    (left_len as u32, Child { score: 0.0, first, count: right_len as u32, body: Body::Leaf(right) })
}

/// Puts a child in; returns the right part of the children where they were full.
fn insert_child(children: &mut Vec<Child>, at: usize, child: Child, ends: Ends) -> Option<Vec<Child>> {
    if children.len() < FAN {
        children.insert(at, child);
        return None;
    }
    let cut = match at {
        FAN if ends.is_last => FAN,
        1 if ends.is_first => 1,
        _ => FAN / 2,
    };
    let mut right = Vec::with_capacity(FAN);
    right.extend(children.drain(cut..));
    if at >= cut {
        right.insert(at - cut, child);
    } else {
        children.insert(at, child);
    }
    Some(right)
}

/// Joins a child that has become poor with a neighbour.
fn mend(children: &mut Vec<Child>, at: usize, nodes: &mut Nodes) {
    let len = |child: &Child| match &child.body {
        Body::Leaf(_) => (child.count as usize, LEAF_LEN),
        Body::Inner(children) => (children.len(), FAN),
    };
    let (own, full) = len(&children[at]);
    if !is_poor(own, full) {
        return;
    }
    for left in [at.wrapping_sub(1), at] {
        let Some([a, b]) = children.get_mut(left..).and_then(|rest| rest.first_chunk_mut()) else { continue };
        if !joins(len(a).0 + len(b).0, full) {
            continue;
        }
        match (&mut a.body, &mut b.body) {
            (Body::Leaf(into), Body::Leaf(from)) => {
                let (len, more) = (a.count as usize, b.count as usize);
                into[len..len + more].copy_from_slice(&from[..more]);
            }
            (Body::Inner(into), Body::Inner(from)) => into.append(from),
            (Body::Leaf(_), Body::Inner(_)) | (Body::Inner(_), Body::Leaf(_)) => return,
        }
        a.count += b.count;
        nodes.forget(&children.remove(left + 1).body);
        return;
    }
}
