//! Convicting: the evidence travels inside the conviction where it fits, otherwise through an account of its own.

use {
    crate::{
        accounts,
        errors::{ClientError, Result},
        instructions::{self, Proof},
        send::{Format, Sender, largest_size},
    },
    futures::{StreamExt, future::join_all, stream},
    quern::state::Job,
    quern_proof::{
        evidence::{Case, Charge, judge},
        graph::Graph,
    },
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_sdk::{
        instruction::Instruction,
        pubkey::Pubkey,
        signature::{Keypair, Signature, Signer},
        transaction::TransactionError,
    },
};

/// Compute units of one write; it takes some 600.
const WRITE_UNITS: u32 = 2_000;
/// Writes at the same time; public nodes refuse many.
const CONCURRENT_WRITES: usize = 8;

/// How evidence travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// Inline where it fits into a transaction that the node takes, otherwise through an account.
    #[default]
    Auto,
    /// Inside the conviction.
    Inline,
    /// Through an evidence account, with legacy transactions only.
    Account,
}

/// What a conviction took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvictReceipt {
    /// The transaction that convicted.
    pub signature: Signature,
    /// How the evidence travelled: `Inline` or `Account`.
    pub route: Route,
    /// Length of the evidence.
    pub evidence_bytes: usize,
    /// Transactions in all.
    pub transactions: usize,
    /// Compute units of the transaction that convicted, if the node tells. Through an account it also closes that, which takes
    /// some 300.
    pub compute_units: Option<u64>,
    /// Fees of all transactions, if the node tells. The rent of an evidence account came back.
    pub lamports_paid: Option<u64>,
}

/// Convicts the current result of a job that the caller has read with its model's graph; the prover signs, pays and earns the
/// bounty. The evidence is judged here once, so that nothing is paid for a charge that the program would refuse.
///
/// # Errors
/// `WouldRefuse` before anything is sent, `TooLarge` for [`Route::Inline`] with too much evidence, otherwise as
/// [`Sender::send`]; another prover may have been faster. An evidence account is closed again whatever happens, or named
/// by `EvidenceLeft`.
pub async fn convict(
    sender: &Sender,
    prover: &Keypair,
    job: &Job,
    graph: &Graph<'_>,
    charge: &Charge,
    evidence: &[u8],
    route: Route,
) -> Result<ConvictReceipt> {
    check(job, graph, charge, evidence)?;
    let conviction = Conviction {
        sender,
        prover,
        job,
        charge,
        evidence,
    };
    let format = conviction.smallest_format()?;
    match (route, format) {
        (Route::Inline, format) => conviction.inline(format.unwrap_or(Format::V1)).await,
        (Route::Auto, Some(format)) => match conviction.inline(format).await {
            Err(error) if format == Format::V1 && is_format_refused(&error) => {
                tracing::debug!(%error, "the node takes no v1 transactions; the evidence goes through an account");
                conviction.by_account().await
            }
            done => done,
        },
        (Route::Account | Route::Auto, _) => conviction.by_account().await,
    }
}

/// Closes all evidence accounts of an author, who signs; for what an interrupted conviction left behind.
///
/// # Errors
/// That the cluster did not answer.
pub async fn close_evidences(rpc: &RpcClient, author: &Pubkey) -> Result<Vec<Instruction>> {
    let left = accounts::evidences_by(rpc, author).await?;
    Ok(left
        .iter()
        .map(|evidence| instructions::close_evidence(author, &evidence.address))
        .collect())
}

/// Refuses what the program would refuse.
fn check(job: &Job, graph: &Graph<'_>, charge: &Charge, evidence: &[u8]) -> Result<()> {
    super::check_refutable(job)?;
    let case = Case {
        graph: *graph,
        items: job.items.get(),
        input_roots: &job.input_roots,
        tokens_root: &job.tokens_root,
        trace_root: &job.trace_root,
    };
    judge(&case, charge, evidence).map_err(ClientError::Evidence)
}

/// Whether a node refused a transaction for its version, before it was sent on.
fn is_format_refused(error: &ClientError) -> bool {
    match error {
        // An older node cannot even read it; such an answer never comes once the transaction is on its way.
        ClientError::Rpc { .. } => true,
        ClientError::Refused(refusal) => matches!(
            refusal.error,
            TransactionError::UnsupportedVersion | TransactionError::SanitizeFailure
        ),
        _ => false,
    }
}

struct Conviction<'a> {
    sender: &'a Sender,
    prover: &'a Keypair,
    job: &'a Job,
    charge: &'a Charge,
    evidence: &'a [u8],
}

impl Conviction<'_> {
    fn instruction(&self, proof: Proof<'_>) -> Instruction {
        instructions::convict(&self.prover.pubkey(), self.job, self.charge, proof)
    }

    /// The smallest transaction that holds conviction and evidence; legacy ones every node takes.
    fn smallest_format(&self) -> Result<Option<Format>> {
        let (all, payer) = (
            [self.instruction(Proof::Inline(self.evidence))],
            self.prover.pubkey(),
        );
        for format in [Format::Legacy, Format::V1] {
            if largest_size(format, &all, &payer)? <= format.max_bytes() {
                return Ok(Some(format));
            }
        }
        Ok(None)
    }

    async fn inline(&self, format: Format) -> Result<ConvictReceipt> {
        let all = [self.instruction(Proof::Inline(self.evidence))];
        let sender = self.sender.in_format(format);
        let sent = sender.send(&all, &[self.prover]).await?.signature;
        Ok(self.receipt(Route::Inline, &[sent]).await)
    }

    async fn by_account(&self) -> Result<ConvictReceipt> {
        let account = Keypair::new();
        let sender = self.sender.in_format(Format::Legacy);
        match self.write_and_convict(&sender, &account).await {
            Ok(sent) => Ok(self.receipt(Route::Account, &sent).await),
            Err(cause) => Err(self.clean_up(&sender, &account.pubkey(), cause).await),
        }
    }

    /// Creates the account, fills it, convicts and closes it. Returns all signatures, the conviction's last.
    async fn write_and_convict(
        &self,
        sender: &Sender,
        account: &Keypair,
    ) -> Result<Vec<Signature>> {
        let (prover, address) = (self.prover.pubkey(), account.pubkey());
        let bytes = self.evidence.len();
        let rent_lamports = sender
            .rpc()
            .get_minimum_balance_for_rent_exemption(instructions::evidence_space(bytes))
            .await
            .map_err(|error| sender.error(error))?;
        self.check_in_time().await?;
        let create = instructions::create_evidence(&prover, &address, bytes, rent_lamports);
        let created = sender.send(&create, &[self.prover, account]).await?;
        let mut sent = vec![created.signature];

        let writer = sender.with_units(WRITE_UNITS);
        let writes = instructions::write_whole_evidence(&prover, &address, self.evidence);
        for wave in writes.chunks(CONCURRENT_WRITES) {
            self.check_in_time().await?;
            let wave = wave.iter().map(|write| async {
                let all = std::slice::from_ref(write);
                writer.send(all, &[self.prover]).await
            });
            // All of them, even after a failure: no write is on its way when the account is closed.
            for receipt in join_all(wave).await {
                sent.push(receipt?.signature);
            }
        }

        let last = [
            self.instruction(Proof::Account(address)),
            instructions::close_evidence(&prover, &address),
        ];
        sent.push(sender.send(&last, &[self.prover]).await?.signature);
        Ok(sent)
    }

    /// Refuses to go on where another prover was faster: every write costs a signature.
    async fn check_in_time(&self) -> Result<()> {
        let address = instructions::job_address(self.job);
        let job: Job = accounts::fetch(self.sender.rpc(), &address).await?;
        super::check_refutable(&job)
    }

    /// Closes the evidence account after a failure, so that its rent comes back.
    async fn clean_up(&self, sender: &Sender, address: &Pubkey, cause: ClientError) -> ClientError {
        let left = |reason: String, cause| ClientError::EvidenceLeft {
            address: *address,
            reason,
            cause: Box::new(cause),
        };
        if let ClientError::Unknown { .. } = cause {
            // Closing it could defeat a conviction that is still on its way.
            return left("a transaction may still land".to_owned(), cause);
        }
        match accounts::held(sender.rpc(), address).await {
            Ok(None) => return cause,
            Ok(Some(_)) => {}
            Err(error) => return left(error.to_string(), cause),
        }
        let close = instructions::close_evidence(&self.prover.pubkey(), address);
        match sender.send(&[close], &[self.prover]).await {
            Ok(_) => cause,
            Err(error) => left(error.to_string(), cause),
        }
    }

    /// What it took. The conviction stands even if the node cannot tell.
    async fn receipt(&self, route: Route, sent: &[Signature]) -> ConvictReceipt {
        let costs: Vec<_> = stream::iter(sent.to_vec())
            // Owned signatures keep this future `Send`.
            .map(|signature| async move { self.sender.cost(&signature).await })
            .buffered(CONCURRENT_WRITES)
            .collect()
            .await;
        let last = costs.last().and_then(|cost| cost.as_ref().ok());
        let fees = costs.iter().map(|cost| cost.as_ref().ok());
        ConvictReceipt {
            signature: sent.last().copied().unwrap_or_default(),
            route,
            evidence_bytes: self.evidence.len(),
            transactions: sent.len(),
            compute_units: last.map(|cost| cost.units),
            lamports_paid: fees.map(|cost| cost.map(|cost| cost.fee_lamports)).sum(),
        }
    }
}
