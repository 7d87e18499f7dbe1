//! A provider that cheats. No agent would do this, so it takes, publishes and commits by transactions of its own.

use {
    super::{
        stage::{ProviderKeys, Stage},
        work::root_of,
    },
    anyhow::{Context, Result},
    quern_client::{
        Pubkey, Sender, Signer, accounts, flows, instructions, quern::instructions::Submission,
    },
    quern_data::{
        Publisher,
        fetch::{RESULT_FILE, TRACE_FILE},
    },
    quern_proof::{Tensor, file},
    quern_provider::journal::Journal,
};

/// A provider under no agent's control.
pub struct Forger<'s> {
    stage: &'s Stage,
    keys: &'s ProviderKeys,
    sender: Sender,
}

impl<'s> Forger<'s> {
    /// A cheating provider with these keys.
    pub fn new(stage: &'s Stage, keys: &'s ProviderKeys) -> Self {
        Self {
            stage,
            keys,
            sender: stage.sender().clone(),
        }
    }

    /// Takes a job and puts up the bond.
    ///
    /// # Errors
    /// That the transaction failed.
    pub async fn take(&self, job: &Pubkey) -> Result<()> {
        let (operator, owner) = (&self.keys.operator, self.keys.owner.pubkey());
        let job = accounts::fetch(self.sender.rpc(), job).await?;
        let take = flows::take_job(self.sender.rpc(), &operator.pubkey(), &owner, &job).await?;
        self.sender.send_all(&take, &[operator]).await?;
        Ok(())
    }

    /// Where an agent would publish the trace of a job's first result.
    ///
    /// # Errors
    /// An address that is too long.
    pub fn uri(&self, job: &Pubkey) -> Result<String> {
        Ok(self.publisher()?.uri(&format!("{job}/1/{TRACE_FILE}"))?)
    }

    fn publisher(&self) -> Result<Publisher> {
        Ok(Publisher::folder(
            &self.stage.public.join(self.keys.name),
            None,
        )?)
    }

    /// Publishes outputs as an agent would, result and all.
    ///
    /// # Errors
    /// That they cannot be written.
    pub async fn publish(&self, job: &Pubkey, outputs: &[Tensor]) -> Result<String> {
        let publisher = self.publisher()?;
        let result = outputs.last().context("there is no result")?;
        publisher
            .put(
                &format!("{job}/1/{RESULT_FILE}"),
                file::encode_tensor(result),
            )
            .await?;
        let trace = file::encode_trace(outputs)?;
        Ok(publisher
            .put(&format!("{job}/1/{TRACE_FILE}"), trace)
            .await?)
    }

    /// Puts outputs where an agent with this provider's folder finds them when it is asked. No agent may be running there.
    ///
    /// # Errors
    /// That the folder is in use.
    pub fn keep(&self, job: &Pubkey, outputs: &[Tensor]) -> Result<()> {
        let journal = Journal::open(&self.keys.home)?;
        let path = journal.submission_path(job, 1, TRACE_FILE);
        journal.write(&path, &file::encode_trace(outputs)?)?;
        Ok(())
    }

    /// Commits to outputs.
    ///
    /// # Errors
    /// That the transaction failed.
    pub async fn submit(&self, job: &Pubkey, outputs: &[Tensor], uri: &str) -> Result<()> {
        self.submit_root(job, root_of(outputs)?, uri).await
    }

    /// Commits to anything.
    ///
    /// # Errors
    /// That the transaction failed.
    pub async fn submit_root(&self, job: &Pubkey, trace_root: [u8; 32], uri: &str) -> Result<()> {
        let taken = self.stage.job(job).await?.context("the job is gone")?;
        let args = Submission {
            trace_root,
            output_uri: uri.to_owned(),
        };
        let operator = &self.keys.operator;
        let submit = instructions::submit(&operator.pubkey(), &taken, args);
        self.sender.send(&[submit], &[operator]).await?;
        Ok(())
    }
}
