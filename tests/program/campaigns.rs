//! Jobs of campaigns: which jobs may name one, who may take them, and what scores.

use super::{claim_campaign::scored, common::*};

/// A campaign that runs, which the provider has joined.
fn running(stage: &mut Stage) -> Pubkey {
    let args = stage.campaign_args();
    let campaign = stage.sponsor(args);
    let provider = stage.cast.provider;
    stage.join(&campaign, &provider);
    stage.set_time(args.start);
    campaign
}

fn named(stage: &Stage, campaign: &Pubkey) -> NewJob {
    let mut job = stage.refereed();
    job.campaign = *campaign;
    job
}

fn score_of(stage: &Stage, campaign: &Pubkey) -> (u64, u64) {
    let entry: Entry = stage.get(&addresses::entry(campaign, &stage.cast.provider));
    let campaign: Campaign = stage.get(campaign);
    (entry.score.get(), campaign.total_score.get())
}

#[test]
fn a_settled_milestone_scores_and_accrues_no_reward() {
    let mut stage = Stage::new();
    let campaign = running(&mut stage);
    let args = named(&stage, &campaign);
    let job = stage.job_in(JobState::Submitted, args);
    assert!(stage.job(&job).reward_rate_e9.is_zero());
    let submitted_at = stage.now();
    stage.at_deadline(&job, 1);
    let outcome = stage.finalize(&job);
    let QuernEvent::MilestoneSettled(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.campaign, event.submitted_at),
        (campaign, submitted_at)
    );
    assert_eq!(
        (event.fee_atoms, event.score, event.reward_atoms),
        (250, 225, 0)
    );
    assert_eq!(score_of(&stage, &campaign), (225, 225));
    // Reviewed milestones at their own weight; each of them scores.
    let mut args = stage.accepted();
    args.campaign = campaign;
    args.milestones = 2;
    let job = stage.job_in(JobState::Submitted, args);
    stage.accept(&job);
    assert_eq!(score_of(&stage, &campaign), (350, 350));
    stage.submit(&job);
    stage.accept(&job);
    assert_eq!(score_of(&stage, &campaign), (475, 475));
    // A job without a campaign scores nothing and accrues its reward.
    let args = stage.refereed();
    let job = stage.job_in(JobState::Submitted, args);
    stage.at_deadline(&job, 1);
    let outcome = stage.finalize(&job);
    let QuernEvent::MilestoneSettled(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!((event.score, event.reward_atoms), (0, 500));
}

#[test]
fn what_counts_is_when_the_result_was_submitted() {
    for (at, counts) in [(-1, false), (0, true)] {
        let mut stage = Stage::new();
        let args = stage.campaign_args();
        let campaign = stage.sponsor(args);
        let provider = stage.cast.provider;
        stage.join(&campaign, &provider);
        let job = named(&stage, &campaign);
        let job = stage.job_in(JobState::Taken, job);
        stage.set_time(args.start + at);
        stage.submit(&job);
        stage.at_deadline(&job, 1);
        stage.finalize(&job);
        let score = if counts { 225 } else { 0 };
        assert_eq!(score_of(&stage, &campaign), (score, score), "start {at}");
    }
    for (at, counts) in [(-1, true), (0, false)] {
        let mut stage = Stage::new();
        let campaign = running(&mut stage);
        let end = stage.get::<Campaign>(&campaign).end.get();
        stage.set_time(end - 3_000);
        let job = named(&stage, &campaign);
        let job = stage.job_in(JobState::Taken, job);
        stage.set_time(end + at);
        stage.submit(&job);
        stage.at_deadline(&job, 1);
        stage.finalize(&job);
        let score = if counts { 225 } else { 0 };
        assert_eq!(score_of(&stage, &campaign), (score, score), "end {at}");
    }
    for (at, counts) in [(0, true), (1, false)] {
        let mut stage = Stage::new();
        let campaign = running(&mut stage);
        let job = named(&stage, &campaign);
        let job = stage.job_in(JobState::Submitted, job);
        let settle_by = stage.get::<Campaign>(&campaign).settle_by.get();
        stage.set_time(settle_by + at);
        stage.finalize(&job);
        let score = if counts { 225 } else { 0 };
        assert_eq!(score_of(&stage, &campaign), (score, score), "settle {at}");
    }
}

#[test]
fn a_swept_campaign_holds_nothing_up() {
    let mut stage = Stage::new();
    let campaign = running(&mut stage);
    let args = named(&stage, &campaign);
    let job = stage.job_in(JobState::Submitted, args);
    let settle_by = stage.get::<Campaign>(&campaign).settle_by.get();
    stage.set_time(settle_by + 1);
    let sweep = ix::sweep_campaign(&stage.get(&campaign));
    stage.ok(sweep);
    let outcome = stage.finalize(&job);
    let QuernEvent::MilestoneSettled(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!((event.score, event.closed), (0, true));
}

#[test]
fn a_full_total_never_blocks_a_payment() {
    let mut stage = Stage::new();
    let campaign = running(&mut stage);
    let entry = addresses::entry(&campaign, &stage.cast.provider);
    stage.tamper(&entry, |entry: &mut Entry| {
        entry.score = (u64::MAX - 1).into()
    });
    stage.tamper(&campaign, |campaign: &mut Campaign| {
        campaign.total_score = (u64::MAX - 1).into()
    });
    for _ in 0..2 {
        let args = named(&stage, &campaign);
        let job = stage.job_in(JobState::Submitted, args);
        stage.at_deadline(&job, 1);
        stage.finalize(&job);
        assert!(!stage.exists(&job));
        assert_eq!(score_of(&stage, &campaign), (u64::MAX, u64::MAX));
    }
}

#[test]
fn only_a_provider_that_joined_takes_its_jobs() {
    let mut stage = Stage::new();
    let campaign = running(&mut stage);
    let second = stage.cast.second;
    let args = named(&stage, &campaign);
    let job = stage.create(args);
    let take = ix::take_job(&second, &second, &stage.job(&job));
    stage.refused(take.clone(), QuernError::EntryMissing);
    // The entry of another provider does not help.
    let mut borrowed = take.clone();
    let last = borrowed.accounts.len() - 1;
    borrowed.accounts[last].pubkey = addresses::entry(&campaign, &stage.cast.provider);
    stage.refused(borrowed, QuernError::EntryMissing);
    // Nor does another campaign's.
    let other = stage.sponsor(stage.campaign_args());
    stage.join(&other, &second);
    let mut borrowed = take.clone();
    borrowed.accounts[last].pubkey = addresses::entry(&other, &second);
    stage.refused(borrowed, QuernError::EntryMissing);
    stage.join(&campaign, &second);
    stage.ok(take);
}

/// Every way to settle a milestone of a campaign without its score fails, and moves nothing.
#[expect(
    clippy::too_many_lines,
    reason = "one list of everything that is refused"
)]
fn refuse_every_omission(stage: &mut Stage, campaign: &Pubkey, right: &Instruction) {
    let (provider, second) = (stage.cast.provider, stage.cast.second);
    let other = stage.sponsor(stage.campaign_args());
    stage.join(&other, &provider);
    stage.join(campaign, &second);
    let at = right
        .accounts
        .iter()
        .position(|meta| meta.pubkey == *campaign)
        .unwrap();
    let spoiled = |change: &dyn Fn(&mut Instruction)| {
        let mut instruction = right.clone();
        change(&mut instruction);
        instruction
    };
    for (what, instruction, error) in [
        (
            "both left out",
            spoiled(&|it| {
                it.accounts.drain(at..at + 2);
            }),
            QuernError::WrongCampaign,
        ),
        (
            "the campaign left out",
            spoiled(&|it| {
                it.accounts.remove(at);
            }),
            QuernError::WrongCampaign,
        ),
        (
            "another campaign of the same sponsor",
            spoiled(&|it| it.accounts[at].pubkey = other),
            QuernError::WrongCampaign,
        ),
        (
            "an account that there is not, for the campaign",
            spoiled(&|it| it.accounts[at].pubkey = Pubkey::from([5; 32])),
            QuernError::WrongCampaign,
        ),
        (
            "an account that there is not, for the entry",
            spoiled(&|it| it.accounts[at + 1].pubkey = Pubkey::from([5; 32])),
            QuernError::EntryMissing,
        ),
        (
            "the entry of another campaign",
            spoiled(&|it| it.accounts[at + 1].pubkey = addresses::entry(&other, &provider)),
            QuernError::EntryMissing,
        ),
        (
            "the entry of another provider",
            spoiled(&|it| it.accounts[at + 1].pubkey = addresses::entry(campaign, &second)),
            QuernError::EntryMissing,
        ),
        (
            "campaign and entry in each other's place",
            spoiled(&|it| it.accounts.swap(at, at + 1)),
            QuernError::WrongCampaign,
        ),
        (
            "a read-only campaign",
            spoiled(&|it| it.accounts[at].is_writable = false),
            QuernError::CampaignReadOnly,
        ),
        (
            "a read-only entry",
            spoiled(&|it| it.accounts[at + 1].is_writable = false),
            QuernError::CampaignReadOnly,
        ),
    ] {
        println!("{what}");
        stage.refused(instruction, error);
    }
    for instruction in [
        spoiled(&|it| {
            it.accounts.remove(at + 1);
        }),
        spoiled(&|it| it.accounts[at + 1].pubkey = *campaign),
        spoiled(&|it| {
            let entry = it.accounts[at + 1].clone();
            it.accounts.insert(at + 2, entry)
        }),
        spoiled(&|it| it.accounts[at + 1].pubkey = addresses::purse(&second, &stage.usd)),
    ] {
        stage.fails(instruction);
    }
    assert_eq!(score_of(stage, campaign), (0, 0));
}

#[test]
fn nobody_can_leave_the_score_out() {
    // The provider; a stranger, once anybody may; the client, who accepts.
    for who in ["provider", "stranger", "client"] {
        let mut stage = Stage::new();
        let campaign = running(&mut stage);
        let mut args = named(&stage, &campaign);
        if who == "client" {
            args = stage.accepted();
            args.campaign = campaign;
        }
        let job = stage.job_in(JobState::Submitted, args);
        let state = stage.job(&job);
        let (right, score) = match who {
            "provider" => {
                stage.at_deadline(&job, 1);
                let provider = stage.cast.provider;
                (ix::finalize(&provider, &state, &stage.emission()), 225)
            }
            "stranger" => {
                stage.at_deadline(&job, 1_801);
                let stranger = stage.cast.stranger;
                (ix::finalize(&stranger, &state, &stage.emission()), 225)
            }
            _ => (ix::accept(&state, &stage.emission()), 125),
        };
        println!("{who}");
        refuse_every_omission(&mut stage, &campaign, &right);
        stage.ok(right);
        assert_eq!(score_of(&stage, &campaign), (score, score));
    }
}

#[test]
fn what_did_not_settle_scores_nothing() {
    type End = fn(&mut Stage, &Pubkey);
    let ends: [(JobState, End); 4] = [
        (JobState::Submitted, |stage, job| {
            stage.convict(job);
            let settle = ix::settle_conviction(&stage.job(job));
            stage.ok(settle);
        }),
        (JobState::Taken, |stage, job| {
            stage.at_deadline(job, 1);
            stage.expire(job);
        }),
        (JobState::Open, |stage, job| {
            let cancel = ix::cancel_job(&stage.job(job));
            stage.ok(cancel);
        }),
        (JobState::Open, |stage, job| {
            stage.at_deadline(job, 1);
            stage.expire(job);
        }),
    ];
    for (state, end) in ends {
        let mut stage = Stage::new();
        let campaign = running(&mut stage);
        let args = named(&stage, &campaign);
        let job = stage.job_in(state, args);
        end(&mut stage, &job);
        assert_eq!(score_of(&stage, &campaign), (0, 0));
    }
    for provider_share_bps in [0, 5_000, 10_000] {
        let mut stage = Stage::new();
        let campaign = running(&mut stage);
        let mut args = stage.accepted();
        args.campaign = campaign;
        let job = stage.job_in(JobState::Rejected, args);
        stage.resolve(&job, provider_share_bps, 0);
        assert_eq!(score_of(&stage, &campaign), (0, 0));
    }
}

#[test]
fn a_provider_that_comes_second_scores_for_itself() {
    let mut stage = Stage::new();
    let campaign = running(&mut stage);
    let (provider, second) = (stage.cast.provider, stage.cast.second);
    stage.join(&campaign, &second);
    let args = named(&stage, &campaign);
    let job = stage.job_in(JobState::Taken, args);
    stage.at_deadline(&job, 1);
    stage.expire(&job);
    stage.ok(ix::take_job(&second, &second, &stage.job(&job)));
    stage.submit(&job);
    stage.at_deadline(&job, 1);
    stage.finalize(&job);
    let score = |owner: &Pubkey| {
        let entry: Entry = stage.get(&addresses::entry(&campaign, owner));
        entry.score.get()
    };
    assert_eq!((score(&provider), score(&second)), (0, 225));
}

#[test]
fn buying_from_oneself_loses() {
    let mut stage = Stage::new();
    let (client, provider) = (stage.cast.client, stage.cast.provider);
    let sum = |stage: &Stage| {
        let all = [client, provider].map(|owner| stage.usd_of(&owner));
        all.iter()
            .map(|(free, reserved)| free + reserved)
            .sum::<u64>()
    };
    let before = sum(&stage);
    let campaign = scored(&mut stage, |args| {
        (args.refereed_bps, args.reviewed_bps) = (9_999, 9_999)
    });
    super::claim_campaign::after_settling(&mut stage, &campaign);
    let claim = stage.claim_ix(&campaign, &provider);
    stage.ok(claim);
    // Fee 250 and royalty 300 were paid, 249 came back.
    assert_eq!(before - sum(&stage), 550 - 249);
}
