//! Tiles where there are none. Nobody can have them, so nothing of what they take is read.
#![allow(dead_code)]

use core::convert::Infallible;
use std::vec::Vec;

use crate::{kernel::dot::Runs, shape::DType};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiles(Infallible);

pub(crate) struct Packed(Infallible);

pub(crate) enum Side<'b> {
    Kept(&'b Packed),
    Rows(Runs<'b>),
}

pub(crate) struct Group<'b> {
    pub start: usize,
    pub right: Side<'b>,
}

pub(crate) struct Work<'w, F> {
    pub a: &'w [u8],
    pub row_bytes: usize,
    pub inner: usize,
    pub is_wide: bool,
    pub groups: &'w [Group<'w>],
    pub cols: usize,
    pub dtype: DType,
    pub is_transposed: bool,
    pub parameters: Option<(&'w [i32], &'w [i32])>,
    pub scale: F,
}

impl Tiles {
    pub const fn get() -> Option<Self> {
        None
    }

    pub fn pack(self, _: Runs<'_>, _: usize) -> Option<Packed> {
        match self.0 {}
    }
}

impl Packed {
    pub const fn bytes(&self) -> usize {
        match self.0 {}
    }
}

impl<F> Work<'_, F> {
    pub fn all(&self, tiles: Tiles) -> Option<Vec<u8>> {
        match tiles.0 {}
    }
}
