//! Providers: their entry, and the rewards that they accrued.

mod claim_rewards;
mod register;
mod update;

pub use {claim_rewards::*, register::*, update::*};
