//! A provider: what it earned and did, and what it may take.

use {
    crate::web::{
        ask::Web,
        html::{Failure, Freshness, Page, Place},
        parts, query,
        site::Site,
        text,
    },
    axum::extract::{Path, State, rejection::PathRejection},
    maud::{Markup, html},
    quern_api::{Amount, LevelTotals, PaidMilestone, ProviderPage, PursePage},
};

pub(in crate::web) async fn provider(
    State(web): State<Web>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Page, Failure> {
    let address = query::address(path)?;
    let reply = web
        .ask::<ProviderPage>(&ProviderPage::path(address), &[])
        .await?;
    let (site, page) = (&*web.site, &reply.body);
    let body = html! {
        (head(page))
        (tiles(site, page))
        (record(site, page))
        (purses(site, &page.purses))
        (milestones(site, &page.recent_milestones))
    };
    let name = if page.name.trim().is_empty() {
        text::short(&page.owner)
    } else {
        page.name.clone()
    };
    Ok(Page {
        title: quern_client::text::escaped(&format!("{name}, provider")),
        place: Place::Providers,
        freshness: Some(Freshness::of(&reply)),
        body,
    })
}

fn head(page: &ProviderPage) -> Markup {
    html! {
        p .eyebrow { "Provider" }
        h1 {
            @match parts::name(Some(&page.name)) {
                Some(name) => (name),
                None => (text::short(&page.owner)),
            }
            " "
            @if page.active { (parts::badge("good", "takes jobs")) } @else { (parts::badge("calm", "takes no jobs")) }
        }
        (parts::facts(&[
            ("Owner", parts::whole(&page.owner)),
            ("Account", parts::whole(&page.account)),
            ("Operator", page.operator.map_or_else(|| html! { "the owner itself" }, |key| parts::whole(&key))),
            ("Endpoint", page.endpoint.as_deref().map_or_else(|| html! { "unknown" }, parts::strange)),
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

fn purses(site: &Site, purses: &[PursePage]) -> Markup {
    let titles = [
        ("Purse", false),
        ("Free to withdraw", true),
        ("Held by jobs", true),
        ("Operator may risk", true),
    ];
    let row = |purse: &PursePage| {
        let amount = |atoms: u64| {
            let amount = Amount {
                atoms: atoms.into(),
                mint: purse.mint,
                decimals: purse.decimals,
            };
            parts::money(site, &amount)
        };
        vec![
            parts::link("purses", &purse.address),
            amount(purse.free_atoms),
            amount(purse.reserved_atoms),
            amount(purse.operator_limit_atoms),
        ]
    };
    let rows: Vec<Vec<Markup>> = purses.iter().map(row).collect();
    html! {
        section .card {
            h2 { "Purses" }
            @if rows.is_empty() { (parts::empty("Its owner has no purse yet.")) }
            @else { (parts::table("What its owner has in purses", &titles, &rows)) }
        }
    }
}

fn milestones(site: &Site, milestones: &[PaidMilestone]) -> Markup {
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
    let rows: Vec<Vec<Markup>> = milestones.iter().map(row).collect();
    html! {
        section .card {
            h2 { "Latest paid milestones" }
            @if rows.is_empty() { (parts::empty("None of its milestones was paid in full yet.")) }
            @else { (parts::table("Latest paid milestones", &titles, &rows)) }
        }
    }
}
