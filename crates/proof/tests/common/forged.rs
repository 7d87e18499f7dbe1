//! A provider that commits to anything: the canonical commitment with nodes and leaves put in its place, hashed upwards.

use std::collections::HashMap;

use quern_proof::{
    Hash, NodeId, Operand, Tree,
    hash::{self, LEAF_BYTES, MISSING, Tag},
    witness::{Openings, Whole},
};

/// Layers of a tree by level, the root first; every position is kept, so trees must be small.
type Layers = Vec<Vec<Hash>>;

pub struct Forged<'w, 'a> {
    whole: &'w Whole<'a>,
    leaves: HashMap<NodeId, [u8; LEAF_BYTES]>,
    /// Of op trees by op and item, and of the tokens.
    data: HashMap<(Operand, u32), Layers>,
    trace: Layers,
}

fn layers(tag: Tag, bottom: Vec<Hash>, nodes: &HashMap<(u8, u64), Hash>) -> Layers {
    let height = bottom.len().trailing_zeros() as u8;
    let mut layers = vec![bottom];
    for level in (0..=height).rev() {
        let layer = layers.last_mut().unwrap();
        for (index, node) in (0..).zip(layer.iter_mut()) {
            if let Some(forged) = nodes.get(&(level, index)) {
                *node = *forged;
            }
        }
        if level > 0 {
            let above = layer
                .chunks(2)
                .map(|pair| hash::node(tag, &pair[0], &pair[1]));
            let above = above.collect();
            layers.push(above);
        }
    }
    layers.reverse();
    layers
}

impl<'w, 'a> Forged<'w, 'a> {
    /// `whole` has all items. Forged nodes stand where they are put, whatever is below them.
    pub fn new(
        whole: &'w Whole<'a>,
        leaves: &[(NodeId, [u8; LEAF_BYTES])],
        nodes: &[(NodeId, Hash)],
    ) -> Self {
        let leaves: HashMap<_, _> = leaves.iter().copied().collect();
        let graph = *whole.graph();
        let items = whole.batch().items();
        let trace = graph.trace(items).unwrap();
        let mut forged = Self {
            whole,
            leaves,
            data: HashMap::new(),
            trace: Vec::new(),
        };
        let mut bottom = vec![MISSING; 1 << trace.height()];
        for item in 0..items {
            for op in 0..graph.op_count() as u16 {
                let layers = forged.data_layers(Operand::Op(op), item, nodes);
                bottom[trace.position(item, op.into()) as usize] = layers[0][0];
                forged.data.insert((Operand::Op(op), item), layers);
            }
        }
        if let Some(tokens) = graph.tokens() {
            let operand = Operand::Input(tokens);
            let layers = forged.data_layers(operand, 0, nodes);
            forged.data.insert((operand, 0), layers);
        }
        let in_trace = nodes
            .iter()
            .filter(|(node_id, _)| node_id.tree == Tree::Trace);
        let in_trace = in_trace.map(|(node_id, node)| ((node_id.level, node_id.index), *node));
        forged.trace = layers(Tag::Trace, bottom, &in_trace.collect());
        forged
    }

    fn data_layers(&self, operand: Operand, item: u32, nodes: &[(NodeId, Hash)]) -> Layers {
        let tree = self.whole.graph();
        let tree = tree.geometry(operand, self.whole.batch().items()).unwrap();
        let height = tree.height();
        let bottom = (0..1u64 << height).map(|place| {
            let node_id = match operand {
                Operand::Op(op) => NodeId::in_item(op, item, height, place),
                _ => NodeId::new(Tree::Data(operand), height, place),
            };
            let (row, k) = tree.row_and_leaf(place);
            match row < tree.rows() && k < tree.leaves() {
                true => hash::leaf(&self.leaf(node_id).unwrap()),
                false => MISSING,
            }
        });
        let of_tree = nodes.iter().filter_map(|(node_id, node)| {
            let (of, place) = match operand {
                Operand::Op(_) => node_id.item_and_place(),
                _ => (0, node_id.index),
            };
            let is_here = node_id.tree == Tree::Data(operand) && of == u64::from(item);
            is_here.then_some(((node_id.level, place), *node))
        });
        layers(Tag::Data, bottom.collect(), &of_tree.collect())
    }

    pub fn trace_root(&self) -> Hash {
        self.trace[0][0]
    }

    pub fn tokens_root(&self) -> Hash {
        let tokens = self.whole.graph().tokens();
        tokens.map_or([0; 32], |tokens| {
            self.data[&(Operand::Input(tokens), 0)][0][0]
        })
    }
}

impl Openings for Forged<'_, '_> {
    fn node(&self, node_id: NodeId) -> Option<Hash> {
        let (layers, place) = match node_id.tree {
            Tree::Trace => (&self.trace, node_id.index),
            Tree::Data(operand @ Operand::Op(_)) => {
                let (item, place) = node_id.item_and_place();
                (self.data.get(&(operand, item as u32))?, place)
            }
            Tree::Data(operand) => match self.data.get(&(operand, 0)) {
                Some(layers) => (layers, node_id.index),
                None => return self.whole.node(node_id),
            },
        };
        layers
            .get(usize::from(node_id.level))?
            .get(place as usize)
            .copied()
    }

    fn leaf(&self, node_id: NodeId) -> Option<[u8; LEAF_BYTES]> {
        match self.leaves.get(&node_id) {
            Some(leaf) => Some(*leaf),
            None => self.whole.leaf(node_id),
        }
    }
}
