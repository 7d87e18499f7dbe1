//! Open jobs: which of them are worth a look, in which order, and what becomes of those whose data do not come.
//!
//! Strangers create them, so nothing is reserved for what one of them says: no memory, no bond and no place among the jobs that
//! are worked on. Their data are fetched to the disk, in download slots that are not those of obligations.

use {
    crate::{
        ability::{Ability, MEASURE_EVERY},
        answers::ITEMS_AT_HAND,
        campaigns::{Campaigns, Worth},
        context::{Context, parsed},
        disk,
        error::Result,
        policy::{Capacity, Refusal},
        promises::{Needs, Proposal, Room},
        strangers::OFFER_DOWNLOADS,
        task::Task,
    },
    quern_client::{
        Pubkey,
        quern::{
            clock::Moment,
            state::{Assurance, Job},
        },
    },
    quern_data::{runtime::lock, sizes::Sizes},
    quern_rules::deadline::DEMAND_QUEUE_SECS,
    std::{
        collections::{BTreeMap, HashMap},
        sync::Arc,
        time::{Duration, Instant},
    },
};

/// Offers that are looked at at a time: as many wait for a download slot as have one. Half of them at most begin again.
const AT_ONCE: usize = 2 * OFFER_DOWNLOADS;
/// Models that are read in one look to learn how large their data are.
const MOST_LOOK_UPS: usize = 32;
/// What fetching an offer's data may take at least and at most, whatever time the job gives.
const LEAST_FETCH: Duration = Duration::from_secs(20);
const MOST_FETCH: Duration = Duration::from_secs(600);

/// Open jobs that the policy wants and that can be done in time, the best paid first. `busy` are those that are being looked at.
pub(crate) async fn offers(
    context: &Context,
    moment: &Moment,
    busy: &[Pubkey],
    is_free_to_measure: bool,
    is_free: impl Fn(&Pubkey) -> bool,
) -> Result<Vec<(Pubkey, Task)>> {
    let left = AT_ONCE.saturating_sub(busy.len());
    if left == 0 || lock(&context.promises).count() >= context.settings.policy.max_jobs {
        return Ok(Vec::new());
    }
    let mut open = context.chain.open_jobs().await?;
    open.retain(|(address, _)| is_free(address) && !lock(&context.known).is_given_up(address));
    if open.is_empty() {
        return Ok(Vec::new());
    }
    // Nothing is promised before it is known what can be kept; obligations do not wait for that.
    let known = *lock(&context.ability);
    let measure = is_free_to_measure.then_some((context.settings.owner, Task::Measure));
    let Some(ability) = known else {
        return Ok(measure.into_iter().collect());
    };
    // What nobody here wants brings no campaign along that would have to be read.
    let mut capacities = Capacities::default();
    let mut wanted = Vec::new();
    for (address, job) in open {
        match capacities.wants(context, &job, moment).await? {
            Ok(()) => wanted.push((address, job)),
            Err(refusal) => context.leave_alone(&address, &job, refusal),
        }
    }
    let mut wanted = ordered(timed(context, &ability, wanted).await, |_| 0);
    let campaigns = context
        .campaigns_of(wanted.iter().map(|offer| &offer.job))
        .await?;
    let mut is_too_slow = false;
    wanted.retain(|Offer { address, job, .. }| {
        let fits = fits(context, &campaigns, (address, job), moment);
        if let Err(refusal) = fits {
            is_too_slow |= refusal == Refusal::Busy;
            context.leave_alone(address, job, refusal);
        }
        fits.is_ok()
    });
    let found = ordered(wanted, |job| {
        let time = time_for(context, &ability, job, 0);
        campaigns.worth(job, after(moment, time)).score_atoms
    });
    let found = found.into_iter().map(|offer| (offer.address, offer.job));
    let begins_again = |address: &Pubkey| lock(&context.known).attempts(address) > 0;
    let again = busy.iter().filter(|address| begins_again(address)).count();
    let (again_left, mut again_found) = ((AT_ONCE / 2).saturating_sub(again), 0);
    let found = found.filter(|(address, _)| {
        let again = usize::from(begins_again(address));
        again_found += again;
        again == 0 || again_found <= again_left
    });
    let found = found
        .take(left)
        .map(|(address, job)| (address, Task::Take(job)));
    let measure = measure.filter(|_| is_too_slow && is_in_doubt(context, &ability));
    Ok(measure.into_iter().chain(found).collect())
}

/// Whether a job that could not be done in time is a reason to measure again: what is not taken corrects nothing. Without a
/// promise that stands in the way, the owner should hear of it.
fn is_in_doubt(context: &Context, ability: &Ability) -> bool {
    let promised = lock(&context.promises).count();
    if promised == 0 && context.is_time_for("too slow", MEASURE_EVERY) {
        tracing::warn!(
            gwork_per_sec = ability.work_per_sec / 1e9,
            publish_mib_per_sec = ability.publish_bytes_per_sec / f64::from(1 << 20),
            "an open job could not be done in time although nothing else is promised; this machine is measured again now and then"
        );
    }
    *lock(&context.measure_again) <= Instant::now()
}

/// What taking a job brings with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Promised {
    /// Whether its campaign has to be joined.
    pub joins: bool,
    /// What it is worth beside its price.
    pub worth: Worth,
}

/// Decides again, with what is known now, about a job whose data are here, and promises to do it.
pub(crate) async fn promise(
    context: &Context,
    address: &Pubkey,
    job: &Job,
) -> Result<std::result::Result<Promised, Refusal>> {
    let moment = context.chain.moment().await?;
    let campaigns = context.campaign_of(job).await?;
    let wants = Capacities::default().wants(context, job, &moment).await?;
    let fits = wants.and_then(|()| fits(context, &campaigns, (address, job), &moment));
    let joins = match fits {
        Ok(joins) => joins,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let known = *lock(&context.ability);
    let Some(ability) = known else {
        return Ok(Err(Refusal::Busy));
    };
    let (mut bytes, mut disk_bytes) = (0, 0);
    if let Some(graph) = graph_of(context, &job.model, &mut 1).await {
        if is_slow_to_answer(context, &ability, job, &graph) {
            return Ok(Err(Refusal::SlowAnswers));
        }
        bytes = published_bytes(context, &graph, job.items.get());
        disk_bytes = disk::bytes_of_graph(context, &graph, job.items.get());
    }
    let time = time_for(context, &ability, job, bytes);
    let proposal = Proposal {
        address,
        job,
        needs: Needs { time, disk_bytes },
    };
    let room = Room {
        max_jobs: context.settings.policy.max_jobs,
        disk_bytes: disk::room(context)?,
    };
    let promised = lock(&context.promises).promise(proposal, room, moment.now);
    Ok(promised.map(|()| Promised {
        joins,
        worth: campaigns.worth(job, after(&moment, time)),
    }))
}

/// Whether a flood of demands, each about another item, could be opened faster than it is answered: every demand gives this much
/// time more, and an item whose trace is not kept has to be computed again.
fn is_slow_to_answer(context: &Context, ability: &Ability, job: &Job, graph: &[u8]) -> bool {
    let items = job.items.get();
    let is_refereed = Assurance::from_code(job.assurance) == Some(Assurance::Refereed);
    let kept = sizes_of(graph, items).map_or(0, |sizes| {
        sizes.published_items(context.settings.publish_traces_bytes)
    });
    if !is_refereed || items <= ITEMS_AT_HAND || kept >= items {
        return false;
    }
    let of_item = job.work.get() / u64::from(items);
    ability.time_for(of_item, 1, 0) > Duration::from_secs(DEMAND_QUEUE_SECS)
}

/// How long a job takes. Nobody can tell that of reviewed work.
pub(crate) fn time_for(context: &Context, ability: &Ability, job: &Job, bytes: u64) -> Duration {
    if Assurance::from_code(job.assurance) != Some(Assurance::Refereed) {
        return Duration::ZERO;
    }
    // For the transactions, and for looking at the chain now and then.
    let overhead = Duration::from_secs(u64::from(context.settings.policy.min_work_secs)) / 10;
    ability
        .time_for(all_work(context, job), job.items.get(), bytes)
        .saturating_add(overhead)
}

/// The work of a job, as often as it may have to be done: a text is found by computing it anew for each of its tokens. Nothing
/// is known of that before the model's graph was read.
fn all_work(context: &Context, job: &Job) -> u64 {
    let graph = lock(&context.known).graph(&job.model);
    let tokens = graph.and_then(|graph| {
        let graph = parsed(&graph).ok()?;
        let shape = graph.input(graph.tokens()?.into()).ok()?;
        Some(u64::from(shape.cols))
    });
    let times = tokens.map_or(1, |tokens| tokens.saturating_add(1));
    job.work.get().saturating_mul(times)
}

/// How long the data of an offer may take to come: a quarter of the time that its work has, within bounds, and no longer than it
/// may be taken.
pub(crate) fn fetch_time(job: &Job, moment: &Moment) -> Duration {
    let quarter = Duration::from_secs(u64::from(job.work_secs.get()) / 4);
    let left = job.effective_deadline(moment).saturating_sub(moment.now);
    let left = Duration::from_secs(u64::try_from(left).unwrap_or_default());
    quarter.clamp(LEAST_FETCH, MOST_FETCH).min(left)
}

/// When something ends that begins now.
fn after(moment: &Moment, time: Duration) -> i64 {
    let secs = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    moment.now.saturating_add(secs)
}

/// The provider's account and purses, read once in a look.
#[derive(Default)]
struct Capacities {
    provider: Option<Option<quern_client::quern::state::Provider>>,
    purses: HashMap<Pubkey, Option<quern_client::quern::state::Purse>>,
}

impl Capacities {
    /// Whether the owner wants a job and has what it needs.
    async fn wants(
        &mut self,
        context: &Context,
        job: &Job,
        moment: &Moment,
    ) -> Result<std::result::Result<(), Refusal>> {
        let owner = &context.settings.owner;
        let provider = match self.provider {
            Some(provider) => provider,
            None => *self.provider.insert(context.chain.provider(owner).await?),
        };
        let Some(provider) = provider.filter(|provider| provider.active.get()) else {
            return Ok(Err(Refusal::Inactive));
        };
        let signer = &context.chain.signer();
        let mut purse = match self.purses.get(&job.mint) {
            Some(purse) => *purse,
            None => {
                let purse = context.chain.purse(owner, &job.mint).await?;
                *self.purses.entry(job.mint).or_insert(purse)
            }
        };
        if let Some(purse) = &mut purse {
            lock(&context.promises).reserve_pending(purse, *signer != provider.owner);
        }
        let capacity = Capacity {
            provider: &provider,
            signer,
            purse: purse.as_ref(),
            has_worker: context.worker.is_some(),
            moment,
        };
        let decided = context.settings.policy.decide(job, &capacity);
        Ok(decided.map(|_| ()))
    }
}

/// Whether a job that is wanted can be done in time and its campaign allows it, and then whether that has to be joined.
fn fits(
    context: &Context,
    campaigns: &Campaigns,
    (address, job): (&Pubkey, &Job),
    moment: &Moment,
) -> std::result::Result<bool, Refusal> {
    let known = *lock(&context.ability);
    let ability = known.ok_or(Refusal::Busy)?;
    let time = time_for(context, &ability, job, 0);
    let most = context.settings.policy.max_campaigns;
    let times = (moment.now, after(moment, time));
    let joins = campaigns.joins(job, &context.chain.signer(), most, times)?;
    let proposal = Proposal {
        address,
        job,
        needs: Needs {
            time,
            disk_bytes: 0,
        },
    };
    lock(&context.promises).check(proposal, moment.now)?;
    Ok(joins)
}

/// A job that may be taken, and how long its data and its work take.
struct Offer {
    address: Pubkey,
    job: Job,
    secs: f64,
}

/// Jobs with what they take; looks up a bounded number of models.
async fn timed(context: &Context, ability: &Ability, wanted: Vec<(Pubkey, Job)>) -> Vec<Offer> {
    let mut look_ups = MOST_LOOK_UPS;
    let rate = context.settings.fetch.least_rate.max(1) as f64;
    let mut offers = Vec::with_capacity(wanted.len());
    for (address, job) in wanted {
        let graph = graph_of(context, &job.model, &mut look_ups).await;
        let bytes = graph.map_or(0, |graph| fetched_bytes(&graph, job.items.get()));
        let work = all_work(context, &job);
        let time = ability.time_for(work, job.items.get(), 0);
        let secs = time.as_secs_f64() + bytes as f64 / rate;
        let offer = Offer { address, job, secs };
        offers.push(offer);
    }
    offers
}

/// Jobs by what they pay for a byte to fetch and a second of work, with what they score in a campaign, which pays in the same mint.
/// Atoms of two mints cannot be compared, so mints take turns, and rewards do not count.
fn ordered(offers: Vec<Offer>, score_atoms: impl Fn(&Job) -> u64) -> Vec<Offer> {
    let mut by_mint: BTreeMap<Pubkey, Vec<(f64, Offer)>> = BTreeMap::new();
    for offer in offers {
        let atoms = offer.job.price_atoms.get() as f64 + score_atoms(&offer.job) as f64;
        let worth = atoms / offer.secs.max(1e-3);
        let of_mint = by_mint.entry(offer.job.mint).or_default();
        of_mint.push((worth, offer));
    }
    let mut lists: Vec<_> = by_mint
        .into_values()
        .map(|mut list| {
            list.sort_by(|one, other| other.0.total_cmp(&one.0));
            list.into_iter().map(|(_, offer)| offer)
        })
        .collect();
    let mut all = Vec::new();
    while !lists.is_empty() {
        lists.retain_mut(|list| list.next().map(|offer| all.push(offer)).is_some());
    }
    all
}

/// The graph of a model, if it is known or may be looked up.
async fn graph_of(context: &Context, model: &Pubkey, look_ups: &mut usize) -> Option<Arc<Vec<u8>>> {
    if *model == quern_client::instructions::NOBODY {
        return None;
    }
    let known = lock(&context.known).graph(model);
    if known.is_some() {
        return known;
    }
    *look_ups = look_ups.checked_sub(1)?;
    let account = context.chain.model(model).await.ok()?;
    if !account.model.sealed.get() {
        return None;
    }
    let graph = Arc::new(account.graph);
    lock(&context.known).learn(*model, Arc::clone(&graph));
    Some(graph)
}

fn sizes_of(graph: &[u8], items: u32) -> Option<Sizes> {
    Sizes::of(&parsed(graph).ok()?, items).ok()
}

fn fetched_bytes(graph: &[u8], items: u32) -> u64 {
    let sizes = sizes_of(graph, items);
    sizes.map_or(u64::MAX, |sizes| sizes.inputs.saturating_add(sizes.weights))
}

fn published_bytes(context: &Context, graph: &[u8], items: u32) -> u64 {
    let budget_bytes = context.settings.publish_traces_bytes;
    let sizes = sizes_of(graph, items);
    sizes.map_or(u64::MAX, |sizes| {
        sizes.published_bytes(sizes.published_items(budget_bytes))
    })
}
