//! `update_model`: what is refused; `register_model.rs` tests the rest.

use super::common::*;

/// What `update_model` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![(E::ShareTooHigh, "royalty of a model", |stage| {
        let args = ModelSettings {
            active: true,
            royalty_bps: 5_001,
            uri: String::new(),
        };
        ix::update_model(&stage.cast.creator, &stage.model, Some(args), None)
    })]
}
