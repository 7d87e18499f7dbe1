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
    // Scores of 225, 112 and 63: 400 together.
    for (pot, amounts) in [
        (1, [0, 0, 0]),
        (224, [126, 62, 35]),
        (399, [224, 111, 62]),
        (400, [225, 112, 63]),
        (401, [225, 112, 63]),
    ] {
        let mut stage = Stage::new();
        let campaign = scored(&mut stage, |args| args.pot_atoms = pot);
        let cast = stage.cast.clone();
        stage.ok(ix::register_provider(
            &cast.stranger,
            provider_args(&cast.stranger),
        ));
        // The scores of the others are written into the accounts.
        let end = stage.get::<Campaign>(&campaign).end.get();
        stage.set_time(end - 1);
        stage.join(&campaign, &cast.second);
        stage.join(&campaign, &cast.stranger);
        for (other, score) in [(cast.second, 112u64), (cast.stranger, 63)] {
            stage.tamper(&addresses::entry(&campaign, &other), |entry: &mut Entry| {
                entry.score = score.into()
            });
        }
        stage.tamper(&campaign, |campaign: &mut Campaign| {
            campaign.total_score = 400u64.into()
        });
        after_settling(&mut stage, &campaign);
        let owners = [cast.provider, cast.second, cast.stranger];
        // In whichever order they come.
        for (owner, amount) in owners.into_iter().zip(amounts).rev() {
            let claim = stage.claim_ix(&campaign, &owner);
            let outcome = stage.ok(claim);
            let QuernEvent::CampaignClaimed(event) = outcome.event() else {
                panic!("{outcome:?}")
            };
            assert_eq!(event.amount_atoms, amount, "{owner} of {pot}");
        }
        let campaign: Campaign = stage.get(&campaign);
        assert_eq!(campaign.claimed_atoms.get(), amounts.iter().sum::<u64>());
    }
}

#[test]
fn a_score_of_nothing_closes_the_entry() {
    let mut stage = Stage::new();
    let campaign = scored(&mut stage, |_| ());
    let (sponsor, bank) = (stage.cast.second, stage.bank());
    stage.join(&campaign, &sponsor);
    after_settling(&mut stage, &campaign);
    let (before, lamports) = (stage.usd_of(&sponsor), stage.lamports(&bank));
    let claim = stage.claim_ix(&campaign, &sponsor);
    stage.ok(claim);
    assert_eq!(stage.usd_of(&sponsor), before);
    let rent = rent(&stage, space::<Entry>());
    assert_eq!(stage.lamports(&bank), lamports + rent);
    assert!(!stage.exists(&addresses::entry(&campaign, &sponsor)));
}

/// Who has joined and never worked may have no purse in the campaign's mint: its entry closes all the same.
#[test]
fn a_score_of_nothing_needs_no_purse() {
    let mut stage = Stage::new();
    let campaign = scored(&mut stage, |_| ());
    let (joined, usd) = (actor("newcomer"), stage.usd);
    stage.give_lamports(&joined);
    stage.ok(ix::register_provider(&joined, provider_args(&joined)));
    stage.join(&campaign, &joined);
    assert!(!stage.exists(&addresses::purse(&joined, &usd)));
    after_settling(&mut stage, &campaign);
    let bank = stage.bank();
    let before = stage.lamports(&bank);
    let claim = stage.claim_ix(&campaign, &joined);
    let outcome = stage.ok(claim);
    let QuernEvent::CampaignClaimed(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!((event.score, event.amount_atoms), (0, 0));
    assert!(!stage.exists(&addresses::entry(&campaign, &joined)));
    let rent = rent(&stage, space::<Entry>());
    assert_eq!(stage.lamports(&bank), before + rent);
}

/// Sponsor, provider, client, treasury, creator and who paid for the entry may be one another.
#[test]
fn every_coincidence_of_roles_claims_and_sweeps() {
    type Change = fn(&mut Cast);
    let changes: [(&str, Change); 7] = [
        ("nobody is another", |_| ()),
        ("the sponsor is the provider", |cast| {
            cast.second = cast.provider
        }),
        ("the sponsor is the client", |cast| {
            cast.second = cast.client
        }),
        ("the sponsor is the treasury", |cast| {
            cast.second = cast.treasury
        }),
        ("the provider is the treasury", |cast| {
            cast.treasury = cast.provider
        }),
        ("the client is the treasury", |cast| {
            cast.treasury = cast.client
        }),
        ("the provider is sponsor, treasury and creator", |cast| {
            (cast.second, cast.treasury, cast.creator) =
                (cast.provider, cast.provider, cast.provider)
        }),
    ];
    for (what, change) in changes {
        let mut cast = Cast::usual();
        change(&mut cast);
        let stage = Stage::with(cast.clone());
        for payer in [cast.provider, cast.second, cast.client, cast.treasury] {
            println!("{what}; {payer} pays for the entry");
            let mut stage = stage.clone();
            let args = stage.campaign_args();
            let campaign = stage.sponsor(args);
            stage.ok(ix::join_campaign(&payer, &campaign, &cast.provider));
            stage.set_time(args.start);
            let mut job = stage.refereed();
            job.campaign = campaign;
            let job = stage.job_in(JobState::Submitted, job);
            stage.at_deadline(&job, 1);
            stage.finalize(&job);
            after_settling(&mut stage, &campaign);
            let claim = stage.claim_ix(&campaign, &cast.provider);
            let outcome = stage.ok(claim);
            let QuernEvent::CampaignClaimed(event) = outcome.event() else {
                panic!("{outcome:?}")
            };
            assert_eq!(event.amount_atoms, 225);
            stage.set_time(args.claim_by + 1);
            let sweep = ix::sweep_campaign(&stage.get(&campaign));
            stage.ok(sweep);
            assert_eq!(stage.usd_of(&cast.second).1, 0);
        }
    }
}

/// Anybody lets a provider join, and so chooses who gets the rent: whatever becomes of that account, the claim goes through.
#[test]
fn no_payer_of_rent_blocks_a_claim() {
    let mut stage = Stage::new();
    let campaign = scored(&mut stage, |_| ());
    after_settling(&mut stage, &campaign);
    let (provider, bank) = (stage.cast.provider, stage.bank());
    let claim = stage.claim_ix(&campaign, &provider);
    let before = stage.usd_of(&provider).0;
    let elf = std::fs::read(quern_testkit::program_so()).unwrap();
    let owned = |stage: &mut Stage, owner: Pubkey, bytes: usize| {
        let account = Account {
            lamports: rent(stage, bytes),
            data: vec![0; bytes],
            owner,
            ..Account::default()
        };
        stage.svm.set_account(bank, account).unwrap();
    };
    type Become<'a> = &'a dyn Fn(&mut Stage);
    let becomes: [(&str, Become); 4] = [
        ("nothing", &|stage| {
            stage.svm.set_account(bank, Account::default()).unwrap()
        }),
        ("an account of another program", &|stage| {
            owned(stage, stage.cast.stranger, 80)
        }),
        ("a token account", &|stage| {
            owned(stage, addresses::TOKEN_PROGRAM, 165)
        }),
        ("a program", &|stage| {
            stage.svm.add_program(bank, &elf).unwrap();
            let account = stage.svm.get_account(&bank).unwrap();
            assert!(account.executable);
        }),
    ];
    for (what, become_it) in becomes {
        let mut stage = stage.clone();
        become_it(&mut stage);
        let sent = stage.try_send(std::slice::from_ref(&claim));
        sent.unwrap_or_else(|failure| panic!("{what}: {failure:?}"));
        assert_eq!(stage.usd_of(&provider).0, before + 225, "{what}");
    }
}

/// Neither a frozen vault nor wallets without a lamport stand in the way.
#[test]
fn no_outside_account_blocks_a_claim_or_a_sweep() {
    let mut stage = Stage::new();
    let campaign = scored(&mut stage, |_| ());
    let (cast, usd) = (stage.cast.clone(), stage.usd);
    for wallet in [cast.provider, cast.second, stage.bank()] {
        for account in [wallet, token::account(&stage, &wallet, &usd)] {
            stage.svm.set_account(account, Account::default()).unwrap();
        }
    }
    let vault = addresses::vault(&usd);
    let mut account = stage.svm.get_account(&vault).unwrap();
    account.data[108] = 2;
    stage.svm.set_account(vault, account).unwrap();
    after_settling(&mut stage, &campaign);
    let claim = stage.claim_ix(&campaign, &cast.provider);
    stage.ok(claim);
    let claim_by = stage.get::<Campaign>(&campaign).claim_by.get();
    stage.set_time(claim_by + 1);
    let sweep = ix::sweep_campaign(&stage.get(&campaign));
    stage.ok(sweep);
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
    // To who paid it, and to nobody else.
    let mut elsewhere = stage.claim_ix(&campaign, &provider);
    elsewhere.accounts[2].pubkey = stage.cast.stranger;
    stage.refused(elsewhere, QuernError::WrongRecipient);
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
        (E::PurseMissing, "into a purse of another mint", |stage| {
            let campaign = scored(stage, |_| ());
            after_settling(stage, &campaign);
            let claim = stage.claim_ix(&campaign, &stage.cast.provider);
            let last = claim.accounts.len() - 1;
            let provider = stage.cast.provider;
            claim.with_purse_of_at(last, &provider, &stage.gold)
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
