//! Queries. Lists go to the server as arrays: one statement a list, whatever its length, and each prepared once.

use {
    super::{PgRows, audit, columns},
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
    sqlx::{Row, postgres::PgRow},
    std::collections::HashSet,
};

macro_rules! entity_columns {
    () => {
        "kind, address, seq, seen, closed, entity.slot, cause.signature, instruction, inner_index, state_seq, \
         stated.signature AS state_signature, state_instruction, state_inner, state_bytes, text_seq, text"
    };
}
/// The transactions that accounts name.
macro_rules! entity_joins {
    () => {
        " JOIN tx AS cause ON cause.id = entity.tx LEFT JOIN tx AS stated ON stated.id = entity.state_tx "
    };
}
macro_rules! entities_sql {
    ($from:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            entity_columns!(),
            " FROM ",
            $from,
            entity_joins!(),
            $rest
        )
    };
}

/// Sums that changed. The bucket stands in the text as in the index: only then the index serves.
const CHANGED: &str = "SELECT bucket, subject, numbers FROM score \
    WHERE bucket = '-9223372036854775808'::BIGINT AND change > $1";

/// Jobs behind the last row of a page: an older slot, or the same slot and a smaller address. The kind stands in the text as in
/// the indexes: only then they serve.
const EVERY_JOB: &str = entities_sql!(
    "entity",
    "WHERE kind = 7 AND entity.slot <= $1 AND (entity.slot < $1 OR address < $2) \
     ORDER BY entity.slot DESC, address DESC LIMIT $3"
);
const JOBS_IN_STATE: &str = entities_sql!(
    "entity",
    "WHERE kind = 7 AND entity.slot <= $1 AND (entity.slot < $1 OR address < $2) AND state = $4 \
     ORDER BY entity.slot DESC, address DESC LIMIT $3"
);

/// A page of a party's events, by time, in the order of the index.
macro_rules! party_events_sql {
    ($behind:literal, $order:literal) => {
        concat!(
            "SELECT event.*, signature FROM party JOIN tx ON tx.id = party.tx JOIN event \
             ON (event.tx, event.instruction, event.inner_index) = (party.tx, party.instruction, party.inner_index) \
             WHERE party.party = $1 AND party.concern = $2 AND party.at >= $3 AND party.at <= $4 \
             AND (party.at, party.tx, party.instruction, party.inner_index) ",
            $behind,
            " ($5, COALESCE((SELECT id FROM tx WHERE signature = $6), $7), $8, $9) ORDER BY party.at ",
            $order,
            ", party.tx ",
            $order,
            ", party.instruction ",
            $order,
            ", party.inner_index ",
            $order,
            " LIMIT $10"
        )
    };
}
const OLDEST_FIRST: &str = party_events_sql!(">", "ASC");
const NEWEST_FIRST: &str = party_events_sql!("<", "DESC");

/// What steps name.
macro_rules! step_joins {
    () => {
        " JOIN tx ON tx.id = step.tx \
         JOIN event ON (event.tx, event.instruction, event.inner_index) = (step.tx, step.instruction, step.inner_index) "
    };
}
/// Steps with one counter, which the chain never makes, are sorted by their signatures; the index has all others in order.
macro_rules! steps_sql {
    ($condition:literal) => {
        concat!(
            "SELECT step.seq AS step_seq, tx.signature, event.* FROM step",
            step_joins!(),
            "WHERE step.job = $1 AND step.seq >= $2 \
             AND (step.seq > $2 OR (tx.signature, step.instruction, step.inner_index) > ($3, $4, $5))",
            $condition,
            " ORDER BY step.seq, tx.signature, step.instruction, step.inner_index LIMIT $6"
        )
    };
}
const STEPS: &str = steps_sql!("");
const SUBMISSIONS: &str = steps_sql!(" AND step.kind = 1");
const PAYMENTS: &str = steps_sql!(" AND step.kind = 2");

const LAST_STEP: &str = concat!(
    "SELECT step.seq AS step_seq, tx.signature, event.* FROM step",
    step_joins!(),
    "WHERE step.job = $1 ORDER BY step.seq DESC, tx.signature DESC LIMIT 1"
);

/// What the partial index of campaigns holds, as it stands there: only then it serves.
macro_rules! names_campaign {
    () => {
        " campaign <> '\\x0000000000000000000000000000000000000000000000000000000000000000'::BYTEA "
    };
}
const NEXT_PROVIDER: &str = concat!(
    "SELECT provider FROM settlement WHERE campaign = $1 AND",
    names_campaign!(),
    "AND provider > $2 ORDER BY provider LIMIT 1"
);
const MILESTONES: &str = concat!(
    "SELECT settlement.*, tx.signature, event.data FROM settlement JOIN tx ON tx.id = settlement.tx LEFT JOIN event \
     ON (event.tx, event.instruction, event.inner_index) \
     = (settlement.tx, settlement.instruction, settlement.inner_index) WHERE campaign = $1 AND",
    names_campaign!(),
    "AND provider = $2 AND settlement.slot >= $3 AND (settlement.slot > $3 \
     OR (tx.signature, settlement.instruction, settlement.inner_index) > ($4, $5, $6)) \
     ORDER BY settlement.slot, tx.signature, settlement.instruction, settlement.inner_index LIMIT $7"
);

fn all<T>(found: &[PgRow], read: impl Fn(&PgRow) -> Result<T>) -> Result<Vec<T>> {
    found.iter().map(read).collect()
}

/// A projection in the order of its key.
fn scan_sql(projection: Projection) -> &'static str {
    match projection {
        Projection::Entity => entities_sql!("entity", "ORDER BY kind, address"),
        Projection::Score => "SELECT bucket, subject, numbers FROM score ORDER BY bucket, subject",
        Projection::Total => "SELECT * FROM total ORDER BY category, assurance, mint",
        Projection::Step => {
            "SELECT step.*, signature FROM step JOIN tx ON tx.id = step.tx \
             ORDER BY job, seq, signature, instruction, inner_index"
        }
        Projection::Party => {
            "SELECT party.*, signature FROM party JOIN tx ON tx.id = party.tx \
             ORDER BY party, concern, at, signature, instruction, inner_index"
        }
        Projection::Settlement => {
            "SELECT settlement.*, signature FROM settlement JOIN tx ON tx.id = settlement.tx \
             ORDER BY signature, instruction, inner_index"
        }
    }
}

fn projected(projection: Projection, row: &PgRow) -> Result<Projected> {
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

fn cursor(row: &PgRow) -> Result<Option<Cursor>> {
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
impl Queries for PgRows {
    async fn meta(&mut self) -> Result<Meta> {
        let row = sqlx::query("SELECT * FROM meta")
            .fetch_one(&mut **self)
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
             EXISTS (SELECT 1 FROM entity) AND NOT EXISTS (SELECT 1 FROM entity WHERE kind = $1) AS headless",
        )
        .bind(i16::from(EntityKind::Protocol as u8))
        .fetch_one(&mut **self)
        .await?;
        Ok(Holes {
            gaps: columns::small(&row, "gaps")?,
            headless: row.try_get("headless")?,
        })
    }

    async fn tally(&mut self) -> Result<Tally> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(entries) FROM tx) AS transactions, \
             (SELECT COUNT(*) FROM event JOIN tx ON tx.id = event.tx) AS events, \
             (SELECT COUNT(*) FROM dead_letter) AS dead_letters, \
             (SELECT COUNT(*) FROM tx WHERE entries > (SELECT COUNT(*) FROM event WHERE event.tx = tx.id) \
              + (SELECT COUNT(*) FROM dead_letter WHERE dead_letter.signature = tx.signature)) AS incomplete",
        )
        .fetch_one(&mut **self)
        .await?;
        Ok(Tally {
            transactions: columns::small(&row, "transactions")?,
            events: columns::small(&row, "events")?,
            dead_letters: columns::small(&row, "dead_letters")?,
            incomplete: columns::small(&row, "incomplete")?,
        })
    }

    async fn faults(&mut self) -> Result<Vec<String>> {
        // The server checks a page when it reads it; whoever compares the tables reads them all.
        Ok(Vec::new())
    }

    async fn known(&mut self, signatures: &[Signature]) -> Result<HashSet<Signature>> {
        let signatures: Vec<[u8; 64]> = signatures.iter().map(|one| one.0).collect();
        let found = sqlx::query(
            "SELECT signature FROM UNNEST($1::BYTEA[]) AS wanted (signature) JOIN tx USING (signature) \
             WHERE entries IS NOT NULL",
        )
        .bind(signatures)
        .fetch_all(&mut **self)
        .await?;
        let known = found
            .iter()
            .map(|row| columns::bytes(row, "signature").map(Signature));
        known.collect()
    }

    async fn recorded(&mut self, ids: &[EventId]) -> Result<HashSet<EventId>> {
        let found = sqlx::query(
            "SELECT wanted.* FROM UNNEST($1::BYTEA[], $2::BIGINT[], $3::BIGINT[]) \
             AS wanted (signature, instruction, inner_index) JOIN tx USING (signature) \
             JOIN event ON (event.tx, event.instruction, event.inner_index) \
             = (tx.id, wanted.instruction, wanted.inner_index)",
        )
        .bind(list(ids, |id| id.signature.0))
        .bind(list(ids, |id| i64::from(id.instruction)))
        .bind(list(ids, |id| i64::from(id.inner)))
        .fetch_all(&mut **self)
        .await?;
        found.iter().map(columns::event_id).collect()
    }

    async fn events(&mut self, after: Option<&EventId>, limit: u32) -> Result<Vec<Event>> {
        let found = sqlx::query(
            "SELECT event.*, signature FROM event JOIN tx ON tx.id = event.tx \
             WHERE (event.tx, instruction, inner_index) > \
             (COALESCE((SELECT id FROM tx WHERE signature = $1), 0), $2, $3) \
             ORDER BY event.tx, instruction, inner_index LIMIT $4",
        )
        .bind(after.map(|id| id.signature.0))
        .bind(after.map_or(-1, |id| i64::from(id.instruction)))
        .bind(after.map_or(-1, |id| i64::from(id.inner)))
        .bind(i64::from(limit))
        .fetch_all(&mut **self)
        .await?;
        all(&found, columns::event)
    }

    async fn last_event(&mut self) -> Result<Option<EventId>> {
        let found = sqlx::query(
            "SELECT instruction, inner_index, signature FROM event JOIN tx ON tx.id = event.tx \
             ORDER BY event.tx DESC, instruction DESC, inner_index DESC LIMIT 1",
        )
        .fetch_optional(&mut **self)
        .await?;
        found.as_ref().map(columns::event_id).transpose()
    }

    fn scan(&mut self, projection: Projection) -> BoxStream<'_, Result<Projected>> {
        sqlx::query(scan_sql(projection))
            .fetch(&mut **self)
            .map(move |row| projected(projection, &row?))
            .boxed()
    }

    fn values(&mut self, kind: u8) -> BoxStream<'_, Result<Vec<u8>>> {
        sqlx::query("SELECT state_bytes FROM entity WHERE kind = $1 AND state_bytes IS NOT NULL")
            .bind(i16::from(kind))
            .fetch(&mut **self)
            .map(|row| Ok(row?.try_get("state_bytes")?))
            .boxed()
    }

    fn live(&mut self, kind: u8) -> BoxStream<'_, Result<Entity>> {
        const SQL: &str =
            entities_sql!("entity", "WHERE kind = $1 AND NOT closed ORDER BY address");
        sqlx::query(SQL)
            .bind(i16::from(kind))
            .fetch(&mut **self)
            .map(|row| columns::entity(&row?))
            .boxed()
    }

    async fn entities(&mut self, keys: &[EntityKey]) -> Result<Vec<(EntityKey, EntityRow)>> {
        const SQL: &str = entities_sql!(
            "UNNEST($1::SMALLINT[], $2::BYTEA[]) AS wanted (kind, address) JOIN entity USING (kind, address)",
            ""
        );
        let found = sqlx::query(SQL)
            .bind(list(keys, |key| i16::from(key.0)))
            .bind(list(keys, |key| key.1.0))
            .fetch_all(&mut **self)
            .await?;
        all(&found, columns::keyed_entity)
    }

    async fn entity(&mut self, (kind, address): &EntityKey) -> Result<Option<EntityRow>> {
        const SQL: &str = entities_sql!("entity", "WHERE kind = $1 AND address = $2");
        let found = sqlx::query(SQL)
            .bind(i16::from(*kind))
            .bind(address.0)
            .fetch_optional(&mut **self)
            .await?;
        found.as_ref().map(columns::entity_row).transpose()
    }

    async fn entities_of(&mut self, kind: u8, owners: &[Key]) -> Result<Vec<Entity>> {
        const SQL: &str = entities_sql!(
            "entity",
            "WHERE kind = $1 AND owner = ANY($2) ORDER BY address"
        );
        let found = sqlx::query(SQL)
            .bind(i16::from(kind))
            .bind(list(owners, |owner| owner.0))
            .fetch_all(&mut **self)
            .await?;
        all(&found, columns::entity)
    }

    async fn owned(
        &mut self,
        kind: u8,
        owner: &Key,
        after: Option<&Key>,
        limit: u32,
    ) -> Result<Vec<Entity>> {
        const SQL: &str = entities_sql!(
            "entity",
            "WHERE kind = $1 AND owner = $2 AND address > $3 ORDER BY address LIMIT $4"
        );
        let found = sqlx::query(SQL)
            .bind(i16::from(kind))
            .bind(owner.0)
            .bind(after.map_or(&[][..], |address| &address.0[..]))
            .bind(i64::from(limit))
            .fetch_all(&mut **self)
            .await?;
        all(&found, columns::entity)
    }

    async fn accounts(&mut self, kind: u8, after: Option<&Key>, limit: u32) -> Result<Vec<Entity>> {
        const SQL: &str = entities_sql!(
            "entity",
            "WHERE kind = $1 AND address > $2 ORDER BY address LIMIT $3"
        );
        let found = sqlx::query(SQL)
            .bind(i16::from(kind))
            .bind(after.map_or(&[][..], |address| &address.0[..]))
            .bind(i64::from(limit))
            .fetch_all(&mut **self)
            .await?;
        all(&found, columns::entity)
    }

    async fn gaps(&mut self, limit: u32) -> Result<(u64, Vec<Gap>)> {
        let row = sqlx::query("SELECT COUNT(*) AS gaps FROM entity WHERE seen <> seq")
            .fetch_one(&mut **self)
            .await?;
        let found = sqlx::query(
            "SELECT kind, address, seq, seen FROM entity WHERE seen <> seq ORDER BY kind, address LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&mut **self)
        .await?;
        Ok((columns::small(&row, "gaps")?, all(&found, columns::gap)?))
    }

    fn scores_between(&mut self, first: i64, last: i64) -> BoxStream<'_, Result<ScoreRow>> {
        let sql = "SELECT bucket, subject, numbers FROM score WHERE bucket >= $1 AND bucket <= $2";
        sqlx::query(sql)
            .bind(first)
            .bind(last)
            .fetch(&mut **self)
            .map(|row| columns::score(&row?))
            .boxed()
    }

    async fn sums_since(&mut self, change: i64) -> Result<Vec<ScoreRow>> {
        let found = sqlx::query(CHANGED).bind(change);
        all(&found.fetch_all(&mut **self).await?, columns::score)
    }

    async fn sums_behind(&mut self, after: Option<&Key>, limit: u32) -> Result<Vec<ScoreRow>> {
        let found = sqlx::query(
            "SELECT bucket, subject, numbers FROM score WHERE bucket = $1 AND subject > $2 ORDER BY subject LIMIT $3",
        )
        .bind(ALL_TIME)
        .bind(after.map_or(&[][..], |subject| &subject.0[..]))
        .bind(i64::from(limit))
        .fetch_all(&mut **self)
        .await?;
        all(&found, columns::score)
    }

    async fn scores(&mut self, places: &[ScorePlace]) -> Result<Vec<ScoreRow>> {
        const SQL: &str = "SELECT bucket, subject, numbers FROM UNNEST($1::BIGINT[], $2::BYTEA[]) \
            AS wanted (bucket, subject) JOIN score USING (bucket, subject)";
        let found = sqlx::query(SQL)
            .bind(list(places, |place| place.bucket))
            .bind(list(places, |place| place.subject.0))
            .fetch_all(&mut **self)
            .await?;
        all(&found, columns::score)
    }

    async fn hours_of(&mut self, subject: &Key, first: i64, last: i64) -> Result<Vec<ScoreRow>> {
        // Each hour is looked up, for those of others lie between.
        let found = sqlx::query(
            "SELECT score.bucket, score.subject, score.numbers FROM generate_series($1, $2) AS hour (bucket) \
             JOIN score ON score.bucket = hour.bucket AND score.subject = $3 ORDER BY score.bucket",
        )
        .bind(first)
        .bind(last)
        .bind(subject.0)
        .fetch_all(&mut **self)
        .await?;
        all(&found, columns::score)
    }

    async fn party_events(&mut self, query: &PartyQuery) -> Result<Vec<Event>> {
        let (sql, start) = match query.newest_first {
            true => (NEWEST_FIRST, (i64::MAX, i64::MAX)),
            false => (OLDEST_FIRST, (i64::MIN, i64::MIN)),
        };
        let (first, last) = query.seconds();
        let after = query.after.as_ref();
        let found = sqlx::query(sql)
            .bind(query.party.0)
            .bind(query.concern as i16)
            .bind(first)
            .bind(last)
            .bind(after.map_or(start.0, |(at, _)| *at))
            .bind(after.map(|(_, id)| id.signature.0))
            .bind(start.1)
            .bind(after.map_or(0, |(_, id)| i64::from(id.instruction)))
            .bind(after.map_or(0, |(_, id)| i64::from(id.inner)))
            .bind(i64::from(query.limit))
            .fetch_all(&mut **self)
            .await?;
        all(&found, columns::event)
    }

    async fn settlements_of(
        &mut self,
        provider: &Key,
        limit: u32,
    ) -> Result<Vec<(EventId, Settlement)>> {
        let found = sqlx::query(
            "SELECT settlement.*, signature FROM settlement JOIN tx ON tx.id = settlement.tx WHERE provider = $1 \
             ORDER BY settlement.slot DESC, signature DESC, instruction DESC, inner_index DESC LIMIT $2",
        )
        .bind(provider.0)
        .bind(i64::from(limit))
        .fetch_all(&mut **self)
        .await?;
        all(&found, columns::settlement)
    }

    async fn next_provider_of(
        &mut self,
        campaign: &Key,
        after: Option<&Key>,
    ) -> Result<Option<Key>> {
        let found = sqlx::query(NEXT_PROVIDER)
            .bind(campaign.0)
            .bind(after.map_or(&[][..], |provider| &provider.0[..]))
            .fetch_optional(&mut **self)
            .await?;
        found.map(|row| columns::key(&row, "provider")).transpose()
    }

    async fn milestones_of(&mut self, query: &MilestonesQuery) -> Result<Vec<Milestone>> {
        let (slot, id) = query.after.map_or((0, None), |(slot, id)| (slot, Some(id)));
        let found = sqlx::query(MILESTONES)
            .bind(query.campaign.0)
            .bind(query.provider.0)
            .bind(slot.to_be_bytes())
            .bind(id.map_or(Vec::new(), |id| id.signature.0.to_vec()))
            .bind(id.map_or(0, |id| i64::from(id.instruction)))
            .bind(id.map_or(0, |id| i64::from(id.inner)))
            .bind(i64::from(query.limit))
            .fetch_all(&mut **self)
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
            "SELECT * FROM dead_letter WHERE slot >= $1 AND slot <= $2 \
             ORDER BY slot, signature, instruction, inner_index LIMIT $3",
        )
        .bind(first.to_be_bytes())
        .bind(last.to_be_bytes())
        .bind(i64::from(limit))
        .fetch_all(&mut **self)
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
            .bind(job.0)
            .bind(seq.to_be_bytes())
            .bind(id.map_or(&[][..], |id| &id.signature.0[..]))
            .bind(id.map_or(0, |id| i64::from(id.instruction)))
            .bind(id.map_or(0, |id| i64::from(id.inner)))
            .bind(i64::from(limit))
            .fetch_all(&mut **self)
            .await?;
        all(&found, columns::timeline_step)
    }

    async fn last_step_of(&mut self, job: &Key) -> Result<Option<TimelineStep>> {
        let found = sqlx::query(LAST_STEP)
            .bind(job.0)
            .fetch_optional(&mut **self)
            .await?;
        found.as_ref().map(columns::timeline_step).transpose()
    }

    async fn settled_of(&mut self, job: &Key) -> Result<u32> {
        let row = sqlx::query("SELECT COUNT(*) AS settled FROM step WHERE kind = 2 AND job = $1")
            .bind(job.0)
            .fetch_one(&mut **self)
            .await?;
        columns::small(&row, "settled")
    }

    async fn jobs(&mut self, query: &JobsQuery) -> Result<Vec<Entity>> {
        let (slot, address) = query.after.unwrap_or((u64::MAX, Key([u8::MAX; 32])));
        let sql = match query.state {
            Some(_) => JOBS_IN_STATE,
            None => EVERY_JOB,
        };
        let mut found = sqlx::query(sql)
            .bind(slot.to_be_bytes())
            .bind(address.0)
            .bind(i64::from(query.limit));
        if let Some(state) = query.state {
            found = found.bind(i16::from(state));
        }
        all(&found.fetch_all(&mut **self).await?, columns::entity)
    }

    async fn audit(&mut self) -> Result<Option<AuditRow>> {
        audit::last(self).await
    }
}

/// A column of these rows.
pub(super) fn list<'a, T, V>(rows: &'a [T], value: impl Fn(&'a T) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}
