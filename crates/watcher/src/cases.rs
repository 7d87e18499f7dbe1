//! All cases of a watcher: which are open, which are finished, and which seem to have gone on.

use {
    crate::{
        archive::Archive,
        case::{Case, CaseId},
        verdict::{Report, Verdict},
    },
    quern_client::{Pubkey, quern::state::Job},
    quern_data::runtime::lock,
    std::{
        collections::{HashMap, HashSet, hash_map::Entry},
        sync::Mutex,
        time::Duration,
    },
    tokio::time::Instant,
};

/// How long a case whose job went on is looked for: behind one address there may be several nodes, and one may be behind.
const LEFT_FOR: Duration = Duration::from_secs(600);
/// More cases than this are not remembered as finished: strangers create jobs.
const MOST_FINISHED: usize = 100_000;

pub(crate) struct Cases {
    archive: Archive,
    pub open: Mutex<HashMap<CaseId, Case>>,
    finished: Mutex<HashSet<CaseId>>,
    /// Cases whose jobs seem to have gone on, and since when: if they have not, they are opened again.
    left: Mutex<HashMap<CaseId, Instant>>,
}

impl Cases {
    pub(crate) fn new(archive: Archive) -> Self {
        Self {
            archive,
            open: Mutex::default(),
            finished: Mutex::default(),
            left: Mutex::default(),
        }
    }

    /// Opens a case that is new.
    pub(crate) fn note(&self, address: Pubkey, job: &Job) {
        let id = CaseId::of(address, job);
        let mut open = lock(&self.open);
        if let Some(case) = open.get_mut(&id) {
            case.deadline = job.deadline.get();
            return;
        }
        let mut finished = lock(&self.finished);
        if finished.contains(&id) {
            return;
        }
        if self.archive.is_finished(&id) {
            finished.insert(id);
            return;
        }
        open.insert(id, Case::new(id, job));
    }

    /// How many are open.
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.open).len()
    }

    /// Whether a case of a job is open.
    pub(crate) fn is_open(&self, job: &Pubkey) -> bool {
        lock(&self.open).keys().any(|id| id.job == *job)
    }

    /// What is known of an open case.
    pub(crate) fn get(&self, id: &CaseId) -> Option<Case> {
        lock(&self.open).get(id).cloned()
    }

    /// Keeps what a step has found out, if the case is still open.
    pub(crate) fn put(&self, case: Case) {
        if let Some(known) = lock(&self.open).get_mut(&case.id) {
            let deadline = known.deadline;
            *known = Case { deadline, ..case };
        }
    }

    /// Ends a case with a verdict. Nothing will be done about it any more.
    pub(crate) fn finish(&self, case: Case, verdict: Verdict) -> Option<Report> {
        let id = case.id;
        lock(&self.open).remove(&id)?;
        lock(&self.left).remove(&id);
        self.close(id);
        let report = case.report(verdict);
        self.archive.finish(&id, &report);
        Some(noted(report))
    }

    /// Leaves a case whose job seems to have gone on. If a later survey shows the submission, it is opened again; if that, too,
    /// leads nowhere, it is not reported twice.
    pub(crate) fn leave(&self, case: Case, why: String) -> Option<Report> {
        let id = case.id;
        lock(&self.open).remove(&id)?;
        match lock(&self.left).entry(id) {
            Entry::Occupied(mut known) => {
                known.insert(Instant::now());
                None
            }
            Entry::Vacant(new) => {
                new.insert(Instant::now());
                Some(noted(case.report(Verdict::CouldNotCheck { why })))
            }
        }
    }

    /// Forgets what was left long ago and did not come back, and says what it was.
    pub(crate) fn forget_left(&self) -> Vec<CaseId> {
        let mut gone = Vec::new();
        {
            let open = lock(&self.open);
            lock(&self.left).retain(|id, since| {
                let is_over = since.elapsed() >= LEFT_FOR && !open.contains_key(id);
                if is_over {
                    gone.push(*id);
                }
                !is_over
            });
        }
        gone.iter().for_each(|id| self.close(*id));
        gone
    }

    fn close(&self, id: CaseId) {
        let mut finished = lock(&self.finished);
        if finished.len() >= MOST_FINISHED {
            finished.clear();
        }
        finished.insert(id);
    }
}

/// Notes how a case ended; the caller of the watcher shows the report.
fn noted(report: Report) -> Report {
    let (job, submission) = (report.job, report.submission);
    let (verdict, details) = (report.verdict.name(), report.verdict.details());
    tracing::debug!(%job, submission, verdict, details, "examined");
    report
}
