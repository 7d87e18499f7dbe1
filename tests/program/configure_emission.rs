//! `configure_emission`: epochs, caps, weights, and where rewards end.

use super::common::*;

/// Caps: a higher one holds at once, a lower one from the next epoch; the mint and the epoch's length are fixed.
#[test]
fn rewards_are_configured() {
    let mut stage = Stage::new();
    let (authority, gold) = (stage.cast.authority, stage.gold);
    let emission = stage.emission();
    assert_eq!(
        (emission.reward_mint, emission.epoch_secs.get()),
        (gold, 86_400)
    );
    assert_eq!(
        (emission.cap_atoms.get(), emission.next_cap_atoms.get()),
        (1_000_000, 1_000_000)
    );
    assert_eq!(emission.epoch_index.get(), stage.now() as u64 / 86_400);
    assert_eq!(
        (
            emission.refereed_weight_bps.get(),
            emission.reviewed_weight_bps.get()
        ),
        (10_000, 5_000)
    );

    let with_cap = |cap_atoms| EmissionSettings {
        cap_atoms,
        ..emission_args()
    };
    let outcome = stage.ok(ix::configure_emission(&authority, &gold, with_cap(5)));
    assert!(matches!(outcome.event(), QuernEvent::EmissionConfigured(_)));
    let emission = stage.emission();
    assert_eq!(
        (emission.cap_atoms.get(), emission.next_cap_atoms.get()),
        (1_000_000, 5)
    );
    stage.ok(ix::configure_emission(
        &authority,
        &gold,
        with_cap(2_000_000),
    ));
    assert_eq!(stage.emission().cap_atoms.get(), 2_000_000);
    stage.ok(ix::configure_emission(&authority, &gold, with_cap(7)));
    stage.wait(DAY);
    stage.ok(ix::configure_emission(&authority, &gold, with_cap(7)));
    let emission = stage.emission();
    assert_eq!(
        (emission.cap_atoms.get(), emission.next_cap_atoms.get()),
        (7, 7),
        "the next epoch has begun"
    );
}

/// P5: a cap bounds an epoch, the emission's purse bounds everything, and neither ever blocks a payment.
#[test]
fn rewards_end_at_the_cap_and_at_the_purse() {
    let mut stage = Stage::new();
    let (authority, gold) = (stage.cast.authority, stage.gold);
    let settle = |stage: &mut Stage| {
        let mut args = stage.accepted();
        args.milestones = 1;
        let job = stage.job_in(JobState::Submitted, args);
        let outcome = stage.accept(&job);
        let QuernEvent::MilestoneSettled(event) = outcome.event() else {
            panic!("{outcome:?}")
        };
        event.reward_atoms
    };
    let with_cap = |cap_atoms| EmissionSettings {
        cap_atoms,
        ..emission_args()
    };
    stage.wait(DAY);
    stage.ok(ix::configure_emission(&authority, &gold, with_cap(600)));
    stage.wait(DAY);
    // 250 each, until the epoch's 600 are spent.
    assert_eq!(
        [
            settle(&mut stage),
            settle(&mut stage),
            settle(&mut stage),
            settle(&mut stage)
        ],
        [250, 250, 100, 0]
    );
    assert_eq!(stage.emission().spent_atoms.get(), 600);
    // A higher cap holds at once.
    stage.ok(ix::configure_emission(&authority, &gold, with_cap(700)));
    assert_eq!([settle(&mut stage), settle(&mut stage)], [100, 0]);
    // A lower one from the next epoch.
    stage.ok(ix::configure_emission(&authority, &gold, with_cap(10)));
    assert_eq!(settle(&mut stage), 0);
    let second = 86_400 - stage.now() % 86_400;
    stage.wait(second - 1);
    assert_eq!(settle(&mut stage), 0, "the last second of the epoch");
    stage.wait(1);
    assert_eq!(
        [settle(&mut stage), settle(&mut stage)],
        [10, 0],
        "the first second of the next"
    );
    // A cap of nothing.
    stage.ok(ix::configure_emission(&authority, &gold, with_cap(0)));
    stage.wait(DAY);
    assert_eq!(settle(&mut stage), 0);
    // An empty purse.
    stage.ok(ix::configure_emission(
        &authority,
        &gold,
        with_cap(u64::MAX),
    ));
    let (purse, left) = (
        addresses::purse(&addresses::emission(), &gold),
        stage.gold_of(&addresses::emission()).0,
    );
    let config = addresses::mint_config(&gold);
    stage.tamper(&purse, |purse: &mut Purse| purse.free_atoms = 3u64.into());
    stage.tamper(&config, |config: &mut quern::state::MintConfig| {
        config.total_atoms = (config.total_atoms.get() - left + 3).into();
    });
    assert_eq!([settle(&mut stage), settle(&mut stage)], [3, 0]);
    // Weights of nothing.
    stage.deposit(&addresses::emission(), &gold, 1_000_000);
    let none = EmissionSettings {
        refereed_weight_bps: 0,
        reviewed_weight_bps: 0,
        ..with_cap(u64::MAX)
    };
    stage.ok(ix::configure_emission(&authority, &gold, none));
    assert_eq!(settle(&mut stage), 0);
}

/// What `configure_emission` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::ShareTooHigh, "weight", |stage| {
            let args = EmissionSettings {
                reviewed_weight_bps: 10_001,
                ..emission_args()
            };
            ix::configure_emission(&stage.cast.authority, &stage.gold, args)
        }),
        (E::BadTimeSpan, "an empty epoch", |stage| {
            let args = EmissionSettings {
                epoch_secs: 0,
                ..emission_args()
            };
            ix::configure_emission(&stage.cast.authority, &stage.gold, args)
        }),
        (E::NotWashProof, "weights first, then the rate", |stage| {
            let low = EmissionSettings {
                refereed_weight_bps: 4_000,
                reviewed_weight_bps: 4_000,
                ..emission_args()
            };
            let (authority, gold) = (stage.cast.authority, stage.gold);
            stage.ok(ix::configure_emission(&authority, &gold, low));
            let rates = rates_with(|rates| rates.reward_rate_e9 = 2_499_999_999);
            stage.ok(ix::update_mint(
                &authority,
                &gold,
                MintSettings {
                    enabled: true,
                    rates,
                },
            ));
            let high = EmissionSettings {
                refereed_weight_bps: 4_001,
                ..low
            };
            ix::configure_emission(&authority, &gold, high)
        }),
        (E::EmissionFixed, "another reward mint", |stage| {
            let (emission, usd) = (addresses::emission(), stage.usd);
            stage.open(&emission, &usd);
            ix::configure_emission(&stage.cast.authority, &usd, emission_args())
        }),
        (E::EmissionFixed, "another epoch", |stage| {
            let args = EmissionSettings {
                epoch_secs: 86_401,
                ..emission_args()
            };
            ix::configure_emission(&stage.cast.authority, &stage.gold, args)
        }),
        (E::EmissionPurseMissing, "somebody else's purse", |stage| {
            let mut instruction =
                ix::configure_emission(&stage.cast.authority, &stage.gold, emission_args());
            instruction.accounts[4].pubkey = addresses::purse(&stage.cast.client, &stage.gold);
            instruction
        }),
    ]
}
