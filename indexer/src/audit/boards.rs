//! Leaderboards: everybody's numbers add up to the network's, to the totals and to the paid milestones, and those of hours to all
//! windows. Only sums are held and compared: that a number stands with the right subject, and in the right hour, is not seen here.

use {
    super::{
        Report,
        columns::{Columns, same},
        counters,
    },
    crate::{
        error::Result,
        project::{
            Measure, ScoreKey, Settlement,
            Subject::{self, Client, Model, Network, Provider},
            Total, TotalKey, window_bucket,
        },
        store::Snapshot,
    },
    futures::TryStreamExt,
    quern_api::{
        Category, Key,
        Metric::{
            self, Claims, Earned, Escrowed, Fees, Milestones, Refunds, Rewards, Royalties, Spend,
            Work,
        },
        Window,
    },
    std::collections::BTreeMap,
};

/// Subjects read at a time.
const PAGE: u32 = 500;
/// Whose numbers add up to the network's. Models are not among them: many milestones have none.
const PARTS: [(Subject, &[Metric]); 2] = [
    (Provider, &[Earned, Work, Milestones, Rewards, Claims]),
    (Client, &[Spend, Fees, Milestones]),
];
/// What the totals have, too.
const TOTALS: [(Subject, &[Metric]); 2] = [
    (Network, &[Earned, Spend, Fees, Royalties, Rewards, Claims]),
    (Client, &[Escrowed, Refunds]),
];
/// What only milestones that were paid in full add to.
const PAID: [(Subject, &[Metric]); 2] =
    [(Network, &[Work]), (Model, &[Royalties, Work, Milestones])];

pub(super) async fn compare(
    snapshot: &mut Snapshot,
    report: &mut Report,
    totals: &BTreeMap<TotalKey, Total>,
    paid: &Columns,
) -> Result<()> {
    let sums = sums(snapshot, report).await?;
    for (subject, metrics) in PARTS {
        let of = |whose| {
            sums.only(move |key| {
                key.measure.subject == whose && metrics.contains(&key.measure.metric)
            })
        };
        let (whole, parts) = (of(Network).with_subject(subject), of(subject));
        same(report, "the network's and their sum", &whole, &parts);
    }
    let all_time = |measures: &'static [(Subject, &[Metric])]| {
        sums.only(|key| key.bucket == window_bucket(Window::All) && is_one(measures, key))
    };
    let what = "the total and the sum";
    same(report, what, &of_totals(totals), &all_time(&TOTALS));
    let what = "the paid milestones and the sum";
    same(report, what, paid, &all_time(&PAID));
    // What only clients have is counted in no hour.
    let in_hours = sums.only(|key| !key.measure.metric.is_of_clients_alone());
    let hours = hours(snapshot).await?;
    same(report, "the hours and the sum", &hours, &in_hours);
    Ok(())
}

fn is_one(measures: &[(Subject, &[Metric])], key: &ScoreKey) -> bool {
    let Measure { subject, metric } = key.measure;
    let mut measures = measures.iter();
    measures.any(|(whose, metrics)| *whose == subject && metrics.contains(&metric))
}

/// What everybody has over all time and over each window.
async fn sums(snapshot: &mut Snapshot, report: &mut Report) -> Result<Columns> {
    let mut sums = Columns::default();
    let mut after: Option<Key> = None;
    loop {
        let page = snapshot.sums_behind(after.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else {
            return Ok(sums);
        };
        after = Some(*last);
        counters::strangers(snapshot, report, &page).await?;
        for (key, value) in page.into_iter().flat_map(|(_, numbers)| numbers) {
            sums.add(key, value);
        }
    }
}

/// What the hours make of all time and of each window.
async fn hours(snapshot: &mut Snapshot) -> Result<Columns> {
    let last = snapshot.queries().meta().await?.window_hour;
    let mut columns = Columns::default();
    let mut hours = snapshot.numbers_of_hours();
    while let Some((key, value)) = hours.try_next().await? {
        for window in Window::ALL {
            let is_in = window
                .hours()
                .is_none_or(|span| last.is_some_and(|last| key.bucket > last.saturating_sub(span)));
            if is_in {
                let bucket = window_bucket(*window);
                columns.add(ScoreKey { bucket, ..key }, value);
            }
        }
    }
    Ok(columns)
}

/// What the totals make of numbers.
fn of_totals(totals: &BTreeMap<TotalKey, Total>) -> Columns {
    let mut columns = Columns::default();
    for (key, total) in totals {
        let measures: &[(Subject, Metric)] = match key.category {
            Category::Earnings => &[(Network, Earned), (Network, Spend)],
            Category::Royalties => &[(Network, Royalties), (Network, Spend)],
            Category::Fees => &[(Network, Fees), (Network, Spend)],
            // Of what a client paid nobody else was told.
            Category::Arbiters | Category::Burnt => &[(Network, Spend)],
            Category::Rewards => &[(Network, Rewards)],
            Category::CampaignClaims => &[(Network, Claims)],
            Category::Escrowed => &[(Client, Escrowed)],
            Category::Refunds => &[(Client, Refunds)],
            _ => &[],
        };
        for (subject, metric) in measures {
            // Nothing that clients alone have is of a level.
            let assurance = match subject {
                Client => 0,
                _ => key.assurance,
            };
            columns.add(
                number((*subject, *metric), assurance, key.mint),
                total.atoms,
            );
        }
    }
    columns
}

/// Adds what a milestone that was paid in full adds to numbers.
pub(super) fn add_paid(columns: &mut Columns, paid: &Settlement) {
    let level = paid.assurance;
    let work = u128::from(paid.work);
    columns.add(number((Network, Work), level, Key::NONE), work);
    if paid.model != Key::NONE {
        columns.add(number((Model, Work), level, Key::NONE), work);
        columns.add(number((Model, Milestones), level, Key::NONE), 1);
        let royalty = u128::from(paid.royalty_atoms);
        columns.add(number((Model, Royalties), level, paid.mint), royalty);
    }
}

/// A number over all time.
fn number((subject, metric): (Subject, Metric), assurance: u8, mint: Key) -> ScoreKey {
    ScoreKey {
        bucket: window_bucket(Window::All),
        subject: Key::NONE,
        measure: Measure { subject, metric },
        assurance,
        mint,
    }
}
