//! The frame of every page.

use {
    super::{
        assets::{self, Assets},
        html::{Freshness, Page, Place, guarded},
        text,
    },
    crate::project::program::QuernEvent,
    axum::{
        http::{HeaderValue, header},
        response::{IntoResponse, Response},
    },
    maud::{DOCTYPE, Markup, html},
};

const PLACES: [(Place, &str, &str); 7] = [
    (Place::Home, "/", "Overview"),
    (Place::Providers, "/providers", "Providers"),
    (Place::Models, "/models", "Models"),
    (Place::Clients, "/clients", "Clients"),
    (Place::Jobs, "/jobs", "Jobs"),
    (Place::Campaigns, "/campaigns", "Campaigns"),
    (Place::Network, "/network", "Network"),
];
/// Most characters of a search: an address has 44.
pub(super) const SEARCH_CHARS: usize = 64;

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let kind = HeaderValue::from_static("text/html; charset=utf-8");
        let headers = [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ];
        let text = document(&self, assets::links()).into_string();
        guarded((headers, text).into_response())
    }
}

/// A whole page.
fn document(page: &Page, assets: &Assets) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) " · Quern" }
                link rel="icon" type="image/svg+xml" href=(assets.icon());
                link rel="stylesheet" href=(assets.style());
                script src=(assets.script()) data-events=(QuernEvent::NAMES.join(" ")) defer {}
            }
            body {
                a .skip href="#main" { "Skip to the content" }
                (header(page.place, assets))
                main #main tabindex="-1" {
                    @if let Some(freshness) = &page.freshness { (state(freshness)) }
                    (page.body)
                }
                (footer())
            }
        }
    }
}

fn header(place: Place, assets: &Assets) -> Markup {
    html! {
        header .top {
            div .inner {
                a .brand href="/" {
                    img src=(assets.icon()) alt="" width="28" height="28";
                    span { "Quern" }
                }
                nav aria-label="Pages" {
                    @for (target, href, name) in PLACES {
                        a href=(href) aria-current=[(target == place).then_some("page")] { (name) }
                    }
                }
                form .search action="/search" method="get" role="search" {
                    label .hidden for="q" { "Address to search for" }
                    input #q type="search" name="q" placeholder="Search any address" required
                        maxlength=(SEARCH_CHARS) autocomplete="off" autocapitalize="off" spellcheck="false";
                    button type="submit" { "Search" }
                }
            }
        }
    }
}

/// As of when the page is true, and what it may lack.
fn state(freshness: &Freshness) -> Markup {
    html! {
        p .state {
            span .dot .wait[freshness.slot.is_none()] aria-hidden="true" {}
            @match freshness.slot {
                Some(slot) => span {
                    "Finalized up to slot " b { (text::grouped(slot.into())) } ", "
                    @match freshness.lag_slots {
                        Some(0) => "level with the node",
                        Some(1) => "1 slot behind the node",
                        Some(lag) => { (text::grouped(lag.into())) " slots behind the node" },
                        None => "the node has not answered yet",
                    }
                },
                None => span { "The first walk through the history is not over; numbers still grow." },
            }
        }
        @if !freshness.is_whole && freshness.slot.is_some() {
            p .notice role="note" {
                "Changes are known to be missing, so amounts and counts may be too small. "
                a href="/network" { "What is missing" }
            }
        }
    }
}

fn footer() -> Markup {
    html! {
        footer .bottom {
            div .inner {
                p {
                    "Every number follows from finalized events of the program. "
                    "Refereed and reviewed work is never added together."
                }
                p {
                    a href="/docs" { "API" }
                    " · version " (env!("CARGO_PKG_VERSION"))
                }
            }
        }
    }
}
