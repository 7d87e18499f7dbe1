//! Changes: one statement a list.

use {
    super::{PgRows, audit, columns, read::list},
    crate::{
        error::{IndexerError, Result},
        project::{EntityKey, EntityRow, Event, EventId, PartyRow, Settlement, Total, TotalKey},
        store::audit::AuditRow,
        store::rows::{DeadLetter, Meta, Projection, Rows, StepRow},
        store::score::ScoreRow,
    },
    async_trait::async_trait,
    quern_api::Signature,
    sqlx::{Executor, PgConnection, Postgres as Driver, postgres::PgArguments},
    std::collections::HashSet,
};

const PUT_ENTITIES: &str = "INSERT INTO entity (kind, address, seq, seen, closed, slot, tx, instruction, inner_index, \
    state_seq, state_tx, state_instruction, state_inner, state_bytes, text_seq, text, owner, state) \
    SELECT wanted.kind, wanted.address, wanted.seq, wanted.seen, wanted.closed, wanted.slot, cause.id, wanted.instruction, \
    wanted.inner_index, wanted.state_seq, stated.id, wanted.state_instruction, wanted.state_inner, wanted.state_bytes, \
    wanted.text_seq, wanted.text, wanted.owner, wanted.state \
    FROM UNNEST($1::SMALLINT[], $2::BYTEA[], $3::BYTEA[], $4::BYTEA[], $5::BOOLEAN[], $6::BYTEA[], $7::BYTEA[], \
    $8::BIGINT[], $9::BIGINT[], $10::BYTEA[], $11::BYTEA[], $12::BIGINT[], $13::BIGINT[], $14::BYTEA[], $15::BYTEA[], \
    $16::BYTEA[], $17::BYTEA[], $18::SMALLINT[]) \
    AS wanted (kind, address, seq, seen, closed, slot, cause, instruction, inner_index, state_seq, state_cause, \
    state_instruction, state_inner, state_bytes, text_seq, text, owner, state) \
    JOIN tx AS cause ON cause.signature = wanted.cause LEFT JOIN tx AS stated ON stated.signature = wanted.state_cause \
    ON CONFLICT (kind, address) DO UPDATE SET seq = excluded.seq, seen = excluded.seen, closed = excluded.closed, \
    slot = excluded.slot, tx = excluded.tx, instruction = excluded.instruction, inner_index = excluded.inner_index, \
    state_seq = excluded.state_seq, state_tx = excluded.state_tx, state_instruction = excluded.state_instruction, \
    state_inner = excluded.state_inner, state_bytes = excluded.state_bytes, text_seq = excluded.text_seq, \
    text = excluded.text, owner = excluded.owner, state = excluded.state";

const INSERT_SETTLEMENTS: &str = "INSERT INTO settlement (tx, instruction, inner_index, slot, at, job, provider, client, \
    model, mint, campaign, assurance, milestone, work, price_atoms, fee_atoms, royalty_atoms, provider_atoms, reward_atoms, \
    submitted_at, score) SELECT tx.id, instruction, inner_index, wanted.slot, at, job, provider, client, model, mint, campaign, assurance, \
    milestone, work, price_atoms, fee_atoms, royalty_atoms, provider_atoms, reward_atoms, submitted_at, score \
    FROM UNNEST($1::BYTEA[], $2::BIGINT[], $3::BIGINT[], $4::BYTEA[], $5::BIGINT[], $6::BYTEA[], $7::BYTEA[], $8::BYTEA[], \
    $9::BYTEA[], $10::BYTEA[], $11::BYTEA[], $12::SMALLINT[], $13::SMALLINT[], $14::BYTEA[], $15::BYTEA[], $16::BYTEA[], \
    $17::BYTEA[], $18::BYTEA[], $19::BYTEA[], $20::BIGINT[], $21::BYTEA[]) \
    AS wanted (signature, instruction, inner_index, slot, at, job, provider, client, model, mint, campaign, assurance, \
    milestone, work, price_atoms, fee_atoms, royalty_atoms, provider_atoms, reward_atoms, submitted_at, score) \
    JOIN tx USING (signature) \
    ON CONFLICT DO NOTHING";

type Query<'q> = sqlx::query::Query<'q, Driver, PgArguments>;

/// Sums by their keys.
fn total_keys<'q>(sql: &'q str, keys: &[&TotalKey]) -> Query<'q> {
    sqlx::query(sql)
        .bind(list(keys, |key| key.category.word()))
        .bind(list(keys, |key| i16::from(key.assurance)))
        .bind(list(keys, |key| key.mint.0))
}

fn entities<'q>(rows: &'q [(EntityKey, EntityRow)]) -> Query<'q> {
    let states = list(rows, |(_, row)| row.state.as_ref());
    let texts = list(rows, |(_, row)| row.text.as_ref());
    let indexed = list(rows, |((kind, _), row)| row.indexed(*kind));
    sqlx::query(PUT_ENTITIES)
        .bind(list(rows, |(key, _)| i16::from(key.0)))
        .bind(list(rows, |(key, _)| key.1.0))
        .bind(list(rows, |(_, row)| row.seq.to_be_bytes()))
        .bind(list(rows, |(_, row)| row.seen.to_be_bytes()))
        .bind(list(rows, |(_, row)| row.closed))
        .bind(list(rows, |(_, row)| row.slot.to_be_bytes()))
        .bind(list(rows, |(_, row)| row.cause.signature.0))
        .bind(list(rows, |(_, row)| i64::from(row.cause.instruction)))
        .bind(list(rows, |(_, row)| i64::from(row.cause.inner)))
        .bind(list(&states, |state| {
            state.map(|state| state.seq.to_be_bytes())
        }))
        .bind(list(&states, |state| {
            state.map(|state| state.cause.signature.0)
        }))
        .bind(list(&states, |state| {
            state.map(|state| i64::from(state.cause.instruction))
        }))
        .bind(list(&states, |state| {
            state.map(|state| i64::from(state.cause.inner))
        }))
        .bind(list(&states, |state| {
            state.map(|state| state.bytes.as_slice())
        }))
        .bind(list(&texts, |text| text.map(|(seq, _)| seq.to_be_bytes())))
        .bind(list(&texts, |text| text.map(|(_, text)| text.as_bytes())))
        .bind(list(&indexed, |indexed| indexed.owner.map(|owner| owner.0)))
        .bind(list(&indexed, |indexed| i16::from(indexed.state)))
}

fn settlements(rows: &[(EventId, Settlement)]) -> Query<'static> {
    sqlx::query(INSERT_SETTLEMENTS)
        .bind(list(rows, |(id, _)| id.signature.0))
        .bind(list(rows, |(id, _)| i64::from(id.instruction)))
        .bind(list(rows, |(id, _)| i64::from(id.inner)))
        .bind(list(rows, |(_, row)| row.slot.to_be_bytes()))
        .bind(list(rows, |(_, row)| row.at))
        .bind(list(rows, |(_, row)| row.job.0))
        .bind(list(rows, |(_, row)| row.provider.0))
        .bind(list(rows, |(_, row)| row.client.0))
        .bind(list(rows, |(_, row)| row.model.0))
        .bind(list(rows, |(_, row)| row.mint.0))
        .bind(list(rows, |(_, row)| row.campaign.0))
        .bind(list(rows, |(_, row)| i16::from(row.assurance)))
        .bind(list(rows, |(_, row)| i16::from(row.milestone)))
        .bind(list(rows, |(_, row)| row.work.to_be_bytes()))
        .bind(list(rows, |(_, row)| row.price_atoms.to_be_bytes()))
        .bind(list(rows, |(_, row)| row.fee_atoms.to_be_bytes()))
        .bind(list(rows, |(_, row)| row.royalty_atoms.to_be_bytes()))
        .bind(list(rows, |(_, row)| row.provider_atoms.to_be_bytes()))
        .bind(list(rows, |(_, row)| row.reward_atoms.to_be_bytes()))
        .bind(list(rows, |(_, row)| row.submitted_at))
        .bind(list(rows, |(_, row)| row.score.to_be_bytes()))
}

/// A count as PostgreSQL keeps it.
fn signed(count: u64) -> Result<i64> {
    i64::try_from(count).map_err(|_| IndexerError::Damaged("count"))
}

/// Every row that names a transaction found it.
fn all_found(written: u64, wanted: usize) -> Result<()> {
    match written == wanted as u64 {
        true => Ok(()),
        false => Err(IndexerError::Damaged("tx")),
    }
}

impl PgRows {
    /// Gives these transactions a number each, with what they had once they were read.
    async fn give_numbers(
        &mut self,
        read: &[(Signature, u64, Option<u32>)],
        on_conflict: &str,
    ) -> Result<u64> {
        // In their order, so that numbers follow the chain; one that stands there twice is one.
        let mut seen = HashSet::new();
        let read: Vec<_> = read.iter().filter(|row| seen.insert(row.0)).collect();
        let sql = format!(
            "INSERT INTO tx (signature, slot, entries) \
             SELECT * FROM UNNEST($1::BYTEA[], $2::BYTEA[], $3::BIGINT[]) ON CONFLICT (signature) {on_conflict}"
        );
        let done = sqlx::query(&sql)
            .bind(list(&read, |row| row.0.0))
            .bind(list(&read, |row| row.1.to_be_bytes()))
            .bind(list(&read, |row| row.2.map(i64::from)))
            .execute(&mut **self)
            .await?;
        Ok(done.rows_affected())
    }
}

#[async_trait]
impl Rows for PgRows {
    async fn put_meta(&mut self, meta: &Meta) -> Result<()> {
        let cursor = meta.cursor;
        let origin = cursor.and_then(|cursor| cursor.origin);
        sqlx::query(
            "UPDATE meta SET program = $1, genesis = $2, slot = $3, chain_time = $4, origin_signature = $5, \
             origin_slot = $6, transactions = $7, events = $8, dead_letters = $9, walk_due = $10, window_hour = $11, \
             tables = $12, change = $13, remade = $14",
        )
        .bind(meta.program.map(|program| program.0))
        .bind(meta.genesis.as_deref())
        .bind(cursor.map(|cursor| cursor.slot.to_be_bytes()))
        .bind(cursor.map(|cursor| cursor.chain_time))
        .bind(origin.map(|origin| origin.signature.0))
        .bind(origin.map(|origin| origin.slot.to_be_bytes()))
        .bind(signed(meta.transactions)?)
        .bind(signed(meta.events)?)
        .bind(signed(meta.dead_letters)?)
        .bind(meta.walk_due)
        .bind(meta.window_hour)
        .bind(i64::from(meta.tables))
        .bind(meta.change)
        .bind(meta.remade)
        .execute(&mut **self)
        .await?;
        Ok(())
    }

    async fn insert_transactions(&mut self, read: &[(Signature, u64, u32)]) -> Result<u64> {
        let read = list(read, |(signature, slot, entries)| {
            (*signature, *slot, Some(*entries))
        });
        let again = "DO UPDATE SET entries = excluded.entries WHERE tx.entries IS NULL";
        self.give_numbers(&read, again).await
    }

    async fn forget_incomplete(&mut self) -> Result<()> {
        for sql in [
            "UPDATE tx SET entries = NULL WHERE entries > \
             (SELECT COUNT(*) FROM event WHERE event.tx = tx.id) \
             + (SELECT COUNT(*) FROM dead_letter WHERE dead_letter.signature = tx.signature)",
            "DELETE FROM event WHERE NOT EXISTS (SELECT 1 FROM tx WHERE tx.id = event.tx)",
        ] {
            sqlx::query(sql).execute(&mut **self).await?;
        }
        Ok(())
    }

    async fn insert_events(&mut self, events: &[&Event]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        // A transaction that was not read gets a number, and counts as one that was not read, so that it will be.
        let unread = list(events, |event| (event.id.signature, event.slot, None));
        self.give_numbers(&unread, "DO NOTHING").await?;
        let done = sqlx::query(
            "INSERT INTO event (tx, instruction, inner_index, slot, name, data) \
             SELECT tx.id, instruction, inner_index, wanted.slot, name, data \
             FROM UNNEST($1::BYTEA[], $2::BIGINT[], $3::BIGINT[], $4::BYTEA[], $5::TEXT[], $6::BYTEA[]) \
             AS wanted (signature, instruction, inner_index, slot, name, data) JOIN tx USING (signature)",
        )
        .bind(list(events, |event| event.id.signature.0))
        .bind(list(events, |event| i64::from(event.id.instruction)))
        .bind(list(events, |event| i64::from(event.id.inner)))
        .bind(list(events, |event| event.slot.to_be_bytes()))
        .bind(list(events, |event| event.body.name()))
        .bind(list(events, |event| event.body.encode()))
        .execute(&mut **self)
        .await?;
        all_found(done.rows_affected(), events.len())
    }

    async fn insert_dead_letter(&mut self, letter: &DeadLetter) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO dead_letter (signature, instruction, inner_index, slot, reason, data) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        )
        .bind(letter.id.signature.0)
        .bind(i64::from(letter.id.instruction))
        .bind(i64::from(letter.id.inner))
        .bind(letter.slot.to_be_bytes())
        .bind(letter.reason.as_bytes())
        .bind(&letter.data)
        .execute(&mut **self)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn dead_letters(&mut self) -> Result<Vec<DeadLetter>> {
        let sql = "SELECT * FROM dead_letter ORDER BY signature, instruction, inner_index";
        let found = sqlx::query(sql).fetch_all(&mut **self).await?;
        found.iter().map(columns::dead_letter).collect()
    }

    async fn delete_dead_letter(&mut self, id: &EventId) -> Result<()> {
        sqlx::query(
            "DELETE FROM dead_letter WHERE signature = $1 AND instruction = $2 AND inner_index = $3",
        )
        .bind(id.signature.0)
        .bind(i64::from(id.instruction))
        .bind(i64::from(id.inner))
        .execute(&mut **self)
        .await?;
        Ok(())
    }

    async fn put_entities(&mut self, rows: &[(EntityKey, EntityRow)]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let done = entities(rows).execute(&mut **self).await?;
        all_found(done.rows_affected(), rows.len())
    }

    async fn put_scores(&mut self, scores: &[ScoreRow], change: i64) -> Result<()> {
        const SQL: &str = "INSERT INTO score (bucket, subject, numbers, change) \
            SELECT bucket, subject, numbers, $4 FROM UNNEST($1::BIGINT[], $2::BYTEA[], $3::BYTEA[]) \
            AS wanted (bucket, subject, numbers) \
            ON CONFLICT (bucket, subject) DO UPDATE SET numbers = excluded.numbers, change = excluded.change";
        if scores.is_empty() {
            return Ok(());
        }
        sqlx::query(SQL)
            .bind(list(scores, |(place, _)| place.bucket))
            .bind(list(scores, |(place, _)| place.subject.0))
            .bind(list(scores, |(_, numbers)| numbers.as_slice()))
            .bind(change)
            .execute(&mut **self)
            .await?;
        Ok(())
    }

    async fn totals(&mut self, keys: &[TotalKey]) -> Result<Vec<(TotalKey, Total)>> {
        const SQL: &str = "SELECT total.* FROM UNNEST($1::TEXT[], $2::SMALLINT[], $3::BYTEA[]) \
            AS wanted (category, assurance, mint) JOIN total USING (category, assurance, mint)";
        let found = total_keys(SQL, &list(keys, |key| key))
            .fetch_all(&mut **self)
            .await?;
        found.iter().map(columns::total).collect()
    }

    async fn put_totals(&mut self, totals: &[(TotalKey, Total)]) -> Result<()> {
        const SQL: &str = "INSERT INTO total (category, assurance, mint, atoms, count) \
            SELECT * FROM UNNEST($1::TEXT[], $2::SMALLINT[], $3::BYTEA[], $4::BYTEA[], $5::BYTEA[]) \
            ON CONFLICT (category, assurance, mint) DO UPDATE SET atoms = excluded.atoms, count = excluded.count";
        if totals.is_empty() {
            return Ok(());
        }
        total_keys(SQL, &list(totals, |(key, _)| key))
            .bind(list(totals, |(_, total)| total.atoms.to_be_bytes()))
            .bind(list(totals, |(_, total)| total.count.to_be_bytes()))
            .execute(&mut **self)
            .await?;
        Ok(())
    }

    async fn insert_steps(&mut self, steps: &[StepRow]) -> Result<()> {
        if steps.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO step (job, seq, tx, instruction, inner_index, kind) \
             SELECT job, seq, tx.id, instruction, inner_index, kind \
             FROM UNNEST($1::BYTEA[], $2::BYTEA[], $3::BYTEA[], $4::BIGINT[], $5::BIGINT[], $6::SMALLINT[]) \
             AS wanted (job, seq, signature, instruction, inner_index, kind) JOIN tx USING (signature) \
             ON CONFLICT DO NOTHING",
        )
        .bind(list(steps, |step| step.job.0))
        .bind(list(steps, |step| step.seq.to_be_bytes()))
        .bind(list(steps, |step| step.event.signature.0))
        .bind(list(steps, |step| i64::from(step.event.instruction)))
        .bind(list(steps, |step| i64::from(step.event.inner)))
        .bind(list(steps, |step| step.kind.map(|kind| kind as i16)))
        .execute(&mut **self)
        .await?;
        Ok(())
    }

    async fn insert_settlements(&mut self, rows: &[(EventId, Settlement)]) -> Result<()> {
        if !rows.is_empty() {
            settlements(rows).execute(&mut **self).await?;
        }
        Ok(())
    }

    async fn insert_parties(&mut self, parties: &[PartyRow]) -> Result<()> {
        if parties.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO party (party, concern, at, tx, instruction, inner_index) \
             SELECT party, concern, at, tx.id, instruction, inner_index \
             FROM UNNEST($1::BYTEA[], $2::SMALLINT[], $3::BIGINT[], $4::BYTEA[], $5::BIGINT[], $6::BIGINT[]) \
             AS wanted (party, concern, at, signature, instruction, inner_index) JOIN tx USING (signature) \
             ON CONFLICT DO NOTHING",
        )
        .bind(list(parties, |row| row.party.0))
        .bind(list(parties, |row| row.concern as i16))
        .bind(list(parties, |row| row.at))
        .bind(list(parties, |row| row.event.signature.0))
        .bind(list(parties, |row| i64::from(row.event.instruction)))
        .bind(list(parties, |row| i64::from(row.event.inner)))
        .execute(&mut **self)
        .await?;
        Ok(())
    }

    async fn put_audit(&mut self, found: &AuditRow) -> Result<()> {
        audit::replace(self, found).await
    }

    async fn clear(&mut self, projection: Projection) -> Result<()> {
        // Not TRUNCATE: it empties the table also for those who read an older state.
        let sql = match projection {
            Projection::Entity => "DELETE FROM entity",
            Projection::Score => "DELETE FROM score",
            Projection::Total => "DELETE FROM total",
            Projection::Step => "DELETE FROM step",
            Projection::Settlement => "DELETE FROM settlement",
            Projection::Party => "DELETE FROM party",
        };
        sqlx::query(sql).execute(&mut **self).await?;
        Ok(())
    }

    async fn remake(&mut self) -> Result<()> {
        let connection: &mut PgConnection = self;
        connection.execute(include_str!("projections.sql")).await?;
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        Ok(self.0.commit().await?)
    }
}
