//! `close_evidence`: what is refused; `write_evidence.rs` tests the rest.

use super::common::*;

/// What `close_evidence` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![(
        E::NotAuthorized,
        "closing somebody else's evidence",
        |stage| {
            let author = stage.cast.prover;
            let evidence = stage.write_down(&author, "one", &[1, 2, 3]);
            ix::close_evidence(&stage.cast.stranger, &evidence)
        },
    )]
}
