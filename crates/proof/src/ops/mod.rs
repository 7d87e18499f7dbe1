//! The ops, one a file.
//!
//! A file says everything about its op: opcode and operands, what `seal` refuses, the output, what one cell reads, the cell
//! in integers, the whole op, and how a watcher checks it. Everything else (`seal`, the judge, the prover, the evaluator, the
//! verifier, the sizes) calls [`Op`], which hands on to that file. A new op is a file here, and a line in each of the two
//! lists below.
//!
//! A cell says what it reads by reading it, from a [`CellSource`]. The judge's source takes the parts from the evidence and
//! leads each to its root; the prover's source writes the same parts into the evidence. Both run the same function, so
//! they agree on every part and its order, also where an op decides by what it has read what it reads next.

pub mod add;
pub mod argmax;
pub mod lut;
pub mod matmul;
pub mod product;
pub mod qlinear;
mod record;
mod rules;
mod shapes;
mod source;
#[cfg(test)]
mod testing;

pub use add::Add;
pub use argmax::ArgMax;
pub use lut::Lut;
pub use matmul::MatMul;
pub use product::{Product, Scale};
pub use qlinear::QLinear;
pub use record::OP_BYTES;
pub use shapes::{Columns, Output};
pub use source::CellSource;
#[cfg(feature = "std")]
pub use source::Tensors;
pub(crate) use {record::named, source::read_value};

use crate::{node::Operand, refusal::SealError, shape::Shape};
use {record::Record, rules::OpRules};

#[cfg(feature = "std")]
use crate::Error;

/// Writes down [`Op`] and hands each of its methods on to the op's own file. A `match`, not a table of functions: on chain a
/// call through a pointer costs more.
macro_rules! ops {
    ($($(#[$doc:meta])* $opcode:literal $Op:ident,)*) => {
        /// One op of a graph.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Op {
            $($(#[$doc])* $Op($Op),)*
        }

        $(impl From<$Op> for Op {
            fn from(op: $Op) -> Self {
                Self::$Op(op)
            }
        })*

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
            /// Unknown opcode, operand codes or constants that the op doesn't take or that are out of range.
            pub fn decode(record: &[u8; OP_BYTES]) -> Result<Self, SealError> {
                let record = Record::new(record);
                match record.opcode {
                    $($opcode => Ok(Self::$Op(<$Op as OpRules>::decode(&record)?)),)*
                    _ => Err(SealError::UnknownOpcode),
                }
            }

            /// Its record.
            pub fn encode(&self) -> [u8; OP_BYTES] {
                match self {
                    $(Self::$Op(op) => op.encode($opcode).bytes(),)*
                }
            }

            /// What it reads, in the order of its record.
            pub fn operands(&self) -> impl Iterator<Item = Operand> {
                let slots = match self {
                    $(Self::$Op(op) => op.slots(),)*
                };
                slots.into_iter().flatten()
            }

            /// The operand whose rows the output has.
            pub const fn a(&self) -> Operand {
                match self {
                    $(Self::$Op(op) => op.a,)*
                }
            }

            /// The columns of the output, if the operands have shapes that the op can be evaluated and judged with. The
            /// shape of `a` is known already.
            ///
            /// # Errors
            /// The first rule of the op that is broken.
            pub(crate) fn seal(
                &self,
                a: &Shape,
                shape_of: impl Fn(Operand) -> Result<Shape, SealError>,
            ) -> Result<u32, SealError> {
                match self {
                    $(Self::$Op(op) => op.seal(a, shape_of),)*
                }
            }

            /// What the output is, beside the rows of `a`.
            pub fn output(&self) -> Output {
                match self {
                    $(Self::$Op(op) => op.output(),)*
                }
            }

            /// The product that the op is or begins with: it makes the MACs, and Freivalds' test checks it.
            pub fn product(&self) -> Option<Product> {
                match self {
                    $(Self::$Op(op) => op.product(),)*
                }
            }

            /// One value of the output, from what the source gives.
            ///
            /// # Errors
            /// Those of the source.
            #[inline]
            pub fn cell<S: CellSource>(
                &self,
                source: &mut S,
                row: u32,
                col: u32,
            ) -> Result<i32, S::Error> {
                match self {
                    $(Self::$Op(op) => op.cell(source, row, col),)*
                }
            }

            /// Writes the values of the whole output. Shapes have been checked.
            ///
            /// # Errors
            /// A tensor is missing or has another type than the graph says.
            #[cfg(feature = "std")]
            pub(crate) fn whole(&self, tensors: &Tensors<'_>, out: &mut [u8]) -> Result<(), Error> {
                match self {
                    $(Self::$Op(op) => op.whole(tensors, out),)*
                }
            }
        }
    };
}

ops! {
    /// i32: sum over k of `a[i,k] * b[j,k]`.
    1 MatMul,
    /// i8: `clamp(((sum a*w + bias[j]) * mult[j] + half) >> shift, lo, hi)`.
    2 QLinear,
    /// i8: `table[a + 128]`.
    3 Lut,
    /// i8: saturating `a + b`.
    4 Add,
    /// i32, one column: first index of the row's largest value.
    5 ArgMax,
}

impl Op {
    /// How its product's sums are scaled, where they are no output of their own: a provider publishes them beside the
    /// trace, so that a watcher can test them.
    pub fn scale(&self) -> Option<Scale> {
        self.product().and_then(|product| product.scale)
    }
}
