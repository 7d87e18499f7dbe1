//! A client: what it has, and what it paid for.

use {
    super::{jobs, purse},
    crate::web::{
        ask::Web,
        html::{Failure, Freshness, Page, Place},
        parts, query,
        site::Site,
        text,
    },
    axum::extract::{Path, State, rejection::PathRejection},
    maud::{Markup, html},
    quern_api::{Amount, ClientItem, ClientPage, ClientTotals, Key},
};

pub(in crate::web) async fn client(
    State(web): State<Web>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Page, Failure> {
    let address = query::address(path)?;
    let reply = web
        .ask::<ClientPage>(&ClientPage::path(address), &[])
        .await?;
    let jobs = jobs::latest(&web, "client", &address).await?;
    let (site, page) = (&*web.site, &reply.body);
    let body = html! {
        p .eyebrow { "Client" }
        h1 { (text::short(&address)) }
        (parts::facts(&[("Address", parts::whole(&address))]))
        (activity(site, &page.client))
        (totals(site, &page.totals))
        (purse::section(site, &page.purses))
        (jobs)
    };
    Ok(Page {
        title: format!("Client {}", text::short(&address)),
        place: Place::Clients,
        freshness: Some(Freshness::of(&reply)),
        body,
    })
}

/// What it locked, paid and got back, mint by mint, and its jobs by state.
fn activity(site: &Site, client: &ClientItem) -> Markup {
    let jobs = &client.jobs;
    let states = [
        ("wait for a provider", u128::from(jobs.open)),
        ("worked on", jobs.taken.into()),
        ("under review", jobs.submitted.into()),
        ("before an arbiter", jobs.rejected.into()),
        ("convicted", jobs.convicted.into()),
        ("older", jobs.older),
    ];
    let live: Vec<String> = states
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{} {state}", text::grouped(count)))
        .collect();
    let live = match live.is_empty() {
        true => "none of them waits".to_owned(),
        false => live.join(", "),
    };
    let titles = [
        ("Mint", false),
        ("Locked ever", true),
        ("Paid of it", true),
        ("Given back", true),
        ("Locked now", true),
    ];
    let of = |amounts: &[Amount], mint: &Key| {
        let found: Vec<Amount> = amounts
            .iter()
            .filter(|amount| amount.mint == *mint)
            .cloned()
            .collect();
        parts::moneys(site, &found)
    };
    let row = |amount: &Amount| {
        let mint = &amount.mint;
        vec![
            parts::mint(site, mint),
            of(&client.escrowed, mint),
            of(&client.paid, mint),
            of(&client.refunded, mint),
            of(&client.locked, mint),
        ]
    };
    let rows: Vec<Vec<Markup>> = client.escrowed.iter().map(row).collect();
    html! {
        (parts::tiles(&[
            ("Jobs created".to_owned(), parts::count(jobs.created), html! { (live) }),
            ("Jobs ended".to_owned(), parts::count(jobs.ended), html! { "paid, cancelled, expired or decided" }),
        ]))
        section .card {
            h2 { "What it locked" }
            @if rows.is_empty() { (parts::empty("It never created a job.")) }
            @else { (parts::table("What it locked for jobs and what became of it", &titles, &rows)) }
        }
    }
}

fn totals(site: &Site, totals: &[ClientTotals]) -> Markup {
    let titles = [
        ("Assurance", false),
        ("Milestones", true),
        ("Paid", true),
        ("Of it fees", true),
    ];
    let row = |level: &ClientTotals| {
        vec![
            parts::assurance(level.assurance),
            parts::count(level.milestones),
            parts::moneys(site, &level.spend),
            parts::moneys(site, &level.fees),
        ]
    };
    let rows: Vec<Vec<Markup>> = totals.iter().map(row).collect();
    html! {
        section .card {
            h2 { "What it paid for" }
            @if rows.is_empty() { (parts::empty("Nothing that it ordered was settled yet.")) }
            @else { (parts::table("What it paid for at each assurance level", &titles, &rows)) }
        }
    }
}
