//! What people take from the API into their own tools: tables, ledgers, explanations, series, and the largest amounts.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    quern_client::{
        Pubkey,
        quern::{
            events::{MilestoneSettled, QuernEvent},
            state::{EntityKind, Job, JobState},
        },
    },
    serde_json::{Value, json},
    std::collections::{BTreeMap, BTreeSet},
    support::{History, address, served::Asked},
};

fn lines(text: &str) -> Vec<Vec<String>> {
    let lines = text.split_terminator("\r\n");
    lines
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_explained_by_the_program_s_rules() {
    let mut history = History::lived(3, 4);
    let job = history.paid_by_rules();
    let asked = Asked::of(history).await;
    let page = asked.json(&format!("/v1/explain/{job}:0")).await;
    let steps: Vec<(&str, &str, &str)> = page["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            let atoms = |field: &str| step[field]["atoms"].as_str().unwrap();
            (
                step["what"].as_str().unwrap(),
                atoms("computed"),
                atoms("paid"),
            )
        })
        .collect();
    assert_eq!(
        steps,
        [
            ("fee", "3000", "3000"),
            ("royalty", "5000", "5000"),
            ("provider", "92003", "92003"),
            ("reward", "1500", "1500"),
        ]
    );
    assert_eq!(page["equal"], true);
    let events: Vec<&str> = page["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    let expected = [
        "JobCreated",
        "JobTaken",
        "ResultSubmitted",
        "MilestoneSettled",
    ];
    assert_eq!(events, expected);
    assert!(page["why"].as_str().unwrap().contains("nobody proved"));
    assert_eq!(asked.get(&format!("/v1/explain/{job}:1")).await.status, 404);
    asked.indexer.stop().await.unwrap();
}

/// However many steps lie between, the creation and the latest ones are named.
#[tokio::test(flavor = "multi_thread")]
async fn a_payment_behind_many_steps_is_explained_too() {
    let mut history = History::lived(3, 2);
    let job = history.job_of_milestones(1, 210);
    let asked = Asked::of(history).await;
    for milestone in [0, 100, 209] {
        let page = asked.json(&format!("/v1/explain/{job}:{milestone}")).await;
        let events: Vec<&Value> = page["events"].as_array().unwrap().iter().collect();
        let last = events.last().unwrap();
        assert_eq!(events[0]["event"], "JobCreated");
        assert_eq!(last["event"], "MilestoneSettled");
        assert_eq!(page["milestone"], milestone);
        let wanted = if milestone == 0 { 4 } else { 51 };
        assert_eq!(events.len(), wanted, "{milestone}");
        let ids: BTreeSet<&str> = events
            .iter()
            .map(|one| one["signature"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), wanted);
    }
    asked.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_breaks_the_rules_is_said_to_differ() {
    let mut history = History::lived(3, 2);
    let job = history.paid_by_rules();
    if let QuernEvent::MilestoneSettled(paid) = &mut history.events.last_mut().unwrap().body {
        paid.fee_atoms += 1;
        paid.provider_atoms -= 1;
    }
    let asked = Asked::of(history).await;
    let page = asked.json(&format!("/v1/explain/{job}")).await;
    assert_eq!(page["equal"], false);
    asked.indexer.stop().await.unwrap();
}

/// In and out of a ledger are what the purse gained, as far as nothing is reserved.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_adds_up_to_the_purse() {
    let mut history = History::lived(11, 40);
    history.paid_by_rules();
    let mut asked = Asked::of(history).await;
    for owner in asked.history.providers.clone() {
        let path = format!("/v1/providers/{owner}/ledger.csv");
        let answered = asked.get(&path).await;
        assert_eq!((answered.status, answered.kind()), (200, "text/csv"));
        let lines = lines(&answered.text);
        assert_eq!(lines[0][0], "utc");
        assert!(lines[1..].iter().map(|line| &line[0]).is_sorted());
        let mint = asked.history.mints[0].to_string();
        let mut sum = 0_i128;
        for line in lines[1..].iter().filter(|line| line[5] == mint) {
            let atoms: i128 = line[4].parse().unwrap();
            sum += if line[2] == "in" { atoms } else { -atoms };
            assert!(line[0].ends_with('Z') && line[3].contains('.'), "{line:?}");
        }
        let (free, reserved) = asked.history.balance(&owner);
        assert_eq!(sum, i128::from(free) + i128::from(reserved), "{owner}");

        // The same in pages of JSON.
        let (mut paged, mut cursor) = (0, String::new());
        loop {
            let page = asked
                .json(&format!("/v1/ledgers/{owner}?limit=3{cursor}"))
                .await;
            paged += page["entries"].as_array().unwrap().len();
            let Some(next) = page["next_cursor"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(paged, lines.len() - 1);
    }
    asked.indexer.stop().await.unwrap();
}

/// What the events alone say of a client: jobs created and ended, atoms locked, paid and given back.
#[derive(Debug, Default, PartialEq, Eq)]
struct OfClient {
    created: u64,
    ended: u64,
    escrowed: u64,
    paid: u64,
    refunded: u64,
    states: BTreeMap<&'static str, u64>,
}

/// By client, and what all live jobs have in escrow.
fn clients_of(history: &History) -> (BTreeMap<Pubkey, OfClient>, u64) {
    let mut clients = BTreeMap::<Pubkey, OfClient>::new();
    let mut jobs = BTreeMap::new();
    for event in &history.events {
        match &event.body {
            QuernEvent::JobCreated(event) => {
                let client = clients.entry(event.client).or_default();
                client.created += 1;
                client.escrowed += event.escrow_atoms;
            }
            QuernEvent::MilestoneSettled(event) => {
                clients.entry(event.client).or_default().paid += event.price_atoms;
            }
            QuernEvent::JobResolved(event) => {
                let client = clients.entry(event.client).or_default();
                client.paid += event.price_atoms - event.client_atoms;
                client.refunded += event.client_atoms + event.released_atoms;
            }
            QuernEvent::JobCancelled(event) => {
                clients.entry(event.client).or_default().refunded += event.released_atoms;
            }
            QuernEvent::JobExpired(event) => {
                clients.entry(event.client).or_default().refunded += event.released_atoms;
            }
            QuernEvent::ConvictionSettled(event) => {
                clients.entry(event.client).or_default().refunded += event.released_atoms;
            }
            _ => {}
        }
        let changes = event.body.changes().iter();
        for change in changes.filter(|change| change.kind == EntityKind::Job as u8) {
            jobs.insert(change.address, change.after.clone());
        }
    }
    let mut escrows = 0;
    let live = jobs.into_values().filter(|after| !after.is_empty());
    for job in live.map(|after| bytemuck::pod_read_unaligned::<Job>(&after)) {
        let client = clients.get_mut(&job.client).unwrap();
        escrows += job.price_atoms.get() * u64::from(job.milestones_left());
        let state = match job.state() {
            JobState::Open => "open",
            JobState::Taken => "taken",
            JobState::Submitted => "submitted",
            JobState::Rejected => "rejected",
            JobState::Convicted => "convicted",
        };
        *client.states.entry(state).or_default() += 1;
    }
    for client in clients.values_mut() {
        client.ended = client.created - client.states.values().sum::<u64>();
    }
    (clients, escrows)
}

impl OfClient {
    fn read(item: &Value) -> Self {
        let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
        let atoms = |field: &str| -> u64 {
            let amounts = item[field].as_array().unwrap().iter();
            amounts.map(|amount| number(&amount["atoms"])).sum()
        };
        let jobs = &item["jobs"];
        assert_eq!(jobs["older"], "0", "{item}");
        let states = ["open", "taken", "submitted", "rejected", "convicted"];
        let states = states.map(|state| (state, jobs[state].as_u64().unwrap()));
        let found = Self {
            created: number(&jobs["created"]),
            ended: number(&jobs["ended"]),
            escrowed: atoms("escrowed"),
            paid: atoms("paid"),
            refunded: atoms("refunded"),
            states: states.into_iter().filter(|(_, count)| *count > 0).collect(),
        };
        let left = found.escrowed - found.paid - found.refunded;
        assert_eq!(atoms("locked"), left, "{item}");
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_listed_with_what_they_locked_paid_and_got_back() {
    let mut history = History::lived(17, 60);
    history.open_job();
    let (expected, escrows) = clients_of(&history);
    assert!(expected.len() > 1, "{expected:?}");
    assert!(expected.values().any(|client| client.refunded > 0));
    assert!(expected.values().any(|client| !client.states.is_empty()));
    let asked = Asked::of(history).await;

    let (mut found, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let page = asked.json(&format!("/v1/clients?limit=1{cursor}")).await;
        for item in page["clients"].as_array().unwrap() {
            let client: Pubkey = item["client"].as_str().unwrap().parse().unwrap();
            assert!(found.insert(client, OfClient::read(item)).is_none());
            // Its own page says the same.
            let alone = asked.json(&format!("/v1/clients/{client}")).await;
            for field in ["jobs", "escrowed", "paid", "refunded", "locked"] {
                assert_eq!(alone[field], item[field], "{field}");
            }
        }
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, expected);
    // What is locked still is what live jobs hold.
    let left = |client: &OfClient| client.escrowed - client.paid - client.refunded;
    assert_eq!(found.values().map(left).sum::<u64>(), escrows);

    let listed = async |query: &str| -> BTreeSet<Pubkey> {
        let page = asked.json(&format!("/v1/clients?{query}")).await;
        let clients = page["clients"].as_array().unwrap().iter();
        clients
            .map(|item| item["client"].as_str().unwrap().parse().unwrap())
            .collect()
    };
    let of = |wanted: &dyn Fn(&OfClient) -> bool| -> BTreeSet<Pubkey> {
        let clients = expected.iter();
        clients
            .filter(|(_, client)| wanted(client))
            .map(|(address, _)| *address)
            .collect()
    };
    let is_live = |client: &OfClient| client.created > client.ended;
    assert_eq!(listed("live=true").await, of(&is_live));
    assert_eq!(listed("live=false").await, of(&|client| !is_live(client)));
    let one = expected.keys().next().unwrap();
    let part = one.to_string()[4..20].to_uppercase();
    assert_eq!(listed(&format!("search={part}")).await, [*one].into());
    let mint = asked.history.mints[0];
    assert_eq!(listed(&format!("mint={mint}")).await, of(&|_| true));
    let nobody = asked.history.providers[0];
    assert_eq!(listed(&format!("mint={nobody}")).await, BTreeSet::new());
    let refused = asked
        .get(&format!("/v1/clients?search={}", "1".repeat(45)))
        .await;
    assert_eq!(refused.status, 400);
    asked.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_is_a_table_too_and_links_to_its_next_page() {
    let mut history = History::lived(5, 12);
    history.crowd_of_providers(30);
    let asked = Asked::of(history).await;
    for path in [
        "/v1/jobs",
        "/v1/providers",
        "/v1/events",
        "/v1/mints",
        "/v1/leaderboards/clients",
        "/v1/clients",
    ] {
        let csv = [("accept", "text/csv")];
        let whole = asked.get_with(path, &csv).await;
        assert_eq!((whole.status, whole.kind()), (200, "text/csv"), "{path}");
        let rows = lines(&whole.text);
        assert!(rows.len() > 2, "{path}: {}", whole.text);
        assert!(asked.json(path).await.is_object());
    }
    // Links lead through all of it.
    let (mut path, mut found) = ("/v1/providers?limit=7".to_owned(), BTreeSet::new());
    loop {
        let page = asked.get_with(&path, &[("accept", "text/csv")]).await;
        found.extend(lines(&page.text)[1..].iter().map(|row| row[0].clone()));
        let link = page.header("link");
        let Some(next) = link.strip_suffix(">; rel=\"next\"") else {
            break;
        };
        path = next.trim_start_matches('<').to_owned();
    }
    assert_eq!(found.len(), 35);
    // A stranger's name stands in the table without what a terminal would obey.
    let page = asked
        .get_with("/v1/providers?search=cd", &[("accept", "text/csv")])
        .await;
    assert!(page.text.contains(",abcd[2J,"), "{}", page.text);
    asked.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_still_the_same_is_not_sent_again() {
    let asked = Asked::of(History::lived(5, 4)).await;
    for path in [
        "/v1/jobs",
        "/v1/leaderboards/providers?window=7d",
        "/v1/mints",
    ] {
        let first = asked.get(path).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with("W/\""), "{tag}");
        let again = asked.get_with(path, &[("if-none-match", &tag)]).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""));
        assert_eq!(again.header("etag"), tag);
        let other = asked
            .get_with(path, &[("if-none-match", "W/\"0-0\"")])
            .await;
        assert_eq!((other.status, other.text), (200, first.text));
    }
    // What the node says may change though the store does not.
    let status = asked.get("/v1/status").await;
    let tag = status.header("etag").to_owned();
    let again = asked
        .get_with("/v1/status", &[("if-none-match", &tag)])
        .await;
    assert_eq!(again.status, 200);
    asked.indexer.stop().await.unwrap();
}

fn sum(points: &Value) -> u128 {
    let points = points.as_array().unwrap().iter();
    points
        .map(|point| point["value"].as_str().unwrap().parse::<u128>().unwrap())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn series_and_feeds_add_up_to_the_totals() {
    let mut history = History::lived(8, 40);
    history.paid_by_rules();
    let first = history.events[0].body.at();
    let asked = Asked::of(history).await;
    let totals = asked.json("/v1/totals").await;
    let total = |category: &str| -> u128 {
        let rows = totals["totals"].as_array().unwrap().iter();
        let rows = rows.filter(|row| row["category"] == category);
        rows.map(|row| row["atoms"].as_str().unwrap().parse::<u128>().unwrap())
            .sum()
    };
    let fees = asked.json(&format!("/v1/feeds/fees?from={first}")).await;
    let of = |field: &str| {
        fees["mints"][0][field]
            .as_str()
            .unwrap()
            .parse::<u128>()
            .unwrap()
    };
    assert_eq!(of("protocol_atoms"), total("fees"));
    assert_eq!(of("royalty_atoms"), total("royalties"));
    assert_eq!(of("provider_atoms"), total("earnings"));
    assert_eq!(
        of("paid_atoms"),
        of("protocol_atoms") + of("royalty_atoms") + of("provider_atoms")
    );
    for bucket in ["hour", "day"] {
        let path = format!("/v1/feeds/network?bucket={bucket}&from={first}");
        let network = asked.json(&path).await;
        let series = network["series"].as_array().unwrap().iter();
        let fees: u128 = series
            .filter(|one| one["metric"] == "fees")
            .map(|one| sum(&one["points"]))
            .sum();
        assert_eq!(fees, total("fees"), "{bucket}");
    }
    let provider = asked.history.providers[0];
    let page = asked.json(&format!("/v1/providers/{provider}")).await;
    let path = format!("/v1/providers/{provider}/earnings?bucket=hour&from={first}");
    let series = asked.json(&path).await;
    let earned = series["series"].as_array().unwrap().iter();
    let earned = earned.filter(|one| one["metric"] == "earned" && one["assurance"] == "refereed");
    let earned: u128 = earned.map(|one| sum(&one["points"])).sum();
    let level = page["totals"].as_array().unwrap().iter();
    let level = level
        .clone()
        .find(|one| one["assurance"] == "refereed")
        .unwrap();
    assert_eq!(level["earned"][0]["atoms"], earned.to_string());
    asked.indexer.stop().await.unwrap();
}

/// The same payment in this many further mints, at both levels.
fn paid_in_many_mints(history: &mut History, mints: u64) -> BTreeSet<String> {
    history.paid_by_rules();
    let QuernEvent::MilestoneSettled(paid) = history.events.last().unwrap().body.clone() else {
        panic!("it ends with a payment");
    };
    let mints = (0..mints).map(|n| address(11, n));
    let mints: Vec<Pubkey> = mints.collect();
    for (mint, assurance) in mints.iter().flat_map(|mint| [(*mint, 1), (*mint, 2)]) {
        history.tell(QuernEvent::MilestoneSettled(MilestoneSettled {
            at: history.at,
            mint,
            assurance,
            changes: Vec::new(),
            ..paid.clone()
        }));
    }
    mints.iter().map(ToString::to_string).collect()
}

/// Amounts of many mints are too much for one reply; a page shows the rest, and says what to ask.
#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_without_what_is_too_much_for_one_reply() {
    let mut history = History::lived(3, 4);
    for n in 0..20 {
        history.register_mint(&address(11, n));
    }
    let asked = Asked::of(history).await;
    for (path, shown) in [("/", "Latest jobs"), ("/network", "Stored up to slot")] {
        let page = asked.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        assert!(page.text.contains(shown), "{path}");
        assert!(
            page.text.contains("22 mints are registered: say mint="),
            "{path}: {}",
            page.text
        );
    }
    asked.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_series_and_no_amount_is_left_out_however_many_mints_there_are() {
    const MINTS: u64 = 40;
    const LONG_SECS: i64 = 91 * 86_400;
    let mut history = History::new(8);
    let first = history.at;
    let mints = paid_in_many_mints(&mut history, MINTS);
    let asked = Asked::of(history).await;
    let fees = asked.json(&format!("/v1/feeds/fees?from={first}")).await;
    let items = fees["mints"].as_array().unwrap().iter();
    let items = items.filter(|item| mints.contains(item["mint"].as_str().unwrap()));
    let items: Vec<&Value> = items.collect();
    assert_eq!(items.len(), mints.len());
    for item in items {
        for (field, atoms) in [
            ("paid_atoms", 2 * 100_003),
            ("protocol_atoms", 2 * 3_000),
            ("royalty_atoms", 2 * 5_000),
            ("provider_atoms", 2 * 92_003),
        ] {
            assert_eq!(item[field], atoms.to_string(), "{field}: {item}");
        }
    }

    let series = async |path: &str| -> BTreeMap<(String, String, String), u128> {
        let page = asked.json(path).await;
        let series = page["series"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let series = series.map(|one| {
            let of = ["metric", "mint", "assurance"].map(|field| text(&one[field]));
            (of.into(), sum(&one["points"]))
        });
        series.collect()
    };
    let all = series("/v1/feeds/network").await;
    for mint in &mints {
        for level in ["refereed", "reviewed"] {
            for (metric, atoms) in [("fees", 3_000), ("royalties", 5_000), ("spend", 100_003)] {
                let of = [metric, mint, level].map(str::to_owned).into();
                assert_eq!(all.get(&of), Some(&atoms), "{of:?}");
            }
        }
    }
    // A part is the same as in the whole.
    let of_metric = series("/v1/feeds/network?metric=fees").await;
    let expected = all.iter().filter(|((metric, ..), _)| metric == "fees");
    assert!(of_metric.iter().eq(expected));
    let mint = mints.first().unwrap();
    let of_mint = series(&format!("/v1/feeds/network?mint={mint}")).await;
    let expected = all.iter().filter(|((_, of, _), _)| of == mint);
    assert!(of_mint.iter().eq(expected) && of_mint.len() == 8);

    // Too much for one reply is refused, with what to say.
    let from = asked.history.at - LONG_SECS;
    let long = format!("/v1/feeds/network?bucket=hour&from={from}");
    let refused = asked.get(&long).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    for part in ["mint=", "metric="] {
        assert!(refused.text.contains(part), "{}", refused.text);
    }
    let narrowed = series(&format!("{long}&mint={mint}&metric=fees")).await;
    let atoms: Vec<u128> = narrowed.into_values().collect();
    assert_eq!(atoms, [3_000, 3_000]);
    asked.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn models_clients_and_providers_have_their_boards_and_jobs() {
    let mut history = History::lived(8, 20);
    let job = history.paid_by_rules();
    let (client, provider) = (history.clients[0], history.providers[0]);
    let model = History::model_address();
    let asked = Asked::of(history).await;
    let board = asked.json("/v1/leaderboards/models").await;
    let entry = &board["boards"][0]["entries"][0];
    assert_eq!(
        (&entry["model"], &entry["name"]),
        (&json!(model.to_string()), &json!("Model"))
    );
    assert_eq!(
        (&entry["value"], &entry["work"]),
        (&json!("5000"), &json!("5000"))
    );
    let page = asked.json(&format!("/v1/models/{model}")).await;
    assert_eq!(page["totals"][0]["royalties"][0]["atoms"], "5000");
    for party in [
        format!("model={model}"),
        format!("client={client}"),
        format!("provider={provider}"),
    ] {
        let list = asked.json(&format!("/v1/jobs?{party}")).await;
        assert_eq!(list["jobs"][0]["address"], job.to_string(), "{party}");
    }
    let list = asked
        .json(&format!("/v1/providers/{provider}/jobs?limit=200"))
        .await;
    let jobs = list["jobs"].as_array().unwrap();
    assert!(jobs.len() > 1);
    assert!(
        jobs.iter()
            .all(|job| job["provider"] == provider.to_string())
    );
    let board = asked.json("/v1/leaderboards/clients?metric=spend").await;
    let spent: u128 = board["boards"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|board| board["entries"].as_array().unwrap())
        .filter(|entry| entry["client"] == client.to_string())
        .map(|entry| entry["value"].as_str().unwrap().parse::<u128>().unwrap())
        .sum();
    let page = asked.json(&format!("/v1/clients/{client}")).await;
    let told: u128 = page["totals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|level| {
            level["spend"][0]["atoms"]
                .as_str()
                .unwrap()
                .parse::<u128>()
                .unwrap()
        })
        .sum();
    assert!(spent > 0);
    assert_eq!(spent, told);
    let work = asked.json(&format!("/v1/providers/{provider}/work")).await;
    assert!(work["market"]["jobs"].as_u64().unwrap() > 10);
    assert_eq!(work["waiting"][0]["kind"], "reward");
    let emission = asked.json("/v1/emission").await;
    assert_eq!(emission["free_atoms"], "998500");
    assert!(emission["runs_dry_at"].as_i64().unwrap() > asked.history.at);
    asked.indexer.stop().await.unwrap();
}

/// No amount of the format passes through a signed or floating number.
#[tokio::test(flavor = "multi_thread")]
async fn the_largest_amounts_are_told_to_the_last_digit() {
    const MOST: u64 = u64::MAX;
    let mut history = History::lived(3, 4);
    let job = history.paid_by_rules();
    if let QuernEvent::MilestoneSettled(paid) = &mut history.events.last_mut().unwrap().body {
        (paid.price_atoms, paid.provider_atoms, paid.work) = (MOST, MOST, MOST);
        (paid.fee_atoms, paid.royalty_atoms) = (MOST, MOST);
    }
    let (client, provider) = (history.clients[0], history.providers[0]);
    let asked = Asked::of(history).await;
    let digits = MOST.to_string();
    for path in [
        format!("/v1/explain/{job}:0"),
        format!("/v1/ledgers/{provider}?limit=200"),
        format!("/v1/ledgers/{client}?limit=200"),
        "/v1/leaderboards/models".to_owned(),
        "/v1/events?limit=200".to_owned(),
    ] {
        let text = asked.get(&path).await.text;
        assert!(text.contains(&format!("\"{digits}\"")), "{path}: {text}");
    }
    // Sums are larger than any amount.
    for path in ["/v1/feeds/fees".to_owned(), "/v1/totals".to_owned()] {
        let text = asked.get(&path).await.text;
        let numbers = text.split('"').filter_map(|part| part.parse::<u128>().ok());
        assert!(numbers.max().unwrap() > u128::from(MOST), "{path}: {text}");
    }
    let table = asked
        .get(&format!("/v1/providers/{provider}/ledger.csv"))
        .await;
    assert!(
        table
            .text
            .contains(&format!("18446744073709.551615,{digits},")),
        "{}",
        table.text
    );
    asked.indexer.stop().await.unwrap();
}
