//! What buying from oneself in a campaign costs, what it takes from others, and from which share in the treasury on it pays.
//! `docs/THREATS.md` carries the tables that are computed here; a test compares them.

use {
    quern_rules::campaign::{amount, score},
    quern_tests::payoffs::text::{assert_table, percent},
    std::fmt::Write,
};

/// A pot at which no rounding shows.
const POT: u64 = 1_000_000_000;
/// The dearest weight that a campaign may have.
const HIGHEST_WEIGHT_BPS: u16 = 9_999;

/// A party that is client, provider, creator and sponsor's rival in one: it buys from itself, so that only fees leave it.
#[derive(Clone, Copy, Debug)]
struct Washer {
    /// What it pays in fees.
    fees_atoms: u64,
    /// Which part of the treasury's fees it gets, in basis points.
    treasury_bps: u16,
}

/// How a campaign ended.
#[derive(Clone, Copy, Debug)]
struct End {
    /// What the washer has more than before; less if negative.
    gain_atoms: i128,
    /// What it got out of the pot.
    taken_atoms: u64,
    /// What the others would have got without it, less what they got.
    others_lost_atoms: u64,
}

/// A campaign in which the others have scored so much, and the washer washes.
fn played(others_score: u64, weight_bps: u16, washer: Washer) -> End {
    let own = score(washer.fees_atoms, weight_bps, others_score);
    let total = others_score + own;
    let taken_atoms = amount(POT, own, total);
    let alone = amount(POT, others_score, others_score);
    let fees = i128::from(washer.fees_atoms);
    let returned = fees * i128::from(washer.treasury_bps) / 10_000;
    End {
        gain_atoms: i128::from(taken_atoms) + returned - fees,
        taken_atoms,
        others_lost_atoms: alone - amount(POT, others_score, total),
    }
}

/// Scores of others and fees of the washer, from nothing to a hundred pots.
fn sizes() -> [u64; 9] {
    [
        0,
        1,
        POT / 10,
        POT / 2,
        POT - 1,
        POT,
        2 * POT,
        10 * POT,
        100 * POT,
    ]
}

/// Whoever has no part of the treasury's fees loses with every milestone that it buys from itself, and so does everybody at the
/// dearest weight with a part of no more than what the weight leaves.
#[test]
fn washing_loses_without_a_share_in_the_treasury() {
    for others in sizes() {
        for fees_atoms in sizes().into_iter().filter(|fees| *fees > 0) {
            for weight_bps in [1, 5_000, 9_000, HIGHEST_WEIGHT_BPS] {
                let washer = Washer {
                    fees_atoms,
                    treasury_bps: 0,
                };
                let end = played(others, weight_bps, washer);
                assert!(end.gain_atoms < 0, "{others} {weight_bps} {washer:?}");
                let washer = Washer {
                    treasury_bps: 10_000 - weight_bps,
                    ..washer
                };
                let end = played(others, weight_bps, washer);
                assert!(end.gain_atoms <= 0, "{others} {weight_bps} {washer:?}");
            }
        }
    }
}

/// The treasury's owner takes what it likes for transactions and rent: a pot is safe from everybody but it.
#[test]
fn the_treasurys_owner_takes_any_pot() {
    let washer = Washer {
        fees_atoms: 100 * POT,
        treasury_bps: 10_000,
    };
    let end = played(POT, HIGHEST_WEIGHT_BPS, washer);
    assert_eq!(end.gain_atoms, i128::from(end.taken_atoms));
    assert!(end.taken_atoms > POT / 100 * 98);
}

/// A share of the pot, rounded up to a tenth of a percent.
fn of_pot(atoms: i128) -> String {
    percent((atoms * 10_000 + i128::from(POT) - 1).div_euclid(i128::from(POT)))
}

/// What somebody loses who dilutes a pot, and what the others lose.
fn dilution_table() -> String {
    let mut text = String::from(
        "| the others scored | the washer pays in fees | it gets back | it loses | the others lose |\n\
         | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for others in [POT / 2, POT, 3 * POT] {
        for fees_atoms in [POT / 2, POT, 10 * POT] {
            let washer = Washer {
                fees_atoms,
                treasury_bps: 0,
            };
            let end = played(others, 9_000, washer);
            writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                of_pot(others.into()),
                of_pot(fees_atoms.into()),
                of_pot(end.taken_atoms.into()),
                of_pot(-end.gain_atoms),
                of_pot(end.others_lost_atoms.into()),
            )
            .unwrap();
        }
    }
    text
}

/// The least part of the treasury's fees with which the first atoms of washing pay, in basis points; more than one whole if
/// nothing makes them pay.
fn least_share_bps(others_score: u64, weight_bps: u16) -> u16 {
    let fees_atoms = POT / 1_000;
    let pays = |treasury_bps: &u16| {
        let washer = Washer {
            fees_atoms,
            treasury_bps: *treasury_bps,
        };
        played(others_score, weight_bps, washer).gain_atoms > 0
    };
    (0..=10_000).find(pays).unwrap_or(10_001)
}

/// From which share in the treasury on a washer gains.
fn treasury_table() -> String {
    let mut text = String::from(
        "| weight | others below the pot | others at twice the pot | at ten times |\n| ---: | ---: | ---: | ---: |\n",
    );
    for weight_bps in [5_000, 8_000, 9_000, HIGHEST_WEIGHT_BPS] {
        let shares = [0, 2 * POT, 10 * POT]
            .map(|others| percent(least_share_bps(others, weight_bps).into()));
        let weight = format!("{}.{:02} %", weight_bps / 100, weight_bps % 100);
        writeln!(
            text,
            "| {weight} | {} | {} | {} |",
            shares[0], shares[1], shares[2]
        )
        .unwrap();
    }
    text
}

#[test]
fn a_share_pays_only_above_what_the_weight_leaves() {
    for weight_bps in [1, 5_000, 9_000, HIGHEST_WEIGHT_BPS] {
        let least = least_share_bps(0, weight_bps);
        assert_eq!(least, 10_000 - weight_bps + 1);
        assert!(least_share_bps(10 * POT, weight_bps) >= least);
    }
}

/// The tables in the documents are those that are computed here.
#[test]
fn documents_say_what_was_computed() {
    assert_table("docs/THREATS.md", "dilution", &dilution_table());
    assert_table("docs/THREATS.md", "treasury", &treasury_table());
}
