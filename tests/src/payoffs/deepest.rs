//! The graphs in which demands go deepest, and commitments of which nothing exists but one chain of answers: their work is far
//! beyond every machine, but no referee can tell.

use {
    super::demands::geometry,
    quern_proof::{
        DType, Graph, Hash, Operand,
        builder::GraphBuilder,
        demand::{NodeId, Parent, Tree, plan},
        hash::{self, MISSING, Tag},
        limits::{MAX_COLS, MAX_OPS, MAX_WIDTH},
    },
};

/// Items and rows of an item at which trees are deepest: within the limits, and each a little above a power of two.
pub const DEEPEST_ITEMS: u32 = (1 << 22) + 1;
const DEEPEST_ROWS: u32 = 3;

/// As many ops as can be sealed, each with the widest rows.
pub fn largest() -> Vec<u8> {
    let mut builder = GraphBuilder::new();
    add_widest(&mut builder, MAX_OPS);
    builder.finish().unwrap()
}

fn add_widest(builder: &mut GraphBuilder, ops: usize) {
    let x = builder.input_item(DType::I32, 1, DEEPEST_ROWS);
    let table = builder.weight_root(DType::I32, 1, MAX_COLS, &MISSING);
    for _ in 0..ops {
        builder.gather(x, table, DEEPEST_ROWS).push();
    }
}

/// The same beside the longest text.
pub fn largest_text() -> Vec<u8> {
    let mut builder = GraphBuilder::new();
    let [x, tokens] = [(); 2].map(|()| builder.input_item(DType::I32, 1, MAX_WIDTH));
    add_widest(&mut builder, MAX_OPS - 2);
    let table = builder.weight_root(DType::I32, 50, 1, &MISSING);
    let next = builder.gather(tokens, table, MAX_WIDTH).transposed().push();
    let fed = builder.feedback(x, next).push();
    builder.generate(tokens, fed);
    builder.finish().unwrap()
}

/// Demands, one below the other, each with an answer that holds the node of the next.
#[derive(Clone, Debug)]
pub struct Chain {
    /// What the first is about.
    pub root: Hash,
    /// The demands, from the root down, and their answers.
    pub demands: Vec<(NodeId, Vec<u8>)>,
}

impl Chain {
    /// The one that leads to the first leaf of an operand. Everything beside it is made up.
    pub fn to_leaf_of(graph: &Graph<'_>, items: u32, operand: Operand) -> Self {
        let height = geometry(graph, items, operand).height();
        let mut node_id = NodeId::new(Tree::Data(operand), height, 0);
        let mut demands = Vec::new();
        let mut below: Option<(u8, Hash)> = None;
        loop {
            let asked = plan(graph, items, &node_id).unwrap();
            let mut answer = vec![1; usize::from(asked.answer_bytes)];
            if let Some((place, node)) = below {
                answer[usize::from(place) * node.len()..][..node.len()].copy_from_slice(&node);
            }
            let node = match asked.is_leaf {
                true => hash::leaf(answer.as_slice().try_into().unwrap()),
                false => fold(node_id.tree.tag(), answer.as_chunks().0.to_vec()),
            };
            demands.push((node_id, answer));
            let Parent::Answer {
                node_id: above,
                place,
            } = asked.parent
            else {
                demands.reverse();
                return Self {
                    root: node,
                    demands,
                };
            };
            (node_id, below) = (above, Some((place, node)));
        }
    }
}

fn fold(tag: Tag, mut nodes: Vec<Hash>) -> Hash {
    while nodes.len() > 1 {
        let pairs = nodes.chunks(2);
        nodes = pairs
            .map(|pair| hash::node(tag, &pair[0], &pair[1]))
            .collect();
    }
    nodes[0]
}
