//! `cargo xtask idl`: the program's interface description, made as Anchor's own command line makes it.
//!
//! With the feature `idl-build`, Anchor's macros add hidden tests to the program that print parts of the description
//! between marker lines. Here they are run on the host, put together, sorted and checked; no Anchor tool is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::Value;

use crate::shell::{self, Step};

const IDL: &str = "idl/quern.json";
const CONFIG: &str = "Anchor.toml";
const HINT: &str = "Run `cargo xtask idl` and commit what it changes.";

/// The description, with its parts in the customary order.
#[derive(Debug, Serialize, PartialEq)]
struct Idl {
    address: String,
    metadata: Value,
    instructions: Vec<Value>,
    accounts: Vec<Value>,
    events: Vec<Value>,
    errors: Vec<Value>,
    types: Vec<Value>,
    constants: Vec<Value>,
}

/// Writes the description and the program's address in Anchor.toml.
pub fn write() -> Result<()> {
    let step =
        Step::start("Describing the program's interface (a host build, seconds to a minute)");
    let (idl, config) = generate()?;
    let root = shell::root();
    fs::create_dir_all(root.join("idl"))?;
    fs::write(root.join(IDL), &idl).context("cannot write the IDL")?;
    fs::write(root.join(CONFIG), config).context("cannot write Anchor.toml")?;
    step.done(format!("{IDL}: {} bytes", idl.len()));
    Ok(())
}

/// Fails when a committed file is not what the program's source says.
pub fn check() -> Result<()> {
    let step =
        Step::start("Checking the interface description (a host build, seconds to a minute)");
    let (idl, config) = generate()?;
    let root = shell::root();
    for (name, now) in [(IDL, idl), (CONFIG, config)] {
        let committed = fs::read_to_string(root.join(name))
            .with_context(|| format!("{name} cannot be read; `cargo xtask idl` writes it"))?;
        if committed != now {
            bail!("{name} is stale: {}. {HINT}", difference(&committed, &now));
        }
    }
    step.done("up to date");
    Ok(())
}

/// The first line that differs.
fn difference(committed: &str, now: &str) -> String {
    let mut pairs = committed.lines().zip(now.lines()).enumerate();
    match pairs.find(|(_, (old, new))| old != new) {
        Some((at, (old, new))) => format!(
            "line {} says `{}`, the program says `{}`",
            at + 1,
            old.trim(),
            new.trim()
        ),
        None => "one of the two is longer".to_owned(),
    }
}

/// The description and Anchor.toml as they should be.
fn generate() -> Result<(String, String)> {
    let mut cargo = shell::cargo();
    cargo
        .args(["test", "--quiet", "--package", "quern", "--lib"])
        .args(["--features", "idl-build", "--ignore-rust-version"])
        .arg("__anchor_private_print_idl")
        .args(["--", "--show-output", "--test-threads=1"])
        // What the compiler says is shown as it comes; what the tests print is the description.
        .stderr(Stdio::inherit());
    let printed = shell::output(&mut cargo)?;
    let idl = assemble(&printed)?;
    let config =
        fs::read_to_string(shell::root().join(CONFIG)).context("cannot read Anchor.toml")?;
    let config = with_address(&config, &idl.address)?;
    Ok((serde_json::to_string_pretty(&idl)? + "\n", config))
}

/// Puts the printed parts together.
fn assemble(printed: &str) -> Result<Idl> {
    let mut address = None;
    let mut program = None;
    let (mut constants, mut events, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    let mut types = BTreeMap::new();
    for (kind, text) in parts(printed)? {
        if kind == "address" {
            address = Some(text.trim().to_owned());
            continue;
        }
        let mut part: Value = serde_json::from_str(&text)
            .with_context(|| format!("the printed {kind} is not JSON: {text}"))?;
        match kind.as_str() {
            "const" => constants.push(part),
            "errors" => errors.extend(list(&mut part, None)?),
            "event" => {
                for item in list(&mut part, Some("types"))? {
                    types.insert(name(&item)?, item);
                }
                events.push(part["event"].take());
            }
            "program" => program = Some(part),
            _ => bail!("the program printed a part that is not known here: {kind}"),
        }
    }
    let mut program = program.context("the program printed no interface: is #[program] there?")?;
    for item in list(&mut program, Some("types"))? {
        types.insert(name(&item)?, item);
    }
    let mut idl = Idl {
        address: address.context("the program printed no address: is declare_id! there?")?,
        metadata: program["metadata"].take(),
        instructions: list(&mut program, Some("instructions"))?,
        accounts: list(&mut program, Some("accounts"))?,
        events,
        errors,
        types: types.into_values().collect(),
        constants,
    };
    shorten(&mut idl);
    for items in [
        &mut idl.instructions,
        &mut idl.accounts,
        &mut idl.events,
        &mut idl.types,
        &mut idl.constants,
    ] {
        items.sort_by_cached_key(|item| item["name"].as_str().map(str::to_owned));
    }
    idl.errors.sort_by_key(|error| error["code"].as_u64());
    for (what, items) in [
        ("instructions", &idl.instructions),
        ("accounts", &idl.accounts),
        ("events", &idl.events),
    ] {
        check_discriminators(what, items)?;
    }
    Ok(idl)
}

/// The marked sections of the output, in order: kind and text.
fn parts(printed: &str) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in printed.lines() {
        let marker = |word: &str| {
            line.strip_prefix("--- IDL ")?
                .strip_prefix(word)?
                .strip_suffix(" ---")
        };
        match (&mut open, marker("begin "), marker("end ")) {
            (None, Some(kind), _) => open = Some((kind.to_owned(), String::new())),
            (Some((kind, _)), _, Some(end)) if kind == end => found.extend(open.take()),
            (Some((_, text)), None, None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None, None) => {}
            _ => bail!("the markers in the printed interface are out of order: {line}"),
        }
    }
    match open {
        None => Ok(found),
        Some((kind, _)) => bail!("the printed {kind} has no end"),
    }
}

/// Takes a list out of a part.
fn list(part: &mut Value, field: Option<&str>) -> Result<Vec<Value>> {
    let value = match field {
        Some(field) => part[field].take(),
        None => part.take(),
    };
    match value {
        Value::Array(items) => Ok(items),
        _ => bail!(
            "the printed interface has no list {}",
            field.unwrap_or_default()
        ),
    }
}

fn name(item: &Value) -> Result<String> {
    let name = item["name"]
        .as_str()
        .context("a printed type has no name")?;
    Ok(name.to_owned())
}

/// Replaces `a::b::Name` by `Name` wherever that is the only path to a `Name`.
fn shorten(idl: &mut Idl) {
    let mut paths = BTreeMap::<String, BTreeSet<String>>::new();
    let mut parts: Vec<&mut Value> = [
        &mut idl.instructions,
        &mut idl.accounts,
        &mut idl.events,
        &mut idl.types,
    ]
    .into_iter()
    .flatten()
    .collect();
    for part in &mut parts {
        texts(part, &mut |text| {
            if let Some(last) = last_of_path(text) {
                let known = paths.entry(last.to_owned()).or_default();
                known.insert(text.clone());
            }
        });
    }
    for part in &mut parts {
        texts(part, &mut |text| {
            let Some(last) = last_of_path(text).map(str::to_owned) else {
                return;
            };
            if paths.get(&last).is_some_and(|known| known.len() == 1) {
                *text = last;
            }
        });
    }
}

/// The last segment of a Rust path of at least two.
fn last_of_path(text: &str) -> Option<&str> {
    let is_name =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || c == '_');
    let (_, last) = text.rsplit_once("::")?;
    text.split("::").all(is_name).then_some(last)
}

fn texts(value: &mut Value, visit: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter_mut().for_each(|item| texts(item, visit)),
        Value::Object(fields) => fields.values_mut().for_each(|field| texts(field, visit)),
        _ => {}
    }
}

/// No discriminator may be missing, all zero, or the beginning of another.
fn check_discriminators(what: &str, items: &[Value]) -> Result<()> {
    let mut known = Vec::<(&str, Vec<u64>)>::new();
    for item in items {
        let name = item["name"].as_str().unwrap_or_default();
        let bytes: Vec<_> = item["discriminator"]
            .as_array()
            .map(|bytes| bytes.iter().filter_map(Value::as_u64).collect())
            .unwrap_or_default();
        if bytes.is_empty() || (what == "accounts" && bytes.iter().all(|byte| *byte == 0)) {
            bail!("{what}: `{name}` has no usable discriminator");
        }
        for (other, taken) in &known {
            if taken.starts_with(&bytes) || bytes.starts_with(taken) {
                bail!(
                    "{what}: `{name}` and `{other}` have discriminators that cannot be told apart"
                );
            }
        }
        known.push((name, bytes));
    }
    Ok(())
}

/// Anchor.toml with the program's address wherever `quern = "…"` stands.
fn with_address(config: &str, address: &str) -> Result<String> {
    let mut found = 0;
    let lines: Vec<_> = config
        .lines()
        .map(|line| match line.starts_with("quern = \"") {
            true => {
                found += 1;
                format!("quern = \"{address}\"")
            }
            false => line.to_owned(),
        })
        .collect();
    if found == 0 {
        bail!("Anchor.toml has no line `quern = \"…\"` under [programs.…]");
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const PRINTED: &str = r#"
running 4 tests
--- IDL begin address ---
Abc111
--- IDL end address ---
noise
--- IDL begin event ---
{"event":{"name":"Done","discriminator":[9]},"types":[{"name":"m::Done","type":{"kind":"struct"}}]}
--- IDL end event ---
--- IDL begin errors ---
[{"code":6001,"name":"B"},{"code":6000,"name":"A"}]
--- IDL end errors ---
--- IDL begin program ---
{"address":"","metadata":{"name":"quern"},"instructions":[{"name":"b","discriminator":[2]},{"name":"a","discriminator":[1]}],
"accounts":[{"name":"Job","discriminator":[7]}],"types":[{"name":"m::Job"},{"name":"m::Done","type":{"kind":"struct"}}]}
--- IDL end program ---
"#;

    #[test]
    fn puts_the_parts_together() {
        let idl = assemble(PRINTED).unwrap();
        assert_eq!(idl.address, "Abc111");
        let names =
            |items: &[Value]| -> Vec<String> { items.iter().map(|i| name(i).unwrap()).collect() };
        assert_eq!(names(&idl.instructions), ["a", "b"]);
        assert_eq!(names(&idl.types), ["Done", "Job"]);
        assert_eq!(names(&idl.errors), ["A", "B"]);
        assert_eq!(names(&idl.events), ["Done"]);
    }

    #[test]
    fn refuses_what_is_incomplete_or_ambiguous() {
        let without = |text: &str| PRINTED.replace(text, "");
        assert!(assemble(&without("--- IDL end program ---")).is_err());
        assert!(assemble(&without("--- IDL begin event ---")).is_err());
        assert!(assemble("").is_err());
        let clash = PRINTED.replace(r#""discriminator":[2]"#, r#""discriminator":[1,5]"#);
        assert!(assemble(&clash).is_err());
        let zero = PRINTED.replace(r#""discriminator":[7]"#, r#""discriminator":[0]"#);
        assert!(assemble(&zero).is_err());
    }

    #[test]
    fn two_types_of_one_name_keep_their_paths() {
        let printed = PRINTED.replace(
            r#"{"name":"m::Job"}"#,
            r#"{"name":"m::Job"},{"name":"n::Job"}"#,
        );
        let idl = assemble(&printed).unwrap();
        let names: Vec<_> = idl.types.iter().map(|i| name(i).unwrap()).collect();
        assert_eq!(names, ["Done", "m::Job", "n::Job"]);
    }

    #[test]
    fn writes_the_address_to_every_cluster() {
        let config = "[programs.localnet]\nquern = \"old\"\n[programs.devnet]\nquern = \"old\"\n";
        let now = with_address(config, "new").unwrap();
        assert_eq!(now, config.replace("old", "new"));
        assert!(with_address("[programs.localnet]\n", "new").is_err());
    }
}
