//! Accounts of instructions as a client needs them: fixed addresses, and nothing in place of an address that is none.

use anyhow::{Result, bail};
use serde_json::Value;

/// What Anchor says of the accounts that it adds for events, and what a client wants to know.
const OF_EVENTS: [(&str, &str); 2] = [
    ("event_authority", "Signs the program's events."),
    ("program", "This program, which its events are sent to."),
];

/// Corrects the accounts of every instruction.
pub fn correct(instructions: &mut [Value], program_id: &str) {
    for instruction in instructions {
        let accounts = instruction["accounts"].as_array_mut();
        for account in accounts.into_iter().flatten() {
            correct_one(account, program_id);
        }
    }
}

fn correct_one(account: &mut Value, program_id: &str) {
    let Value::Object(fields) = account else {
        return;
    };
    // Anchor puts the Rust expression of an `address = …` here; only a key is one.
    let is_key = |value: &Value| value.as_str().is_some_and(is_address);
    if fields
        .get("address")
        .is_some_and(|address| !is_key(address))
    {
        fields.remove("address");
    }
    for (name, docs) in OF_EVENTS {
        if fields.get("name").is_some_and(|found| found == name) {
            fields.insert("docs".to_owned(), vec![docs].into());
        }
    }
    if fields.get("name").is_some_and(|name| name == "program") {
        fields.insert("address".to_owned(), program_id.into());
    }
}

/// Adds to an instruction's docs which accounts follow the fixed ones: the description has no field for them.
pub fn add_remaining<'a>(
    instructions: &mut [Value],
    remaining: impl Iterator<Item = (&'a String, &'a String)>,
) -> Result<()> {
    for (name, text) in remaining {
        let found = instructions
            .iter_mut()
            .find(|found| found["name"] == name.as_str());
        let Some(docs) = found.and_then(|found| found["docs"].as_array_mut()) else {
            bail!(
                "programs/quern/src/idl.rs says which accounts follow those of `{name}`, which is no instruction"
            );
        };
        docs.push(format!("Remaining accounts: {text}").into());
    }
    Ok(())
}

/// 32 bytes in base58.
fn is_address(text: &str) -> bool {
    bs58::decode(text)
        .into_vec()
        .is_ok_and(|bytes| bytes.len() == 32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    const ID: &str = "QWpF7y1ZAyq8zNNLZYL87sqdCw9T8RBT3CfsE72QwUe";

    #[test]
    fn an_address_is_a_key_or_is_not_there() {
        let mut found = [json!({"accounts": [
            {"name": "proposed", "address": "protocol.pending_authority"},
            {"name": "system_program", "address": "11111111111111111111111111111111"},
            {"name": "short", "address": "abc"},
            {"name": "program", "docs": ["CHECK: …"]}]})];
        correct(&mut found, ID);
        let addresses: Vec<_> = found[0]["accounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|account| account["address"].as_str())
            .collect();
        let system = "11111111111111111111111111111111";
        assert_eq!(addresses, [None, Some(system), None, Some(ID)]);
        assert!(!found[0].to_string().contains("CHECK"));
    }

    #[test]
    fn every_instruction_that_takes_remaining_accounts_says_which() {
        let idl = std::fs::read_to_string(crate::shell::root().join(crate::idl::IDL)).unwrap();
        let idl: Value = serde_json::from_str(&idl).unwrap();
        let mut folders = vec![crate::shell::root().join("programs/quern/src/instructions")];
        let mut takers = 0;
        while let Some(folder) = folders.pop() {
            for item in std::fs::read_dir(folder).unwrap() {
                let path = item.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                if !text.contains(".remaining_accounts()") {
                    continue;
                }
                let (_, rest) = text.split_once("pub fn handle_").unwrap();
                let (name, _) = rest.split_once('(').unwrap();
                let instructions = idl["instructions"].as_array().unwrap();
                let found = instructions.iter().find(|found| found["name"] == name);
                let says = found.unwrap()["docs"]
                    .to_string()
                    .contains("Remaining accounts:");
                assert!(
                    says,
                    "{name} takes remaining accounts: say which in programs/quern/src/idl.rs"
                );
                takers += 1;
            }
        }
        assert!(takers > 0);
    }

    #[test]
    fn remaining_accounts_stand_in_the_docs() {
        let mut found = [json!({"name": "pay", "docs": ["Pays."]})];
        let say = |name: &str| BTreeMap::from([(name.to_owned(), "the purse.".to_owned())]);
        add_remaining(&mut found, say("pay").iter()).unwrap();
        assert_eq!(
            found[0]["docs"],
            json!(["Pays.", "Remaining accounts: the purse."])
        );
        assert!(add_remaining(&mut found, say("burn").iter()).is_err());
    }
}
