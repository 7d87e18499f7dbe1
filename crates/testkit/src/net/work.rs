//! The work of a refereed job, outside of any agent: what an honest provider computes, and what a cheat makes of it.

use {
    crate::rng::Rng,
    anyhow::{Context, Result, ensure},
    quern_data::sizes,
    quern_proof::{
        DType, Tensor,
        builder::GraphBuilder,
        commit::{Commitment, Committer, ItemTrace, data_root},
        eval::{Batch, DEFAULT_MAX_ITEM_BYTES},
        evidence::Charge,
        graph::Graph,
        witness,
    },
    std::collections::BTreeMap,
};

/// Rows and columns of both factors of the plain product.
const SIDE: u32 = 1_000;

/// The graph of the plain product: one op over two inputs, the second stored by column of the result.
///
/// # Errors
/// That it could not be sealed.
pub fn product_graph() -> Result<Vec<u8>> {
    let mut builder = GraphBuilder::new();
    let a = builder.input_fixed(DType::I8, SIDE, SIDE);
    let b = builder.input_fixed(DType::I8, SIDE, SIDE);
    builder.dot(a, b).push();
    builder
        .finish()
        .map_err(|fault| anyhow::anyhow!("the graph of the product: {fault:?}"))
}

/// One value of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Output of which op.
    pub op: u16,
    /// In which item.
    pub item: u32,
    /// Its row in the item, as stored.
    pub row: u32,
    /// Its column, as stored.
    pub col: u32,
}

impl Cell {
    /// What convicts it, in a graph where nothing decides at which column a claim is compared.
    ///
    /// # Errors
    /// An op that the graph does not have.
    pub fn charge(&self, graph: &[u8]) -> Result<Charge> {
        let (at, place) = ((self.op, self.item), (self.row, self.col));
        Ok(witness::charge_cell(
            &Graph::load(graph)?,
            at,
            place,
            (0, 0),
        )?)
    }
}

/// A graph and everything that it is applied to.
#[derive(Clone, Debug)]
pub struct Work {
    /// The graph.
    pub graph: Vec<u8>,
    /// Items of the job.
    pub items: u32,
    /// Inputs in the graph's order; the tokens, which the provider gives, in their place among them.
    pub inputs: Vec<Tensor>,
    /// Weights in the graph's order.
    pub weights: Vec<Tensor>,
}

/// What a provider answers with: the commitment, what is published with it, and the traces of some items.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Roots and files.
    pub commitment: Commitment,
    /// The text of all items, in a graph that has one.
    pub tokens: Option<Tensor>,
    /// The results of all ops, of the first items and of wrong ones.
    pub traces: BTreeMap<u32, Vec<Tensor>>,
}

/// Items whose traces are kept beside wrong ones.
const KEPT: u32 = 64;

impl Work {
    /// A product of two 1000 x 1000 matrices, different ones for every seed.
    ///
    /// # Errors
    /// Never, unless the graph were wrong.
    pub fn product(seed: u64) -> Result<Self> {
        let mut rng = Rng::new(seed);
        let mut matrix = || {
            let values: Vec<i8> = (0..SIDE * SIDE).map(|_| rng.bits() as i8).collect();
            Tensor::from_i8(SIDE, SIDE, &values)
        };
        Ok(Self {
            graph: product_graph()?,
            items: 1,
            inputs: vec![matrix()?, matrix()?],
            weights: Vec::new(),
        })
    }

    /// A graph with tokens on these prompts, one a row; -1 where the text is to go on.
    ///
    /// # Errors
    /// Prompts that do not fit the graph.
    pub fn text(graph: Vec<u8>, weights: Vec<Tensor>, prompts: Tensor) -> Result<Self> {
        let items = prompts.rows();
        let blank = Tensor::from_i32(items, prompts.cols(), &vec![0; prompts.data().len() / 4])?;
        let mut work = Self {
            graph,
            items,
            inputs: vec![prompts, blank],
            weights,
        };
        let graph = work.graph()?;
        let tokens = usize::from(graph.tokens().context("the graph has no tokens")?);
        let batch = work.batch(&graph)?;
        let mut texts = Vec::new();
        for item in 0..items {
            texts.extend(batch.generate(item)?.values());
        }
        let cols = work.inputs[tokens].cols();
        work.inputs[tokens] = Tensor::from_i32(items, cols, &texts)?;
        Ok(work)
    }

    /// What the client gives: all inputs but the tokens.
    ///
    /// # Errors
    /// A graph that is none.
    pub fn given(&self) -> Result<Vec<Tensor>> {
        let graph = self.graph()?;
        let given = sizes::given_inputs(&graph).map(usize::from);
        let given = given.filter_map(|index| self.inputs.get(index).cloned());
        Ok(given.collect())
    }

    /// What the job commits to: a root for each input, zeros for the tokens.
    ///
    /// # Errors
    /// A graph that is none.
    pub fn input_roots(&self) -> Result<Vec<[u8; 32]>> {
        let tokens = self.graph()?.tokens().map(usize::from);
        let root = |(index, input)| match Some(index) == tokens {
            true => [0; 32],
            false => data_root(input),
        };
        Ok(self.inputs.iter().enumerate().map(root).collect())
    }

    /// Work of all items, in units.
    ///
    /// # Errors
    /// A graph that could not have been sealed.
    pub fn units(&self) -> Result<u64> {
        let sealed = self.graph()?.check().map_err(quern_proof::Error::from)?;
        sealed.total_work(self.items).context("the work overflows")
    }

    fn graph(&self) -> Result<Graph<'_>> {
        Ok(Graph::load(&self.graph)?)
    }

    fn batch<'w>(&'w self, graph: &Graph<'w>) -> Result<Batch<'w>> {
        let limit = DEFAULT_MAX_ITEM_BYTES;
        Ok(Batch::new(
            graph,
            self.items,
            &self.inputs,
            &self.weights,
            limit,
        )?)
    }

    /// The results of all ops in an item.
    ///
    /// # Errors
    /// Tensors that do not fit the graph.
    pub fn item(&self, item: u32) -> Result<Vec<Tensor>> {
        let graph = self.graph()?;
        Ok(self.batch(&graph)?.item(item)?)
    }

    /// What an honest provider answers with.
    ///
    /// # Errors
    /// Tensors that do not fit the graph.
    pub fn honest(&self) -> Result<Answer> {
        self.answer(None)
    }

    /// What one answers with who has another value in one cell. Everything behind it is computed from the wrong value, so that
    /// this one cell is all that can be refuted.
    ///
    /// # Errors
    /// A cell that does not exist or holds this value already.
    pub fn with_value(&self, cell: Cell, value: i32) -> Result<Answer> {
        ensure!(cell.item < self.items, "there is no such item");
        self.answer(Some((cell, value)))
    }

    fn answer(&self, lie: Option<(Cell, i32)>) -> Result<Answer> {
        let graph = self.graph()?;
        let batch = self.batch(&graph)?;
        let mut committer = Committer::new(&graph, self.items)?;
        let mut traces = BTreeMap::new();
        for item in 0..self.items {
            let lie = lie.filter(|(cell, _)| cell.item == item);
            let outputs = match lie {
                Some((cell, value)) => wrong_item(&batch, cell, value)?,
                None => batch.item(item)?,
            };
            let trace = ItemTrace::new(outputs)?;
            committer.push(&trace)?;
            if lie.is_some() || item < KEPT {
                traces.insert(item, trace.into_outputs());
            }
        }
        let tokens = graph.tokens().map(usize::from);
        Ok(Answer {
            commitment: committer.finish()?,
            tokens: tokens.and_then(|tokens| self.inputs.get(tokens).cloned()),
            traces,
        })
    }

    /// The value of a cell that an honest provider has.
    ///
    /// # Errors
    /// A cell that does not exist.
    pub fn value(&self, cell: Cell) -> Result<i32> {
        let outputs = self.item(cell.item)?;
        let value = outputs
            .get(usize::from(cell.op))
            .and_then(|output| output.value(cell.row, cell.col));
        value.context("there is no such cell")
    }

    /// An activation of the first layer whose change alone turns the result of an image, and the value that does it.
    ///
    /// # Errors
    /// That no image can be turned like this.
    pub fn turning_point(&self) -> Result<(Cell, i32)> {
        let graph = self.graph()?;
        let batch = self.batch(&graph)?;
        for item in 0..self.items {
            let outputs = batch.item(item)?;
            let label = outputs.last().context("the graph has no op")?.clone();
            let layer = outputs.first().context("the graph has no op")?.values();
            for (col, before) in (0u32..).zip(&layer) {
                // What the layer could as well give: nothing, or as much as it can.
                for value in [0, i32::from(i8::MAX)] {
                    let cell = Cell {
                        op: 0,
                        item,
                        row: 0,
                        col,
                    };
                    if value == *before {
                        continue;
                    }
                    let wrong = wrong_item(&batch, cell, value)?;
                    if wrong.last() != Some(&label) {
                        return Ok((cell, value));
                    }
                }
            }
        }
        anyhow::bail!("no single activation turns the label of any image")
    }
}

/// The results of all ops in the item of a wrong cell.
fn wrong_item(batch: &Batch<'_>, cell: Cell, value: i32) -> Result<Vec<Tensor>> {
    let missing = "there is no such cell";
    let mut outputs = Vec::new();
    for op in 0..batch.graph().op_count() as u16 {
        let mut output = batch.op(cell.item, op, &outputs)?;
        if op == cell.op {
            let width = output.dtype().size() as usize;
            ensure!(
                cell.row < output.rows() && cell.col < output.cols(),
                missing
            );
            ensure!(
                output.value(cell.row, cell.col) != Some(value),
                "this is no other value"
            );
            let at = (cell.row * output.cols() + cell.col) as usize * width;
            let bytes = output.data_mut().get_mut(at..at + width).context(missing)?;
            let new = value.to_le_bytes();
            bytes.copy_from_slice(new.get(..width).context(missing)?);
        }
        outputs.push(output);
    }
    Ok(outputs)
}
