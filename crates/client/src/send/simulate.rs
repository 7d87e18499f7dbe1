//! Running instructions on a node without sending them.

use {
    super::confirm::refused_transaction,
    crate::{
        errors::{ClientError, Result},
        transaction::{self, Budget, Format, MAX_COMPUTE_UNITS, MAX_LOADED_BYTES},
    },
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_rpc_client_api::config::RpcSimulateTransactionConfig,
    solana_sdk::{
        hash::Hash, instruction::Instruction, pubkey::Pubkey, signature::Signature,
        transaction::VersionedTransaction,
    },
};

/// What a transaction may load beyond twice its simulation.
const LOADED_RESERVE_BYTES: u32 = 64 * 1_024;

/// What a simulation found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Simulation {
    /// Compute units that it used.
    pub units: u64,
    /// Account data that it loaded, in bytes, if the node tells.
    pub loaded_bytes: Option<u32>,
    /// Logs of all programs.
    pub logs: Vec<String>,
}

/// Runs instructions on the node, as if `payer` offered `price` micro-lamports a compute unit. No signature is needed.
///
/// # Errors
/// `Refused` if they would fail.
pub async fn simulate(
    rpc: &RpcClient,
    format: Format,
    instructions: &[Instruction],
    payer: &Pubkey,
    price: u64,
) -> Result<Simulation> {
    let budget = Budget {
        units: MAX_COMPUTE_UNITS,
        price,
        loaded_bytes: MAX_LOADED_BYTES,
    };
    let message = transaction::message(format, instructions, payer, &budget, Hash::default())?;
    let signatures = usize::from(message.header().num_required_signatures);
    let unsigned = VersionedTransaction {
        signatures: vec![Signature::default(); signatures],
        message,
    };
    let config = RpcSimulateTransactionConfig {
        sig_verify: false,
        replace_recent_blockhash: true,
        commitment: Some(rpc.commitment()),
        ..Default::default()
    };
    let result = rpc
        .simulate_transaction_with_config(&unsigned, config)
        .await
        .map_err(|error| ClientError::from_rpc(&rpc.url(), error))?
        .value;
    let logs = result.logs.unwrap_or_default();
    match result.err {
        Some(error) => Err(refused_transaction(error.into(), logs, &unsigned)),
        None => Ok(Simulation {
            units: result
                .units_consumed
                .unwrap_or(u64::from(MAX_COMPUTE_UNITS)),
            loaded_bytes: result.loaded_accounts_data_size,
            logs,
        }),
    }
}

/// A simulation's compute units and loaded bytes, and a reserve for what may differ when it runs for real.
pub fn reserve(simulation: &Simulation) -> (u32, u32) {
    let units = simulation.units.saturating_mul(115) / 100 + 500;
    let units = u32::try_from(units).unwrap_or(MAX_COMPUTE_UNITS);
    // An upgrade in between may make the program larger; accounts stay as they are.
    let loaded_bytes = simulation.loaded_bytes.map_or(MAX_LOADED_BYTES, |bytes| {
        bytes.saturating_mul(2).saturating_add(LOADED_RESERVE_BYTES)
    });
    (
        units.min(MAX_COMPUTE_UNITS),
        loaded_bytes.min(MAX_LOADED_BYTES),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_stays_within_the_limits() {
        let simulation = |units, loaded_bytes| Simulation {
            units,
            loaded_bytes,
            logs: Vec::new(),
        };
        assert_eq!(
            reserve(&simulation(10_000, Some(300_000))),
            (12_000, 665_536)
        );
        assert_eq!(
            reserve(&simulation(10_000, None)),
            (12_000, MAX_LOADED_BYTES)
        );
        assert_eq!(
            reserve(&simulation(1_399_000, Some(u32::MAX))),
            (MAX_COMPUTE_UNITS, MAX_LOADED_BYTES)
        );
    }
}
