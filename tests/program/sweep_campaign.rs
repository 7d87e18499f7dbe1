//! `sweep_campaign`: the rest of a pot goes back when nobody may claim any more.

use super::{
    claim_campaign::{after_settling, scored},
    common::*,
};

fn sweep(stage: &Stage, campaign: &Pubkey) -> Instruction {
    ix::sweep_campaign(&stage.get(campaign))
}

#[test]
fn gives_the_rest_back_after_the_claims() {
    let mut stage = Stage::new();
    let campaign = scored(&mut stage, |_| ());
    let (provider, sponsor) = (stage.cast.provider, stage.cast.second);
    after_settling(&mut stage, &campaign);
    let claim = stage.claim_ix(&campaign, &provider);
    stage.ok(claim);
    let claim_by = stage.get::<Campaign>(&campaign).claim_by.get();
    let instruction = sweep(&stage, &campaign);
    stage.set_time(claim_by);
    stage.refused(instruction.clone(), QuernError::TooEarly);
    stage.set_time(claim_by + 1);
    let (before, lamports) = (stage.usd_of(&sponsor), stage.lamports(&sponsor));
    let outcome = stage.ok(instruction.clone());
    let QuernEvent::CampaignSwept(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!((event.sponsor, event.released_atoms), (sponsor, 775));
    assert_eq!(stage.usd_of(&sponsor), (before.0 + 775, before.1 - 775));
    assert!(!stage.exists(&campaign));
    assert_eq!(
        stage.lamports(&sponsor),
        lamports + rent(&stage, space::<Campaign>())
    );
    stage.fails(instruction);
}

#[test]
fn a_campaign_in_which_nobody_scored_ends_when_scores_are_fixed() {
    let mut stage = Stage::new();
    let args = stage.campaign_args();
    let campaign = stage.sponsor(args);
    let provider = stage.cast.provider;
    stage.join(&campaign, &provider);
    let instruction = sweep(&stage, &campaign);
    stage.set_time(args.settle_by);
    stage.refused(instruction.clone(), QuernError::TooEarly);
    stage.set_time(args.settle_by + 1);
    stage.ok(instruction);
    // The entry's rent goes back, and that is all.
    let claim = stage.claim_ix(&campaign, &provider);
    stage.ok(claim);
    assert!(!stage.exists(&addresses::entry(&campaign, &provider)));
}

/// In one slot around the last moment for claims, in both orders.
#[test]
fn claims_and_sweeps_never_meet() {
    let mut stage = Stage::new();
    let campaign = scored(&mut stage, |_| ());
    let (provider, sponsor) = (stage.cast.provider, stage.cast.second);
    let claim_by = stage.get::<Campaign>(&campaign).claim_by.get();
    let (claim, sweep) = (
        stage.claim_ix(&campaign, &provider),
        sweep(&stage, &campaign),
    );
    stage.set_time(claim_by);
    for both in [[&claim, &sweep], [&sweep, &claim]] {
        let failure = stage.fails_all(&both.map(Clone::clone));
        assert_eq!(failure.code(), Some(code_of(QuernError::TooEarly)));
    }
    stage.set_time(claim_by + 1);
    let failure = stage.fails_all(&[claim.clone(), sweep.clone()]);
    assert_eq!(failure.code(), Some(code_of(QuernError::TooLate)));
    let before = (stage.usd_of(&provider), stage.usd_of(&sponsor));
    stage.world.ok_all(&[sweep, claim]);
    assert_eq!(stage.usd_of(&provider), before.0);
    let (free, reserved) = before.1;
    assert_eq!(stage.usd_of(&sponsor), (free + 1_000, reserved - 1_000));
    assert!(!stage.exists(&addresses::entry(&campaign, &provider)));
}

#[test]
fn nothing_begins_again_after_a_sweep() {
    let mut stage = Stage::new();
    let args = stage.campaign_args();
    let (sponsor, bank, usd) = (stage.cast.second, stage.bank(), stage.usd);
    let campaign = stage.sponsor(args);
    let provider = stage.cast.provider;
    let join = ix::join_campaign(&bank, &campaign, &provider);
    let named = stage.get::<Campaign>(&campaign).n.get();
    stage.set_time(args.settle_by + 1);
    let instruction = sweep(&stage, &campaign);
    stage.ok(instruction);
    stage.fails(join);
    stage.fails({
        let mut job = stage.refereed();
        job.campaign = campaign;
        stage.create_ix(job)
    });
    // Its address never recurs: the purse's counter has gone on.
    let again = ix::create_campaign(&sponsor, &usd, named, stage.campaign_args());
    stage.fails(again);
    let next = stage.sponsor(stage.campaign_args());
    assert_ne!(next, campaign);
    assert!(!stage.exists(&campaign));
}

/// What `sweep_campaign` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::TooEarly, "a sweep while there may be claims", |stage| {
            let campaign = scored(stage, |_| ());
            after_settling(stage, &campaign);
            sweep(stage, &campaign)
        }),
        (E::PurseMissing, "into somebody else's purse", |stage| {
            let args = stage.campaign_args();
            let campaign = stage.sponsor(args);
            stage.set_time(args.settle_by + 1);
            let stranger = stage.cast.stranger;
            sweep(stage, &campaign).with_purse_of_at(1, &stranger, &stage.usd)
        }),
        (E::WrongRecipient, "rent for somebody else", |stage| {
            let args = stage.campaign_args();
            let campaign = stage.sponsor(args);
            stage.set_time(args.settle_by + 1);
            let mut instruction = sweep(stage, &campaign);
            instruction.accounts[2].pubkey = stage.cast.stranger;
            instruction
        }),
    ]
}
