//! What is published of an answer, and the check that a client makes before it believes it.
//!
//! A result file alone proves nothing. The roots file leads each item's result to its item root, and all item roots lead to
//! the trace root on chain.

use std::vec::Vec;

use crate::{
    Error, Tensor,
    commit::{self, TraceTree},
    graph::Graph,
    hash::{Hash, Tag},
    path,
};

/// A result that leads to the trace root on chain.
pub struct Published {
    /// The rows of the last op, item by item.
    pub result: Tensor,
    /// The tree over the roots of all items.
    pub tree: TraceTree,
}

/// Length of the roots file. `None` if the graph can't have these items.
pub fn roots_len(graph: &Graph<'_>, items: u32) -> Option<u64> {
    let trace = graph.trace(items)?;
    Some(u64::from(items) * (1 + u64::from(trace.ops_height())) * size_of::<Hash>() as u64)
}

/// Length of the result file. `None` if the graph can't have these items.
pub fn result_len(graph: &Graph<'_>, items: u32) -> Option<u64> {
    let last = graph.op_count().checked_sub(1)?;
    let bytes = graph.output(last).ok()?.bytes();
    bytes.checked_mul(items.into())
}

/// Checks a result file and a roots file against the trace root on chain. The result file may hold only what the last op has:
/// rows as stored, item by item.
///
/// # Errors
/// [`Error::File`] for files of other lengths, [`Error::ResultOfItem`] for a result that does not lead to its item root,
/// [`Error::ItemRoots`] for item roots that don't lead to the trace root.
pub fn check(
    graph: &Graph<'_>,
    items: u32,
    trace_root: &Hash,
    result_file: Vec<u8>,
    roots_file: &[u8],
) -> Result<Published, Error> {
    let fail = |what, why| Error::File { what, why };
    if Some(result_file.len() as u64) != result_len(graph, items) {
        return Err(fail(
            "result file",
            "it has another length than graph and items imply",
        ));
    }
    let tree = item_roots(graph, items, trace_root, roots_file)?;
    let geometry = *tree.geometry();
    let (last, shape) = (geometry.ops() - 1, graph.output(graph.op_count() - 1)?);
    let of_item = shape.geometry().ok_or(Error::NoSuchPosition)?;
    let (records, _) = roots_file.as_chunks::<32>();
    let records = records.chunks_exact(1 + usize::from(geometry.ops_height()));
    // The length was checked, so an item has memory for its bytes.
    let results = result_file.chunks_exact(shape.bytes() as usize);
    for (item, (record, result)) in (0..).zip(records.zip(results)) {
        let (root, siblings) = record.split_first().ok_or(Error::ItemRoots)?;
        let data_root = commit::root_of(&of_item, result)?;
        if path::climb(Tag::Trace, data_root, last.into(), siblings) != *root {
            return Err(Error::ResultOfItem(item));
        }
    }
    let rows = shape.rows.checked_mul(items).ok_or(Error::NoSuchPosition)?;
    Ok(Published {
        result: Tensor::from_bytes(shape.dtype, rows, shape.cols, result_file)?,
        tree,
    })
}

/// The item roots of a roots file, if they lead to the trace root on chain. The paths in it are not looked at.
///
/// # Errors
/// [`Error::File`] for another length, [`Error::ItemRoots`].
pub fn item_roots(
    graph: &Graph<'_>,
    items: u32,
    trace_root: &Hash,
    roots_file: &[u8],
) -> Result<TraceTree, Error> {
    let trace = graph.trace(items).ok_or(Error::NoSuchPosition)?;
    if Some(roots_file.len() as u64) != roots_len(graph, items) {
        return Err(Error::File {
            what: "roots file",
            why: "it has another length than graph and items imply",
        });
    }
    let (nodes, _) = roots_file.as_chunks::<32>();
    let roots = nodes.chunks_exact(1 + usize::from(trace.ops_height()));
    let roots = roots.filter_map(|record| record.first().copied()).collect();
    let tree = TraceTree::new(trace, roots)?;
    if tree.root() == *trace_root {
        Ok(tree)
    } else {
        Err(Error::ItemRoots)
    }
}
