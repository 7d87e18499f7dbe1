//! `set_operator_limit`: what a hot key may reserve and lose.

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
    let limit = |stage: &Stage| {
        stage
            .get::<Purse>(&addresses::purse(&cast.provider, &usd))
            .operator_limit_atoms
            .get()
    };
    assert_eq!(limit(&stage), 36_000, "what was lost does not come back");
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

/// A stolen hot key that takes its thief's own jobs and lets them expire costs the owner at most the limit.
#[test]
fn a_stolen_operator_key_loses_at_most_the_limit() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let usd = stage.usd;
    stage.ok(ix::set_operator_limit(&cast.provider, &usd, 50_000));
    let (before, _) = stage.usd_of(&cast.provider);
    let mut rounds = 0;
    loop {
        let job = stage.create(stage.refereed());
        let take = ix::take_job(&cast.operator, &cast.provider, &stage.job(&job));
        if stage.send(&[take]).is_err() {
            break;
        }
        stage.at_deadline(&job, 1);
        stage.expire(&job);
        rounds += 1;
        assert!(rounds < 100, "the limit never ends it");
    }
    assert!(rounds > 1);
    let (after, reserved) = stage.usd_of(&cast.provider);
    assert_eq!(reserved, 0);
    assert!(before - after <= 50_000, "lost {}", before - after);
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
