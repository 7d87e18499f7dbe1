//! Sums over everything, by the invariants of `docs/INVARIANTS.md`: vaults by the chain, and all else of one state of the store.
//!
//! The arithmetic is this module's own, in 128 bits, on purpose: it shares no line with the code that it checks.

use {
    super::{
        Auditor, Report, boards, campaigns,
        columns::Columns,
        counters,
        report::{Subject, of_config, of_mint},
        sums::{Reserved, add, sum},
        vaults,
    },
    crate::{
        error::Result,
        project::{
            Settlement, Total, TotalKey, key,
            program::{Emission, EntityKind, Job, MintConfig, Provider, Purse},
        },
        store::{Projected, Projection, Snapshot},
    },
    futures::TryStreamExt,
    quern_api::{AuditCheck, Category, Key},
    std::collections::{BTreeMap, HashMap},
};

pub(super) async fn compare(auditor: &Auditor, report: &mut Report) -> Result<()> {
    vaults::compare(auditor, report).await?;
    let mut snapshot = auditor.store.read().await?;
    let totals: BTreeMap<TotalKey, Total> = snapshot.totals().await?.into_iter().collect();
    purses_and_deposits(&mut snapshot, report, &totals).await?;
    let (mut reserved, escrowed) = live_jobs(&mut snapshot).await?;
    campaigns::compare(&mut snapshot, report, &totals, &mut reserved).await?;
    rewards(&mut snapshot, report, &totals, reserved).await?;
    let paid = parts(&mut snapshot, report, &totals, &escrowed).await?;
    counters::compare(&mut snapshot, report).await?;
    boards::compare(&mut snapshot, report, &totals, &paid).await
}

/// P1 and P3: a total is what the purses hold, and what was deposited less what was withdrawn.
async fn purses_and_deposits(
    snapshot: &mut Snapshot,
    report: &mut Report,
    totals: &BTreeMap<TotalKey, Total>,
) -> Result<()> {
    let mut purses = HashMap::<Key, u128>::new();
    for ledger in snapshot.ledgers().await? {
        let held = ledger.free_atoms.saturating_add(ledger.reserved_atoms);
        purses.insert(key(&ledger.config.mint), held);
    }
    let mut configs = snapshot.queries().live(EntityKind::MintConfig as u8);
    while let Some(entity) = configs.try_next().await? {
        let Some(config) = entity.row.read::<MintConfig>() else {
            continue;
        };
        let (mint, total) = (key(&config.mint), u128::from(config.total_atoms.get()));
        let in_purses = purses.get(&mint).copied().unwrap_or(0);
        report.equal(
            of_config(AuditCheck::Vaults, entity.address),
            "total_atoms and the sum of its purses",
            total,
            in_purses,
        );
        let net = sum(totals, Category::Deposited, mint).checked_sub(sum(
            totals,
            Category::Withdrawn,
            mint,
        ));
        let net = net.map_or("less than nothing".to_owned(), |atoms| atoms.to_string());
        report.equal(
            of_config(AuditCheck::Deposits, entity.address),
            "total_atoms and deposits less withdrawals",
            total.to_string(),
            net,
        );
    }
    Ok(())
}

/// What live jobs reserve, by owner and mint, and their escrows by mint.
async fn live_jobs(snapshot: &mut Snapshot) -> Result<(Reserved, HashMap<Key, u128>)> {
    let (mut reserved, mut escrows) = (Reserved::new(), HashMap::<Key, u128>::new());
    let mut jobs = snapshot.queries().live(EntityKind::Job as u8);
    while let Some(entity) = jobs.try_next().await? {
        let Some(job) = entity.row.read::<Job>() else {
            continue;
        };
        let mint = key(&job.mint);
        let escrow = u128::from(job.price_atoms.get()) * u128::from(job.milestones_left());
        add(escrows.entry(mint).or_default(), escrow);
        let at_client = escrow + u128::from(job.reject_deposit_atoms.get());
        add(
            reserved.entry((key(&job.client), mint)).or_default(),
            at_client,
        );
        let bond = u128::from(job.bond_left_atoms.get());
        if bond > 0 {
            add(
                reserved.entry((key(&job.provider), mint)).or_default(),
                bond,
            );
        }
    }
    Ok((reserved, escrows))
}

/// P2 and P5: what is reserved stands behind live jobs, takes or granted rewards; grants keep within the cap, and what was
/// granted is claimed or outstanding.
async fn rewards(
    snapshot: &mut Snapshot,
    report: &mut Report,
    totals: &BTreeMap<TotalKey, Total>,
    mut reserved: Reserved,
) -> Result<()> {
    let (mut unclaimed, mut emissions) = (0_u128, Vec::new());
    let mut providers = snapshot.queries().live(EntityKind::Provider as u8);
    while let Some(entity) = providers.try_next().await? {
        if let Some(provider) = entity.row.read::<Provider>() {
            let accrued = provider.rewards_accrued_atoms.get();
            let claimed = provider.rewards_claimed_atoms.get();
            add(&mut unclaimed, accrued.saturating_sub(claimed));
        }
    }
    drop(providers);
    let mut found = snapshot.queries().live(EntityKind::Emission as u8);
    while let Some(entity) = found.try_next().await? {
        emissions.extend(
            entity
                .row
                .read::<Emission>()
                .map(|emission| (entity.address, emission)),
        );
    }
    drop(found);
    for (address, emission) in emissions {
        let subject = Subject {
            check: AuditCheck::Rewards,
            kind: EntityKind::Emission,
            address,
        };
        let (spent, cap) = (emission.spent_atoms.get(), emission.cap_atoms.get());
        report.equal(
            subject,
            "spent_atoms within cap_atoms",
            spent.min(cap),
            spent,
        );
        let outstanding = u128::from(emission.outstanding_atoms.get());
        report.equal(
            subject,
            "outstanding_atoms and what is not claimed",
            outstanding,
            unclaimed,
        );
        let mint = key(&emission.reward_mint);
        let claimed = sum(totals, Category::RewardsClaimed, mint);
        let granted = sum(totals, Category::Rewards, mint);
        report.equal(
            subject,
            "grants, and claims and what is outstanding",
            granted,
            claimed.saturating_add(outstanding),
        );
        add(reserved.entry((address, mint)).or_default(), outstanding);
    }
    reservations(snapshot, report, reserved).await
}

async fn reservations(
    snapshot: &mut Snapshot,
    report: &mut Report,
    mut reserved: Reserved,
) -> Result<()> {
    let subject = |address| Subject {
        check: AuditCheck::Reservations,
        kind: EntityKind::Purse,
        address,
    };
    const FIGURE: &str = "reserved_atoms and what they stand behind";
    let mut purses = snapshot.queries().live(EntityKind::Purse as u8);
    while let Some(entity) = purses.try_next().await? {
        let Some(purse) = entity.row.read::<Purse>() else {
            continue;
        };
        let behind = reserved.remove(&(key(&purse.owner), key(&purse.mint)));
        let found = u128::from(purse.reserved_atoms.get());
        report.equal(subject(entity.address), FIGURE, behind.unwrap_or(0), found);
    }
    for ((owner, _), atoms) in reserved {
        if atoms > 0 {
            report.differs(
                subject(owner),
                FIGURE,
                &atoms.to_string(),
                "no purse of this owner",
            );
        }
    }
    Ok(())
}

/// P4: the parts of each paid price sum to it, the prices to the totals, and what was ever escrowed is in escrow or went to
/// somebody. Gives back what the paid milestones add to numbers.
async fn parts(
    snapshot: &mut Snapshot,
    report: &mut Report,
    totals: &BTreeMap<TotalKey, Total>,
    escrowed: &HashMap<Key, u128>,
) -> Result<Columns> {
    let mut numbers = Columns::default();
    let mut paid = BTreeMap::<(Key, u8), Total>::new();
    let mut rows = snapshot.queries().scan(Projection::Settlement);
    while let Some(row) = rows.try_next().await? {
        let Projected::Settlement(_, settlement) = row else {
            continue;
        };
        let subject = Subject {
            check: AuditCheck::Parts,
            kind: EntityKind::Job,
            address: settlement.job,
        };
        let price = u128::from(settlement.price_atoms);
        report.equal(
            subject,
            "the price and its parts",
            price,
            parts_of(&settlement),
        );
        boards::add_paid(&mut numbers, &settlement);
        let mint_and_level = (settlement.mint, settlement.assurance);
        paid.entry(mint_and_level).or_default().merge(Total {
            atoms: price,
            count: 1,
        });
    }
    drop(rows);
    for (found, total) in totals
        .iter()
        .filter(|(key, _)| key.category == Category::Settled)
    {
        let subject = of_mint(AuditCheck::Parts, found.mint);
        let paid = paid
            .remove(&(found.mint, found.assurance))
            .unwrap_or_default();
        report.equal(subject, "the sum of paid prices", paid.atoms, total.atoms);
        report.equal(
            subject,
            "the number of paid milestones",
            paid.count,
            total.count,
        );
    }
    for ((mint, _), total) in paid {
        report.differs(
            of_mint(AuditCheck::Parts, mint),
            "the sum of paid prices",
            &total.atoms.to_string(),
            "none",
        );
    }
    escrows(snapshot, report, totals, escrowed);
    Ok(numbers)
}

/// What was ever escrowed is in escrow or went to somebody.
fn escrows(
    snapshot: &Snapshot,
    report: &mut Report,
    totals: &BTreeMap<TotalKey, Total>,
    escrowed: &HashMap<Key, u128>,
) {
    const WENT: [Category; 6] = [
        Category::Earnings,
        Category::Royalties,
        Category::Fees,
        Category::Arbiters,
        Category::Burnt,
        Category::Refunds,
    ];
    let mints: Vec<Key> = snapshot
        .mints()
        .iter()
        .map(|config| key(&config.mint))
        .collect();
    for mint in mints {
        let went = WENT.iter().fold(0_u128, |went, category| {
            went.saturating_add(sum(totals, *category, mint))
        });
        let is_there = escrowed.get(&mint).copied().unwrap_or(0);
        let ever = sum(totals, Category::Escrowed, mint);
        report.equal(
            of_mint(AuditCheck::Parts, mint),
            "escrows and what became of them",
            ever,
            is_there.saturating_add(went),
        );
    }
}

fn parts_of(settlement: &Settlement) -> u128 {
    let parts = [
        settlement.fee_atoms,
        settlement.royalty_atoms,
        settlement.provider_atoms,
    ];
    parts.map(u128::from).into_iter().sum()
}
