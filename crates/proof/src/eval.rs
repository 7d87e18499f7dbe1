//! Running a graph over whole tensors.

use std::{format, string::String, vec::Vec};

use crate::{
    Error, Tensor, commit,
    graph::{Graph, Op, Operand, SealError},
    hash::Hash,
    ops::cell,
    shape::{DType, Shape},
};

/// What [`run`] lets the outputs of all ops take together.
pub const DEFAULT_MAX_TRACE_BYTES: u64 = 1 << 33;

/// The outputs of all ops, in order; the last one is the graph's result.
///
/// The data are not compared with any root: see [`check_weights`] and [`check_inputs`].
///
/// # Errors
/// A graph that could not have been sealed, batch rows that don't fit it, tensors of other counts or shapes, or outputs
/// above [`DEFAULT_MAX_TRACE_BYTES`].
pub fn run(
    graph: &Graph<'_>,
    batch_rows: u32,
    inputs: &[Tensor],
    weights: &[Tensor],
) -> Result<Vec<Tensor>, Error> {
    run_within(graph, batch_rows, inputs, weights, DEFAULT_MAX_TRACE_BYTES)
}

/// [`run`] with the caller's own limit for the bytes of all outputs.
///
/// # Errors
/// As for [`run`].
pub fn run_within(
    graph: &Graph<'_>,
    batch_rows: u32,
    inputs: &[Tensor],
    weights: &[Tensor],
    max_trace_bytes: u64,
) -> Result<Vec<Tensor>, Error> {
    check_run(graph, batch_rows, inputs, weights)?;
    check_size(graph.trace_bytes(batch_rows)?, max_trace_bytes)?;
    let mut outputs: Vec<Tensor> = Vec::with_capacity(graph.op_count());
    for index in 0..graph.op_count() {
        let operands = Operands {
            inputs,
            weights,
            outputs: &outputs,
        };
        let output = operands.apply(&graph.op(index)?, &graph.output(index)?, batch_rows)?;
        outputs.push(output);
    }
    Ok(outputs)
}

/// What [`run_with_sums`] makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The outputs of all ops, in order.
    pub outputs: Vec<Tensor>,
    /// The i32 sums of every `QLINEAR`, in order: what `MATMUL` would give, before bias and rounding. Published, they save
    /// whoever verifies the run most of its work.
    pub sums: Vec<Tensor>,
}

/// [`run_within`] that keeps the sums of every `QLINEAR`; they count towards the limit.
///
/// # Errors
/// As for [`run`].
pub fn run_with_sums(
    graph: &Graph<'_>,
    batch_rows: u32,
    inputs: &[Tensor],
    weights: &[Tensor],
    max_bytes: u64,
) -> Result<Run, Error> {
    check_run(graph, batch_rows, inputs, weights)?;
    let sums_bytes = sums_bytes(graph, batch_rows)?;
    let bytes = graph.trace_bytes(batch_rows)?.saturating_add(sums_bytes);
    check_size(bytes, max_bytes)?;
    let mut made = Run {
        outputs: Vec::with_capacity(graph.op_count()),
        sums: Vec::new(),
    };
    for index in 0..graph.op_count() {
        let operands = Operands {
            inputs,
            weights,
            outputs: &made.outputs,
        };
        let (op, shape) = (graph.op(index)?, graph.output(index)?);
        let output = match operands.sums(&op, &shape, batch_rows)? {
            Some(sums) => {
                let output = operands.requantise(&op, &sums)?;
                made.sums.push(sums);
                output
            }
            None => operands.apply(&op, &shape, batch_rows)?,
        };
        made.outputs.push(output);
    }
    Ok(made)
}

/// Bytes of the sums of every `QLINEAR`.
///
/// # Errors
/// A graph that could not have been sealed.
pub fn sums_bytes(graph: &Graph<'_>, batch_rows: u32) -> Result<u64, Error> {
    let mut bytes = 0u64;
    for index in 0..graph.op_count() {
        if let Op::QLinear { .. } = graph.op(index)? {
            bytes = bytes.saturating_add(sums_shape(&graph.output(index)?).bytes(batch_rows));
        }
    }
    Ok(bytes)
}

/// The shape of the sums of a `QLINEAR` with this output.
pub(crate) const fn sums_shape(output: &Shape) -> Shape {
    Shape {
        dtype: DType::I32,
        ..*output
    }
}

fn check_run(
    graph: &Graph<'_>,
    batch_rows: u32,
    inputs: &[Tensor],
    weights: &[Tensor],
) -> Result<(), Error> {
    graph.check()?;
    graph.check_batch_rows(batch_rows)?;
    check_input_shapes(graph, batch_rows, inputs)?;
    check_weight_shapes(graph, weights)
}

fn check_size(bytes: u64, limit: u64) -> Result<(), Error> {
    if bytes > limit {
        return Err(Error::TooLarge { bytes, limit });
    }
    Ok(())
}

/// Runs one op on its own, for whoever recomputes a single output: `outputs` are those of the earlier ops.
///
/// # Errors
/// As for [`run`].
pub fn run_op(
    graph: &Graph<'_>,
    index: usize,
    batch_rows: u32,
    inputs: &[Tensor],
    weights: &[Tensor],
    outputs: &[Tensor],
) -> Result<Tensor, Error> {
    check_run(graph, batch_rows, inputs, weights)?;
    check_output_shapes(graph, batch_rows, outputs)?;
    Operands {
        inputs,
        weights,
        outputs,
    }
    .apply(&graph.op(index)?, &graph.output(index)?, batch_rows)
}

/// Whether the tensors have the shapes of the job's inputs.
///
/// # Errors
/// [`Error::Count`], [`Error::Shape`].
pub fn check_input_shapes(
    graph: &Graph<'_>,
    batch_rows: u32,
    inputs: &[Tensor],
) -> Result<(), Error> {
    check_count("inputs", graph.input_count(), inputs)?;
    for (index, tensor) in inputs.iter().enumerate() {
        let operand = Operand::Input(index as u8);
        check_shape(operand, &graph.input(index)?, batch_rows, tensor)?;
    }
    Ok(())
}

/// Whether the tensors have the shapes of the model's weights.
///
/// # Errors
/// [`Error::Count`], [`Error::Shape`].
pub fn check_weight_shapes(graph: &Graph<'_>, weights: &[Tensor]) -> Result<(), Error> {
    check_count("weights", graph.weight_count(), weights)?;
    for (index, tensor) in weights.iter().enumerate() {
        let operand = Operand::Weight(index as u8);
        check_shape(operand, &graph.weight(index)?.shape, 0, tensor)?;
    }
    Ok(())
}

/// Whether the tensors have the shapes of the first ops' outputs (all of them, or fewer).
///
/// # Errors
/// [`Error::Count`] for more than the graph has, [`Error::Shape`].
pub fn check_output_shapes(
    graph: &Graph<'_>,
    batch_rows: u32,
    outputs: &[Tensor],
) -> Result<(), Error> {
    if outputs.len() > graph.op_count() {
        check_count("ops", graph.op_count(), outputs)?;
    }
    for (index, tensor) in outputs.iter().enumerate() {
        let operand = Operand::Op(index as u8);
        check_shape(operand, &graph.output(index)?, batch_rows, tensor)?;
    }
    Ok(())
}

/// Whether the weights are those that the model commits to: shapes and data roots.
///
/// # Errors
/// [`Error::Count`], [`Error::Shape`], [`Error::Root`].
pub fn check_weights(graph: &Graph<'_>, weights: &[Tensor]) -> Result<(), Error> {
    check_weight_shapes(graph, weights)?;
    for (index, tensor) in weights.iter().enumerate() {
        check_root(
            Operand::Weight(index as u8),
            &graph.weight(index)?.root,
            tensor,
        )?;
    }
    Ok(())
}

/// Whether the inputs are those that the job commits to: shapes and data roots.
///
/// # Errors
/// [`Error::Count`], [`Error::Shape`], [`Error::Root`].
pub fn check_inputs(
    graph: &Graph<'_>,
    batch_rows: u32,
    inputs: &[Tensor],
    roots: &[Hash],
) -> Result<(), Error> {
    check_input_shapes(graph, batch_rows, inputs)?;
    if roots.len() != inputs.len() {
        return Err(Error::Count {
            what: "inputs",
            expected: inputs.len(),
            found: roots.len(),
        });
    }
    for (index, (tensor, root)) in inputs.iter().zip(roots).enumerate() {
        check_root(Operand::Input(index as u8), root, tensor)?;
    }
    Ok(())
}

fn check_count(what: &'static str, expected: usize, tensors: &[Tensor]) -> Result<(), Error> {
    if tensors.len() == expected {
        return Ok(());
    }
    Err(Error::Count {
        what,
        expected,
        found: tensors.len(),
    })
}

fn check_shape(
    operand: Operand,
    shape: &Shape,
    batch_rows: u32,
    tensor: &Tensor,
) -> Result<(), Error> {
    let rows = shape.rows.count(batch_rows);
    if (shape.dtype, rows, shape.cols) == (tensor.dtype(), tensor.rows(), tensor.cols()) {
        return Ok(());
    }
    let expected: String = format!("{:?} {rows} x {}", shape.dtype, shape.cols);
    Err(Error::Shape {
        operand,
        expected,
        found: tensor.describe(),
    })
}

fn check_root(operand: Operand, root: &Hash, tensor: &Tensor) -> Result<(), Error> {
    let found = commit::data_root(tensor);
    if found == *root {
        Ok(())
    } else {
        Err(Error::Root { operand, found })
    }
}

/// Rows of `a` that a product takes at a time: they and one row of `b` stay in the nearest cache while `b` streams by.
const ROW_BLOCK: usize = 16;

/// The tensors that ops read.
pub(crate) struct Operands<'t> {
    pub(crate) inputs: &'t [Tensor],
    pub(crate) weights: &'t [Tensor],
    pub(crate) outputs: &'t [Tensor],
}

/// Zeroes for so many bytes, if there is memory for them.
fn zeroes(bytes: u64) -> Result<Vec<u8>, Error> {
    let mut data = Vec::new();
    match usize::try_from(bytes) {
        Ok(len) if data.try_reserve_exact(len).is_ok() => data.resize(len, 0u8),
        _ => {
            return Err(Error::TooLarge {
                bytes,
                limit: isize::MAX as u64,
            });
        }
    }
    Ok(data)
}

impl Operands<'_> {
    pub(crate) fn get(&self, operand: Operand) -> Result<&Tensor, Error> {
        let found = match operand {
            Operand::Op(index) => self.outputs.get(index as usize),
            Operand::Input(index) => self.inputs.get(index as usize),
            Operand::Weight(index) => self.weights.get(index as usize),
        };
        found.ok_or_else(|| SealError::UnknownOperand.into())
    }

    /// Bias and mult of every output column of a `QLINEAR`.
    pub(crate) fn columns(&self, bias: Operand, mult: Operand) -> Result<Vec<(i32, i32)>, Error> {
        let (bias, mult) = (self.get(bias)?.to_i32()?, self.get(mult)?.to_i32()?);
        Ok(bias.into_iter().zip(mult).collect())
    }

    /// The sums of a `QLINEAR`; nothing for other ops. Shapes have been checked.
    fn sums(&self, op: &Op, shape: &Shape, batch_rows: u32) -> Result<Option<Tensor>, Error> {
        match *op {
            Op::QLinear { a, w, .. } => {
                let op = Op::MatMul { a, b: w };
                self.apply(&op, &sums_shape(shape), batch_rows).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// What a `QLINEAR` makes of its sums.
    fn requantise(&self, op: &Op, sums: &Tensor) -> Result<Tensor, Error> {
        let Op::QLinear {
            bias,
            mult,
            shift,
            lo,
            hi,
            ..
        } = *op
        else {
            return Err(SealError::UnknownOpcode.into());
        };
        let columns = self.columns(bias, mult)?;
        let values = sums.row_slices().flat_map(|row| {
            let row = row.as_chunks::<4>().0.iter().zip(&columns);
            row.map(|(sum, (bias, mult))| {
                let sum = i32::from_le_bytes(*sum);
                cell::requantise(sum, *bias, *mult, shift, lo, hi) as u8
            })
        });
        let mut data = zeroes(sums.data().len() as u64 / 4)?;
        for (out, value) in data.iter_mut().zip(values) {
            *out = value;
        }
        Tensor::from_bytes(DType::I8, sums.rows(), sums.cols(), data)
    }

    /// One op; shapes have been checked.
    pub(crate) fn apply(&self, op: &Op, shape: &Shape, batch_rows: u32) -> Result<Tensor, Error> {
        let a = self.get(op.a())?;
        let mut data = zeroes(shape.bytes(batch_rows))?;
        match *op {
            Op::MatMul { b, .. } => {
                product(a, self.get(b)?, &mut data, |out: &mut [u8; 4], _, a, b| {
                    *out = cell::matmul(a, b).to_le_bytes();
                });
            }
            Op::QLinear {
                w,
                bias,
                mult,
                shift,
                lo,
                hi,
                ..
            } => {
                let columns = self.columns(bias, mult)?;
                product(a, self.get(w)?, &mut data, |out: &mut [u8; 1], j, a, w| {
                    let (bias, mult) = columns.get(j).copied().unwrap_or_default();
                    *out = [cell::qlinear(a, w, bias, mult, shift, lo, hi) as u8];
                });
            }
            Op::Lut { table, .. } => {
                let table = self.get(table)?.data();
                if let Some(table) = table.first_chunk::<256>() {
                    for (out, a) in data.iter_mut().zip(a.data()) {
                        *out = cell::lut(*a as i8, table) as u8;
                    }
                }
            }
            Op::Add { b, .. } => {
                for ((out, a), b) in data.iter_mut().zip(a.data()).zip(self.get(b)?.data()) {
                    *out = cell::add(*a as i8, *b as i8) as u8;
                }
            }
            Op::ArgMax { .. } => {
                let argmax = match a.dtype() {
                    DType::I8 => cell::argmax_i8,
                    DType::I32 => cell::argmax_i32,
                };
                for (out, row) in data.as_chunks_mut::<4>().0.iter_mut().zip(a.row_slices()) {
                    *out = argmax(row).to_le_bytes();
                }
            }
        }
        Tensor::from_bytes(shape.dtype, shape.rows.count(batch_rows), shape.cols, data)
    }
}

/// Calls `cell(out, j, row i of a, row j of b)` for every cell of a product; an output value takes `SIZE` bytes.
#[inline]
fn product<const SIZE: usize>(
    a: &Tensor,
    b: &Tensor,
    data: &mut [u8],
    cell: impl Fn(&mut [u8; SIZE], usize, &[u8], &[u8]),
) {
    let k = a.geometry().row_bytes() as usize;
    let out_row_bytes = b.rows() as usize * SIZE;
    let blocks = data
        .chunks_mut(out_row_bytes * ROW_BLOCK)
        .zip(a.data().chunks(k * ROW_BLOCK));
    for (out_block, a_block) in blocks {
        for (j, b_row) in b.row_slices().enumerate() {
            for (out_row, a_row) in out_block
                .chunks_exact_mut(out_row_bytes)
                .zip(a_block.chunks_exact(k))
            {
                if let Some(out) = out_row.as_chunks_mut::<SIZE>().0.get_mut(j) {
                    cell(out, j, a_row, b_row);
                }
            }
        }
    }
}
