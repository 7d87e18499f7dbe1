//! Purses.

use {
    super::decimals,
    crate::{
        project::{
            key,
            program::{MintConfig, Purse},
        },
        store::Entity,
    },
    quern_api::PursePage,
};

/// A purse as it was last.
pub fn purse(entity: &Entity, mints: &[MintConfig]) -> Option<PursePage> {
    let purse = entity.row.read::<Purse>()?;
    let mint = key(&purse.mint);
    Some(PursePage {
        address: entity.address,
        owner: key(&purse.owner),
        mint,
        decimals: decimals(mint, mints),
        free_atoms: purse.free_atoms.get(),
        reserved_atoms: purse.reserved_atoms.get(),
        operator_reserved_atoms: purse.operator_reserved_atoms.get(),
        operator_lost_atoms: purse.operator_lost_atoms.get(),
        operator_limit_atoms: purse.operator_limit_atoms.get(),
        opened: purse.opened.get(),
        seq: entity.row.seq,
        changed_slot: entity.row.slot,
    })
}
