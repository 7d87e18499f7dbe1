//! One file an instruction: what it is for, a specification, arguments, accounts, handler.

pub mod campaign;
pub mod dispute;
pub mod job;
pub mod model;
pub mod protocol;
pub mod provider;
pub mod purse;
pub mod referee;
mod settlement;

pub use {
    campaign::*, dispute::*, job::*, model::*, protocol::*, provider::*, purse::*, referee::*,
};
