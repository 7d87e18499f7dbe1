//! Every error of the program is provoked, on its bytecode, and the failed transaction changes nothing.
//!
//! A new variant does not compile here until it is listed, and fails until it has a provocation or a reason.

use {
    quern::{
        constants::NOBODY,
        error::QuernError,
        instructions::{EmissionSettings, MintSettings, ModelSettings, NewJob},
        state::{Emission, JobState, MintRates, Provider, Purse},
    },
    quern_proof::{
        Operand,
        demand::{NodeId, Tree},
        evidence::Charge,
    },
    quern_testkit::svm::*,
    solana_sdk::{instruction::Instruction, pubkey::Pubkey},
};

macro_rules! every_variant {
    ($($variant:ident),* $(,)?) => {
        const ALL: &[(QuernError, &str)] = &[$((QuernError::$variant, stringify!($variant))),*];

        /// Does not compile when a variant is missing above.
        #[allow(dead_code)]
        fn name(error: &QuernError) -> &'static str {
            match error { $(QuernError::$variant => stringify!($variant),)* }
        }
    };
}

every_variant![
    Overflow,
    ShareTooHigh,
    BadTimeSpan,
    BadText,
    Paused,
    NotUpgradeAuthority,
    NotAuthorized,
    NotProposed,
    NotWashProof,
    EmissionFixed,
    EmissionPurseMissing,
    MintHasTransferFee,
    MintHasTransferHook,
    MintHasPermanentDelegate,
    MintIsPausable,
    MintDefaultFrozen,
    MintHasCloseAuthority,
    MintIsConfidential,
    MintExtensionRefused,
    MintDisabled,
    WrongMint,
    ZeroAmount,
    InsufficientFunds,
    ReservationShort,
    DestinationIsVault,
    VaultShort,
    PurseMissing,
    PurseTwice,
    PurseNotWritable,
    TooManyPurses,
    OperatorLimit,
    ProviderInactive,
    WrongProvider,
    ModelInactive,
    ModelSealed,
    ModelNotSealed,
    ModelOutOfRoom,
    UnknownKind,
    BadMilestones,
    NeedsProviderOrArbiter,
    ArbiterIsParty,
    PriceTooLow,
    BondTooLow,
    RateAboveLimit,
    InputsDoNotFit,
    WrongModel,
    CampaignUnknown,
    WrongState,
    ReviewedOnly,
    TooLate,
    TooEarly,
    GraceTime,
    DemandsOpen,
    PinnedToOther,
    OwnJob,
    NoArbiter,
    WrongRecipient,
    ProviderMissing,
    NothingToClaim,
    InvariantBroken,
    NoTreasury,
    RefereedOnly,
    NotEvidence,
    EvidenceOutOfRoom,
    EvidenceTwice,
    WrongDemand,
    NoSuchNode,
    MissingPosition,
    WrongParent,
    ParentUnanswered,
    AlreadyAnswered,
    WrongAnswer,
    JobLives,
];

/// Errors that nothing provokes, and why they are there.
const UNREACHABLE: &[(&str, &str)] = &[(
    "DestinationIsVault",
    "the framework refuses a vault that stands in two writable slots before the handler looks",
)];

/// Errors that only accounts in an impossible state provoke. The table writes those accounts directly.
const TAMPERED: &[(&str, &str)] = &[
    ("ReservationShort", "reservations equal obligations (P2)"),
    ("VaultShort", "only the program signs for a vault (P1)"),
    (
        "InvariantBroken",
        "a second line of defence behind every handler",
    ),
];

/// Prepares a stage and says which instruction must now be refused.
type Provocation = fn(&mut Stage) -> Instruction;

fn create_with(stage: &Stage, change: impl FnOnce(&mut NewJob)) -> Instruction {
    let mut args = stage.refereed();
    change(&mut args);
    stage.create_ix(args)
}

fn accepted_with(stage: &Stage, change: impl FnOnce(&mut NewJob)) -> Instruction {
    let mut args = stage.accepted();
    change(&mut args);
    stage.create_ix(args)
}

fn params_with(
    stage: &Stage,
    change: impl FnOnce(&mut quern::state::ProtocolSettings),
) -> Instruction {
    let mut args = settings(&stage.cast);
    change(&mut args);
    ix::update_protocol(&stage.cast.authority, Some(args), None)
}

fn mint_with(stage: &mut Stage, extension: u16, value: usize) -> Instruction {
    let extensions = [(18, vec![0; 64]), (extension, vec![0; value])];
    let mint = token::create_mint_with(
        stage,
        "refused",
        &addresses::TOKEN_2022_PROGRAM,
        6,
        &extensions,
    );
    ix::register_mint(
        &stage.cast.authority,
        &mint,
        &addresses::TOKEN_2022_PROGRAM,
        rates(),
    )
}

fn rates_with(change: impl FnOnce(&mut MintRates)) -> MintRates {
    let mut rates = rates();
    change(&mut rates);
    rates
}

/// A settlement of three purses, and where they begin in its accounts.
fn settlement(stage: &mut Stage) -> Instruction {
    let job = stage.job_in(JobState::Submitted, stage.refereed());
    stage.at_deadline(&job, 1);
    ix::finalize(&stage.cast.provider, &stage.job(&job), &stage.emission())
}

fn table() -> Vec<(QuernError, &'static str, Provocation)> {
    use QuernError as E;
    vec![
        (E::Overflow, "escrow above 64 bits", |stage| {
            accepted_with(stage, |args| {
                args.price_atoms = u64::MAX / 2;
                args.bond_atoms = u64::MAX;
            })
        }),
        (E::ShareTooHigh, "fee above a tenth", |stage| {
            params_with(stage, |params| params.fee_bps = 1_001)
        }),
        (
            E::ShareTooHigh,
            "late penalty above half of the bond",
            |stage| params_with(stage, |params| params.late_penalty_bps = 5_001),
        ),
        (E::ShareTooHigh, "deposit above the price", |stage| {
            params_with(stage, |params| params.reject_bps = 10_001)
        }),
        (E::ShareTooHigh, "arbiter above the price", |stage| {
            params_with(stage, |params| params.arbiter_bps = 10_001)
        }),
        (E::ShareTooHigh, "refereed bond", |stage| {
            params_with(stage, |params| params.refereed_bond_bps = 1_000_001)
        }),
        (E::ShareTooHigh, "accepted bond", |stage| {
            params_with(stage, |params| params.reviewed_bond_bps = 1_000_001)
        }),
        (E::ShareTooHigh, "weight", |stage| {
            let args = EmissionSettings {
                reviewed_weight_bps: 10_001,
                ..emission_args()
            };
            ix::configure_emission(&stage.cast.authority, &stage.gold, args)
        }),
        (E::ShareTooHigh, "royalty of a new model", |stage| {
            let mut args = model_args(9, 0);
            args.royalty_bps = 5_001;
            ix::register_model(&stage.cast.creator, args)
        }),
        (E::ShareTooHigh, "royalty of a model", |stage| {
            let args = ModelSettings {
                active: true,
                royalty_bps: 5_001,
                uri: String::new(),
            };
            ix::update_model(&stage.cast.creator, &stage.model, Some(args), None)
        }),
        (E::ShareTooHigh, "an arbiter gives more than all", |stage| {
            let job = stage.job_in(JobState::Rejected, stage.accepted());
            ix::resolve(&stage.job(&job), decision(10_001, 0))
        }),
        (
            E::ShareTooHigh,
            "an arbiter's penalty above its bound",
            |stage| {
                let job = stage.job_in(JobState::Rejected, stage.accepted());
                ix::resolve(&stage.job(&job), decision(5_000, 1_601))
            },
        ),
        (E::BadTimeSpan, "an empty window", |stage| {
            params_with(stage, |params| params.resolve_secs = 0)
        }),
        (E::BadTimeSpan, "a window above 30 days", |stage| {
            params_with(stage, |params| params.grace_secs = 30 * 86_400 + 1)
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
        (E::BadTimeSpan, "an empty epoch", |stage| {
            let args = EmissionSettings {
                epoch_secs: 0,
                ..emission_args()
            };
            ix::configure_emission(&stage.cast.authority, &stage.gold, args)
        }),
        (E::BadText, "no name", |stage| {
            let mut args = provider_args(&stage.cast.operator);
            args.name.clear();
            ix::update_provider(&stage.cast.provider, args)
        }),
        (E::BadText, "a long name", |stage| {
            let mut args = model_args(9, 0);
            args.name = "é".repeat(17);
            ix::register_model(&stage.cast.creator, args)
        }),
        (E::BadText, "a long endpoint", |stage| {
            let mut args = provider_args(&stage.cast.operator);
            args.endpoint = "x".repeat(201);
            ix::update_provider(&stage.cast.provider, args)
        }),
        (E::BadText, "a long input URI", |stage| {
            create_with(stage, |args| args.input_uri = "x".repeat(201))
        }),
        (E::BadText, "a long output URI", |stage| {
            let job = stage.job_in(JobState::Taken, stage.refereed());
            let mut args = proof(1);
            args.output_uri = "x".repeat(201);
            ix::submit(&stage.cast.provider, &stage.job(&job), args)
        }),
        (E::BadText, "a long reason", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.accepted());
            ix::reject(&stage.job(&job), "x".repeat(201))
        }),
        (E::Paused, "a new job", |stage| {
            stage.ok(ix::set_pause(&stage.cast.guardian.clone(), true));
            stage.create_ix(stage.refereed())
        }),
        (
            E::NotUpgradeAuthority,
            "a program that nobody can upgrade",
            |stage| {
                let authority = stage.cast.authority;
                let mut world = World::deployed(&authority);
                world.set_upgrade_authority(None);
                stage.world = world;
                ix::initialize(&authority, settings(&stage.cast), CLUSTER)
            },
        ),
        (
            E::NotUpgradeAuthority,
            "another account than ProgramData",
            |stage| {
                let authority = stage.cast.authority;
                stage.world = World::deployed(&authority);
                let mut instruction = ix::initialize(&authority, settings(&stage.cast), CLUSTER);
                instruction.accounts[1].pubkey = quern::ID;
                instruction
            },
        ),
        (E::NotAuthorized, "a stranger changes settings", |stage| {
            ix::update_protocol(&stage.cast.stranger, Some(settings(&stage.cast)), None)
        }),
        (E::NotAuthorized, "a stranger submits", |stage| {
            let job = stage.job_in(JobState::Taken, stage.refereed());
            ix::submit(&stage.cast.stranger, &stage.job(&job), proof(1))
        }),
        (
            E::NotAuthorized,
            "a stranger takes for a provider",
            |stage| {
                let job = stage.create(stage.refereed());
                ix::take_job(&stage.cast.stranger, &stage.cast.provider, &stage.job(&job))
            },
        ),
        (E::NotProposed, "nobody is proposed", |stage| {
            ix::accept_authority(&stage.cast.stranger)
        }),
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
        (E::MintHasTransferFee, "extension", |stage| {
            mint_with(stage, 1, 108)
        }),
        (E::MintHasCloseAuthority, "extension", |stage| {
            mint_with(stage, 3, 32)
        }),
        (E::MintIsConfidential, "transfers", |stage| {
            mint_with(stage, 4, 65)
        }),
        (E::MintIsConfidential, "fees", |stage| {
            mint_with(stage, 16, 129)
        }),
        (E::MintIsConfidential, "minting", |stage| {
            mint_with(stage, 24, 196)
        }),
        (E::MintDefaultFrozen, "extension", |stage| {
            mint_with(stage, 6, 1)
        }),
        (E::MintExtensionRefused, "non-transferable", |stage| {
            mint_with(stage, 9, 0)
        }),
        (E::MintExtensionRefused, "interest", |stage| {
            mint_with(stage, 10, 52)
        }),
        (E::MintExtensionRefused, "scaled amounts", |stage| {
            mint_with(stage, 25, 56)
        }),
        (E::MintHasPermanentDelegate, "extension", |stage| {
            mint_with(stage, 12, 32)
        }),
        (E::MintHasTransferHook, "extension", |stage| {
            mint_with(stage, 14, 64)
        }),
        (E::MintIsPausable, "extension", |stage| {
            mint_with(stage, 26, 33)
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
        (E::WrongMint, "a mint of the other token program", |stage| {
            let mint = token::create_mint(stage, "new", &addresses::TOKEN_PROGRAM, 6);
            ix::register_mint(
                &stage.cast.authority,
                &mint,
                &addresses::TOKEN_2022_PROGRAM,
                rates(),
            )
        }),
        (E::ZeroAmount, "a deposit", |stage| {
            let (bank, usd) = (stage.bank(), stage.usd);
            let source = token::issue(stage, &bank, &usd, 1);
            ix::deposit(&bank, &source, &bank, &usd, &addresses::TOKEN_PROGRAM, 0)
                .with_purse_of(&stage.cast.client, &usd)
        }),
        (E::ZeroAmount, "a withdrawal", |stage| {
            let (client, usd) = (stage.cast.client, stage.usd);
            let destination = token::issue(stage, &client, &usd, 0);
            ix::withdraw(&client, &destination, &usd, &addresses::TOKEN_PROGRAM, 0)
        }),
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
        (E::ZeroAmount, "a least price of a new mint", |stage| {
            let mint = token::create_mint(stage, "new", &addresses::TOKEN_PROGRAM, 6);
            let rates = rates_with(|rates| rates.least_price_atoms = 0);
            ix::register_mint(
                &stage.cast.authority,
                &mint,
                &addresses::TOKEN_PROGRAM,
                rates,
            )
        }),
        (E::ZeroAmount, "an empty piece", |stage| {
            let creator = stage.cast.creator;
            stage.ok(ix::register_model(&creator, model_args(9, 9)));
            ix::write_model(&creator, &addresses::model(&creator, 9), 0, &[])
        }),
        (E::InsufficientFunds, "a withdrawal", |stage| {
            let (client, usd) = (stage.cast.client, stage.usd);
            let destination = token::issue(stage, &client, &usd, 0);
            ix::withdraw(
                &client,
                &destination,
                &usd,
                &addresses::TOKEN_PROGRAM,
                DEPOSIT_ATOMS + 1,
            )
        }),
        (E::InsufficientFunds, "an escrow", |stage| {
            accepted_with(stage, |args| {
                args.price_atoms = DEPOSIT_ATOMS / 3 + 1;
                args.bond_atoms = DEPOSIT_ATOMS;
            })
        }),
        (E::InsufficientFunds, "a bond", |stage| {
            let mut args = stage.refereed();
            args.bond_atoms = DEPOSIT_ATOMS + 1;
            let job = stage.create(args);
            ix::take_job(&stage.cast.provider, &stage.cast.provider, &stage.job(&job))
        }),
        (E::InsufficientFunds, "a deposit of a rejection", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.accepted());
            let (client, usd) = (stage.cast.client, stage.usd);
            let free = stage.usd_of(&client).0;
            stage.withdraw(&client, &usd, free - 999);
            ix::reject(&stage.job(&job), String::new())
        }),
        (E::ReservationShort, "an escrow that vanished", |stage| {
            let instruction = settlement(stage);
            let purse = addresses::purse(&stage.cast.client, &stage.usd);
            stage.tamper(&purse, |purse: &mut Purse| {
                purse.reserved_atoms = 9_999u64.into()
            });
            instruction
        }),
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
        (E::VaultShort, "tokens that vanished", |stage| {
            let (client, usd) = (stage.cast.client, stage.usd);
            let destination = token::issue(stage, &client, &usd, 0);
            let vault = addresses::vault(&usd);
            let mut account = stage.svm.get_account(&vault).unwrap();
            account.data[64..72].copy_from_slice(&(3 * DEPOSIT_ATOMS - 1).to_le_bytes());
            stage.svm.set_account(vault, account).unwrap();
            ix::withdraw(&client, &destination, &usd, &addresses::TOKEN_PROGRAM, 1)
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
        (E::PurseMissing, "the emission's at a settlement", |stage| {
            let mut instruction = settlement(stage);
            instruction.accounts.pop();
            instruction
        }),
        (E::PurseMissing, "somebody else's at a take", |stage| {
            let job = stage.create(stage.refereed());
            let instruction =
                ix::take_job(&stage.cast.provider, &stage.cast.provider, &stage.job(&job));
            instruction.with_purse_of_at(3, &stage.cast.second, &stage.usd)
        }),
        (E::PurseMissing, "in another mint at a claim", |stage| {
            let instruction = settlement(stage);
            stage.ok(instruction);
            let claim = ix::claim_rewards(&stage.cast.provider, &stage.gold);
            claim.with_purse_of_at(4, &stage.cast.provider, &stage.usd)
        }),
        (E::PurseTwice, "a settlement", |stage| {
            let mut instruction = settlement(stage);
            let first = instruction.accounts.len() - 5;
            instruction
                .accounts
                .push(instruction.accounts[first].clone());
            instruction
        }),
        (E::PurseNotWritable, "a settlement", |stage| {
            let mut instruction = settlement(stage);
            let last = instruction.accounts.len() - 1;
            instruction.accounts[last].is_writable = false;
            instruction
        }),
        (E::TooManyPurses, "a settlement", |stage| {
            let mut instruction = settlement(stage);
            for owner in [stage.cast.guardian, stage.cast.stranger] {
                let mut meta = instruction.accounts[instruction.accounts.len() - 1].clone();
                meta.pubkey = addresses::purse(&owner, &stage.usd);
                instruction.accounts.push(meta);
            }
            instruction
        }),
        (E::OperatorLimit, "a bond above it", |stage| {
            let (provider, usd) = (stage.cast.provider, stage.usd);
            stage.ok(ix::set_operator_limit(&provider, &usd, 19_999));
            let job = stage.create(stage.refereed());
            ix::take_job(&stage.cast.operator, &provider, &stage.job(&job))
        }),
        (E::ProviderInactive, "a take", |stage| {
            let mut args = provider_args(&stage.cast.operator);
            args.active = false;
            stage.ok(ix::update_provider(&stage.cast.provider.clone(), args));
            let job = stage.create(stage.refereed());
            ix::take_job(&stage.cast.provider, &stage.cast.provider, &stage.job(&job))
        }),
        (
            E::WrongProvider,
            "a submission by another provider",
            |stage| {
                let job = stage.job_in(JobState::Taken, stage.refereed());
                let mut instruction = ix::submit(&stage.cast.second, &stage.job(&job), proof(1));
                instruction.accounts[1].pubkey = addresses::provider(&stage.cast.second);
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
        (E::ModelSealed, "a write", |stage| {
            ix::write_model(&stage.cast.creator, &stage.model, 0, &[1])
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
        (E::ModelOutOfRoom, "a program above the largest", |stage| {
            ix::register_model(&stage.cast.creator, model_args(9, 8_193))
        }),
        (E::UnknownKind, "job", |stage| {
            create_with(stage, |args| args.kind = 4)
        }),
        (E::UnknownKind, "assurance", |stage| {
            create_with(stage, |args| args.assurance = 3)
        }),
        (E::UnknownKind, "assurance zero", |stage| {
            create_with(stage, |args| args.assurance = 0)
        }),
        (E::UnknownKind, "asset", |stage| {
            let mut args = model_args(9, 0);
            args.kind = 0;
            ix::register_model(&stage.cast.creator, args)
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
        (E::ArbiterIsParty, "the provider that takes", |stage| {
            let mut args = stage.accepted();
            args.arbiter = stage.cast.provider;
            let job = stage.create(args);
            ix::take_job(&stage.cast.operator, &stage.cast.provider, &stage.job(&job))
        }),
        (
            E::ArbiterIsParty,
            "the operator of the provider that takes",
            |stage| {
                let mut args = stage.accepted();
                args.arbiter = stage.cast.operator;
                let job = stage.create(args);
                ix::take_job(&stage.cast.provider, &stage.cast.provider, &stage.job(&job))
            },
        ),
        (E::PriceTooLow, "below the least", |stage| {
            create_with(stage, |args| args.price_atoms = 9)
        }),
        (E::PriceTooLow, "below the price of the work", |stage| {
            let (authority, usd) = (stage.cast.authority, stage.usd);
            let rates = rates_with(|rates| rates.price_per_gmac_atoms = u64::MAX / 1_000_000);
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
            let rates = rates_with(|rates| rates.bond_per_gmac_atoms = u64::MAX / 1_000_000);
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
        (E::BondTooLow, "settings below twice the price", |stage| {
            params_with(stage, |params| params.refereed_bond_bps = 19_999)
        }),
        (E::RateAboveLimit, "fee", |stage| {
            create_with(stage, |args| args.max_fee_bps = 249)
        }),
        (E::RateAboveLimit, "royalty", |stage| {
            create_with(stage, |args| args.max_royalty_bps = 299)
        }),
        (E::InputsDoNotFit, "none", |stage| {
            create_with(stage, |args| args.input_roots = Vec::new())
        }),
        (E::InputsDoNotFit, "more than the program has", |stage| {
            create_with(stage, |args| args.input_roots = vec![[1; 32]; 2])
        }),
        (E::InputsDoNotFit, "more than there may be", |stage| {
            accepted_with(stage, |args| args.input_roots = vec![[1; 32]; 5])
        }),
        (E::InputsDoNotFit, "no batch rows", |stage| {
            create_with(stage, |args| args.batch_rows = 0)
        }),
        (E::InputsDoNotFit, "too many batch rows", |stage| {
            create_with(stage, |args| args.batch_rows = (1 << 20) + 1)
        }),
        (E::CampaignUnknown, "any", |stage| {
            create_with(stage, |args| args.campaign = Pubkey::from([1; 32]))
        }),
        (E::WrongState, "a submission to an open job", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.refereed());
            ix::submit(&stage.cast.provider, &stage.job(&job), proof(2))
        }),
        (E::WrongState, "a taken job is cancelled", |stage| {
            let job = stage.job_in(JobState::Taken, stage.refereed());
            ix::cancel_job(&stage.job(&job))
        }),
        (E::WrongState, "a submitted job expires", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.refereed());
            stage.wait(365 * DAY);
            ix::expire(&stage.job(&job))
        }),
        (E::TooEarly, "a refereed job is accepted", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.refereed());
            ix::accept(&stage.job(&job), &stage.emission())
        }),
        (E::ReviewedOnly, "a refereed job is rejected", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.refereed());
            ix::reject(&stage.job(&job), String::new())
        }),
        (E::TooLate, "a take", |stage| {
            let job = stage.create(stage.refereed());
            stage.at_deadline(&job, 1);
            ix::take_job(&stage.cast.provider, &stage.cast.provider, &stage.job(&job))
        }),
        (E::TooEarly, "an expiry", |stage| {
            let job = stage.create(stage.refereed());
            stage.at_deadline(&job, 0);
            ix::expire(&stage.job(&job))
        }),
        (E::GraceTime, "a stranger finalizes", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.refereed());
            stage.at_deadline(&job, 1);
            ix::finalize(&stage.cast.stranger, &stage.job(&job), &stage.emission())
        }),
        (E::DemandsOpen, "a settlement", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.refereed());
            stage.ask(&job, &claim(1), &TRACE);
            stage.wait(365 * DAY);
            ix::finalize(&stage.cast.provider, &stage.job(&job), &stage.emission())
        }),
        (E::PinnedToOther, "a take", |stage| {
            let mut args = stage.refereed();
            args.pinned_provider = stage.cast.second;
            let job = stage.create(args);
            ix::take_job(&stage.cast.provider, &stage.cast.provider, &stage.job(&job))
        }),
        (E::OwnJob, "pinned to the client itself", |stage| {
            let client = stage.cast.client;
            create_with(stage, |args| args.pinned_provider = client)
        }),
        (E::OwnJob, "a client that is a provider", |stage| {
            let client = stage.cast.client;
            stage.ok(ix::register_provider(
                &client,
                provider_args(&stage.cast.operator.clone()),
            ));
            let job = stage.create(stage.refereed());
            ix::take_job(&stage.cast.operator, &client, &stage.job(&job))
        }),
        (E::OwnJob, "a client that is an operator", |stage| {
            let client = stage.cast.client;
            stage.ok(ix::update_provider(
                &stage.cast.provider.clone(),
                provider_args(&client),
            ));
            let job = stage.create(stage.refereed());
            ix::take_job(&client, &stage.cast.provider, &stage.job(&job))
        }),
        (E::NoArbiter, "a rejection", |stage| {
            let mut args = stage.accepted();
            args.arbiter = NOBODY;
            args.pinned_provider = stage.cast.provider;
            let job = stage.job_in(JobState::Submitted, args);
            ix::reject(&stage.job(&job), String::new())
        }),
        (E::WrongRecipient, "a settlement", |stage| {
            let mut instruction = settlement(stage);
            instruction.accounts[4].pubkey = stage.cast.stranger;
            instruction
        }),
        (E::WrongRecipient, "an expiry", |stage| {
            let job = stage.create(stage.refereed());
            stage.at_deadline(&job, 1);
            let mut instruction = ix::expire(&stage.job(&job));
            instruction.accounts[2].pubkey = stage.cast.stranger;
            instruction
        }),
        (
            E::ProviderMissing,
            "a late provider without its entry",
            |stage| {
                let job = stage.job_in(JobState::Taken, stage.refereed());
                stage.at_deadline(&job, 1);
                let mut instruction = ix::expire(&stage.job(&job));
                instruction.accounts[1].pubkey = quern::ID;
                instruction.accounts[1].is_writable = false;
                instruction
            },
        ),
        (E::NothingToClaim, "a new provider", |stage| {
            ix::claim_rewards(&stage.cast.provider, &stage.gold)
        }),
        (E::NoTreasury, "new settings", |stage| {
            let mut args = settings(&stage.cast);
            args.treasury_owner = NOBODY;
            ix::update_protocol(&stage.cast.authority, Some(args), None)
        }),
        (E::NoTreasury, "the first settings", |stage| {
            let authority = stage.cast.authority;
            stage.world = World::deployed(&authority);
            let mut args = settings(&stage.cast);
            args.treasury_owner = NOBODY;
            ix::initialize(&authority, args, CLUSTER)
        }),
        (
            E::InvariantBroken,
            "more for the operator than is reserved",
            |stage| {
                let purse = addresses::purse(&stage.cast.provider, &stage.usd);
                stage.tamper(&purse, |purse: &mut Purse| {
                    purse.operator_reserved_atoms = 1u64.into()
                });
                ix::set_operator_limit(&stage.cast.provider, &stage.usd, 5)
            },
        ),
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

/// The first demand about a trace.
const TRACE: NodeId = NodeId {
    tree: Tree::Trace,
    level: 0,
    index: 0,
};

/// A demand about the usual program.
fn node_id(operand: Operand, level: u8, index: u64) -> NodeId {
    NodeId {
        tree: Tree::Data(operand),
        level,
        index,
    }
}

/// The usual job with its usual, wrong result.
fn submitted(stage: &mut Stage) -> Pubkey {
    stage.job_in(JobState::Submitted, stage.refereed())
}

/// A demand by the usual prover.
fn ask(stage: &Stage, job: &Pubkey, node_id: NodeId, parent: Option<Pubkey>) -> Instruction {
    ix::demand(&stage.cast.prover, &stage.job(job), &node_id, parent)
}

fn referee_table() -> Vec<(QuernError, &'static str, Provocation)> {
    use QuernError as E;
    const CELL: Charge = Charge::Cell {
        op: 0,
        row: 0,
        col: 0,
    };
    vec![
        (E::RefereedOnly, "a conviction of a reviewed job", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.accepted());
            stage.inline(&job, &CELL, &[])
        }),
        (E::RefereedOnly, "a demand about a reviewed job", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.accepted());
            ask(stage, &job, TRACE, None)
        }),
        (E::WrongState, "a conviction before a result", |stage| {
            let job = stage.job_in(JobState::Taken, stage.refereed());
            stage.inline(&job, &CELL, &[])
        }),
        (E::WrongState, "a demand before a result", |stage| {
            let job = stage.job_in(JobState::Taken, stage.refereed());
            ask(stage, &job, TRACE, None)
        }),
        (E::WrongState, "an answer after a conviction", |stage| {
            let job = submitted(stage);
            stage.ask(&job, &claim(1), &TRACE);
            stage.convict(&job);
            stage.reveal_ix(&job, &claim(1), &TRACE)
        }),
        (E::WrongState, "a timeout after a conviction", |stage| {
            let job = submitted(stage);
            let demand = stage.ask(&job, &claim(1), &TRACE);
            stage.convict(&job);
            stage.wait(DAY);
            ix::timeout(&job, &demand)
        }),
        (E::WrongModel, "a conviction", |stage| {
            let job = submitted(stage);
            let mut convict = stage.inline(&job, &CELL, &claim(1).evidence(&CELL));
            convict.accounts[2].pubkey = stage.model_of(&referee::tiny());
            convict
        }),
        (E::WrongModel, "a demand", |stage| {
            let job = submitted(stage);
            let mut instruction = ask(stage, &job, TRACE, None);
            instruction.accounts[2].pubkey = stage.model_of(&referee::tiny());
            instruction
        }),
        (E::NotEvidence, "a write to a job", |stage| {
            let job = submitted(stage);
            ix::write_evidence(&stage.cast.prover, &job, 0, &[1])
        }),
        (E::NotEvidence, "a write to a wallet", |stage| {
            ix::write_evidence(&stage.cast.prover, &stage.cast.stranger, 0, &[1])
        }),
        (E::NotAuthorized, "somebody else's evidence", |stage| {
            let author = stage.cast.prover;
            let evidence = stage.write_down(&author, "one", &[1, 2, 3]);
            ix::write_evidence(&stage.cast.stranger, &evidence, 0, &[1])
        }),
        (
            E::NotAuthorized,
            "closing somebody else's evidence",
            |stage| {
                let author = stage.cast.prover;
                let evidence = stage.write_down(&author, "one", &[1, 2, 3]);
                ix::close_evidence(&stage.cast.stranger, &evidence)
            },
        ),
        (
            E::NotAuthorized,
            "a first write without the account's signature",
            |stage| {
                let (author, evidence) = (stage.cast.prover, actor("evidence"));
                let creation = stage.creation_of(&author, &evidence, 5);
                stage.ok(creation[0].clone());
                ix::write_evidence(&author, &evidence, 0, &[1])
            },
        ),
        (E::EvidenceOutOfRoom, "a byte too much", |stage| {
            let author = stage.cast.prover;
            let evidence = stage.write_down(&author, "one", &[1, 2, 3]);
            ix::write_evidence(&author, &evidence, 3, &[1])
        }),
        (E::EvidenceTwice, "inline and from an account", |stage| {
            let (job, author) = (submitted(stage), stage.cast.prover);
            let evidence = stage.write_down(&author, "one", &claim(1).evidence(&CELL));
            let mut convict = stage.inline(&job, &CELL, &[1]);
            convict.accounts[3].pubkey = evidence;
            convict
        }),
        (E::WrongDemand, "an answer for another job", |stage| {
            let (job, other) = (submitted(stage), submitted(stage));
            let demand = stage.ask(&job, &claim(1), &TRACE);
            let answer = claim(1).answer(&TRACE);
            ix::reveal(&stage.cast.provider, &other, &demand, &answer)
        }),
        (E::WrongDemand, "a timeout of another job", |stage| {
            let (job, other) = (submitted(stage), submitted(stage));
            let demand = stage.ask(&job, &claim(1), &TRACE);
            stage.wait(DAY);
            ix::timeout(&other, &demand)
        }),
        (E::WrongDemand, "closed with another job", |stage| {
            let (job, other) = (submitted(stage), submitted(stage));
            let demand = stage.ask(&job, &claim(1), &TRACE);
            stage.convict(&other);
            let mut close = ix::close_demand(&demand, &stage.get(&demand));
            close.accounts[1].pubkey = other;
            close
        }),
        (E::WrongDemand, "a parent of another job", |stage| {
            let (job, other) = (submitted(stage), submitted(stage));
            let parent = stage.ask(&other, &claim(1), &TRACE);
            stage.answer(&other, &claim(1), &TRACE);
            ask(stage, &job, node_id(Operand::Op(0), 0, 0), Some(parent))
        }),
        (
            E::WrongRecipient,
            "a demand's lamports for another",
            |stage| {
                let job = submitted(stage);
                let demand = stage.ask(&job, &claim(1), &TRACE);
                stage.convict(&job);
                let mut close = ix::close_demand(&demand, &stage.get(&demand));
                close.accounts[2].pubkey = stage.cast.stranger;
                close
            },
        ),
        (E::NoSuchNode, "a tree that is not there", |stage| {
            let job = submitted(stage);
            ask(stage, &job, node_id(Operand::Op(2), 0, 0), None)
        }),
        (E::NoSuchNode, "a level between steps", |stage| {
            let job = submitted(stage);
            ask(stage, &job, node_id(Operand::Weight(0), 1, 0), None)
        }),
        (E::MissingPosition, "a missing row", |stage| {
            let job = submitted(stage);
            ask(stage, &job, node_id(Operand::Weight(0), 2, 3), None)
        }),
        (E::WrongParent, "none where one is needed", |stage| {
            let job = submitted(stage);
            ask(stage, &job, node_id(Operand::Op(0), 0, 0), None)
        }),
        (E::WrongParent, "one where none is needed", |stage| {
            let job = submitted(stage);
            let parent = stage.ask(&job, &claim(1), &TRACE);
            ask(stage, &job, node_id(Operand::Input(0), 0, 0), Some(parent))
        }),
        (E::ParentUnanswered, "a child", |stage| {
            let job = submitted(stage);
            let parent = stage.ask(&job, &claim(1), &TRACE);
            ask(stage, &job, node_id(Operand::Op(0), 0, 0), Some(parent))
        }),
        (E::AlreadyAnswered, "a second answer", |stage| {
            let job = submitted(stage);
            stage.ask(&job, &claim(1), &TRACE);
            stage.answer(&job, &claim(1), &TRACE);
            stage.reveal_ix(&job, &claim(1), &TRACE)
        }),
        (E::AlreadyAnswered, "a timeout after the answer", |stage| {
            let job = submitted(stage);
            let demand = stage.ask(&job, &claim(1), &TRACE);
            stage.answer(&job, &claim(1), &TRACE);
            stage.wait(DAY);
            ix::timeout(&job, &demand)
        }),
        (E::WrongAnswer, "of another commitment", |stage| {
            let job = submitted(stage);
            stage.ask(&job, &claim(1), &TRACE);
            stage.reveal_ix(&job, &claim(2), &TRACE)
        }),
        (E::TooLate, "a demand after the review", |stage| {
            let job = submitted(stage);
            stage.at_deadline(&job, 1);
            ask(stage, &job, TRACE, None)
        }),
        (E::TooLate, "an answer after its time", |stage| {
            let job = submitted(stage);
            stage.ask(&job, &claim(1), &TRACE);
            stage.wait(21_601);
            stage.reveal_ix(&job, &claim(1), &TRACE)
        }),
        (E::TooEarly, "a timeout in time", |stage| {
            let job = submitted(stage);
            let demand = stage.ask(&job, &claim(1), &TRACE);
            stage.wait(21_600);
            ix::timeout(&job, &demand)
        }),
        (E::JobLives, "closed while it is submitted", |stage| {
            let job = submitted(stage);
            let demand = stage.ask(&job, &claim(1), &TRACE);
            ix::close_demand(&demand, &stage.get(&demand))
        }),
    ]
}

trait WithPurse {
    fn with_purse_of(self, owner: &Pubkey, mint: &Pubkey) -> Self;
    fn with_purse_of_at(self, index: usize, owner: &Pubkey, mint: &Pubkey) -> Self;
}

impl WithPurse for Instruction {
    /// Puts a purse into a deposit.
    fn with_purse_of(self, owner: &Pubkey, mint: &Pubkey) -> Self {
        self.with_purse_of_at(5, owner, mint)
    }

    fn with_purse_of_at(mut self, index: usize, owner: &Pubkey, mint: &Pubkey) -> Self {
        self.accounts[index].pubkey = addresses::purse(owner, mint);
        self
    }
}

#[test]
fn every_error_is_provoked() {
    let stage = Stage::new();
    for (error, what, provoke) in table().into_iter().chain(referee_table()) {
        println!("{error:?}: {what}");
        let mut stage = stage.clone();
        let instruction = provoke(&mut stage);
        stage.refused(instruction, error);
    }
}

#[test]
fn every_error_is_provoked_or_has_a_reason() {
    let provoked: Vec<String> = [table(), referee_table()]
        .iter()
        .flatten()
        .map(|(error, ..)| format!("{error:?}"))
        .collect();
    for (error, name) in ALL {
        assert_eq!(format!("{error:?}"), *name);
        let has_reason = UNREACHABLE
            .iter()
            .any(|(unreachable, _)| unreachable == name);
        let is_provoked = provoked.iter().any(|provoked| provoked == name);
        assert!(
            is_provoked != has_reason,
            "{name} needs either a provocation or a reason"
        );
    }
    for (name, reason) in TAMPERED {
        assert!(provoked.iter().any(|provoked| provoked == name) && !reason.is_empty());
    }
}

/// Whoever refuses it: tokens never go from a vault to itself.
#[test]
fn a_vault_is_no_destination() {
    let mut stage = Stage::new();
    let (client, usd) = (stage.cast.client, stage.usd);
    stage.fails(ix::withdraw(
        &client,
        &addresses::vault(&usd),
        &usd,
        &addresses::TOKEN_PROGRAM,
        1,
    ));
}

/// What `seal` refuses is named by the base plus the number of the cause.
#[test]
fn a_refused_tensor_program_names_its_cause() {
    let mut stage = Stage::new();
    let creator = stage.cast.creator;
    let mut refuse = |id: u64, bytes: Vec<u8>| {
        let expected = quern_proof::graph::seal(&bytes).unwrap_err();
        stage.ok(ix::register_model(&creator, model_args(id, bytes.len())));
        let model = addresses::model(&creator, id);
        for instruction in ix::write_graph(&creator, &model, &bytes) {
            stage.ok(instruction);
        }
        let failure = stage.fails(ix::seal_model(&creator, &model));
        assert_eq!(
            failure.code(),
            Some(quern::error::SEAL_ERROR_BASE + expected as u32),
            "{expected}"
        );
    };
    let good = graph();
    refuse(20, good[..good.len() - 1].to_vec());
    for (id, at) in (21..).zip([0usize, 1, 2, 3, 4, 8, 9, 12, 20, 22, 64, 65, 66, 70, 80]) {
        let mut bytes = good.clone();
        bytes[at % good.len()] ^= 0x40;
        if quern_proof::graph::seal(&bytes).is_err() {
            refuse(id, bytes);
        }
    }
    refuse(50, vec![0; 100]);
    refuse(51, vec![0; quern_proof::graph::MAX_BYTES]);
}
