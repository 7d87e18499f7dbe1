//! Whether a product is right, without computing it: Freivalds' test over private randomness.
//!
//! `C = A B^T` is compared in one direction only: `C r = A (B^T r)` for a random vector `r`. That reads each matrix once
//! instead of once for every row of another.
//!
//! Everything is wrapping arithmetic modulo 2^64, and the coefficients of `r` have [`COEFFICIENT_BITS`] bits. A right row
//! always passes. A wrong row differs somewhere by `d`, `0 < |d| < 2^32`: a claimed value is an i32 and a true one at most
//! 2^29. Whatever the other coefficients are, two values `x`, `y` of that column's coefficient can both let it pass only if
//! `d (x - y) = 0` modulo 2^64; as `|d (x - y)| < 2^55`, only for `x = y`. So at most one value of 2^23 lets it pass, and
//! both of [`VECTORS`] independent vectors at most with probability 2^-46.
//!
//! That holds as long as the one who claims `C` knows nothing of the coefficients: they are drawn from [`Coins`], a secret, and
//! new ones for every product.

use std::{vec, vec::Vec};

use crate::{
    Error, Tensor,
    hash::{self, Hash},
    limits::MAX_INNER,
    ops::product::dot,
    shape::DType,
};

/// Bits of a coefficient.
pub const COEFFICIENT_BITS: u32 = 23;
/// Random vectors that a product is compared in.
pub const VECTORS: usize = 2;

/// A private source of coefficients: SHA-256 of a secret seed and a counter.
///
/// Take the seed from the operating system's randomness, for one check only, and keep it secret: with it, a wrong product
/// can be made that passes.
pub struct Coins {
    seed: Hash,
    counter: u64,
}

impl core::fmt::Debug for Coins {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Coins(private)")
    }
}

impl Coins {
    /// Coins from a secret seed.
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    /// The next coefficients, at least `count` of them.
    fn coefficients(&mut self, count: usize) -> Vec<u32> {
        let mut drawn = Vec::with_capacity(count.next_multiple_of(8));
        while drawn.len() < count {
            let block = hash::hash(&[&self.seed, &self.counter.to_le_bytes()]);
            self.counter = self.counter.wrapping_add(1);
            let words = block.as_chunks::<4>().0.iter();
            drawn.extend(words.map(|word| u32::from_le_bytes(*word) >> (32 - COEFFICIENT_BITS)));
        }
        drawn
    }
}

/// Values that an inner loop takes at a time; compilers turn such loops into vector instructions.
const LANES: usize = 32;
/// Base-2^16 digits of a value modulo 2^64.
const DIGITS: usize = 4;
/// Columns of a row of `A` that are summed as i32: `256 x 2^7 x 2^15 = 2^30`.
const COLUMNS_AT_ONCE: usize = 256;
/// Rows of `B` that are summed as u32: `256 x (2^8 - 1) x (2^16 - 1) < 2^32`.
const ROWS_AT_ONCE: usize = 256;

/// One base-2^16 digit of every value of `B^T r`. Digits are balanced, in `[-2^15, 2^15)`, so that a dot product multiplies
/// two i16 instead of an i8 and a u64.
struct Digits {
    /// Which of the random vectors it belongs to.
    vector: usize,
    /// How far its digits are shifted to the left.
    shift: u32,
    /// One for every column of `A`, and zeros up to whole lanes.
    digits: Vec<i16>,
}

/// A product `C = A B^T` of which any row can be tested.
pub struct ProductTest<'t> {
    a: &'t Tensor,
    b: &'t Tensor,
    /// The coefficients of both vectors, one for every column of `C`.
    r: [Vec<u32>; VECTORS],
    /// What `C r` gives too much with values moved up to be unsigned: `2^31` times the sum of the coefficients.
    excess: [u64; VECTORS],
    /// `B^T r`, without digits that are zero everywhere.
    digits: Vec<Digits>,
    /// A row of `A`, padded with zeros to whole lanes.
    row: Vec<i16>,
}

impl core::fmt::Debug for ProductTest<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "ProductTest({} * {}^T)",
            self.a.describe(),
            self.b.describe()
        )
    }
}

impl<'t> ProductTest<'t> {
    /// Draws the coefficients of a product and computes `B^T r`.
    ///
    /// # Errors
    /// [`Error::DType`], or [`Error::Product`] if the rows of both are of different lengths or longer than a product may have.
    pub fn new(a: &'t Tensor, b: &'t Tensor, coins: &mut Coins) -> Result<Self, Error> {
        for operand in [a, b] {
            operand.expect(DType::I8)?;
        }
        let (columns, inner) = (b.rows() as usize, b.cols() as usize);
        if a.cols() != b.cols() || b.cols() > MAX_INNER {
            return Err(not_a_product(a, b));
        }
        let r: [Vec<u32>; VECTORS] = core::array::from_fn(|_| {
            let mut r = coins.coefficients(columns);
            r.truncate(columns);
            r
        });
        let excess = core::array::from_fn(|at| sum(r.get(at)).wrapping_mul(1 << 31));
        let mut digits = Vec::with_capacity(VECTORS * DIGITS);
        for (vector, values) in combine_rows(b, &r).into_iter().enumerate() {
            digits.extend(digits_of(vector, &values));
        }
        Ok(Self {
            a,
            b,
            r,
            excess,
            digits,
            row: vec![0; inner.next_multiple_of(LANES)],
        })
    }

    /// Whether `claimed`, the bytes of a row of i32, is that row of the product. `true` is wrong with probability 2^-46 at
    /// most; `false` is certain. A row that doesn't exist, or one of another length, is not right.
    pub fn is_right(&mut self, row: u32, claimed: &[u8]) -> bool {
        let Some(a) = self.a.row(row) else {
            return false;
        };
        if claimed.len() != self.b.rows() as usize * 4 {
            return false;
        }
        let [r0, r1] = &self.r;
        let claimed = weighted_sums(claimed, r0, r1);
        for (to, from) in self.row.iter_mut().zip(a) {
            *to = i16::from(*from as i8);
        }
        let computed = dot_products(&self.row, &self.digits);
        claimed
            .iter()
            .zip(&self.excess)
            .zip(&computed)
            .all(|((claimed, excess), computed)| claimed.wrapping_sub(*excess) == *computed)
    }
}

/// The first row of `c` that is not that of `a b^T`. `None` if there is none, which is wrong with probability 2^-46 at most.
///
/// # Errors
/// As for [`ProductTest::new`], and [`Error::Product`] if `c` has another shape.
pub fn first_wrong_row(
    a: &Tensor,
    b: &Tensor,
    c: &Tensor,
    coins: &mut Coins,
) -> Result<Option<u32>, Error> {
    c.expect(DType::I32)?;
    if (c.rows(), c.cols()) != (a.rows(), b.rows()) {
        return Err(not_a_product(a, b));
    }
    let mut test = ProductTest::new(a, b, coins)?;
    let wrong = (0..c.rows()).find(|row| {
        let claimed = c.row(*row).unwrap_or_default();
        !test.is_right(*row, claimed)
    });
    Ok(wrong)
}

/// The first cell of `c` that is not that of `a b^T`, by rows: the first wrong row is computed again.
///
/// # Errors
/// As for [`first_wrong_row`].
pub fn first_wrong_cell(
    a: &Tensor,
    b: &Tensor,
    c: &Tensor,
    coins: &mut Coins,
) -> Result<Option<(u32, u32)>, Error> {
    let Some(row) = first_wrong_row(a, b, c, coins)? else {
        return Ok(None);
    };
    let (left, claimed) = (
        a.row(row).unwrap_or_default(),
        c.row(row).unwrap_or_default(),
    );
    let claimed = claimed.as_chunks::<4>().0.iter();
    let wrong = b
        .row_slices()
        .zip(claimed)
        .position(|(right, claimed)| dot(left, right).to_le_bytes() != *claimed);
    // A row that fails the test has a wrong cell: right ones never fail.
    Ok(wrong.map(|col| (row, col as u32)))
}

fn not_a_product(a: &Tensor, b: &Tensor) -> Error {
    Error::Product {
        a: a.describe(),
        b: b.describe(),
    }
}

fn sum(values: Option<&Vec<u32>>) -> u64 {
    let values = values.into_iter().flatten();
    values.fold(0, |sum, value| sum.wrapping_add(u64::from(*value)))
}

/// `B^T r` for both vectors, modulo 2^64.
///
/// Values are moved up by 128 to be unsigned, and a coefficient is cut into its low 16 bits and its high 7: then the first
/// product has 24 bits and the second 15, and vector instructions of 16-bit factors do both.
fn combine_rows(b: &Tensor, r: &[Vec<u32>; VECTORS]) -> [Vec<u64>; VECTORS] {
    let inner = b.cols() as usize;
    let [r0, r1] = r;
    let mut combined = [vec![0u64; inner], vec![0u64; inner]];
    let mut lows = [vec![0u32; inner], vec![0u32; inner]];
    let mut highs = lows.clone();
    let blocks = b.data().chunks(inner * ROWS_AT_ONCE);
    let coefficients = r0.chunks(ROWS_AT_ONCE).zip(r1.chunks(ROWS_AT_ONCE));
    for (rows, (r0, r1)) in blocks.zip(coefficients) {
        let (pairs, last) = (rows.chunks_exact(2 * inner), r0.len() % 2);
        let rest = pairs.remainder();
        let (r0_pairs, r0_rest) = r0.as_chunks::<2>();
        let (r1_pairs, r1_rest) = r1.as_chunks::<2>();
        for ((pair, r0), r1) in pairs.zip(r0_pairs).zip(r1_pairs) {
            let (first, second) = pair.split_at(inner);
            add_rows(first, second, [*r0, *r1], &mut lows, &mut highs);
        }
        if let (1, [r0], [r1]) = (last, r0_rest, r1_rest) {
            // The second of this pair counts nothing.
            add_rows(rest, rest, [[*r0, 0], [*r1, 0]], &mut lows, &mut highs);
        }
        for ((combined, lows), highs) in combined.iter_mut().zip(&mut lows).zip(&mut highs) {
            for ((sum, low), high) in combined.iter_mut().zip(lows).zip(highs) {
                let both = (u64::from(*high) << 16).wrapping_add(u64::from(*low));
                *sum = sum.wrapping_add(both);
                (*low, *high) = (0, 0);
            }
        }
    }
    for (combined, r) in combined.iter_mut().zip(r) {
        let excess = sum(Some(r)).wrapping_mul(128);
        for value in combined.iter_mut() {
            *value = value.wrapping_sub(excess);
        }
    }
    combined
}

/// Adds two rows, each times its coefficient, for both vectors.
#[inline]
fn add_rows(
    first: &[u8],
    second: &[u8],
    [r0, r1]: [[u32; 2]; VECTORS],
    [low0, low1]: &mut [Vec<u32>; VECTORS],
    [high0, high1]: &mut [Vec<u32>; VECTORS],
) {
    let low = |r: u32| r & 0xffff;
    let high = |r: u32| (r >> 16) as u16;
    let ([a0, b0], [a1, b1]) = (r0.map(low), r1.map(low));
    let ([c0, d0], [c1, d1]) = (r0.map(high), r1.map(high));
    let rows = first.iter().zip(second);
    let lows = low0.iter_mut().zip(low1.iter_mut());
    let highs = high0.iter_mut().zip(high1.iter_mut());
    for (((x, y), (low0, low1)), (high0, high1)) in rows.zip(lows).zip(highs) {
        // A byte with its top bit flipped is its value plus 128.
        let (x, y) = (u16::from(*x ^ 0x80), u16::from(*y ^ 0x80));
        let (wide_x, wide_y) = (u32::from(x), u32::from(y));
        *low0 = low0
            .wrapping_add(wide_x.wrapping_mul(a0))
            .wrapping_add(wide_y.wrapping_mul(b0));
        *low1 = low1
            .wrapping_add(wide_x.wrapping_mul(a1))
            .wrapping_add(wide_y.wrapping_mul(b1));
        // Twice (2^8 - 1) (2^7 - 1) fits into 16 bits.
        let both0 = x.wrapping_mul(c0).wrapping_add(y.wrapping_mul(d0));
        let both1 = x.wrapping_mul(c1).wrapping_add(y.wrapping_mul(d1));
        *high0 = high0.wrapping_add(u32::from(both0));
        *high1 = high1.wrapping_add(u32::from(both1));
    }
}

/// The digits of values modulo 2^64, lowest first; those that are zero everywhere are left out.
fn digits_of(vector: usize, values: &[u64]) -> impl Iterator<Item = Digits> {
    let mut all: [Vec<i16>; DIGITS] =
        core::array::from_fn(|_| vec![0; values.len().next_multiple_of(LANES)]);
    for (at, value) in values.iter().enumerate() {
        for (digits, digit) in all.iter_mut().zip(balanced_digits(*value)) {
            if let Some(place) = digits.get_mut(at) {
                *place = digit;
            }
        }
    }
    all.into_iter()
        .zip((0..).step_by(16))
        .filter(|(digits, _)| digits.iter().any(|digit| *digit != 0))
        .map(move |(digits, shift)| Digits {
            vector,
            shift,
            digits,
        })
}

/// The digits of a value modulo 2^64, lowest first; they add up to it modulo 2^64.
fn balanced_digits(value: u64) -> [i16; DIGITS] {
    let mut rest = value as i64;
    core::array::from_fn(|_| {
        let digit = rest as i16;
        rest = rest.wrapping_sub(i64::from(digit)) >> 16;
        digit
    })
}

/// A row of i32, each value moved up by 2^31 to be unsigned, times both vectors, modulo 2^64.
#[inline]
fn weighted_sums(row: &[u8], r0: &[u32], r1: &[u32]) -> [u64; VECTORS] {
    let (mut sum0, mut sum1) = (0u64, 0u64);
    for ((value, r0), r1) in row.as_chunks::<4>().0.iter().zip(r0).zip(r1) {
        let value = u64::from(u32::from_le_bytes(*value) ^ (1 << 31));
        sum0 = sum0.wrapping_add(value.wrapping_mul(u64::from(*r0)));
        sum1 = sum1.wrapping_add(value.wrapping_mul(u64::from(*r1)));
    }
    [sum0, sum1]
}

/// A row of `A` times `B^T r`, for both vectors, modulo 2^64.
#[inline]
fn dot_products(row: &[i16], digits: &[Digits]) -> [u64; VECTORS] {
    let mut results = [0u64; VECTORS];
    for place in digits {
        let digits = place.digits.chunks(COLUMNS_AT_ONCE);
        let parts = row.chunks(COLUMNS_AT_ONCE).zip(digits);
        let sum = parts.fold(0i64, |sum, (row, digits)| {
            sum.wrapping_add(i64::from(dot_product(row, digits)))
        });
        if let Some(result) = results.get_mut(place.vector) {
            *result = result.wrapping_add((sum as u64) << place.shift);
        }
    }
    results
}

/// At most [`COLUMNS_AT_ONCE`] products, whole lanes of them.
#[inline]
fn dot_product(row: &[i16], digits: &[i16]) -> i32 {
    let (row, digits) = (row.as_chunks::<LANES>().0, digits.as_chunks::<LANES>().0);
    let mut sum = 0i32;
    for (row, digits) in row.iter().zip(digits) {
        let mut part = 0i32;
        for (a, digit) in row.iter().zip(digits) {
            part = part.wrapping_add(i32::from(*a).wrapping_mul(i32::from(*digit)));
        }
        sum = sum.wrapping_add(part);
    }
    sum
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn random(state: &mut u64) -> u64 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        *state >> 32
    }

    /// Extremes and anything, half and half.
    fn tensor(state: &mut u64, rows: u32, cols: u32) -> Tensor {
        let data = (0..rows * cols)
            .map(|_| match random(state) % 4 {
                0 => 0x80,
                1 => 0x7f,
                _ => random(state) as u8,
            })
            .collect();
        Tensor::from_bytes(DType::I8, rows, cols, data).unwrap()
    }

    /// Every partial result against the plainest way to write it, at lengths around all chunk sizes.
    #[test]
    fn sums_are_those_of_the_definition() {
        let mut state = 1;
        for (n, k) in [
            (1, 1),
            (2, 31),
            (3, 32),
            (8, 33),
            (255, 255),
            (256, 256),
            (257, 257),
            (512, 65),
            (515, 100),
            (5, 1_025),
        ] {
            let (a, b) = (tensor(&mut state, 3, k), tensor(&mut state, n, k));
            let mut coins = Coins::new([n as u8; 32]);
            let test = ProductTest::new(&a, &b, &mut coins).unwrap();
            for vector in 0..VECTORS {
                let r = &test.r[vector];
                assert_eq!(r.len(), n as usize);
                assert!(r.iter().all(|r| *r < 1 << COEFFICIENT_BITS));
                let naive: Vec<i128> = (0..k as usize)
                    .map(|at| {
                        b.row_slices()
                            .zip(r)
                            .map(|(row, r)| i128::from(row[at] as i8) * i128::from(*r))
                            .sum()
                    })
                    .collect();
                let fast: Vec<i128> = combine_rows(&b, &test.r)[vector]
                    .iter()
                    .map(|value| i128::from(*value as i64))
                    .collect();
                assert_eq!(fast, naive, "{n} x {k}");
                for row in a.row_slices() {
                    let wide: Vec<i16> = row
                        .iter()
                        .map(|a| i16::from(*a as i8))
                        .chain(core::iter::repeat(0))
                        .take(test.row.len())
                        .collect();
                    let product: i128 = row
                        .iter()
                        .zip(&naive)
                        .map(|(a, v)| i128::from(*a as i8) * v)
                        .sum();
                    let fast = dot_products(&wide, &test.digits)[vector];
                    assert_eq!(i128::from(fast as i64), product, "{n} x {k}");
                }
                let claimed: Vec<i32> = (0..n)
                    .map(|_| match random(&mut state) % 3 {
                        0 => i32::MIN,
                        1 => i32::MAX,
                        _ => random(&mut state) as i32,
                    })
                    .collect();
                let bytes: Vec<u8> = claimed.iter().flat_map(|c| c.to_le_bytes()).collect();
                let naive: i128 = claimed
                    .iter()
                    .zip(r)
                    .map(|(c, r)| i128::from(*c) * i128::from(*r))
                    .sum();
                let [r0, r1] = &test.r;
                let fast = weighted_sums(&bytes, r0, r1)[vector].wrapping_sub(test.excess[vector]);
                assert_eq!(i128::from(fast as i64), naive, "{n} x {k}");
            }
        }
    }

    #[test]
    fn digits_add_up() {
        let mut state = 7;
        let ends = [
            0,
            1,
            u64::MAX,
            1 << 63,
            (1 << 63) - 1,
            0x7fff,
            0x8000,
            0xffff,
        ];
        let any = (0..1_000).map(|_| random(&mut state) << 32 | random(&mut state));
        for value in ends.into_iter().chain(any) {
            let sum = balanced_digits(value)
                .iter()
                .rev()
                .fold(0u64, |sum, digit| {
                    (sum << 16).wrapping_add(i64::from(*digit) as u64)
                });
            assert_eq!(sum, value);
        }
    }

    /// The longest rows with the largest sums: nothing overflows on the way.
    #[test]
    fn the_longest_rows_at_their_ends() {
        for (x, y) in [(0x80u8, 0x80u8), (0x80, 0x7f), (0x7f, 0x7f)] {
            let fill = |rows: u32, byte| {
                let data = vec![byte; (rows * MAX_INNER) as usize];
                Tensor::from_bytes(DType::I8, rows, MAX_INNER, data).unwrap()
            };
            let (a, b) = (fill(2, x), fill(300, y));
            let value = i32::from(x as i8) * i32::from(y as i8) * MAX_INNER as i32;
            let mut c = Tensor::from_i32(2, 300, &[value; 600]).unwrap();
            let mut coins = Coins::new([9; 32]);
            assert_eq!(first_wrong_cell(&a, &b, &c, &mut coins), Ok(None));
            c.data_mut()[599 * 4 + 3] ^= 0x80;
            assert_eq!(first_wrong_cell(&a, &b, &c, &mut coins), Ok(Some((1, 299))));
        }
    }

    #[test]
    fn coins_never_repeat() {
        let mut coins = Coins::new([3; 32]);
        let (first, second) = (coins.coefficients(100), coins.coefficients(100));
        assert_ne!(first, second);
        assert_eq!(Coins::new([3; 32]).coefficients(100), first);
        assert_ne!(Coins::new([4; 32]).coefficients(100), first);
        // Every bit of a coefficient is used.
        let (all, any) = first
            .iter()
            .fold((u32::MAX, 0), |(all, any), r| (all & r, any | r));
        assert_eq!((all, any), (0, (1 << COEFFICIENT_BITS) - 1));
        assert_eq!(std::format!("{coins:?}"), "Coins(private)");
    }

    #[test]
    fn what_is_no_product_is_refused() {
        let mut state = 3;
        let (a, b) = (tensor(&mut state, 2, 5), tensor(&mut state, 3, 6));
        let mut coins = Coins::new([0; 32]);
        assert!(matches!(
            ProductTest::new(&a, &b, &mut coins),
            Err(Error::Product { .. })
        ));
        let b = tensor(&mut state, 3, 5);
        let c = Tensor::from_i32(3, 2, &[0; 6]).unwrap();
        assert!(matches!(
            first_wrong_row(&a, &b, &c, &mut coins),
            Err(Error::Product { .. })
        ));
        assert!(matches!(
            first_wrong_row(&a, &b, &b, &mut coins),
            Err(Error::DType { .. })
        ));
        assert!(matches!(
            ProductTest::new(&c, &b, &mut coins),
            Err(Error::DType { .. })
        ));
        let mut test = ProductTest::new(&a, &b, &mut coins).unwrap();
        assert!(!test.is_right(2, &[0; 12]));
        assert!(!test.is_right(0, &[0; 11]));
    }
}
