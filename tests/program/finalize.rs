//! `finalize`: settled milestones with every balance, counter and event.
//!
//! Prices are 10,000 atoms: fee 250, royalty 300, provider 9,450. The client and the provider begin with 10^9 each.

use super::common::*;

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
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
    let work = quern_proof::graph::seal(&graph())
        .unwrap()
        .total_work(2)
        .unwrap();
    assert_eq!((state.work.get(), state.items.get()), (work, 2));
    assert_eq!(state.input_roots[..1], claim(0).input_roots());
    assert_eq!(state.input_roots[1..], [[0; 32]; 7]);
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
        (event.assurance, event.kind, event.milestone, event.work),
        (1, 1, 0, work)
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
            entry.refereed_work.get(),
            entry.reviewed_work.get()
        ),
        (1, work, 0)
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
    assert_eq!(stage.job(&job).work.get(), 0, "no run of a program");
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
                stage.resolve(&job, 6_000, 0);
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

/// A9: the client accepted submission 1; its review was over, so the provider finalized it and submitted junk as 2 in the next
/// slots. The acceptance, whose blockhash is still valid, pays for nothing that the client has not seen.
#[test]
fn an_acceptance_pays_for_nothing_that_the_client_has_not_seen() {
    let mut stage = Stage::new();
    let provider = stage.cast.provider;
    let job = stage.job_in(JobState::Submitted, stage.accepted());
    let accept = ix::accept(&stage.job(&job), &stage.emission());
    stage.at_deadline(&job, 1);
    stage.finalize(&job);
    stage.submit(&job);
    let (paid, _) = stage.usd_of(&provider);
    stage.refused(accept, QuernError::JobMoved);
    assert_eq!(stage.usd_of(&provider).0, paid);
}

/// A9: a second try of an acceptance that landed does not pay the next milestone, and neither does anybody's payment.
#[test]
fn a_payment_counts_once() {
    let mut stage = Stage::new();
    let provider = stage.cast.provider;
    let job = stage.job_in(JobState::Submitted, stage.accepted());
    let accept = ix::accept(&stage.job(&job), &stage.emission());
    let finalize = ix::finalize(&provider, &stage.job(&job), &stage.emission());
    stage.ok(accept.clone());
    stage.submit(&job);
    stage.at_deadline(&job, 1);
    stage.refused(accept, QuernError::JobMoved);
    stage.refused(finalize, QuernError::JobMoved);
    assert_eq!(stage.job(&job).milestone, 1);
}

/// On a fork the counter may be the same and the result another.
#[test]
fn an_acceptance_is_about_the_commitment_that_was_seen() {
    let mut stage = Stage::new();
    let job = stage.job_in(JobState::Submitted, stage.accepted());
    let accept = ix::accept(&stage.job(&job), &stage.emission());
    stage.tamper(&job, |job: &mut Job| job.trace_root = [7; 32]);
    stage.refused(accept, QuernError::JobMoved);
}

/// What `finalize` refuses, and an instruction that is refused for it.
#[expect(
    clippy::too_many_lines,
    reason = "one list of everything that is refused"
)]
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (
            E::CampaignReadOnly,
            "a campaign that cannot be written",
            |stage| {
                let args = stage.campaign_args();
                let campaign = stage.sponsor(args);
                let provider = stage.cast.provider;
                stage.join(&campaign, &provider);
                stage.set_time(args.start);
                let mut job = stage.refereed();
                job.campaign = campaign;
                let job = stage.job_in(JobState::Submitted, job);
                stage.at_deadline(&job, 1);
                let mut instruction = ix::finalize(&provider, &stage.job(&job), &stage.emission());
                for meta in &mut instruction.accounts {
                    meta.is_writable &= meta.pubkey != campaign;
                }
                instruction
            },
        ),
        (E::ReservationShort, "an escrow that vanished", |stage| {
            let instruction = settlement(stage);
            let purse = addresses::purse(&stage.cast.client, &stage.usd);
            stage.tamper(&purse, |purse: &mut Purse| {
                purse.reserved_atoms = 9_999u64.into()
            });
            instruction
        }),
        (E::PurseMissing, "the emission's at a settlement", |stage| {
            let mut instruction = settlement(stage);
            instruction.accounts.pop();
            instruction
        }),
        (E::PurseTwice, "a settlement", |stage| {
            let mut instruction = settlement(stage);
            let first = instruction.accounts.len() - 5;
            instruction
                .accounts
                .push(instruction.accounts[first].clone());
            instruction
        }),
        (E::PurseNotWritable, "a settlement", |stage| {
            let mut instruction = settlement(stage);
            let last = instruction.accounts.len() - 1;
            instruction.accounts[last].is_writable = false;
            instruction
        }),
        (E::TooManyPurses, "a settlement", |stage| {
            let mut instruction = settlement(stage);
            for owner in [stage.cast.guardian, stage.cast.stranger] {
                let mut meta = instruction.accounts[instruction.accounts.len() - 1].clone();
                meta.pubkey = addresses::purse(&owner, &stage.usd);
                instruction.accounts.push(meta);
            }
            instruction
        }),
        (E::TooEarly, "a refereed job is accepted", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.refereed());
            ix::accept(&stage.job(&job), &stage.emission())
        }),
        (E::GraceTime, "a stranger finalizes", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.refereed());
            stage.at_deadline(&job, 1);
            ix::finalize(&stage.cast.stranger, &stage.job(&job), &stage.emission())
        }),
        (E::DemandsOpen, "a settlement", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.refereed());
            stage.ask(&job, &claim(1), &TRACE);
            stage.wait(365 * DAY);
            ix::finalize(&stage.cast.provider, &stage.job(&job), &stage.emission())
        }),
        (E::WrongRecipient, "a settlement", |stage| {
            let mut instruction = settlement(stage);
            instruction.accounts[4].pubkey = stage.cast.stranger;
            instruction
        }),
    ]
}
