//! How much is kept: what finds no room is refused before it is paid.

use {
    super::inner::Inner,
    crate::{book::Book, order::Stage, record::OrderRecord, refusal::Refusal},
};

/// Bytes of a request's record, and of its lines in the records and receipts of its jobs.
const ORDER_BYTES: u64 = 4 << 10;
/// Bytes of a job's record and of its receipt, with all attempts.
const JOB_BYTES: u64 = 16 << 10;
/// Bytes of a token, and of the length of a row.
const TOKEN_BYTES: u64 = 4;

impl Inner {
    /// Refuses a request that might find no room until it is answered. What others that run may take counts as kept.
    pub(super) fn admit_bytes(
        &self,
        book: &Book,
        order: &OrderRecord,
    ) -> std::result::Result<(), Refusal> {
        let running = book.orders.values();
        let running = running.filter(|one| one.stage == Stage::Running);
        let promised = running.map(|one| self.most_bytes(one));
        let kept_bytes = promised.fold(self.journal.kept_bytes(), u64::saturating_add);
        let needed_bytes = self.most_bytes(order);
        let most_bytes = self.settings.kept_bytes;
        match kept_bytes.saturating_add(needed_bytes) <= most_bytes {
            true => Ok(()),
            false => Err(Refusal::StorageFull {
                needed_bytes,
                kept_bytes,
                most_bytes,
            }),
        }
    }

    /// The most that is written for a request until it is answered: its rows, its vectors, and what is noted of it.
    fn most_bytes(&self, order: &OrderRecord) -> u64 {
        let served = self.served(&order.model).ok();
        let vector_bytes = served.map_or(0, |served| served.dimensions.bytes);
        let rows = order.rows as u64;
        let jobs = order.rows.div_ceil(self.settings.job_rows.max(1)) as u64;
        [
            ORDER_BYTES,
            JOB_BYTES.saturating_mul(jobs),
            TOKEN_BYTES.saturating_mul(rows.saturating_add(order.tokens)),
            vector_bytes.saturating_mul(rows),
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }
}
