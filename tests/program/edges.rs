//! Edges: every deadline by one second, cluster restarts, the smallest and the largest amounts, mints of every kind.

use {
    quern::{
        constants::NOBODY,
        error::QuernError,
        events::QuernEvent,
        instructions::{EmissionSettings, MintSettings, NewJob},
        state::{Job, JobState, MintRates, Provider, Purse},
    },
    quern_testkit::svm::*,
    solana_sdk::{instruction::Instruction, pubkey::Pubkey},
};

/// Both sides of a deadline: `in_time` works up to it, `crank` works one second later, and neither works on the other side.
fn edge(
    stage: &Stage,
    deadline: i64,
    in_time: Option<(&Instruction, QuernError)>,
    crank: Option<(&Instruction, QuernError)>,
) {
    for (after, now) in [(false, deadline), (true, deadline + 1)] {
        if let Some((instruction, late)) = &in_time {
            let mut stage = stage.clone();
            stage.set_time(now);
            if after {
                let failure = stage.fails((*instruction).clone());
                assert_eq!(
                    failure.code(),
                    Some(code_of_ref(late)),
                    "{:?}",
                    failure.logs
                );
            } else {
                stage.ok((*instruction).clone());
            }
        }
        if let Some((instruction, early)) = &crank {
            let mut stage = stage.clone();
            stage.set_time(now);
            if after {
                stage.ok((*instruction).clone());
            } else {
                let failure = stage.fails((*instruction).clone());
                assert_eq!(
                    failure.code(),
                    Some(code_of_ref(early)),
                    "{:?}",
                    failure.logs
                );
            }
        }
    }
}

fn code_of_ref(error: &QuernError) -> u32 {
    code_of(match error {
        QuernError::TooLate => QuernError::TooLate,
        QuernError::TooEarly => QuernError::TooEarly,
        QuernError::GraceTime => QuernError::GraceTime,
        other => panic!("no deadline fails with {other:?}"),
    })
}

const LATE: QuernError = QuernError::TooLate;
const EARLY: QuernError = QuernError::TooEarly;

/// Every deadline, with `extra` seconds that a restart adds.
fn every_deadline(prepare: impl Fn(&mut Stage), extra: i64) {
    let base = Stage::new();
    let cast = base.cast.clone();
    let state = |state: JobState, args: NewJob| {
        let mut stage = base.clone();
        let job = stage.job_in(state, args);
        prepare(&mut stage);
        let deadline = stage.job(&job).deadline.get() + extra;
        let expire = ix::expire(&stage.job(&job));
        (stage, job, deadline, expire)
    };

    let (stage, job, deadline, expire) = state(JobState::Open, base.refereed());
    let take = ix::take_job(&cast.provider, &cast.provider, &stage.job(&job));
    edge(
        &stage,
        deadline,
        Some((&take, LATE)),
        Some((&expire, EARLY)),
    );

    let (stage, job, deadline, expire) = state(JobState::Taken, base.accepted());
    let submit = ix::submit(&cast.provider, &stage.job(&job), proof(1));
    edge(
        &stage,
        deadline,
        Some((&submit, LATE)),
        Some((&expire, EARLY)),
    );

    let (stage, job, deadline, _) = state(JobState::Submitted, base.accepted());
    let reject = ix::reject(&stage.job(&job), "r".into());
    let finalize = ix::finalize(&cast.provider, &stage.job(&job), &stage.emission());
    edge(
        &stage,
        deadline,
        Some((&reject, LATE)),
        Some((&finalize, EARLY)),
    );
    // The operator is the provider's party as well.
    let by_operator = ix::finalize(&cast.operator, &stage.job(&job), &stage.emission());
    edge(&stage, deadline, None, Some((&by_operator, EARLY)));
    // Anybody else one grace time later.
    let finalize = ix::finalize(&cast.stranger, &stage.job(&job), &stage.emission());
    edge(
        &stage,
        deadline + 1_800,
        None,
        Some((&finalize, QuernError::GraceTime)),
    );
    // The client of a refereed job has no advantage.
    let (refereed, its_job, its_deadline, _) = state(JobState::Submitted, base.refereed());
    let by_client = ix::finalize(&cast.client, &refereed.job(&its_job), &refereed.emission());
    edge(
        &refereed,
        its_deadline + 1_800,
        None,
        Some((&by_client, QuernError::GraceTime)),
    );
    let mut early = refereed.clone();
    early.set_time(its_deadline);
    early.refused(by_client, EARLY);
    // That of a reviewed job may accept for as long as nobody has finalized.
    let accept = ix::accept(&stage.job(&job), &stage.emission());
    for now in [deadline, deadline + 1, deadline + 400 * DAY] {
        let mut stage = stage.clone();
        stage.set_time(now);
        stage.ok(accept.clone());
    }

    let (stage, job, deadline, expire) = state(JobState::Rejected, base.accepted());
    let resolve = ix::resolve(&stage.job(&job), decision(7_000, 1));
    edge(
        &stage,
        deadline,
        Some((&resolve, LATE)),
        Some((&expire, EARLY)),
    );
}

#[test]
fn deadlines_to_the_second() {
    every_deadline(|_| (), 0);
}

/// A restart later than the state moves its deadlines by the grace time that the job copied.
#[test]
fn a_cluster_restart_moves_the_deadlines_of_the_state_it_fell_into() {
    every_deadline(World::restart_twice, 7_200);
}

trait RestartTwice {
    fn restart_twice(stage: &mut Stage);
}

impl RestartTwice for World {
    /// Two restarts in one state move it once.
    fn restart_twice(stage: &mut Stage) {
        stage.restart();
        stage.restart();
    }
}

/// A restart before the state, or in its very slot, moves nothing; a state after the restart has its own time.
#[test]
fn an_earlier_restart_moves_nothing() {
    let mut stage = Stage::new();
    stage.restart();
    let job = stage.create(stage.refereed());
    assert_eq!(
        stage.job(&job).state_slot.get(),
        stage.slot(),
        "the slot of the restart itself"
    );
    stage.at_deadline(&job, 1);
    stage.refused(
        ix::take_job(&stage.cast.provider, &stage.cast.provider, &stage.job(&job)),
        QuernError::TooLate,
    );
    stage.expire(&job);

    // A restart while the job was open does not prolong the work.
    let job = stage.create(stage.refereed());
    stage.restart();
    stage.at_deadline(&job, 7_200);
    stage.take(&job);
    stage.at_deadline(&job, 1);
    stage.refused(
        ix::submit(&stage.cast.provider, &stage.job(&job), proof(1)),
        QuernError::TooLate,
    );
    stage.expire(&job);
}

/// The restart rule uses the job's own copy, not today's settings.
#[test]
fn grace_and_restart_times_are_copied() {
    let mut stage = Stage::new();
    let job = stage.job_in(JobState::Submitted, stage.refereed());
    let mut args = settings(&stage.cast);
    args.grace_secs = 1;
    args.restart_grace_secs = 1;
    stage.ok(ix::update_protocol(
        &stage.cast.authority.clone(),
        Some(args),
        None,
    ));
    stage.restart();
    stage.at_deadline(&job, 7_200 + 1_800);
    let early = ix::finalize(&stage.cast.stranger, &stage.job(&job), &stage.emission());
    stage.refused(early.clone(), QuernError::GraceTime);
    stage.at_deadline(&job, 7_200 + 1_801);
    stage.ok(early);
}

/// An answer to a demand gives time to react. Demands come later, so the answer is written directly.
#[test]
fn an_answer_gives_time_to_react() {
    let mut stage = Stage::new();
    let job = stage.job_in(JobState::Submitted, stage.refereed());
    let answered = stage.job(&job).deadline.get() - 10;
    stage.tamper(&job, |job: &mut Job| job.last_answer_at = answered.into());
    let ready = answered + 3_600;
    let finalize = ix::finalize(&stage.cast.provider, &stage.job(&job), &stage.emission());
    edge(&stage, ready, None, Some((&finalize, EARLY)));
    let by_stranger = ix::finalize(&stage.cast.stranger, &stage.job(&job), &stage.emission());
    edge(
        &stage,
        ready + 1_800,
        None,
        Some((&by_stranger, QuernError::GraceTime)),
    );
}

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

fn rates_of_one() -> MintRates {
    MintRates {
        least_price_atoms: 1,
        price_per_gmac_atoms: 0,
        bond_per_gmac_atoms: 0,
        ..rates()
    }
}

/// All endings of a job at this price; the harness checks that the parts sum to the whole.
fn every_ending(stage: &Stage, refereed: &NewJob, accepted: &NewJob) {
    let run = |args: &NewJob, end: &dyn Fn(&mut Stage, &Pubkey)| {
        let mut stage = stage.clone();
        let job = stage.create(args.clone());
        end(&mut stage, &job);
        assert!(!stage.exists(&job));
    };
    for args in [refereed, accepted] {
        run(args, &|stage, job| {
            drop(stage.ok(ix::cancel_job(&stage.job(job))))
        });
        run(args, &|stage, job| {
            stage.at_deadline(job, 1);
            stage.expire(job);
        });
        run(args, &|stage, job| {
            stage.take(job);
            stage.submit(job);
            stage.at_deadline(job, 1);
            stage.finalize(job);
        });
        run(args, &|stage, job| {
            stage.take(job);
            stage.wait(400 * DAY);
            stage.expire(job);
        });
    }
    run(refereed, &|stage, job| {
        stage.take(job);
        stage.submit(job);
        stage.convict(job);
        stage.ok(ix::settle_conviction(&stage.job(job)));
    });
    for share in [0, 1, 4_999, 5_000, 9_999, 10_000] {
        run(accepted, &|stage, job| {
            stage.take(job);
            stage.submit(job);
            stage.reject(job);
            stage.resolve(job, share, 0);
        });
    }
    run(accepted, &|stage, job| {
        stage.take(job);
        stage.submit(job);
        stage.reject(job);
        stage.at_deadline(job, 1);
        stage.expire(job);
    });
}

#[test]
fn a_price_of_one_atom_ends_in_every_way() {
    let mut stage = Stage::new();
    let (authority, usd) = (stage.cast.authority, stage.usd);
    stage.ok(ix::update_mint(
        &authority,
        &usd,
        MintSettings {
            enabled: true,
            rates: rates_of_one(),
        },
    ));
    for price_atoms in [1, 2, 3] {
        let refereed = NewJob {
            price_atoms,
            bond_atoms: 2 * price_atoms,
            ..stage.refereed()
        };
        let accepted = NewJob {
            price_atoms,
            bond_atoms: price_atoms,
            milestones: 1,
            ..stage.accepted()
        };
        every_ending(&stage, &refereed, &accepted);
    }
}

/// A mint with nearly 2^64 atoms in the vault.
fn whale(
    client_atoms: u64,
    provider_atoms: u64,
    change: impl FnOnce(&mut quern::state::ProtocolSettings),
) -> Stage {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let mint = token::create_mint(&mut stage, "whale", &addresses::TOKEN_PROGRAM, 0);
    let rates = MintRates {
        reward_rate_e9: u64::MAX,
        ..rates_of_one()
    };
    stage.ok(ix::register_mint(
        &cast.authority,
        &mint,
        &addresses::TOKEN_PROGRAM,
        rates,
    ));
    let mut args = settings(&cast);
    change(&mut args);
    stage.ok(ix::update_protocol(&cast.authority, Some(args), None));
    for owner in [
        cast.client,
        cast.provider,
        cast.treasury,
        cast.creator,
        cast.arbiter,
        cast.prover,
        addresses::burn_owner(),
    ] {
        stage.open(&owner, &mint);
    }
    for (owner, atoms) in [(cast.client, client_atoms), (cast.provider, provider_atoms)] {
        if atoms > 0 {
            stage.deposit(&owner, &mint, atoms);
        }
    }
    stage.usd = mint;
    stage
}

/// The whole of 64 bits as one price, with rates that would overflow a reward.
#[test]
fn a_price_near_the_end_of_64_bits_ends_in_every_way() {
    let stage = whale(u64::MAX, 0, |params| {
        params.reviewed_bond_bps = 0;
        params.reject_bps = 0;
    });
    let accepted = NewJob {
        price_atoms: u64::MAX,
        bond_atoms: 0,
        milestones: 1,
        ..stage.accepted()
    };
    // A refereed bond is at least twice the price, so its price ends at a third.
    let third = whale(u64::MAX / 3, u64::MAX / 3 * 2, |_| ());
    let refereed = NewJob {
        price_atoms: u64::MAX / 3,
        bond_atoms: u64::MAX / 3 * 2,
        ..third.refereed()
    };
    let no_deposit = whale(u64::MAX / 3, u64::MAX / 3 * 2, |params| {
        params.reject_bps = 0
    });
    let third_accepted = NewJob {
        milestones: 1,
        ..no_deposit.accepted()
    };
    let third_accepted = NewJob {
        price_atoms: u64::MAX / 3,
        bond_atoms: u64::MAX / 3,
        ..third_accepted
    };
    every_ending(&no_deposit, &refereed, &third_accepted);

    let mut stage = stage;
    for share in [0, 5_000, 10_000] {
        let mut stage = stage.clone();
        let job = stage.job_in(JobState::Rejected, accepted.clone());
        stage.resolve(&job, share, 0);
        assert!(!stage.exists(&job));
    }
    let job = stage.job_in(JobState::Submitted, accepted);
    stage.accept(&job);
    // All of it leaves again.
    let usd = stage.usd;
    for owner in [stage.cast.provider, stage.cast.treasury, stage.cast.creator] {
        let free = stage.usd_of(&owner).0;
        stage.withdraw(&owner, &usd, free);
    }
    assert_eq!(token::amount(&stage, &addresses::vault(&usd)), 0);
}

/// The vault cannot hold more than 2^64 - 1, so no purse ever overflows; one atom more does not exist.
#[test]
fn escrow_and_deposit_above_64_bits_are_refused() {
    let mut stage = whale(u64::MAX - 1, 0, |params| params.reviewed_bond_bps = 0);
    let args = NewJob {
        price_atoms: u64::MAX,
        bond_atoms: 0,
        milestones: 1,
        ..stage.accepted()
    };
    stage.refused(stage.create_ix(args.clone()), QuernError::InsufficientFunds);
    let args = NewJob {
        price_atoms: u64::MAX / 255 + 1,
        milestones: 255,
        ..args
    };
    stage.refused(stage.create_ix(args), QuernError::Overflow);
}

#[test]
fn a_job_of_255_milestones() {
    let mut stage = Stage::new();
    let args = NewJob {
        milestones: 255,
        price_atoms: 1_001,
        ends_by: stage.now() + 300 * DAY,
        ..stage.accepted()
    };
    let job = stage.create(args);
    stage.take(&job);
    let second = stage.cast.second;
    for milestone in 0..255u32 {
        match milestone % 5 {
            0 => {
                // Late: another provider goes on.
                stage.at_deadline(&job, 1);
                stage.expire(&job);
                let take = ix::take_job(&second, &second, &stage.job(&job));
                stage.ok(take);
                stage.submit(&job);
                stage.accept(&job);
            }
            1 => {
                stage.submit(&job);
                stage.at_deadline(&job, 1);
                stage.finalize(&job);
            }
            2 => {
                stage.submit(&job);
                stage.reject(&job);
                stage.resolve(&job, 6_000, 3);
            }
            3 if milestone < 254 => {
                stage.submit(&job);
                stage.reject(&job);
                stage.resolve(&job, 100, 0);
                stage.take(&job);
            }
            _ => {
                stage.submit(&job);
                stage.accept(&job);
            }
        }
        if milestone < 254 {
            assert_eq!(stage.job(&job).milestone as u32, milestone + 1);
        }
    }
    assert!(!stage.exists(&job));
    assert_eq!(stage.usd_of(&stage.cast.client).1, 0);
}

/// P5: a cap bounds an epoch, the emission's purse bounds everything, and neither ever blocks a payment.
#[test]
fn rewards_end_at_the_cap_and_at_the_purse() {
    let mut stage = Stage::new();
    let (authority, gold) = (stage.cast.authority, stage.gold);
    let settle = |stage: &mut Stage| {
        let mut args = stage.accepted();
        args.milestones = 1;
        let job = stage.job_in(JobState::Submitted, args);
        let outcome = stage.accept(&job);
        let QuernEvent::MilestoneSettled(event) = outcome.event() else {
            panic!("{outcome:?}")
        };
        event.reward_atoms
    };
    let with_cap = |cap_atoms| EmissionSettings {
        cap_atoms,
        ..emission_args()
    };
    stage.wait(DAY);
    stage.ok(ix::configure_emission(&authority, &gold, with_cap(600)));
    stage.wait(DAY);
    // 250 each, until the epoch's 600 are spent.
    assert_eq!(
        [
            settle(&mut stage),
            settle(&mut stage),
            settle(&mut stage),
            settle(&mut stage)
        ],
        [250, 250, 100, 0]
    );
    assert_eq!(stage.emission().spent_atoms.get(), 600);
    // A higher cap holds at once.
    stage.ok(ix::configure_emission(&authority, &gold, with_cap(700)));
    assert_eq!([settle(&mut stage), settle(&mut stage)], [100, 0]);
    // A lower one from the next epoch.
    stage.ok(ix::configure_emission(&authority, &gold, with_cap(10)));
    assert_eq!(settle(&mut stage), 0);
    let second = 86_400 - stage.now() % 86_400;
    stage.wait(second - 1);
    assert_eq!(settle(&mut stage), 0, "the last second of the epoch");
    stage.wait(1);
    assert_eq!(
        [settle(&mut stage), settle(&mut stage)],
        [10, 0],
        "the first second of the next"
    );
    // A cap of nothing.
    stage.ok(ix::configure_emission(&authority, &gold, with_cap(0)));
    stage.wait(DAY);
    assert_eq!(settle(&mut stage), 0);
    // An empty purse.
    stage.ok(ix::configure_emission(
        &authority,
        &gold,
        with_cap(u64::MAX),
    ));
    let (purse, left) = (
        addresses::purse(&addresses::emission(), &gold),
        stage.gold_of(&addresses::emission()).0,
    );
    let config = addresses::mint_config(&gold);
    stage.tamper(&purse, |purse: &mut Purse| purse.free_atoms = 3u64.into());
    stage.tamper(&config, |config: &mut quern::state::MintConfig| {
        config.total_atoms = (config.total_atoms.get() - left + 3).into();
    });
    assert_eq!([settle(&mut stage), settle(&mut stage)], [3, 0]);
    // Weights of nothing.
    stage.deposit(&addresses::emission(), &gold, 1_000_000);
    let none = EmissionSettings {
        refereed_weight_bps: 0,
        reviewed_weight_bps: 0,
        ..with_cap(u64::MAX)
    };
    stage.ok(ix::configure_emission(&authority, &gold, none));
    assert_eq!(settle(&mut stage), 0);
}

/// P8, P11: a provider that has accrued all that 64 bits can count must still be paid.
#[test]
fn a_reward_never_blocks_a_payment() {
    let mut stage = Stage::new();
    let provider = addresses::provider(&stage.cast.provider);
    let job = stage.job_in(JobState::Submitted, stage.refereed());
    stage.tamper(&provider, |provider: &mut Provider| {
        provider.rewards_accrued_atoms = (u64::MAX - 1).into();
        provider.rewards_claimed_atoms = (u64::MAX - 1).into();
    });
    stage.at_deadline(&job, 1);
    let finalize = ix::finalize(&stage.cast.provider, &stage.job(&job), &stage.emission());
    // The model of the harness does not know this bound, so only the payment is looked at.
    let outcome = stage
        .try_send(&[finalize])
        .unwrap_or_else(|failure| panic!("blocked: {:?}", failure.error));
    assert!(
        matches!(outcome.event(), QuernEvent::MilestoneSettled(e) if e.closed && e.provider_atoms == 9_450)
    );
}

/// Settling needs no configured rewards.
#[test]
fn jobs_settle_without_rewards() {
    let mut stage = Stage::new();
    stage.tamper(
        &addresses::emission(),
        |emission: &mut quern::state::Emission| {
            emission.reward_mint = NOBODY;
            emission.cap_atoms = 0u64.into();
        },
    );
    let job = stage.job_in(JobState::Submitted, stage.refereed());
    stage.at_deadline(&job, 1);
    let outcome = stage.finalize(&job);
    let QuernEvent::MilestoneSettled(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(event.reward_atoms, 0);
    assert!(
        event
            .changes
            .iter()
            .all(|change| change.kind != quern::state::EntityKind::Emission as u8)
    );
}

/// P11: nothing outside the program that somebody could close, freeze or empty stops a settlement.
#[test]
fn no_outside_account_blocks_a_settlement() {
    let mut stage = Stage::new();
    let (cast, usd) = (stage.cast.clone(), stage.usd);
    let job = stage.job_in(JobState::Submitted, stage.refereed());
    // Wallets are empty, token accounts gone, the vault frozen.
    for wallet in [cast.client, cast.provider, cast.treasury, cast.creator] {
        for account in [wallet, token::account(&stage, &wallet, &usd)] {
            stage
                .svm
                .set_account(account, solana_sdk::account::Account::default())
                .unwrap();
        }
    }
    let vault = addresses::vault(&usd);
    let mut account = stage.svm.get_account(&vault).unwrap();
    account.data[108] = 2;
    stage.svm.set_account(vault, account).unwrap();
    stage.at_deadline(&job, 1_801);
    let finalize = ix::finalize(&cast.stranger, &stage.job(&job), &stage.emission());
    stage.ok(finalize);
    assert!(!stage.exists(&job));
}

const METADATA: u16 = 19;

fn values() -> Vec<(u16, Vec<u8>)> {
    let metadata = [
        vec![1; 64],
        vec![4, 0, 0, 0],
        b"name".to_vec(),
        vec![0; 8],
        vec![0; 4],
    ]
    .concat();
    vec![
        (18, vec![1; 64]),
        (METADATA, metadata),
        (20, vec![1; 64]),
        (21, vec![1; 80]),
        (22, vec![1; 64]),
        (23, vec![1; 72]),
    ]
}

/// Each allowed extension, and all of them, on real deposits and withdrawals.
#[test]
fn mints_with_allowed_extensions_work() {
    let mut sets: Vec<Vec<(u16, Vec<u8>)>> =
        values().into_iter().map(|value| vec![value]).collect();
    sets.push(values());
    for (n, extensions) in sets.into_iter().enumerate() {
        let mut stage = Stage::new();
        let (authority, client) = (stage.cast.authority, stage.cast.client);
        let name = format!("extended {n}");
        let mint = token::create_mint_with(
            &mut stage,
            &name,
            &addresses::TOKEN_2022_PROGRAM,
            2,
            &extensions,
        );
        stage.ok(ix::register_mint(
            &authority,
            &mint,
            &addresses::TOKEN_2022_PROGRAM,
            rates(),
        ));
        stage.open(&client, &mint);
        stage.deposit(&client, &mint, 1_000);
        stage.withdraw(&client, &mint, 400);
        let purse: Purse = stage.get(&addresses::purse(&client, &mint));
        assert_eq!(purse.free_atoms.get(), 600);
        assert_eq!(token::amount(&stage, &addresses::vault(&mint)), 600);
    }
}

/// The allow-list is exactly metadata, groups and members, whatever else exists or will exist.
#[test]
fn every_other_extension_is_refused() {
    let mut stage = Stage::new();
    let authority = stage.cast.authority;
    let mut accepted = Vec::new();
    for kind in (1..80).chain([255, 256, u16::MAX]) {
        let value = values()
            .into_iter()
            .find(|(allowed, _)| *allowed == kind)
            .map_or(vec![0; 8], |(_, value)| value);
        let name = format!("kind {kind}");
        let mint = token::create_mint_with(
            &mut stage,
            &name,
            &addresses::TOKEN_2022_PROGRAM,
            2,
            &[(kind, value)],
        );
        let register =
            ix::register_mint(&authority, &mint, &addresses::TOKEN_2022_PROGRAM, rates());
        if stage
            .clone()
            .try_send(std::slice::from_ref(&register))
            .is_ok()
        {
            accepted.push(kind);
        } else {
            stage.fails(register);
        }
    }
    assert_eq!(accepted, [18, 19, 20, 21, 22, 23]);
}

/// What is no mint is no mint.
#[test]
fn only_initialized_mints_are_registered() {
    let mut stage = Stage::new();
    let (authority, issuer) = (stage.cast.authority, actor("issuer"));
    let good = token::mint_data(&issuer, None, 6, &[]);
    let mut uninitialized = good.clone();
    uninitialized[45] = 0;
    let mut extended = token::mint_data(&issuer, None, 6, &[(1, vec![0; 108])]);
    let mut wrong_type = token::mint_data(&issuer, None, 6, &[(18, vec![1; 64])]);
    wrong_type[165] = 2;
    let mut cut_value = token::mint_data(&issuer, None, 6, &[(18, vec![1; 64])]);
    cut_value.truncate(200);
    let mut padded = good.clone();
    padded.resize(165, 0);
    for token_program in [addresses::TOKEN_PROGRAM, addresses::TOKEN_2022_PROGRAM] {
        let data = [
            &uninitialized,
            &extended,
            &wrong_type,
            &cut_value,
            &padded,
            &vec![0; 82],
            &good[..81].to_vec(),
            &Vec::new(),
        ];
        for (n, data) in data.into_iter().enumerate() {
            let mint = actor(&format!("no mint {n}"));
            token::put(&mut stage, &mint, &token_program, data.clone());
            let failure = stage.fails(ix::register_mint(
                &authority,
                &mint,
                &token_program,
                rates(),
            ));
            assert!(!failure.logs.is_empty());
        }
        // A token account is no mint.
        let mint = token_mint(&stage, &token_program);
        let holder = token::issue(&mut stage, &issuer, &mint, 1);
        stage.fails(ix::register_mint(
            &authority,
            &holder,
            &token_program,
            rates(),
        ));
    }
    // A mint of a program that is neither.
    extended.truncate(82);
    let mint = actor("foreign mint");
    token::put(&mut stage, &mint, &Pubkey::from([3; 32]), good);
    stage.fails(ix::register_mint(
        &authority,
        &mint,
        &addresses::TOKEN_PROGRAM,
        rates(),
    ));
    stage.fails(ix::register_mint(
        &authority,
        &mint,
        &Pubkey::from([3; 32]),
        rates(),
    ));
}

fn token_mint(stage: &Stage, token_program: &Pubkey) -> Pubkey {
    if *token_program == addresses::TOKEN_PROGRAM {
        stage.usd
    } else {
        stage.gold
    }
}

/// P10: lamports that arrive in the transaction that closes a job do not bring it back.
#[test]
fn a_closed_job_cannot_be_revived() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let mut args = stage.accepted();
    args.milestones = 1;
    let job = stage.job_in(JobState::Submitted, args);
    let accept = ix::accept(&stage.job(&job), &stage.emission());
    let mut data = vec![2, 0, 0, 0];
    data.extend(1_000_000_000u64.to_le_bytes());
    let gift = Instruction {
        program_id: addresses::SYSTEM_PROGRAM,
        accounts: vec![
            solana_sdk::instruction::AccountMeta::new(cast.stranger, true),
            solana_sdk::instruction::AccountMeta::new(job, false),
        ],
        data,
    };
    // Settled twice in one transaction: refused as a whole.
    stage.fails_all(&[accept.clone(), gift.clone(), accept.clone()]);
    // Settled once and revived: nothing of the program's is left.
    stage.ok_all(&[accept.clone(), gift]);
    assert!(!stage.exists(&job));
    assert!(stage.svm.get_account(&job).unwrap().data.is_empty());
    stage.fails(accept);
}

/// Nobody but the program can emit an event.
#[test]
fn events_cannot_be_forged() {
    let mut stage = Stage::new();
    let job = stage.create(stage.refereed());
    let outcome = stage.take(&job);
    let mut data = anchor_lang::event::EVENT_IX_TAG_LE.to_vec();
    data.extend(outcome.event().encode());
    let metas = [
        vec![solana_sdk::instruction::AccountMeta::new_readonly(
            addresses::event_authority(),
            false,
        )],
        vec![solana_sdk::instruction::AccountMeta::new_readonly(
            stage.cast.stranger,
            true,
        )],
        Vec::new(),
    ];
    for accounts in metas {
        let forged = Instruction {
            program_id: quern::ID,
            accounts,
            data: data.clone(),
        };
        stage.fails(forged);
    }
}

/// The largest instructions fit into a transaction, compute budget included.
#[test]
fn the_largest_arguments_fit_into_a_transaction() {
    let mut stage = Stage::new();
    let (creator, client) = (stage.cast.creator, stage.cast.client);
    // Four inputs.
    let mut builder = quern_proof::builder::GraphBuilder::new();
    let dtype = quern_proof::DType::I8;
    let inputs: Vec<_> = (0..4).map(|_| builder.input_batch(dtype, 4)).collect();
    let first = builder.add(inputs[0], inputs[1]);
    let second = builder.add(inputs[2], inputs[3]);
    builder.add(first, second);
    let bytes = builder.finish().unwrap();
    let mut args = model_args(30, 0);
    args.name = "n".repeat(32);
    args.uri = "u".repeat(200);
    for instruction in ix::register_whole_model(&creator, args, &bytes) {
        stage.ok(instruction);
    }
    let model = addresses::model(&creator, 30);
    let args = NewJob {
        input_roots: vec![[9; 32]; 4],
        input_uri: "u".repeat(200),
        pinned_provider: stage.cast.provider,
        ..stage.refereed()
    };
    let usd = stage.usd;
    let outcome = stage.ok(stage.create_ix_of(&client, &usd, Some(&model), args));
    assert!(outcome.bytes <= MAX_TRANSACTION_BYTES);
    let job = addresses::job(&client, &usd, 0);
    stage.take(&job);
    let mut args = proof(1);
    args.output_uri = "o".repeat(200);
    stage.ok(ix::submit(&stage.cast.operator, &stage.job(&job), args));
    stage.at_deadline(&job, 1);
    stage.finalize(&job);
    // A piece of a program.
    stage.ok(ix::register_model(
        &creator,
        model_args(31, 2 * ix::MAX_PIECE_BYTES),
    ));
    let model = addresses::model(&creator, 31);
    stage.ok(ix::write_model(
        &creator,
        &model,
        7,
        &[1; ix::MAX_PIECE_BYTES],
    ));
}
