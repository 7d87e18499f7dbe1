//! `write_model`: the pieces of a graph.

use super::common::*;

/// A model of the creator with room for so many bytes.
fn with_room(stage: &mut Stage, bytes: usize) -> (Pubkey, Pubkey) {
    let creator = stage.cast.creator;
    stage.ok(ix::register_model(&creator, model_args(9, bytes)));
    (creator, addresses::model(&creator, 9))
}

fn graph_of(stage: &Stage, model: &Pubkey) -> Vec<u8> {
    let data = stage.svm.get_account(model).unwrap().data;
    data[Model::GRAPH_OFFSET..].to_vec()
}

#[test]
fn a_graph_is_written_in_any_order_and_sealed() {
    let mut stage = Stage::new();
    let graph = graph();
    let (creator, model) = with_room(&mut stage, graph.len());
    // Backwards, and twice over one place.
    let half = graph.len() / 2;
    stage.ok(ix::write_model(
        &creator,
        &model,
        half as u32,
        &graph[half..],
    ));
    stage.ok(ix::write_model(&creator, &model, 0, &vec![255; half]));
    let outcome = stage.ok(ix::write_model(&creator, &model, 0, &graph[..half]));
    assert!(
        matches!(outcome.event(), QuernEvent::ModelWritten(e) if e.offset == 0 && e.length == half as u32 && e.model == model)
    );
    assert_eq!(graph_of(&stage, &model), graph);

    let outcome = stage.ok(ix::seal_model(&creator, &model, &graph));
    let QuernEvent::ModelSealed(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(event.graph_hash, anchor_lang::sha256(&graph));
    let sealed: Model = stage.get(&model);
    assert_eq!(sealed.costs(), quern_proof::graph::seal(&graph).unwrap());
    stage.refused(
        ix::write_model(&creator, &model, 0, &[1]),
        QuernError::ModelSealed,
    );
}

/// A piece says what shall stand where: a second try, or a late one, changes nothing.
#[test]
fn a_piece_that_is_written_twice_is_written_once() {
    let mut stage = Stage::new();
    let (creator, model) = with_room(&mut stage, 4);
    let piece = ix::write_model(&creator, &model, 1, &[7, 8]);
    stage.ok(piece.clone());
    stage.ok(piece);
    assert_eq!(graph_of(&stage, &model), [0, 7, 8, 0]);
}

/// The largest graph is written in pieces, in order: the account grows with them at its owner's cost. One byte beyond the
/// registered length is refused, and so is a piece that lies further away than one instruction may grow.
#[test]
fn a_model_grows_to_its_registered_length() {
    let mut stage = Stage::new();
    let most = quern::constants::MAX_GRAPH_BYTES;
    let (creator, model) = with_room(&mut stage, most as usize);
    let room = |stage: &Stage| stage.svm.get_account(&model).unwrap().data.len();
    assert_eq!(room(&stage), 10_240);
    let seal = ix::seal_model(&creator, &model, &vec![3; most as usize]);
    stage.refused(seal, QuernError::ModelTooShort);
    let far = ix::write_model(&creator, &model, 20_480, &[1]);
    stage.refused(far, QuernError::ModelOutOfRoom);
    let before = stage.lamports(&creator);
    for instruction in ix::write_graph(&creator, &model, &vec![3; most as usize]) {
        stage.ok(instruction);
    }
    assert_eq!(graph_of(&stage, &model), vec![3; most as usize]);
    let grown = rent(&stage, room(&stage)) - rent(&stage, 10_240);
    assert_eq!(stage.lamports(&creator), before - grown);
    for (offset, bytes) in [(most, &[1u8][..]), (most - 1, &[1, 2]), (u32::MAX, &[1])] {
        stage.refused(
            ix::write_model(&creator, &model, offset, bytes),
            QuernError::ModelOutOfRoom,
        );
    }
}

/// A refused seal leaves the model as it is: its owner mends the graph and seals it.
#[test]
fn a_graph_is_mended_after_a_failed_seal() {
    let mut stage = Stage::new();
    let good = graph();
    let mut bad = good.clone();
    let last = bad.len() - 1;
    bad[last] ^= 0x40;
    let (creator, model) = with_room(&mut stage, good.len());
    stage.ok(ix::write_model(&creator, &model, 0, &bad));
    let cause = quern_proof::graph::seal(&bad).unwrap_err();
    let failure = stage.fails(ix::seal_model(&creator, &model, &bad));
    let code = quern::error::SEAL_ERROR_BASE + cause as u32;
    assert_eq!(failure.code(), Some(code), "{cause}");
    assert!(!stage.get::<Model>(&model).sealed.get());
    let mend = ix::write_model(&creator, &model, last as u32, &good[last..]);
    stage.ok(mend.clone());
    assert_eq!(graph_of(&stage, &model), good);
    stage.ok(ix::seal_model(&creator, &model, &good));
    stage.refused(mend, QuernError::ModelSealed);
}

/// What `write_model` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::ZeroAmount, "an empty piece", |stage| {
            let (creator, model) = with_room(stage, 9);
            ix::write_model(&creator, &model, 0, &[])
        }),
        (E::ModelOutOfRoom, "a model without room", |stage| {
            let (creator, model) = with_room(stage, 0);
            ix::write_model(&creator, &model, 0, &[1])
        }),
        (E::ModelSealed, "a write", |stage| {
            ix::write_model(&stage.cast.creator, &stage.model, 0, &[1])
        }),
        (E::NotAuthorized, "a stranger writes", |stage| {
            let (_, model) = with_room(stage, 9);
            ix::write_model(&stage.cast.stranger, &model, 0, &[1])
        }),
    ]
}
