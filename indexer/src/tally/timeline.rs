//! The campaign's own time line: creation, scores, claims and the end, each change once and in the order of its counter, and its sums
//! after each change.

use {
    super::{
        counted::{Counted, PAGE},
        difference::{Difference, Found, Hole},
    },
    crate::{
        error::{IndexerError, Result},
        project::{
            self, Event, key,
            program::{
                Campaign, CampaignClaimed, EntityKind, Entry, MilestoneSettled, QuernEvent, read,
            },
        },
        store::{Snapshot, StepEnd, TimelineStep},
    },
    quern_api::{Key, Signature},
    quern_rules::campaign,
};

/// How far the time line was followed.
struct Timeline<'a> {
    counted: &'a Counted,
    found: Found,
    claimed: u64,
    seq: u64,
    slot: u64,
    signature: Option<Signature>,
}

pub(super) async fn follow(snapshot: &mut Snapshot, counted: &Counted) -> Result<Found> {
    let mut timeline = Timeline {
        counted,
        found: Found::default(),
        claimed: 0,
        seq: 0,
        slot: 0,
        signature: None,
    };
    let mut after: Option<StepEnd> = None;
    loop {
        let steps = match snapshot.steps(&counted.address, after.as_ref(), PAGE).await {
            // An event's bytes are broken: the milestones say which.
            Err(IndexerError::Damaged(what)) => {
                let expected = "events that can be read";
                timeline
                    .found
                    .differs(|| Difference::of_campaign("its time line", expected, what));
                break;
            }
            steps => steps?,
        };
        let Some(last) = steps.last() else { break };
        after = Some(StepEnd {
            seq: last.seq,
            event: last.event.id,
        });
        for step in &steps {
            timeline.step(step);
            if let QuernEvent::CampaignClaimed(claimed) = &step.event.body {
                timeline.claim(snapshot, &step.event, claimed).await?;
            }
        }
    }
    timeline.end();
    Ok(timeline.found)
}

/// What is missing behind the last change that the store knows.
pub(super) async fn tail(snapshot: &mut Snapshot, counted: &Counted) -> Result<Option<Hole>> {
    let last = snapshot.last_step(&counted.address).await?;
    Ok(Some(Hole {
        first_slot: last.map_or(0, |step| step.event.slot),
        last_slot: u64::MAX,
    }))
}

impl Timeline<'_> {
    fn step(&mut self, step: &TimelineStep) {
        let event = &step.event;
        if step.seq == self.seq {
            let first = self
                .signature
                .map_or_else(String::new, |one| one.to_string());
            let twice = format!("two, the other one in transaction {first}");
            let figure = format!("change {} of the campaign", step.seq);
            self.found
                .differs(|| Difference::of_event(event, figure, "one event", twice));
            return;
        }
        if step.seq != self.seq.saturating_add(1) {
            self.hole(Some(event));
        }
        self.seq = step.seq;
        self.signature = Some(event.id.signature);
        self.slot = event.slot;
        match &event.body {
            QuernEvent::CampaignCreated(created) => {
                let pot = self.counted.campaign.pot_atoms.get();
                self.equal(event, "the pot", pot, created.pot_atoms);
            }
            QuernEvent::MilestoneSettled(settled) => self.settled(event, settled),
            QuernEvent::CampaignSwept(swept) => {
                let left = self.counted.campaign.pot_atoms.get() - self.claimed_within_pot();
                self.equal(event, "what went back", left, swept.released_atoms);
            }
            // Compared with its entry, too.
            QuernEvent::CampaignClaimed(_) => {}
            other => {
                let name = other.name();
                self.found
                    .differs(|| Difference::of_event(event, "the event", "one of campaigns", name));
            }
        }
        self.sums(event);
    }

    fn claimed_within_pot(&self) -> u64 {
        self.claimed.min(self.counted.campaign.pot_atoms.get())
    }

    fn equal(&mut self, event: &Event, figure: &str, expected: u64, found: u64) {
        if expected != found {
            self.found
                .differs(|| Difference::of_event(event, figure, expected, found));
        }
    }

    /// Changes that no event tells of, before this one or at the end.
    fn hole(&mut self, next: Option<&Event>) {
        let missing = self.seq.saturating_add(1);
        let before = match self.signature {
            Some(signature) => format!("behind slot {}, transaction {signature}", self.slot),
            None => "the first one".to_owned(),
        };
        let behind = next.map_or_else(
            || "the last one".to_owned(),
            |event| {
                format!(
                    "before slot {}, transaction {}",
                    event.slot, event.id.signature
                )
            },
        );
        let hole = Hole {
            first_slot: self.slot,
            last_slot: next.map_or(u64::MAX, |event| event.slot),
        };
        let figure = format!("change {missing} of the campaign ({before}; {behind})");
        self.found.differs(|| Difference {
            hole: Some(hole),
            ..Difference::of_campaign(figure, "an event", "none")
        });
    }

    fn settled(&mut self, event: &Event, settled: &MilestoneSettled) {
        let (counted, found) = (self.counted, &mut self.found);
        if key(&settled.campaign) != counted.address {
            let other = key(&settled.campaign);
            found.differs(|| {
                Difference::of_event(event, "the campaign that it names", counted.address, other)
            });
        }
        let judged = project::judge(&counted.campaign, settled, found.total);
        if judged.score != settled.score {
            found.differs(|| Difference::of_event(event, "the score", judged.score, settled.score));
        }
        found.total = found.total.saturating_add(judged.score);
    }

    /// A claim: the score of its entry, and what that is worth.
    async fn claim(
        &mut self,
        snapshot: &mut Snapshot,
        event: &Event,
        claimed: &CampaignClaimed,
    ) -> Result<()> {
        let mut changes = claimed.changes.iter();
        let change = changes.find(|change| change.kind == EntityKind::Entry as u8);
        let entry = match change {
            Some(change) => {
                let address = key(&change.address);
                let entity = snapshot.account(EntityKind::Entry, &address).await?;
                entity.and_then(|entity| entity.row.read::<Entry>())
            }
            None => None,
        };
        let score = entry.map_or(0, |entry| entry.score.get());
        self.equal(event, "the score of the claim", score, claimed.score);
        let pot = self.counted.campaign.pot_atoms.get();
        let amount = campaign::amount(pot, claimed.score.min(self.found.total), self.found.total);
        self.equal(
            event,
            "the amount of the claim",
            amount,
            claimed.amount_atoms,
        );
        Ok(())
    }

    /// The campaign's values after an event, as the event tells them.
    fn sums(&mut self, event: &Event) {
        if let QuernEvent::CampaignClaimed(claimed) = &event.body {
            self.claimed = self.claimed.saturating_add(claimed.amount_atoms);
        }
        let Some(after) = after(event, &self.counted.address) else {
            return;
        };
        let (total, claimed) = (self.found.total, self.claimed);
        self.equal(event, "total_score behind", total, after.total_score.get());
        self.equal(
            event,
            "claimed_atoms behind",
            claimed,
            after.claimed_atoms.get(),
        );
        let is_same = bytemuck::bytes_of(&terms(&after))
            == bytemuck::bytes_of(&terms(&self.counted.campaign));
        if !is_same {
            self.found.differs(|| {
                Difference::of_event(
                    event,
                    "the terms of the campaign",
                    "those it began with",
                    "others",
                )
            });
        }
    }

    /// The sums, and the last change, as the store holds them.
    fn end(&mut self) {
        let campaign = &self.counted.campaign;
        if self.seq < self.counted.seq {
            self.hole(None);
        }
        for (figure, expected, found) in [
            ("total_score", self.found.total, campaign.total_score.get()),
            ("claimed_atoms", self.claimed, campaign.claimed_atoms.get()),
        ] {
            if expected != found {
                self.found
                    .differs(|| Difference::of_campaign(figure, expected, found));
            }
        }
    }
}

/// The campaign's values after an event; none if it closed it.
fn after(event: &Event, campaign: &Key) -> Option<Campaign> {
    let mut changes = event.body.changes().iter();
    let change = changes.find(|change| {
        change.kind == EntityKind::Campaign as u8 && key(&change.address) == *campaign
    })?;
    read(&change.after)
}

/// What never changes.
fn terms(campaign: &Campaign) -> Campaign {
    let mut terms = *campaign;
    terms.seq = 0u64.into();
    terms.total_score = 0u64.into();
    terms.claimed_atoms = 0u64.into();
    terms
}
