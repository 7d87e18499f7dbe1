//! `write_model`: what is refused; `register_model.rs` tests the rest.

use super::common::*;

/// What `write_model` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::ZeroAmount, "an empty piece", |stage| {
            let creator = stage.cast.creator;
            stage.ok(ix::register_model(&creator, model_args(9, 9)));
            ix::write_model(&creator, &addresses::model(&creator, 9), 0, &[])
        }),
        (E::ModelSealed, "a write", |stage| {
            ix::write_model(&stage.cast.creator, &stage.model, 0, &[1])
        }),
    ]
}
