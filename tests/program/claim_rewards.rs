//! `claim_rewards`: what has accrued, to the owner's purse.

use super::common::*;

#[test]
fn rewards_accrue_and_are_claimed() {
    let mut stage = Stage::new();
    let (provider, gold) = (stage.cast.provider, stage.gold);
    stage.refused(
        ix::claim_rewards(&provider, &gold),
        QuernError::NothingToClaim,
    );
    let job = stage.job_in(quern::state::JobState::Submitted, stage.refereed());
    stage.at_deadline(&job, 1);
    stage.finalize(&job);
    // The fee of 250 earns two reward atoms each at full weight.
    let entry = stage.provider_of(&provider);
    assert_eq!(
        (
            entry.rewards_accrued_atoms.get(),
            entry.rewards_claimed_atoms.get()
        ),
        (500, 0)
    );
    assert_eq!(
        stage.gold_of(&addresses::emission()),
        (DEPOSIT_ATOMS - 500, 500)
    );
    assert_eq!(stage.emission().outstanding_atoms.get(), 500);
    let outcome = stage.ok(ix::claim_rewards(&provider, &gold));
    let QuernEvent::RewardsClaimed(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.owner, event.mint, event.amount_atoms),
        (provider, gold, 500)
    );
    assert_eq!(stage.gold_of(&provider), (DEPOSIT_ATOMS + 500, 0));
    assert_eq!(
        stage.gold_of(&addresses::emission()),
        (DEPOSIT_ATOMS - 500, 0)
    );
    assert_eq!(stage.emission().outstanding_atoms.get(), 0);
    stage.refused(
        ix::claim_rewards(&provider, &gold),
        QuernError::NothingToClaim,
    );
}

/// What `claim_rewards` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (
            E::ReservationShort,
            "outstanding rewards that vanished",
            |stage| {
                let instruction = settlement(stage);
                stage.ok(instruction);
                stage.tamper(&addresses::emission(), |emission: &mut Emission| {
                    emission.outstanding_atoms = 1u64.into()
                });
                ix::claim_rewards(&stage.cast.provider, &stage.gold)
            },
        ),
        (E::PurseMissing, "in another mint at a claim", |stage| {
            let instruction = settlement(stage);
            stage.ok(instruction);
            let claim = ix::claim_rewards(&stage.cast.provider, &stage.gold);
            claim.with_purse_of_at(4, &stage.cast.provider, &stage.usd)
        }),
        (E::NothingToClaim, "a new provider", |stage| {
            ix::claim_rewards(&stage.cast.provider, &stage.gold)
        }),
        (E::InvariantBroken, "more claimed than accrued", |stage| {
            let provider = addresses::provider(&stage.cast.provider);
            stage.tamper(&provider, |provider: &mut Provider| {
                provider.rewards_accrued_atoms = 5u64.into()
            });
            stage
                .world
                .svm
                .set_account(provider, {
                    let mut account = stage.world.svm.get_account(&provider).unwrap();
                    let at = 8 + core::mem::offset_of!(Provider, rewards_claimed_atoms);
                    account.data[at..at + 8].copy_from_slice(&6u64.to_le_bytes());
                    account
                })
                .unwrap();
            ix::claim_rewards(&stage.cast.provider, &stage.gold)
        }),
    ]
}
