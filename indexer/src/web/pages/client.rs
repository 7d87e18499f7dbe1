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
    quern_api::{ClientPage, ClientTotals},
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
