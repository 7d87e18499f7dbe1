//! One file a command.

pub mod campaign;
pub mod claim;
pub mod deploy;
pub mod embed;
pub mod emission;
pub mod gateway;
pub mod job;
pub mod keygen;
pub mod leaderboard;
#[cfg(feature = "localnet")]
pub mod localnet;
pub mod mint;
pub mod model;
pub mod protocol;
pub mod provider;
pub mod purse;
pub mod reference;
pub mod tensor;
pub mod watch;
