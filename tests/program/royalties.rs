//! Royalties over transfers of a model: a job pays the owner that its client read, a new job the new one, and both withdraw.

use super::common::*;

/// Royalty of the usual price: 3 % of 10,000.
const ROYALTY: u64 = 300;

fn free(stage: &Stage, owner: &Pubkey) -> u64 {
    stage.usd_of(owner).0
}

/// Proposes an owner; the model stays its owner's.
fn propose(stage: &mut Stage, owner: &Pubkey, successor: &Pubkey) {
    let model = stage.model;
    stage.ok(ix::update_model(owner, &model, None, Some(*successor)));
}

fn settle(stage: &mut Stage, job: &Pubkey) {
    stage.at_deadline(job, 1);
    stage.finalize(job);
}

#[test]
fn each_job_pays_the_owner_that_its_client_read() {
    let mut stage = Stage::new();
    let (creator, heir, model) = (stage.cast.creator, stage.cast.stranger, stage.model);
    let before = (free(&stage, &creator), free(&stage, &heir));
    // In three milestones, of which one is paid before the transfer.
    let long = stage.job_in(JobState::Submitted, stage.accepted());
    let old = stage.job_in(JobState::Submitted, stage.refereed());
    stage.accept(&long);
    propose(&mut stage, &creator, &heir);
    // Proposed is not transferred.
    let proposed = stage.job_in(JobState::Submitted, stage.refereed());
    assert_eq!(stage.job(&proposed).royalty_owner, creator);
    let read_before = stage.create_ix(stage.refereed());
    stage.ok(ix::accept_model_owner(&heir, &model));
    assert_eq!(stage.get::<Model>(&model).owner, heir);
    // Who read the old owner gets no job with the new one.
    stage.refused(read_before, QuernError::TermsChanged);
    let new = stage.job_in(JobState::Submitted, stage.refereed());
    assert_eq!(stage.job(&new).royalty_owner, heir);

    // The new owner raises its share; whatever was created before keeps the old one.
    let raised = ModelSettings {
        active: true,
        royalty_bps: 5_000,
        uri: "https://models.example/moved".into(),
    };
    stage.ok(ix::update_model(&heir, &model, Some(raised), None));
    let dear = stage.job_in(JobState::Submitted, stage.refereed());
    for job in [old, proposed, new, dear] {
        settle(&mut stage, &job);
    }
    for _ in 0..2 {
        stage.submit(&long);
        stage.accept(&long);
    }
    assert!(!stage.exists(&long));
    // Three milestones and two jobs; one job at 3 % and one at 50 %.
    assert_eq!(free(&stage, &creator), before.0 + 5 * ROYALTY);
    assert_eq!(free(&stage, &heir), before.1 + ROYALTY + 5_000);

    // Both take what is theirs.
    let usd = stage.usd;
    for (owner, atoms) in [(creator, 5 * ROYALTY), (heir, ROYALTY + 5_000)] {
        stage.withdraw(&owner, &usd, atoms);
        let account = token::account(&stage, &owner, &usd);
        assert_eq!(token::amount(&stage, &account), atoms);
    }
}

/// Each owner of a chain of transfers, back to the first one, is paid by the jobs of its time.
#[test]
fn a_model_that_changes_hands_pays_each_owner_its_time() {
    let mut stage = Stage::new();
    let (creator, model) = (stage.cast.creator, stage.model);
    let owners = [creator, stage.cast.prover, stage.cast.stranger, creator];
    let mut jobs = Vec::new();
    for (at, owner) in owners.iter().enumerate() {
        if at > 0 {
            propose(&mut stage, &owners[at - 1], owner);
            stage.ok(ix::accept_model_owner(owner, &model));
        }
        jobs.push(stage.job_in(JobState::Submitted, stage.refereed()));
    }
    // Whoever owned it before has no say any more.
    let again = ix::update_model(&owners[1], &model, None, Some(owners[1]));
    stage.refused(again, QuernError::NotAuthorized);
    for (job, owner) in jobs.iter().zip(&owners) {
        let before = free(&stage, owner);
        settle(&mut stage, job);
        assert_eq!(free(&stage, owner), before + ROYALTY);
    }
}

/// A royalty and a campaign's score are two things: the owner of the model is paid by price, the provider scores by fee.
#[test]
fn a_royalty_goes_on_in_a_campaign() {
    let mut stage = Stage::new();
    let (creator, provider) = (stage.cast.creator, stage.cast.provider);
    let before = free(&stage, &creator);
    let campaign = super::claim_campaign::scored(&mut stage, |_| ());
    assert_eq!(free(&stage, &creator), before + ROYALTY);
    super::claim_campaign::after_settling(&mut stage, &campaign);
    let claim = stage.claim_ix(&campaign, &provider);
    stage.ok(claim);
    assert_eq!(free(&stage, &creator), before + ROYALTY);
}
