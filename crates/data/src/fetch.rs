//! Where inputs, weights and results lie, and how they are fetched within limits.
//!
//! # Convention for published data
//!
//! | URI of | is the address of |
//! | --- | --- |
//! | a job's input | one bundle file (`quern_proof::file::encode_bundle`) of the input tensors, in the graph's order |
//! | a model | one bundle file of its weight tensors, in the graph's order |
//! | a refereed result | one trace file (`encode_trace`); `result.qten` beside it holds the last op's output alone, and `hints.qtrace`, if there are `QLINEAR`s, their i32 sums in the format of traces: who checks the result trusts them for nothing and is done sooner |
//! | a reviewed result | whatever client and worker agreed on |
//!
//! A provider publishes the trace of a job under `<job>/<submission>/trace.qtrace`. URIs are `https://…`, `http://…` or, for
//! networks on one machine, `file:///…`; at most 200 bytes, without user name, query or fragment. A `file` URI is followed
//! only into folders that the owner has named: strangers write the URIs of jobs. For the same reason `http` is followed to
//! public addresses only, unless the owner allows others.
//!
//! The sizes of inputs and weights follow from the graph, so a file of any other size is refused before it is read.

use {
    crate::{
        error::{DataError, Result, cause, excerpt},
        files::unwritten,
        reach::{PublicConnector, check_written_address},
    },
    futures::StreamExt,
    object_store::{
        ClientOptions, GetResult, ObjectStore, ObjectStoreExt, RetryConfig, http::HttpBuilder,
        local::LocalFileSystem, path::Path as StorePath,
    },
    std::{
        path::{Path, PathBuf},
        sync::Arc,
        time::Duration,
    },
    tokio::{io::AsyncWriteExt, time::Instant},
    url::Url,
};

/// Name of a published trace.
pub const TRACE_FILE: &str = "trace.qtrace";
/// Name of a published result, beside its trace.
pub const RESULT_FILE: &str = "result.qten";
/// Name of the sums of all `QLINEAR`s, beside their trace.
pub const HINTS_FILE: &str = "hints.qtrace";
/// Longest URI that the program takes, in bytes.
pub const MAX_URI_BYTES: usize = quern_client::quern::constants::MAX_URI_BYTES;

/// How much, how long and from where data are fetched.
#[derive(Clone, Debug)]
pub struct FetchLimits {
    /// Largest file, in bytes.
    pub max_bytes: u64,
    /// How long a server may send nothing, and be behind the least rate.
    pub timeout: Duration,
    /// Least rate, in bytes a second: a slower server keeps others waiting. Large files get as much longer.
    pub least_rate: u64,
    /// Folders that `file` URIs may point into.
    pub file_roots: Vec<PathBuf>,
    /// Whether `http` and `https` URIs are followed.
    pub http: bool,
    /// Whether they are followed to machines that are not public: this one and its neighbours.
    pub allow_private: bool,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            timeout: Duration::from_secs(20),
            least_rate: 1 << 20,
            file_roots: Vec::new(),
            http: true,
            allow_private: false,
        }
    }
}

/// Fetches what others have published.
#[derive(Clone, Debug, Default)]
pub struct Fetcher {
    limits: FetchLimits,
}

impl Fetcher {
    /// A fetcher with these limits.
    pub fn new(limits: FetchLimits) -> Self {
        Self { limits }
    }

    /// The file behind a URI, if it has exactly `expected_bytes`, or at most the limit where that is not known.
    ///
    /// # Errors
    /// `BadUri`, `Fetch` or `Size`.
    pub async fn fetch(&self, uri: &str, expected_bytes: Option<u64>) -> Result<Vec<u8>> {
        // A vector that grows takes up to three times as much for a moment; what is expected may be taken at once.
        let room = expected_bytes.filter(|expected| *expected <= self.limits.max_bytes);
        let room = room.and_then(|expected| usize::try_from(expected).ok());
        let mut sink = Sink::Memory(Vec::with_capacity(room.unwrap_or_default()));
        self.fetch_into(uri, expected_bytes, &mut sink).await?;
        match sink {
            Sink::Memory(bytes) => Ok(bytes),
            Sink::File(..) => Ok(Vec::new()),
        }
    }

    /// The same into a file: it takes no memory, however slow the server is. Says how many bytes came.
    ///
    /// # Errors
    /// As [`Self::fetch`]; `DiskFull` or `Files` if they cannot be written.
    pub async fn download(
        &self,
        uri: &str,
        expected_bytes: Option<u64>,
        path: &Path,
    ) -> Result<u64> {
        let file = tokio::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .await
            .map_err(|error| unwritten(path, &error))?;
        let mut sink = Sink::File(file, path.to_owned());
        let bytes = self.fetch_into(uri, expected_bytes, &mut sink).await?;
        if let Sink::File(file, path) = &mut sink {
            let flushed = file.flush().await;
            flushed.map_err(|error| unwritten(path, &error))?;
        }
        Ok(bytes)
    }

    async fn fetch_into(
        &self,
        uri: &str,
        expected_bytes: Option<u64>,
        sink: &mut Sink,
    ) -> Result<u64> {
        let (store, path) = self.open(uri).await?;
        let failed = |why: String| DataError::Fetch {
            uri: excerpt(uri),
            why,
        };
        let start = Instant::now();
        match tokio::time::timeout(self.limits.timeout, store.get(&path)).await {
            Ok(Ok(found)) => self.read(uri, found, expected_bytes, start, sink).await,
            Ok(Err(error)) => Err(failed(cause(&error))),
            Err(_) => Err(self.too_slow(uri, 0)),
        }
    }

    fn too_slow(&self, uri: &str, received_bytes: u64) -> DataError {
        DataError::Fetch {
            uri: excerpt(uri),
            why: format!(
                "after {received_bytes} bytes it is more than {} s behind the least rate of {} bytes a second",
                self.limits.timeout.as_secs(),
                self.limits.least_rate
            ),
        }
    }

    /// How long a number of bytes may take.
    fn longest(&self, bytes: u64) -> Duration {
        let secs = bytes / self.limits.least_rate.max(1);
        self.limits
            .timeout
            .saturating_add(Duration::from_secs(secs))
    }

    /// The store and the place in it that a URI names.
    async fn open(&self, uri: &str) -> Result<(Arc<dyn ObjectStore>, StorePath)> {
        let bad = |why: &str| DataError::BadUri {
            uri: excerpt(uri),
            why: why.to_owned(),
        };
        let url = parse(uri)?;
        if url.scheme() == "file" {
            let path = self.local_path(&url, uri).await?;
            let path = StorePath::from_absolute_path(&path)
                .map_err(|_| bad("the path cannot be written as a URI"))?;
            return Ok((Arc::new(LocalFileSystem::new()), path));
        }
        if !self.limits.http {
            return Err(bad("http is switched off here; publish the data elsewhere"));
        }
        let path = StorePath::from_url_path(url.path())
            .map_err(|_| bad("the path is not usable; publish under another one"))?;
        let allow_private = self.limits.allow_private;
        if !allow_private {
            check_written_address(&url).map_err(|why| bad(&why))?;
        }
        let longest = self.longest(self.limits.max_bytes);
        let store = http_store(&url, self.limits.timeout, longest, allow_private)
            .map_err(|why| bad(&why))?;
        Ok((Arc::new(store), path))
    }

    /// A regular file inside one of the allowed folders. Links are resolved first, so they lead nowhere else; devices and
    /// pipes, which never end, are refused.
    async fn local_path(&self, url: &Url, uri: &str) -> Result<PathBuf> {
        let bad = |why: &str| DataError::BadUri {
            uri: excerpt(uri),
            why: why.to_owned(),
        };
        let path = url
            .to_file_path()
            .map_err(|()| bad("it names no file on this machine; write file:///path"))?;
        if self.limits.file_roots.is_empty() {
            return Err(bad(
                "files of this machine are not allowed here; name their folder with --allow-files",
            ));
        }
        let failed = |error: std::io::Error| DataError::Fetch {
            uri: excerpt(uri),
            why: error.to_string(),
        };
        let path = tokio::fs::canonicalize(path).await.map_err(failed)?;
        let mut is_inside = false;
        for root in &self.limits.file_roots {
            is_inside |= tokio::fs::canonicalize(root)
                .await
                .is_ok_and(|root| path.starts_with(root));
        }
        if !is_inside {
            return Err(bad("it lies outside the folders that --allow-files names"));
        }
        if !tokio::fs::metadata(&path).await.map_err(failed)?.is_file() {
            return Err(bad("it is no regular file"));
        }
        Ok(path)
    }

    /// Reads a body, never more than it may hold, whatever its headers claim.
    async fn read(
        &self,
        uri: &str,
        found: GetResult,
        expected_bytes: Option<u64>,
        start: Instant,
        sink: &mut Sink,
    ) -> Result<u64> {
        let (limit, what) = match expected_bytes {
            Some(expected) if expected <= self.limits.max_bytes => {
                (expected, format!("exactly {expected} were expected"))
            }
            _ => (
                self.limits.max_bytes,
                format!("at most {} are allowed here", self.limits.max_bytes),
            ),
        };
        let size = |found_bytes| DataError::Size {
            uri: excerpt(uri),
            found_bytes,
            what: what.clone(),
        };
        let claimed = found.meta.size;
        if claimed > limit || expected_bytes.is_some_and(|expected| claimed != expected) {
            return Err(size(claimed));
        }
        let mut received = 0u64;
        let mut body = found.into_stream();
        loop {
            let until = start + self.longest(received);
            let Ok(piece) = tokio::time::timeout_at(until, body.next()).await else {
                return Err(self.too_slow(uri, received));
            };
            let Some(piece) = piece else { break };
            let piece = piece.map_err(|error| DataError::Fetch {
                uri: excerpt(uri),
                why: cause(&error),
            })?;
            received = received.saturating_add(piece.len() as u64);
            if received > limit {
                return Err(size(received));
            }
            sink.put(&piece).await?;
        }
        match expected_bytes {
            Some(expected) if received != expected => Err(size(received)),
            _ => Ok(received),
        }
    }
}

/// Where fetched bytes go.
enum Sink {
    Memory(Vec<u8>),
    File(tokio::fs::File, PathBuf),
}

impl Sink {
    async fn put(&mut self, piece: &[u8]) -> Result<()> {
        match self {
            Self::Memory(bytes) => {
                bytes.extend_from_slice(piece);
                Ok(())
            }
            Self::File(file, path) => file
                .write_all(piece)
                .await
                .map_err(|error| unwritten(path, &error)),
        }
    }
}

/// The host that a URI names; none for a file.
pub fn host_of(uri: &str) -> Option<String> {
    let url = parse(uri).ok()?;
    url.host_str().map(str::to_owned)
}

/// A URI within the convention.
pub(crate) fn parse(uri: &str) -> Result<Url> {
    let bad = |why: &str| DataError::BadUri {
        uri: excerpt(uri),
        why: why.to_owned(),
    };
    if uri.is_empty() {
        return Err(bad("it is empty; publish the data and name its address"));
    }
    if uri.len() > MAX_URI_BYTES {
        return Err(bad("it is longer than 200 bytes"));
    }
    let url =
        Url::parse(uri).map_err(|error| bad(&format!("{error}; write https://… or file:///…")))?;
    if !matches!(url.scheme(), "file" | "http" | "https") {
        return Err(bad("only http, https and file are known"));
    }
    let has_extras = url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some();
    if has_extras {
        return Err(bad("user name, query and fragment are not allowed"));
    }
    Ok(url)
}

pub(crate) fn http_store(
    url: &Url,
    timeout: Duration,
    longest: Duration,
    allow_private: bool,
) -> std::result::Result<object_store::http::HttpStore, String> {
    let origin = url.origin();
    if !origin.is_tuple() {
        return Err("it names no host".to_owned());
    }
    let connect_timeout = timeout.min(Duration::from_secs(10));
    let options = ClientOptions::new()
        .with_allow_http(true)
        .with_timeout(longest)
        .with_connect_timeout(connect_timeout);
    let retry = RetryConfig {
        max_retries: 2,
        retry_timeout: timeout,
        ..RetryConfig::default()
    };
    let mut builder = HttpBuilder::new()
        .with_url(origin.ascii_serialization())
        .with_client_options(options)
        .with_retry(retry);
    if !allow_private {
        builder = builder.with_http_connector(PublicConnector {
            timeout: longest,
            connect_timeout,
        });
    }
    builder.build().map_err(|error| cause(&error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {super::*, crate::publish::Publisher, tokio::io::AsyncReadExt};

    fn fetcher(root: &Path, max_bytes: u64) -> Fetcher {
        let file_roots = vec![root.to_owned()];
        Fetcher::new(FetchLimits {
            max_bytes,
            timeout: Duration::from_secs(5),
            file_roots,
            allow_private: true,
            ..FetchLimits::default()
        })
    }

    fn uri_of(path: &Path) -> String {
        Url::from_file_path(path).unwrap().to_string()
    }

    #[tokio::test]
    async fn fetches_what_it_published() {
        let folder = tempfile::tempdir().unwrap();
        let publisher = Publisher::folder(&folder.path().join("out"), None).unwrap();
        let uri = publisher
            .put("job/1/trace.qtrace", vec![7; 100])
            .await
            .unwrap();
        let fetcher = fetcher(folder.path(), 100);
        assert_eq!(fetcher.fetch(&uri, Some(100)).await.unwrap(), [7; 100]);
        assert_eq!(fetcher.fetch(&uri, None).await.unwrap().len(), 100);
        // A second put replaces the file.
        assert_eq!(
            publisher.put("job/1/trace.qtrace", vec![8]).await.unwrap(),
            uri
        );
        assert_eq!(fetcher.fetch(&uri, Some(1)).await.unwrap(), [8]);
    }

    #[tokio::test]
    async fn refuses_other_sizes_before_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        std::fs::write(&path, [0; 64]).unwrap();
        let uri = uri_of(&path.canonicalize().unwrap());
        for (limit, expected) in [
            (63, None),
            (1 << 20, Some(63)),
            (1 << 20, Some(65)),
            (10, Some(64)),
            (1 << 20, Some(u64::MAX)),
        ] {
            let refused = fetcher(folder.path(), limit)
                .fetch(&uri, expected)
                .await
                .unwrap_err();
            assert!(
                matches!(
                    refused,
                    DataError::Size {
                        found_bytes: 64,
                        ..
                    }
                ),
                "{refused}"
            );
        }
    }

    #[tokio::test]
    async fn files_only_from_allowed_folders() {
        let (allowed, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secret = other.path().join("secret");
        std::fs::write(&secret, "x").unwrap();
        let fetcher = fetcher(allowed.path(), 100);
        let refused = fetcher.fetch(&uri_of(&secret), None).await.unwrap_err();
        assert!(
            refused.to_string().contains("outside the folders"),
            "{refused}"
        );
        #[cfg(unix)]
        {
            let link = allowed.path().join("link");
            std::os::unix::fs::symlink(&secret, &link).unwrap();
            let refused = fetcher.fetch(&uri_of(&link), None).await.unwrap_err();
            assert!(
                refused.to_string().contains("outside the folders"),
                "{refused}"
            );
        }
        let refused = fetcher
            .fetch(&uri_of(allowed.path()), None)
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("no regular file"), "{refused}");
        let refused = Fetcher::default()
            .fetch(&uri_of(&secret), None)
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("--allow-files"), "{refused}");
        let refused = fetcher
            .fetch(&uri_of(&allowed.path().join("missing")), None)
            .await
            .unwrap_err();
        assert!(matches!(refused, DataError::Fetch { .. }), "{refused}");
    }

    #[tokio::test]
    async fn garbage_uris_get_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let fetcher = fetcher(folder.path(), 100);
        let long = format!("https://example.com/{}", "a".repeat(200));
        let garbage = [
            "",
            "x",
            "ftp://example.com/a",
            "file://host/a",
            "file:relative",
            "http://",
            "https://user:secret@example.com/a",
            "https://example.com/a?b",
            "https://example.com/a#b",
            "data:text/plain,x",
            "\u{0}\u{1b}[31m",
            "http://[::1",
            &long,
        ];
        for uri in garbage {
            let refused = fetcher.fetch(uri, None).await.unwrap_err();
            assert!(
                !refused.to_string().contains(char::is_control),
                "{refused:?}"
            );
            assert!(refused.to_string().len() < 400, "{refused}");
        }
    }

    /// A server that answers every request with these bytes.
    async fn serve(answer: Vec<u8>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(&answer).await;
            }
        });
        format!("http://{address}/data")
    }

    #[tokio::test]
    async fn http_bodies_are_bounded_whatever_the_headers_say() {
        let folder = tempfile::tempdir().unwrap();
        let fetcher = fetcher(folder.path(), 1_000);
        let ok = |length: usize, body: &[u8]| {
            let date = "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT";
            [format!("HTTP/1.1 200 OK\r\n{date}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").as_bytes(), body].concat()
        };
        let uri = serve(ok(3, b"abc")).await;
        assert_eq!(fetcher.fetch(&uri, Some(3)).await.unwrap(), b"abc");
        // Too long by its own word, cut short, and no HTTP at all.
        for answer in [
            ok(1 << 40, b"abc"),
            ok(100, b"abc"),
            b"garbage".to_vec(),
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ] {
            let uri = serve(answer).await;
            assert!(fetcher.fetch(&uri, None).await.is_err());
        }
        let refused = fetcher
            .fetch("http://127.0.0.1:1/nothing", None)
            .await
            .unwrap_err();
        assert!(matches!(refused, DataError::Fetch { .. }), "{refused}");
    }

    #[tokio::test]
    async fn private_machines_are_asked_only_where_that_is_allowed() {
        let answer = b"HTTP/1.1 200 OK\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
        let written = serve(answer.to_vec()).await;
        let named = written.replace("127.0.0.1", "localhost");
        let mapped = written.replace("127.0.0.1", "[::ffff:127.0.0.1]");
        for uri in [&written, &named] {
            let limits = FetchLimits {
                allow_private: true,
                ..FetchLimits::default()
            };
            let fetched = Fetcher::new(limits).fetch(uri, Some(3)).await.unwrap();
            assert_eq!(fetched, b"abc");
        }
        for uri in [&written, &named, &mapped] {
            let refused = Fetcher::default().fetch(uri, Some(3)).await.unwrap_err();
            assert!(
                refused.to_string().contains("--allow-private"),
                "{uri} {refused}"
            );
        }
    }

    #[tokio::test]
    async fn a_server_that_never_answers_times_out() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/data", listener.local_addr().unwrap());
        let limits = FetchLimits {
            timeout: Duration::from_millis(300),
            allow_private: true,
            ..FetchLimits::default()
        };
        let refused = Fetcher::new(limits).fetch(&uri, None).await.unwrap_err();
        assert!(matches!(refused, DataError::Fetch { .. }), "{refused}");
    }

    /// A server that sends a byte now and then keeps nobody for long; one that is only slow may go on.
    #[tokio::test]
    async fn a_least_rate_bounds_what_trickles() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/data", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let _ = socket.read(&mut request).await;
                    let head = b"HTTP/1.1 200 OK\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Length: 20\r\n\r\n";
                    let _ = socket.write_all(head).await;
                    for _ in 0..20 {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        let _ = socket.write_all(b"x").await;
                    }
                });
            }
        });
        let limits = |least_rate| FetchLimits {
            timeout: Duration::from_millis(500),
            least_rate,
            allow_private: true,
            ..FetchLimits::default()
        };
        let refused = Fetcher::new(limits(1 << 20)).fetch(&uri, Some(20)).await;
        assert!(refused.unwrap_err().to_string().contains("least rate"));
        // 20 bytes in two seconds. In whole seconds, 5 bytes a second let it be 500 ms behind.
        let slow = Fetcher::new(FetchLimits {
            timeout: Duration::from_secs(2),
            ..limits(5)
        });
        assert_eq!(slow.fetch(&uri, Some(20)).await.unwrap().len(), 20);
    }
}
