//! A provider that cheats. No agent would do this, so it takes, publishes and commits by transactions of its own.

use {
    super::{
        stage::{ProviderKeys, Stage},
        work::Answer,
    },
    anyhow::{Context, Result},
    quern_client::{
        Pubkey, Sender, Signer, accounts, flows, instructions, quern::instructions::Submission,
    },
    quern_data::{
        Publisher,
        fetch::{RESULT_FILE, ROOTS_FILE, TOKENS_FILE, trace_file},
    },
    quern_proof::{commit::data_root, file},
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

    /// Where an agent would publish a job's first result.
    ///
    /// # Errors
    /// An address that is too long.
    pub fn uri(&self, job: &Pubkey) -> Result<String> {
        Ok(self.publisher()?.uri(&format!("{job}/1/{RESULT_FILE}"))?)
    }

    fn publisher(&self) -> Result<Publisher> {
        Ok(Publisher::folder(
            &self.stage.public.join(self.keys.name),
            None,
        )?)
    }

    /// Publishes an answer as an agent would, with the traces that it holds.
    ///
    /// # Errors
    /// That it cannot be written.
    pub async fn publish(&self, job: &Pubkey, answer: &Answer) -> Result<String> {
        let publisher = self.publisher()?;
        for (name, bytes) in files_of(answer)? {
            publisher.put(&format!("{job}/1/{name}"), bytes).await?;
        }
        let result = answer.commitment.result_file.clone();
        Ok(publisher
            .put(&format!("{job}/1/{RESULT_FILE}"), result)
            .await?)
    }

    /// Puts an answer where an agent with this provider's folder finds it when it is asked. No agent may be running there.
    ///
    /// # Errors
    /// That the folder is in use.
    pub fn keep(&self, job: &Pubkey, answer: &Answer) -> Result<()> {
        let journal = Journal::open(&self.keys.home)?;
        for (name, bytes) in files_of(answer)? {
            journal.write(&journal.submission_path(job, 1, &name), &bytes)?;
        }
        Ok(())
    }

    /// Commits to an answer.
    ///
    /// # Errors
    /// That the transaction failed.
    pub async fn submit(&self, job: &Pubkey, answer: &Answer, uri: &str) -> Result<()> {
        let tokens_root = answer.tokens.as_ref().map_or([0; 32], data_root);
        let roots = (answer.commitment.trace_root, tokens_root);
        self.commit(job, roots, uri).await
    }

    /// Commits to anything.
    ///
    /// # Errors
    /// That the transaction failed.
    pub async fn submit_root(&self, job: &Pubkey, trace_root: [u8; 32], uri: &str) -> Result<()> {
        self.commit(job, (trace_root, [0; 32]), uri).await
    }

    async fn commit(
        &self,
        job: &Pubkey,
        (trace_root, tokens_root): ([u8; 32], [u8; 32]),
        uri: &str,
    ) -> Result<()> {
        let taken = self.stage.job(job).await?.context("the job is gone")?;
        let args = Submission {
            trace_root,
            tokens_root,
            output_uri: uri.to_owned(),
        };
        let operator = &self.keys.operator;
        let submit = instructions::submit(&operator.pubkey(), &taken, args);
        self.sender.send(&[submit], &[operator]).await?;
        Ok(())
    }
}

/// What lies beside a published result, by name.
fn files_of(answer: &Answer) -> Result<Vec<(String, Vec<u8>)>> {
    let roots = answer.commitment.roots_file.clone();
    let mut all = vec![(ROOTS_FILE.to_owned(), roots)];
    if let Some(tokens) = &answer.tokens {
        all.push((TOKENS_FILE.to_owned(), file::encode_tensor(tokens)));
    }
    for (item, outputs) in &answer.traces {
        all.push((trace_file(*item), file::encode_trace(outputs)?));
    }
    Ok(all)
}
