//! The latest values of every account of the program, as events told them.

use {
    crate::project::{
        EventId, key,
        program::{
            Assurance, Change, ConvictionReason, Demand, Emission, Entity, EntityKind, Job,
            JobKind, JobState, MintConfig, Model, Protocol, Provider, Purse, QuernEvent, read,
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
    /// Owner of a purse, provider or model, client of a job, mint of a mint's settings, job of a demand.
    pub owner: Key,
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
            Some(EntityKind::Job) => self.read::<Job>().map(|job| job.client),
            Some(EntityKind::Demand) => self.read::<Demand>().map(|demand| demand.job),
            _ => None,
        };
        let state = match self.read::<Job>() {
            Some(job) if kind == EntityKind::Job as u8 && !self.closed => job.state,
            _ => 0,
        };
        Indexed {
            owner: owner.map_or(Key::NONE, |owner| key(&owner)),
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

/// The mint in which an event accrued rewards: the emission, if it changed, names it.
pub(super) fn reward_mint(event: &QuernEvent) -> Option<Key> {
    let change = event
        .changes()
        .iter()
        .find(|change| change.kind == EntityKind::Emission as u8)?;
    Some(key(&read::<Emission>(&change.after)?.reward_mint))
}

fn has_known_codes<T: Entity>(after: &[u8]) -> bool {
    read::<T>(after).is_none_or(|account| account.has_known_codes())
}

/// Whether a change has a known kind, the length of that kind, and no code that this version does not know.
pub(super) fn check(change: &Change) -> Result<(), String> {
    let kind = EntityKind::from_code(change.kind);
    let length = match kind {
        Some(EntityKind::Protocol) => size_of::<Protocol>(),
        Some(EntityKind::MintConfig) => size_of::<MintConfig>(),
        Some(EntityKind::Emission) => size_of::<Emission>(),
        Some(EntityKind::Provider) => size_of::<Provider>(),
        Some(EntityKind::Purse) => size_of::<Purse>(),
        Some(EntityKind::Model) => size_of::<Model>(),
        Some(EntityKind::Job) => size_of::<Job>(),
        Some(EntityKind::Demand) => size_of::<Demand>(),
        _ => {
            return Err(format!(
                "a change names the unknown account kind {}",
                change.kind
            ));
        }
    };
    let found = change.after.len();
    if found != 0 && found != length {
        return Err(format!(
            "a change of kind {} has {found} bytes instead of {length}",
            change.kind
        ));
    }
    let is_known = match kind {
        Some(EntityKind::Job) => {
            return read::<Job>(&change.after).map_or(Ok(()), |job| check_job(&job));
        }
        Some(EntityKind::Model) => has_known_codes::<Model>(&change.after),
        Some(EntityKind::Demand) => has_known_codes::<Demand>(&change.after),
        _ => true,
    };
    match is_known {
        true => Ok(()),
        false => Err(format!(
            "a change of kind {} has an unknown code",
            change.kind
        )),
    }
}

/// Whether every code in a job is known.
fn check_job(job: &Job) -> Result<(), String> {
    let is_free = job.conviction_reason == 0;
    let codes = [
        ("state", job.state, JobState::from_code(job.state).is_some()),
        ("kind", job.kind, JobKind::from_code(job.kind).is_some()),
        (
            "assurance level",
            job.assurance,
            Assurance::from_code(job.assurance).is_some(),
        ),
        (
            "conviction reason",
            job.conviction_reason,
            is_free || ConvictionReason::from_code(job.conviction_reason).is_some(),
        ),
    ];
    match codes.into_iter().find(|(_, _, is_known)| !is_known) {
        Some((what, code, _)) => Err(format!("a job has the unknown {what} {code}")),
        None => Ok(()),
    }
}
