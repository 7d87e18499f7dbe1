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

/// What `seal` refused, from a custom code.
pub fn seal_error(code: u32) -> Option<SealError> {
    let number = code.checked_sub(SEAL_ERROR_BASE)?;
    SealError::from_code(u8::try_from(number).ok()?)
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
    if is_ours && let Some(error) = QuernError::from_code(code) {
        return error.message().to_owned();
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
    use super::*;

    #[test]
    fn seal_numbers_match() {
        for error in SealError::ALL {
            assert_eq!(seal_error(SEAL_ERROR_BASE + error as u32), Some(error));
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
