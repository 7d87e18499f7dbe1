//! `claim_campaign`: each entry once, to the provider, by anybody.

use super::common::*;

/// A campaign in which the provider has scored 225 (90 % of a fee of 250) with one refereed milestone.
pub fn scored(stage: &mut Stage, change: impl FnOnce(&mut NewCampaign)) -> Pubkey {
    let mut args = stage.campaign_args();
    change(&mut args);
    let campaign = stage.sponsor(args);
    let provider = stage.cast.provider;
    stage.join(&campaign, &provider);
    stage.set_time(args.start);
    let mut job = stage.refereed();
    job.campaign = campaign;
    let job = stage.job_in(JobState::Submitted, job);
    stage.at_deadline(&job, 1);
    stage.finalize(&job);
    campaign
}

/// Moves time to just after scores are fixed.
pub fn after_settling(stage: &mut Stage, campaign: &Pubkey) {
    let settle_by = stage.get::<Campaign>(campaign).settle_by.get();
    stage.set_time(settle_by + 1);
}

#[test]
fn a_score_below_the_pot_is_paid_in_full_and_once() {
    let mut stage = Stage::new();
    let campaign = scored(&mut stage, |_| ());
    let (provider, sponsor, bank) = (stage.cast.provider, stage.cast.second, stage.bank());
    let claim = stage.claim_ix(&campaign, &provider);
    stage.refused(claim.clone(), QuernError::TooEarly);
    let settle_by = stage.get::<Campaign>(&campaign).settle_by.get();
    stage.set_time(settle_by);
    stage.refused(claim.clone(), QuernError::TooEarly);
    stage.set_time(settle_by + 1);
    let (before, pot) = (stage.usd_of(&provider), stage.usd_of(&sponsor));
    let lamports = stage.lamports(&bank);
    let outcome = stage.ok(claim.clone());
    let QuernEvent::CampaignClaimed(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (
            event.campaign,
            event.provider,
            event.score,
            event.amount_atoms
        ),
        (campaign, provider, 225, 225)
    );
    assert_eq!(stage.usd_of(&provider), (before.0 + 225, before.1));
    assert_eq!(stage.usd_of(&sponsor), (pot.0, pot.1 - 225));
    let entry = addresses::entry(&campaign, &provider);
    assert!(!stage.exists(&entry), "it pays once");
    assert_eq!(
        stage.lamports(&bank),
        lamports + rent(&stage, space::<Entry>())
    );
    stage.fails(claim);
    // Joining again is for what has not ended.
    stage.refused(
        ix::join_campaign(&bank, &campaign, &provider),
        QuernError::TooLate,
    );
}

#[test]
fn scores_above_the_pot_share_it() {
    for (pot, first, second) in [(1, 0, 0), (224, 149, 74), (336, 224, 111), (337, 225, 112)] {
        let mut stage = Stage::new();
        let campaign = scored(&mut stage, |args| args.pot_atoms = pot);
        let (provider, other) = (stage.cast.provider, stage.cast.second);
        // A second provider with half the score: the account says so, and the total with it.
        let end = stage.get::<Campaign>(&campaign).end.get();
        stage.set_time(end - 1);
        stage.join(&campaign, &other);
        stage.tamper(&addresses::entry(&campaign, &other), |entry: &mut Entry| {
            entry.score = 112u64.into()
        });
        stage.tamper(&campaign, |campaign: &mut Campaign| {
            campaign.total_score = 337u64.into()
        });
        after_settling(&mut stage, &campaign);
        for (owner, amount) in [(other, second), (provider, first)] {
            let claim = stage.claim_ix(&campaign, &owner);
            let outcome = stage.ok(claim);
            let QuernEvent::CampaignClaimed(event) = outcome.event() else {
                panic!("{outcome:?}")
            };
            assert_eq!(event.amount_atoms, amount, "{owner} of {pot}");
        }
        let campaign: Campaign = stage.get(&campaign);
        assert_eq!(campaign.claimed_atoms.get(), first + second);
    }
}

#[test]
fn claims_end_and_what_is_left_over_only_gives_rent_back() {
    let mut stage = Stage::new();
    let campaign = scored(&mut stage, |_| ());
    let (provider, bank) = (stage.cast.provider, stage.bank());
    let claim_by = stage.get::<Campaign>(&campaign).claim_by.get();
    let claim = stage.claim_ix(&campaign, &provider);
    stage.set_time(claim_by + 1);
    stage.refused(claim, QuernError::TooLate);
    let sweep = ix::sweep_campaign(&stage.get(&campaign));
    stage.ok(sweep);
    let (before, lamports) = (stage.usd_of(&provider), stage.lamports(&bank));
    let claim = stage.claim_ix(&campaign, &provider);
    stage.ok(claim);
    assert_eq!(stage.usd_of(&provider), before);
    assert_eq!(
        stage.lamports(&bank),
        lamports + rent(&stage, space::<Entry>())
    );
}

#[test]
fn a_pause_and_a_disabled_mint_block_no_claim() {
    let mut stage = Stage::new();
    let campaign = scored(&mut stage, |_| ());
    after_settling(&mut stage, &campaign);
    let (authority, usd) = (stage.cast.authority, stage.usd);
    stage.ok(ix::set_pause(&authority, true));
    let settings = MintSettings {
        rates: rates(),
        enabled: false,
    };
    stage.ok(ix::update_mint(&authority, &usd, settings));
    let claim = stage.claim_ix(&campaign, &stage.cast.provider.clone());
    stage.ok(claim);
}

/// What `claim_campaign` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (
            E::TooEarly,
            "a claim while scores may still move",
            |stage| {
                let campaign = scored(stage, |_| ());
                stage.claim_ix(&campaign, &stage.cast.provider)
            },
        ),
        (E::TooLate, "a claim after the last moment", |stage| {
            let campaign = scored(stage, |_| ());
            let claim_by = stage.get::<Campaign>(&campaign).claim_by.get();
            stage.set_time(claim_by + 1);
            stage.claim_ix(&campaign, &stage.cast.provider)
        }),
        (E::WrongCampaign, "of another campaign", |stage| {
            let campaign = scored(stage, |_| ());
            after_settling(stage, &campaign);
            let mut args = stage.campaign_args();
            args.pot_atoms = 5;
            let other = stage.sponsor(args);
            let mut claim = stage.claim_ix(&campaign, &stage.cast.provider);
            claim.accounts[1].pubkey = other;
            claim
        }),
        (E::WrongRecipient, "rent for somebody else", |stage| {
            let campaign = scored(stage, |_| ());
            after_settling(stage, &campaign);
            let mut claim = stage.claim_ix(&campaign, &stage.cast.provider);
            claim.accounts[2].pubkey = stage.cast.stranger;
            claim
        }),
        (E::PurseMissing, "into somebody else's purse", |stage| {
            let campaign = scored(stage, |_| ());
            after_settling(stage, &campaign);
            let claim = stage.claim_ix(&campaign, &stage.cast.provider);
            let last = claim.accounts.len() - 1;
            let stranger = stage.cast.stranger;
            claim.with_purse_of_at(last, &stranger, &stage.usd)
        }),
    ]
}
