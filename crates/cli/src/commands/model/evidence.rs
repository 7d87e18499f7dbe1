//! How large the evidence against a cell of each op is, and about how many compute units judging it takes.

use {
    quern_proof::{
        Hash,
        evidence::Charge,
        graph::Graph,
        node::NodeId,
        ops::Op,
        witness::{self, Openings},
    },
    std::collections::BTreeSet,
};

/// Openings of a trace in which every byte is the same: evidence is as long as that of real values.
struct Blank(u8);

impl Openings for Blank {
    fn node(&self, _: NodeId) -> Option<Hash> {
        Some([self.0; 32])
    }

    fn leaf(&self, _: NodeId) -> Option<[u8; 128]> {
        Some([self.0; 128])
    }
}

/// The dearest of the cells at the ends and in the middle of an op.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dearest {
    /// Bytes of evidence.
    pub bytes: u64,
    /// About how many compute units it takes to judge them.
    pub compute_units: u64,
}

/// The dearest cell of an op in a job with these items.
///
/// # Errors
/// A graph that could not be sealed, or more items than fit it.
pub fn dearest(graph: &Graph<'_>, items: u32, index: u16) -> Result<Dearest, quern_proof::Error> {
    let (op, shape) = (graph.op(index.into())?, graph.output(index.into())?);
    // A negative prompt makes FEEDBACK read on.
    let blank = Blank(if matches!(op, Op::Feedback(_)) {
        0xff
    } else {
        0
    });
    let ends = |count: u32| BTreeSet::from([0, count / 2, count - 1]);
    let mut bytes = 0;
    for row in ends(shape.rows) {
        for col in ends(shape.cols) {
            let at = match op {
                Op::ArgMax(op) => graph.shape(op.a)?.cols - 1,
                _ => 0,
            };
            let charge = Charge::Cell {
                op: index,
                row,
                col,
                at,
            };
            let evidence = witness::evidence(graph, items, &charge, &blank)?;
            bytes = bytes.max(evidence.len() as u64);
        }
    }
    let compute_units = units(bytes, op.name(), read(graph, &op)?);
    Ok(Dearest {
        bytes,
        compute_units,
    })
}

/// How many values of `a` the arithmetic of a cell goes over: K, or the length of a group.
fn read(graph: &Graph<'_>, op: &Op) -> Result<u64, quern_proof::Error> {
    let (a, groups) = match op {
        Op::Dot(dot) => (dot.product.a, dot.product.groups),
        Op::Norm(norm) => (norm.a, norm.groups),
        Op::Softmax(softmax) => (softmax.a, softmax.groups),
        Op::Mix(_) | Op::Lut(_) | Op::Gather(_) | Op::ArgMax(_) | Op::Feedback(_) => return Ok(0),
    };
    let cols = u64::from(graph.shape(a)?.cols);
    Ok(cols / u64::from(groups.max(1)))
}

/// About how many compute units `convict` takes: fitted to the tables of docs/BENCHMARKS.md, which a test compares.
fn units(bytes: u64, op: &str, values: u64) -> u64 {
    let for_values = match op {
        "DOT" => 400 + values * 17 / 10,
        "NORM" | "SOFTMAX" => values * 25,
        _ => 0,
    };
    // Evidence is mostly siblings: a hash for 32 bytes.
    2_600 + bytes * 56 / 10 + for_values
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn estimates_are_near_what_was_measured() {
        let page = include_str!("../../../../../docs/BENCHMARKS.md");
        let (_, table) = page.split_once("<!-- minilm: begin -->").unwrap();
        let (table, _) = table.split_once("<!-- minilm: end -->").unwrap();
        let mut seen = 0;
        for row in table.lines().filter(|line| line.contains("(op ")) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let number = |text: &str| text.replace(',', "").parse::<u64>().unwrap();
            let (bytes, measured) = (number(cells[3]), number(cells[4]));
            let name = cells[1].split([' ', ',']).next().unwrap();
            // "DOT, K = 1,552 (op 80)", "NORM of 384 (op 2)".
            let values = cells[1].split(" (op").next().unwrap();
            let values = values
                .split([' '])
                .find_map(|word| word.trim_end_matches(',').replace(',', "").parse().ok());
            let estimated = units(bytes, name, values.unwrap_or_default());
            let percent = estimated.abs_diff(measured) * 100 / measured;
            assert!(percent <= 12, "{row}: {estimated}");
            seen += 1;
        }
        assert!(seen >= 6, "{table}");
    }
}
