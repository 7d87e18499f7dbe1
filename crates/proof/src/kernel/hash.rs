//! SHA-256 of many leaves or nodes at a time.
//!
//! With AVX-512 sixteen messages of one length go through the compression function side by side, one in each lane of its
//! registers (FIPS 180-4, section 6.2). Elsewhere each is hashed by itself.

use std::vec::Vec;

use crate::hash::{self, Hash, LEAF_BYTES, LEAF_TAG, Tag};

/// The hashes of leaves, in order.
pub(crate) fn leaves(leaves: &[&[u8; LEAF_BYTES]]) -> Vec<Hash> {
    many(LEAF_TAG, leaves).unwrap_or_else(|| leaves.iter().map(|leaf| hash::leaf(leaf)).collect())
}

/// The hashes of nodes over pairs of children, in order. An odd one out at the end is left.
pub(crate) fn nodes(tag: Tag, children: &[Hash]) -> Vec<Hash> {
    let pairs = children.as_flattened().as_chunks::<64>().0;
    let messages: Vec<&[u8; 64]> = pairs.iter().collect();
    many(tag as u8, &messages).unwrap_or_else(|| {
        let pairs = children.as_chunks::<2>().0;
        pairs
            .iter()
            .map(|[left, right]| hash::node(tag, left, right))
            .collect()
    })
}

/// `None` where one at a time is as fast.
#[cfg(target_arch = "x86_64")]
fn many<const BYTES: usize>(tag: u8, messages: &[&[u8; BYTES]]) -> Option<Vec<Hash>> {
    super::lanes::many(tag, messages)
}

#[cfg(not(target_arch = "x86_64"))]
fn many<const BYTES: usize>(_: u8, _: &[&[u8; BYTES]]) -> Option<Vec<Hash>> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|i| (i * 31 + i / 251) as u8).collect()
    }

    /// Lanes that are full, partly full and single, against one at a time.
    #[test]
    fn many_equal_one_at_a_time() {
        for count in [0, 1, 7, 8, 15, 16, 17, 31, 33, 100] {
            let data = bytes(count * LEAF_BYTES);
            let messages: Vec<&[u8; LEAF_BYTES]> = data.as_chunks().0.iter().collect();
            let right: Vec<Hash> = messages.iter().map(|leaf| hash::leaf(leaf)).collect();
            assert_eq!(leaves(&messages), right);
            for tag in [Tag::Data, Tag::Trace] {
                let pairs = right.as_chunks::<2>().0;
                let above: Vec<Hash> = pairs
                    .iter()
                    .map(|[left, right]| hash::node(tag, left, right))
                    .collect();
                assert_eq!(nodes(tag, &right), above);
            }
        }
    }
}
