//! `join_campaign`: an entry for any provider, before the end.

use super::common::*;

#[test]
fn anybody_pays_for_any_provider_until_the_end() {
    let mut stage = Stage::new();
    let args = stage.campaign_args();
    let campaign = stage.sponsor(args);
    let (bank, provider) = (stage.bank(), stage.cast.provider);
    // Before it begins, too.
    stage.join(&campaign, &provider);
    let entry: Entry = stage.get(&addresses::entry(&campaign, &provider));
    assert_eq!(
        (entry.campaign, entry.provider, entry.payer),
        (campaign, provider, bank)
    );
    assert!(entry.score.is_zero());
    stage.fails(ix::join_campaign(&bank, &campaign, &provider));
    let sponsor = stage.cast.second;
    stage.set_time(args.end);
    stage.refused(
        ix::join_campaign(&bank, &campaign, &sponsor),
        QuernError::TooLate,
    );
    stage.set_time(args.end - 1);
    // A sponsor may take part.
    stage.join(&campaign, &sponsor);
}

/// What `join_campaign` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::Paused, "joining", |stage| {
            let campaign = stage.sponsor(stage.campaign_args());
            stage.ok(ix::set_pause(&stage.cast.guardian.clone(), true));
            ix::join_campaign(&stage.bank(), &campaign, &stage.cast.provider)
        }),
        (E::TooLate, "joining after the end", |stage| {
            let args = stage.campaign_args();
            let campaign = stage.sponsor(args);
            stage.set_time(args.end);
            ix::join_campaign(&stage.bank(), &campaign, &stage.cast.provider)
        }),
    ]
}
