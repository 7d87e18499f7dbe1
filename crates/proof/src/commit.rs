//! Commitments of whole tensors and traces, and openings of everything in them.

use std::{vec, vec::Vec};

use crate::{
    Error, Tensor,
    hash::{self, Accumulator, Hash, LEAF_BYTES, MISSING, Tag},
    limits::{MAX_OPS, STEP_LEVELS},
    path,
    shape::{Geometry, TraceGeometry},
};

/// Heights that any row or any number of rows can have, and one for the root.
const HEIGHTS: usize = 24;

/// The root of a tensor's tree, without keeping the tree.
pub fn data_root(tensor: &Tensor) -> Hash {
    let tree = tensor.geometry();
    let mut rows = Accumulator::<HEIGHTS>::new(Tag::Data);
    for row in tensor.row_slices() {
        rows.push(hash::row_root_with::<HEIGHTS>(row, tree.row_height()));
    }
    let zero = hash::zero_subtree(Tag::Data, tree.row_height());
    rows.finish(tree.rows_height(), zero)
}

/// The root over the data roots of all ops' outputs. `None` without any or above 64.
pub fn trace_root(roots: &[Hash]) -> Option<Hash> {
    let height = TraceGeometry::new(roots.len())?.height();
    let mut nodes = Accumulator::<HEIGHTS>::new(Tag::Trace);
    for root in roots {
        nodes.push(*root);
    }
    Some(nodes.finish(height, MISSING))
}

/// The nodes of one height that are not wholly missing.
struct Layer {
    nodes: Vec<Hash>,
    /// How many of them a row has; for layers above the rows, all of them count as one row.
    per_row: usize,
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

/// The parents of a run of nodes; an odd one out has a zero subtree to its right.
fn parents(tag: Tag, nodes: &[Hash], zero: &Hash) -> impl Iterator<Item = Hash> {
    nodes.chunks(2).map(move |pair| match pair {
        [left, right] => hash::node(tag, left, right),
        [left, ..] => hash::node(tag, left, zero),
        [] => *zero,
    })
}

impl TensorTree {
    /// Hashes a tensor.
    pub fn new(tensor: &Tensor) -> Self {
        let geometry = *tensor.geometry();
        let mut zeros = vec![MISSING];
        let mut leaves = Vec::with_capacity(geometry.leaves() as usize * geometry.rows() as usize);
        for row in tensor.row_slices() {
            let (full, rest) = row.as_chunks::<LEAF_BYTES>();
            leaves.extend(full.iter().map(hash::leaf));
            if !rest.is_empty() {
                leaves.push(hash::leaf(&hash::padded_leaf(rest)));
            }
        }
        let mut layers = vec![Layer {
            nodes: leaves,
            per_row: geometry.leaves() as usize,
        }];
        let mut zero = MISSING;
        for height in 1..=geometry.height() {
            let below = layers.last().map_or(&[][..], |layer| &layer.nodes);
            let per_row = if height <= geometry.row_height() {
                layers.last().map_or(1, |layer| layer.per_row)
            } else {
                below.len().max(1)
            };
            let nodes: Vec<Hash> = below
                .chunks(per_row)
                .flat_map(|row| parents(Tag::Data, row, &zero))
                .collect();
            zero = hash::node(Tag::Data, &zero, &zero);
            zeros.push(zero);
            layers.push(Layer {
                per_row: if height <= geometry.row_height() {
                    per_row.div_ceil(2)
                } else {
                    nodes.len()
                },
                nodes,
            });
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

    /// The path of a node: its siblings bottom-up.
    ///
    /// # Errors
    /// [`Error::NoSuchPosition`].
    pub fn open_node(&self, level: u8, index: u64) -> Result<Vec<Hash>, Error> {
        if !self.geometry.has_node(level, index) {
            return Err(Error::NoSuchPosition);
        }
        (0..level)
            .map(|up| {
                self.node(level - up, (index >> up) ^ 1)
                    .ok_or(Error::NoSuchPosition)
            })
            .collect()
    }

    /// The path of leaf `k` of a row.
    ///
    /// # Errors
    /// [`Error::NoSuchPosition`], for missing leaves too.
    pub fn open_leaf(&self, row: u32, k: u32) -> Result<Vec<Hash>, Error> {
        let position = self
            .geometry
            .leaf_position(row, k)
            .filter(|_| row < self.geometry.rows() && k < self.geometry.leaves())
            .ok_or(Error::NoSuchPosition)?;
        self.open_node(self.geometry.height(), position)
    }

    /// The path of a whole row.
    ///
    /// # Errors
    /// [`Error::NoSuchPosition`].
    pub fn open_row(&self, row: u32) -> Result<Vec<Hash>, Error> {
        if row >= self.geometry.rows() {
            return Err(Error::NoSuchPosition);
        }
        self.open_node(self.geometry.rows_height(), u64::from(row))
    }

    /// The answer to a demand above the leaves: the nodes up to four levels below this one, left to right, missing ones
    /// included. (A demand at the leaves is answered by [`Tensor::leaf`].)
    ///
    /// # Errors
    /// [`Error::NoSuchPosition`] for a node that doesn't exist or is a leaf.
    pub fn answer(&self, level: u8, index: u64) -> Result<Vec<Hash>, Error> {
        let height = self.geometry.height();
        if !self.geometry.has_node(level, index) || level == height {
            return Err(Error::NoSuchPosition);
        }
        let depth = STEP_LEVELS.min(height - level);
        (0..1u64 << depth)
            .map(|child| {
                self.node(level + depth, (index << depth) + child)
                    .ok_or(Error::NoSuchPosition)
            })
            .collect()
    }
}

/// The outputs of all ops and what a provider commits to.
pub struct Trace {
    outputs: Vec<Tensor>,
    roots: Vec<Hash>,
    /// By height: `layers[0]` are the data roots. Missing positions are not kept.
    layers: Vec<Vec<Hash>>,
    geometry: TraceGeometry,
}

/// One leaf of one op's output, with everything that leads from it to the trace root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafOpening {
    /// The leaf's bytes, padded.
    pub leaf: [u8; LEAF_BYTES],
    /// From the leaf to the op's data root.
    pub data_path: Vec<Hash>,
    /// The op's data root.
    pub data_root: Hash,
    /// From there to the trace root.
    pub trace_path: Vec<Hash>,
}

impl LeafOpening {
    /// Whether it opens leaf `k` of `row` of op `op` under this trace root, in a trace of `ops` ops.
    ///
    /// # Errors
    /// [`Error::Path`].
    pub fn verify(
        &self,
        trace: &TraceGeometry,
        tree: &Geometry,
        op: u32,
        row: u32,
        k: u32,
        trace_root: &Hash,
    ) -> Result<(), Error> {
        path::verify_leaf(tree, row, k, &self.leaf, &self.data_path, &self.data_root)?;
        path::verify_trace(trace, op, &self.data_root, &self.trace_path, trace_root)?;
        Ok(())
    }
}

impl Trace {
    /// Hashes the outputs of a run.
    ///
    /// # Errors
    /// [`Error::Count`] without outputs or with more than 64.
    pub fn new(outputs: Vec<Tensor>) -> Result<Self, Error> {
        let geometry = TraceGeometry::new(outputs.len()).ok_or(Error::Count {
            what: "ops",
            expected: outputs.len().clamp(1, MAX_OPS),
            found: outputs.len(),
        })?;
        let roots: Vec<Hash> = outputs.iter().map(data_root).collect();
        let mut layers = vec![roots.clone()];
        let mut zero = MISSING;
        for _ in 0..geometry.height() {
            let below = layers.last().map_or(&[][..], |layer| layer);
            let above = parents(Tag::Trace, below, &zero).collect();
            zero = hash::node(Tag::Trace, &zero, &zero);
            layers.push(above);
        }
        Ok(Self {
            outputs,
            roots,
            layers,
            geometry,
        })
    }

    /// Where everything lies.
    pub const fn geometry(&self) -> &TraceGeometry {
        &self.geometry
    }

    /// All outputs, in order.
    pub fn outputs(&self) -> &[Tensor] {
        &self.outputs
    }

    /// The outputs.
    pub fn into_outputs(self) -> Vec<Tensor> {
        self.outputs
    }

    /// The graph's result: the last op's output.
    pub fn result(&self) -> Option<&Tensor> {
        self.outputs.last()
    }

    /// The data roots of all outputs.
    pub fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// What goes on chain.
    pub fn root(&self) -> Hash {
        self.node(0, 0).unwrap_or(MISSING)
    }

    /// Any node of the trace tree, missing ones included. `None` if there is no such node.
    pub fn node(&self, level: u8, index: u64) -> Option<Hash> {
        let missing = self.geometry.is_missing(level, index)?;
        let height = self.geometry.height() - level;
        if missing {
            return Some(hash::zero_subtree(Tag::Trace, height));
        }
        self.layers
            .get(height as usize)?
            .get(usize::try_from(index).ok()?)
            .copied()
    }

    /// The path from an op's data root to the trace root.
    ///
    /// # Errors
    /// [`Error::NoSuchPosition`].
    pub fn open_op(&self, op: u32) -> Result<Vec<Hash>, Error> {
        if op >= self.geometry.ops() {
            return Err(Error::NoSuchPosition);
        }
        let height = self.geometry.height();
        (0..height)
            .map(|up| {
                self.node(height - up, (u64::from(op) >> up) ^ 1)
                    .ok_or(Error::NoSuchPosition)
            })
            .collect()
    }

    /// The tree of one op's output. Hashes the output again: keep it when opening more than one place.
    ///
    /// # Errors
    /// [`Error::NoSuchPosition`].
    pub fn tree(&self, op: u32) -> Result<TensorTree, Error> {
        let output = self.outputs.get(op as usize).ok_or(Error::NoSuchPosition)?;
        Ok(TensorTree::new(output))
    }

    /// One leaf with everything up to the trace root.
    ///
    /// # Errors
    /// [`Error::NoSuchPosition`].
    pub fn open(&self, op: u32, row: u32, k: u32) -> Result<LeafOpening, Error> {
        let output = self.outputs.get(op as usize).ok_or(Error::NoSuchPosition)?;
        let tree = TensorTree::new(output);
        Ok(LeafOpening {
            leaf: output.leaf(row, k).ok_or(Error::NoSuchPosition)?,
            data_path: tree.open_leaf(row, k)?,
            data_root: tree.root(),
            trace_path: self.open_op(op)?,
        })
    }

    /// The answer to a demand in the trace tree: the nodes up to four levels below this one.
    ///
    /// # Errors
    /// [`Error::NoSuchPosition`] for a node that doesn't exist or is a data root.
    pub fn answer(&self, level: u8, index: u64) -> Result<Vec<Hash>, Error> {
        let height = self.geometry.height();
        if level >= height {
            return Err(Error::NoSuchPosition);
        }
        let depth = STEP_LEVELS.min(height - level);
        (0..1u64 << depth)
            .map(|child| {
                self.node(level + depth, (index << depth) + child)
                    .ok_or(Error::NoSuchPosition)
            })
            .collect()
    }
}
