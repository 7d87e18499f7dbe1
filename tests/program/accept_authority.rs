//! `accept_authority`: the second step of a hand-over.

use super::common::*;

fn propose(stage: &mut Stage, whom: Pubkey) {
    let authority = stage.protocol().authority;
    stage.ok(ix::update_protocol(&authority, None, Some(whom)));
}

#[test]
fn whoever_is_proposed_takes_the_protocol_over() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    propose(&mut stage, cast.stranger);
    let before = stage.protocol();
    let outcome = stage.ok(ix::accept_authority(&cast.stranger));
    assert!(
        matches!(outcome.event(), QuernEvent::AuthorityAccepted(e) if e.authority == cast.stranger)
    );
    let protocol = stage.protocol();
    let expected = Protocol {
        authority: cast.stranger,
        pending_authority: NOBODY,
        seq: protocol.seq,
        ..before
    };
    assert_eq!(bytemuck::bytes_of(&protocol), bytemuck::bytes_of(&expected));
    let change = |signer: &Pubkey| ix::update_protocol(signer, Some(settings(&cast)), None);
    stage.refused(change(&cast.authority), QuernError::NotAuthorized);
    stage.ok(change(&cast.stranger));
}

/// A second try, or one that lands after the proposal was withdrawn or replaced, does nothing.
#[test]
fn an_acceptance_counts_once_and_only_while_it_is_proposed() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let accept = ix::accept_authority(&cast.stranger);
    propose(&mut stage, cast.stranger);
    propose(&mut stage, NOBODY);
    stage.refused(accept.clone(), QuernError::NotProposed);
    propose(&mut stage, cast.stranger);
    propose(&mut stage, cast.client);
    stage.refused(accept.clone(), QuernError::NotProposed);
    assert_eq!(stage.protocol().authority, cast.authority);
    propose(&mut stage, cast.stranger);
    stage.ok(accept.clone());
    stage.refused(accept, QuernError::NotProposed);
}

/// What `accept_authority` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::NotProposed, "nobody is proposed", |stage| {
            ix::accept_authority(&stage.cast.stranger)
        }),
        (E::NotProposed, "somebody else is proposed", |stage| {
            let client = stage.cast.client;
            propose(stage, client);
            ix::accept_authority(&stage.cast.stranger)
        }),
    ]
}
