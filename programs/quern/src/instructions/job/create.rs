//! Creates a job and reserves its escrow.
//!
//! # Specification
//! - SHALL be refused while the protocol is paused or the mint is disabled.
//! - SHALL copy every rate, window, share, fee and person that holds for the job, and refuse if they are not those whose
//!   hash the client signed ([`Terms::hash`](crate::state::Terms::hash)).
//! - SHALL reserve price x milestones in the client's purse.
//! - SHALL require for *Refereed*: a sealed, active model, one milestone, no arbiter, inputs and items that fit its
//!   graph, no root for tokens that the provider gives, and price and bond of at least the mint's rates per unit of work;
//!   for *Reviewed*: a pinned provider or an arbiter.
//! - SHALL require of a campaign that it is of the same mint, takes the kind and the model, is not over, and leaves room for the
//!   longest review; such a job SHALL copy no reward rate: one incentive a job.
//! - SHALL require that the purses of treasury and royalty owner exist, so that no later step lacks one (P11).

use {
    crate::{
        clock::Moment,
        constants::{MAX_STEP_SECS, MAX_WINDOW_SECS, NOBODY, is_nobody},
        error::{OrQuern, QuernError},
        events::{JobCreated, emit_event},
        instructions::campaign::{require_fit, split_campaign},
        ledger::{self, Part, require_purse_exists},
        state::{
            Assurance, Emission, Job, JobKind, JobState, LAYOUT_VERSION, MAX_INPUTS, MintConfig,
            Model, Protocol, Purse, changed, changes, model_graph,
        },
        text,
    },
    anchor_lang::{address_eq, prelude::*},
    quern_proof::{
        graph::{self, Misfit},
        hash,
    },
    quern_rules::{
        deadline,
        quote::{Offer, quote},
    },
};

/// What the client asks for.
#[derive(Clone, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct NewJob {
    /// Code of [`JobKind`].
    pub kind: u8,
    /// Code of [`Assurance`].
    pub assurance: u8,
    /// 1 for refereed jobs, 1 to 255 for reviewed ones.
    pub milestones: u8,
    /// Price of a milestone in atoms.
    pub price_atoms: u64,
    /// Bond of a take in atoms.
    pub bond_atoms: u64,
    /// Time to take it.
    pub take_secs: u32,
    /// Time to do a milestone.
    pub work_secs: u32,
    /// Time to challenge or reject a result.
    pub review_secs: u32,
    /// No new take after this time.
    pub ends_by: i64,
    /// How many items the job has: 1 if its graph has no item inputs.
    pub items: u32,
    /// The only provider (by owner) that may take it, or zeroes.
    pub pinned_provider: Address,
    /// Who decides about a rejection, or zeroes.
    pub arbiter: Address,
    /// The campaign that it counts for, or zeroes.
    pub campaign: Address,
    /// Data roots of the inputs, in order; zeroes for the tokens, which the provider gives.
    pub input_roots: Vec<[u8; 32]>,
    /// Where the inputs are, at most 200 bytes.
    pub input_uri: String,
}

impl NewJob {
    /// Writes what the client asked for; `validate` has checked it.
    #[inline(always)]
    fn write(&self, job: &mut Job) -> Result<()> {
        job.kind = self.kind;
        job.assurance = self.assurance;
        job.milestones = self.milestones;
        job.pinned_provider = self.pinned_provider;
        job.arbiter = self.arbiter;
        job.campaign = self.campaign;
        job.price_atoms = self.price_atoms.into();
        job.bond_atoms = self.bond_atoms.into();
        job.ends_by = self.ends_by.into();
        job.take_secs = self.take_secs.into();
        job.work_secs = self.work_secs.into();
        job.review_secs = self.review_secs.into();
        job.items = self.items.into();
        job.input_roots[..self.input_roots.len()].copy_from_slice(&self.input_roots);
        job.input_uri_hash = text::uri_hash(&self.input_uri)?;
        Ok(())
    }
}

/// Accounts of `create_job`. Remaining, read-only: the campaign, if the job names one; then the purses of the treasury and of
/// the royalty owner in the job's mint, as far as they are not the client's own.
#[event_cpi]
#[derive(Accounts)]
pub struct CreateJob {
    /// Who pays: escrow and rent.
    #[account(mut)]
    pub client: Signer,
    /// The protocol; there is only one account of this type.
    pub protocol: Account<Protocol>,
    /// The emission; there is only one account of this type.
    pub emission: Account<Emission>,
    /// Configuration of the mint; must be the purse's.
    pub mint_config: Account<MintConfig>,
    /// The client's purse.
    #[account(mut)]
    pub purse: Account<Purse>,
    /// The model, if the job uses one: any that this program created.
    pub model: Option<Account<Model>>,
    /// The job, created here.
    #[account(
        init,
        payer = client,
        seeds = [Job::SEED, purse.address().as_ref(), &purse.opened.get().to_le_bytes()],
        bump,
    )]
    pub job: Account<Job>,
    /// Creates accounts.
    pub system_program: Program<System>,
}

/// What the program knows of a milestone from the model's graph.
struct Run {
    /// Its work.
    work: u64,
    /// Which input the provider gives, counted from 1.
    tokens_input: u8,
}

impl Run {
    /// A milestone that is no run of a sealed graph.
    const NONE: Self = Self {
        work: 0,
        tokens_input: 0,
    };
}

impl CreateJob {
    fn validate(&self, args: &NewJob, moment: &Moment) -> Result<Assurance> {
        require!(!self.protocol.paused.get(), QuernError::Paused);
        require!(
            address_eq(&self.purse.owner, self.client.address()),
            QuernError::NotAuthorized
        );
        require!(
            address_eq(&self.purse.mint, &self.mint_config.mint),
            QuernError::WrongMint
        );
        require!(self.mint_config.enabled.get(), QuernError::MintDisabled);
        require!(
            JobKind::from_code(args.kind).is_some(),
            QuernError::UnknownKind
        );
        let assurance = Assurance::from_code(args.assurance).ok_or(QuernError::UnknownKind)?;
        self.validate_times(args, assurance, moment)?;
        self.validate_parties(args, assurance)?;
        if let Some(model) = &self.model {
            require!(model.active.get(), QuernError::ModelInactive);
        }
        Ok(assurance)
    }

    /// Refuses terms that the client has not read.
    fn validate_terms(&self, terms_hash: &[u8; 32]) -> Result<()> {
        let (royalty_owner, royalty_bps) = match &self.model {
            Some(model) => (&model.owner, model.royalty_bps.get()),
            None => (&NOBODY, 0),
        };
        let protocol = &self.protocol;
        let hash = protocol
            .terms
            .hash(&protocol.treasury_owner, royalty_owner, royalty_bps);
        require!(hash == *terms_hash, QuernError::TermsChanged);
        Ok(())
    }

    fn validate_times(&self, args: &NewJob, assurance: Assurance, moment: &Moment) -> Result<()> {
        for secs in [args.take_secs, args.work_secs] {
            require!((1..=MAX_STEP_SECS).contains(&secs), QuernError::BadTimeSpan);
        }
        let (_, least_review_secs) = self.protocol.floors(assurance);
        require!(
            (least_review_secs..=MAX_WINDOW_SECS).contains(&args.review_secs),
            QuernError::BadTimeSpan
        );
        let latest = moment.now.saturating_add(i64::from(MAX_STEP_SECS));
        require!(
            args.ends_by > moment.now && args.ends_by <= latest,
            QuernError::BadTimeSpan
        );
        Ok(())
    }

    fn validate_parties(&self, args: &NewJob, assurance: Assurance) -> Result<()> {
        let has_arbiter = !is_nobody(&args.arbiter);
        let is_pinned = !is_nobody(&args.pinned_provider);
        match assurance {
            Assurance::Refereed => {
                require!(
                    args.milestones == 1 && !has_arbiter,
                    QuernError::BadMilestones
                );
            }
            Assurance::Reviewed => {
                require!(args.milestones >= 1, QuernError::BadMilestones);
                require!(has_arbiter || is_pinned, QuernError::NeedsProviderOrArbiter);
            }
        }
        let client = self.client.address();
        require!(
            !(is_pinned && address_eq(&args.pinned_provider, client)),
            QuernError::OwnJob
        );
        let arbiter_is_party = address_eq(&args.arbiter, client)
            || (is_pinned && address_eq(&args.arbiter, &args.pinned_provider));
        require!(
            !(has_arbiter && arbiter_is_party),
            QuernError::ArbiterIsParty
        );
        Ok(())
    }

    /// What a milestone is as a run of the model's graph: from the graph and the items, never from anybody's word.
    ///
    /// A *Reviewed* job need not be one, because nothing is refuted in it: fine-tuning or serving the model is none. Where it
    /// does not fit the graph, nothing is counted.
    fn run(&self, args: &NewJob, assurance: Assurance) -> Result<Run> {
        require!(
            args.input_roots.len() <= MAX_INPUTS,
            QuernError::InputsDoNotFit
        );
        let sealed = self.model.as_ref().filter(|model| model.sealed.get());
        let Some(model) = sealed else {
            require!(assurance == Assurance::Reviewed, QuernError::ModelNotSealed);
            return Ok(Run::NONE);
        };
        let graph = graph::Graph::parse(model_graph(model)?).or_quern()?;
        let admitted = graph.admit(&model.costs(), args.items, args.input_roots.len());
        let tokens = graph.tokens();
        let has_tokens_root = tokens
            .and_then(|tokens| args.input_roots.get(usize::from(tokens)))
            .is_some_and(|root| *root != hash::MISSING);
        match admitted {
            Ok(work) if !has_tokens_root => Ok(Run {
                work,
                // In a reviewed job nothing is refuted, so its provider need not say which text it is.
                tokens_input: match assurance {
                    Assurance::Refereed => tokens.map_or(0, |tokens| tokens as u8 + 1),
                    Assurance::Reviewed => 0,
                },
            }),
            Err(Misfit::WorkOverflow) => Err(QuernError::Overflow.into()),
            _ if assurance == Assurance::Reviewed => Ok(Run::NONE),
            _ => Err(QuernError::InputsDoNotFit.into()),
        }
    }

    /// Refuses less than the least price and bond; returns what is reserved.
    fn validate_price(&self, args: &NewJob, assurance: Assurance, work: u64) -> Result<u64> {
        let offer = Offer {
            work,
            is_refereed: assurance == Assurance::Refereed,
            milestones: args.milestones,
            price_atoms: args.price_atoms,
        };
        let floors = self.mint_config.floors(&self.protocol, assurance);
        let quote = quote(&floors, &offer).or_quern()?;
        require!(
            args.price_atoms >= quote.least_price_atoms,
            QuernError::PriceTooLow
        );
        require!(
            args.bond_atoms >= quote.least_bond_atoms,
            QuernError::BondTooLow
        );
        Ok(quote.escrow_atoms)
    }

    /// Treasury and royalty owner will be credited: their purses must be the client's own or among the remaining accounts.
    fn validate_purses(&self, views: &[AccountView]) -> Result<()> {
        let royalty_owner = self.model.as_ref().map(|model| &model.owner);
        for owner in [Some(&self.protocol.treasury_owner), royalty_owner]
            .into_iter()
            .flatten()
        {
            if !address_eq(owner, &self.purse.owner) {
                require_purse_exists(views, owner, &self.purse.mint)?;
            }
        }
        Ok(())
    }
}

/// Reserves the escrow and writes the job.
pub fn handle_create_job(
    ctx: &mut Context<CreateJob>,
    args: NewJob,
    terms_hash: [u8; 32],
) -> Result<()> {
    let moment = Moment::without_restart()?;
    let assurance = ctx.accounts.validate(&args, &moment)?;
    ctx.accounts.validate_terms(&terms_hash)?;
    let run = ctx.accounts.run(&args, assurance)?;
    let escrow_atoms = ctx.accounts.validate_price(&args, assurance, run.work)?;
    let views = ctx.remaining_accounts()?;
    let (campaign, purses) = split_campaign(&args.campaign, &views)?;
    ctx.accounts.validate_purses(purses)?;
    let deadline = deadline::open(moment.now, args.take_secs, args.ends_by).or_quern()?;
    let bump = ctx.bumps.job;

    let accounts = &mut ctx.accounts;
    let purse = &mut accounts.purse;
    ledger::transfer(
        core::slice::from_mut(purse),
        (0, Part::Free),
        (0, Part::Reserved),
        escrow_atoms,
    )?;
    let n = purse.opened;
    purse.opened = n.checked_add(1u64).ok_or(QuernError::Overflow)?;

    let job = &mut accounts.job;
    job.version = LAYOUT_VERSION;
    job.bump = bump;
    job.n = n;
    job.created_at = moment.now.into();
    job.client = *accounts.client.address();
    job.mint = accounts.mint_config.mint;
    job.treasury_owner = accounts.protocol.treasury_owner;
    if let Some(model) = &accounts.model {
        job.model = *model.address();
        job.royalty_owner = model.owner;
        job.royalty_bps = model.royalty_bps;
    }
    job.work = run.work.into();
    job.tokens_input = run.tokens_input;
    job.reward_weight_bps = accounts.emission.weight_bps(assurance).into();
    job.terms = accounts.protocol.terms;
    args.write(job)?;
    match campaign {
        Some(campaign) => require_fit(campaign, job, moment.now)?,
        // One incentive a job: what scores accrues no reward.
        None => job.reward_rate_e9 = accounts.mint_config.reward_rate_e9,
    }
    job.enter(JobState::Open, deadline, &moment);

    let (client, model, mint, address) = (job.client, job.model, job.mint, *job.address());
    let changes = changes![changed(&mut accounts.job), changed(&mut accounts.purse)];
    emit_event!(
        ctx,
        JobCreated {
            at: moment.now,
            job: address,
            client,
            model,
            mint,
            escrow_atoms,
            input_uri: args.input_uri,
            changes,
        }
    );
    Ok(())
}
