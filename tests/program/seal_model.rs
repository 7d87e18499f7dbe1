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
