//! Tensors by content: named by their committed roots, kept in memory and in a folder, fetched where neither has them.
//!
//! | path in the folder | holds |
//! | --- | --- |
//! | `<name>.bundle` | tensors as a bundle; the name is a hash of their roots and shapes, and they are compared again when they are read |
//! | `<name>.<user>.<owner>.pin` | that `user` keeps them for `owner`, a job or a model; without a pin a bundle goes |
//! | `lock` | held while pins change |
//!
//! Several processes may share a folder: everything in it is named by content, written whole and checked when it is read.

use {
    crate::{
        budget::{MemoryBudget, Reservation, Share},
        error::{DataError, Result},
        fetch::Fetcher,
        files,
        limits::FetchLimits,
        runtime::{lock, on_processor},
        sizes,
    },
    quern_client::Pubkey,
    quern_proof::{Hash, Operand, Shape, Tensor, commit, file, graph::Graph, hash, shape::DType},
    std::{
        collections::HashMap,
        fs::{self, File},
        path::{Path, PathBuf},
        sync::{Arc, Mutex},
        time::Duration,
    },
};

/// Half-written files older than this are left behind by a process that was killed.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// Which tensors are wanted: their roots and, where a graph says them, their shapes. A root alone does not tell the shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorList {
    tensors: Vec<(Operand, Hash, Option<Expected>)>,
    /// Length of the bundle, where the shapes are known.
    bytes: Option<u64>,
}

/// The shape of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Expected {
    dtype: DType,
    rows: u32,
    cols: u32,
}

impl Expected {
    fn of(shape: &Shape, batch_rows: u32) -> Self {
        Self {
            dtype: shape.dtype,
            rows: shape.rows.count(batch_rows),
            cols: shape.cols,
        }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} x {} of {:?}", self.rows, self.cols, self.dtype)
    }
}

impl TensorList {
    /// The weights of a graph.
    ///
    /// # Errors
    /// A graph that could not have been sealed.
    pub fn weights(graph: &Graph<'_>) -> Result<Self> {
        let weights = (0..graph.weight_count()).map(|index| {
            let weight = graph.weight(index).map_err(quern_proof::Error::from)?;
            let expected = Expected::of(&weight.shape, 0);
            Ok((Operand::Weight(index as u8), weight.root, Some(expected)))
        });
        Ok(Self {
            tensors: weights.collect::<Result<_>>()?,
            bytes: Some(sizes::weights_bytes(graph)?),
        })
    }

    /// The inputs that a job commits to, for a graph and a number of batch rows.
    ///
    /// # Errors
    /// A graph that could not have been sealed, or another number of roots.
    pub fn inputs(graph: &Graph<'_>, batch_rows: u32, roots: &[Hash]) -> Result<Self> {
        let expected = graph.input_count();
        let roots = roots.get(..expected).ok_or(quern_proof::Error::Count {
            what: "inputs",
            expected,
            found: roots.len(),
        })?;
        let inputs = roots.iter().enumerate().map(|(index, root)| {
            let shape = graph.input(index).map_err(quern_proof::Error::from)?;
            let expected = Expected::of(&shape, batch_rows);
            Ok((Operand::Input(index as u8), *root, Some(expected)))
        });
        Ok(Self {
            tensors: inputs.collect::<Result<_>>()?,
            bytes: Some(sizes::inputs_bytes(graph, batch_rows)?),
        })
    }

    /// Inputs of any shape, for work without a graph.
    pub fn of_roots(roots: &[Hash]) -> Self {
        let inputs = roots.iter().enumerate();
        let inputs = inputs.map(|(index, root)| (Operand::Input(index as u8), *root, None));
        Self {
            tensors: inputs.collect(),
            bytes: None,
        }
    }

    fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// A hash of roots and shapes, in hexadecimal.
    fn name(&self) -> String {
        let mut text = Vec::new();
        for (_, root, expected) in &self.tensors {
            text.extend_from_slice(root);
            match expected {
                None => text.push(0),
                Some(Expected { dtype, rows, cols }) => {
                    text.push(1 + *dtype as u8);
                    text.extend_from_slice(&rows.to_le_bytes());
                    text.extend_from_slice(&cols.to_le_bytes());
                }
            }
        }
        hex::encode(hash::hash(&[b"quern tensors", &text]))
    }

    /// The tensors in a bundle, if they are these.
    fn read(&self, bytes: &[u8]) -> Result<Vec<Tensor>> {
        let tensors = file::decode_bundle(bytes)?;
        if tensors.len() != self.tensors.len() {
            return Err(quern_proof::Error::Count {
                what: "tensors",
                expected: self.tensors.len(),
                found: tensors.len(),
            }
            .into());
        }
        for (tensor, (operand, root, expected)) in tensors.iter().zip(&self.tensors) {
            let operand = *operand;
            let shape = Expected {
                dtype: tensor.dtype(),
                rows: tensor.rows(),
                cols: tensor.cols(),
            };
            if let Some(expected) = expected.filter(|expected| *expected != shape) {
                return Err(quern_proof::Error::Shape {
                    operand,
                    expected: expected.to_string(),
                    found: shape.to_string(),
                }
                .into());
            }
            let found = commit::data_root(tensor);
            if found != *root {
                return Err(quern_proof::Error::Root { operand, found }.into());
            }
        }
        Ok(tensors)
    }
}

/// Where a store keeps bundles.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The folder; several stores may share it.
    pub path: PathBuf,
    /// What this store's pins are known by; another one for every process that shares the folder.
    pub user: String,
    /// Whether tensors that cannot be written there are refused: a provider answers for what it has taken.
    pub is_required: bool,
}

/// Tensors in memory, with the memory that they take and the number of their last use.
struct Cached {
    tensors: Arc<Vec<Tensor>>,
    _memory: Reservation,
    used: u64,
}

#[derive(Default)]
struct Cache {
    all: HashMap<String, Cached>,
    uses: u64,
}

/// Tensors that are being read or fetched, by name and owner: others who want the same for the same owner wait for the first.
/// Another owner names another address: a stranger's slow server holds nobody else up, although the tensors are the same.
type Turns = HashMap<(String, Pubkey), Arc<tokio::sync::Mutex<()>>>;

/// The store: memory, then the folder, then the network.
pub struct TensorStore {
    fetcher: Fetcher,
    budget: MemoryBudget,
    folder: Option<Folder>,
    cache: Mutex<Cache>,
    turns: Mutex<Turns>,
}

impl TensorStore {
    /// Opens a store, and makes its folder.
    ///
    /// # Errors
    /// `Files` if the folder cannot be used.
    pub fn open(fetch: FetchLimits, memory_bytes: u64, folder: Option<Folder>) -> Result<Self> {
        if let Some(folder) = &folder {
            files::create_folder(&folder.path)?;
            files::sweep(&folder.path, ABANDONED)?;
        }
        Ok(Self {
            fetcher: Fetcher::new(fetch),
            budget: MemoryBudget::new(memory_bytes),
            folder,
            cache: Mutex::default(),
            turns: Mutex::default(),
        })
    }

    /// How it fetches.
    pub const fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    /// The memory that everything shares.
    pub const fn budget(&self) -> &MemoryBudget {
        &self.budget
    }

    /// Waits for memory to work in; tensors that are only kept make place.
    ///
    /// # Errors
    /// `Memory` if it never fits.
    pub async fn reserve(&self, bytes: u64) -> Result<Reservation> {
        let give_up = || lock(&self.cache).drop_oldest();
        self.budget.reserve(Share::Work, bytes, give_up).await
    }

    /// The tensors of a list, pinned in the folder for `owner`. `own_source` is tried before `uri`, and `uri` is only looked up
    /// if nothing else has them.
    ///
    /// # Errors
    /// That they cannot be had, or are others; with a folder that is required also that they cannot be kept there.
    pub async fn get<E: From<DataError>>(
        &self,
        list: &TensorList,
        owner: &Pubkey,
        own_source: Option<&str>,
        uri: impl Future<Output = std::result::Result<String, E>>,
    ) -> std::result::Result<Arc<Vec<Tensor>>, E> {
        // A plain product has no weights, and nobody publishes nothing.
        if list.is_empty() {
            return Ok(Arc::default());
        }
        let name = list.name();
        let turn = self.turn(&name, owner);
        let _turn = turn.lock().await;
        self.pin(&name, owner)?;
        let cached = lock(&self.cache).get(&name);
        if let Some(tensors) = cached {
            // The file may have been removed meanwhile; where it is required it must outlive the memory.
            if !self.is_required() || self.path_of(&name).is_none_or(|path| path.is_file()) {
                return Ok(tensors);
            }
        }
        let tensors = match self.kept(&name, list).await? {
            Some(tensors) => tensors,
            None => self.fetched(&name, list, own_source, uri).await?,
        };
        let tensors = Arc::new(tensors);
        self.cache(name, &tensors);
        Ok(tensors)
    }

    /// The file of a list's tensors, if there is a folder.
    pub fn path(&self, list: &TensorList) -> Option<PathBuf> {
        match list.is_empty() {
            true => None,
            false => self.path_of(&list.name()),
        }
    }

    fn path_of(&self, name: &str) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(folder.path.join(format!("{name}.bundle")))
    }

    /// What the folder has, if it is there and still right.
    async fn kept(&self, name: &str, list: &TensorList) -> Result<Option<Vec<Tensor>>> {
        let Some(path) = self.path_of(name) else {
            return Ok(None);
        };
        let bytes = match files::read(&path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(error) if self.is_required() => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "cannot read kept tensors; fetching them again");
                return Ok(None);
            }
        };
        match checked(list, bytes).await {
            Ok((tensors, _)) => Ok(Some(tensors)),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "kept tensors are damaged; fetching them again");
                Ok(None)
            }
        }
    }

    async fn fetched<E: From<DataError>>(
        &self,
        name: &str,
        list: &TensorList,
        own_source: Option<&str>,
        uri: impl Future<Output = std::result::Result<String, E>>,
    ) -> std::result::Result<Vec<Tensor>, E> {
        let mut own = None;
        if let Some(source) = own_source {
            match self.fetch(list, source).await {
                Ok(found) => own = Some(found),
                Err(error) => {
                    tracing::warn!(source, %error, "the own source of tensors fails; trying the published one");
                }
            }
        }
        let (tensors, bytes) = match own {
            Some(found) => found,
            None => self.fetch(list, &uri.await?).await?,
        };
        if let Some(path) = self.path_of(name) {
            match files::write(&path, &bytes) {
                Err(error) if self.is_required() => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(%error, "cannot keep checked tensors; a restart fetches them again");
                }
                Ok(()) => {}
            }
        }
        Ok(tensors)
    }

    async fn fetch(&self, list: &TensorList, uri: &str) -> Result<(Vec<Tensor>, Vec<u8>)> {
        checked(list, self.fetcher.fetch(uri, list.bytes).await?).await
    }

    /// Keeps tensors in memory if they fit, and drops those that were used least recently for them.
    fn cache(&self, name: String, tensors: &Arc<Vec<Tensor>>) {
        let bytes = tensors.iter().map(|tensor| tensor.data().len() as u64);
        let bytes: u64 = bytes.sum();
        if self.budget.check(bytes).is_err() {
            return;
        }
        let mut cache = lock(&self.cache);
        cache.all.remove(&name);
        let memory = loop {
            match self.budget.try_reserve(Share::Work, bytes) {
                Some(memory) => break memory,
                None if cache.drop_oldest() => {}
                None => return,
            }
        };
        cache.uses += 1;
        let used = cache.uses;
        let cached = Cached {
            tensors: Arc::clone(tensors),
            _memory: memory,
            used,
        };
        cache.all.insert(name, cached);
    }

    fn turn(&self, name: &str, owner: &Pubkey) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = lock(&self.turns);
        // Strangers make models: those that nobody waits for are forgotten.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry((name.to_owned(), *owner)).or_default())
    }

    fn is_required(&self) -> bool {
        self.folder
            .as_ref()
            .is_some_and(|folder| folder.is_required)
    }

    fn pin(&self, name: &str, owner: &Pubkey) -> Result<()> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let pin = folder.pin(name, owner);
        if pin.is_file() {
            return Ok(());
        }
        let pinned = folder.lock().and_then(|_lock| files::write(&pin, b""));
        match pinned {
            Err(error) if !folder.is_required => {
                tracing::warn!(%error, "cannot pin tensors; a restart may fetch them again");
                Ok(())
            }
            pinned => pinned,
        }
    }

    /// Ends what is kept for a job or model. Bundles that nobody else keeps are removed.
    ///
    /// # Errors
    /// `Files`.
    pub fn release(&self, owner: &Pubkey) -> Result<()> {
        match &self.folder {
            Some(folder) => folder.release(owner),
            None => Ok(()),
        }
    }
}

impl Cache {
    fn get(&mut self, name: &str) -> Option<Arc<Vec<Tensor>>> {
        self.uses += 1;
        let cached = self.all.get_mut(name)?;
        cached.used = self.uses;
        Some(Arc::clone(&cached.tensors))
    }

    /// Drops what was used least recently, and says whether there was anything.
    fn drop_oldest(&mut self) -> bool {
        let oldest = self.all.iter().min_by_key(|(_, cached)| cached.used);
        let oldest = oldest.map(|(name, _)| name.clone());
        oldest.is_some_and(|name| self.all.remove(&name).is_some())
    }
}

impl Folder {
    fn pin(&self, name: &str, owner: &Pubkey) -> PathBuf {
        self.path.join(format!("{name}.{}.{owner}.pin", self.user))
    }

    /// Keeps other processes from changing pins as long as the file lives.
    fn lock(&self) -> Result<File> {
        let path = self.path.join("lock");
        let locked = File::create(&path).and_then(|file| file.lock().map(|()| file));
        locked.map_err(|error| files::failed(&path, &error))
    }

    fn release(&self, owner: &Pubkey) -> Result<()> {
        let _lock = self.lock()?;
        let all = names(&self.path)?;
        let own = format!(".{}.{owner}.pin", self.user);
        for name in all.iter().filter_map(|file| file.strip_suffix(&own)) {
            files::remove(&self.pin(name, owner))?;
            let is_of_others = |file: &String| {
                file.ends_with(".pin") && file.starts_with(name) && !file.ends_with(&own)
            };
            if !all.iter().any(is_of_others) {
                files::remove(&self.path.join(format!("{name}.bundle")))?;
            }
        }
        Ok(())
    }
}

/// Names of the files in a folder.
fn names(folder: &Path) -> Result<Vec<String>> {
    let failed = |error: std::io::Error| files::failed(folder, &error);
    let entries = fs::read_dir(folder).map_err(failed)?;
    entries
        .map(|entry| {
            let name = entry.map_err(failed)?.file_name();
            Ok(name.to_string_lossy().into_owned())
        })
        .collect()
}

/// Decodes a bundle and compares it with its list, off the loop; gives the bundle back.
async fn checked(list: &TensorList, bytes: Vec<u8>) -> Result<(Vec<Tensor>, Vec<u8>)> {
    let list = list.clone();
    on_processor(move || Ok((list.read(&bytes)?, bytes))).await?
}

impl std::fmt::Debug for TensorStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TensorStore")
            .field("folder", &self.folder)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
