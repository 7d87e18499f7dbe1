//! Every limit, and why it is what it is.

/// Most inputs of a graph: a job's account holds a data root for each.
pub const MAX_INPUTS: usize = 8;

/// Most weight tensors of a graph. With it and [`MAX_OPS`] the largest graph is 77,936 bytes.
pub const MAX_WEIGHTS: usize = 1_024;

/// Most ops of a graph: `seal` walks them all in one transaction.
pub const MAX_OPS: usize = 1_024;

/// Most rows of any tensor, in one item and over all items of a job.
pub const MAX_ROWS: u32 = 1 << 24;

/// Most columns of any tensor: a row has at most 2^15 leaves.
pub const MAX_COLS: u32 = 1 << 20;

/// Longest row that a product may sum over (K): a sum of as many products of i16 and i8 is at most 2^37.
pub const MAX_INNER: u32 = 32_768;

/// Most values that NORM and SOFTMAX read as one group, and most tokens of a text: within it no sum leaves i64 and one
/// transaction judges a cell.
pub const MAX_WIDTH: u32 = 8_192;

/// Largest shift: half of it, added to the largest product, still fits i64.
pub const MAX_SHIFT: u8 = 47;

/// Binary levels that the answer to a demand reveals: 16 nodes are 512 bytes, which one transaction carries with its
/// accounts. At the bottom of a tree it reveals fewer.
pub const STEP_LEVELS: u8 = 4;

/// Levels inside a row of the most columns of the widest type.
pub const MAX_ROW_HEIGHT: u8 = 15;

/// Levels above the most rows.
pub const MAX_ROWS_HEIGHT: u8 = 24;

/// Most demands, one below the other, from the trace root down to a leaf of any graph.
pub const MAX_QUESTIONS: u8 = 15;

/// The same where the provider gives tokens: those down to a token come first.
pub const MAX_TOKEN_QUESTIONS: u8 = 24;

const _: () = assert!(1 << MAX_ROWS_HEIGHT == MAX_ROWS as u64);
const _: () = assert!(128u64 << MAX_ROW_HEIGHT == MAX_COLS as u64 * 4);
