//! Account by account: the same change counter and the same values, and no account on one side only.

use {
    super::{Auditor, LOOKS, Report, report::Subject},
    crate::{
        error::Result,
        project::{EntityRow, program::EntityKind},
        store::Snapshot,
    },
    futures::TryStreamExt,
    quern_api::{AuditCheck, Key},
    quern_client::census,
    std::collections::HashMap,
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
/// Accounts of a kind that are looked at again: their values are held in memory, and no list of differences is as long.
const MOST_AGAIN: usize = 10_000;

/// What is known of the chain's accounts of a kind: nothing but their addresses is held.
#[derive(Default)]
struct Seen {
    addresses: Vec<Key>,
    oldest_slot: Option<u64>,
}

/// Accounts of a kind that were not equal so far.
type Left = Vec<(EntityKind, Vec<Key>)>;

pub(super) async fn compare(auditor: &Auditor, report: &mut Report) -> Result<()> {
    let mut left = Left::new();
    for kind in KINDS {
        let mut addresses = first_look(auditor, report, kind).await?;
        report.unsettled(addresses.len().saturating_sub(MOST_AGAIN));
        addresses.truncate(MOST_AGAIN);
        left.push((kind, addresses));
    }
    for _ in 1..LOOKS {
        left.retain(|(_, addresses)| !addresses.is_empty());
        if left.is_empty() {
            break;
        }
        left = look_again(auditor, report, left).await?;
    }
    report.unsettled(left.iter().map(|(_, addresses)| addresses.len()).sum());
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

/// Compares every account of a kind; gives back those that are not equal, for whatever reason.
async fn first_look(auditor: &Auditor, report: &mut Report, kind: EntityKind) -> Result<Vec<Key>> {
    let (mut seen, mut left) = (Seen::default(), Vec::new());
    for part in parts(auditor, kind).await? {
        let held = auditor.accounts.of_kind(kind, part).await?;
        report.at_slot(held.slot);
        let addresses = held.accounts.iter().map(|(address, _)| *address);
        seen.addresses.extend(addresses);
        let oldest = seen.oldest_slot.unwrap_or(held.slot);
        seen.oldest_slot = Some(oldest.min(held.slot));
        auditor.reached(held.slot).await?;
        let mut snapshot = auditor.store.read().await?;
        for some in held.accounts.chunks(LOOKED_UP) {
            let rows = rows(&mut snapshot, kind, some.iter().map(|(address, _)| address)).await?;
            for (address, fixed) in some {
                let row = rows.get(address);
                match compare_account(kind, Some(fixed), held.slot, row) {
                    Compared::Equal => report.agrees(),
                    _ => left.push(*address),
                }
            }
        }
    }
    left.extend(absent(auditor, kind, seen).await?);
    Ok(left)
}

/// What the store believes to be live and the chain does not hold.
async fn absent(auditor: &Auditor, kind: EntityKind, mut seen: Seen) -> Result<Vec<Key>> {
    let mut absent = Vec::new();
    seen.addresses.sort_unstable();
    let Some(oldest_slot) = seen.oldest_slot else {
        return Ok(absent);
    };
    let mut snapshot = auditor.store.read().await?;
    let mut live = snapshot.queries().live(kind as u8);
    while let Some(entity) = live.try_next().await? {
        // What changed later may have been opened later.
        let is_older = entity.row.slot <= oldest_slot;
        if is_older && seen.addresses.binary_search(&entity.address).is_err() {
            absent.push(entity.address);
        }
    }
    Ok(absent)
}

/// Reads accounts again, waits until the store has everything that the answers could be made from, and tells what differs then;
/// gives back what the store has newer.
async fn look_again(auditor: &Auditor, report: &mut Report, left: Left) -> Result<Left> {
    let mut answers = Vec::new();
    let mut newest = 0;
    for (kind, addresses) in left {
        let held = auditor.accounts.at(kind, &addresses).await?;
        newest = newest.max(held.slot);
        answers.push((kind, addresses, held));
    }
    auditor.reached_newest(newest).await?;
    let mut snapshot = auditor.store.read().await?;
    let mut unsettled = Left::new();
    for (kind, addresses, held) in answers {
        let fixed: HashMap<Key, Vec<u8>> = held.accounts.into_iter().collect();
        let mut newer = Vec::new();
        for some in addresses.chunks(LOOKED_UP) {
            let rows = rows(&mut snapshot, kind, some.iter()).await?;
            for address in some {
                let fixed = fixed.get(address).map(Vec::as_slice);
                match compare_account(kind, fixed, held.slot, rows.get(address)) {
                    Compared::Equal => report.agrees(),
                    Compared::Unsettled => newer.push(*address),
                    Compared::Different(found) => tell(auditor, report, kind, *address, &found),
                }
            }
        }
        unsettled.push((kind, newer));
    }
    Ok(unsettled)
}

async fn rows(
    snapshot: &mut Snapshot,
    kind: EntityKind,
    addresses: impl Iterator<Item = &Key>,
) -> Result<HashMap<Key, EntityRow>> {
    let keys: Vec<_> = addresses.map(|address| (kind as u8, *address)).collect();
    let rows = snapshot.queries().entities(&keys).await?.into_iter();
    Ok(rows.map(|((_, address), row)| (address, row)).collect())
}

fn tell(auditor: &Auditor, report: &mut Report, kind: EntityKind, address: Key, found: &[Figure]) {
    report.agrees();
    for Figure { name, stored, held } in found {
        report.differs(subject(kind, address), name, stored, held);
    }
    if found.iter().any(|figure| figure.name == SEQ) {
        auditor.health.suspect(address);
    }
}

/// The figure whose difference means that changes are missing.
const SEQ: &str = "seq";
const NO_ACCOUNT: &str = "no such account";

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

/// Compares what an answer holds of an account with its row. The answer is of its slot or of a later state.
fn compare_account(
    kind: EntityKind,
    fixed: Option<&[u8]>,
    slot: u64,
    row: Option<&EntityRow>,
) -> Compared {
    let one = |name: &str, stored: String, held: String| {
        let name = name.to_owned();
        Compared::Different(vec![Figure { name, stored, held }])
    };
    let live = row.filter(|row| !row.closed);
    let Some(fixed) = fixed else {
        return match live {
            None => Compared::Equal,
            Some(row) if row.slot > slot => Compared::Unsettled,
            Some(row) => {
                let stored = format!("live with {}", row.seq);
                one(SEQ, stored, NO_ACCOUNT.to_owned())
            }
        };
    };
    let state = live.and_then(|row| row.state.as_ref());
    let Some(seq) = census::seq_of(kind, fixed) else {
        let held = format!("{} bytes of another layout", fixed.len());
        return one("layout", "a layout of this version".to_owned(), held);
    };
    let Some(row) = row else {
        return one(SEQ, NO_ACCOUNT.to_owned(), seq.to_string());
    };
    if row.seq == seq && state.is_some_and(|state| state.bytes == fixed) {
        return Compared::Equal;
    }
    if row.slot > slot {
        return Compared::Unsettled;
    }
    if row.closed {
        return one(SEQ, format!("closed by {}", row.seq), seq.to_string());
    }
    if row.seq != seq {
        return one(SEQ, row.seq.to_string(), seq.to_string());
    }
    match state {
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

    fn compared(
        held: Option<&[u8]>,
        slot: u64,
        row: Option<&EntityRow>,
    ) -> Vec<(String, String, String)> {
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
        assert_eq!(compared(Some(&purse(3, 7)), 100, Some(&stored)), []);
        assert_eq!(
            compared(Some(&purse(3, 8)), 100, Some(&stored)),
            named("free_atoms", "7", "8")
        );
        // A missing end, an invented one, and a store that is ahead of the answer.
        assert_eq!(
            compared(Some(&purse(4, 7)), 100, Some(&stored)),
            named("seq", "3", "4")
        );
        assert_eq!(
            compared(Some(&purse(2, 7)), 100, Some(&stored)),
            named("seq", "3", "2")
        );
        assert_eq!(
            compared(Some(&purse(2, 7)), 99, Some(&stored)),
            [Default::default()]
        );
        assert_eq!(
            compared(Some(&purse(1, 0)), 100, None),
            named("seq", "no such account", "1")
        );
        // Equal is equal, whatever the answer's slot.
        assert_eq!(compared(Some(&purse(3, 7)), 99, Some(&stored)), []);
        // Gone, and gone from an answer from before it was opened.
        assert_eq!(
            compared(None, 100, Some(&stored)),
            named("seq", "live with 3", "no such account")
        );
        assert_eq!(compared(None, 99, Some(&stored)), [Default::default()]);
        let closed = row(4, Vec::new());
        assert_eq!(compared(None, 100, Some(&closed)), []);
        assert_eq!(
            compared(Some(&purse(3, 7)), 100, Some(&closed)),
            named("seq", "closed by 4", "3")
        );
        let cut = compared(Some(&purse(3, 7)[1..]), 100, Some(&stored));
        assert_eq!(cut[0].0, "layout");
    }
}
