//! `convict`: cells of every op, padding of every tree, and no honest provider.

use super::common::*;

#[test]
fn a_wrong_cell_of_every_op_is_convicted_inline() {
    let honest = every_op();
    for (op, row, col) in corners(&honest) {
        let mut claim = honest.clone();
        claim.corrupt(op, row, col);
        let mut stage = Stage::new();
        let job = stage.submitted_for(&claim);
        let cast = stage.cast.clone();
        let charge = charge_of(&claim, &honest, (op, row, col));
        let evidence = claim.evidence(&charge);
        let convict = stage.inline(&job, &charge, &evidence);
        let outcome = stage.send_v1(&[convict]).unwrap();
        assert!(outcome.bytes <= MAX_V1_TRANSACTION_BYTES);
        let QuernEvent::JobConvicted(event) = outcome.event() else {
            panic!("{:?}", outcome.events)
        };
        assert_eq!(
            (event.job, event.client, event.provider, event.prover),
            (job, cast.client, cast.provider, cast.prover)
        );
        assert!(
            matches!(event.conviction, Conviction::WrongCell { op: o, row: r, col: c, .. } if (o, r, c) == (op, row, col)),
            "{:?}",
            event.conviction
        );
        assert_eq!((event.submission, event.mint), (1, stage.usd));
        let state = stage.job(&job);
        assert_eq!(
            (state.state, state.prover, state.conviction_reason),
            (JobState::Convicted as u8, cast.prover, 1)
        );
        // Recorded once; then the bond of 20,000 is split and the escrow of 10,000 released.
        let again = stage.inline(&job, &charge, &evidence);
        stage.refused(again, QuernError::WrongState);
        let before = [cast.prover, cast.client, cast.treasury].map(|who| stage.usd_of(&who).0);
        stage.ok(ix::settle_conviction(&state));
        let after = [cast.prover, cast.client, cast.treasury].map(|who| stage.usd_of(&who).0);
        let gains: Vec<u64> = after.iter().zip(before).map(|(a, b)| a - b).collect();
        assert_eq!(gains, [8_000, 10_000 + 4_000, 8_000]);
        assert_eq!(stage.provider_of(&cast.provider).convicted.get(), 1);
        assert!(!stage.exists(&job));
    }
}

#[test]
fn a_wrong_cell_of_every_op_is_convicted_from_an_account() {
    let honest = every_op();
    for (op, row, col) in corners(&honest) {
        let mut claim = honest.clone();
        claim.corrupt(op, row, col);
        let mut stage = Stage::new();
        let job = stage.submitted_for(&claim);
        let cast = stage.cast.clone();
        let charge = charge_of(&claim, &honest, (op, row, col));
        let before = stage.lamports(&cast.prover);
        let evidence = stage.write_down(&cast.prover, "of a cell", &claim.evidence(&charge));
        // Anybody may bring it in; the author has proved it.
        let convict = ix::convict(
            &cast.stranger,
            &stage.job(&job),
            &charge,
            ix::Proof::Account(evidence),
        );
        stage.ok(convict);
        assert_eq!(stage.job(&job).prover, cast.prover);
        stage.ok(ix::close_evidence(&cast.prover, &evidence));
        assert_eq!(
            stage.lamports(&cast.prover),
            before,
            "evidence costs nothing but fees"
        );
        stage.ok(ix::settle_conviction(&stage.job(&job)));
    }
}

/// The example of the goals: one cell of a product of 1000 x 1000 by 1000 x 1000, in one transaction.
#[test]
fn a_cell_of_a_large_product_fits_into_one_transaction() {
    let mut claim = product(1_000);
    claim.corrupt(0, 999, 998);
    let charge = cell(0, 999, 998);
    let evidence = claim.evidence(&charge);
    println!("{} bytes of evidence", evidence.len());
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let other = stage.inline(&job, &cell(0, 998, 999), &evidence);
    assert!(stage.try_send_v1(&[other]).is_err());
    let convict = stage.inline(&job, &charge, &evidence);
    let outcome = stage.send_v1(&[convict]).unwrap();
    println!(
        "{} bytes, {} compute units",
        outcome.bytes, outcome.compute_units
    );
    assert!(outcome.bytes <= MAX_V1_TRANSACTION_BYTES);
    assert!(
        outcome.compute_units < 30_000,
        "{} compute units",
        outcome.compute_units
    );
}

/// The dearest cells that a graph may have: each is judged within one transaction.
#[test]
fn the_dearest_cells_are_judged_within_a_transaction() {
    for (name, claim, honest) in dearest() {
        let (op, row, col) = (0, 0, claim.outputs[0][0].cols() - 1);
        let charge = charge_of(&claim, &honest, (op, row, col));
        let mut stage = Stage::new();
        let job = stage.submitted_for(&claim);
        let prover = stage.cast.prover;
        let bytes = claim.evidence(&charge);
        let evidence = stage.write_down(&prover, name, &bytes);
        let proof = ix::Proof::Account(evidence);
        let outcome = stage.ok(ix::convict(&prover, &stage.job(&job), &charge, proof));
        println!(
            "{name}: {} bytes of evidence, {} compute units",
            bytes.len(),
            outcome.compute_units
        );
        assert!(
            outcome.compute_units < 1_400_000,
            "{} compute units",
            outcome.compute_units
        );
    }
}

/// What one cell of each kind costs in an encoder of 6 layers on 128 words, 384 wide, with 12 heads: evidence and compute
/// units. The graph has the one op only; in the whole one, each operand that is an op carries seven nodes more.
#[test]
fn cells_of_an_encoder_are_cheap() {
    for (name, claim, honest) in encoder() {
        let charge = charge_of(&claim, &honest, (0, 77, 1));
        let evidence = claim.evidence(&charge);
        let mut stage = Stage::new();
        let job = stage.submitted_for(&claim);
        let prover = stage.cast.prover;
        let account = stage.write_down(&prover, name, &evidence);
        let proof = ix::Proof::Account(account);
        let outcome = stage.ok(ix::convict(&prover, &stage.job(&job), &charge, proof));
        let units = outcome.compute_units;
        println!("{name}: {} bytes, {units} compute units", evidence.len());
        assert!(units < 60_000, "{name}: {units} compute units");
    }
}

/// Graphs of one op, and one wrong value of each.
fn encoder() -> Vec<(&'static str, Claim, Claim)> {
    const WORDS: u32 = 128;
    const WIDTH: u32 = 384;
    let mut rng = Rng::new(3);
    let mut data = |dtype: DType, rows: u32, cols: u32| {
        let bytes = (0..rows * cols * dtype.size()).map(|_| rng.bits() as u8);
        Tensor::from_bytes(dtype, rows, cols, bytes.collect()).unwrap()
    };
    let mut claims = Vec::new();
    let mut keep = |name, b: GraphBuilder, inputs, weights| {
        let honest = Claim::honest(b.finish().unwrap(), 1, inputs, weights);
        let mut claim = honest.clone();
        claim.corrupt(0, 77, 1);
        claims.push((name, claim, honest));
    };
    for (name, inner, cols) in [
        ("DOT, K = 384", WIDTH, 1_536),
        ("DOT, K = 1,536", 1_536, WIDTH),
    ] {
        let x = data(DType::I8, WORDS, inner);
        let weights = vec![data(DType::I8, cols, inner), data(DType::I32, 2, cols)];
        let mut b = GraphBuilder::new();
        let a = b.input_item(DType::I8, WORDS, inner);
        let [w, p] = [0, 1].map(|at| b.weight(&weights[at]));
        b.dot(a, w).scaled(p, 40, DType::I8).push();
        keep(name, b, vec![x], weights);
    }
    let heads = [data(DType::I8, WORDS, WIDTH), data(DType::I8, WORDS, WIDTH)];
    let p = data(DType::I32, 2, 1);
    let mut b = GraphBuilder::new();
    let [q, k] = [0, 1].map(|_| b.input_item(DType::I8, WORDS, WIDTH));
    let scale = b.weight(&p);
    b.dot(q, k)
        .scores(12, 1)
        .scaled(scale, 40, DType::I16)
        .push();
    keep("DOT, scores", b, heads.to_vec(), vec![p]);
    let scores = data(DType::I16, WORDS, 12 * WORDS);
    let mask = Tensor::from_i8(1, WORDS, &[1; WORDS as usize]).unwrap();
    let mut b = GraphBuilder::new();
    let a = b.input_item(DType::I16, WORDS, 12 * WORDS);
    let m = b.input_item(DType::I8, 1, WORDS);
    let shares = b.softmax(a, 1 << 10, 8, DType::I16).groups(12).mask(m);
    shares.push();
    keep("SOFTMAX, 128", b, vec![scores, mask], Vec::new());
    let x = data(DType::I16, WORDS, WIDTH);
    let p = data(DType::I32, 2, WIDTH);
    let mut b = GraphBuilder::new();
    let a = b.input_item(DType::I16, WORDS, WIDTH);
    let scale = b.weight(&p);
    b.norm(a, scale, 40, DType::I16).push();
    keep("NORM, 384", b, vec![x], vec![p]);
    let x = [
        data(DType::I16, WORDS, WIDTH),
        data(DType::I16, WORDS, WIDTH),
    ];
    let mut b = GraphBuilder::new();
    let [left, right] = [0, 1].map(|_| b.input_item(DType::I16, WORDS, WIDTH));
    b.mix(left).to(DType::I16).plus(right).push();
    keep("MIX, a sum", b, x.to_vec(), Vec::new());
    let x = data(DType::I16, WORDS, 1_536);
    let table = data(DType::I8, 1, 65_536);
    let mut b = GraphBuilder::new();
    let a = b.input_item(DType::I16, WORDS, 1_536);
    let t = b.weight(&table);
    b.lut(a, t).push();
    keep("LUT of i16", b, vec![x], vec![table]);
    claims
}

/// Graphs of one op with the longest rows, and their first result made wrong in its last column.
fn dearest() -> Vec<(&'static str, Claim, Claim)> {
    let mut rng = Rng::new(9);
    let mut tensor = |dtype: DType, rows: u32, cols: u32| {
        let count = rows * cols * dtype.size();
        let bytes = (0..count).map(|_| rng.bits() as u8).collect();
        Tensor::from_bytes(dtype, rows, cols, bytes).unwrap()
    };
    // An odd length, so that the second group begins inside a leaf.
    let inner = quern_proof::limits::MAX_INNER - 1;
    let wide = quern_proof::limits::MAX_WIDTH;
    let (long, weight) = (
        tensor(DType::I16, 1, 2 * inner),
        tensor(DType::I8, 1, 2 * inner),
    );
    let (scores, values) = (tensor(DType::I32, 1, wide), tensor(DType::I32, 1, wide));
    let scales = tensor(DType::I32, 2, wide);
    let mask = Tensor::from_i8(1, wide, &vec![1; wide as usize]).unwrap();
    let mut dot = GraphBuilder::new();
    let a = dot.input_item(DType::I16, 1, 2 * inner);
    let b = dot.weight(&weight);
    dot.dot(a, b).scores(2, 1).push();
    let mut softmax = GraphBuilder::new();
    let a = softmax.input_item(DType::I32, 1, wide);
    let m = softmax.input_item(DType::I8, 1, wide);
    let shares = softmax.softmax(a, (1 << 30) - 1, 47, DType::I16);
    shares.mask(m).push();
    let mut norm = GraphBuilder::new();
    let a = norm.input_item(DType::I32, 1, wide);
    let p = norm.weight(&scales);
    norm.norm(a, p, 20, DType::I16).push();
    let graphs = [
        ("DOT", dot, vec![long], vec![weight]),
        ("SOFTMAX", softmax, vec![scores, mask], Vec::new()),
        ("NORM", norm, vec![values], vec![scales]),
    ];
    graphs
        .into_iter()
        .map(|(name, graph, inputs, weights)| {
            let honest = Claim::honest(graph.finish().unwrap(), 1, inputs, weights);
            let mut claim = honest.clone();
            claim.corrupt(0, 0, claim.outputs[0][0].cols() - 1);
            (name, claim, honest)
        })
        .collect()
}

#[test]
fn evidence_of_the_library_is_that_of_the_design() {
    for claim in [every_op(), tiny(), text(3)] {
        let batch = claim.batch();
        let whole = Whole::compute(&batch).unwrap();
        let graph = claim.parsed();
        let cells = claim.cells().into_iter();
        let mut charges: Vec<Charge> = cells.map(|at| charge_of(&claim, &claim, at)).collect();
        charges.extend(claim.paddings());
        if graph.tokens().is_some() {
            charges.extend((0..claim.items).map(|item| Charge::Tokens { item }));
        }
        for charge in charges {
            let built = witness::evidence(&graph, claim.items, &charge, &whole).unwrap();
            assert_eq!(built, claim.evidence(&charge), "{charge:?}");
        }
    }
}

/// Every cell of a small graph of all ops, spoiled alone and with everything after it computed from the wrong value: that
/// cell is always convicted, and in the second case no other.
#[test]
fn every_wrong_cell_is_convicted_and_no_other() {
    let honest = tiny();
    let mut court = Court::of(&honest);
    let cells = honest.cells();
    for (n, at) in cells.iter().enumerate() {
        let (op, row, col) = *at;
        let mut claim = honest.clone();
        claim.corrupt(op, row, col);
        let charge = charge_of(&claim, &honest, *at);
        let evidence = claim.evidence(&charge);
        assert_eq!(court.convict_as_native(&claim, &charge, &evidence), Ok(()));

        let carried = honest.with_wrong_cell(op, row, col);
        for (m, other) in cells.iter().enumerate() {
            let (charged, expected) = match other == at {
                true => (charge_of(&carried, &honest, *at), Ok(())),
                false => (
                    charge_of(&carried, &carried, *other),
                    Err(Refusal::NothingWrong),
                ),
            };
            let evidence = carried.evidence(&charged);
            // Each pair natively, one of nine on bytecode too.
            let verdict = match (n + m) % 9 == 0 || other == at {
                true => court.convict_as_native(&carried, &charged, &evidence),
                false => judge_natively(&carried, &charged, &evidence),
            };
            assert_eq!(verdict, expected, "{at:?} is wrong, {charged:?} is charged");
        }
    }
}

/// Other tokens than those that FEEDBACK computed are convicted, and right ones never.
#[test]
fn wrong_tokens_are_convicted() {
    let honest = text(3);
    let tokens = Operand::Input(honest.parsed().tokens().unwrap());
    let mut given = honest.inputs[1].clone();
    let last = given.data().len() - 4;
    given.data_mut()[last] ^= 1;
    let claim = honest.with_tokens(given);
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    assert_eq!(stage.job(&job).tokens_root, claim.root(tokens));
    for item in 0..2 {
        let charge = Charge::Tokens { item };
        let convict = stage.inline(&job, &charge, &claim.evidence(&charge));
        refused(&mut stage, convict, Refusal::NothingWrong);
    }
    let charge = Charge::Tokens { item: 2 };
    let convict = stage.inline(&job, &charge, &claim.evidence(&charge));
    let outcome = stage.ok(convict);
    let QuernEvent::JobConvicted(event) = outcome.event() else {
        panic!("{:?}", outcome.events)
    };
    assert_eq!(event.conviction, Conviction::WrongTokens { item: 2 });
    let state = stage.job(&job);
    assert_eq!(
        state.conviction_reason(),
        Some(ConvictionReason::WrongTokens)
    );
    stage.ok(ix::settle_conviction(&state));
}

/// Every leaf with padding and every missing node, of every op's tree and of the trace's.
#[test]
fn every_wrong_padding_is_convicted() {
    for honest in [every_op(), tiny(), text(3)] {
        let mut court = Court::of(&honest);
        for charge in honest.paddings() {
            let evidence = honest.evidence(&charge);
            assert_eq!(
                court.convict_as_native(&honest, &charge, &evidence),
                Err(Refusal::NothingWrong)
            );
            let mut claim = honest.clone();
            claim.spoil_padding(&charge);
            let evidence = claim.evidence(&charge);
            assert_eq!(
                court.convict_as_native(&claim, &charge, &evidence),
                Ok(()),
                "{charge:?}"
            );
        }
    }
}

#[test]
fn bad_padding_is_recorded_as_such() {
    let mut claim = every_op();
    // The fourth item of three.
    let charge = padding(65_535, 2, 3);
    claim.spoil_padding(&charge);
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let convict = stage.inline(&job, &charge, &claim.evidence(&charge));
    let outcome = stage.ok(convict);
    let QuernEvent::JobConvicted(event) = outcome.event() else {
        panic!("{:?}", outcome.events)
    };
    let node = NodeRef {
        tree: 65_535,
        level: 2,
        index: 3,
    };
    assert_eq!(event.conviction, Conviction::BadPadding(node));
    assert_eq!(
        stage.job(&job).conviction_reason(),
        Some(ConvictionReason::BadPadding)
    );
    stage.ok(ix::settle_conviction(&stage.job(&job)));
}

/// P7 on bytecode: evidence about an honest commitment, changed in every way that comes to mind, never convicts, and the
/// program gives the reason that the library gives.
#[test]
fn changed_evidence_never_convicts_an_honest_provider() {
    let honest = every_op();
    let mut court = Court::of(&honest);
    let mut rng = Rng::new(77);
    let mut charges: Vec<Charge> = corners(&honest)
        .into_iter()
        .map(|at| charge_of(&honest, &honest, at))
        .collect();
    charges.extend(honest.paddings().into_iter().step_by(40));
    let all: Vec<Vec<u8>> = charges
        .iter()
        .map(|charge| honest.evidence(charge))
        .collect();
    let mut reasons = std::collections::BTreeSet::new();
    let mut attempts = 0;
    for (charge, evidence) in charges.iter().zip(&all) {
        for _ in 0..120 {
            let (mut changed, mut charge) = (evidence.clone(), *charge);
            let at = rng.below(changed.len() as u64) as usize;
            match rng.below(10) {
                0..=3 => changed[at] ^= 1 << rng.below(8),
                4 => changed.truncate(at),
                5 => changed.extend(vec![0; 1 + rng.below(64) as usize]),
                // Two pieces exchanged: siblings, or operands.
                6 => {
                    let chunks = changed.len() / 32;
                    let (x, y) = (
                        32 * rng.below(chunks as u64) as usize,
                        32 * rng.below(chunks as u64) as usize,
                    );
                    for byte in 0..32 {
                        changed.swap(x + byte, y + byte);
                    }
                }
                // Evidence about something else.
                7 => changed = rng.pick(&all).clone(),
                8 => {
                    let (a, b) = (rng.pick(&all), rng.pick(&all));
                    changed = [&a[..at.min(a.len())], b].concat();
                }
                // The same evidence about something else.
                _ => {
                    charge = match charge {
                        Charge::Cell { op, row, col, at } => match rng.below(4) {
                            0 => cell(rng.below(15) as u16, row, col),
                            1 => cell(op, rng.below(11) as u32, col),
                            2 => cell(op, row, rng.below(141) as u32),
                            _ => Charge::Cell {
                                op,
                                row,
                                col,
                                at: at ^ 1,
                            },
                        },
                        Charge::Tokens { .. } => unreachable!(),
                        Charge::Padding(NodeId { tree, level, index }) => match rng.below(3) {
                            0 => padding(rng.below(15) as u16, level, index),
                            1 => padding(tree.code(), rng.below(8) as u8, index),
                            _ => padding(tree.code(), level, rng.below(65)),
                        },
                    };
                }
            }
            attempts += 1;
            let verdict = court.convict_as_native(&honest, &charge, &changed);
            reasons.insert(verdict.expect_err("P7: an honest provider was convicted") as u8);
        }
    }
    println!("{attempts} attempts, refused as {reasons:?}");
    assert!(reasons.len() >= 12, "too few ways to fail: {reasons:?}");
}

/// Every refusal that the program can give, by its number.
#[test]
#[expect(clippy::too_many_lines, reason = "a table, one row a refusal")]
fn every_refusal_is_provoked_or_has_a_reason() {
    let mut claim = every_op();
    claim.corrupt(0, 1, 1);
    let text = text(3);
    let mut stage = Stage::new();
    let (job, texts) = (stage.submitted_for(&claim), stage.submitted_for(&text));
    // Evidence whose n-th part begins at this byte, spoiled there.
    let spoiled = |claim: &Claim, charge: &Charge, at: usize| {
        let mut evidence = claim.evidence(charge);
        evidence[at] ^= 1;
        evidence
    };
    let whole_but_one = |mut evidence: Vec<u8>| {
        evidence.pop();
        evidence
    };
    // The item root with a path of two levels; a leaf of three rows of two leaves, led to the item root; both such leaves; a
    // matrix of 140 rows.
    let (item, leaf) = (3 * 32, 128 + 7 * 32);
    let (row, matrix) = (256 + 6 * 32, 256 + 8 * 32);
    let (mix, dot) = (cell(3, 0, 0), cell(4, 0, 0));
    let odd = Charge::Cell {
        op: 4,
        row: 0,
        col: 0,
        at: 1,
    };
    let tokens = Charge::Tokens { item: 1 };
    let (missing_row, missing_item) = (padding(4, 2, 3), padding(65_535, 2, 3));
    let of_claim = [
        (Refusal::NothingWrong, dot, claim.evidence(&dot)),
        (
            Refusal::NothingWrong,
            missing_row,
            claim.evidence(&missing_row),
        ),
        (Refusal::NoSuchOp, cell(14, 0, 0), Vec::new()),
        (Refusal::NoSuchCell, cell(4, 9, 0), claim.evidence(&dot)),
        (Refusal::NoSuchCell, cell(4, 0, 140), claim.evidence(&dot)),
        (Refusal::NoSuchTree, padding(14, 0, 0), Vec::new()),
        (Refusal::NoSuchTree, padding(1_024, 2, 3), vec![0; 200]),
        (Refusal::NoSuchTree, padding(2_048, 0, 0), Vec::new()),
        (Refusal::NoSuchNode, padding(4, 2, 3 << 2), Vec::new()),
        (Refusal::NoSuchNode, padding(65_535, 7, 0), vec![0; 128]),
        (
            Refusal::NotPadding,
            padding(4, 2, 0),
            claim.evidence(&missing_row),
        ),
        (Refusal::NotPadding, padding(65_535, 2, 2), vec![0; 128]),
        (Refusal::TooShort, dot, Vec::new()),
        (Refusal::TooShort, dot, whole_but_one(claim.evidence(&dot))),
        (
            Refusal::TooLong,
            dot,
            [claim.evidence(&dot), vec![0]].concat(),
        ),
        (Refusal::Item, dot, spoiled(&claim, &dot, 0)),
        (Refusal::Claimed, dot, spoiled(&claim, &dot, item)),
        (Refusal::OperandA, dot, spoiled(&claim, &dot, item + leaf)),
        (
            Refusal::OperandB,
            dot,
            spoiled(&claim, &dot, item + leaf + row),
        ),
        (
            Refusal::OperandC,
            dot,
            spoiled(&claim, &dot, item + leaf + row + matrix),
        ),
        (
            Refusal::OperandD,
            mix,
            spoiled(&claim, &mix, item + 4 * leaf),
        ),
        (
            Refusal::Padding,
            missing_row,
            spoiled(&claim, &missing_row, item),
        ),
        (
            Refusal::Padding,
            missing_item,
            spoiled(&claim, &missing_item, 40),
        ),
        (Refusal::BadCounterexample, odd, claim.evidence(&dot)),
        (Refusal::NoTokens, tokens, Vec::new()),
    ];
    let of_text = [
        (Refusal::NothingWrong, tokens, text.evidence(&tokens)),
        (
            Refusal::NoSuchCell,
            Charge::Tokens { item: 3 },
            text.evidence(&tokens),
        ),
        // FEEDBACK's data root is led up two levels.
        (Refusal::Feedback, tokens, spoiled(&text, &tokens, item)),
        (Refusal::Tokens, tokens, spoiled(&text, &tokens, 2 * item)),
    ];
    let of_claim = of_claim.into_iter().map(|case| (job, case));
    let of_text = of_text.into_iter().map(|case| (texts, case));
    let cases: Vec<_> = of_claim.chain(of_text).collect();
    let mut provoked = Vec::new();
    for (job, (refusal, charge, evidence)) in cases {
        provoked.push(refusal);
        let instruction = stage.inline(&job, &charge, &evidence);
        refused(&mut stage, instruction, refusal);
    }
    let unreachable = [
        (
            Refusal::NotSealed,
            "create_job takes only sealed graphs and items that fit them",
        ),
        (
            Refusal::NoInputRoot,
            "create_job takes a root for every input",
        ),
    ];
    for refusal in Refusal::ALL {
        let reason = unreachable
            .iter()
            .any(|(one, reason)| *one == refusal && !reason.is_empty());
        assert!(reason != provoked.contains(&refusal), "{refusal:?}");
    }
}

/// Evidence about another job, model or commitment proves nothing here.
#[test]
fn evidence_of_another_job_is_refused() {
    let honest = every_op();
    let mut wrong = honest.clone();
    wrong.corrupt(3, 1, 2);
    let charge = cell(3, 1, 2);
    let evidence = wrong.evidence(&charge);
    let mut stage = Stage::new();
    let (good, bad) = (stage.submitted_for(&honest), stage.submitted_for(&wrong));
    let against_good = stage.inline(&good, &charge, &evidence);
    refused(&mut stage, against_good, Refusal::Item);

    // The same model with other items, and another model.
    let mut other_input = honest.inputs.clone();
    other_input[1].data_mut()[0] ^= 1;
    let other = Claim::honest(honest.graph.clone(), 3, other_input, honest.weights.clone());
    let other_job = stage.submitted_for(&other);
    let against_other = stage.inline(&other_job, &charge, &evidence);
    refused(&mut stage, against_other, Refusal::Item);
    let small = stage.submitted_for(&tiny());
    let against_small = stage.inline(&small, &cell(3, 0, 0), &evidence);
    refused(&mut stage, against_small, Refusal::Item);

    // The judge takes the graph from the job's own model only.
    let mut wrong_model = stage.inline(&bad, &charge, &evidence);
    wrong_model.accounts[2].pubkey = stage.job(&small).model;
    stage.refused(wrong_model, QuernError::WrongModel);
    let convict = stage.inline(&bad, &charge, &evidence);
    stage.send_v1(&[convict]).unwrap();
}

#[test]
fn only_a_submitted_refereed_result_can_be_convicted() {
    let mut claim = every_op();
    claim.corrupt(13, 2, 0);
    let charge = cell(13, 2, 0);
    let evidence = claim.evidence(&charge);
    let mut stage = Stage::new();
    let open = stage.created_for(&claim);
    for step in ["open", "taken"] {
        if step == "taken" {
            stage.take(&open);
        }
        let convict = stage.inline(&open, &charge, &evidence);
        stage.refused(convict, QuernError::WrongState);
        let ask = ix::demand(&stage.cast.prover, &stage.job(&open), &TRACE, None);
        stage.refused(ask, QuernError::WrongState);
    }
    stage.submit_root(&open, claim.trace_root());
    // Late is not too late: as long as nobody has finalized.
    stage.at_deadline(&open, 400 * DAY);
    let convict = stage.inline(&open, &charge, &evidence);
    stage.ok(convict.clone());
    stage.refused(convict, QuernError::WrongState);

    // A reviewed job, whatever its model could say.
    let accepted = stage.job_in(JobState::Submitted, stage.accepted());
    let convict = stage.inline(&accepted, &cell(0, 0, 0), &[]);
    stage.refused(convict, QuernError::RefereedOnly);
    let convict = stage.inline(&accepted, &padding(65_535, 0, 0), &[]);
    stage.refused(convict, QuernError::RefereedOnly);
    let ask = ix::demand(&stage.cast.prover, &stage.job(&accepted), &TRACE, None);
    stage.refused(ask, QuernError::RefereedOnly);
    stage.reject(&accepted);
    let convict = stage.inline(&accepted, &cell(0, 0, 0), &[]);
    stage.refused(convict, QuernError::RefereedOnly);

    // A settled one has no account any more.
    let settled = stage.submitted_for(&claim);
    let convict = stage.inline(&settled, &charge, &evidence);
    stage.at_deadline(&settled, 1);
    stage.finalize(&settled);
    stage.fails(convict);
}

#[test]
fn a_conviction_waits_for_no_answer() {
    let mut claim = every_op();
    claim.corrupt(0, 0, 0);
    let charge = cell(0, 0, 0);
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    stage.ask(&job, &claim, &TRACE);
    stage.ask(&job, &claim, &node_id(Operand::Weight(0), 0, 0));
    assert_eq!(stage.job(&job).open_demands.get(), 2);
    let convict = stage.inline(&job, &charge, &claim.evidence(&charge));
    stage.send_v1(&[convict]).unwrap();
    stage.ok(ix::settle_conviction(&stage.job(&job)));
}

/// The whole path: nothing is published, the watcher asks, compares with its own computation and convicts.
#[test]
fn what_is_withheld_is_found_and_convicted() {
    let honest = every_op();
    for (op, row, col) in corners(&honest) {
        let claim = honest.with_wrong_cell(op, row, col);
        let mut stage = Stage::new();
        let job = stage.submitted_for(&claim);
        let graph: Graph<'_> = honest.parsed();
        let batch = honest.batch();
        let own = Whole::compute(&batch).unwrap();
        let state = stage.job(&job);
        let known = Known::new(&graph, honest.items, state.trace_root, state.tokens_root);
        let mut patched = Patched::new(&own, known);
        let mut asked = 0;
        let charge = loop {
            match patched.step().unwrap() {
                Step::Same | Step::Item(_) => panic!("a wrong commitment looks right"),
                Step::Demand(node_id) => {
                    asked += 1;
                    let demand = stage.ask(&job, &claim, &node_id);
                    stage.wait(RESPONSE);
                    stage.answer(&job, &claim, &node_id);
                    // Read where it is kept.
                    let data = stage.svm.get_account(&demand).unwrap().data;
                    let bytes = stage.get::<Demand>(&demand).answer_bytes.get();
                    let answer = Demand::answer_of(&data, bytes).unwrap();
                    patched.reveal(&node_id, answer).unwrap();
                    stage.wait(REACT - 5);
                }
                Step::Charge(charge) => break charge,
            }
        };
        assert_eq!(charge, charge_of(&claim, &honest, (op, row, col)));
        assert!((3..=5).contains(&asked), "{asked} demands");
        let evidence = witness::evidence(&graph, honest.items, &charge, &patched).unwrap();
        let convict = stage.inline(&job, &charge, &evidence);
        stage.send_v1(&[convict]).unwrap();
        stage.ok(ix::settle_conviction(&stage.job(&job)));
    }
}

/// The evidence's bytes end where its account ends: trailing bytes are refused like any others.
#[test]
fn an_account_holds_exactly_the_evidence() {
    let mut claim = every_op();
    claim.corrupt(2, 0, 5);
    let charge = cell(2, 0, 5);
    let bytes = claim.evidence(&charge);
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let author = stage.cast.prover;
    let long = stage.write_down(&author, "long", &[&bytes[..], &[0]].concat());
    let short = stage.write_down(&author, "short", &bytes[..bytes.len() - 1]);
    let state = stage.job(&job);
    let of = |account| ix::convict(&author, &state, &charge, ix::Proof::Account(account));
    refused(&mut stage, of(long), Refusal::TooLong);
    refused(&mut stage, of(short), Refusal::TooShort);
}

/// What `convict` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::RefereedOnly, "a conviction of a reviewed job", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.accepted());
            stage.inline(&job, &CELL, &[])
        }),
        (E::WrongState, "a conviction before a result", |stage| {
            let job = stage.job_in(JobState::Taken, stage.refereed());
            stage.inline(&job, &CELL, &[])
        }),
        (E::WrongModel, "a conviction", |stage| {
            let job = submitted(stage);
            let mut convict = stage.inline(&job, &CELL, &claim(1).evidence(&CELL));
            convict.accounts[2].pubkey = stage.model_of(&referee::tiny());
            convict
        }),
        (E::EvidenceTwice, "inline and from an account", |stage| {
            let (job, author) = (submitted(stage), stage.cast.prover);
            let evidence = stage.write_down(&author, "one", &claim(1).evidence(&CELL));
            let mut convict = stage.inline(&job, &CELL, &[1]);
            convict.accounts[3].pubkey = evidence;
            convict
        }),
    ]
}
