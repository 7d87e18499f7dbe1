//! Reviewed jobs over a slow network: each party signs what it decides about what it sees, and the network delivers it later, twice
//! and in any order. Whatever arrives, a decision takes effect once at most, and only on what its signer saw (P16).

use {
    quern::{
        error::QuernError,
        state::{Job, JobState},
    },
    quern_testkit::svm::*,
    solana_sdk::{instruction::Instruction, pubkey::Pubkey},
    std::collections::BTreeMap,
};

/// A decision on its way.
#[derive(Clone)]
struct Letter {
    name: &'static str,
    instruction: Instruction,
    address: Pubkey,
    saw: Job,
}

/// How often a decision took effect, and how often it came too late.
#[derive(Default)]
struct Count {
    done: u32,
    moved: u32,
}

struct Game {
    rng: Rng,
    stage: Stage,
    job: Pubkey,
    post: Vec<Letter>,
    counts: BTreeMap<&'static str, Count>,
    /// Results that a client accepted by a signature, by job: milestone and commitment.
    accepted: Vec<(Pubkey, u8, [u8; 32])>,
}

impl Game {
    fn new(seed: u64) -> Self {
        let mut stage = Stage::new();
        let job = stage.create(stage.accepted());
        Self {
            rng: Rng::new(seed),
            stage,
            job,
            post: Vec::new(),
            counts: BTreeMap::new(),
            accepted: Vec::new(),
        }
    }

    /// What somebody decides about the job as it is.
    fn decide(&mut self) -> Letter {
        let saw = self.stage.job(&self.job);
        let cast = self.stage.cast.clone();
        let signer = *self.rng.pick(&[cast.provider, cast.operator]);
        let (name, instruction) = match saw.state() {
            JobState::Open if self.rng.once_in(8) => ("cancel_job", ix::cancel_job(&saw)),
            JobState::Open => ("take_job", ix::take_job(&signer, &cast.provider, &saw)),
            JobState::Taken => {
                let result = proof(self.rng.below(200) as u8);
                ("submit", ix::submit(&signer, &saw, result))
            }
            JobState::Submitted => match self.rng.below(3) {
                0 => ("reject", ix::reject(&saw, "wrong".into())),
                1 => ("finalize", ix::accept(&saw, &self.stage.emission())),
                _ => {
                    let emission = self.stage.emission();
                    ("finalize", ix::finalize(&signer, &saw, &emission))
                }
            },
            JobState::Rejected => {
                let share = *self.rng.pick(&[0, 4_999, 5_000, 10_000]);
                ("resolve", ix::resolve(&saw, decision(share, 0)))
            }
            JobState::Convicted => panic!("a reviewed job is never convicted"),
        };
        Letter {
            name,
            instruction,
            address: self.job,
            saw,
        }
    }

    /// The network delivers one of the letters; it may deliver it again.
    fn deliver(&mut self) {
        if self.post.is_empty() {
            return;
        }
        let at = self.rng.below(self.post.len() as u64) as usize;
        let letter = self.post[at].clone();
        if self.rng.once_in(3) {
            self.post.swap_remove(at);
        }
        let is_live = self.stage.exists(&letter.address);
        let before = is_live.then(|| self.stage.job(&letter.address));
        let is_same =
            before.is_some_and(|job| bytemuck::bytes_of(&job) == bytemuck::bytes_of(&letter.saw));
        let count = self.counts.entry(letter.name).or_default();
        match self.stage.world.send(&[letter.instruction]) {
            Ok(_) => {
                assert!(is_same, "P16: {} was about another state", letter.name);
                count.done += 1;
                if letter.name == "finalize" {
                    let paid = (letter.address, letter.saw.milestone, letter.saw.trace_root);
                    let again = self.accepted.iter().any(|(job, milestone, _)| {
                        (job, milestone) == (&letter.address, &letter.saw.milestone)
                    });
                    assert!(!again, "a milestone was paid twice");
                    self.accepted.push(paid);
                }
            }
            Err(failure) if is_live && !is_same => {
                assert_eq!(
                    failure.code(),
                    Some(code_of(QuernError::JobMoved)),
                    "{} came too late: {:?}",
                    letter.name,
                    failure.error
                );
                count.moved += 1;
            }
            Err(_) => {}
        }
    }

    fn pass_time(&mut self) {
        if self.stage.state_of(&self.job) != Some(JobState::Submitted) && self.rng.once_in(3) {
            self.stage.at_deadline(&self.job, 1);
            self.stage.expire(&self.job);
        } else {
            self.stage.wait(600);
        }
    }

    fn round(&mut self) {
        if !self.stage.exists(&self.job) {
            self.job = self.stage.create(self.stage.accepted());
        }
        let letter = self.decide();
        self.post.push(letter);
        for _ in 0..self.rng.below(4) {
            self.deliver();
        }
        if self.post.len() > 12 {
            self.post.remove(0);
        }
        if self.stage.exists(&self.job) && self.rng.once_in(10) {
            self.pass_time();
        }
    }
}

#[test]
fn a_decision_takes_effect_once_and_only_on_what_its_signer_saw() {
    let mut counts: BTreeMap<&'static str, Count> = BTreeMap::new();
    for seed in 1..=4 {
        let mut game = Game::new(seed);
        for _ in 0..250 {
            game.round();
        }
        for (name, count) in game.counts {
            let sum = counts.entry(name).or_default();
            sum.done += count.done;
            sum.moved += count.moved;
        }
    }
    // The seeds are fixed: every decision was both in time and too late.
    for name in [
        "take_job",
        "submit",
        "finalize",
        "reject",
        "resolve",
        "cancel_job",
    ] {
        let count = counts.get(name);
        assert!(
            count.is_some_and(|count| count.done > 0 && count.moved > 0),
            "{name} was never both in time and too late"
        );
    }
}
