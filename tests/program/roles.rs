//! One wallet in several roles: every coincidence that the rules allow goes through every ending of a job.

use {
    quern::{
        constants::NOBODY,
        error::QuernError,
        events::QuernEvent,
        state::{JobState, Purse},
    },
    quern_testkit::svm::*,
    solana_sdk::pubkey::Pubkey,
};

/// A role's name and its place in the cast.
type Role = (&'static str, fn(&mut Cast) -> &mut Pubkey);

const ROLES: [Role; 10] = [
    ("authority", |cast| &mut cast.authority),
    ("guardian", |cast| &mut cast.guardian),
    ("treasury", |cast| &mut cast.treasury),
    ("client", |cast| &mut cast.client),
    ("provider", |cast| &mut cast.provider),
    ("operator", |cast| &mut cast.operator),
    ("arbiter", |cast| &mut cast.arbiter),
    ("creator", |cast| &mut cast.creator),
    ("prover", |cast| &mut cast.prover),
    ("sponsor", |cast| &mut cast.second),
];

/// What the rules forbid: the client works for nobody but others, and an arbiter is no party.
fn is_forbidden(cast: &Cast) -> bool {
    let party = [cast.client, cast.provider, cast.operator];
    cast.client == cast.provider || cast.client == cast.operator || party.contains(&cast.arbiter)
}

/// Every ending of a job, by owner and by operator.
fn live_through(stage: &mut Stage) {
    let cast = stage.cast.clone();
    let mut single = stage.accepted();
    single.milestones = 1;
    let renew = |stage: &Stage, args: &quern::instructions::NewJob| {
        let mut args = args.clone();
        args.ends_by = stage.now() + 2 * DAY;
        args
    };
    // Refereed, taken by the operator, finalized by the owner.
    let job = stage.create(stage.refereed());
    stage.ok(ix::take_job(
        &cast.operator,
        &cast.provider,
        &stage.job(&job),
    ));
    stage.ok(ix::submit(&cast.operator, &stage.job(&job), proof(1)));
    stage.at_deadline(&job, 1);
    stage.finalize(&job);
    // Accepted: accept, late, resolved both ways.
    let job = stage.job_in(JobState::Submitted, stage.accepted());
    stage.accept(&job);
    stage.at_deadline(&job, 1);
    stage.expire(&job);
    stage.take(&job);
    stage.submit(&job);
    stage.reject(&job);
    stage.resolve(&job, 3_000, 77);
    stage.take(&job);
    stage.submit(&job);
    stage.reject(&job);
    stage.resolve(&job, 9_000, 0);
    assert!(!stage.exists(&job));
    // Unanswered.
    let args = renew(stage, &single);
    let job = stage.job_in(JobState::Rejected, args);
    stage.at_deadline(&job, 1);
    stage.expire(&job);
    // Expired, cancelled, convicted.
    let job = stage.create(stage.refereed());
    stage.at_deadline(&job, 1);
    stage.expire(&job);
    let job = stage.create(stage.refereed());
    stage.ok(ix::cancel_job(&stage.job(&job)));
    let job = stage.job_in(JobState::Convicted, stage.refereed());
    stage.ok(ix::settle_conviction(&stage.job(&job)));
    campaign(stage);
    if stage
        .provider_of(&cast.provider)
        .rewards_accrued_atoms
        .get()
        > 0
    {
        stage.ok(ix::claim_rewards(&cast.provider, &stage.gold));
    }
    for owner in cast.all() {
        let (free, reserved) = stage.usd_of(&owner);
        assert_eq!(reserved, 0);
        let usd = stage.usd;
        if free > 0 {
            stage.withdraw(&owner, &usd, free);
        }
    }
}

/// A campaign from its creation to its sweep; the operator pays for the entry.
fn campaign(stage: &mut Stage) {
    let cast = stage.cast.clone();
    let args = stage.campaign_args();
    let campaign = stage.sponsor(args);
    stage.ok(ix::join_campaign(&cast.operator, &campaign, &cast.provider));
    stage.set_time(args.start);
    let mut job = stage.refereed();
    job.campaign = campaign;
    let job = stage.create(job);
    stage.ok(ix::take_job(
        &cast.operator,
        &cast.provider,
        &stage.job(&job),
    ));
    stage.ok(ix::submit(&cast.operator, &stage.job(&job), proof(1)));
    stage.at_deadline(&job, 1);
    stage.finalize(&job);
    stage.set_time(args.settle_by + 1);
    let claim = stage.claim_ix(&campaign, &cast.provider);
    let outcome = stage.ok(claim);
    let QuernEvent::CampaignClaimed(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(event.amount_atoms, 225);
    stage.set_time(args.claim_by + 1);
    let sweep = ix::sweep_campaign(&stage.get(&campaign));
    stage.ok(sweep);
}

#[test]
fn every_pair_of_roles_in_one_wallet() {
    let mut tried = 0;
    for (at, (one, role)) in ROLES.iter().enumerate() {
        for (other, other_role) in &ROLES[at + 1..] {
            let mut cast = Cast::usual();
            let wallet = *role(&mut cast);
            *other_role(&mut cast) = wallet;
            if is_forbidden(&cast) {
                continue;
            }
            println!("{one} is {other}");
            live_through(&mut Stage::with(cast));
            tried += 1;
        }
    }
    assert_eq!(
        tried,
        45 - 5,
        "all pairs but the five that the rules forbid"
    );
}

/// As many roles as the rules allow in one wallet, from both sides.
#[test]
fn nearly_all_roles_in_one_wallet() {
    for keep in [
        ["provider", "operator", "arbiter"],
        ["client", "arbiter", ""],
        ["client", "provider", "operator"],
    ] {
        let mut cast = Cast::usual();
        let everyone = actor("everyone");
        for (name, role) in ROLES {
            if !keep.contains(&name) {
                *role(&mut cast) = everyone;
            }
        }
        assert!(!is_forbidden(&cast), "{cast:?}");
        live_through(&mut Stage::with(cast));
    }
}

/// Jobs paid in the mint that rewards are paid in.
#[test]
fn payment_mint_and_reward_mint_are_one() {
    for change in [
        |_: &mut Cast| (),
        |cast: &mut Cast| cast.treasury = addresses::emission(),
        |cast: &mut Cast| cast.treasury = cast.provider,
        |cast: &mut Cast| cast.creator = cast.client,
    ] {
        let mut cast = Cast::usual();
        change(&mut cast);
        let mut stage = Stage::with(cast);
        stage.usd = stage.gold;
        let (provider, gold) = (stage.cast.provider, stage.gold);
        stage.ok(ix::set_operator_limit(&provider, &gold, DEPOSIT_ATOMS));
        if stage.cast.treasury == addresses::emission() {
            // Fees flow back into rewards; nobody withdraws them.
            let job = stage.job_in(JobState::Submitted, stage.refereed());
            stage.at_deadline(&job, 1);
            let before = stage.gold_of(&addresses::emission());
            stage.finalize(&job);
            let after = stage.gold_of(&addresses::emission());
            // A fee of 250 comes in, half of it is granted.
            assert_eq!((after.0, after.1), (before.0 + 250 - 125, before.1 + 125));
            stage.ok(ix::claim_rewards(&provider, &gold));
            continue;
        }
        live_through(&mut stage);
    }
}

/// The treasury's purses may belong to a program's address: the emission's, or the one that burns.
#[test]
fn a_treasury_that_nobody_signs_for() {
    for treasury in [addresses::burn_owner(), addresses::protocol()] {
        let mut stage = Stage::new();
        let usd = stage.usd;
        stage.open(&treasury, &usd);
        let mut args = settings(&stage.cast);
        args.treasury_owner = treasury;
        stage.ok(ix::update_protocol(
            &stage.cast.authority.clone(),
            Some(args),
            None,
        ));
        live_through(&mut stage);
        assert!(
            stage
                .get::<Purse>(&addresses::purse(&treasury, &usd))
                .free_atoms
                .get()
                > 0
        );
    }
}

/// The forbidden coincidences are refused, whichever way they are tried.
#[test]
fn forbidden_coincidences_are_refused() {
    let stage = Stage::new();
    let cast = stage.cast.clone();
    let refuse = |prepare: &dyn Fn(&mut Stage) -> Pubkey,
                  signer: Pubkey,
                  owner: Pubkey,
                  error: QuernError| {
        let mut stage = stage.clone();
        let job = prepare(&mut stage);
        stage.refused(ix::take_job(&signer, &owner, &stage.job(&job)), error);
    };
    // The client owns the provider; the client is its operator; its owner signs although the client is the operator.
    let client_is_provider = |stage: &mut Stage| {
        stage.ok(ix::register_provider(
            &cast.client,
            provider_args(&cast.stranger),
        ));
        stage.create(stage.refereed())
    };
    refuse(
        &client_is_provider,
        cast.client,
        cast.client,
        QuernError::OwnJob,
    );
    refuse(
        &client_is_provider,
        cast.stranger,
        cast.client,
        QuernError::OwnJob,
    );
    let client_is_operator = |stage: &mut Stage| {
        stage.ok(ix::update_provider(
            &cast.provider,
            provider_args(&cast.client),
        ));
        stage.create(stage.refereed())
    };
    refuse(
        &client_is_operator,
        cast.client,
        cast.provider,
        QuernError::OwnJob,
    );
    refuse(
        &client_is_operator,
        cast.provider,
        cast.provider,
        QuernError::OwnJob,
    );
    // The arbiter owns or operates the provider.
    let arbiter_is = |arbiter: Pubkey| {
        move |stage: &mut Stage| {
            let mut args = stage.accepted();
            args.arbiter = arbiter;
            stage.create(args)
        }
    };
    refuse(
        &arbiter_is(cast.provider),
        cast.provider,
        cast.provider,
        QuernError::ArbiterIsParty,
    );
    refuse(
        &arbiter_is(cast.operator),
        cast.provider,
        cast.provider,
        QuernError::ArbiterIsParty,
    );
}

/// A signer who is also the recipient of rent, and a crank turned by every party.
#[test]
fn every_party_may_turn_every_crank() {
    let base = Stage::new();
    let cast = base.cast.clone();
    for signer in cast.all() {
        let mut stage = base.clone();
        let job = stage.job_in(JobState::Submitted, stage.refereed());
        stage.at_deadline(&job, 1_801);
        stage.ok(ix::finalize(&signer, &stage.job(&job), &stage.emission()));
        assert!(!stage.exists(&job));
        assert_ne!(signer, NOBODY);
    }
}
