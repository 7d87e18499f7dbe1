//! Products of i8 matrices and what may be done to their sums: shared by the ops that begin with one.
//!
//! The functions of single cells trust the lengths that the graph implies: rows of equal length, at most [`MAX_INNER`] long.
//! Beyond that they wrap; they never panic. i8 values are passed as the bytes that commitments and evidence hold.

use super::shapes::require_dtype;
use crate::{
    limits::MAX_INNER,
    node::Operand,
    refusal::SealError,
    shape::{DType, Rows, Shape},
};

#[cfg(feature = "std")]
use {
    super::source::Tensors,
    crate::{Error, Tensor},
    std::vec::Vec,
};

/// A product that an op is or begins with: sums over k of `a[i,k] * b[j,k]`, as i32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Left operand, i8.
    pub a: Operand,
    /// Right operand, i8, one row an output column.
    pub b: Operand,
    /// How the sums become the output, if they aren't it.
    pub scale: Option<Scale>,
}

/// How sums become i8: see [`requantise`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Bias of each column, i32.
    pub bias: Operand,
    /// Multiplier of each column, i32.
    pub mult: Operand,
    /// Bits to shift right, rounding half up.
    pub shift: u8,
    /// Least result.
    pub lo: i8,
    /// Greatest result.
    pub hi: i8,
}

impl Scale {
    /// What becomes of a sum in a column with this bias and multiplier.
    #[inline]
    pub fn apply(&self, sum: i32, bias: i32, mult: i32) -> i8 {
        requantise(sum, bias, mult, self.shift, self.lo, self.hi)
    }

    /// Bias and multiplier of every column.
    ///
    /// # Errors
    /// There are none, or they are no i32.
    #[cfg(feature = "std")]
    pub fn columns(&self, tensors: &Tensors<'_>) -> Result<Vec<(i32, i32)>, Error> {
        let bias = tensors.get(self.bias)?.to_i32()?;
        let mult = tensors.get(self.mult)?.to_i32()?;
        Ok(bias.into_iter().zip(mult).collect())
    }
}

/// A rule of `seal`: the left operand of a product is i8.
pub(super) fn require_left(a: &Shape) -> Result<(), SealError> {
    require_dtype(a, DType::I8)
}

/// The rules of `seal` for the right operand of a product; returns the product's columns (the rows of `b`).
pub(super) fn columns(a: &Shape, b: &Shape) -> Result<u32, SealError> {
    require_dtype(b, DType::I8)?;
    let Rows::Fixed(cols) = b.rows else {
        return Err(SealError::MatrixIsBatch);
    };
    if a.cols != b.cols {
        return Err(SealError::InnerMismatch);
    }
    if a.cols > MAX_INNER {
        return Err(SealError::InnerTooLong);
    }
    Ok(cols)
}

/// Whether this is the build for the chain's virtual machine: 64-bit registers, no vectors, every instruction is paid.
#[allow(unexpected_cfgs)] // Solana's own compiler knows this target_os, others don't.
const ON_CHAIN: bool = cfg!(any(target_os = "solana", target_arch = "bpf"));

/// The sum of products of two rows.
///
/// With at most 32,768 products of two i8 the sum is at most 2^29, so i32 is exact.
#[inline]
pub fn dot(a: &[u8], b: &[u8]) -> i32 {
    if ON_CHAIN {
        dot_packed(a, b)
    } else {
        dot_plain(a, b)
    }
}

/// Wrapping, because a check in the inner loop would keep it from being vectorised.
#[inline]
fn times(a: u8, b: u8) -> i32 {
    i32::from(i16::from(a as i8).wrapping_mul(i16::from(b as i8)))
}

/// What compilers turn into vector instructions.
#[inline]
fn dot_plain(a: &[u8], b: &[u8]) -> i32 {
    /// Values that the inner loop takes at a time.
    const LANES: usize = 32;
    let ((a_chunks, a_rest), (b_chunks, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sum = 0i32;
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        let mut part = 0i32;
        for (a, b) in a.iter().zip(b) {
            part = part.wrapping_add(times(*a, *b));
        }
        sum = sum.wrapping_add(part);
    }
    for (a, b) in a_rest.iter().zip(b_rest) {
        sum = sum.wrapping_add(times(*a, *b));
    }
    sum
}

/// Two products in one multiplication: `(x + x' 2^32) (y' + y 2^32) = x y' + (x y + x' y') 2^32 + ...`, modulo 2^64.
///
/// What stays below 2^32 is at most 16,384 products of two i8, so it is a signed i32 and can be taken off again.
#[inline(never)] // Its loop needs every register.
fn dot_packed(a: &[u8], b: &[u8]) -> i32 {
    /// Two bytes of eight.
    const PAIR: u64 = 0x0000_00ff_0000_00ff;
    /// 128 in both places: value + 128 is what a byte is with its top bit flipped.
    const OFFSET: u64 = 0x0000_0080_0000_0080;
    const TOP_BITS: u64 = 0x8080_8080_8080_8080;
    // Says to the compiler that one counter is enough: it saves a tenth of the loop.
    if a.len() != b.len() {
        return dot_plain(a, b);
    }
    let ((a_words, a_rest), (b_words, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = 0u64;
    for (a, b) in a_words.iter().zip(b_words) {
        let x = u64::from_le_bytes(*a) ^ TOP_BITS;
        let y = u64::from_be_bytes(*b) ^ TOP_BITS;
        // Bytes i and i + 4 of a against bytes i + 4 and i of b (b is reversed).
        let pair = |x: u64, y: u64| {
            let x = (x & PAIR).wrapping_sub(OFFSET);
            x.wrapping_mul((y & PAIR).wrapping_sub(OFFSET))
        };
        sums = sums
            .wrapping_add(pair(x, y >> 24))
            .wrapping_add(pair(x >> 8, y >> 16))
            .wrapping_add(pair(x >> 16, y >> 8))
            .wrapping_add(pair(x >> 24, y));
    }
    let crossed = i64::from(sums as i32);
    let mut sum = ((sums as i64).wrapping_sub(crossed) >> 32) as i32;
    for (a, b) in a_rest.iter().zip(b_rest) {
        sum = sum.wrapping_add(times(*a, *b));
    }
    sum
}

/// What a scaled product makes of a sum: `clamp(((sum + bias) * mult + half) >> shift, lo, hi)`, half = 1 << (shift - 1).
///
/// Exact for |sum| <= 2^29 and shift 1 to 47: |sum + bias| < 2^32, and with half the product stays below 2^63.
#[inline]
pub fn requantise(sum: i32, bias: i32, mult: i32, shift: u8, lo: i8, hi: i8) -> i8 {
    let scaled = (i64::from(sum) + i64::from(bias)).wrapping_mul(i64::from(mult));
    let half = 1i64.wrapping_shl(u32::from(shift).wrapping_sub(1));
    let rounded = scaled.wrapping_add(half).wrapping_shr(u32::from(shift));
    // Not `clamp`, which panics where lo is above hi.
    rounded.min(i64::from(hi)).max(i64::from(lo)) as i8
}

/// Writes the i32 sums of a product.
#[cfg(feature = "std")]
pub(crate) fn sums(a: &Tensor, b: &Tensor, out: &mut [u8]) {
    each_cell(a, b, out, |out: &mut [u8; 4], _, a, b| {
        *out = dot(a, b).to_le_bytes();
    });
}

#[cfg(feature = "std")]
/// Rows of `a` that a product takes at a time: they and one row of `b` stay in the nearest cache while `b` streams by.
#[cfg(feature = "std")]
const ROW_BLOCK: usize = 16;

/// Calls `cell(out, j, row i of a, row j of b)` for every cell of a product; an output value takes `SIZE` bytes.
#[cfg(feature = "std")]
#[inline]
pub(super) fn each_cell<const SIZE: usize>(
    a: &Tensor,
    b: &Tensor,
    data: &mut [u8],
    cell: impl Fn(&mut [u8; SIZE], usize, &[u8], &[u8]),
) {
    let k = a.geometry().row_bytes() as usize;
    let out_row_bytes = b.rows() as usize * SIZE;
    let blocks = data
        .chunks_mut(out_row_bytes * ROW_BLOCK)
        .zip(a.data().chunks(k * ROW_BLOCK));
    for (out_block, a_block) in blocks {
        for (j, b_row) in b.row_slices().enumerate() {
            for (out_row, a_row) in out_block
                .chunks_exact_mut(out_row_bytes)
                .zip(a_block.chunks_exact(k))
            {
                if let Some(out) = out_row.as_chunks_mut::<SIZE>().0.get_mut(j) {
                    cell(out, j, a_row, b_row);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bounds that make every op exact, at their very ends.
    #[test]
    fn bounds_of_the_accumulators() {
        let k = i128::from(MAX_INNER);
        let sum = k * 128 * 128;
        assert_eq!(sum, 1 << 29);
        let low = std::vec![0x80u8; MAX_INNER as usize];
        assert_eq!(i128::from(dot(&low, &low)), sum);
        let high = std::vec![0x7fu8; MAX_INNER as usize];
        assert_eq!(i128::from(dot(&low, &high)), -k * 128 * 127);

        let acc = sum + -i128::from(i32::MIN);
        assert!(acc < 1 << 32, "|acc| < 2^32");
        let product = acc * -i128::from(i32::MIN);
        assert!(product < 1 << 63, "|acc x mult| < 2^63");
        let half = 1i128 << (crate::limits::MAX_SHIFT - 1);
        assert!(product + half < 1 << 63, "and so with half");
    }

    /// What the chain computes with and what a host computes with are the same.
    #[test]
    fn packed_equals_plain() {
        let mut state = 1u64;
        let mut byte = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            match state >> 62 {
                0 => 0x80,
                1 => 0x7f,
                _ => (state >> 40) as u8,
            }
        };
        for len in (0..300).chain([1000, 4095, 32_767, 32_768]) {
            let (a, b): (std::vec::Vec<u8>, std::vec::Vec<u8>) =
                (0..len).map(|_| (byte(), byte())).unzip();
            assert_eq!(dot_packed(&a, &b), dot_plain(&a, &b), "{len}");
        }
        for (x, y) in [
            (0x80, 0x80),
            (0x80, 0x7f),
            (0x7f, 0x7f),
            (0x80, 0),
            (0xff, 1),
        ] {
            let (a, b) = (std::vec![x; 32_768], std::vec![y; 32_768]);
            assert_eq!(dot_packed(&a, &b), dot_plain(&a, &b), "{x} {y}");
        }
    }

    #[test]
    fn requantise_at_its_ends() {
        let naive = |sum: i32, bias: i32, mult: i32, shift: u8, lo: i8, hi: i8| {
            let scaled = (i128::from(sum) + i128::from(bias)) * i128::from(mult);
            let rounded = (scaled + (1 << (shift - 1))).div_euclid(1 << shift);
            rounded.clamp(lo.into(), hi.into()) as i8
        };
        let ends = [
            i32::MIN,
            i32::MIN + 1,
            -3,
            -2,
            -1,
            0,
            1,
            2,
            3,
            i32::MAX - 1,
            i32::MAX,
        ];
        for sum in [-(1 << 29), -5, -1, 0, 1, 5, 1 << 29] {
            for bias in ends {
                for mult in ends {
                    for shift in 1..=crate::limits::MAX_SHIFT {
                        for (lo, hi) in [(-128, 127), (0, 127), (-1, 1), (5, 5)] {
                            assert_eq!(
                                requantise(sum, bias, mult, shift, lo, hi),
                                naive(sum, bias, mult, shift, lo, hi),
                                "{sum} {bias} {mult} {shift} {lo} {hi}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn halves_round_up() {
        let at = |sum| requantise(sum, 0, 1, 1, -128, 127);
        assert_eq!(
            [at(-3), at(-2), at(-1), at(0), at(1), at(2), at(3)],
            [-1, -1, 0, 0, 1, 1, 2]
        );
    }

    #[test]
    fn nothing_panics_out_of_contract() {
        assert_eq!(dot(&[5, 2, 3], &[0xff]), -5);
        let _ = requantise(i32::MIN, i32::MIN, i32::MIN, 0, 1, -1);
        let _ = requantise(i32::MAX, i32::MAX, i32::MAX, 255, 1, -1);
    }
}
