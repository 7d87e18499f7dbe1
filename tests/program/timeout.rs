//! `timeout`: a demand without an answer convicts.

use super::common::*;

/// A provider that says nothing: the opener is the prover, and gets rent and fee back.
#[test]
fn silence_is_convicted_and_the_fee_goes_back() {
    let claim = every_op();
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let job = stage.submitted_for(&claim);
    let lamports = stage.lamports(&cast.prover);
    let first = stage.ask(&job, &claim, &TRACE);
    let weight = node_id(Operand::Weight(4), 0, 0);
    let second = stage.ask(&job, &claim, &weight);
    let due = stage.get::<Demand>(&first).due.get();
    stage.set_time(due);
    stage.refused(ix::timeout(&job, &first), QuernError::TooEarly);
    stage.set_time(due + 1);
    let outcome = stage.ok(ix::timeout(&job, &first));
    let QuernEvent::JobConvicted(event) = outcome.event() else {
        panic!("{:?}", outcome.events)
    };
    assert_eq!(
        (event.prover, event.conviction),
        (cast.prover, Conviction::Unanswered(TRACE.into()))
    );
    // Nothing more happens to a slashed job.
    stage.refused(ix::timeout(&job, &second), QuernError::WrongState);
    let late = stage.reveal_ix(&job, &claim, &weight);
    stage.refused(late, QuernError::WrongState);
    // Close one before and one after the bond is paid.
    let close = |stage: &Stage, demand: &Pubkey| ix::close_demand(demand, &stage.get(demand));
    let closes = [close(&stage, &first), close(&stage, &second)];
    stage.ok(closes[0].clone());
    stage.ok(ix::settle_conviction(&stage.job(&job)));
    stage.ok(closes[1].clone());
    assert_eq!(stage.lamports(&cast.prover), lamports);
    assert_eq!(stage.usd_of(&cast.prover).0, 8_000);
}

/// What `timeout` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::WrongState, "a timeout after a conviction", |stage| {
            let job = submitted(stage);
            let demand = stage.ask(&job, &claim(1), &TRACE);
            stage.convict(&job);
            stage.wait(DAY);
            ix::timeout(&job, &demand)
        }),
        (E::WrongDemand, "a timeout of another job", |stage| {
            let (job, other) = (submitted(stage), submitted(stage));
            let demand = stage.ask(&job, &claim(1), &TRACE);
            stage.wait(DAY);
            ix::timeout(&other, &demand)
        }),
        (E::AlreadyAnswered, "a timeout after the answer", |stage| {
            let job = submitted(stage);
            let demand = stage.ask(&job, &claim(1), &TRACE);
            stage.answer(&job, &claim(1), &TRACE);
            stage.wait(DAY);
            ix::timeout(&job, &demand)
        }),
        (E::TooEarly, "a timeout in time", |stage| {
            let job = submitted(stage);
            let demand = stage.ask(&job, &claim(1), &TRACE);
            stage.wait(21_600);
            ix::timeout(&job, &demand)
        }),
    ]
}
