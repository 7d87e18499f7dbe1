//! A difference, and what it says.

use {
    crate::project::{Event, EventId, key, program::QuernEvent},
    quern_api::{Key, Signature},
    serde::Serialize,
    std::fmt,
};

/// Where on the chain something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The slot.
    pub slot: u64,
    /// The transaction.
    pub signature: Signature,
}

/// The first figure that is not what it must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which figure.
    pub figure: String,
    /// The job of the milestone behind it, if it is one milestone's.
    pub job: Option<Key>,
    /// Which of the job's milestones, from 0.
    pub milestone: Option<u8>,
    /// The provider's owner.
    pub provider: Option<Key>,
    /// Where it stands.
    pub place: Option<Place>,
    /// What it must be.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// The changes of the campaign between which something is missing.
    #[serde(skip)]
    pub(super) hole: Option<Hole>,
}

/// A change of the campaign of which no event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hole {
    /// The slot of the change before.
    pub(super) first_slot: u64,
    /// The slot of the change behind.
    pub(super) last_slot: u64,
}

impl Difference {
    /// About a figure of the whole campaign.
    pub(super) fn of_campaign(
        figure: impl Into<String>,
        expected: impl ToString,
        found: impl ToString,
    ) -> Self {
        Self {
            figure: figure.into(),
            expected: expected.to_string(),
            found: found.to_string(),
            ..Self::default()
        }
    }

    /// About a figure that an event says.
    pub(super) fn of_event(
        event: &Event,
        figure: impl Into<String>,
        expected: impl ToString,
        found: impl ToString,
    ) -> Self {
        Self {
            place: Some(place(&event.id, event.slot)),
            ..Self::of_campaign(figure, expected, found)
        }
        .about(event)
    }

    /// Names the milestone or provider of an event, and where it stands.
    pub(super) fn about(self, event: &Event) -> Self {
        let (job, milestone, provider) = match &event.body {
            QuernEvent::MilestoneSettled(settled) => (
                Some(key(&settled.job)),
                Some(settled.milestone),
                Some(key(&settled.provider)),
            ),
            QuernEvent::CampaignClaimed(claimed) => (None, None, Some(key(&claimed.provider))),
            _ => (None, None, None),
        };
        Self {
            job,
            milestone,
            provider,
            place: Some(place(&event.id, event.slot)),
            ..self
        }
    }
}

pub(super) fn place(id: &EventId, slot: u64) -> Place {
    Place {
        slot,
        signature: id.signature,
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.figure)?;
        if let (Some(job), Some(milestone)) = (self.job, self.milestone) {
            write!(out, " of milestone {milestone} of job {job}")?;
        }
        if let Some(provider) = self.provider {
            write!(out, " of provider {provider}")?;
        }
        if let Some(place) = self.place {
            write!(
                out,
                " in slot {}, transaction {}",
                place.slot, place.signature
            )?;
        }
        write!(out, ": expected {}, found {}", self.expected, self.found)
    }
}

/// What the passes found so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The sum of all scores, as the rules say.
    pub(super) total: u64,
    /// The first difference.
    pub(super) difference: Option<Difference>,
}

impl Found {
    /// Keeps a difference if it is the first one.
    pub(super) fn differs(&mut self, difference: impl FnOnce() -> Difference) {
        if self.difference.is_none() {
            self.difference = Some(difference());
        }
    }
}
