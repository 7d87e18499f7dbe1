//! Models, agents and data sets: registered, written in pieces, sealed for ever, handed over in two steps.

mod accept_owner;
mod register;
mod seal;
mod update;
mod write;

pub use {accept_owner::*, register::*, seal::*, update::*, write::*};
