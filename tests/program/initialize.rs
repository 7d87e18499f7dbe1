//! `initialize`: settings, the empty emission, and who may.

use super::common::*;

#[test]
fn initialize_writes_settings_and_an_empty_emission() {
    let cast = Cast::usual();
    let mut world = World::deployed(&cast.authority);
    let before = world.lamports(&cast.authority);
    let outcome = world.ok(ix::initialize(&cast.authority, settings(&cast), CLUSTER));
    assert!(matches!(outcome.event(), QuernEvent::ProtocolInitialized(e) if e.changes.len() == 2));
    let paid = rent(&world, space::<Protocol>()) + rent(&world, space::<Emission>());
    assert_eq!(world.lamports(&cast.authority), before - paid);

    let protocol: Protocol = world.get(&addresses::protocol());
    assert_eq!(
        (protocol.version, protocol.seq.get(), protocol.paused.get()),
        (1, 1, false)
    );
    assert_eq!(protocol.bump, Protocol::find_address(&quern::ID).1);
    assert_eq!(
        (protocol.authority, protocol.pending_authority),
        (cast.authority, NOBODY)
    );
    assert_eq!(
        (protocol.guardian, protocol.treasury_owner),
        (cast.guardian, cast.treasury)
    );
    assert_eq!(protocol.cluster, CLUSTER.to_bytes());
    let (terms, given) = (protocol.terms, params());
    assert_eq!(terms.fee_bps.get(), given.fee_bps);
    assert_eq!(terms.late_penalty_bps.get(), given.late_penalty_bps);
    assert_eq!(terms.reject_bps.get(), given.reject_bps);
    assert_eq!(terms.arbiter_bps.get(), given.arbiter_bps);
    assert_eq!(terms.demand_fee_lamports.get(), given.demand_fee_lamports);
    assert_eq!(terms.response_secs.get(), given.response_secs);
    assert_eq!(terms.react_secs.get(), given.react_secs);
    assert_eq!(terms.resolve_secs.get(), given.resolve_secs);
    assert_eq!(terms.grace_secs.get(), given.grace_secs);
    assert_eq!(terms.restart_grace_secs.get(), given.restart_grace_secs);
    assert_eq!(protocol.refereed_bond_bps.get(), given.refereed_bond_bps);
    assert_eq!(protocol.reviewed_bond_bps.get(), given.reviewed_bond_bps);
    assert_eq!(
        protocol.refereed_review_secs.get(),
        given.refereed_review_secs
    );
    assert_eq!(
        protocol.reviewed_review_secs.get(),
        given.reviewed_review_secs
    );
    let emission: Emission = world.get(&addresses::emission());
    assert_eq!(
        (
            emission.reward_mint,
            emission.cap_atoms.get(),
            emission.seq.get()
        ),
        (NOBODY, 0, 1)
    );

    // Once, and never again.
    world.fails(ix::initialize(&cast.authority, settings(&cast), CLUSTER));
}

/// Only the upgrade authority, also where nobody can upgrade any more.
#[test]
fn initialize_belongs_to_the_upgrade_authority() {
    let cast = Cast::usual();
    let mut world = World::deployed(&cast.authority);
    world.give_lamports(&cast.stranger);
    world.refused(
        ix::initialize(&cast.stranger, settings(&cast), CLUSTER),
        QuernError::NotUpgradeAuthority,
    );
    world.set_upgrade_authority(None);
    world.refused(
        ix::initialize(&cast.authority, settings(&cast), CLUSTER),
        QuernError::NotUpgradeAuthority,
    );
    // Data in which the address stands but the option says that there is none.
    let mut data = world
        .svm
        .get_account(&addresses::program_data(&quern::ID))
        .unwrap();
    data.data[13..45].copy_from_slice(cast.authority.as_ref());
    world
        .svm
        .set_account(addresses::program_data(&quern::ID), data)
        .unwrap();
    world.refused(
        ix::initialize(&cast.authority, settings(&cast), CLUSTER),
        QuernError::NotUpgradeAuthority,
    );
    world.set_upgrade_authority(Some(&cast.authority));
    world.ok(ix::initialize(&cast.authority, settings(&cast), CLUSTER));
}

#[test]
fn initialize_refuses_settings_out_of_bounds() {
    let cast = Cast::usual();
    let mut world = World::deployed(&cast.authority);
    let spoil: [fn(&mut quern::state::ProtocolSettings); 5] = [
        |args| args.fee_bps = 1_001,
        |args| args.late_penalty_bps = 5_001,
        |args| args.reject_bps = 5_001,
        |args| args.arbiter_bps = 2_001,
        |args| args.demand_fee_lamports = 100_000_001,
    ];
    for spoil in spoil {
        let mut args = settings(&cast);
        spoil(&mut args);
        world.refused(
            ix::initialize(&cast.authority, args, CLUSTER),
            QuernError::ShareTooHigh,
        );
    }
    let mut most = settings(&cast);
    most.fee_bps = 1_000;
    most.late_penalty_bps = 5_000;
    most.reject_bps = 5_000;
    most.arbiter_bps = 2_000;
    most.demand_fee_lamports = 100_000_000;
    world.ok(ix::initialize(&cast.authority, most, CLUSTER));
}

/// What `initialize` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (
            E::NotUpgradeAuthority,
            "a program that nobody can upgrade",
            |stage| {
                let authority = stage.cast.authority;
                let mut world = World::deployed(&authority);
                world.set_upgrade_authority(None);
                stage.world = world;
                ix::initialize(&authority, settings(&stage.cast), CLUSTER)
            },
        ),
        (
            E::NotUpgradeAuthority,
            "another account than ProgramData",
            |stage| {
                let authority = stage.cast.authority;
                stage.world = World::deployed(&authority);
                let mut instruction = ix::initialize(&authority, settings(&stage.cast), CLUSTER);
                instruction.accounts[1].pubkey = quern::ID;
                instruction
            },
        ),
        (E::NoTreasury, "the first settings", |stage| {
            let authority = stage.cast.authority;
            stage.world = World::deployed(&authority);
            let mut args = settings(&stage.cast);
            args.treasury_owner = NOBODY;
            ix::initialize(&authority, args, CLUSTER)
        }),
    ]
}
