//! What a reviewed job commits to that carries a text, an image or any other one file instead of tensors.

use quern_proof::{
    Hash,
    hash::{LEAF_BYTES, LEAF_TAG, Tag, hash},
};

/// The commitment to a file: its SHA-256, which every machine can compute. Nothing for the few files that look like a part of a
/// tensor's tree: a stranger could give one the root of somebody else's tensor.
pub fn root(bytes: &[u8]) -> Option<Hash> {
    const NODE_BYTES: usize = 1 + 2 * size_of::<Hash>();
    const PADDED_LEAF_BYTES: usize = 1 + LEAF_BYTES;
    let is_node = |tag: u8| tag == Tag::Data as u8 || tag == Tag::Trace as u8;
    let is_of_tree = match (bytes.len(), bytes.first()) {
        (NODE_BYTES, Some(tag)) => is_node(*tag),
        (PADDED_LEAF_BYTES, Some(tag)) => *tag == LEAF_TAG,
        _ => false,
    };
    (!is_of_tree).then(|| hash(&[bytes]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*,
        quern_proof::{Tensor, commit::data_root, hash::leaf},
    };

    #[test]
    fn a_file_is_known_by_its_sha_256() {
        let found = root(b"abc").map(hex::encode).unwrap();
        assert_eq!(
            found,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert!(root(b"").is_some() && root(&[1; 64]).is_some() && root(&[3; 65]).is_some());
    }

    /// What is hashed for a tensor's root is no file: its hash is that root.
    #[test]
    fn no_file_has_the_root_of_a_tensor() {
        let tensor = Tensor::from_i8(2, 1, &[1, 2]).unwrap();
        let rows = [0, 1].map(|row| leaf(&tensor.leaf(row, 0).unwrap()));
        let node = [&[Tag::Data as u8][..], &rows[0], &rows[1]].concat();
        assert_eq!(hash(&[&node]), data_root(&tensor));
        assert_eq!(root(&node), None);
        let one = Tensor::from_i8(1, 1, &[1]).unwrap();
        let padded = [&[LEAF_TAG][..], &one.leaf(0, 0).unwrap()].concat();
        assert_eq!(hash(&[&padded]), data_root(&one));
        assert_eq!(root(&padded), None);
    }
}
