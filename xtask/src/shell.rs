//! Running other programs, and saying what is going on.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The root of the checkout.
pub fn root() -> PathBuf {
    // At run time first: a binary that was built before the checkout moved must not look at the old place.
    let manifest =
        env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let manifest = PathBuf::from(manifest);
    manifest
        .parent()
        .map_or_else(|| manifest.clone(), Path::to_path_buf)
}

/// The cargo that runs us, ready to work in the checkout.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // What `cargo run` sets for this program would make cargo think that every build script's input changed.
    for (key, _) in env::vars_os() {
        let name = key.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&key);
        }
    }
    command
}

/// One step of the work: says what it does and, at the end, how long it took.
pub struct Step(Instant);

impl Step {
    /// Starts a step; `what` says what happens and how long it may take.
    pub fn start(what: impl AsRef<str>) -> Self {
        eprintln!("==> {}", what.as_ref());
        Self(Instant::now())
    }

    /// Ends it.
    pub fn done(self, outcome: impl AsRef<str>) {
        eprintln!(
            "    {} ({:.1} s)",
            outcome.as_ref(),
            self.0.elapsed().as_secs_f64()
        );
    }
}

/// Says one line that is no step of its own.
pub fn say(line: impl AsRef<str>) {
    eprintln!("    {}", line.as_ref());
}

/// Where a program is on the PATH.
pub fn which(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// Whether a command can be started and succeeds; prints nothing.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// What a command prints on standard output; its errors go into the error.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("could not start `{shown}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = match said.trim() {
            "" => "the lines above say why",
            said => said,
        };
        bail!("`{shown}` failed ({}): {said}", output.status);
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{shown}` printed something that is not UTF-8"))
}

/// What a command prints on standard output, shown line by line as well; its errors are shown as they come.
pub fn shown(command: &mut Command) -> Result<String> {
    let what = show(command);
    let start = || format!("could not start `{what}`");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(start)?;
    let printed = child.stdout.take().with_context(start)?;
    let mut all = String::new();
    for line in BufReader::new(printed).lines() {
        let line = line.with_context(|| format!("`{what}` printed something that is not UTF-8"))?;
        println!("{line}");
        all.push_str(&line);
        all.push('\n');
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{what}` failed ({status}); the lines above say why");
    }
    Ok(all)
}

/// Runs a command with all it prints going to our standard error.
pub fn stream(command: &mut Command) -> Result<ExitStatus> {
    let shown = show(command);
    command
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("could not start `{shown}`"))
}

/// Like [`stream`], with a failure turned into an error that ends in `advice`.
pub fn must(command: &mut Command, advice: &str) -> Result<()> {
    let status = stream(command)?;
    if !status.success() {
        bail!("`{}` failed ({status}). {advice}", show(command));
    }
    Ok(())
}

/// Like [`must`] for a command that is too long to be shown: `what` stands for it.
pub fn must_quietly(command: &mut Command, what: &str, advice: &str) -> Result<()> {
    let status = command
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("{what}: the program could not be started"))?;
    if !status.success() {
        bail!("{what} failed ({status}). {advice}");
    }
    Ok(())
}

/// A command as one would type it.
pub fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line = program
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}
