//! Accounts by number: their rows are changed by it, and steps name them by it.

use {
    super::{
        bulk,
        columns::{self, entity_columns},
    },
    crate::{
        error::{IndexerError, Result},
        project::{EntityKey, EntityRow, has_time_line},
    },
    quern_api::Key,
    sqlx::{Row, SqliteConnection},
    std::collections::{HashMap, HashSet},
};

/// Numbers kept in memory at most.
const MOST_KNOWN: usize = 100_000;

/// Accounts by their keys. Crossed in this order, the wanted rows are gone through and each is looked up.
pub(super) fn entities_sql(keys: usize) -> String {
    const SELECT: &str = concat!(
        "SELECT id, ",
        entity_columns!(),
        " FROM wanted CROSS JOIN entity USING (kind, address)"
    );
    let values = bulk::values(2, keys);
    format!("WITH wanted (kind, address) AS (VALUES {values}) {SELECT}")
}

/// Numbers of jobs, campaigns and entries by their addresses, in the same way.
pub(super) fn numbers_sql(addresses: usize) -> String {
    let values = bulk::values(1, addresses);
    format!(
        "WITH wanted (address) AS (VALUES {values}) SELECT entity.id, entity.address FROM wanted CROSS JOIN entity \
         ON entity.kind IN (7, 9, 10) AND entity.address = wanted.address"
    )
}

/// What one database transaction knows of the rows of accounts.
#[derive(Default)]
pub(super) struct Accounts {
    /// The rows that were looked up last, none where there is none: whoever changes an account looks it up first.
    looked_up: HashMap<EntityKey, Option<Place>>,
    /// Numbers by addresses, of accounts that have steps.
    numbers: HashMap<Key, i64>,
    next: Option<i64>,
}

/// Where an account stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) id: i64,
    /// As it stands in the index of owners.
    pub(super) owner: Option<Key>,
}

impl Accounts {
    /// The number of an account with steps that was learnt or given before.
    pub(super) fn number_of(&self, address: &Key) -> Result<i64> {
        let number = self.numbers.get(address).copied();
        number.ok_or(IndexerError::Damaged("entity"))
    }

    /// Where a row stands that was looked up.
    pub(super) fn place_of(&self, key: &EntityKey) -> Option<Place> {
        self.looked_up.get(key).copied().flatten()
    }

    /// Takes note of a row that was written.
    pub(super) fn note(&mut self, (kind, address): EntityKey, id: i64) {
        if has_time_line(kind) {
            self.numbers.insert(address, id);
        }
    }

    /// From now on rows are not where they were.
    pub(super) fn forget(&mut self) {
        self.looked_up.clear();
    }

    /// Looks accounts up, and remembers where they stand.
    pub(super) async fn look_up(
        &mut self,
        connection: &mut SqliteConnection,
        keys: &[EntityKey],
    ) -> Result<Vec<(EntityKey, EntityRow)>> {
        let mut found = Vec::new();
        let unknown = keys.iter().map(|key| (*key, None));
        self.looked_up.extend(unknown);
        for some in bulk::parts(keys) {
            let sql = entities_sql(some.len());
            let mut query = sqlx::query(&sql);
            for (kind, address) in some {
                query = query.bind(i64::from(*kind)).bind(&address.0[..]);
            }
            for row in query.fetch_all(&mut *connection).await? {
                let (key, entity) = columns::keyed_entity(&row)?;
                let place = Place {
                    id: row.try_get("id")?,
                    owner: entity.indexed(key.0).owner,
                };
                self.looked_up.insert(key, Some(place));
                found.push((key, entity));
            }
        }
        Ok(found)
    }

    /// Looks up those of these accounts that were not yet.
    pub(super) async fn look_up_others(
        &mut self,
        connection: &mut SqliteConnection,
        keys: impl Iterator<Item = &EntityKey> + Send,
    ) -> Result<()> {
        let known = &self.looked_up;
        let unknown: Vec<EntityKey> = keys
            .filter(|key| !known.contains_key(key))
            .copied()
            .collect();
        self.look_up(connection, &unknown).await.map(drop)
    }

    /// A number that no account has and no step names.
    pub(super) async fn next(&mut self, connection: &mut SqliteConnection) -> Result<i64> {
        let next = match self.next {
            Some(next) => next,
            None => {
                let sql = "SELECT 1 + MAX(COALESCE((SELECT MAX(id) FROM entity), 0), \
                           COALESCE((SELECT MAX(account) FROM step), 0))";
                sqlx::query_scalar(sql).fetch_one(&mut *connection).await?
            }
        };
        self.next = Some(next + 1);
        Ok(next)
    }

    /// Learns the numbers of these jobs, campaigns and entries, as far as they have any.
    pub(super) async fn learn(
        &mut self,
        connection: &mut SqliteConnection,
        addresses: impl Iterator<Item = &Key> + Send,
    ) -> Result<()> {
        if self.numbers.len() > MOST_KNOWN {
            self.numbers.clear();
        }
        let known = &self.numbers;
        let unknown: HashSet<Key> = addresses
            .filter(|address| !known.contains_key(address))
            .copied()
            .collect();
        let unknown: Vec<Key> = unknown.into_iter().collect();
        for some in bulk::parts(&unknown) {
            let sql = numbers_sql(some.len());
            let mut query = sqlx::query(&sql);
            for address in some {
                query = query.bind(&address.0[..]);
            }
            for row in query.fetch_all(&mut *connection).await? {
                let address = columns::key(&row, "address")?;
                self.numbers.insert(address, row.try_get("id")?);
            }
        }
        Ok(())
    }
}
