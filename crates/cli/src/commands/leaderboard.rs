//! `quern leaderboard`: who has done most, as an indexer tells it.

use {
    crate::{
        amount::show_wide,
        context::Globals,
        error::{Error, Result},
        output::{Fields, Format, print_json, print_list},
        progress,
    },
    clap::ValueEnum,
    serde_json::Value,
    std::{
        collections::{BTreeMap, BTreeSet},
        time::Duration,
    },
    tokio::task::JoinSet,
};

/// Longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// Which board.
#[derive(clap::Args)]
#[command(after_help = "Example:
  quern leaderboard --metric earned --window 7d --indexer http://127.0.0.1:8787")]
pub struct Args {
    /// The indexer
    #[arg(
        long,
        env = "QUERN_INDEXER",
        default_value = "http://127.0.0.1:8787",
        value_name = "URL"
    )]
    indexer: String,
    /// By what providers are ranked
    #[arg(long, value_enum, default_value_t = Metric::Earned)]
    metric: Metric,
    /// Over which time
    #[arg(long, default_value = "all", value_parser = ["all", "24h", "7d", "30d"])]
    window: String,
    /// Only this assurance level
    #[arg(long, value_parser = ["refereed", "accepted"])]
    assurance: Option<String>,
    /// Only this mint
    #[arg(long, value_name = "ADDRESS")]
    mint: Option<quern_client::Pubkey>,
    /// Most entries of a board
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
}

/// What is counted.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Metric {
    /// Tokens earned.
    Earned,
    /// Multiply-accumulates.
    Macs,
    /// Settled milestones.
    Milestones,
    /// Rewards.
    Rewards,
}

/// Runs it.
pub async fn run(globals: &Globals, args: Args) -> Result<()> {
    let metric = match args.metric {
        Metric::Earned => "earned",
        Metric::Macs => "macs",
        Metric::Milestones => "milestones",
        Metric::Rewards => "rewards",
    };
    let mut query = vec![
        ("metric", metric.to_owned()),
        ("window", args.window),
        ("limit", args.limit.to_string()),
    ];
    query.extend(args.assurance.map(|assurance| ("assurance", assurance)));
    query.extend(args.mint.map(|mint| ("mint", mint.to_string())));
    let url = format!(
        "{}/v1/leaderboards/providers",
        args.indexer.trim_end_matches('/')
    );
    let answer = progress::during("asking the indexer", fetch(&url, &query)).await?;
    match globals.output {
        Format::Json => print_json(&answer),
        Format::Table => {
            let convicted = convictions(&args.indexer, &answer).await;
            show(&answer, metric, &convicted)?;
        }
    }
    Ok(())
}

/// How often the providers of the boards were convicted, by owner, as far as the indexer says.
async fn convictions(indexer: &str, answer: &Value) -> BTreeMap<String, String> {
    let boards = answer["boards"].as_array().into_iter().flatten();
    let owners: BTreeSet<String> = boards
        .flat_map(|board| board["entries"].as_array().into_iter().flatten())
        .filter_map(|entry| entry["provider"].as_str())
        // What is no address leads nowhere.
        .filter(|owner| owner.parse::<quern_client::Pubkey>().is_ok())
        .map(str::to_owned)
        .collect();
    let mut asking = JoinSet::new();
    for owner in owners {
        let url = format!("{}/v1/providers/{owner}", indexer.trim_end_matches('/'));
        asking.spawn(async move { (owner, fetch(&url, &[]).await) });
    }
    let answers = asking.join_all().await;
    let counted = answers.into_iter().filter_map(|(owner, answer)| {
        let count = answer.ok()?["counters"]["convicted"].as_str()?.to_owned();
        Some((owner, count))
    });
    counted.collect()
}

async fn fetch(url: &str, query: &[(&str, String)]) -> Result<Value> {
    let failed = |why: String| {
        Error::Indexer(format!(
            "cannot ask the indexer at {url}: {why}; check --indexer and that it runs"
        ))
    };
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(30))
        .build()
        .map_err(|error| failed(cause(&error)))?;
    let mut response = client
        .get(url)
        .query(query)
        .send()
        .await
        .map_err(|error| failed(cause(&error)))?;
    let status = response.status();
    let mut bytes = Vec::new();
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(|error| failed(cause(&error)))?
    {
        if bytes.len() + piece.len() > MAX_ANSWER_BYTES {
            return Err(failed("it answered more than 16 MiB".to_owned()));
        }
        bytes.extend_from_slice(&piece);
    }
    let answer: Result<Value> =
        serde_json::from_slice(&bytes).map_err(|_| failed("its answer is no JSON".to_owned()));
    if !status.is_success() {
        // Problem details say what is wrong; anything else says only the status.
        let detail = answer
            .ok()
            .and_then(|problem| problem["detail"].as_str().map(str::to_owned));
        return Err(Error::Indexer(format!(
            "the indexer refused: {}",
            detail.unwrap_or_else(|| status.to_string())
        )));
    }
    answer
}

fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn show(answer: &Value, metric: &'static str, convicted: &BTreeMap<String, String>) -> Result<()> {
    let no_board = || {
        Error::Indexer(
            "the indexer's answer holds no leaderboards; check --indexer and its version"
                .to_owned(),
        )
    };
    let boards = answer["boards"].as_array().ok_or_else(no_board)?;
    if boards.is_empty() {
        println!("Nobody has done anything in this window yet.");
    }
    for board in boards {
        let text = |name: &str| board[name].as_str().unwrap_or("-").to_owned();
        let mint = board["mint"]
            .as_str()
            .map(|mint| format!(", mint {}", crate::output::one_line(mint)))
            .unwrap_or_default();
        println!(
            "{} work{mint}:",
            crate::output::one_line(&text("assurance"))
        );
        let decimals = board["decimals"]
            .as_u64()
            .and_then(|decimals| u8::try_from(decimals).ok())
            .unwrap_or(0);
        let entries = board["entries"].as_array().ok_or_else(no_board)?;
        let list: Vec<Fields> = entries
            .iter()
            .map(|entry| row(entry, metric, decimals, convicted))
            .collect();
        print_list(Format::Table, &list, "Nobody yet.");
    }
    let slot = &answer["as_of_slot"];
    println!(
        "As of slot {}, {}.",
        slot,
        crate::output::one_line(answer["finality"].as_str().unwrap_or("unknown finality"))
    );
    Ok(())
}

fn row(
    entry: &Value,
    metric: &'static str,
    decimals: u8,
    convicted: &BTreeMap<String, String>,
) -> Fields {
    let owner = entry["provider"].as_str().unwrap_or_default();
    let value = entry["value"].as_str().unwrap_or("-");
    let shown = match value.parse::<u128>() {
        Ok(atoms) if decimals > 0 => show_wide(atoms, decimals),
        _ => value.to_owned(),
    };
    Fields::new()
        .with("rank", entry["rank"].clone())
        .with("name", entry["name"].clone())
        .with("provider", entry["provider"].clone())
        .text(metric, shown)
        .with("milestones_settled", entry["milestones"].clone())
        .text(
            "convicted",
            convicted.get(owner).map_or("-", String::as_str),
        )
}
