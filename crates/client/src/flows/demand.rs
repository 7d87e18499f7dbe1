//! Demands about what a provider committed to, and their answers.

use {
    super::check_refutable,
    crate::{
        accounts, addresses,
        errors::{ClientError, Result},
        instructions,
    },
    quern::{
        error::QuernError,
        state::{Demand, Job, JobState},
    },
    quern_proof::{
        demand::{self, DemandError, NodeId, Parent},
        graph::Graph,
    },
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_sdk::{instruction::Instruction, pubkey::Pubkey},
};

pub use crate::accounts::{demands_by, demands_of};

/// The demand in whose answer a demand's node stands, or none at a root.
///
/// # Errors
/// Why it can't be demanded.
pub fn parent_of(
    graph: &Graph<'_>,
    address: &Pubkey,
    job: &Job,
    node_id: &NodeId,
) -> std::result::Result<Option<Pubkey>, DemandError> {
    let planned = demand::plan(graph, job.items.get(), node_id)?;
    Ok(match planned.parent {
        Parent::Answer { node_id, .. } => {
            Some(addresses::demand(address, job.submissions.get(), &node_id))
        }
        Parent::TraceRoot | Parent::TokensRoot | Parent::InputRoot(_) | Parent::WeightRoot(_) => {
            None
        }
    })
}

/// Asks about the current result of a job; `payer` signs. Returns the demand's address, too. Nothing is left to do if the
/// instructions are empty: it is open already.
///
/// # Errors
/// `WouldRefuse` if it can't be opened: no such demand, or the demand above it has no answer yet.
pub async fn demand(
    rpc: &RpcClient,
    payer: &Pubkey,
    address: &Pubkey,
    node_id: &NodeId,
) -> Result<(Pubkey, Vec<Instruction>)> {
    let job: Job = accounts::fetch(rpc, address).await?;
    check_refutable(&job)?;
    let model = accounts::model(rpc, &job.model).await?;
    let graph = super::graph_of(&model)?;
    let parent = parent_of(&graph, address, &job, node_id).map_err(|error| {
        ClientError::WouldRefuse(match error {
            DemandError::NoSuchNode => QuernError::NoSuchNode,
            DemandError::Missing => QuernError::MissingPosition,
        })
    })?;
    let demand = addresses::demand(address, job.submissions.get(), node_id);
    if accounts::demand_optional(rpc, &demand).await?.is_some() {
        return Ok((demand, Vec::new()));
    }
    if let Some(parent) = &parent {
        let above = accounts::demand_optional(rpc, parent).await?;
        let above = above.ok_or(ClientError::WouldRefuse(QuernError::WrongParent))?;
        if above.answer.is_none() {
            return Err(ClientError::WouldRefuse(QuernError::ParentUnanswered));
        }
    }
    let all = vec![instructions::demand(payer, &job, node_id, parent)];
    Ok((demand, all))
}

/// Answers a demand; `signer` signs and earns the fee.
///
/// # Errors
/// `NotFound` if there is no such demand, `WouldRefuse` if the answer is not the right one or there is one already.
pub async fn reveal(
    rpc: &RpcClient,
    signer: &Pubkey,
    demand: &Pubkey,
    answer: &[u8],
) -> Result<Vec<Instruction>> {
    let known = accounts::demand(rpc, demand).await?.demand;
    if known.answered.get() {
        return Err(ClientError::WouldRefuse(QuernError::AlreadyAnswered));
    }
    if !is_answer(&known, answer) {
        return Err(ClientError::WouldRefuse(QuernError::WrongAnswer));
    }
    Ok(vec![instructions::reveal(
        signer, &known.job, demand, answer,
    )])
}

/// Whether the program would take these bytes as the answer of a demand.
pub fn is_answer(demand: &Demand, answer: &[u8]) -> bool {
    demand.node_id().is_some_and(|node_id| {
        let tag = node_id.tree.tag();
        answer.len() == demand.answer_bytes.get() as usize
            && demand::answers(tag, demand.is_leaf.get(), &demand.node, answer)
    })
}

/// Convicts a provider that left a demand without an answer; anybody signs.
///
/// # Errors
/// `NotFound` if there is no such demand, `WouldRefuse` if it was answered.
pub async fn timeout(rpc: &RpcClient, demand: &Pubkey) -> Result<Vec<Instruction>> {
    let known = accounts::demand(rpc, demand).await?.demand;
    if known.answered.get() {
        return Err(ClientError::WouldRefuse(QuernError::AlreadyAnswered));
    }
    Ok(vec![instructions::timeout(&known.job, demand)])
}

/// Closes a demand of a job that is over; anybody signs, rent and unspent fee go back to its opener.
///
/// # Errors
/// `NotFound` if it was closed before.
pub async fn close_demand(rpc: &RpcClient, demand: &Pubkey) -> Result<Vec<Instruction>> {
    let known = accounts::demand(rpc, demand).await?.demand;
    Ok(vec![instructions::close_demand(demand, &known)])
}

/// Closes all demands about a job that may be closed; anybody signs, rent and unspent fees go back to the openers.
///
/// # Errors
/// That the cluster did not answer.
pub async fn close_demands(rpc: &RpcClient, job: &Pubkey) -> Result<Vec<Instruction>> {
    let open = accounts::demands_of(rpc, job).await?;
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let job: Option<Job> = accounts::fetch_optional(rpc, job).await?;
    Ok(open
        .iter()
        .filter(|known| may_close(job.as_ref(), &known.demand))
        .map(|known| instructions::close_demand(&known.address, &known.demand))
        .collect())
}

/// Whether a demand may be closed; `job` is its job, if that still exists.
pub fn may_close(job: Option<&Job>, demand: &Demand) -> bool {
    job.is_none_or(|job| job.is_in(JobState::Convicted) || job.submissions != demand.submission)
}
