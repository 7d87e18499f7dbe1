//! The work on one batch, from its first line to its files.

use {
    super::{
        chunk::{self, Chunk, Reader},
        lines::Lines,
        output::{Unanswered, Written},
        shared::Shared,
        signals::{Interruption, Signals},
    },
    crate::{
        embedder::{Answer, Embedder, ModelCard, Request},
        http::{
            catalog::find_model,
            disk::blocking,
            error::ApiError,
            ids,
            store::{Part, Record, Room},
        },
        order::{OrderId, Stage},
        refusal::Refusal,
    },
    futures::{StreamExt, stream::FuturesOrdered},
    quern_api::openai::{BatchError, BatchErrors, BatchStatus, LineError},
    std::{io, path::PathBuf, time::Duration},
};

/// Most requests of a batch; OpenAI's limit.
const MAX_LINES: u64 = 50_000;
/// Chunks at a time: their rows wait together, so that jobs get large.
const CHUNKS: usize = 3;
/// How long one wait for the engine takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause after a refusal that passes.
const PAUSE: Duration = Duration::from_secs(5);
/// Longest pause: caps move on by the minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often a chunk that failed inside the gateway is tried again.
const ATTEMPTS: u32 = 20;

/// Why a batch ends without its answers.
enum End {
    Interrupted(Interruption),
    /// The batch as a whole is wrong, or cannot be kept.
    Failed(BatchError),
}

impl From<ApiError> for End {
    fn from(error: ApiError) -> Self {
        let detail = error.detail();
        Self::Failed(BatchError {
            code: detail.code.clone().unwrap_or_else(|| detail.r#type.clone()),
            message: detail.message.clone(),
            param: detail.param.clone(),
            line: None,
        })
    }
}

impl From<quern_data::DataError> for End {
    fn from(error: quern_data::DataError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        ApiError::internal(format!("cannot read the input: {error}")).into()
    }
}

/// Works on a batch until it has ended or the gateway stops.
pub async fn work(shared: &Shared, id: &str, signals: Signals) {
    let Some(record) = shared.batches.get(id) else {
        return;
    };
    let mut task = Task {
        input: shared.files.data(&record.batch.input_file_id),
        shared,
        id: id.to_owned(),
        signals,
        expires_at: record.batch.expires_at,
        asked: Vec::new(),
    };
    let outcome = match record.batch.status {
        BatchStatus::Cancelling => Err(End::Interrupted(Interruption::Cancelled)),
        _ => task.run(&record).await,
    };
    let ended = match outcome {
        Err(End::Interrupted(Interruption::Stopped)) => return,
        Err(End::Interrupted(Interruption::Cancelled)) => {
            task.wind_up(
                "batch_cancelled",
                "the batch was cancelled before this request was answered",
                BatchStatus::Cancelled,
            )
            .await
        }
        Err(End::Interrupted(Interruption::Expired)) => {
            task.wind_up(
                "batch_expired",
                "the batch's window passed before this request was answered",
                BatchStatus::Expired,
            )
            .await
        }
        Err(End::Failed(error)) => task.fail(error).await,
        Ok(()) => task.finish(BatchStatus::Completed, None).await,
    };
    if let Err(End::Failed(error)) = ended
        && task.fail(error).await.is_err()
    {
        tracing::error!(batch = id, "cannot end a batch; the next start tries again");
    }
}

struct Task<'a> {
    shared: &'a Shared,
    id: String,
    input: PathBuf,
    signals: Signals,
    expires_at: Option<i64>,
    /// The engine's names of the chunks that were asked and are not written.
    asked: Vec<OrderId>,
}

impl Task<'_> {
    async fn run(&mut self, record: &Record) -> Result<(), End> {
        if record.batch.status == BatchStatus::Validating {
            self.validate().await?;
        }
        if let Some(id) = record.work.written.as_deref().and_then(OrderId::new) {
            self.forget(&id).await;
        }
        self.answer(record).await
    }

    /// Counts the lines.
    async fn validate(&self) -> Result<(), End> {
        let input = self.input.clone();
        let total = blocking(move || count(&input)).await??;
        if total == 0 || total > MAX_LINES {
            let (code, why) = match total {
                0 => (
                    "empty_file",
                    "the input has no requests; put one on each line".to_owned(),
                ),
                _ => (
                    "too_many_requests",
                    format!("the input has more than {MAX_LINES} requests; split it"),
                ),
            };
            return Err(End::Failed(BatchError {
                code: code.to_owned(),
                message: why,
                param: Some("input_file_id".to_owned()),
                line: None,
            }));
        }
        self.change(move |record| {
            record.batch.request_counts.total = total;
            // A cancellation that came meanwhile stays.
            if record.batch.status == BatchStatus::Validating {
                record.batch.status = BatchStatus::InProgress;
                record.batch.in_progress_at = Some(ids::now());
            }
        })
        .await
    }

    /// Answers chunk by chunk, in order, some at a time.
    async fn answer(&mut self, record: &Record) -> Result<(), End> {
        let (input, done) = (self.input.clone(), record.work.at);
        let mut reader = blocking(move || Reader::open(&input, done)).await??;
        let mut model = self.model_of(record);
        let mut waiting = FuturesOrdered::new();
        let mut next = None;
        let shared = self.shared;
        loop {
            while waiting.len() < CHUNKS {
                if next.is_none() {
                    (reader, next) = self.read(reader, &mut model).await?;
                }
                let Some(chunk) = next.take() else {
                    break;
                };
                // Nothing is paid whose answer finds no room.
                let room = match shared.files.room(chunk.most_bytes()) {
                    Ok(room) => room,
                    // What was asked has its room, and comes first.
                    Err(_) if !waiting.is_empty() => {
                        next = Some(chunk);
                        break;
                    }
                    Err(error) => return Err(error.into()),
                };
                self.asked.push(chunk.id.clone());
                let attempt = attempt(shared, chunk, self.signals.clone(), self.expires_at);
                waiting.push_back(async move { (room, attempt.await) });
            }
            let Some((room, (chunk, outcome))) = waiting.next().await else {
                return Ok(());
            };
            let id = chunk.id.clone();
            match outcome {
                Ok(answer) => self.write(chunk, Ok(&answer), room).await?,
                Err(Stop::Refused(refusal)) => {
                    let why = Unanswered::Refused(refusal.into());
                    self.write(chunk, Err(&why), room).await?;
                }
                Err(Stop::Interrupted(why)) => {
                    return Err(End::Interrupted(why));
                }
            }
            self.asked.retain(|one| *one != id);
        }
    }

    /// The next chunk; None at the end.
    async fn read(
        &self,
        mut reader: Reader,
        model: &mut Option<ModelCard>,
    ) -> Result<(Reader, Option<Chunk>), End> {
        let (reader, read) = blocking(move || {
            let read = reader.next();
            (reader, read)
        })
        .await?;
        let Some(read) = read? else {
            return Ok((reader, None));
        };
        let embedder = self.shared.embedder.as_ref();
        let chunk = chunk::prepare(&self.id, read, model.take(), embedder).await?;
        model.clone_from(&chunk.model);
        Ok((reader, Some(chunk)))
    }

    fn model_of(&self, record: &Record) -> Option<ModelCard> {
        let name = record.batch.model.as_deref()?;
        find_model(self.shared.embedder.as_ref(), name).ok()
    }

    /// Writes the lines of a chunk, then how far the batch is.
    async fn write(
        &self,
        chunk: Chunk,
        outcome: Result<&Answer, &Unanswered>,
        room: Room,
    ) -> Result<(), End> {
        let (at, line) = (chunk.at, chunk.line);
        let (id, asked) = (chunk.id.clone(), !chunk.rows.is_empty());
        let model = chunk.model.as_ref().map(|card| card.name.clone());
        let written = Written::of(chunk, outcome)?;
        let name = id.as_str().to_owned();
        self.append(written, room, move |record| {
            record.work.at = at;
            record.work.line = line;
            record.work.written = Some(name);
            record.batch.model = model;
        })
        .await?;
        if asked {
            self.forget(&id).await;
        }
        Ok(())
    }

    async fn append(
        &self,
        written: Written,
        mut room: Room,
        then: impl FnOnce(&mut Record) + Send + 'static,
    ) -> Result<(), End> {
        let record = self.shared.batches.get(&self.id).ok_or_else(gone)?;
        let files = self.shared.files.clone();
        let Written {
            output,
            errors,
            completed,
            failed,
            tokens,
        } = written;
        let (output_bytes, error_bytes) = (output.len() as u64, errors.len() as u64);
        let write = move || -> Result<(), ApiError> {
            room.take(output_bytes + error_bytes)?;
            for (part, bytes) in [
                (&record.work.output, &output),
                (&record.work.errors, &errors),
            ] {
                quern_data::files::write_from(&files.data(&part.id), part.bytes, bytes)?;
            }
            Ok(())
        };
        blocking(write).await??;
        self.change(move |record| {
            record.work.output.bytes += output_bytes;
            record.work.errors.bytes += error_bytes;
            let batch = &mut record.batch;
            batch.request_counts.completed += completed;
            batch.request_counts.failed += failed;
            batch.usage.input_tokens += tokens;
            batch.usage.total_tokens += tokens;
            then(record);
        })
        .await
    }

    /// Ends a batch early: what was answered stays, every other line gets the reason.
    async fn wind_up(&mut self, code: &str, why: &str, status: BatchStatus) -> Result<(), End> {
        let record = self.shared.batches.get(&self.id).ok_or_else(gone)?;
        let (input, done) = (self.input.clone(), record.work.at);
        let mut reader = blocking(move || Reader::open(&input, done)).await??;
        let mut model = self.model_of(&record);
        let why = Unanswered::NotAsked(LineError {
            code: code.to_owned(),
            message: why.to_owned(),
        });
        // Counted now if it had no time before.
        if record.batch.request_counts.total == 0 {
            let input = self.input.clone();
            let total = blocking(move || count(&input)).await??;
            self.change(move |record| record.batch.request_counts.total = total)
                .await?;
        }
        loop {
            let next;
            (reader, next) = self.read(reader, &mut model).await?;
            let Some(chunk) = next else {
                break;
            };
            let embedder = self.shared.embedder.as_ref();
            let room = self.shared.files.room(0)?;
            // What was asked already is ended; what has its answer is written.
            match ended(embedder, &chunk.id).await {
                Some(Ok(answer)) => self.write(chunk, Ok(&answer), room).await?,
                Some(Err(refusal)) => {
                    let why = Unanswered::Refused(refusal.into());
                    self.write(chunk, Err(&why), room).await?;
                }
                None => self.write(chunk, Err(&why), room).await?,
            }
        }
        self.finish(status, None).await
    }

    /// Ends a batch that is wrong or cannot be kept: what was asked for it and nobody has taken is not paid.
    async fn fail(&mut self, error: BatchError) -> Result<(), End> {
        for id in std::mem::take(&mut self.asked) {
            // It may not be known yet: then there is nothing to pay.
            let _ = self.shared.embedder.cancel(&id).await;
        }
        self.finish(BatchStatus::Failed, Some(error)).await
    }

    /// Puts the files into the list and says how the batch ended.
    async fn finish(&self, status: BatchStatus, error: Option<BatchError>) -> Result<(), End> {
        if status == BatchStatus::Completed {
            self.change(|record| {
                record.batch.status = BatchStatus::Finalizing;
                record.batch.finalizing_at = Some(ids::now());
            })
            .await?;
        }
        let record = self.shared.batches.get(&self.id).ok_or_else(gone)?;
        let (files, id) = (self.shared.files.clone(), self.id.clone());
        let list =
            move |part: &Part, kind: &str| -> Result<Option<String>, quern_data::DataError> {
                match part.bytes {
                    0 => files.discard(&part.id, 0).map(|()| None),
                    bytes => {
                        let name = format!("{id}_{kind}.jsonl");
                        files.list(&part.id, &name, "batch_output", bytes)?;
                        Ok(Some(part.id.clone()))
                    }
                }
            };
        let work = record.work;
        let listed = blocking(move || {
            let output = list(&work.output, "output")?;
            Ok::<_, quern_data::DataError>((output, list(&work.errors, "error")?))
        });
        let (output, errors) = listed.await??;
        self.change(move |record| {
            let (batch, now) = (&mut record.batch, Some(ids::now()));
            batch.status = status;
            batch.output_file_id = output;
            batch.error_file_id = errors;
            match status {
                BatchStatus::Completed => batch.completed_at = now,
                BatchStatus::Cancelled => batch.cancelled_at = now,
                BatchStatus::Expired => batch.expired_at = now,
                _ => batch.failed_at = now,
            }
            batch.errors = error.map(|error| BatchErrors {
                object: "list".to_owned(),
                data: vec![error],
            });
        })
        .await
    }

    async fn change(&self, change: impl FnOnce(&mut Record) + Send + 'static) -> Result<(), End> {
        let (batches, id) = (self.shared.batches.clone(), self.id.clone());
        blocking(move || batches.change(&id, change)).await??;
        Ok(())
    }

    async fn forget(&self, id: &OrderId) {
        // It may be forgotten already, after a kill.
        if let Err(why) = self.shared.embedder.forget(id).await {
            tracing::debug!(%id, %why, "a request of a batch was not forgotten");
        }
    }
}

fn gone() -> End {
    ApiError::internal("the batch is gone").into()
}

fn count(input: &std::path::Path) -> io::Result<u64> {
    let mut lines = Lines::open(input, 0, 0)?;
    let mut total = 0;
    while total <= MAX_LINES && lines.next()?.is_some() {
        total += 1;
    }
    Ok(total)
}

/// Ends what was asked for a chunk. What is paid already is read: its answer, or why it cannot be read.
async fn ended(embedder: &dyn Embedder, id: &OrderId) -> Option<Result<Answer, Refusal>> {
    let progress = embedder.cancel(id).await.ok()?;
    match progress.stage {
        Stage::Answered => Some(embedder.wait(id, PATIENCE).await),
        _ => None,
    }
}

/// Why a chunk has no answer.
enum Stop {
    Refused(Refusal),
    Interrupted(Interruption),
}

/// Asks the engine for a chunk until it answers, refuses for good, or the work must end.
async fn attempt(
    shared: &Shared,
    chunk: Chunk,
    mut signals: Signals,
    expires_at: Option<i64>,
) -> (Chunk, Result<Answer, Stop>) {
    let outcome = tokio::select! {
        outcome = asked(shared, &chunk) => outcome.map_err(Stop::Refused),
        why = signals.interrupted(expires_at) => Err(Stop::Interrupted(why)),
    };
    (chunk, outcome)
}

async fn asked(shared: &Shared, chunk: &Chunk) -> Result<Answer, Refusal> {
    let embedder = shared.embedder.as_ref();
    let (Some(model), false) = (&chunk.model, chunk.rows.is_empty()) else {
        return Ok(Answer {
            vectors: Vec::new(),
            tokens: 0,
            jobs: Vec::new(),
        });
    };
    let mut failures = 0;
    loop {
        let request = Request {
            id: chunk.id.clone(),
            body_sha256: chunk.sha256,
            model: model.address.clone(),
            rows: chunk.rows.clone(),
            is_batch: true,
            most_atoms: None,
        };
        let answered = async {
            embedder.place(request).await?;
            loop {
                match embedder.wait(&chunk.id, PATIENCE).await {
                    Err(Refusal::TimedOut { .. }) => {}
                    outcome => return outcome,
                }
            }
        };
        let why = match answered.await {
            Ok(answer) => return Ok(answer),
            // The runner hears of it, too, and ends this.
            Err(Refusal::ShuttingDown) => std::future::pending().await,
            Err(why) => why,
        };
        let is_internal = matches!(why, Refusal::Internal { .. });
        failures += u32::from(is_internal);
        if !(why.is_passing() || is_internal && failures < ATTEMPTS) {
            return Err(why);
        }
        tracing::info!(chunk = %chunk.id, %why, "a part of a batch has to wait; trying again");
        tokio::time::sleep(pause(&why)).await;
    }
}

fn pause(why: &Refusal) -> Duration {
    match why {
        Refusal::OverCap {
            retry_after_secs: Some(secs),
            ..
        } => Duration::from_secs(*secs).clamp(PAUSE, LONGEST_PAUSE),
        _ => PAUSE,
    }
}
