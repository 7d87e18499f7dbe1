//! A node with faults: it stands in front of a real one, passes calls on, and does to them what nodes and the proxies before
//! them do in the field. What it does is changed while it runs.

use {
    anyhow::{Context, Result},
    serde_json::{Value, json},
    std::{
        collections::{BTreeMap, HashMap, HashSet},
        sync::{Arc, Mutex, MutexGuard, PoisonError},
        time::Duration,
    },
    tokio::{
        io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
        net::{TcpListener, TcpStream},
        sync::watch,
        task::JoinHandle,
    },
};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every call gets a web page with this status, 200 among them.
    WebPage(u16),
    /// Every third call gets status 429 and is to come again in a second.
    TooManyRequests,
    /// An error of JSON-RPC with this code instead of every answer.
    Refused(i64),
    /// Every answer comes so much later.
    Slow(Duration),
    /// Answers break off in the middle.
    CutOff,
    /// The first so many answers about a transaction say that there is none.
    NullTransactions(u32),
    /// The first so many answers about a transaction lack what it did.
    NullMetadata(u32),
    /// The statuses of transactions are forgotten, unless the history is asked for.
    ForgottenStatuses,
    /// A transaction is passed on, but its sender hears nothing.
    LostReply,
    /// A transaction gets lost on its way to the node, and its sender hears nothing.
    LostTransactions,
    /// The first so many transactions are refused because the node is behind.
    Behind(u32),
    /// Another network's genesis hash.
    OtherGenesis,
    /// A page of signatures has at most so many, whatever was asked for.
    ShortPages(u64),
    /// A page that begins behind a signature is empty.
    EmptyPages,
    /// The data of accounts are no base64.
    DamagedAccounts,
}

/// Stands in front of a node until it is dropped.
pub struct FaultyNode {
    url: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    upstream: String,
    client: reqwest::Client,
    state: Mutex<State>,
    /// Answers about this method wait.
    held: watch::Sender<Option<&'static str>>,
}

#[derive(Default)]
struct State {
    faults: Vec<Fault>,
    /// Calls by method.
    calls: BTreeMap<String, u64>,
    /// How often something has gone wrong already.
    done: HashMap<String, u32>,
    /// How many answers wait.
    waiting: u32,
    /// What the node has let pass by.
    time: Time,
}

/// Blocks that went by without anybody looking: see [`FaultyNode::pass_blocks`].
#[derive(Default)]
struct Time {
    /// By how many blocks the node is further than the real one.
    ahead: u64,
    /// Up to this slot, statuses are only in the history.
    forgotten_slot: u64,
    /// Blockhashes that were given out, and those of them that have expired.
    blockhashes: HashSet<String>,
    expired_blockhashes: HashSet<String>,
    /// The same for transactions, as they were handed over.
    transactions: HashSet<String>,
    expired_transactions: HashSet<String>,
}

/// What a caller gets.
enum Answer {
    Json(Value),
    Status(u16, &'static str),
    Nothing,
}

/// What a proxy shows whose node is gone.
const PAGE: &str = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>";
/// What a node says that has not caught up.
const NODE_IS_BEHIND: i64 = -32_005;
/// What a node says to a transaction that cannot be included any more.
const NOT_INCLUDED: i64 = -32_002;
/// A genesis hash of nobody.
const OTHER_GENESIS: &str = "4sGjMW1sUnHzSxGspuhpqLDx6wiyjNtZAMdL4VZHirAn";

impl FaultyNode {
    /// In front of the node at this URL, without a fault so far.
    ///
    /// # Errors
    /// If there is no free port.
    pub async fn before(upstream: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            client: reqwest::Client::builder().no_proxy().build()?,
            state: Mutex::default(),
            held: watch::Sender::new(None),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self {
            url,
            shared,
            serving,
        })
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on these faults, and no other.
    pub fn set(&self, faults: &[Fault]) {
        let mut state = self.shared.lock();
        state.faults = faults.to_vec();
        state.done.clear();
    }

    /// From now on answers about this method wait until [`Self::release`]; what the calls ask for is done.
    pub fn hold(&self, method: &'static str) {
        self.shared.held.send_replace(Some(method));
    }

    /// Whether an answer waits.
    pub fn is_holding(&self) -> bool {
        self.shared.lock().waiting > 0
    }

    /// Lets all answers go, those to come included.
    pub fn release(&self) {
        self.shared.held.send_replace(None);
    }

    /// Lets blocks go by that nobody looks at: what was signed before is included no more, and what has landed before is
    /// found in the history only.
    ///
    /// # Errors
    /// If the node itself does not answer.
    pub async fn pass_blocks(&self, blocks: u64) -> Result<()> {
        let slot = json!({ "jsonrpc": "2.0", "id": 1, "method": "getSlot", "params": [{ "commitment": "processed" }] });
        let slot = self.shared.forwarded(&slot).await?["result"].as_u64();
        let mut state = self.shared.lock();
        let time = &mut state.time;
        time.ahead += blocks;
        time.forgotten_slot = slot.context("the node's slot")?;
        let (blockhashes, transactions) = (&mut time.blockhashes, &mut time.transactions);
        time.expired_blockhashes.extend(blockhashes.drain());
        time.expired_transactions.extend(transactions.drain());
        Ok(())
    }

    /// How many calls there were.
    pub fn all_calls(&self) -> u64 {
        self.shared.lock().calls.values().sum()
    }

    /// How often a method was called.
    pub fn calls(&self, method: &str) -> u64 {
        self.shared.lock().calls.get(method).copied().unwrap_or(0)
    }
}

impl Drop for FaultyNode {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // A caller that goes away is its own affair.
        tokio::spawn(async move { answer(stream, &shared).await });
    }
}

/// Answers one request and closes the connection.
async fn answer(stream: TcpStream, shared: &Shared) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let request: Value = serde_json::from_slice(&body)?;
    let (status, kind, text) = match shared.answer(request).await? {
        Answer::Json(value) => (200, "application/json", value.to_string()),
        Answer::Status(status, page) => (status, "text/html", page.to_owned()),
        Answer::Nothing => return Ok(()),
    };
    let is_cut = shared.has(|fault| matches!(fault, Fault::CutOff));
    let sent = text.get(..text.len() / 2).filter(|_| is_cut);
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(sent.unwrap_or(&text).as_bytes()).await?;
    Ok(stream.flush().await?)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, is: impl Fn(&Fault) -> bool) -> bool {
        self.lock().faults.iter().any(is)
    }

    /// Whether something goes wrong once more, of `most` times.
    fn is_due(&self, what: &str, most: u32) -> bool {
        let mut state = self.lock();
        let done = state.done.entry(what.to_owned()).or_default();
        *done += 1;
        *done <= most
    }

    /// Answers a call, as soon as its answer may go.
    async fn answer(&self, request: Value) -> Result<Answer> {
        let method = request["method"].as_str().unwrap_or_default().to_owned();
        *self.lock().calls.entry(method.clone()).or_default() += 1;
        let answer = self.done(&method, request).await?;
        if *self.held.borrow() == Some(method.as_str()) {
            self.lock().waiting += 1;
            let may_go = |held: &Option<&str>| *held != Some(method.as_str());
            let released = self.held.subscribe().wait_for(may_go).await.map(|_| ());
            self.lock().waiting -= 1;
            released?;
        }
        Ok(answer)
    }

    /// Does what a call asks for, with the present faults.
    async fn done(&self, method: &str, mut request: Value) -> Result<Answer> {
        let faults = self.lock().faults.clone();
        for fault in &faults {
            if let Fault::Slow(time) = fault {
                tokio::time::sleep(*time).await;
            }
            if let Some(answer) = self.instead(*fault, method, &mut request) {
                return Ok(answer);
            }
        }
        if let Some(answer) = self.expired(method, &request) {
            return Ok(answer);
        }
        let mut answer = self.forwarded(&request).await?;
        self.tell_the_time(method, &request, &mut answer);
        for fault in &faults {
            self.spoil(*fault, method, &request, &mut answer);
        }
        let is_lost = faults.contains(&Fault::LostReply) && method == "sendTransaction";
        Ok(match is_lost {
            true => Answer::Nothing,
            false => Answer::Json(answer),
        })
    }

    /// What a caller gets instead of the node's answer; or the call is changed before it is passed on.
    fn instead(&self, fault: Fault, method: &str, request: &mut Value) -> Option<Answer> {
        let id = request["id"].clone();
        let refused = |code: i64| {
            let error = json!({ "code": code, "message": "a fault of this node" });
            Answer::Json(json!({ "jsonrpc": "2.0", "id": id, "error": error }))
        };
        let result = |value| Answer::Json(json!({ "jsonrpc": "2.0", "id": id, "result": value }));
        let is_later_page = !request["params"][1]["before"].is_null();
        let is_due = |most| self.is_due(&format!("{method} {}", request["params"][0]), most);
        match (fault, method) {
            (Fault::WebPage(status), _) => Some(Answer::Status(status, PAGE)),
            (Fault::Refused(code), _) => Some(refused(code)),
            (Fault::TooManyRequests, _) => self
                .is_third()
                .then_some(Answer::Status(429, "too many requests")),
            (Fault::OtherGenesis, "getGenesisHash") => Some(result(Value::from(OTHER_GENESIS))),
            (Fault::NullTransactions(most), "getTransaction") => {
                is_due(most).then(|| result(Value::Null))
            }
            (Fault::Behind(most), "sendTransaction") => {
                self.is_due(method, most).then(|| refused(NODE_IS_BEHIND))
            }
            (Fault::LostTransactions, "sendTransaction") => {
                self.note_transaction(request);
                Some(Answer::Nothing)
            }
            (Fault::EmptyPages, "getSignaturesForAddress") if is_later_page => {
                Some(result(json!([])))
            }
            (Fault::ShortPages(most), "getSignaturesForAddress") => {
                let asked = request["params"][1]["limit"].as_u64().unwrap_or(1_000);
                request["params"][1]["limit"] = asked.min(most).into();
                None
            }
            _ => None,
        }
    }

    /// What a call gets that comes too late.
    fn expired(&self, method: &str, request: &Value) -> Option<Answer> {
        if method != "sendTransaction" {
            return None;
        }
        let sent = request["params"][0].as_str().unwrap_or_default();
        if !self.lock().time.expired_transactions.contains(sent) {
            self.note_transaction(request);
            return None;
        }
        let error = json!({ "code": NOT_INCLUDED, "message": "Transaction simulation failed: Blockhash not found" });
        let answer = json!({ "jsonrpc": "2.0", "id": request["id"], "error": error });
        Some(Answer::Json(answer))
    }

    fn note_transaction(&self, request: &Value) {
        if let Some(sent) = request["params"][0].as_str() {
            self.lock().time.transactions.insert(sent.to_owned());
        }
    }

    /// Changes an answer to what it is that much later.
    fn tell_the_time(&self, method: &str, request: &Value, answer: &mut Value) {
        let time = &mut self.lock().time;
        let later = |value: &mut Value| {
            if let Some(height) = value.as_u64() {
                *value = (height + time.ahead).into();
            }
        };
        match method {
            "getBlockHeight" => later(&mut answer["result"]),
            "getLatestBlockhash" => {
                let value = &mut answer["result"]["value"];
                later(&mut value["lastValidBlockHeight"]);
                if let Some(blockhash) = value["blockhash"].as_str() {
                    time.blockhashes.insert(blockhash.to_owned());
                }
            }
            "isBlockhashValid" => {
                let blockhash = request["params"][0].as_str().unwrap_or_default();
                if time.expired_blockhashes.contains(blockhash) {
                    answer["result"]["value"] = false.into();
                }
            }
            "getSignatureStatuses" if request["params"][1]["searchTransactionHistory"] != true => {
                let known = answer["result"]["value"].as_array_mut();
                for status in known.into_iter().flatten() {
                    let slot = status["slot"].as_u64();
                    if slot.is_some_and(|slot| slot <= time.forgotten_slot) {
                        *status = Value::Null;
                    }
                }
            }
            _ => {}
        }
    }

    /// Changes what the node has answered.
    fn spoil(&self, fault: Fault, method: &str, request: &Value, answer: &mut Value) {
        match fault {
            Fault::NullMetadata(most) if method == "getTransaction" => {
                let what = format!("meta {}", request["params"][0]);
                if answer["result"].is_object() && self.is_due(&what, most) {
                    answer["result"]["meta"] = Value::Null;
                }
            }
            Fault::ForgottenStatuses if method == "getSignatureStatuses" => {
                let is_asked = request["params"][1]["searchTransactionHistory"] == true;
                let known = answer["result"]["value"].as_array_mut();
                if let Some(known) = known.filter(|_| !is_asked) {
                    known.fill(Value::Null);
                }
            }
            Fault::DamagedAccounts => damage(&mut answer["result"]),
            _ => {}
        }
    }

    /// Whether this is every third call.
    fn is_third(&self) -> bool {
        let mut state = self.lock();
        let count = state.done.entry("every third".to_owned()).or_default();
        *count += 1;
        count.is_multiple_of(3)
    }

    /// The node's own answer.
    async fn forwarded(&self, request: &Value) -> Result<Value> {
        let sent = self.client.post(&self.upstream).json(request).send();
        sent.await?.json().await.context("the node itself")
    }
}

/// Makes the data of every account in an answer unreadable.
fn damage(value: &mut Value) {
    match value {
        Value::Array(items) if items.get(1).is_some_and(|encoding| encoding == "base64") => {
            items[0] = "=damaged=".into();
        }
        Value::Array(items) => items.iter_mut().for_each(damage),
        Value::Object(fields) => fields.values_mut().for_each(damage),
        _ => {}
    }
}
