//! An indexer within the test, fed from a recording, and a client that asks it.

use {
    super::{History, recording},
    quern_indexer::{Config, Indexer},
    reqwest::header::HeaderMap,
    serde_json::Value,
    std::time::Duration,
    tempfile::TempDir,
};

pub struct Asked {
    pub indexer: Indexer,
    pub history: History,
    pub http: reqwest::Client,
    _folder: TempDir,
}

pub struct Answered {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answered {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn kind(&self) -> &str {
        let kind = self.header("content-type");
        kind.split(';').next().unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }
}

impl Asked {
    pub async fn of(history: History) -> Self {
        Self::with(history, |_| {}).await
    }

    pub async fn with(history: History, change: impl FnOnce(&mut Config)) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("recording.jsonl");
        std::fs::write(&path, recording(&history.events)).unwrap();
        let store = format!("sqlite:{}", folder.path().join("db").display());
        let mut config = Config::local("http://unused.invalid", store);
        config.recording = Some(path);
        change(&mut config);
        let indexer = Indexer::start(config).await.unwrap();
        let slot = history.events.last().unwrap().slot;
        assert!(indexer.wait_for_slot(slot, Duration::from_secs(120)).await);
        Self {
            indexer,
            history,
            http: reqwest::Client::new(),
            _folder: folder,
        }
    }

    pub async fn get(&self, path: &str) -> Answered {
        self.get_with(path, &[]).await
    }

    /// A reply whose body is read, unless it goes on for ever.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answered {
        let url = format!("{}{path}", self.indexer.url());
        let mut request = self.http.get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = request.send().await.unwrap();
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let kind = headers.get("content-type").map(|kind| kind.as_bytes());
        let text = match kind.is_some_and(|kind| kind.starts_with(b"text/event-stream")) {
            true => String::new(),
            false => reply.text().await.unwrap(),
        };
        Answered {
            status,
            headers,
            text,
        }
    }

    pub async fn json(&self, path: &str) -> Value {
        let answered = self.get(path).await;
        assert_eq!(answered.status, 200, "{path}: {}", answered.text);
        answered.json()
    }
}
