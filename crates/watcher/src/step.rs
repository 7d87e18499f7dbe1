//! One step of one case: reads the chain anew, does the next thing, and says whether the case is decided. Nothing is
//! remembered between steps that could not be found out again, so a watcher may be killed after any of them.

use {
    crate::{
        actions::{self, Stepped},
        case::{Case, Next},
        case_data::{self, Published, Purpose, parsed},
        chain::OpenedDemand,
        context::Context,
        demand_path,
        error::{StepError, WatcherError},
        results::{CaseData, OwnResult},
        settings::{Scope, Settings},
        verdict::Verdict,
    },
    quern_client::{
        ClientError, Outcome,
        quern::{clock::Moment, state::Job},
    },
    quern_data::{Reservation, runtime::on_processor},
    quern_proof::{
        Tensor,
        evidence::Charge,
        freivalds::Coins,
        verify::{self, Finding, Hints},
        witness::{self, Whole},
    },
    quern_rules::deadline::passed,
    std::{sync::Arc, time::Duration},
    tokio::time::Instant,
};

/// Time between two searches for the place of a trace that was not found.
const LOOK_UP_EVERY: Duration = Duration::from_secs(60);

/// Does the next thing for a case.
pub(crate) async fn step(context: &Context, case: &mut Case) -> Stepped {
    let moment = context.chain.moment().await?;
    let Some(job) = context.chain.job(&case.id.job).await? else {
        return gone(context, case).await;
    };
    if case.is_ahead_of(&job) {
        return Ok(Next::Wait);
    }
    if let Some(next) = actions::passed_on(case, &job, &context.chain.signer()) {
        return Ok(next);
    }
    check_bond(&context.settings, &job)?;
    let way = demand_path::known(context, case, &job).await?;
    let unanswered = unanswered(context, case, &job).await;
    let overdue = way.iter().chain(&unanswered).find(|demand| {
        demand.answer.is_none() && passed(moment.now, effective_due(demand, &job, &moment))
    });
    if let Some(overdue) = overdue {
        return actions::timeout(context, case, &job, overdue).await;
    }
    if let Some(last) = way.last().filter(|demand| demand.answer.is_none()) {
        demand_path::say_waiting(context, case, last);
        return Ok(Next::Wait);
    }
    examine(context, case, &job, &moment, way).await
}

/// Checks the published trace, or the root against an own result, and convicts or demands what is wrong.
async fn examine(
    context: &Context,
    case: &mut Case,
    job: &Job,
    moment: &Moment,
    way: Vec<OpenedDemand>,
) -> Stepped {
    // While the own result is kept, so are the data that it was computed from.
    let key = (case.id.job, case.id.submission);
    let kept = context.results.get(key);
    // Memory for all of it, until the step is done.
    let (data, _memory) = data_of(context, case, job, kept.as_ref()).await?;
    // Once this watcher has paid for demands, the place where the trace should have been is left alone: a provider that is
    // slow there on purpose would gain time.
    let mut missing = None;
    if !demand_path::has_asked(context, case, job, &way).await? {
        match published(context, case, job, &data).await? {
            (Published::Trace(outputs), uri) => {
                return check_published(context, case, job, data, outputs, &uri).await;
            }
            (Published::Missing(why), _) => {
                tracing::debug!(job = %case.id.job, why, "the trace is not delivered");
                missing = Some(why);
            }
        }
    }
    let own = match kept {
        Some(own) => own,
        None => case_data::own_result(context, key, &data).await?,
    };
    if own.root == job.trace_root {
        return Ok(Next::Done(Verdict::Consistent {
            delivered: false,
            note: missing,
        }));
    }
    case.is_wrong = true;
    demand_path::follow(context, case, job, moment, own, way, missing).await
}

/// What the result follows from, and the memory for examining it.
async fn data_of(
    context: &Context,
    case: &Case,
    job: &Job,
    kept: Option<&Arc<OwnResult>>,
) -> Result<(Arc<CaseData>, Reservation), StepError> {
    match kept {
        Some(own) => {
            let data = Arc::clone(&own.data);
            let memory = context.store.reserve(data.sizes.case_bytes()).await?;
            Ok((data, memory))
        }
        None => case_data::load(context, &case.id.job, job, Purpose::Examine).await,
    }
}

/// The published trace and where it is, or why it is missing.
async fn published(
    context: &Context,
    case: &mut Case,
    job: &Job,
    data: &Arc<CaseData>,
) -> Result<(Published, String), StepError> {
    match trace_uri(context, case, job).await? {
        Ok(uri) => {
            let fetcher = context.store.fetcher();
            let found = case_data::trace(fetcher, &uri, job.trace_root, data).await?;
            Ok((found, uri))
        }
        Err(why) => Ok((Published::Missing(why), String::new())),
    }
}

/// What others, too, still wait for. Strangers may have demanded more than a node tells; the case goes on without it, and what
/// this watcher demanded is known by its address.
async fn unanswered(context: &Context, case: &Case, job: &Job) -> Vec<OpenedDemand> {
    if job.open_demands.get() == 0 {
        return Vec::new();
    }
    match context.chain.unanswered(&case.id.job).await {
        Ok(mut all) => {
            all.retain(|demand| demand.submission == case.id.submission);
            all
        }
        Err(error) => {
            tracing::debug!(job = %case.id.job, %error, "cannot read the demands of others; going on without them");
            Vec::new()
        }
    }
}

/// Where the trace is published, or why that is not known. Looking it up may take hundreds of requests, and anybody can
/// make it fail; so a failure counts as a missing delivery, and it is not repeated in every step.
async fn trace_uri(
    context: &Context,
    case: &mut Case,
    job: &Job,
) -> Result<Result<String, String>, ClientError> {
    if let Some((why, again)) = &case.lost_trace
        && Instant::now() < *again
    {
        return Ok(Err(why.clone()));
    }
    match context.chain.output_uri(&case.id.job, job).await {
        Ok(uri) => {
            case.lost_trace = None;
            Ok(Ok(uri))
        }
        Err(error) => {
            let why = error.to_string();
            let is_lost =
                case.lost_trace.is_some() || matches!(error, ClientError::UriUnknown { .. });
            let rest = if is_lost {
                LOOK_UP_EVERY
            } else {
                Duration::ZERO
            };
            case.lost_trace = Some((why.clone(), Instant::now() + rest));
            // The node may have had a bad moment.
            if is_lost { Ok(Err(why)) } else { Err(error) }
        }
    }
}

/// Refuses jobs whose bond is too small to be worth what a conviction costs.
fn check_bond(settings: &Settings, job: &Job) -> Result<(), StepError> {
    let least_atoms = settings.min_bonds.get(&job.mint).copied();
    let bond_atoms = job.bond_atoms.get();
    match least_atoms {
        Some(least_atoms) if bond_atoms < least_atoms => Err(StepError::Final(format!(
            "its bond is {bond_atoms} atoms, less than the {least_atoms} that --min-bond names for its mint"
        ))),
        None if settings.scope == Scope::All && !settings.min_bonds.is_empty() => {
            Err(StepError::Final(format!(
                "--min-bond names no least bond for its mint {}",
                job.mint
            )))
        }
        _ => Ok(()),
    }
}

/// The job's account is gone.
async fn gone(context: &Context, case: &Case) -> Stepped {
    let last = case.last_said.as_ref();
    let last = last.map_or(String::new(), |last| format!(" (last: {last})"));
    let what = if case.is_wrong {
        "it could be convicted"
    } else {
        "the result could be checked"
    };
    let why = match context.chain.outcome(&case.id.job).await? {
        Outcome::Convicted { prover, reason } => {
            let signer = context.chain.signer();
            let verdict = actions::already_convicted(prover, reason, &signer);
            return Ok(Next::Done(verdict));
        }
        Outcome::Paid => format!("the provider was paid before {what}{last}"),
        Outcome::Ended => format!("the job ended before {what}{last}"),
        Outcome::Unknown => {
            format!("the job has ended, and the node keeps too few transactions to tell how{last}")
        }
    };
    Ok(Next::Gone(why))
}

/// Checks published outputs, which have the committed root, and convicts the first wrong one.
async fn check_published(
    context: &Context,
    case: &mut Case,
    job: &Job,
    data: Arc<CaseData>,
    outputs: Vec<Tensor>,
    uri: &str,
) -> Stepped {
    let hints = case_data::hints(context.store.fetcher(), uri, &data).await;
    let from = Arc::clone(&data);
    match on_processor(move || find_wrong(&from, &outputs, hints)).await?? {
        None => Ok(Next::Done(Verdict::Consistent {
            delivered: true,
            note: None,
        })),
        Some(found) => actions::convict(context, case, job, &data, found, 0).await,
    }
}

/// Until when a demand must be answered, a cluster restart included.
fn effective_due(demand: &OpenedDemand, job: &Job, moment: &Moment) -> i64 {
    moment.deadline(demand.due, demand.slot, job.terms.restart_grace_secs.get())
}

type Found = Result<Option<(Charge, Vec<u8>)>, StepError>;

/// The first wrong value of outputs that have the committed root, with evidence.
fn find_wrong(data: &CaseData, outputs: &[Tensor], hints: Option<Vec<u8>>) -> Found {
    let graph = parsed(&data.graph)?;
    let (rows, inputs, weights) = (data.batch_rows, &data.inputs, &data.weights);
    let hints = hints.map_or(Hints::none(), |hints| {
        // The file itself is dropped here.
        Hints::from_file(&graph, rows, &hints)
    });
    let mut coins = private_coins()?;
    let finding = verify::outputs(&graph, rows, inputs, weights, outputs, &hints, &mut coins)?;
    let Finding::Wrong(charge) = finding else {
        return Ok(None);
    };
    let whole = Whole::new(&graph, rows, inputs, weights, outputs)?;
    let evidence = witness::evidence(&graph, rows, &charge, &whole)?;
    Ok(Some((charge, evidence)))
}

/// Randomness of the operating system, which nobody else ever sees; new for every check.
fn private_coins() -> Result<Coins, StepError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| {
        StepError::Again(WatcherError::NotReady(format!(
            "the operating system gives no randomness: {error}"
        )))
    })?;
    Ok(Coins::new(seed))
}
