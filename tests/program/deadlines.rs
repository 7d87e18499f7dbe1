//! Deadlines across instructions, to the second, with and without cluster restarts.

use super::common::*;

/// Both sides of a deadline: `in_time` works up to it, `crank` works one second later, and neither works on the other side.
fn edge(
    stage: &Stage,
    deadline: i64,
    in_time: Option<(&Instruction, QuernError)>,
    crank: Option<(&Instruction, QuernError)>,
) {
    for (after, now) in [(false, deadline), (true, deadline + 1)] {
        if let Some((instruction, late)) = &in_time {
            let mut stage = stage.clone();
            stage.set_time(now);
            if after {
                let failure = stage.fails((*instruction).clone());
                assert_eq!(
                    failure.code(),
                    Some(code_of_ref(late)),
                    "{:?}",
                    failure.logs
                );
            } else {
                stage.ok((*instruction).clone());
            }
        }
        if let Some((instruction, early)) = &crank {
            let mut stage = stage.clone();
            stage.set_time(now);
            if after {
                stage.ok((*instruction).clone());
            } else {
                let failure = stage.fails((*instruction).clone());
                assert_eq!(
                    failure.code(),
                    Some(code_of_ref(early)),
                    "{:?}",
                    failure.logs
                );
            }
        }
    }
}

fn code_of_ref(error: &QuernError) -> u32 {
    code_of(match error {
        QuernError::TooLate => QuernError::TooLate,
        QuernError::TooEarly => QuernError::TooEarly,
        QuernError::GraceTime => QuernError::GraceTime,
        other => panic!("no deadline fails with {other:?}"),
    })
}

const LATE: QuernError = QuernError::TooLate;

const EARLY: QuernError = QuernError::TooEarly;

/// Every deadline, with `extra` seconds that a restart adds.
fn every_deadline(prepare: impl Fn(&mut Stage), extra: i64) {
    let base = Stage::new();
    let cast = base.cast.clone();
    let state = |state: JobState, args: NewJob| {
        let mut stage = base.clone();
        let job = stage.job_in(state, args);
        prepare(&mut stage);
        let deadline = stage.job(&job).deadline.get() + extra;
        let expire = ix::expire(&stage.job(&job));
        (stage, job, deadline, expire)
    };

    let (stage, job, deadline, expire) = state(JobState::Open, base.refereed());
    let take = ix::take_job(&cast.provider, &cast.provider, &stage.job(&job));
    edge(
        &stage,
        deadline,
        Some((&take, LATE)),
        Some((&expire, EARLY)),
    );

    let (stage, job, deadline, expire) = state(JobState::Taken, base.accepted());
    let submit = ix::submit(&cast.provider, &stage.job(&job), proof(1));
    edge(
        &stage,
        deadline,
        Some((&submit, LATE)),
        Some((&expire, EARLY)),
    );

    let (stage, job, deadline, _) = state(JobState::Submitted, base.accepted());
    let reject = ix::reject(&stage.job(&job), "r".into());
    let finalize = ix::finalize(&cast.provider, &stage.job(&job), &stage.emission());
    edge(
        &stage,
        deadline,
        Some((&reject, LATE)),
        Some((&finalize, EARLY)),
    );
    // The operator is the provider's party as well.
    let by_operator = ix::finalize(&cast.operator, &stage.job(&job), &stage.emission());
    edge(&stage, deadline, None, Some((&by_operator, EARLY)));
    // Anybody else one grace time later.
    let finalize = ix::finalize(&cast.stranger, &stage.job(&job), &stage.emission());
    edge(
        &stage,
        deadline + 1_800,
        None,
        Some((&finalize, QuernError::GraceTime)),
    );
    // The client of a refereed job has no advantage.
    let (refereed, its_job, its_deadline, _) = state(JobState::Submitted, base.refereed());
    let by_client = ix::finalize(&cast.client, &refereed.job(&its_job), &refereed.emission());
    edge(
        &refereed,
        its_deadline + 1_800,
        None,
        Some((&by_client, QuernError::GraceTime)),
    );
    let mut early = refereed.clone();
    early.set_time(its_deadline);
    early.refused(by_client, EARLY);
    // That of a reviewed job may accept for as long as nobody has finalized.
    let accept = ix::accept(&stage.job(&job), &stage.emission());
    for now in [deadline, deadline + 1, deadline + 400 * DAY] {
        let mut stage = stage.clone();
        stage.set_time(now);
        stage.ok(accept.clone());
    }

    let (stage, job, deadline, expire) = state(JobState::Rejected, base.accepted());
    let resolve = ix::resolve(&stage.job(&job), decision(7_000, 0));
    edge(
        &stage,
        deadline,
        Some((&resolve, LATE)),
        Some((&expire, EARLY)),
    );
}

#[test]
fn deadlines_to_the_second() {
    every_deadline(|_| (), 0);
}

/// A restart later than the state moves its deadlines by the grace time that the job copied.
#[test]
fn a_cluster_restart_moves_the_deadlines_of_the_state_it_fell_into() {
    every_deadline(World::restart_twice, 7_200);
}

trait RestartTwice {
    fn restart_twice(stage: &mut Stage);
}

impl RestartTwice for World {
    /// Two restarts in one state move it once.
    fn restart_twice(stage: &mut Stage) {
        stage.restart();
        stage.restart();
    }
}

/// A restart before the state, or in its very slot, moves nothing; a state after the restart has its own time.
#[test]
fn an_earlier_restart_moves_nothing() {
    let mut stage = Stage::new();
    stage.restart();
    let job = stage.create(stage.refereed());
    assert_eq!(
        stage.job(&job).state_slot.get(),
        stage.slot(),
        "the slot of the restart itself"
    );
    stage.at_deadline(&job, 1);
    stage.refused(
        ix::take_job(&stage.cast.provider, &stage.cast.provider, &stage.job(&job)),
        QuernError::TooLate,
    );
    stage.expire(&job);

    // A restart while the job was open does not prolong the work.
    let job = stage.create(stage.refereed());
    stage.restart();
    stage.at_deadline(&job, 7_200);
    stage.take(&job);
    stage.at_deadline(&job, 1);
    stage.refused(
        ix::submit(&stage.cast.provider, &stage.job(&job), proof(1)),
        QuernError::TooLate,
    );
    stage.expire(&job);
}

/// The restart rule uses the job's own copy, not today's settings.
#[test]
fn grace_and_restart_times_are_copied() {
    let mut stage = Stage::new();
    let job = stage.job_in(JobState::Submitted, stage.refereed());
    let mut args = settings(&stage.cast);
    args.grace_secs = 1;
    args.restart_grace_secs = 1;
    stage.ok(ix::update_protocol(
        &stage.cast.authority.clone(),
        Some(args),
        None,
    ));
    stage.restart();
    stage.at_deadline(&job, 7_200 + 1_800);
    let early = ix::finalize(&stage.cast.stranger, &stage.job(&job), &stage.emission());
    stage.refused(early.clone(), QuernError::GraceTime);
    stage.at_deadline(&job, 7_200 + 1_801);
    stage.ok(early);
}

/// An answer to a demand gives time to react. Demands come later, so the answer is written directly.
#[test]
fn an_answer_gives_time_to_react() {
    let mut stage = Stage::new();
    let job = stage.job_in(JobState::Submitted, stage.refereed());
    let answered = stage.job(&job).deadline.get() - 10;
    stage.tamper(&job, |job: &mut Job| job.last_answer_at = answered.into());
    let ready = answered + 3_600;
    let finalize = ix::finalize(&stage.cast.provider, &stage.job(&job), &stage.emission());
    edge(&stage, ready, None, Some((&finalize, EARLY)));
    let by_stranger = ix::finalize(&stage.cast.stranger, &stage.job(&job), &stage.emission());
    edge(
        &stage,
        ready + 1_800,
        None,
        Some((&by_stranger, QuernError::GraceTime)),
    );
}

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
    let claim = every_op();
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
    let root = NodeId::new(Tree::Trace, 4, 0);
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
    let leaf = stage.demand_ix(&job, &claim, &node_id(Operand::Op(0), 0, 0));
    until(&stage, react_end + RESPONSE + REACT, &leaf);
    after(&stage, react_end + RESPONSE + REACT, &finalize(&stage));
    // A sibling of the child was known since the first answer: its time is over.
    let sibling = stage.demand_ix(&job, &claim, &NodeId::new(Tree::Trace, 4, 1));
    assert_eq!(at(&stage, stage.now(), &sibling), late);
}

/// Below an early answer demands may be asked until the review ends.
#[test]
fn an_early_answer_does_not_shorten_the_review() {
    let claim = every_op();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let review_end = stage.job(&job).deadline.get();
    stage.ask(&job, &claim, &TRACE);
    stage.answer(&job, &claim, &TRACE);
    let answered_at = stage.now();
    assert!(answered_at + REACT <= review_end);
    let child = stage.demand_ix(&job, &claim, &NodeId::new(Tree::Trace, 4, 0));
    until(&stage, review_end, &child);
    let state = stage.job(&job);
    let finalize = ix::finalize(&state.provider, &state, &stage.emission());
    after(&stage, review_end.max(answered_at + REACT), &finalize);
}

/// A cluster that restarts between demand and answer moves the due time; what is asked later has its full time anyway.
#[test]
fn a_restart_moves_only_what_began_before_it() {
    let claim = every_op();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    stage.restart();
    let demand = stage.ask(&job, &claim, &TRACE);
    let due = stage.get::<Demand>(&demand).due.get();
    let reveal = stage.reveal_ix(&job, &claim, &TRACE);
    until(&stage, due, &reveal);
    after(&stage, due, &ix::timeout(&job, &demand));
}

/// Fifty demands at once: each has five more seconds for every one before it, and the provider can answer all.
#[test]
fn a_flood_of_demands_is_answered_in_time() {
    let claim = every_op();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let weight = |level, index| node_id(Operand::Weight(2), level, index);
    for (level, count) in [(0, 1), (4, 4)] {
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
