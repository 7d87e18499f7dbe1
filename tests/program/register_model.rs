//! `register_model`: a new model and the room for its graph.

use super::common::*;

#[test]
fn a_model_is_registered() {
    let mut stage = Stage::new();
    let creator = stage.cast.creator;
    let graph = graph();
    let before = stage.lamports(&creator);
    let outcome = stage.ok(ix::register_model(&creator, model_args(7, graph.len())));
    let QuernEvent::ModelRegistered(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.creator, event.id, event.uri.as_str()),
        (creator, 7, "https://models.example/digits")
    );
    assert_eq!(
        stage.lamports(&creator),
        before - rent(&stage, Model::space(graph.len() as u32))
    );
    let address = addresses::model(&creator, 7);
    let model: Model = stage.get(&address);
    assert_eq!(
        (model.creator, model.owner, model.id.get(), model.kind),
        (creator, creator, 7, 1)
    );
    assert_eq!(
        (model.royalty_bps.get(), model.graph_bytes.get()),
        (300, graph.len() as u32)
    );
    assert_eq!((model.sealed.get(), model.active.get()), (false, true));
    assert_eq!(&model.name[..7], b"Digits\0");
}

/// The largest graph that can be sealed is registered, with as much room as one instruction may make; one byte more is
/// refused.
#[test]
fn a_model_has_room_to_begin_with() {
    let mut stage = Stage::new();
    let creator = stage.cast.creator;
    let most = quern::constants::MAX_GRAPH_BYTES;
    stage.refused(
        ix::register_model(&creator, model_args(8, most as usize + 1)),
        QuernError::ModelOutOfRoom,
    );
    stage.ok(ix::register_model(&creator, model_args(8, most as usize)));
    let address = addresses::model(&creator, 8);
    let data = stage.svm.get_account(&address).unwrap().data;
    assert_eq!(data.len(), quern::constants::MAX_GROWTH_BYTES);
    stage.ok(ix::register_model(&creator, model_args(9, 0)));
    let empty = addresses::model(&creator, 9);
    let data = stage.svm.get_account(&empty).unwrap().data;
    assert_eq!(data.len(), Model::GRAPH_OFFSET);
}

/// What `register_model` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::ShareTooHigh, "royalty of a new model", |stage| {
            let mut args = model_args(9, 0);
            args.royalty_bps = 5_001;
            ix::register_model(&stage.cast.creator, args)
        }),
        (E::BadText, "a long name", |stage| {
            let mut args = model_args(9, 0);
            args.name = "é".repeat(17);
            ix::register_model(&stage.cast.creator, args)
        }),
        (E::ModelOutOfRoom, "a program above the largest", |stage| {
            ix::register_model(&stage.cast.creator, model_args(9, 77_937))
        }),
        (E::UnknownKind, "asset", |stage| {
            let mut args = model_args(9, 0);
            args.kind = 0;
            ix::register_model(&stage.cast.creator, args)
        }),
    ]
}
