//! Which jobs are taken.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
fn policy_names_the_first_reason() {
    let world = World::new(1);
    let job = world.job().unwrap();
    let moment = Moment {
        now: 100,
        slot: 1,
        last_restart_slot: 0,
    };
    let policy = Policy::default();
    let decide = |policy: &Policy, job: &Job, purse: Option<&Purse>, signer: &Pubkey| {
        let capacity = Capacity {
            provider: &world.provider,
            signer,
            purse,
            has_worker: true,
            moment: &moment,
        };
        policy.decide(job, &capacity)
    };
    let usual = |policy: &Policy, job: &Job| decide(policy, job, Some(&world.purse), &OWNER);
    assert_eq!(usual(&policy, &job), Ok(Assurance::Refereed));

    type Change = fn(&mut Job);
    let changed: Vec<(Change, Refusal)> = vec![
        (|job| job.state = JobState::Taken as u8, Refusal::NotOpen),
        (|job| job.deadline = 99i64.into(), Refusal::TooLate),
        (|job| job.client = OWNER, Refusal::OwnJob),
        (|job| job.pinned_provider = CLIENT, Refusal::PinnedToOther),
        (|job| job.assurance = 0, Refusal::Assurance),
        (
            |job| job.assurance = Assurance::Reviewed as u8,
            Refusal::Assurance,
        ),
        (
            |job| job.terms.response_secs = (6 * 3_600u32 - 1).into(),
            Refusal::TooHasty,
        ),
        (
            |job| job.terms.react_secs = 3_599u32.into(),
            Refusal::TooHasty,
        ),
        (|job| job.work_secs = 599u32.into(), Refusal::TooHasty),
        // Whatever machine does it: 10^12 units of work take more than ten minutes' share.
        (
            |job| {
                job.work = 1_000_000_000_000u64.into();
                job.work_secs = 249u32.into();
            },
            Refusal::TooHasty,
        ),
        (|job| job.arbiter = CLIENT, Refusal::Arbiter),
        (|job| job.price_atoms = 0u64.into(), Refusal::Price),
        (|job| job.work = u64::MAX.into(), Refusal::Work),
        (|job| job.bond_atoms = 201u64.into(), Refusal::Bond),
        (
            |job| {
                job.price_atoms = 100u64.into();
                job.bond_atoms = 1_001u64.into();
            },
            Refusal::Funds,
        ),
        (|job| job.review_secs = u32::MAX.into(), Refusal::LongReview),
    ];
    for (change, refusal) in changed {
        let mut job = job;
        change(&mut job);
        assert_eq!(usual(&policy, &job), Err(refusal));
    }
    // The very last second to take, and a restart that moves it.
    let mut last = job;
    last.deadline = 100i64.into();
    assert!(usual(&policy, &last).is_ok());

    let mut pinned = job;
    pinned.pinned_provider = OWNER;
    assert!(usual(&policy, &pinned).is_ok());
    let with = |change: fn(&mut Policy)| {
        let mut policy = Policy::default();
        change(&mut policy);
        usual(&policy, &job)
    };
    assert_eq!(
        with(|policy| policy.refereed = false),
        Err(Refusal::Assurance)
    );
    assert_eq!(
        with(|policy| policy.models = [CLIENT].into()),
        Err(Refusal::Model)
    );
    assert!(with(|policy| policy.models = [MODEL].into()).is_ok());
    assert_eq!(
        with(|policy| policy.mints = [CLIENT].into()),
        Err(Refusal::Mint)
    );
    assert_eq!(
        with(|policy| policy.min_price_atoms = 11),
        Err(Refusal::Price)
    );
    assert_eq!(
        with(|policy| policy.max_bond_atoms = 19),
        Err(Refusal::Bond)
    );
    assert_eq!(
        with(|policy| policy.max_bond_prices = 1),
        Err(Refusal::Bond)
    );
    let mut priced = job;
    priced.work = 1_000_000_000u64.into();
    let policy = Policy {
        min_price_per_gwork_atoms: 11,
        ..Policy::default()
    };
    assert_eq!(usual(&policy, &priced), Err(Refusal::Price));

    let policy = Policy::default();
    assert_eq!(decide(&policy, &job, None, &OWNER), Err(Refusal::NoPurse));
    let operator = Pubkey::new_from_array([9; 32]);
    assert_eq!(
        decide(&policy, &job, Some(&world.purse), &operator),
        Err(Refusal::OperatorLimit)
    );
    let mut purse = world.purse;
    purse.operator_limit_atoms = 20u64.into();
    assert!(decide(&policy, &job, Some(&purse), &operator).is_ok());
    let mut accepted = job;
    accepted.assurance = Assurance::Reviewed as u8;
    accepted.arbiter = CLIENT;
    let policy = Policy {
        reviewed: true,
        arbiters: [CLIENT].into(),
        ..Policy::default()
    };
    assert_eq!(usual(&policy, &accepted), Ok(Assurance::Reviewed));
}

#[tokio::test]
async fn takes_nothing_without_lamports_and_answers_with_the_last() {
    let world = World::new(1);
    world.lamports.store(LEAST_LAMPORTS - 1, Ordering::SeqCst);
    let (agent, _) = start(&world, PLENTY);
    agent.pass().await.unwrap();
    assert_eq!(world.counts.takes.load(Ordering::SeqCst), 0);
    assert!(agent.context.said_poor.lock().unwrap().is_some());
    // Once there are enough, at once.
    world.lamports.store(LEAST_LAMPORTS, Ordering::SeqCst);
    assert!(work_until_submitted(&world, &agent).await);
    world.lamports.store(1, Ordering::SeqCst);
    world.ask(&world.demands()[0], 60);
    agent.pass().await.unwrap();
    assert_eq!(world.unanswered(), 0);
}

#[tokio::test]
async fn takes_nothing_that_it_could_not_answer_for_in_memory() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    let needed = world.sizes().memory_bytes();
    let agent = changed(agent, |context| with_memory(context, 2 * needed - 2_048));
    agent.pass().await.unwrap();
    assert_eq!(world.counts.takes.load(Ordering::SeqCst), 0);
    let enough = 2 * needed.next_multiple_of(1_024);
    // A process has the same memory as long as it lives.
    let agent = changed(agent, |context| {
        with_memory(context, enough);
        context.known = Mutex::default();
    });
    assert!(work_until_submitted(&world, &agent).await);
}

/// A line in the log once a reason, with what would change it: only what the owner has chosen has options.
#[test]
fn a_reason_that_the_owner_chose_names_its_options() {
    let all = Refusal::ALL.iter().copied();
    let (chosen, others): (Vec<_>, Vec<_>) = all.partition(|refusal| refusal.options().is_some());
    for refusal in chosen {
        let options = refusal.options().unwrap();
        assert!(options.contains("--"), "{refusal:?}: {options}");
        assert!(!refusal.is_owners_task(), "{refusal:?}");
    }
    let no_choice = [
        Refusal::NotOpen,
        Refusal::TooLate,
        Refusal::OwnJob,
        Refusal::PinnedToOther,
        Refusal::Busy,
        Refusal::WorthlessCampaign,
        Refusal::Inactive,
        Refusal::NoPurse,
        Refusal::Funds,
        Refusal::OperatorLimit,
    ];
    assert_eq!(others, no_choice);
}
