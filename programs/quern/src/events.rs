//! Events: one for every state change, by self-CPI, so that a follower misses nothing and needs no account read.
//!
//! Wire format: Anchor's event tag, the event's discriminator, then Borsh: first `at`, then the event's own fields, last
//! `changes`, with the values of every account after the change (formats.md).

use anchor_lang::{
    BORSH_CONFIG, BorshConfig, Event,
    event::EVENT_IX_TAG_LE,
    pinocchio::{
        cpi::{Seed, Signer as CpiSigner, invoke_signed},
        instruction::{InstructionAccount, InstructionView},
    },
    prelude::*,
    wincode::SchemaWrite,
};

/// Seed of the authority that signs events.
pub const EVENT_AUTHORITY_SEED: &[u8] = b"__event_authority";

/// Emits an event by self-CPI. The bytes are those of Anchor's `emit_cpi!`, which would repeat the call in every handler:
/// one function instead of 31 copies is a third of the program's size.
macro_rules! emit_event {
    ($ctx:ident, $event:expr $(,)?) => {{
        let mut event = $event;
        let changes = core::mem::take(&mut event.changes);
        $crate::events::emit(
            $ctx.accounts.event_authority.account(),
            $ctx.bumps.event_authority,
            $crate::events::start(&event),
            &changes,
        )?
    }};
}
pub(crate) use emit_event;

/// More than the longest event with its tag takes, so that encoding never moves what it has written. The program's
/// allocator only counts up: room that stays unused costs nothing.
const EVENT_CAPACITY: usize = 4096;

/// The tag and what an event says before its changes; the event comes without changes.
pub(crate) fn start<E>(event: &E) -> Vec<u8>
where
    E: Event + SchemaWrite<BorshConfig, Src = E>,
{
    let mut data = Vec::with_capacity(EVENT_CAPACITY);
    data.extend_from_slice(EVENT_IX_TAG_LE);
    data.extend_from_slice(E::DISCRIMINATOR);
    anchor_lang::wincode::config::serialize_into(&mut data, event, BORSH_CONFIG)
        .expect("writing into a vector cannot fail");
    data
}

/// Adds the changes to an event, in which they stand last, and calls this program's event entry with it, signed by the
/// event authority. One copy for all events: in each handler it would take a tenth of the program.
#[inline(never)]
pub(crate) fn emit(
    authority: &AccountView,
    bump: u8,
    mut data: Vec<u8>,
    changes: &[Change],
) -> Result<()> {
    data.truncate(data.len().saturating_sub(size_of::<u32>()));
    data.extend_from_slice(&(changes.len() as u32).to_le_bytes());
    for change in changes {
        data.push(change.kind);
        data.extend_from_slice(change.address.as_ref());
        data.extend_from_slice(&change.seq.to_le_bytes());
        data.extend_from_slice(&(change.after.len() as u32).to_le_bytes());
        data.extend_from_slice(&change.after);
    }
    let bump = [bump];
    let seeds = [Seed::from(EVENT_AUTHORITY_SEED), Seed::from(&bump)];
    invoke_signed(
        &InstructionView {
            program_id: &crate::ID,
            accounts: &[InstructionAccount::readonly_signer(authority.address())],
            data: &data,
        },
        &[authority],
        &[CpiSigner::from(&seeds)],
    )
}

/// One changed account.
#[derive(Clone, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct Change {
    /// Code of [`crate::state::EntityKind`].
    pub kind: u8,
    /// The account's address.
    pub address: Address,
    /// Its change counter after this change; 1 at creation, contiguous.
    pub seq: u64,
    /// Its fixed part behind the discriminator, empty when it closed.
    pub after: Vec<u8>,
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident : $ty:ty),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[event]
            #[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
            pub struct $name {
                /// Clock of the cluster, in seconds.
                pub at: i64,
                $($(#[$field_doc])* pub $field: $ty,)*
                /// Every account that changed.
                pub changes: Vec<Change>,
            }
        )*

        /// Any event of the program.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum QuernEvent {
            $(#[doc = concat!("[`", stringify!($name), "`]")] $name($name),)*
        }

        impl QuernEvent {
            /// Names of all events, in order.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// Decodes an event: 8 bytes of discriminator, then its body, every byte used. `None` if it is not one of ours
            /// or malformed.
            pub fn decode(data: &[u8]) -> Option<Self> {
                let (discriminator, body) = data.split_at_checked(8)?;
                $(
                    if discriminator == <$name as Discriminator>::DISCRIMINATOR {
                        let event: $name =
                            anchor_lang::wincode::config::deserialize(body, anchor_lang::BORSH_CONFIG).ok()?;
                        // Re-encoding proves that nothing trails and that the encoding is the canonical one.
                        return (Event::data(&event) == data).then_some(Self::$name(event));
                    }
                )*
                None
            }

            /// Its name.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)* }
            }

            /// When it happened, in seconds.
            pub fn at(&self) -> i64 {
                match self { $(Self::$name(event) => event.at,)* }
            }

            /// What it changed.
            pub fn changes(&self) -> &[Change] {
                match self { $(Self::$name(event) => &event.changes,)* }
            }

            /// Its bytes as the program emits them, without the event tag.
            pub fn encode(&self) -> Vec<u8> {
                match self { $(Self::$name(event) => Event::data(event),)* }
            }
        }
    };
}

events! {
    /// The protocol and the emission exist now.
    ProtocolInitialized {}
    /// Settings, guardian or treasury changed.
    ProtocolUpdated {}
    /// A new authority is proposed.
    AuthorityProposed { /// Who may accept.
        proposed: Address }
    /// The proposed authority took over.
    AuthorityAccepted { /// The new authority.
        authority: Address }
    /// New models, jobs and takes were stopped or allowed again.
    PauseSet { /// Whether they are stopped.
        paused: bool }
    /// A mint was registered and its vault created.
    MintRegistered { /// The mint.
        mint: Address }
    /// A mint's rates changed.
    MintUpdated { /// The mint.
        mint: Address }
    /// Rewards were configured.
    EmissionConfigured {}
    /// A purse was opened.
    PurseOpened { /// Whose it is.
        owner: Address, /// In which mint.
        mint: Address }
    /// Tokens came in.
    Deposited { /// Whose purse was credited.
        owner: Address, /// In which mint.
        mint: Address, /// Who paid.
        depositor: Address, /// What the vault received.
        amount_atoms: u64 }
    /// Tokens went out.
    Withdrawn { /// Whose purse was debited.
        owner: Address, /// In which mint.
        mint: Address, /// The token account that received them.
        destination: Address, /// How much.
        amount_atoms: u64 }
    /// The most that an operator's takes may reserve was set.
    OperatorLimitSet { /// Whose purse.
        owner: Address, /// The limit.
        limit_atoms: u64 }
    /// A provider registered.
    ProviderRegistered { /// Its owner.
        owner: Address, /// How to reach it.
        endpoint: String }
    /// A provider changed its entry.
    ProviderUpdated { /// Its owner.
        owner: Address, /// How to reach it.
        endpoint: String }
    /// Accrued rewards were claimed.
    RewardsClaimed { /// The provider's owner.
        owner: Address, /// The reward mint.
        mint: Address, /// How much.
        amount_atoms: u64 }
    /// A model was registered.
    ModelRegistered { /// Its creator and first owner.
        creator: Address, /// The creator's number for it.
        id: u64, /// Where weights and description are.
        uri: String }
    /// A piece of a graph was written.
    ModelWritten { /// The model.
        model: Address, /// Where the piece begins.
        offset: u32, /// Its length.
        length: u32 }
    /// A graph was checked and fixed.
    ModelSealed { /// The model.
        model: Address, /// SHA-256 of the program.
        graph_hash: [u8; 32] }
    /// A model's royalty, state or URI changed.
    ModelUpdated { /// The model.
        model: Address, /// Where weights and description are.
        uri: String }
    /// A new owner is proposed.
    ModelOwnerProposed { /// The model.
        model: Address, /// Who may accept.
        proposed: Address }
    /// The proposed owner took over.
    ModelOwnerAccepted { /// The model.
        model: Address, /// The new owner.
        owner: Address }
    /// A job was created and its escrow reserved.
    JobCreated { /// The job.
        job: Address, /// Who pays.
        client: Address, /// The model, or zeroes.
        model: Address, /// In which mint.
        mint: Address, /// Price of all milestones.
        escrow_atoms: u64, /// Where the inputs are.
        input_uri: String }
    /// An open job was cancelled by its client.
    JobCancelled { /// The job.
        job: Address, /// Who gets the escrow back.
        client: Address, /// In which mint.
        mint: Address, /// What was left of the escrow.
        released_atoms: u64 }
    /// A provider took a job and its bond was reserved.
    JobTaken { /// The job.
        job: Address, /// The provider's owner.
        provider: Address, /// The bond.
        bond_atoms: u64 }
    /// A provider committed to a result.
    ResultSubmitted { /// The job.
        job: Address, /// The provider's owner.
        provider: Address, /// Which milestone, from 0.
        milestone: u8, /// Which submission of the job, from 1.
        submission: u32, /// The commitment.
        trace_root: [u8; 32], /// Where result and trace are.
        output_uri: String }
    /// A milestone was paid in full.
    MilestoneSettled { /// The job.
        job: Address, /// Who paid.
        client: Address, /// The provider's owner.
        provider: Address, /// The model, or zeroes.
        model: Address, /// Who earned the royalty, or zeroes.
        royalty_owner: Address, /// In which mint.
        mint: Address, /// The campaign, or zeroes.
        campaign: Address, /// Assurance level.
        assurance: u8, /// Job kind.
        kind: u8, /// Which milestone, from 0.
        milestone: u8, /// Whether the client accepted; otherwise the window passed.
        accepted: bool, /// Multiply-accumulates.
        macs: u64, /// Price.
        price_atoms: u64, /// Protocol fee.
        fee_atoms: u64, /// Royalty.
        royalty_atoms: u64, /// What the provider earned.
        provider_atoms: u64, /// Reward accrued, in atoms of the reward mint.
        reward_atoms: u64, /// Bond released because the job ended.
        bond_released_atoms: u64, /// Whether it was the last one.
        closed: bool }
    /// A client rejected a result.
    JobRejected { /// The job.
        job: Address, /// Who rejected.
        client: Address, /// The provider's owner.
        provider: Address, /// Which milestone, from 0.
        milestone: u8, /// What the client reserved.
        deposit_atoms: u64, /// Why.
        reason: String }
    /// An arbiter decided, or stayed silent until its deadline.
    JobResolved { /// The job.
        job: Address, /// Who paid.
        client: Address, /// The provider's owner.
        provider: Address, /// The arbiter.
        arbiter: Address, /// In which mint.
        mint: Address, /// Assurance level.
        assurance: u8, /// Which milestone, from 0.
        milestone: u8, /// Whether the arbiter stayed silent.
        silent: bool, /// Whether the provider prevailed.
        provider_prevails: bool, /// Price of the milestone.
        price_atoms: u64, /// What the arbiter earned.
        arbiter_atoms: u64, /// Protocol fee.
        fee_atoms: u64, /// Royalty.
        royalty_atoms: u64, /// What the provider earned of the price.
        provider_atoms: u64, /// What the client got back of the price.
        client_atoms: u64, /// What was burnt.
        burn_atoms: u64, /// What the client got of the bond.
        penalty_atoms: u64, /// The client's deposit.
        deposit_atoms: u64, /// Whether the provider got the deposit.
        deposit_to_provider: bool, /// Bond released.
        bond_released_atoms: u64, /// Escrow of later milestones released because the job ended.
        released_atoms: u64, /// Whether the job closed.
        closed: bool }
    /// A deadline passed: nobody took the job, or its provider was late.
    JobExpired { /// The job.
        job: Address, /// Who paid.
        client: Address, /// The late provider's owner, or zeroes.
        provider: Address, /// In which mint.
        mint: Address, /// Code of the state that expired.
        from_state: u8, /// What the client got of the bond.
        penalty_atoms: u64, /// Bond released.
        bond_released_atoms: u64, /// Escrow released, 0 if the job reopened.
        released_atoms: u64, /// Whether the job closed; otherwise it is open again.
        closed: bool }
    /// A conviction was settled.
    ConvictionSettled { /// The job.
        job: Address, /// Who got the escrow back.
        client: Address, /// The convicted provider's owner.
        provider: Address, /// Who convicted.
        prover: Address, /// In which mint.
        mint: Address, /// Why.
        reason: u8, /// Escrow released to the client.
        released_atoms: u64, /// The prover's part of the bond.
        prover_atoms: u64, /// The client's part.
        client_atoms: u64, /// The treasury's part.
        treasury_atoms: u64 }
    /// A result was refuted, or a demand left without an answer; the bond waits to be split.
    JobConvicted { /// The job.
        job: Address, /// Who paid.
        client: Address, /// The convicted provider's owner.
        provider: Address, /// Who convicted.
        prover: Address, /// In which mint.
        mint: Address, /// Which submission of the job, from 1.
        submission: u32, /// Code of [`crate::state::ConvictionReason`].
        reason: u8, /// Code of the tree; of a wrong cell, its op.
        tree: u8, /// Level of the node; of a wrong cell, 0.
        level: u8, /// Index of the node; of a wrong cell, its row in the upper 32 bits and its column in the lower.
        index: u64 }
    /// Somebody asked for what a node was hashed from.
    DemandOpened { /// The demand.
        demand: Address, /// The job.
        job: Address, /// The provider's owner, who answers for it.
        provider: Address, /// Who asked.
        opener: Address, /// Which submission of the job, from 1.
        submission: u32, /// Code of the tree.
        tree: u8, /// Level of the node.
        level: u8, /// Index of the node.
        index: u64, /// The node.
        node: [u8; 32], /// Until when it may be answered.
        due: i64, /// What the answer earns.
        fee_lamports: u64 }
    /// A demand was answered.
    DemandAnswered { /// The demand.
        demand: Address, /// The job.
        job: Address, /// Who answered and got the fee.
        revealer: Address, /// Code of the tree.
        tree: u8, /// Level of the node.
        level: u8, /// Index of the node.
        index: u64, /// What the answer earned.
        fee_lamports: u64, /// The nodes below, left to right, or the leaf's bytes.
        answer: Vec<u8> }
    /// A demand was closed; rent and unspent fee went back.
    DemandClosed { /// The demand.
        demand: Address, /// The job.
        job: Address, /// Who got them.
        opener: Address }
}
