//! A graph: its bytes, a view of them, and the walk over them that `seal` makes on chain.
//!
//! All records have a fixed size, so record `k` is found without reading the ones before it.
//! Order: header, inputs, weights, ops. Reserved bytes are zero.
//!
//! | record | bytes | fields |
//! | --- | --- | --- |
//! | header | 8 | version u8 = 1, inputs u8, weights u8, ops u8, reserved 4 |
//! | input | 12 | dtype u8, rows kind u8 (0 fixed, 1 batch), reserved 2, rows u32 (0 if batch), cols u32 |
//! | weight | 44 | dtype u8, reserved 3, rows u32, cols u32, data root 32 |
//! | op | 8 | opcode u8, operands a b c d (u8 each), shift u8, lo i8, hi i8 |
//!
//! dtype: 1 = i8, 2 = i32. An operand is named by the code of its tree: 0..=63 an earlier op, 64..=67 an input, 128..=191 a
//! weight, 255 none. What each op takes stands in its file in [`crate::ops`]; the limits stand in [`crate::limits`].
//!
//! | part | holds |
//! | --- | --- |
//! | `codec` | the records, to and from bytes |
//! | `view` | [`Graph`]: the records and the shapes of a graph, read where they stand |
//! | `seal` | what `seal` refuses, and whether a job fits |

mod codec;
mod seal;
mod view;

pub use {
    crate::{
        node::{NO_OPERAND, Operand},
        ops::{OP_BYTES, Op},
        refusal::{Fault, Place, SealError},
    },
    codec::{HEADER_BYTES, INPUT_BYTES, MAX_BYTES, MIN_BYTES, VERSION, WEIGHT_BYTES, Weight, len},
    seal::{Macs, Misfit, seal},
    view::Graph,
};

#[cfg(feature = "std")]
pub(crate) use codec::{Counts, encode_header, encode_input, encode_weight};
