//! Pages as HTTP responses: what a browser may do with them, and how a failure is told.

use {
    axum::{
        http::{HeaderName, HeaderValue, StatusCode, header},
        response::{IntoResponse, Response},
    },
    maud::{Markup, html},
    quern_api::{Problem, Reply},
    std::fmt::Display,
};

/// Nothing is loaded from elsewhere, no script or style stands in a page, no other site shows the page within its own.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// What every page and every file of it says to browsers.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// The headers of [`HEADERS`] on a response.
pub(super) fn guarded(mut response: Response) -> Response {
    response.headers_mut().extend(HEADERS);
    response
}

/// Where a page stands in the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub(super) enum Place {
    Home,
    Providers,
    Models,
    Clients,
    Jobs,
    Campaigns,
    Network,
    Elsewhere,
}

/// As of when a page is true.
#[derive(Clone, Copy, Debug)]
pub(super) struct Freshness {
    /// Everything finalized up to this slot is in it.
    pub slot: Option<u64>,
    /// How far that is behind the node.
    pub lag_slots: Option<u64>,
    /// Whether nothing is known to be missing.
    pub is_whole: bool,
}

impl Freshness {
    pub(super) fn of<T>(reply: &Reply<T>) -> Self {
        Self {
            slot: reply.as_of_slot,
            lag_slots: reply.lag_slots,
            is_whole: reply.whole_history,
        }
    }
}

/// A page, before its frame.
pub(super) struct Page {
    pub title: String,
    pub place: Place,
    pub freshness: Option<Freshness>,
    pub body: Markup,
}

/// Why there is no page.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    detail: String,
}

impl Failure {
    pub(super) fn of(problem: Problem) -> Self {
        Self {
            status: StatusCode::from_u16(problem.status)
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            detail: problem.detail,
        }
    }

    /// Why the API refused the question, unless it failed otherwise.
    pub(super) fn refusal(self) -> Result<String, Self> {
        match self.status {
            StatusCode::BAD_REQUEST => Ok(self.detail),
            _ => Err(self),
        }
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            detail: detail.into(),
        }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            detail: detail.into(),
        }
    }

    pub(super) fn wrong_method() -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            detail: "this page can only be read".to_owned(),
        }
    }

    /// The cause is for the operator; a visitor can do nothing about it.
    pub(super) fn broken(error: &dyn Display) -> Self {
        tracing::error!(%error, "a page cannot be made");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            detail: "the indexer could not make this page; its log says why".to_owned(),
        }
    }

    pub(super) fn is_missing(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// What happened, in a reader's words, and what helps.
    fn told(&self) -> (&'static str, &'static str) {
        match self.status {
            StatusCode::NOT_FOUND => (
                "Nothing is here",
                "Check the address, or search for it above. What happened in the last seconds appears once it is finalized.",
            ),
            StatusCode::BAD_REQUEST => (
                "This link does not work",
                "Go back, or begin again from a link of the navigation.",
            ),
            StatusCode::METHOD_NOT_ALLOWED => ("This page can only be read", "Open it as a link."),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => (
                "Too busy at the moment",
                "Wait some seconds, then load the page again.",
            ),
            _ => (
                "Something went wrong",
                "Load the page again later. If it stays like this, tell whoever runs this indexer.",
            ),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (title, advice) = self.told();
        let body = html! {
            section .error {
                p .eyebrow { "Error " (self.status.as_u16()) }
                h1 { (title) }
                p .lead { (sentence(&self.detail)) }
                p { (advice) }
                p { a .button href="/" { "To the overview" } }
            }
        };
        let page = Page {
            title: title.to_owned(),
            place: Place::Elsewhere,
            freshness: None,
            body,
        };
        (self.status, page).into_response()
    }
}

/// A problem's detail as a sentence of a page.
fn sentence(detail: &str) -> String {
    let mut text = super::text::capital(&quern_client::text::escaped(detail));
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}
