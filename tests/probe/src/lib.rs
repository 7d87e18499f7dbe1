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

use quern_proof::{Case, Charge, DType, Graph, Hash, hash::Tag, judge, kernel::dot::dot, path};

/// Which function a record calls, and what its input holds. Rows are bytes as evidence holds them.
pub mod op {
    /// Row of i8, row of i8 (equally long): i64.
    pub const DOT_I8: u8 = 1;
    /// Row of i16, row of half as many bytes of i8: i64.
    pub const DOT_I16: u8 = 2;
    /// items u32, inputs u8, op u16, row u32, col u32, at u32, graph's length u32, graph, a root for each input, the tokens'
    /// root, the trace root, evidence: 0 if it convicts, else the refusal's number.
    pub const JUDGE: u8 = 3;
    /// Tag u8 (1 or 2), index u64, start, siblings: the node above.
    pub const CLIMB: u8 = 4;
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
        op::DOT_I8 => {
            let (a, b) = halves(input)?;
            put(result, &dot(a, DType::I8, b).to_le_bytes())
        }
        op::DOT_I16 => {
            let (a, b) = input.split_at_checked(input.len() / 3 * 2)?;
            put(result, &dot(a, DType::I16, b).to_le_bytes())
        }
        op::JUDGE => put(result, &[verdict(input)?]),
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

/// What the judge says of a cell.
fn verdict(input: &[u8]) -> Option<u8> {
    let (items, input) = input.split_first_chunk()?;
    let (inputs, input) = input.split_first()?;
    let (op, input) = input.split_first_chunk()?;
    let (row, input) = input.split_first_chunk()?;
    let (col, input) = input.split_first_chunk()?;
    let (at, input) = input.split_first_chunk()?;
    let (length, input) = input.split_first_chunk()?;
    let (graph, input) = input.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let (roots, input) = input.split_at_checked(usize::from(*inputs) * 32)?;
    let (tokens_root, input) = input.split_first_chunk()?;
    let (trace_root, evidence) = input.split_first_chunk()?;
    let case = Case {
        graph: Graph::parse(graph).ok()?,
        items: u32::from_le_bytes(*items),
        input_roots: path::siblings(roots)?,
        tokens_root,
        trace_root,
    };
    let charge = Charge::Cell {
        op: u16::from_le_bytes(*op),
        row: u32::from_le_bytes(*row),
        col: u32::from_le_bytes(*col),
        at: u32::from_le_bytes(*at),
    };
    match judge(&case, &charge, evidence) {
        Ok(()) => Some(0),
        Err(refusal) => Some(refusal as u8),
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
