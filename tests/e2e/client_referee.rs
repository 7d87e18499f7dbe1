//! The referee over RPC: convictions by every route, and demands from the first demand to the slash.
#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_client::{
        ClientError, Keypair, Pubkey, Signer, accounts, addresses,
        flows::{self, ConvictReceipt, Route},
        instructions,
        quern::{
            error::QuernError,
            events::QuernEvent,
            instructions::{NewModel, Submission},
            state::{Assurance, Conviction, ConvictionReason, JobState},
        },
    },
    quern_proof::{
        DType, Tensor,
        builder::GraphBuilder,
        commit::{self, ItemTrace, TraceTree},
        demand::{NodeId, Tree},
        eval::{Batch, DEFAULT_MAX_ITEM_BYTES},
        evidence::{Charge, Refusal},
        graph::{Graph, Operand},
        witness::{self, Known, Patched, Step, Whole},
    },
    quern_testkit::net::{BOND, PRICE, World},
};

const ITEMS: u32 = 3;

/// A long product, the larger of its two columns, and a product of middle length.
struct Task {
    graph: Vec<u8>,
    inputs: Vec<Tensor>,
    weights: Vec<Tensor>,
}

/// The ops, by how the evidence against them travels.
const LONG: u16 = 0;
const SHORT: u16 = 1;
const MIDDLE: u16 = 2;

impl Task {
    fn new() -> Self {
        let filled = |rows, cols, seed: u32| {
            let values: Vec<i8> = (0..rows * cols)
                .map(|i: u32| (i.wrapping_mul(seed) >> 3) as i8)
                .collect();
            Tensor::from_i8(rows, cols, &values).unwrap()
        };
        let inputs = vec![filled(ITEMS, 4_096, 77), filled(ITEMS, 1_000, 78)];
        let weights = vec![filled(2, 4_096, 79), filled(2, 1_000, 80)];
        let mut builder = GraphBuilder::new();
        let (long, middle) = (
            builder.input_item(DType::I8, 1, 4_096),
            builder.input_item(DType::I8, 1, 1_000),
        );
        let matrices: Vec<Operand> = weights
            .iter()
            .map(|tensor| builder.weight(tensor))
            .collect();
        let sums = builder.dot(long, matrices[0]).push();
        builder.argmax(sums).push();
        builder.dot(middle, matrices[1]).push();
        Self {
            graph: builder.finish().unwrap(),
            inputs,
            weights,
        }
    }

    fn graph(&self) -> Graph<'_> {
        Graph::parse(&self.graph).unwrap()
    }

    /// What a provider opens who has another value at column 0 of an op in item 1; without an op, an honest one.
    fn whole(&self, cheated: Option<u16>) -> Whole<'_> {
        let (graph, limit) = (self.graph(), DEFAULT_MAX_ITEM_BYTES);
        let batch = Batch::new(&graph, ITEMS, &self.inputs, &self.weights, limit).unwrap();
        let mut whole = Whole::new(&batch).unwrap();
        let mut roots = Vec::new();
        for item in 0..ITEMS {
            let mut outputs = batch.item(item).unwrap();
            if let Some(op) = cheated.filter(|_| item == 1) {
                outputs[usize::from(op)].data_mut()[0] ^= 1;
            }
            let trace = ItemTrace::new(outputs).unwrap();
            roots.push(trace.root());
            whole.insert(item, trace).unwrap();
        }
        let tree = TraceTree::new(graph.trace(ITEMS).unwrap(), roots).unwrap();
        whole.insert_above(tree);
        whole
    }

    /// The charge against the changed value.
    fn charge(&self, op: u16) -> Charge {
        let value = |whole: &Whole<'_>| {
            let outputs = whole.item(1).unwrap().outputs();
            outputs[usize::from(op)].value(0, 0).unwrap()
        };
        let values = (value(&self.whole(Some(op))), value(&self.whole(None)));
        witness::charge_cell(&self.graph(), (op, 1), (0, 0), values).unwrap()
    }
}

/// The root of a commitment.
fn root(whole: &Whole<'_>) -> [u8; 32] {
    whole.trace_root().unwrap()
}

/// The world with the task's model in it.
struct Court {
    world: World,
    task: Task,
    model: Pubkey,
}

impl Court {
    async fn new() -> Self {
        let (world, task) = (World::new().await, Task::new());
        let args = NewModel {
            id: 1,
            graph_bytes: 0,
            kind: 1,
            royalty_bps: 0,
            name: "Products".to_owned(),
            uri: String::new(),
        };
        let maker = world.maker.pubkey();
        let all = flows::register_model(world.net.rpc(), &maker, args, &task.graph).await;
        world.send(&all.unwrap(), &[&world.maker]).await;
        Self {
            model: addresses::model(&maker, 1),
            world,
            task,
        }
    }

    /// A job whose provider committed to this root.
    async fn submitted(&self, trace_root: [u8; 32]) -> Pubkey {
        let (world, rpc) = (&self.world, self.world.net.rpc());
        let mut args = world.args(Assurance::Refereed).await;
        args.items = ITEMS;
        args.input_roots = self.task.inputs.iter().map(commit::data_root).collect();
        let owner = world.provider.pubkey();
        let (job, all) = world.create(Some(&self.model), args).await;
        world.send(&all, &[&world.client]).await;
        let all = flows::take_job(rpc, &owner, &owner, &world.job(&job).await)
            .await
            .unwrap();
        world.send(&all, &[&world.provider]).await;
        let proof = Submission {
            trace_root,
            tokens_root: [0; 32],
            output_uri: String::new(),
        };
        let submit = instructions::submit(&owner, &world.job(&job).await, proof);
        world.send(&[submit], &[&world.provider]).await;
        job
    }

    async fn lamports(&self, wallet: &Pubkey) -> u64 {
        self.world.net.rpc().get_balance(wallet).await.unwrap()
    }

    /// Convicts `op` of a new job in which it is wrong, and settles.
    async fn convict(&self, prover: &Keypair, op: u16, route: Route) -> ConvictReceipt {
        let (task, world) = (&self.task, &self.world);
        let (rpc, sender) = (world.net.rpc(), world.net.sender());
        let claimed = task.whole(Some(op));
        let job = self.submitted(root(&claimed)).await;
        let charge = task.charge(op);
        let bytes = witness::evidence(&task.graph(), ITEMS, &charge, &claimed).unwrap();

        let before = self.lamports(&prover.pubkey()).await;
        let account = world.job(&job).await;
        let graph = task.graph();
        let receipt = flows::convict(sender, prover, &account, &graph, &charge, &bytes, route)
            .await
            .unwrap_or_else(|error| panic!("{error}\n{error:#?}"));
        let paid = before - self.lamports(&prover.pubkey()).await;
        assert_eq!(receipt.lamports_paid, Some(paid), "rent came back");
        assert_eq!(receipt.evidence_bytes, bytes.len());

        let slashed = world.job(&job).await;
        assert_eq!(slashed.state(), JobState::Convicted);
        assert_eq!(slashed.conviction_reason, ConvictionReason::WrongCell as u8);
        assert_eq!(slashed.prover, prover.pubkey());
        let events = sender.events(&receipt.signature).await.unwrap();
        let [event] = &events.events[..] else {
            panic!("{events:?}")
        };
        let Some(QuernEvent::JobConvicted(convicted)) = &event.event else {
            panic!("{event:?}")
        };
        let Charge::Cell { op, row, col, at } = charge else {
            panic!("{charge}")
        };
        assert_eq!((row, col), (1, 0));
        let expected = Conviction::WrongCell { op, row, col, at };
        assert_eq!(convicted.conviction, expected);

        let client = world.client.pubkey();
        let before = world.free(&client).await;
        let all = flows::settle_conviction(rpc, &prover.pubkey(), &world.job(&job).await)
            .await
            .unwrap();
        world.send(&all, &[prover]).await;
        assert_eq!(world.free(&client).await - before, PRICE + BOND / 5);
        receipt
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_travels_as_it_fits() {
    let court = Court::new().await;
    let prover = court.world.net.fresh(1_000_000_000).await.unwrap();
    let earned = async || court.world.free(&prover.pubkey()).await;

    let receipt = court.convict(&prover, SHORT, Route::Auto).await;
    assert_eq!((receipt.route, receipt.transactions), (Route::Inline, 1));
    assert_eq!(receipt.lamports_paid, Some(5_000));
    assert_eq!(earned().await, BOND * 2 / 5);
    let receipt = court.convict(&prover, MIDDLE, Route::Auto).await;
    assert_eq!((receipt.route, receipt.transactions), (Route::Inline, 1));
    assert!((1_232..4_096).contains(&receipt.evidence_bytes));
    let receipt = court.convict(&prover, LONG, Route::Auto).await;
    assert_eq!(receipt.route, Route::Account);
    let pieces = receipt.evidence_bytes.div_ceil(900);
    assert_eq!(receipt.transactions, pieces + 2);
    assert!(receipt.compute_units.is_some());
    let receipt = court.convict(&prover, SHORT, Route::Account).await;
    assert_eq!((receipt.route, receipt.transactions), (Route::Account, 3));
    assert_eq!(earned().await, 4 * BOND * 2 / 5);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn nothing_is_lost_where_a_conviction_fails() {
    let court = Court::new().await;
    let (task, net) = (&court.task, &court.world.net);
    let (rpc, sender) = (net.rpc(), net.sender());
    let claimed = task.whole(Some(LONG));
    let charges = [LONG, SHORT, MIDDLE].map(|op| task.charge(op));
    let charge = |op: u16| charges[usize::from(op)];
    let bytes = witness::evidence(&task.graph(), ITEMS, &charge(LONG), &claimed).unwrap();
    let job = court.submitted(root(&claimed)).await;
    let convict = async |prover: &Keypair, op, bytes: &[u8], route| {
        let account = court.world.job(&job).await;
        let (graph, charge) = (task.graph(), charge(op));
        flows::convict(sender, prover, &account, &graph, &charge, bytes, route).await
    };

    // Refused before anything is paid.
    let poor = net.fresh(1_000_000).await.unwrap();
    let missing = convict(&poor, LONG, &bytes[..bytes.len() - 1], Route::Auto).await;
    assert_eq!(missing.unwrap_err().evidence(), Some(Refusal::TooShort));
    let innocent = witness::evidence(&task.graph(), ITEMS, &charge(MIDDLE), &claimed).unwrap();
    let refused = convict(&poor, MIDDLE, &innocent, Route::Auto).await;
    assert_eq!(refused.unwrap_err().evidence(), Some(Refusal::NothingWrong));
    let too_large = convict(&poor, LONG, &bytes, Route::Inline).await;
    assert!(matches!(too_large, Err(ClientError::TooLarge { .. })));
    assert_eq!(court.lamports(&poor.pubkey()).await, 1_000_000);
    // The program says the same.
    let proof = instructions::Proof::Inline(&innocent);
    let decoded = court.world.job(&job).await;
    let all = [instructions::convict(
        &poor.pubkey(),
        &decoded,
        &charge(MIDDLE),
        proof,
    )];
    let refused = sender.send_v1(&all, &[&poor]).await.unwrap_err();
    assert_eq!(refused.evidence(), Some(Refusal::NothingWrong), "{refused}");

    // Money for the account only: it is named, and closed once there is money again.
    let rent = async |space| {
        let rent = rpc.get_minimum_balance_for_rent_exemption(space).await;
        rent.unwrap()
    };
    // A wallet must keep its own rent, too.
    let (own_rent, rent) = (
        rent(0).await,
        rent(instructions::evidence_space(bytes.len())).await,
    );
    let poor = net.fresh(own_rent + rent + 10_000).await.unwrap();
    let stuck = convict(&poor, LONG, &bytes, Route::Auto).await.unwrap_err();
    let ClientError::EvidenceLeft { address, .. } = stuck else {
        panic!("{stuck}")
    };
    let left = accounts::evidences_by(rpc, &poor.pubkey()).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].address, left[0].author), (address, poor.pubkey()));
    assert_eq!(court.lamports(&poor.pubkey()).await, own_rent);
    net.fund(&poor.pubkey(), own_rent + 5_000).await.unwrap();
    let all = flows::close_evidences(rpc, &poor.pubkey()).await.unwrap();
    sender.send_all(&all, &[&poor]).await.unwrap();
    assert_eq!(court.lamports(&poor.pubkey()).await, own_rent + rent);

    // Two at once: one convicts, the other gets its rent back.
    let (one, two) = (
        net.fresh(1_000_000_000).await.unwrap(),
        net.fresh(1_000_000_000).await.unwrap(),
    );
    let (first, second) = tokio::join!(
        convict(&one, LONG, &bytes, Route::Auto),
        convict(&two, LONG, &bytes, Route::Auto)
    );
    let (winner, loser, error) = match (first, second) {
        (Ok(_), Err(error)) => (&one, &two, error),
        (Err(error), Ok(_)) => (&two, &one, error),
        other => panic!("{other:?}"),
    };
    assert_eq!(error.quern(), Some(QuernError::WrongState), "{error}");
    let slashed = court.world.job(&job).await;
    assert_eq!(slashed.prover, winner.pubkey());
    for wallet in [&one, &two] {
        let left = accounts::evidences_by(rpc, &wallet.pubkey()).await.unwrap();
        assert_eq!(left, []);
    }
    let pieces = bytes.len().div_ceil(900) as u64;
    let lost = 1_000_000_000 - court.lamports(&loser.pubkey()).await;
    assert!(lost <= 10_000 + (pieces + 2) * 5_000, "{lost}");
    let late = convict(loser, LONG, &bytes, Route::Auto).await.unwrap_err();
    assert!(
        matches!(late, ClientError::WouldRefuse(QuernError::WrongState)),
        "{late}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn withheld_data_are_demanded_and_convicted() {
    let court = Court::new().await;
    let (task, world) = (&court.task, &court.world);
    let (net, rpc) = (&world.net, world.net.rpc());
    let watcher = net.fresh(1_000_000_000).await.unwrap();
    let opener = watcher.pubkey();
    let claimed = task.whole(Some(SHORT));
    let own = task.whole(None);
    let job = court.submitted(root(&claimed)).await;

    // A demand below one that nobody asked, and one that nobody may ask.
    let roots = NodeId::in_item(SHORT, 1, 0, 0);
    let early = flows::demand(rpc, &opener, &job, &roots).await.unwrap_err();
    assert_eq!(early.quern(), Some(QuernError::WrongParent), "{early}");
    let beyond = NodeId { level: 9, ..roots };
    let beyond = flows::demand(rpc, &opener, &job, &beyond)
        .await
        .unwrap_err();
    assert_eq!(beyond.quern(), Some(QuernError::NoSuchNode), "{beyond}");

    // Three items of three ops: the trace has four levels; an op's tree in an item is one leaf.
    let known = Known::new(&task.graph(), ITEMS, root(&claimed), [0; 32]);
    let mut known = Patched::new(&own, known);
    let mut asked = Vec::new();
    let charge = loop {
        let node_id = match known.step().unwrap() {
            Step::Demand(node_id) => node_id,
            Step::Charge(charge) => break charge,
            Step::Same | Step::Item(_) => panic!("the commitment is wrong"),
        };
        let (demand, all) = flows::demand(rpc, &opener, &job, &node_id).await.unwrap();
        world.send(&all, &[&watcher]).await;
        let (again, none) = flows::demand(rpc, &opener, &job, &node_id).await.unwrap();
        assert_eq!((again, none.len()), (demand, 0));
        let waiting = accounts::demand(rpc, &demand).await.unwrap();
        assert_eq!(
            (waiting.answer, waiting.demand.node_id()),
            (None, Some(node_id))
        );
        assert_eq!(world.job(&job).await.open_demands.get(), 1);
        // Those that were answered are not among them.
        let open = accounts::unanswered_demands_of(rpc, &job).await.unwrap();
        assert_eq!(open.len(), 1);
        assert_eq!((open[0].0, open[0].1.node_id()), (demand, Some(node_id)));

        let provider = world.provider.pubkey();
        let bytes = witness::answer(&task.graph(), ITEMS, &node_id, &claimed).unwrap();
        let wrong = vec![1; bytes.len()];
        let refused = flows::reveal(rpc, &provider, &demand, &wrong).await;
        assert_eq!(refused.unwrap_err().quern(), Some(QuernError::WrongAnswer));
        let before = court.lamports(&provider).await;
        let all = flows::reveal(rpc, &provider, &demand, &bytes)
            .await
            .unwrap();
        world.send(&all, &[&world.provider]).await;
        // The fee of the demand pays the fee of the transaction, and more.
        assert_eq!(court.lamports(&provider).await, before + 10_000 - 5_000);
        let answered = accounts::demand(rpc, &demand).await.unwrap();
        known.reveal(&node_id, &answered.answer.unwrap()).unwrap();
        asked.push(demand);
    };
    assert_eq!(asked.len(), 2);
    assert_eq!(charge, task.charge(SHORT));
    let mut listed: Vec<Pubkey> = flows::demands_of(rpc, &job)
        .await
        .unwrap()
        .iter()
        .map(|known| known.address)
        .collect();
    listed.sort_unstable();
    asked.sort_unstable();
    assert_eq!(listed, asked);
    assert!(flows::close_demands(rpc, &job).await.unwrap().is_empty());

    let bytes = witness::evidence(&task.graph(), ITEMS, &charge, &known).unwrap();
    let (account, graph, route) = (world.job(&job).await, task.graph(), Route::Auto);
    flows::convict(
        net.sender(),
        &watcher,
        &account,
        &graph,
        &charge,
        &bytes,
        route,
    )
    .await
    .unwrap();
    let all = flows::close_demands(rpc, &job).await.unwrap();
    assert_eq!(all.len(), 2);
    let before = court.lamports(&opener).await;
    world.send(&all, &[&world.client]).await;
    assert!(court.lamports(&opener).await > before, "the rent came back");
    assert!(flows::demands_by(rpc, &opener).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_convicted_when_the_time_is_over() {
    let court = Court::new().await;
    let (world, rpc) = (&court.world, court.world.net.rpc());
    let watcher = world.net.fresh(1_000_000_000).await.unwrap();
    let opener = watcher.pubkey();
    let job = court.submitted([9; 32]).await;
    let root = NodeId {
        tree: Tree::Trace,
        level: 0,
        index: 0,
    };
    // Lamports at the address where the demand will be are no demand, and in nobody's way.
    let place = addresses::demand(&job, 1, &root);
    world.net.fund(&place, 1_000_000).await.unwrap();
    assert!(
        accounts::demand_optional(rpc, &place)
            .await
            .unwrap()
            .is_none()
    );
    let (demand, all) = flows::demand(rpc, &opener, &job, &root).await.unwrap();
    assert_eq!((demand, all.len()), (place, 1));
    world.send(&all, &[&watcher]).await;
    let timeout = flows::timeout(rpc, &demand).await.unwrap();
    let early = world.net.sender().send(&timeout, &[&watcher]).await;
    assert_eq!(early.unwrap_err().quern(), Some(QuernError::TooEarly));

    world.net.advance_time(130).await.unwrap();
    // A stranger sends it; the opener is the prover.
    world.send(&timeout, &[&world.client]).await;
    let slashed = world.job(&job).await;
    assert_eq!(
        slashed.conviction_reason,
        ConvictionReason::Unanswered as u8
    );
    assert_eq!(slashed.prover, opener);
    let all = flows::settle_conviction(rpc, &opener, &world.job(&job).await)
        .await
        .unwrap();
    world.send(&all, &[&watcher]).await;
    assert_eq!(world.free(&opener).await, BOND * 2 / 5);

    // Rent and fee come back, even though the job is gone and somebody sent lamports there.
    world.net.fund(&job, 1_000_000).await.unwrap();
    assert_eq!(flows::close_demands(rpc, &job).await.unwrap().len(), 1);
    let before = court.lamports(&opener).await;
    let held = court.lamports(&demand).await;
    let all = flows::close_demand(rpc, &demand).await.unwrap();
    world.send(&all, &[&world.client]).await;
    assert_eq!(court.lamports(&opener).await, before + held);
}
