//! The watcher's and the provider's side of a dispute: openings of commitments, evidence for a charge, and the search for
//! the first difference where the data are withheld.

mod patched;
mod whole;
mod write;

pub use patched::{Known, Patched, Step, TokensStep};
pub use whole::Whole;
pub use write::{Openings, answer, evidence};

use crate::{
    Error,
    evidence::Charge,
    graph::Graph,
    ops::{ArgMax, Op},
};

/// The charge against a cell of an op in an item that should hold `right` and holds `claimed`. `row` is that in the item, as
/// stored.
///
/// # Errors
/// [`Error::Graph`] for an op that the graph does not have.
pub fn charge_cell(
    graph: &Graph<'_>,
    (op, item): (u16, u32),
    (row, col): (u32, u32),
    (claimed, right): (i32, i32),
) -> Result<Charge, Error> {
    let shape = graph.output(op.into())?;
    let row = shape.rows.saturating_mul(item).saturating_add(row);
    let at = counterexample(graph, op, claimed, right)?;
    Ok(Charge::Cell { op, row, col, at })
}

/// The column that proves a claim of ARGMAX wrong; 0 for other ops.
fn counterexample(graph: &Graph<'_>, op: u16, claimed: i32, right: i32) -> Result<u32, Error> {
    match graph.op(op.into())? {
        Op::ArgMax(op) => {
            let cols = graph.shape(op.a)?.cols;
            Ok(ArgMax::counterexample(claimed, right, cols))
        }
        _ => Ok(0),
    }
}
