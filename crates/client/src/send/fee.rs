//! What a transaction offers for being included sooner. The whole policy:
//!
//! 1. **A price follows nothing that was paid before.** What was paid for the same accounts is what this wallet and its peers
//!    have paid, and what anybody pays who wants them to pay more. So nothing of it is read: the first attempt offers
//!    [`FIRST_PRICE`].
//! 2. **A price rises only after an attempt has expired**, in [`LAST_STEP`] even steps of which the last offers the most. Where
//!    less time is left than all attempts take, the first steps are left out: see [`step`].
//! 3. **The most is what the errand is worth**: an [`Errand`] states it, [`Budgets`] bound it for an errand, a job and an hour of
//!    the wallet, and a cap bounds the price of a unit.
//! 4. The first price is offered whatever is left of a budget: it is less than a third of a signature.

use {
    crate::{instructions, transaction::MICRO},
    quern::state::Job,
    solana_sdk::pubkey::Pubkey,
    std::{
        collections::{HashMap, VecDeque},
        time::{Duration, Instant},
    },
};

/// What the first attempt offers, in micro-lamports a compute unit: 8 lamports for an answer.
pub const FIRST_PRICE: u64 = 1_000;
/// The step that offers the most; steps are counted from 0.
pub const LAST_STEP: u32 = 3;
/// How long an attempt takes: a blockhash is valid for 150 blocks, about a minute, and some.
pub const ATTEMPT_SECS: i64 = 75;
/// The most for a unit that a usual errand offers: a lamport, as much as a crowded hour takes.
pub const USUAL_CAP: u64 = 1_000_000;
/// The same for an errand with a deadline, where others gain if a transaction comes too late: some 0.0015 SOL for a conviction of
/// 25,000 units, and some 1.2 SOL a block for those who would keep it out by filling its job's share of each.
pub const IN_TIME_CAP: u64 = 50_000_000;
/// What a signature costs.
pub const SIGNATURE_LAMPORTS: u64 = 5_000;
/// Prices differ by less than this from what the policy says, so that equal requests differ.
const JITTER: u64 = 256;

/// What is paid for being included sooner, per compute unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorityFee {
    /// Nothing.
    None,
    /// This many micro-lamports.
    Fixed(u64),
    /// What the errand is worth, beginning with little.
    Within {
        /// The most, in micro-lamports, if it shall not be [`Errand::cap_micro_lamports`].
        cap_micro_lamports: Option<u64>,
    },
}

/// What a wallet spends at most on priority fees, beside what its errands earn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// For one transaction that belongs to no job, or that can be sent at any time.
    pub errand_lamports: u64,
    /// For all transactions of a job together: a provider's takes, submissions and answers beyond their fees, or a watcher's
    /// case, in which the fees of its demands count, too.
    pub job_lamports: u64,
    /// For everything within an hour.
    pub hour_lamports: u64,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            errand_lamports: 1_000_000,
            job_lamports: 10_000_000,
            hour_lamports: 100_000_000,
        }
    }
}

/// What a transaction is sent for: until when it must have landed, and what it is worth. There is no other way to make one than
/// to say both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errand {
    job: Option<Pubkey>,
    due: Option<i64>,
    earns_lamports: u64,
    puts_up_lamports: u64,
}

impl Errand {
    /// What loses nothing by coming later: it has no deadline, or anybody may do it after one.
    pub const fn anytime() -> Self {
        Self {
            job: None,
            due: None,
            earns_lamports: 0,
            puts_up_lamports: 0,
        }
    }

    /// What a party loses by if it is not done before the current state of a job ends: submit, reject, resolve. Worth the job's
    /// budget.
    pub fn before_deadline(job: &Job) -> Self {
        Self::of(job, job.deadline.get())
    }

    /// What convicts a result: in time before the job can be paid, which answers put off. Worth the job's budget.
    pub fn before_payment(job: &Job) -> Self {
        let reacted = match job.last_answer_at.get() {
            0 => 0,
            answered => answered.saturating_add(job.terms.react_secs.get().into()),
        };
        Self::of(job, job.deadline.get().max(reacted))
    }

    /// A demand: as a conviction, and its fee is put up out of the job's budget.
    pub fn demand(job: &Job) -> Self {
        Self {
            puts_up_lamports: job.terms.demand_fee_lamports.get(),
            ..Self::before_payment(job)
        }
    }

    /// What is worth the job's budget, and loses nothing by a deadline: to take a job, to record that a demand was not answered.
    pub fn unhurried(job: &Job) -> Self {
        Self {
            due: None,
            ..Self::of(job, 0)
        }
    }

    /// Answers, the first of them due then. Worth the fees that they earn, and at last the job's budget.
    pub const fn answer(job: Pubkey, due: i64, fees_lamports: u64) -> Self {
        Self {
            job: Some(job),
            due: Some(due),
            earns_lamports: fees_lamports.saturating_sub(SIGNATURE_LAMPORTS),
            puts_up_lamports: 0,
        }
    }

    fn of(job: &Job, due: i64) -> Self {
        Self {
            job: Some(instructions::job_address(job)),
            due: Some(due),
            earns_lamports: 0,
            puts_up_lamports: 0,
        }
    }

    /// Until when it must have landed, in seconds since 1970, if it has a deadline.
    pub const fn due(&self) -> Option<i64> {
        self.due
    }

    /// The most that it offers for a unit, in micro-lamports, where nobody says otherwise.
    pub const fn cap_micro_lamports(&self) -> u64 {
        match self.due {
            Some(_) => IN_TIME_CAP,
            None => USUAL_CAP,
        }
    }

    /// What its own transaction earns, the signature paid.
    pub const fn earns_lamports(&self) -> u64 {
        self.earns_lamports
    }

    /// The job whose budget it takes from.
    pub const fn job(&self) -> Option<Pubkey> {
        self.job
    }
}

/// The step of an attempt after so many that expired. Each step that there is no time for is left out.
pub fn step(expired: u32, secs_left: Option<i64>) -> u32 {
    let skipped = secs_left.map_or(0, |left| {
        let chances = u32::try_from(left.max(0) / ATTEMPT_SECS).unwrap_or(u32::MAX);
        LAST_STEP.saturating_sub(chances)
    });
    expired.max(skipped).min(LAST_STEP)
}

/// What an attempt may cost beside its signatures, if so much is left for its job and for the hour.
pub fn budget_lamports(
    errand: &Errand,
    step: u32,
    budgets: &Budgets,
    job_left: u64,
    hour_left: u64,
) -> u64 {
    // A half of the hour is kept for what has a deadline: nothing that strangers choose the time of uses it up.
    let hour_left = match errand.due {
        Some(_) => hour_left,
        None => hour_left.saturating_sub(budgets.hour_lamports / 2),
    };
    // More of the job's transactions may follow: each takes at most half of what is left.
    let own = match (errand.job, errand.earns_lamports) {
        (None, _) => budgets.errand_lamports,
        (Some(_), 0) => job_left / 2,
        (Some(_), _) if step >= LAST_STEP => job_left / 2,
        // What earns its own fee takes nothing of the budget before the last moment.
        (Some(_), _) => 0,
    };
    errand.earns_lamports.saturating_add(own.min(hour_left))
}

/// The price of a unit, in micro-lamports, at a step.
pub fn unit_price(step: u32, units: u32, cap: u64, budget_lamports: u64) -> u64 {
    let first = FIRST_PRICE.min(cap);
    let worth = u128::from(budget_lamports) * MICRO / u128::from(units.max(1));
    let most = u64::try_from(worth).unwrap_or(u64::MAX).clamp(first, cap);
    if step >= LAST_STEP {
        return most;
    }
    let ratio = most as f64 / first.max(1) as f64;
    let price = first as f64 * ratio.powf(f64::from(step) / f64::from(LAST_STEP));
    (price as u64).clamp(first, most)
}

/// A price that differs a little for each number, and is never above the given one.
pub fn distinct_price(price: u64, number: u32) -> u64 {
    match price >= 2 * JITTER {
        true => price - u64::from(number) % JITTER,
        false => price,
    }
}

/// What one wallet has spent beside what its errands earned.
#[derive(Debug, Default)]
pub struct Ledger {
    jobs: HashMap<Pubkey, u64>,
    hour: VecDeque<(Instant, u64)>,
}

impl Ledger {
    const HOUR: Duration = Duration::from_secs(3_600);
    /// More jobs than this are forgotten at once: strangers create them. The hour's budget bounds what that may cost.
    const MOST_JOBS: usize = 10_000;

    /// What is left for an errand's job, and for this hour.
    pub fn left(&mut self, errand: &Errand, budgets: &Budgets) -> (u64, u64) {
        while let Some((at, _)) = self.hour.front()
            && at.elapsed() >= Self::HOUR
        {
            self.hour.pop_front();
        }
        let spent: u64 = self.hour.iter().map(|(_, lamports)| lamports).sum();
        let of_job = errand.job.and_then(|job| self.jobs.get(&job)).copied();
        (
            budgets.job_lamports.saturating_sub(of_job.unwrap_or(0)),
            budgets.hour_lamports.saturating_sub(spent),
        )
    }

    /// Notes an attempt at this priority fee.
    pub fn book(&mut self, errand: &Errand, priority_lamports: u64) {
        let own = priority_lamports.saturating_sub(errand.earns_lamports);
        if let Some(job) = errand.job {
            if self.jobs.len() >= Self::MOST_JOBS {
                self.jobs.clear();
            }
            let of_job = self.jobs.entry(job).or_default();
            *of_job = of_job.saturating_add(own + errand.puts_up_lamports);
        }
        if own > 0 {
            self.hour.push_back((Instant::now(), own));
        }
    }

    /// Takes an attempt back that never landed: it cost nothing.
    pub fn take_back(&mut self, errand: &Errand, priority_lamports: u64) {
        let own = priority_lamports.saturating_sub(errand.earns_lamports);
        if let Some(of_job) = errand.job.and_then(|job| self.jobs.get_mut(&job)) {
            *of_job = of_job.saturating_sub(own + errand.puts_up_lamports);
        }
        if let Some(at) = self.hour.iter().rposition(|(_, booked)| *booked == own) {
            self.hour.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: u64 = IN_TIME_CAP;

    fn job() -> Job {
        let mut job: Job = bytemuck::Zeroable::zeroed();
        job.deadline = 10_000.into();
        job.terms.react_secs = 50.into();
        job.terms.demand_fee_lamports = 10_000.into();
        job
    }

    #[test]
    fn steps_follow_expired_attempts_and_the_time_that_is_left() {
        for (expired, left, expected) in [
            (0, None, 0),
            (1, None, 1),
            (9, None, LAST_STEP),
            (0, Some(6 * 3_600), 0),
            (2, Some(6 * 3_600), 2),
            (0, Some(3 * ATTEMPT_SECS), 0),
            (0, Some(3 * ATTEMPT_SECS - 1), 1),
            (0, Some(ATTEMPT_SECS), 2),
            (0, Some(30), LAST_STEP),
            // The cluster's clock may be behind.
            (0, Some(-30), LAST_STEP),
            (0, Some(i64::MIN), LAST_STEP),
            (0, Some(i64::MAX), 0),
        ] {
            assert_eq!(step(expired, left), expected, "{expired} {left:?}");
        }
    }

    #[test]
    fn prices_rise_in_even_steps_and_end_at_the_most() {
        let prices =
            |units, cap, budget| [0, 1, 2, 3, 4].map(|step| unit_price(step, units, cap, budget));
        // A lamport a unit is what the budget affords.
        let [first, second, third, last, beyond] = prices(1_000, CAP, 1_000);
        assert_eq!((first, last, beyond), (FIRST_PRICE, 1_000_000, 1_000_000));
        assert!((9_900..=10_100).contains(&second), "{second}");
        assert!((99_000..=101_000).contains(&third), "{third}");
        assert_eq!(prices(1_000, CAP, u64::MAX)[3], CAP);
        // A budget that is used up leaves the first price, and a lower cap bounds that, too.
        assert_eq!(prices(1_000, CAP, 0), [FIRST_PRICE; 5]);
        assert_eq!(prices(1_000, 7, u64::MAX), [7; 5]);
        assert_eq!(prices(1_000, 0, u64::MAX), [0; 5]);
        for units in [0, 1, 7_000, 1_400_000] {
            for budget in [0, 1, 5_000, 10_000_000, u64::MAX] {
                for cap in [0, 1, 999, 1_000, CAP, u64::MAX] {
                    let all = prices(units, cap, budget);
                    assert!(all.is_sorted() && all[4] <= cap, "{units} {budget} {cap}");
                    let fee = u128::from(units) * u128::from(all[4]) / MICRO;
                    let most =
                        u128::from(budget).max(u128::from(units) * u128::from(FIRST_PRICE) / MICRO);
                    assert!(fee <= most, "{units} {budget} {cap}");
                }
            }
        }
    }

    #[test]
    fn an_answer_offers_what_it_earns_and_the_jobs_budget_at_last() {
        let budgets = Budgets::default();
        let answer = Errand::answer(Pubkey::default(), 10, 10_000);
        let of = |step| budget_lamports(&answer, step, &budgets, 10_000_000, 100_000_000);
        assert_eq!([of(0), of(1), of(2)], [5_000; 3]);
        assert_eq!(of(LAST_STEP), 5_005_000);
        // Nothing but what it earns once the job's budget, or the hour's, is used up.
        for (job_left, hour_left) in [(0, 100_000_000), (10_000_000, 0)] {
            let left = budget_lamports(&answer, LAST_STEP, &budgets, job_left, hour_left);
            assert_eq!(left, 5_000);
        }
    }

    #[test]
    fn every_errand_says_until_when_and_for_how_much() {
        let (mut job, budgets) = (job(), Budgets::default());
        // Half of the hour is for what has a deadline.
        let worth = |errand: &Errand| budget_lamports(errand, 0, &budgets, 8_000_000, 53_000_000);
        for (errand, due, lamports) in [
            (Errand::anytime(), None, 1_000_000),
            (Errand::before_deadline(&job), Some(10_000), 4_000_000),
            (Errand::before_payment(&job), Some(10_000), 4_000_000),
            (Errand::demand(&job), Some(10_000), 4_000_000),
            (Errand::unhurried(&job), None, 3_000_000),
            (
                Errand::answer(Pubkey::default(), 7, 30_000),
                Some(7),
                25_000,
            ),
        ] {
            assert_eq!(
                (errand.due(), worth(&errand)),
                (due, lamports),
                "{errand:?}"
            );
        }
        // The cap follows the deadline.
        for (errand, cap) in [
            (Errand::anytime(), USUAL_CAP),
            (Errand::unhurried(&job), USUAL_CAP),
            (Errand::before_payment(&job), IN_TIME_CAP),
            (Errand::answer(Pubkey::default(), 7, 1), IN_TIME_CAP),
        ] {
            assert_eq!(errand.cap_micro_lamports(), cap, "{errand:?}");
        }
        // An answer puts the end off, and the time to react counts from it.
        job.last_answer_at = 9_990.into();
        assert_eq!(Errand::before_payment(&job).due(), Some(10_040));
        assert_eq!(Errand::before_deadline(&job).due(), Some(10_000));
    }

    #[test]
    fn a_ledger_counts_what_was_not_earned() {
        let (job, budgets, mut ledger) = (job(), Budgets::default(), Ledger::default());
        let conviction = Errand::before_payment(&job);
        ledger.book(&conviction, 4_000_000);
        ledger.book(&Errand::demand(&job), 1_000);
        let all = (10_000_000 - 4_011_000, 100_000_000 - 4_001_000);
        assert_eq!(ledger.left(&conviction, &budgets), all);
        // What never landed cost nothing, and what was earned is no loss.
        ledger.take_back(&conviction, 4_000_000);
        assert_eq!(ledger.left(&conviction, &budgets).1, 100_000_000 - 1_000);
        let answer = Errand::answer(Pubkey::default(), 0, 10_000);
        ledger.book(&answer, 5_000);
        assert_eq!(ledger.left(&answer, &budgets), (10_000_000, 99_999_000));
        ledger.book(&answer, 6_000);
        assert_eq!(ledger.left(&answer, &budgets), (9_999_000, 99_998_000));
    }

    #[test]
    fn distinct_prices_stay_below() {
        let all: std::collections::HashSet<u64> = (0..256)
            .map(|number| distinct_price(1_000, number))
            .collect();
        assert_eq!(all.len(), 256);
        assert!(all.iter().all(|price| (745..=1_000).contains(price)));
        assert_eq!(distinct_price(7, 3), 7);
    }
}
