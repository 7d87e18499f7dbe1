//! What comes next for a job.

use {
    super::{
        following::{conclude, created},
        placing::{creating, waiting},
        shared::Worked,
    },
    crate::{engine::Inner, record::Step},
    quern_data::runtime::lock,
    std::sync::Arc,
};

/// Works on a job until it has ended.
pub(crate) async fn work(inner: &Arc<Inner>, id: &str) -> Worked<()> {
    loop {
        let job = lock(&inner.book).jobs.get(id).cloned();
        let Some(job) = job else { return Ok(()) };
        match job.step {
            Step::Waiting => waiting(inner, job).await?,
            Step::Creating => creating(inner, job).await?,
            Step::Created => created(inner, job).await?,
            Step::Checked => conclude(inner, job).await?,
            Step::Ended => return Ok(()),
        }
    }
}
