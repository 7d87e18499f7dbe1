//! `/v1/batches`: many requests in a file, answered into a file within a day.

use {
    super::{
        super::{
            app::App,
            ask,
            batch::{ENDPOINT, WINDOW, WINDOW_SECS},
            disk::blocking,
            error::ApiError,
            ids, json,
            json::shown,
            reply::Json,
            store::{Part, Record, Work},
        },
        files,
        list::{Params, page},
    },
    axum::{
        body::Body,
        extract::{Path, State},
        http::{HeaderMap, Uri},
    },
    quern_api::openai::{Batch, BatchStatus, BatchUsage, Page, RequestCounts},
    serde::Deserialize,
    std::collections::BTreeMap,
};

/// Batches of a page unless the request says a number; OpenAI's own.
const PAGE_BATCHES: usize = 20;
/// Most batches of a page; OpenAI's own.
const MAX_PAGE_BATCHES: usize = 100;
/// Most pairs of metadata, and their sizes in characters; OpenAI's own.
const MAX_PAIRS: usize = 16;
const MAX_NAME: usize = 64;
const MAX_VALUE: usize = 512;
/// A library repeats a request within this time, in seconds; later the same body means another batch.
const REPEAT_SECS: i64 = 3600;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateRequest {
    input_file_id: String,
    endpoint: String,
    completion_window: String,
    metadata: Option<BTreeMap<String, String>>,
}

/// Keeps a batch and begins with it.
pub async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Batch>, ApiError> {
    let body = json::read(&headers, body, app.waits().body).await?;
    let request: CreateRequest = json::parse(&body)?;
    check(&request)?;
    let body_sha256 = hex::encode(ask::body_hash("batches", &body));
    let key = ask::key_hash(&headers)?;
    let repeats = repeats(&headers, key.as_deref(), &body_sha256);
    if let Some(made) = app.batches().find(&repeats) {
        return repeated(made, &body_sha256);
    }
    let input = app
        .files()
        .get(&request.input_file_id)
        .ok_or_else(|| files::unknown(&request.input_file_id).param("input_file_id"))?;
    if input.purpose != files::PURPOSE {
        return Err(ApiError::field(
            "input_file_id",
            format!(
                "the file {} is an output; upload the input with the purpose `{}`",
                input.id,
                files::PURPOSE
            ),
        ));
    }
    let record = record(request, body_sha256.clone(), key);
    // To the end, even if the caller hangs up: a batch that is kept is worked on.
    let add = move || {
        let id = record.batch.id.clone();
        let kept = app.batches().add(record, &repeats)?;
        if kept.batch.id == id {
            app.runner().begin(&id);
        }
        Ok::<_, ApiError>(kept)
    };
    repeated(blocking(add).await??, &body_sha256)
}

fn check(request: &CreateRequest) -> Result<(), ApiError> {
    if request.endpoint != ENDPOINT {
        let message =
            format!("batches go to {ENDPOINT} here: no model of another endpoint is refereed yet");
        return Err(ApiError::field("endpoint", message));
    }
    if request.completion_window != WINDOW {
        let message = format!("the completion_window must be `{WINDOW}`");
        return Err(ApiError::field("completion_window", message));
    }
    let Some(pairs) = &request.metadata else {
        return Ok(());
    };
    let fits = |(name, value): (&String, &String)| {
        name.chars().count() <= MAX_NAME && value.chars().count() <= MAX_VALUE
    };
    match pairs.len() <= MAX_PAIRS && pairs.iter().all(fits) {
        true => Ok(()),
        false => Err(ApiError::field(
            "metadata",
            format!(
                "metadata has at most {MAX_PAIRS} pairs, of names up to {MAX_NAME} and values up to {MAX_VALUE} characters"
            ),
        )),
    }
}

/// Which kept batch a request means, if it repeats one: that of its key, or of the same body if a library repeats itself.
fn repeats(
    headers: &HeaderMap,
    key: Option<&str>,
    body_sha256: &str,
) -> impl Fn(&Record) -> bool + Send + 'static {
    let (key, body_sha256) = (key.map(str::to_owned), body_sha256.to_owned());
    let is_repeated = ask::is_repeated(headers);
    let since = ids::now() - REPEAT_SECS;
    move |record| match &key {
        Some(_) => record.key == key,
        None => {
            is_repeated
                && record.key.is_none()
                && record.body_sha256 == body_sha256
                && record.batch.created_at >= since
        }
    }
}

/// A kept batch, as the answer to a request for it.
fn repeated(record: Record, body_sha256: &str) -> Result<Json<Batch>, ApiError> {
    match record.body_sha256 == body_sha256 {
        true => Ok(Json(record.batch)),
        false => Err(ask::key_reused()),
    }
}

fn record(request: CreateRequest, body_sha256: String, key: Option<String>) -> Record {
    let created_at = ids::now();
    let part = || Part {
        id: ids::ordered("file-"),
        bytes: 0,
    };
    Record {
        batch: Batch {
            id: ids::ordered("batch_"),
            object: "batch".to_owned(),
            endpoint: request.endpoint,
            model: None,
            errors: None,
            input_file_id: request.input_file_id,
            completion_window: request.completion_window,
            status: BatchStatus::Validating,
            output_file_id: None,
            error_file_id: None,
            created_at,
            in_progress_at: None,
            expires_at: Some(created_at + WINDOW_SECS),
            finalizing_at: None,
            completed_at: None,
            failed_at: None,
            expired_at: None,
            cancelling_at: None,
            cancelled_at: None,
            request_counts: RequestCounts::default(),
            usage: BatchUsage::default(),
            metadata: request.metadata,
        },
        body_sha256,
        key,
        work: Work {
            at: 0,
            line: 0,
            output: part(),
            errors: part(),
            written: None,
        },
    }
}

/// Batches, newest first.
pub async fn list(State(app): State<App>, uri: Uri) -> Result<Json<Page<Batch>>, ApiError> {
    let params = Params::read(&uri, &["after", "limit"])?;
    let limit = params.limit(PAGE_BATCHES, MAX_PAGE_BATCHES)?;
    let all = app.batches().all();
    let (batches, has_more) =
        super::list::after(all, params.text("after"), limit, |batch| &batch.id)?;
    Ok(Json(page(batches, |batch| &batch.id, has_more)))
}

/// One batch.
pub async fn one(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Batch>, ApiError> {
    let record = app.batches().get(&id).ok_or_else(|| unknown(&id))?;
    Ok(Json(record.batch))
}

/// Ends a batch: what no job has yet is not asked any more.
pub async fn cancel(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Batch>, ApiError> {
    let cancelled = id.clone();
    // To the end, even if the caller hangs up: what is noted as cancelled is asked no further.
    let change = move || {
        let changed = app.batches().change(&cancelled, |record| {
            let batch = &mut record.batch;
            let may_end = matches!(
                batch.status,
                BatchStatus::Validating | BatchStatus::InProgress
            );
            if may_end {
                batch.status = BatchStatus::Cancelling;
                batch.cancelling_at = Some(ids::now());
            }
            may_end || batch.status == BatchStatus::Cancelling
        })?;
        if let Some((true, _)) = &changed {
            app.runner().cancel(&cancelled);
        }
        Ok::<_, quern_data::DataError>(changed)
    };
    let (is_ending, batch) = blocking(change).await??.ok_or_else(|| unknown(&id))?;
    if !is_ending {
        let status = batch.status.name();
        return Err(ApiError::conflict(
            "batch_ended",
            format!("a batch that is {status} cannot be cancelled"),
        ));
    }
    Ok(Json(batch))
}

fn unknown(id: &str) -> ApiError {
    let id = shown(id);
    ApiError::not_found(
        "batch_not_found",
        format!("there is no batch `{id}`; GET /v1/batches lists them"),
    )
}
