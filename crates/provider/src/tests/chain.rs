//! The world through one process, which can die at every step.

use super::*;

/// The world through one process: when its fuse blows, neither reads nor writes get through any more.
pub(super) struct View {
    pub(super) world: Arc<World>,
    pub(super) fuse: Arc<Fuse>,
}

impl View {
    /// A transaction: the process can die before it is sent, or after it landed and before it hears so.
    fn transact(
        &self,
        count: &AtomicU32,
        change: impl FnOnce() -> ChainResult<()>,
    ) -> ChainResult<()> {
        self.burn()?;
        change()?;
        count.fetch_add(1, Ordering::SeqCst);
        self.burn()
    }

    fn burn(&self) -> ChainResult<()> {
        self.fuse.burn().map_err(ClientError::Argument)
    }
}

#[async_trait]
impl ChainReads for View {
    fn signer(&self) -> Pubkey {
        OWNER
    }
    async fn genesis(&self) -> ChainResult<Option<String>> {
        Ok(Some(self.world.genesis.lock().unwrap().clone()))
    }
    async fn moment(&self) -> ChainResult<Moment> {
        if self.fuse.is_blown() {
            return self.burn().map(|()| unreachable!());
        }
        Ok(Moment {
            now: self.world.now(),
            slot: 1,
            last_restart_slot: 0,
        })
    }
    async fn job(&self, _: &Pubkey) -> ChainResult<Option<Job>> {
        Ok(self.world.shown())
    }
    async fn model(&self, _: &Pubkey) -> ChainResult<ModelAccount> {
        Ok(self.world.model.clone())
    }
    async fn input_uri(&self, _: &Pubkey, _: &Job) -> ChainResult<String> {
        self.world.look_up(&self.world.input_uri)
    }
    async fn model_uri(&self, _: &Pubkey, _: &state::Model) -> ChainResult<String> {
        self.world.weight_fetches.fetch_add(1, Ordering::SeqCst);
        // Time for another task to come as far as this.
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.world.look_up(&self.world.model_uri)
    }
}

#[async_trait]
impl ProviderChain for View {
    async fn open_jobs(&self) -> ChainResult<Vec<(Pubkey, Job)>> {
        let job = self
            .world
            .shown()
            .filter(|job| job.state == JobState::Open as u8);
        Ok(job
            .map(|job| (self.world.address, job))
            .into_iter()
            .collect())
    }
    async fn own_jobs(&self, owner: &Pubkey) -> ChainResult<Vec<(Pubkey, Job)>> {
        let job = self.world.shown().filter(|job| job.provider == *owner);
        Ok(job
            .map(|job| (self.world.address, job))
            .into_iter()
            .collect())
    }
    async fn provider(&self, _: &Pubkey) -> ChainResult<Option<Provider>> {
        Ok(Some(self.world.provider))
    }
    async fn purse(&self, _: &Pubkey, _: &Pubkey) -> ChainResult<Option<Purse>> {
        Ok(Some(self.world.purse))
    }
    async fn is_set_up(&self) -> ChainResult<bool> {
        Ok(true)
    }
    async fn lamports(&self) -> ChainResult<u64> {
        Ok(self.world.lamports.load(Ordering::SeqCst))
    }
    async fn checkpoint_uri(&self, _: &Pubkey, _: &Job) -> ChainResult<String> {
        self.world.look_up("https://example.com/checkpoint")
    }
    async fn campaigns(&self, addresses: &[Pubkey]) -> ChainResult<Vec<Option<Campaign>>> {
        let all = self.world.campaigns.lock().unwrap();
        let found = addresses.iter().map(|address| all.get(address).copied());
        Ok(found.collect())
    }
    async fn entries(&self, _: &Pubkey) -> ChainResult<Vec<Entry>> {
        Ok(self.world.entries.lock().unwrap().clone())
    }
    async fn take(&self, owner: &Pubkey, job: &Job, joins: bool) -> ChainResult<()> {
        self.transact(&self.world.counts.takes, || {
            self.world.join_for(owner, job, joins)?;
            self.world.change(JobState::Open, |job, now| {
                job.state = JobState::Taken as u8;
                job.provider = *owner;
                job.deadline = (now + 1_000).into();
                false
            })
        })
    }
    async fn submit(
        &self,
        _: &Job,
        trace_root: [u8; 32],
        tokens_root: [u8; 32],
        _: &str,
    ) -> ChainResult<()> {
        self.transact(&self.world.counts.submits, || {
            self.world.change(JobState::Taken, |job, now| {
                job.state = JobState::Submitted as u8;
                job.trace_root = trace_root;
                assert_eq!(tokens_root, self.world.tokens_root);
                job.tokens_root = tokens_root;
                job.submissions = (job.submissions.get() + 1).into();
                job.deadline = (now + i64::from(REVIEW_SECS)).into();
                self.world.roots.lock().unwrap().push(trace_root);
                false
            })
        })
    }
    async fn demands(&self, _: &Pubkey) -> ChainResult<Vec<DemandAccount>> {
        let demands = self.world.demands.lock().unwrap();
        let open = demands.iter().filter(|known| !known.demand.answered.get());
        Ok(open.cloned().collect())
    }
    async fn reveal(&self, answers: &[Answer]) -> ChainResult<()> {
        for answer in answers {
            self.world.sent.lock().unwrap().push(answer.demand.address);
        }
        for answer in answers {
            let stuck = self.world.stuck.lock().unwrap();
            match stuck.get(&answer.demand.address).copied() {
                Some(Some(error)) => return Err(refused(error)),
                Some(None) => return Err(ClientError::Argument("not now".to_owned())),
                None => {}
            }
        }
        let now = self.world.now();
        self.transact(&self.world.counts.reveal_transactions, || {
            let mut demands = self.world.demands.lock().unwrap();
            // All of them or none.
            let mut changed = demands.clone();
            for Answer { demand, bytes } in answers {
                let known = changed
                    .iter_mut()
                    .find(|known| known.address == demand.address)
                    .unwrap();
                if known.demand.answered.get() {
                    return Err(refused(QuernError::AlreadyAnswered));
                }
                if now > known.demand.due.get() {
                    return Err(refused(QuernError::TooLate));
                }
                assert!(flows::is_answer(&known.demand, bytes), "a wrong answer");
                known.demand.answered = true.into();
                known.demand.answered_at = now.into();
                known.answer = Some(bytes.clone());
            }
            let count = answers.len() as u32;
            self.world.change(JobState::Submitted, |job, now| {
                job.open_demands = (job.open_demands.get() - count).into();
                job.last_answer_at = now.into();
                false
            })?;
            self.world.counts.reveals.fetch_add(count, Ordering::SeqCst);
            *demands = changed;
            Ok(())
        })
    }
    async fn finalize(&self, _: &Pubkey) -> ChainResult<()> {
        let now = self.world.now();
        let is_early = self.world.job().is_some_and(|job| {
            let react_secs = i64::from(job.terms.react_secs.get());
            let answered = job.last_answer_at.get();
            let ready = match answered {
                0 => 0,
                answered => answered + react_secs,
            };
            job.open_demands.get() > 0 || now <= job.deadline.get().max(ready)
        });
        if is_early {
            return Err(refused(QuernError::TooEarly));
        }
        if self.world.job().is_none() {
            // Anchor's own: there is no account.
            return Err(refused_with(3_012));
        }
        self.transact(&self.world.counts.finalizes, || {
            self.world.change(JobState::Submitted, |job, now| {
                job.checkpoint = job.trace_root;
                job.milestone += 1;
                job.state = JobState::Taken as u8;
                job.deadline = (now + 1_000).into();
                job.milestone == job.milestones
            })
        })
    }
    async fn claim(&self, claim: &CampaignClaim) -> ChainResult<()> {
        self.transact(&self.world.counts.claims, || {
            self.world.claim(&claim.entry.campaign)
        })
    }
}
