//! One file an instruction: what it is for, a specification, arguments, accounts, handler.

pub mod job;
pub mod model;
pub mod protocol;
pub mod provider;
pub mod purse;
pub mod referee;

pub use {job::*, model::*, protocol::*, provider::*, purse::*, referee::*};
