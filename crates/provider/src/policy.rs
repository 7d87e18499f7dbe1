//! Which jobs an owner wants: decided from the job and the provider's own capacity alone, before anything is fetched.

use {
    quern_client::{
        Pubkey,
        instructions::NOBODY,
        quern::{
            clock::Moment,
            state::{Assurance, Job, JobState, Provider, Purse},
        },
    },
    quern_rules::{
        bond::operator_room,
        deadline::in_time,
        gwork::GWORK,
        quote::{Floors, Offer, quote},
    },
    serde::{Deserialize, Serialize},
    std::collections::BTreeSet,
};

/// What an owner is willing to do. The defaults protect an owner who has not thought about it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether refereed jobs are taken.
    pub refereed: bool,
    /// Whether reviewed jobs are taken. They also need a worker.
    pub reviewed: bool,
    /// The only models to serve; empty means any sealed one.
    pub models: BTreeSet<Pubkey>,
    /// The only mints to be paid in; empty means any registered one.
    pub mints: BTreeSet<Pubkey>,
    /// Least price of a milestone, in atoms.
    pub min_price_atoms: u64,
    /// Least price per 10^9 units of work of a refereed job, in atoms.
    pub min_price_per_gwork_atoms: u64,
    /// Most units of work of a job.
    pub max_work: u64,
    /// Largest trace of one item, in bytes.
    pub max_item_bytes: u64,
    /// Most bytes of the results of all items of a job, and of what is kept of them for demands.
    pub max_result_bytes: u64,
    /// Largest bond to put up for a job, in atoms.
    pub max_bond_atoms: u64,
    /// Largest bond to put up, as a multiple of the milestone's price: a client that asks for more has more to win from a
    /// mishap than from the work.
    pub max_bond_prices: u64,
    /// Who may decide about a rejection; jobs with any other arbiter are left alone.
    pub arbiters: BTreeSet<Pubkey>,
    /// Shortest time to answer a demand (refereed jobs).
    pub min_response_secs: u32,
    /// Shortest time to react to an answer (refereed jobs).
    pub min_react_secs: u32,
    /// Shortest time to do the work.
    pub min_work_secs: u32,
    /// Shortest time for 10^9 units of work of a refereed job, in milliseconds, whatever this machine manages: other
    /// jobs, a restart and a busy hour need time, too.
    pub min_ms_per_gwork: u64,
    /// Longest review: so long the bond lies still.
    pub max_review_secs: u32,
    /// Most jobs that wait for this provider's work at a time.
    pub max_jobs: usize,
    /// Most campaigns that the signer may have joined at a time: each locks the rent of an account until its claim.
    pub max_campaigns: usize,
    /// Whether what was scored in campaigns is claimed once they have settled; otherwise the log only says that it waits.
    pub claims: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            refereed: true,
            reviewed: false,
            models: BTreeSet::new(),
            mints: BTreeSet::new(),
            min_price_atoms: 1,
            min_price_per_gwork_atoms: 0,
            max_work: 1_000 * GWORK,
            max_item_bytes: 1 << 30,
            max_result_bytes: 1 << 30,
            max_bond_atoms: u64::MAX,
            max_bond_prices: 20,
            arbiters: BTreeSet::new(),
            min_response_secs: 6 * 3_600,
            min_react_secs: 3_600,
            min_work_secs: 600,
            min_ms_per_gwork: 250,
            max_review_secs: 30 * 86_400,
            max_jobs: 8,
            max_campaigns: 8,
            claims: true,
        }
    }
}

/// What the provider has for a job, as the chain knows it.
#[derive(Clone, Copy)]
pub struct Capacity<'a> {
    /// The provider's account.
    pub provider: &'a Provider,
    /// Who signs takes: its owner or its operator.
    pub signer: &'a Pubkey,
    /// The owner's purse in the job's mint, if it is open.
    pub purse: Option<&'a Purse>,
    /// Whether there is a worker for reviewed work.
    pub has_worker: bool,
    /// The cluster's clock.
    pub moment: &'a Moment,
}

/// The enum, and a list of all of it.
macro_rules! refusals {
    ($($(#[$attribute:meta])* $name:ident,)*) => {
        /// Why a job is left alone.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
        pub enum Refusal {
            $($(#[$attribute])* $name,)*
        }

        impl Refusal {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

refusals! {
    /// State.
    #[error("it is not open")]
    NotOpen,
    /// Deadline.
    #[error("its time to be taken is over")]
    TooLate,
    /// Client.
    #[error("its client is this provider")]
    OwnJob,
    /// Pin.
    #[error("it is pinned to another provider")]
    PinnedToOther,
    /// Kind.
    #[error("its assurance level is not served here")]
    Assurance,
    /// Model.
    #[error("its model is not on the list")]
    Model,
    /// Mint.
    #[error("its mint is not on the list")]
    Mint,
    /// Price.
    #[error("its price is below the least price")]
    Price,
    /// Work.
    #[error("it is more work than the limit")]
    Work,
    /// Bond.
    #[error("its bond is above the limit")]
    Bond,
    /// Arbiter.
    #[error("its arbiter is not on the list")]
    Arbiter,
    /// Times.
    #[error("its times to respond, react or work are shorter than the limits")]
    TooHasty,
    /// Time.
    #[error("it could not be done in time beside what is promised already")]
    Busy,
    /// Answers.
    #[error(
        "computing one of its items again for a demand takes longer than a demand gives time for; publish the traces of all of them"
    )]
    SlowAnswers,
    /// Disk.
    #[error("its result would take more room on the disk than is left of the limit")]
    Disk,
    /// Campaign.
    #[error("it names a campaign that is not joined, and no more may be joined now")]
    Campaign,
    /// Campaign that is not worth its rent.
    #[error(
        "it names a campaign that is not joined and not worth the rent: its pot cannot pay what this job scores, or it settles in more than 90 days; join it yourself with `quern campaign join`, or wait for its end"
    )]
    WorthlessCampaign,
    /// Activity.
    #[error(
        "this provider is not active; activate it with `quern provider register --active true`"
    )]
    Inactive,
    /// Review.
    #[error("its review is longer than the limit")]
    LongReview,
    /// Purse.
    #[error("the provider's purse in its mint is not open; open it with `quern purse open`")]
    NoPurse,
    /// Funds.
    #[error(
        "the provider's purse has too few free atoms for its bond; deposit more with `quern purse deposit`"
    )]
    Funds,
    /// Operator.
    #[error(
        "its bond is above what the operator may still reserve; raise it with `quern provider operator-limit`"
    )]
    OperatorLimit,
}

impl Refusal {
    /// The options that would have the job taken, if it is the owner's wish that it is not.
    pub fn options(self) -> Option<&'static str> {
        Some(match self {
            Self::Assurance => "--worker for reviewed jobs; refereed ones without --reviewed-only",
            Self::Model => "--model",
            Self::Mint => "--mint",
            Self::Price => "--min-price, --min-price-per-gwork",
            Self::Work => "--max-gwork",
            Self::Bond => "--max-bond, --max-bond-prices",
            Self::Arbiter => "--arbiter",
            Self::TooHasty => "--min-response, --min-react, --min-work",
            Self::LongReview => "--max-review",
            Self::SlowAnswers => "--publish-traces",
            Self::Disk => "--disk-limit, --keep-results",
            Self::Campaign => "--max-campaigns",
            _ => return None,
        })
    }

    /// Whether the owner can do something about it, so that it is worth a warning.
    pub fn is_owners_task(self) -> bool {
        matches!(self, Self::NoPurse | Self::Funds | Self::OperatorLimit)
    }
}

impl Policy {
    /// Whether to go for an open job: nothing has been fetched yet, and its data must still be checked.
    ///
    /// # Errors
    /// The first reason to leave it alone.
    pub fn decide(&self, job: &Job, capacity: &Capacity<'_>) -> Result<Assurance, Refusal> {
        check_open(job, capacity)?;
        let assurance = self.check_assurance(job, capacity.has_worker)?;
        self.check_terms(job, assurance)?;
        check_funds(job, capacity)?;
        Ok(assurance)
    }

    fn check_assurance(&self, job: &Job, has_worker: bool) -> Result<Assurance, Refusal> {
        let assurance = Assurance::from_code(job.assurance).ok_or(Refusal::Assurance)?;
        match assurance {
            Assurance::Refereed => {
                refuse_if(!self.refereed, Refusal::Assurance)?;
                // Demands exist for refereed jobs only.
                let is_hasty = job.terms.response_secs.get() < self.min_response_secs
                    || job.terms.react_secs.get() < self.min_react_secs;
                refuse_if(is_hasty, Refusal::TooHasty)?;
            }
            Assurance::Reviewed => {
                refuse_if(!(self.reviewed && has_worker), Refusal::Assurance)?;
            }
        }
        Ok(assurance)
    }

    fn check_terms(&self, job: &Job, assurance: Assurance) -> Result<(), Refusal> {
        let (price_atoms, bond_atoms) = (job.price_atoms.get(), job.bond_atoms.get());
        let is_listed = |list: &BTreeSet<Pubkey>, one| list.is_empty() || list.contains(one);
        refuse_if(!is_listed(&self.models, &job.model), Refusal::Model)?;
        refuse_if(!is_listed(&self.mints, &job.mint), Refusal::Mint)?;
        refuse_if(self.is_underpaid(job, assurance), Refusal::Price)?;
        refuse_if(job.work.get() > self.max_work, Refusal::Work)?;
        let by_price_atoms = price_atoms.saturating_mul(self.max_bond_prices);
        let max_bond_atoms = self.max_bond_atoms.min(by_price_atoms);
        refuse_if(bond_atoms > max_bond_atoms, Refusal::Bond)?;
        let is_trusted = !job.has_arbiter() || self.arbiters.contains(&job.arbiter);
        refuse_if(!is_trusted, Refusal::Arbiter)?;
        let is_rushed = assurance == Assurance::Refereed && self.is_rushed(job);
        let is_hasty = job.work_secs.get() < self.min_work_secs || is_rushed;
        refuse_if(is_hasty, Refusal::TooHasty)?;
        let review_secs = job.review_secs.get();
        refuse_if(review_secs > self.max_review_secs, Refusal::LongReview)
    }

    /// Whether there is less time for a job's work than any machine should be given.
    fn is_rushed(&self, job: &Job) -> bool {
        let work_ms = u128::from(job.work_secs.get()) * 1_000;
        let least_ms = u128::from(job.work.get()) * u128::from(self.min_ms_per_gwork);
        work_ms.saturating_mul(GWORK.into()) < least_ms
    }

    /// Whether a job pays less than the owner wants, in all or per unit of work that can be refuted.
    fn is_underpaid(&self, job: &Job, assurance: Assurance) -> bool {
        let is_refereed = assurance == Assurance::Refereed;
        let floors = Floors {
            least_price_atoms: self.min_price_atoms,
            price_per_gwork_atoms: self.min_price_per_gwork_atoms,
            ..Floors::default()
        };
        let offer = Offer {
            work: if is_refereed { job.work.get() } else { 0 },
            is_refereed,
            milestones: job.milestones,
            price_atoms: job.price_atoms.get(),
        };
        // What cannot be counted is never enough.
        quote(&floors, &offer).map_or(true, |quote| offer.price_atoms < quote.least_price_atoms)
    }
}

fn refuse_if(condition: bool, refusal: Refusal) -> Result<(), Refusal> {
    if condition { Err(refusal) } else { Ok(()) }
}

/// Whether this provider may take the job at all.
fn check_open(job: &Job, capacity: &Capacity<'_>) -> Result<(), Refusal> {
    let Capacity {
        provider,
        signer,
        moment,
        ..
    } = *capacity;
    refuse_if(!job.is_in(JobState::Open), Refusal::NotOpen)?;
    let is_in_time = in_time(moment.now, job.effective_deadline(moment));
    refuse_if(!is_in_time, Refusal::TooLate)?;
    let is_own = job.client == provider.owner || job.client == *signer;
    refuse_if(is_own, Refusal::OwnJob)?;
    let is_pinned = job.pinned_provider != NOBODY;
    let is_of_other = is_pinned && job.pinned_provider != provider.owner;
    refuse_if(is_of_other, Refusal::PinnedToOther)
}

/// Whether the owner's purse has the bond, and the operator may reserve it.
fn check_funds(job: &Job, capacity: &Capacity<'_>) -> Result<(), Refusal> {
    let bond_atoms = job.bond_atoms.get();
    let purse = capacity.purse.ok_or(Refusal::NoPurse)?;
    refuse_if(purse.free_atoms.get() < bond_atoms, Refusal::Funds)?;
    let room_atoms = operator_room(
        purse.operator_limit_atoms.get(),
        purse.operator_lost_atoms.get(),
    );
    let left_atoms = room_atoms.saturating_sub(purse.operator_reserved_atoms.get());
    let is_by_operator = *capacity.signer != capacity.provider.owner;
    let is_over_limit = is_by_operator && left_atoms < bond_atoms;
    refuse_if(is_over_limit, Refusal::OperatorLimit)
}
