//! What the tests of several instructions share.

pub use {
    super::errors::Provocation,
    quern::{
        constants::NOBODY,
        error::{QuernError, REFUSAL_BASE},
        events::QuernEvent,
        instructions::{
            EmissionSettings, MintSettings, ModelSettings, NewCampaign, NewJob, Submission,
        },
        state::{
            Campaign, Conviction, ConvictionReason, Demand, Emission, Entry, Evidence, Job,
            JobState, MintConfig, MintRates, Model, NodeRef, Protocol, Provider, Purse,
        },
    },
    quern_proof::{
        Graph, Operand, Tensor,
        builder::GraphBuilder,
        demand::{NodeId, Tree},
        evidence::{Case, Charge, Refusal, judge},
        hash::Tag,
        shape::DType,
        witness::{self, Known, Patched, Step, TokensStep, Whole},
    },
    quern_testkit::svm::{
        referee::{Claim, every_op, product, text, tiny, tiny_of},
        *,
    },
    solana_sdk::{
        account::Account,
        instruction::{Instruction, InstructionError},
        pubkey::Pubkey,
        transaction::TransactionError,
    },
};

pub fn rent(stage: &World, bytes: usize) -> u64 {
    stage.svm.minimum_balance_for_rent_exemption(bytes)
}

pub fn space<T>() -> usize {
    8 + size_of::<T>()
}

pub const START: u64 = DEPOSIT_ATOMS;

pub fn job_rent(stage: &Stage) -> u64 {
    stage
        .svm
        .minimum_balance_for_rent_exemption(8 + size_of::<Job>())
}

/// The job has closed: no account, its rent back with the client.
pub fn assert_closed(stage: &Stage, job: &Pubkey, client_lamports: u64) {
    assert!(!stage.exists(job));
    assert_eq!(stage.lamports(job), 0);
    assert_eq!(stage.lamports(&stage.cast.client), client_lamports);
    assert!(stage.follower.closed.contains(job));
}

pub fn create_with(stage: &Stage, change: impl FnOnce(&mut NewJob)) -> Instruction {
    let mut args = stage.refereed();
    change(&mut args);
    stage.create_ix(args)
}

pub fn accepted_with(stage: &Stage, change: impl FnOnce(&mut NewJob)) -> Instruction {
    let mut args = stage.accepted();
    change(&mut args);
    stage.create_ix(args)
}

pub fn rates_with(change: impl FnOnce(&mut MintRates)) -> MintRates {
    let mut rates = rates();
    change(&mut rates);
    rates
}

/// A settlement of three purses, and where they begin in its accounts.
pub fn settlement(stage: &mut Stage) -> Instruction {
    let job = stage.job_in(JobState::Submitted, stage.refereed());
    stage.at_deadline(&job, 1);
    ix::finalize(&stage.cast.provider, &stage.job(&job), &stage.emission())
}

/// The first value of the first op.
pub const CELL: Charge = Charge::Cell {
    op: 0,
    row: 0,
    col: 0,
    at: 0,
};

/// The first demand about a trace.
pub const TRACE: NodeId = NodeId {
    tree: Tree::Trace,
    level: 0,
    index: 0,
};

/// A demand about the usual program.
pub fn node_id(operand: Operand, level: u8, index: u64) -> NodeId {
    NodeId {
        tree: Tree::Data(operand),
        level,
        index,
    }
}

/// The usual job with its usual, wrong result.
pub fn submitted(stage: &mut Stage) -> Pubkey {
    stage.job_in(JobState::Submitted, stage.refereed())
}

/// A demand by the usual prover.
pub fn ask(stage: &Stage, job: &Pubkey, node_id: NodeId, parent: Option<Pubkey>) -> Instruction {
    ix::demand(&stage.cast.prover, &stage.job(job), &node_id, parent)
}

pub trait WithPurse {
    fn with_purse_of(self, owner: &Pubkey, mint: &Pubkey) -> Self;
    fn with_purse_of_at(self, index: usize, owner: &Pubkey, mint: &Pubkey) -> Self;
}

impl WithPurse for Instruction {
    /// Puts a purse into a deposit.
    fn with_purse_of(self, owner: &Pubkey, mint: &Pubkey) -> Self {
        self.with_purse_of_at(5, owner, mint)
    }

    fn with_purse_of_at(mut self, index: usize, owner: &Pubkey, mint: &Pubkey) -> Self {
        self.accounts[index].pubkey = addresses::purse(owner, mint);
        self
    }
}

/// Times of the usual settings, in seconds.
pub const RESPONSE: i64 = 21_600;

pub const REACT: i64 = 3_600;

pub const RESTART_GRACE: i64 = 7_200;

/// Fee of the usual settings, in lamports.
pub const FEE: u64 = 10_000;

pub fn cell(op: u16, row: u32, col: u32) -> Charge {
    Charge::Cell {
        op,
        row,
        col,
        at: 0,
    }
}

/// The charge of a cell of a claim, whose right value an honest provider committed to.
pub fn charge_of(claim: &Claim, honest: &Claim, at: (u16, u32, u32)) -> Charge {
    claim.charge(honest, at)
}

pub fn padding(tree: u16, level: u8, index: u64) -> Charge {
    Charge::padding(tree, level, index).unwrap()
}

pub fn code_of_refusal(refusal: Refusal) -> u32 {
    REFUSAL_BASE + refusal as u32
}

/// A stage with a job that the provider has taken, for trying commitments one after the other.
pub struct Court {
    pub stage: Stage,
    pub job: Pubkey,
    /// Most compute units that a judgement took, right or wrong.
    pub dearest_units: u64,
    /// How many judgements there were.
    tried: u64,
}

/// Longest evidence that fits into a transaction with its charge.
pub const INLINE_BYTES: usize = 3_400;

impl Court {
    pub fn of(claim: &Claim) -> Self {
        let mut stage = Stage::new();
        let job = stage.submitted_for(claim);
        Self {
            stage,
            job,
            dearest_units: 0,
            tried: 0,
        }
    }

    /// The conviction, whose evidence stands in an account where it is too long for a transaction.
    fn instruction(&mut self, charge: &Charge, evidence: &[u8]) -> Instruction {
        self.tried += 1;
        if evidence.len() <= INLINE_BYTES {
            return self.stage.inline(&self.job, charge, evidence);
        }
        let (prover, name) = (self.stage.cast.prover, format!("{}", self.tried));
        let account = self.stage.write_down(&prover, &name, evidence);
        let proof = ix::Proof::Account(account);
        ix::convict(&prover, &self.stage.job(&self.job), charge, proof)
    }

    /// Tries one charge against a commitment and puts the job back as it was. `Err` has the program's code.
    pub fn convict(&mut self, claim: &Claim, charge: &Charge, evidence: &[u8]) -> Result<(), u32> {
        let instruction = self.instruction(charge, evidence);
        let account = self.stage.svm.get_account(&self.job).unwrap();
        let roots = (claim.trace_root(), claim.tokens_root());
        self.stage.world.tamper(&self.job, |job: &mut Job| {
            (job.trace_root, job.tokens_root) = roots;
        });
        let result = self.stage.world.try_send_v1(&[instruction]);
        let units = match &result {
            Ok(outcome) => outcome.compute_units,
            Err(failure) => failure.compute_units,
        };
        self.dearest_units = self.dearest_units.max(units);
        let state = self.stage.job(&self.job).state;
        self.stage.svm.set_account(self.job, account).unwrap();
        // What follows the chain hears of it, too.
        self.stage.world.resync();
        match result {
            Ok(_) => {
                assert_eq!(state, JobState::Convicted as u8);
                Ok(())
            }
            Err(failure) => {
                assert_eq!(state, JobState::Submitted as u8);
                Err(failure
                    .code()
                    .unwrap_or_else(|| panic!("{:?}: {:#?}", failure.error, failure.logs)))
            }
        }
    }

    /// The same, which must come out as it does natively.
    pub fn convict_as_native(
        &mut self,
        claim: &Claim,
        charge: &Charge,
        evidence: &[u8],
    ) -> Result<(), Refusal> {
        let native = judge_natively(claim, charge, evidence);
        let expected = native.map_err(code_of_refusal);
        let found = self.convict(claim, charge, evidence);
        assert_eq!(found, expected, "{charge:?} {}", evidence.len());
        native
    }
}

pub fn judge_natively(claim: &Claim, charge: &Charge, evidence: &[u8]) -> Result<(), Refusal> {
    let roots = claim.input_roots();
    let (trace_root, tokens_root) = (claim.trace_root(), claim.tokens_root());
    let case = Case {
        graph: claim.parsed(),
        items: claim.items,
        input_roots: &roots,
        tokens_root: &tokens_root,
        trace_root: &trace_root,
    };
    judge(&case, charge, evidence)
}

/// First and last cell of every op.
pub fn corners(claim: &Claim) -> Vec<(u16, u32, u32)> {
    let outputs = (0..).zip(&claim.outputs[0]);
    outputs
        .flat_map(|(op, output)| {
            let last = (output.rows() * claim.items - 1, output.cols() - 1);
            [(op, 0, 0), (op, last.0, last.1)]
        })
        .collect()
}

#[track_caller]
pub fn refused(stage: &mut Stage, instruction: Instruction, refusal: Refusal) {
    let failure = stage.fails(instruction);
    assert_eq!(
        failure.code(),
        Some(code_of_refusal(refusal)),
        "expected {refusal:?}, got {:?}\n{}",
        failure.error,
        failure.logs.join("\n")
    );
}
