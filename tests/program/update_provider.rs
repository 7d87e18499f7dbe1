//! `update_provider`: what is refused; `register_provider.rs` tests the rest.

use super::common::*;

/// What `update_provider` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::BadText, "no name", |stage| {
            let mut args = provider_args(&stage.cast.operator);
            args.name.clear();
            ix::update_provider(&stage.cast.provider, args)
        }),
        (E::BadText, "a long endpoint", |stage| {
            let mut args = provider_args(&stage.cast.operator);
            args.endpoint = "x".repeat(201);
            ix::update_provider(&stage.cast.provider, args)
        }),
    ]
}
