//! What a provider published beside its result: item roots, tokens, traces of single items. All of it is courtesy. What is
//! missing, has another size or does not lead to the roots on chain is left aside.

use {
    crate::{context::Context, error::Result, results::CaseData},
    quern_data::{DataError, Download, checked, fetch, sizes::Sizes},
    quern_proof::{Hash, Tensor, commit::ItemTrace, eval, file, graph::Graph, published},
};

/// Traces that are fetched at most, in number and in bytes, whatever else is allowed: computing an item is never far away.
const MOST_TRACES: usize = 1_024;
const MOST_TRACE_BYTES: u64 = 1 << 30;

/// What was published, on the disk and not looked at yet.
#[derive(Default)]
pub(crate) struct Delivery {
    pub roots: Option<Download>,
    pub tokens: Option<Download>,
    /// The result, where it is the text and the file of the tokens is missing.
    pub text: Option<Download>,
    pub traces: Vec<PublishedTrace>,
    /// Why the item roots are missing.
    pub missing: Option<String>,
}

/// The trace of one item.
pub(crate) struct PublishedTrace {
    pub item: u32,
    pub trace: Download,
}

/// What is fetched of that.
pub(crate) struct Order<'a> {
    /// Where the result is.
    pub uri: &'a str,
    pub sizes: &'a Sizes,
    pub has_tokens: bool,
    /// Whether the result is the text.
    pub ends_with_text: bool,
    /// Items whose traces are of use, in order.
    pub items: &'a [u32],
    /// Most bytes of all traces together.
    pub max_bytes: u64,
}

/// Fetches what is there into `to`, file by file: what came stays, whenever it is cut off.
///
/// # Errors
/// That this disk has no room.
pub(crate) async fn fetch(context: &Context, order: &Order<'_>, to: &mut Delivery) -> Result<()> {
    let sizes = order.sizes;
    match file_beside(context, order, fetch::ROOTS_FILE, sizes.roots).await? {
        Ok(roots) => to.roots = Some(roots),
        Err(why) => to.missing = Some(why),
    }
    if order.has_tokens {
        let tokens = file_beside(context, order, fetch::TOKENS_FILE, sizes.tokens).await?;
        to.tokens = tokens.ok();
        if to.tokens.is_none() && order.ends_with_text {
            let text = file_beside(context, order, fetch::RESULT_FILE, sizes.result).await?;
            to.text = text.ok();
        }
    }
    // Without the item roots nobody can say whose traces they are.
    if to.roots.is_none() {
        return Ok(());
    }
    let mut left = order.max_bytes.min(MOST_TRACE_BYTES);
    for item in order.items.iter().take(MOST_TRACES) {
        match left.checked_sub(sizes.trace_file) {
            Some(after) => left = after,
            None => return Ok(()),
        }
        let name = fetch::trace_file(*item);
        let trace = match file_beside(context, order, &name, sizes.trace_file).await? {
            Ok(trace) => trace,
            // They are published from the first item on: where one is missing, later ones are.
            Err(_) => return Ok(()),
        };
        to.traces.push(PublishedTrace { item: *item, trace });
    }
    Ok(())
}

/// One file, or why it is missing.
async fn file_beside(
    context: &Context,
    order: &Order<'_>,
    name: &str,
    bytes: u64,
) -> Result<std::result::Result<Download, String>> {
    let uri = match fetch::beside(order.uri, name) {
        Ok(uri) => uri,
        Err(error) => return Ok(Err(error.to_string())),
    };
    match context.store.download(&uri, Some(bytes)).await {
        Ok(found) => Ok(Ok(found)),
        Err(
            error @ (DataError::DiskFull { .. }
            | DataError::DiskLimit { .. }
            | DataError::Files { .. }),
        ) => Err(error.into()),
        Err(error) => Ok(Err(error.to_string())),
    }
}

/// The item roots in a file, if they lead to the trace root; why not otherwise.
pub(crate) fn item_roots(
    data: &CaseData,
    graph: &Graph<'_>,
    roots: &Download,
) -> std::result::Result<Vec<Hash>, String> {
    let bytes = roots.read().map_err(|error| error.to_string())?;
    let tree = published::item_roots(graph, data.items, &data.trace_root, &bytes);
    let tree = tree.map_err(|error| error.to_string())?;
    Ok(tree.item_roots().to_vec())
}

/// The tokens of all items, from their file or from the result, if they have the tokens root.
pub(crate) fn tokens(data: &CaseData, graph: &Graph<'_>, delivery: &Delivery) -> Option<Tensor> {
    let bytes = match (&delivery.tokens, &delivery.text) {
        (Some(tokens), _) => tokens.read().ok()?,
        (None, Some(text)) => {
            let shape = graph.input(graph.tokens()?.into()).ok()?;
            let rows = shape.rows.checked_mul(data.items)?;
            let text = Tensor::from_bytes(shape.dtype, rows, shape.cols, text.read().ok()?);
            file::encode_tensor(&text.ok()?)
        }
        (None, None) => return None,
    };
    checked::checked_tokens(graph, data.items, &data.tokens_root, &bytes).ok()
}

/// The trace of an item, if it has the item root.
pub(crate) fn trace(graph: &Graph<'_>, from: &PublishedTrace, root: &Hash) -> Option<ItemTrace> {
    let outputs = file::decode_trace(&from.trace.read().ok()?).ok()?;
    eval::check_output_shapes(graph, &outputs).ok()?;
    let trace = ItemTrace::new(outputs).ok()?;
    (trace.root() == *root).then_some(trace)
}
