//! What a front door asks for, and what it gets.

use {
    crate::{
        order::{OrderId, Progress},
        refusal::Refusal,
        spending::Spending,
    },
    async_trait::async_trait,
    serde::{Deserialize, Serialize},
    serde_json::Value,
    std::time::Duration,
};

/// A model that applications may name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelCard {
    /// Its name, as it is registered; what applications write as `model`.
    pub name: String,
    /// Its account, in base58.
    pub address: String,
    /// When it was registered, in seconds of Unix time; 0 where that is unknown.
    pub created: i64,
    /// Who registered it, in base58.
    pub owner: String,
    /// Numbers of a vector.
    pub dimensions: usize,
    /// Most tokens of a row, the special ones included.
    pub max_tokens: usize,
    /// Tokens that there are: each is below this.
    pub vocabulary: u32,
    /// What a row costs in a large job, in atoms, rounded up. A small job costs `least_price_atoms` at least.
    pub row_price_atoms: u64,
    /// What a job costs at least, in atoms.
    pub least_price_atoms: u64,
    /// The mint that it is paid in, in base58.
    pub mint: String,
    /// Decimals of that mint.
    pub decimals: u8,
    /// Assurance of its answers: `refereed`.
    pub assurance: String,
    /// The share of the rows of each job that the gateway checks at least, from 0 to 1.
    pub checked_share: f64,
    /// What the integer model lost against the float one, as its card says it.
    pub quality: Value,
}

/// The tokens of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// Token ids as the graph reads them, with the special ones and without padding.
    pub ids: Vec<u32>,
}

/// What is to be embedded.
#[derive(Clone, Debug)]
pub struct Request {
    /// Under which name it is kept until it is forgotten. A request with the name of a kept one is the same request: it is
    /// paid once and answered twice. One that failed is taken up again where it stood, unless its answers were wrong.
    pub id: OrderId,
    /// SHA-256 of what the application asked for. A kept request is only answered to a request for the same thing.
    pub body_sha256: [u8; 32],
    /// The model's name or its address.
    pub model: String,
    /// At least one row.
    pub rows: Vec<TokenRow>,
    /// Whether rows may wait for others and be spread over several jobs: a batch, not a person who waits.
    pub is_batch: bool,
    /// Most that it may cost in all, in atoms; nothing beyond the gateway's own caps otherwise.
    pub most_atoms: Option<u64>,
}

/// Vectors that were checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// One for each row of the request, in order; each has length 1.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens that were read, the special ones included.
    pub tokens: u64,
    /// The jobs that they come from.
    pub jobs: Vec<JobNote>,
}

impl Answer {
    /// Which share of the rows of its jobs was checked, from 0 to 1.
    pub fn checked_share(&self) -> f64 {
        let items: u64 = self.jobs.iter().map(|job| u64::from(job.items)).sum();
        let checked: u64 = self.jobs.iter().map(|job| u64::from(job.checked)).sum();
        match items {
            0 => 0.0,
            items => checked as f64 / items as f64,
        }
    }
}

/// A job that an answer comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobNote {
    /// Its account, in base58.
    pub job: String,
    /// The provider's owner, in base58.
    pub provider: String,
    /// `refereed`.
    pub assurance: String,
    /// Its rows.
    pub items: u32,
    /// How many of them the gateway checked before it answered.
    pub checked: u32,
}

/// What a front door may ask of the gateway. Every request is kept on disk before anything is paid, and its answer until it is
/// forgotten: whoever asks again under the same name gets the same answer.
#[async_trait]
pub trait Embedder: Send + Sync + 'static {
    /// The models, in the order of the settings.
    fn models(&self) -> Vec<ModelCard>;

    /// The tokens of texts. A text that is longer than the model reads is refused: nothing is cut off in silence.
    ///
    /// # Errors
    /// `NoSuchModel`, `NoRows`, `TooLong`, or that the tokenizer failed.
    async fn tokenize(&self, model: &str, texts: Vec<String>) -> Result<Vec<TokenRow>, Refusal>;

    /// Keeps a request and begins with it, or finds the kept one of that name. What it answers is on disk: from here on a
    /// kill loses nothing. Of a kept one that failed, rows without vectors are asked for again; what it has spent still counts
    /// against its limits, and its time begins anew.
    ///
    /// # Errors
    /// Why the gateway will not do it; then nothing was paid and nothing is kept. `KeyReused` where another request has its name.
    async fn place(&self, request: Request) -> Result<(), Refusal>;

    /// Waits for the answer of a kept request.
    ///
    /// # Errors
    /// `NoSuchRequest`; why there will be no answer; `TimedOut`, while the request goes on: ask again.
    async fn wait(&self, id: &OrderId, patience: Duration) -> Result<Answer, Refusal>;

    /// Places a request and waits for its answer.
    ///
    /// # Errors
    /// As [`Self::place`] and [`Self::wait`].
    async fn embed(&self, request: Request, patience: Duration) -> Result<Answer, Refusal> {
        let id = request.id.clone();
        self.place(request).await?;
        self.wait(&id, patience).await
    }

    /// Where a kept request stands.
    fn progress(&self, id: &OrderId) -> Option<Progress>;

    /// The kept request that asked for this most recently, whatever its name, unless it came to nothing for good: what a retry
    /// without a name of its own means.
    fn find(&self, body_sha256: &[u8; 32]) -> Option<OrderId>;

    /// Ends a request. Jobs that nobody has taken are cancelled and their price comes back; what a provider works on is paid.
    ///
    /// # Errors
    /// `NoSuchRequest`.
    async fn cancel(&self, id: &OrderId) -> Result<Progress, Refusal>;

    /// Removes what is kept of a request that has ended.
    ///
    /// # Errors
    /// `NoSuchRequest`, or that it has not ended.
    async fn forget(&self, id: &OrderId) -> Result<(), Refusal>;

    /// What was spent, newest first: at most `most` records that are older than the one with this number.
    fn spending(&self, before: Option<u64>, most: usize) -> Vec<Spending>;

    /// The receipt of a job, by its address in base58.
    fn receipt(&self, job: &str) -> Option<Value>;
}
