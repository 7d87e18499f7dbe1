//! The description, put together from its printed parts.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::printed::{self, list, name};
use super::words::{self, Codes};
use super::{accounts, addresses, layout, paths};

/// The description, with its parts in the customary order.
#[derive(Debug, Serialize, PartialEq)]
pub struct Idl {
    pub address: String,
    metadata: Value,
    instructions: Vec<Value>,
    accounts: Vec<Value>,
    events: Vec<Value>,
    errors: Vec<Value>,
    types: Vec<Value>,
    constants: Vec<Value>,
}

/// What the printed parts say, before types are sorted.
#[derive(Default)]
struct Parts {
    address: Option<String>,
    program: Option<Value>,
    constants: Vec<Value>,
    events: Vec<Value>,
    errors: Vec<Value>,
    types: BTreeMap<String, Value>,
    clients: ForClients,
}

/// What clients need and Anchor does not describe: programs/quern/src/idl.rs prints it.
#[derive(Default, Deserialize)]
struct ForClients {
    /// Numbers and names, by table.
    codes: Codes,
    /// Bytes of an account behind its discriminator, by type.
    sizes: BTreeMap<String, u64>,
    /// Accounts behind the fixed ones, by instruction.
    remaining: BTreeMap<String, String>,
}

impl Parts {
    fn read(printed: &str) -> Result<Self> {
        let mut found = Self::default();
        for (kind, text) in printed::parts(printed)? {
            if kind == "address" {
                found.address = Some(text.trim().to_owned());
                continue;
            }
            let mut part: Value = serde_json::from_str(&text)
                .with_context(|| format!("the printed {kind} is not JSON: {text}"))?;
            match kind.as_str() {
                "const" => found.constants.push(part),
                "clients" => {
                    found.clients = serde_json::from_value(part)
                        .context("the printed part for clients has another form")?;
                    found.clients.add_constants(&mut found.constants);
                }
                "errors" => found.errors.extend(list(&mut part, None)?),
                "event" => {
                    found.add_types(&mut part)?;
                    found.events.push(part["event"].take());
                }
                "program" => {
                    found.add_types(&mut part)?;
                    found.program = Some(part);
                }
                _ => bail!("the program printed a part that is not known here: {kind}"),
            }
        }
        Ok(found)
    }

    fn add_types(&mut self, part: &mut Value) -> Result<()> {
        for item in list(part, Some("types"))? {
            self.types.insert(name(&item)?, item);
        }
        Ok(())
    }
}

impl ForClients {
    /// Codes as constants: `JOB_STATE_OPEN`. Enums of the description begin at 0, so they cannot be these.
    fn add_constants(&self, constants: &mut Vec<Value>) {
        for (table, codes) in &self.codes {
            for (code, name) in codes {
                constants.push(json!({
                    "name": words::shouted_case(&format!("{table}_{name}")),
                    "type": "u8",
                    "value": code.to_string(),
                }));
            }
        }
    }
}

/// Puts the printed parts together, for anybody's client.
pub fn assemble(printed: &str) -> Result<Idl> {
    let (mut idl, known) = combine(printed)?;
    idl.suit_clients(&known)?;
    Ok(idl)
}

/// The description as Anchor has it, sorted, and what else the program printed.
fn combine(printed: &str) -> Result<(Idl, ForClients)> {
    let parts = Parts::read(printed)?;
    let mut program = parts
        .program
        .context("the program printed no interface: is #[program] there?")?;
    let mut idl = Idl {
        address: parts
            .address
            .context("the program printed no address: is declare_id! there?")?,
        metadata: program["metadata"].take(),
        instructions: list(&mut program, Some("instructions"))?,
        accounts: list(&mut program, Some("accounts"))?,
        events: parts.events,
        errors: parts.errors,
        types: parts.types.into_values().collect(),
        constants: parts.constants,
    };
    idl.sort();
    for (what, items) in [
        ("instructions", &idl.instructions),
        ("accounts", &idl.accounts),
        ("events", &idl.events),
    ] {
        check_discriminators(what, items)?;
    }
    Ok((idl, parts.clients))
}

impl Idl {
    /// Makes it what other people's clients can load, resolve and decode.
    fn suit_clients(&mut self, known: &ForClients) -> Result<()> {
        let users = [
            &self.instructions,
            &self.accounts,
            &self.events,
            &self.constants,
        ];
        layout::prune(&mut self.types, &users.map(Vec::as_slice));
        for items in [&mut self.instructions, &mut self.types] {
            items.iter_mut().for_each(layout::name_bytes);
        }
        layout::pack(&mut self.types, &self.accounts, &known.sizes)?;
        accounts::correct(&mut self.instructions, &self.address);
        accounts::add_remaining(&mut self.instructions, known.remaining.iter())?;
        addresses::add(&mut self.instructions)?;
        for items in [&mut self.instructions, &mut self.types, &mut self.constants] {
            items
                .iter_mut()
                .for_each(|item| words::unlink(item, &known.codes));
        }
        words::check_codes(&self.types)
    }

    /// Shortens paths and sorts everything, so that the file does not depend on the order of the source.
    fn sort(&mut self) {
        let parts = [
            &mut self.instructions,
            &mut self.accounts,
            &mut self.events,
            &mut self.types,
        ];
        paths::shorten(parts.into_iter().flatten().collect());
        for items in [
            &mut self.instructions,
            &mut self.accounts,
            &mut self.events,
            &mut self.types,
            &mut self.constants,
        ] {
            items.sort_by_cached_key(|item| item["name"].as_str().map(str::to_owned));
        }
        self.errors.sort_by_key(|error| error["code"].as_u64());
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
        let (idl, _) = combine(PRINTED).unwrap();
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
        assert!(combine(&without("--- IDL end program ---")).is_err());
        assert!(combine(&without("--- IDL begin event ---")).is_err());
        assert!(combine("").is_err());
        let clash = PRINTED.replace(r#""discriminator":[2]"#, r#""discriminator":[1,5]"#);
        assert!(combine(&clash).is_err());
        let zero = PRINTED.replace(r#""discriminator":[7]"#, r#""discriminator":[0]"#);
        assert!(combine(&zero).is_err());
    }

    #[test]
    fn codes_become_constants() {
        let printed = format!(
            "{PRINTED}--- IDL begin clients ---\n{}\n--- IDL end clients ---\n",
            r#"{"codes":{"JobState":[[1,"open"],[2,"taken"]]},"sizes":{"Job":1},"remaining":{}}"#
        );
        let (idl, known) = combine(&printed).unwrap();
        assert_eq!(known.sizes["Job"], 1);
        assert_eq!(
            idl.constants[1],
            json!({"name": "JOB_STATE_TAKEN", "type": "u8", "value": "2"})
        );
    }

    #[test]
    fn two_types_of_one_name_keep_their_paths() {
        let printed = PRINTED.replace(
            r#"{"name":"m::Job"}"#,
            r#"{"name":"m::Job"},{"name":"n::Job"}"#,
        );
        let (idl, _) = combine(&printed).unwrap();
        let names: Vec<_> = idl.types.iter().map(|i| name(i).unwrap()).collect();
        assert_eq!(names, ["Done", "m::Job", "n::Job"]);
    }
}
