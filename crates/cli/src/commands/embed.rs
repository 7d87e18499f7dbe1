//! `quern embed`: the vectors of texts, as one refereed job, checked here before they are believed.

use {
    crate::{
        commands::{
            job::{
                create::{self, Given, Placed, Terms},
                result,
            },
            watch::{self, CheckOptions},
        },
        context::Context,
        data::Reach,
        error::{Error, Result},
        files,
        folder::{self, ModelFolder},
        formats::{self, Format},
        texts,
    },
    quern_client::{Pubkey, config},
    quern_data::{FetchLimits, Fetcher},
    quern_proof::Tensor,
    quern_watcher::CheckedItems,
    std::path::PathBuf,
};

/// Where inputs are published if no folder is named.
const INPUTS: &str = "~/.local/share/quern/inputs";

/// Which texts, and what for.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  quern embed --model minilm sentences.txt --out vectors.npy
  quern embed --model minilm lines.txt --out vectors.npy --integers i8.npy --sample 5%

Each line of FILE is a text and gets a row. A row of --out has length 1 (float32), so the product of two rows is their
cosine. A row of --integers is what the provider computed and the chain can judge, to the bit: its direction is the
text's, its length means nothing.

All lines are one refereed job. Its result is compared with the root on chain, and items are computed here again: all of
them, or with --sample some drawn at random after the submission. A wrong result is convicted, the price comes back, and
no file is written. The provider is paid when the review ends; nothing remains to be done for it.")]
pub struct Args {
    /// The texts, one on each line
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The model: a folder of `quern model import`, or its name in the folder that QUERN_MODELS names [default:
    /// ~/.local/share/quern/models]
    #[arg(long, value_name = "NAME_OR_FOLDER")]
    model: String,
    /// Which registration of it, if there are several
    #[arg(long, value_name = "ADDRESS")]
    address: Option<Pubkey>,
    /// Write the vectors here, a .npy file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Also write the integers, in the format that the name says
    #[arg(long, value_name = "FILE")]
    integers: Option<PathBuf>,
    /// How many items to compute again: a share drawn at random after the submission, such as 5%
    #[arg(long, value_name = "SHARE", default_value = "100%", value_parser = watch::parse_sample)]
    sample: u16,
    #[command(flatten)]
    terms: Terms,
    /// Folder into which the tokens are published [default: ~/.local/share/quern/inputs]
    #[arg(long, value_name = "FOLDER")]
    publish_dir: Option<PathBuf>,
    /// Address under which a web server shows that folder [default: a file URI, for this machine only]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    #[command(flatten)]
    reach: Reach,
}

/// Embeds the texts of a file.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    args.check_names()?;
    let folder = ModelFolder::find(&args.model)?;
    let all = texts::read(&args.file, "FILE")?;
    let tokenized = texts::tokenized(&folder::tokenizer(&folder)?, &all)?;
    context.protocol().await?;
    let (model, _) = quern_gateway::registration(context.rpc(), &folder, args.address).await?;
    let embedding = Embedding {
        context,
        folder: &folder,
        model,
        inputs: vec![tokenized.ids, tokenized.mask],
    };
    let out = Out {
        floats: args.out.clone(),
        integers: args.integers.clone(),
    };
    let (placed, checked, vectors) = embedding.run(args).await?;
    out.write(&vectors)?;
    let fields = placed.fields(context.format).text("model", model);
    let fields = fields
        .text("result", formats::shape(&vectors))
        .text("checked", checked)
        .text("written", out.floats.display())
        .maybe("integers", out.integers.as_ref().map(|path| path.display()));
    fields.print(context.format);
    Ok(())
}

impl Args {
    /// Refuses names of files that say another format, before anything is paid.
    fn check_names(&self) -> Result<()> {
        if Format::of(&self.out, None)? != Format::Npy {
            return Err(Error::Usage(format!(
                "vectors of floats are written as .npy, and {} is none; correct --out",
                self.out.display()
            )));
        }
        match &self.integers {
            Some(path) => Format::of(path, None).map(drop),
            None => Ok(()),
        }
    }
}

/// A job for all texts.
struct Embedding<'e> {
    context: &'e Context,
    folder: &'e ModelFolder,
    model: Pubkey,
    inputs: Vec<Tensor>,
}

impl Embedding<'_> {
    /// Creates the job, waits for its result, checks it and fetches it.
    async fn run(self, args: Args) -> Result<(Placed, CheckedItems, Tensor)> {
        let context = self.context;
        let wallet = context.wallet()?;
        let publish_dir = args.publish_dir.unwrap_or_else(|| config::expand(INPUTS));
        let mut reach = args.reach.clone();
        let place = (publish_dir.clone(), args.public_url);
        let create = create::Args::inference(self.model, args.terms, place, args.reach);
        let given = Given::Tensors(self.inputs);
        let placed = create::place(context, create, given, &wallet).await?;
        // What was published here a moment ago may be read here, and so may the model.
        reach
            .allow_files
            .extend([publish_dir, self.folder.path.clone()]);
        let fetch = reach.limits(context).await?;
        let fetcher = Fetcher::new(FetchLimits {
            max_bytes: watch::UNLIMITED_BYTES,
            ..fetch.clone()
        });
        let weights = self.folder.weights_uri()?;
        let options = CheckOptions {
            fetch,
            sample: args.sample,
            weights: [(self.model, weights)].into(),
        };
        let checked = watch::until_checked(context, wallet, &placed.job, options).await?;
        let vectors = result::refereed(context, &placed.job, &fetcher).await?;
        Ok((placed, checked, vectors))
    }
}

/// Where the vectors go.
struct Out {
    floats: PathBuf,
    integers: Option<PathBuf>,
}

impl Out {
    fn write(&self, vectors: &Tensor) -> Result<()> {
        if let Some(path) = &self.integers {
            let written = formats::write(vectors, Format::of(path, None)?, None);
            files::write(path, written.map_err(Error::Usage)?, "--integers")?;
        }
        let floats = texts::units(vectors)?;
        let bytes = formats::write_floats(vectors.rows(), vectors.cols(), &floats);
        files::write(&self.floats, bytes, "--out")
    }
}
