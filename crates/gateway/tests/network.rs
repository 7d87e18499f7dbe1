//! The gateway on a real local network, with real agents: answers, a cheat, a silent provider, two gateways on one wallet, kills.

#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_client::{
        Keypair, Pubkey, Signer, accounts, addresses, flows, instructions,
        quern::{
            instructions::{NewModel, ProviderSettings, Submission},
            state::{AssetKind, Job, JobState},
        },
    },
    quern_data::{
        FetchLimits, Fetcher, Publisher,
        fetch::{RESULT_FILE, ROOTS_FILE},
        model::ModelFolder,
    },
    quern_gateway::{
        Answer, Cap, Connection, Embedder, Engine, OrderId, Refusal, Request, Served, Settings,
        SpendingState,
    },
    quern_import::Tokenizer,
    quern_proof::{Tensor, file, graph::Graph, hash::hash},
    quern_provider::{Policy, Settings as ProviderSetup},
    quern_rules::caps::Caps,
    quern_testkit::net::{Cell, Machine, Work, World, encoder, until},
    std::{path::PathBuf, time::Duration},
    tokio::sync::oneshot,
};

const LIMIT: Duration = Duration::from_secs(180);

/// A network with a registered encoder.
struct Stage {
    world: World,
    desk: tempfile::TempDir,
    model: ModelFolder,
}

impl Stage {
    async fn new() -> Self {
        let desk = tempfile::tempdir().unwrap();
        let model = encoder::imported(&desk.path().join("model")).unwrap();
        let world = World::new().await;
        let creator = world.maker.pubkey();
        let entry = NewModel {
            id: 1,
            graph_bytes: 0,
            kind: AssetKind::Model.code(),
            royalty_bps: 0,
            name: model.card.name.clone(),
            uri: model.weights_uri().unwrap(),
        };
        let register = flows::register_model(world.net.rpc(), &creator, entry, &model.graph);
        world.send(&register.await.unwrap(), &[&world.maker]).await;
        Self { world, desk, model }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.desk.path().join(name)
    }

    fn settings(&self, name: &str) -> Settings {
        Settings {
            poll: Duration::from_millis(150),
            work_secs: 60,
            ..Settings::new(self.path(name))
        }
    }

    async fn engine(&self, settings: Settings) -> Engine {
        let (world, mint) = (&self.world, self.world.mint.address);
        let inputs = settings.state.join("inputs");
        let connection = || Connection {
            sender: world.net.sender().clone(),
            wallet: world.client.insecure_clone(),
            mint,
            publisher: Publisher::folder(&inputs, None).unwrap(),
            inputs: Some(inputs.clone()),
            fetch: self.fetch(),
        };
        until("the gateway's folder is free", LIMIT, async || {
            let served = Served::open(world.net.rpc(), self.model.clone(), None, &mint).await?;
            match Engine::open(settings.clone(), vec![served], connection()).await {
                Ok(engine) => Ok(Some(engine)),
                Err(error) if error.to_string().contains("another gateway uses") => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
        .await
        .unwrap()
    }

    fn fetch(&self) -> FetchLimits {
        FetchLimits {
            file_roots: vec![self.desk.path().to_owned()],
            ..FetchLimits::default()
        }
    }

    /// An agent with the keys of a registered provider.
    async fn machine(&self, owner: &Keypair) -> Machine {
        let home = self.path(&format!("agent-{}", owner.pubkey()));
        let publisher = Publisher::folder(&self.path("results"), None).unwrap();
        let mut settings = ProviderSetup::new(owner.pubkey(), home, publisher);
        settings.poll = Duration::from_millis(150);
        settings.fetch = self.fetch();
        settings.policy = Policy {
            min_response_secs: 1,
            min_react_secs: 1,
            min_work_secs: 1,
            min_ms_per_gwork: 0,
            ..Policy::default()
        };
        let url = self.world.net.rpc_url();
        Machine::start_with(url, owner.insecure_clone(), settings)
            .await
            .unwrap()
    }

    /// Another provider, with money for bonds.
    async fn provider(&self, name: &str) -> Keypair {
        let (world, mint) = (&self.world, &self.world.mint);
        let keypair = world.net.fresh(20_000_000_000).await.unwrap();
        let owner = keypair.pubkey();
        world.net.mint_to(mint, &owner, 100_000_000).await.unwrap();
        let rpc = world.net.rpc();
        let token = &mint.token_program;
        let deposit = flows::deposit(rpc, &owner, &owner, &mint.address, token, 100_000_000);
        world.send(&deposit.await.unwrap(), &[&keypair]).await;
        let entry = ProviderSettings {
            operator: owner,
            name: name.to_owned(),
            endpoint: String::new(),
            active: true,
        };
        let register = instructions::register_provider(&owner, entry);
        world.send(&[register], &[&keypair]).await;
        keypair
    }

    /// What the model makes of texts, computed here.
    fn expected(&self, texts: &[&str]) -> Vec<f32> {
        let (bytes, sequence) = self.model.tokenizer_file().unwrap();
        let tokenizer = Tokenizer::new(&bytes, sequence).unwrap();
        let tokenized = tokenizer.tokenize(texts).unwrap();
        let work = self.work(vec![tokenized.ids, tokenized.mask]);
        let answer = work.honest().unwrap().commitment.result_file;
        let (rows, cols) = (texts.len() as u32, encoder::WIDTH as u32);
        let graph = Graph::load(&self.model.graph).unwrap();
        let dtype = graph.output(graph.op_count() - 1).unwrap().dtype;
        quern_import::units(&Tensor::from_bytes(dtype, rows, cols, answer).unwrap()).unwrap()
    }

    fn work(&self, inputs: Vec<Tensor>) -> Work {
        Work {
            graph: self.model.graph.clone(),
            items: inputs[0].rows(),
            inputs,
            weights: self.model.weights().unwrap(),
        }
    }

    /// Takes the next job that is open to a provider, and answers it with one wrong value.
    async fn cheat(&self, keypair: &Keypair) -> Pubkey {
        let (rpc, owner) = (self.world.net.rpc(), keypair.pubkey());
        let (address, job) = until("a job is open", LIMIT, async || {
            let filter = accounts::JobFilter {
                state: Some(JobState::Open),
                ..accounts::JobFilter::default()
            };
            let all = accounts::jobs(rpc, filter).await?;
            Ok(all
                .into_iter()
                .find(|(_, job)| [owner, instructions::NOBODY].contains(&job.pinned_provider)))
        })
        .await
        .unwrap();
        let take = flows::take_job(rpc, &owner, &owner, &job).await.unwrap();
        self.world.send(&take, &[keypair]).await;
        let uri = quern_client::history::input_uri(rpc, &address, &job)
            .await
            .unwrap();
        let bundle = Fetcher::new(self.fetch()).fetch(&uri, None).await.unwrap();
        let work = self.work(file::decode_bundle(&bundle).unwrap());
        let op = (Graph::load(&work.graph).unwrap().op_count() - 1) as u16;
        let cell = Cell {
            op,
            item: 0,
            row: 0,
            col: 3,
        };
        let value = work.value(cell).unwrap();
        let wrong = if value > 0 { value - 1 } else { value + 1 };
        let answer = work.with_value(cell, wrong).unwrap();
        let publisher = Publisher::folder(&self.path("cheat"), None).unwrap();
        let name = |file: &str| format!("{address}/{file}");
        let roots = answer.commitment.roots_file.clone();
        publisher.put(&name(ROOTS_FILE), roots).await.unwrap();
        let result = answer.commitment.result_file.clone();
        let uri = publisher.put(&name(RESULT_FILE), result).await.unwrap();
        let taken: Job = self.world.job(&address).await;
        let args = Submission {
            trace_root: answer.commitment.trace_root,
            tokens_root: [0; 32],
            output_uri: uri,
        };
        let submit = instructions::submit(&owner, &taken, args);
        self.world.send(&[submit], &[keypair]).await;
        address
    }

    async fn client_free(&self) -> u64 {
        self.world.free(&self.world.client.pubkey()).await
    }
}

/// A gateway that runs.
struct Running {
    engine: Engine,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    fn start(engine: Engine) -> Self {
        let (stop, stopped) = oneshot::channel();
        let own = engine.clone();
        let stopped = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(async move { own.run(stopped).await });
        Self { engine, stop, task }
    }

    async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.unwrap();
    }

    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    async fn ask(&self, name: &str, texts: &[&str]) -> Result<Answer, Refusal> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let body_sha256 = hash(&[texts.join("\n").as_bytes()]);
        let request = Request {
            id: OrderId::new(name).unwrap(),
            body_sha256,
            model: "Small".to_owned(),
            rows: self.engine.tokenize("Small", texts).await?,
            is_batch: false,
            most_atoms: None,
        };
        self.engine.embed(request, LIMIT).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_get_what_the_model_computes_and_cheats_get_nothing() {
    let stage = Stage::new().await;
    let before = stage.client_free().await;
    // The cheat alone is there: it gets the first job.
    let cheat = stage.provider("Cheat").await;
    let gateway = Running::start(stage.engine(stage.settings("gateway")).await);
    let texts = ["w5 w6 w7", "w8 w9"];
    let asked = gateway.ask("one", &texts);
    let cheating = async {
        let job = stage.cheat(&cheat).await;
        let honest = stage.machine(&stage.world.provider).await;
        (job, honest)
    };
    let (answer, (wrong, honest)) = tokio::join!(asked, cheating);
    let answer = answer.unwrap();
    assert_eq!(answer.vectors.concat(), stage.expected(&texts));
    assert_ne!(answer.jobs[0].job, wrong.to_string());
    assert_eq!(
        answer.jobs[0].provider,
        stage.world.provider.pubkey().to_string()
    );
    assert!((answer.checked_share() - 1.0).abs() < 1e-9);
    // The cheat was convicted, and the price came back.
    let entry = addresses::provider(&cheat.pubkey());
    let entry: quern_client::quern::state::Provider =
        accounts::fetch(stage.world.net.rpc(), &entry)
            .await
            .unwrap();
    assert_eq!(entry.convicted.get(), 1);
    let spending = gateway.engine.spending(None, 9);
    let states: Vec<SpendingState> = spending.iter().map(|one| one.state).collect();
    assert_eq!(states, [SpendingState::Escrowed, SpendingState::Returned]);
    // The client loses one price, and earns a part of the cheat's bond.
    assert!(stage.client_free().await + spending[0].atoms >= before);
    let receipt = gateway.engine.receipt(&answer.jobs[0].job).unwrap();
    assert_eq!(receipt["earlier_attempts"][0]["job"], wrong.to_string());
    // The same question again is the same answer, and costs nothing.
    assert_eq!(gateway.ask("one", &texts).await.unwrap(), answer);
    assert_eq!(gateway.engine.spending(None, 9).len(), 2);

    // Many at once, of which some share a job.
    let asked = (0..12).map(|number| {
        let (gateway, stage) = (&gateway, &stage);
        async move {
            let text = format!("w{} w{}", 20 + number, 40 + number);
            let answer = gateway
                .ask(&format!("many-{number}"), &[&text])
                .await
                .unwrap();
            assert_eq!(answer.vectors.concat(), stage.expected(&[&text]));
            answer.jobs[0].job.clone()
        }
    });
    let mut jobs = futures::future::join_all(asked).await;
    jobs.sort();
    jobs.dedup();
    assert!(jobs.len() < 12, "{} jobs", jobs.len());
    gateway.stop().await;
    honest.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_gateway_goes_on_and_two_share_a_wallet() {
    let stage = Stage::new().await;
    let honest = stage.machine(&stage.world.provider).await;
    let texts = ["w30 w31"];
    // Killed at some moments of a job's life; the same question gets its answer afterwards.
    for (index, millis) in [0u64, 120, 400, 900, 1_600].into_iter().enumerate() {
        let name = format!("kill-{index}");
        let gateway = Running::start(stage.engine(stage.settings("one")).await);
        let asked = gateway.ask(&name, &texts);
        let _ = tokio::time::timeout(Duration::from_millis(millis), asked).await;
        gateway.kill().await;
        let gateway = Running::start(stage.engine(stage.settings("one")).await);
        let answer = gateway.ask(&name, &texts).await.unwrap();
        assert_eq!(
            answer.vectors.concat(),
            stage.expected(&texts),
            "{millis} ms"
        );
        let paid = gateway.engine.spending(None, 99);
        let own = paid.iter().filter(|one| one.requests == [name.clone()]);
        let counted = own
            .filter(|one| one.state != SpendingState::Returned)
            .count();
        assert_eq!(counted, 1, "killed after {millis} ms: {paid:?}");
        gateway.stop().await;
    }
    // Two gateways, one wallet.
    let one = Running::start(stage.engine(stage.settings("one")).await);
    let two = Running::start(stage.engine(stage.settings("two")).await);
    let asked = (0..3).flat_map(|round| [(&one, round), (&two, round)]);
    let asked = asked.map(|(gateway, round)| {
        let stage = &stage;
        async move {
            let text = format!("w{}", 50 + round);
            let answer = gateway
                .ask(&format!("both-{round}"), &[&text])
                .await
                .unwrap();
            assert_eq!(answer.vectors.concat(), stage.expected(&[&text]));
        }
    });
    futures::future::join_all(asked).await;
    one.stop().await;
    two.stop().await;
    // A cap that is used up says so, and when it is worth asking again.
    let capped = Settings {
        caps: Caps {
            day_atoms: 0,
            ..Caps::NONE
        },
        ..stage.settings("three")
    };
    let three = Running::start(stage.engine(capped).await);
    let refused = three.ask("capped", &texts).await;
    assert!(
        matches!(refused, Err(Refusal::OverCap { cap: Cap::Day, .. })),
        "{refused:?}"
    );
    three.stop().await;
    honest.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_silent_makes_place() {
    let stage = Stage::new().await;
    let silent = stage.provider("Silent").await;
    let owner = stage.world.provider.pubkey();
    let honest = stage.machine(&stage.world.provider).await;
    // Both are named, and the silent one has no worse record: whichever is asked first, the other answers.
    let settings = Settings {
        providers: [silent.pubkey(), owner].into(),
        take_time: Duration::from_secs(4),
        ..stage.settings("gateway")
    };
    let gateway = Running::start(stage.engine(settings).await);
    let answer = gateway.ask("one", &["w5"]).await.unwrap();
    assert_eq!(answer.jobs[0].provider, owner.to_string());
    gateway.stop().await;
    // Nobody else is named: what nobody takes comes back.
    let before = stage.client_free().await;
    let alone = Settings {
        providers: [silent.pubkey()].into(),
        take_time: Duration::from_secs(1),
        give_up: Duration::from_secs(3),
        ..stage.settings("alone")
    };
    let gateway = Running::start(stage.engine(alone).await);
    let refused = gateway.ask("two", &["w6"]).await;
    assert!(
        matches!(refused, Err(Refusal::NoProvider { .. })),
        "{refused:?}"
    );
    gateway.stop().await;
    assert_eq!(stage.client_free().await, before);
    honest.stop().await.unwrap();
}
