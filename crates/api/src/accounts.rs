//! `/v1/providers`, `/v1/models`, `/v1/clients` and `/v1/mints`: lists; `/v1/models/{address}` and `/v1/clients/{address}`.

use {
    crate::{
        digits,
        key::Key,
        purses::PursePage,
        reply::Amount,
        request::requests,
        words::{AssetKind, Assurance},
    },
    serde::{Deserialize, Serialize},
    utoipa::ToSchema,
};

requests! {
    /// Which providers.
    ProvidersRequest {
        /// Only those with this text in their name, whatever its case.
        search: String,
        /// Only those that take jobs (true), or do not (false).
        active: bool,
        /// Where the page before ended: its `next_cursor`.
        cursor: String,
        /// Most rows of the page. It may hold fewer though there are more.
        limit: u32,
    }

    /// Which models.
    ModelsRequest {
        /// Only those with this text in their name, whatever its case.
        search: String,
        /// Only those of this kind.
        kind: AssetKind,
        /// Only those of this owner.
        owner: Key,
        /// Only those that new jobs may use (true), or may not (false).
        active: bool,
        /// Where the page before ended: its `next_cursor`.
        cursor: String,
        /// Most rows of the page. It may hold fewer though there are more.
        limit: u32,
    }

    /// Which clients.
    ClientsRequest {
        /// Only those with this text in their address, whatever its case.
        search: String,
        /// Only those with jobs that have not ended (true), or without (false).
        live: bool,
        /// Only those that locked something of this mint.
        mint: Key,
        /// Where the page before ended: its `next_cursor`.
        cursor: String,
        /// Most rows of the page. It may hold fewer though there are more.
        limit: u32,
    }
}

/// Providers, in the order of their accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderList {
    /// The providers.
    pub providers: Vec<ProviderItem>,
    /// Where to go on, if there is more.
    pub next_cursor: Option<String>,
}

impl ProviderList {
    /// Where to ask.
    pub const PATH: &'static str = "/v1/providers";
}

/// A provider in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderItem {
    /// The wallet that owns it.
    pub owner: Key,
    /// Its account.
    pub account: Key,
    /// Its name.
    pub name: String,
    /// Where it can be reached.
    pub endpoint: Option<String>,
    /// Whether it takes jobs.
    pub active: bool,
    /// Jobs taken.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub taken: u64,
    /// Milestones settled.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub settled: u64,
    /// Deadlines missed.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub late: u64,
    /// Convictions.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub convicted: u64,
    /// Settled milestones in basis points of these, missed deadlines and convictions; null before the first of any.
    pub success_bps: Option<u16>,
    /// The slot of its last change.
    pub changed_slot: u64,
}

/// Models, in the order of their accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelList {
    /// The models.
    pub models: Vec<ModelItem>,
    /// Where to go on, if there is more.
    pub next_cursor: Option<String>,
}

impl ModelList {
    /// Where to ask.
    pub const PATH: &'static str = "/v1/models";
}

/// A model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelItem {
    /// Its account.
    pub address: Key,
    /// Its name.
    pub name: String,
    /// What it stands for.
    pub kind: AssetKind,
    /// Who created it.
    pub creator: Key,
    /// Who earns its royalties.
    pub owner: Key,
    /// Royalty in basis points of the price.
    pub royalty_bps: u16,
    /// Whether its graph is checked and fixed for ever: only then refereed jobs may use it.
    pub sealed: bool,
    /// Whether new jobs may use it.
    pub active: bool,
    /// Work of an item, 0 if no graph says it.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub work: u64,
    /// Length of its graph, 0 without one.
    pub graph_bytes: u32,
    /// Where weights and description are.
    pub uri: Option<String>,
    /// The slot of its last change.
    pub changed_slot: u64,
}

/// A model with what it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelPage {
    /// The model as it was last.
    #[serde(flatten)]
    pub model: ModelItem,
    /// What was done with it over all time, one item an assurance level.
    pub totals: Vec<ModelTotals>,
}

impl ModelPage {
    /// Where to ask for the model at an address.
    pub fn path(address: impl std::fmt::Display) -> String {
        format!("{}/{address}", ModelList::PATH)
    }
}

/// What was done with a model at one assurance level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelTotals {
    /// The level.
    pub assurance: Assurance,
    /// Milestones paid in full.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub milestones: u128,
    /// Work.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub work: u128,
    /// Royalties, one amount a mint.
    pub royalties: Vec<Amount>,
}

/// Mints that the protocol takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MintList {
    /// In the order of their addresses; a registration needs the authority, so there are few.
    pub mints: Vec<MintItem>,
}

impl MintList {
    /// Where to ask.
    pub const PATH: &'static str = "/v1/mints";
}

/// A mint and its prices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MintItem {
    /// The mint.
    pub mint: Key,
    /// Its decimals.
    pub decimals: u8,
    /// Whether new jobs may be paid in it.
    pub enabled: bool,
    /// The token account that holds it all.
    pub vault: Key,
    /// What the purses hold together.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub total_atoms: u64,
    /// Reward atoms per fee atom, times 10^9.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub reward_rate_e9: u64,
    /// Least price of a milestone.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub least_price_atoms: u64,
    /// Least price per 10^9 units of work.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub price_per_gwork_atoms: u64,
    /// Least bond per 10^9 units of work of a refereed job.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub bond_per_gwork_atoms: u64,
}

/// Everybody who ever created a job, in the order of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClientList {
    /// The clients.
    pub clients: Vec<ClientItem>,
    /// Where to go on, if there is more.
    pub next_cursor: Option<String>,
}

impl ClientList {
    /// Where to ask.
    pub const PATH: &'static str = "/v1/clients";
}

/// What a client locked, paid and got back over all time, and its jobs. Of each mint, what it locked was paid, given back, or is
/// locked still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClientItem {
    /// Its address.
    pub client: Key,
    /// Its jobs.
    pub jobs: ClientJobs,
    /// Ever locked for its jobs, one amount a mint.
    pub escrowed: Vec<Amount>,
    /// Prices paid of it.
    pub paid: Vec<Amount>,
    /// Given back of it: of jobs that were cancelled, expired or convicted, and by arbiters.
    pub refunded: Vec<Amount>,
    /// What is locked of it still.
    pub locked: Vec<Amount>,
}

/// How many jobs a client created, and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClientJobs {
    /// Ever created.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub created: u128,
    /// Of these, ended: paid, cancelled, expired, decided or convicted and settled.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub ended: u128,
    /// Of those that have not ended: wait for a provider.
    pub open: u32,
    /// Are worked on.
    pub taken: u32,
    /// Have a result that waits for its review.
    pub submitted: u32,
    /// Were rejected and wait for an arbiter.
    pub rejected: u32,
    /// Were convicted and wait to be settled.
    pub convicted: u32,
    /// Have not ended and are not among the latest, of which alone the state is looked up.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub older: u128,
}

/// A client: what it has and what it paid for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClientPage {
    /// What it locked, paid and got back.
    #[serde(flatten)]
    pub client: ClientItem,
    /// What it paid for over all time, one item an assurance level.
    pub totals: Vec<ClientTotals>,
    /// Its purses.
    pub purses: Vec<PursePage>,
}

impl ClientPage {
    /// Where to ask for the client with an address.
    pub fn path(address: impl std::fmt::Display) -> String {
        format!("{}/{address}", ClientList::PATH)
    }
}

/// What a client paid for at one assurance level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClientTotals {
    /// The level.
    pub assurance: Assurance,
    /// Milestones that it paid for in full, or lost before an arbiter.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub milestones: u128,
    /// Prices paid, one amount a mint.
    pub spend: Vec<Amount>,
    /// Fees in them, one amount a mint.
    pub fees: Vec<Amount>,
}
