//! The adapters of `docs/listing` work as they are, run by Node.js against an indexer.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod support;

use {
    serde_json::Value,
    std::{path::Path, process::Command},
    support::{History, served::Asked},
};

/// Calls the adapter as the site does, and prints what it adds to each balance.
const SITE: &str = "
const { default: one } = await import(process.argv[1]);
const createBalances = () => {
  const sums = {};
  return { sums, add: (token, amount) => { sums[token] = String(BigInt(sums[token] ?? 0) + BigInt(amount)); } };
};
const [startTimestamp, endTimestamp] = process.argv.slice(2).map(Number);
const found = await one.adapter.solana.fetch({ startTimestamp, endTimestamp, createBalances });
console.log(JSON.stringify(Object.fromEntries(Object.entries(found).map(([name, { sums }]) => [name, sums]))));
";

fn has_node() -> bool {
    let version = Command::new("node").arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fees_adapter_says_what_the_feed_says() {
    if !has_node() {
        eprintln!("Node.js is not installed: the adapter did not run");
        return;
    }
    let mut history = History::lived(8, 30);
    history.paid_by_rules();
    let (first, last) = (history.events[0].body.at(), history.at);
    let mint = history.mints[0].to_string();
    let asked = Asked::of(history).await;
    let adapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/listing/quern-fees.mjs");
    let url = asked.indexer.url();
    let output = tokio::task::spawn_blocking(move || {
        let mut node = Command::new("node");
        node.args(["--input-type=module", "-e", SITE]);
        node.arg(adapter.canonicalize().unwrap());
        node.args([first, last + 1].map(|at| at.to_string()));
        node.env("QUERN_INDEXER", url).output().unwrap()
    });
    let output = output.await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let path = format!("/v1/feeds/fees?from={first}&to={last}");
    let fees = asked.json(&path).await;
    let of = |field: &str| {
        let atoms = fees["mints"][0][field].as_str().unwrap();
        atoms.parse::<u128>().unwrap()
    };
    assert_eq!(found["dailyFees"][&mint], of("paid_atoms").to_string());
    assert_eq!(
        found["dailyRevenue"][&mint],
        of("protocol_atoms").to_string()
    );
    let supply = of("provider_atoms") + of("royalty_atoms");
    assert_eq!(found["dailySupplySideRevenue"][&mint], supply.to_string());
    assert!(of("paid_atoms") > 0);
    asked.indexer.stop().await.unwrap();
}
