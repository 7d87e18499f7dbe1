//! The work of a refereed job, outside of any agent: what an honest provider computes, and what a cheat makes of it.

use {
    super::digits::Digits,
    crate::rng::Rng,
    anyhow::{Context, Result, ensure},
    quern_proof::{DType, Tensor, builder::GraphBuilder, commit::Trace, eval, file, graph::Graph},
    std::ops::Range,
};

/// Rows and columns of both factors of the plain product.
const SIDE: u32 = 1_000;

/// The program of the plain product: one op over two inputs, the second stored by column of the result.
///
/// # Errors
/// That it could not be sealed.
pub fn product_graph() -> Result<Vec<u8>> {
    let mut builder = GraphBuilder::new();
    let a = builder.input_batch(DType::I8, SIDE);
    let b = builder.input_fixed(DType::I8, SIDE, SIDE);
    builder.matmul(a, b);
    builder
        .finish()
        .map_err(|fault| anyhow::anyhow!("the program of the product: {fault:?}"))
}

/// One value of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Output of which op.
    pub op: u8,
    /// Its row.
    pub row: u32,
    /// Its column.
    pub col: u32,
}

/// A program and everything that it is applied to.
#[derive(Clone, Debug)]
pub struct Work {
    /// The graph.
    pub graph: Vec<u8>,
    /// Rows of the batch.
    pub batch_rows: u32,
    /// Inputs in the program's order.
    pub inputs: Vec<Tensor>,
    /// Weights in the program's order.
    pub weights: Vec<Tensor>,
}

impl Work {
    /// The digits network on some of the held-out images.
    ///
    /// # Errors
    /// A range beyond the last image.
    pub fn digits(digits: &Digits, range: Range<usize>) -> Result<Self> {
        Ok(Self {
            graph: digits.graph.clone(),
            batch_rows: u32::try_from(range.len())?,
            inputs: vec![digits.images(range)?],
            weights: file::decode_bundle(&digits.weights)?,
        })
    }

    /// A product of two 1000 x 1000 matrices, different ones for every seed.
    ///
    /// # Errors
    /// Never, unless the program were wrong.
    pub fn product(seed: u64) -> Result<Self> {
        let mut rng = Rng::new(seed);
        let mut matrix = || {
            let values: Vec<i8> = (0..SIDE * SIDE).map(|_| rng.bits() as i8).collect();
            Tensor::from_i8(SIDE, SIDE, &values)
        };
        Ok(Self {
            graph: product_graph()?,
            batch_rows: SIDE,
            inputs: vec![matrix()?, matrix()?],
            weights: Vec::new(),
        })
    }

    fn graph(&self) -> Result<Graph<'_>> {
        Ok(Graph::load(&self.graph)?)
    }

    /// The outputs of all ops, as an honest provider has them.
    ///
    /// # Errors
    /// Tensors that do not fit the program.
    pub fn honest(&self) -> Result<Vec<Tensor>> {
        Ok(eval::run(
            &self.graph()?,
            self.batch_rows,
            &self.inputs,
            &self.weights,
        )?)
    }

    /// The same outputs with another value in one cell. Everything behind it is computed from the wrong value, so that this
    /// one cell is all that can be refuted.
    ///
    /// # Errors
    /// A cell that does not exist or holds this value already.
    pub fn with_value(&self, honest: &[Tensor], cell: Cell, value: i32) -> Result<Vec<Tensor>> {
        let graph = self.graph()?;
        let (op, missing) = (usize::from(cell.op), "there is no such cell");
        let mut outputs = honest.get(..=op).context(missing)?.to_vec();
        let tensor = outputs.last_mut().context(missing)?;
        let width = tensor.dtype().size() as usize;
        let at = (cell.row * tensor.cols() + cell.col) as usize * width;
        ensure!(cell.col < tensor.cols(), missing);
        let bytes = tensor.data_mut().get_mut(at..at + width).context(missing)?;
        let new = value.to_le_bytes();
        let new = new.get(..width).context(missing)?;
        ensure!(bytes != new, "this is no other value");
        bytes.copy_from_slice(new);
        for later in op + 1..graph.op_count() {
            let output = eval::run_op(
                &graph,
                later,
                self.batch_rows,
                &self.inputs,
                &self.weights,
                &outputs,
            )?;
            outputs.push(output);
        }
        Ok(outputs)
    }

    /// An activation of the first layer whose change alone turns the result of an image, and the value that does it.
    ///
    /// # Errors
    /// That no image can be turned like this.
    pub fn turning_point(&self, honest: &[Tensor]) -> Result<(Cell, i32)> {
        let result = |outputs: &[Tensor]| {
            let last = outputs.last().context("the program has no op")?;
            Ok::<_, anyhow::Error>(last.to_i32()?)
        };
        for row in 0..self.batch_rows {
            let image = self.only(row)?;
            let outputs = image.honest()?;
            let label = result(&outputs)?;
            let layer = outputs.first().context("the program has no op")?;
            let values = layer.to_i8()?;
            for (col, before) in (0u32..).zip(&values) {
                // What the layer could as well give: nothing, or as much as it can.
                for value in [0, i8::MAX].into_iter().filter(|value| value != before) {
                    let cell = Cell { op: 0, row: 0, col };
                    let wrong = image.with_value(&outputs, cell, value.into())?;
                    if result(&wrong)? != label {
                        let cell = Cell { row, ..cell };
                        let all = self.with_value(honest, cell, value.into())?;
                        ensure!(
                            result(&all)? != result(honest)?,
                            "an image turns alone but not in its batch"
                        );
                        return Ok((cell, value.into()));
                    }
                }
            }
        }
        anyhow::bail!("no single activation turns the label of any image")
    }

    /// The same work on one row of the batch.
    fn only(&self, row: u32) -> Result<Self> {
        let graph = self.graph()?;
        let mut inputs = Vec::with_capacity(self.inputs.len());
        for (index, input) in self.inputs.iter().enumerate() {
            inputs.push(if graph.is_input_batch(index) {
                let bytes = input.row(row).context("the batch has no such row")?;
                Tensor::from_bytes(input.dtype(), 1, input.cols(), bytes.to_vec())?
            } else {
                input.clone()
            });
        }
        Ok(Self {
            graph: self.graph.clone(),
            batch_rows: 1,
            inputs,
            weights: self.weights.clone(),
        })
    }
}

/// What a provider commits to with these outputs.
///
/// # Errors
/// No outputs.
pub fn root_of(outputs: &[Tensor]) -> Result<[u8; 32]> {
    Ok(Trace::new(outputs.to_vec())?.root())
}
