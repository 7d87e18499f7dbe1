//! What a request asks for, read and checked before any work is done.

use {
    super::{ApiError, ApiState, params::Params},
    crate::store::Snapshot,
    axum::{
        extract::{FromRequestParts, RawPathParams},
        http::{HeaderMap, header, request::Parts},
    },
    quern_api::Request,
    std::marker::PhantomData,
};

/// A request with these parameters.
pub(super) struct Ask<R> {
    /// What the query says.
    pub(super) params: Params,
    /// What the client takes.
    pub(super) format: Format,
    /// The version that the client has already.
    known: Option<String>,
    /// The path with its query, for links.
    pub(super) path: String,
    request: PhantomData<R>,
}

/// In which form a list is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Csv,
}

impl<R: Request, S: Send + Sync> FromRequestParts<S> for Ask<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let known = parts.headers.get(header::IF_NONE_MATCH);
        Ok(Self {
            params: Params::read(&parts.uri, R::PARAMS)?,
            format: Format::of(&parts.headers),
            known: known.and_then(|known| Some(known.to_str().ok()?.to_owned())),
            path: parts.uri.path().to_owned(),
            request: PhantomData,
        })
    }
}

impl<R> Ask<R> {
    /// The state to answer from, unless the client has the answer from it already.
    pub(super) async fn snapshot(&self, api: &ApiState) -> Result<Snapshot, ApiError> {
        let snapshot = api.store.read().await?;
        let tag = snapshot.version();
        match &self.known {
            Some(known) if names(known, &tag) => Err(ApiError::not_modified(tag)),
            _ => Ok(snapshot),
        }
    }
}

/// Whether an `If-None-Match` names this version; weak and strong tags are compared alike (RFC 9110, 13.1.2).
fn names(known: &str, tag: &str) -> bool {
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let wanted = plain(tag);
    known.trim() == "*" || known.split(',').any(|one| plain(one) == wanted)
}

impl Format {
    /// CSV if the client prefers it to JSON.
    fn of(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT).iter();
        let accepted: Vec<&str> = accepted.filter_map(|value| value.to_str().ok()).collect();
        let accepted = accepted.join(",");
        let weight = |media_type: &str| {
            let ranges = accepted.split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let is_it = parts.next()?.eq_ignore_ascii_case(media_type);
                let weight = parts.find_map(|part| part.strip_prefix("q="));
                is_it.then(|| weight.map_or(1.0, |text| text.parse().unwrap_or(0.0)))
            });
            ranges.fold(0.0_f32, f32::max)
        };
        match weight("text/csv") > weight("application/json") {
            true => Self::Csv,
            false => Self::Json,
        }
    }
}

/// A part of the path, by its name.
pub(super) struct Place(RawPathParams);

impl<S: Send + Sync> FromRequestParts<S> for Place {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params =
            params.map_err(|_| ApiError::bad_request("the path is not valid UTF-8".to_owned()))?;
        Ok(Self(params))
    }
}

impl Place {
    /// The text of a part.
    pub(super) fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, text)| text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn format(accept: &str) -> Format {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        Format::of(&headers)
    }

    #[test]
    fn csv_is_for_those_who_prefer_it() {
        for accept in [
            "text/csv",
            "TEXT/CSV",
            "application/json;q=0.5, text/csv",
            "text/csv;q=0.1",
        ] {
            assert_eq!(format(accept), Format::Csv, "{accept}");
        }
        for accept in [
            "*/*",
            "",
            "text/csv;q=0",
            "text/csv, application/json",
            "text/csv;q=x",
            "text/*",
        ] {
            assert_eq!(format(accept), Format::Json, "{accept}");
        }
        assert_eq!(Format::of(&HeaderMap::new()), Format::Json);
    }

    #[test]
    fn a_version_is_known_by_any_of_its_tags() {
        for known in ["W/\"5-1\"", "\"5-1\"", "\"x\", W/\"5-1\"", "*"] {
            assert!(names(known, "W/\"5-1\""), "{known}");
        }
        for known in ["", "\"5-2\"", "W/\"5-11\"", ",,,"] {
            assert!(!names(known, "W/\"5-1\""), "{known}");
        }
    }
}
