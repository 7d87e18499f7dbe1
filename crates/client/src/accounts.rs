//! Reading accounts of the program: strictly, so that a wrong address gives a sentence and never nonsense.

use {
    crate::{
        addresses,
        errors::{ClientError, Result},
    },
    anchor_lang::Discriminator,
    quern::state::{
        Campaign, Demand, Emission, Entity, Entry, Evidence, Job, JobState, LAYOUT_VERSION,
        MintConfig, Model, Protocol, Provider, Purse,
    },
    quern_proof::demand::MAX_ANSWER_BYTES,
    solana_account_decoder_client_types::{UiAccount, UiAccountEncoding, UiDataSliceConfig},
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_rpc_client_api::{
        config::{RpcAccountInfoConfig, RpcProgramAccountsConfig},
        filter::{Memcmp, RpcFilterType},
    },
    solana_sdk::pubkey::Pubkey,
    std::{
        mem::{offset_of, size_of},
        sync::atomic::{AtomicBool, Ordering},
    },
};

/// Where both token programs keep an account's amount.
const TOKEN_AMOUNT_BYTES: std::ops::Range<usize> = 64..72;
/// Where both token programs keep a mint's decimals.
const MINT_DECIMALS_BYTE: usize = 44;

/// Bytes of a discriminator, which begin every account.
pub(crate) const DISCRIMINATOR_BYTES: usize = 8;

/// What an evidence account is called in a sentence.
const EVIDENCE: &str = "evidence account";

/// An account type of the program.
pub trait QuernAccount: Entity + Discriminator {
    /// What it is called in a sentence.
    const NAME: &'static str;
    /// The layout version that the account carries.
    fn version(&self) -> u8;
    /// Bytes behind the fixed part.
    fn tail_bytes(&self) -> usize {
        0
    }
    /// Whether so many bytes may stand behind the fixed part.
    fn may_have_tail(&self, bytes: usize) -> bool {
        bytes == self.tail_bytes()
    }
}

macro_rules! accounts {
    ($($type:ident $name:literal),* $(,)?) => {$(
        impl QuernAccount for $type {
            const NAME: &'static str = $name;
            fn version(&self) -> u8 {
                self.version
            }
        }
    )*};
}

accounts! {
    Protocol "protocol",
    MintConfig "mint configuration",
    Emission "emission",
    Provider "provider",
    Purse "purse",
    Job "job",
    Campaign "campaign",
    Entry "campaign entry",
}

impl QuernAccount for Model {
    const NAME: &'static str = "model";
    fn version(&self) -> u8 {
        self.version
    }
    fn tail_bytes(&self) -> usize {
        self.graph_bytes.get() as usize
    }
    /// It grows while its graph is written.
    fn may_have_tail(&self, bytes: usize) -> bool {
        bytes == self.tail_bytes() || bytes < self.tail_bytes() && !self.sealed.get()
    }
}

impl QuernAccount for Demand {
    const NAME: &'static str = "demand";
    fn version(&self) -> u8 {
        self.version
    }
    fn tail_bytes(&self) -> usize {
        self.answer_bytes.get() as usize
    }
}

/// A demand with its answer.
#[derive(Clone, Debug)]
pub struct DemandAccount {
    /// Where it is.
    pub address: Pubkey,
    /// The fixed part.
    pub demand: Demand,
    /// The nodes or the leaf's bytes, if it was answered.
    pub answer: Option<Vec<u8>>,
}

/// An evidence account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceAccount {
    /// Where it is.
    pub address: Pubkey,
    /// Who may write and close it.
    pub author: Pubkey,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// A model with its graph.
#[derive(Clone, Debug)]
pub struct ModelAccount {
    /// Where it is.
    pub address: Pubkey,
    /// The fixed part.
    pub model: Model,
    /// The graph, empty for assets without one. Complete and checked only if the model is sealed, and shorter before.
    pub graph: Vec<u8>,
}

/// Decodes an account after checking owner, discriminator, size, version and codes.
///
/// # Errors
/// `WrongOwner`, `WrongType`, `WrongSize`, `WrongVersion` or `UnknownCode`, each naming the address.
pub fn decode<T: QuernAccount>(address: &Pubkey, owner: &Pubkey, data: &[u8]) -> Result<T> {
    let (what, address) = (T::NAME, *address);
    if *owner != crate::program_id() {
        return Err(ClientError::WrongOwner {
            what,
            address,
            owner: *owner,
        });
    }
    let body = data
        .strip_prefix(T::DISCRIMINATOR)
        .ok_or(ClientError::WrongType { what, address })?;
    let wrong_size = |tail: usize| ClientError::WrongSize {
        what,
        address,
        expected: DISCRIMINATOR_BYTES + size_of::<T>() + tail,
        found: data.len(),
    };
    // A newer layout may be shorter; its version stands where every version has stood.
    if let Some(found) = body.first().filter(|found| **found > LAYOUT_VERSION) {
        return Err(ClientError::WrongVersion {
            what,
            address,
            found: *found,
            known: LAYOUT_VERSION,
        });
    }
    let fixed = body.get(..size_of::<T>()).ok_or_else(|| wrong_size(0))?;
    let account: T = bytemuck::pod_read_unaligned(fixed);
    if account.version() != LAYOUT_VERSION {
        return Err(ClientError::WrongVersion {
            what,
            address,
            found: account.version(),
            known: LAYOUT_VERSION,
        });
    }
    if !account.may_have_tail(body.len().saturating_sub(size_of::<T>())) {
        return Err(wrong_size(account.tail_bytes()));
    }
    if !account.has_known_codes() {
        return Err(ClientError::UnknownCode { what, address });
    }
    Ok(account)
}

/// Fetches an account that may be missing, at the client's commitment.
///
/// # Errors
/// What [`decode`] says, or that the cluster did not answer.
pub async fn fetch_optional<T: QuernAccount>(
    rpc: &RpcClient,
    address: &Pubkey,
) -> Result<Option<T>> {
    let Some(account) = held(rpc, address).await? else {
        return Ok(None);
    };
    decode(address, &account.owner, &account.data).map(Some)
}

/// Fetches an account that should exist, at the client's commitment.
///
/// # Errors
/// `NotFound`, what [`decode`] says, or that the cluster did not answer.
pub async fn fetch<T: QuernAccount>(rpc: &RpcClient, address: &Pubkey) -> Result<T> {
    fetch_optional(rpc, address)
        .await?
        .ok_or(ClientError::NotFound {
            what: T::NAME,
            address: *address,
        })
}

/// The protocol's settings.
///
/// # Errors
/// As [`fetch`]: `NotFound` means that the protocol is not initialized on this cluster.
pub async fn protocol(rpc: &RpcClient) -> Result<Protocol> {
    fetch(rpc, &addresses::protocol()).await
}

/// The emission.
///
/// # Errors
/// As [`fetch`].
pub async fn emission(rpc: &RpcClient) -> Result<Emission> {
    fetch(rpc, &addresses::emission()).await
}

/// The configuration of a mint.
///
/// # Errors
/// As [`fetch`]: `NotFound` means that the mint is not registered.
pub async fn mint_config(rpc: &RpcClient, mint: &Pubkey) -> Result<MintConfig> {
    fetch(rpc, &addresses::mint_config(mint)).await
}

/// The purse of an owner in a mint, if it is open.
///
/// # Errors
/// As [`fetch_optional`].
pub async fn purse(rpc: &RpcClient, owner: &Pubkey, mint: &Pubkey) -> Result<Option<Purse>> {
    fetch_optional(rpc, &addresses::purse(owner, mint)).await
}

/// A model with its graph.
///
/// # Errors
/// As [`fetch`].
pub async fn model(rpc: &RpcClient, address: &Pubkey) -> Result<ModelAccount> {
    model_from(address, held(rpc, address).await?.as_ref())
}

/// A model from what a node answered.
pub(crate) fn model_from(address: &Pubkey, held: Option<&Found>) -> Result<ModelAccount> {
    let account = held.ok_or(ClientError::NotFound {
        what: Model::NAME,
        address: *address,
    })?;
    model_of(address, &account.owner, &account.data)
}

fn model_of(address: &Pubkey, owner: &Pubkey, data: &[u8]) -> Result<ModelAccount> {
    let model: Model = decode(address, owner, data)?;
    // `decode` has compared the length: the graph is there, or as much of it as has room yet.
    let graph = data.get(Model::GRAPH_OFFSET..).unwrap_or_default().to_vec();
    Ok(ModelAccount {
        address: *address,
        model,
        graph,
    })
}

/// A demand with its answer.
///
/// # Errors
/// As [`fetch`]: `NotFound` means that it was never opened, or was closed.
pub async fn demand(rpc: &RpcClient, address: &Pubkey) -> Result<DemandAccount> {
    demand_optional(rpc, address)
        .await?
        .ok_or(ClientError::NotFound {
            what: Demand::NAME,
            address: *address,
        })
}

/// A demand with its answer, if it is open.
///
/// # Errors
/// As [`fetch_optional`].
pub async fn demand_optional(rpc: &RpcClient, address: &Pubkey) -> Result<Option<DemandAccount>> {
    let Some(account) = held(rpc, address).await? else {
        return Ok(None);
    };
    demand_of(address, &account.owner, &account.data).map(Some)
}

fn demand_of(address: &Pubkey, owner: &Pubkey, data: &[u8]) -> Result<DemandAccount> {
    let demand: Demand = decode(address, owner, data)?;
    // `decode` has compared the length, so the answer's room is there.
    let answer = Demand::answer_of(data, demand.answer_bytes.get()).unwrap_or_default();
    Ok(DemandAccount {
        address: *address,
        answer: demand.answered.get().then(|| answer.to_vec()),
        demand,
    })
}

/// All demands about a job, whatever their submission, ordered by tree, level and index.
///
/// # Errors
/// As [`jobs`].
pub async fn demands_of(rpc: &RpcClient, job: &Pubkey) -> Result<Vec<DemandAccount>> {
    demands(rpc, field(offset_of!(Demand, job), job.as_ref())).await
}

/// All open demands of an opener, ordered by tree, level and index.
///
/// # Errors
/// As [`jobs`].
pub async fn demands_by(rpc: &RpcClient, opener: &Pubkey) -> Result<Vec<DemandAccount>> {
    demands(rpc, field(offset_of!(Demand, opener), opener.as_ref())).await
}

/// The fixed parts of all demands about a job that are not answered, whatever their submission, earliest due first. However
/// many were answered, they are not downloaded.
///
/// # Errors
/// As [`jobs`].
pub async fn unanswered_demands_of(rpc: &RpcClient, job: &Pubkey) -> Result<Vec<(Pubkey, Demand)>> {
    let filters = vec![
        field(offset_of!(Demand, job), job.as_ref()),
        field(offset_of!(Demand, answered), &[0]),
    ];
    // The room for the answer is empty.
    let fixed = UiDataSliceConfig {
        offset: 0,
        length: Demand::ANSWER_OFFSET,
    };
    let found = program_accounts(rpc, Demand::DISCRIMINATOR, filters, Some(fixed)).await?;
    let mut demands = known(
        found
            .iter()
            .map(|(address, data)| unanswered(address, data).map(|demand| (*address, demand))),
    )?;
    demands.sort_by_key(|(address, demand)| (demand.due.get(), *address));
    Ok(demands)
}

/// A demand without the room for its answer.
fn unanswered(address: &Pubkey, fixed: &[u8]) -> Result<Demand> {
    let answer_bytes = fixed
        .get(DISCRIMINATOR_BYTES..Demand::ANSWER_OFFSET)
        .map_or(0, |body| {
            bytemuck::pod_read_unaligned::<Demand>(body)
                .answer_bytes
                .get()
        });
    // No answer is longer, whatever a node says.
    let room = (answer_bytes as usize).min(MAX_ANSWER_BYTES);
    let mut data = fixed.to_vec();
    data.resize(fixed.len() + room, 0);
    decode(address, &crate::program_id(), &data)
}

async fn demands(rpc: &RpcClient, filter: RpcFilterType) -> Result<Vec<DemandAccount>> {
    let found = program_accounts(rpc, Demand::DISCRIMINATOR, vec![filter], None).await?;
    let mut demands = known(
        found
            .iter()
            .map(|(address, data)| demand_of(address, &crate::program_id(), data)),
    )?;
    demands.sort_by_key(
        |DemandAccount {
             demand, address, ..
         }| {
            (
                demand.submission.get(),
                demand.tree.get(),
                demand.level,
                demand.index.get(),
                *address,
            )
        },
    );
    Ok(demands)
}

/// An evidence account.
///
/// # Errors
/// As [`fetch`].
pub async fn evidence(rpc: &RpcClient, address: &Pubkey) -> Result<EvidenceAccount> {
    let account = held(rpc, address).await?.ok_or(ClientError::NotFound {
        what: EVIDENCE,
        address: *address,
    })?;
    evidence_of(address, &account.owner, &account.data)
}

/// The evidence accounts of an author.
///
/// # Errors
/// As [`jobs`].
pub async fn evidences_by(rpc: &RpcClient, author: &Pubkey) -> Result<Vec<EvidenceAccount>> {
    let filter = field(offset_of!(Evidence, author), author.as_ref());
    program_accounts(rpc, Evidence::DISCRIMINATOR, vec![filter], None)
        .await?
        .iter()
        .map(|(address, data)| evidence_of(address, &crate::program_id(), data))
        .collect()
}

fn evidence_of(address: &Pubkey, owner: &Pubkey, data: &[u8]) -> Result<EvidenceAccount> {
    let (what, address) = (EVIDENCE, *address);
    if *owner != crate::program_id() {
        return Err(ClientError::WrongOwner {
            what,
            address,
            owner: *owner,
        });
    }
    let body = data
        .strip_prefix(Evidence::DISCRIMINATOR)
        .ok_or(ClientError::WrongType { what, address })?;
    let (author, bytes) = body
        .split_first_chunk::<32>()
        .ok_or(ClientError::WrongSize {
            what,
            address,
            expected: Evidence::HEADER_BYTES,
            found: data.len(),
        })?;
    Ok(EvidenceAccount {
        address,
        author: Pubkey::from(*author),
        bytes: bytes.to_vec(),
    })
}

/// Which jobs to list. Everything that is `None` does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct JobFilter {
    /// In this state.
    pub state: Option<JobState>,
    /// Of this client.
    pub client: Option<Pubkey>,
    /// At work with this provider (by owner).
    pub provider: Option<Pubkey>,
    /// Of this model.
    pub model: Option<Pubkey>,
    /// In this mint.
    pub mint: Option<Pubkey>,
}

impl JobFilter {
    /// Whether it takes a job.
    pub fn takes(&self, job: &Job) -> bool {
        let is = |wanted: Option<Pubkey>, found: Pubkey| wanted.is_none_or(|it| it == found);
        self.state.is_none_or(|state| job.is_in(state))
            && is(self.client, job.client)
            && is(self.provider, job.provider)
            && is(self.model, job.model)
            && is(self.mint, job.mint)
    }
}

/// The filters of a request for what a job filter takes.
pub(crate) fn job_filters(filter: &JobFilter) -> Vec<RpcFilterType> {
    let state = filter
        .state
        .map(|state| field(offset_of!(Job, state), &[state as u8]));
    let keys = [
        (offset_of!(Job, client), filter.client),
        (offset_of!(Job, provider), filter.provider),
        (offset_of!(Job, model), filter.model),
        (offset_of!(Job, mint), filter.mint),
    ];
    let keys = keys
        .into_iter()
        .filter_map(|(at, key)| key.map(|key| field(at, key.as_ref())));
    state.into_iter().chain(keys).collect()
}

/// Live jobs, ordered by creation.
///
/// # Errors
/// That the cluster did not answer, or an account that cannot be decoded.
pub async fn jobs(rpc: &RpcClient, filter: JobFilter) -> Result<Vec<(Pubkey, Job)>> {
    let mut jobs = list::<Job>(rpc, job_filters(&filter)).await?;
    jobs.sort_by_key(|(address, job)| (job.created_at.get(), *address));
    Ok(jobs)
}

/// All providers.
///
/// # Errors
/// As [`jobs`].
pub async fn providers(rpc: &RpcClient) -> Result<Vec<(Pubkey, Provider)>> {
    list(rpc, Vec::new()).await
}

/// All purses, or those of one owner.
///
/// # Errors
/// As [`jobs`].
pub async fn purses(rpc: &RpcClient, owner: Option<&Pubkey>) -> Result<Vec<(Pubkey, Purse)>> {
    let filters = owner.map(|owner| field(offset_of!(Purse, owner), owner.as_ref()));
    list(rpc, filters.into_iter().collect()).await
}

/// All registered mints.
///
/// # Errors
/// As [`jobs`].
pub async fn mint_configs(rpc: &RpcClient) -> Result<Vec<(Pubkey, MintConfig)>> {
    list(rpc, Vec::new()).await
}

/// All models, or those of one creator, without their programs.
///
/// # Errors
/// As [`jobs`].
pub async fn models(rpc: &RpcClient, creator: Option<&Pubkey>) -> Result<Vec<(Pubkey, Model)>> {
    let filters = creator.map(|creator| field(offset_of!(Model, creator), creator.as_ref()));
    list(rpc, filters.into_iter().collect()).await
}

/// A filter on a field of the fixed part.
pub(crate) fn field(offset: usize, bytes: &[u8]) -> RpcFilterType {
    RpcFilterType::Memcmp(Memcmp::new_raw_bytes(
        DISCRIMINATOR_BYTES + offset,
        bytes.to_vec(),
    ))
}

/// All accounts of a type that these filters take.
pub(crate) async fn list<T: QuernAccount>(
    rpc: &RpcClient,
    filters: Vec<RpcFilterType>,
) -> Result<Vec<(Pubkey, T)>> {
    let found = program_accounts(rpc, T::DISCRIMINATOR, filters, None).await?;
    known(found.iter().map(|(address, data)| {
        decode(address, &crate::program_id(), data).map(|account| (*address, account))
    }))
}

/// The accounts of a list that this version understands. Those of a newer one are left out: a stranger may create them, and one
/// of them must not hide all others.
fn known<T>(decoded: impl Iterator<Item = Result<T>>) -> Result<Vec<T>> {
    decoded
        .filter_map(|account| unless_newer(account).transpose())
        .collect()
}

/// An account, unless it is one of a newer version, which is said once.
pub(crate) fn unless_newer<T>(decoded: Result<T>) -> Result<Option<T>> {
    static IS_SAID: AtomicBool = AtomicBool::new(false);
    match decoded {
        Ok(account) => Ok(Some(account)),
        Err(error @ (ClientError::UnknownCode { .. } | ClientError::WrongVersion { .. })) => {
            if IS_SAID.swap(true, Ordering::Relaxed) {
                tracing::debug!(%error, "leaving out an account of another version");
            } else {
                tracing::warn!(%error, "leaving out accounts of another version");
            }
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Addresses and data, or a part of the data, of the program's accounts of one type.
pub(crate) async fn program_accounts(
    rpc: &RpcClient,
    discriminator: &[u8],
    mut filters: Vec<RpcFilterType>,
    part: Option<UiDataSliceConfig>,
) -> Result<Vec<(Pubkey, Vec<u8>)>> {
    filters.insert(
        0,
        RpcFilterType::Memcmp(Memcmp::new_raw_bytes(0, discriminator.to_vec())),
    );
    let config = RpcProgramAccountsConfig {
        filters: Some(filters),
        account_config: RpcAccountInfoConfig {
            encoding: Some(UiAccountEncoding::Base64),
            data_slice: part,
            ..Default::default()
        },
        ..Default::default()
    };
    let accounts = rpc
        .get_program_ui_accounts_with_config(&crate::program_id(), config)
        .await
        .map_err(|error| ClientError::from_rpc(&rpc.url(), error))?;
    accounts
        .into_iter()
        .map(|(address, account)| {
            let found = decoded(&address, &account)?;
            Ok((address, found.data))
        })
        .collect()
}

/// An account as a node gave it.
pub(crate) struct Found {
    /// The program that owns it.
    pub owner: Pubkey,
    /// What it holds.
    pub data: Vec<u8>,
}

impl Found {
    /// Whether it is more than lamports: anybody can send those to an address where the program will have, or had, an account.
    pub fn is_held(&self) -> bool {
        self.owner != addresses::SYSTEM_PROGRAM || !self.data.is_empty()
    }
}

/// The accounts at these addresses, in the same order. One without lamports does not exist.
pub(crate) async fn found(rpc: &RpcClient, addresses: &[Pubkey]) -> Result<Vec<Option<Found>>> {
    // The call for one account would say "not found" where the node could not even be asked, and the calls that decode by
    // themselves end the process where a node's answer is damaged.
    let config = RpcAccountInfoConfig {
        encoding: Some(UiAccountEncoding::Base64),
        commitment: Some(rpc.commitment()),
        ..Default::default()
    };
    let response = rpc
        .get_multiple_ui_accounts_with_config(addresses, config)
        .await
        .map_err(|error| ClientError::from_rpc(&rpc.url(), error))?;
    if response.value.len() != addresses.len() {
        return Err(ClientError::Rpc {
            reason: format!(
                "{} accounts where {} were asked for",
                response.value.len(),
                addresses.len()
            ),
        });
    }
    let found = response.value.iter().zip(addresses);
    found
        .map(|(account, address)| {
            let account = account.as_ref();
            account.map(|account| decoded(address, account)).transpose()
        })
        .collect()
}

/// Owner and data of an account as a node wrote it.
fn decoded(address: &Pubkey, account: &UiAccount) -> Result<Found> {
    let unreadable = |what: &str| ClientError::Rpc {
        reason: format!("account {address} with {what} that cannot be read"),
    };
    Ok(Found {
        owner: account.owner.parse().map_err(|_| unreadable("an owner"))?,
        data: account.data.decode().ok_or_else(|| unreadable("data"))?,
    })
}

/// Owner and data of an account, if it exists.
///
/// # Errors
/// That the cluster did not answer.
pub async fn raw(rpc: &RpcClient, address: &Pubkey) -> Result<Option<(Pubkey, Vec<u8>)>> {
    let one = found(rpc, &[*address]).await?.into_iter().next().flatten();
    Ok(one.map(|account| (account.owner, account.data)))
}

/// An account that is more than lamports.
pub(crate) async fn held(rpc: &RpcClient, address: &Pubkey) -> Result<Option<Found>> {
    let one = found(rpc, &[*address]).await?.into_iter().next().flatten();
    Ok(one.filter(Found::is_held))
}

/// Which of these addresses hold no account yet, in the given order.
///
/// # Errors
/// That the cluster did not answer.
pub async fn missing(rpc: &RpcClient, addresses: &[Pubkey]) -> Result<Vec<Pubkey>> {
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    // The address may hold lamports that a stranger sent; it is open only when the program owns it.
    let ours = crate::program_id();
    let is_missing =
        |account: &Option<Found>| account.as_ref().is_none_or(|account| account.owner != ours);
    Ok(addresses
        .iter()
        .zip(&found(rpc, addresses).await?)
        .filter(|(_, account)| is_missing(account))
        .map(|(at, _)| *at)
        .collect())
}

/// What a token account holds, in atoms; nothing if there is none at the address.
///
/// # Errors
/// That the cluster did not answer.
pub async fn token_atoms(rpc: &RpcClient, address: &Pubkey) -> Result<Option<u64>> {
    let held = raw(rpc, address).await?;
    Ok(held.and_then(|(owner, data)| atoms_in(&owner, &data)))
}

fn atoms_in(owner: &Pubkey, data: &[u8]) -> Option<u64> {
    let amount = data.get(TOKEN_AMOUNT_BYTES).filter(|_| is_token(owner))?;
    amount.try_into().ok().map(u64::from_le_bytes)
}

/// Token program and decimals of any mint, registered or not; nothing if there is none at the address.
///
/// # Errors
/// That the cluster did not answer.
pub async fn token_mint(rpc: &RpcClient, address: &Pubkey) -> Result<Option<(Pubkey, u8)>> {
    let held = raw(rpc, address).await?;
    Ok(held.and_then(|(owner, data)| decimals_in(&owner, &data).map(|decimals| (owner, decimals))))
}

fn decimals_in(owner: &Pubkey, data: &[u8]) -> Option<u8> {
    data.get(MINT_DECIMALS_BYTE)
        .filter(|_| is_token(owner))
        .copied()
}

fn is_token(owner: &Pubkey) -> bool {
    [addresses::TOKEN_PROGRAM, addresses::TOKEN_2022_PROGRAM].contains(owner)
}

/// A name as accounts store it: UTF-8, padded with zero bytes.
pub fn name(stored: &[u8; 32]) -> String {
    let end = stored
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(stored.len());
    String::from_utf8_lossy(&stored[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, bytemuck::Zeroable};

    fn bytes_of<T: QuernAccount>(account: &T) -> Vec<u8> {
        [T::DISCRIMINATOR, bytemuck::bytes_of(account)].concat()
    }

    #[test]
    fn decodes_only_the_right_account() {
        let address = Pubkey::from([1; 32]);
        let mut purse = Purse::zeroed();
        purse.version = LAYOUT_VERSION;
        purse.free_atoms = 7u64.into();
        let data = bytes_of(&purse);
        assert_eq!(
            decode::<Purse>(&address, &crate::program_id(), &data)
                .unwrap()
                .free_atoms
                .get(),
            7
        );

        let stranger = Pubkey::from([2; 32]);
        let refused = decode::<Purse>(&address, &stranger, &data).unwrap_err();
        assert!(matches!(refused, ClientError::WrongOwner { .. }));
        let refused = decode::<Job>(&address, &crate::program_id(), &data).unwrap_err();
        assert!(matches!(
            refused,
            ClientError::WrongType { what: "job", .. }
        ));
        for wrong in [&data[..data.len() - 1], &[&data[..], &[0]].concat()] {
            let refused = decode::<Purse>(&address, &crate::program_id(), wrong).unwrap_err();
            assert!(matches!(refused, ClientError::WrongSize { .. }));
        }
        purse.version = LAYOUT_VERSION + 1;
        let refused =
            decode::<Purse>(&address, &crate::program_id(), &bytes_of(&purse)).unwrap_err();
        assert!(matches!(refused, ClientError::WrongVersion { .. }));
    }

    #[test]
    fn amounts_and_decimals_are_read_from_token_accounts_only() {
        let mut data = vec![0; 165];
        data[64..72].copy_from_slice(&7u64.to_le_bytes());
        data[44] = 9;
        for program in [addresses::TOKEN_PROGRAM, addresses::TOKEN_2022_PROGRAM] {
            let read = (atoms_in(&program, &data), decimals_in(&program, &data));
            assert_eq!(read, (Some(7), Some(9)));
            let short = (
                atoms_in(&program, &data[..71]),
                decimals_in(&program, &data[..44]),
            );
            assert_eq!(short, (None, None));
        }
        let stranger = Pubkey::from([2; 32]);
        let read = (atoms_in(&stranger, &data), decimals_in(&stranger, &data));
        assert_eq!(read, (None, None));
    }

    #[test]
    fn an_account_of_a_newer_version_hides_no_other() {
        let address = Pubkey::from([1; 32]);
        let mut job = Job::zeroed();
        (job.version, job.state, job.kind, job.assurance) = (LAYOUT_VERSION, 1, 1, 1);
        let mut of_a_newer_code = job;
        of_a_newer_code.assurance = 99;
        let mut of_a_newer_layout = job;
        of_a_newer_layout.version = LAYOUT_VERSION + 1;
        let decoded = |job: &Job| decode::<Job>(&address, &crate::program_id(), &bytes_of(job));
        assert!(matches!(
            decoded(&of_a_newer_code),
            Err(ClientError::UnknownCode { .. })
        ));
        let all = [of_a_newer_code, job, of_a_newer_layout];
        assert_eq!(known(all.iter().map(decoded)).unwrap().len(), 1);
        // Whatever its length is.
        let mut longer = bytes_of(&of_a_newer_layout);
        longer.extend([0; 64]);
        let of_another_length = [&longer[..100], &longer[..]];
        let newer =
            of_another_length.map(|data| decode::<Job>(&address, &crate::program_id(), data));
        let all = newer.into_iter().chain([decoded(&job)]);
        assert_eq!(known(all).unwrap().len(), 1);
        // What is damaged is still told.
        let cut = decode::<Job>(&address, &crate::program_id(), &bytes_of(&job)[..20]);
        assert!(known([decoded(&job), cut].into_iter()).is_err());
    }

    #[test]
    fn a_models_program_follows_its_fixed_part() {
        let address = Pubkey::from([1; 32]);
        let mut model = Model::zeroed();
        (model.version, model.kind) = (LAYOUT_VERSION, 1);
        model.graph_bytes = 3u32.into();
        model.sealed = true.into();
        let data = [bytes_of(&model), vec![1, 2, 3]].concat();
        assert_eq!(
            model_of(&address, &crate::program_id(), &data)
                .unwrap()
                .graph,
            [1, 2, 3]
        );
        assert!(model_of(&address, &crate::program_id(), &data[..data.len() - 1]).is_err());
    }

    #[test]
    fn an_answer_counts_once_it_is_given() {
        let address = Pubkey::from([1; 32]);
        let mut demand = Demand::zeroed();
        demand.version = LAYOUT_VERSION;
        demand.answer_bytes = 64u32.into();
        let decoded = |demand: &Demand, answer: &[u8]| {
            let data = [&bytes_of(demand)[..], answer].concat();
            demand_of(&address, &crate::program_id(), &data)
        };
        assert_eq!(decoded(&demand, &[0; 64]).unwrap().answer, None);
        demand.answered = true.into();
        assert_eq!(
            decoded(&demand, &[7; 64]).unwrap().answer,
            Some(vec![7; 64])
        );
        let refused = decoded(&demand, &[7; 63]).unwrap_err();
        assert!(matches!(
            refused,
            ClientError::WrongSize { what: "demand", .. }
        ));
    }

    #[test]
    fn what_is_not_answered_is_known_by_its_fixed_part() {
        let address = Pubkey::from([1; 32]);
        let mut demand = Demand::zeroed();
        demand.version = LAYOUT_VERSION;
        demand.answer_bytes = 512u32.into();
        demand.due = 7i64.into();
        let fixed = bytes_of(&demand);
        assert_eq!(fixed.len(), Demand::ANSWER_OFFSET);
        assert_eq!(unanswered(&address, &fixed).unwrap().due.get(), 7);
        for wrong in [&fixed[..fixed.len() - 1], &[]] {
            assert!(unanswered(&address, wrong).is_err());
        }
        demand.answer_bytes = u32::MAX.into();
        assert!(unanswered(&address, &bytes_of(&demand)).is_err());
    }

    #[test]
    fn evidence_is_what_follows_the_author() {
        let address = Pubkey::from([1; 32]);
        let data = [Evidence::DISCRIMINATOR, &[2; 32], &[3; 5]].concat();
        let decoded = evidence_of(&address, &crate::program_id(), &data).unwrap();
        assert_eq!(decoded.author, Pubkey::from([2; 32]));
        assert_eq!(decoded.bytes, [3; 5]);
        assert!(evidence_of(&address, &crate::program_id(), &data[..39]).is_err());
        let refused = evidence_of(&address, &crate::program_id(), &[0; 50]).unwrap_err();
        assert!(matches!(refused, ClientError::WrongType { .. }));
        let refused = evidence_of(&address, &address, &data).unwrap_err();
        assert!(matches!(refused, ClientError::WrongOwner { .. }));
    }

    #[test]
    fn names_end_at_the_padding() {
        let mut stored = [0; 32];
        stored[..5].copy_from_slice(b"Digit");
        assert_eq!(name(&stored), "Digit");
        assert_eq!(name(&[b'a'; 32]).len(), 32);
    }
}
