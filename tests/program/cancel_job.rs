//! `cancel_job`: an open job, and nothing else.

use super::common::*;

#[test]
fn an_open_job_is_cancelled() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let lamports = stage.lamports(&cast.client);
    let job = stage.create(stage.accepted());
    let outcome = stage.ok(ix::cancel_job(&stage.job(&job)));
    let QuernEvent::JobCancelled(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.job, event.client, event.mint, event.released_atoms),
        (job, cast.client, stage.usd, 30_000)
    );
    assert_eq!(stage.usd_of(&cast.client), (START, 0));
    assert_closed(&stage, &job, lamports);
    // P10: the next job has another address.
    let next = stage.create(stage.accepted());
    assert_ne!(next, job);
}

/// What `cancel_job` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::WrongState, "a taken job is cancelled", |stage| {
            let job = stage.job_in(JobState::Taken, stage.refereed());
            ix::cancel_job(&stage.job(&job))
        }),
        (E::JobMoved, "a job that was taken and reopened", |stage| {
            let job = stage.create(stage.refereed());
            let late = ix::cancel_job(&stage.job(&job));
            stage.take(&job);
            stage.at_deadline(&job, 1);
            stage.expire(&job);
            late
        }),
    ]
}
