//! `reject`: what is refused; `resolve.rs` and `expire.rs` test what follows.

use super::common::*;

/// What `reject` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::BadText, "a long reason", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.accepted());
            ix::reject(&stage.job(&job), "x".repeat(201))
        }),
        (E::InsufficientFunds, "a deposit of a rejection", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.accepted());
            let (client, usd) = (stage.cast.client, stage.usd);
            let free = stage.usd_of(&client).0;
            stage.withdraw(&client, &usd, free - 999);
            ix::reject(&stage.job(&job), String::new())
        }),
        (E::ReviewedOnly, "a refereed job is rejected", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.refereed());
            ix::reject(&stage.job(&job), String::new())
        }),
        (E::NoArbiter, "a rejection", |stage| {
            let mut args = stage.accepted();
            args.arbiter = NOBODY;
            args.pinned_provider = stage.cast.provider;
            let job = stage.job_in(JobState::Submitted, args);
            ix::reject(&stage.job(&job), String::new())
        }),
    ]
}
