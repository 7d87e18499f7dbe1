//! What the purses of each mint hold together, in memory. Anybody may open purses, so strangers decide how long it takes to add
//! them up: it is done once for each state of the store, and whoever asks meanwhile waits.

use {
    super::rows::{Meta, Queries},
    crate::{
        error::Result,
        project::{
            key,
            program::{EntityKind, MintConfig, Purse, read},
        },
    },
    futures::TryStreamExt,
    quern_api::Key,
    std::collections::BTreeMap,
    tokio::sync::Mutex,
};

/// All purses of a mint in one.
#[derive(Clone, Copy, Debug)]
pub struct Ledger {
    /// The mint's settings.
    pub config: MintConfig,
    /// How many purses.
    pub purses: u64,
    /// Their free atoms.
    pub free_atoms: u128,
    /// Their reserved atoms.
    pub reserved_atoms: u128,
}

/// The change that made the tables, and how many events are in them: accounts change with these alone, and both only grow.
type State = (i64, u64);

/// The ledgers of the latest state that was asked for.
#[derive(Default)]
pub(super) struct Ledgers(Mutex<Option<(State, Vec<Ledger>)>>);

impl Ledgers {
    /// The ledgers of this state.
    pub(super) async fn of(
        &self,
        rows: &mut dyn Queries,
        meta: &Meta,
        mints: &[MintConfig],
    ) -> Result<Vec<Ledger>> {
        let wanted = (meta.remade, meta.events);
        // Held while purses are added up, so that nobody else does it at the same time.
        let mut known = self.0.lock().await;
        let state = known.as_ref().map(|(state, _)| *state);
        if let Some((_, ledgers)) = known.as_ref().filter(|_| state == Some(wanted)) {
            return Ok(ledgers.clone());
        }
        let ledgers = add_up(rows, mints).await?;
        // A request that saw an earlier state answers for its own; those to come ask for the later one.
        if state < Some(wanted) {
            *known = Some((wanted, ledgers.clone()));
        }
        Ok(ledgers)
    }
}

/// Reads every purse; the ledgers are in the order of mints.
pub(super) async fn add_up(rows: &mut dyn Queries, mints: &[MintConfig]) -> Result<Vec<Ledger>> {
    let empty = mints.iter().map(|config| Ledger {
        config: *config,
        purses: 0,
        free_atoms: 0,
        reserved_atoms: 0,
    });
    let mut ledgers: BTreeMap<Key, Ledger> = empty
        .map(|ledger| (key(&ledger.config.mint), ledger))
        .collect();
    let mut purses = rows.values(EntityKind::Purse as u8);
    while let Some(bytes) = purses.try_next().await? {
        let Some(purse) = read::<Purse>(&bytes) else {
            continue;
        };
        if let Some(ledger) = ledgers.get_mut(&key(&purse.mint)) {
            let [free, reserved] =
                [purse.free_atoms, purse.reserved_atoms].map(|atoms| atoms.get());
            ledger.purses += 1;
            ledger.free_atoms = ledger.free_atoms.saturating_add(free.into());
            ledger.reserved_atoms = ledger.reserved_atoms.saturating_add(reserved.into());
        }
    }
    Ok(ledgers.into_values().collect())
}
