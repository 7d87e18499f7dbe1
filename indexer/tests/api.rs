//! The HTTP API over a real socket, fed from a recording.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    quern_api::{
        Assurance, AuditCheck, AuditPage, Boards, BoardsRequest, CampaignPage, Category,
        ConvictionReason, DEFAULT_PAGE_ROWS, DemandState, Finality, HealthPage, JobList, JobPage,
        JobRequest, JobState, JobsRequest, Key, MAX_PAGE_ROWS, Metric, Outcome, Problem,
        ProviderPage, PursePage, Ranked, Reply, StatusPage, TotalsPage, Window,
        jobs::JobConviction, problem::MEDIA_TYPE,
    },
    quern_indexer::{
        Config, Indexer, IndexerError,
        api::reference,
        project::program::EntityKind,
        store::{AuditRow, DifferenceRow, Role},
    },
    serde::de::DeserializeOwned,
    std::{collections::BTreeMap, time::Duration},
    support::{History, TRACE, key, recording},
    tempfile::TempDir,
};

struct Served {
    indexer: Indexer,
    history: History,
    folder: TempDir,
    http: reqwest::Client,
}

impl Served {
    async fn start(jobs: u64) -> Self {
        Self::of(History::lived(42, jobs)).await
    }

    async fn of(history: History) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("recording.jsonl");
        std::fs::write(&path, recording(&history.events)).unwrap();
        let mut config = Config::local(
            "http://unused.invalid",
            format!("sqlite:{}", folder.path().join("db").display()),
        );
        config.recording = Some(path);
        let indexer = Indexer::start(config).await.unwrap();
        let slot = history.events.last().unwrap().slot;
        assert!(indexer.wait_for_slot(slot, Duration::from_secs(120)).await);
        Self {
            indexer,
            history,
            folder,
            http: reqwest::Client::new(),
        }
    }

    /// Status, media type and text of a reply.
    async fn reply(&self, path: &str, query: &[(&str, String)]) -> (u16, String, String) {
        let reply = self
            .http
            .get(format!("{}{path}", self.indexer.url()))
            .query(query)
            .send()
            .await
            .unwrap();
        let status = reply.status().as_u16();
        let kind = reply.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(reply.headers().contains_key("x-request-id"));
        (status, kind, reply.text().await.unwrap())
    }

    async fn text(&self, path: &str, query: &[(&str, String)]) -> String {
        let (status, kind, text) = self.reply(path, query).await;
        assert_eq!(
            (status, kind.as_str()),
            (200, "application/json"),
            "{path}: {text}"
        );
        text
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> T {
        let text = self.text(path, query).await;
        let reply: Reply<T> = serde_json::from_str(&text).unwrap();
        let last = self.history.events.last().unwrap().slot;
        assert_eq!(
            (reply.as_of_slot, reply.finality, reply.lag_slots),
            (Some(last), Finality::Finalized, Some(0))
        );
        assert!(reply.whole_history);
        reply.body
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        self.ask(path, &[]).await
    }

    async fn boards(&self, request: &BoardsRequest) -> Boards {
        self.ask(BoardsRequest::PATH, &request.query()).await
    }

    async fn jobs(&self, request: &JobsRequest) -> JobList {
        self.ask(JobsRequest::PATH, &request.query()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_totals_and_purses_agree_with_the_world() {
    let mut served = Served::start(50).await;
    let status: StatusPage = served.get(StatusPage::PATH).await;
    assert_eq!(status.events, served.history.events.len() as u64);
    assert_eq!((status.dead_letters, status.gaps), (0, 0));

    let totals: TotalsPage = served.get(TotalsPage::PATH).await;
    assert_eq!(totals.ledgers.len(), 2);
    let mut sums: BTreeMap<Category, u128> = BTreeMap::new();
    for row in &totals.totals {
        assert_eq!(row.decimals, Some(6));
        *sums.entry(row.category).or_default() += row.atoms;
    }
    let of = |category| sums[&category];
    let refunds = |of_resolved: bool| -> u128 {
        totals
            .totals
            .iter()
            .filter(|row| row.category == Category::Refunds)
            .filter(|row| row.assurance.is_some() == of_resolved)
            .map(|row| row.atoms)
            .sum()
    };
    let prices = of(Category::Settled) + of(Category::Resolved);
    assert_eq!(
        prices,
        of(Category::Earnings) + of(Category::Royalties) + of(Category::Fees) + refunds(true)
    );
    assert_eq!(of(Category::Rewards), of(Category::RewardsClaimed));
    let ledger = totals.ledgers.iter().find(|ledger| ledger.purses != 0);
    let ledger = ledger.unwrap();
    assert!(ledger.equal);
    assert_eq!(
        u128::from(ledger.total_atoms),
        of(Category::Deposited) - of(Category::Withdrawn)
    );
    assert_eq!(of(Category::Escrowed), prices + refunds(false));

    for owner in served.history.providers.clone() {
        let (free, reserved) = served.history.balance(&owner);
        let purse: PursePage = served
            .get(&PursePage::path(History::purse_address(&owner)))
            .await;
        assert_eq!((purse.free_atoms, purse.reserved_atoms), (free, reserved));
    }
    served.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn leaderboards_never_mix_and_page_without_holes() {
    let served = Served::start(60).await;
    for metric in Ranked::Providers.metrics() {
        for window in Window::ALL {
            let request = BoardsRequest {
                metric: Some(*metric),
                window: Some(*window),
                ..BoardsRequest::default()
            };
            let whole = served.boards(&request).await;
            assert_eq!((whole.metric, whole.window), (*metric, *window));
            assert_eq!(whole.window_from.is_none(), *window == Window::All);
            for board in whole.boards {
                assert!(!board.entries.is_empty());
                assert_eq!(board.mint.is_some(), metric.is_money());
                let order = board
                    .entries
                    .iter()
                    .map(|entry| (std::cmp::Reverse(entry.value), entry.provider));
                assert!(order.is_sorted());
                // The same board in pages of two.
                let mut request = BoardsRequest {
                    assurance: Some(board.assurance),
                    mint: board.mint,
                    limit: Some(2),
                    ..request.clone()
                };
                let mut paged = Vec::new();
                loop {
                    let mut page = served.boards(&request).await.boards;
                    let page = page.remove(0);
                    paged.extend(page.entries);
                    let Some(next) = page.next_cursor else { break };
                    request.cursor = Some(next);
                }
                assert_eq!(paged, board.entries);
            }
        }
    }
    served.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_a_leaderboard_agrees_with_the_provider_s_page() {
    let served = Served::start(60).await;
    let whole = served.boards(&BoardsRequest::default()).await;
    assert_eq!((whole.metric, whole.window), (Metric::Earned, Window::All));
    let board = &whole.boards[0];
    assert_eq!(board.assurance, Assurance::Refereed);
    let mut convicted = 0;
    for (rank, entry) in (1..).zip(&board.entries) {
        assert_eq!(entry.rank, rank);
        let page: ProviderPage = served.get(&ProviderPage::path(entry.provider)).await;
        assert_eq!(page.owner, entry.provider);
        assert_eq!(Some(&page.name), entry.name.as_ref());
        assert!(page.name.starts_with("provider "));
        assert!(
            page.endpoint
                .as_ref()
                .unwrap()
                .starts_with("http://provider-")
        );
        assert_eq!(Some(page.counters.convicted), entry.convicted);
        convicted += page.counters.convicted;
        let level = page
            .totals
            .iter()
            .find(|level| level.assurance == Assurance::Refereed)
            .unwrap();
        assert_eq!(
            (&level.earned, &level.rewards, level.milestones, level.work),
            (&entry.earned, &entry.rewards, entry.milestones, entry.work)
        );
        let by_account: ProviderPage = served.get(&ProviderPage::path(page.account)).await;
        assert_eq!(by_account, page);
        let settled: u128 = page.totals.iter().map(|level| level.milestones).sum();
        assert_eq!(settled, u128::from(page.counters.settled));
    }
    assert_eq!(convicted, 1);
    served.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_shows_its_whole_time_line() {
    let served = Served::start(30).await;
    let closed = JobsRequest {
        state: Some(JobState::Closed),
        limit: Some(200),
        ..JobsRequest::default()
    };
    let jobs = served.jobs(&closed).await.jobs;
    // And the one whose provider cheated, and those of the campaigns.
    assert_eq!(jobs.len(), 30 + 1 + 11);
    let mut outcomes = std::collections::BTreeSet::new();
    for job in &jobs {
        let page: JobPage = served.get(&JobPage::path(job.address)).await;
        assert_eq!(page.job, *job);
        assert_eq!((page.job.state, page.complete), (JobState::Closed, true));
        assert_eq!(page.steps[0].event, "JobCreated");
        for (seq, step) in (1..).zip(&page.steps) {
            assert_eq!(step.seq, seq);
        }
        let escrow = page.job.price_atoms * u64::from(page.job.milestones);
        assert_eq!(page.steps[0].fields["escrow_atoms"], escrow.to_string());
        let convicted = page.outcome == Some(Outcome::Convicted);
        assert_eq!(page.job.conviction.is_some(), convicted);
        assert_eq!(page.demands.len(), if convicted { 2 } else { 0 });
        outcomes.insert(page.outcome.unwrap());
    }
    assert!(
        outcomes.contains(&Outcome::Settled) && outcomes.len() > 1,
        "{outcomes:?}"
    );
    let mut paged = 0;
    let mut request = JobsRequest {
        limit: Some(7),
        ..JobsRequest::default()
    };
    loop {
        let page = served.jobs(&request).await;
        paged += page.jobs.len();
        let Some(next) = page.next_cursor else { break };
        request.cursor = Some(next);
    }
    assert_eq!(paged, jobs.len());
    let open = JobsRequest {
        state: Some(JobState::Open),
        ..JobsRequest::default()
    };
    assert_eq!(served.jobs(&open).await.jobs, []);
    served.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_convicted_job_shows_why_and_every_demand() {
    let mut served = Served::start(4).await;
    let (job, watcher) = (support::address(70, 5), key(&support::address(90, 1)));
    let demand = |tree: u16| key(&support::address(91, 5 << 16 | u64::from(tree)));
    let demands = [demand(TRACE), demand(1)];
    let page: JobPage = served.get(&JobPage::path(job)).await;
    assert_eq!(
        (page.job.state, page.outcome, page.complete),
        (JobState::Closed, Some(Outcome::Convicted), true)
    );
    assert_eq!(
        page.job.conviction,
        Some(JobConviction {
            reason: ConvictionReason::WrongCell,
            prover: watcher
        })
    );
    let names: Vec<_> = page.steps.iter().map(|step| step.event.as_str()).collect();
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
    let fields = |step: usize| &page.steps[step].fields;
    assert_eq!(fields(3)["node"], "ff".repeat(32));
    assert_eq!(fields(5)["answer"], "ab".repeat(64));
    assert_eq!(fields(6)["prover"], watcher.to_string());
    let conviction = &fields(6)["conviction"];
    assert_eq!(
        (
            &conviction["reason"],
            &conviction["row"],
            &conviction["column"],
            &conviction["at"]
        ),
        (&"wrong_cell".into(), &3.into(), &4.into(), &5.into())
    );
    assert_eq!(fields(7)["prover_atoms"], "800");

    assert_eq!(page.demands.len(), 2);
    for (demand, (address, tree, state)) in page.demands.iter().zip([
        (demands[1], 1, DemandState::Waiting),
        (demands[0], TRACE, DemandState::Closed),
    ]) {
        assert_eq!(demand.address, address);
        assert_eq!((demand.tree, demand.level, demand.index), (tree, 0, 0));
        assert_eq!((demand.state, demand.complete), (state, true));
        assert_eq!(demand.answered_at.is_none(), tree == 1);
        assert_eq!((demand.opener, demand.submission), (watcher, 1));
        assert_eq!(demand.fee_lamports, 10_000);
    }

    // The conviction counts once its bond is split.
    let provider = served.history.providers[0];
    let page: ProviderPage = served.get(&ProviderPage::path(provider)).await;
    assert_eq!(page.counters.convicted, 1);
    let (free, reserved) = served.history.balance(&support::address(90, 1));
    assert_eq!((free, reserved), (800, 0));
    served.indexer.stop().await.unwrap();
}

/// The lengths of all lists in a reply.
fn lengths(value: &serde_json::Value, found: &mut Vec<usize>) {
    match value {
        serde_json::Value::Array(items) => {
            found.push(items.len());
            items.iter().for_each(|item| lengths(item, found));
        }
        serde_json::Value::Object(fields) => {
            fields.values().for_each(|field| lengths(field, found));
        }
        _ => {}
    }
}

/// Strangers create jobs, demands, submissions and providers; no reply grows with them.
#[tokio::test(flavor = "multi_thread")]
async fn every_list_of_every_page_is_bounded_and_goes_on() {
    const MANY: usize = MAX_PAGE_ROWS as usize + 20;
    let mut history = History::lived(42, 3);
    history.crowd_of_providers(MANY as u64);
    for n in 0..MANY as u64 {
        history.job(1 + (n % 2) as u8);
    }
    let job = history.long_job(MANY as u64, MANY as u32);
    let served = Served::of(history).await;
    let provider = served.history.providers[0];
    let mut longest = 0;
    for route in reference::routes() {
        let path = route.path;
        let is_json = route.types.iter().any(|kind| kind == "application/json");
        if !path.starts_with("/v1/") || !is_json {
            continue;
        }
        let address = match path.split('/').nth(2).unwrap() {
            "jobs" => job,
            "purses" => History::purse_address(&provider),
            "clients" => served.history.clients[0],
            "campaigns" => served.history.first_campaign(),
            // There is no model, and no milestone of this job was paid.
            "models" if path.contains('{') => continue,
            "explain" => continue,
            _ => provider,
        };
        let paged = route.params.iter().any(|[name, ..]| name == "limit");
        let campaign = key(&served.history.first_campaign());
        let joined = served.history.joined_ever(&campaign)[0];
        let path = path.replace("{address}", &address.to_string());
        let path = path.replace("{provider}", &joined.to_string());
        for limit in [None, Some(MAX_PAGE_ROWS)] {
            let query: Vec<_> = limit
                .filter(|_| paged)
                .map(|limit| ("limit", limit.to_string()))
                .into_iter()
                .collect();
            let text = served.text(&path, &query).await;
            let mut found = Vec::new();
            lengths(&serde_json::from_str(&text).unwrap(), &mut found);
            let most = match paged && limit.is_none() {
                true => DEFAULT_PAGE_ROWS,
                false => MAX_PAGE_ROWS,
            };
            let here = found.into_iter().max().unwrap_or_default();
            assert!(here <= most as usize, "{path}: {here}");
            longest = longest.max(here);
        }
    }
    // The lists that would be longer are cut exactly there.
    assert_eq!(longest, MAX_PAGE_ROWS as usize);

    nothing_is_left_out_between_pages(&served, job, MANY).await;
    served.indexer.stop().await.unwrap();
}

async fn nothing_is_left_out_between_pages(
    served: &Served,
    job: quern_client::Pubkey,
    many: usize,
) {
    let mut request = JobRequest {
        limit: Some(90),
        ..JobRequest::default()
    };
    let (mut steps, mut submissions, mut demands) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let page: JobPage = served.ask(&JobPage::path(job), &request.query()).await;
        assert_eq!(page.outcome, None);
        steps.extend(page.steps.iter().map(|step| step.seq));
        let Some(next) = page.next_steps_cursor else {
            break;
        };
        request.steps_cursor = Some(next);
    }
    assert_eq!(steps, (1..=1 + 2 * many as u64).collect::<Vec<_>>());
    loop {
        let page: JobPage = served.ask(&JobPage::path(job), &request.query()).await;
        submissions.extend(page.submissions.iter().map(|one| one.submission));
        demands.extend(page.demands.iter().map(|demand| demand.address));
        let (Some(submission), Some(demand)) =
            (page.next_submissions_cursor, page.next_demands_cursor)
        else {
            break;
        };
        request.submissions_cursor = Some(submission);
        request.demands_cursor = Some(demand);
    }
    assert_eq!(submissions, (1..=many as u32).collect::<Vec<_>>());
    assert!(demands.is_sorted() && demands.len() == many, "{demands:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_lists_what_was_submitted() {
    let mut history = History::new(3);
    let job = history.long_job(1, 2);
    let served = Served::of(history).await;
    let page: JobPage = served.get(&JobPage::path(job)).await;
    assert_eq!(page.job.input_uri.as_deref(), Some("file:///long"));
    let told: Vec<_> = page
        .submissions
        .iter()
        .map(|submitted| (submitted.submission, submitted.output_uri.as_str()))
        .collect();
    assert_eq!(told, [(1, "file:///output-1"), (2, "file:///output-2")]);
    assert_eq!(page.submissions[1].trace_root, "02".repeat(32));
    let tokens: Vec<_> = page
        .submissions
        .iter()
        .map(|one| one.tokens_root.clone())
        .collect();
    assert_eq!(tokens, [None, Some("01".repeat(32))]);
    assert_eq!(page.steps[2].fields["tokens_root"], "01".repeat(32));
    assert_eq!(
        page.submissions[1].provider,
        key(&served.history.providers[0])
    );
    served.indexer.stop().await.unwrap();
}

/// What a terminal would obey stands in the JSON as an escape, and is the same text for readers.
#[tokio::test(flavor = "multi_thread")]
async fn texts_of_strangers_hide_nothing_in_the_json() {
    let mut history = History::new(3);
    history.crowd_of_providers(1);
    let served = Served::of(history).await;
    let provider = served.history.providers.last().unwrap();
    let text = served.text(&ProviderPage::path(provider), &[]).await;
    assert!(text.contains("ab\\u202ecd\\u001b[2J"), "{text}");
    let page: ProviderPage = served.get(&ProviderPage::path(provider)).await;
    assert_eq!(page.name, support::HIDING_NAME);
    let (_, _, problem) = served.reply("/v1/jobs/%E2%80%AEabc", &[]).await;
    assert!(problem.contains("\\u202eabc"), "{problem}");
    // A letter of Hangul without a shape.
    let (_, _, problem) = served.reply("/v1/jobs/%E3%85%A4abc", &[]).await;
    assert!(problem.contains("\\u3164abc"), "{problem}");
    served.indexer.stop().await.unwrap();
}

/// What an audit keeps that found a purse with other atoms.
fn audited(purse: &Key) -> AuditRow {
    AuditRow {
        slot: 1_050,
        at: 1_900_000_900,
        figures: 279,
        unsettled: 0,
        found: 1,
        differences: vec![DifferenceRow {
            check: AuditCheck::Accounts,
            kind: EntityKind::Purse as u8,
            address: *purse,
            figure: "free_atoms".to_owned(),
            expected: "266791".to_owned(),
            found: "266790".to_owned(),
        }],
        error: None,
    }
}

/// The JSON itself is a contract with readers that do not use our types.
#[tokio::test(flavor = "multi_thread")]
async fn the_json_of_every_page_stays_as_it_is() {
    let served = Served::start(4).await;
    let history = &served.history;
    let provider = history.providers[0];
    let audit = audited(&key(&History::purse_address(&provider)));
    served.indexer.store().put_audit(&audit).await.unwrap();
    let pages = [
        ("status", StatusPage::PATH.to_owned()),
        (
            "leaderboards",
            format!("{}?window=7d&limit=1", BoardsRequest::PATH),
        ),
        ("provider", ProviderPage::path(provider)),
        ("jobs", format!("{}?limit=1", JobsRequest::PATH)),
        ("job", JobPage::path(support::address(70, 5))),
        ("purse", PursePage::path(History::purse_address(&provider))),
        (
            "campaign",
            format!("{}?limit=1", CampaignPage::path(history.first_campaign())),
        ),
        ("totals", TotalsPage::PATH.to_owned()),
        ("audit", AuditPage::PATH.to_owned()),
        ("health", HealthPage::READY.to_owned()),
    ];
    let pretty = |text: &str| {
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        serde_json::to_string_pretty(&json).unwrap()
    };
    for (name, path) in pages {
        let pretty = pretty(&served.text(&path, &[]).await);
        insta::assert_snapshot!(name, pretty);
    }
    let limit = [("limit", "201".to_owned())];
    let pretty = pretty(&served.reply(JobsRequest::PATH, &limit).await.2);
    insta::assert_snapshot!("problem", pretty);
    served.indexer.stop().await.unwrap();
}

/// The page about this API names the parameters that each route takes, and no others.
#[tokio::test(flavor = "multi_thread")]
async fn the_reference_names_what_each_route_takes() {
    let served = Served::start(1).await;
    for route in reference::routes() {
        let path = route.path.replace("{address}", &Key([250; 32]).to_string());
        if !path.starts_with("/v1/") {
            assert_eq!(served.reply(&path, &[]).await.0, 200, "{path}");
            continue;
        }
        let unknown = [("nonsense", "1".to_owned())];
        let (status, _, text) = served.reply(&path, &unknown).await;
        let problem: Problem = serde_json::from_str(&text).unwrap();
        let names: Vec<&str> = route
            .params
            .iter()
            .map(|[name, ..]| name.as_str())
            .collect();
        let known = match names.as_slice() {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        let detail = &problem.detail;
        assert_eq!(status, 400, "{path}: {detail}");
        assert!(
            detail.ends_with(&format!("known are: {known}")),
            "{path}: {detail}"
        );
    }
    served.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
async fn bad_input_gets_one_clear_sentence() {
    let served = Served::start(3).await;
    let nobody = Key([250; 32]).to_string();
    let cases = [
        (400, "/v1/providers/not-an-address".to_owned(), "base58"),
        (
            400,
            format!("/v1/providers/{}", "1".repeat(3_000)),
            "base58",
        ),
        (400, "/v1/providers/%ff%fe".to_owned(), "UTF-8"),
        (404, format!("/v1/providers/{nobody}"), "provider"),
        (
            414,
            format!("/v1/providers/{}", "1".repeat(5_000)),
            "4096 bytes",
        ),
        (400, "/v1/jobs/0".to_owned(), "base58"),
        (400, "/v1/models/0".to_owned(), "base58"),
        (404, format!("/v1/models/{nobody}"), "model"),
        (404, format!("/v1/clients/{nobody}"), "no finalized purse"),
        (404, format!("/v1/explain/{nobody}:3"), "milestone 3"),
        (400, format!("/v1/explain/{nobody}:300"), "0 to 255"),
        (400, "/v1/events?after=x".to_owned(), "cursor"),
        (400, "/v1/stream?after=x".to_owned(), "cursor"),
        (
            400,
            format!("/v1/jobs?client={nobody}&model={nobody}"),
            "one party",
        ),
        (
            400,
            format!("/v1/jobs?client={nobody}&cursor=1.2"),
            "cursor",
        ),
        (
            400,
            "/v1/providers?active=maybe".to_owned(),
            "true or false",
        ),
        (
            400,
            format!("/v1/models?search={}", "x".repeat(33)),
            "32 characters",
        ),
        (400, "/v1/feeds/fees?from=5&to=4".to_owned(), "from"),
        (
            400,
            "/v1/feeds/network?from=-9223372036854775808".to_owned(),
            "92 days",
        ),
        (400, format!("/v1/ledgers/{nobody}?from=2&to=1"), "from"),
        (404, format!("/v1/jobs/{nobody}"), "job"),
        (404, format!("/v1/purses/{nobody}"), "purse"),
        (400, "/v1/jobs?state=flying".to_owned(), "open, taken"),
        (400, "/v1/jobs?limit=0".to_owned(), "1 to 200"),
        (400, "/v1/jobs?limit=201".to_owned(), "1 to 200"),
        (400, "/v1/jobs?limit=1&limit=2".to_owned(), "twice"),
        (400, "/v1/jobs?cursor=zz".to_owned(), "next_cursor"),
        (400, "/v1/jobs?offset=3".to_owned(), "unknown"),
        (400, "/v1/status?x=1".to_owned(), "unknown"),
        (400, "/v1/totals?mint=abc".to_owned(), "base58"),
        (
            400,
            format!("/v1/jobs/{nobody}?steps_cursor=00"),
            "next_steps_cursor",
        ),
        (
            400,
            "/v1/leaderboards/providers?metric=fame".to_owned(),
            "earned, work",
        ),
        (
            400,
            "/v1/leaderboards/providers?window=1y".to_owned(),
            "24h",
        ),
        (
            400,
            "/v1/leaderboards/providers?assurance=both".to_owned(),
            "refereed, reviewed",
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
            format!("/v1/leaderboards/providers?metric=work&mint={nobody}"),
            "no tokens",
        ),
        (
            400,
            format!("/v1/leaderboards/providers?cursor={}", "0".repeat(174)),
            "cursor",
        ),
        (404, "/v2/status".to_owned(), "/openapi.json"),
        (404, "/nowhere".to_owned(), "/openapi.json"),
    ];
    for (status, path, word) in cases {
        let (found, kind, body) = served.reply(&path, &[]).await;
        assert_eq!(
            (found, kind.as_str()),
            (status, MEDIA_TYPE),
            "{path}: {body}"
        );
        let problem: Problem = serde_json::from_str(&body).unwrap();
        let detail = &problem.detail;
        assert!(
            detail.contains(word) && detail.len() < 400,
            "{path}: {detail}"
        );
        assert_eq!(problem.status, status);
    }
    let post = served
        .http
        .post(format!("{}/v1/status", served.indexer.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(post.status().as_u16(), 405);
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(served.reply(path, &[]).await.0, 200);
    }
    served.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_at_the_start_is_said() {
    let served = Served::start(1).await;
    let store = |name| format!("sqlite:{}", served.folder.path().join(name).display());
    let mut config = Config::local("http://127.0.0.1:1", store("one"));
    config.listen = served.indexer.address();
    let error = Indexer::start(config.clone()).await.err().unwrap();
    assert!(
        matches!(error, IndexerError::Listen { .. })
            && error.to_string().contains("choose another --listen")
    );
    config.listen = ([127, 0, 0, 1], 0).into();
    // Nor is a store shown under another program's name.
    let of_another = Config {
        program_id: Key([7; 32]),
        role: Role::Replica,
        store: store("db"),
        ..config.clone()
    };
    let error = Indexer::start(of_another).await.err().unwrap();
    assert!(matches!(error, IndexerError::WrongStore { .. }), "{error}");
    // Nobody shall believe that a stream is listened to which is not.
    let beside = |set: fn(&mut Config, Option<String>)| {
        let mut config = config.clone();
        config.recording = Some(served.folder.path().join("recording"));
        set(&mut config, Some("ws://127.0.0.1:1".to_owned()));
        config
    };
    let unused: [fn(&mut Config, Option<String>); 3] = [
        |config, text| config.ws_url = text,
        |config, text| config.yellowstone_url = text,
        |config, text| config.yellowstone_token = text,
    ];
    for config in unused.map(beside) {
        let error = Indexer::start(config).await.err().unwrap();
        assert!(matches!(error, IndexerError::BesideRecording(_)), "{error}");
    }
    // A node that is not there is waited for: the API answers, and says that it is not ready.
    config.store = store("other");
    let waiting = Indexer::start(config).await.unwrap();
    let ready = reqwest::get(format!("{}/health/ready", waiting.url()))
        .await
        .unwrap();
    assert_eq!(ready.status().as_u16(), 503);
    let status: Reply<StatusPage> = serde_json::from_str(
        &reqwest::get(format!("{}/v1/status", waiting.url()))
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
    )
    .unwrap();
    assert!(status.as_of_slot.is_none());
    waiting.stop().await.unwrap();
    served.indexer.stop().await.unwrap();
}
