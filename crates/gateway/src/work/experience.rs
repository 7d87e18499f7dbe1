//! What the gateway remembers of providers, on disk as soon as it knows it.

use {
    crate::{choose::Experience, engine::Inner, error::Result, record::Attempt},
    quern_client::Pubkey,
    quern_data::runtime::{lock, off_loop},
    std::sync::Arc,
};

pub(super) async fn answered(inner: &Arc<Inner>, provider: Pubkey) -> Result<()> {
    let now = inner.now();
    remember(inner, |experience| experience.answered(provider, now)).await
}

/// A provider let the gateway down with an attempt.
pub(super) async fn failed(inner: &Arc<Inner>, provider: Pubkey, attempt: &Attempt) -> Result<()> {
    let (avoid, given_at, now) = (inner.settings.avoid, attempt.at, inner.now());
    let note = |experience: &mut Experience| experience.failed(provider, avoid, given_at, now);
    remember(inner, note).await
}

pub(super) async fn cheated(inner: &Arc<Inner>, provider: Option<Pubkey>) -> Result<()> {
    let Some(provider) = provider else {
        return Ok(());
    };
    tracing::warn!(%provider, "its answer was wrong; it gets no work any more");
    let now = inner.now();
    remember(inner, |experience| experience.cheated(provider, now)).await
}

async fn remember(inner: &Arc<Inner>, note: impl FnOnce(&mut Experience)) -> Result<()> {
    // One after the other, so that what is on disk is what was known last.
    let _turn = inner.remembering.lock().await;
    let experience = {
        let mut book = lock(&inner.book);
        note(&mut book.experience);
        book.experience.clone()
    };
    let journal = Arc::clone(&inner.journal);
    off_loop(move || journal.save_experience(&experience)).await?
}
