//! The bytes of an op.

use crate::{
    node::{NO_OPERAND, Operand},
    refusal::SealError,
};

/// Bytes of an op's record.
pub const OP_BYTES: usize = 8;

/// An op's record: opcode u8, operands a b c d (u8 each), shift u8, lo i8, hi i8.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub opcode: u8,
    pub operands: [u8; 4],
    pub shift: u8,
    pub lo: i8,
    pub hi: i8,
}

impl Record {
    pub const fn new(bytes: &[u8; OP_BYTES]) -> Self {
        let [opcode, a, b, c, d, shift, lo, hi] = *bytes;
        Self {
            opcode,
            operands: [a, b, c, d],
            shift,
            lo: lo as i8,
            hi: hi as i8,
        }
    }

    pub const fn bytes(&self) -> [u8; OP_BYTES] {
        let [a, b, c, d] = self.operands;
        let (lo, hi) = (self.lo as u8, self.hi as u8);
        [self.opcode, a, b, c, d, self.shift, lo, hi]
    }

    /// The record of an op without constants.
    pub fn of(opcode: u8, slots: [Option<Operand>; 4]) -> Self {
        Self {
            opcode,
            operands: slots.map(|slot| slot.map_or(NO_OPERAND, Operand::code)),
            shift: 0,
            lo: 0,
            hi: 0,
        }
    }

    /// The operands of an op that takes `N` of them and no constants.
    pub fn operands_only<const N: usize>(&self) -> Result<[Operand; N], SealError> {
        self.refuse_operands_after(N)?;
        if (self.shift, self.lo, self.hi) != (0, 0, 0) {
            return Err(SealError::UnusedConstant);
        }
        let mut operands = [Operand::Op(0); N];
        for (operand, code) in operands.iter_mut().zip(self.operands) {
            *operand = named(code)?;
        }
        Ok(operands)
    }

    /// An op that takes `count` operands has none after them.
    pub fn refuse_operands_after(&self, count: usize) -> Result<(), SealError> {
        match self
            .operands
            .iter()
            .skip(count)
            .all(|code| *code == NO_OPERAND)
        {
            true => Ok(()),
            false => Err(SealError::UnusedOperand),
        }
    }
}

/// The operand with a code that must name one.
pub(crate) fn named(code: u8) -> Result<Operand, SealError> {
    if code == NO_OPERAND {
        return Err(SealError::MissingOperand);
    }
    Operand::from_code(code).ok_or(SealError::UnknownOperand)
}
