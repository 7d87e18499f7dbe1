//! The pages at `/`: what the HTTP API says, for people. Only here stands HTML.
//!
//! A page knows neither store nor views: it asks the API within the process and shows the answer, so that it can show nothing
//! that other readers do not get, and every limit of the API is one of the pages. [`site`] is what the operator decides about
//! them. Everything that strangers wrote is text ([`parts`]), never a link and never markup.

mod ask;
mod assets;
mod charts;
mod html;
mod layout;
mod pages;
mod parts;
mod query;
pub mod site;
mod text;

pub use site::{Explorer, MintName, Site};

use {
    ask::{Web, problem_of},
    axum::{
        Router,
        extract::{Request, State},
        http::header,
        response::{IntoResponse, Response},
        routing::get,
    },
    html::Failure,
    quern_api::{ClientEntry, Entry, ModelEntry},
    tower_http::{
        compression::CompressionLayer,
        request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
        trace::TraceLayer,
    },
};

/// Where the API stands; what is there speaks JSON to everybody.
const API: [&str; 5] = ["/v1/", "/health/", "/metrics", "/openapi.json", "/docs"];

/// The pages, with everything else left to the API.
pub fn router(api: Router, site: Site) -> Router {
    let web = Web::new(api, site);
    Router::new()
        .route("/", get(pages::home))
        .route("/providers", get(pages::board::<Entry>))
        .route("/models", get(pages::board::<ModelEntry>))
        .route("/clients", get(pages::board::<ClientEntry>))
        .route("/providers/{address}", get(pages::provider))
        .route("/models/{address}", get(pages::model))
        .route("/creators/{address}", get(pages::creator))
        .route("/clients/{address}", get(pages::client))
        .route("/jobs", get(pages::jobs))
        .route("/jobs/{address}", get(pages::job))
        .route("/campaigns", get(pages::campaigns))
        .route("/campaigns/{address}", get(pages::campaign))
        .route("/campaigns/{address}/entries/{provider}", get(pages::entry))
        .route("/purses/{address}", get(pages::purse))
        .route("/network", get(pages::network))
        .route("/search", get(pages::search))
        .route("/assets/{name}", get(assets::file))
        .method_not_allowed_fallback(async || Failure::wrong_method())
        // The API traces its requests by itself.
        .layer(TraceLayer::new_for_http())
        .fallback(beside)
        .with_state(web)
        .layer(CompressionLayer::new())
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
}

/// What is no page is the API's; a person who meets one of its refusals on no path of it gets a page.
async fn beside(State(web): State<Web>, mut request: Request) -> Response {
    let path = request.uri().path();
    let accept = request.headers().get(header::ACCEPT);
    let is_person = accept
        .and_then(|kinds| kinds.to_str().ok())
        .is_some_and(|kinds| kinds.contains("text/html"));
    if !is_person || API.iter().any(|start| path.starts_with(start)) {
        return web.call(request).await;
    }
    request.headers_mut().remove(header::ACCEPT_ENCODING);
    match problem_of(web.call(request).await).await {
        // Which paths the API has helps nobody who looks for a page.
        Ok(problem) if problem.status == 404 => {
            Failure::not_found("there is no page with this address").into_response()
        }
        Ok(problem) => Failure::of(problem).into_response(),
        Err(response) => response,
    }
}
