//! Answering demands: whoever withholds what it committed to loses its bond, so this comes before everything else.

use {
    super::{Inner, off_loop, parsed, room, unservable},
    crate::{
        answers::{Answers, Part},
        chain::Answer,
        error::{ProviderError, Result},
    },
    futures::{StreamExt, stream::FuturesUnordered},
    quern_client::{
        ClientError, Pubkey,
        accounts::DemandAccount,
        flows,
        quern::{clock::Moment, error::QuernError, state::Job},
    },
    quern_data::fetch,
    quern_proof::{commit::Trace, eval, file},
    quern_rules::deadline::in_time,
    std::{
        sync::{Arc, PoisonError},
        time::{Duration, Instant},
    },
    tokio::sync::OwnedSemaphorePermit,
};

/// Transactions with answers that are under way at a time.
pub(super) const AT_ONCE: usize = 8;
/// Answers that are worked out before they are sent.
pub(super) const AHEAD: usize = 64;
/// How long it answers before the chain is read again: during a flood that takes a while itself.
const LONGEST_ROUND: Duration = Duration::from_secs(300);
/// How long the data of a submission stay in memory after the last demand, if nothing else needs the room.
const KEPT_FOR: Duration = Duration::from_secs(600);
/// How often it looks for room.
const ROOM_AGAIN: Duration = Duration::from_millis(200);

/// Data of a submission that was asked about.
pub(super) struct Kept {
    job: Pubkey,
    submission: u32,
    loaded: Arc<Loaded>,
    used: Instant,
}

/// Data in memory, and the room that they take there.
pub(super) struct Loaded {
    answers: Answers,
    _room: OwnedSemaphorePermit,
}

impl Inner {
    /// Answers what was asked about a submitted job, earliest due first. One failure keeps no other answer back.
    pub(super) async fn answer(&self, address: &Pubkey, job: &Job) -> Result<()> {
        let moment = self.chain.moment().await?;
        let asked = self.asked(address, job, &moment).await?;
        if asked.is_empty() {
            return Ok(());
        }
        let loaded = self.loaded(address, job).await?;
        let mut failed = None;
        for part in Part::ALL {
            let is_needed = asked.iter().any(|demand| part_of(demand) == Some(part));
            if is_needed && !loaded.answers.has(part) {
                // What the other part answers is answered all the same.
                if let Err(error) = self.put_at_hand(address, job, part, &loaded.answers).await {
                    tracing::error!(job = %address, ?part, %error, "the data that demands ask for are not at hand");
                    failed = Some(error);
                }
            }
        }
        let until = Instant::now() + LONGEST_ROUND;
        let mut under_way = FuturesUnordered::new();
        for demands in asked.chunks(AHEAD) {
            if Instant::now() >= until {
                break;
            }
            let (answers, wrong) = self.worked_out(address, demands.to_vec(), &loaded).await;
            failed = failed.or(wrong);
            for batch in Answer::pack(answers) {
                if under_way.len() >= AT_ONCE {
                    let result: Option<Result<()>> = under_way.next().await;
                    failed = failed.or(result.and_then(Result::err));
                }
                under_way.push(self.send(address, batch));
            }
        }
        while let Some(result) = under_way.next().await {
            failed = failed.or(result.err());
        }
        failed.map_or(Ok(()), Err)
    }

    /// What waits for an answer and can still get one, earliest due first.
    async fn asked(
        &self,
        address: &Pubkey,
        job: &Job,
        moment: &Moment,
    ) -> Result<Vec<DemandAccount>> {
        let all = self.chain.demands(address).await?;
        let open = all.into_iter().filter(|known| {
            let demand = &known.demand;
            demand.job == *address && demand.submission == job.submissions && !demand.answered.get()
        });
        let due = |known: &DemandAccount| known.demand.effective_due(job, moment);
        let (mut asked, late): (Vec<_>, Vec<_>) =
            open.partition(|known| in_time(moment.now, due(known)));
        if !late.is_empty() {
            self.say_once(address, job, || {
                tracing::error!(job = %address, demands = late.len(), "demands were not answered in time: anybody may convict this provider now");
            });
        }
        asked.sort_by_key(|known| (due(known), known.address));
        Ok(asked)
    }

    /// The answers to some demands as far as there are any, and the first failure.
    async fn worked_out(
        &self,
        address: &Pubkey,
        demands: Vec<DemandAccount>,
        loaded: &Arc<Loaded>,
    ) -> (Vec<Answer>, Option<ProviderError>) {
        let (address, loaded) = (*address, Arc::clone(loaded));
        let worked_out = off_loop(move || {
            let mut failed = None;
            let mut answers = Vec::with_capacity(demands.len());
            for demand in demands {
                match answer_of(&address, demand, &loaded.answers) {
                    Ok(answer) => answers.extend(answer),
                    Err(error) => {
                        failed.get_or_insert(error);
                    }
                }
            }
            Ok((answers, failed))
        });
        worked_out
            .await
            .unwrap_or_else(|error| (Vec::new(), Some(error)))
    }

    /// Sends answers in one transaction. If it is refused, which one of them can cause, each goes alone.
    async fn send(&self, address: &Pubkey, answers: Vec<Answer>) -> Result<()> {
        let sent = self.reveal(address, &answers).await;
        match sent {
            Err(error) if answers.len() > 1 && !error.is_transient() => {
                tracing::debug!(job = %address, %error, "answers were refused together; each is sent alone");
                let mut all = Ok(());
                for answer in &answers {
                    all = all.and(self.reveal(address, std::slice::from_ref(answer)).await);
                }
                all
            }
            sent => sent,
        }
    }

    /// Sends answers. That somebody else was faster with the only one is no failure.
    async fn reveal(&self, address: &Pubkey, answers: &[Answer]) -> Result<()> {
        let sent = self.chain.reveal(answers).await;
        for Answer { demand, .. } in answers {
            let asked = &demand.demand;
            let (tree, level, index) = (asked.tree, asked.level, asked.index.get());
            match &sent {
                Ok(()) => {
                    tracing::info!(job = %address, tree, level, index, fee_lamports = asked.fee_lamports.get(), "answered a demand");
                }
                Err(error) if answers.len() == 1 && is_over(error) => {
                    tracing::debug!(job = %address, tree, level, index, %error, "the demand needs no answer any more");
                    return Ok(());
                }
                Err(error) => {
                    tracing::warn!(job = %address, tree, level, index, %error, "a demand could not be answered now");
                }
            }
        }
        Ok(sent?)
    }

    /// The data of a submission, whatever of them is in memory already, and the room for the rest of them: many jobs may be
    /// asked about at once.
    pub(super) async fn loaded(&self, address: &Pubkey, job: &Job) -> Result<Arc<Loaded>> {
        let submission = job.submissions.get();
        {
            let mut all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let is_this_one =
                |kept: &&mut Kept| (kept.job, kept.submission) == (*address, submission);
            if let Some(kept) = all.iter_mut().find(is_this_one) {
                kept.used = Instant::now();
                return Ok(Arc::clone(&kept.loaded));
            }
        }
        let units = self.memory_units(job).await?;
        let room = room(&self.answering, units);
        tokio::pin!(room);
        let room = loop {
            tokio::select! {
                biased;
                room = &mut room => break room?,
                () = tokio::time::sleep(ROOM_AGAIN) => self.forget_an_idle_one(),
            }
        };
        let loaded = Arc::new(Loaded {
            answers: Answers::default(),
            _room: room,
        });
        let mut all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Kept {
            job: *address,
            submission,
            loaded: Arc::clone(&loaded),
            used: Instant::now(),
        });
        Ok(loaded)
    }

    /// Makes room: drops the data that nobody has used for the longest time.
    fn forget_an_idle_one(&self) {
        let mut all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = all
            .iter()
            .enumerate()
            .filter(|(_, kept)| Arc::strong_count(&kept.loaded) == 1)
            .min_by_key(|(_, kept)| kept.used)
            .map(|(at, _)| at);
        if let Some(at) = idle {
            all.swap_remove(at);
        }
    }

    /// Frees the memory of what nobody has asked about for a while.
    pub(super) fn forget_answers(&self) {
        let mut all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|kept| kept.used.elapsed() < KEPT_FOR);
    }

    async fn put_at_hand(
        &self,
        address: &Pubkey,
        job: &Job,
        part: Part,
        answers: &Answers,
    ) -> Result<()> {
        match part {
            Part::Trace => answers.put_trace(self.trace(address, job).await?),
            Part::Operands => {
                let tensors = self.prepare_refereed(address, job).await?.tensors;
                answers.put_operands(tensors.ok_or_else(|| {
                    unservable(address, "it has no graph, so nothing can be asked")
                })?);
            }
        }
        Ok(())
    }

    /// The trace that the current submission commits to: the stored one, or computed again if that is gone or damaged.
    async fn trace(&self, address: &Pubkey, job: &Job) -> Result<Trace> {
        let submission = job.submissions.get();
        let path = self
            .journal
            .submission_path(address, submission, fetch::TRACE_FILE);
        let root = job.trace_root;
        let check = |bytes: Vec<u8>| {
            off_loop(move || {
                let trace = Trace::new(file::decode_trace(&bytes)?)?;
                match trace.root() == root {
                    true => Ok((trace, bytes)),
                    false => Err(ProviderError::Worker(
                        "it is not the trace that the job commits to".to_owned(),
                    )),
                }
            })
        };
        if let Some(trace) = self.kept(&path, check).await? {
            return Ok(trace);
        }
        tracing::warn!(job = %address, "the trace is not on this disk; it is computed again");
        let tensors = self.prepare_refereed(address, job).await?.tensors;
        let tensors =
            tensors.ok_or_else(|| unservable(address, "it has no graph, so it has no trace"))?;
        let batch_rows = job.batch_rows.get();
        let bytes = off_loop(move || {
            let graph = parsed(&tensors.graph)?;
            // Whatever the limit for new jobs: this one was taken.
            let outputs = eval::run_within(
                &graph,
                batch_rows,
                &tensors.inputs,
                &tensors.weights,
                u64::MAX,
            )?;
            Ok(file::encode_trace(&outputs)?)
        })
        .await?;
        let (trace, bytes) = check(bytes).await?;
        self.journal.write(&path, &bytes)?;
        Ok(trace)
    }
}

/// What answers a demand; nothing if its data are not at hand, which has been said.
fn answer_of(address: &Pubkey, demand: DemandAccount, answers: &Answers) -> Result<Option<Answer>> {
    let asked = &demand.demand;
    let Some(node_id) = asked.node_id() else {
        return Err(unservable(
            address,
            "a demand names a tree that this version does not know",
        ));
    };
    let Some(bytes) = answers.answer(&node_id)? else {
        return Ok(None);
    };
    if !flows::is_answer(asked, &bytes) {
        let (tree, level, index) = (asked.tree, asked.level, asked.index.get());
        let why = "the data at hand are not what a demand asks about";
        tracing::error!(job = %address, demand = %demand.address, tree, level, index, "{why}");
        return Err(unservable(address, why));
    }
    Ok(Some(Answer { demand, bytes }))
}

/// Whether somebody else has answered, or the job went on: the next look shows what is left to do.
fn is_over(error: &ClientError) -> bool {
    matches!(
        error.quern(),
        Some(QuernError::AlreadyAnswered | QuernError::WrongState | QuernError::WrongDemand)
    )
}

fn part_of(demand: &DemandAccount) -> Option<Part> {
    demand.demand.node_id().map(|node_id| Part::of(&node_id))
}
