//! Whether fetched inputs and tokens are the committed ones.

use {
    crate::{error::Result, store::TensorList},
    quern_proof::{Graph, Hash, Tensor},
};

/// The inputs in a bundle, if they are those that the job's client commits to: all but the tokens.
///
/// # Errors
/// A bundle that cannot be read, or other inputs.
pub fn checked_inputs(
    graph: &Graph<'_>,
    items: u32,
    roots: &[Hash],
    bytes: &[u8],
) -> Result<Vec<Tensor>> {
    TensorList::inputs(graph, items, roots)?.read(bytes)
}

/// The tokens in a file, if they are those that the submission commits to.
///
/// # Errors
/// A graph without tokens, a file that cannot be read, or other tokens.
pub fn checked_tokens(
    graph: &Graph<'_>,
    items: u32,
    tokens_root: &Hash,
    bytes: &[u8],
) -> Result<Tensor> {
    let list = TensorList::tokens(graph, items, tokens_root)?;
    let tokens = list.read(bytes)?.pop();
    Ok(tokens.ok_or(quern_proof::Error::NoSuchPosition)?)
}
