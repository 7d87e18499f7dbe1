//! Queries.

use {
    super::{
        SqliteRows, audit, bulk,
        columns::{self, entity_columns},
        numbers::numbers_sql,
    },
    crate::{
        error::Result,
        project::{
            ALL_TIME, EntityKey, EntityRow, Event, EventId, Settlement, program::EntityKind,
        },
        store::audit::AuditRow,
        store::rows::{
            Cursor, DeadLetter, Entity, Gap, Holes, JobsQuery, Meta, Milestone, MilestonesQuery,
            Origin, PartyQuery, Projected, Projection, Queries, StepEnd, Steps, Tally,
            TimelineStep,
        },
        store::score::{ScorePlace, ScoreRow},
    },
    async_trait::async_trait,
    futures::{StreamExt, stream::BoxStream},
    quern_api::{Key, Signature},
    sqlx::{Row, sqlite::SqliteRow},
    std::collections::HashSet,
};

/// Values in one list at most.
const VALUES_BOUND: usize = 500;

/// Sums that changed. The bucket stands in the text as in the index: only then the index serves.
const CHANGED: &str = "SELECT bucket, subject, numbers FROM score INDEXED BY score_change \
    WHERE bucket = -9223372036854775808 AND change > ?";

/// Rows of sums, in the order of the key.
const SUMS_BEHIND: &str = "SELECT bucket, subject, numbers FROM score WHERE bucket = ? AND subject > ? \
    ORDER BY subject LIMIT ?";

/// Which events are recorded. Crossed in this order, the wanted rows are gone through and each is looked up.
fn recorded_sql(ids: usize) -> String {
    let values = bulk::values(3, ids);
    format!(
        "WITH wanted (signature, instruction, inner) AS (VALUES {values}) SELECT wanted.* FROM wanted CROSS JOIN tx \
         ON substr(tx.signature, 1, 8) = substr(wanted.signature, 1, 8) AND tx.signature = wanted.signature \
         CROSS JOIN event ON event.tx = tx.id AND event.instruction = wanted.instruction AND event.inner = wanted.inner"
    )
}

/// Sums by their keys, in the same way.
pub(super) fn totals_sql(keys: usize) -> String {
    let values = bulk::values(3, keys);
    format!(
        "WITH wanted (category, assurance, mint) AS (VALUES {values}) \
         SELECT total.* FROM wanted CROSS JOIN total USING (category, assurance, mint)"
    )
}

/// Accounts of a kind by their owners. Left to itself, SQLite takes the primary key and reads every account of the kind.
fn entities_of_sql(owners: usize) -> String {
    const SELECT: &str = concat!(
        "SELECT ",
        entity_columns!(),
        " FROM entity INDEXED BY entity_owner WHERE kind = ? AND owner IN"
    );
    let marks = marks(owners);
    format!("{SELECT} ({marks})")
}

/// A page of one owner's accounts of a kind, by their addresses.
const OWNED: &str = concat!(
    "SELECT ",
    entity_columns!(),
    " FROM entity INDEXED BY entity_owner WHERE kind = ?1 AND owner = ?2 AND address > ?3 ORDER BY address LIMIT ?4"
);

/// The number of the job, campaign or entry at an address.
macro_rules! account_of {
    ($address:literal) => {
        concat!(
            "(SELECT id FROM entity WHERE kind IN (7, 9, 10) AND address = ",
            $address,
            ")"
        )
    };
}

/// What steps name.
macro_rules! step_joins {
    () => {
        " CROSS JOIN tx ON tx.id = step.tx CROSS JOIN event \
         ON event.tx = step.tx AND event.instruction = step.instruction AND event.inner = step.inner "
    };
}
/// Steps with one counter, which the chain never makes, are sorted by their signatures; the index has all others in order.
macro_rules! steps_sql {
    ($table:literal, $condition:literal) => {
        concat!(
            "SELECT step.seq AS step_seq, tx.signature, event.* FROM ",
            $table,
            step_joins!(),
            "WHERE step.account = ",
            account_of!("?1"),
            " AND step.seq >= ?2 \
             AND (step.seq > ?2 OR (tx.signature, step.instruction, step.inner) > (?3, ?4, ?5))",
            $condition,
            " ORDER BY step.seq, tx.signature, step.instruction, step.inner LIMIT ?6"
        )
    };
}
/// A page of a job's steps.
const STEPS: &str = steps_sql!("step", "");
/// The same of its submissions only. Left to itself, SQLite takes the primary key and reads every step.
const SUBMISSIONS: &str = steps_sql!("step INDEXED BY step_kind", " AND step.kind = 1");
/// The same of its payments in full.
const PAYMENTS: &str = steps_sql!("step INDEXED BY step_kind", " AND step.kind = 2");

/// A job's latest step.
const LAST_STEP: &str = concat!(
    "SELECT step.seq AS step_seq, tx.signature, event.* FROM step",
    step_joins!(),
    "WHERE step.account = ",
    account_of!("?1"),
    " ORDER BY step.seq DESC, tx.signature DESC LIMIT 1"
);

/// How many of a job's milestones were paid in full.
const SETTLED_OF: &str = concat!(
    "SELECT COUNT(*) AS settled FROM step WHERE kind = 2 AND account = ",
    account_of!("?1")
);

/// A page of a kind's accounts, by their addresses.
const ACCOUNTS: &str = concat!(
    "SELECT ",
    entity_columns!(),
    " FROM entity WHERE kind = ?1 AND address > ?2 ORDER BY address LIMIT ?3"
);

/// A subject's hours: each is looked up, for those of others lie between.
const HOURS_OF: &str = "WITH RECURSIVE hour (bucket) AS \
    (SELECT ?1 WHERE ?1 <= ?2 UNION ALL SELECT bucket + 1 FROM hour WHERE bucket < ?2) \
    SELECT score.bucket, score.subject, score.numbers FROM hour CROSS JOIN score \
    ON score.bucket = hour.bucket AND score.subject = ?3 ORDER BY score.bucket";

/// A page of a party's events, by time, in the order of the index.
macro_rules! party_events_sql {
    ($behind:literal, $order:literal) => {
        concat!(
            "SELECT event.*, signature FROM party CROSS JOIN tx ON tx.id = party.tx CROSS JOIN event \
             ON event.tx = party.tx AND event.instruction = party.instruction AND event.inner = party.inner \
             WHERE party.party = ?1 AND party.concern = ?2 AND party.at >= ?3 AND party.at <= ?4 \
             AND (party.at, party.tx, party.instruction, party.inner) ",
            $behind,
            " (?5, ?6, ?7, ?8) ORDER BY party.at ",
            $order,
            ", party.tx ",
            $order,
            ", party.instruction ",
            $order,
            ", party.inner ",
            $order,
            " LIMIT ?9"
        )
    };
}
const OLDEST_FIRST: &str = party_events_sql!(">", "ASC");
const NEWEST_FIRST: &str = party_events_sql!("<", "DESC");

/// A page of jobs, by their last change. The kind stands in the text as in the indexes: only then they serve. Left
/// to itself, SQLite may take the primary key and sort every job.
const JOBS: &str = concat!(
    "SELECT ",
    entity_columns!(),
    " FROM entity INDEXED BY entity_slot WHERE kind = 7 AND slot <= ?1 AND (slot < ?1 OR address < ?2) \
     ORDER BY slot DESC, address DESC LIMIT ?3"
);
/// The same of those in one state.
const JOBS_IN_STATE: &str = concat!(
    "SELECT ",
    entity_columns!(),
    " FROM entity INDEXED BY entity_state WHERE kind = 7 AND slot <= ?1 AND (slot < ?1 OR address < ?2) AND state = ?4 \
     ORDER BY slot DESC, address DESC LIMIT ?3"
);

/// The next provider of a campaign. What the partial index holds stands in the text as there: only then it serves.
const NEXT_PROVIDER: &str = "SELECT provider FROM settlement INDEXED BY settlement_campaign \
    WHERE campaign = ?1 AND campaign <> x'' AND provider > ?2 ORDER BY provider LIMIT 1";

/// A page of a provider's milestones of a campaign, each with its event, if it is there.
const MILESTONES: &str = "SELECT settlement.*, tx.signature, event.data FROM settlement INDEXED BY settlement_campaign \
    CROSS JOIN tx ON tx.id = settlement.tx LEFT JOIN event ON event.tx = settlement.tx \
    AND event.instruction = settlement.instruction AND event.inner = settlement.inner \
    WHERE campaign = ?1 AND campaign <> x'' AND provider = ?2 AND settlement.slot >= ?3 AND (settlement.slot > ?3 \
    OR (tx.signature, settlement.instruction, settlement.inner) > (?4, ?5, ?6)) \
    ORDER BY settlement.slot, tx.signature, settlement.instruction, settlement.inner LIMIT ?7";

/// As many marks as values.
fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

fn all<T>(found: &[SqliteRow], read: impl Fn(&SqliteRow) -> Result<T>) -> Result<Vec<T>> {
    found.iter().map(read).collect()
}

/// A projection in the order of its key.
fn scan_sql(projection: Projection) -> &'static str {
    match projection {
        Projection::Entity => {
            concat!(
                "SELECT ",
                entity_columns!(),
                " FROM entity ORDER BY kind, address"
            )
        }
        Projection::Score => "SELECT bucket, subject, numbers FROM score ORDER BY bucket, subject",
        Projection::Total => "SELECT * FROM total ORDER BY category, assurance, mint",
        Projection::Step => {
            "SELECT step.*, entity.address AS job, tx.signature FROM step CROSS JOIN entity ON entity.id = step.account \
             CROSS JOIN tx ON tx.id = step.tx ORDER BY job, step.seq, tx.signature, step.instruction, step.inner"
        }
        Projection::Settlement => {
            "SELECT settlement.*, signature FROM settlement CROSS JOIN tx ON tx.id = settlement.tx \
             ORDER BY signature, instruction, inner"
        }
        Projection::Party => {
            "SELECT party.*, signature FROM party CROSS JOIN tx ON tx.id = party.tx \
             ORDER BY party, concern, at, signature, instruction, inner"
        }
    }
}

fn projected(projection: Projection, row: &SqliteRow) -> Result<Projected> {
    Ok(match projection {
        Projection::Entity => {
            let (key, row) = columns::keyed_entity(row)?;
            Projected::Entity(key, row)
        }
        Projection::Score => Projected::Score(columns::score(row)?),
        Projection::Total => {
            let (key, total) = columns::total(row)?;
            Projected::Total(key, total)
        }
        Projection::Step => Projected::Step(columns::step(row)?),
        Projection::Settlement => {
            let (id, settlement) = columns::settlement(row)?;
            Projected::Settlement(id, settlement)
        }
        Projection::Party => Projected::Party(columns::party(row)?),
    })
}

fn cursor(row: &SqliteRow) -> Result<Option<Cursor>> {
    let Some(slot) = columns::maybe_number(row, "slot")? else {
        return Ok(None);
    };
    let origin = match (
        columns::maybe_signature(row, "origin_signature")?,
        columns::maybe_number(row, "origin_slot")?,
    ) {
        (Some(signature), Some(slot)) => Some(Origin { signature, slot }),
        _ => None,
    };
    Ok(Some(Cursor {
        slot,
        chain_time: row.try_get("chain_time")?,
        origin,
    }))
}

#[async_trait]
impl Queries for SqliteRows {
    async fn meta(&mut self) -> Result<Meta> {
        let row = sqlx::query("SELECT * FROM meta")
            .fetch_one(&mut *self.transaction)
            .await?;
        Ok(Meta {
            program: columns::maybe_key(&row, "program")?,
            genesis: row.try_get("genesis")?,
            cursor: cursor(&row)?,
            transactions: columns::small(&row, "transactions")?,
            events: columns::small(&row, "events")?,
            dead_letters: columns::small(&row, "dead_letters")?,
            walk_due: row.try_get("walk_due")?,
            window_hour: row.try_get("window_hour")?,
            tables: columns::small(&row, "tables")?,
            change: row.try_get("change")?,
            remade: row.try_get("remade")?,
        })
    }

    async fn holes(&mut self) -> Result<Holes> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM entity WHERE seen <> seq) AS gaps, \
             EXISTS (SELECT 1 FROM entity) AND NOT EXISTS (SELECT 1 FROM entity WHERE kind = ?) AS headless",
        )
        .bind(i64::from(EntityKind::Protocol as u8))
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(Holes {
            gaps: columns::small(&row, "gaps")?,
            headless: row.try_get("headless")?,
        })
    }

    async fn tally(&mut self) -> Result<Tally> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(entries) FROM tx) AS transactions, \
             (SELECT COUNT(*) FROM event WHERE tx IN (SELECT id FROM tx)) AS events, \
             (SELECT COUNT(*) FROM dead_letter) AS dead_letters, \
             (SELECT COUNT(*) FROM tx WHERE entries > (SELECT COUNT(*) FROM event WHERE event.tx = tx.id) \
              + (SELECT COUNT(*) FROM dead_letter WHERE dead_letter.signature = tx.signature)) AS incomplete",
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(Tally {
            transactions: columns::small(&row, "transactions")?,
            events: columns::small(&row, "events")?,
            dead_letters: columns::small(&row, "dead_letters")?,
            incomplete: columns::small(&row, "incomplete")?,
        })
    }

    async fn faults(&mut self) -> Result<Vec<String>> {
        let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(10)")
            .fetch_all(&mut *self.transaction)
            .await?;
        Ok(found.into_iter().filter(|line| line != "ok").collect())
    }

    async fn known(&mut self, signatures: &[Signature]) -> Result<HashSet<Signature>> {
        let mut known = HashSet::new();
        for some in bulk::parts(signatures) {
            let sql = numbers_sql(some.len());
            let mut query = sqlx::query(&sql);
            for signature in some {
                query = query.bind(&signature.0[..]);
            }
            for row in query.fetch_all(&mut *self.transaction).await? {
                if row.try_get::<Option<i64>, _>("entries")?.is_some() {
                    known.insert(Signature(columns::bytes(&row, "signature")?));
                }
            }
        }
        Ok(known)
    }

    async fn recorded(&mut self, ids: &[EventId]) -> Result<HashSet<EventId>> {
        let mut recorded = HashSet::new();
        // Nothing can be recorded of a transaction whose number is as young as this database transaction.
        let ids = ids.iter();
        let ids: Vec<EventId> = ids
            .filter(|id| !self.numbers.is_fresh(&id.signature))
            .copied()
            .collect();
        for some in bulk::parts(&ids) {
            let sql = recorded_sql(some.len());
            let mut query = sqlx::query(&sql);
            for id in some {
                query = query.bind(&id.signature.0[..]);
                query = query.bind(id.instruction).bind(id.inner);
            }
            for row in query.fetch_all(&mut *self.transaction).await? {
                recorded.insert(columns::event_id(&row)?);
            }
        }
        Ok(recorded)
    }

    async fn events(&mut self, after: Option<&EventId>, limit: u32) -> Result<Vec<Event>> {
        let found = match after {
            None => {
                sqlx::query(
                    "SELECT event.*, signature FROM event CROSS JOIN tx ON tx.id = event.tx \
                     ORDER BY event.tx, instruction, inner LIMIT ?",
                )
                .bind(limit)
                .fetch_all(&mut *self.transaction)
                .await?
            }
            Some(id) => {
                self.learn([&id.signature]).await?;
                sqlx::query(
                    "SELECT event.*, signature FROM event CROSS JOIN tx ON tx.id = event.tx \
                     WHERE (event.tx, instruction, inner) > (?, ?, ?) ORDER BY event.tx, instruction, inner LIMIT ?",
                )
                .bind(self.numbers.of(&id.signature)?)
                .bind(id.instruction)
                .bind(id.inner)
                .bind(limit)
                .fetch_all(&mut *self.transaction)
                .await?
            }
        };
        all(&found, columns::event)
    }

    async fn last_event(&mut self) -> Result<Option<EventId>> {
        let found = sqlx::query(
            "SELECT instruction, inner, signature FROM event CROSS JOIN tx ON tx.id = event.tx \
             ORDER BY event.tx DESC, instruction DESC, inner DESC LIMIT 1",
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        found.as_ref().map(columns::event_id).transpose()
    }

    fn scan(&mut self, projection: Projection) -> BoxStream<'_, Result<Projected>> {
        sqlx::query(scan_sql(projection))
            .fetch(&mut *self.transaction)
            .map(move |row| projected(projection, &row?))
            .boxed()
    }

    fn values(&mut self, kind: u8) -> BoxStream<'_, Result<Vec<u8>>> {
        sqlx::query("SELECT state_bytes FROM entity WHERE kind = ? AND state_bytes IS NOT NULL")
            .bind(i64::from(kind))
            .fetch(&mut *self.transaction)
            .map(|row| Ok(row?.try_get("state_bytes")?))
            .boxed()
    }

    fn live(&mut self, kind: u8) -> BoxStream<'_, Result<Entity>> {
        const SQL: &str = concat!(
            "SELECT ",
            entity_columns!(),
            " FROM entity WHERE kind = ? AND NOT closed ORDER BY address"
        );
        sqlx::query(SQL)
            .bind(i64::from(kind))
            .fetch(&mut *self.transaction)
            .map(|row| columns::entity(&row?))
            .boxed()
    }

    async fn entities(&mut self, keys: &[EntityKey]) -> Result<Vec<(EntityKey, EntityRow)>> {
        self.accounts.forget();
        self.accounts.look_up(&mut self.transaction, keys).await
    }

    async fn entity(&mut self, (kind, address): &EntityKey) -> Result<Option<EntityRow>> {
        const SQL: &str = concat!(
            "SELECT ",
            entity_columns!(),
            " FROM entity WHERE kind = ? AND address = ?"
        );
        let found = sqlx::query(SQL)
            .bind(i64::from(*kind))
            .bind(&address.0[..])
            .fetch_optional(&mut *self.transaction)
            .await?;
        found.as_ref().map(columns::entity_row).transpose()
    }

    async fn entities_of(&mut self, kind: u8, owners: &[Key]) -> Result<Vec<Entity>> {
        let mut entities = Vec::new();
        for some in owners.chunks(VALUES_BOUND) {
            let sql = entities_of_sql(some.len());
            let mut query = sqlx::query(&sql).bind(i64::from(kind));
            for owner in some {
                query = query.bind(&owner.0[..]);
            }
            entities.extend(all(
                &query.fetch_all(&mut *self.transaction).await?,
                columns::entity,
            )?);
        }
        entities.sort_unstable_by_key(|entity| entity.address);
        Ok(entities)
    }

    async fn owned(
        &mut self,
        kind: u8,
        owner: &Key,
        after: Option<&Key>,
        limit: u32,
    ) -> Result<Vec<Entity>> {
        let found = sqlx::query(OWNED)
            .bind(i64::from(kind))
            .bind(&owner.0[..])
            .bind(after.map_or(&[][..], |address| &address.0[..]))
            .bind(limit)
            .fetch_all(&mut *self.transaction)
            .await?;
        all(&found, columns::entity)
    }

    async fn accounts(&mut self, kind: u8, after: Option<&Key>, limit: u32) -> Result<Vec<Entity>> {
        let found = sqlx::query(ACCOUNTS)
            .bind(i64::from(kind))
            .bind(after.map_or(&[][..], |address| &address.0[..]))
            .bind(limit)
            .fetch_all(&mut *self.transaction)
            .await?;
        all(&found, columns::entity)
    }

    async fn gaps(&mut self, limit: u32) -> Result<(u64, Vec<Gap>)> {
        let row = sqlx::query("SELECT COUNT(*) AS gaps FROM entity WHERE seen <> seq")
            .fetch_one(&mut *self.transaction)
            .await?;
        let found = sqlx::query(
            "SELECT kind, address, seq, seen FROM entity WHERE seen <> seq ORDER BY kind, address LIMIT ?",
        )
        .bind(limit)
        .fetch_all(&mut *self.transaction)
        .await?;
        Ok((columns::small(&row, "gaps")?, all(&found, columns::gap)?))
    }

    fn scores_between(&mut self, first: i64, last: i64) -> BoxStream<'_, Result<ScoreRow>> {
        let sql = "SELECT bucket, subject, numbers FROM score WHERE bucket >= ? AND bucket <= ?";
        sqlx::query(sql)
            .bind(first)
            .bind(last)
            .fetch(&mut *self.transaction)
            .map(|row| columns::score(&row?))
            .boxed()
    }

    async fn sums_since(&mut self, change: i64) -> Result<Vec<ScoreRow>> {
        let found = sqlx::query(CHANGED).bind(change);
        all(
            &found.fetch_all(&mut *self.transaction).await?,
            columns::score,
        )
    }

    async fn sums_behind(&mut self, after: Option<&Key>, limit: u32) -> Result<Vec<ScoreRow>> {
        let found = sqlx::query(SUMS_BEHIND)
            .bind(ALL_TIME)
            .bind(after.map_or(&[][..], |subject| &subject.0[..]))
            .bind(limit);
        all(
            &found.fetch_all(&mut *self.transaction).await?,
            columns::score,
        )
    }

    async fn scores(&mut self, places: &[ScorePlace]) -> Result<Vec<ScoreRow>> {
        self.scored.forget();
        self.scored.look_up(&mut self.transaction, places).await
    }

    async fn hours_of(&mut self, subject: &Key, first: i64, last: i64) -> Result<Vec<ScoreRow>> {
        let found = sqlx::query(HOURS_OF)
            .bind(first)
            .bind(last)
            .bind(&subject.0[..])
            .fetch_all(&mut *self.transaction)
            .await?;
        all(&found, columns::score)
    }

    async fn party_events(&mut self, query: &PartyQuery) -> Result<Vec<Event>> {
        let (sql, start) = match query.newest_first {
            true => (NEWEST_FIRST, (i64::MAX, i64::MAX)),
            false => (OLDEST_FIRST, (i64::MIN, i64::MIN)),
        };
        let (at, number) = match &query.after {
            Some((at, id)) => {
                self.learn([&id.signature]).await?;
                (*at, self.numbers.of(&id.signature)?)
            }
            None => start,
        };
        let (first, last) = query.seconds();
        let after = query.after.as_ref();
        let found = sqlx::query(sql)
            .bind(&query.party.0[..])
            .bind(query.concern as i64)
            .bind(first)
            .bind(last)
            .bind(at)
            .bind(number)
            .bind(after.map_or(0, |(_, id)| id.instruction))
            .bind(after.map_or(0, |(_, id)| id.inner))
            .bind(query.limit)
            .fetch_all(&mut *self.transaction)
            .await?;
        all(&found, columns::event)
    }

    async fn settlements_of(
        &mut self,
        provider: &Key,
        limit: u32,
    ) -> Result<Vec<(EventId, Settlement)>> {
        let found = sqlx::query(
            "SELECT settlement.*, signature FROM settlement CROSS JOIN tx ON tx.id = settlement.tx WHERE provider = ? \
             ORDER BY settlement.slot DESC, signature DESC, instruction DESC, inner DESC LIMIT ?",
        )
        .bind(&provider.0[..])
        .bind(limit)
        .fetch_all(&mut *self.transaction)
        .await?;
        all(&found, columns::settlement)
    }

    async fn next_provider_of(
        &mut self,
        campaign: &Key,
        after: Option<&Key>,
    ) -> Result<Option<Key>> {
        let found = sqlx::query(NEXT_PROVIDER)
            .bind(&campaign.0[..])
            .bind(after.map_or(&[][..], |provider| &provider.0[..]))
            .fetch_optional(&mut *self.transaction)
            .await?;
        found.map(|row| columns::key(&row, "provider")).transpose()
    }

    async fn milestones_of(&mut self, query: &MilestonesQuery) -> Result<Vec<Milestone>> {
        let (slot, id) = query.after.map_or((0, None), |(slot, id)| (slot, Some(id)));
        let found = sqlx::query(MILESTONES)
            .bind(&query.campaign.0[..])
            .bind(&query.provider.0[..])
            .bind(slot.to_be_bytes().to_vec())
            .bind(id.map_or(Vec::new(), |id| id.signature.0.to_vec()))
            .bind(id.map_or(0, |id| id.instruction))
            .bind(id.map_or(0, |id| id.inner))
            .bind(query.limit)
            .fetch_all(&mut *self.transaction)
            .await?;
        all(&found, columns::milestone)
    }

    async fn dead_letters_between(
        &mut self,
        first: u64,
        last: u64,
        limit: u32,
    ) -> Result<Vec<DeadLetter>> {
        let found = sqlx::query(
            "SELECT * FROM dead_letter WHERE slot >= ? AND slot <= ? \
             ORDER BY slot, signature, instruction, inner LIMIT ?",
        )
        .bind(first.to_be_bytes().to_vec())
        .bind(last.to_be_bytes().to_vec())
        .bind(limit)
        .fetch_all(&mut *self.transaction)
        .await?;
        all(&found, columns::dead_letter)
    }

    async fn steps_of(
        &mut self,
        job: &Key,
        kind: Steps,
        after: Option<&StepEnd>,
        limit: u32,
    ) -> Result<Vec<TimelineStep>> {
        let sql = match kind {
            Steps::All => STEPS,
            Steps::Submissions => SUBMISSIONS,
            Steps::Payments => PAYMENTS,
        };
        // Counters begin with 1.
        let (seq, id) = after.map_or((0, None), |end| (end.seq, Some(&end.event)));
        let found = sqlx::query(sql)
            .bind(&job.0[..])
            .bind(seq.to_be_bytes().to_vec())
            .bind(id.map_or(&[][..], |id| &id.signature.0[..]))
            .bind(id.map_or(0, |id| id.instruction))
            .bind(id.map_or(0, |id| id.inner))
            .bind(limit)
            .fetch_all(&mut *self.transaction)
            .await?;
        all(&found, columns::timeline_step)
    }

    async fn last_step_of(&mut self, job: &Key) -> Result<Option<TimelineStep>> {
        let found = sqlx::query(LAST_STEP)
            .bind(&job.0[..])
            .fetch_optional(&mut *self.transaction)
            .await?;
        found.as_ref().map(columns::timeline_step).transpose()
    }

    async fn settled_of(&mut self, job: &Key) -> Result<u32> {
        let row = sqlx::query(SETTLED_OF)
            .bind(&job.0[..])
            .fetch_one(&mut *self.transaction)
            .await?;
        columns::small(&row, "settled")
    }

    async fn jobs(&mut self, query: &JobsQuery) -> Result<Vec<Entity>> {
        // Behind the last row of a page: an older slot, or the same slot and a smaller address.
        let (slot, address) = query.after.unwrap_or((u64::MAX, Key([u8::MAX; 32])));
        let slot = slot.to_be_bytes();
        let sql = if query.state.is_some() {
            JOBS_IN_STATE
        } else {
            JOBS
        };
        let mut found = sqlx::query(sql)
            .bind(&slot[..])
            .bind(&address.0[..])
            .bind(query.limit);
        if let Some(state) = query.state {
            found = found.bind(i64::from(state));
        }
        all(
            &found.fetch_all(&mut *self.transaction).await?,
            columns::entity,
        )
    }

    async fn audit(&mut self) -> Result<Option<AuditRow>> {
        audit::last(&mut self.transaction).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::{
            super::{account, scored, write},
            *,
        },
        crate::{
            project::{Concern, has_time_line},
            store::{Role, Sqlite, rows::Engine},
        },
        std::sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        tempfile::TempDir,
    };

    async fn opened(folder: &TempDir) -> Sqlite {
        let path = folder.path().join("db");
        let engine = Sqlite::open(&path, Role::Leader).await.unwrap();
        let mut rows = engine.write().await.unwrap();
        rows.remake().await.unwrap();
        rows.commit().await.unwrap();
        engine
    }

    /// How SQLite would search for a query.
    async fn plan(engine: &Sqlite, sql: &str) -> String {
        let mut reader = engine.reader.acquire().await.unwrap();
        // A connection hears of other tables when it reads one, not when it explains how it would.
        sqlx::query("SELECT COUNT(*) FROM score")
            .fetch_one(&mut *reader)
            .await
            .unwrap();
        let steps = sqlx::query(&format!("EXPLAIN QUERY PLAN {sql}"))
            .fetch_all(&mut *reader)
            .await
            .unwrap();
        let steps = steps.iter().map(|step| step.get::<String, _>("detail"));
        steps.collect::<Vec<_>>().join("; ")
    }

    #[tokio::test]
    async fn no_query_of_a_leaderboard_reads_every_provider() {
        let folder = TempDir::new().unwrap();
        let engine = opened(&folder).await;
        let changed = plan(&engine, CHANGED).await;
        assert!(
            changed.contains("score_change (change>?)") && !changed.contains("TEMP B-TREE"),
            "{changed}"
        );
        let sums = plan(&engine, SUMS_BEHIND).await;
        assert!(
            sums.contains("PRIMARY KEY (bucket=? AND subject>?)") && !sums.contains("TEMP B-TREE"),
            "{sums}"
        );
        let accounts = plan(&engine, &entities_of_sql(2)).await;
        assert!(
            accounts.contains("entity_owner (kind=? AND owner=?)"),
            "{accounts}"
        );
    }

    #[tokio::test]
    async fn a_batch_looks_up_each_row_that_it_changes() {
        let folder = TempDir::new().unwrap();
        let engine = opened(&folder).await;
        for (sql, search) in [
            (recorded_sql(2), "(tx=? AND instruction=? AND inner=?)"),
            (numbers_sql(2), "tx_signature (<expr>=?)"),
            (account::entities_sql(2), "entity_1 (kind=? AND address=?)"),
            (account::numbers_sql(2), "entity_1 (kind=? AND address=?)"),
            (
                totals_sql(2),
                "PRIMARY KEY (category=? AND assurance=? AND mint=?)",
            ),
            (
                scored::scores_sql(2),
                "PRIMARY KEY (bucket=? AND subject=?)",
            ),
        ] {
            let plan = plan(&engine, &sql).await;
            assert!(
                plan.contains(search) && plan.contains("SCAN wanted"),
                "{plan}"
            );
        }
    }

    /// However many rows one statement changes.
    #[tokio::test]
    async fn an_update_of_many_rows_looks_each_up() {
        let folder = TempDir::new().unwrap();
        let engine = opened(&folder).await;
        for rows in [1, 2, bulk::MOST_CHANGED] {
            for (sql, search) in [
                (
                    scored::update_sql(rows),
                    "SEARCH score USING PRIMARY KEY (bucket=? AND subject=?)",
                ),
                (
                    write::update_entities_sql(rows, ""),
                    "SEARCH entity USING INTEGER PRIMARY KEY (rowid=?)",
                ),
            ] {
                let plan = plan(&engine, &sql).await;
                assert!(plan.contains(search), "{plan}");
            }
        }
    }

    #[tokio::test]
    async fn no_page_of_jobs_reads_or_sorts_all_of_them() {
        assert_eq!(EntityKind::Job as u8, 7, "as in the queries' text");
        let folder = TempDir::new().unwrap();
        let engine = opened(&folder).await;
        for (sql, index) in [
            (JOBS, "entity_slot (slot<?)"),
            (JOBS_IN_STATE, "entity_state (state=? AND slot<?)"),
        ] {
            let plan = plan(&engine, sql).await;
            assert!(
                plan.contains(index) && !plan.contains("TEMP B-TREE"),
                "{plan}"
            );
        }
    }

    /// Steps of SQLite's machine that a page of a party's events takes.
    async fn cost(engine: &Sqlite, query: &PartyQuery) -> usize {
        let mut rows = SqliteRows::new(engine.reader.begin().await.unwrap());
        let steps = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&steps);
        let mut handle = rows.transaction.lock_handle().await.unwrap();
        handle.set_progress_handler(1, move || {
            counted.fetch_add(1, Ordering::Relaxed);
            true
        });
        drop(handle);
        // The events are no events: they are only looked up.
        let _ = rows.party_events(query).await;
        let mut handle = rows.transaction.lock_handle().await.unwrap();
        handle.remove_progress_handler();
        steps.load(Ordering::Relaxed)
    }

    /// The last page of a party's events costs what the first one costs, in both directions.
    #[tokio::test]
    async fn no_page_of_a_party_passes_over_those_before_it() {
        const EVENTS: u32 = 20_000;
        let folder = TempDir::new().unwrap();
        let engine = opened(&folder).await;
        let mut writer = engine.writer.as_ref().unwrap().acquire().await.unwrap();
        for sql in [
            "INSERT INTO tx (id, signature, slot) SELECT n, CAST(printf('%08d%056d', n, 0) AS BLOB), zeroblob(8) FROM n",
            "INSERT INTO event SELECT n, 0, 0, zeroblob(8), '', x'' FROM n",
            "INSERT INTO party SELECT zeroblob(32), 0, n, n, 0, 0 FROM n",
        ] {
            let (insert, select) = sql.split_at(sql.find("SELECT").unwrap());
            let numbers = format!(
                "{insert} WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {EVENTS}) {select}"
            );
            sqlx::query(&numbers).execute(&mut *writer).await.unwrap();
        }
        let at = |second: u32| {
            let signature = format!("{second:08}{:056}", 0)
                .into_bytes()
                .try_into()
                .unwrap();
            let id = EventId {
                signature: Signature(signature),
                instruction: 0,
                inner: 0,
            };
            Some((i64::from(second), id))
        };
        for newest_first in [false, true] {
            let page = |after| PartyQuery {
                party: Key([0; 32]),
                concern: Concern::Money,
                from: i64::MIN,
                to: i64::MAX,
                after,
                newest_first,
                limit: 50,
            };
            let first = cost(&engine, &page(None)).await;
            assert!(first > 50, "{first}");
            for second in [100, EVENTS / 2, EVENTS - 100] {
                let later = cost(&engine, &page(at(second))).await;
                assert!(later < 2 * first, "{later} and {first}");
            }
            // A cursor names any time.
            for second in [i64::MIN, i64::MAX] {
                let strange = at(EVENTS / 2).map(|(_, id)| (second, id));
                let strange = cost(&engine, &page(strange)).await;
                assert!(strange < 2 * first, "{strange} and {first}");
            }
        }
    }

    /// A job may have millions of steps and demands; a page of them costs a page.
    #[tokio::test]
    async fn no_page_of_a_job_reads_or_sorts_all_of_it() {
        let with_steps: Vec<u8> = (0..=u8::MAX).filter(|kind| has_time_line(*kind)).collect();
        assert_eq!(with_steps, [7, 9, 10], "as in the queries' text");
        let folder = TempDir::new().unwrap();
        let engine = opened(&folder).await;
        for (sql, index) in [
            (STEPS, "step USING PRIMARY KEY (account=? AND seq>?)"),
            (SUBMISSIONS, "step_kind (account=? AND kind=? AND seq>?)"),
            (PAYMENTS, "step_kind (account=? AND kind=? AND seq>?)"),
            (LAST_STEP, "step USING PRIMARY KEY (account=?)"),
            (SETTLED_OF, "step_kind (account=? AND kind=?)"),
            (OWNED, "entity_owner (kind=? AND owner=? AND address>?)"),
            (ACCOUNTS, "(kind=? AND address>?)"),
            (
                NEXT_PROVIDER,
                "settlement_campaign (campaign=? AND provider>?)",
            ),
            (
                MILESTONES,
                "settlement_campaign (campaign=? AND provider=? AND slot>?)",
            ),
            (
                OLDEST_FIRST,
                "party USING PRIMARY KEY (party=? AND concern=?",
            ),
            (
                NEWEST_FIRST,
                "party USING PRIMARY KEY (party=? AND concern=?",
            ),
        ] {
            let plan = plan(&engine, sql).await;
            // Only steps with one counter are sorted.
            assert!(
                plan.contains(index)
                    && !plan.contains("TEMP B-TREE FOR ORDER BY")
                    && !plan.contains("SCAN"),
                "{plan}"
            );
        }
    }
}
