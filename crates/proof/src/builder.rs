//! Building a graph so that it reads like what it computes.

use std::vec::Vec;

use crate::{
    Tensor, commit,
    graph::{self, Counts, Graph},
    hash::Hash,
    limits::{MAX_INPUTS, MAX_OPS, MAX_WEIGHTS},
    node::Operand,
    ops::{Add, ArgMax, Lut, MatMul, Op, QLinear},
    refusal::{Fault, SealError},
    shape::{DType, Rows, Shape},
};

/// Collects the records of a graph. Every method returns the operand that later ops name; [`GraphBuilder::finish`]
/// checks everything.
///
/// ```
/// use quern_proof::{DType, Tensor, builder::GraphBuilder};
///
/// let w = Tensor::from_i8(2, 3, &[1, 2, 3, -1, -2, -3])?;
/// let mut b = GraphBuilder::new();
/// let x = b.input_batch(DType::I8, 3);
/// let w = b.weight(&w);
/// let logits = b.matmul(x, w);
/// b.argmax(logits);
/// let bytes = b.finish()?;
/// assert_eq!(quern_proof::graph::seal(&bytes)?.per_row, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct GraphBuilder {
    inputs: Vec<[u8; graph::INPUT_BYTES]>,
    weights: Vec<[u8; graph::WEIGHT_BYTES]>,
    ops: Vec<Op>,
}

/// An index that stays out of bounds where it doesn't fit, so that `finish` refuses it.
fn index_of(count: usize) -> u8 {
    u8::try_from(count).unwrap_or(u8::MAX)
}

impl GraphBuilder {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// An input with the job's batch rows.
    pub fn input_batch(&mut self, dtype: DType, cols: u32) -> Operand {
        self.input(dtype, Rows::Batch, cols)
    }

    /// An input with a fixed number of rows.
    pub fn input_fixed(&mut self, dtype: DType, rows: u32, cols: u32) -> Operand {
        self.input(dtype, Rows::Fixed(rows), cols)
    }

    fn input(&mut self, dtype: DType, rows: Rows, cols: u32) -> Operand {
        let shape = Shape { dtype, rows, cols };
        self.inputs.push(graph::encode_input(shape));
        Operand::Input(index_of(self.inputs.len() - 1))
    }

    /// A weight, committed to by its data.
    pub fn weight(&mut self, tensor: &Tensor) -> Operand {
        self.weight_root(
            tensor.dtype(),
            tensor.rows(),
            tensor.cols(),
            &commit::data_root(tensor),
        )
    }

    /// A weight whose data root is known.
    pub fn weight_root(&mut self, dtype: DType, rows: u32, cols: u32, root: &Hash) -> Operand {
        self.weights
            .push(graph::encode_weight(dtype, rows, cols, root));
        Operand::Weight(index_of(self.weights.len() - 1))
    }

    /// Any op.
    pub fn op(&mut self, op: impl Into<Op>) -> Operand {
        self.ops.push(op.into());
        Operand::Op(index_of(self.ops.len() - 1))
    }

    /// `MATMUL`; `b` is stored by output column.
    pub fn matmul(&mut self, a: Operand, b: Operand) -> Operand {
        self.op(MatMul { a, b })
    }

    /// `QLINEAR`; `w` is N x K, `bias` and `mult` are 1 x N, results lie between `lo` and `hi`.
    #[allow(clippy::too_many_arguments)]
    pub fn qlinear(
        &mut self,
        a: Operand,
        w: Operand,
        bias: Operand,
        mult: Operand,
        shift: u8,
        lo: i8,
        hi: i8,
    ) -> Operand {
        self.op(QLinear {
            a,
            w,
            bias,
            mult,
            shift,
            lo,
            hi,
        })
    }

    /// `LUT`; the table is 1 x 256.
    pub fn lut(&mut self, a: Operand, table: Operand) -> Operand {
        self.op(Lut { a, table })
    }

    /// `ADD`.
    pub fn add(&mut self, a: Operand, b: Operand) -> Operand {
        self.op(Add { a, b })
    }

    /// `ARGMAX`.
    pub fn argmax(&mut self, a: Operand) -> Operand {
        self.op(ArgMax { a })
    }

    /// The bytes, whether `seal` would take them or not.
    ///
    /// # Errors
    /// More inputs, weights or ops than the header can count.
    pub fn bytes(&self) -> Result<Vec<u8>, SealError> {
        if self.inputs.len() > MAX_INPUTS {
            return Err(SealError::TooManyInputs);
        }
        if self.weights.len() > MAX_WEIGHTS {
            return Err(SealError::TooManyWeights);
        }
        if self.ops.len() > MAX_OPS {
            return Err(SealError::TooManyOps);
        }
        let (inputs, weights, ops) = (
            index_of(self.inputs.len()),
            index_of(self.weights.len()),
            index_of(self.ops.len()),
        );
        let mut bytes = Vec::with_capacity(graph::len(inputs, weights, ops));
        bytes.extend(graph::encode_header(Counts {
            inputs,
            weights,
            ops,
        }));
        bytes.extend(self.inputs.iter().flatten());
        bytes.extend(self.weights.iter().flatten());
        bytes.extend(self.ops.iter().flat_map(Op::encode));
        Ok(bytes)
    }

    /// The bytes, checked as `seal` will check them.
    ///
    /// # Errors
    /// The first rule that the graph breaks, and where.
    pub fn finish(&self) -> Result<Vec<u8>, Fault> {
        let bytes = self.bytes()?;
        Graph::parse(&bytes)?.check()?;
        Ok(bytes)
    }
}
