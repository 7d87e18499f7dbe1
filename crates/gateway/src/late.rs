//! Checking a result that was paid before anybody here looked at it: its rows are computed again. Nothing can be convicted any
//! more, but what is right may be handed out.

use {
    crate::{error::Result, market::Examined},
    quern_data::{ModelFolder, runtime::on_processor},
    quern_proof::{
        Hash, Tensor,
        commit::ItemTrace,
        eval::{Batch, DEFAULT_MAX_ITEM_BYTES},
        graph::Graph,
    },
    quern_watcher::{CheckedItems, drawn},
};

/// What there is to check with.
pub(crate) struct Sample {
    pub graph: Vec<u8>,
    pub folder: ModelFolder,
    pub items: u32,
    pub share: Option<f64>,
    pub inputs: Vec<Tensor>,
    /// Item roots that lead to the commitment.
    pub roots: Vec<Hash>,
}

/// Computes the sample again.
pub(crate) async fn examine(sample: Sample) -> Result<Examined> {
    on_processor(move || compared(&sample)).await?
}

fn compared(sample: &Sample) -> Result<Examined> {
    let graph = Graph::load(&sample.graph)?;
    let weights = sample.folder.weights()?;
    let limit = DEFAULT_MAX_ITEM_BYTES;
    let batch = Batch::new(&graph, sample.items, &sample.inputs, &weights, limit)?;
    let chosen = drawn(sample.items, sample.share)?;
    for item in &chosen {
        let own = ItemTrace::new(batch.item(*item)?)?.root();
        if sample.roots.get(*item as usize) != Some(&own) {
            return Ok(Examined::Unusable {
                is_wrong: true,
                note: format!("item {item} is wrong, and it was paid before it was checked"),
            });
        }
    }
    Ok(Examined::Right(CheckedItems {
        items: sample.items,
        recomputed: u32::try_from(chosen.len()).unwrap_or(u32::MAX),
        verified: 0,
    }))
}
