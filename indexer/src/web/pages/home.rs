//! The overview: what was settled, who leads, what happened last.

use {
    super::{board, jobs, over_time::OverTime},
    crate::web::{
        ask::{Web, or_refusal},
        html::{Failure, Freshness, Page, Place},
        parts,
        query::Params,
        site::Site,
        text,
    },
    axum::{extract::State, http::Uri},
    maud::{Markup, html},
    quern_api::{
        Assurance, Boards, BoardsRequest, Category, JobList, JobsRequest, Metric, SeriesPage,
        TotalItem, TotalsPage, Window,
    },
};

/// Entries of a board.
const ENTRIES: u32 = 10;
/// Jobs below the boards.
const JOBS: u32 = 8;
/// Most tiles: each takes a quarter of the first screen.
const TILES: usize = 8;

pub(in crate::web) async fn home(State(web): State<Web>, uri: Uri) -> Result<Page, Failure> {
    let params = Params::read(&uri, &["bucket"])?;
    let spending = OverTime {
        api: SeriesPage::NETWORK,
        metric: Metric::Spend,
        here: "/",
        title: "Paid for settled work",
        empty: "Nothing was paid",
    };
    let spending = spending.section(&web, &params).await?;
    let request = BoardsRequest {
        metric: Some(Metric::Earned),
        window: Some(Window::All),
        limit: Some(ENTRIES),
        ..BoardsRequest::default()
    };
    let boards = web
        .ask::<Boards>(BoardsRequest::PATH, &request.query())
        .await;
    let boards = or_refusal(boards)?;
    let totals = or_refusal(web.ask::<TotalsPage>(TotalsPage::PATH, &[]).await)?;
    let request = JobsRequest {
        limit: Some(JOBS),
        ..JobsRequest::default()
    };
    let latest = web
        .ask::<JobList>(JobsRequest::PATH, &request.query())
        .await?;
    let site = &web.site;
    let body = html! {
        section .hero {
            h1 { "Compute that can be proved wrong" }
            p .lead {
                "Clients lock the price, providers commit to every number that they compute, and anybody who finds a wrong "
                "one takes the bond. This page shows what was settled and who earned it."
            }
        }
        @match &totals {
            Ok(totals) => (tiles(site, totals)),
            Err(refusal) => (parts::refused(TotalsPage::PATH, refusal)),
        }
        (spending)
        div .heading {
            h2 { "Providers by earnings" }
            a href="/providers?window=7d" { "Other times and metrics" }
        }
        @match &boards {
            Ok(boards) if boards.boards.is_empty() => (parts::empty("No milestone was settled yet.")),
            Ok(boards) => {
                @for found in &boards.boards { (board::table(site, found, Metric::Earned)) }
            }
            Err(refusal) => (parts::refused(BoardsRequest::PATH, refusal)),
        }
        div .heading {
            h2 { "Latest jobs" }
            a href="/jobs" { "All jobs" }
        }
        section .card { (jobs::table(site, &latest.body.jobs)) }
    };
    Ok(Page {
        title: "Overview".to_owned(),
        place: Place::Home,
        freshness: Some(Freshness::of(&latest)),
        body,
    })
}

/// What was settled, one tile an assurance level and mint, for they are never added.
fn tiles(site: &Site, totals: &TotalsPage) -> Markup {
    let of = |category: Category, item: &TotalItem| {
        let same = totals.totals.iter().find(|other| {
            (other.category, other.assurance, other.mint) == (category, item.assurance, item.mint)
        });
        same.map_or(0, |other| other.atoms)
    };
    let settled = totals
        .totals
        .iter()
        .filter(|item| item.category == Category::Settled);
    let mut tiles: Vec<(String, Markup, Markup)> = settled
        .map(|item| {
            let level = item.assurance.map_or("", Assurance::word);
            let fees = text::tokens(of(Category::Fees, item), item.decimals);
            (
                format!("Settled, {level}"),
                html! {
                    (parts::number(&text::tokens(item.atoms, item.decimals))) " " (parts::mint(site, &item.mint))
                },
                html! { (text::grouped(item.count.into())) " milestones, fees " (fees.short) },
            )
        })
        .collect();
    tiles.extend(totals.ledgers.iter().map(|ledger| {
        let held = text::tokens(ledger.total_atoms.into(), Some(ledger.decimals));
        (
            format!("Held in purses, {}", parts::mint_text(site, &ledger.mint)),
            parts::number(&held),
            html! {
                (text::grouped(ledger.purses.into())) " purses, "
                @if ledger.equal { "equal to the program's ledger" } @else { "differs from the program's ledger" }
            },
        )
    }));
    tiles.truncate(TILES);
    html! { @if !tiles.is_empty() { (parts::tiles(&tiles)) } }
}
