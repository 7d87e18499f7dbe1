//! The walk against a node whose list strangers have written, and which answers as bad nodes do.

#![allow(clippy::unwrap_used, clippy::panic)]

use {
    super::*,
    crate::{addresses, errors::ClientError},
    anchor_lang::event::EVENT_IX_TAG_LE,
    async_trait::async_trait,
    bytemuck::Zeroable,
    quern::{
        events::{Change, JobCreated, ModelRegistered, QuernEvent, ResultSubmitted},
        state::{Job, JobState, Model},
    },
    serde_json::{Value, json},
    solana_commitment_config::CommitmentConfig,
    solana_rpc_client::{
        nonblocking::rpc_client::RpcClient,
        rpc_sender::{RpcSender, RpcTransportStats},
    },
    solana_rpc_client_api::{client_error, request::RpcRequest},
    solana_sdk::{
        instruction::{AccountMeta, Instruction},
        message::{Message, VersionedMessage},
        pubkey::Pubkey,
        signature::Signature,
    },
    std::{
        collections::HashMap,
        sync::{Arc, Mutex},
    },
};

const JOB: Pubkey = Pubkey::new_from_array([1; 32]);
const CREATED_AT: i64 = 1_700_000_000;
const CREATED_SLOT: u64 = 250_000_000;

/// A transaction that names the account.
#[derive(Clone)]
struct Entry {
    slot: u64,
    time: i64,
    failed: bool,
    event: Option<QuernEvent>,
}

/// A node's list, oldest first.
#[derive(Default)]
struct Ledger {
    entries: Vec<Entry>,
    /// The node gives no longer pages.
    page: usize,
    /// How often a transaction is null, or has no metadata, before it is shown.
    hidden: HashMap<usize, u32>,
    /// Whether a hidden one lacks its metadata only.
    without_meta: bool,
    has_blocks: bool,
    calls: HashMap<&'static str, u32>,
}

fn signature(index: usize) -> Signature {
    let mut bytes = [7; 64];
    bytes[..8].copy_from_slice(&(index as u64).to_le_bytes());
    Signature::from(bytes)
}

impl Ledger {
    fn index_of(&self, signature_text: &str) -> Option<usize> {
        let bytes = bs58::decode(signature_text).into_vec().ok()?;
        let index = u64::from_le_bytes(bytes.first_chunk::<8>().copied()?) as usize;
        (index < self.entries.len()).then_some(index)
    }

    fn list(&self, config: &Value) -> Value {
        let before = config["before"].as_str();
        let end = before.map_or(Some(self.entries.len()), |before| self.index_of(before));
        let limit = config["limit"].as_u64().unwrap_or(1_000) as usize;
        let shown = (0..end.unwrap_or_default())
            .rev()
            .take(limit.min(self.page));
        let shown = shown.map(|index| {
            let entry = &self.entries[index];
            let error = entry.failed.then(|| json!({ "InstructionError": [0, { "Custom": 1 }] }));
            json!({
                "signature": signature(index).to_string(), "slot": entry.slot, "err": error, "memo": null,
                "blockTime": entry.time, "confirmationStatus": "finalized",
            })
        });
        shown.collect()
    }

    /// A transaction of the program that names the account, with its event if it tells one.
    fn shown(&self, index: usize) -> Value {
        let entry = &self.entries[index];
        let instruction = Instruction {
            program_id: crate::program_id(),
            accounts: vec![
                AccountMeta::new_readonly(addresses::event_authority(), false),
                AccountMeta::new_readonly(JOB, false),
            ],
            data: vec![1],
        };
        let payer = Pubkey::new_from_array([9; 32]);
        let message = VersionedMessage::Legacy(Message::new(&[instruction], Some(&payer)));
        let keys = message.static_account_keys().to_vec();
        let at = |key: &Pubkey| keys.iter().position(|known| known == key).unwrap();
        let bytes = [&[1], signature(index).as_ref(), &message.serialize()].concat();
        let calls: Vec<Value> = entry
            .event
            .iter()
            .map(|event| {
                json!({
                    "programIdIndex": at(&crate::program_id()),
                    "accounts": [at(&addresses::event_authority())],
                    "data": bs58::encode([EVENT_IX_TAG_LE, &event.encode()].concat()).into_string(),
                    "stackHeight": 2,
                })
            })
            .collect();
        json!({
            "transaction": [bs58::encode(bytes).into_string(), "base58"],
            "meta": {
                "err": null, "status": { "Ok": null }, "fee": 5000, "preBalances": [], "postBalances": [],
                "innerInstructions": [{ "index": 0, "instructions": calls }],
            },
        })
    }

    fn transaction(&mut self, signature_text: &str) -> Value {
        let Some(index) = self.index_of(signature_text) else {
            return Value::Null;
        };
        let mut shown = self.shown(index);
        shown["slot"] = json!(self.entries[index].slot);
        shown["blockTime"] = json!(self.entries[index].time);
        if let Some(left) = self.hidden.get_mut(&index).filter(|left| **left > 0) {
            *left -= 1;
            match self.without_meta {
                true => shown["meta"] = Value::Null,
                false => shown = Value::Null,
            }
        }
        shown
    }

    fn block(&self, slot: u64) -> Value {
        let all = (0..self.entries.len()).filter(|index| self.entries[*index].slot == slot);
        let all: Vec<Value> = all.map(|index| self.shown(index)).collect();
        let hash = Pubkey::default().to_string();
        json!({
            "previousBlockhash": hash, "blockhash": hash, "parentSlot": slot - 1, "blockTime": null,
            "blockHeight": null, "transactions": all,
        })
    }
}

struct Node(Arc<Mutex<Ledger>>);

#[async_trait]
impl RpcSender for Node {
    async fn send(&self, request: RpcRequest, params: Value) -> client_error::Result<Value> {
        let mut ledger = self.0.lock().unwrap();
        let name = match request {
            RpcRequest::GetSignaturesForAddress => "list",
            RpcRequest::GetTransaction => "transaction",
            RpcRequest::GetBlock => "block",
            other => panic!("{other}"),
        };
        *ledger.calls.entry(name).or_default() += 1;
        match name {
            "list" => Ok(ledger.list(&params[1])),
            "transaction" => Ok(ledger.transaction(params[0].as_str().unwrap())),
            _ if ledger.has_blocks => Ok(ledger.block(params[0].as_u64().unwrap())),
            _ => Err(client_error::ErrorKind::Custom("no blocks here".to_owned()).into()),
        }
    }

    fn get_transport_stats(&self) -> RpcTransportStats {
        RpcTransportStats::default()
    }

    fn url(&self) -> String {
        "memory".to_owned()
    }
}

/// What strangers wrote: they pay for a transaction that names the job, this far from its creation.
fn spam(count: usize, secs: i64, slots: i64) -> Vec<Entry> {
    let spread = |index: usize, step: i64| step * (1 + index as i64 / 20);
    let entry = |index| Entry {
        slot: CREATED_SLOT.saturating_add_signed(spread(index, slots)),
        time: CREATED_AT + spread(index, secs),
        failed: index % 3 == 0,
        event: None,
    };
    let mut all: Vec<Entry> = (0..count).map(entry).collect();
    all.sort_by_key(|entry| entry.slot);
    all
}

fn uri() -> String {
    "https://example.com/inputs".to_owned()
}

fn created() -> Entry {
    Entry {
        slot: CREATED_SLOT,
        time: CREATED_AT,
        failed: false,
        event: Some(QuernEvent::JobCreated(JobCreated {
            at: CREATED_AT,
            job: JOB,
            client: Pubkey::default(),
            model: Pubkey::default(),
            mint: Pubkey::default(),
            escrow_atoms: 1,
            input_uri: uri(),
            changes: Vec::new(),
        })),
    }
}

fn job() -> Job {
    let mut job = Job::zeroed();
    job.state = JobState::Open as u8;
    job.created_at = CREATED_AT.into();
    job.state_slot = CREATED_SLOT.into();
    job.input_uri_hash = uri_hash(&uri());
    job
}

fn node(entries: Vec<Entry>) -> (RpcClient, Arc<Mutex<Ledger>>) {
    let ledger = Arc::new(Mutex::new(Ledger {
        entries,
        page: 1_000,
        has_blocks: true,
        ..Ledger::default()
    }));
    let sender = Node(Arc::clone(&ledger));
    let rpc = crate::rpc::at_once(sender, CommitmentConfig::finalized());
    (rpc, ledger)
}

/// The creation of the job among strangers' transactions.
fn buried(before: usize, after: usize) -> (RpcClient, Arc<Mutex<Ledger>>) {
    let mut entries = spam(before, -1, -2);
    entries.push(created());
    entries.extend(spam(after, 1, 2));
    node(entries)
}

fn calls(ledger: &Mutex<Ledger>, name: &str) -> u32 {
    let ledger = ledger.lock().unwrap();
    ledger.calls.get(name).copied().unwrap_or_default()
}

#[tokio::test]
async fn strangers_transactions_before_and_after_hide_no_input() {
    for (before, after) in [(0, 0), (128, 128), (200, 5_000), (5_000, 5_000)] {
        let (rpc, ledger) = buried(before, after);
        let found = input_uri(&rpc, &JOB, &job()).await;
        assert_eq!(found.unwrap(), uri(), "{before} before, {after} after");
        let read = calls(&ledger, "transaction") + calls(&ledger, "block");
        assert!(read < 20, "{read} reads, {before} before, {after} after");
    }
}

/// As many as a block holds, in the very slot and second of the creation: the block is read, not each of them.
#[tokio::test]
async fn strangers_transactions_in_the_same_slot_hide_no_input() {
    let same = || {
        (0..6_000).map(|_| Entry {
            failed: false,
            event: None,
            ..created()
        })
    };
    let entries: Vec<Entry> = same().chain([created()]).chain(same()).collect();
    let (rpc, ledger) = node(entries);
    assert_eq!(input_uri(&rpc, &JOB, &job()).await.unwrap(), uri());
    assert_eq!(calls(&ledger, "block"), 1);
}

#[tokio::test]
async fn a_short_page_is_not_the_last() {
    let (rpc, ledger) = buried(300, 300);
    ledger.lock().unwrap().page = 7;
    assert_eq!(input_uri(&rpc, &JOB, &job()).await.unwrap(), uri());
    let (rpc, ledger) = node(vec![created()]);
    ledger.lock().unwrap().page = 0;
    let refused = input_uri(&rpc, &JOB, &Job { state: 2, ..job() }).await;
    assert!(matches!(refused, Err(ClientError::UriUnknown { .. })));
}

#[tokio::test]
async fn what_a_node_lists_and_does_not_show_yet_is_asked_for_again() {
    for without_meta in [false, true] {
        let (rpc, ledger) = node(vec![created()]);
        {
            let mut ledger = ledger.lock().unwrap();
            (ledger.without_meta, ledger.has_blocks) = (without_meta, false);
            ledger.hidden.insert(0, 2);
        }
        assert_eq!(input_uri(&rpc, &JOB, &job()).await.unwrap(), uri());
        // A node that never shows it is told from one that has nothing.
        ledger.lock().unwrap().hidden.insert(0, u32::MAX);
        let refused = input_uri(&rpc, &JOB, &job()).await.unwrap_err();
        assert!(matches!(refused, ClientError::Rpc { .. }), "{refused}");
    }
}

/// Only the connection has a rule for what is asked again: a second one around it would ask five times as often.
#[tokio::test]
async fn what_is_never_shown_is_asked_for_as_often_as_the_connection_asks() {
    for without_meta in [false, true] {
        let (rpc, ledger) = node(vec![created()]);
        {
            let mut ledger = ledger.lock().unwrap();
            (ledger.without_meta, ledger.has_blocks) = (without_meta, false);
            ledger.hidden.insert(0, u32::MAX);
        }
        input_uri(&rpc, &JOB, &job()).await.unwrap_err();
        assert_eq!(calls(&ledger, "transaction"), 5);
    }
}

/// Whatever a list says, an open job's block has its creation.
#[tokio::test]
async fn a_node_that_lists_nothing_still_has_the_block() {
    let (rpc, ledger) = node(vec![created()]);
    ledger.lock().unwrap().page = 0;
    assert_eq!(input_uri(&rpc, &JOB, &job()).await.unwrap(), uri());
}

#[tokio::test]
async fn results_are_found_by_their_slot() {
    let submitted = Entry {
        event: Some(QuernEvent::ResultSubmitted(ResultSubmitted {
            job: JOB,
            output_uri: uri(),
            trace_root: [5; 32],
            tokens_root: [0; 32],
            ..result_submitted()
        })),
        ..created()
    };
    let mut entries = spam(5_000, -1, -2);
    entries.push(submitted);
    entries.extend(spam(5_000, 1, 2));
    let (rpc, ledger) = node(entries);
    let mut job = job();
    job.state = JobState::Submitted as u8;
    job.output_uri_hash = uri_hash(&uri());
    assert_eq!(output_uri(&rpc, &JOB, &job).await.unwrap(), uri());
    assert!(calls(&ledger, "transaction") < 20);
    // A later state began later, and the result lies somewhere before it.
    job.state = JobState::Rejected as u8;
    job.checkpoint = [5; 32];
    job.state_slot = (CREATED_SLOT + 40).into();
    assert_eq!(output_uri(&rpc, &JOB, &job).await.unwrap(), uri());
    assert_eq!(checkpoint_uri(&rpc, &JOB, &job).await.unwrap(), uri());
}

fn result_submitted() -> ResultSubmitted {
    ResultSubmitted {
        at: CREATED_AT,
        job: JOB,
        provider: Pubkey::default(),
        milestone: 0,
        submission: 1,
        trace_root: [0; 32],
        tokens_root: [0; 32],
        output_uri: String::new(),
        changes: Vec::new(),
    }
}

/// A model does not name a moment: what is registered among a thousand strangers' transactions on each side is still found.
#[tokio::test]
async fn weights_are_found_among_strangers_transactions() {
    let mut model = Model::zeroed();
    model.uri_hash = uri_hash(&uri());
    let registered = Entry {
        event: Some(QuernEvent::ModelRegistered(ModelRegistered {
            at: CREATED_AT,
            creator: Pubkey::default(),
            id: 1,
            uri: uri(),
            changes: vec![Change {
                kind: 1,
                address: JOB,
                seq: 1,
                after: Vec::new(),
            }],
        })),
        ..created()
    };
    let mut entries = spam(1_000, -1, -2);
    entries.push(registered);
    entries.extend(spam(5_000, 1, 2));
    let (rpc, _) = node(entries);
    assert_eq!(model_uri(&rpc, &JOB, &model).await.unwrap(), uri());
}
