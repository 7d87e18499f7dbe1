//! What a user wants to do, as instructions: reads what is needed and opens missing purses first.
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
    },
    quern::{
        error::QuernError,
        instructions::{Decision, EmissionSettings, NewJob, NewModel},
        state::{Job, JobState, Model, Purse},
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
/// `NotFound` if the mint is not registered.
pub async fn deposit(
    rpc: &RpcClient,
    depositor: &Pubkey,
    owner: &Pubkey,
    mint: &Pubkey,
    amount_atoms: u64,
) -> Result<Vec<Instruction>> {
    let token_program = accounts::mint_config(rpc, mint).await?.token_program;
    let source = addresses::token_account(depositor, mint, &token_program);
    let mut all = open_missing(rpc, depositor, &[*owner], mint).await?;
    all.push(instructions::deposit(
        depositor,
        &source,
        owner,
        mint,
        &token_program,
        amount_atoms,
    ));
    Ok(all)
}

/// Moves free atoms out of the owner's purse, to `destination` or to the owner's usual token account, which is created if it
/// is missing; `owner` signs.
///
/// # Errors
/// `NotFound` if the mint is not registered.
pub async fn withdraw(
    rpc: &RpcClient,
    owner: &Pubkey,
    mint: &Pubkey,
    destination: Option<&Pubkey>,
    amount_atoms: u64,
) -> Result<Vec<Instruction>> {
    let token_program = accounts::mint_config(rpc, mint).await?.token_program;
    let mut all = Vec::with_capacity(2);
    let destination = match destination {
        Some(destination) => *destination,
        None => {
            all.push(instructions::create_token_account(
                owner,
                owner,
                mint,
                &token_program,
            ));
            addresses::token_account(owner, mint, &token_program)
        }
    };
    all.push(instructions::withdraw(
        owner,
        &destination,
        mint,
        &token_program,
        amount_atoms,
    ));
    Ok(all)
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

/// Moves all accrued rewards into the owner's purse; `owner` signs.
///
/// # Errors
/// `Argument` if no rewards are configured.
pub async fn claim_rewards(rpc: &RpcClient, owner: &Pubkey) -> Result<Vec<Instruction>> {
    let emission = accounts::emission(rpc).await?;
    if !emission.is_configured() {
        return Err(ClientError::Argument(
            "No rewards are configured on this cluster; there is nothing to claim".to_owned(),
        ));
    }
    let mut all = open_missing(rpc, owner, &[*owner], &emission.reward_mint).await?;
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
    if known.graph.len() != graph.len() || (known.model.sealed.get() && known.graph != graph) {
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
    all.push(instructions::seal_model(creator, &address));
    Ok(all)
}

/// Creates a job; `client` signs. Returns the job's address, too.
///
/// # Errors
/// `NotFound` for an unknown model or a protocol that is not initialized.
pub async fn create_job(
    rpc: &RpcClient,
    client: &Pubkey,
    mint: &Pubkey,
    model: Option<&Pubkey>,
    args: NewJob,
) -> Result<(Pubkey, Vec<Instruction>)> {
    let protocol = accounts::protocol(rpc).await?;
    let purse: Option<Purse> = accounts::purse(rpc, client, mint).await?;
    let n = purse.map_or(0, |purse| purse.opened.get());
    let known: Option<Model> = match model {
        Some(address) => Some(accounts::model(rpc, address).await?.model),
        None => None,
    };
    let royalty_owner = known.map_or(NOBODY, |model| model.owner);
    let mut all = open_missing(
        rpc,
        client,
        &[*client, protocol.treasury_owner, royalty_owner],
        mint,
    )
    .await?;
    let model = model.zip(known.as_ref());
    all.push(instructions::create_job(
        client, mint, n, &protocol, model, args,
    ));
    Ok((addresses::job(client, mint, n), all))
}

/// Takes an open job, opening the provider's purse if needed; `signer` (owner or operator) signs.
///
/// # Errors
/// `NotFound` if the job is closed or never was.
pub async fn take_job(
    rpc: &RpcClient,
    signer: &Pubkey,
    provider_owner: &Pubkey,
    job: &Pubkey,
) -> Result<Vec<Instruction>> {
    let job: Job = accounts::fetch(rpc, job).await?;
    let mut all = open_missing(rpc, signer, &[*provider_owner], &job.mint).await?;
    all.push(instructions::take_job(signer, provider_owner, &job));
    Ok(all)
}

/// Accepts a milestone; the job's client signs.
///
/// # Errors
/// `NotFound` if the job is closed or never was.
pub async fn accept(rpc: &RpcClient, job: &Pubkey) -> Result<Vec<Instruction>> {
    let job: Job = accounts::fetch(rpc, job).await?;
    Ok(vec![instructions::accept(
        &job,
        &accounts::emission(rpc).await?,
    )])
}

/// Pays a milestone that nobody refuted in time; `signer` signs.
///
/// # Errors
/// `NotFound` if the job is closed or never was.
pub async fn finalize(rpc: &RpcClient, signer: &Pubkey, job: &Pubkey) -> Result<Vec<Instruction>> {
    let job: Job = accounts::fetch(rpc, job).await?;
    Ok(vec![instructions::finalize(
        signer,
        &job,
        &accounts::emission(rpc).await?,
    )])
}

/// Decides about a rejected milestone; the job's arbiter signs.
///
/// # Errors
/// `NotFound` if the job is closed or never was.
pub async fn resolve(
    rpc: &RpcClient,
    job: &Pubkey,
    decision: Decision,
) -> Result<Vec<Instruction>> {
    let job: Job = accounts::fetch(rpc, job).await?;
    let mut all = open_missing(
        rpc,
        &job.arbiter,
        &instructions::owners_of_resolution(&job),
        &job.mint,
    )
    .await?;
    all.push(instructions::resolve(&job, decision));
    Ok(all)
}

/// Ends a wait whose deadline has passed; `payer` signs, who may be anybody.
///
/// # Errors
/// `NotFound` if the job is closed or never was.
pub async fn expire(rpc: &RpcClient, payer: &Pubkey, job: &Pubkey) -> Result<Vec<Instruction>> {
    let job: Job = accounts::fetch(rpc, job).await?;
    let mut all =
        open_missing(rpc, payer, &instructions::owners_of_expiry(&job), &job.mint).await?;
    all.push(instructions::expire(&job));
    Ok(all)
}

/// Pays out a recorded conviction; `payer` signs, who may be anybody.
///
/// # Errors
/// `NotFound` if the job is closed or never was.
pub async fn settle_conviction(
    rpc: &RpcClient,
    payer: &Pubkey,
    job: &Pubkey,
) -> Result<Vec<Instruction>> {
    let job: Job = accounts::fetch(rpc, job).await?;
    let mut all = open_missing(
        rpc,
        payer,
        &instructions::owners_of_conviction(&job),
        &job.mint,
    )
    .await?;
    all.push(instructions::settle_conviction(&job));
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
