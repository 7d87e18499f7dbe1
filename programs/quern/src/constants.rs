//! Bounds that hold for everybody, whatever the protocol's settings say.

use anchor_lang::prelude::*;

/// Highest fee that the protocol may set, in basis points.
pub const MAX_FEE_BPS: u16 = 1_000;
/// Highest royalty that a model's owner may set, in basis points.
pub const MAX_ROYALTY_BPS: u16 = 5_000;
/// Highest share of the bond that the protocol may take for being late, in basis points. A provider that convicts itself
/// loses 60 %: being late must cost less than submitting junk.
pub const MAX_LATE_PENALTY_BPS: u16 = 5_000;
/// Highest reject deposit that the protocol may set, in basis points of the price.
pub const MAX_REJECT_BPS: u16 = 5_000;
/// Highest share of the price that the protocol may give to an arbiter, in basis points.
pub const MAX_ARBITER_BPS: u16 = 2_000;
/// Highest price of a demand that the protocol may set, in lamports: withheld data must stay affordable to ask for.
pub const MAX_DEMAND_FEE_LAMPORTS: u64 = 100_000_000;
/// Smallest bond of a refereed job, as a share of the price in basis points (twice the price).
pub const MIN_REFEREED_BOND_BPS: u32 = 20_000;
/// Longest URI that an instruction takes, in bytes.
pub const MAX_URI_BYTES: usize = 200;
/// Longest name of a provider or a model, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 32;
/// Longest time that any single step of a job may take, in seconds (a year).
pub const MAX_STEP_SECS: u32 = 366 * 86_400;
/// Longest window of review, response, reaction, resolution or grace, in seconds (30 days).
pub const MAX_WINDOW_SECS: u32 = 30 * 86_400;
/// Largest graph that a model may reserve room for, in bytes: the largest that can be sealed.
pub const MAX_GRAPH_BYTES: u32 = quern_proof::graph::MAX_BYTES as u32;
/// Most bytes by which an account grows in one instruction: the runtime's bound.
pub const MAX_GROWTH_BYTES: usize = 10_240;
/// "Nobody" in an address field.
pub const NOBODY: Address = Address::new_from_array([0; 32]);

/// Whether an address is [`NOBODY`]: one test of its four words together, which is the shortest on chain.
pub fn is_nobody(address: &Address) -> bool {
    let words: [u64; 4] = bytemuck::cast(address.to_bytes());
    words[0] | words[1] | words[2] | words[3] == 0
}
