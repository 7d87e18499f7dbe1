//! Placing requests so that one which failed for a passing reason can be made anew.

use {
    crate::{
        embedder::{Embedder, Request},
        order::{OrderId, Stage},
        refusal::Refusal,
    },
    std::time::Duration,
};

/// How often a request that failed for a passing reason is made anew, each time under another name.
const ATTEMPTS: usize = 16;

/// Places a request, or finds the kept one of its name. One that failed for a passing reason is made anew under the next name:
/// nothing was answered, and its own name stays that of its failure.
///
/// # Errors
/// Those of [`Embedder::place`], or the last failure.
pub async fn place(embedder: &dyn Embedder, request: Request) -> Result<OrderId, Refusal> {
    let mut failure = None;
    for id in names(&request.id) {
        let is_failed = embedder
            .progress(&id)
            .is_some_and(|progress| progress.stage == Stage::Failed);
        let named = Request {
            id: id.clone(),
            ..request.clone()
        };
        embedder.place(named).await?;
        match is_failed {
            true => match embedder.wait(&id, Duration::ZERO).await {
                Err(why) if why.is_passing() => failure = Some(why),
                _ => return Ok(id),
            },
            false => return Ok(id),
        }
    }
    Err(failure.unwrap_or(Refusal::Cancelled))
}

/// The names of the attempts at a request.
pub fn names(first: &OrderId) -> impl Iterator<Item = OrderId> {
    let others =
        (1..ATTEMPTS).filter_map(move |attempt| OrderId::new(format!("{first}-{attempt}")));
    std::iter::once(first.clone()).chain(others)
}
