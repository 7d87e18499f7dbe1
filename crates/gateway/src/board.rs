//! The providers that there are: read from the chain now and then, for the list has no end and an attempt needs it at once.

use {
    crate::{
        error::Result,
        market::{Candidate, Market},
    },
    std::{
        sync::Arc,
        time::{Duration, Instant},
    },
    tokio::sync::Mutex,
};

/// How long a list that cannot be renewed is used still.
const USED_FOR: Duration = Duration::from_secs(600);

/// The list that was read last, and when.
#[derive(Default)]
pub(crate) struct Board(Mutex<Option<(Instant, Arc<[Candidate]>)>>);

impl Board {
    /// A list that is no older than `most_age`. Where the chain does not answer, an older one is better than none.
    ///
    /// # Errors
    /// That the chain does not answer, and there is no list that is of use.
    pub(crate) async fn read(
        &self,
        market: &dyn Market,
        most_age: Duration,
    ) -> Result<Arc<[Candidate]>> {
        // Whoever comes meanwhile waits for the same answer.
        let mut last = self.0.lock().await;
        if let Some((at, list)) = &*last
            && at.elapsed() <= most_age
        {
            return Ok(Arc::clone(list));
        }
        match (market.candidates().await, &*last) {
            (Ok(list), _) => {
                let list: Arc<[Candidate]> = list.into();
                *last = Some((Instant::now(), Arc::clone(&list)));
                Ok(list)
            }
            (Err(error), Some((at, list))) if at.elapsed() <= USED_FOR => {
                tracing::warn!(%error, "cannot list providers; using the last list");
                Ok(Arc::clone(list))
            }
            (Err(error), _) => Err(error),
        }
    }
}
