//! Providers that publish nothing, played to the end: demands in the last second, answers in the last second, and a conviction
//! by whoever computed what was withheld.

use {
    super::common::*,
    quern_proof::{commit::ItemTrace, limits::MAX_ROWS, path},
};

/// What the chain knows of a job's result.
fn known(stage: &Stage, job: &Pubkey, claim: &Claim) -> Known {
    let state = stage.job(job);
    Known::new(
        &claim.parsed(),
        claim.items,
        state.trace_root,
        state.tokens_root,
    )
}

/// Asks at once, has the provider answer each in its last second, and reads the answers where they are kept. Then the time to
/// react passes, but for its last second.
fn ask_together(
    stage: &mut Stage,
    job: &Pubkey,
    claim: &Claim,
    demands: &[NodeId],
) -> Vec<(NodeId, Vec<u8>)> {
    let asked: Vec<Pubkey> = demands
        .iter()
        .map(|node_id| stage.ask(job, claim, node_id))
        .collect();
    let mut answers = Vec::new();
    for (node_id, demand) in demands.iter().zip(asked) {
        let state = stage.get::<Demand>(&demand);
        stage.set_time(state.due.get());
        stage.answer(job, claim, node_id);
        let data = stage.svm.get_account(&demand).unwrap().data;
        let answer = Demand::answer_of(&data, state.answer_bytes.get()).unwrap();
        answers.push((*node_id, answer.to_vec()));
    }
    stage.wait(REACT);
    answers
}

/// Demands until there is a charge, or nothing differs; also how many demands there were.
fn walk(
    stage: &mut Stage,
    job: &Pubkey,
    claim: &Claim,
    patched: &mut Patched<'_, '_>,
) -> (Option<Charge>, u32) {
    let mut asked = 0;
    loop {
        match patched.step().unwrap() {
            Step::Same => return (None, asked),
            Step::Item(item) => panic!("the results of item {item} are at hand"),
            Step::Charge(charge) => return (Some(charge), asked),
            Step::Demand(node_id) => {
                asked += 1;
                for (node_id, answer) in ask_together(stage, job, claim, &[node_id]) {
                    patched.reveal(&node_id, &answer).unwrap();
                }
            }
        }
    }
}

/// Convicts by what was revealed, and pays out.
fn convict(stage: &mut Stage, job: &Pubkey, claim: &Claim, charge: &Charge, by: &Patched<'_, '_>) {
    let evidence = witness::evidence(&claim.parsed(), claim.items, charge, by).unwrap();
    let convict = stage.inline(job, charge, &evidence);
    stage.send_v1(&[convict]).unwrap();
    stage.ok(ix::settle_conviction(&stage.job(job)));
}

/// One wrong item of a thousand, and a watcher that has computed one item: it convicts exactly if it is that one.
#[test]
fn one_wrong_item_of_a_thousand_is_convicted_by_who_computed_it() {
    let honest = tiny_of(1_000);
    let (op, row) = (6, 617 * 2 + 1);
    let claim = honest.with_wrong_cell(op, row, 1);
    let batch = honest.batch();
    for (computed, is_found) in [(617, true), (616, false)] {
        let mut stage = Stage::new();
        let job = stage.submitted_for(&claim);
        let mut own = Whole::new(&batch).unwrap();
        let trace = ItemTrace::new(batch.item(computed).unwrap()).unwrap();
        own.insert(computed, trace).unwrap();
        let mut patched = Patched::new(&own, known(&stage, &job, &claim));
        let (charge, asked) = walk(&mut stage, &job, &claim, &mut patched);
        assert_eq!(charge.is_some(), is_found);
        // Ten levels of items; then four of ops, and one of rows with the leaf below.
        assert_eq!(asked, if is_found { 3 + 1 + 2 } else { 3 });
        if let Some(charge) = charge {
            assert_eq!(charge, charge_of(&claim, &honest, (op, row, 1)));
            convict(&mut stage, &job, &claim, &charge, &patched);
        }
    }
}

/// A wrong cell beside wrong padding in one leaf: each alone convicts, and who must ask finds the padding first.
#[test]
fn a_wrong_cell_beside_bad_padding_is_convicted_for_either() {
    let honest = every_op();
    // The second item's first row: 140 values of i8 fill one leaf and 12 bytes of the next.
    let (op, row, col) = (10, 3, 139);
    let mut claim = honest.clone();
    claim.corrupt(op, row, col);
    let (node_id, _) = claim.locate(Operand::Op(op), 1, 0, col);
    let beside = Charge::Padding(node_id);
    claim.spoil_padding(&beside);
    let of_cell = charge_of(&claim, &honest, (op, row, col));
    let mut court = Court::of(&claim);
    for charge in [of_cell, beside] {
        let evidence = claim.evidence(&charge);
        let verdict = court.convict_as_native(&claim, &charge, &evidence);
        assert_eq!(verdict, Ok(()), "{charge}");
    }
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let batch = honest.batch();
    let own = Whole::compute(&batch).unwrap();
    let mut patched = Patched::new(&own, known(&stage, &job, &claim));
    let (charge, _) = walk(&mut stage, &job, &claim, &mut patched);
    assert_eq!(charge, Some(beside));
    convict(&mut stage, &job, &claim, &beside, &patched);
}

/// The slowest provider of a text: it withholds tokens and trace and answers everything in the last second. Who checks demands
/// the tokens of the first item that differs, computes that item from them, demands on, and convicts; nobody finalizes before.
#[test]
fn withheld_tokens_are_convicted_in_the_end() {
    let honest = text(3);
    let mut given = honest.inputs[1].clone();
    let last = given.data().len() - 4;
    given.data_mut()[last] ^= 1;
    // Other tokens, honestly computed on from; and right tokens over a wrong logit.
    let other_text = honest.with_tokens(given);
    let wrong_logit = honest.with_wrong_cell(1, 2 * 40 + 7, 3);
    let expected = [Charge::Tokens { item: 2 }, cell(1, 2 * 40 + 7, 3)];
    for (claim, expected) in [other_text, wrong_logit].into_iter().zip(expected) {
        let mut stage = Stage::new();
        let job = stage.submitted_for(&claim);
        stage.at_deadline(&job, 0);
        let (own_batch, mut rounds) = (honest.batch(), 0);
        let own = Whole::compute(&own_batch).unwrap();
        let mut patched = Patched::new(&own, known(&stage, &job, &claim));
        let differs = loop {
            match patched.step_tokens().unwrap() {
                TokensStep::Same => break None,
                TokensStep::Item { item, tokens } => break Some((item, tokens)),
                TokensStep::Charge(charge) => panic!("{charge}"),
                TokensStep::Demand(first) => {
                    let demands = patched.token_demands().unwrap();
                    assert_eq!(demands[0], first);
                    rounds += 1;
                    for (node_id, answer) in ask_together(&mut stage, &job, &claim, &demands) {
                        patched.reveal(&node_id, &answer).unwrap();
                    }
                }
            }
        };
        // The tree above the leaves, then both leaves of the row.
        assert_eq!(rounds, if differs.is_some() { 2 } else { 0 });
        let known = patched.into_known();
        // The watcher's own computation, of the one item from the tokens that it was shown.
        let mut inputs = honest.inputs.clone();
        if let Some((item, tokens)) = &differs {
            let start = *item as usize * tokens.len();
            inputs[1].data_mut()[start..start + tokens.len()].copy_from_slice(tokens);
        }
        let shown = Claim::honest(honest.graph.clone(), 3, inputs, honest.weights.clone());
        let batch = shown.batch();
        let mut from_tokens = Whole::new(&batch).unwrap();
        for item in differs.map_or(0..3, |(item, _)| item..item + 1) {
            let trace = ItemTrace::new(batch.item(item).unwrap()).unwrap();
            from_tokens.insert(item, trace).unwrap();
        }
        let mut patched = Patched::new(&from_tokens, known);
        let (charge, more) = walk(&mut stage, &job, &claim, &mut patched);
        assert_eq!(charge, Some(expected));
        assert!(more > 0);
        let (provider, state) = (stage.cast.provider, stage.job(&job));
        let finalize = ix::finalize(&provider, &state, &stage.emission());
        stage.refused(finalize, QuernError::TooEarly);
        convict(&mut stage, &job, &claim, &expected, &patched);
    }
}

/// A job on as many items as there can be, where work costs nothing; the provider has taken it.
fn taken_for_its_price(stage: &mut Stage, graph: &[u8], input_roots: Vec<[u8; 32]>) -> Pubkey {
    let (creator, client, usd) = (stage.cast.creator, stage.cast.client, stage.usd);
    let rates = rates_with(|rates| {
        (rates.price_per_gwork_atoms, rates.bond_per_gwork_atoms) = (0, 0);
    });
    let settings = MintSettings {
        enabled: true,
        rates,
    };
    stage.ok(ix::update_mint(
        &stage.cast.authority.clone(),
        &usd,
        settings,
    ));
    for instruction in ix::register_whole_model(&creator, model_args(56, 0), graph) {
        stage.ok(instruction);
    }
    let args = NewJob {
        items: MAX_ROWS,
        input_roots,
        ..stage.refereed()
    };
    let opened = stage.get::<Purse>(&addresses::purse(&client, &usd)).opened;
    let model = addresses::model(&creator, 56);
    let create = stage.create_ix_of(&client, &usd, Some(&model), args);
    stage.ok(create);
    let job = addresses::job(&client, &usd, opened.get());
    stage.take(&job);
    job
}

/// The longest paths that there can be: 2^24 items, and 2^24 rows of 2^15 leaves. Such trees are too large to build; the judge
/// sees one leaf of each and the nodes beside its path, which can be anything.
#[test]
fn a_cell_of_the_largest_trees_is_judged() {
    const COLS: u32 = quern_proof::limits::MAX_COLS;
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I32, 1, 1);
    let (place, mut rng) = (u64::from(MAX_ROWS - 1), Rng::new(4));
    let mut siblings = |count: usize| -> Vec<[u8; 32]> {
        let all = std::iter::repeat_with(|| [rng.bits() as u8; 32]);
        all.take(count).collect()
    };
    let of_rows = siblings(24);
    let [of_table, of_op] = [siblings(24 + 15), siblings(15)];
    let of_items = siblings(24);
    let leaf = |value: u32| {
        let mut leaf = [0; 128];
        leaf[124..].copy_from_slice(&value.to_le_bytes());
        leaf
    };
    let climb = |tag, leaf: &[u8; 128], index, siblings: &[_]| {
        path::climb(tag, quern_proof::hash::leaf(leaf), index, siblings)
    };
    // Item 2^24 - 1 looks up row 2^24 - 1 of a table; what it finds there in the last column is 7.
    let mut asked = [0; 128];
    asked[..4].copy_from_slice(&(MAX_ROWS - 1).to_le_bytes());
    let input_root = climb(Tag::Data, &asked, place, &of_rows);
    let found = leaf(7);
    let table_root = climb(Tag::Data, &found, (1 << 39) - 1, &of_table);
    let table = b.weight_root(DType::I32, MAX_ROWS, COLS, &table_root);
    b.gather(x, table, 1).push();
    let bytes = b.finish().unwrap();
    let charge = cell(0, MAX_ROWS - 1, COLS - 1);
    for claimed in [7, 8] {
        let item_root = climb(Tag::Data, &leaf(claimed), (1 << 15) - 1, &of_op);
        let trace_root = path::climb(Tag::Trace, item_root, place, &of_items);
        let evidence = [
            &item_root[..],
            of_items.as_flattened(),
            &leaf(claimed),
            of_op.as_flattened(),
            &asked,
            of_rows.as_flattened(),
            &found,
            of_table.as_flattened(),
        ]
        .concat();
        let mut stage = Stage::new();
        let job = taken_for_its_price(&mut stage, &bytes, vec![input_root]);
        stage.submit_root(&job, trace_root);
        let convict = stage.inline(&job, &charge, &evidence);
        match claimed {
            7 => refused(&mut stage, convict, Refusal::NothingWrong),
            _ => {
                let outcome = stage.send_v1(&[convict]).unwrap();
                println!(
                    "{} bytes, {} compute units",
                    evidence.len(),
                    outcome.compute_units
                );
                assert!(outcome.compute_units < 60_000);
            }
        }
    }
}
