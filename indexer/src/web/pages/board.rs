//! Leaderboards.

use {
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
    quern_api::{Assurance, Board, Boards, BoardsRequest, Entry, Metric, TotalsPage, Window},
};

const PATH: &str = "/providers";
/// Entries of a board on one page.
const ENTRIES: u32 = 25;
/// Mints that are offered as links; more are chosen from a list.
const LINKED_MINTS: usize = 4;

pub(in crate::web) async fn providers(State(web): State<Web>, uri: Uri) -> Result<Page, Failure> {
    let params = Params::read(&uri, &["metric", "window", "assurance", "mint", "cursor"])?;
    let mut query = params.pairs();
    query.push(("limit", ENTRIES.to_string()));
    let reply = web.ask::<Boards>(BoardsRequest::PATH, &query).await?;
    let totals = web.ask::<TotalsPage>(TotalsPage::PATH, &[]).await?;
    let site = &web.site;
    let boards = &reply.body;
    let body = html! {
        h1 { "Providers" }
        p .lead { (meaning(boards.metric)) }
        (switches(site, &params, boards, &totals.body))
        @if boards.boards.is_empty() {
            (parts::empty("Nothing was settled in this time yet. Choose a longer one, or come back later."))
        }
        @for board in &boards.boards { (section(site, board, boards.metric, &params)) }
    };
    Ok(Page {
        title: format!("Providers by {}", metric_name(boards.metric).to_lowercase()),
        place: Place::Providers,
        freshness: Some(Freshness::of(&reply)),
        body,
    })
}

fn metric_name(metric: Metric) -> &'static str {
    match metric {
        Metric::Earned => "Earnings",
        Metric::Work => "Work",
        Metric::Milestones => "Milestones",
        Metric::Rewards => "Rewards",
    }
}

fn meaning(metric: Metric) -> &'static str {
    match metric {
        Metric::Earned => "Who earned most from the prices of settled work.",
        Metric::Work => "Who did most of the work that graphs count, in multiplications.",
        Metric::Milestones => "Who had most milestones settled in its favour.",
        Metric::Rewards => "Who accrued most token rewards for settled work.",
    }
}

pub(super) fn window_name(window: Window) -> &'static str {
    match window {
        Window::All => "All time",
        Window::Day => "24 hours",
        Window::Week => "7 days",
        Window::Month => "30 days",
    }
}

fn level_name(level: Assurance) -> &'static str {
    match level {
        Assurance::Refereed => "Refereed",
        Assurance::Reviewed => "Reviewed",
    }
}

/// Everything that can be chosen, as links.
fn switches(site: &Site, params: &Params, boards: &Boards, totals: &TotalsPage) -> Markup {
    let base = params.with("cursor", None);
    let windows: Vec<_> = [Window::Day, Window::Week, Window::Month, Window::All]
        .into_iter()
        .map(|window| {
            let href = base.with("window", Some(window.word())).link(PATH);
            (
                window_name(window).to_owned(),
                href,
                window == boards.window,
            )
        })
        .collect();
    let metrics: Vec<_> = Metric::ALL
        .iter()
        .map(|metric| {
            let mut next = base.with("metric", Some(metric.word()));
            if !metric.is_money() {
                next = next.with("mint", None);
            }
            (
                metric_name(*metric).to_owned(),
                next.link(PATH),
                *metric == boards.metric,
            )
        })
        .collect();
    let chosen = params.get("assurance");
    let mut levels = vec![(
        "Both".to_owned(),
        base.with("assurance", None).link(PATH),
        chosen.is_none(),
    )];
    levels.extend(Assurance::ALL.iter().map(|level| {
        let href = base.with("assurance", Some(level.word())).link(PATH);
        (
            level_name(*level).to_owned(),
            href,
            chosen == Some(level.word()),
        )
    }));
    html! {
        div .switches {
            (parts::choices("Time", &windows))
            (parts::choices("By", &metrics))
            (parts::choices("Assurance", &levels))
            @if boards.metric.is_money() { (mints(site, &base, totals)) }
        }
    }
}

/// The mints that the program takes.
fn mints(site: &Site, base: &Params, totals: &TotalsPage) -> Markup {
    let chosen = base.get("mint");
    if totals.ledgers.len() > LINKED_MINTS {
        return mint_form(site, base, totals);
    }
    let mut items = vec![(
        "All".to_owned(),
        base.with("mint", None).link(PATH),
        chosen.is_none(),
    )];
    items.extend(totals.ledgers.iter().map(|ledger| {
        let mint = ledger.mint.to_string();
        let href = base.with("mint", Some(&mint)).link(PATH);
        (
            parts::mint_text(site, &ledger.mint),
            href,
            chosen == Some(mint.as_str()),
        )
    }));
    parts::choices("Mint", &items)
}

fn mint_form(site: &Site, base: &Params, totals: &TotalsPage) -> Markup {
    let chosen = base.get("mint");
    html! {
        form .choices action=(PATH) method="get" {
            label .label for="mint" { "Mint" }
            @for (name, value) in base.with("mint", None).pairs() { input type="hidden" name=(name) value=(value); }
            select #mint name="mint" {
                option value="" { "All" }
                @for ledger in &totals.ledgers {
                    @let mint = ledger.mint.to_string();
                    option value=(mint) selected[chosen == Some(mint.as_str())] { (parts::mint_text(site, &ledger.mint)) }
                }
            }
            button type="submit" { "Show" }
        }
    }
}

/// A board with links to its other pages.
fn section(site: &Site, board: &Board, metric: Metric, params: &Params) -> Markup {
    let mint = board.mint.map(|mint| mint.to_string());
    let of_board = params
        .with("assurance", Some(board.assurance.word()))
        .with("mint", mint.as_deref());
    let next = board.next_cursor.as_deref();
    let next = next.map(|cursor| of_board.with("cursor", Some(cursor)).link(PATH));
    let first = params
        .get("cursor")
        .map(|_| of_board.with("cursor", None).link(PATH));
    html! {
        (table(site, board, metric))
        (parts::pager(first.as_deref(), next.as_deref()))
    }
}

/// A board alone.
pub(super) fn table(site: &Site, board: &Board, metric: Metric) -> Markup {
    let title = match &board.mint {
        Some(mint) => format!(
            "{} · {}",
            level_name(board.assurance),
            parts::mint_text(site, mint)
        ),
        None => level_name(board.assurance).to_owned(),
    };
    let best = board
        .entries
        .iter()
        .map(|entry| entry.value)
        .max()
        .unwrap_or(0);
    let mut titles = vec![
        ("Rank", true),
        ("Provider", false),
        (metric_name(metric), true),
    ];
    let others = others(metric);
    titles.extend(others.iter().map(|other| (metric_name(*other), true)));
    titles.push(("Convicted", true));
    let rows: Vec<Vec<Markup>> = board
        .entries
        .iter()
        .map(|entry| {
            let mut row = vec![
                html! { span .rank { (entry.rank) } },
                who(entry),
                html! {
                    span .value {
                        (value(board, entry, metric))
                        (parts::bar(entry.value, best))
                    }
                },
            ];
            row.extend(others.iter().map(|other| detail(site, entry, *other)));
            row.push(convicted(entry.convicted));
            row
        })
        .collect();
    html! {
        section .card {
            h2 { (title) }
            (parts::shaped_table("list board", &format!("Providers, {title}"), &titles, &rows))
        }
    }
}

/// What stands beside the metric that a board is ranked by.
fn others(metric: Metric) -> Vec<Metric> {
    let all = [
        Metric::Earned,
        Metric::Milestones,
        Metric::Work,
        Metric::Rewards,
    ];
    all.into_iter().filter(|other| *other != metric).collect()
}

fn who(entry: &Entry) -> Markup {
    html! {
        span .who {
            @if let Some(name) = parts::name(entry.name.as_deref()) {
                a href={ "/providers/" (entry.provider) } { (name) }
            }
            (parts::link("providers", &entry.provider))
        }
    }
}

fn value(board: &Board, entry: &Entry, metric: Metric) -> Markup {
    match metric.is_money() {
        true => parts::number(&text::tokens(entry.value, board.decimals)),
        false => parts::count(entry.value),
    }
}

fn detail(site: &Site, entry: &Entry, metric: Metric) -> Markup {
    match metric {
        Metric::Earned => parts::moneys(site, &entry.earned),
        Metric::Rewards => parts::moneys(site, &entry.rewards),
        Metric::Milestones => parts::count(entry.milestones),
        Metric::Work => parts::count(entry.work),
    }
}

/// How often a provider was convicted.
fn convicted(times: Option<u64>) -> Markup {
    html! {
        @match times {
            None => span .none { "–" },
            Some(0) => span .none { "0" },
            Some(times) => (parts::badge("bad", &text::grouped(times.into()))),
        }
    }
}
