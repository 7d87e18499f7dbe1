//! Purses: the only way in and out for tokens.

use {
    super::build,
    crate::addresses,
    quern::{accounts, instruction},
    solana_sdk::{
        instruction::{AccountMeta, Instruction},
        pubkey::Pubkey,
    },
};

/// Opens a purse for anybody in a registered mint. Signer: the payer of its rent.
pub fn open_purse(payer: &Pubkey, owner: &Pubkey, mint: &Pubkey) -> Instruction {
    let accounts = accounts::OpenPurse {
        payer: *payer,
        owner: *owner,
        mint_config: addresses::mint_config(mint),
        purse: addresses::purse(owner, mint),
        system_program: addresses::SYSTEM_PROGRAM,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(&accounts, &instruction::OpenPurse {}, Vec::new())
}

/// Moves tokens from a token account into the purse of `owner`. Signer: the owner or delegate of `source`.
pub fn deposit(
    depositor: &Pubkey,
    source: &Pubkey,
    owner: &Pubkey,
    mint: &Pubkey,
    token_program: &Pubkey,
    amount_atoms: u64,
) -> Instruction {
    let accounts = accounts::Deposit {
        depositor: *depositor,
        source: *source,
        mint: *mint,
        mint_config: addresses::mint_config(mint),
        vault: addresses::vault(mint),
        purse: addresses::purse(owner, mint),
        token_program: *token_program,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(
        &accounts,
        &instruction::Deposit { amount_atoms },
        Vec::new(),
    )
}

/// Moves free atoms out of the owner's purse to any token account of the mint. Signer: the owner.
pub fn withdraw(
    owner: &Pubkey,
    destination: &Pubkey,
    mint: &Pubkey,
    token_program: &Pubkey,
    amount_atoms: u64,
) -> Instruction {
    let accounts = accounts::Withdraw {
        owner: *owner,
        purse: addresses::purse(owner, mint),
        mint: *mint,
        mint_config: addresses::mint_config(mint),
        vault: addresses::vault(mint),
        destination: *destination,
        token_program: *token_program,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(
        &accounts,
        &instruction::Withdraw { amount_atoms },
        Vec::new(),
    )
}

/// Bounds what the operator's takes may have reserved and lost together. Signer: the purse's owner.
pub fn set_operator_limit(owner: &Pubkey, mint: &Pubkey, limit_atoms: u64) -> Instruction {
    let accounts = accounts::SetOperatorLimit {
        owner: *owner,
        purse: addresses::purse(owner, mint),
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(
        &accounts,
        &instruction::SetOperatorLimit { limit_atoms },
        Vec::new(),
    )
}

/// Creates the usual token account of an owner, if it is not there yet. Signer: the payer of its rent.
pub fn create_token_account(
    payer: &Pubkey,
    owner: &Pubkey,
    mint: &Pubkey,
    token_program: &Pubkey,
) -> Instruction {
    /// `CreateIdempotent` of the associated-token-account program.
    const CREATE_IDEMPOTENT: u8 = 1;
    Instruction {
        program_id: addresses::ASSOCIATED_TOKEN_PROGRAM,
        accounts: vec![
            AccountMeta::new(*payer, true),
            AccountMeta::new(addresses::token_account(owner, mint, token_program), false),
            AccountMeta::new_readonly(*owner, false),
            AccountMeta::new_readonly(*mint, false),
            AccountMeta::new_readonly(addresses::SYSTEM_PROGRAM, false),
            AccountMeta::new_readonly(*token_program, false),
        ],
        data: vec![CREATE_IDEMPOTENT],
    }
}
