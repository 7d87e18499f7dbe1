//! `seal_model`: a graph that cannot be sealed names its cause.

use super::common::*;

/// What `seal` refuses is named by the base plus the number of the cause.
#[test]
fn a_refused_tensor_program_names_its_cause() {
    let mut stage = Stage::new();
    let creator = stage.cast.creator;
    let mut refuse = |id: u64, bytes: Vec<u8>| {
        let expected = quern_proof::graph::seal(&bytes).unwrap_err();
        stage.ok(ix::register_model(&creator, model_args(id, bytes.len())));
        let model = addresses::model(&creator, id);
        for instruction in ix::write_graph(&creator, &model, &bytes) {
            stage.ok(instruction);
        }
        let failure = stage.fails(ix::seal_model(&creator, &model, &bytes));
        assert_eq!(
            failure.code(),
            Some(quern::error::SEAL_ERROR_BASE + expected as u32),
            "{expected}"
        );
    };
    let good = graph();
    refuse(20, good[..good.len() - 1].to_vec());
    for (id, at) in (21..).zip([0usize, 1, 2, 3, 4, 8, 9, 12, 20, 22, 64, 65, 66, 70, 80]) {
        let mut bytes = good.clone();
        bytes[at % good.len()] ^= 0x40;
        if quern_proof::graph::seal(&bytes).is_err() {
            refuse(id, bytes);
        }
    }
    refuse(50, vec![0; 100]);
    refuse(51, vec![0; quern_proof::graph::MAX_BYTES]);
}

/// The largest graphs are sealed in one instruction: 1,024 ops of one kind and 1,024 weights.
#[test]
fn the_dearest_graphs_are_sealed() {
    type Op = fn(&mut GraphBuilder, [Operand; 4]);
    let kinds: [(&str, Op); 4] = [
        ("DOT", |b, [x, w, p, _]| {
            b.dot(x, w).scaled(p, 20, DType::I8).push();
        }),
        ("MIX", |b, [x, ..]| {
            b.mix(x).times(x).plus_product(x, x).paired().push();
        }),
        ("NORM", |b, [x, _, p, _]| {
            b.norm(x, p, 20, DType::I8).push();
        }),
        ("SOFTMAX", |b, [x, ..]| {
            b.softmax(x, 1, 1, DType::I8).mask(x).push();
        }),
    ];
    for (name, push) in kinds {
        let graph = largest(push);
        assert_eq!(graph.len(), quern_proof::graph::MAX_BYTES);
        assert_sealed(name, &graph);
    }
    // With tokens, every op's kind is derived too.
    assert_sealed("MIX of tokens", &largest_text());
}

/// The largest graph of one op.
fn largest(push: fn(&mut GraphBuilder, [Operand; 4])) -> Vec<u8> {
    let mut b = GraphBuilder::new();
    let inputs = [0; 8].map(|_| b.input_item(DType::I8, 8, 8));
    let w = b.weight_root(DType::I8, 8, 8, &[1; 32]);
    let p = b.weight_root(DType::I32, 2, 8, &[2; 32]);
    for _ in 2..quern_proof::limits::MAX_WEIGHTS {
        b.weight_root(DType::I8, 1, 256, &[3; 32]);
    }
    for _ in 0..quern_proof::limits::MAX_OPS {
        push(&mut b, [inputs[7], w, p, inputs[0]]);
    }
    b.finish().unwrap()
}

/// As many ops that depend on the tokens: sums of four operands in pairs.
fn largest_text() -> Vec<u8> {
    let mut b = GraphBuilder::new();
    let x = b.input_item(DType::I32, 1, 8);
    let tokens = b.input_item(DType::I32, 1, 8);
    let table = b.weight_root(DType::I8, 8, 8, &[1; 32]);
    for _ in 1..quern_proof::limits::MAX_WEIGHTS {
        b.weight_root(DType::I8, 1, 256, &[3; 32]);
    }
    let words = b.gather(tokens, table, 8).push();
    for _ in 3..quern_proof::limits::MAX_OPS {
        let sum = b.mix(words).times(words);
        sum.plus_product(words, words).paired().push();
    }
    let next = b.argmax(words).transposed().push();
    let fed = b.feedback(x, next).push();
    b.generate(tokens, fed);
    b.finish().unwrap()
}

/// Seals a graph within the goal.
fn assert_sealed(name: &str, graph: &[u8]) {
    let mut stage = Stage::new();
    let creator = stage.cast.creator;
    let all = ix::register_whole_model(&creator, model_args(77, 0), graph);
    let mut units = 0;
    for instruction in all {
        units = stage.ok(instruction).compute_units;
    }
    println!("{name}: {units} compute units");
    assert!(units < 1_200_000, "{name}: {units} compute units");
}

/// A piece that was signed earlier and lands later than the one that replaced it does not end in the sealed graph.
#[test]
fn a_graph_that_changed_before_the_seal_is_not_sealed() {
    let mut stage = Stage::new();
    let (creator, bytes) = (stage.cast.creator, graph());
    stage.ok(ix::register_model(&creator, model_args(20, bytes.len())));
    let model = addresses::model(&creator, 20);
    let late = ix::write_model(&creator, &model, 8, &[9]);
    let seal = ix::seal_model(&creator, &model, &bytes);
    stage.ok(ix::write_model(&creator, &model, 0, &bytes));
    stage.ok(late);
    stage.refused(seal.clone(), QuernError::GraphDiffers);
    stage.ok(ix::write_model(&creator, &model, 0, &bytes));
    stage.ok(seal);
}

/// What `seal_model` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::GraphDiffers, "another graph", |stage| {
            let (creator, bytes) = (stage.cast.creator, graph());
            stage.ok(ix::register_model(&creator, model_args(9, bytes.len())));
            ix::seal_model(&creator, &addresses::model(&creator, 9), &bytes)
        }),
        (
            E::ModelTooShort,
            "a graph of which a part is missing",
            |stage| {
                let creator = stage.cast.creator;
                stage.ok(ix::register_model(&creator, model_args(9, 20_000)));
                ix::seal_model(&creator, &addresses::model(&creator, 9), &[0; 20_000])
            },
        ),
        (E::ModelSealed, "a second time", |stage| {
            ix::seal_model(&stage.cast.creator, &stage.model, &graph())
        }),
    ]
}
