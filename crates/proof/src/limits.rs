//! Every limit, and why it is what it is.

/// Most inputs of a graph: a job's account holds a data root for each.
pub const MAX_INPUTS: usize = 4;

/// Most weight tensors of a graph. With it and [`MAX_OPS`] the largest graph is 3,384 bytes: one instruction may make an
/// account of 10,240.
pub const MAX_WEIGHTS: usize = 64;

/// Most ops of a graph: `seal` keeps one shape an op on its stack, and walks them all in one transaction.
pub const MAX_OPS: usize = 64;

/// Most rows or columns of any tensor, and most batch rows of a job.
///
/// With it every count fits u64: an op has at most `2^20 x 2^20 x 2^15` MACs and a graph at most `2^61`.
pub const MAX_DIM: u32 = 1 << 20;

/// Longest row that a product may sum over (K). The sum of this many products of two i8 is at most 2^29, so i32 is exact
/// and `QLINEAR` stays within i64.
pub const MAX_INNER: u32 = 32_768;

/// Widest row that `ARGMAX` may search: as i32 it is as many bytes as the longest row of a product.
pub const MAX_ARGMAX_COLS: u32 = 8_192;

/// Bytes of the longest row that an op may read as a whole: it is opened, hashed and computed with in one transaction.
pub const MAX_ROW_BYTES: usize = 32_768;

/// Largest shift of a `QLINEAR`: half of it, added to the largest product, still fits i64.
pub const MAX_SHIFT: u8 = 47;

/// Binary levels that the answer to a demand reveals: 16 nodes are 512 bytes, which one transaction carries with its
/// accounts. At the bottom of a tree it reveals fewer.
pub const STEP_LEVELS: u8 = 4;

/// What the evaluator lets the outputs of all ops take together unless its caller says otherwise: 8 GiB, which a usual
/// machine has.
pub const DEFAULT_MAX_TRACE_BYTES: u64 = 1 << 33;

const _: () = assert!(MAX_INNER as usize <= MAX_ROW_BYTES);
const _: () = assert!(MAX_ARGMAX_COLS as usize * 4 <= MAX_ROW_BYTES);
