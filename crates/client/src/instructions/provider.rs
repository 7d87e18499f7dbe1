//! Providers: their entry and their rewards.

use {
    super::build,
    crate::addresses,
    quern::{accounts, instruction, instructions::ProviderSettings},
    solana_sdk::{instruction::Instruction, pubkey::Pubkey},
};

/// Registers a provider. Signer: its owner, who pays.
pub fn register_provider(owner: &Pubkey, args: ProviderSettings) -> Instruction {
    let accounts = accounts::RegisterProvider {
        owner: *owner,
        provider: addresses::provider(owner),
        system_program: addresses::SYSTEM_PROGRAM,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(
        &accounts,
        &instruction::RegisterProvider { args },
        Vec::new(),
    )
}

/// Replaces a provider's entry. Signer: its owner.
pub fn update_provider(owner: &Pubkey, args: ProviderSettings) -> Instruction {
    let accounts = accounts::UpdateProvider {
        owner: *owner,
        provider: addresses::provider(owner),
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(&accounts, &instruction::UpdateProvider { args }, Vec::new())
}

/// Moves all accrued rewards into the owner's purse in the reward mint, which must be open. Signer: the owner.
pub fn claim_rewards(owner: &Pubkey, reward_mint: &Pubkey) -> Instruction {
    let emission = addresses::emission();
    let accounts = accounts::ClaimRewards {
        owner: *owner,
        provider: addresses::provider(owner),
        emission,
        emission_purse: addresses::purse(&emission, reward_mint),
        purse: addresses::purse(owner, reward_mint),
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(&accounts, &instruction::ClaimRewards {}, Vec::new())
}
