//! What a comparison found so far.

use {
    crate::{
        project::program::EntityKind,
        store::{AuditRow, DIFFERENCES_KEPT, DifferenceRow},
    },
    quern_api::{AuditCheck, Key},
    std::fmt::Display,
};

/// Longest text of a value; a root or a list of them is cut.
const SHOWN_CHARS: usize = 200;

/// What a comparison found so far.
#[derive(Debug, Default)]
pub struct Report {
    row: AuditRow,
}

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// By which comparison.
    pub check: AuditCheck,
    /// What the account is.
    pub kind: EntityKind,
    /// The account.
    pub address: Key,
}

/// A comparison about a mint, by its settings.
pub fn of_config(check: AuditCheck, address: Key) -> Subject {
    Subject {
        check,
        kind: EntityKind::MintConfig,
        address,
    }
}

/// A sum of a mint; the address is the mint's, not that of its settings.
pub fn of_mint(check: AuditCheck, mint: Key) -> Subject {
    Subject {
        check,
        kind: EntityKind::MintConfig,
        address: mint,
    }
}

impl Report {
    /// Counts a figure, and a difference unless both sides say the same.
    pub fn equal<T: PartialEq + Display>(
        &mut self,
        subject: Subject,
        figure: &str,
        expected: T,
        found: T,
    ) {
        self.row.figures += 1;
        if expected != found {
            self.differs(subject, figure, &expected.to_string(), &found.to_string());
        }
    }

    /// Counts a figure that agrees.
    pub fn agrees(&mut self) {
        self.row.figures += 1;
    }

    /// Adds a difference.
    pub fn differs(&mut self, subject: Subject, figure: &str, expected: &str, found: &str) {
        self.row.found += 1;
        if self.row.differences.len() >= DIFFERENCES_KEPT {
            return;
        }
        let shown = |text: &str| text.chars().take(SHOWN_CHARS).collect();
        self.row.differences.push(DifferenceRow {
            check: subject.check,
            kind: subject.kind as u8,
            address: subject.address,
            figure: shown(figure),
            expected: shown(expected),
            found: shown(found),
        });
    }

    /// Counts accounts that changed while they were compared.
    pub fn unsettled(&mut self, accounts: usize) {
        self.row.unsettled += accounts as u64;
    }

    /// Notes the slot of an answer; the oldest one stands for all.
    pub fn at_slot(&mut self, slot: u64) {
        self.row.slot = match self.row.slot {
            0 => slot,
            known => known.min(slot),
        };
    }

    /// What is kept of it.
    pub fn finish(self, at: i64, error: Option<String>) -> AuditRow {
        AuditRow {
            at,
            error,
            ..self.row
        }
    }
}
