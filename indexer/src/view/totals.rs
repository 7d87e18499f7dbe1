//! Sums over everything.

use {
    super::{decimals, words},
    crate::{
        project::{Total, TotalKey, key, program::MintConfig},
        store::Ledger,
    },
    quern_api::{LedgerItem, TotalItem, TotalsPage},
};

/// Every sum in the order of mints, and what the purses of each mint hold.
pub fn totals(
    mut rows: Vec<(TotalKey, Total)>,
    ledgers: &[Ledger],
    mints: &[MintConfig],
) -> TotalsPage {
    rows.sort_by_key(|(key, _)| (key.mint, key.category.word(), key.assurance));
    let totals = rows.iter().map(|(key, total)| TotalItem {
        category: key.category,
        assurance: words::assurance(key.assurance),
        mint: key.mint,
        decimals: decimals(key.mint, mints),
        atoms: total.atoms,
        count: total.count,
    });
    TotalsPage {
        totals: totals.collect(),
        ledgers: ledgers.iter().map(ledger).collect(),
    }
}

fn ledger(ledger: &Ledger) -> LedgerItem {
    let config = &ledger.config;
    let total_atoms = config.total_atoms.get();
    let held_atoms = ledger.free_atoms.checked_add(ledger.reserved_atoms);
    LedgerItem {
        mint: key(&config.mint),
        decimals: config.decimals,
        vault: key(&config.vault),
        total_atoms,
        free_atoms: ledger.free_atoms,
        reserved_atoms: ledger.reserved_atoms,
        purses: ledger.purses,
        equal: held_atoms == Some(u128::from(total_atoms)),
    }
}
