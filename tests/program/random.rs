//! Random programs, with data: whatever `seal` accepts can be committed to, judged at any place and asked about.

use {
    super::common::*,
    super::random_jobs::{self, random_job},
    quern_proof::demand::{self, Parent},
};

/// How many programs.
const PROGRAMS: u64 = 25;
/// Longest evidence that is tried inline.
const INLINE_BYTES: usize = 3_400;

fn programs() -> impl Iterator<Item = Claim> {
    let mut rng = random_jobs::Rng(2_026);
    (0..PROGRAMS).map(move |_| {
        let job = random_job(&mut rng, 6);
        let graph = Graph::parse(&job.bytes).unwrap();
        // A job without a batch has no rows of it.
        let rows = if graph.uses_batch() { job.items } else { 0 };
        Claim::honest(job.bytes.clone(), rows, job.inputs, job.weights)
    })
}

/// Cells and padding, right and wrong, with the verdict of the library each time.
#[test]
fn random_programs_are_judged_as_natively() {
    let mut rng = Rng::new(5);
    let (mut right, mut wrong, mut changed) = (0, 0, 0);
    for honest in programs() {
        let mut court = Court::of(&honest);
        let cells = honest.cells();
        for _ in 0..12 {
            let (op, row, col) = *rng.pick(&cells);
            let charge = cell(op, row, col);
            let evidence = honest.evidence(&charge);
            if evidence.len() > INLINE_BYTES {
                continue;
            }
            let verdict = court.convict_as_native(&honest, &charge, &evidence);
            assert_eq!(verdict, Err(Refusal::NothingWrong), "P7");
            right += 1;

            let mut claim = honest.clone();
            claim.corrupt_by(op, row, col, 1 << rng.below(8));
            let verdict = court.convict_as_native(&claim, &charge, &claim.evidence(&charge));
            assert_eq!(verdict, Ok(()));
            wrong += 1;

            for _ in 0..4 {
                let mut evidence = evidence.clone();
                let at = rng.below(evidence.len() as u64) as usize;
                evidence[at] ^= 1 << rng.below(8);
                let verdict = court.convict_as_native(&honest, &charge, &evidence);
                assert!(verdict.is_err(), "P7");
                changed += 1;
            }
        }
        let paddings = honest.paddings();
        for _ in 0..if paddings.is_empty() { 0 } else { 5 } {
            let charge = *rng.pick(&paddings);
            let evidence = honest.evidence(&charge);
            let verdict = court.convict_as_native(&honest, &charge, &evidence);
            assert_eq!(verdict, Err(Refusal::NothingWrong), "P7");
            let mut claim = honest.clone();
            claim.spoil_padding(&charge);
            let verdict = court.convict_as_native(&claim, &charge, &claim.evidence(&charge));
            assert_eq!(verdict, Ok(()));
        }
    }
    println!("{right} right cells, {wrong} wrong ones, {changed} changed pieces of evidence");
    assert!(right > 200 && wrong > 200 && changed > 800);
}

/// P14: an honest provider can answer whatever may be asked, and the program takes the answer.
#[test]
fn random_programs_can_be_asked_anything() {
    let mut rng = Rng::new(6);
    let (mut answered, mut refused) = (0, 0);
    for claim in programs() {
        let mut stage = Stage::new();
        let job = stage.submitted_for(&claim);
        let demands = claim.demands();
        for _ in 0..8 {
            let node_id = *rng.pick(&demands);
            answered += ask_down(&mut stage, &job, &claim, &node_id);
        }
        // Anything else that has a name in the trees is refused for one of two reasons.
        for _ in 0..8 {
            let codes = [0, 1, 5, 63, 64, 67, 128, 130, 191, 255];
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
