//! `update_model`: royalty, state and URI for new jobs, and the first step of a hand-over.

use super::common::*;

fn model_settings(royalty_bps: u16) -> ModelSettings {
    ModelSettings {
        active: true,
        royalty_bps,
        uri: "ipfs://x".into(),
    }
}

#[test]
fn a_models_settings_change_for_new_jobs() {
    let mut stage = Stage::new();
    let (creator, model) = (stage.cast.creator, stage.model);
    let job = stage.create(stage.refereed());
    let before: Model = stage.get(&model);
    let outcome = stage.ok(ix::update_model(
        &creator,
        &model,
        Some(model_settings(5_000)),
        None,
    ));
    assert!(
        matches!(outcome.event(), QuernEvent::ModelUpdated(e) if e.uri.as_deref() == Some("ipfs://x") && e.model == model)
    );
    let after: Model = stage.get(&model);
    let expected = Model {
        royalty_bps: 5_000u16.into(),
        uri_hash: anchor_lang::sha256(b"ipfs://x"),
        seq: after.seq,
        ..before
    };
    assert_eq!(bytemuck::bytes_of(&after), bytemuck::bytes_of(&expected));
    let next = stage.create(stage.refereed());
    let royalty = |stage: &Stage, job: &Pubkey| stage.job(job).royalty_bps.get();
    assert_eq!(
        (royalty(&stage, &job), royalty(&stage, &next)),
        (300, 5_000)
    );
    let mut settings = model_settings(0);
    settings.active = false;
    stage.ok(ix::update_model(&creator, &model, Some(settings), None));
    stage.refused(stage.create_ix(stage.refereed()), QuernError::ModelInactive);
}

#[test]
fn a_proposal_changes_nothing_else() {
    let mut stage = Stage::new();
    let (creator, stranger, model) = (stage.cast.creator, stage.cast.stranger, stage.model);
    let before: Model = stage.get(&model);
    let outcome = stage.ok(ix::update_model(&creator, &model, None, Some(stranger)));
    assert!(matches!(outcome.event(), QuernEvent::ModelUpdated(e) if e.uri.is_none()));
    let after: Model = stage.get(&model);
    let expected = Model {
        pending_owner: stranger,
        seq: after.seq,
        ..before
    };
    assert_eq!(bytemuck::bytes_of(&after), bytemuck::bytes_of(&expected));
}

/// What `update_model` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::ShareTooHigh, "royalty of a model", |stage| {
            let settings = Some(model_settings(5_001));
            ix::update_model(&stage.cast.creator, &stage.model, settings, None)
        }),
        (E::BadText, "a long URI", |stage| {
            let mut settings = model_settings(0);
            settings.uri = "x".repeat(201);
            ix::update_model(&stage.cast.creator, &stage.model, Some(settings), None)
        }),
        (E::NotAuthorized, "a stranger changes a model", |stage| {
            let settings = Some(model_settings(0));
            ix::update_model(&stage.cast.stranger, &stage.model, settings, None)
        }),
    ]
}
