//! `/v1/purses/{address}`.

use {
    super::{
        ApiState, Problem,
        params::{Params, path_address},
        reply::{Reply, decimals},
    },
    crate::{
        key::Key,
        project::{key, program::Purse},
        store::{Entity, Mint},
    },
    axum::{
        Json,
        extract::{Path, State, rejection::PathRejection},
        http::Uri,
    },
    serde::Serialize,
};

#[derive(Serialize)]
pub(super) struct PurseBody {
    pub(super) address: Key,
    owner: Key,
    mint: Key,
    decimals: Option<u8>,
    free_atoms: String,
    reserved_atoms: String,
    operator_reserved_atoms: String,
    operator_limit_atoms: String,
    opened: String,
    seq: String,
    /// The slot of its last change.
    changed_slot: u64,
}

impl PurseBody {
    pub(super) fn of(entity: &Entity, mints: &[Mint]) -> Option<Self> {
        let purse = entity.row.read::<Purse>()?;
        let mint = key(&purse.mint);
        Some(Self {
            address: entity.address,
            owner: key(&purse.owner),
            mint,
            decimals: decimals(mint, mints),
            free_atoms: purse.free_atoms.get().to_string(),
            reserved_atoms: purse.reserved_atoms.get().to_string(),
            operator_reserved_atoms: purse.operator_reserved_atoms.get().to_string(),
            operator_limit_atoms: purse.operator_limit_atoms.get().to_string(),
            opened: purse.opened.get().to_string(),
            seq: entity.row.seq.to_string(),
            changed_slot: entity.row.slot,
        })
    }
}

/// A purse by its address.
pub(super) async fn purse(
    State(api): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<Reply<PurseBody>>, Problem> {
    Params::read(&uri, &[])?;
    let address = path_address(path)?;
    let snapshot = api.store.purse(&address).await?;
    let body = snapshot
        .value
        .as_ref()
        .and_then(|entity| PurseBody::of(entity, &snapshot.mints))
        .ok_or_else(|| {
            Problem::not_found(format!("no finalized purse has the address {address}"))
        })?;
    Ok(api.reply(&snapshot, body))
}
