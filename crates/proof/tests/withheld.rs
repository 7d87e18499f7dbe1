//! A provider that withholds everything: whoever computed the job demands its way to the first difference and convicts.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Job, Noise, every_op, forged::Forged, small, text, text_of};
use quern_proof::{
    Charge, DType, Error, Graph, Hash, NodeId, Operand, Tensor, Tree,
    builder::GraphBuilder,
    commit::{ItemTrace, TraceTree},
    demand::{self, DemandError, Parent},
    hash::MISSING,
    witness::{Known, Openings, Patched, Step, TokensStep, Whole, answer},
};

/// The results of all items as `change` leaves them, committed to as if they were right.
fn committed<'a>(
    job: &'a Job,
    honest: &Whole<'a>,
    mut change: impl FnMut(u32, &mut Vec<Tensor>),
) -> Whole<'a> {
    let mut whole = Whole::new(&job.batch()).unwrap();
    let mut roots = Vec::new();
    for item in 0..job.items {
        let mut outputs = honest.item(item).unwrap().outputs().to_vec();
        change(item, &mut outputs);
        let trace = ItemTrace::new(outputs).unwrap();
        roots.push(trace.root());
        whole.insert(item, trace).unwrap();
    }
    let trace = job.graph().trace(job.items).unwrap();
    whole.insert_above(TraceTree::new(trace, roots).unwrap());
    whole
}

fn known(job: &Job, trace_root: Hash, tokens_root: Hash) -> Known {
    Known::new(&job.graph(), job.items, trace_root, tokens_root)
}

/// The chain's side of a demand: refuses one whose parent is neither a root nor answered.
#[derive(Default)]
struct Chain {
    answered: Vec<NodeId>,
    /// Answers that the provider had to give.
    questions: u32,
}

impl Chain {
    /// Opens a demand and reveals its answer: what the watcher can write itself, else the provider's.
    fn ask(
        &mut self,
        job: &Job,
        patched: &mut Patched<'_, '_>,
        provider: &impl Openings,
        node_id: NodeId,
    ) {
        let graph = job.graph();
        assert!(
            !self.answered.contains(&node_id),
            "{node_id} was asked twice"
        );
        if let Parent::Answer { node_id: above, .. } =
            demand::plan(&graph, job.items, &node_id).unwrap().parent
        {
            assert!(
                self.answered.contains(&above),
                "{node_id} was asked before {above}"
            );
        }
        let of_provider = answer(&graph, job.items, &node_id, provider).unwrap();
        match answer(&graph, job.items, &node_id, patched.known()) {
            Ok(own) => assert_eq!(own, of_provider),
            Err(Error::NotAtHand(_)) => self.questions += 1,
            Err(error) => panic!("{error}"),
        }
        patched.reveal(&node_id, &of_provider).unwrap();
        self.answered.push(node_id);
    }
}

/// Demands until there is a charge; returns it and how many questions it took, each asked once.
fn walk(job: &Job, patched: &mut Patched<'_, '_>, provider: &impl Openings) -> (Step, u32) {
    walk_on(Chain::default(), job, patched, provider)
}

fn walk_on(
    mut chain: Chain,
    job: &Job,
    patched: &mut Patched<'_, '_>,
    provider: &impl Openings,
) -> (Step, u32) {
    loop {
        match patched.step().unwrap() {
            Step::Demand(node_id) => chain.ask(job, patched, provider, node_id),
            step => return (step, chain.questions),
        }
    }
}

fn convict(
    job: &Job,
    own: &Whole<'_>,
    provider: &impl Openings,
    (root, tokens_root): (Hash, Hash),
) -> (Charge, u32) {
    let mut patched = Patched::new(own, known(job, root, tokens_root));
    let (step, questions) = walk(job, &mut patched, provider);
    let Step::Charge(charge) = step else {
        panic!("no charge after {questions} questions");
    };
    let bytes = job.evidence(&charge, &patched);
    let verdict = job.judge_with(&root, &tokens_root, &charge, &bytes);
    assert_eq!(verdict, Ok(()), "{charge}");
    let most = NodeId::root(Tree::Trace).most_left(&job.graph(), job.items);
    assert!(questions <= most, "{questions} of at most {most}");
    (charge, questions)
}

#[test]
fn a_wrong_cell_of_every_op_is_found_and_convicted() {
    let mut noise = Noise(31);
    for items in [1, 3] {
        let job = every_op(items);
        let own = Whole::compute(&job.batch()).unwrap();
        for op in 0..job.graph().op_count() {
            for _ in 0..3 {
                let wrong = noise.below(items);
                let provider = committed(&job, &own, |item, outputs| {
                    if item == wrong {
                        let data = outputs[op].data_mut();
                        let at = noise.below(data.len() as u32);
                        data[at as usize] ^= 1;
                    }
                });
                let root = provider.trace_root().unwrap();
                let (charge, _) = convict(&job, &own, &provider, (root, MISSING));
                let Charge::Cell { op: charged, .. } = charge else {
                    panic!("{charge}");
                };
                assert_eq!(usize::from(charged), op);
                // With that item alone it goes the same way.
                let mut one = Whole::new(&job.batch()).unwrap();
                let trace = ItemTrace::new(job.batch().item(wrong).unwrap()).unwrap();
                one.insert(wrong, trace).unwrap();
                let (again, _) = convict(&job, &one, &provider, (root, MISSING));
                assert_eq!(again, charge);
            }
        }
        let root = own.trace_root().unwrap();
        let mut patched = Patched::new(&own, known(&job, root, MISSING));
        assert_eq!(walk(&job, &mut patched, &own), (Step::Same, 0));
    }
}

/// An honest provider, and one whose wrong item is not the one that was computed: nothing to charge.
#[test]
fn one_item_of_a_thousand_without_data() {
    let job = small(1_000, 3, 200);
    let honest = Whole::compute(&job.batch()).unwrap();
    let provider = committed(&job, &honest, |item, outputs| {
        if item == 617 {
            outputs[1].data_mut()[450] ^= 4;
        }
    });
    let root = provider.trace_root().unwrap();
    let right = Charge::Cell {
        op: 1,
        row: 617 * 3 + 2,
        col: 50,
        at: 0,
    };
    for (computed, expected) in [(617, Some(right)), (616, None), (3, None)] {
        let mut own = Whole::new(&job.batch()).unwrap();
        let trace = ItemTrace::new(job.batch().item(computed).unwrap()).unwrap();
        own.insert(computed, trace).unwrap();
        match expected {
            Some(charge) => {
                let (found, questions) = convict(&job, &own, &provider, (root, MISSING));
                assert_eq!(found, charge);
                // 10 levels of items and 2 of ops, 2 of rows and 1 of leaves, and the leaf.
                assert_eq!(questions, 3 + 1 + 1);
            }
            None => {
                let mut patched = Patched::new(&own, known(&job, root, MISSING));
                let (step, questions) = walk(&job, &mut patched, &provider);
                assert_eq!(step, Step::Same);
                assert_eq!(questions, 3);
            }
        }
        // With the published item roots the provider is asked nothing about the trees above.
        let roots = (0..1_000).map(|item| provider.item(item).unwrap().root());
        let trace = job.graph().trace(1_000).unwrap();
        let above = TraceTree::new(trace, roots.collect()).unwrap();
        let mut known = known(&job, root, MISSING);
        known.learn_above(above).unwrap();
        let mut patched = Patched::new(&own, known);
        let (step, questions) = walk(&job, &mut patched, &provider);
        assert_eq!(step == Step::Same, expected.is_none());
        // Levels 0 and 4 are opened, too, and the watcher answers them itself. At level 8 begin the ops of an item.
        assert_eq!(questions, if expected.is_none() { 0 } else { 3 });
        if let Step::Charge(charge) = step {
            let bytes = job.evidence(&charge, &patched);
            assert_eq!(job.judge(&root, &charge, &bytes), Ok(()));
        }
    }
    let mut other = known(&job, [1; 32], MISSING);
    let trace = job.graph().trace(1_000).unwrap();
    let above = TraceTree::new(trace, vec![[2; 32]; 1_000]).unwrap();
    assert!(other.learn_above(above).is_err());
}

/// Whoever kept only the roots of the items that it computed is told which one to compute again.
#[test]
fn roots_alone_lead_to_the_wrong_item() {
    let job = small(21, 3, 200);
    let honest = Whole::compute(&job.batch()).unwrap();
    let provider = committed(&job, &honest, |item, outputs| {
        if item == 13 {
            outputs[2].data_mut()[9] ^= 4;
        }
    });
    let root = provider.trace_root().unwrap();
    for sample in [(0..21).collect(), vec![4, 13, 20], vec![13], vec![2, 5]] {
        let mut own = Whole::new(&job.batch()).unwrap();
        for item in &sample {
            own.insert_root(*item, honest.item(*item).unwrap().root());
        }
        let mut patched = Patched::new(&own, known(&job, root, MISSING));
        let (step, questions) = walk(&job, &mut patched, &provider);
        if !sample.contains(&13) {
            assert_eq!(step, Step::Same);
            continue;
        }
        assert_eq!(step, Step::Item(13), "after {questions} questions");
        let known = patched.into_known();
        let trace = ItemTrace::new(job.batch().item(13).unwrap()).unwrap();
        own.insert(13, trace).unwrap();
        let mut patched = Patched::new(&own, known);
        // What was answered stays answered.
        let mut chain = Chain::default();
        for (level, index) in [(0, 0), (4, 0), (4, 2), (4, 6), (4, 10)] {
            let node_id = NodeId::new(Tree::Trace, level, index);
            chain.answered.push(node_id);
        }
        let (step, _) = walk_on(chain, &job, &mut patched, &provider);
        let Step::Charge(charge) = step else {
            panic!("{step:?}");
        };
        let bytes = job.evidence(&charge, &patched);
        assert_eq!(job.judge(&root, &charge, &bytes), Ok(()));
    }
}

/// The tokens of any item can be demanded by whoever knows none of them.
#[test]
fn tokens_of_a_chosen_item() {
    let job = text_of(5, 70);
    let provider = Whole::compute(&job.batch()).unwrap();
    let mut unknown = job.inputs.clone();
    unknown[1] = Tensor::from_i32(5, 70, &[0; 350]).unwrap();
    let blank = Job {
        bytes: job.bytes.clone(),
        items: 5,
        inputs: unknown,
        weights: job.weights.clone(),
    };
    let own = Whole::new(&blank.batch()).unwrap();
    let root = provider.trace_root().unwrap();
    let mut patched = Patched::new(&own, known(&job, root, job.tokens_root()));
    let mut chain = Chain::default();
    for item in [3, 1] {
        loop {
            match patched.tokens_of(item).unwrap() {
                TokensStep::Demand(node_id) => chain.ask(&job, &mut patched, &provider, node_id),
                TokensStep::Item { item: of, tokens } => {
                    assert_eq!((of, &tokens[..]), (item, job.inputs[1].row(item).unwrap()));
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(patched.tokens_of(8).is_err());
}

/// One op: its data root is the item root, published or not.
#[test]
fn a_graph_of_one_op() {
    for items in [1, 5] {
        let mut b = GraphBuilder::new();
        let x = b.input_item(DType::I8, 2, 3);
        b.mix(x).push();
        let job = Job {
            bytes: b.finish().unwrap(),
            items,
            inputs: vec![Noise(1).tensor(DType::I8, 2 * items, 3)],
            weights: vec![],
        };
        let own = Whole::compute(&job.batch()).unwrap();
        let provider = committed(&job, &own, |item, outputs| {
            if item == items - 1 {
                outputs[0].data_mut()[5] ^= 1;
            }
        });
        let root = provider.trace_root().unwrap();
        let (charge, _) = convict(&job, &own, &provider, (root, MISSING));
        let row = 2 * items - 1;
        assert_eq!(
            charge,
            Charge::Cell {
                op: 0,
                row,
                col: 2,
                at: 0
            }
        );
        let roots = (0..items).map(|item| provider.item(item).unwrap().root());
        let trace = job.graph().trace(items).unwrap();
        let mut known = known(&job, root, MISSING);
        known
            .learn_above(TraceTree::new(trace, roots.collect()).unwrap())
            .unwrap();
        let mut patched = Patched::new(&own, known);
        let (step, _) = walk(&job, &mut patched, &provider);
        assert_eq!(step, Step::Charge(charge));
    }
}

/// Padding that an answer shows is charged before any value, also beside a wrong cell of the same row.
#[test]
fn wrong_padding_is_charged_first() {
    let job = every_op(3);
    let own = Whole::compute(&job.batch()).unwrap();
    let tree = job.graph().geometry(Operand::Op(12), 3).unwrap();
    let last = NodeId::in_item(12, 1, tree.height(), tree.leaf_position(4, 9).unwrap());
    let mut leaf = own.leaf(last).unwrap();
    leaf[0] ^= 1;
    leaf[100] = 1;
    let row_end = tree.leaf_position(4, 13).unwrap();
    let cases = [
        // A missing item, a missing op, a missing leaf of a row beside a wrong cell, a missing row, bytes of a leaf.
        (vec![], NodeId::new(Tree::Trace, 4, 12)),
        (vec![], NodeId::new(Tree::Trace, 6, 31)),
        (
            vec![(last, leaf)],
            NodeId::in_item(12, 1, tree.height(), row_end),
        ),
        (vec![], NodeId::in_item(12, 1, 4, 12)),
    ];
    for (leaves, missing) in cases {
        let provider = Forged::new(&own, &leaves, &[(missing, [5; 32])]);
        let (charge, _) = convict(&job, &own, &provider, (provider.trace_root(), MISSING));
        // The same node, or one above it that is wholly missing, too: both are wrong.
        let Charge::Padding(NodeId { tree, level, index }) = charge else {
            panic!("{charge}");
        };
        assert_eq!(tree, missing.tree);
        assert_eq!(index, missing.index >> (missing.level - level), "{charge}");
    }
    let provider = Forged::new(&own, &[(last, leaf)], &[]);
    let (charge, _) = convict(&job, &own, &provider, (provider.trace_root(), MISSING));
    assert_eq!(charge, Charge::Padding(last));
}

/// What an opener does about tokens that are withheld: it demands those of the first item that differs, computes that item
/// from them, and goes on. Returns the charge and the questions about tokens and about the rest.
fn convict_text(job: &Job, provider: &Whole<'_>, claimed: &Tensor) -> (Option<Charge>, (u32, u32)) {
    let root = provider.trace_root().unwrap();
    let tokens_root = quern_proof::commit::data_root(claimed);
    let own = Whole::compute(&job.batch()).unwrap();
    let mut patched = Patched::new(&own, known(job, root, tokens_root));
    let mut chain = Chain::default();
    let (item, tokens) = loop {
        match patched.step_tokens().unwrap() {
            TokensStep::Same => break (None, vec![]),
            TokensStep::Item { item, tokens } => break (Some(item), tokens),
            TokensStep::Charge(charge) => panic!("{charge}"),
            // All that may be asked now, before any answer.
            TokensStep::Demand(first) => {
                let demands = patched.token_demands().unwrap();
                assert_eq!(demands.first(), Some(&first));
                for node_id in demands {
                    chain.ask(job, &mut patched, provider, node_id);
                }
            }
        }
    };
    let known = patched.into_known();
    let about_tokens = core::mem::take(&mut chain.questions);
    let mut other = Job {
        bytes: job.bytes.clone(),
        items: job.items,
        inputs: job.inputs.clone(),
        weights: job.weights.clone(),
    };
    let batch;
    let mut from_claimed;
    let own = match item {
        None => &own,
        Some(item) => {
            let start = item as usize * tokens.len();
            let of_item = &mut other.inputs[1].data_mut()[start..][..tokens.len()];
            of_item.copy_from_slice(&tokens);
            batch = other.batch();
            from_claimed = Whole::new(&batch).unwrap();
            let trace = ItemTrace::new(batch.item(item).unwrap()).unwrap();
            from_claimed.insert(item, trace).unwrap();
            &from_claimed
        }
    };
    let mut patched = Patched::new(own, known);
    let (step, questions) = walk_on(chain, job, &mut patched, provider);
    let Step::Charge(charge) = step else {
        return (None, (about_tokens, questions));
    };
    let bytes = job.evidence(&charge, &patched);
    let verdict = job.judge_with(&root, &tokens_root, &charge, &bytes);
    assert_eq!(verdict, Ok(()), "{charge}");
    (Some(charge), (about_tokens, questions))
}

#[test]
fn tokens_that_are_withheld() {
    let job = text(5);
    // Honest: nothing is asked.
    let honest = Whole::compute(&job.batch()).unwrap();
    let (charge, questions) = convict_text(&job, &honest, &job.inputs[1]);
    assert_eq!((charge, questions), (None, (0, 0)));

    // Another text in item 3, honestly computed: FEEDBACK says so.
    let mut lie = text(5);
    lie.inputs[1].data_mut()[3 * 160 + 120] ^= 1;
    let provider = Whole::compute(&lie.batch()).unwrap();
    let (charge, (about_tokens, _)) = convict_text(&job, &provider, &lie.inputs[1]);
    assert_eq!(charge, Some(Charge::Tokens { item: 3 }));
    // 3 levels of items and 1 inside the row are one question; then both leaves.
    assert_eq!(about_tokens, 1 + 2);

    // The same with FEEDBACK forged to fit: then its cell is wrong.
    let forged = committed(&lie, &provider, |item, outputs| {
        if item == 3 {
            let row = lie.inputs[1].row(3).unwrap();
            outputs[3].data_mut().copy_from_slice(row);
        }
    });
    let (charge, _) = convict_text(&job, &forged, &lie.inputs[1]);
    let Some(Charge::Cell { op: 3, row: 3, .. }) = charge else {
        panic!("{charge:?}");
    };
    // A wrong logit under an honest text.
    let forged = committed(&job, &honest, |item, outputs| {
        if item == 2 {
            outputs[1].data_mut()[7] ^= 1;
        }
    });
    let (charge, _) = convict_text(&job, &forged, &job.inputs[1]);
    let Some(Charge::Cell { op: 1, row: 80, .. }) = charge else {
        panic!("{charge:?}");
    };
}

/// Padding inside the tokens' row: 70 tokens fill 2 of 4 leaves and a part of the third.
#[test]
fn wrong_padding_of_withheld_tokens() {
    let job = text_of(5, 70);
    let own = Whole::compute(&job.batch()).unwrap();
    let tokens = Operand::Input(1);
    let tree = job.graph().geometry(tokens, 5).unwrap();
    assert_eq!((tree.leaves(), tree.row_height()), (3, 2));
    let place = |k| {
        NodeId::new(
            Tree::Data(tokens),
            tree.height(),
            tree.leaf_position(3, k).unwrap(),
        )
    };
    let (last, missing) = (place(2), place(3));
    let mut leaf = own.leaf(last).unwrap();
    leaf[100] = 1;
    let providers = [
        (Forged::new(&own, &[(last, leaf)], &[]), last),
        (Forged::new(&own, &[], &[(missing, [5; 32])]), missing),
    ];
    for (provider, wrong) in providers {
        let (root, tokens_root) = (provider.trace_root(), provider.tokens_root());
        assert_eq!(Some(root), own.trace_root());
        assert_ne!(tokens_root, job.tokens_root());
        let mut patched = Patched::new(&own, known(&job, root, tokens_root));
        let mut chain = Chain::default();
        let charge = loop {
            match patched.step_tokens().unwrap() {
                TokensStep::Charge(charge) => break charge,
                TokensStep::Demand(node_id) => chain.ask(&job, &mut patched, &provider, node_id),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(charge, Charge::Padding(wrong));
        let bytes = job.evidence(&charge, &patched);
        let verdict = job.judge_with(&root, &tokens_root, &charge, &bytes);
        assert_eq!(verdict, Ok(()));
        // The same charge against who gave the right tokens is refused.
        let honest = job.evidence(&charge, &own);
        assert!(job.judge(&root, &charge, &honest).is_err());
        assert!(job.judge(&root, &charge, &bytes).is_err());
    }
}

#[test]
fn answers_that_are_wrong_are_refused() {
    let job = every_op(3);
    let own = Whole::compute(&job.batch()).unwrap();
    let root = own.trace_root().unwrap();
    let graph = job.graph();
    let mut patched = Patched::new(&own, known(&job, root, MISSING));
    let first = NodeId::root(Tree::Trace);
    let mut bytes = answer(&graph, 3, &first, &own).unwrap();
    bytes[5] ^= 1;
    assert!(patched.reveal(&first, &bytes).is_err());
    bytes[5] ^= 1;
    assert!(patched.reveal(&first, &bytes[..256]).is_err());
    // Not known yet.
    let below = NodeId::new(Tree::Trace, 4, 0);
    let of_below = answer(&graph, 3, &below, &own).unwrap();
    assert!(patched.reveal(&below, &of_below).is_err());
    patched.reveal(&first, &bytes).unwrap();
    patched.reveal(&below, &of_below).unwrap();
}

/// What may be demanded, where its node is known from, and that every parent may be demanded, too.
#[test]
fn every_demand_has_a_parent() {
    for job in [every_op(3), text(5), small(1, 2, 130), small(3, 2, 3)] {
        let graph = job.graph();
        let whole = Whole::compute(&job.batch()).unwrap();
        let trace = graph.trace(job.items).unwrap();
        let mut trees = vec![(Tree::Trace, trace.height(), 1)];
        for op in 0..graph.op_count() as u16 {
            let operand = Operand::Op(op);
            let height = graph.geometry(operand, job.items).unwrap().height();
            trees.push((Tree::Data(operand), height, u64::from(job.items)));
        }
        for input in 0..graph.input_count() as u16 {
            let operand = Operand::Input(input);
            let height = graph.geometry(operand, job.items).unwrap().height();
            trees.push((Tree::Data(operand), height, 1));
        }
        for (tree, height, roots) in trees {
            for level in 0..=height + 1 {
                for index in 0..roots << level {
                    check_demand(&job, &whole, NodeId::new(tree, level, index), height);
                }
                let beyond = NodeId::new(tree, level, roots << level);
                let refused = demand::plan(&graph, job.items, &beyond);
                assert_eq!(refused, Err(DemandError::NoSuchNode), "{beyond}");
            }
        }
    }
}

fn check_demand(job: &Job, whole: &Whole<'_>, node_id: NodeId, height: u8) {
    let graph = job.graph();
    let plan = match demand::plan(&graph, job.items, &node_id) {
        Ok(plan) => plan,
        Err(error) => {
            let is_step = node_id.level.is_multiple_of(4) && node_id.level < height;
            let is_leaf = node_id.level == height && node_id.tree != Tree::Trace;
            assert_eq!(
                error == DemandError::Missing && (is_step || is_leaf),
                is_step || is_leaf
            );
            return;
        }
    };
    let node = whole.node(node_id).unwrap();
    let bytes = answer(&graph, job.items, &node_id, whole).unwrap();
    assert!(demand::answers(
        node_id.tree.tag(),
        plan.is_leaf,
        &node,
        &bytes
    ));
    match plan.parent {
        Parent::Answer { node_id, place } => {
            assert!(demand::plan(&graph, job.items, &node_id).is_ok());
            let bytes = answer(&graph, job.items, &node_id, whole).unwrap();
            assert_eq!(demand::node_at(&bytes, place), Some(&node));
        }
        Parent::TraceRoot => assert_eq!(Some(node), whole.trace_root()),
        Parent::TokensRoot => assert_eq!(node, job.tokens_root()),
        Parent::InputRoot(input) => assert_eq!(node, job.input_roots()[usize::from(input)]),
        Parent::WeightRoot(_) => panic!("no weight was asked for"),
    }
}

/// The shapes of all-MiniLM-L6-v2 for a batch of 1,000 sentences of 128 tokens: 10 to 11 questions lead to a leaf.
#[test]
fn questions_of_a_sentence_transformer() {
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I8, 128, 384);
    let w = b.weight_root(DType::I8, 1_536, 384, &[0; 32]);
    let mut last = x;
    for _ in 0..99 {
        last = b.mix(last).push();
    }
    b.dot(last, w).push();
    let bytes = b.finish().unwrap();
    let graph = Graph::parse(&bytes).unwrap();
    let root = NodeId::root(Tree::Trace);
    // 10 + 7 levels of items and ops; 7 + 6 of rows and leaves; a leaf.
    assert_eq!(root.most_left(&graph, 1_000), 5 + 4 + 1);
    assert_eq!(root.most_left(&graph, 4_000), 5 + 4 + 1);
    assert_eq!(root.most_left(&graph, 100_000), 6 + 4 + 1);
}

/// The deepest trees that the limits allow take 15 questions.
#[test]
fn the_deepest_tree_takes_fifteen_questions() {
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I32, 1, 1 << 20);
    for _ in 0..1_024 {
        b.mix(x).push();
    }
    let bytes = b.finish().unwrap();
    let graph = Graph::parse(&bytes).unwrap();
    let most = NodeId::root(Tree::Trace).most_left(&graph, 1 << 24);
    assert!(most <= 15, "{most}");
}
