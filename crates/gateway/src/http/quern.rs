//! Quern's own routes: what was spent, and what vouches for a job.

use {
    super::{app::App, error::ApiError, openai::list::Params, reply::Json},
    crate::spending::Spending,
    axum::{
        extract::{Path, State},
        http::{HeaderMap, Uri, header},
        response::{IntoResponse, Response},
    },
    quern_api::gateway::{SpendingItem, SpendingPage},
    serde_json::Value,
};

/// Records of a page unless the request says a number.
const DEFAULT_RECORDS: usize = 100;
/// Most records of a page: a year of a job an hour.
const MAX_RECORDS: usize = 10_000;

/// What was spent, as JSON or, if the request accepts it, as CSV.
pub async fn spending(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, ApiError> {
    let params = Params::read(&uri, &["before", "limit"])?;
    let limit = params.limit(DEFAULT_RECORDS, MAX_RECORDS)?;
    let number = |text: &str| {
        text.parse().map_err(|_| {
            ApiError::field(
                "before",
                "before must be the next_before of the page before this",
            )
        })
    };
    let before = params.text("before").map(number).transpose()?;
    let data = app.embedder().spending(before, limit);
    let data: Vec<SpendingItem> = data.into_iter().map(item).collect();
    if wants_csv(&headers) {
        return Ok((
            [(header::CONTENT_TYPE, "text/csv; charset=utf-8")],
            csv(&data),
        )
            .into_response());
    }
    let is_full = data.len() == limit;
    let next_before = data.last().filter(|_| is_full).map(|last| last.number);
    Ok(Json(SpendingPage { data, next_before }).into_response())
}

fn wants_csv(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    accepted.is_some_and(|text| {
        let types = text.split(',').filter_map(|part| part.split(';').next());
        types
            .map(str::trim)
            .any(|word| word.eq_ignore_ascii_case("text/csv"))
    })
}

fn item(one: Spending) -> SpendingItem {
    SpendingItem {
        number: one.number,
        at: one.at,
        state: one.state.name().to_owned(),
        atoms: one.atoms,
        mint: one.mint,
        decimals: one.decimals,
        fee_lamports: one.fee_lamports,
        rows: one.rows,
        model: one.model,
        job: one.job,
        provider: one.provider,
        requests: one.requests,
        note: one.note,
    }
}

fn csv(data: &[SpendingItem]) -> String {
    let mut text =
        "number,at,state,atoms,mint,decimals,fee_lamports,rows,model,job,provider,requests,note\r\n"
            .to_owned();
    for one in data {
        let cells = [
            one.number.to_string(),
            one.at.to_string(),
            one.state.clone(),
            one.atoms.to_string(),
            one.mint.clone(),
            one.decimals.to_string(),
            one.fee_lamports.to_string(),
            one.rows.to_string(),
            one.model.clone(),
            one.job.clone().unwrap_or_default(),
            one.provider.clone().unwrap_or_default(),
            one.requests.join(" "),
            one.note.clone().unwrap_or_default(),
        ];
        text += &cells.map(|cell| quoted(&cell)).join(",");
        text += "\r\n";
    }
    text
}

/// A cell as RFC 4180 wants it. What a spreadsheet would take for a formula is made text.
fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let needs_quotes = is_formula || cell.contains([',', '"', '\r', '\n']);
    match (needs_quotes, is_formula) {
        (false, _) => cell.to_owned(),
        (true, false) => format!("\"{}\"", cell.replace('"', "\"\"")),
        (true, true) => format!("\"'{}\"", cell.replace('"', "\"\"")),
    }
}

/// What vouches for a job.
pub async fn receipt(
    State(app): State<App>,
    Path(job): Path<String>,
) -> Result<Json<Value>, ApiError> {
    app.embedder().receipt(&job).map(Json).ok_or_else(|| {
        ApiError::not_found(
            "receipt_not_found",
            "this gateway has no receipt of that job; its jobs stand in the header Quern-Job of its answers and in /quern/v1/spending",
        )
    })
}

/// Whether the process lives.
pub async fn live() -> Json<Value> {
    Json(serde_json::json!({"status": "live"}))
}

/// Whether it can answer.
pub async fn ready(State(app): State<App>) -> Response {
    let is_ready = !app.embedder().models().is_empty();
    let (status, word) = match is_ready {
        true => (axum::http::StatusCode::OK, "ready"),
        false => (
            axum::http::StatusCode::SERVICE_UNAVAILABLE,
            "no model is served",
        ),
    };
    (status, Json(serde_json::json!({"status": word}))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        for (cell, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(quoted(cell), expected);
        }
    }
}
