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
    /// Code of the tree: 65,535 trace, 0 to 1,023 op, 1,024 to 1,031 input, 2,048 to 3,071 weight.
    pub tree: u16,
    /// Level of the node; the root's is 0.
    pub level: u8,
    /// Index of the node in its level; of an op's, item x 2^level + place.
    pub index: u64,
}

/// What is said to be wrong with a result: an [`evidence::Charge`] on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub enum Charge {
    /// A value differs from what the graph computes.
    Cell {
        /// The op whose result it is.
        op: u16,
        /// Row of the result as stored, over all items.
        row: u32,
        /// Column of the result as stored.
        col: u32,
        /// Of ARGMAX, the column that proves the claim wrong; else 0.
        at: u32,
    },
    /// A padding byte, or a node that lies wholly in missing positions, is not zero.
    Padding(NodeRef),
    /// The provider's tokens are not those that the graph computes.
    Tokens {
        /// In this item.
        item: u32,
    },
}

/// What a job was convicted of: a charge that was proved, or a demand without answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub enum Conviction {
    /// A value differs from what the graph computes.
    WrongCell {
        /// The op whose result it is.
        op: u16,
        /// Row of the result as stored, over all items.
        row: u32,
        /// Column of the result as stored.
        col: u32,
        /// Of ARGMAX, the column that proves the claim wrong; else 0.
        at: u32,
    },
    /// A padding byte, or a node that lies wholly in missing positions, is not zero.
    BadPadding(NodeRef),
    /// A demand about this node was not answered in time.
    Unanswered(NodeRef),
    /// The provider's tokens are not those that the graph computes.
    WrongTokens {
        /// In this item.
        item: u32,
    },
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
            evidence::Charge::Cell { op, row, col, at } => Self::Cell { op, row, col, at },
            evidence::Charge::Padding(node_id) => Self::Padding(node_id.into()),
            evidence::Charge::Tokens { item } => Self::Tokens { item },
        }
    }
}

impl TryFrom<Charge> for evidence::Charge {
    type Error = Refusal;

    /// Fails for a tree that this version does not know.
    fn try_from(charge: Charge) -> core::result::Result<Self, Refusal> {
        match charge {
            Charge::Cell { op, row, col, at } => Ok(Self::Cell { op, row, col, at }),
            Charge::Tokens { item } => Ok(Self::Tokens { item }),
            Charge::Padding(NodeRef { tree, level, index }) => Self::padding(tree, level, index),
        }
    }
}

impl From<Charge> for Conviction {
    fn from(charge: Charge) -> Self {
        match charge {
            Charge::Cell { op, row, col, at } => Self::WrongCell { op, row, col, at },
            Charge::Padding(node) => Self::BadPadding(node),
            Charge::Tokens { item } => Self::WrongTokens { item },
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
            Self::WrongTokens { .. } => ConvictionReason::WrongTokens,
        }
    }

    /// Whether this version knows its tree.
    pub fn is_known(&self) -> bool {
        match self {
            Self::WrongCell { .. } | Self::WrongTokens { .. } => true,
            Self::BadPadding(node) | Self::Unanswered(node) => node.is_known(),
        }
    }
}
