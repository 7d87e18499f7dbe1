//! Events: one for every state change, by self-CPI, so that a follower misses nothing and needs no account read.
//!
//! Wire format: Anchor's event tag, the event's discriminator, then Borsh: first `at`, then the event's own fields, last
//! `changes`, with the values of every account after the change (docs/CLIENTS.md). `at` is the cluster's clock in seconds.
//!
//! One file a group of instructions; [`QuernEvent`] lists them all.

mod campaign;
mod job;
mod model;
mod protocol;
mod provider;
mod purse;
mod referee;

pub use {campaign::*, job::*, model::*, protocol::*, provider::*, purse::*, referee::*};

pub use crate::state::Change;
use crate::state::{Assurance, ConvictionReason, EntityKind, JobKind, JobState};
use anchor_lang::{
    BORSH_CONFIG, BorshConfig, Event,
    event::EVENT_IX_TAG_LE,
    pinocchio::{
        cpi::{Seed, Signer as CpiSigner, invoke_signed},
        instruction::{InstructionAccount, InstructionView},
    },
    prelude::*,
    wincode::{
        SchemaWrite,
        io::{WriteResult, Writer},
    },
};

/// Seed of the authority that signs events.
pub const EVENT_AUTHORITY_SEED: &[u8] = b"__event_authority";

/// Emits an event by self-CPI. The bytes are those of Anchor's `emit_cpi!`, which would repeat the call in every handler:
/// one function for all of them saves a third of its size.
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
    let mut data = Buffer {
        bytes: vec![0; EVENT_CAPACITY],
        used: 0,
    };
    data.push(EVENT_IX_TAG_LE);
    data.push(E::DISCRIMINATOR);
    anchor_lang::wincode::config::serialize_into(&mut data, event, BORSH_CONFIG)
        .expect("writing into the buffer cannot fail");
    data.bytes.truncate(data.used);
    data.bytes
}

/// Room for an event. Its length never changes, so the compiler need not look after each field whether the next one fits.
struct Buffer {
    bytes: Vec<u8>,
    used: usize,
}

impl Buffer {
    #[inline(always)]
    fn push(&mut self, bytes: &[u8]) {
        let end = self.used + bytes.len();
        self.bytes[self.used..end].copy_from_slice(bytes);
        self.used = end;
    }
}

impl Writer for Buffer {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> WriteResult<()> {
        self.push(bytes);
        Ok(())
    }
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

/// Makes [`QuernEvent`] out of the events' names.
macro_rules! any_event {
    ($($name:ident),* $(,)?) => {
        /// Any event of the program.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum QuernEvent {
            $($name($name),)*
        }

        impl QuernEvent {
            /// Names of all events, in order.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// Decodes an event: 8 bytes of discriminator, then its body, every byte used. `None` if it is not one of ours,
            /// malformed, or holds a code that this version does not know.
            pub fn decode(data: &[u8]) -> Option<Self> {
                let (discriminator, body) = data.split_at_checked(8)?;
                $(
                    if discriminator == <$name as Discriminator>::DISCRIMINATOR {
                        let event: $name =
                            anchor_lang::wincode::config::deserialize(body, anchor_lang::BORSH_CONFIG).ok()?;
                        // Re-encoding proves that nothing trails and that the encoding is the canonical one.
                        let is_canonical = Event::data(&event) == data;
                        let event = Self::$name(event);
                        return (is_canonical && event.has_known_codes()).then_some(event);
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

any_event! {
    ProtocolInitialized,
    ProtocolUpdated,
    AuthorityAccepted,
    PauseSet,
    MintRegistered,
    MintUpdated,
    EmissionConfigured,
    PurseOpened,
    Deposited,
    Withdrawn,
    OperatorLimitSet,
    ProviderRegistered,
    ProviderUpdated,
    RewardsClaimed,
    ModelRegistered,
    ModelWritten,
    ModelSealed,
    ModelUpdated,
    ModelOwnerAccepted,
    JobCreated,
    JobCancelled,
    JobTaken,
    ResultSubmitted,
    MilestoneSettled,
    JobRejected,
    JobResolved,
    JobExpired,
    ConvictionSettled,
    JobConvicted,
    DemandOpened,
    DemandAnswered,
    DemandClosed,
    CampaignCreated,
    CampaignJoined,
    CampaignClaimed,
    CampaignSwept,
}

impl QuernEvent {
    /// Whether this version knows every code in it, so that its accessors find one.
    fn has_known_codes(&self) -> bool {
        let is_known = match self {
            Self::MilestoneSettled(event) => {
                Assurance::from_code(event.assurance).is_some()
                    && JobKind::from_code(event.kind).is_some()
            }
            Self::JobResolved(event) => Assurance::from_code(event.assurance).is_some(),
            Self::JobExpired(event) => JobState::from_code(event.from_state).is_some(),
            Self::ConvictionSettled(event) => ConvictionReason::from_code(event.reason).is_some(),
            Self::JobConvicted(event) => event.conviction.is_known(),
            Self::DemandOpened(event) => event.node_id.is_known(),
            Self::DemandAnswered(event) => event.node_id.is_known(),
            _ => true,
        };
        let is_kind = |change: &Change| EntityKind::from_code(change.kind).is_some();
        is_known && self.changes().iter().all(is_kind)
    }
}
