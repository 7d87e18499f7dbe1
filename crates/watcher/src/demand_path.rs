//! The way down a withheld commitment: along the first difference from the own result, each demand below the answer of the one
//! before it, until a wrong value or node is revealed.

use {
    crate::{
        actions::{self, Stepped},
        case::{Case, Next},
        case_data::parsed,
        chain::OpenedDemand,
        context::Context,
        error::{StepError, WatcherError},
        results::OwnResult,
    },
    quern_client::{
        ClientError, Pubkey,
        quern::{clock::Moment, state::Job},
    },
    quern_data::runtime::on_processor,
    quern_proof::{
        Hash, Operand,
        demand::{self, NodeId, Parent, Tree},
        evidence::Charge,
        witness::{self, Patched, Step, Whole},
    },
    quern_rules::deadline::in_time,
    std::{collections::HashMap, sync::Arc},
};

/// The demands on this watcher's way down, of any opener, as far as they are on chain: all but the last are answered.
/// Nobody can make the way longer, however many other demands there are.
pub(crate) async fn known(
    context: &Context,
    case: &mut Case,
    job: &Job,
) -> Result<Vec<OpenedDemand>, ClientError> {
    if !has_demands(job) {
        return Ok(Vec::new());
    }
    let mut way = case.answered.clone();
    let is_new = |node_id: &NodeId| way.iter().all(|demand| demand.node_id != *node_id);
    if let Some(node_id) = case.waits_for.filter(is_new)
        && let Some(demand) = at(context, case, &node_id).await?
    {
        way.push(demand);
    }
    case.remember(&way, &context.chain.signer());
    Ok(way)
}

/// One demand about the case's submission, if it is on chain.
async fn at(
    context: &Context,
    case: &Case,
    node_id: &NodeId,
) -> Result<Option<OpenedDemand>, ClientError> {
    let (address, submission) = (&case.id.job, case.id.submission);
    context.chain.demand_at(address, submission, node_id).await
}

/// Whether this watcher has demanded anything about the submission, also before it was started again: the way begins at one
/// of two demands.
pub(crate) async fn has_asked(
    context: &Context,
    case: &Case,
    job: &Job,
    way: &[OpenedDemand],
) -> Result<bool, ClientError> {
    let signer = context.chain.signer();
    if way.iter().any(|demand| demand.opener == signer) {
        return Ok(true);
    }
    if !way.is_empty() || !has_demands(job) {
        return Ok(false);
    }
    for tree in [Tree::Trace, Tree::Data(Operand::Op(0))] {
        let (level, index) = (0, 0);
        let root = at(context, case, &NodeId { tree, level, index }).await?;
        if root.is_some_and(|demand| demand.opener == signer) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Down to the first difference as far as there are answers, then a demand or a conviction. `missing` is why the trace could
/// not be read.
pub(crate) async fn follow(
    context: &Context,
    case: &mut Case,
    job: &Job,
    moment: &Moment,
    own: Arc<OwnResult>,
    mut way: Vec<OpenedDemand>,
    missing: Option<String>,
) -> Stepped {
    loop {
        let (node_id, parent, left) = match descended(&own, job.trace_root, &way).await? {
            Descent::Charge {
                charge,
                evidence,
                demands,
            } => {
                let found = (charge, evidence);
                return actions::convict(context, case, job, &own.data, found, demands).await;
            }
            Descent::Ask {
                node_id,
                parent,
                left,
            } => (node_id, parent, left),
        };
        case.waits_for = Some(node_id);
        // Another watcher may have opened it, or this one before it was started again.
        let known = match has_demands(job) {
            true => at(context, case, &node_id).await?,
            false => None,
        };
        if let Some(demand) = known {
            let is_answered = demand.answer.is_some();
            if !is_answered {
                say_waiting(context, case, &demand);
            }
            way.push(demand);
            case.remember(&way, &context.chain.signer());
            if is_answered {
                continue;
            }
            return Ok(Next::Wait);
        }
        if !may_ask(context, case, job, moment, parent.is_none(), left)? {
            say_missing(case, missing.as_deref());
            return Ok(Next::Wait);
        }
        let parent = parent_account(&way, parent)?;
        return actions::ask(context, case, job, node_id, parent, left).await;
    }
}

/// The account of the answered demand whose answer holds the next node; none at a root.
fn parent_account(
    way: &[OpenedDemand],
    parent: Option<NodeId>,
) -> Result<Option<Pubkey>, StepError> {
    let Some(parent) = parent else {
        return Ok(None);
    };
    let above = way.iter().find(|demand| demand.node_id == parent);
    let above = above.map(|demand| demand.address);
    above
        .map(Some)
        .ok_or_else(|| StepError::Final("an answered demand has no account".to_owned()))
}

/// Says whose demand the case waits for.
pub(crate) fn say_waiting(context: &Context, case: &mut Case, demand: &OpenedDemand) {
    if demand.opener != context.chain.signer() {
        case.say(&format!(
            "waiting for the answer to a demand of {} about {}",
            demand.opener, demand.node_id
        ));
    }
}

/// Says that the data are waited for.
fn say_missing(case: &mut Case, missing: Option<&str>) {
    let why = missing.unwrap_or("it was not looked for");
    // That advice is for the publisher.
    let why = why.trim_end_matches("; check that it is published there");
    case.say(&format!("the result is wrong and its trace is not published ({why}); waiting a little, then demanding it"));
}

/// Whether to demand now, or rather wait for the data to be published.
fn may_ask(
    context: &Context,
    case: &Case,
    job: &Job,
    moment: &Moment,
    is_root: bool,
    left: u32,
) -> Result<bool, StepError> {
    let limit_lamports = context.settings.max_fee_lamports;
    let fee_lamports = job.terms.demand_fee_lamports.get();
    let most_lamports = case
        .fees_lamports
        .saturating_add(fee_lamports.saturating_mul(left.into()));
    if most_lamports > limit_lamports {
        return Err(StepError::Final(format!(
            "the result is wrong and its data are withheld, but demanding them may cost {most_lamports} lamports, more than the limit of {limit_lamports}; raise --max-fee-lamports"
        )));
    }
    if !is_root {
        return Ok(true);
    }
    let review_end = job.effective_deadline(moment);
    if !in_time(moment.now, review_end) {
        return Err(StepError::Again(WatcherError::NotReady(
            "the result is wrong and its data are withheld, but the review is over, so they cannot be demanded any more"
                .to_owned(),
        )));
    }
    let review_secs = i64::from(job.review_secs.get());
    let grace_secs = i64::try_from(context.settings.publication_grace.as_secs())
        .unwrap_or(i64::MAX)
        .min(review_secs / 4);
    let submitted_at = job.deadline.get().saturating_sub(review_secs);
    Ok(moment.now >= submitted_at.saturating_add(grace_secs))
}

/// Whether anything was ever demanded about the current submission.
fn has_demands(job: &Job) -> bool {
    job.open_demands.get() > 0 || job.last_answer_at.get() > 0
}

async fn descended(
    own: &Arc<OwnResult>,
    trace_root: Hash,
    way: &[OpenedDemand],
) -> Result<Descent, StepError> {
    let answers: HashMap<NodeId, Vec<u8>> = way
        .iter()
        .filter_map(|demand| Some((demand.node_id, demand.answer.clone()?)))
        .collect();
    let own = Arc::clone(own);
    on_processor(move || descend(&own, trace_root, &answers)).await?
}

/// Where a withheld commitment first differs, as far as it was revealed.
enum Descent {
    Ask {
        node_id: NodeId,
        /// The answered demand whose answer holds the node.
        parent: Option<NodeId>,
        /// At most this many demands are left, this one included.
        left: u32,
    },
    Charge {
        charge: Charge,
        evidence: Vec<u8>,
        /// Answers that led there.
        demands: u32,
    },
}

fn descend(
    own: &OwnResult,
    trace_root: Hash,
    answers: &HashMap<NodeId, Vec<u8>>,
) -> Result<Descent, StepError> {
    let data = &own.data;
    let graph = parsed(&data.graph)?;
    let whole = Whole::new(
        &graph,
        data.batch_rows,
        &data.inputs,
        &data.weights,
        &own.outputs,
    )?;
    let mut patched = Patched::new(&whole, trace_root);
    let mut demands = 0;
    loop {
        match patched.step()? {
            Step::Demand(node_id) => match answers.get(&node_id) {
                Some(answer) => {
                    patched.reveal(&node_id, answer)?;
                    demands += 1;
                }
                None => {
                    let plan = demand::plan(&graph, data.batch_rows, &node_id)
                        .map_err(quern_proof::Error::from)?;
                    let parent = match plan.parent {
                        Parent::Answer { node_id, .. } => Some(node_id),
                        Parent::TraceRoot | Parent::InputRoot(_) | Parent::WeightRoot(_) => None,
                    };
                    let left = node_id.most_left(&graph, data.batch_rows);
                    return Ok(Descent::Ask {
                        node_id,
                        parent,
                        left,
                    });
                }
            },
            Step::Charge(charge) => {
                let evidence = witness::evidence(&graph, data.batch_rows, &charge, &patched)?;
                return Ok(Descent::Charge {
                    charge,
                    evidence,
                    demands,
                });
            }
            Step::Same => {
                return Err(StepError::Final(
                    "the roots differ but nothing below them does".to_owned(),
                ));
            }
        }
    }
}
