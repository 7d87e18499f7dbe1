//! Changes.

use {
    super::{SqliteRows, bulk, columns, read},
    crate::{
        error::{IndexerError, Result},
        project::{EntityKey, EntityRow, Event, EventId, ScoreKey, Settlement, Total, TotalKey},
        store::rows::{DeadLetter, Meta, Projection, Rows, StepRow, Tally},
    },
    async_trait::async_trait,
    quern_api::Signature,
    sqlx::{Sqlite as Driver, sqlite::SqliteArguments},
};

type Query<'q> = sqlx::query::Query<'q, Driver, SqliteArguments<'q>>;

fn bind_entity<'q>(
    query: Query<'q>,
    (kind, address): &'q EntityKey,
    row: &'q EntityRow,
) -> Query<'q> {
    let indexed = row.indexed(*kind);
    let state = row.state.as_ref();
    let text = row.text.as_ref();
    query
        .bind(i64::from(*kind))
        .bind(&address.0[..])
        .bind(row.seq.to_be_bytes().to_vec())
        .bind(row.seen.to_be_bytes().to_vec())
        .bind(row.closed)
        .bind(row.slot.to_be_bytes().to_vec())
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
        .bind(indexed.owner.0.to_vec())
        .bind(i64::from(indexed.state))
}

fn bind_score_key<'q>(query: Query<'q>, key: &'q ScoreKey) -> Query<'q> {
    query
        .bind(key.metric as i64)
        .bind(i64::from(key.assurance))
        .bind(&key.mint.0[..])
        .bind(key.bucket)
        .bind(&key.provider.0[..])
}

fn bind_settlement<'q>(query: Query<'q>, id: &'q EventId, settlement: &'q Settlement) -> Query<'q> {
    query
        .bind(&id.signature.0[..])
        .bind(id.instruction)
        .bind(id.inner)
        .bind(settlement.slot.to_be_bytes().to_vec())
        .bind(settlement.at)
        .bind(&settlement.job.0[..])
        .bind(&settlement.provider.0[..])
        .bind(&settlement.client.0[..])
        .bind(&settlement.model.0[..])
        .bind(&settlement.mint.0[..])
        .bind(&settlement.campaign.0[..])
        .bind(i64::from(settlement.assurance))
        .bind(i64::from(settlement.milestone))
        .bind(settlement.work.to_be_bytes().to_vec())
        .bind(settlement.price_atoms.to_be_bytes().to_vec())
        .bind(settlement.fee_atoms.to_be_bytes().to_vec())
        .bind(settlement.royalty_atoms.to_be_bytes().to_vec())
        .bind(settlement.provider_atoms.to_be_bytes().to_vec())
        .bind(settlement.reward_atoms.to_be_bytes().to_vec())
}

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
             transactions = ?, events = ?, dead_letters = ?, walk_due = ?, window_hour = ?",
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
        .bind(meta.window_hour)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    async fn insert_transactions(&mut self, read: &[(Signature, u64, u32)]) -> Result<u64> {
        let mut inserted = 0;
        for some in bulk::parts(read) {
            let values = bulk::values(3, some.len());
            let sql = format!(
                "INSERT INTO tx (signature, slot, entries) VALUES {values} ON CONFLICT DO NOTHING"
            );
            let mut query = sqlx::query(&sql);
            for (signature, slot, entries) in some {
                query = query.bind(&signature.0[..]);
                query = query.bind(slot.to_be_bytes().to_vec()).bind(entries);
            }
            inserted += query.execute(&mut *self.0).await?.rows_affected();
        }
        Ok(inserted)
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

    async fn insert_events(&mut self, events: &[&Event]) -> Result<()> {
        for some in bulk::parts(events) {
            let values = bulk::values(6, some.len());
            let sql = format!(
                "INSERT INTO event (signature, instruction, inner, slot, name, data) VALUES {values}"
            );
            let mut query = sqlx::query(&sql);
            for event in some {
                query = query
                    .bind(&event.id.signature.0[..])
                    .bind(event.id.instruction)
                    .bind(event.id.inner)
                    .bind(event.slot.to_be_bytes().to_vec())
                    .bind(event.body.name())
                    .bind(event.body.encode());
            }
            query.execute(&mut *self.0).await?;
        }
        Ok(())
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

    async fn put_entities(&mut self, entities: &[(EntityKey, EntityRow)]) -> Result<()> {
        for some in bulk::parts(entities) {
            let values = bulk::values(18, some.len());
            let sql = format!(
                "INSERT INTO entity (kind, address, seq, seen, closed, slot, signature, instruction, inner, state_seq, \
                 state_signature, state_instruction, state_inner, state_bytes, text_seq, text, owner, state) \
                 VALUES {values} ON CONFLICT DO UPDATE SET seq = excluded.seq, \
                 seen = excluded.seen, closed = excluded.closed, slot = excluded.slot, signature = excluded.signature, \
                 instruction = excluded.instruction, inner = excluded.inner, state_seq = excluded.state_seq, \
                 state_signature = excluded.state_signature, state_instruction = excluded.state_instruction, \
                 state_inner = excluded.state_inner, state_bytes = excluded.state_bytes, text_seq = excluded.text_seq, \
                 text = excluded.text, owner = excluded.owner, state = excluded.state"
            );
            let mut query = sqlx::query(&sql);
            for (key, row) in some {
                query = bind_entity(query, key, row);
            }
            query.execute(&mut *self.0).await?;
        }
        Ok(())
    }

    async fn scores(&mut self, keys: &[ScoreKey]) -> Result<Vec<(ScoreKey, u128)>> {
        let mut scores = Vec::new();
        for some in bulk::parts(keys) {
            let sql = read::scores_sql(some.len());
            let mut query = sqlx::query(&sql);
            for key in some {
                query = bind_score_key(query, key);
            }
            for row in query.fetch_all(&mut *self.0).await? {
                scores.push(columns::score(&row)?);
            }
        }
        Ok(scores)
    }

    async fn put_scores(&mut self, scores: &[(ScoreKey, u128)]) -> Result<()> {
        for some in bulk::parts(scores) {
            let values = bulk::values(6, some.len());
            let sql = format!(
                "INSERT INTO score (metric, assurance, mint, bucket, provider, value) VALUES {values} \
                 ON CONFLICT DO UPDATE SET value = excluded.value"
            );
            let mut query = sqlx::query(&sql);
            for (key, value) in some {
                query = bind_score_key(query, key).bind(value.to_be_bytes().to_vec());
            }
            query.execute(&mut *self.0).await?;
        }
        Ok(())
    }

    async fn delete_score(&mut self, key: &ScoreKey) -> Result<()> {
        let sql = "DELETE FROM score WHERE metric = ? AND assurance = ? AND mint = ? AND bucket = ? AND provider = ?";
        bind_score_key(sqlx::query(sql), key)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn clear_scores(&mut self, bucket: i64) -> Result<()> {
        sqlx::query("DELETE FROM score WHERE bucket = ?")
            .bind(bucket)
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

    async fn insert_steps(&mut self, steps: &[StepRow]) -> Result<()> {
        for some in bulk::parts(steps) {
            let values = bulk::values(6, some.len());
            let sql = format!(
                "INSERT INTO step (job, seq, signature, instruction, inner, submission) VALUES {values} \
                 ON CONFLICT DO NOTHING"
            );
            let mut query = sqlx::query(&sql);
            for step in some {
                query = query
                    .bind(&step.job.0[..])
                    .bind(step.seq.to_be_bytes().to_vec())
                    .bind(&step.event.signature.0[..])
                    .bind(step.event.instruction)
                    .bind(step.event.inner)
                    .bind(step.is_submission);
            }
            query.execute(&mut *self.0).await?;
        }
        Ok(())
    }

    async fn insert_settlements(&mut self, settlements: &[(EventId, Settlement)]) -> Result<()> {
        for some in bulk::parts(settlements) {
            let values = bulk::values(19, some.len());
            let sql = format!(
                "INSERT INTO settlement (signature, instruction, inner, slot, at, job, provider, client, model, mint, campaign, \
                 assurance, milestone, work, price_atoms, fee_atoms, royalty_atoms, provider_atoms, reward_atoms) \
                 VALUES {values} ON CONFLICT DO NOTHING"
            );
            let mut query = sqlx::query(&sql);
            for (id, settlement) in some {
                query = bind_settlement(query, id, settlement);
            }
            query.execute(&mut *self.0).await?;
        }
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
