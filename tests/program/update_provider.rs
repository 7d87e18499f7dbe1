//! `update_provider`: a provider's entry changes, its past and its running jobs don't.

use super::common::*;

#[test]
fn a_provider_changes_its_entry_and_nothing_else() {
    let mut stage = Stage::new();
    let (provider, stranger) = (stage.cast.provider, stage.cast.stranger);
    let job = stage.job_in(JobState::Submitted, stage.accepted());
    stage.accept(&job);
    let (entry, running) = (stage.provider_of(&provider), stage.job(&job));
    let mut args = provider_args(&stranger);
    args.name = "x".repeat(32);
    args.endpoint = String::new();
    args.active = false;
    let outcome = stage.ok(ix::update_provider(&provider, args));
    assert!(
        matches!(outcome.event(), QuernEvent::ProviderUpdated(e) if e.endpoint.is_empty() && e.owner == provider)
    );
    let after = stage.provider_of(&provider);
    let expected = Provider {
        operator: stranger,
        name: [b'x'; 32],
        endpoint_hash: [0; 32],
        active: false.into(),
        seq: after.seq,
        ..entry
    };
    assert_eq!(bytemuck::bytes_of(&after), bytemuck::bytes_of(&expected));
    assert_eq!(
        bytemuck::bytes_of(&stage.job(&job)),
        bytemuck::bytes_of(&running)
    );
}

/// Naming another operator takes the old key away at once, and hands the takes of the old one to the new one.
#[test]
fn an_operator_that_is_replaced_can_do_nothing_more() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let job = stage.create(stage.refereed());
    stage.ok(ix::take_job(
        &cast.operator,
        &cast.provider,
        &stage.job(&job),
    ));
    stage.ok(ix::update_provider(
        &cast.provider,
        provider_args(&cast.stranger),
    ));
    let submit = |stage: &Stage, signer: &Pubkey| ix::submit(signer, &stage.job(&job), proof(0));
    stage.refused(submit(&stage, &cast.operator), QuernError::NotAuthorized);
    stage.ok(submit(&stage, &cast.stranger));
}

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
        (
            E::NotAuthorized,
            "the operator changes the entry",
            |stage| {
                let mut change = ix::update_provider(&stage.cast.operator, provider_args(&NOBODY));
                change.accounts[1].pubkey = addresses::provider(&stage.cast.provider);
                change
            },
        ),
    ]
}
