//! What leaderboards and their parts are called, and where they are.

use quern_api::{Assurance, Metric, Ranked};

/// Where a page of leaderboards is.
pub(super) fn path(ranked: Ranked) -> String {
    format!("/{}", ranked.word())
}

pub(super) fn metric_name(metric: Metric) -> &'static str {
    match metric {
        Metric::Earned => "Earnings",
        Metric::Work => "Work",
        Metric::Milestones => "Milestones",
        Metric::Rewards => "Rewards",
        Metric::Royalties => "Royalties",
        Metric::Spend => "Spending",
        Metric::Fees => "Fees",
        Metric::Claims => "Campaign claims",
        Metric::Escrowed => "Locked",
        Metric::Refunds => "Given back",
        Metric::Jobs => "Jobs created",
        Metric::Ended => "Jobs ended",
    }
}

pub(super) fn level_name(level: Assurance) -> &'static str {
    match level {
        Assurance::Refereed => "Refereed",
        Assurance::Reviewed => "Reviewed",
    }
}
