//! What an attempt is made of: who may take it, what it offers, and how long everything may take.

use {
    super::shared::{Paused, Worked, fail},
    crate::{
        book::Book,
        choose::{Choice, choose},
        engine::Inner,
        error::{GatewayError, Result},
        market::{PurseState, Rates},
        order::{OrderId, Stage},
        record::{Attempt, JobRecord, Step},
        refusal::Refusal,
        spending::SpendingState,
    },
    quern_client::Pubkey,
    quern_data::runtime::lock,
    quern_rules::{
        caps::{Exceeded, JobPrice, job_price},
        quote::Quote,
    },
    std::{collections::BTreeSet, sync::Arc, time::Duration},
};

/// How old the list of providers may be.
const LISTED_FOR: Duration = Duration::from_secs(30);

/// No job is taken after so long.
const ENDS_IN_SECS: i64 = 2 * 86_400;

/// What the review leaves for each row that is checked, in milliseconds: the answer is checked in it, on a slow machine too.
const CHECK_MILLIS: u64 = 100;

/// So many looks a batch's job rests that the wallet cannot pay for.
const LOOKS_WITHOUT_MONEY: u32 = 60;

/// And for everything else, in seconds.
const CHECK_SECS: u64 = 60;

/// Who may take the next attempt.
pub(super) async fn choice(inner: &Inner) -> Result<Choice> {
    match chosen(inner, LISTED_FOR).await? {
        // Somebody may have come meanwhile.
        Choice::Nobody => chosen(inner, inner.settings.poll).await,
        choice => Ok(choice),
    }
}

/// Who may take the next attempt, by a list of providers that is no older than that.
async fn chosen(inner: &Inner, most_age: Duration) -> Result<Choice> {
    let market = inner.market.as_ref();
    let candidates = inner.board.read(market, most_age).await?;
    let experience = &lock(&inner.book).experience;
    let (allowed, wallet) = (&inner.settings.providers, market.wallet());
    Ok(choose(
        &candidates,
        experience,
        allowed,
        &wallet,
        inner.now(),
    ))
}

/// What an attempt offers.
struct Offer {
    offer_bps: u32,
    price_atoms: u64,
    quote: Quote,
}

/// What the next attempt offers: as much as jobs of the model are taken for, if requests, caps and purse leave that; the first price
/// otherwise.
fn offer(inner: &Inner, job: &JobRecord, rates: &Rates, purse: &PurseState) -> Result<Offer> {
    let at = |offer_bps: u32| {
        let priced = job_price(&rates.row, job.items.into(), offer_bps);
        let JobPrice { price_atoms, quote } =
            priced.map_err(|error| GatewayError::NotReady(error.to_string()))?;
        Ok::<_, GatewayError>(Offer {
            offer_bps,
            price_atoms,
            quote,
        })
    };
    let book = lock(&inner.book);
    let (first, raised) = (inner.settings.price_bps, book.offers.next(&job.model));
    if raised > first {
        let raised = at(raised)?;
        if raised.quote.escrow_atoms <= purse.free_atoms
            && over_limits(inner, &book, job, raised.price_atoms).is_empty()
            && within_windows(inner, &book, job, raised.price_atoms).is_ok()
        {
            return Ok(raised);
        }
    }
    drop(book);
    at(first)
}

/// The next attempt, if the caps and the purse leave enough; otherwise the job has failed.
pub(super) async fn drafted(
    inner: &Arc<Inner>,
    job: &mut JobRecord,
    purse: &PurseState,
    pin: Option<Pubkey>,
) -> Worked<Option<Attempt>> {
    let rates = inner.market.rates(&job.model).await?;
    let Offer {
        offer_bps,
        price_atoms,
        quote,
    } = offer(inner, job, &rates, purse)?;
    let now = inner.now();
    let (over, admitted, number) = {
        let book = lock(&inner.book);
        let is_within = within_windows(inner, &book, job, price_atoms);
        let over = over_limits(inner, &book, job, price_atoms);
        let admitted = is_within.map_err(|why| inner.over_cap(why, price_atoms));
        (over, admitted, book.next_number)
    };
    if !over.is_empty() {
        drop_orders(inner, job.clone(), over).await?;
        return Ok(None);
    }
    if let Err(refusal) = admitted {
        fail(inner, job.clone(), refusal).await?;
        return Ok(None);
    }
    if purse.free_atoms < quote.escrow_atoms {
        let refusal = Refusal::NoFunds {
            atoms: quote.escrow_atoms,
            free_atoms: purse.free_atoms,
            wallet: inner.market.wallet().to_string(),
            mint: inner.market.mint().to_string(),
        };
        fail_or_rest(inner, job.clone(), refusal).await?;
        return Ok(None);
    }
    Ok(Some(Attempt {
        number,
        at: now,
        job: inner.market.job_address(purse.opened),
        n: purse.opened,
        pin,
        offer_bps,
        price_atoms,
        bond_atoms: quote.least_bond_atoms,
        work_secs: inner.settings.work_secs,
        review_secs: review_secs(inner, job.items, rates.least_review_secs),
        ends_by: purse.now.saturating_add(ENDS_IN_SECS),
        state: SpendingState::Reserved,
        sent_at: None,
        created_at: None,
        provider: None,
        was_answered: false,
        signatures: Vec::new(),
        fee_lamports: 0,
        note: None,
    }))
}

/// Ends a job that the wallet cannot pay for; one of a batch, whose caller does not wait, rests until it can. It is written down,
/// published inputs and all, so that nothing is published again.
pub(super) async fn fail_or_rest(
    inner: &Arc<Inner>,
    job: JobRecord,
    refusal: Refusal,
) -> Worked<()> {
    if !job.is_batch {
        return fail(inner, job, refusal).await;
    }
    tracing::warn!(job = %job.id, %refusal, "a batch waits for the wallet");
    inner.save_job(&job).await?;
    Err(Paused::Later(
        inner.settings.poll.saturating_mul(LOOKS_WITHOUT_MONEY),
    ))
}

/// Whether the caps of hour and day leave a price.
fn within_windows(
    inner: &Inner,
    book: &Book,
    job: &JobRecord,
    price_atoms: u64,
) -> std::result::Result<(), Exceeded> {
    let now = inner.now();
    let spent = book.spent(now, Some(&job.id));
    inner.settings.caps.admit(&spent, now, price_atoms)
}

/// The requests of a job for which a price is too much, and why: each bears its share, and what it has cost before counts.
fn over_limits(
    inner: &Inner,
    book: &Book,
    job: &JobRecord,
    price_atoms: u64,
) -> Vec<(OrderId, Refusal)> {
    let ids: BTreeSet<&OrderId> = job.units.iter().map(|unit| &unit.order).collect();
    let orders = ids.into_iter().filter_map(|id| book.orders.get(id));
    let running = orders.filter(|order| order.stage == Stage::Running);
    let over = running.filter_map(|order| {
        let used_atoms = book.spent_for(&order.id, Some(&job.id));
        let share_atoms = job.share_of(&order.id, price_atoms);
        let refusal = inner.admit_request(order, used_atoms, share_atoms).err()?;
        Some((order.id.clone(), refusal))
    });
    over.collect()
}

/// Ends requests that a job has become too dear for, and the job with them; the rows of the others wait for another one.
async fn drop_orders(
    inner: &Arc<Inner>,
    mut job: JobRecord,
    over: Vec<(OrderId, Refusal)>,
) -> Worked<()> {
    for (order, refusal) in over {
        tracing::warn!(request = %order, %refusal, "a request failed");
        inner
            .end_order(&order, Stage::Failed, Some(refusal))
            .await?;
    }
    job.step = Step::Ended;
    Ok(inner.save_job(&job).await?)
}

/// How long a review must be for this gateway to check in it.
fn review_secs(inner: &Inner, items: u32, least_secs: u32) -> u32 {
    let share = inner.settings.sample.unwrap_or(1.0).clamp(0.0, 1.0);
    let checked = (f64::from(items) * share).ceil() as u64;
    let secs = CHECK_SECS + checked.saturating_mul(CHECK_MILLIS) / 1_000;
    // A job of one day is reviewed for two days at most: longer than any check of these sizes.
    let most = 2 * 86_400;
    least_secs.max(u32::try_from(secs).unwrap_or(most).min(most))
}
