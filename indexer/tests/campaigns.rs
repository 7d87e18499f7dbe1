//! Campaigns over HTTP and as pages: lists with filters and cursors, what is claimable and why, every milestone with its reason, and
//! claims apart from earnings.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    quern_api::Key,
    quern_client::{Pubkey, quern::events::QuernEvent},
    serde_json::Value,
    support::{History, SCORING_SECS, key, served::Asked},
};

/// A campaign that is over, one whose scores may be claimed, and one that runs.
struct World {
    asked: Asked,
    over: Pubkey,
    running: Pubkey,
}

async fn world() -> World {
    let mut history = History::new(17);
    let [over, running] = history.campaigns();
    World {
        asked: Asked::of(history).await,
        over,
        running,
    }
}

fn addresses(list: &Value) -> Vec<String> {
    let campaigns = list["campaigns"].as_array().unwrap().iter();
    campaigns
        .map(|one| one["address"].as_str().unwrap().to_owned())
        .collect()
}

fn atoms(amount: &Value) -> u64 {
    amount["atoms"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn campaigns_are_listed_by_every_filter_and_page_by_page() {
    let World {
        asked,
        over,
        running,
    } = world().await;
    let all = addresses(&asked.json("/v1/campaigns").await);
    let mut expected = [over, running];
    expected.sort();
    let expected: Vec<String> = expected.iter().map(Pubkey::to_string).collect();
    assert_eq!(all, expected);
    let sponsor = asked.history.clients[1];
    let (mint, other) = (asked.history.mints[0], asked.history.mints[1]);
    let provider = asked.history.joined_ever(&key(&over))[0];
    for (query, found) in [
        ("state=closed".to_owned(), vec![over]),
        ("state=running".to_owned(), vec![running]),
        ("state=claimable".to_owned(), vec![]),
        (format!("sponsor={sponsor}&state=closed"), vec![over]),
        (format!("sponsor={provider}"), vec![]),
        (format!("mint={mint}&state=running"), vec![running]),
        (format!("mint={other}"), vec![]),
        // It takes work with any model.
        (format!("model={other}&state=running"), vec![running]),
        (format!("provider={provider}&state=closed"), vec![over]),
    ] {
        let list = asked.json(&format!("/v1/campaigns?{query}")).await;
        let found: Vec<String> = found.iter().map(Pubkey::to_string).collect();
        assert_eq!(addresses(&list), found, "{query}");
    }
    for filter in [String::new(), format!("&provider={provider}")] {
        let (mut pages, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = format!("/v1/campaigns?limit=1{filter}{cursor}");
            let page = asked.json(&page).await;
            pages.extend(addresses(&page));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let has_joined = |campaign: &Pubkey| {
            let joined = asked.history.joined_ever(&key(campaign));
            filter.is_empty() || joined.contains(&provider)
        };
        let expected = [over, running].into_iter().filter(has_joined).count();
        assert_eq!(pages.len(), expected, "{filter}");
    }
    let csv = asked
        .get_with("/v1/campaigns", &[("accept", "text/csv")])
        .await;
    assert_eq!(csv.text.lines().count(), 3);
    let unknown = asked.get(&format!("/v1/campaigns/{sponsor}")).await;
    assert_eq!(unknown.status, 404);
    asked.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_say_what_they_are_worth_and_milestones_why_they_scored() {
    let World {
        asked,
        over,
        running,
    } = world().await;
    for campaign in [over, running] {
        let page = asked.json(&format!("/v1/campaigns/{campaign}")).await;
        let entries = page["entries"].as_array().unwrap();
        let joined = asked.history.joined_ever(&key(&campaign));
        assert_eq!(entries.len(), joined.len());
        let mut total = 0;
        for entry in entries {
            let provider = entry["provider"].as_str().unwrap();
            let path = format!("/v1/campaigns/{campaign}/entries/{provider}");
            let score = scored(&asked, &path, entry).await;
            total += score;
            assert_eq!(entry["claimable"], false);
            let why = entry["why"].as_str().unwrap();
            match entry["closed"].as_bool().unwrap() {
                true => assert!(why.contains("claimed") || why.contains("gone"), "{why}"),
                false => assert!(why.contains("Scores still grow"), "{why}"),
            }
        }
        assert_eq!(page["total_score"], total.to_string());
    }
    asked.indexer.stop().await.unwrap();
}

/// The sum of an entry's milestones, read page by page; it is the entry's score.
async fn scored(asked: &Asked, path: &str, entry: &Value) -> u64 {
    let (mut sum, mut count, mut cursor) = (0, 0, String::new());
    loop {
        let page = asked.json(&format!("{path}?limit=1{cursor}")).await;
        assert_eq!(page["score"], entry["score"]);
        for milestone in page["milestones"].as_array().unwrap() {
            let score: u64 = milestone["score"].as_str().unwrap().parse().unwrap();
            assert_eq!(milestone["computed"], milestone["score"]);
            let reason = if score > 0 { "scored" } else { "after_end" };
            assert_eq!(milestone["reason"], reason);
            (sum, count) = (sum + score, count + 1);
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert!(count > 0, "{path}");
    assert_eq!(entry["score"], sum.to_string());
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_claimed_waits_for_the_provider_and_pages_say_why() {
    let mut history = History::new(23);
    let campaign = history.begin_campaign(1_000);
    for _ in 0..4 {
        history.job_of_milestones(1, 1);
    }
    let joined = history.joined(&campaign);
    let provider = joined[0];
    // Anybody may have it join any number of others: its score is found behind them.
    let now = history.at;
    for _ in 0..60 {
        let other = history.begin_campaign(1);
        history.join_campaign(&other, &provider);
    }
    history.at = now;
    history.at += SCORING_SECS;
    history.wait_for_claims(&campaign);
    // The store's time is that of its last event.
    history.deposit(&history.clients[0].clone(), 5);
    let asked = Asked::of(history).await;
    let page = asked.json(&format!("/v1/campaigns/{campaign}")).await;
    assert_eq!(page["state"], "claimable");
    let entries = page["entries"].as_array().unwrap();
    let entry = entries
        .iter()
        .find(|entry| entry["provider"] == provider.to_string())
        .unwrap();
    assert_eq!(entry["claimable"], true);
    assert!(entry["why"].as_str().unwrap().contains("anybody may claim"));
    // All scores are more than the pot.
    let worth: u64 = entries.iter().map(|entry| atoms(&entry["worth"])).sum();
    assert!(worth <= 1_000 && worth > 990, "{worth}");
    let work = asked.json(&format!("/v1/providers/{provider}/work")).await;
    let waiting = work["waiting"].as_array().unwrap().iter();
    let waiting: Vec<&Value> = waiting.filter(|one| one["kind"] == "campaign").collect();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0]["amount"], entry["worth"]);
    assert_eq!(waiting[0]["campaign"], campaign.to_string());
    assert_eq!(waiting[0]["until"], page["claim_by"]);
    assert_eq!(work["campaigns_cut"], false);
    // A provider's page shows the campaigns that it joined last.
    let others = joined[1..].iter();
    let mut paths: Vec<String> = others.map(|one| format!("/providers/{one}")).collect();
    paths.push(format!("/campaigns/{campaign}"));
    paths.push(format!("/campaigns/{campaign}/entries/{provider}"));
    for path in paths {
        let page = asked.get_with(&path, &[("accept", "text/html")]).await;
        assert_eq!(page.status, 200);
        for part in ["claimable", "anybody may claim it for the provider until"] {
            assert!(page.text.contains(part), "{path} lacks {part}");
        }
    }
    asked.indexer.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_are_a_metric_of_their_own() {
    let World { asked, over, .. } = world().await;
    let mint = key(&asked.history.mints[0]).to_string();
    let mut all = 0;
    for provider in asked.history.joined_ever(&key(&over)) {
        let claimed = claimed(&asked.history, &key(&provider));
        all += claimed;
        let page = asked.json(&format!("/v1/providers/{provider}")).await;
        let claims = page["claims"].as_array().unwrap();
        assert_eq!(claims.iter().map(atoms).sum::<u64>(), claimed);
        assert!(claims.iter().all(|claim| claim["mint"] == mint));
        let earned = page["totals"].as_array().unwrap().iter();
        let earned = earned.flat_map(|level| level["earned"].as_array().unwrap());
        let paid: u64 = asked.history.earned(&key(&provider));
        assert_eq!(earned.map(atoms).sum::<u64>(), paid);
        let ledger = asked
            .json(&format!("/v1/ledgers/{provider}?limit=200"))
            .await;
        let entries = ledger["entries"].as_array().unwrap().iter();
        let entries = entries.filter(|entry| entry["kind"] == "campaign");
        let came: u64 = entries.map(|entry| atoms(&entry["amount"])).sum();
        assert_eq!(came, claimed);
    }
    assert!(all > 0);
    let totals = asked.json("/v1/totals").await;
    let sum = |category: &str| {
        let items = totals["totals"].as_array().unwrap().iter();
        let items = items.filter(|item| item["category"] == category);
        items
            .map(|item| item["atoms"].as_str().unwrap().parse::<u64>().unwrap())
            .sum::<u64>()
    };
    assert_eq!(sum("campaign_claims"), all);
    assert_eq!(sum("campaign_pots"), 70_000);
    assert_eq!(sum("campaigns_swept"), 30_000 - all);
    asked.indexer.stop().await.unwrap();
}

fn claimed(history: &History, provider: &Key) -> u64 {
    let claims = history.events.iter().filter_map(|event| match &event.body {
        QuernEvent::CampaignClaimed(claimed) if key(&claimed.provider) == *provider => {
            Some(claimed.amount_atoms)
        }
        _ => None,
    });
    claims.sum()
}
