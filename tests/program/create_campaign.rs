//! `create_campaign`: a pot is reserved, and what decides about it never changes.

use super::common::*;

fn create(stage: &Stage, change: impl FnOnce(&mut NewCampaign)) -> Instruction {
    let (sponsor, usd) = (stage.cast.second, stage.usd);
    let purse: Purse = stage.get(&addresses::purse(&sponsor, &usd));
    let mut args = stage.campaign_args();
    change(&mut args);
    ix::create_campaign(&sponsor, &usd, purse.opened.get(), args)
}

#[test]
fn reserves_the_pot_and_keeps_what_was_offered() {
    let mut stage = Stage::new();
    let sponsor = stage.cast.second;
    let mut args = stage.campaign_args();
    args.model = stage.model;
    args.kinds = 0b101;
    let (free, reserved) = stage.usd_of(&sponsor);
    let address = stage.sponsor(args);
    assert_eq!(
        stage.usd_of(&sponsor),
        (free - args.pot_atoms, reserved + args.pot_atoms)
    );
    let campaign: Campaign = stage.get(&address);
    assert_eq!((campaign.sponsor, campaign.mint), (sponsor, stage.usd));
    assert_eq!((campaign.model, campaign.kinds), (stage.model, 0b101));
    assert_eq!(campaign.pot_atoms.get(), args.pot_atoms);
    assert!(campaign.claimed_atoms.is_zero() && campaign.total_score.is_zero());
    let times = campaign.times();
    assert_eq!(
        [times.start, times.end, times.settle_by, times.claim_by],
        [args.start, args.end, args.settle_by, args.claim_by]
    );
    assert_eq!(
        (campaign.refereed_bps.get(), campaign.reviewed_bps.get()),
        (9_000, 5_000)
    );
    // The purse numbers jobs and campaigns alike, so no address recurs.
    let second = stage.sponsor(args);
    assert_ne!(address, second);
    let purse: Purse = stage.get(&addresses::purse(&sponsor, &stage.usd));
    assert_eq!(purse.opened.get(), 2);
}

#[test]
fn takes_the_last_atom_and_the_edges_of_time() {
    let mut stage = Stage::new();
    let (sponsor, usd) = (stage.cast.second, stage.usd);
    let (free, _) = stage.usd_of(&sponsor);
    let mut args = stage.campaign_args();
    args.pot_atoms = free + 1;
    stage.refused(
        ix::create_campaign(&sponsor, &usd, 0, args),
        QuernError::InsufficientFunds,
    );
    args.pot_atoms = free;
    args.start = stage.now();
    args.end = args.start + 1;
    args.settle_by = args.end + 1;
    args.claim_by = args.settle_by + DAY;
    args.refereed_bps = 0;
    args.reviewed_bps = 9_999;
    stage.sponsor(args);
    assert_eq!(stage.usd_of(&sponsor), (0, free));
}

/// What `create_campaign` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::Paused, "a campaign", |stage| {
            stage.ok(ix::set_pause(&stage.cast.guardian.clone(), true));
            create(stage, |_| ())
        }),
        (E::MintDisabled, "a campaign", |stage| {
            let authority = stage.cast.authority;
            let settings = MintSettings {
                rates: rates(),
                enabled: false,
            };
            stage.ok(ix::update_mint(&authority, &stage.usd.clone(), settings));
            create(stage, |_| ())
        }),
        (E::NotAuthorized, "from somebody else's purse", |stage| {
            let mut instruction = create(stage, |_| ());
            instruction.accounts[0].pubkey = stage.cast.stranger;
            instruction
        }),
        (E::WrongMint, "a purse of another mint", |stage| {
            let mut instruction = create(stage, |_| ());
            instruction.accounts[2].pubkey = addresses::mint_config(&stage.gold);
            instruction
        }),
        (E::ZeroAmount, "an empty pot", |stage| {
            create(stage, |args| args.pot_atoms = 0)
        }),
        (E::ZeroAmount, "no weight", |stage| {
            create(stage, |args| {
                (args.refereed_bps, args.reviewed_bps) = (0, 0)
            })
        }),
        (E::ShareTooHigh, "all of a refereed fee", |stage| {
            create(stage, |args| args.refereed_bps = 10_000)
        }),
        (E::ShareTooHigh, "all of a reviewed fee", |stage| {
            create(stage, |args| args.reviewed_bps = 10_000)
        }),
        (E::InsufficientFunds, "more than is free", |stage| {
            create(stage, |args| args.pot_atoms = u64::MAX)
        }),
        (E::UnknownKind, "no kind of work", |stage| {
            create(stage, |args| args.kinds = 0)
        }),
        (E::UnknownKind, "a kind that there is none of", |stage| {
            create(stage, |args| args.kinds = 0b1001)
        }),
        (E::BadTimeSpan, "that began already", |stage| {
            create(stage, |args| args.start -= 3_601)
        }),
        (E::BadTimeSpan, "that ends as it begins", |stage| {
            create(stage, |args| args.end = args.start)
        }),
        (E::BadTimeSpan, "that settles by its end", |stage| {
            create(stage, |args| args.settle_by = args.end)
        }),
        (E::BadTimeSpan, "too little time to claim", |stage| {
            create(stage, |args| args.claim_by = args.settle_by + DAY - 1)
        }),
        (E::BadTimeSpan, "claims in three years", |stage| {
            create(stage, |args| args.claim_by = args.start + 1_100 * DAY)
        }),
        (E::BadTimeSpan, "claims for ever", |stage| {
            create(stage, |args| args.claim_by = i64::MAX)
        }),
    ]
}
