//! What the file of an op says.

use super::{product::Product, record::Record, shapes::Output, source::CellSource};
use crate::{node::Operand, refusal::SealError, shape::Shape};

#[cfg(feature = "std")]
use {super::source::Tensors, crate::Error};

/// What an op is. `a`, its first operand, is a field of the op.
pub(crate) trait OpRules: Sized {
    /// Its name, as documents write it.
    const NAME: &'static str;

    /// The op in a record with its opcode.
    fn decode(record: &Record) -> Result<Self, SealError>;

    /// Its record.
    fn encode(&self, opcode: u8) -> Record;

    /// Its operands, in the order of its record.
    fn slots(&self) -> [Option<Operand>; 4];

    /// What `seal` refuses; returns the columns of the output, whose rows are those of `a`.
    fn seal(
        &self,
        a: &Shape,
        shape_of: impl Fn(Operand) -> Result<Shape, SealError>,
    ) -> Result<u32, SealError>;

    /// Dtype and columns of the output in a sealed graph.
    fn output(&self) -> Output;

    /// The product that the op is or begins with.
    fn product(&self) -> Option<Product> {
        None
    }

    /// One value of the output. What it reads, in this order, is the evidence for the cell.
    fn cell<S: CellSource>(&self, source: &mut S, row: u32, col: u32) -> Result<i32, S::Error>;

    /// All values of the output, as bytes.
    #[cfg(feature = "std")]
    fn whole(&self, tensors: &Tensors<'_>, out: &mut [u8]) -> Result<(), Error>;
}
