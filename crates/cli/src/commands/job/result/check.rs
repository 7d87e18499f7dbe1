//! Whether a file is what a provider committed to.

use {
    super::find::Committed,
    crate::error::{Error, Result},
    crate::formats::{self, Format},
    quern_proof::{Tensor, commit::data_root, file, graph::Graph, hash::hash, published},
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
            Self::Tensor(_) => "yes: it leads to the commitment",
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

/// The result of a refereed job: what the published roots lead from the fetched rows to the commitment.
///
/// # Errors
/// How it differs, as a part of a sentence.
pub fn refereed(
    committed: &Committed,
    graph: &Graph<'_>,
    result: Vec<u8>,
    roots: &[u8],
) -> std::result::Result<Output, String> {
    let items = committed.items.or_else(|| items_in(graph, &result));
    let items = items.ok_or("it holds no whole items")?;
    let published = published::check(graph, items, &committed.root, result, roots);
    let published = published.map_err(|error| error.to_string())?;
    Ok(Output::Tensor(published.result))
}

/// How many items a result file holds. Only their true number leads to the commitment.
pub fn items_in(graph: &Graph<'_>, result: &[u8]) -> Option<u32> {
    let of_one = published::result_len(graph, 1)?;
    let len = result.len() as u64;
    let items = len.checked_div(of_one)?;
    let items = u32::try_from(items).ok()?;
    (items > 0 && len.is_multiple_of(of_one)).then_some(items)
}

/// The result of a reviewed job in a fetched file, if it is what was committed to.
///
/// # Errors
/// How it differs, as a part of a sentence.
pub fn reviewed(
    committed: &Committed,
    bytes: Vec<u8>,
    is_unchecked: bool,
) -> std::result::Result<Output, String> {
    if hash(&[&bytes]) == committed.root {
        return Ok(Output::File {
            bytes,
            is_checked: true,
        });
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {
        super::*,
        quern_client::{Pubkey, quern::state::Assurance},
        quern_proof::{
            commit::{Committer, ItemTrace},
            eval::{Batch, DEFAULT_MAX_ITEM_BYTES},
        },
    };

    fn committed(assurance: Option<Assurance>, root: [u8; 32]) -> Committed {
        Committed {
            job: Pubkey::from([1; 32]),
            assurance,
            model: Pubkey::from([2; 32]),
            items: None,
            state: "submitted".to_owned(),
            milestone: 1,
            root,
            uri: "https://example.com/result.bin".to_owned(),
            source: "the job's account",
        }
    }

    #[test]
    fn only_what_leads_to_the_commitment_is_a_refereed_result() {
        let model = quern_import::tiny::tiny().unwrap();
        let graph = Graph::parse(&model.graph).unwrap();
        let inputs = [0, 1].map(|_| Tensor::from_i32(3, 16, &[1; 48]).unwrap());
        let limit = DEFAULT_MAX_ITEM_BYTES;
        let batch = Batch::new(&graph, 3, &inputs, &model.weights, limit).unwrap();
        let mut committer = Committer::new(&graph, 3).unwrap();
        for item in 0..3 {
            let trace = ItemTrace::new(batch.item(item).unwrap()).unwrap();
            committer.push(&trace).unwrap();
        }
        let right = committer.finish().unwrap();
        let refereed = |result: &[u8], roots: &[u8], items| {
            let committed = Committed {
                items,
                ..committed(Some(Assurance::Refereed), right.trace_root)
            };
            super::refereed(&committed, &graph, result.to_vec(), roots)
        };
        let (result, roots) = (&right.result_file, &right.roots_file);
        for items in [None, Some(3)] {
            match refereed(result, roots, items).unwrap() {
                Output::Tensor(found) => assert_eq!(found.data(), result.as_slice()),
                Output::File { .. } => panic!("it is a tensor"),
            }
        }
        // Every other byte, a missing item, a further one, and roots of another answer.
        for at in [0, result.len() / 2, result.len() - 1] {
            let mut other = result.clone();
            other[at] ^= 1;
            assert!(refereed(&other, roots, None).is_err(), "byte {at}");
        }
        for at in [0, 40, roots.len() - 1] {
            let mut other = roots.clone();
            other[at] ^= 1;
            assert!(refereed(result, &other, None).is_err(), "byte {at}");
        }
        let of_one = result.len() / 3;
        assert!(refereed(&result[of_one..], &roots[roots.len() / 3..], None).is_err());
        let more = [result.as_slice(), &result[..of_one]].concat();
        let more_roots = [roots.as_slice(), &roots[..roots.len() / 3]].concat();
        assert!(refereed(&more, &more_roots, None).is_err());
        assert!(refereed(&result[1..], roots, None).is_err());
        assert!(refereed(&[], roots, None).is_err());
    }

    #[test]
    fn a_reviewed_file_is_checked_by_its_hash_or_its_root() {
        let answer = b"the answer".to_vec();
        let by_hash = committed(Some(Assurance::Reviewed), hash(&[&answer]));
        let found = reviewed(&by_hash, answer.clone(), false).unwrap();
        assert!(found.how().starts_with("yes"), "{found:?}");
        assert_eq!(found.written(None).unwrap(), answer);
        assert!(found.written(Some(Format::Npy)).is_err());
        let refused = reviewed(&by_hash, b"another".to_vec(), false).unwrap_err();
        assert!(refused.contains("--unchecked"), "{refused}");
        let taken = reviewed(&by_hash, b"another".to_vec(), true).unwrap();
        assert!(taken.how().starts_with("no"), "{taken:?}");

        let tensor = Tensor::from_i8(1, 2, &[1, 2]).unwrap();
        let by_root = committed(None, data_root(&tensor));
        let found = reviewed(&by_root, file::encode_tensor(&tensor), false).unwrap();
        assert!(matches!(found, Output::Tensor(found) if found == tensor));
    }
}
