//! Whether the published results of an item are what the graph computes.
//!
//! Every op is computed again from the *claimed* results of the ops before it, as the chain judges. Ops are compared in order
//! and cells by stored rows, so what is found is the first wrong cell of all: one charge against it convicts, and needs nothing
//! of the item but its published results. There is no cheaper test of a product: `docs/decisions/041` says why.
//!
//! Without a published trace, checking an item costs the same: [`Batch::item`], and one comparison of item roots.

use crate::{Error, Tensor, eval::Batch, evidence::Charge, ops::Record, witness::charge_cell};

/// Looks for the first cell of the published results of an item that does not follow from the others. `None` is certain, too:
/// every cell was computed.
///
/// Nothing is compared with a root: whether the results are those that were committed to ([`crate::commit::ItemTrace::root`]),
/// and inputs and weights the right ones, is for the caller to check before.
///
/// # Errors
/// Results of other counts or shapes, [`Error::NoSuchItem`].
pub fn first_wrong(
    batch: &Batch<'_>,
    item: u32,
    outputs: &[Tensor],
) -> Result<Option<Charge>, Error> {
    batch.check_outputs(outputs)?;
    for (op, claimed) in (0..).zip(outputs) {
        let right = batch.op(item, op, outputs)?;
        let record = batch.graph().record(op.into())?;
        let Some((row, col)) = first_difference(&record, &right, claimed) else {
            continue;
        };
        let values = claimed.value(row, col).zip(right.value(row, col));
        let values = values.ok_or(Error::NoSuchPosition)?;
        return charge_cell(batch.graph(), (op, item), (row, col), values).map(Some);
    }
    Ok(None)
}

/// The first cell, by stored rows, in which two results of an op differ.
fn first_difference(record: &Record, right: &Tensor, claimed: &Tensor) -> Option<(u32, u32)> {
    let (right, claimed) = (right.data(), claimed.data());
    // Whole tensors first: comparing bytes is what a processor does fastest.
    if right == claimed {
        return None;
    }
    let byte = right.iter().zip(claimed).position(|(x, y)| x != y)?;
    let cell = (byte / record.dtype.size() as usize) as u32;
    Some((cell / record.cols, cell % record.cols))
}
