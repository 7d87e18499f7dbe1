//! How results depend on the tokens, in a graph that has them.
//!
//! The table of kinds makes a text exist and be unique: whatever FEEDBACK says of token i follows from the tokens before it.
//! The rule of each op stands in its file; here stands what holds for all.

use crate::{
    ops::{Dependence, Op, flag, kind},
    refusal::SealError,
};

/// The kind of a result as stored.
///
/// # Errors
/// [`SealError::NoKind`]: the op mixes tokens in a way that no rule names.
pub(crate) fn derive(op: &Op, reads: &Dependence<'_>) -> Result<u8, SealError> {
    let of_cells = match op.kind(reads)? {
        Some(kind) => kind,
        None if reads.kinds == [kind::FREE; 4] => kind::FREE,
        None => return Err(SealError::NoKind),
    };
    if !reads.record.has(flag::TRANSPOSED) {
        return Ok(of_cells);
    }
    match of_cells {
        kind::FREE => Ok(kind::FREE),
        kind::ROWS | kind::CAUSAL => Ok(kind::COLUMNS),
        kind::COLUMNS => Ok(kind::ROWS),
        _ => Err(SealError::NoKind),
    }
}
