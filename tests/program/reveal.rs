//! `reveal`: which bytes answer a demand, and who is paid.

use super::common::*;

/// The last answer and the settlement in one transaction: the reaction time refuses it, however late it is.
#[test]
fn an_answer_cannot_be_bundled_with_the_settlement() {
    let claim = every_op();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    stage.at_deadline(&job, 0);
    let demand = stage.ask(&job, &claim, &TRACE);
    let due = stage.get::<Demand>(&demand).due.get();
    stage.set_time(due);
    // The settlement is about the job as the answer leaves it, which is known before.
    let mut state = stage.job(&job);
    state.seq += 1u64;
    let bundle = [
        stage.reveal_ix(&job, &claim, &TRACE),
        ix::finalize(&state.provider, &state, &stage.emission()),
    ];
    let failure = stage.fails_all(&bundle);
    assert_eq!(failure.code(), Some(code_of(QuernError::TooEarly)));
    stage.ok(bundle[0].clone());
    stage.set_time(due + REACT + 1);
    stage.ok(bundle[1].clone());
}

/// All demands about the trace, or those from a data root to the last present leaf.
fn on_the_way(claim: &Claim, tree: Tree) -> Vec<NodeId> {
    let Tree::Data(operand) = tree else {
        let mut all = claim.demands();
        all.retain(|node_id| node_id.tree == tree);
        return all;
    };
    let geometry = claim.geometry(operand);
    let (row, k) = (geometry.rows() - 1, geometry.leaves() - 1);
    let leaf = geometry.leaf_position(row, k).unwrap();
    let height = geometry.height();
    let steps = (0..height).step_by(4).chain([height]);
    steps
        .map(|level| NodeId::new(tree, level, leaf >> (height - level)))
        .collect()
}

/// Asks and answers every demand on the way to one leaf of every tree, and reads each answer where it is kept.
#[test]
fn every_level_of_every_tree_is_revealed() {
    let claim = every_op();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let mut levels = std::collections::BTreeSet::new();
    let trees = claim.demands().into_iter().map(|node_id| node_id.tree);
    let trees: std::collections::BTreeSet<u16> = trees.map(Tree::code).collect();
    for tree in trees
        .into_iter()
        .rev()
        .map(|code| Tree::from_code(code).unwrap())
    {
        for node_id in on_the_way(&claim, tree) {
            let level = node_id.level;
            let demand = stage.ask(&job, &claim, &node_id);
            let answer = claim.answer(&node_id);
            stage.answer(&job, &claim, &node_id);
            let state: Demand = stage.get(&demand);
            assert!(state.answered.get());
            assert_eq!(state.answered_at.get(), stage.now());
            let data = stage.svm.get_account(&demand).unwrap().data;
            assert_eq!(
                Demand::answer_of(&data, state.answer_bytes.get()),
                Some(&answer[..])
            );
            levels.insert((tree == Tree::Trace, level, answer.len()));
        }
    }
    println!("{levels:?}");
    // Steps of one to four levels (two are as long as a leaf), and leaves.
    let lengths: std::collections::BTreeSet<usize> =
        levels.iter().map(|(.., length)| *length).collect();
    assert_eq!(lengths, [64, 128, 256, 512].into());
    assert_eq!(stage.job(&job).open_demands.get(), 0);
}

#[test]
fn only_the_right_answer_is_taken() {
    let claim = every_op();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let other = stage.submitted_for(&claim);
    let provider = stage.cast.provider;
    let demand = stage.ask(&job, &claim, &TRACE);
    let right = claim.answer(&TRACE);
    let reveal = |answer: &[u8]| ix::reveal(&provider, &job, &demand, answer);
    let mut wrong: Vec<Vec<u8>> = vec![
        Vec::new(),
        right[..32].to_vec(),
        right[..128].to_vec(),
        right[..255].to_vec(),
        [&right[..], &[0; 32]].concat(),
        [&right[..], &right[..]].concat(),
        vec![0; 256],
        claim.trace_root().to_vec(),
    ];
    for at in [0, 31, 32, 255] {
        let mut answer = right.clone();
        answer[at] ^= 1;
        wrong.push(answer);
    }
    let mut swapped = right.clone();
    swapped[..64].rotate_left(32);
    wrong.push(swapped);
    // The two children of the root: hashed from them, but not what was asked for.
    let child = |index| claim.node(&NodeId::new(Tree::Trace, 1, index));
    wrong.push([child(0), child(1)].concat());
    for answer in wrong {
        stage.refused(reveal(&answer), QuernError::WrongAnswer);
    }
    // With another job, whose root is even the same.
    stage.refused(
        ix::reveal(&provider, &other, &demand, &right),
        QuernError::WrongDemand,
    );
    stage.ok(reveal(&right));
    stage.refused(reveal(&right), QuernError::AlreadyAnswered);
    let due = stage.get::<Demand>(&demand).due.get();
    stage.set_time(due + 1);
    stage.refused(ix::timeout(&job, &demand), QuernError::AlreadyAnswered);
    // A leaf: its bytes, not its hash, and no node for a leaf.
    let input = node_id(Operand::Input(2), 0, 0);
    let fresh = stage.submitted_for(&claim);
    stage.ask(&fresh, &claim, &input);
    stage.answer(&fresh, &claim, &input);
    let leaf = node_id(Operand::Input(2), 4, 1);
    let demand = stage.ask(&fresh, &claim, &leaf);
    let bytes = claim.leaf(&leaf).unwrap();
    let reveal = |answer: &[u8]| ix::reveal(&provider, &fresh, &demand, answer);
    let mut short = bytes.to_vec();
    short.truncate(12);
    stage.refused(reveal(&short), QuernError::WrongAnswer);
    let node = |index| claim.node(&NodeId { index, ..leaf });
    let nodes = [node(0), node(1)].concat();
    stage.refused(reveal(&nodes), QuernError::WrongAnswer);
    let right = claim.answer(&leaf);
    stage.ok(reveal(&right));
}

/// The provider may ask itself; it gains nothing and hides nothing.
#[test]
fn a_provider_that_asks_itself_gains_nothing() {
    let mut claim = every_op();
    claim.corrupt(3, 0, 0);
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let job = stage.submitted_for(&claim);
    let lamports = stage.lamports(&cast.provider);
    let ask = ix::demand(&cast.provider, &stage.job(&job), &TRACE, None);
    stage.ok(ask);
    // Its own silence is convicted with itself as prover: it loses 60 %.
    let mut silent = stage.clone();
    let demand = silent.demand_of(&job, &TRACE);
    silent.wait(RESPONSE + 1);
    let before = silent.usd_of(&cast.provider);
    silent.ok(ix::timeout(&job, &demand));
    silent.ok(ix::settle_conviction(&silent.job(&job)));
    let after = silent.usd_of(&cast.provider);
    assert_eq!(before.0 + before.1 - after.0 - after.1, 12_000);
    // Answering itself, it gets its own fee back; anybody else's conviction goes on.
    stage.answer(&job, &claim, &TRACE);
    let rent = stage.lamports(&demand);
    assert_eq!(stage.lamports(&cast.provider), lamports - rent);
    let charge = cell(3, 0, 0);
    let convict = stage.inline(&job, &charge, &claim.evidence(&charge));
    stage.send_v1(&[convict]).unwrap();
}

/// A signer that the fee does not make rent-exempt can't take it; one that is, can.
#[test]
fn the_fee_goes_to_an_account_that_can_hold_it() {
    let claim = every_op();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let demand = stage.ask(&job, &claim, &TRACE);
    let poor = actor("poor");
    let reveal = ix::reveal(&poor, &job, &demand, &claim.answer(&TRACE));
    let failure = stage.fails(reveal.clone());
    assert!(
        matches!(
            failure.error,
            TransactionError::InsufficientFundsForRent { .. }
        ),
        "{:?}",
        failure.error
    );
    stage.give_lamports(&poor);
    stage.ok(reveal);
}

/// What `reveal` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::WrongState, "an answer after a conviction", |stage| {
            let job = submitted(stage);
            stage.ask(&job, &claim(1), &TRACE);
            stage.convict(&job);
            stage.reveal_ix(&job, &claim(1), &TRACE)
        }),
        (E::WrongDemand, "an answer for another job", |stage| {
            let (job, other) = (submitted(stage), submitted(stage));
            let demand = stage.ask(&job, &claim(1), &TRACE);
            let answer = claim(1).answer(&TRACE);
            ix::reveal(&stage.cast.provider, &other, &demand, &answer)
        }),
        (E::AlreadyAnswered, "a second answer", |stage| {
            let job = submitted(stage);
            stage.ask(&job, &claim(1), &TRACE);
            stage.answer(&job, &claim(1), &TRACE);
            stage.reveal_ix(&job, &claim(1), &TRACE)
        }),
        (E::WrongAnswer, "of another commitment", |stage| {
            let job = submitted(stage);
            stage.ask(&job, &claim(1), &TRACE);
            stage.reveal_ix(&job, &claim(2), &TRACE)
        }),
        (E::TooLate, "an answer after its time", |stage| {
            let job = submitted(stage);
            stage.ask(&job, &claim(1), &TRACE);
            stage.wait(21_601);
            stage.reveal_ix(&job, &claim(1), &TRACE)
        }),
    ]
}
