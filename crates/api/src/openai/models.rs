//! Models that can be asked for.

use {
    crate::digits,
    serde::{Deserialize, Serialize},
    serde_json::Value,
};

/// A model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// What a request names as its `model`.
    pub id: String,
    /// Always `model`.
    pub object: String,
    /// When it was registered, in seconds of Unix time.
    pub created: i64,
    /// Who registered it, in base58.
    pub owned_by: String,
    /// What OpenAI has no field for.
    pub quern: QuernModel,
}

/// What is promised of a model's answers, and what they cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuernModel {
    /// Its account, in base58.
    pub address: String,
    /// Numbers of a vector.
    pub dimensions: usize,
    /// Most tokens of an input, the special ones included.
    pub max_tokens: usize,
    /// Tokens that there are: each is below this.
    pub vocabulary: u32,
    #[allow(missing_docs)]
    pub price: Price,
    /// `refereed`: a wrong answer can be proved wrong to the program.
    pub assurance: String,
    /// Share of the rows of a job that the gateway computes again at least before it answers, from 0 to 1.
    pub checked_share: f64,
    /// What the integer model lost against the float one, as its card says.
    pub quality: Value,
}

/// What a model's answers cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Of an input in a large job, in atoms, rounded up.
    #[serde(with = "digits")]
    pub row_atoms: u64,
    /// Of the smallest job, in atoms.
    #[serde(with = "digits")]
    pub least_job_atoms: u64,
    /// In base58.
    pub mint: String,
    /// Of the mint.
    pub decimals: u8,
}
