//! The command line against bad input of every kind: one clear sentence, the right exit code, never a panic. Nothing here
//! needs a network: where a cluster has to answer, a small server does.

#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_client::Signer as _,
    serde_json::{Value, json},
    std::{
        io::{BufRead, BufReader, Read, Write},
        net::{TcpListener, TcpStream},
        path::Path,
        process::{Command, Output, Stdio},
    },
};

const ADDRESS: &str = "11111111111111111111111111111112";
/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

/// Runs `quern` with a home of its own, so that no configuration of this machine plays a part.
fn quern(home: &Path, args: &[&str]) -> Output {
    quern_with(home, args, &[])
}

/// The same with variables in the environment.
fn quern_with(home: &Path, args: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quern"))
        .args(args)
        .env_clear()
        .env("HOME", home)
        .envs(variables.iter().copied())
        .current_dir(home)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs it and expects one sentence with these words.
fn refused(home: &Path, args: &[&str], code: i32, words: &[&str]) {
    let output = quern(home, args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
    assert!(stderr.starts_with("error: "), "{args:?}: {stderr}");
    assert!(
        !stderr.contains('\u{1b}'),
        "colour without a terminal: {args:?}: {stderr}"
    );
    if code == 1 {
        assert_eq!(stderr.trim_end().lines().count(), 1, "{args:?}: {stderr}");
    }
    for word in words {
        assert!(
            stderr.contains(word),
            "{args:?} does not say `{word}`: {stderr}"
        );
    }
}

/// A home with a wallet.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".config/solana/id.json");
    quern_client::config::write_keypair(&path, &quern_client::Keypair::new()).unwrap();
    home
}

/// A server that answers every request with what `answer` makes of its JSON body (or of nothing); returns its URL.
fn serve(answer: impl Fn(&Value) -> String + Send + 'static) -> String {
    serve_with("200 OK", answer)
}

/// The same with another status.
fn serve_with(status: &'static str, answer: impl Fn(&Value) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = respond(stream.unwrap(), status, &answer);
        }
    });
    url
}

fn respond(
    stream: TcpStream,
    status: &str,
    answer: &impl Fn(&Value) -> String,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let text = answer(&serde_json::from_slice(&body).unwrap_or_default());
    write!(
        &stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}

/// A cluster on which only these accounts exist: address and base64 data, owned by the program.
fn cluster(accounts: Vec<(String, String)>) -> String {
    serve(move |request| {
        let account = |address: &Value| match accounts.iter().find(|(known, _)| address == known) {
            Some((_, data)) => json!({
                "lamports": 1_000_000, "owner": quern_client::quern::ID.to_string(), "data": [data, "base64"],
                "executable": false, "rentEpoch": 0, "space": 0,
            }),
            None => Value::Null,
        };
        let context = json!({ "slot": 1, "apiVersion": "2.0.0" });
        let result = match request["method"].as_str() {
            Some("getAccountInfo") => {
                json!({ "context": context, "value": account(&request["params"][0]) })
            }
            Some("getMultipleAccounts") => {
                let values: Vec<Value> = request["params"][0]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(account)
                    .collect();
                json!({ "context": context, "value": values })
            }
            Some("getProgramAccounts") => json!([]),
            Some("getBalance") => {
                // Whoever has an account here has lamports, too.
                let value = if accounts.len() > 3 { 1 } else { 0 };
                json!({ "context": context, "value": value })
            }
            Some("getVersion") => json!({ "solana-core": "2.0.0", "feature-set": 1 }),
            Some("getGenesisHash") => json!(ADDRESS),
            Some("getSlot") => json!(1),
            other => panic!("unexpected request {other:?}"),
        };
        json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }).to_string()
    })
}

/// A cluster with an empty Quern.
fn empty_quern() -> String {
    quern_of_accounts(Vec::new())
}

/// A cluster with a Quern that has one provider.
fn quern_of(owner: &quern_client::Pubkey) -> String {
    use {
        anchor_lang::Discriminator,
        quern_client::{
            addresses,
            quern::state::{LAYOUT_VERSION, Provider},
        },
    };
    let mut provider: Provider = bytemuck::Zeroable::zeroed();
    provider.version = LAYOUT_VERSION;
    (provider.owner, provider.operator) = (*owner, *owner);
    provider.active = true.into();
    let data = [Provider::DISCRIMINATOR, bytemuck::bytes_of(&provider)].concat();
    let address = addresses::provider(owner).to_string();
    quern_of_accounts(vec![(address, base64(&data))])
}

fn quern_of_accounts(more: Vec<(String, String)>) -> String {
    use {
        anchor_lang::Discriminator,
        quern_client::{
            Pubkey, addresses,
            quern::state::{Emission, LAYOUT_VERSION, Protocol},
        },
    };
    let mut protocol: Protocol = bytemuck::Zeroable::zeroed();
    protocol.version = LAYOUT_VERSION;
    // What the cluster says it is.
    protocol.cluster = ADDRESS.parse::<Pubkey>().unwrap().to_bytes();
    let mut emission: Emission = bytemuck::Zeroable::zeroed();
    emission.version = LAYOUT_VERSION;
    let protocol_data = [Protocol::DISCRIMINATOR, bytemuck::bytes_of(&protocol)].concat();
    let emission_data = [Emission::DISCRIMINATOR, bytemuck::bytes_of(&emission)].concat();
    // Slot 1, and whatever the clock says.
    let clock = base64(&[[1, 0, 0, 0, 0, 0, 0, 0]; 5].concat());
    let own = vec![
        (addresses::protocol().to_string(), base64(&protocol_data)),
        (addresses::emission().to_string(), base64(&emission_data)),
        (CLOCK.to_owned(), clock),
    ];
    cluster([own, more].concat())
}

/// Where a cluster keeps its clock.
const CLOCK: &str = "SysvarC1ock11111111111111111111111111111111";

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |value: u32| char::from(DIGITS[(value & 63) as usize]);
    bytes
        .chunks(3)
        .map(|chunk| {
            let word = chunk
                .iter()
                .fold(0u32, |word, byte| word << 8 | u32::from(*byte))
                << (8 * (3 - chunk.len()));
            let text: String = (0..4).map(|at| digit(word >> (18 - 6 * at))).collect();
            format!("{:=<4}", &text[..=chunk.len()])
        })
        .collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
fn wrong_command_lines_exit_with_2() {
    let home = home();
    let home = home.path();
    for args in [
        &["nonsense"][..],
        &["job"],
        &[
            "mint",
            "list",
            "--with-compute-unit-price",
            "1",
            "--max-compute-unit-price",
            "2",
        ],
        &["job", "show"],
        &["job", "show", "not-an-address"],
        &["job", "create", "--mint", ADDRESS],
        &["job", "create", "--mint", ADDRESS, "--price", "-1atoms"],
        &[
            "job",
            "create",
            "--mint",
            ADDRESS,
            "--price",
            "1",
            "--milestones",
            "0",
        ],
        &[
            "job",
            "create",
            "--mint",
            ADDRESS,
            "--price",
            "1",
            "--milestones",
            "256",
        ],
        &[
            "job", "create", "--mint", ADDRESS, "--price", "1", "--work", "soon",
        ],
        &[
            "job", "create", "--mint", ADDRESS, "--price", "1", "--input", "x",
        ],
        &["job", "resolve", ADDRESS, "--provider-share", "101%"],
        &["job", "resolve", ADDRESS, "--provider-share", "5"],
        &["purse", "deposit", "--mint", ADDRESS],
        &["purse", "deposit", "--mint", ADDRESS, "--amount", "1 atoms"],
        &["purse", "deposit", "--mint", ADDRESS, "--amount", "-1atoms"],
        &[
            "purse",
            "deposit",
            "--mint",
            ADDRESS,
            "--amount",
            "18446744073709551616atoms",
        ],
        &["protocol", "init", "--fee", "lots"],
        &[
            "provider",
            "run",
            "--publish-dir",
            "x",
            "--weights",
            "nonsense",
        ],
        &["provider", "run", "--publish-dir", "x", "--min-price", "1"],
        &["provider", "register", "--name", "a\nb"],
        &["provider", "register", "--name", "gpj.\u{202e}exe"],
        &[
            "provider",
            "register",
            "--name",
            "x",
            "--endpoint",
            "ipfs://x",
        ],
        &["job", "reject", ADDRESS, "--reason", "a\u{2028}b"],
        &[
            "model", "register", "--id", "1", "--name", "x", "--uri", "u", "--no-uri",
        ],
        &["deploy", "--close-buffer", "--plan"],
        &["watch", "--client", "nobody"],
        &["watch", "--client", ADDRESS, "--job", ADDRESS],
        &["watch", "--max-fee-lamports", "-1"],
        &["watch", "--poll", "0"],
        &["watch", "--concurrency", "0"],
        &["watch", "--trace-limit", "0"],
        &[
            "watch",
            "--weights",
            "11111111111111111111111111111111=ftp://x",
        ],
        &["watch", "--weights", "11111111111111111111111111111111="],
        &["leaderboard", "--window", "1y"],
        &["purse", "show", "--output", "xml"],
        &["purse", "show", "--commitment", "hopeful"],
        &["claim", "--owner", ADDRESS],
        &["claim", "--keep", "5"],
    ] {
        let output = quern(home, args);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(
            !stderr.contains("panicked") && !stderr.is_empty(),
            "{args:?}: {stderr}"
        );
    }
    assert_eq!(quern(home, &[]).status.code(), Some(2));
    assert_eq!(quern(home, &["--help"]).status.code(), Some(0));
    assert_eq!(quern(home, &["--version"]).status.code(), Some(0));
}

#[test]
fn wallets_and_configurations_that_cannot_be_read() {
    let home = home();
    let home = home.path();
    let file = |name: &str, text: &str| {
        std::fs::write(home.join(name), text).unwrap();
        name.to_owned()
    };
    let deposit = ["purse", "open", "--mint", ADDRESS, "-u", NOWHERE];
    let with =
        |key: &str, words: &[&str]| refused(home, &[&deposit[..], &["-k", key]].concat(), 1, words);
    with("missing.json", &["missing.json", "solana-keygen new"]);
    with(
        &file("garbage.json", "{\"a\":"),
        &["garbage.json", "no JSON list", "solana-keygen"],
    );
    with(&file("short.json", "[1,2,3]"), &["3 bytes instead of 64"]);
    with(
        &file("zero.json", &format!("{:?}", [7; 64])),
        &["public half"],
    );
    with("usb://ledger", &["hardware wallet", "--keypair"]);
    with("ASK", &["seed phrase"]);
    with("-", &["standard input"]);
    with(".", &["keypair file", "a folder"]);
    // A file that is there is not to be created.
    with(
        &file("phrase.txt", &"abandon ".repeat(12)),
        &["phrase.txt", "seed phrase", "solana-keygen recover"],
    );

    let show = ["purse", "show", "--owner", ADDRESS];
    refused(
        home,
        &[&show[..], &["-C", "missing.yml"]].concat(),
        1,
        &["missing.yml"],
    );
    let config = file("bad.yml", "commitment: hopeful\n");
    refused(
        home,
        &[&show[..], &["-C", &config]].concat(),
        1,
        &["bad.yml", "hopeful"],
    );
    for level in ["max", "singleGossip"] {
        let args = [&show[..], &["-u", NOWHERE, "--commitment", level]].concat();
        refused(home, &args, 2, &[level, "old name", "write `"]);
    }
    let config = file("bad-url.yml", "json_rpc_url: devnett\n");
    refused(
        home,
        &[&show[..], &["-C", &config]].concat(),
        1,
        &["bad-url.yml", "json_rpc_url", "devnett"],
    );
    refused(
        home,
        &[&show[..], &["-u", "mainet"]].concat(),
        1,
        &["mainet", "devnet"],
    );
}

/// What a named configuration leaves out is asked for, never guessed: the default is the cluster with real money.
#[test]
fn a_named_configuration_is_obeyed_or_refused() {
    let home = home();
    let home = home.path();
    let mine = home.join("mine.json");
    let wallet = quern_client::Keypair::new();
    quern_client::config::write_keypair(&mine, &wallet).unwrap();
    let url = empty_quern();
    let named = |text: &str| std::fs::write(home.join("config"), text).unwrap();
    let claim = ["claim", "--dry-run", "-C", "config", "--output", "json"];
    // JSON is legal YAML, and so is this in one line.
    for text in [
        format!("{{\"json_rpc_url\": \"{url}\", \"keypair_path\": \"mine.json\"}}"),
        format!("json_rpc_url: >-\n  {url}\nkeypair_path: mine.json\n"),
        format!(
            "json_rpc_url: {}\nkeypair_path: mine.json",
            url.replace("http", "HTTP")
        ),
    ] {
        named(&text);
        let output = quern(home, &claim);
        let stderr = String::from_utf8(output.stderr).unwrap();
        let shown: Value = serde_json::from_slice(&output.stdout).expect(&stderr);
        let owner = quern_client::Signer::pubkey(&wallet).to_string();
        assert_eq!(shown["owner"], owner, "{text}");
    }
    for (text, word) in [
        ("", "no json_rpc_url"),
        ("json_rpc_ulr: http://x\nkeypair: id.json\n", "json_rpc_ulr"),
        ("json_rpc_url:http://x\nkeypair_path:id.json\n", "space"),
    ] {
        named(text);
        refused(home, &["claim", "-C", "config"], 1, &["config", word]);
    }
    // One setting that is missing is missed where it is needed, and only there.
    named(&format!("json_rpc_url: {url}\n"));
    refused(home, &["claim", "-C", "config"], 1, &["no keypair_path"]);
    let output = quern(home, &["job", "list", "-C", "config"]);
    assert!(output.status.success(), "{output:?}");
    named("keypair_path: mine.json\n");
    refused(
        home,
        &["job", "list", "-C", "config"],
        1,
        &["no json_rpc_url"],
    );
    let output = quern(home, &[&claim[..], &["-u", &url]].concat());
    assert!(output.status.success(), "{output:?}");
}

/// The committed address has a published key: away from this machine nothing is sent to it by default.
#[test]
fn no_deployment_is_guessed_for_a_remote_cluster() {
    let home = home();
    let home = home.path();
    for url in ["devnet", "mainnet-beta", "https://rpc.example"] {
        refused(
            home,
            &["job", "list", "-u", url],
            2,
            &["no Quern is named", "--program-id"],
        );
    }
    // Another name for one's own cluster is another cluster: a list that does not name it is no reason to guess.
    let list = home.join(".config/quern/deployments.yml");
    std::fs::create_dir_all(list.parent().unwrap()).unwrap();
    std::fs::write(&list, format!("mainnet-beta: {ADDRESS}\n")).unwrap();
    refused(
        home,
        &["job", "list", "-u", "https://rpc.example"],
        2,
        &["no Quern is named", "deployments.yml"],
    );
}

/// What the environment fills in is not asked for.
#[test]
fn usage_shows_only_what_was_typed() {
    let home = home();
    let variables = [("QUERN_URL", NOWHERE), ("QUERN_PROGRAM_ID", ADDRESS)];
    for args in [
        &["job", "show"][..],
        &["job", "result"],
        &["job", "show", "nonsense"],
    ] {
        let bare = quern(home.path(), args);
        let filled = quern_with(home.path(), args, &variables);
        assert_eq!(filled.status.code(), Some(2), "{args:?}");
        let texts = [bare, filled].map(|output| String::from_utf8(output.stderr).unwrap());
        assert_eq!(texts[0], texts[1], "{args:?}");
    }
}

/// A shell that was not told of the local network beside it.
#[test]
fn a_forgotten_env_is_said() {
    let home = home();
    let path = home.path();
    let list = ["mint", "list"];
    let said = |variables: &[(&str, &str)]| {
        let output = quern_with(path, &list, variables);
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(!said(&[]).contains("env"), "{}", said(&[]));
    std::fs::create_dir(path.join("quern-localnet")).unwrap();
    for name in ["env", "quern-localnet/env"] {
        std::fs::write(path.join(name), "export QUERN_URL=http://127.0.0.1:1\n").unwrap();
        let hint = format!("run `. {}", if name == "env" { "./env" } else { name });
        assert!(said(&[]).contains(&hint), "{}", said(&[]));
        // A shell that knows its cluster needs no hint.
        let known = [("QUERN_URL", NOWHERE), ("QUERN_PROGRAM_ID", ADDRESS)];
        assert!(!said(&known).contains("run `."), "{}", said(&known));
    }
    // Another network that does not answer: the same.
    let config = path.join("config.yml");
    std::fs::write(&config, format!("json_rpc_url: {NOWHERE}\n")).unwrap();
    let args = [&list[..], &["-C", "config.yml"]].concat();
    refused(
        path,
        &args,
        1,
        &["cannot reach", "run `. quern-localnet/env`"],
    );
}

#[test]
fn addresses_that_are_none() {
    let home = home();
    for (args, argument) in [
        (&["mint", "show", "notanaddress"][..], "<MINT>"),
        (
            &["purse", "open", "--mint", "notanaddress"],
            "--mint <ADDRESS>",
        ),
    ] {
        refused(
            home.path(),
            args,
            2,
            &["'notanaddress'", argument, "must be a base58 address"],
        );
    }
}

/// A job that has ended, as an indexer tells of it: its commitment is checked before anything is shown.
#[test]
fn an_ended_jobs_file_is_shown_only_if_it_is_the_committed_one() {
    let home = home();
    let answer = home.path().join("answer.txt");
    std::fs::write(&answer, "forty-two\n").unwrap();
    let root = hex::encode(quern_proof::hash::hash(&[b"forty-two\n"]));
    let uri = format!("file://{}", answer.canonicalize().unwrap().display());
    let submission = json!({
        "submission": 1, "milestone": 0, "provider": ADDRESS, "trace_root": root, "output_uri": uri, "at": 1, "slot": 1,
        "signature": "1".repeat(64),
    });
    let page = json!({
        "as_of_slot": 9, "finality": "finalized", "lag_slots": 0, "whole_history": true, "address": ADDRESS, "state": "submitted",
        "kind": "inference", "assurance": "reviewed", "client": ADDRESS, "provider": ADDRESS, "model": null,
        "mint": ADDRESS, "decimals": 6, "price_atoms": "1", "bond_atoms": "2", "milestones": 1, "work": "0",
        "items": 1, "created_at": 1, "deadline": null, "conviction": null, "input_uri": null, "seq": "3",
        "changed_slot": 1, "outcome": "settled", "milestones_settled": 1, "complete": true,
        "submissions": [submission], "next_submissions_cursor": null, "steps": [], "next_steps_cursor": null,
        "demands": [], "next_demands_cursor": null,
    });
    let (cluster, indexer) = (empty_quern(), serve(move |_| page.to_string()));
    let result = [
        "job",
        "result",
        ADDRESS,
        "-u",
        &cluster,
        "--indexer",
        &indexer,
    ];
    let shown = quern(home.path(), &result);
    let text = String::from_utf8(shown.stdout).unwrap();
    let words = ["forty-two", "yes: its SHA-256", "the indexer", "paid"];
    let why = String::from_utf8_lossy(&shown.stderr);
    assert!(words.iter().all(|word| text.contains(word)), "{text}{why}");
    let out = [&result[..], &["--out", "copy"]].concat();
    assert!(quern(home.path(), &out).status.success());
    assert_eq!(
        std::fs::read(home.path().join("copy")).unwrap(),
        b"forty-two\n"
    );

    std::fs::write(&answer, "forty-one\n").unwrap();
    let words = ["is not the result that was committed to", "--unchecked"];
    refused(home.path(), &result, 1, &words);
    let anyway = quern(home.path(), &[&result[..], &["--unchecked"]].concat());
    let text = String::from_utf8(anyway.stdout).unwrap();
    assert!(text.contains("no: nothing says"), "{text}");
}

/// Arrays, tables and texts become inputs and come back; nothing of it needs a network.
#[test]
fn tensors_are_converted_without_a_network() {
    let home = home();
    let home = home.path();
    std::fs::write(home.join("a.csv"), "1,2\n-3,4\n").unwrap();
    std::fs::write(home.join("b.json"), "[[5, 300]]").unwrap();
    let convert = |args: &[&str]| quern(home, &[&["tensor", "convert"], args].concat());
    assert!(convert(&["a.csv", "a.npy"]).status.success());
    assert!(
        convert(&["a.npy", "b.json", "all.qten", "--dtype", "i32"])
            .status
            .success()
    );
    assert!(convert(&["all.qten", "back.csv"]).status.success());
    let back = std::fs::read_to_string(home.join("back.csv")).unwrap();
    assert_eq!(back, "1,2\n-3,4\n5,300\n");
    let shown = quern(home, &["tensor", "show", "all.qten", "--output", "json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(
        (&shown[0]["rows"], &shown[0]["least"]),
        (&3.into(), &(-3).into())
    );
    let bad = ["tensor", "convert", "a.npy", "b.json", "bad.qten"];
    refused(home, &bad, 2, &["row 2, column 1 holds 300", "--dtype i32"]);
    assert!(!home.join("bad.qten").exists());
    let bad = ["tensor", "convert", "a.csv", "out"];
    refused(home, &bad, 2, &["says no format", ".npy", "--to"]);
}

/// A graph is looked at, estimated and run before it is sealed, without a network.
#[test]
fn a_graph_is_tried_before_it_is_sealed() {
    let home = home();
    let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/digits");
    let file = |name: &str| digits.join(name).display().to_string();
    let (graph, weights, images) = (
        file("digits.qmodel"),
        file("weights.bin"),
        file("test-images.bin"),
    );
    let json = |args: &[&str]| -> Value {
        let output = quern(
            home.path(),
            &[&["model"], args, &["--output", "json"]].concat(),
        );
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {why}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let inspected = json(&["inspect", &graph]);
    assert_eq!(
        (&inspected["ops"], &inspected["work_of_an_item"]),
        (&4.into(), &142_666.into())
    );
    assert_eq!(inspected["kinds"].as_array().unwrap().len(), 2);
    assert_eq!(json(&["inspect", &graph, &weights])["ops"], 4);
    let estimated = json(&["estimate", &graph, "--items", "1000"]);
    assert_eq!(estimated["work"], 142_666_000);
    assert_eq!(estimated["trace_of_an_item_bytes"], 140);
    let ran = json(&["run", &graph, "--weights", &weights, "--input", &images]);
    let expected: Value =
        serde_json::from_slice(&std::fs::read(file("expected.json")).unwrap()).unwrap();
    let root = ran["trace_root"].as_str().unwrap();
    assert!(
        expected.to_string().contains(root),
        "{root} is not in {expected}"
    );
    assert_eq!(ran["values"].as_array().unwrap().len(), 1_000);

    let mut broken = std::fs::read(&graph).unwrap();
    broken.truncate(100);
    std::fs::write(home.path().join("broken.qmodel"), broken).unwrap();
    refused(
        home.path(),
        &["model", "inspect", "broken.qmodel"],
        1,
        &["broken.qmodel"],
    );
    let args = ["model", "estimate", &graph, "--items", "0"];
    refused(home.path(), &args, 2, &["--items"]);
    // Weights of another graph, and texts for a model that reads none.
    let args = ["model", "inspect", &graph, &images];
    refused(home.path(), &args, 1, &["test-images.bin", "WEIGHTS"]);
    let args = ["model", "run", &graph, "--text", "a text"];
    refused(home.path(), &args, 2, &["no tokenizer", "--input"]);
    let swapped = [
        "model",
        "run",
        &graph,
        "--weights",
        &images,
        "--input",
        &images,
    ];
    refused(home.path(), &swapped, 1, &["test-images.bin"]);
}

/// A network is imported with what it lost, and nothing is written without that.
#[test]
fn a_network_is_imported_and_run() {
    let home = home();
    let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/digits");
    let file = |name: &str| digits.join(name).display().to_string();
    let out = home.path().join("made").display().to_string();
    // Pixels go in as 0 to 127, so the import's scale makes the same integers of them.
    let (source, some) = (file("digits.onnx"), file("calibration-images.bin"));
    let import = |held_out: &str| {
        [
            "model",
            "import",
            &source,
            "--calibration",
            &some,
            "--held-out",
            held_out,
            "--class",
            "--out",
            &out,
        ]
        .map(str::to_owned)
    };
    let args = import(&some);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    refused(home.path(), &args, 1, &["measure with others"]);
    let args = ["model", "import", &source, "--out", &out];
    refused(home.path(), &args, 2, &["--calibration", "--held-out"]);
    assert!(!Path::new(&out).exists(), "something was written");

    let held_out = file("test-images.bin");
    let args = import(&held_out);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let made = quern(home.path(), &[&args[..], &["--output", "json"]].concat());
    let why = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{why}");
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert!(made["mean_cosine"].as_f64() > Some(0.99), "{made}");
    assert!(made["same_class"].as_f64() > Some(0.98), "{made}");
    let card = std::fs::read(Path::new(&out).join("model.json")).unwrap();
    let card: Value = serde_json::from_slice(&card).unwrap();
    assert_eq!(card["made_of"][0]["file"], "digits.onnx");
    assert_eq!(card["name"], "made", "the folder names it");

    // The folder stands for its files.
    let args = [
        "model", "run", &out, "--input", &held_out, "--output", "json",
    ];
    let ran = quern(home.path(), &args);
    let why = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{why}");
    let ran: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(ran["items"], 1_000);
    assert_eq!(ran["values"].as_array().unwrap().len(), 1_000);
}

/// What is wrong with texts, model or names is found before a network is asked.
#[test]
fn texts_are_checked_before_anything_is_asked() {
    let home = home();
    let path = home.path();
    std::fs::write(path.join("texts.txt"), "one\n\nthree\n").unwrap();
    let embed = |model: &'static str, out: &'static str| {
        [
            "embed",
            "--model",
            model,
            "texts.txt",
            "--out",
            out,
            "-u",
            NOWHERE,
        ]
    };
    refused(path, &embed("minilm", "a.csv"), 2, &["a.csv", "--out"]);
    refused(path, &embed("minilm", "."), 2, &["folder", ".npy"]);
    let nowhere = ["no folder /nowhere", "--out"];
    refused(path, &embed("minilm", "/nowhere/a.npy"), 1, &nowhere);
    refused(
        path,
        &embed("minilm", "a.npy"),
        1,
        &["minilm", "quern model import"],
    );
    let args = ["model", "import", "nothing", "--out", "x"];
    refused(path, &args, 1, &["nothing", "RECIPE_OR_FILE"]);
    let minilm = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/minilm");
    let args = ["model", "import", minilm, "--out", "x"];
    refused(path, &args, 2, &["cargo xtask fetch minilm", "--files"]);
}

#[test]
fn keys_in_urls_are_never_shown() {
    let home = home();
    let home = home.path();
    // A node that wants a key, as most do.
    let refusing = serve_with("401 Unauthorized", |_| String::new());
    let garbage = serve(|_| "garbage".to_owned());
    for node in [
        NOWHERE,
        &refusing,
        &garbage,
        "http://user:SECRET@127.0.0.1:1",
    ] {
        for part in ["/?api-key=SECRET", "?api-key=SECRET", "/v2/SECRET/"] {
            let url = format!("{node}{part}");
            for command in [
                &["protocol", "show"][..],
                &["job", "list"],
                &["mint", "register", ADDRESS],
                &["provider", "run", "--publish-dir", "out"],
                &["claim"],
            ] {
                let output = quern(home, &[command, &["-v", "-u", &url]].concat());
                let stderr = String::from_utf8(output.stderr).unwrap();
                assert_eq!(output.status.code(), Some(1), "{command:?}: {stderr}");
                assert!(!stderr.contains("SECRET"), "{command:?}: {stderr}");
            }
        }
    }
    let wrong = ["protocol", "show", "-u", "htps://example.com/?key=SECRET"];
    let stderr = String::from_utf8(quern(home, &wrong).stderr).unwrap();
    assert!(
        stderr.contains("example.com") && !stderr.contains("SECRET"),
        "{stderr}"
    );
}

#[test]
fn keygen_makes_a_wallet_and_never_overwrites() {
    let home = home();
    let path = home.path().join("deep/operator.json");
    let output = quern(
        home.path(),
        &["keygen", "deep/operator.json", "--output", "json"],
    );
    assert!(output.status.success());
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let keypair = quern_client::config::read_keypair(&path).unwrap();
    assert_eq!(
        shown["address"],
        json!(quern_client::Signer::pubkey(&keypair).to_string())
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let before = std::fs::read(&path).unwrap();
    let again = ["keygen", "deep/operator.json"];
    refused(home.path(), &again, 1, &["operator.json", "exists already"]);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    // A file where the folder should be.
    std::fs::write(home.path().join("file"), "").unwrap();
    refused(home.path(), &["keygen", "file/x.json"], 1, &["x.json"]);
}

#[test]
fn a_program_is_named_by_address_or_keypair() {
    let home = home();
    let path = home.path();
    std::fs::write(path.join("program.so"), "x").unwrap();
    let foreign = path.join("program.json");
    quern_client::config::write_keypair(&foreign, &quern_client::Keypair::new()).unwrap();
    let deploy = |option: &str, program: &str, words: &[&str]| {
        let args = ["deploy", "--program-so", "program.so", "-u", NOWHERE];
        refused(path, &[&args[..], &[option, program]].concat(), 1, words);
    };
    std::fs::write(path.join("program.so"), b"\x7fELF").unwrap();
    let way = [
        "would not work",
        "cargo xtask build-program --program-id",
        "program.so",
    ];
    for option in ["--program-id", "--program-keypair"] {
        deploy(option, "program.json", &way);
        deploy(option, ADDRESS, &way);
        deploy(option, "missing.json", &["missing.json", "base58 address"]);
    }
    // What is no program at all is named as such.
    std::fs::write(path.join("program.so"), "x").unwrap();
    deploy("--program-id", ADDRESS, &["no ELF"]);
}

#[test]
fn clusters_that_do_not_answer_or_have_no_quern() {
    let home = home();
    let home = home.path();
    let commands: [&[&str]; 17] = [
        &["campaign", "list"],
        &["campaign", "show", ADDRESS],
        &["purse", "show"],
        &["purse", "deposit", "--mint", ADDRESS, "--amount", "1"],
        &["purse", "withdraw", "--mint", ADDRESS, "--amount", "1"],
        &["protocol", "show"],
        &["mint", "show", ADDRESS],
        &["mint", "list"],
        &["emission", "show"],
        &["model", "show", ADDRESS],
        &["job", "show", ADDRESS],
        &["job", "list"],
        &["job", "accept", ADDRESS],
        &["job", "create", "--mint", ADDRESS, "--price", "1"],
        &["claim", "--dry-run"],
        &["provider", "run", "--publish-dir", "out"],
        &["watch", "--once"],
    ];
    let (empty, garbage) = (cluster(Vec::new()), serve(|_| "garbage".to_owned()));
    for command in commands {
        refused(
            home,
            &[command, &["-u", NOWHERE]].concat(),
            1,
            &["cannot reach the cluster", "127.0.0.1:1", "refused"],
        );
        refused(
            home,
            &[command, &["-u", &empty]].concat(),
            1,
            &["Quern isn't set up on this cluster", &empty],
        );
    }
    // It may pass, so each command asks several times: together they wait as long as one.
    std::thread::scope(|threads| {
        for command in commands {
            let line = [command, &["-u", &garbage]].concat();
            threads.spawn(move || refused(home, &line, 1, &["JSON-RPC", "check the URL"]));
        }
    });
}

#[test]
fn campaigns_that_are_not_on_the_cluster() {
    let home = home();
    let url = empty_quern();
    for verb in ["show", "join", "sweep"] {
        let line = ["campaign", verb, ADDRESS, "-u", &url];
        let words = ["no campaign", "swept", "campaign list"];
        refused(home.path(), &line, 1, &words);
    }
}

#[test]
fn things_that_are_not_on_the_cluster() {
    let home = home();
    let home = home.path();
    let url = empty_quern();
    let on = |command: &[&str], words: &[&str]| {
        refused(home, &[command, &["-u", &url]].concat(), 1, words)
    };
    let result = format!("`quern job result {ADDRESS}`");
    for verb in ["show", "cancel", "crank", "accept"] {
        on(&["job", verb, ADDRESS], &["no live job", "ended", &result]);
    }
    on(&["job", "crank", ADDRESS], &["/v1/jobs/"]);
    on(&["model", "show", ADDRESS], &["no model"]);
    on(&["mint", "show", ADDRESS], &["not registered"]);
    on(&["mint", "register", ADDRESS], &["may register a mint"]);
    on(
        &["purse", "deposit", "--mint", ADDRESS, "--amount", "1"],
        &["not registered"],
    );
    on(
        &["job", "create", "--mint", ADDRESS, "--price", "1"],
        &["not registered"],
    );
    on(&["provider", "show"], &["not registered as a provider"]);
    on(
        &["provider", "run", "--publish-dir", "out"],
        &["not registered as a provider"],
    );
    // It leaves nothing behind, neither the place to publish nor a folder of its own.
    assert!(!home.join("out").exists() && !home.join(".local").exists());
    // Nothing to do is no failure, and a program sees it.
    for claim in [&["claim"][..], &["claim", "--withdraw", "all"]] {
        let output = quern(home, &[claim, &["-u", &url]].concat());
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{stdout}");
        assert!(stdout.contains("nothing to claim"), "{stdout}");
    }
    let output = quern(home, &["claim", "-u", &url, "--output", "json"]);
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["done"], "nothing");
    let args = ["mint", "show", ADDRESS, "-u", &url, "--output", "json"];
    let output = quern(home, &args);
    let shown: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(shown["error"]["exit_code"], 1);
    assert!(
        shown["error"]["message"]
            .as_str()
            .unwrap()
            .contains("not registered"),
        "{shown}"
    );
    let output = quern(home, &["mint", "show", "x", "--output", "json"]);
    let shown: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(shown["error"]["kind"], "usage");
    assert_eq!(output.status.code(), Some(2));
    on(&["claim", "--withdraw", "1"], &["nothing is free"]);
    on(&["protocol", "init"], &["set up", "already"]);

    let output = quern(home, &["job", "list", "-u", &url]);
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim(),
        "No live job matches."
    );
    let output = quern(home, &["job", "list", "-u", &url, "--output", "json"]);
    assert_eq!(
        serde_json::from_slice::<Value>(&output.stdout).unwrap(),
        json!([])
    );
    let output = quern(home, &["protocol", "show", "-u", &url, "--output", "json"]);
    assert_eq!(
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["paused"],
        json!(false)
    );
}

#[test]
fn a_watcher_with_nothing_to_do_says_so() {
    let home = home();
    let url = empty_quern();
    refused(
        home.path(),
        &["watch", "--once", "--job", ADDRESS, "-u", &url],
        1,
        &["no live job at", "has ended", "quern job result"],
    );
    refused(
        home.path(),
        &["watch", "--once", "--allow-files", "nowhere", "-u", &url],
        1,
        &["nowhere", "--allow-files"],
    );
    for (format, expected) in [("table", "job"), ("json", "")] {
        let args = ["watch", "--once", "-u", &url, "--output", format];
        let output = quern(home.path(), &args);
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        assert_eq!(
            stdout.split_whitespace().next().unwrap_or_default(),
            expected
        );
        // It would find a wrong result, but could do nothing about it.
        assert!(stderr.contains("no lamports"), "{stderr}");
        assert!(stderr.contains("nothing is submitted now"), "{stderr}");
    }
}

#[test]
fn files_that_are_missing_or_garbage() {
    let home = home();
    let path = home.path();
    std::fs::write(path.join("garbage"), "garbage").unwrap();
    std::fs::write(path.join("empty"), "").unwrap();
    let create = |input: &str, words: &[&str]| {
        let args = [
            "job",
            "create",
            "--mint",
            ADDRESS,
            "--price",
            "1",
            "--publish-dir",
            "out",
            "--assurance",
            "refereed",
            "--input",
            input,
            "-u",
            NOWHERE,
        ];
        refused(path, &args, 1, words);
    };
    let here = path.canonicalize().unwrap().display().to_string();
    create(
        "missing",
        &["as an input", "no such file", &here, "--input"],
    );
    create("https://example.com/x", &["it is an address", "--input"]);
    create(&here, &["it is a folder", "--input"]);
    create("garbage", &["looks like a text", "tensor convert"]);
    create("empty", &["an empty file", "no tensor"]);
    let model = [
        "model", "register", "--id", "1", "--name", "x", "-u", NOWHERE, "--graph",
    ];
    refused(path, &[&model[..], &["missing"]].concat(), 1, &["missing"]);
    refused(path, &[&model[..], &["garbage"]].concat(), 1, &["garbage"]);
    refused(
        path,
        &["deploy", "--program-so", "missing.so", "-u", NOWHERE],
        1,
        &["missing.so", "build-program"],
    );
    refused(
        path,
        &["provider", "run", "--publish-dir", "garbage", "-u", NOWHERE],
        1,
        &["garbage"],
    );
    refused(
        path,
        &[
            "provider",
            "run",
            "--publish-dir",
            "out",
            "--public-url",
            "nonsense",
            "-u",
            NOWHERE,
        ],
        1,
        &["nonsense"],
    );
}

/// Wherever a path is read, the sentence says what the file is for, what it looks like and which option to correct.
#[test]
fn a_wrong_file_is_called_by_its_name() {
    let home = home();
    let path = home.path();
    let here = path.canonicalize().unwrap().display().to_string();
    std::fs::write(path.join("README.md"), "# Quern\n\nEscrow.\n").unwrap();
    std::fs::write(path.join("table.csv"), "a,b\n").unwrap();
    let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/digits/");
    let [graph, images] =
        ["digits.qmodel", "test-images.bin"].map(|name| format!("{digits}{name}"));
    for (args, words) in [
        (
            &["tensor", "show", "README.md"][..],
            &["Markdown", "FILE expects a tensor"][..],
        ),
        (&["tensor", "show", &graph], &["a graph", "FILE expects"]),
        (
            &["model", "inspect", "README.md"],
            &["Markdown", "GRAPH expects a graph file"],
        ),
        (
            &["model", "inspect", &images],
            &["a file of tensors", "GRAPH expects"],
        ),
        (
            &["model", "inspect", "missing"],
            &["as the graph", &here, "correct GRAPH"],
        ),
        (
            &["model", "estimate", "missing", "--items", "1"],
            &["as the graph"],
        ),
        (
            &["model", "run", &graph, "--weights", "missing"],
            &["as the weights", "--weights"],
        ),
        (
            &["model", "run", &graph, "--weights", "README.md"],
            &["Markdown", "--weights expects"],
        ),
        (
            &["tensor", "convert", "missing.csv", "x.qten"],
            &["no such file", "correct IN"],
        ),
        (
            &["tensor", "convert", "table.csv", "x.qten"],
            &["a table", "without header"],
        ),
        (
            &["tensor", "convert", &images, "no/x.csv"],
            &["no folder no", "OUT"],
        ),
        (
            &["purse", "show", "-k", "README.md", "-u", NOWHERE],
            &["text in words", "64 numbers"],
        ),
        (
            &["purse", "show", "-C", "missing.yml"],
            &["no such file", "--config"],
        ),
    ] {
        refused(path, args, 1, words);
    }
    // A name that says no format is refused before the work.
    let run = ["model", "run", "missing", "--out", "x.xyz"];
    refused(path, &run, 2, &["x.xyz", ".npy"]);
}

/// What is written for ever can be followed by everybody, tells no secret and is not left out by mistake.
#[test]
fn addresses_that_nobody_could_follow_are_not_sealed() {
    let home = home();
    let model = [
        "model", "register", "--id", "1", "--name", "x", "-u", NOWHERE,
    ];
    let with = |args: &[&str], words: &[&str]| {
        refused(home.path(), &[&model[..], args].concat(), 2, words);
    };
    with(&[], &["--uri", "--no-uri"]);
    for uri in [
        "ipfs://bafy",
        "ftp://example.com/w",
        "weights.bin",
        "../weights.bin",
        "C:\\weights.bin",
        "https://me:pass@example.com/w",
        "https://example.com/w?token=x",
        "https://example.com/w#x",
        "https://example.com/\u{202e}w",
        "//example.com/w",
        "",
    ] {
        with(&["--uri", uri], &["--uri"]);
        let endpoint = ["provider", "register", "--name", "x", "--endpoint", uri];
        if !uri.is_empty() {
            refused(home.path(), &endpoint, 2, &["--endpoint"]);
        }
        let source = format!("{ADDRESS}={uri}");
        refused(
            home.path(),
            &["watch", "--weights", &source],
            2,
            &["--weights"],
        );
    }
}

/// A plan leaves nothing behind, and a file of another kind is called by its name.
#[test]
fn files_of_other_kinds_and_plans() {
    let home = home();
    let path = home.path();
    std::fs::write(path.join("net.onnx"), b"\x08\x07\x12\x07pytorch").unwrap();
    let model = [
        "model", "register", "--id", "1", "--name", "x", "--no-uri", "-u", NOWHERE, "--graph",
        "net.onnx",
    ];
    refused(path, &model, 1, &["net.onnx", "an ONNX model"]);
    let deploy = [
        "deploy",
        "--program-so",
        "net.onnx",
        "--program-id",
        ADDRESS,
        "-u",
        NOWHERE,
    ];
    refused(path, &deploy, 1, &["net.onnx", "an ONNX model"]);
    let mut elf = b"\x7fELF".to_vec();
    elf.extend(ADDRESS.parse::<quern_client::Pubkey>().unwrap().to_bytes());
    std::fs::write(path.join("program.so"), elf).unwrap();
    let plan = [
        "deploy",
        "--plan",
        "--program-so",
        "program.so",
        "--program-id",
        ADDRESS,
    ];
    refused(
        path,
        &[&plan[..], &["-u", NOWHERE]].concat(),
        1,
        &["cannot reach"],
    );
    assert!(!path.join("target").exists(), "a plan leaves a key behind");
    let close = ["deploy", "--close-buffer", "-u", NOWHERE];
    refused(path, &close, 1, &["quern-buffer.json", "--buffer"]);
    let gone = ["deploy", "--close-buffer", ADDRESS, "-u", &empty_quern()];
    let output = quern(path, &gone);
    assert!(output.status.success(), "{output:?}");
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("no buffer at")
    );
}

/// A provider that could not work does not start.
#[test]
fn a_provider_is_tried_before_it_starts() {
    let home = home();
    let path = home.path();
    let url = empty_quern();
    let run_on = |url: &str, args: &[&str], words: &[&str]| {
        let all = [
            &["provider", "run", "--publish-dir", "out", "-u", url],
            args,
        ]
        .concat();
        refused(path, &all, 1, words);
    };
    let run = |args: &[&str], words: &[&str]| run_on(&url, args, words);
    run(&["--worker", "./train.sh"], &["train.sh", "--worker"]);
    std::fs::write(path.join("train.sh"), "#!/bin/sh\n").unwrap();
    run(&["--worker", "./train.sh"], &["train.sh", "chmod"]);
    run(&["--public-url", "nonsense"], &["--public-url"]);
    run(
        &["--allow-files", "nothing-there"],
        &["nothing-there", "--allow-files"],
    );
    run(&[], &["not registered as a provider"]);
    assert!(!path.join("out").exists(), "a folder is left behind");
    // What is published is fetched again, once nothing else is in the way.
    let keypair = path.join(".config/solana/id.json");
    let owner = quern_client::config::read_keypair(&keypair).unwrap();
    let registered = quern_of(&owner.pubkey());
    let other = format!("file://{}/other", path.display());
    for public in ["http://127.0.0.1:1/out", &other] {
        let words = ["--public-url", "--skip-probe"];
        run_on(&registered, &["--public-url", public], &words);
    }
    let stranger = path.join("stranger.json");
    quern_client::config::write_keypair(&stranger, &quern_client::Keypair::new()).unwrap();
    let me = owner.pubkey().to_string();
    let args = ["-k", "stranger.json", "--owner", &me];
    run_on(&registered, &args, &[&me, "--operator", "--keypair"]);
}

#[test]
fn indexers_that_are_not_there_or_talk_nonsense() {
    let home = home();
    let home = home.path();
    let at =
        |url: &str, words: &[&str]| refused(home, &["leaderboard", "--indexer", url], 1, words);
    at(NOWHERE, &["cannot ask the indexer"]);
    at("nonsense", &["cannot ask the indexer"]);
    at(&serve(|_| "garbage".to_owned()), &["no JSON"]);
    at(
        &serve(|_| "{}".to_owned()),
        &["no leaderboards", "finality"],
    );
    at(
        &serve(|_| r#"{"boards":[{"entries":5}]}"#.to_owned()),
        &["no leaderboards"],
    );

    let board = json!({ "as_of_slot": 7, "finality": "finalized", "lag_slots": 0, "whole_history": true, "metric": "earned", "window": "all",
        "window_from": null, "boards": [{
            "assurance": "refereed", "mint": ADDRESS, "decimals": 6, "next_cursor": null,
            "entries": [{
                "rank": 1, "provider": ADDRESS, "account": ADDRESS, "name": "A\u{1b}[2J", "convicted": 42,
                "value": "1500000", "milestones": "3", "work": "9", "earned": [], "rewards": [],
            }],
        }],
    });
    let url = serve(move |_| board.to_string());
    let output = quern(home, &["leaderboard", "--indexer", &url]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        stdout.contains("1.5") && stdout.contains("slot 7") && !stdout.contains('\u{1b}'),
        "{stdout}"
    );
    assert!(
        stdout.contains("convicted") && stdout.contains("42"),
        "{stdout}"
    );
}

#[cfg(feature = "localnet")]
#[test]
fn a_port_in_use_is_said() {
    let home = home();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let program = home.path().join("program.so");
    let elf = [b"\x7fELF", quern_client::quern::ID.as_ref()].concat();
    std::fs::write(&program, elf).unwrap();
    let args = [
        "localnet",
        "--rpc-port",
        &port,
        "--ws-port",
        "0",
        "--program-so",
    ];
    refused(
        home.path(),
        &[&args[..], &["program.so"]].concat(),
        1,
        &[&port, "in use"],
    );
    assert!(
        !home.path().join("quern-localnet").exists(),
        "a network that did not start leaves wallets behind"
    );
    std::fs::write(&program, "x").unwrap();
    let free = [
        "localnet",
        "--rpc-port",
        "0",
        "--ws-port",
        "0",
        "--program-so",
        "program.so",
    ];
    refused(
        home.path(),
        &free,
        1,
        &["program.so", "no ELF", "build-program"],
    );
    refused(
        home.path(),
        &[&args[..], &["missing.so"]].concat(),
        1,
        &["missing.so", "build-program"],
    );
}
