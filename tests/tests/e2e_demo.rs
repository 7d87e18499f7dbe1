//! The demo, smaller: every promise that its summary makes.

#![allow(clippy::unwrap_used, clippy::panic)]

use quern_tests::demo::{Ledger, Names, Plan, audit, play};

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_keeps_its_promises() {
    let plan = Plan {
        jobs: 6,
        images_per_job: 20,
    };
    let (cast, summary) = play(plan, Names::new(false)).await.unwrap();
    assert_eq!(summary.audit_differences, Vec::<String>::new());
    assert_eq!(summary.audit, "equal");
    assert!(summary.audit_compared > 100, "{}", summary.audit_compared);
    // Six refereed ones and the training; two cheap ones and the hasty one end otherwise.
    assert_eq!(summary.jobs_created, 10);
    assert_eq!(summary.jobs_settled, 7);
    assert_eq!(summary.milestones_settled, 9);
    assert_eq!(
        (
            summary.jobs_cancelled,
            summary.jobs_expired,
            summary.jobs_resolved,
            summary.jobs_reopened
        ),
        (1, 1, 1, 1)
    );
    assert_eq!(summary.images, 120);
    assert!(summary.accuracy >= 0.95, "{}", summary.accuracy);
    assert!(
        summary.training_accuracy > 0.7,
        "{}",
        summary.training_accuracy
    );
    let atoms = |text: &str| text.parse::<u128>().unwrap();
    for amount in [
        &summary.earnings_atoms,
        &summary.royalties_atoms,
        &summary.fees_atoms,
        &summary.arbiters_atoms,
        &summary.refunds_atoms,
        &summary.penalties_atoms,
        &summary.rewards_atoms,
        &summary.withdrawn_atoms,
    ] {
        assert!(atoms(amount) > 0, "{summary:?}");
    }
    assert_eq!(summary.rewards_atoms, summary.rewards_claimed_atoms);
    let [alder, birch] = summary.providers.as_slice() else {
        panic!("{summary:?}")
    };
    assert_eq!((alder.late, birch.late), (1, 0));
    assert_eq!(
        (alder.accepted.milestones, birch.accepted.milestones),
        (1, 2)
    );
    assert_eq!(alder.refereed.milestones + birch.refereed.milestones, 6);
    // What is shown to a person has a line for every provider and level.
    let tables = summary.tables().unwrap();
    assert!(
        tables.contains("alder") && tables.contains("birch") && tables.contains("refereed"),
        "{tables}"
    );
    serde_json::to_string(&summary).unwrap();

    // The audit is worth something: one atom more or less anywhere is found.
    let ledger = Ledger::of(&cast.stage).unwrap();
    let differences = async |ledger: &Ledger| {
        let report = audit(&cast.stage, ledger, &cast.indexer.url())
            .await
            .unwrap();
        report.differences
    };
    assert_eq!(differences(&ledger).await, Vec::<String>::new());
    let mut wrong = ledger.clone();
    wrong.purses.values_mut().next().unwrap().free_atoms += 1;
    assert_eq!(differences(&wrong).await.len(), 2);
    let mut wrong = ledger.clone();
    *wrong.wallets.values_mut().next().unwrap() -= 1;
    assert_eq!(differences(&wrong).await.len(), 1);
    let mut wrong = ledger.clone();
    wrong.scores.values_mut().next().unwrap().earned_atoms += 1;
    assert_eq!(differences(&wrong).await.len(), 1);
    let mut wrong = ledger;
    *wrong.vaults.values_mut().next().unwrap() += 1;
    assert_eq!(differences(&wrong).await.len(), 1);
    cast.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn more_images_than_there_are_get_a_sentence() {
    let Err(error) = play(
        Plan {
            jobs: 30,
            images_per_job: 40,
        },
        Names::new(true),
    )
    .await
    else {
        panic!("it ran")
    };
    assert!(error.to_string().contains("held-out images"), "{error:#}");
}
