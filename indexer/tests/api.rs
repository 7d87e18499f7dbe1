//! The HTTP API over a real socket, fed from a recording.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    quern_indexer::{Config, Indexer, IndexerError},
    serde_json::Value,
    std::{collections::BTreeMap, time::Duration},
    support::{World, recording},
    tempfile::TempDir,
};

struct Served {
    indexer: Indexer,
    world: World,
    folder: TempDir,
    http: reqwest::Client,
}

impl Served {
    async fn start(jobs: u64) -> Self {
        let world = World::lived(42, jobs);
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("recording.jsonl");
        std::fs::write(&path, recording(&world.events)).unwrap();
        let mut config = Config::local(
            "http://unused.invalid",
            format!("sqlite:{}", folder.path().join("db").display()),
        );
        config.recording = Some(path);
        let indexer = Indexer::start(config).await.unwrap();
        let slot = world.events.last().unwrap().slot;
        assert!(indexer.wait_for_slot(slot, Duration::from_secs(30)).await);
        Self {
            indexer,
            world,
            folder,
            http: reqwest::Client::new(),
        }
    }

    async fn reply(&self, path: &str) -> (u16, String, Value) {
        let reply = self
            .http
            .get(format!("{}{path}", self.indexer.url()))
            .send()
            .await
            .unwrap();
        let status = reply.status().as_u16();
        let kind = reply.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(reply.headers().contains_key("x-request-id"));
        (
            status,
            kind,
            serde_json::from_str(&reply.text().await.unwrap()).unwrap(),
        )
    }

    async fn get(&self, path: &str) -> Value {
        let (status, kind, value) = self.reply(path).await;
        assert_eq!(
            (status, kind.as_str()),
            (200, "application/json"),
            "{path}: {value}"
        );
        assert_eq!(value["as_of_slot"], self.world.events.last().unwrap().slot);
        assert_eq!(
            (&value["finality"], &value["lag_slots"]),
            (&"finalized".into(), &0.into())
        );
        value
    }
}

fn atoms(value: &Value) -> u128 {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn status_totals_and_purses_agree_with_the_world() {
    let mut served = Served::start(50).await;
    let status = served.get("/v1/status").await;
    assert_eq!(status["events"], served.world.events.len());
    assert_eq!(
        (&status["dead_letters"], &status["gaps"]),
        (&0.into(), &0.into())
    );
    assert_eq!(
        served.get("/v1/totals").await["ledgers"]
            .as_array()
            .unwrap()
            .len(),
        2
    );

    let totals = served.get("/v1/totals").await;
    let mut sums: BTreeMap<String, u128> = BTreeMap::new();
    for row in totals["totals"].as_array().unwrap() {
        assert_eq!(row["decimals"], 6);
        *sums
            .entry(row["category"].as_str().unwrap().to_owned())
            .or_default() += atoms(&row["atoms"]);
    }
    assert_eq!(
        sums["settled"] + sums["resolved"],
        sums["earnings"]
            + sums["royalties"]
            + sums["fees"]
            + totals["totals"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|row| row["category"] == "refunds" && !row["assurance"].is_null())
                .map(|row| atoms(&row["atoms"]))
                .sum::<u128>()
    );
    assert_eq!(sums["rewards"], sums["rewards_claimed"]);
    let ledger = totals["ledgers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|ledger| ledger["purses"] != 0)
        .unwrap();
    assert_eq!(ledger["equal"], true);
    assert_eq!(
        atoms(&ledger["total_atoms"]),
        sums["deposited"] - sums["withdrawn"]
    );
    assert_eq!(
        sums["escrowed"],
        sums["settled"]
            + sums["resolved"]
            + totals["totals"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|row| row["category"] == "refunds" && row["assurance"].is_null())
                .map(|row| atoms(&row["atoms"]))
                .sum::<u128>()
    );

    for owner in served.world.providers.clone() {
        let (free, reserved) = served.world.balance(&owner);
        let purse = served
            .get(&format!("/v1/purses/{}", World::purse_address(&owner)))
            .await;
        assert_eq!(
            (atoms(&purse["free_atoms"]), atoms(&purse["reserved_atoms"])),
            (free.into(), reserved.into())
        );
    }
    served.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn leaderboards_never_mix_and_page_without_holes() {
    let served = Served::start(60).await;
    for metric in ["earned", "macs", "milestones", "rewards"] {
        for window in ["all", "24h", "7d", "30d"] {
            let whole = served
                .get(&format!(
                    "/v1/leaderboards/providers?metric={metric}&window={window}"
                ))
                .await;
            for board in whole["boards"].as_array().unwrap() {
                let entries = board["entries"].as_array().unwrap();
                assert!(!entries.is_empty());
                assert_eq!(
                    board["mint"].is_null(),
                    metric == "macs" || metric == "milestones"
                );
                let order: Vec<(std::cmp::Reverse<u128>, Vec<u8>)> = entries
                    .iter()
                    .map(|entry| {
                        let provider = bs58::decode(entry["provider"].as_str().unwrap())
                            .into_vec()
                            .unwrap();
                        (std::cmp::Reverse(atoms(&entry["value"])), provider)
                    })
                    .collect();
                assert!(order.is_sorted());
                // The same board in pages of two.
                let assurance = board["assurance"].as_str().unwrap();
                let mint = board["mint"]
                    .as_str()
                    .map_or(String::new(), |mint| format!("&mint={mint}"));
                let base = format!(
                    "/v1/leaderboards/providers?metric={metric}&window={window}&assurance={assurance}{mint}&limit=2"
                );
                let (mut paged, mut cursor) = (Vec::new(), String::new());
                loop {
                    let page = served.get(&format!("{base}{cursor}")).await;
                    let page = &page["boards"][0];
                    paged.extend(page["entries"].as_array().unwrap().iter().cloned());
                    let Some(next) = page["next_cursor"].as_str() else {
                        break;
                    };
                    cursor = format!("&cursor={next}");
                }
                assert_eq!(&paged, entries);
            }
        }
    }
    let board = served.get("/v1/leaderboards/providers").await;
    assert_eq!(board["metric"], "earned");
    let first = &board["boards"][0]["entries"][0];
    assert_eq!(first["rank"], 1);
    assert!(first["name"].as_str().unwrap().starts_with("provider "));
    // Its own page says the same.
    let owner = first["provider"].as_str().unwrap();
    let page = served.get(&format!("/v1/providers/{owner}")).await;
    assert_eq!(page["owner"], owner);
    assert!(
        page["endpoint"]
            .as_str()
            .unwrap()
            .starts_with("http://provider-")
    );
    let level = page["totals"]
        .as_array()
        .unwrap()
        .iter()
        .find(|level| level["assurance"] == "refereed")
        .unwrap();
    assert_eq!(level["earned"], first["earned"]);
    let by_account = served
        .get(&format!(
            "/v1/providers/{}",
            page["account"].as_str().unwrap()
        ))
        .await;
    assert_eq!(by_account, page);
    let settled: u128 = page["totals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|level| atoms(&level["milestones"]))
        .sum();
    assert_eq!(settled, atoms(&page["counters"]["settled"]));
    served.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_shows_its_whole_time_line() {
    let served = Served::start(30).await;
    let list = served.get("/v1/jobs?state=closed&limit=200").await;
    let jobs = list["jobs"].as_array().unwrap();
    // And the one whose provider cheated.
    assert_eq!(jobs.len(), 31);
    let mut outcomes = std::collections::BTreeSet::new();
    for job in jobs {
        let page = served
            .get(&format!("/v1/jobs/{}", job["address"].as_str().unwrap()))
            .await;
        assert_eq!(
            (&page["state"], &page["complete"]),
            (&"closed".into(), &true.into())
        );
        let steps = page["steps"].as_array().unwrap();
        assert_eq!(steps[0]["event"], "JobCreated");
        for (n, step) in steps.iter().enumerate() {
            assert_eq!(step["seq"], (n + 1).to_string());
            assert!(step["slot"].is_u64() && step["signature"].as_str().unwrap().len() > 80);
        }
        assert_eq!(steps[0]["fields"]["escrow_atoms"], page["price_atoms"]);
        let slashed = page["outcome"] == "slashed";
        assert_eq!(page["slash"].is_object(), slashed);
        assert_eq!(
            page["demands"].as_array().unwrap().len(),
            if slashed { 2 } else { 0 }
        );
        outcomes.insert(page["outcome"].as_str().unwrap().to_owned());
    }
    assert!(
        outcomes.contains("settled") && outcomes.len() > 1,
        "{outcomes:?}"
    );
    let (mut paged, mut cursor) = (0, String::new());
    loop {
        let page = served.get(&format!("/v1/jobs?limit=7{cursor}")).await;
        paged += page["jobs"].as_array().unwrap().len();
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, 31);
    assert_eq!(
        served.get("/v1/jobs?state=open").await["jobs"],
        Value::Array(Vec::new())
    );
    served.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_convicted_job_shows_why_and_what_was_asked() {
    let mut served = Served::start(4).await;
    let (job, watcher, demands) = {
        let (job, watcher) = (support::address(70, 5), support::address(90, 1));
        let demand = |tree: u64| support::address(91, 5 << 8 | tree).to_string();
        (
            job.to_string(),
            watcher.to_string(),
            [demand(255), demand(1)],
        )
    };
    let page = served.get(&format!("/v1/jobs/{job}")).await;
    assert_eq!(
        (&page["state"], &page["outcome"]),
        (&"closed".into(), &"slashed".into())
    );
    assert_eq!(page["complete"], true);
    assert_eq!(
        page["slash"],
        serde_json::json!({ "reason": "wrong_cell", "prover": watcher })
    );
    let names: Vec<_> = page["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "JobCreated",
            "JobTaken",
            "ResultSubmitted",
            "DemandOpened",
            "DemandOpened",
            "DemandAnswered",
            "JobConvicted",
            "ConvictionSettled"
        ]
    );
    let fields = |step: usize| &page["steps"][step]["fields"];
    assert_eq!(fields(3)["node"], "ff".repeat(32));
    assert_eq!(fields(5)["answer"], "ab".repeat(64));
    assert_eq!(fields(6)["prover"], watcher);
    assert_eq!(fields(6)["index"], (3u64 << 32 | 4).to_string());
    assert_eq!(fields(7)["prover_atoms"], "800");

    let shown = page["demands"].as_array().unwrap();
    assert_eq!(shown.len(), 2);
    for (demand, (address, tree, state)) in shown
        .iter()
        .zip([(&demands[0], 255, "closed"), (&demands[1], 1, "waiting")])
    {
        assert_eq!(demand["address"], *address);
        assert_eq!(
            (&demand["tree"], &demand["level"], &demand["index"]),
            (&tree.into(), &0.into(), &"0".into())
        );
        assert_eq!(
            (&demand["state"], &demand["complete"]),
            (&state.into(), &true.into())
        );
        assert_eq!(demand["answered_at"].is_null(), tree == 1);
        assert_eq!(
            (&demand["opener"], &demand["submission"]),
            (&watcher.as_str().into(), &1.into())
        );
        assert_eq!(demand["fee_lamports"], "10000");
    }

    // The conviction counts once its bond is split.
    let provider = served.world.providers[0];
    let page = served.get(&format!("/v1/providers/{provider}")).await;
    assert_eq!(page["counters"]["convicted"], "1");
    let (free, reserved) = served.world.balance(&support::address(90, 1));
    assert_eq!((free, reserved), (800, 0));
    served.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_one_clear_sentence() {
    let served = Served::start(3).await;
    let nobody = bs58::encode([250; 32]).into_string();
    let cases = [
        (400, "/v1/providers/not-an-address".to_owned(), "base58"),
        (
            400,
            format!("/v1/providers/{}", "1".repeat(5_000)),
            "base58",
        ),
        (400, "/v1/providers/%ff%fe".to_owned(), "UTF-8"),
        (404, format!("/v1/providers/{nobody}"), "provider"),
        (400, "/v1/jobs/0".to_owned(), "base58"),
        (404, format!("/v1/jobs/{nobody}"), "job"),
        (404, format!("/v1/purses/{nobody}"), "purse"),
        (400, "/v1/jobs?state=flying".to_owned(), "open, taken"),
        (400, "/v1/jobs?limit=0".to_owned(), "1 to 200"),
        (400, "/v1/jobs?limit=201".to_owned(), "1 to 200"),
        (400, "/v1/jobs?limit=1&limit=2".to_owned(), "twice"),
        (400, "/v1/jobs?cursor=zz".to_owned(), "next_cursor"),
        (400, "/v1/jobs?offset=3".to_owned(), "unknown"),
        (400, "/v1/status?x=1".to_owned(), "unknown"),
        (
            400,
            "/v1/leaderboards/providers?metric=fame".to_owned(),
            "earned, macs",
        ),
        (
            400,
            "/v1/leaderboards/providers?window=1y".to_owned(),
            "24h",
        ),
        (
            400,
            "/v1/leaderboards/providers?assurance=both".to_owned(),
            "refereed, accepted",
        ),
        (
            400,
            "/v1/leaderboards/providers?mint=abc".to_owned(),
            "base58",
        ),
        (
            404,
            format!("/v1/leaderboards/providers?mint={nobody}"),
            "not registered",
        ),
        (
            400,
            format!("/v1/leaderboards/providers?metric=macs&mint={nobody}"),
            "no tokens",
        ),
        (
            400,
            format!("/v1/leaderboards/providers?cursor={}", "0".repeat(174)),
            "cursor",
        ),
        (404, "/v2/status".to_owned(), "/v1/status"),
        (404, "/".to_owned(), "/v1/status"),
    ];
    for (status, path, word) in cases {
        let (found, kind, body) = served.reply(&path).await;
        assert_eq!(
            (found, kind.as_str()),
            (status, "application/problem+json"),
            "{path}: {body}"
        );
        let detail = body["detail"].as_str().unwrap();
        assert!(
            detail.contains(word) && detail.len() < 400,
            "{path}: {detail}"
        );
        assert_eq!(body["status"], status);
    }
    let post = served
        .http
        .post(format!("{}/v1/status", served.indexer.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(post.status().as_u16(), 405);
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(served.reply(path).await.0, 200);
    }
    served.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_at_the_start_is_said() {
    let served = Served::start(1).await;
    let mut config = Config::local("http://127.0.0.1:1", "sqlite:unused");
    config.listen = served.indexer.address();
    let error = Indexer::start(config.clone()).await.err().unwrap();
    assert!(
        matches!(error, IndexerError::Listen { .. })
            && error.to_string().contains("choose another --listen")
    );
    // A node that is not there is waited for: the API answers, and says that it is not ready.
    config.listen = ([127, 0, 0, 1], 0).into();
    config.store = format!("sqlite:{}", served.folder.path().join("other").display());
    let waiting = Indexer::start(config).await.unwrap();
    let ready = reqwest::get(format!("{}/health/ready", waiting.url()))
        .await
        .unwrap();
    assert_eq!(ready.status().as_u16(), 503);
    let status: Value = serde_json::from_str(
        &reqwest::get(format!("{}/v1/status", waiting.url()))
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
    )
    .unwrap();
    assert!(status["as_of_slot"].is_null());
    waiting.stop().await.unwrap();
    served.indexer.stop().await.unwrap();
}
