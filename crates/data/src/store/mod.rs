//! Tensors by content: named by their committed roots, kept in memory and in a folder, fetched where neither has them.
//!
//! | path in the folder | holds |
//! | --- | --- |
//! | `<name>.bundle` | inputs as a bundle; the name is a hash of their roots and shapes, and they are compared again when they are read |
//! | `<name>.weights` | the same for weights, which the next job of the model needs, too |
//! | `<name>.<user>.<job>.pin` | that `user` keeps them for a job; without a pin inputs go at once, and weights when the disk limit wants their room |
//! | `*.part` | what is being fetched, or not compared yet |
//! | `lock` | held while pins change |
//!
//! Several processes may share a folder: everything in it is named by content, written whole and checked when it is read.

use {
    crate::{
        any_file,
        budget::{MemoryBudget, Reservation, Share},
        error::{DataError, Result},
        fetch::Fetcher,
        files,
        limits::FetchLimits,
        runtime::{lock, on_processor},
        sizes,
    },
    quern_client::Pubkey,
    quern_proof::{Hash, Operand, Refusal, Tensor, commit, file, graph::Graph, hash, shape::DType},
    std::{
        collections::HashMap,
        fs::{self, File},
        path::{Path, PathBuf},
        sync::{
            Arc, Mutex,
            atomic::{AtomicU64, Ordering},
        },
        time::{Duration, SystemTime},
    },
};

/// How often memory for what is not urgent is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Half-written files older than this are left behind by a process that was killed.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// How the files of inputs and weights end.
const OWN: &str = "bundle";
const SHARED: &str = "weights";

/// Tensors that a job needs.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Which.
    pub list: &'a TensorList,
    /// The job that they are kept for.
    pub job: &'a Pubkey,
    /// Who names where they are: the job, or its model.
    pub named_by: &'a Pubkey,
    /// A source that is tried before the one that is named.
    pub own_source: Option<&'a str>,
}

/// Which tensors are wanted: their roots and, where a graph says them, their shapes. A root alone does not tell the shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorList {
    tensors: Vec<Named>,
    /// Length of the bundle, where the shapes are known.
    bytes: Option<u64>,
}

/// A tensor by its root; its shape, where a graph says it.
type Named = (Operand, Hash, Option<Expected>);

/// The shape of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Expected {
    dtype: DType,
    rows: u32,
    cols: u32,
}

impl Expected {
    /// Of an operand that is no op's result.
    fn of(graph: &Graph<'_>, operand: Operand, items: u32) -> Result<Self> {
        let tree = graph.geometry(operand, items);
        let tree = tree.ok_or(quern_proof::Error::NoSuchPosition)?;
        Ok(Self {
            dtype: tree.dtype(),
            rows: tree.rows(),
            cols: tree.cols(),
        })
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
            let operand = Operand::Weight(index as u16);
            let expected = Expected::of(graph, operand, 1)?;
            Ok((operand, weight.root, Some(expected)))
        });
        Ok(Self {
            tensors: weights.collect::<Result<_>>()?,
            bytes: Some(sizes::weights_bytes(graph)?),
        })
    }

    /// The inputs that a job's client commits to: all but the tokens. `roots` are those of all inputs, in the graph's order.
    ///
    /// # Errors
    /// A graph that could not have been sealed, items that don't fit it, or too few roots.
    pub fn inputs(graph: &Graph<'_>, items: u32, roots: &[Hash]) -> Result<Self> {
        let expected = graph.input_count();
        let roots = roots.get(..expected).ok_or(quern_proof::Error::Count {
            what: "inputs",
            expected,
            found: roots.len(),
        })?;
        let given = sizes::given_inputs(graph);
        let inputs = given.filter_map(|index| Some((index, roots.get(usize::from(index))?)));
        let inputs = inputs.map(|(index, root)| Self::input(graph, items, index, root));
        Ok(Self {
            tensors: inputs.collect::<Result<_>>()?,
            bytes: Some(sizes::inputs_bytes(graph, items)?),
        })
    }

    /// The tokens that a submission commits to.
    ///
    /// # Errors
    /// A graph without tokens, or items that don't fit it.
    pub fn tokens(graph: &Graph<'_>, items: u32, root: &Hash) -> Result<Self> {
        let tokens = graph.tokens();
        let tokens = tokens.ok_or(quern_proof::Error::Refused(Refusal::NoTokens))?;
        Ok(Self {
            tensors: vec![Self::input(graph, items, tokens, root)?],
            bytes: Some(sizes::tokens_bytes(graph, items)?),
        })
    }

    fn input(graph: &Graph<'_>, items: u32, index: u16, root: &Hash) -> Result<Named> {
        let operand = Operand::Input(index);
        let expected = Expected::of(graph, operand, items)?;
        Ok((operand, *root, Some(expected)))
    }

    /// Inputs of any shape, for work without a graph; one root may also be the SHA-256 of any file.
    pub fn of_roots(roots: &[Hash]) -> Self {
        let inputs = (0u16..).zip(roots);
        let inputs = inputs.map(|(index, root)| (Operand::Input(index), *root, None));
        Self {
            tensors: inputs.collect(),
            bytes: None,
        }
    }

    /// Length of the bundle, where the shapes are known.
    pub const fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Whether other jobs need them, too.
    fn is_shared(&self) -> bool {
        let first = self.tensors.first();
        first.is_some_and(|(operand, ..)| matches!(operand, Operand::Weight(_)))
    }

    /// What the file is called.
    fn file_name(&self) -> String {
        let extension = if self.is_shared() { SHARED } else { OWN };
        format!("{}.{extension}", self.name())
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

    /// Whether these bytes are the file that the only root stands for.
    fn is_file(&self, bytes: &[u8]) -> bool {
        match self.tensors.as_slice() {
            [(_, root, None)] => any_file::root(bytes) == Some(*root),
            _ => false,
        }
    }

    /// The tensors in a bundle, if they are these; none in a file of another kind that has the right hash.
    pub(crate) fn read(&self, bytes: &[u8]) -> Result<Vec<Tensor>> {
        if self.is_file(bytes) {
            return Ok(Vec::new());
        }
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
    /// Most bytes of tensors. Strangers name what is fetched: what live jobs do not need goes first, and what would still be
    /// too much is not fetched.
    pub max_bytes: u64,
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

/// A file that was fetched; it goes with this.
#[derive(Debug)]
pub struct Download(tempfile::TempPath);

impl Download {
    /// What it holds.
    ///
    /// # Errors
    /// `Files`.
    pub fn read(&self) -> Result<Vec<u8>> {
        let bytes = files::read(&self.0)?;
        bytes.ok_or_else(|| files::failed(&self.0, &"it is gone"))
    }
}

/// Fetched tensors that are not compared yet.
struct Fetched {
    path: tempfile::TempPath,
    /// Whether it comes from the own source: then the named one is tried if it is wrong.
    is_own: bool,
}

/// The store: memory, then the folder, then the network.
pub struct TensorStore {
    fetcher: Fetcher,
    budget: MemoryBudget,
    folder: Option<Folder>,
    cache: Mutex<Cache>,
    turns: Mutex<Turns>,
    /// By name and who named the source.
    fetched: Mutex<HashMap<(String, Pubkey), Fetched>>,
    /// What lies beside the folder and counts against its limit.
    beside_bytes: AtomicU64,
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
            fetched: Mutex::default(),
            beside_bytes: AtomicU64::new(0),
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

    /// Waits for memory for what strangers only propose: whoever waits for work that was taken comes first.
    ///
    /// # Errors
    /// `Memory` if it never fits.
    pub async fn reserve_idle(&self, bytes: u64) -> Result<Reservation> {
        self.budget.check(bytes)?;
        loop {
            if let Some(memory) = self.budget.try_reserve(Share::Work, bytes) {
                return Ok(memory);
            }
            if !lock(&self.cache).drop_oldest() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }

    /// Fetches tensors to the disk, if they are not here, without taking any memory; they are compared when somebody gets
    /// them. Says how large the file is, nothing if there is none. `uri` is only looked up if nothing else has them.
    ///
    /// # Errors
    /// That they cannot be had, or that there is no room for them.
    pub async fn bring<E: From<DataError>>(
        &self,
        wanted: Wanted<'_>,
        uri: impl Future<Output = std::result::Result<String, E>>,
    ) -> std::result::Result<u64, E> {
        if wanted.list.is_empty() {
            return Ok(0);
        }
        let key = wanted.key();
        let turn = self.turn(&key);
        let _turn = turn.lock().await;
        let kept = self.path(wanted.list).and_then(|path| path.metadata().ok());
        if let Some(kept) = kept {
            return Ok(kept.len());
        }
        if self.folder.is_none()
            && let Some(tensors) = lock(&self.cache).get(&key.0)
        {
            return Ok(tensors.iter().map(|one| one.data().len() as u64).sum());
        }
        if let Some(bytes) = lock(&self.fetched).get(&key).and_then(Fetched::bytes) {
            return Ok(bytes);
        }
        let fetched = self.fetched_file(wanted, uri).await?;
        let bytes = fetched.bytes().unwrap_or_default();
        lock(&self.fetched).insert(key, fetched);
        Ok(bytes)
    }

    /// The tensors that are wanted, pinned in the folder for the job. The own source is tried before `uri`, and `uri` is only
    /// looked up if nothing else has them.
    ///
    /// # Errors
    /// That they cannot be had, or are others; with a folder that is required also that they cannot be kept there.
    pub async fn get<E: From<DataError>>(
        &self,
        wanted: Wanted<'_>,
        uri: impl Future<Output = std::result::Result<String, E>>,
    ) -> std::result::Result<Arc<Vec<Tensor>>, E> {
        let list = wanted.list;
        // A plain product has no weights, and nobody publishes nothing.
        if list.is_empty() {
            return Ok(Arc::default());
        }
        let key = wanted.key();
        let turn = self.turn(&key);
        let _turn = turn.lock().await;
        self.pin(&key.0, wanted.job)?;
        let path = self.path(list);
        let cached = lock(&self.cache).get(&key.0);
        if let Some(tensors) = cached {
            // The file may have been removed meanwhile; where it is required it must outlive the memory.
            if !self.is_required() || path.is_none_or(|path| path.is_file()) {
                return Ok(tensors);
            }
        }
        let tensors = match self.kept(list).await? {
            Some(tensors) => tensors,
            None => self.compared(wanted, uri).await?,
        };
        let tensors = Arc::new(tensors);
        self.cache(key.0, &tensors);
        Ok(tensors)
    }

    /// The file of a list's tensors, if there is a folder.
    pub fn path(&self, list: &TensorList) -> Option<PathBuf> {
        let folder = self.folder.as_ref().filter(|_| !list.is_empty())?;
        Some(folder.path.join(list.file_name()))
    }

    /// What the folder has, if it is there and still right.
    async fn kept(&self, list: &TensorList) -> Result<Option<Vec<Tensor>>> {
        let Some(path) = self.path(list) else {
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
            Ok(tensors) => {
                files::touch(&path);
                Ok(Some(tensors))
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "kept tensors are damaged; fetching them again");
                Ok(None)
            }
        }
    }

    /// Tensors out of a file that was fetched, now or before, if they are the right ones; they stay in the folder.
    async fn compared<E: From<DataError>>(
        &self,
        wanted: Wanted<'_>,
        uri: impl Future<Output = std::result::Result<String, E>>,
    ) -> std::result::Result<Vec<Tensor>, E> {
        let before = lock(&self.fetched).remove(&wanted.key());
        let mut wanted = wanted;
        if before.as_ref().is_some_and(|before| !before.is_own) || wanted.own_source.is_none() {
            wanted.own_source = None;
            let fetched = match before {
                Some(before) => before,
                None => self.fetched_file(wanted, uri).await?,
            };
            return Ok(self.taken_over(wanted.list, fetched).await?);
        }
        let own = match before {
            Some(before) => Some(before),
            None => self.fetched_from_own_source(wanted).await,
        };
        if let Some(own) = own {
            match self.taken_over(wanted.list, own).await {
                Ok(tensors) => return Ok(tensors),
                Err(error) => say_own_source_fails(wanted, &error),
            }
        }
        wanted.own_source = None;
        let fetched = self.fetched_file(wanted, uri).await?;
        Ok(self.taken_over(wanted.list, fetched).await?)
    }

    /// Compares a fetched file and puts it into its place.
    async fn taken_over(&self, list: &TensorList, fetched: Fetched) -> Result<Vec<Tensor>> {
        let bytes = files::read(&fetched.path)?;
        let bytes = bytes.ok_or_else(|| files::failed(&fetched.path, &"it is gone"))?;
        let tensors = checked(list, bytes).await?;
        if let Some(path) = self.path(list) {
            match files::persist(fetched.path, &path) {
                Err(error) if self.is_required() => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "cannot keep checked tensors; a restart fetches them again");
                }
                Ok(()) => {}
            }
        }
        Ok(tensors)
    }

    /// A new file with what the own source or the named one has.
    async fn fetched_file<E: From<DataError>>(
        &self,
        wanted: Wanted<'_>,
        uri: impl Future<Output = std::result::Result<String, E>>,
    ) -> std::result::Result<Fetched, E> {
        if let Some(own) = self.fetched_from_own_source(wanted).await {
            return Ok(own);
        }
        let uri = uri.await?;
        Ok(self.fetch_to_file(wanted.list, &uri, false).await?)
    }

    async fn fetched_from_own_source(&self, wanted: Wanted<'_>) -> Option<Fetched> {
        let fetched = self.fetch_to_file(wanted.list, wanted.own_source?, true);
        match fetched.await {
            Ok(fetched) => Some(fetched),
            Err(error) => {
                say_own_source_fails(wanted, &error);
                None
            }
        }
    }

    async fn fetch_to_file(&self, list: &TensorList, uri: &str, is_own: bool) -> Result<Fetched> {
        let Download(path) = self.download(uri, list.bytes).await?;
        Ok(Fetched { path, is_own })
    }

    /// Fetches any file to the disk, within its limit; it takes no memory and goes with what is returned.
    ///
    /// # Errors
    /// As [`Fetcher::download`], or `DiskLimit`.
    pub async fn download(&self, uri: &str, expected_bytes: Option<u64>) -> Result<Download> {
        let mut part = tempfile::Builder::new();
        part.suffix(".part");
        let part = match &self.folder {
            Some(folder) => {
                folder.make_room(expected_bytes.unwrap_or_default(), self.beside_bytes())?;
                part.tempfile_in(&folder.path)
                    .map_err(|error| files::unwritten(&folder.path, &error))?
            }
            None => part
                .tempfile()
                .map_err(|error| files::unwritten(&std::env::temp_dir(), &error))?,
        };
        let path = part.into_temp_path();
        self.fetcher.download(uri, expected_bytes, &path).await?;
        Ok(Download(path))
    }

    /// Keeps tensors in memory if they fit, and drops those that were used least recently for them.
    fn cache(&self, name: String, tensors: &Arc<Vec<Tensor>>) {
        let bytes = tensors.iter().map(|one| {
            let packed = sizes::packed_weight_bytes(one.dtype(), one.rows(), one.cols());
            packed.saturating_add(one.data().len() as u64)
        });
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

    fn turn(&self, key: &(String, Pubkey)) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = lock(&self.turns);
        // Strangers make models: those that nobody waits for are forgotten.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(key.clone()).or_default())
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

    /// Ends what is kept for a job. Inputs that nobody else keeps are removed, and weights if there is no room for them.
    ///
    /// # Errors
    /// `Files`.
    pub fn release(&self, job: &Pubkey) -> Result<()> {
        lock(&self.fetched).retain(|(_, named_by), _| named_by != job);
        match &self.folder {
            Some(folder) => folder.release(job, self.beside_bytes()),
            None => Ok(()),
        }
    }

    /// From now on so many bytes beside the folder count against its limit.
    pub fn lies_beside(&self, bytes: u64) {
        self.beside_bytes.store(bytes, Ordering::Relaxed);
    }

    fn beside_bytes(&self) -> u64 {
        self.beside_bytes.load(Ordering::Relaxed)
    }

    /// Bytes in the folder that live jobs hold: they do not make room for anything.
    ///
    /// # Errors
    /// `Files`.
    pub fn held_bytes(&self) -> Result<u64> {
        let Some(folder) = &self.folder else {
            return Ok(0);
        };
        let _lock = folder.lock()?;
        Ok(folder.content()?.held_bytes)
    }

    /// Drops what was fetched for a job and turned out to be wrong, or is not wanted any more.
    pub fn forget_fetched(&self, wanted: Wanted<'_>) {
        lock(&self.fetched).remove(&wanted.key());
    }
}

impl Wanted<'_> {
    fn key(&self) -> (String, Pubkey) {
        (self.list.name(), *self.named_by)
    }
}

impl Fetched {
    fn bytes(&self) -> Option<u64> {
        self.path.metadata().ok().map(|found| found.len())
    }
}

fn say_own_source_fails(wanted: Wanted<'_>, error: &DataError) {
    let source = wanted.own_source.unwrap_or_default();
    tracing::warn!(source, %error, "the own source of tensors fails; trying the published one");
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

    fn release(&self, owner: &Pubkey, beside_bytes: u64) -> Result<()> {
        {
            let _lock = self.lock()?;
            let all = names(&self.path)?;
            let own = format!(".{}.{owner}.pin", self.user);
            for name in all.iter().filter_map(|file| file.strip_suffix(&own)) {
                files::remove(&self.pin(name, owner))?;
                let is_of_others = |file: &String| {
                    file.ends_with(".pin") && file.starts_with(name) && !file.ends_with(&own)
                };
                if !all.iter().any(is_of_others) {
                    files::remove(&self.path.join(format!("{name}.{OWN}")))?;
                }
            }
        }
        // What live jobs hold is more than enough reason to fetch nothing, and none to complain about here.
        match self.make_room(0, beside_bytes) {
            Err(DataError::DiskLimit { .. }) => Ok(()),
            made => made,
        }
    }

    /// What lies in it.
    fn content(&self) -> Result<Content> {
        let all = names(&self.path)?;
        let mut content = Content::default();
        for name in &all {
            let path = self.path.join(name);
            // Another process may have removed it meanwhile.
            let Ok(file) = path.metadata() else { continue };
            let stem = name.split('.').next().unwrap_or_default();
            let is_pinned = |other: &String| other.ends_with(".pin") && other.starts_with(stem);
            let is_bundle = [OWN, SHARED].iter().any(|end| name.ends_with(end));
            match is_bundle && !all.iter().any(is_pinned) {
                true => content
                    .unneeded
                    .push((file.modified().ok(), file.len(), path)),
                false => content.held_bytes = content.held_bytes.saturating_add(file.len()),
            }
        }
        content.unneeded.sort();
        Ok(content)
    }

    /// Removes what no live job needs, the longest unused first, until so many bytes more fit beside what lies elsewhere.
    fn make_room(&self, bytes: u64, beside_bytes: u64) -> Result<()> {
        let _lock = self.lock()?;
        let Content {
            held_bytes,
            unneeded,
        } = self.content()?;
        let held_bytes = held_bytes.saturating_add(beside_bytes);
        let mut used = unneeded.iter().fold(held_bytes, |sum, (_, length, _)| {
            sum.saturating_add(*length)
        });
        for (_, length, path) in unneeded {
            if used.saturating_add(bytes) <= self.max_bytes {
                return Ok(());
            }
            files::remove(&path)?;
            used = used.saturating_sub(length);
        }
        match used.saturating_add(bytes) <= self.max_bytes {
            true => Ok(()),
            false => Err(DataError::DiskLimit {
                needed_bytes: bytes,
                held_bytes,
                limit_bytes: self.max_bytes,
            }),
        }
    }
}

/// What lies in a folder.
#[derive(Default)]
struct Content {
    /// What live jobs hold, and what is being fetched.
    held_bytes: u64,
    /// What no live job needs, the longest unused first: when it was used, its length, its path.
    unneeded: Vec<(Option<SystemTime>, u64, PathBuf)>,
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

/// Decodes a bundle and compares it with its list, off the loop.
async fn checked(list: &TensorList, bytes: Vec<u8>) -> Result<Vec<Tensor>> {
    let list = list.clone();
    on_processor(move || list.read(&bytes)).await?
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
