//! Which rows of numbers there are: those are updated, all others inserted.

use {
    super::{bulk, columns},
    crate::{
        error::Result,
        store::score::{ScorePlace, ScoreRow},
    },
    sqlx::SqliteConnection,
    std::collections::HashMap,
};

/// Rows of numbers by their keys. Crossed in this order, the wanted rows are gone through and each is looked up.
pub(super) fn scores_sql(places: usize) -> String {
    let values = bulk::values(2, places);
    format!(
        "WITH wanted (bucket, subject) AS (VALUES {values}) \
         SELECT bucket, subject, numbers FROM wanted CROSS JOIN score USING (bucket, subject)"
    )
}

pub(super) fn insert_sql(scores: usize) -> String {
    let values = bulk::values(4, scores);
    format!("INSERT OR FAIL INTO score (bucket, subject, numbers, change) VALUES {values}")
}

pub(super) fn update_sql(scores: usize) -> String {
    let values = bulk::values(4, scores);
    format!(
        "WITH new (bucket, subject, numbers, change) AS (VALUES {values}) \
         UPDATE OR FAIL score SET numbers = new.numbers, change = new.change FROM new \
         WHERE score.bucket = new.bucket AND score.subject = new.subject"
    )
}

/// Which rows were looked up last, and whether they are there: whoever changes one looks it up first.
#[derive(Default)]
pub(super) struct Scored {
    looked_up: HashMap<ScorePlace, bool>,
}

impl Scored {
    pub(super) fn is_there(&self, place: &ScorePlace) -> bool {
        self.looked_up.get(place).copied().unwrap_or_default()
    }

    /// From now on other rows are there.
    pub(super) fn forget(&mut self) {
        self.looked_up.clear();
    }

    /// Looks rows up, and remembers which are there.
    pub(super) async fn look_up(
        &mut self,
        connection: &mut SqliteConnection,
        places: &[ScorePlace],
    ) -> Result<Vec<ScoreRow>> {
        let mut found: Vec<ScoreRow> = Vec::new();
        for some in bulk::parts(places) {
            let sql = scores_sql(some.len());
            let mut query = sqlx::query(&sql);
            for place in some {
                query = query.bind(place.bucket).bind(&place.subject.0[..]);
            }
            for row in query.fetch_all(&mut *connection).await? {
                found.push(columns::score(&row)?);
            }
        }
        let unknown = places.iter().map(|place| (*place, false));
        self.looked_up.extend(unknown);
        let known = found.iter().map(|(place, _)| (*place, true));
        self.looked_up.extend(known);
        Ok(found)
    }

    /// Looks up those of these rows that were not yet.
    pub(super) async fn look_up_others(
        &mut self,
        connection: &mut SqliteConnection,
        places: impl Iterator<Item = &ScorePlace> + Send,
    ) -> Result<()> {
        let known = &self.looked_up;
        let unknown: Vec<ScorePlace> = places
            .filter(|place| !known.contains_key(place))
            .copied()
            .collect();
        self.look_up(connection, &unknown).await.map(drop)
    }
}
