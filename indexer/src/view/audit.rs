//! What the last comparison with the chain found.

use {
    super::words,
    crate::store::{AuditRow, DifferenceRow},
    quern_api::{AuditPage, AuditVerdict, DifferenceItem},
};

/// The last comparison with the chain; none before the first one.
pub fn audit(row: Option<AuditRow>) -> AuditPage {
    let verdict = match &row {
        None => AuditVerdict::Pending,
        Some(row) if row.found > 0 => AuditVerdict::Different,
        Some(row) if row.error.is_some() => AuditVerdict::Failed,
        Some(row) if row.is_equal() => AuditVerdict::Equal,
        Some(_) => AuditVerdict::Unsettled,
    };
    let (slot, at) = (
        row.as_ref().map(|row| row.slot),
        row.as_ref().map(|row| row.at),
    );
    let row = row.unwrap_or_default();
    AuditPage {
        verdict,
        audited_slot: slot,
        audited_at: at,
        figures: row.figures,
        unsettled: row.unsettled,
        difference_count: row.found,
        differences: row.differences.into_iter().filter_map(difference).collect(),
        error: row.error,
    }
}

fn difference(row: DifferenceRow) -> Option<DifferenceItem> {
    Some(DifferenceItem {
        check: row.check,
        kind: words::account_kind(row.kind)?,
        address: row.address,
        figure: row.figure,
        expected: row.expected,
        found: row.found,
    })
}
