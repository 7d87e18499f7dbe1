//! Shapes, and where everything of a tensor lies in its tree: by position, never by value.

use crate::{
    hash::LEAF_BYTES,
    limits::{MAX_DIM, MAX_OPS},
};

/// What a tensor's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DType {
    /// Signed 8-bit integers.
    I8 = 1,
    /// Signed 32-bit integers.
    I32 = 2,
}

impl DType {
    /// The type with this code.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::I8),
            2 => Some(Self::I32),
            _ => None,
        }
    }

    /// Bytes of one value.
    pub const fn size(self) -> u32 {
        match self {
            Self::I8 => 1,
            Self::I32 => 4,
        }
    }
}

/// How many rows a tensor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rows {
    /// As many as the job's batch rows.
    Batch,
    /// Always this many.
    Fixed(u32),
}

impl Rows {
    /// The count in a job with these batch rows.
    pub const fn count(self, batch_rows: u32) -> u32 {
        match self {
            Self::Batch => batch_rows,
            Self::Fixed(rows) => rows,
        }
    }
}

/// What is known of a tensor from the graph alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Type of its values.
    pub dtype: DType,
    /// Its rows.
    pub rows: Rows,
    /// Its columns.
    pub cols: u32,
}

impl Shape {
    /// Bytes of one row, without padding.
    pub const fn row_bytes(&self) -> u64 {
        self.cols as u64 * self.dtype.size() as u64
    }

    /// Bytes of all values in a job with these batch rows.
    pub const fn bytes(&self, batch_rows: u32) -> u64 {
        self.row_bytes() * self.rows.count(batch_rows) as u64
    }

    /// Its tree in a job with these batch rows. `None` if it has no rows or columns, or more than [`MAX_DIM`].
    pub const fn geometry(&self, batch_rows: u32) -> Option<Geometry> {
        Geometry::new(self.dtype, self.rows.count(batch_rows), self.cols)
    }
}

/// The tree of one tensor: a row takes `2^row_height` leaf positions and there is room for `2^rows_height` rows.
///
/// Levels count from the root (level 0); level `height()` is that of the leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    dtype: DType,
    rows: u32,
    cols: u32,
    leaves: u32,
    row_height: u8,
    rows_height: u8,
}

/// The number of levels over this many nodes (at least one).
const fn height_over(nodes: u32) -> u8 {
    nodes.next_power_of_two().trailing_zeros() as u8
}

impl Geometry {
    /// The tree of a `rows x cols` tensor. `None` if it has no rows or columns, or more than [`MAX_DIM`].
    pub const fn new(dtype: DType, rows: u32, cols: u32) -> Option<Self> {
        if rows == 0 || cols == 0 || rows > MAX_DIM || cols > MAX_DIM {
            return None;
        }
        let leaves = (cols * dtype.size()).div_ceil(LEAF_BYTES as u32);
        Some(Self {
            dtype,
            rows,
            cols,
            leaves,
            row_height: height_over(leaves),
            rows_height: height_over(rows),
        })
    }

    /// Type of the values.
    pub const fn dtype(&self) -> DType {
        self.dtype
    }

    /// Rows of the tensor.
    pub const fn rows(&self) -> u32 {
        self.rows
    }

    /// Columns of the tensor.
    pub const fn cols(&self) -> u32 {
        self.cols
    }

    /// Leaves that a row fills (L).
    pub const fn leaves(&self) -> u32 {
        self.leaves
    }

    /// Levels inside a row (log2 P).
    pub const fn row_height(&self) -> u8 {
        self.row_height
    }

    /// Levels above the rows (log2 R).
    pub const fn rows_height(&self) -> u8 {
        self.rows_height
    }

    /// All levels (H).
    pub const fn height(&self) -> u8 {
        self.row_height + self.rows_height
    }

    /// Bytes of one row, without padding.
    pub const fn row_bytes(&self) -> u32 {
        self.cols * self.dtype.size()
    }

    /// The leaf position of leaf `k` of a row. `None` beyond the padded row or the padded rows.
    pub const fn leaf_position(&self, row: u32, k: u32) -> Option<u64> {
        if row as u64 >= 1 << self.rows_height || k as u64 >= 1 << self.row_height {
            return None;
        }
        Some(((row as u64) << self.row_height) + k as u64)
    }

    /// Row and leaf of a leaf position.
    pub const fn row_and_leaf(&self, position: u64) -> (u32, u32) {
        let k = position & ((1 << self.row_height) - 1);
        ((position >> self.row_height) as u32, k as u32)
    }

    /// Which leaf of its row holds column `col`, and at which byte. `None` beyond the last column.
    pub const fn locate(&self, col: u32) -> Option<(u32, usize)> {
        if col >= self.cols {
            return None;
        }
        let byte = col * self.dtype.size();
        Some((byte / LEAF_BYTES as u32, byte as usize % LEAF_BYTES))
    }

    /// How many bytes of leaf `k` of a row are values; the others are padding. 0 for a leaf that the row does not have.
    pub const fn used_bytes(&self, k: u32) -> usize {
        let before = k as u64 * LEAF_BYTES as u64;
        let left = (self.row_bytes() as u64).saturating_sub(before);
        if left < LEAF_BYTES as u64 {
            left as usize
        } else {
            LEAF_BYTES
        }
    }

    /// Whether there is such a node, missing or not.
    pub const fn has_node(&self, level: u8, index: u64) -> bool {
        level <= self.height() && index < 1 << level
    }

    /// Whether this node lies wholly in missing positions. `None` if there is no such node.
    pub const fn is_missing(&self, level: u8, index: u64) -> Option<bool> {
        if !self.has_node(level, index) {
            return None;
        }
        // The first leaf position under it: where that is missing and the node spans rows, every later row is missing
        // too; where it lies inside a row, every later leaf of its span is.
        let first = index << (self.height() - level);
        let row = first >> self.row_height;
        let k = first & ((1 << self.row_height) - 1);
        Some(row >= self.rows as u64 || k >= self.leaves as u64)
    }
}

/// The tree over the data roots of all ops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceGeometry {
    ops: u32,
}

impl TraceGeometry {
    /// The trace tree of a graph with this many ops. `None` without any, or above [`MAX_OPS`].
    pub const fn new(ops: usize) -> Option<Self> {
        if ops == 0 || ops > MAX_OPS {
            return None;
        }
        Some(Self { ops: ops as u32 })
    }

    /// Its ops.
    pub const fn ops(&self) -> u32 {
        self.ops
    }

    /// Its levels; 0 with one op.
    pub const fn height(&self) -> u8 {
        height_over(self.ops)
    }

    /// Whether this node lies wholly in missing positions. `None` if there is no such node.
    pub const fn is_missing(&self, level: u8, index: u64) -> Option<bool> {
        if level > self.height() || index >= 1 << level {
            return None;
        }
        Some(index << (self.height() - level) >= self.ops as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_the_design() {
        let g = Geometry::new(DType::I32, 1000, 1000).expect("in bounds");
        assert_eq!((g.leaves(), g.row_height(), g.rows_height()), (32, 5, 10));
        let g = Geometry::new(DType::I8, 1, 1).expect("in bounds");
        assert_eq!((g.leaves(), g.height()), (1, 0));
        let g = Geometry::new(DType::I8, 3, 129).expect("in bounds");
        assert_eq!((g.leaves(), g.row_height(), g.rows_height()), (2, 1, 2));
        let g = Geometry::new(DType::I32, MAX_DIM, MAX_DIM).expect("in bounds");
        assert_eq!((g.leaves(), g.height()), (32_768, 35));
        assert!(Geometry::new(DType::I8, 0, 1).is_none());
        assert!(Geometry::new(DType::I8, 1, 0).is_none());
        assert!(Geometry::new(DType::I8, MAX_DIM + 1, 1).is_none());
    }

    /// Against the definition: a node is missing when all its leaf positions are.
    #[test]
    fn missing_is_what_the_leaves_say() {
        for rows in 1..10 {
            for cols in [1, 128, 129, 300, 400, 513, 700] {
                let g = Geometry::new(DType::I8, rows, cols).expect("in bounds");
                for level in 0..=g.height() {
                    let span = 1u64 << (g.height() - level);
                    for index in 0..1u64 << level {
                        let all = (index * span..(index + 1) * span).all(|position| {
                            position >> g.row_height() >= rows as u64
                                || position % (1 << g.row_height()) >= g.leaves() as u64
                        });
                        assert_eq!(g.is_missing(level, index), Some(all));
                    }
                    assert_eq!(g.is_missing(level, 1 << level), None);
                }
                assert_eq!(g.is_missing(g.height() + 1, 0), None);
            }
        }
    }

    #[test]
    fn locate_and_padding() {
        let g = Geometry::new(DType::I32, 2, 33).expect("in bounds");
        assert_eq!(g.locate(31), Some((0, 124)));
        assert_eq!(g.locate(32), Some((1, 0)));
        assert_eq!(g.locate(33), None);
        assert_eq!(
            (g.used_bytes(0), g.used_bytes(1), g.used_bytes(2)),
            (128, 4, 0)
        );
        assert_eq!(g.leaf_position(1, 1), Some(3));
        assert_eq!((g.leaf_position(2, 0), g.leaf_position(0, 2)), (None, None));
    }

    #[test]
    fn trace_heights() {
        let heights: std::vec::Vec<u8> = [1, 2, 3, 4, 5, 64]
            .iter()
            .filter_map(|ops| TraceGeometry::new(*ops).map(|t| t.height()))
            .collect();
        assert_eq!(heights, [0, 1, 2, 2, 3, 6]);
        let t = TraceGeometry::new(3).expect("in bounds");
        assert_eq!(t.is_missing(2, 3), Some(true));
        assert_eq!(t.is_missing(1, 1), Some(false));
        assert_eq!(t.is_missing(2, 4), None);
        assert!(TraceGeometry::new(0).is_none() && TraceGeometry::new(65).is_none());
    }
}
