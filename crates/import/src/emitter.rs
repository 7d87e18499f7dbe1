//! Collecting a graph together with the values of its weights, and running it.

use quern_proof::{
    DType, Graph, Operand, Tensor,
    builder::GraphBuilder,
    commit,
    eval::{Batch, DEFAULT_MAX_ITEM_BYTES},
};
use rayon::prelude::*;

use crate::{
    Result,
    fixed::{Linear, Norm, Parameters},
};

/// A graph and the tensors that it names.
#[derive(Clone, Debug)]
pub struct Emitted {
    /// The graph's bytes.
    pub graph: Vec<u8>,
    /// Its weights, in its order.
    pub weights: Vec<Tensor>,
}

/// Collects a graph together with the values of its weights.
#[derive(Debug, Default)]
pub(crate) struct Emitter {
    pub(crate) graph: GraphBuilder,
    weights: Vec<Tensor>,
}

impl Emitter {
    /// Adds a weight.
    pub(crate) fn weight(&mut self, tensor: Tensor) -> Operand {
        let root = commit::data_root(&tensor);
        let (dtype, rows, cols) = (tensor.dtype(), tensor.rows(), tensor.cols());
        self.weights.push(tensor);
        self.graph.weight_root(dtype, rows, cols, &root)
    }

    /// Adds the two rows of parameters of DOT or NORM.
    pub(crate) fn parameters(&mut self, parameters: &Parameters) -> Result<Operand> {
        let cols = parameters.first.len() as u32;
        let rows = [parameters.first.as_slice(), &parameters.second].concat();
        Ok(self.weight(Tensor::from_i32(2, cols, &rows)?))
    }

    /// Adds a product with weights.
    pub(crate) fn linear(&mut self, a: Operand, linear: &Linear, to: DType) -> Result<Operand> {
        self.product(a, linear, to, false)
    }

    pub(crate) fn product(
        &mut self,
        a: Operand,
        linear: &Linear,
        to: DType,
        t: bool,
    ) -> Result<Operand> {
        let (rows, cols) = (linear.rows as u32, linear.cols as u32);
        let weight = self.weight(Tensor::from_i8(rows, cols, &linear.weight)?);
        let p = self.parameters(&linear.parameters)?;
        let draft = self.graph.dot(a, weight);
        let draft = draft.scaled(p, linear.parameters.shift, to);
        Ok(match t {
            true => draft.transposed().push(),
            false => draft.push(),
        })
    }

    /// Adds a NORM.
    pub(crate) fn norm(&mut self, a: Operand, norm: &Norm, to: DType) -> Result<Operand> {
        let p = self.parameters(&norm.parameters)?;
        let draft = self.graph.norm(a, p, norm.parameters.shift, to);
        Ok(draft.eps(norm.epsilon).push())
    }

    /// What was collected, checked as `seal` will check it.
    pub(crate) fn finish(self) -> Result<Emitted> {
        let graph = self.graph.finish();
        Ok(Emitted {
            graph: graph.map_err(quern_proof::Error::from)?,
            weights: self.weights,
        })
    }
}

impl Emitted {
    /// The result of every item, computed by the evaluator of the proofs.
    ///
    /// # Errors
    /// Inputs that don't fit the graph.
    pub fn run(&self, inputs: &[Tensor], items: u32) -> Result<Vec<Vec<i32>>> {
        let graph = Graph::parse(&self.graph).map_err(quern_proof::Error::from)?;
        let batch = Batch::new(&graph, items, inputs, &self.weights, DEFAULT_MAX_ITEM_BYTES)?;
        let result = |item: u32| -> Result<Vec<i32>> {
            let outputs = batch.item(item)?;
            Ok(outputs.last().map(Tensor::values).unwrap_or_default())
        };
        (0..items).into_par_iter().map(result).collect()
    }
}
