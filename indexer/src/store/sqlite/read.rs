//! Everything that only reads.

use {
    super::rows::{self, ENTITY_COLUMNS},
    crate::{
        error::Result,
        key::{EventId, Key, Signature},
        project::{
            ALL_TIME, Event, Settlement, Total,
            program::{EntityKind, MintConfig, Purse},
        },
        store::{
            BoardQuery, BoardRow, Counts, Cursor, Entity, Gap, JobView, JobsQuery, Ledger, Mint,
            Origin, ProviderView, Score, Snapshot, TimelineStep, TotalRow, Totals,
        },
    },
    futures::TryStreamExt,
    sha2::{Digest, Sha256},
    sqlx::{Row, SqliteConnection, TypeInfo, ValueRef, sqlite::SqliteRow},
    std::collections::{BTreeMap, HashMap, HashSet},
};

/// Gaps that a status names.
const GAPS_NAMED: u32 = 20;
/// Milestones that a provider's page shows.
const MILESTONES_SHOWN: u32 = 20;
/// Values bound to one statement at most.
const VALUES_BOUND: usize = 500;

/// A table that follows from the events, and the order in which it is hashed.
pub(super) struct Projection {
    pub(super) name: &'static str,
    key: &'static str,
}

pub(super) const PROJECTIONS: [Projection; 5] = [
    Projection {
        name: "entity",
        key: "kind, address",
    },
    Projection {
        name: "score",
        key: "metric, assurance, mint, bucket, provider",
    },
    Projection {
        name: "total",
        key: "category, assurance, mint",
    },
    Projection {
        name: "step",
        key: "job, seq, signature, instruction, inner",
    },
    Projection {
        name: "settlement",
        key: "signature, instruction, inner",
    },
];

pub(super) async fn snapshot<T>(
    connection: &mut SqliteConnection,
    value: T,
) -> Result<Snapshot<T>> {
    let cursor = cursor(connection).await?;
    let mints = of_kind(connection, EntityKind::MintConfig)
        .await?
        .iter()
        .filter_map(mint_of)
        .collect();
    Ok(Snapshot {
        cursor,
        mints,
        value,
    })
}

fn mint_of(entity: &Entity) -> Option<Mint> {
    let config = entity.row.read::<MintConfig>()?;
    Some(Mint {
        mint: crate::project::key(&config.mint),
        decimals: config.decimals,
    })
}

pub(super) async fn cursor(connection: &mut SqliteConnection) -> Result<Option<Cursor>> {
    let row = sqlx::query("SELECT slot, chain_time, origin_signature, origin_slot FROM meta")
        .fetch_one(connection)
        .await?;
    let Some(slot) = rows::maybe_number(&row, "slot")? else {
        return Ok(None);
    };
    let origin = match (
        rows::maybe_signature(&row, "origin_signature")?,
        rows::maybe_number(&row, "origin_slot")?,
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

pub(super) async fn known(
    connection: &mut SqliteConnection,
    signatures: &[Signature],
) -> Result<HashSet<Signature>> {
    let mut known = HashSet::new();
    for some in signatures.chunks(VALUES_BOUND) {
        let marks = vec!["?"; some.len()].join(", ");
        let sql = format!("SELECT signature FROM tx WHERE signature IN ({marks})");
        let mut query = sqlx::query(&sql).persistent(false);
        for signature in some {
            query = query.bind(&signature.0[..]);
        }
        for row in query.fetch_all(&mut *connection).await? {
            known.insert(Signature(rows::bytes(&row, "signature")?));
        }
    }
    Ok(known)
}

pub(super) async fn events_after(
    connection: &mut SqliteConnection,
    after: Option<&EventId>,
    limit: u32,
) -> Result<Vec<Event>> {
    const COLUMNS: &str = "SELECT signature, instruction, inner, slot, data FROM event";
    let found = match after {
        None => {
            sqlx::query(&format!(
                "{COLUMNS} ORDER BY signature, instruction, inner LIMIT ?"
            ))
            .bind(limit)
            .fetch_all(connection)
            .await?
        }
        Some(id) => {
            let sql = format!(
                "{COLUMNS} WHERE (signature, instruction, inner) > (?, ?, ?) ORDER BY signature, instruction, inner LIMIT ?"
            );
            sqlx::query(&sql)
                .bind(&id.signature.0[..])
                .bind(id.instruction)
                .bind(id.inner)
                .bind(limit)
                .fetch_all(connection)
                .await?
        }
    };
    found.iter().map(rows::event).collect()
}

pub(super) async fn digest(connection: &mut SqliteConnection) -> Result<[u8; 32]> {
    let mut hash = Sha256::new();
    for table in PROJECTIONS {
        hash.update(table.name);
        let sql = format!("SELECT * FROM {} ORDER BY {}", table.name, table.key);
        let mut found = sqlx::query(&sql).fetch(&mut *connection);
        while let Some(row) = found.try_next().await? {
            for index in 0..row.columns().len() {
                hash_value(&mut hash, &row, index)?;
            }
        }
    }
    Ok(hash.finalize().into())
}

/// Type, length and value, so that no two rows share an encoding.
fn hash_value(hash: &mut Sha256, row: &SqliteRow, index: usize) -> Result<()> {
    let raw = row.try_get_raw(index)?;
    if raw.is_null() {
        hash.update([0]);
        return Ok(());
    }
    // The type of the value, not of the column: the two agree in these tables.
    match raw.type_info().name() {
        "INTEGER" | "BOOLEAN" => {
            hash.update([1]);
            hash.update(row.try_get_unchecked::<i64, _>(index)?.to_be_bytes());
        }
        name => {
            let bytes: &[u8] = row.try_get_unchecked(index)?;
            hash.update([if name == "TEXT" { 2 } else { 3 }]);
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
    }
    Ok(())
}

pub(super) async fn counts(connection: &mut SqliteConnection) -> Result<Counts> {
    let row = sqlx::query(
        "SELECT events, transactions, dead_letters, (SELECT COUNT(*) FROM entity WHERE seen <> seq) AS gaps FROM meta",
    )
    .fetch_one(&mut *connection)
    .await?;
    let named = sqlx::query("SELECT kind, address, seq, seen FROM entity WHERE seen <> seq ORDER BY kind, address LIMIT ?")
        .bind(GAPS_NAMED)
        .fetch_all(connection)
        .await?;
    let first_gaps: Result<Vec<Gap>> = named
        .iter()
        .map(|row| {
            Ok(Gap {
                kind: rows::small(row, "kind")?,
                address: rows::key(row, "address")?,
                seq: rows::number(row, "seq")?,
                seen: rows::number(row, "seen")?,
            })
        })
        .collect();
    Ok(Counts {
        events: rows::small(&row, "events")?,
        transactions: rows::small(&row, "transactions")?,
        dead_letters: rows::small(&row, "dead_letters")?,
        gaps: rows::small(&row, "gaps")?,
        first_gaps: first_gaps?,
    })
}

fn entity(row: &SqliteRow) -> Result<Entity> {
    Ok(Entity {
        address: rows::key(row, "address")?,
        row: rows::entity(row)?,
    })
}

async fn of_kind(connection: &mut SqliteConnection, kind: EntityKind) -> Result<Vec<Entity>> {
    let sql = format!("SELECT {ENTITY_COLUMNS} FROM entity WHERE kind = ? ORDER BY address");
    let found = sqlx::query(&sql)
        .bind(kind as i64)
        .fetch_all(connection)
        .await?;
    found.iter().map(entity).collect()
}

async fn of_owner(
    connection: &mut SqliteConnection,
    kind: EntityKind,
    owner: &Key,
) -> Result<Vec<Entity>> {
    let sql = format!(
        "SELECT {ENTITY_COLUMNS} FROM entity WHERE kind = ? AND owner = ? ORDER BY address"
    );
    let found = sqlx::query(&sql)
        .bind(kind as i64)
        .bind(&owner.0[..])
        .fetch_all(connection)
        .await?;
    found.iter().map(entity).collect()
}

async fn at(
    connection: &mut SqliteConnection,
    kind: EntityKind,
    address: &Key,
) -> Result<Option<Entity>> {
    let sql = format!("SELECT {ENTITY_COLUMNS} FROM entity WHERE kind = ? AND address = ?");
    let found = sqlx::query(&sql)
        .bind(kind as i64)
        .bind(&address.0[..])
        .fetch_optional(connection)
        .await?;
    found.as_ref().map(entity).transpose()
}

pub(super) async fn purse(
    connection: &mut SqliteConnection,
    address: &Key,
) -> Result<Option<Entity>> {
    at(connection, EntityKind::Purse, address).await
}

pub(super) async fn board(
    connection: &mut SqliteConnection,
    query: &BoardQuery,
) -> Result<Vec<BoardRow>> {
    let ranked = match query.from_hour {
        None => ranked_all_time(connection, query).await?,
        Some(from_hour) => ranked_since(connection, query, from_hour).await?,
    };
    let mut board = Vec::with_capacity(ranked.len());
    for (value, provider) in ranked {
        let account = of_owner(connection, EntityKind::Provider, &provider)
            .await?
            .into_iter()
            .next();
        let mut scores = scores(connection, &provider, query.from_hour).await?;
        scores.retain(|score| score.assurance == query.assurance);
        board.push(BoardRow {
            provider,
            value,
            account,
            scores,
        });
    }
    Ok(board)
}

async fn ranked_all_time(
    connection: &mut SqliteConnection,
    query: &BoardQuery,
) -> Result<Vec<(u128, Key)>> {
    let (value, provider) = query.after.unwrap_or((u128::MAX, Key::NONE));
    let found = sqlx::query(
        "SELECT value, provider FROM score WHERE metric = ?1 AND assurance = ?2 AND mint = ?3 AND bucket = ?4 \
         AND value <= ?5 AND (value < ?5 OR provider > ?6) ORDER BY value DESC, provider LIMIT ?7",
    )
    .bind(query.metric as i64)
    .bind(i64::from(query.assurance))
    .bind(&query.mint.0[..])
    .bind(ALL_TIME)
    .bind(&value.to_be_bytes()[..])
    .bind(&provider.0[..])
    .bind(query.limit)
    .fetch_all(connection)
    .await?;
    found
        .iter()
        .map(|row| Ok((rows::large(row, "value")?, rows::key(row, "provider")?)))
        .collect()
}

async fn ranked_since(
    connection: &mut SqliteConnection,
    query: &BoardQuery,
    from_hour: i64,
) -> Result<Vec<(u128, Key)>> {
    let mut found = sqlx::query(
        "SELECT value, provider FROM score WHERE metric = ? AND assurance = ? AND mint = ? AND bucket >= ?",
    )
    .bind(query.metric as i64)
    .bind(i64::from(query.assurance))
    .bind(&query.mint.0[..])
    .bind(from_hour)
    .fetch(connection);
    let mut sums: HashMap<Key, u128> = HashMap::new();
    while let Some(row) = found.try_next().await? {
        let sum = sums.entry(rows::key(&row, "provider")?).or_default();
        *sum = sum.saturating_add(rows::large(&row, "value")?);
    }
    let mut ranked: Vec<(u128, Key)> = sums
        .into_iter()
        .map(|(provider, value)| (value, provider))
        .collect();
    ranked.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    if let Some((value, provider)) = query.after {
        ranked.retain(|row| row.0 < value || (row.0 == value && row.1 > provider));
    }
    ranked.truncate(usize::try_from(query.limit).unwrap_or(usize::MAX));
    Ok(ranked)
}

/// All numbers of a provider in a window, in a fixed order.
async fn scores(
    connection: &mut SqliteConnection,
    provider: &Key,
    from_hour: Option<i64>,
) -> Result<Vec<Score>> {
    // `ALL_TIME` lies before every hour: one range serves both.
    let (first, last) = from_hour.map_or((ALL_TIME, ALL_TIME), |hour| (hour, i64::MAX));
    let found = sqlx::query(
        "SELECT metric, assurance, mint, value FROM score WHERE provider = ? AND bucket >= ? AND bucket <= ?",
    )
    .bind(&provider.0[..])
    .bind(first)
    .bind(last)
    .fetch_all(connection)
    .await?;
    let mut sums = BTreeMap::<_, u128>::new();
    for row in &found {
        let key = (
            rows::metric(row)?,
            rows::small::<u8>(row, "assurance")?,
            rows::key(row, "mint")?,
        );
        let sum = sums.entry(key).or_default();
        *sum = sum.saturating_add(rows::large(row, "value")?);
    }
    Ok(sums
        .into_iter()
        .map(|((metric, assurance, mint), value)| Score {
            metric,
            assurance,
            mint,
            value,
        })
        .collect())
}

pub(super) async fn provider(
    connection: &mut SqliteConnection,
    address: &Key,
) -> Result<Option<ProviderView>> {
    let account = match at(connection, EntityKind::Provider, address).await? {
        Some(account) => Some(account),
        None => of_owner(connection, EntityKind::Provider, address)
            .await?
            .into_iter()
            .next(),
    };
    let Some(account) = account else {
        return Ok(None);
    };
    let owner = account.row.indexed(EntityKind::Provider as u8).owner;
    let purses = of_owner(connection, EntityKind::Purse, &owner).await?;
    let scores = scores(connection, &owner, None).await?;
    let found = sqlx::query(
        "SELECT * FROM settlement WHERE provider = ? ORDER BY slot DESC, signature DESC, instruction DESC, inner DESC LIMIT ?",
    )
    .bind(&owner.0[..])
    .bind(MILESTONES_SHOWN)
    .fetch_all(connection)
    .await?;
    let milestones: Result<Vec<_>> = found
        .iter()
        .map(|row| Ok((rows::event_id(row)?, settlement(row)?)))
        .collect();
    Ok(Some(ProviderView {
        account,
        purses,
        scores,
        milestones: milestones?,
    }))
}

fn settlement(row: &SqliteRow) -> Result<Settlement> {
    Ok(Settlement {
        slot: rows::number(row, "slot")?,
        at: row.try_get("at")?,
        job: rows::key(row, "job")?,
        provider: rows::key(row, "provider")?,
        client: rows::key(row, "client")?,
        model: rows::key(row, "model")?,
        mint: rows::key(row, "mint")?,
        campaign: rows::key(row, "campaign")?,
        assurance: rows::small(row, "assurance")?,
        milestone: rows::small(row, "milestone")?,
        macs: rows::number(row, "macs")?,
        price_atoms: rows::number(row, "price_atoms")?,
        fee_atoms: rows::number(row, "fee_atoms")?,
        royalty_atoms: rows::number(row, "royalty_atoms")?,
        provider_atoms: rows::number(row, "provider_atoms")?,
        reward_atoms: rows::number(row, "reward_atoms")?,
    })
}

pub(super) async fn job(
    connection: &mut SqliteConnection,
    address: &Key,
) -> Result<Option<JobView>> {
    let Some(account) = at(connection, EntityKind::Job, address).await? else {
        return Ok(None);
    };
    let found = sqlx::query(
        "SELECT step.seq AS step_seq, event.signature, event.instruction, event.inner, event.slot, event.data FROM step \
         JOIN event USING (signature, instruction, inner) WHERE step.job = ? ORDER BY step.seq, step.signature",
    )
    .bind(&address.0[..])
    .fetch_all(&mut *connection)
    .await?;
    let demands = of_owner(connection, EntityKind::Demand, address).await?;
    let steps: Result<Vec<_>> = found
        .iter()
        .map(|row| {
            Ok(TimelineStep {
                seq: rows::number(row, "step_seq")?,
                event: rows::event(row)?,
            })
        })
        .collect();
    Ok(Some(JobView {
        account,
        steps: steps?,
        demands,
    }))
}

pub(super) async fn jobs(
    connection: &mut SqliteConnection,
    query: &JobsQuery,
) -> Result<Vec<Entity>> {
    // Behind the last row of a page: an older slot, or the same slot and a smaller address.
    let (slot, address) = query.after.unwrap_or((u64::MAX, Key([u8::MAX; 32])));
    let state_filter = if query.state.is_some() {
        "state = ?1"
    } else {
        "?1 IS NULL"
    };
    let sql = format!(
        "SELECT {ENTITY_COLUMNS} FROM entity WHERE kind = ?2 AND {state_filter} AND slot <= ?3 \
         AND (slot < ?3 OR address < ?4) ORDER BY slot DESC, address DESC LIMIT ?5"
    );
    let found = sqlx::query(&sql)
        .bind(query.state.map(i64::from))
        .bind(EntityKind::Job as i64)
        .bind(&slot.to_be_bytes()[..])
        .bind(&address.0[..])
        .bind(query.limit)
        .fetch_all(connection)
        .await?;
    found.iter().map(entity).collect()
}

pub(super) async fn totals(connection: &mut SqliteConnection) -> Result<Totals> {
    let found = sqlx::query("SELECT category, assurance, mint, atoms, count FROM total ORDER BY mint, category, assurance")
        .fetch_all(&mut *connection)
        .await?;
    let rows: Result<Vec<TotalRow>> = found
        .iter()
        .map(|row| {
            Ok(TotalRow {
                category: row.try_get("category")?,
                assurance: rows::small(row, "assurance")?,
                mint: rows::key(row, "mint")?,
                total: Total {
                    atoms: rows::large(row, "atoms")?,
                    count: rows::number(row, "count")?,
                },
            })
        })
        .collect();
    let mut ledgers = BTreeMap::new();
    for config in of_kind(connection, EntityKind::MintConfig).await? {
        if let Some(mint) = mint_of(&config) {
            ledgers.insert(
                mint.mint,
                Ledger {
                    config,
                    purses: 0,
                    free_atoms: 0,
                    reserved_atoms: 0,
                },
            );
        }
    }
    let mut purses =
        sqlx::query("SELECT state_bytes FROM entity WHERE kind = ? AND state_bytes IS NOT NULL")
            .bind(EntityKind::Purse as i64)
            .fetch(connection);
    while let Some(row) = purses.try_next().await? {
        let Some(purse) = crate::project::program::read::<Purse>(row.try_get("state_bytes")?)
        else {
            continue;
        };
        if let Some(ledger) = ledgers.get_mut(&crate::project::key(&purse.mint)) {
            ledger.purses += 1;
            ledger.free_atoms = ledger
                .free_atoms
                .saturating_add(purse.free_atoms.get().into());
            ledger.reserved_atoms = ledger
                .reserved_atoms
                .saturating_add(purse.reserved_atoms.get().into());
        }
    }
    Ok(Totals {
        rows: rows?,
        ledgers: ledgers.into_values().collect(),
    })
}
