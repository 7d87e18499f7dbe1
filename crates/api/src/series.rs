//! Numbers over time: `/v1/providers/{address}/earnings`, `/v1/feeds/fees`, `/v1/feeds/network`.

use {
    crate::{
        digits,
        key::Key,
        request::requests,
        words::{Assurance, Bucket, Metric},
    },
    serde::{Deserialize, Serialize},
    utoipa::ToSchema,
};

requests! {
    /// Which series, over which time.
    SeriesRequest {
        /// Only numbers of this metric; claims, escrowed, refunds, jobs and ended have no assurance level and no series.
        metric: Metric,
        /// Only amounts in this mint.
        mint: Key,
        /// How long a part is; a day if left out.
        bucket: Bucket,
        /// The first second, since 1970; 30 parts before the end if left out.
        from: i64,
        /// The last second; the newest time in the store if left out.
        to: i64,
    }

    /// The fees of which days.
    FeesRequest {
        /// The first second, since 1970; a day before the end if left out.
        from: i64,
        /// The last second; the newest time in the store if left out.
        to: i64,
    }
}

/// Numbers over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeriesPage {
    /// How long a part is.
    pub bucket: Bucket,
    /// The first second of the first part.
    pub from: i64,
    /// The last second of the last part.
    pub to: i64,
    /// One series a metric, assurance level and mint; those without numbers are left out, and what belongs to no level:
    /// claims, escrowed, refunds, jobs and ended.
    pub series: Vec<Series>,
}

/// A number over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Series {
    /// What is counted.
    pub metric: Metric,
    /// At which level.
    pub assurance: Assurance,
    /// In which mint, null if it is no amount.
    pub mint: Option<Key>,
    /// The mint's decimals.
    pub decimals: Option<u8>,
    /// Its parts that are not zero, in order.
    pub points: Vec<Point>,
}

/// A part of a series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Point {
    /// Its first second.
    pub at: i64,
    /// Its number.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub value: u128,
}

impl SeriesPage {
    /// Where to ask for the whole network.
    pub const NETWORK: &'static str = "/v1/feeds/network";

    /// Where to ask for a provider.
    pub fn earnings(address: impl std::fmt::Display) -> String {
        format!("/v1/providers/{address}/earnings")
    }
}

/// What was paid over a time, summed over the assurance levels, one item a mint: what listing sites read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeesPage {
    /// The first second: of a whole hour.
    pub from: i64,
    /// The last second: of a whole hour.
    pub to: i64,
    /// One item a mint.
    pub mints: Vec<FeesItem>,
}

impl FeesPage {
    /// Where to ask.
    pub const PATH: &'static str = "/v1/feeds/fees";
}

/// What was paid in one mint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeesItem {
    /// The mint.
    pub mint: Key,
    /// Its decimals.
    pub decimals: Option<u8>,
    /// What clients paid: all of the below.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub paid_atoms: u128,
    /// What the protocol got of it.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub protocol_atoms: u128,
    /// What model owners got of it.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub royalty_atoms: u128,
    /// What providers got of it.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub provider_atoms: u128,
}
