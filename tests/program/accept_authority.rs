//! `accept_authority`: the second step of a hand-over; `update_protocol.rs` tests both.

use super::common::*;

/// What `accept_authority` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![(E::NotProposed, "nobody is proposed", |stage| {
        ix::accept_authority(&stage.cast.stranger)
    })]
}
