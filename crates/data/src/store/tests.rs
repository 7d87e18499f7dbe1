//! One store alone, two that share a folder, and files that are damaged, missing or somebody else's.

#![allow(clippy::unwrap_used, clippy::panic)]

use {
    super::*,
    std::sync::atomic::{AtomicUsize, Ordering},
};

const JOB: Pubkey = Pubkey::new_from_array([1; 32]);
const OTHER: Pubkey = Pubkey::new_from_array([2; 32]);

struct World {
    folder: tempfile::TempDir,
    look_ups: AtomicUsize,
    disk_bytes: u64,
}

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            look_ups: AtomicUsize::new(0),
            disk_bytes: PLENTY,
        }
    }

    fn place(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    fn store(&self, user: &str, memory_bytes: u64) -> TensorStore {
        let fetch = FetchLimits {
            file_roots: vec![self.place()],
            ..FetchLimits::default()
        };
        let folder = Folder {
            path: self.place().join("tensors"),
            user: user.to_owned(),
            is_required: true,
            max_bytes: self.disk_bytes,
        };
        TensorStore::open(fetch, memory_bytes, Some(folder)).unwrap()
    }

    /// Publishes a tensor, and says what it is known by.
    fn publish(&self, byte: i8) -> TensorList {
        let tensor = Tensor::from_i8(4, 64, &[byte; 256]).unwrap();
        std::fs::write(
            self.published(),
            file::encode_bundle(std::slice::from_ref(&tensor)),
        )
        .unwrap();
        TensorList::of_roots(&[commit::data_root(&tensor)])
    }

    fn published(&self) -> PathBuf {
        self.place().join("published")
    }

    async fn get(&self, store: &TensorStore, list: &TensorList, owner: &Pubkey) -> Result<usize> {
        let uri = async {
            self.look_ups.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, DataError>(
                url::Url::from_file_path(self.published())
                    .unwrap()
                    .to_string(),
            )
        };
        let wanted = wanted(list, owner);
        store.get(wanted, uri).await.map(|found| found.len())
    }

    fn look_ups(&self) -> usize {
        self.look_ups.load(Ordering::SeqCst)
    }
}

const PLENTY: u64 = 1 << 30;

fn wanted<'a>(list: &'a TensorList, owner: &'a Pubkey) -> Wanted<'a> {
    Wanted {
        list,
        job: owner,
        named_by: owner,
        own_source: None,
    }
}

#[tokio::test]
async fn tensors_are_fetched_once_however_many_want_them() {
    let world = World::new();
    let list = world.publish(1);
    let store = world.store("a", PLENTY);
    let all = (0..8).map(|_| world.get(&store, &list, &JOB));
    for found in futures::future::join_all(all).await {
        assert_eq!(found.unwrap(), 1);
    }
    assert_eq!(world.look_ups(), 1);
    assert!(lock(&store.turns).len() <= 1);
    // Neither memory nor folder need the place again.
    std::fs::remove_file(world.published()).unwrap();
    let again = world.store("a", PLENTY);
    assert_eq!(world.get(&again, &list, &JOB).await.unwrap(), 1);
    assert_eq!(world.look_ups(), 1);
}

/// A job that copies another one's inputs and names a server that never answers.
#[tokio::test]
async fn a_slow_source_of_one_owner_holds_no_other_up() {
    let world = World::new();
    let list = world.publish(1);
    let store = world.store("a", PLENTY);
    let never = std::future::pending::<std::result::Result<String, DataError>>();
    let stuck = store.get(wanted(&list, &OTHER), never);
    tokio::select! {
        biased;
        _ = stuck => panic!("there is no address to fetch from"),
        found = world.get(&store, &list, &JOB) => assert_eq!(found.unwrap(), 1),
    }
}

#[tokio::test]
async fn damaged_and_removed_files_are_fetched_again() {
    let world = World::new();
    let list = world.publish(1);
    let path = world.store("a", PLENTY).path(&list).unwrap();
    for content in [Some(&b"garbage"[..]), Some(b""), None] {
        let store = world.store("a", PLENTY);
        world.get(&store, &list, &JOB).await.unwrap();
        let whole = std::fs::read(&path).unwrap();
        match content {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let looks = world.look_ups();
        // A store that has them in memory still sees that the file is gone.
        let store = match content {
            Some(_) => world.store("a", PLENTY),
            None => store,
        };
        world.get(&store, &list, &JOB).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        assert_eq!(world.look_ups(), looks + 1);
    }
}

/// Where the folder is a convenience, memory serves although nothing can be written.
#[tokio::test]
async fn an_optional_folder_that_lost_its_files_costs_no_fetch() {
    let world = World::new();
    let list = world.publish(1);
    let mut store = world.store("a", PLENTY);
    if let Some(folder) = &mut store.folder {
        folder.is_required = false;
    }
    world.get(&store, &list, &JOB).await.unwrap();
    std::fs::remove_file(store.path(&list).unwrap()).unwrap();
    world.get(&store, &list, &JOB).await.unwrap();
    assert_eq!(world.look_ups(), 1);
}

#[tokio::test]
async fn other_tensors_are_refused_and_not_kept() {
    let world = World::new();
    let list = world.publish(1);
    world.publish(2);
    let store = world.store("a", PLENTY);
    let refused = world.get(&store, &list, &JOB).await.unwrap_err();
    assert!(refused.to_string().contains("root"), "{refused}");
    assert!(!store.path(&list).unwrap().exists());
}

/// A root does not tell the shape: tensors of another shape with the same root pass for nothing.
#[tokio::test]
async fn a_root_alone_is_no_name_where_the_shape_is_known() {
    let world = World::new();
    let wide = Tensor::from_i8(1, 4, &[1, 0, 0, 0]).unwrap();
    let narrow = Tensor::from_i8(1, 1, &[1]).unwrap();
    assert_eq!(commit::data_root(&wide), commit::data_root(&narrow));
    std::fs::write(world.published(), file::encode_bundle(&[wide])).unwrap();
    let mut list = TensorList::of_roots(&[commit::data_root(&narrow)]);
    let loose = list.clone();
    list.tensors[0].2 = Some(Expected {
        dtype: DType::I8,
        rows: 1,
        cols: 1,
    });
    assert_ne!(list.name(), loose.name());
    let store = world.store("a", PLENTY);
    assert!(world.get(&store, &loose, &JOB).await.is_ok());
    let refused = world.get(&store, &list, &JOB).await.unwrap_err();
    assert!(refused.to_string().contains("1 x 1"), "{refused}");
}

/// A reviewed job's input may be a text, an image or any other file: it is kept as it is.
#[tokio::test]
async fn one_root_may_stand_for_any_file() {
    let world = World::new();
    let prompt = b"Say hello.\n";
    std::fs::write(world.published(), prompt).unwrap();
    let list = TensorList::of_roots(&[any_file::root(prompt).unwrap()]);
    let store = world.store("a", PLENTY);
    assert_eq!(world.get(&store, &list, &JOB).await.unwrap(), 0);
    assert_eq!(std::fs::read(store.path(&list).unwrap()).unwrap(), prompt);
    // Another file at that address, and another store that finds the right one in the folder.
    std::fs::write(world.published(), b"Say goodbye.\n").unwrap();
    let again = world.store("b", PLENTY);
    assert_eq!(world.get(&again, &list, &OTHER).await.unwrap(), 0);
    let other = TensorList::of_roots(&[any_file::root(b"something else").unwrap()]);
    assert!(world.get(&store, &other, &JOB).await.is_err());
    assert!(!store.path(&other).unwrap().exists());
}

/// What is hashed for a tensor's root must not take that tensor's place for other jobs.
#[tokio::test]
async fn a_node_of_a_tensors_tree_is_no_file() {
    let world = World::new();
    let tensor = Tensor::from_i8(1, 1, &[1]).unwrap();
    let leaf = [&[0][..], &tensor.leaf(0, 0).unwrap()].concat();
    std::fs::write(world.published(), leaf).unwrap();
    let list = TensorList::of_roots(&[commit::data_root(&tensor)]);
    let store = world.store("a", PLENTY);
    assert!(world.get(&store, &list, &JOB).await.is_err());
}

/// Provider and watcher may share a folder: neither removes what the other one keeps, nor what another job keeps.
#[tokio::test]
async fn a_bundle_goes_with_its_last_pin() {
    let world = World::new();
    let list = world.publish(1);
    let (provider, watcher) = (
        world.store("provider", PLENTY),
        world.store("watcher", PLENTY),
    );
    let path = provider.path(&list).unwrap();
    world.get(&provider, &list, &JOB).await.unwrap();
    world.get(&provider, &list, &OTHER).await.unwrap();
    world.get(&watcher, &list, &JOB).await.unwrap();
    assert_eq!(world.look_ups(), 1, "the watcher finds it in the folder");
    for (store, owner) in [(&watcher, JOB), (&watcher, JOB), (&provider, OTHER)] {
        store.release(&owner).unwrap();
        assert!(path.is_file());
    }
    provider.release(&JOB).unwrap();
    assert!(!path.exists());
    let left = names(&world.place().join("tensors")).unwrap();
    assert_eq!(left, ["lock"]);
}

#[tokio::test]
async fn the_least_recently_used_go_first_and_the_budget_holds() {
    let world = World::new();
    // Four tensors of 256 bytes take a KiB each, as the budget counts.
    let store = world.store("a", 2 * 3 * 1_024);
    let lists: Vec<TensorList> = (0..4).map(|byte| world.publish(byte)).collect();
    for (byte, list) in lists.iter().enumerate() {
        world.publish(byte as i8);
        world.get(&store, list, &JOB).await.unwrap();
        // The first one is used all the time.
        world.get(&store, &lists[0], &JOB).await.unwrap();
    }
    let cached = |list: &TensorList| lock(&store.cache).all.contains_key(&list.name());
    let found: Vec<bool> = lists.iter().map(cached).collect();
    assert_eq!(found, [true, false, true, true]);
    // Work displaces all of them, and nothing is kept beside it.
    let memory = store.reserve(3 * 1_024).await.unwrap();
    assert!(lock(&store.cache).all.is_empty());
    world.get(&store, &lists[0], &JOB).await.unwrap();
    assert!(!cached(&lists[0]));
    drop(memory);
    assert!(store.reserve(3 * 1_024 + 1).await.is_err());
}

#[tokio::test]
async fn without_a_folder_memory_is_all_there_is() {
    let world = World::new();
    let list = world.publish(1);
    let fetch = FetchLimits {
        file_roots: vec![world.place()],
        ..FetchLimits::default()
    };
    let store = TensorStore::open(fetch, PLENTY, None).unwrap();
    assert_eq!(store.path(&list), None);
    for _ in 0..2 {
        world.get(&store, &list, &JOB).await.unwrap();
    }
    assert_eq!(world.look_ups(), 1);
    store.release(&JOB).unwrap();
    // Nothing to fetch is nothing to look up.
    let none = TensorList::of_roots(&[]);
    assert_eq!(world.get(&store, &none, &JOB).await.unwrap(), 0);
    assert_eq!(world.look_ups(), 1);
}

/// What strangers make one keep is bounded, whoever names it: weights that no live job needs go first, the longest unused ones
/// before the others, and what live jobs need stays.
#[tokio::test]
async fn weights_that_no_live_job_needs_make_room() {
    let mut world = World::new();
    // Two bundles and their pins fit.
    let bundle_bytes = {
        let list = world.publish(0);
        let store = world.store("a", PLENTY);
        world.get(&store, &list, &JOB).await.unwrap();
        let bytes = store.path(&list).unwrap().metadata().unwrap().len();
        store.release(&JOB).unwrap();
        bytes
    };
    world.disk_bytes = 2 * bundle_bytes + bundle_bytes / 2;
    let store = world.store("a", PLENTY);
    let mut weights = Vec::new();
    for byte in 0..6 {
        let mut list = world.publish(byte);
        list.tensors[0].0 = Operand::Weight(0);
        list.bytes = Some(bundle_bytes);
        let job = Pubkey::from([byte as u8 + 10; 32]);
        world.get(&store, &list, &job).await.unwrap();
        let path = store.path(&list).unwrap();
        assert!(path.is_file());
        store.release(&job).unwrap();
        assert!(path.is_file(), "the next job of the model needs them");
        weights.push(path);
    }
    let kept = weights.iter().filter(|path| path.is_file()).count();
    assert!((1..=2).contains(&kept), "{kept}");
    // What is pinned stays, and where that is too much already nothing is fetched.
    let (first, second) = (Pubkey::from([1; 32]), Pubkey::from([2; 32]));
    let mut lists = Vec::new();
    for (byte, job) in [(7, first), (8, second)] {
        let mut list = world.publish(byte);
        list.bytes = Some(bundle_bytes);
        world.get(&store, &list, &job).await.unwrap();
        lists.push(list);
    }
    let mut third = world.publish(9);
    third.bytes = Some(bundle_bytes);
    let refused = world.get(&store, &third, &OTHER).await.unwrap_err();
    assert!(matches!(refused, DataError::DiskLimit { .. }), "{refused}");
    for list in &lists {
        assert!(store.path(list).unwrap().is_file());
    }
    store.release(&first).unwrap();
    assert!(world.get(&store, &third, &OTHER).await.is_ok());
}

/// Bringing takes no memory, and what comes is compared when it is used.
#[tokio::test]
async fn what_is_brought_is_compared_later_and_fetched_once() {
    let world = World::new();
    let list = world.publish(1);
    let store = world.store("a", PLENTY);
    let uri = || async {
        world.look_ups.fetch_add(1, Ordering::SeqCst);
        let uri = url::Url::from_file_path(world.published()).unwrap();
        Ok::<_, DataError>(uri.to_string())
    };
    let all = store.budget().share_bytes();
    let others = store.budget().try_reserve(Share::Work, all).unwrap();
    let bytes = store.bring(wanted(&list, &JOB), uri()).await.unwrap();
    assert_eq!(bytes, world.published().metadata().unwrap().len());
    assert!(!store.path(&list).unwrap().exists());
    store.bring(wanted(&list, &JOB), uri()).await.unwrap();
    drop(others);
    assert_eq!(world.get(&store, &list, &JOB).await.unwrap(), 1);
    assert!(store.path(&list).unwrap().is_file());
    assert_eq!(world.look_ups(), 1);
    // Other data than those that were promised are found out then, and leave nothing behind.
    let right = world.publish(3);
    world.publish(4);
    store.bring(wanted(&right, &OTHER), uri()).await.unwrap();
    assert!(world.get(&store, &right, &OTHER).await.is_err());
    store.release(&OTHER).unwrap();
    let left = names(&world.place().join("tensors")).unwrap();
    assert!(left.iter().all(|name| !name.ends_with(".part")), "{left:?}");
}
