//! Settings of a running indexer, from the command line or the environment.

use {
    crate::{
        store::Role,
        web::{Explorer, MintName, Site},
    },
    quern_api::Key,
    std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration},
};

/// What to follow, where to keep it and where to serve it.
#[derive(Clone, Debug, clap::Args)]
pub struct Config {
    /// The node's address, or one of localhost, devnet, testnet, mainnet-beta
    #[arg(
        short,
        long,
        env = "QUERN_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8899"
    )]
    pub url: String,
    /// The node's WebSocket address; its notices end the pause between looks early
    #[arg(long, env = "QUERN_WS_URL", hide_env_values = true)]
    pub ws_url: Option<String>,
    /// A Yellowstone gRPC server beside the node: its stream brings transactions before they are asked for
    #[arg(long, env = "QUERN_YELLOWSTONE_URL", hide_env_values = true)]
    pub yellowstone_url: Option<String>,
    /// The token that the Yellowstone server asks for; better in the environment or the file, for command lines are public
    #[arg(long, env = "QUERN_YELLOWSTONE_TOKEN", hide_env_values = true)]
    pub yellowstone_token: Option<String>,
    /// The store: sqlite:PATH or postgres://USER@HOST/DATABASE
    #[arg(
        long,
        env = "QUERN_STORE",
        hide_env_values = true,
        default_value = "sqlite:quern-indexer.sqlite"
    )]
    pub store: String,
    /// What this process does with the store
    #[arg(long, env = "QUERN_ROLE", value_enum, default_value_t)]
    pub role: Role,
    /// Where to serve HTTP; port 0 takes a free one
    #[arg(long, env = "QUERN_LISTEN", default_value = "127.0.0.1:8787")]
    pub listen: SocketAddr,
    /// The program's address
    #[arg(long, env = "QUERN_PROGRAM_ID", value_parser = parse_key, default_value_t = default_program())]
    pub program_id: Key,
    /// Follow a recording (one getTransaction reply as JSON on each line) instead of a node
    #[arg(long, env = "QUERN_RECORDING")]
    pub recording: Option<PathBuf>,
    /// Longest pause between looks at the node, in milliseconds
    #[arg(long, env = "QUERN_POLL_MILLIS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..))]
    pub poll_millis: u64,
    /// Transactions fetched at a time
    #[arg(long, env = "QUERN_FETCHES", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub fetches: u16,
    /// Pause between comparisons of the tables with the chain's accounts, in seconds; 0 compares never
    #[arg(long, env = "QUERN_AUDIT_SECS", default_value_t = 900)]
    pub audit_secs: u64,
    /// Pause between looks at what the node has confirmed and not finalized, for /v1/provisional, in milliseconds; 0 never looks
    #[arg(long, env = "QUERN_PROVISIONAL_MILLIS", default_value_t = 0)]
    pub provisional_millis: u64,
    /// Slots behind the node from which on /health/ready says no
    #[arg(long, env = "QUERN_MOST_LAG_SLOTS", default_value_t = 150)]
    pub most_lag_slots: u64,
    /// Most connections at a time; fewer if the system grants too few descriptors
    #[arg(long, env = "QUERN_MAX_CONNECTIONS", default_value_t = 512)]
    pub max_connections: usize,
    /// Most connections of one address; behind a proxy all are the proxy's
    #[arg(long, env = "QUERN_MAX_CONNECTIONS_PER_ADDRESS", default_value_t = 64)]
    pub max_connections_per_address: usize,
    /// Most requests of one address a second, with four seconds of them in advance; behind a proxy all are the proxy's
    #[arg(long, env = "QUERN_MAX_REQUESTS_PER_SECOND", default_value = "50")]
    pub max_requests_per_second: NonZeroU32,
    /// Where pages link transactions to, such as https://explorer.solana.com/tx/{signature}?cluster=devnet
    #[arg(long, env = "QUERN_EXPLORER", value_name = "URL", value_parser = Explorer::parse)]
    pub explorer: Option<Explorer>,
    /// What pages call a mint, such as MINT=USDC; may be repeated, in the environment with commas
    #[arg(long = "mint-name", env = "QUERN_MINT_NAMES", value_name = "MINT=NAME", value_delimiter = ',', value_parser = MintName::parse)]
    pub mint_names: Vec<MintName>,
}

impl Config {
    /// The usual settings for this node and store, on a free port of this machine.
    pub fn local(url: impl Into<String>, store: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ws_url: None,
            yellowstone_url: None,
            yellowstone_token: None,
            store: store.into(),
            role: Role::default(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            program_id: default_program(),
            recording: None,
            poll_millis: 1_000,
            fetches: 8,
            audit_secs: 900,
            provisional_millis: 0,
            most_lag_slots: 150,
            max_connections: 512,
            max_connections_per_address: 64,
            // Its owner is its only client.
            max_requests_per_second: NonZeroU32::MAX,
            explorer: None,
            mint_names: Vec::new(),
        }
    }

    /// What is decided about the pages.
    pub fn site(&self) -> Site {
        Site::new(self.explorer.clone(), &self.mint_names)
    }

    /// The pause between looks.
    pub fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_millis)
    }
}

/// The program's declared address.
pub fn default_program() -> Key {
    crate::project::key(&quern_client::quern::ID)
}

/// An address, as a person types it.
///
/// # Errors
/// That it is none.
pub fn parse_key(text: &str) -> Result<Key, String> {
    Key::parse(text).ok_or_else(|| "it must be a base58 address of 32 bytes".to_owned())
}
