//! Reviewed work with ordinary software, end to end: an agent with a worker, a client that sends a text or a file and reads what
//! comes back. The worker of `examples/openai` runs against a server that speaks OpenAI's chat API and has its bad days.

#![cfg(feature = "localnet")]
#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_client::{
        Keypair, Pubkey, Signer, accounts, config,
        quern::state::{Job, JobState},
    },
    quern_testkit::net::World,
    serde_json::{Value, json},
    std::{
        fs::File,
        io::{BufRead, BufReader, Read, Write},
        net::{TcpListener, TcpStream},
        path::PathBuf,
        process::{Child, Command, Output},
        sync::{Arc, Mutex},
        thread,
        time::{Duration, Instant},
    },
};

const QUERN: &str = env!("CARGO_BIN_EXE_quern");
const PATIENCE: Duration = Duration::from_secs(180);

/// What a server does when it is asked for an answer.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    /// Hangs up on everything.
    Down,
    /// Answers.
    Well,
    /// Has an error of its own instead of an answer.
    Broken,
    /// Takes the question and never answers.
    Stuck,
}

/// A server that speaks the part of OpenAI's API that chats need.
struct Server {
    url: String,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            mood: Arc::new(Mutex::new(Mood::Down)),
            asked: Arc::default(),
        };
        let (mood, asked) = (Arc::clone(&server.mood), Arc::clone(&server.asked));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mood = *mood.lock().unwrap();
                let asked = Arc::clone(&asked);
                // A client that gives up is no failure of the server.
                thread::spawn(move || drop(serve(stream, mood, &asked)));
            }
        });
        server
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}

fn serve(stream: TcpStream, mood: Mood, asked: &Mutex<Vec<Value>>) -> std::io::Result<()> {
    if mood == Mood::Down {
        return Ok(());
    }
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, reply) = match (first.split(' ').nth(1), mood) {
        (Some("/v1/models"), _) => ("200 OK", json!({ "data": [{ "id": "tiny:latest" }] })),
        (Some("/v1/chat/completions"), Mood::Stuck) => {
            // Until the client hangs up.
            let _ = reader.read(&mut [0]);
            return Ok(());
        }
        (Some("/v1/chat/completions"), Mood::Broken) => (
            "500 Internal Server Error",
            json!({ "error": { "message": "the runner has crashed" } }),
        ),
        (Some("/v1/chat/completions"), _) => {
            let question: Value = serde_json::from_slice(&body).unwrap();
            let last = question["messages"].as_array().unwrap().last().unwrap();
            let text = format!("You said: {}", last["content"].as_str().unwrap());
            asked.lock().unwrap().push(question);
            let message = json!({ "role": "assistant", "content": text });
            ("200 OK", json!({ "choices": [{ "message": message }] }))
        }
        other => panic!("nobody asks for {:?}", other.0),
    };
    let reply = reply.to_string();
    write!(
        reader.get_mut(),
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{reply}",
        reply.len()
    )
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Stage {
    world: World,
    home: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        Self {
            world: World::new().await,
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().canonicalize().unwrap().join(name)
    }

    fn command(&self, mut command: Command, wallet: &Keypair, args: &[&str]) -> Command {
        let key = self.path(&format!("{}.json", wallet.pubkey()));
        if !key.exists() {
            config::write_keypair(&key, wallet).unwrap();
        }
        command
            .args(args)
            .args(["-u", self.world.net.rpc_url(), "-k"])
            .arg(&key)
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.home.path());
        command
    }

    /// An agent that takes reviewed jobs only; its log is a file.
    fn agent(&self, worker: &[&str], env: &[(&str, &str)]) -> Running {
        let usual = [
            "provider",
            "run",
            "--publish-dir",
            "out",
            "--home",
            "agent",
            "--reviewed-only",
            "--poll",
            "1s",
        ];
        let log = File::create(self.path("log")).unwrap();
        let quern = Command::new(QUERN);
        let mut command = self.command(quern, &self.world.provider, &[&usual, worker].concat());
        command.envs(env.iter().copied()).stderr(log);
        Running(command.spawn().unwrap())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap()
    }

    fn waits_for_log(&self, part: &str) {
        let start = Instant::now();
        while !self.log().contains(part) {
            assert!(start.elapsed() < PATIENCE, "no `{part}`:\n{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the client's command did; the network answers from this very process.
    async fn client(&self, args: &[&str]) -> Output {
        // Who watches a job that nobody takes waits for a day.
        let mut quern = Command::new("timeout");
        quern.arg(PATIENCE.as_secs().to_string()).arg(QUERN);
        let mut command = self.command(quern, &self.world.client, args);
        let run = tokio::task::spawn_blocking(move || command.output());
        run.await.unwrap().unwrap()
    }

    async fn says(&self, args: &[&str]) -> String {
        let output = self.client(args).await;
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{args:?}: {text}\n{}", self.log());
        text
    }

    /// A job for the provider, which is created and not waited for.
    async fn created(&self, input: &[&str]) -> Pubkey {
        let create = [&CREATE[..], input, &["--output", "json"]].concat();
        let output = self.client(&create).await;
        let why = String::from_utf8_lossy(&output.stderr);
        let created: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{why}"));
        assert_eq!(created["assurance"], "reviewed");
        created["job"].as_str().unwrap().parse().unwrap()
    }

    async fn waits_until_submitted(&self, job: &Pubkey) {
        let start = Instant::now();
        while !self.world.job(job).await.is_in(JobState::Submitted) {
            assert!(start.elapsed() < PATIENCE, "not submitted:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

const CREATE: [&str; 8] = [
    "job",
    "create",
    "--price",
    "1",
    "--provider",
    "One",
    "--publish-dir",
    "in",
];

fn example() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/openai/worker.py");
    path.canonicalize().unwrap().display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn a_chat_server_is_paid_for_its_answers_and_costs_no_bond_when_it_is_down() {
    let (stage, server) = (Stage::new().await, Server::new());
    let env = [
        ("OPENAI_BASE_URL", server.url.as_str()),
        ("OPENAI_MODEL", "tiny"),
        ("OPENAI_TIMEOUT", "3"),
        ("OPENAI_MAX_TOKENS", "100"),
    ];
    let example = example();
    let worker = ["--worker", &example, "--worker-check", "--check"];
    let _agent = stage.agent(&worker, &env);
    // It starts, since demands are to be answered, and says what it does not do.
    stage.waits_for_log("reviewed jobs are left alone until the worker's check passes");
    let first = stage.created(&["--text", "Say hello."]).await;
    stage.waits_for_log("leaving reviewed jobs alone until its check passes");
    let log = stage.log();
    assert!(
        log.contains("cannot reach") && log.contains("OPENAI_BASE_URL"),
        "{log}"
    );
    assert!(stage.world.job(&first).await.is_in(JobState::Open), "{log}");

    server.is(Mood::Well);
    stage.waits_until_submitted(&first).await;
    let name = first.to_string();
    let shown = stage.says(&["job", "result", &name]).await;
    for part in [
        "You said: Say hello.",
        "its SHA-256 is the commitment",
        "answer.txt",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    stage
        .says(&["job", "result", &name, "--out", "a.txt"])
        .await;
    let written = std::fs::read_to_string(stage.path("a.txt")).unwrap();
    assert_eq!(written, "You said: Say hello.");
    let asked = server.asked.lock().unwrap()[0].clone();
    let messages = json!([{ "role": "user", "content": "Say hello." }]);
    let limits = (&asked["model"], &asked["max_tokens"], &asked["stream"]);
    assert_eq!(asked["messages"], messages);
    assert_eq!(limits, (&"tiny".into(), &100.into(), &false.into()));

    // After the take the server fails in two ways, and the log repeats what it says.
    server.is(Mood::Broken);
    let chat = json!({
        "model": "gpt-large", "max_tokens": 7, "temperature": 0, "stream": true,
        "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Why?" }],
    });
    std::fs::write(stage.path("chat.json"), chat.to_string()).unwrap();
    let second = stage.created(&["--input", "chat.json"]).await;
    stage.waits_for_log("answered 500: the runner has crashed");
    assert!(stage.world.job(&second).await.is_in(JobState::Taken));
    server.is(Mood::Stuck);
    stage.waits_for_log("did not answer within 3 s");
    server.is(Mood::Well);
    stage.waits_until_submitted(&second).await;
    let asked = server.asked.lock().unwrap().last().unwrap().clone();
    // The client's words, the owner's model.
    assert_eq!(asked["messages"], chat["messages"]);
    assert_eq!(
        (&asked["model"], &asked["max_tokens"]),
        (&"tiny".into(), &7.into())
    );

    // What a client watches ends with the answer and with what to type.
    let watch = [&CREATE[..], &["--text", "And now?", "--watch"]].concat();
    let watched = stage.says(&watch).await;
    for part in [
        "this is a reviewed job",
        "submitted; silence pays it in",
        "You said: And now?",
        " job accept ",
        "cannot be rejected",
        "silence pays, in",
    ] {
        assert!(watched.contains(part), "{part}: {watched}");
    }
    let (_, typed) = watched.split_once("pay it now: quern -k ").unwrap();
    // The wallet's file is named already for every command here.
    let (_, typed) = typed.lines().next().unwrap().split_once(' ').unwrap();
    let typed: Vec<&str> = typed.split(' ').collect();
    let third: Pubkey = typed[2].parse().unwrap();
    stage.says(&typed).await;
    let left = accounts::fetch_optional::<Job>(stage.world.net.rpc(), &third).await;
    assert!(left.unwrap().is_none(), "it is paid and closed");

    // What the worker cannot use is not taken, however well its server is.
    std::fs::write(stage.path("photo.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    let photo = stage.created(&["--input", "photo.png"]).await;
    stage.waits_for_log("the input is no text");
    assert!(stage.world.job(&photo).await.is_in(JobState::Open));
}

/// Appends two bytes to the client's file.
const SHELL: &str = r#"#!/bin/sh
order=$(cat)
field() { printf %s "$order" | sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }
{ cat "$(field input_file)"; printf '\000\001'; } > "$(field folder)/photo.png"
echo '{"output_file":"photo.png"}'
"#;

#[tokio::test(flavor = "multi_thread")]
async fn any_file_goes_in_and_any_file_comes_out() {
    let stage = Stage::new().await;
    let script = stage.path("worker.sh");
    std::fs::write(&script, SHELL).unwrap();
    let script = script.display().to_string();
    let _agent = stage.agent(
        &["--owner", "One", "--worker", "sh", "--worker-arg", &script],
        &[],
    );
    let photo = b"\x89PNG\r\n\x1a\n\0\xff\xfe";
    std::fs::write(stage.path("in.png"), photo).unwrap();
    let watch = [
        "--input", "in.png", "--watch", "--out", "out.png", "--output", "json",
    ];
    let output = stage.client(&[&CREATE[..], &watch].concat()).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", stage.log());
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    let input = lines[0]["input_uri"].as_str().unwrap();
    assert!(input.ends_with(".png"), "{input}");
    let next = lines.last().unwrap();
    assert_eq!(next["state"], "submitted", "{next}");
    let accept = next["accept"].as_str().unwrap();
    assert!(
        accept.starts_with("quern -k ") && accept.contains(" job accept "),
        "{next}"
    );
    assert!(next["silence_pays_in_secs"].as_i64() > Some(0), "{next}");
    assert!(next["reject"].is_null(), "{next}");
    let found = std::fs::read(stage.path("out.png")).unwrap();
    assert_eq!(found, [&photo[..], &[0, 1]].concat());
}
