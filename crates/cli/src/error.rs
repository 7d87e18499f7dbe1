//! What can go wrong, each as one sentence.

use {
    quern_client::{ClientError, Pubkey},
    serde_json::{Value, json},
    std::path::PathBuf,
};

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that a command can fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The chain, or the way to it.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// Inputs, weights or results.
    #[error("{0}")]
    Data(#[from] quern_data::DataError),
    /// Deploying the program.
    #[error("{0}")]
    Deploy(#[from] quern_deploy::DeployError),
    /// The provider.
    #[error("{0}")]
    Provider(#[from] quern_provider::ProviderError),
    /// The watcher.
    #[error("{0}")]
    Watcher(#[from] quern_watcher::WatcherError),
    /// The gateway.
    #[error("{0}")]
    Gateway(#[from] quern_gateway::GatewayError),
    /// The gateway's HTTP front.
    #[error("{0}")]
    GatewayHttp(#[from] quern_gateway::http::HttpError),
    /// A graph or tensors.
    #[error("{0}")]
    Proof(#[from] quern_proof::Error),
    /// Importing a model, or tokenizing for one.
    #[error("{0}")]
    Import(#[from] quern_import::Error),
    /// The local network.
    #[cfg(feature = "localnet")]
    #[error("{0}")]
    LocalNet(#[from] quern_localnet::LocalNetError),
    /// A command line that parses but makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Claims that failed beside others.
    #[error("{count} of {of} steps failed; {which}: {first}")]
    Claims {
        /// How many failed or were not tried.
        count: usize,
        /// Of how many.
        of: usize,
        /// The first of them.
        which: String,
        /// Why.
        first: Box<ClientError>,
    },
    /// No Quern on the cluster.
    #[error(
        "Quern isn't set up on this cluster ({url}): there is no protocol account; check --url, or run `quern deploy` and `quern protocol init`"
    )]
    NotSetUp {
        /// The cluster.
        url: String,
    },
    /// A cluster for which nothing says where Quern is.
    #[error(
        "no Quern is named for {url}; name its address with --program-id or QUERN_PROGRAM_ID, list it in {list}, or pass `--url localhost` for the network of `quern localnet`",
        list = list.display()
    )]
    NoDeployment {
        /// The cluster.
        url: String,
        /// Where deployments are listed.
        list: PathBuf,
    },
    /// A job that has ended.
    #[error(
        "there is no live job at {0} on this cluster: it has ended, or never was; `quern job result {0}` shows the result of one that ended, and `curl INDEXER/v1/jobs/{0}` its whole life"
    )]
    JobClosed(Pubkey),
    /// A watched job whose provider was convicted.
    #[error(
        "there is no result to use: the provider of {0} was convicted; the price is back in your purse, so create the job again"
    )]
    Convicted(Pubkey),
    /// A watched job that ended without a paid result.
    #[error(
        "no result was paid: the job {0} was cancelled, expired or decided by its arbiter; what was left of the price is back in your purse"
    )]
    NotDone(Pubkey),
    /// A file.
    #[error("cannot use {path}{role}: {why}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// ` as …`: what it is for, if that is not plain.
        role: String,
        /// What is wrong.
        why: String,
    },
    /// The indexer.
    #[error("{0}")]
    Indexer(String),
    /// Everything else that is the user's to decide.
    #[error("{0}")]
    Other(String),
}

/// What the exit codes say, for the reference.
pub const EXIT_CODES: [(u8, &str); 5] = [
    (
        0,
        "It is done, or there was nothing to do; of a watched job: the provider was paid, or a reviewed result was submitted.",
    ),
    (1, "It went wrong. Standard error says why and what to do."),
    (2, "The command line makes no sense; nothing was sent."),
    (
        3,
        "The watched job has no result: its provider was convicted, and the price is back.",
    ),
    (
        4,
        "The watched job has no paid result: it was cancelled, expired or decided by its arbiter.",
    ),
];

/// The kinds of errors under `--output json`, for the reference.
pub const KINDS: [(&str, &str); 13] = [
    ("usage", "the command line, exit code 2"),
    ("convicted", "a watched job, exit code 3"),
    ("not_done", "a watched job, exit code 4"),
    ("not_set_up", "there is no Quern on the cluster"),
    ("not_found", "no such account, model, mint or live job"),
    (
        "refused",
        "the program or the cluster refused the transaction; `program_error` names the program's own reason",
    ),
    (
        "unreachable",
        "the node did not answer, or answered nonsense",
    ),
    (
        "unknown_outcome",
        "the transaction `signature` may have been included; look it up before you repeat anything",
    ),
    (
        "expired",
        "the transaction was not included; the same may be tried again",
    ),
    ("config", "a configuration or keypair file"),
    ("file", "another file"),
    (
        "data",
        "inputs, weights or results that cannot be fetched, published or checked",
    ),
    ("other", "everything else; the message says what to do"),
];

impl Error {
    /// 2 for a wrong command line, 3 and 4 for watched jobs that ended unpaid, 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::NoDeployment { .. } => 2,
            Self::Convicted(_) => 3,
            Self::NotDone(_) => 4,
            _ => 1,
        }
    }

    /// The kind, for programs; one of [`KINDS`].
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Usage(_) | Self::NoDeployment { .. } => "usage",
            Self::Convicted(_) => "convicted",
            Self::NotDone(_) => "not_done",
            Self::NotSetUp { .. } => "not_set_up",
            Self::JobClosed(_) => "not_found",
            Self::File { .. } => "file",
            Self::Data(_)
            | Self::Proof(_)
            | Self::Import(_)
            | Self::Provider(quern_provider::ProviderError::Data(_))
            | Self::Gateway(
                quern_gateway::GatewayError::Data(_)
                | quern_gateway::GatewayError::Proof(_)
                | quern_gateway::GatewayError::Import(_),
            )
            | Self::Watcher(quern_watcher::WatcherError::Data(_)) => "data",
            _ => self.client().map_or("other", kind_of),
        }
    }

    /// Whether another cluster may have been meant.
    pub fn may_be_elsewhere(&self) -> bool {
        let is_unnamed = matches!(self, Self::NoDeployment { .. });
        is_unnamed || ["unreachable", "not_set_up", "not_found"].contains(&self.kind())
    }

    /// The error of the chain that this one is, whoever asked it.
    fn client(&self) -> Option<&ClientError> {
        match self {
            Self::Client(error)
            | Self::Deploy(quern_deploy::DeployError::Client(error))
            | Self::Provider(quern_provider::ProviderError::Client(error))
            | Self::Gateway(quern_gateway::GatewayError::Client(error))
            | Self::Watcher(quern_watcher::WatcherError::Client(error)) => Some(error),
            Self::Claims { first, .. } => Some(first),
            _ => None,
        }
    }

    /// As one object for programs; `message` is the sentence as a person would see it.
    pub fn json(&self, message: &str) -> Value {
        let mut json = json_of(self.kind(), self.exit_code(), message);
        let fields = json.get_mut("error").and_then(Value::as_object_mut);
        if let (Some(fields), Some(error)) = (fields, self.client()) {
            if let Some(reason) = error.quern() {
                fields.insert("program_error".to_owned(), format!("{reason:?}").into());
            }
            if let ClientError::Unknown { signature, .. } | ClientError::Expired { signature, .. } =
                error
            {
                fields.insert("signature".to_owned(), signature.to_string().into());
            }
        }
        json
    }

    /// A file that cannot be used.
    pub fn file(path: &std::path::Path, why: impl std::fmt::Display) -> Self {
        Self::File {
            path: path.to_owned(),
            role: String::new(),
            why: why.to_string(),
        }
    }
}

/// An error as one object for programs.
pub fn json_of(kind: &str, exit_code: u8, message: &str) -> Value {
    json!({ "error": { "kind": kind, "exit_code": exit_code, "message": message } })
}

fn kind_of(error: &ClientError) -> &'static str {
    match error {
        ClientError::Refused(_) | ClientError::WouldRefuse(_) | ClientError::Evidence(_) => {
            "refused"
        }
        ClientError::EvidenceLeft { cause, .. } => kind_of(cause),
        ClientError::Unreachable { .. } | ClientError::Rpc { .. } => "unreachable",
        ClientError::Unknown { .. } => "unknown_outcome",
        ClientError::Expired { .. } => "expired",
        ClientError::NotFound { .. } => "not_found",
        ClientError::Keypair { .. } | ClientError::Config { .. } | ClientError::BadUrl(_) => {
            "config"
        }
        ClientError::File { .. } => "file",
        ClientError::UriUnknown { .. } => "data",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_learn_what_went_wrong() {
        let signature = quern_client::Signature::from([1; 64]);
        let unknown = ClientError::Unknown {
            signature,
            reason: "no answer".to_owned(),
        };
        let lost = || ClientError::WouldRefuse(quern_client::quern::error::QuernError::TooEarly);
        let all = [
            (Error::Usage(String::new()), "usage", 2),
            (Error::Convicted(Pubkey::default()), "convicted", 3),
            (Error::NotDone(Pubkey::default()), "not_done", 4),
            (Error::JobClosed(Pubkey::default()), "not_found", 1),
            (ClientError::BadUrl(String::new()).into(), "config", 1),
            (lost().into(), "refused", 1),
            (Error::Other(String::new()), "other", 1),
            (
                quern_watcher::WatcherError::from(lost()).into(),
                "refused",
                1,
            ),
            (
                quern_provider::ProviderError::from(lost()).into(),
                "refused",
                1,
            ),
            (unknown.into(), "unknown_outcome", 1),
        ];
        for (error, kind, code) in &all {
            assert_eq!((error.kind(), error.exit_code()), (*kind, *code));
            assert!(KINDS.iter().any(|(known, _)| known == kind), "{kind}");
            assert!(EXIT_CODES.iter().any(|(known, _)| known == code), "{code}");
        }
        let said = |at: usize| all[at].0.json("sentence")["error"].clone();
        assert_eq!(said(9)["signature"], signature.to_string());
        assert_eq!(said(9)["message"], "sentence");
        assert_eq!(said(5)["program_error"], "TooEarly");
    }
}
