//! Addresses of every account of the program. Seeds live in the program's own types; this module only names them.

use {
    quern::state::{
        Campaign, Demand, Emission, Entry, Job, MintConfig, Model, Protocol, Provider, Purse,
    },
    quern_proof::demand::NodeId,
    solana_sdk::pubkey::Pubkey,
};

/// The upgradeable loader, which owns the program and its data.
pub const UPGRADEABLE_LOADER: Pubkey =
    solana_sdk::pubkey!("BPFLoaderUpgradeab1e11111111111111111111111");
/// The system program.
pub const SYSTEM_PROGRAM: Pubkey = solana_sdk::pubkey!("11111111111111111111111111111111");
/// The SPL Token program.
pub const TOKEN_PROGRAM: Pubkey =
    solana_sdk::pubkey!("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
/// The Token-2022 program.
pub const TOKEN_2022_PROGRAM: Pubkey =
    solana_sdk::pubkey!("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");
/// The associated-token-account program.
pub const ASSOCIATED_TOKEN_PROGRAM: Pubkey =
    solana_sdk::pubkey!("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");

/// The settings account.
pub fn protocol() -> Pubkey {
    Protocol::find_address(&crate::program_id()).0
}

/// The settings account of a deployment that need not be this process's.
pub fn protocol_of(program_id: &Pubkey) -> Pubkey {
    Protocol::find_address(program_id).0
}

/// The emission account; also the owner of the emission's purse.
pub fn emission() -> Pubkey {
    Emission::find_address(&crate::program_id()).0
}

/// Configuration of a mint.
pub fn mint_config(mint: &Pubkey) -> Pubkey {
    MintConfig::find_address(&crate::program_id(), mint).0
}

/// The one token account that holds all atoms of a mint.
pub fn vault(mint: &Pubkey) -> Pubkey {
    MintConfig::find_vault(&crate::program_id(), mint).0
}

/// The purse of an owner in a mint.
pub fn purse(owner: &Pubkey, mint: &Pubkey) -> Pubkey {
    Purse::find_address(&crate::program_id(), owner, mint).0
}

/// The owner of burnt amounts; nothing signs for it.
pub fn burn_owner() -> Pubkey {
    Purse::find_burn_owner(&crate::program_id()).0
}

/// The provider account of an owner.
pub fn provider(owner: &Pubkey) -> Pubkey {
    Provider::find_address(&crate::program_id(), owner).0
}

/// A creator's model with a number.
pub fn model(creator: &Pubkey, id: u64) -> Pubkey {
    Model::find_address(&crate::program_id(), creator, id).0
}

/// The n-th job (from 0) of a client in a mint.
pub fn job(client: &Pubkey, mint: &Pubkey, n: u64) -> Pubkey {
    Job::find_address(&crate::program_id(), &purse(client, mint), n).0
}

/// The demand that asks this about a submission (from 1) of a job.
pub fn demand(job: &Pubkey, submission: u32, node_id: &NodeId) -> Pubkey {
    Demand::find_address(&crate::program_id(), job, submission, node_id).0
}

/// The n-th of what a sponsor's purse opened, if it is a campaign.
pub fn campaign(sponsor: &Pubkey, mint: &Pubkey, n: u64) -> Pubkey {
    Campaign::find_address(&crate::program_id(), &purse(sponsor, mint), n).0
}

/// The entry of a provider's owner in a campaign.
pub fn entry(campaign: &Pubkey, owner: &Pubkey) -> Pubkey {
    Entry::find_address(&crate::program_id(), campaign, owner).0
}

/// Who signs the program's events.
pub fn event_authority() -> Pubkey {
    event_authority_of(&crate::program_id()).0
}

/// Who signs the events of the same program at another address.
pub fn event_authority_of(program_id: &Pubkey) -> (Pubkey, u8) {
    Pubkey::find_program_address(&[b"__event_authority"], program_id)
}

/// Where the upgradeable loader keeps a program's code and upgrade authority.
pub fn program_data(program_id: &Pubkey) -> Pubkey {
    Pubkey::find_program_address(&[program_id.as_ref()], &UPGRADEABLE_LOADER).0
}

/// The usual token account of an owner.
pub fn token_account(owner: &Pubkey, mint: &Pubkey, token_program: &Pubkey) -> Pubkey {
    Pubkey::find_program_address(
        &[owner.as_ref(), token_program.as_ref(), mint.as_ref()],
        &ASSOCIATED_TOKEN_PROGRAM,
    )
    .0
}
