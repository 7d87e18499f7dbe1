//! How large the evidence against a cell of each op is, and about how many compute units judging it takes.

use {
    quern_proof::{
        Hash,
        evidence::Charge,
        graph::Graph,
        node::{NodeId, Operand},
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
    let compute_units = CONVICT + bytes * HASHED / 100 + arithmetic(graph, &op)? / 100;
    Ok(Dearest {
        bytes,
        compute_units,
    })
}

/// What `convict` takes without its evidence.
const CONVICT: u64 = 4_500;
/// Hundredths of a compute unit for a byte of evidence: reading and hashing it.
const HASHED: u64 = 310;

/// Hundredths of compute units for the op's own arithmetic. Measured on the built program: docs/BENCHMARKS.md.
fn arithmetic(graph: &Graph<'_>, op: &Op) -> Result<u64, quern_proof::Error> {
    let cols = |operand: Operand| -> Result<u64, quern_proof::Error> {
        Ok(graph.shape(operand)?.cols.into())
    };
    Ok(match op {
        Op::Dot(dot) => {
            let product = &dot.product;
            let inner = cols(product.a)? / u64::from(product.groups.max(1));
            let size = u64::from(graph.shape(product.a)?.dtype.size());
            inner * if size == 1 { 620 } else { 1_000 }
        }
        Op::Norm(norm) => cols(norm.a)? / u64::from(norm.groups.max(1)) * 4_500,
        Op::Softmax(softmax) => cols(softmax.a)? / u64::from(softmax.groups.max(1)) * 7_500,
        Op::Mix(_) | Op::Lut(_) | Op::Gather(_) | Op::ArgMax(_) | Op::Feedback(_) => 0,
    })
}
