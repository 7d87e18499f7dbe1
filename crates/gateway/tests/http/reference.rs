//! The reference page says what is served.

use {
    crate::server::Server,
    std::{collections::BTreeSet, fs, path::Path},
};

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).unwrap()
}

/// Method and path of every row of the page's routes.
fn documented() -> BTreeSet<(String, String)> {
    let page = read("docs/reference/gateway.md");
    let rows = page.lines().filter_map(|line| {
        let route = line.strip_prefix("| `")?.split('`').next()?;
        let (method, path) = route.split_once(" /")?;
        Some((method.to_owned(), format!("/{path}")))
    });
    rows.collect()
}

#[test]
fn every_route_stands_in_the_reference() {
    let router = read("crates/gateway/src/http/router.rs");
    let served: BTreeSet<String> = router
        .split("\"/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(|path| format!("/{}", path.replace("{*", "{")))
        .collect();
    let mut paths: BTreeSet<String> = documented().into_iter().map(|(_, path)| path).collect();
    // Its path stands in the crate of replies.
    assert!(paths.remove(quern_api::gateway::SpendingPage::PATH));
    assert_eq!(paths, served);
}

#[tokio::test]
async fn what_the_reference_names_is_served() {
    let server = Server::start().await;
    let routes = documented();
    assert!(routes.len() > 10, "{routes:?}");
    for (method, path) in routes {
        let path = path.replace(['{', '}'], "");
        let request = match method.as_str() {
            "GET" => server.get(&path),
            "POST" => server.post(&path),
            "DELETE" => server.delete(&path),
            other => panic!("no request is made with {other}"),
        };
        let reply = request.send().await.unwrap();
        let status = reply.status().as_u16();
        let text = reply.text().await.unwrap();
        assert!(
            status != 405 && !text.contains("unknown_url"),
            "{method} {path}: {text}"
        );
    }
}

#[test]
fn every_code_stands_in_the_reference() {
    let page = read("docs/reference/gateway.md");
    let sources = [
        "catalog",
        "error",
        "guard",
        "json",
        "ask",
        "quern",
        "openai/files",
        "openai/batches",
        "openai/unsupported",
        "store/files",
    ];
    for source in sources {
        let text = read(&format!("crates/gateway/src/http/{source}.rs"));
        // Codes are the only texts in lower case with `_` between words.
        let words = text.split('"').skip(1).step_by(2);
        let codes = words.filter(|word| {
            let is_code = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            word.contains('_')
                && word.bytes().all(is_code)
                && !word.ends_with("_error")
                && !word.ends_with('_')
                && !word.ends_with("_id")
        });
        for code in codes.filter(|code| !NOT_CODES.contains(code)) {
            assert!(
                page.contains(&format!("`{code}`")),
                "{source}: {code} stands nowhere in the reference"
            );
        }
    }
}

/// Texts that look like codes, and codes that no reply of a route has.
const NOT_CODES: &[&str] = &[
    "insufficient_quota",
    "completion_window",
    "expires_after",
    "batch_output",
    "request_not_found",
    "request_not_ended",
];
