//! What can be chosen of a leaderboard: time, metric, assurance level and mint, all of them links.

use {
    super::names::{level_name, metric_name, path},
    crate::web::{parts, query::Params, site::Site},
    maud::{Markup, html},
    quern_api::{Assurance, Metric, MintItem, Ranked, Window},
};

/// Mints that are offered as links; more are chosen from a list.
const LINKED_MINTS: usize = 4;

fn window_name(window: Window) -> &'static str {
    match window {
        Window::All => "All time",
        Window::Day => "24 hours",
        Window::Week => "7 days",
        Window::Month => "30 days",
    }
}

/// Everything that can be chosen.
pub(super) fn switches(
    site: &Site,
    params: &Params,
    (ranked, metric, window): (Ranked, Metric, Window),
    taken: &[MintItem],
) -> Markup {
    let base = params.with("cursor", None);
    let path = path(ranked);
    let windows = [Window::Day, Window::Week, Window::Month, Window::All].map(|one| {
        let href = base.with("window", Some(one.word())).link(&path);
        (window_name(one).to_owned(), href, one == window)
    });
    let metrics: Vec<_> = ranked
        .metrics()
        .iter()
        .map(|one| {
            let mut next = base.with("metric", Some(one.word()));
            if !one.is_money() {
                next = next.with("mint", None);
            }
            (
                metric_name(*one).to_owned(),
                next.link(&path),
                *one == metric,
            )
        })
        .collect();
    let chosen = params.get("assurance");
    let both = base.with("assurance", None).link(&path);
    let mut levels = vec![("Both".to_owned(), both, chosen.is_none())];
    levels.extend(Assurance::ALL.iter().map(|level| {
        let href = base.with("assurance", Some(level.word())).link(&path);
        let is_chosen = chosen == Some(level.word());
        (level_name(*level).to_owned(), href, is_chosen)
    }));
    html! {
        div .switches {
            (parts::choices("Time", &windows))
            (parts::choices("By", &metrics))
            (parts::choices("Assurance", &levels))
            @if metric.is_money() { (mints(site, &base, &path, taken)) }
        }
    }
}

/// The mints that the program takes.
fn mints(site: &Site, base: &Params, path: &str, taken: &[MintItem]) -> Markup {
    let chosen = base.get("mint");
    if taken.len() > LINKED_MINTS {
        return mint_form(site, base, path, taken);
    }
    let all = base.with("mint", None).link(path);
    let mut items = vec![("All".to_owned(), all, chosen.is_none())];
    items.extend(taken.iter().map(|one| {
        let mint = one.mint.to_string();
        let href = base.with("mint", Some(&mint)).link(path);
        let is_chosen = chosen == Some(mint.as_str());
        (parts::mint_text(site, &one.mint), href, is_chosen)
    }));
    parts::choices("Mint", &items)
}

fn mint_form(site: &Site, base: &Params, path: &str, taken: &[MintItem]) -> Markup {
    let chosen = base.get("mint");
    html! {
        form .choices action=(path) method="get" {
            label .label for="mint" { "Mint" }
            @for (name, value) in base.with("mint", None).pairs() {
                input type="hidden" name=(name) value=(value);
            }
            select #mint name="mint" {
                option value="" { "All" }
                @for one in taken {
                    @let mint = one.mint.to_string();
                    option value=(mint) selected[chosen == Some(mint.as_str())] {
                        (parts::mint_text(site, &one.mint))
                    }
                }
            }
            button type="submit" { "Show" }
        }
    }
}
