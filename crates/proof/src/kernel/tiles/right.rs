//! The right side, as tiles are loaded: for each 32 columns and each 64 values of K two tiles, of 16 columns each. Line `k` of a
//! tile holds values `4k..4k+4` of its columns, one column after the other. What is missing is zero.

use core::arch::x86_64::{
    __m512i, _mm512_maskz_loadu_epi8, _mm512_setzero_si512, _mm512_shuffle_i32x4,
    _mm512_store_si512, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64,
};
use std::vec::Vec;

use super::{BLOCK, Line, STEP, TILE, Tiles};
use crate::kernel::dot::Runs;

/// A right side.
pub(crate) struct Packed {
    lines: Vec<Line>,
    inner: usize,
    cols: usize,
}

impl Packed {
    /// Values that are summed.
    pub const fn inner(&self) -> usize {
        self.inner
    }

    /// Its columns.
    pub const fn cols(&self) -> usize {
        self.cols
    }

    /// Memory that it takes.
    #[cfg(test)]
    pub const fn bytes(&self) -> usize {
        self.lines.capacity() * STEP
    }

    /// The lines of 32 columns.
    pub(super) fn block(&self, block: usize) -> &[Line] {
        let lines = self.inner.div_ceil(STEP) * BLOCK;
        &self.lines[block * lines..][..lines]
    }
}

impl Tiles {
    /// The right side with these runs as its columns; columns that have no run are zero. `None` where there is no memory.
    pub fn pack(self, runs: Runs<'_>, cols: usize) -> Option<Packed> {
        let steps = runs.len.div_ceil(STEP);
        let blocks = cols.div_ceil(BLOCK);
        let count = steps.checked_mul(BLOCK)?.checked_mul(blocks)?;
        let mut lines: Vec<Line> = Vec::new();
        lines.try_reserve_exact(count).ok()?;
        let mut all = runs.iter().take(cols);
        let mut to = lines.as_mut_ptr();
        for _ in 0..blocks {
            let mut next = || core::array::from_fn(|_| all.next().unwrap_or_default());
            let halves: [[&[u8]; TILE]; 2] = [next(), next()];
            for step in 0..steps {
                for half in &halves {
                    // SAFETY: `self` says that there are such vectors. Over all, `blocks x steps x 2` tiles of 16 lines are
                    // written, one after the other: `count` lines, for which there is room.
                    unsafe {
                        pack_tile(half, step * STEP, to);
                        to = to.add(TILE);
                    }
                }
            }
        }
        // SAFETY: all of them have been written.
        unsafe { lines.set_len(count) };
        Some(Packed {
            lines,
            inner: runs.len,
            cols,
        })
    }
}

/// Writes a tile: 64 values of each run, from `first` on.
///
/// # Safety
/// 16 lines may be written at `to`.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn pack_tile(runs: &[&[u8]; TILE], first: usize, to: *mut Line) {
    // A loop, because closures of `map` are not compiled for these vectors.
    let mut columns = [_mm512_setzero_si512(); TILE];
    for (column, run) in columns.iter_mut().zip(runs) {
        let rest = run.get(first..).unwrap_or_default();
        let mask = match rest.len() {
            STEP.. => u64::MAX,
            len => (1 << len) - 1,
        };
        // SAFETY: of what lies behind the run's end, which the mask leaves out, nothing is read.
        *column = unsafe { _mm512_maskz_loadu_epi8(mask, rest.as_ptr().cast()) };
    }
    for (line, words) in transposed(columns).into_iter().enumerate() {
        // SAFETY: the caller vouches for 16 lines, which are aligned.
        unsafe { _mm512_store_si512(to.add(line).cast(), words) };
    }
}

/// Word `i` of vector `k` becomes word `k` of vector `i`.
#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn transposed(rows: [__m512i; TILE]) -> [__m512i; TILE] {
    let mut pairs = rows;
    for at in 0..TILE / 2 {
        let (x, y) = (rows[2 * at], rows[2 * at + 1]);
        pairs[2 * at] = _mm512_unpacklo_epi32(x, y);
        pairs[2 * at + 1] = _mm512_unpackhi_epi32(x, y);
    }
    // Vector 4q + c now holds, of rows 4q..4q + 4, column c of each four columns.
    let mut fours = pairs;
    for q in 0..TILE / 4 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|at| pairs[4 * q + at]);
        fours[4 * q] = _mm512_unpacklo_epi64(a, c);
        fours[4 * q + 1] = _mm512_unpackhi_epi64(a, c);
        fours[4 * q + 2] = _mm512_unpacklo_epi64(b, d);
        fours[4 * q + 3] = _mm512_unpackhi_epi64(b, d);
    }
    let mut words = fours;
    for c in 0..4 {
        let [a, b, d, e] = [0, 4, 8, 12].map(|q| fours[q + c]);
        // The first and third four columns, and the second and fourth.
        let (even_low, odd_low) = (
            _mm512_shuffle_i32x4::<0x88>(a, b),
            _mm512_shuffle_i32x4::<0xdd>(a, b),
        );
        let (even_high, odd_high) = (
            _mm512_shuffle_i32x4::<0x88>(d, e),
            _mm512_shuffle_i32x4::<0xdd>(d, e),
        );
        words[c] = _mm512_shuffle_i32x4::<0x88>(even_low, even_high);
        words[8 + c] = _mm512_shuffle_i32x4::<0xdd>(even_low, even_high);
        words[4 + c] = _mm512_shuffle_i32x4::<0x88>(odd_low, odd_high);
        words[12 + c] = _mm512_shuffle_i32x4::<0xdd>(odd_low, odd_high);
    }
    words
}
