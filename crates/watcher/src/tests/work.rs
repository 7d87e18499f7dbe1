//! Jobs with their data, and what a provider commits to.

use super::*;

/// A graph and its data, with the right results of every item.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) graph: Vec<u8>,
    pub(super) items: u32,
    /// All inputs; the tokens are the right ones.
    pub(super) inputs: Vec<Tensor>,
    pub(super) weights: Vec<Tensor>,
    pub(super) outputs: Vec<Vec<Tensor>>,
}

fn values(count: u32, step: u32) -> Vec<i8> {
    (0..count).map(|i| ((i * step) % 251) as u8 as i8).collect()
}

impl Work {
    fn computed(graph: Vec<u8>, items: u32, inputs: Vec<Tensor>, weights: Vec<Tensor>) -> Self {
        let mut work = Self {
            graph,
            items,
            inputs,
            weights,
            outputs: Vec::new(),
        };
        work.outputs = work.outputs_of(&work.inputs);
        work
    }

    /// Products with and without parameters, a table, a sum and ARGMAX: 4 items of 5 rows.
    pub(super) fn new() -> Self {
        let numbers = |count: i32| -> Vec<i32> { (0..count).map(|i| 1_000 + i * 37).collect() };
        let parameters = [numbers(50), numbers(50)].concat();
        let weights = vec![
            Tensor::from_i8(50, 40, &values(2_000, 7)).unwrap(),
            Tensor::from_i32(2, 50, &parameters).unwrap(),
            Tensor::from_i8(1, 256, &values(256, 3)).unwrap(),
            Tensor::from_i8(40, 50, &values(2_000, 11)).unwrap(),
        ];
        let inputs = vec![Tensor::from_i8(20, 40, &values(800, 13)).unwrap()];
        let mut builder = GraphBuilder::new();
        let a = builder.input_item(DType::I8, 5, 40);
        let [w, scale, table, last] = [0, 1, 2, 3].map(|index| builder.weight(&weights[index]));
        let linear = builder.dot(a, w).scaled(scale, 22, DType::I8).push();
        let mapped = builder.lut(linear, table).push();
        let sum = builder.mix(linear).plus(mapped).push();
        let product = builder.dot(sum, last).push();
        builder.argmax(product).push();
        Self::computed(builder.finish().unwrap(), 4, inputs, weights)
    }

    /// Two tables in a row: cheap enough for many items.
    pub(super) fn tables(items: u32, rows: u32, cols: u32) -> Self {
        let weights = vec![Tensor::from_i8(1, 256, &values(256, 3)).unwrap()];
        let count = items * rows * cols;
        let inputs = vec![Tensor::from_i8(items * rows, cols, &values(count, 13)).unwrap()];
        let mut builder = GraphBuilder::new();
        let x = builder.input_item(DType::I8, rows, cols);
        let table = builder.weight(&weights[0]);
        let first = builder.lut(x, table).push();
        let second = builder.lut(first, table).push();
        builder.mix(second).plus(x).push();
        Self::computed(builder.finish().unwrap(), items, inputs, weights)
    }

    /// The random transformer of the repository, which writes texts of 16 tokens. They are written once.
    pub(super) fn transformer(items: u32) -> Self {
        static WRITTEN: Mutex<BTreeMap<u32, Work>> = Mutex::new(BTreeMap::new());
        let mut written = lock(&WRITTEN);
        let work = written.entry(items);
        work.or_insert_with(|| Self::written(items)).clone()
    }

    fn written(items: u32) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny");
        let graph = std::fs::read(folder.join("tiny.qmodel")).unwrap();
        let weights = std::fs::read(folder.join("weights.bin")).unwrap();
        let weights = file::decode_bundle(&weights).unwrap();
        let prompt: Vec<i32> = (0..items * 16)
            .map(|at| match at % 16 {
                0..3 => (at * 29 % 64) as i32,
                _ => -1,
            })
            .collect();
        let prompt = Tensor::from_i32(items, 16, &prompt).unwrap();
        let inputs = vec![prompt.clone(), prompt];
        let mut work = Self {
            graph,
            items,
            inputs,
            weights,
            outputs: Vec::new(),
        };
        let texts: Vec<u8> = (0..items)
            .flat_map(|item| work.batch().generate(item).unwrap().into_data())
            .collect();
        work.inputs[1] = Tensor::from_bytes(DType::I32, items, 16, texts).unwrap();
        work.outputs = work.outputs_of(&work.inputs);
        work
    }

    pub(super) fn graph(&self) -> Graph<'_> {
        Graph::parse(&self.graph).unwrap()
    }

    pub(super) fn batch(&self) -> Batch<'_> {
        self.batch_of(&self.inputs)
    }

    fn batch_of<'a>(&'a self, inputs: &'a [Tensor]) -> Batch<'a> {
        Batch::new(&self.graph(), self.items, inputs, &self.weights, u64::MAX).unwrap()
    }

    /// The results of every item from these inputs.
    pub(super) fn outputs_of(&self, inputs: &[Tensor]) -> Vec<Vec<Tensor>> {
        let batch = self.batch_of(inputs);
        (0..self.items)
            .map(|item| batch.item(item).unwrap())
            .collect()
    }

    /// What an honest provider commits to.
    pub(super) fn honest(&self) -> Claim {
        Claim {
            inputs: self.inputs.clone(),
            outputs: self.outputs.clone(),
            forged: false,
        }
    }

    /// The same with one byte of a result in an item changed.
    pub(super) fn with_wrong(&self, item: u32, op: usize) -> Claim {
        let mut claim = self.honest();
        let data = claim.outputs[item as usize][op].data_mut();
        let middle = data.len() / 2;
        data[middle] ^= 1;
        claim
    }

    /// The same with another text in an item, and everything computed from that.
    pub(super) fn with_other_text(&self, item: u32) -> Claim {
        let mut claim = self.honest();
        let tokens = usize::from(self.graph().tokens().unwrap());
        let data = claim.inputs[tokens].data_mut();
        data[item as usize * 64 + 40] ^= 1;
        claim.outputs = self.outputs_of(&claim.inputs);
        claim
    }

    pub(super) fn tokens_root(&self, claim: &Claim) -> Hash {
        let tokens = self.graph().tokens().map(usize::from);
        tokens.map_or([0; 32], |tokens| commit::data_root(&claim.inputs[tokens]))
    }
}

/// What the provider committed to: a canonical commitment, or one with a node beside the ops that is not zero.
#[derive(Clone)]
pub(super) struct Claim {
    /// With the tokens that it gave.
    pub(super) inputs: Vec<Tensor>,
    pub(super) outputs: Vec<Vec<Tensor>>,
    pub(super) forged: bool,
}

/// A claim that can be opened.
pub(super) struct Opened<'a> {
    whole: Whole<'a>,
    /// The nodes of the trace by level, the root first.
    trace: Vec<Vec<Hash>>,
}

impl Claim {
    pub(super) fn opened<'a>(&'a self, work: &'a Work) -> Opened<'a> {
        let batch = work.batch_of(&self.inputs);
        let mut whole = Whole::new(&batch).unwrap();
        let geometry = work.graph().trace(work.items).unwrap();
        let mut leaves = vec![hash::MISSING; 1 << geometry.height()];
        for (item, outputs) in (0..).zip(&self.outputs) {
            for (op, output) in (0..).zip(outputs) {
                let position = geometry.position(item, op);
                leaves[usize::try_from(position).unwrap()] = commit::data_root(output);
            }
            let trace = ItemTrace::new(outputs.clone()).unwrap();
            whole.insert(item, trace).unwrap();
        }
        if self.forged {
            let last = 1 << geometry.ops_height();
            leaves[last - 1] = [9; 32];
        }
        let mut trace = vec![leaves];
        while trace.last().unwrap().len() > 1 {
            let pairs = trace.last().unwrap().chunks(2);
            let above = pairs.map(|pair| hash::node(Tag::Trace, &pair[0], &pair[1]));
            let above = above.collect();
            trace.push(above);
        }
        trace.reverse();
        Opened { whole, trace }
    }

    /// What an honest holder of these data answers.
    pub(super) fn answer(&self, work: &Work, node_id: &NodeId) -> Vec<u8> {
        witness::answer(&work.graph(), work.items, node_id, &self.opened(work)).unwrap()
    }

    /// Item roots and result as they are published.
    pub(super) fn commitment(&self, work: &Work) -> Commitment {
        let mut committer = Committer::new(&work.graph(), work.items).unwrap();
        for outputs in &self.outputs {
            committer
                .push(&ItemTrace::new(outputs.clone()).unwrap())
                .unwrap();
        }
        committer.finish().unwrap()
    }
}

impl Opened<'_> {
    pub(super) fn root(&self) -> Hash {
        self.trace[0][0]
    }
}

impl Openings for Opened<'_> {
    fn node(&self, node_id: NodeId) -> Option<Hash> {
        match node_id.tree {
            Tree::Trace => {
                let layer = self.trace.get(usize::from(node_id.level))?;
                layer.get(usize::try_from(node_id.index).ok()?).copied()
            }
            Tree::Data(_) => self.whole.node(node_id),
        }
    }

    fn leaf(&self, node_id: NodeId) -> Option<[u8; 128]> {
        self.whole.leaf(node_id)
    }
}
