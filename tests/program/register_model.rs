//! `register_model` to `accept_model_owner`: the life of a model.

use super::common::*;

#[test]
fn a_model_is_registered_written_sealed_changed_and_handed_over() {
    let mut stage = Stage::new();
    let (creator, stranger) = (stage.cast.creator, stage.cast.stranger);
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

    // Backwards, and twice over one place.
    let half = graph.len() / 2;
    stage.ok(ix::write_model(
        &creator,
        &address,
        half as u32,
        &graph[half..],
    ));
    stage.ok(ix::write_model(&creator, &address, 0, &vec![255; half]));
    let outcome = stage.ok(ix::write_model(&creator, &address, 0, &graph[..half]));
    assert!(
        matches!(outcome.event(), QuernEvent::ModelWritten(e) if e.offset == 0 && e.length == half as u32)
    );
    let data = stage.svm.get_account(&address).unwrap().data;
    assert_eq!(Model::graph_of(&data, graph.len() as u32).unwrap(), graph);

    let outcome = stage.ok(ix::seal_model(&creator, &address));
    let QuernEvent::ModelSealed(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(event.graph_hash, anchor_lang::sha256(&graph));
    let macs = quern_proof::graph::seal(&graph).unwrap();
    let model: Model = stage.get(&address);
    assert_eq!(
        (model.macs_fixed.get(), model.macs_per_row.get()),
        (macs.fixed, macs.per_row)
    );
    stage.refused(ix::seal_model(&creator, &address), QuernError::ModelSealed);
    stage.refused(
        ix::write_model(&creator, &address, 0, &[1]),
        QuernError::ModelSealed,
    );

    let args = ModelSettings {
        active: false,
        royalty_bps: 5_000,
        uri: "ipfs://x".into(),
    };
    let outcome = stage.ok(ix::update_model(&creator, &address, Some(args), None));
    assert!(
        matches!(outcome.event(), QuernEvent::ModelUpdated(e) if e.uri.as_deref() == Some("ipfs://x") && e.model == address)
    );
    let model: Model = stage.get(&address);
    assert_eq!(
        (model.active.get(), model.royalty_bps.get()),
        (false, 5_000)
    );
    assert_eq!(model.uri_hash, anchor_lang::sha256(b"ipfs://x"));

    stage.refused(
        ix::accept_model_owner(&stranger, &address),
        QuernError::NotProposed,
    );
    let outcome = stage.ok(ix::update_model(&creator, &address, None, Some(stranger)));
    assert!(matches!(outcome.event(), QuernEvent::ModelUpdated(e) if e.uri.is_none()));
    let proposed: Model = stage.get(&address);
    let expected = Model {
        pending_owner: stranger,
        seq: proposed.seq,
        ..model
    };
    assert_eq!(
        bytemuck::bytes_of(&proposed),
        bytemuck::bytes_of(&expected),
        "a proposal changes nothing else"
    );
    let outcome = stage.ok(ix::accept_model_owner(&stranger, &address));
    assert!(matches!(outcome.event(), QuernEvent::ModelOwnerAccepted(e) if e.owner == stranger));
    let model: Model = stage.get(&address);
    assert_eq!(
        (model.owner, model.pending_owner, model.creator),
        (stranger, NOBODY, creator)
    );
    let args = ModelSettings {
        active: true,
        royalty_bps: 0,
        uri: String::new(),
    };
    stage.refused(
        ix::update_model(&creator, &address, Some(args.clone()), None),
        QuernError::NotAuthorized,
    );
    stage.ok(ix::update_model(&stranger, &address, Some(args), None));
}

/// The largest program that the account takes is written in pieces; one byte more is refused.
#[test]
fn a_model_has_the_room_that_it_reserved() {
    let mut stage = Stage::new();
    let creator = stage.cast.creator;
    let most = quern::constants::MAX_GRAPH_BYTES;
    stage.refused(
        ix::register_model(&creator, model_args(8, most as usize + 1)),
        QuernError::ModelOutOfRoom,
    );
    stage.ok(ix::register_model(&creator, model_args(8, most as usize)));
    let address = addresses::model(&creator, 8);
    for instruction in ix::write_graph(&creator, &address, &vec![3; most as usize]) {
        stage.ok(instruction);
    }
    stage.refused(
        ix::write_model(&creator, &address, most, &[1]),
        QuernError::ModelOutOfRoom,
    );
    stage.refused(
        ix::write_model(&creator, &address, most - 1, &[1, 2]),
        QuernError::ModelOutOfRoom,
    );
    stage.refused(
        ix::write_model(&creator, &address, u32::MAX, &[1]),
        QuernError::ModelOutOfRoom,
    );
    stage.refused(
        ix::write_model(&creator, &address, 0, &[]),
        QuernError::ZeroAmount,
    );
    stage.ok(ix::register_model(&creator, model_args(9, 0)));
    let empty = addresses::model(&creator, 9);
    stage.refused(
        ix::write_model(&creator, &empty, 0, &[1]),
        QuernError::ModelOutOfRoom,
    );
    assert!(
        stage
            .fails(ix::seal_model(&creator, &empty))
            .code()
            .unwrap()
            > 7_000
    );
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
            ix::register_model(&stage.cast.creator, model_args(9, 8_193))
        }),
        (E::UnknownKind, "asset", |stage| {
            let mut args = model_args(9, 0);
            args.kind = 0;
            ix::register_model(&stage.cast.creator, args)
        }),
    ]
}
