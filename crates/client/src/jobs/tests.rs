//! Looks at a node that counts what it is asked and what it answers.

#![allow(clippy::unwrap_used, clippy::panic)]

use {
    super::*,
    crate::{
        chain::{ChainReads, RpcChain},
        send::Sender,
    },
    async_trait::async_trait,
    bytemuck::Zeroable,
    quern::state::{JobState, LAYOUT_VERSION},
    serde_json::{Value, json},
    solana_rpc_client::{
        rpc_client::RpcClientConfig,
        rpc_sender::{RpcSender, RpcTransportStats},
    },
    solana_rpc_client_api::{client_error, request::RpcRequest},
    solana_sdk::signature::Keypair,
    std::{
        collections::BTreeMap,
        fmt::Write,
        sync::{Arc, Mutex as StdMutex},
    },
};

/// A node with jobs.
#[derive(Default)]
struct Cluster {
    jobs: BTreeMap<Pubkey, Job>,
    slot: u64,
    calls: u64,
    bytes: u64,
    lists: u64,
}

struct Node(Arc<StdMutex<Cluster>>);

fn account(data: &[u8]) -> Value {
    json!({
        "lamports": 4_693_920u64, "data": [base64(data), "base64"], "owner": crate::program_id().to_string(),
        "executable": false, "rentEpoch": u64::MAX, "space": data.len(),
    })
}

/// Plain base64, as nodes answer.
fn base64(data: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in data.chunks(3) {
        let bits = chunk
            .iter()
            .chain([&0, &0])
            .take(3)
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize] as char;
            text.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    text
}

fn bytes_of(job: &Job) -> Vec<u8> {
    [Job::DISCRIMINATOR, bytemuck::bytes_of(job)].concat()
}

impl Cluster {
    fn list(&self, config: &Value) -> Value {
        let filters = config["filters"].as_array().unwrap();
        let takes = |data: &[u8]| {
            filters.iter().all(|filter| {
                let memcmp = &filter["memcmp"];
                let bytes: Vec<u8> = match &memcmp["bytes"] {
                    Value::String(text) => bs58::decode(text).into_vec().unwrap(),
                    list => serde_json::from_value(list.clone()).unwrap(),
                };
                let offset = memcmp["offset"].as_u64().unwrap() as usize;
                data[offset..].starts_with(&bytes)
            })
        };
        let slice = &config["dataSlice"];
        let found = self.jobs.iter().filter_map(|(address, job)| {
            let data = bytes_of(job);
            takes(&data).then(|| {
                let length = slice["length"]
                    .as_u64()
                    .map_or(data.len(), |it| it as usize);
                json!({ "pubkey": address.to_string(), "account": account(&data[..length]) })
            })
        });
        found.collect()
    }
}

#[async_trait]
impl RpcSender for Node {
    async fn send(&self, request: RpcRequest, params: Value) -> client_error::Result<Value> {
        let mut cluster = self.0.lock().unwrap();
        cluster.calls += 1;
        let answer = match request {
            RpcRequest::GetSlot => json!(cluster.slot),
            RpcRequest::GetProgramAccounts => {
                cluster.lists += 1;
                cluster.list(&params[1])
            }
            RpcRequest::GetMultipleAccounts => {
                let wanted: Vec<String> = serde_json::from_value(params[0].clone()).unwrap();
                let found = wanted.iter().map(|address| {
                    let job = cluster.jobs.get(&address.parse::<Pubkey>().unwrap());
                    job.map_or(Value::Null, |job| account(&bytes_of(job)))
                });
                json!({ "context": { "slot": cluster.slot }, "value": found.collect::<Value>() })
            }
            other => panic!("{other}"),
        };
        cluster.bytes += answer.to_string().len() as u64;
        Ok(answer)
    }

    fn get_transport_stats(&self) -> RpcTransportStats {
        RpcTransportStats::default()
    }

    fn url(&self) -> String {
        "memory".to_owned()
    }
}

fn address(number: u64) -> Pubkey {
    let mut bytes = [5; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    Pubkey::from(bytes)
}

fn job(state: JobState, slot: u64) -> Job {
    let mut job = Job::zeroed();
    (job.version, job.state, job.kind, job.assurance) = (LAYOUT_VERSION, state as u8, 1, 1);
    job.seq = 1u64.into();
    job.state_slot = slot.into();
    // Real accounts are full of hashes.
    job.client = address(slot);
    job
}

fn cluster(slot: u64) -> (RpcClient, Arc<StdMutex<Cluster>>) {
    let cluster = Arc::new(StdMutex::new(Cluster {
        slot,
        ..Cluster::default()
    }));
    let sender = Node(Arc::clone(&cluster));
    (
        RpcClient::new_sender(sender, RpcClientConfig::default()),
        cluster,
    )
}

fn submitted(looks: Looks) -> FollowedJobs {
    let filter = JobFilter {
        state: Some(JobState::Submitted),
        ..JobFilter::default()
    };
    FollowedJobs::new(filter, looks)
}

async fn seen(followed: &FollowedJobs, rpc: &RpcClient) -> Vec<(Pubkey, u64)> {
    let jobs = followed.look(rpc).await.unwrap();
    let mut seen: Vec<(Pubkey, u64)> = jobs
        .into_iter()
        .map(|(address, job)| (address, job.seq.get()))
        .collect();
    seen.sort();
    seen
}

#[tokio::test]
async fn what_is_new_changed_or_gone_is_seen_at_the_next_look() {
    for looks in [Looks::All, Looks::Recent] {
        let (rpc, node) = cluster(100_000);
        let followed = submitted(looks);
        let put = |number: u64, state: JobState, seq: u64| {
            let mut node = node.lock().unwrap();
            let mut job = job(state, node.slot);
            job.seq = seq.into();
            node.jobs.insert(address(number), job);
        };
        put(1, JobState::Submitted, 1);
        put(2, JobState::Taken, 1);
        assert_eq!(seen(&followed, &rpc).await, [(address(1), 1)], "{looks:?}");
        // Every step of the clock, across borders of windows.
        for step in 0..100 {
            node.lock().unwrap().slot += 12;
            put(10 + step, JobState::Submitted, 1);
            put(2, JobState::Submitted, 2 + step);
            let seen = seen(&followed, &rpc).await;
            assert!(seen.contains(&(address(10 + step), 1)), "{looks:?} {step}");
            assert!(seen.contains(&(address(2), 2 + step)), "{looks:?} {step}");
            assert_eq!(seen.len(), 3 + step as usize, "{looks:?}");
        }
        // What has left the state is gone: at once where all are listed, otherwise when they are.
        put(1, JobState::Convicted, 2);
        if looks == Looks::Recent {
            followed.known.lock().await.listed = None;
        }
        assert!(!seen(&followed, &rpc).await.contains(&(address(1), 1)));
    }
}

/// A chain of a watcher of everybody's jobs over such a node.
fn chain(slot: u64) -> (Arc<RpcChain>, Arc<StdMutex<Cluster>>) {
    let (rpc, node) = cluster(slot);
    let sender = Sender::over(Arc::new(rpc));
    (RpcChain::new(sender, Keypair::new()), node)
}

/// What has gone on is shown until all are listed, unless somebody reads it: that may be once at most, or a watcher
/// would examine everything that has ended for an hour.
#[tokio::test]
async fn what_was_read_and_has_gone_on_is_shown_no_more() {
    let (chain, node) = chain(100_000);
    let filter = submitted(Looks::Recent).filter;
    let shown = async || {
        let jobs = chain.followed_jobs(filter, Looks::Recent).await.unwrap();
        let shown: Vec<Pubkey> = jobs.into_iter().map(|(address, _)| address).collect();
        shown
    };
    for number in 0..4 {
        let job = job(JobState::Submitted, 100_000);
        node.lock().unwrap().jobs.insert(address(number), job);
    }
    // Until no window holds them any more.
    for _ in 0..5 {
        assert_eq!(shown().await.len(), 4);
        node.lock().unwrap().slot += OVERLAP_SLOTS;
    }
    {
        let mut node = node.lock().unwrap();
        node.jobs.remove(&address(0));
        node.jobs.insert(address(1), job(JobState::Convicted, 1));
    }
    assert_eq!(shown().await.len(), 4, "nobody has read them");
    for number in 0..3 {
        chain.job(&address(number)).await.unwrap();
    }
    let calls = node.lock().unwrap().calls;
    for _ in 0..10 {
        assert_eq!(shown().await, [address(2), address(3)]);
    }
    let calls = node.lock().unwrap().calls - calls;
    assert!(calls <= 30, "{calls} calls: a slot and two windows a look");
}

/// A node that is behind hides nothing for long.
#[tokio::test]
async fn what_only_seemed_to_have_gone_on_comes_back() {
    let (rpc, node) = cluster(100_000);
    let followed = submitted(Looks::Recent);
    let here = job(JobState::Submitted, 100_000);
    node.lock().unwrap().jobs.insert(address(1), here);
    for _ in 0..5 {
        assert_eq!(seen(&followed, &rpc).await, [(address(1), 1)]);
        node.lock().unwrap().slot += OVERLAP_SLOTS;
    }
    followed.was_read(&address(1), Some(&here));
    assert_eq!(seen(&followed, &rpc).await, [(address(1), 1)]);
    followed.was_read(&address(1), None);
    assert_eq!(seen(&followed, &rpc).await, []);
    let doubt = async |change: fn(&mut Doubt)| {
        let mut known = followed.known.lock().await;
        known.doubts.values_mut().for_each(change);
    };
    doubt(|doubt| doubt.next = doubt.since).await;
    assert_eq!(seen(&followed, &rpc).await, [(address(1), 1)]);
    assert!(followed.known.lock().await.doubts.is_empty());
    // What is not there is read again for a while only.
    node.lock().unwrap().jobs.clear();
    followed.was_read(&address(1), None);
    for _ in 0..3 {
        assert_eq!(seen(&followed, &rpc).await, []);
        assert_eq!(followed.known.lock().await.doubts.len(), 1);
    }
    doubt(|doubt| doubt.since = doubt.since.checked_sub(DOUBT_FOR).unwrap()).await;
    assert_eq!(seen(&followed, &rpc).await, []);
    assert!(followed.known.lock().await.doubts.is_empty());
}

#[tokio::test]
async fn after_a_pause_all_are_listed() {
    let (rpc, node) = cluster(100_000);
    let followed = submitted(Looks::Recent);
    seen(&followed, &rpc).await;
    {
        let mut node = node.lock().unwrap();
        let missed = job(JobState::Submitted, node.slot + 10);
        node.jobs.insert(address(1), missed);
        node.slot += 10_000;
    }
    assert_eq!(seen(&followed, &rpc).await, [(address(1), 1)]);
}

/// A job that is created again at the address of another one on another cluster has another creation.
#[tokio::test]
async fn an_unchanged_counter_of_another_job_is_a_change() {
    let (rpc, node) = cluster(100_000);
    let followed = submitted(Looks::All);
    let mut job = job(JobState::Submitted, 100_000);
    node.lock().unwrap().jobs.insert(address(1), job);
    seen(&followed, &rpc).await;
    (job.created_at, job.price_atoms) = (7i64.into(), 9u64.into());
    node.lock().unwrap().jobs.insert(address(1), job);
    let found = followed.look(&rpc).await.unwrap();
    assert_eq!(found[0].1.price_atoms.get(), 9);
}

const SLOTS_A_LOOK: u64 = 12;
const LOOKS_A_DAY: u64 = 86_400 / 5;
/// Looks in three whole windows, so that all phases count alike.
const LOOKS: u64 = 3 * WINDOW_SLOTS / SLOTS_A_LOOK;

/// Calls and bytes of some looks while one job is submitted before each of the first `count`.
async fn measured(followed: &FollowedJobs, count: u64) -> (u64, u64) {
    let (rpc, node) = cluster(1 << 20);
    followed.look(&rpc).await.unwrap();
    let before = {
        let node = node.lock().unwrap();
        (node.calls, node.bytes)
    };
    for look in 0..2 * LOOKS {
        {
            let mut node = node.lock().unwrap();
            node.slot += SLOTS_A_LOOK;
            if look < count {
                let submitted = job(JobState::Submitted, node.slot);
                node.jobs.insert(address(look), submitted);
            }
        }
        followed.look(&rpc).await.unwrap();
    }
    let node = node.lock().unwrap();
    (node.calls - before.0, node.bytes - before.1)
}

/// Bytes of a live job at a look that lists it.
async fn bytes_a_job(with: impl AsyncFn(&RpcClient)) -> f64 {
    const COUNT: u64 = 100;
    let (rpc, node) = cluster(1 << 20);
    for number in 0..COUNT {
        let mut node = node.lock().unwrap();
        node.jobs
            .insert(address(number), job(JobState::Submitted, number));
    }
    with(&rpc).await;
    let before = node.lock().unwrap().bytes;
    with(&rpc).await;
    let bytes = node.lock().unwrap().bytes - before;
    bytes as f64 / COUNT as f64
}

fn bytes_text(bytes: f64) -> String {
    for (unit, name) in [(1e12, "TB"), (1e9, "GB"), (1e6, "MB")] {
        if bytes >= unit {
            return format!("{:.1} {name}", bytes / unit);
        }
    }
    format!("{:.1} KB", bytes / 1e3)
}

/// The table of docs/WATCHER.md: jobs under review for a day, in two states that are looked at every five seconds.
#[tokio::test]
async fn what_looks_cost_is_as_documented() {
    let all = submitted(Looks::All);
    let filter = all.filter;
    let whole = bytes_a_job(async |rpc| drop(accounts::jobs(rpc, filter).await.unwrap())).await;
    let head = bytes_a_job(async |rpc| drop(all.look(rpc).await.unwrap())).await;
    let (calls, idle) = measured(&submitted(Looks::Recent), 0).await;
    let (_, busy) = measured(&submitted(Looks::Recent), LOOKS).await;
    let recent = (busy - idle) as f64 / LOOKS as f64;
    let (calls, idle) = (
        calls as f64 / (2 * LOOKS) as f64,
        idle as f64 / (2 * LOOKS) as f64,
    );
    assert!(whole > 4.0 * head, "{whole} {head}");
    let mut table = String::from(
        "| jobs a day | whole accounts: calls and bytes a day | all heads | recent heads, as built |\n| ---: | ---: | ---: | ---: |\n",
    );
    let looks = LOOKS_A_DAY as f64;
    for exponent in 3..=5 {
        let jobs = 10f64.powi(exponent);
        // One request reads all that changed since the last look.
        let reads = jobs.min(looks);
        let rows = [
            (2.0 * looks, jobs * looks * whole),
            (2.0 * looks + reads, jobs * (looks * head + whole)),
            (
                2.0 * calls * looks + reads,
                2.0 * idle * looks + jobs * (recent + 24.0 * head),
            ),
        ];
        write!(table, "| 10^{exponent} |").unwrap();
        for (calls, bytes) in rows {
            write!(
                table,
                " {:.0} thousand, {} |",
                calls / 1e3,
                bytes_text(bytes)
            )
            .unwrap();
        }
        table.push('\n');
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/WATCHER.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once("<!-- looks: begin -->\n").unwrap();
    let (documented, after) = rest.split_once("<!-- looks: end -->").unwrap();
    if std::env::var_os("QUERN_UPDATE_GOLDEN").is_some() {
        let page = format!("{before}<!-- looks: begin -->\n{table}<!-- looks: end -->{after}");
        std::fs::write(path, page).unwrap();
        return;
    }
    assert_eq!(documented, table);
}
