//! `set_operator_limit`: what a hot key may reserve and lose; `keys.rs` steals one.

use super::common::*;

#[test]
fn the_operators_limit_is_the_owners_choice() {
    let mut stage = Stage::new();
    let (provider, usd) = (stage.cast.provider, stage.usd);
    let outcome = stage.ok(ix::set_operator_limit(&provider, &usd, 123));
    assert!(
        matches!(outcome.event(), QuernEvent::OperatorLimitSet(e) if e.owner == provider && e.limit_atoms == 123)
    );
    assert_eq!(
        stage
            .get::<Purse>(&addresses::purse(&provider, &usd))
            .operator_limit_atoms
            .get(),
        123
    );
}

/// The operator takes within the owner's limit; every way out lowers what counts against it.
#[test]
fn an_operator_takes_within_its_limit() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let usd = stage.usd;
    stage.ok(ix::set_operator_limit(&cast.provider, &usd, 39_999));
    let (first, second) = (
        stage.create(stage.refereed()),
        stage.create(stage.refereed()),
    );
    let by_operator =
        |stage: &Stage, job: &Pubkey| ix::take_job(&cast.operator, &cast.provider, &stage.job(job));
    let reserved = |stage: &Stage| {
        stage
            .get::<Purse>(&addresses::purse(&cast.provider, &usd))
            .operator_reserved_atoms
            .get()
    };
    stage.ok(by_operator(&stage, &first));
    assert!(stage.job(&first).taken_by_operator.get());
    assert_eq!(reserved(&stage), 20_000);
    stage.refused(by_operator(&stage, &second), QuernError::OperatorLimit);
    // The owner is not bound by it, and its takes do not count.
    stage.take(&second);
    assert_eq!(reserved(&stage), 20_000);
    let submit = ix::submit(&cast.operator, &stage.job(&first), proof(1));
    stage.ok(submit);
    stage.at_deadline(&first, 1);
    let finalize = ix::finalize(&cast.operator, &stage.job(&first), &stage.emission());
    stage.ok(finalize);
    assert_eq!(reserved(&stage), 0);
    stage.ok(ix::set_operator_limit(&cast.provider, &usd, 40_000));
    let third = stage.create(stage.refereed());
    stage.ok(by_operator(&stage, &third));
    stage.at_deadline(&third, 1);
    stage.expire(&third);
    assert_eq!(
        reserved(&stage),
        0,
        "a late penalty and the release count as well"
    );
    let purse: Purse = stage.get(&addresses::purse(&cast.provider, &usd));
    assert_eq!(
        (
            purse.operator_limit_atoms.get(),
            purse.operator_lost_atoms.get()
        ),
        (40_000, 4_000),
        "what was lost does not come back"
    );
    let all = (
        stage.create(stage.refereed()),
        stage.create(stage.refereed()),
    );
    stage.ok(by_operator(&stage, &all.0));
    stage.refused(by_operator(&stage, &all.1), QuernError::OperatorLimit);
    stage.submit(&all.0);
    stage.at_deadline(&all.0, 1);
    stage.finalize(&all.0);
    // Lowering the limit below what is reserved only stops new takes.
    let fourth = stage.create(stage.refereed());
    stage.ok(by_operator(&stage, &fourth));
    stage.ok(ix::set_operator_limit(&cast.provider, &usd, 0));
    stage.submit(&fourth);
    stage.convict(&fourth);
    let settle = ix::settle_conviction(&stage.job(&fourth));
    stage.ok(settle);
    assert_eq!(reserved(&stage), 0);
}

/// The same command twice, the second one after the operator lost what the first allowed, allows nothing more.
#[test]
fn a_repeated_limit_does_not_forget_what_was_lost() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let usd = stage.usd;
    let limit = ix::set_operator_limit(&cast.provider, &usd, 20_000);
    stage.ok(limit.clone());
    let (first, second) = (
        stage.create(stage.refereed()),
        stage.create(stage.refereed()),
    );
    let take =
        |stage: &Stage, job: &Pubkey| ix::take_job(&cast.operator, &cast.provider, &stage.job(job));
    stage.ok(take(&stage, &first));
    stage.submit(&first);
    stage.convict(&first);
    stage.ok(ix::settle_conviction(&stage.job(&first)));
    stage.ok(limit);
    stage.refused(take(&stage, &second), QuernError::OperatorLimit);
    // Another 20,000 are another decision.
    stage.ok(ix::set_operator_limit(&cast.provider, &usd, 40_000));
    stage.ok(take(&stage, &second));
}

/// What `set_operator_limit` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![(
        E::InvariantBroken,
        "more for the operator than is reserved",
        |stage| {
            let purse = addresses::purse(&stage.cast.provider, &stage.usd);
            stage.tamper(&purse, |purse: &mut Purse| {
                purse.operator_reserved_atoms = 1u64.into()
            });
            ix::set_operator_limit(&stage.cast.provider, &stage.usd, 5)
        },
    )]
}
