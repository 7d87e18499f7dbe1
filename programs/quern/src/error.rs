//! Every error of the program. Each message says what to do; codes start at 6000 and never change meaning.

use {
    anchor_lang::prelude::*,
    quern_proof::{demand::DemandError, evidence::Refusal, graph::SealError},
    quern_rules::RuleError,
};

/// Declares the program's errors: one table gives numbers, names and texts.
macro_rules! errors {
    ($($name:ident: $text:tt,)*) => {
        /// What went wrong, in words for the sender of the transaction.
        #[error_code]
        #[derive(Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum QuernError {
            $(#[msg($text)] $name,)*
        }

        impl QuernError {
            /// All of them, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The error with this code.
            pub fn from_code(code: u32) -> Option<Self> {
                let index = code.checked_sub(FIRST_ERROR)?;
                Self::ALL.get(usize::try_from(index).ok()?).copied()
            }

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What is wrong and what to do.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

errors! {
    Overflow: "An amount or a time is too large; use a smaller one",
    ShareTooHigh: "A share is above its highest allowed value; lower it",
    BadTimeSpan: "A time span is zero or longer than allowed; choose one within the limits",
    BadText: "A name is empty or longer than 32 bytes, or a URI is longer than 200 bytes; shorten it",
    Paused: "The protocol is paused for new models, jobs and takes; try again later",
    NotUpgradeAuthority: "Only the program's upgrade authority may initialize; sign with it",
    NotAuthorized: "The signer may not do this; sign with the wallet that the account names",
    NotProposed: "Nobody, or somebody else, is named as successor; propose this wallet first",
    NotWashProof: "Reward rate times weight must stay below 1 where rewards are paid in the mint of the fee",
    EmissionFixed: "The reward mint and the epoch length are set once and cannot change",
    EmissionPurseMissing: "Open the emission's purse in the reward mint first",
    MintHasTransferFee: "This mint charges transfer fees; such mints are refused",
    MintHasTransferHook: "This mint calls a transfer hook; such mints are refused",
    MintHasPermanentDelegate: "This mint has a permanent delegate; such mints are refused",
    MintIsPausable: "This mint can be paused by its issuer; such mints are refused",
    MintDefaultFrozen: "Accounts of this mint start frozen; such mints are refused",
    MintHasCloseAuthority: "This mint can be closed by its issuer; such mints are refused",
    MintIsConfidential: "This mint has confidential transfers; such mints are refused",
    MintExtensionRefused: "This mint has an extension outside the allow-list; such mints are refused",
    MintDisabled: "This mint is not enabled for new jobs; use another one",
    WrongMint: "The mint, vault or token program is not the one registered; pass the registered one",
    ZeroAmount: "The amount is zero; name an amount above zero",
    InsufficientFunds: "The purse does not hold enough free atoms; deposit more",
    ReservationShort: "A reservation is smaller than what should leave it; this is a bug, please report it",
    DestinationIsVault: "The vault itself cannot be the destination; name a token account of your own",
    VaultShort: "The vault would hold less than the purses own; nothing was moved",
    PurseMissing: "A purse that this step credits or debits is missing from the accounts; add it (open it first if needed)",
    PurseTwice: "The same purse was passed twice; pass each purse once",
    PurseNotWritable: "A purse must be writable here; mark it writable",
    TooManyPurses: "Too many purses were passed; pass only those that the step needs",
    OperatorLimit: "The operator's limit for bonds is reached; the owner must sign or raise it",
    ProviderInactive: "The provider is not active; activate it first",
    WrongProvider: "This provider account is not the job's provider; pass the right one",
    ModelInactive: "The model is not active; choose another one",
    ModelSealed: "The model is already sealed and cannot change",
    ModelNotSealed: "A refereed job needs a sealed model; seal it first or ask for a reviewed job",
    ModelOutOfRoom: "The bytes lie beyond the graph's registered length, or more than 10,240 beyond what is written; write in order",
    UnknownKind: "The kind or assurance of the job is unknown; use one that this version knows",
    BadMilestones: "A refereed job has one milestone and no arbiter; a reviewed one has 1 to 255 milestones",
    NeedsProviderOrArbiter: "A reviewed job needs a pinned provider or an arbiter; name one",
    ArbiterIsParty: "The arbiter must be neither the client nor the provider; name somebody else",
    PriceTooLow: "The price is below the mint's least price for this work; offer more",
    BondTooLow: "The bond is below the least bond for this work; ask for more",
    TermsChanged: "The fee, royalty or other terms now in force are not those that the client read; read them again",
    InputsDoNotFit: "The number of inputs or items does not fit the model's graph, or a root is given for its tokens",
    WrongModel: "The model account does not match the job; pass the one that the job names",
    WrongCampaign: "The campaign is not the one that is named, or is none; pass it, and behind it the provider's entry",
    WrongState: "The job is not in a state that allows this step",
    ReviewedOnly: "This step is for reviewed jobs only; a refereed job settles by finalize",
    TooLate: "The deadline of this step has passed",
    TooEarly: "The deadline has not passed yet; try again later",
    GraceTime: "Only the provider may finalize during the grace time; try again after it",
    DemandsOpen: "Demands are still open; answer them or wait for their timeout",
    PinnedToOther: "This job is pinned to another provider",
    OwnJob: "A client cannot take its own job; use another wallet",
    NoArbiter: "This job has no arbiter, so it cannot be rejected",
    WrongRecipient: "The lamports must go to the wallet that paid them; pass the job's client",
    ProviderMissing: "The provider account is needed for this step; pass it",
    NothingToClaim: "There is nothing to claim",
    InvariantBroken: "An internal check failed; nothing was changed, please report it",
    NoTreasury: "The treasury must be somebody; name the wallet whose purses receive fees",
    RefereedOnly: "Only refereed jobs can be convicted or asked; a reviewed one is rejected by its client",
    NotEvidence: "This is no evidence account of the program; create one for it with 40 bytes more than the evidence",
    EvidenceOutOfRoom: "The bytes do not fit into the evidence account; create a larger one",
    EvidenceTwice: "Evidence comes inline or from an account, not both; leave one out",
    WrongDemand: "The demand is about another job or submission; pass one about this submission",
    NoSuchNode: "There is no such demand; name a node of a tree of this job, at level 0, 4, 8 ... or its leaves",
    MissingPosition: "The node lies wholly in missing positions; convict it by its padding instead",
    WrongParent: "The parent must be the demand whose answer holds the node; pass that one, at a root none",
    ParentUnanswered: "The parent has no answer yet; wait for it or for its timeout",
    AlreadyAnswered: "The demand has its answer already; read it",
    WrongAnswer: "The answer does not hash to the node or has another length; send what was committed to",
    JobLives: "The demand's job still runs; close the demand when the job is over",
    JobMoved: "The job has moved on since it was read; read it again and decide anew",
    TakenByOwner: "The owner took this job, so its operator cannot submit; sign with the owner's wallet",
    GraphDiffers: "The graph as written is not the one that the seal names; write it again",
    ModelTooShort: "The model is shorter than its registered length; write all of its graph first",
    TokensDoNotFit: "Give the root of the tokens exactly where the model's graph has tokens; leave it zero elsewhere",
    CampaignMisfit: "The campaign has another mint, kind or model, is over, or ends its settling before the job's review can; leave it out or choose shorter times",
    CampaignReadOnly: "Campaign and entry must be writable where a milestone scores; mark them writable",
    EntryMissing: "The provider has not joined the campaign that the job names, or its entry was not passed; join and pass it",
}

/// The code of the first of the program's own errors.
pub const FIRST_ERROR: u32 = 6_000;

impl From<RuleError> for QuernError {
    fn from(error: RuleError) -> Self {
        match error {
            RuleError::ShareAboveOne | RuleError::WeightNotBelowOne => Self::ShareTooHigh,
            RuleError::PenaltyAboveShare => Self::ShareTooHigh,
            RuleError::PriceZero | RuleError::NoWeight => Self::ZeroAmount,
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

#[cfg(test)]
mod tests {
    use {super::*, std::collections::BTreeSet};

    #[test]
    fn codes_follow_the_table_and_lead_back() {
        for (code, error) in (FIRST_ERROR..).zip(QuernError::ALL) {
            assert_eq!(ProgramError::from(*error), ProgramError::Custom(code));
            assert_eq!(QuernError::from_code(code), Some(*error));
            assert_eq!(error.name(), format!("{error:?}"));
        }
        let beyond = FIRST_ERROR + QuernError::ALL.len() as u32;
        for code in [0, FIRST_ERROR - 1, beyond, SEAL_ERROR_BASE] {
            assert_eq!(QuernError::from_code(code), None);
        }
    }

    #[test]
    fn every_error_has_its_own_sentence() {
        let messages: BTreeSet<_> = QuernError::ALL
            .iter()
            .map(|error| error.message())
            .collect();
        assert_eq!(messages.len(), QuernError::ALL.len());
        assert!(messages.iter().all(|message| !message.is_empty()));
    }
}
