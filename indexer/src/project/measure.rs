//! What is counted of whom: providers, models, clients, and the whole network.

use {
    crate::project::{
        entity::{changed_campaign, reward_mint},
        key,
        program::{Campaign, CampaignClaimed, JobResolved, MilestoneSettled, QuernEvent},
    },
    quern_api::{Key, Metric},
};

/// Whose numbers. Stores keep the position in this list: add at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Subject {
    Provider,
    Model,
    Client,
    /// Everybody together; its address is none.
    Network,
}

impl Subject {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();
    const ALL: [Self; 4] = [Self::Provider, Self::Model, Self::Client, Self::Network];
}

/// Metrics that a subject may have.
const METRICS: u8 = 16;

/// What is counted of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub struct Measure {
    pub subject: Subject,
    pub metric: Metric,
}

impl Measure {
    /// Its number in stores.
    pub fn code(self) -> u8 {
        self.subject as u8 * METRICS + self.metric as u8
    }

    /// The measure with a number.
    pub fn from_code(code: u8) -> Option<Self> {
        Some(Self {
            subject: *Subject::ALL.get(usize::from(code / METRICS))?,
            metric: *Metric::ALL.get(usize::from(code % METRICS))?,
        })
    }
}

/// A number that an event adds.
pub(super) struct Added {
    pub(super) measure: Measure,
    pub(super) assurance: u8,
    /// The mint of an amount, otherwise none.
    pub(super) mint: Key,
    /// Address of the subject.
    pub(super) subject: Key,
    pub(super) value: u64,
}

/// What an event adds to numbers that are ranked, and when that was.
pub(super) fn added(event: &QuernEvent) -> (i64, Vec<Added>) {
    let added = match event {
        QuernEvent::MilestoneSettled(settled) => of_settled(settled, reward_mint(event)),
        QuernEvent::JobResolved(resolved) => of_resolved(resolved),
        QuernEvent::CampaignClaimed(claimed) => {
            let campaign = changed_campaign(event);
            campaign.map_or_else(Vec::new, |(_, campaign)| of_claimed(claimed, &campaign))
        }
        _ => Vec::new(),
    };
    (event.at(), added)
}

fn of_settled(event: &MilestoneSettled, reward_mint: Option<Key>) -> Vec<Added> {
    let mint = key(&event.mint);
    let rewards = reward_mint.filter(|_| event.reward_atoms > 0);
    let amounts = [
        (Metric::Earned, event.provider_atoms),
        (Metric::Royalties, event.royalty_atoms),
        (Metric::Spend, event.price_atoms),
        (Metric::Fees, event.fee_atoms),
    ];
    let amounts = amounts.map(|(metric, atoms)| (metric, mint, atoms));
    let counts = [(Metric::Work, event.work), (Metric::Milestones, 1)];
    let counts = counts.map(|(metric, count)| (metric, Key::NONE, count));
    let rewards = rewards.map(|mint| (Metric::Rewards, mint, event.reward_atoms));
    let all = amounts.into_iter().chain(counts).chain(rewards);
    let parties = [
        (Subject::Provider, key(&event.provider).some()),
        (Subject::Model, key(&event.model).some()),
        (Subject::Client, key(&event.client).some()),
        (Subject::Network, Some(Key::NONE)),
    ];
    all.flat_map(|(metric, mint, value)| {
        parties
            .into_iter()
            .filter_map(move |(subject, address)| Some((subject, address?)))
            .filter(move |(subject, _)| is_kept(*subject, metric))
            .map(move |(subject, address)| Added {
                measure: Measure { subject, metric },
                assurance: event.assurance,
                mint,
                subject: address,
                value,
            })
    })
    .collect()
}

/// A claim belongs to no assurance level: the scores of several may stand behind it.
fn of_claimed(event: &CampaignClaimed, campaign: &Campaign) -> Vec<Added> {
    let subjects = [
        (Subject::Provider, key(&event.provider)),
        (Subject::Network, Key::NONE),
    ];
    subjects
        .into_iter()
        .filter(|_| event.amount_atoms > 0)
        .map(|(subject, address)| Added {
            measure: Measure {
                subject,
                metric: Metric::Claims,
            },
            assurance: 0,
            mint: key(&campaign.mint),
            subject: address,
            value: event.amount_atoms,
        })
        .collect()
}

/// Of an arbitrated milestone the model is not told.
fn of_resolved(event: &JobResolved) -> Vec<Added> {
    let mint = key(&event.mint);
    let (provider, client) = (key(&event.provider), key(&event.client));
    let spent_atoms = event.price_atoms.saturating_sub(event.client_atoms);
    // As the program counts: the milestone stands if the arbiter (not its silence) decided for the provider. Work is counted for
    // milestones paid in full only.
    let stands = u64::from(event.provider_prevails && !event.silent);
    let rows = [
        (
            Subject::Provider,
            provider,
            Metric::Earned,
            event.provider_atoms,
        ),
        (
            Subject::Network,
            Key::NONE,
            Metric::Earned,
            event.provider_atoms,
        ),
        (Subject::Client, client, Metric::Spend, spent_atoms),
        (Subject::Network, Key::NONE, Metric::Spend, spent_atoms),
        (Subject::Client, client, Metric::Fees, event.fee_atoms),
        (Subject::Network, Key::NONE, Metric::Fees, event.fee_atoms),
        (
            Subject::Network,
            Key::NONE,
            Metric::Royalties,
            event.royalty_atoms,
        ),
        (Subject::Provider, provider, Metric::Milestones, stands),
        (Subject::Client, client, Metric::Milestones, stands),
        (Subject::Network, Key::NONE, Metric::Milestones, stands),
    ];
    rows.into_iter()
        .filter(|(.., value)| *value > 0)
        .map(|(subject, address, metric, value)| Added {
            measure: Measure { subject, metric },
            assurance: event.assurance,
            mint: if metric.is_money() { mint } else { Key::NONE },
            subject: address,
            value,
        })
        .collect()
}

/// Whether that is counted: what nobody is ranked by costs rows.
pub fn is_kept(subject: Subject, metric: Metric) -> bool {
    use Metric::{Claims, Earned, Fees, Milestones, Rewards, Royalties, Spend, Work};
    if metric.is_of_clients_alone() {
        return subject == Subject::Client;
    }
    match subject {
        Subject::Provider => matches!(metric, Earned | Work | Milestones | Rewards | Claims),
        Subject::Model => matches!(metric, Royalties | Work | Milestones),
        Subject::Client => matches!(metric, Spend | Fees | Milestones),
        Subject::Network => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_has_a_number_of_its_own() {
        let mut codes = Vec::new();
        for subject in Subject::ALL {
            for metric in Metric::ALL {
                let measure = Measure {
                    subject,
                    metric: *metric,
                };
                assert_eq!(Measure::from_code(measure.code()), Some(measure));
                codes.push(measure.code());
            }
        }
        codes.dedup();
        assert_eq!(codes.len(), Subject::ALL.len() * Metric::ALL.len());
        assert!(codes.is_sorted() && Metric::ALL.len() <= usize::from(METRICS));
        assert_eq!(Measure::from_code(u8::MAX), None);
    }
}
