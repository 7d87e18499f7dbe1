//! Batches: each is a file `ID.json`, written whole at every step.

use {
    super::super::error::ApiError,
    quern_api::openai::Batch,
    quern_data::{DataError, files, runtime::lock},
    serde::{Deserialize, Serialize},
    std::{
        collections::{BTreeMap, BTreeSet},
        fs,
        path::{Path, PathBuf},
        sync::Mutex,
    },
};

/// Most batches that are kept. The oldest that have ended are forgotten; their files stay.
const MAX_BATCHES: usize = 1000;
/// Most that have not ended.
const MAX_OPEN: usize = 100;

/// The batches.
pub struct BatchStore {
    folder: PathBuf,
    held: Mutex<BTreeMap<String, Record>>,
}

/// A batch with what its work needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// What is told of it.
    pub batch: Batch,
    /// SHA-256 of the request that made it, in hexadecimal digits.
    pub body_sha256: String,
    /// The hash of that request's idempotency key, if it had one.
    pub key: Option<String>,
    /// How far it is.
    pub work: Work,
}

/// How far the work on a batch is. Everything before is in its files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Work {
    /// Where in the input the next line begins.
    pub at: u64,
    /// Lines before it, empty ones too.
    pub line: u64,
    /// Where answers go.
    pub output: Part,
    /// Where requests without an answer go.
    pub errors: Part,
    /// The engine's name of the request whose answers were written last: it may not be forgotten there yet.
    pub written: Option<String>,
}

/// A file that grows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Part {
    /// Its id.
    pub id: String,
    /// Its bytes so far; what lies behind was not finished.
    pub bytes: u64,
}

impl BatchStore {
    /// Opens a folder.
    pub fn open(folder: &Path) -> Result<Self, DataError> {
        files::create_folder(folder)?;
        files::sweep(folder, std::time::Duration::ZERO)?;
        let entries = fs::read_dir(folder).map_err(|error| files::failed(folder, &error))?;
        let mut held = BTreeMap::new();
        for entry in entries {
            let path = entry.map_err(|error| files::failed(folder, &error))?.path();
            if path.extension().is_none_or(|end| end != "json") {
                continue;
            }
            let text = files::read(&path)?.unwrap_or_default();
            match serde_json::from_slice::<Record>(&text) {
                Ok(record) => {
                    held.insert(record.batch.id.clone(), record);
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "not a batch; leaving it aside");
                }
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            held: Mutex::new(held),
        })
    }

    /// Files of batches that have not ended.
    pub fn parts(&self) -> BTreeSet<String> {
        let held = lock(&self.held);
        let open = held
            .values()
            .filter(|record| !record.batch.status.has_ended());
        open.flat_map(|record| [&record.work.output.id, &record.work.errors.id])
            .cloned()
            .collect()
    }

    /// A batch.
    pub fn get(&self, id: &str) -> Option<Record> {
        lock(&self.held).get(id).cloned()
    }

    /// Batches, newest first.
    pub fn all(&self) -> Vec<Batch> {
        let held = lock(&self.held);
        held.values()
            .rev()
            .map(|record| record.batch.clone())
            .collect()
    }

    /// The newest batch of which this holds.
    pub fn find(&self, is_it: impl Fn(&Record) -> bool) -> Option<Record> {
        let held = lock(&self.held);
        held.values().rev().find(|record| is_it(record)).cloned()
    }

    /// Ids of those that have not ended, oldest first.
    pub fn open_ids(&self) -> Vec<String> {
        let held = lock(&self.held);
        let open = held
            .values()
            .filter(|record| !record.batch.status.has_ended());
        open.map(|record| record.batch.id.clone()).collect()
    }

    /// Keeps a new batch, or finds the newest one of which this holds: of requests at the same time, too, one makes it.
    pub fn add(&self, record: Record, is_it: impl Fn(&Record) -> bool) -> Result<Record, ApiError> {
        let mut held = lock(&self.held);
        if let Some(found) = held.values().rev().find(|record| is_it(record)) {
            return Ok(found.clone());
        }
        let open = held
            .values()
            .filter(|record| !record.batch.status.has_ended());
        if open.count() >= MAX_OPEN {
            return Err(ApiError::busy(format!(
                "{MAX_OPEN} batches have not ended, and no more are taken; wait for one or cancel one"
            )));
        }
        self.write(&record)?;
        held.insert(record.batch.id.clone(), record.clone());
        if held.len() > MAX_BATCHES {
            let ended = held.values().find(|record| record.batch.status.has_ended());
            if let Some(id) = ended.map(|record| record.batch.id.clone()) {
                match files::remove(&self.path(&id)) {
                    Ok(()) => drop(held.remove(&id)),
                    // The new one is kept all the same.
                    Err(error) => tracing::warn!(id, %error, "an old batch was not forgotten"),
                }
            }
        }
        Ok(record)
    }

    /// Changes a batch, on disk first. None if there is none.
    pub fn change<T>(
        &self,
        id: &str,
        change: impl FnOnce(&mut Record) -> T,
    ) -> Result<Option<(T, Batch)>, DataError> {
        let mut held = lock(&self.held);
        let Some(record) = held.get_mut(id) else {
            return Ok(None);
        };
        let mut changed = record.clone();
        let outcome = change(&mut changed);
        self.write(&changed)?;
        let batch = changed.batch.clone();
        *record = changed;
        Ok(Some((outcome, batch)))
    }

    fn write(&self, record: &Record) -> Result<(), DataError> {
        let path = self.path(&record.batch.id);
        let text = serde_json::to_vec(record).map_err(|error| files::failed(&path, &error))?;
        files::write(&path, &text)
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
}
