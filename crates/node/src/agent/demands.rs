//! Answering demands: whoever withholds what it committed to loses its bond, so this comes before everything else.

use {
    super::{Inner, off_loop, parsed, unservable},
    crate::{
        answers::{Answers, Part},
        data,
        error::{NodeError, Result},
    },
    futures::StreamExt,
    quern_client::{
        Pubkey,
        accounts::DemandAccount,
        flows,
        quern::{clock::Moment, error::QuernError, state::Job},
    },
    quern_proof::{commit::Trace, eval, file},
    quern_rules::deadline::in_time,
    std::{
        sync::{Arc, PoisonError},
        time::{Duration, Instant},
    },
};

/// Answers that are under way at a time.
pub(super) const AT_ONCE: usize = 8;
/// Most answers before the chain is read again.
const MOST_ANSWERS: usize = 256;
/// Submissions whose data stay in memory for the next question.
const MOST_KEPT: usize = 2;
/// How long they stay after the last question.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// Data of a submission that was asked about.
pub(super) struct Kept {
    job: Pubkey,
    submission: u32,
    answers: Arc<Answers>,
    used: Instant,
}

impl Inner {
    /// Answers what was asked about a submitted job, earliest due first. One failure keeps no other answer back.
    pub(super) async fn answer(&self, address: &Pubkey, job: &Job) -> Result<()> {
        let moment = self.chain.moment().await?;
        let asked = self.asked(address, job, &moment).await?;
        if asked.is_empty() {
            return Ok(());
        }
        let answers = self.answers_of(address, job);
        let mut failed = None;
        for part in Part::ALL {
            let is_needed = asked.iter().any(|demand| part_of(demand) == Some(part));
            if is_needed && !answers.has(part) {
                // What the other part answers is answered all the same.
                if let Err(error) = self.put_at_hand(address, job, part, &answers).await {
                    tracing::error!(job = %address, ?part, %error, "the data that demands ask for are not at hand");
                    failed = Some(error);
                }
            }
        }
        let mut results = futures::stream::iter(asked)
            .map(|demand| {
                let answers = Arc::clone(&answers);
                async move { self.answer_one(address, demand, answers).await }
            })
            .buffer_unordered(AT_ONCE);
        while let Some(result) = results.next().await {
            if let Err(error) = result {
                failed.get_or_insert(error);
            }
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
        asked.truncate(MOST_ANSWERS);
        Ok(asked)
    }

    /// Answers one demand. That somebody else was faster is no failure.
    async fn answer_one(
        &self,
        address: &Pubkey,
        demand: DemandAccount,
        answers: Arc<Answers>,
    ) -> Result<()> {
        let asked = &demand.demand;
        let Some(question) = asked.question() else {
            return Err(unservable(
                address,
                "a demand names a tree that this version does not know",
            ));
        };
        let Some(answer) = off_loop(move || answers.answer(&question)).await? else {
            // Why its data are not at hand has been said.
            return Ok(());
        };
        let (tree, level, index) = (asked.tree, asked.level, asked.index.get());
        if !flows::is_answer(asked, &answer) {
            let why = "the data at hand are not what a demand asks about";
            tracing::error!(job = %address, demand = %demand.address, tree, level, index, "{why}");
            return Err(unservable(address, why));
        }
        match self.chain.reveal(&demand, &answer).await {
            Ok(()) => {
                tracing::info!(job = %address, tree, level, index, fee_lamports = asked.fee_lamports.get(), "answered a demand");
                Ok(())
            }
            // Somebody else has answered, or the job went on; the next look shows what is left to do.
            Err(NodeError::Client(error))
                if matches!(
                    error.quern(),
                    Some(
                        QuernError::AlreadyAnswered
                            | QuernError::WrongState
                            | QuernError::WrongDemand
                    )
                ) =>
            {
                tracing::debug!(job = %address, tree, level, index, %error, "the demand needs no answer any more");
                Ok(())
            }
            Err(error) => {
                tracing::warn!(job = %address, tree, level, index, %error, "a demand could not be answered now");
                Err(error)
            }
        }
    }

    /// The data of a submission, whatever of them is in memory already.
    fn answers_of(&self, address: &Pubkey, job: &Job) -> Arc<Answers> {
        let mut all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let submission = job.submissions.get();
        let known = all
            .iter()
            .position(|kept| (kept.job, kept.submission) == (*address, submission));
        let answers = match known {
            Some(at) => all.remove(at).answers,
            None => Arc::default(),
        };
        // The one that was used last stands last.
        while all.len() >= MOST_KEPT {
            all.remove(0);
        }
        all.push(Kept {
            job: *address,
            submission,
            answers: Arc::clone(&answers),
            used: Instant::now(),
        });
        answers
    }

    /// Frees the memory of what nobody asks about any more.
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
                    unservable(address, "it has no tensor program, so nothing can be asked")
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
            .submission_path(address, submission, data::TRACE_FILE);
        let root = job.trace_root;
        let check = |bytes: Vec<u8>| {
            off_loop(move || {
                let trace = Trace::new(file::decode_trace(&bytes)?)?;
                match trace.root() == root {
                    true => Ok((trace, bytes)),
                    false => Err(NodeError::Worker(
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
        let tensors = tensors
            .ok_or_else(|| unservable(address, "it has no tensor program, so it has no trace"))?;
        let batch_rows = job.batch_rows.get();
        let bytes = off_loop(move || {
            let program = parsed(&tensors.program)?;
            // Whatever the limit for new jobs: this one was taken.
            let outputs = eval::run_within(
                &program,
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

fn part_of(demand: &DemandAccount) -> Option<Part> {
    demand.demand.question().map(|question| Part::of(&question))
}
