//! What refuting a result costs: convictions by both routes, and a result whose data are withheld.

use {
    super::{Meter, mark, thousands},
    quern::state::{Demand, Job, JobState},
    quern_proof::{
        DType, Operand, Tensor,
        builder::GraphBuilder,
        demand::{self, NodeId, Parent, Tree},
        evidence::Charge,
        witness::charge_cell,
    },
    quern_testkit::svm::{
        Outcome, Stage, actor, ix,
        referee::{self, Claim},
    },
    serde::Serialize,
    solana_sdk::{instruction::Instruction, pubkey::Pubkey},
    std::{fmt::Write, sync::OnceLock},
};

/// Lamports that a signature costs.
const SIGNATURE_LAMPORTS: u64 = 5_000;

/// What one conviction costs its prover, with everything that it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conviction {
    /// What is convicted.
    pub case: &'static str,
    /// How the evidence reaches the program.
    pub route: &'static str,
    /// Bytes of evidence.
    pub evidence_bytes: usize,
    /// Compute units of `convict` alone.
    pub compute_units: u64,
    /// What they must stay below, where the goals say.
    pub goal: Option<u64>,
    /// Bytes of the transaction that convicts.
    pub transaction_bytes: usize,
    /// Transactions in all.
    pub transactions: usize,
    /// Lamports spent for signatures.
    pub fee_lamports: u64,
    /// Lamports locked meanwhile, all returned.
    pub rent_lamports: u64,
}

/// What a result costs whoever asks for it when its data are withheld.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Withheld {
    /// How it goes on.
    pub case: &'static str,
    /// Demands asked.
    pub demands: usize,
    /// Transactions of whoever asks, settlement and closing included.
    pub transactions: usize,
    /// Compute units of these transactions.
    pub compute_units: u64,
    /// Lamports that they spend: signatures and answered demands.
    pub spent_lamports: u64,
    /// Most lamports that they lock meanwhile, all returned.
    pub locked_lamports: u64,
}

fn cell(op: u16, row: u32, col: u32) -> Charge {
    Charge::Cell {
        op,
        row,
        col,
        at: 0,
    }
}

/// The example of the design: one cell of a product of 1000 x 1000 by 1000 x 1000 is off by one.
fn product() -> &'static (Claim, Charge) {
    static CASE: OnceLock<(Claim, Charge)> = OnceLock::new();
    CASE.get_or_init(|| {
        let (op, row, col) = (0, 617, 333);
        let claim = referee::product(1_000).with_wrong_cell(op, row, col);
        (claim, cell(op, row, col))
    })
}

/// One value of a DOT over 4,096 columns is wrong.
fn long_row() -> &'static (Claim, Charge) {
    static CASE: OnceLock<(Claim, Charge)> = OnceLock::new();
    CASE.get_or_init(|| {
        const K: u32 = 4_096;
        const N: u32 = 4_096;
        let bytes = |count: u32, factor: u32| -> Vec<i8> {
            (0..count)
                .map(|i| (i.wrapping_mul(factor) >> 11) as i8)
                .collect()
        };
        let x = Tensor::from_i8(2, K, &bytes(2 * K, 2_654_435_761)).unwrap();
        let weights = vec![
            Tensor::from_i8(N, K, &bytes(N * K, 2_246_822_519)).unwrap(),
            Tensor::from_i32(
                2,
                N,
                &[vec![-77; N as usize], vec![1 << 20; N as usize]].concat(),
            )
            .unwrap(),
        ];
        let mut builder = GraphBuilder::new();
        let a = builder.input_item(DType::I8, 1, K);
        let [w, p] = [0, 1].map(|at| builder.weight(&weights[at]));
        builder.dot(a, w).scaled(p, 34, DType::I8).push();
        let graph = builder.finish().unwrap();
        let (op, row, col) = (0, 1, 4_000);
        let claim = Claim::honest(graph, 2, vec![x], weights).with_wrong_cell(op, row, col);
        (claim, cell(op, row, col))
    })
}

/// Measures every instruction of the referee once, in usual cases.
pub(super) fn instructions(meter: &mut Meter) {
    let honest = referee::every_op();
    let (op, row, col) = (3, 1, 2);
    let charge = cell(op, row, col);
    let claim = honest.with_wrong_cell(op, row, col);
    let bytes = claim.evidence(&charge);

    let job = meter.stage.submitted_for(&claim);
    let (prover, evidence) = (meter.stage.cast.prover, actor("bench evidence"));
    let create = meter.stage.creation_of(&prover, &evidence, bytes.len());
    meter.stage.ok_all_of(create);
    let piece = bytes.get(..ix::MAX_EVIDENCE_PIECE_BYTES).unwrap_or(&bytes);
    meter.run(
        "write_evidence",
        ix::write_evidence(&prover, &evidence, 0, piece),
    );
    meter.run("close_evidence", ix::close_evidence(&prover, &evidence));
    let convict = meter.stage.inline(&job, &charge, &bytes);
    meter.run_v1("convict", convict);

    let mut claim = honest.clone();
    let charge = claim.paddings()[0];
    claim.spoil_padding(&charge);
    let job = meter.stage.submitted_for(&claim);
    let padding = meter.stage.inline(&job, &charge, &claim.evidence(&charge));
    meter.run_v1("convict, padding", padding);

    let (claim, _) = product();
    let job = meter.stage.submitted_for(claim);
    let root = NodeId {
        tree: Tree::Data(Operand::Op(0)),
        level: 0,
        index: 0,
    };
    let demand = meter.stage.demand_ix(&job, claim, &root);
    meter.run("open_demand", demand);
    let reveal = meter.stage.reveal_ix(&job, claim, &root);
    meter.run("reveal", reveal);
    let next = NodeId {
        level: 4,
        index: 9,
        ..root
    };
    let due = {
        let demand = meter.stage.ask(&job, claim, &next);
        meter.stage.get::<Demand>(&demand).due.get()
    };
    meter.stage.world.set_time(due + 1);
    let unanswered = meter.stage.demand_of(&job, &next);
    meter.run("timeout", ix::timeout(&job, &unanswered));
    let state: Demand = meter.stage.get(&unanswered);
    meter.run("close_demand", ix::close_demand(&unanswered, &state));
}

/// Measures the cases of the goals, each op once, and both endings of a result whose data are withheld.
pub(super) fn cases() -> (Vec<Conviction>, Vec<Withheld>) {
    let (claim, charge) = product();
    let (long, long_charge) = long_row();
    let mut convictions = vec![
        inline(
            &mut Stage::new(),
            "one cell of 1000 x 1000 x 1000",
            claim,
            charge,
            Some(30_000),
        ),
        by_account(
            &mut Stage::new(),
            "one cell of 1000 x 1000 x 1000",
            claim,
            charge,
            None,
        ),
        by_account(
            &mut Stage::new(),
            "one value of DOT, K = 4,096",
            long,
            long_charge,
            Some(80_000),
        ),
    ];
    let honest = referee::every_op();
    for (op, name) in (0..).zip(referee::OPS_OF_A_LAYER) {
        let (row, col) = (0, 0);
        let claim = honest.with_wrong_cell(op, row, col);
        let right = honest.value(Operand::Op(op), 0, row, col);
        let claimed = claim.value(Operand::Op(op), 0, row, col);
        let (graph, values) = (claim.parsed(), (claimed, right));
        let charge =
            charge_cell(&graph, (op, 0), (row, col), values).expect("there is such a cell");
        let stage = &mut Stage::new();
        convictions.push(inline(stage, name, &claim, &charge, None));
    }
    (convictions, vec![silent(), talkative()])
}

pub(super) fn inline(
    stage: &mut Stage,
    case: &'static str,
    claim: &Claim,
    charge: &Charge,
    goal: Option<u64>,
) -> Conviction {
    let job = stage.submitted_for(claim);
    let evidence = claim.evidence(charge);
    let convict = stage.inline(&job, charge, &evidence);
    let outcome = stage
        .world
        .send_v1(&[convict])
        .expect("the evidence convicts");
    convicted(stage, &job);
    Conviction {
        case,
        route: "inline, version 1",
        evidence_bytes: evidence.len(),
        compute_units: outcome.compute_units,
        goal,
        transaction_bytes: outcome.bytes,
        transactions: 1,
        fee_lamports: SIGNATURE_LAMPORTS,
        rent_lamports: 0,
    }
}

pub(super) fn by_account(
    stage: &mut Stage,
    case: &'static str,
    claim: &Claim,
    charge: &Charge,
    goal: Option<u64>,
) -> Conviction {
    let job = stage.submitted_for(claim);
    let bytes = claim.evidence(charge);
    let prover = stage.cast.prover;
    let evidence = stage.write_down(&prover, "bench", &bytes);
    let rent_lamports = stage.world.lamports(&evidence);
    let proof = ix::Proof::Account(evidence);
    let convict = ix::convict(&prover, &stage.job(&job), charge, proof);
    let outcome = stage.world.ok(convict);
    convicted(stage, &job);
    stage.ok(ix::close_evidence(&prover, &evidence));
    let writes = bytes.len().div_ceil(ix::MAX_EVIDENCE_PIECE_BYTES);
    Conviction {
        case,
        route: "evidence account, legacy",
        evidence_bytes: bytes.len(),
        compute_units: outcome.compute_units,
        goal,
        transaction_bytes: outcome.bytes,
        // Creating, the writes, convict and close; the new account signs its creation too.
        transactions: writes + 3,
        fee_lamports: (writes as u64 + 4) * SIGNATURE_LAMPORTS,
        rent_lamports,
    }
}

fn convicted(stage: &Stage, job: &Pubkey) {
    let job: Job = stage.job(job);
    assert_eq!(job.state, JobState::Convicted as u8);
}

/// What whoever asks has sent so far.
#[derive(Default)]
struct Bill {
    transactions: usize,
    compute_units: u64,
    demands: Vec<Pubkey>,
    locked_lamports: u64,
}

impl Bill {
    fn send(&mut self, stage: &mut Stage, instruction: Instruction) -> Outcome {
        let outcome = stage.ok(instruction);
        self.count(&outcome);
        outcome
    }

    fn count(&mut self, outcome: &Outcome) {
        self.transactions += 1;
        self.compute_units += outcome.compute_units;
    }

    fn ask(&mut self, stage: &mut Stage, job: &Pubkey, claim: &Claim, node_id: &NodeId) {
        let instruction = stage.demand_ix(job, claim, node_id);
        self.send(stage, instruction);
        let demand = stage.demand_of(job, node_id);
        self.locked_lamports += stage.world.lamports(&demand);
        self.demands.push(demand);
    }

    /// Pays the bond out and takes rent and fees back.
    fn close(mut self, stage: &mut Stage, job: &Pubkey, case: &'static str) -> Withheld {
        let prover = stage.cast.prover;
        let state = stage.job(job);
        stage.open(&prover, &state.mint);
        self.send(stage, ix::settle_conviction(&state));
        let mut answered_lamports = 0;
        for address in self.demands.clone() {
            let demand: Demand = stage.get(&address);
            if demand.answered.get() {
                answered_lamports += demand.fee_lamports.get();
            }
            self.send(stage, ix::close_demand(&address, &demand));
        }
        Withheld {
            case,
            demands: self.demands.len(),
            transactions: self.transactions,
            compute_units: self.compute_units,
            spent_lamports: self.transactions as u64 * SIGNATURE_LAMPORTS + answered_lamports,
            locked_lamports: self.locked_lamports,
        }
    }
}

/// The provider says nothing at all.
fn silent() -> Withheld {
    let (claim, _) = product();
    let mut stage = Stage::new();
    let job = stage.submitted_for(claim);
    let mut bill = Bill::default();
    let root = NodeId {
        tree: Tree::Data(Operand::Op(0)),
        level: 0,
        index: 0,
    };
    bill.ask(&mut stage, &job, claim, &root);
    let demand: Demand = stage.get(&bill.demands[0]);
    stage.world.set_time(demand.due.get() + 1);
    let unanswered = bill.demands[0];
    bill.send(&mut stage, ix::timeout(&job, &unanswered));
    convicted(&stage, &job);
    bill.close(&mut stage, &job, "no answer: 1000 x 1000 x 1000, timed out")
}

/// The provider answers every demand down to the wrong leaf, and is convicted with its own answers.
fn talkative() -> Withheld {
    let (claim, charge) = product();
    let Charge::Cell { op, row, col, .. } = *charge else {
        panic!("the case charges a cell");
    };
    let mut stage = Stage::new();
    let job = stage.submitted_for(claim);
    let mut bill = Bill::default();
    let (leaf, _) = claim.locate(Operand::Op(op), 0, row, col);
    for node_id in path_to(claim, leaf) {
        bill.ask(&mut stage, &job, claim, &node_id);
        stage.answer(&job, claim, &node_id);
    }
    let convict = stage.inline(&job, charge, &claim.evidence(charge));
    let outcome = stage
        .world
        .send_v1(&[convict])
        .expect("the evidence convicts");
    bill.count(&outcome);
    convicted(&stage, &job);
    bill.close(
        &mut stage,
        &job,
        "every answer: 1000 x 1000 x 1000, convicted",
    )
}

/// The demands from the trace root to a leaf, in order.
fn path_to(claim: &Claim, leaf: NodeId) -> Vec<NodeId> {
    let mut node_id = leaf;
    let mut path = vec![node_id];
    let graph = claim.parsed();
    while let Parent::Answer { node_id: above, .. } = demand::plan(&graph, claim.items, &node_id)
        .expect("there is such a leaf")
        .parent
    {
        path.insert(0, above);
        node_id = above;
    }
    path
}

/// What each conviction takes.
pub(super) fn conviction_table<'c>(
    convictions: impl Iterator<Item = (&'c str, &'c Conviction)>,
) -> String {
    let mut text = String::from(
        "| conviction | evidence | bytes | compute units | goal | transaction bytes | transactions | fees, lamports | rent meanwhile, lamports |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for (case, one) in convictions {
        let goal = one.goal.map_or("-".into(), |goal| {
            format!("{}{}", thousands(goal), mark(one.compute_units <= goal))
        });
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {goal} | {} | {} | {} | {} |",
            case,
            one.route,
            thousands(one.evidence_bytes as u64),
            thousands(one.compute_units),
            thousands(one.transaction_bytes as u64),
            one.transactions,
            thousands(one.fee_lamports),
            thousands(one.rent_lamports),
        );
    }
    text
}

/// Both tables.
pub(super) fn tables(convictions: &[Conviction], withheld: &[Withheld]) -> String {
    let mut text = conviction_table(convictions.iter().map(|one| (one.case, one)));
    text.push_str(
        "\n| data withheld | demands | transactions of the opener | compute units | lamports spent | lamports locked meanwhile |\n| --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for one in withheld {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            one.case,
            one.demands,
            one.transactions,
            thousands(one.compute_units),
            thousands(one.spent_lamports),
            thousands(one.locked_lamports),
        );
    }
    text
}
