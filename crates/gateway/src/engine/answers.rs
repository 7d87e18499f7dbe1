//! The vectors of a request, from the results of its jobs.

use {
    super::inner::Inner,
    crate::{
        embedder::{Answer, JobNote},
        error::{GatewayError, Result},
        journal::Journal,
        order::OrderId,
        record::{JobRecord, OrderRecord, ResultRecord},
        refusal::Refusal,
    },
    quern_client::Pubkey,
    quern_data::runtime::{lock, off_loop},
    std::sync::Arc,
};

impl Inner {
    /// The vectors of a request that was answered.
    pub(super) async fn answer(&self, id: &OrderId) -> std::result::Result<Answer, Refusal> {
        let (order, jobs) = {
            let book = lock(&self.book);
            let order = book.orders.get(id).cloned();
            let jobs: Vec<JobRecord> = book.jobs_of(id).cloned().collect();
            (order, jobs)
        };
        let order = order.ok_or_else(|| unknown(id))?;
        let journal = Arc::clone(&self.journal);
        let built = off_loop(move || built(&journal, &order, &jobs)).await;
        Ok(built.map_err(GatewayError::from)??)
    }
}

pub(super) fn unknown(id: &OrderId) -> Refusal {
    Refusal::NoSuchRequest { id: id.to_string() }
}

/// The answer of a request from the results of its jobs.
fn built(journal: &Journal, order: &OrderRecord, jobs: &[JobRecord]) -> Result<Answer> {
    let mut vectors = vec![Vec::new(); order.rows];
    let mut notes = Vec::new();
    for job in jobs {
        let (Some(result), Some(attempt)) = (&job.result, job.current()) else {
            continue;
        };
        notes.push(note(job, &attempt.job, attempt.provider, result));
        let tensor = journal.answer(&job.id)?;
        let units = quern_import::unit_rows(&tensor);
        for (index, unit) in job.units.iter().enumerate() {
            if unit.order != order.id {
                continue;
            }
            let start = job.start_of(index);
            for row in 0..unit.rows {
                if let (Some(vector), Some(Some(values))) =
                    (vectors.get_mut(unit.from + row), units.get(start + row))
                {
                    vector.clone_from(values);
                }
            }
        }
    }
    match vectors.iter().position(Vec::is_empty) {
        None => Ok(Answer {
            vectors,
            tokens: order.tokens,
            jobs: notes,
        }),
        Some(row) => Err(GatewayError::NotReady(format!(
            "row {row} of the request {} has no vector on disk",
            order.id
        ))),
    }
}

fn note(
    job: &JobRecord,
    address: &Pubkey,
    provider: Option<Pubkey>,
    result: &ResultRecord,
) -> JobNote {
    JobNote {
        job: address.to_string(),
        provider: provider.map_or_else(String::new, |owner| owner.to_string()),
        assurance: "refereed".to_owned(),
        items: job.items,
        checked: result.recomputed + result.verified,
    }
}
