//! The way down a withheld commitment: each demand below the answer of the one before it, until a wrong value or node is
//! revealed.

use {
    crate::{
        actions,
        case::{Case, Next},
        chain::OpenedDemand,
        context::Context,
        error::{StepError, WatcherError},
        search::{Ask, Asks, Found, OnChain, Search},
    },
    quern_client::{
        ClientError, Pubkey,
        quern::{clock::Moment, state::Job},
    },
    quern_data::runtime::on_processor,
    quern_proof::{
        Operand,
        demand::{NodeId, Tree},
    },
    quern_rules::deadline::{in_time, reaction_end},
};

/// The demands on this watcher's way down, of any opener, those that are on chain: all but the last ones are answered.
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
    for node_id in case.waits_for.clone() {
        if way.iter().any(|demand| demand.node_id == node_id) {
            continue;
        }
        if let Some(demand) = at(context, case, &node_id).await? {
            way.push(demand);
        }
    }
    case.remember(&way, &context.chain.signer());
    Ok(way)
}

/// Whether anything that the case waits for is answered, or not asked yet.
pub(crate) fn has_moved(case: &Case, way: &[OpenedDemand]) -> bool {
    let is_waiting = |node_id: &NodeId| {
        way.iter()
            .any(|demand| demand.node_id == *node_id && demand.answer.is_none())
    };
    !case.waits_for.iter().all(is_waiting)
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

/// Whether this watcher has demanded anything about the submission, also before it was started again: the way begins at
/// the root of a tree.
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
    let tokens = job.tokens_input().map(Operand::Input).map(Tree::Data);
    let trace = [Tree::Trace, Tree::Data(Operand::Op(0))];
    for tree in trace.into_iter().chain(tokens) {
        let (level, index) = (0, 0);
        let root = at(context, case, &NodeId { tree, level, index }).await?;
        if root.is_some_and(|demand| demand.opener == signer) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What following a search came to.
pub(crate) enum Followed {
    /// A demand or a conviction was sent, or there is something to wait for.
    Stepped(Next),
    /// Nothing is left to look for; the answers are on the way.
    Found(Found),
    /// Fees for all items that are checked are above the limit, as this says, and nothing was paid yet: fewer may do.
    TooDear(String),
}

/// Follows the answers of a search, then demands or convicts. `missing` is why the item roots could not be read.
pub(crate) async fn follow(
    context: &Context,
    case: &mut Case,
    job: &Job,
    moment: &Moment,
    search: &Search,
    way: &mut Vec<OpenedDemand>,
    missing: Option<&str>,
) -> Result<Followed, StepError> {
    loop {
        let asks = match run(search, way).await? {
            Found::Charge {
                charge,
                evidence,
                demands,
            } => {
                let found = (charge, evidence);
                let data = search.data();
                let next = actions::convict(context, case, job, data, found, demands).await?;
                return Ok(Followed::Stepped(next));
            }
            Found::Ask(asks) => asks,
            found => return Ok(Followed::Found(found)),
        };
        case.is_wrong |= asks.is_wrong;
        case.waits_for = asks.all.iter().map(|ask| ask.node_id).collect();
        // Other watchers may have opened some, or this one before it was started again.
        if has_demands(job) && find_opened(context, case, job, &asks, way).await? {
            continue;
        }
        let is_open = |ask: &Ask| way.iter().any(|demand| demand.node_id == ask.node_id);
        let open: Vec<&Ask> = asks.all.iter().filter(|ask| !is_open(ask)).collect();
        let Some(first) = open.first() else {
            return Ok(Followed::Stepped(Next::Wait));
        };
        if let Some(why) = too_dear(context, case, job, &asks) {
            let may_be_fewer = asks.is_for_each && !asks.is_wrong && case.fees_lamports == 0;
            return match may_be_fewer {
                true => Ok(Followed::TooDear(why)),
                false => Err(StepError::Final(why)),
            };
        }
        if !may_ask(context, job, moment, &asks, first)? {
            say_missing(case, &asks, missing);
            return Ok(Followed::Stepped(Next::Wait));
        }
        let mut next = Next::Wait;
        for ask in open {
            let parent = parent_account(way, ask.parent)?;
            next = actions::ask(context, case, job, ask, parent).await?;
            if !matches!(next, Next::Wait) {
                break;
            }
        }
        return Ok(Followed::Stepped(next));
    }
}

/// Puts those of the next demands on the way that are on chain already, and says whether there were any that were not on it.
async fn find_opened(
    context: &Context,
    case: &mut Case,
    job: &Job,
    asks: &Asks,
    way: &mut Vec<OpenedDemand>,
) -> Result<bool, StepError> {
    let before = way.len();
    for ask in &asks.all {
        if way.iter().any(|demand| demand.node_id == ask.node_id) {
            continue;
        }
        let Some(demand) = at(context, case, &ask.node_id).await? else {
            continue;
        };
        match (&demand.answer, &ask.answer) {
            (Some(_), _) => {}
            (None, Some(answer)) => actions::answer(context, case, job, &demand, answer).await,
            (None, None) => say_waiting(context, case, &demand),
        }
        way.push(demand);
    }
    case.remember(way, &context.chain.signer());
    Ok(way.len() > before)
}

async fn run(search: &Search, way: &[OpenedDemand]) -> Result<Found, StepError> {
    let known: OnChain = way
        .iter()
        .map(|demand| (demand.node_id, demand.answer.clone()))
        .collect();
    let search = search.clone();
    on_processor(move || search.run(&known)).await?
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
fn say_missing(case: &mut Case, asks: &Asks, missing: Option<&str>) {
    let why = missing.unwrap_or("it was not looked for");
    // That advice is for the publisher.
    let why = why.trim_end_matches("; check that it is published there");
    let what = what_is_missing(asks);
    case.say(&format!(
        "{what} ({why}); waiting a little, then demanding it"
    ));
}

/// Why anything is demanded, as the first half of a sentence.
fn what_is_missing(asks: &Asks) -> &'static str {
    let tree = asks.all.first().map(|ask| ask.node_id.tree);
    match (asks.is_wrong, tree) {
        (true, _) => "the result is wrong and its data are withheld",
        (false, Some(Tree::Data(Operand::Input(_)))) => "its text is withheld",
        (false, _) => "its item roots are withheld, so single items cannot be compared",
    }
}

/// Why all of the demands cost more than they may, if they do.
fn too_dear(context: &Context, case: &Case, job: &Job, asks: &Asks) -> Option<String> {
    let limit_lamports = context.settings.max_fee_lamports;
    let fee_lamports = job.terms.demand_fee_lamports.get();
    let most_lamports = case
        .fees_lamports
        .saturating_add(fee_lamports.saturating_mul(asks.left.into()));
    let what = what_is_missing(asks);
    (most_lamports > limit_lamports).then(|| format!(
        "{what}, but demanding them may cost {most_lamports} lamports, more than the limit of {limit_lamports}; raise --max-fee-lamports"
    ))
}

/// Whether to demand now, or rather wait for the data to be published.
fn may_ask(
    context: &Context,
    job: &Job,
    moment: &Moment,
    asks: &Asks,
    first: &Ask,
) -> Result<bool, StepError> {
    let what = what_is_missing(asks);
    if first.parent.is_some() {
        return Ok(true);
    }
    // After an answer about the tokens there is time to compute from them.
    let tokens_answered_at = match job.is_tokens(first.node_id.tree) {
        true => 0,
        false => job.effective_tokens_answered_at(moment),
    };
    let open_until = reaction_end(
        job.effective_deadline(moment),
        tokens_answered_at,
        job.terms.react_secs.get(),
    );
    if !in_time(moment.now, open_until) {
        return Err(StepError::Again(WatcherError::NotReady(format!(
            "{what}, but the review is over, so they cannot be demanded any more"
        ))));
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
