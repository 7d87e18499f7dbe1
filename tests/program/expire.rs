//! `expire`: nobody took it, the provider is late, the arbiter is silent.

use super::common::*;

#[test]
fn an_open_job_that_nobody_takes_expires() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let lamports = stage.lamports(&cast.client);
    let job = stage.create(stage.refereed());
    stage.at_deadline(&job, 1);
    let outcome = stage.expire(&job);
    let QuernEvent::JobExpired(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.from_state, event.closed, event.released_atoms),
        (1, true, 10_000)
    );
    assert_eq!(
        (
            event.penalty_atoms,
            event.bond_released_atoms,
            event.provider
        ),
        (0, 0, NOBODY)
    );
    assert_eq!(stage.usd_of(&cast.client), (START, 0));
    assert_closed(&stage, &job, lamports);
}

#[test]
fn a_late_provider_pays_and_the_job_reopens_for_another() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let job = stage.create(stage.accepted());
    stage.take(&job);
    stage.submit(&job);
    stage.accept(&job);
    // The first milestone is done; the provider misses the second.
    stage.at_deadline(&job, 1);
    let outcome = stage.expire(&job);
    let QuernEvent::JobExpired(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    // 20 % of the bond of 8,000.
    assert_eq!(
        (event.from_state, event.closed, event.provider),
        (2, false, cast.provider)
    );
    assert_eq!(
        (
            event.penalty_atoms,
            event.bond_released_atoms,
            event.released_atoms
        ),
        (1_600, 6_400, 0)
    );
    assert_eq!(stage.usd_of(&cast.provider), (START + 9_450 - 1_600, 0));
    assert_eq!(stage.usd_of(&cast.client), (START - 30_000 + 1_600, 20_000));
    assert_eq!(stage.provider_of(&cast.provider).late.get(), 1);
    let state = stage.job(&job);
    assert_eq!(
        (
            state.state,
            state.milestone,
            state.provider,
            state.pinned_provider
        ),
        (1, 1, NOBODY, NOBODY)
    );
    assert_eq!(
        (state.checkpoint, state.trace_root),
        (proof(1).trace_root, [0; 32]),
        "another continues from the checkpoint"
    );
    assert_eq!(state.deadline.get(), stage.now() + 3_600);

    let second = cast.second;
    let take = ix::take_job(&second, &second, &stage.job(&job));
    stage.ok(take);
    for _ in 0..2 {
        stage.submit(&job);
        stage.accept(&job);
    }
    assert!(!stage.exists(&job));
    assert_eq!(stage.usd_of(&second), (START + 2 * 9_450, 0));
}

/// A4: a reviewed job is worth what its provider is, so nobody else takes over what was pinned to one.
#[test]
fn a_reviewed_job_keeps_its_pin_when_it_reopens() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let mut args = stage.accepted();
    args.pinned_provider = cast.provider;
    for ending in ["late", "rejected"] {
        let job = stage.job_in(JobState::Taken, args.clone());
        if ending == "late" {
            stage.at_deadline(&job, 1);
            stage.expire(&job);
        } else {
            stage.submit(&job);
            stage.reject(&job);
            stage.resolve(&job, 0, 0);
        }
        let state = stage.job(&job);
        assert_eq!(
            (state.state(), state.pinned_provider),
            (JobState::Open, cast.provider)
        );
        let stranger = ix::take_job(&cast.second, &cast.second, &state);
        stage.refused(stranger, QuernError::PinnedToOther);
        stage.take(&job);
        stage.submit(&job);
    }
}

/// What anybody can refute needs no particular provider: a refereed job finds another.
#[test]
fn a_refereed_job_loses_its_pin_when_it_reopens() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let mut args = stage.refereed();
    args.pinned_provider = cast.provider;
    let job = stage.job_in(JobState::Taken, args);
    stage.at_deadline(&job, 1);
    stage.expire(&job);
    assert_eq!(stage.job(&job).pinned_provider, NOBODY);
    let take = ix::take_job(&cast.second, &cast.second, &stage.job(&job));
    stage.ok(take);
}

#[test]
fn a_late_provider_past_the_end_closes_the_job() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let lamports = stage.lamports(&cast.client);
    let mut args = stage.refereed();
    args.ends_by = stage.now() + 100;
    let job = stage.job_in(JobState::Taken, args);
    stage.at_deadline(&job, 1);
    let outcome = stage.expire(&job);
    let QuernEvent::JobExpired(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.closed, event.penalty_atoms, event.bond_released_atoms),
        (true, 4_000, 16_000)
    );
    assert_eq!(event.released_atoms, 10_000);
    assert_eq!(stage.usd_of(&cast.client), (START + 4_000, 0));
    assert_eq!(stage.usd_of(&cast.provider), (START - 4_000, 0));
    assert_closed(&stage, &job, lamports);
}

/// Nobody could judge another provider's work, so it does not reopen.
#[test]
fn a_late_provider_of_a_job_without_arbiter_closes_it() {
    let mut stage = Stage::new();
    let mut args = stage.accepted();
    args.arbiter = NOBODY;
    args.pinned_provider = stage.cast.provider;
    let job = stage.job_in(JobState::Taken, args);
    stage.at_deadline(&job, 1);
    let outcome = stage.expire(&job);
    assert!(
        matches!(outcome.event(), QuernEvent::JobExpired(e) if e.closed && e.released_atoms == 30_000)
    );
    assert!(!stage.exists(&job));
}

/// Nobody gains from an arbiter's silence.
#[test]
fn a_silent_arbiter_burns_half() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let lamports = stage.lamports(&cast.client);
    let job = stage.job_in(JobState::Rejected, stage.accepted());
    stage.at_deadline(&job, 1);
    let outcome = stage.expire(&job);
    let QuernEvent::JobResolved(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.silent, event.closed, event.provider_prevails),
        (true, true, false)
    );
    // Half of 10,000: fee 125, royalty 150, provider 4,725; the other half burns.
    assert_eq!(
        (
            event.fee_atoms,
            event.royalty_atoms,
            event.provider_atoms,
            event.burn_atoms
        ),
        (125, 150, 4_725, 5_000)
    );
    assert_eq!(
        (
            event.deposit_atoms,
            event.bond_released_atoms,
            event.released_atoms
        ),
        (1_000, 8_000, 20_000)
    );
    assert_eq!(stage.usd_of(&addresses::burn_owner()), (5_000, 0));
    assert_eq!(stage.usd_of(&cast.arbiter), (0, 0));
    assert_eq!(stage.usd_of(&cast.client), (START - 11_000, 0));
    assert_eq!(stage.usd_of(&cast.provider), (START + 4_725 + 1_000, 0));
    assert_closed(&stage, &job, lamports);
}

/// What `expire` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::WrongState, "a submitted job expires", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.refereed());
            stage.wait(365 * DAY);
            ix::expire(&stage.job(&job))
        }),
        (E::TooEarly, "an expiry", |stage| {
            let job = stage.create(stage.refereed());
            stage.at_deadline(&job, 0);
            ix::expire(&stage.job(&job))
        }),
        (E::WrongRecipient, "an expiry", |stage| {
            let job = stage.create(stage.refereed());
            stage.at_deadline(&job, 1);
            let mut instruction = ix::expire(&stage.job(&job));
            instruction.accounts[2].pubkey = stage.cast.stranger;
            instruction
        }),
        (
            E::ProviderMissing,
            "a late provider without its entry",
            |stage| {
                let job = stage.job_in(JobState::Taken, stage.refereed());
                stage.at_deadline(&job, 1);
                let mut instruction = ix::expire(&stage.job(&job));
                instruction.accounts[1].pubkey = quern::ID;
                instruction.accounts[1].is_writable = false;
                instruction
            },
        ),
    ]
}
