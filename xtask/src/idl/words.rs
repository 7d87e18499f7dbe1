//! Texts of the description: names in other cases, and docs without the links that only rustdoc follows.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde_json::Value;

/// What a field is called that holds a code.
const OF_CODES: [&str; 4] = ["kind", "state", "assurance", "reason"];

/// Numbers and names of a table of codes, by the table's name.
pub type Codes = BTreeMap<String, Vec<(u8, String)>>;

/// `mint_config` as `MintConfig`, `MAX_FEE` as `MaxFee`.
pub fn pascal_case(name: &str) -> String {
    let is_shouted = !name.chars().any(char::is_lowercase);
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        let rest = letters.map(|letter| match is_shouted {
            true => letter.to_ascii_lowercase(),
            false => letter,
        });
        first.into_iter().chain(rest).collect::<String>()
    };
    name.split('_').map(word).collect()
}

/// `mint_config` and `MintConfig` as `mintConfig`.
pub fn camel_case(name: &str) -> String {
    let pascal = pascal_case(name);
    let mut letters = pascal.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// `JobState_data_set` as `JOB_STATE_DATA_SET`.
pub fn shouted_case(name: &str) -> String {
    let mut shouted = String::new();
    let mut is_after_small = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && is_after_small {
            shouted.push('_');
        }
        is_after_small = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        shouted.push(letter.to_ascii_uppercase());
    }
    shouted
}

/// Rewrites every doc: [`JobState`] becomes the names and numbers of the table, another link its last word.
pub fn unlink(value: &mut Value, codes: &Codes) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| unlink(item, codes)),
        Value::Object(fields) => {
            for (key, field) in fields {
                match field {
                    Value::Array(lines) if key == "docs" => {
                        for line in lines {
                            if let Value::String(text) = line {
                                *text = without_links(text, codes);
                            }
                        }
                    }
                    _ => unlink(field, codes),
                }
            }
        }
        _ => {}
    }
}

/// Fails where a field holds a code and its docs do not say which numbers there are.
pub fn check_codes(types: &[Value]) -> Result<()> {
    for found in types {
        for field in found["type"]["fields"].as_array().into_iter().flatten() {
            let name = field["name"].as_str().unwrap_or_default();
            let is_code = field["type"] == "u8" && OF_CODES.iter().any(|word| name.ends_with(word));
            let says_numbers = field["docs"].to_string().contains("(1 ");
            if is_code && !says_numbers {
                bail!(
                    "field `{name}` of {} holds a code: name its table in the doc, as [`JobState`]",
                    found["name"]
                );
            }
        }
    }
    Ok(())
}

fn without_links(text: &str, codes: &Codes) -> String {
    let (mut done, mut rest) = (String::new(), text);
    while let Some((before, link)) = rest.split_once("[`") {
        let Some((path, after)) = link.split_once("`]") else {
            break;
        };
        let name = path.rsplit("::").next().unwrap_or(path);
        done.push_str(before);
        done.push_str(&format!("`{name}`"));
        if let Some(table) = codes.get(name) {
            let table: Vec<_> = table
                .iter()
                .map(|(code, name)| format!("{code} {name}"))
                .collect();
            done.push_str(&format!(" ({})", table.join(", ")));
        }
        rest = after;
    }
    done + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_change_their_case() {
        for (name, pascal, camel) in [
            ("mint_config", "MintConfig", "mintConfig"),
            ("MintConfig", "MintConfig", "mintConfig"),
            ("reward_rate_e9", "RewardRateE9", "rewardRateE9"),
            ("MAX_FEE_BPS", "MaxFeeBps", "maxFeeBps"),
            ("job", "Job", "job"),
        ] {
            assert_eq!(
                (pascal_case(name), camel_case(name)),
                (pascal.into(), camel.into())
            );
        }
    }

    #[test]
    fn constants_are_shouted() {
        assert_eq!(shouted_case("AssetKind_data_set"), "ASSET_KIND_DATA_SET");
    }

    #[test]
    fn a_code_without_its_numbers_is_refused() {
        let with = |name: &str, docs: &str| {
            let field = json!({"name": name, "type": "u8", "docs": [docs]});
            check_codes(&[json!({"name": "Job", "type": {"fields": [field]}})])
        };
        assert!(with("from_state", "Code of `JobState` (1 open).").is_ok());
        assert!(with("from_state", "The state.").is_err());
        assert!(with("milestone", "Which.").is_ok());
    }

    #[test]
    fn a_link_becomes_what_it_leads_to() {
        let codes = Codes::from([(
            "State".to_owned(),
            vec![(1, "open".to_owned()), (2, "taken".to_owned())],
        )]);
        let mut value = json!({"fields": [
            {"name": "a", "docs": ["Code of [`crate::state::State`], 0 before."]},
            {"name": "b", "docs": ["A [`a::NodeId`] or a [`Tree`]; `plain` stays, [`open stays"]},
        ]});
        unlink(&mut value, &codes);
        assert_eq!(
            value["fields"][0]["docs"][0],
            "Code of `State` (1 open, 2 taken), 0 before."
        );
        assert_eq!(
            value["fields"][1]["docs"][0],
            "A `NodeId` or a `Tree`; `plain` stays, [`open stays"
        );
    }
}
