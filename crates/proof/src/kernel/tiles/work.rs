//! A whole product, on all cores.

use core::ops::Range;
use std::vec::Vec;

use rayon::prelude::*;

use super::{
    BLOCK, Line, STEP, Sums, TILE, Tiles,
    block::Ready,
    finish::{Finish, Out, Place},
    left::{Panel, Room},
    right::Packed,
};
use crate::{kernel::dot::Runs, limits::MAX_INNER, shape::DType};

/// Products from which on other threads come in time to help.
const MANY_PRODUCTS: usize = 1 << 22;
/// Blocks whose sums are held at a time: 32 KiB.
const STRIP: usize = 8;

/// The right side of a group.
pub(crate) enum Side<'b> {
    /// Packed already.
    Kept(&'b Packed),
    /// Its columns; each task packs them.
    Rows(Runs<'b>),
}

/// One group of a product.
pub(crate) struct Group<'b> {
    /// Where in a row of the left side its run begins, in bytes.
    pub start: usize,
    pub right: Side<'b>,
}

/// A whole product.
pub(crate) struct Work<'w, F> {
    /// The left side, all rows.
    pub a: &'w [u8],
    /// Bytes of one of them.
    pub row_bytes: usize,
    /// Values that are summed.
    pub inner: usize,
    /// The left side is i16.
    pub is_wide: bool,
    pub groups: &'w [Group<'w>],
    /// Columns that each group makes.
    pub cols: usize,
    /// Of the result.
    pub dtype: DType,
    /// The result is stored by columns.
    pub is_transposed: bool,
    /// Bias and mult by column. Without them, and in i32, sums are stored as they are where they cannot leave it.
    pub parameters: Option<(&'w [i32], &'w [i32])>,
    /// What becomes of a sum, with a bias and a mult (0 and 1 without parameters).
    pub scale: F,
}

/// A part of the result: of one group some panels and some blocks.
struct Task {
    group: usize,
    panels: Range<usize>,
    blocks: Range<usize>,
}

impl<F: Fn(i64, i32, i32) -> i32 + Sync> Work<'_, F> {
    /// The result as stored; `None` where the sides don't fit each other or there is no memory.
    pub fn all(&self, tiles: Tiles) -> Option<Vec<u8>> {
        let len = self.checked_len()?;
        let mut data = Vec::new();
        data.try_reserve_exact(len).ok()?;
        let width = match self.is_transposed {
            true => self.rows(),
            false => self.cols * self.groups.len(),
        };
        let memory = data.spare_capacity_mut().get_mut(..len)?;
        let finish = Finish {
            out: Out::new(memory, width * self.dtype.size() as usize),
            dtype: self.dtype,
            is_transposed: self.is_transposed,
            parameters: self.parameters,
            scale: &self.scale,
        };
        let run = |scratch: &mut Scratch, task: Task| match self.is_wide {
            true => self.task::<true, _>(tiles, &finish, &task, scratch),
            false => self.task::<false, _>(tiles, &finish, &task, scratch),
        };
        if self.is_large() && rayon::current_num_threads() > 1 {
            let tasks = self.tasks(2 * rayon::current_num_threads());
            tasks.into_par_iter().try_for_each_init(Scratch::new, run)?;
        } else {
            let mut scratch = Scratch::new();
            let tasks = self.tasks(1);
            tasks
                .into_iter()
                .try_for_each(|task| run(&mut scratch, task))?;
        }
        // SAFETY: the tasks cover every panel of every group with every block, and `task` writes all cells of them, or none
        // where it has no memory: then this is not reached.
        unsafe { data.set_len(len) };
        Some(data)
    }

    const fn rows(&self) -> usize {
        self.a.len() / self.row_bytes
    }

    const fn panel_rows(&self) -> usize {
        if self.is_wide { TILE } else { BLOCK }
    }

    /// Bytes of the result, if all of it can be made.
    fn checked_len(&self) -> Option<usize> {
        let run = self.inner.saturating_mul(if self.is_wide { 2 } else { 1 });
        let fits = |group: &Group<'_>| {
            let is_side = match &group.right {
                Side::Kept(packed) => (packed.inner(), packed.cols()) == (self.inner, self.cols),
                Side::Rows(runs) => runs.len == self.inner,
            };
            is_side
                && group
                    .start
                    .checked_add(run)
                    .is_some_and(|end| end <= self.row_bytes)
        };
        let is_inner = (1..=MAX_INNER as usize).contains(&self.inner);
        let is_whole = self.row_bytes > 0 && self.a.len().is_multiple_of(self.row_bytes);
        let width = self.cols.checked_mul(self.groups.len())?;
        let has_parameters = self
            .parameters
            .is_none_or(|(bias, mult)| bias.len() == width && mult.len() == width);
        if !(is_inner && is_whole && has_parameters && self.groups.iter().all(fits)) {
            return None;
        }
        let cells = self.rows().checked_mul(width)?;
        cells.checked_mul(self.dtype.size() as usize)
    }

    /// Whether other threads come in time to help.
    fn is_large(&self) -> bool {
        let of_group = self
            .rows()
            .saturating_mul(self.inner)
            .saturating_mul(self.cols);
        of_group.saturating_mul(self.groups.len()) >= MANY_PRODUCTS
    }

    /// What threads take on: whole groups where there are several, else about `wanted` parts of the one.
    fn tasks(&self, wanted: usize) -> Vec<Task> {
        let panels = self.rows().div_ceil(self.panel_rows());
        let blocks = self.cols.div_ceil(BLOCK);
        let by_panel = match self.groups.len() {
            1 => panels.clamp(1, wanted),
            _ => 1,
        };
        let by_block = match self.groups.len() {
            1 => wanted.div_ceil(by_panel).min(blocks),
            _ => 1,
        };
        let of_group = |group| {
            let panels = move |panel| part(panels, by_panel, panel);
            (0..by_panel * by_block).map(move |at| Task {
                group,
                panels: panels(at / by_block),
                blocks: part(blocks, by_block, at % by_block),
            })
        };
        (0..self.groups.len()).flat_map(of_group).collect()
    }

    /// `None` where there is no memory.
    fn task<const IS_WIDE: bool, G: Fn(i64, i32, i32) -> i32>(
        &self,
        tiles: Tiles,
        finish: &Finish<'_, G>,
        task: &Task,
        scratch: &mut Scratch,
    ) -> Option<()> {
        let group = self.groups.get(task.group)?;
        let packed;
        let right = match &group.right {
            Side::Kept(packed) => packed,
            Side::Rows(runs) => {
                packed = tiles.pack(*runs, self.cols)?;
                &packed
            }
        };
        let Scratch { room, sums } = scratch;
        // Where sums are only copied.
        let held = (!IS_WIDE && finish.is_plain()).then(|| Ready::new(tiles));
        for panel in task.panels.clone() {
            let first = panel * self.panel_rows();
            let rows = (self.rows() - first).min(self.panel_rows());
            let left = self.panel::<IS_WIDE>(tiles, group.start, first..first + rows, room);
            let place = |block: usize| Place {
                row: first,
                rows,
                col: task.group * self.cols + block * BLOCK,
                cols: (self.cols - block * BLOCK).min(BLOCK),
            };
            for start in task.blocks.clone().step_by(STRIP) {
                let blocks = (start..task.blocks.end).take(STRIP);
                let blocks = blocks.map(|block| (right.block(block), place(block)));
                strip::<IS_WIDE, _>((tiles, held.as_ref()), &left, blocks, sums, finish);
            }
        }
        Some(())
    }

    /// Some rows of the left side.
    fn panel<'p, const IS_WIDE: bool>(
        &'p self,
        _: Tiles,
        start: usize,
        rows: Range<usize>,
        room: &'p mut Room,
    ) -> Panel<'p> {
        let steps = self.inner.div_ceil(STEP);
        let first = rows.start * self.row_bytes;
        let count = rows.len();
        let data = self.a.get(first..).unwrap_or_default();
        let runs = Runs {
            data,
            row_bytes: self.row_bytes,
            start,
            len: self.inner * if IS_WIDE { 2 } else { 1 },
        };
        if IS_WIDE {
            // SAFETY: a `Tiles` says that there are such vectors.
            return unsafe { room.wide(runs.iter().take(count), steps) };
        }
        let here = data.get(start..).unwrap_or_default();
        match Panel::in_place(here, self.row_bytes, steps) {
            Some(panel) if count == BLOCK => panel,
            _ => room.narrow(runs.iter().take(count), steps),
        }
    }
}

/// Some blocks of a panel. `held` are tiles that stay ready; without them they are given back before sums are scaled, because
/// nothing else may run while they are ready.
fn strip<'r, const IS_WIDE: bool, G: Fn(i64, i32, i32) -> i32>(
    (tiles, held): (Tiles, Option<&Ready>),
    left: &Panel<'_>,
    blocks: impl Iterator<Item = (&'r [Line], Place)> + Clone,
    sums: &mut [Sums; STRIP],
    finish: &Finish<'_, G>,
) {
    let own = held.is_none().then(|| Ready::new(tiles));
    if let Some(ready) = held.or(own.as_ref()) {
        for ((right, _), sums) in blocks.clone().zip(sums.iter_mut()) {
            ready.sums::<IS_WIDE>(left, right, sums);
        }
    }
    drop(own);
    let mut places = blocks.map(|(_, place)| place);
    // SAFETY: a `Tiles` says that there are such vectors.
    unsafe {
        match held {
            None => finish.blocks::<IS_WIDE>(sums, places),
            Some(_) => {
                let Some(mut all) = places.next() else { return };
                all.cols += places.map(|place| place.cols).sum::<usize>();
                finish.plain(sums, all);
            }
        }
    }
}

/// What a thread needs beside operands and result.
struct Scratch {
    room: Room,
    sums: [Sums; STRIP],
}

impl Scratch {
    const fn new() -> Self {
        Self {
            room: Room::new(),
            sums: [const { Sums([[0; BLOCK]; BLOCK]) }; STRIP],
        }
    }
}

/// Part `index` of `count` equal parts.
const fn part(whole: usize, count: usize, index: usize) -> Range<usize> {
    whole * index / count..whole * (index + 1) / count
}
