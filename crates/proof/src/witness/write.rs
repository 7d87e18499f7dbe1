//! Writing evidence from openings.

use std::vec::Vec;

use crate::{
    Error, Hash,
    evidence::Charge,
    graph::Graph,
    hash::LEAF_BYTES,
    node::{NodeId, Operand, Tree},
    ops::{CellSource, read_value},
    refusal::Refusal,
    shape::{DType, Geometry, TraceGeometry},
};

/// Opens the commitment that is charged, and the inputs and weights.
pub trait Openings {
    /// Any node, missing ones included.
    fn node(&self, node_id: NodeId) -> Option<Hash>;

    /// The 128 bytes of leaf `k` of a row.
    fn leaf(&self, operand: Operand, row: u32, k: u32) -> Option<[u8; LEAF_BYTES]>;

    /// The bytes of a row, without padding.
    fn row(&self, operand: Operand, row: u32) -> Option<Vec<u8>>;
}

/// The evidence for a charge, as formats.md has it. It is not judged: call [`crate::evidence::judge`] before it is sent.
///
/// # Errors
/// [`Error::Refused`] for a charge that names nothing, [`Error::NotAtHand`] for what the openings don't have,
/// [`Error::Graph`] for a graph that was not sealed.
pub fn evidence(
    graph: &Graph<'_>,
    batch_rows: u32,
    charge: &Charge,
    openings: &impl Openings,
) -> Result<Vec<u8>, Error> {
    let mut writer = Writer {
        graph,
        batch_rows,
        trace: TraceGeometry::new(graph.op_count()).ok_or(Refusal::NotSealed)?,
        openings,
        bytes: Vec::new(),
    };
    match *charge {
        Charge::Cell { op, row, col } => writer.cell(op, row, col)?,
        Charge::Padding(node_id) => writer.padding(node_id)?,
    }
    Ok(writer.bytes)
}

/// The judge's reader, the other way round.
struct Writer<'w, O> {
    graph: &'w Graph<'w>,
    batch_rows: u32,
    trace: TraceGeometry,
    openings: &'w O,
    bytes: Vec<u8>,
}

impl<O: Openings> Writer<'_, O> {
    fn cell(&mut self, op: u8, row: u32, col: u32) -> Result<(), Error> {
        if usize::from(op) >= self.graph.op_count() {
            return Err(Refusal::NoSuchOp.into());
        }
        let output = Operand::Op(op);
        let shape = self.geometry(output)?;
        if row >= shape.rows() || col >= shape.cols() {
            return Err(Refusal::NoSuchCell.into());
        }
        self.graph.op(op.into())?.cell(self, row, col)?;
        self.value(output, row, col, Refusal::Claimed)?;
        Ok(())
    }

    fn padding(&mut self, node_id: NodeId) -> Result<(), Error> {
        let NodeId { tree, level, index } = node_id;
        match tree {
            Tree::Trace => {
                match self.trace.is_missing(level, index) {
                    None => return Err(Refusal::NoSuchNode.into()),
                    Some(false) => return Err(Refusal::NotPadding.into()),
                    Some(true) => self.node(node_id)?,
                }
                self.path(node_id)
            }
            Tree::Data(operand @ Operand::Op(op)) if usize::from(op) < self.graph.op_count() => {
                let shape = self.geometry(operand)?;
                let is_missing = shape.is_missing(level, index);
                if is_missing.ok_or(Refusal::NoSuchNode)? {
                    self.node(node_id)?;
                } else {
                    let (row, k) = shape.row_and_leaf(index);
                    if level != shape.height() || shape.used_bytes(k) == LEAF_BYTES {
                        return Err(Refusal::NotPadding.into());
                    }
                    self.leaf(operand, (row, k), (level, index))?;
                }
                self.paths(operand, level, index)
            }
            _ => Err(Refusal::NoSuchTree.into()),
        }
    }

    fn geometry(&self, operand: Operand) -> Result<Geometry, Error> {
        let geometry = self.graph.geometry(operand, self.batch_rows);
        Ok(geometry.ok_or(Refusal::NotSealed)?)
    }

    fn leaf(
        &mut self,
        operand: Operand,
        (row, k): (u32, u32),
        (level, index): (u8, u64),
    ) -> Result<[u8; LEAF_BYTES], Error> {
        let leaf = self.openings.leaf(operand, row, k);
        let leaf = leaf.ok_or(not_at_hand(operand, level, index))?;
        self.bytes.extend(leaf);
        Ok(leaf)
    }

    fn node(&mut self, node_id: NodeId) -> Result<(), Error> {
        let node = self.openings.node(node_id);
        self.bytes.extend(node.ok_or(Error::NotAtHand(node_id))?);
        Ok(())
    }

    /// From a node of an operand's tree to the root on chain.
    fn paths(&mut self, operand: Operand, level: u8, index: u64) -> Result<(), Error> {
        self.path(NodeId::new(Tree::Data(operand), level, index))?;
        match operand {
            Operand::Op(op) => self.path(NodeId::new(Tree::Trace, self.trace.height(), op.into())),
            Operand::Input(_) | Operand::Weight(_) => Ok(()),
        }
    }

    /// The siblings of a node and of those above it, bottom-up.
    fn path(&mut self, node_id: NodeId) -> Result<(), Error> {
        let NodeId { tree, level, index } = node_id;
        (0..level).try_for_each(|up| self.node(NodeId::new(tree, level - up, (index >> up) ^ 1)))
    }
}

/// What a cell reads goes into the evidence.
impl<O: Openings> CellSource for Writer<'_, O> {
    type Error = Error;
    type Row = Vec<u8>;

    fn dtype(&self, operand: Operand) -> Result<DType, Error> {
        Ok(self.graph.shape(operand)?.dtype)
    }

    fn row(&mut self, operand: Operand, row: u32, _: Refusal) -> Result<Vec<u8>, Error> {
        let shape = self.geometry(operand)?;
        let (level, index) = (shape.rows_height(), row.into());
        let bytes = self
            .openings
            .row(operand, row)
            .filter(|bytes| bytes.len() == shape.row_bytes() as usize)
            .ok_or(not_at_hand(operand, level, index))?;
        self.bytes.extend(&bytes);
        self.paths(operand, level, index)?;
        Ok(bytes)
    }

    fn value(&mut self, operand: Operand, row: u32, col: u32, _: Refusal) -> Result<i32, Error> {
        let shape = self.geometry(operand)?;
        let (k, at) = shape.locate(col).ok_or(Error::NoSuchPosition)?;
        let index = shape.leaf_position(row, k).ok_or(Error::NoSuchPosition)?;
        let leaf = self.leaf(operand, (row, k), (shape.height(), index))?;
        self.paths(operand, shape.height(), index)?;
        read_value(&leaf, at, shape.dtype()).ok_or(Error::NoSuchPosition)
    }
}

const fn not_at_hand(operand: Operand, level: u8, index: u64) -> Error {
    Error::NotAtHand(NodeId::new(Tree::Data(operand), level, index))
}
