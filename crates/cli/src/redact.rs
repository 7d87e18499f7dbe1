//! URLs of RPC nodes carry API keys: nothing that is shown or logged may repeat them.

use std::io::{self, Write};

/// A text in which no URL has a query, fragment or user name, and the RPC node's own no path either.
pub fn redacted(text: &str, rpc_url: &str) -> String {
    let node = authority(rpc_url.split_once("://").map_or("", |(_, rest)| rest));
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let is_end = |c: char| c.is_whitespace() || c.is_control() || "\"'`()<>".contains(c);
        let (url, tail) = after.split_at(after.find(is_end).unwrap_or(after.len()));
        // The sentence goes on behind a URL.
        let bare = url.trim_end_matches([':', '.', ',', ';']);
        let punctuation = url.get(bare.len()..).unwrap_or_default();
        let host = authority(bare);
        let kept = match bare.split(['?', '#']).next() {
            Some(kept) if host != node => kept.rsplit_once('@').map_or(kept, |(_, kept)| kept),
            _ => host,
        };
        for part in [before, "://", kept, punctuation] {
            shown.push_str(part);
        }
        rest = tail;
    }
    shown.push_str(rest);
    shown
}

/// Host and port of what follows `scheme://`.
fn authority(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority.rsplit('@').next().unwrap_or(authority)
}

/// A log without characters that turn it around or hide parts of it.
fn shown(text: &str) -> String {
    let plain = |c: char| c.is_control() || quern_client::text::is_plain(c);
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match plain(c) {
            true => shown.push(c),
            false => shown.extend(c.escape_unicode()),
        }
    }
    shown
}

/// Standard error for logs, each event redacted as a whole.
pub struct Stderr {
    /// The RPC node.
    pub rpc_url: String,
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = redacted(&String::from_utf8_lossy(bytes), &self.rpc_url);
        // Colours and line breaks are the log's own; it writes those of strangers as numbers by itself.
        let text = shown(&text);
        io::stderr().lock().write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_cannot_be_turned_around() {
        assert_eq!(shown("a\u{202e}b\n"), "a\\u{202e}b\n");
    }

    #[test]
    fn keys_never_show() {
        let node = "https://me:SECRET@rpc.example.com:8899/v2/SECRET?api-key=SECRET";
        for (text, shown) in [
            (
                "cannot reach https://rpc.example.com:8899/v2/SECRET?api-key=SECRET: refused; check",
                "cannot reach https://rpc.example.com:8899: refused; check",
            ),
            (
                "for url (https://rpc.example.com:8899/v2/SECRET)",
                "for url (https://rpc.example.com:8899)",
            ),
            (&format!("at {node}"), "at https://rpc.example.com:8899"),
            (
                "`htps://other.example.com/?api-key=SECRET` is no URL",
                "`htps://other.example.com/` is no URL",
            ),
            (
                "https://me:SECRET@other.example.com/a",
                "https://other.example.com/a",
            ),
            (
                "cannot fetch https://data.example.com/weights.bin: gone; file:///a/b is here",
                "cannot fetch https://data.example.com/weights.bin: gone; file:///a/b is here",
            ),
            ("no URL at all: //x", "no URL at all: //x"),
        ] {
            assert_eq!(redacted(text, node), shown);
        }
        assert_eq!(redacted("http://a/b?c", ""), "http://a/b");
    }
}
