//! What a user wants to do, as instructions, from what the caller has read: missing purses are opened first.
//!
//! The results go to [`crate::send::Sender::send_all`], signed by whom the function names. Only [`convict()`] sends by itself,
//! because its evidence may need an account for a while.

mod convict;
mod demand;

pub use {convict::*, demand::*};

use {
    crate::{
        accounts::{self, ModelAccount},
        addresses,
        errors::{ClientError, Result},
        instructions::{self, NOBODY},
        read::ForCreate,
    },
    quern::{
        error::QuernError,
        instructions::{Decision, EmissionSettings, NewCampaign, NewJob, NewModel},
        state::{Emission, Job, JobState},
    },
    quern_proof::graph::Graph,
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_sdk::{instruction::Instruction, pubkey::Pubkey},
};

/// Opens the purses of these owners in a mint as far as they are missing; `payer` signs.
///
/// # Errors
/// That the cluster did not answer.
pub async fn open_missing(
    rpc: &RpcClient,
    payer: &Pubkey,
    owners: &[Pubkey],
    mint: &Pubkey,
) -> Result<Vec<Instruction>> {
    let mut wanted: Vec<(Pubkey, Pubkey)> = Vec::with_capacity(owners.len());
    for owner in owners.iter().filter(|owner| **owner != NOBODY) {
        let purse = addresses::purse(owner, mint);
        if wanted.iter().all(|(_, known)| *known != purse) {
            wanted.push((*owner, purse));
        }
    }
    let purses: Vec<Pubkey> = wanted.iter().map(|(_, purse)| *purse).collect();
    let missing = accounts::missing(rpc, &purses).await?;
    Ok(wanted
        .iter()
        .filter(|(_, purse)| missing.contains(purse))
        .map(|(owner, _)| instructions::open_purse(payer, owner, mint))
        .collect())
}

/// Moves tokens from the depositor's usual token account into the purse of `owner`; `depositor` signs.
///
/// # Errors
/// That the cluster did not answer.
pub async fn deposit(
    rpc: &RpcClient,
    depositor: &Pubkey,
    owner: &Pubkey,
    mint: &Pubkey,
    token_program: &Pubkey,
    amount_atoms: u64,
) -> Result<Vec<Instruction>> {
    let source = addresses::token_account(depositor, mint, token_program);
    let mut all = open_missing(rpc, depositor, &[*owner], mint).await?;
    all.push(instructions::deposit(
        depositor,
        &source,
        owner,
        mint,
        token_program,
        amount_atoms,
    ));
    Ok(all)
}

/// Moves free atoms out of the owner's purse, to `destination` or to the owner's usual token account, which is created if it
/// is missing; `owner` signs, and `payer`, who pays for that account.
pub fn withdraw(
    payer: &Pubkey,
    owner: &Pubkey,
    mint: &Pubkey,
    token_program: &Pubkey,
    destination: Option<&Pubkey>,
    amount_atoms: u64,
) -> Vec<Instruction> {
    let usual = addresses::token_account(owner, mint, token_program);
    let to = destination.unwrap_or(&usual);
    let withdraw = instructions::withdraw(owner, to, mint, token_program, amount_atoms);
    match destination {
        Some(_) => vec![withdraw],
        None => vec![
            instructions::create_token_account(payer, owner, mint, token_program),
            withdraw,
        ],
    }
}

/// Sets rewards, opening the emission's purse if needed; the protocol's `authority` signs.
///
/// # Errors
/// That the cluster did not answer.
pub async fn configure_emission(
    rpc: &RpcClient,
    authority: &Pubkey,
    reward_mint: &Pubkey,
    settings: EmissionSettings,
) -> Result<Vec<Instruction>> {
    let mut all = open_missing(rpc, authority, &[addresses::emission()], reward_mint).await?;
    all.push(instructions::configure_emission(
        authority,
        reward_mint,
        settings,
    ));
    Ok(all)
}

/// Moves all accrued rewards into the owner's purse; `owner` signs, and `payer`, who pays for the purse if it is missing.
///
/// # Errors
/// `Argument` if no rewards are configured.
pub async fn claim_rewards(
    rpc: &RpcClient,
    payer: &Pubkey,
    owner: &Pubkey,
    emission: &Emission,
) -> Result<Vec<Instruction>> {
    if !emission.is_configured() {
        return Err(ClientError::Argument(
            "no rewards are configured on this cluster; there is nothing to claim".to_owned(),
        ));
    }
    let mut all = open_missing(rpc, payer, &[*owner], &emission.reward_mint).await?;
    all.push(instructions::claim_rewards(owner, &emission.reward_mint));
    Ok(all)
}

/// Registers, writes and seals a model, or continues where an earlier attempt stopped; `creator` signs. Nothing is left to do
/// if the result is empty.
///
/// # Errors
/// `Argument` if the number is taken by a model with another graph.
pub async fn register_model(
    rpc: &RpcClient,
    creator: &Pubkey,
    args: NewModel,
    graph: &[u8],
) -> Result<Vec<Instruction>> {
    let address = addresses::model(creator, args.id);
    let known = match accounts::model(rpc, &address).await {
        Err(ClientError::NotFound { .. }) => {
            return Ok(instructions::register_whole_model(creator, args, graph));
        }
        known => known?,
    };
    let differs = || {
        ClientError::Argument(format!(
            "Model {} of this creator holds another graph; choose another number",
            args.id
        ))
    };
    if known.model.graph_bytes.get() as usize != graph.len()
        || (known.model.sealed.get() && known.graph != graph)
    {
        return Err(differs());
    }
    if known.model.sealed.get() || graph.is_empty() {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for (index, piece) in graph.chunks(instructions::MAX_PIECE_BYTES).enumerate() {
        let start = index * instructions::MAX_PIECE_BYTES;
        if known.graph.get(start..start + piece.len()) != Some(piece) {
            let offset = u32::try_from(start).map_err(|_| differs())?;
            all.push(instructions::write_model(creator, &address, offset, piece));
        }
    }
    all.push(instructions::seal_model(creator, &address, graph));
    Ok(all)
}

/// Creates a job from what [`read::for_create`](crate::read::for_create) has read; `client` signs. Returns the job's address,
/// too.
///
/// # Errors
/// That the cluster did not answer.
pub async fn create_job(
    rpc: &RpcClient,
    client: &Pubkey,
    known: &ForCreate,
    args: NewJob,
) -> Result<(Pubkey, Vec<Instruction>)> {
    let mint = &known.mint.mint;
    let n = known.purse.map_or(0, |purse| purse.opened.get());
    let model = known.model.as_ref();
    let royalty_owner = model.map_or(NOBODY, |known| known.model.owner);
    let owners = [*client, known.protocol.treasury_owner, royalty_owner];
    let mut all = open_missing(rpc, client, &owners, mint).await?;
    let model = model.map(|known| (&known.address, &known.model));
    all.push(instructions::create_job(
        client,
        mint,
        n,
        &known.protocol,
        model,
        args,
    ));
    Ok((addresses::job(client, mint, n), all))
}

/// Creates a campaign from what [`read::for_create`](crate::read::for_create) has read; `sponsor` signs. Returns its address, too.
pub fn create_campaign(
    sponsor: &Pubkey,
    known: &ForCreate,
    args: NewCampaign,
) -> (Pubkey, Instruction) {
    let mint = &known.mint.mint;
    let n = known.purse.map_or(0, |purse| purse.opened.get());
    let create = instructions::create_campaign(sponsor, mint, n, args);
    (addresses::campaign(sponsor, mint, n), create)
}

/// Takes an open job, opening the provider's purse if needed; `signer` (owner or operator) signs.
///
/// # Errors
/// That the cluster did not answer.
pub async fn take_job(
    rpc: &RpcClient,
    signer: &Pubkey,
    provider_owner: &Pubkey,
    job: &Job,
) -> Result<Vec<Instruction>> {
    let mut all = open_missing(rpc, signer, &[*provider_owner], &job.mint).await?;
    all.push(instructions::take_job(signer, provider_owner, job));
    Ok(all)
}

/// Decides about a rejected milestone; the job's arbiter signs.
///
/// # Errors
/// That the cluster did not answer.
pub async fn resolve(rpc: &RpcClient, job: &Job, decision: Decision) -> Result<Vec<Instruction>> {
    let owners = instructions::owners_of_resolution(job);
    let mut all = open_missing(rpc, &job.arbiter, &owners, &job.mint).await?;
    all.push(instructions::resolve(job, decision));
    Ok(all)
}

/// Ends a wait whose deadline has passed; `payer` signs, who may be anybody.
///
/// # Errors
/// That the cluster did not answer.
pub async fn expire(rpc: &RpcClient, payer: &Pubkey, job: &Job) -> Result<Vec<Instruction>> {
    let owners = instructions::owners_of_expiry(job);
    let mut all = open_missing(rpc, payer, &owners, &job.mint).await?;
    all.push(instructions::expire(job));
    Ok(all)
}

/// Pays out a recorded conviction; `payer` signs, who may be anybody.
///
/// # Errors
/// That the cluster did not answer.
pub async fn settle_conviction(
    rpc: &RpcClient,
    payer: &Pubkey,
    job: &Job,
) -> Result<Vec<Instruction>> {
    let owners = instructions::owners_of_conviction(job);
    let mut all = open_missing(rpc, payer, &owners, &job.mint).await?;
    all.push(instructions::settle_conviction(job));
    Ok(all)
}

/// Refuses jobs whose current result can't be refuted.
fn check_refutable(job: &Job) -> Result<()> {
    let refusal = if !job.is_refereed() {
        QuernError::RefereedOnly
    } else if !job.is_in(JobState::Submitted) {
        QuernError::WrongState
    } else {
        return Ok(());
    };
    Err(ClientError::WouldRefuse(refusal))
}

/// The graph of a model that a refereed job names.
fn graph_of(model: &ModelAccount) -> Result<Graph<'_>> {
    Graph::parse(&model.graph).map_err(|error| {
        ClientError::Argument(format!(
            "The model's graph cannot be read: {}",
            error.message()
        ))
    })
}
