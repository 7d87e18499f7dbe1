//! Evidence, as the design has it: what each op opens for one cell, and how it is written down.

use {
    super::claim::Claim,
    quern_proof::{
        Op, Operand,
        demand::{NodeId, Tree},
        evidence::Charge,
        ops::flag,
    },
    std::ops::Range,
};

/// Evidence that is being written.
struct Writer<'c> {
    claim: &'c Claim,
    item: u32,
    bytes: Vec<u8>,
}

impl Claim {
    /// The charge of a cell, whose right value an honest provider committed to.
    pub fn charge(&self, honest: &Self, (op, row, col): (u16, u32, u32)) -> Charge {
        let (item, row_of_item) = self.item_of(op, row);
        let value = |of: &Self| of.value(Operand::Op(op), item, row_of_item, col);
        let at = match self.parsed().op(op.into()).unwrap() {
            Op::ArgMax(argmax) => {
                let cols = self.parsed().shape(argmax.a).unwrap().cols;
                let is_column = (0..cols as i32).contains(&value(self));
                if is_column { value(honest) as u32 } else { 0 }
            }
            _ => 0,
        };
        Charge::Cell { op, row, col, at }
    }

    /// Evidence for a charge.
    pub fn evidence(&self, charge: &Charge) -> Vec<u8> {
        let mut writer = Writer {
            claim: self,
            item: 0,
            bytes: Vec::new(),
        };
        match *charge {
            Charge::Cell { op, row, col, at } => {
                let (item, row) = self.item_of(op, row);
                writer.begin(item);
                writer.span(Operand::Op(op), row, col..col + 1);
                writer.cell(op, row, col, at);
            }
            Charge::Padding(node_id) => {
                if let Tree::Data(Operand::Op(_)) = node_id.tree {
                    writer.begin(node_id.item_and_place().0 as u32);
                }
                match self.leaf(&node_id) {
                    Some(leaf) => writer.bytes.extend(leaf),
                    None => writer.bytes.extend(self.node(&node_id)),
                }
                writer.path(&node_id);
            }
            Charge::Tokens { item } => {
                let graph = self.parsed();
                let feedback = NodeId::in_item(graph.feedback().unwrap(), item, 0, 0);
                let tokens = Operand::Input(graph.tokens().unwrap());
                let level = self.geometry(tokens).rows_height();
                let row = NodeId::new(Tree::Data(tokens), level, item.into());
                writer.begin(item);
                for node_id in [feedback, row] {
                    writer.bytes.extend(self.node(&node_id));
                    writer.path(&node_id);
                }
            }
        }
        writer.bytes
    }
}

impl Writer<'_> {
    /// The item root with its path, if there is more than one item.
    fn begin(&mut self, item: u32) {
        self.item = item;
        if self.claim.items == 1 {
            return;
        }
        let root = NodeId::new(Tree::Trace, self.claim.items_height(), item.into());
        self.bytes.extend(self.claim.node(&root));
        self.siblings(&root, root.level);
    }

    /// What an op's cell reads. Row and column are stored ones.
    #[expect(clippy::too_many_lines, reason = "one match, one arm an op")]
    fn cell(&mut self, op: u16, row: u32, col: u32, at: u32) {
        let graph = self.claim.parsed();
        let record = graph.record(op.into()).unwrap();
        let (i, j) = match record.has(flag::TRANSPOSED) {
            true => (col, row),
            false => (row, col),
        };
        let groups = u32::from(record.groups);
        match graph.op(op.into()).unwrap() {
            Op::Dot(dot) => {
                let b = dot.product.b;
                let inner = self.cols(dot.product.a) / groups;
                let heads = groups / u32::from(record.share);
                let is_context = record.has(flag::SIDE);
                let n = match is_context {
                    true => self.rows(b) / heads,
                    false => self.rows(b),
                };
                let (group, place) = (j / n, j % n);
                let shared = group / u32::from(record.share);
                self.span(dot.product.a, i, group * inner..(group + 1) * inner);
                match is_context {
                    true => self.span(b, shared * n + place, 0..inner),
                    false => self.span(b, place, shared * inner..(shared + 1) * inner),
                }
                if let Some(p) = dot.parameters {
                    self.parameters(p, j);
                }
            }
            Op::Mix(mix) => {
                let pair = u32::from(mix.is_paired);
                for (operand, swap) in [(Some(mix.a), 0), (mix.b, pair), (mix.c, 0), (mix.d, 0)] {
                    if let Some(operand) = operand {
                        let (row, col) = (i % self.rows(operand), j % self.cols(operand));
                        self.value(operand, row, col ^ swap);
                    }
                }
            }
            Op::Lut(lut) => {
                let value = self.value(lut.a, i, j);
                let size = self.claim.geometry(lut.a).dtype().size();
                self.value(lut.table, 0, (value + (1 << (8 * size - 1))) as u32);
            }
            Op::Gather(gather) => {
                let cols = self.cols(gather.table);
                let per_row = self.cols(gather.x) / gather.rows;
                let named = self.value(gather.x, 0, i * per_row + j / cols);
                if (0..self.rows(gather.table) as i32).contains(&named) {
                    self.value(gather.table, named as u32, j % cols);
                }
            }
            Op::Norm(norm) => {
                let n = self.cols(norm.a) / groups;
                self.span(norm.a, i, j / n * n..(j / n + 1) * n);
                self.parameters(norm.parameters, j % n);
            }
            Op::Softmax(softmax) => {
                let width = self.cols(softmax.a) / groups;
                self.span(softmax.a, i, j / width * width..(j / width + 1) * width);
                if let Some(mask) = softmax.mask {
                    self.span(mask, i % self.rows(mask), 0..self.cols(mask));
                }
            }
            Op::ArgMax(argmax) => {
                let claimed = self.claim.value(Operand::Op(op), self.item, row, col);
                if (0..self.cols(argmax.a) as i32).contains(&claimed) {
                    self.value(argmax.a, i, claimed as u32);
                    self.value(argmax.a, i, at);
                }
            }
            Op::Feedback(feedback) => {
                if self.value(feedback.x, 0, j) < 0 && j > 0 {
                    self.value(feedback.next, 0, j - 1);
                }
            }
        }
    }

    fn rows(&self, operand: Operand) -> u32 {
        self.claim.parsed().shape(operand).unwrap().rows
    }

    fn cols(&self, operand: Operand) -> u32 {
        self.claim.parsed().shape(operand).unwrap().cols
    }

    /// Both rows of parameters.
    fn parameters(&mut self, p: Operand, j: u32) {
        let col = j % self.cols(p);
        self.value(p, 0, col);
        self.value(p, 1, col);
    }

    /// One leaf; says the value that is opened.
    fn value(&mut self, operand: Operand, row: u32, col: u32) -> i32 {
        self.span(operand, row, col..col + 1);
        self.claim.value(operand, self.item, row, col)
    }

    /// The leaves that hold these columns, the siblings inside the row, then the path.
    fn span(&mut self, operand: Operand, row: u32, cols: Range<u32>) {
        let claim = self.claim;
        let (first, _) = claim.locate(operand, self.item, row, cols.start);
        let (last, _) = claim.locate(operand, self.item, row, cols.end - 1);
        for index in first.index..=last.index {
            let leaf = claim.leaf(&NodeId { index, ..first }).unwrap();
            self.bytes.extend(leaf);
        }
        let tree = claim.geometry(operand);
        let (mut left, mut right) = (first.index, last.index);
        let mut level = first.level;
        for _ in 0..tree.row_height() {
            if left % 2 == 1 {
                self.node(NodeId::new(first.tree, level, left - 1));
            }
            if right % 2 == 0 {
                self.node(NodeId::new(first.tree, level, right + 1));
            }
            (left, right, level) = (left / 2, right / 2, level - 1);
        }
        self.path(&NodeId::new(first.tree, level, left));
    }

    /// Path to the data root, or in the trace tree to the trace root; of an op's result on to the item root.
    fn path(&mut self, node_id: &NodeId) {
        self.siblings(node_id, node_id.level);
        if let Tree::Data(Operand::Op(op)) = node_id.tree {
            let claim = self.claim;
            let index = (u64::from(self.item) << claim.ops_height()) + u64::from(op);
            let root = NodeId::new(Tree::Trace, claim.height(Tree::Trace), index);
            self.siblings(&root, claim.ops_height());
        }
    }

    fn siblings(&mut self, node_id: &NodeId, levels: u8) {
        for up in 0..levels {
            let index = (node_id.index >> up) ^ 1;
            self.node(NodeId::new(node_id.tree, node_id.level - up, index));
        }
    }

    fn node(&mut self, node_id: NodeId) {
        self.bytes.extend(self.claim.node(&node_id));
    }
}
