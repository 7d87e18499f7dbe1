//! The demo's own bookkeeping: every purse, vault and wallet and every sum, computed from what the events *say* happened
//! (amounts and parties), never from the balances that they carry. The audit compares it with the chain and the indexer.

use {
    super::{chronicle::Entry, stage::Stage},
    anyhow::{Context, Result, ensure},
    quern_api::Category,
    quern_client::{
        Pubkey, Signer, addresses,
        instructions::NOBODY,
        quern::{
            events::QuernEvent,
            state::{ConvictionReason, JobState},
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
    /// Multiply-accumulates of settled milestones.
    pub macs: u64,
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

/// What the events leave to context.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Whose purses get the fees.
    pub treasury: Pubkey,
    /// What rewards are paid in.
    pub reward_mint: Pubkey,
    /// The token program of all mints.
    pub token_program: Pubkey,
}

/// What later events of a job do not repeat.
#[derive(Clone, Copy)]
struct Known {
    client: Pubkey,
    mint: Pubkey,
    royalty_owner: Pubkey,
    bond_atoms: u64,
}

impl Ledger {
    /// Books everything that happened on a stage so far.
    ///
    /// # Errors
    /// As [`Ledger::replay`].
    pub fn of(stage: &Stage) -> Result<Self> {
        let setting = Setting {
            treasury: stage.treasury.pubkey(),
            reward_mint: stage.reward.address,
            token_program: stage.payment.token_program,
        };
        Self::replay(&stage.chronicle.entries(), &setting)
    }

    /// Books all events.
    ///
    /// # Errors
    /// An event about a job, a model or a demand that no event created, or one that cannot follow the others.
    pub fn replay(entries: &[Entry], context: &Setting) -> Result<Self> {
        let mut ledger = Self::default();
        let mut jobs: BTreeMap<Pubkey, Known> = BTreeMap::new();
        let mut models: BTreeMap<Pubkey, Pubkey> = BTreeMap::from([(NOBODY, NOBODY)]);
        let mut convicted: BTreeMap<Pubkey, (Pubkey, ConvictionReason)> = BTreeMap::new();
        for entry in entries {
            *ledger.events.entry(entry.event.name()).or_default() += 1;
            match &entry.event {
                QuernEvent::ModelRegistered(event) => {
                    models.insert(addresses::model(&event.creator, event.id), event.creator);
                }
                QuernEvent::ModelOwnerAccepted(event) => {
                    models.insert(event.model, event.owner);
                }
                QuernEvent::JobCreated(event) => {
                    let royalty_owner = *models
                        .get(&event.model)
                        .context("a job uses a model that no event registered")?;
                    jobs.insert(
                        event.job,
                        Known {
                            client: event.client,
                            mint: event.mint,
                            royalty_owner,
                            bond_atoms: 0,
                        },
                    );
                }
                QuernEvent::JobTaken(event) => {
                    if let Some(job) = jobs.get_mut(&event.job) {
                        job.bond_atoms = event.bond_atoms;
                    }
                }
                QuernEvent::JobConvicted(event) => {
                    let sentence = (event.prover, event.conviction.reason());
                    ensure!(
                        convicted.insert(event.job, sentence).is_none(),
                        "a job was convicted twice"
                    );
                }
                QuernEvent::ConvictionSettled(event) => ensure!(
                    convicted.get(&event.job) == Some(&(event.prover, event.reason())),
                    "a conviction was paid out otherwise than it was recorded"
                ),
                _ => {}
            }
            let known = |job: &Pubkey| {
                jobs.get(job)
                    .copied()
                    .context("an event is about a job that no event created")
            };
            ledger.book(&entry.event, context, &known)?;
        }
        Ok(ledger)
    }

    fn book(
        &mut self,
        event: &QuernEvent,
        context: &Setting,
        known: &dyn Fn(&Pubkey) -> Result<Known>,
    ) -> Result<()> {
        match event {
            QuernEvent::PurseOpened(event) => {
                self.purses.entry((event.owner, event.mint)).or_default();
            }
            QuernEvent::Deposited(event) => {
                let atoms = i128::from(event.amount_atoms);
                self.free(&event.owner, &event.mint, atoms);
                *self.vaults.entry(event.mint).or_default() += atoms;
                let wallet =
                    addresses::token_account(&event.depositor, &event.mint, &context.token_program);
                *self.wallets.entry(wallet).or_default() -= atoms;
                self.add(Category::Deposited, 0, &event.mint, atoms);
            }
            QuernEvent::Withdrawn(event) => {
                let atoms = i128::from(event.amount_atoms);
                self.free(&event.owner, &event.mint, -atoms);
                *self.vaults.entry(event.mint).or_default() -= atoms;
                *self.wallets.entry(event.destination).or_default() += atoms;
                self.add(Category::Withdrawn, 0, &event.mint, atoms);
            }
            QuernEvent::RewardsClaimed(event) => {
                let atoms = i128::from(event.amount_atoms);
                self.reserved(&addresses::emission(), &event.mint, -atoms);
                self.free(&event.owner, &event.mint, atoms);
                self.counters.entry(event.owner).or_default().claimed_atoms += atoms;
                self.add(Category::RewardsClaimed, 0, &event.mint, atoms);
            }
            QuernEvent::JobCreated(event) => {
                let atoms = i128::from(event.escrow_atoms);
                self.reserve(&event.client, &event.mint, atoms);
                self.add(Category::Escrowed, 0, &event.mint, atoms);
            }
            QuernEvent::JobCancelled(event) => {
                let atoms = i128::from(event.released_atoms);
                self.reserve(&event.client, &event.mint, -atoms);
                self.add(Category::Refunds, 0, &event.mint, atoms);
            }
            QuernEvent::JobTaken(event) => {
                let (mint, atoms) = (known(&event.job)?.mint, i128::from(event.bond_atoms));
                self.reserve(&event.provider, &mint, atoms);
                self.counters.entry(event.provider).or_default().taken += 1;
                self.add(Category::Bonded, 0, &mint, atoms);
            }
            QuernEvent::MilestoneSettled(event) => {
                let mint = &event.mint;
                let [price, fee, royalty, earned, reward] = [
                    event.price_atoms,
                    event.fee_atoms,
                    event.royalty_atoms,
                    event.provider_atoms,
                    event.reward_atoms,
                ]
                .map(i128::from);
                self.reserved(&event.client, mint, -price);
                self.free(&context.treasury, mint, fee);
                self.free(&event.royalty_owner, mint, royalty);
                self.free(&event.provider, mint, earned);
                self.reserve(
                    &event.provider,
                    mint,
                    -i128::from(event.bond_released_atoms),
                );
                self.reserve(&addresses::emission(), &context.reward_mint, reward);
                let score = self
                    .scores
                    .entry((event.provider, event.assurance))
                    .or_default();
                score.milestones += 1;
                score.macs += event.macs;
                score.earned_atoms += earned;
                score.reward_atoms += reward;
                self.counters.entry(event.provider).or_default().settled += 1;
                self.jobs_settled += u64::from(event.closed);
                let parts = [
                    (Category::Settled, price),
                    (Category::Earnings, earned),
                    (Category::Royalties, royalty),
                    (Category::Fees, fee),
                ];
                parts.iter().for_each(|(category, atoms)| {
                    self.add(*category, event.assurance, mint, *atoms)
                });
                if reward > 0 {
                    self.add(
                        Category::Rewards,
                        event.assurance,
                        &context.reward_mint,
                        reward,
                    );
                }
            }
            QuernEvent::JobRejected(event) => {
                let (mint, atoms) = (known(&event.job)?.mint, i128::from(event.deposit_atoms));
                self.reserve(&event.client, &mint, atoms);
                self.add(Category::RejectDeposits, 0, &mint, atoms);
            }
            QuernEvent::JobResolved(event) => {
                let (mint, job) = (&event.mint, known(&event.job)?);
                let [
                    arbiter,
                    fee,
                    royalty,
                    earned,
                    back,
                    burnt,
                    penalty,
                    deposit,
                    released,
                ] = [
                    event.arbiter_atoms,
                    event.fee_atoms,
                    event.royalty_atoms,
                    event.provider_atoms,
                    event.client_atoms,
                    event.burn_atoms,
                    event.penalty_atoms,
                    event.deposit_atoms,
                    event.released_atoms,
                ]
                .map(i128::from);
                self.reserved(&job.client, mint, -i128::from(event.price_atoms));
                self.free(&event.arbiter, mint, arbiter);
                self.free(&context.treasury, mint, fee);
                self.free(&job.royalty_owner, mint, royalty);
                self.free(&event.provider, mint, earned);
                self.free(&job.client, mint, back);
                self.free(&addresses::burn_owner(), mint, burnt);
                self.take_penalty(&event.provider, &job.client, mint, penalty);
                self.reserved(&job.client, mint, -deposit);
                let deposit_to = if event.deposit_to_provider {
                    event.provider
                } else {
                    job.client
                };
                self.free(&deposit_to, mint, deposit);
                self.reserve(
                    &event.provider,
                    mint,
                    -i128::from(event.bond_released_atoms),
                );
                self.reserve(&job.client, mint, -released);
                let stands = event.provider_prevails && !event.silent;
                let score = self
                    .scores
                    .entry((event.provider, event.assurance))
                    .or_default();
                score.earned_atoms += earned;
                score.milestones += u64::from(stands);
                self.counters.entry(event.provider).or_default().settled += u64::from(stands);
                let parts = [
                    (Category::Resolved, event.price_atoms.into()),
                    (Category::Earnings, earned),
                    (Category::Royalties, royalty),
                    (Category::Fees, fee),
                    (Category::Arbiters, arbiter),
                    (Category::Burnt, burnt),
                    (Category::Refunds, back + released),
                    (Category::Penalties, penalty),
                    (
                        Category::RejectDepositsLost,
                        if event.deposit_to_provider {
                            deposit
                        } else {
                            0
                        },
                    ),
                ];
                parts.iter().for_each(|(category, atoms)| {
                    self.add(*category, event.assurance, mint, *atoms)
                });
            }
            QuernEvent::JobExpired(event) => {
                let (mint, penalty) = (&event.mint, i128::from(event.penalty_atoms));
                if event.from_state() == JobState::Taken {
                    self.take_penalty(&event.provider, &event.client, mint, penalty);
                    self.reserve(
                        &event.provider,
                        mint,
                        -i128::from(event.bond_released_atoms),
                    );
                    self.counters.entry(event.provider).or_default().late += 1;
                }
                let released = i128::from(event.released_atoms);
                self.reserve(&event.client, mint, -released);
                self.add(Category::Refunds, 0, mint, released);
                self.add(Category::Penalties, 0, mint, penalty);
            }
            QuernEvent::ConvictionSettled(event) => {
                let mint = &event.mint;
                let [released, prover, client, treasury] = [
                    event.released_atoms,
                    event.prover_atoms,
                    event.client_atoms,
                    event.treasury_atoms,
                ]
                .map(i128::from);
                self.reserve(&event.client, mint, -released);
                self.reserved(&event.provider, mint, -(prover + client + treasury));
                self.free(&event.prover, mint, prover);
                self.free(&event.client, mint, client);
                self.free(&context.treasury, mint, treasury);
                self.counters.entry(event.provider).or_default().convicted += 1;
                let slash = Slash {
                    prover: event.prover,
                    reason: event.reason,
                    bond_atoms: known(&event.job)?.bond_atoms.into(),
                };
                self.slashes.insert(event.job, slash);
                let parts = [
                    (Category::Refunds, released),
                    (Category::SlashedToProvers, prover),
                    (Category::SlashedToClients, client),
                    (Category::SlashedToTreasury, treasury),
                ];
                parts
                    .iter()
                    .for_each(|(category, atoms)| self.add(*category, 0, mint, *atoms));
            }
            QuernEvent::DemandOpened(event) => {
                let asked = OpenedDemand {
                    job: event.job,
                    opener: event.opener,
                    fee_lamports: event.fee_lamports,
                    answered: false,
                    closed: false,
                };
                ensure!(
                    self.demands.insert(event.demand, asked).is_none(),
                    "a demand was asked twice"
                );
            }
            QuernEvent::DemandAnswered(event) => {
                let asked = self.asked(&event.demand)?;
                ensure!(!asked.answered, "a demand was answered twice");
                asked.answered = true;
            }
            QuernEvent::DemandClosed(event) => {
                let asked = self.asked(&event.demand)?;
                ensure!(!asked.closed, "a demand was closed twice");
                asked.closed = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn asked(&mut self, demand: &Pubkey) -> Result<&mut OpenedDemand> {
        self.demands
            .get_mut(demand)
            .context("an event is about a demand that no event opened")
    }

    /// Moves a part of a bond to a client.
    fn take_penalty(&mut self, provider: &Pubkey, client: &Pubkey, mint: &Pubkey, atoms: i128) {
        self.reserved(provider, mint, -atoms);
        self.free(client, mint, atoms);
        self.counters.entry(*provider).or_default().penalty_atoms += atoms;
    }

    fn free(&mut self, owner: &Pubkey, mint: &Pubkey, atoms: i128) {
        // A part of nothing is paid to nobody.
        if atoms != 0 {
            self.purses.entry((*owner, *mint)).or_default().free_atoms += atoms;
        }
    }

    fn reserved(&mut self, owner: &Pubkey, mint: &Pubkey, atoms: i128) {
        if atoms != 0 {
            self.purses
                .entry((*owner, *mint))
                .or_default()
                .reserved_atoms += atoms;
        }
    }

    /// From free to reserved; a negative amount releases.
    fn reserve(&mut self, owner: &Pubkey, mint: &Pubkey, atoms: i128) {
        self.free(owner, mint, -atoms);
        self.reserved(owner, mint, atoms);
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
