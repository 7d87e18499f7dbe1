//! How a case ends, for people and for programs.

use {
    quern_client::{
        Pubkey, Signature,
        flows::Route,
        history::{reason_name, reason_text},
        quern::state::ConvictionReason,
    },
    quern_proof::{demand::NodeId, evidence::Charge},
    serde_json::{Value, json},
};

/// The final state of one submission of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every value is right.
    Consistent {
        /// Whether the published trace was checked; otherwise it could not be had, and the watcher's own recomputation has
        /// the committed root. (What is refereed is correctness, not delivery.)
        delivered: bool,
        /// What is wrong with the published trace, if anything.
        note: Option<String>,
    },
    /// A wrong value was proved on chain.
    Convicted {
        /// The transaction that did it.
        signature: Signature,
        /// What was wrong.
        charge: Charge,
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
            Self::Consistent {
                delivered: true, ..
            } => "the published trace is right".to_owned(),
            Self::Consistent { note, .. } => format!(
                "the own recomputation has the same root{}",
                note.as_ref()
                    .map(|note| format!("; not delivered: {note}"))
                    .unwrap_or_default()
            ),
            Self::Convicted {
                signature,
                charge,
                route,
                evidence_bytes,
                compute_units,
                demands,
            } => {
                let units = compute_units.map_or(String::new(), |units| format!(", {units} CU"));
                let asked = match demands {
                    0 => String::new(),
                    demands => format!(", after {demands} demands"),
                };
                format!(
                    "{charge} is wrong, transaction {signature} ({}, {evidence_bytes} bytes{units}{asked})",
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
            Self::Wrong { charge, why } => {
                let what = charge.as_ref().map_or_else(
                    || "the root is not the own computation's".to_owned(),
                    |charge| format!("{charge} is wrong"),
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
            Verdict::Consistent { delivered, note } => {
                json!({ "delivered": delivered, "note": note })
            }
            Verdict::Convicted {
                signature,
                charge,
                route,
                evidence_bytes,
                compute_units,
                demands,
            } => json!({
                "signature": signature.to_string(),
                "charge": charge_json(charge),
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
            Verdict::Wrong { charge, why } => json!({
                "charge": charge.as_ref().map(charge_json),
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

fn charge_json(charge: &Charge) -> Value {
    match charge {
        Charge::Cell { op, row, col } => json!({ "op": op, "row": row, "col": col }),
        Charge::Padding(NodeId { tree, level, index }) => {
            json!({ "tree": tree.code(), "level": level, "index": index })
        }
    }
}

const fn route_name(route: Route) -> &'static str {
    match route {
        Route::Auto => "auto",
        Route::Inline => "inline",
        Route::Account => "account",
    }
}
