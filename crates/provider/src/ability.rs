//! What this machine can do, measured once at the start and corrected by what real jobs took.

use {
    crate::error::Result,
    quern_data::{Publisher, runtime::off_loop},
    quern_proof::{
        DType, Tensor, builder::GraphBuilder, commit::ItemTrace, eval::Batch, file, graph::Graph,
    },
    rayon::prelude::*,
    std::{
        thread,
        time::{Duration, Instant},
    },
};

/// Rows, columns and depth of the product that is measured: large enough for the caches to count.
const SIDE: u32 = 512;
/// Runs; the middle one counts.
const RUNS: usize = 3;
/// What is published to measure how fast that goes, in bytes, and where.
const PROBE_BYTES: usize = 1 << 20;
const PROBE_FILE: &str = "probe.bin";
/// Real jobs whose work should take less than this, or that publish less than the probe, correct nothing: their time went
/// into something else.
const LEAST_TIME: Duration = Duration::from_millis(200);
/// Time between two measurements, as long as jobs are refused because they could not be done in time.
pub(crate) const MEASURE_EVERY: Duration = Duration::from_secs(600);

/// Rates of this machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ability {
    /// Units of work a second in one item, the commitment and the files included.
    pub work_per_sec: f64,
    /// Bytes a second that get published.
    pub publish_bytes_per_sec: f64,
}

impl Ability {
    /// Measures it: a product with its commitment, and a file of 1 MiB that is published.
    ///
    /// # Errors
    /// That nothing can be published now.
    pub async fn measure(publisher: &Publisher) -> Result<Self> {
        let work_per_sec = off_loop(work_per_sec).await??;
        let started = Instant::now();
        publisher.put(PROBE_FILE, vec![0; PROBE_BYTES]).await?;
        let publish_bytes_per_sec = rate(PROBE_BYTES as f64, started.elapsed());
        tracing::info!(
            gwork_per_sec = work_per_sec / 1e9,
            publish_mib_per_sec = publish_bytes_per_sec / f64::from(1 << 20),
            "measured what this machine can do"
        );
        Ok(Self {
            work_per_sec,
            publish_bytes_per_sec,
        })
    }

    /// How long so much work in so many items takes with nothing beside it, and publishing so much.
    pub fn time_for(&self, work: u64, items: u32, bytes: u64) -> Duration {
        let secs = work as f64 / (self.work_per_sec * at_once(items))
            + bytes as f64 / self.publish_bytes_per_sec;
        // More than a lifetime is as good as never.
        Duration::try_from_secs_f64(secs).unwrap_or(Duration::MAX)
    }

    /// What follows from measuring again: half of the way, so that neither what real jobs took nor a bad hour is for ever.
    pub fn measured_again(&self, measured: &Self) -> Self {
        let half = |rate: fn(&Self) -> f64| f64::midpoint(rate(self), rate(measured));
        Self {
            work_per_sec: half(|ability| ability.work_per_sec),
            publish_bytes_per_sec: half(|ability| ability.publish_bytes_per_sec),
        }
    }

    /// Corrects the rate of work by what a job took: half of the way, so that one busy hour does not decide.
    pub fn worked(&mut self, work: u64, items: u32, took: Duration) {
        if took >= LEAST_TIME && self.time_for(work, items, 0) >= LEAST_TIME {
            let rate = rate(work as f64, took) / at_once(items);
            self.work_per_sec = f64::midpoint(self.work_per_sec, rate);
        }
    }

    /// The same for publishing.
    pub fn published(&mut self, bytes: u64, took: Duration) {
        if took >= LEAST_TIME && bytes >= PROBE_BYTES as u64 {
            let rate = rate(bytes as f64, took);
            self.publish_bytes_per_sec = f64::midpoint(self.publish_bytes_per_sec, rate);
        }
    }
}

fn rate(amount: f64, took: Duration) -> f64 {
    (amount / took.as_secs_f64().max(1e-6)).max(1.0)
}

/// Items that are computed at a time: each core has its own. Where memory is short they are fewer, which shows in what jobs take.
fn at_once(items: u32) -> f64 {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    f64::from(items.clamp(1, u32::try_from(cores).unwrap_or(u32::MAX)))
}

/// The rate of products with their commitment, in each of as many items as are computed at a time: one by itself would have all
/// cores.
fn work_per_sec() -> Result<f64> {
    let items = at_once(u32::MAX) as u32;
    let cells = (SIDE * SIDE) as usize;
    let values = |rows: u32| -> Vec<i8> {
        let all = 0..cells * rows as usize;
        all.map(|cell| (cell % 251) as u8 as i8).collect()
    };
    let operand = Tensor::from_i8(SIDE, SIDE, &values(1))?;
    let input = Tensor::from_i8(SIDE * items, SIDE, &values(items))?;
    let mut builder = GraphBuilder::new();
    let a = builder.input_item(DType::I8, SIDE, SIDE);
    let weight = builder.weight(&operand);
    builder.dot(a, weight).push();
    let graph = builder.finish().map_err(quern_proof::Error::from)?;
    let graph = Graph::load(&graph)?;
    let (input, operand) = (std::slice::from_ref(&input), std::slice::from_ref(&operand));
    let batch = Batch::new(&graph, items, input, operand, u64::MAX)?;
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let started = Instant::now();
        (0..items)
            .into_par_iter()
            .try_for_each(|item| -> Result<()> {
                let trace = ItemTrace::new(batch.item(item)?)?;
                file::encode_trace(trace.outputs())?;
                Ok(())
            })?;
        times.push(started.elapsed());
    }
    times.sort();
    let middle = times.get(RUNS / 2).copied().unwrap_or_default();
    Ok(rate(batch.sealed().work as f64, middle))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_machine_is_measured_and_corrected_by_what_jobs_took() {
        let folder = tempfile::tempdir().unwrap();
        let publisher = Publisher::folder(folder.path(), None).unwrap();
        let mut ability = Ability::measure(&publisher).await.unwrap();
        assert!(ability.work_per_sec > 1e6, "{ability:?}");
        ability.work_per_sec = 1e9;
        ability.worked(1_000_000_000, 1, Duration::from_secs(3));
        assert!(
            (0.66e9..0.67e9).contains(&ability.work_per_sec),
            "{ability:?}"
        );
        // What was over at once says nothing.
        ability.worked(1, 1, Duration::from_millis(1));
        assert!((0.66e9..0.67e9).contains(&ability.work_per_sec));
        // Nor does what took long for another reason than its products.
        ability.worked(1_000_000, 1, Duration::from_secs(10));
        assert!((0.66e9..0.67e9).contains(&ability.work_per_sec));
        ability.publish_bytes_per_sec = 1e6;
        assert_eq!(ability.time_for(0, 1, 3_000_000).as_secs(), 3);
        ability.work_per_sec = 1.0;
        assert!(ability.time_for(u64::MAX, 1, 0) > Duration::from_secs(u64::from(u32::MAX)));
    }
}
