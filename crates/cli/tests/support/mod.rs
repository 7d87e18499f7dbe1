//! The command as a process in the name of people of a local network.

#![allow(dead_code, reason = "every test uses a part")]

use {
    anyhow::{Context as _, Result},
    quern_client::{Keypair, Pubkey, Signer, accounts, config, quern::state::Job},
    quern_proof::{Tensor, file},
    quern_testkit::net::{World, tiny_graph, until},
    serde_json::Value,
    std::{
        io::Read,
        path::PathBuf,
        process::{Child, Command, Stdio},
        sync::{Arc, Mutex},
        thread,
        time::Duration,
    },
};

/// Longest wait for what must happen. Nothing takes this long: it only ends a test that hangs.
pub const LIMIT: Duration = Duration::from_secs(120);
/// One token.
pub const ONE: u64 = 1_000_000;

/// A process that ends with the test, and what it writes.
pub struct Running {
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = piped.stderr(Stdio::piped()).spawn().unwrap();
        Self {
            stdout: collect(child.stdout.take().unwrap()),
            stderr: collect(child.stderr.take().unwrap()),
            child,
        }
    }

    pub fn id(&self) -> String {
        self.child.id().to_string()
    }

    pub fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        let done = kill.args(["-s", signal, &self.id()]).status();
        assert!(done.unwrap().success(), "kill -s {signal}");
    }

    /// Whether the system has stopped it.
    pub fn is_stopped(&self) -> Result<bool> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        let (_, rest) = stat.rsplit_once(')').context("no process")?;
        Ok(rest.trim_start().starts_with('T'))
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has written to standard output.
    pub fn stdout(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    /// What it has written to standard error.
    pub fn log(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until its log has these words.
    pub async fn says(&self, words: &str) {
        self.until(words, async || Ok(self.log().contains(words)))
            .await;
    }

    /// Waits until something is so; a failure shows the log.
    pub async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> Result<bool>) {
        let waited = until(what, LIMIT, async || Ok(is_so().await?.then_some(()))).await;
        waited.unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.log(), self.stdout()));
    }

    /// What a command that must succeed shows, once it has ended by itself.
    pub async fn told(&mut self) -> Value {
        let ended = until("the command ends", LIMIT, async || {
            Ok(self.child.try_wait()?)
        });
        let status = ended.await;
        let status = status.unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        assert!(status.success(), "{}", self.log());
        until("its result is whole", LIMIT, async || {
            Ok(serde_json::from_str(&self.stdout()).ok())
        })
        .await
        .unwrap()
    }
}

/// Reads a pipe to its end beside the test.
fn collect(mut pipe: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text: Arc<Mutex<String>> = Arc::default();
    let written = Arc::clone(&text);
    thread::spawn(move || {
        let mut piece = [0; 4_096];
        while let Ok(count @ 1..) = pipe.read(&mut piece) {
            let more = String::from_utf8_lossy(&piece[..count]);
            written.lock().unwrap().push_str(&more);
        }
    });
    text
}

/// A network with its people, and a folder for what they type.
pub struct Stage {
    pub world: World,
    home: tempfile::TempDir,
}

impl Stage {
    pub async fn new() -> Self {
        let world = World::new().await;
        let (mint, client) = (&world.mint, world.client.pubkey());
        world.net.mint_to(mint, &client, 100 * ONE).await.unwrap();
        let stage = Self {
            home: tempfile::tempdir().unwrap(),
            world,
        };
        let input = Tensor::from_i8(1, 3, &[3, 2, 1]).unwrap();
        let weights = Tensor::from_i8(2, 3, &[1, 2, 3, -1, -2, -3]).unwrap();
        stage.write("input.bin", &file::encode_bundle(&[input]));
        stage.write("weights.bin", &file::encode_bundle(&[weights]));
        stage.write("graph.qmodel", &tiny_graph());
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// What starts a command, in a wallet's name and with its results as JSON. Too long files are refused to it instead of
    /// ending it.
    pub fn command(&self, url: &str, wallet: &Keypair, args: &[&str]) -> Command {
        let key = self.path(&format!("{}.json", wallet.pubkey()));
        if !key.exists() {
            config::write_keypair(&key, wallet).unwrap();
        }
        let mut command = Command::new("sh");
        command
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(env!("CARGO_BIN_EXE_quern"))
            .args(args)
            .args(["--output", "json", "-u", url, "-k"])
            .arg(&key)
            .env_clear()
            .env("HOME", self.home.path())
            .current_dir(self.home.path());
        command
    }

    /// What a command that must succeed shows.
    pub async fn done(&self, wallet: &Keypair, args: &[&str]) -> Value {
        let mut command = self.command(self.world.net.rpc_url(), wallet, args);
        Running::start(&mut command).told().await
    }

    /// The address of a model that agents and watchers can work with.
    pub async fn model(&self) -> String {
        let weights = format!("file://{}", self.path("weights.bin").display());
        let register = "model register --id 7 --name Sums --graph graph.qmodel --uri";
        let register: Vec<&str> = register.split(' ').chain([&weights[..]]).collect();
        let done = self.done(&self.world.maker, &register).await;
        done["model"].as_str().unwrap().to_owned()
    }

    /// A job of the client on that model.
    pub async fn create(&self, model: &str, review: &str) -> Pubkey {
        let mint = self.mint();
        let create = format!(
            "job create --mint {mint} --price 1 --bond 2 --model {model} --input input.bin --publish-dir in --work 2h --review {review}"
        );
        let create: Vec<&str> = create.split(' ').collect();
        let shown = self.done(&self.world.client, &create).await;
        shown["job"].as_str().unwrap().parse().unwrap()
    }

    /// The agent of the provider, with its operator's key.
    pub fn agent(&self, url: &str, home: &str) -> Running {
        let owner = self.world.provider.pubkey();
        let args = format!(
            "provider run --owner {owner} --home {home} --publish-dir out --allow-files . --min-response 1s --min-react 1s --min-work 1s --poll 1s"
        );
        let args: Vec<&str> = args.split(' ').collect();
        Running::start(&mut self.command(url, &self.world.operator, &args))
    }

    pub fn mint(&self) -> String {
        self.world.mint.address.to_string()
    }

    pub async fn job(&self, address: &Pubkey) -> Result<Job> {
        Ok(accounts::fetch(self.world.net.rpc(), address).await?)
    }

    /// Atoms of a purse that stand behind jobs.
    pub async fn reserved(&self, owner: &Pubkey) -> u64 {
        let purse = accounts::purse(self.world.net.rpc(), owner, &self.world.mint.address);
        purse.await.unwrap().unwrap().reserved_atoms.get()
    }
}
