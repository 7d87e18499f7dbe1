//! Running a graph over whole tensors.

use std::{format, string::String, vec::Vec};

use crate::{
    Error, Tensor, commit,
    graph::Graph,
    hash::Hash,
    limits::DEFAULT_MAX_TRACE_BYTES,
    node::Operand,
    ops::{Op, Product, Tensors, product},
    shape::{DType, Shape},
};

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
        let tensors = Tensors {
            inputs,
            weights,
            outputs: &outputs,
        };
        let (op, shape) = (graph.op(index)?, graph.output(index)?);
        let output = apply(&tensors, &op, &shape, batch_rows)?;
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
    /// a verifier most of its work.
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
        let tensors = Tensors {
            inputs,
            weights,
            outputs: &made.outputs,
        };
        let (op, shape) = (graph.op(index)?, graph.output(index)?);
        let output = match apply_by_sums(&tensors, &op, &shape, batch_rows)? {
            Some((sums, output)) => {
                made.sums.push(sums);
                output
            }
            None => apply(&tensors, &op, &shape, batch_rows)?,
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
        if graph.op(index)?.scale().is_some() {
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

/// Runs one op on its own, to recompute a single output; `outputs` are those of the earlier ops.
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
    let tensors = Tensors {
        inputs,
        weights,
        outputs,
    };
    let (op, shape) = (graph.op(index)?, graph.output(index)?);
    apply(&tensors, &op, &shape, batch_rows)
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

/// Zeroes, if there is memory for them.
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

/// The output of one op; shapes have been checked.
pub(crate) fn apply(
    tensors: &Tensors<'_>,
    op: &Op,
    shape: &Shape,
    batch_rows: u32,
) -> Result<Tensor, Error> {
    let mut data = zeroes(shape.bytes(batch_rows))?;
    op.whole(tensors, &mut data)?;
    Tensor::from_bytes(shape.dtype, shape.rows.count(batch_rows), shape.cols, data)
}

/// The i32 sums of an op that scales them, and the output that it makes of them; nothing for other ops. Shapes have been
/// checked.
fn apply_by_sums(
    tensors: &Tensors<'_>,
    op: &Op,
    shape: &Shape,
    batch_rows: u32,
) -> Result<Option<(Tensor, Tensor)>, Error> {
    let Some(Product {
        a,
        b,
        scale: Some(scale),
    }) = op.product()
    else {
        return Ok(None);
    };
    let (rows, sums_shape) = (shape.rows.count(batch_rows), sums_shape(shape));
    let mut data = zeroes(sums_shape.bytes(batch_rows))?;
    product::sums(tensors.get(a)?, tensors.get(b)?, &mut data);
    let sums = Tensor::from_bytes(sums_shape.dtype, rows, shape.cols, data)?;

    let columns = scale.columns(tensors)?;
    let values = sums.row_slices().flat_map(|row| {
        let row = row.as_chunks::<4>().0.iter().zip(&columns);
        row.map(|(sum, (bias, mult))| scale.apply(i32::from_le_bytes(*sum), *bias, *mult))
    });
    let mut data = zeroes(shape.bytes(batch_rows))?;
    for (out, value) in data.iter_mut().zip(values) {
        *out = value as u8;
    }
    let output = Tensor::from_bytes(shape.dtype, rows, shape.cols, data)?;
    Ok(Some((sums, output)))
}
