//! How much memory a case takes, known before anything of it is fetched, and room for so much. Strangers create jobs: what
//! bounds one case bounds nothing if several are examined at a time.

use {
    super::material::Trouble,
    crate::error::Result,
    quern_data::{
        DataError,
        sizes::{self, tree_bytes},
    },
    quern_proof::{
        eval, file,
        graph::{Graph, Op, Operand},
    },
    std::sync::Arc,
    tokio::sync::{OwnedSemaphorePermit, Semaphore},
};

/// Bytes of a program's data for so many batch rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    /// The file of the inputs.
    pub inputs: u64,
    /// The file of the weights.
    pub weights: u64,
    /// The values of all outputs.
    pub trace: u64,
    /// The file of the published trace.
    pub trace_file: u64,
    /// The file of the sums of all `QLINEAR`s, nothing without one or if it is not wanted.
    pub hints_file: u64,
    /// The largest output.
    largest: u64,
    /// The trees of an op's output and operands, where they take the most.
    trees: u64,
}

impl Sizes {
    /// Of a sealed program.
    pub(super) fn of(graph: &Graph<'_>, batch_rows: u32) -> Result<Self> {
        let sealed = quern_proof::Error::from;
        let trace = graph.trace_bytes(batch_rows).map_err(sealed)?;
        let (mut largest, mut trees, mut linear) = (0, 0, 0u64);
        for index in 0..graph.op_count() {
            let output = graph.output(index).map_err(sealed)?;
            largest = output.bytes(batch_rows).max(largest);
            let mut together = tree_bytes(&output, batch_rows);
            let op = graph.op(index).map_err(sealed)?;
            for operand in operands(&op).into_iter().flatten() {
                let shape = graph.shape(operand).map_err(sealed)?;
                together = together.saturating_add(tree_bytes(&shape, batch_rows));
            }
            trees = together.max(trees);
            linear += u64::from(matches!(op, Op::QLinear { .. }));
        }
        let headers = |tensors: u64| {
            file::TRACE_HEADER_BYTES as u64 + tensors * file::TENSOR_HEADER_BYTES as u64
        };
        let hints_file = match linear {
            0 => 0,
            linear => eval::sums_bytes(graph, batch_rows)?.saturating_add(headers(linear)),
        };
        Ok(Self {
            inputs: sizes::inputs_bytes(graph, batch_rows)?,
            weights: sizes::weights_bytes(graph)?,
            trace,
            trace_file: trace.saturating_add(headers(graph.op_count() as u64)),
            hints_file,
            largest,
            trees,
        })
    }

    /// The most memory that inputs and weights take while they are fetched: a file is there until it is decoded.
    pub(super) fn operands_bytes(&self) -> u64 {
        sum([self.inputs, self.weights, self.inputs.max(self.weights)])
    }

    /// What an own result takes with everything that it was computed from.
    pub(super) fn kept_bytes(&self) -> u64 {
        sum([self.inputs, self.weights, self.trace])
    }

    /// The most memory that examining takes: the trace as a file and decoded, or the sums likewise beside it, or what
    /// checking and proving needs.
    pub(super) fn case_bytes(&self) -> u64 {
        let beside_trace = [
            self.trace_file,
            sum([self.hints_file, self.hints_file]),
            sum([self.hints_file, self.largest, self.trees]),
        ];
        let beside_trace = beside_trace.into_iter().max().unwrap_or_default();
        let examining = sum([self.inputs, self.weights, self.trace, beside_trace]);
        examining.max(self.operands_bytes())
    }
}

fn sum<const N: usize>(parts: [u64; N]) -> u64 {
    parts.into_iter().fold(0, u64::saturating_add)
}

const fn operands(op: &Op) -> [Option<Operand>; 4] {
    match *op {
        Op::MatMul { a, b } | Op::Add { a, b } => [Some(a), Some(b), None, None],
        Op::QLinear {
            a, w, bias, mult, ..
        } => [Some(a), Some(w), Some(bias), Some(mult)],
        Op::Lut { a, table } => [Some(a), Some(table), None, None],
        Op::ArgMax { a } => [Some(a), None, None, None],
    }
}

/// What is accounted for at once.
const UNIT_BYTES: u64 = 1 << 10;

/// Memory for all cases that are being examined. Whoever comes first gets it first, so a large case waits, but not for ever.
pub(super) struct Room {
    units: u32,
    free: Arc<Semaphore>,
}

/// Memory of one case, free again when it is dropped.
pub(super) type Occupied = OwnedSemaphorePermit;

impl Room {
    /// As much, rounded down to whole units but at least one.
    pub(super) fn new(max_bytes: u64) -> Self {
        let units = u32::try_from(max_bytes / UNIT_BYTES).unwrap_or(u32::MAX);
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let units = units.clamp(1, most);
        Self {
            units,
            free: Arc::new(Semaphore::new(units as usize)),
        }
    }

    /// Refuses what can never be examined.
    pub(super) fn check(&self, bytes: u64) -> std::result::Result<u32, Trouble> {
        let wanted = bytes.div_ceil(UNIT_BYTES);
        match u32::try_from(wanted) {
            Ok(wanted) if wanted <= self.units => Ok(wanted),
            _ => Err(Trouble::Final(format!(
                "too large: examining it takes {} MiB of memory, more than the limit of {}; raise --memory-limit",
                bytes.div_ceil(1 << 20),
                (u64::from(self.units) * UNIT_BYTES) >> 20
            ))),
        }
    }

    /// So much memory, if it is free now.
    pub(super) fn try_occupy(&self, bytes: u64) -> Option<Occupied> {
        let wanted = self.check(bytes).ok()?;
        Arc::clone(&self.free).try_acquire_many_owned(wanted).ok()
    }

    /// Waits for so much memory.
    pub(super) async fn occupy(&self, bytes: u64) -> std::result::Result<Occupied, Trouble> {
        let wanted = self.check(bytes)?;
        let occupied = Arc::clone(&self.free).acquire_many_owned(wanted).await;
        occupied.map_err(|error| DataError::Broken(error.to_string()).into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {
        super::*,
        futures::FutureExt,
        quern_proof::{Shape, Tensor, builder::GraphBuilder, commit, shape::DType},
    };

    #[test]
    fn narrow_tensors_count_with_their_trees() {
        let mut builder = GraphBuilder::new();
        let a = builder.input_batch(DType::I8, 1);
        builder.add(a, a);
        let graph = builder.finish().unwrap();
        let rows = 1 << 20;
        let sizes = Sizes::of(&Graph::parse(&graph).unwrap(), rows).unwrap();
        assert_eq!((sizes.trace, sizes.hints_file), (1 << 20, 0));
        // 64 bytes a row and tree.
        assert!(sizes.case_bytes() > 3 * (64 << 20), "{sizes:?}");
    }

    #[test]
    fn no_tree_is_larger_than_it_counts() {
        for (rows, cols) in [(1, 1), (3, 1), (5, 600), (7, 129), (64, 1_000), (33, 257)] {
            let tensor = Tensor::from_i8(rows, cols, &vec![1; (rows * cols) as usize]).unwrap();
            let geometry = *tensor.geometry();
            let tree = commit::Tree::new(&tensor);
            let nodes = (0..=geometry.height()).flat_map(|level| {
                (0..1u64 << level)
                    .filter(move |index| geometry.is_missing(level, *index) == Some(false))
            });
            assert!(tree.node(0, 0).is_some());
            let shape = Shape {
                dtype: DType::I8,
                rows: quern_proof::shape::Rows::Fixed(rows),
                cols,
            };
            let bytes = 32 * nodes.count() as u64;
            // Above the rows, an odd count leaves a node more at each level.
            let above = 32 * u64::from(geometry.rows_height());
            assert!(bytes <= tree_bytes(&shape, 0) + above, "{rows} x {cols}");
        }
    }

    #[tokio::test]
    async fn what_is_examined_at_a_time_fits_in_sum() {
        let room = Room::new(10 << 20);
        let Err(Trouble::Final(why)) = room.occupy((10 << 20) + 1).await else {
            panic!("too large")
        };
        assert!(why.contains("--memory-limit"), "{why}");
        let (first, second) = (room.occupy(6 << 20).await, room.occupy(4 << 20).await);
        let waiting = room.occupy(1);
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        drop((first, second));
        assert!(waiting.await.is_ok());
    }
}
