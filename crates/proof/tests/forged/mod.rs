//! A commitment in which anything may stand at any node: what a provider without scruples commits to.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::collections::HashMap;

use quern_proof::{
    Geometry, Graph, Hash, Operand, Tensor,
    demand::{self, NodeId, Tree},
    evidence::{Case, Charge, Refusal, judge},
    hash::{self, LEAF_BYTES, MISSING, Tag},
    witness::Openings,
};

/// The leaves and nodes that are not what the values make them.
#[derive(Default)]
pub struct Forgery {
    pub leaves: HashMap<(u8, u64), [u8; LEAF_BYTES]>,
    pub nodes: HashMap<NodeId, Hash>,
}

impl Forgery {
    pub fn leaf(op: u8, position: u64, leaf: [u8; LEAF_BYTES]) -> Self {
        let mut forgery = Self::default();
        forgery.leaves.insert((op, position), leaf);
        forgery
    }

    pub fn node(node_id: NodeId, node: Hash) -> Self {
        let mut forgery = Self::default();
        forgery.nodes.insert(node_id, node);
        forgery
    }
}

/// Every position of every tree written out; `levels[0]` is the root.
type Levels = Vec<Vec<Hash>>;

pub struct Forged<'a> {
    pub graph: Graph<'a>,
    pub batch_rows: u32,
    inputs: &'a [Tensor],
    weights: &'a [Tensor],
    outputs: &'a [Tensor],
    leaves: HashMap<(u8, u64), [u8; LEAF_BYTES]>,
    trees: HashMap<Tree, Levels>,
    pub input_roots: Vec<Hash>,
}

fn levels(tree: Tree, tag: Tag, bottom: Vec<Hash>, forgery: &Forgery) -> Levels {
    let height = bottom.len().trailing_zeros() as u8;
    let patch = |level: u8, nodes: &mut Vec<Hash>| {
        for (index, node) in nodes.iter_mut().enumerate() {
            let node_id = NodeId::new(tree, level, index as u64);
            if let Some(forged) = forgery.nodes.get(&node_id) {
                *node = *forged;
            }
        }
    };
    let mut levels = vec![bottom];
    patch(height, &mut levels[0]);
    for level in (0..height).rev() {
        let mut above: Vec<Hash> = levels[0]
            .chunks(2)
            .map(|pair| hash::hash(&[&[tag as u8], &pair[0], &pair[1]]))
            .collect();
        patch(level, &mut above);
        levels.insert(0, above);
    }
    levels
}

fn place(g: &Geometry, position: u64) -> Option<(u32, u32)> {
    let (row, k) = (
        (position >> g.row_height()) as u32,
        (position & ((1 << g.row_height()) - 1)) as u32,
    );
    (row < g.rows() && k < g.leaves()).then_some((row, k))
}

impl<'a> Forged<'a> {
    pub fn new(
        graph: &Graph<'a>,
        batch_rows: u32,
        inputs: &'a [Tensor],
        weights: &'a [Tensor],
        outputs: &'a [Tensor],
        forgery: &Forgery,
    ) -> Self {
        let mut trees = HashMap::new();
        let none = Forgery::default();
        let mut add = |operand: Operand, tensor: &Tensor| -> Hash {
            let g = tensor.geometry();
            let bottom = (0..1u64 << g.height()).map(|position| {
                let forged = match operand {
                    Operand::Op(op) => forgery.leaves.get(&(op, position)).copied(),
                    _ => None,
                };
                let own = || place(g, position).and_then(|(row, k)| tensor.leaf(row, k));
                forged
                    .or_else(own)
                    .map_or(MISSING, |leaf| hash::hash(&[&[0], &leaf]))
            });
            let forgery = if matches!(operand, Operand::Op(_)) {
                forgery
            } else {
                &none
            };
            let tree = Tree::Data(operand);
            let levels = levels(tree, Tag::Data, bottom.collect(), forgery);
            let root = levels[0][0];
            trees.insert(tree, levels);
            root
        };
        let input_roots = inputs
            .iter()
            .enumerate()
            .map(|(i, tensor)| add(Operand::Input(i as u8), tensor))
            .collect();
        for (i, tensor) in weights.iter().enumerate() {
            add(Operand::Weight(i as u8), tensor);
        }
        let mut roots: Vec<Hash> = outputs
            .iter()
            .enumerate()
            .map(|(i, tensor)| add(Operand::Op(i as u8), tensor))
            .collect();
        roots.resize(roots.len().next_power_of_two(), MISSING);
        trees.insert(Tree::Trace, levels(Tree::Trace, Tag::Trace, roots, forgery));
        Self {
            graph: *graph,
            batch_rows,
            inputs,
            weights,
            outputs,
            leaves: forgery.leaves.clone(),
            trees,
            input_roots,
        }
    }

    pub fn root(&self) -> Hash {
        self.trees[&Tree::Trace][0][0]
    }

    pub fn judge(&self, charge: &Charge, evidence: &[u8]) -> Result<(), Refusal> {
        judge(
            &Case {
                graph: self.graph,
                batch_rows: self.batch_rows,
                input_roots: &self.input_roots,
                trace_root: &self.root(),
            },
            charge,
            evidence,
        )
    }

    /// What this provider can answer; `None` where a forged node has no preimage that it knows.
    pub fn answer(&self, node_id: &NodeId) -> Option<Vec<u8>> {
        let NodeId { tree, level, index } = *node_id;
        let plan = demand::plan(&self.graph, self.batch_rows, node_id).unwrap();
        let answer = if plan.is_leaf {
            let Tree::Data(operand) = tree else { panic!() };
            let (row, k) = place(self.tensor(operand)?.geometry(), index)?;
            self.leaf(operand, row, k)?.to_vec()
        } else {
            let depth = (usize::from(plan.answer_bytes) / 32).trailing_zeros() as u8;
            (0..1 << depth)
                .flat_map(|place| {
                    self.trees[&tree][usize::from(level + depth)][(index << depth) as usize + place]
                })
                .collect()
        };
        let node = self.node(*node_id)?;
        demand::answers(tree.tag(), plan.is_leaf, &node, &answer).then_some(answer)
    }

    fn tensor(&self, operand: Operand) -> Option<&'a Tensor> {
        match operand {
            Operand::Op(i) => self.outputs.get(usize::from(i)),
            Operand::Input(i) => self.inputs.get(usize::from(i)),
            Operand::Weight(i) => self.weights.get(usize::from(i)),
        }
    }
}

impl Openings for Forged<'_> {
    fn node(&self, node_id: NodeId) -> Option<Hash> {
        let NodeId { tree, level, index } = node_id;
        let nodes = self.trees.get(&tree)?.get(usize::from(level))?;
        nodes.get(index as usize).copied()
    }

    fn leaf(&self, operand: Operand, row: u32, k: u32) -> Option<[u8; LEAF_BYTES]> {
        let tensor = self.tensor(operand)?;
        let position = tensor.geometry().leaf_position(row, k)?;
        let forged = match operand {
            Operand::Op(op) => self.leaves.get(&(op, position)).copied(),
            _ => None,
        };
        forged.or_else(|| tensor.leaf(row, k))
    }

    fn row(&self, operand: Operand, row: u32) -> Option<Vec<u8>> {
        self.tensor(operand)?.row(row).map(<[u8]>::to_vec)
    }
}
