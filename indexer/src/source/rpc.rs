//! The default source: a node's JSON-RPC. What is asked again, [`rpc`] says; what fails in the end, the next walk asks for.

mod ahead;

use {
    super::{
        Accounts, Endpoint, Held, Item, Items, MOST_OF_ACCOUNT, Progress, Range, Source, Tip, Walk,
    },
    crate::{
        error::{IndexerError, Result},
        metrics,
        project::program::EntityKind,
    },
    async_trait::async_trait,
    futures::StreamExt,
    quern_api::{Key, Signature},
    quern_client::{
        Hash, Pubkey, addresses, census, cluster, events::transaction_config, rpc, text,
    },
    serde_json::{Value, json},
    solana_commitment_config::CommitmentConfig,
    solana_pubsub_client::{
        nonblocking::pubsub_client::PubsubClient, pubsub_client::PubsubClientError,
    },
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_rpc_client_api::{
        client_error::{Error as ClientError, ErrorKind},
        config::{RpcTransactionLogsConfig, RpcTransactionLogsFilter},
        request::RpcRequest,
        response::RpcConfirmedTransactionStatusWithSignature,
    },
    solana_transaction_status_client_types::{
        EncodedConfirmedTransactionWithStatusMeta, TransactionConfirmationStatus,
    },
    std::{sync::Arc, time::Duration},
    tokio::{sync::Notify, task::JoinHandle},
};

/// Signatures that a node lists at a time.
const PAGE_ITEMS: usize = 1_000;
/// Pause after a notice: transactions come in bursts, and one look serves them all.
const GATHERING: Duration = Duration::from_millis(50);
/// Pause before listening again.
const LISTEN_PAUSE: Duration = Duration::from_secs(5);
/// Where the clock's `unix_timestamp` stands in its account: behind slot, epoch start, epoch and schedule epoch.
const CLOCK_TIME_BYTES: std::ops::Range<usize> = 32..40;

/// How to reach a node.
#[derive(Clone, Debug)]
pub struct RpcOptions {
    /// Its HTTP address.
    pub url: Endpoint,
    /// The program to follow.
    pub program: Key,
    /// Most time for one call.
    pub timeout: Duration,
    /// Longest pause between looks.
    pub poll: Duration,
    /// Its WebSocket address: its notices end a pause early.
    pub ws_url: Option<Endpoint>,
}

/// A node.
pub struct RpcSource {
    client: RpcClient,
    url: Endpoint,
    program: Key,
    poll: Duration,
    noticed: Arc<Notify>,
    listener: Option<JoinHandle<()>>,
}

impl Drop for RpcSource {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

impl RpcSource {
    /// Prepares to talk to a node; must be called within a tokio runtime, which listens for notices if there is an address.
    pub fn new(options: RpcOptions) -> Self {
        let client = rpc::connect_within(
            options.url.secret(),
            options.timeout,
            CommitmentConfig::finalized(),
        );
        Self::over(client, options)
    }

    /// The same over any connection, which asks at `finalized`.
    pub fn over(client: RpcClient, options: RpcOptions) -> Self {
        let noticed = Arc::new(Notify::new());
        let listener = options
            .ws_url
            .map(|url| tokio::spawn(listen(url, options.program, Arc::clone(&noticed))));
        Self {
            client,
            url: options.url,
            program: options.program,
            poll: options.poll,
            noticed,
            listener,
        }
    }

    /// A walk through the transactions that name an account; given up once it is longer than `most`.
    async fn walk_through(&self, account: &Key, range: &Range, most: usize) -> Result<Vec<Item>> {
        let mut walk = Walk::new(range);
        let mut before = None;
        loop {
            let page = self.signatures(account, range, before).await?;
            if walk.page(&page)? == Progress::Whole || walk.len() >= most {
                return Ok(walk.finish());
            }
            let last = page.last().map(|(item, _)| item.signature);
            if last == before {
                return Err(IndexerError::Rpc {
                    method: "getSignaturesForAddress",
                    reason: "it answers with the same page again".to_owned(),
                });
            }
            before = last;
        }
    }

    async fn signatures(
        &self,
        account: &Key,
        range: &Range,
        before: Option<Signature>,
    ) -> Result<Vec<(Item, bool)>> {
        let mut config = json!({
            "limit": PAGE_ITEMS,
            "commitment": "finalized",
            "minContextSlot": range.tip.slot,
        });
        if let Some(before) = before {
            config["before"] = json!(before.to_string());
        }
        self.listed(account, config).await
    }

    /// A page of the transactions that name an account, newest first, and whether each is final.
    async fn listed(&self, account: &Key, config: Value) -> Result<Vec<(Item, bool)>> {
        let params = json!([account.to_string(), config]);
        let page: Vec<RpcConfirmedTransactionStatusWithSignature> = self
            .client
            .send(RpcRequest::GetSignaturesForAddress, params)
            .await
            .inspect(|_| metrics::called("getSignaturesForAddress", true))
            .map_err(|error| self.failed("getSignaturesForAddress", error))?;
        page.into_iter()
            .map(|entry| {
                let signature =
                    Signature::parse(&entry.signature).ok_or_else(|| IndexerError::Rpc {
                        method: "getSignaturesForAddress",
                        reason: format!(
                            "\"{}\" is not a signature",
                            text::escaped(&entry.signature)
                        ),
                    })?;
                // Nodes that do not say it answer for the commitment that was asked for.
                let finalized = entry
                    .confirmation_status
                    .is_none_or(|status| status == TransactionConfirmationStatus::Finalized);
                Ok((
                    Item {
                        signature,
                        slot: entry.slot,
                        failed: entry.err.is_some(),
                    },
                    finalized,
                ))
            })
            .collect()
    }

    /// Refuses a node of another cluster than the one that the protocol was initialized for. A protocol that is not
    /// initialized yet names none.
    async fn check_cluster(&self, found: Hash) -> Result<()> {
        let program = Pubkey::from(self.program.0);
        let address = addresses::protocol_of(&program);
        let answer = self
            .client
            .get_account_with_commitment(&address, CommitmentConfig::finalized())
            .await
            .inspect(|_| metrics::called("getAccountInfo", true))
            .map_err(|error| self.failed("getAccountInfo", error))?;
        let named = answer
            .value
            .and_then(|account| cluster::named_in(&program, &account.owner, &account.data));
        match named {
            Some(expected) if expected != found => {
                Err(IndexerError::WrongCluster { expected, found })
            }
            _ => Ok(()),
        }
    }

    async fn clock_time(&self) -> Option<i64> {
        let clock = Pubkey::from_str_const("SysvarC1ock11111111111111111111111111111111");
        let data = self.client.get_account_data(&clock).await.ok()?;
        Some(i64::from_le_bytes(
            data.get(CLOCK_TIME_BYTES)?.try_into().ok()?,
        ))
    }

    fn failed(&self, method: &'static str, error: ClientError) -> IndexerError {
        metrics::called(method, false);
        let reason = reason(&self.url, error);
        IndexerError::Rpc { method, reason }
    }
}

#[async_trait]
impl Source for RpcSource {
    async fn genesis(&self) -> Result<Option<String>> {
        let hash = self.client.get_genesis_hash().await;
        let hash = hash
            .inspect(|_| metrics::called("getGenesisHash", true))
            .map_err(|error| self.failed("getGenesisHash", error))?;
        self.check_cluster(hash).await?;
        Ok(Some(hash.to_string()))
    }

    async fn tip(&self) -> Result<Tip> {
        let slot = self.client.get_slot().await;
        let slot = slot
            .inspect(|_| metrics::called("getSlot", true))
            .map_err(|error| self.failed("getSlot", error))?;
        // Only windows of leaderboards need the time, and an older one serves them too.
        Ok(Tip {
            slot,
            time: self.clock_time().await,
        })
    }

    async fn walk(&self, range: &Range) -> Result<Items> {
        self.walk_through(&self.program, range, usize::MAX)
            .await
            .map(Arc::new)
    }

    async fn walk_of(&self, account: &Key, tip: Tip) -> Result<Vec<Item>> {
        let range = Range {
            tip,
            floor: None,
            origin: None,
        };
        self.walk_through(account, &range, MOST_OF_ACCOUNT).await
    }

    async fn transaction(&self, item: &Item) -> Result<EncodedConfirmedTransactionWithStatusMeta> {
        let config = transaction_config(CommitmentConfig::finalized());
        let params = json!([item.signature.to_string(), config]);
        let found: Option<EncodedConfirmedTransactionWithStatusMeta> = self
            .client
            .send(RpcRequest::GetTransaction, params)
            .await
            .inspect(|_| metrics::called("getTransaction", true))
            .map_err(|error| self.failed("getTransaction", error))?;
        found.ok_or_else(|| IndexerError::MissingTransaction {
            signature: item.signature.to_string(),
        })
    }

    async fn wake(&self) {
        tokio::select! {
            () = tokio::time::sleep(self.poll) => {}
            () = self.noticed.notified() => tokio::time::sleep(GATHERING.min(self.poll)).await,
        }
    }
}

#[async_trait]
impl Accounts for RpcSource {
    async fn of_kind(&self, kind: EntityKind, part: Option<u8>) -> Result<Held> {
        let program = Pubkey::from(self.program.0);
        let found = census::of_kind(&self.client, &program, kind, part)
            .await
            .inspect(|_| metrics::called("getProgramAccounts", true))
            .map_err(|error| self.failed("getProgramAccounts", error))?;
        Ok(held(found))
    }

    async fn at(&self, kind: EntityKind, addresses: &[Key]) -> Result<Held> {
        let program = Pubkey::from(self.program.0);
        let addresses: Vec<Pubkey> = addresses.iter().map(|key| Pubkey::from(key.0)).collect();
        let found = census::at(&self.client, &program, kind, &addresses)
            .await
            .inspect(|_| metrics::called("getMultipleAccounts", true))
            .map_err(|error| self.failed("getMultipleAccounts", error))?;
        Ok(held(found))
    }

    async fn token_atoms(&self, accounts: &[Key]) -> Result<(u64, Vec<Option<u64>>)> {
        let accounts: Vec<Pubkey> = accounts.iter().map(|key| Pubkey::from(key.0)).collect();
        census::token_atoms(&self.client, &accounts)
            .await
            .inspect(|_| metrics::called("getMultipleAccounts", true))
            .map_err(|error| self.failed("getMultipleAccounts", error))
    }

    async fn newest_slot(&self) -> Result<u64> {
        let processed = CommitmentConfig::processed();
        let slot = self.client.get_slot_with_commitment(processed).await;
        slot.inspect(|_| metrics::called("getSlot", true))
            .map_err(|error| self.failed("getSlot", error))
    }
}

fn held(found: census::Census) -> Held {
    let accounts = found.accounts.into_iter();
    Held {
        slot: found.slot,
        accounts: accounts
            .map(|(address, fixed)| (Key(address.to_bytes()), fixed))
            .collect(),
    }
}

/// Listens for calls of the program and says that there were some. Notices get lost, so nothing depends on them.
async fn listen(url: Endpoint, program: Key, noticed: Arc<Notify>) {
    loop {
        match listen_once(&url, &program, &noticed).await {
            Ok(()) => tracing::debug!(%url, "the node ended its notices"),
            Err(error) => {
                let reason = text::escaped(&url.hide_keys(&error.to_string()));
                tracing::debug!(%url, reason, "no notices from the node");
            }
        }
        tokio::time::sleep(LISTEN_PAUSE).await;
    }
}

async fn listen_once(
    url: &Endpoint,
    program: &Key,
    noticed: &Notify,
) -> Result<(), PubsubClientError> {
    let client = PubsubClient::new(url.secret()).await?;
    let filter = RpcTransactionLogsFilter::Mentions(vec![program.to_string()]);
    let config = RpcTransactionLogsConfig {
        commitment: Some(CommitmentConfig::finalized()),
    };
    let (mut notices, _) = client.logs_subscribe(filter, config).await?;
    while notices.next().await.is_some() {
        noticed.notify_one();
    }
    Ok(())
}

/// What is said of a web page, for example.
const NOT_JSON: &str = "the answer is not JSON-RPC; check that this is the address of a node";

/// Why a call failed, without the keys in the node's address: it is logged and served to everybody.
fn reason(url: &Endpoint, error: ClientError) -> String {
    let text = match *error.kind {
        ErrorKind::Reqwest(error) if error.is_decode() => NOT_JSON.to_owned(),
        ErrorKind::SerdeJson(error) if error.is_syntax() || error.is_eof() => NOT_JSON.to_owned(),
        ErrorKind::Reqwest(error) => error.without_url().to_string(),
        kind => kind.to_string(),
    };
    // A refusal's text ends with its data, and most have none.
    let text = text.trim_end_matches(|end: char| end.is_whitespace() || end == ';');
    format!("{url}: {}", text::escaped(&url.hide_keys(text)))
}
