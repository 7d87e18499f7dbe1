//! onnxruntime, in a Python process beside this one.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// The process. It answers a line to each line.
pub struct Peer {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// What it says it is.
    pub version: String,
    prepared: usize,
}

impl Peer {
    /// `None` where it is not installed.
    pub fn start() -> Option<Self> {
        let folder = env::var_os("QUERN_ONNXRUNTIME")?;
        let child = Command::new("python3")
            .args(["-c", include_str!("onnxruntime_peer.py")])
            .env("PYTHONPATH", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.ok()?;
        let mut peer = Self {
            commands: child.stdin.take(),
            answers: BufReader::new(child.stdout.take()?),
            child,
            version: String::new(),
            prepared: 0,
        };
        peer.version = peer.ask("version")?;
        Some(peer)
    }

    /// `None` where it has ended; its own lines say why.
    fn ask(&mut self, command: &str) -> Option<String> {
        writeln!(self.commands.as_mut()?, "{command}").ok()?;
        let mut line = String::new();
        self.answers.read_line(&mut line).ok()?;
        let line = line.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// Prepares something to be run; `what` is its kind and what comes after its name.
    pub fn prepare(&mut self, kind: &str, rest: &str) -> Option<String> {
        self.prepared += 1;
        let name = format!("run{}", self.prepared);
        self.ask(&format!("{kind} {name} {rest}"))?;
        Some(name)
    }

    /// Seconds of one of `times` runs.
    pub fn run(&mut self, name: &str, times: usize) -> f64 {
        let answer = self.ask(&format!("run {name} {times}"));
        let all: f64 = answer
            .and_then(|line| line.parse().ok())
            .unwrap_or_else(|| panic!("onnxruntime ended; the lines above say why"));
        all / times as f64
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Without commands it ends.
        self.commands = None;
        let _ = self.child.wait();
    }
}
