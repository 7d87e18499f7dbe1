//! What each key can lose at most, as docs/THREATS.md says: a thief does the worst that the key allows, and everybody's holdings
//! are counted before and after.

use {super::common::*, quern::state::ProtocolSettings, std::collections::BTreeMap};

/// What everybody holds in the payment mint: free and reserved together, and what thieves withdrew.
fn holdings(stage: &Stage) -> BTreeMap<Pubkey, u64> {
    let purses = stage.list::<Purse>().into_iter();
    purses
        .filter(|(_, purse)| purse.mint == stage.usd)
        .map(|(_, purse)| {
            (
                purse.owner,
                purse.free_atoms.get() + purse.reserved_atoms.get(),
            )
        })
        .collect()
}

/// What each owner lost between two counts, those who lost nothing left out.
fn losses(before: &BTreeMap<Pubkey, u64>, after: &BTreeMap<Pubkey, u64>) -> BTreeMap<Pubkey, u64> {
    let lost = before
        .iter()
        .map(|(owner, atoms)| (*owner, atoms.saturating_sub(after[owner])));
    lost.filter(|(_, atoms)| *atoms > 0).collect()
}

/// What only an owner's signature moves or changes, tried with another key.
fn owners_commands(stage: &mut Stage, signer: &Pubkey) -> Vec<Instruction> {
    let (owner, usd, gold) = (stage.cast.provider, stage.usd, stage.gold);
    let destination = token::issue(stage, signer, &usd, 0);
    let token_program = token::program_of(stage, &usd);
    let commands = [
        ix::withdraw(&owner, &destination, &usd, &token_program, 1),
        ix::set_operator_limit(&owner, &usd, u64::MAX),
        ix::update_provider(&owner, provider_args(signer)),
        ix::claim_rewards(&owner, &gold),
    ];
    let signed = commands.into_iter().map(|mut command| {
        for meta in &mut command.accounts {
            if meta.pubkey == owner && meta.is_signer {
                meta.pubkey = *signer;
            }
        }
        command
    });
    signed.collect()
}

/// The thief is client and prover too, so that it is paid for what it breaks.
fn lose_a_bond(stage: &mut Stage, signer: &Pubkey, job: &Pubkey, how: u64) {
    match how {
        0 => {
            stage.at_deadline(job, 1);
            stage.expire(job);
        }
        _ => {
            let submit = ix::submit(signer, &stage.job(job), proof(1));
            stage.ok(submit);
            stage.convict(job);
            let settle = ix::settle_conviction(&stage.job(job));
            stage.ok(settle);
        }
    }
}

/// An operator's key: its limit, whatever the owner took, and nothing that only the owner may do.
#[test]
fn a_stolen_operator_key_loses_at_most_the_limit() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let (owner, operator, usd) = (cast.provider, cast.operator, stage.usd);
    let mut patient = stage.refereed();
    patient.work_secs = 100 * DAY as u32;
    let owners = [
        stage.job_in(JobState::Taken, patient.clone()),
        stage.job_in(JobState::Taken, patient),
        stage.job_in(JobState::Taken, stage.accepted()),
    ];
    stage.ok(ix::set_operator_limit(&owner, &usd, 50_000));
    let before = holdings(&stage);
    for job in &owners {
        let submit = ix::submit(&operator, &stage.job(job), proof(1));
        stage.refused(submit, QuernError::TakenByOwner);
    }
    for command in owners_commands(&mut stage, &operator) {
        stage.refused(command, QuernError::NotAuthorized);
    }
    let mut rounds = 0;
    loop {
        let job = stage.create(stage.refereed());
        let take = ix::take_job(&operator, &owner, &stage.job(&job));
        if stage.send(&[take]).is_err() {
            break;
        }
        lose_a_bond(&mut stage, &operator, &job, rounds % 2);
        rounds += 1;
        assert!(rounds < 100, "the limit never ends it");
    }
    assert!(rounds > 2, "{rounds}");
    let lost = losses(&before, &holdings(&stage));
    assert_eq!(lost.keys().collect::<Vec<_>>(), [&owner]);
    assert!(lost[&owner] <= 50_000, "{lost:?}");
    // What the owner took is as it was.
    assert_eq!(stage.usd_of(&owner).1, 20_000 + 20_000 + 8_000);
}

/// A provider owner's key: all that its purses hold, bonds included, and nothing of anybody else's.
#[test]
fn a_stolen_owner_key_loses_what_its_purses_hold() {
    let mut stage = Stage::new();
    let (owner, usd) = (stage.cast.provider, stage.usd);
    let job = stage.job_in(JobState::Taken, stage.refereed());
    let before = holdings(&stage);
    let (free, reserved) = stage.usd_of(&owner);
    let (destination, program) = (
        token::issue(&mut stage, &owner, &usd, 0),
        token::program_of(&stage, &usd),
    );
    let too_much = ix::withdraw(&owner, &destination, &usd, &program, free + 1);
    stage.refused(too_much, QuernError::InsufficientFunds);
    stage.withdraw(&owner, &usd, free);
    lose_a_bond(&mut stage, &owner, &job, 1);
    let lost = losses(&before, &holdings(&stage));
    assert_eq!(lost, BTreeMap::from([(owner, free + reserved)]));
}

/// A client's key: all that its purses hold, the escrow of its jobs included; it cannot accept for a refereed job, nor touch the
/// bond.
#[test]
fn a_stolen_client_key_loses_what_its_purses_hold() {
    let mut stage = Stage::new();
    let (client, provider, usd) = (stage.cast.client, stage.cast.provider, stage.usd);
    let reviewed = stage.job_in(JobState::Submitted, stage.accepted());
    let refereed = stage.job_in(JobState::Submitted, stage.refereed());
    let open = stage.create(stage.refereed());
    let before = holdings(&stage);
    let early = ix::accept(&stage.job(&refereed), &stage.emission());
    stage.refused(early, QuernError::TooEarly);
    // The thief is in league with the provider.
    for milestone in 0..3 {
        if milestone > 0 {
            stage.submit(&reviewed);
        }
        stage.accept(&reviewed);
    }
    stage.ok(ix::cancel_job(&stage.job(&open)));
    let (free, reserved) = stage.usd_of(&client);
    assert_eq!(reserved, 10_000, "the refereed job's escrow stays");
    stage.withdraw(&client, &usd, free);
    let lost = losses(&before, &holdings(&stage));
    assert_eq!(lost, BTreeMap::from([(client, before[&client] - 10_000)]));
    assert_eq!(stage.usd_of(&provider).1, 20_000, "its bond is untouched");
}

/// An arbiter's key: of a rejected milestone its price, and of the bond at most one late penalty, from a provider that loses.
#[test]
fn a_stolen_arbiter_key_costs_the_milestone_and_one_penalty() {
    let stage = Stage::new();
    let cast = stage.cast.clone();
    for (share, penalty) in [(0, 1_600), (4_999, 1_600), (5_000, 0), (10_000, 0)] {
        let mut stage = stage.clone();
        let job = stage.job_in(JobState::Rejected, stage.accepted());
        let before = holdings(&stage);
        let greedy = ix::resolve(&stage.job(&job), decision(share, penalty + 1));
        stage.refused(greedy, QuernError::ShareTooHigh);
        stage.resolve(&job, share, penalty);
        let lost = losses(&before, &holdings(&stage));
        let of = |who: &Pubkey| lost.get(who).copied().unwrap_or(0);
        // The price of one milestone, and the deposit of a client that was found wrong.
        assert!(of(&cast.client) <= 10_000 + 1_000, "{lost:?}");
        assert!(of(&cast.provider) <= penalty, "{lost:?}");
        assert!(
            lost.keys()
                .all(|who| [cast.client, cast.provider].contains(who))
        );
        // It decides about nothing but what was rejected.
        let other = stage.job_in(JobState::Submitted, stage.accepted());
        let decide = ix::resolve(&stage.job(&other), decision(0, 0));
        stage.refused(decide, QuernError::WrongState);
    }
}

/// The guardian's key: no new jobs until the authority lifts the pause; all that lives goes on, and all money leaves.
#[test]
fn a_stolen_guardian_key_moves_nothing() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let job = stage.job_in(JobState::Submitted, stage.accepted());
    let open = stage.create(stage.refereed());
    let before = holdings(&stage);
    stage.ok(ix::set_pause(&cast.guardian, true));
    assert!(losses(&before, &holdings(&stage)).is_empty());
    let settings = ix::update_protocol(&cast.guardian, Some(settings(&cast)), None);
    stage.refused(settings, QuernError::NotAuthorized);
    let create = stage.create_ix(stage.refereed());
    stage.refused(create, QuernError::Paused);
    let take = ix::take_job(&cast.provider, &cast.provider, &stage.job(&open));
    stage.refused(take, QuernError::Paused);
    stage.accept(&job);
    stage.ok(ix::set_pause(&cast.authority, false));
    let again = stage.create(stage.refereed());
    stage.ok(ix::set_pause(&cast.guardian, true));
    stage.ok(ix::cancel_job(&stage.job(&open)));
    stage.ok(ix::cancel_job(&stage.job(&again)));
    let (usd, free) = (stage.usd, stage.usd_of(&cast.client).0);
    stage.withdraw(&cast.client, &usd, free);
}

/// The authority's key: settings of new jobs within their bounds, whose clients must have read them. No purse and no live job.
#[test]
fn a_stolen_authority_key_touches_no_purse_and_no_live_job() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let (usd, thief) = (stage.usd, cast.stranger);
    stage.job_in(JobState::Rejected, stage.accepted());
    stage.job_in(JobState::Submitted, stage.refereed());
    let signed = stage.create_ix(stage.refereed());
    let live = |stage: &Stage| {
        let bytes = |address: &Pubkey| stage.svm.get_account(address).unwrap().data;
        let purses = stage
            .list::<Purse>()
            .into_iter()
            .map(|(address, _)| address);
        let jobs = stage.list::<Job>().into_iter().map(|(address, _)| address);
        let all: Vec<_> = purses.chain(jobs).map(|at| bytes(&at)).collect();
        all
    };
    let before = live(&stage);
    let worst = ProtocolSettings {
        guardian: thief,
        treasury_owner: thief,
        fee_bps: 1_000,
        late_penalty_bps: 5_000,
        reject_bps: 5_000,
        arbiter_bps: 2_000,
        resolve_secs: 30 * DAY as u32,
        ..settings(&cast)
    };
    stage.ok(ix::update_protocol(
        &cast.authority,
        Some(worst),
        Some(thief),
    ));
    stage.ok(ix::accept_authority(&thief));
    stage.ok(ix::configure_emission(
        &thief,
        &stage.gold,
        EmissionSettings {
            cap_atoms: u64::MAX,
            ..emission_args()
        },
    ));
    assert!(live(&stage) == before, "a purse or a live job changed");
    stage.refused(signed, QuernError::TermsChanged);
    let disabled = MintSettings {
        enabled: false,
        rates: rates(),
    };
    stage.ok(ix::update_mint(&thief, &usd, disabled));
    let free = stage.usd_of(&cast.client).0;
    stage.withdraw(&cast.client, &usd, free);
}

/// A model owner's key: royalties of new jobs, whose clients must have read them. Live jobs pay whom they paid.
#[test]
fn a_stolen_model_key_changes_no_live_job() {
    let mut stage = Stage::new();
    let (creator, thief, model) = (stage.cast.creator, stage.cast.stranger, stage.model);
    let job = stage.job_in(JobState::Submitted, stage.refereed());
    let signed = stage.create_ix(stage.refereed());
    let settings = ModelSettings {
        active: true,
        royalty_bps: 5_000,
        uri: String::new(),
    };
    stage.ok(ix::update_model(
        &creator,
        &model,
        Some(settings),
        Some(thief),
    ));
    stage.ok(ix::accept_model_owner(&thief, &model));
    stage.refused(signed, QuernError::TermsChanged);
    stage.at_deadline(&job, 1);
    stage.finalize(&job);
    assert_eq!(stage.usd_of(&creator).0, 300);
    assert_eq!(stage.usd_of(&thief), (0, 0));
}

/// An evidence author's key: the rent of its evidence accounts.
#[test]
fn a_stolen_author_key_loses_the_rent_of_its_evidence() {
    let mut stage = Stage::new();
    let (author, other) = (stage.cast.prover, stage.cast.stranger);
    let before = holdings(&stage);
    let lamports = stage.lamports(&author);
    let mine = stage.write_down(&author, "mine", &[1; 100]);
    let others = stage.write_down(&other, "other", &[1; 100]);
    let rent = lamports - stage.lamports(&author);
    stage.refused(
        ix::close_evidence(&author, &others),
        QuernError::NotAuthorized,
    );
    let write = ix::write_evidence(&author, &others, 0, &[9]);
    stage.refused(write, QuernError::NotAuthorized);
    stage.ok(ix::close_evidence(&author, &mine));
    assert_eq!(stage.lamports(&author), lamports);
    assert!(rent > 0 && losses(&before, &holdings(&stage)).is_empty());
}
