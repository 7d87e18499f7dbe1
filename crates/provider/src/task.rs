//! Something to do, most of it about one job.

use quern_client::{claims::CampaignClaim, quern::state::Job};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Task {
    /// An open job that fits.
    Take(Job),
    /// A taken job that waits for this provider.
    Work(Job),
    /// A submitted job with open demands.
    Answer(Job),
    /// A submitted job whose review is over.
    Finalize,
    /// A job of the journal that is no longer this provider's.
    Close,
    /// A campaign that owes what was scored in it. It goes under the address of the entry.
    Claim(CampaignClaim),
    /// What this machine can do is not known yet. This is about no job; it goes under the owner's address.
    Measure,
}

/// What a job rests from after a failure. Demands are answered whatever else went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TaskKind {
    Answer,
    Offer,
    Other,
}

impl Task {
    pub(crate) const fn kind(&self) -> TaskKind {
        match self {
            Self::Answer(_) => TaskKind::Answer,
            Self::Take(_) => TaskKind::Offer,
            Self::Work(_) | Self::Finalize | Self::Close | Self::Claim(_) | Self::Measure => {
                TaskKind::Other
            }
        }
    }

    /// Whether it takes a new job.
    pub(crate) const fn is_new(&self) -> bool {
        matches!(self, Self::Take(_))
    }
}
