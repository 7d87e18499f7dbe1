//! P1: a vault holds at least its mint's total.
//!
//! Anyone can deposit or withdraw an atom in every slot, so that the total never rests: deposits and withdrawals while the node
//! answered say between which numbers it lay, and a vault is told that lacks more than they moved.

use {
    super::{Auditor, LOOKS, Report, report::of_config, sums::sum},
    crate::{
        error::Result,
        project::{
            Total, TotalKey, key,
            program::{EntityKind, MintConfig},
        },
    },
    futures::TryStreamExt,
    quern_api::{AuditCheck, Category, Key},
    std::{collections::BTreeMap, ops::RangeInclusive},
};

/// What the store knows of a mint's money.
struct Book {
    /// The mint's settings.
    address: Key,
    total_atoms: u128,
    /// The slot of the total's last change.
    changed: u64,
    deposited_atoms: u128,
    withdrawn_atoms: u128,
}

impl Book {
    /// Between which numbers the total lay in the state from which the node answered: one of this slot or of a later one that `self`
    /// reaches. None if `before`, which was read before the node was asked, holds what came after that slot.
    fn totals_since(&self, before: &Self, slot: u64) -> Option<RangeInclusive<u128>> {
        if before.changed > slot {
            return None;
        }
        let withdrawn = self.withdrawn_atoms.saturating_sub(before.withdrawn_atoms);
        let deposited = self.deposited_atoms.saturating_sub(before.deposited_atoms);
        let lowest = before.total_atoms.saturating_sub(withdrawn);
        Some(lowest..=before.total_atoms.saturating_add(deposited))
    }
}

/// Every mint's book, by its vault.
async fn books(auditor: &Auditor) -> Result<BTreeMap<Key, Book>> {
    let mut snapshot = auditor.store.read().await?;
    let totals: BTreeMap<TotalKey, Total> = snapshot.totals().await?.into_iter().collect();
    let mut books = BTreeMap::new();
    let mut configs = snapshot.queries().live(EntityKind::MintConfig as u8);
    while let Some(entity) = configs.try_next().await? {
        let Some(config) = entity.row.read::<MintConfig>() else {
            continue;
        };
        let mint = key(&config.mint);
        let book = Book {
            address: entity.address,
            total_atoms: config.total_atoms.get().into(),
            changed: entity.row.slot,
            deposited_atoms: sum(&totals, Category::Deposited, mint),
            withdrawn_atoms: sum(&totals, Category::Withdrawn, mint),
        };
        books.insert(key(&config.vault), book);
    }
    Ok(books)
}

pub(super) async fn compare(auditor: &Auditor, report: &mut Report) -> Result<()> {
    let mut before = books(auditor).await?;
    let mut left: Vec<Key> = before.keys().copied().collect();
    for look in 0..LOOKS {
        if left.is_empty() {
            return Ok(());
        }
        let (slot, held) = auditor.accounts.token_atoms(&left).await?;
        match look {
            0 => auditor.reached(slot).await?,
            _ => auditor.reached_newest(slot).await?,
        }
        let now = books(auditor).await?;
        let mut unsettled = Vec::new();
        for (vault, atoms) in left.into_iter().zip(held) {
            let (Some(was), Some(is)) = (before.get(&vault), now.get(&vault)) else {
                unsettled.push(vault);
                continue;
            };
            let totals = match (is.changed <= slot, look) {
                (true, _) => Some(is.total_atoms..=is.total_atoms),
                // The answer may be of a state that the store has not reached.
                (false, 0) => None,
                (false, _) => is.totals_since(was, slot),
            };
            // Nothing is told at the first look.
            if !compare_vault(report, is.address, atoms, totals, look > 0) {
                unsettled.push(vault);
            }
        }
        (left, before) = (unsettled, now);
    }
    report.unsettled(left.len());
    Ok(())
}

/// Says whether it is known if the vault holds enough.
fn compare_vault(
    report: &mut Report,
    config: Key,
    atoms: Option<u64>,
    totals: Option<RangeInclusive<u128>>,
    tells: bool,
) -> bool {
    let Some(totals) = totals else {
        return false;
    };
    let held = atoms.map_or(0, u128::from);
    if atoms.is_some() && held >= *totals.end() {
        report.agrees();
        return true;
    }
    let lacks = atoms.is_none() || held < *totals.start();
    if !(lacks && tells) {
        return false;
    }
    report.agrees();
    let shown = atoms.map_or("no token account".to_owned(), |atoms| atoms.to_string());
    let subject = of_config(AuditCheck::Vaults, config);
    let expected = format!("at least {}", totals.start());
    report.differs(subject, "the vault", &expected, &shown);
    true
}
