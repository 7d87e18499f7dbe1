//! What the last comparison with the chain found.

use {
    super::columns,
    crate::{
        error::{IndexerError, Result},
        store::audit::{AuditRow, DifferenceRow},
    },
    sqlx::{PgConnection, Row, postgres::PgRow},
};

pub(super) async fn last(connection: &mut PgConnection) -> Result<Option<AuditRow>> {
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
        error: columns::maybe_text(&row, "error")?,
        differences: differences.iter().map(difference).collect::<Result<_>>()?,
    }))
}

fn difference(row: &PgRow) -> Result<DifferenceRow> {
    let check: String = row.try_get("found_by")?;
    Ok(DifferenceRow {
        check: check
            .parse()
            .map_err(|_| IndexerError::Damaged("found_by"))?,
        kind: columns::code(row, "kind")?,
        address: columns::key(row, "address")?,
        figure: columns::text(row, "figure")?,
        expected: columns::text(row, "expected")?,
        found: columns::text(row, "found")?,
    })
}

pub(super) async fn replace(connection: &mut PgConnection, audit: &AuditRow) -> Result<()> {
    sqlx::query("DELETE FROM difference")
        .execute(&mut *connection)
        .await?;
    let signed = |count: u64| i64::try_from(count).map_err(|_| IndexerError::Damaged("count"));
    sqlx::query(
        "INSERT INTO audit (id, slot, at, figures, unsettled, found, error) VALUES (0, $1, $2, $3, $4, $5, $6) \
         ON CONFLICT (id) DO UPDATE SET slot = excluded.slot, at = excluded.at, figures = excluded.figures, \
         unsettled = excluded.unsettled, found = excluded.found, error = excluded.error",
    )
    .bind(audit.slot.to_be_bytes())
    .bind(audit.at)
    .bind(signed(audit.figures)?)
    .bind(signed(audit.unsettled)?)
    .bind(signed(audit.found)?)
    .bind(audit.error.as_deref().map(str::as_bytes))
    .execute(&mut *connection)
    .await?;
    for (n, difference) in (0_i64..).zip(&audit.differences) {
        sqlx::query(
            "INSERT INTO difference (n, found_by, kind, address, figure, expected, found) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(n)
        .bind(difference.check.word())
        .bind(i16::from(difference.kind))
        .bind(difference.address.0)
        .bind(difference.figure.as_bytes())
        .bind(difference.expected.as_bytes())
        .bind(difference.found.as_bytes())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
