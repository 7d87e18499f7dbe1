//! What survives a kill: one small file for every job that the provider has taken or is about to, and the files that it works
//! with.
//!
//! | path in the agent's folder | holds |
//! | --- | --- |
//! | `jobs/<job>.json` | a [`Record`]: how far the job is |
//! | `data/<job>/<submission>/` | the files to publish and what is kept of every item ([`crate::kept`]); demands are answered from them until the job ends |
//! | `data/<job>/<what>.uri` | where something of the job was published: nodes forget the transactions that say so |
//! | `tensors/` | checked inputs and weights, kept because a provider answers for them (see `quern_data::store`) |
//! | `done/<job>.json` | the last record of a job that has ended, by which its published files are removed later; the newest 10,000 are kept |
//! | `cluster` | the genesis hash of the cluster that all of this belongs to |
//! | `lock` | held by the running provider |
//!
//! Every file is written beside its place, flushed and then renamed, so a reader sees the old one or the new one. The chain
//! is always believed first: a record only saves work that was done, it never decides what is to be done.

#[cfg(test)]
use quern_data::DataError;
use {
    quern_client::Pubkey,
    quern_data::{
        Result,
        files::{self, failed},
    },
    serde::{Deserialize, Serialize},
    std::{
        fs::{self, File},
        path::{Path, PathBuf},
        time::{Duration, SystemTime},
    },
};

/// What a submission commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roots {
    /// The trace root of refereed work, the checkpoint's hash otherwise.
    #[serde(with = "hex")]
    pub root: [u8; 32],
    /// The root of the text; zeroes where there is none.
    #[serde(with = "hex")]
    pub tokens_root: [u8; 32],
}

/// How far a submission is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// The chain says that the job is this provider's; nothing is done yet.
    Taken,
    /// The work is done; its files, if there are any, lie in the submission's folder.
    Computed {
        /// What goes on chain.
        #[serde(flatten)]
        roots: Roots,
        /// Names of the files to publish, the one that the address names first.
        files: Vec<String>,
        /// The address, if the worker has published by itself.
        uri: Option<String>,
    },
    /// The result can be fetched.
    Published {
        /// What goes on chain.
        #[serde(flatten)]
        roots: Roots,
        /// Where it is.
        uri: String,
        /// When a transaction was sent whose outcome is not known, by the cluster's clock.
        sent_at: Option<i64>,
    },
    /// The chain has the commitment.
    Submitted {
        /// What goes on chain.
        #[serde(flatten)]
        roots: Roots,
    },
    /// The milestone is paid, or the job has left this provider otherwise.
    Ended {
        /// How, in words.
        outcome: String,
    },
}

/// What the journal knows about a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Layout of this file.
    pub version: u32,
    /// The job, base58.
    pub job: String,
    /// Index of the milestone, from 0.
    pub milestone: u8,
    /// Number of the submission that this work is for, from 1.
    pub submission: u32,
    /// How far it is.
    #[serde(flatten)]
    pub stage: Stage,
}

impl Record {
    /// The layout that this version writes.
    pub const VERSION: u32 = 2;

    /// A submission that has only begun.
    pub fn taken(job: &Pubkey, milestone: u8, submission: u32) -> Self {
        Self {
            version: Self::VERSION,
            job: job.to_string(),
            milestone,
            submission,
            stage: Stage::Taken,
        }
    }

    /// The same submission at another stage.
    pub fn at(&self, stage: Stage) -> Self {
        Self {
            stage,
            ..self.clone()
        }
    }
}

/// The agent's folder.
#[derive(Debug)]
pub struct Journal {
    home: PathBuf,
    /// Held as long as the agent lives; the system lets go of it when the process ends, however it ends.
    _lock: File,
    #[cfg(test)]
    pub(crate) fuse: Option<std::sync::Arc<crate::tests::Fuse>>,
}

impl Journal {
    /// Opens the folder, creating it, and locks it.
    ///
    /// # Errors
    /// `Files` if it cannot be used, `Locked` if another process uses it.
    pub fn open(home: &Path) -> Result<Self> {
        for folder in ["jobs", "data", "done"] {
            files::create_folder(&home.join(folder))?;
        }
        // Workers get paths of this folder and may run elsewhere.
        let home = &home.canonicalize().map_err(|error| failed(home, &error))?;
        let lock = files::lock(home)?;
        // Only now is it certain that nobody is writing any more. A job's own folder goes when the job does.
        for folder in ["jobs", "done"] {
            files::sweep(&home.join(folder), Duration::ZERO)?;
        }
        Ok(Self {
            home: home.to_owned(),
            _lock: lock,
            #[cfg(test)]
            fuse: None,
        })
    }

    /// The folder itself.
    pub fn home(&self) -> &Path {
        &self.home
    }

    fn record_path(&self, job: &Pubkey) -> PathBuf {
        self.home.join("jobs").join(format!("{job}.json"))
    }

    /// Folder with the data of a job.
    pub fn job_folder(&self, job: &Pubkey) -> PathBuf {
        self.home.join("data").join(job.to_string())
    }

    /// Where something of a job was published.
    pub fn uri_path(&self, job: &Pubkey, what: &str) -> PathBuf {
        self.job_folder(job).join(format!("{what}.uri"))
    }

    /// A file of a submission.
    pub fn submission_path(&self, job: &Pubkey, submission: u32, name: &str) -> PathBuf {
        self.job_folder(job).join(submission.to_string()).join(name)
    }

    /// The record of a job. A damaged file is put aside and counts as none: the chain says what is to be done, and the work
    /// can be done again.
    ///
    /// # Errors
    /// `Files` if it exists and cannot be read.
    pub fn load(&self, job: &Pubkey) -> Result<Option<Record>> {
        let path = self.record_path(job);
        let Some(bytes) = self.read(&path)? else {
            return Ok(None);
        };
        match serde_json::from_slice::<Record>(&bytes) {
            Ok(record) if record.version == Record::VERSION && record.job == job.to_string() => {
                Ok(Some(record))
            }
            _ => {
                tracing::warn!(%job, path = %path.display(), "the journal's file is damaged; it is put aside and the chain decides");
                let aside = path.with_extension("damaged");
                fs::rename(&path, &aside).map_err(|error| failed(&path, &error))?;
                Ok(None)
            }
        }
    }

    /// Writes a record.
    ///
    /// # Errors
    /// `Files`.
    pub fn save(&self, job: &Pubkey, record: &Record) -> Result<()> {
        let text = serde_json::to_vec_pretty(record).map_err(|error| failed(&self.home, &error))?;
        self.write(&self.record_path(job), &text)
    }

    /// Jobs that the journal has not closed: those with a record, and those whose data were fetched before they were taken.
    ///
    /// # Errors
    /// `Files`.
    pub fn jobs(&self) -> Result<Vec<Pubkey>> {
        let mut jobs: Vec<Pubkey> = Vec::new();
        for (folder, extension) in [("jobs", Some("json")), ("data", None)] {
            let folder = self.home.join(folder);
            for entry in fs::read_dir(&folder).map_err(|error| failed(&folder, &error))? {
                let path = entry.map_err(|error| failed(&folder, &error))?.path();
                if path.extension().and_then(|found| found.to_str()) != extension {
                    continue;
                }
                let address: Option<Pubkey> = path
                    .file_stem()
                    .and_then(|stem| stem.to_str()?.parse().ok());
                jobs.extend(address.filter(|address| !jobs.contains(address)));
            }
        }
        Ok(jobs)
    }

    /// Closes a job: keeps its last record, drops its data.
    ///
    /// # Errors
    /// `Files`.
    pub fn close(&self, job: &Pubkey, outcome: &str) -> Result<()> {
        let path = self.record_path(job);
        if let Some(record) = self.load(job)? {
            let ended = record.at(Stage::Ended {
                outcome: outcome.to_owned(),
            });
            let text =
                serde_json::to_vec_pretty(&ended).map_err(|error| failed(&self.home, &error))?;
            self.write(&self.home.join("done").join(format!("{job}.json")), &text)?;
        }
        // The record goes last: after a kill in between, the same is done again.
        let folder = self.job_folder(job);
        for removed in [fs::remove_dir_all(&folder), fs::remove_file(&path)] {
            match removed {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(failed(&folder, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Jobs that were closed, the newest first, and when.
    ///
    /// # Errors
    /// `Files`.
    pub fn done(&self) -> Result<Vec<(SystemTime, Pubkey)>> {
        let folder = self.home.join("done");
        let failed = |error| failed(&folder, &error);
        let mut done = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let at = entry.metadata().and_then(|file| file.modified());
            let at = at.map_err(failed)?;
            let path = entry.path();
            let job = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse().ok());
            done.extend(job.map(|job| (at, job)));
        }
        done.sort_by(|one, other| other.cmp(one));
        Ok(done)
    }

    /// Drops the last record of a job that was closed.
    ///
    /// # Errors
    /// `Files`.
    pub fn forget(&self, job: &Pubkey) -> Result<()> {
        files::remove(&self.home.join("done").join(format!("{job}.json")))
    }

    /// A file's bytes, if it exists.
    ///
    /// # Errors
    /// `Files`.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        files::read(path)
    }

    /// Writes a file whole or not at all.
    ///
    /// # Errors
    /// `Files`.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        #[cfg(test)]
        if let Some(fuse) = &self.fuse {
            fuse.burn().map_err(DataError::Broken)?;
            if fuse.is_disk_full() {
                let path = path.to_owned();
                return Err(DataError::DiskFull { path });
            }
        }
        files::write(path, bytes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    fn stages() -> Vec<Stage> {
        let roots = Roots {
            root: [7; 32],
            tokens_root: [8; 32],
        };
        let uri = "https://example.com/a".to_owned();
        vec![
            Stage::Taken,
            Stage::Computed {
                roots,
                files: vec!["result.bin".to_owned()],
                uri: None,
            },
            Stage::Computed {
                roots,
                files: Vec::new(),
                uri: Some(uri.clone()),
            },
            Stage::Published {
                roots,
                uri,
                sent_at: Some(5),
            },
            Stage::Submitted { roots },
            Stage::Ended {
                outcome: "paid".to_owned(),
            },
        ]
    }

    #[test]
    fn records_round_trip_and_close() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::open(home.path()).unwrap();
        let job = Pubkey::new_from_array([1; 32]);
        assert_eq!(journal.load(&job).unwrap(), None);
        for stage in stages() {
            let record = Record::taken(&job, 2, 3).at(stage);
            journal.save(&job, &record).unwrap();
            assert_eq!(journal.load(&job).unwrap(), Some(record));
        }
        journal
            .write(&journal.uri_path(&job, "inputs"), b"x")
            .unwrap();
        assert_eq!(journal.jobs().unwrap(), [job]);
        journal.close(&job, "paid").unwrap();
        journal.close(&job, "paid").unwrap();
        assert!(journal.jobs().unwrap().is_empty());
        assert!(!journal.job_folder(&job).exists());
        assert!(
            home.path()
                .join("done")
                .join(format!("{job}.json"))
                .exists()
        );
    }

    #[test]
    fn damaged_records_count_as_none_and_are_kept_aside() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::open(home.path()).unwrap();
        let job = Pubkey::new_from_array([1; 32]);
        let whole = serde_json::to_string(&Record::taken(&job, 0, 1)).unwrap();
        let other =
            serde_json::to_string(&Record::taken(&Pubkey::new_from_array([2; 32]), 0, 1)).unwrap();
        let newer = whole.replace("\"version\":2", "\"version\":3");
        for text in [
            "",
            "{",
            "null",
            "[1]",
            &whole[..whole.len() - 1],
            &other,
            &newer,
            "\u{0}\u{0}",
        ] {
            fs::write(journal.record_path(&job), text).unwrap();
            assert_eq!(journal.load(&job).unwrap(), None, "{text}");
            assert_eq!(journal.load(&job).unwrap(), None);
        }
        // A half-written file beside the record is no record.
        fs::write(
            home.path().join("jobs").join(format!("{job}.json.part")),
            "{",
        )
        .unwrap();
        assert!(journal.jobs().unwrap().is_empty());
    }

    #[test]
    fn writes_of_one_path_at_once_leave_one_of_them_whole() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::open(home.path()).unwrap();
        let path = journal.uri_path(&Pubkey::new_from_array([1; 32]), "weights");
        std::thread::scope(|scope| {
            for byte in 0..8u8 {
                let (journal, path) = (&journal, &path);
                scope.spawn(move || {
                    // Lengths differ, so that a mixture would show.
                    let bytes = vec![byte; 50_000 * (usize::from(byte) + 1)];
                    for _ in 0..10 {
                        journal.write(path, &bytes).unwrap();
                    }
                });
            }
        });
        let found = fs::read(&path).unwrap();
        assert_eq!(found, vec![found[0]; 50_000 * (usize::from(found[0]) + 1)]);
        let left = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "parts are left behind");
    }

    #[test]
    fn half_written_files_of_a_killed_agent_are_swept_up() {
        let home = tempfile::tempdir().unwrap();
        drop(Journal::open(home.path()).unwrap());
        let done = home.path().join("done");
        fs::write(done.join("x.json.7-0.part"), "x").unwrap();
        fs::write(done.join("x.json"), "x").unwrap();
        let _journal = Journal::open(home.path()).unwrap();
        let left: Vec<_> = fs::read_dir(&done)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["x.json"]);
    }

    #[test]
    fn one_agent_a_folder() {
        let home = tempfile::tempdir().unwrap();
        let first = Journal::open(home.path()).unwrap();
        assert!(matches!(
            Journal::open(home.path()),
            Err(DataError::Locked { .. })
        ));
        drop(first);
        assert!(Journal::open(home.path()).is_ok());
    }
}
