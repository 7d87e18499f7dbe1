//! One step of one case: reads the chain anew, does the next thing, and says whether the case is decided. Nothing is
//! remembered between steps that could not be found out again, so a watcher may be killed after any of them.

use {
    crate::{
        actions::{self, Stepped},
        case::{Case, Next},
        case_data::{self, Plan, Purpose},
        chain::OpenedDemand,
        check::{self, Material},
        context::Context,
        demand_path::{self, Followed},
        error::{StepError, WatcherError},
        published::{self, Delivery, Order},
        results::{CaseData, OwnResult},
        search::{Found, Search},
        settings::{Scope, Settings},
        verdict::Verdict,
    },
    quern_client::{
        ClientError, Outcome,
        quern::{clock::Moment, state::Job},
    },
    quern_data::{DownloadSlot, Reservation, runtime::on_processor, sizes::Sizes},
    quern_proof::evidence::Charge,
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
    let is_unanswered = |demand: &&OpenedDemand| demand.answer.is_none();
    if let Some(waiting) = way.iter().find(is_unanswered)
        && !demand_path::has_moved(case, &way)
    {
        demand_path::say_waiting(context, case, waiting);
        return Ok(Next::Wait);
    }
    examine(context, case, &job, &moment, way).await
}

/// Checks the items by what is published or by computing them, and convicts or demands what is wrong.
async fn examine(
    context: &Context,
    case: &mut Case,
    job: &Job,
    moment: &Moment,
    mut way: Vec<OpenedDemand>,
) -> Stepped {
    // While the own result is kept, so are the data that it was computed from.
    let key = (case.id.job, case.id.submission);
    let kept = context.results.get(key);
    // Once this watcher has paid for demands, the place where the rest should have been is left alone: a provider that is
    // slow there on purpose would gain time.
    let has_asked = demand_path::has_asked(context, case, job, &way).await?;
    let (plan, delivery) = gathered(context, case, job, kept.as_ref(), has_asked).await?;
    // Everything that strangers can delay is here; a slot and the memory for all of it, until the step is done.
    let _slot = context.slot().await?;
    let (data, _memory) = data_of(context, case, job, kept.as_ref(), plan).await?;
    let mut delivery = delivery.unwrap_or_default();
    let mut missing = delivery.missing.take();
    let data = match (&kept, job.tokens_input()) {
        (None, Some(_)) => {
            let why = missing.as_deref();
            let from = (data, delivery);
            match texts(context, case, job, moment, from, &mut way, why).await? {
                Texts::Known(data, published) => {
                    delivery = published;
                    data
                }
                Texts::Stepped(next) => return Ok(next),
            }
        }
        _ => data,
    };
    let sample = case.sample(job.items.get(), context.settings.sample)?;
    let material = (delivery, sample, kept.clone());
    let (checked, why) = checked(data, material).await?;
    case.has_useless_traces |= why.is_some();
    missing = missing.or(why);
    if let Some(why) = &missing {
        tracing::debug!(job = %case.id.job, why, "the item roots are not delivered");
    }
    let mut own = match checked {
        Checked::Own(own) => own,
        Checked::Wrong(data, charge, evidence) => {
            let found = (charge, evidence);
            return actions::convict(context, case, job, &data, found, 0).await;
        }
    };
    if kept.is_none() {
        case_data::keep(context, key, &own);
    }
    let why = missing.as_deref();
    loop {
        let search = Search::Difference(Arc::clone(&own));
        match demand_path::follow(context, case, job, moment, &search, &mut way, why).await? {
            Followed::Stepped(next) => return Ok(next),
            Followed::Found(_) => break,
            Followed::TooDear(why) => {
                let fewer = case.narrow()?.ok_or(StepError::Final(why))?;
                own = Arc::new(own.only(&fewer));
                context.results.replace(key, &own);
            }
        }
    }
    Ok(Next::Done(Verdict::Consistent {
        items: own.counted(),
        delivered: own.published.get().is_some(),
        note: missing,
    }))
}

/// What is known of the texts that the provider gave.
enum Texts {
    /// With what else was published.
    Known(Arc<CaseData>, Delivery),
    /// They are demanded.
    Stepped(Next),
}

/// The data with the texts that the provider gave: as published, if these have the root on chain, otherwise as demanded.
async fn texts(
    context: &Context,
    case: &mut Case,
    job: &Job,
    moment: &Moment,
    (data, delivery): (Arc<CaseData>, Delivery),
    way: &mut Vec<OpenedDemand>,
    missing: Option<&str>,
) -> Result<Texts, StepError> {
    let read = move || -> Result<_, WatcherError> {
        let graph = data.graph()?;
        let found = published::tokens(&data, &graph, &delivery);
        let is_found = found.is_some();
        let mut data = Arc::unwrap_or_clone(data);
        if let Some(tokens) = found {
            data.take_tokens(tokens)?;
        }
        Ok((Arc::new(data), delivery, is_found))
    };
    let (data, delivery, is_found) = on_processor(read).await??;
    if is_found {
        return Ok(Texts::Known(data, delivery));
    }
    let mut items = case.sample(data.items, context.settings.sample)?;
    let found = loop {
        let search = Search::Tokens {
            data: Arc::clone(&data),
            items: Arc::clone(&items),
        };
        match demand_path::follow(context, case, job, moment, &search, way, missing).await? {
            Followed::Stepped(next) => return Ok(Texts::Stepped(next)),
            Followed::Found(found) => break found,
            Followed::TooDear(why) => items = case.narrow()?.ok_or(StepError::Final(why))?,
        }
    };
    let mut data = Arc::unwrap_or_clone(data);
    if let Found::Tokens(tokens) = found {
        data.take_tokens_of(&tokens)?;
    }
    Ok(Texts::Known(Arc::new(data), delivery))
}

/// What checking came to.
enum Checked {
    Own(Arc<OwnResult>),
    Wrong(Arc<CaseData>, Charge, Vec<u8>),
}

type ToCheck = (Delivery, Arc<Vec<u32>>, Option<Arc<OwnResult>>);

/// Checks the sample, and says why the item roots are of no use, if they came and are not.
async fn checked(
    data: Arc<CaseData>,
    (delivery, sample, kept): ToCheck,
) -> Result<(Checked, Option<String>), StepError> {
    let check = move || -> Result<_, WatcherError> {
        let graph = data.graph()?;
        let roots = delivery.roots.as_ref();
        let roots = roots.map(|roots| published::item_roots(&data, &graph, roots));
        let (roots, why) = match roots {
            Some(Ok(roots)) => (Some(roots), None),
            Some(Err(why)) => (None, Some(why)),
            // What was known before is known still.
            None => (
                kept.as_ref().and_then(|kept| kept.published.get().cloned()),
                None,
            ),
        };
        let material = Material {
            data: Arc::clone(&data),
            sample,
            roots,
            traces: delivery.traces,
            kept,
        };
        let checked = match check::items(&material)? {
            check::Checked::Own(own) => Checked::Own(own),
            check::Checked::Wrong(charge, evidence) => Checked::Wrong(data, charge, evidence),
        };
        Ok((checked, why))
    };
    Ok(on_processor(check).await??)
}

/// Brings to the disk what is needed and not here: inputs and weights, unless there is an own result, and what was published,
/// unless something was demanded. A tenth of the review is the most that each of both may take.
async fn gathered(
    context: &Context,
    case: &mut Case,
    job: &Job,
    kept: Option<&Arc<OwnResult>>,
    has_asked: bool,
) -> Result<(Option<Plan>, Option<Delivery>), StepError> {
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
    // Without the texts nothing could be computed from what was paid for.
    if has_asked && job.tokens_input().is_none() {
        return Ok((plan, None));
    }
    let sizes = match (&plan, kept) {
        (Some(plan), _) => plan.sizes,
        (None, Some(own)) => own.data.sizes,
        (None, None) => return Err(again("nothing is known of its data yet")),
    };
    let mut delivery = Delivery::default();
    let ends_with_text = plan.as_ref().is_some_and(Plan::ends_with_text);
    let known = (kept, &sizes, ends_with_text);
    let fetched = fetch_published(context, case, job, known, &download, &mut delivery);
    let fetched = download.run(tokio::time::timeout(time, fetched)).await;
    match fetched {
        Some(Ok(fetched)) => fetched?,
        // A provider that is slow on purpose is one that does not deliver; what has come is used.
        Some(Err(_)) if delivery.roots.is_none() => {
            delivery.missing = Some("it did not come within a tenth of the review".to_owned());
        }
        Some(Err(_)) => {}
        None if failures >= MOST_CUT_OFF => {
            if delivery.roots.is_none() {
                delivery.missing = Some("it comes too slowly".to_owned());
            }
        }
        None => return Err(cut_off()),
    }
    Ok((plan, Some(delivery)))
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
        let bytes = case_data::case_bytes(&data.sizes, data.items);
        let memory = context.store.reserve(bytes).await?;
        return Ok((data, memory));
    }
    let plan = match plan {
        Some(plan) => plan,
        None => case_data::plan(context, job).await?,
    };
    let loaded = case_data::load(context, &case.id.job, job, plan, Purpose::Examine);
    let (data, memory) = loaded.await?;
    Ok((Arc::new(data), memory))
}

/// Brings what was published to the disk, or says why it is missing.
async fn fetch_published(
    context: &Context,
    case: &mut Case,
    job: &Job,
    (kept, sizes, ends_with_text): (Option<&Arc<OwnResult>>, &Sizes, bool),
    download: &DownloadSlot<'_>,
    to: &mut Delivery,
) -> Result<(), StepError> {
    let uri = match output_uri(context, case, job).await? {
        Ok(uri) => case_data::noted(download, uri),
        Err(why) => {
            to.missing = Some(why);
            return Ok(());
        }
    };
    // Of an own result only one item's trace is of use, once it is known which.
    let sample = case.sample(job.items.get(), context.settings.sample)?;
    let suspect = kept.and_then(|kept| kept.suspect());
    let items = match (suspect, case.has_useless_traces) {
        (Some(item), _) => vec![item],
        (None, true) => Vec::new(),
        (None, false) => sample.to_vec(),
    };
    let order = Order {
        uri: &uri,
        sizes,
        has_tokens: kept.is_none() && job.tokens_input().is_some(),
        ends_with_text,
        items: &items,
        max_bytes: context.settings.fetch.max_bytes,
    };
    Ok(published::fetch(context, &order, to).await?)
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

/// Where the result is published, or why that is not known. Looking it up may take hundreds of requests, and anybody can
/// make it fail; so a failure counts as a missing delivery, and it is not repeated in every step.
async fn output_uri(
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

/// Until when a demand must be answered, a cluster restart included.
fn effective_due(demand: &OpenedDemand, job: &Job, moment: &Moment) -> i64 {
    moment.deadline(demand.due, demand.slot, job.terms.restart_grace_secs.get())
}
