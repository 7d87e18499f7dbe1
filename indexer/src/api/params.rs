//! Reading paths and queries, with a clear sentence for everything that is wrong.

use {
    super::{ApiError, ask::Place},
    axum::{extract::Query, http::Uri},
    quern_api::{DEFAULT_PAGE_ROWS, Key, MAX_PAGE_ROWS, UnknownWord},
    std::{collections::BTreeMap, str::FromStr},
    url::form_urlencoded::Serializer,
};

/// A request's query.
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads the query; refuses names that the page does not know and names that occur twice.
    pub(super) fn read(uri: &Uri, known: &[&str]) -> Result<Self, ApiError> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| {
            ApiError::bad_request("the query is not of the form name=value&name=value".to_owned())
        })?;
        let mut values = BTreeMap::new();
        for (name, value) in pairs {
            if !known.contains(&name.as_str()) {
                return Err(ApiError::bad_request(format!(
                    "the parameter \"{name}\" is unknown here; known are: {}",
                    if known.is_empty() {
                        "none".to_owned()
                    } else {
                        known.join(", ")
                    }
                )));
            }
            if values.insert(name.clone(), value).is_some() {
                return Err(ApiError::bad_request(format!(
                    "the parameter \"{name}\" is given twice"
                )));
            }
        }
        Ok(Self(values))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// One of a few words.
    pub(super) fn word<T: FromStr<Err = UnknownWord>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|known| {
            ApiError::bad_request(format!("{name} \"{}\" is unknown; it {known}", shown(text)))
        })
    }

    pub(super) fn address(&self, name: &str) -> Result<Option<Key>, ApiError> {
        self.text(name).map(|text| address(name, text)).transpose()
    }

    pub(super) fn limit(&self) -> Result<u32, ApiError> {
        let Some(text) = self.text("limit") else {
            return Ok(DEFAULT_PAGE_ROWS);
        };
        u32::from_str(text)
            .ok()
            .filter(|limit| (1..=MAX_PAGE_ROWS).contains(limit))
            .ok_or_else(|| {
                ApiError::bad_request(format!(
                    "limit \"{}\" must be a number from 1 to {MAX_PAGE_ROWS}",
                    shown(text)
                ))
            })
    }

    /// A whole number.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| {
            let text = shown(text);
            ApiError::bad_request(format!("{name} \"{text}\" must be a whole number"))
        })
    }

    /// Yes or no.
    pub(super) fn truth(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(text) => {
                let text = shown(text);
                Err(ApiError::bad_request(format!(
                    "{name} \"{text}\" must be true or false"
                )))
            }
        }
    }

    /// The address of this page with another value of one parameter.
    pub(super) fn link(&self, path: &str, name: &str, value: &str) -> String {
        let others = self.0.iter().filter(|(known, _)| *known != name);
        let mut query = Serializer::new(format!("{path}?"));
        query.extend_pairs(others);
        query.append_pair(name, value);
        query.finish()
    }

    /// The bytes of a cursor of this length.
    pub(super) fn cursor<const N: usize>(&self, name: &str) -> Result<Option<[u8; N]>, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let mut bytes = [0; N];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| bad_cursor())?;
        Ok(Some(bytes))
    }
}

pub(super) fn bad_cursor() -> ApiError {
    ApiError::bad_request(
        "the cursor does not belong to this list: take next_cursor (of a job next_steps_cursor and so on) of the page before, with the same parameters".to_owned(),
    )
}

impl Place {
    /// The address in the path.
    pub(super) fn address(&self) -> Result<Key, ApiError> {
        address("address", self.text("address"))
    }
}

pub(super) fn address(name: &str, text: &str) -> Result<Key, ApiError> {
    Key::parse(text).ok_or_else(|| {
        ApiError::bad_request(format!(
            "{name} \"{}\" is not an address: it must be base58 of 32 bytes",
            shown(text)
        ))
    })
}

/// Input as it may be repeated in a reply: short.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}
