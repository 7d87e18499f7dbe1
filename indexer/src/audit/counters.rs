//! What the program counts for a provider is what leaderboards say of it, and nobody else is on them.

use {
    super::{Report, report::Subject, sums::add},
    crate::{
        error::Result,
        project::{
            self, key,
            program::{Assurance, EntityKind, Provider},
        },
        store::{Numbers, Snapshot},
    },
    quern_api::{AuditCheck, Key, Metric, Window},
    std::collections::{HashMap, HashSet},
};

/// Providers read at a time.
const PAGE: u32 = 500;

/// Numbers of a provider on leaderboards, over all time.
#[derive(Clone, Copy, Default)]
struct Scores {
    milestones: u128,
    refereed_work: u128,
    reviewed_work: u128,
    rewards: u128,
}

impl Scores {
    fn of(numbers: &Numbers) -> Self {
        let mut scores = Self::default();
        let all_time = project::window_bucket(Window::All);
        for (key, value) in numbers {
            // Numbers of models, clients and the network are no counters on chain.
            if key.measure.subject != project::Subject::Provider || key.bucket != all_time {
                continue;
            }
            match key.measure.metric {
                Metric::Milestones => add(&mut scores.milestones, *value),
                Metric::Rewards => add(&mut scores.rewards, *value),
                Metric::Work if key.assurance == Assurance::Refereed as u8 => {
                    add(&mut scores.refereed_work, *value);
                }
                Metric::Work => add(&mut scores.reviewed_work, *value),
                _ => {}
            }
        }
        scores
    }
}

fn subject(address: Key) -> Subject {
    Subject {
        check: AuditCheck::Counters,
        kind: EntityKind::Provider,
        address,
    }
}

/// Compares each provider's counters with its numbers.
pub(super) async fn compare(snapshot: &mut Snapshot, report: &mut Report) -> Result<()> {
    let mut after: Option<Key> = None;
    loop {
        let kind = EntityKind::Provider;
        let page = snapshot.accounts(kind, after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.address);
        let live = page.iter().filter(|entity| !entity.row.closed);
        let providers: Vec<(Key, Provider)> = live
            .filter_map(|entity| Some((entity.address, entity.row.read()?)))
            .collect();
        let owners: Vec<Key> = providers.iter().map(|(_, one)| key(&one.owner)).collect();
        let numbers = snapshot.sums_of(&owners).await?.into_iter();
        let scores: HashMap<Key, Scores> = numbers
            .map(|(owner, numbers)| (owner, Scores::of(&numbers)))
            .collect();
        for (address, provider) in &providers {
            let found = scores.get(&key(&provider.owner)).copied();
            counters(report, *address, provider, found.unwrap_or_default());
        }
    }
}

fn counters(report: &mut Report, address: Key, provider: &Provider, found: Scores) {
    for (figure, counted, found) in [
        ("settled", provider.settled, found.milestones),
        ("refereed_work", provider.refereed_work, found.refereed_work),
        ("reviewed_work", provider.reviewed_work, found.reviewed_work),
        (
            "rewards_accrued_atoms",
            provider.rewards_accrued_atoms,
            found.rewards,
        ),
    ] {
        report.equal(subject(address), figure, u128::from(counted.get()), found);
    }
}

/// Tells who of these has numbers of a provider and is none.
pub(super) async fn strangers(
    snapshot: &mut Snapshot,
    report: &mut Report,
    page: &[(Key, Numbers)],
) -> Result<()> {
    let owners: Vec<Key> = page
        .iter()
        .filter(|(_, numbers)| number_of_a_provider(numbers).is_some())
        .map(|(owner, _)| *owner)
        .collect();
    let kind = EntityKind::Provider as u8;
    let accounts = snapshot.queries().entities_of(kind, &owners).await?;
    let known: HashSet<Key> = accounts
        .iter()
        .filter_map(|account| account.row.indexed(kind).owner)
        .collect();
    for (owner, numbers) in page.iter().filter(|(owner, _)| !known.contains(owner)) {
        if let Some(found) = number_of_a_provider(numbers) {
            let figure = "numbers of a provider";
            report.differs(subject(*owner), figure, "no provider of this owner", &found);
        }
    }
    Ok(())
}

/// The first number that only a provider can have.
fn number_of_a_provider(numbers: &Numbers) -> Option<String> {
    let mut found = numbers
        .iter()
        .filter(|(key, value)| key.measure.subject == project::Subject::Provider && **value > 0);
    let (key, value) = found.next()?;
    Some(format!("{} {value}", key.measure.metric.word()))
}
