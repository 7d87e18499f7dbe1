//! Inputs and weights: read from files, fetched from where they are published, compared with their roots.

use {
    crate::{
        context::Context,
        error::{Error, Result},
        progress,
    },
    quern_client::{ClientError, Pubkey, accounts, accounts::ModelAccount, config, history},
    quern_data::{FetchLimits, Fetcher, sizes},
    quern_proof::{Tensor, file, graph::Graph},
    std::path::{Path, PathBuf},
};

/// Where URIs may lead that others have written.
#[derive(clap::Args, Clone, Debug)]
pub struct Reach {
    /// Folder that `file` URIs of jobs and models may point into (repeatable)
    #[arg(long, value_name = "FOLDER")]
    pub allow_files: Vec<PathBuf>,
    /// Fetch from this machine and private networks, too, and through the proxy of the environment
    #[arg(long)]
    pub allow_private: bool,
}

impl Reach {
    /// Limits that let URIs lead there; on a local cluster, where everybody is oneself, anywhere.
    ///
    /// # Errors
    /// A folder that is none, or that the cluster does not say which it is.
    pub async fn limits(&self, context: &Context) -> Result<FetchLimits> {
        for folder in &self.allow_files {
            if !folder.is_dir() {
                return Err(Error::file(
                    folder,
                    "it is no folder; correct --allow-files",
                ));
            }
        }
        let is_local = config::is_local(&context.url) && !is_public(context).await?;
        let everything = is_local.then(|| PathBuf::from("/"));
        Ok(FetchLimits {
            file_roots: self.allow_files.iter().cloned().chain(everything).collect(),
            allow_private: self.allow_private || is_local,
            ..FetchLimits::default()
        })
    }

    /// A fetcher with these limits.
    ///
    /// # Errors
    /// As [`Reach::limits`].
    pub async fn fetcher(&self, context: &Context) -> Result<Fetcher> {
        Ok(Fetcher::new(self.limits(context).await?))
    }
}

/// Whether the cluster is a public one, whatever its address: a node or a tunnel to it may run on this machine.
async fn is_public(context: &Context) -> Result<bool> {
    let genesis = context.rpc().get_genesis_hash().await;
    let genesis = genesis.map_err(|error| ClientError::from_rpc(&context.url, error))?;
    Ok(PUBLIC_GENESIS.contains(&genesis.to_string().as_str()))
}

/// Genesis hashes of mainnet, testnet and devnet.
const PUBLIC_GENESIS: [&str; 3] = [
    "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d",
    "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY",
    "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG",
];

/// The tensors in several files, each a tensor or a bundle, one after the other.
///
/// # Errors
/// `File`, naming the one that cannot be read.
pub fn read_tensors(paths: &[PathBuf]) -> Result<Vec<Tensor>> {
    let mut tensors = Vec::new();
    for path in paths {
        let bytes = read(path)?;
        let found = file::decode_bundle(&bytes).map_err(|error| no_own(path, &bytes, error))?;
        if found.is_empty() {
            return Err(Error::file(path, "it holds no tensor"));
        }
        tensors.extend(found);
    }
    Ok(tensors)
}

/// A model with its graph.
///
/// # Errors
/// `NotSetUp` where there is no Quern, otherwise that there is no such model.
pub async fn model(context: &Context, address: &Pubkey) -> Result<ModelAccount> {
    match accounts::model(context.rpc(), address).await {
        Err(ClientError::NotFound { .. }) => {
            context.protocol().await?;
            Err(Error::Other(format!(
                "there is no model at {address} on this cluster; check the address and --url"
            )))
        }
        known => Ok(known?),
    }
}

/// Fetches a sealed model's weights and compares them with the sealed roots.
///
/// # Errors
/// That they cannot be found, fetched or are others.
pub async fn check_weights(
    context: &Context,
    model: &ModelAccount,
    graph: &Graph<'_>,
    reach: &Reach,
) -> Result<()> {
    let fetcher = reach.fetcher(context).await?;
    let check = async {
        let uri = history::model_uri(context.rpc(), &model.address, &model.model).await?;
        let expected = sizes::weights_bytes(graph)?;
        let bytes = fetcher.fetch(&uri, Some(expected)).await?;
        sizes::checked_weights(graph, &bytes)?;
        Ok::<_, Error>(())
    };
    progress::during("checking the model's weights", check).await.map_err(|error| {
        Error::Other(format!("the model's published weights could not be checked: {error}; without them nobody can serve the job (--skip-weights-check goes on regardless)"))
    })
}

/// A file of Quern's that cannot be read; if it is one of another kind, the sentence names it.
pub fn no_own(path: &Path, bytes: &[u8], why: impl std::fmt::Display) -> Error {
    match kind_of(bytes) {
        Some(kind) => Error::file(
            path,
            format!("it is {kind}, which nothing here can read ({why}); convert it first"),
        ),
        None => Error::file(path, why),
    }
}

/// What a file of other programs is.
fn kind_of(bytes: &[u8]) -> Option<&'static str> {
    /// Where a producer's name stands in an ONNX file.
    const HEAD: usize = 256;
    let has = |text: &str| {
        let head = bytes.get(..bytes.len().min(HEAD)).unwrap_or_default();
        head.windows(text.len()).any(|part| part == text.as_bytes())
    };
    let starts = |with: &[u8]| bytes.starts_with(with);
    // A length of eight bytes, then JSON.
    let is_safetensors = bytes.get(8) == Some(&b'{') && bytes.get(4..8) == Some(&[0; 4]);
    // The version of the format is the first field, the producer or the graph follows.
    let is_onnx = matches!(bytes, [8, 1..=20, b'\x12' | b'\x1a' | b':', ..]);
    Some(match bytes {
        [] => "an empty file",
        _ if is_onnx || has("onnx") => "an ONNX model",
        _ if is_safetensors => "a safetensors file",
        _ if starts(b"GGUF") => "a GGUF model",
        _ if starts(b"\x93NUMPY") => "a NumPy array",
        _ if starts(b"\x89HDF") => "an HDF5 or Keras model",
        _ if starts(b"PK\x03\x04") => "a ZIP archive, as PyTorch and NumPy write them",
        _ if starts(b"\x80\x02") || starts(b"\x80\x04") => "a Python pickle, as PyTorch writes it",
        _ if bytes.get(4..8) == Some(b"TFL3") => "a TensorFlow Lite model",
        _ if starts(b"\x1f\x8b") => "a gzip file",
        _ if starts(b"\x7fELF") => "a built program",
        _ if starts(b"\x89PNG") || starts(b"\xff\xd8\xff") => "an image",
        _ if starts(b"<") => "a web page",
        _ if starts(b"version https://git-lfs") => "a pointer of Git LFS, not the file itself",
        _ if starts(b"{") || starts(b"[") => "a JSON file",
        _ => return None,
    })
}

/// Reads a whole file.
///
/// # Errors
/// `File`.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Error::file(path, error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn files_of_other_programs_are_named() {
        let safetensors = [&24u64.to_le_bytes()[..], b"{\"__metadata__\":{}}"].concat();
        for (bytes, kind) in [
            (&b"\x08\x07\x12\x07pytorch\x1a\x031.9"[..], "ONNX"),
            (b"\x08\x03:\xf0\x01\n", "ONNX"),
            (&safetensors, "safetensors"),
            (b"GGUF\x03\0\0\0", "GGUF"),
            (b"\x93NUMPY\x01\0", "NumPy"),
            (b"PK\x03\x04", "ZIP"),
            (b"\x80\x02}q\0", "pickle"),
            (b"\x20\0\0\0TFL3", "TensorFlow Lite"),
            (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
            (b"<!DOCTYPE html>", "web page"),
            (b"", "empty"),
        ] {
            let said = no_own(Path::new("x"), bytes, "bad magic").to_string();
            assert!(said.contains(kind), "{said}");
        }
        let own = file::encode_bundle(&[Tensor::from_i8(1, 1, &[1]).unwrap()]);
        for bytes in [&own[..], b"garbage"] {
            assert_eq!(kind_of(bytes), None);
        }
    }
}
