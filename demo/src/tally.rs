//! The campaign counted again from its milestones: by the indexer on SQLite, by the one on PostgreSQL, and by one that misses an
//! event.

use {
    crate::campaign::Running,
    anyhow::{Context, Result, ensure},
    quern_api::Key,
    quern_client::{program_id, quern::events::QuernEvent},
    quern_indexer::{
        Config, Indexer,
        project::Event,
        store::{Batch, Role, Store},
        tally::{self, Chain, Difference, Format},
    },
    quern_testkit::net::{Stage, names::decimal},
    serde_json::Value,
    std::{sync::Arc, time::Duration},
};

/// For how long an indexer may be behind.
const LIMIT: Duration = Duration::from_secs(240);

/// Events that are read at a time.
const PAGE: u32 = 500;

/// Counts the campaign on each store and compares it with the chain; then on a copy that lacks a milestone. Gives back what is
/// said about that one.
///
/// # Errors
/// A difference where there must be none, or none where there must be one.
pub async fn counted_again(
    stage: &Stage,
    stores: &[String],
    indexers: impl Iterator<Item = &Indexer>,
    running: &Running,
) -> Result<String> {
    let slot = stage.chronicle.last_slot();
    for indexer in indexers {
        ensure!(
            indexer.wait_for_slot(slot, LIMIT).await,
            "an indexer did not reach slot {slot} within {} s",
            LIMIT.as_secs()
        );
    }
    let campaign = Key(running.address.to_bytes());
    let config = Config::local(stage.net.rpc_url(), &stores[0]);
    let node = quern_indexer::node(&config)?;
    let chain = Chain {
        accounts: Arc::clone(&node) as _,
        source: node,
    };
    let mut texts = Vec::new();
    let mut events = Vec::new();
    for at in stores {
        let store = Store::open_as(at, Role::Replica).await?;
        let (text, difference) = counted(&store, campaign, &chain).await?;
        if events.is_empty() {
            events = all_events(&store).await?;
        }
        store.close().await;
        let difference = difference.map_or_else(String::new, |found| found.to_string());
        ensure!(
            difference.is_empty(),
            "the tally on {} differs: {difference}",
            engine(at)
        );
        say(stage, engine(at), &text)?;
        texts.push(text);
    }
    ensure!(
        texts.iter().all(|text| *text == texts[0]),
        "two indexers count differently"
    );
    let named = without_a_milestone(stage, events, campaign, &chain).await?;
    stage
        .names
        .say(format!("a store without one of the events: {named}"));
    Ok(named)
}

fn engine(store: &str) -> &'static str {
    match store.starts_with("sqlite:") {
        true => "SQLite",
        false => "PostgreSQL",
    }
}

/// What a tally writes, as JSON with all milestones, and the first difference.
async fn counted(
    store: &Store,
    campaign: Key,
    chain: &Chain,
) -> Result<(String, Option<Difference>)> {
    let mut text = Vec::new();
    let mut out = tally::output(Format::Json, true, &mut text);
    let which = (Key(program_id().to_bytes()), campaign);
    let found = tally::tally(store, which, Some(chain), &mut *out).await?;
    drop(out);
    Ok((String::from_utf8(text)?, found))
}

fn say(stage: &Stage, engine: &str, text: &str) -> Result<()> {
    let json: Value = serde_json::from_str(text)?;
    let decimals = stage.payment.decimals;
    let amount = |name: &str| {
        let atoms = json[name].as_str().and_then(|atoms| atoms.parse().ok());
        atoms.map(|atoms: i128| decimal(atoms, decimals))
    };
    let (total, claimed) = (amount("total_score"), amount("claimed_atoms"));
    stage.names.say(format!(
        "counted on {engine}: {} qUSD scored by {} milestones, {} claimed; equal to the chain",
        total.context("a tally without a total")?,
        json["milestones"],
        claimed.context("a tally without claims")?,
    ));
    Ok(())
}

async fn all_events(store: &Store) -> Result<Vec<Event>> {
    let mut snapshot = store.read().await?;
    let mut all: Vec<Event> = Vec::new();
    loop {
        let last = all.last().map(|event| event.id);
        let page = snapshot.queries().events(last.as_ref(), PAGE).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// Counts on a store that has every event but one that scored in the campaign.
async fn without_a_milestone(
    stage: &Stage,
    mut events: Vec<Event>,
    campaign: Key,
    chain: &Chain,
) -> Result<String> {
    let scores = |event: &Event| match &event.body {
        QuernEvent::MilestoneSettled(settled) => {
            settled.score > 0 && settled.campaign.to_bytes() == campaign.0
        }
        _ => false,
    };
    let removed = events.iter().position(scores);
    let removed = events.remove(removed.context("nothing scored in the campaign")?);
    let QuernEvent::MilestoneSettled(settled) = &removed.body else {
        anyhow::bail!("another event was removed");
    };
    let copy = stage.folder().join("incomplete.sqlite");
    let store = Store::open(&format!("sqlite:{}", copy.display())).await?;
    let batch = Batch {
        transactions: events
            .iter()
            .map(|event| (event.id.signature, event.slot))
            .collect(),
        events,
        ..Batch::default()
    };
    store.write(&batch).await?;
    let (_, difference) = counted(&store, campaign, chain).await?;
    store.close().await;
    let difference = difference.context("a store that lacks a milestone counts the same")?;
    ensure!(
        difference.job == Some(Key(settled.job.to_bytes())),
        "another milestone was named: {difference}"
    );
    Ok(difference.to_string())
}
