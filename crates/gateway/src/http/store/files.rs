//! Files of batches: each has its bytes in `ID.data` and, once it is whole, what is told of it in `ID.json`.

use {
    super::super::{error::ApiError, ids},
    quern_api::openai::{FileObject, FileStatus},
    quern_data::{DataError, files, runtime::lock},
    std::{
        collections::{BTreeMap, BTreeSet},
        fs,
        path::{Path, PathBuf},
        sync::{Arc, Mutex},
        time::Duration,
    },
};

/// Most bytes of a file that is uploaded; OpenAI's limit for batches.
pub const MAX_FILE_BYTES: u64 = 200 << 20;
/// Most bytes of all.
const MAX_BYTES: u64 = 8 << 30;
/// Most files.
const MAX_FILES: usize = 10_000;
/// Most characters of a file's name that are kept.
const MAX_NAME: usize = 255;

/// The files.
pub struct FileStore {
    folder: PathBuf,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    files: BTreeMap<String, FileObject>,
    /// Of whole files and of those that are being written.
    bytes: u64,
}

impl FileStore {
    /// Opens a folder; removes what a kill left of uploads.
    pub fn open(folder: &Path) -> Result<Self, DataError> {
        files::create_folder(folder)?;
        files::sweep(folder, Duration::ZERO)?;
        let mut held = Held::default();
        for path in paths(folder)? {
            if path.extension().is_none_or(|end| end != "json") {
                continue;
            }
            let text = files::read(&path)?.unwrap_or_default();
            match serde_json::from_slice::<FileObject>(&text) {
                Ok(file) => {
                    held.bytes += file.bytes;
                    held.files.insert(file.id.clone(), file);
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "not a file's description; leaving it aside");
                }
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            held: Mutex::new(held),
        })
    }

    /// Removes bytes that neither a whole file nor one of these unfinished ones has.
    pub fn keep_parts_of(&self, parts: &BTreeSet<String>) -> Result<(), DataError> {
        for path in paths(&self.folder)? {
            let is_data = path.extension().is_some_and(|end| end == "data");
            let id = path.file_stem().and_then(|stem| stem.to_str());
            let Some(id) = id.filter(|_| is_data) else {
                continue;
            };
            if parts.contains(id) {
                let length = fs::metadata(&path).map_or(0, |found| found.len());
                lock(&self.held).bytes += length;
            } else if self.get(id).is_none() {
                files::remove(&path)?;
            }
        }
        Ok(())
    }

    /// A file.
    pub fn get(&self, id: &str) -> Option<FileObject> {
        lock(&self.held).files.get(id).cloned()
    }

    /// Files, oldest first.
    pub fn all(&self) -> Vec<FileObject> {
        lock(&self.held).files.values().cloned().collect()
    }

    /// Where a file's bytes are. The id is one of this store: never what a client sent.
    pub fn data(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.data"))
    }

    /// Begins a file.
    pub fn upload(self: &Arc<Self>) -> Result<Upload, ApiError> {
        if lock(&self.held).files.len() >= MAX_FILES {
            return Err(full(format!("there are {MAX_FILES} files")));
        }
        let part = tempfile::Builder::new()
            .suffix(".part")
            .tempfile_in(&self.folder)
            .map_err(|error| ApiError::from(files::unwritten(&self.folder, &error)))?;
        Ok(Upload {
            store: Arc::clone(self),
            part: Some(part),
            bytes: 0,
        })
    }

    /// Counts bytes that are about to be written.
    fn reserve(&self, bytes: u64) -> Result<(), ApiError> {
        let mut held = lock(&self.held);
        if held.bytes + bytes > MAX_BYTES {
            return Err(full(format!("the files have {MAX_BYTES} bytes together")));
        }
        held.bytes += bytes;
        Ok(())
    }

    /// Keeps room for bytes that are to be written later.
    pub fn room(self: &Arc<Self>, bytes: u64) -> Result<Room, ApiError> {
        self.reserve(bytes)?;
        Ok(Room {
            store: Arc::clone(self),
            bytes,
        })
    }

    fn release(&self, bytes: u64) {
        let mut held = lock(&self.held);
        held.bytes = held.bytes.saturating_sub(bytes);
    }

    /// Lists a file whose bytes are in their place and counted.
    pub fn list(
        &self,
        id: &str,
        filename: &str,
        purpose: &str,
        bytes: u64,
    ) -> Result<FileObject, DataError> {
        let file = FileObject {
            id: id.to_owned(),
            object: "file".to_owned(),
            bytes,
            created_at: ids::now(),
            expires_at: None,
            filename: filename.chars().take(MAX_NAME).collect(),
            purpose: purpose.to_owned(),
            status: FileStatus::Processed,
            status_details: None,
        };
        let text =
            serde_json::to_vec(&file).map_err(|error| files::failed(&self.folder, &error))?;
        files::write(&self.folder.join(format!("{id}.json")), &text)?;
        lock(&self.held).files.insert(id.to_owned(), file.clone());
        Ok(file)
    }

    /// Removes a file. False if there is none.
    pub fn remove(&self, id: &str) -> Result<bool, DataError> {
        let Some(file) = lock(&self.held).files.remove(id) else {
            return Ok(false);
        };
        // The description first: bytes without one are swept up, a description without bytes would promise them.
        files::remove(&self.folder.join(format!("{id}.json")))?;
        files::remove(&self.data(id))?;
        self.release(file.bytes);
        Ok(true)
    }

    /// Removes the bytes of a file that was never listed.
    pub fn discard(&self, id: &str, bytes: u64) -> Result<(), DataError> {
        files::remove(&self.data(id))?;
        self.release(bytes);
        Ok(())
    }
}

/// Room for bytes; what is not used of it is free again if this is dropped.
pub struct Room {
    store: Arc<FileStore>,
    bytes: u64,
}

impl Room {
    /// Counts bytes that are about to be written, those of the room first.
    pub fn take(&mut self, bytes: u64) -> Result<(), ApiError> {
        let more = bytes.saturating_sub(self.bytes);
        self.store.reserve(more)?;
        self.bytes -= bytes - more;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.store.release(self.bytes);
    }
}

/// A file that is being uploaded; it is gone if this is dropped.
pub struct Upload {
    store: Arc<FileStore>,
    part: Option<tempfile::NamedTempFile>,
    bytes: u64,
}

impl Upload {
    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        let more = bytes.len() as u64;
        if self.bytes + more > MAX_FILE_BYTES {
            return Err(ApiError::too_large(format!(
                "the file is larger than {MAX_FILE_BYTES} bytes; split it"
            ))
            .param("file"));
        }
        self.store.reserve(more)?;
        self.bytes += more;
        let part = self
            .part
            .as_mut()
            .ok_or_else(|| ApiError::internal("the upload has ended"))?;
        std::io::Write::write_all(part, bytes)
            .map_err(|error| files::unwritten(&self.store.folder, &error).into())
    }

    /// Puts the file into the list.
    pub fn finish(mut self, filename: &str, purpose: &str) -> Result<FileObject, ApiError> {
        let part = self
            .part
            .take()
            .ok_or_else(|| ApiError::internal("the upload has ended"))?;
        let id = ids::ordered("file-");
        files::persist(part.into_temp_path(), &self.store.data(&id))?;
        let file = self.store.list(&id, filename, purpose, self.bytes)?;
        // Counted as a file from here on.
        self.bytes = 0;
        Ok(file)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.store.release(self.bytes);
    }
}

fn full(what: String) -> ApiError {
    ApiError::refused(
        axum::http::StatusCode::INSUFFICIENT_STORAGE,
        "storage_full",
        format!("{what}, the most that are kept; delete some with DELETE /v1/files/ID"),
    )
}

fn paths(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = fs::read_dir(folder).map_err(|error| files::failed(folder, &error))?;
    entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(|error| files::failed(folder, &error))
}
