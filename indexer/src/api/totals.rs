//! `/v1/totals`: sums over everything, to be checked against the chain.

use {
    super::{
        ApiState, Problem,
        params::Params,
        reply::{Reply, assurance_name, decimals},
    },
    crate::{
        key::Key,
        project::{key, program::MintConfig},
        store::{Ledger, Mint, TotalRow},
    },
    axum::{Json, extract::State, http::Uri},
    serde::Serialize,
};

#[derive(Serialize)]
pub(super) struct TotalsBody {
    /// One item a category, mint and assurance level; levels are never added.
    totals: Vec<TotalBody>,
    /// One item a mint: what its purses hold.
    ledgers: Vec<LedgerBody>,
}

#[derive(Serialize)]
struct TotalBody {
    category: String,
    /// Null where the event does not tell the level.
    assurance: Option<&'static str>,
    mint: Key,
    decimals: Option<u8>,
    atoms: String,
    /// How many events added to it.
    count: String,
}

#[derive(Serialize)]
struct LedgerBody {
    mint: Key,
    decimals: u8,
    vault: Key,
    /// What the program says the purses hold together.
    total_atoms: String,
    /// What they hold, added here.
    free_atoms: String,
    reserved_atoms: String,
    purses: u64,
    /// Whether the two agree.
    equal: bool,
}

/// Sums over everything.
pub(super) async fn totals(
    State(api): State<ApiState>,
    uri: Uri,
) -> Result<Json<Reply<TotalsBody>>, Problem> {
    Params::read(&uri, &[])?;
    let snapshot = api.store.totals().await?;
    let body = TotalsBody {
        totals: snapshot
            .value
            .rows
            .iter()
            .map(|row| total(row, &snapshot.mints))
            .collect(),
        ledgers: snapshot.value.ledgers.iter().filter_map(ledger).collect(),
    };
    Ok(api.reply(&snapshot, body))
}

fn total(row: &TotalRow, mints: &[Mint]) -> TotalBody {
    TotalBody {
        category: row.category.clone(),
        assurance: (row.assurance != 0).then(|| assurance_name(row.assurance)),
        mint: row.mint,
        decimals: decimals(row.mint, mints),
        atoms: row.total.atoms.to_string(),
        count: row.total.count.to_string(),
    }
}

fn ledger(ledger: &Ledger) -> Option<LedgerBody> {
    let config = ledger.config.row.read::<MintConfig>()?;
    let total_atoms = config.total_atoms.get();
    Some(LedgerBody {
        mint: key(&config.mint),
        decimals: config.decimals,
        vault: key(&config.vault),
        total_atoms: total_atoms.to_string(),
        free_atoms: ledger.free_atoms.to_string(),
        reserved_atoms: ledger.reserved_atoms.to_string(),
        purses: ledger.purses,
        equal: ledger.free_atoms.checked_add(ledger.reserved_atoms)
            == Some(u128::from(total_atoms)),
    })
}
