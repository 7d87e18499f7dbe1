//! Sums of products, by `rten-gemm`: what processors without tiles ([`super::tiles`]) use.
//!
//! Its kernels multiply u8 by i8 and add in i32. An i8 becomes `value + 128` with a zero point of 128. An i16 is
//! `256 x upper + lower`, with an i8 and a u8, and its sums are those of two products.
//! At most 32,768 products: `255 x 128 x 2^15 < 2^30`, so that no lane leaves i32.
//!
//! Kernels that add pairs in i16 saturate ([`GemmExecutor::may_saturate`]: every x86 without AVX512-VNNI). They get each u8
//! in two parts, `2 (u >> 1) + (u & 1)`: two products of a half are at most `2 x 127 x 128 < 2^15`, so nothing saturates.

use std::{borrow::ToOwned, string::String, sync::OnceLock, thread_local, vec, vec::Vec};

use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix, QuantParams};
use rten_tensor::Matrix;

use super::{
    dot::{Runs, plain_sums_i8, plain_sums_i16},
    tiles,
};

type Executor = GemmExecutor<u8, i8, i32>;

/// A right side as the kernel that made it reads it: see [`packed_bytes`]. A process has one of both kernels.
pub(crate) enum Packed {
    /// Of `rten-gemm`.
    Gemm(PackedBMatrix<i8>),
    Tiles(tiles::Packed),
}

/// Products below which the plain loop is as fast: packing costs a pass over both operands.
pub(crate) const FEW_PRODUCTS: usize = 1 << 12;

/// Left rows below which packing the right side costs more than it saves.
pub(crate) const FEW_ROWS: usize = 4;

/// What an i8 is more as a u8 with its top bit flipped.
const ZERO_POINT: u8 = 128;

thread_local! {
    /// It only looks at what the processor has.
    static EXECUTOR: Executor = Executor::new();
}

/// The right side of products, of which each makes `cols` columns.
pub(crate) struct Right<'b> {
    runs: Runs<'b>,
    cols: usize,
    fast: Option<Fast<'b>>,
}

impl<'b> Right<'b> {
    /// For products with `rows` rows in all. `kept` keeps a weight as the kernel reads it, where the runs are all of it.
    pub fn new(
        runs: Runs<'b>,
        cols: usize,
        rows: usize,
        kept: Option<&'b OnceLock<Packed>>,
    ) -> Self {
        Self {
            runs,
            cols,
            fast: Fast::new(runs, cols, rows, kept),
        }
    }

    /// All sums of an i8 x i8 product: row-major, one row for each of `a`, one column for each of the right side.
    pub fn sums_i8(&self, a: Runs<'_>, out: &mut [i32]) {
        let fast = self.fast.as_ref().and_then(|fast| fast.sums_i8(a, out));
        if fast.is_none() {
            plain_sums_i8(a, self.runs, self.cols, out);
        }
    }

    /// All sums of an i16 x i8 product, as [`Right::sums_i8`].
    pub fn sums_i16(&self, a: Runs<'_>, out: &mut [i64]) {
        let fast = self.fast.as_ref().and_then(|fast| fast.sums_i16(a, out));
        if fast.is_none() {
            plain_sums_i16(a, self.runs, self.cols, out);
        }
    }
}

/// Which kernel makes products here, as documents of measurements say it.
pub fn name() -> String {
    match tiles::Tiles::get() {
        Some(_) => "AMX tiles".to_owned(),
        None => EXECUTOR.with(|executor| executor.kernel_name().to_owned()),
    }
}

/// The most that a right side of K x N takes as the processor's kernel wants it. Tiles take whole groups of 64 of K and of 32 of N;
/// `rten-gemm` of 8 of K and of 64 of N (none of its kernels has larger ones), and two i32 for each column of each 1,024 of K.
pub const fn packed_bytes(inner: u64, cols: u64) -> u64 {
    let tiles = padded(inner, 64).saturating_mul(padded(cols, 32));
    let gemm = padded(inner, 8)
        .saturating_add(inner.div_ceil(1_024).saturating_mul(8))
        .saturating_mul(padded(cols, 64));
    if tiles > gemm { tiles } else { gemm }
}

/// The next multiple, or the last one that there is.
const fn padded(value: u64, of: u64) -> u64 {
    value.div_ceil(of).saturating_mul(of)
}

/// Whether a weight is kept like that: a narrow one would take many times what it is.
pub const fn is_kept(inner: u64, cols: u64) -> bool {
    inner >= 64 && cols >= 64
}

/// A right side that is worth the processor's kernel.
struct Fast<'b> {
    right: Side<'b>,
    inner: usize,
    /// Whether the left values are given in two parts.
    is_halved: bool,
}

/// K x N.
enum Side<'b> {
    AsStored(Matrix<'b, i8>),
    Packed(PackedBMatrix<i8>),
    Kept(&'b PackedBMatrix<i8>),
}

impl<'b> Fast<'b> {
    /// `None` where the plain loop is as fast.
    fn new(
        b: Runs<'b>,
        cols: usize,
        rows: usize,
        kept: Option<&'b OnceLock<Packed>>,
    ) -> Option<Self> {
        if rows.checked_mul(cols)?.checked_mul(b.len)? < FEW_PRODUCTS {
            return None;
        }
        let kept = kept.filter(|_| is_kept(b.len as u64, cols as u64));
        let values: &[i8] = bytemuck::cast_slice(b.data.get(b.start..)?);
        // `b` is stored by output column.
        let (shape, strides) = ([b.len, cols], [1, b.row_bytes]);
        let right = Matrix::from_data_with_strides(shape, values, strides).ok()?;
        EXECUTOR.with(|executor| {
            let packed = || executor.prepack_b(right);
            let kept = kept.map(|kept| kept.get_or_init(|| Packed::Gemm(packed())));
            Some(Self {
                right: match kept {
                    Some(Packed::Gemm(kept)) => Side::Kept(kept),
                    _ if rows < FEW_ROWS => Side::AsStored(right),
                    _ => Side::Packed(packed()),
                },
                inner: b.len,
                is_halved: executor.may_saturate(),
            })
        })
    }

    /// `None` where the library refuses; nothing has been written then that counts.
    fn sums_i8(&self, a: Runs<'_>, out: &mut [i32]) -> Option<()> {
        let mut left = Vec::with_capacity(out.len());
        for row in a.iter() {
            left.extend(row.iter().map(|value| value ^ ZERO_POINT));
        }
        self.multiply(left, ZERO_POINT, out)
    }

    /// As [`Fast::sums_i8`].
    fn sums_i16(&self, a: Runs<'_>, out: &mut [i64]) -> Option<()> {
        let (mut lower, mut upper) = (Vec::new(), Vec::new());
        for row in a.iter() {
            let (pairs, _) = row.as_chunks::<2>();
            lower.extend(pairs.iter().map(|[low, _]| *low));
            upper.extend(pairs.iter().map(|[_, high]| high ^ ZERO_POINT));
        }
        let (mut low, mut high) = (vec![0; out.len()], vec![0; out.len()]);
        self.multiply(lower, 0, &mut low)?;
        self.multiply(upper, ZERO_POINT, &mut high)?;
        for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
            *out = (i64::from(high) << 8).wrapping_add(low.into());
        }
        Some(())
    }

    /// Products of `left - zero_point`, which is even.
    fn multiply(&self, mut left: Vec<u8>, zero_point: u8, out: &mut [i32]) -> Option<()> {
        if !self.is_halved {
            return self.exact(&left, zero_point, out);
        }
        let odd: Vec<u8> = left.iter().map(|value| value & 1).collect();
        left.iter_mut().for_each(|value| *value >>= 1);
        self.exact(&left, zero_point >> 1, out)?;
        let mut of_odd = vec![0; out.len()];
        self.exact(&odd, 0, &mut of_odd)?;
        for (sum, odd) in out.iter_mut().zip(of_odd) {
            *sum = (*sum << 1).wrapping_add(odd);
        }
        Some(())
    }

    fn exact(&self, left: &[u8], zero_point: u8, out: &mut [i32]) -> Option<()> {
        let rows = left.len() / self.inner;
        let left = Matrix::try_from_data([rows, self.inner], left).ok()?;
        let zeros = vec![zero_point; rows];
        let options = GemmOptions {
            a_quant: Some(QuantParams { zero_point: &zeros }),
            ..GemmOptions::default()
        };
        let left = GemmInputA::Unpacked(left);
        let right = match &self.right {
            Side::AsStored(right) => GemmInputB::Unpacked(*right),
            Side::Packed(right) => GemmInputB::Packed(right),
            Side::Kept(right) => GemmInputB::Packed(right),
        };
        EXECUTOR.with(|executor| executor.gemm(out, left, right, options).ok())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use proptest::prelude::*;

    use super::*;
    use crate::limits::MAX_INNER;

    /// Values with many extremes, from a small generator.
    fn values(count: usize, mut state: u64) -> Vec<u8> {
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            match state >> 61 {
                0 => 0x80,
                1 => 0x7f,
                2 => 0xff,
                _ => (state >> 40) as u8,
            }
        };
        (0..count).map(|_| next()).collect()
    }

    fn runs(data: &[u8], row_bytes: usize, start: usize, len: usize) -> Runs<'_> {
        Runs {
            data,
            row_bytes,
            start,
            len,
        }
    }

    /// Both ways of the processor's kernel: as it is used here, and in halves, as where it saturates.
    fn kernels(b: Runs<'_>, cols: usize, rows: usize) -> [Option<Fast<'_>>; 2] {
        let in_halves = Fast::new(b, cols, rows, None).map(|fast| Fast {
            is_halved: true,
            ..fast
        });
        [Fast::new(b, cols, rows, None), in_halves]
    }

    /// (rows of a, rows of b, K, values before the run in a row of a and of b)
    const SHAPES: [(usize, usize, usize, usize, usize); 9] = [
        (1, 1, 1, 0, 0),
        (1, 7, 4_096, 0, 0),
        (5, 3, 513, 3, 5),
        (64, 64, 64, 0, 0),
        (33, 65, 127, 32, 0),
        (128, 16, 32, 96, 352),
        (7, 300, 129, 1, 2),
        (2, 2, 32_768, 0, 0),
        (130, 31, 96, 0, 64),
    ];

    #[test]
    fn the_fast_products_equal_the_plain_ones() {
        for (case, (rows, cols, inner, a_start, b_start)) in SHAPES.into_iter().enumerate() {
            let (a_width, b_width) = (a_start + inner + 2, b_start + inner + 1);
            let b = values(cols * b_width, case as u64);
            let b = runs(&b, b_width, b_start, inner);

            let narrow = values(rows * a_width, 100 + case as u64);
            let narrow = runs(&narrow, a_width, a_start, inner);
            let (mut found, mut right) = (vec![1; rows * cols], vec![2; rows * cols]);
            let right_side = Right::new(b, cols, rows, None);
            right_side.sums_i8(narrow, &mut found);
            plain_sums_i8(narrow, b, cols, &mut right);
            assert!(found == right, "i8 {rows} x {cols} x {inner}");
            for fast in kernels(b, cols, rows).into_iter().flatten() {
                found.fill(3);
                assert_eq!(fast.sums_i8(narrow, &mut found), Some(()));
                assert!(found == right, "i8 {rows} x {cols} x {inner}");
            }

            let wide = values(2 * rows * a_width, 200 + case as u64);
            let wide = runs(&wide, 2 * a_width, 2 * a_start, 2 * inner);
            let (mut found, mut right) = (vec![1; rows * cols], vec![2; rows * cols]);
            right_side.sums_i16(wide, &mut found);
            plain_sums_i16(wide, b, cols, &mut right);
            assert!(found == right, "i16 {rows} x {cols} x {inner}");
            for fast in kernels(b, cols, rows).into_iter().flatten() {
                found.fill(3);
                assert_eq!(fast.sums_i16(wide, &mut found), Some(()));
                assert!(found == right, "i16 {rows} x {cols} x {inner}");
            }
        }
    }

    /// Memory is reserved by what [`packed_bytes`] says, before anything is packed.
    fn assert_packed_within(inner: usize, cols: usize) {
        let bound = packed_bytes(inner as u64, cols as u64);
        let b = vec![1; cols * inner];
        let b = runs(&b, inner, 0, inner);
        let fast = Fast::new(b, cols, FEW_PRODUCTS.max(FEW_ROWS), None).unwrap();
        let Side::Packed(packed) = fast.right else {
            panic!("{inner} x {cols} is not packed");
        };
        let gemm = size_of::<u32>() * packed.into_vec().capacity();
        assert!(gemm as u64 <= bound, "{inner} x {cols}: {gemm} of {bound}");
        if let Some(tiles) = tiles::Tiles::get() {
            let tiles = tiles.pack(b, cols).unwrap().bytes();
            assert!(
                tiles as u64 <= bound,
                "{inner} x {cols}: {tiles} of {bound}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn nothing_packed_is_larger_than_it_counts(
            inner in prop_oneof![1..200usize, 1_000..1_100usize, 1..=MAX_INNER as usize],
            cols in prop_oneof![1..200usize, proptest::sample::select(&[64, 128, 192][..])],
        ) {
            assert_packed_within(inner, cols);
        }
    }

    #[test]
    fn nothing_packed_is_larger_than_it_counts_where_nothing_is_padded() {
        for inner in [8, 64, 1_024, 1_032, 2_048, MAX_INNER as usize] {
            assert_packed_within(inner, 64);
        }
        assert_eq!(packed_bytes(u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(packed_bytes(0, 0), 0);
    }

    /// What is kept of a weight gives the same sums to every product with it, of few rows and of many.
    #[test]
    fn a_kept_side_equals_the_plain_one() {
        let (cols, inner) = (70, 300);
        let b = values(cols * inner, 1);
        let b = runs(&b, inner, 0, inner);
        let kept = OnceLock::new();
        for rows in [1, 2, 5, 64, 129] {
            let right_side = Right::new(b, cols, rows, Some(&kept));
            let narrow = values(rows * inner, rows as u64);
            let narrow = runs(&narrow, inner, 0, inner);
            let (mut found, mut right) = (vec![1; rows * cols], vec![2; rows * cols]);
            right_side.sums_i8(narrow, &mut found);
            plain_sums_i8(narrow, b, cols, &mut right);
            assert!(found == right, "{rows} rows");
        }
        assert!(kept.get().is_some());
    }

    /// The largest sums that a sealed graph can make, of every sign.
    #[test]
    fn extremes_stay_exact() {
        const INNER: usize = 32_768;
        for (a, b) in [(0x80, 0x80), (0x80, 0x7f), (0x7f, 0x7f), (0x7f, 0x80)] {
            let right = vec![b; INNER];
            let right = runs(&right, INNER, 0, INNER);
            let left = vec![a; INNER];
            let mut found = [0];
            let right_side = Right::new(right, 1, 1, None);
            right_side.sums_i8(runs(&left, INNER, 0, INNER), &mut found);
            let product = i32::from(a as i8) * i32::from(b as i8);
            assert_eq!(found, [INNER as i32 * product]);
            for fast in kernels(right, 1, 1).map(Option::unwrap) {
                fast.sums_i8(runs(&left, INNER, 0, INNER), &mut found);
                assert_eq!(found, [INNER as i32 * product]);
            }
            let left: Vec<u8> = [0, 0x80].repeat(INNER);
            let mut found = [0];
            right_side.sums_i16(runs(&left, 2 * INNER, 0, 2 * INNER), &mut found);
            let wide = INNER as i64 * -32_768 * i64::from(b as i8);
            assert_eq!(found, [wide]);
            for fast in kernels(right, 1, 1).map(Option::unwrap) {
                fast.sums_i16(runs(&left, 2 * INNER, 0, 2 * INNER), &mut found);
                assert_eq!(found, [wide]);
            }
        }
    }
}
