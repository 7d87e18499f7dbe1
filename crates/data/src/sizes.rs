//! How large the data of a job are, known before anything is fetched, and whether fetched data are the committed ones.
//!
//! A trace is never held as a whole: what counts is the trace of **one item**, however many items a job has.

use {
    crate::error::Result,
    quern_proof::{
        DType, Geometry, Graph, Hash, Operand, Sealed, Tensor, eval, file, kernel::product,
        published,
    },
    std::sync::Arc,
};

/// What a node of a tree takes.
const NODE_BYTES: u64 = size_of::<Hash>() as u64;
/// What a value takes at most while a product is computed: its sum, and those of the upper and lower halves of i16.
const SUM_BYTES: u64 = 16;
/// What hashing a block of leaves takes: a copy of them and their nodes.
const MOST_HASHING_BYTES: u64 = 8 << 20;
const HASHING_BYTES_PER_LEAF: u64 = 192;

/// Bytes of the bundle of a graph's weights.
///
/// # Errors
/// A graph that could not have been sealed.
pub fn weights_bytes(graph: &Graph<'_>) -> Result<u64> {
    let weights = (0..graph.weight_count()).map(|index| Operand::Weight(index as u16));
    bundle_bytes(graph, 1, weights)
}

/// Bytes of the bundle of the inputs that a job's client gives: all but the tokens.
///
/// # Errors
/// A graph that could not have been sealed, or items that don't fit it.
pub fn inputs_bytes(graph: &Graph<'_>, items: u32) -> Result<u64> {
    bundle_bytes(graph, items, given_inputs(graph).map(Operand::Input))
}

/// Bytes of the file of the tokens over all items; nothing in a graph without tokens.
///
/// # Errors
/// As [`inputs_bytes`].
pub fn tokens_bytes(graph: &Graph<'_>, items: u32) -> Result<u64> {
    bundle_bytes(graph, items, graph.tokens().map(Operand::Input).into_iter())
}

/// The inputs that a job's client gives, by their places in the graph.
pub fn given_inputs(graph: &Graph<'_>) -> impl Iterator<Item = u16> {
    let tokens = graph.tokens();
    (0..graph.input_count() as u16).filter(move |index| Some(*index) != tokens)
}

fn bundle_bytes(
    graph: &Graph<'_>,
    items: u32,
    operands: impl Iterator<Item = Operand>,
) -> Result<u64> {
    let mut bytes = 0u64;
    for operand in operands {
        let tree = geometry(graph, operand, items)?;
        bytes = sum([bytes, file::TENSOR_HEADER_BYTES as u64, values_bytes(&tree)]);
    }
    Ok(bytes)
}

/// The tree of an operand: of an op, in one item; of an input, over all items.
fn geometry(graph: &Graph<'_>, operand: Operand, items: u32) -> Result<Geometry> {
    graph.shape(operand).map_err(quern_proof::Error::from)?;
    let tree = graph.geometry(operand, items);
    Ok(tree.ok_or(quern_proof::Error::NoSuchPosition)?)
}

const fn values_bytes(tree: &Geometry) -> u64 {
    tree.row_bytes() as u64 * tree.rows() as u64
}

/// A tree takes far more than a narrow tensor does: every row has at least one leaf. A row of L leaves has at most
/// `2 L + height` nodes, and above the rows there is at most one more for each.
pub const fn tree_bytes(tree: &Geometry) -> u64 {
    let nodes = 2 * tree.leaves() as u64 + tree.row_height() as u64 + 1;
    NODE_BYTES * tree.rows() as u64 * nodes
}

/// Bytes of a job's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The file of the inputs that the client gives.
    pub inputs: u64,
    /// The file of the weights.
    pub weights: u64,
    /// The file of the tokens; nothing in a graph without any.
    pub tokens: u64,
    /// The values of all results of one item.
    pub trace: u64,
    /// The file of one item's trace.
    pub trace_file: u64,
    /// The file of the item roots.
    pub roots: u64,
    /// The file of the result, all items together.
    pub result: u64,
    items: u32,
    /// What computing and hashing an op of an item takes beside its result, where it takes the most.
    scratch: u64,
    /// The trees of an op's result in an item and of its operands, where they take the most.
    trees: u64,
    /// The trees of all results of one item.
    item_trees: u64,
    /// The trees of all inputs and weights.
    operand_trees: u64,
    /// Weights as products want them, which are kept beside what they are.
    packed: u64,
}

impl Sizes {
    /// Of a job of a sealed graph.
    ///
    /// # Errors
    /// A graph that could not have been sealed, or items that don't fit it.
    pub fn of(graph: &Graph<'_>, items: u32) -> Result<Self> {
        let sealed = graph.check().map_err(quern_proof::Error::from)?;
        graph
            .check_items(&sealed, items)
            .map_err(quern_proof::Error::from)?;
        let length = |bytes: Option<u64>| bytes.ok_or(quern_proof::Error::NoSuchPosition);
        let mut sizes = Self {
            inputs: inputs_bytes(graph, items)?,
            weights: weights_bytes(graph)?,
            tokens: tokens_bytes(graph, items)?,
            trace: sealed.trace_bytes,
            trace_file: trace_file_bytes(graph, &sealed),
            roots: length(published::roots_len(graph, items))?,
            result: length(published::result_len(graph, items))?,
            items,
            scratch: 0,
            trees: 0,
            item_trees: 0,
            operand_trees: 0,
            packed: 0,
        };
        for index in 0..graph.op_count() as u16 {
            sizes.add_op(graph, index)?;
        }
        let inputs = (0..graph.input_count()).map(|index| Operand::Input(index as u16));
        let weights = (0..graph.weight_count()).map(|index| Operand::Weight(index as u16));
        for operand in inputs.chain(weights) {
            let tree = tree_bytes(&geometry(graph, operand, items)?);
            sizes.operand_trees = sizes.operand_trees.saturating_add(tree);
        }
        for index in 0..graph.weight_count() {
            let weight = graph.weight(index).map_err(quern_proof::Error::from)?;
            let shape = weight.shape;
            let packed = packed_weight_bytes(shape.dtype, shape.rows, shape.cols);
            sizes.packed = sizes.packed.saturating_add(packed);
        }
        Ok(sizes)
    }

    fn add_op(&mut self, graph: &Graph<'_>, index: u16) -> Result<()> {
        let result = geometry(graph, Operand::Op(index), self.items)?;
        let own_tree = tree_bytes(&result);
        let values = u64::from(result.rows()) * u64::from(result.cols());
        let leaves = u64::from(result.rows()) * u64::from(result.leaves());
        let hashing = leaves.saturating_mul(HASHING_BYTES_PER_LEAF);
        let computing = values.saturating_mul(SUM_BYTES);
        let scratch = computing.max(hashing.min(MOST_HASHING_BYTES));
        let scratch = scratch.saturating_add(packed_side_bytes(graph, index)?);
        self.scratch = self.scratch.max(scratch);
        self.item_trees = self.item_trees.saturating_add(own_tree);
        let op = graph.op(index.into()).map_err(quern_proof::Error::from)?;
        let mut together = own_tree;
        for operand in op.operands() {
            let tree = tree_bytes(&geometry(graph, operand, self.items)?);
            together = together.saturating_add(tree);
        }
        self.trees = self.trees.max(together);
        Ok(())
    }

    /// The most memory that inputs and weights take while they are fetched: a file is there until it is decoded.
    pub fn operands_bytes(&self) -> u64 {
        let file = self.inputs.max(self.weights).max(self.tokens);
        sum([self.inputs_with_tokens(), self.weights, file])
    }

    /// All inputs. With the tokens they stand beside those that the client gives.
    fn inputs_with_tokens(&self) -> u64 {
        match self.tokens {
            0 => self.inputs,
            tokens => sum([self.inputs, self.inputs, tokens]),
        }
    }

    /// The item roots as a file, and the tree over them.
    const fn above(&self) -> u64 {
        self.roots
            .saturating_add(2 * NODE_BYTES * self.items as u64)
    }

    /// What the own results of one item take with everything that they were computed from.
    pub fn kept_bytes(&self) -> u64 {
        let operands = [self.inputs_with_tokens(), self.weights, self.packed];
        sum(operands).saturating_add(self.trace)
    }

    /// What an item takes while it is computed and hashed.
    pub const fn item_bytes(&self) -> u64 {
        self.trace.saturating_add(self.scratch)
    }

    /// What an item takes whose results answer demands: as a file and decoded, and all trees.
    pub fn answered_item_bytes(&self) -> u64 {
        sum([self.trace, self.trace_file, self.item_trees])
    }

    /// The most memory that computing takes with one item under way; each one more takes [`Self::item_bytes`].
    pub fn work_bytes(&self) -> u64 {
        let files = sum([self.result, self.above(), self.tokens]);
        let working = sum([self.kept_bytes(), self.scratch, files]);
        working.max(self.operands_bytes())
    }

    /// The most memory that answering takes with one item at hand; each one more takes [`Self::answered_item_bytes`].
    pub fn answer_bytes(&self) -> u64 {
        let operands = [self.inputs_with_tokens(), self.weights, self.packed];
        let operands = sum(operands).saturating_add(self.operand_trees);
        let recomputing = self.item_bytes();
        let item = self.answered_item_bytes().max(recomputing);
        sum([operands, self.above(), item]).max(self.operands_bytes())
    }

    /// The most memory that a provider needs for a job: computing it, and answering for it.
    pub fn memory_bytes(&self) -> u64 {
        self.work_bytes().max(self.answer_bytes())
    }

    /// The most memory that examining one item takes at a time: its published trace as a file and decoded beside the own one,
    /// or what proving needs.
    pub fn case_bytes(&self) -> u64 {
        let beside = self.trace.saturating_add(self.trace_file.max(self.trees));
        let published = sum([self.result, self.above()]);
        let examining = sum([self.kept_bytes(), self.scratch, beside, published]);
        examining.max(self.operands_bytes())
    }

    /// Of how many items a provider publishes the traces, the first ones, if they may take this much.
    pub fn published_items(&self, budget_bytes: u64) -> u32 {
        /// Each trace is a file: more of them keep readers and publisher for longer than computing does.
        const MOST: u32 = 1_024;
        let fit = u32::try_from(budget_bytes / self.trace_file).unwrap_or(MOST);
        fit.min(self.items).min(MOST)
    }

    /// What a provider publishes of a job, with the traces of so many items.
    pub fn published_bytes(&self, items: u32) -> u64 {
        let traces = self.trace_file.saturating_mul(items.into());
        sum([self.result, self.roots, self.tokens, traces])
    }
}

/// What a weight takes beside its values, once products have read it.
pub const fn packed_weight_bytes(dtype: DType, rows: u32, cols: u32) -> u64 {
    let (inner, width) = (cols as u64, rows as u64);
    match dtype {
        DType::I8 if product::is_kept(inner, width) => product::packed_bytes(inner, width),
        _ => 0,
    }
}

/// What the right side of an op's product takes while it is computed.
fn packed_side_bytes(graph: &Graph<'_>, index: u16) -> Result<u64> {
    let op = graph.op(index.into()).map_err(quern_proof::Error::from)?;
    let Some(of) = op.product() else {
        return Ok(0);
    };
    let shape = |operand| graph.shape(operand).map_err(quern_proof::Error::from);
    let extent = of.extent(&shape(of.a)?, &shape(of.b)?);
    let extent = extent.map_err(quern_proof::Error::from)?;
    let packed = product::packed_bytes(extent.inner.into(), extent.cols.into());
    Ok(packed.saturating_mul(of.groups.into()))
}

fn trace_file_bytes(graph: &Graph<'_>, sealed: &Sealed) -> u64 {
    let headers = graph.op_count() * file::TENSOR_HEADER_BYTES;
    sum([
        file::TRACE_HEADER_BYTES as u64,
        headers as u64,
        sealed.trace_bytes,
    ])
}

fn sum<const N: usize>(parts: [u64; N]) -> u64 {
    parts.into_iter().fold(0, u64::saturating_add)
}

/// The weights in a bundle, if they are those that the graph commits to.
///
/// # Errors
/// A bundle that cannot be read, or other weights.
pub fn checked_weights(graph: &Graph<'_>, bytes: &[u8]) -> Result<Vec<Tensor>> {
    let weights = file::decode_bundle(bytes)?;
    eval::check_weights(graph, &weights)?;
    Ok(weights)
}

/// All inputs of a job, as evaluation takes them: those that the client gives, with the tokens in their place. Where none are
/// known yet, zeroes stand for them, which nothing may be computed from but the text itself
/// ([`quern_proof::eval::Batch::generate`]).
///
/// # Errors
/// Items that don't fit the graph, or another number of inputs than the client gives.
pub fn all_inputs(
    graph: &Graph<'_>,
    items: u32,
    given: &Arc<Vec<Tensor>>,
    tokens: Option<Tensor>,
) -> Result<Arc<Vec<Tensor>>> {
    let Some(place) = graph.tokens() else {
        return Ok(Arc::clone(given));
    };
    let tokens = match tokens {
        Some(tokens) => tokens,
        None => {
            let tree = geometry(graph, Operand::Input(place), items)?;
            let zeroes = vec![0; usize::try_from(values_bytes(&tree)).unwrap_or(usize::MAX)];
            Tensor::from_bytes(tree.dtype(), tree.rows(), tree.cols(), zeroes)?
        }
    };
    if given.len() + 1 != graph.input_count() {
        return Err(quern_proof::Error::Count {
            what: "inputs",
            expected: graph.input_count() - 1,
            found: given.len(),
        }
        .into());
    }
    let mut inputs = given.as_ref().clone();
    inputs.insert(place.into(), tokens);
    Ok(Arc::new(inputs))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {
        super::*,
        crate::checked::{checked_inputs, checked_tokens},
        quern_proof::{DType, Shape, builder::GraphBuilder, commit, commit::data_root},
    };

    #[test]
    fn only_the_committed_tensors_pass() {
        let weight = Tensor::from_i8(2, 3, &[1, 2, 3, 4, 5, 6]).unwrap();
        let input = Tensor::from_i8(4, 3, &[1; 12]).unwrap();
        let mut builder = GraphBuilder::new();
        let a = builder.input_item(DType::I8, 1, 3);
        let w = builder.weight(&weight);
        builder.dot(a, w).push();
        let bytes = builder.finish().unwrap();
        let graph = Graph::parse(&bytes).unwrap();
        let bundle = file::encode_bundle(std::slice::from_ref(&weight));
        assert_eq!(weights_bytes(&graph).unwrap(), bundle.len() as u64);
        assert_eq!(checked_weights(&graph, &bundle).unwrap(), [weight]);
        let roots = [data_root(&input)];
        let inputs = file::encode_bundle(&[input]);
        assert_eq!(inputs_bytes(&graph, 4).unwrap(), inputs.len() as u64);
        assert!(checked_inputs(&graph, 4, &roots, &inputs).is_ok());
        // Other values, roots, items, lengths: each a sentence, never a panic.
        assert!(checked_inputs(&graph, 4, &[[0; 32]], &inputs).is_err());
        assert!(checked_inputs(&graph, 5, &roots, &inputs).is_err());
        for cut in 0..inputs.len() {
            assert!(checked_inputs(&graph, 4, &roots, &inputs[..cut]).is_err());
        }
        for at in 0..bundle.len() {
            let mut damaged = bundle.clone();
            damaged[at] ^= 0xff;
            assert!(checked_weights(&graph, &damaged).is_err());
        }
    }

    /// A prompt and the tokens: FEEDBACK of the largest of what a table says about each token.
    fn text_graph() -> Vec<u8> {
        let table = Tensor::from_i8(4, 4, &[0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0]);
        let mut builder = GraphBuilder::new();
        let tokens = builder.input_item(DType::I32, 1, 8);
        let prompt = builder.input_item(DType::I32, 1, 8);
        let table = builder.weight(&table.unwrap());
        let rows = builder.gather(tokens, table, 8).push();
        let next = builder.argmax(rows).transposed().push();
        let fed = builder.feedback(prompt, next).push();
        builder.generate(tokens, fed);
        builder.finish().unwrap()
    }

    #[test]
    fn tokens_are_no_input_of_the_client() {
        let bytes = text_graph();
        let graph = Graph::parse(&bytes).unwrap();
        let items = 3;
        let prompt = Tensor::from_i32(3, 8, &[7; 24]).unwrap();
        let tokens = Tensor::from_i32(3, 8, &[5; 24]).unwrap();
        let tokens_root = data_root(&tokens);
        assert_eq!(given_inputs(&graph).collect::<Vec<_>>(), [1]);
        // The job holds zeroes for the tokens.
        let roots = [[0; 32], data_root(&prompt)];
        let bundle = file::encode_bundle(std::slice::from_ref(&prompt));
        assert_eq!(inputs_bytes(&graph, items).unwrap(), bundle.len() as u64);
        let given = checked_inputs(&graph, items, &roots, &bundle).unwrap();
        let file = file::encode_tensor(&tokens);
        assert_eq!(tokens_bytes(&graph, items).unwrap(), file.len() as u64);
        let found = checked_tokens(&graph, items, &tokens_root, &file).unwrap();
        assert!(checked_tokens(&graph, items, &[1; 32], &file).is_err());
        let given = Arc::new(given);
        let all = all_inputs(&graph, items, &given, Some(found)).unwrap();
        assert_eq!(*all, [tokens, prompt]);
        let without = all_inputs(&graph, items, &given, None).unwrap();
        assert!(without[0].data().iter().all(|byte| *byte == 0));
        eval::check_input_shapes(&graph, items, &without).unwrap();
        assert!(all_inputs(&graph, items, &all, None).is_err());
        let sizes = Sizes::of(&graph, items).unwrap();
        assert_eq!(sizes.result, 3 * 32);
    }

    /// Everything that is published has the length that is told, and memory does not grow with items x trace.
    #[test]
    fn sizes_are_those_of_the_files() {
        let weight = Tensor::from_i8(16, 16, &[1; 256]).unwrap();
        let scale = Tensor::from_i32(2, 1, &[0, 1]).unwrap();
        let mut builder = GraphBuilder::new();
        let a = builder.input_item(DType::I8, 4, 16);
        let (w, p) = (builder.weight(&weight), builder.weight(&scale));
        let b = builder.dot(a, w).scaled(p, 1, DType::I8).push();
        builder.mix(b).plus(a).push();
        let bytes = builder.finish().unwrap();
        let graph = Graph::parse(&bytes).unwrap();
        let items = 5;
        let inputs = [Tensor::from_i8(20, 16, &[2; 320]).unwrap()];
        let weights = [weight, scale];
        let batch = eval::Batch::new(&graph, items, &inputs, &weights, u64::MAX).unwrap();
        let mut committer = commit::Committer::new(&graph, items).unwrap();
        let sizes = Sizes::of(&graph, items).unwrap();
        for item in 0..items {
            let outputs = batch.item(item).unwrap();
            let file = file::encode_trace(&outputs).unwrap();
            assert_eq!(sizes.trace_file, file.len() as u64);
            committer
                .push(&commit::ItemTrace::new(outputs).unwrap())
                .unwrap();
        }
        let done = committer.finish().unwrap();
        assert_eq!(sizes.roots, done.roots_file.len() as u64);
        assert_eq!(sizes.result, done.result_file.len() as u64);
        let of_item = sizes.trace_file;
        assert_eq!(sizes.published_items(of_item * 3 - 1), 2);
        assert_eq!(sizes.published_items(u64::MAX), items);
        assert_eq!(sizes.published_items(0), 0);
        let many = Sizes::of(&graph, 100 * items).unwrap();
        let grown = many.memory_bytes() - sizes.memory_bytes();
        let trees = many.operand_trees - sizes.operand_trees;
        let files = many.inputs + 2 * many.result + many.above() + trees;
        assert!(grown <= files, "{sizes:?} {many:?}");
        assert_eq!(many.item_bytes(), sizes.item_bytes());
        assert!(Sizes::of(&graph, 0).is_err() && Sizes::of(&graph, 1 << 24).is_err());
    }

    #[test]
    fn narrow_tensors_count_with_their_trees() {
        let mut builder = GraphBuilder::new();
        let a = builder.input_item(DType::I8, 1 << 20, 1);
        builder.mix(a).plus(a).push();
        let graph = builder.finish().unwrap();
        let sizes = Sizes::of(&Graph::parse(&graph).unwrap(), 1).unwrap();
        // MIX makes i8 of them; 64 bytes a row and tree.
        assert!(sizes.case_bytes() > 3 * (64 << 20), "{sizes:?}");
        assert!(sizes.answer_bytes() > 2 * (64 << 20), "{sizes:?}");
    }

    #[test]
    fn no_tree_is_larger_than_it_counts() {
        for (rows, cols) in [(1, 1), (3, 1), (5, 600), (7, 129), (64, 1_000), (33, 257)] {
            let tensor = Tensor::from_i8(rows, cols, &vec![1; (rows * cols) as usize]).unwrap();
            let geometry = *tensor.geometry();
            let tree = commit::TensorTree::new(&tensor);
            let nodes = (0..=geometry.height()).flat_map(|level| {
                (0..1u64 << level)
                    .filter(move |index| geometry.is_missing(level, *index) == Some(false))
            });
            assert!(tree.node(0, 0).is_some());
            let shape = Shape {
                dtype: DType::I8,
                scope: quern_proof::Scope::Fixed,
                rows,
                cols,
            };
            let bytes = 32 * nodes.count() as u64;
            // Above the rows, an odd count leaves a node more at each level.
            let above = 32 * u64::from(geometry.rows_height());
            let counted = tree_bytes(&shape.geometry().unwrap());
            assert!(bytes <= counted + above, "{rows} x {cols}");
        }
    }

    /// Products keep weights a second time; narrow ones, which would take many times what they are, they do not.
    #[test]
    fn weights_count_as_products_keep_them() {
        let kept = |rows, cols| packed_weight_bytes(DType::I8, rows, cols);
        assert_eq!(kept(1, 32_768), 0);
        assert_eq!(kept(64, 63), 0);
        assert_eq!(packed_weight_bytes(DType::I32, 384, 384), 0);
        assert_eq!(kept(384, 1_536), 384 * 1_536 + 2 * 8 * 384);
        assert!((64..200).all(|side| kept(side, side) <= 3 * u64::from(side * side)));
        let root = [0; 32];
        let of = |cols: u32| {
            let mut builder = GraphBuilder::new();
            let a = builder.input_item(DType::I8, 1, 512);
            let weight = builder.weight_root(DType::I8, cols, 512, &root);
            builder.dot(a, weight).push();
            let bytes = builder.finish().unwrap();
            Sizes::of(&Graph::parse(&bytes).unwrap(), 1).unwrap()
        };
        let (narrow, wide) = (of(63), of(64));
        assert!(wide.kept_bytes() > narrow.kept_bytes() + 64 * 512);
    }
}
