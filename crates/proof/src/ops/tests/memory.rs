//! A job of one item in memory: tensors for every operand, and a source for cells that keeps what they read.

use core::ops::Range;
use std::{vec, vec::Vec};

use crate::{
    Error, Graph, Operand, Shape, Tensor,
    ops::{CellSource, Claim, Op, Record, Tensors, View},
    refusal::Refusal,
};

/// A sealed graph with data for its inputs and weights, and the results of its ops.
pub struct Job {
    pub bytes: Vec<u8>,
    pub inputs: Vec<Tensor>,
    pub weights: Vec<Tensor>,
    pub outputs: Vec<Tensor>,
}

impl Job {
    /// Takes the data of each tensor from `data` and evaluates all ops.
    pub fn new(bytes: &[u8], mut data: impl FnMut(Operand, &Shape) -> Tensor) -> Self {
        let graph = Graph::parse(bytes).unwrap();
        let mut tensors = |count: usize, name: fn(u16) -> Operand| -> Vec<Tensor> {
            let operands = (0..count as u16).map(name);
            let tensors = operands.map(|of| data(of, &graph.shape(of).unwrap()));
            tensors.collect()
        };
        let mut job = Self {
            bytes: bytes.to_vec(),
            inputs: tensors(graph.input_count(), Operand::Input),
            weights: tensors(graph.weight_count(), Operand::Weight),
            outputs: Vec::new(),
        };
        job.evaluate();
        job
    }

    /// Computes all results again.
    pub fn evaluate(&mut self) {
        self.outputs.clear();
        for index in 0..self.graph().op_count() {
            let (op, record) = self.op(index);
            let shape = self.graph().output(index).unwrap();
            let mut out = vec![0x55; shape.bytes() as usize];
            op.whole(&record, self, &mut out).unwrap();
            let tensor = Tensor::from_bytes(shape.dtype, shape.rows, shape.cols, out);
            self.outputs.push(tensor.unwrap());
        }
    }

    pub fn graph(&self) -> Graph<'_> {
        Graph::parse(&self.bytes).unwrap()
    }

    pub fn op(&self, index: usize) -> (Op, Record) {
        let record = self.graph().record(index).unwrap();
        (Op::decode(&record).unwrap(), record)
    }

    pub fn tensor(&self, operand: Operand) -> &Tensor {
        match operand {
            Operand::Input(index) => &self.inputs[usize::from(index)],
            Operand::Weight(index) => &self.weights[usize::from(index)],
            Operand::Op(index) => &self.outputs[usize::from(index)],
        }
    }

    /// What the judge says of a claim about a stored cell of op `index`, and what it read for it.
    pub fn judge(
        &self,
        index: usize,
        (row, col): (u32, u32),
        value: i32,
        at: u32,
    ) -> (Result<bool, Refusal>, Vec<Read>) {
        let (op, record) = self.op(index);
        let (row, col) = match record.has(crate::ops::flag::TRANSPOSED) {
            true => (col, row),
            false => (row, col),
        };
        let claim = Claim {
            row,
            col,
            value,
            at,
        };
        let reads = Vec::new();
        let mut source = Source { job: self, reads };
        let verdict = op.is_wrong(&mut source, &claim);
        (verdict, source.reads)
    }

    /// The counterexample that convicts a wrong claim about a cell of op `index`.
    pub fn counterexample(&self, index: usize, claimed: i32, computed: i32) -> u32 {
        match self.op(index).0 {
            Op::ArgMax(op) => {
                let cols = self.tensor(op.a).cols();
                crate::ops::ArgMax::counterexample(claimed, computed, cols)
            }
            _ => 0,
        }
    }
}

impl Tensors for Job {
    fn view(&self, operand: Operand) -> Result<View<'_>, Error> {
        let shape = self.graph().shape(operand)?;
        let view = self.tensor(operand).view(&shape, 0);
        view.ok_or(Error::NoSuchPosition)
    }
}

/// A span that a cell reads: operand, row, columns, and as which part.
pub type Read = (Operand, u32, Range<u32>, Refusal);

struct Source<'j> {
    job: &'j Job,
    reads: Vec<Read>,
}

impl<'j> CellSource for Source<'j> {
    type Error = Refusal;
    type Span = &'j [u8];

    fn shape(&self, operand: Operand) -> Result<Shape, Refusal> {
        Ok(self.job.graph().shape(operand)?)
    }

    fn span(
        &mut self,
        operand: Operand,
        row: u32,
        cols: Range<u32>,
        part: Refusal,
    ) -> Result<&'j [u8], Refusal> {
        self.reads.push((operand, row, cols.clone(), part));
        let tensor = self.job.tensor(operand);
        assert!(row < tensor.rows() && cols.start < cols.end && cols.end <= tensor.cols());
        let size = tensor.dtype().size();
        let bytes = (cols.start * size) as usize..(cols.end * size) as usize;
        Ok(&tensor.row(row).unwrap()[bytes])
    }
}
