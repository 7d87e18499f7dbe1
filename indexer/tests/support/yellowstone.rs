//! A Yellowstone server in the test: real gRPC over a real connection, and what it tells is up to the test.
#![allow(clippy::unwrap_used, dead_code)]

use {
    base64::{Engine, prelude::BASE64_STANDARD},
    hyper::{body::Incoming, server::conn::http2, service::service_fn},
    hyper_util::rt::{TokioExecutor, TokioIo},
    quern_indexer::source::yellowstone::messages::{
        Block, Config, Empty, FINALIZED, Header, Info, InnerInstruction, InnerInstructions,
        Instruction, Landed, Lookup, Meta, ReturnData, Slot, SubscribeRequest, SubscribeUpdate,
        TokenAmount, TokenBalance, Transaction, TransactionMessage, UnixTimestamp, Update,
    },
    serde_json::Value,
    solana_sdk::message::{VersionedMessage, compiled_instruction::CompiledInstruction},
    solana_transaction_status_client_types::{
        EncodedConfirmedTransactionWithStatusMeta, UiInstruction, UiTransactionStatusMeta,
        UiTransactionTokenBalance, option_serializer::OptionSerializer,
    },
    std::{
        convert::Infallible,
        pin::Pin,
        sync::{Arc, Mutex},
    },
    tokio::{
        net::TcpListener,
        sync::mpsc,
        task::{JoinHandle, JoinSet},
    },
    tokio_stream::wrappers::ReceiverStream,
    tonic::{Request, Response, Status, Streaming, server::StreamingService},
    tonic_prost::ProstCodec,
};

type Told = Result<SubscribeUpdate, Status>;

/// One subscription.
pub struct Talk {
    /// How many came before it.
    pub number: usize,
    pub request: SubscribeRequest,
    pub token: Option<String>,
    /// What the client says later.
    pub requests: Streaming<SubscribeRequest>,
    updates: mpsc::Sender<Told>,
}

impl Talk {
    /// Tells something; false once nobody listens.
    pub async fn tell(&self, update: Update) -> bool {
        let update = SubscribeUpdate {
            update: Some(update),
        };
        self.updates.send(Ok(update)).await.is_ok()
    }

    pub async fn refuse(&self, status: Status) {
        let _ = self.updates.send(Err(status)).await;
    }

    /// Says nothing until the client goes.
    pub async fn be_silent(self) {
        self.updates.closed().await;
    }
}

/// A server; dropped, it is gone with all of its connections.
pub struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<SubscribeRequest>>>,
    serving: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Server {
    /// Serves each subscription with this; it ends when this does.
    pub async fn start<F, S>(serve: S) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        S: Fn(Talk) -> F + Clone + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let service = Service {
            seen: Arc::clone(&seen),
            serve,
        };
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = service.clone();
                let answer = move |request: hyper::Request<Incoming>| {
                    let service = service.clone();
                    async move {
                        let codec = ProstCodec::<SubscribeUpdate, SubscribeRequest>::default();
                        let mut grpc = tonic::server::Grpc::new(codec);
                        Ok::<_, Infallible>(grpc.streaming(service, request).await)
                    }
                };
                connections.spawn(
                    http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service_fn(answer)),
                );
            }
        });
        Self { url, seen, serving }
    }

    /// Every subscription so far.
    pub fn seen(&self) -> Vec<SubscribeRequest> {
        self.seen.lock().unwrap().clone()
    }
}

#[derive(Clone)]
struct Service<S> {
    seen: Arc<Mutex<Vec<SubscribeRequest>>>,
    serve: S,
}

type Reply = Result<Response<ReceiverStream<Told>>, Status>;

impl<F, S> StreamingService<SubscribeRequest> for Service<S>
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(Talk) -> F + Clone + Send + Sync + 'static,
{
    type Response = SubscribeUpdate;
    type ResponseStream = ReceiverStream<Told>;
    type Future = Pin<Box<dyn Future<Output = Reply> + Send>>;

    fn call(&mut self, request: Request<Streaming<SubscribeRequest>>) -> Self::Future {
        let Self { seen, serve } = self.clone();
        Box::pin(async move {
            let token = request.metadata().get("x-token").cloned();
            let mut requests = request.into_inner();
            let first = requests.message().await?.unwrap();
            let number = {
                let mut seen = seen.lock().unwrap();
                seen.push(first.clone());
                seen.len() - 1
            };
            let (updates, told) = mpsc::channel(1);
            tokio::spawn(serve(Talk {
                number,
                request: first,
                token: token.map(|token| token.to_str().unwrap().to_owned()),
                requests,
                updates,
            }));
            Ok(Response::new(ReceiverStream::new(told)))
        })
    }
}

pub fn ping() -> Update {
    Update::Ping(Empty {})
}

pub fn end(slot: u64, parent: u64) -> Update {
    Update::Slot(Slot {
        slot,
        parent: Some(parent),
        status: FINALIZED,
    })
}

pub fn block(slot: u64, parent: u64, time: Option<i64>) -> Update {
    Update::Block(Block {
        slot,
        block_time: time.map(|timestamp| UnixTimestamp { timestamp }),
        parent_slot: parent,
    })
}

pub fn landed(slot: u64, info: Info) -> Update {
    Update::Transaction(Landed {
        transaction: Some(info),
        slot,
    })
}

/// What a server tells of a slot, in its order.
pub fn slot(slot: u64, parent: u64, replies: &[Value]) -> Vec<Update> {
    let transactions = replies.iter().map(|reply| landed(slot, info_of(reply)));
    let time = replies
        .first()
        .and_then(|reply| reply["blockTime"].as_i64());
    transactions
        .chain([block(slot, parent, time), end(slot, parent)])
        .collect()
}

/// The message for a transaction that a node answers so.
pub fn info_of(reply: &Value) -> Info {
    let reply: EncodedConfirmedTransactionWithStatusMeta =
        serde_json::from_value(reply.clone()).unwrap();
    let transaction = reply.transaction.transaction.decode().unwrap();
    let signatures: Vec<Vec<u8>> = transaction
        .signatures
        .iter()
        .map(|signature| signature.as_ref().to_vec())
        .collect();
    Info {
        signature: signatures[0].clone(),
        transaction: Some(Transaction {
            signatures,
            message: Some(message_of(&transaction.message)),
        }),
        meta: Some(meta_of(reply.transaction.meta.unwrap())),
        index: reply.transaction_index.unwrap_or_default().into(),
    }
}

fn message_of(message: &VersionedMessage) -> TransactionMessage {
    let header = message.header();
    let keys = message.static_account_keys().iter();
    let lookups = message.address_table_lookups().unwrap_or_default();
    TransactionMessage {
        header: Some(Header {
            num_required_signatures: header.num_required_signatures.into(),
            num_readonly_signed_accounts: header.num_readonly_signed_accounts.into(),
            num_readonly_unsigned_accounts: header.num_readonly_unsigned_accounts.into(),
        }),
        account_keys: keys.map(|key| key.to_bytes().to_vec()).collect(),
        recent_blockhash: message.recent_blockhash().to_bytes().to_vec(),
        instructions: message.instructions().iter().map(call_of).collect(),
        versioned: !matches!(message, VersionedMessage::Legacy(_)),
        address_table_lookups: lookups
            .iter()
            .map(|lookup| Lookup {
                account_key: lookup.account_key.to_bytes().to_vec(),
                writable_indexes: lookup.writable_indexes.clone(),
                readonly_indexes: lookup.readonly_indexes.clone(),
            })
            .collect(),
        config: match message {
            VersionedMessage::V1(message) => Some(Config {
                priority_fee: message.config.priority_fee,
                compute_unit_limit: message.config.compute_unit_limit,
                loaded_accounts_data_size_limit: message.config.loaded_accounts_data_size_limit,
                heap_size: message.config.heap_size,
            }),
            _ => None,
        },
    }
}

fn call_of(call: &CompiledInstruction) -> Instruction {
    Instruction {
        program_id_index: call.program_id_index.into(),
        accounts: call.accounts.clone(),
        data: call.data.clone(),
    }
}

fn meta_of(meta: UiTransactionStatusMeta) -> Meta {
    let inner: Option<Vec<_>> = meta.inner_instructions.into();
    let logs: Option<Vec<String>> = meta.log_messages.into();
    let loaded = Option::from(meta.loaded_addresses);
    let loaded: solana_transaction_status_client_types::UiLoadedAddresses = loaded.unwrap();
    let returned: Option<solana_transaction_status_client_types::UiTransactionReturnData> =
        meta.return_data.into();
    let before: Option<Vec<_>> = meta.pre_token_balances.into();
    let after: Option<Vec<_>> = meta.post_token_balances.into();
    Meta {
        err: None,
        fee: meta.fee,
        pre_balances: meta.pre_balances,
        post_balances: meta.post_balances,
        inner_instructions_none: inner.is_none(),
        inner_instructions: inner
            .unwrap_or_default()
            .into_iter()
            .map(
                |group: solana_transaction_status_client_types::UiInnerInstructions| {
                    InnerInstructions {
                        index: group.index.into(),
                        instructions: group.instructions.iter().map(inner_of).collect(),
                    }
                },
            )
            .collect(),
        log_messages_none: logs.is_none(),
        log_messages: logs.unwrap_or_default(),
        pre_token_balances: before
            .unwrap_or_default()
            .into_iter()
            .map(balance_of)
            .collect(),
        post_token_balances: after
            .unwrap_or_default()
            .into_iter()
            .map(balance_of)
            .collect(),
        rewards: Vec::new(),
        loaded_writable_addresses: loaded.writable.iter().map(|key| bytes(key)).collect(),
        loaded_readonly_addresses: loaded.readonly.iter().map(|key| bytes(key)).collect(),
        return_data: returned.map(|returned| ReturnData {
            program_id: bytes(&returned.program_id),
            data: BASE64_STANDARD.decode(&returned.data.0).unwrap(),
        }),
        compute_units_consumed: meta.compute_units_consumed.into(),
        cost_units: meta.cost_units.into(),
    }
}

fn inner_of(call: &UiInstruction) -> InnerInstruction {
    let UiInstruction::Compiled(call) = call else {
        unreachable!("these replies are not parsed");
    };
    InnerInstruction {
        program_id_index: call.program_id_index.into(),
        accounts: call.accounts.clone(),
        data: bytes(&call.data),
        stack_height: call.stack_height,
    }
}

fn balance_of(balance: UiTransactionTokenBalance) -> TokenBalance {
    let said = |text: OptionSerializer<String>| Option::from(text).unwrap_or_default();
    let amount = balance.ui_token_amount;
    TokenBalance {
        account_index: balance.account_index.into(),
        mint: balance.mint,
        ui_token_amount: Some(TokenAmount {
            ui_amount: amount.ui_amount.unwrap_or_default(),
            decimals: amount.decimals.into(),
            amount: amount.amount,
            ui_amount_string: amount.ui_amount_string,
        }),
        owner: said(balance.owner),
        program_id: said(balance.program_id),
    }
}

fn bytes(base58: &str) -> Vec<u8> {
    bs58::decode(base58).into_vec().unwrap()
}
