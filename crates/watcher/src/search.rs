//! The search in a withheld commitment, along the answers that there are: for the tokens of the items that are checked, then for
//! the first difference from the own results.

use {
    crate::{
        error::{Result, StepError},
        fees::Bound,
        results::{CaseData, OwnResult},
    },
    quern_proof::{
        Error, NodeId,
        commit::TraceTree,
        demand::{self, Parent},
        evidence::Charge,
        graph::Graph,
        hash::Hash,
        witness::{self, Known, Patched, Step, TokensStep, Whole},
    },
    std::{
        collections::{HashMap, HashSet},
        sync::Arc,
    },
};

/// The demands on the way that are on chain, with their answers.
pub(crate) type OnChain = HashMap<NodeId, Option<Vec<u8>>>;

/// What is looked for.
#[derive(Clone)]
pub(crate) enum Search {
    /// The tokens of these items, which were not published.
    Tokens {
        data: Arc<CaseData>,
        items: Arc<Vec<u32>>,
    },
    /// The first difference from these results.
    Difference(Arc<OwnResult>),
}

/// What a search came to.
pub(crate) enum Found {
    /// There is no difference.
    Same,
    /// These are the tokens of the items.
    Tokens(Vec<(u32, Vec<u8>)>),
    /// All of this has to be demanded.
    Ask(Asks),
    /// This is wrong.
    Charge {
        charge: Charge,
        evidence: Vec<u8>,
        /// Answers that led there.
        demands: u32,
    },
}

/// The next demands: all that may be opened now. What stands below an answer may be asked for only for a while after it, so
/// none of them waits for the answer to another.
pub(crate) struct Asks {
    /// At least one, in the order of the search.
    pub all: Vec<Ask>,
    /// At most this many demands are left that are not on chain yet, these included.
    pub left: u32,
    /// Whether the result is known to be wrong.
    pub is_wrong: bool,
    /// Whether they lead to each item that is checked, so that fewer items take fewer.
    pub is_for_each: bool,
}

/// One demand.
pub(crate) struct Ask {
    pub node_id: NodeId,
    /// The answered demand whose answer holds the node.
    pub parent: Option<NodeId>,
    /// The answer, where it follows from what was published.
    pub answer: Option<Vec<u8>>,
}

impl Search {
    pub(crate) fn data(&self) -> &Arc<CaseData> {
        match self {
            Self::Tokens { data, .. } => data,
            Self::Difference(own) => &own.data,
        }
    }

    /// Goes on to where the answers lead.
    pub(crate) fn run(&self, known: &OnChain) -> std::result::Result<Found, StepError> {
        match self {
            Self::Tokens { data, items } => find_tokens(data, items, known),
            Self::Difference(own) => find_difference(own, known),
        }
    }
}

/// What a walk works with beside the openings.
struct Walk<'w> {
    graph: Graph<'w>,
    items: u32,
    known: &'w OnChain,
    bound: Bound<'w>,
    /// Answers that were revealed.
    demands: u32,
    is_wrong: bool,
}

impl Walk<'_> {
    /// Reveals the answers to demands, each once; says what to ask if none of them is answered.
    fn reveal(
        &mut self,
        patched: &mut Patched<'_, '_>,
        mut demands: Vec<NodeId>,
    ) -> std::result::Result<Option<Found>, StepError> {
        let mut seen = HashSet::new();
        demands.retain(|node_id| seen.insert(*node_id));
        let mut is_answered = false;
        for node_id in &demands {
            if let Some(Some(answer)) = self.known.get(node_id) {
                patched.reveal(node_id, answer)?;
                self.demands += 1;
                is_answered = true;
            }
        }
        if is_answered {
            return Ok(None);
        }
        let first = *demands.first().ok_or(Error::NoSuchPosition)?;
        let is_known = |node_id: &NodeId| self.known.contains_key(node_id);
        let left = self.bound.most_left(&first, is_known);
        let all = demands
            .into_iter()
            .map(|node_id| self.ask(patched, node_id));
        Ok(Some(Found::Ask(Asks {
            all: all.collect::<Result<_>>()?,
            left,
            is_wrong: self.is_wrong,
            is_for_each: !self.bound.knows_above,
        })))
    }

    fn ask(&self, patched: &Patched<'_, '_>, node_id: NodeId) -> Result<Ask> {
        let plan = demand::plan(&self.graph, self.items, &node_id).map_err(Error::from)?;
        let parent = match plan.parent {
            Parent::Answer { node_id, .. } => Some(node_id),
            _ => None,
        };
        let answer = witness::answer(&self.graph, self.items, &node_id, patched.known());
        Ok(Ask {
            node_id,
            parent,
            answer: answer.ok(),
        })
    }

    fn charge(&self, patched: &Patched<'_, '_>, charge: Charge) -> Result<Found> {
        Ok(Found::Charge {
            charge,
            evidence: witness::evidence(&self.graph, self.items, &charge, patched)?,
            demands: self.demands,
        })
    }

    /// The tokens of some items; something else where answers are missing or wrong.
    fn tokens(
        &mut self,
        patched: &mut Patched<'_, '_>,
        items: impl Iterator<Item = u32>,
    ) -> std::result::Result<Found, StepError> {
        let items: Vec<u32> = items.collect();
        loop {
            let (mut all, mut demands) = (Vec::new(), Vec::new());
            for item in &items {
                match patched.tokens_of(*item)? {
                    TokensStep::Demand(_) => demands.extend(patched.token_demands_of(*item)?),
                    TokensStep::Charge(charge) => return Ok(self.charge(patched, charge)?),
                    TokensStep::Item { item, tokens } => all.push((item, tokens)),
                    TokensStep::Same => {}
                }
            }
            if demands.is_empty() {
                return Ok(Found::Tokens(all));
            }
            if let Some(ask) = self.reveal(patched, demands)? {
                return Ok(ask);
            }
        }
    }
}

fn known(data: &CaseData, graph: &Graph<'_>) -> Known {
    Known::new(graph, data.items, data.trace_root, data.tokens_root)
}

fn find_tokens(
    data: &CaseData,
    items: &[u32],
    on_chain: &OnChain,
) -> std::result::Result<Found, StepError> {
    let (batch, graph) = (data.batch()?, data.graph()?);
    let whole = Whole::new(&batch)?;
    let mut walk = Walk {
        graph,
        items: data.items,
        known: on_chain,
        bound: Bound::new(&graph, data.items, items, false),
        demands: 0,
        is_wrong: false,
    };
    let mut patched = Patched::new(&whole, known(data, &graph));
    walk.tokens(&mut patched, items.iter().copied())
}

fn find_difference(own: &OwnResult, on_chain: &OnChain) -> std::result::Result<Found, StepError> {
    let data = &own.data;
    let (batch, graph) = (data.batch()?, data.graph()?);
    let mut whole = Whole::new(&batch)?;
    let sample: Vec<u32> = own.items.keys().copied().collect();
    for (item, examined) in &own.items {
        whole.insert_root(*item, examined.root);
    }
    let tree = |roots: Vec<Hash>| {
        let geometry = graph.trace(data.items).ok_or(Error::NoSuchPosition)?;
        TraceTree::new(geometry, roots)
    };
    let mut known = known(data, &graph);
    let mut is_wrong = own.other_text.is_some();
    if own.is_whole() {
        let above = tree(own.items.values().map(|examined| examined.root).collect())?;
        is_wrong |= above.root() != data.trace_root;
        whole.insert_above(above);
    }
    if let Some(published) = own.published.get() {
        known.learn_above(tree(published.clone())?)?;
    }
    let knows_above = own.is_whole() || own.published.get().is_some();
    let mut walk = Walk {
        graph,
        items: data.items,
        known: on_chain,
        bound: Bound::new(&graph, data.items, &sample, knows_above),
        demands: 0,
        is_wrong,
    };
    loop {
        let mut patched = Patched::new(&whole, known);
        if data.are_tokens_demanded {
            // They were answered; what they reveal leads the tokens to their root.
            match walk.tokens(&mut patched, sample.iter().copied())? {
                Found::Tokens(_) => {}
                other => return Ok(other),
            }
        }
        let item = match differ(&mut walk, &mut patched)? {
            Differ::Item(item) => item,
            Differ::Found(Found::Same) => match own.other_text {
                Some(item) if whole.item(item).is_none() => item,
                Some(item) => {
                    return Err(StepError::Final(format!(
                        "the text of item {item} differs, but nothing below it does"
                    )));
                }
                None => return Ok(Found::Same),
            },
            Differ::Found(found) => return Ok(found),
        };
        walk.is_wrong = true;
        // Before the borrow of the openings ends.
        let learned = patched.into_known();
        whole.insert(item, own.item(&batch, item)?)?;
        known = learned;
    }
}

enum Differ {
    /// The results of this item are needed: it is wrong.
    Item(u32),
    Found(Found),
}

fn differ(
    walk: &mut Walk<'_>,
    patched: &mut Patched<'_, '_>,
) -> std::result::Result<Differ, StepError> {
    loop {
        match patched.step()? {
            Step::Same => return Ok(Differ::Found(Found::Same)),
            Step::Item(item) => return Ok(Differ::Item(item)),
            Step::Charge(charge) => return Ok(Differ::Found(walk.charge(patched, charge)?)),
            Step::Demand(node_id) => {
                let mut demands = match walk.bound.knows_above {
                    true => Vec::new(),
                    false => patched.item_demands()?,
                };
                if !demands.contains(&node_id) {
                    demands = vec![node_id];
                }
                if let Some(found) = walk.reveal(patched, demands)? {
                    return Ok(Differ::Found(found));
                }
            }
        }
    }
}
