//! The files that pages load, all of them within the binary.

use {
    super::html::{Failure, guarded},
    axum::{
        extract::Path,
        http::header,
        response::{IntoResponse, Response},
    },
    sha2::{Digest, Sha256},
    std::sync::LazyLock,
};

const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/live.js");
const ICON: &str = include_str!("assets/icon.svg");
/// Hexadecimal digits of a file's hash in its name: enough that a changed file has another one.
const HASH_DIGITS: usize = 12;

/// A file under a name that says its content, so that browsers may keep it for ever.
struct Asset {
    path: String,
    kind: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(name: &str, end: &str, kind: &'static str, content: &'static str) -> Self {
        let hash = hex::encode(Sha256::digest(content));
        Self {
            path: format!("/assets/{name}-{}.{end}", &hash[..HASH_DIGITS]),
            kind,
            content,
        }
    }
}

/// All files.
pub(super) struct Assets([Asset; 3]);

impl Assets {
    /// Where the style sheet is.
    pub(super) fn style(&self) -> &str {
        &self.0[0].path
    }

    /// Where the script is that keeps pages fresh.
    pub(super) fn script(&self) -> &str {
        &self.0[1].path
    }

    /// Where the icon is.
    pub(super) fn icon(&self) -> &str {
        &self.0[2].path
    }
}

static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    Assets([
        Asset::new("style", "css", "text/css; charset=utf-8", STYLE),
        Asset::new("live", "js", "text/javascript; charset=utf-8", SCRIPT),
        Asset::new("icon", "svg", "image/svg+xml", ICON),
    ])
});

pub(super) fn links() -> &'static Assets {
    &ASSETS
}

/// One of the files.
pub(super) async fn file(Path(name): Path<String>) -> Result<Response, Failure> {
    let path = format!("/assets/{name}");
    let found = ASSETS.0.iter().find(|asset| asset.path == path);
    let asset = found.ok_or_else(|| Failure::not_found("there is no such file"))?;
    let headers = [
        (header::CONTENT_TYPE, asset.kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok(guarded((headers, asset.content).into_response()))
}
