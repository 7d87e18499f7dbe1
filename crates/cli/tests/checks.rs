//! What is checked before money moves, and what a node in trouble must not cause. On a local network, with a node before it
//! whose faults are switched while it runs.

#![cfg(feature = "localnet")]
#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_client::{Keypair, Signer, accounts, addresses, config},
    quern_proof::{Tensor, file},
    quern_testkit::net::{Fault, FaultyNode, World, tiny_graph},
    serde_json::Value,
    std::{
        path::Path,
        process::{Command, Output},
        time::Duration,
    },
};

struct Stage {
    world: World,
    node: FaultyNode,
    home: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let (mint, client) = (&world.mint, world.client.pubkey());
        world.net.mint_to(mint, &client, 100_000_000).await.unwrap();
        let stage = Self {
            node: FaultyNode::before(world.net.rpc_url()).await.unwrap(),
            home: tempfile::tempdir().unwrap(),
            world,
        };
        let input = file::encode_bundle(&[Tensor::from_i8(1, 3, &[3, 2, 1]).unwrap()]);
        stage.write("input.bin", &input);
        stage.write("graph.qmodel", &tiny_graph());
        let weights = Tensor::from_i8(2, 3, &[1, 2, 3, -1, -2, -3]).unwrap();
        stage.write("weights.bin", &file::encode_bundle(&[weights]));
        stage
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Runs a command in a wallet's name through the node, with its results as JSON.
    async fn quern(&self, wallet: &Keypair, args: &[&str]) -> Output {
        let key = self.path(&format!("{}.json", wallet.pubkey()));
        if !key.exists() {
            config::write_keypair(&key, wallet).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_quern"));
        command
            .args(args)
            .args(["--output", "json", "-u", self.node.url(), "-k"])
            .arg(&key)
            .env_clear()
            .env("HOME", self.home.path())
            .current_dir(self.home.path());
        // The node answers from this very process.
        let run = tokio::task::spawn_blocking(move || command.output());
        run.await.unwrap().unwrap()
    }

    async fn done(&self, wallet: &Keypair, args: &[&str]) -> Value {
        let output = self.quern(wallet, args).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {stderr}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Expects an error, as one object on the last line, with these words.
    async fn refused(&self, wallet: &Keypair, args: &[&str], code: i32, words: &[&str]) -> Value {
        let output = self.quern(wallet, args).await;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
        let last = stderr.trim_end().lines().last().unwrap_or_default();
        let error: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{stderr}"));
        let error = error["error"].clone();
        assert_eq!(error["exit_code"], code, "{error}");
        let message = error["message"].as_str().unwrap();
        for word in words {
            assert!(
                message.contains(word),
                "{args:?} does not say `{word}`: {message}"
            );
        }
        error
    }

    fn mint(&self) -> String {
        self.world.mint.address.to_string()
    }

    async fn free(&self) -> u64 {
        self.world.free(&self.world.client.pubkey()).await
    }
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_in_trouble_costs_nothing() {
    let stage = Stage::new().await;
    let (client, mint) = (&stage.world.client, stage.mint());
    let deposit = ["purse", "deposit", "--mint", &mint, "--amount", "1"];
    let before = stage.free().await;
    for (fault, words) in [
        (Fault::WebPage(200), &[][..]),
        (Fault::WebPage(502), &["502"]),
        (Fault::Refused(-32_603), &["-32603"]),
        (Fault::CutOff, &[]),
        (Fault::OtherGenesis, &["genesis hash"]),
        (Fault::DamagedAccounts, &[]),
    ] {
        stage.node.set(&[fault]);
        let error = stage.refused(client, &deposit, 1, words).await;
        let kind = error["kind"].as_str().unwrap();
        assert!(
            ["unreachable", "other"].contains(&kind),
            "{fault:?}: {error}"
        );
    }
    assert_eq!(stage.node.calls("sendTransaction"), 0);
    assert_eq!(stage.free().await, before);

    // What passes by itself is waited for, and nothing is done twice.
    let mut expected = before;
    for faults in [
        &[][..],
        &[Fault::Slow(Duration::from_millis(200))],
        &[Fault::TooManyRequests],
        &[Fault::ShortPages(1), Fault::EmptyPages],
        &[Fault::LostReply],
        &[Fault::Behind(2)],
        &[Fault::NullTransactions(2), Fault::NullMetadata(2)],
        &[Fault::ForgottenStatuses],
    ] {
        stage.node.set(faults);
        let shown = stage.done(client, &deposit).await;
        expected += 1_000_000;
        assert_eq!(shown["deposited_atoms"], "1000000", "{faults:?}");
        assert_eq!(stage.free().await, expected, "{faults:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_locked_or_sealed_that_cannot_work() {
    let stage = Stage::new().await;
    let (world, mint) = (&stage.world, stage.mint());
    let poor = world.net.fresh(1_000_000_000).await.unwrap();
    let deposit = ["purse", "deposit", "--mint", &mint, "--amount", "1"];
    stage
        .refused(&poor, &deposit, 1, &["holds none of the mint", &mint])
        .await;
    let rich = [
        "purse",
        "deposit",
        "--mint",
        &mint,
        "--amount",
        "1000000000",
    ];
    stage
        .refused(&world.client, &rich, 1, &["less than 1000000000"])
        .await;

    let model = sealed(&stage).await;
    jobs(&stage, &model).await;
    provider(&stage).await;
}

/// A model's address is followed before it is sealed.
async fn sealed(stage: &Stage) -> String {
    let maker = &stage.world.maker;
    let common = [
        "model",
        "register",
        "--id",
        "7",
        "--name",
        "Sums",
        "--graph",
        "graph.qmodel",
    ];
    let [right, wrong, missing] =
        ["weights.bin", "input.bin", "missing"].map(|name| uri(&stage.path(name)));
    for at in [&wrong, &missing] {
        let args = [&common[..], &["--uri", at]].concat();
        stage
            .refused(maker, &args, 1, &["--uri", "--skip-weights-check"])
            .await;
    }
    let address = addresses::model(&maker.pubkey(), 7);
    let found = accounts::raw(stage.world.net.rpc(), &address)
        .await
        .unwrap();
    assert!(found.is_none(), "it was paid for");
    let args = [&common[..], &["--uri", &right]].concat();
    let done = stage.done(maker, &args).await;
    assert_eq!(done["model"], address.to_string());
    assert_eq!(done["sealed"], true);
    // The same again is nothing to do; another address for it is not.
    assert_eq!(stage.done(maker, &args).await["done"], "nothing");
    let args = [&common[..], &["--no-uri"]].concat();
    stage.refused(maker, &args, 1, &["another URI"]).await;
    address.to_string()
}

async fn jobs(stage: &Stage, model: &str) {
    let (world, mint) = (&stage.world, stage.mint());
    let (client, before) = (&world.client, stage.free().await);
    let create = ["job", "create", "--mint", &mint, "--price", "1"];
    let inputs = [
        "--model",
        model,
        "--input",
        "input.bin",
        "--publish-dir",
        "in",
    ];
    let with = |more: &[&'static str]| [&create[..], &inputs, more].concat();
    let nobody = world.treasury.pubkey().to_string();
    let pinned = [&create[..], &inputs, &["--provider", &nobody]].concat();
    stage
        .refused(
            client,
            &pinned,
            1,
            &["not registered as a provider", &nobody],
        )
        .await;
    let nowhere = with(&["--public-url", "http://127.0.0.1:1/in"]);
    stage
        .refused(client, &nowhere, 1, &["fetch the inputs", "--public-url"])
        .await;
    let files = with(&["--allow-files", "nothing-there"]);
    stage
        .refused(client, &files, 1, &["nothing-there", "--allow-files"])
        .await;
    assert_eq!(stage.free().await, before, "something was locked");

    let shown = stage.done(client, &with(&["--bond", "21"])).await;
    let notes = shown["notes"].to_string();
    assert!(notes.contains("--max-bond-prices"), "{shown}");
    assert_eq!(
        (&shown["bond"], &shown["bond_atoms"]),
        (&"21".into(), &"21000000".into())
    );
    let known = world.provider.pubkey().to_string();
    for (party, words) in [
        (["--arbiter", &nobody], ["silence pays", "job reject"]),
        (["--provider", &known], ["silence pays", "cannot reject"]),
    ] {
        let reviewed = [&create[..], &["--kind", "training"], &party].concat();
        let shown = stage.done(client, &reviewed).await;
        let notes = shown["notes"].to_string();
        assert!(words.iter().all(|word| notes.contains(word)), "{shown}");
    }
    levels(stage, model).await;
    let done = stage.done(client, &["claim", "--withdraw", "0"]).await;
    assert_eq!(done["done"], "nothing");
}

/// Nobody gets less than a refereed job without having said so, nor what contradicts itself.
async fn levels(stage: &Stage, model: &str) {
    let (client, mint) = (&stage.world.client, stage.mint());
    let create = ["job", "create", "--mint", &mint, "--price", "1"];
    let inputs = [
        "--model",
        model,
        "--input",
        "input.bin",
        "--publish-dir",
        "in",
    ];
    let nobody = stage.world.treasury.pubkey().to_string();
    for (more, code, words) in [
        (
            &["--arbiter", &nobody][..],
            2,
            &["--arbiter", "--assurance reviewed"][..],
        ),
        (
            &["--milestones", "3"],
            2,
            &["--milestones", "--assurance reviewed"],
        ),
        (
            &["--kind", "training"],
            2,
            &["--kind", "--assurance reviewed"],
        ),
        (
            &["--assurance", "refereed", "--arbiter", &nobody],
            2,
            &["--arbiter is for reviewed jobs"],
        ),
        (
            &["--assurance", "reviewed"],
            2,
            &["--provider", "--arbiter"],
        ),
    ] {
        let line = [&create[..], &inputs, more].concat();
        stage.refused(client, &line, code, words).await;
    }
    let text = [
        "--model",
        model,
        "--text",
        "Say hello.",
        "--publish-dir",
        "in",
    ];
    let text = [&create[..], &text].concat();
    stage.refused(client, &text, 2, &["--text"]).await;
    let said = [
        &create[..],
        &inputs,
        &["--assurance", "reviewed", "--arbiter", &nobody],
    ]
    .concat();
    assert_eq!(stage.done(client, &said).await["assurance"], "reviewed");
}

/// A later registration changes what it names, and shows it.
async fn provider(stage: &Stage) {
    let wallet = stage.world.net.fresh(1_000_000_000).await.unwrap();
    let register = ["provider", "register"];
    stage.refused(&wallet, &register, 2, &["--name"]).await;
    let first = [
        "provider",
        "register",
        "--name",
        "Here",
        "--endpoint",
        "https://example.com",
    ];
    assert_eq!(stage.done(&wallet, &first).await["done"], "registered");
    let rest = [&register[..], &["--active", "false"]].concat();
    let changed = stage.done(&wallet, &rest).await;
    assert_eq!(changed["active"], "true -> false");
    assert!(
        changed["name"].is_null() && changed["endpoint"].is_null(),
        "{changed}"
    );
    let shown = stage.done(&wallet, &["provider", "show"]).await;
    assert_eq!(
        (&shown["name"], &shown["active"]),
        (&"Here".into(), &false.into())
    );
    assert_eq!(
        (
            &shown["rewards_claimable"],
            &shown["rewards_claimable_atoms"]
        ),
        (&"0".into(), &"0".into())
    );
    // Models have names everywhere.
    let run = ["provider", "run", "--publish-dir", "out"];
    for (line, words) in [
        (
            [&run[..], &["--model", "Nobody's"]].concat(),
            &["no model is called `Nobody's`"],
        ),
        (
            [&run[..], &["--weights", "Nobody's=file:///w"]].concat(),
            &["no model is called `Nobody's`"],
        ),
        (
            [&run[..], &["--owner", "Nobody"]].concat(),
            &["no provider is called `Nobody`"],
        ),
        (
            vec!["watch", "--once", "--weights", "Nobody's=file:///w"],
            &["no model is called `Nobody's`"],
        ),
    ] {
        stage.refused(&wallet, &line, 1, words).await;
    }
    let same = [&register[..], &["--endpoint", "https://example.com"]].concat();
    assert_eq!(stage.done(&wallet, &same).await["done"], "nothing");
    // Nobody can work for a provider that takes nothing.
    let (mint, owner) = (stage.mint(), wallet.pubkey().to_string());
    let create = [
        "job",
        "create",
        "--mint",
        &mint,
        "--price",
        "1",
        "--provider",
        &owner,
    ];
    stage
        .refused(&stage.world.client, &create, 1, &["takes no jobs now"])
        .await;
}
