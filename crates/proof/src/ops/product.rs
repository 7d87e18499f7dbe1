//! Products of integers of 8 or 16 bits with integers of 8 bits, in groups: what is multiplied with what. The sums are made by
//! [`crate::kernel::dot`] and `crate::kernel::product`.

use super::divide::divide;
use crate::{limits::MAX_INNER, node::Operand, refusal::SealError, shape::Shape};

/// The product that a DOT begins with, in `groups` groups of columns of `a` (attention heads).
///
/// `share` groups use one group of `b` (grouped-query attention). With K = cols(a) / groups, column `gN + n` of row `i` is the
/// sum over k of `a[i, gK + k]` times, with g' = g / share,
///
/// | side | b | times |
/// | --- | --- | --- |
/// | 0, scores | N x (groups / share)K | `b[n, g'K + k]` |
/// | 1, context | (groups / share)N x K | `b[g'N + n, k]` |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Left operand, i8 or i16.
    pub a: Operand,
    /// Right operand, i8.
    pub b: Operand,
    /// Groups of the columns of `a`.
    pub groups: u16,
    /// How many of them use one group of `b`.
    pub share: u16,
    /// Side 1: the groups of `b` are rows, not columns.
    pub is_context: bool,
}

/// What a product's operands make: K and N.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Values that are summed (K).
    pub inner: u32,
    /// Columns that one group makes (N).
    pub cols: u32,
}

/// Where the values stand that one cell sums over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    /// First column in the row of `a`.
    pub a_col: u32,
    /// The row of `b`.
    pub b_row: u32,
    /// First column in it.
    pub b_col: u32,
}

impl Product {
    /// K and N.
    ///
    /// # Errors
    /// Groups that do not divide, inner lengths that differ or are too long.
    pub fn extent(&self, a: &Shape, b: &Shape) -> Result<Extent, SealError> {
        let exact = |len, parts| divide(len, parts).ok_or(SealError::GroupsDontDivide);
        let inner = exact(a.cols, self.groups.into())?;
        let b_groups = exact(self.groups.into(), self.share.into())?;
        let (cols, b_cols) = match self.is_context {
            false => (b.rows, u64::from(b_groups) * u64::from(inner)),
            true => (exact(b.rows, b_groups)?, u64::from(inner)),
        };
        if u64::from(b.cols) != b_cols {
            return Err(SealError::InnerMismatch);
        }
        if inner > MAX_INNER {
            return Err(SealError::InnerTooLong);
        }
        Ok(Extent { inner, cols })
    }

    /// What column `col` of the result sums over. Wraps for columns that there are not.
    #[inline]
    pub fn spans(&self, extent: Extent, col: u32) -> Spans {
        let group = col.checked_div(extent.cols).unwrap_or_default();
        let place = col.wrapping_sub(group.wrapping_mul(extent.cols));
        let of_b = group.checked_div(self.share.into()).unwrap_or_default();
        let (b_row, b_col) = match self.is_context {
            false => (place, of_b.wrapping_mul(extent.inner)),
            true => (of_b.wrapping_mul(extent.cols).wrapping_add(place), 0),
        };
        Spans {
            a_col: group.wrapping_mul(extent.inner),
            b_row,
            b_col,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_panics_out_of_contract() {
        let product = Product {
            a: Operand::Input(0),
            b: Operand::Input(1),
            groups: 0,
            share: 0,
            is_context: true,
        };
        let _ = product.spans(Extent { inner: 0, cols: 0 }, u32::MAX);
        let _ = product.spans(
            Extent {
                inner: u32::MAX,
                cols: 1,
            },
            u32::MAX,
        );
    }
}
