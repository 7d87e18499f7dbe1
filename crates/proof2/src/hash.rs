//! SHA-256 with one tag a kind of node, so that no leaf can pass for a node and no node of a tensor for one of a trace.

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

/// Takes nodes of one height from left to right and keeps only what is still needed of them, one node a height.
///
/// It has no heap, so the chain can hash a row with it.
pub struct Accumulator<const HEIGHTS: usize> {
    tag: Tag,
    /// `pending[h]` is a complete subtree `h` levels above the nodes that come in, where bit `h` of `count` is set.
    pending: [Hash; HEIGHTS],
    count: u64,
}

impl<const HEIGHTS: usize> Accumulator<HEIGHTS> {
    /// An empty one. It holds fewer than `2^HEIGHTS` nodes.
    pub const fn new(tag: Tag) -> Self {
        Self {
            tag,
            pending: [MISSING; HEIGHTS],
            count: 0,
        }
    }

    /// Takes the next node.
    #[inline]
    pub fn push(&mut self, mut node_hash: Hash) {
        let mut pending = self.count;
        for slot in &mut self.pending {
            if pending & 1 == 0 {
                *slot = node_hash;
                break;
            }
            node_hash = node(self.tag, slot, &node_hash);
            pending >>= 1;
        }
        self.count = self.count.wrapping_add(1);
    }

    /// The root `height` levels above the nodes, with `zero` (the zero subtree of the nodes' own height) at every
    /// position that was not pushed.
    pub fn finish(self, height: u8, mut zero: Hash) -> Hash {
        if self.count >> height != 0 {
            // Exactly full: the one complete subtree is the root.
            return self
                .pending
                .get(height as usize)
                .copied()
                .unwrap_or(MISSING);
        }
        // The right edge: empty until the first subtree that is pending, a real node from there on.
        let mut edge: Option<Hash> = None;
        for level in 0..height {
            let pending = (self.count >> level) & 1 == 1;
            edge = match (
                pending.then(|| self.pending.get(level as usize)).flatten(),
                edge,
            ) {
                (Some(left), Some(right)) => Some(node(self.tag, left, &right)),
                (Some(left), None) => Some(node(self.tag, left, &zero)),
                (None, Some(left)) => Some(node(self.tag, &left, &zero)),
                (None, None) => None,
            };
            zero = node(self.tag, &zero, &zero);
        }
        edge.unwrap_or(zero)
    }
}

#[cfg(test)]
mod tests {
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
                        streamed.push(*n);
                    }
                    assert_eq!(
                        streamed.finish(height, zero),
                        naive(Tag::Data, &nodes[..count], height, zero),
                        "{count} nodes, height {height}"
                    );
                }
            }
        }
    }
}
