//! Leaderboards of providers, models and clients.

use {
    super::{
        lines::Line,
        names::{level_name, metric_name, path},
        switches::switches,
    },
    crate::web::{
        ask::Web,
        html::{Failure, Freshness, Page, Place},
        parts,
        query::Params,
        site::Site,
        text,
    },
    axum::{extract::State, http::Uri},
    maud::{Markup, html},
    quern_api::{Board, Boards, Metric, MintList, Ranked},
};

/// Entries of a board on one page.
const ENTRIES: u32 = 25;

/// A page of leaderboards.
pub(in crate::web) async fn board<L: Line>(
    State(web): State<Web>,
    uri: Uri,
) -> Result<Page, Failure> {
    let params = Params::read(&uri, &["metric", "window", "assurance", "mint", "cursor"])?;
    let mut query = params.pairs();
    query.push(("limit", ENTRIES.to_string()));
    let reply = web.ask::<Boards<L>>(L::API, &query).await?;
    let mints = web.ask::<MintList>(MintList::PATH, &[]).await?;
    let site = &web.site;
    let boards = &reply.body;
    let name = text::capital(L::RANKED.word());
    let body = html! {
        h1 { (name) }
        p .lead { (meaning(L::RANKED, boards.metric)) }
        (switches(site, &params, (L::RANKED, boards.metric, boards.window), &mints.body.mints))
        @if boards.boards.is_empty() {
            (parts::empty("Nothing was settled in this time yet. Choose a longer one, or come back later."))
        }
        @for board in &boards.boards { (section(site, board, boards.metric, &params)) }
    };
    Ok(Page {
        title: format!("{name} by {}", metric_name(boards.metric).to_lowercase()),
        place: match L::RANKED {
            Ranked::Providers => Place::Providers,
            Ranked::Models => Place::Models,
            Ranked::Clients => Place::Clients,
        },
        freshness: Some(Freshness::of(&reply)),
        body,
    })
}

fn meaning(ranked: Ranked, metric: Metric) -> &'static str {
    match (ranked, metric) {
        (_, Metric::Earned) => "Who earned most from the prices of settled work.",
        (Ranked::Models, Metric::Work) => "Which models the most work was done with.",
        (_, Metric::Work) => "Who did most of the work that graphs count.",
        (Ranked::Models, Metric::Milestones) => "Which models most milestones were settled with.",
        (Ranked::Clients, Metric::Milestones) => "Who paid for most milestones.",
        (Ranked::Providers, Metric::Milestones) => "Who had most milestones settled in its favour.",
        (_, Metric::Rewards) => "Who accrued most token rewards for settled work.",
        (_, Metric::Royalties) => "Which models earned most royalties for their owners.",
        (_, Metric::Spend) => "Who paid most for settled work.",
        (_, Metric::Claims) => "Who claimed most from campaigns.",
        (_, Metric::Fees) => "Whose payments carried most fees to the protocol.",
        // The API ranks nobody by these.
        (_, Metric::Escrowed | Metric::Refunds | Metric::Jobs | Metric::Ended) => "",
    }
}

/// A board with links to its other pages.
fn section<L: Line>(site: &Site, board: &Board<L>, metric: Metric, params: &Params) -> Markup {
    let path = path(L::RANKED);
    let mint = board.mint.map(|mint| mint.to_string());
    let of_board = params
        .with("assurance", Some(board.assurance.word()))
        .with("mint", mint.as_deref());
    let next = board.next_cursor.as_deref();
    let next = next.map(|cursor| of_board.with("cursor", Some(cursor)).link(&path));
    let first = params
        .get("cursor")
        .map(|_| of_board.with("cursor", None).link(&path));
    html! {
        (table(site, board, metric))
        (parts::pager(first.as_deref(), next.as_deref()))
    }
}

/// A board alone.
pub(super) fn table<L: Line>(site: &Site, board: &Board<L>, metric: Metric) -> Markup {
    let title = match &board.mint {
        Some(mint) => format!(
            "{} · {}",
            level_name(board.assurance),
            parts::mint_text(site, mint)
        ),
        None => level_name(board.assurance).to_owned(),
    };
    let best = board.entries.iter().map(Line::value).max().unwrap_or(0);
    let others: Vec<Metric> = L::RANKED
        .metrics()
        .iter()
        .copied()
        .filter(|other| *other != metric)
        .collect();
    let mut titles = vec![
        ("Rank", true),
        (singular(L::RANKED), false),
        (metric_name(metric), true),
    ];
    titles.extend(others.iter().map(|other| (metric_name(*other), true)));
    titles.extend(L::LAST.map(|last| (last, true)));
    let rows: Vec<Vec<Markup>> = board
        .entries
        .iter()
        .map(|entry| {
            let mut row = vec![
                html! { span .rank { (entry.rank()) } },
                entry.who(),
                html! {
                    span .value {
                        (value(board, entry.value(), metric))
                        (parts::bar(entry.value(), best))
                    }
                },
            ];
            row.extend(others.iter().map(|other| entry.detail(site, *other)));
            row.extend(L::LAST.map(|_| entry.last()));
            row
        })
        .collect();
    let caption = format!("{}, {title}", text::capital(L::RANKED.word()));
    html! {
        section .card {
            h2 { (title) }
            (parts::shaped_table("list board", &caption, &titles, &rows))
        }
    }
}

fn singular(ranked: Ranked) -> &'static str {
    match ranked {
        Ranked::Providers => "Provider",
        Ranked::Models => "Model",
        Ranked::Clients => "Client",
    }
}

fn value<L>(board: &Board<L>, value: u128, metric: Metric) -> Markup {
    match metric.is_money() {
        true => parts::number(&text::tokens(value, board.decimals)),
        false => parts::count(value),
    }
}
