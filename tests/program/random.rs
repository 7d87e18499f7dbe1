//! Random graphs of all ops, with data: whatever `seal` accepts can be committed to, judged at any place and asked about, on
//! bytecode as natively. The graphs are those that the library's own tests draw.

use {
    super::common::*,
    quern_proof::{
        demand::{self, Parent},
        random::{self, RandomJob},
    },
};

/// Graphs of a few small ops.
const SMALL: usize = 40;
/// Graphs with rows of thousands of columns.
const WIDE: usize = 25;

/// The first graphs that a seed gives.
fn claims(seed: u64, count: usize, draw: fn(&mut random::Rng) -> Option<RandomJob>) -> Vec<Claim> {
    let mut rng = random::Rng(seed);
    let mut claims = Vec::new();
    while claims.len() < count {
        if let Some(job) = draw(&mut rng) {
            claims.push(Claim::honest(job.graph, job.items, job.inputs, job.weights));
        }
    }
    claims
}

fn small() -> Vec<Claim> {
    claims(2_026, SMALL, |rng| RandomJob::of(rng, 7))
}

/// How often something was judged.
#[derive(Default)]
struct Count {
    /// Cells by opcode, each as committed and once spoiled.
    cells: [usize; 9],
    /// Changed pieces of evidence.
    changed: usize,
    /// Charges of padding.
    paddings: usize,
    /// Most compute units of one judgement.
    dearest_units: u64,
}

/// Some cells, right and wrong, with the verdict of the library each time.
fn judge_cells(court: &mut Court, honest: &Claim, rng: &mut Rng, tries: usize, count: &mut Count) {
    let cells = honest.cells();
    for _ in 0..tries {
        let (op, row, col) = *rng.pick(&cells);
        let charge = charge_of(honest, honest, (op, row, col));
        let evidence = honest.evidence(&charge);
        let verdict = court.convict_as_native(honest, &charge, &evidence);
        assert_eq!(verdict, Err(Refusal::NothingWrong), "P7");

        let mut claim = honest.clone();
        claim.corrupt_by(op, row, col, 1 << rng.below(8));
        let charge = charge_of(&claim, honest, (op, row, col));
        let verdict = court.convict_as_native(&claim, &charge, &claim.evidence(&charge));
        assert_eq!(verdict, Ok(()), "P13");
        let opcode = honest.parsed().record(op.into()).unwrap().opcode;
        count.cells[usize::from(opcode)] += 1;

        for _ in 0..if evidence.len() > INLINE_BYTES { 0 } else { 4 } {
            let mut evidence = evidence.clone();
            let at = rng.below(evidence.len() as u64) as usize;
            evidence[at] ^= 1 << rng.below(8);
            let verdict = court.convict_as_native(honest, &charge, &evidence);
            assert!(verdict.is_err(), "P7");
            count.changed += 1;
        }
    }
    count.dearest_units = count.dearest_units.max(court.dearest_units);
}

/// Some padding, right and wrong.
fn judge_paddings(court: &mut Court, honest: &Claim, rng: &mut Rng, count: &mut Count) {
    let paddings = honest.paddings();
    for _ in 0..if paddings.is_empty() { 0 } else { 5 } {
        let charge = *rng.pick(&paddings);
        let evidence = honest.evidence(&charge);
        let verdict = court.convict_as_native(honest, &charge, &evidence);
        assert_eq!(verdict, Err(Refusal::NothingWrong), "P7");
        let mut claim = honest.clone();
        claim.spoil_padding(&charge);
        let verdict = court.convict_as_native(&claim, &charge, &claim.evidence(&charge));
        assert_eq!(verdict, Ok(()), "P13");
        count.paddings += 1;
    }
}

#[test]
fn random_graphs_are_judged_as_natively() {
    let (mut rng, mut count) = (Rng::new(5), Count::default());
    for honest in small() {
        let mut court = Court::of(&honest);
        judge_cells(&mut court, &honest, &mut rng, 16, &mut count);
        judge_paddings(&mut court, &honest, &mut rng, &mut count);
    }
    println!(
        "{:?} cells, {} changed pieces of evidence, {} paddings",
        count.cells, count.changed, count.paddings
    );
    assert!(
        count.cells[1..].iter().all(|cells| *cells > 10),
        "{:?}",
        count.cells
    );
    assert!(count.changed > 1_500 && count.paddings > 100);
}

/// A transaction's compute units, its heap and the stack are enough for rows of thousands of columns: one that fails for want
/// of them fails without a code of the program, and stops the test.
#[test]
fn random_wide_graphs_are_judged_within_a_transaction() {
    let (mut rng, mut count) = (Rng::new(8), Count::default());
    for honest in claims(2_027, WIDE, RandomJob::wide) {
        let mut court = Court::of(&honest);
        judge_cells(&mut court, &honest, &mut rng, 4, &mut count);
    }
    println!(
        "{:?} cells, {} compute units at most",
        count.cells, count.dearest_units
    );
    assert!(
        count.cells[1..].iter().all(|cells| *cells > 0),
        "{:?}",
        count.cells
    );
    assert!((100_000..1_400_000).contains(&count.dearest_units));
}

/// P14: an honest provider can answer whatever may be asked, and the program takes the answer.
#[test]
fn random_graphs_can_be_asked_anything() {
    let mut rng = Rng::new(6);
    let (mut answered, mut refused) = (0, 0);
    for claim in small().into_iter().take(25) {
        let mut stage = Stage::new();
        let job = stage.submitted_for(&claim);
        let demands = claim.demands();
        for _ in 0..8 {
            let node_id = *rng.pick(&demands);
            answered += ask_down(&mut stage, &job, &claim, &node_id);
        }
        // Anything else that has a name in the trees is refused for one of two reasons.
        for _ in 0..8 {
            let codes = [0, 1, 5, 1_023, 1_024, 1_027, 2_048, 2_050, 3_071, 65_535];
            let node_id = NodeId {
                tree: Tree::from_code(*rng.pick(&codes)).unwrap(),
                level: rng.below(10) as u8,
                index: rng.below(40),
            };
            let expected = match demand::plan(&claim.parsed(), claim.items, &node_id) {
                Ok(_) => continue,
                Err(demand::DemandError::NoSuchNode) => QuernError::NoSuchNode,
                Err(demand::DemandError::Missing) => QuernError::MissingPosition,
            };
            let ask = ix::demand(&stage.cast.prover, &stage.job(&job), &node_id, None);
            stage.refused(ask, expected);
            refused += 1;
        }
    }
    println!("{answered} answers, {refused} refusals");
    assert!(answered > 200 && refused > 50);
}

/// Asks a demand and, before it, whatever leads to it. Returns how many answers that took.
fn ask_down(stage: &mut Stage, job: &Pubkey, claim: &Claim, node_id: &NodeId) -> usize {
    if stage.exists(&stage.demand_of(job, node_id)) {
        return 0;
    }
    let asked = demand::plan(&claim.parsed(), claim.items, node_id).unwrap();
    let above = match asked.parent {
        Parent::Answer { node_id, .. } => ask_down(stage, job, claim, &node_id),
        _ => 0,
    };
    stage.ask(job, claim, node_id);
    stage.answer(job, claim, node_id);
    above + 1
}
