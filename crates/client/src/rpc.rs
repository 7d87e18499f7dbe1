//! The connection to a node, and the one rule for what is asked again.
//!
//! Behind one address there are often several nodes, and one of them is behind, busy or just restarted. Everything that only
//! reads is asked again a few times; what is asked once too often changes nothing. A transaction is handed over again only
//! where the node says that it did not take it: what is unclear is for [`crate::send`], which looks at the chain first.

use {
    async_trait::async_trait,
    serde_json::Value,
    solana_commitment_config::CommitmentConfig,
    solana_rpc_client::{
        http_sender::HttpSender,
        nonblocking::rpc_client::RpcClient,
        rpc_client::RpcClientConfig,
        rpc_sender::{RpcSender, RpcTransportStats},
    },
    solana_rpc_client_api::{
        client_error::{Error, ErrorKind, Result},
        request::{RpcError, RpcRequest},
    },
    std::time::Duration,
    tokio::time::sleep,
};

/// Pauses before a request is repeated: some three seconds in all.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1_600),
];

/// What a node says when it could answer in a moment, or another node could: behind, busy, not there yet.
const PASSING_CODES: [i64; 6] = [429, -32004, -32005, -32014, -32016, -32019];
/// What a node says that keeps no history of transactions.
const NO_HISTORY_CODE: i64 = -32011;

/// A connection that asks again.
pub fn connect(url: &str, commitment: CommitmentConfig) -> RpcClient {
    over(HttpSender::new(url), commitment)
}

/// The same with another limit of time for one request than half a minute.
pub fn connect_within(url: &str, timeout: Duration, commitment: CommitmentConfig) -> RpcClient {
    over(HttpSender::new_with_timeout(url, timeout), commitment)
}

/// The same over any transport.
pub fn over(
    transport: impl RpcSender + Send + Sync + 'static,
    commitment: CommitmentConfig,
) -> RpcClient {
    let config = RpcClientConfig::with_commitment(commitment);
    let pauses = &PAUSES;
    RpcClient::new_sender(Patient { transport, pauses }, config)
}

/// The same without pauses.
#[cfg(test)]
pub(crate) fn at_once(
    transport: impl RpcSender + Send + Sync + 'static,
    commitment: CommitmentConfig,
) -> RpcClient {
    let config = RpcClientConfig::with_commitment(commitment);
    let pauses = &[Duration::ZERO; PAUSES.len()];
    RpcClient::new_sender(Patient { transport, pauses }, config)
}

/// A transport that repeats what only reads.
struct Patient<T> {
    transport: T,
    pauses: &'static [Duration],
}

#[async_trait]
impl<T: RpcSender + Send + Sync> RpcSender for Patient<T> {
    async fn send(&self, request: RpcRequest, params: Value) -> Result<Value> {
        for pause in self.pauses {
            let answer = self.transport.send(request, params.clone()).await;
            if !is_asked_again(request, &answer) {
                return answer;
            }
            tracing::debug!(?request, error = ?answer.err(), "no answer of use; asking again");
            sleep(*pause).await;
        }
        self.transport.send(request, params).await
    }

    fn get_transport_stats(&self) -> RpcTransportStats {
        self.transport.get_transport_stats()
    }

    fn url(&self) -> String {
        self.transport.url()
    }
}

/// Whether the same request may find more in a moment.
fn is_asked_again(request: RpcRequest, answer: &Result<Value>) -> bool {
    match (request, answer) {
        // These do something, so only a plain "not taken" is repeated.
        (
            RpcRequest::SendTransaction | RpcRequest::RequestAirdrop | RpcRequest::Custom { .. },
            answer,
        ) => answer.as_ref().is_err_and(is_declined),
        (_, Err(error)) => is_passing(error),
        // A node that is behind knows of no such transaction, or only half of it.
        (RpcRequest::GetTransaction, Ok(found)) => {
            found.is_null() || found.get("meta").is_some_and(Value::is_null)
        }
        (_, Ok(_)) => false,
    }
}

/// Whether the node answered that it cannot serve this now.
fn is_declined(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::RpcError(RpcError::RpcResponseError { code, .. }) => {
            PASSING_CODES.contains(code)
        }
        _ => false,
    }
}

/// Whether the failure may be over in a moment. An address where nothing listens is told at once.
fn is_passing(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::Io(_) | ErrorKind::Middleware(_) | ErrorKind::SerdeJson(_) => true,
        ErrorKind::Reqwest(error) => match error.status() {
            Some(status) => status.is_server_error() || status.as_u16() == 429,
            // A node that is silent for half a minute was given its time.
            None => !error.is_connect() && !error.is_timeout() && !error.is_builder(),
        },
        _ => is_declined(error),
    }
}

/// Whether the node said that it keeps no history of transactions.
pub(crate) fn has_no_history(error: &Error) -> bool {
    matches!(
        &*error.kind,
        ErrorKind::RpcError(RpcError::RpcResponseError {
            code: NO_HISTORY_CODE,
            ..
        })
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*,
        serde_json::json,
        solana_rpc_client_api::request::RpcResponseErrorData,
        solana_sdk::{pubkey::Pubkey, signature::Signature},
        std::{
            collections::VecDeque,
            sync::{Arc, Mutex},
        },
    };

    /// Gives these answers in turn.
    #[derive(Clone, Default)]
    struct Script(Arc<Mutex<VecDeque<Result<Value>>>>);

    #[async_trait]
    impl RpcSender for Script {
        async fn send(&self, _: RpcRequest, _: Value) -> Result<Value> {
            self.0.lock().unwrap().pop_front().unwrap()
        }
        fn get_transport_stats(&self) -> RpcTransportStats {
            RpcTransportStats::default()
        }
        fn url(&self) -> String {
            "http://script".to_owned()
        }
    }

    fn code(code: i64) -> Result<Value> {
        let (message, data) = ("now".to_owned(), RpcResponseErrorData::Empty);
        Err(RpcError::RpcResponseError {
            code,
            message,
            data,
        }
        .into())
    }

    fn unreadable() -> Result<Value> {
        Err(serde_json::from_str::<Value>("<html>").unwrap_err().into())
    }

    /// How many of these answers a request takes, and whether it succeeds.
    async fn asked(request: RpcRequest, answers: Vec<Result<Value>>) -> (usize, bool) {
        let all = answers.len();
        let script = Script(Arc::new(Mutex::new(answers.into())));
        let rpc = at_once(script.clone(), CommitmentConfig::confirmed());
        let params = json!([Signature::default().to_string()]);
        let answer = rpc.send::<Value>(request, params).await;
        (all - script.0.lock().unwrap().len(), answer.is_ok())
    }

    #[tokio::test]
    async fn what_reads_is_asked_until_there_is_an_answer() {
        let found = || Ok(json!({ "slot": 1, "meta": {} }));
        for passing in [429, -32004, -32005, -32014, -32016] {
            let answers = vec![code(passing), code(passing), found()];
            assert_eq!(asked(RpcRequest::GetSlot, answers).await, (3, true));
        }
        let answers = vec![unreadable(), unreadable(), found()];
        assert_eq!(
            asked(RpcRequest::GetProgramAccounts, answers).await,
            (3, true)
        );
        // A transaction that the node does not have yet, and one without its metadata.
        let answers = vec![Ok(Value::Null), Ok(json!({ "meta": null })), found()];
        assert_eq!(asked(RpcRequest::GetTransaction, answers).await, (3, true));
        // What stays like this is told, and a null elsewhere is an answer.
        let answers = (0..9).map(|_| code(-32005)).collect();
        assert_eq!(asked(RpcRequest::GetSlot, answers).await, (5, false));
        let answers = vec![Ok(Value::Null), found()];
        assert_eq!(asked(RpcRequest::GetBlockTime, answers).await, (1, true));
        // What will not change is told at once.
        for lasting in [-32602, -32002, NO_HISTORY_CODE] {
            let answers = vec![code(lasting), found()];
            assert_eq!(asked(RpcRequest::GetSlot, answers).await, (1, false));
        }
    }

    #[tokio::test]
    async fn what_may_have_been_done_is_not_done_again() {
        let custom = RpcRequest::Custom { method: "set" };
        for request in [
            RpcRequest::SendTransaction,
            RpcRequest::RequestAirdrop,
            custom,
        ] {
            assert_eq!(asked(request, vec![unreadable()]).await, (1, false));
            let answers = vec![code(-32005), code(429), Ok(json!("done"))];
            assert_eq!(asked(request, answers).await, (3, true));
        }
    }

    /// Answers everything with damage of one kind.
    #[derive(Clone, Copy, Debug)]
    struct Damaged {
        data: &'static str,
        encoding: &'static str,
        owner: &'static str,
        address: &'static str,
        is_whole_list: bool,
    }

    #[async_trait]
    impl RpcSender for Damaged {
        async fn send(&self, request: RpcRequest, params: Value) -> Result<Value> {
            let account = json!({
                "lamports": 1, "data": [self.data, self.encoding], "owner": self.owner,
                "executable": false, "rentEpoch": 0, "space": 3,
            });
            let wanted = params[0].as_array().map_or(0, Vec::len);
            let count = if self.is_whole_list {
                wanted
            } else {
                wanted / 2
            };
            let accounts = vec![account.clone(); count];
            Ok(match request {
                RpcRequest::GetProgramAccounts => {
                    json!([{ "pubkey": self.address, "account": account }])
                }
                RpcRequest::GetMultipleAccounts => {
                    json!({ "context": { "slot": 1 }, "value": accounts })
                }
                _ => json!(self.data),
            })
        }
        fn get_transport_stats(&self) -> RpcTransportStats {
            RpcTransportStats::default()
        }
        fn url(&self) -> String {
            "http://damaged".to_owned()
        }
    }

    /// Damage to data, owners, addresses and lists.
    fn damages() -> [Damaged; 8] {
        let (good, program) = (Pubkey::from([1; 32]).to_string(), crate::program_id());
        let good: &'static str = good.leak();
        let program: &'static str = program.to_string().leak();
        let usual = Damaged {
            data: "AAEC",
            encoding: "base64",
            owner: program,
            address: good,
            is_whole_list: true,
        };
        [
            Damaged {
                data: "%%%",
                ..usual
            },
            Damaged {
                data: "AAE",
                ..usual
            },
            Damaged {
                encoding: "base64+zstd",
                ..usual
            },
            Damaged {
                encoding: "jsonParsed",
                ..usual
            },
            Damaged {
                owner: "nobody",
                ..usual
            },
            Damaged {
                address: "nobody",
                data: "%",
                ..usual
            },
            Damaged {
                is_whole_list: false,
                data: "%",
                ..usual
            },
            // Well-formed, but no account of ours.
            usual,
        ]
    }

    /// Every read of this crate, against answers that make no sense: an error each, and never the end of the process.
    #[tokio::test]
    async fn no_read_panics_on_what_a_node_answers() {
        use crate::{ChainReads, RpcChain, Sender, accounts, clock, cluster, flows, history, read};
        for damage in damages() {
            let rpc = at_once(damage, CommitmentConfig::confirmed());
            let address = Pubkey::from([3; 32]);
            let at = &address;
            macro_rules! fails {
                ($($read:expr),* $(,)?) => {$(
                    let read = $read.await;
                    assert!(read.is_err(), "{} {damage:?}", stringify!($read));
                )*};
            }
            fails!(
                accounts::protocol(&rpc),
                accounts::emission(&rpc),
                accounts::mint_config(&rpc, at),
                accounts::purse(&rpc, at, at),
                accounts::model(&rpc, at),
                accounts::demand(&rpc, at),
                accounts::demand_optional(&rpc, at),
                accounts::demands_of(&rpc, at),
                accounts::demands_by(&rpc, at),
                accounts::unanswered_demands_of(&rpc, at),
                accounts::evidence(&rpc, at),
                accounts::jobs(&rpc, accounts::JobFilter::default()),
                accounts::evidences_by(&rpc, at),
                accounts::providers(&rpc),
                accounts::purses(&rpc, None),
                accounts::mint_configs(&rpc),
                accounts::models(&rpc, None),
                read::for_create(&rpc, at, at, Some(at)),
                read::for_payment(&rpc, at),
                clock::moment(&rpc),
                cluster::protocol(&rpc),
                cluster::check(&rpc),
                cluster::genesis(&rpc),
                history::outcome_of(&rpc, at),
                history::last_used_at(&rpc, at),
            );
            // Data that can be read are enough for these.
            let can_be_read = damage.data == "AAEC" && damage.is_whole_list;
            let can_be_read =
                can_be_read && damage.encoding == "base64" && damage.owner != "nobody";
            let raw = accounts::raw(&rpc, at).await;
            assert_eq!(raw.is_ok(), can_be_read, "{damage:?}");
            let missing = accounts::missing(&rpc, &[address, address]).await;
            assert_eq!(missing.is_ok(), can_be_read, "{damage:?}");
            let mint = flows::open_missing(&rpc, at, &[address, address], at).await;
            assert_eq!(mint.is_ok(), can_be_read, "{damage:?}");
            let wallet = solana_sdk::signature::Keypair::new_from_array([5; 32]);
            let chain = RpcChain::new(Sender::over(Arc::new(rpc)), wallet);
            fails!(chain.moment(), chain.job(at), chain.model(at));
        }
    }
}
