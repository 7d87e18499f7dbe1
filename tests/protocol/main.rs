//! The protocol as a game, over the program's own rules and on its bytecode; and the documents' figures, computed again.

#![allow(clippy::unwrap_used, clippy::panic)]

mod bench;
mod campaigns;
mod decisions;
mod delays;
mod fees;
mod payoffs;
