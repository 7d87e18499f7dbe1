//! Comparing the tables with the chain, at the start and ever again: account by account at an equal change counter, each vault
//! with the ledger, reservations with what they stand behind, sums with their parts.
//!
//! A hole in the middle of an account's history shows by itself; a missing end shows only here. What differs is told and kept,
//! never mended: only the search for transactions that a node left out follows from it.
//!
//! Nothing is told at the first look. What is not equal then is read again, and compared once the store has everything up to the
//! newest slot that the node could have answered from: some nodes answer with newer state than the slot that they name.

mod accounts;
mod boards;
mod campaigns;
mod columns;
mod counters;
mod money;
mod report;
mod sums;
mod vaults;

pub use report::Report;

use {
    crate::{
        error::{IndexerError, Result},
        health::Health,
        source::Accounts,
        store::{AuditRow, Store},
    },
    std::{
        sync::Arc,
        time::{Duration, SystemTime, UNIX_EPOCH},
    },
    tokio::sync::watch,
};

/// Most time for the store to reach the slot of the node's answer.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(120);
/// How often what is not equal is looked at: what differs is told from the second look on, what changes meanwhile gets all of them.
const LOOKS: u32 = 4;
/// First pause after a comparison that found something, failed, or left something open: holes are searched meanwhile.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// What compares what.
pub struct Auditor {
    /// What the chain holds.
    pub accounts: Arc<dyn Accounts>,
    /// What the tables say.
    pub store: Arc<Store>,
    /// Where the follower tells its progress, and hears of accounts to search for.
    pub health: Health,
    /// Pause between comparisons.
    pub every: Duration,
}

impl Auditor {
    /// Compares until told to stop. What fails is told in the row, and tried again.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.compare_for_ever() => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn compare_for_ever(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            self.first_walk().await;
            let audit = self.audit().await;
            self.tell(&audit);
            if let Err(error) = self.store.put_audit(&audit).await {
                tracing::warn!(%error, "cannot keep what the audit found; trying again later");
            }
            pause = pause_after(&audit, pause, self.every);
            tokio::time::sleep(pause).await;
            if audit.is_equal() {
                pause = FIRST_PAUSE;
            }
        }
    }

    /// Before that, everything differs.
    async fn first_walk(&self) {
        let mut state = self.health.subscribe();
        // Its sender is held by this struct.
        let _ = state.wait_for(|state| state.whole_at.is_some()).await;
    }

    /// Compares everything once.
    pub async fn audit(&self) -> AuditRow {
        let mut report = Report::default();
        let compared = async {
            accounts::compare(self, &mut report).await?;
            money::compare(self, &mut report).await
        };
        let error = compared.await.err();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let at = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        report.finish(at, error.map(|error| error.to_string()))
    }

    fn tell(&self, audit: &AuditRow) {
        let AuditRow { found, figures, .. } = audit;
        if let Some(error) = &audit.error {
            tracing::warn!(error, "the audit could not be finished; trying again later");
        }
        for difference in &audit.differences {
            let address = difference.address;
            let (check, figure) = (difference.check.word(), &difference.figure);
            let (expected, other) = (&difference.expected, &difference.found);
            tracing::error!(check, %address, figure, expected, found = other, "differs from the chain");
        }
        if audit.unsettled > 0 {
            let unsettled = audit.unsettled;
            tracing::warn!(
                unsettled,
                "the audit could not compare what changed at each look; trying again later"
            );
        }
        if audit.is_equal() {
            tracing::info!(
                figures,
                slot = audit.slot,
                "the audit found everything equal"
            );
        }
        self.health.update(|state| {
            state.audits += 1;
            state.differences = *found;
        });
    }

    /// Waits until the store has everything that the node could have answered from.
    async fn reached_newest(&self, slot: u64) -> Result<()> {
        let newest = self.accounts.newest_slot().await?;
        self.reached(newest.max(slot)).await
    }

    /// Waits until the store has everything up to a slot.
    async fn reached(&self, slot: u64) -> Result<()> {
        let mut state = self.health.subscribe();
        let reached = state.wait_for(|state| state.cursor_slot.is_some_and(|at| at >= slot));
        match tokio::time::timeout(CATCH_UP_TIMEOUT, reached).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(IndexerError::AuditLate { slot }),
        }
    }
}

/// The pause after a comparison, by the last pause: what could not be compared is looked at again as soon as what differs.
fn pause_after(audit: &AuditRow, last: Duration, every: Duration) -> Duration {
    match audit.is_equal() {
        true => every,
        false => (last * 2).clamp(FIRST_PAUSE, every.max(FIRST_PAUSE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_equal_waits_for_the_next_turn() {
        let every = Duration::from_secs(900);
        let equal = AuditRow::default();
        assert_eq!(pause_after(&equal, FIRST_PAUSE, every), every);
        let different = AuditRow {
            found: 1,
            ..AuditRow::default()
        };
        let unsettled = AuditRow {
            unsettled: 1,
            ..AuditRow::default()
        };
        let failed = AuditRow {
            error: Some("refused".to_owned()),
            ..AuditRow::default()
        };
        for audit in [different, unsettled, failed] {
            assert!(!audit.is_equal());
            assert_eq!(pause_after(&audit, FIRST_PAUSE, every), FIRST_PAUSE * 2);
            assert_eq!(pause_after(&audit, every, every), every);
        }
    }
}
