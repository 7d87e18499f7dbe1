//! What the last comparison with the chain found.

use {
    super::columns,
    crate::{
        error::{IndexerError, Result},
        store::audit::{AuditRow, DifferenceRow},
    },
    sqlx::{Row, SqliteConnection, sqlite::SqliteRow},
};

pub(super) async fn last(connection: &mut SqliteConnection) -> Result<Option<AuditRow>> {
    let found = sqlx::query("SELECT * FROM audit")
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = found else { return Ok(None) };
    let differences = sqlx::query("SELECT * FROM difference ORDER BY n")
        .fetch_all(&mut *connection)
        .await?;
    Ok(Some(AuditRow {
        slot: columns::number(&row, "slot")?,
        at: row.try_get("at")?,
        figures: columns::small(&row, "figures")?,
        unsettled: columns::small(&row, "unsettled")?,
        found: columns::small(&row, "found")?,
        error: row.try_get("error")?,
        differences: differences.iter().map(difference).collect::<Result<_>>()?,
    }))
}

fn difference(row: &SqliteRow) -> Result<DifferenceRow> {
    let check: String = row.try_get("found_by")?;
    Ok(DifferenceRow {
        check: check
            .parse()
            .map_err(|_| IndexerError::Damaged("found_by"))?,
        kind: columns::small(row, "kind")?,
        address: columns::key(row, "address")?,
        figure: row.try_get("figure")?,
        expected: row.try_get("expected")?,
        found: row.try_get("found")?,
    })
}

pub(super) async fn replace(connection: &mut SqliteConnection, audit: &AuditRow) -> Result<()> {
    sqlx::query("DELETE FROM difference")
        .execute(&mut *connection)
        .await?;
    let signed = |count: u64| i64::try_from(count).map_err(|_| IndexerError::Damaged("count"));
    sqlx::query(
        "INSERT OR REPLACE INTO audit (id, slot, at, figures, unsettled, found, error) \
         VALUES (0, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&audit.slot.to_be_bytes()[..])
    .bind(audit.at)
    .bind(signed(audit.figures)?)
    .bind(signed(audit.unsettled)?)
    .bind(signed(audit.found)?)
    .bind(audit.error.as_deref())
    .execute(&mut *connection)
    .await?;
    for (n, difference) in (0_i64..).zip(&audit.differences) {
        sqlx::query(
            "INSERT INTO difference (n, found_by, kind, address, figure, expected, found) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(n)
        .bind(difference.check.word())
        .bind(i64::from(difference.kind))
        .bind(&difference.address.0[..])
        .bind(&difference.figure)
        .bind(&difference.expected)
        .bind(&difference.found)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
