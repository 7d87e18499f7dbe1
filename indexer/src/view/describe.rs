//! An event's own fields as JSON, for people: addresses in base58, hashes in hex, every `u64` as a string.

use {
    crate::project::{key, program::QuernEvent},
    quern_client::{
        Pubkey,
        quern::state::{Conviction, NodeRef},
    },
    serde_json::{Map, Value, json},
};

trait Shown {
    fn shown(&self) -> Value;
}

impl Shown for Pubkey {
    fn shown(&self) -> Value {
        key(self)
            .some()
            .map_or(Value::Null, |key| Value::String(key.to_string()))
    }
}
impl Shown for u64 {
    fn shown(&self) -> Value {
        Value::String(self.to_string())
    }
}
impl Shown for i64 {
    fn shown(&self) -> Value {
        Value::from(*self)
    }
}
impl Shown for u32 {
    fn shown(&self) -> Value {
        Value::from(*self)
    }
}
impl Shown for u8 {
    fn shown(&self) -> Value {
        Value::from(*self)
    }
}
impl Shown for bool {
    fn shown(&self) -> Value {
        Value::Bool(*self)
    }
}
impl Shown for String {
    fn shown(&self) -> Value {
        Value::String(self.clone())
    }
}
impl Shown for [u8; 32] {
    fn shown(&self) -> Value {
        Value::String(hex::encode(self))
    }
}

impl Shown for Option<String> {
    fn shown(&self) -> Value {
        self.as_ref().map_or(Value::Null, String::shown)
    }
}

impl Shown for NodeRef {
    fn shown(&self) -> Value {
        json!({ "tree": self.tree, "level": self.level, "index": self.index.shown() })
    }
}

impl Shown for Conviction {
    fn shown(&self) -> Value {
        let reason = self.reason().name();
        match self {
            Self::WrongCell { op, row, col, at } => {
                json!({ "reason": reason, "op": op, "row": row, "column": col, "at": at })
            }
            Self::WrongTokens { item } => json!({ "reason": reason, "item": item }),
            Self::BadPadding(node_id) | Self::Unanswered(node_id) => {
                json!({ "reason": reason, "node_id": node_id.shown() })
            }
        }
    }
}

impl Shown for Vec<u8> {
    fn shown(&self) -> Value {
        Value::String(hex::encode(self))
    }
}

macro_rules! fields {
    ($event:expr; $($name:ident { $($field:ident),* })*) => {{
        let mut map = Map::new();
        match $event {
            $(QuernEvent::$name(event) => {
                // An event without fields of its own leaves this name unused.
                let _ = event;
                $(map.insert(stringify!($field).to_owned(), event.$field.shown());)*
            })*
        }
        map
    }};
}

/// The event's own fields, without `at` and `changes`.
pub fn describe(event: &QuernEvent) -> Map<String, Value> {
    fields! { event;
        ProtocolInitialized {}
        ProtocolUpdated {}
        AuthorityAccepted { authority }
        PauseSet { paused }
        MintRegistered { mint }
        MintUpdated { mint }
        EmissionConfigured {}
        PurseOpened { owner, mint }
        Deposited { owner, mint, depositor, amount_atoms }
        Withdrawn { owner, mint, destination, amount_atoms }
        OperatorLimitSet { owner, limit_atoms }
        ProviderRegistered { owner, endpoint }
        ProviderUpdated { owner, endpoint }
        RewardsClaimed { owner, mint, amount_atoms }
        ModelRegistered { creator, id, uri }
        ModelWritten { model, offset, length }
        ModelSealed { model, graph_hash }
        ModelUpdated { model, uri }
        ModelOwnerAccepted { model, owner }
        JobCreated { job, client, model, mint, escrow_atoms, input_uri }
        JobCancelled { job, client, mint, released_atoms }
        JobTaken { job, provider, bond_atoms }
        ResultSubmitted { job, provider, milestone, submission, trace_root, tokens_root, output_uri }
        MilestoneSettled {
            job, client, provider, model, royalty_owner, mint, campaign, assurance, kind, milestone, accepted, work,
            price_atoms, fee_atoms, royalty_atoms, provider_atoms, reward_atoms, bond_released_atoms, closed, submitted_at, score
        }
        JobRejected { job, client, provider, milestone, deposit_atoms, reason }
        JobResolved {
            job, client, provider, arbiter, mint, assurance, milestone, silent, provider_prevails, price_atoms,
            arbiter_atoms, fee_atoms, royalty_atoms, provider_atoms, client_atoms, burn_atoms, penalty_atoms,
            deposit_atoms, deposit_to_provider, bond_released_atoms, released_atoms, closed
        }
        JobExpired { job, client, provider, mint, from_state, penalty_atoms, bond_released_atoms, released_atoms, closed }
        ConvictionSettled {
            job, client, provider, prover, mint, reason, released_atoms, prover_atoms, client_atoms, treasury_atoms
        }
        JobConvicted { job, client, provider, prover, mint, submission, conviction }
        DemandOpened {
            demand, job, provider, opener, submission, node_id, node, due, fee_lamports
        }
        DemandAnswered { demand, job, revealer, node_id, fee_lamports, answer }
        DemandClosed { demand, job, opener }
        CampaignCreated { campaign, sponsor, mint, pot_atoms }
        CampaignJoined { campaign, provider }
        CampaignClaimed { campaign, provider, score, amount_atoms }
        CampaignSwept { campaign, sponsor, mint, released_atoms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conviction_says_why_and_where() {
        let node_id = NodeRef {
            tree: u16::MAX,
            level: 3,
            index: u64::MAX,
        };
        let node = json!({ "tree": 65_535, "level": 3, "index": "18446744073709551615" });
        let cell = Conviction::WrongCell {
            op: 999,
            row: u32::MAX,
            col: 2,
            at: 1,
        };
        for (conviction, shown) in [
            (
                cell,
                json!({ "reason": "wrong_cell", "op": 999, "row": u32::MAX, "column": 2, "at": 1 }),
            ),
            (
                Conviction::BadPadding(node_id),
                json!({ "reason": "bad_padding", "node_id": node }),
            ),
            (
                Conviction::Unanswered(node_id),
                json!({ "reason": "unanswered", "node_id": node }),
            ),
            (
                Conviction::WrongTokens { item: 7 },
                json!({ "reason": "wrong_tokens", "item": 7 }),
            ),
        ] {
            assert_eq!(conviction.shown(), shown);
        }
    }
}
