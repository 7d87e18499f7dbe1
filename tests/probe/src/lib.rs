//! A program that does nothing but call `quern-proof`, built with the product's tools and flags.
//!
//! Its only account holds records, one after the other; it writes what each comes to into the record itself:
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | length of the input |
//! | 1 | which function: a constant of [`op`] |
//! | 32 | the result, zero behind it |
//! | length | the input, in the layout that the constant says |
//!
//! The same code on the host would prove nothing, so the test calls `quern-proof` itself and builds its own expectations.

// Only Solana's own compiler knows this target_os; on the host nothing calls what the entrypoint calls.
#![allow(unexpected_cfgs)]

#[cfg(target_os = "solana")]
use solana_compiler_builtins as _;

use quern_proof::{
    Hash,
    hash::{self, Tag},
    ops::{add, argmax, lut, product, qlinear},
    path,
    shape::DType,
};

/// Which function a record calls, and what its input holds. Rows are bytes as evidence holds them.
pub mod op {
    /// Row, row (equally long): i32.
    pub const MATMUL: u8 = 1;
    /// shift u8, lo i8, hi i8, bias i32, mult i32, row, row: i8.
    pub const QLINEAR: u8 = 2;
    /// shift u8, lo i8, hi i8, bias i32, mult i32, sum i32: i8.
    pub const REQUANTISE: u8 = 3;
    /// Table of 256, then up to 32 values: as many i8.
    pub const LUT: u8 = 4;
    /// Up to 32 pairs: as many i8.
    pub const ADD: u8 = 5;
    /// Row of i8: i32.
    pub const ARGMAX_I8: u8 = 6;
    /// Row of i32: i32.
    pub const ARGMAX_I32: u8 = 7;
    /// Row height u8, row: its root; zeros for a row that doesn't fit.
    pub const ROW_ROOT: u8 = 8;
    /// Tag u8 (1 or 2), index u64, start, siblings: the node above.
    pub const CLIMB: u8 = 9;
}

/// Bytes of a record before its input.
pub const HEAD_BYTES: usize = 4 + 1 + 32;

/// Runs every record. `None` where one is malformed.
pub fn run(mut records: &mut [u8]) -> Option<()> {
    while !records.is_empty() {
        let (head, rest) = records.split_first_chunk_mut::<HEAD_BYTES>()?;
        let (length, head) = head.split_first_chunk_mut::<4>()?;
        let (op, result) = head.split_first_mut()?;
        let (input, rest) =
            rest.split_at_mut_checked(u32::from_le_bytes(*length).try_into().ok()?)?;
        result.fill(0);
        one(*op, input, result)?;
        records = rest;
    }
    Some(())
}

fn one(op: u8, input: &[u8], result: &mut [u8]) -> Option<()> {
    match op {
        op::MATMUL => {
            let (a, b) = halves(input)?;
            put(result, &product::dot(a, b).to_le_bytes())
        }
        op::QLINEAR => {
            let (scale, rows) = Scale::read(input)?;
            let (a, w) = halves(rows)?;
            put(result, &scale.of_rows(a, w).to_le_bytes())
        }
        op::REQUANTISE => {
            let (scale, sum) = Scale::read(input)?;
            let sum = i32::from_le_bytes(sum.try_into().ok()?);
            put(result, &scale.of_sum(sum).to_le_bytes())
        }
        op::LUT => {
            let (table, values) = input.split_first_chunk::<256>()?;
            for (at, value) in values.iter().enumerate() {
                *result.get_mut(at)? = lut::cell(*value as i8, table) as u8;
            }
            Some(())
        }
        op::ADD => {
            let (pairs, []) = input.as_chunks::<2>() else {
                return None;
            };
            for (at, [a, b]) in pairs.iter().enumerate() {
                *result.get_mut(at)? = add::cell(*a as i8, *b as i8) as u8;
            }
            Some(())
        }
        op::ARGMAX_I8 => put(result, &argmax::cell(input, DType::I8).to_le_bytes()),
        op::ARGMAX_I32 => put(result, &argmax::cell(input, DType::I32).to_le_bytes()),
        op::ROW_ROOT => {
            let (height, row) = input.split_first()?;
            put(result, &hash::row_root(row, *height).unwrap_or_default())
        }
        op::CLIMB => {
            let (tag, input) = input.split_first()?;
            let (index, input) = input.split_first_chunk::<8>()?;
            let (start, input) = input.split_first_chunk::<32>()?;
            let tag = match tag {
                1 => Tag::Data,
                2 => Tag::Trace,
                _ => return None,
            };
            let siblings: &[Hash] = path::siblings(input)?;
            put(
                result,
                &path::climb(tag, *start, u64::from_le_bytes(*index), siblings),
            )
        }
        _ => None,
    }
}

/// What `QLINEAR` does to a sum.
struct Scale {
    shift: u8,
    lo: i8,
    hi: i8,
    bias: i32,
    mult: i32,
}

impl Scale {
    fn read(input: &[u8]) -> Option<(Self, &[u8])> {
        let ([shift, lo, hi], input) = input.split_first_chunk()?;
        let (bias, input) = input.split_first_chunk()?;
        let (mult, input) = input.split_first_chunk()?;
        let scale = Self {
            shift: *shift,
            lo: *lo as i8,
            hi: *hi as i8,
            bias: i32::from_le_bytes(*bias),
            mult: i32::from_le_bytes(*mult),
        };
        Some((scale, input))
    }

    fn of_rows(&self, a: &[u8], w: &[u8]) -> i8 {
        qlinear::cell(a, w, self.bias, self.mult, self.shift, self.lo, self.hi)
    }

    fn of_sum(&self, sum: i32) -> i8 {
        product::requantise(sum, self.bias, self.mult, self.shift, self.lo, self.hi)
    }
}

fn halves(rows: &[u8]) -> Option<(&[u8], &[u8])> {
    rows.len()
        .is_multiple_of(2)
        .then(|| rows.split_at(rows.len() / 2))
}

fn put(result: &mut [u8], bytes: &[u8]) -> Option<()> {
    result.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(())
}

#[cfg(target_os = "solana")]
mod entry {
    /// Where the runtime puts the first account's data, behind its length: number of accounts, flags, key, owner, lamports.
    const DATA_LENGTH_AT: usize = 8 + 8 + 32 + 32 + 8;

    /// Runs the records in the first account.
    ///
    /// # Safety
    /// Only the runtime calls it, with the accounts as it lays them out; the first must be writable.
    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn entrypoint(input: *mut u8) -> u64 {
        // SAFETY: the runtime's layout; nothing else refers to the account's data while this slice lives.
        let records = unsafe {
            let length = input.add(DATA_LENGTH_AT).cast::<u64>().read_unaligned();
            core::slice::from_raw_parts_mut(input.add(DATA_LENGTH_AT + 8), length as usize)
        };
        match super::run(records) {
            Some(()) => 0,
            None => 1,
        }
    }
}
