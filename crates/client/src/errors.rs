//! What can go wrong, each as one sentence that says what to do.

use {
    crate::{addresses::SYSTEM_PROGRAM, messages},
    quern::error::QuernError,
    quern_proof::evidence,
    solana_rpc_client_api::{
        client_error::{Error as RpcClientError, ErrorKind},
        request::{RpcError, RpcResponseErrorData},
    },
    solana_sdk::{
        hash::Hash, instruction::InstructionError, pubkey::Pubkey, signature::Signature,
        transaction::TransactionError,
    },
    solana_system_interface::error::SystemError,
    std::{fmt, path::PathBuf},
};

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, ClientError>;

/// Everything that can go wrong between a caller and the chain.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A program, or the cluster, refused a transaction.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// No answer.
    #[error("cannot reach the cluster at {url}: {reason}; check the URL and that the node runs")]
    Unreachable {
        /// Where it should have been.
        url: String,
        /// What the transport said.
        reason: String,
    },
    /// An answer, but of no Solana node.
    #[error(
        "{url} answers with something else than JSON-RPC, a web page perhaps; check the URL, or try again if it is a node whose proxy is in trouble"
    )]
    NotJsonRpc {
        /// Who answered.
        url: String,
    },
    /// An answer that is an error.
    #[error("the cluster answered {reason}; check the request or ask another node")]
    Rpc {
        /// What the node said.
        reason: String,
    },
    /// Nobody included the transaction, several times.
    #[error(
        "the transaction was not included in {attempts} attempts (last signature {signature}); raise the priority fee or try again"
    )]
    Expired {
        /// How many blockhashes were tried.
        attempts: u32,
        /// Signature of the last attempt.
        signature: Signature,
    },
    /// The node stopped answering after the transaction was sent.
    #[error(
        "it is unknown whether transaction {signature} was included ({reason}); look it up before you repeat it"
    )]
    Unknown {
        /// Its signature.
        signature: Signature,
        /// What the node, or the network, said last.
        reason: String,
    },
    /// The transaction needs a signature that the caller did not give.
    #[error("the transaction needs the signature of {0}; pass that wallet's keypair")]
    MissingSigner(Pubkey),
    /// More instructions than a transaction holds.
    #[error("the transaction is {bytes} bytes long and at most {limit} fit; split it")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest size.
        limit: usize,
    },
    /// Nothing at the address.
    #[error("there is no {what} at {address}; check the address and the cluster")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// Where.
        address: Pubkey,
    },
    /// An account that another program owns.
    #[error(
        "{address} belongs to the program {owner}, so it is no {what} of Quern; check the address and the cluster"
    )]
    WrongOwner {
        /// What was looked for.
        what: &'static str,
        /// Where.
        address: Pubkey,
        /// Who owns it.
        owner: Pubkey,
    },
    /// Another type of account.
    #[error("{address} is an account of Quern but no {what}; pass the address of a {what}")]
    WrongType {
        /// What was looked for.
        what: &'static str,
        /// Where.
        address: Pubkey,
    },
    /// A damaged or newer account.
    #[error(
        "the {what} at {address} has {found} bytes where {expected} were expected; use a client of the program's version"
    )]
    WrongSize {
        /// What was looked for.
        what: &'static str,
        /// Where.
        address: Pubkey,
        /// Expected bytes.
        expected: usize,
        /// Found bytes.
        found: usize,
    },
    /// A newer layout.
    #[error(
        "the {what} at {address} has layout version {found} and this client knows {known}; use a newer client"
    )]
    WrongVersion {
        /// What was looked for.
        what: &'static str,
        /// Where.
        address: Pubkey,
        /// The version that the account carries.
        found: u8,
        /// The version that this client knows.
        known: u8,
    },
    /// A state, kind, level or tree that is newer than this client.
    #[error(
        "the {what} at {address} holds a code that this client does not know; use a newer client"
    )]
    UnknownCode {
        /// What was looked for.
        what: &'static str,
        /// Where.
        address: Pubkey,
    },
    /// The protocol was initialized for another cluster than the one that answers.
    #[error(
        "the protocol was set up for the cluster with genesis hash {expected}, but {url} belongs to the one with {found}; check --url"
    )]
    WrongCluster {
        /// The node.
        url: String,
        /// What the protocol names.
        expected: Hash,
        /// What the node says.
        found: Hash,
    },
    /// A keypair file.
    #[error("cannot use the keypair file {path}: {reason}", path = path.display())]
    Keypair {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The configuration file.
    #[error("cannot use the configuration file {path}: {reason}; correct it or name another with --config", path = path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A cluster's name or URL.
    #[error(
        "`{0}` is neither a cluster's name (localhost, devnet, testnet, mainnet-beta) nor an http(s) URL{hint}; use one of them", hint = url_hint(.0)
    )]
    BadUrl(String),
    /// A file of the caller.
    #[error("cannot read {path}: {reason}; check the path", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Evidence that the program would refuse; found here, before anything was paid.
    #[error("The evidence was refused: {}", .0.message())]
    Evidence(evidence::Refusal),
    /// An evidence account could not be closed after a failure.
    #[error(
        "{cause}; the evidence account {address} could not be closed ({reason}): close it later, it holds its rent"
    )]
    EvidenceLeft {
        /// The account; its author gets its lamports by closing it.
        address: Pubkey,
        /// Why it could not be closed.
        reason: String,
        /// What failed first.
        cause: Box<ClientError>,
    },
    /// What the program would refuse for this reason; found here, before anything was paid.
    #[error("{} ({:?})", .0.message(), .0)]
    WouldRefuse(QuernError),
    /// An argument that the program would refuse anyway.
    #[error("{0}")]
    Argument(String),
    /// The text behind a hash.
    #[error(
        "no event of {address} carries the URI that its account commits to; ask a node that keeps older transactions, or name the data yourself"
    )]
    UriUnknown {
        /// The account.
        address: Pubkey,
    },
}

impl ClientError {
    /// The program's own error, if that is what it was.
    pub fn quern(&self) -> Option<QuernError> {
        match self {
            Self::Refused(refusal) => refusal.quern(),
            Self::WouldRefuse(error) => Some(*error),
            Self::EvidenceLeft { cause, .. } => cause.quern(),
            _ => None,
        }
    }

    /// Why the evidence proves nothing, if that is what it was.
    pub fn evidence(&self) -> Option<evidence::Refusal> {
        match self {
            Self::Evidence(refusal) => Some(*refusal),
            Self::Refused(refusal) => refusal.evidence(),
            Self::EvidenceLeft { cause, .. } => cause.evidence(),
            _ => None,
        }
    }

    /// Whether the same request may succeed later without any change: the node or the network is to blame.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::NotJsonRpc { .. }
            | Self::Rpc { .. }
            | Self::Expired { .. } => true,
            Self::EvidenceLeft { cause, .. } => cause.is_transient(),
            _ => false,
        }
    }

    /// An error of the RPC client, in a sentence.
    pub fn from_rpc(url: &str, error: RpcClientError) -> Self {
        let unreachable = |reason: String| Self::Unreachable {
            url: url.to_owned(),
            reason,
        };
        match *error.kind {
            ErrorKind::Io(error) => unreachable(error.to_string()),
            ErrorKind::Reqwest(error) if error.is_decode() => Self::NotJsonRpc {
                url: url.to_owned(),
            },
            ErrorKind::Reqwest(error) => unreachable(match error.status() {
                Some(status) => format!("it answered with HTTP status {status}"),
                None => cause(&error),
            }),
            ErrorKind::Middleware(error) => unreachable(format!("{error:#}")),
            ErrorKind::TransactionError(error) => {
                Self::Refused(Box::new(Refusal::new(error, Vec::new(), &[])))
            }
            ErrorKind::RpcError(RpcError::RpcResponseError {
                data: RpcResponseErrorData::SendTransactionPreflightFailure(result),
                message,
                ..
            }) => match result.err {
                Some(error) => Self::Refused(Box::new(Refusal::new(
                    error.into(),
                    result.logs.unwrap_or_default(),
                    &[],
                ))),
                None => Self::Rpc { reason: message },
            },
            ErrorKind::RpcError(RpcError::RpcResponseError { code, message, .. }) => Self::Rpc {
                reason: format!("\"{}\" ({code})", message.trim()),
            },
            ErrorKind::RpcError(error) => Self::Rpc {
                reason: error.to_string(),
            },
            ErrorKind::SerdeJson(error) => Self::Rpc {
                reason: format!("something unreadable: {error}"),
            },
            other => Self::Rpc {
                reason: other.to_string(),
            },
        }
    }
}

/// What a text is that looks like a cluster's URL.
fn url_hint(text: &str) -> &'static str {
    let text = text.trim().to_ascii_lowercase();
    match text.starts_with("ws://") || text.starts_with("wss://") {
        true => " (a websocket's address is for notices only; name the one for requests)",
        false => "",
    }
}

/// The innermost cause, which says "connection refused" where the outer ones only say "error sending request".
pub fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// A refused transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// What the cluster said.
    pub error: TransactionError,
    /// Index of the refused instruction among those of the caller, if one was refused.
    pub instruction: Option<usize>,
    /// The program that refused: the innermost one, if the logs tell, otherwise the called one.
    pub program: Option<Pubkey>,
    /// The program's logs, as far as the node gave them.
    pub logs: Vec<String>,
}

impl Refusal {
    /// Finds out who refused. `programs` are the called programs in the order of the transaction's instructions. Those that only
    /// set the compute budget stand before the caller's and are not counted.
    pub fn new(error: TransactionError, logs: Vec<String>, programs: &[Pubkey]) -> Self {
        let refused = match &error {
            TransactionError::InstructionError(index, _) => Some(usize::from(*index)),
            _ => None,
        };
        let called = refused.and_then(|index| programs.get(index).copied());
        let program = refused.and(innermost_failure(&logs)).or(called);
        let sets_budget = |program: &&Pubkey| **program == solana_compute_budget_interface::ID;
        let added = programs.iter().take_while(sets_budget).count();
        let instruction = refused.map(|index| index.saturating_sub(added));
        Self {
            error,
            instruction,
            program,
            logs,
        }
    }

    /// The custom code, if there is one.
    pub fn code(&self) -> Option<u32> {
        match self.error {
            TransactionError::InstructionError(_, InstructionError::Custom(code)) => Some(code),
            _ => None,
        }
    }

    /// The program's own error, if that is what it was. Without logs the innermost program is unknown, so codes from 6000
    /// on are taken for ours.
    pub fn quern(&self) -> Option<QuernError> {
        let is_ours = self
            .program
            .is_none_or(|program| program == crate::program_id());
        self.code()
            .filter(|_| is_ours)
            .and_then(QuernError::from_code)
    }

    /// Whether the paying wallet has too few lamports for a fee, or for the rent of an account.
    pub fn lacks_lamports(&self) -> bool {
        match &self.error {
            TransactionError::AccountNotFound
            | TransactionError::InsufficientFundsForFee
            | TransactionError::InsufficientFundsForRent { .. } => true,
            TransactionError::InstructionError(_, InstructionError::Custom(code)) => {
                let is_of_system = self.program == Some(SYSTEM_PROGRAM);
                is_of_system && *code == SystemError::ResultWithNegativeLamports as u32
            }
            TransactionError::InstructionError(_, error) => {
                *error == InstructionError::InsufficientFunds
            }
            _ => false,
        }
    }

    /// Why the evidence proves nothing, if that is what was refused.
    pub fn evidence(&self) -> Option<evidence::Refusal> {
        let is_ours = self
            .program
            .is_none_or(|program| program == crate::program_id());
        self.code()
            .filter(|_| is_ours)
            .and_then(messages::evidence_refusal)
    }

    /// One sentence, without the technical tail.
    pub fn message(&self) -> String {
        messages::refusal(&self.error, self.program.as_ref())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())?;
        match (self.quern(), self.code(), self.instruction) {
            (Some(error), _, _) => write!(f, " ({error:?})"),
            (None, Some(code), Some(_)) => write!(
                f,
                " (error {code} of {})",
                messages::program_name(self.program.as_ref())
            ),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

/// The first program that the logs report as failed; a failure travels outwards from there.
fn innermost_failure(logs: &[String]) -> Option<Pubkey> {
    logs.iter()
        .filter_map(|line| line.strip_prefix("Program "))
        .find_map(|line| {
            line.split_once(" failed: ")
                .and_then(|(program, _)| program.parse().ok())
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn refused(code: u32, logs: &[&str]) -> Refusal {
        let error = TransactionError::InstructionError(0, InstructionError::Custom(code));
        Refusal::new(
            error,
            logs.iter().map(|line| (*line).to_owned()).collect(),
            &[crate::program_id()],
        )
    }

    #[test]
    fn names_our_error() {
        let refusal = refused(6022, &[]);
        assert_eq!(refusal.quern(), Some(QuernError::InsufficientFunds));
        assert_eq!(
            refusal.to_string(),
            "The purse does not hold enough free atoms; deposit more (InsufficientFunds)"
        );
    }

    #[test]
    fn too_few_lamports_are_told_from_other_refusals() {
        let system = SYSTEM_PROGRAM;
        let creation = InstructionError::Custom(SystemError::ResultWithNegativeLamports as u32);
        let creation = TransactionError::InstructionError(0, creation);
        let other = TransactionError::InstructionError(0, InstructionError::Custom(6_022));
        for (error, program, lacks) in [
            (TransactionError::InsufficientFundsForFee, system, true),
            (TransactionError::AccountNotFound, system, true),
            (creation.clone(), system, true),
            (creation, crate::program_id(), false),
            (other, crate::program_id(), false),
            (TransactionError::BlockhashNotFound, system, false),
        ] {
            let refusal = Refusal::new(error, Vec::new(), &[program]);
            assert_eq!(refusal.lacks_lamports(), lacks, "{refusal}");
        }
    }

    #[test]
    fn counts_the_callers_instructions() {
        let (budget, own) = (solana_compute_budget_interface::ID, crate::program_id());
        for (programs, refused, counted) in [
            (&[own, own][..], 1, Some(1)),
            (&[budget, own], 1, Some(0)),
            (&[budget, budget, own, own], 3, Some(1)),
            (&[], 2, Some(2)),
        ] {
            let error =
                TransactionError::InstructionError(refused, InstructionError::Custom(6_006));
            let refusal = Refusal::new(error, Vec::new(), programs);
            assert_eq!(refusal.instruction, counted, "{programs:?}");
        }
        let refusal = Refusal::new(TransactionError::AccountNotFound, Vec::new(), &[budget]);
        assert_eq!(refusal.instruction, None);
    }

    #[test]
    fn names_what_seal_refused() {
        let first = quern_proof::graph::SealError::UnknownVersion.message();
        assert_eq!(
            refused(7001, &[]).message(),
            format!("The graph was refused: {first}")
        );
    }

    #[test]
    fn names_why_evidence_was_refused() {
        use quern_proof::evidence;
        let refusal = refused(8001, &[]);
        assert_eq!(
            refusal.evidence(),
            Some(evidence::Refusal::NothingWrong),
            "{refusal}"
        );
        assert_eq!(
            refusal.message(),
            format!(
                "The evidence was refused: {}",
                evidence::Refusal::NothingWrong.message()
            )
        );
        assert_eq!(refused(6001, &[]).evidence(), None);
    }

    #[test]
    fn blames_the_innermost_program() {
        let log = format!(
            "Program {} failed: custom program error: 0x1",
            crate::addresses::TOKEN_PROGRAM
        );
        let refusal = refused(1, &[&log]);
        assert_eq!(refusal.program, Some(crate::addresses::TOKEN_PROGRAM));
        assert_eq!(refusal.quern(), None);
        assert!(refusal.message().contains("token account"), "{refusal}");
    }

    #[test]
    fn says_who_lacks_lamports() {
        let refusal = Refusal::new(TransactionError::AccountNotFound, Vec::new(), &[]);
        assert!(refusal.to_string().contains("fund it"), "{refusal}");
    }
}
