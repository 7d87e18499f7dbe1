//! Text by greedy decoding.
#![allow(clippy::unwrap_used)]

mod common;

use common::{every_op, text, text_of};
use quern_proof::{Error, Refusal};

/// What the loop over the whole batch finds is what one item is generated as, whatever the tokens of the inputs are.
#[test]
fn an_item_is_generated() {
    for mut job in [text(3), text_of(1, 70), text_of(2, 1)] {
        let right = job.inputs[1].clone();
        job.inputs[1].data_mut().fill(0x41);
        for item in 0..job.items {
            let found = job.batch().generate(item).unwrap();
            assert_eq!(Some(found.data()), right.row(item));
        }
        let beyond = job.batch().generate(job.items);
        assert!(matches!(beyond, Err(Error::NoSuchItem { .. })));
    }
}

/// A text is what FEEDBACK makes of it again.
#[test]
fn a_text_feeds_itself() {
    let mut job = text_of(1, 33);
    let found = job.batch().generate(0).unwrap();
    job.inputs[1] = found.clone();
    let outputs = job.batch().item(0).unwrap();
    assert_eq!(outputs.last(), Some(&found));
}

#[test]
fn without_tokens_there_is_no_text() {
    let refused = every_op(1).batch().generate(0);
    assert_eq!(refused, Err(Error::Refused(Refusal::NoTokens)));
}
