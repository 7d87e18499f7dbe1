//! Measures the gateway on a local network: a provider's agent, the gateway and the network in this process, with a sentence
//! encoder out of a folder. Beside it the same model is called directly. Writes docs/BENCHMARKS.md between the marks `gateway`.
//!
//! `bench FOLDER [--rows 10000] [--singles 60]`; `cargo xtask bench gateway` calls it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark ends where something fails"
)]

mod report;

use {
    quern_client::{
        Pubkey, Signer, flows,
        quern::{instructions::NewModel, state::AssetKind},
    },
    quern_data::{FetchLimits, ModelFolder, Publisher},
    quern_gateway::{
        Answer, Connection, Embedder, Engine, OrderId, Request, Served, Settings, TokenRow,
    },
    quern_import::Tokenizer,
    quern_proof::{
        Tensor,
        eval::{Batch, DEFAULT_MAX_ITEM_BYTES},
        graph::Graph,
        hash::hash,
    },
    quern_provider::{Policy, Settings as ProviderSetup},
    quern_testkit::net::{Machine, World},
    report::Measured,
    std::{
        path::{Path, PathBuf},
        time::{Duration, Instant},
    },
    tokio::sync::oneshot,
};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(7_200);
/// Time between two looks at the chain, of agent and gateway.
const POLL: Duration = Duration::from_millis(150);
/// Rows of the job whose lamports are counted.
const COUNTED_ROWS: usize = 1_000;
/// Rows that are computed directly.
const DIRECT_ROWS: usize = 100;

/// What is measured with.
struct Options {
    folder: PathBuf,
    rows: usize,
    singles: usize,
}

impl Options {
    fn read() -> Self {
        let mut options = Self {
            folder: PathBuf::new(),
            rows: 10_000,
            singles: 60,
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut number = || args.next().and_then(|text| text.parse().ok()).unwrap();
            match arg.as_str() {
                "--rows" => options.rows = number(),
                "--singles" => options.singles = number(),
                folder => options.folder = folder.into(),
            }
        }
        options
    }
}

#[tokio::main]
async fn main() {
    let options = Options::read();
    let model = ModelFolder::read(&options.folder).unwrap();
    let direct = direct(&model);
    let desk = tempfile::tempdir().unwrap();
    let world = World::new().await;
    register(&world, &model).await;
    let machine = machine(&world, desk.path(), &model).await;
    let engine = engine(&world, desk.path(), &model).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let own = engine.clone();
    let stopped = async {
        let _ = stopped.await;
    };
    let running = tokio::spawn(async move { own.run(stopped).await });

    // The first request reads the weights, at both ends.
    ask(&engine, "warm", 0..1, false).await;
    let mut singles = Vec::new();
    for number in 0..options.singles {
        let start = Instant::now();
        ask(
            &engine,
            &format!("single-{number}"),
            number..number + 1,
            false,
        )
        .await;
        singles.push(start.elapsed());
    }
    let counted = ask(&engine, "counted", 0..COUNTED_ROWS, true).await;
    let start = Instant::now();
    let batch = ask(&engine, "batch", 0..options.rows, true).await;
    let took = start.elapsed();
    let measured = Measured {
        model: model.card.name.clone(),
        sequence: model.card.sequence.unwrap_or_default(),
        singles,
        rows: options.rows,
        batch: took,
        checking: checking(&engine, &batch),
        jobs: batch.jobs.len(),
        lamports: lamports(&engine, &counted),
        direct,
    };
    let _ = stop.send(());
    running.await.unwrap();
    machine.stop().await.unwrap();
    println!("{}", measured.table());
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/BENCHMARKS.md");
    report::write(&page, &measured.table());
}

/// Distinct sentences.
fn texts(rows: std::ops::Range<usize>) -> Vec<String> {
    const SUBJECTS: [&str; 10] = [
        "The miller",
        "A farmer",
        "The old mill",
        "Nobody",
        "The river",
        "Her brother",
        "A merchant",
        "The council",
        "My neighbour",
        "The baker",
    ];
    const DEEDS: [&str; 10] = [
        "grinds the grain slowly",
        "waits for rain",
        "sells bread at the market",
        "counts the sacks twice",
        "repairs the wheel",
        "walks home before dawn",
        "writes a long letter",
        "knows the price of salt",
        "sings in the evening",
        "forgot the key",
    ];
    let text = |row: usize| {
        let (subject, deed) = (SUBJECTS[row % 10], DEEDS[row / 10 % 10]);
        format!("{subject} {deed} in year {}.", row / 100)
    };
    rows.map(text).collect()
}

/// Sentences a second of one thread that calls the model directly.
fn direct(model: &ModelFolder) -> f64 {
    let (bytes, sequence) = model.tokenizer_file().unwrap();
    let tokenizer = Tokenizer::new(&bytes, sequence).unwrap();
    let (graph, weights) = (Graph::load(&model.graph).unwrap(), model.weights().unwrap());
    let start = Instant::now();
    let tokens = tokenizer.tokenize(&texts(0..DIRECT_ROWS)).unwrap();
    let inputs: [Tensor; 2] = [tokens.ids, tokens.mask];
    let items = DIRECT_ROWS as u32;
    let batch = Batch::new(&graph, items, &inputs, &weights, DEFAULT_MAX_ITEM_BYTES).unwrap();
    for item in 0..items {
        batch.item(item).unwrap();
    }
    DIRECT_ROWS as f64 / start.elapsed().as_secs_f64()
}

async fn register(world: &World, model: &ModelFolder) {
    let creator = world.maker.pubkey();
    let entry = NewModel {
        id: 1,
        graph_bytes: 0,
        kind: AssetKind::Model.code(),
        royalty_bps: 0,
        name: model.card.name.clone(),
        uri: model.weights_uri().unwrap(),
    };
    let all = flows::register_model(world.net.rpc(), &creator, entry, &model.graph).await;
    world.send(&all.unwrap(), &[&world.maker]).await;
}

fn fetch(desk: &Path, model: &ModelFolder) -> FetchLimits {
    FetchLimits {
        file_roots: vec![desk.to_owned(), model.path.clone()],
        max_bytes: 4 << 30,
        ..FetchLimits::default()
    }
}

async fn machine(world: &World, desk: &Path, model: &ModelFolder) -> Machine {
    let owner: Pubkey = world.provider.pubkey();
    let publisher = Publisher::folder(&desk.join("results"), None).unwrap();
    let mut settings = ProviderSetup::new(owner, desk.join("agent"), publisher);
    settings.poll = POLL;
    settings.fetch = fetch(desk, model);
    settings.policy = Policy {
        min_response_secs: 1,
        min_react_secs: 1,
        min_work_secs: 1,
        min_ms_per_gwork: 0,
        max_work: u64::MAX,
        ..Policy::default()
    };
    let url = world.net.rpc_url();
    Machine::start_with(url, world.provider.insecure_clone(), settings)
        .await
        .unwrap()
}

async fn engine(world: &World, desk: &Path, model: &ModelFolder) -> Engine {
    let mint = world.mint.address;
    let served = Served::open(world.net.rpc(), model.clone(), None, &mint).await;
    let settings = Settings {
        poll: POLL,
        work_secs: 7_200,
        ..Settings::new(desk.join("gateway"))
    };
    let inputs = desk.join("inputs");
    let connection = Connection {
        sender: world.net.sender().clone(),
        wallet: world.client.insecure_clone(),
        mint,
        publisher: Publisher::folder(&inputs, None).unwrap(),
        inputs: Some(inputs),
        fetch: fetch(desk, model),
    };
    Engine::open(settings, vec![served.unwrap()], connection)
        .await
        .unwrap()
}

async fn ask(engine: &Engine, name: &str, rows: std::ops::Range<usize>, is_batch: bool) -> Answer {
    let texts = texts(rows);
    let model = engine.models()[0].name.clone();
    let body_sha256 = hash(&[name.as_bytes()]);
    let rows: Vec<TokenRow> = engine.tokenize(&model, texts).await.unwrap();
    let request = Request {
        id: OrderId::new(name).unwrap(),
        body_sha256,
        model,
        rows,
        is_batch,
        most_atoms: None,
    };
    engine.embed(request, LIMIT).await.unwrap()
}

/// How long the gateway checked the jobs of an answer.
fn checking(engine: &Engine, answer: &Answer) -> Duration {
    let millis = answer.jobs.iter().map(|job| {
        let receipt = engine.receipt(&job.job).unwrap();
        receipt["checked"]["millis"].as_u64().unwrap()
    });
    Duration::from_millis(millis.sum())
}

/// Fees that the wallet paid for the jobs of an answer.
fn lamports(engine: &Engine, answer: &Answer) -> u64 {
    let jobs: Vec<&str> = answer.jobs.iter().map(|job| job.job.as_str()).collect();
    let spending = engine.spending(None, usize::MAX);
    let own = spending.iter().filter(|one| {
        let job = one.job.as_deref();
        job.is_some_and(|job| jobs.contains(&job))
    });
    own.map(|one| one.fee_lamports).sum()
}
