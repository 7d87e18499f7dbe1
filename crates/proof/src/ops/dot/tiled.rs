//! DOT by tiles ([`crate::kernel::tiles`]), where the processor has them.

use std::vec::Vec;

use super::{Dot, Extent};
use crate::{
    Error,
    kernel::{
        dot::Runs,
        product::{FEW_PRODUCTS, FEW_ROWS, Packed, is_kept},
        tiles::{self, Group, Side, Tiles, Work},
    },
    ops::{Record, Tensors, View, flag},
    shape::DType,
};

/// All values as stored; `None` where there are no tiles, or where another kernel is as fast.
pub(super) fn made(
    dot: &Dot,
    record: &Record,
    tensors: &impl Tensors,
) -> Result<Option<Vec<u8>>, Error> {
    let Some(tiles) = Tiles::get() else {
        return Ok(None);
    };
    let (a, b) = (tensors.view(dot.product.a)?, tensors.view(dot.product.b)?);
    let extent = dot.product.extent(&a.shape, &b.shape)?;
    if !is_worth_it(dot, &a, &b, extent) {
        return Ok(None);
    }
    let bias = dot.parameter(record, tensors, 0)?;
    let mult = dot.parameter(record, tensors, 1)?;
    let (inner, cols) = (extent.inner as usize, extent.cols as usize);
    let own;
    let groups: Vec<Group<'_>> = match dot.product.groups {
        1 => {
            let Some((start, runs)) = dot.runs(&a, &b, extent).next() else {
                return Ok(None);
            };
            let kept = kept(dot, &b, tiles, runs, cols);
            let right = match kept {
                Some(kept) => kept,
                None => match tiles.pack(runs, cols) {
                    Some(packed) => {
                        own = packed;
                        &own
                    }
                    None => return Ok(None),
                },
            };
            let right = Side::Kept(right);
            [Group { start, right }].into()
        }
        _ => {
            let groups = dot.runs(&a, &b, extent);
            let group = |(start, runs)| Group {
                start,
                right: Side::Rows(runs),
            };
            groups.map(group).collect()
        }
    };
    let work = Work {
        a: a.data,
        row_bytes: a.shape.row_bytes() as usize,
        inner,
        is_wide: a.shape.dtype == DType::I16,
        groups: &groups,
        cols,
        dtype: record.dtype,
        is_transposed: record.has(flag::TRANSPOSED),
        parameters: dot.parameters.map(|_| (&bias[..], &mult[..])),
        scale: |sum: i64, bias: i32, mult: i32| dot.scale(sum, i64::from(bias), i64::from(mult)),
    };
    Ok(work.all(tiles))
}

/// Packing and the tails of tiles cost something, too.
fn is_worth_it(dot: &Dot, a: &View<'_>, b: &View<'_>, extent: Extent) -> bool {
    let rows = a.shape.rows as usize;
    let (inner, cols) = (extent.inner, extent.cols);
    let products = rows.saturating_mul(inner as usize * cols as usize);
    let is_kept = dot.kept(b).is_some() && is_kept(inner.into(), cols.into());
    products >= FEW_PRODUCTS && (is_kept || rows >= FEW_ROWS)
}

/// A weight as tiles want it, packed once; `None` where it is not kept.
fn kept<'t>(
    dot: &Dot,
    b: &View<'t>,
    tiles: Tiles,
    runs: Runs<'t>,
    cols: usize,
) -> Option<&'t tiles::Packed> {
    let kept = dot
        .kept(b)
        .filter(|_| is_kept(runs.len as u64, cols as u64))?;
    if kept.get().is_none() {
        // Where two come at once, one packs for nothing.
        let _ = kept.set(Packed::Tiles(tiles.pack(runs, cols)?));
    }
    match kept.get()? {
        Packed::Tiles(packed) => Some(packed),
        Packed::Gemm(_) => None,
    }
}
