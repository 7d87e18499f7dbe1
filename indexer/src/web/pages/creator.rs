//! The models of an owner, with the royalties of each.

use {
    crate::web::{
        ask::Web,
        html::{Failure, Freshness, Page, Place},
        parts,
        query::{self, Params},
        text,
    },
    axum::{
        extract::{Path, State, rejection::PathRejection},
        http::Uri,
    },
    maud::{Markup, html},
    quern_api::{Amount, ModelList, ModelPage, ModelsRequest},
};

/// Models of a page: each is asked for by itself.
const MODELS: u32 = 12;

pub(in crate::web) async fn creator(
    State(web): State<Web>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Page, Failure> {
    let owner = query::address(path)?;
    let params = Params::read(&uri, &["cursor"])?;
    let request = ModelsRequest {
        owner: Some(owner),
        cursor: params.get("cursor").map(str::to_owned),
        limit: Some(MODELS),
        ..ModelsRequest::default()
    };
    let reply = web
        .ask::<ModelList>(ModelList::PATH, &request.query())
        .await?;
    let mut models = Vec::new();
    for model in &reply.body.models {
        let path = ModelPage::path(model.address);
        models.push(web.ask::<ModelPage>(&path, &[]).await?.body);
    }
    let path = format!("/creators/{owner}");
    let next = reply.body.next_cursor.as_deref();
    let next = next.map(|cursor| params.with("cursor", Some(cursor)).link(&path));
    let first = params.get("cursor").map(|_| path.clone());
    let titles = [
        ("Model", false),
        ("Kind", false),
        ("Royalty", true),
        ("Milestones, refereed", true),
        ("Milestones, reviewed", true),
        ("Royalties", true),
    ];
    let rows: Vec<Vec<Markup>> = models.iter().map(|model| row(&web, model)).collect();
    let body = html! {
        p .eyebrow { "Owner of models" }
        h1 { (text::short(&owner)) }
        (parts::facts(&[
            ("Address", parts::whole(&owner)),
            ("Elsewhere", html! { a href={ "/clients/" (owner) } { "its purses and jobs" } }),
        ]))
        section .card {
            h2 { "Models" }
            @if rows.is_empty() { (parts::empty("It owns no model.")) }
            @else { (parts::table("Models of this owner", &titles, &rows)) }
            (parts::pager(first.as_deref(), next.as_deref()))
        }
    };
    Ok(Page {
        title: format!("Models of {}", text::short(&owner)),
        place: Place::Models,
        freshness: Some(Freshness::of(&reply)),
        body,
    })
}

fn row(web: &Web, page: &ModelPage) -> Vec<Markup> {
    let model = &page.model;
    let milestones = |word: &str| {
        let level = page
            .totals
            .iter()
            .find(|level| level.assurance.word() == word);
        parts::count(level.map_or(0, |level| level.milestones))
    };
    let royalties: Vec<(&str, &Amount)> = page
        .totals
        .iter()
        .flat_map(|level| {
            level
                .royalties
                .iter()
                .map(|amount| (level.assurance.word(), amount))
        })
        .collect();
    vec![
        parts::who("models", &model.address, Some(&model.name)),
        html! { (text::words(model.kind.word())) },
        html! { (text::percent(model.royalty_bps)) },
        milestones("refereed"),
        milestones("reviewed"),
        html! {
            @if royalties.is_empty() { span .none { "–" } }
            @for (level, amount) in royalties {
                span .line { (parts::money(&web.site, amount)) span .quiet { " " (level) } }
            }
        },
    ]
}
