//! Purses: the only way in and out for tokens.

mod deposit;
mod open;
mod set_operator_limit;
mod withdraw;

pub use {deposit::*, open::*, set_operator_limit::*, withdraw::*};
