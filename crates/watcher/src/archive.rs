//! Finished cases that survive a restart, if the watcher has a folder.
//!
//! | path in the folder | holds |
//! | --- | --- |
//! | `cases/<job>-<submission>-<result>.json` | the report of a finished case, as it was printed; the last part is a hash of when the job was created and of the committed root, because another cluster has other jobs at the same addresses |
//! | `tensors/` | checked inputs and weights, see `quern_data::store` |
//! | `cluster` | the genesis hash of the cluster that all of this belongs to |
//! | `lock` | held by the running watcher: a second one would take the first one's verdicts for its own |
//!
//! Nothing here is believed against the chain: without it cases are only examined once more.

use {
    crate::{
        case::CaseId,
        verdict::{Report, Verdict},
    },
    quern_data::{Result, files},
    std::{
        fs::File,
        path::{Path, PathBuf},
        time::Duration,
    },
};

/// Reports that are kept over a restart. Strangers create jobs; what is older was settled long ago.
const MOST_KEPT: usize = 100_000;

/// The folder, if there is one.
pub(crate) struct Archive {
    folder: Option<PathBuf>,
    /// Held as long as the watcher lives.
    _lock: Option<File>,
}

impl Archive {
    /// Makes the folder.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self> {
        let mut lock = None;
        if let Some(folder) = folder {
            let cases = folder.join("cases");
            files::create_folder(&cases)?;
            lock = Some(files::lock(folder)?);
            files::sweep(&cases, Duration::ZERO)?;
            files::keep_newest(&cases, MOST_KEPT)?;
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
    pub(crate) fn is_finished(&self, id: &CaseId) -> bool {
        self.case(id).is_some_and(|path| path.is_file())
    }

    /// Remembers a finished case. What could not be checked or convicted may be tried again by the next process, which may
    /// have other limits.
    pub(crate) fn finish(&self, id: &CaseId, report: &Report) {
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
                tracing::warn!(%error, "cannot remember a finished case; a restart examines it again");
            }
        }
    }
}
