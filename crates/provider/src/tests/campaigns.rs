//! Campaigns that jobs name: joined with the take, as many as the owner allows, and counted where offers are compared.

use super::*;

/// The campaign that the world's job names.
const CAMPAIGN: Pubkey = Pubkey::new_from_array([60; 32]);

/// One that is open until a second, in the world's mint.
pub fn campaign(end: i64) -> Campaign {
    let mut campaign = Campaign::zeroed();
    campaign.mint = MINT;
    campaign.kinds = 0b111;
    campaign.pot_atoms = 1_000u64.into();
    campaign.end = end.into();
    campaign.settle_by = (end + 100_000).into();
    campaign.claim_by = (end + 200_000).into();
    campaign.refereed_bps = 9_000.into();
    campaign
}

pub fn entry(campaign: Pubkey, payer: Pubkey) -> Entry {
    let mut entry = Entry::zeroed();
    (entry.campaign, entry.provider, entry.payer) = (campaign, OWNER, payer);
    entry
}

/// A world whose job names a campaign that is open until a second, and scores 4 there: 90 % of a fee of 5.
pub fn named(end: i64) -> Arc<World> {
    let world = World::new(1);
    if let Some(job) = world.job.lock().unwrap().as_mut() {
        job.campaign = CAMPAIGN;
        job.terms.fee_bps = 5_000.into();
    }
    let mut campaigns = world.campaigns.lock().unwrap();
    campaigns.insert(CAMPAIGN, campaign(end));
    drop(campaigns);
    world
}

/// What an agent that may join so many campaigns takes and has then joined.
async fn taken(world: &Arc<World>, most: usize) -> (u32, Vec<Pubkey>) {
    let (agent, _) = start(world, PLENTY);
    let agent = changed(agent, |context| {
        context.settings.policy.max_campaigns = most;
    });
    agent.pass().await.unwrap();
    let entries = world.entries.lock().unwrap();
    let joined = entries.iter().map(|entry| entry.campaign).collect();
    (world.counts.takes.load(Ordering::SeqCst), joined)
}

#[tokio::test]
async fn joins_with_the_take_and_only_once() {
    let world = named(10_000);
    assert_eq!(taken(&world, 1).await, (1, vec![CAMPAIGN]));
    // The job opens again; the world refuses a second join.
    if let Some(job) = world.job.lock().unwrap().as_mut() {
        job.state = JobState::Open as u8;
        job.provider = Pubkey::default();
        job.deadline = 1_100i64.into();
    }
    assert_eq!(taken(&world, 1).await, (2, vec![CAMPAIGN]));
}

/// A limit of nothing, one that is used up, and what does not count against it.
#[tokio::test]
async fn joins_no_more_than_the_owner_allows() {
    let other = Pubkey::new_from_array([61; 32]);
    let with_other = || {
        let world = named(10_000);
        let mut campaigns = world.campaigns.lock().unwrap();
        campaigns.insert(other, campaign(10_000));
        drop(campaigns);
        world
    };
    let world = with_other();
    assert_eq!(taken(&world, 0).await, (0, Vec::new()));
    world.entries.lock().unwrap().push(entry(other, OWNER));
    assert_eq!(taken(&world, 1).await, (0, vec![other]));
    assert_eq!(taken(&world, 2).await, (1, vec![other, CAMPAIGN]));

    // What somebody else paid for locks nothing of this wallet.
    let world = with_other();
    world.entries.lock().unwrap().push(entry(other, CLIENT));
    assert_eq!(taken(&world, 1).await, (1, vec![other, CAMPAIGN]));

    // Who has joined needs no room.
    let world = named(10_000);
    world.entries.lock().unwrap().push(entry(CAMPAIGN, CLIENT));
    assert_eq!(taken(&world, 0).await, (1, vec![CAMPAIGN]));
}

/// From the campaign's end on, and where it was swept, a job is taken as any other; just before, when its result would come too
/// late, it is left alone.
#[tokio::test]
async fn joins_nothing_that_is_over() {
    let now = World::new(1).now();
    for (end, took, joined) in [
        (now + 1_000, 1, vec![CAMPAIGN]),
        (now + 1, 0, vec![]),
        (now, 1, vec![]),
    ] {
        let world = named(end);
        assert_eq!(taken(&world, 1).await, (took, joined), "{end}");
    }
    let world = named(10_000);
    world.campaigns.lock().unwrap().clear();
    assert_eq!(taken(&world, 0).await, (1, Vec::new()));
}

/// The pot has to hold the job's score, and the rent to come back before long; who has joined already locks nothing more.
#[tokio::test]
async fn joins_nothing_that_is_not_worth_its_rent() {
    type Change = fn(&mut Campaign, i64);
    const SOON: i64 = 90 * 86_400;
    let changes: [(&str, bool, Change); 9] = [
        ("a pot of the score", true, |campaign, _| {
            campaign.pot_atoms = 4u64.into()
        }),
        ("a pot below the score", false, |campaign, _| {
            campaign.pot_atoms = 3u64.into()
        }),
        ("a pot of one atom", false, |campaign, _| {
            campaign.pot_atoms = 1u64.into()
        }),
        ("room for one score", true, |campaign, _| {
            campaign.total_score = 996u64.into()
        }),
        ("room for less", false, |campaign, _| {
            campaign.total_score = 997u64.into()
        }),
        ("no weight", false, |campaign, _| {
            campaign.refereed_bps = 0.into()
        }),
        ("not begun", false, |campaign, _| {
            campaign.start = 9_000.into()
        }),
        ("settles in time", true, |campaign, now| {
            campaign.settle_by = (now + SOON).into()
        }),
        ("settles too late", false, |campaign, now| {
            campaign.settle_by = (now + SOON + 1).into()
        }),
    ];
    for (what, is_worth, change) in changes {
        let world = named(10_000);
        let now = world.now();
        change(
            world.campaigns.lock().unwrap().get_mut(&CAMPAIGN).unwrap(),
            now,
        );
        let joined = if is_worth { vec![CAMPAIGN] } else { vec![] };
        assert_eq!(taken(&world, 1).await, (is_worth.into(), joined), "{what}");
        if !is_worth {
            world.entries.lock().unwrap().push(entry(CAMPAIGN, OWNER));
            assert_eq!(taken(&world, 0).await, (1, vec![CAMPAIGN]), "{what}");
        }
    }
}

#[tokio::test]
async fn a_job_is_worth_its_reward_or_its_score() {
    let world = named(10_000);
    let (agent, _) = start(&world, PLENTY);
    let mut job = world.job().unwrap();
    job.price_atoms = 10_000u64.into();
    job.terms.fee_bps = 250.into();
    let worth = async |job: &Job, at: i64| {
        let campaigns = agent.context.campaign_of(job).await.unwrap();
        let worth = campaigns.worth(job, at);
        (worth.reward_atoms, worth.score_atoms)
    };
    // 90 % of a fee of 250, as long as the result comes before the end.
    assert_eq!(worth(&job, 9_999).await, (0, 225));
    assert_eq!(worth(&job, 10_000).await, (0, 0));
    // Its share of the pot, where others have scored.
    let total = |atoms: u64| {
        let mut campaigns = world.campaigns.lock().unwrap();
        campaigns.get_mut(&CAMPAIGN).unwrap().total_score = atoms.into();
    };
    total(2_025);
    assert_eq!(worth(&job, 100).await, (0, 100));
    total(u64::MAX);
    assert_eq!(worth(&job, 100).await, (0, 0));
    // Without a campaign it accrues its reward, in atoms of another mint.
    job.campaign = Pubkey::default();
    job.reward_rate_e9 = 2_000_000_000u64.into();
    job.reward_weight_bps = 5_000u16.into();
    assert_eq!(worth(&job, 100).await, (250, 0));
}

/// Offers are compared by price and score together.
#[tokio::test]
async fn a_score_counts_where_offers_are_compared() {
    let world = named(10_000);
    let (agent, _) = start(&world, PLENTY);
    let mut poorer = world.job().unwrap();
    poorer.terms.fee_bps = 1_000.into();
    poorer.price_atoms = 100u64.into();
    let mut richer = poorer;
    // Together 109: nine atoms of the fee of ten come back.
    (richer.price_atoms, richer.campaign) = (105u64.into(), Pubkey::default());
    let campaigns = agent.context.campaigns_of([&poorer, &richer].into_iter());
    let campaigns = campaigns.await.unwrap();
    let all = |job: &Job| job.price_atoms.get() + campaigns.worth(job, 200).score_atoms;
    assert_eq!((all(&poorer), all(&richer)), (109, 105));
    // Until something unknown is named, nothing is read again.
    world.campaigns.lock().unwrap().clear();
    let again = agent.context.campaigns_of([&poorer].into_iter());
    assert!(Arc::ptr_eq(&again.await.unwrap(), &campaigns));
}
