//! One submission of a job while it is examined: what it is known by, and what is known of it. All of that can be found out
//! again, so nothing of it is written anywhere.

use {
    crate::{
        chain::OpenedDemand,
        error::Result,
        sample,
        verdict::{Accused, Report, Verdict},
    },
    quern_client::{Pubkey, quern::state::Job},
    quern_data::runtime::Retry,
    quern_proof::{Hash, demand::NodeId},
    std::{collections::HashSet, sync::Arc, time::Duration},
    tokio::time::Instant,
};

/// Shortest time to fetch the data of a case.
const LEAST_FETCH: Duration = Duration::from_secs(20);

/// How long fetching the data of a job may take in one attempt.
pub(crate) fn fetch_time(review_secs: u32) -> Duration {
    let tenth = Duration::from_secs(u64::from(review_secs) / 10);
    tenth.max(LEAST_FETCH)
}

/// One submission of a job. What was committed to is part of it: a submission may be rolled back, and another cluster has other
/// jobs at the same addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CaseId {
    pub job: Pubkey,
    pub submission: u32,
    /// When the job was created.
    pub created_at: i64,
    /// What the submission commits to.
    pub trace_root: Hash,
}

impl CaseId {
    pub(crate) fn of(address: Pubkey, job: &Job) -> Self {
        Self {
            job: address,
            submission: job.submissions.get(),
            created_at: job.created_at.get(),
            trace_root: job.trace_root,
        }
    }
}

/// What is known of a case while it is open.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub id: CaseId,
    pub client: Pubkey,
    pub provider: Pubkey,
    /// The end of the review: the nearest one comes first.
    pub deadline: i64,
    /// Time to refute the result.
    pub review_secs: u32,
    /// What a conviction would take, and in which mint.
    pub bond_atoms: u64,
    pub mint: Pubkey,
    /// The demands that the case waits for.
    pub waits_for: Vec<NodeId>,
    /// What was answered on the way there.
    pub answered: Vec<OpenedDemand>,
    /// Why it is not known where the trace is, and when that is looked up again.
    pub lost_trace: Option<(String, Instant)>,
    /// Fees of this watcher's demands.
    pub fees_lamports: u64,
    /// Whether the result is known to be wrong.
    pub is_wrong: bool,
    /// What is wrong, if that is known.
    pub accused: Option<Accused>,
    /// The items that are checked, once they are drawn.
    pub sample: Option<Arc<Vec<u32>>>,
    /// Demands that this watcher answered itself.
    pub own_answers: HashSet<NodeId>,
    /// Whether traces came with item roots that led nowhere: only the roots are looked for again.
    pub has_useless_traces: bool,
    /// What was said last, so that it is said once.
    pub last_said: Option<String>,
    pub retry: Retry,
}

impl Case {
    pub(crate) fn new(id: CaseId, job: &Job) -> Self {
        Self {
            id,
            client: job.client,
            provider: job.provider,
            deadline: job.deadline.get(),
            review_secs: job.review_secs.get(),
            bond_atoms: job.bond_left_atoms.get().max(job.bond_atoms.get()),
            mint: job.mint,
            waits_for: Vec::new(),
            answered: Vec::new(),
            lost_trace: None,
            fees_lamports: 0,
            is_wrong: false,
            accused: None,
            sample: None,
            own_answers: HashSet::new(),
            has_useless_traces: false,
            last_said: None,
            retry: Retry::default(),
        }
    }

    /// How long fetching its data may take in one attempt: a tenth of its own review.
    pub(crate) fn fetch_time(&self) -> Duration {
        fetch_time(self.review_secs)
    }

    /// Behind one address there may be several nodes, and the one that was asked is behind the one that showed the submission.
    pub(crate) fn is_ahead_of(&self, job: &Job) -> bool {
        job.submissions.get() < self.id.submission
    }

    /// The items that are checked, in order: drawn at the first look at the submission, which nobody could foresee, and the
    /// same ones from then on.
    pub(crate) fn sample(&mut self, items: u32, share: Option<f64>) -> Result<Arc<Vec<u32>>> {
        if let Some(sample) = &self.sample {
            return Ok(Arc::clone(sample));
        }
        let drawn = Arc::new(sample::draw(items, sample::count(items, share))?);
        Ok(Arc::clone(self.sample.insert(drawn)))
    }

    /// Half of the items that are checked, by chance, in their place; none if there is only one. So a provider that withholds what
    /// leads to items makes a check smaller, and never ends it.
    pub(crate) fn narrow(&mut self) -> Result<Option<Arc<Vec<u32>>>> {
        let all = self.sample.clone().unwrap_or_default();
        let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
        if count < 2 {
            return Ok(None);
        }
        let chosen = sample::draw(count, count / 2)?.into_iter();
        let fewer = chosen.filter_map(|at| all.get(at as usize)).copied();
        let fewer = Arc::new(fewer.collect::<Vec<_>>());
        self.say(&format!(
            "what leads to its items is withheld, and demanding it for {count} of them costs more than --max-fee-lamports; checking {} of them",
            fewer.len()
        ));
        Ok(Some(Arc::clone(self.sample.insert(fewer))))
    }

    /// Keeps what was answered on the way down: a step needs no more requests when the way is long.
    pub(crate) fn remember(&mut self, way: &[OpenedDemand], signer: &Pubkey) {
        let own = way.iter().filter(|demand| {
            // An own answer brings the fee back.
            demand.opener == *signer && !self.own_answers.contains(&demand.node_id)
        });
        self.fees_lamports = own.map(|demand| demand.fee_lamports).sum();
        let answered = way.iter().filter(|demand| demand.answer.is_some());
        self.answered = answered.cloned().collect();
    }

    /// Whether something is not what was said last; from now on it is.
    pub(crate) fn is_news(&mut self, what: &str) -> bool {
        let is_new = self.last_said.as_deref() != Some(what);
        if is_new {
            self.last_said = Some(what.to_owned());
        }
        is_new
    }

    /// Says something, unless it was the last thing that was said.
    pub(crate) fn say(&mut self, what: &str) {
        if self.is_news(what) {
            tracing::info!(job = %self.id.job, submission = self.id.submission, "{what}");
        }
    }

    pub(crate) fn report(self, verdict: Verdict) -> Report {
        let verdict = match verdict {
            // What is known to be wrong is not merely unchecked.
            Verdict::CouldNotCheck { why } if self.is_wrong => Verdict::Wrong {
                charge: self.accused.map(|accused| accused.charge),
                item: self.accused.and_then(|accused| accused.item),
                why,
            },
            verdict => verdict,
        };
        Report {
            job: self.id.job,
            submission: self.id.submission,
            client: self.client,
            provider: self.provider,
            verdict,
            fees_lamports: self.fees_lamports,
        }
    }
}

/// What a step leads to.
#[derive(Debug)]
pub(crate) enum Next {
    /// The case is decided.
    Done(Verdict),
    /// The job is no longer at this submission, as far as the node says, and this is why nothing was decided.
    Gone(String),
    /// There is more to do at the next look.
    Wait,
}
