//! `reject`: a client calls the arbiter; `resolve.rs` and `expire.rs` test what follows.

use super::common::*;

#[test]
fn a_rejection_reserves_the_deposit_and_calls_the_arbiter() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let job = stage.job_in(JobState::Submitted, stage.accepted());
    // Until the last second of the review.
    stage.at_deadline(&job, 0);
    let outcome = stage.reject(&job);
    let QuernEvent::JobRejected(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.job, event.client, event.provider, event.milestone),
        (job, cast.client, cast.provider, 0)
    );
    assert_eq!(
        (event.deposit_atoms, event.reason.as_str()),
        (1_000, "wrong")
    );
    assert_eq!(stage.usd_of(&cast.client), (START - 31_000, 31_000));
    let state = stage.job(&job);
    assert_eq!(
        (state.state(), state.reject_deposit_atoms.get()),
        (JobState::Rejected, 1_000)
    );
    assert_eq!(state.deadline.get(), stage.now() + 86_400);
}

/// A9: a rejection that was signed for one submission does not land on the next.
#[test]
fn a_rejection_is_about_the_submission_that_was_seen() {
    let mut stage = Stage::new();
    let job = stage.job_in(JobState::Submitted, stage.accepted());
    let late = ix::reject(&stage.job(&job), "wrong".into());
    stage.accept(&job);
    stage.submit(&job);
    stage.refused(late.clone(), QuernError::JobMoved);
    // Nor a second time: the arbiter's decision about the first stands.
    let reject = ix::reject(&stage.job(&job), "wrong".into());
    stage.ok(reject.clone());
    stage.refused(reject, QuernError::JobMoved);
}

/// What `reject` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::BadText, "a long reason", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.accepted());
            ix::reject(&stage.job(&job), "x".repeat(201))
        }),
        (E::InsufficientFunds, "a deposit of a rejection", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.accepted());
            let (client, usd) = (stage.cast.client, stage.usd);
            let free = stage.usd_of(&client).0;
            stage.withdraw(&client, &usd, free - 999);
            ix::reject(&stage.job(&job), String::new())
        }),
        (E::ReviewedOnly, "a refereed job is rejected", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.refereed());
            ix::reject(&stage.job(&job), String::new())
        }),
        (E::NoArbiter, "a rejection", |stage| {
            let mut args = stage.accepted();
            args.arbiter = NOBODY;
            args.pinned_provider = stage.cast.provider;
            let job = stage.job_in(JobState::Submitted, args);
            ix::reject(&stage.job(&job), String::new())
        }),
        (E::WrongState, "a rejection of nothing", |stage| {
            let job = stage.job_in(JobState::Taken, stage.accepted());
            ix::reject(&stage.job(&job), String::new())
        }),
        (E::TooLate, "a rejection after the review", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.accepted());
            stage.at_deadline(&job, 1);
            ix::reject(&stage.job(&job), String::new())
        }),
        (E::PurseMissing, "somebody else's at a rejection", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.accepted());
            let reject = ix::reject(&stage.job(&job), String::new());
            reject.with_purse_of_at(1, &stage.cast.second, &stage.usd)
        }),
        (
            E::JobMoved,
            "a rejection of an earlier submission",
            |stage| {
                let job = stage.job_in(JobState::Submitted, stage.accepted());
                let late = ix::reject(&stage.job(&job), String::new());
                stage.accept(&job);
                stage.submit(&job);
                late
            },
        ),
    ]
}
