//! A hash over all projections that is the same for every engine.

use {
    super::{
        rows::{Projected, Projection, Queries, StepRow},
        scores,
    },
    crate::{
        error::Result,
        project::{
            ALL_TIME, EntityKey, EntityRow, EventId, PartyRow, ScoreKey, Settlement, Total,
            TotalKey, is_hour,
        },
    },
    futures::TryStreamExt,
    sha2::{Digest, Sha256},
    std::collections::BTreeMap,
};

/// SHA-256 over every row of every projection, in the order of their keys.
pub(super) async fn digest<Q: Queries + ?Sized>(rows: &mut Q) -> Result<[u8; 32]> {
    let mut hash = Hash(Sha256::new());
    for projection in Projection::ALL {
        // Numbers the tables, so that no row can stand for one of another table.
        hash.number(projection as u64);
        let mut found = rows.scan(projection);
        while let Some(row) = found.try_next().await? {
            hash.row(&row)?;
        }
    }
    Ok(hash.0.finalize().into())
}

/// The same with the sums of windows, if there are any: they follow from the hours and the cursor's time.
pub(super) async fn digest_with_windows<Q: Queries + ?Sized>(rows: &mut Q) -> Result<[u8; 32]> {
    let tables = digest(rows).await?;
    let mut windows = BTreeMap::new();
    let mut found = scores::between(rows, ALL_TIME, ALL_TIME);
    while let Some((key, value)) = found.try_next().await? {
        if is_window(key.bucket) {
            windows.insert(key, value);
        }
    }
    drop(found);
    if windows.is_empty() {
        return Ok(tables);
    }
    let mut hash = Hash(Sha256::new());
    hash.0.update(tables);
    for (key, value) in &windows {
        hash.score(key, *value);
    }
    Ok(hash.0.finalize().into())
}

fn is_window(bucket: i64) -> bool {
    bucket != ALL_TIME && !is_hour(bucket)
}

/// Numbers have a fixed width and texts their length in front, so that no two rows of a table share an encoding.
struct Hash(Sha256);

impl Hash {
    fn row(&mut self, row: &Projected) -> Result<()> {
        match row {
            Projected::Entity(key, row) => self.entity(key, row),
            Projected::Score(row) => {
                // Windows follow from the hours, and move with the time.
                let numbers = scores::unpack(row)?;
                let numbers = numbers.iter().filter(|(key, _)| !is_window(key.bucket));
                numbers.for_each(|(key, value)| self.score(key, *value));
            }
            Projected::Total(key, total) => self.total(key, total),
            Projected::Step(step) => self.step(step),
            Projected::Settlement(id, settlement) => self.settlement(id, settlement),
            Projected::Party(row) => self.party(row),
        }
        Ok(())
    }

    fn entity(&mut self, (kind, address): &EntityKey, row: &EntityRow) {
        self.number(u64::from(*kind));
        self.0.update(address.0);
        for number in [row.seq, row.seen, u64::from(row.closed), row.slot] {
            self.number(number);
        }
        self.id(&row.cause);
        self.number(u64::from(row.state.is_some()));
        if let Some(state) = &row.state {
            self.number(state.seq);
            self.id(&state.cause);
            self.bytes(&state.bytes);
        }
        self.number(u64::from(row.text.is_some()));
        if let Some((seq, text)) = &row.text {
            self.number(*seq);
            self.bytes(text.as_bytes());
        }
    }

    fn score(&mut self, key: &ScoreKey, value: u128) {
        self.number(u64::from(key.measure.code()));
        self.number(u64::from(key.assurance));
        self.0.update(key.mint.0);
        self.0.update(key.bucket.to_be_bytes());
        self.0.update(key.subject.0);
        self.0.update(value.to_be_bytes());
    }

    fn total(&mut self, key: &TotalKey, total: &Total) {
        self.bytes(key.category.word().as_bytes());
        self.number(u64::from(key.assurance));
        self.0.update(key.mint.0);
        self.0.update(total.atoms.to_be_bytes());
        self.number(total.count);
    }

    fn step(&mut self, step: &StepRow) {
        self.0.update(step.job.0);
        self.number(step.seq);
        self.id(&step.event);
    }

    fn party(&mut self, row: &PartyRow) {
        self.0.update(row.party.0);
        self.number(row.concern as u64);
        self.0.update(row.at.to_be_bytes());
        self.id(&row.event);
    }

    fn settlement(&mut self, id: &EventId, settlement: &Settlement) {
        // Named one by one: a field that is added must be hashed too.
        let Settlement {
            slot,
            at,
            job,
            provider,
            client,
            model,
            mint,
            campaign,
            assurance,
            milestone,
            work,
            price_atoms,
            fee_atoms,
            royalty_atoms,
            provider_atoms,
            reward_atoms,
            submitted_at,
            score,
        } = settlement;
        self.id(id);
        for time in [at, submitted_at] {
            self.0.update(time.to_be_bytes());
        }
        for key in [job, provider, client, model, mint, campaign] {
            self.0.update(key.0);
        }
        for code in [*assurance, *milestone] {
            self.number(u64::from(code));
        }
        for number in [
            *slot,
            *work,
            *price_atoms,
            *fee_atoms,
            *royalty_atoms,
            *provider_atoms,
            *reward_atoms,
            *score,
        ] {
            self.number(number);
        }
    }

    fn id(&mut self, id: &EventId) {
        self.0.update(id.signature.0);
        self.0.update(id.instruction.to_be_bytes());
        self.0.update(id.inner.to_be_bytes());
    }

    fn number(&mut self, number: u64) {
        self.0.update(number.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }
}
