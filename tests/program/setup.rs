//! Happy paths of everything but jobs: protocol, mints, purses, providers, models, rewards.
//!
//! Each transaction of the harness is also audited: events against accounts (P6), the independent ledger (P3), P1, P2, P5, P12.

use {
    quern::{
        constants::NOBODY,
        error::QuernError,
        events::QuernEvent,
        instructions::{EmissionSettings, MintSettings, ModelSettings},
        state::{Emission, MintConfig, MintRates, Model, Protocol, Provider, Purse},
    },
    quern_testkit::svm::*,
    solana_sdk::pubkey::Pubkey,
};

fn rent(stage: &World, bytes: usize) -> u64 {
    stage.svm.minimum_balance_for_rent_exemption(bytes)
}

fn space<T>() -> usize {
    8 + size_of::<T>()
}

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

    let mut args = stage.refereed();
    stage.refused(stage.create_ix(args.clone()), QuernError::RateAboveLimit);
    args.max_fee_bps = 1_000;
    let second = stage.create(args);
    assert_eq!(stage.job(&second).terms.fee_bps.get(), 1_000);
    assert_eq!(stage.job(&second).treasury_owner, cast.arbiter);
}

#[test]
fn the_protocol_is_handed_over_in_two_steps() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    // Nobody is proposed, so nobody can accept.
    stage.refused(
        ix::accept_authority(&cast.stranger),
        QuernError::NotProposed,
    );
    let before = stage.protocol();
    let outcome = stage.ok(ix::update_protocol(
        &cast.authority,
        None,
        Some(cast.stranger),
    ));
    assert!(matches!(outcome.event(), QuernEvent::ProtocolUpdated(_)));
    let protocol = stage.protocol();
    assert_eq!(protocol.pending_authority, cast.stranger);
    // Nothing else changed, and settings leave the proposal alone.
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
    stage.refused(ix::accept_authority(&cast.client), QuernError::NotProposed);
    assert_eq!(stage.protocol().authority, cast.authority);
    // Withdrawn by proposing nobody.
    stage.ok(ix::update_protocol(&cast.authority, None, Some(NOBODY)));
    stage.refused(
        ix::accept_authority(&cast.stranger),
        QuernError::NotProposed,
    );
    stage.ok(ix::update_protocol(
        &cast.authority,
        None,
        Some(cast.stranger),
    ));
    let outcome = stage.ok(ix::accept_authority(&cast.stranger));
    assert!(
        matches!(outcome.event(), QuernEvent::AuthorityAccepted(e) if e.authority == cast.stranger)
    );
    let protocol = stage.protocol();
    assert_eq!(
        (protocol.authority, protocol.pending_authority),
        (cast.stranger, NOBODY)
    );
    stage.refused(
        ix::accept_authority(&cast.stranger),
        QuernError::NotProposed,
    );
    stage.refused(
        ix::update_protocol(&cast.authority, Some(settings(&cast)), None),
        QuernError::NotAuthorized,
    );
    stage.ok(ix::update_protocol(
        &cast.stranger,
        Some(settings(&cast)),
        None,
    ));
}

/// Guardian and authority stop, only the authority resumes; every exit stays open.
#[test]
fn a_pause_stops_new_things_only() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let usd = stage.usd;
    let open = stage.create(stage.refereed());
    let taken = stage.create(stage.refereed());
    stage.take(&taken);
    let mut args = stage.accepted();
    args.milestones = 1;
    let accepted = stage.job_in(quern::state::JobState::Submitted, args.clone());
    let rejected = stage.job_in(quern::state::JobState::Rejected, args.clone());
    let slashed = stage.job_in(quern::state::JobState::Convicted, stage.refereed());
    let late = stage.job_in(quern::state::JobState::Taken, args);

    stage.refused(
        ix::set_pause(&cast.stranger, true),
        QuernError::NotAuthorized,
    );
    let outcome = stage.ok(ix::set_pause(&cast.guardian, true));
    assert!(matches!(outcome.event(), QuernEvent::PauseSet(e) if e.paused));
    assert!(stage.protocol().paused.get());
    stage.refused(
        ix::set_pause(&cast.guardian, false),
        QuernError::NotAuthorized,
    );

    stage.refused(stage.create_ix(stage.refereed()), QuernError::Paused);
    stage.refused(
        ix::take_job(&cast.provider, &cast.provider, &stage.job(&open)),
        QuernError::Paused,
    );
    stage.refused(
        ix::register_model(&cast.creator, model_args(9, 0)),
        QuernError::Paused,
    );

    stage.submit(&taken);
    stage.at_deadline(&taken, 1);
    stage.finalize(&taken);
    stage.accept(&accepted);
    stage.resolve(&rejected, 6_000, 0);
    stage.ok(ix::settle_conviction(&stage.job(&slashed)));
    stage.ok(ix::cancel_job(&stage.job(&open)));
    stage.at_deadline(&late, 1);
    stage.expire(&late);
    stage.ok(ix::claim_rewards(&cast.provider, &stage.gold));
    stage.deposit(&cast.client, &usd, 5);
    stage.withdraw(&cast.client, &usd, 5);
    let uri = ModelSettings {
        active: true,
        royalty_bps: 1,
        uri: String::new(),
    };
    stage.ok(ix::update_model(
        &cast.creator,
        &stage.model,
        Some(uri),
        None,
    ));
    stage.ok(ix::update_provider(
        &cast.provider,
        provider_args(&cast.operator),
    ));

    stage.ok(ix::set_pause(&cast.authority, false));
    stage.ok(ix::set_pause(&cast.authority, true));
    stage.ok(ix::set_pause(&cast.authority, false));
    stage.create(stage.refereed());
}

#[test]
fn a_registered_mint_has_a_vault_that_is_its_own_authority() {
    let mut stage = Stage::initialized(Cast::usual());
    let authority = stage.cast.authority;
    for (name, token_program, decimals) in [
        ("a", addresses::TOKEN_PROGRAM, 6),
        ("b", addresses::TOKEN_2022_PROGRAM, 0),
        ("c", addresses::TOKEN_PROGRAM, 255),
    ] {
        let mint = token::create_mint(&mut stage, name, &token_program, decimals);
        let before = stage.lamports(&authority);
        let outcome = stage.ok(ix::register_mint(
            &authority,
            &mint,
            &token_program,
            rates(),
        ));
        assert!(matches!(outcome.event(), QuernEvent::MintRegistered(e) if e.mint == mint));
        let paid = rent(&stage, space::<MintConfig>()) + rent(&stage, token::ACCOUNT_BYTES);
        assert_eq!(stage.lamports(&authority), before - paid);
        let config: MintConfig = stage.get(&addresses::mint_config(&mint));
        let vault = addresses::vault(&mint);
        assert_eq!(
            (config.mint, config.vault, config.token_program),
            (mint, vault, token_program)
        );
        assert_eq!(
            (
                config.decimals,
                config.enabled.get(),
                config.total_atoms.get()
            ),
            (decimals, true, 0)
        );
        assert_eq!(config.least_price_atoms.get(), rates().least_price_atoms);
        assert_eq!(config.reward_rate_e9.get(), rates().reward_rate_e9);
        let account = stage.svm.get_account(&vault).unwrap();
        assert_eq!(
            (account.owner, account.data.len()),
            (token_program, token::ACCOUNT_BYTES)
        );
        assert_eq!(&account.data[..32], mint.as_ref());
        assert_eq!(&account.data[32..64], vault.as_ref(), "its own authority");
        stage.fails(ix::register_mint(
            &authority,
            &mint,
            &token_program,
            rates(),
        ));
    }
}

#[test]
fn a_mints_rates_change_for_new_jobs() {
    let mut stage = Stage::new();
    let (authority, usd) = (stage.cast.authority, stage.usd);
    let new = MintRates {
        reward_rate_e9: 1,
        least_price_atoms: 50_000,
        price_per_gmac_atoms: 3,
        bond_per_gmac_atoms: 4,
    };
    let outcome = stage.ok(ix::update_mint(
        &authority,
        &usd,
        MintSettings {
            enabled: true,
            rates: new,
        },
    ));
    assert!(matches!(outcome.event(), QuernEvent::MintUpdated(e) if e.mint == usd));
    let config: MintConfig = stage.get(&addresses::mint_config(&usd));
    assert_eq!(config.reward_rate_e9.get(), 1);
    assert_eq!(config.price_per_gmac_atoms.get(), 3);
    assert_eq!(config.bond_per_gmac_atoms.get(), 4);
    stage.refused(stage.create_ix(stage.refereed()), QuernError::PriceTooLow);
    stage.ok(ix::update_mint(
        &authority,
        &usd,
        MintSettings {
            enabled: false,
            rates: rates(),
        },
    ));
    stage.refused(stage.create_ix(stage.refereed()), QuernError::MintDisabled);
    // Deposits and withdrawals go on.
    let client = stage.cast.client;
    stage.deposit(&client, &usd, 1);
    stage.withdraw(&client, &usd, 1);
}

#[test]
fn purses_are_opened_by_anybody_for_anybody() {
    let mut stage = Stage::new();
    let usd = stage.usd;
    for owner in [
        actor("newcomer"),
        addresses::protocol(),
        addresses::vault(&usd),
    ] {
        let payer = stage.bank();
        let before = stage.lamports(&payer);
        let outcome = stage.ok(ix::open_purse(&payer, &owner, &usd));
        assert!(
            matches!(outcome.event(), QuernEvent::PurseOpened(e) if e.owner == owner && e.mint == usd)
        );
        assert_eq!(
            stage.lamports(&payer),
            before - rent(&stage, space::<Purse>())
        );
        let purse: Purse = stage.get(&addresses::purse(&owner, &usd));
        assert_eq!(
            (
                purse.owner,
                purse.mint,
                purse.free_atoms.get(),
                purse.seq.get()
            ),
            (owner, usd, 0, 1)
        );
        stage.fails(ix::open_purse(&payer, &owner, &usd));
    }
}

/// Everybody's first step.
#[test]
fn open_purse_for_oneself() {
    let mut stage = Stage::new();
    let (usd, newcomer) = (stage.usd, actor("newcomer"));
    stage.give_lamports(&newcomer);
    stage.ok(ix::open_purse(&newcomer, &newcomer, &usd));
}

#[test]
fn deposits_and_withdrawals_move_tokens_and_totals() {
    let mut stage = Stage::new();
    let (client, bank) = (stage.cast.client, stage.bank());
    for mint in [stage.usd, stage.gold] {
        let config = addresses::mint_config(&mint);
        let (vault, purse) = (addresses::vault(&mint), addresses::purse(&client, &mint));
        let before: MintConfig = stage.get(&config);
        let outcome = stage.deposit(&client, &mint, 777);
        let QuernEvent::Deposited(event) = outcome.event() else {
            panic!("{outcome:?}")
        };
        assert_eq!(
            (event.owner, event.mint, event.depositor, event.amount_atoms),
            (client, mint, bank, 777)
        );
        let after: MintConfig = stage.get(&config);
        assert_eq!(after.total_atoms.get(), before.total_atoms.get() + 777);
        assert_eq!(token::amount(&stage, &vault), after.total_atoms.get());
        assert_eq!(
            stage.get::<Purse>(&purse).free_atoms.get(),
            DEPOSIT_ATOMS + 777
        );

        let outcome = stage.withdraw(&client, &mint, DEPOSIT_ATOMS + 777);
        let destination = token::account(&stage, &client, &mint);
        let QuernEvent::Withdrawn(event) = outcome.event() else {
            panic!("{outcome:?}")
        };
        assert_eq!(
            (event.owner, event.mint, event.destination),
            (client, mint, destination)
        );
        assert_eq!(token::amount(&stage, &destination), DEPOSIT_ATOMS + 777);
        assert_eq!(
            token::amount(&stage, &vault),
            before.total_atoms.get() - DEPOSIT_ATOMS
        );
        let token_program = token::program_of(&stage, &mint);
        let more = ix::withdraw(&client, &destination, &mint, &token_program, 1);
        stage.refused(more, QuernError::InsufficientFunds);
    }
}

/// P1: tokens sent to the vault from outside belong to nobody and disturb nothing.
#[test]
fn a_gift_to_the_vault_disturbs_nothing() {
    let mut stage = Stage::new();
    let (client, bank, usd) = (stage.cast.client, stage.bank(), stage.usd);
    let source = token::issue(&mut stage, &bank, &usd, 1_000);
    let gift = token::transfer(
        &addresses::TOKEN_PROGRAM,
        &source,
        &addresses::vault(&usd),
        &bank,
        1_000,
    );
    stage.ok(gift);
    let total = |stage: &Stage| {
        stage
            .get::<MintConfig>(&addresses::mint_config(&usd))
            .total_atoms
            .get()
    };
    let before = total(&stage);
    assert_eq!(
        token::amount(&stage, &addresses::vault(&usd)),
        before + 1_000
    );
    stage.deposit(&client, &usd, 10);
    assert_eq!(total(&stage), before + 10);
    stage.withdraw(&client, &usd, DEPOSIT_ATOMS + 10);
    assert_eq!(
        token::amount(&stage, &addresses::vault(&usd)),
        total(&stage) + 1_000
    );
    // Lamports to accounts disturb nothing either, nor do they keep anything from being created.
    for address in [
        addresses::vault(&usd),
        addresses::purse(&client, &usd),
        addresses::protocol(),
    ] {
        let mut account = stage.svm.get_account(&address).unwrap();
        account.lamports += 1;
        stage.svm.set_account(address, account).unwrap();
    }
    stage.deposit(&client, &usd, 20_000);
    stage.create(stage.refereed());
}

/// P11: lamports sent ahead to an address that will be created must not stop its creation.
#[test]
fn lamports_sent_ahead_block_no_creation() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let usd = stage.usd;
    let newcomer = actor("newcomer");
    stage.give_lamports(&newcomer);
    let mint = token::create_mint(&mut stage, "later", &addresses::TOKEN_PROGRAM, 2);
    let gifts: [Pubkey; 6] = [
        addresses::job(&cast.client, &usd, 0),
        addresses::purse(&newcomer, &usd),
        addresses::provider(&newcomer),
        addresses::model(&newcomer, 3),
        addresses::mint_config(&mint),
        addresses::vault(&mint),
    ];
    for (n, address) in gifts.into_iter().enumerate() {
        // Less than, as much as, and more than the rent.
        let lamports = [1, rent(&stage, 165), 100_000_000_000][n % 3];
        let account = solana_sdk::account::Account {
            lamports,
            owner: addresses::SYSTEM_PROGRAM,
            ..Default::default()
        };
        stage.svm.set_account(address, account).unwrap();
    }
    stage.create(stage.refereed());
    let payer = stage.bank();
    stage.ok(ix::open_purse(&payer, &newcomer, &usd));
    stage.ok(ix::register_provider(&newcomer, provider_args(&newcomer)));
    stage.ok(ix::register_model(&newcomer, model_args(3, 10)));
    stage.ok(ix::register_mint(
        &cast.authority,
        &mint,
        &addresses::TOKEN_PROGRAM,
        rates(),
    ));
}

#[test]
fn the_operators_limit_is_the_owners_choice() {
    let mut stage = Stage::new();
    let (provider, usd) = (stage.cast.provider, stage.usd);
    let outcome = stage.ok(ix::set_operator_limit(&provider, &usd, 123));
    assert!(
        matches!(outcome.event(), QuernEvent::OperatorLimitSet(e) if e.owner == provider && e.limit_atoms == 123)
    );
    assert_eq!(
        stage
            .get::<Purse>(&addresses::purse(&provider, &usd))
            .operator_limit_atoms
            .get(),
        123
    );
}

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

#[test]
fn a_model_is_registered_written_sealed_changed_and_handed_over() {
    let mut stage = Stage::new();
    let (creator, stranger) = (stage.cast.creator, stage.cast.stranger);
    let graph = graph();
    let before = stage.lamports(&creator);
    let outcome = stage.ok(ix::register_model(&creator, model_args(7, graph.len())));
    let QuernEvent::ModelRegistered(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.creator, event.id, event.uri.as_str()),
        (creator, 7, "https://models.example/digits")
    );
    assert_eq!(
        stage.lamports(&creator),
        before - rent(&stage, Model::space(graph.len() as u32))
    );
    let address = addresses::model(&creator, 7);
    let model: Model = stage.get(&address);
    assert_eq!(
        (model.creator, model.owner, model.id.get(), model.kind),
        (creator, creator, 7, 1)
    );
    assert_eq!(
        (model.royalty_bps.get(), model.graph_bytes.get()),
        (300, graph.len() as u32)
    );
    assert_eq!((model.sealed.get(), model.active.get()), (false, true));
    assert_eq!(&model.name[..7], b"Digits\0");

    // Backwards, and twice over one place.
    let half = graph.len() / 2;
    stage.ok(ix::write_model(
        &creator,
        &address,
        half as u32,
        &graph[half..],
    ));
    stage.ok(ix::write_model(&creator, &address, 0, &vec![255; half]));
    let outcome = stage.ok(ix::write_model(&creator, &address, 0, &graph[..half]));
    assert!(
        matches!(outcome.event(), QuernEvent::ModelWritten(e) if e.offset == 0 && e.length == half as u32)
    );
    let data = stage.svm.get_account(&address).unwrap().data;
    assert_eq!(Model::graph_of(&data, graph.len() as u32).unwrap(), graph);

    let outcome = stage.ok(ix::seal_model(&creator, &address));
    let QuernEvent::ModelSealed(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(event.graph_hash, anchor_lang::sha256(&graph));
    let macs = quern_proof::graph::seal(&graph).unwrap();
    let model: Model = stage.get(&address);
    assert_eq!(
        (model.macs_fixed.get(), model.macs_per_row.get()),
        (macs.fixed, macs.per_row)
    );
    stage.refused(ix::seal_model(&creator, &address), QuernError::ModelSealed);
    stage.refused(
        ix::write_model(&creator, &address, 0, &[1]),
        QuernError::ModelSealed,
    );

    let args = ModelSettings {
        active: false,
        royalty_bps: 5_000,
        uri: "ipfs://x".into(),
    };
    let outcome = stage.ok(ix::update_model(&creator, &address, Some(args), None));
    assert!(
        matches!(outcome.event(), QuernEvent::ModelUpdated(e) if e.uri.as_deref() == Some("ipfs://x") && e.model == address)
    );
    let model: Model = stage.get(&address);
    assert_eq!(
        (model.active.get(), model.royalty_bps.get()),
        (false, 5_000)
    );
    assert_eq!(model.uri_hash, anchor_lang::sha256(b"ipfs://x"));

    stage.refused(
        ix::accept_model_owner(&stranger, &address),
        QuernError::NotProposed,
    );
    let outcome = stage.ok(ix::update_model(&creator, &address, None, Some(stranger)));
    assert!(matches!(outcome.event(), QuernEvent::ModelUpdated(e) if e.uri.is_none()));
    let proposed: Model = stage.get(&address);
    let expected = Model {
        pending_owner: stranger,
        seq: proposed.seq,
        ..model
    };
    assert_eq!(
        bytemuck::bytes_of(&proposed),
        bytemuck::bytes_of(&expected),
        "a proposal changes nothing else"
    );
    let outcome = stage.ok(ix::accept_model_owner(&stranger, &address));
    assert!(matches!(outcome.event(), QuernEvent::ModelOwnerAccepted(e) if e.owner == stranger));
    let model: Model = stage.get(&address);
    assert_eq!(
        (model.owner, model.pending_owner, model.creator),
        (stranger, NOBODY, creator)
    );
    let args = ModelSettings {
        active: true,
        royalty_bps: 0,
        uri: String::new(),
    };
    stage.refused(
        ix::update_model(&creator, &address, Some(args.clone()), None),
        QuernError::NotAuthorized,
    );
    stage.ok(ix::update_model(&stranger, &address, Some(args), None));
}

/// The largest program that the account takes is written in pieces; one byte more is refused.
#[test]
fn a_model_has_the_room_that_it_reserved() {
    let mut stage = Stage::new();
    let creator = stage.cast.creator;
    let most = quern::constants::MAX_GRAPH_BYTES;
    stage.refused(
        ix::register_model(&creator, model_args(8, most as usize + 1)),
        QuernError::ModelOutOfRoom,
    );
    stage.ok(ix::register_model(&creator, model_args(8, most as usize)));
    let address = addresses::model(&creator, 8);
    for instruction in ix::write_graph(&creator, &address, &vec![3; most as usize]) {
        stage.ok(instruction);
    }
    stage.refused(
        ix::write_model(&creator, &address, most, &[1]),
        QuernError::ModelOutOfRoom,
    );
    stage.refused(
        ix::write_model(&creator, &address, most - 1, &[1, 2]),
        QuernError::ModelOutOfRoom,
    );
    stage.refused(
        ix::write_model(&creator, &address, u32::MAX, &[1]),
        QuernError::ModelOutOfRoom,
    );
    stage.refused(
        ix::write_model(&creator, &address, 0, &[]),
        QuernError::ZeroAmount,
    );
    stage.ok(ix::register_model(&creator, model_args(9, 0)));
    let empty = addresses::model(&creator, 9);
    stage.refused(
        ix::write_model(&creator, &empty, 0, &[1]),
        QuernError::ModelOutOfRoom,
    );
    assert!(
        stage
            .fails(ix::seal_model(&creator, &empty))
            .code()
            .unwrap()
            > 7_000
    );
}

/// Caps: a higher one holds at once, a lower one from the next epoch; the mint and the epoch's length are fixed.
#[test]
fn rewards_are_configured() {
    let mut stage = Stage::new();
    let (authority, gold) = (stage.cast.authority, stage.gold);
    let emission = stage.emission();
    assert_eq!(
        (emission.reward_mint, emission.epoch_secs.get()),
        (gold, 86_400)
    );
    assert_eq!(
        (emission.cap_atoms.get(), emission.next_cap_atoms.get()),
        (1_000_000, 1_000_000)
    );
    assert_eq!(emission.epoch_index.get(), stage.now() as u64 / 86_400);
    assert_eq!(
        (
            emission.refereed_weight_bps.get(),
            emission.reviewed_weight_bps.get()
        ),
        (10_000, 5_000)
    );

    let with_cap = |cap_atoms| EmissionSettings {
        cap_atoms,
        ..emission_args()
    };
    let outcome = stage.ok(ix::configure_emission(&authority, &gold, with_cap(5)));
    assert!(matches!(outcome.event(), QuernEvent::EmissionConfigured(_)));
    let emission = stage.emission();
    assert_eq!(
        (emission.cap_atoms.get(), emission.next_cap_atoms.get()),
        (1_000_000, 5)
    );
    stage.ok(ix::configure_emission(
        &authority,
        &gold,
        with_cap(2_000_000),
    ));
    assert_eq!(stage.emission().cap_atoms.get(), 2_000_000);
    stage.ok(ix::configure_emission(&authority, &gold, with_cap(7)));
    stage.wait(DAY);
    stage.ok(ix::configure_emission(&authority, &gold, with_cap(7)));
    let emission = stage.emission();
    assert_eq!(
        (emission.cap_atoms.get(), emission.next_cap_atoms.get()),
        (7, 7),
        "the next epoch has begun"
    );
}

#[test]
fn rewards_accrue_and_are_claimed() {
    let mut stage = Stage::new();
    let (provider, gold) = (stage.cast.provider, stage.gold);
    stage.refused(
        ix::claim_rewards(&provider, &gold),
        QuernError::NothingToClaim,
    );
    let job = stage.job_in(quern::state::JobState::Submitted, stage.refereed());
    stage.at_deadline(&job, 1);
    stage.finalize(&job);
    // The fee of 250 earns two reward atoms each at full weight.
    let entry = stage.provider_of(&provider);
    assert_eq!(
        (
            entry.rewards_accrued_atoms.get(),
            entry.rewards_claimed_atoms.get()
        ),
        (500, 0)
    );
    assert_eq!(
        stage.gold_of(&addresses::emission()),
        (DEPOSIT_ATOMS - 500, 500)
    );
    assert_eq!(stage.emission().outstanding_atoms.get(), 500);
    let outcome = stage.ok(ix::claim_rewards(&provider, &gold));
    let QuernEvent::RewardsClaimed(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.owner, event.mint, event.amount_atoms),
        (provider, gold, 500)
    );
    assert_eq!(stage.gold_of(&provider), (DEPOSIT_ATOMS + 500, 0));
    assert_eq!(
        stage.gold_of(&addresses::emission()),
        (DEPOSIT_ATOMS - 500, 0)
    );
    assert_eq!(stage.emission().outstanding_atoms.get(), 0);
    stage.refused(
        ix::claim_rewards(&provider, &gold),
        QuernError::NothingToClaim,
    );
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
