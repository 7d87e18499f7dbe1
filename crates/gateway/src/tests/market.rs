//! A chain with providers in memory: what the gateway does to it is what a cluster would show.

use {
    crate::{
        error::{GatewayError, Result},
        market::{
            Candidate, Delivered, Examined, Found, Look, Market, NotCreated, Placing, PurseState,
            Rates, Sent,
        },
    },
    async_trait::async_trait,
    quern_client::{ClientError, Outcome, Pubkey},
    quern_data::runtime::lock,
    quern_proof::{Tensor, commit::data_root, hash::hash},
    quern_rules::{caps::RowCost, quote::Floors},
    quern_watcher::{CheckedItems, WatcherError},
    std::{
        collections::{BTreeMap, HashMap},
        sync::{Arc, Mutex},
    },
};

/// Numbers of a vector.
pub const WIDTH: usize = 4;
/// What the wallet has at the start.
pub const FUNDS: u64 = 1_000_000;
/// Least price of a job, and what a row costs in a large one.
pub const LEAST: u64 = 10;
pub const ROW: u64 = 2;

/// How a provider behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    Honest,
    /// Takes jobs and answers with wrong rows.
    Cheat,
    /// Takes nothing.
    Silent,
    /// Takes, and never answers.
    Stuck,
    /// Answers right, and shows nobody the result.
    Withholds,
}

#[derive(Clone, Debug)]
pub struct JobOnChain {
    pub uri: String,
    pub price: u64,
    pub pin: Option<Pubkey>,
    pub provider: Option<Pubkey>,
    pub state: State,
    /// Looks since the state began: providers act at the second.
    looks: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    Taken,
    Overdue,
    Submitted,
    Convicted,
    Paid,
    Cancelled,
    Expired,
}

impl State {
    const fn is_gone(self) -> bool {
        matches!(
            self,
            Self::Convicted | Self::Paid | Self::Cancelled | Self::Expired
        )
    }
}

#[derive(Default)]
pub struct Chain {
    pub opened: u64,
    pub free: u64,
    pub paid: BTreeMap<Pubkey, u64>,
    pub jobs: BTreeMap<Pubkey, JobOnChain>,
    pub providers: Vec<(Pubkey, Habit)>,
    pub published: HashMap<String, Vec<Tensor>>,
    /// Creations that are to fail: the first ones.
    pub refuse: u32,
    /// Whether the wallet has no lamports for fees.
    pub is_feeless: bool,
    /// Creations that the node could not be read for: the first ones.
    pub unread: u32,
    /// How often a node that is behind tells nothing of a job that there is.
    pub behind: u32,
    /// A row of every result that is zero.
    pub zero_row: Option<usize>,
    /// How often the purse was looked at.
    pub purse_looks: u32,
    /// How often a look at the purse panics.
    pub panics: u32,
    /// Creations that land although nobody hears of it.
    pub lose_answers: u32,
    /// Whether reviews are over at once.
    pub is_quick: bool,
    /// What the chain wants for a job at least.
    pub least: u64,
    /// Providers take nothing that pays less.
    pub wanted: u64,
    /// How often the providers were listed.
    pub listed: u32,
    /// How often a result is not fetched because the node is not reached.
    pub unreached: u32,
    /// How many jobs are taken still; all without it.
    pub takes: Option<u32>,
}

/// Shared by all gateways of the wallet.
#[derive(Clone, Default)]
pub struct FakeMarket(pub Arc<Mutex<Chain>>);

pub fn address(byte: u8) -> Pubkey {
    Pubkey::from([byte; 32])
}

impl FakeMarket {
    pub fn new(providers: &[Habit]) -> Self {
        let providers = (1..)
            .zip(providers)
            .map(|(byte, habit)| (address(byte), *habit));
        Self(Arc::new(Mutex::new(Chain {
            free: FUNDS,
            least: LEAST,
            providers: providers.collect(),
            ..Chain::default()
        })))
    }

    pub fn chain<T>(&self, with: impl FnOnce(&mut Chain) -> T) -> T {
        with(&mut lock(&self.0))
    }

    /// What providers have, what jobs hold, what is free: nothing is lost or made.
    pub fn check_conservation(&self) {
        self.chain(|chain| {
            let live = chain.jobs.values().filter(|job| !job.state.is_gone());
            let held: u64 = live.map(|job| job.price).sum();
            let paid: u64 = chain.paid.values().sum();
            assert_eq!(chain.free + held + paid, FUNDS);
        });
    }

    /// Where a job's inputs lie.
    pub fn uri(&self, job: &Pubkey) -> String {
        self.chain(|chain| chain.jobs.get(job).map(|job| job.uri.clone()))
            .expect("a job")
    }

    pub fn paid(&self) -> u64 {
        self.chain(|chain| chain.paid.values().sum())
    }

    /// Pays what is submitted.
    pub fn end_reviews(&self) {
        self.chain(|chain| {
            for job in chain.jobs.values_mut() {
                if job.state == State::Submitted {
                    job.state = State::Paid;
                    *chain
                        .paid
                        .entry(job.provider.unwrap_or_default())
                        .or_default() += job.price;
                }
            }
        });
    }
}

impl Chain {
    fn habit(&self, owner: Option<Pubkey>) -> Option<Habit> {
        let owner = owner?;
        let found = self.providers.iter().find(|(one, _)| *one == owner);
        found.map(|(_, habit)| *habit)
    }

    /// Providers act.
    fn act(&mut self, address: &Pubkey) {
        let Some(job) = self.jobs.get(address).cloned() else {
            return;
        };
        let mut job = job;
        job.looks += 1;
        match job.state {
            State::Open if job.looks > 1 => {
                let takes = |(owner, habit): &&(Pubkey, Habit)| {
                    let is_enough = job.price >= self.wanted;
                    *habit != Habit::Silent && is_enough && job.pin.is_none_or(|pin| pin == *owner)
                };
                let are_left = self.takes != Some(0);
                if let Some((owner, _)) = self.providers.iter().find(takes).filter(|_| are_left) {
                    self.takes = self.takes.map(|takes| takes - 1);
                    job.provider = Some(*owner);
                    job.state = State::Taken;
                    job.looks = 0;
                }
            }
            State::Taken if job.looks > 1 => {
                job.state = match self.habit(job.provider) {
                    Some(Habit::Stuck) => State::Overdue,
                    _ => State::Submitted,
                };
            }
            State::Submitted if self.is_quick && self.habit(job.provider) != Some(Habit::Cheat) => {
                job.state = State::Paid;
                *self
                    .paid
                    .entry(job.provider.unwrap_or_default())
                    .or_default() += job.price;
            }
            _ => {}
        }
        self.jobs.insert(*address, job);
    }
}

/// The vectors that the model makes of rows: a function of their tokens.
pub fn vectors(ids: &Tensor) -> Tensor {
    let rows = ids.rows();
    let mut all = Vec::new();
    for row in ids.row_slices() {
        let digest = hash(&[row]);
        all.extend(digest[..WIDTH].iter().map(|byte| (byte >> 1) as i8 + 1));
    }
    Tensor::from_i8(rows, WIDTH as u32, &all).expect("rows of that width")
}

#[async_trait]
impl Market for FakeMarket {
    fn wallet(&self) -> Pubkey {
        address(200)
    }

    fn mint(&self) -> Pubkey {
        address(201)
    }

    async fn genesis(&self) -> Result<String> {
        Ok("test".to_owned())
    }

    async fn rates(&self, _: &Pubkey) -> Result<Rates> {
        Ok(Rates {
            row: RowCost {
                floors: Floors {
                    least_price_atoms: self.chain(|chain| chain.least),
                    price_per_gwork_atoms: ROW,
                    bond_bps: 20_000,
                    bond_per_gwork_atoms: 1,
                },
                work: 1_000_000_000,
            },
            least_review_secs: 10,
            decimals: 6,
        })
    }

    async fn purse(&self) -> Result<PurseState> {
        let left = self.chain(|chain| {
            chain.purse_looks += 1;
            let left = chain.panics;
            chain.panics = left.saturating_sub(1);
            left
        });
        assert_eq!(left, 0, "it panics as it was told to");
        Ok(self.chain(|chain| PurseState {
            opened: chain.opened,
            free_atoms: chain.free,
            now: 1_000,
        }))
    }

    async fn candidates(&self) -> Result<Vec<Candidate>> {
        let providers = self.chain(|chain| {
            chain.listed += 1;
            chain.providers.clone()
        });
        let candidates = providers.iter().map(|(owner, _)| Candidate {
            owner: *owner,
            settled: 1,
            late: 0,
            convicted: 0,
        });
        Ok(candidates.collect())
    }

    fn job_address(&self, n: u64) -> Pubkey {
        Pubkey::from(hash(&[b"job", &n.to_le_bytes()]))
    }

    async fn publish(&self, id: &str, inputs: &[Tensor]) -> Result<String> {
        let uri = format!("test:{id}");
        self.chain(|chain| chain.published.insert(uri.clone(), inputs.to_vec()));
        Ok(uri)
    }

    async fn unpublish(&self, id: &str) -> Result<()> {
        self.chain(|chain| chain.published.remove(&format!("test:{id}")));
        Ok(())
    }

    async fn create(&self, placing: Placing<'_>) -> std::result::Result<Sent, NotCreated> {
        let attempt = placing.attempt;
        self.chain(|chain| {
            if chain.unread > 0 {
                chain.unread -= 1;
                return Err(NotCreated::NotSent("no answer".to_owned()));
            }
            if chain.is_feeless {
                return Err(NotCreated::NoLamports);
            }
            if chain.refuse > 0 {
                chain.refuse -= 1;
                return Err(NotCreated::Refused("paused".to_owned()));
            }
            if attempt.n != chain.opened {
                return Err(NotCreated::Refused("another number".to_owned()));
            }
            if chain.free < attempt.price_atoms {
                return Err(NotCreated::Refused("too little is free".to_owned()));
            }
            let inputs = chain.published.get(placing.input_uri);
            let roots: Vec<_> = inputs.expect("published").iter().map(data_root).collect();
            assert_eq!(
                roots, placing.input_roots,
                "the inputs are what is committed to"
            );
            chain.free -= attempt.price_atoms;
            chain.opened += 1;
            let job = JobOnChain {
                uri: placing.input_uri.to_owned(),
                price: attempt.price_atoms,
                pin: attempt.pin,
                provider: None,
                state: State::Open,
                looks: 0,
            };
            chain.jobs.insert(attempt.job, job);
            if chain.lose_answers > 0 {
                chain.lose_answers -= 1;
                return Err(NotCreated::Unclear("no answer".to_owned()));
            }
            Ok(Sent {
                signatures: vec![format!("signature-{}", attempt.n)],
                fee_lamports: 5_000,
            })
        })
    }

    async fn find(&self, job: &Pubkey, n: u64, input_uri: &str) -> Result<Found> {
        Ok(self.chain(|chain| match chain.jobs.get(job) {
            Some(_) if chain.behind > 0 => {
                chain.behind -= 1;
                Found::OursEnded
            }
            Some(job) if job.uri != input_uri => Found::Foreign,
            Some(job) if job.state.is_gone() => Found::OursEnded,
            Some(_) => Found::Ours,
            None if chain.opened > n => Found::Foreign,
            None => Found::Missing,
        }))
    }

    async fn look(&self, address: &Pubkey, input_uri: &str) -> Result<Look> {
        Ok(self.chain(|chain| {
            chain.act(address);
            let job = chain.jobs.get(address);
            if job.is_some_and(|job| job.uri != input_uri) {
                return Look::Foreign;
            }
            let provider = job.and_then(|job| job.provider).unwrap_or_default();
            match job.map(|job| job.state) {
                Some(State::Open) => Look::Open,
                Some(state @ (State::Taken | State::Overdue)) => Look::Taken {
                    provider,
                    is_overdue: state == State::Overdue,
                },
                Some(State::Submitted) => Look::Submitted { provider },
                _ => Look::Gone,
            }
        }))
    }

    async fn cancel(&self, address: &Pubkey) -> Result<bool> {
        Ok(self.chain(|chain| match chain.jobs.get_mut(address) {
            Some(job) if job.state == State::Open => {
                job.state = State::Cancelled;
                chain.free += job.price;
                true
            }
            _ => false,
        }))
    }

    async fn expire(&self, address: &Pubkey) -> Result<()> {
        self.chain(|chain| {
            let job = chain.jobs.get_mut(address).expect("a job");
            assert_eq!(job.state, State::Overdue);
            job.state = State::Expired;
            chain.free += job.price;
        });
        Ok(())
    }

    async fn examine(&self, address: &Pubkey) -> Result<Examined> {
        Ok(self.chain(|chain| {
            let job = chain.jobs.get(address).cloned().expect("a job");
            let items = chain.published.get(&job.uri).expect("published")[0].rows();
            match (job.state, chain.habit(job.provider)) {
                (State::Submitted, Some(Habit::Cheat)) => {
                    let job = chain.jobs.get_mut(address).expect("a job");
                    job.state = State::Convicted;
                    chain.free += job.price;
                    Examined::Convicted {
                        note: "convicted: a wrong value".to_owned(),
                    }
                }
                (State::Submitted, _) => Examined::Right(CheckedItems {
                    items,
                    recomputed: items,
                    verified: 0,
                }),
                (State::Paid, _) => Examined::Ended(Outcome::Paid),
                _ => Examined::Ended(Outcome::Ended),
            }
        }))
    }

    async fn examine_late(
        &self,
        address: &Pubkey,
        _: &Pubkey,
        items: u32,
        inputs: Vec<Tensor>,
    ) -> Result<Examined> {
        let job = self.chain(|chain| chain.jobs.get(address).cloned());
        let uri = job.expect("a job").uri;
        let published = self.chain(|chain| chain.published.get(&uri).cloned());
        assert_eq!(
            published.as_ref(),
            Some(&inputs),
            "it is checked with what was asked"
        );
        Ok(Examined::Right(CheckedItems {
            items,
            recomputed: items,
            verified: 0,
        }))
    }

    async fn fetch(&self, address: &Pubkey, _: &Pubkey, _: u32) -> Result<Delivered> {
        let unreached = self.chain(|chain| {
            let left = chain.unreached;
            chain.unreached = left.saturating_sub(1);
            left
        });
        if unreached > 0 {
            return Err(WatcherError::from(ClientError::Unreachable {
                url: "test".to_owned(),
                reason: "no answer".to_owned(),
            })
            .into());
        }
        let (job, habit, inputs, zero_row) = self.chain(|chain| {
            let job = chain.jobs.get(address).cloned().expect("a job");
            let inputs = chain.published.get(&job.uri).cloned().expect("published");
            let habit = chain.habit(job.provider);
            (job, habit, inputs, chain.zero_row)
        });
        let mut result = vectors(&inputs[0]);
        if let Some(row) = zero_row {
            result.data_mut()[row * WIDTH..][..WIDTH].fill(0);
        }
        match habit {
            Some(Habit::Withholds) => Err(GatewayError::NotReady("nothing is there".to_owned())),
            Some(Habit::Cheat) => panic!("{} is wrong and is fetched", job.uri),
            _ => Ok(Delivered {
                result,
                trace_root: [1; 32],
                output_uri: "test:out".to_owned(),
            }),
        }
    }

    async fn outcome(&self, address: &Pubkey) -> Result<Outcome> {
        let state = self.chain(|chain| chain.jobs.get(address).map(|job| job.state));
        Ok(match state {
            Some(State::Paid) => Outcome::Paid,
            Some(State::Convicted) => Outcome::Convicted {
                prover: address_of_prover(),
                reason: None,
            },
            Some(_) => Outcome::Ended,
            None => Outcome::Unknown,
        })
    }

    async fn worker_of(&self, address: &Pubkey) -> Result<Option<Pubkey>> {
        Ok(self.chain(|chain| chain.jobs.get(address).and_then(|job| job.provider)))
    }
}

fn address_of_prover() -> Pubkey {
    address(202)
}
