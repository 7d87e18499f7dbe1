//! What a decision is about: the job as its signer saw it.

use anchor_lang::prelude::*;

/// The state of a job that a signed decision is about. Whatever happens to the job makes another one, so a decision takes
/// effect at most once, and never on something that its signer has not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct SeenJob {
    /// The job's change counter.
    pub seq: u64,
    /// The checkpoint of a job that is Open or Taken, the commitment of any other: a counter alone could repeat on a fork.
    pub root: [u8; 32],
}
