//! Writing evidence from openings.

use core::ops::Range;
use std::vec::Vec;

use crate::{
    Error, Hash, demand,
    evidence::{Cell, Charge, Padded, place},
    graph::Graph,
    hash::LEAF_BYTES,
    node::{NodeId, Operand, Tree},
    ops::{CellSource, value_at},
    path::Run,
    refusal::Refusal,
    shape::{Shape, TraceGeometry},
};

/// Opens the commitment that is charged, and the inputs and weights.
pub trait Openings {
    /// Any node, missing ones included.
    fn node(&self, node_id: NodeId) -> Option<Hash>;

    /// The 128 bytes of a leaf: a node at the lowest level of a data tree.
    fn leaf(&self, node_id: NodeId) -> Option<[u8; LEAF_BYTES]>;
}

/// The evidence for a charge: see [`crate::evidence`]. It is not judged: call [`crate::evidence::judge`] before it is sent.
///
/// # Errors
/// [`Error::Refused`] for a charge that names nothing, [`Error::NotAtHand`] for what the openings don't have,
/// [`Error::Graph`] for a graph that was not sealed.
pub fn evidence(
    graph: &Graph<'_>,
    items: u32,
    charge: &Charge,
    openings: &impl Openings,
) -> Result<Vec<u8>, Error> {
    let mut writer = Writer {
        graph,
        items,
        trace: graph.trace(items).ok_or(Refusal::NotSealed)?,
        item: 0,
        openings,
        bytes: Vec::new(),
    };
    match *charge {
        Charge::Cell { op, row, col, at } => writer.cell(op, (row, col), at)?,
        Charge::Tokens { item } => writer.tokens(item)?,
        Charge::Padding(node_id) => writer.padding(node_id)?,
    }
    Ok(writer.bytes)
}

/// The answer to a demand that [`demand::plan`] lets through: what its node was hashed from.
///
/// # Errors
/// [`Error::Demand`] for one that may not be opened, [`Error::NotAtHand`] for what the openings don't have.
pub fn answer(
    graph: &Graph<'_>,
    items: u32,
    node_id: &NodeId,
    openings: &impl Openings,
) -> Result<Vec<u8>, Error> {
    let plan = demand::plan(graph, items, node_id)?;
    if plan.is_leaf {
        let leaf = openings.leaf(*node_id);
        return Ok(leaf.ok_or(Error::NotAtHand(*node_id))?.to_vec());
    }
    let count = u64::from(plan.answer_bytes) / size_of::<Hash>() as u64;
    let depth = count.trailing_zeros() as u8;
    let mut bytes = Vec::with_capacity(plan.answer_bytes.into());
    for place in 0..count {
        let index = (node_id.index << depth) + place;
        let child = NodeId::new(node_id.tree, node_id.level + depth, index);
        let node = openings.node(child);
        bytes.extend(node.ok_or(Error::NotAtHand(child))?);
    }
    Ok(bytes)
}

/// The judge's reader, the other way round.
struct Writer<'w, O> {
    graph: &'w Graph<'w>,
    items: u32,
    trace: TraceGeometry,
    item: u32,
    openings: &'w O,
    bytes: Vec<u8>,
}

impl<O: Openings> Writer<'_, O> {
    fn cell(&mut self, op: u16, at: (u32, u32), counter: u32) -> Result<(), Error> {
        let cell = Cell::new(self.graph, self.items, op, at, counter)?;
        self.begin_item(cell.item)?;
        let cols = cell.col..cell.col + 1;
        let claimed = self.span(Operand::Op(op), cell.row, cols, Refusal::Claimed)?;
        let claimed = value_at(&claimed, 0, cell.shape.dtype).ok_or(Refusal::NotSealed)?;
        // Whether it is wrong is for the judge to say.
        cell.op.is_wrong(self, &cell.claim(claimed)).map(drop)
    }

    fn tokens(&mut self, item: u32) -> Result<(), Error> {
        let (Some(tokens), Some(feedback)) = (self.graph.tokens(), self.graph.feedback()) else {
            return Err(Refusal::NoTokens.into());
        };
        if item >= self.items {
            return Err(Refusal::NoSuchCell.into());
        }
        self.begin_item(item)?;
        self.node(NodeId::in_item(feedback, item, 0, 0))?;
        self.path_of_op(feedback)?;
        let tokens = Operand::Input(tokens);
        let tree = self.graph.geometry(tokens, self.items);
        let level = tree.ok_or(Refusal::NotSealed)?.rows_height();
        let row = NodeId::new(Tree::Data(tokens), level, item.into());
        self.node(row)?;
        self.path(row, level)
    }

    fn padding(&mut self, node_id: NodeId) -> Result<(), Error> {
        let NodeId { tree, level, index } = node_id;
        let Tree::Data(operand) = tree else {
            return match self.trace.is_missing(level, index) {
                None => Err(Refusal::NoSuchNode.into()),
                Some(false) => Err(Refusal::NotPadding.into()),
                Some(true) => {
                    self.node(node_id)?;
                    self.path(node_id, level)
                }
            };
        };
        let place = match operand {
            Operand::Op(op) if usize::from(op) < self.graph.op_count() => {
                let (item, place) = node_id.item_and_place();
                let item = u32::try_from(item).map_err(|_| Refusal::NoSuchNode)?;
                if item >= self.items {
                    return Err(Refusal::NoSuchNode.into());
                }
                self.begin_item(item)?;
                place
            }
            Operand::Input(input) if self.graph.tokens() == Some(input) => index,
            _ => return Err(Refusal::NoSuchTree.into()),
        };
        let tree = self.graph.geometry(operand, self.items);
        match Padded::new(&tree.ok_or(Refusal::NotSealed)?, level, place)? {
            Padded::Missing(_) => self.node(node_id)?,
            Padded::Leaf(_) => self.leaf(node_id)?,
        }
        self.paths(operand, node_id)
    }

    /// The item root and its path, where the job has more than one.
    fn begin_item(&mut self, item: u32) -> Result<(), Error> {
        self.item = item;
        if self.items == 1 {
            return Ok(());
        }
        let level = self.trace.items_height();
        let root = NodeId::new(Tree::Trace, level, item.into());
        self.node(root)?;
        self.path(root, level)
    }

    fn leaf(&mut self, node_id: NodeId) -> Result<(), Error> {
        let leaf = self.openings.leaf(node_id);
        self.bytes.extend(leaf.ok_or(Error::NotAtHand(node_id))?);
        Ok(())
    }

    fn node(&mut self, node_id: NodeId) -> Result<(), Error> {
        let node = self.openings.node(node_id);
        self.bytes.extend(node.ok_or(Error::NotAtHand(node_id))?);
        Ok(())
    }

    /// From a node of an operand's tree to the root on chain, or to the item root.
    fn paths(&mut self, operand: Operand, node_id: NodeId) -> Result<(), Error> {
        self.path(node_id, node_id.level)?;
        match operand {
            Operand::Op(op) => self.path_of_op(op),
            Operand::Input(_) | Operand::Weight(_) => Ok(()),
        }
    }

    /// From an op's data root to the item root.
    fn path_of_op(&mut self, op: u16) -> Result<(), Error> {
        let index = self.trace.position(self.item, op.into());
        let root = NodeId::new(Tree::Trace, self.trace.height(), index);
        self.path(root, self.trace.ops_height())
    }

    /// The siblings of a node and of those above it, bottom-up, this many.
    fn path(&mut self, node_id: NodeId, levels: u8) -> Result<(), Error> {
        let NodeId { tree, level, index } = node_id;
        (0..levels).try_for_each(|up| self.node(NodeId::new(tree, level - up, (index >> up) ^ 1)))
    }

    /// A node of an operand's tree: of an op's, in the item.
    fn node_id(&self, operand: Operand, level: u8, place: u64) -> NodeId {
        match operand {
            Operand::Op(op) => NodeId::in_item(op, self.item, level, place),
            Operand::Input(_) | Operand::Weight(_) => {
                NodeId::new(Tree::Data(operand), level, place)
            }
        }
    }
}

/// What a cell reads goes into the evidence.
impl<O: Openings> CellSource for Writer<'_, O> {
    type Error = Error;
    type Span = Vec<u8>;

    fn shape(&self, operand: Operand) -> Result<Shape, Error> {
        Ok(self.graph.shape(operand)?)
    }

    fn span(
        &mut self,
        operand: Operand,
        row: u32,
        cols: Range<u32>,
        _: Refusal,
    ) -> Result<Vec<u8>, Error> {
        let shape = self.graph.shape(operand)?;
        let at = place(operand, &shape, row, self.item, self.items);
        let (tree, row) = at.ok_or(Refusal::NotSealed)?;
        let run = Run::new(&tree, &cols).ok_or(Refusal::NotSealed)?;
        let height = tree.height();
        let (first, last) = run.ends();
        let start = self.bytes.len();
        for k in first..=last {
            let position = tree.leaf_position(row, k).ok_or(Error::NoSuchPosition)?;
            self.leaf(self.node_id(operand, height, position))?;
        }
        let leaves = self.bytes.get(start..).and_then(|bytes| run.columns(bytes));
        let columns = leaves.ok_or(Error::NoSuchPosition)?.to_vec();
        for (up, place) in run.siblings() {
            let of_row = u64::from(row) << (tree.row_height() - up);
            self.node(self.node_id(operand, height - up, of_row + u64::from(place)))?;
        }
        self.paths(
            operand,
            self.node_id(operand, tree.rows_height(), row.into()),
        )?;
        Ok(columns)
    }
}
