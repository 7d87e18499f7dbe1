//! How tensors, trees and the nodes of trees are named.

use core::fmt;

use crate::{
    hash::Tag,
    limits::{MAX_INPUTS, MAX_OPS, MAX_WEIGHTS},
};

/// The operand code for "no operand".
pub const NO_OPERAND: u16 = 65_534;

/// The code of the trace tree. A data tree has the code of its operand.
const TRACE_TREE: u16 = 65_535;

const FIRST_INPUT: u16 = 1_024;
const FIRST_WEIGHT: u16 = 2_048;
const LAST_OP: u16 = MAX_OPS as u16 - 1;
const LAST_INPUT: u16 = FIRST_INPUT + MAX_INPUTS as u16 - 1;
const LAST_WEIGHT: u16 = FIRST_WEIGHT + MAX_WEIGHTS as u16 - 1;

/// What an op reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// The result of this op.
    Op(u16),
    /// This input of the job. The tokens, where a graph has them, are one.
    Input(u16),
    /// This weight of the model.
    Weight(u16),
}

impl Operand {
    /// The operand with this code. `None` for codes that name nothing.
    pub const fn from_code(code: u16) -> Option<Self> {
        match code {
            0..=LAST_OP => Some(Self::Op(code)),
            FIRST_INPUT..=LAST_INPUT => Some(Self::Input(code - FIRST_INPUT)),
            FIRST_WEIGHT..=LAST_WEIGHT => Some(Self::Weight(code - FIRST_WEIGHT)),
            _ => None,
        }
    }

    /// Its code, also that of its tree in demands. [`NO_OPERAND`] for an index beyond the limits.
    pub const fn code(self) -> u16 {
        let (first, index, count) = match self {
            Self::Op(i) => (0, i, MAX_OPS),
            Self::Input(i) => (FIRST_INPUT, i, MAX_INPUTS),
            Self::Weight(i) => (FIRST_WEIGHT, i, MAX_WEIGHTS),
        };
        if (index as usize) < count {
            first + index
        } else {
            NO_OPERAND
        }
    }
}

impl fmt::Display for Operand {
    /// "op 3", "input 0", "weight 2".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Op(index) => write!(f, "op {index}"),
            Self::Input(index) => write!(f, "input {index}"),
            Self::Weight(index) => write!(f, "weight {index}"),
        }
    }
}

/// A tree that has a root on chain, or in a tree that has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tree {
    /// The tree over the data roots of all ops of all items.
    Trace,
    /// The data tree of an input or a weight, or those of an op: one for each item.
    Data(Operand),
}

impl Tree {
    /// The tree with this code: 65,535 the trace, otherwise the operand's. `None` for codes that name nothing.
    pub const fn from_code(code: u16) -> Option<Self> {
        match code {
            TRACE_TREE => Some(Self::Trace),
            _ => match Operand::from_code(code) {
                Some(operand) => Some(Self::Data(operand)),
                None => None,
            },
        }
    }

    /// Its code.
    pub const fn code(self) -> u16 {
        match self {
            Self::Trace => TRACE_TREE,
            Self::Data(operand) => operand.code(),
        }
    }

    /// The tag of its inner nodes.
    pub const fn tag(self) -> Tag {
        match self {
            Self::Trace => Tag::Trace,
            Self::Data(_) => Tag::Data,
        }
    }
}

impl fmt::Display for Tree {
    /// "the trace", "op 3", "input 0", "weight 2".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trace => f.write_str("the trace"),
            Self::Data(operand) => operand.fmt(f),
        }
    }
}

/// A node of a tree.
///
/// An op has a tree in each item. There, `index` is `item x 2^level + place`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId {
    /// The node's tree.
    pub tree: Tree,
    /// Its level; the root's is 0.
    pub level: u8,
    /// Its index in that level.
    pub index: u64,
}

impl NodeId {
    /// The node at this place, whether the tree has it or not.
    pub const fn new(tree: Tree, level: u8, index: u64) -> Self {
        Self { tree, level, index }
    }

    /// The root of a tree; of an op's, that of its first item.
    pub const fn root(tree: Tree) -> Self {
        Self::new(tree, 0, 0)
    }

    /// A node of an op's tree in this item.
    pub const fn in_item(op: u16, item: u32, level: u8, place: u64) -> Self {
        let index = ((item as u64) << level) + place;
        Self::new(Tree::Data(Operand::Op(op)), level, index)
    }

    /// Item and place of a node of an op's tree. Levels above 63 name no node: everything is in item 0.
    pub const fn item_and_place(&self) -> (u64, u64) {
        match self.index.checked_shr(self.level as u32) {
            Some(item) => (item, self.index - (item << self.level)),
            None => (0, self.index),
        }
    }

    /// The node in the tree with this code. `None` for codes that name no tree.
    pub const fn from_code(tree: u16, level: u8, index: u64) -> Option<Self> {
        match Tree::from_code(tree) {
            Some(tree) => Some(Self::new(tree, level, index)),
            None => None,
        }
    }
}

impl fmt::Display for NodeId {
    /// "the root of op 3", "level 4, index 2 of the trace".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tree, level, index } = self;
        match (tree, level, index) {
            (_, 0, 0) => write!(f, "the root of {tree}"),
            (Tree::Data(Operand::Op(_)), 0, item) => write!(f, "the root of {tree} in item {item}"),
            _ => write!(f, "level {level}, index {index} of {tree}"),
        }
    }
}
