//! A job: what a client pays for, how far it is, and every rate, window and person that holds for it.

use {
    crate::{
        clock::Moment,
        codes::{codes, known},
        constants::is_nobody,
        error::QuernError,
        state::{Assurance, Entity, EntityKind, SeenJob, Terms},
    },
    anchor_lang::prelude::*,
    quern_proof::node::{Operand, Tree},
};

/// Most inputs of a job: as many as a graph may have.
pub use quern_proof::limits::MAX_INPUTS;

codes! {
    /// What kind of work a job is.
    pub enum JobKind: "kind of job" {
        /// Running a model
        Inference = 1 "inference",
        /// Adapting a model
        FineTuning = 2 "fine_tuning",
        /// Training from scratch
        Training = 3 "training",
    }

    /// Where a live job stands. A job that ended has no account.
    pub enum JobState: "job state" {
        /// Waiting for a provider
        Open = 1 "open",
        /// A provider works on the current milestone
        Taken = 2 "taken",
        /// A result is committed and may be challenged
        Submitted = 3 "submitted",
        /// The client rejected; the arbiter decides
        Rejected = 4 "rejected",
        /// Convicted; the bond waits to be split
        Convicted = 5 "convicted",
    }

    /// Why a job was convicted.
    pub enum ConvictionReason: "reason of a conviction" {
        /// A value differs from what the graph computes
        WrongCell = 1 "wrong_cell",
        /// A padding byte or a missing node is not zero
        BadPadding = 2 "bad_padding",
        /// A demand was not answered in time
        Unanswered = 3 "unanswered",
        /// The provider's tokens are not those that the graph computes
        WrongTokens = 4 "wrong_tokens",
    }
}

/// A live job; closes when its last milestone is settled, or when it is cancelled, expired or convicted.
#[account]
#[derive(Debug)]
pub struct Job {
    /// Layout version.
    pub version: u8,
    /// Canonical bump.
    pub bump: u8,
    /// [`JobState`].
    pub state: u8,
    /// [`JobKind`].
    pub kind: u8,
    /// [`Assurance`].
    pub assurance: u8,
    /// Milestones in all.
    pub milestones: u8,
    /// Milestones behind it: the index of the current one.
    pub milestone: u8,
    /// Whether the operator signed the take.
    pub taken_by_operator: PodBool,
    /// Change counter.
    pub seq: PodU64,
    /// Number of the job in its client's purse.
    pub n: PodU64,
    /// When it was created.
    pub created_at: PodI64,
    /// Who pays.
    pub client: Address,
    /// In which mint.
    pub mint: Address,
    /// The model, or nobody.
    pub model: Address,
    /// Who earns the royalty, or nobody.
    pub royalty_owner: Address,
    /// Who earns the fee.
    pub treasury_owner: Address,
    /// The only provider (by owner) that may take it, or nobody.
    pub pinned_provider: Address,
    /// Who decides about a rejection, or nobody.
    pub arbiter: Address,
    /// The campaign that it counts for, or nobody.
    pub campaign: Address,
    /// The owner of the provider at work, or nobody.
    pub provider: Address,
    /// Price of a milestone.
    pub price_atoms: PodU64,
    /// Bond that a take reserves.
    pub bond_atoms: PodU64,
    /// What is left of the bond of the current take.
    pub bond_left_atoms: PodU64,
    /// What the client reserved when it rejected.
    pub reject_deposit_atoms: PodU64,
    /// Work of a milestone, 0 if no graph says it.
    pub work: PodU64,
    /// Reward atoms per fee atom times 10^9, copied from the mint.
    pub reward_rate_e9: PodU64,
    /// No new take after this time.
    pub ends_by: PodI64,
    /// When the current state ends (Submitted: the end of the review).
    pub deadline: PodI64,
    /// When the last demand was answered, 0 if none was.
    pub last_answer_at: PodI64,
    /// When the last demand about the tokens was answered, 0 if none was.
    pub tokens_answered_at: PodI64,
    /// Slot in which the current state began, for the restart rule.
    pub state_slot: PodU64,
    /// Time to take it.
    pub take_secs: PodU32,
    /// Time to do a milestone.
    pub work_secs: PodU32,
    /// Time to challenge or reject a result.
    pub review_secs: PodU32,
    /// How many items the job has: each input that is not fixed holds this number.
    pub items: PodU32,
    /// Results submitted so far.
    pub submissions: PodU32,
    /// Demands waiting for an answer.
    pub open_demands: PodU32,
    /// Royalty, copied from the model.
    pub royalty_bps: PodU16,
    /// Reward weight, copied from the emission.
    pub reward_weight_bps: PodU16,
    /// Code of [`ConvictionReason`], 0 if it was not convicted.
    pub conviction_reason: u8,
    /// Which input the provider gives, counted from 1; 0 if its graph has no tokens, or none says.
    pub tokens_input: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// Who convicted it, or nobody.
    pub prover: Address,
    /// Data roots of the inputs; that of the tokens is zero.
    pub input_roots: [[u8; 32]; MAX_INPUTS],
    /// SHA-256 of where the inputs are; the event carries the text.
    pub input_uri_hash: [u8; 32],
    /// SHA-256 of where the current result is.
    pub output_uri_hash: [u8; 32],
    /// Commitment to the current result.
    pub trace_root: [u8; 32],
    /// Data root of the tokens that the provider gave, zero in a graph without.
    pub tokens_root: [u8; 32],
    /// The last accepted commitment: where another provider continues.
    pub checkpoint: [u8; 32],
    /// Rates and times copied from the protocol.
    pub terms: Terms,
    /// Zero.
    pub reserved_tail: [u8; 24],
}

impl Job {
    /// First seed.
    pub const SEED: &'static [u8] = b"job";

    /// Address and bump for the n-th job of a client's purse.
    pub fn find_address(program_id: &Address, client_purse: &Address, n: u64) -> (Address, u8) {
        Address::find_program_address(
            &[Self::SEED, client_purse.as_ref(), &n.to_le_bytes()],
            program_id,
        )
    }

    /// Its assurance level.
    pub fn assurance(&self) -> Assurance {
        known(self.assurance)
    }

    /// What kind of work it is.
    pub fn kind(&self) -> JobKind {
        known(self.kind)
    }

    /// Its state.
    pub fn state(&self) -> JobState {
        known(self.state)
    }

    /// Why it was convicted, if it was.
    pub fn conviction_reason(&self) -> Option<ConvictionReason> {
        (self.conviction_reason != 0).then(|| known(self.conviction_reason))
    }

    /// Whether it is in this state.
    pub fn is_in(&self, state: JobState) -> bool {
        self.state == state.code()
    }

    /// Whether a wrong result can be convicted on chain.
    pub fn is_refereed(&self) -> bool {
        self.assurance == Assurance::Refereed.code()
    }

    /// Whether its client reviews the result.
    pub fn is_reviewed(&self) -> bool {
        self.assurance == Assurance::Reviewed.code()
    }

    /// Fails unless it is in this state.
    pub fn require_state(&self, state: JobState) -> Result<()> {
        require!(self.is_in(state), QuernError::WrongState);
        Ok(())
    }

    /// What a decision that is signed now is about.
    pub fn seen(&self) -> SeenJob {
        SeenJob {
            seq: self.seq.get(),
            root: *self.root_in_question(),
        }
    }

    fn root_in_question(&self) -> &[u8; 32] {
        if self.state <= JobState::Taken.code() {
            &self.checkpoint
        } else {
            &self.trace_root
        }
    }

    /// Fails unless the job is still as the signer of a decision saw it.
    #[inline(never)]
    pub fn require_seen(&self, seen: &SeenJob) -> Result<()> {
        let is_same = self.seq.get() == seen.seq && *self.root_in_question() == seen.root;
        require!(is_same, QuernError::JobMoved);
        Ok(())
    }

    /// Whether somebody may decide about a rejection.
    pub fn has_arbiter(&self) -> bool {
        !is_nobody(&self.arbiter)
    }

    /// Milestones that are not behind it, the current one included.
    pub fn milestones_left(&self) -> u8 {
        self.milestones.saturating_sub(self.milestone)
    }

    /// Begins a state.
    pub fn enter(&mut self, state: JobState, deadline: i64, moment: &Moment) {
        self.state = state as u8;
        self.deadline = deadline.into();
        self.state_slot = moment.slot.into();
    }

    /// The deadline of the current state, a cluster restart included.
    #[inline(never)]
    pub fn effective_deadline(&self, moment: &Moment) -> i64 {
        moment.deadline(
            self.deadline.get(),
            self.state_slot.get(),
            self.terms.restart_grace_secs.get(),
        )
    }

    /// When the last demand was answered, moved like every time of the current state by a cluster restart; 0 if none was.
    pub fn effective_last_answer_at(&self, moment: &Moment) -> i64 {
        self.effective_answer_at(self.last_answer_at.get(), moment)
    }

    /// When the last demand about the tokens was answered, moved likewise; 0 if none was.
    pub fn effective_tokens_answered_at(&self, moment: &Moment) -> i64 {
        self.effective_answer_at(self.tokens_answered_at.get(), moment)
    }

    #[inline(never)]
    fn effective_answer_at(&self, at: i64, moment: &Moment) -> i64 {
        match at {
            0 => 0,
            at => moment.deadline(
                at,
                self.state_slot.get(),
                self.terms.restart_grace_secs.get(),
            ),
        }
    }

    /// The input that the provider gives, if the graph has one.
    pub fn tokens_input(&self) -> Option<u16> {
        u16::from(self.tokens_input).checked_sub(1)
    }

    /// Whether this is the tree of the tokens, which the provider gave.
    pub fn is_tokens(&self, tree: Tree) -> bool {
        match tree {
            Tree::Data(Operand::Input(input)) => self.tokens_input() == Some(input),
            _ => false,
        }
    }

    /// Fails unless the current state's deadline is still ahead (`now <= deadline`).
    pub fn require_in_time(&self, moment: &Moment) -> Result<()> {
        require!(
            quern_rules::deadline::in_time(moment.now, self.effective_deadline(moment)),
            QuernError::TooLate
        );
        Ok(())
    }

    /// Fails unless the current state's deadline has passed (`now > deadline`).
    pub fn require_passed(&self, moment: &Moment) -> Result<()> {
        require!(
            quern_rules::deadline::passed(moment.now, self.effective_deadline(moment)),
            QuernError::TooEarly
        );
        Ok(())
    }
}

impl Entity for Job {
    const KIND: EntityKind = EntityKind::Job;
    fn seq_mut(&mut self) -> &mut PodU64 {
        &mut self.seq
    }
    #[inline(never)]
    fn invariant(&self) -> bool {
        let has_provider = !is_nobody(&self.provider);
        self.milestone < self.milestones
            && self.bond_left_atoms <= self.bond_atoms
            && self.is_in(JobState::Open) != has_provider
            && (has_provider || self.bond_left_atoms.is_zero())
            && (self.is_in(JobState::Rejected) || self.reject_deposit_atoms.is_zero())
            && self.tokens_answered_at.get() <= self.last_answer_at.get()
    }
    fn has_known_codes(&self) -> bool {
        JobState::from_code(self.state).is_some()
            && JobKind::from_code(self.kind).is_some()
            && Assurance::from_code(self.assurance).is_some()
            && (self.conviction_reason == 0
                || ConvictionReason::from_code(self.conviction_reason).is_some())
    }
}
