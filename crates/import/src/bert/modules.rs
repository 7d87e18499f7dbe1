//! What makes a text's vector of the vectors of its tokens: the files that sentence encoders have beside their weights.

use std::{fs, io::ErrorKind, path::Path};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Error, Result};

/// The steps behind the encoder, if there are more files than the encoder's own.
const MODULES: &str = "modules.json";
/// Where the pooling stands, if nothing says another place.
const POOLING: &str = "1_Pooling";

/// A step. Its type is the path of a class.
#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Refuses an encoder whose files say that its vectors are made in another way than by the mean over the tokens. Where there are
/// no such files beside the weights, nothing says so.
///
/// # Errors
/// `Unsupported`, or a file that can't be read.
pub fn check_beside(weights: &Path) -> Result<()> {
    let (mut pooling, mut is_listed) = (POOLING.to_owned(), false);
    if let Some(bytes) = beside(weights, MODULES)? {
        for module in serde_json::from_slice::<Vec<Module>>(&bytes)? {
            match module.kind.rsplit('.').next().unwrap_or_default() {
                // A vector's length is divided out where it is used.
                "Transformer" | "Normalize" => {}
                "Pooling" => (pooling, is_listed) = (module.path, true),
                other => {
                    return Err(Error::Unsupported {
                        what: "a step of modules.json",
                        found: other.to_owned(),
                        supported: "Transformer, Pooling or Normalize",
                    });
                }
            }
        }
    }
    match beside(weights, &format!("{pooling}/config.json"))? {
        Some(bytes) => check_pooling(&serde_json::from_slice(&bytes)?),
        None if is_listed => Err(Error::Unsupported {
            what: "pooling",
            found: format!("listed by {MODULES}, and {pooling}/config.json is not there"),
            supported: "the mean over the tokens, said by that file",
        }),
        None => Ok(()),
    }
}

fn beside(weights: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    // A name that begins at the root would leave the folder.
    let folder = weights.parent().unwrap_or(Path::new(""));
    let path = folder.join(name.trim_start_matches('/'));
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// `pooling_mode_mean_tokens` and others are true or false; newer files name one as `pooling_mode`.
fn check_pooling(config: &Map<String, Value>) -> Result<()> {
    const PREFIX: &str = "pooling_mode_";
    let named = config.get("pooling_mode").and_then(Value::as_str);
    let flags = config
        .iter()
        .filter(|(_, value)| **value == Value::Bool(true));
    let flags = flags.filter_map(|(name, _)| name.strip_prefix(PREFIX));
    let modes: Vec<&str> = named.into_iter().chain(flags).collect();
    let is_mean = |mode: &&str| matches!(*mode, "mean" | "mean_tokens");
    if !modes.is_empty() && modes.iter().all(is_mean) {
        return Ok(());
    }
    Err(Error::Unsupported {
        what: "pooling",
        found: match modes.is_empty() {
            true => "not named".to_owned(),
            false => modes.join(" with "),
        },
        supported: "the mean over the tokens",
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_the_mean_is_imported() {
        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("model.safetensors");
        let check = |pooling: &str| {
            let place = folder.path().join(POOLING);
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join("config.json"), pooling).unwrap();
            check_beside(&weights).map_err(|error| error.to_string())
        };
        assert!(check_beside(&weights).is_ok(), "there is nothing beside it");
        let flags = |cls: bool, mean: bool| {
            format!(
                r#"{{"word_embedding_dimension": 384, "pooling_mode_cls_token": {cls}, "pooling_mode_mean_tokens": {mean}, "include_prompt": true}}"#
            )
        };
        assert_eq!(check(&flags(false, true)), Ok(()));
        assert_eq!(check(r#"{"pooling_mode": "mean"}"#), Ok(()));
        for (pooling, found) in [
            (flags(true, false), "pooling is cls_token"),
            (flags(true, true), "pooling is cls_token with mean_tokens"),
            (flags(false, false), "pooling is not named"),
            (r#"{"pooling_mode": "max"}"#.to_owned(), "pooling is max"),
        ] {
            let said = check(&pooling).unwrap_err();
            assert!(said.starts_with(found), "{said}");
            assert!(said.contains("the mean over the tokens"), "{said}");
        }
        assert!(check("[").is_err());

        // Where the steps are listed.
        let modules = |kind: &str| {
            let text = format!(
                r#"[{{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}},
                    {{"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}},
                    {{"idx": 2, "name": "2", "path": "2_X", "type": "sentence_transformers.models.{kind}"}}]"#
            );
            fs::write(folder.path().join(MODULES), text).unwrap();
        };
        modules("Normalize");
        assert_eq!(check(&flags(false, true)), Ok(()));
        assert!(check(&flags(true, false)).is_err());
        fs::remove_file(folder.path().join(POOLING).join("config.json")).unwrap();
        let said = check_beside(&weights).unwrap_err().to_string();
        assert!(
            said.contains("1_Pooling/config.json is not there"),
            "{said}"
        );
        modules("Dense");
        let said = check(&flags(false, true)).unwrap_err();
        assert!(said.contains("Dense"), "{said}");
    }
}
