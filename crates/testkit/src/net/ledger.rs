//! What must be on the chain and in the indexer when a story has ended, from its events alone. Purses and vaults are those of
//! the [`Oracle`], which computes every amount itself; the sums, scores and counters here add up what the events say.

use {
    super::{chronicle::Entry, stage::Stage},
    crate::oracle::Oracle,
    anyhow::{Context, Result, ensure},
    quern_api::Category,
    quern_client::{
        Pubkey, addresses,
        quern::{
            events::{
                ConvictionSettled, DemandOpened, JobExpired, JobResolved, MilestoneSettled,
                QuernEvent,
            },
            state::JobState,
        },
    },
    std::collections::BTreeMap,
};

/// What a purse holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Free atoms.
    pub free_atoms: i128,
    /// Reserved atoms.
    pub reserved_atoms: i128,
}

/// What a provider did at one assurance level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Milestones in its favour.
    pub milestones: u64,
    /// Units of work of settled milestones.
    pub work: u64,
    /// Its parts of prices.
    pub earned_atoms: i128,
    /// Rewards accrued.
    pub reward_atoms: i128,
}

/// A provider's counters, all levels together, as its account keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Jobs taken.
    pub taken: u64,
    /// Milestones in its favour.
    pub settled: u64,
    /// Deadlines missed.
    pub late: u64,
    /// Convictions that cost a bond.
    pub convicted: u64,
    /// Paid to clients for that, or as an arbiter decided.
    pub penalty_atoms: i128,
    /// Rewards claimed.
    pub claimed_atoms: i128,
}

/// Everything that follows from the events.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Purses by owner and mint.
    pub purses: BTreeMap<(Pubkey, Pubkey), Balance>,
    /// Vaults by mint.
    pub vaults: BTreeMap<Pubkey, i128>,
    /// What left (-) or reached (+) token accounts.
    pub wallets: BTreeMap<Pubkey, i128>,
    /// Sums by category, level and mint, with the number of events.
    pub sums: BTreeMap<(Category, u8, Pubkey), (i128, u64)>,
    /// Scores by provider and level.
    pub scores: BTreeMap<(Pubkey, u8), Score>,
    /// Counters by provider.
    pub counters: BTreeMap<Pubkey, Counters>,
    /// Events by name.
    pub events: BTreeMap<&'static str, u64>,
    /// Jobs that ended with their last milestone paid.
    pub jobs_settled: u64,
    /// Convictions by job.
    pub slashes: BTreeMap<Pubkey, Slash>,
    /// Demands by address.
    pub demands: BTreeMap<Pubkey, OpenedDemand>,
}

/// A conviction that was paid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slash {
    /// Who convicted.
    pub prover: Pubkey,
    /// Code of the reason.
    pub reason: u8,
    /// The bond that the provider had put up.
    pub bond_atoms: i128,
}

/// What became of a demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedDemand {
    /// About which job.
    pub job: Pubkey,
    /// Who asked.
    pub opener: Pubkey,
    /// What an answer earned or could have earned.
    pub fee_lamports: u64,
    /// Whether it was answered.
    pub answered: bool,
    /// Whether what lay in it went back.
    pub closed: bool,
}

/// What later events of a job do not repeat.
#[derive(Clone, Copy)]
struct Known {
    mint: Pubkey,
    bond_atoms: u64,
}

/// What the events leave to context.
struct Setting {
    /// What rewards are paid in.
    reward_mint: Pubkey,
    /// The token program of all mints.
    token_program: Pubkey,
    /// The jobs so far.
    jobs: BTreeMap<Pubkey, Known>,
    /// The mints of the campaigns so far.
    campaigns: BTreeMap<Pubkey, Pubkey>,
}

impl Setting {
    fn job(&self, address: &Pubkey) -> Result<Known> {
        let known = self.jobs.get(address).copied();
        known.context("an event is about a job that no event created")
    }
}

impl Ledger {
    /// Books everything that happened on a stage so far.
    ///
    /// # Errors
    /// An event about a job or a demand that no event created, or one that cannot follow the others.
    ///
    /// # Panics
    /// Where the [`Oracle`] contradicts an event.
    pub fn of(stage: &Stage) -> Result<Self> {
        let mut setting = Setting {
            reward_mint: stage.reward.address,
            token_program: stage.payment.token_program,
            jobs: BTreeMap::new(),
            campaigns: BTreeMap::new(),
        };
        let (mut ledger, mut oracle) = (Self::default(), Oracle::default());
        for entry in &stage.chronicle.entries() {
            *ledger.events.entry(entry.event.name()).or_default() += 1;
            oracle.apply(&entry.event);
            ledger.book(entry, &mut setting)?;
        }
        for ((owner, mint), (free, reserved)) in oracle.balances() {
            let balance = Balance {
                free_atoms: i128::try_from(*free)?,
                reserved_atoms: i128::try_from(*reserved)?,
            };
            ledger.purses.insert((*owner, *mint), balance);
            let vault = i128::try_from(oracle.net_deposits(mint))?;
            ledger.vaults.insert(*mint, vault);
        }
        Ok(ledger)
    }

    fn book(&mut self, entry: &Entry, setting: &mut Setting) -> Result<()> {
        match &entry.event {
            QuernEvent::Deposited(event) => {
                let atoms = i128::from(event.amount_atoms);
                let wallet =
                    addresses::token_account(&event.depositor, &event.mint, &setting.token_program);
                *self.wallets.entry(wallet).or_default() -= atoms;
                self.add(Category::Deposited, 0, &event.mint, atoms);
            }
            QuernEvent::Withdrawn(event) => {
                let atoms = i128::from(event.amount_atoms);
                *self.wallets.entry(event.destination).or_default() += atoms;
                self.add(Category::Withdrawn, 0, &event.mint, atoms);
            }
            QuernEvent::RewardsClaimed(event) => {
                let atoms = i128::from(event.amount_atoms);
                self.counters.entry(event.owner).or_default().claimed_atoms += atoms;
                self.add(Category::RewardsClaimed, 0, &event.mint, atoms);
            }
            QuernEvent::JobCreated(event) => {
                let known = Known {
                    mint: event.mint,
                    bond_atoms: 0,
                };
                setting.jobs.insert(event.job, known);
                let atoms = i128::from(event.escrow_atoms);
                self.add(Category::Escrowed, 0, &event.mint, atoms);
            }
            QuernEvent::JobCancelled(event) => {
                let atoms = i128::from(event.released_atoms);
                self.add(Category::Refunds, 0, &event.mint, atoms);
            }
            QuernEvent::JobTaken(event) => {
                let mint = setting.job(&event.job)?.mint;
                let known = Known {
                    mint,
                    bond_atoms: event.bond_atoms,
                };
                setting.jobs.insert(event.job, known);
                self.counters.entry(event.provider).or_default().taken += 1;
                self.add(Category::Bonded, 0, &mint, event.bond_atoms.into());
            }
            QuernEvent::MilestoneSettled(event) => self.settled(event, &setting.reward_mint),
            QuernEvent::JobRejected(event) => {
                let mint = setting.job(&event.job)?.mint;
                self.add(
                    Category::RejectDeposits,
                    0,
                    &mint,
                    event.deposit_atoms.into(),
                );
            }
            QuernEvent::JobResolved(event) => self.resolved(event),
            QuernEvent::JobExpired(event) => self.expired(event),
            QuernEvent::ConvictionSettled(event) => {
                self.convicted(event, setting.job(&event.job)?.bond_atoms)
            }
            QuernEvent::CampaignCreated(_)
            | QuernEvent::CampaignClaimed(_)
            | QuernEvent::CampaignSwept(_) => self.sponsored(&entry.event, setting)?,
            QuernEvent::DemandOpened(_)
            | QuernEvent::DemandAnswered(_)
            | QuernEvent::DemandClosed(_) => self.asked(&entry.event)?,
            _ => {}
        }
        Ok(())
    }

    /// Pots, what is claimed of them and what goes back.
    fn sponsored(&mut self, event: &QuernEvent, setting: &mut Setting) -> Result<()> {
        match event {
            QuernEvent::CampaignCreated(event) => {
                setting.campaigns.insert(event.campaign, event.mint);
                let atoms = i128::from(event.pot_atoms);
                self.add(Category::CampaignPots, 0, &event.mint, atoms);
            }
            QuernEvent::CampaignClaimed(event) => {
                let mint = setting.campaigns.get(&event.campaign);
                let mint = mint.context("a claim is about a campaign that no event created")?;
                let atoms = i128::from(event.amount_atoms);
                self.add(Category::CampaignClaims, 0, mint, atoms);
            }
            QuernEvent::CampaignSwept(event) => {
                let atoms = i128::from(event.released_atoms);
                self.add(Category::CampaignsSwept, 0, &event.mint, atoms);
            }
            _ => {}
        }
        Ok(())
    }

    /// Demands and what becomes of them.
    fn asked(&mut self, event: &QuernEvent) -> Result<()> {
        match event {
            QuernEvent::DemandOpened(event) => self.demanded(event)?,
            QuernEvent::DemandAnswered(event) => {
                let demand = self.demand(&event.demand)?;
                ensure!(!demand.answered, "a demand was answered twice");
                demand.answered = true;
            }
            QuernEvent::DemandClosed(event) => {
                let demand = self.demand(&event.demand)?;
                ensure!(!demand.closed, "a demand was closed twice");
                demand.closed = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn settled(&mut self, event: &MilestoneSettled, reward_mint: &Pubkey) {
        let (level, earned) = (event.assurance, i128::from(event.provider_atoms));
        let reward = i128::from(event.reward_atoms);
        let score = self.scores.entry((event.provider, level)).or_default();
        score.milestones += 1;
        score.work += event.work;
        score.earned_atoms += earned;
        score.reward_atoms += reward;
        self.counters.entry(event.provider).or_default().settled += 1;
        self.jobs_settled += u64::from(event.closed);
        for (category, atoms) in [
            (Category::Settled, event.price_atoms.into()),
            (Category::Earnings, earned),
            (Category::Royalties, event.royalty_atoms.into()),
            (Category::Fees, event.fee_atoms.into()),
        ] {
            self.add(category, level, &event.mint, atoms);
        }
        if reward > 0 {
            self.add(Category::Rewards, level, reward_mint, reward);
        }
    }

    fn resolved(&mut self, event: &JobResolved) {
        let (level, earned) = (event.assurance, i128::from(event.provider_atoms));
        let penalty = i128::from(event.penalty_atoms);
        let stands = event.provider_prevails && !event.silent;
        let score = self.scores.entry((event.provider, level)).or_default();
        score.earned_atoms += earned;
        score.milestones += u64::from(stands);
        let counters = self.counters.entry(event.provider).or_default();
        counters.settled += u64::from(stands);
        counters.penalty_atoms += penalty;
        let lost = match event.deposit_to_provider {
            true => event.deposit_atoms,
            false => 0,
        };
        let back = i128::from(event.client_atoms) + i128::from(event.released_atoms);
        for (category, atoms) in [
            (Category::Resolved, event.price_atoms.into()),
            (Category::Earnings, earned),
            (Category::Royalties, event.royalty_atoms.into()),
            (Category::Fees, event.fee_atoms.into()),
            (Category::Arbiters, event.arbiter_atoms.into()),
            (Category::Burnt, event.burn_atoms.into()),
            (Category::Refunds, back),
            (Category::Penalties, penalty),
            (Category::RejectDepositsLost, lost.into()),
        ] {
            self.add(category, level, &event.mint, atoms);
        }
    }

    fn expired(&mut self, event: &JobExpired) {
        let penalty = i128::from(event.penalty_atoms);
        if event.from_state() == JobState::Taken {
            let counters = self.counters.entry(event.provider).or_default();
            counters.late += 1;
            counters.penalty_atoms += penalty;
        }
        self.add(
            Category::Refunds,
            0,
            &event.mint,
            event.released_atoms.into(),
        );
        self.add(Category::Penalties, 0, &event.mint, penalty);
    }

    fn convicted(&mut self, event: &ConvictionSettled, bond_atoms: u64) {
        self.counters.entry(event.provider).or_default().convicted += 1;
        let slash = Slash {
            prover: event.prover,
            reason: event.reason,
            bond_atoms: bond_atoms.into(),
        };
        self.slashes.insert(event.job, slash);
        for (category, atoms) in [
            (Category::Refunds, event.released_atoms),
            (Category::SlashedToProvers, event.prover_atoms),
            (Category::SlashedToClients, event.client_atoms),
            (Category::SlashedToTreasury, event.treasury_atoms),
        ] {
            self.add(category, 0, &event.mint, atoms.into());
        }
    }

    fn demanded(&mut self, event: &DemandOpened) -> Result<()> {
        let demand = OpenedDemand {
            job: event.job,
            opener: event.opener,
            fee_lamports: event.fee_lamports,
            answered: false,
            closed: false,
        };
        let before = self.demands.insert(event.demand, demand);
        ensure!(before.is_none(), "a demand was opened twice");
        Ok(())
    }

    fn demand(&mut self, address: &Pubkey) -> Result<&mut OpenedDemand> {
        self.demands
            .get_mut(address)
            .context("an event is about a demand that no event opened")
    }

    fn add(&mut self, category: Category, assurance: u8, mint: &Pubkey, atoms: i128) {
        let sum = self.sums.entry((category, assurance, *mint)).or_default();
        sum.0 += atoms;
        sum.1 += 1;
    }

    /// A category's sum in a mint over all levels.
    pub fn total(&self, category: Category, mint: &Pubkey) -> i128 {
        let rows = self
            .sums
            .iter()
            .filter(|((name, _, of), _)| *name == category && of == mint);
        rows.map(|(_, (atoms, _))| atoms).sum()
    }

    /// How many events have a name.
    pub fn count(&self, event: &str) -> u64 {
        self.events.get(event).copied().unwrap_or(0)
    }
}
