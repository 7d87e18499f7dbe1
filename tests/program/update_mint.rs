//! `update_mint`: rates for new jobs.

use super::common::*;

#[test]
fn a_mints_rates_change_for_new_jobs() {
    let mut stage = Stage::new();
    let (authority, usd) = (stage.cast.authority, stage.usd);
    let new = MintRates {
        reward_rate_e9: 1,
        least_price_atoms: 50_000,
        price_per_gwork_atoms: 3,
        bond_per_gwork_atoms: 4,
    };
    let outcome = stage.ok(ix::update_mint(
        &authority,
        &usd,
        MintSettings {
            enabled: true,
            rates: new,
        },
    ));
    assert!(matches!(outcome.event(), QuernEvent::MintUpdated(e) if e.mint == usd));
    let config: MintConfig = stage.get(&addresses::mint_config(&usd));
    assert_eq!(config.reward_rate_e9.get(), 1);
    assert_eq!(config.price_per_gwork_atoms.get(), 3);
    assert_eq!(config.bond_per_gwork_atoms.get(), 4);
    stage.refused(stage.create_ix(stage.refereed()), QuernError::PriceTooLow);
    stage.ok(ix::update_mint(
        &authority,
        &usd,
        MintSettings {
            enabled: false,
            rates: rates(),
        },
    ));
    stage.refused(stage.create_ix(stage.refereed()), QuernError::MintDisabled);
    // Deposits and withdrawals go on.
    let client = stage.cast.client;
    stage.deposit(&client, &usd, 1);
    stage.withdraw(&client, &usd, 1);
}

/// What `update_mint` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (
            E::NotWashProof,
            "rate times weight of 1 in the reward mint",
            |stage| {
                let rates = rates_with(|rates| rates.reward_rate_e9 = 1_000_000_000);
                ix::update_mint(
                    &stage.cast.authority,
                    &stage.gold,
                    MintSettings {
                        enabled: true,
                        rates,
                    },
                )
            },
        ),
        (E::ZeroAmount, "a least price", |stage| {
            let rates = rates_with(|rates| rates.least_price_atoms = 0);
            ix::update_mint(
                &stage.cast.authority,
                &stage.usd,
                MintSettings {
                    enabled: true,
                    rates,
                },
            )
        }),
    ]
}
