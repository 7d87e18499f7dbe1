//! Layouts as they are on chain: packed, little-endian, which is what Borsh reads and writes.
//!
//! Anchor describes accounts as C structs with aligned numbers; the program's structs have an alignment of 1 and no padding.
//! A client that honours the description would read fields at the wrong place, and Rust's stock client does not compile.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// Says of every account that it is Borsh, after comparing its packed size with the program's.
pub fn pack(types: &mut [Value], accounts: &[Value], sizes: &BTreeMap<String, u64>) -> Result<()> {
    for found in types.iter_mut() {
        if let Value::Object(parts) = found {
            parts.remove("serialization");
            parts.remove("repr");
        }
    }
    for account in accounts {
        let name = account["name"].as_str().unwrap_or_default();
        let on_chain = sizes.get(name).with_context(|| {
            format!("the program prints no size of `{name}`: add it to programs/quern/src/idl.rs")
        })?;
        let described = size_of_defined(name, types)?;
        if described != *on_chain {
            bail!(
                "`{name}` has {on_chain} bytes in the program and {described} in its description"
            );
        }
    }
    Ok(())
}

/// Calls a list of bytes bytes: the same on the wire, and what clients have a type of their own for.
pub fn name_bytes(value: &mut Value) {
    if *value == json!({ "vec": "u8" }) {
        *value = "bytes".into();
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(name_bytes),
        Value::Object(fields) => fields.values_mut().for_each(name_bytes),
        _ => {}
    }
}

/// Packed size of a type that always has the same.
fn size_of(kind: &Value, types: &[Value]) -> Result<u64> {
    if let Some(name) = kind.as_str() {
        return Ok(match name {
            "bool" | "u8" | "i8" => 1,
            "u16" | "i16" => 2,
            "u32" | "i32" | "f32" => 4,
            "u64" | "i64" | "f64" => 8,
            "u128" | "i128" => 16,
            "pubkey" => 32,
            _ => bail!("`{name}` has no fixed size"),
        });
    }
    if let Some(name) = kind["defined"]["name"].as_str() {
        return size_of_defined(name, types);
    }
    let length = kind["array"][1].as_u64();
    let length = length.with_context(|| format!("{kind} has no fixed size"))?;
    size_of(&kind["array"][0], types)?
        .checked_mul(length)
        .context("an array is too long")
}

fn size_of_defined(name: &str, types: &[Value]) -> Result<u64> {
    let found = types.iter().find(|found| found["name"] == name);
    let shape = &found.with_context(|| format!("the type `{name}` is not described"))?["type"];
    if shape["kind"] != "struct" {
        bail!("`{name}` is no struct, so it has no fixed size");
    }
    let mut sum = 0_u64;
    for field in shape["fields"].as_array().into_iter().flatten() {
        let size = size_of(&field["type"], types)
            .with_context(|| format!("field {} of `{name}`", field["name"]))?;
        sum = sum.saturating_add(size);
    }
    Ok(sum)
}

/// Drops every type that nothing refers to: generators fail at kinds that they do not know, even where nobody uses them.
pub fn prune(types: &mut Vec<Value>, users: &[&[Value]]) {
    let mut used = BTreeSet::new();
    let mut open: Vec<String> = Vec::new();
    for item in users.iter().copied().flatten() {
        // An account or an event has its fields in the type of its name.
        open.extend(item["name"].as_str().map(str::to_owned));
        references(item, &mut open);
    }
    while let Some(name) = open.pop() {
        let found = types.iter().find(|found| found["name"] == name.as_str());
        if let Some(found) = found
            && used.insert(name)
        {
            references(found, &mut open);
        }
    }
    types.retain(|found| {
        found["name"]
            .as_str()
            .is_some_and(|name| used.contains(name))
    });
}

/// Names of the types that are mentioned.
fn references(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, into)),
        Value::Object(fields) => {
            into.extend(value["defined"]["name"].as_str().map(str::to_owned));
            fields.values().for_each(|field| references(field, into));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn types() -> Vec<Value> {
        vec![
            json!({"name": "Job", "serialization": "bytemuck", "repr": {"kind": "c"}, "type": {"kind": "struct", "fields": [
                {"name": "state", "type": "u8"},
                {"name": "seq", "type": "u64"},
                {"name": "terms", "type": {"defined": {"name": "Terms"}}},
                {"name": "roots", "type": {"array": [{"array": ["u8", 32]}, 4]}}]}}),
            json!({"name": "PodU64", "type": {"kind": "type", "alias": "u64"}}),
            json!({"name": "Terms", "type": {"kind": "struct", "fields": [{"name": "fee_bps", "type": "u16"}]}}),
        ]
    }

    #[test]
    fn an_account_is_packed_and_its_size_is_the_programs() {
        let accounts = [json!({"name": "Job"})];
        let sizes = |bytes| BTreeMap::from([("Job".to_owned(), bytes)]);
        let mut packed = types();
        pack(&mut packed, &accounts, &sizes(1 + 8 + 2 + 128)).unwrap();
        assert!(packed[0].get("serialization").is_none() && packed[0].get("repr").is_none());
        // 144: what a C compiler makes of the same fields.
        let error = pack(&mut types(), &accounts, &sizes(144)).unwrap_err();
        assert!(error.to_string().contains("144"), "{error}");
        assert!(pack(&mut types(), &accounts, &BTreeMap::new()).is_err());
    }

    #[test]
    fn a_field_without_a_fixed_size_is_refused() {
        let mut open = types();
        open[0]["type"]["fields"][0]["type"] = json!({"vec": "u8"});
        let sizes = BTreeMap::from([("Job".to_owned(), 139)]);
        assert!(pack(&mut open, &[json!({"name": "Job"})], &sizes).is_err());
    }

    #[test]
    fn a_list_of_bytes_is_bytes() {
        let mut value = json!([{"type": {"vec": "u8"}}, {"type": {"option": {"vec": "u8"}}}, {"type": {"vec": "u16"}}]);
        name_bytes(&mut value);
        assert_eq!(
            value,
            json!([{"type": "bytes"}, {"type": {"option": "bytes"}}, {"type": {"vec": "u16"}}])
        );
    }

    #[test]
    fn only_types_that_something_refers_to_stay() {
        let mut left = types();
        let user =
            json!({"name": "pay", "args": [{"type": {"option": {"defined": {"name": "Job"}}}}]});
        prune(&mut left, &[&[user]]);
        let names: Vec<_> = left
            .iter()
            .map(|found| found["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["Job", "Terms"]);
    }
}
