//! How long demands can hold a job up, and how many there can be: the demand game by the rules of `quern-rules` and
//! `quern-proof`.

use {
    quern::state::ProtocolSettings,
    quern_proof::{
        Graph, Operand,
        demand::{DemandPlan, NodeId, Parent, Tree, plan},
        limits::STEP_LEVELS,
        shape::Geometry,
    },
    quern_rules::deadline::{
        FinalizeGate, demand_due, extended, finalize_gate, in_time, passed, reaction_end,
    },
};

/// What a byte of an account locks, in lamports, as in `docs/BENCHMARKS.md`. It comes back when the account closes.
pub const RENT_LAMPORTS_PER_BYTE: u64 = 5_080;
/// Bytes that every account counts beside its data.
pub const ACCOUNT_OVERHEAD_BYTES: u64 = 128;

/// The times that the demand game is played with, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// To answer.
    pub response_secs: u32,
    /// To react to an answer.
    pub react_secs: u32,
    /// What a restart adds.
    pub restart_grace_secs: u32,
}

impl From<&ProtocolSettings> for Windows {
    fn from(params: &ProtocolSettings) -> Self {
        Self {
            response_secs: params.response_secs,
            react_secs: params.react_secs,
            restart_grace_secs: params.restart_grace_secs,
        }
    }
}

impl Windows {
    /// The most that a demand waits for its answer when so many others are open, in seconds.
    pub fn wait_secs(&self, open_demands: u32) -> i64 {
        demand_due(0, self.response_secs, open_demands).unwrap()
    }

    /// How long after the end of the review a job can be held up at most by demands of this depth, while never more than
    /// `open_demands` others are open, without a restart: each level waits for its answer and for the time to react.
    pub fn longest_delay_secs(&self, depth: u32, open_demands: u32) -> i64 {
        i64::from(depth) * (self.wait_secs(open_demands) + i64::from(self.react_secs))
    }
}

/// What a demand stands below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Above {
    /// A root that the chain holds.
    Root,
    /// The root of the tokens.
    TokensRoot,
    /// The answer to this demand.
    Answer(usize),
}

/// A demand of the game.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// Demands above it, itself included.
    pub depth: u32,
    /// Whether it is about the tokens.
    pub is_tokens: bool,
    /// When it was asked; also the slot, which here is the second.
    pub asked_at: i64,
    /// Until when it is to be answered.
    pub due: i64,
    /// When it was.
    pub answered_at: Option<i64>,
}

/// A submitted job under demands: when what may be done, by the rules of `quern-rules`.
#[derive(Clone, Debug)]
pub struct Game {
    windows: Windows,
    review_end: i64,
    last_restart: u64,
    last_answer_at: i64,
    tokens_answered_at: i64,
    open_demands: u32,
    /// Everything that was asked.
    pub demands: Vec<Demand>,
}

impl Game {
    /// A result that was submitted at second 1; its review ends at `review_end`.
    pub fn new(windows: Windows, review_end: i64) -> Self {
        Self {
            windows,
            review_end,
            last_restart: 0,
            last_answer_at: 0,
            tokens_answered_at: 0,
            open_demands: 0,
            demands: Vec::new(),
        }
    }

    fn moved(&self, deadline: i64, began_at: i64) -> i64 {
        let slot = u64::try_from(began_at).unwrap();
        extended(
            deadline,
            slot,
            self.last_restart,
            self.windows.restart_grace_secs,
        )
    }

    /// The cluster restarts.
    pub fn restart(&mut self, now: i64) {
        self.last_restart = u64::try_from(now).unwrap();
    }

    fn is_tokens(&self, above: Above) -> bool {
        match above {
            Above::Root => false,
            Above::TokensRoot => true,
            Above::Answer(parent) => self.demands[parent].is_tokens,
        }
    }

    /// Until when a demand at a root, or below an answered demand, may be asked. Nothing where it has no answer.
    pub fn open_until(&self, above: Above) -> Option<i64> {
        let answered_at = match above {
            Above::Answer(parent) => {
                let parent = self.demands[parent];
                self.moved(parent.answered_at?, parent.asked_at)
            }
            Above::Root | Above::TokensRoot => 0,
        };
        // Whoever waits for the tokens has computed nothing yet.
        let tokens_answered_at = match (self.is_tokens(above), self.tokens_answered_at) {
            (true, _) | (false, 0) => 0,
            (false, at) => self.moved(at, 1),
        };
        let review_end = self.moved(self.review_end, 1);
        let last = answered_at.max(tokens_answered_at);
        Some(reaction_end(review_end, last, self.windows.react_secs))
    }

    /// Asks, if it is still allowed.
    pub fn ask(&mut self, now: i64, above: Above) -> Option<usize> {
        self.ask_among(now, above, 0)
    }

    /// The same while so many other demands are open that are not part of the game.
    pub fn ask_among(&mut self, now: i64, above: Above, others: u32) -> Option<usize> {
        if !in_time(now, self.open_until(above)?) {
            return None;
        }
        let depth = match above {
            Above::Answer(parent) => self.demands[parent].depth + 1,
            Above::Root | Above::TokensRoot => 1,
        };
        let is_tokens = self.is_tokens(above);
        let open_demands = self.open_demands + others;
        self.demands.push(Demand {
            depth,
            is_tokens,
            asked_at: now,
            due: demand_due(now, self.windows.response_secs, open_demands).unwrap(),
            answered_at: None,
        });
        self.open_demands += 1;
        Some(self.demands.len() - 1)
    }

    /// Until when a demand must be answered.
    pub fn due(&self, demand: usize) -> i64 {
        let demand = &self.demands[demand];
        self.moved(demand.due, demand.asked_at)
    }

    /// Answers, if it is in time.
    pub fn answer(&mut self, now: i64, demand: usize) -> bool {
        let is_open = self.demands[demand].answered_at.is_none();
        if !is_open || !in_time(now, self.due(demand)) {
            return false;
        }
        self.demands[demand].answered_at = Some(now);
        self.last_answer_at = now;
        if self.demands[demand].is_tokens {
            self.tokens_answered_at = now;
        }
        self.open_demands -= 1;
        true
    }

    /// Whether somebody may convict for silence.
    pub fn is_silent(&self, now: i64) -> bool {
        (0..self.demands.len())
            .any(|one| self.demands[one].answered_at.is_none() && passed(now, self.due(one)))
    }

    /// Whether the provider may finalize.
    pub fn may_finalize(&self, now: i64) -> bool {
        let last_answer_at = match self.last_answer_at {
            0 => 0,
            at => self.moved(at, 1),
        };
        let gate = finalize_gate(
            false,
            now,
            self.moved(self.review_end, 1),
            last_answer_at,
            self.windows.react_secs,
            0,
        );
        self.open_demands == 0 && gate != FinalizeGate::TooEarly
    }

    /// When the last answer came, 0 without one.
    pub fn last_answer_at(&self) -> i64 {
        self.last_answer_at
    }
}

/// How many demands lead from a root to this one, itself included; nothing if it can't be asked.
pub fn depth_of(graph: &Graph<'_>, items: u32, node_id: NodeId) -> Option<u32> {
    let mut depth = 1;
    let mut asked: DemandPlan = plan(graph, items, &node_id).ok()?;
    while let Parent::Answer { node_id, .. } = asked.parent {
        depth += 1;
        asked = plan(graph, items, &node_id).ok()?;
    }
    Some(depth)
}

/// All operands of a graph: what has a data tree.
pub fn operands(graph: &Graph<'_>) -> Vec<Operand> {
    let ops = (0..graph.op_count() as u16).map(Operand::Op);
    let inputs = (0..graph.input_count() as u16).map(Operand::Input);
    let weights = (0..graph.weight_count() as u16).map(Operand::Weight);
    ops.chain(inputs).chain(weights).collect()
}

/// An operand's tree.
pub fn geometry(graph: &Graph<'_>, items: u32, operand: Operand) -> Geometry {
    graph.geometry(operand, items).unwrap()
}

/// The most demands one after the other that lead to a conviction: those down to the tokens, if there are any, and then those
/// down to anything else.
pub fn deepest(graph: &Graph<'_>, items: u32) -> u32 {
    let tokens = graph.tokens().map(Operand::Input);
    let depth = |operand| {
        let level = geometry(graph, items, operand).height();
        let leaf = NodeId::new(Tree::Data(operand), level, 0);
        depth_of(graph, items, leaf).unwrap()
    };
    let others = operands(graph).into_iter();
    let others = others.filter(|operand| Some(*operand) != tokens);
    tokens.map_or(0, depth) + others.map(depth).max().unwrap()
}

/// How many demands a graph lets anybody ask in all.
pub fn demands(graph: &Graph<'_>, items: u32) -> u64 {
    let trace = graph.trace(items).unwrap();
    let steps = |height: u8| (0..height).step_by(usize::from(STEP_LEVELS));
    let present = |count: u64, height: u8, level: u8| count.div_ceil(1 << (height - level));
    let (all_items, ops) = (u64::from(items), u64::from(trace.ops()));
    let of_trace: u64 = steps(trace.height())
        .map(|level| match level.checked_sub(trace.items_height()) {
            Some(inside) => all_items * present(ops, trace.ops_height(), inside),
            None => present(all_items, trace.items_height(), level),
        })
        .sum();
    let of_data = |tree: Geometry| -> u64 {
        let (rows, leaves) = (u64::from(tree.rows()), u64::from(tree.leaves()));
        steps(tree.height())
            .chain([tree.height()])
            .map(|level| match level.checked_sub(tree.rows_height()) {
                Some(inside) => rows * present(leaves, tree.row_height(), inside),
                None => present(rows, tree.rows_height(), level),
            })
            .sum()
    };
    of_trace
        + operands(graph)
            .into_iter()
            .map(|operand| match operand {
                Operand::Op(_) => all_items * of_data(geometry(graph, items, operand)),
                _ => of_data(geometry(graph, items, operand)),
            })
            .sum::<u64>()
}
