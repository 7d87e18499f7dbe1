//! What the tests of this repository share, and the demo with them.
//!
//! - [`rng`]: the one random generator.
//! - [`oracle`]: a second implementation of the rules about money and time; it hears of events and knows every balance.
//! - [`follower`]: what a reader of events alone knows of the accounts.
//! - [`documented`]: the commands that documents tell people to type.
//! - [`postgres`] (feature `postgres`): a PostgreSQL of the process's own.
//! - [`svm`] (feature `svm`): the built program in a virtual machine; every transaction is audited.
//! - [`net`] (feature `net`): the built program on a local network, with providers, watchers, cheats and people.
//!
//! Nothing here is a mock of the product: both worlds run the program that `cargo xtask build-program` built.

// A harness stops a test where something is not as it must be; there is nobody to hand an error to.
#![allow(clippy::unwrap_used, clippy::panic)]

pub mod accounts;
pub mod documented;
pub mod follower;
#[cfg(feature = "net")]
pub mod net;
pub mod oracle;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod rng;
#[cfg(feature = "svm")]
pub mod svm;

use {
    quern::{constants::NOBODY, state::ProtocolSettings},
    std::path::PathBuf,
};

/// The built program.
///
/// # Panics
/// If it is not built: no test of it can run.
pub fn program_so() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/deploy/quern.so");
    assert!(
        path.is_file(),
        "{} is missing: run `cargo xtask build-program`",
        path.display()
    );
    path
}

/// Settings with short windows.
pub fn short_windows() -> ProtocolSettings {
    ProtocolSettings {
        guardian: NOBODY,
        treasury_owner: NOBODY,
        fee_bps: 500,
        late_penalty_bps: 2_000,
        reject_bps: 1_000,
        arbiter_bps: 200,
        refereed_bond_bps: 20_000,
        reviewed_bond_bps: 5_000,
        refereed_review_secs: 60,
        reviewed_review_secs: 60,
        demand_fee_lamports: 10_000,
        response_secs: 60,
        react_secs: 60,
        resolve_secs: 600,
        grace_secs: 60,
        restart_grace_secs: 60,
        campaign_claim_secs: 60,
    }
}
