//! What survives a restart, if the watcher has a folder: which cases are finished, and data that were checked.
//!
//! | path in the folder | holds |
//! | --- | --- |
//! | `cases/<job>-<submission>-<result>.json` | the report of a finished case, as it was printed; the last part is a hash of when the job was created and of the committed root, because another cluster has other jobs at the same addresses |
//! | `models/<model>.weights` | weights, compared with their roots again when they are read |
//! | `inputs/<job>.bundle` | inputs, likewise, until the job's result is examined; those of a job that ends while no watcher runs stay |
//!
//! Nothing here is believed against the chain: without it cases are only examined once more. Files are written beside their
//! place and renamed. A lock keeps a second watcher out: it would take the first one's verdicts for its own.

use {
    super::{
        CaseId,
        verdict::{Report, Verdict},
    },
    quern_client::Pubkey,
    quern_data::{Result, files},
    std::{
        fs::{self, File},
        io::ErrorKind,
        path::{Path, PathBuf},
        time::Duration,
    },
};

/// The folder, if there is one.
pub(super) struct Memory {
    folder: Option<PathBuf>,
    /// Held as long as the watcher lives; the system lets go of it when the process ends, however it ends.
    _lock: Option<File>,
}

impl Memory {
    /// Makes the folder.
    pub(super) fn open(folder: Option<&Path>) -> Result<Self> {
        let mut lock = None;
        if let Some(folder) = folder {
            for part in ["cases", "inputs", "models"] {
                files::create_folder(&folder.join(part))?;
            }
            lock = Some(files::lock(folder)?);
            for part in ["cases", "inputs", "models"] {
                files::sweep(&folder.join(part), Duration::ZERO)?;
            }
        }
        Ok(Self {
            folder: folder.map(Path::to_owned),
            _lock: lock,
        })
    }

    fn case(&self, id: &CaseId) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        let result = quern_proof::hash::hash(&[&id.created_at.to_le_bytes(), &id.trace_root]);
        let result: String = hex::encode(result).chars().take(16).collect();
        let name = format!("{}-{}-{result}.json", id.job, id.submission);
        Some(folder.join("cases").join(name))
    }

    /// Whether a case was finished before.
    pub(super) fn is_finished(&self, id: &CaseId) -> bool {
        self.case(id).is_some_and(|path| path.is_file())
    }

    /// Remembers a finished case. What could not be checked or convicted may be tried again by the next process, which may
    /// have other limits.
    pub(super) fn finish(&self, id: &CaseId, report: &Report) {
        let is_open = matches!(
            report.verdict,
            Verdict::CouldNotCheck { .. } | Verdict::Wrong { .. }
        );
        if is_open {
            return;
        }
        if let Some(path) = self.case(id) {
            let text = format!("{}\n", report.json());
            if let Err(error) = files::write(&path, text.as_bytes()) {
                tracing::warn!(%error, "a finished case cannot be remembered; a restart examines it again");
            }
        }
    }

    /// Weights that were kept, if they are there.
    pub(super) fn weights(&self, model: &Pubkey) -> Option<Vec<u8>> {
        read(&self.weights_path(model)?)
    }

    /// Keeps weights.
    pub(super) fn keep_weights(&self, model: &Pubkey, bytes: &[u8]) {
        keep(self.weights_path(model), bytes);
    }

    fn weights_path(&self, model: &Pubkey) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(folder.join("models").join(format!("{model}.weights")))
    }

    /// Inputs of a job that were kept, if they are there.
    pub(super) fn inputs(&self, job: &Pubkey) -> Option<Vec<u8>> {
        read(&self.inputs_path(job)?)
    }

    /// Keeps a job's inputs.
    pub(super) fn keep_inputs(&self, job: &Pubkey, bytes: &[u8]) {
        keep(self.inputs_path(job), bytes);
    }

    /// Lets go of a job's inputs.
    pub(super) fn drop_inputs(&self, job: &Pubkey) {
        if let Some(path) = self.inputs_path(job) {
            let _ = fs::remove_file(path);
        }
    }

    fn inputs_path(&self, job: &Pubkey) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(folder.join("inputs").join(format!("{job}.bundle")))
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    match fs::read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "kept data cannot be read; they are fetched again");
            None
        }
    }
}

fn keep(path: Option<PathBuf>, bytes: &[u8]) {
    if let Some(path) = path
        && let Err(error) = files::write(&path, bytes)
    {
        tracing::warn!(%error, "checked data cannot be kept; a restart fetches them again");
    }
}
