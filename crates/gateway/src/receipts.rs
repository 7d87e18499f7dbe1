//! Receipts of jobs, for people and their tools; and the lines of settled attempts.

use {
    crate::{
        book::{is_settled, spending_line, spending_of},
        engine::Inner,
        error::Result,
        record::{Attempt, JobRecord},
    },
    quern_data::runtime::{lock, off_loop},
    serde_json::{Value, json},
    std::sync::Arc,
};

/// The version of the format.
const VERSION: u32 = 1;

/// Writes the receipt of a checked job.
pub(crate) async fn write(inner: &Arc<Inner>, job: &JobRecord) -> Result<()> {
    let Some(attempt) = job.current().filter(|_| job.has_result()) else {
        return Ok(());
    };
    let receipt = receipt(inner, job, attempt);
    let (journal, address) = (Arc::clone(&inner.journal), attempt.job.to_string());
    off_loop(move || journal.save_receipt(&address, &receipt)).await?
}

/// Notes that an attempt is settled: its line is written, and the receipt says so.
pub(crate) async fn settled(inner: &Arc<Inner>, job: &JobRecord, index: usize) -> Result<()> {
    let mint = inner.market.mint();
    let Some(spending) = spending_of(job, index, (&mint, inner.decimals())) else {
        return Ok(());
    };
    // What was never created costs nothing and is no news.
    if !is_settled(spending.state) || spending.job.is_none() {
        return Ok(());
    }
    let journal = Arc::clone(&inner.journal);
    off_loop(move || journal.add_spending(&spending_line(&spending))).await??;
    let is_last = index + 1 == job.attempts.len();
    match is_last {
        true => write(inner, job).await,
        false => Ok(()),
    }
}

fn receipt(inner: &Inner, job: &JobRecord, attempt: &Attempt) -> Value {
    let served = inner.served(&job.model).ok();
    let requests: Vec<Value> = {
        let book = lock(&inner.book);
        let units = job.units.iter().enumerate();
        let units = units.map(|(index, unit)| {
            let body = book
                .orders
                .get(&unit.order)
                .map(|order| hex::encode(order.body_sha256));
            json!({
                "request": unit.order,
                "body_sha256": body,
                "first_row": unit.from,
                "rows": unit.rows,
                "first_item": job.start_of(index),
            })
        });
        units.collect()
    };
    let earlier: Vec<Value> = job
        .attempts
        .iter()
        .rev()
        .skip(1)
        .rev()
        .map(|attempt| {
            json!({
                "job": attempt.job.to_string(),
                "provider": attempt.provider.map(|owner| owner.to_string()),
                "price_atoms": attempt.price_atoms,
                "state": attempt.state,
                "note": attempt.note,
                "transactions": attempt.signatures,
            })
        })
        .collect();
    let result = job.result.as_ref();
    json!({
        "quern_receipt": VERSION,
        "job": attempt.job.to_string(),
        "client": inner.market.wallet().to_string(),
        "provider": attempt.provider.map(|owner| owner.to_string()),
        "assurance": "refereed",
        "model": {
            "address": job.model.to_string(),
            "name": served.map(|served| &served.name),
            "graph_sha256": served.map(|served| &served.graph_sha256),
        },
        "requests": requests,
        "items": job.items,
        "checked": result.map(|result| json!({
            "items": result.recomputed + result.verified,
            "recomputed": result.recomputed,
            "verified_by_published_traces": result.verified,
            "millis": result.checked_millis,
        })),
        "input_uri": job.input_uri,
        "output_uri": result.map(|result| &result.output_uri),
        "trace_root": result.map(|result| hex::encode(result.trace_root)),
        "result_sha256": result.map(|result| hex::encode(result.result_sha256)),
        "mint": inner.market.mint().to_string(),
        "decimals": inner.decimals(),
        "price_atoms": attempt.price_atoms,
        "bond_atoms": attempt.bond_atoms,
        "state": attempt.state,
        "created_at_unix": attempt.created_at,
        "transactions": attempt.signatures,
        "fee_lamports": attempt.fee_lamports,
        "earlier_attempts": earlier,
    })
}
