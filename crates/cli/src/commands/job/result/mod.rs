//! `quern job result`: what a job's provider computed, compared with what it committed to before it is shown.

mod check;
mod find;

use {
    crate::{
        context::Context,
        data::Reach,
        error::{Error, Result},
        files,
        formats::{self, Format},
        output::{self, Fields, print_text, write_bytes},
        progress,
    },
    check::Output,
    find::Committed,
    quern_client::{Pubkey, accounts, quern::state::Assurance},
    quern_data::{
        Fetcher,
        fetch::{ROOTS_FILE, beside},
    },
    quern_proof::{Tensor, commit::data_root, graph::Graph, published},
    std::path::PathBuf,
};

/// Which job's result, and where to.
#[derive(clap::Args)]
pub struct Args {
    /// The job, live or ended
    job: Pubkey,
    #[command(flatten)]
    pub(super) target: Target,
    /// Ask this indexer about a job that has ended [default: the old transactions of the cluster's node]
    #[arg(long, env = "QUERN_INDEXER", value_name = "URL")]
    indexer: Option<String>,
    /// Largest file to fetch, in MiB
    #[arg(long, default_value_t = 1_024, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    max_data: u32,
    /// Take a reviewed job's file although nothing says that it is the one that was committed to
    #[arg(long)]
    unchecked: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Where a result goes.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Target {
    /// Write the result into this file [default: show its first values]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Format to write [default: what the end of the file's name says; what is no tensor is written as it is]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
}

/// Shows or writes a result.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    args.target.check_place()?;
    let finding = find::committed(context, &args.job, args.indexer.as_deref());
    let committed = progress::during("looking for the result", finding).await?;
    if committed.assurance == Some(Assurance::Refereed) {
        args.target.check()?;
    }
    let mut limits = args.reach.limits(context).await?;
    limits.max_bytes = u64::from(args.max_data) << 20;
    let fetcher = Fetcher::new(limits);
    let output = fetch(context, &committed, &fetcher, args.unchecked).await?;
    args.target.take(context, &committed, &output)
}

/// Shows or writes the result of a job that was watched until it was paid, or submitted.
pub async fn run_watched(
    context: &Context,
    job: &Pubkey,
    target: &Target,
    fetcher: &Fetcher,
    came_to: &'static str,
) -> Result<()> {
    let work = async {
        let committed = find::committed(context, job, None).await?;
        let output = fetch(context, &committed, fetcher, false).await?;
        target.take(context, &committed, &output)
    };
    work.await.map_err(|error| {
        Error::Other(format!(
            "the job {came_to}, but its result is not at hand: {error}; try `quern job result {job}`"
        ))
    })
}

/// The result of a refereed job, fetched and compared with its commitment.
///
/// # Errors
/// That there is none, that it cannot be fetched, or how it differs.
pub async fn refereed(context: &Context, job: &Pubkey, fetcher: &Fetcher) -> Result<Tensor> {
    let committed = find::committed(context, job, None).await?;
    match fetch(context, &committed, fetcher, false).await? {
        Output::Tensor(tensor) => Ok(tensor),
        Output::File { .. } => Err(Error::Other(format!(
            "the result of {job} is a file and no tensor: it was no refereed job"
        ))),
    }
}

/// Fetches a result and compares it with its commitment.
async fn fetch(
    context: &Context,
    committed: &Committed,
    fetcher: &Fetcher,
    is_unchecked: bool,
) -> Result<Output> {
    if committed.uri.is_empty() {
        return Err(Error::Other(format!(
            "the provider of {} published no address with its result; ask it, or compute the same integers from the inputs with `quern model run`",
            committed.job
        )));
    }
    let differs = |why: String| {
        Error::Other(format!(
            "the file at {} is not the result that was committed to: {why}; nothing of it is shown",
            committed.uri
        ))
    };
    if committed.assurance != Some(Assurance::Refereed) {
        let fetching = fetcher.fetch(&committed.uri, None);
        let bytes = progress::during("fetching the result", fetching).await?;
        return check::reviewed(committed, bytes, is_unchecked).map_err(differs);
    }
    let model = accounts::model(context.rpc(), &committed.model).await?;
    let graph = Graph::load(&model.graph)?;
    let lengths = |items: u32| published::result_len(&graph, items);
    let fetching = async {
        let expected = committed.items.and_then(lengths);
        let result = fetcher.fetch(&committed.uri, expected).await?;
        let items = committed.items.or_else(|| check::items_in(&graph, &result));
        let expected = items.and_then(|items| published::roots_len(&graph, items));
        let beside = beside(&committed.uri, ROOTS_FILE)?;
        let roots = fetcher.fetch(&beside, expected).await?;
        Ok::<_, Error>((result, roots))
    };
    let (result, roots) = progress::during("fetching the result", fetching).await?;
    check::refereed(committed, &graph, result, &roots).map_err(differs)
}

impl Target {
    /// Whether it was named at all.
    pub const fn is_named(&self) -> bool {
        self.out.is_some() || self.format.is_some()
    }

    /// Refuses a file that could not be written, before anything is fetched or paid for.
    ///
    /// # Errors
    /// `File`.
    pub fn check_place(&self) -> Result<()> {
        match &self.out {
            Some(path) => files::check_place(path, "--out"),
            None => Ok(()),
        }
    }

    /// Refuses a file whose name says no format: only a tensor has one.
    ///
    /// # Errors
    /// `Usage`, with the formats.
    pub fn check(&self) -> Result<()> {
        match (&self.out, self.format) {
            (Some(path), None) => Format::of(path, Some("--format")).map(drop),
            _ => Ok(()),
        }
    }

    fn take(&self, context: &Context, committed: &Committed, output: &Output) -> Result<()> {
        let fields = committed.fields();
        let fields = match output {
            Output::Tensor(tensor) => fields
                .text("result", formats::shape(tensor))
                .text("result_root", hex::encode(data_root(tensor))),
            Output::File { bytes, .. } => fields.text("result", format!("{} bytes", bytes.len())),
        };
        let fields = fields.text("checked", output.how());
        match (&self.out, self.format) {
            (Some(path), format) => {
                // What is no tensor is what it is, whatever its name says.
                let format = match (output, format) {
                    (Output::Tensor(_), None) => Some(Format::of(path, Some("--format"))?),
                    (_, format) => format,
                };
                files::write(path, output.written(format)?, "--out")?;
                fields
                    .text("written", path.display())
                    .print_line(context.format);
            }
            (None, Some(format)) => write_bytes(&output.written(Some(format))?),
            (None, None) => preview(context.format, fields, output),
        }
        Ok(())
    }
}

/// Most values that go into a line of JSON.
const MAX_JSON_VALUES: usize = 100_000;
/// Most lines of a text that are shown.
const MAX_TEXT_LINES: usize = 20;

fn preview(format: output::Format, fields: Fields, output: &Output) {
    let text = match output {
        Output::File { bytes, .. } => std::str::from_utf8(bytes).ok(),
        Output::Tensor(_) => None,
    };
    if format == output::Format::Json {
        let fields = match output {
            Output::Tensor(tensor) if value_count(tensor) <= MAX_JSON_VALUES => {
                fields.with("values", formats::rows(tensor))
            }
            _ => fields.maybe("text", text),
        };
        fields.print_line(format);
        return;
    }
    fields.print(format);
    let lines = match (output, text) {
        (Output::Tensor(tensor), _) => formats::preview(tensor),
        (Output::File { .. }, Some(text)) => first_lines(text),
        (Output::File { .. }, None) => vec!["it is no text; write it with --out FILE".to_owned()],
    };
    lines
        .iter()
        .for_each(|line| print_text(&format!("   {line}")));
}

/// The beginning of a text, and that there is more.
fn first_lines(text: &str) -> Vec<String> {
    let lines = text.lines().take(MAX_TEXT_LINES).map(str::to_owned);
    let more = text.lines().count().saturating_sub(MAX_TEXT_LINES);
    let more = (more > 0).then(|| format!("… and {more} lines more; write it with --out FILE"));
    lines.chain(more).collect()
}

fn value_count(tensor: &Tensor) -> usize {
    tensor.rows() as usize * tensor.cols() as usize
}
