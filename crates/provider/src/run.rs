//! The loop: asks the chain what there is to do, does it, and believes nothing else.

use {
    crate::{
        chain::{ProviderChain, check_ready},
        claims,
        context::{Context, SAY_AGAIN},
        demands,
        error::{ProviderError, Result},
        prepare,
        settings::Settings,
        steps,
        survey::survey,
        task::Task,
        worker::Worker,
    },
    quern_client::Pubkey,
    quern_data::runtime::{SaidSeldom, Tasks, lock, or_stopped, unless_broken_off},
    std::{
        collections::HashMap,
        sync::{Arc, atomic::Ordering},
    },
    tokio::time::Instant,
};

/// The provider agent.
pub struct Agent {
    pub(crate) context: Arc<Context>,
}

impl Agent {
    /// Opens the journal. `worker` does reviewed work; without one only refereed jobs are taken.
    ///
    /// # Errors
    /// `Data` if the folder cannot be used, or another process uses it.
    pub fn new(
        settings: Settings,
        chain: Arc<dyn ProviderChain>,
        worker: Option<Arc<dyn Worker>>,
    ) -> Result<Self> {
        let context = Arc::new(Context::new(settings, chain, worker)?);
        Ok(Self { context })
    }

    /// Works until `shutdown` is ready. Failures of single jobs are logged and do not end it.
    ///
    /// # Errors
    /// `NotReady` if the provider cannot work at all yet, or that the cluster cannot be reached at the start.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) -> Result<()> {
        let context = &self.context;
        check_ready(context.chain.as_ref(), &context.settings.owner).await?;
        if !steps::is_at_home(context).await? {
            return Err(ProviderError::NotReady(format!(
                "the folder {} belongs to a provider on another cluster; name another one with --home, or check --url",
                context.journal.home().display()
            )));
        }
        tracing::info!(owner = %context.settings.owner, signer = %context.chain.signer(), "the provider works");
        tokio::pin!(shutdown);
        let mut tasks: Tasks<(Pubkey, bool), bool> = Tasks::default();
        // It never ends by itself.
        or_stopped(&mut shutdown, follow(context, &mut tasks)).await;
        context.is_stopping.store(true, Ordering::SeqCst);
        tasks.drain(|_| ()).await;
        Ok(())
    }

    /// Does once everything that can be done now, and says how many jobs it touched.
    #[cfg(test)]
    pub(crate) async fn pass(&self) -> Result<usize> {
        let found = look(&self.context, &HashMap::new()).await?;
        let all = found
            .iter()
            .map(|(address, task)| attempt(&self.context, address, *task));
        Ok(futures::future::join_all(all).await.len())
    }
}

/// Looks at the chain again and again, and starts a task for every job that needs one. Tasks are known by their job, and by
/// whether it is still to be taken.
async fn follow(context: &Arc<Context>, tasks: &mut Tasks<(Pubkey, bool), bool>) {
    let mut said = SaidSeldom::default();
    loop {
        let busy = tasks.running().copied().collect();
        match look(context, &busy).await {
            Ok(found) => {
                for (address, task) in found {
                    let context = Arc::clone(context);
                    let work = async move { attempt(&context, &address, task).await };
                    tasks.spawn((address, task.is_new()), work);
                }
            }
            Err(error) if context.is_full_disk(&error) => {}
            Err(error) if said.is_due(Instant::now()) => {
                tracing::warn!(%error, "cannot read the chain; retrying");
            }
            Err(_) => {}
        }
        let pause = tokio::time::sleep(context.settings.poll);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                has_more = tasks.next() => if has_more == Some(true) {
                    break;
                },
            }
        }
    }
}

/// A look at the chain. A dead agent answers nothing, so nothing that a node says may end it.
async fn look(context: &Context, busy: &HashMap<Pubkey, bool>) -> Result<Vec<(Pubkey, Task)>> {
    unless_broken_off(survey(context, busy)).await?
}

/// Does a task; a failure is logged and the job rests for a while. Says whether there is more to do at once.
async fn attempt(context: &Context, address: &Pubkey, task: Task) -> bool {
    let error = match try_task(context, address, task).await {
        Ok(has_more) => {
            context.succeeded(address, task.kind());
            return has_more;
        }
        Err(error) => error,
    };
    if task.is_new() && lock(&context.known).failed(address, &error) {
        tracing::warn!(job = %address, %error, "its data are not what it commits to, or do not come; leaving an open job alone for good");
        return false;
    }
    let rest = match error {
        // A server that is down comes back, and nobody else is to blame.
        ProviderError::Unready(_) => context.rest_shortly(address, task.kind()),
        _ => context.rest(address, task.kind()),
    };
    if matches!(task, Task::Measure) {
        if context.is_time_for("no ability", SAY_AGAIN) {
            let is_known = lock(&context.ability).is_some();
            tracing::error!(%error, is_known, "cannot measure how fast this machine publishes; unless that is known from before, nothing new is taken");
        }
        return false;
    }
    if !context.is_full_disk(&error) && !context.is_unready(&error) {
        tracing::warn!(job = %address, %error, retry_in_secs = rest.as_secs(), "cannot serve the job now; retrying");
    }
    false
}

async fn try_task(context: &Context, address: &Pubkey, task: Task) -> Result<bool> {
    match task {
        Task::Take(job) => return steps::take(context, address, job).await,
        Task::Measure => return context.measure().await.map(|()| true),
        Task::Work(job) => {
            // What is not here any more comes to the disk first: a slow server keeps no memory from other jobs.
            if steps::needs_data(context, address, &job)? {
                prepare::bring(context, address, &job, None).await?;
            }
            let memory = prepare::reserve(context, &job).await?;
            steps::work(context, address, job, memory.items_at_once()).await?;
        }
        Task::Answer(job) => demands::answer(context, address, &job).await?,
        Task::Finalize => steps::finalize(context, address).await?,
        Task::Close => steps::close(context, address).await?,
        Task::Claim(campaign) => claims::claim(context, &campaign).await,
    }
    Ok(false)
}
