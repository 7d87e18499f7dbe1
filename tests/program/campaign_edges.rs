//! Edges of campaigns: every second at which something changes, demands and restarts that change nothing, several campaigns.

use {
    super::{
        claim_campaign::{after_settling, scored},
        common::*,
    },
    quern_proof::{
        hash::MISSING,
        limits::{MAX_QUESTIONS, MAX_TOKEN_QUESTIONS},
    },
    quern_tests::payoffs::deepest::{Chain, DEEPEST_ITEMS, largest, largest_text},
};

/// What the usual refereed milestone scores.
const SCORE: u64 = 225;

/// A stage with the usual campaign, which the provider has joined.
fn joined() -> (Stage, NewCampaign, Pubkey) {
    let mut stage = Stage::new();
    let args = stage.campaign_args();
    let campaign = stage.sponsor(args);
    let provider = stage.cast.provider;
    stage.join(&campaign, &provider);
    (stage, args, campaign)
}

fn refereed_of(stage: &Stage, campaign: &Pubkey) -> NewJob {
    let mut job = stage.refereed();
    job.campaign = *campaign;
    job
}

fn reviewed_of(stage: &Stage, campaign: &Pubkey) -> NewJob {
    let mut job = stage.accepted();
    job.campaign = *campaign;
    job
}

/// The provider's score, and the total.
fn scores(stage: &Stage, campaign: &Pubkey) -> (u64, u64) {
    let entry: Entry = stage.get(&addresses::entry(campaign, &stage.cast.provider));
    let campaign: Campaign = stage.get(campaign);
    (entry.score.get(), campaign.total_score.get())
}

#[test]
fn every_edge_of_a_score_restarts_included() {
    let (stage, args, campaign) = joined();
    for (submitted_at, is_inside) in [
        (args.start - 1, false),
        (args.start, true),
        (args.start + 1, true),
        (args.end - 1, true),
        (args.end, false),
        (args.end + 1, false),
    ] {
        for (settled_at, is_in_time) in [
            (args.settle_by - 1, true),
            (args.settle_by, true),
            (args.settle_by + 1, false),
        ] {
            for restarts in [false, true] {
                let mut stage = stage.clone();
                stage.set_time(submitted_at - 60);
                let job = refereed_of(&stage, &campaign);
                let job = stage.job_in(JobState::Taken, job);
                if restarts {
                    stage.restart();
                }
                stage.set_time(submitted_at);
                stage.submit(&job);
                if restarts {
                    stage.restart();
                }
                stage.set_time(settled_at);
                stage.finalize(&job);
                let score = if is_inside && is_in_time { SCORE } else { 0 };
                assert_eq!(
                    scores(&stage, &campaign),
                    (score, score),
                    "submitted {} after the start, settled {} after settle_by, restarts: {restarts}",
                    submitted_at - args.start,
                    settled_at - args.settle_by,
                );
            }
        }
    }
}

#[test]
fn restarts_move_neither_joins_nor_claims_nor_sweeps() {
    let (mut stage, args, campaign) = joined();
    stage.set_time(args.start);
    let job = refereed_of(&stage, &campaign);
    let job = stage.job_in(JobState::Submitted, job);
    stage.at_deadline(&job, 1);
    stage.finalize(&job);
    let (bank, second, provider) = (stage.bank(), stage.cast.second, stage.cast.provider);
    let join = ix::join_campaign(&bank, &campaign, &second);
    let claim = stage.claim_ix(&campaign, &provider);
    let sweep = ix::sweep_campaign(&stage.get(&campaign));
    let at = |time: i64, instruction: &Instruction| {
        let mut stage = stage.clone();
        stage.restart();
        stage.set_time(time - 1);
        stage.restart();
        stage.set_time(time);
        let sent = stage.try_send(std::slice::from_ref(instruction));
        sent.map(drop).map_err(|failure| failure.code())
    };
    let refused = |error| Err(Some(code_of(error)));
    for (time, found) in [
        (args.end - 1, Ok(())),
        (args.end, refused(QuernError::TooLate)),
    ] {
        assert_eq!(at(time, &join), found);
    }
    for (time, found) in [
        (args.settle_by, refused(QuernError::TooEarly)),
        (args.settle_by + 1, Ok(())),
        (args.claim_by, Ok(())),
        (args.claim_by + 1, refused(QuernError::TooLate)),
    ] {
        assert_eq!(at(time, &claim), found);
    }
    for (time, found) in [
        (args.claim_by, refused(QuernError::TooEarly)),
        (args.claim_by + 1, Ok(())),
    ] {
        assert_eq!(at(time, &sweep), found);
    }
}

#[test]
fn milestones_of_one_job_score_one_by_one() {
    let (mut stage, args, campaign) = joined();
    // The first is submitted in the last second before the start, the second in the last one before the end, the third at it.
    stage.set_time(args.start - 1);
    let mut job = reviewed_of(&stage, &campaign);
    (job.work_secs, job.ends_by) = (2 * DAY as u32, stage.now() + 5 * DAY);
    let job = stage.job_in(JobState::Submitted, job);
    stage.set_time(args.start);
    stage.accept(&job);
    assert_eq!(scores(&stage, &campaign), (0, 0));
    stage.set_time(args.end - 1);
    stage.submit(&job);
    stage.set_time(args.end + 1);
    stage.accept(&job);
    assert_eq!(scores(&stage, &campaign), (125, 125));
    stage.submit(&job);
    stage.accept(&job);
    assert!(!stage.exists(&job));
    assert_eq!(scores(&stage, &campaign), (125, 125));
}

/// A refereed job of the deepest graph, taken before the last second of a campaign that leaves exactly the room that its review takes.
#[derive(Clone)]
struct Deepest {
    stage: Stage,
    end: i64,
    settle_by: i64,
    campaign: Pubkey,
    job: Pubkey,
    /// The demands about the tokens, if there are any, then those about the trace.
    chains: Vec<Chain>,
}

impl Deepest {
    fn of(graph: &[u8], questions: u8) -> Self {
        let mut stage = Stage::new();
        let (creator, client) = (stage.cast.creator, stage.cast.client);
        let (authority, provider, usd) = (stage.cast.authority, stage.cast.provider, stage.usd);
        // Nobody could pay for the work of such a job at the usual rates.
        let rates = rates_with(|rates| {
            (rates.price_per_gwork_atoms, rates.bond_per_gwork_atoms) = (0, 0);
        });
        let settings = MintSettings {
            rates,
            enabled: true,
        };
        stage.ok(ix::update_mint(&authority, &usd, settings));
        for instruction in ix::register_whole_model(&creator, model_args(77, 0), graph) {
            stage.ok(instruction);
        }
        let parsed = Graph::parse(graph).unwrap();
        let tokens = parsed.tokens().map(Operand::Input);
        let operands = tokens.into_iter().chain([Operand::Op(0)]);
        let chains = operands.map(|operand| Chain::to_leaf_of(&parsed, DEEPEST_ITEMS, operand));
        let chains: Vec<Chain> = chains.collect();
        let asked: usize = chains.iter().map(|chain| chain.demands.len()).sum();
        assert_eq!(asked, usize::from(questions));

        let mut job = stage.refereed();
        let mut args = stage.campaign_args();
        let longest_secs = i64::from(job.review_secs) + i64::from(questions) * (RESPONSE + REACT);
        args.settle_by = args.end + longest_secs;
        let campaign = stage.sponsor(args);
        stage.join(&campaign, &provider);
        stage.set_time(args.end - 3_600);
        (job.campaign, job.items) = (campaign, DEEPEST_ITEMS);
        let inputs = 0..parsed.input_count() as u16;
        let root = |input| match parsed.tokens() == Some(input) {
            true => MISSING,
            false => [3; 32],
        };
        job.input_roots = inputs.map(root).collect();
        let purse: Purse = stage.get(&addresses::purse(&client, &usd));
        let model = addresses::model(&creator, 77);
        let create = stage.create_ix_of(&client, &usd, Some(&model), job);
        stage.ok(create);
        let job = addresses::job(&client, &usd, purse.opened.get());
        stage.take(&job);
        Self {
            stage,
            end: args.end,
            settle_by: args.settle_by,
            campaign,
            job,
            chains,
        }
    }

    /// A rival begins to ask then, and asks everything else in the last second in which it may; the provider answers in the last
    /// one in which it may. Returns the last second in which nobody may pay yet.
    fn demand_all(&mut self, mut open_until: i64) -> i64 {
        let (rival, stage) = (self.stage.cast.prover, &mut self.stage);
        let provider = stage.cast.provider;
        for chain in &self.chains {
            let mut parent = None;
            for (node_id, answer) in &chain.demands {
                let ask = ix::demand(&rival, &stage.job(&self.job), node_id, parent);
                stage.set_time(open_until);
                stage.ok(ask);
                let demand = stage.demand_of(&self.job, node_id);
                let due = stage.get::<Demand>(&demand).due.get();
                stage.set_time(due);
                stage.ok(ix::reveal(&provider, &self.job, &demand, answer));
                (parent, open_until) = (Some(demand), due + REACT);
            }
        }
        open_until
    }
}

/// As many demands as any graph allows, without and with tokens: the score is the same as without a demand, and the room that a
/// campaign has to leave suffices to the second.
#[test]
fn demands_move_no_score() {
    for (graph, questions) in [
        (largest(), MAX_QUESTIONS),
        (largest_text(), MAX_TOKEN_QUESTIONS),
    ] {
        let taken = Deepest::of(&graph, questions);
        for begins in [None, Some(-1), Some(0)] {
            let mut play = taken.clone();
            let (end, job) = (play.end, play.job);
            play.stage.set_time(end - 1);
            let tokens_root = match &play.chains[..] {
                [tokens, _] => tokens.root,
                _ => MISSING,
            };
            let trace_root = play.chains[play.chains.len() - 1].root;
            play.stage.submit_roots(&job, trace_root, tokens_root);
            let state = play.stage.job(&job);
            let review_end = state.deadline.get();
            let settles_after = match begins {
                Some(after) => play.demand_all(review_end + after),
                None => review_end,
            };
            if begins == Some(0) {
                assert_eq!(settles_after + 1, play.settle_by);
            }
            let finalize =
                |stage: &Stage| ix::finalize(&state.provider, &stage.job(&job), &stage.emission());
            let stage = &mut play.stage;
            stage.set_time(settles_after);
            stage.refused(finalize(stage), QuernError::TooEarly);
            stage.set_time(settles_after + 1);
            let outcome = stage.ok(finalize(stage));
            let QuernEvent::MilestoneSettled(event) = outcome.event() else {
                panic!("{outcome:?}")
            };
            assert_eq!(event.submitted_at, end - 1);
            assert_eq!((event.fee_atoms, event.score), (250, SCORE));
            assert_eq!(scores(stage, &play.campaign), (SCORE, SCORE));
        }
    }
}

/// Two campaigns of one sponsor and one of another: each milestone scores where its job says, and each pot is one reservation.
#[test]
fn two_campaigns_and_one_milestone() {
    let mut stage = Stage::new();
    let args = stage.campaign_args();
    let (client, provider, usd) = (stage.cast.client, stage.cast.provider, stage.usd);
    let first = stage.sponsor(args);
    let second = stage.sponsor(args);
    let purse: Purse = stage.get(&addresses::purse(&client, &usd));
    let n = purse.opened.get();
    stage.ok(ix::create_campaign(&client, &usd, n, args));
    let other = addresses::campaign(&client, &usd, n);
    let all = [first, second, other];
    for campaign in all {
        stage.join(&campaign, &provider);
    }
    stage.set_time(args.start);
    let mut expected = [0; 3];
    for (at, campaign) in all.iter().enumerate() {
        for _ in 0..=at {
            let job = refereed_of(&stage, campaign);
            let job = stage.job_in(JobState::Submitted, job);
            stage.at_deadline(&job, 1);
            stage.finalize(&job);
            expected[at] += SCORE;
            let found = all.map(|campaign| scores(&stage, &campaign).0);
            assert_eq!(found, expected);
        }
    }
    // One is claimed and swept; the reservations of the others stay.
    after_settling(&mut stage, &first);
    let claim = stage.claim_ix(&first, &provider);
    stage.ok(claim);
    stage.set_time(args.claim_by);
    let claim = stage.claim_ix(&other, &provider);
    stage.ok(claim);
    stage.set_time(args.claim_by + 1);
    let sweep = ix::sweep_campaign(&stage.get(&first));
    stage.ok(sweep);
    let sponsor = stage.cast.second;
    assert_eq!(stage.usd_of(&sponsor).1, 1_000);
    assert_eq!(stage.usd_of(&client).1, 1_000 - 3 * SCORE);
    for campaign in [second, other] {
        let sweep = ix::sweep_campaign(&stage.get(&campaign));
        stage.ok(sweep);
    }
    assert_eq!((stage.usd_of(&sponsor).1, stage.usd_of(&client).1), (0, 0));
}

#[test]
fn takes_before_and_after_the_end() {
    let (mut stage, args, campaign) = joined();
    let second = stage.cast.second;
    stage.set_time(args.end - 2);
    let job = refereed_of(&stage, &campaign);
    let job = stage.create(job);
    let take = ix::take_job(&second, &second, &stage.job(&job));
    stage.set_time(args.end - 1);
    stage.refused(take.clone(), QuernError::EntryMissing);
    // From the end on nothing scores, so nobody needs an entry, and nobody can get one.
    stage.set_time(args.end);
    stage.ok(take);
    stage.submit(&job);
    stage.at_deadline(&job, 1);
    stage.finalize(&job);
    assert_eq!(scores(&stage, &campaign), (0, 0));
}

#[test]
fn a_silent_arbiter_scores_nothing() {
    let (mut stage, args, campaign) = joined();
    stage.set_time(args.start);
    let job = reviewed_of(&stage, &campaign);
    let job = stage.job_in(JobState::Rejected, job);
    stage.at_deadline(&job, 1);
    stage.expire(&job);
    assert_eq!(scores(&stage, &campaign), (0, 0));
}

/// In the reward mint, too: a job that names a campaign accrues nothing else, so nobody collects two incentives for one fee.
#[test]
fn no_identities_get_their_fees_back_whatever_the_mints() {
    for pays_rewards in [false, true] {
        for weight_bps in [1, 5_000, 9_999] {
            let mut stage = Stage::new();
            if pays_rewards {
                stage.usd = stage.gold;
            }
            let (client, provider) = (stage.cast.client, stage.cast.provider);
            let (creator, sponsor) = (stage.cast.creator, stage.cast.second);
            let ring = [client, provider, creator];
            let sum = |stage: &Stage| -> u64 {
                let all = ring.iter().flat_map(|owner| {
                    let (usd, gold) = (stage.usd_of(owner), stage.gold_of(owner));
                    // In one mint both are the same purse.
                    let gold = if pays_rewards { (0, 0) } else { gold };
                    [usd.0, usd.1, gold.0, gold.1]
                });
                all.sum()
            };
            let before = sum(&stage);
            let campaign = scored(&mut stage, |args| {
                (args.refereed_bps, args.reviewed_bps) = (weight_bps, weight_bps);
            });
            assert!(stage.provider_of(&provider).rewards_accrued_atoms.is_zero());
            after_settling(&mut stage, &campaign);
            let claim = stage.claim_ix(&campaign, &provider);
            stage.ok(claim);
            let lost = before - sum(&stage);
            let back = 250 * u64::from(weight_bps) / 10_000;
            assert_eq!(lost, 250 - back, "weight {weight_bps}, {pays_rewards}");
            assert!(lost > 0);
            assert_eq!(stage.usd_of(&sponsor).1, 1_000 - back);
        }
    }
}
