//! Answering demands: a provider that withholds what it committed to loses its bond, so this comes before everything else.

mod parts;

use {
    crate::{
        answers::{Answers, ITEMS_AT_HAND, Part},
        chain::Answer,
        context::{Context, KeptAnswers, Loaded, parsed, unservable},
        error::{ProviderError, Result},
        prepare,
    },
    futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered},
    parts::Source,
    quern_client::{
        ClientError, Pubkey,
        accounts::DemandAccount,
        flows,
        quern::{clock::Moment, error::QuernError, state::Job},
    },
    quern_data::{
        Share,
        runtime::{lock, off_loop},
        sizes::Sizes,
    },
    quern_proof::NodeId,
    quern_rules::deadline::in_time,
    std::{
        collections::HashSet,
        sync::Arc,
        time::{Duration, Instant},
    },
};

/// Transactions with answers that are under way at a time.
pub(crate) const AT_ONCE: usize = 8;
/// Answers that are worked out before they are sent.
const AHEAD: usize = 64;
/// How long an answer waits for others to share a transaction with.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Items that are at hand beside the first, if there is memory.
const MORE_ITEMS: usize = ITEMS_AT_HAND as usize - 1;
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
    let mut round = Round {
        source: Source {
            context,
            address,
            job,
            loaded: loaded(context, address, job).await?,
        },
        unavailable: HashSet::new(),
        failed: None,
    };
    let mut outbox = Outbox::new(context, address);
    let until = Instant::now() + LONGEST_ROUND;
    for demands in open.chunks(AHEAD) {
        // What is about one item is answered together: an item may have to be computed.
        let mut demands = demands.to_vec();
        demands.sort_by_key(item_of);
        for demand in demands {
            if Instant::now() >= until {
                break;
            }
            let answer = round.answer(demand).await;
            outbox.put(answer, &mut round.failed).await;
        }
        outbox.send(&mut round.failed).await;
    }
    outbox.drain(&mut round.failed).await;
    round.failed.map_or(Ok(()), Err)
}

/// The item that an op's demand is about; the others come before.
fn item_of(demand: &DemandAccount) -> Option<u64> {
    use quern_proof::{Operand, Tree};
    let node_id = demand.demand.node_id()?;
    match node_id.tree {
        Tree::Data(Operand::Op(_)) => Some(node_id.item_and_place().0),
        _ => None,
    }
}

/// The answers of one look.
struct Round<'c> {
    source: Source<'c>,
    /// What could not be loaded; what something else answers is answered all the same.
    unavailable: HashSet<Part>,
    failed: Option<ProviderError>,
}

impl Round<'_> {
    /// The answer to a demand, if there is one.
    async fn answer(&mut self, demand: DemandAccount) -> Option<Answer> {
        match self.try_answer(demand).await {
            Ok(answer) => answer,
            Err(error) => {
                self.failed.get_or_insert(error);
                None
            }
        }
    }

    async fn try_answer(&mut self, demand: DemandAccount) -> Result<Option<Answer>> {
        let (address, loaded) = (*self.source.address, Arc::clone(&self.source.loaded));
        let Some(node_id) = demand.demand.node_id() else {
            let why = "a demand names a tree that this version does not know";
            return Err(unservable(&address, why));
        };
        for part in loaded.answers.parts(&node_id)? {
            if self.unavailable.contains(&part) {
                return Ok(None);
            }
            if let Err(error) = self.source.load(part).await {
                tracing::error!(job = %address, ?part, %error, "cannot load the data that demands ask for; answering the others");
                self.unavailable.insert(part);
                return Err(error);
            }
        }
        off_loop(move || answer_of(&address, demand, &node_id, &loaded.answers).map(Some)).await?
    }
}

/// Answers on their way.
struct Outbox<'c> {
    context: &'c Context,
    address: &'c Pubkey,
    ready: Vec<Answer>,
    /// When the first of them was ready.
    since: Instant,
    under_way: FuturesUnordered<BoxFuture<'c, Result<()>>>,
}

impl<'c> Outbox<'c> {
    fn new(context: &'c Context, address: &'c Pubkey) -> Self {
        Self {
            context,
            address,
            ready: Vec::new(),
            since: Instant::now(),
            under_way: FuturesUnordered::new(),
        }
    }

    /// Takes an answer, and sends those that wait if the next one took long.
    async fn put(&mut self, answer: Option<Answer>, failed: &mut Option<ProviderError>) {
        if self.ready.is_empty() {
            self.since = Instant::now();
        }
        self.ready.extend(answer);
        if self.since.elapsed() >= LONGEST_WAIT {
            self.send(failed).await;
        }
    }

    /// Sends what is ready, as few at a time as [`AT_ONCE`] says.
    async fn send(&mut self, failed: &mut Option<ProviderError>) {
        for batch in Answer::pack(std::mem::take(&mut self.ready)) {
            if self.under_way.len() >= AT_ONCE {
                self.next(failed).await;
            }
            let sent = send(self.context, self.address, batch);
            self.under_way.push(Box::pin(sent));
        }
    }

    async fn next(&mut self, failed: &mut Option<ProviderError>) -> bool {
        let Some(result) = self.under_way.next().await else {
            return false;
        };
        if let Err(error) = result {
            failed.get_or_insert(error);
        }
        true
    }

    async fn drain(&mut self, failed: &mut Option<ProviderError>) {
        self.send(failed).await;
        while self.next(failed).await {}
    }
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
        context.say_once(address, job.seq.get(), || {
            tracing::error!(job = %address, demands = late.len(), "demands were not answered in time; anybody may convict this provider now");
        });
    }
    open.sort_by_key(|known| (due(known), known.address));
    Ok(open)
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
        let (tree, level, index) = (opened.tree.get(), opened.level, opened.index.get());
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
    let account = context.chain.model(&job.model).await?;
    let items = job.items.get();
    let sizes = Sizes::of(&parsed(&account.graph)?, items)?;
    let budget = context.store.budget();
    let bytes = prepare::at_most_all(context, sizes.memory_bytes());
    let give_up = || forget_an_idle_one(context);
    let mut memory = vec![budget.reserve(Share::Demands, bytes, give_up).await?];
    // What is kept for one job must not keep others waiting.
    let item_bytes = sizes.answered_item_bytes();
    let room = (budget.share_bytes() / 4).saturating_sub(bytes) / item_bytes.max(1);
    let room = usize::try_from(room).unwrap_or(usize::MAX).min(MORE_ITEMS);
    let more = (0..room.min(items.saturating_sub(1) as usize))
        .map_while(|_| budget.try_reserve(Share::Demands, item_bytes));
    memory.extend(more);
    let answers = Answers::new(account.graph, items, memory.len())?;
    let loaded = Arc::new(Loaded {
        answers,
        _memory: memory,
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

/// What answers a demand whose parts are at hand.
fn answer_of(
    address: &Pubkey,
    demand: DemandAccount,
    node_id: &NodeId,
    answers: &Answers,
) -> Result<Answer> {
    let opened = &demand.demand;
    let bytes = answers.answer(node_id)?;
    if !flows::is_answer(opened, &bytes) {
        let (tree, level, index) = (opened.tree.get(), opened.level, opened.index.get());
        let why = "the data on this disk are not what a demand asks about";
        tracing::error!(job = %address, demand = %demand.address, tree, level, index, "{why}");
        return Err(unservable(address, why));
    }
    Ok(Answer { demand, bytes })
}

/// Whether another one has answered, or the job went on: the next look shows what is left to do.
fn is_over(error: &ClientError) -> bool {
    matches!(
        error.quern(),
        Some(QuernError::AlreadyAnswered | QuernError::WrongState | QuernError::WrongDemand)
    )
}
