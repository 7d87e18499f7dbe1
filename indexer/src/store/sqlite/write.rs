//! Everything that changes the store, each in one database transaction.

use {
    super::{
        read,
        rows::{self, ENTITY_COLUMNS},
    },
    crate::{
        error::{IndexerError, Result},
        key::{EventId, Key},
        project::{
            Delta, EntityKey, EntityRow, Event, ScoreKey, Settlement, Total, TotalKey,
            program::QuernEvent,
        },
        store::{Batch, Cursor, DeadLetter, Rebuilt, Written},
    },
    sqlx::{Row, SqliteConnection, SqlitePool},
};

/// Events projected at a time in a rebuild: bounds its memory.
const REBUILD_EVENTS: u32 = 5_000;

pub(super) async fn bind(pool: &SqlitePool, program: &Key, genesis: Option<&str>) -> Result<()> {
    let mut transaction = pool.begin().await?;
    let row = sqlx::query("SELECT program, genesis FROM meta")
        .fetch_one(&mut *transaction)
        .await?;
    if row.try_get::<Option<&[u8]>, _>("program")?.is_some() {
        let stored = rows::key(&row, "program")?;
        if stored != *program {
            return Err(wrong_store(
                "the program",
                stored.to_string(),
                program.to_string(),
            ));
        }
    }
    let stored: Option<String> = row.try_get("genesis")?;
    if let (Some(stored), Some(found)) = (stored, genesis)
        && stored != found
    {
        return Err(wrong_store("the genesis hash", stored, found.to_owned()));
    }
    sqlx::query("UPDATE meta SET program = ?, genesis = COALESCE(genesis, ?)")
        .bind(&program.0[..])
        .bind(genesis)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

fn wrong_store(field: &'static str, stored: String, found: String) -> IndexerError {
    IndexerError::WrongStore {
        field,
        stored,
        found,
    }
}

pub(super) async fn batch(pool: &SqlitePool, batch: &Batch) -> Result<Written> {
    let mut transaction = pool.begin().await?;
    let written = apply_batch(&mut transaction, batch).await?;
    transaction.commit().await?;
    Ok(written)
}

/// Everything of a batch, on a transaction that the caller commits.
pub(super) async fn apply_batch(
    connection: &mut SqliteConnection,
    batch: &Batch,
) -> Result<Written> {
    let mut written = Written::default();
    let mut transactions = 0;
    for (signature, slot) in &batch.transactions {
        let done =
            sqlx::query("INSERT INTO tx (signature, slot) VALUES (?, ?) ON CONFLICT DO NOTHING")
                .bind(&signature.0[..])
                .bind(&slot.to_be_bytes()[..])
                .execute(&mut *connection)
                .await?;
        transactions += done.rows_affected();
    }
    let mut delta = Delta::default();
    for event in &batch.events {
        // Only a row that is new is projected; this is what makes duplicates harmless.
        if insert_event(connection, event).await? {
            delta.add(event);
            written.events += 1;
        }
    }
    for letter in &batch.dead_letters {
        written.dead_letters += insert_dead_letter(connection, letter).await?;
    }
    apply_delta(connection, delta).await?;
    count(
        connection,
        transactions,
        written.events,
        written.dead_letters,
    )
    .await?;
    if let Some(cursor) = &batch.cursor {
        move_cursor(connection, cursor).await?;
    }
    Ok(written)
}

/// Adds to the counts of what is stored.
async fn count(
    connection: &mut SqliteConnection,
    transactions: u64,
    events: u64,
    dead_letters: u64,
) -> Result<()> {
    // A batch holds far fewer rows than an i64 counts.
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    sqlx::query(
        "UPDATE meta SET transactions = transactions + ?, events = events + ?, dead_letters = dead_letters + ?",
    )
    .bind(signed(transactions))
    .bind(signed(events))
    .bind(signed(dead_letters))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_event(connection: &mut SqliteConnection, event: &Event) -> Result<bool> {
    let done = sqlx::query(
        "INSERT INTO event (signature, instruction, inner, slot, name, data) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(&event.id.signature.0[..])
    .bind(event.id.instruction)
    .bind(event.id.inner)
    .bind(&event.slot.to_be_bytes()[..])
    .bind(event.body.name())
    .bind(event.body.encode())
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn insert_dead_letter(connection: &mut SqliteConnection, letter: &DeadLetter) -> Result<u64> {
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
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

async fn move_cursor(connection: &mut SqliteConnection, cursor: &Cursor) -> Result<()> {
    // The guard keeps the cursor from ever going back; the origin is set once.
    sqlx::query(
        "UPDATE meta SET slot = ?1, chain_time = ?2, origin_signature = COALESCE(origin_signature, ?3), \
         origin_slot = COALESCE(origin_slot, ?4) WHERE slot IS NULL OR slot <= ?1",
    )
    .bind(&cursor.slot.to_be_bytes()[..])
    .bind(cursor.chain_time)
    .bind(cursor.origin.map(|origin| origin.signature.0.to_vec()))
    .bind(cursor.origin.map(|origin| origin.slot.to_be_bytes().to_vec()))
    .execute(connection)
    .await?;
    Ok(())
}

async fn apply_delta(connection: &mut SqliteConnection, delta: Delta) -> Result<()> {
    for (key, row) in delta.entities {
        merge_entity(connection, key, row).await?;
    }
    for (key, value) in delta.scores {
        merge_score(connection, key, value).await?;
    }
    for (key, total) in delta.totals {
        merge_total(connection, key, total).await?;
    }
    for ((job, seq, id), step) in delta.steps {
        sqlx::query(
            "INSERT INTO step (job, seq, signature, instruction, inner, name) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(&job.0[..])
        .bind(&seq.to_be_bytes()[..])
        .bind(&id.signature.0[..])
        .bind(id.instruction)
        .bind(id.inner)
        .bind(step.name)
        .execute(&mut *connection)
        .await?;
    }
    for (id, settlement) in delta.settlements {
        insert_settlement(connection, id, &settlement).await?;
    }
    Ok(())
}

async fn merge_entity(
    connection: &mut SqliteConnection,
    (kind, address): EntityKey,
    row: EntityRow,
) -> Result<()> {
    let sql = format!("SELECT {ENTITY_COLUMNS} FROM entity WHERE kind = ? AND address = ?");
    let known = sqlx::query(&sql)
        .bind(i64::from(kind))
        .bind(&address.0[..])
        .fetch_optional(&mut *connection)
        .await?;
    let merged = match known {
        Some(known) => {
            let mut known = rows::entity(&known)?;
            known.merge(row);
            known
        }
        None => row,
    };
    let indexed = merged.indexed(kind);
    let state = merged.state.as_ref();
    sqlx::query(
        "INSERT OR REPLACE INTO entity (kind, address, seq, seen, closed, slot, signature, instruction, inner, state_seq, \
         state_signature, state_instruction, state_inner, state_bytes, text_seq, text, owner, mint, state) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(i64::from(kind))
    .bind(&address.0[..])
    .bind(&merged.seq.to_be_bytes()[..])
    .bind(&merged.seen.to_be_bytes()[..])
    .bind(merged.closed)
    .bind(&merged.slot.to_be_bytes()[..])
    .bind(&merged.cause.signature.0[..])
    .bind(merged.cause.instruction)
    .bind(merged.cause.inner)
    .bind(state.map(|state| state.seq.to_be_bytes().to_vec()))
    .bind(state.map(|state| state.cause.signature.0.to_vec()))
    .bind(state.map(|state| state.cause.instruction))
    .bind(state.map(|state| state.cause.inner))
    .bind(state.map(|state| state.bytes.as_slice()))
    .bind(merged.text.as_ref().map(|(seq, _)| seq.to_be_bytes().to_vec()))
    .bind(merged.text.as_ref().map(|(_, text)| text.as_str()))
    .bind(&indexed.owner.0[..])
    .bind(&indexed.mint.0[..])
    .bind(i64::from(indexed.state))
    .execute(connection)
    .await?;
    Ok(())
}

async fn merge_score(connection: &mut SqliteConnection, key: ScoreKey, value: u128) -> Result<()> {
    let known = sqlx::query(
        "SELECT value FROM score WHERE metric = ? AND assurance = ? AND mint = ? AND bucket = ? AND provider = ?",
    )
    .bind(key.metric as i64)
    .bind(i64::from(key.assurance))
    .bind(&key.mint.0[..])
    .bind(key.bucket)
    .bind(&key.provider.0[..])
    .fetch_optional(&mut *connection)
    .await?;
    let known = known.map_or(Ok(0), |row| rows::large(&row, "value"))?;
    sqlx::query(
        "INSERT OR REPLACE INTO score (metric, assurance, mint, bucket, provider, value) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(key.metric as i64)
    .bind(i64::from(key.assurance))
    .bind(&key.mint.0[..])
    .bind(key.bucket)
    .bind(&key.provider.0[..])
    .bind(&known.saturating_add(value).to_be_bytes()[..])
    .execute(connection)
    .await?;
    Ok(())
}

async fn merge_total(connection: &mut SqliteConnection, key: TotalKey, added: Total) -> Result<()> {
    let known = sqlx::query(
        "SELECT atoms, count FROM total WHERE category = ? AND assurance = ? AND mint = ?",
    )
    .bind(key.category.name())
    .bind(i64::from(key.assurance))
    .bind(&key.mint.0[..])
    .fetch_optional(&mut *connection)
    .await?;
    let mut total = match known {
        Some(row) => Total {
            atoms: rows::large(&row, "atoms")?,
            count: rows::number(&row, "count")?,
        },
        None => Total::default(),
    };
    total.merge(added);
    sqlx::query("INSERT OR REPLACE INTO total (category, assurance, mint, atoms, count) VALUES (?, ?, ?, ?, ?)")
        .bind(key.category.name())
        .bind(i64::from(key.assurance))
        .bind(&key.mint.0[..])
        .bind(&total.atoms.to_be_bytes()[..])
        .bind(&total.count.to_be_bytes()[..])
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_settlement(
    connection: &mut SqliteConnection,
    id: EventId,
    settlement: &Settlement,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO settlement (signature, instruction, inner, slot, at, job, provider, client, model, mint, campaign, \
         assurance, milestone, macs, price_atoms, fee_atoms, royalty_atoms, provider_atoms, reward_atoms) \
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
    .bind(&settlement.macs.to_be_bytes()[..])
    .bind(&settlement.price_atoms.to_be_bytes()[..])
    .bind(&settlement.fee_atoms.to_be_bytes()[..])
    .bind(&settlement.royalty_atoms.to_be_bytes()[..])
    .bind(&settlement.provider_atoms.to_be_bytes()[..])
    .bind(&settlement.reward_atoms.to_be_bytes()[..])
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn rebuild(pool: &SqlitePool) -> Result<Rebuilt> {
    let mut transaction = pool.begin().await?;
    let before = read::digest(&mut transaction).await?;
    let revived = revive(&mut transaction).await?;
    for table in read::PROJECTIONS {
        sqlx::query(&format!("DELETE FROM {}", table.name))
            .execute(&mut *transaction)
            .await?;
    }
    let mut events = 0;
    let mut after: Option<EventId> = None;
    loop {
        let page = read::events_after(&mut transaction, after.as_ref(), REBUILD_EVENTS).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let mut delta = Delta::default();
        for event in &page {
            delta.add(event);
            events += 1;
        }
        apply_delta(&mut transaction, delta).await?;
    }
    let after = read::digest(&mut transaction).await?;
    transaction.commit().await?;
    Ok(Rebuilt {
        events,
        revived,
        before,
        after,
    })
}

/// Moves dead letters that this version understands to the events.
async fn revive(connection: &mut SqliteConnection) -> Result<u64> {
    let letters = sqlx::query("SELECT signature, instruction, inner, slot, data FROM dead_letter")
        .fetch_all(&mut *connection)
        .await?;
    let mut revived = 0;
    for row in letters {
        let Some(body) =
            QuernEvent::decode(row.try_get("data")?).filter(|body| Event::check(body).is_ok())
        else {
            continue;
        };
        let event = Event {
            id: rows::event_id(&row)?,
            slot: rows::number(&row, "slot")?,
            body,
        };
        revived += u64::from(insert_event(connection, &event).await?);
        sqlx::query(
            "DELETE FROM dead_letter WHERE signature = ? AND instruction = ? AND inner = ?",
        )
        .bind(&event.id.signature.0[..])
        .bind(event.id.instruction)
        .bind(event.id.inner)
        .execute(&mut *connection)
        .await?;
        sqlx::query("UPDATE meta SET dead_letters = dead_letters - 1")
            .execute(&mut *connection)
            .await?;
    }
    count(connection, 0, revived, 0).await?;
    Ok(revived)
}
