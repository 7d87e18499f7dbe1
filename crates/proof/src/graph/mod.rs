//! A graph: its bytes, a view of them, and the walk over them that `seal` makes on chain.
//!
//! All records have a fixed size, so record `k` is found without reading the ones before it.
//! Order: header, inputs, weights, ops. Reserved bytes are zero.
//!
//! | record | bytes | fields |
//! | --- | --- | --- |
//! | header | 16 | version u8 = 2, inputs u8, weights u16, ops u16, tokens u16, feedback u16 (operand codes, 65,534 without), reserved 6 |
//! | input | 12 | dtype u8, scope u8 (0 fixed, 1 item), reserved 2, rows u32 (of one item), cols u32 |
//! | weight | 44 | dtype u8, reserved 3, rows u32, cols u32, data root 32 |
//! | op | 32 | opcode u8, flags u8, dtype u8, kind u8, a b c d u16, rows u32, cols u32 (stored, of one item), G u16, share u16, shift u8, reserved 3, constant u32 |
//!
//! dtype: 1 = i8, 2 = i32, 3 = i16. An operand is named by the code of its tree: 0..=1023 an earlier op, 1024..=1031 an
//! input, 2048..=3071 a weight, 65,534 none. What each op takes stands in its file in [`crate::ops`]; the limits stand in
//! [`crate::limits`].
//!
//! | part | holds |
//! | --- | --- |
//! | `codec` | the records, to and from bytes |
//! | `view` | [`Graph`]: the records of a graph, read where they stand |
//! | `kinds` | how results depend on the tokens |
//! | `seal` | what `seal` refuses, what a graph costs, and whether a job fits |

mod codec;
mod kinds;
mod seal;
#[cfg(test)]
mod tests;
mod view;

pub use {
    crate::{
        node::{NO_OPERAND, Operand},
        ops::{OP_BYTES, Op, Record},
        refusal::{Fault, Place, SealError},
    },
    codec::{HEADER_BYTES, INPUT_BYTES, MAX_BYTES, MIN_BYTES, VERSION, WEIGHT_BYTES, Weight, len},
    seal::{LEAF_WORK, Misfit, Sealed, leaf_work, seal},
    view::Graph,
};

#[cfg(feature = "std")]
pub(crate) use {
    codec::{Header, encode_header, encode_input, encode_weight},
    kinds::derive as derive_kind,
};
