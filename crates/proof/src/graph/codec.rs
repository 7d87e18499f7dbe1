//! The records of a graph, to and from bytes.

use crate::{
    hash::Hash,
    limits::{MAX_INPUTS, MAX_OPS, MAX_WEIGHTS},
    node::NO_OPERAND,
    ops::OP_BYTES,
    ops::record::check_extent,
    refusal::SealError,
    shape::{DType, Scope, Shape},
};

/// The version in the header.
pub const VERSION: u8 = 2;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 16;
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
    /// Its shape, which is fixed.
    pub shape: Shape,
    /// The root of its data.
    pub root: Hash,
}

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub inputs: u8,
    pub weights: u16,
    pub ops: u16,
    /// The code of the input that the provider gives, or none.
    pub tokens: u16,
    /// The code of the op that ties the tokens to what was computed, or none.
    pub feedback: u16,
}

/// The length of a graph with these counts.
pub const fn len(inputs: u8, weights: u16, ops: u16) -> usize {
    HEADER_BYTES
        + inputs as usize * INPUT_BYTES
        + weights as usize * WEIGHT_BYTES
        + ops as usize * OP_BYTES
}

/// The header of a graph that has exactly the length that it implies.
pub(super) fn decode_header(graph: &[u8]) -> Result<Header, SealError> {
    let Some(
        [
            version,
            inputs,
            w0,
            w1,
            o0,
            o1,
            t0,
            t1,
            f0,
            f1,
            reserved @ ..,
        ],
    ) = graph.first_chunk::<HEADER_BYTES>()
    else {
        return Err(SealError::BadLength);
    };
    let header = Header {
        inputs: *inputs,
        weights: u16::from_le_bytes([*w0, *w1]),
        ops: u16::from_le_bytes([*o0, *o1]),
        tokens: u16::from_le_bytes([*t0, *t1]),
        feedback: u16::from_le_bytes([*f0, *f1]),
    };
    if *version != VERSION {
        return Err(SealError::UnknownVersion);
    }
    if *reserved != [0; 6] {
        return Err(SealError::ReservedNotZero);
    }
    if header.inputs as usize > MAX_INPUTS {
        return Err(SealError::TooManyInputs);
    }
    if header.weights as usize > MAX_WEIGHTS {
        return Err(SealError::TooManyWeights);
    }
    if header.ops as usize > MAX_OPS {
        return Err(SealError::TooManyOps);
    }
    if header.ops == 0 {
        return Err(SealError::NoOps);
    }
    if graph.len() != len(header.inputs, header.weights, header.ops) {
        return Err(SealError::BadLength);
    }
    if (header.tokens == NO_OPERAND) != (header.feedback == NO_OPERAND) {
        return Err(SealError::TokensAlone);
    }
    Ok(header)
}

/// The shape in an input's record.
pub(super) fn decode_input(record: &[u8; INPUT_BYTES]) -> Result<Shape, SealError> {
    let [dtype, scope, reserved @ .., r0, r1, r2, r3, c0, c1, c2, c3] = *record;
    if reserved != [0; 2] {
        return Err(SealError::ReservedNotZero);
    }
    let scope = match scope {
        0 => Scope::Fixed,
        1 => Scope::Item,
        _ => return Err(SealError::UnknownScope),
    };
    let rows = u32::from_le_bytes([r0, r1, r2, r3]);
    shape(dtype, scope, rows, u32::from_le_bytes([c0, c1, c2, c3]))
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
    let rows = u32::from_le_bytes([r0, r1, r2, r3]);
    let shape = shape(
        dtype,
        Scope::Fixed,
        rows,
        u32::from_le_bytes([c0, c1, c2, c3]),
    )?;
    Ok((shape, root))
}

fn shape(dtype: u8, scope: Scope, rows: u32, cols: u32) -> Result<Shape, SealError> {
    let dtype = DType::from_code(dtype).ok_or(SealError::UnknownDType)?;
    check_extent(rows, cols)?;
    Ok(Shape {
        dtype,
        scope,
        rows,
        cols,
    })
}

/// The bytes of a header.
#[cfg(feature = "std")]
pub(crate) const fn encode_header(header: &Header) -> [u8; HEADER_BYTES] {
    let ([w0, w1], [o0, o1]) = (header.weights.to_le_bytes(), header.ops.to_le_bytes());
    let ([t0, t1], [f0, f1]) = (header.tokens.to_le_bytes(), header.feedback.to_le_bytes());
    [
        VERSION,
        header.inputs,
        w0,
        w1,
        o0,
        o1,
        t0,
        t1,
        f0,
        f1,
        0,
        0,
        0,
        0,
        0,
        0,
    ]
}

/// The record of an input.
#[cfg(feature = "std")]
pub(crate) const fn encode_input(shape: Shape) -> [u8; INPUT_BYTES] {
    let ([r0, r1, r2, r3], [c0, c1, c2, c3]) = (shape.rows.to_le_bytes(), shape.cols.to_le_bytes());
    let (dtype, scope) = (shape.dtype as u8, shape.scope as u8);
    [dtype, scope, 0, 0, r0, r1, r2, r3, c0, c1, c2, c3]
}

/// The record of a weight.
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
