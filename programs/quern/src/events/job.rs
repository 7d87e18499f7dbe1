//! Jobs: from creation to payment, rejection or expiry. How a conviction ends one is among the referee's.

use {
    crate::{
        codes::known,
        state::{Assurance, Change, JobKind, JobState},
    },
    anchor_lang::prelude::*,
};

/// A job was created and its escrow reserved.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct JobCreated {
    pub at: i64,
    pub job: Address,
    /// Who pays.
    pub client: Address,
    /// The model, or zeroes.
    pub model: Address,
    /// In which mint.
    pub mint: Address,
    /// Price of all milestones.
    pub escrow_atoms: u64,
    /// Where the inputs are.
    pub input_uri: String,
    pub changes: Vec<Change>,
}

/// An open job was cancelled by its client.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct JobCancelled {
    pub at: i64,
    pub job: Address,
    /// Who gets the escrow back.
    pub client: Address,
    /// In which mint.
    pub mint: Address,
    /// What was left of the escrow.
    pub released_atoms: u64,
    pub changes: Vec<Change>,
}

/// A provider took a job and its bond was reserved.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct JobTaken {
    pub at: i64,
    pub job: Address,
    /// The provider's owner.
    pub provider: Address,
    /// The bond.
    pub bond_atoms: u64,
    pub changes: Vec<Change>,
}

/// A provider committed to a result.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct ResultSubmitted {
    pub at: i64,
    pub job: Address,
    /// The provider's owner.
    pub provider: Address,
    /// Which milestone, from 0.
    pub milestone: u8,
    /// Which submission of the job, from 1.
    pub submission: u32,
    /// The commitment.
    pub trace_root: [u8; 32],
    /// The root of the tokens that came with it, or zeroes.
    pub tokens_root: [u8; 32],
    /// Where result and roots are.
    pub output_uri: String,
    pub changes: Vec<Change>,
}

/// A milestone was paid in full.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct MilestoneSettled {
    pub at: i64,
    pub job: Address,
    /// Who paid.
    pub client: Address,
    /// The provider's owner.
    pub provider: Address,
    /// The model, or zeroes.
    pub model: Address,
    /// Who earned the royalty, or zeroes.
    pub royalty_owner: Address,
    /// In which mint.
    pub mint: Address,
    /// The campaign, or zeroes.
    pub campaign: Address,
    /// Code of [`crate::state::Assurance`].
    pub assurance: u8,
    /// Code of [`crate::state::JobKind`].
    pub kind: u8,
    /// Which milestone, from 0.
    pub milestone: u8,
    /// Whether the client accepted; otherwise the window passed.
    pub accepted: bool,
    /// Its work.
    pub work: u64,
    /// Price.
    pub price_atoms: u64,
    /// Protocol fee.
    pub fee_atoms: u64,
    /// Royalty.
    pub royalty_atoms: u64,
    /// What the provider earned.
    pub provider_atoms: u64,
    /// Reward accrued, in atoms of the reward mint.
    pub reward_atoms: u64,
    /// Bond released because the job ended.
    pub bond_released_atoms: u64,
    /// Whether it was the last one.
    pub closed: bool,
    /// When the result was submitted; no demand and no delay moves it.
    pub submitted_at: i64,
    /// What it added to the provider's score and to the campaign's.
    pub score: u64,
    pub changes: Vec<Change>,
}

/// A client rejected a result.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct JobRejected {
    pub at: i64,
    pub job: Address,
    /// Who rejected.
    pub client: Address,
    /// The provider's owner.
    pub provider: Address,
    /// Which milestone, from 0.
    pub milestone: u8,
    /// What the client reserved.
    pub deposit_atoms: u64,
    /// Why.
    pub reason: String,
    pub changes: Vec<Change>,
}

/// An arbiter decided, or stayed silent until its deadline.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct JobResolved {
    pub at: i64,
    pub job: Address,
    /// Who paid.
    pub client: Address,
    /// The provider's owner.
    pub provider: Address,
    /// The arbiter.
    pub arbiter: Address,
    /// In which mint.
    pub mint: Address,
    /// Code of [`crate::state::Assurance`].
    pub assurance: u8,
    /// Which milestone, from 0.
    pub milestone: u8,
    /// Whether the arbiter stayed silent.
    pub silent: bool,
    /// Whether the provider prevailed.
    pub provider_prevails: bool,
    /// Price of the milestone.
    pub price_atoms: u64,
    /// What the arbiter earned.
    pub arbiter_atoms: u64,
    /// Protocol fee.
    pub fee_atoms: u64,
    /// Royalty.
    pub royalty_atoms: u64,
    /// What the provider earned of the price.
    pub provider_atoms: u64,
    /// What the client got back of the price.
    pub client_atoms: u64,
    /// What was burnt.
    pub burn_atoms: u64,
    /// What the client got of the bond.
    pub penalty_atoms: u64,
    /// The client's deposit.
    pub deposit_atoms: u64,
    /// Whether the provider got the deposit.
    pub deposit_to_provider: bool,
    /// Bond released.
    pub bond_released_atoms: u64,
    /// Escrow of later milestones released because the job ended.
    pub released_atoms: u64,
    /// Whether the job closed.
    pub closed: bool,
    pub changes: Vec<Change>,
}

/// A deadline passed: nobody took the job, or its provider was late.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct JobExpired {
    pub at: i64,
    pub job: Address,
    /// Who paid.
    pub client: Address,
    /// The late provider's owner, or zeroes.
    pub provider: Address,
    /// In which mint.
    pub mint: Address,
    /// The state that expired: code of [`crate::state::JobState`].
    pub from_state: u8,
    /// What the client got of the bond.
    pub penalty_atoms: u64,
    /// Bond released.
    pub bond_released_atoms: u64,
    /// Escrow released, 0 if the job reopened.
    pub released_atoms: u64,
    /// Whether the job closed; otherwise it is open again.
    pub closed: bool,
    pub changes: Vec<Change>,
}

impl MilestoneSettled {
    /// What the result is worth as evidence.
    pub fn assurance(&self) -> Assurance {
        known(self.assurance)
    }

    /// What kind of work it was.
    pub fn kind(&self) -> JobKind {
        known(self.kind)
    }
}

impl JobResolved {
    /// What the result would have been worth as evidence.
    pub fn assurance(&self) -> Assurance {
        known(self.assurance)
    }
}

impl JobExpired {
    /// The state that expired.
    pub fn from_state(&self) -> JobState {
        known(self.from_state)
    }
}
