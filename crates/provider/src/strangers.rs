//! What is known of strangers' models and jobs, and what they may take.

use {
    crate::error::ProviderError,
    quern_client::Pubkey,
    quern_data::DataError,
    std::{collections::HashMap, sync::Arc, time::Duration},
};

/// Offers whose data are fetched at a time.
pub(crate) const OFFER_DOWNLOADS: usize = 8;
/// How long the first attempt of a download is not cut off for others.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// How long an offer whose data are here waits for memory to compare them in, before its place goes to another.
pub(crate) const MEMORY_PATIENCE: Duration = Duration::from_secs(60);
/// More models, and jobs that failed, than this are forgotten at once: strangers make them.
const MOST_KNOWN: usize = 10_000;
/// Times that the data of an offer may fail to come. They are free to fail, and fetching them is not.
const MOST_FAILURES: u32 = 2;

/// What is known of strangers' models and jobs.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Graphs of sealed models, which never change.
    graphs: HashMap<Pubkey, Arc<Vec<u8>>>,
    /// How often the data of a job failed to come.
    failures: HashMap<Pubkey, u32>,
    /// How often the download of a job made place for others. That is final for nobody.
    cuts: HashMap<Pubkey, u32>,
}

impl Known {
    /// How often the data of a job failed to come.
    fn failures(&self, address: &Pubkey) -> u32 {
        self.failures.get(address).copied().unwrap_or_default()
    }

    /// How often somebody began to fetch the data of a job in vain.
    pub(crate) fn attempts(&self, address: &Pubkey) -> u32 {
        let cuts = self.cuts.get(address).copied().unwrap_or_default();
        self.failures(address).saturating_add(cuts)
    }

    /// Notes that the download of a job made place for others, so that the next one is left in peace for longer.
    pub(crate) fn cut_off(&mut self, address: &Pubkey) {
        if self.cuts.len() >= MOST_KNOWN {
            self.cuts.clear();
        }
        let cuts = self.cuts.entry(*address).or_default();
        *cuts = cuts.saturating_add(1);
    }

    /// Whether the data of a job have failed for good.
    pub(crate) fn is_given_up(&self, address: &Pubkey) -> bool {
        self.failures(address) >= MOST_FAILURES
    }

    /// The graph of a model.
    pub(crate) fn graph(&self, model: &Pubkey) -> Option<Arc<Vec<u8>>> {
        self.graphs.get(model).cloned()
    }

    /// Remembers the graph of a sealed model.
    pub(crate) fn learn(&mut self, model: Pubkey, graph: Arc<Vec<u8>>) {
        if self.graphs.len() >= MOST_KNOWN {
            self.graphs.clear();
        }
        self.graphs.insert(model, graph);
    }

    /// Notes that an offer could not be taken because of its data. Says whether that is final.
    pub(crate) fn failed(&mut self, address: &Pubkey, error: &ProviderError) -> bool {
        let weight = match error {
            ProviderError::Data(error) if error.is_final() => MOST_FAILURES,
            ProviderError::Data(DataError::Fetch { .. }) => 1,
            ProviderError::Proof(_) | ProviderError::Unservable { .. } => MOST_FAILURES,
            _ => return false,
        };
        if self.failures.len() >= MOST_KNOWN {
            self.failures.clear();
        }
        let failures = self.failures.entry(*address).or_default();
        *failures = failures.saturating_add(weight);
        *failures >= MOST_FAILURES
    }
}
