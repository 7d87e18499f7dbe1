//! Deadlines, to the second.

use super::*;

/// Whether an instruction would be taken at this time.
fn at(stage: &Stage, time: i64, instruction: &Instruction) -> Result<(), Option<u32>> {
    let mut stage = stage.clone();
    stage.set_time(time);
    match stage.world.send(std::slice::from_ref(instruction)) {
        Ok(_) => Ok(()),
        Err(failure) => Err(failure.code()),
    }
}

#[track_caller]
fn until(stage: &Stage, last: i64, instruction: &Instruction) {
    assert_eq!(at(stage, last, instruction), Ok(()), "in time");
    let late = Err(Some(code_of(QuernError::TooLate)));
    assert_eq!(at(stage, last + 1, instruction), late, "a second late");
}

#[track_caller]
fn after(stage: &Stage, last: i64, instruction: &Instruction) {
    let early = Err(Some(code_of(QuernError::TooEarly)));
    assert_eq!(at(stage, last, instruction), early, "still in time");
    assert_eq!(at(stage, last + 1, instruction), Ok(()), "a second later");
}

/// A restart moves a deadline of what began before it, and of nothing that begins after.
#[test]
fn deadlines_of_demands_and_answers() {
    let claim = five_ops();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let review_end = stage.job(&job).deadline.get();
    assert_eq!(review_end, stage.now() + 3_600);

    // A demand at a root.
    let ask = stage.demand_ix(&job, &claim, &TRACE);
    until(&stage, review_end, &ask);
    let mut restarted = stage.clone();
    restarted.restart();
    until(&restarted, review_end + RESTART_GRACE, &ask);

    // Its answer and its timeout.
    stage.set_time(review_end);
    stage.ok(ask);
    let demand = stage.demand_of(&job, &TRACE);
    let due = stage.get::<Demand>(&demand).due.get();
    assert_eq!(due, review_end + RESPONSE);
    let reveal = stage.reveal_ix(&job, &claim, &TRACE);
    let timeout = ix::timeout(&job, &demand);
    until(&stage, due, &reveal);
    after(&stage, due, &timeout);
    let mut restarted = stage.clone();
    restarted.restart();
    until(&restarted, due + RESTART_GRACE, &reveal);
    after(&restarted, due + RESTART_GRACE, &timeout);

    // No settlement while it is open, whenever.
    let finalize = |stage: &Stage| {
        let state = stage.job(&job);
        ix::finalize(&state.provider, &state, &stage.emission())
    };
    for time in [review_end + 1, due, due + 1, due + 400 * DAY] {
        let open = Err(Some(code_of(QuernError::DemandsOpen)));
        assert_eq!(at(&stage, time, &finalize(&stage)), open);
    }

    // After the last answer everybody has time to react; then the job settles.
    stage.set_time(due);
    stage.ok(reveal);
    let react_end = due + REACT;
    let root = node_id(Operand::Op(0), 0, 0);
    let child = stage.demand_ix(&job, &claim, &root);
    until(&stage, react_end, &child);
    after(&stage, react_end, &finalize(&stage));
    let mut restarted = stage.clone();
    restarted.restart();
    until(&restarted, react_end + RESTART_GRACE, &child);
    after(&restarted, react_end + RESTART_GRACE, &finalize(&restarted));
    // Another root may not be asked about any more.
    let input = stage.demand_ix(&job, &claim, &node_id(Operand::Input(0), 0, 0));
    let late = Err(Some(code_of(QuernError::TooLate)));
    assert_eq!(at(&stage, stage.now(), &input), late);

    // The child in turn, a level deeper each time: its own answer and reaction count.
    stage.set_time(react_end);
    stage.ok(child);
    let child = stage.demand_of(&job, &root);
    assert_eq!(stage.get::<Demand>(&child).due.get(), react_end + RESPONSE);
    stage.set_time(react_end + RESPONSE);
    stage.answer(&job, &claim, &root);
    let leaf = stage.demand_ix(&job, &claim, &node_id(Operand::Op(0), 4, 0));
    until(&stage, react_end + RESPONSE + REACT, &leaf);
    after(&stage, react_end + RESPONSE + REACT, &finalize(&stage));
    // A sibling of the child was known since the first answer: its time is over.
    let sibling = stage.demand_ix(&job, &claim, &node_id(Operand::Op(1), 0, 0));
    assert_eq!(at(&stage, stage.now(), &sibling), late);
}

/// Below an early answer demands may be asked until the review ends.
#[test]
fn an_early_answer_does_not_shorten_the_review() {
    let claim = five_ops();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let review_end = stage.job(&job).deadline.get();
    stage.ask(&job, &claim, &TRACE);
    stage.answer(&job, &claim, &TRACE);
    let answered_at = stage.now();
    assert!(answered_at + REACT <= review_end);
    let child = stage.demand_ix(&job, &claim, &node_id(Operand::Op(0), 0, 0));
    until(&stage, review_end, &child);
    let state = stage.job(&job);
    let finalize = ix::finalize(&state.provider, &state, &stage.emission());
    after(&stage, review_end.max(answered_at + REACT), &finalize);
}

/// A cluster that restarts between demand and answer moves the due time; what is asked later has its full time anyway.
#[test]
fn a_restart_moves_only_what_began_before_it() {
    let claim = five_ops();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    stage.restart();
    let demand = stage.ask(&job, &claim, &TRACE);
    let due = stage.get::<Demand>(&demand).due.get();
    let reveal = stage.reveal_ix(&job, &claim, &TRACE);
    until(&stage, due, &reveal);
    after(&stage, due, &ix::timeout(&job, &demand));
}

/// The last answer and the settlement in one transaction: the reaction time refuses it, however late it is.
#[test]
fn an_answer_cannot_be_bundled_with_the_settlement() {
    let claim = five_ops();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    stage.at_deadline(&job, 0);
    let demand = stage.ask(&job, &claim, &TRACE);
    let due = stage.get::<Demand>(&demand).due.get();
    stage.set_time(due);
    let state = stage.job(&job);
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

/// Fifty demands at once: each has five more seconds for every one before it, and the provider can answer all.
#[test]
fn a_flood_of_demands_is_answered_in_time() {
    let claim = five_ops();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let weight = |level, index| node_id(Operand::Weight(0), level, index);
    for (level, count) in [(0, 1), (4, 10)] {
        for index in 0..count {
            stage.ask(&job, &claim, &weight(level, index));
            stage.answer(&job, &claim, &weight(level, index));
        }
    }
    let now = stage.now();
    let flood: Vec<NodeId> = (0..50).map(|index| weight(8, index)).collect();
    for (place, node_id) in flood.iter().enumerate() {
        let demand = stage.ask(&job, &claim, node_id);
        let due = stage.get::<Demand>(&demand).due.get();
        assert_eq!(due, now + RESPONSE + 5 * place as i64);
    }
    assert_eq!(stage.job(&job).open_demands.get(), 50);
    // Answered in any order, each in its last second; the queue shrinks with them.
    for (place, node_id) in flood.iter().enumerate() {
        stage.set_time(now + RESPONSE + 5 * place as i64);
        stage.answer(&job, &claim, node_id);
    }
    assert_eq!(stage.job(&job).open_demands.get(), 0);
    let last = stage.now();
    let state = stage.job(&job);
    let finalize = ix::finalize(&state.provider, &state, &stage.emission());
    after(&stage, last + REACT, &finalize);
}
