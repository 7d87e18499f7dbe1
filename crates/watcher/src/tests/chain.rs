//! The chain in memory, through one process with one wallet.

use super::*;

/// The chain through one process with one wallet, which dies after so many steps.
pub(super) struct View {
    pub(super) world: Arc<World>,
    pub(super) signer: Pubkey,
    pub(super) left: AtomicUsize,
}

fn refused(error: QuernError) -> ClientError {
    ClientError::WouldRefuse(error)
}

impl View {
    fn burn(&self) -> ChainResult<()> {
        let burnt = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        burnt
            .map(drop)
            .map_err(|_| ClientError::Argument("killed".to_owned()))
    }

    /// A transaction: the process can die before it is sent, or after it landed and before it hears so.
    fn transact<T>(
        &self,
        count: &AtomicUsize,
        change: impl FnOnce(&mut State) -> ChainResult<T>,
    ) -> ChainResult<T> {
        self.burn()?;
        if self.world.is_poor.load(Ordering::SeqCst) {
            return Err(ClientError::Argument("too few lamports".to_owned()));
        }
        let done = change(&mut self.world.state())?;
        count.fetch_add(1, Ordering::SeqCst);
        self.burn()?;
        Ok(done)
    }
}

/// The job, if it may be refuted.
fn refutable(state: &mut State) -> ChainResult<&mut Job> {
    let job = state.job.as_mut().ok_or(ClientError::NotFound {
        what: "job",
        address: NOBODY,
    })?;
    if job.state != JobState::Submitted as u8 {
        return Err(refused(QuernError::WrongState));
    }
    Ok(job)
}

fn slash(job: &mut Job, prover: Pubkey, reason: ConvictionReason) -> Signature {
    job.state = JobState::Convicted as u8;
    job.prover = prover;
    job.conviction_reason = reason as u8;
    Signature::from([reason as u8; 64])
}

#[async_trait]
impl ChainReads for View {
    fn signer(&self) -> Pubkey {
        self.signer
    }
    async fn moment(&self) -> ChainResult<Moment> {
        self.burn()?;
        Ok(Moment {
            now: self.world.state().now,
            slot: 1,
            last_restart_slot: 0,
        })
    }
    async fn job(&self, _: &Pubkey) -> ChainResult<Option<Job>> {
        self.burn()?;
        let asked = self.world.asked.fetch_add(1, Ordering::SeqCst);
        if (1..=self.world.silences.load(Ordering::SeqCst)).contains(&asked) {
            return Err(ClientError::Argument("it is silent".to_owned()));
        }
        let mut state = self.world.state();
        match state.stale.pop() {
            Some(stale) => Ok(stale),
            None => Ok(state.job),
        }
    }
    async fn model(&self, _: &Pubkey) -> ChainResult<ModelAccount> {
        Ok(ModelAccount {
            address: MODEL,
            model: Model::zeroed(),
            graph: self.world.work.graph.clone(),
        })
    }
    async fn input_uri(&self, _: &Pubkey, _: &Job) -> ChainResult<String> {
        Ok(self.world.uri("inputs"))
    }
    async fn model_uri(&self, _: &Pubkey, _: &Model) -> ChainResult<String> {
        Ok(self.world.uri("weights"))
    }
}

#[async_trait]
impl WatcherChain for View {
    async fn jobs(
        &self,
        state: JobState,
        client: Option<Pubkey>,
    ) -> ChainResult<Vec<(Pubkey, Job)>> {
        self.burn()?;
        let refused = self.world.refused.fetch_add(1, Ordering::SeqCst);
        if refused < self.world.refusals.load(Ordering::SeqCst) {
            return Err(ClientError::Argument("excluded from this node".to_owned()));
        }
        if self.world.hangs.load(Ordering::SeqCst) {
            self.world.is_stuck.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        let job = self.world.state().job;
        let job = job.filter(|job| {
            job.state == state as u8 && client.is_none_or(|client| client == job.client)
        });
        Ok(job
            .map(|job| (self.world.address, job))
            .into_iter()
            .collect())
    }
    async fn output_uri(&self, _: &Pubkey, _: &Job) -> ChainResult<String> {
        self.world.counts.look_ups.fetch_add(1, Ordering::SeqCst);
        if self.world.is_lost.load(Ordering::SeqCst) {
            return Err(ClientError::Argument("too many requests".to_owned()));
        }
        Ok(self.world.uri(fetch::RESULT_FILE))
    }
    async fn demand_at(
        &self,
        _: &Pubkey,
        _: u32,
        node_id: &NodeId,
    ) -> ChainResult<Option<OpenedDemand>> {
        self.burn()?;
        let state = self.world.state();
        let mut asked = state.demands.iter().map(|demand| &demand.asked);
        Ok(asked.find(|asked| asked.node_id == *node_id).cloned())
    }
    async fn unanswered(&self, _: &Pubkey) -> ChainResult<Vec<OpenedDemand>> {
        self.burn()?;
        if self.world.is_flooded.load(Ordering::SeqCst) {
            return Err(ClientError::Argument("too many accounts".to_owned()));
        }
        let state = self.world.state();
        let asked = state.demands.iter().map(|demand| &demand.asked);
        Ok(asked
            .filter(|asked| asked.answer.is_none())
            .cloned()
            .collect())
    }
    async fn ask(&self, _: &Job, node_id: &NodeId, parent: Option<Pubkey>) -> ChainResult<()> {
        let opener = self.signer;
        self.transact(&self.world.counts.asks, |state| {
            let now = state.now;
            let job = *refutable(state)?;
            let graph = self.world.work.graph();
            let asked = demand::plan(&graph, self.world.work.items, node_id).unwrap();
            let above = match asked.parent {
                Parent::Answer { node_id, .. } => {
                    let above = state.demands.iter();
                    let mut above = above.filter(|above| Some(above.asked.address) == parent);
                    let above = above.next().ok_or(refused(QuernError::WrongParent))?;
                    assert_eq!(above.asked.node_id, node_id);
                    if above.asked.answer.is_none() {
                        return Err(refused(QuernError::ParentUnanswered));
                    }
                    above.answered_at
                }
                _ => {
                    assert_eq!(parent, None);
                    0
                }
            };
            let of_tokens = match job.is_tokens(node_id.tree) {
                true => 0,
                false => job.tokens_answered_at.get(),
            };
            let deadline = job.deadline.get();
            if !in_time(
                now,
                reaction_end(deadline, above.max(of_tokens), REACT_SECS),
            ) {
                return Err(refused(QuernError::TooLate));
            }
            if state
                .demands
                .iter()
                .any(|known| known.asked.node_id == *node_id)
            {
                // The address is taken.
                return Err(refused(QuernError::WrongState));
            }
            let open = job.open_demands.get();
            state.demands.push(OnChain {
                asked: OpenedDemand {
                    address: Pubkey::from([100 + state.demands.len() as u8; 32]),
                    submission: job.submissions.get(),
                    node_id: *node_id,
                    opener,
                    fee_lamports: FEE_LAMPORTS,
                    due: demand_due(now, RESPONSE_SECS, open).unwrap(),
                    slot: 1,
                    answer: None,
                },
                answered_at: 0,
            });
            refutable(state)?.open_demands = (open + 1).into();
            Ok(())
        })
    }
    async fn answer(&self, _: &Job, asked: &OpenedDemand, answer: &[u8]) -> ChainResult<()> {
        let world = &self.world;
        self.transact(&world.counts.answers, |state| {
            let now = state.now;
            let all = state.demands.iter_mut();
            let mut all = all.filter(|demand| demand.asked.address == asked.address);
            let demand = all.next().unwrap();
            if demand.asked.answer.is_some() {
                return Err(refused(QuernError::AlreadyAnswered));
            }
            if answer != world.claim.answer(&world.work, &asked.node_id) {
                return Err(refused(QuernError::WrongAnswer));
            }
            demand.asked.answer = Some(answer.to_vec());
            demand.answered_at = now;
            let job = refutable(state)?;
            job.open_demands = (job.open_demands.get() - 1).into();
            job.last_answer_at = now.into();
            Ok(())
        })
    }
    async fn convict(
        &self,
        _: &Job,
        graph: &Graph<'_>,
        charge: &Charge,
        bytes: &[u8],
    ) -> ChainResult<Conviction> {
        self.transact(&self.world.counts.convictions, |state| {
            let job = refutable(state)?;
            let case = evidence::Case {
                graph: *graph,
                items: self.world.work.items,
                input_roots: &job.input_roots,
                tokens_root: &job.tokens_root,
                trace_root: &job.trace_root,
            };
            let judged = evidence::judge(&case, charge, bytes);
            judged.map_err(ClientError::Evidence)?;
            let reason = match charge {
                Charge::Cell { .. } => ConvictionReason::WrongCell,
                Charge::Padding(_) => ConvictionReason::BadPadding,
                Charge::Tokens { .. } => ConvictionReason::WrongTokens,
            };
            Ok(Conviction {
                signature: slash(job, self.signer, reason),
                route: Route::Inline,
                compute_units: None,
            })
        })
    }
    async fn timeout(&self, _: &Job, asked: &OpenedDemand) -> ChainResult<Signature> {
        self.transact(&self.world.counts.timeouts, |state| {
            let now = state.now;
            let demand = state.demands.iter();
            let mut demand = demand.filter(|demand| demand.asked.address == asked.address);
            let demand = demand.next().unwrap().clone();
            if demand.asked.answer.is_some() {
                return Err(refused(QuernError::AlreadyAnswered));
            }
            if !passed(now, demand.asked.due) {
                return Err(refused(QuernError::TooEarly));
            }
            let job = refutable(state)?;
            Ok(slash(
                job,
                demand.asked.opener,
                ConvictionReason::Unanswered,
            ))
        })
    }
    async fn settle_conviction(
        &self,
        _: &Pubkey,
        _: &Job,
        opens_purses: bool,
    ) -> ChainResult<bool> {
        if !opens_purses && !self.world.has_purse.load(Ordering::SeqCst) {
            return Ok(false);
        }
        self.transact(&self.world.counts.settled, |state| {
            let Some(job) = state.job.take() else {
                return Err(refused(QuernError::WrongState));
            };
            state.ended = Outcome::Convicted {
                prover: job.prover,
                reason: ConvictionReason::from_code(job.conviction_reason),
            };
            Ok(true)
        })
    }
    async fn tidy(&self) -> ChainResult<usize> {
        self.burn()?;
        let mut state = self.world.state();
        if state
            .job
            .is_some_and(|job| job.state == JobState::Submitted as u8)
        {
            return Ok(0);
        }
        let before = state.demands.len();
        state
            .demands
            .retain(|demand| demand.asked.opener != self.signer);
        let closed = before - state.demands.len();
        self.world.counts.closed.fetch_add(closed, Ordering::SeqCst);
        Ok(closed)
    }
    async fn outcome(&self, _: &Pubkey) -> ChainResult<Outcome> {
        self.burn()?;
        Ok(self.world.state().ended.clone())
    }
}
