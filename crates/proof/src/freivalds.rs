//! Whether a product is right, without computing it: Freivalds' test over private randomness.
//!
//! `C = A B^T` is compared in one direction only: `C r = A (B^T r)` for a random vector `r`. That reads each matrix once
//! instead of once for every row of another.
//!
//! Everything is wrapping arithmetic modulo 2^64, and the coefficients of `r` have [`COEFFICIENT_BITS`] bits. A right row
//! always passes. A row with a claimed sum beyond 2^37, which no product reaches, is wrong at once. A wrong row within it
//! differs somewhere by `d`, `0 < |d| <= 2^38`. Whatever the other coefficients are, two values `x`, `y` of that column's
//! coefficient can both let it pass only if `d (x - y) = 0` modulo 2^64; as `|d (x - y)| < 2^61`, only for `x = y`. So at
//! most one value of 2^23 lets it pass, and both of [`VECTORS`] independent vectors at most with probability 2^-46.
//!
//! That holds as long as the one who claims `C` knows nothing of the coefficients: they are drawn from [`Coins`], a secret,
//! and new ones for every product.

use std::{vec, vec::Vec};

use pulp::{Arch, Simd, WithSimd};

use crate::{
    hash::{self, Hash},
    ops::{
        Tensors, View, each,
        product::{Extent, Product, Spans},
    },
    {Error, SealError},
};

/// Bits of a coefficient.
pub const COEFFICIENT_BITS: u32 = 23;
/// Random vectors that a product is compared in.
pub const VECTORS: usize = 2;
/// The greatest magnitude of a sum: 32,768 products of i16 and i8.
const MAX_SUM: u64 = 1 << 37;

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

    /// The next `count` coefficients.
    fn coefficients(&mut self, count: usize) -> Vec<i64> {
        let mut drawn = Vec::with_capacity(count.next_multiple_of(8));
        while drawn.len() < count {
            let block = hash::hash(&[&self.seed, &self.counter.to_le_bytes()]);
            self.counter = self.counter.wrapping_add(1);
            let words = block.as_chunks::<4>().0.iter();
            drawn.extend(
                words.map(|word| i64::from(u32::from_le_bytes(*word) >> (32 - COEFFICIENT_BITS))),
            );
        }
        drawn.truncate(count);
        drawn
    }
}

/// One group of a product, of which any row can be tested.
struct GroupTest {
    /// First column of `a`.
    a_col: usize,
    /// First column of the result.
    col: usize,
    /// The coefficients of both vectors, one for every column that the group makes.
    r: [Vec<i64>; VECTORS],
    /// `B^T r`, one value for every column of `a` that the group reads.
    combined: [Vec<i64>; VECTORS],
}

/// A product of which any row can be tested.
pub struct ProductTest<'t> {
    a: View<'t>,
    groups: Vec<GroupTest>,
    cols: usize,
}

impl core::fmt::Debug for ProductTest<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ProductTest({} groups)", self.groups.len())
    }
}

impl<'t> ProductTest<'t> {
    /// Draws the coefficients of a product and computes `B^T r` of each group.
    ///
    /// # Errors
    /// Operands that make no product.
    pub fn new(
        product: &Product,
        tensors: &'t impl Tensors,
        coins: &mut Coins,
    ) -> Result<Self, Error> {
        let (a, b) = (tensors.view(product.a)?, tensors.view(product.b)?);
        let extent = product.extent(&a.shape, &b.shape)?;
        let mut groups = Vec::with_capacity(product.groups.into());
        for group in 0..u32::from(product.groups) {
            let col = group * extent.cols;
            let at = product.spans(extent, col);
            let r = core::array::from_fn(|_| coins.coefficients(extent.cols as usize));
            let mut combined = [(); VECTORS].map(|()| vec![0i64; extent.inner as usize]);
            let combine = Combine {
                b: &b,
                at,
                extent,
                r: &r,
                combined: &mut combined,
            };
            Arch::new().dispatch(combine)?;
            groups.push(GroupTest {
                a_col: at.a_col as usize,
                col: col as usize,
                r,
                combined,
            });
        }
        Ok(Self {
            a,
            cols: groups.len() * extent.cols as usize,
            groups,
        })
    }

    /// Whether `claimed` are the sums of that row of the product (before flag T). `true` is wrong with probability 2^-46 at
    /// most; `false` is certain. A row that doesn't exist, or one of another length, is not right.
    pub fn is_right(&self, row: u32, claimed: &[i64]) -> bool {
        let Some(a) = self.a.row(row) else {
            return false;
        };
        if claimed.len() != self.cols || claimed.iter().any(|sum| sum.unsigned_abs() > MAX_SUM) {
            return false;
        }
        let (mut values, dtype) = (Vec::with_capacity(a.len()), self.a.shape.dtype);
        each(a, dtype, |value| values.push(value));
        Arch::new().dispatch(RowTest {
            groups: &self.groups,
            values: &values,
            claimed,
        })
    }
}

/// Whether a row passes: compiled for each kind of vectors.
struct RowTest<'r> {
    groups: &'r [GroupTest],
    values: &'r [i64],
    claimed: &'r [i64],
}

impl WithSimd for RowTest<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        for group in self.groups {
            let claimed = self.claimed.get(group.col..).unwrap_or_default();
            let values = self.values.get(group.a_col..).unwrap_or_default();
            for (r, combined) in group.r.iter().zip(&group.combined) {
                if dot(claimed, r) != dot(values, combined) {
                    return false;
                }
            }
        }
        true
    }
}

/// `B^T r` of one group, for both vectors: compiled for each kind of vectors.
struct Combine<'c> {
    b: &'c View<'c>,
    at: Spans,
    extent: Extent,
    r: &'c [Vec<i64>; VECTORS],
    combined: &'c mut [Vec<i64>; VECTORS],
}

impl WithSimd for Combine<'_> {
    type Output = Result<(), SealError>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        for place in 0..self.extent.cols {
            let row = self.b.row(self.at.b_row + place);
            let start = self.at.b_col as usize;
            let run = row.and_then(|row| row.get(start..start + self.extent.inner as usize));
            let run = run.ok_or(SealError::InnerMismatch)?;
            add_row(run, self.r, place as usize, self.combined);
        }
        Ok(())
    }
}

/// Adds a row of `b`, times its coefficient, for both vectors. At most 2^20 rows of `2^7 x 2^23`: within 2^50.
#[inline(always)]
fn add_row(row: &[u8], r: &[Vec<i64>; VECTORS], place: usize, combined: &mut [Vec<i64>; VECTORS]) {
    for (r, combined) in r.iter().zip(combined) {
        // Of 23 bits: a product is within 2^30.
        let coefficient = r.get(place).copied().unwrap_or_default() as i32;
        for (sum, value) in combined.iter_mut().zip(row) {
            *sum = sum.wrapping_add(i32::from(*value as i8).wrapping_mul(coefficient).into());
        }
    }
}

/// As many products as the shorter one has, modulo 2^64.
#[inline(always)]
fn dot(values: &[i64], coefficients: &[i64]) -> i64 {
    let mut sum = 0i64;
    for (value, r) in values.iter().zip(coefficients) {
        sum = sum.wrapping_add(value.wrapping_mul(*r));
    }
    sum
}
