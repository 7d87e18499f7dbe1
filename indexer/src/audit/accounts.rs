//! Account by account: the same change counter and the same values, and no account on one side only.

use {
    super::{Auditor, Report, report::Subject},
    crate::{
        error::Result,
        project::{EntityRow, program::EntityKind},
        source::Held,
    },
    futures::TryStreamExt,
    quern_api::{AuditCheck, Key},
    quern_client::census,
    std::collections::{HashMap, HashSet},
};

/// Every kind that events tell of and the chain holds.
const KINDS: [EntityKind; 10] = [
    EntityKind::Protocol,
    EntityKind::MintConfig,
    EntityKind::Emission,
    EntityKind::Provider,
    EntityKind::Purse,
    EntityKind::Model,
    EntityKind::Job,
    EntityKind::Demand,
    EntityKind::Campaign,
    EntityKind::Entry,
];
/// Accounts of a kind from which on the node is asked for them in parts: no answer has to hold all of them.
const MOST_AT_ONCE: u64 = 10_000;
/// Accounts looked up in the store at a time.
const LOOKED_UP: usize = 512;
/// How often accounts that change meanwhile are compared again.
const TRIES: u32 = 4;

/// What is known of the chain's accounts of a kind: nothing but their addresses is held.
#[derive(Default)]
struct Seen {
    addresses: Vec<Key>,
    oldest_slot: Option<u64>,
}

pub(super) async fn compare(auditor: &Auditor, report: &mut Report) -> Result<()> {
    for kind in KINDS {
        let mut seen = Seen::default();
        for part in parts(auditor, kind).await? {
            compare_part(auditor, report, kind, part, &mut seen).await?;
        }
        compare_absent(auditor, report, kind, seen).await?;
    }
    Ok(())
}

fn subject(kind: EntityKind, address: Key) -> Subject {
    Subject {
        check: AuditCheck::Accounts,
        kind,
        address,
    }
}

/// The parts in which the node is asked.
async fn parts(auditor: &Auditor, kind: EntityKind) -> Result<Vec<Option<u8>>> {
    let mut snapshot = auditor.store.read().await?;
    let mut live = snapshot.queries().live(kind as u8);
    let mut count = 0;
    while count <= MOST_AT_ONCE && live.try_next().await?.is_some() {
        count += 1;
    }
    Ok(match count > MOST_AT_ONCE {
        true => (0..=u8::MAX).map(Some).collect(),
        false => vec![None],
    })
}

async fn compare_part(
    auditor: &Auditor,
    report: &mut Report,
    kind: EntityKind,
    part: Option<u8>,
    seen: &mut Seen,
) -> Result<()> {
    let held = auditor.accounts.of_kind(kind, part).await?;
    report.at_slot(held.slot);
    seen.addresses
        .extend(held.accounts.iter().map(|(address, _)| *address));
    seen.oldest_slot = Some(
        seen.oldest_slot
            .map_or(held.slot, |slot| slot.min(held.slot)),
    );
    let mut left = compare_held(auditor, report, kind, &held, None).await?;
    drop(held);
    // What changed meanwhile is compared as it is then.
    for _ in 1..TRIES {
        if left.is_empty() {
            break;
        }
        let held = auditor.accounts.of_kind(kind, part).await?;
        let there: HashSet<Key> = held.accounts.iter().map(|(address, _)| *address).collect();
        // What is not there any more is compared with its closing event.
        left.retain(|address| there.contains(address));
        left = compare_held(auditor, report, kind, &held, Some(&left)).await?;
    }
    report.unsettled(left.len());
    Ok(())
}

/// Compares what the node holds with the store, once that has reached the node's slot; gives back what the store has newer.
async fn compare_held(
    auditor: &Auditor,
    report: &mut Report,
    kind: EntityKind,
    held: &Held,
    only: Option<&HashSet<Key>>,
) -> Result<HashSet<Key>> {
    auditor.reached(held.slot).await?;
    let mut snapshot = auditor.store.read().await?;
    let mut unsettled = HashSet::new();
    for some in held.accounts.chunks(LOOKED_UP) {
        let wanted = |address: &Key| only.is_none_or(|only| only.contains(address));
        let some: Vec<_> = some.iter().filter(|(address, _)| wanted(address)).collect();
        let keys: Vec<_> = some
            .iter()
            .map(|(address, _)| (kind as u8, *address))
            .collect();
        let rows = snapshot.queries().entities(&keys).await?;
        let rows: HashMap<Key, EntityRow> = rows
            .into_iter()
            .map(|((_, address), row)| (address, row))
            .collect();
        for (address, fixed) in some {
            let found = match compare_account(kind, fixed, held.slot, rows.get(address)) {
                Compared::Equal => {
                    report.agrees();
                    continue;
                }
                Compared::Unsettled => {
                    unsettled.insert(*address);
                    continue;
                }
                Compared::Different(found) => found,
            };
            report.agrees();
            for Figure { name, stored, held } in &found {
                report.differs(subject(kind, *address), name, stored, held);
            }
            if found.iter().any(|figure| figure.name == SEQ) {
                auditor.health.suspect(*address);
            }
        }
    }
    Ok(unsettled)
}

/// What the store believes to be live must be there.
async fn compare_absent(
    auditor: &Auditor,
    report: &mut Report,
    kind: EntityKind,
    mut seen: Seen,
) -> Result<()> {
    seen.addresses.sort_unstable();
    let Some(oldest_slot) = seen.oldest_slot else {
        return Ok(());
    };
    let mut snapshot = auditor.store.read().await?;
    let mut live = snapshot.queries().live(kind as u8);
    while let Some(entity) = live.try_next().await? {
        // What changed later may have been opened later.
        let is_older = entity.row.slot <= oldest_slot;
        if is_older && seen.addresses.binary_search(&entity.address).is_err() {
            let stored = format!("live with {}", entity.row.seq);
            report.differs(
                subject(kind, entity.address),
                SEQ,
                &stored,
                "no such account",
            );
            auditor.health.suspect(entity.address);
        }
    }
    Ok(())
}

/// The figure whose difference means that changes are missing.
const SEQ: &str = "seq";

#[derive(Debug, PartialEq, Eq)]
struct Figure {
    name: String,
    stored: String,
    held: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Compared {
    Equal,
    /// The store has a change that is newer than the answer.
    Unsettled,
    Different(Vec<Figure>),
}

fn compare_account(kind: EntityKind, fixed: &[u8], slot: u64, row: Option<&EntityRow>) -> Compared {
    let one = |name: &str, stored: String, held: String| {
        let name = name.to_owned();
        Compared::Different(vec![Figure { name, stored, held }])
    };
    let Some(seq) = census::seq_of(kind, fixed) else {
        let held = format!("{} bytes of another layout", fixed.len());
        return one("layout", "a layout of this version".to_owned(), held);
    };
    let Some(row) = row else {
        return one(SEQ, "no such account".to_owned(), seq.to_string());
    };
    if row.slot > slot {
        return Compared::Unsettled;
    }
    if row.closed {
        return one(SEQ, format!("closed by {}", row.seq), seq.to_string());
    }
    if row.seq != seq {
        return one(SEQ, row.seq.to_string(), seq.to_string());
    }
    match &row.state {
        Some(state) if state.bytes == fixed => Compared::Equal,
        Some(state) => Compared::Different(differing(kind, &state.bytes, fixed)),
        None => one("values", "none".to_owned(), hex::encode(fixed)),
    }
}

/// The fields that differ.
fn differing(kind: EntityKind, stored: &[u8], held: &[u8]) -> Vec<Figure> {
    let [ours, theirs] = [stored, held].map(|bytes| census::fields_of(kind, bytes));
    let fields = ours.into_iter().zip(theirs);
    let found: Vec<Figure> = fields
        .filter(|(ours, theirs)| ours != theirs)
        .map(|((name, stored), (_, held))| Figure { name, stored, held })
        .collect();
    if !found.is_empty() {
        return found;
    }
    vec![Figure {
        name: "values".to_owned(),
        stored: hex::encode(stored),
        held: hex::encode(held),
    }]
}

#[cfg(test)]
mod tests {
    use {
        super::*,
        crate::project::{
            EventId,
            program::{Change, Purse},
        },
        bytemuck::Zeroable,
        quern_api::Signature,
        quern_client::Pubkey,
    };

    fn purse(seq: u64, free_atoms: u64) -> Vec<u8> {
        let mut purse = Purse::zeroed();
        (purse.seq, purse.free_atoms) = (seq.into(), free_atoms.into());
        bytemuck::bytes_of(&purse).to_vec()
    }

    fn row(seq: u64, after: Vec<u8>) -> EntityRow {
        let change = Change {
            kind: EntityKind::Purse as u8,
            address: Pubkey::default(),
            seq,
            after,
        };
        let cause = EventId {
            signature: Signature([1; 64]),
            instruction: 0,
            inner: 0,
        };
        EntityRow::of(&change, cause, 100, None)
    }

    fn compared(held: &[u8], slot: u64, row: Option<&EntityRow>) -> Vec<(String, String, String)> {
        match compare_account(EntityKind::Purse, held, slot, row) {
            Compared::Equal => Vec::new(),
            Compared::Unsettled => vec![Default::default()],
            Compared::Different(found) => found
                .into_iter()
                .map(|figure| (figure.name, figure.stored, figure.held))
                .collect(),
        }
    }

    #[test]
    fn an_account_is_compared_at_an_equal_counter_only() {
        let named = |name: &str, stored: &str, held: &str| {
            vec![(name.to_owned(), stored.to_owned(), held.to_owned())]
        };
        let stored = row(3, purse(3, 7));
        assert_eq!(compared(&purse(3, 7), 100, Some(&stored)), []);
        assert_eq!(
            compared(&purse(3, 8), 100, Some(&stored)),
            named("free_atoms", "7", "8")
        );
        // A missing end, an invented one, and a store that is ahead of the answer.
        assert_eq!(
            compared(&purse(4, 7), 100, Some(&stored)),
            named("seq", "3", "4")
        );
        assert_eq!(
            compared(&purse(2, 7), 100, Some(&stored)),
            named("seq", "3", "2")
        );
        assert_eq!(
            compared(&purse(2, 7), 99, Some(&stored)),
            [Default::default()]
        );
        assert_eq!(
            compared(&purse(1, 0), 100, None),
            named("seq", "no such account", "1")
        );
        let closed = row(4, Vec::new());
        assert_eq!(
            compared(&purse(3, 7), 100, Some(&closed)),
            named("seq", "closed by 4", "3")
        );
        let cut = compared(&purse(3, 7)[1..], 100, Some(&stored));
        assert_eq!(cut[0].0, "layout");
    }
}
