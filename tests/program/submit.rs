//! `submit`: a provider commits to a result, once for each milestone.

use super::common::*;

#[test]
fn a_submission_begins_the_review() {
    let mut stage = Stage::new();
    let provider = stage.cast.provider;
    let job = stage.job_in(JobState::Taken, stage.accepted());
    // Until the last second of the work time.
    stage.at_deadline(&job, 0);
    let outcome = stage.ok(ix::submit(&provider, &stage.job(&job), proof(1)));
    let QuernEvent::ResultSubmitted(event) = outcome.event() else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (event.job, event.provider, event.milestone, event.submission),
        (job, provider, 0, 1)
    );
    assert_eq!(
        (event.trace_root, event.output_uri.as_str()),
        (proof(1).trace_root, "https://out.example/1")
    );
    let state = stage.job(&job);
    assert_eq!(
        (state.state(), state.trace_root, state.submissions.get()),
        (JobState::Submitted, proof(1).trace_root, 1)
    );
    assert_eq!(
        state.output_uri_hash,
        anchor_lang::sha256(b"https://out.example/1")
    );
    assert_eq!(state.deadline.get(), stage.now() + 1_200);
}

/// A9: a second try for one milestone does not become the result of the next.
#[test]
fn a_submission_is_about_the_milestone_that_was_worked_on() {
    let mut stage = Stage::new();
    let provider = stage.cast.provider;
    let job = stage.job_in(JobState::Taken, stage.accepted());
    let submit = ix::submit(&provider, &stage.job(&job), proof(1));
    stage.ok(submit.clone());
    stage.refused(submit.clone(), QuernError::JobMoved);
    stage.accept(&job);
    assert_eq!(stage.job(&job).state(), JobState::Taken);
    stage.refused(submit, QuernError::JobMoved);
}

/// Nothing is refuted in a reviewed job, so one of a model with tokens is submitted like any other.
#[test]
fn a_reviewed_job_of_a_model_with_tokens_needs_no_root_of_them() {
    let mut stage = Stage::new();
    let claim = text(1);
    let model = stage.model_of(&claim);
    let (client, usd, provider) = (stage.cast.client, stage.usd, stage.cast.provider);
    let args = NewJob {
        items: claim.items,
        input_roots: stage.args_of(&claim).input_roots,
        ..stage.accepted()
    };
    let purse: Purse = stage.get(&addresses::purse(&client, &usd));
    let create = stage.create_ix_of(&client, &usd, Some(&model), args);
    stage.ok(create);
    let job = addresses::job(&client, &usd, purse.opened.get());
    assert_eq!(stage.job(&job).tokens_input(), None);
    stage.take(&job);
    let with_tokens = Submission {
        tokens_root: [1; 32],
        ..proof(1)
    };
    let submit = |stage: &Stage, args| ix::submit(&provider, &stage.job(&job), args);
    stage.refused(submit(&stage, with_tokens), QuernError::TokensDoNotFit);
    stage.ok(submit(&stage, proof(1)));
}

/// A1: a result can lose the bond, so the operator commits only to what it took itself.
#[test]
fn an_operator_submits_only_for_its_own_takes() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let job = stage.job_in(JobState::Taken, stage.refereed());
    let submit = |stage: &Stage, job: &Pubkey, signer: &Pubkey| {
        ix::submit(signer, &stage.job(job), proof(1))
    };
    stage.refused(
        submit(&stage, &job, &cast.operator),
        QuernError::TakenByOwner,
    );
    stage.ok(submit(&stage, &job, &cast.provider));
    // The owner may submit for either.
    for signer in [cast.operator, cast.provider] {
        let job = stage.create(stage.refereed());
        stage.ok(ix::take_job(
            &cast.operator,
            &cast.provider,
            &stage.job(&job),
        ));
        stage.ok(submit(&stage, &job, &signer));
    }
}

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
        (E::TooLate, "a submission after the time to work", |stage| {
            let job = stage.job_in(JobState::Taken, stage.refereed());
            stage.at_deadline(&job, 1);
            ix::submit(&stage.cast.provider, &stage.job(&job), proof(2))
        }),
        (E::TokensDoNotFit, "tokens in a graph without", |stage| {
            let job = stage.job_in(JobState::Taken, stage.refereed());
            let args = Submission {
                tokens_root: [1; 32],
                ..proof(2)
            };
            ix::submit(&stage.cast.provider, &stage.job(&job), args)
        }),
        (E::TokensDoNotFit, "a text without tokens", |stage| {
            let job = stage.created_for(&text(1));
            stage.take(&job);
            ix::submit(&stage.cast.provider, &stage.job(&job), proof(2))
        }),
        (E::TakenByOwner, "the operator submits", |stage| {
            let job = stage.job_in(JobState::Taken, stage.refereed());
            ix::submit(&stage.cast.operator, &stage.job(&job), proof(2))
        }),
        (
            E::JobMoved,
            "a submission for an earlier milestone",
            |stage| {
                let job = stage.job_in(JobState::Taken, stage.accepted());
                let late = ix::submit(&stage.cast.provider, &stage.job(&job), proof(1));
                stage.submit(&job);
                stage.accept(&job);
                late
            },
        ),
    ]
}
