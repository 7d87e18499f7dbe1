//! Building a graph so that it reads like what it computes.

use std::vec::Vec;

use crate::{
    Tensor, commit,
    graph::{self, Graph, derive_kind},
    hash::Hash,
    limits::{MAX_INPUTS, MAX_OPS, MAX_WEIGHTS},
    node::{NO_OPERAND, Operand},
    ops::{Dependence, Op, Record, Shapes, flag, kind},
    refusal::{Fault, Place, SealError},
    shape::{DType, Scope, Shape},
};

/// Collects the records of a graph. Inputs and weights return the operand that ops name; an op is a [`Draft`] until
/// [`Draft::push`] returns its operand.
///
/// Type, rows, columns and kind of a record are derived from its operands: a caller can't state wrong ones. What is wrong
/// otherwise is said by [`GraphBuilder::finish`].
///
/// ```
/// use quern_proof::{DType, builder::GraphBuilder};
///
/// # let root = [0; 32];
/// let mut b = GraphBuilder::new();
/// let x = b.input_item(DType::I8, 128, 384);
/// let mask = b.input_item(DType::I8, 1, 128);
/// let [wq, wk, wv] = [(); 3].map(|()| b.weight_root(DType::I8, 384, 384, &root));
/// let scale = b.weight_root(DType::I32, 2, 384, &root);
/// let of_scores = b.weight_root(DType::I32, 2, 1, &root);
///
/// let q = b.dot(x, wq).scaled(scale, 20, DType::I8).push();
/// let k = b.dot(x, wk).scaled(scale, 20, DType::I8).push();
/// let v = b.dot(x, wv).scaled(scale, 20, DType::I8).transposed().push();
/// let scores = b.dot(q, k).scores(12, 1).scaled(of_scores, 12, DType::I8).push();
/// let weights = b.softmax(scores, 1 << 20, 16, DType::I16).groups(12).mask(mask).push();
/// let context = b.dot(weights, v).context(12, 1).scaled(scale, 20, DType::I8).push();
/// assert_eq!(b.shape(context).unwrap().cols, 384);
/// let bytes = b.finish()?;
/// assert_eq!(quern_proof::graph::seal(&bytes)?.most_rows, 384);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct GraphBuilder {
    inputs: Vec<Shape>,
    weights: Vec<(Shape, Hash)>,
    ops: Vec<Record>,
    text: Option<(Operand, Operand)>,
    fault: Option<Fault>,
}

/// An index that stays out of bounds where it doesn't fit, so that `finish` refuses it.
fn index_of(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

impl GraphBuilder {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// An input with this many rows for each item of the job.
    pub fn input_item(&mut self, dtype: DType, rows: u32, cols: u32) -> Operand {
        self.input(dtype, Scope::Item, rows, cols)
    }

    /// An input that is the same for all items.
    pub fn input_fixed(&mut self, dtype: DType, rows: u32, cols: u32) -> Operand {
        self.input(dtype, Scope::Fixed, rows, cols)
    }

    fn input(&mut self, dtype: DType, scope: Scope, rows: u32, cols: u32) -> Operand {
        self.inputs.push(Shape {
            dtype,
            scope,
            rows,
            cols,
        });
        Operand::Input(index_of(self.inputs.len() - 1))
    }

    /// A weight whose data root is known.
    pub fn weight_root(&mut self, dtype: DType, rows: u32, cols: u32, root: &Hash) -> Operand {
        let scope = Scope::Fixed;
        let shape = Shape {
            dtype,
            scope,
            rows,
            cols,
        };
        self.weights.push((shape, *root));
        Operand::Weight(index_of(self.weights.len() - 1))
    }

    /// A weight, with the root of its data.
    pub fn weight(&mut self, tensor: &Tensor) -> Operand {
        let root = commit::data_root(tensor);
        self.weight_root(tensor.dtype(), tensor.rows(), tensor.cols(), &root)
    }

    /// The shape of an operand, of one item.
    pub fn shape(&self, operand: Operand) -> Option<Shape> {
        match operand {
            Operand::Input(index) => self.inputs.get(usize::from(index)).copied(),
            Operand::Weight(index) => self
                .weights
                .get(usize::from(index))
                .map(|(shape, _)| *shape),
            Operand::Op(index) => self.ops.get(usize::from(index)).map(|record| Shape {
                dtype: record.dtype,
                scope: Scope::Item,
                rows: record.rows,
                cols: record.cols,
            }),
        }
    }

    /// What is known of an op's operands; nothing of one that there is not.
    fn shapes(&self, op: &Op) -> Shapes {
        let shape = |operand: Option<Operand>| self.shape(operand?);
        Shapes(op.slots().map(shape))
    }

    /// How many ops there are.
    pub fn op_count(&self) -> usize {
        self.ops.len()
    }

    /// `DOT`: i32 sums of products of the rows of `a` (i8 or i16) with those of `b` (i8).
    ///
    /// It takes [`Draft::scaled`], [`Draft::clamp`], [`Draft::scores`], [`Draft::context`].
    pub fn dot(&mut self, a: Operand, b: Operand) -> Draft<'_> {
        self.draft(1, [Some(a), Some(b), None, None], DType::I32)
    }

    /// `MIX`: `a` as it is, in its own type; the methods add to it.
    ///
    /// It takes [`Draft::times`], [`Draft::plus`], [`Draft::plus_product`], [`Draft::paired`], [`Draft::shift`],
    /// [`Draft::to`], [`Draft::clamp`].
    pub fn mix(&mut self, a: Operand) -> Draft<'_> {
        let dtype = self.shape(a).map_or(DType::I32, |shape| shape.dtype);
        self.draft(2, [Some(a), None, None, None], dtype)
    }

    /// `LUT`: the table is 1 x 256 for i8 and 1 x 65,536 for i16.
    pub fn lut(&mut self, a: Operand, table: Operand) -> Draft<'_> {
        self.draft(3, [Some(a), Some(table), None, None], DType::I32)
    }

    /// `GATHER`: `rows` rows; each of the 1 x (rows·m) indices `x` names a row of the table, m of which stand in one row of
    /// the result.
    pub fn gather(&mut self, x: Operand, table: Operand, rows: u32) -> Draft<'_> {
        let mut draft = self.draft(4, [Some(x), Some(table), None, None], DType::I32);
        draft.record.rows = rows;
        draft
    }

    /// `NORM`: the parameters are i32, 2 x n: gamma and beta.
    ///
    /// It takes [`Draft::groups`], [`Draft::eps`], [`Draft::rms`].
    pub fn norm(&mut self, a: Operand, parameters: Operand, shift: u8, to: DType) -> Draft<'_> {
        self.draft(5, [Some(a), Some(parameters), None, None], to)
            .shift(shift)
    }

    /// `SOFTMAX`: a distance of `1 << shift` in units of 1 / mult is a 256th of an octave; the result is i8 or i16.
    ///
    /// It takes [`Draft::groups`], [`Draft::mask`], [`Draft::causal`].
    pub fn softmax(&mut self, a: Operand, mult: u32, shift: u8, to: DType) -> Draft<'_> {
        let mut draft = self.draft(6, [Some(a), None, None, None], to).shift(shift);
        draft.record.constant = mult;
        draft
    }

    /// `ARGMAX`: i32, one column.
    pub fn argmax(&mut self, a: Operand) -> Draft<'_> {
        self.draft(7, [Some(a), None, None, None], DType::I32)
    }

    /// `FEEDBACK`: the prompt `x`, then what `next` says follows each token.
    pub fn feedback(&mut self, x: Operand, next: Operand) -> Draft<'_> {
        self.draft(8, [Some(x), Some(next), None, None], DType::I32)
    }

    /// The graph generates text: the provider gives the input `tokens`, which must be what `feedback` says.
    pub fn generate(&mut self, tokens: Operand, feedback: Operand) {
        self.text = Some((tokens, feedback));
    }

    fn draft(&mut self, opcode: u8, operands: [Option<Operand>; 4], dtype: DType) -> Draft<'_> {
        let record = Record {
            opcode,
            flags: 0,
            dtype,
            kind: kind::FREE,
            operands: operands.map(code),
            rows: 1,
            cols: 1,
            groups: 1,
            share: 1,
            shift: 0,
            constant: 0,
        };
        Draft {
            builder: self,
            record,
            bounds: None,
        }
    }

    /// The bytes, whether `seal` would take them or not. Where no kind follows from the operands, it is 0.
    ///
    /// # Errors
    /// More inputs, weights or ops than the header can count.
    pub fn bytes(&self) -> Result<Vec<u8>, SealError> {
        if self.inputs.len() > MAX_INPUTS {
            return Err(SealError::TooManyInputs);
        }
        if self.weights.len() > MAX_WEIGHTS {
            return Err(SealError::TooManyWeights);
        }
        if self.ops.len() > MAX_OPS {
            return Err(SealError::TooManyOps);
        }
        let header = graph::Header {
            inputs: self.inputs.len() as u8,
            weights: index_of(self.weights.len()),
            ops: index_of(self.ops.len()),
            tokens: code(self.text.map(|(tokens, _)| tokens)),
            feedback: code(self.text.map(|(_, feedback)| feedback)),
        };
        let mut bytes = Vec::with_capacity(graph::len(header.inputs, header.weights, header.ops));
        bytes.extend(graph::encode_header(&header));
        for shape in &self.inputs {
            bytes.extend(graph::encode_input(*shape));
        }
        for (shape, root) in &self.weights {
            bytes.extend(graph::encode_weight(
                shape.dtype,
                shape.rows,
                shape.cols,
                root,
            ));
        }
        for (record, kind) in self.ops.iter().zip(self.kinds()) {
            bytes.extend(Record { kind, ..*record }.bytes());
        }
        Ok(bytes)
    }

    /// The kind of every op.
    fn kinds(&self) -> Vec<u8> {
        let mut kinds = Vec::with_capacity(self.ops.len());
        let tokens = self.text.map(|(tokens, _)| tokens);
        let len = tokens
            .and_then(|tokens| self.shape(tokens))
            .map(|shape| shape.cols);
        for record in &self.ops {
            let kind_of = |operand: Option<Operand>| match operand {
                Some(Operand::Op(index)) => kinds.get(usize::from(index)).copied(),
                operand => (operand.is_some() && operand == tokens).then_some(kind::COLUMNS),
            };
            let derive = |len: u32| -> Result<u8, SealError> {
                let op = Op::decode(record)?;
                let shapes = self.shapes(&op);
                let reads = Dependence {
                    record,
                    form: op.seal(record, &shapes)?,
                    kinds: op.slots().map(|slot| kind_of(slot).unwrap_or_default()),
                    tokens: len,
                    shapes: &shapes,
                };
                derive_kind(&op, &reads)
            };
            let kind = len.map_or(Ok(kind::FREE), derive);
            kinds.push(kind.unwrap_or_default());
        }
        kinds
    }

    /// The bytes, checked as `seal` will check them.
    ///
    /// # Errors
    /// The first rule that the graph breaks, and where.
    pub fn finish(&self) -> Result<Vec<u8>, Fault> {
        let bytes = self.bytes()?;
        match self.fault {
            Some(fault) => return Err(fault),
            None => Graph::parse(&bytes)?.check()?,
        };
        Ok(bytes)
    }
}

fn code(operand: Option<Operand>) -> u16 {
    operand.map_or(NO_OPERAND, Operand::code)
}

/// An op that is being described. Of what its op doesn't take, [`GraphBuilder::finish`] says so.
#[derive(Debug)]
#[must_use = "an op is in the graph when it is pushed"]
pub struct Draft<'b> {
    builder: &'b mut GraphBuilder,
    record: Record,
    bounds: Option<(i16, i16)>,
}

impl Draft<'_> {
    /// The result of each item is stored transposed.
    pub const fn transposed(self) -> Self {
        self.flag(flag::TRANSPOSED)
    }

    /// DOT: `clamp(rshr(sat32(dot + bias) * mult, shift))`; the parameters are i32, 2 rows: bias and mult.
    pub fn scaled(mut self, parameters: Operand, shift: u8, to: DType) -> Self {
        self.record.shift = shift;
        self.record.dtype = to;
        self.slot(2, parameters)
    }

    /// DOT, side 0: `groups` heads, `share` of which use one of b (N x (groups / share)K).
    pub const fn scores(mut self, groups: u16, share: u16) -> Self {
        self.record.groups = groups;
        self.record.share = share;
        self
    }

    /// DOT, side 1: as [`Draft::scores`], b being (groups / share)N x K.
    pub const fn context(self, groups: u16, share: u16) -> Self {
        self.scores(groups, share).flag(flag::SIDE)
    }

    /// NORM, SOFTMAX: groups of columns.
    pub const fn groups(mut self, groups: u16) -> Self {
        self.record.groups = groups;
        self
    }

    /// MIX: a is multiplied with `c`.
    pub fn times(self, c: Operand) -> Self {
        self.slot(2, c)
    }

    /// MIX: `b` is added.
    pub fn plus(self, b: Operand) -> Self {
        self.slot(1, b)
    }

    /// MIX: `b * d` is added.
    pub fn plus_product(self, b: Operand, d: Operand) -> Self {
        self.slot(1, b).slot(3, d)
    }

    /// MIX: columns 2k and 2k + 1 of b are swapped.
    pub const fn paired(self) -> Self {
        self.flag(flag::PAIR)
    }

    /// MIX: bits to shift right, rounding half up.
    pub const fn shift(mut self, shift: u8) -> Self {
        self.record.shift = shift;
        self
    }

    /// MIX: type of the result.
    pub const fn to(mut self, dtype: DType) -> Self {
        self.record.dtype = dtype;
        self
    }

    /// DOT and MIX of an i8 or i16 result: its least and greatest value, if not those of the type.
    pub const fn clamp(mut self, lo: i16, hi: i16) -> Self {
        self.bounds = Some((lo, hi));
        self
    }

    /// NORM: what is added to the variance.
    pub const fn eps(mut self, eps: u32) -> Self {
        self.record.constant = eps;
        self
    }

    /// NORM: no mean is taken off.
    pub const fn rms(self) -> Self {
        self.flag(flag::RMS)
    }

    /// SOFTMAX: where `mask` is 0, a value counts for nothing.
    pub fn mask(self, mask: Operand) -> Self {
        self.slot(1, mask)
    }

    /// SOFTMAX: row i sees columns 0..=i.
    pub const fn causal(self) -> Self {
        self.flag(flag::CAUSAL)
    }

    const fn flag(mut self, flag: u8) -> Self {
        self.record.flags |= flag;
        self
    }

    fn slot(mut self, slot: usize, operand: Operand) -> Self {
        if let Some(code) = self.record.operands.get_mut(slot) {
            *code = operand.code();
        }
        self
    }

    /// Derives what the result is and adds the op to the graph.
    pub fn push(mut self) -> Operand {
        let has_bounds = matches!(self.record.opcode, 1 | 2);
        let (least, greatest) = self.record.dtype.range();
        let bounds = match (self.bounds, self.record.dtype) {
            (None, DType::I32) => (0, 0),
            (None, _) => (least as i16, greatest as i16),
            (Some(bounds), _) => bounds,
        };
        if has_bounds || self.bounds.is_some() {
            let ([l0, l1], [h0, h1]) = (bounds.0.to_le_bytes(), bounds.1.to_le_bytes());
            self.record.constant = u32::from_le_bytes([l0, l1, h0, h1]);
        }
        // So far `rows` is R, not what is stored.
        if self.record.has(flag::TRANSPOSED) {
            (self.record.rows, self.record.cols) = (self.record.cols, self.record.rows);
        }
        let index = index_of(self.builder.ops.len());
        let form = Op::decode(&self.record)
            .and_then(|op| op.seal(&self.record, &self.builder.shapes(&op)));
        match form {
            Ok(form) => {
                self.record.dtype = form.dtype;
                self.record.rows = form.rows;
                self.record.cols = form.cols;
                (self.record.rows, self.record.cols) = self.record.logical();
            }
            Err(error) => {
                let place = Place::Op(index);
                self.builder.fault.get_or_insert(Fault { error, place });
            }
        }
        self.builder.ops.push(self.record);
        Operand::Op(index)
    }
}
