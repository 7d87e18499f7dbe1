//! Many rows at once. The driver hands each query to the database's thread and waits: that takes longer than the row itself.
//!
//! A statement that changes several rows and may fail midway keeps a copy of every page that it changes, which takes as long as
//! writing them. What fails here undoes the whole database transaction, so the copy is of no use, and statements say so: `INSERT OR
//! FAIL` or `INSERT OR IGNORE` for what is new, `UPDATE OR FAIL ... FROM` for rows that were looked up and are there. Where neither is
//! known, there is one statement a row, repeated in the query. (`INSERT OR REPLACE` keeps the copy, for the sake of columns that are
//! never null.)

use {
    crate::error::Result,
    futures::poll,
    sqlx::{Sqlite as Driver, SqliteConnection, sqlite::SqliteArguments},
    std::{pin::pin, task::Poll},
};

/// A statement, or several, with their values.
pub(super) type Query<'q> = sqlx::query::Query<'q, Driver, SqliteArguments<'q>>;

/// Most rows of one query: each query waits for its turn on a processor.
const MOST_ROWS: usize = 512;
/// Most rows that an `UPDATE` changes: if it has many more, SQLite reads the whole table instead of looking each up.
pub(super) const MOST_CHANGED: usize = 128;
/// Rows of one query. Few sizes, so that each query is prepared once; any number of rows is few of them.
const SIZES: [usize; 10] = [MOST_ROWS, 256, MOST_CHANGED, 64, 32, 16, 8, 4, 2, 1];

/// Writes these rows. While the database's thread works on some, the values of the next ones are put together.
pub(super) async fn run<T: Sync>(
    connection: &mut SqliteConnection,
    rows: &[T],
    sql: impl Fn(usize) -> String + Send,
    bind: impl for<'q> Fn(Query<'q>, &'q T) -> Result<Query<'q>> + Send,
) -> Result<()> {
    run_each(connection, rows, MOST_ROWS, sql, bind).await
}

/// The same with at most so many rows in one query.
pub(super) async fn run_each<T: Sync>(
    connection: &mut SqliteConnection,
    rows: &[T],
    most: usize,
    sql: impl Fn(usize) -> String + Send,
    bind: impl for<'q> Fn(Query<'q>, &'q T) -> Result<Query<'q>> + Send,
) -> Result<()> {
    // One text for each size.
    let mut texts: Vec<(usize, String)> = Vec::new();
    for part in parts_of(rows, most) {
        if texts.last().is_none_or(|(size, _)| *size != part.len()) {
            texts.push((part.len(), sql(part.len())));
        }
    }
    let mut queries = parts_of(rows, most).map(|part| {
        let text = texts.iter().find(|(size, _)| *size == part.len());
        let text = text.map_or("", |(_, text)| text.as_str());
        part.iter().try_fold(sqlx::query(text), &bind)
    });
    let mut next = queries.next().transpose()?;
    while let Some(query) = next {
        let mut running = pin!(query.execute(&mut *connection));
        // From here on the thread has it.
        let begun = poll!(running.as_mut());
        next = queries.next().transpose()?;
        match begun {
            Poll::Ready(done) => done?,
            Poll::Pending => running.await?,
        };
    }
    Ok(())
}

/// These rows in parts, each as large as one query may be.
pub(super) fn parts<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    parts_of(rows, MOST_ROWS)
}

fn parts_of<T>(mut rows: &[T], most: usize) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = rows.len().min(most);
        let size = SIZES.into_iter().find(|some| *some <= size)?;
        let (part, rest) = rows.split_at_checked(size)?;
        rows = rest;
        Some(part)
    })
}

/// Marks for the values of these rows.
pub(super) fn values(columns: usize, rows: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    vec![row; rows].join(", ")
}

/// This statement of one row, as often as there are rows.
pub(super) fn repeated(statement: &str, rows: usize) -> String {
    vec![statement; rows].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_part_and_parts_have_few_sizes() {
        for count in [0, 1, 7, 8, 9, 127, 128, 129, 511, 512, 513, 2_048] {
            let rows: Vec<usize> = (0..count).collect();
            let split: Vec<&[usize]> = parts(&rows).collect();
            assert_eq!(split.concat(), rows);
            assert!(split.iter().all(|part| SIZES.contains(&part.len())));
        }
    }

    #[test]
    fn values_have_a_mark_for_each_column_of_each_row() {
        assert_eq!(values(2, 3), "(?, ?), (?, ?), (?, ?)");
    }
}
