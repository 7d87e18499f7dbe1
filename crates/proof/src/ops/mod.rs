//! The ops, one a file.
//!
//! A file says everything about its op: opcode and operands, what `seal` refuses, the result, what one cell reads, the cell
//! in integers, the whole op, and how a watcher checks it. Everything else (`seal`, the judge, the prover, the evaluator, the
//! verifier, the sizes) calls [`Op`], which hands on to that file. A new op is a file here, and a line in the list below.
//!
//! A cell says what it reads by reading it, from a [`CellSource`]. The judge's source takes the parts from the evidence and
//! leads each to its root; the prover's source writes the same parts into the evidence. Both run the same function, so
//! they agree on every part and its order, also where an op decides by what it has read what it reads next.

pub mod argmax;
mod divide;
pub mod dot;
mod exp2;
pub mod feedback;
pub mod gather;
pub mod lut;
pub mod mix;
pub mod norm;
pub mod product;
pub mod record;
#[cfg(feature = "std")]
mod rows;
mod rules;
pub mod softmax;
mod source;
#[cfg(test)]
mod tests;

pub use argmax::ArgMax;
pub use dot::Dot;
pub use feedback::Feedback;
pub use gather::Gather;
pub use lut::Lut;
pub use mix::Mix;
pub use norm::Norm;
pub use product::Product;
pub use record::{OP_BYTES, Record, flag, kind};
pub(crate) use rules::{Claim, Dependence, Form, Shapes};
pub use softmax::Softmax;
pub use source::{CellSource, value_at};
#[cfg(feature = "std")]
pub use source::{Tensors, View};

use crate::{node::Operand, refusal::SealError};
use rules::OpRules;

#[cfg(feature = "std")]
use {
    crate::Error,
    pulp::{Arch, Simd, WithSimd},
};

/// The evaluation of a whole op: what is inlined into it is compiled for each kind of vectors, and the processor has one.
#[cfg(feature = "std")]
struct Whole<'w, T> {
    op: &'w Op,
    record: &'w Record,
    tensors: &'w T,
    out: &'w mut [u8],
}

/// Writes down [`Op`] and hands each of its methods on to the op's own file. A `match`, not a table of functions: on chain a
/// call through a pointer costs more.
macro_rules! ops {
    ($($(#[$doc:meta])* $opcode:literal $Op:ident,)*) => {
        /// One op of a graph.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Op {
            $($(#[$doc])* $Op($Op),)*
        }

        impl Op {
            /// Its opcode.
            pub const fn opcode(&self) -> u8 {
                match self {
                    $(Self::$Op(_) => $opcode,)*
                }
            }

            /// Its name, as documents write it.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$Op(_) => <$Op as OpRules>::NAME,)*
                }
            }

            /// The op in this record.
            ///
            /// # Errors
            /// Unknown opcode; operands, flags or constants that the op doesn't take or that are out of range.
            pub fn decode(record: &Record) -> Result<Self, SealError> {
                match record.opcode {
                    $($opcode => Ok(Self::$Op(<$Op as OpRules>::decode(record)?)),)*
                    _ => Err(SealError::UnknownOpcode),
                }
            }

            /// Its operands by slot: a, b, c, d.
            pub fn slots(&self) -> [Option<Operand>; 4] {
                match self {
                    $(Self::$Op(op) => op.slots(),)*
                }
            }

            /// What it reads, in the order of its slots.
            pub fn operands(&self) -> impl Iterator<Item = Operand> {
                self.slots().into_iter().flatten()
            }

            /// What the result is, if the operands have shapes that the op can be evaluated and judged with.
            ///
            /// # Errors
            /// The first rule of the op that is broken.
            pub(crate) fn seal(&self, record: &Record, shapes: &Shapes) -> Result<Form, SealError> {
                match self {
                    $(Self::$Op(op) => op.seal(record, shapes),)*
                }
            }

            /// How the result depends on the tokens, before flag T; `None` where the op has no rule for its operands.
            ///
            /// # Errors
            /// An operand that names nothing.
            pub(crate) fn kind(
                &self,
                reads: &Dependence<'_>,
            ) -> Result<Option<u8>, SealError> {
                match self {
                    $(Self::$Op(op) => op.kind(reads),)*
                }
            }

            /// The product that the op begins with: what it packs counts as memory.
            pub fn product(&self) -> Option<Product> {
                match self {
                    $(Self::$Op(op) => op.product(),)*
                }
            }

            /// Whether a claim about one value is wrong, by what the source gives.
            ///
            /// # Errors
            /// Those of the source.
            #[inline]
            pub(crate) fn is_wrong<S: CellSource>(
                &self,
                source: &mut S,
                claim: &Claim,
            ) -> Result<bool, S::Error> {
                match self {
                    $(Self::$Op(op) => op.is_wrong(source, claim),)*
                }
            }

            /// Writes the values of the whole result of one item, as stored. Shapes have been checked.
            ///
            /// # Errors
            /// A tensor is missing.
            #[cfg(feature = "std")]
            pub(crate) fn whole(
                &self,
                record: &Record,
                tensors: &impl Tensors,
                out: &mut [u8],
            ) -> Result<(), Error> {
                Arch::new().dispatch(Whole { op: self, record, tensors, out })
            }

            /// What [`Op::whole`] writes, where the processor has a kernel that needs no zeroed memory; else `None`.
            ///
            /// # Errors
            /// A tensor is missing.
            #[cfg(feature = "std")]
            pub(crate) fn made(
                &self,
                record: &Record,
                tensors: &impl Tensors,
            ) -> Result<Option<std::vec::Vec<u8>>, Error> {
                match self {
                    $(Self::$Op(op) => op.made(record, tensors),)*
                }
            }
        }

        #[cfg(feature = "std")]
        impl<T: Tensors> WithSimd for Whole<'_, T> {
            type Output = Result<(), Error>;

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> Self::Output {
                let Self { op, record, tensors, out } = self;
                match op {
                    $(Op::$Op(op) => op.whole(record, tensors, out),)*
                }
            }
        }
    };
}

ops! {
    /// Sums of products, scaled.
    1 Dot,
    /// `clamp(rshr(a*c + b*d, shift), lo, hi)`.
    2 Mix,
    /// `t[a + 128]` or `t[a + 32768]`.
    3 Lut,
    /// Rows of a table by their indices.
    4 Gather,
    /// Rows with mean 0 and variance 1.
    5 Norm,
    /// Powers of two as shares of their sum.
    6 Softmax,
    /// The first index of a row's largest value.
    7 ArgMax,
    /// The next token: what was asked, then what was computed.
    8 Feedback,
}
