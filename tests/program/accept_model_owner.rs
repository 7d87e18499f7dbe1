//! `accept_model_owner`: the second step of a hand-over.

use super::common::*;

fn propose(stage: &mut Stage, whom: Pubkey) {
    let model = stage.model;
    let owner = stage.get::<Model>(&model).owner;
    stage.ok(ix::update_model(&owner, &model, None, Some(whom)));
}

#[test]
fn whoever_is_proposed_takes_the_model_over() {
    let mut stage = Stage::new();
    let (creator, stranger, model) = (stage.cast.creator, stage.cast.stranger, stage.model);
    let job = stage.create(stage.refereed());
    propose(&mut stage, stranger);
    let before: Model = stage.get(&model);
    let outcome = stage.ok(ix::accept_model_owner(&stranger, &model));
    assert!(
        matches!(outcome.event(), QuernEvent::ModelOwnerAccepted(e) if e.owner == stranger && e.model == model)
    );
    let after: Model = stage.get(&model);
    let expected = Model {
        owner: stranger,
        pending_owner: NOBODY,
        seq: after.seq,
        ..before
    };
    assert_eq!(bytemuck::bytes_of(&after), bytemuck::bytes_of(&expected));
    assert_eq!(after.creator, creator);
    // New jobs pay the new owner, live ones the old.
    let next = stage.create(stage.refereed());
    let owner = |stage: &Stage, job: &Pubkey| stage.job(job).royalty_owner;
    assert_eq!(
        (owner(&stage, &job), owner(&stage, &next)),
        (creator, stranger)
    );
    let change = |signer: &Pubkey| ix::update_model(signer, &model, None, Some(NOBODY));
    stage.refused(change(&creator), QuernError::NotAuthorized);
    stage.ok(change(&stranger));
}

/// A second try, or one that lands after the proposal was withdrawn or replaced, does nothing.
#[test]
fn an_acceptance_counts_once_and_only_while_it_is_proposed() {
    let mut stage = Stage::new();
    let (cast, model) = (stage.cast.clone(), stage.model);
    let accept = ix::accept_model_owner(&cast.stranger, &model);
    propose(&mut stage, cast.stranger);
    propose(&mut stage, NOBODY);
    stage.refused(accept.clone(), QuernError::NotProposed);
    propose(&mut stage, cast.stranger);
    propose(&mut stage, cast.client);
    stage.refused(accept.clone(), QuernError::NotProposed);
    propose(&mut stage, cast.stranger);
    stage.ok(accept.clone());
    stage.refused(accept, QuernError::NotProposed);
}

/// What `accept_model_owner` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![(E::NotProposed, "nobody is proposed", |stage| {
        ix::accept_model_owner(&stage.cast.stranger, &stage.model)
    })]
}
