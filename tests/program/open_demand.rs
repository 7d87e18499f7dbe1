//! `open_demand`: what may be asked, by whom, at what cost.

use super::common::*;

/// 33 ops: the trace tree takes two steps, and every answer has the length that its place says.
fn long_trace() -> Claim {
    let x = Tensor::from_i8(1, 3, &[1, -2, 3]).unwrap();
    let mut builder = GraphBuilder::new();
    let input = builder.input_item(DType::I8, 1, 3);
    let mut last = input;
    for _ in 0..33 {
        last = builder.mix(last).plus(input).push();
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
#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
fn what_cannot_be_asked_is_refused_by_name() {
    let claim = every_op();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let other = stage.submitted_for(&claim);
    let (state, prover) = (stage.job(&job), stage.cast.prover);
    let ask =
        |node_id: &NodeId, parent: Option<Pubkey>| ix::demand(&prover, &state, node_id, parent);
    let refuse = |stage: &mut Stage, node_id: NodeId, parent, error| {
        stage.refused(ask(&node_id, parent), error);
    };
    // The nodes of the first ops of the first item.
    let above = NodeId::new(Tree::Trace, 4, 0);
    let trace = stage.demand_of(&job, &above);
    let root = node_id(Operand::Op(0), 0, 0);

    // Codes of trees that nothing has, levels and indices beyond the tree.
    let mut unknown = ask(&TRACE, None);
    for code in [14u16, 1_023, 1_027, 1_032, 2_057, 3_072, 65_534] {
        // The arguments follow an 8-byte discriminator or a shorter one: the tree is in front of the last nine bytes.
        let at = unknown.data.len() - 11;
        unknown.data[at..at + 2].copy_from_slice(&code.to_le_bytes());
        let seeds: [&[u8]; 6] = [
            Demand::SEED,
            job.as_ref(),
            &1u32.to_le_bytes(),
            &code.to_le_bytes(),
            &[0],
            &0u64.to_le_bytes(),
        ];
        unknown.accounts[4].pubkey = Pubkey::find_program_address(&seeds, &quern::ID).0;
        stage.refused(unknown.clone(), QuernError::NoSuchNode);
    }
    for (level, index) in [
        (1, 0),
        (2, 1),
        (4, 0),
        (5, 0),
        (64, 0),
        (255, 0),
        (0, 3),
        (3, 24),
    ] {
        let node_id = node_id(Operand::Op(0), level, index);
        refuse(&mut stage, node_id, None, QuernError::NoSuchNode);
    }
    refuse(
        &mut stage,
        node_id(Operand::Op(0), 3, u64::MAX),
        None,
        QuernError::NoSuchNode,
    );
    // The bottom of the trace are data roots: asked about as such.
    let bottom = NodeId {
        tree: Tree::Trace,
        level: 6,
        index: 0,
    };
    refuse(&mut stage, bottom, None, QuernError::NoSuchNode);
    // A missing row, in the first item and in the last; a missing leaf position inside a row.
    for (op, level, index) in [(0, 3, 6), (0, 3, 7), (0, 3, 23), (11, 4, 3)] {
        let node_id = node_id(Operand::Op(op), level, index);
        refuse(&mut stage, node_id, None, QuernError::MissingPosition);
    }

    // Parents: none where one is needed, one where none is, one that was not asked, not answered, is another's.
    refuse(&mut stage, root, None, QuernError::WrongParent);
    stage.fails(ask(&root, Some(trace)));
    for one in [job, other] {
        stage.ask(&one, &claim, &TRACE);
        stage.answer(&one, &claim, &TRACE);
        stage.ask(&one, &claim, &above);
    }
    refuse(&mut stage, root, Some(trace), QuernError::ParentUnanswered);
    stage.answer(&job, &claim, &above);
    stage.answer(&other, &claim, &above);
    let input = node_id(Operand::Input(0), 0, 0);
    refuse(&mut stage, input, Some(trace), QuernError::WrongParent);
    let leaf = node_id(Operand::Op(0), 3, 0);
    refuse(&mut stage, leaf, Some(trace), QuernError::WrongParent);
    refuse(&mut stage, leaf, None, QuernError::WrongParent);
    let trace_of_other = stage.demand_of(&other, &above);
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

/// Lamports that lie at a demand's address before it is asked neither block it nor count as its fee.
#[test]
fn lamports_sent_ahead_do_not_block_a_demand() {
    let claim = every_op();
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
    let claim = every_op();
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let demand = stage.demand_of(&job, &TRACE);
    let poor = actor("poor");
    let rent = stage
        .svm
        .minimum_balance_for_rent_exemption(Demand::ANSWER_OFFSET + 512);
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

/// Whoever needs the tokens first gets the time that it would have had with them at hand: the last answer about the tokens
/// opens everything else again, but not the tokens themselves.
#[test]
fn an_answer_about_the_tokens_leaves_time_for_everything_else() {
    let claim = text(2);
    let tokens = Operand::Input(1);
    let (root, of_prompt) = (node_id(tokens, 0, 0), node_id(Operand::Input(0), 0, 0));
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    stage.at_deadline(&job, 0);
    stage.ask(&job, &claim, &root);
    stage.wait(RESPONSE);
    stage.answer(&job, &claim, &root);
    let answered = stage.now();
    assert_eq!(stage.job(&job).tokens_answered_at.get(), answered);
    // The review is over.
    stage.set_time(answered + REACT);
    stage.ask(&job, &claim, &of_prompt);
    stage.ask(&job, &claim, &TRACE);
    let height = claim.geometry(tokens).height();
    stage.ask(&job, &claim, &node_id(tokens, height, 0));
    stage.set_time(answered + REACT + 1);
    let late = ix::demand(
        &stage.cast.prover,
        &stage.job(&job),
        &node_id(Operand::Weight(0), 0, 0),
        None,
    );
    stage.refused(late, QuernError::TooLate);
    // An answer about anything else opens nothing but what is below it.
    stage.answer(&job, &claim, &of_prompt);
    assert_eq!(stage.job(&job).tokens_answered_at.get(), answered);
    let weight = node_id(Operand::Weight(0), 0, 0);
    let late = ix::demand(&stage.cast.prover, &stage.job(&job), &weight, None);
    stage.refused(late, QuernError::TooLate);
    // The last leaf of the tokens opens everything once more.
    stage.answer(&job, &claim, &node_id(tokens, height, 0));
    stage.ask(&job, &claim, &weight);
}

/// Windows, fee and times are those that the job was created with, whatever the settings say now.
#[test]
fn the_terms_of_the_job_hold() {
    let claim = every_op();
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

/// What `open_demand` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::RefereedOnly, "a demand about a reviewed job", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.accepted());
            ask(stage, &job, TRACE, None)
        }),
        (E::WrongState, "a demand before a result", |stage| {
            let job = stage.job_in(JobState::Taken, stage.refereed());
            ask(stage, &job, TRACE, None)
        }),
        (E::WrongModel, "a demand", |stage| {
            let job = submitted(stage);
            let mut instruction = ask(stage, &job, TRACE, None);
            instruction.accounts[2].pubkey = stage.model_of(&referee::tiny());
            instruction
        }),
        (E::WrongDemand, "a parent of another job", |stage| {
            let (job, other) = (submitted(stage), submitted(stage));
            let parent = stage.ask(&other, &claim(1), &TRACE);
            stage.answer(&other, &claim(1), &TRACE);
            ask(stage, &job, node_id(Operand::Op(0), 0, 0), Some(parent))
        }),
        (E::NoSuchNode, "a tree that is not there", |stage| {
            let job = submitted(stage);
            ask(stage, &job, node_id(Operand::Op(2), 0, 0), None)
        }),
        (E::NoSuchNode, "a level between steps", |stage| {
            let job = submitted(stage);
            ask(stage, &job, node_id(Operand::Weight(0), 1, 0), None)
        }),
        (E::MissingPosition, "a missing row", |stage| {
            let job = submitted(stage);
            ask(stage, &job, node_id(Operand::Weight(0), 2, 3), None)
        }),
        (E::WrongParent, "none where one is needed", |stage| {
            let job = submitted(stage);
            ask(stage, &job, node_id(Operand::Op(0), 0, 0), None)
        }),
        (E::WrongParent, "one where none is needed", |stage| {
            let job = submitted(stage);
            let parent = stage.ask(&job, &claim(1), &TRACE);
            ask(stage, &job, node_id(Operand::Input(0), 0, 0), Some(parent))
        }),
        (E::ParentUnanswered, "a child", |stage| {
            let job = submitted(stage);
            let parent = stage.ask(&job, &claim(1), &TRACE);
            ask(stage, &job, node_id(Operand::Op(0), 0, 0), Some(parent))
        }),
        (E::TooLate, "a demand after the review", |stage| {
            let job = submitted(stage);
            stage.at_deadline(&job, 1);
            ask(stage, &job, TRACE, None)
        }),
    ]
}
