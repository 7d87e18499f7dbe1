//! Every error of the program. Each message says what to do; codes start at 6000 and never change meaning.

use {
    anchor_lang::prelude::*,
    quern_proof::{demand::DemandError, evidence::Refusal, graph::SealError},
    quern_rules::RuleError,
};

/// What went wrong, in words for whoever sent the transaction.
#[error_code]
#[derive(Debug, PartialEq, Eq)]
pub enum QuernError {
    /// Arithmetic.
    #[msg("An amount or a time is too large; use a smaller one")]
    Overflow,
    /// Shares.
    #[msg("A share is above its highest allowed value; lower it")]
    ShareTooHigh,
    /// Windows.
    #[msg("A time span is zero or longer than allowed; choose one within the limits")]
    BadTimeSpan,
    /// Text.
    #[msg("A name is empty or longer than 32 bytes, or a URI is longer than 200 bytes; shorten it")]
    BadText,
    /// Pause.
    #[msg("The protocol is paused for new models, jobs and takes; try again later")]
    Paused,
    /// Initialize.
    #[msg("Only the program's upgrade authority may initialize; sign with it")]
    NotUpgradeAuthority,
    /// Signer.
    #[msg("The signer may not do this; sign with the wallet that the account names")]
    NotAuthorized,
    /// Pending authority or owner.
    #[msg("Nobody, or somebody else, is named as successor; propose this wallet first")]
    NotProposed,
    /// P12.
    #[msg(
        "Reward rate times weight must stay below 1 where rewards are paid in the mint of the fee"
    )]
    NotWashProof,
    /// Emission.
    #[msg("The reward mint and the epoch length are set once and cannot change")]
    EmissionFixed,
    /// Emission purse.
    #[msg("Open the emission's purse in the reward mint first")]
    EmissionPurseMissing,
    /// Token-2022.
    #[msg("This mint charges transfer fees; such mints are refused")]
    MintHasTransferFee,
    /// Token-2022.
    #[msg("This mint calls a transfer hook; such mints are refused")]
    MintHasTransferHook,
    /// Token-2022.
    #[msg("This mint has a permanent delegate; such mints are refused")]
    MintHasPermanentDelegate,
    /// Token-2022.
    #[msg("This mint can be paused by its issuer; such mints are refused")]
    MintIsPausable,
    /// Token-2022.
    #[msg("Accounts of this mint start frozen; such mints are refused")]
    MintDefaultFrozen,
    /// Token-2022.
    #[msg("This mint can be closed by its issuer; such mints are refused")]
    MintHasCloseAuthority,
    /// Token-2022.
    #[msg("This mint has confidential transfers; such mints are refused")]
    MintIsConfidential,
    /// Token-2022.
    #[msg("This mint has an extension outside the allow-list; such mints are refused")]
    MintExtensionRefused,
    /// Mint.
    #[msg("This mint is not enabled for new jobs; use another one")]
    MintDisabled,
    /// Wrong mint or token program.
    #[msg("The mint, vault or token program is not the one registered; pass the registered one")]
    WrongMint,
    /// Zero.
    #[msg("The amount is zero; name an amount above zero")]
    ZeroAmount,
    /// Funds.
    #[msg("The purse does not hold enough free atoms; deposit more")]
    InsufficientFunds,
    /// Ledger.
    #[msg("A reservation is smaller than what should leave it; this is a bug, please report it")]
    ReservationShort,
    /// Destination.
    #[msg("The vault itself cannot be the destination; name a token account of your own")]
    DestinationIsVault,
    /// P1.
    #[msg("The vault would hold less than the purses own; nothing was moved")]
    VaultShort,
    /// Purse list.
    #[msg(
        "A purse that this step credits or debits is missing from the accounts; add it (open it first if needed)"
    )]
    PurseMissing,
    /// Purse list.
    #[msg("The same purse was passed twice; pass each purse once")]
    PurseTwice,
    /// Purse list.
    #[msg("A purse must be writable here; mark it writable")]
    PurseNotWritable,
    /// Purse list.
    #[msg("Too many purses were passed; pass only those that the step needs")]
    TooManyPurses,
    /// Operator.
    #[msg("The operator's limit for bonds is reached; the owner must sign or raise it")]
    OperatorLimit,
    /// Provider.
    #[msg("The provider is not active; activate it first")]
    ProviderInactive,
    /// Provider.
    #[msg("This provider account is not the job's provider; pass the right one")]
    WrongProvider,
    /// Model.
    #[msg("The model is not active; choose another one")]
    ModelInactive,
    /// Model.
    #[msg("The model is already sealed and cannot change")]
    ModelSealed,
    /// Model.
    #[msg("A refereed job needs a sealed model; seal it first or ask for a reviewed job")]
    ModelNotSealed,
    /// Model.
    #[msg("The bytes do not fit into the room that the model reserved")]
    ModelOutOfRoom,
    /// Job arguments.
    #[msg("The kind or assurance of the job is unknown; use one that this version knows")]
    UnknownKind,
    /// Job arguments.
    #[msg(
        "A refereed job has one milestone and no arbiter; a reviewed one has 1 to 255 milestones"
    )]
    BadMilestones,
    /// Job arguments.
    #[msg("A reviewed job needs a pinned provider or an arbiter; name one")]
    NeedsProviderOrArbiter,
    /// Job arguments.
    #[msg("The arbiter must be neither the client nor the provider; name somebody else")]
    ArbiterIsParty,
    /// Job arguments.
    #[msg("The price is below the mint's least price for this work; offer more")]
    PriceTooLow,
    /// Job arguments.
    #[msg("The bond is below the least bond for this work; ask for more")]
    BondTooLow,
    /// Job arguments.
    #[msg(
        "The fee or royalty now in force is above what the client accepts; raise the limit or wait"
    )]
    RateAboveLimit,
    /// Job arguments.
    #[msg("The number of inputs or batch rows does not fit the model's program")]
    InputsDoNotFit,
    /// Job arguments.
    #[msg("The model account does not match the job; pass the one that the job names")]
    WrongModel,
    /// Job arguments.
    #[msg("Campaigns are not open yet; leave the campaign out")]
    CampaignUnknown,
    /// Job state.
    #[msg("The job is not in a state that allows this step")]
    WrongState,
    /// Job state.
    #[msg("This step is for reviewed jobs only; a refereed job settles by finalize")]
    ReviewedOnly,
    /// Job time.
    #[msg("The deadline of this step has passed")]
    TooLate,
    /// Job time.
    #[msg("The deadline has not passed yet; try again later")]
    TooEarly,
    /// Job time.
    #[msg("Only the provider may finalize during the grace time; try again after it")]
    GraceTime,
    /// Job.
    #[msg("Demands are still open; answer them or wait for their timeout")]
    DemandsOpen,
    /// Job.
    #[msg("This job is pinned to another provider")]
    PinnedToOther,
    /// Job.
    #[msg("A client cannot take its own job; use another wallet")]
    OwnJob,
    /// Job.
    #[msg("This job has no arbiter, so it cannot be rejected")]
    NoArbiter,
    /// Job.
    #[msg("The lamports must go to the wallet that paid them; pass the job's client")]
    WrongRecipient,
    /// Job.
    #[msg("The provider account is needed for this step; pass it")]
    ProviderMissing,
    /// Rewards.
    #[msg("There is nothing to claim")]
    NothingToClaim,
    /// Invariants.
    #[msg("An internal check failed; nothing was changed, please report it")]
    InvariantBroken,
    /// Settings.
    #[msg("The treasury must be somebody; name the wallet whose purses receive fees")]
    NoTreasury,
    /// Referee.
    #[msg("Only refereed jobs can be convicted or asked; a reviewed one is rejected by its client")]
    RefereedOnly,
    /// Evidence.
    #[msg(
        "This is no evidence account of the program; create one for it with 40 bytes more than the evidence"
    )]
    NotEvidence,
    /// Evidence.
    #[msg("The bytes do not fit into the evidence account; create a larger one")]
    EvidenceOutOfRoom,
    /// Evidence.
    #[msg("Evidence comes inline or from an account, not both; leave one out")]
    EvidenceTwice,
    /// Demand.
    #[msg("The demand is about another job or submission; pass one about this submission")]
    WrongDemand,
    /// Demand.
    #[msg(
        "There is no such demand; name a node of a tree of this job, at level 0, 4, 8 ... or its leaves"
    )]
    NoSuchNode,
    /// Demand.
    #[msg("The node lies wholly in missing positions; convict it by its padding instead")]
    MissingPosition,
    /// Demand.
    #[msg(
        "The parent must be the demand whose answer holds the node; pass that one, at a root none"
    )]
    WrongParent,
    /// Demand.
    #[msg("The parent has no answer yet; wait for it or for its timeout")]
    ParentUnanswered,
    /// Demand.
    #[msg("The demand has its answer already; read it")]
    AlreadyAnswered,
    /// Demand.
    #[msg("The answer does not hash to the node or has another length; send what was committed to")]
    WrongAnswer,
    /// Demand.
    #[msg("The demand's job still runs; close the demand when the job is over")]
    JobLives,
}

impl From<RuleError> for QuernError {
    fn from(error: RuleError) -> Self {
        match error {
            RuleError::ShareAboveOne => Self::ShareTooHigh,
            RuleError::PenaltyAboveShare => Self::ShareTooHigh,
            RuleError::PriceZero => Self::ZeroAmount,
            RuleError::NoMilestones => Self::BadMilestones,
            RuleError::EpochLengthZero => Self::BadTimeSpan,
            RuleError::AmountOverflow | RuleError::DeadlineOverflow | RuleError::TimeNegative => {
                Self::Overflow
            }
        }
    }
}

/// Codes from here on name what `seal` refused: the base plus the number of a [`SealError`].
pub const SEAL_ERROR_BASE: u32 = 7_000;

/// Codes from here on name why evidence proves nothing: the base plus the number of a [`Refusal`].
pub const REFUSAL_BASE: u32 = 8_000;

/// Turns the errors of `quern-rules` and `quern-proof` into the program's own.
pub trait OrQuern<T> {
    /// The value, or this program's error for the same cause.
    fn or_quern(self) -> Result<T>;
}

impl<T> OrQuern<T> for core::result::Result<T, RuleError> {
    fn or_quern(self) -> Result<T> {
        self.map_err(|error| QuernError::from(error).into())
    }
}

impl<T> OrQuern<T> for core::result::Result<T, SealError> {
    fn or_quern(self) -> Result<T> {
        self.map_err(|error| ProgramError::Custom(SEAL_ERROR_BASE + error as u32))
    }
}

impl<T> OrQuern<T> for core::result::Result<T, DemandError> {
    fn or_quern(self) -> Result<T> {
        self.map_err(|error| match error {
            DemandError::NoSuchNode => QuernError::NoSuchNode.into(),
            DemandError::Missing => QuernError::MissingPosition.into(),
        })
    }
}

impl<T> OrQuern<T> for core::result::Result<T, Refusal> {
    fn or_quern(self) -> Result<T> {
        self.map_err(|refusal| ProgramError::Custom(REFUSAL_BASE + refusal as u32))
    }
}
