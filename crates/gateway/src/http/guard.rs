//! Who may ask at all: a program of this machine that knows the token, never a page in a browser.
//!
//! A page that a user visits can send requests to loopback addresses. Its browser names the page in `Origin`, or, where the
//! page's own name was made to lead here, that name in `Host`: both are refused, and no reply allows anything to a page.

use {
    super::{error::ApiError, token::Token},
    axum::{
        extract::{Request, State},
        http::{HeaderMap, StatusCode, Uri, header, uri::Authority},
        middleware::Next,
        response::{IntoResponse, Response},
    },
    std::{net::IpAddr, sync::Arc},
};

/// Names of this machine that requests may use.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// Beside the loopback ones, in lower case.
    others: Arc<[String]>,
}

impl Hosts {
    /// The loopback names, and these.
    pub fn with(others: &[String]) -> Self {
        Self {
            others: others
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
        }
    }

    fn knows(&self, authority: &str) -> bool {
        let Ok(authority) = authority.parse::<Authority>() else {
            return false;
        };
        let host = authority.host().to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = bare
            .parse::<IpAddr>()
            .map_or(bare == "localhost", |address| {
                address.to_canonical().is_loopback()
            });
        let has_user = authority.as_str().contains('@');
        !has_user && (is_loopback || self.others.iter().any(|other| other == bare))
    }
}

/// Refuses requests for another machine, and requests of pages.
pub async fn local(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    match check(&hosts, request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn check(hosts: &Hosts, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
    let forbidden =
        |code: &str, why: &str| Err(ApiError::refused(StatusCode::FORBIDDEN, code, why));
    if headers.contains_key(header::ORIGIN) {
        return forbidden(
            "origin_forbidden",
            "pages in a browser may not use this gateway; send no Origin header",
        );
    }
    let mut named = headers.get_all(header::HOST).iter();
    let is_known = match (named.next(), named.next()) {
        (Some(host), None) => host.to_str().is_ok_and(|host| hosts.knows(host)),
        _ => false,
    };
    let is_target_known = uri
        .authority()
        .is_none_or(|target| hosts.knows(target.as_str()));
    if is_known && is_target_known {
        return Ok(());
    }
    forbidden(
        "host_forbidden",
        "this gateway answers only under its own names; use http://127.0.0.1 with its port, or name the host when it starts",
    )
}

/// Refuses requests without the token.
pub async fn with_token(State(token): State<Token>, request: Request, next: Next) -> Response {
    if bears(&token, request.headers()) {
        return next.run(request).await;
    }
    ApiError::refused(
        StatusCode::UNAUTHORIZED,
        "invalid_api_key",
        "the API key is missing or wrong; send the one in the gateway's api-key file as `Authorization: Bearer KEY`",
    )
    .into_response()
}

fn bears(token: &Token, headers: &HeaderMap) -> bool {
    let mut borne = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (borne.next(), borne.next()) else {
        return false;
    };
    let Some((scheme, key)) = value.as_bytes().split_at_checked("Bearer ".len()) else {
        return false;
    };
    scheme.eq_ignore_ascii_case(b"Bearer ") && token.is(key.trim_ascii())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_names_of_this_machine_are_known() {
        let hosts = Hosts::with(&["Gateway.lan".to_owned(), "10.0.0.5".to_owned()]);
        for good in [
            "127.0.0.1",
            "127.0.0.1:8402",
            "127.9.9.9:1",
            "localhost:8402",
            "LocalHost",
            "[::1]:8402",
            "[::1]",
            "gateway.lan:8402",
            "10.0.0.5:8402",
        ] {
            assert!(hosts.knows(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8402",
            "evil.localhost.example",
            "0.0.0.0:8402",
            "10.0.0.6",
            "127.0.0.1@evil.example",
            "evil.example@127.0.0.1",
            "[::2]:8402",
            "127.0.0.1 evil",
            "2130706433",
        ] {
            assert!(!hosts.knows(bad), "{bad}");
        }
    }
}
