//! A server with its engine, and a client that knows the key.

use {
    crate::double::{Double, MODEL},
    quern_gateway::http::{HttpServer, HttpSettings},
    reqwest::{Client, RequestBuilder, Response},
    serde_json::{Value, json},
    std::{path::Path, sync::Arc, time::Duration},
    tempfile::TempDir,
};

/// Nothing in these tests takes longer.
const LIMIT: Duration = Duration::from_secs(30);

pub struct Server {
    pub http: HttpServer,
    pub double: Arc<Double>,
    pub folder: Arc<TempDir>,
    client: Client,
}

pub fn settings(state: &Path) -> HttpSettings {
    HttpSettings {
        patience: Duration::from_millis(300),
        ..HttpSettings::new("127.0.0.1:0".parse().unwrap(), state.to_owned())
    }
}

impl Server {
    pub async fn start() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        Self::over(folder, Arc::new(Double::new())).await
    }

    pub async fn over(folder: Arc<TempDir>, double: Arc<Double>) -> Self {
        Self::with(settings(folder.path()), folder, double).await
    }

    pub async fn with(settings: HttpSettings, folder: Arc<TempDir>, double: Arc<Double>) -> Self {
        let http = HttpServer::start(&settings, double.clone()).await.unwrap();
        Self {
            http,
            double,
            folder,
            client: Client::new(),
        }
    }

    /// Stops it and starts another one over the same engine and folder.
    pub async fn restart(self) -> Self {
        self.http.stop().await;
        Self::over(self.folder, self.double).await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http.address())
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.with_key(self.client.get(self.url(path)))
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.with_key(self.client.post(self.url(path)))
    }

    pub fn delete(&self, path: &str) -> RequestBuilder {
        self.with_key(self.client.delete(self.url(path)))
    }

    pub fn without_key(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path))
    }

    fn with_key(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(self.http.token().text())
    }

    pub async fn read(&self, path: &str) -> Value {
        ok(self.get(path)).await
    }

    pub fn embed(&self, input: Value) -> RequestBuilder {
        self.post("/v1/embeddings")
            .json(&json!({"model": MODEL, "input": input}))
    }

    pub async fn upload(&self, bytes: impl Into<Vec<u8>>) -> Value {
        let form = Form::new()
            .text("purpose", "batch")
            .file("file", &bytes.into());
        ok(self.post_form(form)).await
    }

    pub fn post_form(&self, form: Form) -> RequestBuilder {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        self.post("/v1/files")
            .header("content-type", kind)
            .body(form.end())
    }

    /// The id of a new batch.
    pub async fn batch(&self, input: &str) -> String {
        let file = self.upload(input).await;
        let body = batch_body(file["id"].as_str().unwrap());
        let batch = ok(self.post("/v1/batches").json(&body)).await;
        batch["id"].as_str().unwrap().to_owned()
    }

    /// The batch, once its status is one of these.
    pub async fn batch_when(&self, id: &str, statuses: &[&str]) -> Value {
        let wait = async {
            loop {
                let batch = self.read(&format!("/v1/batches/{id}")).await;
                if statuses.contains(&batch["status"].as_str().unwrap()) {
                    return batch;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, wait)
            .await
            .expect("the batch gets there")
    }

    /// The lines of a file.
    pub async fn lines(&self, id: &Value) -> Vec<Value> {
        let path = format!("/v1/files/{}/content", id.as_str().unwrap());
        let text = self.get(&path).send().await.unwrap().text().await.unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

const BOUNDARY: &str = "a-line-between-fields";

/// A form as browsers and libraries send it.
pub struct Form(Vec<u8>);

impl Form {
    pub fn new() -> Self {
        Self(Vec::new())
    }

    pub fn text(self, name: &str, value: &str) -> Self {
        self.field(&format!("name=\"{name}\""), value.as_bytes())
    }

    pub fn file(self, name: &str, bytes: &[u8]) -> Self {
        self.field(&format!("name=\"{name}\"; filename=\"input.jsonl\""), bytes)
    }

    fn field(mut self, head: &str, bytes: &[u8]) -> Self {
        let head = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; {head}\r\n\r\n");
        self.0.extend_from_slice(head.as_bytes());
        self.0.extend_from_slice(bytes);
        self.0.extend_from_slice(b"\r\n");
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.0
            .extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.0
    }
}

pub fn batch_body(file: &str) -> Value {
    json!({"input_file_id": file, "endpoint": "/v1/embeddings", "completion_window": "24h"})
}

/// A line of a batch.
pub fn line(name: &str, input: &Value) -> String {
    let body = json!({"model": MODEL, "input": input});
    json!({"custom_id": name, "method": "POST", "url": "/v1/embeddings", "body": body}).to_string()
        + "\n"
}

pub async fn ok(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// The error of a refused request, in OpenAI's shape, and whether its library would try again.
pub async fn refused(request: RequestBuilder, status: u16) -> (Value, bool) {
    error_of(request.send().await.unwrap(), status).await
}

pub async fn error_of(response: Response, status: u16) -> (Value, bool) {
    let headers = response.headers().clone();
    let found = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(found, status, "{text}");
    let header = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(header("content-type").as_deref(), Some("application/json"));
    assert!(header("x-request-id").is_some_and(|id| id.starts_with("req_")));
    assert_eq!(header("access-control-allow-origin"), None);
    let body: Value = serde_json::from_str(&text).unwrap();
    let error = body["error"].clone();
    let fields: Vec<&String> = error.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["code", "message", "param", "type"], "{text}");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|message| message.len() > 10),
        "{text}"
    );
    (
        error,
        header("x-should-retry").expect("every error says it") == "true",
    )
}

/// Waits until something holds.
pub async fn until(holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait)
        .await
        .expect("it comes to hold");
}
