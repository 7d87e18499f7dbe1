//! A gateway over the market in memory, and what its user sees.

use {
    super::market::{FakeMarket, WIDTH, address, vectors},
    crate::{
        embedder::{Answer, Embedder, Request, TokenRow},
        engine::Engine,
        order::OrderId,
        refusal::Refusal,
        served::{Dimensions, Served},
        settings::Settings,
    },
    quern_proof::hash::hash,
    std::{path::Path, sync::Arc, time::Duration},
    tokio::sync::oneshot,
};

/// Longest wait for what must happen.
const LIMIT: Duration = Duration::from_secs(30);

const TOKENIZER: &str = r###"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],
    "normalizer":null,"pre_tokenizer":{"type":"Whitespace"},"decoder":null,
    "post_processor":{"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]},
    "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,
    "vocab":{"[PAD]":0,"[CLS]":1,"[SEP]":2,"[UNK]":3,"a":4,"b":5,"c":6}}}"###;

pub fn served() -> Served {
    let dimensions = Dimensions {
        vector: WIDTH,
        bytes: WIDTH as u64,
        sequence: 8,
        vocabulary: 100,
    };
    Served::of_test(address(100), TOKENIZER, dimensions)
}

pub fn settings(state: &Path) -> Settings {
    Settings {
        poll: Duration::from_millis(1),
        batch_time: Duration::from_millis(1),
        take_time: Duration::from_secs(600),
        avoid: Duration::from_secs(60),
        grace: Duration::from_millis(200),
        ..Settings::new(state.to_owned())
    }
}

pub async fn open(settings: Settings, market: &FakeMarket) -> Engine {
    let start = std::time::Instant::now();
    loop {
        let market = Arc::new(market.clone());
        match Engine::over(settings.clone(), vec![served()], market).await {
            Ok(engine) => return engine,
            // What was killed lets go of its folder in a moment.
            Err(error) => {
                let is_locked = error.to_string().contains("another gateway uses");
                assert!(is_locked && start.elapsed() < LIMIT, "{error}");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }
}

/// A gateway that runs until it is stopped.
pub struct Running {
    pub engine: Engine,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    pub fn start(engine: Engine) -> Self {
        let (stop, stopped) = oneshot::channel();
        let own = engine.clone();
        let task = tokio::spawn(async move {
            own.run(async {
                let _ = stopped.await;
            })
            .await;
        });
        Self { engine, stop, task }
    }

    pub async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.expect("it stops in good order");
    }

    /// Ends it as a kill does: nothing of it goes on.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

pub fn id(name: &str) -> OrderId {
    OrderId::new(name).expect("a name")
}

pub fn rows(texts: &[&[u32]]) -> Vec<TokenRow> {
    let rows = texts.iter().map(|ids| TokenRow { ids: ids.to_vec() });
    rows.collect()
}

pub fn request(name: &str, rows: Vec<TokenRow>) -> Request {
    let body: Vec<u8> = rows
        .iter()
        .flat_map(|row| row.ids.iter().map(|id| *id as u8))
        .collect();
    Request {
        id: id(name),
        body_sha256: hash(&[&body]),
        model: "Test".to_owned(),
        rows,
        is_batch: false,
        most_atoms: None,
    }
}

pub async fn ask(engine: &Engine, request: Request) -> Result<Answer, Refusal> {
    engine.embed(request, LIMIT).await
}

/// Whether an answer is what the model makes of the rows.
pub fn check(answer: &Answer, rows: &[TokenRow]) {
    let inputs = served().inputs(rows).expect("rows that the model reads");
    let expected = quern_import::units(&vectors(&inputs[0])).expect("no row is zero");
    let found: Vec<f32> = answer.vectors.concat();
    assert_eq!(found, expected);
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !holds() {
        assert!(start.elapsed() < LIMIT, "{what} does not happen");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
