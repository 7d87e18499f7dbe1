//! The loop of a replica: looks how far the store is that another process writes, and how far the chain.

use {
    crate::{
        error::{IndexerError, Result},
        health::Health,
        source::Source,
        store::Store,
    },
    quern_api::Key,
    std::{
        sync::Arc,
        time::{Duration, Instant},
    },
    tokio::sync::watch,
};

/// Pause after a look that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What looks at what.
pub struct Mirror {
    /// What names the chain's tip.
    pub source: Arc<dyn Source>,
    /// Where answers come from.
    pub store: Arc<Store>,
    /// The program.
    pub program: Key,
    /// Where progress is told.
    pub health: Health,
}

impl Mirror {
    /// Looks until told to stop.
    ///
    /// # Errors
    /// Only for what another look cannot mend: a store of another program or network, or of another version.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) -> Result<()> {
        tokio::select! {
            result = self.mirror() => result,
            _ = stop.wait_for(|stop| *stop) => Ok(()),
        }
    }

    async fn mirror(&self) -> Result<()> {
        loop {
            match self.look().await {
                Ok(()) => self.source.wake().await,
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "look failed");
                    self.health
                        .update(|state| state.error = Some(error.to_string()));
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn look(&self) -> Result<()> {
        // Before the node is asked: what the store shows does not depend on it.
        let snapshot = self.store.read().await?;
        let shown = snapshot.cursor().map(|cursor| cursor.slot);
        drop(snapshot);
        let genesis = self.source.genesis().await?;
        self.store
            .belongs_to(&self.program, genesis.as_deref())
            .await?;
        let tip = self.source.tip().await?;
        self.health.update(|state| {
            // A leader that is dead or stuck shows as a cursor that stands behind the tip.
            let moves = shown.is_some() && (shown > state.cursor_slot || shown >= Some(tip.slot));
            if moves {
                state.whole_at = Some(Instant::now());
            }
            state.tip_slot = Some(tip.slot);
            state.cursor_slot = shown;
            state.error = None;
        });
        Ok(())
    }
}

fn is_final(error: &IndexerError) -> bool {
    matches!(
        error,
        IndexerError::WrongStore { .. }
            | IndexerError::OlderStore
            | IndexerError::NewerStore
            | IndexerError::Damaged(_)
            | IndexerError::Recording { .. }
    )
}
