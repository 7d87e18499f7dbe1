//! One step of one case: reads the chain anew, does the next thing, and says whether the case is decided. Nothing is
//! remembered between steps that could not be found out again, so a watcher may be killed after any of them.

use {
    crate::{
        actions::{self, Stepped},
        case::{Case, Next},
        case_data::{self, Delivery, Plan, Published, Purpose, parsed},
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
    quern_data::{Download, DownloadSlot, Reservation, runtime::on_processor, sizes::Sizes},
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

/// Attempts after which a trace that was cut off for others counts as not delivered.
const MOST_CUT_OFF: u32 = 4;
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
    // Once this watcher has paid for demands, the place where the trace should have been is left alone: a provider that is
    // slow there on purpose would gain time.
    let has_asked = demand_path::has_asked(context, case, job, &way).await?;
    let (plan, delivery) = gathered(context, case, job, kept.as_ref(), has_asked).await?;
    // Everything that strangers can delay is here; a slot and the memory for all of it, until the step is done.
    let _slot = context.slot().await?;
    let (data, _memory) = data_of(context, case, job, kept.as_ref(), plan).await?;
    let mut missing = None;
    match delivery {
        None => {}
        Some(Err(why)) => missing = Some(why),
        Some(Ok(Delivery { trace, hints })) => {
            match case_data::trace(trace, job.trace_root, &data).await? {
                Published::Trace(outputs) => {
                    return check_published(context, case, job, data, outputs, hints).await;
                }
                Published::Missing(why) => missing = Some(why),
            }
        }
    }
    if let Some(why) = &missing {
        tracing::debug!(job = %case.id.job, why, "the trace is not delivered");
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

/// What was published, or why it is missing.
type Delivered = Result<Delivery, String>;

/// Brings to the disk what is needed and not here: inputs and weights, unless there is an own result, and what was published,
/// unless something was demanded. A tenth of the review is the most that each of both may take.
async fn gathered(
    context: &Context,
    case: &mut Case,
    job: &Job,
    kept: Option<&Arc<OwnResult>>,
    has_asked: bool,
) -> Result<(Option<Plan>, Option<Delivered>), StepError> {
    if kept.is_some() && has_asked {
        return Ok((None, None));
    }
    let (client, failures) = (case.client.to_string(), case.retry.failures());
    let download = context.downloads.enter(&client, failures).await;
    let time = case.fetch_time();
    let again = |why: &str| StepError::Again(WatcherError::NotReady(why.to_owned()));
    let cut_off = || again("its data came so slowly that others got their turn");
    let mut plan = None;
    if kept.is_none() {
        let brought = tokio::time::timeout(time, async {
            let plan = case_data::plan(context, job).await?;
            case_data::bring(context, &case.id.job, job, &plan, &download).await?;
            Ok::<_, StepError>(plan)
        });
        let brought = download.run(brought).await.ok_or_else(cut_off)?;
        let too_slow = |_| again("its data did not come within a tenth of its review");
        plan = Some(brought.map_err(too_slow)??);
    }
    if has_asked {
        return Ok((plan, None));
    }
    let sizes = match (&plan, kept) {
        (Some(plan), _) => plan.sizes,
        (None, Some(own)) => own.data.sizes,
        (None, None) => return Err(again("nothing is known of its data yet")),
    };
    let delivered = tokio::time::timeout(time, published(context, case, job, &sizes, &download));
    let delivered = match download.run(delivered).await {
        Some(Ok(delivered)) => delivered?,
        // A provider that is slow on purpose is one that does not deliver.
        Some(Err(_)) => Err("it did not come within a tenth of the review".to_owned()),
        None if failures >= MOST_CUT_OFF => Err("it comes too slowly".to_owned()),
        None => return Err(cut_off()),
    };
    Ok((plan, Some(delivered)))
}

/// What the result follows from, and the memory for examining it.
async fn data_of(
    context: &Context,
    case: &Case,
    job: &Job,
    kept: Option<&Arc<OwnResult>>,
    plan: Option<Plan>,
) -> Result<(Arc<CaseData>, Reservation), StepError> {
    if let Some(own) = kept {
        let data = Arc::clone(&own.data);
        let memory = context.store.reserve(data.sizes.case_bytes()).await?;
        return Ok((data, memory));
    }
    let plan = match plan {
        Some(plan) => plan,
        None => case_data::plan(context, job).await?,
    };
    case_data::load(context, &case.id.job, job, plan, Purpose::Examine).await
}

/// What was published, or why it is missing.
async fn published(
    context: &Context,
    case: &mut Case,
    job: &Job,
    sizes: &Sizes,
    download: &DownloadSlot<'_>,
) -> Result<Delivered, StepError> {
    match trace_uri(context, case, job).await? {
        Ok(uri) => Ok(case_data::delivery(context, &uri, sizes, download).await?),
        Err(why) => Ok(Err(why)),
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
    hints: Option<Download>,
) -> Stepped {
    let from = Arc::clone(&data);
    let find = move || {
        // Without them the check takes longer.
        let hints = hints.and_then(|hints| hints.read().ok());
        find_wrong(&from, &outputs, hints)
    };
    match on_processor(find).await?? {
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
