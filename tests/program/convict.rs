//! `convict`: cells of every op, padding of every tree, and no honest provider.

use super::common::*;

#[test]
fn a_wrong_cell_of_every_op_is_convicted_inline() {
    let honest = five_ops();
    for (op, row, col) in corners(&honest) {
        let mut claim = honest.clone();
        claim.corrupt(op, row, col);
        let mut stage = Stage::new();
        let job = stage.submitted_for(&claim);
        let cast = stage.cast.clone();
        let charge = cell(op, row, col);
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
        assert_eq!(event.conviction, Conviction::WrongCell { op, row, col });
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
    let honest = five_ops();
    for (op, row, col) in corners(&honest) {
        let mut claim = honest.clone();
        claim.corrupt(op, row, col);
        let mut stage = Stage::new();
        let job = stage.submitted_for(&claim);
        let cast = stage.cast.clone();
        let charge = cell(op, row, col);
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
    assert_eq!(evidence.len(), 3_248);
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

/// The largest rows that an op may read, which is what bounds the compute units of any conviction.
#[test]
fn the_longest_rows_are_judged_within_a_transaction() {
    let k = quern_proof::limits::MAX_INNER;
    let row = |seed: u64| {
        let mut rng = Rng::new(seed);
        let values: Vec<i8> = (0..k).map(|_| rng.bits() as i8).collect();
        Tensor::from_i8(1, k, &values).unwrap()
    };
    let mut builder = GraphBuilder::new();
    let a = builder.input_batch(DType::I8, k);
    let weight = row(2);
    let w = builder.weight(&weight);
    let product = builder.matmul(a, w);
    builder.argmax(product);
    let graph = builder.finish().unwrap();
    let mut claim = Claim::honest(graph, 1, vec![row(1)], vec![weight]);
    claim.corrupt(0, 0, 0);
    let charge = cell(0, 0, 0);
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let prover = stage.cast.prover;
    let evidence = stage.write_down(&prover, "long", &claim.evidence(&charge));
    let proof = ix::Proof::Account(evidence);
    let outcome = stage.ok(ix::convict(&prover, &stage.job(&job), &charge, proof));
    println!("{} compute units", outcome.compute_units);
    assert!(
        outcome.compute_units < 1_000_000,
        "{} compute units",
        outcome.compute_units
    );
}

#[test]
fn evidence_of_the_library_is_that_of_the_formats() {
    for claim in [five_ops(), tiny()] {
        let graph = claim.parsed();
        let whole = Whole::new(
            &graph,
            claim.batch_rows,
            &claim.inputs,
            &claim.weights,
            &claim.outputs,
        )
        .unwrap();
        let cells = claim.cells().into_iter();
        let charges = cells.map(|(op, row, col)| cell(op, row, col));
        for charge in charges.chain(claim.paddings()) {
            let built = witness::evidence(&graph, claim.batch_rows, &charge, &whole).unwrap();
            assert_eq!(built, claim.evidence(&charge), "{charge:?}");
        }
    }
}

/// Every cell of a small program of all five ops, spoiled alone and with everything after it computed from the wrong value:
/// that cell is always convicted, and in the second case no other.
#[test]
fn every_wrong_cell_is_convicted_and_no_other() {
    let honest = tiny();
    let mut court = Court::of(&honest);
    let cells = honest.cells();
    for (op, row, col) in cells.clone() {
        let charge = cell(op, row, col);
        let mut claim = honest.clone();
        claim.corrupt(op, row, col);
        let evidence = claim.evidence(&charge);
        assert_eq!(court.convict_as_native(&claim, &charge, &evidence), Ok(()));

        let carried = honest.with_wrong_cell(op, row, col);
        for (other_op, other_row, other_col) in cells.clone() {
            let other = cell(other_op, other_row, other_col);
            let expected = if other == charge {
                Ok(())
            } else {
                Err(Refusal::NothingWrong)
            };
            let evidence = carried.evidence(&other);
            assert_eq!(
                court.convict_as_native(&carried, &other, &evidence),
                expected,
                "{charge:?} is wrong, {other:?} is charged"
            );
        }
    }
}

/// Every leaf with padding and every missing node, of every op's tree and of the trace's.
#[test]
fn every_wrong_padding_is_convicted() {
    for honest in [five_ops(), tiny()] {
        let mut court = Court::of(&honest);
        for charge in honest.paddings() {
            let evidence = honest.evidence(&charge);
            assert_eq!(
                court.convict_as_native(&honest, &charge, &evidence),
                Err(Refusal::NothingWrong)
            );
            let Charge::Padding(node_id) = charge else {
                unreachable!()
            };
            let NodeId { tree, level, index } = node_id;
            let mut claims = Vec::new();
            if evidence.len() < LEAF_BYTES || !honest.has_leaf(&node_id) {
                let mut claim = honest.clone();
                let mut node = claim.node(tree, level, index);
                node[31] ^= 0x80;
                claim.set_node(tree, level, index, node);
                claims.push(claim);
            } else {
                // The first and the last byte of the padding.
                let Tree::Data(operand) = tree else {
                    unreachable!()
                };
                let geometry = honest.geometry(operand);
                let k = index & ((1 << geometry.row_height()) - 1);
                for at in [geometry.used_bytes(k as u32), LEAF_BYTES - 1] {
                    let mut claim = honest.clone();
                    let mut leaf = claim.leaf(operand, index);
                    leaf[at] = 1;
                    claim.set_leaf(operand, index, leaf);
                    claims.push(claim);
                }
            }
            for claim in claims {
                let evidence = claim.evidence(&charge);
                assert_eq!(
                    court.convict_as_native(&claim, &charge, &evidence),
                    Ok(()),
                    "{charge:?}"
                );
            }
        }
    }
}

#[test]
fn bad_padding_is_recorded_as_such() {
    let mut claim = five_ops();
    claim.set_node(Tree::Trace, 2, 3, [5; 32]);
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let charge = padding(255, 2, 3);
    let convict = stage.inline(&job, &charge, &claim.evidence(&charge));
    let outcome = stage.ok(convict);
    let QuernEvent::JobConvicted(event) = outcome.event() else {
        panic!("{:?}", outcome.events)
    };
    let node = NodeRef {
        tree: 255,
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
    let honest = five_ops();
    let mut court = Court::of(&honest);
    let mut rng = Rng::new(77);
    let mut charges: Vec<Charge> = corners(&honest)
        .into_iter()
        .map(|(op, row, col)| cell(op, row, col))
        .collect();
    charges.extend([
        padding(0, 4, 2),
        padding(0, 4, 3),
        padding(0, 2, 3),
        padding(255, 3, 7),
    ]);
    let all: Vec<Vec<u8>> = charges
        .iter()
        .map(|charge| honest.evidence(charge))
        .collect();
    let mut reasons = std::collections::BTreeSet::new();
    let mut attempts = 0;
    for (charge, evidence) in charges.iter().zip(&all) {
        for _ in 0..250 {
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
                        Charge::Cell { op, row, col } => match rng.below(3) {
                            0 => cell(rng.below(6) as u8, row, col),
                            1 => cell(op, rng.below(5) as u32, col),
                            _ => cell(op, row, rng.below(301) as u32),
                        },
                        Charge::Padding(NodeId { tree, level, index }) => match rng.below(3) {
                            0 => padding(rng.below(6) as u8, level, index),
                            1 => padding(tree.code(), rng.below(6) as u8, index),
                            _ => padding(tree.code(), level, rng.below(17)),
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
    let mut claim = five_ops();
    claim.corrupt(0, 1, 1);
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    // Evidence whose n-th part begins at this byte, spoiled there.
    let spoiled = |charge: &Charge, at: usize| {
        let mut evidence = claim.evidence(charge);
        evidence[at] ^= 1;
        evidence
    };
    let whole_but_one = |mut evidence: Vec<u8>| {
        evidence.pop();
        evidence
    };
    let matmul = cell(3, 0, 0);
    let qlinear = cell(0, 0, 0);
    // Row of a with its path, row of the matrix with its path, leaf with its path.
    let (a, w, leaf) = (140 + 2 * 32, 140 + 9 * 32, 128 + 4 * 32);
    let lut = cell(2, 0, 0);
    let a_of_lut = 128 + 4 * 32 + 3 * 32;
    let cases: Vec<(Refusal, Charge, Vec<u8>)> = vec![
        (Refusal::NothingWrong, qlinear, claim.evidence(&qlinear)),
        (
            Refusal::NothingWrong,
            padding(0, 4, 3),
            claim.evidence(&padding(0, 4, 3)),
        ),
        (Refusal::NoSuchOp, cell(5, 0, 0), Vec::new()),
        (Refusal::NoSuchCell, cell(0, 3, 0), claim.evidence(&qlinear)),
        (
            Refusal::NoSuchCell,
            cell(0, 0, 300),
            claim.evidence(&qlinear),
        ),
        (Refusal::NoSuchTree, padding(5, 0, 0), Vec::new()),
        (Refusal::NoSuchTree, padding(64, 2, 3), vec![0; 200]),
        (Refusal::NoSuchTree, padding(128, 0, 0), Vec::new()),
        (Refusal::NoSuchNode, padding(0, 5, 0), Vec::new()),
        (Refusal::NoSuchNode, padding(255, 3, 8), vec![0; 128]),
        (Refusal::NotPadding, padding(0, 4, 0), vec![0; 400]),
        (Refusal::NotPadding, padding(0, 0, 0), vec![0; 128]),
        (Refusal::NotPadding, padding(255, 3, 4), vec![0; 128]),
        (Refusal::TooShort, qlinear, Vec::new()),
        (
            Refusal::TooShort,
            qlinear,
            whole_but_one(claim.evidence(&qlinear)),
        ),
        (
            Refusal::TooLong,
            qlinear,
            [claim.evidence(&qlinear), vec![0]].concat(),
        ),
        (Refusal::OperandA, qlinear, spoiled(&qlinear, 0)),
        (Refusal::OperandB, qlinear, spoiled(&qlinear, a)),
        (Refusal::Bias, qlinear, spoiled(&qlinear, a + w)),
        (Refusal::Mult, qlinear, spoiled(&qlinear, a + w + leaf)),
        (
            Refusal::Claimed,
            qlinear,
            spoiled(&qlinear, a + w + 2 * leaf),
        ),
        (
            Refusal::OperandB,
            matmul,
            spoiled(&matmul, 300 + 2 * 32 + 3 * 32),
        ),
        (Refusal::OperandA, lut, spoiled(&lut, 127)),
        (Refusal::Table, lut, spoiled(&lut, a_of_lut + 255)),
        (
            Refusal::Padding,
            padding(0, 4, 2),
            spoiled(&padding(0, 4, 2), 0),
        ),
        (
            Refusal::Padding,
            padding(255, 3, 7),
            spoiled(&padding(255, 3, 7), 40),
        ),
    ];
    let mut provoked = Vec::new();
    for (refusal, charge, evidence) in cases {
        provoked.push(refusal);
        let instruction = stage.inline(&job, &charge, &evidence);
        refused(&mut stage, instruction, refusal);
    }
    let unreachable = [
        (
            Refusal::NotSealed,
            "create_job takes only sealed programs and their batch rows",
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
    let honest = five_ops();
    let mut wrong = honest.clone();
    wrong.corrupt(3, 1, 2);
    let charge = cell(3, 1, 2);
    let evidence = wrong.evidence(&charge);
    let mut stage = Stage::new();
    let (good, bad) = (stage.submitted_for(&honest), stage.submitted_for(&wrong));
    let against_good = stage.inline(&good, &charge, &evidence);
    refused(&mut stage, against_good, Refusal::OperandA);

    // The same model with another batch, and another model.
    let mut other_input = honest.inputs.clone();
    other_input[1].data_mut()[0] ^= 1;
    let other = Claim::honest(honest.graph.clone(), 3, other_input, honest.weights.clone());
    let other_job = stage.submitted_for(&other);
    let against_other = stage.inline(&other_job, &charge, &evidence);
    refused(&mut stage, against_other, Refusal::OperandA);
    let small = stage.submitted_for(&tiny());
    let against_small = stage.inline(&small, &cell(3, 0, 0), &evidence);
    refused(&mut stage, against_small, Refusal::OperandA);

    // The judge takes the program from the job's own model only.
    let mut wrong_model = stage.inline(&bad, &charge, &evidence);
    wrong_model.accounts[2].pubkey = stage.job(&small).model;
    stage.refused(wrong_model, QuernError::WrongModel);
    let convict = stage.inline(&bad, &charge, &evidence);
    stage.send_v1(&[convict]).unwrap();
}

#[test]
fn only_a_submitted_refereed_result_can_be_convicted() {
    let mut claim = five_ops();
    claim.corrupt(4, 2, 0);
    let charge = cell(4, 2, 0);
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
    let convict = stage.inline(&accepted, &padding(255, 0, 0), &[]);
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
    let mut claim = five_ops();
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
    let honest = five_ops();
    for (op, row, col) in corners(&honest) {
        let claim = honest.with_wrong_cell(op, row, col);
        let mut stage = Stage::new();
        let job = stage.submitted_for(&claim);
        let graph: Graph<'_> = honest.parsed();
        let own = Whole::new(
            &graph,
            honest.batch_rows,
            &honest.inputs,
            &honest.weights,
            &honest.outputs,
        )
        .unwrap();
        let mut patched = Patched::new(&own, stage.job(&job).trace_root);
        let mut asked = 0;
        let charge = loop {
            match patched.step().unwrap() {
                Step::Same => panic!("a wrong commitment looks right"),
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
        assert_eq!(charge, cell(op, row, col));
        assert!((2..=3).contains(&asked), "{asked} demands");
        let evidence = witness::evidence(&graph, honest.batch_rows, &charge, &patched).unwrap();
        let convict = stage.inline(&job, &charge, &evidence);
        stage.send_v1(&[convict]).unwrap();
        stage.ok(ix::settle_conviction(&stage.job(&job)));
    }
}

/// The evidence's bytes end where its account ends: trailing bytes are refused like any others.
#[test]
fn an_account_holds_exactly_the_evidence() {
    let mut claim = five_ops();
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
