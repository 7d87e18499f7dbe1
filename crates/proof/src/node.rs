//! How tensors, trees and the nodes of trees are named.

use core::fmt;

use crate::hash::Tag;

/// The operand code for "no operand".
pub const NO_OPERAND: u8 = 255;

/// The code of the trace tree. A data tree has the code of its operand.
const TRACE_TREE: u8 = 255;

/// What an op reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// The output of this op.
    Op(u8),
    /// This input of the job.
    Input(u8),
    /// This weight of the model.
    Weight(u8),
}

impl Operand {
    /// The operand with this code. `None` for codes that name nothing.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0..=63 => Some(Self::Op(code)),
            64..=67 => Some(Self::Input(code - 64)),
            128..=191 => Some(Self::Weight(code - 128)),
            _ => None,
        }
    }

    /// Its code, also that of its tree in demands. [`NO_OPERAND`] for an index beyond the limits.
    pub const fn code(self) -> u8 {
        match self {
            Self::Op(i @ 0..=63) => i,
            Self::Input(i @ 0..=3) => 64 + i,
            Self::Weight(i @ 0..=63) => 128 + i,
            _ => NO_OPERAND,
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

/// A tree that has a root on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tree {
    /// The tree over the data roots of all ops.
    Trace,
    /// The data tree of an op's output, an input or a weight.
    Data(Operand),
}

impl Tree {
    /// The tree with this code: 255 the trace, otherwise the operand's. `None` for codes that name nothing.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            TRACE_TREE => Some(Self::Trace),
            _ => match Operand::from_code(code) {
                Some(operand) => Some(Self::Data(operand)),
                None => None,
            },
        }
    }

    /// Its code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Trace => TRACE_TREE,
            Self::Data(operand) => operand.code(),
        }
    }

    /// How its inner nodes are hashed.
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

    /// The root of a tree.
    pub const fn root(tree: Tree) -> Self {
        Self::new(tree, 0, 0)
    }

    /// The node in the tree with this code. `None` for codes that name no tree.
    pub const fn from_code(tree: u8, level: u8, index: u64) -> Option<Self> {
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
        match level {
            0 => write!(f, "the root of {tree}"),
            _ => write!(f, "level {level}, index {index} of {tree}"),
        }
    }
}
