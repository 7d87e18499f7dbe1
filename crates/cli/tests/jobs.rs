//! Jobs in trouble, as the command shows them: an open demand, a conviction, what is paid out. On a local network.

#![cfg(feature = "localnet")]
#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_client::{
        Keypair, Pubkey, Signer, addresses, config,
        flows::{self, Route},
        instructions,
        quern::{
            instructions::{NewModel, Submission},
            state::Assurance,
        },
    },
    quern_proof::{
        Tensor,
        commit::{self, ItemTrace, TraceTree},
        demand::{NodeId, Tree},
        eval,
        evidence::Charge,
        file,
        graph::Graph,
        witness::{self, Whole},
    },
    quern_testkit::net::{BOND, World, tiny_graph},
    serde_json::Value,
    std::{
        io::{BufRead, BufReader},
        path::Path,
        process::{Command, Stdio},
    },
};

const ROOT: NodeId = NodeId {
    tree: Tree::Trace,
    level: 0,
    index: 0,
};
/// The first sum of the only row is wrong.
const CHARGE: Charge = Charge::Cell {
    op: 0,
    row: 0,
    col: 0,
    at: 0,
};

fn inputs() -> Vec<Tensor> {
    vec![Tensor::from_i8(1, 3, &[3, 2, 1]).unwrap()]
}

struct Stage {
    world: World,
    home: tempfile::TempDir,
    model: Pubkey,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let args = NewModel {
            id: 1,
            graph_bytes: 0,
            kind: 1,
            royalty_bps: 0,
            name: "Sums".to_owned(),
            uri: String::new(),
        };
        let maker = world.maker.pubkey();
        let all = flows::register_model(world.net.rpc(), &maker, args, &tiny_graph()).await;
        world.send(&all.unwrap(), &[&world.maker]).await;
        Self {
            model: addresses::model(&maker, 1),
            home: tempfile::tempdir().unwrap(),
            world,
        }
    }

    async fn created(&self) -> Pubkey {
        let world = &self.world;
        let mut args = world.args(Assurance::Refereed).await;
        args.items = 1;
        args.input_roots = inputs().iter().map(commit::data_root).collect();
        let (job, all) = world.create(Some(&self.model), args).await;
        world.send(&all, &[&world.client]).await;
        job
    }

    async fn submit(&self, job: &Pubkey, trace_root: [u8; 32]) {
        let (world, owner) = (&self.world, self.world.provider.pubkey());
        let all = flows::take_job(world.net.rpc(), &owner, &owner, &world.job(job).await).await;
        world.send(&all.unwrap(), &[&world.provider]).await;
        let proof = Submission {
            trace_root,
            tokens_root: [0; 32],
            output_uri: String::new(),
        };
        let submit = instructions::submit(&owner, &world.job(job).await, proof);
        world.send(&[submit], &[&world.provider]).await;
    }

    /// What the command writes, and its exit code.
    fn quern(&self, wallet: &Keypair, args: &[&str]) -> (String, Option<i32>) {
        let key = self.home.path().join(format!("{}.json", wallet.pubkey()));
        if !key.exists() {
            config::write_keypair(&key, wallet).unwrap();
        }
        let output = self.command(self.home.path(), &key, args).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8(text).unwrap(), output.status.code())
    }

    fn command(&self, home: &Path, key: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quern"));
        command
            .args(args)
            .args(["-u", self.world.net.rpc_url(), "-k"])
            .arg(key)
            .env_clear()
            .env("HOME", home)
            .current_dir(home);
        command
    }

    /// Text that must hold all of these words.
    fn says(&self, args: &[&str], code: i32, words: &[&str]) {
        let (text, found) = self.quern(&self.world.treasury, args);
        assert_eq!(found, Some(code), "{args:?}: {text}");
        for word in words {
            assert!(
                text.contains(word),
                "{args:?} does not say `{word}`: {text}"
            );
        }
    }

    fn json(&self, wallet: &Keypair, args: &[&str]) -> Value {
        let (text, code) = self.quern(wallet, &[args, &["--output", "json"]].concat());
        assert_eq!(code, Some(0), "{args:?}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn demands_and_convictions_are_shown_and_paid_out() {
    let stage = Stage::new().await;
    let (world, opener) = (&stage.world, &stage.world.treasury);
    let job = stage.created().await;
    let name = job.to_string();
    stage.says(
        &["job", "show", &name],
        0,
        &["until then a provider may take it"],
    );
    // Nothing to do is no failure.
    stage.says(
        &["job", "crank", &name],
        0,
        &[
            "nothing is due",
            "until then a provider may take it",
            "try again in",
        ],
    );

    // A root of nothing, and a demand about it.
    stage.submit(&job, [9; 32]).await;
    stage.says(&["job", "show", &name], 0, &["end of the review"]);
    stage.says(&["job", "crank", &name], 0, &["can't be paid yet, but in"]);
    let (demand, all) = flows::demand(world.net.rpc(), &opener.pubkey(), &job, &ROOT)
        .await
        .unwrap();
    world.send(&all, &[opener]).await;
    let who = opener.pubkey().to_string();
    let words = [
        "the root of the trace",
        "due in ",
        "or later while demands are open",
        &who,
        "10000",
    ];
    stage.says(&["job", "show", &name, "--full"], 0, &words);
    stage.says(&["job", "list"], 0, &["submitted, 1 demand"]);
    let shown = stage.json(opener, &["job", "show", &name]);
    assert_eq!(shown["open_demands"], 1);
    assert_eq!(shown["demands"][0]["demand"], demand.to_string());
    assert_eq!(shown["demands"][0]["tree"], 65_535);
    assert_eq!(shown["demands"][0]["answered"], false);

    // Nobody answers.
    world.net.advance_time(70).await.unwrap();
    stage.says(
        &["job", "show", &name],
        0,
        &["not answered, due ", "as soon as"],
    );
    stage.says(&["job", "crank", &name], 0, &["as soon as no demand"]);
    let all = flows::timeout(world.net.rpc(), &demand).await.unwrap();
    world.send(&all, &[opener]).await;
    let settle = format!("quern job crank {name}");
    let words = ["the root of the trace", "0.8", "0.4", &settle, &who];
    stage.says(&["job", "show", &name, "--full"], 0, &words);
    stage.says(&["job", "list"], 0, &["convicted: "]);
    stage.says(&["job", "show", &name, "--full"], 0, &["convicted"]);
    let shown = stage.json(opener, &["job", "show", &name]);
    assert_eq!(shown["conviction_reason"], "unanswered");
    assert_eq!(shown["proved_by"], who);
    assert!(shown["deadline"].is_null(), "{shown}");

    // Paid out by hand, by the opener: bounty and rent of the demand.
    let before = world.free(&opener.pubkey()).await;
    let paid = stage.json(opener, &["job", "crank", &name]);
    assert_eq!(
        [
            &paid["prover_gets"],
            &paid["client_gets"],
            &paid["client_gets_back"]
        ],
        ["0.8", "0.4", "1"]
    );
    // The treasury's share is this wallet's, too.
    assert_eq!(world.free(&opener.pubkey()).await - before, BOND / 5 * 4);
    let gone = world.net.rpc().get_account(&demand).await;
    assert!(gone.is_err(), "the demand is closed");
    stage.says(&["job", "show", &name], 1, &["no live job", "/v1/jobs/"]);
}

/// The commitment to one wrong value, and the evidence against it.
fn cheat() -> ([u8; 32], Vec<u8>) {
    let code = tiny_graph();
    let graph = Graph::parse(&code).unwrap();
    let (inputs, weights) = (
        inputs(),
        vec![Tensor::from_i8(2, 3, &[1, 2, 3, -1, -2, -3]).unwrap()],
    );
    let limit = eval::DEFAULT_MAX_ITEM_BYTES;
    let batch = eval::Batch::new(&graph, 1, &inputs, &weights, limit).unwrap();
    let mut outputs = batch.item(0).unwrap();
    outputs[0].data_mut()[0] ^= 1;
    let mut claimed = Whole::new(&batch).unwrap();
    let trace = ItemTrace::new(outputs).unwrap();
    let tree = TraceTree::new(graph.trace(1).unwrap(), vec![trace.root()]).unwrap();
    claimed.insert(0, trace).unwrap();
    claimed.insert_above(tree);
    let bytes = witness::evidence(&graph, 1, &CHARGE, &claimed).unwrap();
    (claimed.trace_root().unwrap(), bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_cell_is_named() {
    let stage = Stage::new().await;
    let (world, prover) = (&stage.world, &stage.world.maker);
    let (root, bytes) = cheat();
    let job = stage.created().await;
    stage.submit(&job, root).await;
    let sender = world.net.sender();
    let (account, code) = (world.job(&job).await, tiny_graph());
    let (graph, route) = (Graph::parse(&code).unwrap(), Route::Inline);
    flows::convict(sender, prover, &account, &graph, &CHARGE, &bytes, route)
        .await
        .unwrap();
    let name = job.to_string();
    let shown = stage.json(prover, &["job", "show", &name]);
    assert_eq!(shown["conviction_reason"], "wrong_cell");
    assert_eq!(shown["place"], "op 0, row 0, column 0");
    assert_eq!(shown["proved_by"], prover.pubkey().to_string());
    let listed = stage.json(prover, &["job", "list"]);
    assert_eq!(listed[0]["state"], "convicted");
    assert_eq!(listed[0]["conviction_reason"], "wrong_cell");
    // Anybody pays it out; purses that are missing are opened.
    let paid = stage.json(&world.client, &["job", "crank", &name]);
    assert_eq!(paid["prover_gets"], "0.8");
    assert_eq!(world.free(&prover.pubkey()).await, BOND / 5 * 2);
}

/// A script sees by the exit code how the job ended, and reads one object a line.
#[tokio::test(flavor = "multi_thread")]
async fn a_watched_job_ends_with_a_code_of_its_own() {
    let stage = Stage::new().await;
    let (world, home) = (&stage.world, stage.home.path());
    let input = home.join("input.bin");
    std::fs::write(&input, file::encode_bundle(&inputs())).unwrap();
    let key = home.join("client.json");
    config::write_keypair(&key, &world.client).unwrap();
    let (mint, model) = (world.mint.address.to_string(), stage.model.to_string());
    let create = [
        "job",
        "create",
        "--mint",
        &mint,
        "--model",
        &model,
        "--price",
        "1",
        "--input",
        "input.bin",
        "--publish-dir",
        "in",
        "--skip-weights-check",
        "--watch",
        "--output",
        "json",
    ];
    let mut watching = stage
        .command(home, &key, &create)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let job: Pubkey = first["job"].as_str().unwrap().parse().unwrap();
    let (root, bytes) = cheat();
    stage.submit(&job, root).await;
    let (account, code) = (world.job(&job).await, tiny_graph());
    flows::convict(
        world.net.sender(),
        &world.maker,
        &account,
        &Graph::parse(&code).unwrap(),
        &CHARGE,
        &bytes,
        Route::Inline,
    )
    .await
    .unwrap();
    let rest: Vec<Value> = lines
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    let output = watching.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("was convicted"), "{stderr}");
    assert_eq!(rest.last().unwrap()["outcome"], "convicted", "{rest:?}");
}
