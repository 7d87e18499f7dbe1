//! Codes of programs and of the cluster, turned into sentences that say what to do.

use {
    crate::addresses::{
        ASSOCIATED_TOKEN_PROGRAM, SYSTEM_PROGRAM, TOKEN_2022_PROGRAM, TOKEN_PROGRAM,
        UPGRADEABLE_LOADER,
    },
    quern::error::{QuernError, REFUSAL_BASE, SEAL_ERROR_BASE},
    quern_proof::{evidence::Refusal, graph::SealError},
    solana_sdk::{instruction::InstructionError, pubkey::Pubkey, transaction::TransactionError},
};

/// The first code of the program's own errors.
pub const FIRST_ERROR: u32 = 6_000;

/// The program's errors in the order of their codes, with the texts that its source gives them.
const QUERN: &[(QuernError, &str)] = &[
    (
        QuernError::Overflow,
        "An amount or a time is too large; use a smaller one",
    ),
    (
        QuernError::ShareTooHigh,
        "A share is above its highest allowed value; lower it",
    ),
    (
        QuernError::BadTimeSpan,
        "A time span is zero or longer than allowed; choose one within the limits",
    ),
    (
        QuernError::BadText,
        "A name is empty or longer than 32 bytes, or a URI is longer than 200 bytes; shorten it",
    ),
    (
        QuernError::Paused,
        "The protocol is paused for new models, jobs and takes; try again later",
    ),
    (
        QuernError::NotUpgradeAuthority,
        "Only the program's upgrade authority may initialize; sign with it",
    ),
    (
        QuernError::NotAuthorized,
        "The signer may not do this; sign with the wallet that the account names",
    ),
    (
        QuernError::NotProposed,
        "Nobody, or somebody else, is named as successor; propose this wallet first",
    ),
    (
        QuernError::NotWashProof,
        "Reward rate times weight must stay below 1 where rewards are paid in the mint of the fee",
    ),
    (
        QuernError::EmissionFixed,
        "The reward mint and the epoch length are set once and cannot change",
    ),
    (
        QuernError::EmissionPurseMissing,
        "Open the emission's purse in the reward mint first",
    ),
    (
        QuernError::MintHasTransferFee,
        "This mint charges transfer fees; such mints are refused",
    ),
    (
        QuernError::MintHasTransferHook,
        "This mint calls a transfer hook; such mints are refused",
    ),
    (
        QuernError::MintHasPermanentDelegate,
        "This mint has a permanent delegate; such mints are refused",
    ),
    (
        QuernError::MintIsPausable,
        "This mint can be paused by its issuer; such mints are refused",
    ),
    (
        QuernError::MintDefaultFrozen,
        "Accounts of this mint start frozen; such mints are refused",
    ),
    (
        QuernError::MintHasCloseAuthority,
        "This mint can be closed by its issuer; such mints are refused",
    ),
    (
        QuernError::MintIsConfidential,
        "This mint has confidential transfers; such mints are refused",
    ),
    (
        QuernError::MintExtensionRefused,
        "This mint has an extension outside the allow-list; such mints are refused",
    ),
    (
        QuernError::MintDisabled,
        "This mint is not enabled for new jobs; use another one",
    ),
    (
        QuernError::WrongMint,
        "The mint, vault or token program is not the one registered; pass the registered one",
    ),
    (
        QuernError::ZeroAmount,
        "The amount is zero; name an amount above zero",
    ),
    (
        QuernError::InsufficientFunds,
        "The purse does not hold enough free atoms; deposit more",
    ),
    (
        QuernError::ReservationShort,
        "A reservation is smaller than what should leave it; this is a bug, please report it",
    ),
    (
        QuernError::DestinationIsVault,
        "The vault itself cannot be the destination; name a token account of your own",
    ),
    (
        QuernError::VaultShort,
        "The vault would hold less than the purses own; nothing was moved",
    ),
    (
        QuernError::PurseMissing,
        "A purse that this step credits or debits is missing from the accounts; add it (open it first if needed)",
    ),
    (
        QuernError::PurseTwice,
        "The same purse was passed twice; pass each purse once",
    ),
    (
        QuernError::PurseNotWritable,
        "A purse must be writable here; mark it writable",
    ),
    (
        QuernError::TooManyPurses,
        "Too many purses were passed; pass only those that the step needs",
    ),
    (
        QuernError::OperatorLimit,
        "The operator's limit for bonds is reached; the owner must sign or raise it",
    ),
    (
        QuernError::ProviderInactive,
        "The provider is not active; activate it first",
    ),
    (
        QuernError::WrongProvider,
        "This provider account is not the job's provider; pass the right one",
    ),
    (
        QuernError::ModelInactive,
        "The model is not active; choose another one",
    ),
    (
        QuernError::ModelSealed,
        "The model is already sealed and cannot change",
    ),
    (
        QuernError::ModelNotSealed,
        "A refereed job needs a sealed model; seal it first or ask for a reviewed job",
    ),
    (
        QuernError::ModelOutOfRoom,
        "The bytes do not fit into the room that the model reserved",
    ),
    (
        QuernError::UnknownKind,
        "The kind or assurance of the job is unknown; use one that this version knows",
    ),
    (
        QuernError::BadMilestones,
        "A refereed job has one milestone and no arbiter; a reviewed one has 1 to 255 milestones",
    ),
    (
        QuernError::NeedsProviderOrArbiter,
        "A reviewed job needs a pinned provider or an arbiter; name one",
    ),
    (
        QuernError::ArbiterIsParty,
        "The arbiter must be neither the client nor the provider; name somebody else",
    ),
    (
        QuernError::PriceTooLow,
        "The price is below the mint's least price for this work; offer more",
    ),
    (
        QuernError::BondTooLow,
        "The bond is below the least bond for this work; ask for more",
    ),
    (
        QuernError::RateAboveLimit,
        "The fee or royalty now in force is above what the client accepts; raise the limit or wait",
    ),
    (
        QuernError::InputsDoNotFit,
        "The number of inputs or batch rows does not fit the model's program",
    ),
    (
        QuernError::WrongModel,
        "The model account does not match the job; pass the one that the job names",
    ),
    (
        QuernError::CampaignUnknown,
        "Campaigns are not open yet; leave the campaign out",
    ),
    (
        QuernError::WrongState,
        "The job is not in a state that allows this step",
    ),
    (
        QuernError::ReviewedOnly,
        "This step is for reviewed jobs only; a refereed job settles by finalize",
    ),
    (QuernError::TooLate, "The deadline of this step has passed"),
    (
        QuernError::TooEarly,
        "The deadline has not passed yet; try again later",
    ),
    (
        QuernError::GraceTime,
        "Only the provider may finalize during the grace time; try again after it",
    ),
    (
        QuernError::DemandsOpen,
        "Demands are still open; answer them or wait for their timeout",
    ),
    (
        QuernError::PinnedToOther,
        "This job is pinned to another provider",
    ),
    (
        QuernError::OwnJob,
        "A client cannot take its own job; use another wallet",
    ),
    (
        QuernError::NoArbiter,
        "This job has no arbiter, so it cannot be rejected",
    ),
    (
        QuernError::WrongRecipient,
        "The lamports must go to the wallet that paid them; pass the job's client",
    ),
    (
        QuernError::ProviderMissing,
        "The provider account is needed for this step; pass it",
    ),
    (QuernError::NothingToClaim, "There is nothing to claim"),
    (
        QuernError::InvariantBroken,
        "An internal check failed; nothing was changed, please report it",
    ),
    (
        QuernError::NoTreasury,
        "The treasury must be somebody; name the wallet whose purses receive fees",
    ),
    (
        QuernError::RefereedOnly,
        "Only refereed jobs can be convicted or asked; a reviewed one is rejected by its client",
    ),
    (
        QuernError::NotEvidence,
        "This is no evidence account of the program; create one for it with 40 bytes more than the evidence",
    ),
    (
        QuernError::EvidenceOutOfRoom,
        "The bytes do not fit into the evidence account; create a larger one",
    ),
    (
        QuernError::EvidenceTwice,
        "Evidence comes inline or from an account, not both; leave one out",
    ),
    (
        QuernError::WrongDemand,
        "The demand is about another job or submission; pass one about this submission",
    ),
    (
        QuernError::NoSuchNode,
        "There is no such demand; name a node of a tree of this job, at level 0, 4, 8 ... or its leaves",
    ),
    (
        QuernError::MissingPosition,
        "The node lies wholly in missing positions; convict it by its padding instead",
    ),
    (
        QuernError::WrongParent,
        "The parent must be the demand whose answer holds the node; pass that one, at a root none",
    ),
    (
        QuernError::ParentUnanswered,
        "The parent has no answer yet; wait for it or for its timeout",
    ),
    (
        QuernError::AlreadyAnswered,
        "The demand has its answer already; read it",
    ),
    (
        QuernError::WrongAnswer,
        "The answer does not hash to the node or has another length; send what was committed to",
    ),
    (
        QuernError::JobLives,
        "The demand's job still runs; close the demand when the job is over",
    ),
];

/// What `seal` may refuse, in the order of the numbers (from 1).
const SEAL: &[SealError] = &[
    SealError::UnknownVersion,
    SealError::BadLength,
    SealError::ReservedNotZero,
    SealError::TooManyInputs,
    SealError::TooManyWeights,
    SealError::TooManyOps,
    SealError::NoOps,
    SealError::UnknownDType,
    SealError::UnknownRowsKind,
    SealError::BatchInputHasRows,
    SealError::EmptyTensor,
    SealError::TensorTooLarge,
    SealError::UnknownOpcode,
    SealError::ForwardReference,
    SealError::UnknownOperand,
    SealError::MissingOperand,
    SealError::UnusedOperand,
    SealError::UnusedConstant,
    SealError::WrongDType,
    SealError::InnerMismatch,
    SealError::InnerTooLong,
    SealError::MatrixIsComputed,
    SealError::MatrixIsBatch,
    SealError::MatrixIsNoWeight,
    SealError::BiasIsNoWeight,
    SealError::MultIsNoWeight,
    SealError::TableIsNoWeight,
    SealError::BiasShape,
    SealError::MultShape,
    SealError::TableShape,
    SealError::AddShape,
    SealError::AddRowsKind,
    SealError::ArgmaxTooWide,
    SealError::ShiftOutOfRange,
    SealError::EmptyClamp,
    SealError::NoBatchRows,
    SealError::TooManyBatchRows,
    SealError::UnusedBatchRows,
];

/// The program's error with a custom code.
pub fn quern_error(code: u32) -> Option<QuernError> {
    let index = usize::try_from(code.checked_sub(FIRST_ERROR)?).ok()?;
    QUERN.get(index).map(|(error, _)| *error)
}

/// The program's text for one of its errors.
pub fn quern_message(error: QuernError) -> &'static str {
    QUERN
        .iter()
        .find(|(known, _)| *known == error)
        .map_or("The program refused this step", |(_, message)| message)
}

/// What `seal` refused, from a custom code.
pub fn seal_error(code: u32) -> Option<SealError> {
    let index = usize::try_from(code.checked_sub(SEAL_ERROR_BASE)?.checked_sub(1)?).ok()?;
    SEAL.get(index).copied()
}

/// Why evidence proves nothing, from a custom code.
pub fn evidence_refusal(code: u32) -> Option<Refusal> {
    let number = code.checked_sub(REFUSAL_BASE)?;
    Refusal::from_code(u8::try_from(number).ok()?)
}

/// How a program is called in a sentence.
pub fn program_name(program: Option<&Pubkey>) -> String {
    match program {
        None => "an unknown program".to_owned(),
        Some(id) if *id == crate::program_id() => "Quern".to_owned(),
        Some(id) if *id == SYSTEM_PROGRAM => "the system program".to_owned(),
        Some(id) if *id == TOKEN_PROGRAM || *id == TOKEN_2022_PROGRAM => {
            "the token program".to_owned()
        }
        Some(id) if *id == ASSOCIATED_TOKEN_PROGRAM => "the associated-token program".to_owned(),
        Some(id) if *id == UPGRADEABLE_LOADER => "the program loader".to_owned(),
        Some(id) => format!("program {id}"),
    }
}

/// One sentence for a refused transaction; `program` is the innermost one that failed, if it is known.
pub fn refusal(error: &TransactionError, program: Option<&Pubkey>) -> String {
    let sentence = match error {
        TransactionError::InstructionError(_, InstructionError::Custom(code)) => {
            return custom(*code, program);
        }
        TransactionError::InstructionError(_, error) => return builtin(error, program),
        TransactionError::AccountNotFound | TransactionError::InsufficientFundsForFee => {
            "The wallet that pays the fee has too few lamports on this cluster; fund it"
        }
        TransactionError::InsufficientFundsForRent { .. }
        | TransactionError::InvalidRentPayingAccount => {
            "An account would be left below its rent; fund the paying wallet"
        }
        TransactionError::ProgramAccountNotFound => {
            "The program is not deployed on this cluster; check --url or run `quern deploy`"
        }
        TransactionError::BlockhashNotFound => {
            "The blockhash is too old or unknown to the node; try again"
        }
        TransactionError::AlreadyProcessed => {
            "This very transaction was processed before; nothing is left to do"
        }
        TransactionError::SignatureFailure | TransactionError::MissingSignatureForFee => {
            "A signature is missing or wrong; pass the keypairs that the accounts name"
        }
        TransactionError::InvalidAccountForFee => {
            "This account cannot pay fees; use an ordinary wallet"
        }
        TransactionError::UnsupportedVersion => {
            "The node does not take this version of transactions; ask another node"
        }
        TransactionError::MaxLoadedAccountsDataSizeExceeded => {
            "The transaction loads too much account data; split it"
        }
        TransactionError::AccountInUse
        | TransactionError::WouldExceedMaxBlockCostLimit
        | TransactionError::WouldExceedMaxAccountCostLimit
        | TransactionError::WouldExceedAccountDataBlockLimit
        | TransactionError::ClusterMaintenance => "The cluster is busy; try again",
        other => return format!("The cluster refused the transaction: {other}"),
    };
    sentence.to_owned()
}

fn custom(code: u32, program: Option<&Pubkey>) -> String {
    let is_ours = program.is_none_or(|id| *id == crate::program_id());
    if is_ours && let Some(error) = quern_error(code) {
        return quern_message(error).to_owned();
    }
    if is_ours && let Some(error) = seal_error(code) {
        return format!("The graph was refused: {}", error.message());
    }
    if is_ours && let Some(refusal) = evidence_refusal(code) {
        return format!("The evidence was refused: {}", refusal.message());
    }
    let known = match program {
        Some(id) if *id == SYSTEM_PROGRAM => system(code),
        Some(id) if *id == TOKEN_PROGRAM || *id == TOKEN_2022_PROGRAM => token(code),
        Some(id) if *id == crate::program_id() => anchor(code),
        _ => None,
    };
    known.map_or_else(
        || {
            format!(
                "{} refused with its error {code}; see its documentation",
                capitalised(program_name(program))
            )
        },
        str::to_owned,
    )
}

fn system(code: u32) -> Option<&'static str> {
    Some(match code {
        0 => "An account that should be created exists already; use it, or choose another address",
        1 => "The paying wallet has too few lamports; fund it",
        3 => "An account would be larger than allowed; make it smaller",
        _ => return None,
    })
}

fn token(code: u32) -> Option<&'static str> {
    Some(match code {
        0 => "A token account is below its rent; fund it with lamports",
        1 => "The token account holds too few tokens; bring in more",
        2 => "This is not a mint; check its address and the cluster",
        3 => "The token account is of another mint; pass one of the right mint",
        4 => "The token account belongs to another wallet; sign with its owner",
        6 => "The token account exists already; use it",
        9 => "The token account does not exist yet; create it",
        17 => "The token account is frozen; ask the mint's freeze authority",
        18 => "The mint has other decimals; pass the right ones",
        _ => return None,
    })
}

/// Anchor's own codes.
fn anchor(code: u32) -> Option<&'static str> {
    Some(match code {
        2_000 => "An account must be writable; mark it writable",
        2_001 | 2_003 | 2_012 => {
            "An account is not the one that another account names; pass that one"
        }
        2_005 => "An account is below its rent; fund it",
        2_007 => "An account must be a program; pass the program",
        2_011 => "An account cannot be closed into itself; name another recipient",
        2_013 => "An account that should be new is in use; choose another address",
        2_019 => "An account has the wrong size; use a client of the program's version",
        2_020 => "An account that this step needs is missing; pass it",
        2_040 => "The same account stands in two writable places; pass each once",
        2_500..=2_506 => "A condition of the step does not hold; check its arguments",
        _ => return None,
    })
}

fn builtin(error: &InstructionError, program: Option<&Pubkey>) -> String {
    let name = program_name(program);
    let sentence = match error {
        InstructionError::InvalidInstructionData => {
            "cannot read the instruction; use a client of the program's version"
        }
        InstructionError::MissingRequiredSignature => {
            "misses a signature; sign with the wallet that the account names"
        }
        InstructionError::MissingAccount => {
            "misses an account; use a client of the program's version"
        }
        InstructionError::UninitializedAccount => {
            "was given an account that does not exist; create it first"
        }
        InstructionError::AccountAlreadyInitialized => {
            "was asked to create an account that exists; use it"
        }
        InstructionError::InvalidAccountOwner | InstructionError::IllegalOwner => {
            "was given an account that is missing or belongs to another program; check the addresses and the cluster"
        }
        InstructionError::InvalidAccountData | InstructionError::AccountDataTooSmall => {
            "was given an account of another type; check the addresses"
        }
        InstructionError::InvalidSeeds => {
            "was given an account at the wrong address; check the addresses"
        }
        InstructionError::InsufficientFunds => "found too few lamports; fund the paying wallet",
        InstructionError::IncorrectProgramId => {
            "was given another program than it needs; check the token program"
        }
        InstructionError::AccountBorrowFailed => {
            "was given the same account in two places; pass each once"
        }
        InstructionError::ComputationalBudgetExceeded
        | InstructionError::ProgramFailedToComplete => {
            "ran out of compute units or crashed; raise the compute-unit limit"
        }
        InstructionError::IncorrectAuthority => "wants another authority; sign with the right one",
        InstructionError::Immutable => "cannot change this account: it is immutable",
        InstructionError::UnsupportedProgramId => {
            return "The program is not deployed on this cluster; check --url or run `quern deploy`".to_owned();
        }
        InstructionError::ArithmeticOverflow => {
            "computed a number that is too large; use smaller amounts"
        }
        other => return format!("{} refused: {other}", capitalised(name)),
    };
    format!("{} {sentence}", capitalised(name))
}

fn capitalised(text: String) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, anchor_lang::prelude::ProgramError};

    /// Reads names and texts out of the program's source, which is where they are defined.
    fn source() -> Vec<(String, String)> {
        let text = include_str!("../../../programs/quern/src/error.rs");
        let (text, _) = text.split_once("impl From<RuleError>").unwrap();
        text.split("#[msg(")
            .skip(1)
            .map(|part| {
                let mut quoted = part.splitn(3, '"');
                let message = quoted.nth(1).unwrap();
                let rest = quoted
                    .next()
                    .unwrap()
                    .trim_start_matches([')', ']', ',', ' ', '\n']);
                (
                    rest.split(',').next().unwrap().to_owned(),
                    message.to_owned(),
                )
            })
            .collect()
    }

    #[test]
    fn table_is_the_programs() {
        let table: Vec<_> = QUERN
            .iter()
            .map(|(error, text)| (format!("{error:?}"), (*text).to_owned()))
            .collect();
        assert_eq!(table, source());
        for (index, (error, _)) in (FIRST_ERROR..).zip(QUERN) {
            assert_eq!(ProgramError::from(*error), ProgramError::Custom(index));
            assert_eq!(quern_error(index), Some(*error));
        }
        assert_eq!(quern_error(FIRST_ERROR - 1), None);
        assert_eq!(quern_error(FIRST_ERROR + QUERN.len() as u32), None);
    }

    #[test]
    fn seal_numbers_match() {
        for (index, error) in (1u32..).zip(SEAL) {
            assert_eq!(*error as u32, index);
            assert_eq!(seal_error(SEAL_ERROR_BASE + index), Some(*error));
        }
        assert_eq!(seal_error(SEAL_ERROR_BASE), None);
    }

    #[test]
    fn refusals_of_evidence_have_their_numbers() {
        for refusal in Refusal::ALL {
            assert_eq!(
                evidence_refusal(REFUSAL_BASE + refusal as u32),
                Some(refusal)
            );
        }
        let beyond = REFUSAL_BASE + Refusal::ALL.len() as u32 + 1;
        for code in [
            SEAL_ERROR_BASE + 1,
            REFUSAL_BASE,
            beyond,
            REFUSAL_BASE + 256,
        ] {
            assert_eq!(evidence_refusal(code), None);
        }
    }
}
