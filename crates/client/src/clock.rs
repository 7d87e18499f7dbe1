//! The cluster's clock, read as the program reads it.

use {
    crate::{
        accounts,
        errors::{ClientError, Result},
    },
    quern::clock::Moment,
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_sdk::pubkey::Pubkey,
};

/// Where the cluster keeps its clock.
pub(crate) const CLOCK: Pubkey =
    Pubkey::from_str_const("SysvarC1ock11111111111111111111111111111111");
/// Where the cluster keeps the slot of its last restart.
pub(crate) const LAST_RESTART_SLOT: Pubkey =
    Pubkey::from_str_const("SysvarLastRestartS1ot1111111111111111111111");

/// Time, slot and last restart of the cluster.
///
/// # Errors
/// That the cluster did not answer, or answered without a clock.
pub async fn moment(rpc: &RpcClient) -> Result<Moment> {
    let found = accounts::found(rpc, &[CLOCK, LAST_RESTART_SLOT]).await?;
    let data = |index: usize| {
        let account = found.get(index).and_then(Option::as_ref);
        account.map(|account| account.data.as_slice())
    };
    decoded(data(0), data(1))
}

/// The moment from the data of both sysvars. A cluster that never restarted may lack the second one.
pub(crate) fn decoded(clock: Option<&[u8]>, restart: Option<&[u8]>) -> Result<Moment> {
    // Clock: slot u64, three more words, unix_timestamp i64.
    let word = |data: Option<&[u8]>, index: usize| {
        data.and_then(|data| data.get(index * 8..))
            .and_then(|rest| rest.first_chunk::<8>())
            .map(|bytes| u64::from_le_bytes(*bytes))
    };
    match (word(clock, 0), word(clock, 4)) {
        (Some(slot), Some(now)) => Ok(Moment {
            now: now.cast_signed(),
            slot,
            last_restart_slot: word(restart, 0).unwrap_or(0),
        }),
        _ => Err(ClientError::Rpc {
            reason: "without a clock".to_owned(),
        }),
    }
}
