//! What strangers' jobs take on the disk: everything that this provider keeps for them counts against one limit, and what it has
//! published goes some time after its job.

use {
    crate::{context::Context, context::parsed, error::Result, kept::KeptItems},
    quern_client::{Pubkey, quern::state::Job},
    quern_data::{
        files::{self, failed},
        runtime::lock,
        sizes::Sizes,
    },
    std::{collections::HashSet, fs, io::ErrorKind, path::Path, time::SystemTime},
};

/// Records of ended jobs that are kept. Nothing reads them but their owner.
const MOST_DONE: usize = 10_000;

/// Bytes that what is promised may take, after what is due to go has gone.
pub(crate) fn room(context: &Context) -> Result<u64> {
    sweep(context)?;
    let beside_bytes = beside_tensors(context)?;
    context.store.lies_beside(beside_bytes);
    let used_bytes = context.store.held_bytes()?.saturating_add(beside_bytes);
    Ok(context.settings.disk_bytes.saturating_sub(used_bytes))
}

/// What a refereed job takes on the disk when it is done: its files, once more where they are published into a folder of this
/// machine, and what is kept of its items. Nothing is known before its model's graph was read, nor of reviewed work, which
/// counts once it lies there.
pub(crate) fn bytes_of(context: &Context, job: &Job) -> u64 {
    let graph = lock(&context.known).graph(&job.model);
    graph.map_or(0, |graph| bytes_of_graph(context, &graph, job.items.get()))
}

/// The same, of items of a graph.
pub(crate) fn bytes_of_graph(context: &Context, graph: &[u8], items: u32) -> u64 {
    let count = || {
        let graph = parsed(graph)?;
        let sizes = Sizes::of(&graph, items)?;
        let kept = KeptItems::new(Path::new(""), &graph)?.bytes(items);
        let traces = sizes.published_items(context.settings.publish_traces_bytes);
        let copies = match context.settings.publisher.path("") {
            Some(_) => 2,
            None => 1,
        };
        let published = sizes.published_bytes(traces).saturating_mul(copies);
        Result::Ok(kept.saturating_add(published))
    };
    // What can't be counted fits nowhere.
    count().unwrap_or(u64::MAX)
}

/// Removes what was published of jobs that ended long ago.
fn sweep(context: &Context) -> Result<()> {
    let journal = &context.journal;
    let live: HashSet<Pubkey> = journal.jobs()?.into_iter().collect();
    let now = SystemTime::now();
    for (place, (closed_at, job)) in journal.done()?.into_iter().enumerate() {
        let age = now.duration_since(closed_at).unwrap_or_default();
        let is_old = age >= context.settings.keep_results;
        let is_too_many = place >= MOST_DONE;
        if live.contains(&job) || !(is_old || is_too_many) {
            continue;
        }
        if let Some(folder) = context.settings.publisher.path(&job.to_string()) {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(failed(&folder, &error).into());
                }
                _ => {}
            }
        }
        // Its record goes last: after a kill in between, the same is done again.
        if is_too_many {
            journal.forget(&job)?;
        }
    }
    Ok(())
}

/// What lies on the disk beside inputs and weights. Of the folder that results are published into only what is this
/// provider's: others may use it, too.
fn beside_tensors(context: &Context) -> Result<u64> {
    let journal = &context.journal;
    let mut bytes = files::bytes_below(&journal.home().join("data"))?;
    let ended = journal.done()?.into_iter().map(|(_, job)| job);
    let jobs: HashSet<Pubkey> = journal.jobs()?.into_iter().chain(ended).collect();
    for job in jobs {
        if let Some(folder) = context.settings.publisher.path(&job.to_string()) {
            bytes = bytes.saturating_add(files::bytes_below(&folder)?);
        }
    }
    Ok(bytes)
}
