//! No deviation pays, and where one does, from where on: provider, client, watcher and arbiter strategies over the program's
//! real rules and settings. `docs/THREATS.md` carries the tables that are computed here; a test compares them.

use {
    quern::{
        constants::{
            MAX_ARBITER_BPS, MAX_DEMAND_FEE_LAMPORTS, MAX_FEE_BPS, MAX_LATE_PENALTY_BPS,
            MAX_REJECT_BPS, MAX_ROYALTY_BPS, MIN_REFEREED_BOND_BPS,
        },
        state::ProtocolSettings,
    },
    quern_rules::{bond, reward},
    quern_testkit::svm,
    quern_tests::payoffs::{
        Caught, Deal, ONE_BPS, Plan, Play, Ruling, SIGNATURE_LAMPORTS, Stakes, Who, defaults,
        text::{assert_table, percent, read, thousands},
    },
    std::fmt::Write,
};

/// A price at which no rounding shows.
const PRICE: u64 = 10_000_000_000;
/// The provider and whoever does what it says.
const PROVIDERS: [Who; 2] = [Who::Provider, Who::Accomplice];
/// What a provider can do instead of cheating, before it takes a job.
const FREE: [Play; 2] = [Play::Honest, Play::StayAway];
/// Most demands that lead to a conviction, those down to the tokens included, as `delays.rs` shows.
const DEEPEST: u32 = 24;

// ---------------------------------------------------------------------------------------------------- the settings

/// What a new protocol has is within the program's bounds.
#[test]
fn the_usual_settings_are_allowed() {
    defaults().validate().unwrap();
}

/// The settings that are simulated: the command's, the program tests', and the ends of what the program allows.
fn settings() -> Vec<ProtocolSettings> {
    let mut all = vec![defaults(), svm::params()];
    for (fee_bps, late_penalty_bps, demand_fee_lamports) in
        [(0, 0, 0), (MAX_FEE_BPS, MAX_LATE_PENALTY_BPS, 50_000)]
    {
        all.push(ProtocolSettings {
            fee_bps,
            late_penalty_bps,
            demand_fee_lamports,
            ..defaults()
        });
    }
    for params in &all {
        params.validate().unwrap();
    }
    all
}

/// Deals over all of them: bonds, royalties, rewards in the payment mint, costs and savings of the work, prices of a SOL.
fn deals() -> Vec<Deal> {
    let mut all = Vec::new();
    for params in settings() {
        for bond_bps in [MIN_REFEREED_BOND_BPS, 30_000, 100_000] {
            for royalty_bps in [0, 500, MAX_ROYALTY_BPS] {
                for rate_e9 in [0, 500_000_000, 999_999_999] {
                    for (work_percent, saved_percent) in
                        [(100, 100), (100, 10), (30, 100), (30, 1), (130, 100)]
                    {
                        for atoms_per_sol in [0, 20_000_000, 1_000_000_000] {
                            let mut deal = Deal::bonded(params, PRICE, bond_bps.into());
                            assert!(deal.bond_atoms >= least_bond(&deal));
                            deal.royalty_bps = royalty_bps;
                            deal.reward_atoms = same_mint_reward(&deal, rate_e9);
                            deal.work_atoms = deal.net_atoms() / 100 * work_percent;
                            deal.saved_atoms = deal.work_atoms / 100 * saved_percent;
                            deal.atoms_per_sol = atoms_per_sol;
                            all.push(deal);
                        }
                    }
                }
            }
        }
    }
    all
}

fn least_bond(deal: &Deal) -> u64 {
    bond::least_bond(deal.price_atoms, deal.params.refereed_bond_bps, 0, 0).unwrap()
}

/// What a settlement accrues where rewards are paid in the payment mint at this rate.
fn same_mint_reward(deal: &Deal, rate_e9: u64) -> u64 {
    assert!(
        reward::is_wash_proof(rate_e9, 10_000),
        "or the program refuses the rate"
    );
    let fee_atoms = u128::from(deal.price_atoms) * u128::from(deal.params.fee_bps) / 10_000;
    reward::accrue(fee_atoms as u64, rate_e9, 10_000, u64::MAX, 0, u64::MAX)
}

// ------------------------------------------------------------------------------------------- refereed: the provider

/// Ways to cheat, each with everybody who may find it.
fn plans() -> Vec<Plan> {
    let mut plans = Vec::new();
    for finder in [Who::Watcher, Who::Client, Who::Accomplice] {
        // Inline; by an evidence account.
        for signatures in [INLINE, BY_ACCOUNT] {
            let caught = Caught::By(finder, signatures);
            plans.push(Plan {
                play: Play::WrongCell,
                caught,
            });
        }
        // Silent at the first demand, after some answers, or convicted after all of them.
        for (answers, signatures) in [
            (0, SILENCE),
            (3, SILENCE),
            (DEEPEST, INLINE),
            (DEEPEST, BY_ACCOUNT),
        ] {
            let caught = Caught::By(finder, signatures);
            plans.push(Plan {
                play: Play::Withhold(answers),
                caught,
            });
        }
    }
    plans
}

/// What answering earns a provider beyond its transaction, for every demand that somebody else asked.
fn answers_earn(deal: &Deal, plan: Plan) -> i128 {
    match (plan.play, plan.caught) {
        (Play::Withhold(answers), Caught::By(opener, _)) if opener != Who::Accomplice => {
            let each =
                deal.lamports(deal.params.demand_fee_lamports) - deal.lamports(SIGNATURE_LAMPORTS);
            each * i128::from(answers)
        }
        _ => 0,
    }
}

#[test]
fn nothing_is_made_from_nothing() {
    for deal in deals() {
        let alone = [Play::StayAway, Play::Late, Play::Honest, Play::AnswerAll(7)];
        for play in alone
            .into_iter()
            .chain([Play::WrongCell, Play::Withhold(3)])
        {
            assert_eq!(
                deal.refereed(play, Caught::Never).sum(),
                0,
                "{play:?} {deal:?}"
            );
        }
        for Plan { play, caught } in plans() {
            let ledger = deal.refereed(play, caught);
            assert_eq!(ledger.sum(), 0, "{play:?} {caught:?} {deal:?}");
            assert_eq!(ledger.of(Who::Emission), 0, "a slash accrues no reward");
        }
        for good in [true, false] {
            for ruling in [
                Ruling::Right,
                Ruling::Unanswered,
                Ruling::ForClient,
                Ruling::ForProvider,
            ] {
                assert_eq!(
                    deal.accepted(good, Some(ruling)).sum(),
                    0,
                    "{ruling:?} {deal:?}"
                );
            }
            assert_eq!(deal.accepted(good, None).sum(), 0);
        }
    }
}

/// For every deal and every way to cheat: it pays exactly below a probability of being found, which is never above what
/// `docs/THREATS.md` states, whoever finds it.
#[test]
fn cheating_pays_only_below_its_threshold() {
    let mut sharp = 0;
    for deal in deals() {
        let of = |play, caught| deal.refereed(play, caught).of_all(&PROVIDERS);
        let best = FREE
            .map(|play| of(play, Caught::Never))
            .into_iter()
            .max()
            .unwrap();
        for plan in plans() {
            let stakes = deal.stakes(plan, &PROVIDERS, &FREE);
            let threshold_bps = stakes.threshold_bps();
            let (unseen, found) = (of(plan.play, Caught::Never), of(plan.play, plan.caught));
            for found_bps in (0..=ONE_BPS)
                .step_by(500)
                .chain([threshold_bps, threshold_bps - 1])
            {
                if !(0..=ONE_BPS).contains(&found_bps) {
                    continue;
                }
                let expected = (ONE_BPS - found_bps) * unseen + found_bps * found;
                let pays = expected > ONE_BPS * best;
                assert_eq!(
                    pays,
                    found_bps < threshold_bps,
                    "{found_bps} {plan:?} {deal:?}"
                );
                assert_eq!(expected - ONE_BPS * best, stakes.expected(found_bps));
                sharp += i32::from(pays && found_bps == threshold_bps - 1);
            }
            assert_within_bound(&deal, plan, stakes);
        }
    }
    assert!(
        sharp > 1_000,
        "the boundary is shown from both sides, not only {sharp} times"
    );
}

/// P / (P + B) where somebody else gets the bounty, P / (P + 0.6 B) where an accomplice always does.
fn assert_within_bound(deal: &Deal, plan: Plan, stakes: Stakes) {
    let (price, bond) = (i128::from(deal.price_atoms), i128::from(deal.bond_atoms));
    assert!(
        i128::from(deal.net_atoms()) <= price,
        "fees are worth more than their reward"
    );
    let is_accomplice = matches!(plan.caught, Caught::By(Who::Accomplice, _));
    let lost_tenths = if is_accomplice { 6 } else { 10 };
    // Answers that others paid for soften the blow by lamports; nothing else does.
    let softened = 10 * answers_earn(deal, plan).max(0);
    let bound = 10 * price + lost_tenths * bond - softened;
    assert!(
        stakes.gain * bound <= stakes.swing * 10 * price,
        "{plan:?} {deal:?}"
    );
}

/// A provider that has taken a job and can't do it in time compares with the late penalty instead: the third column.
#[test]
fn junk_instead_of_being_late_pays_only_below_its_threshold() {
    for deal in deals() {
        for plan in plans() {
            let stakes = deal.stakes(plan, &PROVIDERS, &[Play::Late]);
            let (price, bond) = (i128::from(deal.price_atoms), i128::from(deal.bond_atoms));
            let late = bond * i128::from(deal.params.late_penalty_bps) / ONE_BPS;
            let softened = 10 * answers_earn(&deal, plan).max(0);
            // gain / swing <= (P + late) / (P + 0.6 B)
            let bound = 10 * price + 6 * bond - softened;
            assert!(
                stakes.gain * bound <= stakes.swing * 10 * (price + late),
                "{plan:?} {deal:?}"
            );
        }
    }
}

/// Convicting oneself loses at least 60 % of the bond, 40 % together with the client, and never beats anything else that a
/// provider may do; but a late penalty above 60 % would make it the cheaper way out, so operators keep it below.
#[test]
fn convicting_oneself_never_pays() {
    let convicted = Caught::By(Who::Accomplice, 1);
    for deal in deals() {
        let bond = i128::from(deal.bond_atoms);
        let own = deal.refereed(Play::WrongCell, convicted);
        assert!(own.of_all(&PROVIDERS) * 10 <= -6 * bond);
        let league = [Who::Provider, Who::Accomplice, Who::Client, Who::Creator];
        assert!(own.of_all(&league) * 10 <= -4 * bond);
        for play in [Play::StayAway, Play::Late] {
            let other = deal.refereed(play, Caught::Never);
            assert!(
                own.of_all(&PROVIDERS) < other.of_all(&PROVIDERS),
                "{play:?} {deal:?}"
            );
        }
    }
    let mut harsh = Deal::tightest(PRICE);
    // Above 60 % convicting oneself would be cheaper than being late; the settings end well before.
    let most = MAX_LATE_PENALTY_BPS;
    for (late_penalty_bps, is_cheaper) in [(most, false), (5_999, false), (6_001, true)] {
        harsh.params.late_penalty_bps = late_penalty_bps;
        assert_eq!(harsh.params.validate().is_ok(), late_penalty_bps <= most);
        harsh.saved_atoms = harsh.work_atoms;
        let own = harsh
            .refereed(Play::WrongCell, convicted)
            .of_all(&PROVIDERS);
        let late = harsh.refereed(Play::Late, Caught::Never).of_all(&PROVIDERS);
        assert_eq!(own > late, is_cheaper, "{late_penalty_bps}");
    }
}

/// Publishing nothing and answering everything: right work, paid by the demand. It earns what a demand pays above its
/// transaction, at most for as many demands as the job has; with a fee of one signature it earns nothing.
#[test]
fn withholding_earns_no_more_than_the_demand_fees() {
    for deal in deals() {
        let honest = deal.refereed(Play::Honest, Caught::Never).of(Who::Provider);
        for count in [1, 5, DEEPEST, 1_000] {
            let answered = deal
                .refereed(Play::AnswerAll(count), Caught::Never)
                .of(Who::Provider);
            let fee = deal.lamports(deal.params.demand_fee_lamports);
            let each = fee - deal.lamports(SIGNATURE_LAMPORTS);
            assert_eq!(answered - honest, each * i128::from(count), "{deal:?}");
        }
    }
    let mut fair = Deal::tightest(PRICE);
    fair.atoms_per_sol = 1_000_000_000;
    let earned = |deal: &Deal| {
        let answered = deal
            .refereed(Play::AnswerAll(100), Caught::Never)
            .of(Who::Provider);
        answered - deal.refereed(Play::Honest, Caught::Never).of(Who::Provider)
    };
    assert_eq!(
        earned(&fair),
        500_000,
        "at the default fee, 5,000 lamports a demand"
    );
    fair.params.demand_fee_lamports = SIGNATURE_LAMPORTS;
    assert_eq!(earned(&fair), 0);
    fair.params.demand_fee_lamports = 0;
    assert!(
        earned(&fair) < 0,
        "without a fee whoever asks makes the provider pay"
    );
    // Asking oneself costs three signatures a demand (asking, answering, closing) and moves nothing else.
    let own = fair.refereed(Play::Withhold(3), Caught::By(Who::Accomplice, 1));
    let none = fair.refereed(Play::Withhold(0), Caught::By(Who::Accomplice, 1));
    let lost = none.of_all(&PROVIDERS) - own.of_all(&PROVIDERS);
    assert_eq!(lost, 9 * fair.lamports(SIGNATURE_LAMPORTS));
}

/// What can't be deterred by any probability: a wrong result that pays outside, at once and whatever happens later. It takes
/// a bond of at least that worth divided by 0.6.
#[test]
fn a_bribe_must_stay_below_the_bond() {
    let mut deal = Deal::tightest(PRICE);
    deal.work_atoms = 0;
    deal.saved_atoms = 0;
    let plan = Plan::found(Play::WrongCell, Who::Accomplice, INLINE);
    let honest = deal
        .refereed(Play::Honest, Caught::Never)
        .of_all(&PROVIDERS);
    let found = deal.refereed(plan.play, plan.caught).of_all(&PROVIDERS);
    let lost = honest - found;
    let least = i128::from(deal.net_atoms()) + i128::from(deal.bond_atoms) * 6 / 10;
    assert_eq!(
        lost, least,
        "a bribe of more than this pays although the cheat is always found"
    );
    // A bribe that is paid only if the cheat stays unfound never makes it worth it to be found for sure.
    for outside_atoms in [PRICE, 10 * PRICE, 1_000 * PRICE] {
        deal.outside_atoms = outside_atoms;
        let threshold_bps = deal.stakes(plan, &PROVIDERS, &FREE).threshold_bps();
        assert!(threshold_bps <= ONE_BPS, "{threshold_bps}");
    }
}

// ------------------------------------------------------------------------------------- refereed: client and watchers

/// Client, provider, its accomplice and the model's owner together lose the fee on every job, less the reward: with rewards
/// in the payment mint every job loses, cheated or not. In another mint the job pays as soon as the reward is worth more
/// than fee and transactions; the epoch's cap bounds that.
#[test]
fn a_client_in_league_only_buys_fees() {
    let league = [Who::Provider, Who::Accomplice, Who::Client, Who::Creator];
    for deal in deals().into_iter().filter(|deal| deal.params.fee_bps > 0) {
        for play in [Play::Honest, Play::WrongCell, Play::Withhold(0), Play::Late] {
            let ledger = deal.refereed(play, Caught::Never);
            if play == Play::Late && deal.atoms_per_sol == 0 {
                assert_eq!(
                    ledger.of_all(&league),
                    0,
                    "a late penalty stays in the league"
                );
            } else {
                assert!(ledger.of_all(&league) < 0, "{play:?} {deal:?}");
            }
        }
        for Plan { play, caught } in plans() {
            assert!(
                deal.refereed(play, caught).of_all(&league) < 0,
                "{play:?} {deal:?}"
            );
        }
    }
    let mut deal = Deal::tightest(PRICE);
    let fee_atoms = PRICE / 10_000 * u64::from(deal.params.fee_bps);
    for (reward_atoms, pays) in [(fee_atoms, false), (fee_atoms + 1, true)] {
        deal.reward_atoms = reward_atoms;
        let ledger = deal.refereed(Play::WrongCell, Caught::Never);
        assert_eq!(
            ledger.of_all(&league) > 0,
            pays,
            "rewards in another mint: {reward_atoms}"
        );
    }
}

/// A watcher that convicts is paid as soon as 40 % of the bond exceed its transactions. Several that race share the chance;
/// who loses a race loses transactions, never a bond. The client is paid even if it always loses the race.
#[test]
fn convicting_pays_whoever_does_it() {
    for deal in deals() {
        for plan in plans() {
            let Caught::By(prover, _) = plan.caught else {
                continue;
            };
            let ledger = deal.refereed(plan.play, plan.caught);
            let before = deal.refereed(Play::StayAway, Caught::Never);
            let gained = ledger.of(prover) - before.of(prover);
            assert!(gained > 0, "{plan:?} {deal:?}");
            // The client: nothing paid, and a share of the bond, instead of a price paid for nothing.
            let unseen = deal.refereed(plan.play, Caught::Never).of(Who::Client);
            let saved = ledger.of(Who::Client) - unseen;
            let bond = i128::from(deal.bond_atoms);
            let spent = deal.lamports(SIGNATURE_LAMPORTS * 64)
                + deal.lamports(deal.params.demand_fee_lamports) * i128::from(DEEPEST);
            assert!(
                saved >= i128::from(PRICE) + bond / 5 - spent,
                "{plan:?} {deal:?}"
            );
        }
    }
    // The boundary: the least bond, in lamports, from which the bounty covers what the prover pays.
    for (what, plan) in provers() {
        let lamports = prover_lamports(plan);
        let mut deal = Deal::tightest(0);
        deal.atoms_per_sol = 1_000_000_000;
        for (bond_atoms, covers) in [(lamports * 10 / 4, true), (lamports * 10 / 4 - 10, false)] {
            deal.bond_atoms = bond_atoms;
            let gained = deal.refereed(plan.play, plan.caught).of(Who::Watcher);
            assert_eq!(gained >= 0, covers, "{what}: {lamports} {bond_atoms}");
        }
    }
}

/// Signatures of a conviction with its evidence inside.
const INLINE: u32 = 1;
/// Signatures of one by an evidence account with eleven pieces: creating it (two), the pieces, the conviction, closing it.
const BY_ACCOUNT: u32 = 15;
/// Signatures of a demand without an answer: asking, the time-out, closing.
const SILENCE: u32 = 3;

/// Ways to convict, with what each takes.
fn provers() -> [(&'static str, Plan); 5] {
    let of = |play, signatures| Plan::found(play, Who::Watcher, signatures);
    [
        ("evidence in one transaction", of(Play::WrongCell, INLINE)),
        (
            "evidence account: 14 transactions, one with two signatures",
            of(Play::WrongCell, BY_ACCOUNT),
        ),
        (
            "nothing published, no answer: demand, time-out",
            of(Play::Withhold(0), SILENCE),
        ),
        (
            "nothing published, 5 answers, evidence in one transaction",
            of(Play::Withhold(5), INLINE),
        ),
        (
            "nothing published, 24 answers, evidence account",
            of(Play::Withhold(DEEPEST), BY_ACCOUNT),
        ),
    ]
}

/// What a prover pays for good, in lamports: everything that it sends, and the fees of answered demands.
fn prover_lamports(plan: Plan) -> u64 {
    let mut deal = Deal::tightest(0);
    deal.atoms_per_sol = 1_000_000_000;
    let ledger = deal.refereed(plan.play, plan.caught);
    (-ledger.of(Who::Watcher)).try_into().unwrap()
}

/// What was measured with the built program, as docs/BENCHMARKS.md carries it, is what the model says.
#[test]
fn the_model_costs_what_was_measured() {
    let text = read("docs/BENCHMARKS.md");
    // Everything measured, by the beginning of its line, in the column with this title.
    let measured = |row: &str, column: &str| -> u64 {
        let cells = |line: &str| -> Vec<String> {
            line.split('|').map(|cell| cell.trim().to_owned()).collect()
        };
        let mut header = Vec::new();
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.windows(2) {
            if pair[1].starts_with("| ---") {
                header = cells(pair[0]);
            }
            if pair[0].starts_with(row) {
                let at = header.iter().position(|title| title == column).unwrap();
                return cells(pair[0])[at].replace(',', "").parse().unwrap();
            }
        }
        panic!("no line begins with `{row}`");
    };
    let payout = SIGNATURE_LAMPORTS;
    let fees = |row: &str| measured(row, "fees, lamports") + payout;
    let spent = |row: &str| measured(row, "lamports spent");
    let expected = [
        fees("| one cell of 1000 x 1000 x 1000 | inline"),
        fees("| one value of DOT, K = 4,096 | evidence account"),
        spent("| no answer"),
        spent("| every answer"),
    ];
    let modelled = provers().map(|(_, plan)| prover_lamports(plan));
    assert_eq!(modelled[..4], expected);
    // The last one was not measured as a whole: the most answers to five, and an account to a transaction, more.
    let node_id = 2 * SIGNATURE_LAMPORTS + defaults().demand_fee_lamports;
    let more = u64::from(DEEPEST - 5) * node_id + (expected[1] - expected[0]);
    assert_eq!(modelled[4], expected[3] + more);
    let transactions = |row: &str| measured(row, "transactions");
    assert_eq!(
        transactions("| one value of DOT, K = 4,096 | evidence account") + 1,
        u64::from(BY_ACCOUNT)
    );
}

/// Several watchers: a cheat is found as soon as one of them looks, and a second one never makes it safer.
#[test]
fn more_watchers_never_help_a_cheat() {
    let deal = Deal::tightest(PRICE);
    let plan = Plan::found(Play::WrongCell, Who::Watcher, INLINE);
    let stakes = deal.stakes(plan, &PROVIDERS, &FREE);
    for one_bps in (0..=ONE_BPS).step_by(100) {
        for other_bps in (0..=ONE_BPS).step_by(100) {
            let found_bps = ONE_BPS - (ONE_BPS - one_bps) * (ONE_BPS - other_bps) / ONE_BPS;
            assert!(stakes.expected(found_bps) <= stakes.expected(one_bps.max(other_bps)));
        }
    }
    // Each wins every other race and pays for a lost one: both still gain.
    let mut deal = Deal::tightest(PRICE);
    deal.atoms_per_sol = 1_000_000_000;
    let won = deal.refereed(plan.play, plan.caught).of(Who::Watcher);
    let rival = deal
        .refereed(plan.play, Caught::By(Who::Rival, 1))
        .of(Who::Watcher);
    assert_eq!(rival, 0, "what others prove costs nobody else anything");
    let lost_race = deal.lamports(SIGNATURE_LAMPORTS * u64::from(BY_ACCOUNT));
    assert!(won > lost_race, "half the races won pay for the other half");
}

/// The watcher's dilemma: where nobody cheats, checking is not paid. Checking costs what computing costs. A client gains from
/// checking as soon as cheats are more frequent than that cost over what a found cheat saves it, and less often than that is
/// how often it pays to cheat against a client that answers in kind; a client that never checks, alone, invites every cheat.
#[test]
fn a_client_that_checks_keeps_cheats_rare() {
    let tightest = Deal::tightest(PRICE);
    let unseen = tightest
        .refereed(Play::WrongCell, Caught::Never)
        .of(Who::Client);
    let found = tightest
        .refereed(Play::WrongCell, Caught::By(Who::Client, 1))
        .of(Who::Client);
    let saves = found - unseen;
    let price = i128::from(PRICE);
    assert_eq!(
        saves,
        price + 12 * price / 10,
        "the price, and 60 % of a bond of two prices"
    );
    // What the work costs, of what it earns, and of how many cheats in 10,000 jobs on checking pays, at most.
    for (work_percent, most_bps) in [(1, 46), (10, 455), (50, 2_273), (100, 4_546)] {
        let mut deal = tightest;
        deal.work_atoms = deal.net_atoms() / 100 * work_percent;
        deal.saved_atoms = deal.work_atoms;
        let check_atoms = i128::from(deal.work_atoms);
        let break_even_bps = (check_atoms * ONE_BPS + saves - 1) / saves;
        assert!(
            break_even_bps <= most_bps,
            "{work_percent}: {break_even_bps}"
        );
        for cheats_bps in 0..=ONE_BPS {
            let pays = cheats_bps * saves >= check_atoms * ONE_BPS;
            assert_eq!(pays, cheats_bps >= break_even_bps);
        }
        // Checking only a share of all jobs, drawn at random, deters just as well, and costs that share: less than half of
        // the work, and where the work is cheap, so is what a cheat saves.
        let plan = Plan::found(Play::WrongCell, Who::Accomplice, INLINE);
        let share_bps = deal.stakes(plan, &PROVIDERS, &FREE).threshold_bps();
        assert!(share_bps <= most_bps, "{work_percent}: {share_bps}");
        // Nobody looks: every saving pays.
        assert!(deal.stakes(plan, &PROVIDERS, &FREE).expected(0) > 0);
    }
}

/// A client that commits to inputs which nobody can open: a provider that takes without looking loses its bond to it. The
/// node fetches and compares before it takes, so it stays away, and the trap costs its client a transaction.
#[test]
fn a_trap_catches_only_who_does_not_look() {
    let mut deal = Deal::tightest(PRICE);
    deal.saved_atoms = 0;
    deal.atoms_per_sol = 100_000_000;
    let careless = deal.refereed(Play::Withhold(0), Caught::By(Who::Client, SILENCE));
    assert!(careless.of(Who::Client) > 0, "so a provider must look");
    assert!(careless.of(Who::Provider) < -i128::from(deal.bond_atoms));
    let careful = deal.refereed(Play::StayAway, Caught::Never);
    assert_eq!(careful.of(Who::Client), -deal.lamports(SIGNATURE_LAMPORTS));
    assert_eq!(careful.of(Who::Provider), 0);
}

// ------------------------------------------------------------------------------------------------- accepted: arbiter

/// Usual reviewed job: a bond of half the price.
fn reviewed_deal() -> Deal {
    Deal::bonded(defaults(), PRICE, defaults().reviewed_bond_bps.into())
}

/// With an arbiter that decides rightly: good work is not worth rejecting, bad work is, and bad work pays only if the client
/// rarely looks.
#[test]
fn a_right_arbiter_makes_both_sides_honest() {
    for params in settings() {
        let mut deal = Deal::bonded(params, PRICE, params.reviewed_bond_bps.into());
        deal.work_atoms = deal.work_atoms / 100 * 60;
        deal.saved_atoms = deal.work_atoms;
        for atoms_per_sol in [0, 20_000_000, 1_000_000_000] {
            deal.atoms_per_sol = atoms_per_sol;
            let paid = deal.accepted(true, None);
            let rejected = deal.accepted(true, Some(Ruling::Right));
            assert!(
                rejected.of(Who::Client) < paid.of(Who::Client),
                "a false rejection costs"
            );
            let bad = deal.accepted(false, None);
            let refused = deal.accepted(false, Some(Ruling::Right));
            assert!(
                refused.of(Who::Client) > bad.of(Who::Client),
                "a right rejection pays"
            );
            assert!(
                refused.of(Who::Provider) < paid.of(Who::Provider),
                "bad work does not"
            );
            assert!(refused.of(Who::Provider) <= 0);
            // Unanswered earns an arbiter nothing, any decision its share.
            for good in [true, false] {
                let silent = deal
                    .accepted(good, Some(Ruling::Unanswered))
                    .of(Who::Arbiter);
                let decided = deal.accepted(good, Some(Ruling::Right)).of(Who::Arbiter);
                assert!(silent == 0 && decided > 0);
            }
        }
    }
    let deal = reviewed_deal();
    let threshold_bps = accepted_threshold_bps(&deal, Ruling::Right);
    assert!(
        (9_000..ONE_BPS).contains(&threshold_bps),
        "{threshold_bps}: reviewed work is weak"
    );
}

/// How often a client must look at an accepted milestone and reject it, so that junk pays no better than nothing.
fn accepted_threshold_bps(deal: &Deal, ruling: Ruling) -> i128 {
    let unseen = deal.accepted(false, None).of(Who::Provider);
    let refused = deal.accepted(false, Some(ruling)).of(Who::Provider);
    let stakes = Stakes {
        gain: unseen - deal.accepted(true, None).of(Who::Provider).max(0),
        swing: unseen - refused,
    };
    stakes.threshold_bps()
}

/// Where the arbiter is silent nobody of the two gains over an honest end, but junk gets more than half: it pays although it
/// is always rejected, where the work costs more than what silence leaves. Rejecting good work then costs the client a tenth
/// and the provider four times that.
#[test]
fn a_silent_arbiter_is_the_weak_point_of_accepted_work() {
    let deal = reviewed_deal();
    let price = i128::from(PRICE);
    let paid = deal.accepted(true, None);
    let silent = deal.accepted(true, Some(Ruling::Unanswered));
    assert_eq!(paid.of(Who::Client) - silent.of(Who::Client), price / 10);
    let hurt = paid.of(Who::Provider) - silent.of(Who::Provider);
    assert!(hurt > price / 3 && hurt < 4 * price / 10, "{hurt}");
    let junk = deal
        .accepted(false, Some(Ruling::Unanswered))
        .of(Who::Provider);
    assert!(junk > price / 2, "{junk}");
    let least_work = i128::from(deal.net_atoms()) - junk;
    for (work_atoms, pays) in [(least_work - 1, false), (least_work + 1, true)] {
        let mut deal = deal;
        deal.work_atoms = work_atoms as u64;
        deal.saved_atoms = deal.work_atoms;
        let junk = deal
            .accepted(false, Some(Ruling::Unanswered))
            .of(Who::Provider);
        assert_eq!(junk > deal.accepted(true, None).of(Who::Provider), pays);
    }
    // How reliable an arbiter must be if the client always rejects junk and the work costs all that it earns.
    let refused = deal.accepted(false, Some(Ruling::Right)).of(Who::Provider);
    let answers_bps = (junk * ONE_BPS + (junk - refused) - 1) / (junk - refused);
    assert!((9_200..9_250).contains(&answers_bps), "{answers_bps}");
}

/// An arbiter in league with one side takes the milestone from the other, and at most that and the penalty or the deposit:
/// choosing the arbiter is choosing whom to trust.
#[test]
fn a_biased_arbiter_takes_a_milestone_and_no_more() {
    for params in settings() {
        let mut deal = Deal::bonded(params, PRICE, params.reviewed_bond_bps.into());
        deal.work_atoms = deal.net_atoms() / 2;
        deal.saved_atoms = deal.work_atoms;
        let honest = deal.accepted(true, None);
        let robbed = deal.accepted(true, Some(Ruling::ForClient));
        let league = [Who::Client, Who::Arbiter];
        assert!(
            robbed.of_all(&league) > honest.of_all(&league),
            "it does pay"
        );
        let penalty = i128::from(deal.bond_atoms) * i128::from(params.late_penalty_bps) / ONE_BPS;
        let most = i128::from(deal.net_atoms()) + penalty;
        assert_eq!(honest.of(Who::Provider) - robbed.of(Who::Provider), most);
        let fooled = deal.accepted(false, Some(Ruling::ForProvider));
        let league = [Who::Provider, Who::Arbiter];
        assert!(
            fooled.of_all(&league) > honest.of_all(&league),
            "it does pay"
        );
        let deposit = i128::from(PRICE) * i128::from(params.reject_bps) / ONE_BPS;
        assert_eq!(-fooled.of(Who::Client), i128::from(PRICE) + deposit);
    }
    let bounds = (MAX_ARBITER_BPS, MAX_REJECT_BPS, MAX_DEMAND_FEE_LAMPORTS);
    assert_eq!(
        bounds,
        (2_000, 5_000, 100_000_000),
        "THREATS.md names these bounds"
    );
}

// ------------------------------------------------------------------------------------------------------- the tables

/// What `docs/THREATS.md` carries.
fn payoff_tables() -> String {
    let mut text = String::new();
    let free_of_charge = ProtocolSettings {
        fee_bps: 0,
        ..defaults()
    };
    let [watcher, accomplice] =
        [Who::Watcher, Who::Accomplice].map(|by| Plan::found(Play::WrongCell, by, 1));
    writeln!(
        text,
        "| bond, times the price | found by somebody else | an accomplice always wins the bounty | the same, instead of \
         being late |\n| ---: | ---: | ---: | ---: |"
    )
    .unwrap();
    for times in [2, 3, 5, 10, 20] {
        let deal = Deal::bonded(free_of_charge, PRICE, times * 10_000);
        let of =
            |plan, other: &[Play]| percent(deal.stakes(plan, &PROVIDERS, other).threshold_bps());
        writeln!(
            text,
            "| {times} | {} | {} | {} |",
            of(watcher, &FREE),
            of(accomplice, &FREE),
            of(accomplice, &[Play::Late]),
        )
        .unwrap();
    }

    writeln!(
        text,
        "\n| beside the price a wrong result, if paid, brings | bond 2 times the price | 5 times | 20 times |\n\
         | --- | ---: | ---: | ---: |"
    )
    .unwrap();
    for (what, tenths) in [
        ("a quarter of the price", 25),
        ("as much again", 100),
        ("5 times the price", 500),
        ("50 times the price", 5_000),
    ] {
        let of = |times: u64| {
            let mut deal = Deal::bonded(free_of_charge, PRICE, times * 10_000);
            deal.outside_atoms = PRICE / 100 * tenths;
            percent(deal.stakes(accomplice, &PROVIDERS, &FREE).threshold_bps())
        };
        writeln!(text, "| {what} | {} | {} | {} |", of(2), of(5), of(20)).unwrap();
    }

    writeln!(
        text,
        "\n| what convicting takes, paying out and closing included | the prover pays, lamports | 40 % cover it from a bond of, lamports |\n\
         | --- | ---: | ---: |"
    )
    .unwrap();
    for (what, plan) in provers() {
        let lamports = prover_lamports(plan);
        let bond = lamports * 10 / 4;
        writeln!(
            text,
            "| {what} | {} | {} |",
            thousands(lamports),
            thousands(bond)
        )
        .unwrap();
    }
    text
}

/// The tables in the document are those that are computed here.
#[test]
fn security_says_what_was_computed() {
    assert_table("docs/THREATS.md", "payoffs", &payoff_tables());
}
