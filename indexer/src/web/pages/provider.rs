//! A provider: what it earned and did, and what it may take.

use {
    super::{campaigns, jobs, over_time::OverTime, purse},
    crate::web::{
        ask::Web,
        html::{Failure, Freshness, Page, Place},
        parts,
        query::{self, Params},
        site::Site,
        text,
    },
    axum::{
        extract::{Path, State, rejection::PathRejection},
        http::Uri,
    },
    maud::{Markup, html},
    quern_api::{Amount, Key, LevelTotals, Metric, PaidMilestone, ProviderPage, SeriesPage},
};

/// Paid milestones that are shown.
const MILESTONES: usize = 10;

pub(in crate::web) async fn provider(
    State(web): State<Web>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Page, Failure> {
    let address = query::address(path)?;
    let params = Params::read(&uri, &["bucket"])?;
    let reply = web
        .ask::<ProviderPage>(&ProviderPage::path(address), &[])
        .await?;
    let (site, page) = (&*web.site, &reply.body);
    let earnings = OverTime {
        api: &SeriesPage::earnings(page.owner),
        metric: Metric::Earned,
        here: &format!("/providers/{}", page.owner),
        title: "Earnings over time",
        empty: "It earned nothing",
    };
    let earnings = earnings.section(&web, &params).await?;
    let campaigns = campaigns::of_provider(&web, &page.owner).await?;
    let jobs = jobs::latest(&web, "provider", &page.owner).await?;
    let body = html! {
        (head(page))
        (tiles(site, page))
        (earnings)
        (record(site, page))
        (purse::section(site, &page.purses))
        (milestones(site, &page.owner, &page.recent_milestones))
        (campaigns)
        (jobs)
    };
    Ok(Page {
        title: format!("{}, provider", parts::plain_name(&page.name, &page.owner)),
        place: Place::Providers,
        freshness: Some(Freshness::of(&reply)),
        body,
    })
}

fn head(page: &ProviderPage) -> Markup {
    html! {
        p .eyebrow { "Provider" }
        h1 {
            (parts::title(&page.name, &page.owner)) " "
            @if page.active { (parts::badge("good", "takes jobs")) } @else { (parts::badge("calm", "takes no jobs")) }
        }
        (parts::facts(&[
            ("Owner", parts::whole(&page.owner)),
            ("Account", parts::whole(&page.account)),
            ("Operator", page.operator.map_or_else(|| html! { "the owner itself" }, |key| parts::whole(&key))),
            ("Endpoint", parts::written(page.endpoint.as_deref())),
        ]))
    }
}

/// Earnings of each level and mint, then what can be taken, then what speaks against it.
fn tiles(site: &Site, page: &ProviderPage) -> Markup {
    let mut tiles: Vec<(String, Markup, Markup)> = Vec::new();
    for level in &page.totals {
        for amount in &level.earned {
            tiles.push((
                format!("Earned, {}", level.assurance.word()),
                parts::money(site, amount),
                html! { (text::grouped(level.milestones)) " milestones paid" },
            ));
        }
    }
    for claimed in &page.claims {
        tiles.push((
            "Claimed from campaigns".to_owned(),
            parts::money(site, claimed),
            html! { "no part of what it earned" },
        ));
    }
    tiles.push((
        "Rewards to claim".to_owned(),
        rewards(site, page, page.counters.rewards_claimable_atoms),
        html! { "of " (rewards(site, page, page.counters.rewards_accrued_atoms)) " accrued" },
    ));
    let counters = &page.counters;
    tiles.push((
        "Convictions".to_owned(),
        html! {
            @if counters.convicted > 0 { span .bad { (text::grouped(counters.convicted.into())) } } @else { "0" }
        },
        html! {
            (text::grouped(counters.late.into())) " deadlines missed, " (text::grouped(counters.taken.into())) " jobs taken"
        },
    ));
    parts::tiles(&tiles)
}

/// An amount of the reward mint, which the provider's own rewards name.
fn rewards(site: &Site, page: &ProviderPage, atoms: u64) -> Markup {
    let mut known = page.totals.iter().flat_map(|level| &level.rewards);
    match known.next() {
        Some(reward) => parts::money(
            site,
            &Amount {
                atoms: atoms.into(),
                ..reward.clone()
            },
        ),
        None => html! { (text::grouped(atoms.into())) " atoms" },
    }
}

fn record(site: &Site, page: &ProviderPage) -> Markup {
    let titles = [
        ("Assurance", false),
        ("Milestones", true),
        ("Work", true),
        ("Earned", true),
        ("Rewards", true),
    ];
    let row = |level: &LevelTotals| {
        vec![
            parts::assurance(level.assurance),
            parts::count(level.milestones),
            parts::count(level.work),
            parts::moneys(site, &level.earned),
            parts::moneys(site, &level.rewards),
        ]
    };
    let rows: Vec<Vec<Markup>> = page.totals.iter().map(row).collect();
    html! {
        section .card {
            h2 { "Record" }
            @if rows.is_empty() { (parts::empty("It has settled nothing yet.")) }
            @else { (parts::table("What it did at each assurance level", &titles, &rows)) }
        }
    }
}

fn milestones(site: &Site, owner: &Key, milestones: &[PaidMilestone]) -> Markup {
    let titles = [
        ("Paid", false),
        ("Job", false),
        ("Assurance", false),
        ("Earned", true),
        ("Price", true),
        ("Work", true),
        ("Transaction", false),
    ];
    let row = |paid: &PaidMilestone| {
        vec![
            parts::day(paid.at),
            html! {
                (parts::link("jobs", &paid.job))
                @if paid.milestone > 0 { span .quiet { " part " (u16::from(paid.milestone) + 1) } }
            },
            parts::assurance(paid.assurance),
            parts::money(site, &paid.earned),
            parts::money(site, &paid.price),
            parts::count(paid.work),
            parts::transaction(site, &paid.signature),
        ]
    };
    let rows: Vec<Vec<Markup>> = milestones.iter().take(MILESTONES).map(row).collect();
    html! {
        section .card {
            h2 { "Latest paid milestones" }
            @if rows.is_empty() { (parts::empty("None of its milestones was paid in full yet.")) }
            @else { (parts::table("Latest paid milestones", &titles, &rows)) }
            p .quiet .after {
                "Everything that came and went: "
                a href={ "/v1/providers/" (owner) "/ledger.csv" } { "ledger as a table (CSV)" }
            }
        }
    }
}
