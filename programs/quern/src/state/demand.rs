//! A demand: a question about what a provider committed to, paid for by its opener, and its answer once it is given.

use {
    crate::{
        clock::Moment,
        state::{Entity, EntityKind, Job, tail, tail_mut},
    },
    anchor_lang::prelude::*,
    quern_proof::demand::{MAX_ANSWER_BYTES, NodeId, Tree},
};

/// The fixed part of a demand; `answer_bytes` bytes of answer follow it, zero until it is given.
#[account]
#[derive(Debug)]
pub struct Demand {
    /// Layout version.
    pub version: u8,
    /// Canonical bump.
    pub bump: u8,
    /// Code of the tree: 65,535 trace, 0 to 1,023 op, 1,024 to 1,031 input, 2,048 to 3,071 weight.
    pub tree: PodU16,
    /// Level of the node; the root's is 0.
    pub level: u8,
    /// Whether it asks for a leaf's bytes; otherwise for nodes.
    pub is_leaf: PodBool,
    /// Whether it was answered, and the fee with it spent.
    pub answered: PodBool,
    /// Zero.
    pub reserved: u8,
    /// Change counter.
    pub seq: PodU64,
    /// The job.
    pub job: Address,
    /// Which submission of the job, from 1.
    pub submission: PodU32,
    /// Length of the answer.
    pub answer_bytes: PodU32,
    /// Index of the node in its level; of an op's, item x 2^level + place.
    pub index: PodU64,
    /// The node.
    pub node: [u8; 32],
    /// Who asked: gets the rent back, and the fee if nobody earned it.
    pub opener: Address,
    /// What the answer earns.
    pub fee_lamports: PodU64,
    /// Until when it may be answered.
    pub due: PodI64,
    /// When it was answered, 0 until then.
    pub answered_at: PodI64,
    /// Slot in which it was asked, for the restart rule.
    pub slot: PodU64,
    /// Zero.
    pub reserved_tail: [u8; 16],
}

impl Demand {
    /// First seed.
    pub const SEED: &'static [u8] = b"demand";
    /// Size of the fixed part with the discriminator: where the answer begins.
    pub const ANSWER_OFFSET: usize = 8 + core::mem::size_of::<Self>();

    /// Address and bump of a demand about a submission of a job.
    pub fn find_address(
        program_id: &Address,
        job: &Address,
        submission: u32,
        node_id: &NodeId,
    ) -> (Address, u8) {
        Address::find_program_address(
            &[
                Self::SEED,
                job.as_ref(),
                &submission.to_le_bytes(),
                &node_id.tree.code().to_le_bytes(),
                &[node_id.level],
                &node_id.index.to_le_bytes(),
            ],
            program_id,
        )
    }

    /// Account size for an answer of this many bytes.
    pub const fn space(answer_bytes: u16) -> usize {
        Self::ANSWER_OFFSET + answer_bytes as usize
    }

    /// The answer within the account's data, or nothing if the data are cut short. Zeroes until it is given.
    pub fn answer_of(data: &[u8], answer_bytes: u32) -> Option<&[u8]> {
        data.get(Self::ANSWER_OFFSET..Self::ANSWER_OFFSET + answer_bytes as usize)
    }

    /// Until when it may be answered, a cluster restart included.
    pub fn effective_due(&self, job: &Job, moment: &Moment) -> i64 {
        self.moved(self.due.get(), job, moment)
    }

    /// When it was answered, moved like its due time by a cluster restart; 0 until then.
    pub fn effective_answered_at(&self, job: &Job, moment: &Moment) -> i64 {
        match self.answered_at.get() {
            0 => 0,
            at => self.moved(at, job, moment),
        }
    }

    fn moved(&self, time: i64, job: &Job, moment: &Moment) -> i64 {
        moment.deadline(time, self.slot.get(), job.terms.restart_grace_secs.get())
    }

    /// The node that it asks for. `None` for a tree that this version does not know.
    pub fn node_id(&self) -> Option<NodeId> {
        Some(NodeId {
            tree: Tree::from_code(self.tree.get())?,
            level: self.level,
            index: self.index.get(),
        })
    }
}

/// The answer that a loaded demand holds.
pub fn demand_answer(demand: &Account<Demand>) -> Result<&[u8]> {
    tail(demand)?
        .get(..demand.answer_bytes.get() as usize)
        .ok_or(ProgramError::AccountDataTooSmall)
}

/// Writes the answer behind the fixed part; it must have the length that was asked for.
pub fn write_demand_answer(demand: &mut Account<Demand>, answer: &[u8]) -> Result<()> {
    let room = tail_mut(demand)?;
    require!(
        room.len() == answer.len(),
        ProgramError::AccountDataTooSmall
    );
    room.copy_from_slice(answer);
    Ok(())
}

impl Entity for Demand {
    const KIND: EntityKind = EntityKind::Demand;
    fn seq_mut(&mut self) -> &mut PodU64 {
        &mut self.seq
    }
    fn invariant(&self) -> bool {
        self.answer_bytes.get() as usize <= MAX_ANSWER_BYTES
            && self.answered.get() != self.answered_at.is_zero()
    }
    fn has_known_codes(&self) -> bool {
        self.node_id().is_some()
    }
}
