//! What is said to be wrong with a result, and what a job was convicted of, as instructions and events carry it.

use {
    crate::state::ConvictionReason,
    anchor_lang::prelude::*,
    quern_proof::{
        demand::NodeId,
        evidence::{self, Refusal},
    },
};

/// A place in a commitment's tree: a [`NodeId`] on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct NodeRef {
    /// Code of the tree: 255 trace, 0 to 63 op, 64 to 67 input, 128 to 191 weight.
    pub tree: u8,
    /// Level of the node; the root's is 0.
    pub level: u8,
    /// Index of the node in its level.
    pub index: u64,
}

/// What is said to be wrong with a result: an [`evidence::Charge`] on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub enum Charge {
    /// A value differs from what the graph computes.
    Cell {
        /// The op whose output it is.
        op: u8,
        /// Row of the output.
        row: u32,
        /// Column of the output.
        col: u32,
    },
    /// A padding byte, or a node that lies wholly in missing positions, is not zero.
    Padding(NodeRef),
}

/// What a job was convicted of: a charge that was proved, or a demand without answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub enum Conviction {
    /// A value differs from what the graph computes.
    WrongCell {
        /// The op whose output it is.
        op: u8,
        /// Row of the output.
        row: u32,
        /// Column of the output.
        col: u32,
    },
    /// A padding byte, or a node that lies wholly in missing positions, is not zero.
    BadPadding(NodeRef),
    /// A demand about this node was not answered in time.
    Unanswered(NodeRef),
}

impl NodeRef {
    /// The node. `None` for a tree that this version does not know.
    pub fn node_id(&self) -> Option<NodeId> {
        NodeId::from_code(self.tree, self.level, self.index)
    }

    /// Whether this version knows its tree.
    pub fn is_known(&self) -> bool {
        self.node_id().is_some()
    }
}

impl From<NodeId> for NodeRef {
    fn from(node_id: NodeId) -> Self {
        Self {
            tree: node_id.tree.code(),
            level: node_id.level,
            index: node_id.index,
        }
    }
}

impl From<evidence::Charge> for Charge {
    fn from(charge: evidence::Charge) -> Self {
        match charge {
            evidence::Charge::Cell { op, row, col } => Self::Cell { op, row, col },
            evidence::Charge::Padding(node_id) => Self::Padding(node_id.into()),
        }
    }
}

impl TryFrom<Charge> for evidence::Charge {
    type Error = Refusal;

    /// Fails for a tree that this version does not know.
    fn try_from(charge: Charge) -> core::result::Result<Self, Refusal> {
        match charge {
            Charge::Cell { op, row, col } => Ok(Self::Cell { op, row, col }),
            Charge::Padding(NodeRef { tree, level, index }) => Self::padding(tree, level, index),
        }
    }
}

impl From<Charge> for Conviction {
    fn from(charge: Charge) -> Self {
        match charge {
            Charge::Cell { op, row, col } => Self::WrongCell { op, row, col },
            Charge::Padding(node) => Self::BadPadding(node),
        }
    }
}

impl Conviction {
    /// Why, without where.
    pub fn reason(&self) -> ConvictionReason {
        match self {
            Self::WrongCell { .. } => ConvictionReason::WrongCell,
            Self::BadPadding(_) => ConvictionReason::BadPadding,
            Self::Unanswered(_) => ConvictionReason::Unanswered,
        }
    }

    /// Whether this version knows its tree.
    pub fn is_known(&self) -> bool {
        match self {
            Self::WrongCell { .. } => true,
            Self::BadPadding(node) | Self::Unanswered(node) => node.is_known(),
        }
    }
}
