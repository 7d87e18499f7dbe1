//! Changes.

use {
    super::{
        SqliteRows,
        account::Accounts,
        audit,
        bulk::{self, Query},
        columns, read,
        scored::{self, Scored},
    },
    crate::{
        error::{IndexerError, Result},
        project::{EntityKey, EntityRow, Event, EventId, PartyRow, Settlement, Total, TotalKey},
        store::audit::AuditRow,
        store::rows::{DeadLetter, Meta, Projection, Rows, StepRow},
        store::score::ScoreRow,
    },
    async_trait::async_trait,
    quern_api::{Key, Signature},
    sqlx::{Executor, SqliteConnection},
};

/// What of an account a change may replace.
macro_rules! changing {
    () => {
        "seq, seen, closed, slot, signature, instruction, inner, state_seq, state_signature, state_instruction, state_inner, \
         state_bytes, text_seq, text, state"
    };
}

fn insert_entities_sql(entities: usize) -> String {
    const INSERT: &str = concat!(
        "INSERT OR FAIL INTO entity (id, kind, address, owner, ",
        changing!(),
        ") VALUES "
    );
    format!("{INSERT}{}", bulk::values(19, entities))
}

/// SQLite takes a row out of an index and puts it back as soon as a column of the index is named, even if its value stays: the owner
/// is named only where it changes.
pub(super) fn update_entities_sql(entities: usize, owner: &str) -> String {
    const WITH: &str = concat!("WITH new (id, owner, ", changing!(), ") AS (VALUES ");
    const SET: &str = concat!(
        "(",
        changing!(),
        ") = (new.seq, new.seen, new.closed, new.slot, new.signature, new.instruction, new.inner, new.state_seq, \
         new.state_signature, new.state_instruction, new.state_inner, new.state_bytes, new.text_seq, new.text, new.state)"
    );
    let values = bulk::values(17, entities);
    format!(
        "{WITH}{values}) UPDATE OR FAIL entity SET {SET}{owner} FROM new WHERE entity.id = new.id"
    )
}

const PUT_TOTAL: &str = "INSERT INTO total (category, assurance, mint, atoms, count) VALUES (?, ?, ?, ?, ?) \
    ON CONFLICT DO UPDATE SET atoms = excluded.atoms, count = excluded.count";

/// In the order of what changes.
fn bind_entity<'q>(query: Query<'q>, kind: u8, row: &'q EntityRow) -> Query<'q> {
    let state = row.state.as_ref();
    let stated_in = state.map(|state| &state.cause.signature);
    let stated_in = stated_in.filter(|signature| **signature != row.cause.signature);
    let text = row.text.as_ref();
    query
        .bind(row.seq.to_be_bytes().to_vec())
        .bind(row.seen.to_be_bytes().to_vec())
        .bind(row.closed)
        .bind(row.slot.to_be_bytes().to_vec())
        .bind(&row.cause.signature.0[..])
        .bind(row.cause.instruction)
        .bind(row.cause.inner)
        .bind(state.map(|state| state.seq.to_be_bytes().to_vec()))
        .bind(stated_in.map(|signature| &signature.0[..]))
        .bind(state.map(|state| state.cause.instruction))
        .bind(state.map(|state| state.cause.inner))
        .bind(state.map(|state| state.bytes.as_slice()))
        .bind(text.map(|(seq, _)| seq.to_be_bytes().to_vec()))
        .bind(text.map(|(_, text)| text.as_str()))
        .bind(i64::from(row.indexed(kind).state))
}

fn bind_total_key<'q>(query: Query<'q>, key: &'q TotalKey) -> Query<'q> {
    query
        .bind(key.category.word())
        .bind(i64::from(key.assurance))
        .bind(&key.mint.0[..])
}

fn bind_settlement<'q>(
    query: Query<'q>,
    number: i64,
    id: &'q EventId,
    settlement: &'q Settlement,
) -> Query<'q> {
    query
        .bind(number)
        .bind(id.instruction)
        .bind(id.inner)
        .bind(settlement.slot.to_be_bytes().to_vec())
        .bind(settlement.at)
        .bind(&settlement.job.0[..])
        .bind(&settlement.provider.0[..])
        .bind(&settlement.client.0[..])
        .bind(columns::short(&settlement.model))
        .bind(&settlement.mint.0[..])
        .bind(columns::short(&settlement.campaign))
        .bind(i64::from(settlement.assurance))
        .bind(i64::from(settlement.milestone))
        .bind(settlement.work.to_be_bytes().to_vec())
        .bind(settlement.price_atoms.to_be_bytes().to_vec())
        .bind(settlement.fee_atoms.to_be_bytes().to_vec())
        .bind(settlement.royalty_atoms.to_be_bytes().to_vec())
        .bind(settlement.provider_atoms.to_be_bytes().to_vec())
        .bind(settlement.reward_atoms.to_be_bytes().to_vec())
        .bind(settlement.submitted_at)
        .bind(settlement.score.to_be_bytes().to_vec())
}

/// A count as SQLite keeps it.
fn signed(count: u64) -> Result<i64> {
    i64::try_from(count).map_err(|_| IndexerError::Damaged("count"))
}

impl SqliteRows {
    /// Where rows of projections stand is known no more.
    fn forget_rows(&mut self) {
        self.accounts = Accounts::default();
        self.scored = Scored::default();
    }
}

#[async_trait]
impl Rows for SqliteRows {
    async fn put_meta(&mut self, meta: &Meta) -> Result<()> {
        let cursor = meta.cursor;
        let origin = cursor.and_then(|cursor| cursor.origin);
        sqlx::query(
            "UPDATE meta SET program = ?, genesis = ?, slot = ?, chain_time = ?, origin_signature = ?, origin_slot = ?, \
             transactions = ?, events = ?, dead_letters = ?, walk_due = ?, window_hour = ?, tables = ?, change = ?, remade = ?",
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
        .bind(meta.tables)
        .bind(meta.change)
        .bind(meta.remade)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    async fn insert_transactions(&mut self, read: &[(Signature, u64, u32)]) -> Result<u64> {
        self.learn(read.iter().map(|(signature, ..)| signature))
            .await?;
        let mut noted = 0;
        let mut new = Vec::new();
        for (signature, slot, entries) in read {
            let Ok(number) = self.numbers.of(signature) else {
                new.push((*signature, *slot, Some(*entries)));
                continue;
            };
            let again = "UPDATE tx SET entries = ? WHERE id = ? AND entries IS NULL";
            let done = sqlx::query(again).bind(entries).bind(number);
            noted += done.execute(&mut *self.transaction).await?.rows_affected();
        }
        Ok(noted + self.give(&new).await?)
    }

    async fn forget_incomplete(&mut self) -> Result<()> {
        for sql in [
            "UPDATE tx SET entries = NULL WHERE entries > \
             (SELECT COUNT(*) FROM event WHERE event.tx = tx.id) \
             + (SELECT COUNT(*) FROM dead_letter WHERE dead_letter.signature = tx.signature)",
            "DELETE FROM event WHERE tx NOT IN (SELECT id FROM tx)",
        ] {
            sqlx::query(sql).execute(&mut *self.transaction).await?;
        }
        Ok(())
    }

    async fn insert_events(&mut self, events: &[&Event]) -> Result<()> {
        self.learn(events.iter().map(|event| &event.id.signature))
            .await?;
        // Of a transaction that was not read, so that it will be.
        let unread = events.iter();
        let unread: Vec<_> = unread
            .map(|event| (event.id.signature, event.slot, None))
            .collect();
        self.give(&unread).await?;
        self.events += events.len();
        for event in events {
            self.numbers.use_up(&event.id.signature);
        }
        let numbers = &self.numbers;
        let sql = |rows| {
            let values = bulk::values(6, rows);
            format!(
                "INSERT OR FAIL INTO event (tx, instruction, inner, slot, name, data) VALUES {values}"
            )
        };
        bulk::run(&mut self.transaction, events, sql, |query, event| {
            Ok(query
                .bind(numbers.of(&event.id.signature)?)
                .bind(event.id.instruction)
                .bind(event.id.inner)
                .bind(event.slot.to_be_bytes().to_vec())
                .bind(event.body.name())
                .bind(event.body.encode()))
        })
        .await
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
        .execute(&mut *self.transaction)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    async fn dead_letters(&mut self) -> Result<Vec<DeadLetter>> {
        let found = sqlx::query("SELECT * FROM dead_letter")
            .fetch_all(&mut *self.transaction)
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
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    async fn put_entities(&mut self, entities: &[(EntityKey, EntityRow)]) -> Result<()> {
        self.accounts
            .look_up_others(&mut self.transaction, entities.iter().map(|(key, _)| key))
            .await?;
        let (mut new, mut kept, mut moved) = (Vec::new(), Vec::new(), Vec::new());
        for (key, row) in entities {
            let owner = row.indexed(key.0).owner;
            let id = match self.accounts.place_of(key) {
                None => {
                    let id = self.accounts.next(&mut self.transaction).await?;
                    new.push((id, owner, key, row));
                    id
                }
                Some(place) => {
                    let changed = match place.owner == owner {
                        true => &mut kept,
                        false => &mut moved,
                    };
                    changed.push((place.id, owner, key, row));
                    place.id
                }
            };
            self.accounts.note(*key, id);
        }
        self.accounts.forget();
        let owner_of = |owner: &Option<Key>| owner.map(|owner| owner.0.to_vec());
        let sql = insert_entities_sql;
        bulk::run(&mut self.transaction, &new, sql, |query, one| {
            let (id, owner, (kind, address), row) = one;
            let query = query.bind(id).bind(i64::from(*kind)).bind(&address.0[..]);
            Ok(bind_entity(query.bind(owner_of(owner)), *kind, row))
        })
        .await?;
        for (mut changed, set_owner) in [(kept, ""), (moved, ", owner = new.owner")] {
            // As they lie in the table.
            changed.sort_unstable_by_key(|(id, ..)| *id);
            let sql = |rows| update_entities_sql(rows, set_owner);
            let most = bulk::MOST_CHANGED;
            bulk::run_each(&mut self.transaction, &changed, most, sql, |query, one| {
                let (id, owner, (kind, _), row) = one;
                Ok(bind_entity(
                    query.bind(id).bind(owner_of(owner)),
                    *kind,
                    row,
                ))
            })
            .await?;
        }
        Ok(())
    }

    async fn put_scores(&mut self, scores: &[ScoreRow], change: i64) -> Result<()> {
        let places = scores.iter().map(|(place, _)| place);
        let (known, new): (Vec<_>, Vec<_>) = {
            self.scored
                .look_up_others(&mut self.transaction, places)
                .await?;
            let scores = scores.iter();
            scores.partition(|(place, _)| self.scored.is_there(place))
        };
        self.scored.forget();
        for (scores, sql) in [
            (known, scored::update_sql as fn(usize) -> String),
            (new, scored::insert_sql),
        ] {
            let most = bulk::MOST_CHANGED;
            bulk::run_each(&mut self.transaction, &scores, most, sql, |query, one| {
                let (place, numbers) = one;
                let query = query.bind(place.bucket).bind(&place.subject.0[..]);
                Ok(query.bind(numbers.as_slice()).bind(change))
            })
            .await?;
        }
        Ok(())
    }

    async fn totals(&mut self, keys: &[TotalKey]) -> Result<Vec<(TotalKey, Total)>> {
        let mut totals = Vec::new();
        for some in bulk::parts(keys) {
            let sql = read::totals_sql(some.len());
            let mut query = sqlx::query(&sql);
            for key in some {
                query = bind_total_key(query, key);
            }
            for row in query.fetch_all(&mut *self.transaction).await? {
                totals.push(columns::total(&row)?);
            }
        }
        Ok(totals)
    }

    async fn put_totals(&mut self, totals: &[(TotalKey, Total)]) -> Result<()> {
        let sql = |rows| bulk::repeated(PUT_TOTAL, rows);
        bulk::run(&mut self.transaction, totals, sql, |query, (key, total)| {
            Ok(bind_total_key(query, key)
                .bind(total.atoms.to_be_bytes().to_vec())
                .bind(total.count.to_be_bytes().to_vec()))
        })
        .await
    }

    async fn insert_steps(&mut self, steps: &[StepRow]) -> Result<()> {
        self.learn(steps.iter().map(|step| &step.event.signature))
            .await?;
        self.accounts
            .learn(&mut self.transaction, steps.iter().map(|step| &step.job))
            .await?;
        let (numbers, accounts) = (&self.numbers, &self.accounts);
        let sql = |rows| {
            let values = bulk::values(6, rows);
            format!(
                "INSERT OR IGNORE INTO step (account, seq, tx, instruction, inner, kind) VALUES {values}"
            )
        };
        bulk::run(&mut self.transaction, steps, sql, |query, step| {
            Ok(query
                .bind(accounts.number_of(&step.job)?)
                .bind(step.seq.to_be_bytes().to_vec())
                .bind(numbers.of(&step.event.signature)?)
                .bind(step.event.instruction)
                .bind(step.event.inner)
                .bind(step.kind.map(|kind| kind as i64)))
        })
        .await
    }

    async fn insert_settlements(&mut self, settlements: &[(EventId, Settlement)]) -> Result<()> {
        self.learn(settlements.iter().map(|(id, _)| &id.signature))
            .await?;
        let numbers = &self.numbers;
        let sql = |rows| {
            let values = bulk::values(21, rows);
            format!(
                "INSERT OR IGNORE INTO settlement (tx, instruction, inner, slot, at, job, provider, client, model, mint, campaign, \
                 assurance, milestone, work, price_atoms, fee_atoms, royalty_atoms, provider_atoms, reward_atoms, \
                 submitted_at, score) VALUES {values}"
            )
        };
        bulk::run(
            &mut self.transaction,
            settlements,
            sql,
            |query, (id, settlement)| {
                let number = numbers.of(&id.signature)?;
                Ok(bind_settlement(query, number, id, settlement))
            },
        )
        .await
    }

    async fn insert_parties(&mut self, parties: &[PartyRow]) -> Result<()> {
        self.learn(parties.iter().map(|row| &row.event.signature))
            .await?;
        let numbers = &self.numbers;
        let sql = |rows| {
            let values = bulk::values(6, rows);
            format!(
                "INSERT OR IGNORE INTO party (party, concern, at, tx, instruction, inner) VALUES {values}"
            )
        };
        bulk::run(&mut self.transaction, parties, sql, |query, row| {
            Ok(query
                .bind(&row.party.0[..])
                .bind(row.concern as i64)
                .bind(row.at)
                .bind(numbers.of(&row.event.signature)?)
                .bind(row.event.instruction)
                .bind(row.event.inner))
        })
        .await
    }

    async fn put_audit(&mut self, found: &AuditRow) -> Result<()> {
        audit::replace(&mut self.transaction, found).await
    }

    async fn clear(&mut self, projection: Projection) -> Result<()> {
        self.forget_rows();
        let sql = match projection {
            Projection::Entity => "DELETE FROM entity",
            Projection::Score => "DELETE FROM score",
            Projection::Total => "DELETE FROM total",
            Projection::Step => "DELETE FROM step",
            Projection::Settlement => "DELETE FROM settlement",
            Projection::Party => "DELETE FROM party",
        };
        sqlx::query(sql).execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn remake(&mut self) -> Result<()> {
        self.forget_rows();
        let connection: &mut SqliteConnection = &mut self.transaction;
        connection.execute(include_str!("projections.sql")).await?;
        Ok(())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.transaction.commit().await?;
        if let Some(log) = &self.log {
            log.grew(self.events);
        }
        Ok(())
    }
}
