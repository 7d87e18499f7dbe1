//! Quern: escrow, refutable proof of work and token rewards for AI compute.
//!
//! Read `state` for what there is, `instructions` for what can be done, `ledger` for how atoms move, and `quern-rules` for
//! how much. Each instruction below is one line; its specification stands in its file.

// The attribute macros of the framework name cfgs that only its own tools know, and its `Result` carries a `ProgramError`.
// What they generate cannot carry docs; everything written here does.
#![allow(unexpected_cfgs, missing_docs, clippy::result_large_err)]

use anchor_lang::prelude::*;

#[cfg(target_os = "solana")]
use solana_compiler_builtins as _;
// A program that only calls this one brings its own.
#[cfg(all(target_os = "solana", not(feature = "cpi")))]
mod entry;

pub mod clock;
pub mod codes;
pub mod constants;
pub mod error;
pub mod events;
#[cfg(all(test, feature = "idl-build"))]
mod idl;
pub mod instructions;
pub mod ledger;
pub mod state;
pub mod text;

use {
    instructions::*,
    state::{Charge, MintRates, NodeRef, ProtocolSettings, SeenJob},
};

declare_id!("QWpF7y1ZAyq8zNNLZYL87sqdCw9T8RBT3CfsE72QwUe");

#[cfg(all(target_os = "solana", not(feature = "cpi")))]
solana_security_txt::security_txt! {
    name: "Quern",
    // Reserved names that nobody can register: a deployer puts the real ones here (SECURITY.md).
    project_url: "https://quern.example",
    contacts: "link:https://quern.example/security",
    policy: "https://quern.example/security",
    source_code: "https://quern.example/source"
}

/// The program's instructions.
#[program]
pub mod quern {
    use super::*;

    /// Creates protocol and emission; upgrade authority only.
    pub fn initialize(
        ctx: &mut Context<Initialize>,
        settings: ProtocolSettings,
        cluster: [u8; 32],
    ) -> Result<()> {
        handle_initialize(ctx, settings, cluster)
    }

    /// Changes settings for new jobs, or names who may take the protocol over; what is left out stays.
    pub fn update_protocol(
        ctx: &mut Context<UpdateProtocol>,
        settings: Option<ProtocolSettings>,
        pending_authority: Option<Address>,
    ) -> Result<()> {
        handle_update_protocol(ctx, settings, pending_authority)
    }

    /// Takes the protocol over.
    pub fn accept_authority(ctx: &mut Context<AcceptAuthority>) -> Result<()> {
        handle_accept_authority(ctx)
    }

    /// Stops or allows new models, jobs and takes.
    pub fn set_pause(ctx: &mut Context<SetPause>, paused: bool) -> Result<()> {
        handle_set_pause(ctx, paused)
    }

    /// Takes a mint in and creates its vault.
    pub fn register_mint(ctx: &mut Context<RegisterMint>, rates: MintRates) -> Result<()> {
        handle_register_mint(ctx, rates)
    }

    /// Changes a mint's rates for new jobs.
    pub fn update_mint(ctx: &mut Context<UpdateMint>, settings: MintSettings) -> Result<()> {
        handle_update_mint(ctx, settings)
    }

    /// Sets rewards.
    pub fn configure_emission(
        ctx: &mut Context<ConfigureEmission>,
        settings: EmissionSettings,
    ) -> Result<()> {
        handle_configure_emission(ctx, settings)
    }

    /// Opens a purse for anybody.
    pub fn open_purse(ctx: &mut Context<OpenPurse>) -> Result<()> {
        handle_open_purse(ctx)
    }

    /// Brings tokens in.
    pub fn deposit(ctx: &mut Context<Deposit>, amount_atoms: u64) -> Result<()> {
        handle_deposit(ctx, amount_atoms)
    }

    /// Takes tokens out.
    pub fn withdraw(ctx: &mut Context<Withdraw>, amount_atoms: u64) -> Result<()> {
        handle_withdraw(ctx, amount_atoms)
    }

    /// Bounds what an operator's takes may have reserved and lost together.
    pub fn set_operator_limit(ctx: &mut Context<SetOperatorLimit>, limit_atoms: u64) -> Result<()> {
        handle_set_operator_limit(ctx, limit_atoms)
    }

    /// Registers a provider.
    pub fn register_provider(
        ctx: &mut Context<RegisterProvider>,
        args: ProviderSettings,
    ) -> Result<()> {
        handle_register_provider(ctx, args)
    }

    /// Changes a provider's entry.
    pub fn update_provider(
        ctx: &mut Context<UpdateProvider>,
        args: ProviderSettings,
    ) -> Result<()> {
        handle_update_provider(ctx, args)
    }

    /// Claims accrued rewards.
    pub fn claim_rewards(ctx: &mut Context<ClaimRewards>) -> Result<()> {
        handle_claim_rewards(ctx)
    }

    /// Registers a model.
    pub fn register_model(ctx: &mut Context<RegisterModel>, args: NewModel) -> Result<()> {
        handle_register_model(ctx, args)
    }

    /// Writes a piece of a graph.
    pub fn write_model(ctx: &mut Context<WriteModel>, offset: u32, bytes: &[u8]) -> Result<()> {
        handle_write_model(ctx, offset, bytes)
    }

    /// Checks and fixes a graph.
    pub fn seal_model(ctx: &mut Context<SealModel>, graph_hash: [u8; 32]) -> Result<()> {
        handle_seal_model(ctx, graph_hash)
    }

    /// Changes a model for new jobs, or names who may take it over; what is left out stays.
    pub fn update_model(
        ctx: &mut Context<UpdateModel>,
        settings: Option<ModelSettings>,
        pending_owner: Option<Address>,
    ) -> Result<()> {
        handle_update_model(ctx, settings, pending_owner)
    }

    /// Takes a model over.
    pub fn accept_model_owner(ctx: &mut Context<AcceptModelOwner>) -> Result<()> {
        handle_accept_model_owner(ctx)
    }

    /// Creates a job and reserves its escrow.
    pub fn create_job(
        ctx: &mut Context<CreateJob>,
        args: NewJob,
        terms_hash: [u8; 32],
    ) -> Result<()> {
        handle_create_job(ctx, args, terms_hash)
    }

    /// Cancels an open job.
    pub fn cancel_job(ctx: &mut Context<CancelJob>, seen: SeenJob) -> Result<()> {
        handle_cancel_job(ctx, seen)
    }

    /// Takes an open job and reserves the bond.
    pub fn take_job(ctx: &mut Context<TakeJob>, seen: SeenJob) -> Result<()> {
        handle_take_job(ctx, seen)
    }

    /// Commits to a result.
    pub fn submit(ctx: &mut Context<Submit>, seen: SeenJob, args: Submission) -> Result<()> {
        handle_submit(ctx, seen, args)
    }

    /// Pays a milestone that nobody refuted in time, or that its client accepts.
    pub fn finalize(ctx: &mut Context<Finalize>, seen: SeenJob) -> Result<()> {
        handle_finalize(ctx, seen)
    }

    /// Rejects a milestone and calls the arbiter.
    pub fn reject(ctx: &mut Context<Reject>, seen: SeenJob, reason: String) -> Result<()> {
        handle_reject(ctx, seen, reason)
    }

    /// Decides about a rejected milestone.
    pub fn resolve(ctx: &mut Context<Resolve>, seen: SeenJob, decision: Decision) -> Result<()> {
        handle_resolve(ctx, seen, decision)
    }

    /// Ends a wait whose deadline has passed.
    pub fn expire(ctx: &mut Context<Expire>) -> Result<()> {
        handle_expire(ctx)
    }

    /// Pays out a recorded conviction.
    pub fn settle_conviction(ctx: &mut Context<SettleConviction>) -> Result<()> {
        handle_settle_conviction(ctx)
    }

    /// Writes a piece of evidence; the first one names the author.
    pub fn write_evidence(
        ctx: &mut Context<WriteEvidence>,
        offset: u32,
        bytes: &[u8],
    ) -> Result<()> {
        handle_write_evidence(ctx, offset, bytes)
    }

    /// Closes an evidence account.
    pub fn close_evidence(ctx: &mut Context<CloseEvidence>) -> Result<()> {
        handle_close_evidence(ctx)
    }

    /// Proves that a value or the padding of a result is wrong.
    pub fn convict(ctx: &mut Context<Convict>, charge: Charge, evidence: &[u8]) -> Result<()> {
        handle_convict(ctx, charge, evidence)
    }

    /// Asks for what a node was hashed from.
    pub fn open_demand(ctx: &mut Context<OpenDemand>, node_id: NodeRef) -> Result<()> {
        handle_open_demand(ctx, node_id)
    }

    /// Answers a demand.
    pub fn reveal(ctx: &mut Context<Reveal>, answer: &[u8]) -> Result<()> {
        handle_reveal(ctx, answer)
    }

    /// Convicts a provider that left a demand without an answer.
    pub fn timeout(ctx: &mut Context<Timeout>) -> Result<()> {
        handle_timeout(ctx)
    }

    /// Creates a campaign and reserves its pot.
    pub fn create_campaign(ctx: &mut Context<CreateCampaign>, args: NewCampaign) -> Result<()> {
        handle_create_campaign(ctx, args)
    }

    /// Lets a provider take part in a campaign.
    pub fn join_campaign(ctx: &mut Context<JoinCampaign>) -> Result<()> {
        handle_join_campaign(ctx)
    }

    /// Pays a provider for its score and closes its entry.
    pub fn claim_campaign(ctx: &mut Context<ClaimCampaign>) -> Result<()> {
        handle_claim_campaign(ctx)
    }

    /// Gives the rest of a pot back and closes the campaign.
    pub fn sweep_campaign(ctx: &mut Context<SweepCampaign>) -> Result<()> {
        handle_sweep_campaign(ctx)
    }

    /// Closes a demand of a job that is over.
    pub fn close_demand(ctx: &mut Context<CloseDemand>) -> Result<()> {
        handle_close_demand(ctx)
    }
}
