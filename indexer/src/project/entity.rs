//! The latest values of every account of the program, as events told them.

use crate::{
    key::{EventId, Key},
    project::{
        key,
        program::{
            Change, Demand, Emission, EntityKind, Job, MintConfig, Model, Provider, Purse,
            QuernEvent, read,
        },
    },
};

/// Which account: its kind's code and its address.
pub type EntityKey = (u8, Key);

/// What is known of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityRow {
    /// The highest change counter seen.
    pub seq: u64,
    /// How many changes were seen; fewer than `seq` means a hole.
    pub seen: u64,
    /// Whether the change with `seq` closed it.
    pub closed: bool,
    /// The slot of that change.
    pub slot: u64,
    /// The event of that change.
    pub cause: EventId,
    /// The last change that left values.
    pub state: Option<Stated>,
    /// The last text (endpoint or URI) that an event gave for it, with its `seq`.
    pub text: Option<(u64, String)>,
}

/// Values after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// The change's counter.
    pub seq: u64,
    /// The event.
    pub cause: EventId,
    /// The account's fixed part.
    pub bytes: Vec<u8>,
}

/// What accounts are searched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indexed {
    /// Owner of a purse, provider or model, client of a job, mint of a mint's settings, job of a demand.
    pub owner: Key,
    /// Mint of a purse or job.
    pub mint: Key,
    /// Code of a job's state, 0 when it is closed or has none.
    pub state: u8,
}

impl EntityRow {
    /// The row that one change alone makes.
    pub fn of(change: &Change, cause: EventId, slot: u64, text: Option<&str>) -> Self {
        let closed = change.after.is_empty();
        Self {
            seq: change.seq,
            seen: 1,
            closed,
            slot,
            cause,
            state: (!closed).then(|| Stated {
                seq: change.seq,
                cause,
                bytes: change.after.clone(),
            }),
            text: text.map(|text| (change.seq, text.to_owned())),
        }
    }

    /// Both rows in one: the higher `seq` wins; at an equal one (which the chain never makes) the event that sorts first.
    pub fn merge(&mut self, other: Self) {
        self.seen = self.seen.saturating_add(other.seen);
        if (other.seq, self.cause) > (self.seq, other.cause) {
            self.seq = other.seq;
            self.closed = other.closed;
            self.slot = other.slot;
            self.cause = other.cause;
        }
        self.state = match (self.state.take(), other.state) {
            (Some(ours), Some(theirs)) if (theirs.seq, ours.cause) > (ours.seq, theirs.cause) => {
                Some(theirs)
            }
            (ours, theirs) => ours.or(theirs),
        };
        self.text = self.text.take().max(other.text);
    }

    /// Whether changes are missing (or, impossibly, one was told twice).
    pub fn has_gap(&self) -> bool {
        self.seen != self.seq
    }

    /// Reads the last values.
    pub fn read<T: bytemuck::Pod>(&self) -> Option<T> {
        self.state.as_ref().and_then(|state| read(&state.bytes))
    }

    /// What it is searched by.
    pub fn indexed(&self, kind: u8) -> Indexed {
        let mut indexed = Indexed {
            owner: Key::NONE,
            mint: Key::NONE,
            state: 0,
        };
        if kind == EntityKind::Purse as u8 {
            if let Some(purse) = self.read::<Purse>() {
                indexed.owner = key(&purse.owner);
                indexed.mint = key(&purse.mint);
            }
        } else if kind == EntityKind::Provider as u8 {
            if let Some(provider) = self.read::<Provider>() {
                indexed.owner = key(&provider.owner);
            }
        } else if kind == EntityKind::Model as u8 {
            if let Some(model) = self.read::<Model>() {
                indexed.owner = key(&model.owner);
            }
        } else if kind == EntityKind::MintConfig as u8 {
            if let Some(config) = self.read::<MintConfig>() {
                indexed.owner = key(&config.mint);
                indexed.mint = key(&config.mint);
            }
        } else if kind == EntityKind::Job as u8
            && let Some(job) = self.read::<Job>()
        {
            indexed.owner = key(&job.client);
            indexed.mint = key(&job.mint);
            indexed.state = if self.closed { 0 } else { job.state };
        } else if kind == EntityKind::Demand as u8
            && let Some(demand) = self.read::<Demand>()
        {
            indexed.owner = key(&demand.job);
        }
        indexed
    }
}

/// The text that an event gives for the account of a change, if it does.
pub(super) fn text_for<'a>(event: &'a QuernEvent, change: &Change) -> Option<&'a str> {
    let (kind, text) = match event {
        QuernEvent::ProviderRegistered(event) => (EntityKind::Provider, &event.endpoint),
        QuernEvent::ProviderUpdated(event) => (EntityKind::Provider, &event.endpoint),
        QuernEvent::ModelRegistered(event) => (EntityKind::Model, &event.uri),
        QuernEvent::ModelUpdated(event) => (EntityKind::Model, event.uri.as_ref()?),
        QuernEvent::JobCreated(event) => (EntityKind::Job, &event.input_uri),
        _ => return None,
    };
    (change.kind == kind as u8).then_some(text)
}

/// The mint in which an event accrued rewards: the emission, if it changed, names it.
pub(super) fn reward_mint(event: &QuernEvent) -> Option<Key> {
    let change = event
        .changes()
        .iter()
        .find(|change| change.kind == EntityKind::Emission as u8)?;
    Some(key(&read::<Emission>(&change.after)?.reward_mint))
}

/// Whether a change has a known kind and the length of that kind.
pub(super) fn check(change: &Change) -> Result<(), String> {
    let length = match change.kind {
        kind if kind == EntityKind::Protocol as u8 => {
            size_of::<quern_client::quern::state::Protocol>()
        }
        kind if kind == EntityKind::MintConfig as u8 => size_of::<MintConfig>(),
        kind if kind == EntityKind::Emission as u8 => size_of::<Emission>(),
        kind if kind == EntityKind::Provider as u8 => size_of::<Provider>(),
        kind if kind == EntityKind::Purse as u8 => size_of::<Purse>(),
        kind if kind == EntityKind::Model as u8 => size_of::<Model>(),
        kind if kind == EntityKind::Job as u8 => size_of::<Job>(),
        kind if kind == EntityKind::Demand as u8 => size_of::<Demand>(),
        kind => return Err(format!("a change names the unknown account kind {kind}")),
    };
    let found = change.after.len();
    if found != 0 && found != length {
        return Err(format!(
            "a change of kind {} has {found} bytes instead of {length}",
            change.kind
        ));
    }
    Ok(())
}
