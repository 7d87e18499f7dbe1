//! Claims without a command: what is due and worth its fee, when there is nothing else to do.

use super::{
    campaigns::{campaign, entry},
    *,
};

/// When the campaigns of this file settle: [`campaign`] gives them 100,000 seconds after their end.
const SETTLE_BY: i64 = 110_000;

fn address(number: u8) -> Pubkey {
    Pubkey::new_from_array([number; 32])
}

/// A world without a job, just after the campaigns of this file have settled.
fn settled() -> Arc<World> {
    let world = World::new(1);
    *world.job.lock().unwrap() = None;
    *world.now.lock().unwrap() = SETTLE_BY + 1;
    world
}

/// Adds a campaign and the provider's entry in it.
fn add(world: &World, number: u8, payer: Pubkey, score: u64, of: Option<Campaign>) {
    let mut entry = entry(address(number), payer);
    entry.score = score.into();
    world.entries.lock().unwrap().push(entry);
    if let Some(campaign) = of {
        let mut campaigns = world.campaigns.lock().unwrap();
        campaigns.insert(address(number), campaign);
    }
}

/// With 100 scored in all.
fn ended() -> Campaign {
    let mut campaign = campaign(10_000);
    campaign.total_score = 100u64.into();
    campaign
}

/// What an agent with this wish leaves unclaimed after one look.
async fn left(world: &Arc<World>, claims: bool) -> Vec<Pubkey> {
    let (agent, _) = start(world, PLENTY);
    let agent = changed(agent, |context| context.settings.policy.claims = claims);
    agent.pass().await.unwrap();
    let entries = world.entries.lock().unwrap();
    entries.iter().map(|entry| entry.campaign).collect()
}

#[tokio::test]
async fn claims_what_is_due_and_worth_its_fee() {
    let world = settled();
    let mut running = ended();
    running.settle_by = (SETTLE_BY + 1).into();
    let mut over = ended();
    over.claim_by = SETTLE_BY.into();
    let mut poor = ended();
    // A pot of 1 among a score of 100: less than an atom for each.
    poor.pot_atoms = 1u64.into();
    for (number, payer, score, campaign) in [
        // Whoever paid the rent.
        (1, OWNER, 10, Some(ended())),
        (2, CLIENT, 10, Some(ended())),
        // Nothing but the rent, to this wallet and to a stranger.
        (3, OWNER, 0, Some(ended())),
        (4, CLIENT, 0, Some(ended())),
        (5, OWNER, 10, None),
        (6, CLIENT, 10, None),
        (7, OWNER, 10, Some(poor)),
        (8, CLIENT, 10, Some(poor)),
        // Too early, and too late until the sweep.
        (9, OWNER, 10, Some(running)),
        (10, OWNER, 10, Some(over)),
    ] {
        add(&world, number, payer, score, campaign);
    }
    let all: Vec<Pubkey> = (1..=10).map(address).collect();
    assert_eq!(left(&world, false).await, all, "it only says so");
    assert_eq!(left(&world, true).await, [4, 6, 8, 9, 10].map(address));
    assert_eq!(world.counts.claims.load(Ordering::SeqCst), 5);
    // A second later the one that ran is due.
    *world.now.lock().unwrap() += 1;
    assert_eq!(left(&world, true).await, [4, 6, 8, 10].map(address));
}

/// One look claims a few, and the next one comes later, whatever is left.
#[tokio::test]
async fn a_look_is_bounded_and_seldom() {
    let world = settled();
    for number in 1..=20 {
        add(&world, number, CLIENT, 5, Some(ended()));
    }
    let (agent, _) = start(&world, PLENTY);
    for _ in 0..3 {
        agent.pass().await.unwrap();
        assert_eq!(world.entries.lock().unwrap().len(), 4);
    }
    drop(agent);
    assert_eq!(left(&world, true).await, Vec::new());
}

/// Jobs come first, and a wallet that has only what answers need keeps it.
#[tokio::test]
async fn claims_only_when_there_is_nothing_else_to_do() {
    let world = World::new(1);
    *world.now.lock().unwrap() = SETTLE_BY + 1;
    let mut job = world.job().unwrap();
    job.deadline = (SETTLE_BY + 1_000).into();
    *world.job.lock().unwrap() = Some(job);
    add(&world, 1, OWNER, 5, Some(ended()));
    assert_eq!(left(&world, true).await, vec![address(1)]);
    assert_eq!(world.counts.takes.load(Ordering::SeqCst), 1);
    *world.job.lock().unwrap() = None;
    world.lamports.store(LEAST_LAMPORTS - 1, Ordering::SeqCst);
    assert_eq!(left(&world, true).await, vec![address(1)]);
    world.lamports.store(LEAST_LAMPORTS, Ordering::SeqCst);
    assert_eq!(left(&world, true).await, Vec::new());
}

/// Killed at every step, it claims each entry once in the end; a claim that fails ends nothing.
#[tokio::test]
async fn a_kill_at_any_step_loses_no_claim() {
    for steps in 0..6 {
        let world = settled();
        for number in [1, 2] {
            add(&world, number, CLIENT, 5, Some(ended()));
        }
        let (agent, fuse) = start(&world, steps);
        drop(agent.pass().await);
        drop(agent);
        let claimed = world.counts.claims.load(Ordering::SeqCst);
        assert!(fuse.is_blown() || claimed == 2, "{steps}");
        assert_eq!(left(&world, true).await, Vec::new(), "{steps}");
        assert_eq!(world.counts.claims.load(Ordering::SeqCst), 2);
    }
}
