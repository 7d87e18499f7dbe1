//! The demo, smaller: every promise that its summary makes.

#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_demo::{CheatKind, Plan, Summary, audit, play},
    quern_testkit::net::{Ledger, Names},
};

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn the_demo_keeps_its_promises() {
    let plan = Plan {
        jobs: 6,
        images_per_job: 20,
        encoder: None,
        quern: env!("CARGO_BIN_EXE_quern-demo").into(),
    };
    let (cast, summary) = play(plan, Names::new(false)).await.unwrap();
    assert_eq!(summary.audit_differences, Vec::<String>::new());
    assert_eq!(summary.audit, "equal");
    assert!(summary.audit_compared > 100, "{}", summary.audit_compared);
    // Nine refereed ones, the training and the wash; two cheap ones, the hasty one and six cheats end otherwise.
    assert_eq!(summary.jobs_created, 20);
    assert_eq!(summary.jobs_settled, 11);
    assert_eq!(summary.milestones_settled, 13);
    assert_eq!(summary.honest_paid, 9);
    assert_eq!(
        (summary.embedded.items, summary.embedded.recomputed),
        (8, 4)
    );
    the_cheats_are_caught(&summary);
    the_campaign_refunds_fees(&summary);
    the_application_got_what_was_checked(&summary);
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
    let [alder, birch, hemlock] = summary.providers.as_slice() else {
        panic!("{summary:?}")
    };
    assert_eq!((alder.late, birch.late), (1, 0));
    assert_eq!((alder.convicted, birch.convicted), (0, 0));
    assert_eq!((hemlock.taken, hemlock.convicted), (6, 6));
    assert_eq!(hemlock.refereed.milestones, 0);
    assert_eq!(
        (alder.reviewed.milestones, birch.reviewed.milestones),
        (1, 2)
    );
    assert_eq!(alder.refereed.milestones + birch.refereed.milestones, 9);
    // What is shown to a person has a line for every provider and level.
    let tables = summary.tables();
    assert!(
        tables.contains("alder") && tables.contains("birch") && tables.contains("refereed"),
        "{tables}"
    );
    assert!(
        tables.contains("hemlock: earned 0.000000 qUSD, convicted 6 times"),
        "{tables}"
    );
    // It fits the usual terminals.
    let widest = tables.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(110), "{widest:?}: {tables}");
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["cheats"][0]["kind"], "product_cell");
    assert_eq!(json["cheats"][4]["reason"], "a demand without answer");

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
    let mut wrong = ledger.clone();
    wrong.slashes.values_mut().next().unwrap().reason = 2;
    assert_eq!(differences(&wrong).await.len(), 1);
    let mut wrong = ledger.clone();
    wrong.demands.values_mut().next().unwrap().closed = false;
    assert_eq!(differences(&wrong).await.len(), 2);
    let mut wrong = ledger;
    *wrong.vaults.values_mut().next().unwrap() += 1;
    assert_eq!(differences(&wrong).await.len(), 1);
    cast.stop().await.unwrap();
}

/// One wrong value is convicted by one transaction with the evidence in it, silence by the clock. The parts of the bond are
/// those of the design: 40 % to whoever proved it, 20 % to the client, 40 % to the treasury.
fn the_cheats_are_caught(summary: &Summary) {
    let kinds: Vec<_> = summary.cheats.iter().map(|cheat| cheat.kind).collect();
    let all = [
        CheatKind::ProductCell,
        CheatKind::TurnedLabel,
        CheatKind::SoftmaxCell,
        CheatKind::NormCell,
        CheatKind::Unanswered,
    ];
    assert_eq!(kinds, all);
    assert_eq!(summary.jobs_convicted, 6);
    for cheat in &summary.cheats {
        assert!(cheat.caught, "{cheat:?}");
        let atoms = |text: &str| text.parse::<u64>().unwrap();
        let bond = atoms(&cheat.bond_atoms);
        assert_eq!(bond, 2 * atoms(&cheat.refunded_atoms), "{cheat:?}");
        let (prover, client) = (bond * 2 / 5, bond / 5);
        assert_eq!(atoms(&cheat.prover_atoms), prover, "{cheat:?}");
        assert_eq!(atoms(&cheat.client_atoms), client, "{cheat:?}");
        assert_eq!(atoms(&cheat.treasury_atoms), bond - prover - client);
        // Signatures are all that it costs: rent and fees of what was not answered come back.
        assert_eq!(cheat.lamports, 5_000 * cheat.transactions, "{cheat:?}");
        assert!(cheat.seconds > 0.0, "{cheat:?}");
    }
    let [product, label, softmax, norm, silence] = summary.cheats.as_slice() else {
        panic!("{summary:?}")
    };
    for cheat in [product, label, softmax, norm] {
        assert_eq!((cheat.route, cheat.transaction_version), ("inline", "1"));
        assert_eq!(cheat.reason, "a wrong value");
        assert!((600..=4_096).contains(&cheat.evidence_bytes), "{cheat:?}");
        // The conviction, and the one that splits the bond.
        assert_eq!((cheat.demands, cheat.transactions), (0, 2), "{cheat:?}");
    }
    assert_eq!(product.evidence_bytes, 3_296);
    assert!(product.compute_units <= 30_000, "{product:?}");
    assert_eq!((silence.route, silence.evidence_bytes), ("timeout", 0));
    // One demand, its timeout, the payout, the demand closed.
    assert_eq!((silence.demands, silence.transactions), (1, 4));
    assert!(silence.chain_seconds > 6 * 3_600, "{silence:?}");
}

/// Two honest jobs at 90 % of their fee, and one that a pair bought from itself at 50 %: together more than the pot.
fn the_campaign_refunds_fees(summary: &Summary) {
    let all = &summary.sponsored;
    let atoms = |text: &str| text.parse::<u64>().unwrap();
    let pot = atoms(&all.pot_atoms);
    let total = atoms(&all.total_score);
    assert!(total > pot, "{all:?}");
    let names: Vec<&str> = all.shares.iter().map(|share| share.name.as_str()).collect();
    assert_eq!(names, ["alder", "birch", "thistle"]);
    let scores = all.shares.iter().map(|share| atoms(&share.score));
    assert_eq!(scores.sum::<u64>(), total);
    for share in &all.shares {
        let claimed = atoms(&share.claimed_atoms);
        assert_eq!(claimed, pot * atoms(&share.score) / total, "{share:?}");
    }
    let wash = &all.shares[2];
    let price = 20_000_029;
    let fee = price / 40;
    assert_eq!(atoms(&wash.score), fee / 2);
    let claimed = all.shares.iter().map(|share| atoms(&share.claimed_atoms));
    assert_eq!(pot - claimed.sum::<u64>(), atoms(&all.swept_atoms));
    let (before, after) = (atoms(&all.wash_before_atoms), atoms(&all.wash_after_atoms));
    assert_eq!(before - after, fee - atoms(&wash.claimed_atoms));
    assert!(after < before);
    // An indexer without one of its events names the milestone.
    let named = &summary.missing_event;
    let words = ["milestone 0 of job", "in slot", "transaction", "expected"];
    assert!(words.iter().all(|word| named.contains(word)), "{named}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_images_than_there_are_get_a_sentence() {
    let Err(error) = play(
        Plan {
            jobs: 30,
            images_per_job: 40,
            encoder: None,
            quern: env!("CARGO_BIN_EXE_quern-demo").into(),
        },
        Names::new(true),
    )
    .await
    else {
        panic!("it ran")
    };
    assert!(error.to_string().contains("held-out images"), "{error:#}");
}

/// The gateway convicted the first provider by itself and paid for the second answer only.
fn the_application_got_what_was_checked(summary: &Summary) {
    let asked = &summary.gateway;
    assert_ne!(asked.job, asked.refused_job, "{asked:?}");
    assert_eq!(
        (asked.assurance.as_str(), asked.checked.as_str()),
        ("refereed", "1.0000")
    );
    assert!(
        ["alder", "birch"].contains(&asked.provider.as_str()),
        "{asked:?}"
    );
    assert_eq!(asked.over_cap_status, 402);
    let atoms = |text: &str| text.parse::<u64>().unwrap();
    let (bond, earned) = (atoms(&asked.bond_atoms), atoms(&asked.earned_atoms));
    assert_eq!(earned, bond / 10 * 6, "{asked:?}");
    // Both attempts cost the same, and one of them came back.
    assert_eq!(asked.paid_atoms, asked.returned_atoms, "{asked:?}");
    assert!(atoms(&asked.paid_atoms) > 0, "{asked:?}");
}
