//! What a reader of events alone knows: every account, byte by byte, and that no change is missing (P6) or forbidden (P9, P10).
//!
//! It keeps bytes and counters and knows no rule; the [oracle](crate::oracle) knows the rules and keeps no bytes.

use {
    crate::accounts::{fixed_part, seq_of},
    quern::{events::QuernEvent, state::EntityKind},
    quern_client::Pubkey,
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

impl Follower {
    /// Forgets what was told and believes the accounts as they are.
    pub fn believe(&mut self, accounts: &BTreeMap<Pubkey, Vec<u8>>) {
        self.live.clear();
        for (address, data) in accounts {
            let Some((kind, fixed)) = fixed_part(data) else {
                continue;
            };
            let seq = seq_of(kind, fixed);
            let told = Told {
                kind: kind as u8,
                seq,
                fixed: fixed.to_vec(),
            };
            self.live.insert(*address, told);
        }
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
