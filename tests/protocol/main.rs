//! The protocol as a game, over the program's own rules; and the documents' figures, computed again.

#![allow(clippy::unwrap_used, clippy::panic)]

mod bench;
mod delays;
mod fees;
mod payoffs;
