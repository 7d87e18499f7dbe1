//! Evidence: bytes that an author collects for one conviction when they do not fit into a transaction.

use anchor_lang::prelude::*;

/// The fixed part of an evidence account; the bytes follow it.
///
/// It is a plain account that its author creates for the program, of any size. It holds nothing but its rent, moves no
/// money and proves nothing until a conviction reads it, so it has no change counter and no events.
#[account]
#[derive(Debug)]
pub struct Evidence {
    /// Who may write and close it, and who has proved what it proves.
    pub author: Address,
}

impl Evidence {
    /// Where the bytes begin: behind discriminator and author.
    pub const HEADER_BYTES: usize = 8 + core::mem::size_of::<Self>();
}
