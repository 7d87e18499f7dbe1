//! What a job copies from the protocol.

use anchor_lang::prelude::*;

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
