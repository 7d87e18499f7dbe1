//! Products of i8 and i16 with i8 by AMX, the matrix unit of newer Intel processors: exact, and the only `unsafe` code outside the
//! program (docs/decisions/033).
//!
//! A tile is 16 rows of 64 bytes. One instruction multiplies a tile of 16 x 64 with one of 64 x 16 and adds to 16 x 16 sums of i32.
//! [`block`] keeps 32 x 32 sums, four tiles, while it walks over K. An i16 is `256 x upper + lower`, an i8 and a u8: the upper tiles
//! hold the products of 16 rows' lower bytes, the lower ones those of their upper bytes.
//!
//! | file | what |
//! | --- | --- |
//! | `cpu` | whether processor and kernel let this process use tiles |
//! | `left`, `right` | both operands as tiles are loaded |
//! | `block` | the sums of 32 x 32 cells: the only instructions on tiles |
//! | `finish` | what becomes of sums, and where it is written |
//! | `work` | a whole product, on all cores |
//!
//! At most [`MAX_INNER`](crate::limits::MAX_INNER) products: `255 x 128 x 2^15 < 2^30`, so no sum leaves i32.
#![allow(unsafe_code)]

mod block;
mod cpu;
mod finish;
mod left;
mod right;
mod work;

#[cfg(test)]
mod tests;

pub(crate) use right::Packed;
pub(crate) use work::{Group, Side, Work};

/// Columns of a block, and rows of two tiles.
const BLOCK: usize = 32;
/// Rows of a tile.
const TILE: usize = 16;
/// Values of K that one instruction takes.
const STEP: usize = 64;

/// A row of a tile.
#[repr(C, align(64))]
#[derive(Clone, Copy, bytemuck::Zeroable, bytemuck::Pod)]
struct Line([u8; STEP]);

/// The sums of a block, by rows.
#[repr(C, align(64))]
struct Sums([[i32; BLOCK]; BLOCK]);

/// That this process may use tiles, and vectors of 512 bits. Only [`Tiles::get`] makes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiles(());

impl Tiles {
    /// `None` where processor, kernel or user (`QUERN_TILES=off`) say no. The first call asks; the answer stays.
    pub fn get() -> Option<Self> {
        cpu::may_use_tiles().then_some(Self(()))
    }
}
