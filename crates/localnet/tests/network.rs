//! What the other crates rely on: finality, inner instructions, sysvars, transaction versions, time, mints, ports.
#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_client::{
        Budgets, ClientError, CommitmentConfig, ComputeUnits, Errand, Format, Keypair, PriorityFee,
        Pubkey, RpcClient, SendOptions, Sender, Signature, Signer, accounts, addresses, cluster,
        events, instructions,
        quern::{ID, instructions::ProviderSettings, state::ProtocolSettings},
        send::{MAX_V1_TRANSACTION_BYTES, largest_size},
    },
    quern_localnet::{LocalNet, Options},
    quern_testkit::{program_so, short_windows},
    solana_sdk::{
        message::{VersionedMessage, v0, v1},
        pubkey,
        transaction::VersionedTransaction,
    },
    solana_system_interface::instruction::transfer,
    std::{
        path::PathBuf,
        time::{Duration, Instant},
    },
};

/// A network on free ports.
async fn network(program_so: Option<PathBuf>) -> LocalNet {
    LocalNet::start(Options {
        program_so,
        ..Options::default()
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_like_a_cluster() {
    let net = network(Some(program_so())).await;
    let wallet = net.fresh(5_000_000_000).await.unwrap();

    // The program is there, executable, with the admin as upgrade authority.
    let program = net.rpc().get_account(&ID).await.unwrap();
    assert!(program.executable);
    let data = net
        .rpc()
        .get_account_data(&addresses::program_data(&ID))
        .await
        .unwrap();
    assert_eq!(data[13..45], *net.admin().pubkey().as_ref());

    // The sysvar that the restart rule reads.
    let restart = pubkey!("SysvarLastRestartS1ot1111111111111111111111");
    assert_eq!(net.rpc().get_account_data(&restart).await.unwrap().len(), 8);

    // Time goes on by itself and jumps on request.
    let before = net.now().await.unwrap();
    net.advance_time(86_400).await.unwrap();
    let after = net.now().await.unwrap();
    assert!(
        (86_400..86_410).contains(&(after - before)),
        "{before} {after}"
    );
    assert!(net.advance_time(0).await.is_err());
    let deadline = Instant::now() + Duration::from_secs(30);
    while net.now().await.unwrap() <= after {
        assert!(Instant::now() < deadline, "time stands still");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // Mints of both programs.
    for mint in [
        net.create_mint(6).await.unwrap(),
        net.create_mint_2022(9).await.unwrap(),
    ] {
        let account = net.mint_to(&mint, &wallet.pubkey(), 1_234).await.unwrap();
        assert_eq!(
            account,
            addresses::token_account(&wallet.pubkey(), &mint.address, &mint.token_program)
        );
        let balance = net.rpc().get_token_account_balance(&account).await.unwrap();
        assert_eq!(
            (balance.amount.as_str(), balance.decimals),
            ("1234", mint.decimals)
        );
    }

    // Refusals come with a sentence.
    let refused = net
        .sender()
        .send(
            &[instructions::accept_authority(&wallet.pubkey())],
            &[&wallet],
        )
        .await
        .unwrap_err();
    assert!(matches!(refused, ClientError::Refused(_)), "{refused}");
    assert!(matches!(
        accounts::protocol(net.rpc()).await,
        Err(ClientError::NotFound {
            what: "protocol",
            ..
        })
    ));
}

/// Sends a message of any version and waits until it is confirmed.
async fn send(net: &LocalNet, message: VersionedMessage) -> Signature {
    let transaction = VersionedTransaction::try_new(message, &[net.admin()]).unwrap();
    net.rpc()
        .send_and_confirm_transaction(&transaction)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_every_transaction_version_become_final() {
    let net = network(Some(program_so())).await;
    let admin = net.admin().pubkey();
    let args = ProtocolSettings {
        guardian: admin,
        treasury_owner: admin,
        ..short_windows()
    };
    let blockhash = async || net.rpc().get_latest_blockhash().await.unwrap();

    let cluster = cluster::genesis(net.rpc()).await.unwrap();
    let initialize = [instructions::initialize(&admin, args, cluster)];
    let message = v0::Message::try_compile(&admin, &initialize, &[], blockhash().await).unwrap();
    let first = send(&net, VersionedMessage::V0(message)).await;
    let budget = v1::TransactionConfig {
        priority_fee: None,
        compute_unit_limit: Some(200_000),
        loaded_accounts_data_size_limit: Some(4_000_000),
        heap_size: None,
    };
    let update = [instructions::update_protocol(&admin, Some(args), None)];
    let message =
        v1::Message::try_compile_with_config(&admin, &update, blockhash().await, budget).unwrap();
    let second = send(&net, VersionedMessage::V1(message)).await;
    let pause = net
        .sender()
        .send(&[instructions::set_pause(&admin, true)], &[net.admin()])
        .await
        .unwrap();

    // Found by the program's signatures, once they are final.
    let finalized =
        RpcClient::new_with_commitment(net.rpc_url().to_owned(), CommitmentConfig::finalized());
    let deadline = Instant::now() + Duration::from_secs(30);
    while finalized.get_slot().await.unwrap() < pause.slot {
        assert!(Instant::now() < deadline, "finality stands still");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let found = finalized.get_signatures_for_address(&ID).await.unwrap();
    let found: Vec<String> = found.into_iter().map(|entry| entry.signature).collect();
    assert_eq!(
        found,
        [pause.signature, second, first].map(|signature| signature.to_string())
    );
    for (signature, name) in [
        (first, "ProtocolInitialized"),
        (second, "ProtocolUpdated"),
        (pause.signature, "PauseSet"),
    ] {
        let config = events::transaction_config(CommitmentConfig::finalized());
        let transaction = finalized
            .get_transaction_with_config(&signature, config)
            .await
            .unwrap();
        let read = events::events_of(&transaction).unwrap();
        assert!(read.invoked && read.block_time.is_some());
        let names: Vec<_> = read
            .events
            .iter()
            .map(|event| event.event.as_ref().unwrap().name())
            .collect();
        assert_eq!(names, [name]);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn a_v1_transaction_takes_what_was_set_and_no_more() {
    const UNITS: u32 = 40_000;
    // Micro-lamports for each unit.
    const PRICE: u64 = 250_001;
    let net = network(Some(program_so())).await;
    let admin = net.admin();
    let payer = admin.pubkey();
    let account = Keypair::new();
    let address = account.pubkey();
    let rent = net
        .rpc()
        .get_minimum_balance_for_rent_exemption(instructions::evidence_space(5_000))
        .await
        .unwrap();
    let create = instructions::create_evidence(&payer, &address, 5_000, rent);
    net.sender()
        .send(&create, &[admin, &account])
        .await
        .unwrap();

    // The largest transaction that there is, to the byte.
    let write = |bytes: usize| instructions::write_evidence(&payer, &address, 0, &vec![7; bytes]);
    let size = largest_size(Format::V1, &[write(1_000)], &payer).unwrap();
    let most = 1_000 + MAX_V1_TRANSACTION_BYTES - size;
    let options = SendOptions {
        format: Format::V1,
        compute: ComputeUnits::Fixed(UNITS),
        priority_fee: PriorityFee::Fixed(PRICE),
        attempts: 1,
        ..SendOptions::default()
    };
    let sender = Sender::new(net.rpc_url(), CommitmentConfig::confirmed()).with_options(options);
    let before = net.rpc().get_balance(&payer).await.unwrap();
    let receipt = sender.send(&[write(most)], &[admin]).await.unwrap();
    let after = net.rpc().get_balance(&payer).await.unwrap();
    assert_eq!(
        accounts::evidence(net.rpc(), &address).await.unwrap().bytes[..most],
        vec![7; most]
    );
    let cost = sender.cost(&receipt.signature).await.unwrap();
    // Requests differ in less than a thousand units.
    let priority = |units: u32| (u64::from(units) * PRICE).div_ceil(1_000_000);
    let fees = 5_000 + priority(UNITS)..=5_000 + priority(UNITS + 999);
    assert!(fees.contains(&cost.fee_lamports), "{cost:?}");
    assert_eq!(before - after, cost.fee_lamports);
    assert!((100..=u64::from(UNITS)).contains(&cost.units), "{cost:?}");

    let too_large = sender.send(&[write(most + 1)], &[admin]).await.unwrap_err();
    assert!(
        matches!(
            too_large,
            ClientError::TooLarge {
                bytes: 4_097,
                limit: 4_096
            }
        ),
        "{too_large}"
    );
    // The limit holds, and a simulation finds one that is enough. Requests differ in less than a thousand units, and this takes more.
    let many: Vec<_> = (0..30)
        .map(|piece| instructions::write_evidence(&payer, &address, piece * 8, &[7; 8]))
        .collect();
    let starved = sender.with_units(100).send(&many, &[admin]).await;
    let starved = starved.unwrap_err();
    assert!(starved.to_string().contains("compute units"), "{starved}");
    let receipt = net
        .sender()
        .send_v1(&[write(most)], &[admin])
        .await
        .unwrap();
    let cost = sender.cost(&receipt.signature).await.unwrap();
    assert_eq!(cost.fee_lamports, 5_000);
    let simulated = net
        .sender()
        .in_format(Format::V1)
        .simulate(&[write(most)], &payer)
        .await
        .unwrap();
    assert_eq!(simulated.units, cost.units);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn a_priced_transaction_pays_its_units_times_the_price() {
    const UNITS: u32 = 60_000;
    const FIXED: u64 = 333_333;
    const CAP: u64 = 50_000_000;
    let net = network(Some(program_so())).await;
    let admin = net.admin().pubkey();
    let args = ProtocolSettings {
        guardian: admin,
        treasury_owner: admin,
        ..short_windows()
    };
    let cluster = cluster::genesis(net.rpc()).await.unwrap();
    let initialize = [instructions::initialize(&admin, args, cluster)];
    net.sender()
        .send(&initialize, &[net.admin()])
        .await
        .unwrap();
    let within = PriorityFee::Within {
        cap_micro_lamports: Some(CAP),
    };
    // Worth 1.5 million lamports, at once.
    let urgent = Errand::answer(Pubkey::default(), 0, 1_505_000);
    for format in [Format::Legacy, Format::V1] {
        let payer = net.fresh(1_000_000_000).await.unwrap();
        let entry = |name: &str| ProviderSettings {
            operator: payer.pubkey(),
            name: name.to_owned(),
            endpoint: String::new(),
            active: true,
        };
        let register = [instructions::register_provider(
            &payer.pubkey(),
            entry("Payer"),
        )];
        net.sender().send(&register, &[&payer]).await.unwrap();
        // Nothing; little, whatever was paid before; what was fixed; little again; what the errand is worth, at once.
        for (priority_fee, errand, prices) in [
            (PriorityFee::None, Errand::anytime(), 0..=0),
            (within, Errand::anytime(), 740..=1_000),
            (PriorityFee::Fixed(FIXED), urgent, FIXED..=FIXED),
            (within, Errand::anytime(), 740..=1_000),
            (within, urgent, 24_500_000..=25_000_000),
        ] {
            let sender = Sender::new(net.rpc_url(), CommitmentConfig::confirmed());
            let sender = sender.with_options(SendOptions {
                format,
                compute: ComputeUnits::Fixed(UNITS),
                priority_fee,
                budgets: Budgets {
                    job_lamports: 0,
                    ..Budgets::default()
                },
                ..SendOptions::default()
            });
            let name = format!("{format:?} {prices:?}");
            let update = [instructions::update_provider(
                &payer.pubkey(),
                entry(&name[..20.min(name.len())]),
            )];
            let before = net.rpc().get_balance(&payer.pubkey()).await.unwrap();
            let receipt = sender.on(errand).send(&update, &[&payer]).await.unwrap();
            let after = net.rpc().get_balance(&payer.pubkey()).await.unwrap();
            let cost = sender.cost(&receipt.signature).await.unwrap();
            // Requests differ in up to a thousand units.
            let (least, most) = (UNITS, UNITS + 1_000);
            let fee = |units: u32, price: u64| (u64::from(units) * price).div_ceil(1_000_000);
            let priority = fee(least, *prices.start())..=fee(most, *prices.end());
            assert!(
                priority.contains(&(cost.fee_lamports - 5_000)),
                "{name} {cost:?}"
            );
            assert_eq!(before - after, cost.fee_lamports, "{name}");
            assert!(cost.units <= u64::from(UNITS), "{name} {cost:?}");
        }
        // A simulation finds the units, also for a payer that could not pay for all that there are: 1,400,000 at the cap.
        let poor = net.fresh(10_000_000).await.unwrap();
        let sender = Sender::new(net.rpc_url(), CommitmentConfig::confirmed());
        let sender = sender.with_options(SendOptions {
            format,
            priority_fee: within,
            ..SendOptions::default()
        });
        let transfer = [transfer(&poor.pubkey(), &admin, 1)];
        let sender = sender.on(urgent);
        let receipt = sender.send(&transfer, &[&poor]).await.unwrap();
        let cost = sender.cost(&receipt.signature).await.unwrap();
        let units = (cost.fee_lamports - 5_000) * 1_000_000 / CAP;
        assert!(
            (cost.units..cost.units + 2_000).contains(&units),
            "{cost:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_are_said_to_be_in_use_and_freed_at_the_end() {
    let mut net = network(None).await;
    let port: u16 = net.rpc_url().rsplit(':').next().unwrap().parse().unwrap();
    let error = LocalNet::start(Options {
        rpc_port: Some(port),
        ..Options::default()
    })
    .await
    .err()
    .unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "port {port} is in use; stop the other network, or choose another port with --rpc-port and --ws-port"
        )
    );
    net.stop();
    std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_program_is_named() {
    let options = Options {
        program_so: Some("nowhere/quern.so".into()),
        ..Options::default()
    };
    let error = LocalNet::start(options).await.err().unwrap();
    assert!(error.to_string().contains("nowhere/quern.so"), "{error}");
    assert!(error.to_string().contains("build-program"), "{error}");
}

/// Text is no program, and the beginning of one is none either.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_run_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.so");
    for (bytes, why) in [
        (&b"text"[..], "no ELF file"),
        (b"\x7fELF, or not", "cannot run it"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let options = Options {
            program_so: Some(file.clone()),
            ..Options::default()
        };
        let error = LocalNet::start(options).await.err().unwrap().to_string();
        for word in ["broken.so", why, "build-program"] {
            assert!(error.contains(word), "{error}");
        }
    }
}
