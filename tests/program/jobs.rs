//! Happy paths of jobs: every way through the states, with every balance, counter and event.
//!
//! Prices are 10,000 atoms: fee 250, royalty 300, provider 9,450. The client and the provider begin with 10^9 each.

use {
    quern::{
        constants::NOBODY,
        error::QuernError,
        events::QuernEvent,
        state::{Job, JobState, Purse},
    },
    quern_testkit::svm::*,
    solana_sdk::pubkey::Pubkey,
};

const START: u64 = DEPOSIT_ATOMS;

fn job_rent(stage: &Stage) -> u64 {
    stage
        .svm
        .minimum_balance_for_rent_exemption(8 + size_of::<Job>())
}

/// The job has closed: no account, its rent back with the client.
fn assert_closed(stage: &Stage, job: &Pubkey, client_lamports: u64) {
    assert!(!stage.exists(job));
    assert_eq!(stage.lamports(job), 0);
    assert_eq!(stage.lamports(&stage.cast.client), client_lamports);
    assert!(stage.follower.closed.contains(job));
}

#[test]
fn a_refereed_job_from_escrow_to_settlement() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let lamports = stage.lamports(&cast.client);
    let args = stage.refereed();
    let instruction = stage.create_ix(args.clone());
    let outcome = stage.ok(instruction);
    let job = addresses::job(&cast.client, &stage.usd, 0);
    let QuernEvent::JobCreated(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.job, event.client, event.model, event.mint),
        (job, cast.client, stage.model, stage.usd)
    );
    assert_eq!(
        (event.escrow_atoms, event.input_uri.as_str()),
        (10_000, "https://in.example/1")
    );
    assert_eq!(stage.usd_of(&cast.client), (START - 10_000, 10_000));
    assert_eq!(stage.lamports(&cast.client), lamports - job_rent(&stage));

    let state = stage.job(&job);
    assert_eq!((state.state, state.kind, state.assurance), (1, 1, 1));
    assert_eq!(
        (
            state.milestones,
            state.milestone,
            state.n.get(),
            state.seq.get()
        ),
        (1, 0, 0, 1)
    );
    assert_eq!(
        (state.client, state.mint, state.model),
        (cast.client, stage.usd, stage.model)
    );
    assert_eq!(
        (state.royalty_owner, state.royalty_bps.get()),
        (cast.creator, 300)
    );
    assert_eq!(
        (state.treasury_owner, state.provider, state.arbiter),
        (cast.treasury, NOBODY, NOBODY)
    );
    assert_eq!(
        (
            state.price_atoms.get(),
            state.bond_atoms.get(),
            state.bond_left_atoms.get()
        ),
        (10_000, 20_000, 0)
    );
    assert_eq!(
        (state.created_at.get(), state.deadline.get()),
        (GENESIS, GENESIS + 3_600)
    );
    assert_eq!(
        (state.ends_by.get(), state.state_slot.get()),
        (args.ends_by, stage.slot())
    );
    assert_eq!(
        (state.reward_rate_e9.get(), state.reward_weight_bps.get()),
        (2_000_000_000, 10_000)
    );
    let macs = quern_proof::graph::seal(&graph())
        .unwrap()
        .total(2)
        .unwrap();
    assert_eq!((state.macs.get(), state.batch_rows.get()), (macs, 2));
    assert_eq!(state.input_roots[..1], claim(0).input_roots());
    assert_eq!(state.input_roots[1..], [[0; 32]; 3]);
    assert_eq!(
        state.input_uri_hash,
        anchor_lang::sha256(b"https://in.example/1")
    );
    assert_eq!(state.terms, stage.protocol().terms);
    assert_eq!(
        stage
            .get::<Purse>(&addresses::purse(&cast.client, &stage.usd))
            .opened
            .get(),
        1
    );

    stage.wait(3_600);
    let outcome = stage.take(&job);
    let QuernEvent::JobTaken(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.job, event.provider, event.bond_atoms),
        (job, cast.provider, 20_000)
    );
    assert_eq!(stage.usd_of(&cast.provider), (START - 20_000, 20_000));
    let state = stage.job(&job);
    assert_eq!(
        (state.state, state.provider, state.taken_by_operator.get()),
        (2, cast.provider, false)
    );
    assert_eq!(
        (state.bond_left_atoms.get(), state.deadline.get()),
        (20_000, stage.now() + 7_200)
    );
    assert_eq!(stage.provider_of(&cast.provider).taken.get(), 1);

    stage.wait(7_200);
    let outcome = stage.submit(&job);
    let QuernEvent::ResultSubmitted(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.job, event.provider, event.milestone, event.submission),
        (job, cast.provider, 0, 1)
    );
    assert_eq!(
        (event.trace_root, event.output_uri.as_str()),
        (proof(1).trace_root, "https://out.example/1")
    );
    let state = stage.job(&job);
    assert_eq!(
        (state.state, state.submissions.get(), state.trace_root),
        (3, 1, proof(1).trace_root)
    );
    assert_eq!(
        (state.deadline.get(), state.checkpoint),
        (stage.now() + 3_600, [0; 32])
    );

    stage.wait(3_601);
    let outcome = stage.finalize(&job);
    let QuernEvent::MilestoneSettled(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (
            event.price_atoms,
            event.fee_atoms,
            event.royalty_atoms,
            event.provider_atoms
        ),
        (10_000, 250, 300, 9_450)
    );
    assert_eq!(
        (
            event.reward_atoms,
            event.bond_released_atoms,
            event.closed,
            event.accepted
        ),
        (500, 20_000, true, false)
    );
    assert_eq!(
        (event.assurance, event.kind, event.milestone, event.macs),
        (1, 1, 0, macs)
    );
    assert_eq!(
        (event.royalty_owner, event.model, event.campaign),
        (cast.creator, stage.model, NOBODY)
    );
    assert_eq!(stage.usd_of(&cast.client), (START - 10_000, 0));
    assert_eq!(stage.usd_of(&cast.provider), (START + 9_450, 0));
    assert_eq!(stage.usd_of(&cast.creator), (300, 0));
    assert_eq!(stage.usd_of(&cast.treasury), (250, 0));
    let entry = stage.provider_of(&cast.provider);
    assert_eq!(
        (
            entry.settled.get(),
            entry.refereed_macs.get(),
            entry.reviewed_macs.get()
        ),
        (1, macs, 0)
    );
    assert_closed(&stage, &job, lamports);
}

#[test]
fn an_accepted_job_of_three_milestones() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let lamports = stage.lamports(&cast.client);
    let job = stage.create(stage.accepted());
    assert_eq!(stage.usd_of(&cast.client), (START - 30_000, 30_000));
    assert_eq!(stage.job(&job).macs.get(), 0, "no run of a program");
    stage.take(&job);
    for milestone in 0..3u8 {
        stage.submit(&job);
        // The client may accept at once; silence pays just as well.
        let outcome = if milestone == 1 {
            stage.at_deadline(&job, 1);
            stage.finalize(&job)
        } else {
            stage.accept(&job)
        };
        let QuernEvent::MilestoneSettled(event) = outcome.event() else {
            panic!("{outcome:?}")
        };
        assert_eq!(
            (event.milestone, event.accepted, event.closed),
            (milestone, milestone != 1, milestone == 2)
        );
        // Half the weight: a fee of 250 earns 250 reward atoms.
        assert_eq!((event.price_atoms, event.reward_atoms), (10_000, 250));
        if milestone < 2 {
            let state = stage.job(&job);
            assert_eq!(
                (state.state, state.milestone, state.provider),
                (2, milestone + 1, cast.provider)
            );
            assert_eq!(
                state.checkpoint,
                proof(milestone + 1).trace_root,
                "the last accepted commitment"
            );
            assert_eq!(state.deadline.get(), stage.now() + 7_200);
            assert_eq!(state.bond_left_atoms.get(), 8_000, "the bond stays");
        }
    }
    assert_eq!(stage.usd_of(&cast.client), (START - 30_000, 0));
    assert_eq!(stage.usd_of(&cast.provider), (START + 3 * 9_450, 0));
    assert_eq!(stage.usd_of(&cast.creator), (900, 0));
    assert_eq!(stage.usd_of(&cast.treasury), (750, 0));
    assert_eq!(stage.provider_of(&cast.provider).settled.get(), 3);
    assert_closed(&stage, &job, lamports);
}

#[test]
fn a_job_without_a_model_pays_no_royalty() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let mut args = stage.accepted();
    args.milestones = 1;
    args.arbiter = NOBODY;
    args.pinned_provider = cast.provider;
    let instruction = stage.create_ix_of(&cast.client, &stage.usd, None, args);
    stage.ok(instruction);
    let job = addresses::job(&cast.client, &stage.usd, 0);
    stage.take(&job);
    stage.submit(&job);
    let outcome = stage.accept(&job);
    let QuernEvent::MilestoneSettled(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (
            event.royalty_atoms,
            event.provider_atoms,
            event.royalty_owner
        ),
        (0, 9_750, NOBODY)
    );
    assert_eq!(event.model, NOBODY);
}

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
    let mut args = stage.accepted();
    args.pinned_provider = cast.provider;
    let job = stage.create(args);
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

#[test]
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
    let outcome = stage.resolve(&job, 5_000, 1_600);
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
        (1_600, 1_000, true)
    );
    assert_eq!((event.bond_released_atoms, event.released_atoms), (0, 0));
    assert_eq!(stage.usd_of(&cast.arbiter), (500, 0));
    assert_eq!(
        stage.usd_of(&cast.client),
        (START - 31_000 + 4_750 + 1_600, 20_000)
    );
    assert_eq!(
        stage.usd_of(&cast.provider),
        (START - 8_000 + 4_490 + 1_000, 6_400)
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
        (6_400, 0)
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

/// The conviction itself is written directly: the referee's instructions are not part of this version.
#[test]
fn a_conviction_is_paid_out() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let lamports = stage.lamports(&cast.client);
    let mut args = stage.refereed();
    args.bond_atoms = 20_001;
    let job = stage.job_in(JobState::Convicted, args);
    let outcome = stage.ok(ix::settle_conviction(&stage.job(&job)));
    let QuernEvent::ConvictionSettled(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.provider, event.prover, event.reason),
        (cast.provider, cast.prover, 1)
    );
    assert_eq!((event.released_atoms, event.prover_atoms), (10_000, 8_000));
    assert_eq!(
        (event.client_atoms, event.treasury_atoms),
        (4_000, 8_001),
        "rounding goes to the treasury"
    );
    assert_eq!(stage.usd_of(&cast.provider), (START - 20_001, 0));
    assert_eq!(stage.usd_of(&cast.prover), (8_000, 0));
    assert_eq!(stage.usd_of(&cast.client), (START + 4_000, 0));
    assert_eq!(stage.usd_of(&cast.treasury), (8_001, 0));
    assert_eq!(stage.provider_of(&cast.provider).convicted.get(), 1);
    assert_closed(&stage, &job, lamports);
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
