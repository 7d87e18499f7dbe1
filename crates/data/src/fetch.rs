//! Where inputs, weights and results lie, and how they are fetched within limits.
//!
//! # Convention for published data
//!
//! | URI of | is the address of |
//! | --- | --- |
//! | a job's input | one bundle file (`quern_proof::file::encode_bundle`) of the input tensors, in the graph's order; of a reviewed job also any one other file ([`crate::any_file`]) |
//! | a model | one bundle file of its weight tensors, in the graph's order |
//! | a refereed result | `result.bin`: the last op's rows as stored, item by item; beside it lie the files of the next table |
//! | a reviewed result | the file that the worker wrote, with its SHA-256 as the commitment, or whatever client and worker agreed on |
//!
//! | beside `result.bin` | holds |
//! | --- | --- |
//! | `roots.bin` | for each item its root and the path of its result ([`quern_proof::published`]) |
//! | `tokens.qten` | in graphs with tokens only: the tokens of all items as one tensor, which has the tokens root on chain |
//! | `item-<n>.qtrace` | the trace of item n, from 0 ([`quern_proof::file::encode_trace`]), for as many items as the provider publishes, the first ones first |
//!
//! **Nobody believes a result before [`quern_proof::published::check`] has led it to the trace root on chain.** All files but the
//! result are courtesy: what is missing is computed again or demanded. The tokens of a graph that has some are no input of the
//! client: its bundle does not hold them.
//!
//! A provider publishes a submission under `<job>/<submission>/`. URIs are `https://…`, `http://…` or, for
//! networks on one machine, `file:///…`; at most 200 bytes, without user name, query or fragment. A `file` URI is followed
//! only into folders that the owner has named: strangers write the URIs of jobs. For the same reason `http` is followed to
//! public addresses only, unless the owner allows others.
//!
//! The sizes of all files but those of reviewed jobs follow from the graph ([`crate::sizes`]), so a file of any other size is
//! refused before it is read.

use {
    crate::{
        error::{DataError, Result, excerpt},
        files::unwritten,
        http,
        limits::{Expected, FetchLimits, Sink},
        reach::check_written_address,
    },
    quern_client::text,
    std::path::{Path, PathBuf},
    tokio::io::{AsyncReadExt, AsyncWriteExt},
    url::Url,
};

/// Name of a published result.
pub const RESULT_FILE: &str = "result.bin";
/// Name of the item roots, beside their result.
pub const ROOTS_FILE: &str = "roots.bin";
/// Name of the tokens, beside their result.
pub const TOKENS_FILE: &str = "tokens.qten";

/// How the names of files of single items begin.
pub const ITEM_FILES: &str = "item-";

/// Name of the trace of an item, beside its result.
pub fn trace_file(item: u32) -> String {
    format!("{ITEM_FILES}{item}.qtrace")
}

/// The address of another file beside a published one.
///
/// # Errors
/// `BadUri` for an address that names no file, or if the new one would be too long.
pub fn beside(uri: &str, name: &str) -> Result<String> {
    let (folder, _) = uri.rsplit_once('/').ok_or_else(|| DataError::BadUri {
        uri: excerpt(uri),
        why: "it names no file in a folder".to_owned(),
    })?;
    let uri = format!("{folder}/{name}");
    check_uri(&uri)?;
    Ok(uri)
}

/// Longest URI that the program takes, in bytes.
pub const MAX_URI_BYTES: usize = quern_client::quern::constants::MAX_URI_BYTES;

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
        let expected = Expected::new(&self.limits, expected_bytes);
        let mut bytes = Vec::with_capacity(expected.room());
        self.fetch_into(uri, &expected, &mut Sink::Memory(&mut bytes))
            .await?;
        Ok(bytes)
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
        let mut file = tokio::fs::File::create(path)
            .await
            .map_err(|error| unwritten(path, &error))?;
        let expected = Expected::new(&self.limits, expected_bytes);
        let bytes = self
            .fetch_into(uri, &expected, &mut Sink::File(&mut file, path))
            .await?;
        let flushed = file.flush().await;
        flushed.map_err(|error| unwritten(path, &error))?;
        Ok(bytes)
    }

    async fn fetch_into(&self, uri: &str, expected: &Expected, sink: &mut Sink<'_>) -> Result<u64> {
        let url = parse(uri)?;
        if url.scheme() == "file" {
            let path = self.local_path(&url, uri).await?;
            return copy(uri, &path, expected, sink).await;
        }
        let bad = |why: &str| DataError::BadUri {
            uri: excerpt(uri),
            why: why.to_owned(),
        };
        if !self.limits.http {
            return Err(bad("http is switched off here; publish the data elsewhere"));
        }
        if !self.limits.allow_private {
            check_written_address(&url).map_err(|why| bad(&why))?;
        }
        http::get(&url, uri, &self.limits, expected, sink).await
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
}

/// Bytes of a local file that are read at once.
const PIECE_BYTES: usize = 1 << 20;

/// Reads a file of this machine, never more than it may hold: it may grow meanwhile.
async fn copy(uri: &str, path: &Path, expected: &Expected, sink: &mut Sink<'_>) -> Result<u64> {
    let failed = |error: std::io::Error| DataError::Fetch {
        uri: excerpt(uri),
        why: error.to_string(),
    };
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let size = file.metadata().await.map_err(failed)?.len();
    expected.check_claim(uri, size)?;
    let mut file = file.take(expected.limit.saturating_add(1));
    let mut piece = vec![0; PIECE_BYTES];
    let mut received = 0;
    loop {
        let count = file.read(&mut piece).await.map_err(failed)?;
        if count == 0 {
            break;
        }
        received += count as u64;
        sink.put(&piece[..count]).await?;
    }
    expected.check_claim(uri, received)?;
    Ok(received)
}

/// The host that a URI names; none for a file.
pub fn host_of(uri: &str) -> Option<String> {
    let url = parse(uri).ok()?;
    url.host_str().map(str::to_owned)
}

/// Refuses an address that is about to be written for ever and that nobody could follow, or that says more than where the data
/// are. An empty one is no address.
///
/// # Errors
/// `BadUri`.
pub fn check_uri(uri: &str) -> Result<()> {
    let url = parse(uri)?;
    if url.scheme() == "file" {
        let path = url.to_file_path();
        path.map_err(|()| DataError::BadUri {
            uri: excerpt(uri),
            why: "it names no file on this machine; write file:///path".to_owned(),
        })?;
    }
    Ok(())
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
    // The parser leaves line breaks out, and what is written has them still.
    text::check(uri).map_err(|why| bad(&why))?;
    if uri.trim() != uri {
        return Err(bad("it has a space at an end; write it without"));
    }
    let url =
        Url::parse(uri).map_err(|error| bad(&format!("{error}; write https://… or file:///…")))?;
    let is_whole = uri
        .split_once("://")
        .is_some_and(|(_, rest)| match url.scheme() {
            "file" => rest.starts_with('/'),
            _ => !rest.starts_with(['/', '\\']),
        });
    if !is_whole {
        return Err(bad("it is no whole address; write https://… or file:///…"));
    }
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
    if url.scheme() != "file" && uri.contains('\\') {
        return Err(bad("it has a backslash in it; write /"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {
        super::*,
        crate::publish::Publisher,
        flate2::{Compression, write::GzEncoder},
        std::{io::Write, time::Duration},
    };

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
            .put("job/1/result.bin", vec![7; 100])
            .await
            .unwrap();
        let fetcher = fetcher(folder.path(), 100);
        assert_eq!(fetcher.fetch(&uri, Some(100)).await.unwrap(), [7; 100]);
        assert_eq!(fetcher.fetch(&uri, None).await.unwrap().len(), 100);
        // A second put replaces the file.
        assert_eq!(
            publisher.put("job/1/result.bin", vec![8]).await.unwrap(),
            uri
        );
        assert_eq!(fetcher.fetch(&uri, Some(1)).await.unwrap(), [8]);
    }

    /// Whatever a file is called: it is found at the address that was told, under the name that it was given.
    #[tokio::test]
    async fn names_that_mean_something_in_addresses_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("a folder [1] 100%");
        let publisher = Publisher::folder(&out, None).unwrap();
        let fetcher = fetcher(folder.path(), 100);
        for (index, name) in (0..).zip([
            "job-under-[WebPage(200)].qbundle",
            "50% of it",
            "already%20escaped%5B",
            "what?",
            "a#b",
            "{a}^|`~*<>\"'",
            "ünïcode ≥ 1",
            "in/a [folder]/x",
        ]) {
            let uri = publisher.put(name, vec![index; 10]).await.unwrap();
            let found = fetcher.fetch(&uri, Some(10)).await;
            assert_eq!(found.unwrap(), [index; 10], "{name}: {uri}");
            assert!(out.join(name).is_file(), "{name}");
        }
        for outside in ["../x", "a/../../x", "a//b", "."] {
            assert!(publisher.put(outside, vec![1]).await.is_err(), "{outside}");
        }
    }

    #[test]
    fn what_lies_beside_a_result_has_its_address() {
        let uri = "https://example.com/job/1/result.bin";
        let found = beside(uri, &trace_file(7)).unwrap();
        assert_eq!(found, "https://example.com/job/1/item-7.qtrace");
        assert!(beside("result.bin", ROOTS_FILE).is_err());
        let long = format!("https://example.com/{}/r", "a".repeat(170));
        assert!(check_uri(&long).is_ok() && beside(&long, TOKENS_FILE).is_err());
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
            "ipfs://bafy",
            "C:\\weights.bin",
            "weights.bin",
            "./weights.bin",
            "//example.com/a",
            "http:/example.com/a",
            "http:///example.com/a",
            "https:\\\\example.com\\a",
            "https://example.com\\a",
            "https://me@example.com/a",
            "https://:secret@example.com/a",
            "https://example.com/a?token=x",
            "https://example.com/a?",
            " https://example.com/a",
            "https://exam\nple.com/a",
            "https://example.com/\u{202e}nib.a",
            "https://example.com/\u{200b}a",
            "file:/a",
            "file://./a",
            "data:,x",
            "s3://bucket/a",
            "magnet:?xt=urn:btih:x",
            &long,
        ];
        for uri in garbage {
            let refused = fetcher.fetch(uri, None).await.unwrap_err();
            assert!(matches!(refused, DataError::BadUri { .. }), "{refused:?}");
            assert!(
                !refused.to_string().contains(char::is_control),
                "{refused:?}"
            );
            // What nobody follows is not written either.
            assert!(check_uri(uri).is_err(), "{uri}");
            assert!(refused.to_string().len() < 400, "{refused}");
        }
    }

    #[test]
    fn addresses_that_can_be_followed_may_be_written() {
        for uri in [
            "https://example.com/weights.bin",
            "http://example.com:8080/a%20b/ü",
            "HTTPS://Example.com/a",
            "https://example.com",
            "http://[::1]:80/a",
            "file:///home/me/my%20models/a",
            "file:///home/me/my models/a",
        ] {
            assert!(check_uri(uri).is_ok(), "{uri}");
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

    /// Servers leave out headers, or invent some; the bytes are what counts.
    #[tokio::test]
    async fn odd_servers_are_understood_within_the_limits() {
        let folder = tempfile::tempdir().unwrap();
        let fetcher = fetcher(folder.path(), 1_000);
        let data: Vec<u8> = (0..200u8).collect();
        let zip = |data: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        };
        let answer = |headers: &str, body: &[u8]| {
            let head = format!("HTTP/1.1 200 OK\r\n{headers}Connection: close\r\n\r\n");
            [head.as_bytes(), body].concat()
        };
        let sized = |headers: &str, body: &[u8]| {
            let headers = format!("{headers}Content-Length: {}\r\n", body.len());
            answer(&headers, body)
        };
        let chunked = |data: &[u8]| {
            let chunk = |piece: &[u8]| {
                [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
            };
            let body: Vec<u8> = data.chunks(64).flat_map(chunk).collect();
            let body = [&body[..], b"0\r\n\r\n"].concat();
            answer("Transfer-Encoding: chunked\r\n", &body)
        };
        let gzip = "Content-Encoding: gzip\r\n";
        let part = sized("Content-Range: bytes 0-199/200\r\n", &data);
        let part = String::from_utf8_lossy(&part[..12])
            .replace("200", "206")
            .into_bytes();
        let rest = sized("Content-Range: bytes 0-199/200\r\n", &data)[12..].to_vec();
        for good in [
            answer("", &data),
            sized("", &data),
            chunked(&data),
            sized("Last-Modified: yesterday\r\n", &data),
            sized("ETag: W/\"x\"\r\nContent-Type: text/html\r\n", &data),
            sized("Content-Encoding: identity\r\n", &data),
            sized(gzip, &zip(&data)),
            answer(gzip, &zip(&data)),
            sized(
                "Content-Encoding: x-gzip\r\n",
                &[zip(&data[..50]), zip(&data[50..])].concat(),
            ),
            [part, rest].concat(),
        ] {
            let shown = String::from_utf8_lossy(&good[..60]).into_owned();
            let uri = serve(good).await;
            for expected in [Some(200), None] {
                let fetched = fetcher.fetch(&uri, expected).await;
                assert_eq!(fetched.unwrap(), data, "{shown}");
            }
        }
        let bomb = zip(&vec![0; 1 << 20]);
        let short = &zip(&data)[..40];
        for bad in [
            chunked(&data[..199]),
            chunked(&vec![1; 1_001]),
            answer("", &data[..100]),
            answer("", &vec![1; 1_001]),
            sized(gzip, &bomb),
            sized(gzip, short),
            sized(gzip, &data),
            sized("Content-Encoding: br\r\n", &data),
        ] {
            let shown = String::from_utf8_lossy(&bad[..60]).into_owned();
            let uri = serve(bad).await;
            assert!(fetcher.fetch(&uri, Some(200)).await.is_err(), "{shown}");
        }
    }

    /// Nobody asks for compression; a server that is busy for a moment is asked again.
    #[tokio::test]
    async fn a_busy_server_is_asked_again() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/data", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let mut requests = Vec::new();
            for answer in [
                "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
            ] {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                let read = socket.read(&mut request).await.unwrap();
                requests.push(String::from_utf8_lossy(&request[..read]).to_lowercase());
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
            requests
        });
        let folder = tempfile::tempdir().unwrap();
        let fetched = fetcher(folder.path(), 10).fetch(&uri, Some(3)).await;
        assert_eq!(fetched.unwrap(), b"abc");
        for request in server.await.unwrap() {
            assert!(request.contains("accept-encoding: identity"), "{request}");
        }
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
