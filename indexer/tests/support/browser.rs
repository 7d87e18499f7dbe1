//! A headless Chromium, spoken to over its DevTools protocol.

use {
    base64::{Engine as _, engine::general_purpose::STANDARD},
    futures::{SinkExt, StreamExt},
    serde_json::{Value, json},
    std::{
        io::{BufRead, BufReader},
        path::Path,
        process::{Child, Command, Stdio},
        time::Duration,
    },
    tempfile::TempDir,
    tokio::net::TcpStream,
    tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message},
};

/// Ends a test that hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// Where the browser says that it can be spoken to.
const READY: &str = "DevTools listening on ";

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub width: u32,
    pub height: u32,
    pub is_dark: bool,
}

/// A running browser with one tab.
pub struct Browser {
    process: Child,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: Option<String>,
    count: u64,
    /// What the browser complained about since the last look.
    pub complaints: Vec<String>,
    _profile: TempDir,
}

impl Browser {
    /// Starts Debian's Chromium; nothing where it is not installed, which is said.
    pub async fn start() -> Option<Self> {
        let name = ["chromium", "chromium-browser", "google-chrome"]
            .into_iter()
            .find(|name| Command::new(name).arg("--version").output().is_ok());
        let Some(name) = name else {
            eprintln!("skipped: Chromium is missing; `cargo xtask setup` installs it");
            return None;
        };
        let profile = TempDir::new().unwrap();
        let mut process = Command::new(name)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
            ])
            .args([
                "--no-first-run",
                "--disable-dev-shm-usage",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let place = lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| line.strip_prefix(READY).map(str::to_owned))
            .expect("the browser says where it listens");
        // A pipe that nobody reads would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        let (socket, _) = connect_async(place).await.unwrap();
        let mut browser = Self {
            process,
            socket,
            session: None,
            count: 0,
            complaints: Vec::new(),
            _profile: profile,
        };
        let tab = browser
            .ask("Target.createTarget", json!({ "url": "about:blank" }))
            .await;
        let tab = json!({ "targetId": tab["targetId"], "flatten": true });
        let session = browser.ask("Target.attachToTarget", tab).await;
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.ask(domain, json!({})).await;
        }
        Some(browser)
    }

    /// Sends a command and waits for its result.
    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.count += 1;
        let mut command = json!({ "id": self.count, "method": method, "params": params });
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        let text = command.to_string();
        self.socket.send(Message::text(text)).await.unwrap();
        let id = self.count;
        let answer = self.wait(|message| message["id"] == id).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The next message of a kind; complaints on the way are kept.
    async fn wait(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        let read = async {
            loop {
                let message = self.socket.next().await.unwrap().unwrap();
                let Ok(text) = message.to_text() else {
                    continue;
                };
                let Ok(message) = serde_json::from_str::<Value>(text) else {
                    continue;
                };
                if is_complaint(&message) {
                    self.complaints.push(message["params"].to_string());
                }
                if is_it(&message) {
                    return message;
                }
            }
        };
        tokio::time::timeout(LIMIT, read)
            .await
            .expect("the browser answers")
    }

    /// Opens a page and waits until everything of it is loaded.
    pub async fn open(&mut self, url: &str, view: View) {
        let colours = if view.is_dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": colours }] });
        self.ask("Emulation.setEmulatedMedia", media).await;
        let screen = json!({
            "width": view.width, "height": view.height, "deviceScaleFactor": 1, "mobile": false
        });
        self.ask("Emulation.setDeviceMetricsOverride", screen).await;
        self.ask("Page.navigate", json!({ "url": url })).await;
        self.wait(|message| message["method"] == "Page.loadEventFired")
            .await;
    }

    /// The value of an expression in the page; promises are waited for.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let params =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.ask("Runtime.evaluate", params).await;
        assert!(result.get("exceptionDetails").is_none(), "{result}");
        result["result"]["value"].clone()
    }

    /// Writes a picture of the whole page.
    pub async fn picture(&mut self, path: &Path, width: u32) {
        let size = self.ask("Page.getLayoutMetrics", json!({})).await;
        let height = size["cssContentSize"]["height"].as_f64().unwrap();
        let params = json!({
            "format": "png", "captureBeyondViewport": true,
            "clip": { "x": 0, "y": 0, "width": width, "height": height, "scale": 1 }
        });
        let picture = self.ask("Page.captureScreenshot", params).await;
        let bytes = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Errors of scripts, of loading, and of the content security policy.
fn is_complaint(message: &Value) -> bool {
    message["method"] == "Runtime.exceptionThrown"
        || message["method"] == "Log.entryAdded" && message["params"]["entry"]["level"] == "error"
}
