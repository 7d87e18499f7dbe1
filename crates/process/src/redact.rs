//! URLs of RPC nodes carry API keys: nothing that is shown or logged may repeat them.

/// A text in which no URL has a query, fragment or user name, and the RPC node's own no path either.
pub fn redacted(text: &str, rpc_url: &str) -> String {
    without_keys(text, &[rpc_url])
}

/// The same where several nodes are known.
pub fn without_keys<Node: AsRef<str>>(text: &str, nodes: &[Node]) -> String {
    let is_node = |host: &str| {
        let urls = nodes
            .iter()
            .filter_map(|url| url.as_ref().split_once("://"));
        urls.into_iter().any(|(_, rest)| authority(rest) == host)
    };
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
            Some(kept) if !is_node(host) => kept.rsplit_once('@').map_or(kept, |(_, kept)| kept),
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
pub(crate) fn plain(text: &str) -> String {
    let is_plain = |c: char| c.is_control() || quern_client::text::is_plain(c);
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match is_plain(c) {
            true => shown.push(c),
            false => shown.extend(c.escape_unicode()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_cannot_be_turned_around() {
        assert_eq!(plain("a\u{202e}b\n"), "a\\u{202e}b\n");
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

    #[test]
    fn every_known_node_keeps_its_path_to_itself() {
        let nodes = ["https://a.example.com/SECRET", "wss://b.example.com/SECRET"];
        let text = "https://a.example.com/SECRET and wss://b.example.com/SECRET, https://c.example.com/open";
        assert_eq!(
            without_keys(text, &nodes),
            "https://a.example.com and wss://b.example.com, https://c.example.com/open"
        );
    }
}
