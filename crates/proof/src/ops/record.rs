//! The bytes of an op.

use crate::{
    limits::{MAX_COLS, MAX_ROWS, MAX_SHIFT},
    node::{NO_OPERAND, Operand},
    refusal::SealError,
    shape::{DType, Scope, Shape},
};

/// Bytes of an op's record.
pub const OP_BYTES: usize = 32;

/// The flags of an op.
pub mod flag {
    /// The result of each item is stored transposed.
    pub const TRANSPOSED: u8 = 1;
    /// MIX: b is read in pairs of columns, swapped.
    pub const PAIR: u8 = 2;
    /// NORM: no mean is taken off.
    pub const RMS: u8 = 4;
    /// SOFTMAX: row i sees columns 0..=i.
    pub const CAUSAL: u8 = 8;
    /// DOT: side 1, `b` is read by columns of the result.
    pub const SIDE: u8 = 16;
    /// All of them.
    pub const ALL: u8 = TRANSPOSED | PAIR | RMS | CAUSAL | SIDE;
}

/// How a result depends on the tokens, in a graph that has them. `seal` derives it from the records alone.
pub mod kind {
    /// It does not.
    pub const FREE: u8 = 0;
    /// Row i depends on tokens 0..=i.
    pub const ROWS: u8 = 1;
    /// Column i depends on tokens 0..=i. The tokens themselves are of this kind.
    pub const COLUMNS: u8 = 2;
    /// Cell (i, gS + t) depends on tokens 0..=max(i, t).
    pub const PAIRS: u8 = 3;
    /// As [`ROWS`], and exactly 0 at (i, gS + t) where t > i.
    pub const CAUSAL: u8 = 4;
}

/// An op's record: opcode u8, flags u8, dtype u8, kind u8, a b c d u16, rows u32, cols u32, G u16, share u16, shift u8,
/// zero 3, constant u32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which op it is.
    pub opcode: u8,
    /// See [`flag`].
    pub flags: u8,
    /// Type of the result.
    pub dtype: DType,
    /// How the result depends on the tokens; 0 in a graph without.
    pub kind: u8,
    /// Codes of the operands.
    pub operands: [u16; 4],
    /// Rows of the result as stored, of one item.
    pub rows: u32,
    /// Its columns as stored.
    pub cols: u32,
    /// Groups (attention heads); 1 where the op has none.
    pub groups: u16,
    /// How many groups of DOT share one of b; 1 where the op has none.
    pub share: u16,
    /// Bits to shift right, rounding half up.
    pub shift: u8,
    /// lo and hi of DOT and MIX, eps of NORM, mult of SOFTMAX.
    pub constant: u32,
}

/// The result that a record states, without a look at the rest of it: `seal` reads it for every operand of every op.
///
/// # Errors
/// An unknown dtype; rows or columns that no tensor may have.
#[inline]
pub(crate) fn output(bytes: &[u8; OP_BYTES]) -> Result<Shape, SealError> {
    let u32_at =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let (rows, cols) = (u32_at(12), u32_at(16));
    check_extent(rows, cols)?;
    Ok(Shape {
        dtype: DType::from_code(bytes[2]).ok_or(SealError::UnknownDType)?,
        scope: Scope::Item,
        rows,
        cols,
    })
}

/// The limits of every tensor.
pub(crate) const fn check_extent(rows: u32, cols: u32) -> Result<(), SealError> {
    if rows == 0 || cols == 0 {
        return Err(SealError::EmptyTensor);
    }
    if rows > MAX_ROWS || cols > MAX_COLS {
        return Err(SealError::TensorTooLarge);
    }
    Ok(())
}

impl Record {
    /// The record in these bytes.
    ///
    /// # Errors
    /// Unknown flags or dtype, reserved bytes, an empty result, no groups.
    #[inline]
    pub fn new(bytes: &[u8; OP_BYTES]) -> Result<Self, SealError> {
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        if bytes[25..28] != [0; 3] {
            return Err(SealError::ReservedNotZero);
        }
        if bytes[1] & !flag::ALL != 0 {
            return Err(SealError::UnknownFlag);
        }
        let record = Self {
            opcode: bytes[0],
            flags: bytes[1],
            dtype: DType::from_code(bytes[2]).ok_or(SealError::UnknownDType)?,
            kind: bytes[3],
            operands: [u16_at(4), u16_at(6), u16_at(8), u16_at(10)],
            rows: u32_at(12),
            cols: u32_at(16),
            groups: u16_at(20),
            share: u16_at(22),
            shift: bytes[24],
            constant: u32_at(28),
        };
        if record.groups == 0 || record.share == 0 {
            return Err(SealError::NoGroups);
        }
        Ok(record)
    }

    /// Its bytes.
    pub fn bytes(&self) -> [u8; OP_BYTES] {
        let mut bytes = [0; OP_BYTES];
        let [a, b, c, d] = self.operands.map(u16::to_le_bytes);
        bytes[..4].copy_from_slice(&[self.opcode, self.flags, self.dtype as u8, self.kind]);
        for (at, code) in [a, b, c, d].into_iter().enumerate() {
            bytes[4 + 2 * at..6 + 2 * at].copy_from_slice(&code);
        }
        bytes[12..16].copy_from_slice(&self.rows.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.cols.to_le_bytes());
        bytes[20..22].copy_from_slice(&self.groups.to_le_bytes());
        bytes[22..24].copy_from_slice(&self.share.to_le_bytes());
        bytes[24] = self.shift;
        bytes[28..].copy_from_slice(&self.constant.to_le_bytes());
        bytes
    }

    /// Whether it has this flag.
    pub const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Rows and columns of the result before it is stored: R and C of the definitions.
    pub const fn logical(&self) -> (u32, u32) {
        if self.has(flag::TRANSPOSED) {
            (self.cols, self.rows)
        } else {
            (self.rows, self.cols)
        }
    }

    /// The operand in this slot, if there is one.
    ///
    /// # Errors
    /// A code that names nothing.
    #[inline]
    pub fn operand(&self, slot: usize) -> Result<Option<Operand>, SealError> {
        match self.operands.get(slot) {
            None | Some(&NO_OPERAND) => Ok(None),
            Some(code) => Operand::from_code(*code)
                .map(Some)
                .ok_or(SealError::UnknownOperand),
        }
    }

    /// The operand that must stand in this slot.
    ///
    /// # Errors
    /// There is none.
    #[inline]
    pub fn named(&self, slot: usize) -> Result<Operand, SealError> {
        self.operand(slot)?.ok_or(SealError::MissingOperand)
    }

    /// lo and hi of DOT and MIX: the bounds of an i8 or i16 result, which must lie within its type; the whole type of an
    /// i32, for which both are written as 0.
    ///
    /// # Errors
    /// lo above hi, or a bound outside the type.
    pub fn bounds(&self) -> Result<(i32, i32), SealError> {
        let [l0, l1, h0, h1] = self.constant.to_le_bytes();
        let lo = i32::from(i16::from_le_bytes([l0, l1]));
        let hi = i32::from(i16::from_le_bytes([h0, h1]));
        let (least, greatest) = self.dtype.range();
        match self.dtype {
            DType::I32 if (lo, hi) == (0, 0) => Ok((least, greatest)),
            DType::I32 => Err(SealError::UnusedConstant),
            _ if lo > hi => Err(SealError::EmptyClamp),
            _ if lo < least || hi > greatest => Err(SealError::ClampOutsideType),
            _ => Ok((lo, hi)),
        }
    }

    /// Refuses every flag but T and `flags`, and every operand behind the first `operands`. Groups, share, shift and constant
    /// are for the op to look at: see [`Record::refuse_groups`], [`Record::refuse_shift`] and [`Record::refuse_constant`].
    ///
    /// # Errors
    /// [`SealError::UnusedConstant`], [`SealError::UnusedOperand`].
    pub fn refuse_all_but(&self, flags: u8, operands: usize) -> Result<(), SealError> {
        refuse_unless(self.flags & !(flags | flag::TRANSPOSED) == 0)?;
        let unused = self.operands.get(operands..).unwrap_or_default();
        match unused.iter().all(|code| *code == NO_OPERAND) {
            true => Ok(()),
            false => Err(SealError::UnusedOperand),
        }
    }

    /// The op takes neither groups nor share.
    ///
    /// # Errors
    /// [`SealError::UnusedConstant`].
    pub const fn refuse_groups(&self) -> Result<(), SealError> {
        refuse_unless(self.groups == 1 && self.share == 1)
    }

    /// The op takes groups, but no share.
    ///
    /// # Errors
    /// [`SealError::UnusedConstant`].
    pub const fn refuse_share(&self) -> Result<(), SealError> {
        refuse_unless(self.share == 1)
    }

    /// The op takes no shift.
    ///
    /// # Errors
    /// [`SealError::UnusedConstant`].
    pub const fn refuse_shift(&self) -> Result<(), SealError> {
        refuse_unless(self.shift == 0)
    }

    /// The op takes no constant.
    ///
    /// # Errors
    /// [`SealError::UnusedConstant`].
    pub const fn refuse_constant(&self) -> Result<(), SealError> {
        refuse_unless(self.constant == 0)
    }

    /// The shift of an op whose least one this is.
    ///
    /// # Errors
    /// [`SealError::ShiftOutOfRange`].
    pub const fn shift_from(&self, least: u8) -> Result<u8, SealError> {
        if self.shift < least || self.shift > MAX_SHIFT {
            return Err(SealError::ShiftOutOfRange);
        }
        Ok(self.shift)
    }

    /// The constant of an op whose constants stay below this.
    ///
    /// # Errors
    /// [`SealError::ConstantOutOfRange`].
    pub const fn constant_below(&self, limit: u32) -> Result<u32, SealError> {
        if self.constant >= limit {
            return Err(SealError::ConstantOutOfRange);
        }
        Ok(self.constant)
    }
}

/// Something that the op doesn't take must be clear.
const fn refuse_unless(is_clear: bool) -> Result<(), SealError> {
    match is_clear {
        true => Ok(()),
        false => Err(SealError::UnusedConstant),
    }
}
