//! Every error of the program is provoked, on its bytecode, and the failed transaction changes nothing.
//!
//! The provocations stand with their instructions, in `errors()` of each file. A new variant does not compile here until it is
//! listed, and fails until it has a provocation or a reason.

use super::common::*;

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
    TermsChanged,
    InputsDoNotFit,
    WrongModel,
    WrongCampaign,
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
    JobMoved,
    TakenByOwner,
    GraphDiffers,
    ModelTooShort,
    TokensDoNotFit,
    CampaignMisfit,
    CampaignReadOnly,
    EntryMissing,
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

/// An error, what causes it, and how: prepares a stage and says which instruction must now be refused.
pub type Provocation = (QuernError, &'static str, fn(&mut Stage) -> Instruction);

/// Every provocation, by the instruction that refuses.
fn table() -> Vec<(&'static str, Vec<Provocation>)> {
    macro_rules! of {
        ($($instruction:ident),* $(,)?) => {
            vec![$((stringify!($instruction), super::$instruction::errors())),*]
        };
    }
    of![
        initialize,
        update_protocol,
        accept_authority,
        register_mint,
        update_mint,
        configure_emission,
        deposit,
        withdraw,
        set_operator_limit,
        update_provider,
        claim_rewards,
        register_model,
        write_model,
        seal_model,
        update_model,
        accept_model_owner,
        create_job,
        cancel_job,
        take_job,
        submit,
        finalize,
        reject,
        resolve,
        expire,
        write_evidence,
        close_evidence,
        convict,
        open_demand,
        reveal,
        timeout,
        close_demand,
        create_campaign,
        join_campaign,
        claim_campaign,
        sweep_campaign,
    ]
}

#[test]
fn every_error_is_provoked() {
    let stage = Stage::new();
    for (name, provocations) in table() {
        for (error, what, provoke) in provocations {
            println!("{name}: {error:?}: {what}");
            let mut stage = stage.clone();
            let instruction = provoke(&mut stage);
            assert_eq!(
                instruction.data[..8],
                anchor_lang::sha256(format!("global:{name}").as_bytes())[..8],
                "the provocation of {error:?} ({what}) belongs to another instruction's file"
            );
            stage.refused(instruction, error);
        }
    }
}

#[test]
fn every_error_is_provoked_or_has_a_reason() {
    let provoked: Vec<String> = table()
        .iter()
        .flat_map(|(_, provocations)| provocations)
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
