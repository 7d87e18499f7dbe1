//! What the agent asks of the chain and sends to it.

use {
    crate::error::ProviderError,
    async_trait::async_trait,
    quern_client::{
        ChainReads, ClientError, Errand, Instruction, Pubkey, Result, RpcChain, Signer,
        accounts::{self, DemandAccount, JobFilter},
        addresses, campaigns,
        claims::CampaignClaim,
        history, instructions,
        jobs::Looks,
        quern::{
            instructions::Submission,
            state::{Campaign, Entry, Job, JobState, Provider, Purse},
        },
        read,
    },
};

/// The chain as the agent sees it. One implementation talks to a cluster; the agent's own tests bring another one that can
/// fail at every step.
#[async_trait]
pub trait ProviderChain: ChainReads {
    /// All open jobs.
    async fn open_jobs(&self) -> Result<Vec<(Pubkey, Job)>>;
    /// All live jobs of this provider.
    async fn own_jobs(&self, owner: &Pubkey) -> Result<Vec<(Pubkey, Job)>>;
    /// The provider of an owner, if it is registered.
    async fn provider(&self, owner: &Pubkey) -> Result<Option<Provider>>;
    /// An owner's purse in a mint, if it is open.
    async fn purse(&self, owner: &Pubkey, mint: &Pubkey) -> Result<Option<Purse>>;
    /// Whether the protocol is set up on this cluster.
    async fn is_set_up(&self) -> Result<bool>;
    /// What the signer can pay fees with.
    async fn lamports(&self) -> Result<u64>;
    /// Where the last accepted checkpoint of a job is.
    async fn checkpoint_uri(&self, address: &Pubkey, job: &Job) -> Result<String>;
    /// Campaigns at these addresses, in the same order; nothing where there is none any more.
    async fn campaigns(&self, addresses: &[Pubkey]) -> Result<Vec<Option<Campaign>>>;
    /// An owner's entries in campaigns.
    async fn entries(&self, owner: &Pubkey) -> Result<Vec<Entry>>;
    /// Takes a job; with `joins` it also joins the campaign that the job names, or does neither.
    async fn take(&self, owner: &Pubkey, job: &Job, joins: bool) -> Result<()>;
    /// Commits to a result, and to a text where the graph has one.
    async fn submit(
        &self,
        job: &Job,
        trace_root: [u8; 32],
        tokens_root: [u8; 32],
        output_uri: &str,
    ) -> Result<()>;
    /// Everything that was asked about a job and is not answered.
    async fn demands(&self, job: &Pubkey) -> Result<Vec<DemandAccount>>;
    /// Answers demands about one job in one transaction: all of them, or none.
    async fn reveal(&self, answers: &[Answer]) -> Result<()>;
    /// Has a milestone paid.
    async fn finalize(&self, address: &Pubkey) -> Result<()>;
    /// Claims what was scored in a campaign.
    async fn claim(&self, claim: &CampaignClaim) -> Result<()>;
}

/// A demand and what answers it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was asked.
    pub demand: DemandAccount,
    /// The nodes or the leaf.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// What it takes of a legacy transaction beside its bytes: the demand's address, and an instruction's frame.
    const FRAME_BYTES: usize = 56;
    /// What a legacy transaction has for answers.
    const ROOM_BYTES: usize = 940;

    /// Divides answers, in order, into as few transactions as fit.
    pub fn pack(answers: Vec<Self>) -> Vec<Vec<Self>> {
        let mut batches: Vec<Vec<Self>> = Vec::new();
        let mut left = 0;
        for answer in answers {
            let needed = Self::FRAME_BYTES + answer.bytes.len();
            match batches.last_mut() {
                Some(batch) if needed <= left => {
                    left -= needed;
                    batch.push(answer);
                }
                _ => {
                    left = Self::ROOM_BYTES.saturating_sub(needed);
                    batches.push(vec![answer]);
                }
            }
        }
        batches
    }
}

fn reveals(signer: &Pubkey, answers: &[Answer]) -> Vec<Instruction> {
    answers
        .iter()
        .map(|Answer { demand, bytes }| {
            instructions::reveal(signer, &demand.demand.job, &demand.address, bytes)
        })
        .collect()
}

/// What answers about one job are sent for. None if there are none.
fn errand(answers: &[Answer]) -> Option<Errand> {
    let demands = || answers.iter().map(|answer| &answer.demand.demand);
    let due = demands().map(|demand| demand.due.get()).min()?;
    let fees_lamports = demands().map(|demand| demand.fee_lamports.get()).sum();
    let job = demands().next()?.job;
    Some(Errand::answer(job, due, fees_lamports))
}

#[async_trait]
impl ProviderChain for RpcChain {
    async fn open_jobs(&self) -> Result<Vec<(Pubkey, Job)>> {
        let filter = JobFilter {
            state: Some(JobState::Open),
            ..JobFilter::default()
        };
        self.followed_jobs(filter, Looks::All).await
    }

    async fn own_jobs(&self, owner: &Pubkey) -> Result<Vec<(Pubkey, Job)>> {
        let filter = JobFilter {
            provider: Some(*owner),
            ..JobFilter::default()
        };
        self.followed_jobs(filter, Looks::All).await
    }

    async fn provider(&self, owner: &Pubkey) -> Result<Option<Provider>> {
        accounts::fetch_optional(self.rpc(), &addresses::provider(owner)).await
    }

    async fn purse(&self, owner: &Pubkey, mint: &Pubkey) -> Result<Option<Purse>> {
        accounts::purse(self.rpc(), owner, mint).await
    }

    async fn is_set_up(&self) -> Result<bool> {
        match accounts::protocol(self.rpc()).await {
            Ok(_) => Ok(true),
            Err(ClientError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn lamports(&self) -> Result<u64> {
        let rpc = self.rpc();
        let balance = rpc.get_balance(&self.wallet().pubkey()).await;
        balance.map_err(|error| ClientError::from_rpc(&rpc.url(), error))
    }

    async fn checkpoint_uri(&self, address: &Pubkey, job: &Job) -> Result<String> {
        history::checkpoint_uri(self.rpc(), address, job).await
    }

    async fn campaigns(&self, addresses: &[Pubkey]) -> Result<Vec<Option<Campaign>>> {
        campaigns::campaigns_at(self.rpc(), addresses).await
    }

    async fn entries(&self, owner: &Pubkey) -> Result<Vec<Entry>> {
        let all = campaigns::entries_by(self.rpc(), owner).await?;
        Ok(all.into_iter().map(|(_, entry)| entry).collect())
    }

    async fn take(&self, owner: &Pubkey, job: &Job, joins: bool) -> Result<()> {
        let signer = self.wallet().pubkey();
        let join = joins.then(|| instructions::join_campaign(&signer, &job.campaign, owner));
        let take = instructions::take_job(&signer, owner, job);
        let all: Vec<Instruction> = join.into_iter().chain([take]).collect();
        // The client chose the deadline, and missing it loses nothing: no reason to hurry.
        let sender = self.sender(Errand::unhurried(job));
        sender.send(&all, &[self.wallet()]).await?;
        Ok(())
    }

    async fn submit(
        &self,
        job: &Job,
        trace_root: [u8; 32],
        tokens_root: [u8; 32],
        output_uri: &str,
    ) -> Result<()> {
        let args = Submission {
            trace_root,
            tokens_root,
            output_uri: output_uri.to_owned(),
        };
        let submit = instructions::submit(&self.wallet().pubkey(), job, args);
        let sender = self.sender(Errand::before_deadline(job));
        sender.send(&[submit], &[self.wallet()]).await?;
        Ok(())
    }

    async fn demands(&self, job: &Pubkey) -> Result<Vec<DemandAccount>> {
        let open = accounts::unanswered_demands_of(self.rpc(), job).await?;
        let open = open.into_iter().map(|(address, demand)| DemandAccount {
            address,
            demand,
            answer: None,
        });
        Ok(open.collect())
    }

    async fn reveal(&self, answers: &[Answer]) -> Result<()> {
        let Some(errand) = errand(answers) else {
            return Ok(());
        };
        let reveals = reveals(&self.wallet().pubkey(), answers);
        let sender = self.sender(errand);
        sender.send(&reveals, &[self.wallet()]).await?;
        Ok(())
    }

    async fn finalize(&self, address: &Pubkey) -> Result<()> {
        let known = read::for_payment(self.rpc(), address).await?;
        let job = known.job.ok_or(ClientError::NotFound {
            what: "job",
            address: *address,
        })?;
        let finalize = instructions::finalize(&self.wallet().pubkey(), &job, &known.emission);
        let sender = self.sender(Errand::anytime());
        sender.send(&[finalize], &[self.wallet()]).await?;
        Ok(())
    }

    async fn claim(&self, claim: &CampaignClaim) -> Result<()> {
        let sender = self.sender(Errand::anytime());
        sender
            .send(&[claim.instruction()], &[self.wallet()])
            .await?;
        Ok(())
    }
}

/// Whether the agent can work at all.
///
/// # Errors
/// `NotReady`, with what the owner has to do first.
pub async fn check_ready(chain: &dyn ProviderChain, owner: &Pubkey) -> crate::Result<()> {
    let not_ready = |sentence: String| Err(ProviderError::NotReady(sentence));
    if !chain.is_set_up().await? {
        return not_ready(
            "Quern isn't set up on this cluster: there is no protocol account; check --url, or run `quern deploy` and `quern protocol init`".to_owned(),
        );
    }
    let signer = chain.signer();
    let Some(provider) = chain.provider(owner).await? else {
        return not_ready(format!(
            "{owner} is not registered as a provider; run `quern provider register` with its keypair first, or, if it is the operator of another one, name that with --owner"
        ));
    };
    if !provider.is_party(&signer) {
        return not_ready(format!(
            "only the owner {owner} or the operator {} may work for this provider, and {signer} signs; pass one of their keypairs with --keypair, or name this key with `quern provider register --operator {signer}`",
            provider.operator
        ));
    }
    if !provider.active.get() {
        return not_ready(format!(
            "the provider of {owner} is not active; activate it with `quern provider register --active true`"
        ));
    }
    if chain.lamports().await? == 0 {
        return not_ready(format!(
            "the wallet {signer} has no lamports for fees; fund it, for example with `solana airdrop 1 {signer}` on a test cluster"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*,
        bytemuck::Zeroable,
        quern_client::{
            quern::state::Demand,
            send::{Format, MAX_TRANSACTION_BYTES, largest_size},
        },
    };

    fn answer(bytes: usize) -> Answer {
        let mut demand = Demand::zeroed();
        demand.job = Pubkey::new_from_array([1; 32]);
        Answer {
            demand: DemandAccount {
                address: Pubkey::new_unique(),
                demand,
                answer: None,
            },
            bytes: vec![7; bytes],
        }
    }

    /// An answer is worth what it earns, and due when the first of its transaction is.
    #[test]
    fn answers_of_a_transaction_are_one_errand() {
        let mut answers = [answer(128), answer(128)];
        for (answer, due) in answers.iter_mut().zip([70, 50]) {
            answer.demand.demand.due = due.into();
            answer.demand.demand.fee_lamports = 10_000.into();
        }
        let errand = errand(&answers).unwrap();
        let earned = 2 * 10_000 - quern_client::send::fee::SIGNATURE_LAMPORTS;
        assert_eq!((errand.due(), errand.earns_lamports()), (Some(50), earned));
        assert_eq!(errand.job(), Some(Pubkey::new_from_array([1; 32])));
    }

    #[test]
    fn answers_share_transactions_that_fit() {
        let lengths = [
            vec![128; 23],
            vec![512; 5],
            vec![64; 40],
            vec![512, 128, 128, 128, 512, 64, 64, 64, 64, 256, 512],
            Vec::new(),
        ];
        for lengths in lengths {
            let answers: Vec<Answer> = lengths.iter().map(|bytes| answer(*bytes)).collect();
            let order: Vec<Pubkey> = answers.iter().map(|one| one.demand.address).collect();
            let batches = Answer::pack(answers);
            let signer = Pubkey::new_unique();
            for batch in &batches {
                let size = largest_size(Format::Legacy, &reveals(&signer, batch), &signer).unwrap();
                assert!(size <= MAX_TRANSACTION_BYTES, "{size} bytes");
            }
            let packed: Vec<Pubkey> = batches
                .iter()
                .flatten()
                .map(|one| one.demand.address)
                .collect();
            assert_eq!(packed, order);
        }
        let count = |bytes| Answer::pack((0..20).map(|_| answer(bytes)).collect()).len();
        assert_eq!([count(128), count(512)], [4, 20]);
    }
}
