//! `set_pause`: what stops and what goes on.

use super::common::*;

/// Guardian and authority stop, only the authority resumes; every exit stays open.
#[test]
fn a_pause_stops_new_things_only() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let usd = stage.usd;
    let open = stage.create(stage.refereed());
    let taken = stage.create(stage.refereed());
    stage.take(&taken);
    let mut args = stage.accepted();
    args.milestones = 1;
    let accepted = stage.job_in(quern::state::JobState::Submitted, args.clone());
    let rejected = stage.job_in(quern::state::JobState::Rejected, args.clone());
    let slashed = stage.job_in(quern::state::JobState::Convicted, stage.refereed());
    let late = stage.job_in(quern::state::JobState::Taken, args);

    stage.refused(
        ix::set_pause(&cast.stranger, true),
        QuernError::NotAuthorized,
    );
    let outcome = stage.ok(ix::set_pause(&cast.guardian, true));
    assert!(matches!(outcome.event(), QuernEvent::PauseSet(e) if e.paused));
    assert!(stage.protocol().paused.get());
    stage.refused(
        ix::set_pause(&cast.guardian, false),
        QuernError::NotAuthorized,
    );

    stage.refused(stage.create_ix(stage.refereed()), QuernError::Paused);
    stage.refused(
        ix::take_job(&cast.provider, &cast.provider, &stage.job(&open)),
        QuernError::Paused,
    );
    stage.refused(
        ix::register_model(&cast.creator, model_args(9, 0)),
        QuernError::Paused,
    );

    stage.submit(&taken);
    stage.at_deadline(&taken, 1);
    stage.finalize(&taken);
    stage.accept(&accepted);
    stage.resolve(&rejected, 6_000, 0);
    stage.ok(ix::settle_conviction(&stage.job(&slashed)));
    stage.ok(ix::cancel_job(&stage.job(&open)));
    stage.at_deadline(&late, 1);
    stage.expire(&late);
    stage.ok(ix::claim_rewards(&cast.provider, &stage.gold));
    stage.deposit(&cast.client, &usd, 5);
    stage.withdraw(&cast.client, &usd, 5);
    let uri = ModelSettings {
        active: true,
        royalty_bps: 1,
        uri: String::new(),
    };
    stage.ok(ix::update_model(
        &cast.creator,
        &stage.model,
        Some(uri),
        None,
    ));
    stage.ok(ix::update_provider(
        &cast.provider,
        provider_args(&cast.operator),
    ));

    stage.ok(ix::set_pause(&cast.authority, false));
    stage.ok(ix::set_pause(&cast.authority, true));
    stage.ok(ix::set_pause(&cast.authority, false));
    stage.create(stage.refereed());
}

/// A pause stops no demand, answer or conviction.
#[test]
fn a_pause_stops_no_referee() {
    let mut claim = every_op();
    claim.corrupt(0, 2, 139);
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let guardian = stage.cast.guardian;
    stage.ok(ix::set_pause(&guardian, true));
    stage.ask(&job, &claim, &TRACE);
    stage.answer(&job, &claim, &TRACE);
    let charge = cell(0, 2, 139);
    let convict = stage.inline(&job, &charge, &claim.evidence(&charge));
    stage.send_v1(&[convict]).unwrap();
    let demand = stage.demand_of(&job, &TRACE);
    stage.ok(ix::close_demand(&demand, &stage.get(&demand)));
    stage.ok(ix::settle_conviction(&stage.job(&job)));
}
