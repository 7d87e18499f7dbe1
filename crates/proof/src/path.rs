//! Checking that something belongs to a root, by position.
//!
//! A path holds the siblings bottom-up, all of them, missing ones included. Its length follows from the shape; nothing
//! in it says where it belongs.

use crate::{
    hash::{self, Hash, LEAF_BYTES, Tag},
    shape::{Geometry, TraceGeometry},
};

/// Why something doesn't belong to a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// The position lies outside the tree.
    NoSuchNode,
    /// The row has another length than the shape says.
    RowLength,
    /// The path has another number of siblings than the position's depth.
    PathLength,
    /// The hashes lead to another root.
    WrongRoot,
}

impl PathError {
    /// What is wrong.
    pub const fn message(self) -> &'static str {
        match self {
            Self::NoSuchNode => "the position lies outside the tree",
            Self::RowLength => "the row's length is not what the shape says",
            Self::PathLength => "the path has too few or too many siblings for its position",
            Self::WrongRoot => {
                "the path leads to another root: wrong data, wrong position or wrong siblings"
            }
        }
    }
}

impl core::fmt::Display for PathError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for PathError {}

/// The node that lies `siblings.len()` levels above `start`, the `index`-th of its level.
#[inline]
pub fn climb(tag: Tag, start: Hash, index: u64, siblings: &[Hash]) -> Hash {
    let mut node = start;
    let mut index = index;
    for sibling in siblings {
        let (left, right) = if index & 1 == 0 {
            (&node, sibling)
        } else {
            (sibling, &node)
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

fn reach(
    tag: Tag,
    start: Hash,
    level: u8,
    index: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), PathError> {
    if path.len() != level as usize {
        return Err(PathError::PathLength);
    }
    if climb(tag, start, index, path) != *root {
        return Err(PathError::WrongRoot);
    }
    Ok(())
}

/// Whether `node` is the `index`-th node of `level` under the data root `root`.
///
/// # Errors
/// See [`PathError`].
pub fn verify_node(
    tree: &Geometry,
    level: u8,
    index: u64,
    node: &Hash,
    path: &[Hash],
    root: &Hash,
) -> Result<(), PathError> {
    if !tree.has_node(level, index) {
        return Err(PathError::NoSuchNode);
    }
    reach(Tag::Data, *node, level, index, path, root)
}

/// Whether `bytes` is leaf `k` of `row` under the data root `root`. Says nothing about padding inside the leaf.
///
/// # Errors
/// See [`PathError`]. A missing leaf position has no bytes: [`PathError::NoSuchNode`].
pub fn verify_leaf(
    tree: &Geometry,
    row: u32,
    k: u32,
    bytes: &[u8; LEAF_BYTES],
    path: &[Hash],
    root: &Hash,
) -> Result<(), PathError> {
    let position = tree
        .leaf_position(row, k)
        .filter(|_| row < tree.rows() && k < tree.leaves())
        .ok_or(PathError::NoSuchNode)?;
    reach(
        Tag::Data,
        hash::leaf(bytes),
        tree.height(),
        position,
        path,
        root,
    )
}

/// Whether `bytes` (without padding) is `row` under the data root `root`, for rows of at most 32,768 bytes.
///
/// # Errors
/// See [`PathError`].
pub fn verify_row(
    tree: &Geometry,
    row: u32,
    bytes: &[u8],
    path: &[Hash],
    root: &Hash,
) -> Result<(), PathError> {
    if row >= tree.rows() {
        return Err(PathError::NoSuchNode);
    }
    if bytes.len() != tree.row_bytes() as usize {
        return Err(PathError::RowLength);
    }
    let node = hash::row_root(bytes, tree.row_height()).ok_or(PathError::RowLength)?;
    reach(
        Tag::Data,
        node,
        tree.rows_height(),
        u64::from(row),
        path,
        root,
    )
}

/// Whether `data_root` is that of op `op` under `trace_root`.
///
/// # Errors
/// See [`PathError`].
pub fn verify_trace(
    trace: &TraceGeometry,
    op: u32,
    data_root: &Hash,
    path: &[Hash],
    trace_root: &Hash,
) -> Result<(), PathError> {
    if op >= trace.ops() {
        return Err(PathError::NoSuchNode);
    }
    reach(
        Tag::Trace,
        *data_root,
        trace.height(),
        u64::from(op),
        path,
        trace_root,
    )
}
