//! The harness itself: every check that it makes after a transaction can fail.

use {
    super::common::TRACE,
    quern::{
        events::{Change, QuernEvent},
        state::{Campaign, Entry, Job, JobState, MintConfig, Purse},
    },
    quern_testkit::svm::*,
    solana_sdk::pubkey::Pubkey,
};

/// Writes a number into a purse of the client without telling the harness, then sends something harmless.
fn with_purse(change: impl FnOnce(&mut Purse)) {
    let mut stage = Stage::new();
    let purse = addresses::purse(&stage.cast.client, &stage.usd);
    stage.tamper(&purse, change);
    let provider = stage.cast.provider;
    let operator = stage.cast.operator;
    stage.ok(ix::update_provider(&provider, provider_args(&operator)));
}

#[test]
#[should_panic(expected = "P1")]
fn p1_a_purse_that_has_too_much_is_seen() {
    with_purse(|purse| purse.free_atoms = (DEPOSIT_ATOMS + 1).into());
}

#[test]
#[should_panic(expected = "P2")]
fn p2_a_reservation_for_nothing_is_seen() {
    with_purse(|purse| {
        purse.free_atoms = (DEPOSIT_ATOMS - 1).into();
        purse.reserved_atoms = 1u64.into();
    });
}

#[test]
#[should_panic(expected = "P1: the vault")]
fn p1_a_vault_that_lost_tokens_is_seen() {
    let mut stage = Stage::new();
    let vault = addresses::vault(&stage.usd);
    let mut account = stage.svm.get_account(&vault).unwrap();
    account.data[64..72].copy_from_slice(&5u64.to_le_bytes());
    stage.svm.set_account(vault, account).unwrap();
    stage.create(stage.refereed());
}

#[test]
#[should_panic(expected = "P3")]
fn p3_a_total_that_the_independent_ledger_does_not_have_is_seen() {
    let mut stage = Stage::new();
    let (client, usd) = (stage.cast.client, stage.usd);
    let known = stage.world.oracle.clone();
    stage.deposit(&client, &usd, 7);
    // As if the deposit had not been heard of, but its purse had.
    let balance = stage.world.oracle.clone().balance(&client, &usd);
    stage.world.oracle = known;
    stage.world.oracle.set_balance(&client, &usd, balance);
    stage.create(stage.refereed());
}

#[test]
#[should_panic(expected = "the independent ledger")]
fn a_balance_that_the_independent_ledger_does_not_have_is_seen() {
    let mut stage = Stage::new();
    let (client, usd) = (stage.cast.client, stage.usd);
    stage.world.oracle.set_balance(&client, &usd, (1, 0));
    let provider = stage.cast.provider;
    stage.ok(ix::set_operator_limit(&provider, &usd, 1));
}

#[test]
#[should_panic(expected = "P5")]
fn p5_spending_above_the_cap_is_seen() {
    let mut stage = Stage::new();
    stage.tamper(
        &addresses::emission(),
        |emission: &mut quern::state::Emission| {
            emission.spent_atoms = (emission.cap_atoms.get() + 1).into();
        },
    );
    stage.create(stage.refereed());
}

#[test]
#[should_panic(expected = "P6")]
fn p6_an_account_that_changed_unseen_is_seen() {
    let mut stage = Stage::new();
    let follower = stage.follower.clone();
    let config = addresses::mint_config(&stage.gold);
    stage.tamper(&config, |config: &mut MintConfig| {
        config.least_price_atoms = 77u64.into()
    });
    stage.world.follower = follower;
    stage.create(stage.refereed());
}

#[test]
#[should_panic(expected = "P10")]
fn p10_an_address_that_comes_back_is_seen() {
    let mut stage = Stage::new();
    let job = stage.create(stage.refereed());
    stage.ok(ix::cancel_job(&stage.job(&job)));
    let purse = addresses::purse(&stage.cast.client, &stage.usd);
    // As if the counter of jobs could go back.
    stage.tamper(&purse, |purse: &mut Purse| purse.opened = 0u64.into());
    stage.create(stage.refereed());
}

#[test]
#[should_panic(expected = "P12")]
fn p12_rewards_above_the_fee_are_seen() {
    let mut stage = Stage::new();
    let config = addresses::mint_config(&stage.gold);
    stage.tamper(&config, |config: &mut MintConfig| {
        config.reward_rate_e9 = 1_000_000_000u64.into()
    });
    stage.create(stage.refereed());
}

#[test]
#[should_panic(expected = "P4")]
fn p4_a_fee_of_another_share_is_seen() {
    let mut stage = Stage::new();
    let job = stage.job_in(JobState::Submitted, stage.refereed());
    let oracle = stage.world.oracle.clone();
    stage.tamper(&job, |job: &mut Job| job.terms.fee_bps = 251.into());
    stage.world.oracle = oracle;
    stage.at_deadline(&job, 1);
    stage.finalize(&job);
}

/// A campaign that the provider has joined, with something written into its accounts; then something harmless.
fn with_campaign(change: impl FnOnce(&mut Stage, &Pubkey)) {
    let mut stage = Stage::new();
    let campaign = stage.sponsor(stage.campaign_args());
    let provider = stage.cast.provider;
    stage.join(&campaign, &provider);
    change(&mut stage, &campaign);
    stage.create(stage.refereed());
}

#[test]
#[should_panic(expected = "P18: scores")]
fn p18_a_score_without_a_milestone_is_seen() {
    with_campaign(|stage, campaign| {
        let entry = addresses::entry(campaign, &stage.cast.provider);
        stage.tamper(&entry, |entry: &mut Entry| entry.score = 1u64.into());
    });
}

#[test]
#[should_panic(expected = "P18: the total")]
fn p18_a_total_without_scores_is_seen() {
    with_campaign(|stage, campaign| {
        let entry = addresses::entry(campaign, &stage.cast.provider);
        let oracle = stage.world.oracle.clone();
        stage.tamper(&entry, |entry: &mut Entry| entry.score = 1u64.into());
        stage.tamper(campaign, |campaign: &mut Campaign| {
            campaign.total_score = 1u64.into()
        });
        stage.world.oracle = oracle;
    });
}

/// A demand about the trace of a submitted job, which then is changed behind everybody's back.
fn with_demand(change: impl FnOnce(&mut Stage, &Pubkey, &Pubkey)) {
    let mut stage = Stage::new();
    let job = stage.job_in(JobState::Submitted, stage.refereed());
    let demand = stage.ask(&job, &claim(1), &TRACE);
    change(&mut stage, &job, &demand);
    stage.create(stage.refereed());
}

#[test]
#[should_panic(expected = "open demands of")]
fn a_job_that_miscounts_its_demands_is_seen() {
    with_demand(|stage, job, _| {
        stage.tamper(job, |job: &mut Job| job.open_demands = 2u32.into());
    });
}

#[test]
#[should_panic(expected = "lamports of demand")]
fn a_fee_that_left_its_demand_is_seen() {
    with_demand(|stage, _, demand| {
        let mut account = stage.svm.get_account(demand).unwrap();
        account.lamports -= 1;
        stage.svm.set_account(*demand, account).unwrap();
    });
}

#[test]
#[should_panic(expected = "bytes before the answer")]
fn an_answer_before_it_was_given_is_seen() {
    with_demand(|stage, _, demand| {
        let mut account = stage.svm.get_account(demand).unwrap();
        *account.data.last_mut().unwrap() = 1;
        stage.svm.set_account(*demand, account).unwrap();
    });
}

#[test]
#[should_panic(expected = "due time and fee")]
fn a_demand_with_another_fee_is_seen() {
    let mut stage = Stage::new();
    let job = stage.job_in(JobState::Submitted, stage.refereed());
    let oracle = stage.world.oracle.clone();
    stage.tamper(&job, |job: &mut Job| {
        job.terms.demand_fee_lamports = 9u64.into()
    });
    stage.world.oracle = oracle;
    stage.ask(&job, &claim(1), &TRACE);
}

#[test]
#[should_panic(expected = "paid for what was recorded")]
fn a_bounty_for_another_prover_is_seen() {
    let mut stage = Stage::new();
    let job = stage.job_in(JobState::Convicted, stage.refereed());
    let (oracle, stranger) = (stage.world.oracle.clone(), stage.cast.stranger);
    stage.tamper(&job, |job: &mut Job| job.prover = stranger);
    stage.world.oracle = oracle;
    let settle = ix::settle_conviction(&stage.job(&job));
    stage.ok(settle);
}

#[test]
#[should_panic(expected = "conviction of")]
fn a_slash_without_a_reason_is_seen() {
    let mut stage = Stage::new();
    let job = stage.job_in(JobState::Convicted, stage.refereed());
    stage.tamper(&job, |job: &mut Job| job.conviction_reason = 0);
    stage.create(stage.refereed());
}

fn event(kind: u8, seq: u64, after: Vec<u8>) -> QuernEvent {
    let changes = vec![Change {
        kind,
        address: Pubkey::from([1; 32]),
        seq,
        after,
    }];
    QuernEvent::ProviderUpdated(quern::events::ProviderUpdated {
        at: 0,
        owner: Pubkey::from([2; 32]),
        endpoint: String::new(),
        changes,
    })
}

#[test]
fn a_follower_takes_contiguous_changes() {
    let mut follower = Follower::default();
    follower.apply(&event(4, 1, vec![1]));
    follower.apply(&event(4, 2, vec![2]));
    follower.apply(&event(4, 3, Vec::new()));
    assert!(follower.live.is_empty() && follower.closed.len() == 1);
}

#[test]
#[should_panic(expected = "P6")]
fn a_follower_sees_a_gap() {
    let mut follower = Follower::default();
    follower.apply(&event(4, 1, vec![1]));
    follower.apply(&event(4, 3, vec![2]));
}

#[test]
#[should_panic(expected = "P9")]
fn a_follower_sees_an_administrator_at_a_purse() {
    let changes = vec![Change {
        kind: 5,
        address: Pubkey::from([1; 32]),
        seq: 1,
        after: vec![1],
    }];
    Follower::default().apply(&QuernEvent::ProtocolUpdated(
        quern::events::ProtocolUpdated { at: 0, changes },
    ));
}
