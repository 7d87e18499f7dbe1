//! What can go wrong, each as one sentence that says what to do.

use quern_client::{ClientError, Pubkey};

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, DeployError>;

/// Everything that can keep a program from being deployed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The chain, or the way to it.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// The wallet cannot pay what is planned.
    #[error(
        "{wallet} has {has_lamports} lamports and {needs_lamports} are needed; fund it and run the same again"
    )]
    Lamports {
        /// Who pays.
        wallet: Pubkey,
        /// What it has.
        has_lamports: u64,
        /// What it needs.
        needs_lamports: u64,
    },
    /// A deployment that cannot work, or that the loader refused.
    #[error("{0}")]
    Refused(String),
    /// The caller stopped it.
    #[error("stopped; run the same again to continue where it stopped")]
    Stopped,
}
