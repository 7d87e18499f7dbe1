//! Commitments of whole tensors, of one item's results and of all items. [`crate::witness`] opens them.
//!
//! A trace of many items is never held as a whole: an item's results become an [`ItemTrace`] and then one 32-byte root, and
//! a [`TraceTree`] stands over the roots. [`Committer`] takes items one after the other.

use std::{vec, vec::Vec};

use rayon::prelude::*;

use crate::{
    Error, Tensor,
    graph::Graph,
    hash::{self, Accumulator, Hash, LEAF_BYTES, MISSING, ROWS_HEIGHTS, Tag},
    kernel::hash as kernel,
    limits::MAX_OPS,
    shape::{Geometry, TraceGeometry},
};

/// The root of a tensor's tree, without keeping the tree.
pub fn data_root(tensor: &Tensor) -> Hash {
    // A tensor has what its shape says, and all shapes fit.
    root_of(tensor.geometry(), tensor.data()).unwrap_or(MISSING)
}

/// The data root of a tensor with this tree and these values.
///
/// # Errors
/// [`Error::DataLength`].
pub fn root_of(tree: &Geometry, data: &[u8]) -> Result<Hash, Error> {
    let expected = u64::from(tree.row_bytes()) * u64::from(tree.rows());
    if data.len() as u64 != expected {
        return Err(Error::DataLength {
            expected,
            found: data.len() as u64,
        });
    }
    let block = Block::of(tree);
    let mut blocks = Accumulator::<ROWS_HEIGHTS>::new(Tag::Data);
    for root in block.each(tree, data, |data| block.root(tree, data)) {
        blocks.push(root)?;
    }
    let zero = hash::zero_subtree(Tag::Data, tree.row_height() + block.height);
    Ok(blocks.finish(tree.rows_height() - block.height, zero)?)
}

/// Rows that are hashed together, `2^height` of them: many nodes of one kind at a time, and little memory.
struct Block {
    rows: usize,
    height: u8,
}

impl Block {
    /// About 4 MiB of leaves, at least one row.
    fn of(tree: &Geometry) -> Self {
        const LEAVES_HEIGHT: u8 = 15;
        let height = LEAVES_HEIGHT.saturating_sub(tree.row_height());
        let height = height.min(tree.rows_height());
        Self {
            rows: 1 << height,
            height,
        }
    }

    /// What `f` makes of each block of the data, in order. Where there are several, all cores work on them.
    fn each<T: Send>(&self, tree: &Geometry, data: &[u8], f: impl Fn(&[u8]) -> T + Sync) -> Vec<T> {
        let bytes = self.rows * tree.row_bytes() as usize;
        match data.len() > bytes {
            true => data.par_chunks(bytes).map(&f).collect(),
            false => vec![f(data)],
        }
    }

    /// The node over these rows; those behind them are missing.
    fn root(&self, tree: &Geometry, data: &[u8]) -> Hash {
        let mut layer = Layer {
            nodes: leaves(tree, data),
            per_row: tree.leaves() as usize,
        };
        let mut zero = MISSING;
        for height in 0..tree.row_height() + self.height {
            layer = layer.above(height < tree.row_height(), &zero);
            zero = hash::node(Tag::Data, &zero, &zero);
        }
        layer.nodes.first().copied().unwrap_or(zero)
    }
}

/// The hashes of all leaves of whole rows.
fn leaves(tree: &Geometry, data: &[u8]) -> Vec<Hash> {
    let rows = || data.chunks_exact(tree.row_bytes() as usize);
    // The last leaf of each row, where the row does not fill it.
    let padded: Vec<[u8; LEAF_BYTES]> = rows()
        .map(|row| row.as_chunks::<LEAF_BYTES>().1)
        .filter(|rest| !rest.is_empty())
        .map(hash::padded_leaf)
        .collect();
    let mut last = padded.iter();
    let mut all = Vec::with_capacity(data.len().div_ceil(LEAF_BYTES) + padded.len());
    for row in rows() {
        all.extend(row.as_chunks().0);
        all.extend(last.next());
    }
    kernel::leaves(&all)
}

/// These nodes and the `height` layers above them; positions without a node are missing, `zero` in the first layer.
pub(crate) fn inner_layers(
    tag: Tag,
    nodes: Vec<Hash>,
    height: u8,
    mut zero: Hash,
) -> Vec<Vec<Hash>> {
    let mut layers = vec![nodes];
    for _ in 0..height {
        let below = layers.last().map_or(&[][..], Vec::as_slice);
        let above = parents(tag, below, &zero);
        zero = hash::node(tag, &zero, &zero);
        layers.push(above);
    }
    layers
}

/// The parents of a run of nodes; an odd one out has a zero subtree to its right.
fn parents(tag: Tag, nodes: &[Hash], zero: &Hash) -> Vec<Hash> {
    let mut above = kernel::nodes(tag, nodes);
    if let Some(last) = nodes.last()
        && nodes.len() % 2 == 1
    {
        above.push(hash::node(tag, last, zero));
    }
    above
}

/// The nodes of one height that are not wholly missing.
struct Layer {
    nodes: Vec<Hash>,
    /// How many of them a row has; for layers above the rows, all of them count as one row.
    per_row: usize,
}

impl Layer {
    /// The layer above; `zero` stands at every position that is missing here. From the layer of the rows on, all nodes
    /// count as one row.
    fn above(&self, is_inside_rows: bool, zero: &Hash) -> Self {
        if !is_inside_rows || self.per_row == self.nodes.len() {
            let nodes = parents(Tag::Data, &self.nodes, zero);
            let per_row = nodes.len();
            return Self { nodes, per_row };
        }
        let per_row = self.per_row.div_ceil(2);
        let nodes = if self.per_row.is_multiple_of(2) {
            kernel::nodes(Tag::Data, &self.nodes)
        } else {
            let rows = self.nodes.chunks(self.per_row);
            let even: Vec<Hash> = rows
                .flat_map(|row| row.iter().chain([zero]))
                .copied()
                .collect();
            kernel::nodes(Tag::Data, &even)
        };
        Self { nodes, per_row }
    }
}

/// All nodes of a tensor's tree that are not wholly missing: 64 bytes for every leaf, about half as many as a wide tensor has
/// and many times more than a narrow one.
pub struct TensorTree {
    geometry: Geometry,
    /// By height: `layers[0]` are the leaves.
    layers: Vec<Layer>,
    /// By height: the root of a subtree that is wholly missing.
    zeros: Vec<Hash>,
}

impl TensorTree {
    /// Hashes a tensor.
    pub fn new(tensor: &Tensor) -> Self {
        Self::of(*tensor.geometry(), tensor.data())
    }

    /// Hashes the values of a tensor with this tree.
    fn of(geometry: Geometry, data: &[u8]) -> Self {
        let mut zeros = vec![MISSING];
        let mut layers = vec![Layer {
            nodes: Block::of(&geometry)
                .each(&geometry, data, |data| leaves(&geometry, data))
                .concat(),
            per_row: geometry.leaves() as usize,
        }];
        let mut zero = MISSING;
        for height in 0..geometry.height() {
            let is_inside_rows = height < geometry.row_height();
            layers.extend(
                layers
                    .last()
                    .map(|below| below.above(is_inside_rows, &zero)),
            );
            zero = hash::node(Tag::Data, &zero, &zero);
            zeros.push(zero);
        }
        Self {
            geometry,
            layers,
            zeros,
        }
    }

    /// Where everything lies.
    pub const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The data root.
    pub fn root(&self) -> Hash {
        self.node(0, 0).unwrap_or(MISSING)
    }

    /// Any node, missing ones included. `None` if there is no such node.
    pub fn node(&self, level: u8, index: u64) -> Option<Hash> {
        let missing = self.geometry.is_missing(level, index)?;
        let height = self.geometry.height() - level;
        if missing {
            return self.zeros.get(height as usize).copied();
        }
        let layer = self.layers.get(height as usize)?;
        let at = match self.geometry.row_height().checked_sub(height) {
            // Inside a row: rows have `2^bits` places at this height and keep `per_row` of them.
            Some(bits) => {
                let (row, within) = (index >> bits, index & ((1 << bits) - 1));
                usize::try_from(row).ok()? * layer.per_row + usize::try_from(within).ok()?
            }
            None => usize::try_from(index).ok()?,
        };
        layer.nodes.get(at).copied()
    }
}

/// The tree over the data roots of all ops in one item: the lower levels of the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemTree {
    /// By height: `layers[0]` are the data roots. Missing positions are not kept.
    layers: Vec<Vec<Hash>>,
    height: u8,
}

impl ItemTree {
    /// Hashes the data roots of all ops, in order.
    ///
    /// # Errors
    /// [`Error::Count`] without roots or with more than 1,024.
    pub fn new(roots: Vec<Hash>) -> Result<Self, Error> {
        let geometry = TraceGeometry::new(1, roots.len()).ok_or(Error::Count {
            what: "ops",
            expected: roots.len().clamp(1, MAX_OPS),
            found: roots.len(),
        })?;
        let height = geometry.ops_height();
        Ok(Self {
            layers: inner_layers(Tag::Trace, roots, height, MISSING),
            height,
        })
    }

    /// The data roots of all results.
    pub fn roots(&self) -> &[Hash] {
        self.layers.first().map_or(&[], Vec::as_slice)
    }

    /// The item root.
    pub fn root(&self) -> Hash {
        self.node(0, 0).unwrap_or(MISSING)
    }

    /// Any node, missing ones included; level 0 is the item root. `None` if there is no such node.
    pub fn node(&self, level: u8, index: u64) -> Option<Hash> {
        let height = self.height.checked_sub(level)?;
        if index >= 1 << level {
            return None;
        }
        let layer = self.layers.get(usize::from(height))?;
        let kept = layer.get(usize::try_from(index).ok()?).copied();
        Some(kept.unwrap_or_else(|| hash::zero_subtree(Tag::Trace, height)))
    }

    /// The path from an op's data root to the item root.
    ///
    /// # Errors
    /// [`Error::NoSuchPosition`].
    pub fn open_op(&self, op: u16) -> Result<Vec<Hash>, Error> {
        if usize::from(op) >= self.roots().len() {
            return Err(Error::NoSuchPosition);
        }
        let siblings =
            (0..self.height).map(|up| self.node(self.height - up, (u64::from(op) >> up) ^ 1));
        siblings
            .map(|node| node.ok_or(Error::NoSuchPosition))
            .collect()
    }
}

/// The results of all ops in one item, and the tree over their data roots.
pub struct ItemTrace {
    outputs: Vec<Tensor>,
    tree: ItemTree,
}

impl core::fmt::Debug for ItemTrace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ItemTrace({} ops)", self.outputs.len())
    }
}

impl ItemTrace {
    /// Hashes the results of one item.
    ///
    /// # Errors
    /// [`Error::Count`] without results or with more than 1,024.
    pub fn new(outputs: Vec<Tensor>) -> Result<Self, Error> {
        let tree = ItemTree::new(outputs.iter().map(data_root).collect())?;
        Ok(Self { outputs, tree })
    }

    /// The results of all ops, in order.
    pub fn outputs(&self) -> &[Tensor] {
        &self.outputs
    }

    /// The results.
    pub fn into_outputs(self) -> Vec<Tensor> {
        self.outputs
    }

    /// The item's result: that of the last op.
    pub fn result(&self) -> Option<&Tensor> {
        self.outputs.last()
    }

    /// The tree over the data roots.
    pub const fn tree(&self) -> &ItemTree {
        &self.tree
    }

    /// The data roots of all results.
    pub fn roots(&self) -> &[Hash] {
        self.tree.roots()
    }

    /// The item root.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// Any node of the item's tree: see [`ItemTree::node`].
    pub fn node(&self, level: u8, index: u64) -> Option<Hash> {
        self.tree.node(level, index)
    }

    /// The path from an op's data root to the item root: see [`ItemTree::open_op`].
    ///
    /// # Errors
    /// [`Error::NoSuchPosition`].
    pub fn open_op(&self, op: u16) -> Result<Vec<Hash>, Error> {
        self.tree.open_op(op)
    }
}

/// The tree over the roots of all items: the upper levels of the trace.
pub struct TraceTree {
    geometry: TraceGeometry,
    /// By height: `layers[0]` are the item roots. Missing positions are not kept.
    layers: Vec<Vec<Hash>>,
}

impl TraceTree {
    /// Hashes the item roots.
    ///
    /// # Errors
    /// [`Error::Count`] for another number of them than the job has items.
    pub fn new(geometry: TraceGeometry, item_roots: Vec<Hash>) -> Result<Self, Error> {
        if item_roots.len() != geometry.items() as usize {
            return Err(Error::Count {
                what: "items",
                expected: geometry.items() as usize,
                found: item_roots.len(),
            });
        }
        let zero = hash::zero_subtree(Tag::Trace, geometry.ops_height());
        Ok(Self {
            geometry,
            layers: inner_layers(Tag::Trace, item_roots, geometry.items_height(), zero),
        })
    }

    /// Where everything lies.
    pub const fn geometry(&self) -> &TraceGeometry {
        &self.geometry
    }

    /// The roots of all items.
    pub fn item_roots(&self) -> &[Hash] {
        self.layers.first().map_or(&[], Vec::as_slice)
    }

    /// What goes on chain.
    pub fn root(&self) -> Hash {
        self.node(0, 0).unwrap_or(MISSING)
    }

    /// Any node down to the item roots, missing ones included. `None` if there is no such node.
    pub fn node(&self, level: u8, index: u64) -> Option<Hash> {
        let above_items = self.geometry.items_height().checked_sub(level)?;
        if index >= 1 << level {
            return None;
        }
        let layer = self.layers.get(usize::from(above_items))?;
        let kept = layer.get(usize::try_from(index).ok()?).copied();
        let height = above_items + self.geometry.ops_height();
        Some(kept.unwrap_or_else(|| hash::zero_subtree(Tag::Trace, height)))
    }
}

/// What a provider commits to and publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// What goes on chain.
    pub trace_root: Hash,
    /// The roots of all items.
    pub item_roots: Vec<Hash>,
    /// The roots file: see [`crate::file`].
    pub roots_file: Vec<u8>,
    /// The result file: see [`crate::file`].
    pub result_file: Vec<u8>,
}

/// Takes the items of a job one after the other and keeps only what is published of them.
#[derive(Debug)]
pub struct Committer {
    trace: TraceGeometry,
    item_roots: Vec<Hash>,
    roots_file: Vec<u8>,
    result_file: Vec<u8>,
}

impl Committer {
    /// For a job of this graph.
    ///
    /// # Errors
    /// [`Error::NoSuchPosition`] without items or with too many.
    pub fn new(graph: &Graph<'_>, items: u32) -> Result<Self, Error> {
        Ok(Self {
            trace: graph.trace(items).ok_or(Error::NoSuchPosition)?,
            item_roots: Vec::new(),
            roots_file: Vec::new(),
            result_file: Vec::new(),
        })
    }

    /// Takes the next item.
    ///
    /// # Errors
    /// [`Error::Count`] for results of another number of ops, [`Error::NoSuchItem`] after the last item.
    pub fn push(&mut self, item: &ItemTrace) -> Result<(), Error> {
        let result = item.result().map_or(&[][..], Tensor::data);
        self.push_result(item.tree(), result)
    }

    /// Takes the next item by what was kept of it: its tree and the values of its last op.
    ///
    /// # Errors
    /// As [`Committer::push`].
    pub fn push_result(&mut self, tree: &ItemTree, result: &[u8]) -> Result<(), Error> {
        let (at, items) = (self.item_roots.len() as u32, self.trace.items());
        if at >= items {
            return Err(Error::NoSuchItem { item: at, items });
        }
        if tree.roots().len() != self.trace.ops() as usize {
            return Err(Error::Count {
                what: "ops",
                expected: self.trace.ops() as usize,
                found: tree.roots().len(),
            });
        }
        self.item_roots.push(tree.root());
        self.roots_file.extend(tree.root());
        let path = tree.open_op(self.trace.ops() as u16 - 1)?;
        self.roots_file.extend(path.as_flattened());
        self.result_file.extend(result);
        Ok(())
    }

    /// The commitment over all items.
    ///
    /// # Errors
    /// [`Error::Count`] before the last item was taken.
    pub fn finish(self) -> Result<Commitment, Error> {
        let tree = TraceTree::new(self.trace, self.item_roots)?;
        Ok(Commitment {
            trace_root: tree.root(),
            item_roots: tree.item_roots().to_vec(),
            roots_file: self.roots_file,
            result_file: self.result_file,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::shape::DType;

    /// The tree as it is defined: every position, one node at a time.
    fn plain_root(tensor: &Tensor) -> Hash {
        let tree = tensor.geometry();
        let mut nodes: Vec<Hash> = (0..1u64 << tree.height())
            .map(|position| {
                let (row, k) = tree.row_and_leaf(position);
                match row < tree.rows() {
                    true => tensor
                        .leaf(row, k)
                        .map_or(MISSING, |leaf| hash::leaf(&leaf)),
                    false => MISSING,
                }
            })
            .collect();
        while nodes.len() > 1 {
            let pairs = nodes.as_chunks::<2>().0.iter();
            nodes = pairs
                .map(|[left, right]| hash::node(Tag::Data, left, right))
                .collect();
        }
        nodes[0]
    }

    /// More than 2^15 leaves, so several blocks; the last is not full, nor is each row.
    #[test]
    fn blocks_make_the_plain_tree() {
        for (dtype, rows, cols) in [
            (DType::I8, 5_000, 1_000),
            (DType::I16, 9_001, 140),
            (DType::I8, 70_000, 3),
            (DType::I32, 32_769, 1),
            (DType::I32, 3, 1 << 20),
            (DType::I8, 65_536, 1),
        ] {
            let bytes = (rows * cols * dtype.size()) as usize;
            let data = (0..bytes).map(|at| (at * 31 + at / 253) as u8).collect();
            let tensor = Tensor::from_bytes(dtype, rows, cols, data).unwrap();
            let root = plain_root(&tensor);
            assert_eq!(data_root(&tensor), root, "{dtype:?} {rows} x {cols}");
            assert_eq!(TensorTree::new(&tensor).root(), root);
        }
    }
}
