//! Random sequences of all instructions by a few wallets in coinciding roles, with time jumps and restarts, on the bytecode.
//!
//! The harness asserts P1 to P6, P9, P10 and P12 after every transaction and keeps an independent ledger; here every sequence
//! ends with strangers who bring each live job to its end (P8) and with everybody withdrawing everything (P3, P11).
//!
//! Providers commit to right results, wrong values, bad padding or to nothing at all; only the wrong ones are ever convicted (P7).
//!
//! What was signed is kept, and executed later, again and in another order, by stolen operators' keys too (P16, P17).
//!
//! A run takes `QUERN_FUZZ_SECS` seconds (60), or exactly `QUERN_FUZZ_STEPS` steps from `QUERN_FUZZ_SEED` (1) on. A failure prints
//! the seed of its sequence and its last steps.

mod campaigns;
mod late;

use {
    late::{Drawer, Operators, Signed},
    quern::{
        constants::NOBODY,
        error::QuernError,
        events::QuernEvent,
        instructions::{
            Decision, EmissionSettings, MintSettings, ModelSettings, NewJob, ProviderSettings,
            Submission,
        },
        state::{
            ConvictionReason, Demand, Emission, Job, JobState, MintConfig, MintRates, Model,
            ProtocolSettings, Provider, Purse,
        },
    },
    quern_proof::{
        Operand, Tensor,
        demand::{self, NodeId, Parent, Tree},
        evidence::Charge,
    },
    quern_testkit::svm::{referee::Claim, *},
    solana_sdk::{
        instruction::{Instruction, InstructionError},
        pubkey::Pubkey,
        transaction::TransactionError,
    },
    std::{
        collections::BTreeMap,
        time::{Duration, Instant},
    },
};

/// Steps of one sequence.
const SEQUENCE: u64 = 250;

/// One sequence.
struct Fuzz {
    seed: u64,
    rng: Rng,
    stage: Stage,
    wallets: Vec<Pubkey>,
    trace: Vec<String>,
    next_model: u64,
    mints: Vec<Pubkey>,
    /// What providers have committed to, by trace root, and what is wrong with it.
    claims: BTreeMap<[u8; 32], (Claim, Option<Charge>)>,
    evidence: Vec<Written>,
    drawer: Drawer,
    operators: Operators,
}

/// An evidence account, and what was written into it.
#[derive(Clone, Copy)]
struct Written {
    address: Pubkey,
    author: Pubkey,
    job: Pubkey,
    charge: Charge,
}

/// What a run has seen, so that it cannot be vacuous.
#[derive(Default)]
struct Seen {
    events: BTreeMap<&'static str, u64>,
    sent: u64,
    refused: BTreeMap<(&'static str, String), u64>,
    totals: Totals,
    /// What operators lost.
    operators_lost_atoms: u64,
}

impl Drop for Fuzz {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let from = self.trace.len().saturating_sub(25);
            eprintln!(
                "QUERN_FUZZ_SEED={} QUERN_FUZZ_STEPS={SEQUENCE} repeats this; the last steps:",
                self.seed
            );
            for line in &self.trace[from..] {
                eprintln!("  {line}");
            }
        }
    }
}

impl Fuzz {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let count = rng.between(4, 7);
        let wallets: Vec<Pubkey> = (0..count).map(|n| actor(&format!("wallet {n}"))).collect();
        let mut wallet = || *rng.pick(&wallets);
        let cast = Cast {
            authority: wallet(),
            guardian: wallet(),
            treasury: wallet(),
            client: wallet(),
            provider: wallets[0],
            operator: wallet(),
            second: wallets[1],
            arbiter: wallet(),
            creator: wallet(),
            prover: wallet(),
            stranger: actor("stranger"),
        };
        let mut stage = Stage::with(cast);
        for wallet in &wallets {
            stage.give_lamports(wallet);
            for mint in [stage.usd, stage.gold] {
                stage.open(wallet, &mint);
                stage.deposit(wallet, &mint, 1_000_000);
            }
        }
        let mints = vec![stage.usd, stage.usd, stage.gold];
        let operators = Operators::of(&stage);
        Self {
            seed,
            rng,
            stage,
            wallets,
            trace: Vec::new(),
            next_model: 100,
            mints,
            claims: BTreeMap::new(),
            evidence: Vec::new(),
            drawer: Drawer::default(),
            operators,
        }
    }

    /// What an honest provider commits to in a job with so many items. Every model has the usual graph of two ops or the
    /// tiny one of all.
    fn honest(&mut self, model: &Pubkey, items: u32) -> Claim {
        let values: Vec<i8> = (0..items * 4).map(|n| (n * 37) as i8).collect();
        let data = self.stage.svm.get_account(model).unwrap().data;
        let claim = if data.ends_with(&referee::tiny().graph) {
            referee::tiny_of(items)
        } else {
            let input = Tensor::from_i8(items, 4, &values).unwrap();
            Claim::honest(graph(), items, vec![input], vec![weights()])
        };
        let known = (claim.clone(), None);
        self.claims.insert(claim.trace_root(), known);
        claim
    }

    /// The items of a job whose inputs are known.
    fn items_of(&mut self, job: &Job) -> Option<u32> {
        let items = job.items.get();
        let is_known = job.assurance == 1
            && (1..=9).contains(&items)
            && self.honest(&job.model, items).input_roots()[0] == job.input_roots[0];
        is_known.then_some(items)
    }

    /// What a provider commits to: most often the truth.
    fn result(&mut self, job: &Job) -> [u8; 32] {
        let Some(items) = self.items_of(job) else {
            return [self.rng.bits() as u8; 32];
        };
        let honest = self.honest(&job.model, items);
        let (op, row, col) = *self.rng.pick(&honest.cells());
        let (claim, charge) = match self.rng.below(10) {
            0 => return [self.rng.bits() as u8; 32],
            1..=2 => {
                let mut claim = honest.clone();
                claim.corrupt_by(op, row, col, 1 << self.rng.below(8));
                let charge = claim.charge(&honest, (op, row, col));
                (claim, charge)
            }
            3 => {
                let claim = honest.with_wrong_cell(op, row, col);
                let charge = claim.charge(&honest, (op, row, col));
                (claim, charge)
            }
            4 => {
                let charge = *self.rng.pick(&honest.paddings());
                let mut claim = honest;
                claim.spoil_padding(&charge);
                (claim, charge)
            }
            _ => return honest.trace_root(),
        };
        let root = claim.trace_root();
        self.claims.insert(root, (claim, Some(charge)));
        root
    }

    /// The claim behind a job's result, or one of the same shape where nobody knows it.
    fn claim_of(&mut self, job: &Job) -> Option<Claim> {
        let items = self.items_of(job)?;
        let known = self.claims.get(&job.trace_root);
        let known = known.map(|(claim, _)| claim.clone());
        Some(known.unwrap_or_else(|| self.honest(&job.model, items)))
    }

    /// A charge about a job: what is wrong with it, or anything.
    fn charge(&mut self, job: &Job, claim: &Claim) -> Charge {
        let wrong = self.claims.get(&job.trace_root).and_then(|known| known.1);
        if let (Some(charge), true) = (wrong, self.rng.once_in(3)) {
            return charge;
        }
        if self.rng.once_in(2) {
            return *self.rng.pick(&claim.paddings());
        }
        let at = *self.rng.pick(&claim.cells());
        claim.charge(claim, at)
    }

    /// Evidence for a charge, now and then with a bit flipped, cut or grown.
    fn evidence_for(&mut self, claim: &Claim, charge: &Charge) -> Vec<u8> {
        let mut bytes = claim.evidence(charge);
        match self.rng.below(8) {
            0 => {
                let at = self.rng.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << self.rng.below(8);
            }
            1 => bytes.truncate(self.rng.below(bytes.len() as u64) as usize),
            2 => bytes.push(0),
            _ => (),
        }
        bytes
    }

    /// A demand about a job, most often one that may be asked now, with its parent.
    fn node_id(&mut self, address: &Pubkey, claim: &Claim) -> (NodeId, Option<Pubkey>) {
        let mut all = claim.demands();
        let parent_of = |node_id: &NodeId| {
            let asked = demand::plan(&claim.parsed(), claim.items, node_id).ok()?;
            match asked.parent {
                Parent::Answer { node_id, .. } => Some(addresses::demand(address, 1, &node_id)),
                _ => None,
            }
        };
        if !self.rng.once_in(8) {
            all.retain(|node_id| {
                let is_new = !self.stage.exists(&addresses::demand(address, 1, node_id));
                let answered = |parent: Pubkey| {
                    self.stage.exists(&parent) && self.stage.get::<Demand>(&parent).answered.get()
                };
                is_new && parent_of(node_id).is_none_or(answered)
            });
        }
        let mut node_id = NodeId {
            tree: Tree::Data(Operand::Op(self.rng.below(15) as u16)),
            level: self.rng.below(5) as u8,
            index: self.rng.below(6),
        };
        if !all.is_empty() && !self.rng.once_in(12) {
            node_id = *self.rng.pick(&all);
        }
        let mut parent = parent_of(&node_id);
        if self.rng.once_in(15) {
            parent = self.one::<Demand>().map(|(address, _)| address);
        }
        (node_id, parent)
    }

    /// A demand, most likely one without an answer.
    fn demand(&mut self) -> Option<(Pubkey, Demand)> {
        let mut all = self.stage.list::<Demand>();
        if !self.rng.once_in(10) {
            all.retain(|(_, demand)| !demand.answered.get());
        }
        (!all.is_empty()).then(|| *self.rng.pick(&all))
    }

    /// A random step of the referee.
    #[expect(
        clippy::too_many_lines,
        reason = "one arm a kind; what is longer has a function of its own"
    )]
    fn referee(&mut self) -> Option<(&'static str, Vec<Instruction>)> {
        let one = |name, instruction| Some((name, vec![instruction]));
        match self.rng.below(30) {
            0..=9 => {
                let (address, job) = self.job_in(JobState::Submitted)?;
                let claim = self.claim_of(&job)?;
                let reaction = job.last_answer_at.get() + i64::from(job.terms.react_secs.get());
                if job.deadline.get().max(reaction) < self.stage.now() && !self.rng.once_in(6) {
                    return None;
                }
                let (node_id, parent) = self.node_id(&address, &claim);
                let payer = self.wallet();
                one("open_demand", ix::demand(&payer, &job, &node_id, parent))
            }
            10..=17 => {
                let (address, demand) = self.demand()?;
                let signer = self.wallet();
                let job = self
                    .stage
                    .exists(&demand.job)
                    .then(|| self.stage.job(&demand.job));
                let claim = job.and_then(|job| self.claim_of(&job))?;
                let mut answer = claim.answer(&demand.node_id().unwrap());
                if self.rng.once_in(10) {
                    let at = self.rng.below(answer.len() as u64) as usize;
                    answer[at] ^= 1;
                }
                one(
                    "reveal",
                    ix::reveal(&signer, &demand.job, &address, &answer),
                )
            }
            18 => {
                let (address, demand) = self.demand()?;
                let after = demand.due.get() + self.rng.below(2) as i64;
                if self.rng.once_in(3) && after > self.stage.now() {
                    self.stage.set_time(after);
                }
                one("timeout", ix::timeout(&demand.job, &address))
            }
            19..=20 => {
                let (address, demand) = self.one::<Demand>()?;
                let mut close = ix::close_demand(&address, &demand);
                close.accounts[2].pubkey = self.mostly(demand.opener);
                one("close_demand", close)
            }
            21..=24 => {
                let (_, job) = self.job_in(JobState::Submitted)?;
                let claim = self.claim_of(&job)?;
                let charge = self.charge(&job, &claim);
                let evidence = self.evidence_for(&claim, &charge);
                let (signer, proof) = (self.wallet(), ix::Proof::Inline(&evidence));
                one("convict", ix::convict(&signer, &job, &charge, proof))
            }
            25 => {
                let written = *self.evidence.get(self.evidence.len().checked_sub(1)?)?;
                let signer = self.wallet();
                let job = (self.stage.exists(&written.job))
                    .then(|| self.stage.job(&written.job))
                    .or_else(|| Some(self.job_in(JobState::Submitted)?.1))?;
                let proof = ix::Proof::Account(written.address);
                one(
                    "convict",
                    ix::convict(&signer, &job, &written.charge, proof),
                )
            }
            26..=27 => {
                let (address, job) = self.job_in(JobState::Submitted)?;
                let claim = self.claim_of(&job)?;
                let charge = self.charge(&job, &claim);
                let bytes = self.evidence_for(&claim, &charge);
                let (author, evidence) = (self.wallet(), actor(&format!("e{}", self.rng.bits())));
                let mut steps = self.stage.creation_of(&author, &evidence, bytes.len());
                steps.extend(ix::write_whole_evidence(&author, &evidence, &bytes));
                self.evidence.push(Written {
                    address: evidence,
                    author,
                    job: address,
                    charge,
                });
                Some(("write_evidence", steps))
            }
            28 => {
                let written =
                    (!self.evidence.is_empty()).then(|| *self.rng.pick(&self.evidence))?;
                let author = self.mostly(written.author);
                let offset = self.rng.below(300) as u32;
                let write = ix::write_evidence(&author, &written.address, offset, &[7; 9]);
                one("write_evidence", write)
            }
            _ => {
                let written =
                    (!self.evidence.is_empty()).then(|| *self.rng.pick(&self.evidence))?;
                let author = self.mostly(written.author);
                one(
                    "close_evidence",
                    ix::close_evidence(&author, &written.address),
                )
            }
        }
    }

    fn wallet(&mut self) -> Pubkey {
        *self.rng.pick(&self.wallets)
    }

    /// The right wallet, or now and then any other.
    fn mostly(&mut self, right: Pubkey) -> Pubkey {
        if self.rng.once_in(12) {
            self.wallet()
        } else {
            right
        }
    }

    fn nobody_or_wallet(&mut self) -> Pubkey {
        if self.rng.once_in(2) {
            NOBODY
        } else {
            self.wallet()
        }
    }

    fn mint(&mut self) -> Pubkey {
        *self.rng.pick(&self.mints)
    }

    fn one<T: bytemuck::Pod + anchor_lang::Discriminator>(&mut self) -> Option<(Pubkey, T)> {
        let all = self.stage.list::<T>();
        (!all.is_empty()).then(|| *self.rng.pick(&all))
    }

    /// A job, most likely in this state.
    fn job_in(&mut self, state: JobState) -> Option<(Pubkey, Job)> {
        let mut all = self.stage.list::<Job>();
        if !self.rng.once_in(20) {
            all.retain(|(_, job)| job.state == state as u8);
        }
        // Most of them still in time: what is late can only expire.
        let in_time: Vec<(Pubkey, Job)> = all
            .iter()
            .filter(|(_, job)| job.deadline.get() >= self.stage.now())
            .copied()
            .collect();
        if !in_time.is_empty() && !self.rng.once_in(6) {
            all = in_time;
        }
        (!all.is_empty()).then(|| *self.rng.pick(&all))
    }

    /// A provider, most likely one that may take this job.
    fn provider_for(&mut self, job: &Job) -> Option<Provider> {
        let mut all: Vec<Provider> = self
            .stage
            .list::<Provider>()
            .into_iter()
            .map(|(_, provider)| provider)
            .collect();
        if !self.rng.once_in(10) {
            all.retain(|provider| {
                let is_pinned =
                    job.pinned_provider != NOBODY && job.pinned_provider != provider.owner;
                provider.active.get()
                    && !is_pinned
                    && !provider.is_party(&job.client)
                    && (job.arbiter == NOBODY || !provider.is_party(&job.arbiter))
            });
        }
        (!all.is_empty()).then(|| *self.rng.pick(&all))
    }

    fn text(&mut self, long: usize) -> String {
        let length = if self.rng.once_in(30) {
            long + 1
        } else {
            self.rng.below(20) as usize
        };
        "u".repeat(length)
    }

    fn bps(&mut self, most: u64) -> u16 {
        match self.rng.below(12) {
            0 => 0,
            1 => most as u16,
            2 => most as u16 + 1,
            _ => self.rng.between(0, most) as u16,
        }
    }

    fn secs(&mut self) -> u32 {
        match self.rng.below(25) {
            0 => 0,
            1 => 1,
            2 => 30 * 86_400,
            _ => self.rng.between(1, 4_000) as u32,
        }
    }

    fn params(&mut self) -> ProtocolSettings {
        let mut params = ProtocolSettings {
            guardian: NOBODY,
            treasury_owner: NOBODY,
            fee_bps: self.bps(1_000),
            late_penalty_bps: self.bps(5_000),
            reject_bps: self.bps(5_000),
            arbiter_bps: self.bps(2_000),
            refereed_bond_bps: 20_000 + self.rng.below(3) as u32 * 5_000,
            reviewed_bond_bps: self.rng.below(3) as u32 * 5_000,
            refereed_review_secs: self.rng.between(1, 2_000) as u32,
            reviewed_review_secs: self.rng.between(1, 2_000) as u32,
            demand_fee_lamports: self.rng.below(100_000_001),
            response_secs: self.rng.between(60, 3_000) as u32,
            react_secs: self.rng.between(60, 3_000) as u32,
            resolve_secs: self.rng.between(1, 20_000) as u32,
            grace_secs: self.rng.between(1, 3_000) as u32,
            restart_grace_secs: self.rng.between(1, 5_000) as u32,
            campaign_claim_secs: self.rng.between(1, 20_000) as u32,
        };
        if self.rng.once_in(20) {
            params.grace_secs = self.secs();
            params.refereed_bond_bps = 19_999;
        }
        params
    }

    fn rates(&mut self) -> MintRates {
        let reward_rate_e9 = match self.rng.below(8) {
            0 => 0,
            1 => u64::MAX,
            2 => 1_000_000_000,
            _ => self.rng.below(3_000_000_000),
        };
        MintRates {
            reward_rate_e9,
            least_price_atoms: self.rng.below(12),
            price_per_gwork_atoms: self.rng.below(1_000_000_000),
            bond_per_gwork_atoms: self.rng.below(1_000_000_000),
        }
    }

    #[expect(
        clippy::too_many_lines,
        reason = "one arm a kind; what is longer has a function of its own"
    )]
    fn job_args(&mut self, client: &Pubkey, model: Option<&Pubkey>) -> NewJob {
        let (protocol, now) = (self.stage.protocol(), self.stage.now());
        let refereed = self.rng.once_in(2);
        let price_atoms = match self.rng.below(12) {
            0 => 1,
            1 => self.rng.between(1, 30),
            2 => self.rng.bits(),
            3 => self.rng.between(100_000, 10_000_000),
            _ => self.rng.between(10, 20_000),
        };
        let (share, review) = if refereed {
            (
                protocol.refereed_bond_bps.get(),
                protocol.refereed_review_secs.get(),
            )
        } else {
            (
                protocol.reviewed_bond_bps.get(),
                protocol.reviewed_review_secs.get(),
            )
        };
        let least =
            (u128::from(price_atoms) * u128::from(share) / 10_000).min(u64::MAX.into()) as u64;
        let mut args = NewJob {
            kind: self.rng.between(1, 3) as u8,
            assurance: if refereed { 1 } else { 2 },
            milestones: if refereed {
                1
            } else {
                self.rng.between(1, 4) as u8
            },
            price_atoms,
            bond_atoms: least.saturating_add(self.rng.below(50)),
            take_secs: self.rng.between(1, 40_000) as u32,
            work_secs: self.rng.between(1, 20_000) as u32,
            review_secs: review + self.rng.below(5_000) as u32,
            ends_by: now + self.rng.between(1, 3 * 86_400) as i64,
            items: if refereed {
                self.rng.between(1, 9) as u32
            } else {
                1
            },
            pinned_provider: if self.rng.once_in(3) {
                self.wallet()
            } else {
                NOBODY
            },
            arbiter: NOBODY,
            campaign: NOBODY,
            input_roots: Vec::new(),
            input_uri: self.text(200),
        };
        if refereed {
            let honest = model.map(|model| self.honest(model, args.items));
            args.input_roots = honest.map_or(vec![[1; 32]], |honest| honest.input_roots());
        } else {
            args.arbiter = self.nobody_or_wallet();
            if args.arbiter == NOBODY && args.pinned_provider == NOBODY {
                args.arbiter = self.wallet();
            }
        }
        match self.rng.below(40) {
            0 => args.kind = self.rng.below(8) as u8,
            1 => args.milestones = self.rng.bits() as u8,
            2 => args.bond_atoms = self.rng.bits(),
            3 => args.ends_by = now - 1 + self.rng.below(3) as i64,
            4 => args.take_secs = self.secs(),
            5 => args.pinned_provider = *client,
            6 => args.price_atoms = self.rng.bits(),
            7 => args.items = self.rng.bits() as u32,
            8 => args.campaign = *client,
            9 => args.arbiter = *client,
            _ => (),
        }
        args
    }

    /// A random instruction, more often one that should succeed. Nothing if there is nothing that it could act on.
    #[expect(
        clippy::too_many_lines,
        reason = "one arm a kind; what is longer has a function of its own"
    )]
    fn instruction(&mut self) -> Option<(&'static str, Vec<Instruction>)> {
        let one = |name, instruction| Some((name, vec![instruction]));
        let authority = self.stage.protocol().authority;
        match self.rng.below(152) {
            0 => {
                let (signer, guardian, treasury_owner) =
                    (self.mostly(authority), self.wallet(), self.wallet());
                let args = ProtocolSettings {
                    guardian,
                    treasury_owner,
                    ..self.params()
                };
                one(
                    "update_protocol",
                    ix::update_protocol(&signer, Some(args), None),
                )
            }
            1 => {
                let (signer, proposed) = (self.mostly(authority), self.nobody_or_wallet());
                one(
                    "update_protocol",
                    ix::update_protocol(&signer, None, Some(proposed)),
                )
            }
            2 => {
                let pending = self.stage.protocol().pending_authority;
                let signer = self.mostly(pending);
                (signer != NOBODY)
                    .then(|| ("accept_authority", vec![ix::accept_authority(&signer)]))
            }
            3 => {
                let guardian = self.stage.protocol().guardian;
                let signer = if self.rng.once_in(2) {
                    self.mostly(authority)
                } else {
                    guardian
                };
                one("set_pause", ix::set_pause(&signer, self.rng.once_in(3)))
            }
            4 if self.rng.once_in(4) => {
                let args = settings(&self.stage.cast);
                one("initialize", ix::initialize(&authority, args, CLUSTER))
            }
            4 if self.rng.once_in(3) => {
                let signer = self.mostly(authority);
                self.new_mint(&signer)
            }
            4 => one("set_pause", ix::set_pause(&authority, false)),
            5 => {
                let (signer, mint) = (self.mostly(authority), self.mint());
                let args = MintSettings {
                    enabled: !self.rng.once_in(5),
                    rates: self.rates(),
                };
                one("update_mint", ix::update_mint(&signer, &mint, args))
            }
            6 => {
                let (signer, gold) = (self.mostly(authority), self.stage.gold);
                let args = EmissionSettings {
                    epoch_secs: if self.rng.once_in(20) { 5 } else { 86_400 },
                    cap_atoms: self.rng.below(20_000),
                    refereed_weight_bps: self.bps(10_000),
                    reviewed_weight_bps: self.bps(10_000),
                };
                one(
                    "configure_emission",
                    ix::configure_emission(&signer, &gold, args),
                )
            }
            7 => {
                let (payer, mint) = (self.wallet(), self.mint());
                let owner = match self.rng.below(4) {
                    0 => addresses::burn_owner(),
                    1 => actor(&format!("someone {}", self.rng.below(50))),
                    2 => payer,
                    _ => self.wallet(),
                };
                one("open_purse", ix::open_purse(&payer, &owner, &mint))
            }
            8..=11 => {
                let (owner, mint, bank) = (self.wallet(), self.mint(), self.stage.bank());
                let owner = if self.rng.once_in(5) {
                    addresses::emission()
                } else {
                    owner
                };
                let atoms = self.rng.below(200_000);
                let source = token::issue(&mut self.stage, &bank, &mint, atoms);
                let token_program = token::program_of(&self.stage, &mint);
                one(
                    "deposit",
                    ix::deposit(&bank, &source, &owner, &mint, &token_program, atoms),
                )
            }
            12..=14 => {
                let (_, purse) = self.one::<Purse>()?;
                let signer = self.mostly(purse.owner);
                let destination = token::issue(&mut self.stage, &signer, &purse.mint, 0);
                let token_program = token::program_of(&self.stage, &purse.mint);
                let free = purse.free_atoms.get();
                let atoms = match self.rng.below(6) {
                    0 => free,
                    1 => free.saturating_add(1),
                    _ => self.rng.below(free / 2 + 1),
                };
                let mut instruction =
                    ix::withdraw(&signer, &destination, &purse.mint, &token_program, atoms);
                instruction.accounts[1].pubkey = addresses::purse(&purse.owner, &purse.mint);
                one("withdraw", instruction)
            }
            15 => {
                let (owner, mint) = (self.wallet(), self.mint());
                let limit = if self.rng.once_in(4) {
                    u64::MAX
                } else {
                    self.rng.below(100_000)
                };
                one(
                    "set_operator_limit",
                    ix::set_operator_limit(&owner, &mint, limit),
                )
            }
            16 => {
                let (owner, args) = (self.wallet(), self.provider_args());
                one("register_provider", ix::register_provider(&owner, args))
            }
            17 => {
                let (_, provider) = self.one::<Provider>()?;
                let args = self.provider_args();
                one(
                    "update_provider",
                    ix::update_provider(&provider.owner, args),
                )
            }
            18..=19 => {
                let (_, provider) = self.one::<Provider>()?;
                one(
                    "claim_rewards",
                    ix::claim_rewards(&provider.owner, &self.stage.gold),
                )
            }
            20 => {
                let creator = self.wallet();
                self.next_model += 1;
                let mut args = model_args(self.next_model, 0);
                args.royalty_bps = self.bps(5_000);
                let bytes = if self.rng.once_in(2) {
                    referee::tiny().graph
                } else {
                    graph()
                };
                if self.rng.once_in(3) {
                    // In pieces, some of them never written or never sealed.
                    args.graph_bytes = bytes.len() as u32;
                    return one("register_model", ix::register_model(&creator, args));
                }
                Some((
                    "register_model",
                    ix::register_whole_model(&creator, args, &bytes),
                ))
            }
            21 => {
                let (address, model) = self.one::<Model>()?;
                let signer = self.mostly(model.owner);
                let args = ModelSettings {
                    active: !self.rng.once_in(4),
                    royalty_bps: self.bps(5_000),
                    uri: self.text(200),
                };
                one(
                    "update_model",
                    ix::update_model(&signer, &address, Some(args), None),
                )
            }
            22 => {
                let (address, model) = self.one::<Model>()?;
                let (signer, proposed) = (self.mostly(model.owner), self.wallet());
                one(
                    "update_model",
                    ix::update_model(&signer, &address, None, Some(proposed)),
                )
            }
            23 => {
                let (address, model) = self.one::<Model>()?;
                let signer = self.mostly(model.pending_owner);
                (signer != NOBODY).then(|| {
                    (
                        "accept_model_owner",
                        vec![ix::accept_model_owner(&signer, &address)],
                    )
                })
            }
            24 => {
                let (address, model) = self.one::<Model>()?;
                let signer = self.mostly(model.owner);
                let bytes = graph();
                match self.rng.below(4) {
                    0 => {
                        let offset = self.rng.below(200) as u32;
                        one(
                            "write_model",
                            ix::write_model(&signer, &address, offset, &[1; 3]),
                        )
                    }
                    1 => one("seal_model", ix::seal_model(&signer, &address, &bytes)),
                    _ => one("write_model", ix::write_model(&signer, &address, 0, &bytes)),
                }
            }
            25..=42 => {
                let (client, mint) = (self.wallet(), self.mint());
                let model = self.one::<Model>().map(|(address, _)| address);
                let mut args = self.job_args(&client, model.as_ref());
                let campaign = self.campaign_for_job();
                let mint = campaign.map_or(mint, |(_, mint)| mint);
                if let Some((campaign, _)) = campaign {
                    args.campaign = campaign;
                }
                let model = model.filter(|_| args.assurance == 1 || self.rng.once_in(2));
                one(
                    "create_job",
                    self.stage
                        .create_ix_of(&client, &mint, model.as_ref(), args),
                )
            }
            43..=44 => {
                let (_, job) = self.job_in(JobState::Open)?;
                one("cancel_job", ix::cancel_job(&job))
            }
            45..=60 => {
                let (_, job) = self.job_in(JobState::Open)?;
                let provider = self.provider_for(&job)?;
                let owner = provider.owner;
                let operator = if self.rng.once_in(2) {
                    provider.operator
                } else {
                    owner
                };
                let signer = self.mostly(operator);
                one("take_job", ix::take_job(&signer, &owner, &job))
            }
            61..=71 => {
                let (_, job) = self.job_in(JobState::Taken)?;
                let args = Submission {
                    trace_root: self.result(&job),
                    tokens_root: [0; 32],
                    output_uri: self.text(200),
                };
                let owner = job.provider;
                if owner == NOBODY {
                    return None;
                }
                let operator = self.stage.provider_of(&owner).operator;
                let signer = if self.rng.once_in(2) { operator } else { owner };
                let signer = self.mostly(signer);
                one("submit", ix::submit(&signer, &job, args))
            }
            72..=75 => {
                let (_, job) = self.job_in(JobState::Submitted)?;
                one("finalize", ix::accept(&job, &self.stage.emission()))
            }
            76..=82 => {
                let (_, job) = self.job_in(JobState::Submitted)?;
                let ready = job.deadline.get() + i64::from(self.rng.below(2) as u32);
                if self.rng.once_in(2) && ready > self.stage.now() {
                    self.stage.set_time(ready);
                }
                let signer = self.mostly(job.provider);
                (signer != NOBODY).then(|| {
                    (
                        "finalize",
                        vec![ix::finalize(&signer, &job, &self.stage.emission())],
                    )
                })
            }
            83..=87 => {
                let (_, job) = self.job_in(JobState::Submitted)?;
                let reason = self.text(200);
                one("reject", ix::reject(&job, reason))
            }
            88..=91 => {
                let (_, job) = self.job_in(JobState::Rejected)?;
                let signer = self.mostly(job.arbiter);
                let most = u128::from(job.bond_left_atoms.get())
                    * u128::from(job.terms.late_penalty_bps.get())
                    / 10_000;
                let penalty_atoms = match self.rng.below(4) {
                    0 => 0,
                    1 => most as u64,
                    2 => most as u64 + 1,
                    _ => self.rng.below(most as u64 + 1),
                };
                let args = Decision {
                    provider_share_bps: self.bps(10_000),
                    penalty_atoms,
                };
                let mut instruction = ix::resolve(&job, args);
                instruction.accounts[0].pubkey = signer;
                (signer != NOBODY).then(|| ("resolve", vec![instruction]))
            }
            92..=97 => {
                let (_, job) = self.one::<Job>()?;
                one("expire", ix::expire(&job))
            }
            98..=100 => {
                let (_, job) = self.job_in(JobState::Convicted)?;
                one("settle_conviction", ix::settle_conviction(&job))
            }
            101..=138 => self.referee(),
            139..=150 => self.campaigning(),
            _ => {
                let (mint, bank) = (self.mint(), self.stage.bank());
                let source = token::issue(&mut self.stage, &bank, &mint, 5);
                let program = token::program_of(&self.stage, &mint);
                one(
                    "gift",
                    token::transfer(&program, &source, &addresses::vault(&mint), &bank, 5),
                )
            }
        }
    }

    /// Registers a mint of either program, sometimes again or one that is refused; the wallets get purses and deposits in it.
    fn new_mint(&mut self, signer: &Pubkey) -> Option<(&'static str, Vec<Instruction>)> {
        let name = format!("mint {}", self.rng.below(4));
        let program = if self.rng.once_in(2) {
            addresses::TOKEN_PROGRAM
        } else {
            addresses::TOKEN_2022_PROGRAM
        };
        let extensions: Vec<(u16, Vec<u8>)> = match self.rng.below(4) {
            0 => vec![(12, vec![0; 32])],
            1 if program == addresses::TOKEN_2022_PROGRAM => vec![(18, vec![1; 64])],
            _ => Vec::new(),
        };
        let mint = actor(&format!("mint {name}"));
        if self.stage.svm.get_account(&mint).is_none() {
            token::create_mint_with(&mut self.stage, &name, &program, 3, &extensions);
        }
        let program = token::program_of(&self.stage, &mint);
        let mut rates = self.rates();
        rates.least_price_atoms += 1;
        let instruction = ix::register_mint(signer, &mint, &program, rates);
        if self
            .stage
            .clone()
            .try_send(std::slice::from_ref(&instruction))
            .is_ok()
        {
            self.trace.push(format!("new mint {mint}"));
            self.stage.ok(instruction.clone());
            for owner in self
                .wallets
                .clone()
                .iter()
                .chain([&addresses::burn_owner(), &addresses::emission()])
            {
                self.stage.open(owner, &mint);
                self.stage.deposit(owner, &mint, 300_000);
            }
            self.mints.push(mint);
        }
        // It is registered now, or refused for a reason that holds again.
        Some(("register_mint", vec![instruction]))
    }

    fn provider_args(&mut self) -> ProviderSettings {
        let operator = self.wallet();
        ProviderSettings {
            active: !self.rng.once_in(6),
            ..provider_args(&operator)
        }
    }

    /// Lets time pass: little, much, or to within a second of a deadline; sometimes with a restart.
    fn pass_time(&mut self) {
        if self.rng.once_in(25) {
            self.trace.push("restart".into());
            self.stage.restart();
        }
        let to = match (self.rng.below(7), self.one::<Job>()) {
            (6, _) => match self.demand() {
                Some((_, demand)) => demand.due.get() + self.rng.below(3) as i64 - 1,
                None => self.stage.now() + 1,
            },
            (0..=2, Some((_, job))) => {
                let extra = [
                    0,
                    i64::from(job.terms.grace_secs.get()),
                    i64::from(job.terms.restart_grace_secs.get()),
                ];
                job.deadline.get() + *self.rng.pick(&extra) + self.rng.below(3) as i64 - 1
            }
            (5, _) => match self.time_of_a_campaign() {
                Some(at) => at,
                None => self.stage.now() + 1,
            },
            (3, _) if self.rng.once_in(3) => self.stage.now() + self.rng.between(1, 86_400) as i64,
            _ => self.stage.now() + self.rng.between(1, 600) as i64,
        };
        // Far deadlines would end every job at once.
        let to = to.min(self.stage.now() + 100_000);
        if to > self.stage.now() {
            self.trace.push(format!("time {to}"));
            self.stage.set_time(to);
        }
    }

    fn step(&mut self, seen: &mut Seen) {
        if self.rng.once_in(9) {
            self.pass_time();
        }
        if self.rng.once_in(4)
            && let Some(signed) = self.drawer.pick(&mut self.rng)
        {
            self.execute(signed, seen);
        }
        if self.rng.once_in(40) {
            self.lively_campaign(seen);
        }
        let mut next = self.instruction();
        // Demands and answers come in bursts: a result is open to them for a short time only.
        let burst = if self.rng.once_in(4) {
            self.rng.below(8)
        } else {
            0
        };
        for _ in 0..=burst {
            if let Some((name, instructions)) = next {
                for instruction in instructions {
                    let signed = Signed::now(&self.stage, name, instruction);
                    // An evidence account is made by a System instruction and named by its first write, one after the other.
                    let may_wait = name != "write_evidence";
                    if may_wait && self.rng.once_in(3) {
                        self.drawer.keep(&mut self.rng, signed.clone());
                    }
                    if !(may_wait && self.rng.once_in(12)) {
                        self.execute(signed, seen);
                    }
                }
            }
            next = (burst > 0).then(|| self.referee()).flatten();
        }
    }

    /// Executes what was signed now or earlier.
    fn execute(&mut self, signed: Signed, seen: &mut Seen) {
        let job = signed.job(&self.stage);
        if self.send(signed.name, signed.instruction.clone(), seen) {
            signed.assert_seen(job.as_ref());
        }
    }

    fn send(&mut self, name: &'static str, instruction: Instruction, seen: &mut Seen) -> bool {
        let signers: Vec<String> = instruction
            .accounts
            .iter()
            .filter(|meta| meta.is_signer)
            .map(|meta| meta.pubkey.to_string()[..4].to_string())
            .collect();
        self.trace.push(format!(
            "{name} by {signers:?} on {}",
            hex(&instruction.data[..instruction.data.len().min(60)])
        ));
        // Comparing everything is dear; a failed transaction is undone by the runtime, so now and then is enough.
        let before = self.rng.once_in(10).then(|| self.stage.snapshot());
        seen.sent += 1;
        let signer = instruction.accounts[0].pubkey;
        match self.stage.world.send(&[instruction]) {
            Ok(outcome) => {
                for event in &outcome.events {
                    self.operators.hear(&self.stage, &signer, event);
                    self.assert_deserved(event);
                    *seen.events.entry(event.name()).or_default() += 1;
                }
                self.trace.last_mut().unwrap().push_str(" => ok");
                true
            }
            Err(failure) => {
                let cause = failure
                    .code()
                    .map_or(format!("{:?}", failure.error), error_name);
                *seen.refused.entry((name, cause)).or_default() += 1;
                self.trace
                    .last_mut()
                    .unwrap()
                    .push_str(&format!(" => {:?}", failure.error));
                assert_refusal_is_sound(&failure);
                if let Some(before) = before {
                    assert!(
                        before == self.stage.snapshot(),
                        "a failed transaction changed an account"
                    );
                }
                false
            }
        }
    }

    /// P7: only what is known to be wrong is ever convicted of being wrong.
    fn assert_deserved(&self, event: &QuernEvent) {
        let QuernEvent::JobConvicted(event) = event else {
            return;
        };
        if event.conviction.reason() == ConvictionReason::Unanswered {
            return;
        }
        let job = self.stage.job(&event.job);
        let known = self.claims.get(&job.trace_root);
        assert!(
            known.is_some_and(|(_, wrong)| wrong.is_some()),
            "P7: an honest result was convicted: {event:?}"
        );
    }

    fn must(&mut self, name: &'static str, instruction: Instruction, seen: &mut Seen) {
        let done = self.send(name, instruction.clone(), seen);
        if !done {
            let failure = self.stage.fails(instruction);
            panic!(
                "{name} must succeed: {:?}\n{}",
                failure.error,
                failure.logs.join("\n")
            );
        }
    }

    /// P8: strangers bring every live job to its end, whatever the settings and whoever is gone.
    fn strangers_end_everything(&mut self, seen: &mut Seen) {
        let stranger = self.stage.cast.stranger;
        for mint in self.mints.clone() {
            self.stage.open(&addresses::burn_owner(), &mint);
        }
        let mut rounds = 0;
        while let Some((address, job)) = self.stage.list::<Job>().into_iter().next() {
            rounds += 1;
            assert!(
                rounds < 5_000,
                "P8: a job does not come to its end: {job:?}"
            );
            self.stage.wait(31 * DAY);
            let instruction = match JobState::from_code(job.state).unwrap() {
                JobState::Open | JobState::Taken | JobState::Rejected => {
                    ("expire", ix::expire(&job))
                }
                // Nobody answers any more: silence ends it.
                JobState::Submitted if !job.open_demands.is_zero() => {
                    let demands = self.stage.list::<Demand>();
                    let (demand, _) = demands
                        .iter()
                        .find(|(_, demand)| demand.job == address && !demand.answered.get())
                        .unwrap();
                    ("timeout", ix::timeout(&address, demand))
                }
                JobState::Submitted => (
                    "finalize",
                    ix::finalize(&stranger, &job, &self.stage.emission()),
                ),
                JobState::Convicted => {
                    self.stage.open(&job.prover, &job.mint);
                    ("settle_conviction", ix::settle_conviction(&job))
                }
            };
            self.must(instruction.0, instruction.1, seen);
        }
        self.strangers_sweep(seen);
        // What was paid for demands goes back, by anybody; evidence only by its author.
        for (address, demand) in self.stage.list::<Demand>() {
            self.must("close_demand", ix::close_demand(&address, &demand), seen);
        }
        for written in self.evidence.clone() {
            if self.stage.exists(&written.address) {
                let close = ix::close_evidence(&written.author, &written.address);
                self.must("close_evidence", close, seen);
            }
        }
    }

    /// P3, P11: everybody takes everything; what stays belongs to addresses for which nothing signs.
    fn everybody_leaves(&mut self, seen: &mut Seen) {
        let gold = self.stage.gold;
        for (_, provider) in self.stage.list::<Provider>() {
            self.stage.open(&provider.owner, &gold);
            if provider.rewards_accrued_atoms > provider.rewards_claimed_atoms {
                self.must(
                    "claim_rewards",
                    ix::claim_rewards(&provider.owner, &gold),
                    seen,
                );
            }
        }
        let unsigned = [addresses::emission(), addresses::burn_owner()];
        for (address, purse) in self.stage.list::<Purse>() {
            assert_eq!(
                purse.reserved_atoms.get(),
                0,
                "P2: nothing lives, so nothing is reserved: {address}"
            );
            assert_eq!(purse.operator_reserved_atoms.get(), 0);
            let free = purse.free_atoms.get();
            if free > 0 && !unsigned.contains(&purse.owner) {
                let destination = token::issue(&mut self.stage, &purse.owner, &purse.mint, 0);
                let token_program = token::program_of(&self.stage, &purse.mint);
                let withdraw = ix::withdraw(
                    &purse.owner,
                    &destination,
                    &purse.mint,
                    &token_program,
                    free,
                );
                self.must("withdraw", withdraw, seen);
            }
        }
        let emission: Emission = self.stage.emission();
        assert_eq!(emission.outstanding_atoms.get(), 0);
        for (_, config) in self.stage.list::<MintConfig>() {
            let left: u64 = self
                .stage
                .list::<Purse>()
                .iter()
                .filter(|(_, purse)| purse.mint == config.mint)
                .map(|(_, purse)| purse.free_atoms.get())
                .sum();
            assert_eq!(
                config.total_atoms.get(),
                left,
                "only burnt atoms and the emission's stay"
            );
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A refusal names a cause that a user can have; never an internal check, a panic or a budget.
fn assert_refusal_is_sound(failure: &Failure) {
    let internal = [
        QuernError::InvariantBroken,
        QuernError::ReservationShort,
        QuernError::VaultShort,
        QuernError::WrongModel,
    ];
    for error in internal {
        let name = format!("{error:?}");
        assert_ne!(
            failure.code(),
            Some(code_of(error)),
            "{name}\n{}",
            failure.logs.join("\n")
        );
    }
    if let TransactionError::InstructionError(_, error) = &failure.error {
        let broken = matches!(
            error,
            InstructionError::ProgramFailedToComplete
                | InstructionError::ComputationalBudgetExceeded
                | InstructionError::ProgramFailedToCompile
                | InstructionError::UnbalancedInstruction
                | InstructionError::ModifiedProgramId
                | InstructionError::ExternalAccountDataModified
        );
        assert!(!broken, "{error:?}\n{}", failure.logs.join("\n"));
    }
}

/// The name of an error code of the program.
fn error_name(code: u32) -> String {
    quern::error::QuernError::from_code(code).map_or(code.to_string(), |error| format!("{error:?}"))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number, not {text}"))
    })
}

fn sequence(seed: u64, steps: u64, seen: &mut Seen) {
    let mut fuzz = Fuzz::new(seed);
    let before = fuzz.stage.world.oracle.totals;
    for _ in 0..steps {
        fuzz.step(seen);
    }
    fuzz.strangers_end_everything(seen);
    fuzz.everybody_leaves(seen);
    let after = fuzz.stage.world.oracle.totals;
    seen.operators_lost_atoms += fuzz.operators.lost_atoms();
    seen.totals.settled += after.settled - before.settled;
    seen.totals.resolved += after.resolved;
    seen.totals.silent += after.silent;
    seen.totals.late += after.late;
    seen.totals.expired += after.expired;
    seen.totals.cancelled += after.cancelled;
    seen.totals.slashed += after.slashed;
    seen.totals.convicted += after.convicted;
    seen.totals.silenced += after.silenced;
    seen.totals.rewards += after.rewards;
    seen.totals.scored += after.scored - before.scored;
    seen.totals.claimed += after.claimed - before.claimed;
    seen.totals.swept += after.swept - before.swept;
}

#[test]
fn random_sequences_keep_every_invariant() {
    let first = number("QUERN_FUZZ_SEED").unwrap_or(1);
    let steps = number("QUERN_FUZZ_STEPS");
    let budget = Duration::from_secs(number("QUERN_FUZZ_SECS").unwrap_or(60));
    let begin = Instant::now();
    let mut seen = Seen::default();
    let mut done = 0;
    let mut seed = first;
    loop {
        let enough = match steps {
            Some(steps) => done >= steps,
            None => begin.elapsed() >= budget,
        };
        if enough {
            break;
        }
        let count = steps.map_or(SEQUENCE, |steps| SEQUENCE.min(steps - done));
        sequence(seed, count, &mut seen);
        done += count;
        seed += 1;
    }
    println!(
        "{done} steps in {} sequences from seed {first}: {} transactions, {:?}\n{:?}\nrefused: {:?}",
        seed - first,
        seen.sent,
        seen.totals,
        seen.events,
        seen.refused
    );
    // A run that sees less than everything proves less than it says.
    if done >= 3_000 {
        let moved = |name| seen.refused.contains_key(&(name, "JobMoved".to_owned()));
        assert!(
            late::DECISIONS.into_iter().any(moved),
            "no decision came late in {done} steps"
        );
        assert!(seen.operators_lost_atoms > 0, "no operator lost anything");
        assert!(seen.totals.claimed > 0, "no campaign paid anything");
        for name in QuernEvent::NAMES {
            // Setting a stage up is not counted.
            let once = ["ProtocolInitialized", "MintRegistered"].contains(name);
            assert!(
                once || seen.events.contains_key(name),
                "no {name} in {done} steps"
            );
        }
    }
}
