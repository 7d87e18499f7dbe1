//! Campaigns: a sponsor's pot, who joins, what is claimed, what goes back. Scores are added where a milestone settles.

mod claim;
mod create;
mod join;
mod named;
mod sweep;

pub(super) use named::{Named, require_fit, split_campaign};
pub use {claim::*, create::*, join::*, sweep::*};
