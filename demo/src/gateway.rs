//! An application asks through the gateway, as it would ask OpenAI. The first provider that answers is a cheat, and no watcher is
//! there: the gateway convicts it by itself, gives the work to the next one, and hands out what it has checked.

use {
    anyhow::{Context, Result, ensure},
    quern_api::gateway::{SpendingItem, SpendingPage},
    quern_client::{
        Pubkey, Signer, accounts, history,
        quern::{
            events::QuernEvent,
            state::{Job, JobState},
        },
    },
    quern_data::{FetchLimits, Fetcher, ModelFolder, Publisher},
    quern_gateway::{
        Connection, Embedder, Engine, Served, Settings,
        http::{HttpServer, HttpSettings},
    },
    quern_proof::{Tensor, file, graph::Graph},
    quern_rules::caps::Caps,
    quern_testkit::net::{
        Cell, Forger, Machine, QUSD, Stage, Work, encoder,
        names::{decimal, short},
        until,
    },
    serde::Serialize,
    serde_json::{Value, json},
    std::{path::Path, sync::Arc, time::Duration},
    tokio::{sync::oneshot, task::JoinHandle},
};

/// Longest wait for anything that gateway or machines do.
const LIMIT: Duration = Duration::from_secs(240);
/// What the application asks for, by the words that the model knows.
const SENTENCES: [&str; 3] = [
    "The mill grinds slowly.",
    "A dog barks.",
    "A hound is barking loudly.",
];
const WORDS: [&str; 3] = ["w5 w6 w7", "w8 w9", "w10 w11 w12 w13"];
/// Texts of a request that would cost more than one may.
const TOO_MANY: usize = 200;
/// What the gateway offers for a small job: above the least that the demo's providers want.
const OFFER_ATOMS: u64 = 3 * QUSD / 2;
/// Most that it spends for a request.
const REQUEST_CAP_ATOMS: u64 = 2 * OFFER_ATOMS;
/// What the chain wants for a job at least, and for 10^9 units of work.
const LEAST_ATOMS: u64 = 1_000;
const GWORK_ATOMS: u64 = QUSD / 10;

/// What became of the request.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    /// The model.
    pub model: String,
    /// Texts of the request.
    pub texts: usize,
    /// The job that the answer comes from, and its assurance and checked share, as the headers say them.
    pub job: String,
    /// `Quern-Assurance`.
    pub assurance: String,
    /// `Quern-Checked`.
    pub checked: String,
    /// Who answered.
    pub provider: String,
    /// The job that was answered wrong.
    pub refused_job: String,
    /// The bond that its provider lost.
    pub bond_atoms: String,
    /// What of it, beside the price, the gateway's wallet got: for the proof and for the damage.
    pub earned_atoms: String,
    /// From the request until the answer, the cheat included.
    pub seconds: f64,
    /// The status of a request above the cap.
    pub over_cap_status: u16,
    /// What was paid in the end, and what came back.
    pub paid_atoms: String,
    /// See above.
    pub returned_atoms: String,
}

impl Asked {
    /// What there is to tell, in amounts of the payment mint.
    pub fn lines(&self, decimals: u8) -> String {
        let amount = |atoms: &str| {
            let atoms = atoms.parse().map(|atoms| decimal(atoms, decimals));
            atoms.unwrap_or_default()
        };
        format!(
            "\nAn application asked for {} embeddings over HTTP; the first answer was wrong, and the gateway noticed\n  \
             answered in {:.1} s by {}: Quern-Job {}, Quern-Assurance {}, Quern-Checked {}\n  \
             the cheat lost {} qUSD, of which the gateway's wallet got {}\n  \
             paid {} qUSD, returned {} qUSD; a request above the cap got {}\n",
            self.texts,
            self.seconds,
            self.provider,
            short(&self.job),
            self.assurance,
            self.checked,
            amount(&self.bond_atoms),
            amount(&self.earned_atoms),
            amount(&self.paid_atoms),
            amount(&self.returned_atoms),
            self.over_cap_status,
        )
    }
}

/// A running gateway and its application.
pub struct Door {
    base_url: String,
    key: String,
    application: reqwest::Client,
    http: HttpServer,
    stop: oneshot::Sender<()>,
    works: JoinHandle<()>,
}

/// What an application gets.
struct Reply {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl Reply {
    fn header(&self, name: &str) -> String {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    }
}

impl Door {
    async fn open(stage: &Stage, model: &ModelFolder, price_bps: u32) -> Result<Self> {
        let state = stage.folder().join("gateway");
        let inputs = stage.public.join("gateway");
        let rpc = stage.net.rpc();
        let served = Served::open(rpc, model.clone(), None, &stage.payment.address).await?;
        let http = HttpSettings::new(([127, 0, 0, 1], 0).into(), state.join("http"));
        let settings = Settings {
            caps: Caps {
                request_atoms: REQUEST_CAP_ATOMS,
                ..Caps::NONE
            },
            poll: Duration::from_millis(150),
            price_bps,
            ..Settings::new(state)
        };
        let connection = Connection {
            sender: stage.sender().clone(),
            wallet: stage.client.insecure_clone(),
            mint: stage.payment.address,
            publisher: Publisher::folder(&inputs, None)?,
            inputs: Some(inputs),
            fetch: limits(stage),
        };
        let engine = Engine::open(settings, vec![served], connection).await?;
        let http = HttpServer::start(&http, Arc::new(engine.clone()) as Arc<dyn Embedder>).await?;
        let (stop, stopped) = oneshot::channel();
        let works = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            engine.run(stopped).await;
        });
        Ok(Self {
            base_url: http.base_url(),
            key: http.token().text().to_owned(),
            application: reqwest::Client::new(),
            http,
            stop,
            works,
        })
    }

    /// What any program that speaks OpenAI's protocol sends.
    async fn embed(&self, model: &str, texts: &[&str]) -> Result<Reply> {
        let sent = self
            .application
            .post(format!("{}/embeddings", self.base_url))
            .bearer_auth(&self.key)
            .json(&json!({ "model": model, "input": texts }))
            .send();
        let reply = sent.await.context("the gateway does not answer")?;
        Ok(Reply {
            status: reply.status().as_u16(),
            headers: reply.headers().clone(),
            body: reply.json().await?,
        })
    }

    async fn spending(&self) -> Result<Vec<SpendingItem>> {
        let url = self.base_url.trim_end_matches("/v1").to_owned() + SpendingPage::PATH;
        let sent = self.application.get(url).bearer_auth(&self.key).send();
        let page: SpendingPage = sent.await?.json().await?;
        Ok(page.data)
    }

    /// Once the reviews are over: every price was paid or came back. Stops the gateway and notes what was spent.
    ///
    /// # Errors
    /// That a price is still locked.
    pub async fn close(self, stage: &Stage, asked: &mut Asked) -> Result<()> {
        let spent = until("the gateway's prices are settled", LIMIT, async || {
            let spent = self.spending().await?;
            let is_over = |one: &SpendingItem| ["paid", "returned"].contains(&one.state.as_str());
            Ok(spent.iter().all(is_over).then_some(spent))
        })
        .await?;
        for one in spent.iter().rev() {
            let job = one.job.as_deref().map_or_else(String::new, short);
            stage.names.say(format!(
                "gateway: spending {}: {} {} for {} rows in {job}{}",
                one.number,
                stage.names.amount(one.atoms, &stage.payment.address),
                one.state,
                one.rows,
                one.note
                    .as_ref()
                    .map_or_else(String::new, |note| format!(" ({note})")),
            ));
        }
        let of = |state: &str| -> u64 {
            let all = spent.iter().filter(|one| one.state == state);
            all.map(|one| one.atoms).sum()
        };
        asked.paid_atoms = of("paid").to_string();
        asked.returned_atoms = of("returned").to_string();
        let _ = self.stop.send(());
        self.works.await.context("the gateway broke off")?;
        self.http.stop().await;
        Ok(())
    }
}

/// Plays it, with the machines of the honest providers switched off at first. Returns them at work, the gateway, which follows
/// its job to the payment, and what became of the request.
///
/// # Errors
/// The first thing that did not happen as it must.
pub async fn ask(
    stage: &Stage,
    encoder: Option<&Path>,
    machines: Vec<Machine>,
) -> Result<(Vec<Machine>, Door, Asked)> {
    stage
        .names
        .heading("An application asks through the gateway; the first provider cheats, and no watcher is there");
    for machine in machines {
        machine.stop().await?;
    }
    let (model, texts) = model(stage, encoder).await?;
    let work = work(&model, &texts)?;
    let least = (work.units()?.div_ceil(1_000_000) * GWORK_ATOMS / 1_000).max(LEAST_ATOMS);
    let price_bps = u32::try_from(OFFER_ATOMS * 10_000 / least)?;
    let door = Door::open(stage, &model, price_bps).await?;
    stage.names.say(format!(
        "gateway: OpenAI's protocol at {}, paid from the client's purse",
        door.base_url
    ));
    let name = &model.card.name;
    let many = vec![texts[0]; TOO_MANY];
    let over_cap = door.embed(name, &many).await?;
    ensure!(
        over_cap.status == 402,
        "a request above the cap got {}",
        over_cap.status
    );
    stage.names.say(format!(
        "application: {TOO_MANY} texts are refused with {}: {}",
        over_cap.status, over_cap.body["error"]["message"]
    ));

    let start = std::time::Instant::now();
    let (reply, cheated) = tokio::join!(door.embed(name, &texts), cheat(stage, &work));
    let seconds = start.elapsed().as_secs_f64();
    let (refused, machines) = cheated?;
    let reply = reply?;
    ensure!(
        reply.status == 200,
        "the application got {}: {}",
        reply.status,
        reply.body
    );
    right(&reply, &work)?;
    let mut asked = Asked {
        model: name.clone(),
        texts: texts.len(),
        job: reply.header("quern-job"),
        assurance: reply.header("quern-assurance"),
        checked: reply.header("quern-checked"),
        provider: String::new(),
        refused_job: refused.to_string(),
        bond_atoms: String::new(),
        earned_atoms: String::new(),
        seconds: (seconds * 10.0).round() / 10.0,
        over_cap_status: over_cap.status,
        paid_atoms: String::new(),
        returned_atoms: String::new(),
    };
    told(stage, &refused, &mut asked).await?;
    Ok((machines, door, asked))
}

/// The encoder, registered, and texts that it knows the words of.
async fn model(stage: &Stage, encoder: Option<&Path>) -> Result<(ModelFolder, [&'static str; 3])> {
    let Some(folder) = encoder else {
        // The small one of the tests: without MiniLM nothing else here embeds texts.
        let folder = encoder::imported(&stage.folder().join("encoder"))?;
        let named = (MODEL_ID, folder.card.name.as_str());
        stage
            .register_model(named, &folder.graph, &folder.weights()?)
            .await?;
        return Ok((folder, WORDS));
    };
    Ok((ModelFolder::read(folder)?, SENTENCES))
}

/// The small encoder's number among the creator's models.
const MODEL_ID: u64 = 4;

/// What a job for these texts computes.
fn work(model: &ModelFolder, texts: &[&str]) -> Result<Work> {
    let (bytes, sequence) = model.tokenizer_file()?;
    let tokenized = quern_import::Tokenizer::new(&bytes, sequence)?.tokenize(texts)?;
    Ok(Work {
        graph: model.graph.clone(),
        items: u32::try_from(texts.len())?,
        inputs: vec![tokenized.ids, tokenized.mask],
        weights: model.weights()?,
    })
}

/// Hemlock takes the gateway's job and answers with one wrong number; the honest machines come back behind it.
async fn cheat(stage: &Stage, work: &Work) -> Result<(Pubkey, Vec<Machine>)> {
    let [alder, birch, hemlock] = &stage.providers;
    let roots = work.input_roots()?;
    let (address, job) =
        until("the gateway's job is open", LIMIT, async || {
            let filter = accounts::JobFilter {
                state: Some(JobState::Open),
                ..accounts::JobFilter::default()
            };
            let mut open = accounts::jobs(stage.net.rpc(), filter).await?.into_iter();
            Ok(open.find(|(_, job): &(Pubkey, Job)| {
                job.is_refereed() && job.items.get() == work.items
            }))
        })
        .await?;
    stage.names.set(&address, "the application's job");
    let forger = Forger::new(stage, hemlock);
    forger.take(&address).await?;
    // The inputs are what the application asked for, in the gateway's place.
    let uri = history::input_uri(stage.net.rpc(), &address, &job).await?;
    let given = Fetcher::new(limits(stage)).fetch(&uri, None).await?;
    let given: Vec<_> = file::decode_bundle(&given)?;
    ensure!(
        given.iter().map(quern_proof::commit::data_root).eq(roots),
        "the gateway's inputs are not the application's texts"
    );
    let op = Graph::load(&work.graph)?.op_count().saturating_sub(1);
    let cell = Cell {
        op: u16::try_from(op)?,
        item: 1,
        row: 0,
        col: 3,
    };
    let value = work.value(cell)?;
    let wrong = value - value.signum().max(1);
    let answer = work.with_value(cell, wrong)?;
    let uri = forger.publish(&address, &answer).await?;
    let machines = vec![
        Machine::start(stage, alder).await?,
        Machine::start(stage, birch).await?,
    ];
    forger.submit(&address, &answer, &uri).await?;
    stage.names.say(format!(
        "hemlock writes {wrong} instead of {value} into the second vector; alder and birch are back"
    ));
    Ok((address, machines))
}

/// The vectors are those that the model makes of the texts, as the client computes them.
fn right(reply: &Reply, work: &Work) -> Result<()> {
    let graph = Graph::load(&work.graph)?;
    let last = graph.op_count().saturating_sub(1);
    let output = graph.output(last).map_err(quern_proof::Error::from)?;
    let answer = work.honest()?.commitment.result_file;
    let result = Tensor::from_bytes(output.dtype, work.items, output.cols, answer)?;
    let expected = quern_import::units(&result)
        .map_err(|row| anyhow::anyhow!("the vector of text {row} is zero"))?;
    let data = reply.body["data"].as_array().into_iter().flatten();
    let vectors = data.filter_map(|one| one["embedding"].as_array());
    let found: Vec<f32> = vectors
        .flatten()
        .filter_map(Value::as_f64)
        .map(|number| number as f32)
        .collect();
    ensure!(
        found == expected,
        "the vectors are not what the model makes of the texts"
    );
    Ok(())
}

/// Notes what the chain says about both jobs: the gateway's own wallet has convicted the first one.
async fn told(stage: &Stage, refused: &Pubkey, asked: &mut Asked) -> Result<()> {
    stage.chronicle.catch_up().await?;
    let entries = stage.chronicle.entries();
    let convicted = entries.iter().find_map(|entry| match &entry.event {
        QuernEvent::ConvictionSettled(event) if event.job == *refused => Some(event.clone()),
        _ => None,
    });
    let convicted = convicted.context("the cheat was not convicted")?;
    ensure!(
        convicted.prover == stage.client.pubkey(),
        "somebody else convicted the cheat"
    );
    let (own, treasury) = (
        convicted.prover_atoms + convicted.client_atoms,
        convicted.treasury_atoms,
    );
    (asked.bond_atoms, asked.earned_atoms) = ((own + treasury).to_string(), own.to_string());
    let job: Pubkey = asked.job.parse().context("Quern-Job names no job")?;
    stage.names.set(&job, "the application's job, once more");
    let paid = stage.job(&job).await?.context("the answer's job is gone")?;
    ensure!(
        job != *refused && asked.assurance == "refereed" && asked.checked == "1.0000",
        "the answer's headers say {asked:?}"
    );
    asked.provider = stage.names.of(&paid.provider);
    let amount = |atoms: u64| stage.names.amount(atoms, &stage.payment.address);
    stage.names.say(format!(
        "gateway: convicted hemlock by itself, got the price of {} back and {} of its bond; {} has the work",
        amount(convicted.released_atoms),
        amount(own),
        asked.provider,
    ));
    stage.names.say(format!(
        "application: {} vectors after {:.1} s, Quern-Assurance: {}, Quern-Checked: {}",
        asked.texts, asked.seconds, asked.assurance, asked.checked
    ));
    Ok(())
}

fn limits(stage: &Stage) -> FetchLimits {
    FetchLimits {
        file_roots: vec![stage.public.clone()],
        ..FetchLimits::default()
    }
}
