//! How much of an ONNX file is structure, looked at before it is decoded: two bytes of it become an object of a hundred, so a
//! small file could take all memory. Values of weights take what they are.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

// Numbers of `onnx.proto`: a model's graph, a graph's tensors, and the two kinds of values that a tensor has.
const GRAPH: u32 = 7;
const INITIALIZER: u32 = 5;
const FLOATS: u32 = 4;
const RAW: u32 = 9;

/// Bytes of a file that are no values of weights. `None` where it is no such file.
pub fn bytes(file: &[u8]) -> Option<usize> {
    file.len().checked_sub(values(file, &[GRAPH, INITIALIZER])?)
}

/// Bytes of values in the tensors at the end of a path of fields.
fn values(mut message: &[u8], path: &[u32]) -> Option<usize> {
    let mut found = 0;
    while !message.is_empty() {
        let (tag, wire) = decode_key(&mut message).ok()?;
        match (path, tag, wire) {
            ([next, rest @ ..], _, WireType::LengthDelimited) if tag == *next => {
                found += values(taken(&mut message)?, rest)?;
            }
            ([], FLOATS | RAW, WireType::LengthDelimited) => found += taken(&mut message)?.len(),
            _ => skip_field(wire, tag, &mut message, DecodeContext::default()).ok()?,
        }
    }
    Some(found)
}

/// The bytes of a field, behind their length.
fn taken<'m>(message: &mut &'m [u8]) -> Option<&'m [u8]> {
    let len = usize::try_from(decode_varint(message).ok()?).ok()?;
    let (field, rest) = message.split_at_checked(len)?;
    *message = rest;
    Some(field)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use prost::Message;

    use super::*;
    use crate::onnx::messages::{Graph, Model, Tensor};

    #[test]
    fn values_of_weights_are_no_structure() {
        let tensor = |floats: usize, raw: usize| Tensor {
            floats: vec![1.0; floats],
            raw: vec![1; raw],
            name: "w".repeat(100),
            ..Tensor::default()
        };
        let graph = Graph {
            initializers: vec![tensor(1_000, 0), tensor(0, 9_000)],
            ..Graph::default()
        };
        let file = Model { graph: Some(graph) }.encode_to_vec();
        let structure = bytes(&file).unwrap();
        assert_eq!(file.len() - structure, 13_000);
        assert!((200..300).contains(&structure), "{structure}");
        for cut in 1..200 {
            let _ = bytes(&file[..cut]);
        }
        assert_eq!(bytes(&file[..file.len() - 1]), None);
        // A length that leads out of the file, and groups within groups.
        assert_eq!(
            bytes(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
            None
        );
        assert_eq!(bytes(&[0x0b; 100_000]), None);
    }
}
