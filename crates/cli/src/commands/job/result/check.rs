//! Whether a file is what a provider committed to.

use {
    super::find::Committed,
    crate::error::{Error, Result},
    crate::formats::{self, Format},
    quern_client::quern::state::Assurance,
    quern_proof::{
        Tensor,
        commit::{data_root, trace_root},
        file,
        graph::Graph,
        hash::hash,
    },
};

/// A result that is what was committed to.
#[derive(Debug)]
pub enum Output {
    /// A tensor.
    Tensor(Tensor),
    /// Any other file.
    File {
        /// What is in it.
        bytes: Vec<u8>,
        /// Whether its hash is the commitment.
        is_checked: bool,
    },
}

impl Output {
    /// How it was compared.
    pub const fn how(&self) -> &'static str {
        match self {
            Self::Tensor(_) => "yes: its root is the commitment",
            Self::File {
                is_checked: true, ..
            } => "yes: its SHA-256 is the commitment",
            Self::File {
                is_checked: false, ..
            } => "no: nothing says that this is the file that was committed to",
        }
    }

    /// Its bytes in a format; the file as it is without one.
    pub fn written(&self, format: Option<Format>) -> Result<Vec<u8>> {
        match (self, format) {
            (Self::Tensor(tensor), format) => {
                formats::write(tensor, format.unwrap_or(Format::Qten), None).map_err(Error::Usage)
            }
            (Self::File { bytes, .. }, None | Some(Format::Raw)) => Ok(bytes.clone()),
            (Self::File { .. }, Some(_)) => Err(Error::Usage(
                "the result is a file and no tensor; leave --format out, or write raw".to_owned(),
            )),
        }
    }
}

/// The result in a fetched file, if it is what was committed to.
///
/// # Errors
/// How it differs, as a part of a sentence.
pub fn checked(
    committed: &Committed,
    graph: Option<&Graph<'_>>,
    bytes: Vec<u8>,
    is_unchecked: bool,
) -> std::result::Result<Output, String> {
    if committed.assurance == Some(Assurance::Refereed) {
        return result_of_trace(committed, graph, &bytes).map(Output::Tensor);
    }
    if hash(&[&bytes]) == committed.root {
        return Ok(Output::File {
            bytes,
            is_checked: true,
        });
    }
    if let Ok(tensor) = result_of_trace(committed, None, &bytes) {
        return Ok(Output::Tensor(tensor));
    }
    let tensor = file::decode_tensor(&bytes).ok();
    if let Some(tensor) = tensor.filter(|tensor| data_root(tensor) == committed.root) {
        return Ok(Output::Tensor(tensor));
    }
    match is_unchecked {
        true => Ok(Output::File {
            bytes,
            is_checked: false,
        }),
        false => Err(
            "neither its SHA-256 nor the root of a tensor in it is the commitment; ask the provider how it committed, or take it with --unchecked".to_owned(),
        ),
    }
}

/// The last output of a trace that has the root.
fn result_of_trace(
    committed: &Committed,
    graph: Option<&Graph<'_>>,
    bytes: &[u8],
) -> std::result::Result<Tensor, String> {
    let mut outputs = file::decode_trace(bytes).map_err(|error| error.to_string())?;
    let roots: Vec<_> = outputs.iter().map(data_root).collect();
    if trace_root(&roots) != Some(committed.root) {
        return Err(format!(
            "its root is {}, not {}",
            trace_root(&roots).map(hex::encode).unwrap_or_default(),
            hex::encode(committed.root)
        ));
    }
    let ops = graph.map_or(outputs.len(), Graph::op_count);
    if outputs.len() != ops {
        return Err(format!(
            "it has the outputs of {} ops where the graph has {ops}",
            outputs.len()
        ));
    }
    outputs.pop().ok_or_else(|| "it is empty".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {super::*, quern_client::Pubkey};

    fn committed(assurance: Option<Assurance>, root: [u8; 32]) -> Committed {
        Committed {
            job: Pubkey::from([1; 32]),
            assurance,
            model: Pubkey::from([2; 32]),
            state: "submitted".to_owned(),
            milestone: 1,
            root,
            uri: "https://example.com/trace.qtrace".to_owned(),
            source: "the job's account",
        }
    }

    fn trace() -> (Vec<u8>, [u8; 32], Tensor) {
        let first = Tensor::from_i32(1, 2, &[3, 4]).unwrap();
        let result = Tensor::from_i32(1, 1, &[1]).unwrap();
        let roots = [data_root(&first), data_root(&result)];
        let bytes = file::encode_trace(&[first, result.clone()]).unwrap();
        (bytes, trace_root(&roots).unwrap(), result)
    }

    #[test]
    fn only_the_committed_trace_gives_a_result() {
        let (bytes, root, result) = trace();
        let refereed = committed(Some(Assurance::Refereed), root);
        match checked(&refereed, None, bytes.clone(), false).unwrap() {
            Output::Tensor(found) => assert_eq!(found, result),
            Output::File { .. } => panic!("it is a trace"),
        }
        for at in [bytes.len() - 1, bytes.len() - 24, 30] {
            let mut other = bytes.clone();
            other[at] ^= 1;
            // Not even on request: a refereed result is its trace.
            let refused = checked(&refereed, None, other, true).unwrap_err();
            assert!(
                refused.contains("root") || refused.contains("not a"),
                "{refused}"
            );
        }
        // A file whose hash was committed to is no refereed result.
        let hashed = committed(Some(Assurance::Refereed), hash(&[b"answer"]));
        assert!(checked(&hashed, None, b"answer".to_vec(), false).is_err());
    }

    #[test]
    fn a_reviewed_file_is_checked_by_its_hash_or_its_root() {
        let answer = b"the answer".to_vec();
        let reviewed = committed(Some(Assurance::Reviewed), hash(&[&answer]));
        let found = checked(&reviewed, None, answer.clone(), false).unwrap();
        assert!(found.how().starts_with("yes"), "{found:?}");
        assert_eq!(found.written(None).unwrap(), answer);
        assert!(found.written(Some(Format::Npy)).is_err());
        let refused = checked(&reviewed, None, b"another".to_vec(), false).unwrap_err();
        assert!(refused.contains("--unchecked"), "{refused}");
        let taken = checked(&reviewed, None, b"another".to_vec(), true).unwrap();
        assert!(taken.how().starts_with("no"), "{taken:?}");

        let tensor = Tensor::from_i8(1, 2, &[1, 2]).unwrap();
        let by_root = committed(None, data_root(&tensor));
        let found = checked(&by_root, None, file::encode_tensor(&tensor), false).unwrap();
        assert!(matches!(found, Output::Tensor(found) if found == tensor));
        let (bytes, root, result) = trace();
        let found = checked(&committed(None, root), None, bytes, false).unwrap();
        assert!(matches!(found, Output::Tensor(found) if found == result));
    }
}
