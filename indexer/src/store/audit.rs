//! What the last comparison with the chain found, as it is kept.

use quern_api::{AuditCheck, Key};

/// Differences that are kept; more are only counted. One cause can make one in every account.
pub const DIFFERENCES_KEPT: usize = 100;

/// The last comparison with the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditRow {
    /// The slot that store and chain were compared at: the oldest of those that the node answered for.
    pub slot: u64,
    /// When it ended, in seconds.
    pub at: i64,
    /// How many figures were compared.
    pub figures: u64,
    /// How many accounts changed while they were compared: nothing is said of them.
    pub unsettled: u64,
    /// How many differences there are.
    pub found: u64,
    /// The first of them, at most [`DIFFERENCES_KEPT`].
    pub differences: Vec<DifferenceRow>,
    /// Why it could not be finished, if it could not.
    pub error: Option<String>,
}

impl AuditRow {
    /// Whether everything was compared, and agrees.
    pub fn is_equal(&self) -> bool {
        self.found == 0 && self.unsettled == 0 && self.error.is_none()
    }
}

/// A figure that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DifferenceRow {
    /// Which comparison found it.
    pub check: AuditCheck,
    /// Code of the account's kind.
    pub kind: u8,
    /// The account.
    pub address: Key,
    /// Which figure of it.
    pub figure: String,
    /// What the store says, or what must be.
    pub expected: String,
    /// What the other side says.
    pub found: String,
}
