//! The inputs of a job: published from files, or fetched from where they are.

use {
    super::args::Args,
    crate::{
        context::Context,
        data,
        error::{Error, Result},
        files::Role,
    },
    quern_client::quern::state::Assurance,
    quern_data::{Publisher, any_file},
    quern_proof::{Tensor, commit::data_root, file},
    std::path::{Path, PathBuf},
};

/// The inputs as the job commits to them.
#[derive(Default)]
pub struct Inputs {
    /// Where they are.
    pub uri: String,
    /// What stands for them: the data roots of tensors in order, or the SHA-256 of one other file.
    pub roots: Vec<[u8; 32]>,
    /// The tensors themselves, where they are tensors.
    pub tensors: Vec<Tensor>,
}

/// What the client wants to be published.
pub enum Given {
    /// Nothing: the inputs lie somewhere already, or there are none.
    Nothing,
    /// Tensors, as every refereed job has them.
    Tensors(Vec<Tensor>),
    /// Any one other file, for a reviewed job.
    File(AnyFile),
}

/// A file that is no tensor.
pub struct AnyFile {
    /// Where it was read from; a text of the command line has no place.
    path: Option<PathBuf>,
    bytes: Vec<u8>,
}

/// Reads the inputs before anything else happens: files that cannot be read cost nothing.
///
/// # Errors
/// `File`, naming the one that cannot be read or used.
pub fn read(args: &Args) -> Result<Given> {
    if let Some(text) = &args.text {
        let bytes = text.clone().into_bytes();
        return AnyFile { path: None, bytes }.checked();
    }
    match args.input.as_slice() {
        [] => Ok(Given::Nothing),
        [path] if args.assurance != Some(Assurance::Refereed) => {
            let bytes = Role::input("--input").read(path)?;
            if bytes.starts_with(&file::TENSOR_MAGIC) {
                return data::read_inputs(&args.input).map(Given::Tensors);
            }
            let path = Some(path.clone());
            AnyFile { path, bytes }.checked()
        }
        paths => data::read_inputs(paths).map(Given::Tensors),
    }
}

impl AnyFile {
    fn checked(self) -> Result<Given> {
        let path = self.path.as_deref().unwrap_or(Path::new("--text"));
        if self.bytes.is_empty() {
            return Err(Error::file(path, "it is empty; nobody can work on nothing"));
        }
        if any_file::root(&self.bytes).is_none() {
            return Err(Error::file(
                path,
                "its bytes look like a part of a tensor's tree; add a byte to it",
            ));
        }
        Ok(Given::File(self))
    }

    /// That a graph cannot run on it.
    ///
    /// # Errors
    /// Always.
    pub fn refused(&self) -> Result<()> {
        match &self.path {
            None => Err(Error::Usage(
                "--text is for reviewed jobs: this one runs a graph, which takes tensors; make one with `quern tensor convert` and name it with --input".to_owned(),
            )),
            Some(path) => {
                let role = Role::input("--input");
                Err(role.no_such(path, &self.bytes, "it does not start with QTEN"))
            }
        }
    }

    /// How the published file ends, so that readers know what it is.
    fn ending(&self) -> String {
        const LONGEST: usize = 8;
        let ending = match &self.path {
            None => Some("txt"),
            Some(path) => path.extension().and_then(|ending| ending.to_str()),
        };
        let is_plain = |ending: &&str| {
            ending.len() <= LONGEST && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        ending.filter(is_plain).unwrap_or("bin").to_owned()
    }
}

/// Fetches published inputs as a provider would. Nobody takes a job whose inputs cannot be had, and its price lies still.
async fn check(context: &Context, args: &Args, uri: &str, published: &[u8]) -> Result<()> {
    let fetcher = args.reach.fetcher(context).await?;
    let expected = u64::try_from(published.len()).ok();
    let why = match fetcher.fetch(uri, expected).await {
        Ok(found) if found == published => return Ok(()),
        Ok(_) => format!("{uri} shows other bytes"),
        Err(error) => error.to_string(),
    };
    Err(Error::Other(format!(
        "no provider could fetch the inputs from where they were published: {why}; name the address of the folder with --public-url (--skip-input-check goes on regardless)"
    )))
}

/// Publishes the inputs, or fetches those that are published.
pub async fn published(context: &Context, args: &Args, given: Given) -> Result<Inputs> {
    match (given, &args.input_uri) {
        (Given::Tensors(tensors), _) => {
            let bundle = file::encode_bundle(&tensors);
            Ok(Inputs {
                uri: publish(context, args, bundle, "qbundle").await?,
                roots: tensors.iter().map(data_root).collect(),
                tensors,
            })
        }
        (Given::File(file), _) => {
            let ending = file.ending();
            Ok(Inputs {
                roots: any_file::root(&file.bytes).into_iter().collect(),
                uri: publish(context, args, file.bytes, &ending).await?,
                tensors: Vec::new(),
            })
        }
        (Given::Nothing, Some(uri)) => {
            let bytes = args.reach.fetcher(context).await?.fetch(uri, None).await?;
            fetched(args, uri, &bytes)
        }
        (Given::Nothing, None) => Ok(Inputs::default()),
    }
}

/// What lies at an address, as the job commits to it.
fn fetched(args: &Args, uri: &str, bytes: &[u8]) -> Result<Inputs> {
    let (roots, tensors) = match file::decode_bundle(bytes) {
        Ok(tensors) => (tensors.iter().map(data_root).collect(), tensors),
        // Reviewed work may have any input.
        Err(_) if args.assurance == Some(Assurance::Reviewed) || args.model.is_none() => {
            let root = any_file::root(bytes).filter(|_| !bytes.is_empty());
            let root = root.ok_or_else(|| {
                Error::Other(format!(
                    "the input at {uri} is empty or looks like a part of a tensor's tree, so that nothing can be committed to; add a byte to it"
                ))
            })?;
            (vec![root], Vec::new())
        }
        Err(error) => {
            return Err(Error::Other(format!(
                "{uri} is no bundle of input tensors: {error}"
            )));
        }
    };
    Ok(Inputs {
        uri: uri.to_owned(),
        roots,
        tensors,
    })
}

/// Publishes a file and says where it is. It is named by its content: the same inputs are published once, other ones never
/// overwrite them.
async fn publish(context: &Context, args: &Args, bytes: Vec<u8>, ending: &str) -> Result<String> {
    let folder = args.publish_dir.as_ref().ok_or_else(|| {
        Error::Usage("inputs are published: name a folder for them with --publish-dir".to_owned())
    })?;
    let publisher = Publisher::folder(folder, args.public_url.as_deref())?;
    let hash = hex::encode(&quern_proof::hash::hash(&[&bytes])[..16]);
    let uri = publisher
        .put(&format!("inputs/{hash}.{ending}"), bytes.clone())
        .await?;
    if !args.skip_input_check {
        check(context, args, &uri, &bytes).await?;
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {super::*, clap::Parser};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn given(line: &[&str]) -> Result<Given> {
        let usual = ["create", "--price", "1", "--publish-dir", "out"];
        read(&Line::try_parse_from([&usual, line].concat()).unwrap().args)
    }

    #[test]
    fn a_reviewed_job_takes_a_text_or_any_file() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path.display().to_string()
        };
        let ending = |line: &[&str]| match given(line).unwrap() {
            Given::File(file) => file.ending(),
            _ => panic!("it is any file"),
        };
        let photo = write("photo.PNG", b"\x89PNG\r\n");
        assert_eq!(ending(&["--input", &photo]), "PNG");
        assert_eq!(ending(&["--text", "Say hello."]), "txt");
        assert_eq!(ending(&["--input", &write("Makefile", b"all:\n")]), "bin");
        assert_eq!(ending(&["--input", &write("a.s p", b"x")]), "bin");

        let tensor = Tensor::from_i8(1, 1, &[1]).unwrap();
        let tensor = write("one.qten", &file::encode_tensor(&tensor));
        let tensors = given(&["--input", &tensor, &tensor]).unwrap();
        assert!(matches!(tensors, Given::Tensors(all) if all.len() == 2));
        // A refereed job takes tensors, a damaged one is none, and two files are no one file.
        let damaged = write("damaged.qten", b"QTEN and more");
        for line in [
            &["--input", &photo, "--assurance", "refereed"][..],
            &["--input", &damaged],
            &["--input", &photo, &tensor],
            &["--input", &write("empty", b"")],
            &["--text", ""],
        ] {
            assert!(given(line).is_err(), "{line:?}");
        }
    }
}
