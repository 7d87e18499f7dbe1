//! The search box: any address leads to its page.

use {
    crate::web::{
        ask::Web,
        html::Failure,
        layout::SEARCH_CHARS,
        query::{self, Params},
    },
    axum::{
        extract::State,
        http::Uri,
        response::{IntoResponse, Redirect, Response},
    },
    quern_api::{
        CampaignPage, ClientPage, JobPage, JobRequest, Key, ModelPage, ProviderPage, PursePage,
        Signature,
    },
    serde::de::IgnoredAny,
};

pub(in crate::web) async fn search(State(web): State<Web>, uri: Uri) -> Result<Response, Failure> {
    let params = Params::read(&uri, &["q"])?;
    let text = params.get("q").unwrap_or_default().trim();
    let Some(address) = Key::parse(text) else {
        return by_other_text(&web, text);
    };
    let limit = JobRequest {
        limit: Some(1),
        ..JobRequest::default()
    };
    let places = [
        ("jobs", JobPage::path(address), limit.query()),
        ("providers", ProviderPage::path(address), Vec::new()),
        ("models", ModelPage::path(address), Vec::new()),
        ("campaigns", CampaignPage::path(address), Vec::new()),
        ("purses", PursePage::path(address), Vec::new()),
        ("clients", ClientPage::path(address), Vec::new()),
    ];
    for (kind, path, query) in places {
        match web.ask::<IgnoredAny>(&path, &query).await {
            Ok(_) => return Ok(Redirect::to(&format!("/{kind}/{address}")).into_response()),
            Err(failure) if failure.is_missing() => {}
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::not_found(format!(
        "{address} is no job, provider, model, campaign, purse or client of the program"
    )))
}

/// A transaction is shown by the explorer, if there is one.
fn by_other_text(web: &Web, text: &str) -> Result<Response, Failure> {
    let signature = Signature::parse(text);
    if let Some(href) = signature.and_then(|signature| web.site.transaction(&signature)) {
        return Ok(Redirect::to(&href).into_response());
    }
    Err(match (signature, text) {
        (Some(_), _) => Failure::not_found(
            "that is the signature of a transaction, and this indexer names no explorer that shows it; search for the \
             address of a job, a provider, a model, a campaign, a purse or a client",
        ),
        (None, "") => Failure::bad_request("the search box was empty; it takes an address"),
        (None, text) if text.chars().count() >= SEARCH_CHARS => Failure::bad_request(
            "the text is longer than any address; it takes the address of a job, a provider, a model, a campaign, a purse or a client",
        ),
        (None, text) => Failure::bad_request(format!(
            "“{}” is not an address of Solana; it takes the address of a job, a provider, a model, a campaign, a purse or a client",
            query::repeated(text)
        )),
    })
}
