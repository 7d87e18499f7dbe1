//! Files: tensors, bundles of tensors, the trace of one item, and what is published of an answer.
//!
//! | file | bytes |
//! | --- | --- |
//! | tensor | "QTEN", version u8 = 2, dtype u8, reserved 2, rows u32, cols u32, then the values, row by row |
//! | bundle | tensors one after the other (a model's weights in the graph's order) |
//! | trace of an item | "QTRC", version u8 = 2, reserved 1, ops u16, then the results of all ops in the item as tensors |
//! | roots | for each item 32 bytes item root, then ceil(log2 ops) siblings from the last op's data root, bottom-up |
//! | result | the last op's rows as stored, item by item |
//!
//! Roots and result have no header: graph and items say how long they are, and [`crate::published`] reads them.
//!
//! Decoding is strict: every byte is used, reserved bytes are zero, and nothing is allocated by a length that the file
//! only claims.

use std::vec::Vec;

use crate::{
    Error, Tensor,
    graph::Graph,
    limits::MAX_OPS,
    shape::{DType, Geometry},
};

/// The first bytes of a tensor.
pub const TENSOR_MAGIC: [u8; 4] = *b"QTEN";
/// The first bytes of an item's trace.
pub const TRACE_MAGIC: [u8; 4] = *b"QTRC";
/// The version of both formats.
pub const FILE_VERSION: u8 = 2;
/// Bytes before a tensor's values.
pub const TENSOR_HEADER_BYTES: usize = 16;
/// Bytes before a trace's first tensor.
pub const TRACE_HEADER_BYTES: usize = 8;

impl<'a> Graph<'a> {
    /// The graph in a file or an account: [`Graph::parse`] with this crate's error.
    ///
    /// # Errors
    /// [`Error::Graph`].
    pub fn load(bytes: &'a [u8]) -> Result<Self, Error> {
        Ok(Self::parse(bytes)?)
    }
}

/// The file of one tensor.
pub fn encode_tensor(tensor: &Tensor) -> Vec<u8> {
    let mut out = Vec::with_capacity(TENSOR_HEADER_BYTES + tensor.data().len());
    append_tensor(&mut out, tensor);
    out
}

fn append_tensor(out: &mut Vec<u8>, tensor: &Tensor) {
    out.extend(TENSOR_MAGIC);
    out.extend([FILE_VERSION, tensor.dtype() as u8, 0, 0]);
    out.extend(tensor.rows().to_le_bytes());
    out.extend(tensor.cols().to_le_bytes());
    out.extend(tensor.data());
}

/// The file of several tensors.
pub fn encode_bundle(tensors: &[Tensor]) -> Vec<u8> {
    let mut out = Vec::new();
    for tensor in tensors {
        append_tensor(&mut out, tensor);
    }
    out
}

/// The file of an item's trace: the results of all ops, in order.
///
/// # Errors
/// [`Error::Count`] without outputs or with more than 1,024.
pub fn encode_trace(outputs: &[Tensor]) -> Result<Vec<u8>, Error> {
    let ops = match u16::try_from(outputs.len()) {
        Ok(ops @ 1..) if usize::from(ops) <= MAX_OPS => ops,
        _ => {
            return Err(Error::Count {
                what: "ops",
                expected: outputs.len().clamp(1, MAX_OPS),
                found: outputs.len(),
            });
        }
    };
    let mut out = Vec::new();
    out.extend(TRACE_MAGIC);
    out.extend([FILE_VERSION, 0]);
    out.extend(ops.to_le_bytes());
    for tensor in outputs {
        append_tensor(&mut out, tensor);
    }
    Ok(out)
}

/// The tensor at the start of `bytes` and what follows it.
fn split_tensor<'b>(what: &'static str, bytes: &'b [u8]) -> Result<(Tensor, &'b [u8]), Error> {
    let fail = |why| Error::File { what, why };
    let Some((header, rest)) = bytes.split_first_chunk::<TENSOR_HEADER_BYTES>() else {
        return Err(fail("it ends within a tensor's header"));
    };
    let [
        m0,
        m1,
        m2,
        m3,
        version,
        dtype,
        x,
        y,
        r0,
        r1,
        r2,
        r3,
        c0,
        c1,
        c2,
        c3,
    ] = *header;
    if [m0, m1, m2, m3] != TENSOR_MAGIC {
        return Err(fail("a tensor does not start with QTEN"));
    }
    if version != FILE_VERSION {
        return Err(fail("a tensor has an unknown version"));
    }
    if [x, y] != [0; 2] {
        return Err(fail("a tensor's reserved bytes are not zero"));
    }
    let dtype = DType::from_code(dtype).ok_or(fail("a tensor has an unknown dtype"))?;
    let rows = u32::from_le_bytes([r0, r1, r2, r3]);
    let cols = u32::from_le_bytes([c0, c1, c2, c3]);
    // Bounds first: the length of a tensor within them can't overflow.
    let shape = Geometry::new(dtype, rows, cols).ok_or(Error::Dimensions { rows, cols })?;
    let len = u64::from(shape.row_bytes()) * u64::from(rows);
    let (data, rest) = usize::try_from(len)
        .ok()
        .and_then(|len| rest.split_at_checked(len))
        .ok_or(fail("it ends within a tensor's values"))?;
    Ok((Tensor::from_bytes(dtype, rows, cols, data.to_vec())?, rest))
}

/// The tensor in a file.
///
/// # Errors
/// [`Error::File`], [`Error::Dimensions`].
pub fn decode_tensor(bytes: &[u8]) -> Result<Tensor, Error> {
    const WHAT: &str = "tensor file";
    let (tensor, rest) = split_tensor(WHAT, bytes)?;
    if !rest.is_empty() {
        return Err(Error::File {
            what: WHAT,
            why: "there are bytes after the tensor",
        });
    }
    Ok(tensor)
}

/// The tensors in a bundle, in order; an empty file holds none.
///
/// # Errors
/// [`Error::File`], [`Error::Dimensions`].
pub fn decode_bundle(bytes: &[u8]) -> Result<Vec<Tensor>, Error> {
    let mut tensors = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (tensor, after) = split_tensor("bundle", rest)?;
        tensors.push(tensor);
        rest = after;
    }
    Ok(tensors)
}

/// The results of all ops in the trace file of an item. Shapes are not compared with a graph: see
/// [`crate::eval::check_output_shapes`].
///
/// # Errors
/// [`Error::File`], [`Error::Dimensions`].
pub fn decode_trace(bytes: &[u8]) -> Result<Vec<Tensor>, Error> {
    const WHAT: &str = "trace file";
    let fail = |why| Error::File { what: WHAT, why };
    let Some((header, mut rest)) = bytes.split_first_chunk::<TRACE_HEADER_BYTES>() else {
        return Err(fail("it ends within its header"));
    };
    let [m0, m1, m2, m3, version, reserved, o0, o1] = *header;
    let ops = usize::from(u16::from_le_bytes([o0, o1]));
    if [m0, m1, m2, m3] != TRACE_MAGIC {
        return Err(fail("it does not start with QTRC"));
    }
    if version != FILE_VERSION {
        return Err(fail("unknown version"));
    }
    if reserved != 0 {
        return Err(fail("reserved bytes are not zero"));
    }
    if ops == 0 || ops > MAX_OPS {
        return Err(fail("it must hold the results of 1 to 1,024 ops"));
    }
    let mut outputs = Vec::new();
    for _ in 0..ops {
        let (tensor, after) = split_tensor(WHAT, rest)?;
        outputs.push(tensor);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(fail("there are bytes after the last result"));
    }
    Ok(outputs)
}
