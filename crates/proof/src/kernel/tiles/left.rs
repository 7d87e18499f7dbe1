//! Rows of the left side, as tiles are loaded.

use std::vec::Vec;

use super::{BLOCK, Line, STEP, TILE};

/// The left side of a block: 32 rows of i8, or the lower bytes of 16 rows of i16 and below them their upper bytes.
pub(super) struct Panel<'a> {
    bytes: &'a [u8],
    /// From a row to the next.
    pub stride: usize,
    /// From 64 values of K to the next.
    pub step: usize,
}

impl<'a> Panel<'a> {
    /// Rows of i8 where they lie. What stands behind a run meets zeroes of the right side. `None` where it ends too early.
    pub fn in_place(bytes: &'a [u8], row_bytes: usize, steps: usize) -> Option<Self> {
        let panel = Self {
            bytes,
            stride: row_bytes,
            step: STEP,
        };
        panel.reaches(steps).then_some(panel)
    }

    /// Rows that were copied: for each step, 32 lines.
    fn copied(lines: &'a [Line]) -> Self {
        Self {
            bytes: bytemuck::cast_slice(lines),
            stride: STEP,
            step: BLOCK * STEP,
        }
    }

    /// Whether as many steps of all 32 rows lie inside.
    #[inline(always)]
    pub const fn reaches(&self, steps: usize) -> bool {
        let Some(rows) = self.stride.checked_mul(BLOCK - 1) else {
            return false;
        };
        let Some(columns) = self.step.checked_mul(steps.saturating_sub(1)) else {
            return false;
        };
        rows.saturating_add(columns).saturating_add(STEP) <= self.bytes.len()
    }

    pub const fn start(&self) -> *const u8 {
        self.bytes.as_ptr()
    }
}

/// Room for the rows of a panel that cannot be read where they lie.
pub(super) struct Room(Vec<Line>);

impl Room {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// At most 32 rows of i8; the others are zeroes.
    pub fn narrow<'r>(
        &'r mut self,
        rows: impl Iterator<Item = &'r [u8]>,
        steps: usize,
    ) -> Panel<'r> {
        self.cleared(steps);
        for (row, bytes) in rows.enumerate().take(BLOCK) {
            for (lines, values) in self.0.chunks_exact_mut(BLOCK).zip(bytes.chunks(STEP)) {
                lines[row].0[..values.len()].copy_from_slice(values);
            }
        }
        Panel::copied(&self.0)
    }

    /// At most 16 rows of i16; the others are zeroes.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub fn wide<'r>(&'r mut self, rows: impl Iterator<Item = &'r [u8]>, steps: usize) -> Panel<'r> {
        self.cleared(steps);
        for (row, bytes) in rows.enumerate().take(TILE) {
            for (lines, values) in self.0.chunks_exact_mut(BLOCK).zip(bytes.chunks(2 * STEP)) {
                let (pairs, _) = values.as_chunks::<2>();
                let (lower, upper) = lines.split_at_mut(TILE);
                for (to, pair) in lower[row].0.iter_mut().zip(pairs) {
                    *to = pair[0];
                }
                for (to, pair) in upper[row].0.iter_mut().zip(pairs) {
                    *to = pair[1];
                }
            }
        }
        Panel::copied(&self.0)
    }

    fn cleared(&mut self, steps: usize) {
        self.0.clear();
        self.0.resize(steps * BLOCK, Line([0; STEP]));
    }
}
