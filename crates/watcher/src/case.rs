//! One step of one case: reads the chain anew, does the next thing, and says whether the case is decided. Nothing is
//! remembered between steps that could not be found out again, so a watcher may be killed after any of them.

use {
    super::{
        CaseId, Inner,
        chain::OpenedDemand,
        material::{Delivery, Given, Own, Purpose, Trouble, parsed},
        verdict::Verdict,
    },
    crate::error::WatcherError,
    quern_client::{
        ClientError, Outcome, Pubkey,
        history::reason_name,
        quern::{
            clock::Moment,
            error::QuernError,
            state::{Job, JobState},
        },
    },
    quern_proof::{
        Hash, Operand, Tensor,
        demand::{self, NodeId, Parent, Tree},
        evidence::{self, Charge},
        freivalds::Coins,
        graph::Graph,
        verify::{self, Finding, Hints},
        witness::{self, Patched, Step, Whole},
    },
    quern_rules::deadline::{in_time, passed},
    std::{collections::HashMap, sync::Arc, time::Duration},
    tokio::time::Instant,
};

/// Time between two searches for the place of a trace that was not found.
const LOOK_UP_EVERY: Duration = Duration::from_secs(60);

/// What came of a step.
#[derive(Debug)]
pub(super) enum Next {
    /// The case is decided.
    Done(Verdict),
    /// The job is no longer at this submission, as far as the node says, and this is why nothing was decided.
    Gone(String),
    /// There is more to do at the next look.
    Wait,
}

type Stepped = std::result::Result<Next, Trouble>;

impl Inner {
    /// Does the next thing for a case.
    pub(super) async fn step(&self, id: CaseId) -> Stepped {
        let moment = self.chain.moment().await?;
        let Some(job) = self.chain.job(&id.job).await? else {
            return self.gone(id).await;
        };
        if is_behind(id, &job) {
            return Ok(Next::Wait);
        }
        if let Some(next) = self.passed_on(id, &job) {
            return Ok(next);
        }
        self.check_bond(&job)?;
        let asked = self.demand_at(id, &job).await?;
        let unanswered = self.unanswered(id, &job).await;
        let overdue = asked.iter().chain(&unanswered).find(|asked| {
            asked.answer.is_none() && passed(moment.now, effective_due(asked, &job, &moment))
        });
        if let Some(overdue) = overdue {
            return self.timeout(id, &job, overdue).await;
        }
        if let Some(last) = asked.last().filter(|asked| asked.answer.is_none()) {
            self.say_waiting(id, last);
            return Ok(Next::Wait);
        }
        // While the own result is kept, so are the data that it was computed from.
        let key = (id.job, id.submission);
        let kept = self.materials.kept_own(key);
        // Room for all of it, until the step is done.
        let (given, _occupied) = match &kept {
            Some(own) => {
                let given = Arc::clone(&own.given);
                let occupied = self.materials.room_for(&given).await?;
                (given, occupied)
            }
            None => {
                let (chain, memory) = (self.chain.as_ref(), &self.memory);
                self.materials
                    .given(chain, memory, &id.job, &job, Purpose::Examine)
                    .await?
            }
        };
        // Once this watcher has paid for demands, the place where the trace should have been is left alone: whoever is
        // slow there on purpose would gain time.
        let is_asking = self.has_asked(id, &job, &asked).await?;
        let mut missing = None;
        if !is_asking {
            let delivery = match self.trace_uri(id, &job).await? {
                Ok(uri) => {
                    let found = self.materials.trace(&uri, job.trace_root, &given);
                    (found.await?, uri)
                }
                Err(why) => (Delivery::Missing(why), String::new()),
            };
            match delivery {
                (Delivery::Here(outputs), uri) => {
                    return self.check_published(id, &job, given, outputs, &uri).await;
                }
                (Delivery::Missing(why), _) => {
                    tracing::debug!(job = %id.job, why, "the trace is not delivered");
                    missing = Some(why);
                }
            }
        }
        let own = match kept {
            Some(own) => own,
            None => self.materials.own(key, &given).await?,
        };
        if own.root == job.trace_root {
            return Ok(Next::Done(Verdict::Consistent {
                delivered: false,
                note: missing,
            }));
        }
        self.with_case(id, |case| case.is_wrong = true);
        self.demand(id, &job, &moment, own, asked, missing).await
    }

    /// The demands on this watcher's way down, whoever asked them, as far as they are on chain: all but the last are
    /// answered. Nobody can make the way longer, however many other demands there are.
    async fn demand_at(&self, id: CaseId, job: &Job) -> Result<Vec<OpenedDemand>, ClientError> {
        if !has_demands(job) {
            return Ok(Vec::new());
        }
        let known = self.with_case(id, |case| (case.answered.clone(), case.waits_for));
        let (mut way, waits_for) = known.unwrap_or_default();
        let is_new = |node_id: &NodeId| way.iter().all(|asked| asked.node_id != *node_id);
        if let Some(node_id) = waits_for.filter(is_new)
            && let Some(asked) = self
                .chain
                .demand_at(&id.job, id.submission, &node_id)
                .await?
        {
            way.push(asked);
        }
        self.remember(id, &way);
        Ok(way)
    }

    /// Whether this watcher has asked anything about the submission, also before it was started again: the way begins at one
    /// of two demands.
    async fn has_asked(
        &self,
        id: CaseId,
        job: &Job,
        way: &[OpenedDemand],
    ) -> Result<bool, ClientError> {
        let signer = self.chain.signer();
        if way.iter().any(|asked| asked.opener == signer) {
            return Ok(true);
        }
        if !way.is_empty() || !has_demands(job) {
            return Ok(false);
        }
        for tree in [Tree::Trace, Tree::Data(Operand::Op(0))] {
            let (level, index) = (0, 0);
            let root = NodeId { tree, level, index };
            let asked = self.chain.demand_at(&id.job, id.submission, &root).await?;
            if asked.is_some_and(|asked| asked.opener == signer) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Keeps what was answered: a step needs no more requests when the way is long.
    fn remember(&self, id: CaseId, way: &[OpenedDemand]) {
        let signer = self.chain.signer();
        let own = way.iter().filter(|asked| asked.opener == signer);
        let fees_lamports = own.map(|asked| asked.fee_lamports).sum();
        let answered = way.iter().filter(|asked| asked.answer.is_some());
        let answered = answered.cloned().collect();
        self.with_case(id, |case| {
            case.fees_lamports = fees_lamports;
            case.answered = answered;
        });
    }

    /// What others, too, still wait for. Strangers may have asked so much that no node tells; the case goes on without it, and
    /// what this watcher asked is known by its address.
    async fn unanswered(&self, id: CaseId, job: &Job) -> Vec<OpenedDemand> {
        if job.open_demands.get() == 0 {
            return Vec::new();
        }
        match self.chain.unanswered(&id.job).await {
            Ok(mut all) => {
                all.retain(|asked| asked.submission == id.submission);
                all
            }
            Err(error) => {
                tracing::debug!(job = %id.job, %error, "the demands of others are not known");
                Vec::new()
            }
        }
    }

    /// Where the trace is published, or why that is not known. Looking it up may take hundreds of requests, and anybody can
    /// make it fail; so a failure counts as a missing delivery, and it is not repeated in every step.
    async fn trace_uri(
        &self,
        id: CaseId,
        job: &Job,
    ) -> Result<Result<String, String>, ClientError> {
        let lost = self.with_case(id, |case| case.lost_trace.clone()).flatten();
        if let Some((why, again)) = &lost
            && Instant::now() < *again
        {
            return Ok(Err(why.clone()));
        }
        match self.chain.output_uri(&id.job, job).await {
            Ok(uri) => {
                self.with_case(id, |case| case.lost_trace = None);
                Ok(Ok(uri))
            }
            Err(error) => {
                let why = error.to_string();
                let is_lost = lost.is_some() || matches!(error, ClientError::UriUnknown { .. });
                let rest = if is_lost {
                    LOOK_UP_EVERY
                } else {
                    Duration::ZERO
                };
                let again = Instant::now() + rest;
                self.with_case(id, |case| case.lost_trace = Some((why.clone(), again)));
                // The node may have had a bad moment.
                if is_lost { Ok(Err(why)) } else { Err(error) }
            }
        }
    }

    /// Refuses jobs whose bond is too small to be worth what a conviction costs.
    fn check_bond(&self, job: &Job) -> Result<(), Trouble> {
        let least_atoms = self.settings.min_bonds.get(&job.mint).copied();
        let bond_atoms = job.bond_atoms.get();
        match least_atoms {
            Some(least_atoms) if bond_atoms < least_atoms => Err(Trouble::Final(format!(
                "its bond is {bond_atoms} atoms, less than the {least_atoms} that --min-bond names for its mint"
            ))),
            _ => Ok(()),
        }
    }

    /// What follows if the job is no longer at this submission.
    fn passed_on(&self, id: CaseId, job: &Job) -> Option<Next> {
        let is_current = job.submissions.get() == id.submission && job.trace_root == id.trace_root;
        match JobState::from_code(job.state) {
            Some(JobState::Submitted) if is_current => None,
            Some(JobState::Convicted) if is_current => {
                Some(Next::Done(self.slashed(job.prover, job.conviction_reason)))
            }
            _ => Some(Next::Gone(
                "the job went on before it could be checked".to_owned(),
            )),
        }
    }

    fn slashed(&self, prover: Pubkey, reason: u8) -> Verdict {
        Verdict::AlreadyConvicted {
            prover,
            reason,
            by_us: prover == self.chain.signer(),
        }
    }

    /// The job's account is gone.
    async fn gone(&self, id: CaseId) -> Stepped {
        let known = self.with_case(id, |case| (case.last.clone(), case.is_wrong));
        let (last, is_wrong) = known.unwrap_or_default();
        let last = last.map_or(String::new(), |last| format!(" (last: {last})"));
        let what = if is_wrong {
            "it could be convicted"
        } else {
            "the result could be checked"
        };
        let why = match self.chain.outcome(&id.job).await? {
            Outcome::Convicted { prover, reason } => {
                return Ok(Next::Done(self.slashed(prover, reason)));
            }
            Outcome::Paid => format!("the provider was paid before {what}{last}"),
            Outcome::Ended => format!("the job ended before {what}{last}"),
            Outcome::Unknown => format!(
                "the job has ended, and the node keeps too few transactions to tell how{last}"
            ),
        };
        Ok(Next::Gone(why))
    }

    /// Checks published outputs, which have the committed root, and convicts the first wrong one.
    async fn check_published(
        &self,
        id: CaseId,
        job: &Job,
        given: Arc<Given>,
        outputs: Vec<Tensor>,
        uri: &str,
    ) -> Stepped {
        let hints = self.materials.hints(uri, &given).await;
        let trace_root = job.trace_root;
        let found = self
            .materials
            .heavy(move || find_wrong(&given, &outputs, hints, &trace_root))
            .await??;
        match found {
            None => Ok(Next::Done(Verdict::Consistent {
                delivered: true,
                note: None,
            })),
            Some((charge, evidence)) => self.convict(id, job, charge, evidence, 0).await,
        }
    }

    /// Down to the first difference as far as there are answers, then a demand or a conviction.
    async fn demand(
        &self,
        id: CaseId,
        job: &Job,
        moment: &Moment,
        own: Arc<Own>,
        mut way: Vec<OpenedDemand>,
        missing: Option<String>,
    ) -> Stepped {
        let trace_root = job.trace_root;
        loop {
            let answers: HashMap<NodeId, Vec<u8>> = way
                .iter()
                .filter_map(|asked| Some((asked.node_id, asked.answer.clone()?)))
                .collect();
            let from = Arc::clone(&own);
            let found = self
                .materials
                .heavy(move || descend(&from, trace_root, &answers))
                .await??;
            let (node_id, parent, left) = match found {
                Descent::Charge {
                    charge,
                    evidence,
                    demands,
                } => return self.convict(id, job, charge, evidence, demands).await,
                Descent::Ask {
                    node_id,
                    parent,
                    left,
                } => (node_id, parent, left),
            };
            self.with_case(id, |case| case.waits_for = Some(node_id));
            // Somebody else may have asked it, or this watcher before it was started again.
            let known = match has_demands(job) {
                true => {
                    self.chain
                        .demand_at(&id.job, id.submission, &node_id)
                        .await?
                }
                false => None,
            };
            if let Some(asked) = known {
                let is_answered = asked.answer.is_some();
                if !is_answered {
                    self.say_waiting(id, &asked);
                }
                way.push(asked);
                self.remember(id, &way);
                if is_answered {
                    continue;
                }
                return Ok(Next::Wait);
            }
            if !self.may_ask(id, job, moment, parent.is_none(), left)? {
                let why = missing.as_deref().unwrap_or("it was not looked for");
                // That advice is for whoever publishes.
                let why = why.trim_end_matches("; check that it is published there");
                self.say(id, format!("the result is wrong and its trace is not published ({why}); it is waited for a little, then demanded"));
                return Ok(Next::Wait);
            }
            let parent = match parent {
                None => None,
                Some(above) => {
                    let above = way.iter().find(|asked| asked.node_id == above);
                    Some(above.map(|asked| asked.address).ok_or_else(|| {
                        Trouble::Final("an answered demand has no account".to_owned())
                    })?)
                }
            };
            return self.ask(id, job, node_id, parent, left).await;
        }
    }

    /// Says whose demand the case waits for.
    fn say_waiting(&self, id: CaseId, asked: &OpenedDemand) {
        if asked.opener != self.chain.signer() {
            let what = asked.node_id;
            self.say(
                id,
                format!(
                    "waiting for the answer to a demand of {} about {what}",
                    asked.opener
                ),
            );
        }
    }

    /// Whether to ask now, or rather wait for the data to be published.
    fn may_ask(
        &self,
        id: CaseId,
        job: &Job,
        moment: &Moment,
        is_root: bool,
        left: u32,
    ) -> Result<bool, Trouble> {
        let fee_lamports = job.terms.demand_fee_lamports.get();
        let spent_lamports = self
            .with_case(id, |case| case.fees_lamports)
            .unwrap_or_default();
        let most_lamports = spent_lamports.saturating_add(fee_lamports.saturating_mul(left.into()));
        if most_lamports > self.settings.max_fee_lamports {
            return Err(Trouble::Final(format!(
                "the result is wrong and its data are withheld, but asking for them may cost {most_lamports} lamports, more than the limit of {}; raise --max-fee-lamports",
                self.settings.max_fee_lamports
            )));
        }
        if !is_root {
            return Ok(true);
        }
        let review_end = job.effective_deadline(moment);
        if !in_time(moment.now, review_end) {
            return Err(Trouble::Again(WatcherError::NotReady(
                "the result is wrong and its data are withheld, but the review is over, so they cannot be demanded any more"
                    .to_owned(),
            )));
        }
        let review_secs = i64::from(job.review_secs.get());
        let grace_secs = i64::try_from(self.settings.publication_grace.as_secs())
            .unwrap_or(i64::MAX)
            .min(review_secs / 4);
        let submitted_at = job.deadline.get().saturating_sub(review_secs);
        Ok(moment.now >= submitted_at.saturating_add(grace_secs))
    }

    async fn ask(
        &self,
        id: CaseId,
        job: &Job,
        node_id: NodeId,
        parent: Option<Pubkey>,
        left: u32,
    ) -> Stepped {
        match self.chain.ask(job, &node_id, parent).await {
            Ok(()) => {
                let fee_lamports = job.terms.demand_fee_lamports.get();
                self.with_case(id, |case| case.fees_lamports += fee_lamports);
                tracing::info!(
                    job = %id.job, fee_lamports, at_most_left = left - 1,
                    "demanded: {node_id}"
                );
                Ok(Next::Wait)
            }
            Err(error) => {
                // Somebody else may have asked the same in the meantime.
                let asked = self.chain.demand_at(&id.job, id.submission, &node_id);
                if asked.await?.is_some() {
                    return Ok(Next::Wait);
                }
                // What was answered may have been rolled back.
                self.with_case(id, |case| {
                    case.answered.clear();
                    case.waits_for = None;
                });
                self.unless_moved_on(id, error).await
            }
        }
    }

    async fn convict(
        &self,
        id: CaseId,
        job: &Job,
        charge: Charge,
        evidence: Vec<u8>,
        demands: u32,
    ) -> Stepped {
        let is_new = self.with_case(id, |case| {
            let is_new = case.charge.as_ref() != Some(&charge);
            (case.is_wrong, case.charge) = (true, Some(charge));
            is_new
        });
        if is_new == Some(true) {
            let what = format!("{charge} is wrong");
            tracing::info!(job = %id.job, evidence_bytes = evidence.len(), "{what}; convicting");
        }
        match self.chain.convict(job, &charge, &evidence).await {
            Ok(conviction) => Ok(Next::Done(Verdict::Convicted {
                signature: conviction.signature,
                charge,
                route: conviction.route,
                evidence_bytes: evidence.len() as u64,
                compute_units: conviction.compute_units,
                demands,
            })),
            Err(error) => self.unless_moved_on(id, error).await,
        }
    }

    async fn timeout(&self, id: CaseId, job: &Job, overdue: &OpenedDemand) -> Stepped {
        match self.chain.timeout(job, overdue).await {
            Ok(signature) => Ok(Next::Done(Verdict::TimedOut {
                signature,
                node_id: overdue.node_id,
            })),
            // The clock that was read was ahead of the one that counts, or an answer came at the last moment.
            Err(error)
                if matches!(
                    error.quern(),
                    Some(QuernError::TooEarly | QuernError::AlreadyAnswered)
                ) =>
            {
                Ok(Next::Wait)
            }
            Err(error) => self.unless_moved_on(id, error).await,
        }
    }

    /// A failed transaction is no failure if the job has moved on: the next step says where to.
    pub(super) async fn unless_moved_on(&self, id: CaseId, error: ClientError) -> Stepped {
        // The transaction failed for a reason of its own if nothing changed; what is unknown is looked up next time.
        if let ClientError::Unknown { .. } = &error {
            tracing::warn!(job = %id.job, %error, "looking again");
            return Ok(Next::Wait);
        }
        match self.chain.job(&id.job).await? {
            Some(job) if is_behind(id, &job) || self.passed_on(id, &job).is_none() => {
                Err(error.into())
            }
            moved => {
                if let Some(job) = moved.filter(|job| job.prover != self.chain.signer()) {
                    tracing::info!(job = %id.job, reason = reason_name(job.conviction_reason), "somebody else was faster");
                }
                Ok(Next::Wait)
            }
        }
    }
}

/// Behind one address there may be several nodes, and the one that was asked is behind the one that showed the submission.
fn is_behind(id: CaseId, job: &Job) -> bool {
    job.submissions.get() < id.submission
}

/// Whether anything was ever asked about the current submission.
fn has_demands(job: &Job) -> bool {
    job.open_demands.get() > 0 || job.last_answer_at.get() > 0
}

/// Until when a demand must be answered, a cluster restart included.
fn effective_due(asked: &OpenedDemand, job: &Job, moment: &Moment) -> i64 {
    moment.deadline(asked.due, asked.slot, job.terms.restart_grace_secs.get())
}

type Found = Result<Option<(Charge, Vec<u8>)>, Trouble>;

/// The first wrong value of outputs that have the committed root, with evidence that the judge accepts.
fn find_wrong(
    given: &Given,
    outputs: &[Tensor],
    hints: Option<Vec<u8>>,
    trace_root: &Hash,
) -> Found {
    let graph = parsed(&given.graph)?;
    let (inputs, weights) = (&given.inputs, &given.weights);
    let hints = hints.map_or(Hints::none(), |hints| {
        // The file itself is dropped here.
        Hints::from_file(&graph, given.batch_rows, &hints)
    });
    let finding = verify::outputs(
        &graph,
        given.batch_rows,
        inputs,
        weights,
        outputs,
        &hints,
        &mut private_coins()?,
    )?;
    let Finding::Wrong(charge) = finding else {
        return Ok(None);
    };
    let whole = Whole::new(&graph, given.batch_rows, inputs, weights, outputs)?;
    let evidence = judged(given, &graph, trace_root, &charge, &whole)?;
    Ok(Some((charge, evidence)))
}

/// Randomness of the operating system, which nobody else ever sees; new for every check.
fn private_coins() -> Result<Coins, Trouble> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| {
        Trouble::Again(WatcherError::NotReady(format!(
            "the operating system gives no randomness: {error}"
        )))
    })?;
    Ok(Coins::new(seed))
}

/// Evidence that convicts: the judge on chain is the same code.
fn judged(
    given: &Given,
    graph: &Graph<'_>,
    trace_root: &Hash,
    charge: &Charge,
    openings: &impl witness::Openings,
) -> Result<Vec<u8>, Trouble> {
    let evidence = witness::evidence(graph, given.batch_rows, charge, openings)?;
    let case = evidence::Case {
        graph: *graph,
        batch_rows: given.batch_rows,
        input_roots: &given.input_roots,
        trace_root,
    };
    match evidence::judge(&case, charge, &evidence) {
        Ok(()) => Ok(evidence),
        Err(refusal) => Err(Trouble::Final(format!(
            "{charge:?} seems wrong but would not convict: {}",
            refusal.message()
        ))),
    }
}

/// Where a withheld commitment first differs, as far as it was revealed.
enum Descent {
    Ask {
        node_id: NodeId,
        /// The answered demand whose answer holds the node.
        parent: Option<NodeId>,
        /// At most so many demands are left, this one included.
        left: u32,
    },
    Charge {
        charge: Charge,
        evidence: Vec<u8>,
        /// Answers that led there.
        demands: u32,
    },
}

fn descend(
    own: &Own,
    trace_root: Hash,
    answers: &HashMap<NodeId, Vec<u8>>,
) -> Result<Descent, Trouble> {
    let given = &own.given;
    let graph = parsed(&given.graph)?;
    let whole = Whole::new(
        &graph,
        given.batch_rows,
        &given.inputs,
        &given.weights,
        &own.outputs,
    )?;
    let mut patched = Patched::new(&whole, trace_root);
    let mut demands = 0;
    loop {
        match patched.step()? {
            Step::Ask(node_id) => match answers.get(&node_id) {
                Some(answer) => {
                    patched.reveal(&node_id, answer)?;
                    demands += 1;
                }
                None => {
                    let asked = demand::plan(&graph, given.batch_rows, &node_id)
                        .map_err(quern_proof::Error::from)?;
                    let parent = match asked.parent {
                        Parent::Answer { node_id, .. } => Some(node_id),
                        Parent::TraceRoot | Parent::InputRoot(_) | Parent::WeightRoot(_) => None,
                    };
                    let left = node_id.most_left(&graph, given.batch_rows);
                    return Ok(Descent::Ask {
                        node_id,
                        parent,
                        left,
                    });
                }
            },
            Step::Charge(charge) => {
                let evidence = judged(given, &graph, &trace_root, &charge, &patched)?;
                return Ok(Descent::Charge {
                    charge,
                    evidence,
                    demands,
                });
            }
            Step::Same => {
                return Err(Trouble::Final(
                    "the roots differ but nothing below them does".to_owned(),
                ));
            }
        }
    }
}
