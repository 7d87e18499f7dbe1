//! What lists read: pages of accounts, of events, of what concerns a party, and numbers by the hour.

use {
    super::{
        rows::{Entity, JobsQuery, PartyQuery, StepEnd, Steps, TimelineStep},
        score::Score,
        snapshot::{Snapshot, scores_of},
    },
    crate::{
        error::Result,
        project::{
            Concern, Event, EventId, Subject, claimed_atoms, key,
            program::{EntityKind, Protocol},
        },
    },
    quern_api::Key,
    std::collections::HashMap,
};

impl Snapshot {
    /// Whether an event is in the record.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn is_recorded(&mut self, id: &EventId) -> Result<bool> {
        Ok(!self.rows.recorded(&[*id]).await?.is_empty())
    }

    /// The next events in the order in which they were stored. What they follow must be in the record.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn events(&mut self, after: Option<&EventId>, limit: u32) -> Result<Vec<Event>> {
        self.rows.events(after, limit).await
    }

    /// The event that was stored last.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn last_event(&mut self) -> Result<Option<EventId>> {
        self.rows.last_event().await
    }

    /// A page of the steps of a job, campaign or entry, in order.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn steps(
        &mut self,
        job: &Key,
        after: Option<&StepEnd>,
        limit: u32,
    ) -> Result<Vec<TimelineStep>> {
        self.rows.steps_of(job, Steps::All, after, limit).await
    }

    /// A page of the steps of a job in which a milestone was paid in full, in order.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn payments(
        &mut self,
        job: &Key,
        after: Option<&StepEnd>,
        limit: u32,
    ) -> Result<Vec<TimelineStep>> {
        self.rows.steps_of(job, Steps::Payments, after, limit).await
    }

    /// The latest step of a job, campaign or entry.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn last_step(&mut self, account: &Key) -> Result<Option<TimelineStep>> {
        self.rows.last_step_of(account).await
    }

    /// A page of the events that concern a party. What they follow must be in the record.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn party_events(&mut self, query: &PartyQuery) -> Result<Vec<Event>> {
        self.rows.party_events(query).await
    }

    /// The latest events that concern a party.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn latest_of(
        &mut self,
        party: Key,
        concern: Concern,
        limit: u32,
    ) -> Result<Vec<Event>> {
        let query = PartyQuery {
            party,
            concern,
            from: i64::MIN,
            to: i64::MAX,
            after: None,
            newest_first: true,
            limit,
        };
        self.rows.party_events(&query).await
    }

    /// A page of the accounts of a kind, in the order of their addresses.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn accounts(
        &mut self,
        kind: EntityKind,
        after: Option<&Key>,
        limit: u32,
    ) -> Result<Vec<Entity>> {
        self.rows.accounts(kind as u8, after, limit).await
    }

    /// The accounts of a kind that belong to an owner, in the order of their addresses.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn owned(
        &mut self,
        kind: EntityKind,
        owner: &Key,
        after: Option<&Key>,
        limit: u32,
    ) -> Result<Vec<Entity>> {
        self.rows.owned(kind as u8, owner, after, limit).await
    }

    /// An account.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn account(&mut self, kind: EntityKind, address: &Key) -> Result<Option<Entity>> {
        self.at(kind, address).await
    }

    /// Who gets the fees; none before the protocol is known.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn treasury(&mut self) -> Result<Key> {
        let found = self.accounts(EntityKind::Protocol, None, 1).await?;
        let protocol = found
            .first()
            .and_then(|entity| entity.row.read::<Protocol>());
        Ok(protocol.map_or(Key::NONE, |protocol| key(&protocol.treasury_owner)))
    }

    /// What was claimed for an entry of a campaign; none if its account is there still, or was closed when the campaign was gone.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn claim_of(&mut self, entry: &Entity) -> Result<Option<u64>> {
        let last = match entry.row.closed {
            true => self.last_step(&entry.address).await?,
            false => None,
        };
        Ok(last.and_then(|step| claimed_atoms(&step.event.body)))
    }

    /// Accounts by their addresses, in the order of these.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn accounts_at(
        &mut self,
        kind: EntityKind,
        addresses: &[Key],
    ) -> Result<Vec<Entity>> {
        let keys: Vec<_> = addresses
            .iter()
            .map(|address| (kind as u8, *address))
            .collect();
        let found = self.rows.entities(&keys).await?.into_iter();
        let mut found: HashMap<Key, _> = found.map(|((_, address), row)| (address, row)).collect();
        let known = addresses.iter().filter_map(|address| {
            let row = found.remove(address)?;
            Some(Entity {
                address: *address,
                row,
            })
        });
        Ok(known.collect())
    }

    /// All numbers of a subject by the hour, from the first hour to the last; hours without any are left out.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn hours(
        &mut self,
        (subject, address): (Subject, Key),
        (first, last): (i64, i64),
    ) -> Result<impl Iterator<Item = Result<(i64, Vec<Score>)>>> {
        let rows = self.rows.hours_of(&address, first, last).await?;
        // One by one: unpacked, they take much more room.
        Ok(rows.into_iter().map(move |row| {
            let hour = row.0.bucket;
            Ok((hour, scores_of(&row, subject, hour)?))
        }))
    }

    /// The jobs that changed last.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn latest_jobs(&mut self, limit: u32) -> Result<Vec<Entity>> {
        let query = JobsQuery {
            state: None,
            after: None,
            limit,
        };
        self.rows.jobs(&query).await
    }
}
