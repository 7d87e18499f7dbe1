//! `register_provider`: a provider's entry.

use super::common::*;

#[test]
fn a_provider_registers() {
    let mut stage = Stage::new();
    let newcomer = actor("newcomer");
    stage.give_lamports(&newcomer);
    let before = stage.lamports(&newcomer);
    let outcome = stage.ok(ix::register_provider(&newcomer, provider_args(&newcomer)));
    let QuernEvent::ProviderRegistered(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.owner, event.endpoint.as_str()),
        (newcomer, "https://provider.example")
    );
    assert_eq!(
        stage.lamports(&newcomer),
        before - rent(&stage, space::<Provider>())
    );
    let entry = stage.provider_of(&newcomer);
    assert_eq!((entry.owner, entry.operator), (newcomer, newcomer));
    assert_eq!(&entry.name[..9], b"Provider\0");
    assert_eq!(
        entry.endpoint_hash,
        anchor_lang::sha256(b"https://provider.example")
    );
    assert!(entry.active.get());
    stage.fails(ix::register_provider(&newcomer, provider_args(&newcomer)));
}
