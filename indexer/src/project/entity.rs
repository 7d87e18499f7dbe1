//! The latest values of every account of the program, as events told them.

use {
    crate::project::{
        EventId, key,
        program::{
            Campaign, Change, Demand, Emission, Entity, EntityKind, Entry, Job, LAYOUT_VERSION,
            MintConfig, Model, Protocol, Provider, Purse, QuernEvent, read,
        },
    },
    quern_api::Key,
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
    /// Owner of a purse, provider or model, mint of a mint's settings, job of a demand, sponsor of a campaign, campaign of an
    /// entry. Jobs have none: they are listed by the events that concern their parties.
    pub owner: Option<Key>,
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
        let owner = match EntityKind::from_code(kind) {
            Some(EntityKind::Purse) => self.read::<Purse>().map(|purse| purse.owner),
            Some(EntityKind::Provider) => self.read::<Provider>().map(|provider| provider.owner),
            Some(EntityKind::Model) => self.read::<Model>().map(|model| model.owner),
            Some(EntityKind::MintConfig) => self.read::<MintConfig>().map(|config| config.mint),
            Some(EntityKind::Demand) => self.read::<Demand>().map(|demand| demand.job),
            Some(EntityKind::Campaign) => self.read::<Campaign>().map(|campaign| campaign.sponsor),
            Some(EntityKind::Entry) => self.read::<Entry>().map(|entry| entry.campaign),
            _ => None,
        };
        let state = match self.read::<Job>() {
            Some(job) if kind == EntityKind::Job as u8 && !self.closed => job.state,
            _ => 0,
        };
        Indexed {
            owner: owner.map(|owner| key(&owner)),
            state,
        }
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

/// The campaign that an event changed, with its values afterwards; none where they are not told.
pub fn changed_campaign(event: &QuernEvent) -> Option<(Key, Campaign)> {
    let mut changes = event.changes().iter();
    let change = changes.find(|change| change.kind == EntityKind::Campaign as u8)?;
    Some((key(&change.address), read(&change.after)?))
}

/// The mint in which an event accrued rewards: the emission, if it changed, names it.
pub(super) fn reward_mint(event: &QuernEvent) -> Option<Key> {
    let change = event
        .changes()
        .iter()
        .find(|change| change.kind == EntityKind::Emission as u8)?;
    Some(key(&read::<Emission>(&change.after)?.reward_mint))
}

/// Whether this version reads an account of this type: its length, the version of its layout and its codes.
fn check_as<T: Entity>(after: &[u8], version: impl Fn(&T) -> u8) -> Result<(), String> {
    if after.is_empty() {
        return Ok(());
    }
    let Some(account) = read::<T>(after) else {
        let (found, length) = (after.len(), size_of::<T>());
        return Err(format!("it has {found} bytes instead of {length}"));
    };
    let version = version(&account);
    if version > LAYOUT_VERSION {
        return Err(format!(
            "its layout has version {version}, newer than {LAYOUT_VERSION}"
        ));
    }
    match account.has_known_codes() {
        true => Ok(()),
        false => Err("it has an unknown code".to_owned()),
    }
}

/// Whether this version understands a change.
pub(super) fn check(change: &Change) -> Result<(), String> {
    let after = &change.after;
    let checked = match EntityKind::from_code(change.kind) {
        Some(EntityKind::Protocol) => check_as::<Protocol>(after, |account| account.version),
        Some(EntityKind::MintConfig) => check_as::<MintConfig>(after, |account| account.version),
        Some(EntityKind::Emission) => check_as::<Emission>(after, |account| account.version),
        Some(EntityKind::Provider) => check_as::<Provider>(after, |account| account.version),
        Some(EntityKind::Purse) => check_as::<Purse>(after, |account| account.version),
        Some(EntityKind::Model) => check_as::<Model>(after, |account| account.version),
        Some(EntityKind::Job) => check_as::<Job>(after, |account| account.version),
        Some(EntityKind::Demand) => check_as::<Demand>(after, |account| account.version),
        Some(EntityKind::Campaign) => check_as::<Campaign>(after, |account| account.version),
        Some(EntityKind::Entry) => check_as::<Entry>(after, |account| account.version),
        _ => Err("this version does not know the kind".to_owned()),
    };
    checked.map_err(|reason| format!("a change of account kind {}: {reason}", change.kind))
}
