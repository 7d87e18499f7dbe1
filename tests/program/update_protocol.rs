//! `update_protocol`: settings for new jobs, the hand-over of the authority.

use super::common::*;

#[test]
fn settings_change_for_new_jobs_only() {
    let mut stage = Stage::new();
    let job = stage.create(stage.refereed());
    let before = stage.job(&job);
    let cast = stage.cast.clone();
    let mut args = settings(&cast);
    args.fee_bps = 1_000;
    args.late_penalty_bps = 5_000;
    args.grace_secs = 7;
    args.guardian = cast.stranger;
    args.treasury_owner = cast.arbiter;
    let outcome = stage.ok(ix::update_protocol(&cast.authority, Some(args), None));
    assert!(matches!(outcome.event(), QuernEvent::ProtocolUpdated(_)));
    let protocol = stage.protocol();
    assert_eq!(
        (protocol.guardian, protocol.treasury_owner),
        (cast.stranger, cast.arbiter)
    );
    assert_eq!(
        (
            protocol.terms.fee_bps.get(),
            protocol.terms.grace_secs.get()
        ),
        (1_000, 7)
    );
    assert_eq!(
        bytemuck::bytes_of(&stage.job(&job)),
        bytemuck::bytes_of(&before),
        "a live job keeps its terms"
    );

    let second = stage.create(stage.refereed());
    assert_eq!(stage.job(&second).terms.fee_bps.get(), 1_000);
    assert_eq!(stage.job(&second).treasury_owner, cast.arbiter);
}

#[test]
fn a_proposal_and_settings_leave_each_other_alone() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let before = stage.protocol();
    let outcome = stage.ok(ix::update_protocol(
        &cast.authority,
        None,
        Some(cast.stranger),
    ));
    assert!(matches!(outcome.event(), QuernEvent::ProtocolUpdated(_)));
    let protocol = stage.protocol();
    let expected = Protocol {
        pending_authority: cast.stranger,
        seq: protocol.seq,
        ..before
    };
    assert_eq!(bytemuck::bytes_of(&protocol), bytemuck::bytes_of(&expected));
    stage.ok(ix::update_protocol(
        &cast.authority,
        Some(settings(&cast)),
        None,
    ));
    let protocol = stage.protocol();
    assert_eq!(
        (protocol.pending_authority, protocol.cluster),
        (cast.stranger, CLUSTER.to_bytes())
    );
}

fn params_with(
    stage: &Stage,
    change: impl FnOnce(&mut quern::state::ProtocolSettings),
) -> Instruction {
    let mut args = settings(&stage.cast);
    change(&mut args);
    ix::update_protocol(&stage.cast.authority, Some(args), None)
}

/// What `update_protocol` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::ShareTooHigh, "fee above a tenth", |stage| {
            params_with(stage, |params| params.fee_bps = 1_001)
        }),
        (
            E::ShareTooHigh,
            "late penalty above half of the bond",
            |stage| params_with(stage, |params| params.late_penalty_bps = 5_001),
        ),
        (E::ShareTooHigh, "deposit above the price", |stage| {
            params_with(stage, |params| params.reject_bps = 10_001)
        }),
        (E::ShareTooHigh, "arbiter above the price", |stage| {
            params_with(stage, |params| params.arbiter_bps = 10_001)
        }),
        (E::ShareTooHigh, "refereed bond", |stage| {
            params_with(stage, |params| params.refereed_bond_bps = 1_000_001)
        }),
        (E::ShareTooHigh, "accepted bond", |stage| {
            params_with(stage, |params| params.reviewed_bond_bps = 1_000_001)
        }),
        (E::BadTimeSpan, "an empty window", |stage| {
            params_with(stage, |params| params.resolve_secs = 0)
        }),
        (E::BadTimeSpan, "a window above 30 days", |stage| {
            params_with(stage, |params| params.grace_secs = 30 * 86_400 + 1)
        }),
        (E::NotAuthorized, "a stranger changes settings", |stage| {
            ix::update_protocol(&stage.cast.stranger, Some(settings(&stage.cast)), None)
        }),
        (E::BondTooLow, "settings below twice the price", |stage| {
            params_with(stage, |params| params.refereed_bond_bps = 19_999)
        }),
        (E::NoTreasury, "new settings", |stage| {
            let mut args = settings(&stage.cast);
            args.treasury_owner = NOBODY;
            ix::update_protocol(&stage.cast.authority, Some(args), None)
        }),
    ]
}
