//! `cargo xtask demo`, `bench` and `picture`: the program is built, then a binary runs on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::host;
use crate::models;
use crate::program;
use crate::shell::{self, Step};
use crate::toolchain::Toolchain;

/// Package and binary of the demo.
pub const DEMO: (&str, &str) = ("quern-demo", "quern-demo");
/// Package and binary of the benchmarks.
const BENCH: (&str, &str) = ("quern-tests", "quern-bench");
/// The binary that measures the indexer's lag.
const LAG: (&str, &str) = ("quern-tests", "quern-lag");

/// Builds what is needed and runs a binary, with its standard output left to it.
pub fn binary((package, name): (&str, &str), args: &[String]) -> Result<()> {
    run(&mut prepared(package, name, args)?, name)
}

fn run(command: &mut Command, name: &str) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("could not start {name}"))?;
    if !status.success() {
        bail!("{name} failed ({status}); the lines above say why");
    }
    Ok(())
}

/// Runs the benchmarks, with the model's files where they can be had.
pub fn bench(args: &[String]) -> Result<()> {
    let mut bench = prepared(BENCH.0, BENCH.1, args)?;
    models::show(&mut bench);
    run(&mut bench, BENCH.1)
}

/// Measures products and the sentence encoder as a release packs them; they need neither the program nor a network.
pub fn models_bench(args: &[String]) -> Result<()> {
    host::ensure_build_tools()?;
    let mut run = shell::cargo();
    run.args(["run", "--profile", "dist", "--package", "quern-import"])
        .args(["--example", "measure", "--ignore-rust-version", "--"])
        .args(args);
    let (model, variable) = models::TESTED;
    for (variable, folder) in [
        (variable, models::fetch(model)),
        ("QUERN_ONNXRUNTIME", models::peer()),
    ] {
        match folder {
            Ok(folder) => drop(run.env(variable, folder)),
            Err(error) => shell::say(format!("{error:#}; what needs it is not measured")),
        }
    }
    let status = run.status().context("could not start the benchmark")?;
    if !status.success() {
        bail!("the benchmark failed ({status}); the lines above say why");
    }
    Ok(())
}

/// Measures the indexer as a release packs it, which needs neither the program nor a network, and then how far one is behind the
/// local network.
pub fn indexer_bench(args: &[String]) -> Result<()> {
    host::ensure_build_tools()?;
    let mut bench = shell::cargo();
    bench
        .args(["run", "--profile", "dist", "--package", "quern-indexer"])
        .args(["--example", "bench", "--ignore-rust-version", "--"])
        .args(args);
    let table = shell::shown(&mut bench)?;
    // A run of another size is no figure to publish.
    if args.is_empty() {
        write_between("indexer", &table)?;
    }
    lag_bench(&[])
}

/// Puts a table between its marks in docs/BENCHMARKS.md.
fn write_between(mark: &str, table: &str) -> Result<()> {
    let path = shell::root().join("docs/BENCHMARKS.md");
    let document = fs::read_to_string(&path)?;
    let (begin, end) = (
        format!("<!-- {mark}: begin -->\n"),
        format!("<!-- {mark}: end -->"),
    );
    let parts = document.split_once(&begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&end)?;
        Some((before, after))
    });
    let (before, after) = parts.with_context(|| format!("{} lacks its marks", path.display()))?;
    fs::write(&path, format!("{before}{begin}{table}{end}{after}"))?;
    Ok(())
}

/// Measures how far an indexer is behind the local network, by a build of the profile of tests.
pub fn lag_bench(args: &[String]) -> Result<()> {
    binary(LAG, args)
}

/// Like [`binary`], with what it prints on standard output as the result.
pub fn capture((package, name): (&str, &str), args: &[String]) -> Result<String> {
    shell::output(prepared(package, name, args)?.stderr(std::process::Stdio::inherit()))
}

/// The command that runs the binary; it is built already.
fn prepared(package: &str, name: &str, args: &[String]) -> Result<Command> {
    prepare(package, name)?;
    let mut run = started(package, name);
    run.args(args);
    Ok(run)
}

/// Builds the program and a binary.
fn prepare(package: &str, name: &str) -> Result<()> {
    host::ensure_build_tools()?;
    program::build(Toolchain::Auto, false, None)?;
    let step = Step::start(format!(
        "Building {name} and the local network (about 8 minutes the first time, then seconds)"
    ));
    let which = ["--package", package, "--bin", name, "--ignore-rust-version"];
    shell::must(
        shell::cargo().arg("build").args(which),
        "The lines above say why.",
    )?;
    step.done("built");
    Ok(())
}

/// Runs a binary that was built, with what is added as its arguments.
fn started(package: &str, name: &str) -> Command {
    let mut run = shell::cargo();
    let which = ["--package", package, "--bin", name, "--ignore-rust-version"];
    run.args(["run", "--quiet"]).args(which).arg("--");
    run
}

/// Tokens of a sentence of the demo: its sentences are short, and so are the traces then.
const DEMO_SEQUENCE: usize = 32;

/// What the demo is told: an encoder, if one can be had and none is named. Without one it says what it does instead.
pub fn demo_args(args: &[String]) -> Result<Vec<String>> {
    let mut args = args.to_vec();
    let is_named = args.iter().any(|arg| arg.starts_with("--encoder"));
    if is_named || args.iter().any(|arg| arg == "--help" || arg == "-h") {
        return Ok(args);
    }
    let (model, _) = models::TESTED;
    match models::fetch(model) {
        Ok(files) => {
            prepare("quern-cli", "quern")?;
            let folder = imported(model, &files, DEMO_SEQUENCE)?;
            args.extend(["--encoder".to_owned(), folder.display().to_string()]);
        }
        Err(error) => eprintln!("note: the demo goes on without {model}: {error:#}"),
    }
    Ok(args)
}

/// A local network until Ctrl-C, with a model of `models/` on it if one is named.
pub fn localnet(model: Option<&str>, sequence: usize, args: &[String]) -> Result<()> {
    let mut serve = Vec::new();
    let files = model.map(models::fetch).transpose()?;
    prepare("quern-cli", "quern")?;
    if let (Some(model), Some(files)) = (model, files) {
        let folder = imported(model, &files, sequence)?;
        serve = vec!["--serve".into(), folder.into_os_string()];
    }
    let status = started("quern-cli", "quern")
        .arg("localnet")
        .args(serve)
        .args(args)
        .status()
        .context("could not start the local network")?;
    match status.success() {
        true => Ok(()),
        false => bail!("the local network failed ({status}); the lines above say why"),
    }
}

/// Everything that an application needs, until Ctrl-C: `quern quickstart` with a model of `models/`.
pub fn quickstart(model: &str, sequence: usize, args: &[String]) -> Result<()> {
    let files = models::fetch(model)?;
    prepare("quern-cli", "quern")?;
    // It is started if it lies beside the command.
    prepare("quern-indexer", "quern-indexer")?;
    let folder = imported(model, &files, sequence)?;
    let status = started("quern-cli", "quern")
        .arg("quickstart")
        .arg("--model")
        .arg(folder)
        .args(args)
        .status()
        .context("could not start quern")?;
    match status.success() {
        true => Ok(()),
        false => bail!("quickstart failed ({status}); the lines above say why"),
    }
}

/// Measures the gateway on a local network, with the sentence encoder. The profile is that of the tests: kernels, hashes and
/// signatures are optimised in it.
pub fn gateway_bench(args: &[String]) -> Result<()> {
    let (model, _) = models::TESTED;
    let files = models::fetch(model)?;
    prepare("quern-cli", "quern")?;
    let folder = imported(model, &files, GATEWAY_SEQUENCE)?;
    let mut run = shell::cargo();
    run.args(["run", "--package", "quern-gateway", "--example", "bench"])
        .args(["--ignore-rust-version", "--"])
        .arg(folder)
        .args(args);
    let status = run.status().context("could not start the benchmark")?;
    match status.success() {
        true => Ok(()),
        false => bail!("the benchmark failed ({status}); the lines above say why"),
    }
}

/// Tokens of a sentence in the gateway's benchmark.
const GATEWAY_SEQUENCE: usize = 32;

/// The folder of a model that was imported, which is done once: another recipe or length is imported anew.
fn imported(model: &str, files: &Path, sequence: usize) -> Result<PathBuf> {
    let recipe = shell::root().join("models").join(model);
    let out = target_folder()?
        .join("models")
        .join(sequence.to_string())
        .join(model);
    let made_from = format!("{} {sequence}\n", files.display());
    let marker = out.join(".made-from");
    if std::fs::read_to_string(&marker).is_ok_and(|text| text == made_from) {
        return Ok(out);
    }
    let step = Step::start(format!("Importing {model} for texts of {sequence} tokens"));
    let mut import = started("quern-cli", "quern");
    import
        .args(["model", "import"])
        .arg(recipe)
        .arg("--files")
        .arg(files)
        .args(["--sequence", &sequence.to_string()])
        .arg("--out")
        .arg(&out);
    shell::must(&mut import, "The lines above say why.")?;
    std::fs::write(&marker, made_from)
        .with_context(|| format!("cannot write {}", marker.display()))?;
    step.done("imported");
    Ok(out)
}

/// A command of the workspace, built as the tests build it.
pub fn built(name: &str) -> Result<PathBuf> {
    // The whole workspace, so that features are those of the tests and nothing is compiled twice.
    shell::must(
        shell::cargo()
            .args(["build", "--quiet", "--workspace", "--bin", name])
            .arg("--ignore-rust-version"),
        "The lines above say why.",
    )?;
    Ok(target_folder()?.join("debug").join(name))
}

/// Where cargo puts what it builds.
fn target_folder() -> Result<PathBuf> {
    let mut cargo = shell::cargo();
    cargo.args(["metadata", "--format-version", "1", "--no-deps", "--quiet"]);
    let metadata: serde_json::Value = serde_json::from_str(&shell::output(&mut cargo)?)?;
    let folder = metadata["target_directory"].as_str();
    Ok(PathBuf::from(
        folder.context("cargo names no target folder")?,
    ))
}
