//! `take_job`: who may, and until when.

use super::common::*;

/// `ends_by` bounds takes and reopening, not the work.
#[test]
fn the_end_of_a_job_bounds_takes_only() {
    let mut stage = Stage::new();
    let mut args = stage.refereed();
    args.ends_by = stage.now() + 10;
    args.work_secs = 10;
    let job = stage.create(args.clone());
    assert_eq!(
        stage.job(&job).deadline.get(),
        args.ends_by,
        "less than the time to take"
    );
    let now = stage.now();
    stage.set_time(now + 10);
    stage.take(&job);
    assert_eq!(stage.job(&job).deadline.get(), args.ends_by + 10);
    stage.at_deadline(&job, 1);
    assert!(
        matches!(stage.expire(&job).event(), QuernEvent::JobExpired(e) if e.closed),
        "past its end"
    );

    // At its very end a job still reopens, for a second.
    args.ends_by = stage.now() + 11;
    let job = stage.create(args.clone());
    stage.take(&job);
    stage.at_deadline(&job, 1);
    assert_eq!(stage.now(), args.ends_by);
    assert!(matches!(stage.expire(&job).event(), QuernEvent::JobExpired(e) if !e.closed));
    assert_eq!(stage.job(&job).deadline.get(), args.ends_by);
    stage.take(&job);
    stage.submit(&job);
}

/// A9: a provider takes the job that it looked at, at the milestone and checkpoint that it wants to work from. A second try
/// that lands after it was late does not take it again.
#[test]
fn a_take_is_about_the_job_that_was_seen() {
    let mut stage = Stage::new();
    let (provider, second) = (stage.cast.provider, stage.cast.second);
    let job = stage.create(stage.accepted());
    let seen_new = ix::take_job(&second, &second, &stage.job(&job));
    let take = ix::take_job(&provider, &provider, &stage.job(&job));
    stage.ok(take.clone());
    stage.refused(take.clone(), QuernError::JobMoved);
    stage.at_deadline(&job, 1);
    stage.expire(&job);
    assert_eq!(stage.job(&job).state(), JobState::Open);
    stage.refused(take, QuernError::JobMoved);
    stage.take(&job);
    stage.submit(&job);
    stage.accept(&job);
    stage.at_deadline(&job, 1);
    stage.expire(&job);
    stage.refused(seen_new, QuernError::JobMoved);
    let state = stage.job(&job);
    assert_eq!(
        (state.milestone, state.checkpoint),
        (1, proof(1).trace_root)
    );
    stage.ok(ix::take_job(&second, &second, &state));
}

/// On a fork a counter may be the same and the checkpoint another.
#[test]
fn a_take_is_about_the_checkpoint_that_was_seen() {
    let mut stage = Stage::new();
    let second = stage.cast.second;
    let job = stage.create(stage.accepted());
    let take = ix::take_job(&second, &second, &stage.job(&job));
    stage.tamper(&job, |job: &mut Job| job.checkpoint = [7; 32]);
    stage.refused(take, QuernError::JobMoved);
}

/// What `take_job` refuses, and an instruction that is refused for it.
#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (
            E::EntryMissing,
            "a job of a campaign that it has not joined",
            |stage| {
                let campaign = stage.sponsor(stage.campaign_args());
                let mut args = stage.refereed();
                args.campaign = campaign;
                let job = stage.create(args);
                let provider = stage.cast.provider;
                ix::take_job(&provider, &provider, &stage.job(&job))
            },
        ),
        (E::JobMoved, "a take of a job that was reopened", |stage| {
            let job = stage.create(stage.refereed());
            let second = stage.cast.second;
            let late = ix::take_job(&second, &second, &stage.job(&job));
            stage.take(&job);
            stage.at_deadline(&job, 1);
            stage.expire(&job);
            late
        }),
        (
            E::NotAuthorized,
            "a stranger takes for a provider",
            |stage| {
                let job = stage.create(stage.refereed());
                ix::take_job(&stage.cast.stranger, &stage.cast.provider, &stage.job(&job))
            },
        ),
        (E::InsufficientFunds, "a bond", |stage| {
            let mut args = stage.refereed();
            args.bond_atoms = DEPOSIT_ATOMS + 1;
            let job = stage.create(args);
            ix::take_job(&stage.cast.provider, &stage.cast.provider, &stage.job(&job))
        }),
        (E::PurseMissing, "somebody else's at a take", |stage| {
            let job = stage.create(stage.refereed());
            let instruction =
                ix::take_job(&stage.cast.provider, &stage.cast.provider, &stage.job(&job));
            instruction.with_purse_of_at(3, &stage.cast.second, &stage.usd)
        }),
        (E::OperatorLimit, "a bond above it", |stage| {
            let (provider, usd) = (stage.cast.provider, stage.usd);
            stage.ok(ix::set_operator_limit(&provider, &usd, 19_999));
            let job = stage.create(stage.refereed());
            ix::take_job(&stage.cast.operator, &provider, &stage.job(&job))
        }),
        (E::ProviderInactive, "a take", |stage| {
            let mut args = provider_args(&stage.cast.operator);
            args.active = false;
            stage.ok(ix::update_provider(&stage.cast.provider.clone(), args));
            let job = stage.create(stage.refereed());
            ix::take_job(&stage.cast.provider, &stage.cast.provider, &stage.job(&job))
        }),
        (E::ArbiterIsParty, "the provider that takes", |stage| {
            let mut args = stage.accepted();
            args.arbiter = stage.cast.provider;
            let job = stage.create(args);
            ix::take_job(&stage.cast.operator, &stage.cast.provider, &stage.job(&job))
        }),
        (
            E::ArbiterIsParty,
            "the operator of the provider that takes",
            |stage| {
                let mut args = stage.accepted();
                args.arbiter = stage.cast.operator;
                let job = stage.create(args);
                ix::take_job(&stage.cast.provider, &stage.cast.provider, &stage.job(&job))
            },
        ),
        (E::TooLate, "a take", |stage| {
            let job = stage.create(stage.refereed());
            stage.at_deadline(&job, 1);
            ix::take_job(&stage.cast.provider, &stage.cast.provider, &stage.job(&job))
        }),
        (E::PinnedToOther, "a take", |stage| {
            let mut args = stage.refereed();
            args.pinned_provider = stage.cast.second;
            let job = stage.create(args);
            ix::take_job(&stage.cast.provider, &stage.cast.provider, &stage.job(&job))
        }),
        (E::OwnJob, "a client that is a provider", |stage| {
            let client = stage.cast.client;
            stage.ok(ix::register_provider(
                &client,
                provider_args(&stage.cast.operator.clone()),
            ));
            let job = stage.create(stage.refereed());
            ix::take_job(&stage.cast.operator, &client, &stage.job(&job))
        }),
        (E::OwnJob, "a client that is an operator", |stage| {
            let client = stage.cast.client;
            stage.ok(ix::update_provider(
                &stage.cast.provider.clone(),
                provider_args(&client),
            ));
            let job = stage.create(stage.refereed());
            ix::take_job(&client, &stage.cast.provider, &stage.job(&job))
        }),
    ]
}
