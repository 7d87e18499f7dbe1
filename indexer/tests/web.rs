//! The pages as browsers get them: what stands in them, where they lead, and what strangers cannot do to them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    quern_client::quern::events::{MilestoneSettled, QuernEvent},
    quern_indexer::{Explorer, MintName},
    scraper::{Html, Selector},
    std::collections::{BTreeSet, VecDeque},
    support::{
        HIDING_NAME, History, address, key,
        pages::{Came, Pages, busy, named},
    },
};

/// Most bytes of a page before compression.
const PAGE_BYTES: usize = 60_000;
/// More pages than the history of these tests has would mean a loop.
const MOST_PAGES: usize = 2_000;
const TYPE: &str = "text/html; charset=utf-8";

fn select<'a>(page: &'a Html, what: &str) -> Vec<scraper::ElementRef<'a>> {
    page.select(&Selector::parse(what).unwrap()).collect()
}

fn text_of(page: &Html, what: &str) -> String {
    let found = select(page, what).into_iter();
    let parts = found.map(|one| one.text().collect::<String>());
    parts.collect::<Vec<_>>().join("|")
}

/// What holds of every page, whatever it shows.
fn check(path: &str, came: &Came) -> Html {
    let header = |name: &str| {
        let value = came.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap()).to_owned()
    };
    assert_eq!(header("content-type"), TYPE, "{path}");
    let policy = header("content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{path}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{path}: {policy}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
    assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
    assert!(!header("x-request-id").is_empty(), "{path}");
    let size = came.text.len();
    assert!(size < PAGE_BYTES, "{path} has {size} bytes");

    let page = Html::parse_document(&came.text);
    assert!(page.errors.is_empty(), "{path}: {:?}", page.errors);
    assert_eq!(select(&page, "html[lang=en]").len(), 1, "{path}");
    assert_eq!(select(&page, "main h1").len(), 1, "{path}");
    assert!(text_of(&page, "title").ends_with(" · Quern"), "{path}");
    // The policy would refuse what stands within a page.
    for what in [
        "[style]",
        "style",
        "script:not([src])",
        "iframe",
        "object",
        "base",
        "[onclick]",
        "[onerror]",
        "[onload]",
    ] {
        assert!(select(&page, what).is_empty(), "{path} has {what}");
    }
    for what in [
        "th:not([scope])",
        "table:not(:has(caption))",
        "img:not([alt])",
    ] {
        assert!(select(&page, what).is_empty(), "{path} has {what}");
    }
    for field in select(&page, "input:not([type=hidden]), select") {
        let id = field.attr("id").unwrap();
        assert_eq!(
            select(&page, &format!("label[for={id}]")).len(),
            1,
            "{path}: {id}"
        );
    }
    page
}

/// Every address in a page, with the rest of its element.
fn links(page: &Html) -> Vec<String> {
    let found = select(page, "[href], [src], [action]").into_iter();
    let addresses = found.flat_map(|one| ["href", "src", "action"].map(|name| one.attr(name)));
    addresses.flatten().map(str::to_owned).collect()
}

fn explained(config: &mut quern_indexer::Config, history: [quern_api::Key; 2]) {
    let explorer = "https://explorer.solana.com/tx/{signature}?cluster=devnet";
    config.explorer = Some(Explorer::parse(explorer).unwrap());
    config.mint_names = vec![
        MintName::new(history[0], "qUSD").unwrap(),
        MintName::new(history[1], "QRN").unwrap(),
    ];
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_sound_and_every_link_leads_somewhere() {
    let mut history = busy(42, 60);
    history.crowd_of_providers(3);
    let mints = [key(&history.mints[0]), key(&history.mints[1])];
    let pages = Pages::of(history, |config| explained(config, mints)).await;
    let mut known = BTreeSet::from(["/".to_owned()]);
    let mut left = VecDeque::from(["/".to_owned()]);
    let mut kinds = BTreeSet::new();
    while let Some(path) = left.pop_front() {
        let came = pages.get(&path).await;
        assert_eq!(came.status, 200, "{path}");
        let kind = came.headers["content-type"].to_str().unwrap();
        if kind != TYPE {
            continue;
        }
        let page = check(&path, &came);
        kinds.insert(path.split(['/', '?']).nth(1).unwrap().to_owned());
        for link in links(&page) {
            if link.starts_with('#') {
                continue;
            }
            if !link.starts_with('/') || link.starts_with("//") {
                assert!(
                    link.starts_with("https://explorer.solana.com/tx/"),
                    "{path}: {link}"
                );
                continue;
            }
            // A search without words is a mistake of its own.
            if link != "/search" && known.insert(link.clone()) {
                left.push_back(link);
            }
        }
        assert!(known.len() < MOST_PAGES, "{known:?}");
    }
    for kind in [
        "",
        "providers",
        "models",
        "creators",
        "clients",
        "jobs",
        "purses",
        "campaigns",
        "network",
    ] {
        assert!(kinds.contains(kind), "{kind}: {kinds:?}");
    }
    pages.indexer.stop().await.unwrap();
}

/// What strangers wrote is text on every page that shows it.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_write_text_and_nothing_else() {
    let attacks: [(&[u8], &str); 6] = [
        (
            b"<script>alert(1)</script>",
            "javascript:alert(document.domain)",
        ),
        (
            b"\"><img src=x onerror=alert(1)>",
            "data:text/html,<script>alert(1)</script>",
        ),
        (
            b"</title><script>x()</script>",
            "https://evil.example/\"onmouseover=\"x()",
        ),
        (HIDING_NAME.as_bytes(), "http://a.example/\u{202e}gpj.exe"),
        (b"\xff\xfe\x00<b>&lt;", "&lt;script&gt;"),
        ("אבג العربية".as_bytes(), "  "),
    ];
    let mut history = busy(5, 4);
    let owners: Vec<_> = (0..)
        .zip(attacks)
        .map(|(n, (name, endpoint))| named(&mut history, n, name, endpoint))
        .collect();
    let long = "W".repeat(32);
    let overlong = named(&mut history, 77, long.as_bytes(), &"x".repeat(200));
    let pages = Pages::of(history, |_| {}).await;
    for owner in owners.iter().chain([&overlong]) {
        let path = format!("/providers/{owner}");
        let came = pages.get(&path).await;
        assert_eq!(came.status, 200, "{path}");
        let page = check(&path, &came);
        assert_eq!(
            select(&page, "script").len(),
            select(&page, "script[src^='/assets/']").len()
        );
        assert_eq!(select(&page, "img").len(), 1, "{path}: the icon alone");
        for link in links(&page) {
            assert!(
                link.starts_with('/') || link.starts_with('#'),
                "{path}: {link}"
            );
        }
        let hidden = came
            .text
            .chars()
            .find(|c| ('\u{200b}'..='\u{202e}').contains(c) || *c == '\u{1b}');
        assert_eq!(hidden, None, "{path}");
    }
    // They are shown as they were written, and not swallowed.
    let shown = async |owner| {
        let came = pages.get(&format!("/providers/{owner}")).await;
        text_of(&Html::parse_document(&came.text), "h1 bdi, dd bdi")
    };
    assert_eq!(
        shown(owners[0]).await,
        "<script>alert(1)</script>|javascript:alert(document.domain)"
    );
    assert_eq!(
        shown(owners[3]).await,
        "ab\\u{202e}cd\\u{1b}[2J|http://a.example/\\u{202e}gpj.exe"
    );
    assert_eq!(shown(overlong).await, format!("{long}|{}", "x".repeat(200)));
    pages.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn visitors_cannot_write_into_pages_either() {
    let pages = Pages::of(busy(6, 4), |_| {}).await;
    let attack = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    for path in [
        format!("/search?q={attack}"),
        format!("/providers?metric={attack}"),
        format!("/providers?cursor={attack}"),
        format!("/providers/{attack}"),
        format!("/jobs?state={attack}"),
        format!("/nothing/{attack}"),
        "/jobs/%E2%80%AEabc".to_owned(),
        "/purses/%ff".to_owned(),
        format!("/search?q={}", "a".repeat(3_000)),
        "/search?q=".to_owned(),
        "/search".to_owned(),
    ] {
        let came = pages.get(&path).await;
        assert!((400..500).contains(&came.status), "{path}: {}", came.status);
        let page = check(&path, &came);
        assert_eq!(select(&page, "script").len(), 1, "{path}");
        assert!(!came.text.contains('\u{202e}'), "{path}");
        assert!(came.text.len() < 8_000, "{path}");
        // What went wrong, what helps, and a way back.
        assert_eq!(select(&page, "main p").len(), 4, "{path}");
        assert_eq!(select(&page, "main a[href='/']").len(), 1, "{path}");
    }
    pages.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_search_box_takes_any_address() {
    let history = busy(7, 6);
    let (provider, job) = (history.providers[0], address(70, 1));
    let account = History::provider_address(&provider);
    let purse = History::purse_address(&history.clients[0]);
    let signature = history.events[3].id.signature;
    let explained = Pages::of(history, |config| {
        let explorer = "https://explorer.example/{signature}";
        config.explorer = Some(Explorer::parse(explorer).unwrap());
    })
    .await;
    let go = async |pages: &Pages, text: &str| {
        let came = pages.get(&format!("/search?q={text}")).await;
        let location = came.headers.get("location");
        let location = location.map(|value| value.to_str().unwrap().to_owned());
        (came.status, location.unwrap_or_default())
    };
    for (text, target) in [
        (provider.to_string(), format!("/providers/{provider}")),
        (account.to_string(), format!("/providers/{account}")),
        (job.to_string(), format!("/jobs/{job}")),
        (format!("%20{job}%20"), format!("/jobs/{job}")),
        (purse.to_string(), format!("/purses/{purse}")),
        (
            signature.to_string(),
            format!("https://explorer.example/{signature}"),
        ),
    ] {
        assert_eq!(go(&explained, &text).await, (303, target));
    }
    let campaign = explained.history.first_campaign().to_string();
    let target = format!("/campaigns/{campaign}");
    assert_eq!(go(&explained, &campaign).await, (303, target));
    let nobody = address(250, 1).to_string();
    assert_eq!(go(&explained, &nobody).await.0, 404);
    explained.indexer.stop().await.unwrap();
    let plain = Pages::of(busy(7, 6), |_| {}).await;
    let came = plain.get(&format!("/search?q={signature}")).await;
    assert_eq!(came.status, 404);
    assert!(came.text.contains("names no explorer"));
    plain.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_stays_as_it_is_beside_the_pages() {
    let pages = Pages::of(busy(8, 3), |_| {}).await;
    for (path, status) in [
        ("/v1/status", 200),
        ("/v1/jobs?limit=0", 400),
        ("/v1/nothing", 404),
        ("/health/live", 200),
    ] {
        let came = pages.get(path).await;
        assert_eq!(came.status, status, "{path}");
        assert!(
            came.headers["content-type"]
                .to_str()
                .unwrap()
                .contains("json"),
            "{path}"
        );
    }
    // Programs get JSON for paths that nobody has; people get a page.
    let url = pages.indexer.url();
    let reply = pages
        .http
        .get(format!("{url}/nothing"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        reply.headers()["content-type"],
        quern_api::problem::MEDIA_TYPE
    );
    check("/nothing", &pages.get("/nothing").await);
    let reply = pages.http.post(format!("{url}/jobs")).send().await.unwrap();
    assert_eq!(reply.status().as_u16(), 405);
    // Files may be kept for ever: their names change with them.
    let page = Html::parse_document(&pages.get("/").await.text);
    let style = select(&page, "link[rel=stylesheet]")[0]
        .attr("href")
        .unwrap();
    let came = pages.get(style).await;
    assert_eq!(came.headers["content-type"], "text/css; charset=utf-8");
    assert!(
        came.headers["cache-control"]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    assert_eq!(
        pages.get("/assets/style-000000000000.css").await.status,
        404
    );
    pages.indexer.stop().await.unwrap();
}

/// A month without payments is no reason to show none, and what is not shown is where the page says.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_paid_before_a_quiet_month_is_shown() {
    const QUIET_SECS: i64 = 40 * 86_400;
    const SHOWN: usize = 2;
    let mut history = busy(8, 20);
    let mut events = history.events.iter().rev();
    let paid = events.find_map(|event| match &event.body {
        QuernEvent::MilestoneSettled(paid) => Some(paid.clone()),
        _ => None,
    });
    let paid = paid.unwrap();
    for n in 0..3 {
        history.tell(QuernEvent::MilestoneSettled(MilestoneSettled {
            at: history.at,
            mint: address(11, n),
            changes: Vec::new(),
            ..paid.clone()
        }));
    }
    history.at += QUIET_SECS;
    let client = history.clients[0];
    history.deposit(&client, 1);
    let pages = Pages::of(history, |_| {}).await;
    let came = pages.get("/").await;
    let page = check("/", &came);
    assert_eq!(select(&page, "figure.chart").len(), SHOWN);
    let more = select(&page, "a[href^='/v1/feeds/network?']");
    let (path, text) = (more[0].attr("href").unwrap(), more[0].inner_html());
    let all: serde_json::Value = serde_json::from_str(&pages.get(path).await.text).unwrap();
    let all = all["series"].as_array().unwrap().len();
    assert!(all >= SHOWN + 3, "{all}");
    assert_eq!(text, format!("{} more in the API", all - SHOWN));
    // By the hour it is the time that was asked for.
    let hours = pages.get("/?bucket=hour").await;
    assert!(hours.text.contains("Nothing was paid"));
    pages.indexer.stop().await.unwrap();
}

/// Before anything happened there is a page as well, and it says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_network_has_pages() {
    let pages = Pages::of(History::new(1), |_| {}).await;
    for (path, word) in [
        ("/", "No milestone was settled yet."),
        ("/providers?window=24h", "Nothing was settled"),
        ("/jobs", "no such job yet"),
    ] {
        let came = pages.get(path).await;
        assert_eq!(came.status, 200);
        check(path, &came);
        assert!(came.text.contains(word), "{path}");
    }
    pages.indexer.stop().await.unwrap();
}
