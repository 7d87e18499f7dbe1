//! Leading something to a root, by position.
//!
//! A path holds the siblings bottom-up, all of them, missing ones included. Its length follows from the shape; nothing in it
//! says where it belongs. A run of leaves of one row is led to the row's node first: inside the row, bottom-up, it carries
//! the left sibling where the run begins at an odd place and the right one where it ends at an even place, left first.

use core::ops::Range;

use crate::{
    hash::{self, Hash, LEAF_BYTES, MISSING, ROW_HEIGHTS, Tag},
    shape::Geometry,
};

/// The node that lies `siblings.len()` levels above `start`, the `index`-th of its level.
#[inline]
pub fn climb(tag: Tag, start: Hash, index: u64, siblings: &[Hash]) -> Hash {
    let mut node = start;
    let mut index = index;
    for sibling in siblings {
        let (left, right) = match index & 1 {
            0 => (&node, sibling),
            _ => (sibling, &node),
        };
        node = hash::node(tag, left, right);
        index >>= 1;
    }
    node
}

/// The siblings in a run of bytes. `None` unless it is a multiple of 32 long.
pub const fn siblings(bytes: &[u8]) -> Option<&[Hash]> {
    match bytes.as_chunks::<32>() {
        (siblings, []) => Some(siblings),
        _ => None,
    }
}

/// Consecutive leaves of one row: those that hold some of its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    first: u32,
    last: u32,
    row_height: u8,
    /// The byte of the first leaf at which the columns begin, and the bytes that they have.
    start: u32,
    len: u32,
}

impl Run {
    /// The leaves that hold these columns. `None` without columns, or for some that the tensor does not have.
    pub const fn new(tree: &Geometry, cols: &Range<u32>) -> Option<Self> {
        if cols.start >= cols.end || cols.end > tree.cols() {
            return None;
        }
        // At most 2^20 columns of 4 bytes.
        let size = tree.dtype().size();
        let (start, end) = (cols.start * size, cols.end * size);
        let first = start / LEAF_BYTES as u32;
        Some(Self {
            first,
            last: (end - 1) / LEAF_BYTES as u32,
            row_height: tree.row_height(),
            start: start - first * LEAF_BYTES as u32,
            len: end - start,
        })
    }

    /// Its first leaf and its last one.
    pub const fn ends(&self) -> (u32, u32) {
        (self.first, self.last)
    }

    /// How many leaves it has.
    pub const fn leaves(&self) -> u32 {
        self.last - self.first + 1
    }

    /// The bytes of the columns, in those of the leaves.
    pub fn columns<'b>(&self, leaves: &'b [u8]) -> Option<&'b [u8]> {
        let start = self.start as usize;
        leaves.get(start..start + self.len as usize)
    }

    /// How many siblings it carries inside its row; at most 30.
    pub const fn sibling_count(&self) -> u8 {
        let mut count = 0;
        let mut height = 0;
        while height < self.row_height {
            count += self.has_left(height) as u8 + self.has_right(height) as u8;
            height += 1;
        }
        count
    }

    const fn has_left(&self, height: u8) -> bool {
        (self.first >> height) & 1 == 1
    }

    const fn has_right(&self, height: u8) -> bool {
        (self.last >> height) & 1 == 0
    }

    /// The siblings that it carries inside its row, in their order: levels above the leaves, and place in the row there.
    #[cfg(feature = "std")]
    pub(crate) fn siblings(&self) -> impl Iterator<Item = (u8, u32)> {
        let run = *self;
        (0..run.row_height).flat_map(move |height| {
            let left = run.has_left(height).then_some(run.first >> height);
            let right = run.has_right(height).then_some(run.last >> height);
            let places = left.into_iter().chain(right);
            places.map(move |place| (height, place ^ 1))
        })
    }

    /// The row's node over these leaves and siblings. `None` for another number of either.
    ///
    /// Leaves are taken from left to right; of what was hashed only one node a height is kept. A left sibling is exactly
    /// the subtree that would be kept at its height if the leaves before the run had been taken, too.
    #[inline(never)]
    pub fn climb(&self, leaves: &[[u8; LEAF_BYTES]], siblings: &[Hash]) -> Option<Hash> {
        if leaves.len() != self.leaves() as usize
            || siblings.len() != usize::from(self.sibling_count())
        {
            return None;
        }
        if let [leaf] = leaves {
            // One leaf carries one sibling a level.
            let start = hash::leaf(leaf);
            return Some(climb(Tag::Data, start, self.first.into(), siblings));
        }
        let mut pending = self.lefts(siblings)?;
        let mut edge = MISSING;
        let mut height = 0;
        for (place, leaf) in (self.first..).zip(leaves) {
            (edge, height) = (hash::leaf(leaf), 0);
            while (place >> height) & 1 == 1 && height < self.row_height {
                let left = pending.get(usize::from(height))?;
                edge = hash::node(Tag::Data, left, &edge);
                height += 1;
            }
            *pending.get_mut(usize::from(height))? = edge;
        }
        // From the last subtree up along the right edge.
        let mut rights = siblings.iter();
        for below in 0..self.row_height {
            let right = self.next_right(below, &mut rights);
            if below < height {
                continue;
            }
            edge = match right {
                Some(right) => hash::node(Tag::Data, &edge, right),
                None => hash::node(Tag::Data, pending.get(usize::from(below))?, &edge),
            };
        }
        Some(edge)
    }

    /// The left siblings by height.
    fn lefts(&self, siblings: &[Hash]) -> Option<[Hash; ROW_HEIGHTS]> {
        let mut lefts = [MISSING; ROW_HEIGHTS];
        let mut rest = siblings.iter();
        for (height, left) in (0..self.row_height).zip(&mut lefts) {
            if self.has_left(height) {
                *left = *rest.next()?;
            }
            if self.has_right(height) {
                rest.next()?;
            }
        }
        Some(lefts)
    }

    /// The right sibling at this height, if there is one; heights are asked for one after the other.
    fn next_right<'s>(
        &self,
        height: u8,
        rest: &mut core::slice::Iter<'s, Hash>,
    ) -> Option<&'s Hash> {
        if self.has_left(height) {
            rest.next()?;
        }
        if self.has_right(height) {
            rest.next()
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::vec::Vec;

    use super::*;
    use crate::shape::DType;

    /// All nodes of a row by height, the plainest way.
    fn layers(leaves: &[[u8; LEAF_BYTES]], height: u8) -> Vec<Vec<Hash>> {
        let mut nodes: Vec<Hash> = leaves.iter().map(hash::leaf).collect();
        nodes.resize(1 << height, MISSING);
        let mut layers = std::vec![nodes];
        for _ in 0..height {
            let below = layers.last().unwrap();
            let above = below.chunks(2);
            let above = above.map(|pair| hash::node(Tag::Data, &pair[0], &pair[1]));
            layers.push(above.collect());
        }
        layers
    }

    #[test]
    fn every_run_of_a_row_leads_to_its_node() {
        for count in [1u32, 2, 3, 5, 8, 13] {
            let tree = Geometry::new(DType::I8, 1, count * 128 - 5).unwrap();
            let leaves: Vec<_> = (0..count).map(|k| [k as u8 + 1; LEAF_BYTES]).collect();
            let layers = layers(&leaves, tree.row_height());
            let root = layers.last().unwrap()[0];
            for first in 0..count {
                for last in first..count {
                    let end = (last * 128 + 3).min(tree.cols());
                    let run = Run::new(&tree, &(first * 128 + 2..end)).unwrap();
                    assert_eq!(run.ends(), (first, last));
                    let siblings: Vec<Hash> = run
                        .siblings()
                        .map(|(height, place)| layers[usize::from(height)][place as usize])
                        .collect();
                    let own = &leaves[first as usize..=last as usize];
                    assert_eq!(run.climb(own, &siblings), Some(root), "{run:?}");
                    let columns = run.columns(own.as_flattened()).unwrap();
                    assert_eq!(columns.len() as u32, end - first * 128 - 2);
                    for at in 0..siblings.len() {
                        let mut wrong = siblings.clone();
                        wrong[at][0] ^= 1;
                        assert_ne!(run.climb(own, &wrong), Some(root), "{run:?}, {at}");
                    }
                    assert_eq!(run.climb(&own[1..], &siblings), None);
                    let more = [&siblings[..], &[MISSING]].concat();
                    assert_eq!(run.climb(own, &more), None);
                }
            }
        }
    }

    #[test]
    fn runs_outside_the_row_are_none() {
        let tree = Geometry::new(DType::I32, 1, 100).unwrap();
        assert_eq!(Run::new(&tree, &(0..0)), None);
        let (start, end) = (5, 4);
        assert_eq!(Run::new(&tree, &(start..end)), None);
        assert_eq!(Run::new(&tree, &(99..101)), None);
        assert_eq!(Run::new(&tree, &(31..33)).unwrap().ends(), (0, 1));
        assert_eq!(Run::new(&tree, &(0..32)).unwrap().ends(), (0, 0));
    }

    /// The longest run that an op reads, of the longest row that a tensor may have.
    #[test]
    fn a_long_run_fits_the_longest_row() {
        let tree = Geometry::new(DType::I32, 1, 1 << 20).unwrap();
        let run = Run::new(&tree, &(17..17 + (1 << 18))).unwrap();
        let leaves = std::vec![[0; LEAF_BYTES]; run.leaves() as usize];
        let siblings = std::vec![MISSING; usize::from(run.sibling_count())];
        assert!(run.climb(&leaves, &siblings).is_some());
        assert!(run.sibling_count() <= 30);
    }
}
