//! `settle_conviction`: how a bond is split.

use super::common::*;

/// The conviction itself is written directly: the referee's instructions are not part of this version.
#[test]
fn a_conviction_is_paid_out() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let lamports = stage.lamports(&cast.client);
    let mut args = stage.refereed();
    args.bond_atoms = 20_001;
    let job = stage.job_in(JobState::Convicted, args);
    let outcome = stage.ok(ix::settle_conviction(&stage.job(&job)));
    let QuernEvent::ConvictionSettled(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.provider, event.prover, event.reason),
        (cast.provider, cast.prover, 1)
    );
    assert_eq!((event.released_atoms, event.prover_atoms), (10_000, 8_000));
    assert_eq!(
        (event.client_atoms, event.treasury_atoms),
        (4_000, 8_001),
        "rounding goes to the treasury"
    );
    assert_eq!(stage.usd_of(&cast.provider), (START - 20_001, 0));
    assert_eq!(stage.usd_of(&cast.prover), (8_000, 0));
    assert_eq!(stage.usd_of(&cast.client), (START + 4_000, 0));
    assert_eq!(stage.usd_of(&cast.treasury), (8_001, 0));
    assert_eq!(stage.provider_of(&cast.provider).convicted.get(), 1);
    assert_closed(&stage, &job, lamports);
}

/// Whoever convicts, the signer or author is the prover; coinciding with a party only loses.
#[test]
fn convicting_oneself_loses_most_of_the_bond() {
    for with_client in [false, true] {
        let mut stage = Stage::new();
        let cast = stage.cast.clone();
        let provider = cast.provider;
        let job = stage.job_in(JobState::Submitted, stage.refereed());
        stage.cast.prover = if with_client { cast.client } else { provider };
        let parties = [provider, cast.client];
        let before: u64 = parties
            .iter()
            .map(|who| {
                let (free, reserved) = stage.usd_of(who);
                free + reserved
            })
            .sum();
        stage.convict(&job);
        stage.ok(ix::settle_conviction(&stage.job(&job)));
        let after: u64 = parties
            .iter()
            .map(|who| {
                let (free, reserved) = stage.usd_of(who);
                free + reserved
            })
            .sum();
        assert_eq!(
            before - after,
            8_000,
            "together they lose the treasury's 40 %"
        );
    }
}

/// A prover needs a purse to be paid, which anybody opens; until then the conviction stands and nothing is lost.
#[test]
fn a_prover_without_a_purse_is_paid_once_it_has_one() {
    let mut stage = Stage::new();
    let job = stage.job_in(JobState::Submitted, stage.refereed());
    let (newcomer, usd) = (actor("newcomer"), stage.usd);
    stage.give_lamports(&newcomer);
    stage.cast.prover = newcomer;
    stage.convict(&job);
    let settle = ix::settle_conviction(&stage.job(&job));
    stage.refused(settle.clone(), QuernError::PurseMissing);
    stage.open(&newcomer, &usd);
    stage.ok(settle);
    assert_eq!(stage.usd_of(&newcomer).0, 8_000);
}
