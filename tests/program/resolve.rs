//! `resolve`: what an arbiter decides.

use super::common::*;

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn an_arbiter_who_finds_for_the_provider() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let job = stage.job_in(JobState::Submitted, stage.accepted());
    let outcome = stage.reject(&job);
    let QuernEvent::JobRejected(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.client, event.provider, event.milestone),
        (cast.client, cast.provider, 0)
    );
    assert_eq!(
        (event.deposit_atoms, event.reason.as_str()),
        (1_000, "wrong")
    );
    assert_eq!(stage.usd_of(&cast.client), (START - 31_000, 31_000));
    let state = stage.job(&job);
    assert_eq!((state.state, state.reject_deposit_atoms.get()), (4, 1_000));
    assert_eq!(state.deadline.get(), stage.now() + 86_400);

    stage.wait(86_400);
    let outcome = stage.resolve(&job, 5_000, 0);
    let QuernEvent::JobResolved(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    // 500 to the arbiter; half of 9,500 is given: fee 118, royalty 142, provider 4,490.
    assert_eq!(
        (event.silent, event.provider_prevails, event.closed),
        (false, true, false)
    );
    assert_eq!(
        (event.arbiter_atoms, event.fee_atoms, event.royalty_atoms),
        (500, 118, 142)
    );
    assert_eq!(
        (event.provider_atoms, event.client_atoms, event.burn_atoms),
        (4_490, 4_750, 0)
    );
    assert_eq!(
        (
            event.penalty_atoms,
            event.deposit_atoms,
            event.deposit_to_provider
        ),
        (0, 1_000, true)
    );
    assert_eq!((event.bond_released_atoms, event.released_atoms), (0, 0));
    assert_eq!(stage.usd_of(&cast.arbiter), (500, 0));
    assert_eq!(stage.usd_of(&cast.client), (START - 31_000 + 4_750, 20_000));
    assert_eq!(
        stage.usd_of(&cast.provider),
        (START - 8_000 + 4_490 + 1_000, 8_000)
    );
    let state = stage.job(&job);
    assert_eq!(
        (state.state, state.milestone, state.checkpoint),
        (2, 1, proof(1).trace_root)
    );
    assert_eq!(
        (
            state.bond_left_atoms.get(),
            state.reject_deposit_atoms.get()
        ),
        (8_000, 0)
    );
    let entry = stage.provider_of(&cast.provider);
    assert_eq!(
        (entry.settled.get(), entry.rewards_accrued_atoms.get()),
        (1, 0),
        "no reward on a resolved milestone"
    );
    // It goes on to the end.
    for _ in 0..2 {
        stage.submit(&job);
        stage.accept(&job);
    }
    assert!(!stage.exists(&job));
    assert_eq!(stage.usd_of(&cast.provider).1, 0);
}

#[test]
fn an_arbiter_who_finds_for_the_client() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let job = stage.job_in(JobState::Rejected, stage.accepted());
    let outcome = stage.resolve(&job, 4_999, 0);
    let QuernEvent::JobResolved(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (
            event.provider_prevails,
            event.closed,
            event.deposit_to_provider
        ),
        (false, false, false)
    );
    assert_eq!(
        (
            event.bond_released_atoms,
            event.released_atoms,
            event.penalty_atoms
        ),
        (8_000, 0, 0)
    );
    let state = stage.job(&job);
    // The milestone is paid for and over; the rest waits for another provider at the old checkpoint.
    assert_eq!(
        (
            state.state,
            state.milestone,
            state.provider,
            state.checkpoint
        ),
        (1, 1, NOBODY, [0; 32])
    );
    assert_eq!(stage.usd_of(&cast.client).1, 20_000);
    assert_eq!(stage.usd_of(&cast.provider).1, 0);
}

#[test]
fn the_last_milestone_of_a_losing_provider_closes_the_job() {
    let mut stage = Stage::new();
    let lamports = stage.lamports(&stage.cast.client);
    let mut args = stage.accepted();
    args.milestones = 1;
    for share in [0, 10_000] {
        let job = stage.job_in(JobState::Rejected, args.clone());
        let outcome = stage.resolve(&job, share, 0);
        let QuernEvent::JobResolved(event) = outcome.event() else {
            panic!("{outcome:?}")
        };
        assert_eq!(
            (
                event.closed,
                event.bond_released_atoms,
                event.released_atoms
            ),
            (true, 8_000, 0)
        );
        assert_eq!(event.client_atoms, if share == 0 { 9_500 } else { 0 });
        assert_closed(&stage, &job, lamports);
    }
}

/// A5: an arbiter takes nothing from a provider that wins, however many milestones it decides about, and from one that loses
/// at most the late penalty, once.
#[test]
fn a_bond_pays_one_penalty_for_the_whole_job_at_most() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let mut args = stage.accepted();
    args.milestones = 20;
    let job = stage.create(args);
    stage.take(&job);
    for _ in 0..19 {
        stage.submit(&job);
        stage.reject(&job);
        let greedy = ix::resolve(&stage.job(&job), decision(10_000, 1));
        stage.refused(greedy, QuernError::ShareTooHigh);
        stage.resolve(&job, 10_000, 0);
    }
    assert_eq!(stage.job(&job).bond_left_atoms.get(), 8_000);
    stage.submit(&job);
    stage.reject(&job);
    let (before, _) = stage.usd_of(&cast.provider);
    let outcome = stage.resolve(&job, 0, 1_600);
    let QuernEvent::JobResolved(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.penalty_atoms, event.bond_released_atoms),
        (1_600, 6_400)
    );
    assert_eq!(stage.usd_of(&cast.provider), (before + 6_400, 0));
}

/// What `resolve` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::ShareTooHigh, "an arbiter gives more than all", |stage| {
            let job = stage.job_in(JobState::Rejected, stage.accepted());
            ix::resolve(&stage.job(&job), decision(10_001, 0))
        }),
        (
            E::ShareTooHigh,
            "an arbiter's penalty above its bound",
            |stage| {
                let job = stage.job_in(JobState::Rejected, stage.accepted());
                ix::resolve(&stage.job(&job), decision(4_999, 1_601))
            },
        ),
        (
            E::ShareTooHigh,
            "a penalty where the provider prevails",
            |stage| {
                let job = stage.job_in(JobState::Rejected, stage.accepted());
                ix::resolve(&stage.job(&job), decision(5_000, 1))
            },
        ),
        (
            E::JobMoved,
            "a decision about an earlier rejection",
            |stage| {
                let job = stage.job_in(JobState::Rejected, stage.accepted());
                let late = ix::resolve(&stage.job(&job), decision(10_000, 0));
                stage.resolve(&job, 10_000, 0);
                stage.submit(&job);
                stage.reject(&job);
                late
            },
        ),
    ]
}
