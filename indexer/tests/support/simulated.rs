//! A node and its chain without a network: every fault that nodes have, decided by a seed and by what is asked, so that a run
//! does not depend on the order in which tasks get their turn.
#![allow(clippy::unwrap_used, dead_code)]

use {
    super::{
        History,
        transaction::{Call, Transaction},
    },
    async_trait::async_trait,
    quern_api::{Key, Signature},
    quern_client::{Pubkey, quern::state::MintConfig},
    quern_indexer::{
        Result as IndexerResult,
        project::{Event, EventId, program::EntityKind},
        source::{Accounts, Held},
    },
    quern_testkit::rng::Rng,
    serde_json::{Value, json},
    solana_rpc_client::rpc_sender::{RpcSender, RpcTransportStats},
    solana_rpc_client_api::{
        client_error::{ErrorKind, Result},
        request::{RpcError, RpcRequest, RpcResponseErrorData},
    },
    std::{
        collections::BTreeMap,
        hash::{DefaultHasher, Hash, Hasher},
        io,
        sync::{Arc, Mutex},
    },
    tokio::sync::Notify,
};

/// Slots between two of a history's: more than an overlap covers lie between its beginning and its end.
pub const SLOT_STRETCH: u64 = 40;
/// Signatures on a page: a history has some pages.
const PAGE: usize = 7;
pub const GENESIS: &str = "11111111111111111111111111111111";

/// A finalized transaction.
struct Landed {
    signature: String,
    slot: u64,
    failed: bool,
    reply: Value,
    events: Vec<Event>,
}

/// What is final in the end, oldest first.
pub struct Chain {
    landed: Vec<Landed>,
    /// Transactions of a fork, with the slot from which on they are gone.
    forked: Vec<(Landed, u64)>,
    /// Events of it.
    pub events: usize,
}

impl Chain {
    /// Up to three events a transaction, failed ones and such that are not understood between them.
    pub fn of(seed: u64, history: &History) -> Self {
        let mut dice = Rng::new(seed ^ 0xc4a1_4000);
        let mut events = history.events.iter().peekable();
        let (mut landed, mut forked) = (Vec::new(), Vec::new());
        let mut n = 0_u64;
        while let Some(first) = events.next() {
            let mut told = vec![first];
            while told.len() < 3 && dice.below(3) > 0 {
                told.extend(events.next_if(|next| next.slot == first.slot));
            }
            let slot = 1_000 + (first.slot - 1_000) * SLOT_STRETCH;
            n += 1;
            let transaction = landed_with(n, slot, &told);
            if dice.once_in(6) {
                n += 1;
                landed.push(other(n, slot, true));
            }
            if dice.once_in(3) {
                // The same, but another order, place and signature: what a fork had.
                n += 1;
                told.reverse();
                forked.push((landed_with(n, slot, &told), slot + SLOT_STRETCH / 2));
            }
            landed.push(transaction);
            if dice.once_in(9) {
                n += 1;
                landed.push(other(n, slot, false));
            }
        }
        Self {
            landed,
            forked,
            events: history.events.len(),
        }
    }

    pub fn first_slot(&self) -> u64 {
        self.landed.first().unwrap().slot
    }

    pub fn last_slot(&self) -> u64 {
        self.landed.last().unwrap().slot
    }

    /// Every slot with what was told in it, as nodes answer for it.
    pub fn told(&self) -> BTreeMap<u64, Vec<Value>> {
        let mut told: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
        for landed in self.landed.iter().filter(|landed| !landed.failed) {
            told.entry(landed.slot)
                .or_default()
                .push(landed.reply.clone());
        }
        told
    }

    /// A slot in the middle of the history in which something was told.
    pub fn middle_slot(&self) -> u64 {
        let telling = self
            .landed
            .iter()
            .filter(|landed| !landed.events.is_empty());
        let slots: Vec<u64> = telling.map(|landed| landed.slot).collect();
        slots[slots.len() / 2]
    }

    /// What the program's accounts hold at a slot.
    fn accounts(&self, slot: u64) -> BTreeMap<(u8, Pubkey), Vec<u8>> {
        let mut accounts = BTreeMap::new();
        let final_ones = self.landed.iter().filter(|landed| landed.slot <= slot);
        for event in final_ones.flat_map(|landed| &landed.events) {
            for change in event.body.changes() {
                let key = (change.kind, change.address);
                match change.after.is_empty() {
                    true => drop(accounts.remove(&key)),
                    false => drop(accounts.insert(key, change.after.clone())),
                }
            }
        }
        accounts
    }
}

fn signature_of(n: u64) -> [u8; 64] {
    let mut signature = [3; 64];
    // Scattered, so that no order of signatures follows the order of transactions.
    signature[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    signature
}

fn landed_with(n: u64, slot: u64, told: &[&Event]) -> Landed {
    let signature = signature_of(n);
    let calls = told.iter().map(|event| Call::event(&event.body)).collect();
    let events = (0..).zip(told).map(|(inner, event)| Event {
        id: EventId {
            signature: Signature(signature),
            instruction: 0,
            inner,
        },
        slot,
        body: event.body.clone(),
    });
    Landed {
        signature: Signature(signature).to_string(),
        slot,
        failed: false,
        reply: Transaction::new(signature, slot, vec![(Call::quern(), calls)]).reply(),
        events: events.collect(),
    }
}

/// A transaction that failed, or that tells what nobody understands.
fn other(n: u64, slot: u64, failed: bool) -> Landed {
    let signature = signature_of(n);
    let calls = vec![(Call::quern(), Vec::new())];
    let transaction = Transaction {
        failed,
        ..Transaction::new(signature, slot, calls)
    };
    Landed {
        signature: Signature(signature).to_string(),
        slot,
        failed,
        reply: transaction.reply(),
        events: Vec::new(),
    }
}

/// How a node answers now.
#[derive(Clone, Copy, Debug)]
pub struct Mood {
    /// Decides, with what is asked, which answers are wrong and how.
    pub seed: u64,
    /// One answer in this many is wrong; none: it is honest.
    pub faulty: Option<u64>,
    /// What is final for it.
    pub finalized: u64,
    /// Whether the process dies at one call in this many.
    pub deadly: Option<u64>,
    /// It lists nothing older than this.
    pub pruned_below: u64,
    /// It lists nothing of this slot.
    pub left_out: Option<u64>,
    /// Whether it does not list that for an account either.
    pub left_out_of_accounts: bool,
    /// How many atoms less than its total each vault holds.
    pub stolen_atoms: i64,
    /// How many slots newer the accounts are that it answers with than the slot that it names.
    pub newer_slots: u64,
}

impl Mood {
    /// The newest slot of which it has accounts.
    fn newest(&self) -> u64 {
        self.finalized + self.newer_slots
    }
}

/// A node without a network.
#[derive(Clone)]
pub struct Node {
    pub chain: Arc<Chain>,
    pub mood: Arc<Mutex<Mood>>,
    /// Told when the process dies: the call that it dies at is never answered.
    pub died: Arc<Notify>,
    /// Told each time that the newest slot is asked for.
    pub asked_newest: Arc<Notify>,
}

impl Node {
    pub fn new(chain: Arc<Chain>) -> Self {
        let mood = Mood {
            seed: 0,
            faulty: None,
            finalized: chain.last_slot(),
            deadly: None,
            pruned_below: 0,
            left_out: None,
            left_out_of_accounts: true,
            stolen_atoms: 0,
            newer_slots: 0,
        };
        Self {
            chain,
            mood: Arc::new(Mutex::new(mood)),
            died: Arc::new(Notify::new()),
            asked_newest: Arc::new(Notify::new()),
        }
    }

    pub fn mood(&self) -> Mood {
        *self.mood.lock().unwrap()
    }

    /// What is decided for a call.
    fn dice(mood: &Mood, method: RpcRequest, params: &Value) -> Rng {
        let mut hasher = DefaultHasher::new();
        (mood.seed, format!("{method:?}{params}")).hash(&mut hasher);
        let mut dice = Rng::new(hasher.finish());
        dice.bits();
        dice
    }

    fn honest(&self, mood: &Mood, method: RpcRequest, params: &Value) -> Result<Value> {
        Ok(match method {
            RpcRequest::GetGenesisHash => json!(GENESIS),
            RpcRequest::GetSlot => json!(mood.finalized),
            RpcRequest::GetAccountInfo => {
                json!({ "context": { "slot": mood.finalized }, "value": null })
            }
            RpcRequest::GetSignaturesForAddress => {
                if params[1]["minContextSlot"].as_u64().unwrap() > mood.finalized {
                    return Err(refused(
                        -32_016,
                        "Minimum context slot has not been reached",
                    ));
                }
                Value::Array(self.page(mood, params))
            }
            RpcRequest::GetTransaction => {
                let asked = params[0].as_str().unwrap();
                let found = self
                    .chain
                    .landed
                    .iter()
                    .find(|landed| landed.signature == asked);
                found.map_or(Value::Null, |landed| landed.reply.clone())
            }
            other => panic!("the indexer called {other:?}"),
        })
    }

    fn page(&self, mood: &Mood, params: &Value) -> Vec<Value> {
        let of_account = params[0]
            .as_str()
            .filter(|asked| *asked != super::program().to_string());
        let names = |landed: &Landed| {
            of_account.is_none_or(|account| {
                let changes = landed.events.iter().flat_map(|event| event.body.changes());
                changes
                    .map(|change| change.address.to_string())
                    .any(|named| named == account)
            })
        };
        let final_ones = self.chain.landed.iter().filter(|landed| {
            let is_left_out = mood.left_out == Some(landed.slot)
                && (mood.left_out_of_accounts || of_account.is_none());
            let is_kept = landed.slot >= mood.pruned_below && !is_left_out;
            landed.slot <= mood.finalized && is_kept && names(landed)
        });
        let entry = |landed: &Landed, status: &str| {
            json!({
                "signature": landed.signature,
                "slot": landed.slot,
                "err": if landed.failed { json!({ "InstructionError": [0, { "Custom": 1 }] }) } else { Value::Null },
                "memo": null,
                "blockTime": null,
                "confirmationStatus": status,
            })
        };
        // What is only confirmed, on a fork that is replaced later.
        let forked = self.chain.forked.iter().filter(|(landed, gone)| {
            landed.slot > mood.finalized && *gone > mood.finalized && names(landed)
        });
        let forked = forked.take(2).map(|(landed, _)| entry(landed, "confirmed"));
        let all: Vec<Value> = final_ones
            .map(|landed| entry(landed, "finalized"))
            .chain(forked)
            .collect();
        let newest_first = all.into_iter().rev();
        let before = params[1]["before"].as_str().map(str::to_owned);
        let mut rest = newest_first.skip_while(|entry| {
            before
                .as_ref()
                .is_some_and(|before| entry["signature"] != before.as_str())
        });
        if before.is_some() {
            rest.next();
        }
        rest.take(PAGE).collect()
    }

    /// One of the ways in which an answer is wrong.
    fn wrong(
        &self,
        mood: &Mood,
        dice: &mut Rng,
        method: RpcRequest,
        right: Value,
    ) -> Result<Value> {
        match (method, dice.below(8)) {
            (_, 0) => Err(ErrorKind::Io(io::ErrorKind::TimedOut.into()).into()),
            (_, 1) => Err(refused(-32_005, "Node is behind by 42 slots")),
            (_, 2) => Err(serde_json::from_str::<Value>("<html>").unwrap_err().into()),
            (RpcRequest::GetSlot, _) => Ok(json!(mood.finalized - dice.below(300))),
            (RpcRequest::GetGenesisHash | RpcRequest::GetAccountInfo, _) => Ok(json!([7])),
            (RpcRequest::GetSignaturesForAddress, way) => {
                let Value::Array(page) = right else {
                    return Ok(right);
                };
                Ok(Value::Array(wrong_page(dice, way, page)))
            }
            (RpcRequest::GetTransaction, way) => Ok(self.wrong_transaction(dice, way, right)),
            (_, _) => Ok(right),
        }
    }

    fn wrong_transaction(&self, dice: &mut Rng, way: u64, mut right: Value) -> Value {
        match way {
            3 => Value::Null,
            4 => {
                right["meta"] = Value::Null;
                right
            }
            5 => {
                right["meta"]["innerInstructions"] = Value::Null;
                right
            }
            6 => dice.pick(&self.chain.landed).reply.clone(),
            _ => {
                right["transaction"] = json!(["3Bxs", "base58"]);
                right
            }
        }
    }
}

fn wrong_page(dice: &mut Rng, way: u64, mut page: Vec<Value>) -> Vec<Value> {
    let place = dice.below(page.len().max(1) as u64) as usize;
    match way {
        // Empty before the end, or as if it began later.
        3 => Vec::new(),
        4 => page.split_off(place),
        // One left out, one twice, two in the wrong order.
        5 if !page.is_empty() => {
            page.remove(place);
            page
        }
        6 if !page.is_empty() => {
            page.insert(place, page[place].clone());
            page
        }
        _ => {
            page.reverse();
            page
        }
    }
}

fn refused(code: i64, message: &str) -> solana_rpc_client_api::client_error::Error {
    RpcError::RpcResponseError {
        code,
        message: message.to_owned(),
        data: RpcResponseErrorData::Empty,
    }
    .into()
}

#[async_trait]
impl RpcSender for Node {
    async fn send(&self, method: RpcRequest, params: Value) -> Result<Value> {
        let mood = self.mood();
        let mut dice = Self::dice(&mood, method, &params);
        if mood.deadly.is_some_and(|deadly| dice.once_in(deadly)) {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
        // Later calls may be answered earlier.
        for _ in 0..dice.below(4) {
            tokio::task::yield_now().await;
        }
        let right = self.honest(&mood, method, &params);
        match right {
            Ok(right) if mood.faulty.is_some_and(|faulty| dice.once_in(faulty)) => {
                self.wrong(&mood, &mut dice, method, right)
            }
            right => right,
        }
    }

    fn get_transport_stats(&self) -> RpcTransportStats {
        RpcTransportStats::default()
    }

    fn url(&self) -> String {
        "http://simulated".to_owned()
    }
}

#[async_trait]
impl Accounts for Node {
    async fn of_kind(&self, kind: EntityKind, part: Option<u8>) -> IndexerResult<Held> {
        assert_eq!(part, None);
        let mood = self.mood();
        let accounts = self.chain.accounts(mood.newest()).into_iter();
        let accounts = accounts
            .filter(|((found, _), _)| *found == kind as u8)
            .map(|((_, address), bytes)| (Key(address.to_bytes()), bytes));
        Ok(Held {
            slot: mood.finalized,
            accounts: accounts.collect(),
        })
    }

    async fn at(&self, kind: EntityKind, addresses: &[Key]) -> IndexerResult<Held> {
        let mut held = self.of_kind(kind, None).await?;
        held.accounts
            .retain(|(address, _)| addresses.contains(address));
        Ok(held)
    }

    async fn token_atoms(&self, accounts: &[Key]) -> IndexerResult<(u64, Vec<Option<u64>>)> {
        let mood = self.mood();
        let held = self.chain.accounts(mood.newest());
        let configs = held
            .iter()
            .filter(|((kind, _), _)| *kind == EntityKind::MintConfig as u8);
        let totals: BTreeMap<Key, u64> = configs
            .map(|(_, bytes)| {
                let config: MintConfig = bytemuck::pod_read_unaligned(bytes);
                (Key(config.vault.to_bytes()), config.total_atoms.get())
            })
            .collect();
        let atoms = accounts.iter().map(|account| {
            let total = totals.get(account)?;
            Some(total.saturating_add_signed(-mood.stolen_atoms))
        });
        Ok((mood.finalized, atoms.collect()))
    }

    async fn newest_slot(&self) -> IndexerResult<u64> {
        self.asked_newest.notify_one();
        Ok(self.mood().newest())
    }
}
