//! The records of a graph, to and from bytes.

use crate::{
    hash::Hash,
    limits::{MAX_DIM, MAX_INPUTS, MAX_OPS, MAX_WEIGHTS},
    ops::OP_BYTES,
    refusal::SealError,
    shape::{DType, Rows, Shape},
};

/// The version in the header.
pub const VERSION: u8 = 1;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 8;
/// Bytes of an input's record.
pub const INPUT_BYTES: usize = 12;
/// Bytes of a weight's record.
pub const WEIGHT_BYTES: usize = 44;

/// The largest possible graph.
pub const MAX_BYTES: usize =
    HEADER_BYTES + MAX_INPUTS * INPUT_BYTES + MAX_WEIGHTS * WEIGHT_BYTES + MAX_OPS * OP_BYTES;
/// The smallest graph that `seal` accepts: one input, one op.
pub const MIN_BYTES: usize = HEADER_BYTES + INPUT_BYTES + OP_BYTES;

/// A weight tensor of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Its shape; the rows are fixed.
    pub shape: Shape,
    /// The root of its data.
    pub root: Hash,
}

/// How many records a graph has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub inputs: u8,
    pub weights: u8,
    pub ops: u8,
}

/// The length of a graph with these counts.
pub const fn len(inputs: u8, weights: u8, ops: u8) -> usize {
    HEADER_BYTES
        + inputs as usize * INPUT_BYTES
        + weights as usize * WEIGHT_BYTES
        + ops as usize * OP_BYTES
}

/// The counts in the header of a graph that has exactly the length that they imply.
pub(super) fn decode_header(graph: &[u8]) -> Result<Counts, SealError> {
    let Some([version, inputs, weights, ops, reserved @ ..]) = graph.first_chunk::<HEADER_BYTES>()
    else {
        return Err(SealError::BadLength);
    };
    let (inputs, weights, ops) = (*inputs, *weights, *ops);
    if *version != VERSION {
        return Err(SealError::UnknownVersion);
    }
    if *reserved != [0; 4] {
        return Err(SealError::ReservedNotZero);
    }
    if inputs as usize > MAX_INPUTS {
        return Err(SealError::TooManyInputs);
    }
    if weights as usize > MAX_WEIGHTS {
        return Err(SealError::TooManyWeights);
    }
    if ops as usize > MAX_OPS {
        return Err(SealError::TooManyOps);
    }
    if ops == 0 {
        return Err(SealError::NoOps);
    }
    if graph.len() != len(inputs, weights, ops) {
        return Err(SealError::BadLength);
    }
    Ok(Counts {
        inputs,
        weights,
        ops,
    })
}

/// The shape in an input's record.
pub(super) fn decode_input(record: &[u8; INPUT_BYTES]) -> Result<Shape, SealError> {
    let [dtype, kind, reserved @ .., r0, r1, r2, r3, c0, c1, c2, c3] = *record;
    if reserved != [0; 2] {
        return Err(SealError::ReservedNotZero);
    }
    let rows = u32::from_le_bytes([r0, r1, r2, r3]);
    let rows = match (kind, rows) {
        (0, rows) => Rows::Fixed(rows),
        (1, 0) => Rows::Batch,
        (1, _) => return Err(SealError::BatchInputHasRows),
        _ => return Err(SealError::UnknownRowsKind),
    };
    shape(dtype, rows, u32::from_le_bytes([c0, c1, c2, c3]))
}

/// The shape in a weight's record, and the bytes of its root: a copy would cost on chain.
pub(super) fn decode_weight(record: &[u8; WEIGHT_BYTES]) -> Result<(Shape, &Hash), SealError> {
    let Some((head, root)) = record.split_first_chunk::<12>() else {
        return Err(SealError::BadLength);
    };
    let root: &Hash = root.first_chunk().ok_or(SealError::BadLength)?;
    let [dtype, x, y, z, r0, r1, r2, r3, c0, c1, c2, c3] = *head;
    if [x, y, z] != [0; 3] {
        return Err(SealError::ReservedNotZero);
    }
    let rows = Rows::Fixed(u32::from_le_bytes([r0, r1, r2, r3]));
    let shape = shape(dtype, rows, u32::from_le_bytes([c0, c1, c2, c3]))?;
    Ok((shape, root))
}

fn shape(dtype: u8, rows: Rows, cols: u32) -> Result<Shape, SealError> {
    let dtype = DType::from_code(dtype).ok_or(SealError::UnknownDType)?;
    if cols == 0 || rows == Rows::Fixed(0) {
        return Err(SealError::EmptyTensor);
    }
    if cols > MAX_DIM || matches!(rows, Rows::Fixed(rows) if rows > MAX_DIM) {
        return Err(SealError::TensorTooLarge);
    }
    Ok(Shape { dtype, rows, cols })
}

/// The header of a graph with these counts.
#[cfg(feature = "std")]
pub(crate) const fn encode_header(counts: Counts) -> [u8; HEADER_BYTES] {
    let Counts {
        inputs,
        weights,
        ops,
    } = counts;
    [VERSION, inputs, weights, ops, 0, 0, 0, 0]
}

/// The record of an input.
#[cfg(feature = "std")]
pub(crate) const fn encode_input(shape: Shape) -> [u8; INPUT_BYTES] {
    let (kind, rows) = match shape.rows {
        Rows::Fixed(rows) => (0, rows),
        Rows::Batch => (1, 0),
    };
    let ([r0, r1, r2, r3], [c0, c1, c2, c3]) = (rows.to_le_bytes(), shape.cols.to_le_bytes());
    let dtype = shape.dtype as u8;
    [dtype, kind, 0, 0, r0, r1, r2, r3, c0, c1, c2, c3]
}

/// The record of a weight; `rows` are fixed.
#[cfg(feature = "std")]
pub(crate) fn encode_weight(dtype: DType, rows: u32, cols: u32, root: &Hash) -> [u8; WEIGHT_BYTES] {
    let ([r0, r1, r2, r3], [c0, c1, c2, c3]) = (rows.to_le_bytes(), cols.to_le_bytes());
    let head = [dtype as u8, 0, 0, 0, r0, r1, r2, r3, c0, c1, c2, c3];
    let mut record = [0; WEIGHT_BYTES];
    for (to, from) in record.iter_mut().zip(head.iter().chain(root)) {
        *to = *from;
    }
    record
}
