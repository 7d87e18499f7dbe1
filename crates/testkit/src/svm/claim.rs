//! A provider's commitment that can be tampered with anywhere.
//!
//! [`Claim`] holds whole trees, built here the naive way, and evidence is put together from the design alone
//! (`opened.rs`): neither uses what `quern-proof` commits with, so that a mistake in one cannot hide in the other.

use {
    quern_proof::{
        Graph, Hash, Operand, Tensor,
        demand::{self, NodeId, Tree},
        eval::{Batch, DEFAULT_MAX_ITEM_BYTES},
        evidence::Charge,
        hash::{self, LEAF_BYTES, MISSING, Tag},
        ops::value_at,
        shape::{Geometry, Scope},
    },
    std::collections::BTreeMap,
};

/// All levels of a tree, the root's first.
type Levels = Vec<Vec<Hash>>;

/// A data tree: of an input or a weight with item 0, of an op in each item.
type Place = (u16, u32);

/// What a provider commits to, with everything that it is computed from.
#[derive(Clone)]
pub struct Claim {
    /// The sealed graph.
    pub graph: Vec<u8>,
    /// Items of the job.
    pub items: u32,
    /// Inputs; the tokens are those that the provider gives.
    pub inputs: Vec<Tensor>,
    /// Weights.
    pub weights: Vec<Tensor>,
    /// Results of all ops by item, as committed.
    pub outputs: Vec<Vec<Tensor>>,
    leaves: BTreeMap<(Place, u64), [u8; LEAF_BYTES]>,
    trees: BTreeMap<Place, Levels>,
    trace: Levels,
}

/// All levels over these nodes.
fn levels(tag: Tag, mut nodes: Vec<Hash>) -> Levels {
    nodes.resize(nodes.len().next_power_of_two(), MISSING);
    let mut levels = vec![nodes];
    while levels[0].len() > 1 {
        let above = levels[0]
            .chunks(2)
            .map(|pair| hash::node(tag, &pair[0], &pair[1]))
            .collect();
        levels.insert(0, above);
    }
    levels
}

/// Hashes again what lies above a node.
fn climb(tag: Tag, levels: &mut Levels, level: u8, index: u64) {
    let mut index = index as usize;
    for level in (1..=usize::from(level)).rev() {
        index &= !1;
        let node = hash::node(tag, &levels[level][index], &levels[level][index + 1]);
        index /= 2;
        levels[level - 1][index] = node;
    }
}

impl Claim {
    /// What an honest provider commits to.
    pub fn honest(graph: Vec<u8>, items: u32, inputs: Vec<Tensor>, weights: Vec<Tensor>) -> Self {
        let outputs = {
            let batch = batch_of(&graph, items, &inputs, &weights);
            (0..items).map(|item| batch.item(item).unwrap()).collect()
        };
        Self::of(graph, items, inputs, weights, outputs)
    }

    /// A commitment to these outputs, right or wrong.
    pub fn of(
        graph: Vec<u8>,
        items: u32,
        inputs: Vec<Tensor>,
        weights: Vec<Tensor>,
        outputs: Vec<Vec<Tensor>>,
    ) -> Self {
        let mut claim = Self {
            graph,
            items,
            inputs,
            weights,
            outputs,
            leaves: BTreeMap::new(),
            trees: BTreeMap::new(),
            trace: Vec::new(),
        };
        for at in 0..claim.inputs.len() {
            let operand = Operand::Input(at as u16);
            claim.plant((operand.code(), 0), &claim.inputs[at].clone());
        }
        for at in 0..claim.weights.len() {
            let operand = Operand::Weight(at as u16);
            claim.plant((operand.code(), 0), &claim.weights[at].clone());
        }
        let ops = claim.ops();
        let room = ops.next_power_of_two();
        let mut roots = Vec::new();
        for item in 0..items {
            for op in 0..ops {
                let place = (op as u16, item);
                claim.plant(place, &claim.outputs[item as usize][op].clone());
                roots.push(claim.trees[&place][0][0]);
            }
            roots.resize((item as usize + 1) * room, MISSING);
        }
        claim.trace = levels(Tag::Trace, roots);
        claim
    }

    /// Builds a data tree.
    fn plant(&mut self, place: Place, tensor: &Tensor) {
        let (rows, row_bytes) = (
            tensor.rows() as usize,
            tensor.geometry().row_bytes() as usize,
        );
        let per_row = row_bytes.div_ceil(LEAF_BYTES).next_power_of_two();
        let mut nodes = vec![MISSING; per_row * rows.next_power_of_two()];
        for row in 0..rows {
            let bytes = &tensor.data()[row * row_bytes..(row + 1) * row_bytes];
            for (k, bytes) in bytes.chunks(LEAF_BYTES).enumerate() {
                let mut leaf = [0; LEAF_BYTES];
                leaf[..bytes.len()].copy_from_slice(bytes);
                let position = row * per_row + k;
                nodes[position] = hash::leaf(&leaf);
                self.leaves.insert((place, position as u64), leaf);
            }
        }
        self.trees.insert(place, levels(Tag::Data, nodes));
    }

    /// The graph.
    pub fn parsed(&self) -> Graph<'_> {
        Graph::parse(&self.graph).unwrap()
    }

    /// What the job is run with.
    pub fn batch(&self) -> Batch<'_> {
        batch_of(&self.graph, self.items, &self.inputs, &self.weights)
    }

    /// How many ops there are.
    pub fn ops(&self) -> usize {
        self.outputs[0].len()
    }

    /// The shape of an operand's tree; of an op's, in one item.
    pub fn geometry(&self, operand: Operand) -> Geometry {
        self.parsed().geometry(operand, self.items).unwrap()
    }

    /// The data root of an input or a weight.
    pub fn root(&self, operand: Operand) -> Hash {
        self.trees[&(operand.code(), 0)][0][0]
    }

    /// What goes on chain.
    pub fn trace_root(&self) -> Hash {
        self.trace[0][0]
    }

    /// What goes on chain with it.
    pub fn tokens_root(&self) -> Hash {
        match self.parsed().tokens() {
            Some(tokens) => self.root(Operand::Input(tokens)),
            None => MISSING,
        }
    }

    /// Data roots of the inputs, as the client gives them.
    pub fn input_roots(&self) -> Vec<Hash> {
        let tokens = self.parsed().tokens();
        (0..self.inputs.len() as u16)
            .map(|at| match Some(at) == tokens {
                true => MISSING,
                false => self.root(Operand::Input(at)),
            })
            .collect()
    }

    /// Levels of a tree; of an op's, in one item.
    pub fn height(&self, tree: Tree) -> u8 {
        let levels = match tree {
            Tree::Trace => &self.trace,
            Tree::Data(operand) => &self.trees[&(operand.code(), 0)],
        };
        levels.len() as u8 - 1
    }

    /// Levels of the trace tree below an item's root.
    pub(super) fn ops_height(&self) -> u8 {
        self.ops().next_power_of_two().trailing_zeros() as u8
    }

    /// Levels of the trace tree above the items' roots.
    pub(super) fn items_height(&self) -> u8 {
        self.height(Tree::Trace) - self.ops_height()
    }

    /// The tree that holds a node, and the node's place in its level.
    fn find(&self, node_id: &NodeId) -> (Option<Place>, usize) {
        match node_id.tree {
            Tree::Trace => (None, node_id.index as usize),
            Tree::Data(Operand::Op(op)) => {
                let (item, place) = node_id.item_and_place();
                (Some((op, item as u32)), place as usize)
            }
            Tree::Data(operand) => (Some((operand.code(), 0)), node_id.index as usize),
        }
    }

    /// A node as committed.
    pub fn node(&self, node_id: &NodeId) -> Hash {
        let (tree, place) = self.find(node_id);
        let levels = tree.map_or(&self.trace, |tree| &self.trees[&tree]);
        levels[usize::from(node_id.level)][place]
    }

    /// The bytes of a leaf, as committed. `None` where there are none.
    pub fn leaf(&self, node_id: &NodeId) -> Option<[u8; LEAF_BYTES]> {
        let (tree, place) = self.find(node_id);
        match node_id.level == self.height(node_id.tree) {
            true => self.leaves.get(&(tree?, place as u64)).copied(),
            false => None,
        }
    }

    /// Puts another node into an op's tree, the tokens' or the trace's, and hashes what lies above.
    pub fn set_node(&mut self, node_id: &NodeId, node: Hash) {
        let (tree, place) = self.find(node_id);
        let level = node_id.level;
        let Some(tree) = tree else {
            self.trace[usize::from(level)][place] = node;
            climb(Tag::Trace, &mut self.trace, level, place as u64);
            return;
        };
        let levels = self.trees.get_mut(&tree).unwrap();
        levels[usize::from(level)][place] = node;
        climb(Tag::Data, levels, level, place as u64);
        let root = levels[0][0];
        if let Tree::Data(Operand::Op(op)) = node_id.tree {
            let bottom = self.height(Tree::Trace);
            let index = (u64::from(tree.1) << self.ops_height()) + u64::from(op);
            self.set_node(&NodeId::new(Tree::Trace, bottom, index), root);
        }
    }

    /// Commits to other bytes at a leaf, padding included; the tensors stay as they are.
    pub fn set_leaf(&mut self, node_id: &NodeId, leaf: [u8; LEAF_BYTES]) {
        let (tree, place) = self.find(node_id);
        self.leaves.insert((tree.unwrap(), place as u64), leaf);
        self.set_node(node_id, hash::leaf(&leaf));
    }

    /// Where a value lies: its leaf and the byte in it. `row` is that of the operand in the item.
    pub fn locate(&self, operand: Operand, item: u32, row: u32, col: u32) -> (NodeId, usize) {
        let tree = self.geometry(operand);
        let row_of_tree = match operand {
            Operand::Op(_) => row,
            _ => self.row_of_input(operand, item, row),
        };
        let byte = col as usize * tree.dtype().size() as usize;
        let per_row = u64::from(tree.leaves()).next_power_of_two();
        let place = u64::from(row_of_tree) * per_row + (byte / LEAF_BYTES) as u64;
        let node_id = match operand {
            Operand::Op(op) => NodeId::in_item(op, item, tree.height(), place),
            _ => NodeId::new(Tree::Data(operand), tree.height(), place),
        };
        (node_id, byte % LEAF_BYTES)
    }

    /// The row of the tree over all items.
    fn row_of_input(&self, operand: Operand, item: u32, row: u32) -> u32 {
        let shape = self.parsed().shape(operand).unwrap();
        match shape.scope {
            Scope::Item => item * shape.rows + row,
            Scope::Fixed => row,
        }
    }

    /// A value as committed.
    pub fn value(&self, operand: Operand, item: u32, row: u32, col: u32) -> i32 {
        let (node_id, byte) = self.locate(operand, item, row, col);
        let dtype = self.geometry(operand).dtype();
        let leaf = self.leaf(&node_id).unwrap();
        value_at(&leaf[byte..], 0, dtype).unwrap()
    }

    /// Item and row in it of a row over all items.
    pub fn item_of(&self, op: u16, row: u32) -> (u32, u32) {
        let rows = self.outputs[0][usize::from(op)].rows();
        (row / rows, row % rows)
    }

    /// Commits to another value of an op's result: its lowest bit is flipped. `row` is over all items.
    pub fn corrupt(&mut self, op: u16, row: u32, col: u32) {
        self.corrupt_by(op, row, col, 1);
    }

    /// Commits to this value of an op's result. `row` is over all items.
    pub fn set_value(&mut self, op: u16, row: u32, col: u32, value: i32) {
        let (item, row_of_item) = self.item_of(op, row);
        let (node_id, at) = self.locate(Operand::Op(op), item, row_of_item, col);
        let size = self.geometry(Operand::Op(op)).dtype().size() as usize;
        let mut leaf = self.leaf(&node_id).unwrap();
        leaf[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
        self.set_leaf(&node_id, leaf);
    }

    /// Commits to a value of an op's result whose lowest byte has these bits flipped.
    pub fn corrupt_by(&mut self, op: u16, row: u32, col: u32, mask: u8) {
        let (item, row) = self.item_of(op, row);
        let (node_id, at) = self.locate(Operand::Op(op), item, row, col);
        let mut leaf = self.leaf(&node_id).unwrap();
        leaf[at] ^= mask;
        self.set_leaf(&node_id, leaf);
        // The committed value, for whoever computes with it.
        flip(
            &mut self.outputs[item as usize][usize::from(op)],
            row,
            col,
            mask,
        );
    }

    /// The commitment of a provider that computes on from one wrong value, as a consistent liar would.
    pub fn with_wrong_cell(&self, op: u16, row: u32, col: u32) -> Self {
        let (item, row) = self.item_of(op, row);
        let mut all = self.outputs.clone();
        let outputs = &mut all[item as usize];
        flip(&mut outputs[usize::from(op)], row, col, 1);
        for later in usize::from(op) + 1..outputs.len() {
            let output = self.batch().op(item, later as u16, &outputs[..later]);
            outputs[later] = output.unwrap();
        }
        Self::of(
            self.graph.clone(),
            self.items,
            self.inputs.clone(),
            self.weights.clone(),
            all,
        )
    }

    /// The commitment of a provider that gives these tokens, and computes on from them.
    pub fn with_tokens(&self, tokens: Tensor) -> Self {
        let mut inputs = self.inputs.clone();
        inputs[usize::from(self.parsed().tokens().unwrap())] = tokens;
        Self::honest(self.graph.clone(), self.items, inputs, self.weights.clone())
    }

    /// Makes the padding wrong that a charge is about.
    pub fn spoil_padding(&mut self, charge: &Charge) {
        let Charge::Padding(node_id) = *charge else {
            panic!("{charge:?} is not about padding")
        };
        match self.leaf(&node_id) {
            Some(mut leaf) => {
                leaf[LEAF_BYTES - 1] ^= 1;
                self.set_leaf(&node_id, leaf);
            }
            None => {
                let mut node = self.node(&node_id);
                node[0] ^= 1;
                self.set_node(&node_id, node);
            }
        }
    }

    /// The answer to a demand: up to four levels below the node, or the leaf.
    pub fn answer(&self, node_id: &NodeId) -> Vec<u8> {
        let height = self.height(node_id.tree);
        if node_id.tree != Tree::Trace && node_id.level == height {
            return self.leaf(node_id).unwrap().to_vec();
        }
        let below = (height - node_id.level).min(4);
        let first = node_id.index << below;
        (first..first + (1 << below))
            .flat_map(|index| self.node(&NodeId::new(node_id.tree, node_id.level + below, index)))
            .collect()
    }

    /// Every place of every tree, roots first.
    fn places(&self) -> Vec<NodeId> {
        let data = self.trees.keys().map(|(code, item)| {
            let tree = Tree::from_code(*code).unwrap();
            (tree, u64::from(*item))
        });
        let mut all = Vec::new();
        for (tree, item) in [(Tree::Trace, 0)].into_iter().chain(data) {
            for level in 0..=self.height(tree) {
                let first = item << level;
                let nodes = first..first + (1 << level);
                all.extend(nodes.map(|index| NodeId::new(tree, level, index)));
            }
        }
        all
    }

    /// Every demand that may be asked, parents first.
    pub fn demands(&self) -> Vec<NodeId> {
        let mut all = self.places();
        all.retain(|node_id| demand::plan(&self.parsed(), self.items, node_id).is_ok());
        all
    }

    /// Every cell of every op, rows over all items.
    pub fn cells(&self) -> Vec<(u16, u32, u32)> {
        let mut cells = Vec::new();
        for (op, output) in (0..).zip(&self.outputs[0]) {
            for row in 0..output.rows() * self.items {
                cells.extend((0..output.cols()).map(|col| (op, row, col)));
            }
        }
        cells
    }

    /// Every charge about padding that can be made, whether anything is wrong or not.
    pub fn paddings(&self) -> Vec<Charge> {
        let mut all = self.places();
        all.retain(|node_id| self.is_padding(node_id));
        all.into_iter().map(Charge::Padding).collect()
    }

    /// Whether a node of a tree that the provider made lies in missing positions, or is a leaf with padding.
    fn is_padding(&self, node_id: &NodeId) -> bool {
        let operand = match node_id.tree {
            Tree::Trace => {
                let room = 1u64 << self.ops_height();
                let below = self.height(Tree::Trace) - node_id.level;
                let mut bottom = node_id.index << below..(node_id.index + 1) << below;
                return bottom.all(|at| {
                    at / room >= u64::from(self.items) || at % room >= self.ops() as u64
                });
            }
            Tree::Data(operand) => operand,
        };
        let is_theirs = match operand {
            Operand::Op(_) => true,
            Operand::Input(input) => self.parsed().tokens() == Some(input),
            Operand::Weight(_) => false,
        };
        let tree = self.geometry(operand);
        let (_, place) = self.find(node_id);
        let below = tree.height() - node_id.level;
        let per_row = 1u64 << tree.row_height();
        let mut bottom = (place as u64) << below..(place as u64 + 1) << below;
        let is_missing = bottom.all(|at| {
            at / per_row >= u64::from(tree.rows()) || at % per_row >= u64::from(tree.leaves())
        });
        let last = per_row.min(u64::from(tree.leaves())) - 1;
        let is_partly = below == 0
            && place as u64 % per_row == last
            && !(tree.row_bytes() as usize).is_multiple_of(LEAF_BYTES);
        is_theirs && (is_missing || is_partly)
    }
}

/// Flips bits in the lowest byte of a value.
fn flip(tensor: &mut Tensor, row: u32, col: u32, mask: u8) {
    let row_bytes = tensor.geometry().row_bytes() as usize;
    let size = tensor.dtype().size() as usize;
    tensor.data_mut()[row as usize * row_bytes + col as usize * size] ^= mask;
}

fn batch_of<'a>(
    graph: &'a [u8],
    items: u32,
    inputs: &'a [Tensor],
    weights: &'a [Tensor],
) -> Batch<'a> {
    let graph = Graph::parse(graph).unwrap();
    Batch::new(&graph, items, inputs, weights, DEFAULT_MAX_ITEM_BYTES).unwrap()
}
