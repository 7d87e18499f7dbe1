//! The invariants of the design, checked on all accounts after every transaction.

use {
    super::{Told, World, addresses, fixed_part, is_evidence, token},
    quern::{
        constants::NOBODY,
        events::QuernEvent,
        state::{
            Campaign, Demand, Emission, Entry, Job, JobState, MintConfig, Protocol, Provider, Purse,
        },
    },
    solana_sdk::pubkey::Pubkey,
    std::collections::{BTreeMap, BTreeSet},
};

/// No account of the program changed without an event that says so.
pub(super) fn every_change_is_told(
    before: &BTreeMap<Pubkey, Vec<u8>>,
    after: &BTreeMap<Pubkey, Vec<u8>>,
    events: &[QuernEvent],
) {
    let told: BTreeSet<Pubkey> = events
        .iter()
        .flat_map(|event| event.changes())
        .map(|change| change.address)
        .collect();
    for address in before.keys().chain(after.keys()) {
        let (was, is) = (before.get(address), after.get(address));
        if was != is {
            let exempt = [was, is].iter().flatten().all(|data| is_evidence(data));
            assert!(
                exempt || told.contains(address),
                "P6: {address} changed and no event says so: {events:?}"
            );
        }
    }
}

/// Every invariant that can be seen from the accounts.
pub(super) fn all(world: &World) {
    follower_knows_all(world);
    let purses: BTreeMap<Pubkey, Purse> = world.list::<Purse>().into_iter().collect();
    let jobs = world.list::<Job>();
    vaults(world, &purses);
    reservations(world, &purses, &jobs);
    rewards(world, &purses);
    for (address, job) in &jobs {
        job_is_sound(address, job);
    }
    demands(world, &jobs);
    campaigns(world);
    oracle_agrees(world, &purses);
}

/// P6: what the events told equals the accounts, byte by byte.
fn follower_knows_all(world: &World) {
    let accounts = world.program_accounts();
    for (address, data) in accounts.iter().filter(|(_, data)| !is_evidence(data)) {
        let (kind, fixed) =
            fixed_part(data).unwrap_or_else(|| panic!("{address} is of no known type"));
        let told = world
            .follower
            .live
            .get(address)
            .unwrap_or_else(|| panic!("P6: no event created {address}"));
        assert_eq!(
            (told.kind, &told.fixed[..]),
            (kind as u8, fixed),
            "P6: {address} differs from its events"
        );
        assert_eq!(fixed[0], 1, "layout version of {address}");
    }
    for (address, Told { kind, .. }) in &world.follower.live {
        assert!(
            accounts.contains_key(address),
            "P6: {address} of kind {kind} vanished without an event"
        );
    }
}

/// P1: the vault holds at least the total, which is the sum of all purses.
fn vaults(world: &World, purses: &BTreeMap<Pubkey, Purse>) {
    for (_, config) in world.list::<MintConfig>() {
        let sum: u128 = purses
            .values()
            .filter(|purse| purse.mint == config.mint)
            .map(|purse| {
                u128::from(purse.free_atoms.get()) + u128::from(purse.reserved_atoms.get())
            })
            .sum();
        assert_eq!(
            sum,
            u128::from(config.total_atoms.get()),
            "P1: the total of {} is the sum of its purses",
            config.mint
        );
        let vault = token::amount(world, &config.vault);
        assert!(
            vault >= config.total_atoms.get(),
            "P1: the vault of {} is short",
            config.mint
        );
    }
}

/// P2: what is reserved stands behind something that lives.
fn reservations(world: &World, purses: &BTreeMap<Pubkey, Purse>, jobs: &[(Pubkey, Job)]) {
    let mut reserved: BTreeMap<Pubkey, u128> = BTreeMap::new();
    let mut by_operator: BTreeMap<Pubkey, u128> = BTreeMap::new();
    for (_, job) in jobs {
        let client = addresses::purse(&job.client, &job.mint);
        let escrow = u128::from(job.price_atoms.get()) * u128::from(job.milestones - job.milestone);
        *reserved.entry(client).or_default() += escrow + u128::from(job.reject_deposit_atoms.get());
        if job.provider != NOBODY {
            let provider = addresses::purse(&job.provider, &job.mint);
            let bond = u128::from(job.bond_left_atoms.get());
            *reserved.entry(provider).or_default() += bond;
            if job.taken_by_operator.get() {
                *by_operator.entry(provider).or_default() += bond;
            }
        }
    }
    for (_, campaign) in world.list::<Campaign>() {
        let purse = addresses::purse(&campaign.sponsor, &campaign.mint);
        let left = campaign.pot_atoms.get() - campaign.claimed_atoms.get();
        *reserved.entry(purse).or_default() += u128::from(left);
    }
    for (_, emission) in world.list::<Emission>() {
        if emission.reward_mint != NOBODY {
            let purse = addresses::purse(&addresses::emission(), &emission.reward_mint);
            *reserved.entry(purse).or_default() += u128::from(emission.outstanding_atoms.get());
        }
    }
    for (address, purse) in purses {
        let expected = reserved.remove(address).unwrap_or(0);
        assert_eq!(
            u128::from(purse.reserved_atoms.get()),
            expected,
            "P2: reserved of {address}"
        );
        let expected = by_operator.remove(address).unwrap_or(0);
        assert_eq!(
            u128::from(purse.operator_reserved_atoms.get()),
            expected,
            "P2: operator's part of {address}"
        );
    }
    reserved.retain(|_, atoms| *atoms > 0);
    assert!(
        reserved.is_empty(),
        "P2: obligations without a purse: {reserved:?}"
    );
}

/// P5 and P12, and that what is outstanding is what providers may claim.
fn rewards(world: &World, purses: &BTreeMap<Pubkey, Purse>) {
    for (_, protocol) in world.list::<Protocol>() {
        assert!(protocol.terms.fee_bps.get() <= 1_000);
    }
    for (_, emission) in world.list::<Emission>() {
        assert!(
            emission.spent_atoms <= emission.cap_atoms,
            "P5: spent {:?}",
            emission
        );
        let claimable: u128 = world
            .list::<Provider>()
            .iter()
            .map(|(_, provider)| {
                u128::from(
                    provider.rewards_accrued_atoms.get() - provider.rewards_claimed_atoms.get(),
                )
            })
            .sum();
        assert_eq!(
            u128::from(emission.outstanding_atoms.get()),
            claimable,
            "outstanding rewards"
        );
        if emission.reward_mint == NOBODY {
            continue;
        }
        let config: MintConfig = world.get(&addresses::mint_config(&emission.reward_mint));
        let weight = emission
            .refereed_weight_bps
            .get()
            .max(emission.reviewed_weight_bps.get());
        let product = u128::from(config.reward_rate_e9.get()) * u128::from(weight);
        assert!(
            product < 10u128.pow(13),
            "P12: rate times weight in the reward mint"
        );
        assert!(
            purses.contains_key(&addresses::purse(
                &addresses::emission(),
                &emission.reward_mint
            )),
            "P11"
        );
    }
}

/// P18: a campaign's total and what was claimed are those of the independent ledger, and until the first claim the total is the sum
/// of its entries' scores.
fn campaigns(world: &World) {
    let entries = world.list::<Entry>();
    for (address, campaign) in world.list::<Campaign>() {
        let of_campaign = entries
            .iter()
            .filter(|(_, entry)| entry.campaign == address);
        let sum: u128 = of_campaign
            .map(|(_, entry)| u128::from(entry.score.get()))
            .sum();
        let total = u128::from(campaign.total_score.get());
        let is_settling = world.now() <= campaign.settle_by.get();
        assert!(
            sum == total || !is_settling && sum < total,
            "P18: scores of {address}: {sum} of {total}"
        );
        let (scored, claimed) = world.oracle.campaign(&address);
        assert_eq!(scored, total, "P18: the total of {address}");
        let told = u128::from(campaign.claimed_atoms.get());
        assert_eq!(claimed, told, "P18: what was claimed of {address}");
        assert!(
            claimed <= u128::from(campaign.pot_atoms.get()),
            "P18: more claimed than the pot of {address}"
        );
    }
    for (address, entry) in &entries {
        let expected = addresses::entry(&entry.campaign, &entry.provider);
        assert_eq!(*address, expected, "address of an entry");
    }
}

/// A job knows how many of its demands are open, and every demand holds its rent and an unspent fee.
fn demands(world: &World, jobs: &[(Pubkey, Job)]) {
    let demands = world.list::<Demand>();
    for (address, job) in jobs {
        let open = demands
            .iter()
            .filter(|(_, demand)| demand.job == *address && demand.submission == job.submissions)
            .filter(|(_, demand)| !demand.answered.get())
            .count();
        // Of a slashed job they may be closed one by one; nothing counts them any more.
        assert!(
            job.state == JobState::Convicted as u8 || job.open_demands.get() as usize == open,
            "open demands of {address}"
        );
        assert!(
            job.state >= JobState::Submitted as u8 || open == 0,
            "a job without a result has demands: {address}"
        );
    }
    for (address, demand) in &demands {
        let account = world.svm.get_account(address).unwrap();
        let bytes = Demand::ANSWER_OFFSET + demand.answer_bytes.get() as usize;
        assert_eq!(account.data.len(), bytes, "size of demand {address}");
        let rent = world.svm.minimum_balance_for_rent_exemption(bytes);
        let fee = if demand.answered.get() {
            0
        } else {
            demand.fee_lamports.get()
        };
        assert!(
            account.lamports >= rent + fee,
            "lamports of demand {address}"
        );
        assert_eq!(
            demand.answered.get(),
            !demand.answered_at.is_zero(),
            "answer of {address}"
        );
        let is_empty = account.data[Demand::ANSWER_OFFSET..]
            .iter()
            .all(|byte| *byte == 0);
        assert!(
            demand.answered.get() || is_empty,
            "bytes before the answer of {address}"
        );
    }
}

fn job_is_sound(address: &Pubkey, job: &Job) {
    let state = JobState::from_code(job.state).unwrap_or_else(|| panic!("state of {address}"));
    assert!(
        job.milestone < job.milestones,
        "{address} is past its last milestone"
    );
    assert_eq!(
        state == JobState::Open,
        job.provider == NOBODY,
        "provider of {address}"
    );
    assert_eq!(
        state == JobState::Convicted,
        (1..=4).contains(&job.conviction_reason) && job.prover != NOBODY,
        "conviction of {address}"
    );
    assert!(
        state == JobState::Rejected || job.reject_deposit_atoms.get() == 0,
        "deposit of {address}"
    );
    if state == JobState::Open {
        assert!(
            !job.taken_by_operator.get() && job.bond_left_atoms.get() == 0,
            "open job {address}"
        );
        assert!(job.deadline <= job.ends_by, "an open job ends by its end");
    }
    assert_eq!(
        *address,
        addresses::job(&job.client, &job.mint, job.n.get()),
        "address of a job"
    );
}

/// The independent ledger has the same balances.
fn oracle_agrees(world: &World, purses: &BTreeMap<Pubkey, Purse>) {
    for (address, purse) in purses {
        let ours = world.oracle.balance(&purse.owner, &purse.mint);
        let theirs = (
            u128::from(purse.free_atoms.get()),
            u128::from(purse.reserved_atoms.get()),
        );
        assert_eq!(
            ours, theirs,
            "the independent ledger of purse {address} (free, reserved)"
        );
    }
    assert_eq!(world.oracle.purses(), purses.len(), "number of purses");
    for (_, config) in world.list::<MintConfig>() {
        let net = world.oracle.net_deposits(&config.mint);
        assert_eq!(
            net,
            u128::from(config.total_atoms.get()),
            "P3: deposits less withdrawals of {}",
            config.mint
        );
    }
}
