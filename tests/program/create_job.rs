//! `create_job`: sizes, addresses, and what is refused.

use super::common::*;

/// P10: lamports that arrive in the transaction that closes a job do not bring it back.
#[test]
fn a_closed_job_cannot_be_revived() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let mut args = stage.accepted();
    args.milestones = 1;
    let job = stage.job_in(JobState::Submitted, args);
    let accept = ix::accept(&stage.job(&job), &stage.emission());
    let mut data = vec![2, 0, 0, 0];
    data.extend(1_000_000_000u64.to_le_bytes());
    let gift = Instruction {
        program_id: addresses::SYSTEM_PROGRAM,
        accounts: vec![
            solana_sdk::instruction::AccountMeta::new(cast.stranger, true),
            solana_sdk::instruction::AccountMeta::new(job, false),
        ],
        data,
    };
    // Settled twice in one transaction: refused as a whole.
    stage.fails_all(&[accept.clone(), gift.clone(), accept.clone()]);
    // Settled once and revived: nothing of the program's is left.
    stage.ok_all(&[accept.clone(), gift]);
    assert!(!stage.exists(&job));
    assert!(stage.svm.get_account(&job).unwrap().data.is_empty());
    stage.fails(accept);
}

/// The largest instructions fit into a transaction, compute budget included.
#[test]
fn the_largest_arguments_fit_into_a_transaction() {
    let mut stage = Stage::new();
    let (creator, client) = (stage.cast.creator, stage.cast.client);
    // Eight inputs.
    let mut builder = quern_proof::builder::GraphBuilder::new();
    let dtype = quern_proof::DType::I8;
    let inputs: Vec<_> = (0..8).map(|_| builder.input_item(dtype, 1, 4)).collect();
    let mut sum = inputs[0];
    for input in &inputs[1..] {
        sum = builder.mix(sum).plus(*input).push();
    }
    let bytes = builder.finish().unwrap();
    let mut args = model_args(30, 0);
    args.name = "n".repeat(32);
    args.uri = "u".repeat(200);
    for instruction in ix::register_whole_model(&creator, args, &bytes) {
        stage.ok(instruction);
    }
    let model = addresses::model(&creator, 30);
    let args = NewJob {
        input_roots: vec![[9; 32]; 8],
        input_uri: "u".repeat(200),
        pinned_provider: stage.cast.provider,
        ..stage.refereed()
    };
    let usd = stage.usd;
    let outcome = stage.ok(stage.create_ix_of(&client, &usd, Some(&model), args));
    assert!(outcome.bytes <= MAX_TRANSACTION_BYTES);
    let job = addresses::job(&client, &usd, 0);
    let (operator, owner) = (stage.cast.operator, stage.cast.provider);
    stage.ok(ix::take_job(&operator, &owner, &stage.job(&job)));
    let mut args = proof(1);
    args.output_uri = "o".repeat(200);
    stage.ok(ix::submit(&stage.cast.operator, &stage.job(&job), args));
    stage.at_deadline(&job, 1);
    stage.finalize(&job);
    // A piece of a program.
    stage.ok(ix::register_model(
        &creator,
        model_args(31, 2 * ix::MAX_PIECE_BYTES),
    ));
    let model = addresses::model(&creator, 31);
    stage.ok(ix::write_model(
        &creator,
        &model,
        7,
        &[1; ix::MAX_PIECE_BYTES],
    ));
}

/// A10: whatever the job copies and the client pays or waits by is what the client read, or there is no job.
#[test]
fn a_job_gets_the_terms_that_its_client_read() {
    type Change = fn(&mut quern::state::ProtocolSettings);
    let changes: [Change; 11] = [
        |settings| settings.fee_bps -= 1,
        |settings| settings.late_penalty_bps += 1,
        |settings| settings.reject_bps = 5_000,
        |settings| settings.arbiter_bps = 2_000,
        |settings| settings.demand_fee_lamports += 1,
        |settings| settings.response_secs += 1,
        |settings| settings.react_secs += 1,
        |settings| settings.resolve_secs = 30 * 86_400,
        |settings| settings.grace_secs += 1,
        |settings| settings.restart_grace_secs += 1,
        |settings| settings.treasury_owner = actor("arbiter"),
    ];
    let stage = Stage::new();
    let authority = stage.cast.authority;
    let create = stage.create_ix(stage.accepted());
    for change in changes {
        let mut stage = stage.clone();
        let mut settings = settings(&stage.cast);
        change(&mut settings);
        stage.ok(ix::update_protocol(&authority, Some(settings), None));
        stage.refused(create.clone(), QuernError::TermsChanged);
        // Read again, it is a job on the new terms.
        let job = stage.create(stage.accepted());
        assert_eq!(stage.job(&job).terms, stage.protocol().terms);
    }
    // A new owner of the model is another one to pay.
    let mut stage = stage.clone();
    let (creator, model, client) = (stage.cast.creator, stage.model, stage.cast.client);
    stage.ok(ix::update_model(&creator, &model, None, Some(client)));
    stage.ok(ix::accept_model_owner(&client, &model));
    stage.refused(create.clone(), QuernError::TermsChanged);
}

/// A second try, or one that lands after another job was created, makes no second job.
#[test]
fn a_creation_counts_once() {
    let mut stage = Stage::new();
    let create = stage.create_ix(stage.refereed());
    stage.ok(create.clone());
    stage.fails(create.clone());
    let job = stage.list::<Job>()[0].0;
    stage.ok(ix::cancel_job(&stage.job(&job)));
    stage.fails(create);
    assert!(stage.list::<Job>().is_empty());
}

/// A campaign is an account of its own type at the address that the job names, and exists.
#[test]
fn nothing_else_passes_for_a_campaign() {
    let mut stage = Stage::new();
    let campaign = stage.sponsor(stage.campaign_args());
    let (provider, sponsor, usd) = (stage.cast.provider, stage.cast.second, stage.usd);
    stage.join(&campaign, &provider);
    let purse: Purse = stage.get(&addresses::purse(&sponsor, &usd));
    for (what, address) in [
        (
            "an account of another program",
            token::account(&stage, &provider, &usd),
        ),
        ("a job", stage.create(stage.refereed())),
        ("an entry", addresses::entry(&campaign, &provider)),
        ("a purse", addresses::purse(&sponsor, &usd)),
        (
            "a campaign that there will be",
            addresses::campaign(&sponsor, &usd, purse.opened.get()),
        ),
    ] {
        println!("{what}");
        let create = create_with(&stage, |args| args.campaign = address);
        stage.fails(create);
    }
}

#[test]
fn a_review_fits_before_settling_to_the_second() {
    // The usual graph has 15 questions at most, of seven hours each.
    const QUESTIONS_SECS: i64 = 15 * (RESPONSE + REACT);
    for (room_secs, refereed, reviewed) in [
        (1_199, false, false),
        (1_200, false, true),
        (QUESTIONS_SECS + 3_599, false, true),
        (QUESTIONS_SECS + 3_600, true, true),
    ] {
        let mut stage = Stage::new();
        let mut offered = stage.campaign_args();
        offered.settle_by = offered.end + room_secs;
        let campaign = stage.sponsor(offered);
        for (fits, create) in [
            (
                refereed,
                create_with(&stage, |args| args.campaign = campaign),
            ),
            (
                reviewed,
                accepted_with(&stage, |args| args.campaign = campaign),
            ),
        ] {
            if fits {
                stage.clone().ok(create);
            } else {
                stage.refused(create, QuernError::CampaignMisfit);
            }
        }
    }
}

/// One incentive a job: what names a campaign copies no reward rate, everything else does.
#[test]
fn a_job_of_a_campaign_copies_no_reward_rate() {
    let mut stage = Stage::new();
    let mut offered = stage.campaign_args();
    (offered.model, offered.kinds) = (stage.model, 0b001);
    let campaign = stage.sponsor(offered);
    let mut args = stage.refereed();
    let plain = stage.create(args.clone());
    args.campaign = campaign;
    let named = stage.create(args);
    let rate = rates().reward_rate_e9;
    assert_eq!(stage.job(&plain).reward_rate_e9.get(), rate);
    assert!(stage.job(&named).reward_rate_e9.is_zero());
    assert_eq!(stage.job(&named).campaign, campaign);
    assert_eq!(stage.job(&plain).terms, stage.job(&named).terms);
}

/// What `create_job` refuses, and an instruction that is refused for it.
#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::Overflow, "escrow above 64 bits", |stage| {
            accepted_with(stage, |args| {
                args.price_atoms = u64::MAX / 2;
                args.bond_atoms = u64::MAX;
            })
        }),
        (E::BadTimeSpan, "no time to take", |stage| {
            create_with(stage, |args| args.take_secs = 0)
        }),
        (E::BadTimeSpan, "more than a year to work", |stage| {
            create_with(stage, |args| args.work_secs = 366 * 86_400 + 1)
        }),
        (E::BadTimeSpan, "a review below the least", |stage| {
            create_with(stage, |args| args.review_secs = 3_599)
        }),
        (
            E::BadTimeSpan,
            "a review below the least of reviewed jobs",
            |stage| accepted_with(stage, |args| args.review_secs = 599),
        ),
        (E::BadTimeSpan, "a review above 30 days", |stage| {
            create_with(stage, |args| args.review_secs = 30 * 86_400 + 1)
        }),
        (E::BadTimeSpan, "an end that has come", |stage| {
            let now = stage.now();
            create_with(stage, |args| args.ends_by = now)
        }),
        (E::BadTimeSpan, "an end beyond a year", |stage| {
            let now = stage.now();
            create_with(stage, |args| args.ends_by = now + 366 * 86_400 + 1)
        }),
        (E::BadText, "a long input URI", |stage| {
            create_with(stage, |args| args.input_uri = "x".repeat(201))
        }),
        (E::Paused, "a new job", |stage| {
            stage.ok(ix::set_pause(&stage.cast.guardian.clone(), true));
            stage.create_ix(stage.refereed())
        }),
        (E::MintDisabled, "new jobs", |stage| {
            let (authority, usd) = (stage.cast.authority, stage.usd);
            stage.ok(ix::update_mint(
                &authority,
                &usd,
                MintSettings {
                    enabled: false,
                    rates: rates(),
                },
            ));
            stage.create_ix(stage.refereed())
        }),
        (E::WrongMint, "a purse of another mint", |stage| {
            let mut instruction = stage.create_ix(stage.refereed());
            instruction.accounts[3].pubkey = addresses::mint_config(&stage.gold);
            instruction
        }),
        (E::InsufficientFunds, "an escrow", |stage| {
            accepted_with(stage, |args| {
                args.price_atoms = DEPOSIT_ATOMS / 3 + 1;
                args.bond_atoms = DEPOSIT_ATOMS;
            })
        }),
        (E::PurseMissing, "the treasury's at creation", |stage| {
            let mut instruction = stage.create_ix(stage.refereed());
            instruction
                .accounts
                .retain(|meta| meta.pubkey != addresses::purse(&stage.cast.treasury, &stage.usd));
            instruction
        }),
        (
            E::PurseMissing,
            "the royalty owner's at creation",
            |stage| {
                let mut instruction = stage.create_ix(stage.refereed());
                instruction.accounts.retain(|meta| {
                    meta.pubkey != addresses::purse(&stage.cast.creator, &stage.usd)
                });
                instruction
            },
        ),
        (E::ModelInactive, "a new job", |stage| {
            let args = ModelSettings {
                active: false,
                royalty_bps: 0,
                uri: String::new(),
            };
            stage.ok(ix::update_model(
                &stage.cast.creator.clone(),
                &stage.model.clone(),
                Some(args),
                None,
            ));
            stage.create_ix(stage.refereed())
        }),
        (
            E::ModelNotSealed,
            "a refereed job on an unsealed model",
            |stage| {
                let creator = stage.cast.creator;
                stage.ok(ix::register_model(&creator, model_args(9, 100)));
                let model = addresses::model(&creator, 9);
                stage.create_ix_of(
                    &stage.cast.client,
                    &stage.usd,
                    Some(&model),
                    stage.refereed(),
                )
            },
        ),
        (
            E::ModelNotSealed,
            "a refereed job without a model",
            |stage| stage.create_ix_of(&stage.cast.client, &stage.usd, None, stage.refereed()),
        ),
        (E::UnknownKind, "job", |stage| {
            create_with(stage, |args| args.kind = 4)
        }),
        (E::UnknownKind, "assurance", |stage| {
            create_with(stage, |args| args.assurance = 3)
        }),
        (E::UnknownKind, "assurance zero", |stage| {
            create_with(stage, |args| args.assurance = 0)
        }),
        (E::BadMilestones, "two of a refereed job", |stage| {
            create_with(stage, |args| args.milestones = 2)
        }),
        (
            E::BadMilestones,
            "a refereed job with an arbiter",
            |stage| {
                let arbiter = stage.cast.arbiter;
                create_with(stage, |args| args.arbiter = arbiter)
            },
        ),
        (E::BadMilestones, "none of a reviewed job", |stage| {
            accepted_with(stage, |args| args.milestones = 0)
        }),
        (E::NeedsProviderOrArbiter, "neither", |stage| {
            accepted_with(stage, |args| args.arbiter = NOBODY)
        }),
        (E::ArbiterIsParty, "the client", |stage| {
            let client = stage.cast.client;
            accepted_with(stage, |args| args.arbiter = client)
        }),
        (E::ArbiterIsParty, "the pinned provider", |stage| {
            let provider = stage.cast.provider;
            accepted_with(stage, |args| {
                args.arbiter = provider;
                args.pinned_provider = provider;
            })
        }),
        (E::PriceTooLow, "below the least", |stage| {
            create_with(stage, |args| args.price_atoms = 9)
        }),
        (E::PriceTooLow, "below the price of the work", |stage| {
            let (authority, usd) = (stage.cast.authority, stage.usd);
            let rates = rates_with(|rates| rates.price_per_gwork_atoms = u64::MAX / 1_000_000);
            stage.ok(ix::update_mint(
                &authority,
                &usd,
                MintSettings {
                    enabled: true,
                    rates,
                },
            ));
            stage.create_ix(stage.refereed())
        }),
        (E::BondTooLow, "below twice the price", |stage| {
            create_with(stage, |args| args.bond_atoms = 19_999)
        }),
        (
            E::BondTooLow,
            "below half the price of reviewed work",
            |stage| accepted_with(stage, |args| args.bond_atoms = 4_999),
        ),
        (E::BondTooLow, "below the bond of the work", |stage| {
            let (authority, usd) = (stage.cast.authority, stage.usd);
            let rates = rates_with(|rates| rates.bond_per_gwork_atoms = u64::MAX / 1_000_000);
            stage.ok(ix::update_mint(
                &authority,
                &usd,
                MintSettings {
                    enabled: true,
                    rates,
                },
            ));
            stage.create_ix(stage.refereed())
        }),
        (E::TermsChanged, "other settings", |stage| {
            let create = stage.create_ix(stage.refereed());
            let mut settings = settings(&stage.cast);
            settings.resolve_secs += 1;
            let authority = stage.cast.authority;
            stage.ok(ix::update_protocol(&authority, Some(settings), None));
            create
        }),
        (E::TermsChanged, "another royalty", |stage| {
            let create = stage.create_ix(stage.refereed());
            let settings = ModelSettings {
                active: true,
                royalty_bps: 301,
                uri: String::new(),
            };
            let (creator, model) = (stage.cast.creator, stage.model);
            stage.ok(ix::update_model(&creator, &model, Some(settings), None));
            create
        }),
        (E::InputsDoNotFit, "none", |stage| {
            create_with(stage, |args| args.input_roots = Vec::new())
        }),
        (E::InputsDoNotFit, "more than the program has", |stage| {
            create_with(stage, |args| args.input_roots = vec![[1; 32]; 2])
        }),
        (E::InputsDoNotFit, "more than there may be", |stage| {
            accepted_with(stage, |args| args.input_roots = vec![[1; 32]; 9])
        }),
        (E::InputsDoNotFit, "a root for the tokens", |stage| {
            let claim = text(1);
            let model = stage.model_of(&claim);
            let mut args = stage.args_of(&claim);
            args.input_roots[1] = [1; 32];
            stage.create_ix_of(&stage.cast.client, &stage.usd, Some(&model), args)
        }),
        (E::InputsDoNotFit, "no items", |stage| {
            create_with(stage, |args| args.items = 0)
        }),
        (E::InputsDoNotFit, "too many items", |stage| {
            create_with(stage, |args| args.items = (1 << 24) + 1)
        }),
        (E::WrongCampaign, "none of the program", |stage| {
            create_with(stage, |args| args.campaign = Pubkey::from([1; 32]))
        }),
        (E::WrongCampaign, "that is not passed", |stage| {
            let campaign = stage.sponsor(stage.campaign_args());
            let mut instruction = create_with(stage, |args| args.campaign = campaign);
            instruction.accounts.retain(|meta| meta.pubkey != campaign);
            instruction
        }),
        (E::CampaignMisfit, "of another mint", |stage| {
            let campaign = stage.sponsor(stage.campaign_args());
            let (client, gold, model) = (stage.cast.client, stage.gold, stage.model);
            let mut args = stage.refereed();
            args.campaign = campaign;
            stage.create_ix_of(&client, &gold, Some(&model), args)
        }),
        (E::CampaignMisfit, "another kind", |stage| {
            let mut offered = stage.campaign_args();
            offered.kinds = 0b110;
            let campaign = stage.sponsor(offered);
            create_with(stage, |args| args.campaign = campaign)
        }),
        (E::CampaignMisfit, "another model", |stage| {
            let mut offered = stage.campaign_args();
            offered.model = Pubkey::from([1; 32]);
            let campaign = stage.sponsor(offered);
            create_with(stage, |args| args.campaign = campaign)
        }),
        (E::CampaignMisfit, "after its end", |stage| {
            let offered = stage.campaign_args();
            let campaign = stage.sponsor(offered);
            stage.set_time(offered.end);
            create_with(stage, |args| args.campaign = campaign)
        }),
        (
            E::CampaignMisfit,
            "a review that cannot end in time",
            |stage| {
                // 15 questions of seven hours, and the review.
                let longest_secs = 15 * (21_600 + 3_600) + 3_600;
                let mut offered = stage.campaign_args();
                offered.settle_by = offered.end + longest_secs - 1;
                let campaign = stage.sponsor(offered);
                create_with(stage, |args| args.campaign = campaign)
            },
        ),
        (E::OwnJob, "pinned to the client itself", |stage| {
            let client = stage.cast.client;
            create_with(stage, |args| args.pinned_provider = client)
        }),
    ]
}
