//! SHA-256 with one tag a kind of node, so that no leaf can pass for a node and no node of a tensor for one of a trace.

use crate::limits::{MAX_ROW_HEIGHT, MAX_ROWS_HEIGHT};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// Bytes in a leaf.
pub const LEAF_BYTES: usize = 128;

/// What stands at a leaf position that the tensor does not have.
pub const MISSING: Hash = [0; 32];

/// The first byte of what is hashed for a leaf.
pub const LEAF_TAG: u8 = 0;

/// Which tree an inner node belongs to; the tag is the first byte of what is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    /// A tensor's tree.
    Data = 1,
    /// The tree over the data roots of all ops.
    Trace = 2,
}

/// SHA-256 of the parts, one after the other: a system call on chain, the `sha2` crate elsewhere.
#[inline]
pub fn hash(parts: &[&[u8]]) -> Hash {
    solana_sha256_hasher::hashv(parts).to_bytes()
}

/// The hash of one leaf, `H(00 ‖ 128 bytes)`.
#[inline]
pub fn leaf(bytes: &[u8; LEAF_BYTES]) -> Hash {
    hash(&[&[LEAF_TAG], bytes])
}

/// The hash of a node over its two children, `H(tag ‖ left ‖ right)`.
#[inline]
pub fn node(tag: Tag, left: &Hash, right: &Hash) -> Hash {
    // In one piece, because on chain every piece costs.
    let mut bytes = [0; 65];
    bytes[0] = tag as u8;
    bytes[1..33].copy_from_slice(left);
    bytes[33..].copy_from_slice(right);
    hash(&[&bytes])
}

/// The leaf that holds `bytes` (at most 128 of them), the rest zero.
#[inline]
pub fn padded_leaf(bytes: &[u8]) -> [u8; LEAF_BYTES] {
    let mut leaf = [0; LEAF_BYTES];
    for (to, from) in leaf.iter_mut().zip(bytes) {
        *to = *from;
    }
    leaf
}

/// The root of a subtree that lies wholly in missing positions.
pub fn zero_subtree(tag: Tag, height: u8) -> Hash {
    let mut root = MISSING;
    for _ in 0..height {
        root = node(tag, &root, &root);
    }
    root
}

/// Heights of an [`Accumulator`] over the leaves of one row: at most 2^15 of them.
pub const ROW_HEIGHTS: usize = 16;

/// Heights of an [`Accumulator`] over the rows of a tensor: at most 2^24 of them.
pub const ROWS_HEIGHTS: usize = 26;

const _: () = assert!(ROW_HEIGHTS > MAX_ROW_HEIGHT as usize);
const _: () = assert!(ROWS_HEIGHTS > MAX_ROWS_HEIGHT as usize);

/// An [`Accumulator`] was given more nodes than it holds, or more than the height that was asked for has places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl core::fmt::Display for Full {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("more nodes than the tree has places: check the shape that they were made for")
    }
}

impl core::error::Error for Full {}

/// Takes nodes of one height from left to right and keeps only what is still needed of them, one node a height.
///
/// It has no heap, so the chain can hash with it. Nothing is ever dropped: a node that has no place is refused.
pub struct Accumulator<const HEIGHTS: usize> {
    tag: Tag,
    /// `pending[h]` is a complete subtree `h` levels above the nodes that come in, where bit `h` of `count` is set.
    pending: [Hash; HEIGHTS],
    count: u64,
}

impl<const HEIGHTS: usize> Accumulator<HEIGHTS> {
    /// An empty one. It holds fewer than `2^HEIGHTS` nodes.
    pub const fn new(tag: Tag) -> Self {
        const { assert!(HEIGHTS < 64, "nodes are counted in 64 bits") }
        Self {
            tag,
            pending: [MISSING; HEIGHTS],
            count: 0,
        }
    }

    /// How many nodes it has taken.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Takes the next node.
    ///
    /// # Errors
    /// [`Full`] at the `2^HEIGHTS`-th.
    #[inline]
    pub fn push(&mut self, mut node_hash: Hash) -> Result<(), Full> {
        if self.count + 1 >= 1 << HEIGHTS {
            return Err(Full);
        }
        let mut pending = self.count;
        for slot in &mut self.pending {
            if pending & 1 == 0 {
                *slot = node_hash;
                break;
            }
            node_hash = node(self.tag, slot, &node_hash);
            pending >>= 1;
        }
        self.count += 1;
        Ok(())
    }

    /// The root `height` levels above the nodes, with `zero` (the zero subtree of the nodes' own height) at every
    /// position that was not pushed.
    ///
    /// # Errors
    /// [`Full`] if more nodes were pushed than a tree of this height has.
    pub fn finish(self, height: u8, mut zero: Hash) -> Result<Hash, Full> {
        let places = 1u64.checked_shl(height.into()).ok_or(Full)?;
        if self.count > places {
            return Err(Full);
        }
        if self.count == places {
            // The one complete subtree is the root.
            return self.pending.get(usize::from(height)).copied().ok_or(Full);
        }
        // The right edge: empty until the first subtree that is pending, a real node from there on.
        let mut edge: Option<Hash> = None;
        for level in 0..height {
            // A bit that is set has a slot: `push` sees to that.
            let left = match (self.count >> level) & 1 {
                1 => self.pending.get(usize::from(level)),
                _ => None,
            };
            edge = match (left, edge) {
                (Some(left), Some(right)) => Some(node(self.tag, left, &right)),
                (Some(left), None) => Some(node(self.tag, left, &zero)),
                (None, Some(left)) => Some(node(self.tag, &left, &zero)),
                (None, None) => None,
            };
            zero = node(self.tag, &zero, &zero);
        }
        Ok(edge.unwrap_or(zero))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// SHA-256 of "abc", from FIPS 180-2.
    #[test]
    fn hash_is_sha256_over_the_joined_parts() {
        let joined = hash(&[b"abc"]);
        assert_eq!(joined, hash(&[b"a", b"", b"bc"]));
        assert_eq!(joined[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(joined[28..], [0xf2, 0x00, 0x15, 0xad]);
    }

    fn naive(tag: Tag, nodes: &[Hash], height: u8, zero: Hash) -> Hash {
        let mut level: std::vec::Vec<Hash> = nodes.to_vec();
        level.resize(1 << height, zero);
        while level.len() > 1 {
            level = level
                .chunks(2)
                .map(|pair| node(tag, &pair[0], &pair[1]))
                .collect();
        }
        level[0]
    }

    #[test]
    fn accumulator_equals_the_whole_tree() {
        let nodes: std::vec::Vec<Hash> = (0..33u8).map(|i| [i + 1; 32]).collect();
        for zero_height in [0u8, 3] {
            let zero = zero_subtree(Tag::Data, zero_height);
            for count in 0..=33usize {
                let least = count.next_power_of_two().trailing_zeros() as u8;
                for height in least..8 {
                    let mut streamed = Accumulator::<9>::new(Tag::Data);
                    for n in &nodes[..count] {
                        streamed.push(*n).unwrap();
                    }
                    assert_eq!(
                        streamed.finish(height, zero).unwrap(),
                        naive(Tag::Data, &nodes[..count], height, zero),
                        "{count} nodes, height {height}"
                    );
                }
            }
        }
    }

    /// A node too many must not be dropped without a word.
    #[test]
    fn accumulator_refuses_what_it_has_no_place_for() {
        let mut nodes = Accumulator::<3>::new(Tag::Data);
        for i in 0..7u8 {
            nodes.push([i; 32]).unwrap();
        }
        assert_eq!(nodes.push([7; 32]), Err(Full));
        assert_eq!(nodes.count(), 7);
        assert!(nodes.finish(3, MISSING).is_ok());

        let mut nodes = Accumulator::<9>::new(Tag::Data);
        for i in 0..5u8 {
            nodes.push([i; 32]).unwrap();
        }
        assert_eq!(nodes.finish(2, MISSING), Err(Full));
        assert!(
            Accumulator::<9>::new(Tag::Data)
                .finish(64, MISSING)
                .is_err()
        );
    }

    /// The most rows and the longest row of the limits both have a place, exactly full.
    #[test]
    fn accumulator_holds_what_the_limits_allow() {
        let mut leaves = Accumulator::<ROW_HEIGHTS>::new(Tag::Data);
        for _ in 0..1 << MAX_ROW_HEIGHT {
            leaves.push(MISSING).unwrap();
        }
        let zero = zero_subtree(Tag::Data, MAX_ROW_HEIGHT);
        assert_eq!(leaves.finish(MAX_ROW_HEIGHT, MISSING), Ok(zero));
        // 2^24 rows without hashing them all: as if all but the last had been pushed.
        let mut rows = Accumulator::<ROWS_HEIGHTS>::new(Tag::Data);
        rows.count = (1 << MAX_ROWS_HEIGHT) - 1;
        for (height, slot) in (0..).zip(&mut rows.pending) {
            *slot = zero_subtree(Tag::Data, height);
        }
        rows.push(MISSING).unwrap();
        let zero = zero_subtree(Tag::Data, MAX_ROWS_HEIGHT);
        assert_eq!(rows.finish(MAX_ROWS_HEIGHT, MISSING), Ok(zero));
    }
}
