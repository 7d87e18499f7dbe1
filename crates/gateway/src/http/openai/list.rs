//! Lists, page by page.

use {
    super::super::{error::ApiError, json::shown},
    axum::{extract::Query, http::Uri},
    quern_api::openai::Page,
    std::collections::BTreeMap,
};

/// A list that is one page.
pub fn whole<T>(data: Vec<T>, id: fn(&T) -> &str) -> Page<T> {
    page(data, id, false)
}

/// A page, and whether others follow.
pub fn page<T>(data: Vec<T>, id: fn(&T) -> &str, has_more: bool) -> Page<T> {
    Page {
        object: "list".to_owned(),
        first_id: data.first().map(|item| id(item).to_owned()),
        last_id: data.last().map(|item| id(item).to_owned()),
        has_more,
        data,
    }
}

/// A request's query.
pub struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads the query; refuses names that the route does not know and names that occur twice.
    ///
    /// # Errors
    /// A sentence that says which.
    pub fn read(uri: &Uri, known: &[&str]) -> Result<Self, ApiError> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| ApiError::invalid("the query is not of the form name=value&name=value"))?;
        let mut values = BTreeMap::new();
        for (name, value) in pairs {
            let name = shown(&name);
            if !known.contains(&name.as_str()) {
                let all = known.join(", ");
                let message = format!("the parameter `{name}` is unknown here; known are: {all}");
                return Err(ApiError::field(&name, message));
            }
            if values.insert(name.clone(), value).is_some() {
                return Err(ApiError::field(&name, format!("`{name}` is given twice")));
            }
        }
        Ok(Self(values))
    }

    /// A value.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A number in a range.
    ///
    /// # Errors
    /// If it is none.
    pub fn limit(&self, default: usize, most: usize) -> Result<usize, ApiError> {
        let Some(text) = self.text("limit") else {
            return Ok(default);
        };
        let number = text.parse().ok();
        number
            .filter(|limit| (1..=most).contains(limit))
            .ok_or_else(|| {
                ApiError::field("limit", format!("limit must be a number from 1 to {most}"))
            })
    }
}

/// At most `limit` items behind the one with the id `after`, and whether others follow.
///
/// # Errors
/// If no item has that id.
pub fn after<T>(
    mut items: Vec<T>,
    after: Option<&str>,
    limit: usize,
    id: fn(&T) -> &str,
) -> Result<(Vec<T>, bool), ApiError> {
    if let Some(after) = after {
        let Some(at) = items.iter().position(|item| id(item) == after) else {
            return Err(ApiError::field(
                "after",
                "nothing in this list has the id `after`; take the last_id of the page before",
            ));
        };
        items.drain(..=at);
    }
    let has_more = items.len() > limit;
    items.truncate(limit);
    Ok((items, has_more))
}
