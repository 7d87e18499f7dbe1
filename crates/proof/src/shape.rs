//! Shapes, and where everything of a tensor lies in its tree: by position, never by value.

use crate::{
    hash::LEAF_BYTES,
    limits::{MAX_COLS, MAX_OPS, MAX_ROWS},
};

/// What a tensor's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DType {
    /// Signed 8-bit integers.
    I8 = 1,
    /// Signed 32-bit integers.
    I32 = 2,
    /// Signed 16-bit integers.
    I16 = 3,
}

impl DType {
    /// The type with this code.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::I8),
            2 => Some(Self::I32),
            3 => Some(Self::I16),
            _ => None,
        }
    }

    /// Bytes of one value.
    pub const fn size(self) -> u32 {
        match self {
            Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 => 4,
        }
    }

    /// Its least and its greatest value.
    pub const fn range(self) -> (i32, i32) {
        match self {
            Self::I8 => (i8::MIN as i32, i8::MAX as i32),
            Self::I16 => (i16::MIN as i32, i16::MAX as i32),
            Self::I32 => (i32::MIN, i32::MAX),
        }
    }
}

/// Whether a tensor is the same for all items of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Scope {
    /// One tensor for the whole job.
    Fixed = 0,
    /// Its rows once for each item.
    Item = 1,
}

/// What is known of a tensor from the graph alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Type of its values.
    pub dtype: DType,
    /// Whether each item has its own.
    pub scope: Scope,
    /// Its rows as stored; of one item, where each has its own.
    pub rows: u32,
    /// Its columns as stored.
    pub cols: u32,
}

impl Shape {
    /// Bytes of one row, without padding.
    pub const fn row_bytes(&self) -> u64 {
        self.cols as u64 * self.dtype.size() as u64
    }

    /// Bytes of all values: of one item, where each has its own. At most 2^46.
    pub const fn bytes(&self) -> u64 {
        self.row_bytes() * self.rows as u64
    }

    /// The tree over these rows: of a fixed tensor, or of one item. `None` without rows or columns, or above the limits.
    pub const fn geometry(&self) -> Option<Geometry> {
        Geometry::new(self.dtype, self.rows, self.cols)
    }

    /// The tree of an input over all items of a job. `None` as for [`Shape::geometry`].
    pub const fn over_items(&self, items: u32) -> Option<Geometry> {
        let rows = match self.scope {
            Scope::Fixed => self.rows,
            Scope::Item => match self.rows.checked_mul(items) {
                Some(rows) => rows,
                None => return None,
            },
        };
        Geometry::new(self.dtype, rows, self.cols)
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
    /// The tree of a `rows x cols` tensor. `None` if it has no rows or columns, or more than the limits.
    pub const fn new(dtype: DType, rows: u32, cols: u32) -> Option<Self> {
        if rows == 0 || cols == 0 || rows > MAX_ROWS || cols > MAX_COLS {
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

/// The tree over the data roots of all ops of all items: the items are its upper levels, an item's ops its lower ones.
///
/// Leaf (item, op) stands at `item x 2^ops_height + op`. Missing items and ops are missing positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceGeometry {
    items: u32,
    ops: u32,
}

impl TraceGeometry {
    /// The trace tree of a job with this many items of a graph with this many ops. `None` without any, or above the
    /// limits.
    pub const fn new(items: u32, ops: usize) -> Option<Self> {
        if items == 0 || items > MAX_ROWS || ops == 0 || ops > MAX_OPS {
            return None;
        }
        Some(Self {
            items,
            ops: ops as u32,
        })
    }

    /// Its items.
    pub const fn items(&self) -> u32 {
        self.items
    }

    /// Its ops.
    pub const fn ops(&self) -> u32 {
        self.ops
    }

    /// Levels above the items' roots.
    pub const fn items_height(&self) -> u8 {
        height_over(self.items)
    }

    /// Levels of one item's tree.
    pub const fn ops_height(&self) -> u8 {
        height_over(self.ops)
    }

    /// All levels; 0 with one op and one item.
    pub const fn height(&self) -> u8 {
        self.items_height() + self.ops_height()
    }

    /// The leaf position of an op's data root in an item.
    pub const fn position(&self, item: u32, op: u32) -> u64 {
        ((item as u64) << self.ops_height()) + op as u64
    }

    /// Whether this node lies wholly in missing positions. `None` if there is no such node.
    pub const fn is_missing(&self, level: u8, index: u64) -> Option<bool> {
        if level > self.height() || index >= 1 << level {
            return None;
        }
        // The first position under it, as in `Geometry::is_missing`.
        let first = index << (self.height() - level);
        let item = first >> self.ops_height();
        let op = first & ((1 << self.ops_height()) - 1);
        Some(item >= self.items as u64 || op >= self.ops as u64)
    }
}
