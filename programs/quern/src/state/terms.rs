//! What a job copies from the protocol.

use {
    crate::state::Assurance,
    anchor_lang::prelude::*,
    quern_proof::{
        hash::hash,
        limits::{MAX_QUESTIONS, MAX_TOKEN_QUESTIONS},
    },
    quern_rules::campaign,
};

/// Rates and times of a job, copied into it at creation so that no later setting touches it.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable, IdlType,
)]
pub struct Terms {
    /// What a demand costs its opener, in lamports.
    pub demand_fee_lamports: PodU64,
    /// Time to answer a demand.
    pub response_secs: PodU32,
    /// Time to react to an answer before the job can be finalized.
    pub react_secs: PodU32,
    /// Time for the arbiter after a rejection.
    pub resolve_secs: PodU32,
    /// Time after the review in which only the provider may finalize.
    pub grace_secs: PodU32,
    /// What a cluster restart adds to every deadline of the state it fell into.
    pub restart_grace_secs: PodU32,
    /// Protocol fee, share of the price.
    pub fee_bps: PodU16,
    /// What a late provider pays to the client, share of the bond.
    pub late_penalty_bps: PodU16,
    /// What a rejecting client reserves, share of the price.
    pub reject_bps: PodU16,
    /// What the arbiter earns, share of the price.
    pub arbiter_bps: PodU16,
}

impl Terms {
    /// Hash of what a client agrees to when it creates a job: these rates and times, who earns the fee, and the model's
    /// royalty with who earns it (nobody and 0 without a model). What the job copies besides concerns rewards, which cost
    /// the client nothing.
    pub fn hash(
        &self,
        treasury_owner: &Address,
        royalty_owner: &Address,
        royalty_bps: u16,
    ) -> [u8; 32] {
        hash(&[
            bytemuck::bytes_of(self),
            treasury_owner.as_ref(),
            royalty_owner.as_ref(),
            &royalty_bps.to_le_bytes(),
        ])
    }

    /// The longest that a result may be under review in a job of these terms, in seconds. In a refereed one a graph that has
    /// `with_tokens`, which the provider gives, takes more demands to go down to a leaf.
    pub fn longest_review(&self, assurance: Assurance, with_tokens: bool, review_secs: u32) -> u64 {
        let depth = match (assurance, with_tokens) {
            (Assurance::Reviewed, _) => 0,
            (Assurance::Refereed, false) => MAX_QUESTIONS,
            (Assurance::Refereed, true) => MAX_TOKEN_QUESTIONS,
        };
        let (response_secs, react_secs) = (self.response_secs.get(), self.react_secs.get());
        campaign::longest_review(review_secs, depth, response_secs, react_secs)
    }
}
