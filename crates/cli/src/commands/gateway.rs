//! `quern gateway`: OpenAI's routes on this machine, over refereed jobs.

use {
    super::{
        provider::until_stopped,
        watch::{parse_sample, sample_of},
    },
    crate::{
        amount,
        context::Context,
        data::Reach,
        error::{Error, Result},
        folder::ModelFolder,
        limits, named,
        output::Fields,
        progress,
    },
    quern_client::{Pubkey, Signer, config, quern::constants::MAX_STEP_SECS},
    quern_data::Publisher,
    quern_gateway::{
        Connection, Embedder, Engine, Served, Settings, folder,
        http::{HttpServer, HttpSettings},
    },
    quern_rules::caps::Caps,
    std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration},
};

/// Where it listens if nothing else is said.
pub const LISTEN: &str = "127.0.0.1:8411";
/// Its folder if nothing else is said.
const STATE: &str = "~/.local/share/quern/gateway";
/// Time between two looks at a local network, which costs nothing.
pub const LOCAL_POLL: Duration = Duration::from_millis(150);
/// The least price, and at most a hundred times that.
const PRICE_PERCENT: std::ops::RangeInclusive<i64> = 100..=10_000;

/// What is served, and what it may cost.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  quern gateway --model minilm
  quern gateway --model minilm --cap-request 1 --cap-day 100 --provider OWNER

Programs that speak OpenAI's protocol set two variables, which are printed at the start:
  OPENAI_BASE_URL=http://127.0.0.1:8411/v1
  OPENAI_API_KEY=$(cat ~/.local/share/quern/gateway/http/api-key)

Each request becomes a part of a refereed job, paid from the wallet's purse. Its result is checked here before it is handed
out; a wrong one is convicted, the price comes back, and another provider gets the work. Ctrl-C takes nothing new, waits
for jobs, cancels those that nobody has taken, and leaves the rest to the next start.")]
pub struct Args {
    /// A model to serve: a folder of `quern model import`, or its name in the folder that QUERN_MODELS names (repeatable)
    #[arg(long, value_name = "NAME_OR_FOLDER", required = true)]
    model: Vec<String>,
    /// Which registration of it, if there are several; only with one model
    #[arg(long, value_name = "ADDRESS")]
    address: Option<Pubkey>,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = LISTEN)]
    listen: SocketAddr,
    /// Let other machines connect; everything goes over the network in the clear, the API key too
    #[arg(long)]
    allow_remote: bool,
    /// Name beside the loopback ones under which requests may come (repeatable)
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    #[command(flatten)]
    mint: named::InMint,
    /// Most to spend for one request, in tokens [default: no limit]
    #[arg(long, value_name = "TOKENS", value_parser = amount::check)]
    cap_request: Option<String>,
    /// Most to spend within an hour, in tokens [default: no limit]
    #[arg(long, value_name = "TOKENS", value_parser = amount::check)]
    cap_hour: Option<String>,
    /// Most to spend within a day, in tokens; needed away from a local network
    #[arg(long, value_name = "TOKENS", value_parser = amount::check)]
    cap_day: Option<String>,
    /// The only providers that may get work: owner or name (repeatable) [default: all]
    #[arg(long, value_name = "ADDRESS_OR_NAME")]
    provider: Vec<String>,
    /// What to offer, in percent of the least price
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(PRICE_PERCENT))]
    price_percent: u32,
    /// What to offer at most, in percent of the least price: what nobody takes is offered for more, step by step [default: twice what is offered first]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(PRICE_PERCENT))]
    most_percent: Option<u32>,
    /// As many rows of waiting requests begin a job at once
    #[arg(long = "batch-rows", value_name = "ROWS", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    full_rows: u32,
    /// So long a request waits for others at most, in milliseconds
    #[arg(long, value_name = "MILLIS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=60_000))]
    batch_ms: u64,
    /// Most rows of one job; a batch with more becomes several
    #[arg(long, value_name = "ROWS", default_value_t = 16_384, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    job_rows: u32,
    /// Most jobs at a time; a quarter of the places is not for batches
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    jobs: u32,
    /// How many rows of each job to check before any is handed out: a share drawn at random after the submission, such as 5%
    #[arg(long, value_name = "SHARE", default_value = "100%", value_parser = parse_sample)]
    sample: u16,
    /// How long a job waits for a provider before another one is asked
    #[arg(long, value_parser = limits::time(MAX_STEP_SECS), default_value = "1m", value_name = "TIME")]
    take: u32,
    /// How long a provider has for a job: agents with usual settings ask for 10 minutes
    #[arg(long, value_parser = limits::time(MAX_STEP_SECS), default_value = "10m", value_name = "TIME")]
    work: u32,
    /// How long a request waits for its answer; it goes on afterwards, and its repetition gets the answer
    #[arg(long, value_parser = limits::time(MAX_STEP_SECS), default_value = "10m", value_name = "TIME")]
    patience: u32,
    /// Its own folder: requests, jobs, receipts, the API key [default: ~/.local/share/quern/gateway]
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// Most to keep in that folder of requests, answers and receipts, in MiB; what might take more is refused before it is paid.
    /// Ended requests are forgotten after 7 days
    #[arg(long, default_value_t = 8_192, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    disk_limit: u32,
    /// Folder into which inputs are published, or a URL to PUT below [default: inputs in the folder of --state]
    #[arg(long, value_name = "FOLDER_OR_URL")]
    publish_dir: Option<String>,
    /// Address under which providers find it [default: a file URI, for this machine only]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    #[command(flatten)]
    reach: Reach,
}

impl Args {
    /// What the wallet may spend by itself. Away from a local network somebody must have said how much that is.
    fn caps(&self, url: &str, decimals: u8) -> Result<Caps> {
        if self.cap_day.is_none() && !config::is_local(url) {
            return Err(Error::Usage(
                "the gateway spends by itself; name the most for a day with --cap-day TOKENS"
                    .to_owned(),
            ));
        }
        let atoms = |option: &str, text: &Option<String>| match text {
            Some(text) => amount::parse(option, text, decimals),
            None => Ok(u64::MAX),
        };
        Ok(Caps {
            request_atoms: atoms("--cap-request", &self.cap_request)?,
            hour_atoms: atoms("--cap-hour", &self.cap_hour)?,
            day_atoms: atoms("--cap-day", &self.cap_day)?,
        })
    }

    /// The most that is offered, in percent of the least price.
    fn most_percent(&self) -> Result<u32> {
        match self.most_percent {
            Some(most) if most < self.price_percent => Err(Error::Usage(format!(
                "--most-percent {most} is below --price-percent {}; name the same to offer no more",
                self.price_percent
            ))),
            Some(most) => Ok(most),
            None => Ok(self.price_percent.saturating_mul(2)),
        }
    }

    async fn settings(&self, context: &Context, decimals: u8) -> Result<Settings> {
        let mut providers = std::collections::BTreeSet::new();
        for text in &self.provider {
            providers.insert(named::provider(context, text).await?);
        }
        let state = self.state.clone();
        let mut settings = Settings {
            caps: self.caps(&context.url, decimals)?,
            providers,
            full_rows: self.full_rows as usize,
            batch_time: Duration::from_millis(self.batch_ms),
            job_rows: self.job_rows as usize,
            jobs: self.jobs as usize,
            take_time: Duration::from_secs(self.take.into()),
            work_secs: self.work,
            price_bps: self.price_percent * 100,
            most_price_bps: self.most_percent()? * 100,
            sample: sample_of(self.sample),
            kept_bytes: u64::from(self.disk_limit) << 20,
            ..Settings::new(state.unwrap_or_else(|| config::expand(STATE)))
        };
        if config::is_local(&context.url) {
            settings.poll = LOCAL_POLL;
        }
        Ok(settings)
    }
}

/// Serves until it is stopped.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    if args.address.is_some() && args.model.len() != 1 {
        return Err(Error::Usage(
            "--address is for one model; name one with --model".to_owned(),
        ));
    }
    let folders = args.model.iter().map(|text| ModelFolder::find(text));
    let folders = folders.collect::<quern_data::Result<Vec<_>>>()?;
    let wallet = context.wallet()?;
    context.protocol().await?;
    let mint = args.mint.config(context).await?;
    let settings = args.settings(context, mint.decimals).await?;
    let inputs = folder::inputs(&settings.state);
    let place = args.publish_dir.clone();
    let inputs = match &place {
        None => Some(inputs),
        Some(place) if !place.contains("://") => Some(PathBuf::from(place)),
        Some(_) => None,
    };
    let publisher = match (&inputs, &place) {
        (Some(folder), _) => Publisher::folder(folder, args.public_url.as_deref())?,
        (None, Some(place)) => Publisher::at(place, args.public_url.as_deref())?,
        (None, None) => return Err(Error::Usage("name a folder with --publish-dir".to_owned())),
    };
    let mut served = Vec::new();
    for folder in folders {
        served.push(Served::open(context.rpc(), folder, args.address, &mint.mint).await?);
    }
    let http = HttpSettings {
        is_remote_allowed: args.allow_remote,
        hosts: args.host.clone(),
        patience: Duration::from_secs(args.patience.into()),
        ..HttpSettings::new(args.listen, folder::http(&settings.state))
    };
    let connection = Connection {
        sender: context.sender.clone(),
        mint: mint.mint,
        publisher,
        inputs,
        fetch: args.reach.limits(context).await?,
        wallet: wallet.insecure_clone(),
    };
    let opening = Engine::open(settings, served, connection);
    let engine = progress::during("opening the gateway", opening).await?;
    let front = Front::start(engine, &http).await?;
    front
        .fields()
        .text("wallet", wallet.pubkey())
        .print(context.format);
    quern_process::logs::say("The gateway runs until Ctrl-C.");
    front.until(until_stopped()).await;
    Ok(())
}

/// A gateway that runs.
pub struct Front {
    engine: Engine,
    http: HttpServer,
}

impl Front {
    /// Serves HTTP over an engine.
    ///
    /// # Errors
    /// An address that cannot be listened on, or a folder that cannot be used.
    pub async fn start(engine: Engine, settings: &HttpSettings) -> Result<Self> {
        let http = HttpServer::start(settings, Arc::new(engine.clone())).await?;
        Ok(Self { engine, http })
    }

    /// What programs need to know.
    pub fn fields(&self) -> Fields {
        let models = self.engine.models();
        let models: Vec<&str> = models.iter().map(|card| card.name.as_str()).collect();
        Fields::new()
            .text("OPENAI_BASE_URL", self.http.base_url())
            .text("OPENAI_API_KEY", self.http.token().text())
            .text("models", models.join(", "))
            .text("state", self.engine.settings().state.display())
    }

    /// A request that anybody can paste.
    #[cfg(feature = "localnet")]
    pub fn curl(&self) -> String {
        let model = self.engine.models();
        let model = model.first().map_or("MODEL", |card| card.name.as_str());
        format!(
            "curl {}/embeddings -H \"Authorization: Bearer {}\" -H 'Content-Type: application/json' -d '{{\"model\": \"{model}\", \"input\": \"The mill grinds slowly.\"}}'",
            self.http.base_url(),
            self.http.token().text()
        )
    }

    /// Works until `stop` is ready, then stops in good order.
    pub async fn until(self, stop: impl Future<Output = ()> + Send) {
        self.engine.run(stop).await;
        self.http.stop().await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, clap::Parser};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &[&str]) -> Args {
        Line::try_parse_from([&["gateway", "--model", "m"], line].concat())
            .unwrap()
            .args
    }

    #[test]
    fn a_wallet_that_spends_by_itself_has_a_limit() {
        let (local, remote) = ("http://127.0.0.1:8899", "https://api.devnet.solana.com");
        let none = args(&[]);
        assert_eq!(none.caps(local, 6).unwrap(), Caps::NONE);
        let refused = none.caps(remote, 6).unwrap_err().to_string();
        assert!(refused.contains("--cap-day"), "{refused}");
        let capped = args(&["--cap-day", "2", "--cap-request", "5atoms"]);
        let caps = capped.caps(remote, 6).unwrap();
        let expected = Caps {
            request_atoms: 5,
            hour_atoms: u64::MAX,
            day_atoms: 2_000_000,
        };
        assert_eq!(caps, expected);
    }

    #[test]
    fn an_offer_does_not_begin_above_its_bound() {
        let most = |line: &[&str]| args(line).most_percent();
        assert_eq!(most(&["--price-percent", "150"]).unwrap(), 300);
        let same = ["--price-percent", "150", "--most-percent", "150"];
        assert_eq!(most(&same).unwrap(), 150);
        let refused = most(&["--price-percent", "150", "--most-percent", "149"]);
        assert!(refused.unwrap_err().to_string().contains("--most-percent"));
    }

    #[test]
    fn defaults_are_those_of_the_library() {
        let (args, usual) = (args(&[]), Settings::new(PathBuf::new()));
        assert_eq!(args.full_rows as usize, usual.full_rows);
        assert_eq!(Duration::from_millis(args.batch_ms), usual.batch_time);
        assert_eq!(args.job_rows as usize, usual.job_rows);
        assert_eq!(args.jobs as usize, usual.jobs);
        assert_eq!(args.work, usual.work_secs);
        assert_eq!(u64::from(args.take), usual.take_time.as_secs());
        assert_eq!(args.price_percent * 100, usual.price_bps);
        assert_eq!(args.most_percent().unwrap() * 100, usual.most_price_bps);
        assert_eq!(args.patience, 600);
        assert_eq!(u64::from(args.disk_limit) << 20, usual.kept_bytes);
        assert_eq!(sample_of(args.sample), usual.sample);
    }
}
