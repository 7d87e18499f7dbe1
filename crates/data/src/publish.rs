//! Puts results where others can fetch them: into a folder, or below a URL.

use {
    crate::{
        error::{DataError, Result, cause, excerpt},
        fetch::parse,
        files::unwritten,
    },
    object_store::{
        ClientOptions, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig, http::HttpBuilder,
        local::LocalFileSystem, path::Path as StorePath,
    },
    std::{
        error::Error,
        fmt::Display,
        path::{Path, PathBuf},
        sync::Arc,
        time::Duration,
    },
    url::Url,
};

/// Puts results where others can fetch them.
#[derive(Clone, Debug)]
pub struct Publisher {
    store: Arc<dyn ObjectStore>,
    prefix: StorePath,
    public_base: String,
    place: String,
    timeout: Duration,
    /// The folder, if it is one of this machine.
    own_folder: Option<PathBuf>,
}

impl Publisher {
    /// Publishes into a folder, which is created. `public_base` is the address under which a web server shows the folder;
    /// without it the results get `file` URIs, which only readers on the same machine can follow.
    ///
    /// # Errors
    /// `Publish` if the folder cannot be made, `BadUri` if `public_base` is none.
    pub fn folder(folder: &Path, public_base: Option<&str>) -> Result<Self> {
        let failed = |why: &dyn Display| DataError::Publish {
            place: folder.display().to_string(),
            why: why.to_string(),
        };
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let folder = folder.canonicalize().map_err(|error| failed(&error))?;
        let own_base = Url::from_file_path(&folder)
            .map_err(|()| failed(&"the path cannot be written as a URI"))?;
        let store = LocalFileSystem::new_with_prefix(&folder).map_err(|error| failed(&error))?;
        Self {
            store: Arc::new(store),
            prefix: StorePath::default(),
            public_base: public_base.map_or_else(|| own_base.to_string(), str::to_owned),
            place: folder.display().to_string(),
            timeout: Duration::from_secs(60),
            own_folder: Some(folder),
        }
        .checked()
    }

    /// Publishes by HTTP PUT below a URL. `public_base` is where readers fetch, if not from there.
    ///
    /// # Errors
    /// `BadUri`.
    pub fn http(url: &str, public_base: Option<&str>, timeout: Duration) -> Result<Self> {
        let parsed = parse(url)?;
        let bad = |why: &str| DataError::BadUri {
            uri: excerpt(url),
            why: why.to_owned(),
        };
        let prefix =
            StorePath::from_url_path(parsed.path()).map_err(|_| bad("the path is not usable"))?;
        let store = http_store(&parsed, timeout).map_err(|why| bad(&why))?;
        Self {
            store: Arc::new(store),
            prefix,
            public_base: public_base.unwrap_or(url).to_owned(),
            place: url.to_owned(),
            timeout,
            own_folder: None,
        }
        .checked()
    }

    /// A folder, or a URL to PUT below, whichever the text is.
    ///
    /// # Errors
    /// As [`Self::folder`] and [`Self::http`].
    pub fn at(place: &str, public_base: Option<&str>) -> Result<Self> {
        // No folder is called `s3://…`; and `HTTP://…` is the same as `http://…`.
        if !place.contains("://") {
            return Self::folder(Path::new(place), public_base);
        }
        let url = parse(place)?;
        if url.scheme() != "file" {
            return Self::http(place, public_base, Duration::from_secs(60));
        }
        let folder = url.to_file_path().map_err(|()| DataError::BadUri {
            uri: excerpt(place),
            why: "it names no folder".into(),
        })?;
        Self::folder(&folder, public_base)
    }

    fn checked(mut self) -> Result<Self> {
        while self.public_base.ends_with('/') {
            self.public_base.pop();
        }
        parse(&self.public_base)?;
        Ok(self)
    }

    /// The address that a file will have, if it is short enough for the chain. What has a meaning in addresses is escaped there:
    /// the file's own name stays as it is.
    ///
    /// # Errors
    /// `BadUri` above 200 bytes.
    pub fn uri(&self, relative: &str) -> Result<String> {
        let mut uri = parse(&self.public_base)?;
        if let Ok(mut segments) = uri.path_segments_mut() {
            segments.pop_if_empty().extend(relative.split('/'));
        }
        let uri = uri.to_string();
        parse(&uri)?;
        Ok(uri)
    }

    /// Where something lies on this machine; nowhere if it is put below a URL: what lies there is that server's to remove.
    pub fn path(&self, relative: &str) -> Option<PathBuf> {
        Some(self.own_folder.as_ref()?.join(relative))
    }

    /// Puts a file at a relative path, replacing what was there, and says its address.
    ///
    /// # Errors
    /// `Publish`, or `BadUri` if the address would be too long.
    pub async fn put(&self, relative: &str, bytes: Vec<u8>) -> Result<String> {
        let uri = self.uri(relative)?;
        let failed = |why: String| DataError::Publish {
            place: self.place.clone(),
            why,
        };
        let place = Path::new(&self.place).join(relative);
        // As it is: `from` would escape what the store or the address escape once more.
        let name = StorePath::parse(relative).map_err(|error| failed(cause(&error)))?;
        let path = StorePath::from_iter(self.prefix.parts().chain(name.parts()));
        match tokio::time::timeout(self.timeout, self.store.put(&path, PutPayload::from(bytes)))
            .await
        {
            Ok(Ok(_)) => Ok(uri),
            Ok(Err(error)) => Err(match io_error(&error).map(|io| unwritten(&place, io)) {
                Some(full @ DataError::DiskFull { .. }) => full,
                _ => failed(cause(&error)),
            }),
            Err(_) => Err(failed(format!(
                "it took longer than {} s",
                self.timeout.as_secs()
            ))),
        }
    }
}

/// What the system said, if it was the system.
fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a std::io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// A store that puts files below a URL.
fn http_store(
    url: &Url,
    timeout: Duration,
) -> std::result::Result<object_store::http::HttpStore, String> {
    let origin = url.origin();
    if !origin.is_tuple() {
        return Err("it names no host".to_owned());
    }
    let connect_timeout = timeout.min(Duration::from_secs(10));
    let options = ClientOptions::new()
        .with_allow_http(true)
        .with_timeout(timeout)
        .with_connect_timeout(connect_timeout);
    let retry = RetryConfig {
        max_retries: 2,
        retry_timeout: timeout,
        ..RetryConfig::default()
    };
    let builder = HttpBuilder::new()
        .with_url(origin.ascii_serialization())
        .with_client_options(options)
        .with_retry(retry);
    builder.build().map_err(|error| cause(&error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*,
        tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    };

    #[test]
    fn addresses_that_are_too_long_are_refused_before_any_work() {
        let folder = tempfile::tempdir().unwrap();
        let base = format!("https://example.com/{}/", "a".repeat(100));
        let publisher = Publisher::folder(folder.path(), Some(&base)).unwrap();
        assert!(publisher.uri("short").unwrap().ends_with("a/short"));
        assert!(publisher.uri(&"b".repeat(100)).is_err());
        assert!(Publisher::folder(folder.path(), Some("nonsense")).is_err());
        for other in [
            "s3://bucket/x",
            "ftp://example.com/x",
            "https://me:pass@example.com/x",
        ] {
            assert!(Publisher::at(other, None).is_err(), "{other}");
        }
        assert!(Publisher::at("HTTPS://example.com/x", None).is_ok());
    }

    #[tokio::test]
    async fn what_is_put_by_http_lies_where_its_address_says() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/a%20b", listener.local_addr().unwrap());
        let publisher = Publisher::http(&base, None, Duration::from_secs(10)).unwrap();
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                if line.trim().is_empty() {
                    break;
                }
                lines.push(line);
            }
            let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            lines.swap_remove(0)
        };
        let (request, uri) = tokio::join!(serve, publisher.put("in/[1] 100%.bin", vec![7]));
        let uri = Url::parse(&uri.unwrap()).unwrap();
        assert_eq!(request.trim(), format!("PUT {} HTTP/1.1", uri.path()));
        assert_eq!(uri.path(), "/a%20b/in/[1]%20100%25.bin");
    }
}
