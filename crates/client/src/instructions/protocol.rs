//! Settings, mints and rewards.

use {
    super::build,
    crate::addresses,
    quern::{
        accounts, instruction,
        instructions::{EmissionSettings, MintSettings},
        state::{MintRates, ProtocolSettings},
    },
    solana_sdk::{hash::Hash, instruction::Instruction, pubkey::Pubkey},
};

/// What a new protocol has where nothing else is named: the wallet is guardian and receives the fees.
pub fn usual_settings(wallet: Pubkey) -> ProtocolSettings {
    ProtocolSettings {
        guardian: wallet,
        treasury_owner: wallet,
        fee_bps: 250,
        late_penalty_bps: 1_000,
        reject_bps: 1_000,
        arbiter_bps: 500,
        refereed_bond_bps: 20_000,
        reviewed_bond_bps: 5_000,
        refereed_review_secs: 86_400,
        reviewed_review_secs: 86_400,
        demand_fee_lamports: 10_000,
        response_secs: 21_600,
        react_secs: 3_600,
        resolve_secs: 259_200,
        grace_secs: 3_600,
        restart_grace_secs: 86_400,
        campaign_claim_secs: 30 * 86_400,
    }
}

/// Creates protocol and emission for the cluster with this genesis hash. Signer: the program's upgrade authority, who pays and
/// becomes the protocol's authority.
pub fn initialize(authority: &Pubkey, settings: ProtocolSettings, cluster: Hash) -> Instruction {
    let accounts = accounts::Initialize {
        authority: *authority,
        program_data: addresses::program_data(&crate::program_id()),
        protocol: addresses::protocol(),
        emission: addresses::emission(),
        system_program: addresses::SYSTEM_PROGRAM,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    let args = instruction::Initialize {
        settings,
        cluster: cluster.to_bytes(),
    };
    build(&accounts, &args, Vec::new())
}

/// Changes settings for new jobs, or names who may take the protocol over ([`super::NOBODY`] withdraws that); what is left
/// out stays. Signer: the protocol's authority.
pub fn update_protocol(
    authority: &Pubkey,
    settings: Option<ProtocolSettings>,
    pending_authority: Option<Pubkey>,
) -> Instruction {
    let accounts = accounts::UpdateProtocol {
        authority: *authority,
        protocol: addresses::protocol(),
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    let args = instruction::UpdateProtocol {
        settings,
        pending_authority,
    };
    build(&accounts, &args, Vec::new())
}

/// Takes the protocol over. Signer: who was proposed.
pub fn accept_authority(proposed: &Pubkey) -> Instruction {
    let accounts = accounts::AcceptAuthority {
        proposed: *proposed,
        protocol: addresses::protocol(),
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(&accounts, &instruction::AcceptAuthority {}, Vec::new())
}

/// Stops or allows new models, jobs and takes. Signer: the authority, or, to stop only, the guardian.
pub fn set_pause(signer: &Pubkey, paused: bool) -> Instruction {
    let accounts = accounts::SetPause {
        signer: *signer,
        protocol: addresses::protocol(),
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(&accounts, &instruction::SetPause { paused }, Vec::new())
}

/// Takes a mint in and creates its vault. Signer: the protocol's authority, who pays. `token_program` owns the mint.
pub fn register_mint(
    authority: &Pubkey,
    mint: &Pubkey,
    token_program: &Pubkey,
    rates: MintRates,
) -> Instruction {
    let accounts = accounts::RegisterMint {
        authority: *authority,
        protocol: addresses::protocol(),
        emission: addresses::emission(),
        mint: *mint,
        mint_config: addresses::mint_config(mint),
        vault: addresses::vault(mint),
        token_program: *token_program,
        system_program: addresses::SYSTEM_PROGRAM,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(&accounts, &instruction::RegisterMint { rates }, Vec::new())
}

/// Changes a mint's rates for new jobs, or stops new jobs in it. Signer: the protocol's authority.
pub fn update_mint(authority: &Pubkey, mint: &Pubkey, settings: MintSettings) -> Instruction {
    let accounts = accounts::UpdateMint {
        authority: *authority,
        protocol: addresses::protocol(),
        emission: addresses::emission(),
        mint_config: addresses::mint_config(mint),
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(&accounts, &instruction::UpdateMint { settings }, Vec::new())
}

/// Sets rewards; the emission's purse in `reward_mint` must be open (see [`super::open_purse`] with
/// [`addresses::emission`] as owner). Signer: the protocol's authority.
pub fn configure_emission(
    authority: &Pubkey,
    reward_mint: &Pubkey,
    settings: EmissionSettings,
) -> Instruction {
    let emission = addresses::emission();
    let accounts = accounts::ConfigureEmission {
        authority: *authority,
        protocol: addresses::protocol(),
        emission,
        mint_config: addresses::mint_config(reward_mint),
        emission_purse: addresses::purse(&emission, reward_mint),
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(
        &accounts,
        &instruction::ConfigureEmission { settings },
        Vec::new(),
    )
}
