//! Decisions that are signed at one time and executed at another, once or twice (P16), and what operators' keys lose (P17).

use {
    quern::{
        events::QuernEvent,
        state::{Job, JobState, Purse},
    },
    quern_testkit::svm::*,
    solana_sdk::{instruction::Instruction, pubkey::Pubkey},
    std::collections::BTreeMap,
};

/// Most instructions that wait for later.
const MOST_KEPT: usize = 30;

/// Instructions that are about the state of a job.
pub const DECISIONS: [&str; 6] = [
    "cancel_job",
    "take_job",
    "submit",
    "finalize",
    "reject",
    "resolve",
];

/// An instruction as it was signed, with the job that its signer saw.
#[derive(Clone)]
pub struct Signed {
    pub name: &'static str,
    pub instruction: Instruction,
    saw: Option<(Pubkey, Job)>,
}

impl Signed {
    /// Signs what is about the present state.
    pub fn now(stage: &Stage, name: &'static str, instruction: Instruction) -> Self {
        let is_job = |address: &Pubkey| stage.list::<Job>().iter().any(|(job, _)| job == address);
        let addresses = instruction.accounts.iter().map(|meta| meta.pubkey);
        let saw = DECISIONS
            .contains(&name)
            .then(|| addresses.into_iter().find(is_job))
            .flatten()
            .map(|address| (address, stage.job(&address)));
        Self {
            name,
            instruction,
            saw,
        }
    }

    /// The job that it is about, as it is now; nothing if it is about none, or about one that ended.
    pub fn job(&self, stage: &Stage) -> Option<Job> {
        let (address, _) = self.saw.as_ref()?;
        stage.exists(address).then(|| stage.job(address))
    }

    /// P16: what was executed on this job was signed for it as it was.
    pub fn assert_seen(&self, job: Option<&Job>) {
        let Some((address, saw)) = &self.saw else {
            return;
        };
        let same = job.is_some_and(|job| bytemuck::bytes_of(job) == bytemuck::bytes_of(saw));
        assert!(
            same,
            "P16: {} on {address} was signed for {saw:?} and executed on {job:?}",
            self.name
        );
    }
}

/// What waits to be executed later, or again.
#[derive(Default)]
pub struct Drawer(Vec<Signed>);

impl Drawer {
    pub fn keep(&mut self, rng: &mut Rng, signed: Signed) {
        if self.0.len() == MOST_KEPT {
            self.0.swap_remove(rng.below(MOST_KEPT as u64) as usize);
        }
        self.0.push(signed);
    }

    /// One of those kept, in any order; it stays.
    pub fn pick(&self, rng: &mut Rng) -> Option<Signed> {
        (!self.0.is_empty()).then(|| rng.pick(&self.0).clone())
    }
}

/// What operators risked and lost, counted from events and signers alone.
pub struct Operators {
    /// The highest limit that an owner ever set, by purse.
    limits: BTreeMap<Pubkey, u64>,
    /// Jobs whose take or result an operator signed, by address.
    risked: BTreeMap<Pubkey, Job>,
    lost: BTreeMap<Pubkey, u64>,
}

impl Operators {
    pub fn of(stage: &Stage) -> Self {
        let purses = stage.list::<Purse>().into_iter();
        Self {
            limits: purses
                .map(|(address, purse)| (address, purse.operator_limit_atoms.get()))
                .collect(),
            risked: BTreeMap::new(),
            lost: BTreeMap::new(),
        }
    }

    /// Atoms that were lost in all.
    pub fn lost_atoms(&self) -> u64 {
        self.lost.values().sum()
    }

    /// An event of an instruction that this key signed first.
    pub fn hear(&mut self, stage: &Stage, signer: &Pubkey, event: &QuernEvent) {
        match event {
            QuernEvent::OperatorLimitSet(event) => {
                for (address, purse) in stage.list::<Purse>() {
                    let limit_atoms = purse.operator_limit_atoms.get();
                    if purse.owner == event.owner {
                        let highest = self.limits.entry(address).or_default();
                        *highest = limit_atoms.max(*highest);
                    }
                }
            }
            QuernEvent::JobTaken(event) => self.risk(stage, signer, &event.job),
            QuernEvent::ResultSubmitted(event) => self.risk(stage, signer, &event.job),
            QuernEvent::MilestoneSettled(event) if event.closed => {
                self.risked.remove(&event.job);
            }
            QuernEvent::JobExpired(event) if event.from_state == JobState::Taken as u8 => {
                if let Some(job) = self.risked.remove(&event.job) {
                    self.lose(&job, event.penalty_atoms);
                }
            }
            QuernEvent::JobExpired(_) => {}
            QuernEvent::JobResolved(event) => {
                if let Some(job) = self.risked.get(&event.job).copied() {
                    self.lose(&job, event.penalty_atoms);
                    if event.closed || !event.provider_prevails {
                        self.risked.remove(&event.job);
                    }
                }
            }
            QuernEvent::ConvictionSettled(event) => {
                if let Some(job) = self.risked.remove(&event.job) {
                    let parts = [
                        (event.prover, event.prover_atoms),
                        (event.client, event.client_atoms),
                        (job.treasury_owner, event.treasury_atoms),
                    ];
                    let others = parts.iter().filter(|(owner, _)| *owner != event.provider);
                    self.lose(&job, others.map(|(_, atoms)| atoms).sum());
                }
            }
            _ => {}
        }
    }

    fn risk(&mut self, stage: &Stage, signer: &Pubkey, address: &Pubkey) {
        let job = stage.job(address);
        if job.provider != *signer {
            self.risked.insert(*address, job);
        }
    }

    /// P17: all that operators lost is within the highest limit.
    fn lose(&mut self, job: &Job, atoms: u64) {
        let purse = addresses::purse(&job.provider, &job.mint);
        let lost = self.lost.entry(purse).or_default();
        *lost += atoms;
        let limit = self.limits.get(&purse).copied().unwrap_or(0);
        assert!(
            *lost <= limit,
            "P17: an operator of {} lost {lost} of at most {limit}",
            job.provider
        );
    }
}
