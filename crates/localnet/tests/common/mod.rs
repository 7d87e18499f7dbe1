//! What the tests of the local network share.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

pub mod world;

use {
    quern_client::{instructions::NOBODY, quern::state::ProtocolSettings},
    quern_localnet::{LocalNet, Options},
    std::path::{Path, PathBuf},
};

/// The built program.
pub fn graph_file() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/deploy/quern.so");
    assert!(
        path.exists(),
        "build the program first: cargo xtask build-program"
    );
    path
}

/// A network on free ports.
pub async fn network(program_so: Option<PathBuf>) -> LocalNet {
    LocalNet::start(Options {
        program_so,
        ..Options::default()
    })
    .await
    .unwrap()
}

/// Settings with short windows.
pub fn params() -> ProtocolSettings {
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
    }
}
