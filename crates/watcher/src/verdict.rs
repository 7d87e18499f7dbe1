//! How a case ends, for people and for programs.

use {
    crate::sample,
    quern_client::{
        Pubkey, Signature,
        flows::Route,
        history::{reason_name, reason_text},
        quern::state::ConvictionReason,
    },
    quern_proof::{
        Operand,
        demand::{NodeId, Tree},
        evidence::Charge,
        graph::Graph,
    },
    serde_json::{Value, json},
    std::fmt,
};

/// How many items of a job were checked, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedItems {
    /// The job's items.
    pub items: u32,
    /// Items that were computed again.
    pub recomputed: u32,
    /// Items whose published traces were verified: every op computed again from what the trace says before it.
    pub verified: u32,
}

impl CheckedItems {
    /// How many were checked.
    pub const fn count(&self) -> u32 {
        self.recomputed + self.verified
    }

    /// Whether that is all of them.
    pub const fn is_all(&self) -> bool {
        self.count() >= self.items
    }

    /// The least chance that one of these would have been found wrong, if that share of all items is.
    pub fn chance(&self, wrong_share: f64) -> f64 {
        match self.is_all() {
            true => 1.0,
            false => sample::chance(self.count(), wrong_share),
        }
    }
}

impl fmt::Display for CheckedItems {
    /// "all 20 items (computed again)", "5 of 100 items (3 computed again, 2 by their published traces)", "the item (by its
    /// published trace)".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            items,
            recomputed,
            verified,
        } = self;
        match (self.is_all(), items) {
            (true, 1) => f.write_str("the item")?,
            (true, _) => write!(f, "all {items} items")?,
            (false, _) => write!(f, "{} of {items} items", self.count())?,
        }
        match (recomputed, verified) {
            (_, 0) => f.write_str(" (computed again)"),
            (0, 1) => f.write_str(" (by its published trace)"),
            (0, _) => f.write_str(" (by their published traces)"),
            _ => write!(
                f,
                " ({recomputed} computed again, {verified} by their published traces)"
            ),
        }
    }
}

/// What is charged, and in which item that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accused {
    /// What is wrong. A row counts over all items.
    pub charge: Charge,
    /// The item; none where the tree over several items is wrong.
    pub item: Option<u32>,
}

impl Accused {
    pub(crate) fn of(graph: &Graph<'_>, charge: Charge) -> Self {
        let item = match charge {
            Charge::Cell { op, row, .. } => {
                let shape = graph.output(op.into()).ok();
                shape.and_then(|shape| row.checked_div(shape.rows))
            }
            Charge::Tokens { item } => Some(item),
            Charge::Padding(node_id) => match node_id.tree {
                Tree::Data(Operand::Op(_)) => u32::try_from(node_id.item_and_place().0).ok(),
                Tree::Trace | Tree::Data(_) => None,
            },
        };
        Self { charge, item }
    }

    const fn in_item(charge: Charge, item: Option<u32>) -> Self {
        Self { charge, item }
    }
}

impl fmt::Display for Accused {
    /// "op 3, row 617, column 333 (item 61)".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.charge, self.item) {
            (Charge::Tokens { .. }, _) | (_, None) => self.charge.fmt(f),
            (_, Some(item)) => write!(f, "{} (item {item})", self.charge),
        }
    }
}

/// The final state of one submission of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every value of the items that were checked is right.
    Consistent {
        /// How many those are.
        items: CheckedItems,
        /// Whether the published item roots lead to the committed root. (What is refereed is correctness, not delivery.)
        delivered: bool,
        /// What is wrong with what is published, if anything.
        note: Option<String>,
    },
    /// A wrong value was proved on chain.
    Convicted {
        /// The transaction that did it.
        signature: Signature,
        /// What was wrong. A row counts over all items.
        charge: Charge,
        /// In which item; none where the tree over several items was wrong.
        item: Option<u32>,
        /// How the evidence went there.
        route: Route,
        /// Its length.
        evidence_bytes: u64,
        /// What the judgement took, if the node says.
        compute_units: Option<u64>,
        /// How many answered demands led to it.
        demands: u32,
    },
    /// A demand was not answered in time.
    TimedOut {
        /// The transaction that recorded it.
        signature: Signature,
        /// What was asked.
        node_id: NodeId,
    },
    /// The provider had been convicted already.
    AlreadyConvicted {
        /// Who did it.
        prover: Pubkey,
        /// What for; none where this version does not know the code.
        reason: Option<ConvictionReason>,
        /// Whether it was this wallet, before a restart for example.
        by_us: bool,
    },
    /// The result is known to be wrong, but was not convicted: nobody should use it.
    Wrong {
        /// What is wrong, unless only the root is known to be another one.
        charge: Option<Charge>,
        /// In which item, if that is known.
        item: Option<u32>,
        /// Why it was not convicted, and what to do.
        why: String,
    },
    /// It stays unknown whether the result is right.
    CouldNotCheck {
        /// Why, and what to do.
        why: String,
    },
}

impl Verdict {
    /// One word for tables and programs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Consistent { .. } => "consistent",
            Self::Convicted { .. } => "convicted",
            Self::TimedOut { .. } => "timed_out",
            Self::AlreadyConvicted { .. } => "already_convicted",
            Self::Wrong { .. } => "wrong",
            Self::CouldNotCheck { .. } => "could_not_check",
        }
    }

    /// Whether the provider is convicted.
    pub const fn is_conviction(&self) -> bool {
        matches!(
            self,
            Self::Convicted { .. } | Self::TimedOut { .. } | Self::AlreadyConvicted { .. }
        )
    }

    /// Everything else in one line.
    pub fn details(&self) -> String {
        match self {
            Self::Consistent { items, note, .. } => consistent(items, note.as_deref()),
            Self::Convicted {
                signature,
                charge,
                item,
                route,
                evidence_bytes,
                compute_units,
                demands,
            } => {
                let accused = Accused::in_item(*charge, *item);
                let units = compute_units.map_or(String::new(), |units| format!(", {units} CU"));
                let asked = match demands {
                    0 => String::new(),
                    demands => format!(", after {demands} demands"),
                };
                format!(
                    "{accused} is wrong, transaction {signature} ({}, {evidence_bytes} bytes{units}{asked})",
                    route_name(*route)
                )
            }
            Self::TimedOut { signature, node_id } => {
                format!("no answer about {node_id}, transaction {signature}")
            }
            Self::AlreadyConvicted {
                prover,
                reason,
                by_us,
            } => format!(
                "{}, by {}",
                reason_text(*reason),
                if *by_us {
                    "this wallet".to_owned()
                } else {
                    prover.to_string()
                }
            ),
            Self::Wrong { charge, item, why } => {
                let what = charge.map_or_else(
                    || "a root is not the own computation's".to_owned(),
                    |charge| format!("{} is wrong", Accused::in_item(charge, *item)),
                );
                format!("do NOT use the result: {what}; it was not convicted: {why}")
            }
            Self::CouldNotCheck { why } => why.clone(),
        }
    }
}

/// A job, a submission and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The job.
    pub job: Pubkey,
    /// Which submission of it, from 1.
    pub submission: u32,
    /// Who pays.
    pub client: Pubkey,
    /// The provider's owner.
    pub provider: Pubkey,
    /// How it ended.
    pub verdict: Verdict,
    /// Demand fees that this wallet put up for it.
    pub fees_lamports: u64,
}

impl Report {
    /// All of it for programs: one object, the same fields for every verdict of a kind.
    pub fn json(&self) -> Value {
        let mut all = json!({
            "job": self.job.to_string(),
            "submission": self.submission,
            "client": self.client.to_string(),
            "provider": self.provider.to_string(),
            "verdict": self.verdict.name(),
            "fees_lamports": self.fees_lamports,
        });
        let more = match &self.verdict {
            Verdict::Consistent {
                items,
                delivered,
                note,
            } => json!({
                "items": items.items,
                "checked": items.count(),
                "recomputed": items.recomputed,
                "verified": items.verified,
                "chance_of_1_percent": items.chance(0.01),
                "chance_of_10_percent": items.chance(0.1),
                "delivered": delivered,
                "note": note,
            }),
            Verdict::Convicted {
                signature,
                charge,
                item,
                route,
                evidence_bytes,
                compute_units,
                demands,
            } => json!({
                "signature": signature.to_string(),
                "charge": charge_json(charge, *item),
                "route": route_name(*route),
                "evidence_bytes": evidence_bytes,
                "compute_units": compute_units,
                "demands": demands,
            }),
            Verdict::TimedOut { signature, node_id } => json!({
                "signature": signature.to_string(),
                "tree": node_id.tree.code(),
                "tree_name": node_id.tree.to_string(),
                "level": node_id.level,
                "index": node_id.index,
            }),
            Verdict::AlreadyConvicted {
                prover,
                reason,
                by_us,
            } => json!({
                "prover": prover.to_string(),
                "reason": reason_name(*reason),
                "by_us": by_us,
            }),
            Verdict::Wrong { charge, item, why } => json!({
                "charge": charge.as_ref().map(|charge| charge_json(charge, *item)),
                "why": why,
            }),
            Verdict::CouldNotCheck { why } => json!({ "why": why }),
        };
        if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
            all.extend(more);
        }
        all
    }
}

/// How much was checked, and what that is worth.
fn consistent(items: &CheckedItems, note: Option<&str>) -> String {
    let worth = match items.is_all() {
        true => String::new(),
        false => format!(
            "; 1 % of wrong items would have been found with a chance of {:.1} %, 10 % with {:.1} %",
            100.0 * items.chance(0.01),
            100.0 * items.chance(0.1)
        ),
    };
    let note = note.map_or(String::new(), |note| format!("; not delivered: {note}"));
    format!("{items} are right{worth}{note}")
}

fn charge_json(charge: &Charge, item: Option<u32>) -> Value {
    match charge {
        Charge::Cell { op, row, col, at } => {
            json!({ "item": item, "op": op, "row": row, "col": col, "at": at })
        }
        Charge::Padding(NodeId { tree, level, index }) => {
            json!({ "item": item, "tree": tree.code(), "level": level, "index": index })
        }
        Charge::Tokens { item } => json!({ "item": item, "tokens": true }),
    }
}

const fn route_name(route: Route) -> &'static str {
    match route {
        Route::Auto => "auto",
        Route::Inline => "inline",
        Route::Account => "account",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_checked_is_said_of_one_and_of_many() {
        for (items, recomputed, verified, said) in [
            (1, 0, 1, "the item (by its published trace)"),
            (1, 1, 0, "the item (computed again)"),
            (20, 20, 0, "all 20 items (computed again)"),
            (20, 0, 20, "all 20 items (by their published traces)"),
            (9, 0, 1, "1 of 9 items (by its published trace)"),
            (
                100,
                3,
                2,
                "5 of 100 items (3 computed again, 2 by their published traces)",
            ),
        ] {
            let checked = CheckedItems {
                items,
                recomputed,
                verified,
            };
            assert_eq!(checked.to_string(), said);
        }
    }
}
