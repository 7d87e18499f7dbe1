//! An invented history of jobs and money: the events that the program would have emitted, for tests that need no chain.
#![allow(clippy::unwrap_used, clippy::panic, dead_code, unused_imports)]

#[path = "history/campaigns.rs"]
mod campaigns;

pub use campaigns::{SCORING_SECS, again, milestone_of};

use {
    bytemuck::Zeroable,
    num_bigint::BigUint,
    quern_api::{Key, Signature},
    quern_client::{
        Pubkey,
        quern::{
            self,
            events::{
                Change, ConvictionSettled, DemandAnswered, DemandClosed, DemandOpened, Deposited,
                EmissionConfigured, JobCancelled, JobConvicted, JobCreated, JobExpired,
                JobResolved, JobTaken, MilestoneSettled, MintRegistered, ModelRegistered,
                ProtocolInitialized, ProviderRegistered, QuernEvent, ResultSubmitted,
                RewardsClaimed, Withdrawn,
            },
            state::{
                Campaign, Conviction, ConvictionReason, Demand, Emission, EntityKind, Entry, Job,
                JobState, MintConfig, Model, NodeRef, Protocol, Provider, Purse,
            },
        },
    },
    quern_indexer::{
        IndexerError,
        project::{Event, EventId},
        store::{Batch, Counts, DeadLetter, Store},
    },
    quern_testkit::rng::Rng,
    serde_json::{Value, json},
    std::{collections::BTreeMap, sync::LazyLock, time::Duration},
};

/// Anchor's tag in front of an event.
pub const EVENT_TAG: [u8; 8] = [0xe4, 0x45, 0xa5, 0x2e, 0x51, 0xcb, 0x9a, 0x1d];
/// A name that a terminal would show as another one.
pub const HIDING_NAME: &str = "ab\u{202e}cd\u{1b}[2J";
pub const START: i64 = 1_900_000_000;
/// Code of the trace's tree.
pub const TRACE: u16 = u16::MAX;

pub fn address(kind: u8, n: u64) -> Pubkey {
    let mut bytes = [kind; 32];
    bytes[8..16].copy_from_slice(&n.to_le_bytes());
    Pubkey::new_from_array(bytes)
}

pub fn key(address: &Pubkey) -> Key {
    Key(address.to_bytes())
}

/// The store in this file, once a follower that was dropped has let go of it: a batch that it was writing is written first.
pub async fn open(path: &std::path::Path) -> Store {
    const LIMIT: Duration = Duration::from_secs(20);
    let opened = async {
        loop {
            match Store::open(&format!("sqlite:{}", path.display())).await {
                Err(IndexerError::StoreInUse(_)) => tokio::time::sleep(LIMIT / 4_000).await,
                opened => return opened.unwrap(),
            }
        }
    };
    tokio::time::timeout(LIMIT, opened).await.unwrap()
}

pub async fn counts(store: &Store) -> Counts {
    store.read().await.unwrap().counts().await.unwrap()
}

pub fn program() -> Key {
    key(&quern::ID)
}

/// The root of a tree.
fn node(tree: u16) -> NodeRef {
    NodeRef {
        tree,
        level: 0,
        index: 0,
    }
}

pub struct History {
    pub dice: Rng,
    pub events: Vec<Event>,
    pub slot: u64,
    pub at: i64,
    pub mints: Vec<Pubkey>,
    pub providers: Vec<Pubkey>,
    pub clients: Vec<Pubkey>,
    pub treasury: Pubkey,
    pub creator: Pubkey,
    /// The model of the jobs that follow; none at first.
    pub model: Pubkey,
    /// The campaign of the jobs that follow; none at first.
    pub campaign: Pubkey,
    /// What jobs and further providers are called.
    pub naming: fn(u8, u64) -> Pubkey,
    jobs: u64,
    accounts: BTreeMap<Pubkey, Provider>,
    purses: BTreeMap<(Pubkey, Pubkey), Purse>,
    configs: BTreeMap<Pubkey, MintConfig>,
    emission: Emission,
    campaigns: BTreeMap<Pubkey, Campaign>,
    entries: BTreeMap<(Pubkey, Pubkey), Entry>,
}

impl History {
    /// Two mints (the second pays rewards), five providers, three clients.
    pub fn new(seed: u64) -> Self {
        let mut history = Self {
            dice: Rng::new(seed),
            events: Vec::new(),
            slot: 1_000,
            at: START,
            mints: vec![address(10, 1), address(10, 2)],
            providers: (1..=5).map(|n| address(20, n)).collect(),
            clients: (1..=3).map(|n| address(30, n)).collect(),
            treasury: address(40, 1),
            creator: address(41, 1),
            model: Pubkey::default(),
            campaign: Pubkey::default(),
            naming: address,
            jobs: 0,
            accounts: BTreeMap::new(),
            purses: BTreeMap::new(),
            configs: BTreeMap::new(),
            emission: Emission::zeroed(),
            campaigns: BTreeMap::new(),
            entries: BTreeMap::new(),
        };
        history.events.push(initialized());
        for mint in history.mints.clone() {
            history.register_mint(&mint);
        }
        history.emission.reward_mint = history.mints[1];
        let change = history.emission_changed();
        let at = history.at;
        history.tell(QuernEvent::EmissionConfigured(EmissionConfigured {
            at,
            changes: vec![change],
        }));
        for (n, owner) in history.providers.clone().into_iter().enumerate() {
            let mut provider = Provider::zeroed();
            provider.owner = owner;
            provider.active = true.into();
            let name = format!("provider {}", n + 1);
            provider.name[..name.len()].copy_from_slice(name.as_bytes());
            history.accounts.insert(owner, provider);
            let change = history.provider_changed(&owner);
            let at = history.at;
            history.tell(QuernEvent::ProviderRegistered(ProviderRegistered {
                at,
                owner,
                endpoint: format!("http://provider-{}.example", n + 1),
                changes: vec![change],
            }));
        }
        for client in history.clients.clone() {
            history.deposit(&client, 1_000_000_000_000);
        }
        history
    }

    /// What a walk told that understood these events of it, and these letters instead of others.
    pub fn understood(&self, events: Vec<Event>, dead_letters: Vec<DeadLetter>) -> Batch {
        let read = self.events.iter();
        Batch {
            transactions: read.map(|event| (event.id.signature, event.slot)).collect(),
            events,
            dead_letters,
            ..Batch::default()
        }
    }

    pub fn register_mint(&mut self, mint: &Pubkey) {
        let mut config = MintConfig::zeroed();
        config.mint = *mint;
        config.decimals = 6;
        config.vault = address(50, u64::from(mint.to_bytes()[8]));
        self.configs.insert(*mint, config);
        let change = self.config_changed(mint);
        let at = self.at;
        self.tell(QuernEvent::MintRegistered(MintRegistered {
            at,
            mint: *mint,
            changes: vec![change],
        }));
    }

    /// Events of one transaction, one each.
    pub fn tell(&mut self, body: QuernEvent) {
        let n = self.events.len() as u64;
        let mut signature = [7; 64];
        // Scattered, so that no order of signatures follows the order of events.
        signature[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        signature[8..16].copy_from_slice(&n.to_be_bytes());
        let id = EventId {
            signature: Signature(signature),
            instruction: 0,
            inner: self.dice.below(3) as u32,
        };
        self.events.push(Event {
            id,
            slot: self.slot,
            body,
        });
        self.slot += self.dice.below(3);
        self.at += self.dice.below(900) as i64;
    }

    pub fn deposit(&mut self, owner: &Pubkey, atoms: u64) {
        let mint = self.mints[0];
        let purse = self.purse(owner, &mint);
        purse.free_atoms = (purse.free_atoms.get() + atoms).into();
        let config = self.configs.get_mut(&mint).unwrap();
        config.total_atoms = (config.total_atoms.get() + atoms).into();
        let changes = vec![self.purse_changed(owner, &mint), self.config_changed(&mint)];
        let (at, owner) = (self.at, *owner);
        self.tell(QuernEvent::Deposited(Deposited {
            at,
            owner,
            mint,
            depositor: owner,
            amount_atoms: atoms,
            changes,
        }));
    }

    pub fn withdraw(&mut self, owner: &Pubkey, atoms: u64) {
        let mint = self.mints[0];
        let purse = self.purse(owner, &mint);
        purse.free_atoms = (purse.free_atoms.get() - atoms).into();
        let config = self.configs.get_mut(&mint).unwrap();
        config.total_atoms = (config.total_atoms.get() - atoms).into();
        let changes = vec![self.purse_changed(owner, &mint), self.config_changed(&mint)];
        let (at, owner) = (self.at, *owner);
        let destination = address(60, 1);
        self.tell(QuernEvent::Withdrawn(Withdrawn {
            at,
            owner,
            mint,
            destination,
            amount_atoms: atoms,
            changes,
        }));
    }

    pub fn claim(&mut self, owner: &Pubkey) {
        let provider = self.accounts.get_mut(owner).unwrap();
        let atoms = provider.rewards_accrued_atoms.get() - provider.rewards_claimed_atoms.get();
        provider.rewards_claimed_atoms = provider.rewards_accrued_atoms;
        let (at, owner, mint) = (self.at, *owner, self.mints[1]);
        self.emission.outstanding_atoms = (self.emission.outstanding_atoms.get() - atoms).into();
        let changes = vec![self.provider_changed(&owner), self.emission_changed()];
        self.tell(QuernEvent::RewardsClaimed(RewardsClaimed {
            at,
            owner,
            mint,
            amount_atoms: atoms,
            changes,
        }));
    }

    /// One job from creation to one of its possible ends; returns its address.
    #[expect(clippy::too_many_lines, reason = "one story, told in its order")]
    pub fn job(&mut self, assurance: u8) -> Pubkey {
        let mint = self.mints[0];
        let client = self.clients[self.dice.below(self.clients.len() as u64) as usize];
        let provider = self.providers[self.dice.below(self.providers.len() as u64) as usize];
        self.jobs += 1;
        let address = (self.naming)(70, self.jobs);
        let price = 1_000 + self.dice.below(1_000_000);
        let mut job = Job::zeroed();
        job.client = client;
        job.mint = mint;
        job.assurance = assurance;
        job.model = self.model;
        job.kind = 1;
        job.milestones = 1;
        job.items = 2u32.into();
        job.price_atoms = price.into();
        job.work = (assurance as u64 * 1_000_000).into();
        job.created_at = self.at.into();
        self.move_escrow(&client, price as i64);
        job.state = JobState::Open as u8;
        let changes = vec![
            job_changed(&mut job, &address),
            self.purse_changed(&client, &mint),
        ];
        let at = self.at;
        self.tell(QuernEvent::JobCreated(JobCreated {
            at,
            job: address,
            client,
            model: job.model,
            mint,
            escrow_atoms: price,
            input_uri: "file:///input".to_owned(),
            changes,
        }));
        let end = self.dice.below(10);
        if end == 0 {
            self.move_escrow(&client, -(price as i64));
            let changes = vec![
                job_closed(&mut job, &address),
                self.purse_changed(&client, &mint),
            ];
            let at = self.at;
            self.tell(QuernEvent::JobCancelled(JobCancelled {
                at,
                job: address,
                client,
                mint,
                released_atoms: price,
                changes,
            }));
            return address;
        }
        job.state = JobState::Taken as u8;
        job.provider = provider;
        let changes = vec![job_changed(&mut job, &address)];
        let at = self.at;
        self.tell(QuernEvent::JobTaken(JobTaken {
            at,
            job: address,
            provider,
            bond_atoms: 0,
            changes,
        }));
        if end == 1 {
            self.move_escrow(&client, -(price as i64));
            let changes = vec![
                job_closed(&mut job, &address),
                self.purse_changed(&client, &mint),
            ];
            let at = self.at;
            self.tell(QuernEvent::JobExpired(JobExpired {
                at,
                job: address,
                client,
                provider,
                mint,
                from_state: JobState::Taken as u8,
                penalty_atoms: 0,
                bond_released_atoms: 0,
                released_atoms: price,
                closed: true,
                changes,
            }));
            return address;
        }
        job.state = JobState::Submitted as u8;
        let changes = vec![job_changed(&mut job, &address)];
        let at = self.at;
        self.tell(QuernEvent::ResultSubmitted(ResultSubmitted {
            at,
            job: address,
            provider,
            milestone: 0,
            submission: 1,
            trace_root: [9; 32],
            tokens_root: [0; 32],
            output_uri: "file:///output".to_owned(),
            changes,
        }));
        if end == 2 && assurance == 2 {
            self.resolve(&address, job, provider, price, price / 100);
            return address;
        }
        self.settle(&address, &mut job, price, 0);
        address
    }

    /// A job that waits for a provider; returns its address.
    pub fn open_job(&mut self) -> Pubkey {
        const PRICE: u64 = 1_000;
        let (mint, client) = (self.mints[0], self.clients[0]);
        self.jobs += 1;
        let address = (self.naming)(70, self.jobs);
        let mut job = Job::zeroed();
        (job.client, job.mint, job.assurance, job.kind) = (client, mint, 1, 1);
        (job.state, job.milestones) = (JobState::Open as u8, 1);
        job.price_atoms = PRICE.into();
        self.move_escrow(&client, PRICE as i64);
        let changes = vec![
            job_changed(&mut job, &address),
            self.purse_changed(&client, &mint),
        ];
        let at = self.at;
        self.tell(QuernEvent::JobCreated(JobCreated {
            at,
            job: address,
            client,
            model: Pubkey::default(),
            mint,
            escrow_atoms: PRICE,
            input_uri: String::new(),
            changes,
        }));
        address
    }

    /// One job that is paid milestone by milestone; returns its address.
    pub fn job_of_milestones(&mut self, assurance: u8, milestones: u8) -> Pubkey {
        let mint = self.mints[0];
        let client = self.clients[self.dice.below(self.clients.len() as u64) as usize];
        let provider = self.providers[self.dice.below(self.providers.len() as u64) as usize];
        self.jobs += 1;
        let address = (self.naming)(70, self.jobs);
        let price = 1_000 + self.dice.below(1_000_000);
        let escrow = price * u64::from(milestones);
        let mut job = Job::zeroed();
        (job.client, job.mint, job.assurance, job.kind) = (client, mint, assurance, 1);
        (job.milestones, job.price_atoms) = (milestones, price.into());
        job.campaign = self.campaign;
        if self.campaign != Pubkey::default() {
            self.join_if_open(&provider);
        }
        job.work = (u64::from(assurance) * 1_000_000).into();
        self.move_escrow(&client, escrow as i64);
        job.state = JobState::Open as u8;
        let changes = vec![
            job_changed(&mut job, &address),
            self.purse_changed(&client, &mint),
        ];
        let at = self.at;
        self.tell(QuernEvent::JobCreated(JobCreated {
            at,
            job: address,
            client,
            model: Pubkey::default(),
            mint,
            escrow_atoms: escrow,
            input_uri: "file:///input".to_owned(),
            changes,
        }));
        (job.state, job.provider) = (JobState::Taken as u8, provider);
        let changes = vec![job_changed(&mut job, &address)];
        self.tell(QuernEvent::JobTaken(JobTaken {
            at,
            job: address,
            provider,
            bond_atoms: 0,
            changes,
        }));
        for milestone in 0..milestones {
            job.state = JobState::Submitted as u8;
            let changes = vec![job_changed(&mut job, &address)];
            self.tell(QuernEvent::ResultSubmitted(ResultSubmitted {
                at,
                job: address,
                provider,
                milestone,
                submission: u32::from(milestone) + 1,
                trace_root: [9; 32],
                tokens_root: [0; 32],
                output_uri: "file:///output".to_owned(),
                changes,
            }));
            self.settle(&address, &mut job, price, milestone);
        }
        address
    }

    /// Pays a milestone of a job; the last one closes it.
    fn settle(&mut self, address: &Pubkey, job: &mut Job, price: u64, milestone: u8) {
        let (client, mint, provider) = (job.client, job.mint, job.provider);
        let (fee, royalty) = (price / 100, price / 20);
        let earned = price - fee - royalty;
        // One incentive a job.
        let reward = match job.campaign == Pubkey::default() {
            true => fee / 2,
            false => 0,
        };
        let closed = milestone + 1 == job.milestones;
        job.state = JobState::Taken as u8;
        let (treasury, creator) = (self.treasury, self.creator);
        self.pay(&client, &treasury, fee);
        self.pay(&client, &creator, royalty);
        self.pay(&client, &provider, earned);
        let account = self.accounts.get_mut(&provider).unwrap();
        account.count_settled(job.assurance(), job.work.get());
        account.rewards_accrued_atoms = (account.rewards_accrued_atoms.get() + reward).into();
        self.emission.outstanding_atoms = (self.emission.outstanding_atoms.get() + reward).into();
        let (score, mut changes) = self.score(job, fee);
        changes.extend([
            match closed {
                true => job_closed(job, address),
                false => job_changed(job, address),
            },
            self.provider_changed(&provider),
            self.purse_changed(&client, &mint),
            self.purse_changed(&treasury, &mint),
            self.purse_changed(&creator, &mint),
            self.purse_changed(&provider, &mint),
        ]);
        if reward > 0 {
            changes.push(self.emission_changed());
        }
        let at = self.at;
        self.tell(QuernEvent::MilestoneSettled(MilestoneSettled {
            at,
            job: *address,
            client,
            provider,
            model: job.model,
            royalty_owner: creator,
            mint,
            campaign: job.campaign,
            assurance: job.assurance,
            kind: job.kind,
            milestone,
            accepted: job.assurance == 2,
            work: job.work.get(),
            price_atoms: price,
            fee_atoms: fee,
            royalty_atoms: royalty,
            provider_atoms: earned,
            reward_atoms: reward,
            bond_released_atoms: 0,
            closed,
            submitted_at: at,
            score,
            changes,
        }));
    }

    /// The arbiter gives half to each.
    fn resolve(&mut self, address: &Pubkey, mut job: Job, provider: Pubkey, price: u64, fee: u64) {
        let (client, mint, treasury) = (job.client, job.mint, self.treasury);
        let earned = price / 2 - fee;
        let back = price - price / 2;
        self.pay(&client, &treasury, fee);
        self.pay(&client, &provider, earned);
        self.move_escrow(&client, -(back as i64));
        let account = self.accounts.get_mut(&provider).unwrap();
        account.settled = (account.settled.get() + 1).into();
        let changes = vec![
            job_closed(&mut job, address),
            self.provider_changed(&provider),
            self.purse_changed(&client, &mint),
            self.purse_changed(&treasury, &mint),
            self.purse_changed(&provider, &mint),
        ];
        let at = self.at;
        self.tell(QuernEvent::JobResolved(JobResolved {
            at,
            job: *address,
            client,
            provider,
            arbiter: Pubkey::default(),
            mint,
            assurance: job.assurance,
            milestone: 0,
            silent: false,
            provider_prevails: true,
            price_atoms: price,
            arbiter_atoms: 0,
            fee_atoms: fee,
            royalty_atoms: 0,
            provider_atoms: earned,
            client_atoms: back,
            burn_atoms: 0,
            penalty_atoms: 0,
            deposit_atoms: 0,
            deposit_to_provider: false,
            bond_released_atoms: 0,
            released_atoms: 0,
            closed: true,
            changes,
        }));
    }

    /// A job whose provider cheats: one demand answered, one left open, convicted, settled, the demands closed.
    /// Returns its address, the watcher and both demands.
    #[expect(clippy::too_many_lines, reason = "one story, told in its order")]
    pub fn cheated_job(&mut self) -> (Pubkey, Pubkey, [Pubkey; 2]) {
        const PRICE: u64 = 1_000;
        const BOND: u64 = 2_000;
        let (mint, treasury, watcher) = (self.mints[0], self.treasury, address(90, 1));
        let (client, provider) = (self.clients[0], self.providers[0]);
        self.deposit(&provider, BOND);
        self.jobs += 1;
        let address = address(70, self.jobs);
        let mut job = Job::zeroed();
        (job.client, job.mint, job.assurance, job.kind) = (client, mint, 1, 1);
        job.milestones = 1;
        job.items = 2u32.into();
        job.price_atoms = PRICE.into();
        job.bond_atoms = BOND.into();
        job.created_at = self.at.into();
        job.state = JobState::Open as u8;
        self.move_escrow(&client, PRICE as i64);
        let changes = vec![
            job_changed(&mut job, &address),
            self.purse_changed(&client, &mint),
        ];
        let at = self.at;
        self.tell(QuernEvent::JobCreated(JobCreated {
            at,
            job: address,
            client,
            model: Pubkey::default(),
            mint,
            escrow_atoms: PRICE,
            input_uri: String::new(),
            changes,
        }));
        (job.state, job.provider) = (JobState::Taken as u8, provider);
        self.move_escrow(&provider, BOND as i64);
        let changes = vec![
            job_changed(&mut job, &address),
            self.purse_changed(&provider, &mint),
        ];
        let at = self.at;
        self.tell(QuernEvent::JobTaken(JobTaken {
            at,
            job: address,
            provider,
            bond_atoms: BOND,
            changes,
        }));
        (job.state, job.submissions) = (JobState::Submitted as u8, 1u32.into());
        let changes = vec![job_changed(&mut job, &address)];
        let at = self.at;
        self.tell(QuernEvent::ResultSubmitted(ResultSubmitted {
            at,
            job: address,
            provider,
            milestone: 0,
            submission: 1,
            trace_root: [9; 32],
            tokens_root: [0; 32],
            output_uri: String::new(),
            changes,
        }));
        let first = self.demanded(&mut job, &address, &watcher, (TRACE, 0));
        let second = self.demanded(&mut job, &address, &watcher, (1, 0));
        let (mut demands, places) = ([first.1, second.1], [first.0, second.0]);
        demands[0].answered = true.into();
        demands[0].answered_at = self.at.into();
        let changes = vec![
            job_changed(&mut job, &address),
            demand_changed(&mut demands[0], &places[0], false),
        ];
        let at = self.at;
        self.tell(QuernEvent::DemandAnswered(DemandAnswered {
            at,
            demand: places[0],
            job: address,
            revealer: provider,
            node_id: node(TRACE),
            fee_lamports: 10_000,
            answer: vec![0xab; 64],
            changes,
        }));
        job.state = JobState::Convicted as u8;
        job.conviction_reason = ConvictionReason::WrongCell as u8;
        job.prover = watcher;
        let changes = vec![job_changed(&mut job, &address)];
        let at = self.at;
        self.tell(QuernEvent::JobConvicted(JobConvicted {
            at,
            job: address,
            client,
            provider,
            prover: watcher,
            mint,
            submission: 1,
            conviction: Conviction::WrongCell {
                op: 1,
                row: 3,
                col: 4,
                at: 5,
            },
            changes,
        }));
        self.move_escrow(&client, -(PRICE as i64));
        for (to, share) in [(watcher, 800), (client, 400), (treasury, 800)] {
            self.pay(&provider, &to, share);
        }
        let account = self.accounts.get_mut(&provider).unwrap();
        account.convicted = (account.convicted.get() + 1).into();
        let changes = vec![
            job_closed(&mut job, &address),
            self.provider_changed(&provider),
            self.purse_changed(&client, &mint),
            self.purse_changed(&provider, &mint),
            self.purse_changed(&watcher, &mint),
            self.purse_changed(&treasury, &mint),
        ];
        let at = self.at;
        self.tell(QuernEvent::ConvictionSettled(ConvictionSettled {
            at,
            job: address,
            client,
            provider,
            prover: watcher,
            mint,
            reason: ConvictionReason::WrongCell as u8,
            released_atoms: PRICE,
            prover_atoms: 800,
            client_atoms: 400,
            treasury_atoms: 800,
            changes,
        }));
        // The second one stays.
        let changes = vec![demand_changed(&mut demands[0], &places[0], true)];
        let at = self.at;
        self.tell(QuernEvent::DemandClosed(DemandClosed {
            at,
            demand: places[0],
            job: address,
            opener: watcher,
            changes,
        }));
        (address, watcher, places)
    }

    fn demanded(
        &mut self,
        job: &mut Job,
        job_address: &Pubkey,
        opener: &Pubkey,
        (tree, index): (u16, u64),
    ) -> (Pubkey, Demand) {
        let mut demand = Demand::zeroed();
        (demand.job, demand.opener, demand.tree) = (*job_address, *opener, tree.into());
        demand.submission = 1u32.into();
        demand.index = index.into();
        demand.node = [tree as u8; 32];
        demand.fee_lamports = 10_000u64.into();
        demand.due = (self.at + 3_600).into();
        let place = address(91, index << 32 | self.jobs << 16 | u64::from(tree));
        job.open_demands = (job.open_demands.get() + 1).into();
        let changes = vec![
            job_changed(job, job_address),
            demand_changed(&mut demand, &place, false),
        ];
        let at = self.at;
        self.tell(QuernEvent::DemandOpened(DemandOpened {
            at,
            demand: place,
            job: *job_address,
            provider: job.provider,
            opener: *opener,
            submission: 1,
            node_id: node(tree),
            node: demand.node,
            due: demand.due.get(),
            fee_lamports: 10_000,
            changes,
        }));
        (place, demand)
    }

    /// A job of which a part of every list of it is many: demands, and submissions of as many milestones.
    pub fn long_job(&mut self, demands: u64, submissions: u32) -> Pubkey {
        let (mint, client, provider) = (self.mints[0], self.clients[0], self.providers[0]);
        self.jobs += 1;
        let address = address(70, self.jobs);
        let mut job = Job::zeroed();
        (job.client, job.mint, job.assurance, job.kind) = (client, mint, 1, 1);
        (job.state, job.provider) = (JobState::Submitted as u8, provider);
        let changes = vec![job_changed(&mut job, &address)];
        let at = self.at;
        self.tell(QuernEvent::JobCreated(JobCreated {
            at,
            job: address,
            client,
            model: Pubkey::default(),
            mint,
            escrow_atoms: 0,
            input_uri: "file:///long".to_owned(),
            changes,
        }));
        for submission in 1..=submissions {
            job.submissions = submission.into();
            let changes = vec![job_changed(&mut job, &address)];
            let at = self.at;
            self.tell(QuernEvent::ResultSubmitted(ResultSubmitted {
                at,
                job: address,
                provider,
                milestone: 0,
                submission,
                trace_root: [submission as u8; 32],
                tokens_root: [submission as u8 - 1; 32],
                output_uri: format!("file:///output-{submission}"),
                changes,
            }));
        }
        for index in 0..demands {
            self.demanded(&mut job, &address, &client, (TRACE, index));
        }
        address
    }

    /// This many more providers, the first one with a name that hides what it is.
    pub fn crowd_of_providers(&mut self, count: u64) {
        for n in 0..count {
            let owner = (self.naming)(21, n);
            let mut provider = Provider::zeroed();
            provider.owner = owner;
            let name = if n == 0 { HIDING_NAME } else { "one of many" };
            provider.name[..name.len()].copy_from_slice(name.as_bytes());
            self.accounts.insert(owner, provider);
            let change = self.provider_changed(&owner);
            let at = self.at;
            self.tell(QuernEvent::ProviderRegistered(ProviderRegistered {
                at,
                owner,
                endpoint: "http://many.example".to_owned(),
                changes: vec![change],
            }));
            self.providers.push(owner);
        }
    }

    /// A history with this many jobs, some withdrawals and claims, and one convicted provider.
    pub fn lived(seed: u64, jobs: u64) -> Self {
        let mut history = Self::new(seed);
        for n in 0..jobs {
            history.job(1 + (n % 2) as u8);
        }
        for owner in history.providers.clone() {
            history.claim(&owner);
            let free = history
                .purse(&owner, &history.mints[0].clone())
                .free_atoms
                .get();
            history.withdraw(&owner, free / 2);
        }
        history.cheated_job();
        history.campaigns();
        history
    }

    /// Where the only model is.
    pub fn model_address() -> Pubkey {
        address(82, 1)
    }

    /// A model, an emission with funds, and a job that was paid as the program's rules say: price 100,003, 3% fee, 5% royalty, half
    /// an atom of reward for an atom of fee. Returns the job.
    #[expect(clippy::too_many_lines, reason = "one story, told in its order")]
    pub fn paid_by_rules(&mut self) -> Pubkey {
        const PRICE: u64 = 100_003;
        let [mint, reward_mint] = [self.mints[0], self.mints[1]];
        let (client, provider) = (self.clients[0], self.providers[0]);
        let (creator, treasury) = (self.creator, self.treasury);
        let (model_address, emission) = (Self::model_address(), address(80, 1));
        let mut model = Model::zeroed();
        (model.creator, model.owner) = (creator, creator);
        (model.kind, model.active) = (1, true.into());
        model.name[..5].copy_from_slice(b"Model");
        model.royalty_bps = 500u16.into();
        model.seq = 1u64.into();
        let change = Change {
            kind: EntityKind::Model as u8,
            address: model_address,
            seq: 1,
            after: bytemuck::bytes_of(&model).to_vec(),
        };
        let at = self.at;
        self.tell(QuernEvent::ModelRegistered(ModelRegistered {
            at,
            creator,
            id: 1,
            uri: "https://model.example/".to_owned(),
            changes: vec![change],
        }));
        self.purse(&emission, &reward_mint).free_atoms = 1_000_000u64.into();
        let config = self.configs.get_mut(&reward_mint).unwrap();
        config.total_atoms = (config.total_atoms.get() + 1_000_000).into();
        let changes = vec![
            self.purse_changed(&emission, &reward_mint),
            self.config_changed(&reward_mint),
        ];
        let at = self.at;
        self.tell(QuernEvent::Deposited(Deposited {
            at,
            owner: emission,
            mint: reward_mint,
            depositor: creator,
            amount_atoms: 1_000_000,
            changes,
        }));
        self.emission.cap_atoms = 10_000u64.into();
        self.emission.next_cap_atoms = 10_000u64.into();
        self.emission.epoch_secs = 86_400u32.into();
        self.emission.epoch_index = (self.at as u64 / 86_400).into();
        let change = self.emission_changed();
        let at = self.at;
        self.tell(QuernEvent::EmissionConfigured(EmissionConfigured {
            at,
            changes: vec![change],
        }));
        self.jobs += 1;
        let address = address(70, self.jobs);
        let mut job = Job::zeroed();
        (job.client, job.mint, job.model) = (client, mint, model_address);
        (job.assurance, job.kind, job.milestones) = (1, 1, 1);
        job.royalty_owner = creator;
        job.price_atoms = PRICE.into();
        job.work = 5_000u64.into();
        job.terms.fee_bps = 300u16.into();
        job.royalty_bps = 500u16.into();
        job.reward_rate_e9 = 500_000_000u64.into();
        job.reward_weight_bps = 10_000u16.into();
        job.state = JobState::Open as u8;
        self.move_escrow(&client, PRICE as i64);
        let changes = vec![
            job_changed(&mut job, &address),
            self.purse_changed(&client, &mint),
        ];
        let at = self.at;
        self.tell(QuernEvent::JobCreated(JobCreated {
            at,
            job: address,
            client,
            model: model_address,
            mint,
            escrow_atoms: PRICE,
            input_uri: "file:///input".to_owned(),
            changes,
        }));
        (job.state, job.provider) = (JobState::Taken as u8, provider);
        let changes = vec![job_changed(&mut job, &address)];
        let at = self.at;
        self.tell(QuernEvent::JobTaken(JobTaken {
            at,
            job: address,
            provider,
            bond_atoms: 0,
            changes,
        }));
        job.state = JobState::Submitted as u8;
        let changes = vec![job_changed(&mut job, &address)];
        let at = self.at;
        self.tell(QuernEvent::ResultSubmitted(ResultSubmitted {
            at,
            job: address,
            provider,
            milestone: 0,
            submission: 1,
            trace_root: [9; 32],
            tokens_root: [0; 32],
            output_uri: "file:///output".to_owned(),
            changes,
        }));
        let (fee, royalty, earned, reward) = (3_000, 5_000, 92_003, 1_500);
        self.pay(&client, &treasury, fee);
        self.pay(&client, &creator, royalty);
        self.pay(&client, &provider, earned);
        let account = self.accounts.get_mut(&provider).unwrap();
        account.settled = (account.settled.get() + 1).into();
        account.rewards_accrued_atoms = (account.rewards_accrued_atoms.get() + reward).into();
        let purse = self.purse(&emission, &reward_mint);
        purse.free_atoms = (purse.free_atoms.get() - reward).into();
        purse.reserved_atoms = (purse.reserved_atoms.get() + reward).into();
        self.emission.spent_atoms = (self.emission.spent_atoms.get() + reward).into();
        self.emission.outstanding_atoms = (self.emission.outstanding_atoms.get() + reward).into();
        let changes = vec![
            job_closed(&mut job, &address),
            self.provider_changed(&provider),
            self.purse_changed(&client, &mint),
            self.purse_changed(&treasury, &mint),
            self.purse_changed(&creator, &mint),
            self.purse_changed(&provider, &mint),
            self.purse_changed(&emission, &reward_mint),
            self.emission_changed(),
        ];
        let at = self.at;
        self.tell(QuernEvent::MilestoneSettled(MilestoneSettled {
            at,
            job: address,
            client,
            provider,
            model: model_address,
            royalty_owner: creator,
            mint,
            campaign: Pubkey::default(),
            assurance: 1,
            kind: 1,
            milestone: 0,
            accepted: false,
            work: 5_000,
            price_atoms: PRICE,
            fee_atoms: fee,
            royalty_atoms: royalty,
            provider_atoms: earned,
            reward_atoms: reward,
            bond_released_atoms: 0,
            closed: true,
            submitted_at: at,
            score: 0,
            changes,
        }));
        address
    }

    fn purse(&mut self, owner: &Pubkey, mint: &Pubkey) -> &mut Purse {
        self.purses.entry((*owner, *mint)).or_insert_with(|| {
            let mut purse = Purse::zeroed();
            purse.owner = *owner;
            purse.mint = *mint;
            purse
        })
    }

    pub fn purse_address(owner: &Pubkey) -> Pubkey {
        let mut bytes = owner.to_bytes();
        bytes[31] = 99;
        Pubkey::new_from_array(bytes)
    }

    pub fn provider_address(owner: &Pubkey) -> Pubkey {
        let mut bytes = owner.to_bytes();
        bytes[31] = 98;
        Pubkey::new_from_array(bytes)
    }

    /// Free and reserved atoms.
    pub fn balance(&mut self, owner: &Pubkey) -> (u64, u64) {
        let mint = self.mints[0];
        let purse = self.purse(owner, &mint);
        (purse.free_atoms.get(), purse.reserved_atoms.get())
    }

    fn move_escrow(&mut self, client: &Pubkey, atoms: i64) {
        let mint = self.mints[0];
        let purse = self.purse(client, &mint);
        purse.free_atoms = purse
            .free_atoms
            .get()
            .checked_add_signed(-atoms)
            .unwrap()
            .into();
        purse.reserved_atoms = purse
            .reserved_atoms
            .get()
            .checked_add_signed(atoms)
            .unwrap()
            .into();
    }

    fn pay(&mut self, client: &Pubkey, to: &Pubkey, atoms: u64) {
        let mint = self.mints[0];
        let purse = self.purse(client, &mint);
        purse.reserved_atoms = (purse.reserved_atoms.get() - atoms).into();
        let purse = self.purse(to, &mint);
        purse.free_atoms = (purse.free_atoms.get() + atoms).into();
    }

    fn purse_changed(&mut self, owner: &Pubkey, mint: &Pubkey) -> Change {
        let address = Self::purse_address(owner);
        let purse = self.purse(owner, mint);
        let seq = purse.seq.get() + 1;
        purse.seq = seq.into();
        Change {
            kind: EntityKind::Purse as u8,
            address,
            seq,
            after: bytemuck::bytes_of(purse).to_vec(),
        }
    }

    fn provider_changed(&mut self, owner: &Pubkey) -> Change {
        let provider = self.accounts.get_mut(owner).unwrap();
        let seq = provider.seq.get() + 1;
        provider.seq = seq.into();
        let after = bytemuck::bytes_of(provider).to_vec();
        Change {
            kind: EntityKind::Provider as u8,
            address: Self::provider_address(owner),
            seq,
            after,
        }
    }

    fn config_changed(&mut self, mint: &Pubkey) -> Change {
        let config = self.configs.get_mut(mint).unwrap();
        let seq = config.seq.get() + 1;
        config.seq = seq.into();
        let after = bytemuck::bytes_of(config).to_vec();
        Change {
            kind: EntityKind::MintConfig as u8,
            address: Self::purse_address(mint),
            seq,
            after,
        }
    }

    fn emission_changed(&mut self) -> Change {
        let seq = self.emission.seq.get() + 1;
        self.emission.seq = seq.into();
        let after = bytemuck::bytes_of(&self.emission).to_vec();
        Change {
            kind: EntityKind::Emission as u8,
            address: address(80, 1),
            seq,
            after,
        }
    }
}

/// What every history begins with.
fn initialized() -> Event {
    let mut protocol = Protocol::zeroed();
    protocol.seq = 1u64.into();
    let change = Change {
        kind: EntityKind::Protocol as u8,
        address: address(81, 1),
        seq: 1,
        after: bytemuck::bytes_of(&protocol).to_vec(),
    };
    Event {
        id: EventId {
            signature: Signature([5; 64]),
            instruction: 0,
            inner: 0,
        },
        slot: 1_000,
        body: QuernEvent::ProtocolInitialized(ProtocolInitialized {
            at: START,
            changes: vec![change],
        }),
    }
}

fn job_changed(job: &mut Job, address: &Pubkey) -> Change {
    let seq = job.seq.get() + 1;
    job.seq = seq.into();
    Change {
        kind: EntityKind::Job as u8,
        address: *address,
        seq,
        after: bytemuck::bytes_of(job).to_vec(),
    }
}

fn job_closed(job: &mut Job, address: &Pubkey) -> Change {
    let seq = job.seq.get() + 1;
    job.seq = seq.into();
    Change {
        kind: EntityKind::Job as u8,
        address: *address,
        seq,
        after: Vec::new(),
    }
}

fn demand_changed(demand: &mut Demand, address: &Pubkey, closed: bool) -> Change {
    let seq = demand.seq.get() + 1;
    demand.seq = seq.into();
    let after = if closed {
        Vec::new()
    } else {
        bytemuck::bytes_of(demand).to_vec()
    };
    Change {
        kind: EntityKind::Demand as u8,
        address: *address,
        seq,
        after,
    }
}

/// How a transaction deviates from an honest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    None,
    /// The inner call is to another program.
    OtherProgram,
    /// The transaction failed.
    Failed,
    /// The first account of the inner call is not the event authority.
    WrongAuthority,
    /// The inner call has no accounts.
    NoAuthority,
    /// The event tag is missing.
    NoTag,
    /// The bytes stand in a log line only.
    LogOnly,
}

/// A `getTransaction` reply that carries one event.
pub fn reply(event: &Event, forgery: Forgery) -> Value {
    reply_with(event, forgery, &event.body.encode())
}

/// The same with other bytes behind the tag.
pub fn reply_with(event: &Event, forgery: Forgery, body: &[u8]) -> Value {
    static AUTHORITY: LazyLock<Pubkey> =
        LazyLock::new(|| Pubkey::find_program_address(&[b"__event_authority"], &quern::ID).0);
    let data = match forgery {
        Forgery::NoTag => body.to_vec(),
        _ => [&EVENT_TAG[..], body].concat(),
    };
    // 0 payer, 1 program, 2 event authority, 3 another program.
    let (program_index, accounts) = match forgery {
        Forgery::OtherProgram => (3, vec![2]),
        Forgery::WrongAuthority => (1, vec![0]),
        Forgery::NoAuthority => (1, vec![]),
        _ => (1, vec![2]),
    };
    let data = base58(&data);
    let inner = json!({ "programIdIndex": program_index, "accounts": accounts, "data": data, "stackHeight": 2 });
    let filler = json!({ "programIdIndex": 3, "accounts": [], "data": "", "stackHeight": 2 });
    let mut instructions = vec![filler; event.id.inner as usize];
    let mut logs = Vec::new();
    if forgery == Forgery::LogOnly {
        logs.push(format!("Program data: {data}"));
    } else {
        instructions.push(inner);
    }
    let error = if forgery == Forgery::Failed {
        json!({ "InstructionError": [0, { "Custom": 1 }] })
    } else {
        Value::Null
    };
    let status = if forgery == Forgery::Failed {
        json!({ "Err": error })
    } else {
        json!({ "Ok": null })
    };
    json!({
        "slot": event.slot,
        "blockTime": event.body.at(),
        "version": "legacy",
        "transaction": {
            "signatures": [event.id.signature.to_string()],
            "message": {
                "header": { "numRequiredSignatures": 1, "numReadonlySignedAccounts": 0, "numReadonlyUnsignedAccounts": 3 },
                "accountKeys": [address(1, 1).to_string(), quern::ID.to_string(), AUTHORITY.to_string(), address(2, 2).to_string()],
                "recentBlockhash": address(3, 3).to_string(),
                "instructions": [{ "programIdIndex": 1, "accounts": [0], "data": "", "stackHeight": 1 }],
            },
        },
        "meta": {
            "err": error,
            "status": status,
            "fee": 5000,
            "preBalances": [0, 0, 0, 0],
            "postBalances": [0, 0, 0, 0],
            "innerInstructions": [{ "index": 0, "instructions": instructions }],
            "logMessages": logs,
            "preTokenBalances": [],
            "postTokenBalances": [],
            "rewards": [],
            "loadedAddresses": { "writable": [], "readonly": [] },
            "computeUnitsConsumed": 1000,
        },
    })
}

/// Base58, the bytes as one large number: `bs58` takes half a millisecond for an event.
fn base58(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = match bytes.len() > zeros {
        true => BigUint::from_bytes_be(bytes).to_radix_be(58),
        false => Vec::new(),
    };
    let digits = std::iter::repeat_n(0, zeros).chain(digits);
    digits
        .map(|digit| char::from(ALPHABET[usize::from(digit)]))
        .collect()
}

/// A recording of these events, one transaction each.
pub fn recording(events: &[Event]) -> String {
    events
        .iter()
        .map(|event| format!("{}\n", reply(event, Forgery::None)))
        .collect()
}
