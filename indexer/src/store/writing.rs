//! A database transaction that takes in batches.

use {
    super::{
        apply::{self, Batch, Written},
        rows::{Meta, Rows},
        windows,
    },
    crate::{
        error::Result,
        project::{Delta, hour_of},
    },
};

/// Transactions of one write at most: most have an event, failed ones none.
const MOST_TRANSACTIONS: usize = 49_152;
/// Events of which the rows are held in memory at most.
const MOST_EVENTS: u64 = 24_576;

/// Batches on their way into the store. Their record is written as they come. What follows from them is written at the end, once
/// for all of them: they change the same accounts, sums and pages again and again. Dropped before, it leaves the store as it was.
pub struct Writing {
    rows: Box<dyn Rows>,
    meta: Meta,
    delta: Delta,
    written: Written,
    transactions: usize,
    /// Whether a batch ended a walk.
    ends_walk: bool,
}

impl Writing {
    pub(super) async fn begin(mut rows: Box<dyn Rows>) -> Result<Self> {
        Ok(Self {
            meta: rows.meta().await?,
            rows,
            delta: Delta::default(),
            written: Written::default(),
            transactions: 0,
            ends_walk: false,
        })
    }

    /// Takes in a batch.
    ///
    /// # Errors
    /// That the database failed, or holds something impossible; then nothing of any batch is kept.
    pub async fn add(mut self, batch: &Batch) -> Result<Self> {
        let rows = &mut *self.rows;
        self.meta.transactions += rows.insert_transactions(&batch.read()).await?;
        self.written.events += apply::record(rows, &batch.events, &mut self.delta).await?;
        for letter in &batch.dead_letters {
            let is_new = rows.insert_dead_letter(letter).await?;
            self.written.dead_letters += u64::from(is_new);
        }
        if let Some(cursor) = &batch.cursor {
            apply::advance(&mut self.meta, cursor);
            self.meta.walk_due &= !batch.from_start;
            self.ends_walk = true;
        }
        self.transactions += batch.transactions.len();
        Ok(self)
    }

    /// Whether it holds as much as it should.
    pub fn is_full(&self) -> bool {
        self.written.events >= MOST_EVENTS || self.transactions >= MOST_TRANSACTIONS
    }

    /// Writes what follows from the batches and keeps all of it.
    ///
    /// # Errors
    /// See [`Self::add`]; then nothing was written.
    pub async fn finish(self) -> Result<Written> {
        let Self {
            mut rows,
            mut meta,
            delta,
            written,
            ends_walk,
            ..
        } = self;
        let cursor = meta.cursor.filter(|_| ends_walk);
        let hour = cursor.map(|cursor| hour_of(cursor.chain_time));
        // Where no number changes, and no window, what boards know stays as it is.
        if !delta.scores.is_empty() || hour.is_some() && hour != meta.window_hour {
            meta.next_change();
        }
        apply::merge(&mut *rows, delta, &meta).await?;
        meta.events += written.events;
        meta.dead_letters += written.dead_letters;
        if ends_walk {
            windows::advance(&mut *rows, &mut meta).await?;
        }
        rows.put_meta(&meta).await?;
        rows.commit().await?;
        Ok(written)
    }
}
