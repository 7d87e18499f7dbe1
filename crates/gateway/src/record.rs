//! What is written down of requests and jobs. Whoever reads these files knows what to do next, and what it costs.

use {
    crate::{
        embedder::TokenRow,
        order::{OrderId, Stage},
        refusal::Refusal,
        spending::SpendingState,
    },
    quern_client::Pubkey,
    quern_rules::caps::share,
    serde::{Deserialize, Serialize},
};

/// A kept request. Its rows lie in a file beside it.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub(crate) struct OrderRecord {
    pub id: OrderId,
    #[serde(with = "hex")]
    pub body_sha256: [u8; 32],
    #[serde(with = "address")]
    pub model: Pubkey,
    pub rows: usize,
    pub tokens: u64,
    pub is_batch: bool,
    pub most_atoms: Option<u64>,
    pub placed_at: i64,
    pub ended_at: Option<i64>,
    pub stage: Stage,
    pub refusal: Option<Refusal>,
}

/// Rows of a request that one job has.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub(crate) struct Unit {
    pub order: OrderId,
    /// First row of the request.
    pub from: usize,
    pub rows: usize,
}

/// Where a job stands. Each step ends with this being written.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// No provider has it, and nothing is on chain.
    Waiting,
    /// The last attempt may be on chain, and nothing else may be tried before that is known.
    Creating,
    /// The last attempt is on chain.
    Created,
    /// Its result was checked and lies in a file.
    Checked,
    /// Its requests are answered, or nobody wants it any more.
    Ended,
}

/// A job's way from the first attempt to the answer.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub(crate) struct JobRecord {
    pub id: String,
    #[serde(with = "address")]
    pub model: Pubkey,
    pub units: Vec<Unit>,
    pub items: u32,
    pub is_batch: bool,
    pub formed_at: i64,
    pub step: Step,
    /// What the next attempt may cost, counted as spent while it waits.
    pub reserved_atoms: u64,
    pub input_uri: Option<String>,
    pub attempts: Vec<Attempt>,
    pub result: Option<ResultRecord>,
}

/// One job on chain, or one that was to be.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub(crate) struct Attempt {
    pub number: u64,
    pub at: i64,
    #[serde(with = "address")]
    pub job: Pubkey,
    /// Its number in the wallet's purse.
    pub n: u64,
    /// The only provider that may take it.
    #[serde(with = "address::option", default)]
    pub pin: Option<Pubkey>,
    /// What the price is of the least one.
    #[serde(default)]
    pub offer_bps: u32,
    pub price_atoms: u64,
    pub bond_atoms: u64,
    pub work_secs: u32,
    pub review_secs: u32,
    pub ends_by: i64,
    pub state: SpendingState,
    /// When it was last sent to the cluster, unless that is known to have done nothing.
    pub sent_at: Option<i64>,
    pub created_at: Option<i64>,
    #[serde(with = "address::option", default)]
    pub provider: Option<Pubkey>,
    /// Whether something was submitted.
    pub was_answered: bool,
    pub signatures: Vec<String>,
    pub fee_lamports: u64,
    /// What ended it.
    pub note: Option<String>,
}

/// What was found right.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub(crate) struct ResultRecord {
    pub recomputed: u32,
    pub verified: u32,
    /// Time that checking took.
    pub checked_millis: u64,
    #[serde(with = "hex")]
    pub trace_root: [u8; 32],
    #[serde(with = "hex")]
    pub result_sha256: [u8; 32],
    pub output_uri: String,
}

impl OrderRecord {
    /// Whether it failed, and is taken up again if it is asked for again.
    pub(crate) fn may_reopen(&self) -> bool {
        let may_reopen = self.refusal.as_ref().is_some_and(Refusal::may_reopen);
        self.stage == Stage::Failed && may_reopen
    }
}

impl Attempt {
    /// Whether it was offered, and nobody took it.
    pub(crate) fn was_left(&self) -> bool {
        let is_back = self.state == SpendingState::Returned;
        is_back && self.created_at.is_some() && self.provider.is_none()
    }
}

impl JobRecord {
    pub(crate) fn current(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// Whether its rows have vectors.
    pub(crate) fn has_result(&self) -> bool {
        self.result.is_some()
    }

    /// The row of the job at which a request's rows begin.
    pub(crate) fn start_of(&self, unit: usize) -> usize {
        self.units.iter().take(unit).map(|unit| unit.rows).sum()
    }

    /// Whether it has ended, and what was paid for it is known.
    pub(crate) fn is_over(&self) -> bool {
        self.step == Step::Ended && !self.has_open_attempt()
    }

    /// What one of its requests bears of a price, by rows.
    pub(crate) fn share_of(&self, order: &OrderId, atoms: u64) -> u64 {
        let own = self.units.iter().filter(|unit| unit.order == *order);
        let rows: usize = own.map(|unit| unit.rows).sum();
        share(atoms, rows as u64, self.items.into())
    }

    /// Attempts whose price lies in a job, or may.
    pub(crate) fn has_open_attempt(&self) -> bool {
        let is_open = |attempt: &Attempt| {
            matches!(
                attempt.state,
                SpendingState::Reserved | SpendingState::Escrowed
            )
        };
        self.attempts.iter().any(is_open)
    }
}

/// Rows of token ids as they lie in a file: for each its length and its ids, all u32 in little endian.
pub(crate) fn encode_rows(rows: &[TokenRow]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows {
        bytes.extend((row.ids.len() as u32).to_le_bytes());
        bytes.extend(row.ids.iter().flat_map(|id| id.to_le_bytes()));
    }
    bytes
}

/// The rows in a file; none if it is damaged.
pub(crate) fn decode_rows(bytes: &[u8]) -> Option<Vec<TokenRow>> {
    let (words, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut words = words.iter().map(|word| u32::from_le_bytes(*word));
    let mut rows = Vec::new();
    while let Some(length) = words.next() {
        let ids: Vec<u32> = words.by_ref().take(length as usize).collect();
        if ids.len() != length as usize {
            return None;
        }
        rows.push(TokenRow { ids });
    }
    Some(rows)
}

/// Addresses in base58.
pub(crate) mod address {
    use {
        quern_client::Pubkey,
        serde::{Deserialize, Deserializer, Serializer, de::Error as _},
    };

    pub fn serialize<S: Serializer>(address: &Pubkey, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&address.to_string())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Pubkey, D::Error> {
        let text = String::deserialize(from)?;
        text.parse()
            .map_err(|_| D::Error::custom(format!("`{text}` is no address")))
    }

    /// The same, where there may be none.
    pub mod option {
        use {
            quern_client::Pubkey,
            serde::{Deserialize, Deserializer, Serializer, de::Error as _},
        };

        pub fn serialize<S: Serializer>(
            address: &Option<Pubkey>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            match address {
                Some(address) => super::serialize(address, to),
                None => to.serialize_none(),
            }
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Pubkey>, D::Error> {
            let text = Option::<String>::deserialize(from)?;
            let parsed = text.map(|text| {
                text.parse()
                    .map_err(|_| D::Error::custom(format!("`{text}` is no address")))
            });
            parsed.transpose()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, proptest::prelude::*};

    proptest! {
        #[test]
        fn rows_are_read_as_they_were_written(
            rows in proptest::collection::vec(proptest::collection::vec(any::<u32>(), 0..20), 0..20),
            cut in any::<prop::sample::Index>(),
        ) {
            let rows: Vec<TokenRow> = rows.into_iter().map(|ids| TokenRow { ids }).collect();
            let bytes = encode_rows(&rows);
            prop_assert_eq!(decode_rows(&bytes), Some(rows.clone()));
            // A part is less, or nothing.
            let part = decode_rows(&bytes[..cut.index(bytes.len() + 1)]);
            prop_assert!(part.is_none_or(|part| rows.starts_with(&part)));
        }
    }
}
