#![allow(missing_docs, clippy::all, unused)]
use async_trait::async_trait;
use bytemuck::Zeroable;
use quern_client::{Pubkey, Signature, accounts::ModelAccount, quern::{clock::Moment, state::*}};
use quern_node::watch::*;
use quern_node::error::Result;
use quern_proof::{evidence::Charge, question::Question};
use std::sync::{Arc, Mutex, atomic::*};

struct C { stale: AtomicUsize }
fn job(state: JobState, sub: u32) -> Job {
    let mut j = Job::zeroed();
    j.state = state as u8; j.assurance = Assurance::Refereed as u8; j.submissions = sub.into();
    j.deadline = 10_000i64.into(); j.review_secs = 1000u32.into(); j
}
#[async_trait]
impl WatchChain for C {
    fn signer(&self) -> Pubkey { Pubkey::from([9; 32]) }
    async fn moment(&self) -> Result<Moment> { Ok(Moment { now: 9_100, slot: 5, last_restart_slot: 0 }) }
    async fn jobs(&self, s: JobState, _: Option<Pubkey>) -> Result<Vec<(Pubkey, Job)>> {
        Ok(if s == JobState::Submitted { vec![(Pubkey::from([1; 32]), job(s, 1))] } else { vec![] })
    }
    async fn job(&self, _: &Pubkey) -> Result<Option<Job>> {
        Ok(Some(if self.stale.fetch_sub(1, Ordering::SeqCst) > 0 && self.stale.load(Ordering::SeqCst) < 100 { job(JobState::Taken, 0) } else { println!("fresh read"); job(JobState::Submitted, 1) }))
    }
    async fn model(&self, _: &Pubkey) -> Result<ModelAccount> { println!("examining"); Err(quern_node::error::NodeError::NotReady("x".into())) }
    async fn input_uri(&self, _: &Pubkey, _: &Job) -> Result<String> { panic!() }
    async fn model_uri(&self, _: &Pubkey, _: &Model) -> Result<String> { panic!() }
    async fn output_uri(&self, _: &Pubkey, _: &Job) -> Result<String> { panic!() }
    async fn asked(&self, _: &Pubkey) -> Result<Vec<Asked>> { Ok(vec![]) }
    async fn ask(&self, _: &Job, _: &Question, _: Option<Pubkey>) -> Result<()> { panic!() }
    async fn convict(&self, _: &Job, _: &Charge, _: &[u8]) -> Result<Conviction> { panic!() }
    async fn timeout(&self, _: &Job, _: &Asked) -> Result<Signature> { panic!() }
    async fn settle_slash(&self, _: &Pubkey, _: &Job) -> Result<bool> { panic!() }
    async fn tidy(&self) -> Result<usize> { Ok(0) }
    async fn fate(&self, _: &Pubkey) -> Result<Fate> { panic!() }
}
#[tokio::test]
async fn stale() {
    for n in [0usize, 1] {
        let w = Watcher::new(Settings::default(), Arc::new(C { stale: AtomicUsize::new(n) })).unwrap();
        for pass in 0..3 {
            let p = w.pass().await.unwrap();
            println!("stale reads {n} pass {pass}: reports {:?} waiting {}", p.reports.iter().map(|r| r.verdict.details()).collect::<Vec<_>>(), p.waiting);
        }
    }
}
