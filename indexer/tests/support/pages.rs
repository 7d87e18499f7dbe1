//! An indexer that serves pages of an invented history.

use {
    super::{History, history::address, recording},
    bytemuck::Zeroable,
    quern_client::{
        Pubkey,
        quern::{
            events::{Change, ModelRegistered, ProviderRegistered, QuernEvent},
            state::{EntityKind, Model, Provider},
        },
    },
    quern_indexer::{Config, Indexer},
    std::time::Duration,
    tempfile::TempDir,
};

pub struct Pages {
    pub indexer: Indexer,
    pub history: History,
    pub http: reqwest::Client,
    _folder: TempDir,
}

/// A page as it came.
pub struct Came {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Pages {
    pub async fn of(history: History, change: impl FnOnce(&mut Config)) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("recording.jsonl");
        std::fs::write(&path, recording(&history.events)).unwrap();
        let store = format!("sqlite:{}", folder.path().join("db").display());
        let mut config = Config::local("http://unused.invalid", store);
        config.recording = Some(path);
        config.max_connections_per_address = 512;
        change(&mut config);
        let indexer = Indexer::start(config).await.unwrap();
        let slot = history.events.last().unwrap().slot;
        assert!(indexer.wait_for_slot(slot, Duration::from_secs(120)).await);
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            indexer,
            history,
            http,
            _folder: folder,
        }
    }

    /// What a browser gets.
    pub async fn get(&self, path: &str) -> Came {
        let request = self.http.get(format!("{}{path}", self.indexer.url()));
        let reply = request
            .header("accept", "text/html,*/*;q=0.8")
            .send()
            .await
            .unwrap();
        Came {
            status: reply.status().as_u16(),
            headers: reply.headers().clone(),
            text: reply.text().await.unwrap(),
        }
    }
}

/// Some weeks of jobs, with names and endings of every kind.
pub fn busy(seed: u64, jobs: u64) -> History {
    let mut history = History::new(seed);
    for n in 0..jobs {
        if n.is_multiple_of(10) {
            // Some jobs name no model.
            history.model = Pubkey::default();
            match n / 10 % 3 {
                0 => use_model(
                    &mut history,
                    n,
                    b"mnist-digits",
                    "https://models.example/digits",
                ),
                1 => use_model(
                    &mut history,
                    n,
                    b"minilm-l6-v2",
                    "https://models.example/minilm",
                ),
                _ => {}
            }
        }
        history.job(1 + (n % 2) as u8);
        history.at += history.dice.below(8 * 3_600) as i64;
    }
    history.cheated_job();
    history.campaigns();
    history.long_job(30, 30);
    for n in 0..6 {
        history.job(1 + (n % 2) as u8);
    }
    history
}

/// A provider whose name and endpoint are bytes of a stranger's choice.
pub fn named(history: &mut History, n: u64, name: &[u8], endpoint: &str) -> Pubkey {
    let owner = address(23, n);
    let mut provider = Provider::zeroed();
    (provider.owner, provider.seq) = (owner, 1u64.into());
    provider.name[..name.len()].copy_from_slice(name);
    let at = history.at;
    history.tell(QuernEvent::ProviderRegistered(ProviderRegistered {
        at,
        owner,
        endpoint: endpoint.to_owned(),
        changes: vec![Change {
            kind: EntityKind::Provider as u8,
            address: History::provider_address(&owner),
            seq: 1,
            after: bytemuck::bytes_of(&provider).to_vec(),
        }],
    }));
    owner
}

/// Registers a model of the creator, which the jobs that follow use.
pub fn use_model(history: &mut History, n: u64, name: &[u8], uri: &str) {
    let mut model = Model::zeroed();
    (model.kind, model.creator, model.owner) = (1, history.creator, history.creator);
    (model.id, model.seq, model.royalty_bps) = (n.into(), 1u64.into(), 500u16.into());
    (model.sealed, model.active) = (true.into(), true.into());
    model.work = 1_000_000u64.into();
    model.graph_bytes = 4_321u32.into();
    model.name[..name.len()].copy_from_slice(name);
    history.model = address(42, n);
    let (at, creator, address) = (history.at, history.creator, history.model);
    history.tell(QuernEvent::ModelRegistered(ModelRegistered {
        at,
        creator,
        id: n,
        uri: uri.to_owned(),
        changes: vec![Change {
            kind: EntityKind::Model as u8,
            address,
            seq: 1,
            after: bytemuck::bytes_of(&model).to_vec(),
        }],
    }));
}
