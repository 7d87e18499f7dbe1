//! Happy paths of jobs.
#![allow(clippy::unwrap_used, clippy::panic)]
use quern_tests::svm::*;

#[test]
fn smoke() {
    let mut stage = Stage::new();
    let job = stage.create(stage.refereed());
    stage.take(&job);
    stage.submit(&job);
    stage.at_deadline(&job, 1);
    let outcome = stage.finalize(&job);
    println!("{} {:?}", outcome.compute_units, outcome.event());
}
