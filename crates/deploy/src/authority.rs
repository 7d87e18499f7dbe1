//! Who may upgrade a program: read, handed to another key, or given up for ever.

use {
    crate::{DeployError, Result, authority_at},
    quern_client::{
        RpcClient,
        accounts::raw,
        addresses::{self, UPGRADEABLE_LOADER},
        send::Sender,
    },
    solana_loader_v3_interface::instruction as loader,
    solana_sdk::{
        pubkey::Pubkey,
        signature::{Keypair, Signer},
    },
};

/// Where a program's data name the authority.
const AUTHORITY_AT: usize = 12;

/// Who may upgrade a program; nobody if it is final.
///
/// # Errors
/// `Refused` if there is no program at the address, or that the cluster did not answer.
pub async fn authority(rpc: &RpcClient, program: &Pubkey) -> Result<Option<Pubkey>> {
    match raw(rpc, &addresses::program_data(program)).await? {
        Some((owner, data)) if owner == UPGRADEABLE_LOADER => Ok(authority_at(&data, AUTHORITY_AT)),
        _ => Err(DeployError::Refused(format!(
            "there is no upgradeable program at {program}; check the address and the cluster"
        ))),
    }
}

/// Gives the right to upgrade a program to `next`, or to nobody for ever. Whether somebody has the key of `next` is not asked:
/// a multisig's address has none.
///
/// # Errors
/// `Refused` unless `present` is the authority, or as [`Sender::send`].
pub async fn set_authority(
    sender: &Sender,
    payer: &Keypair,
    present: &Keypair,
    program: &Pubkey,
    next: Option<&Pubkey>,
) -> Result<()> {
    match authority(sender.rpc(), program).await? {
        Some(known) if known == present.pubkey() => {}
        Some(known) => {
            return Err(DeployError::Refused(format!(
                "only {known} may hand the upgrade authority of {program} over; sign with it"
            )));
        }
        None => {
            return Err(DeployError::Refused(format!(
                "{program} is final already: nobody may upgrade it"
            )));
        }
    }
    let instruction = loader::set_upgrade_authority(program, &present.pubkey(), next);
    sender.send(&[instruction], &[payer, present]).await?;
    Ok(())
}
