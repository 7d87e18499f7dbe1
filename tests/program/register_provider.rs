//! `register_provider` and `update_provider`: a provider's entry.

use super::common::*;

#[test]
fn a_provider_registers_and_changes_its_entry() {
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

    let mut args = provider_args(&stage.cast.operator);
    args.name = "x".repeat(32);
    args.endpoint = String::new();
    args.active = false;
    let outcome = stage.ok(ix::update_provider(&newcomer, args));
    assert!(matches!(outcome.event(), QuernEvent::ProviderUpdated(e) if e.endpoint.is_empty()));
    let entry = stage.provider_of(&newcomer);
    assert_eq!(
        (entry.name, entry.endpoint_hash, entry.active.get()),
        ([b'x'; 32], [0; 32], false)
    );
    assert_eq!(entry.operator, stage.cast.operator);
}
