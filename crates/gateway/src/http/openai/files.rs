//! `/v1/files`: the inputs and outputs of batches.

use {
    super::{
        super::{
            app::App, disk::blocking, error::ApiError, json::shown, reply::Json, store::Upload,
        },
        list::{Params, page},
    },
    axum::{
        body::{Body, Bytes},
        extract::{Path, State},
        http::{HeaderMap, StatusCode, Uri, header},
        response::{IntoResponse, Response},
    },
    futures::stream,
    multer::{Field, Multipart},
    quern_api::openai::{DeletedFile, FileObject, Page},
    std::time::Duration,
    tokio::io::AsyncReadExt,
};

/// What files are for here.
pub const PURPOSE: &str = "batch";
/// Most bytes of a short field.
const MAX_FIELD_BYTES: usize = 256;
/// Bytes that are read from a file at a time.
const READ_BYTES: usize = 64 * 1024;
/// Files of a page unless the request says a number; OpenAI's own.
const PAGE_FILES: usize = 10_000;

/// Keeps a file.
pub async fn upload(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<FileObject>, ApiError> {
    let declared = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let boundary = declared.and_then(|text| multer::parse_boundary(text).ok());
    let Some(boundary) = boundary else {
        return Err(ApiError::refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "a file is sent as multipart/form-data with the fields `purpose` and `file`",
        ));
    };
    let Ok(_place) = app.uploads().try_acquire() else {
        return Err(ApiError::busy(
            "too many uploads at once; try again in some seconds",
        ));
    };
    let most = app.waits().upload;
    let parts = Multipart::new(body.into_data_stream(), boundary);
    let Ok(read) = tokio::time::timeout(most, read(&app, parts)).await else {
        return Err(late(format!(
            "the upload did not come within {} s; send less at a time",
            most.as_secs()
        )));
    };
    let (purpose, file) = read?;
    let missing = |name: &str| ApiError::field(name, format!("the field `{name}` is missing"));
    let purpose = purpose.ok_or_else(|| missing("purpose"))?;
    if purpose != PURPOSE {
        let message = format!("files are for batches here; send the purpose `{PURPOSE}`");
        return Err(ApiError::field("purpose", message));
    }
    let (upload, filename) = file.ok_or_else(|| missing("file"))?;
    let kept = blocking(move || upload.finish(&filename, PURPOSE)).await??;
    Ok(Json(kept))
}

/// Purpose and file of an upload.
async fn read(
    app: &App,
    mut parts: Multipart<'static>,
) -> Result<(Option<String>, Option<(Upload, String)>), ApiError> {
    let silence = app.waits().silence;
    let mut purpose = None;
    let mut file = None;
    while let Some(field) = in_time(silence, parts.next_field()).await? {
        match field.name() {
            Some("purpose") if purpose.is_none() => purpose = Some(short(silence, field).await?),
            Some("file") if file.is_none() => file = Some(keep(app, field).await?),
            other => {
                let name = shown(other.unwrap_or_default());
                return Err(ApiError::field(
                    &name,
                    format!(
                        "the field `{name}` is unknown or given twice; send `purpose` and `file`"
                    ),
                ));
            }
        }
    }
    Ok((purpose, file))
}

async fn short(silence: Duration, mut field: Field<'_>) -> Result<String, ApiError> {
    let mut text = Vec::new();
    while let Some(chunk) = in_time(silence, field.chunk()).await? {
        if text.len() + chunk.len() > MAX_FIELD_BYTES {
            let name = shown(field.name().unwrap_or_default());
            let message = format!("the field `{name}` is longer than {MAX_FIELD_BYTES} bytes");
            return Err(ApiError::field(&name, message));
        }
        text.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

async fn keep(app: &App, mut field: Field<'_>) -> Result<(Upload, String), ApiError> {
    let Some(filename) = field.file_name().map(str::to_owned) else {
        return Err(ApiError::field(
            "file",
            "the field `file` must be a file with a name",
        ));
    };
    let silence = app.waits().silence;
    let mut upload = app.files().upload()?;
    while let Some(chunk) = in_time(silence, field.chunk()).await? {
        upload = blocking(move || upload.add(&chunk).map(|()| upload)).await??;
    }
    Ok((upload, filename))
}

/// What comes of an upload, unless nothing comes.
async fn in_time<T>(
    silence: Duration,
    coming: impl Future<Output = multer::Result<T>>,
) -> Result<T, ApiError> {
    match tokio::time::timeout(silence, coming).await {
        Ok(Ok(came)) => Ok(came),
        Ok(Err(error)) => Err(ApiError::invalid(format!(
            "the upload is not valid multipart/form-data: {error}"
        ))),
        Err(_) => Err(late(format!(
            "nothing came for {} s; upload again",
            silence.as_secs()
        ))),
    }
}

fn late(message: String) -> ApiError {
    ApiError::refused(StatusCode::REQUEST_TIMEOUT, "body_timeout", message)
}

/// Files, newest first unless `order` says otherwise.
pub async fn list(State(app): State<App>, uri: Uri) -> Result<Json<Page<FileObject>>, ApiError> {
    let params = Params::read(&uri, &["after", "limit", "order", "purpose"])?;
    let limit = params.limit(PAGE_FILES, PAGE_FILES)?;
    let mut files = app.files().all();
    match params.text("order") {
        None | Some("desc") => files.reverse(),
        Some("asc") => {}
        Some(_) => return Err(ApiError::field("order", "order must be asc or desc")),
    }
    if let Some(purpose) = params.text("purpose") {
        files.retain(|file| file.purpose == purpose);
    }
    let (files, has_more) =
        super::list::after(files, params.text("after"), limit, |file| &file.id)?;
    Ok(Json(page(files, |file| &file.id, has_more)))
}

/// One file.
pub async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<FileObject>, ApiError> {
    app.files().get(&id).map(Json).ok_or_else(|| unknown(&id))
}

/// Its bytes.
pub async fn content(State(app): State<App>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let known = app.files().get(&id).ok_or_else(|| unknown(&id))?;
    let file = tokio::fs::File::open(app.files().data(&known.id))
        .await
        .map_err(|error| ApiError::internal(format!("cannot read {id}: {error}")))?;
    let chunks = stream::try_unfold(file, async |mut file| {
        let mut bytes = vec![0; READ_BYTES];
        let read = file.read(&mut bytes).await?;
        bytes.truncate(read);
        std::io::Result::Ok((read > 0).then(|| (Bytes::from(bytes), file)))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, known.bytes.to_string()),
        // Whatever is in it, a browser must not take it for a page.
        (header::CONTENT_DISPOSITION, "attachment".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// Removes a file, unless a batch still reads it.
pub async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<DeletedFile>, ApiError> {
    let reads = |record: &super::super::store::Record| {
        record.batch.input_file_id == id && !record.batch.status.has_ended()
    };
    if let Some(record) = app.batches().find(reads) {
        let batch = record.batch.id;
        return Err(ApiError::conflict(
            "file_in_use",
            format!("the batch {batch} reads this file; wait for its end or cancel it"),
        ));
    }
    let (files, removed) = (app.files().clone(), id.clone());
    match blocking(move || files.remove(&removed)).await?? {
        true => Ok(Json(DeletedFile {
            id,
            object: "file".to_owned(),
            deleted: true,
        })),
        false => Err(unknown(&id)),
    }
}

/// There is no such file.
pub fn unknown(id: &str) -> ApiError {
    let id = shown(id);
    ApiError::not_found(
        "file_not_found",
        format!("there is no file `{id}`; GET /v1/files lists them"),
    )
}
