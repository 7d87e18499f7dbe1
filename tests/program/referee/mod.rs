//! The referee on its bytecode: convictions, evidence accounts, demands and answers.
//!
//! Commitments and evidence are built by `svm::referee`, which knows the formats but not the code under test.

mod convictions;
mod deadlines;
mod demands;
mod evidence;
mod random;
#[path = "../../../crates/proof/tests/common/mod.rs"]
mod random_jobs;

use {
    quern::{
        error::{QuernError, REFUSAL_BASE},
        events::QuernEvent,
        state::{Conviction, ConvictionReason, Demand, Evidence, Job, JobState, NodeRef},
    },
    quern_proof::{
        Graph, Hash, Operand, Tensor,
        builder::GraphBuilder,
        demand::{NodeId, Tree},
        evidence::{Case, Charge, Refusal, judge},
        hash::LEAF_BYTES,
        shape::DType,
        witness::{self, Patched, Step, Whole},
    },
    quern_testkit::svm::{
        referee::{Claim, five_ops, product, tiny},
        *,
    },
    solana_sdk::{
        account::Account,
        instruction::{Instruction, InstructionError},
        pubkey::Pubkey,
        transaction::TransactionError,
    },
};

/// Times of the usual settings, in seconds.
const RESPONSE: i64 = 21_600;
const REACT: i64 = 3_600;
const RESTART_GRACE: i64 = 7_200;
/// Fee of the usual settings, in lamports.
const FEE: u64 = 10_000;

const TRACE: NodeId = NodeId {
    tree: Tree::Trace,
    level: 0,
    index: 0,
};

fn node_id(operand: Operand, level: u8, index: u64) -> NodeId {
    NodeId {
        tree: Tree::Data(operand),
        level,
        index,
    }
}

fn cell(op: u8, row: u32, col: u32) -> Charge {
    Charge::Cell { op, row, col }
}

fn padding(tree: u8, level: u8, index: u64) -> Charge {
    Charge::padding(tree, level, index).unwrap()
}

fn code_of_refusal(refusal: Refusal) -> u32 {
    REFUSAL_BASE + refusal as u32
}

/// A stage with a job that the provider has taken, for trying commitments one after the other.
struct Court {
    stage: Stage,
    job: Pubkey,
}

impl Court {
    fn of(claim: &Claim) -> Self {
        let mut stage = Stage::new();
        let job = stage.submitted_for(claim);
        Self { stage, job }
    }

    /// Tries one charge against a commitment and puts the job back as it was. `Err` has the program's code.
    fn convict(&mut self, root: Hash, charge: &Charge, evidence: &[u8]) -> Result<(), u32> {
        let mut account = self.stage.svm.get_account(&self.job).unwrap();
        let at = 8 + core::mem::offset_of!(Job, trace_root);
        account.data[at..at + 32].copy_from_slice(&root);
        self.stage
            .svm
            .set_account(self.job, account.clone())
            .unwrap();
        let instruction = self.stage.inline(&self.job, charge, evidence);
        let result = self.stage.world.try_send_v1(&[instruction]);
        let state = self.stage.job(&self.job).state;
        self.stage.svm.set_account(self.job, account).unwrap();
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
    fn convict_as_native(
        &mut self,
        claim: &Claim,
        charge: &Charge,
        evidence: &[u8],
    ) -> Result<(), Refusal> {
        let native = judge_natively(claim, charge, evidence);
        let expected = native.map_err(code_of_refusal);
        let found = self.convict(claim.trace_root(), charge, evidence);
        assert_eq!(found, expected, "{charge:?} {}", evidence.len());
        native
    }
}

fn judge_natively(claim: &Claim, charge: &Charge, evidence: &[u8]) -> Result<(), Refusal> {
    let (roots, trace_root) = (claim.input_roots(), claim.trace_root());
    let case = Case {
        graph: claim.parsed(),
        batch_rows: claim.batch_rows,
        input_roots: &roots,
        trace_root: &trace_root,
    };
    judge(&case, charge, evidence)
}

/// First and last cell of every op.
fn corners(claim: &Claim) -> Vec<(u8, u32, u32)> {
    let outputs = claim.outputs.iter().enumerate();
    outputs
        .flat_map(|(op, output)| {
            let last = (output.rows() - 1, output.cols() - 1);
            [(op as u8, 0, 0), (op as u8, last.0, last.1)]
        })
        .collect()
}

#[track_caller]
fn refused(stage: &mut Stage, instruction: Instruction, refusal: Refusal) {
    let failure = stage.fails(instruction);
    assert_eq!(
        failure.code(),
        Some(code_of_refusal(refusal)),
        "expected {refusal:?}, got {:?}\n{}",
        failure.error,
        failure.logs.join("\n")
    );
}
