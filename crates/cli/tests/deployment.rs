//! Another deployment of the program, and a command that was not built for it: from `quern deploy` to a paid job.

#![cfg(feature = "localnet")]
#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_client::{Keypair, Pubkey, Signer, config},
    quern_localnet::{LocalNet, Options},
    serde_json::Value,
    std::{
        path::{Path, PathBuf},
        process::{Child, Command, Stdio},
        time::{Duration, Instant},
    },
};

/// The other program's keypair, for tests only.
const KEYPAIR: &str = "tests/other-program.json";

struct Stage {
    net: LocalNet,
    home: tempfile::TempDir,
    program: Pubkey,
}

/// A provider at work; it ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Stage {
    async fn new() -> Self {
        let keypair = Path::new(env!("CARGO_MANIFEST_DIR")).join(KEYPAIR);
        let net = LocalNet::start(Options::default()).await.unwrap();
        Self {
            net,
            home: tempfile::tempdir().unwrap(),
            program: config::read_keypair(&keypair).unwrap().pubkey(),
        }
    }

    /// The program, built for its address.
    fn elf(&self) -> String {
        let name = format!("target/deploy/quern-{}.so", self.program);
        let path = repository().join(name);
        assert!(
            path.exists(),
            "build it first: cargo xtask build-program --program-id crates/cli/{KEYPAIR}"
        );
        path.display().to_string()
    }

    /// A wallet with lamports, in the file `<name>.json`.
    async fn wallet(&self, name: &str) -> Pubkey {
        let wallet = Keypair::new();
        let path = self.home.path().join(format!("{name}.json"));
        config::write_keypair(&path, &wallet).unwrap();
        self.net
            .fund(&wallet.pubkey(), 50_000_000_000)
            .await
            .unwrap();
        wallet.pubkey()
    }

    /// The command at home, in a wallet's name, without a word about the program.
    fn bare(&self, wallet: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quern"));
        command
            .args(["-u", self.net.rpc_url(), "-k", &format!("{wallet}.json")])
            .args(args)
            .env_clear()
            .env("HOME", self.home.path())
            .current_dir(self.home.path());
        command
    }

    /// What it answers as JSON, told the program by an option.
    fn json(&self, wallet: &str, args: &[&str]) -> Value {
        let id = self.program.to_string();
        read(self.bare(wallet, args).args(["--program-id", &id]))
    }
}

/// What a command writes as JSON.
fn read(command: &mut Command) -> Value {
    let output = command.args(["--output", "json"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}{why}");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{command:?}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_command_serves_every_deployment() {
    let stage = Stage::new().await;
    let id = stage.program.to_string();
    let admin = stage.wallet("admin").await;
    let (client, provider) = (stage.wallet("client").await, stage.wallet("provider").await);

    let keypair = Path::new(env!("CARGO_MANIFEST_DIR")).join(KEYPAIR);
    let keypair = keypair.display().to_string();
    let elf = stage.elf();
    // A program knows its address: code for another one is refused before anything is paid.
    let committed = repository().join("target/deploy/quern.so");
    let committed = committed.display().to_string();
    let deploy = ["deploy", "--yes", "--program-id", &keypair, "--program-so"];
    let foreign = stage.bare("admin", &[&deploy[..], &[&committed]].concat());
    let refused = { foreign }.output().unwrap();
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(why.contains("would not work there"), "{why}");
    let done = read(&mut stage.bare("admin", &[&deploy[..], &[&elf]].concat()));
    assert_eq!(
        (&done["program"], &done["verified"]),
        (&id.clone().into(), &true.into())
    );

    anybody_may_verify(&stage, &elf);
    a_cluster_without_a_place_for_it_gets_no_idl(&stage);

    // Without an upgrade authority nobody could set the protocol up.
    let none = [
        "deploy",
        "authority",
        "--none",
        "--yes",
        "--program-id",
        &id,
    ];
    let refused = stage.bare("admin", &none).output().unwrap();
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(why.contains("nobody could ever do it"), "{why}");

    // The environment chooses, too.
    let init = [
        "protocol",
        "init",
        "--refereed-review",
        "20s",
        "--reviewed-review",
        "20s",
        "--response",
        "10s",
        "--react",
        "5s",
        "--grace",
        "60s",
        "--resolve",
        "1h",
        "--restart-grace",
        "1m",
    ];
    let set_up = read(stage.bare("admin", &init).env("QUERN_PROGRAM_ID", &id));
    assert_eq!(set_up["authority"], admin.to_string());
    // So does the list of deployments; without a word the committed program is meant, which is not here.
    let without = stage.bare("admin", &["protocol", "show"]).output().unwrap();
    let why = String::from_utf8_lossy(&without.stderr);
    assert!(why.contains("isn't set up on this cluster"), "{why}");
    let list = stage.home.path().join(".config/quern/deployments.yml");
    std::fs::create_dir_all(list.parent().unwrap()).unwrap();
    std::fs::write(&list, format!("{}: {id}\n", stage.net.rpc_url())).unwrap();
    let shown = read(&mut stage.bare("admin", &["protocol", "show"]));
    assert_eq!(shown["program"], id);
    std::fs::remove_file(&list).unwrap();

    first_job(&stage, &client, &provider).await;

    let r#final = [&deploy[..], &[&elf, "--final"]].concat();
    let done = read(&mut stage.bare("admin", &r#final));
    assert_eq!(done["upgrade_authority"], "nobody");
    let program = stage.program;
    let authority = quern_deploy::authority(stage.net.rpc(), &program).await;
    assert_eq!(authority.unwrap(), None);
}

/// The same bytes are the same program; one bit less is said, with both hashes.
fn anybody_may_verify(stage: &Stage, elf: &str) {
    let verify = ["deploy", "verify", "--program-so"];
    let done = stage.json("client", &[&verify[..], &[elf]].concat());
    let bytes = std::fs::read(elf).unwrap();
    assert_eq!(
        (&done["verified"], &done["bytes"]),
        (&true.into(), &bytes.len().into())
    );
    let mut other = bytes;
    other[5_000] ^= 1;
    let path = stage.home.path().join("other.so");
    std::fs::write(&path, other).unwrap();
    let path = path.display().to_string();
    let id = stage.program.to_string();
    let refused = [&verify[..], &[&path, "--program-id", &id]].concat();
    let refused = stage.bare("client", &refused).output().unwrap();
    let why = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{why}");
    let hash = done["sha256"].as_str().unwrap();
    assert!(
        why.contains("is not this file") && why.contains(hash),
        "{why}"
    );
}

/// A local network has no program-metadata program.
fn a_cluster_without_a_place_for_it_gets_no_idl(stage: &Stage) {
    let id = stage.program.to_string();
    let idl = ["deploy", "--idl", "--program-id", &id];
    let refused = stage.bare("admin", &idl).output().unwrap();
    let why = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{why}");
    assert!(why.contains("there is nowhere to write one"), "{why}");
}

/// A refereed job from the model to the payment.
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn first_job(stage: &Stage, client: &Pubkey, provider: &Pubkey) {
    let mint = stage.net.create_mint(6).await.unwrap();
    for wallet in [client, provider] {
        stage.net.mint_to(&mint, wallet, 100_000_000).await.unwrap();
    }
    let mint = mint.address.to_string();
    stage.json("admin", &["mint", "register", &mint]);
    for wallet in ["client", "provider"] {
        // The only mint need not be named.
        let deposit = ["purse", "deposit", "--amount", "50"];
        assert_eq!(stage.json(wallet, &deposit)["mint"], mint);
    }
    let digits = repository().join("models/digits").canonicalize().unwrap();
    let file = |name: &str| digits.join(name).display().to_string();
    let uri = format!("file://{}", file("weights.bin"));
    let model = stage.json(
        "admin",
        &[
            "model",
            "register",
            "--id",
            "1",
            "--name",
            "Digits",
            "--uri",
            &uri,
            "--graph",
            &file("digits.qmodel"),
            "--weights",
            &file("weights.bin"),
        ],
    );
    let model = model["model"].as_str().unwrap().to_owned();
    stage.json("provider", &["provider", "register", "--name", "Here"]);

    let id = stage.program.to_string();
    let work = [
        "provider",
        "run",
        "--publish-dir",
        "out",
        "--allow-files",
        "/",
        "--min-response",
        "1s",
        "--min-react",
        "1s",
        "--min-work",
        "1s",
        "--poll",
        "1s",
        "--program-id",
        &id,
    ];
    let mut work = stage.bare("provider", &work);
    work.stdout(Stdio::null()).stderr(Stdio::null());
    let _running = Running(work.spawn().unwrap());
    let created = stage.json(
        "client",
        &[
            "job",
            "create",
            "--model",
            "Digits",
            "--provider",
            "Here",
            "--input",
            &file("test-images.bin"),
            "--publish-dir",
            "in",
            "--price",
            "1000000atoms",
        ],
    );
    let job = created["job"].as_str().unwrap().to_owned();

    let until = Instant::now() + Duration::from_secs(120);
    let state = |wanted: &str| {
        let jobs = stage.json("client", &["job", "list"]);
        let known = jobs
            .as_array()
            .unwrap()
            .iter()
            .find(|known| known["job"] == *job);
        let state = known.map_or("ended".to_owned(), |known| {
            known["state"].as_str().unwrap().to_owned()
        });
        assert!(Instant::now() < until, "the job is {state}, not {wanted}");
        state == wanted
    };
    while !state("submitted") {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let listed = &stage.json("client", &["job", "list", "--model", "Digits"])[0];
    assert_eq!(
        (&listed["model"], &listed["provider"]),
        (&model.into(), &provider.to_string().into())
    );
    let seen = results_are_checked(stage, &job, "the job's account");
    stage.net.advance_time(30).await.unwrap();
    while !state("ended") {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(results_are_checked(stage, &job, "old transactions"), seen);
    let shown = stage.json("provider", &["provider", "show"]);
    assert_eq!(shown["settled"], 1);
}

/// The result as the command shows and writes it; a file that differs by a bit is not shown. Returns the digits.
fn results_are_checked(stage: &Stage, job: &str, source: &str) -> Value {
    let shown = stage.json("client", &["job", "result", job]);
    assert_eq!(shown["commitment_from"], source, "{shown}");
    assert_eq!(shown["result"], "i32 1000 x 1");
    let digits = shown["values"].clone();
    assert_eq!(digits.as_array().unwrap().len(), 1_000);

    stage.json("client", &["job", "result", job, "--out", "digits.csv"]);
    let written = std::fs::read_to_string(stage.home.path().join("digits.csv")).unwrap();
    let lines: Vec<Value> = written
        .lines()
        .map(|line| serde_json::json!([line.parse::<i32>().unwrap()]))
        .collect();
    assert_eq!(digits, Value::Array(lines));
    let npy = [
        "job",
        "result",
        job,
        "--format",
        "npy",
        "--program-id",
        &stage.program.to_string(),
    ];
    let npy = stage.bare("client", &npy).output().unwrap().stdout;
    assert!(npy.starts_with(b"\x93NUMPY") && npy.len() > 4_000);

    let uri = shown["output_uri"].as_str().unwrap();
    let path = uri.strip_prefix("file://").unwrap();
    let sound = std::fs::read(path).unwrap();
    let mut other = sound.clone();
    *other.last_mut().unwrap() ^= 1;
    std::fs::write(path, other).unwrap();
    let refused = [
        "job",
        "result",
        job,
        "--program-id",
        &stage.program.to_string(),
    ];
    let refused = stage.bare("client", &refused).output().unwrap();
    let why = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        why.contains("is not the result that was committed to"),
        "{why}"
    );
    assert!(refused.stdout.is_empty());
    std::fs::write(path, sound).unwrap();
    digits
}
