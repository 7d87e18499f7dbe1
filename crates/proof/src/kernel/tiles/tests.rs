//! Every way through the tiles, against the plain loops. Without tiles there is nothing to test here; the same results are then
//! tested of the other kernels.
#![allow(clippy::unwrap_used)]

use std::{vec, vec::Vec};

use proptest::prelude::*;

use super::{Group, Side, Tiles, Work};
use crate::{
    kernel::dot::{Runs, plain_sums_i8, plain_sums_i16},
    shape::DType,
};

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

/// A product with its operands.
#[derive(Clone, Debug)]
struct Case {
    rows: usize,
    inner: usize,
    cols: usize,
    groups: usize,
    /// Values before the first run of a row, and behind the last.
    around: (usize, usize),
    is_wide: bool,
    is_transposed: bool,
    dtype: DType,
    has_parameters: bool,
    is_kept: bool,
    seed: u64,
}

/// A scale that shows every bit of what it is given.
fn scale(sum: i64, bias: i32, mult: i32) -> i32 {
    let sum = (sum + i64::from(bias)).clamp(i32::MIN.into(), i32::MAX.into());
    (sum * i64::from(mult)) as i32
}

impl Case {
    fn run_bytes(&self) -> usize {
        self.inner * if self.is_wide { 2 } else { 1 }
    }

    fn start(&self, group: usize) -> usize {
        self.around.0 + group * self.run_bytes()
    }

    fn row_bytes(&self) -> usize {
        self.start(self.groups) + self.around.1
    }

    fn left(&self) -> Vec<u8> {
        values(self.rows * self.row_bytes(), self.seed)
    }

    /// One row for each column of each group.
    fn right(&self) -> Vec<u8> {
        values(self.groups * self.cols * self.inner, self.seed + 1)
    }

    fn side<'b>(&self, right: &'b [u8], group: usize) -> Runs<'b> {
        let of_group = self.cols * self.inner;
        Runs {
            data: &right[group * of_group..][..of_group],
            row_bytes: self.inner,
            start: 0,
            len: self.inner,
        }
    }

    /// Bias and mult by column.
    fn parameters(&self) -> [Vec<i32>; 2] {
        let count = 4 * self.cols * self.groups;
        [2, 3].map(|at| {
            let bytes = values(count, self.seed + at);
            let (words, _) = bytes.as_chunks::<4>();
            words.iter().map(|word| i32::from_le_bytes(*word)).collect()
        })
    }

    fn by_tiles(&self, tiles: Tiles) -> Option<Vec<u8>> {
        let (left, right) = (self.left(), self.right());
        let [bias, mult] = self.parameters();
        let sides = (0..self.groups).map(|group| self.side(&right, group));
        let packed: Vec<_> = sides
            .map(|runs| tiles.pack(runs, self.cols).unwrap())
            .collect();
        let group = |group: usize| Group {
            start: self.start(group),
            right: match self.is_kept {
                true => Side::Kept(&packed[group]),
                false => Side::Rows(self.side(&right, group)),
            },
        };
        let groups: Vec<_> = (0..self.groups).map(group).collect();
        let work = Work {
            a: &left,
            row_bytes: self.row_bytes(),
            inner: self.inner,
            is_wide: self.is_wide,
            groups: &groups,
            cols: self.cols,
            dtype: self.dtype,
            is_transposed: self.is_transposed,
            parameters: self.has_parameters.then_some((&bias, &mult)),
            scale,
        };
        work.all(tiles)
    }

    fn plainly(&self) -> Vec<u8> {
        let (left, right) = (self.left(), self.right());
        let [bias, mult] = self.parameters();
        let (width, size) = (self.cols * self.groups, self.dtype.size() as usize);
        let mut out = vec![0; self.rows * width * size];
        for group in 0..self.groups {
            let a = Runs {
                data: &left,
                row_bytes: self.row_bytes(),
                start: self.start(group),
                len: self.run_bytes(),
            };
            let mut sums = vec![0i64; self.rows * self.cols];
            if self.is_wide {
                plain_sums_i16(a, self.side(&right, group), self.cols, &mut sums);
            } else {
                let mut narrow = vec![0; sums.len()];
                plain_sums_i8(a, self.side(&right, group), self.cols, &mut narrow);
                sums = narrow.into_iter().map(i64::from).collect();
            }
            for (at, sum) in sums.into_iter().enumerate() {
                let (row, col) = (at / self.cols, group * self.cols + at % self.cols);
                let value = match self.has_parameters {
                    true => scale(sum, bias[col], mult[col]),
                    false => scale(sum, 0, 1),
                };
                let place = match self.is_transposed {
                    true => col * self.rows + row,
                    false => row * width + col,
                };
                out[place * size..][..size].copy_from_slice(&value.to_le_bytes()[..size]);
            }
        }
        out
    }
}

/// Lengths at which panels, tiles, steps and strips end, and some between.
fn length() -> impl Strategy<Value = usize> {
    const EDGES: [usize; 13] = [1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129];
    prop_oneof![proptest::sample::select(&EDGES[..]), 1..150usize]
}

fn case() -> impl Strategy<Value = Case> {
    let shape = (
        length(),
        length(),
        prop_oneof![4 => length(), 1 => 250..300usize],
        1..4usize,
    );
    let dtype = proptest::sample::select(&[DType::I8, DType::I16, DType::I32][..]);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (shape, dtype, flags, (0..3usize, 0..70usize), any::<u32>()).prop_map(
        |((rows, inner, cols, groups), dtype, flags, around, seed)| Case {
            rows,
            inner,
            cols,
            groups,
            around,
            is_wide: flags.0,
            is_transposed: flags.1,
            dtype,
            has_parameters: flags.2,
            is_kept: flags.3,
            seed: seed.into(),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn tiles_equal_the_plain_loops(case in case()) {
        if let Some(tiles) = Tiles::get() {
            prop_assert!(case.by_tiles(tiles) == Some(case.plainly()));
        }
    }
}

/// Parts of a product go to any number of threads.
#[test]
fn every_number_of_threads_makes_the_same() {
    let Some(tiles) = Tiles::get() else { return };
    let plain = Case {
        rows: 129,
        inner: 200,
        cols: 280,
        groups: 1,
        around: (0, 0),
        is_wide: false,
        is_transposed: false,
        dtype: DType::I32,
        has_parameters: false,
        is_kept: true,
        seed: 1,
    };
    let one_row = Case {
        rows: 1,
        inner: 32_768,
        cols: 300,
        ..plain.clone()
    };
    let heads = Case {
        groups: 3,
        is_kept: false,
        is_transposed: true,
        ..plain.clone()
    };
    let wide = Case {
        is_wide: true,
        has_parameters: true,
        dtype: DType::I16,
        ..plain.clone()
    };
    for case in [plain, one_row, heads, wide] {
        let expected = case.plainly();
        for threads in [1, 2, 3, 7, 32] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let found = pool.build().unwrap().install(|| case.by_tiles(tiles));
            assert!(
                found.as_ref() == Some(&expected),
                "{threads} threads, {case:?}"
            );
        }
    }
}

/// The largest sums that a sealed graph can make, of every sign.
#[test]
fn extremes_stay_exact() {
    const INNER: usize = 32_768;
    let Some(tiles) = Tiles::get() else { return };
    for (a, b) in [(0x80, 0x80), (0x80, 0x7f), (0x7f, 0x7f), (0x7f, 0x80)] {
        let right = vec![b; INNER];
        let runs = Runs {
            data: &right,
            row_bytes: INNER,
            start: 0,
            len: INNER,
        };
        for low in [None, Some(0x00), Some(0xff)] {
            let left = match low {
                None => vec![a; INNER],
                Some(low) => [low, a].repeat(INNER),
            };
            let value = match low {
                None => i64::from(a as i8),
                Some(low) => i64::from(i16::from_le_bytes([low, a])),
            };
            let sum = INNER as i64 * value * i64::from(b as i8);
            // Both halves of a sum of i16, one after the other.
            for shift in [0, 31] {
                let work = Work {
                    a: &left,
                    row_bytes: left.len(),
                    inner: INNER,
                    is_wide: low.is_some(),
                    groups: &[Group {
                        start: 0,
                        right: Side::Rows(runs),
                    }],
                    cols: 1,
                    dtype: DType::I32,
                    is_transposed: false,
                    parameters: Some((&[0], &[1])),
                    scale: |sum: i64, _, _| (sum >> shift) as i32,
                };
                let expected = ((sum >> shift) as i32).to_le_bytes().to_vec();
                assert_eq!(work.all(tiles), Some(expected));
            }
        }
    }
}

/// What doesn't fit together is refused before anything is read.
#[test]
fn nothing_panics_out_of_contract() {
    let Some(tiles) = Tiles::get() else { return };
    let right = vec![1; 64];
    let runs = Runs {
        data: &right,
        row_bytes: 64,
        start: 0,
        len: 64,
    };
    let packed = tiles.pack(runs, 1).unwrap();
    let work = |a, row_bytes, start, inner, cols| {
        let work = Work {
            a,
            row_bytes,
            inner,
            is_wide: false,
            groups: &[Group {
                start,
                right: Side::Kept(&packed),
            }],
            cols,
            dtype: DType::I32,
            is_transposed: false,
            parameters: None,
            scale,
        };
        work.all(tiles)
    };
    let left = vec![1; 128];
    assert_eq!(
        work(&left, 64, 0, 64, 1),
        Some([64i32.to_le_bytes(); 2].concat())
    );
    assert_eq!(work(&left[..127], 64, 0, 64, 1), None);
    assert_eq!(work(&left, 64, 1, 64, 1), None);
    assert_eq!(work(&left, 64, usize::MAX, 64, 1), None);
    assert_eq!(work(&left, 0, 0, 64, 1), None);
    assert_eq!(work(&left, 64, 0, 63, 1), None);
    assert_eq!(work(&left, 64, 0, 0, 1), None);
    assert_eq!(work(&left, 64, 0, 64, 2), None);
    assert_eq!(work(&[], 64, 0, 64, 1), Some(vec![]));
}
