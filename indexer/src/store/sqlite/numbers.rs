//! Transactions by number: other tables name a transaction by it.

use {
    super::bulk,
    crate::error::{IndexerError, Result},
    quern_api::Signature,
    std::collections::{HashMap, HashSet},
};

/// Numbers kept in memory at most.
pub(super) const MOST_KNOWN: usize = 100_000;

/// What one database transaction knows of the numbers.
#[derive(Default)]
pub(super) struct Numbers {
    pub(super) known: HashMap<Signature, i64>,
    /// Those that this database transaction gave: nothing but what it inserts itself refers to them.
    pub(super) fresh: HashSet<Signature>,
    pub(super) next: Option<i64>,
}

impl Numbers {
    pub(super) fn note(&mut self, signature: Signature, number: i64) {
        self.known.insert(signature, number);
    }

    /// The number of a transaction that was learnt or given before.
    pub(super) fn of(&self, signature: &Signature) -> Result<i64> {
        let number = self.known.get(signature).copied();
        number.ok_or(IndexerError::Damaged("tx"))
    }

    pub(super) fn is_fresh(&self, signature: &Signature) -> bool {
        self.fresh.contains(signature)
    }

    /// From now on rows may refer to it.
    pub(super) fn use_up(&mut self, signature: &Signature) {
        self.fresh.remove(signature);
    }
}

/// Transactions by their signatures; see the index.
pub(super) fn numbers_sql(signatures: usize) -> String {
    let values = bulk::values(1, signatures);
    format!(
        "WITH wanted (signature) AS (VALUES {values}) SELECT tx.id, tx.signature, tx.entries FROM wanted CROSS JOIN tx \
         ON substr(tx.signature, 1, 8) = substr(wanted.signature, 1, 8) AND tx.signature = wanted.signature"
    )
}
