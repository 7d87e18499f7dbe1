//! What sending costs under the policy of `quern_client::send::fee`, and what it costs to keep others from being included.
//! `docs/THREATS.md` carries the tables that are computed here; a test compares them.

use {
    quern_client::{
        Budgets, Errand, Pubkey,
        send::fee::{IN_TIME_CAP, LAST_STEP, budget_lamports, step, unit_price},
    },
    quern_tests::payoffs::{
        SIGNATURE_LAMPORTS, defaults,
        text::{assert_table, sol, thousands},
    },
    std::fmt::Write,
};

/// What a block holds of writes to one account, in compute units.
const BLOCK_UNITS: u64 = 24_000_000;
/// The largest transaction, in compute units.
const LARGEST_UNITS: u64 = 1_400_000;
/// Blocks of 0.4 s in ten seconds.
const BLOCKS_IN_10_SECS: u64 = 25;
/// Measured (BENCHMARKS.md), with the reserve that the sender adds.
const ANSWER_UNITS: u32 = 6_203 * 115 / 100 + 500;
/// The conviction of the dearest legal cell (docs/decisions/031).
const DEAREST_UNITS: u32 = 604_520;
/// What others usually take.
const USUAL_UNITS: u32 = 25_000;

/// What an errand offers at its four steps.
fn prices(errand: &Errand, units: u32, job_left: u64) -> [u64; 4] {
    let budgets = Budgets::default();
    // What strangers can have the wallet spend leaves half of the hour.
    let hour_left = budgets.hour_lamports / 2;
    [0, 1, 2, LAST_STEP].map(|step| {
        let lamports = budget_lamports(errand, step, &budgets, job_left, hour_left);
        unit_price(step, units, IN_TIME_CAP, lamports)
    })
}

/// What it costs to fill a block for one account at a price.
fn block_lamports(price: u64) -> u128 {
    let signatures = BLOCK_UNITS / LARGEST_UNITS;
    let priority = u128::from(BLOCK_UNITS) * u128::from(price) / 1_000_000;
    priority + u128::from(signatures) * u128::from(SIGNATURE_LAMPORTS)
}

/// What it costs to fill all blocks of a window. The other side tries again and again, so that each of its steps is offered for
/// the same time; where there is less time than that, the last one is.
fn window_lamports(prices: [u64; 4], window_secs: u64) -> u128 {
    let blocks = u128::from(window_secs * BLOCKS_IN_10_SECS / 10);
    let first = step(0, i64::try_from(window_secs).ok()) as usize;
    let offered = &prices[first..];
    let all: u128 = offered.iter().map(|price| block_lamports(*price)).sum();
    blocks * all / offered.len() as u128
}

struct Row {
    what: &'static str,
    errand: Errand,
    units: u32,
    job_left: u64,
    window_secs: u64,
    /// What keeping it out brings, as a part of the bond.
    gain_bps: u128,
}

fn rows() -> [Row; 5] {
    let defaults = defaults();
    let budget = Budgets::default().job_lamports;
    let job: quern::state::Job = bytemuck::Zeroable::zeroed();
    let answer = Errand::answer(Pubkey::default(), 0, defaults.demand_fee_lamports);
    let (conviction, response_secs) = (
        Errand::before_payment(&job),
        u64::from(defaults.response_secs),
    );
    let row = |what, errand, units, job_left, window_secs, gain_bps| Row {
        what,
        errand,
        units,
        job_left,
        window_secs,
        gain_bps,
    };
    [
        row(
            "an answer",
            answer,
            ANSWER_UNITS,
            budget,
            response_secs,
            4_000,
        ),
        row(
            "an answer, the job's budget used up",
            answer,
            ANSWER_UNITS,
            0,
            response_secs,
            4_000,
        ),
        row(
            "a submission, one minute to work",
            Errand::before_deadline(&job),
            USUAL_UNITS,
            budget,
            60,
            1_000,
        ),
        row(
            "a conviction",
            conviction,
            USUAL_UNITS,
            budget,
            6 * 3_600,
            10_000,
        ),
        row(
            "the largest conviction",
            conviction,
            DEAREST_UNITS,
            budget,
            6 * 3_600,
            10_000,
        ),
    ]
}

/// What `docs/THREATS.md` carries about crowding out.
fn crowding_table() -> String {
    let mut text = String::from(
        "| kept out | units | it offers at first | and at last, micro-lamports a unit | which costs it, SOL | keeping it out costs, SOL | pays from a bond of, SOL |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for row in rows() {
        let prices = prices(&row.errand, row.units, row.job_left);
        let own = u128::from(row.units) * u128::from(prices[3]) / 1_000_000;
        let out = window_lamports(prices, row.window_secs);
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            row.what,
            thousands(u64::from(row.units)),
            thousands(prices[0]),
            thousands(prices[3]),
            small_sol(own),
            sol(out),
            sol(out * 10_000 / row.gain_bps),
        )
        .unwrap();
    }
    text
}

/// Lamports in SOL, rounded up to five digits behind the point.
fn small_sol(lamports: u128) -> String {
    let parts = lamports.div_ceil(10_000);
    format!("{}.{:05}", parts / 100_000, parts % 100_000)
}

/// What so many answers bring, beside their rent: (earned, paid), in lamports.
fn answered(count: u128, step: u32) -> (u128, u128) {
    let fee = defaults().demand_fee_lamports;
    let errand = Errand::answer(Pubkey::default(), 0, fee);
    let budgets = Budgets::default();
    let (mut paid, mut job_left, mut hour_left) = (0, budgets.job_lamports, budgets.hour_lamports);
    for _ in 0..count {
        let lamports = budget_lamports(&errand, step, &budgets, job_left, hour_left);
        let price = unit_price(step, ANSWER_UNITS, IN_TIME_CAP, lamports);
        let priority = (u64::from(ANSWER_UNITS) * price).div_ceil(1_000_000);
        let own = priority.saturating_sub(errand.earns_lamports());
        job_left = job_left.saturating_sub(own);
        hour_left = hour_left.saturating_sub(own);
        paid += u128::from(SIGNATURE_LAMPORTS + priority);
    }
    (count * u128::from(fee), paid)
}

/// What `docs/THREATS.md` carries about the wallet of a provider that answers a flood about one job.
fn wallet_table() -> String {
    let mut text = String::from(
        "| answers, each alone | when | earned, SOL | paid, SOL |\n| ---: | --- | ---: | ---: |\n",
    );
    for count in [1_000, 5_000, 20_000] {
        for (when, step) in [("in time", 0), ("all in the last minute", LAST_STEP)] {
            let (earned, paid) = answered(count, step);
            let count = thousands(count as u64);
            writeln!(
                text,
                "| {count} | {when} | {} | {} |",
                small_sol(earned),
                small_sol(paid)
            )
            .unwrap();
        }
    }
    text
}

/// A flood never empties a wallet: what is answered in time leaves more than before, and what is answered at the last moment
/// takes the job's budget at most.
#[test]
fn answering_a_flood_costs_at_most_a_jobs_budget() {
    for count in [1, 100, 1_836, 5_000, 17_125] {
        let (earned, paid) = answered(count, 0);
        assert!(earned > paid, "{count}");
        for step in 1..=LAST_STEP {
            let (earned, paid) = answered(count, step);
            let most = earned + u128::from(Budgets::default().job_lamports);
            assert!(paid <= most, "{count} {step}");
        }
    }
}

/// Keeping others out costs more the less time they have, and no errand is ever cheaper to keep out than one that offers the
/// first price all the time.
#[test]
fn nobody_is_kept_out_for_the_first_price() {
    for row in rows() {
        let prices = prices(&row.errand, row.units, row.job_left);
        assert!(prices.is_sorted(), "{prices:?}");
        let (out, least) = (
            window_lamports(prices, row.window_secs),
            window_lamports([prices[0]; 4], row.window_secs),
        );
        assert!(out > 20 * least, "{} {out} {least}", row.what);
    }
}

/// The tables in the documents are those that are computed here.
#[test]
fn documents_say_what_was_computed() {
    assert_table("docs/THREATS.md", "wallets", &wallet_table());
    assert_table("docs/THREATS.md", "crowding", &crowding_table());
}

/// Offers, whose time strangers choose, use up half of an hour at most; what has a deadline has the rest.
#[test]
fn offers_leave_half_of_the_hour_to_obligations() {
    let budgets = Budgets::default();
    let job: quern::state::Job = bytemuck::Zeroable::zeroed();
    let (offer, duty) = (Errand::unhurried(&job), Errand::before_deadline(&job));
    let half = budgets.hour_lamports / 2;
    let of = |errand: &Errand, hour_left| {
        budget_lamports(errand, LAST_STEP, &budgets, budgets.job_lamports, hour_left)
    };
    assert_eq!(of(&offer, half), 0);
    assert_eq!(of(&duty, half), budgets.job_lamports / 2);
    assert_eq!(of(&offer, budgets.hour_lamports), budgets.job_lamports / 2);
    // A take is never hurried by the deadline that its client has chosen.
    assert_eq!(offer.due(), None);
    assert_eq!(step(0, offer.due()), 0);
}
