//! What becomes of sums, and where it is written.

use core::arch::x86_64::{__m512i, _mm512_load_si512, _mm512_setzero_si512, _mm512_store_si512};
use std::ptr;

use super::{BLOCK, Sums, TILE, right::transposed};
use crate::shape::DType;

/// The result's memory: rows that begin `row_bytes` after each other. Each cell is written once, by one thread.
#[derive(Clone, Copy)]
pub(super) struct Out {
    start: *mut u8,
    len: usize,
    pub row_bytes: usize,
}

// SAFETY: it is the right to write into memory that outlives the threads (`Work::all` waits for them), and no two of them
// write the same cell.
unsafe impl Send for Out {}
// SAFETY: as above.
unsafe impl Sync for Out {}

impl Out {
    pub const fn new(memory: &mut [std::mem::MaybeUninit<u8>], row_bytes: usize) -> Self {
        Self {
            start: memory.as_mut_ptr().cast(),
            len: memory.len(),
            row_bytes,
        }
    }

    /// Where a byte of a row lies, if this many can be written from there on.
    ///
    /// # Panics
    /// If they cannot: never, rows and columns are those that the memory was made for.
    #[inline(always)]
    pub fn at(self, row: usize, byte: usize, len: usize) -> *mut u8 {
        let from = row * self.row_bytes + byte;
        assert!(from + len <= self.len);
        // SAFETY: it has been looked at.
        unsafe { self.start.add(from) }
    }
}

/// The cells of a block in the result before flag T.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub row: usize,
    pub rows: usize,
    pub col: usize,
    pub cols: usize,
}

/// How results are written.
pub(super) struct Finish<'f, F> {
    pub out: Out,
    pub dtype: DType,
    pub is_transposed: bool,
    /// Bias and mult by column; none without parameters.
    pub parameters: Option<(&'f [i32], &'f [i32])>,
    /// Of a sum, a bias and a mult.
    pub scale: F,
}

impl<F> Finish<'_, F> {
    /// Whether sums of i8 are the result, as they are.
    pub fn is_plain(&self) -> bool {
        self.dtype == DType::I32 && !self.is_transposed && self.parameters.is_none()
    }
}

impl<F: Fn(i64, i32, i32) -> i32> Finish<'_, F> {
    /// Writes the sums of blocks that lie side by side as they are: whole rows after each other, because each may lie on a page
    /// of its own.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub fn plain(&self, sums: &[Sums], place: Place) {
        const BLOCK_BYTES: usize = BLOCK * size_of::<i32>();
        let bytes = place.cols.min(sums.len() * BLOCK) * size_of::<i32>();
        let (whole, rest) = (bytes / BLOCK_BYTES, bytes % BLOCK_BYTES);
        for row in 0..place.rows.min(BLOCK) {
            let to = self
                .out
                .at(place.row + row, place.col * size_of::<i32>(), bytes);
            for (at, sums) in sums.iter().enumerate().take(whole + 1) {
                let from = sums.0[row].as_ptr().cast::<u8>();
                // SAFETY: `at` has looked that there is room for `bytes`: for `whole` blocks of 128 bytes, and `rest` behind
                // them; a block has 128 bytes of a row. The lengths are two so that the compiler knows one.
                unsafe {
                    match at < whole {
                        true => {
                            ptr::copy_nonoverlapping(from, to.add(at * BLOCK_BYTES), BLOCK_BYTES)
                        }
                        false => ptr::copy_nonoverlapping(from, to.add(at * BLOCK_BYTES), rest),
                    }
                }
            }
        }
    }

    /// Writes what becomes of sums.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub fn blocks<const IS_WIDE: bool>(
        &self,
        sums: &mut [Sums],
        places: impl Iterator<Item = Place>,
    ) {
        for (sums, place) in sums.iter_mut().zip(places) {
            self.block::<IS_WIDE>(sums, place);
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn block<const IS_WIDE: bool>(&self, sums: &mut Sums, place: Place) {
        let (mut bias, mut mult) = ([0; BLOCK], [1; BLOCK]);
        if let Some((all_bias, all_mult)) = self.parameters {
            let columns = place.col..place.col + place.cols;
            bias[..place.cols].copy_from_slice(&all_bias[columns.clone()]);
            mult[..place.cols].copy_from_slice(&all_mult[columns]);
        }
        if self.is_transposed {
            transpose(sums);
            for (at, sums) in sums.0.iter().enumerate().take(place.cols) {
                let (bias, mult) = ([bias[at]; BLOCK], [mult[at]; BLOCK]);
                let (row, first) = (place.col + at, place.row);
                if IS_WIDE {
                    let [lower, upper]: &[[i32; TILE]; 2] = bytemuck::cast_ref(sums);
                    let value =
                        |at: usize| (self.scale)(whole(lower[at], upper[at]), bias[at], mult[at]);
                    self.write::<TILE>(value, (row, first), place.rows);
                } else {
                    let value = |at: usize| (self.scale)(sums[at].into(), bias[at], mult[at]);
                    self.write::<BLOCK>(value, (row, first), place.rows);
                }
            }
            return;
        }
        for at in 0..place.rows {
            let to = (place.row + at, place.col);
            if IS_WIDE {
                let (lower, upper) = (&sums.0[at], &sums.0[TILE + at]);
                let value =
                    |at: usize| (self.scale)(whole(lower[at], upper[at]), bias[at], mult[at]);
                self.write::<BLOCK>(value, to, place.cols);
            } else {
                let sums = &sums.0[at];
                let value = |at: usize| (self.scale)(sums[at].into(), bias[at], mult[at]);
                self.write::<BLOCK>(value, to, place.cols);
            }
        }
    }

    /// Writes `count` of `MOST` values from a place of the result on, as stored.
    #[inline(always)]
    fn write<const MOST: usize>(
        &self,
        value: impl Fn(usize) -> i32,
        (row, col): (usize, usize),
        count: usize,
    ) {
        match self.dtype {
            DType::I8 => {
                let mut cells = [0u8; MOST];
                for (at, cell) in cells.iter_mut().enumerate() {
                    *cell = value(at) as u8;
                }
                self.put(&cells, (row, col), count);
            }
            DType::I16 => {
                let mut cells = [[0u8; 2]; MOST];
                for (at, cell) in cells.iter_mut().enumerate() {
                    *cell = (value(at) as i16).to_le_bytes();
                }
                self.put(&cells, (row, col), count);
            }
            DType::I32 => {
                let mut cells = [[0u8; 4]; MOST];
                for (at, cell) in cells.iter_mut().enumerate() {
                    *cell = value(at).to_le_bytes();
                }
                self.put(&cells, (row, col), count);
            }
        }
    }

    #[inline(always)]
    fn put<T: bytemuck::Pod, const MOST: usize>(
        &self,
        cells: &[T; MOST],
        (row, col): (usize, usize),
        count: usize,
    ) {
        let size = size_of::<T>();
        let count = count.min(MOST);
        let to = self.out.at(row, col * size, count * size);
        let from = cells.as_ptr().cast::<u8>();
        // SAFETY: `at` has looked that there is room for `count` cells, and there are `MOST` to read; both are no part of each
        // other. The first branch is the same with a length that the compiler knows.
        unsafe {
            match count == MOST {
                true => ptr::copy_nonoverlapping(from, to, MOST * size),
                false => ptr::copy_nonoverlapping(from, to, count * size),
            }
        }
    }
}

/// Of the sums of lower bytes and of upper bytes.
#[inline(always)]
const fn whole(lower: i32, upper: i32) -> i64 {
    ((upper as i64) << 8) + lower as i64
}

/// Rows become columns.
#[target_feature(enable = "avx512f")]
fn transpose(sums: &mut Sums) {
    let load = |sums: &Sums, row: usize, col: usize| {
        let mut rows = [_mm512_setzero_si512(); TILE];
        for (at, vector) in rows.iter_mut().enumerate() {
            let from: &i32 = &sums.0[row + at][col];
            // SAFETY: `col` is 0 or 16: 16 sums stand from there on, and they are aligned as `Sums` are.
            *vector = unsafe { _mm512_load_si512(ptr::from_ref(from).cast()) };
        }
        transposed(rows)
    };
    let store = |sums: &mut Sums, row: usize, col: usize, rows: [__m512i; TILE]| {
        for (at, vector) in rows.into_iter().enumerate() {
            let to: &mut i32 = &mut sums.0[row + at][col];
            // SAFETY: as for `load`.
            unsafe { _mm512_store_si512(ptr::from_mut(to).cast(), vector) };
        }
    };
    for at in [0, TILE] {
        let rows = load(sums, at, at);
        store(sums, at, at, rows);
    }
    let (upper, lower) = (load(sums, 0, TILE), load(sums, TILE, 0));
    store(sums, TILE, 0, upper);
    store(sums, 0, TILE, lower);
}
