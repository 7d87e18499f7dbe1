//! How a provider works.

use {
    crate::{
        policy::Policy,
        strangers::{MEMORY_PATIENCE, PATIENCE},
    },
    quern_client::Pubkey,
    quern_data::{FetchLimits, Publisher},
    std::{collections::BTreeMap, path::PathBuf, time::Duration},
};

/// How a provider works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The provider's owner.
    pub owner: Pubkey,
    /// Its folder.
    pub home: PathBuf,
    /// Which jobs it wants.
    pub policy: Policy,
    /// How it fetches.
    pub fetch: FetchLimits,
    /// Where it publishes.
    pub publisher: Publisher,
    /// The owner's own sources of weights by model, used before what the chain says.
    pub weights: BTreeMap<Pubkey, String>,
    /// Time between two looks at the chain.
    pub poll: Duration,
    /// Shortest time until a failed job is tried again; it doubles with every failure, up to ten minutes.
    pub retry: Duration,
    /// How long, by the cluster's clock, a job must stay gone from this provider before its data are dropped.
    pub keep_ended_secs: u32,
    /// Most memory for tensors, in bytes: half of it for work, half for demands. A job that needs more than a half is not
    /// taken.
    pub memory_bytes: u64,
    /// Most bytes on the disk: inputs, weights, results, what is kept for demands, and what is published into a folder of this
    /// machine. Weights that no live job needs go first.
    pub disk_bytes: u64,
    /// How long the published files of an ended job stay in a folder of this machine.
    pub keep_results: Duration,
    /// Most bytes of the traces of single items that are published of a submission: the first ones, as many as fit.
    pub publish_traces_bytes: u64,
    /// How long the data of an open job may be slow before others get their download slot.
    pub offer_patience: Duration,
    /// How long an open job whose data are here waits for memory before its place goes to another.
    pub memory_patience: Duration,
}

impl Settings {
    /// The usual settings.
    pub fn new(owner: Pubkey, home: PathBuf, publisher: Publisher) -> Self {
        Self {
            owner,
            home,
            policy: Policy::default(),
            fetch: FetchLimits::default(),
            publisher,
            weights: BTreeMap::new(),
            poll: Duration::from_secs(5),
            retry: Duration::from_secs(5),
            keep_ended_secs: 600,
            memory_bytes: 8 << 30,
            disk_bytes: 64 << 30,
            keep_results: Duration::from_secs(7 * 86_400),
            publish_traces_bytes: 64 << 20,
            offer_patience: PATIENCE,
            memory_patience: MEMORY_PATIENCE,
        }
    }
}
