//! What front doors ask for.

use {
    super::{answers::unknown, inner::Stopping, opening::Engine},
    crate::{
        embedder::{Answer, Embedder, ModelCard, Request, TokenRow},
        error::GatewayError,
        order::{OrderId, Progress, Stage},
        refusal::Refusal,
        served::Served,
        spending::Spending,
    },
    async_trait::async_trait,
    quern_client::Pubkey,
    quern_data::runtime::{lock, off_loop},
    serde_json::Value,
    std::{sync::Arc, time::Duration},
};

#[async_trait]
impl Embedder for Engine {
    fn models(&self) -> Vec<ModelCard> {
        self.0.served.iter().map(Served::card).collect()
    }

    async fn tokenize(
        &self,
        model: &str,
        texts: Vec<String>,
    ) -> std::result::Result<Vec<TokenRow>, Refusal> {
        let served = self.0.named(model)?.clone();
        let rows = off_loop(move || served.tokenize(&texts)).await;
        rows.map_err(GatewayError::from)?
    }

    async fn place(&self, request: Request) -> std::result::Result<(), Refusal> {
        let inner = &self.0;
        if inner.stopping() != Stopping::No {
            return Err(Refusal::ShuttingDown);
        }
        let order = inner.drafted(&request)?;
        let turn = inner.turn(&order.id).await;
        let Some(reserved) = inner.reserve(order)? else {
            return Ok(());
        };
        // Whoever asks may hang up before it is written: what is reserved is kept all the same, or given back.
        let inner = Arc::clone(inner);
        let keeping = tokio::spawn(async move {
            inner.keep(reserved, request.rows).await?;
            drop(turn);
            // What is taken up again may have all of its vectors.
            inner.answer_if_whole(&request.id).await
        });
        let kept = keeping.await.map_err(|error| {
            GatewayError::NotReady(format!(
                "the task that writes the request broke off: {error}"
            ))
        });
        Ok(kept.flatten()?)
    }

    async fn wait(&self, id: &OrderId, patience: Duration) -> std::result::Result<Answer, Refusal> {
        let inner = &self.0;
        let mut changes = inner.changes.subscribe();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                let order = lock(&inner.book).orders.get(id).cloned();
                let order = order.ok_or_else(|| unknown(id))?;
                match order.stage {
                    Stage::Answered => return inner.answer(id).await,
                    Stage::Cancelled => return Err(Refusal::Cancelled),
                    Stage::Failed => {
                        return Err(order.refusal.unwrap_or(Refusal::Cancelled));
                    }
                    Stage::Running if inner.stopping() == Stopping::Leaving => {
                        return Err(Refusal::ShuttingDown);
                    }
                    Stage::Running => {}
                }
                if changes.changed().await.is_err() {
                    return Err(Refusal::ShuttingDown);
                }
            }
        };
        match tokio::time::timeout(patience, waiting).await {
            Ok(done) => done,
            Err(_) => Err(Refusal::TimedOut {
                secs: patience.as_secs(),
            }),
        }
    }

    fn progress(&self, id: &OrderId) -> Option<Progress> {
        lock(&self.0.book).progress(id)
    }

    fn find(&self, body_sha256: &[u8; 32]) -> Option<OrderId> {
        lock(&self.0.book).find(body_sha256)
    }

    async fn cancel(&self, id: &OrderId) -> std::result::Result<Progress, Refusal> {
        self.0.end_order(id, Stage::Cancelled, None).await?;
        self.0.wake.notify_one();
        self.progress(id).ok_or_else(|| unknown(id))
    }

    async fn forget(&self, id: &OrderId) -> std::result::Result<(), Refusal> {
        let order = lock(&self.0.book).orders.get(id).cloned();
        let order = order.ok_or_else(|| unknown(id))?;
        // Jobs that it shares with others need its rows.
        if order.stage == Stage::Running || lock(&self.0.book).is_at_work(id) {
            return Err(Refusal::NotEnded { id: id.to_string() });
        }
        Ok(self.0.forget_order(id).await?)
    }

    fn spending(&self, before: Option<u64>, most: usize) -> Vec<Spending> {
        let mint = self.0.market.mint();
        lock(&self.0.book).spending(before, most, (&mint, self.0.decimals()))
    }

    fn receipt(&self, job: &str) -> Option<Value> {
        // What is no address is no name of a file.
        let address: Pubkey = job.parse().ok()?;
        self.0.journal.receipt(&address.to_string())
    }
}
