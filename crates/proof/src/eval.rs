//! Running a graph, one item at a time.
//!
//! Memory is what one item takes: [`Batch::item`] makes the results of one item, its caller hashes and drops them
//! ([`crate::commit::Committer`]), and items may be made in any order and at once on several cores.

use std::vec::Vec;

use crate::{
    Error, Tensor, commit,
    graph::{Graph, Sealed},
    hash::Hash,
    node::Operand,
    ops::{Op, Tensors, View},
    refusal::Refusal,
    shape::{Scope, Shape},
    tensor::describe,
};

/// What the results of one item may take by default: 4 GiB.
pub const DEFAULT_MAX_ITEM_BYTES: u64 = 4 << 30;

/// A graph with the tensors of a job, whose shapes have been checked.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    graph: Graph<'a>,
    sealed: Sealed,
    items: u32,
    inputs: &'a [Tensor],
    weights: &'a [Tensor],
}

impl<'a> Batch<'a> {
    /// A job of this graph: inputs over all items (the tokens among them), and the model's weights. The data are not compared
    /// with any root: see [`check_inputs`] and [`check_weights`].
    ///
    /// # Errors
    /// A graph that could not have been sealed, items that don't fit it, tensors of other counts or shapes, or an item whose
    /// results take more than `max_item_bytes`.
    pub fn new(
        graph: &Graph<'a>,
        items: u32,
        inputs: &'a [Tensor],
        weights: &'a [Tensor],
        max_item_bytes: u64,
    ) -> Result<Self, Error> {
        let sealed = graph.check()?;
        graph.check_items(&sealed, items)?;
        check_input_shapes(graph, items, inputs)?;
        check_weight_shapes(graph, weights)?;
        if sealed.trace_bytes > max_item_bytes {
            return Err(Error::TooLarge {
                bytes: sealed.trace_bytes,
                limit: max_item_bytes,
            });
        }
        Ok(Self {
            graph: *graph,
            sealed,
            items,
            inputs,
            weights,
        })
    }

    /// The graph.
    pub const fn graph(&self) -> &Graph<'a> {
        &self.graph
    }

    /// What `seal` finds out about it.
    pub const fn sealed(&self) -> &Sealed {
        &self.sealed
    }

    /// The job's items.
    pub const fn items(&self) -> u32 {
        self.items
    }

    /// The job's inputs, over all items.
    pub const fn inputs(&self) -> &'a [Tensor] {
        self.inputs
    }

    /// The model's weights.
    pub const fn weights(&self) -> &'a [Tensor] {
        self.weights
    }

    /// The results of all ops in an item, in order.
    ///
    /// # Errors
    /// [`Error::NoSuchItem`], or no memory ([`Error::TooLarge`]).
    pub fn item(&self, item: u32) -> Result<Vec<Tensor>, Error> {
        let mut outputs: Vec<Tensor> = Vec::with_capacity(self.graph.op_count());
        for index in 0..self.graph.op_count() {
            let output = self.op(item, index as u16, &outputs)?;
            outputs.push(output);
        }
        Ok(outputs)
    }

    /// The text of an item, 1 x S: greedy decoding by FEEDBACK. What the job's inputs say of the tokens is not looked at.
    ///
    /// Token i follows from those before it (`seal` sees to that), so each evaluation makes one more token right. It takes as
    /// many as there are tokens after the prompt, and one or two more, never above S; **each evaluates all rows anew**, so a
    /// text of S tokens costs up to S times the graph's work.
    ///
    /// # Errors
    /// [`Error::Refused`] in a graph without tokens, [`Error::NoSuchItem`], no memory ([`Error::TooLarge`]).
    pub fn generate(&self, item: u32) -> Result<Tensor, Error> {
        let (Some(tokens), Some(feedback)) = (self.graph.tokens(), self.graph.feedback()) else {
            return Err(Refusal::NoTokens.into());
        };
        let shape = self.graph.input(tokens.into())?;
        let start = zeroes(shape.bytes())?;
        let mut text = Tensor::from_bytes(shape.dtype, shape.rows, shape.cols, start)?;
        for _ in 0..shape.cols {
            let mut outputs: Vec<Tensor> = Vec::new();
            for op in 0..=feedback {
                let tensors = ItemTensors {
                    tokens: Some(&text),
                    ..self.tensors(item, &outputs)?
                };
                let output = self.evaluate(op, &tensors)?;
                outputs.push(output);
            }
            match outputs.pop() {
                Some(fed) if fed != text => text = fed,
                _ => break,
            }
        }
        Ok(text)
    }

    /// The result of one op in an item, from the results of the ops before it.
    ///
    /// # Errors
    /// [`Error::NoSuchItem`], [`Error::Graph`] where an earlier result is missing or has another shape, no memory
    /// ([`Error::TooLarge`]).
    pub fn op(&self, item: u32, op: u16, outputs: &[Tensor]) -> Result<Tensor, Error> {
        self.evaluate(op, &self.tensors(item, outputs)?)
    }

    fn evaluate(&self, op: u16, tensors: &ItemTensors<'_>) -> Result<Tensor, Error> {
        let index = usize::from(op);
        let (record, shape) = (self.graph.record(index)?, self.graph.output(index)?);
        let op = Op::decode(&record)?;
        let data = match op.made(&record, tensors)? {
            Some(data) => data,
            None => {
                let mut data = zeroes(shape.bytes())?;
                op.whole(&record, tensors, &mut data)?;
                data
            }
        };
        Tensor::from_bytes(shape.dtype, shape.rows, shape.cols, data)
    }

    /// What the ops of an item read.
    ///
    /// # Errors
    /// [`Error::NoSuchItem`].
    pub fn tensors<'t>(
        &'t self,
        item: u32,
        outputs: &'t [Tensor],
    ) -> Result<ItemTensors<'t>, Error> {
        if item >= self.items {
            return Err(Error::NoSuchItem {
                item,
                items: self.items,
            });
        }
        Ok(ItemTensors {
            graph: &self.graph,
            inputs: self.inputs,
            weights: self.weights,
            outputs,
            tokens: None,
            item,
        })
    }

    /// Whether these are the results of all ops of one item, by their shapes.
    ///
    /// # Errors
    /// [`Error::Count`], [`Error::Shape`].
    pub fn check_outputs(&self, outputs: &[Tensor]) -> Result<(), Error> {
        check_output_shapes(&self.graph, outputs)
    }
}

/// The tensors that the ops of one item read.
#[derive(Clone, Copy, Debug)]
pub struct ItemTensors<'t> {
    graph: &'t Graph<'t>,
    inputs: &'t [Tensor],
    weights: &'t [Tensor],
    outputs: &'t [Tensor],
    /// The item's tokens, in place of those of the inputs.
    tokens: Option<&'t Tensor>,
    item: u32,
}

impl Tensors for ItemTensors<'_> {
    fn view(&self, operand: Operand) -> Result<View<'_>, Error> {
        let shape = self.graph.shape(operand)?;
        if let (Some(tokens), Operand::Input(index)) = (self.tokens, operand)
            && self.graph.tokens() == Some(index)
        {
            return tokens.view(&shape, 0).ok_or(Error::NoSuchPosition);
        }
        let (tensors, index) = match operand {
            Operand::Op(index) => (self.outputs, index),
            Operand::Input(index) => (self.inputs, index),
            Operand::Weight(index) => (self.weights, index),
        };
        let tensor = tensors.get(usize::from(index));
        let tensor = tensor.ok_or(Error::NoSuchPosition)?;
        let view = match operand {
            Operand::Op(_) => tensor.view(&shape, 0),
            Operand::Input(_) => tensor.view(&shape, self.item),
            Operand::Weight(_) => tensor.weight_view(&shape),
        };
        view.ok_or(Error::NoSuchPosition)
    }
}

/// Whether the tensors have the shapes of the job's inputs, over all items.
///
/// # Errors
/// [`Error::Count`], [`Error::Shape`].
pub fn check_input_shapes(graph: &Graph<'_>, items: u32, inputs: &[Tensor]) -> Result<(), Error> {
    check_count("inputs", graph.input_count(), inputs)?;
    for (index, tensor) in inputs.iter().enumerate() {
        let operand = Operand::Input(index as u16);
        check_shape(operand, &graph.input(index)?, items, tensor)?;
    }
    Ok(())
}

/// Whether the tensors have the shapes of the model's weights.
///
/// # Errors
/// [`Error::Count`], [`Error::Shape`].
pub fn check_weight_shapes(graph: &Graph<'_>, weights: &[Tensor]) -> Result<(), Error> {
    check_count("weights", graph.weight_count(), weights)?;
    for (index, tensor) in weights.iter().enumerate() {
        let operand = Operand::Weight(index as u16);
        check_shape(operand, &graph.weight(index)?.shape, 1, tensor)?;
    }
    Ok(())
}

/// Whether the tensors have the shapes of all results of one item.
///
/// # Errors
/// [`Error::Count`], [`Error::Shape`].
pub fn check_output_shapes(graph: &Graph<'_>, outputs: &[Tensor]) -> Result<(), Error> {
    check_count("ops", graph.op_count(), outputs)?;
    for (index, tensor) in outputs.iter().enumerate() {
        let operand = Operand::Op(index as u16);
        check_shape(operand, &graph.output(index)?, 1, tensor)?;
    }
    Ok(())
}

/// Whether the weights are those that the model commits to: shapes and data roots.
///
/// # Errors
/// [`Error::Count`], [`Error::Shape`], [`Error::Root`].
pub fn check_weights(graph: &Graph<'_>, weights: &[Tensor]) -> Result<(), Error> {
    check_weight_shapes(graph, weights)?;
    for (index, tensor) in weights.iter().enumerate() {
        let root = graph.weight(index)?.root;
        check_root(Operand::Weight(index as u16), &root, tensor)?;
    }
    Ok(())
}

/// Whether the inputs are those that the job commits to: shapes and data roots. The tokens are compared with their own
/// root, or not at all where the provider has not given them yet.
///
/// # Errors
/// [`Error::Count`], [`Error::Shape`], [`Error::Root`].
pub fn check_inputs(
    graph: &Graph<'_>,
    items: u32,
    inputs: &[Tensor],
    roots: &[Hash],
    tokens_root: Option<&Hash>,
) -> Result<(), Error> {
    check_input_shapes(graph, items, inputs)?;
    if roots.len() != inputs.len() {
        return Err(Error::Count {
            what: "inputs",
            expected: inputs.len(),
            found: roots.len(),
        });
    }
    for (index, (tensor, root)) in (0u16..).zip(inputs.iter().zip(roots)) {
        let root = match graph.tokens() == Some(index) {
            true => tokens_root,
            false => Some(root),
        };
        if let Some(root) = root {
            check_root(Operand::Input(index), root, tensor)?;
        }
    }
    Ok(())
}

fn check_count(what: &'static str, expected: usize, tensors: &[Tensor]) -> Result<(), Error> {
    if tensors.len() == expected {
        return Ok(());
    }
    Err(Error::Count {
        what,
        expected,
        found: tensors.len(),
    })
}

fn check_shape(operand: Operand, shape: &Shape, items: u32, tensor: &Tensor) -> Result<(), Error> {
    let rows = match (operand, shape.scope) {
        // In one item.
        (Operand::Op(_), _) | (_, Scope::Fixed) => shape.rows,
        // `check_items` bounds it; what it can't bound is no tensor.
        (_, Scope::Item) => shape.rows.saturating_mul(items),
    };
    if (shape.dtype, rows, shape.cols) == (tensor.dtype(), tensor.rows(), tensor.cols()) {
        return Ok(());
    }
    Err(Error::Shape {
        operand,
        expected: describe(shape.dtype, rows, shape.cols),
        found: tensor.describe(),
    })
}

fn check_root(operand: Operand, root: &Hash, tensor: &Tensor) -> Result<(), Error> {
    let found = commit::data_root(tensor);
    if found == *root {
        Ok(())
    } else {
        Err(Error::Root { operand, found })
    }
}

/// Zeroes, if there is memory for them.
fn zeroes(bytes: u64) -> Result<Vec<u8>, Error> {
    let mut data = Vec::new();
    match usize::try_from(bytes) {
        Ok(len) if data.try_reserve_exact(len).is_ok() => data.resize(len, 0u8),
        _ => {
            return Err(Error::TooLarge {
                bytes,
                limit: isize::MAX as u64,
            });
        }
    }
    Ok(data)
}
