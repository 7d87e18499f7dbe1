//! What lies behind the fixed part of a loaded account: a model's program, a demand's answer, the bytes of evidence.

use {
    anchor_lang::{accounts::SlabSchema, prelude::*},
    bytemuck::{Pod, Zeroable},
};

/// Where it begins: behind discriminator and fixed part.
const fn offset<T>() -> usize {
    8 + core::mem::size_of::<T>()
}

/// The bytes behind the fixed part.
pub fn tail<T: Pod + Zeroable + SlabSchema>(account: &Account<T>) -> Result<&[u8]> {
    // SAFETY: a shared borrow of the data for as long as `account` is borrowed; writers need `&mut Account`.
    let data = unsafe { account.view().borrow_unchecked() };
    data.get(offset::<T>()..)
        .ok_or(ProgramError::AccountDataTooSmall)
}

/// The bytes behind the fixed part, to be written.
pub fn tail_mut<T: Pod + Zeroable + SlabSchema>(account: &mut Account<T>) -> Result<&mut [u8]> {
    let mut view = *account.view();
    require!(view.is_writable(), ErrorCode::ConstraintMut);
    // SAFETY: exclusive for as long as `account` is borrowed mutably: the dispatcher refuses a second mutable slot of it.
    let data = unsafe { view.borrow_unchecked_mut() };
    // SAFETY: the data live as long as the instruction, hence as long as `account`.
    let data: &mut [u8] = unsafe { core::slice::from_raw_parts_mut(data.as_mut_ptr(), data.len()) };
    data.get_mut(offset::<T>()..)
        .ok_or(ProgramError::AccountDataTooSmall)
}
