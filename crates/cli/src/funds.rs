//! What is free in a purse, compared with what a step takes before anything is sent.

use {
    crate::{
        amount::show,
        error::{Error, Result},
    },
    quern_client::{Pubkey, quern::state::Purse},
};

/// An amount in tokens and in atoms.
pub fn both(atoms: u64, decimals: u8) -> String {
    format!("{} ({atoms} atoms)", show(atoms, decimals))
}

/// What is free and what is locked in a purse, as a part of a sentence.
pub fn shown(owner: &Pubkey, purse: Option<&Purse>, decimals: u8) -> String {
    let Some(purse) = purse else {
        return format!("{owner} has no purse in this mint yet");
    };
    let (free, locked) = (purse.free_atoms.get(), purse.reserved_atoms.get());
    let free = both(free, decimals);
    match locked {
        0 => format!("the purse of {owner} has {free} free and nothing locked"),
        locked => format!(
            "the purse of {owner} has {free} free; {} are locked in jobs, bonds and deposits until those end",
            both(locked, decimals)
        ),
    }
}

/// Refuses what takes more than is free. `what` takes the atoms; `todo` says what to do about it.
///
/// # Errors
/// What is free, what is locked, and what would be taken.
pub fn require_free(
    (owner, purse): (&Pubkey, Option<&Purse>),
    decimals: u8,
    atoms: u64,
    what: &str,
    todo: &str,
) -> Result<()> {
    if purse.map_or(0, |purse| purse.free_atoms.get()) >= atoms {
        return Ok(());
    }
    Err(Error::Other(format!(
        "{what} takes {}, and {}; {todo}",
        both(atoms, decimals),
        shown(owner, purse, decimals)
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn free_and_locked_are_said_in_tokens_and_atoms() {
        let owner = Pubkey::from([1; 32]);
        let mut purse: Purse = bytemuck::Zeroable::zeroed();
        (purse.free_atoms, purse.reserved_atoms) = (3_000_000.into(), 1_500_000.into());
        let check = |purse: Option<Purse>, atoms| {
            let purse = (&owner, purse.as_ref());
            require_free(purse, 6, atoms, "the withdrawal", "withdraw less")
        };
        assert!(check(Some(purse), 3_000_000).is_ok());
        let said = check(Some(purse), 3_000_001).unwrap_err().to_string();
        assert_eq!(
            said,
            format!(
                "the withdrawal takes 3.000001 (3000001 atoms), and the purse of {owner} has 3 (3000000 atoms) free; 1.5 (1500000 atoms) are locked in jobs, bonds and deposits until those end; withdraw less"
            )
        );
        purse.reserved_atoms = 0.into();
        let said = check(Some(purse), u64::MAX).unwrap_err().to_string();
        assert!(said.contains("nothing locked"), "{said}");
        let said = check(None, 1).unwrap_err().to_string();
        assert!(said.contains("has no purse"), "{said}");
    }
}
