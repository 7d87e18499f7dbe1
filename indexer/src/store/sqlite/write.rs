//! Changes.

use {
    super::{SqliteRows, columns},
    crate::{
        error::{IndexerError, Result},
        project::{
            EntityKey, EntityRow, Event, EventId, Indexed, ScoreKey, Settlement, Total, TotalKey,
        },
        store::rows::{DeadLetter, Meta, Projection, Rows, StepRow, Tally},
    },
    async_trait::async_trait,
    quern_api::Signature,
};

/// A count as SQLite keeps it.
fn signed(count: u64) -> Result<i64> {
    i64::try_from(count).map_err(|_| IndexerError::Damaged("count"))
}

#[async_trait]
impl Rows for SqliteRows {
    async fn put_meta(&mut self, meta: &Meta) -> Result<()> {
        let cursor = meta.cursor;
        let origin = cursor.and_then(|cursor| cursor.origin);
        sqlx::query(
            "UPDATE meta SET program = ?, genesis = ?, slot = ?, chain_time = ?, origin_signature = ?, origin_slot = ?, \
             transactions = ?, events = ?, dead_letters = ?, walk_due = ?",
        )
        .bind(meta.program.map(|program| program.0.to_vec()))
        .bind(meta.genesis.as_deref())
        .bind(cursor.map(|cursor| cursor.slot.to_be_bytes().to_vec()))
        .bind(cursor.map(|cursor| cursor.chain_time))
        .bind(origin.map(|origin| origin.signature.0.to_vec()))
        .bind(origin.map(|origin| origin.slot.to_be_bytes().to_vec()))
        .bind(signed(meta.transactions)?)
        .bind(signed(meta.events)?)
        .bind(signed(meta.dead_letters)?)
        .bind(meta.walk_due)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    async fn insert_transaction(
        &mut self,
        signature: &Signature,
        slot: u64,
        entries: u32,
    ) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO tx (signature, slot, entries) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(&signature.0[..])
        .bind(&slot.to_be_bytes()[..])
        .bind(entries)
        .execute(&mut *self.0)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn tally(&mut self) -> Result<Tally> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM tx) AS transactions, (SELECT COUNT(*) FROM event) AS events, \
             (SELECT COUNT(*) FROM dead_letter) AS dead_letters, \
             (SELECT COUNT(*) FROM tx WHERE entries > (SELECT COUNT(*) FROM event WHERE event.signature = tx.signature) \
              + (SELECT COUNT(*) FROM dead_letter WHERE dead_letter.signature = tx.signature)) AS incomplete",
        )
        .fetch_one(&mut *self.0)
        .await?;
        Ok(Tally {
            transactions: columns::small(&row, "transactions")?,
            events: columns::small(&row, "events")?,
            dead_letters: columns::small(&row, "dead_letters")?,
            incomplete: columns::small(&row, "incomplete")?,
        })
    }

    async fn forget_incomplete(&mut self) -> Result<()> {
        // Of a transaction that an older version read it is not known how much there was.
        sqlx::query(
            "DELETE FROM tx WHERE entries = 0 OR entries > \
             (SELECT COUNT(*) FROM event WHERE event.signature = tx.signature) \
             + (SELECT COUNT(*) FROM dead_letter WHERE dead_letter.signature = tx.signature)",
        )
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    async fn insert_event(&mut self, event: &Event) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO event (signature, instruction, inner, slot, name, data) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT DO NOTHING",
        )
        .bind(&event.id.signature.0[..])
        .bind(event.id.instruction)
        .bind(event.id.inner)
        .bind(&event.slot.to_be_bytes()[..])
        .bind(event.body.name())
        .bind(event.body.encode())
        .execute(&mut *self.0)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn insert_dead_letter(&mut self, letter: &DeadLetter) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO dead_letter (signature, instruction, inner, slot, reason, data) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT DO NOTHING",
        )
        .bind(&letter.id.signature.0[..])
        .bind(letter.id.instruction)
        .bind(letter.id.inner)
        .bind(&letter.slot.to_be_bytes()[..])
        .bind(&letter.reason)
        .bind(&letter.data)
        .execute(&mut *self.0)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn dead_letters(&mut self) -> Result<Vec<DeadLetter>> {
        let found = sqlx::query("SELECT * FROM dead_letter")
            .fetch_all(&mut *self.0)
            .await?;
        found.iter().map(columns::dead_letter).collect()
    }

    async fn delete_dead_letter(&mut self, id: &EventId) -> Result<()> {
        sqlx::query(
            "DELETE FROM dead_letter WHERE signature = ? AND instruction = ? AND inner = ?",
        )
        .bind(&id.signature.0[..])
        .bind(id.instruction)
        .bind(id.inner)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    async fn put_entity(
        &mut self,
        (kind, address): &EntityKey,
        row: &EntityRow,
        indexed: &Indexed,
    ) -> Result<()> {
        let state = row.state.as_ref();
        let text = row.text.as_ref();
        sqlx::query(
            "INSERT INTO entity (kind, address, seq, seen, closed, slot, signature, instruction, inner, state_seq, \
             state_signature, state_instruction, state_inner, state_bytes, text_seq, text, owner, state) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq, \
             seen = excluded.seen, closed = excluded.closed, slot = excluded.slot, signature = excluded.signature, \
             instruction = excluded.instruction, inner = excluded.inner, state_seq = excluded.state_seq, \
             state_signature = excluded.state_signature, state_instruction = excluded.state_instruction, \
             state_inner = excluded.state_inner, state_bytes = excluded.state_bytes, text_seq = excluded.text_seq, \
             text = excluded.text, owner = excluded.owner, state = excluded.state",
        )
        .bind(i64::from(*kind))
        .bind(&address.0[..])
        .bind(&row.seq.to_be_bytes()[..])
        .bind(&row.seen.to_be_bytes()[..])
        .bind(row.closed)
        .bind(&row.slot.to_be_bytes()[..])
        .bind(&row.cause.signature.0[..])
        .bind(row.cause.instruction)
        .bind(row.cause.inner)
        .bind(state.map(|state| state.seq.to_be_bytes().to_vec()))
        .bind(state.map(|state| &state.cause.signature.0[..]))
        .bind(state.map(|state| state.cause.instruction))
        .bind(state.map(|state| state.cause.inner))
        .bind(state.map(|state| state.bytes.as_slice()))
        .bind(text.map(|(seq, _)| seq.to_be_bytes().to_vec()))
        .bind(text.map(|(_, text)| text.as_str()))
        .bind(&indexed.owner.0[..])
        .bind(i64::from(indexed.state))
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    async fn score(&mut self, key: &ScoreKey) -> Result<Option<u128>> {
        let known = sqlx::query(
            "SELECT value FROM score WHERE metric = ? AND assurance = ? AND mint = ? AND bucket = ? AND provider = ?",
        )
        .bind(key.metric as i64)
        .bind(i64::from(key.assurance))
        .bind(&key.mint.0[..])
        .bind(key.bucket)
        .bind(&key.provider.0[..])
        .fetch_optional(&mut *self.0)
        .await?;
        known.map(|row| columns::large(&row, "value")).transpose()
    }

    async fn put_score(&mut self, key: &ScoreKey, value: u128) -> Result<()> {
        sqlx::query(
            "INSERT INTO score (metric, assurance, mint, bucket, provider, value) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT DO UPDATE SET value = excluded.value",
        )
        .bind(key.metric as i64)
        .bind(i64::from(key.assurance))
        .bind(&key.mint.0[..])
        .bind(key.bucket)
        .bind(&key.provider.0[..])
        .bind(&value.to_be_bytes()[..])
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    async fn total(&mut self, key: &TotalKey) -> Result<Option<Total>> {
        let known = sqlx::query(
            "SELECT atoms, count FROM total WHERE category = ? AND assurance = ? AND mint = ?",
        )
        .bind(key.category.word())
        .bind(i64::from(key.assurance))
        .bind(&key.mint.0[..])
        .fetch_optional(&mut *self.0)
        .await?;
        known.as_ref().map(columns::total_value).transpose()
    }

    async fn put_total(&mut self, key: &TotalKey, total: &Total) -> Result<()> {
        sqlx::query(
            "INSERT INTO total (category, assurance, mint, atoms, count) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT DO UPDATE SET atoms = excluded.atoms, count = excluded.count",
        )
        .bind(key.category.word())
        .bind(i64::from(key.assurance))
        .bind(&key.mint.0[..])
        .bind(&total.atoms.to_be_bytes()[..])
        .bind(&total.count.to_be_bytes()[..])
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    async fn insert_step(&mut self, step: &StepRow) -> Result<()> {
        sqlx::query(
            "INSERT INTO step (job, seq, signature, instruction, inner, submission) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT DO NOTHING",
        )
        .bind(&step.job.0[..])
        .bind(&step.seq.to_be_bytes()[..])
        .bind(&step.event.signature.0[..])
        .bind(step.event.instruction)
        .bind(step.event.inner)
        .bind(step.is_submission)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    async fn insert_settlement(&mut self, id: &EventId, settlement: &Settlement) -> Result<()> {
        sqlx::query(
            "INSERT INTO settlement (signature, instruction, inner, slot, at, job, provider, client, model, mint, campaign, \
             assurance, milestone, work, price_atoms, fee_atoms, royalty_atoms, provider_atoms, reward_atoms) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(&id.signature.0[..])
        .bind(id.instruction)
        .bind(id.inner)
        .bind(&settlement.slot.to_be_bytes()[..])
        .bind(settlement.at)
        .bind(&settlement.job.0[..])
        .bind(&settlement.provider.0[..])
        .bind(&settlement.client.0[..])
        .bind(&settlement.model.0[..])
        .bind(&settlement.mint.0[..])
        .bind(&settlement.campaign.0[..])
        .bind(i64::from(settlement.assurance))
        .bind(i64::from(settlement.milestone))
        .bind(&settlement.work.to_be_bytes()[..])
        .bind(&settlement.price_atoms.to_be_bytes()[..])
        .bind(&settlement.fee_atoms.to_be_bytes()[..])
        .bind(&settlement.royalty_atoms.to_be_bytes()[..])
        .bind(&settlement.provider_atoms.to_be_bytes()[..])
        .bind(&settlement.reward_atoms.to_be_bytes()[..])
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    async fn clear(&mut self, projection: Projection) -> Result<()> {
        let sql = match projection {
            Projection::Entity => "DELETE FROM entity",
            Projection::Score => "DELETE FROM score",
            Projection::Total => "DELETE FROM total",
            Projection::Step => "DELETE FROM step",
            Projection::Settlement => "DELETE FROM settlement",
        };
        sqlx::query(sql).execute(&mut *self.0).await?;
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        Ok(self.0.commit().await?)
    }
}
