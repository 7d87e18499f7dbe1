//! Asking the HTTP API within the process: a page sees what any reader of the API sees, within the same limits.

use {
    super::{html::Failure, site::Site},
    axum::{
        Router,
        body::{self, Body},
        extract::Request,
        http::{StatusCode, header},
        response::Response,
    },
    hyper::service::Service,
    hyper_util::service::TowerToHyperService,
    quern_api::{Problem, Reply, problem::MEDIA_TYPE},
    serde::de::DeserializeOwned,
    std::sync::Arc,
    url::form_urlencoded,
};

/// Most bytes of a reply that a page is made from.
const REPLY_BYTES: usize = 4 * 1024 * 1024;

/// What every page needs.
#[derive(Clone)]
pub(super) struct Web {
    api: Router,
    /// What the operator decides.
    pub(super) site: Arc<Site>,
}

impl Web {
    pub(super) fn new(api: Router, site: Site) -> Self {
        let site = Arc::new(site);
        Self { api, site }
    }

    /// The API's answer to a request.
    pub(super) async fn call(&self, request: Request) -> Response {
        match TowerToHyperService::new(self.api.clone())
            .call(request)
            .await
        {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// What the API says to a question.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Reply<T>, Failure> {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query)
            .finish();
        let request = Request::get(format!("{path}?{query}")).body(Body::empty());
        let request = request.map_err(|error| Failure::broken(&error))?;
        let (head, body) = self.call(request).await.into_parts();
        let bytes = body::to_bytes(body, REPLY_BYTES)
            .await
            .map_err(|error| Failure::broken(&error))?;
        if head.status == StatusCode::OK {
            return serde_json::from_slice(&bytes).map_err(|error| Failure::broken(&error));
        }
        let problem = serde_json::from_slice(&bytes);
        Err(Failure::of(
            problem.map_err(|error| Failure::broken(&error))?,
        ))
    }
}

/// The same, or what the API says to a question that is too large for one reply: a page shows the rest then.
pub(super) fn or_refusal<T>(said: Result<Reply<T>, Failure>) -> Result<Result<T, String>, Failure> {
    match said {
        Ok(reply) => Ok(Ok(reply.body)),
        Err(failure) => failure.refusal().map(Err),
    }
}

/// The problem that a response tells, or the response as it was.
pub(super) async fn problem_of(response: Response) -> Result<Problem, Response> {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != MEDIA_TYPE) {
        return Err(response);
    }
    let (head, body) = response.into_parts();
    let bytes = body::to_bytes(body, REPLY_BYTES).await.unwrap_or_default();
    serde_json::from_slice(&bytes).map_err(|_| Response::from_parts(head, Body::from(bytes)))
}
