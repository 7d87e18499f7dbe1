//! A node with faults: it stands in front of a real one, passes calls on, and does to them what nodes and the proxies before
//! them do in the field. What it does is changed while it runs.

use {
    anyhow::{Context, Result},
    serde_json::{Value, json},
    std::{
        collections::{BTreeMap, HashMap},
        sync::{Arc, Mutex, MutexGuard, PoisonError},
        time::Duration,
    },
    tokio::{
        io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
        net::{TcpListener, TcpStream},
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
}

#[derive(Default)]
struct State {
    faults: Vec<Fault>,
    /// Calls by method.
    calls: BTreeMap<String, u64>,
    /// How often something has gone wrong already.
    done: HashMap<String, u32>,
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

    /// Does what a call asks for, with the present faults.
    async fn answer(&self, mut request: Value) -> Result<Answer> {
        let method = request["method"].as_str().unwrap_or_default().to_owned();
        let faults = {
            let mut state = self.lock();
            *state.calls.entry(method.clone()).or_default() += 1;
            state.faults.clone()
        };
        for fault in &faults {
            if let Fault::Slow(time) = fault {
                tokio::time::sleep(*time).await;
            }
            if let Some(answer) = self.instead(*fault, &method, &mut request) {
                return Ok(answer);
            }
        }
        let mut answer = self.forwarded(&request).await?;
        for fault in &faults {
            self.spoil(*fault, &method, &request, &mut answer);
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
