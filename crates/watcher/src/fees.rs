//! How many demands a search may still take, before the first one is paid.

use {
    quern_proof::{NodeId, Operand, Tree, graph::Graph, limits::STEP_LEVELS, shape::Geometry},
    std::collections::HashSet,
};

/// More demands than this are not counted: nobody pays for as many.
const MOST_COUNTED: usize = 1 << 16;

/// What a search may ask for at most.
pub(crate) struct Bound<'b> {
    graph: Graph<'b>,
    items: u32,
    /// The items that are checked.
    sample: &'b [u32],
    /// Whether one way leads to the first wrong item: all items were computed, or all item roots are published. Otherwise the
    /// root of each item that is checked has to be demanded.
    pub knows_above: bool,
}

impl<'b> Bound<'b> {
    pub(crate) const fn new(
        graph: &Graph<'b>,
        items: u32,
        sample: &'b [u32],
        knows_above: bool,
    ) -> Self {
        Self {
            graph: *graph,
            items,
            sample,
            knows_above,
        }
    }

    /// The most demands that are left and not on chain yet, with this one. Those of the tokens come first; those inside the one wrong item last.
    pub(crate) fn most_left(&self, next: &NodeId, is_known: impl Fn(&NodeId) -> bool) -> u32 {
        let heights = self.graph.trace(self.items);
        let (height, items_height) =
            heights.map_or((0, 0), |trace| (trace.height(), trace.items_height()));
        let is_inside = match next.tree {
            Tree::Trace => next.level >= items_height,
            Tree::Data(Operand::Op(_)) => true,
            Tree::Data(_) => false,
        };
        if is_inside || (self.knows_above && next.tree == Tree::Trace) {
            return next.most_left(&self.graph, self.items);
        }
        let mut asked = HashSet::new();
        if next.tree != Tree::Trace {
            self.count_tokens(&mut asked);
        }
        let inner = match self.knows_above {
            true => NodeId::root(Tree::Trace),
            false => {
                let roots = self.sample.iter();
                let roots = roots.map(|item| (items_height, u64::from(*item)));
                count(&mut asked, Tree::Trace, roots);
                let level = items_height.next_multiple_of(STEP_LEVELS).min(height);
                NodeId::new(Tree::Trace, level, 0)
            }
        };
        if asked.len() >= MOST_COUNTED {
            return u32::MAX;
        }
        let left = asked.iter().filter(|node_id| !is_known(node_id)).count();
        (left as u32).saturating_add(inner.most_left(&self.graph, self.items))
    }

    fn count_tokens(&self, asked: &mut HashSet<NodeId>) {
        let Some((tokens, tree)) = self.tokens() else {
            return;
        };
        let leaves = self.sample.iter().flat_map(|item| {
            let positions = (0..tree.leaves()).filter_map(|k| tree.leaf_position(*item, k));
            positions.map(|position| (tree.height(), position))
        });
        let leaves = leaves.take(MOST_COUNTED);
        for (level, index) in leaves {
            count(asked, tokens, std::iter::once((level, index)));
            asked.insert(NodeId::new(tokens, level, index));
        }
    }

    fn tokens(&self) -> Option<(Tree, Geometry)> {
        let operand = Operand::Input(self.graph.tokens()?);
        let geometry = self.graph.geometry(operand, self.items)?;
        Some((Tree::Data(operand), geometry))
    }
}

/// Counts the demands above nodes of a tree.
fn count(asked: &mut HashSet<NodeId>, tree: Tree, nodes: impl Iterator<Item = (u8, u64)>) {
    for (level, index) in nodes {
        if asked.len() >= MOST_COUNTED {
            return;
        }
        let starts = (0..level).step_by(STEP_LEVELS.into());
        asked.extend(starts.map(|start| NodeId::new(tree, start, index >> (level - start))));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*,
        quern_proof::{DType, builder::GraphBuilder},
    };

    /// 1,000 items of 3 ops of 3 rows and 2 leaves: 10 levels, 2 levels, 2 + 1 levels.
    #[test]
    fn what_is_left_shrinks_with_every_answer() {
        let mut builder = GraphBuilder::new();
        let x = builder.input_item(DType::I8, 3, 200);
        let mut last = x;
        for _ in 0..3 {
            last = builder.mix(last).push();
        }
        let bytes = builder.finish().unwrap();
        let graph = Graph::parse(&bytes).unwrap();
        let root = NodeId::root(Tree::Trace);
        let nothing = |_: &NodeId| false;
        let sample = [7, 8, 900];
        // 3 steps of the trace, one of the op's tree, one leaf.
        let one_way = Bound::new(&graph, 1_000, &sample, true);
        assert_eq!(one_way.most_left(&root, nothing), 5);
        // Levels 0, 4 and 8 above three items, of which two share the one at level 4. The last step shows the ops of an item.
        let each = Bound::new(&graph, 1_000, &sample, false);
        assert_eq!(each.most_left(&root, nothing), 1 + 2 + 3 + 2);
        let next = NodeId::new(Tree::Trace, 4, 0);
        let is_root = |node_id: &NodeId| *node_id == NodeId::root(Tree::Trace);
        assert_eq!(each.most_left(&next, is_root), 2 + 3 + 2);
        let leaf = NodeId::in_item(2, 900, 3, 0);
        assert_eq!(each.most_left(&leaf, nothing), 1);
    }

    #[test]
    fn tokens_count_with_every_leaf() {
        let mut builder = GraphBuilder::new();
        let x = builder.input_item(DType::I32, 1, 70);
        let tokens = builder.input_item(DType::I32, 1, 70);
        let root = [0; 32];
        let embedding = builder.weight_root(DType::I8, 50, 32, &root);
        let head = builder.weight_root(DType::I8, 50, 32, &root);
        let words = builder.gather(tokens, embedding, 70).push();
        let logits = builder.dot(words, head).push();
        let next = builder.argmax(logits).transposed().push();
        let fed = builder.feedback(x, next).push();
        builder.generate(tokens, fed);
        let bytes = builder.finish().unwrap();
        let graph = Graph::parse(&bytes).unwrap();
        let root = NodeId::root(Tree::Data(Operand::Input(1)));
        let bound = Bound::new(&graph, 5, &[1, 3], false);
        // 3 levels of items and 2 of leaves: a root, per item one at level 4 for two leaves and one for the third; 3 leaves
        // each. Then the trace: its root shows the item roots and one level more.
        let tokens = 1 + 2 * 2 + 2 * 3;
        let inside = NodeId::new(Tree::Trace, 4, 0).most_left(&graph, 5);
        assert_eq!(bound.most_left(&root, |_| false), tokens + 1 + inside);
    }
}
