//! One builder for every instruction. A builder derives all addresses, the list of purses included, so that callers say only
//! what they mean; it reads nothing from the chain. [`crate::flows`] adds what must be read first.

mod campaign;
mod job;
mod model;
mod protocol;
mod provider;
mod purse;
mod referee;

pub use {campaign::*, job::*, model::*, protocol::*, provider::*, purse::*, referee::*};

use {
    crate::addresses,
    anchor_lang::{InstructionData, ToAccountMetas},
    solana_sdk::{
        instruction::{AccountMeta, Instruction},
        pubkey::Pubkey,
    },
};

/// "Nobody" in an address field.
pub const NOBODY: Pubkey = quern::constants::NOBODY;

/// Puts an instruction together; `others` are the remaining accounts.
fn build(
    accounts: &impl ToAccountMetas,
    data: &impl InstructionData,
    others: Vec<AccountMeta>,
) -> Instruction {
    let mut metas = accounts.to_account_metas(None);
    metas.extend(others);
    Instruction {
        program_id: crate::program_id(),
        accounts: metas,
        data: data.data(),
    }
}

/// Purses of these owners in one mint, each once, owners that are nobody left out.
fn purses_of(owners: &[Pubkey], mint: &Pubkey) -> Vec<Pubkey> {
    let mut purses = Vec::with_capacity(owners.len());
    for owner in owners.iter().filter(|owner| **owner != NOBODY) {
        push_new(&mut purses, addresses::purse(owner, mint));
    }
    purses
}

/// The program refuses a purse that stands twice, and roles may coincide.
fn push_new(purses: &mut Vec<Pubkey>, purse: Pubkey) {
    if !purses.contains(&purse) {
        purses.push(purse);
    }
}

fn writable(purses: Vec<Pubkey>) -> Vec<AccountMeta> {
    purses
        .into_iter()
        .map(|purse| AccountMeta::new(purse, false))
        .collect()
}

fn readable(purses: Vec<Pubkey>) -> Vec<AccountMeta> {
    purses
        .into_iter()
        .map(|purse| AccountMeta::new_readonly(purse, false))
        .collect()
}
