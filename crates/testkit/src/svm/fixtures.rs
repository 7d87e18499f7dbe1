//! A protocol that is set up, and the usual people.

use {
    super::{Failure, Outcome, World, actor, addresses, claim::Claim, ix, token},
    quern::{
        constants::NOBODY,
        error::QuernError,
        instructions::{
            Decision, EmissionSettings, NewCampaign, NewJob, NewModel, ProviderSettings, Submission,
        },
        state::{
            Campaign, Emission, Entry, Job, JobState, MintRates, Model, Protocol, ProtocolSettings,
            Provider, Purse,
        },
    },
    quern_proof::{DType, Tensor, builder::GraphBuilder, evidence::Charge},
    solana_sdk::{hash::Hash, instruction::Instruction, pubkey::Pubkey},
    std::ops::{Deref, DerefMut},
};

/// What the client, the provider and the emission deposit at first.
pub const DEPOSIT_ATOMS: u64 = 1_000_000_000;
/// A day.
pub const DAY: i64 = 86_400;

/// People, each another wallet.
#[derive(Clone, Debug)]
pub struct Cast {
    /// Upgrade authority and the protocol's authority.
    pub authority: Pubkey,
    /// May pause.
    pub guardian: Pubkey,
    /// Earns fees.
    pub treasury: Pubkey,
    /// Pays for jobs.
    pub client: Pubkey,
    /// Owner of the provider.
    pub provider: Pubkey,
    /// The provider's hot key.
    pub operator: Pubkey,
    /// Another provider.
    pub second: Pubkey,
    /// Decides about rejections.
    pub arbiter: Pubkey,
    /// Owner of the model.
    pub creator: Pubkey,
    /// Convicts.
    pub prover: Pubkey,
    /// Has nothing to do with anything.
    pub stranger: Pubkey,
}

impl Cast {
    /// Everybody another wallet.
    pub fn usual() -> Self {
        Self {
            authority: actor("authority"),
            guardian: actor("guardian"),
            treasury: actor("treasury"),
            client: actor("client"),
            provider: actor("provider"),
            operator: actor("operator"),
            second: actor("second provider"),
            arbiter: actor("arbiter"),
            creator: actor("creator"),
            prover: actor("prover"),
            stranger: actor("stranger"),
        }
    }

    /// All wallets.
    pub fn all(&self) -> [Pubkey; 11] {
        [
            self.authority,
            self.guardian,
            self.treasury,
            self.client,
            self.provider,
            self.operator,
            self.second,
            self.arbiter,
            self.creator,
            self.prover,
            self.stranger,
        ]
    }
}

/// The genesis hash of the cluster that the protocol is set up for.
pub const CLUSTER: Hash = Hash::new_from_array([0xC1; 32]);

/// Usual settings, for actors who are nobody in particular.
pub fn params() -> ProtocolSettings {
    ProtocolSettings {
        guardian: actor("guardian"),
        treasury_owner: actor("treasury"),
        fee_bps: 250,
        late_penalty_bps: 2_000,
        reject_bps: 1_000,
        arbiter_bps: 500,
        refereed_bond_bps: 20_000,
        reviewed_bond_bps: 5_000,
        refereed_review_secs: 3_600,
        reviewed_review_secs: 600,
        demand_fee_lamports: 10_000,
        response_secs: 21_600,
        react_secs: 3_600,
        resolve_secs: 86_400,
        grace_secs: 1_800,
        restart_grace_secs: 7_200,
        campaign_claim_secs: 86_400,
    }
}

/// Usual settings with guardian and treasury.
pub fn settings(cast: &Cast) -> ProtocolSettings {
    ProtocolSettings {
        guardian: cast.guardian,
        treasury_owner: cast.treasury,
        ..params()
    }
}

/// Usual rates of a mint that rewards are not paid in.
pub fn rates() -> MintRates {
    MintRates {
        reward_rate_e9: 2_000_000_000,
        least_price_atoms: 10,
        price_per_gwork_atoms: 1_000,
        bond_per_gwork_atoms: 5_000,
    }
}

/// Rates of the reward mint: a fee atom earns half a reward atom, so buying from oneself loses.
pub fn reward_rates() -> MintRates {
    MintRates {
        reward_rate_e9: 500_000_000,
        ..rates()
    }
}

/// Usual rewards.
pub fn emission_args() -> EmissionSettings {
    EmissionSettings {
        epoch_secs: 86_400,
        cap_atoms: 1_000_000,
        refereed_weight_bps: 10_000,
        reviewed_weight_bps: 5_000,
    }
}

/// A provider's usual entry.
pub fn provider_args(operator: &Pubkey) -> ProviderSettings {
    ProviderSettings {
        operator: *operator,
        name: "Provider".into(),
        endpoint: "https://provider.example".into(),
        active: true,
    }
}

/// A model's usual entry.
pub fn model_args(id: u64, graph_bytes: usize) -> NewModel {
    NewModel {
        id,
        graph_bytes: graph_bytes as u32,
        kind: 1,
        royalty_bps: 300,
        name: "Digits".into(),
        uri: "https://models.example/digits".into(),
    }
}

/// A small graph: items of 4 numbers by a matrix of 3 x 4, then the place of the largest.
pub fn graph() -> Vec<u8> {
    let mut builder = GraphBuilder::new();
    let x = builder.input_item(DType::I8, 1, 4);
    let w = builder.weight(&weights());
    let logits = builder.dot(x, w).push();
    builder.argmax(logits).push();
    builder.finish().unwrap()
}

/// Its matrix.
pub fn weights() -> Tensor {
    Tensor::from_i8(3, 4, &[1, 2, 3, 4, -1, -2, -3, -4, 5, -5, 6, -6]).unwrap()
}

/// The usual graph on the usual input of two items. The result is right for 0; any other number is another wrong value in
/// its first cell.
pub fn claim(n: u8) -> Claim {
    let input = Tensor::from_i8(2, 4, &[3, -1, 4, 1, -5, 9, -2, 6]).unwrap();
    let mut claim = Claim::honest(graph(), 2, vec![input], vec![weights()]);
    claim.corrupt_by(0, 0, 0, n);
    claim
}

/// A result, wrong except for 0: [`Stage::convict`] convicts it.
pub fn proof(n: u8) -> Submission {
    Submission {
        trace_root: claim(n).trace_root(),
        tokens_root: [0; 32],
        output_uri: format!("https://out.example/{n}"),
    }
}

/// A decision.
pub fn decision(provider_share_bps: u16, penalty_atoms: u64) -> Decision {
    Decision {
        provider_share_bps,
        penalty_atoms,
    }
}

/// A protocol that is set up: two mints, rewards, purses with deposits, a provider with an operator, a sealed model.
#[derive(Clone)]
pub struct Stage {
    /// The machine.
    pub world: World,
    /// The people.
    pub cast: Cast,
    /// What jobs are paid in: SPL Token, 6 decimals.
    pub usd: Pubkey,
    /// What rewards are paid in: Token-2022, 9 decimals.
    pub gold: Pubkey,
    /// A sealed model of the creator.
    pub model: Pubkey,
}

impl Deref for Stage {
    type Target = World;
    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for Stage {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

impl Stage {
    /// Usual people.
    pub fn new() -> Self {
        Self::with(Cast::usual())
    }

    /// These people, of whom some may be the same wallet.
    pub fn with(cast: Cast) -> Self {
        Self::initialized(cast)
            .with_mints()
            .with_people()
            .with_rewards()
    }

    /// Deployed and initialized, nothing else.
    pub fn initialized(cast: Cast) -> Self {
        let mut world = World::deployed(&cast.authority);
        for wallet in cast.all().iter().chain([&actor("bank")]) {
            world.give_lamports(wallet);
        }
        world.ok(ix::initialize(&cast.authority, settings(&cast), CLUSTER));
        Self {
            world,
            cast,
            usd: NOBODY,
            gold: NOBODY,
            model: NOBODY,
        }
    }

    fn with_mints(mut self) -> Self {
        self.usd = token::create_mint(&mut self.world, "usd", &addresses::TOKEN_PROGRAM, 6);
        self.gold = token::create_mint(&mut self.world, "gold", &addresses::TOKEN_2022_PROGRAM, 9);
        let (authority, usd, gold) = (self.cast.authority, self.usd, self.gold);
        self.ok(ix::register_mint(
            &authority,
            &usd,
            &addresses::TOKEN_PROGRAM,
            rates(),
        ));
        self.ok(ix::register_mint(
            &authority,
            &gold,
            &addresses::TOKEN_2022_PROGRAM,
            reward_rates(),
        ));
        self
    }

    fn with_people(mut self) -> Self {
        let (cast, usd, gold) = (self.cast.clone(), self.usd, self.gold);
        for owner in cast.all().iter().chain([&addresses::burn_owner()]) {
            self.open(owner, &usd);
            self.open(owner, &gold);
        }
        self.open(&addresses::emission(), &gold);
        for owner in [cast.client, cast.provider, cast.second] {
            self.deposit(&owner, &usd, DEPOSIT_ATOMS);
            self.deposit(&owner, &gold, DEPOSIT_ATOMS);
        }
        self.ok(ix::register_provider(
            &cast.provider,
            provider_args(&cast.operator),
        ));
        self.ok(ix::set_operator_limit(&cast.provider, &usd, DEPOSIT_ATOMS));
        if cast.second != cast.provider {
            self.ok(ix::register_provider(
                &cast.second,
                provider_args(&cast.second),
            ));
        }
        self.model = addresses::model(&cast.creator, 1);
        for instruction in ix::register_whole_model(&cast.creator, model_args(1, 0), &graph()) {
            self.ok(instruction);
        }
        self
    }

    fn with_rewards(mut self) -> Self {
        let (authority, gold) = (self.cast.authority, self.gold);
        self.deposit(&addresses::emission(), &gold, DEPOSIT_ATOMS);
        self.ok(ix::configure_emission(&authority, &gold, emission_args()));
        self
    }

    /// [`World::ok`]; here so that the instruction may be built from the stage itself.
    #[track_caller]
    pub fn ok(&mut self, instruction: Instruction) -> Outcome {
        self.world.ok(instruction)
    }

    /// [`World::refused`].
    #[track_caller]
    pub fn refused(&mut self, instruction: Instruction, error: QuernError) {
        self.world.refused(instruction, error);
    }

    /// [`World::fails`].
    #[track_caller]
    pub fn fails(&mut self, instruction: Instruction) -> Failure {
        self.world.fails(instruction)
    }

    /// Who opens purses and deposits for others: a wallet that takes no other part.
    pub fn bank(&self) -> Pubkey {
        actor("bank")
    }

    /// Opens a purse if it is not open.
    pub fn open(&mut self, owner: &Pubkey, mint: &Pubkey) {
        if !self.exists(&addresses::purse(owner, mint)) {
            let payer = self.bank();
            self.ok(ix::open_purse(&payer, owner, mint));
        }
    }

    /// Issues atoms to the stranger and deposits them for an owner.
    pub fn deposit(&mut self, owner: &Pubkey, mint: &Pubkey, atoms: u64) -> Outcome {
        let depositor = self.bank();
        let source = token::issue(&mut self.world, &depositor, mint, atoms);
        let token_program = token::program_of(&self.world, mint);
        self.ok(ix::deposit(
            &depositor,
            &source,
            owner,
            mint,
            &token_program,
            atoms,
        ))
    }

    /// Withdraws to the owner's own token account.
    pub fn withdraw(&mut self, owner: &Pubkey, mint: &Pubkey, atoms: u64) -> Outcome {
        let destination = token::issue(&mut self.world, owner, mint, 0);
        let token_program = token::program_of(&self.world, mint);
        self.ok(ix::withdraw(
            owner,
            &destination,
            mint,
            &token_program,
            atoms,
        ))
    }

    /// A purse's free and reserved atoms in the payment mint.
    pub fn usd_of(&self, owner: &Pubkey) -> (u64, u64) {
        let purse: Purse = self.get(&addresses::purse(owner, &self.usd));
        (purse.free_atoms.get(), purse.reserved_atoms.get())
    }

    /// The same in the reward mint.
    pub fn gold_of(&self, owner: &Pubkey) -> (u64, u64) {
        let purse: Purse = self.get(&addresses::purse(owner, &self.gold));
        (purse.free_atoms.get(), purse.reserved_atoms.get())
    }

    /// A job.
    pub fn job(&self, address: &Pubkey) -> Job {
        self.get(address)
    }

    /// The state of a job, or nothing if it closed.
    pub fn state_of(&self, address: &Pubkey) -> Option<JobState> {
        self.exists(address)
            .then(|| JobState::from_code(self.job(address).state).unwrap())
    }

    /// The emission.
    pub fn emission(&self) -> Emission {
        self.get(&addresses::emission())
    }

    /// The protocol.
    pub fn protocol(&self) -> Protocol {
        self.get(&addresses::protocol())
    }

    /// A provider's entry.
    pub fn provider_of(&self, owner: &Pubkey) -> Provider {
        self.get(&addresses::provider(owner))
    }

    /// The usual refereed job: one milestone of 10,000 atoms, bond twice that.
    pub fn refereed(&self) -> NewJob {
        NewJob {
            kind: 1,
            assurance: 1,
            milestones: 1,
            price_atoms: 10_000,
            bond_atoms: 20_000,
            take_secs: 3_600,
            work_secs: 7_200,
            review_secs: 3_600,
            ends_by: self.now() + 2 * DAY,
            items: 2,
            pinned_provider: NOBODY,
            arbiter: NOBODY,
            campaign: NOBODY,
            input_roots: claim(0).input_roots(),
            input_uri: "https://in.example/1".into(),
        }
    }

    /// The usual reviewed job: three milestones of 10,000 atoms with an arbiter.
    pub fn accepted(&self) -> NewJob {
        NewJob {
            kind: 2,
            assurance: 2,
            milestones: 3,
            bond_atoms: 8_000,
            review_secs: 1_200,
            items: 1,
            arbiter: self.cast.arbiter,
            input_roots: Vec::new(),
            ..self.refereed()
        }
    }

    /// The instruction that creates the client's next job, with the usual model.
    pub fn create_ix(&self, args: NewJob) -> Instruction {
        self.create_ix_of(&self.cast.client, &self.usd, Some(&self.model), args)
    }

    /// The instruction that creates the next job of a client in a mint.
    pub fn create_ix_of(
        &self,
        client: &Pubkey,
        mint: &Pubkey,
        model: Option<&Pubkey>,
        args: NewJob,
    ) -> Instruction {
        let purse: Purse = self.get(&addresses::purse(client, mint));
        let loaded = model.map(|address| (address, self.get::<Model>(address)));
        let model = loaded.as_ref().map(|(address, model)| (*address, model));
        ix::create_job(
            client,
            mint,
            purse.opened.get(),
            &self.protocol(),
            model,
            args,
        )
    }

    /// Creates the client's next job, with the usual model.
    #[track_caller]
    pub fn create(&mut self, args: NewJob) -> Pubkey {
        let (client, usd) = (self.cast.client, self.usd);
        let purse: Purse = self.get(&addresses::purse(&client, &usd));
        let instruction = self.create_ix(args);
        self.ok(instruction);
        addresses::job(&client, &usd, purse.opened.get())
    }

    /// The provider's owner takes a job.
    #[track_caller]
    pub fn take(&mut self, job: &Pubkey) -> Outcome {
        let provider = self.cast.provider;
        let instruction = ix::take_job(&provider, &provider, &self.job(job));
        self.ok(instruction)
    }

    /// The job's provider submits a result.
    #[track_caller]
    pub fn submit(&mut self, job: &Pubkey) -> Outcome {
        let state = self.job(job);
        let n = state.submissions.get() as u8 + 1;
        self.ok(ix::submit(&state.provider, &state, proof(n)))
    }

    /// The client accepts.
    #[track_caller]
    pub fn accept(&mut self, job: &Pubkey) -> Outcome {
        let instruction = ix::accept(&self.job(job), &self.emission());
        self.ok(instruction)
    }

    /// The job's provider finalizes.
    #[track_caller]
    pub fn finalize(&mut self, job: &Pubkey) -> Outcome {
        let state = self.job(job);
        let instruction = ix::finalize(&state.provider, &state, &self.emission());
        self.ok(instruction)
    }

    /// The client rejects.
    #[track_caller]
    pub fn reject(&mut self, job: &Pubkey) -> Outcome {
        let instruction = ix::reject(&self.job(job), "wrong".into());
        self.ok(instruction)
    }

    /// The arbiter decides.
    #[track_caller]
    pub fn resolve(
        &mut self,
        job: &Pubkey,
        provider_share_bps: u16,
        penalty_atoms: u64,
    ) -> Outcome {
        let instruction = ix::resolve(&self.job(job), decision(provider_share_bps, penalty_atoms));
        self.ok(instruction)
    }

    /// Anybody ends a wait.
    #[track_caller]
    pub fn expire(&mut self, job: &Pubkey) -> Outcome {
        let instruction = ix::expire(&self.job(job));
        self.ok(instruction)
    }

    /// Moves time to a second relative to the deadline of the job's state.
    pub fn at_deadline(&mut self, job: &Pubkey, plus_secs: i64) {
        let deadline = self.job(job).deadline.get();
        self.set_time(deadline + plus_secs);
    }

    /// Creates a job and brings it to a state.
    #[track_caller]
    pub fn job_in(&mut self, state: JobState, args: NewJob) -> Pubkey {
        let job = self.create(args);
        if state == JobState::Open {
            return job;
        }
        self.take(&job);
        if state == JobState::Taken {
            return job;
        }
        self.submit(&job);
        match state {
            JobState::Rejected => {
                self.reject(&job);
            }
            JobState::Convicted => {
                self.convict(&job);
            }
            _ => {}
        }
        job
    }

    /// The usual campaign in the payment mint: an hour from now, for a day, settled in ten, all kinds of work, any model.
    pub fn campaign_args(&self) -> NewCampaign {
        let start = self.now() + 3_600;
        NewCampaign {
            pot_atoms: 1_000,
            start,
            end: start + DAY,
            settle_by: start + 11 * DAY,
            claim_by: start + 13 * DAY,
            kinds: 0b111,
            model: NOBODY,
            refereed_bps: 9_000,
            reviewed_bps: 5_000,
        }
    }

    /// The second provider sponsors a campaign.
    #[track_caller]
    pub fn sponsor(&mut self, args: NewCampaign) -> Pubkey {
        let (sponsor, usd) = (self.cast.second, self.usd);
        let purse: Purse = self.get(&addresses::purse(&sponsor, &usd));
        let n = purse.opened.get();
        self.ok(ix::create_campaign(&sponsor, &usd, n, args));
        addresses::campaign(&sponsor, &usd, n)
    }

    /// The bank lets a provider join.
    #[track_caller]
    pub fn join(&mut self, campaign: &Pubkey, owner: &Pubkey) -> Outcome {
        let payer = self.bank();
        self.ok(ix::join_campaign(&payer, campaign, owner))
    }

    /// The instruction that claims what a provider scored.
    pub fn claim_ix(&self, campaign: &Pubkey, owner: &Pubkey) -> Instruction {
        let entry: Entry = self.get(&addresses::entry(campaign, owner));
        let campaign = self
            .exists(campaign)
            .then(|| self.get::<Campaign>(campaign));
        ix::claim_campaign(&entry, campaign.as_ref())
    }

    /// Convicts one of the wrong results of [`proof`].
    #[track_caller]
    pub fn convict(&mut self, job: &Pubkey) -> Outcome {
        let state = self.job(job);
        let claim = (1..=u8::MAX)
            .map(claim)
            .find(|claim| claim.trace_root() == state.trace_root)
            .unwrap();
        let (prover, charge) = (
            self.cast.prover,
            Charge::Cell {
                op: 0,
                row: 0,
                col: 0,
                at: 0,
            },
        );
        let evidence = claim.evidence(&charge);
        let proof = ix::Proof::Inline(&evidence);
        self.ok(ix::convict(&prover, &state, &charge, proof))
    }
}
