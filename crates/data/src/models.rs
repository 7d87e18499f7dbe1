//! Where imported models lie, and which there are.

use {
    crate::{
        error::{DataError, Result},
        model::{CARD, Card, ModelFolder},
    },
    quern_client::config,
    std::{
        env, fs,
        path::{Path, PathBuf},
    },
};

/// Where imported models lie, each in a folder of its name.
pub const MODELS_ENV: &str = "QUERN_MODELS";
/// Where they lie without that.
const MODELS: &str = "~/.local/share/quern/models";
/// Most folders to look into for a model that is named as it is registered.
const MOST_FOLDERS: usize = 1_000;

/// The folder with the imported models.
pub struct Models(PathBuf);

impl Models {
    /// The one that the environment names, otherwise the usual one.
    pub fn usual() -> Self {
        let named = env::var_os(MODELS_ENV).filter(|value| !value.is_empty());
        Self(named.map_or_else(|| config::expand(MODELS), PathBuf::from))
    }

    /// Another one.
    pub const fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The folder of a model that is named by its path, by its folder's name here, or by the name that it is registered with.
    pub fn place(&self, text: &str) -> Option<PathBuf> {
        let mut places = self.places(text).into_iter();
        let named = places.find(|place| ModelFolder::is(place));
        named.or_else(|| {
            let mut all = self.all().into_iter();
            let registered = all.find(|(_, card)| card.name == text);
            registered.map(|(place, _)| place)
        })
    }

    /// That there is no such model, and which there are.
    pub fn missing(&self, text: &str) -> DataError {
        let known = self.all().into_iter().map(|(place, card)| {
            let folder = place.file_name().unwrap_or_default().to_string_lossy();
            match folder == card.name {
                true => card.name,
                false => format!("{folder} ({})", card.name),
            }
        });
        DataError::NoModel {
            places: self.places(text),
            folder: self.0.clone(),
            known: known.collect(),
        }
    }

    fn places(&self, text: &str) -> Vec<PathBuf> {
        let mut places = vec![PathBuf::from(text), self.0.join(text)];
        places.dedup();
        places
    }

    /// All that can be read here, in the order of their folders.
    fn all(&self) -> Vec<(PathBuf, Card)> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let card = |place: &Path| serde_json::from_slice(&fs::read(place.join(CARD)).ok()?).ok();
        let places = entries.take(MOST_FOLDERS).map(|entry| entry.path());
        let mut all: Vec<(PathBuf, Card)> = places
            .filter_map(|place| card(&place).map(|card| (place, card)))
            .collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }
}

impl ModelFolder {
    /// The folder that is named by its path, or among the imported models by its name or by that which the model is registered
    /// with.
    ///
    /// # Errors
    /// That there is none, and how to make one; or what is wrong with it.
    pub fn find(text: &str) -> Result<Self> {
        let models = Models::usual();
        match models.place(text) {
            Some(place) => Self::read(&place),
            None => Err(models.missing(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, serde_json::Value};

    #[test]
    fn a_model_is_found_by_path_folder_or_name() {
        let home = tempfile::tempdir().unwrap();
        let models = Models::at(home.path().to_owned());
        let none = models.missing("minilm").to_string();
        assert!(!none.contains("there are"), "{none}");
        for (folder, name) in [("minilm", "all-MiniLM-L6-v2"), ("tiny", "tiny")] {
            let card = Card {
                name: name.to_owned(),
                graph_sha256: String::new(),
                sequence: None,
                input_scale: None,
                output_scale: None,
                quality: Value::Null,
                made_of: Vec::new(),
            };
            let place = home.path().join(folder);
            fs::create_dir(&place).unwrap();
            fs::write(place.join(CARD), serde_json::to_vec(&card).unwrap()).unwrap();
        }
        fs::create_dir(home.path().join("empty")).unwrap();
        let minilm = home.path().join("minilm");
        for text in ["minilm", "all-MiniLM-L6-v2", minilm.to_str().unwrap()] {
            assert_eq!(models.place(text), Some(minilm.clone()), "{text}");
        }
        assert_eq!(models.place("empty"), None);
        let absolute = home.path().join("nothing");
        let said = models.missing(absolute.to_str().unwrap()).to_string();
        assert_eq!(said.matches("nothing").count(), 1, "{said}");
        assert!(
            said.contains("there are minilm (all-MiniLM-L6-v2), tiny"),
            "{said}"
        );
    }
}
