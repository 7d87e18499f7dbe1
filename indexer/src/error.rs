//! The one error of the crate.

use std::net::SocketAddr;

/// What can go wrong; each sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub enum IndexerError {
    /// An address of the node has an unknown form. It is not quoted: it may hold a key.
    #[error("{option} is not the address of a node: write {form}")]
    BadUrl {
        /// Which setting.
        option: &'static str,
        /// What to write.
        form: &'static str,
    },
    /// The committed address of the program has a published key, so away from this machine anybody may have taken it.
    #[error(
        "no program is named: name the deployment's address with --program-id or QUERN_PROGRAM_ID; the default one is for local \
         networks"
    )]
    NoProgram,
    /// This binary knows no streams.
    #[error(
        "this quern-indexer was built without streams: build it with cargo build --package quern-indexer --features yellowstone, or \
         leave out --yellowstone-url"
    )]
    NoYellowstone,
    /// A token that cannot be sent.
    #[error(
        "--yellowstone-token has characters that no token has: write the one that the stream's operator gave, on one line"
    )]
    BadToken,
    /// A token for nobody.
    #[error(
        "--yellowstone-token names no stream: name one with --yellowstone-url, or leave it out"
    )]
    NoStream,
    /// An option that only matters beside a node.
    #[error("{0} is of no use with --recording: leave one of the two out")]
    BesideRecording(&'static str),
    /// The store's address has an unknown form.
    #[error(
        "store \"{0}\" is not one that can be kept: write sqlite:PATH or postgres://USER@HOST/DATABASE, for example \
         sqlite:quern.sqlite"
    )]
    BadStore(String),
    /// Somebody else writes to this store.
    #[error(
        "store {0} is in use by another quern-indexer: stop that one, name another store, or run with --role standby or replica"
    )]
    StoreInUse(String),
    /// The store's file has more than one name.
    #[error(
        "store {0} has another name (a hard link), under which a second quern-indexer could use it: remove the link or copy the file"
    )]
    LinkedStore(String),
    /// The file belongs to another application.
    #[error(
        "{0} is a database of another application: name a new file, or one that quern-indexer wrote, with --store sqlite:PATH"
    )]
    ForeignStore(String),
    /// The store's file cannot be opened.
    #[error("cannot open store {path}: {source}; check that its folder exists and can be written")]
    OpenStore {
        /// Which file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// There is no store to work on.
    #[error("there is no store {0}: name with --store the one that quern-indexer run wrote")]
    NoStore(String),
    /// The store's file is not a database, or cannot be used as one.
    #[error(
        "cannot open store {path}: {source}; check that it is a file that quern-indexer wrote and that it can be written"
    )]
    OpenDatabase {
        /// Which file.
        path: String,
        /// Why not.
        source: sqlx::Error,
    },
    /// The server of the database cannot be reached.
    #[error(
        "cannot open store {store}: {source}; check that PostgreSQL runs there, that the database is there, and that the role may \
         use it (docs/OPERATING.md)"
    )]
    Connect {
        /// Which database, without its password.
        store: String,
        /// Why not.
        source: sqlx::Error,
    },
    /// A process that only reads was to write.
    #[error("this process only reads the store: stop it, and work with --role leader")]
    ReadOnlyStore,
    /// An older version wrote the store.
    #[error(
        "an older quern-indexer wrote this store: start quern-indexer run of this version on it first, which upgrades it"
    )]
    OlderStore,
    /// A newer version wrote the store.
    #[error(
        "a newer quern-indexer wrote this store: use that version, restore a copy from before the upgrade, or name another store"
    )]
    NewerStore,
    /// A copy could not be made.
    #[error("cannot copy the store to {to}: {reason}; {by_hand}")]
    Backup {
        /// Which file.
        to: String,
        /// Why not.
        reason: String,
        /// What to do.
        by_hand: String,
    },
    /// A check found something.
    #[error("the store is not sound: {0}")]
    NotSound(String),
    /// The store belongs to another program or network.
    #[error(
        "this store holds {field} {stored}, not {found}: name another --store, or the right --url and --program-id"
    )]
    WrongStore {
        /// What differs.
        field: &'static str,
        /// What the store holds.
        stored: String,
        /// What was found.
        found: String,
    },
    /// The node belongs to another cluster than the program's protocol.
    #[error(
        "the protocol was set up for the cluster with genesis hash {expected}, but the node belongs to the one with {found}: \
         check --url and --program-id"
    )]
    WrongCluster {
        /// What the protocol names.
        expected: quern_client::Hash,
        /// What the node says.
        found: quern_client::Hash,
    },
    /// A stored value has an impossible form.
    #[error("the store is damaged ({0}): restore a copy, or name a new store and index again")]
    Damaged(&'static str),
    /// The database failed.
    #[error(
        "the database failed: {0}; this step changed nothing. Check the disk, or that PostgreSQL runs, and try again"
    )]
    Database(#[from] sqlx::Error),
    /// What was written does not show.
    #[error(
        "the store took the walk up to slot {wanted} but shows {shown}: nothing was counted as stored, and the walk is tried again"
    )]
    NotKept {
        /// What was written.
        wanted: u64,
        /// What readers see.
        shown: u64,
    },
    /// The database's tables are those of another program, or could not be made.
    #[error(
        "the store's tables are not those of a quern-indexer: {0}; name another store, and the history is read anew into it"
    )]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The node failed to answer.
    #[error(
        "the node failed to answer {method}: {reason}; the cursor stays and the walk is tried again"
    )]
    Rpc {
        /// Which call.
        method: &'static str,
        /// Why.
        reason: String,
    },
    /// The node's history ended before the walk did.
    #[error(
        "the node's list of transactions ended at slot {reached}, before slot {wanted}: it lags or prunes; the cursor stays. \
         Use a node that keeps the whole history"
    )]
    HistoryEnded {
        /// Where it ended (0: at once).
        reached: u64,
        /// Where it should have ended.
        wanted: u64,
    },
    /// The node answered with something that is not finalized.
    #[error(
        "the node listed {signature} as not finalized: the cursor stays and the walk is tried again"
    )]
    NotFinalized {
        /// Which transaction.
        signature: String,
    },
    /// A listed transaction cannot be had.
    #[error(
        "the node lists transaction {signature} but does not return it: the cursor stays and the walk is tried again"
    )]
    MissingTransaction {
        /// Which transaction.
        signature: String,
    },
    /// The node is older than the store.
    #[error(
        "the node's finalized slot {tip} is before the cursor {cursor}: it lags, or it is another network"
    )]
    NodeBehind {
        /// The node's slot.
        tip: u64,
        /// Ours.
        cursor: u64,
    },
    /// A transaction's form is not understood.
    #[error(
        "transaction {signature} cannot be read: {reason}; the cursor stays. Is this quern-indexer older than the node?"
    )]
    Unreadable {
        /// Which transaction.
        signature: String,
        /// Why.
        reason: String,
    },
    /// The store is not where the node's answer is.
    #[error(
        "the store did not reach slot {slot} of the node's answer in time: it lags; the audit is tried again"
    )]
    AuditLate {
        /// The answer's slot.
        slot: u64,
    },
    /// A recording cannot be read.
    #[error("recording {path}: {reason}; write one getTransaction reply as JSON on each line")]
    Recording {
        /// Which file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The HTTP address is taken.
    #[error("cannot listen on {address}: {source}; stop what uses it or choose another --listen")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Nothing is known of a campaign.
    #[error(
        "the store knows no campaign {0}: check the address, and that quern-indexer run has followed the chain into this store"
    )]
    NoCampaign(quern_api::Key),
    /// A campaign's events and the chain's totals differ.
    #[error(
        "campaign {campaign} differs: {difference}; quern-indexer check and recheck say whether the store lost events"
    )]
    CampaignDiffers {
        /// Which campaign.
        campaign: quern_api::Key,
        /// The first difference.
        difference: String,
    },
    /// The tally could not be written.
    #[error("cannot write the tally: {0}; check where it goes")]
    Output(#[from] std::io::Error),
    /// Rebuilt tables differ.
    #[error(
        "the tables that {events} events make differ from the stored ones ({rebuilt} instead of {stored}); quern-indexer rebuild \
         makes them again"
    )]
    RebuildDiffers {
        /// How many events.
        events: u64,
        /// Hash of the stored ones.
        stored: String,
        /// Hash of those that the events make.
        rebuilt: String,
    },
    /// A task of ours ended unexpectedly.
    #[error("an internal task ended unexpectedly: {0}; please report it")]
    Task(#[from] tokio::task::JoinError),
}

/// Result with [`IndexerError`].
pub type Result<T, E = IndexerError> = std::result::Result<T, E>;
