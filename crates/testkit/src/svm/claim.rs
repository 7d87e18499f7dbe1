//! A provider's commitment that can be tampered with anywhere, and evidence about it.
//!
//! [`Claim`] holds whole trees, built here the naive way, and evidence is put together from formats.md alone: neither uses
//! what `quern-proof` commits with, so that a mistake in one cannot hide in the other.

use {
    crate::rng::Rng,
    quern_proof::{
        DType, Graph, Hash, Op, Operand, Tensor,
        builder::GraphBuilder,
        demand::{self, NodeId, Tree},
        eval,
        evidence::Charge,
        hash::{self, LEAF_BYTES, MISSING, Tag},
        ops::{Add, ArgMax, Lut, MatMul, QLinear},
        shape::Geometry,
    },
    std::collections::BTreeMap,
};

/// All levels of a tree, the root's first.
type Levels = Vec<Vec<Hash>>;

/// What a provider commits to, with everything that it is computed from.
#[derive(Clone)]
pub struct Claim {
    /// The sealed graph.
    pub graph: Vec<u8>,
    /// Rows of the batch.
    pub batch_rows: u32,
    /// Inputs.
    pub inputs: Vec<Tensor>,
    /// Weights.
    pub weights: Vec<Tensor>,
    /// Outputs of all ops, as committed.
    pub outputs: Vec<Tensor>,
    leaves: BTreeMap<(u8, u64), [u8; LEAF_BYTES]>,
    trees: BTreeMap<u8, Levels>,
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
    pub fn honest(
        graph: Vec<u8>,
        batch_rows: u32,
        inputs: Vec<Tensor>,
        weights: Vec<Tensor>,
    ) -> Self {
        let parsed = Graph::parse(&graph).unwrap();
        parsed.check().unwrap();
        let outputs = eval::run(&parsed, batch_rows, &inputs, &weights).unwrap();
        Self::of(graph, batch_rows, inputs, weights, outputs)
    }

    /// A commitment to these outputs, right or wrong.
    pub fn of(
        graph: Vec<u8>,
        batch_rows: u32,
        inputs: Vec<Tensor>,
        weights: Vec<Tensor>,
        outputs: Vec<Tensor>,
    ) -> Self {
        let mut claim = Self {
            graph,
            batch_rows,
            inputs,
            weights,
            outputs,
            leaves: BTreeMap::new(),
            trees: BTreeMap::new(),
            trace: Vec::new(),
        };
        let operands: Vec<Operand> = (0..claim.inputs.len() as u8)
            .map(Operand::Input)
            .chain((0..claim.weights.len() as u8).map(Operand::Weight))
            .chain((0..claim.outputs.len() as u8).map(Operand::Op))
            .collect();
        for operand in operands {
            claim.plant(operand);
        }
        let roots = (0..claim.outputs.len() as u8)
            .map(|op| claim.root(Operand::Op(op)))
            .collect();
        claim.trace = levels(Tag::Trace, roots);
        claim
    }

    /// Builds an operand's tree.
    fn plant(&mut self, operand: Operand) {
        let tensor = self.tensor(operand).clone();
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
                self.leaves.insert((operand.code(), position as u64), leaf);
            }
        }
        self.trees.insert(operand.code(), levels(Tag::Data, nodes));
    }

    /// The program.
    pub fn parsed(&self) -> Graph<'_> {
        Graph::parse(&self.graph).unwrap()
    }

    /// An input, a weight or a committed output.
    pub fn tensor(&self, operand: Operand) -> &Tensor {
        match operand {
            Operand::Input(at) => &self.inputs[usize::from(at)],
            Operand::Weight(at) => &self.weights[usize::from(at)],
            Operand::Op(at) => &self.outputs[usize::from(at)],
        }
    }

    /// The shape of an operand's tree.
    pub fn geometry(&self, operand: Operand) -> Geometry {
        *self.tensor(operand).geometry()
    }

    /// The data root of an operand, as committed.
    pub fn root(&self, operand: Operand) -> Hash {
        self.trees[&operand.code()][0][0]
    }

    /// What goes on chain.
    pub fn trace_root(&self) -> Hash {
        self.trace[0][0]
    }

    /// Data roots of the inputs.
    pub fn input_roots(&self) -> Vec<Hash> {
        (0..self.inputs.len() as u8)
            .map(|at| self.root(Operand::Input(at)))
            .collect()
    }

    /// Levels of a tree.
    pub fn height(&self, tree: Tree) -> u8 {
        self.levels(tree).len() as u8 - 1
    }

    fn levels(&self, tree: Tree) -> &Levels {
        match tree {
            Tree::Trace => &self.trace,
            Tree::Data(operand) => &self.trees[&operand.code()],
        }
    }

    /// A node as committed.
    pub fn node(&self, tree: Tree, level: u8, index: u64) -> Hash {
        self.levels(tree)[usize::from(level)][index as usize]
    }

    /// The bytes of the leaf at a position, as committed.
    pub fn leaf(&self, operand: Operand, position: u64) -> [u8; LEAF_BYTES] {
        self.leaves[&(operand.code(), position)]
    }

    /// Puts another node into an op's tree (or the trace's) and hashes what lies above.
    pub fn set_node(&mut self, tree: Tree, level: u8, index: u64, node: Hash) {
        match tree {
            Tree::Trace => {
                self.trace[usize::from(level)][index as usize] = node;
                climb(Tag::Trace, &mut self.trace, level, index);
            }
            Tree::Data(operand) => {
                let tree = self.trees.get_mut(&operand.code()).unwrap();
                tree[usize::from(level)][index as usize] = node;
                climb(Tag::Data, tree, level, index);
                if let Operand::Op(op) = operand {
                    let (root, bottom) = (self.root(operand), self.height(Tree::Trace));
                    self.set_node(Tree::Trace, bottom, op.into(), root);
                }
            }
        }
    }

    /// Commits to other bytes at a leaf position, padding included; the tensors stay as they are.
    pub fn set_leaf(&mut self, operand: Operand, position: u64, leaf: [u8; LEAF_BYTES]) {
        self.leaves.insert((operand.code(), position), leaf);
        let tree = Tree::Data(operand);
        self.set_node(tree, self.height(tree), position, hash::leaf(&leaf));
    }

    /// Where a value lies: leaf position and byte.
    pub fn place(&self, operand: Operand, row: u32, col: u32) -> (u64, usize) {
        let tensor = self.tensor(operand);
        let row_bytes = tensor.geometry().row_bytes() as usize;
        let per_row = row_bytes.div_ceil(LEAF_BYTES).next_power_of_two() as u64;
        let byte = col as usize * tensor.dtype().size() as usize;
        let position = u64::from(row) * per_row + (byte / LEAF_BYTES) as u64;
        (position, byte % LEAF_BYTES)
    }

    /// Commits to another value of an op's output: its lowest bit is flipped.
    pub fn corrupt(&mut self, op: u8, row: u32, col: u32) {
        self.corrupt_by(op, row, col, 1);
    }

    /// Commits to a value of an op's output whose lowest byte has these bits flipped.
    pub fn corrupt_by(&mut self, op: u8, row: u32, col: u32, mask: u8) {
        let operand = Operand::Op(op);
        let (position, at) = self.place(operand, row, col);
        let mut leaf = self.leaf(operand, position);
        leaf[at] ^= mask;
        self.set_leaf(operand, position, leaf);
        // The committed value, for whoever computes with it.
        let tensor = &mut self.outputs[usize::from(op)];
        let row_bytes = tensor.geometry().row_bytes() as usize;
        let byte = row as usize * row_bytes + col as usize * tensor.dtype().size() as usize;
        tensor.data_mut()[byte] ^= mask;
    }

    /// The commitment of a provider that computes on from one wrong value, as a consistent liar would.
    pub fn with_wrong_cell(&self, op: u8, row: u32, col: u32) -> Self {
        let mut outputs = self.outputs.clone();
        let at = usize::from(op);
        let row_bytes = outputs[at].geometry().row_bytes() as usize;
        let size = outputs[at].dtype().size() as usize;
        outputs[at].data_mut()[row as usize * row_bytes + col as usize * size] ^= 1;
        for later in at + 1..outputs.len() {
            outputs[later] = eval::run_op(
                &self.parsed(),
                later,
                self.batch_rows,
                &self.inputs,
                &self.weights,
                &outputs,
            )
            .unwrap();
        }
        Self::of(
            self.graph.clone(),
            self.batch_rows,
            self.inputs.clone(),
            self.weights.clone(),
            outputs,
        )
    }

    /// Makes the padding wrong that a charge is about.
    pub fn spoil_padding(&mut self, charge: &Charge) {
        let Charge::Padding(node_id) = *charge else {
            panic!("{charge:?} is not about padding")
        };
        let NodeId { tree, level, index } = node_id;
        match tree {
            Tree::Data(operand) if self.has_leaf(&node_id) => {
                let mut leaf = self.leaf(operand, index);
                leaf[LEAF_BYTES - 1] ^= 1;
                self.set_leaf(operand, index, leaf);
            }
            _ => {
                let mut node = self.node(tree, level, index);
                node[0] ^= 1;
                self.set_node(tree, level, index, node);
            }
        }
    }

    /// Whether there is a leaf with bytes at this place of a data tree.
    pub fn has_leaf(&self, node_id: &NodeId) -> bool {
        let NodeId { tree, level, index } = *node_id;
        tree != Tree::Trace
            && level == self.height(tree)
            && self.leaves.contains_key(&(tree.code(), index))
    }

    /// Evidence for a charge, as formats.md has it.
    pub fn evidence(&self, charge: &Charge) -> Vec<u8> {
        let mut bytes = Vec::new();
        match *charge {
            Charge::Cell { op, row, col } => {
                match self.parsed().op(op.into()).unwrap() {
                    Op::MatMul(MatMul { a, b }) => {
                        self.add_row(&mut bytes, a, row);
                        self.add_row(&mut bytes, b, col);
                    }
                    Op::QLinear(QLinear {
                        a, w, bias, mult, ..
                    }) => {
                        self.add_row(&mut bytes, a, row);
                        self.add_row(&mut bytes, w, col);
                        self.add_value(&mut bytes, bias, 0, col);
                        self.add_value(&mut bytes, mult, 0, col);
                    }
                    Op::Lut(Lut { a, table }) => {
                        self.add_value(&mut bytes, a, row, col);
                        self.add_row(&mut bytes, table, 0);
                    }
                    Op::Add(Add { a, b }) => {
                        self.add_value(&mut bytes, a, row, col);
                        self.add_value(&mut bytes, b, row, col);
                    }
                    Op::ArgMax(ArgMax { a }) => self.add_row(&mut bytes, a, row),
                }
                self.add_value(&mut bytes, Operand::Op(op), row, col);
            }
            Charge::Padding(node_id) => {
                let NodeId { tree, level, index } = node_id;
                match self.leaves.get(&(tree.code(), index)) {
                    Some(leaf) if self.has_leaf(&node_id) => bytes.extend(leaf),
                    _ => bytes.extend(self.node(tree, level, index)),
                }
                match tree {
                    Tree::Trace => self.add_path(&mut bytes, tree, level, index),
                    Tree::Data(operand) => self.add_paths(&mut bytes, operand, level, index),
                }
            }
        }
        bytes
    }

    fn add_row(&self, bytes: &mut Vec<u8>, operand: Operand, row: u32) {
        // Of the leaves, not of the tensor: what was committed to.
        let tensor = self.tensor(operand);
        let row_bytes = tensor.geometry().row_bytes() as usize;
        let (first, _) = self.place(operand, row, 0);
        let leaves = row_bytes.div_ceil(LEAF_BYTES) as u64;
        let whole: Vec<u8> = (0..leaves)
            .flat_map(|k| self.leaf(operand, first + k))
            .collect();
        bytes.extend(&whole[..row_bytes]);
        let rows_height = tensor.rows().next_power_of_two().trailing_zeros() as u8;
        self.add_paths(bytes, operand, rows_height, row.into());
    }

    fn add_value(&self, bytes: &mut Vec<u8>, operand: Operand, row: u32, col: u32) {
        let (position, _) = self.place(operand, row, col);
        bytes.extend(self.leaf(operand, position));
        self.add_paths(bytes, operand, self.height(Tree::Data(operand)), position);
    }

    /// Path to the data root and, of an op's output, on to the trace root.
    fn add_paths(&self, bytes: &mut Vec<u8>, operand: Operand, level: u8, index: u64) {
        self.add_path(bytes, Tree::Data(operand), level, index);
        if let Operand::Op(op) = operand {
            self.add_path(bytes, Tree::Trace, self.height(Tree::Trace), op.into());
        }
    }

    fn add_path(&self, bytes: &mut Vec<u8>, tree: Tree, level: u8, index: u64) {
        for up in 0..level {
            bytes.extend(self.node(tree, level - up, (index >> up) ^ 1));
        }
    }

    /// The answer to a demand: up to four levels below the node, or the leaf.
    pub fn answer(&self, node_id: &NodeId) -> Vec<u8> {
        let height = self.height(node_id.tree);
        if let (Tree::Data(operand), true) = (node_id.tree, node_id.level == height) {
            return self.leaf(operand, node_id.index).to_vec();
        }
        let below = (height - node_id.level).min(4);
        let first = node_id.index << below;
        (first..first + (1 << below))
            .flat_map(|index| self.node(node_id.tree, node_id.level + below, index))
            .collect()
    }

    /// Every demand that may be asked, parents first.
    pub fn demands(&self) -> Vec<NodeId> {
        let trees = self
            .trees
            .keys()
            .map(|code| Tree::from_code(*code).unwrap());
        let mut all = Vec::new();
        for tree in [Tree::Trace].into_iter().chain(trees) {
            for (level, nodes) in self.levels(tree).iter().enumerate() {
                for index in 0..nodes.len() as u64 {
                    let node_id = NodeId {
                        tree,
                        level: level as u8,
                        index,
                    };
                    if demand::plan(&self.parsed(), self.batch_rows, &node_id).is_ok() {
                        all.push(node_id);
                    }
                }
            }
        }
        all
    }

    /// Every cell of every op.
    pub fn cells(&self) -> Vec<(u8, u32, u32)> {
        let mut cells = Vec::new();
        for (op, output) in self.outputs.iter().enumerate() {
            for row in 0..output.rows() {
                cells.extend((0..output.cols()).map(|col| (op as u8, row, col)));
            }
        }
        cells
    }

    /// Every charge about padding that can be made, whether anything is wrong or not.
    pub fn paddings(&self) -> Vec<Charge> {
        let mut charges = Vec::new();
        for op in 0..self.outputs.len() as u8 {
            let geometry = self.geometry(Operand::Op(op));
            for level in 0..=geometry.height() {
                for index in 0..1u64 << level {
                    let inside = index & ((1 << geometry.row_height()) - 1);
                    let is_leaf = level == geometry.height();
                    let is_partly = is_leaf
                        && geometry.is_missing(level, index) == Some(false)
                        && geometry.used_bytes(inside as u32) < LEAF_BYTES;
                    if geometry.is_missing(level, index) == Some(true) || is_partly {
                        let tree = Tree::Data(Operand::Op(op));
                        charges.push(Charge::Padding(NodeId::new(tree, level, index)));
                    }
                }
            }
        }
        let (height, ops) = (self.height(Tree::Trace), self.outputs.len() as u64);
        for level in 0..=height {
            for index in 0..1u64 << level {
                if index << (height - level) >= ops {
                    charges.push(Charge::Padding(NodeId::new(Tree::Trace, level, index)));
                }
            }
        }
        charges
    }
}

/// Numbers that look random, the same each time.
fn numbers(count: usize, seed: u64) -> Vec<i8> {
    let mut rng = Rng::new(seed);
    (0..count).map(|_| rng.bits() as i8).collect()
}

/// All five ops on a batch of three rows: a row that is missing, leaves that are padded, a missing leaf position inside a
/// row and three missing ops.
///
/// `QLINEAR` (3 x 300), `ADD` with an input, `LUT`, `MATMUL` with a matrix of 5 rows, `ARGMAX`.
pub fn five_ops() -> Claim {
    let x = Tensor::from_i8(3, 140, &numbers(3 * 140, 1)).unwrap();
    let y = Tensor::from_i8(3, 300, &numbers(3 * 300, 2)).unwrap();
    let w = Tensor::from_i8(300, 140, &numbers(300 * 140, 3)).unwrap();
    let bias: Vec<i32> = numbers(300, 4)
        .iter()
        .map(|n| i32::from(*n) * 1_000)
        .collect();
    let bias = Tensor::from_i32(1, 300, &bias).unwrap();
    let mult: Vec<i32> = numbers(300, 5)
        .iter()
        .map(|n| i32::from(*n) * 90_000)
        .collect();
    let mult = Tensor::from_i32(1, 300, &mult).unwrap();
    let table = Tensor::from_i8(1, 256, &numbers(256, 6)).unwrap();
    let m = Tensor::from_i8(5, 300, &numbers(5 * 300, 7)).unwrap();
    let weights = vec![w, bias, mult, table, m];
    let mut builder = GraphBuilder::new();
    let (a, b) = (
        builder.input_batch(DType::I8, 140),
        builder.input_batch(DType::I8, 300),
    );
    let [w, bias, mult, table, m] = [0, 1, 2, 3, 4].map(|at| builder.weight(&weights[at]));
    let hidden = builder.qlinear(a, w, bias, mult, 30, -100, 100);
    let sum = builder.add(hidden, b);
    let looked = builder.lut(sum, table);
    let logits = builder.matmul(looked, m);
    builder.argmax(logits);
    let graph = builder.finish().unwrap();
    Claim::honest(graph, 3, vec![x, y], weights)
}

/// The same ops as small as they can be: few cells, so that each can be spoiled in turn.
pub fn tiny() -> Claim {
    let x = Tensor::from_i8(3, 2, &numbers(6, 11)).unwrap();
    let w = Tensor::from_i8(3, 2, &numbers(6, 12)).unwrap();
    let bias = Tensor::from_i32(1, 3, &[100, -2_000, 7]).unwrap();
    let mult = Tensor::from_i32(1, 3, &[9_000, -12_345, 1 << 20]).unwrap();
    let table = Tensor::from_i8(1, 256, &numbers(256, 13)).unwrap();
    let m = Tensor::from_i8(2, 3, &numbers(6, 14)).unwrap();
    let weights = vec![w, bias, mult, table, m];
    let mut builder = GraphBuilder::new();
    let a = builder.input_batch(DType::I8, 2);
    let [w, bias, mult, table, m] = [0, 1, 2, 3, 4].map(|at| builder.weight(&weights[at]));
    let hidden = builder.qlinear(a, w, bias, mult, 12, -128, 127);
    let doubled = builder.add(hidden, hidden);
    let looked = builder.lut(doubled, table);
    let logits = builder.matmul(looked, m);
    builder.argmax(logits);
    let graph = builder.finish().unwrap();
    Claim::honest(graph, 3, vec![x], weights)
}

/// One product of `n x n` by `n x n`: the example of issue and docs.
pub fn product(n: u32) -> Claim {
    let count = (n * n) as usize;
    let a = Tensor::from_i8(n, n, &numbers(count, 21)).unwrap();
    let b = Tensor::from_i8(n, n, &numbers(count, 22)).unwrap();
    let mut builder = GraphBuilder::new();
    let x = builder.input_batch(DType::I8, n);
    let w = builder.weight(&b);
    builder.matmul(x, w);
    let graph = builder.finish().unwrap();
    Claim::honest(graph, n, vec![a], vec![b])
}
