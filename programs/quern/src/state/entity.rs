//! What all accounts share: a kind, a contiguous `seq`, and how a change of one is recorded (invariant P6).

use {
    crate::{
        error::QuernError,
        state::{Change, EntityKind},
    },
    anchor_lang::{accounts::SlabSchema, prelude::*},
    bytemuck::{Pod, Zeroable},
};

/// An account of the program that carries a `seq`.
pub trait Entity: Pod + Zeroable + SlabSchema {
    /// Its kind in events.
    const KIND: EntityKind;
    /// The account's change counter.
    fn seq_mut(&mut self) -> &mut PodU64;
    /// Whether the fields agree with each other.
    fn invariant(&self) -> bool;
    /// Whether this version knows every code in it. Only the program writes them, so only decoders off chain ask.
    fn has_known_codes(&self) -> bool {
        true
    }
}

/// What an event says of these accounts, in order: `changes![changed(job), closed(demand)]`.
macro_rules! changes {
    ($($how:ident($account:expr $(, $more:expr)*)),+ $(,)?) => {{
        let mut changes = Vec::with_capacity([$(stringify!($how)),+].len());
        $($how(&mut changes, $account $(, $more)*)?;)+
        changes
    }};
}
pub(crate) use changes;

/// Checks the account's invariant, counts the change and adds what the event says of it.
pub fn changed<T: Entity>(changes: &mut Vec<Change>, account: &mut Account<T>) -> Result<()> {
    let is_sound = account.invariant();
    let seq = next_seq(account.seq_mut(), is_sound)?;
    let header: &T = account;
    record(
        changes,
        T::KIND,
        account.address(),
        seq,
        bytemuck::bytes_of(header),
    );
    Ok(())
}

/// The last change of an account that is about to close.
pub fn closed<T: Entity>(changes: &mut Vec<Change>, account: &mut Account<T>) -> Result<()> {
    let seq = next_seq(account.seq_mut(), true)?;
    record(changes, T::KIND, account.address(), seq, &[]);
    Ok(())
}

/// Adds one change. One copy for all account types: it is called from every instruction.
#[inline(never)]
fn record(changes: &mut Vec<Change>, kind: EntityKind, address: &Address, seq: u64, after: &[u8]) {
    changes.push(Change {
        kind: kind as u8,
        address: *address,
        seq,
        after: after.to_vec(),
    });
}

/// Counts a change of a sound account.
fn next_seq(seq: &mut PodU64, is_sound: bool) -> Result<u64> {
    require!(is_sound, QuernError::InvariantBroken);
    let next = seq.get().checked_add(1).ok_or(QuernError::Overflow)?;
    *seq = next.into();
    Ok(next)
}
