//! The only place where atoms change hands: debit equals credit, so conservation (P3) holds by construction.

use {
    crate::{
        error::QuernError,
        state::{Change, Purse, changed},
    },
    // Inline, unlike the framework's: `Book::find` compares in a loop.
    anchor_lang::{pinocchio::address::address_eq, prelude::*},
    core::ops::DerefMut,
};

/// Which part of a purse an amount leaves or enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What the owner may use.
    Free,
    /// What stands behind something.
    Reserved,
}

/// Moves atoms between parts of purses: `from` and `to` are an index into `purses` and a part; both may be one purse.
///
/// Errors: `InsufficientFunds` or `ReservationShort` if `from` holds less, `Overflow` if `to` would overflow. Callers make
/// sure that all purses are in one mint.
pub fn transfer<P: DerefMut<Target = Purse>>(
    purses: &mut [P],
    from: (usize, Part),
    to: (usize, Part),
    atoms: u64,
) -> Result<()> {
    let short = match from.1 {
        Part::Free => QuernError::InsufficientFunds,
        Part::Reserved => QuernError::ReservationShort,
    };
    let debited = part_mut(purses, from)?;
    *debited = debited.checked_sub(atoms).ok_or(short)?;
    let credited = part_mut(purses, to)?;
    *credited = credited.checked_add(atoms).ok_or(QuernError::Overflow)?;
    Ok(())
}

fn part_mut<P: DerefMut<Target = Purse>>(
    purses: &mut [P],
    (index, part): (usize, Part),
) -> Result<&mut PodU64> {
    let purse = purses.get_mut(index).ok_or(QuernError::PurseMissing)?;
    Ok(match part {
        Part::Free => &mut purse.free_atoms,
        Part::Reserved => &mut purse.reserved_atoms,
    })
}

/// Most purses that one step can touch: client, provider, royalty owner, treasury, arbiter or burn, emission.
pub const MAX_PURSES: usize = 6;

/// The purses that a settlement was given, each once, in any order, found by owner and mint.
///
/// One wallet may stand in several roles of one job; a list without doubles serves every coincidence.
pub struct Book {
    purses: Vec<Account<Purse>>,
    changed: [bool; MAX_PURSES],
}

impl Book {
    /// Loads and checks the remaining accounts: at most [`MAX_PURSES`] writable purses of this program, none twice.
    pub fn load(views: &[AccountView]) -> Result<Self> {
        require!(views.len() <= MAX_PURSES, QuernError::TooManyPurses);
        let mut purses = Vec::with_capacity(views.len());
        for view in views {
            require!(view.is_writable(), QuernError::PurseNotWritable);
            // An address without a purse is not an account of the program.
            require!(view.owned_by(&crate::ID), QuernError::PurseMissing);
            // A loaded account is marked as borrowed until it is dropped, so a second load of the same one shows here.
            require!(!view.is_borrowed(), QuernError::PurseTwice);
            // SAFETY: no other wrapper of this account is alive: the line above refuses it.
            purses.push(unsafe { Account::<Purse>::load_mut(*view) }?);
        }
        Ok(Self {
            purses,
            changed: [false; MAX_PURSES],
        })
    }

    /// Position of the purse of `owner` in `mint`.
    pub fn find(&self, owner: &Address, mint: &Address) -> Result<usize> {
        self.purses
            .iter()
            .position(|purse| address_eq(&purse.owner, owner) && address_eq(&purse.mint, mint))
            .ok_or(QuernError::PurseMissing.into())
    }

    /// [`transfer`] between two purses of the list, remembering what changed. Moving nothing changes nothing.
    pub fn transfer(&mut self, from: (usize, Part), to: (usize, Part), atoms: u64) -> Result<()> {
        if atoms == 0 {
            return Ok(());
        }
        transfer(&mut self.purses, from, to, atoms)?;
        self.changed[from.0] = true;
        self.changed[to.0] = true;
        Ok(())
    }

    /// One purse of the list.
    pub fn purse(&self, index: usize) -> Result<&Purse> {
        Ok(self.purses.get(index).ok_or(QuernError::PurseMissing)?)
    }

    /// One purse of the list, to change what is not money.
    pub fn purse_mut(&mut self, index: usize) -> Result<&mut Purse> {
        let purse = self.purses.get_mut(index).ok_or(QuernError::PurseMissing)?;
        self.changed[index] = true;
        Ok(purse)
    }

    /// Checks, counts and describes every purse that changed.
    #[inline(never)]
    pub fn changes(&mut self, into: &mut Vec<Change>) -> Result<()> {
        for (purse, changed_here) in self.purses.iter_mut().zip(self.changed) {
            if changed_here {
                changed(into, purse)?;
            }
        }
        Ok(())
    }
}

/// Whether these accounts show a purse of `owner` in `mint`, read-only. Used where a later step will credit it.
pub fn require_purse_exists(views: &[AccountView], owner: &Address, mint: &Address) -> Result<()> {
    for view in views {
        require!(view.owned_by(&crate::ID), QuernError::PurseMissing);
        // Purses are found by their content: a typed load proves owner program, discriminator and size.
        let purse = Account::<Purse>::load(*view)?;
        if address_eq(&purse.owner, owner) && address_eq(&purse.mint, mint) {
            return Ok(());
        }
    }
    Err(QuernError::PurseMissing.into())
}
