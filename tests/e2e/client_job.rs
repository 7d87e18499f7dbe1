//! The client against the real program: every builder's accounts, every flow, and the events of one refereed job.
#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_client::{
        ClientError, Pubkey, Signer,
        accounts::{self, JobFilter},
        addresses, flows, instructions,
        quern::{
            error::QuernError,
            events::QuernEvent,
            instructions::{Decision, ModelSettings, NewModel, Submission},
            state::{Assurance, Job, JobState},
        },
    },
    quern_proof::{Tensor, commit},
    quern_testkit::net::{BOND, World, tiny_graph},
};

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn a_refereed_job_from_model_to_claim() {
    let world = World::new().await;
    let (rpc, mint) = (world.net.rpc(), world.mint.address);

    let graph = tiny_graph();
    let args = NewModel {
        id: 7,
        graph_bytes: 0,
        kind: 1,
        royalty_bps: 1_000,
        name: "Sums".to_owned(),
        uri: "https://models/sums".to_owned(),
    };
    let maker = world.maker.pubkey();
    let all = flows::register_model(rpc, &maker, args.clone(), &graph)
        .await
        .unwrap();
    // Interrupted after registering, then continued.
    world.send(&all[..1], &[&world.maker]).await;
    let rest = flows::register_model(rpc, &maker, args.clone(), &graph)
        .await
        .unwrap();
    assert_eq!(rest.len(), all.len() - 1);
    world.send(&rest, &[&world.maker]).await;
    assert!(
        flows::register_model(rpc, &maker, args, &graph)
            .await
            .unwrap()
            .is_empty()
    );
    let model = addresses::model(&maker, 7);
    let known = accounts::model(rpc, &model).await.unwrap();
    assert_eq!(known.graph, graph);
    assert!(known.model.sealed.get());
    let update = ModelSettings {
        active: true,
        royalty_bps: 1_000,
        uri: String::new(),
    };
    world
        .send(
            &[instructions::update_model(
                &maker,
                &model,
                Some(update),
                None,
            )],
            &[&world.maker],
        )
        .await;

    let input = Tensor::from_i8(2, 3, &[1, 1, 1, -1, 0, 0]).unwrap();
    let mut args = world.args(Assurance::Refereed).await;
    args.items = 2;
    args.input_roots = vec![commit::data_root(&input)];
    let (address, all) = world.create(Some(&model), args.clone()).await;
    assert_eq!(
        all.len(),
        3,
        "the purses of treasury and royalty owner are opened first"
    );
    world.send(&all, &[&world.client]).await;
    let open = accounts::jobs(
        rpc,
        JobFilter {
            state: Some(JobState::Open),
            ..JobFilter::default()
        },
    )
    .await
    .unwrap();
    assert_eq!(
        open.iter().map(|(at, _)| *at).collect::<Vec<_>>(),
        [address]
    );
    // Of an item: sums of three products, the larger one of two, and three leaves: the input, the sums, the place.
    assert_eq!(open[0].1.work.get(), 2 * (2 * 3 + 2 + 3 * 8_192));

    let (owner, operator) = (world.provider.pubkey(), world.operator.pubkey());
    let all = flows::take_job(rpc, &operator, &owner, &world.job(&address).await)
        .await
        .unwrap();
    world.send(&all, &[&world.operator]).await;
    let proof = Submission {
        trace_root: [5; 32],
        tokens_root: [0; 32],
        output_uri: "https://results/1".to_owned(),
    };
    let job = world.job(&address).await;
    world
        .send(
            &[instructions::submit(&operator, &job, proof)],
            &[&world.operator],
        )
        .await;

    // Too early is said as such, by name.
    let emission = accounts::emission(rpc).await.unwrap();
    let all = [instructions::finalize(
        &operator,
        &world.job(&address).await,
        &emission,
    )];
    let early = world
        .net
        .sender()
        .send_all(&all, &[&world.operator])
        .await
        .unwrap_err();
    assert_eq!(early.quern(), Some(QuernError::TooEarly), "{early}");
    assert_eq!(
        early.to_string(),
        "The deadline has not passed yet; try again later (TooEarly)"
    );

    world.net.advance_time(130).await.unwrap();
    let before = world.free(&owner).await;
    let receipts = world.send(&all, &[&world.operator]).await;
    let events = world
        .net
        .sender()
        .events(&receipts[0].signature)
        .await
        .unwrap();
    assert!(events.succeeded && events.invoked);
    assert_eq!(events.slot, receipts[0].slot);
    let [event] = &events.events[..] else {
        panic!("{events:?}")
    };
    let Some(QuernEvent::MilestoneSettled(settled)) = &event.event else {
        panic!("{event:?}")
    };
    assert_eq!(
        (
            settled.fee_atoms,
            settled.royalty_atoms,
            settled.provider_atoms
        ),
        (50_000, 100_000, 850_000)
    );
    assert_eq!(settled.reward_atoms, 25_000);
    assert!(settled.closed);
    assert_eq!(world.free(&owner).await - before, 850_000 + BOND);
    assert!(matches!(
        accounts::fetch::<Job>(rpc, &address).await,
        Err(ClientError::NotFound { .. })
    ));

    let emission = accounts::emission(rpc).await.unwrap();
    let all = flows::claim_rewards(rpc, &owner, &owner, &emission)
        .await
        .unwrap();
    world.send(&all, &[&world.provider]).await;
    assert_eq!(world.free(&owner).await - before, 875_000 + BOND);
    let all = flows::withdraw(
        &maker,
        &maker,
        &mint,
        &world.mint.token_program,
        None,
        100_000,
    );
    world.send(&all, &[&world.maker]).await;
    let account = addresses::token_account(&maker, &mint, &world.mint.token_program);
    assert_eq!(
        rpc.get_token_account_balance(&account)
            .await
            .unwrap()
            .amount,
        "100000"
    );
    let total: u64 = accounts::purses(rpc, None)
        .await
        .unwrap()
        .iter()
        .map(|(_, purse)| purse.free_atoms.get() + purse.reserved_atoms.get())
        .sum();
    assert_eq!(
        total,
        accounts::mint_config(rpc, &mint)
            .await
            .unwrap()
            .total_atoms
            .get()
    );
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn reviewed_jobs_end_in_every_way() {
    let world = World::new().await;
    let rpc = world.net.rpc();
    let (client, owner, operator) = (
        world.client.pubkey(),
        world.provider.pubkey(),
        world.operator.pubkey(),
    );
    let arbiter = world.net.fresh(5_000_000_000).await.unwrap();
    let mut args = world.args(Assurance::Reviewed).await;
    args.milestones = 2;
    args.arbiter = arbiter.pubkey();
    let create = async || {
        let (address, all) = world.create(None, args.clone()).await;
        world.send(&all, &[&world.client]).await;
        address
    };
    let take_and_submit = async |address: &Pubkey| {
        let all = flows::take_job(rpc, &operator, &owner, &world.job(address).await)
            .await
            .unwrap();
        world.send(&all, &[&world.operator]).await;
        let job = world.job(address).await;
        let proof = Submission {
            trace_root: [6; 32],
            tokens_root: [0; 32],
            output_uri: String::new(),
        };
        world
            .send(
                &[instructions::submit(&operator, &job, proof)],
                &[&world.operator],
            )
            .await;
    };

    // Cancelled.
    let before = world.free(&client).await;
    let address = create().await;
    let job = world.job(&address).await;
    world
        .send(&[instructions::cancel_job(&job)], &[&world.client])
        .await;
    assert_eq!(world.free(&client).await, before);

    // Accepted twice.
    let address = create().await;
    take_and_submit(&address).await;
    world
        .send(&[world.accept(&address).await], &[&world.client])
        .await;
    let job = world.job(&address).await;
    assert_eq!((job.milestone, job.checkpoint), (1, [6; 32]));
    let proof = Submission {
        trace_root: [7; 32],
        tokens_root: [0; 32],
        output_uri: String::new(),
    };
    world
        .send(
            &[instructions::submit(&operator, &job, proof)],
            &[&world.operator],
        )
        .await;
    world
        .send(&[world.accept(&address).await], &[&world.client])
        .await;
    assert!(rpc.get_account(&address).await.is_err());

    // Rejected and resolved against the provider, then expired while open.
    let address = create().await;
    take_and_submit(&address).await;
    let job = world.job(&address).await;
    world
        .send(
            &[instructions::reject(&job, "wrong".to_owned())],
            &[&world.client],
        )
        .await;
    let decision = Decision {
        provider_share_bps: 1_000,
        penalty_atoms: 100,
    };
    world
        .send(
            &flows::resolve(rpc, &world.job(&address).await, decision)
                .await
                .unwrap(),
            &[&arbiter],
        )
        .await;
    assert_eq!(world.job(&address).await.state(), JobState::Open);
    world.net.advance_time(700).await.unwrap();
    world
        .send(
            &flows::expire(rpc, &operator, &world.job(&address).await)
                .await
                .unwrap(),
            &[&world.operator],
        )
        .await;
    assert!(rpc.get_account(&address).await.is_err());

    // Late: reopened with a penalty.
    args.ends_by = world.net.now().await.unwrap() + 100_000;
    let (address, all) = world.create(None, args.clone()).await;
    world.send(&all, &[&world.client]).await;
    world
        .send(
            &flows::take_job(rpc, &owner, &owner, &world.job(&address).await)
                .await
                .unwrap(),
            &[&world.provider],
        )
        .await;
    world.net.advance_time(700).await.unwrap();
    world
        .send(
            &flows::expire(rpc, &operator, &world.job(&address).await)
                .await
                .unwrap(),
            &[&world.operator],
        )
        .await;
    assert_eq!(world.job(&address).await.state(), JobState::Open);

    // A silent arbiter: half is burnt.
    take_and_submit(&address).await;
    let job = world.job(&address).await;
    world
        .send(
            &[instructions::reject(&job, String::new())],
            &[&world.client],
        )
        .await;
    world.net.advance_time(700).await.unwrap();
    world
        .send(
            &flows::expire(rpc, &operator, &world.job(&address).await)
                .await
                .unwrap(),
            &[&world.operator],
        )
        .await;
    assert!(world.free(&addresses::burn_owner()).await > 0);
    assert!(
        accounts::jobs(rpc, JobFilter::default())
            .await
            .unwrap()
            .is_empty()
    );
}
