//! What the numbers in jobs and demands mean, in words.

use {
    crate::span::about,
    quern_client::{
        history::reason_text,
        quern::state::{Conviction, Demand, Job, JobState, NodeRef},
    },
    quern_proof::{Charge, NodeId, Tree},
    quern_rules::deadline::{FinalizeGate, finalize_gate},
};

/// Seconds that are left, or have passed.
pub fn ahead(left_secs: i64) -> String {
    let time = about(left_secs.unsigned_abs());
    if left_secs < 0 {
        format!("{time} ago")
    } else {
        format!("in {time}")
    }
}

/// What happens at the deadline of a job's state, or has not happened; nothing where it has none.
pub fn deadline(job: &Job, left_secs: i64) -> Option<String> {
    let is_refereed = job.is_refereed();
    let what = match (job.state(), left_secs < 0) {
        (JobState::Open, false) => "until then a provider may take it",
        (JobState::Open, true) => "nobody took it; `quern job crank` gives the price back",
        (JobState::Taken, false) => "until then the provider must submit",
        (JobState::Taken, true) => "the provider is late; `quern job crank` takes the job from it",
        (JobState::Submitted, false) if is_refereed => "end of the review",
        (JobState::Submitted, true) if is_refereed => "the review is over",
        (JobState::Submitted, false) if !job.has_arbiter() => {
            "then silence pays; without an arbiter nobody can reject it"
        }
        (JobState::Submitted, false) => "until then the client may reject",
        (JobState::Submitted, true) => "the client can't reject it any more",
        (JobState::Rejected, false) => "until then the arbiter decides",
        (JobState::Rejected, true) => "the arbiter was silent; `quern job crank` divides the price",
        (JobState::Convicted, _) => return None,
    };
    Some(format!("{}: {what}", ahead(left_secs)))
}

/// When a submitted milestone may be paid: at which time at the earliest, and that in words.
pub fn payable(job: &Job, now: i64, review_end: i64, last_answer_at: i64) -> (i64, String) {
    let (react_secs, grace_secs) = (job.terms.react_secs.get(), job.terms.grace_secs.get());
    let ready = match last_answer_at {
        0 => review_end,
        at => review_end.max(at.saturating_add(i64::from(react_secs))),
    };
    let gate = finalize_gate(
        false,
        now,
        review_end,
        last_answer_at,
        react_secs,
        grace_secs,
    );
    let left = ready.saturating_sub(now);
    let words = match (gate, job.open_demands.get()) {
        (FinalizeGate::TooEarly, 0) => ahead(left),
        (FinalizeGate::TooEarly, _) => format!("{}, or later while demands are open", ahead(left)),
        (_, 1..) => "as soon as no demand is open".to_owned(),
        (FinalizeGate::PartiesOnly, _) => format!(
            "now, by the provider; {} by anybody",
            ahead(left.saturating_add(i64::from(grace_secs)))
        ),
        (FinalizeGate::Anybody | FinalizeGate::Client, _) => "now, by anybody".to_owned(),
    };
    (ready, words)
}

/// A job's state for a list: with what makes it special.
pub fn state(job: &Job) -> String {
    let name = job.state().name();
    match job.open_demands.get() {
        _ if job.is_in(JobState::Convicted) => {
            format!("{name}: {}", reason_text(job.conviction_reason()))
        }
        0 => name.to_owned(),
        1 => format!("{name}, 1 demand"),
        count => format!("{name}, {count} demands"),
    }
}

/// What a demand asks for.
pub fn node_id(demand: &Demand) -> String {
    node(
        demand.tree.get(),
        demand.level,
        demand.index.get(),
        demand.is_leaf.get(),
    )
}

/// What a conviction names.
pub fn place(conviction: &Conviction) -> String {
    match *conviction {
        Conviction::WrongCell { op, row, col, at } => Charge::Cell { op, row, col, at }.to_string(),
        Conviction::WrongTokens { item } => Charge::Tokens { item }.to_string(),
        Conviction::BadPadding(NodeRef { tree, level, index }) => {
            format!("padding in {}", node(tree, level, index, false))
        }
        Conviction::Unanswered(NodeRef { tree, level, index }) => node(tree, level, index, false),
    }
}

fn node(code: u16, level: u8, index: u64, is_leaf: bool) -> String {
    match Tree::from_code(code) {
        Some(tree) if is_leaf => format!("leaf {index} of {tree}"),
        Some(tree) => NodeId::new(tree, level, index).to_string(),
        None => format!("an unknown tree ({code})"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*,
        quern_client::quern::state::{Assurance, ConvictionReason},
    };

    fn job(state: JobState, assurance: Assurance) -> Job {
        let mut job: Job = bytemuck::Zeroable::zeroed();
        job.state = state as u8;
        job.assurance = assurance as u8;
        job.terms.react_secs = 60.into();
        job.terms.grace_secs = 100.into();
        job
    }

    #[test]
    fn deadlines_fit_the_state() {
        let of = |state, left| deadline(&job(state, Assurance::Refereed), left);
        assert_eq!(
            of(JobState::Submitted, 14).unwrap(),
            "in 14s: end of the review"
        );
        assert_eq!(
            of(JobState::Taken, -61).unwrap(),
            "1m 1s ago: the provider is late; `quern job crank` takes the job from it"
        );
        assert_eq!(of(JobState::Convicted, -1), None);
        let mut reviewed = job(JobState::Submitted, Assurance::Reviewed);
        let words = deadline(&reviewed, 0).unwrap();
        assert!(words.contains("nobody can reject"), "{words}");
        reviewed.arbiter = [7; 32].into();
        let words = deadline(&reviewed, 0).unwrap();
        assert!(words.contains("may reject"), "{words}");
    }

    #[test]
    fn payment_waits_for_demands_and_reactions() {
        let mut job = job(JobState::Submitted, Assurance::Refereed);
        let words = |job: &Job, now, answer| payable(job, now, 1_000, answer).1;
        assert_eq!(words(&job, 990, 0), "in 10s");
        assert_eq!(words(&job, 990, 980), "in 50s");
        assert_eq!(
            words(&job, 1_001, 0),
            "now, by the provider; in 1m 39s by anybody"
        );
        assert_eq!(words(&job, 1_101, 0), "now, by anybody");
        job.open_demands = 1.into();
        assert_eq!(
            words(&job, 990, 0),
            "in 10s, or later while demands are open"
        );
        assert_eq!(words(&job, 1_101, 0), "as soon as no demand is open");
    }

    #[test]
    fn lists_say_what_is_special() {
        let mut job = job(JobState::Submitted, Assurance::Refereed);
        assert_eq!(state(&job), "submitted");
        job.open_demands = 1.into();
        assert_eq!(state(&job), "submitted, 1 demand");
        job.open_demands = 2.into();
        assert_eq!(state(&job), "submitted, 2 demands");
        job.state = JobState::Convicted as u8;
        job.conviction_reason = ConvictionReason::WrongCell as u8;
        assert_eq!(state(&job), "convicted: a wrong value");
    }

    #[test]
    fn places_are_named() {
        let cell = Conviction::WrongCell {
            op: 3,
            row: 7,
            col: 5,
            at: 0,
        };
        let node_id = |tree, level, index| NodeRef { tree, level, index };
        assert_eq!(place(&cell), "op 3, row 7, column 5");
        assert_eq!(
            place(&Conviction::Unanswered(node_id(u16::MAX, 0, 0))),
            "the root of the trace"
        );
        assert_eq!(
            place(&Conviction::BadPadding(node_id(1_024, 2, 1))),
            "padding in level 2, index 1 of input 0"
        );
        assert_eq!(node(2_048, 9, 4, true), "leaf 4 of weight 0");
    }
}
