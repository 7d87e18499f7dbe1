//! What somebody knows who reads events and nothing else.

use {
    super::World,
    anchor_lang::Discriminator,
    quern::{
        events::QuernEvent,
        state::{
            Demand, Emission, EntityKind, Evidence, Job, MintConfig, Model, Protocol, Provider,
            Purse,
        },
    },
    solana_sdk::pubkey::Pubkey,
    std::collections::{BTreeMap, BTreeSet},
};

/// An account as the last event told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Code of its kind.
    pub kind: u8,
    /// Its change counter.
    pub seq: u64,
    /// Its fixed part behind the discriminator.
    pub fixed: Vec<u8>,
}

/// All live accounts, and those that have closed.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    /// Live accounts.
    pub live: BTreeMap<Pubkey, Told>,
    /// Addresses that closed; none may ever come back (P10).
    pub closed: BTreeSet<Pubkey>,
}

/// Discriminator, size of the fixed part and offset of `seq` within it, for each kind.
pub fn layouts() -> [(EntityKind, &'static [u8], usize, usize); 8] {
    macro_rules! layouts {
        ($($kind:ident),*) => {
            [$((EntityKind::$kind, $kind::DISCRIMINATOR, size_of::<$kind>(), core::mem::offset_of!($kind, seq))),*]
        };
    }
    layouts![
        Protocol, MintConfig, Emission, Provider, Purse, Model, Job, Demand
    ]
}

/// Whether an account of the program is one for evidence: it is its author's, has no change counter and no events.
pub fn is_evidence(data: &[u8]) -> bool {
    // Until the first write it is of no type at all.
    data.starts_with(Evidence::DISCRIMINATOR) || data.iter().all(|byte| *byte == 0)
}

/// Kind and fixed part of an account's data.
pub fn fixed_part(data: &[u8]) -> Option<(EntityKind, &[u8])> {
    layouts()
        .into_iter()
        .find_map(|(kind, discriminator, size, _)| {
            Some((kind, data.strip_prefix(discriminator)?.get(..size)?))
        })
}

fn seq_of(kind: EntityKind, fixed: &[u8]) -> u64 {
    let (.., at) = layouts()
        .into_iter()
        .find(|layout| layout.0 == kind)
        .unwrap();
    u64::from_le_bytes(fixed[at..at + 8].try_into().unwrap())
}

impl Follower {
    /// A follower that believes the accounts as they are.
    pub fn of(world: &World) -> Self {
        let mut follower = Self {
            live: BTreeMap::new(),
            closed: world.follower.closed.clone(),
        };
        for (address, data) in world.program_accounts() {
            let Some((kind, fixed)) = fixed_part(&data) else {
                continue;
            };
            let seq = seq_of(kind, fixed);
            follower.live.insert(
                address,
                Told {
                    kind: kind as u8,
                    seq,
                    fixed: fixed.to_vec(),
                },
            );
        }
        follower
    }

    /// Takes an event in: every change must be the next of its account (P6).
    pub fn apply(&mut self, event: &QuernEvent) {
        let mut addresses = BTreeSet::new();
        if is_administrative(event) {
            let settings = [
                EntityKind::Protocol as u8,
                EntityKind::MintConfig as u8,
                EntityKind::Emission as u8,
            ];
            let touches_users = event
                .changes()
                .iter()
                .any(|change| !settings.contains(&change.kind));
            assert!(
                !touches_users,
                "P9: an administrative step touched a user's account: {event:?}"
            );
        }
        assert!(
            !event.changes().is_empty(),
            "an event without a change: {event:?}"
        );
        for change in event.changes() {
            let address = change.address;
            assert!(
                addresses.insert(address),
                "{address} stands twice in {event:?}"
            );
            assert!(
                !self.closed.contains(&address),
                "P10: {address} closed and came back in {event:?}"
            );
            let seq = self.live.get(&address).map_or(0, |told| told.seq);
            assert_eq!(
                change.seq,
                seq + 1,
                "P6: the change counter of {address} in {event:?}"
            );
            if let Some(told) = self.live.get(&address) {
                assert_eq!(told.kind, change.kind, "{address} changed its kind");
            }
            if change.after.is_empty() {
                assert!(
                    self.live.remove(&address).is_some(),
                    "{address} closed before it was created"
                );
                self.closed.insert(address);
            } else {
                let told = Told {
                    kind: change.kind,
                    seq: change.seq,
                    fixed: change.after.clone(),
                };
                self.live.insert(address, told);
            }
        }
    }
}

/// Whether only the authority or the guardian can cause this event.
fn is_administrative(event: &QuernEvent) -> bool {
    matches!(
        event,
        QuernEvent::ProtocolInitialized(_)
            | QuernEvent::ProtocolUpdated(_)
            | QuernEvent::AuthorityAccepted(_)
            | QuernEvent::PauseSet(_)
            | QuernEvent::MintRegistered(_)
            | QuernEvent::MintUpdated(_)
            | QuernEvent::EmissionConfigured(_)
    )
}
