//! The referee: convictions and how they were settled, demands and their answers.

use {
    crate::{
        codes::known,
        state::{Change, Conviction, ConvictionReason, NodeRef},
    },
    anchor_lang::prelude::*,
};

/// A conviction was settled.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct ConvictionSettled {
    pub at: i64,
    pub job: Address,
    /// Who got the escrow back.
    pub client: Address,
    /// The convicted provider's owner.
    pub provider: Address,
    /// Who convicted.
    pub prover: Address,
    /// In which mint.
    pub mint: Address,
    /// Code of [`crate::state::ConvictionReason`].
    pub reason: u8,
    /// Escrow released to the client.
    pub released_atoms: u64,
    /// The prover's part of the bond.
    pub prover_atoms: u64,
    /// The client's part.
    pub client_atoms: u64,
    /// The treasury's part.
    pub treasury_atoms: u64,
    pub changes: Vec<Change>,
}

/// A result was refuted, or a demand left without an answer; the bond waits to be split.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct JobConvicted {
    pub at: i64,
    pub job: Address,
    /// Who paid.
    pub client: Address,
    /// The convicted provider's owner.
    pub provider: Address,
    /// Who convicted.
    pub prover: Address,
    /// In which mint.
    pub mint: Address,
    /// Which submission of the job, from 1.
    pub submission: u32,
    /// Why, and where.
    pub conviction: Conviction,
    pub changes: Vec<Change>,
}

/// Somebody asked for what a node was hashed from.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct DemandOpened {
    pub at: i64,
    pub demand: Address,
    pub job: Address,
    /// The provider's owner, who answers for it.
    pub provider: Address,
    /// Who asked.
    pub opener: Address,
    /// Which submission of the job, from 1.
    pub submission: u32,
    /// Which node.
    pub node_id: NodeRef,
    /// Its hash.
    pub node: [u8; 32],
    /// Until when it may be answered.
    pub due: i64,
    /// What the answer earns.
    pub fee_lamports: u64,
    pub changes: Vec<Change>,
}

/// A demand was answered.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct DemandAnswered {
    pub at: i64,
    pub demand: Address,
    pub job: Address,
    /// Who answered and got the fee.
    pub revealer: Address,
    /// Which node.
    pub node_id: NodeRef,
    /// What the answer earned.
    pub fee_lamports: u64,
    /// The nodes below, left to right, or the leaf's bytes.
    pub answer: Vec<u8>,
    pub changes: Vec<Change>,
}

/// A demand was closed; rent and unspent fee went back.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct DemandClosed {
    pub at: i64,
    pub demand: Address,
    pub job: Address,
    /// Who got them.
    pub opener: Address,
    pub changes: Vec<Change>,
}

impl ConvictionSettled {
    /// Why the job was convicted.
    pub fn reason(&self) -> ConvictionReason {
        known(self.reason)
    }
}
