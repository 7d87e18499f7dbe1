//! Strangers who have jobs, too, keep nobody waiting.

use super::*;

/// A chain on which strangers have jobs, too, whose models take their time or never come.
struct Crowd {
    view: View,
    others: Vec<(Pubkey, Job)>,
    /// Strangers' models.
    stalls_for: Duration,
    /// How often one of them was asked for.
    asked: Arc<AtomicUsize>,
}

/// How long what must happen is waited for: machines differ.
const PATIENT: Duration = Duration::from_secs(120);

impl Crowd {
    fn watcher(world: &Arc<World>, others: Vec<(Pubkey, Job)>, stalls_for: Duration) -> Watcher {
        let patience = Duration::from_millis(200);
        Self::counting(world, others, stalls_for, patience).0
    }

    /// A watcher, and how often a stranger's model was asked for.
    fn counting(
        world: &Arc<World>,
        others: Vec<(Pubkey, Job)>,
        stalls_for: Duration,
        patience: Duration,
    ) -> (Watcher, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let chain = Self {
            view: View {
                world: Arc::clone(world),
                signer: ANNA,
                left: AtomicUsize::new(usize::MAX),
            },
            others,
            stalls_for,
            asked: Arc::clone(&asked),
        };
        let settings = Settings {
            patience,
            ..world.settings()
        };
        (Watcher::new(settings, Arc::new(chain)).unwrap(), asked)
    }

    /// Jobs with earlier deadlines than the world's own one.
    fn jobs(world: &World, count: u8, client: impl Fn(u8) -> Pubkey) -> Vec<(Pubkey, Job)> {
        let job = world.state().job.unwrap();
        let other = |number: u8| {
            let mut job = job;
            job.client = client(number);
            job.model = BERT;
            job.deadline = START.into();
            (Pubkey::from([number + 100; 32]), job)
        };
        (0..count).map(other).collect()
    }
}

#[async_trait]
impl ChainReads for Crowd {
    fn signer(&self) -> Pubkey {
        self.view.signer()
    }
    async fn moment(&self) -> ChainResult<Moment> {
        self.view.moment().await
    }
    async fn job(&self, address: &Pubkey) -> ChainResult<Option<Job>> {
        match self.others.iter().find(|(other, _)| other == address) {
            Some((_, job)) => Ok(Some(*job)),
            None => self.view.job(address).await,
        }
    }
    async fn model(&self, address: &Pubkey) -> ChainResult<ModelAccount> {
        if *address == MODEL {
            return self.view.model(address).await;
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.stalls_for).await;
        Err(ClientError::Argument("it does not come".to_owned()))
    }
    async fn input_uri(&self, address: &Pubkey, job: &Job) -> ChainResult<String> {
        self.view.input_uri(address, job).await
    }
    async fn model_uri(&self, address: &Pubkey, model: &Model) -> ChainResult<String> {
        self.view.model_uri(address, model).await
    }
}

#[async_trait]
impl WatcherChain for Crowd {
    async fn jobs(
        &self,
        state: JobState,
        client: Option<Pubkey>,
    ) -> ChainResult<Vec<(Pubkey, Job)>> {
        let mut jobs = self.view.jobs(state, client).await?;
        if state == JobState::Submitted {
            jobs.extend(&self.others);
        }
        Ok(jobs)
    }
    async fn output_uri(&self, address: &Pubkey, job: &Job) -> ChainResult<String> {
        self.view.output_uri(address, job).await
    }
    async fn demand_at(
        &self,
        job: &Pubkey,
        nr: u32,
        node_id: &NodeId,
    ) -> ChainResult<Option<OpenedDemand>> {
        self.view.demand_at(job, nr, node_id).await
    }
    async fn unanswered(&self, job: &Pubkey) -> ChainResult<Vec<OpenedDemand>> {
        self.view.unanswered(job).await
    }
    async fn ask(&self, job: &Job, node_id: &NodeId, parent: Option<Pubkey>) -> ChainResult<()> {
        self.view.ask(job, node_id, parent).await
    }
    async fn answer(&self, job: &Job, asked: &OpenedDemand, answer: &[u8]) -> ChainResult<()> {
        self.view.answer(job, asked, answer).await
    }
    async fn convict(
        &self,
        job: &Job,
        graph: &Graph<'_>,
        charge: &Charge,
        evidence: &[u8],
    ) -> ChainResult<Conviction> {
        self.view.convict(job, graph, charge, evidence).await
    }
    async fn timeout(&self, job: &Job, asked: &OpenedDemand) -> ChainResult<Signature> {
        self.view.timeout(job, asked).await
    }
    async fn settle_conviction(
        &self,
        address: &Pubkey,
        job: &Job,
        opens: bool,
    ) -> ChainResult<bool> {
        self.view.settle_conviction(address, job, opens).await
    }
    async fn tidy(&self) -> ChainResult<usize> {
        self.view.tidy().await
    }
    async fn outcome(&self, address: &Pubkey) -> ChainResult<Outcome> {
        self.view.outcome(address).await
    }
}

#[tokio::test]
async fn what_failed_comes_last_and_what_was_asked_first() {
    let world = World::wrong(3);
    let others = Crowd::jobs(&world, 3, |number| Pubkey::from([number; 32]));
    let watcher = Crowd::watcher(&world, others, Duration::ZERO);
    let first = async || {
        let found = survey(&watcher.state, &HashSet::new(), true).await.unwrap();
        assert_eq!(found.len(), 4);
        found[0].task.job()
    };
    assert_ne!(first().await, world.address, "the nearest deadline first");
    watcher.pass().await.unwrap();
    assert_eq!(first().await, world.address, "the others have failed");
    world.pass_time(100);
    watcher.pass().await.unwrap();
    assert_eq!(world.count(|c| &c.asks), 1);
    for case in lock(&watcher.state.cases.open).values_mut() {
        case.retry = Retry::default();
    }
    assert_eq!(
        first().await,
        world.address,
        "its next demand has little time"
    );
}

/// Runs until the world's own job is reported.
async fn run_to_report(world: &World, watcher: &Watcher) -> bool {
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let mut tell = Some(tell);
    let report = |report: &Report| {
        if report.job == world.address {
            let _ = tell.take().map(|tell| tell.send(()));
        }
    };
    tokio::select! {
        _ = watcher.run(Until::Stopped, report, std::future::pending()) => false,
        told = told => told.is_ok(),
        () = tokio::time::sleep(PATIENT) => false,
    }
}

#[tokio::test]
async fn strangers_whose_data_do_not_come_keep_nobody_waiting() {
    // Of many clients: they fail now and again, always with nearer deadlines, and never rest.
    let world = World::honest();
    world.publish(&world.claim);
    let others = Crowd::jobs(&world, 40, |number| Pubkey::from([number; 32]));
    let watcher = Crowd::watcher(&world, others, Duration::from_millis(100));
    assert!(
        run_to_report(&world, &watcher).await,
        "after all have failed once"
    );
    // Of one client: they never even fail.
    let world = World::honest();
    world.publish(&world.claim);
    let others = Crowd::jobs(&world, 4, |_| BERT);
    let watcher = Crowd::watcher(&world, others, Duration::from_secs(3_600));
    assert!(run_to_report(&world, &watcher).await, "at once");
}

/// N9: identities cost nothing. Cases of other clients that never even fail hold up no conviction: neither as many as there
/// are slots, nor more than there are download slots.
#[tokio::test]
async fn decoys_of_many_clients_that_stall_hold_up_no_conviction() {
    for count in [4, 100] {
        let world = World::wrong(3);
        world.publish(&world.claim);
        let others = Crowd::jobs(&world, count, |number| Pubkey::from([number; 32]));
        let watcher = Crowd::watcher(&world, others, Duration::from_secs(3_600));
        assert!(
            run_to_report(&world, &watcher).await,
            "beside {count} decoys"
        );
        assert_eq!(world.count(|c| &c.convictions), 1);
    }
}

/// Patience grows with every failure, so decoys that have failed often hold a download slot for long: half of the slots are
/// for others.
#[tokio::test]
async fn decoys_that_failed_before_leave_download_slots_to_others() {
    let world = World::honest();
    world.publish(&world.claim);
    let others = Crowd::jobs(&world, 40, |number| Pubkey::from([number; 32]));
    let hour = Duration::from_secs(3_600);
    let (watcher, asked) = Crowd::counting(&world, others, hour, hour);
    let hidden = world.state().job.take();
    survey(&watcher.state, &HashSet::new(), true).await.unwrap();
    for case in lock(&watcher.state.cases.open).values_mut() {
        for _ in 0..6 {
            case.retry.failed(Duration::ZERO, Duration::ZERO);
        }
    }
    let appears = async {
        while asked.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // All tasks of a look begin together, so by the next one they have what they get.
        world.state().job = hidden;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = appears => unreachable!("it waits for ever"),
        is_reported = run_to_report(&world, &watcher) => assert!(is_reported),
    }
}

/// N9: the largest bond gets every second turn, however near the deadlines of others are.
#[tokio::test]
async fn deadlines_and_bonds_take_turns() {
    let world = World::wrong(3);
    let others = Crowd::jobs(&world, 40, |number| Pubkey::from([number; 32]));
    world.state().job.as_mut().unwrap().bond_atoms = 1_000u64.into();
    let watcher = Crowd::watcher(&world, others, Duration::ZERO);
    let found = survey(&watcher.state, &HashSet::new(), true).await.unwrap();
    assert_eq!(found.len(), 41);
    assert_eq!(found[1].task.job(), world.address);
}
