//! `quern provider run --serve`: shows published results over HTTP, without a web server beside it.

use {
    crate::error::{Error, Result},
    axum::{
        Router,
        body::{Body, Bytes},
        extract::{Path as UrlPath, State},
        http::{HeaderValue, StatusCode, header},
        response::{IntoResponse, Response},
        routing::get,
    },
    futures::stream,
    quern_serve::{Bounds, Gate, Lifetimes, Limits, serve},
    std::{
        net::SocketAddr,
        path::{Component, Path, PathBuf},
        sync::Arc,
        time::Duration,
    },
    tokio::{fs::File, io::AsyncReadExt, net::TcpListener, sync::watch, task::JoinHandle},
};

/// Most connections, and of one address: strangers fetch.
const CONNECTIONS: Limits = Limits {
    all: 512,
    of_address: 32,
};
/// How long a large file may take, and what is under way then.
const LIFETIMES: Lifetimes = Lifetimes {
    head: quern_serve::HEAD_TIME,
    connection: Duration::from_secs(3_600),
    last_request: Duration::from_secs(5),
};
/// Bytes that are read at a time.
const PIECE_BYTES: usize = 64 << 10;

/// A server of a folder's files; it ends when it is dropped.
pub struct Published {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    address: SocketAddr,
}

impl Published {
    /// Serves the files in a folder and its subfolders, and nothing else.
    ///
    /// # Errors
    /// An address that cannot be listened on.
    pub async fn start(folder: &Path, listen: SocketAddr) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::Other(format!(
                "cannot listen on {listen}: {error}; correct --serve"
            ))
        };
        let folder = folder.canonicalize();
        let folder = folder.map_err(|error| Error::Other(format!("--publish-dir: {error}")))?;
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let bounds = Bounds {
            gate: Gate::new(CONNECTIONS.within_descriptors()),
            lifetimes: LIFETIMES,
            shares: None,
        };
        let router = router(folder);
        let task = tokio::spawn(serve(listener, router, bounds, stopped));
        Ok(Self {
            stop,
            task,
            address,
        })
    }

    /// Where it serves.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.task.abort();
    }
}

fn router(folder: PathBuf) -> Router {
    Router::new()
        .route("/{*path}", get(file))
        .with_state(Arc::new(folder))
}

/// A file of the folder. What is hidden or lies elsewhere is not there.
async fn file(State(folder): State<Arc<PathBuf>>, UrlPath(path): UrlPath<String>) -> Response {
    match opened(&folder, Path::new(&path)).await {
        Some((file, bytes)) => {
            let body = Body::from_stream(pieces(file, bytes));
            let kind = HeaderValue::from_static("application/octet-stream");
            let headers = [
                (header::CONTENT_TYPE, kind),
                (header::CONTENT_LENGTH, HeaderValue::from(bytes)),
            ];
            (headers, body).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn opened(folder: &Path, path: &Path) -> Option<(File, u64)> {
    let is_plain = |part: Component<'_>| match part {
        Component::Normal(name) => !name.to_string_lossy().starts_with('.'),
        _ => false,
    };
    if !path.components().all(is_plain) {
        return None;
    }
    // A link may lead out of the folder.
    let whole = tokio::fs::canonicalize(folder.join(path)).await.ok()?;
    if !whole.starts_with(folder) {
        return None;
    }
    let file = File::open(whole).await.ok()?;
    let metadata = file.metadata().await.ok()?;
    metadata.is_file().then_some((file, metadata.len()))
}

/// The first `bytes` of a file, in pieces: no file is in memory as a whole.
fn pieces(file: File, bytes: u64) -> impl stream::Stream<Item = std::io::Result<Bytes>> {
    stream::try_unfold((file, bytes), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut piece = vec![0; PIECE_BYTES.min(usize::try_from(left).unwrap_or(PIECE_BYTES))];
        let read = file.read(&mut piece).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        piece.truncate(read);
        Ok(Some((Bytes::from(piece), (file, left - read as u64))))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn only_published_files_are_shown() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), b"no").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("job/1");
        std::fs::create_dir_all(&place).unwrap();
        let bytes: Vec<u8> = (0..200_000u32).map(|at| at as u8).collect();
        std::fs::write(place.join("result.bin"), &bytes).unwrap();
        std::fs::write(folder.path().join(".key"), b"no").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let published = Published::start(folder.path(), any).await.unwrap();
        let url = published.url();
        let asked = async |path: &str| reqwest::get(format!("{url}{path}")).await.unwrap();
        let found = asked("/job/1/result.bin").await;
        assert_eq!(found.content_length(), Some(200_000));
        assert_eq!(found.bytes().await.unwrap(), bytes);
        for path in [
            "/",
            "/job",
            "/job/1",
            "/job/1/other",
            "/.key",
            "/link/secret",
            "/%2e%2e/secret",
            "/job/..%2f..%2fetc/passwd",
            "//etc/passwd",
        ] {
            assert_eq!(asked(path).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
