//! Reading and writing whole rows: what the evaluation of every op begins and ends with.

use std::vec::Vec;

use super::{
    divide::repeated,
    record::{Record, flag},
    source::View,
};
use crate::{Error, shape::DType};

/// The values of a row.
#[inline(always)]
pub(super) fn read(view: &View<'_>, row: u32, into: &mut Vec<i32>) -> Result<(), Error> {
    values(
        view.row(row).ok_or(Error::NoSuchPosition)?,
        view.shape.dtype,
        into,
    );
    Ok(())
}

/// All values of an operand with few rows, row after row.
pub(super) fn read_all(view: &View<'_>) -> Vec<i32> {
    let mut all = Vec::new();
    values(view.data, view.shape.dtype, &mut all);
    all
}

/// Values of this type. Loops over slices, which compilers make vector instructions of.
#[inline(always)]
fn values(bytes: &[u8], dtype: DType, into: &mut Vec<i32>) {
    into.resize(bytes.len() / dtype.size() as usize, 0);
    match dtype {
        DType::I8 => {
            for (to, byte) in into.iter_mut().zip(bytes) {
                *to = i32::from(*byte as i8);
            }
        }
        DType::I16 => {
            for (to, bytes) in into.iter_mut().zip(bytes.as_chunks().0) {
                *to = i32::from(i16::from_le_bytes(*bytes));
            }
        }
        DType::I32 => {
            for (to, bytes) in into.iter_mut().zip(bytes.as_chunks().0) {
                *to = i32::from_le_bytes(*bytes);
            }
        }
    }
}

/// An operand that is repeated over a result, row by row.
pub(super) struct Repeated<'t> {
    view: View<'t>,
    is_paired: bool,
    /// The row that `values` holds.
    row: Option<u32>,
    values: Vec<i32>,
}

impl<'t> Repeated<'t> {
    /// With `is_paired`, columns 2k and 2k + 1 are swapped.
    pub(super) const fn new(view: View<'t>, is_paired: bool) -> Self {
        Self {
            view,
            is_paired,
            row: None,
            values: Vec::new(),
        }
    }

    /// Its values at `cols` columns of row `row` of the result.
    #[inline(always)]
    pub(super) fn row(&mut self, row: u32, cols: usize) -> Result<&[i32], Error> {
        let row = repeated(row, self.view.shape.rows);
        if self.row != Some(row) {
            read(&self.view, row, &mut self.values)?;
            if self.is_paired {
                let (pairs, _) = self.values.as_chunks_mut::<2>();
                pairs.iter_mut().for_each(|pair| pair.reverse());
            }
            let len = self.values.len();
            while self.values.len() < cols {
                let rest = (cols - self.values.len()).min(len);
                self.values.extend_from_within(..rest);
            }
            self.row = Some(row);
        }
        Ok(&self.values)
    }
}

/// Writes values from (row, col) of the result on, before flag T, where they are stored.
#[inline(always)]
pub(super) fn write(
    record: &Record,
    out: &mut [u8],
    row: u32,
    col: u32,
    values: &[i32],
) -> Result<(), Error> {
    let size = record.dtype.size() as usize;
    let is_transposed = record.has(flag::TRANSPOSED);
    let (first, step) = if is_transposed {
        (
            col as usize * record.cols as usize + row as usize,
            record.cols as usize,
        )
    } else {
        (row as usize * record.cols as usize + col as usize, 1)
    };
    let last = first + step * values.len().saturating_sub(1);
    let out = out
        .get_mut(first * size..(last + 1) * size)
        .ok_or(Error::NoSuchPosition)?;
    match record.dtype {
        DType::I8 => put(out, step, values, |value| [value as u8]),
        DType::I16 => put(out, step, values, |value| (value as i16).to_le_bytes()),
        DType::I32 => put(out, step, values, i32::to_le_bytes),
    }
    Ok(())
}

#[inline(always)]
fn put<const SIZE: usize>(
    out: &mut [u8],
    step: usize,
    values: &[i32],
    bytes: impl Fn(i32) -> [u8; SIZE],
) {
    let (out, _) = out.as_chunks_mut::<SIZE>();
    if step == 1 {
        for (out, value) in out.iter_mut().zip(values) {
            *out = bytes(*value);
        }
    } else {
        for (out, value) in out.iter_mut().step_by(step).zip(values) {
            *out = bytes(*value);
        }
    }
}
