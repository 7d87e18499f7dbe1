//! `submit`: what is refused; the jobs of `finalize.rs` submit.

use super::common::*;

/// What `submit` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::BadText, "a long output URI", |stage| {
            let job = stage.job_in(JobState::Taken, stage.refereed());
            let mut args = proof(1);
            args.output_uri = "x".repeat(201);
            ix::submit(&stage.cast.provider, &stage.job(&job), args)
        }),
        (E::NotAuthorized, "a stranger submits", |stage| {
            let job = stage.job_in(JobState::Taken, stage.refereed());
            ix::submit(&stage.cast.stranger, &stage.job(&job), proof(1))
        }),
        (
            E::WrongProvider,
            "a submission by another provider",
            |stage| {
                let job = stage.job_in(JobState::Taken, stage.refereed());
                let mut instruction = ix::submit(&stage.cast.second, &stage.job(&job), proof(1));
                instruction.accounts[1].pubkey = addresses::provider(&stage.cast.second);
                instruction
            },
        ),
        (E::WrongState, "a submission to an open job", |stage| {
            let job = stage.job_in(JobState::Submitted, stage.refereed());
            ix::submit(&stage.cast.provider, &stage.job(&job), proof(2))
        }),
    ]
}
