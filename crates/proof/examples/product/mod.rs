//! A product of two square int8 matrices of numbers that look random.

use quern_proof::{DType, Graph, Tensor, builder::GraphBuilder, eval::Batch};

/// Its graph and operands.
pub struct Product {
    graph: Vec<u8>,
    inputs: [Tensor; 1],
    weights: [Tensor; 1],
}

impl Product {
    /// Of matrices with sides of this length.
    pub fn new(side: u32) -> Self {
        let mut state = 1u64;
        let mut matrix = || {
            let values: Vec<i8> = (0..side * side)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    (state >> 56) as i8
                })
                .collect();
            Tensor::from_i8(side, side, &values).unwrap()
        };
        let (inputs, weights) = ([matrix()], [matrix()]);
        let mut builder = GraphBuilder::new();
        let left = builder.input_item(DType::I8, side, side);
        let right = builder.weight(&weights[0]);
        builder.dot(left, right).push();
        Self {
            graph: builder.finish().unwrap(),
            inputs,
            weights,
        }
    }

    /// One item of it.
    pub fn batch(&self) -> Batch<'_> {
        let graph = Graph::parse(&self.graph).unwrap();
        Batch::new(&graph, 1, &self.inputs, &self.weights, 1 << 30).unwrap()
    }
}
