//! The gateway's folder. Everything that money depends on is in here before the next step is made.
//!
//! | path | holds |
//! | --- | --- |
//! | `orders/<name>.json`, `.rows` | a kept request, and its rows |
//! | `jobs/<id>.json` | a job: its requests, its attempts, its step |
//! | `answers/<id>.qten` | its checked result |
//! | `receipts/<address>.json` | what was asked, paid and checked, for people |
//! | `spending.csv` | a line for each attempt that is settled |
//! | `providers.json` | what was seen of providers |
//! | `lock`, `cluster` | held while a gateway runs; the cluster that it belongs to |

use {
    crate::{
        error::{GatewayError, Result},
        order::OrderId,
        record::{JobRecord, OrderRecord},
    },
    quern_data::{DataError, files},
    quern_proof::{Tensor, file},
    serde::{Serialize, de::DeserializeOwned},
    serde_json::Value,
    std::{
        fs::{self, File},
        io::{ErrorKind, Write},
        path::{Path, PathBuf},
        sync::atomic::{AtomicI64, Ordering},
        time::Duration,
    },
};

const ORDERS: &str = "orders";
const JOBS: &str = "jobs";
const ANSWERS: &str = "answers";
const RECEIPTS: &str = "receipts";
const EXPERIENCE: &str = "providers.json";
const SPENDING: &str = "spending.csv";
/// All that means something on one cluster only.
pub(crate) const PARTS: [&str; 7] = [
    ORDERS,
    JOBS,
    ANSWERS,
    RECEIPTS,
    EXPERIENCE,
    SPENDING,
    files::CLUSTER,
];
/// What the columns are.
const SPENDING_HEAD: &str =
    "number,at_unix,state,atoms,decimals,mint,model,job,provider,rows,requests,fee_lamports,note\n";

/// The gateway's folder, locked.
pub(crate) struct Journal {
    folder: PathBuf,
    _lock: File,
    /// Bytes of what is kept.
    kept: AtomicI64,
    #[cfg(test)]
    fuse: std::sync::Arc<fuse::Fuse>,
}

impl Journal {
    /// Opens the folder, makes it if it is missing, and locks it.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        for part in [ORDERS, JOBS, ANSWERS, RECEIPTS] {
            files::create_folder(&folder.join(part))?;
        }
        // The rows of requests are somebody's texts.
        private(folder)?;
        let lock = files::lock(folder).map_err(|error| match error {
            DataError::Locked { path } => GatewayError::NotReady(format!(
                "another gateway uses {}; stop it, or give this one its own folder with --state",
                path.display()
            )),
            error => error.into(),
        })?;
        for part in [ORDERS, JOBS, ANSWERS, RECEIPTS] {
            files::sweep(&folder.join(part), Duration::ZERO)?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            _lock: lock,
            kept: AtomicI64::new(kept_in(folder)?),
            #[cfg(test)]
            fuse: std::sync::Arc::default(),
        })
    }

    /// Binds the folder to a cluster: the same addresses mean other jobs elsewhere.
    pub(crate) fn bind(&self, genesis: &str) -> Result<()> {
        match files::is_bound_to(&self.folder, genesis)? {
            true => Ok(()),
            false => Err(GatewayError::NotReady(format!(
                "the folder {} belongs to a gateway on another cluster; name another one with --state, or check --url",
                self.folder.display()
            ))),
        }
    }

    /// How many bytes requests, jobs, answers, receipts and spendings take.
    pub(crate) fn kept_bytes(&self) -> u64 {
        self.kept.load(Ordering::Relaxed).try_into().unwrap_or(0)
    }

    pub(crate) fn save_order(&self, order: &OrderRecord) -> Result<()> {
        self.write_json(&self.order_path(&order.id, "json"), order)
    }

    pub(crate) fn save_rows(&self, id: &OrderId, rows: &[u8]) -> Result<()> {
        self.write(&self.order_path(id, "rows"), rows)
    }

    pub(crate) fn rows(&self, id: &OrderId) -> Result<Option<Vec<u8>>> {
        Ok(files::read(&self.order_path(id, "rows"))?)
    }

    /// Removes a request: the record last, so that nothing is left without one.
    pub(crate) fn remove_order(&self, id: &OrderId) -> Result<()> {
        self.remove(&self.order_path(id, "rows"))?;
        self.remove(&self.order_path(id, "json"))
    }

    pub(crate) fn save_job(&self, job: &JobRecord) -> Result<()> {
        self.write_json(
            &self.folder.join(JOBS).join(format!("{}.json", job.id)),
            job,
        )
    }

    pub(crate) fn remove_job(&self, id: &str) -> Result<()> {
        self.remove(&self.answer_path(id))?;
        self.remove(&self.folder.join(JOBS).join(format!("{id}.json")))
    }

    pub(crate) fn save_answer(&self, id: &str, result: &Tensor) -> Result<()> {
        self.write(&self.answer_path(id), &file::encode_tensor(result))
    }

    /// The checked result of a job.
    pub(crate) fn answer(&self, id: &str) -> Result<Tensor> {
        let path = self.answer_path(id);
        let bytes = files::read(&path)?.ok_or_else(|| files::failed(&path, &"it is missing"))?;
        Ok(file::decode_tensor(&bytes)?)
    }

    pub(crate) fn save_receipt(&self, job: &str, receipt: &Value) -> Result<()> {
        self.write_json(&self.receipt_path(job), receipt)
    }

    /// The receipt of a job; `job` is an address in base58 that was parsed before.
    pub(crate) fn receipt(&self, job: &str) -> Option<Value> {
        let bytes = files::read(&self.receipt_path(job)).ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    pub(crate) fn save_experience<T: Serialize>(&self, experience: &T) -> Result<()> {
        self.write_json(&self.folder.join(EXPERIENCE), experience)
    }

    pub(crate) fn experience<T: DeserializeOwned + Default>(&self) -> Result<T> {
        let path = self.folder.join(EXPERIENCE);
        match files::read(&path)? {
            Some(bytes) => read_json(&path, &bytes),
            None => Ok(T::default()),
        }
    }

    /// Adds a line for an attempt that is settled. A kill may leave a line twice, under the same number.
    pub(crate) fn add_spending(&self, line: &str) -> Result<()> {
        self.point()?;
        let path = self.folder.join(SPENDING);
        let add = || {
            let mut file = File::options().create(true).append(true).open(&path)?;
            let lines = match file.metadata()?.len() {
                0 => [SPENDING_HEAD, line].concat(),
                _ => line.to_owned(),
            };
            file.write_all(lines.as_bytes())?;
            file.sync_data()?;
            Ok(lines.len())
        };
        let added = add().map_err(|error| files::unwritten(&path, &error))?;
        self.count(added, 0);
        self.point()
    }

    pub(crate) fn orders(&self) -> Result<Vec<OrderRecord>> {
        self.all(ORDERS)
    }

    pub(crate) fn jobs(&self) -> Result<Vec<JobRecord>> {
        self.all(JOBS)
    }

    fn all<T: DeserializeOwned>(&self, part: &str) -> Result<Vec<T>> {
        let folder = self.folder.join(part);
        let failed = |error: std::io::Error| files::failed(&folder, &error);
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|end| end == "json")
                && let Some(bytes) = files::read(&path)?
            {
                found.push(read_json(&path, &bytes)?);
            }
        }
        Ok(found)
    }

    fn order_path(&self, id: &OrderId, end: &str) -> PathBuf {
        self.folder.join(ORDERS).join(format!("{id}.{end}"))
    }

    fn answer_path(&self, id: &str) -> PathBuf {
        self.folder.join(ANSWERS).join(format!("{id}.qten"))
    }

    fn receipt_path(&self, job: &str) -> PathBuf {
        self.folder.join(RECEIPTS).join(format!("{job}.json"))
    }

    fn write_json<T: Serialize>(&self, path: &Path, value: &T) -> Result<()> {
        let bytes =
            serde_json::to_vec_pretty(value).map_err(|error| files::failed(path, &error))?;
        self.write(path, &bytes)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.point()?;
        let before = length(path);
        files::write(path, bytes)?;
        self.count(bytes.len(), before);
        self.point()
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let before = length(path);
        files::remove(path)?;
        self.count(0, before);
        Ok(())
    }

    /// Notes that bytes were added, in place of so many.
    fn count(&self, added: usize, before: i64) {
        let added = i64::try_from(added).unwrap_or(i64::MAX);
        self.kept.fetch_add(added - before, Ordering::Relaxed);
    }

    /// Before and after each write: where a test kills the gateway.
    #[cfg(not(test))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)]
    const fn point(&self) -> Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn point(&self) -> Result<()> {
        self.fuse.point()
    }

    #[cfg(test)]
    pub(crate) fn fuse(&self) -> &std::sync::Arc<fuse::Fuse> {
        &self.fuse
    }
}

/// A record. One that cannot be read stops the gateway: money may depend on it.
fn read_json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        GatewayError::NotReady(format!(
            "cannot read {}: {error}; put it right or move it away: it says what is still to be done about a job or a request",
            path.display()
        ))
    })
}

/// How many bytes a file has; none if it is not there.
fn length(path: &Path) -> i64 {
    let found = fs::metadata(path).map_or(0, |found| found.len());
    i64::try_from(found).unwrap_or(i64::MAX)
}

/// How many bytes are kept in a folder.
pub(crate) fn kept_in(folder: &Path) -> Result<i64> {
    let mut kept = length(&folder.join(SPENDING)) + length(&folder.join(EXPERIENCE));
    for part in [ORDERS, JOBS, ANSWERS, RECEIPTS] {
        let part = folder.join(part);
        let failed = |error: std::io::Error| files::failed(&part, &error);
        for entry in fs::read_dir(&part).map_err(failed)? {
            kept = kept.saturating_add(length(&entry.map_err(failed)?.path()));
        }
    }
    Ok(kept)
}

/// Keeps others out of a folder.
#[cfg(unix)]
fn private(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let set = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    match set {
        Err(error) if error.kind() != ErrorKind::PermissionDenied => {
            Err(files::failed(folder, &error).into())
        }
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn private(_: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
pub(crate) mod fuse {
    //! Kills a gateway at a chosen point of its journal.

    use {
        crate::error::{GatewayError, Result},
        std::sync::atomic::{AtomicI64, Ordering},
    };

    /// Counts points down; from the one that it was set to on, nothing is written any more.
    pub(crate) struct Fuse(AtomicI64);

    impl Default for Fuse {
        fn default() -> Self {
            Self(AtomicI64::new(i64::MAX))
        }
    }

    impl Fuse {
        /// Burns at the point with this number, from 0.
        pub(crate) fn set(&self, point: i64) {
            self.0.store(point, Ordering::SeqCst);
        }

        pub(crate) fn is_burnt(&self) -> bool {
            self.0.load(Ordering::SeqCst) < 0
        }

        pub(super) fn point(&self) -> Result<()> {
            match self.0.fetch_sub(1, Ordering::SeqCst) > 0 {
                true => Ok(()),
                false => {
                    self.0.store(-1, Ordering::SeqCst);
                    Err(GatewayError::NotReady("killed".to_owned()))
                }
            }
        }
    }
}
