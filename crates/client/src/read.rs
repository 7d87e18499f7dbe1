//! What a command needs, in one request: the accounts are of the same slot, and none is read twice.

use {
    crate::{
        accounts::{self, Found, ModelAccount, QuernAccount},
        addresses, clock,
        errors::{ClientError, Result},
    },
    quern::{
        clock::Moment,
        state::{Emission, Job, MintConfig, Protocol, Provider, Purse},
    },
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_sdk::pubkey::Pubkey,
};

/// What creating a job depends on.
#[derive(Clone)]
pub struct ForCreate {
    /// The protocol's settings.
    pub protocol: Protocol,
    /// The mint that the job is paid in.
    pub mint: MintConfig,
    /// The model, if the job uses one.
    pub model: Option<ModelAccount>,
    /// The client's purse, if it is open.
    pub purse: Option<Purse>,
    /// The cluster's clock.
    pub moment: Moment,
}

/// Reads what creating a job depends on.
///
/// # Errors
/// `NotFound` for a protocol that is not initialized, a mint that is not registered or an unknown model, in this order.
pub async fn for_create(
    rpc: &RpcClient,
    client: &Pubkey,
    mint: &Pubkey,
    model: Option<&Pubkey>,
) -> Result<ForCreate> {
    let mut wanted = vec![
        clock::CLOCK,
        clock::LAST_RESTART_SLOT,
        addresses::protocol(),
        addresses::mint_config(mint),
        addresses::purse(client, mint),
    ];
    wanted.extend(model);
    let found = accounts::found(rpc, &wanted).await?;
    let at = |index: usize| Read {
        address: wanted.get(index).copied().unwrap_or_default(),
        account: found.get(index).and_then(Option::as_ref),
    };
    Ok(ForCreate {
        protocol: at(2).some()?,
        mint: at(3).some()?,
        purse: at(4).decoded()?,
        model: model.map(|_| at(5).model()).transpose()?,
        moment: clock::decoded(at(0).data(), at(1).data())?,
    })
}

/// What paying a milestone depends on.
#[derive(Clone)]
pub struct ForPayment {
    /// The job, unless it has ended.
    pub job: Option<Job>,
    /// The emission, whose rewards a milestone may earn.
    pub emission: Emission,
    /// The cluster's clock.
    pub moment: Moment,
}

/// Reads what paying a milestone depends on.
///
/// # Errors
/// `NotFound` for a protocol that is not initialized.
pub async fn for_payment(rpc: &RpcClient, job: &Pubkey) -> Result<ForPayment> {
    let wanted = [
        clock::CLOCK,
        clock::LAST_RESTART_SLOT,
        addresses::emission(),
        *job,
    ];
    let found = accounts::found(rpc, &wanted).await?;
    let at = |index: usize| Read {
        address: wanted.get(index).copied().unwrap_or_default(),
        account: found.get(index).and_then(Option::as_ref),
    };
    Ok(ForPayment {
        emission: at(2).some()?,
        job: at(3).decoded()?,
        moment: clock::decoded(at(0).data(), at(1).data())?,
    })
}

/// What claiming depends on, beside purses and entries, whose number nobody knows before.
#[derive(Clone)]
pub struct ForClaim {
    /// The emission, which grants rewards.
    pub emission: Emission,
    /// The owner's entry as a provider, if it has one.
    pub provider: Option<Provider>,
    /// The cluster's clock.
    pub moment: Moment,
}

/// Reads what claiming depends on.
///
/// # Errors
/// `NotFound` for a protocol that is not initialized.
pub async fn for_claim(rpc: &RpcClient, owner: &Pubkey) -> Result<ForClaim> {
    let wanted = [
        clock::CLOCK,
        clock::LAST_RESTART_SLOT,
        addresses::emission(),
        addresses::provider(owner),
    ];
    let found = accounts::found(rpc, &wanted).await?;
    let at = |index: usize| Read {
        address: wanted.get(index).copied().unwrap_or_default(),
        account: found.get(index).and_then(Option::as_ref),
    };
    Ok(ForClaim {
        emission: at(2).some()?,
        provider: at(3).decoded()?,
        moment: clock::decoded(at(0).data(), at(1).data())?,
    })
}

/// One account of an answer.
struct Read<'a> {
    address: Pubkey,
    account: Option<&'a Found>,
}

impl Read<'_> {
    fn data(&self) -> Option<&[u8]> {
        self.account.map(|account| account.data.as_slice())
    }

    fn decoded<T: QuernAccount>(&self) -> Result<Option<T>> {
        let decode =
            |account: &Found| accounts::decode(&self.address, &account.owner, &account.data);
        self.account
            .filter(|account| account.is_held())
            .map(decode)
            .transpose()
    }

    fn some<T: QuernAccount>(&self) -> Result<T> {
        self.decoded()?.ok_or(ClientError::NotFound {
            what: T::NAME,
            address: self.address,
        })
    }

    fn model(&self) -> Result<ModelAccount> {
        let held = self.account.filter(|account| account.is_held());
        accounts::model_from(&self.address, held)
    }
}
