//! The numbers of everybody, a part at a time: all of them do not fit into memory.

use {
    super::{
        rows::Queries,
        score::{ScorePlace, ScoreRow},
        scores::{self, Numbers, unpack},
        snapshot::Snapshot,
    },
    crate::{
        error::Result,
        project::{FIRST_HOUR, ScoreKey},
    },
    futures::stream::BoxStream,
    quern_api::Key,
};

impl Snapshot {
    /// A page of all subjects in the order of their addresses, each with its numbers over all time and over the windows.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn sums_behind(
        &mut self,
        after: Option<&Key>,
        limit: u32,
    ) -> Result<Vec<(Key, Numbers)>> {
        of_subjects(&self.rows.sums_behind(after, limit).await?)
    }

    /// The same of these subjects, in no order; who has no numbers is left out.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn sums_of(&mut self, subjects: &[Key]) -> Result<Vec<(Key, Numbers)>> {
        let places = subjects.iter().copied().map(ScorePlace::of_sums);
        let places: Vec<ScorePlace> = places.collect();
        of_subjects(&self.rows.scores(&places).await?)
    }

    /// Every number of every hour, in no order.
    pub fn numbers_of_hours(&mut self) -> BoxStream<'_, Result<(ScoreKey, u128)>> {
        scores::between(&mut *self.rows as &mut dyn Queries, FIRST_HOUR, i64::MAX)
    }
}

fn of_subjects(rows: &[ScoreRow]) -> Result<Vec<(Key, Numbers)>> {
    let each = rows.iter();
    each.map(|row| Ok((row.0.subject, unpack(row)?))).collect()
}
