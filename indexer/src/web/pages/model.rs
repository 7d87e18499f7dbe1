//! A model: what it is, what its owner earns by it, and the jobs with it.

use {
    super::jobs,
    crate::web::{
        ask::Web,
        html::{Failure, Freshness, Page, Place},
        parts, query,
        site::Site,
        text,
    },
    axum::extract::{Path, State, rejection::PathRejection},
    maud::{Markup, html},
    quern_api::{ModelItem, ModelPage, ModelTotals},
};

pub(in crate::web) async fn model(
    State(web): State<Web>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Page, Failure> {
    let address = query::address(path)?;
    let reply = web.ask::<ModelPage>(&ModelPage::path(address), &[]).await?;
    let jobs = jobs::latest(&web, "model", &address).await?;
    let (site, page) = (&*web.site, &reply.body);
    let body = html! {
        (head(&page.model))
        (tiles(site, page))
        (totals(site, &page.totals))
        (jobs)
    };
    Ok(Page {
        title: format!("{}, model", parts::plain_name(&page.model.name, &address)),
        place: Place::Models,
        freshness: Some(Freshness::of(&reply)),
        body,
    })
}

fn head(model: &ModelItem) -> Markup {
    html! {
        p .eyebrow { (text::capital(&text::words(model.kind.word()))) }
        h1 {
            (parts::title(&model.name, &model.address)) " "
            @if model.sealed { (parts::badge("good", "sealed")) } @else { (parts::badge("warn", "not sealed")) }
            " "
            @if model.active { (parts::badge("good", "in use")) } @else { (parts::badge("calm", "withdrawn")) }
        }
        (parts::facts(&[
            ("Model", parts::whole(&model.address)),
            ("Owner", html! { a href={ "/creators/" (model.owner) } { (parts::whole(&model.owner)) } }),
            ("Creator", html! { a href={ "/creators/" (model.creator) } { (parts::whole(&model.creator)) } }),
            ("Described at", parts::written(model.uri.as_deref())),
        ]))
    }
}

fn tiles(site: &Site, page: &ModelPage) -> Markup {
    let model = &page.model;
    let mut tiles = vec![(
        "Royalty".to_owned(),
        html! { (text::percent(model.royalty_bps)) },
        html! { "of every price that is settled with it" },
    )];
    for level in &page.totals {
        for amount in &level.royalties {
            tiles.push((
                format!("Royalties, {}", level.assurance.word()),
                parts::money(site, amount),
                html! { "of " (text::grouped(level.milestones)) " milestones" },
            ));
        }
    }
    tiles.push((
        "Work of an item".to_owned(),
        html! { @if model.work > 0 { (parts::count(model.work)) } @else { "–" } },
        html! {
            @if model.work > 0 { "units, in a graph of " (parts::count(model.graph_bytes)) " bytes" }
            @else { "it has no graph, so its jobs are reviewed" }
        },
    ));
    parts::tiles(&tiles)
}

fn totals(site: &Site, totals: &[ModelTotals]) -> Markup {
    let titles = [
        ("Assurance", false),
        ("Milestones", true),
        ("Work", true),
        ("Royalties", true),
    ];
    let row = |level: &ModelTotals| {
        vec![
            parts::assurance(level.assurance),
            parts::count(level.milestones),
            parts::count(level.work),
            parts::moneys(site, &level.royalties),
        ]
    };
    let rows: Vec<Vec<Markup>> = totals.iter().map(row).collect();
    html! {
        section .card {
            h2 { "What was done with it" }
            @if rows.is_empty() { (parts::empty("No milestone with it was settled yet.")) }
            @else { (parts::table("What was done with it at each assurance level", &titles, &rows)) }
        }
    }
}
