//! The oracle: a ledger that hears of events and computes with its own arithmetic what every purse must hold.
//!
//! It is a second implementation of the rules, on purpose: it shares no line with `quern-rules`.
//! It takes a job's terms from the event of its creation, and nothing else from the program: amounts are recomputed in 128
//! bits and compared with what the event says, and the audit compares the balances with the accounts.

use {
    crate::accounts::{fixed_part, read},
    bytemuck::Pod,
    quern::{
        constants::NOBODY,
        events::{Change, QuernEvent},
        state::{
            Assurance, Campaign, Conviction, Demand, Emission, EntityKind, Entry, Job, JobState,
            MintConfig, NodeRef, Provider, Purse,
        },
    },
    quern_client::{Pubkey, addresses},
    std::collections::BTreeMap,
};

#[derive(Clone, Debug)]
struct LiveJob {
    /// As it was created.
    terms: Job,
    state: JobState,
    milestone: u8,
    provider: Pubkey,
    bond_left: u128,
    deposit: u128,
    deadline: i64,
    last_answer_at: i64,
    /// Prover and reason.
    verdict: Option<(Pubkey, u8)>,
}

#[derive(Clone, Debug)]
struct LiveDemand {
    job: Pubkey,
    opener: Pubkey,
    node: NodeRef,
    due: i64,
    fee: u64,
    answered_at: Option<i64>,
}

impl LiveJob {
    /// As its account says.
    fn of(job: Job) -> Self {
        Self {
            terms: job,
            state: JobState::from_code(job.state).unwrap(),
            milestone: job.milestone,
            provider: job.provider,
            bond_left: job.bond_left_atoms.get().into(),
            deposit: job.reject_deposit_atoms.get().into(),
            deadline: job.deadline.get(),
            last_answer_at: job.last_answer_at.get(),
            verdict: (job.conviction_reason > 0).then_some((job.prover, job.conviction_reason)),
        }
    }
}

impl LiveDemand {
    /// As its account says.
    fn of(demand: &Demand) -> Self {
        Self {
            job: demand.job,
            opener: demand.opener,
            node: demand.node_id().unwrap().into(),
            due: demand.due.get(),
            fee: demand.fee_lamports.get(),
            answered_at: demand.answered.get().then(|| demand.answered_at.get()),
        }
    }
}

#[derive(Clone, Debug)]
struct LiveCampaign {
    /// As it was created.
    terms: Campaign,
    claimed: u128,
    /// Scores by provider; claimed ones are gone.
    scores: BTreeMap<Pubkey, u128>,
    /// All that was ever scored.
    total: u128,
}

/// Epochs of rewards.
#[derive(Clone, Debug, Default)]
struct Rewards {
    mint: Pubkey,
    emission: Pubkey,
    epoch_secs: u64,
    index: u64,
    cap: u128,
    next_cap: u128,
    spent: u128,
}

/// The ledger, and every live job and demand.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    balances: BTreeMap<(Pubkey, Pubkey), (u128, u128)>,
    jobs: BTreeMap<Pubkey, LiveJob>,
    demands: BTreeMap<Pubkey, LiveDemand>,
    campaigns: BTreeMap<Pubkey, LiveCampaign>,
    /// Entries of campaigns that are gone, by campaign and provider.
    left_over: BTreeMap<(Pubkey, Pubkey), u128>,
    net: BTreeMap<Pubkey, u128>,
    rewards: Option<Rewards>,
    claimable: BTreeMap<Pubkey, u128>,
    /// Sums over the oracle's life, for reports.
    pub totals: Totals,
}

/// What happened in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Milestones settled in full.
    pub settled: u64,
    /// Milestones resolved by an arbiter.
    pub resolved: u64,
    /// Milestones of silent arbiters.
    pub silent: u64,
    /// Late providers.
    pub late: u64,
    /// Jobs that nobody took.
    pub expired: u64,
    /// Jobs cancelled.
    pub cancelled: u64,
    /// Convictions settled.
    pub slashed: u64,
    /// Wrong cells and bad padding convicted.
    pub convicted: u64,
    /// Demands left without an answer.
    pub silenced: u64,
    /// Reward atoms granted.
    pub rewards: u128,
    /// What milestones scored in campaigns.
    pub scored: u128,
    /// What was claimed of campaigns.
    pub claimed: u128,
    /// Campaigns swept.
    pub swept: u64,
}

fn share(amount: u128, bps: u16) -> u128 {
    amount * u128::from(bps) / 10_000
}

fn fixed<T: Pod>(changes: &[Change], kind: EntityKind) -> T {
    let change = changes
        .iter()
        .find(|change| change.kind == kind as u8 && !change.after.is_empty());
    bytemuck::pod_read_unaligned(
        &change
            .unwrap_or_else(|| panic!("no {kind:?} in {changes:?}"))
            .after,
    )
}

impl Oracle {
    /// Forgets what was told and believes the accounts as they are; the totals stay.
    pub fn believe(&mut self, accounts: &BTreeMap<Pubkey, Vec<u8>>) {
        *self = Self {
            totals: self.totals,
            ..Self::default()
        };
        for (address, data) in accounts {
            self.believe_account(address, data);
        }
        for data in accounts.values() {
            let Some(entry) = read::<Entry>(data) else {
                continue;
            };
            let score = entry.score.get().into();
            match self.campaigns.get_mut(&entry.campaign) {
                Some(campaign) => campaign.scores.insert(entry.provider, score),
                None => self
                    .left_over
                    .insert((entry.campaign, entry.provider), score),
            };
        }
    }

    fn believe_account(&mut self, address: &Pubkey, data: &[u8]) {
        if fixed_part(data).is_none() {
            return;
        }
        if let Some(job) = read::<Job>(data) {
            self.jobs.insert(*address, LiveJob::of(job));
        }
        if let Some(demand) = read::<Demand>(data) {
            self.demands.insert(*address, LiveDemand::of(&demand));
        }
        if let Some(campaign) = read::<Campaign>(data) {
            let live = LiveCampaign {
                terms: campaign,
                claimed: campaign.claimed_atoms.get().into(),
                scores: BTreeMap::new(),
                total: campaign.total_score.get().into(),
            };
            self.campaigns.insert(*address, live);
        }
        if let Some(purse) = read::<Purse>(data) {
            let balance = (
                purse.free_atoms.get().into(),
                purse.reserved_atoms.get().into(),
            );
            self.balances.insert((purse.owner, purse.mint), balance);
        }
        if let Some(config) = read::<MintConfig>(data) {
            self.net
                .insert(config.mint, config.total_atoms.get().into());
        }
        if let Some(provider) = read::<Provider>(data) {
            let claimable =
                provider.rewards_accrued_atoms.get() - provider.rewards_claimed_atoms.get();
            self.claimable.insert(provider.owner, claimable.into());
        }
        if let Some(emission) = read::<Emission>(data) {
            self.configure(&emission);
        }
    }

    /// Free and reserved atoms; nothing if the purse is not open.
    pub fn balance(&self, owner: &Pubkey, mint: &Pubkey) -> (u128, u128) {
        self.balances
            .get(&(*owner, *mint))
            .copied()
            .unwrap_or_default()
    }

    /// Makes the ledger believe something else, to see that the audit notices.
    pub fn set_balance(&mut self, owner: &Pubkey, mint: &Pubkey, balance: (u128, u128)) {
        self.balances.insert((*owner, *mint), balance);
    }

    /// How many purses are open.
    pub fn purses(&self) -> usize {
        self.balances.len()
    }

    /// Free and reserved atoms of all purses, by owner and mint.
    pub fn balances(&self) -> &BTreeMap<(Pubkey, Pubkey), (u128, u128)> {
        &self.balances
    }

    /// Deposits less withdrawals of a mint.
    pub fn net_deposits(&self, mint: &Pubkey) -> u128 {
        self.net.get(mint).copied().unwrap_or(0)
    }

    /// What was scored in a live campaign, and what was claimed of it.
    pub fn campaign(&self, address: &Pubkey) -> (u128, u128) {
        let campaign = self.campaigns.get(address);
        let campaign = campaign.unwrap_or_else(|| panic!("no campaign at {address}"));
        (campaign.total, campaign.claimed)
    }

    /// Live jobs.
    pub fn live_jobs(&self) -> usize {
        self.jobs.len()
    }

    fn configure(&mut self, emission: &Emission) {
        if emission.reward_mint == NOBODY {
            return;
        }
        self.rewards = Some(Rewards {
            mint: emission.reward_mint,
            emission: addresses::emission(),
            epoch_secs: emission.epoch_secs.get().into(),
            index: emission.epoch_index.get(),
            cap: emission.cap_atoms.get().into(),
            next_cap: emission.next_cap_atoms.get().into(),
            spent: emission.spent_atoms.get().into(),
        });
    }

    fn purse(&mut self, owner: &Pubkey, mint: &Pubkey) -> &mut (u128, u128) {
        self.balances
            .get_mut(&(*owner, *mint))
            .unwrap_or_else(|| panic!("{owner} has no purse in {mint}"))
    }

    fn reserve(&mut self, owner: &Pubkey, mint: &Pubkey, atoms: u128) {
        let purse = self.purse(owner, mint);
        assert!(purse.0 >= atoms, "{owner} reserved {atoms} of {}", purse.0);
        purse.0 -= atoms;
        purse.1 += atoms;
    }

    /// Moves reserved atoms of one owner to free ones of another, or of the same.
    fn pay(&mut self, from: &Pubkey, to: &Pubkey, mint: &Pubkey, atoms: u128) {
        if atoms == 0 {
            return;
        }
        let purse = self.purse(from, mint);
        assert!(purse.1 >= atoms, "{from} pays {atoms} out of {}", purse.1);
        purse.1 -= atoms;
        self.purse(to, mint).0 += atoms;
    }

    fn job(&self, address: &Pubkey) -> LiveJob {
        self.jobs
            .get(address)
            .cloned()
            .unwrap_or_else(|| panic!("no live job at {address}"))
    }

    fn put(&mut self, address: &Pubkey, job: LiveJob, closed: bool) {
        if closed {
            self.jobs.remove(address);
        } else {
            self.jobs.insert(*address, job);
        }
    }

    /// Takes an event in.
    #[expect(
        clippy::too_many_lines,
        reason = "one arm a kind; what is longer has a function of its own"
    )]
    pub fn apply(&mut self, event: &QuernEvent) {
        match event {
            QuernEvent::PurseOpened(e) => {
                assert!(
                    self.balances.insert((e.owner, e.mint), (0, 0)).is_none(),
                    "a purse opened twice"
                );
            }
            QuernEvent::Deposited(e) => {
                self.purse(&e.owner, &e.mint).0 += u128::from(e.amount_atoms);
                *self.net.entry(e.mint).or_default() += u128::from(e.amount_atoms);
            }
            QuernEvent::Withdrawn(e) => {
                let purse = self.purse(&e.owner, &e.mint);
                purse.0 = purse.0.checked_sub(e.amount_atoms.into()).unwrap();
                let net = self.net.get_mut(&e.mint).unwrap();
                *net = net.checked_sub(e.amount_atoms.into()).unwrap();
            }
            QuernEvent::EmissionConfigured(e) => {
                let emission: Emission = fixed(&e.changes, EntityKind::Emission);
                let spent = self.rewards.as_ref().map_or(0, |rewards| rewards.spent);
                let same_epoch = self
                    .rewards
                    .as_ref()
                    .is_some_and(|old| old.index == emission.epoch_index.get());
                let expected = if same_epoch { spent } else { 0 };
                assert_eq!(
                    u128::from(emission.spent_atoms.get()),
                    expected,
                    "configuring forgets nothing spent"
                );
                self.configure(&emission);
            }
            QuernEvent::RewardsClaimed(e) => {
                let claimable = self.claimable.insert(e.owner, 0).unwrap_or(0);
                assert_eq!(
                    claimable,
                    u128::from(e.amount_atoms),
                    "a claim takes all that is accrued"
                );
                let emission = self.rewards.as_ref().unwrap().emission;
                self.pay(&emission, &e.owner, &e.mint, claimable);
            }
            QuernEvent::JobCreated(e) => {
                self.created(&e.job, &fixed(&e.changes, EntityKind::Job), e.escrow_atoms)
            }
            QuernEvent::JobCancelled(e) => {
                let job = self.job(&e.job);
                assert_eq!(job.state, JobState::Open);
                self.totals.cancelled += 1;
                self.release_escrow(&job, e.released_atoms);
                self.put(&e.job, job, true);
            }
            QuernEvent::JobTaken(e) => {
                let mut job = self.job(&e.job);
                assert_eq!(job.state, JobState::Open);
                assert!(e.provider != job.terms.client, "a client took its own job");
                let bond = u128::from(job.terms.bond_atoms.get());
                assert_eq!(u128::from(e.bond_atoms), bond);
                self.reserve(&e.provider, &job.terms.mint, bond);
                job.provider = e.provider;
                job.bond_left = bond;
                job.state = JobState::Taken;
                job.deadline = e.at + i64::from(job.terms.work_secs.get());
                self.put(&e.job, job, false);
            }
            QuernEvent::ResultSubmitted(e) => {
                let mut job = self.job(&e.job);
                assert_eq!((job.state, job.milestone), (JobState::Taken, e.milestone));
                let grace = i64::from(job.terms.terms.restart_grace_secs.get());
                assert!(e.at <= job.deadline + grace, "a result after its deadline");
                job.state = JobState::Submitted;
                job.deadline = e.at + i64::from(job.terms.review_secs.get());
                job.last_answer_at = 0;
                self.put(&e.job, job, false);
            }
            QuernEvent::MilestoneSettled(e) => self.settled(e),
            QuernEvent::JobRejected(e) => {
                let mut job = self.job(&e.job);
                assert_eq!(
                    (job.state, job.milestone),
                    (JobState::Submitted, e.milestone)
                );
                let deposit = share(
                    job.terms.price_atoms.get().into(),
                    job.terms.terms.reject_bps.get(),
                );
                assert_eq!(u128::from(e.deposit_atoms), deposit);
                self.reserve(&job.terms.client, &job.terms.mint, deposit);
                job.deposit = deposit;
                job.state = JobState::Rejected;
                job.deadline = e.at + i64::from(job.terms.terms.resolve_secs.get());
                self.put(&e.job, job, false);
            }
            QuernEvent::JobResolved(e) if e.silent => self.silent(e),
            QuernEvent::JobResolved(e) => self.resolved(e),
            QuernEvent::JobExpired(e) => self.expired(e),
            QuernEvent::ConvictionSettled(e) => self.slashed(e),
            QuernEvent::JobConvicted(e) => self.convicted(e),
            QuernEvent::DemandOpened(e) => self.asked(e),
            QuernEvent::DemandAnswered(e) => self.answered(e),
            QuernEvent::DemandClosed(e) => {
                let demand = self.demands.remove(&e.demand);
                let demand = demand.unwrap_or_else(|| panic!("no demand at {}", e.demand));
                assert_eq!((demand.job, demand.opener), (e.job, e.opener));
                let is_over = |job: &LiveJob| job.state == JobState::Convicted;
                assert!(
                    self.jobs.get(&e.job).is_none_or(is_over),
                    "a demand closed while its job is Submitted"
                );
            }
            QuernEvent::ProviderRegistered(e) => {
                self.claimable.insert(e.owner, 0);
            }
            QuernEvent::CampaignCreated(e) => self.sponsored(e),
            QuernEvent::CampaignJoined(e) => {
                let campaign = self.campaigns.get_mut(&e.campaign).unwrap();
                assert!(e.at < campaign.terms.end.get(), "joined too late");
                let before = campaign.scores.insert(e.provider, 0);
                assert!(before.is_none(), "joined twice");
            }
            QuernEvent::CampaignClaimed(e) => self.claimed(e),
            QuernEvent::CampaignSwept(e) => self.swept(e),
            // Settings move nothing (P9); the audit compares all balances.
            _ => {}
        }
    }

    fn created(&mut self, address: &Pubkey, terms: &Job, escrow_atoms: u64) {
        let escrow = u128::from(terms.price_atoms.get()) * u128::from(terms.milestones);
        assert_eq!(u128::from(escrow_atoms), escrow);
        self.reserve(&terms.client, &terms.mint, escrow);
        let job = LiveJob {
            terms: *terms,
            state: JobState::Open,
            milestone: 0,
            provider: NOBODY,
            bond_left: 0,
            deposit: 0,
            deadline: terms.deadline.get(),
            last_answer_at: 0,
            verdict: None,
        };
        assert!(
            self.jobs.insert(*address, job).is_none(),
            "P10: two jobs at {address}"
        );
    }

    /// Escrow of the milestones that are not behind the job.
    fn escrow_left(job: &LiveJob) -> u128 {
        u128::from(job.terms.price_atoms.get()) * u128::from(job.terms.milestones - job.milestone)
    }

    fn release_escrow(&mut self, job: &LiveJob, told: u64) {
        let left = Self::escrow_left(job);
        assert_eq!(u128::from(told), left, "released escrow");
        self.pay(&job.terms.client, &job.terms.client, &job.terms.mint, left);
    }

    fn release_bond(&mut self, job: &mut LiveJob, told: u64) {
        assert_eq!(u128::from(told), job.bond_left, "released bond");
        self.pay(&job.provider, &job.provider, &job.terms.mint, job.bond_left);
        job.bond_left = 0;
    }

    /// Whether the job waits for another provider.
    fn reopens(job: &LiveJob, at: i64) -> bool {
        let judged =
            job.terms.assurance == Assurance::Refereed as u8 || job.terms.arbiter != NOBODY;
        at <= job.terms.ends_by.get() && judged
    }

    fn reopen(job: &mut LiveJob, at: i64) {
        job.state = JobState::Open;
        job.provider = NOBODY;
        job.deadline = (at + i64::from(job.terms.take_secs.get())).min(job.terms.ends_by.get());
    }

    fn settled(&mut self, e: &quern::events::MilestoneSettled) {
        let mut job = self.job(&e.job);
        let (terms, mint) = (job.terms, job.terms.mint);
        assert_eq!(
            (job.state, job.milestone),
            (JobState::Submitted, e.milestone)
        );
        assert!(
            e.accepted || e.at > job.deadline,
            "finalized within the review"
        );
        assert!(!e.accepted || terms.assurance == Assurance::Reviewed as u8);
        assert_eq!(self.open_demands(&e.job), 0, "settled with open demands");
        if job.last_answer_at > 0 {
            let react_secs = i64::from(terms.terms.react_secs.get());
            assert!(
                e.at > job.last_answer_at + react_secs,
                "settled within the reaction time"
            );
        }
        let price = u128::from(terms.price_atoms.get());
        let fee = share(price, terms.terms.fee_bps.get());
        let royalty = share(price, terms.royalty_bps.get());
        let rest = price - fee - royalty;
        let told = [
            e.price_atoms,
            e.fee_atoms,
            e.royalty_atoms,
            e.provider_atoms,
        ]
        .map(u128::from);
        assert_eq!(
            told,
            [price, fee, royalty, rest],
            "P4: parts of a settled price"
        );
        self.pay(&terms.client, &terms.treasury_owner, &mint, fee);
        if royalty > 0 {
            self.pay(&terms.client, &terms.royalty_owner, &mint, royalty);
        }
        self.pay(&terms.client, &job.provider, &mint, rest);
        let reward = self.accrue(&job, fee, e.at);
        assert_eq!(u128::from(e.reward_atoms), reward, "P5: reward");
        let submitted_at = job.deadline - i64::from(terms.review_secs.get());
        assert_eq!(
            e.submitted_at, submitted_at,
            "when the result was submitted"
        );
        let score = self.score(&job, fee, submitted_at, e.at);
        assert_eq!(u128::from(e.score), score, "score");
        assert!(score == 0 || reward == 0, "one incentive a job");
        job.milestone += 1;
        let ends = job.milestone == terms.milestones;
        assert_eq!(e.closed, ends);
        if ends {
            self.release_bond(&mut job, e.bond_released_atoms);
        } else {
            assert_eq!(e.bond_released_atoms, 0);
            job.state = JobState::Taken;
            job.deadline = e.at + i64::from(terms.work_secs.get());
        }
        self.totals.settled += 1;
        self.put(&e.job, job, ends);
    }

    fn accrue(&mut self, job: &LiveJob, fee: u128, at: i64) -> u128 {
        let Some(mut rewards) = self.rewards.clone() else {
            return 0;
        };
        let index = at as u64 / rewards.epoch_secs;
        if index > rewards.index {
            rewards = Rewards {
                index,
                spent: 0,
                cap: rewards.next_cap,
                ..rewards
            };
        }
        let rate = u128::from(job.terms.reward_rate_e9.get());
        let weight = u128::from(job.terms.reward_weight_bps.get());
        let free = self.balance(&rewards.emission, &rewards.mint).0;
        // fee and rate fit 64 bits each, so only the weight can overflow; then any limit is lower.
        let earned = (fee * rate)
            .checked_mul(weight)
            .map_or(u128::MAX, |product| product / 10u128.pow(13));
        let reward = earned
            .min(rewards.cap.saturating_sub(rewards.spent))
            .min(free);
        rewards.spent += reward;
        assert!(rewards.spent <= rewards.cap, "P5");
        self.reserve(&rewards.emission.clone(), &rewards.mint.clone(), reward);
        *self.claimable.entry(job.provider).or_default() += reward;
        self.totals.rewards += reward;
        self.rewards = Some(rewards);
        reward
    }

    fn sponsored(&mut self, e: &quern::events::CampaignCreated) {
        let terms: Campaign = fixed(&e.changes, EntityKind::Campaign);
        self.reserve(&e.sponsor, &e.mint, e.pot_atoms.into());
        assert_eq!((terms.sponsor, terms.mint), (e.sponsor, e.mint));
        let times = [&terms.start, &terms.end, &terms.settle_by, &terms.claim_by];
        let times = times.map(|time| time.get());
        assert!(
            e.at <= times[0] && times.is_sorted_by(|one, next| one < next),
            "times of a campaign in order"
        );
        assert!(terms.refereed_bps.get() < 10_000 && terms.reviewed_bps.get() < 10_000);
        let campaign = LiveCampaign {
            terms,
            claimed: 0,
            scores: BTreeMap::new(),
            total: 0,
        };
        let before = self.campaigns.insert(e.campaign, campaign);
        assert!(before.is_none(), "P10: two campaigns at {}", e.campaign);
    }

    /// What a settled milestone scores, which is added.
    fn score(&mut self, job: &LiveJob, fee: u128, submitted_at: i64, at: i64) -> u128 {
        let Some(campaign) = self.campaigns.get_mut(&job.terms.campaign) else {
            return 0;
        };
        let terms = &campaign.terms;
        let is_inside = submitted_at >= terms.start.get() && submitted_at < terms.end.get();
        if !is_inside || at > terms.settle_by.get() {
            return 0;
        }
        let weight = match job.terms.assurance == Assurance::Refereed as u8 {
            true => terms.refereed_bps.get(),
            false => terms.reviewed_bps.get(),
        };
        let score = share(fee, weight).min(u128::from(u64::MAX) - campaign.total);
        let of_provider = campaign.scores.get_mut(&job.provider);
        *of_provider.expect("a provider that scores has joined") += score;
        campaign.total += score;
        self.totals.scored += score;
        score
    }

    fn claimed(&mut self, e: &quern::events::CampaignClaimed) {
        let Some(campaign) = self.campaigns.get_mut(&e.campaign) else {
            let score = self.left_over.remove(&(e.campaign, e.provider));
            let told = (Some(u128::from(e.score)), e.amount_atoms);
            assert_eq!((score, 0), told, "an entry of a campaign that is gone");
            return;
        };
        let terms = campaign.terms;
        assert!(
            e.at > terms.settle_by.get() && e.at <= terms.claim_by.get(),
            "claimed at a wrong time"
        );
        let score = campaign.scores.remove(&e.provider);
        assert_eq!(score, Some(u128::from(e.score)), "P10: a claim of an entry");
        let (score, pot) = (u128::from(e.score), u128::from(terms.pot_atoms.get()));
        let amount = match campaign.total <= pot {
            true => score,
            false => pot * score / campaign.total,
        };
        assert_eq!(u128::from(e.amount_atoms), amount, "what a score is worth");
        campaign.claimed += amount;
        assert!(campaign.claimed <= pot, "more claimed than the pot");
        self.totals.claimed += amount;
        self.pay(&terms.sponsor, &e.provider, &terms.mint, amount);
    }

    fn swept(&mut self, e: &quern::events::CampaignSwept) {
        let campaign = self.campaigns.remove(&e.campaign);
        let campaign = campaign.unwrap_or_else(|| panic!("no campaign at {}", e.campaign));
        let terms = campaign.terms;
        let is_unscored = campaign.total == 0 && e.at > terms.settle_by.get();
        assert!(
            is_unscored || e.at > terms.claim_by.get(),
            "swept too early"
        );
        let left = u128::from(terms.pot_atoms.get()) - campaign.claimed;
        assert_eq!(u128::from(e.released_atoms), left, "the rest of a pot");
        self.pay(&terms.sponsor, &terms.sponsor, &terms.mint, left);
        let entries = campaign.scores.into_iter();
        let entries = entries.map(|(provider, score)| ((e.campaign, provider), score));
        self.left_over.extend(entries);
        self.totals.swept += 1;
    }

    #[expect(clippy::too_many_lines, reason = "one settlement, part by part")]
    fn resolved(&mut self, e: &quern::events::JobResolved) {
        let mut job = self.job(&e.job);
        let (terms, mint, provider) = (job.terms, job.terms.mint, job.provider);
        assert_eq!(
            (job.state, job.milestone),
            (JobState::Rejected, e.milestone)
        );
        let price = u128::from(terms.price_atoms.get());
        let arbiter = share(price, terms.terms.arbiter_bps.get());
        let [fee, royalty, rest, client] = [
            e.fee_atoms,
            e.royalty_atoms,
            e.provider_atoms,
            e.client_atoms,
        ]
        .map(u128::from);
        let given = fee + royalty + rest;
        assert_eq!(u128::from(e.arbiter_atoms), arbiter);
        assert_eq!(
            arbiter + given + client,
            price,
            "P4: parts of a resolved price"
        );
        assert_eq!(
            fee,
            share(given, terms.terms.fee_bps.get()),
            "fee out of the provider's share"
        );
        assert_eq!(
            royalty,
            share(given, terms.royalty_bps.get()),
            "royalty out of the provider's share"
        );
        if e.provider_prevails {
            assert!(
                given + 1 >= (price - arbiter) / 2,
                "a prevailing provider gets at least half"
            );
        } else {
            assert!(
                given <= (price - arbiter) / 2,
                "a losing provider gets less than half"
            );
        }
        let penalty = u128::from(e.penalty_atoms);
        assert!(
            penalty <= share(job.bond_left, terms.terms.late_penalty_bps.get()),
            "penalty within its bound"
        );
        assert!(
            penalty == 0 || !e.provider_prevails,
            "a provider that prevails pays no penalty"
        );
        assert_eq!(u128::from(e.deposit_atoms), job.deposit);
        assert_eq!(e.deposit_to_provider, e.provider_prevails);
        assert_eq!(e.burn_atoms, 0);
        self.pay(&terms.client, &terms.arbiter, &mint, arbiter);
        self.pay(&terms.client, &terms.treasury_owner, &mint, fee);
        if royalty > 0 {
            self.pay(&terms.client, &terms.royalty_owner, &mint, royalty);
        }
        self.pay(&terms.client, &provider, &mint, rest);
        self.pay(&terms.client, &terms.client, &mint, client);
        self.pay(&provider, &terms.client, &mint, penalty);
        job.bond_left -= penalty;
        let to = if e.provider_prevails {
            provider
        } else {
            terms.client
        };
        self.pay(&terms.client, &to, &mint, job.deposit);
        job.deposit = 0;
        job.milestone += 1;
        let mut ends = job.milestone == terms.milestones;
        if !e.provider_prevails || ends {
            self.release_bond(&mut job, e.bond_released_atoms);
        } else {
            assert_eq!(e.bond_released_atoms, 0);
        }
        if e.provider_prevails && !ends {
            job.state = JobState::Taken;
            job.deadline = e.at + i64::from(terms.work_secs.get());
        } else if !ends && Self::reopens(&job, e.at) {
            Self::reopen(&mut job, e.at);
        } else {
            ends = true;
        }
        if ends {
            self.release_escrow(&job, e.released_atoms);
        } else {
            assert_eq!(e.released_atoms, 0);
        }
        assert_eq!(e.closed, ends);
        self.totals.resolved += 1;
        self.put(&e.job, job, ends);
    }

    fn silent(&mut self, e: &quern::events::JobResolved) {
        let mut job = self.job(&e.job);
        let (terms, mint, provider) = (job.terms, job.terms.mint, job.provider);
        assert_eq!(
            (job.state, job.milestone),
            (JobState::Rejected, e.milestone)
        );
        assert!(e.at > job.deadline, "silence before the deadline");
        let price = u128::from(terms.price_atoms.get());
        let half = price / 2;
        let fee = share(half, terms.terms.fee_bps.get());
        let royalty = share(half, terms.royalty_bps.get());
        let told = [
            e.fee_atoms,
            e.royalty_atoms,
            e.provider_atoms,
            e.burn_atoms,
            e.client_atoms,
            e.arbiter_atoms,
        ];
        let expected = [fee, royalty, half - fee - royalty, price - half, 0, 0];
        assert_eq!(
            told.map(u128::from),
            expected,
            "P4: parts of a price without a judgement"
        );
        assert!(e.deposit_to_provider && e.closed && !e.provider_prevails && e.penalty_atoms == 0);
        self.pay(&terms.client, &terms.treasury_owner, &mint, fee);
        if royalty > 0 {
            self.pay(&terms.client, &terms.royalty_owner, &mint, royalty);
        }
        self.pay(&terms.client, &provider, &mint, half - fee - royalty);
        self.pay(&terms.client, &addresses::burn_owner(), &mint, price - half);
        assert_eq!(u128::from(e.deposit_atoms), job.deposit);
        self.pay(&terms.client, &provider, &mint, job.deposit);
        self.release_bond(&mut job, e.bond_released_atoms);
        job.milestone += 1;
        self.release_escrow(&job, e.released_atoms);
        self.totals.silent += 1;
        self.put(&e.job, job, true);
    }

    fn expired(&mut self, e: &quern::events::JobExpired) {
        let mut job = self.job(&e.job);
        assert_eq!(e.from_state, job.state as u8);
        assert!(e.at > job.deadline, "expired before its deadline");
        if job.state == JobState::Open {
            assert!(
                e.closed
                    && e.penalty_atoms == 0
                    && e.bond_released_atoms == 0
                    && e.provider == NOBODY
            );
            self.release_escrow(&job, e.released_atoms);
            self.totals.expired += 1;
            self.put(&e.job, job, true);
            return;
        }
        assert_eq!(job.state, JobState::Taken);
        assert_eq!(e.provider, job.provider);
        let penalty = share(job.bond_left, job.terms.terms.late_penalty_bps.get());
        assert_eq!(u128::from(e.penalty_atoms), penalty, "late penalty");
        self.pay(&job.provider, &job.terms.client, &job.terms.mint, penalty);
        job.bond_left -= penalty;
        self.release_bond(&mut job, e.bond_released_atoms);
        let reopens = Self::reopens(&job, e.at);
        assert_eq!(e.closed, !reopens);
        if reopens {
            assert_eq!(e.released_atoms, 0);
            Self::reopen(&mut job, e.at);
        } else {
            self.release_escrow(&job, e.released_atoms);
        }
        self.totals.late += 1;
        self.put(&e.job, job, !reopens);
    }

    /// Demands of a live job without an answer.
    fn open_demands(&self, job: &Pubkey) -> u64 {
        let of_job = self.demands.values().filter(|demand| demand.job == *job);
        of_job.filter(|demand| demand.answered_at.is_none()).count() as u64
    }

    fn convicted(&mut self, e: &quern::events::JobConvicted) {
        let mut job = self.job(&e.job);
        let terms = &job.terms;
        assert_eq!(
            (job.state, terms.assurance),
            (JobState::Submitted, Assurance::Refereed as u8)
        );
        assert_eq!(
            (e.client, e.provider, e.mint, e.submission),
            (terms.client, job.provider, terms.mint, 1)
        );
        if let Conviction::Unanswered(node) = e.conviction {
            let demand = self
                .demands
                .values()
                .find(|demand| demand.job == e.job && demand.node == node);
            let demand = demand.unwrap_or_else(|| panic!("no demand behind {e:?}"));
            assert!(
                demand.answered_at.is_none() && e.at > demand.due,
                "silence before its time: {e:?}"
            );
            assert_eq!(e.prover, demand.opener, "the opener convicts silence");
            self.totals.silenced += 1;
        } else {
            self.totals.convicted += 1;
        }
        job.state = JobState::Convicted;
        job.deadline = e.at;
        job.verdict = Some((e.prover, e.conviction.reason().code()));
        self.put(&e.job, job, false);
    }

    fn asked(&mut self, e: &quern::events::DemandOpened) {
        let job = self.job(&e.job);
        let terms = &job.terms.terms;
        assert_eq!(
            (job.state, job.terms.assurance, job.provider),
            (JobState::Submitted, Assurance::Refereed as u8, e.provider)
        );
        assert_eq!(e.submission, 1);
        let queue = (5 * self.open_demands(&e.job)).min(86_400) as i64;
        let due = e.at + i64::from(terms.response_secs.get()) + queue;
        assert_eq!(
            (e.due, e.fee_lamports),
            (due, terms.demand_fee_lamports.get()),
            "due time and fee of {e:?}"
        );
        let demand = LiveDemand {
            job: e.job,
            opener: e.opener,
            node: e.node_id,
            due,
            fee: e.fee_lamports,
            answered_at: None,
        };
        assert!(
            self.demands.insert(e.demand, demand).is_none(),
            "a demand asked twice"
        );
    }

    fn answered(&mut self, e: &quern::events::DemandAnswered) {
        let mut job = self.job(&e.job);
        assert_eq!(job.state, JobState::Submitted);
        let grace = i64::from(job.terms.terms.restart_grace_secs.get());
        let demand = self.demands.get_mut(&e.demand);
        let demand = demand.unwrap_or_else(|| panic!("no demand at {}", e.demand));
        assert_eq!(
            (demand.job, demand.node, demand.fee, demand.answered_at),
            (e.job, e.node_id, e.fee_lamports, None)
        );
        assert!(e.at <= demand.due + grace, "an answer after its time");
        demand.answered_at = Some(e.at);
        job.last_answer_at = e.at;
        self.put(&e.job, job, false);
    }

    fn slashed(&mut self, e: &quern::events::ConvictionSettled) {
        let job = self.job(&e.job);
        assert_eq!(job.state, JobState::Convicted);
        assert_eq!(
            job.verdict,
            Some((e.prover, e.reason)),
            "paid for what was recorded"
        );
        let bond = job.bond_left;
        let (prover, client) = (bond * 40 / 100, bond * 20 / 100);
        let treasury = bond - prover - client;
        let told = [e.prover_atoms, e.client_atoms, e.treasury_atoms].map(u128::from);
        assert_eq!(
            told,
            [prover, client, treasury],
            "P4: parts of a slashed bond"
        );
        let mint = job.terms.mint;
        self.release_escrow(&job, e.released_atoms);
        self.pay(&job.provider, &e.prover, &mint, prover);
        self.pay(&job.provider, &job.terms.client, &mint, client);
        self.pay(&job.provider, &job.terms.treasury_owner, &mint, treasury);
        self.totals.slashed += 1;
        self.put(&e.job, job, true);
    }
}
