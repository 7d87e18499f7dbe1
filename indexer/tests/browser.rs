//! The pages in a real browser: nothing overflows, everything can be read, nothing jumps; pictures are kept in `target/pages`.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    quern_indexer::{Explorer, MintName},
    std::path::{Path, PathBuf},
    support::{
        History,
        browser::{Browser, View},
        key,
        pages::{Pages, busy},
    },
};

const VIEWS: [(&str, View); 4] = [
    (
        "wide-light",
        View {
            width: 1280,
            height: 800,
            is_dark: false,
        },
    ),
    (
        "wide-dark",
        View {
            width: 1280,
            height: 800,
            is_dark: true,
        },
    ),
    (
        "narrow-light",
        View {
            width: 390,
            height: 844,
            is_dark: false,
        },
    ),
    (
        "narrow-dark",
        View {
            width: 390,
            height: 844,
            is_dark: true,
        },
    ),
];
/// Texts whose contrast with their ground is below that of WCAG AA.
const FAINT: &str = include_str!("support/contrast.js");
const SHIFT: &str = "new Promise(done => { let sum = 0; new PerformanceObserver(list => \
    list.getEntries().forEach(entry => sum += entry.value)).observe({ type: 'layout-shift', buffered: true }); \
    requestAnimationFrame(() => setTimeout(() => done(sum), 0)) })";

fn folder() -> PathBuf {
    let binary = std::env::current_exe().unwrap();
    // target/debug/deps/browser-…
    binary.ancestors().nth(3).unwrap().join("pages")
}

/// Looks at a page, keeps a picture of it, and says what is wrong with it.
async fn look(
    browser: &mut Browser,
    url: &str,
    name: &str,
    view: View,
    into: &Path,
) -> Vec<String> {
    let mut wrong = Vec::new();
    browser.complaints.clear();
    browser.open(url, view).await;
    let overflow = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]";
    let widths = browser.evaluate(overflow).await;
    if widths[0].as_u64() > widths[1].as_u64() {
        wrong.push(format!("it is wider than the screen: {widths}"));
    }
    let faint = browser.evaluate(FAINT).await;
    if faint != serde_json::json!([]) {
        wrong.push(format!("too little contrast: {faint}"));
    }
    let shift = browser.evaluate(SHIFT).await;
    if shift.as_f64() != Some(0.0) {
        wrong.push(format!("it jumps while it loads: {shift}"));
    }
    // A page that tells of an error is one: the browser says so too.
    let complaints = browser.complaints.drain(..);
    let complaints =
        complaints.filter(|complaint| !complaint.contains(&format!("\"url\":\"{url}\"")));
    wrong.extend(complaints.map(|complaint| format!("the browser complains: {complaint}")));
    browser
        .picture(&into.join(format!("{name}.png")), view.width)
        .await;
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_fit_wide_and_narrow_screens_in_light_and_dark() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let history = busy(7, 140);
    let [paid, reward] = [key(&history.mints[0]), key(&history.mints[1])];
    let pages = Pages::of(history, |config| {
        config.explorer = Some(
            Explorer::parse("https://explorer.solana.com/tx/{signature}?cluster=devnet").unwrap(),
        );
        config.mint_names = vec![
            MintName::new(paid, "qUSD").unwrap(),
            MintName::new(reward, "QRN").unwrap(),
        ];
    })
    .await;
    let history = &pages.history;
    let provider = history.providers[0];
    let cheated = support::address(70, 141);
    let campaign = history.first_campaign();
    let joined = history.joined_ever(&key(&campaign))[0];
    let looks = [
        ("overview", "/".to_owned()),
        ("leaderboard", "/providers?window=30d".to_owned()),
        ("provider", format!("/providers/{provider}")),
        ("models", "/models".to_owned()),
        ("model", format!("/models/{}", support::address(42, 0))),
        ("creator", format!("/creators/{}", history.creator)),
        ("clients", "/clients".to_owned()),
        ("client", format!("/clients/{}", history.clients[0])),
        ("jobs", "/jobs".to_owned()),
        ("job", format!("/jobs/{cheated}")),
        (
            "purse",
            format!("/purses/{}", History::purse_address(&provider)),
        ),
        ("campaigns", "/campaigns".to_owned()),
        ("campaign", format!("/campaigns/{campaign}")),
        ("entry", format!("/campaigns/{campaign}/entries/{joined}")),
        ("network", "/network".to_owned()),
        ("error", "/jobs/nonsense".to_owned()),
    ];
    let into = folder();
    let mut wrong = Vec::new();
    for (name, path) in looks {
        let url = format!("{}{path}", pages.indexer.url());
        for (view_name, view) in VIEWS {
            let name = format!("{name}-{view_name}");
            let found = look(&mut browser, &url, &name, view, &into).await;
            wrong.extend(found.into_iter().map(|what| format!("{name}: {what}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    pages.indexer.stop().await.unwrap();
}
