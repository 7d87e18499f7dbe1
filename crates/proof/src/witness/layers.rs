//! The layers of a tree above some of its nodes.

use std::{vec, vec::Vec};

use crate::hash::{self, Hash, MISSING, Tag};

/// These nodes and the `height` layers above them; positions without a node are missing.
pub(super) fn inner_layers(tag: Tag, nodes: Vec<Hash>, height: u8) -> Vec<Vec<Hash>> {
    let mut layers = vec![nodes];
    let mut zero = MISSING;
    for _ in 0..height {
        let below = layers.last().map_or(&[][..], Vec::as_slice);
        let above = below
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => hash::node(tag, left, right),
                [left, ..] => hash::node(tag, left, &zero),
                [] => zero,
            })
            .collect();
        zero = hash::node(tag, &zero, &zero);
        layers.push(above);
    }
    layers
}
