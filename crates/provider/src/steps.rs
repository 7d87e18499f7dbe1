//! The steps of a job: take, work, publish, submit, finalize, close. Every one can be cut off anywhere; the next look, or the
//! next process, starts again from what the chain says.

use {
    crate::{
        context::{Context, unservable},
        error::Result,
        journal::{Record, Roots, Stage},
        offers::{self, Promised},
        prepare::{self, Prepared},
        worker::{MAX_NAME_BYTES, Output, WorkOrder, Worker},
    },
    quern_client::{
        ClientError, Pubkey,
        instructions::{NOBODY, job_address},
        quern::{
            error::QuernError,
            state::{Assurance, Job, JobKind, JobState},
        },
    },
    quern_data::{
        fetch,
        files::{self, failed},
        runtime::lock,
    },
    quern_proof::{hash::MISSING, limits::MAX_ROWS},
    std::{sync::atomic::Ordering, time::Instant},
};

/// How long a transaction whose outcome is unknown may still land: its blockhash is valid for 150 blocks.
pub(crate) const UNKNOWN_OUTCOME_SECS: i64 = 120;

/// Fetches and checks everything, then takes the job if it can still be done in time. Says whether it was taken, so that there is
/// work to do.
pub(crate) async fn take(context: &Context, address: &Pubkey, job: Job) -> Result<bool> {
    if job_address(&job) != *address {
        return Err(unservable(
            address,
            "its account does not lie at its address",
        ));
    }
    // An address that would be too long is found out before a bond is at stake: also those beside it, which readers derive.
    let longest_name = match job.is_refereed() {
        true => fetch::trace_file(MAX_ROWS),
        false => "x".repeat(MAX_NAME_BYTES),
    };
    context
        .settings
        .publisher
        .uri(&relative(address, u32::MAX, &longest_name))?;
    let prepared = prepare::offer(context, address, &job).await?;
    if let Some((prepared, worker)) = prepared.zip(context.worker.as_ref()) {
        let submission = job.submissions.get().saturating_add(1);
        let order = order(context, address, &job, submission, prepared, 1).await?;
        worker.check(Some(&order)).await?;
    }
    if context.is_stopping.load(Ordering::SeqCst) {
        return Ok(false);
    }
    // A disk without room for this has none for the result either: that is found out before a bond is at stake.
    begin(context, address, &job)?;
    // One after the other, so that no more campaigns are joined than the owner allows.
    let _joining = match job.campaign {
        NOBODY => None,
        _ => Some(context.joining.lock().await),
    };
    // Fetching took time, and other jobs may have been taken meanwhile.
    let Promised { joins, worth } = match offers::promise(context, address, &job).await? {
        Ok(promised) => promised,
        Err(refusal) => {
            context.leave_alone(address, &job, refusal);
            return Ok(false);
        }
    };
    tracing::info!(
        job = %address, price_atoms = job.price_atoms.get(), most_reward_atoms = worth.reward_atoms,
        campaign_score_atoms = worth.score_atoms, joins_campaign = joins, "taking"
    );
    let owner = &context.settings.owner;
    match context.chain.take(owner, &job, joins).await {
        Ok(()) => tracing::info!(job = %address, "taken"),
        Err(error) if is_beaten(&error) => {
            // Or an earlier take of its own, whose outcome was unknown: then its data are needed.
            tracing::debug!(job = %address, %error, "another provider was faster");
            lock(&context.promises).withdraw(address);
            return Ok(false);
        }
        Err(error) => {
            if matches!(error, ClientError::Refused(_) | ClientError::Expired { .. }) {
                lock(&context.promises).withdraw(address);
            }
            return Err(error.into());
        }
    }
    Ok(true)
}

/// Brings a taken job as far as a submission; there is memory for so many items at a time.
pub(crate) async fn work(
    context: &Context,
    address: &Pubkey,
    job: Job,
    items_at_once: u32,
) -> Result<()> {
    let mut record = begin(context, address, &job)?;
    if !has_files(context, address, &record) {
        record = record.at(Stage::Taken);
    }
    if record.stage == Stage::Taken {
        record = compute(context, address, &job, record, items_at_once).await?;
        context.journal.save(address, &record)?;
    }
    if let Stage::Computed { roots, files, uri } = &record.stage {
        let uri = publish(context, address, &record, files, uri.as_deref()).await?;
        record = record.at(Stage::Published {
            roots: *roots,
            uri,
            sent_at: None,
        });
        context.journal.save(address, &record)?;
    }
    match record.stage.clone() {
        Stage::Published {
            roots,
            uri,
            sent_at,
        } => submit(context, address, &job, record, roots, uri, sent_at).await,
        _ => Ok(()),
    }
}

/// What the journal knows of the submission that a job waits for, from now on at least that.
fn begin(context: &Context, address: &Pubkey, job: &Job) -> Result<Record> {
    if let Some(record) = begun(context, address, job)? {
        return Ok(record);
    }
    let submission = job.submissions.get().saturating_add(1);
    let record = Record::taken(address, job.milestone, submission);
    context.journal.save(address, &record)?;
    Ok(record)
}

/// What the journal knows of the submission that a taken job waits for.
fn begun(context: &Context, address: &Pubkey, job: &Job) -> Result<Option<Record>> {
    let submission = job.submissions.get().saturating_add(1);
    Ok(context.journal.load(address)?.filter(|record| {
        let is_this_one = (record.milestone, record.submission) == (job.milestone, submission);
        is_this_one && !matches!(record.stage, Stage::Submitted { .. } | Stage::Ended { .. })
    }))
}

/// Whether a taken job is still to be computed: then its data are needed.
pub(crate) fn needs_data(context: &Context, address: &Pubkey, job: &Job) -> Result<bool> {
    Ok(begun(context, address, job)?
        .is_none_or(|record| record.stage == Stage::Taken || !has_files(context, address, &record)))
}

/// Whether a file of a result is published as a courtesy to those who check it: without it the result is worth as much.
fn is_courtesy(place: usize, name: &str) -> bool {
    place > 0 && name.starts_with(fetch::ITEM_FILES)
}

/// Whether the files that a record speaks of are still there.
fn has_files(context: &Context, address: &Pubkey, record: &Record) -> bool {
    match &record.stage {
        Stage::Computed { files, .. } => files.iter().enumerate().all(|(place, name)| {
            let is_there = context
                .journal
                .submission_path(address, record.submission, name)
                .is_file();
            is_there || is_courtesy(place, name)
        }),
        _ => true,
    }
}

pub(crate) async fn compute(
    context: &Context,
    address: &Pubkey,
    job: &Job,
    record: Record,
    items_at_once: u32,
) -> Result<Record> {
    let prepared = prepare::prepare(context, address, job).await?;
    let submission = record.submission;
    let order = order(context, address, job, submission, prepared, items_at_once).await?;
    let started = Instant::now();
    let worker: &dyn Worker = match &context.worker {
        _ if order.tensors.is_some() => &context.integer,
        Some(worker) => worker.as_ref(),
        None => {
            return Err(unservable(
                address,
                "nothing here can do reviewed work; configure a worker",
            ));
        }
    };
    let result = worker.work(&order).await?;
    // How long a text took says how long it is, not how fast this machine works.
    if order.tensors.is_some()
        && result.tokens_root == MISSING
        && let Some(ability) = lock(&context.ability).as_mut()
    {
        ability.worked(job.work.get(), job.items.get(), started.elapsed());
    }
    tracing::info!(
        job = %address, milestone = job.milestone, work = job.work.get(), root = hex::encode(result.root),
        millis = started.elapsed().as_millis() as u64, "computed"
    );
    let roots = Roots {
        root: result.root,
        tokens_root: result.tokens_root,
    };
    let (files, uri) = match result.output {
        Output::Folder(names) => (names, None),
        Output::At(uri) => (Vec::new(), Some(uri)),
        Output::Files(files) => {
            let mut names = Vec::with_capacity(files.len());
            for (name, bytes) in files {
                let journal = &context.journal;
                let path = journal.submission_path(address, record.submission, &name);
                journal.write(&path, &bytes)?;
                names.push(name);
            }
            (names, None)
        }
    };
    Ok(record.at(Stage::Computed { roots, files, uri }))
}

/// Publishes the files of a submission and says where the first one is.
async fn publish(
    context: &Context,
    address: &Pubkey,
    record: &Record,
    files: &[String],
    uri: Option<&str>,
) -> Result<String> {
    let mut first = uri.map(str::to_owned);
    for (place, name) in files.iter().enumerate() {
        match publish_file(context, address, record, name).await {
            Ok(published) => {
                first.get_or_insert(published);
            }
            // A place that stalls would stall once for every item.
            Err(error) if is_courtesy(place, name) => {
                tracing::warn!(job = %address, name, %error, "cannot publish the traces of items; checking the result takes longer");
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(first.unwrap_or_default())
}

async fn publish_file(
    context: &Context,
    address: &Pubkey,
    record: &Record,
    name: &str,
) -> Result<String> {
    let journal = &context.journal;
    let path = journal.submission_path(address, record.submission, name);
    let bytes = journal.read(&path)?;
    let bytes = bytes.ok_or_else(|| failed(&path, &"it is gone"))?;
    let place = relative(address, record.submission, name);
    let (length, started) = (bytes.len() as u64, Instant::now());
    let published = context.settings.publisher.put(&place, bytes).await?;
    if let Some(ability) = lock(&context.ability).as_mut() {
        ability.published(length, started.elapsed());
    }
    Ok(published)
}

/// Sends the commitment, unless an earlier transaction with it may still land and pass for the next milestone's.
async fn submit(
    context: &Context,
    address: &Pubkey,
    job: &Job,
    record: Record,
    roots: Roots,
    uri: String,
    sent_at: Option<i64>,
) -> Result<()> {
    let moment = context.chain.moment().await?;
    let deadline = job.effective_deadline(&moment);
    if let Some(sent_at) = sent_at.filter(|_| job.milestones > 1) {
        let lands_until = sent_at.saturating_add(UNKNOWN_OUTCOME_SECS);
        let can_wait = lands_until < deadline.saturating_sub(UNKNOWN_OUTCOME_SECS);
        if moment.now < lands_until && can_wait {
            tracing::debug!(job = %address, "an earlier transaction may still land; waiting for it");
            return Ok(());
        }
    }
    if job.milestones > 1 {
        // The next milestone's worker asks for it.
        let path = context.journal.uri_path(address, &checkpoint(&roots.root));
        context.journal.write(&path, uri.as_bytes())?;
    }
    let published = |sent_at| {
        record.at(Stage::Published {
            roots,
            uri: uri.clone(),
            sent_at,
        })
    };
    context
        .journal
        .save(address, &published(Some(moment.now)))?;
    let Roots { root, tokens_root } = roots;
    match context.chain.submit(job, root, tokens_root, &uri).await {
        Ok(()) => {
            tracing::info!(job = %address, milestone = job.milestone, root = hex::encode(root), uri, "submitted");
            context
                .journal
                .save(address, &record.at(Stage::Submitted { roots }))?;
            Ok(())
        }
        Err(error) => {
            if matches!(error, ClientError::Refused(_) | ClientError::Expired { .. }) {
                context.journal.save(address, &published(None))?;
            }
            Err(error.into())
        }
    }
}

pub(crate) async fn finalize(context: &Context, address: &Pubkey) -> Result<()> {
    match context.chain.finalize(address).await {
        Ok(()) => tracing::info!(job = %address, "finalized: the milestone is paid"),
        // The clock that was read was ahead of the one that counts, or another one finalized it.
        Err(error)
            if matches!(
                error.quern(),
                Some(QuernError::TooEarly | QuernError::WrongState | QuernError::JobMoved)
            ) =>
        {
            return Ok(());
        }
        Err(ClientError::NotFound { .. }) => {}
        // Another agent of this wallet, or anybody, was faster: the account is gone, and every sentence about it misleads.
        Err(error @ ClientError::Refused(_)) => match context.chain.job(address).await? {
            Some(job) if job.is_in(JobState::Submitted) => return Err(error.into()),
            _ => {
                tracing::info!(job = %address, "another process was faster; nothing is left to finalize")
            }
        },
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Whether the journal belongs to the cluster that answers. What another cluster says about the same addresses is about other
/// jobs.
pub(crate) async fn is_at_home(context: &Context) -> Result<bool> {
    match context.chain.genesis().await? {
        Some(genesis) => Ok(files::is_bound_to(context.journal.home(), &genesis)?),
        None => Ok(true),
    }
}

/// Closes the journal of a job that has ended or went to another provider some time ago, if it is still so.
pub(crate) async fn close(context: &Context, address: &Pubkey) -> Result<()> {
    let outcome = match context.chain.job(address).await? {
        Some(job) if job.provider == context.settings.owner => return Ok(()),
        Some(_) => "the job has left this provider",
        None => "ended",
    };
    // Behind the same URL there may be another cluster by now.
    if !is_at_home(context).await? {
        tracing::error!(job = %address, "the node is one of another cluster; keeping the data of all jobs");
        return Ok(());
    }
    tracing::info!(job = %address, outcome, "dropping the data of a job");
    // The journal goes last: after a kill in between, the same is done again.
    context.store.release(address)?;
    Ok(context.journal.close(address, outcome)?)
}

/// What a worker is told about a submission.
async fn order(
    context: &Context,
    address: &Pubkey,
    job: &Job,
    submission: u32,
    prepared: Prepared,
    items_at_once: u32,
) -> Result<WorkOrder> {
    let moment = context.chain.moment().await?;
    let deadline = match job.is_in(JobState::Open) {
        // As if it was taken now.
        true => moment.now.saturating_add(i64::from(job.work_secs.get())),
        false => job.effective_deadline(&moment),
    };
    let has_checkpoint = job.checkpoint != [0; 32];
    let checkpoint_uri = match has_checkpoint {
        true => {
            let path = context
                .journal
                .uri_path(address, &checkpoint(&job.checkpoint));
            let look_up = context.chain.checkpoint_uri(address, job);
            Some(prepare::uri(context, &path, |_| true, look_up).await?)
        }
        false => None,
    };
    // What a command writes beside its answer is no file of the agent's own.
    let folder = match prepared.tensors.is_some() {
        true => "",
        false => "work",
    };
    let folder = context.journal.submission_path(address, submission, folder);
    files::create_folder(&folder)?;
    Ok(WorkOrder {
        job: address.to_string(),
        client: job.client.to_string(),
        provider: job.provider.to_string(),
        model: (job.model != NOBODY).then(|| job.model.to_string()),
        kind: JobKind::from_code(job.kind).map_or("unknown", JobKind::name),
        assurance: Assurance::from_code(job.assurance).map_or("unknown", Assurance::name),
        milestone: job.milestone,
        milestones: job.milestones,
        submission,
        items: job.items.get(),
        deadline,
        seconds_left: deadline.saturating_sub(moment.now).max(0),
        input_uri: prepared.input_uri,
        input_file: prepared.input_file,
        model_uri: prepared.model_uri,
        checkpoint_root: has_checkpoint.then(|| hex::encode(job.checkpoint)),
        checkpoint_uri,
        folder,
        tensors: prepared.tensors,
        items_at_once,
    })
}

/// What the URI of a checkpoint is kept as.
fn checkpoint(root: &[u8; 32]) -> String {
    format!("checkpoint-{}", hex::encode(root))
}

/// Where a file of a submission is published, below the publisher's base.
fn relative(address: &Pubkey, submission: u32, name: &str) -> String {
    format!("{address}/{submission}/{name}")
}

/// Whether a take failed because the job is no longer open.
fn is_beaten(error: &ClientError) -> bool {
    matches!(
        error.quern(),
        Some(QuernError::JobMoved | QuernError::WrongState | QuernError::TooLate)
    ) || matches!(error, ClientError::NotFound { .. })
}
