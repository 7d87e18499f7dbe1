//! Compiles if the IDL says what Rust's stock client needs: types, accounts, instructions, events and addresses.

// What Anchor's macros generate names cfgs that only its own tools know.
#![allow(unexpected_cfgs)]

use anchor_lang::prelude::*;

declare_program!(quern);

use quern::{accounts::Purse, client, cpi, events::Deposited, types::NodeRef};

/// A call from another program: every account is named in the IDL.
pub fn deposit<'info>(program: Pubkey, accounts: cpi::accounts::Deposit<'info>, atoms: u64) -> Result<()> {
    cpi::deposit(CpiContext::new(program, accounts), atoms)
}

/// Accounts are read with their discriminators, packed as they are.
pub fn free_atoms(mut data: &[u8]) -> Result<u64> {
    Ok(Purse::try_deserialize(&mut data)?.free_atoms)
}

/// Events are read behind the tag.
pub fn deposited(mut event: &[u8]) -> Result<Pubkey> {
    Ok(Deposited::deserialize(&mut event)?.owner)
}

/// Instructions are built off chain, too.
pub fn ask(node_id: NodeRef) -> Vec<u8> {
    anchor_lang::InstructionData::data(&client::args::OpenDemand { node_id })
}
