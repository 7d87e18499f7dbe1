//! One file an account type: fields, seeds, address, invariant. All layouts are fixed, little-endian and free of padding.

mod assurance;
mod campaign;
mod change;
mod charge;
mod demand;
mod emission;
mod entity;
mod evidence;
mod job;
mod mint_config;
mod model;
mod protocol;
mod provider;
mod purse;
mod seen;
mod tail;
mod terms;

pub use {
    assurance::*, campaign::*, change::*, charge::*, demand::*, emission::*, entity::*,
    evidence::*, job::*, mint_config::*, model::*, protocol::*, provider::*, purse::*, seen::*,
    tail::*, terms::*,
};

/// Version written into every account of this layout.
pub const LAYOUT_VERSION: u8 = 1;
