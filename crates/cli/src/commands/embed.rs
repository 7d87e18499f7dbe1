//! `quern embed`: the vectors of texts, as one refereed job, checked here before they are believed.

use {
    crate::{
        commands::{
            job::{
                create::{self, Given, Terms},
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
        output::Fields,
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
no file is written. The provider is paid when the review ends; nothing remains to be done for it. The tokens stay in
--publish-dir after the job: who reads that folder can read the texts.")]
pub struct Args {
    /// The texts, one on each line
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The model: a folder of `quern model import`, or a name in the folder that QUERN_MODELS names [default:
    /// ~/.local/share/quern/models]: that of its folder, or that which it is registered with
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
    args.check_files()?;
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
    let (job, checked, vectors) = embedding.run(args).await?;
    out.write(&vectors)
        .map_err(|error| unwritten(&error, &job))?;
    let fields = Fields::new()
        .text("job", job)
        .text("result", formats::shape(&vectors))
        .text("checked", checked)
        .text("written", out.floats.display())
        .maybe("integers", out.integers.as_ref().map(|path| path.display()));
    fields.print_line(context.format);
    Ok(())
}

/// Where to get what could not be written: it is paid for.
fn unwritten(error: &Error, job: &Pubkey) -> Error {
    Error::Other(format!(
        "{error}; the job is checked and will be paid: `quern job result {job} --out FILE.npy` gets its integers (divide each row by its length)"
    ))
}

impl Args {
    /// Refuses files of another format, and those that could not be written, before anything is paid.
    fn check_files(&self) -> Result<()> {
        let wrong = |why: &str| {
            Err(Error::Usage(format!(
                "--out {} {why}; name a .npy file",
                self.out.display()
            )))
        };
        if self.out.is_dir() {
            return wrong("names a folder");
        }
        if !matches!(Format::of(&self.out, None), Ok(Format::Npy)) {
            return wrong("is no .npy file, and vectors are written as such");
        }
        files::check_place(&self.out, "--out")?;
        match &self.integers {
            Some(path) if path == &self.out => Err(Error::Usage(
                "--integers and --out name one file; give each its own".to_owned(),
            )),
            Some(path) => match Format::of(path, None)? {
                Format::Png | Format::Text => Err(Error::Usage(format!(
                    "--integers {} cannot hold vectors; name a .npy file",
                    path.display()
                ))),
                _ => files::check_place(path, "--integers"),
            },
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
    async fn run(self, args: Args) -> Result<(Pubkey, CheckedItems, Tensor)> {
        let context = self.context;
        let wallet = context.wallet()?;
        let publish_dir = args.publish_dir.unwrap_or_else(|| config::expand(INPUTS));
        let mut reach = args.reach.clone();
        let place = (publish_dir.clone(), args.public_url);
        std::fs::create_dir_all(&publish_dir).map_err(|error| {
            let why = format!("this folder cannot be made: {error}; correct --publish-dir");
            Error::file(&publish_dir, why)
        })?;
        // What was published here a moment ago may be read here, and so may the model.
        reach
            .allow_files
            .extend([publish_dir, self.folder.path.clone()]);
        let fetch = reach.limits(context).await?;
        let weights = self.folder.weights_uri()?;
        let create = create::Args::inference(self.model, args.terms, place, args.reach);
        let given = Given::Tensors(self.inputs);
        let placed = create::place(context, create, given, &wallet).await?;
        // More lines follow, and some may take long: what is paid for is said first.
        let fields = placed.fields(context.format).text("model", self.model);
        fields.print_line(context.format);
        let fetcher = Fetcher::new(FetchLimits {
            max_bytes: watch::UNLIMITED_BYTES,
            ..fetch.clone()
        });
        let options = CheckOptions {
            fetch,
            sample: args.sample,
            weights: [(self.model, weights)].into(),
        };
        let checked = watch::until_checked(context, wallet, &placed.job, options).await?;
        let vectors = result::refereed(context, &placed.job, &fetcher).await?;
        Ok((placed.job, checked, vectors))
    }
}

/// Where the vectors go.
struct Out {
    floats: PathBuf,
    integers: Option<PathBuf>,
}

impl Out {
    fn write(&self, vectors: &Tensor) -> Result<()> {
        let floats = texts::units(vectors)?;
        let bytes = formats::write_floats(vectors.rows(), vectors.cols(), &floats);
        files::write(&self.floats, bytes, "--out")?;
        match &self.integers {
            Some(path) => {
                let written = formats::write(vectors, Format::of(path, None)?, None);
                files::write(path, written.map_err(Error::Usage)?, "--integers")
            }
            None => Ok(()),
        }
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

    #[test]
    fn files_are_refused_before_anything_is_paid() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("a.npy");
        let check = |out: &str, integers: &str| {
            let line = [
                "embed",
                "--model",
                "m",
                "FILE",
                "--out",
                out,
                "--integers",
                integers,
            ];
            let args = Line::try_parse_from(line).unwrap().args;
            args.check_files().map_err(|error| error.to_string())
        };
        let (good, within) = (good.to_str().unwrap(), folder.path().to_str().unwrap());
        let whole = folder.path().join("b.npy");
        let whole = whole.to_str().unwrap();
        assert_eq!(check(good, whole), Ok(()));
        for (out, integers, wanted) in [
            (within, whole, "names a folder; name a .npy file"),
            ("vectors.csv", whole, "is no .npy file"),
            ("vectors", whole, "name a .npy file"),
            ("/nowhere/o.npy", whole, "there is no folder /nowhere"),
            (good, good, "name one file"),
            (good, "i.png", "cannot hold vectors"),
            (good, "i.txt", "cannot hold vectors"),
            (good, "/nowhere/i.npy", "correct --integers"),
        ] {
            let said = check(out, integers).unwrap_err();
            assert!(said.contains(wanted), "{said}");
        }
        assert!(!folder.path().join("a.npy").exists());
    }

    #[test]
    fn what_is_paid_for_is_not_lost() {
        let job = Pubkey::from([3; 32]);
        let said = unwritten(&Error::Other("the disk is full".to_owned()), &job).to_string();
        assert!(
            said.starts_with("the disk is full; the job is checked"),
            "{said}"
        );
        assert!(
            said.contains(&format!("`quern job result {job} --out FILE.npy`")),
            "{said}"
        );
    }
}
