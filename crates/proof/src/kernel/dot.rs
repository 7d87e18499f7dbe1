//! Sums of products of integers of 8 or 16 bits with integers of 8 bits.
//!
//! The functions of single cells trust the lengths that the graph implies: rows of equal length, at most
//! [`MAX_INNER`](crate::limits::MAX_INNER) values long. Beyond that they wrap; they never panic. Values are passed as the
//! bytes that commitments and evidence hold.

use crate::shape::DType;

/// Whether this is the build for the chain's virtual machine: 64-bit registers, no vectors, every instruction is paid.
#[allow(unexpected_cfgs)] // Solana's own compiler knows this target_os, others don't.
const ON_CHAIN: bool = cfg!(any(target_os = "solana", target_arch = "bpf"));

/// The sum of products of a run of `a`, of this type, with a run of `b`. 0 for i32, which no sealed product has.
///
/// At most 32,768 products: within 2^29 for i8, within 2^37 for i16.
#[inline]
pub fn dot(a: &[u8], dtype: DType, b: &[u8]) -> i64 {
    match (dtype, ON_CHAIN) {
        (DType::I8, true) => dot_i8_packed(a, b).into(),
        (DType::I8, false) => dot_i8(a, b).into(),
        (DType::I16, true) => dot_i16_packed(a, b),
        (DType::I16, false) => dot_i16(a, b),
        (DType::I32, _) => 0,
    }
}

/// Wrapping, because a check in the inner loop would keep it from being vectorized.
#[inline]
fn times_i8(a: u8, b: u8) -> i32 {
    i32::from(i16::from(a as i8).wrapping_mul(i16::from(b as i8)))
}

#[inline]
fn times_i16(a: [u8; 2], b: u8) -> i32 {
    i32::from(i16::from_le_bytes(a)).wrapping_mul(i32::from(b as i8))
}

/// What compilers turn into vector instructions.
#[inline]
fn dot_i8(a: &[u8], b: &[u8]) -> i32 {
    /// Values that the inner loop takes at a time.
    const LANES: usize = 32;
    let ((a_chunks, a_rest), (b_chunks, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sum = 0i32;
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        let mut part = 0i32;
        for (a, b) in a.iter().zip(b) {
            part = part.wrapping_add(times_i8(*a, *b));
        }
        sum = sum.wrapping_add(part);
    }
    for (a, b) in a_rest.iter().zip(b_rest) {
        sum = sum.wrapping_add(times_i8(*a, *b));
    }
    sum
}

/// As [`dot_i8`]. 256 products of i16 and i8 are at most 2^30, so they are summed in i32 before they are widened.
#[inline]
fn dot_i16(a: &[u8], b: &[u8]) -> i64 {
    const RUN: usize = 256;
    let (a, _) = a.as_chunks::<2>();
    let mut sum = 0i64;
    for (a, b) in a.chunks(RUN).zip(b.chunks(RUN)) {
        let mut part = 0i32;
        for (a, b) in a.iter().zip(b) {
            part = part.wrapping_add(times_i16(*a, *b));
        }
        sum = sum.wrapping_add(part.into());
    }
    sum
}

/// Two bytes of eight.
const PAIR: u64 = 0x0000_00ff_0000_00ff;
/// 128 in both places: value + 128 is what a byte is with its top bit flipped.
const OFFSET: u64 = 0x0000_0080_0000_0080;
const TOP_BITS: u64 = 0x8080_8080_8080_8080;
/// Two values of four, and their offsets.
const PAIR_16: u64 = 0x0000_ffff_0000_ffff;
const OFFSET_16: u64 = 0x0000_8000_0000_8000;
const TOP_BITS_16: u64 = 0x8000_8000_8000_8000;

/// The upper half of a sum of packed products, when the lower one is taken off.
#[inline]
const fn upper(sums: u64) -> i64 {
    (sums as i64).wrapping_sub(sums as i32 as i64) >> 32
}

/// Two products in one multiplication: `(x + x' 2^32) (y' + y 2^32) = x y' + (x y + x' y') 2^32 + ...`, modulo 2^64.
///
/// What stays below 2^32 is at most 16,384 products of two i8, so it is a signed i32 and can be taken off again.
#[inline(never)] // Its loop needs every register.
fn dot_i8_packed(a: &[u8], b: &[u8]) -> i32 {
    // Says to the compiler that one counter is enough: it saves a tenth of the loop.
    if a.len() != b.len() {
        return dot_i8(a, b);
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
    let mut sum = upper(sums) as i32;
    for (a, b) in a_rest.iter().zip(b_rest) {
        sum = sum.wrapping_add(times_i8(*a, *b));
    }
    sum
}

/// As [`dot_i8_packed`]. A run of 256 products is at most 2^30, and what stays below 2^32 at most 2^29: both are a signed
/// i32. So the sums are taken out after each run.
#[inline(never)] // Its loop needs every register.
fn dot_i16_packed(a: &[u8], b: &[u8]) -> i64 {
    /// Words of `b` in a run.
    const RUN: usize = 32;
    let ((a_words, a_rest), (b_words, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<8>());
    let mut sum = 0i64;
    for (a, b) in a_words.chunks(RUN).zip(b_words.chunks(RUN)) {
        let mut sums = 0u64;
        for (a, b) in a.iter().zip(b) {
            let [a0, a1, a2, a3, a4, a5, a6, a7, rest @ ..] = *a;
            let first = u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]) ^ TOP_BITS_16;
            let second = u64::from_le_bytes(rest) ^ TOP_BITS_16;
            let y = u64::from_be_bytes(*b) ^ TOP_BITS;
            // Values 0, 1, 4, 5 and 2, 3, 6, 7 of a: value i and i + 4 against i + 4 and i of b (b is reversed).
            let even = first & 0xffff_ffff | second << 32;
            let odd = first >> 32 | second & !0xffff_ffff;
            let pair = |x: u64, y: u64| {
                let x = (x & PAIR_16).wrapping_sub(OFFSET_16);
                x.wrapping_mul((y & PAIR).wrapping_sub(OFFSET))
            };
            sums = sums
                .wrapping_add(pair(even, y >> 24))
                .wrapping_add(pair(even >> 16, y >> 16))
                .wrapping_add(pair(odd, y >> 8))
                .wrapping_add(pair(odd >> 16, y));
        }
        sum = sum.wrapping_add(upper(sums));
    }
    for (a, b) in a_rest.as_chunks().0.iter().zip(b_rest) {
        sum = sum.wrapping_add(times_i16(*a, *b).into());
    }
    sum
}

/// The parts of rows that one group of a product reads.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Runs<'t> {
    /// All rows.
    pub data: &'t [u8],
    /// Bytes of a whole row.
    pub row_bytes: usize,
    /// Where in a row the run begins.
    pub start: usize,
    /// Bytes of the run.
    pub len: usize,
}

#[cfg(feature = "std")]
impl<'t> Runs<'t> {
    pub fn iter(self) -> impl Iterator<Item = &'t [u8]> {
        let rows = self.data.chunks_exact(self.row_bytes);
        rows.filter_map(move |row| row.get(self.start..self.start + self.len))
    }

    /// Some rows at a time: they and one row of `b` stay in the nearest cache while `b` streams by.
    pub fn blocks(self, rows: usize) -> impl Iterator<Item = Self> {
        let blocks = self.data.chunks(self.row_bytes * rows);
        blocks.map(move |data| Self { data, ..self })
    }
}

/// All sums of an i8 x i8 product: row-major, one row for each of `a`, one column for each of `b`.
#[cfg(feature = "std")]
pub(crate) fn plain_sums_i8(a: Runs<'_>, b: Runs<'_>, cols: usize, out: &mut [i32]) {
    sums(a, b, cols, out, dot_i8);
}

/// All sums of an i16 x i8 product, as [`plain_sums_i8`].
#[cfg(feature = "std")]
pub(crate) fn plain_sums_i16(a: Runs<'_>, b: Runs<'_>, cols: usize, out: &mut [i64]) {
    sums(a, b, cols, out, dot_i16);
}

#[cfg(feature = "std")]
#[inline]
fn sums<T>(a: Runs<'_>, b: Runs<'_>, cols: usize, out: &mut [T], dot: impl Fn(&[u8], &[u8]) -> T) {
    const BLOCK: usize = 16;
    for (out, a) in out.chunks_mut(cols * BLOCK).zip(a.blocks(BLOCK)) {
        for (col, b) in b.iter().enumerate() {
            for (out, a) in out.chunks_exact_mut(cols).zip(a.iter()) {
                if let Some(out) = out.get_mut(col) {
                    *out = dot(a, b);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_INNER;
    use std::vec::Vec;

    /// The bounds that make every product exact, at their very ends.
    #[test]
    fn bounds_of_the_accumulators() {
        let k = MAX_INNER as usize;
        for (a, b, of_i8, of_i16) in [
            (0x80, 0x80, 1i64 << 29, 1i64 << 37),
            (0x80, 0x7f, -(1 << 15) * 128 * 127, -(1 << 30) * 127),
        ] {
            let b = std::vec![b; k];
            let bytes = std::vec![a; k];
            assert_eq!(dot(&bytes, DType::I8, &b), of_i8);
            assert_eq!(i64::from(dot_i8_packed(&bytes, &b)), of_i8);
            let words: Vec<u8> = [0, a].repeat(k);
            assert_eq!(dot(&words, DType::I16, &b), of_i16);
            assert_eq!(dot_i16_packed(&words, &b), of_i16);
        }
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
        for len in (0..300).chain([511, 512, 1000, 4095, 32_767, 32_768]) {
            let a: Vec<u8> = (0..2 * len).map(|_| byte()).collect();
            let b: Vec<u8> = (0..len).map(|_| byte()).collect();
            let naive = |size: usize| -> i64 {
                let values = a.chunks(size).zip(&b).map(|(a, b)| {
                    let a = match a {
                        [low, high] => i64::from(i16::from_le_bytes([*low, *high])),
                        _ => i64::from(a[0] as i8),
                    };
                    a * i64::from(*b as i8)
                });
                values.sum()
            };
            assert_eq!(dot_i16(&a, &b), naive(2), "{len}");
            assert_eq!(dot_i16_packed(&a, &b), naive(2), "{len}");
            let a = &a[..len];
            let naive: i64 = a
                .iter()
                .zip(&b)
                .map(|(a, b)| i64::from(*a as i8) * i64::from(*b as i8))
                .sum();
            assert_eq!(i64::from(dot_i8(a, &b)), naive, "{len}");
            assert_eq!(i64::from(dot_i8_packed(a, &b)), naive, "{len}");
        }
        for (x, y) in [
            (0x80, 0x80),
            (0x80, 0x7f),
            (0x7f, 0x7f),
            (0x80, 0),
            (0xff, 1),
        ] {
            for x in [[0, x], [0xff, x], [x, 0]] {
                let (a, b) = (x.repeat(32_768), std::vec![y; 32_768]);
                assert_eq!(dot_i16_packed(&a, &b), dot_i16(&a, &b), "{x:?} {y}");
                assert_eq!(dot_i8_packed(&a, &a), dot_i8(&a, &a), "{x:?} {y}");
            }
        }
    }

    #[test]
    fn nothing_panics_out_of_contract() {
        assert_eq!(dot(&[5, 2, 3], DType::I8, &[0xff]), -5);
        assert_eq!(dot_i8_packed(&[5, 2, 3], &[0xff]), -5);
        assert_eq!(dot_i16_packed(&[5, 0, 3], &[0xff]), -5);
        assert_eq!(dot_i16_packed(&[5; 33], &[0xff; 9]), -0x0505 * 8);
        assert_eq!(dot(&[5, 2, 3, 4], DType::I32, &[0xff]), 0);
    }
}
