//! Answering demands: a provider that withholds what it committed to loses its bond, so this comes before everything else.

use {
    crate::{
        answers::{Answers, Part},
        chain::Answer,
        context::{Context, KeptAnswers, Loaded, parsed, unservable},
        error::{ProviderError, Result},
        prepare::{memory_bytes, refereed},
        worker::CheckedTensors,
    },
    futures::{StreamExt, stream::FuturesUnordered},
    quern_client::{
        ClientError, Pubkey,
        accounts::DemandAccount,
        flows,
        quern::{clock::Moment, error::QuernError, state::Job},
    },
    quern_data::{
        Share, fetch,
        runtime::{lock, off_loop},
    },
    quern_proof::{Hash, commit::Trace, eval, file},
    quern_rules::deadline::in_time,
    std::{
        sync::Arc,
        time::{Duration, Instant},
    },
};

/// Transactions with answers that are under way at a time.
pub(crate) const AT_ONCE: usize = 8;
/// Answers that are worked out before they are sent.
const AHEAD: usize = 64;
/// How long it answers before the chain is read again: during a flood that takes a while itself.
const LONGEST_ROUND: Duration = Duration::from_secs(300);
/// How long the data of a submission stay in memory after the last demand, if nothing else needs the memory.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// Answers the open demands about a submitted job, earliest due first. One failure keeps no other answer back.
pub(crate) async fn answer(context: &Context, address: &Pubkey, job: &Job) -> Result<()> {
    let moment = context.chain.moment().await?;
    let open = open_demands(context, address, job, &moment).await?;
    if open.is_empty() {
        return Ok(());
    }
    let loaded = loaded(context, address, job).await?;
    let mut failed = None;
    for part in Part::ALL {
        let is_needed = open.iter().any(|demand| part_of(demand) == Some(part));
        if is_needed && !loaded.answers.has(part) {
            // What the other part answers is answered all the same.
            if let Err(error) = load_part(context, address, job, part, &loaded.answers).await {
                tracing::error!(job = %address, ?part, %error, "cannot load the data that demands ask for; answering the others");
                failed = Some(error);
            }
        }
    }
    let until = Instant::now() + LONGEST_ROUND;
    let mut under_way = FuturesUnordered::new();
    for demands in open.chunks(AHEAD) {
        if Instant::now() >= until {
            break;
        }
        let (answers, wrong) = worked_out(address, demands.to_vec(), &loaded).await;
        failed = failed.or(wrong);
        for batch in Answer::pack(answers) {
            if under_way.len() >= AT_ONCE {
                let result: Option<Result<()>> = under_way.next().await;
                failed = failed.or(result.and_then(Result::err));
            }
            under_way.push(send(context, address, batch));
        }
    }
    while let Some(result) = under_way.next().await {
        failed = failed.or(result.err());
    }
    failed.map_or(Ok(()), Err)
}

/// What waits for an answer and can still get one, earliest due first.
async fn open_demands(
    context: &Context,
    address: &Pubkey,
    job: &Job,
    moment: &Moment,
) -> Result<Vec<DemandAccount>> {
    let all = context.chain.demands(address).await?;
    let open = all.into_iter().filter(|known| {
        let demand = &known.demand;
        demand.job == *address && demand.submission == job.submissions && !demand.answered.get()
    });
    let due = |known: &DemandAccount| known.demand.effective_due(job, moment);
    let (mut open, late): (Vec<_>, Vec<_>) =
        open.partition(|known| in_time(moment.now, due(known)));
    if !late.is_empty() {
        context.say_once(address, job, || {
            tracing::error!(job = %address, demands = late.len(), "demands were not answered in time; anybody may convict this provider now");
        });
    }
    open.sort_by_key(|known| (due(known), known.address));
    Ok(open)
}

/// The answers to some demands as far as there are any, and the first failure.
async fn worked_out(
    address: &Pubkey,
    demands: Vec<DemandAccount>,
    loaded: &Arc<Loaded>,
) -> (Vec<Answer>, Option<ProviderError>) {
    let (address, loaded) = (*address, Arc::clone(loaded));
    let worked_out = off_loop(move || {
        let mut failed = None;
        let mut answers = Vec::with_capacity(demands.len());
        for demand in demands {
            match answer_of(&address, demand, &loaded.answers) {
                Ok(answer) => answers.extend(answer),
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        (answers, failed)
    });
    worked_out
        .await
        .unwrap_or_else(|error| (Vec::new(), Some(error.into())))
}

/// Sends answers in one transaction. If it is refused, which one of them can cause, each goes alone.
async fn send(context: &Context, address: &Pubkey, answers: Vec<Answer>) -> Result<()> {
    let sent = reveal(context, address, &answers).await;
    match sent {
        Err(error) if answers.len() > 1 && !error.is_transient() => {
            tracing::debug!(job = %address, %error, "answers were refused together; sending each alone");
            let mut all = Ok(());
            for answer in &answers {
                all = all.and(reveal(context, address, std::slice::from_ref(answer)).await);
            }
            all
        }
        sent => sent,
    }
}

/// Sends answers. That another one was faster with the only one is no failure.
async fn reveal(context: &Context, address: &Pubkey, answers: &[Answer]) -> Result<()> {
    let sent = context.chain.reveal(answers).await;
    for Answer { demand, .. } in answers {
        let opened = &demand.demand;
        let (tree, level, index) = (opened.tree, opened.level, opened.index.get());
        match &sent {
            Ok(()) => {
                tracing::info!(job = %address, tree, level, index, fee_lamports = opened.fee_lamports.get(), "answered a demand");
            }
            Err(error) if answers.len() == 1 && is_over(error) => {
                tracing::debug!(job = %address, tree, level, index, %error, "the demand needs no answer any more");
                return Ok(());
            }
            Err(error) => {
                tracing::warn!(job = %address, tree, level, index, %error, "cannot answer a demand now; retrying");
            }
        }
    }
    Ok(sent?)
}

/// The data of a submission, whatever of them is in memory already, and the memory for the rest of them: many jobs may have
/// open demands at once.
pub(crate) async fn loaded(context: &Context, address: &Pubkey, job: &Job) -> Result<Arc<Loaded>> {
    let submission = job.submissions.get();
    {
        let mut all = lock(&context.kept);
        let is_this_one =
            |kept: &&mut KeptAnswers| (kept.job, kept.submission) == (*address, submission);
        if let Some(kept) = all.iter_mut().find(is_this_one) {
            kept.used = Instant::now();
            return Ok(Arc::clone(&kept.loaded));
        }
    }
    let bytes = memory_bytes(context, job).await?;
    let budget = context.store.budget();
    let give_up = || forget_an_idle_one(context);
    let loaded = Arc::new(Loaded {
        _memory: budget.reserve(Share::Demands, bytes, give_up).await?,
        answers: Answers::default(),
    });
    lock(&context.kept).push(KeptAnswers {
        job: *address,
        submission,
        loaded: Arc::clone(&loaded),
        used: Instant::now(),
    });
    Ok(loaded)
}

/// Drops the data that nothing has used for the longest time, and says whether there were any.
fn forget_an_idle_one(context: &Context) -> bool {
    let mut all = lock(&context.kept);
    let idle = all.iter().enumerate();
    let idle = idle.filter(|(_, kept)| Arc::strong_count(&kept.loaded) == 1);
    let Some((at, _)) = idle.min_by_key(|(_, kept)| kept.used) else {
        return false;
    };
    all.swap_remove(at);
    true
}

/// Frees the memory of data that no demand was about for a while.
pub(crate) fn forget_unused(context: &Context) {
    lock(&context.kept).retain(|kept| kept.used.elapsed() < KEPT_FOR);
}

async fn load_part(
    context: &Context,
    address: &Pubkey,
    job: &Job,
    part: Part,
    answers: &Answers,
) -> Result<()> {
    match part {
        Part::Trace => answers.put_trace(trace(context, address, job).await?),
        Part::Operands => answers.put_operands(operands(context, address, job).await?),
    }
    Ok(())
}

async fn operands(context: &Context, address: &Pubkey, job: &Job) -> Result<Arc<CheckedTensors>> {
    let tensors = refereed(context, address, job).await?.tensors;
    tensors.ok_or_else(|| unservable(address, "it has no graph, so nothing can be demanded"))
}

/// The trace that the current submission commits to: the stored one, or computed again if that is gone or damaged.
async fn trace(context: &Context, address: &Pubkey, job: &Job) -> Result<Trace> {
    let (journal, root) = (&context.journal, job.trace_root);
    let path = journal.submission_path(address, job.submissions.get(), fetch::TRACE_FILE);
    if let Some(bytes) = journal.read(&path)? {
        match off_loop(move || checked_trace(&bytes, &root)).await? {
            Ok(trace) => return Ok(trace),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the kept trace is damaged; computing it again");
            }
        }
    } else {
        tracing::warn!(job = %address, "the trace is not on this disk; computing it again");
    }
    let tensors = operands(context, address, job).await?;
    let batch_rows = job.batch_rows.get();
    let (trace, bytes) = off_loop(move || computed_trace(&tensors, batch_rows, &root)).await??;
    journal.write(&path, &bytes)?;
    Ok(trace)
}

fn checked_trace(bytes: &[u8], root: &Hash) -> Result<Trace> {
    let trace = Trace::new(file::decode_trace(bytes)?)?;
    match trace.root() == *root {
        true => Ok(trace),
        false => Err(ProviderError::Worker(
            "it is not the trace that the job commits to".to_owned(),
        )),
    }
}

fn computed_trace(
    tensors: &CheckedTensors,
    batch_rows: u32,
    root: &Hash,
) -> Result<(Trace, Vec<u8>)> {
    let graph = parsed(&tensors.graph)?;
    // Whatever the limit for new jobs: this one was taken.
    let (inputs, weights) = (&tensors.inputs, &tensors.weights);
    let outputs = eval::run_within(&graph, batch_rows, inputs, weights, u64::MAX)?;
    let bytes = file::encode_trace(&outputs)?;
    Ok((checked_trace(&bytes, root)?, bytes))
}

/// What answers a demand; nothing if its data could not be loaded, which has been said.
fn answer_of(address: &Pubkey, demand: DemandAccount, answers: &Answers) -> Result<Option<Answer>> {
    let opened = &demand.demand;
    let Some(node_id) = opened.node_id() else {
        return Err(unservable(
            address,
            "a demand names a tree that this version does not know",
        ));
    };
    let Some(bytes) = answers.answer(&node_id)? else {
        return Ok(None);
    };
    if !flows::is_answer(opened, &bytes) {
        let (tree, level, index) = (opened.tree, opened.level, opened.index.get());
        let why = "the data on this disk are not what a demand asks about";
        tracing::error!(job = %address, demand = %demand.address, tree, level, index, "{why}");
        return Err(unservable(address, why));
    }
    Ok(Some(Answer { demand, bytes }))
}

/// Whether another one has answered, or the job went on: the next look shows what is left to do.
fn is_over(error: &ClientError) -> bool {
    matches!(
        error.quern(),
        Some(QuernError::AlreadyAnswered | QuernError::WrongState | QuernError::WrongDemand)
    )
}

fn part_of(demand: &DemandAccount) -> Option<Part> {
    demand.demand.node_id().map(|node_id| Part::of(&node_id))
}
