//! The search in a withheld commitment, as far as there are answers: for the tokens of the items that are checked, then for
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
    std::{collections::HashMap, sync::Arc},
};

/// Answers by the demands that they belong to.
pub(crate) type Answers = HashMap<NodeId, Vec<u8>>;

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
    /// This has to be demanded.
    Ask(Ask),
    /// This is wrong.
    Charge {
        charge: Charge,
        evidence: Vec<u8>,
        /// Answers that led there.
        demands: u32,
    },
}

/// The next demand.
pub(crate) struct Ask {
    pub node_id: NodeId,
    /// The answered demand whose answer holds the node.
    pub parent: Option<NodeId>,
    /// At most this many demands are left, this one included.
    pub left: u32,
    /// The answer, where it follows from what was published.
    pub answer: Option<Vec<u8>>,
    /// Whether the result is known to be wrong.
    pub is_wrong: bool,
}

impl Search {
    pub(crate) fn data(&self) -> &Arc<CaseData> {
        match self {
            Self::Tokens { data, .. } => data,
            Self::Difference(own) => &own.data,
        }
    }

    /// Goes on as far as these answers lead.
    pub(crate) fn run(&self, answers: &Answers) -> std::result::Result<Found, StepError> {
        match self {
            Self::Tokens { data, items } => find_tokens(data, items, answers),
            Self::Difference(own) => find_difference(own, answers),
        }
    }
}

/// What a walk works with beside the openings.
struct Walk<'w> {
    graph: Graph<'w>,
    items: u32,
    answers: &'w Answers,
    bound: Bound<'w>,
    /// Answers that were revealed.
    demands: u32,
    is_wrong: bool,
}

impl Walk<'_> {
    /// Reveals the answer to a demand; says what to ask if there is none.
    fn reveal(
        &mut self,
        patched: &mut Patched<'_, '_>,
        node_id: NodeId,
    ) -> std::result::Result<Option<Found>, StepError> {
        if let Some(answer) = self.answers.get(&node_id) {
            patched.reveal(&node_id, answer)?;
            self.demands += 1;
            return Ok(None);
        }
        let plan = demand::plan(&self.graph, self.items, &node_id).map_err(Error::from)?;
        let parent = match plan.parent {
            Parent::Answer { node_id, .. } => Some(node_id),
            _ => None,
        };
        let answer = witness::answer(&self.graph, self.items, &node_id, patched.known());
        let answer = answer.ok();
        let is_answered = |node_id: &NodeId| self.answers.contains_key(node_id);
        Ok(Some(Found::Ask(Ask {
            node_id,
            parent,
            left: self.bound.most_left(&node_id, is_answered),
            answer,
            is_wrong: self.is_wrong,
        })))
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
        let mut all = Vec::new();
        for item in items {
            loop {
                match patched.tokens_of(item)? {
                    TokensStep::Demand(node_id) => {
                        if let Some(ask) = self.reveal(patched, node_id)? {
                            return Ok(ask);
                        }
                    }
                    TokensStep::Charge(charge) => return Ok(self.charge(patched, charge)?),
                    TokensStep::Item { item, tokens } => {
                        all.push((item, tokens));
                        break;
                    }
                    TokensStep::Same => break,
                }
            }
        }
        Ok(Found::Tokens(all))
    }
}

fn known(data: &CaseData, graph: &Graph<'_>) -> Known {
    Known::new(graph, data.items, data.trace_root, data.tokens_root)
}

fn find_tokens(
    data: &CaseData,
    items: &[u32],
    answers: &Answers,
) -> std::result::Result<Found, StepError> {
    let (batch, graph) = (data.batch()?, data.graph()?);
    let whole = Whole::new(&batch)?;
    let mut walk = Walk {
        graph,
        items: data.items,
        answers,
        bound: Bound::new(&graph, data.items, items, false),
        demands: 0,
        is_wrong: false,
    };
    let mut patched = Patched::new(&whole, known(data, &graph));
    walk.tokens(&mut patched, items.iter().copied())
}

fn find_difference(own: &OwnResult, answers: &Answers) -> std::result::Result<Found, StepError> {
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
        answers,
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
                if let Some(found) = walk.reveal(patched, node_id)? {
                    return Ok(Differ::Found(found));
                }
            }
        }
    }
}
