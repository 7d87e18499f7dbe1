//! A source over whole tensors that keeps what a cell reads, for the tests of each op.
#![allow(clippy::unwrap_used)]

use std::{vec, vec::Vec};

use super::{CellSource, Op, Tensors};
use crate::{
    DType, Error, Operand, Tensor,
    refusal::{Refusal, SealError},
};

/// One thing that a cell reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    Row(Operand, u32),
    Value(Operand, u32, u32),
}

struct Recorder<'t> {
    tensors: &'t [(Operand, Tensor)],
    reads: Vec<Read>,
}

impl<'t> Recorder<'t> {
    fn tensor(&self, operand: Operand) -> Result<&'t Tensor, Error> {
        let found = self.tensors.iter().find(|(of, _)| *of == operand);
        Ok(&found.ok_or(SealError::UnknownOperand)?.1)
    }
}

impl<'t> CellSource for Recorder<'t> {
    type Error = Error;
    type Row = &'t [u8];

    fn dtype(&self, operand: Operand) -> Result<DType, Error> {
        Ok(self.tensor(operand)?.dtype())
    }

    fn row(&mut self, operand: Operand, row: u32, _: Refusal) -> Result<&'t [u8], Error> {
        self.reads.push(Read::Row(operand, row));
        self.tensor(operand)?.row(row).ok_or(Error::NoSuchPosition)
    }

    fn value(&mut self, operand: Operand, row: u32, col: u32, _: Refusal) -> Result<i32, Error> {
        self.reads.push(Read::Value(operand, row, col));
        let tensor = self.tensor(operand)?;
        let at = (row * tensor.cols() + col) as usize;
        Ok(values(tensor)[at])
    }
}

fn values(tensor: &Tensor) -> Vec<i32> {
    match tensor.dtype() {
        DType::I8 => tensor.to_i8().unwrap().into_iter().map(i32::from).collect(),
        DType::I32 => tensor.to_i32().unwrap(),
    }
}

pub fn i8s(rows: u32, cols: u32, values: &[i8]) -> Tensor {
    Tensor::from_i8(rows, cols, values).unwrap()
}

pub fn i32s(rows: u32, cols: u32, values: &[i32]) -> Tensor {
    Tensor::from_i32(rows, cols, values).unwrap()
}

/// What one cell reads, in order.
pub fn reads(op: &Op, tensors: &[(Operand, Tensor)], row: u32, col: u32) -> Vec<Read> {
    let reads = Vec::new();
    let mut recorder = Recorder { tensors, reads };
    op.cell(&mut recorder, row, col).unwrap();
    recorder.reads
}

/// The op has these values, cell by cell and as a whole, and its record says all of it.
pub fn check(op: &Op, tensors: &[(Operand, Tensor)], expected: &[i32]) {
    assert_eq!(Op::decode(&op.encode()), Ok(*op));
    assert_eq!(op.operands().next(), Some(op.a()));
    let of = |wanted: fn(Operand) -> bool| -> Vec<Tensor> {
        let of = tensors.iter().filter(|(operand, _)| wanted(*operand));
        of.map(|(_, tensor)| tensor.clone()).collect()
    };
    let (inputs, weights, outputs) = (
        of(|operand| matches!(operand, Operand::Input(_))),
        of(|operand| matches!(operand, Operand::Weight(_))),
        of(|operand| matches!(operand, Operand::Op(_))),
    );
    let all = Tensors {
        inputs: &inputs,
        weights: &weights,
        outputs: &outputs,
    };
    let rows = all.get(op.a()).unwrap().rows();
    let cols = expected.len() as u32 / rows;
    let mut recorder = Recorder {
        tensors,
        reads: Vec::new(),
    };
    let places = (0..rows).flat_map(|row| (0..cols).map(move |col| (row, col)));
    let cells: Vec<i32> = places
        .map(|(row, col)| op.cell(&mut recorder, row, col).unwrap())
        .collect();
    assert_eq!(cells, expected);

    let dtype = match op.output() {
        super::Output::OfA => all.get(op.a()).unwrap().dtype(),
        super::Output::Own(dtype, _) => dtype,
    };
    let mut out = vec![0; expected.len() * dtype.size() as usize];
    op.whole(&all, &mut out).unwrap();
    let whole = Tensor::from_bytes(dtype, rows, cols, out).unwrap();
    assert_eq!(values(&whole), expected);
}
