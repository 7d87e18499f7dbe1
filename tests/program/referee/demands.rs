//! Demands and answers: what may be asked, what answers it, and where the lamports go.

use super::*;

/// Asks and answers every demand on the way to one leaf of every tree, and reads each answer where it is kept.
#[test]
fn every_level_of_every_tree_is_revealed() {
    let claim = five_ops();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let mut levels = std::collections::BTreeSet::new();
    let trees = claim.demands().into_iter().map(|node_id| node_id.tree);
    let trees: std::collections::BTreeSet<u8> = trees.map(Tree::code).collect();
    for tree in trees
        .into_iter()
        .rev()
        .map(|code| Tree::from_code(code).unwrap())
    {
        let height = claim.height(tree);
        // The last present leaf.
        let leaf = match tree {
            Tree::Trace => 0,
            Tree::Data(operand) => {
                let geometry = claim.geometry(operand);
                let row = geometry.rows() - 1;
                geometry.leaf_position(row, geometry.leaves() - 1).unwrap()
            }
        };
        let mut steps: Vec<u8> = (0..height).step_by(4).collect();
        if tree != Tree::Trace {
            steps.push(height);
        }
        for level in steps {
            let node_id = NodeId {
                tree,
                level,
                index: leaf >> (height - level),
            };
            let demand = stage.ask(&job, &claim, &node_id);
            let answer = claim.answer(&node_id);
            stage.answer(&job, &claim, &node_id);
            let state: Demand = stage.get(&demand);
            assert!(state.answered.get());
            assert_eq!(state.answered_at.get(), stage.now());
            let data = stage.svm.get_account(&demand).unwrap().data;
            assert_eq!(
                Demand::answer_of(&data, state.answer_bytes.get()),
                Some(&answer[..])
            );
            levels.insert((tree == Tree::Trace, level, answer.len()));
        }
    }
    println!("{levels:?}");
    // Steps of one to four levels (two are as long as a leaf), and leaves.
    let lengths: std::collections::BTreeSet<usize> =
        levels.iter().map(|(.., length)| *length).collect();
    assert_eq!(lengths, [64, 128, 256, 512].into());
    assert_eq!(stage.job(&job).open_demands.get(), 0);
}

/// 64 ops: the trace tree takes two steps, and every answer has the length that its place says.
fn long_trace() -> Claim {
    let x = Tensor::from_i8(1, 3, &[1, -2, 3]).unwrap();
    let mut builder = GraphBuilder::new();
    let input = builder.input_batch(DType::I8, 3);
    let mut last = input;
    for _ in 0..33 {
        last = builder.add(last, input);
    }
    Claim::honest(builder.finish().unwrap(), 1, vec![x], Vec::new())
}

#[test]
fn a_long_trace_is_asked_about_in_two_steps() {
    let claim = long_trace();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let below = |index| NodeId {
        tree: Tree::Trace,
        level: 4,
        index,
    };
    let state = stage.job(&job);
    let prover = stage.cast.prover;
    // 33 ops of 64 positions: nodes 0 to 8 of level 4 are there, the others are missing.
    stage.ask(&job, &claim, &TRACE);
    stage.answer(&job, &claim, &TRACE);
    for index in 0..9 {
        stage.ask(&job, &claim, &below(index));
        stage.answer(&job, &claim, &below(index));
    }
    let parent = Some(stage.demand_of(&job, &TRACE));
    for index in 9..16 {
        let ask = ix::demand(&prover, &state, &below(index), parent);
        stage.refused(ask, QuernError::MissingPosition);
    }
    for (level, index) in [(4, 16), (1, 0), (2, 0), (5, 0), (6, 0), (8, 0), (255, 0)] {
        let node_id = NodeId {
            tree: Tree::Trace,
            level,
            index,
        };
        let ask = ix::demand(&prover, &state, &node_id, parent);
        stage.refused(ask, QuernError::NoSuchNode);
    }
    // A tree of one leaf: the root of an op's data is the leaf itself.
    let root = node_id(Operand::Op(32), 0, 0);
    let demand = stage.ask(&job, &claim, &root);
    assert_eq!(stage.get::<Demand>(&demand).answer_bytes.get(), 128);
    stage.answer(&job, &claim, &root);
}

/// With one op the trace root is the root of its data.
#[test]
fn one_op_needs_no_demand_about_the_trace() {
    let claim = product(3);
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let ask = ix::demand(&stage.cast.prover, &stage.job(&job), &TRACE, None);
    stage.refused(ask, QuernError::NoSuchNode);
    let root = node_id(Operand::Op(0), 0, 0);
    let demand = stage.ask(&job, &claim, &root);
    assert_eq!(stage.get::<Demand>(&demand).node, claim.trace_root());
    stage.answer(&job, &claim, &root);
    let leaf = node_id(Operand::Op(0), 2, 1);
    stage.ask(&job, &claim, &leaf);
    stage.answer(&job, &claim, &leaf);
}

#[test]
fn what_cannot_be_asked_is_refused_by_name() {
    let claim = five_ops();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let other = stage.submitted_for(&claim);
    let (state, prover) = (stage.job(&job), stage.cast.prover);
    let ask =
        |node_id: &NodeId, parent: Option<Pubkey>| ix::demand(&prover, &state, node_id, parent);
    let refuse = |stage: &mut Stage, node_id: NodeId, parent, error| {
        stage.refused(ask(&node_id, parent), error);
    };
    let trace = stage.demand_of(&job, &TRACE);
    let root = node_id(Operand::Op(0), 0, 0);

    // Codes of trees that nothing has, levels and indices beyond the tree.
    let mut unknown = ask(&TRACE, None);
    for code in [5, 63, 66, 100, 133, 200, 254] {
        // The arguments follow an 8-byte discriminator or a shorter one: the tree is the last but nine bytes.
        let at = unknown.data.len() - 10;
        unknown.data[at] = code;
        let seeds: [&[u8]; 5] = [
            Demand::SEED,
            job.as_ref(),
            &1u32.to_le_bytes(),
            &[code, 0],
            &0u64.to_le_bytes(),
        ];
        unknown.accounts[4].pubkey = Pubkey::find_program_address(&seeds, &quern::ID).0;
        stage.refused(unknown.clone(), QuernError::NoSuchNode);
    }
    for (level, index) in [
        (1, 0),
        (2, 1),
        (3, 0),
        (5, 0),
        (64, 0),
        (255, 0),
        (0, 1),
        (4, 16),
    ] {
        let node_id = node_id(Operand::Op(0), level, index);
        refuse(&mut stage, node_id, None, QuernError::NoSuchNode);
    }
    refuse(
        &mut stage,
        node_id(Operand::Op(0), 4, u64::MAX),
        None,
        QuernError::NoSuchNode,
    );
    // The bottom of the trace are data roots: asked about as such.
    let bottom = NodeId {
        tree: Tree::Trace,
        level: 3,
        index: 0,
    };
    refuse(&mut stage, bottom, None, QuernError::NoSuchNode);
    // A missing leaf position inside a row, and a missing row.
    for index in [3, 12, 15] {
        let node_id = node_id(Operand::Op(0), 4, index);
        refuse(&mut stage, node_id, None, QuernError::MissingPosition);
    }

    // Parents: none where one is needed, one where none is, one that was not asked, not answered, is another's.
    refuse(&mut stage, root, None, QuernError::WrongParent);
    stage.fails(ask(&root, Some(trace)));
    stage.ask(&job, &claim, &TRACE);
    refuse(&mut stage, root, Some(trace), QuernError::ParentUnanswered);
    stage.answer(&job, &claim, &TRACE);
    let input = node_id(Operand::Input(0), 0, 0);
    refuse(&mut stage, input, Some(trace), QuernError::WrongParent);
    let leaf = node_id(Operand::Op(0), 4, 0);
    refuse(&mut stage, leaf, Some(trace), QuernError::WrongParent);
    refuse(&mut stage, leaf, None, QuernError::WrongParent);
    stage.ask(&other, &claim, &TRACE);
    stage.answer(&other, &claim, &TRACE);
    let trace_of_other = stage.demand_of(&other, &TRACE);
    refuse(
        &mut stage,
        root,
        Some(trace_of_other),
        QuernError::WrongDemand,
    );
    stage.fails(ask(&root, Some(job)));
    stage.fails(ask(&root, Some(stage.cast.stranger)));
    // Of the same job, but of an earlier submission.
    let earlier = trace;
    stage.world.tamper(&earlier, |demand: &mut Demand| {
        demand.submission = 7u32.into();
    });
    refuse(&mut stage, root, Some(earlier), QuernError::WrongDemand);
    stage.world.tamper(&earlier, |demand: &mut Demand| {
        demand.submission = 1u32.into();
    });
    // Twice.
    stage.ok(ask(&root, Some(trace)));
    stage.fails(ask(&root, Some(trace)));
    // Another model's program does not say what may be asked.
    let mut wrong_model = ask(&input, None);
    wrong_model.accounts[2].pubkey = stage.model;
    stage.refused(wrong_model, QuernError::WrongModel);
}

#[test]
fn only_the_right_answer_is_taken() {
    let claim = five_ops();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let other = stage.submitted_for(&claim);
    let provider = stage.cast.provider;
    let demand = stage.ask(&job, &claim, &TRACE);
    let right = claim.answer(&TRACE);
    let reveal = |answer: &[u8]| ix::reveal(&provider, &job, &demand, answer);
    let mut wrong: Vec<Vec<u8>> = vec![
        Vec::new(),
        right[..32].to_vec(),
        right[..128].to_vec(),
        right[..255].to_vec(),
        [&right[..], &[0; 32]].concat(),
        [&right[..], &right[..]].concat(),
        vec![0; 256],
        claim.trace_root().to_vec(),
    ];
    for at in [0, 31, 32, 255] {
        let mut answer = right.clone();
        answer[at] ^= 1;
        wrong.push(answer);
    }
    let mut swapped = right.clone();
    swapped[..64].rotate_left(32);
    wrong.push(swapped);
    // The two children of the root: hashed from them, but not what was asked for.
    wrong.push([claim.node(Tree::Trace, 1, 0), claim.node(Tree::Trace, 1, 1)].concat());
    for answer in wrong {
        stage.refused(reveal(&answer), QuernError::WrongAnswer);
    }
    // With another job, whose root is even the same.
    stage.refused(
        ix::reveal(&provider, &other, &demand, &right),
        QuernError::WrongDemand,
    );
    stage.ok(reveal(&right));
    stage.refused(reveal(&right), QuernError::AlreadyAnswered);
    let due = stage.get::<Demand>(&demand).due.get();
    stage.set_time(due + 1);
    stage.refused(ix::timeout(&job, &demand), QuernError::AlreadyAnswered);
    // A leaf: its bytes, not its hash, and no node for a leaf.
    let input = node_id(Operand::Input(0), 0, 0);
    let fresh = stage.submitted_for(&claim);
    stage.ask(&fresh, &claim, &input);
    stage.answer(&fresh, &claim, &input);
    let leaf = node_id(Operand::Input(0), 3, 1);
    let demand = stage.ask(&fresh, &claim, &leaf);
    let position = 1;
    let bytes = claim.leaf(Operand::Input(0), position);
    let reveal = |answer: &[u8]| ix::reveal(&provider, &fresh, &demand, answer);
    let mut short = bytes.to_vec();
    short.truncate(12);
    stage.refused(reveal(&short), QuernError::WrongAnswer);
    let nodes = [claim.node(leaf.tree, 3, 0), claim.node(leaf.tree, 3, 1)].concat();
    stage.refused(reveal(&nodes), QuernError::WrongAnswer);
    let right = claim.answer(&leaf);
    stage.ok(reveal(&right));
}

/// The fee to whoever answers, the rent to whoever asked; nothing else moves.
#[test]
fn lamports_of_a_demand_go_where_they_belong() {
    let claim = five_ops();
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let job = stage.submitted_for(&claim);
    let rent = stage
        .svm
        .minimum_balance_for_rent_exemption(Demand::ANSWER_OFFSET + 256);
    let opener = stage.lamports(&cast.prover);
    let demand = stage.ask(&job, &claim, &TRACE);
    assert_eq!(stage.lamports(&cast.prover), opener - rent - FEE);
    assert_eq!(stage.lamports(&demand), rent + FEE);
    // Nobody gets it back while the job lives, answered or not.
    let close = ix::close_demand(&demand, &stage.get(&demand));
    stage.refused(close.clone(), QuernError::JobLives);
    // A stranger answers: whoever has the data serves them.
    let revealer = stage.lamports(&cast.stranger);
    let reveal = ix::reveal(&cast.stranger, &job, &demand, &claim.answer(&TRACE));
    let outcome = stage.ok(reveal);
    let QuernEvent::DemandAnswered(event) = outcome.event() else {
        panic!("{:?}", outcome.events)
    };
    assert_eq!(
        (event.revealer, event.fee_lamports, &event.answer),
        (cast.stranger, FEE, &claim.answer(&TRACE))
    );
    assert_eq!(stage.lamports(&cast.stranger), revealer + FEE);
    assert_eq!(stage.lamports(&demand), rent);
    stage.refused(close.clone(), QuernError::JobLives);
    // A gift disturbs nothing and goes to the opener with the rent.
    let account = stage.svm.get_account(&demand).unwrap();
    let gift = Account {
        lamports: account.lamports + 5,
        ..account
    };
    stage.svm.set_account(demand, gift).unwrap();
    stage.wait(REACT + 1);
    let past = stage.now().max(stage.job(&job).deadline.get() + 1);
    stage.set_time(past);
    stage.finalize(&job);
    let mut to_thief = close.clone();
    to_thief.accounts[2].pubkey = cast.stranger;
    stage.refused(to_thief, QuernError::WrongRecipient);
    let mut of_other = close.clone();
    of_other.accounts[1].pubkey = cast.stranger;
    stage.refused(of_other, QuernError::WrongDemand);
    stage.ok(close.clone());
    assert_eq!(stage.lamports(&cast.prover), opener - FEE + 5);
    assert!(!stage.exists(&demand));
    stage.fails(close);
}

/// A provider that says nothing: the opener is the prover, and gets rent and fee back.
#[test]
fn silence_is_convicted_and_the_fee_goes_back() {
    let claim = five_ops();
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let job = stage.submitted_for(&claim);
    let lamports = stage.lamports(&cast.prover);
    let first = stage.ask(&job, &claim, &TRACE);
    let weight = node_id(Operand::Weight(4), 0, 0);
    let second = stage.ask(&job, &claim, &weight);
    let due = stage.get::<Demand>(&first).due.get();
    stage.set_time(due);
    stage.refused(ix::timeout(&job, &first), QuernError::TooEarly);
    stage.set_time(due + 1);
    let outcome = stage.ok(ix::timeout(&job, &first));
    let QuernEvent::JobConvicted(event) = outcome.event() else {
        panic!("{:?}", outcome.events)
    };
    assert_eq!(
        (event.prover, event.conviction),
        (cast.prover, Conviction::Unanswered(TRACE.into()))
    );
    // Nothing more happens to a slashed job.
    stage.refused(ix::timeout(&job, &second), QuernError::WrongState);
    let late = stage.reveal_ix(&job, &claim, &weight);
    stage.refused(late, QuernError::WrongState);
    // Close one before and one after the bond is paid.
    let close = |stage: &Stage, demand: &Pubkey| ix::close_demand(demand, &stage.get(demand));
    let closes = [close(&stage, &first), close(&stage, &second)];
    stage.ok(closes[0].clone());
    stage.ok(ix::settle_conviction(&stage.job(&job)));
    stage.ok(closes[1].clone());
    assert_eq!(stage.lamports(&cast.prover), lamports);
    assert_eq!(stage.usd_of(&cast.prover).0, 8_000);
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

/// The provider may ask itself; it gains nothing and hides nothing.
#[test]
fn a_provider_that_asks_itself_gains_nothing() {
    let mut claim = five_ops();
    claim.corrupt(3, 0, 0);
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let job = stage.submitted_for(&claim);
    let lamports = stage.lamports(&cast.provider);
    let ask = ix::demand(&cast.provider, &stage.job(&job), &TRACE, None);
    stage.ok(ask);
    // Its own silence is convicted with itself as prover: it loses 60 %.
    let mut silent = stage.clone();
    let demand = silent.demand_of(&job, &TRACE);
    silent.wait(RESPONSE + 1);
    let before = silent.usd_of(&cast.provider);
    silent.ok(ix::timeout(&job, &demand));
    silent.ok(ix::settle_conviction(&silent.job(&job)));
    let after = silent.usd_of(&cast.provider);
    assert_eq!(before.0 + before.1 - after.0 - after.1, 12_000);
    // Answering itself, it gets its own fee back; anybody else's conviction goes on.
    stage.answer(&job, &claim, &TRACE);
    let rent = stage.lamports(&demand);
    assert_eq!(stage.lamports(&cast.provider), lamports - rent);
    let charge = cell(3, 0, 0);
    let convict = stage.inline(&job, &charge, &claim.evidence(&charge));
    stage.send_v1(&[convict]).unwrap();
}

/// A signer that the fee does not make rent-exempt can't take it; one that is, can.
#[test]
fn the_fee_goes_to_an_account_that_can_hold_it() {
    let claim = five_ops();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let demand = stage.ask(&job, &claim, &TRACE);
    let poor = actor("poor");
    let reveal = ix::reveal(&poor, &job, &demand, &claim.answer(&TRACE));
    let failure = stage.fails(reveal.clone());
    assert!(
        matches!(
            failure.error,
            TransactionError::InsufficientFundsForRent { .. }
        ),
        "{:?}",
        failure.error
    );
    stage.give_lamports(&poor);
    stage.ok(reveal);
}

/// Lamports that lie at a demand's address before it is asked neither block it nor count as its fee.
#[test]
fn lamports_sent_ahead_do_not_block_a_demand() {
    let claim = five_ops();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    for (node_id, lamports) in [
        (TRACE, 1_000_000),
        (node_id(Operand::Input(0), 0, 0), 50_000_000),
    ] {
        let demand = stage.demand_of(&job, &node_id);
        let gift = Account {
            lamports,
            ..Account::default()
        };
        stage.svm.set_account(demand, gift).unwrap();
        stage.ask(&job, &claim, &node_id);
        let revealer = stage.lamports(&stage.cast.provider);
        stage.answer(&job, &claim, &node_id);
        assert_eq!(stage.lamports(&stage.cast.provider), revealer + FEE);
    }
}

/// An opener without the money is refused; nothing is left behind.
#[test]
fn asking_needs_fee_and_rent() {
    let claim = five_ops();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let demand = stage.demand_of(&job, &TRACE);
    let poor = actor("poor");
    let rent = stage
        .svm
        .minimum_balance_for_rent_exemption(Demand::ANSWER_OFFSET + 256);
    let ask = ix::demand(&poor, &stage.job(&job), &TRACE, None);
    for (lamports, enough) in [
        (rent - 1, false),
        (rent + FEE - 1, false),
        (rent + FEE, true),
    ] {
        let account = Account {
            lamports,
            ..Account::default()
        };
        stage.svm.set_account(poor, account).unwrap();
        if enough {
            stage.ok(ask.clone());
        } else {
            let failure = stage.fails(ask.clone());
            assert!(
                !matches!(
                    failure.error,
                    TransactionError::InstructionError(
                        _,
                        InstructionError::ProgramFailedToComplete
                    )
                ),
                "{failure:?}"
            );
        }
        assert_eq!(stage.exists(&demand), enough);
    }
}

/// Windows, fee and times are those that the job was created with, whatever the settings say now.
#[test]
fn the_terms_of_the_job_hold() {
    let claim = five_ops();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let mut args = settings(&stage.cast);
    args.demand_fee_lamports = 99;
    args.response_secs = 86_400;
    args.react_secs = 86_400;
    let authority = stage.cast.authority;
    stage.ok(ix::update_protocol(&authority, Some(args), None));
    let demand = stage.ask(&job, &claim, &TRACE);
    let state: Demand = stage.get(&demand);
    assert_eq!(state.fee_lamports.get(), FEE);
    assert_eq!(state.due.get(), stage.now() + RESPONSE);
}

/// A pause stops no demand, answer or conviction.
#[test]
fn a_pause_stops_no_referee() {
    let mut claim = five_ops();
    claim.corrupt(0, 2, 299);
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let guardian = stage.cast.guardian;
    stage.ok(ix::set_pause(&guardian, true));
    stage.ask(&job, &claim, &TRACE);
    stage.answer(&job, &claim, &TRACE);
    let charge = cell(0, 2, 299);
    let convict = stage.inline(&job, &charge, &claim.evidence(&charge));
    stage.send_v1(&[convict]).unwrap();
    let demand = stage.demand_of(&job, &TRACE);
    stage.ok(ix::close_demand(&demand, &stage.get(&demand)));
    stage.ok(ix::settle_conviction(&stage.job(&job)));
}
