//! The binary as a process of its own, waited for by what it has done and never by time alone.

use {
    serde_json::Value,
    std::{
        fs::File,
        path::{Path, PathBuf},
        process::{Child, Command, Stdio},
        time::Duration,
    },
};

pub const BINARY: &str = env!("CARGO_BIN_EXE_quern-indexer");
/// Longest wait for what must happen. Nothing takes this long: it only ends a test that hangs.
const LIMIT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until something is there. A look that hangs is no reason to wait longer.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = tokio::time::timeout(LIMIT, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    found
        .await
        .unwrap_or_else(|_| panic!("waited in vain until {what}"))
}

/// `run` on the store `db` of a folder, on a free port.
pub fn run(folder: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["run", "--listen", "127.0.0.1:0", "--poll-millis", "20"]);
    command.args(["--store", &store_of(folder)]);
    command
}

/// The name of that store.
pub fn store_of(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("db").display())
}

/// A running indexer; it is killed when it is dropped.
pub struct Process {
    pub child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it with its log beside the store.
    pub fn start(command: &mut Command, folder: &Path) -> Self {
        let log = folder.join("log");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap());
        Self {
            child: command.spawn().unwrap(),
            log,
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Where it serves, once it says so.
    pub async fn address(&self) -> String {
        until("the indexer says where it serves", async || {
            let log = self.log();
            let (_, rest) = log.split_once(" address=")?;
            let (address, _) = rest.split_once(' ')?;
            Some(address.to_owned())
        })
        .await
    }

    /// Status and body of a page; nothing if it does not answer.
    pub async fn get(&self, path: &str) -> Option<(u16, Value)> {
        let url = format!("http://{}{path}", self.address().await);
        let reply = reqwest::get(url).await.ok()?;
        Some((reply.status().as_u16(), reply.json().await.ok()?))
    }

    /// Its status, once it is as wanted.
    pub async fn status(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(what, async || {
            let (_, status) = self.get("/v1/status").await?;
            wanted(&status).then_some(status)
        })
        .await
    }

    /// What its audit says, once it is this in a word.
    pub async fn audit(&self, verdict: &str) -> Value {
        until(&format!("the audit is {verdict}"), async || {
            let (_, audit) = self.get("/v1/audit").await?;
            (audit["verdict"] == verdict).then_some(audit)
        })
        .await
    }

    /// Waits until it says that it is not ready, and why.
    pub async fn not_ready(&self, why: &str) {
        until(&format!("the indexer is not ready: {why}"), async || {
            let (status, reply) = self.get("/health/ready").await?;
            let is_it = status == 503 && reply["detail"].as_str()?.contains(why);
            is_it.then_some(())
        })
        .await;
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&self) {
        until("the indexer is ready", async || {
            let (status, _) = self.get("/health/ready").await?;
            (status == 200).then_some(())
        })
        .await;
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
