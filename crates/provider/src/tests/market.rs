//! Many jobs at once: strangers' ones whose data stall, and more work than a machine can do.

use {
    super::{campaigns::named, *},
    std::{sync::atomic::AtomicI64, time::Instant},
    tokio::io::{AsyncReadExt, AsyncWriteExt},
};

/// How long what must happen is waited for: machines differ.
const PATIENT: Duration = Duration::from_secs(120);

/// A chain with more open jobs than the world's own one.
struct Market {
    view: View,
    others: Mutex<Vec<(Pubkey, Job)>>,
    /// Where the inputs of the others are; NUMBER stands for the job's.
    uri: String,
    /// So many looks end in a panic inside a library.
    panics: AtomicI64,
}

impl Market {
    fn new(world: &Arc<World>, others: Vec<(Pubkey, Job)>, uri: String) -> Arc<Self> {
        Arc::new(Self {
            view: View {
                world: Arc::clone(world),
                fuse: Fuse::new(PLENTY),
            },
            others: Mutex::new(others),
            uri,
            panics: AtomicI64::new(0),
        })
    }

    /// Open jobs of so many clients, better paid than the world's own one, with inputs of their own.
    fn jobs(world: &World, count: u8, root: [u8; 32]) -> Vec<(Pubkey, Job)> {
        let job = world.job().unwrap();
        let other = |number: u8| {
            let mut job = job;
            job.client = Pubkey::from([number + 100; 32]);
            job.price_atoms = 100u64.into();
            job.input_roots[0] = root;
            job.input_uri_hash = [number; 32];
            (job_address(&job), job)
        };
        (0..count).map(other).collect()
    }

    fn agent(self: &Arc<Self>, change: impl FnOnce(&mut Settings)) -> Agent {
        let mut settings = self.view.world.settings();
        settings.poll = Duration::from_millis(50);
        settings.offer_patience = Duration::from_millis(300);
        settings.fetch.allow_private = true;
        change(&mut settings);
        let chain: Arc<dyn ProviderChain> = Arc::clone(self) as Arc<dyn ProviderChain>;
        let agent = Agent::new(settings, chain, None).unwrap();
        changed(agent, |context| context.ability = Mutex::new(Some(FAST)))
    }

    fn taken(&self) -> usize {
        let others = self.others.lock().unwrap();
        let taken = others
            .iter()
            .filter(|(_, job)| job.state == JobState::Taken as u8);
        taken.count()
    }
}

#[async_trait]
impl ChainReads for Market {
    fn signer(&self) -> Pubkey {
        self.view.signer()
    }
    async fn moment(&self) -> ChainResult<Moment> {
        let left = self.panics.fetch_sub(1, Ordering::SeqCst);
        assert!(left <= 0, "a library does not like what a node said");
        self.view.moment().await
    }
    async fn job(&self, address: &Pubkey) -> ChainResult<Option<Job>> {
        let other = {
            let others = self.others.lock().unwrap();
            others.iter().find(|(other, _)| other == address).copied()
        };
        match other {
            Some((_, job)) => Ok(Some(job)),
            None => self.view.job(address).await,
        }
    }
    async fn model(&self, address: &Pubkey) -> ChainResult<ModelAccount> {
        self.view.model(address).await
    }
    async fn input_uri(&self, address: &Pubkey, job: &Job) -> ChainResult<String> {
        match *address == self.view.world.address {
            true => self.view.input_uri(address, job).await,
            false => {
                let number = job.input_uri_hash[0].to_string();
                Ok(self.uri.replace("NUMBER", &number))
            }
        }
    }
    async fn model_uri(&self, address: &Pubkey, model: &state::Model) -> ChainResult<String> {
        self.view.model_uri(address, model).await
    }
}

#[async_trait]
impl ProviderChain for Market {
    async fn open_jobs(&self) -> ChainResult<Vec<(Pubkey, Job)>> {
        let mut jobs = self.others.lock().unwrap().clone();
        jobs.retain(|(_, job)| job.state == JobState::Open as u8);
        jobs.extend(self.view.open_jobs().await?);
        Ok(jobs)
    }
    async fn own_jobs(&self, owner: &Pubkey) -> ChainResult<Vec<(Pubkey, Job)>> {
        let mut jobs = self.others.lock().unwrap().clone();
        jobs.retain(|(_, job)| job.provider == *owner);
        jobs.extend(self.view.own_jobs(owner).await?);
        Ok(jobs)
    }
    async fn provider(&self, owner: &Pubkey) -> ChainResult<Option<Provider>> {
        self.view.provider(owner).await
    }
    async fn purse(&self, owner: &Pubkey, mint: &Pubkey) -> ChainResult<Option<Purse>> {
        self.view.purse(owner, mint).await
    }
    async fn is_set_up(&self) -> ChainResult<bool> {
        Ok(true)
    }
    async fn lamports(&self) -> ChainResult<u64> {
        self.view.lamports().await
    }
    async fn checkpoint_uri(&self, address: &Pubkey, job: &Job) -> ChainResult<String> {
        self.view.checkpoint_uri(address, job).await
    }
    async fn campaigns(&self, addresses: &[Pubkey]) -> ChainResult<Vec<Option<Campaign>>> {
        self.view.campaigns(addresses).await
    }
    async fn entries(&self, owner: &Pubkey) -> ChainResult<Vec<Entry>> {
        self.view.entries(owner).await
    }
    async fn take(&self, owner: &Pubkey, job: &Job, joins: bool) -> ChainResult<()> {
        let address = job_address(job);
        let now = self.view.world.now();
        {
            let mut others = self.others.lock().unwrap();
            if let Some((_, other)) = others.iter_mut().find(|(other, _)| *other == address) {
                self.view.world.join_for(owner, job, joins)?;
                other.state = JobState::Taken as u8;
                other.provider = *owner;
                other.deadline = (now + i64::from(other.work_secs.get())).into();
                return Ok(());
            }
        }
        self.view.take(owner, job, joins).await
    }
    async fn submit(
        &self,
        job: &Job,
        root: [u8; 32],
        tokens_root: [u8; 32],
        uri: &str,
    ) -> ChainResult<()> {
        if job_address(job) == self.view.world.address {
            return self.view.submit(job, root, tokens_root, uri).await;
        }
        // The others stay under way.
        Err(ClientError::Argument("not now".to_owned()))
    }
    async fn demands(&self, job: &Pubkey) -> ChainResult<Vec<DemandAccount>> {
        self.view.demands(job).await
    }
    async fn reveal(&self, answers: &[Answer]) -> ChainResult<()> {
        self.view.reveal(answers).await
    }
    async fn finalize(&self, address: &Pubkey) -> ChainResult<()> {
        self.view.finalize(address).await
    }
    async fn claim(&self, claim: &CampaignClaim) -> ChainResult<()> {
        self.view.claim(claim).await
    }
}

/// A server that takes requests and never answers.
async fn stalling() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4_096];
                while socket.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {}
            });
        }
    });
    format!("http://{address}/inputs")
}

/// Jobs of so many different inputs, and a host that takes its time for each of them.
async fn of_a_slow_host(world: &World, count: u8, delay: Duration) -> (Vec<(Pubkey, Job)>, String) {
    let input = |number: u8| Tensor::from_i8(4, 3, &[number as i8; 12]).unwrap();
    let mut jobs = Market::jobs(world, count, [0; 32]);
    for (number, (_, job)) in (0..count).zip(&mut jobs) {
        job.input_roots[0] = commit::data_root(&input(number));
        // Time for all of them.
        job.work_secs = 10_000.into();
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(socket.read_u8().await.unwrap_or(b'\n'));
                }
                let request = String::from_utf8(request).unwrap();
                let path = request.split(' ').nth(1).unwrap();
                let number = path.trim_start_matches('/').parse().unwrap();
                tokio::time::sleep(delay).await;
                let body = file::encode_bundle(&[input(number)]);
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = socket.write_all(&[head.as_bytes(), &body].concat()).await;
            });
        }
    });
    (jobs, format!("http://{address}/NUMBER"))
}

/// Runs until so many of the others' jobs are taken.
async fn run_until_taken(market: &Market, agent: &Agent, count: usize) -> bool {
    let taken = async {
        while market.taken() < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let until = async {
        let _ = tokio::time::timeout(PATIENT, taken).await;
    };
    agent.run(until).await.unwrap();
    market.taken() >= count
}

/// An agent that wants all of the others' jobs and no other, and whose offers may be slow for a tenth of a second.
fn hasty_agent(market: &Arc<Market>) -> Agent {
    market.agent(|settings| {
        settings.offer_patience = Duration::from_millis(100);
        settings.policy.min_price_atoms = 50;
        settings.policy.max_jobs = 100;
    })
}

/// Where there is room, nobody makes place: neither for another of the same client nor of the same host.
#[tokio::test]
async fn slow_inputs_of_one_client_and_host_all_get_through_where_there_is_room() {
    let world = World::new(1);
    let delay = Duration::from_millis(1_000);
    let (mut jobs, uri) = of_a_slow_host(&world, 8, delay).await;
    for (number, (address, job)) in (0u64..).zip(&mut jobs) {
        (job.client, job.n) = (CLIENT, (100 + number).into());
        *address = job_address(job);
    }
    let market = Market::new(&world, jobs, uri);
    let agent = hasty_agent(&market);
    let started = Instant::now();
    let known = || agent.context.known.lock().unwrap();
    assert!(run_until_taken(&market, &agent, 8).await);
    assert!(started.elapsed() >= delay);
    let attempts = market.others.lock().unwrap();
    let attempts = attempts.iter().map(|(job, _)| known().attempts(job));
    assert_eq!(attempts.sum::<u32>(), 0, "each came at its first attempt");
}

/// Making place for others is no failure, so it is final for nobody, however often it happens.
#[tokio::test]
async fn slow_inputs_that_make_place_for_others_come_later() {
    let world = World::new(1);
    let (jobs, uri) = of_a_slow_host(&world, 16, Duration::from_millis(500)).await;
    let market = Market::new(&world, jobs, uri);
    let agent = hasty_agent(&market);
    let are_taken = run_until_taken(&market, &agent, 16).await;
    let others = market.others.lock().unwrap();
    let known = agent.context.known.lock().unwrap();
    let attempts = others.iter().map(|(job, _)| known.attempts(job));
    assert!(are_taken);
    assert!(attempts.max().unwrap() > 1, "some made place twice");
}

/// An offer whose data are here holds its place for a while only, and that no memory is free is not its failure.
#[tokio::test]
async fn an_offer_does_not_wait_for_memory_for_ever() {
    let world = World::new(1);
    let market = Market::new(&world, Vec::new(), String::new());
    let agent = market.agent(|settings| settings.memory_patience = Duration::from_millis(50));
    let store = &agent.context.store;
    let all = store.reserve(store.budget().share_bytes()).await.unwrap();
    for _ in 0..4 {
        let passed = tokio::time::timeout(PATIENT, agent.pass()).await;
        assert_eq!(passed.unwrap().unwrap(), 1);
    }
    assert_eq!(world.counts.takes.load(Ordering::SeqCst), 0);
    drop(all);
    agent.pass().await.unwrap();
    assert_eq!(world.counts.takes.load(Ordering::SeqCst), 1);
}

/// Runs until the world's own job is submitted, and says how long that took.
async fn run_until_submitted(world: &World, agent: &Agent) -> Option<Duration> {
    let started = Instant::now();
    let submitted = async {
        while world.counts.submits.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let limited = tokio::time::timeout(PATIENT, submitted);
    let is_done = AtomicBool::new(false);
    let until = async {
        is_done.store(limited.await.is_ok(), Ordering::SeqCst);
    };
    agent.run(until).await.unwrap();
    is_done.load(Ordering::SeqCst).then(|| started.elapsed())
}

/// Memory for one job at a time.
fn memory_for_one(world: &World) -> u64 {
    let needed = world.sizes().memory_bytes();
    2 * needed.next_multiple_of(1_024)
}

/// N1: strangers' inputs that stall keep no other job from being taken: neither two of them, each of which would take all the
/// memory, nor more of them than there are download slots.
#[tokio::test]
async fn stalling_inputs_of_strangers_hold_up_no_offer() {
    let uri = stalling().await;
    for count in [2, 40] {
        let world = World::new(1);
        let market = Market::new(&world, Market::jobs(&world, count, [9; 32]), uri.clone());
        let memory_bytes = memory_for_one(&world);
        let agent = market.agent(|settings| settings.memory_bytes = memory_bytes);
        let took = run_until_submitted(&world, &agent).await;
        assert!(took.is_some(), "beside {count} jobs that stall");
        assert_eq!(market.taken(), 0);
    }
}

/// N1: work that was taken has memory of its own.
#[tokio::test]
async fn work_that_was_taken_does_not_wait_behind_offers() {
    let uri = stalling().await;
    let world = World::new(1);
    let market = Market::new(&world, Market::jobs(&world, 40, [9; 32]), uri);
    market
        .take(&OWNER, &world.job().unwrap(), false)
        .await
        .unwrap();
    let memory_bytes = memory_for_one(&world);
    let agent = market.agent(|settings| settings.memory_bytes = memory_bytes);
    assert!(run_until_submitted(&world, &agent).await.is_some());
}

/// N1: what pays more for its bytes and seconds is looked at first, and mints take turns.
#[tokio::test]
async fn the_best_paid_offers_come_first() {
    let world = World::new(1);
    let mut others = Market::jobs(&world, 4, [9; 32]);
    let other_mint = Pubkey::from([77; 32]);
    for (at, (address, job)) in others.iter_mut().enumerate() {
        job.price_atoms = [20u64, 40, 30, 1_000][at].into();
        if at == 3 {
            job.mint = other_mint;
        }
        *address = job_address(job);
    }
    // As well paid as the second, for far more work.
    others[2].1.price_atoms = 40u64.into();
    others[2].1.work = 900_000_000_000u64.into();
    let market = Market::new(&world, others.clone(), String::new());
    let agent = market.agent(|_| {});
    let moment = market.moment().await.unwrap();
    let found = crate::offers::offers(&agent.context, &moment, &[], true, |_| true);
    let found: Vec<Pubkey> = found.await.unwrap().into_iter().map(|one| one.0).collect();
    let place = |address: &Pubkey| found.iter().position(|one| one == address).unwrap();
    let [first, second, third, foreign] = [0, 1, 2, 3].map(|at: usize| others[at].0);
    assert!(place(&second) < place(&first) && place(&first) < place(&third));
    assert!(place(&foreign) <= 1, "mints take turns");
}

/// More jobs than campaigns are read in one look, each of a campaign of its own with a low address.
fn of_many_campaigns(world: &World, change: impl Fn(&mut Job)) -> Vec<(Pubkey, Job)> {
    let other = |number: u16| {
        let mut job = world.job().unwrap();
        let low = |first: u8| {
            let mut bytes = [0; 32];
            bytes[0] = first;
            bytes[1..3].copy_from_slice(&number.to_be_bytes());
            Pubkey::from(bytes)
        };
        (job.client, job.campaign) = (low(100), low(1));
        change(&mut job);
        (job_address(&job), job)
    };
    (0..500).map(other).collect()
}

/// Addresses can be tried out until they are low: neither jobs that are not wanted nor worse paid ones hide a campaign.
#[tokio::test]
async fn no_number_of_campaigns_hides_another() {
    type Change = fn(&mut Job);
    let changes: [(&str, Change); 2] = [
        ("not wanted", |job| {
            job.price_atoms = 100u64.into();
            job.review_secs = u32::MAX.into();
        }),
        ("worse paid", |job| job.price_atoms = 9u64.into()),
    ];
    for (what, change) in changes {
        let world = named(10_000);
        let market = Market::new(&world, of_many_campaigns(&world, change), String::new());
        let agent = market.agent(|_| {});
        let moment = market.moment().await.unwrap();
        let found = crate::offers::offers(&agent.context, &moment, &[], false, |_| true);
        let found = found.await.unwrap();
        let first = found.first().map(|(address, _)| *address);
        assert_eq!(first, Some(world.address), "{what}");
    }
}

/// A campaign that is joined is read before better paid ones.
#[tokio::test]
async fn a_joined_campaign_is_always_read() {
    let world = named(10_000);
    let job = world.job().unwrap();
    let market = Market::new(&world, of_many_campaigns(&world, |_| ()), String::new());
    let agent = market.agent(|_| {});
    let others = market.others.lock().unwrap().clone();
    let joins = async || {
        let jobs = others.iter().map(|(_, job)| job).chain([&job]);
        let campaigns = agent.context.campaigns_of(jobs).await.unwrap();
        campaigns.joins(&job, &OWNER, 8, (200, 300))
    };
    assert_eq!(joins().await, Err(crate::policy::Refusal::Campaign));
    let mut entry = Entry::zeroed();
    (entry.campaign, entry.provider, entry.payer) = (job.campaign, OWNER, OWNER);
    world.entries.lock().unwrap().push(entry);
    *agent.context.campaigns.lock().unwrap() = Arc::default();
    assert_eq!(joins().await, Ok(false));
}

/// N2: what cannot be done in time is not taken, alone or beside what is promised.
#[tokio::test]
async fn no_more_is_promised_than_can_be_done_in_time() {
    let world = World::new(1);
    // The job's items are computed side by side.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let machine = Ability {
        work_per_sec: 13e9 / cores.min(ITEMS as usize) as f64,
        publish_bytes_per_sec: 1e9,
    };
    let root = world.job().unwrap().input_roots[0];
    // (time to work, jobs that are taken of five; each takes 77 s here)
    for (work_secs, expected) in [(60, 0), (150, 0), (160, 1), (400, 2), (10_000, 5)] {
        let mut others = Market::jobs(&world, 5, root);
        for (_, job) in &mut others {
            job.work = 1_000_000_000_000u64.into();
            job.work_secs = work_secs.into();
        }
        let market = Market::new(&world, others, world.input_uri.clone());
        let agent = market.agent(|settings| {
            settings.home = settings.home.join(work_secs.to_string());
            settings.policy.min_work_secs = 1;
            settings.policy.min_ms_per_gwork = 0;
            // The world's own job is not wanted.
            settings.policy.min_price_atoms = 50;
        });
        let agent = changed(agent, |context| {
            context.ability = Mutex::new(Some(machine));
        });
        for _ in 0..3 {
            agent.pass().await.unwrap();
        }
        assert_eq!(market.taken(), expected, "{work_secs} s");
    }
    // Without a word of its owner, ten minutes and a quarter of a second for 10^9 are the least.
    let mut job = world.job().unwrap();
    job.work = 1_000_000_000_000u64.into();
    job.work_secs = 60u32.into();
    let capacity = Capacity {
        provider: &world.provider,
        signer: &OWNER,
        purse: Some(&world.purse),
        has_worker: false,
        moment: &Moment {
            now: 100,
            slot: 1,
            last_restart_slot: 0,
        },
    };
    let decided = Policy::default().decide(&job, &capacity);
    assert_eq!(decided, Err(Refusal::TooHasty));
}

/// An offer with hours for so much work, and an agent that wants nothing else.
fn honest_market(world: &Arc<World>, ability: Ability, work: u64) -> (Arc<Market>, Agent) {
    let mut others = Market::jobs(world, 1, world.job().unwrap().input_roots[0]);
    for (_, job) in &mut others {
        job.work = work.into();
        job.work_secs = 10_000.into();
    }
    let market = Market::new(world, others, world.input_uri.clone());
    let agent = market.agent(|settings| settings.policy.min_price_atoms = 50);
    let agent = changed(agent, |context| {
        context.ability = Mutex::new(Some(ability));
    });
    (market, agent)
}

/// Only products are counted, so a job that consists of something else says nothing about how fast they are.
#[tokio::test]
async fn slow_jobs_without_products_keep_no_other_from_being_taken() {
    let world = World::new(1);
    let (market, agent) = honest_market(&world, FAST, 100_000_000_000);
    for _ in 0..20 {
        let mut ability = agent.context.ability.lock().unwrap();
        ability
            .as_mut()
            .unwrap()
            .worked(1, 1, Duration::from_secs(600));
    }
    agent.pass().await.unwrap();
    assert_eq!(market.taken(), 1);
}

/// A bad hour at the start is not for ever: what is not taken corrects nothing, so it is measured again.
#[tokio::test]
async fn a_machine_that_seems_too_slow_is_measured_again() {
    let world = World::new(1);
    let slow = Ability {
        work_per_sec: 1.0,
        ..FAST
    };
    let (market, agent) = honest_market(&world, slow, 1_000_000_000);
    for _ in 0..3 {
        agent.pass().await.unwrap();
    }
    assert_eq!(market.taken(), 0, "it was measured a moment ago");
    *agent.context.measure_again.lock().unwrap() = Instant::now();
    for _ in 0..2 {
        agent.pass().await.unwrap();
    }
    assert_eq!(market.taken(), 1);
    assert!(*agent.context.measure_again.lock().unwrap() > Instant::now());
}

/// N2: nothing is taken before it is known what can be kept, and obligations do not wait for that.
#[tokio::test]
async fn a_place_to_publish_that_stalls_costs_offers_and_no_obligation() {
    let place = stalling().await.replace("/inputs", "/");
    let stalled = || Publisher::http(&place, None, Duration::from_secs(3_600)).unwrap();
    let unmeasured = |agent| changed(agent, |context| context.ability = Mutex::default());
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    assert!(work_until_submitted(&world, &agent).await);
    world.ask(&world.demands()[0], 60);
    drop(agent);
    let market = Market::new(&world, Market::jobs(&world, 1, [9; 32]), String::new());
    let agent = unmeasured(market.agent(|settings| settings.publisher = stalled()));
    let answered = async {
        while world.unanswered() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let limited = async {
        let _ = tokio::time::timeout(PATIENT, answered).await;
    };
    agent.run(limited).await.unwrap();
    assert_eq!(world.unanswered(), 0);
    assert_eq!(market.taken(), 0);
    // Measured by the agent itself, it takes.
    let world = World::new(1);
    let market = Market::new(&world, Vec::new(), String::new());
    let agent = unmeasured(market.agent(|_| {}));
    assert!(run_until_submitted(&world, &agent).await.is_some());
    assert!(agent.context.ability.lock().unwrap().is_some());
}

/// P1: a library that panics on a node's answer costs a look, not the agent.
#[tokio::test]
async fn a_look_that_breaks_off_ends_nothing() {
    let world = World::new(1);
    let market = Market::new(&world, Vec::new(), String::new());
    market.panics.store(3, Ordering::SeqCst);
    let agent = market.agent(|_| {});
    assert!(run_until_submitted(&world, &agent).await.is_some());
}

/// A full disk is said, and nothing is lost by it.
#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let world = World::new(1);
    let (agent, fuse) = start(&world, PLENTY);
    fuse.is_disk_full.store(true, Ordering::SeqCst);
    agent.pass().await.unwrap();
    assert_eq!(world.counts.takes.load(Ordering::SeqCst), 0);
    fuse.is_disk_full.store(false, Ordering::SeqCst);
    agent.pass().await.unwrap();
    assert_eq!(world.counts.takes.load(Ordering::SeqCst), 1);
    fuse.is_disk_full.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        agent.pass().await.unwrap();
    }
    assert_eq!(world.counts.submits.load(Ordering::SeqCst), 0);
    let full = crate::ProviderError::Data(quern_data::DataError::DiskFull {
        path: PathBuf::from("/data"),
    });
    assert!(full.to_string().contains("is full"), "{full}");
    assert!(agent.context.is_full_disk(&full));
    fuse.is_disk_full.store(false, Ordering::SeqCst);
    assert!(work_through(&world, &agent, &fuse).await);
    assert_eq!(world.counts.takes.load(Ordering::SeqCst), 1);
    assert_eq!(*world.roots.lock().unwrap(), [world.expected_root]);
}

/// M: pointed at another cluster for a while, the agent drops nothing and starts nothing.
#[tokio::test]
async fn a_journal_belongs_to_one_cluster() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    agent.run(std::future::ready(())).await.unwrap();
    drop(agent);
    let (agent, _) = start(&world, PLENTY);
    assert!(work_until_submitted(&world, &agent).await);
    let inputs = world.inputs(&agent);
    // Another network behind the same URL, where there is no such job.
    *world.genesis.lock().unwrap() = "another".to_owned();
    *world.stale.lock().unwrap() = Some(None);
    for _ in 0..3 {
        agent.pass().await.unwrap();
        world.pass_time(i64::from(KEEP_ENDED_SECS));
    }
    assert!(inputs.is_file());
    assert_eq!(agent.context.journal.jobs().unwrap(), [world.address]);
    drop(agent);
    let (agent, _) = start(&world, PLENTY);
    let refused = agent.run(std::future::pending()).await.unwrap_err();
    assert!(refused.to_string().contains("another cluster"), "{refused}");
}
