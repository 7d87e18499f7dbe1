//! What the gateway knows while it runs: all of it stands in its folder, but for the order in which rows wait.

use {
    crate::{
        choose::Experience,
        offers::Offers,
        order::{OrderId, Progress, Stage},
        record::{JobRecord, OrderRecord, Step, Unit},
        spending::{Spending, SpendingState},
    },
    quern_client::Pubkey,
    quern_rules::caps::Spent,
    std::{
        collections::{BTreeMap, HashMap, HashSet},
        time::Instant,
    },
};

/// Rows of a request that no job has yet.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub unit: Unit,
    pub model: Pubkey,
    pub is_batch: bool,
    /// Whether the request is on disk: before that no job is made of it.
    pub is_kept: bool,
    /// What a job for them alone costs; counts as spent while they wait.
    pub atoms: u64,
    pub since: Instant,
}

/// Everything in memory.
#[derive(Default)]
pub(crate) struct Book {
    pub orders: HashMap<OrderId, OrderRecord>,
    pub jobs: BTreeMap<String, JobRecord>,
    /// The jobs of each request.
    jobs_of: HashMap<OrderId, Vec<String>>,
    /// The request that asked for something last.
    by_body: HashMap<[u8; 32], OrderId>,
    pub waiting: Vec<Waiting>,
    pub next_number: u64,
    pub experience: Experience,
    /// What is offered for work now.
    pub offers: Offers,
    /// Jobs that failed for a reason of this machine, and when they are taken up again.
    pub resting: HashMap<String, Instant>,
}

impl Book {
    pub(crate) fn put_order(&mut self, order: OrderRecord) {
        self.by_body.insert(order.body_sha256, order.id.clone());
        if order.stage.has_ended() {
            self.waiting
                .retain(|waiting| waiting.unit.order != order.id);
        }
        self.orders.insert(order.id.clone(), order);
    }

    pub(crate) fn remove_order(&mut self, id: &OrderId) {
        if let Some(order) = self.orders.remove(id)
            && self.by_body.get(&order.body_sha256) == Some(id)
        {
            self.by_body.remove(&order.body_sha256);
        }
        // Its jobs stay known under its name, so that no other request gets it.
        self.waiting.retain(|waiting| waiting.unit.order != *id);
    }

    pub(crate) fn put_job(&mut self, job: JobRecord) {
        if !self.jobs.contains_key(&job.id) {
            for unit in &job.units {
                let all = self.jobs_of.entry(unit.order.clone()).or_default();
                if all.last() != Some(&job.id) {
                    all.push(job.id.clone());
                }
            }
        }
        let numbers = job.attempts.iter().map(|attempt| attempt.number + 1);
        self.next_number = numbers.fold(self.next_number, u64::max);
        self.jobs.insert(job.id.clone(), job);
    }

    pub(crate) fn remove_job(&mut self, id: &str) {
        if let Some(job) = self.jobs.remove(id) {
            for unit in &job.units {
                if let Some(all) = self.jobs_of.get_mut(&unit.order) {
                    all.retain(|other| other != id);
                    if all.is_empty() {
                        self.jobs_of.remove(&unit.order);
                    }
                }
            }
        }
        self.resting.remove(id);
    }

    /// The last request for something, unless it came to nothing.
    pub(crate) fn find(&self, body_sha256: &[u8; 32]) -> Option<OrderId> {
        let order = self.orders.get(self.by_body.get(body_sha256)?)?;
        let is_of_use = matches!(order.stage, Stage::Running | Stage::Answered);
        (is_of_use || order.may_reopen()).then(|| order.id.clone())
    }

    /// The jobs that have rows of a request.
    pub(crate) fn jobs_of(&self, order: &OrderId) -> impl Iterator<Item = &JobRecord> {
        let ids = self.jobs_of.get(order).into_iter().flatten();
        ids.filter_map(|id| self.jobs.get(id))
    }

    /// Rows of a request that have vectors.
    pub(crate) fn answered(&self, order: &OrderId) -> usize {
        let units = self.jobs_of(order).filter(|job| job.has_result());
        let units = units.flat_map(|job| &job.units);
        units
            .filter(|unit| unit.order == *order)
            .map(|unit| unit.rows)
            .sum()
    }

    /// Whether some job of a request is still being worked on.
    pub(crate) fn is_at_work(&self, order: &OrderId) -> bool {
        self.jobs_of(order).any(|job| job.step != Step::Ended)
    }

    /// Parts of a request that neither a job has nor the queue.
    pub(crate) fn uncovered(&self, order: &OrderRecord) -> Vec<(usize, usize)> {
        let queued = self.waiting.iter().map(|waiting| &waiting.unit);
        let given = self.jobs_of(&order.id);
        let given = given.filter(|job| job.step != Step::Ended || job.has_result());
        let given = given.flat_map(|job| &job.units);
        let own = given.chain(queued).filter(|unit| unit.order == order.id);
        let mut taken: Vec<(usize, usize)> = own.map(|unit| (unit.from, unit.rows)).collect();
        taken.sort_unstable();
        let mut next = 0;
        let mut free = Vec::new();
        for (from, rows) in taken {
            if from > next {
                free.push((next, from - next));
            }
            next = next.max(from + rows);
        }
        if next < order.rows {
            free.push((next, order.rows - next));
        }
        free
    }

    /// Whether somebody still wants a job's result.
    pub(crate) fn is_wanted(&self, job: &JobRecord) -> bool {
        let mut orders = job
            .units
            .iter()
            .filter_map(|unit| self.orders.get(&unit.order));
        orders.any(|order| order.stage == Stage::Running)
    }

    /// Whether every request of a job still wants its result.
    pub(crate) fn is_wanted_whole(&self, job: &JobRecord) -> bool {
        let mut orders = job.units.iter().map(|unit| self.orders.get(&unit.order));
        orders.all(|order| order.is_some_and(|order| order.stage == Stage::Running))
    }

    /// Since when somebody has waited for a job's result: a request that is taken up again begins anew.
    pub(crate) fn wanted_since(&self, job: &JobRecord) -> i64 {
        let orders = job.units.iter();
        let orders = orders.filter_map(|unit| self.orders.get(&unit.order));
        let running = orders.filter(|order| order.stage == Stage::Running);
        let placed = running.map(|order| order.placed_at);
        placed.fold(job.formed_at, i64::max)
    }

    /// What counts against the caps, in order of time: rows that wait and jobs that do, as if they were paid now, and every
    /// attempt whose price has not come back. `but` is a job whose own reservation is left out.
    pub(crate) fn spent(&self, now: i64, but: Option<&str>) -> Vec<Spent> {
        let mut all = Vec::new();
        for job in self.jobs.values() {
            let open = job.attempts.iter().filter(|one| one.state.counts());
            all.extend(open.map(|attempt| Spent {
                at: attempt.at,
                atoms: attempt.price_atoms,
            }));
            if job.step == Step::Waiting && but != Some(job.id.as_str()) {
                let atoms = job.reserved_atoms;
                all.push(Spent { at: now, atoms });
            }
        }
        all.extend(self.waiting.iter().map(|waiting| Spent {
            at: now,
            atoms: waiting.atoms,
        }));
        all.sort_by_key(|spent| spent.at);
        all
    }

    /// What counts against the limits of a request: its share of every attempt whose price has not come back, and what its rows
    /// that wait are to cost. `but` as above.
    pub(crate) fn spent_for(&self, order: &OrderId, but: Option<&str>) -> u64 {
        let jobs = self.jobs_of(order).flat_map(|job| {
            let open = job.attempts.iter().filter(|one| one.state.counts());
            let is_reserved = job.step == Step::Waiting && but != Some(job.id.as_str());
            let reserved = is_reserved.then_some(job.reserved_atoms);
            let all = open.map(|attempt| attempt.price_atoms).chain(reserved);
            all.map(|atoms| job.share_of(order, atoms))
        });
        let queued = self.waiting.iter().filter(|one| one.unit.order == *order);
        let all = jobs.chain(queued.map(|waiting| waiting.atoms));
        all.fold(0, u64::saturating_add)
    }

    /// Jobs that somebody should work on, the oldest first and requests before batches, as many as there are places for. Those of
    /// batches never take all places.
    pub(crate) fn startable(
        &self,
        running: &HashSet<String>,
        places: usize,
        now: Instant,
    ) -> Vec<String> {
        let rests = |id: &str| self.resting.get(id).is_some_and(|until| *until > now);
        let mut all: Vec<&JobRecord> = self
            .jobs
            .values()
            .filter(|job| job.step != Step::Ended && !running.contains(&job.id) && !rests(&job.id))
            .collect();
        all.sort_by_key(|job| (job.is_batch, job.formed_at, job.id.clone()));
        let is_batch = |id: &&String| self.jobs.get(*id).is_some_and(|job| job.is_batch);
        let batches = running.iter().filter(is_batch).count();
        let mut for_batches = batch_places(places).saturating_sub(batches);
        let may_start = |job: &&JobRecord| {
            let has_place = !job.is_batch || for_batches > 0;
            for_batches -= usize::from(job.is_batch && has_place);
            has_place
        };
        let free = places.saturating_sub(running.len());
        let started = all.into_iter().filter(may_start).take(free);
        started.map(|job| job.id.clone()).collect()
    }

    pub(crate) fn progress(&self, id: &OrderId) -> Option<Progress> {
        let order = self.orders.get(id)?;
        let jobs = self.jobs_of(id).flat_map(|job| &job.attempts);
        let jobs = jobs.filter(|attempt| attempt.created_at.is_some());
        Some(Progress {
            stage: order.stage,
            rows: order.rows as u64,
            answered: self.answered(id) as u64,
            jobs: jobs.map(|attempt| attempt.job.to_string()).collect(),
            why: order.refusal.as_ref().map(ToString::to_string),
            placed_at: order.placed_at,
            ended_at: order.ended_at,
        })
    }

    /// What was spent, newest first.
    pub(crate) fn spending(
        &self,
        before: Option<u64>,
        most: usize,
        (mint, decimals): (&Pubkey, u8),
    ) -> Vec<Spending> {
        let jobs = self.jobs.values();
        let all = jobs.flat_map(|job| (0..job.attempts.len()).map(move |index| (job, index)));
        let mut all: Vec<Spending> = all
            .filter_map(|(job, index)| spending_of(job, index, (mint, decimals)))
            .filter(|one| before.is_none_or(|before| one.number < before))
            .collect();
        all.sort_by_key(|one| std::cmp::Reverse(one.number));
        all.truncate(most);
        all
    }
}

/// How many places batches may take of all: a quarter is for requests, whose callers wait, if there is more than one.
const fn batch_places(places: usize) -> usize {
    match places - places.div_ceil(4) {
        0 => places,
        most => most,
    }
}

/// What an attempt has cost.
pub(crate) fn spending_of(
    job: &JobRecord,
    index: usize,
    (mint, decimals): (&Pubkey, u8),
) -> Option<Spending> {
    let attempt = job.attempts.get(index)?;
    Some(Spending {
        number: attempt.number,
        at: attempt.at,
        requests: job
            .units
            .iter()
            .map(|unit| unit.order.to_string())
            .collect(),
        model: job.model.to_string(),
        job: attempt.created_at.map(|_| attempt.job.to_string()),
        provider: attempt.provider.map(|owner| owner.to_string()),
        rows: job.items,
        state: attempt.state,
        atoms: attempt.price_atoms,
        mint: mint.to_string(),
        decimals,
        fee_lamports: attempt.fee_lamports,
        note: attempt.note.clone(),
    })
}

/// A line of the CSV for a settled attempt. Nothing in it that strangers write can be a formula: notes are in quotes.
pub(crate) fn spending_line(one: &Spending) -> String {
    let or_nothing = |text: &Option<String>| text.clone().unwrap_or_default();
    let note = or_nothing(&one.note).replace(['"', '\n', '\r'], "'");
    format!(
        "{},{},{},{},{},{},{},{},{},{},{},{},\"{note}\"\n",
        one.number,
        one.at,
        one.state.name(),
        one.atoms,
        one.decimals,
        one.mint,
        one.model,
        or_nothing(&one.job),
        or_nothing(&one.provider),
        one.rows,
        one.requests.join(" "),
        one.fee_lamports,
    )
}

/// Whether an attempt is over: nothing of it can come back or be lost any more.
pub(crate) const fn is_settled(state: SpendingState) -> bool {
    matches!(state, SpendingState::Paid | SpendingState::Returned)
}
