//! A deployment over RPC: stopped in the middle, resumed with the same buffer, verified, repeated, upgraded, refused.
#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_client::{Keypair, Signer, accounts, addresses},
    quern_deploy::{self as deploy, DeployError, Deployment, Kind, Program, Progress},
    quern_localnet::LocalNet,
    quern_testkit::{net::network, program_so},
    std::ops::ControlFlow,
};

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

async fn balance(net: &LocalNet, wallet: &Keypair) -> u64 {
    net.rpc().get_balance(&wallet.pubkey()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_buffer_gives_its_lamports_back() {
    let net = network(None).await;
    let elf = std::fs::read(program_so()).unwrap();
    let payer = net.fresh(50_000_000_000).await.unwrap();
    let (buffer, program) = (Keypair::new(), quern_localnet::program_keypair().unwrap());
    let (sender, address) = (net.sender(), buffer.pubkey());
    let deployment = Deployment {
        payer: &payer,
        authority: &payer,
        program: Program::Keypair(&program),
        buffer: &buffer,
        elf: &elf,
        max_bytes: None,
    };
    let mut stop = |step| match step {
        Progress::BufferReady => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let stopped = deploy::run(sender, &deployment, &mut stop).await;
    assert!(matches!(stopped, Err(DeployError::Stopped)), "{stopped:?}");

    let other = net.fresh(1_000_000_000).await.unwrap();
    let foreign = deploy::close_buffer(sender, &other, &other, &address).await;
    assert!(
        matches!(foreign, Err(DeployError::Refused(_))),
        "{foreign:?}"
    );
    let wallet = deploy::close_buffer(sender, &payer, &payer, &payer.pubkey()).await;
    assert!(matches!(wallet, Err(DeployError::Refused(_))), "{wallet:?}");
    let before = balance(&net, &payer).await;
    let closed = deploy::close_buffer(sender, &payer, &payer, &address).await;
    let lamports = closed.unwrap().unwrap();
    assert!(lamports > 1_000_000_000, "{lamports}");
    // All but the fee of the transaction.
    assert!(balance(&net, &payer).await + 10_000 > before + lamports);
    let again = deploy::close_buffer(sender, &payer, &payer, &address).await;
    assert_eq!(again.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn interrupted_resumed_verified_upgraded() {
    let net = network(None).await;
    let elf = std::fs::read(program_so()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("buffer.json");
    let buffer = deploy::buffer_keypair(&path).unwrap();
    let payer = net.fresh(50_000_000_000).await.unwrap();
    let program = quern_localnet::program_keypair().unwrap();
    let sender = net.sender();
    let deployment = Deployment {
        payer: &payer,
        authority: &payer,
        program: Program::Keypair(&program),
        buffer: &buffer,
        elf: &elf,
        max_bytes: None,
    };

    let plan = deploy::plan(sender, &deployment).await.unwrap();
    assert_eq!((plan.kind, plan.pieces_left), (Kind::Fresh, plan.pieces));
    assert!(plan.pieces > 100, "{plan:?}");
    assert!(!path.exists(), "a plan leaves a key behind");
    deploy::keep_buffer(&path, &buffer).unwrap();

    // Stopped after some pieces.
    let mut stop_early = |step| match step {
        Progress::Written { done, .. } if done > 20 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let stopped = deploy::run(sender, &deployment, &mut stop_early)
        .await
        .unwrap_err();
    assert!(matches!(stopped, DeployError::Stopped), "{stopped}");

    // Resumed: only the rest is left, and the file still gives the same buffer.
    let buffer_again = deploy::buffer_keypair(&path).unwrap();
    assert_eq!(buffer_again.pubkey(), buffer.pubkey());
    let rest = deploy::plan(sender, &deployment).await.unwrap();
    assert!(rest.pieces_left < plan.pieces, "{rest:?}");
    let before = balance(&net, &payer).await;
    let mut last = None;
    let mut watch = |step| {
        last = Some(step);
        ControlFlow::Continue(())
    };
    let report = deploy::run(sender, &deployment, &mut watch).await.unwrap();
    assert_eq!(
        (report.kind, report.program),
        (Kind::Fresh, program.pubkey())
    );
    assert!(report.written < plan.pieces, "{report:?}");
    assert_eq!(last, Some(Progress::Verified));

    // It cost what the plan said, and the buffer came back.
    let spent = before - balance(&net, &payer).await;
    let planned = rest.rent_lamports + rest.fee_lamports - rest.refund_lamports;
    assert!(
        spent <= planned && planned - spent < 100_000,
        "spent {spent}, planned {planned}"
    );
    assert!(net.rpc().get_account(&buffer.pubkey()).await.is_err());

    // The program runs: nothing to initialize yet, and its address answers.
    assert!(accounts::protocol(net.rpc()).await.is_err());
    let on_chain = net
        .rpc()
        .get_account_data(&addresses::program_data(&program.pubkey()))
        .await
        .unwrap();
    assert_eq!(&on_chain[45..], &elf[..]);

    // The same again: nothing to do.
    let again = deploy::plan(sender, &deployment).await.unwrap();
    assert_eq!((again.kind, again.needs_lamports), (Kind::UpToDate, 0));
    assert_eq!(
        deploy::run(sender, &deployment, &mut go_on)
            .await
            .unwrap()
            .written,
        0
    );

    // A longer file: the program grows and is upgraded.
    let mut longer = elf.clone();
    longer.extend_from_slice(&[7; 3_000]);
    let second = Keypair::new();
    let upgrade = Deployment {
        program: Program::Existing(program.pubkey()),
        buffer: &second,
        elf: &longer,
        ..deployment
    };
    let report = deploy::run(sender, &upgrade, &mut go_on).await.unwrap();
    assert_eq!(report.kind, Kind::Upgrade);

    // Somebody else may not.
    let stranger = net.fresh(50_000_000_000).await.unwrap();
    let foreign = Deployment {
        payer: &stranger,
        authority: &stranger,
        ..deployment
    };
    let refused = deploy::plan(sender, &foreign).await.unwrap_err();
    assert!(
        refused.to_string().contains(&payer.pubkey().to_string()),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poor_wallet_is_told_what_it_needs() {
    let net = network(None).await;
    let elf = std::fs::read(program_so()).unwrap();
    let payer = net.fresh(1_000_000).await.unwrap();
    let (program, buffer) = (Keypair::new(), Keypair::new());
    let deployment = Deployment {
        payer: &payer,
        authority: &payer,
        program: Program::Keypair(&program),
        buffer: &buffer,
        elf: &elf,
        max_bytes: None,
    };
    let error = deploy::run(net.sender(), &deployment, &mut go_on)
        .await
        .unwrap_err();
    assert!(matches!(error, DeployError::Lamports { .. }), "{error}");
    assert!(error.to_string().contains("fund it"), "{error}");
}
