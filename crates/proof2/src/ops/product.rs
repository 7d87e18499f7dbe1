//! Products and what may be done to their sums.

use crate::node::Operand;

/// The product that a DOT begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Left operand, i8 or i16.
    pub a: Operand,
    /// Right operand, i8.
    pub b: Operand,
}
