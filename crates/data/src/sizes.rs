//! How large the data of a graph are, known before anything is fetched, and whether fetched data are the committed ones.

use {
    crate::error::Result,
    quern_proof::{Operand, Shape, Tensor, file, graph::Graph},
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

/// Bytes of the bundle of a graph's inputs for so many batch rows.
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
        quern_proof::{builder::GraphBuilder, commit::data_root, shape::DType},
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
}
