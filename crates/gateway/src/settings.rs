//! How a gateway works.

use {
    quern_client::Pubkey,
    quern_rules::caps::Caps,
    std::{collections::BTreeSet, path::PathBuf, time::Duration},
};

/// How a gateway works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its folder: what is kept of requests and jobs. One gateway uses it at a time.
    pub state: PathBuf,
    /// What it may spend by itself.
    pub caps: Caps,
    /// The only providers, by owner, that may get work; all if it is empty.
    pub providers: BTreeSet<Pubkey>,
    /// As many rows of waiting requests begin a job at once.
    pub full_rows: usize,
    /// So long a request waits for others at most.
    pub batch_time: Duration,
    /// Most rows of a job. A batch with more becomes several jobs.
    pub job_rows: usize,
    /// Most rows of a request that is no batch.
    pub request_rows: usize,
    /// Most rows of a batch.
    pub most_batch_rows: usize,
    /// Most rows that wait for a job, of requests and of batches.
    pub waiting_rows: usize,
    /// Most jobs at a time. A quarter of the places, at least one if there are two, is not for batches.
    pub jobs: usize,
    /// How long a job waits for a provider before another one is asked.
    pub take_time: Duration,
    /// How long a provider has for a job at least.
    pub work_secs: u32,
    /// How long a request is worked on while it costs nothing: after that it fails.
    pub give_up: Duration,
    /// The same for a batch.
    pub batch_give_up: Duration,
    /// Most attempts at a job that a provider took or the chain refused. Offers that nobody took are not among them.
    pub attempts: usize,
    /// How long a provider that let the gateway down gets no work; twice as long the next time. One that was convicted gets none.
    pub avoid: Duration,
    /// What is offered, in basis points of the least price.
    pub price_bps: u32,
    /// What is offered at most, in the same: an offer that nobody takes is raised step by step.
    pub most_price_bps: u32,
    /// Time between two looks at the chain.
    pub poll: Duration,
    /// The share of a job's rows that is checked before any is handed out; all without it.
    pub sample: Option<f64>,
    /// How long ended requests are kept.
    pub keep: Duration,
    /// Most bytes of requests, answers, receipts and records that are kept. What might take more is refused before it is paid.
    pub kept_bytes: u64,
    /// How long a stop waits for jobs.
    pub grace: Duration,
}

impl Settings {
    /// The usual settings.
    pub fn new(state: PathBuf) -> Self {
        Self {
            state,
            caps: Caps::NONE,
            providers: BTreeSet::new(),
            full_rows: 64,
            batch_time: Duration::from_millis(20),
            job_rows: 16_384,
            request_rows: 2_048,
            most_batch_rows: 1 << 20,
            waiting_rows: 1 << 21,
            jobs: 8,
            take_time: Duration::from_secs(60),
            // What agents with usual settings ask for at least.
            work_secs: 600,
            give_up: Duration::from_secs(1_200),
            batch_give_up: Duration::from_secs(86_400),
            attempts: 8,
            avoid: Duration::from_secs(600),
            price_bps: 10_000,
            most_price_bps: 20_000,
            poll: Duration::from_secs(1),
            sample: None,
            keep: Duration::from_secs(7 * 86_400),
            kept_bytes: 8 << 30,
            grace: Duration::from_secs(30),
        }
    }
}
