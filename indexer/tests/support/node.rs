//! A node that speaks JSON-RPC over a real socket and knows an invented history; every fault of nodes is a field.

use {
    super::{Forgery, History, reply},
    axum::{
        Json, Router,
        extract::State,
        http::StatusCode,
        response::{IntoResponse, Response},
        routing::post,
    },
    quern_client::{
        Pubkey,
        accounts::QuernAccount,
        quern::{
            self,
            state::{
                Campaign, Demand, Emission, Entity, Entry, Job, MintConfig, Model, Protocol,
                Provider, Purse,
            },
        },
    },
    quern_indexer::project::Event,
    serde_json::{Value, json},
    std::{
        collections::{BTreeMap, HashSet},
        sync::{Arc, Mutex},
    },
};

/// The genesis hash that it names unless told otherwise.
pub const GENESIS: &str = "11111111111111111111111111111111";

/// What the node knows, and how it behaves.
pub struct Node {
    /// Newest last: signature, slot, whether it failed, its reply.
    pub transactions: Vec<(String, u64, bool, Value)>,
    pub finalized: u64,
    /// How many slots newer the accounts are that it answers with than the slot that it names.
    pub newer_slots: u64,
    pub genesis: String,
    /// What it names from its first listing on.
    pub genesis_after_listing: Option<String>,
    /// Transactions that were asked for once: every fifth first answer is "null".
    pub asked: HashSet<String>,
    /// Whether it lost its history.
    pub pruned: bool,
    /// Most transactions of a page, whatever is asked for.
    pub cap: usize,
    /// Whether it does not know the cursors of pages and answers them with an empty one.
    pub forgets_cursors: bool,
    /// How many of its transactions, the oldest first, it answers with their metadata.
    pub released: usize,
    pub calls: Vec<String>,
    /// The protocol's account: owner and data in base58.
    pub protocol: Option<(String, String)>,
    /// What its accounts follow from; none: it refuses to list accounts, as public nodes do.
    pub events: Option<Vec<Event>>,
    /// The answer to every call instead, if there is one; a text is sent as it is.
    pub refusal: Option<(u16, Value)>,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            transactions: Vec::new(),
            finalized: 0,
            newer_slots: 0,
            genesis: GENESIS.to_owned(),
            genesis_after_listing: None,
            asked: HashSet::new(),
            pruned: false,
            cap: usize::MAX,
            forgets_cursors: false,
            released: usize::MAX,
            calls: Vec::new(),
            protocol: None,
            events: None,
            refusal: None,
        }
    }
}

pub type Shared = Arc<Mutex<Node>>;

impl Node {
    /// A node on which this history is final.
    pub fn of(history: &History) -> Self {
        Self {
            transactions: entries(history),
            finalized: history.events.last().unwrap().slot,
            events: Some(history.events.clone()),
            ..Self::default()
        }
    }

    fn page(&self, options: &Value) -> Value {
        let limit = options["limit"].as_u64().unwrap() as usize;
        let before = options["before"].as_str();
        if self.pruned || (self.forgets_cursors && before.is_some()) {
            return json!([]);
        }
        let newest_first = || self.transactions.iter().rev();
        let skip = before.map_or(0, |before| {
            newest_first()
                .position(|transaction| transaction.0 == before)
                .unwrap()
                + 1
        });
        let page = newest_first().skip(skip).take(limit.min(self.cap));
        page.map(|(signature, slot, failed, _)| {
            json!({
                "signature": signature,
                "slot": slot,
                "err": if *failed { json!({ "InstructionError": [0, { "Custom": 1 }] }) } else { Value::Null },
                "memo": null,
                "blockTime": null,
                // As local networks do, newer ones are listed too, with their own status.
                "confirmationStatus": if *slot <= self.finalized { "finalized" } else { "confirmed" },
            })
        })
        .collect()
    }

    fn transaction(&mut self, signature: &str) -> Value {
        if self.asked.insert(signature.to_owned()) && self.asked.len().is_multiple_of(5) {
            return Value::Null;
        }
        let mut all = self.transactions.iter();
        let place = all.position(|known| known.0 == signature).unwrap();
        let found = &self.transactions[place];
        assert!(!found.2, "a failed transaction need not be fetched");
        let mut reply = found.3.clone();
        if place >= self.released {
            reply["meta"] = Value::Null;
        }
        reply
    }

    /// The newest slot of which it has accounts.
    fn newest(&self) -> u64 {
        self.finalized + self.newer_slots
    }

    /// What accounts hold.
    fn held(&self) -> Option<Held> {
        let final_ones = self
            .events
            .as_ref()?
            .iter()
            .filter(|event| event.slot <= self.newest());
        let mut held = Held::new();
        for change in final_ones.flat_map(|event| event.body.changes()) {
            let key = (change.kind, change.address);
            match change.after.is_empty() {
                true => drop(held.remove(&key)),
                false => drop(held.insert(key, change.after.clone())),
            }
        }
        Some(held)
    }

    /// The fixed parts of the accounts of a kind.
    fn accounts(&self, options: &Value) -> Option<Value> {
        let discriminator = &options["filters"][0]["memcmp"]["bytes"];
        let kind = kind_of(&serde_json::from_value::<Vec<u8>>(discriminator.clone()).unwrap());
        let held = self
            .held()?
            .into_iter()
            .filter(|((found, _), _)| *found == kind);
        let accounts: Value = held
            .map(|((_, address), bytes)| {
                json!({ "pubkey": address.to_string(), "account": account(&bytes) })
            })
            .collect();
        Some(json!({ "context": { "slot": self.finalized }, "value": accounts }))
    }

    /// Token accounts, of which each vault holds its mint's total, and the program's own.
    fn token_accounts(&self, addresses: &Value) -> Option<Value> {
        let held = self.held()?;
        let configs = held
            .iter()
            .filter(|((kind, _), _)| *kind == MintConfig::KIND as u8);
        let totals: BTreeMap<String, u64> = configs
            .map(|(_, bytes)| {
                let config: MintConfig = bytemuck::pod_read_unaligned(bytes);
                (config.vault.to_string(), config.total_atoms.get())
            })
            .collect();
        let asked = addresses.as_array().unwrap().iter();
        let found: Value = asked
            .map(|address| {
                let address = address.as_str().unwrap();
                let total = totals.get(address);
                let own = held.iter().find(|((_, key), _)| key.to_string() == address);
                match (total, own) {
                    (Some(total), _) => Some(account(&total.to_le_bytes())),
                    (None, Some(((kind, _), bytes))) => {
                        let whole = [discriminator_of(*kind), bytes.as_slice()].concat();
                        Some(account(&whole))
                    }
                    (None, None) => None,
                }
            })
            .collect();
        Some(json!({ "context": { "slot": self.finalized }, "value": found }))
    }

    fn account(&self, address: &Value) -> Value {
        // The clock's account: the indexer does without.
        let is_clock = address == "SysvarC1ock11111111111111111111111111111111";
        let value = self.protocol.as_ref().filter(|_| !is_clock);
        let value = value.map(|(owner, data)| {
            json!({
                "data": [data, "base58"], "owner": owner, "lamports": 1, "executable": false, "rentEpoch": 0, "space": 1,
            })
        });
        json!({ "context": { "slot": self.finalized }, "value": value })
    }
}

/// Bytes of accounts by kind and address.
type Held = BTreeMap<(u8, Pubkey), Vec<u8>>;

fn account(bytes: &[u8]) -> Value {
    json!({
        "data": [bs58::encode(bytes).into_string(), "base58"], "owner": quern::ID.to_string(), "lamports": 1,
        "executable": false, "rentEpoch": 0, "space": bytes.len(),
    })
}

fn kind_of(discriminator: &[u8]) -> u8 {
    let kinds = kinds();
    let found = kinds.iter().find(|(known, _)| *known == discriminator);
    found.unwrap().1
}

fn discriminator_of(kind: u8) -> &'static [u8] {
    let kinds = kinds();
    kinds.iter().find(|(_, known)| *known == kind).unwrap().0
}

/// The discriminator and the code of every kind.
fn kinds() -> [(&'static [u8], u8); 10] {
    fn of<T: QuernAccount>() -> (&'static [u8], u8) {
        (T::DISCRIMINATOR, T::KIND as u8)
    }
    [
        of::<Protocol>(),
        of::<MintConfig>(),
        of::<Emission>(),
        of::<Provider>(),
        of::<Purse>(),
        of::<Model>(),
        of::<Job>(),
        of::<Demand>(),
        of::<Campaign>(),
        of::<Entry>(),
    ]
}

async fn answer(State(node): State<Shared>, Json(request): Json<Value>) -> Response {
    let mut node = node.lock().unwrap();
    if let Some((status, body)) = &node.refusal {
        let status = StatusCode::from_u16(*status).unwrap();
        return match body {
            Value::String(text) => (status, text.clone()).into_response(),
            body => (status, Json(body.clone())).into_response(),
        };
    }
    let method = request["method"].as_str().unwrap().to_owned();
    let params = &request["params"];
    let result = match method.as_str() {
        "getGenesisHash" => json!(node.genesis),
        "getSlot" if params[0]["commitment"] == "confirmed" => {
            json!(node.transactions.last().map_or(0, |newest| newest.1))
        }
        "getSlot" if params[0]["commitment"] == "processed" => json!(node.newest()),
        "getSlot" => json!(node.finalized),
        "getSignaturesForAddress" if params[1]["commitment"] == "confirmed" => {
            node.page(&params[1])
        }
        "getSignaturesForAddress" => {
            assert_eq!(params[1]["commitment"], "finalized");
            assert!(params[1]["minContextSlot"].as_u64().unwrap() <= node.finalized);
            if let Some(genesis) = node.genesis_after_listing.take() {
                node.genesis = genesis;
            }
            node.page(&params[1])
        }
        "getTransaction" => node.transaction(params[0].as_str().unwrap()),
        "getAccountInfo" => node.account(&params[0]),
        "getProgramAccounts" => listed(node.accounts(&params[1])),
        "getMultipleAccounts" => listed(node.token_accounts(&params[0])),
        other => panic!("the indexer called {other}"),
    };
    node.calls.push(method);
    let mut reply = json!({ "jsonrpc": "2.0", "id": request["id"] });
    // An error stands in the place of a result.
    match result.get("refusal") {
        Some(refusal) => reply["error"] = refusal.clone(),
        None => reply["result"] = result,
    }
    Json(reply).into_response()
}

fn listed(answer: Option<Value>) -> Value {
    let refusal = json!({ "refusal": { "code": -32_010, "message": "excluded from account secondary indexes" } });
    answer.unwrap_or(refusal)
}

/// Starts it; it ends with the test.
pub async fn start(node: Node) -> (Shared, String) {
    let shared: Shared = Arc::new(Mutex::new(node));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/", post(answer))
        .route("/{token}", post(answer))
        .with_state(Arc::clone(&shared));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (shared, url)
}

/// The transactions of a history as a node knows them.
pub fn entries(history: &History) -> Vec<(String, u64, bool, Value)> {
    let events = history.events.iter();
    events
        .map(|event| {
            (
                event.id.signature.to_string(),
                event.slot,
                false,
                reply(event, Forgery::None),
            )
        })
        .collect()
}
