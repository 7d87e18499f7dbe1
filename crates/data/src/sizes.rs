//! How large the data of a graph are, known before anything is fetched, and whether fetched data are the committed ones.

use {
    crate::error::Result,
    quern_proof::{Graph, Operand, Shape, Tensor, eval, file},
};

/// Bytes of the bundle of a graph's weights.
///
/// # Errors
/// A graph that could not have been sealed.
pub fn weights_bytes(graph: &Graph<'_>) -> Result<u64> {
    let mut bytes = 0u64;
    for index in 0..graph.weight_count() {
        let weight = graph.weight(index).map_err(quern_proof::Error::from)?;
        bytes = bytes
            .saturating_add(file::TENSOR_HEADER_BYTES as u64)
            .saturating_add(weight.shape.bytes(0));
    }
    Ok(bytes)
}

/// Bytes of the bundle of a graph's inputs for a number of batch rows.
///
/// # Errors
/// A graph that could not have been sealed.
pub fn inputs_bytes(graph: &Graph<'_>, batch_rows: u32) -> Result<u64> {
    let mut bytes = 0u64;
    for index in 0..graph.input_count() {
        let shape = graph.input(index).map_err(quern_proof::Error::from)?;
        bytes = bytes
            .saturating_add(file::TENSOR_HEADER_BYTES as u64)
            .saturating_add(shape.bytes(batch_rows));
    }
    Ok(bytes)
}

/// Memory that a refereed job takes at most: every tensor as a file and decoded, and the trees that answer for them.
///
/// # Errors
/// A graph that could not have been sealed.
pub fn memory_bytes(graph: &Graph<'_>, batch_rows: u32) -> Result<u64> {
    let operands = (0..graph.input_count())
        .map(|index| Operand::Input(index as u8))
        .chain((0..graph.weight_count()).map(|index| Operand::Weight(index as u8)))
        .chain((0..graph.op_count()).map(|index| Operand::Op(index as u8)));
    let mut bytes = 0u64;
    for operand in operands {
        let shape = graph.shape(operand).map_err(quern_proof::Error::from)?;
        bytes = bytes
            .saturating_add(shape.bytes(batch_rows).saturating_mul(2))
            .saturating_add(tree_bytes(&shape, batch_rows));
    }
    Ok(bytes)
}

/// A tree takes far more than a narrow tensor does: every row has at least one leaf. A row of L leaves has at most
/// `2 L + height` nodes, and above the rows there is at most one more for each.
pub fn tree_bytes(shape: &Shape, batch_rows: u32) -> u64 {
    shape.geometry(batch_rows).map_or(0, |tree| {
        let nodes = 2 * u64::from(tree.leaves()) + u64::from(tree.row_height()) + 1;
        32 * u64::from(tree.rows()) * nodes
    })
}

/// Bytes of a graph's data for a number of batch rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The file of the inputs.
    pub inputs: u64,
    /// The file of the weights.
    pub weights: u64,
    /// The values of all outputs.
    pub trace: u64,
    /// The file of the published trace.
    pub trace_file: u64,
    /// The file of all published sums; nothing in a graph without any, or if it is not wanted.
    pub hints_file: u64,
    /// The largest output.
    largest: u64,
    /// The trees of an op's output and operands, where they take the most.
    trees: u64,
}

impl Sizes {
    /// Of a sealed graph.
    ///
    /// # Errors
    /// A graph that could not have been sealed.
    pub fn of(graph: &Graph<'_>, batch_rows: u32) -> Result<Self> {
        let sealed = quern_proof::Error::from;
        let trace = graph.trace_bytes(batch_rows).map_err(sealed)?;
        let (mut largest, mut trees, mut scaled) = (0, 0, 0u64);
        for index in 0..graph.op_count() {
            let output = graph.output(index).map_err(sealed)?;
            largest = output.bytes(batch_rows).max(largest);
            let mut together = tree_bytes(&output, batch_rows);
            let op = graph.op(index).map_err(sealed)?;
            for operand in op.operands() {
                let shape = graph.shape(operand).map_err(sealed)?;
                together = together.saturating_add(tree_bytes(&shape, batch_rows));
            }
            trees = together.max(trees);
            scaled += u64::from(op.scale().is_some());
        }
        let headers = |tensors: u64| {
            file::TRACE_HEADER_BYTES as u64 + tensors * file::TENSOR_HEADER_BYTES as u64
        };
        let hints_file = match scaled {
            0 => 0,
            scaled => eval::sums_bytes(graph, batch_rows)?.saturating_add(headers(scaled)),
        };
        Ok(Self {
            inputs: inputs_bytes(graph, batch_rows)?,
            weights: weights_bytes(graph)?,
            trace,
            trace_file: trace.saturating_add(headers(graph.op_count() as u64)),
            hints_file,
            largest,
            trees,
        })
    }

    /// The most memory that inputs and weights take while they are fetched: a file is there until it is decoded.
    pub fn operands_bytes(&self) -> u64 {
        sum([self.inputs, self.weights, self.inputs.max(self.weights)])
    }

    /// What an own result takes with everything that it was computed from.
    pub fn kept_bytes(&self) -> u64 {
        sum([self.inputs, self.weights, self.trace])
    }

    /// The most memory that examining takes: the trace as a file and decoded, or the sums likewise beside it, or what
    /// checking and proving needs.
    pub fn case_bytes(&self) -> u64 {
        let beside_trace = [
            self.trace_file,
            sum([self.hints_file, self.hints_file]),
            sum([self.hints_file, self.largest, self.trees]),
        ];
        let beside_trace = beside_trace.into_iter().max().unwrap_or_default();
        let examining = sum([self.inputs, self.weights, self.trace, beside_trace]);
        examining.max(self.operands_bytes())
    }
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
    quern_proof::eval::check_weights(graph, &weights)?;
    Ok(weights)
}

/// The inputs in a bundle, if they are those that the job commits to.
///
/// # Errors
/// A bundle that cannot be read, or other inputs.
pub fn checked_inputs(
    graph: &Graph<'_>,
    batch_rows: u32,
    roots: &[[u8; 32]],
    bytes: &[u8],
) -> Result<Vec<Tensor>> {
    let inputs = file::decode_bundle(bytes)?;
    quern_proof::eval::check_inputs(graph, batch_rows, &inputs, roots)?;
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {
        super::*,
        quern_proof::{builder::GraphBuilder, commit, commit::data_root, shape::DType},
    };

    #[test]
    fn only_the_committed_tensors_pass() {
        let weight = Tensor::from_i8(2, 3, &[1, 2, 3, 4, 5, 6]).unwrap();
        let input = Tensor::from_i8(4, 3, &[1; 12]).unwrap();
        let mut builder = GraphBuilder::new();
        let a = builder.input_batch(DType::I8, 3);
        let w = builder.weight(&weight);
        builder.matmul(a, w);
        let bytes = builder.finish().unwrap();
        let graph = Graph::parse(&bytes).unwrap();
        let bundle = file::encode_bundle(std::slice::from_ref(&weight));
        assert_eq!(weights_bytes(&graph).unwrap(), bundle.len() as u64);
        assert_eq!(checked_weights(&graph, &bundle).unwrap(), [weight]);
        let roots = [data_root(&input)];
        let inputs = file::encode_bundle(&[input]);
        assert_eq!(inputs_bytes(&graph, 4).unwrap(), inputs.len() as u64);
        assert!(checked_inputs(&graph, 4, &roots, &inputs).is_ok());
        // Other values, roots, batches, lengths: each a sentence, never a panic.
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

    #[test]
    fn narrow_tensors_count_with_their_trees() {
        let mut builder = GraphBuilder::new();
        let a = builder.input_batch(DType::I8, 1);
        builder.add(a, a);
        let graph = builder.finish().unwrap();
        let rows = 1 << 20;
        let sizes = Sizes::of(&Graph::parse(&graph).unwrap(), rows).unwrap();
        assert_eq!((sizes.trace, sizes.hints_file), (1 << 20, 0));
        // 64 bytes a row and tree.
        assert!(sizes.case_bytes() > 3 * (64 << 20), "{sizes:?}");
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
                rows: quern_proof::shape::Rows::Fixed(rows),
                cols,
            };
            let bytes = 32 * nodes.count() as u64;
            // Above the rows, an odd count leaves a node more at each level.
            let above = 32 * u64::from(geometry.rows_height());
            assert!(bytes <= tree_bytes(&shape, 0) + above, "{rows} x {cols}");
        }
    }
}
