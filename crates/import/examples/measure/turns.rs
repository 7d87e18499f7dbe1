//! Times of several ways, taken in turns.

use std::time::Instant;

use rayon::ThreadPool;

/// A way of doing something; it returns the seconds that one run took.
pub type Way<'w> = Box<dyn FnMut() -> f64 + 'w>;

/// Times one call.
pub fn seconds<T>(work: impl FnOnce() -> T) -> f64 {
    let begin = Instant::now();
    std::hint::black_box(work());
    begin.elapsed().as_secs_f64()
}

/// A way that calls `work` on these threads as often as `times` says, so that short work can be timed.
pub fn each<'w, T>(
    pool: &'w ThreadPool,
    times: usize,
    mut work: impl FnMut() -> T + Send + 'w,
) -> Way<'w> {
    Box::new(move || {
        let all = pool.install(|| {
            seconds(|| {
                for _ in 0..times {
                    std::hint::black_box(work());
                }
            })
        });
        all / times as f64
    })
}

/// Seconds by turn, then by way.
pub struct Turns(Vec<Vec<f64>>);

impl Turns {
    /// Runs all ways once, and then as often as `turns` says, one after the other.
    pub fn take(turns: usize, ways: &mut [Way<'_>]) -> Self {
        let mut round = || ways.iter_mut().map(|way| way()).collect();
        let _: Vec<f64> = round();
        Self((0..turns).map(|_| round()).collect())
    }

    /// The median of a way's seconds.
    pub fn seconds(&self, way: usize) -> f64 {
        median(self.0.iter().map(|turn| turn[way]).collect())
    }

    /// How many times as long `way` takes as `other`.
    pub fn ratio(&self, way: usize, other: usize) -> f64 {
        median(self.0.iter().map(|turn| turn[way] / turn[other]).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
