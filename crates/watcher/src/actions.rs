//! What a step sends to the chain: a demand, a conviction, a timeout. Being second is an outcome, not a failure.

use {
    crate::{
        case::{Case, Next},
        chain::OpenedDemand,
        context::Context,
        error::StepError,
        results::CaseData,
        search::Ask,
        verdict::{Accused, Verdict},
    },
    quern_client::{
        ClientError, Pubkey,
        history::reason_text,
        quern::{
            error::QuernError,
            state::{ConvictionReason, Job, JobState},
        },
    },
    quern_proof::evidence::Charge,
};

/// What a step leads to, or why it cannot go on.
pub(crate) type Stepped = Result<Next, StepError>;

/// Opens a demand, and answers it where that follows from what was published: then its fee comes back at once.
pub(crate) async fn ask(
    context: &Context,
    case: &mut Case,
    job: &Job,
    ask: &Ask,
    parent: Option<Pubkey>,
) -> Stepped {
    let (address, submission) = (case.id.job, case.id.submission);
    let node_id = ask.node_id;
    let opened = || context.chain.demand_at(&address, submission, &node_id);
    let error = match context.chain.ask(job, &node_id, parent).await {
        Ok(()) => {
            let fee_lamports = job.terms.demand_fee_lamports.get();
            case.fees_lamports += fee_lamports;
            tracing::info!(
                job = %case.id.job, fee_lamports,
                "demanded: {node_id}"
            );
            if let Some(bytes) = &ask.answer
                && let Some(demand) = opened().await?
            {
                answer(context, case, job, &demand, bytes).await;
            }
            return Ok(Next::Wait);
        }
        Err(error) => error,
    };
    // Another watcher may have opened the same in the meantime.
    if opened().await?.is_some() {
        return Ok(Next::Wait);
    }
    // What was answered may have been rolled back.
    case.answered.clear();
    case.waits_for.clear();
    unless_moved_on(context, case, error).await
}

/// Answers a demand with what was published. Where that fails, it is the provider that has to answer.
pub(crate) async fn answer(
    context: &Context,
    case: &mut Case,
    job: &Job,
    demand: &OpenedDemand,
    answer: &[u8],
) {
    let node_id = demand.node_id;
    match context.chain.answer(job, demand, answer).await {
        Ok(()) => {
            if case.own_answers.insert(node_id) && demand.opener == context.chain.signer() {
                let fee_lamports = demand.fee_lamports;
                case.fees_lamports = case.fees_lamports.saturating_sub(fee_lamports);
            }
            tracing::debug!(job = %case.id.job, "answered from what is published: {node_id}");
        }
        Err(error) => {
            tracing::debug!(job = %case.id.job, %error, "cannot answer {node_id}; waiting for the provider");
        }
    }
}

/// Convicts; the evidence is judged once more before anything is paid. `demands` answers have led there.
pub(crate) async fn convict(
    context: &Context,
    case: &mut Case,
    job: &Job,
    data: &CaseData,
    (charge, evidence): (Charge, Vec<u8>),
    demands: u32,
) -> Stepped {
    case.is_wrong = true;
    let graph = data.graph()?;
    let accused = Accused::of(&graph, charge);
    if case.accused.replace(accused) != Some(accused) {
        tracing::info!(job = %case.id.job, evidence_bytes = evidence.len(), "{accused} is wrong; convicting");
    }
    match context.chain.convict(job, &graph, &charge, &evidence).await {
        Ok(conviction) => Ok(Next::Done(Verdict::Convicted {
            signature: conviction.signature,
            charge,
            item: accused.item,
            route: conviction.route,
            evidence_bytes: evidence.len() as u64,
            compute_units: conviction.compute_units,
            demands,
        })),
        Err(ClientError::Evidence(refusal)) => Err(StepError::Final(format!(
            "{accused} seems wrong but would not convict: {}",
            refusal.message()
        ))),
        Err(error) => unless_moved_on(context, case, error).await,
    }
}

/// Records that a demand was not answered in time.
pub(crate) async fn timeout(
    context: &Context,
    case: &Case,
    job: &Job,
    overdue: &OpenedDemand,
) -> Stepped {
    match context.chain.timeout(job, overdue).await {
        Ok(signature) => Ok(Next::Done(Verdict::TimedOut {
            signature,
            node_id: overdue.node_id,
        })),
        // The clock that was read was ahead of the one that counts, or an answer came at the last moment.
        Err(error)
            if matches!(
                error.quern(),
                Some(QuernError::TooEarly | QuernError::AlreadyAnswered)
            ) =>
        {
            Ok(Next::Wait)
        }
        Err(error) => unless_moved_on(context, case, error).await,
    }
}

/// A failed transaction is no failure if the job has moved on: the next step says where to.
pub(crate) async fn unless_moved_on(context: &Context, case: &Case, error: ClientError) -> Stepped {
    let address = &case.id.job;
    // The transaction failed for a reason of its own if nothing changed; what is unknown is looked up next time.
    if let ClientError::Unknown { .. } = &error {
        tracing::warn!(job = %address, %error, "a transaction may have landed or not; looking again");
        return Ok(Next::Wait);
    }
    let signer = context.chain.signer();
    match context.chain.job(address).await? {
        Some(job) if case.is_ahead_of(&job) || passed_on(case, &job, &signer).is_none() => {
            Err(error.into())
        }
        moved => {
            if let Some(job) = moved.filter(|job| job.prover != signer) {
                let reason = reason_text(ConvictionReason::from_code(job.conviction_reason));
                tracing::info!(job = %address, reason, "another watcher was faster");
            }
            Ok(Next::Wait)
        }
    }
}

/// What follows if the job is no longer at this submission.
pub(crate) fn passed_on(case: &Case, job: &Job, signer: &Pubkey) -> Option<Next> {
    let id = &case.id;
    let is_current = job.submissions.get() == id.submission && job.trace_root == id.trace_root;
    match JobState::from_code(job.state) {
        Some(JobState::Submitted) if is_current => None,
        Some(JobState::Convicted) if is_current => Some(Next::Done(already_convicted(
            job.prover,
            ConvictionReason::from_code(job.conviction_reason),
            signer,
        ))),
        _ => Some(Next::Gone(
            "the job went on before it could be checked".to_owned(),
        )),
    }
}

pub(crate) fn already_convicted(
    prover: Pubkey,
    reason: Option<ConvictionReason>,
    signer: &Pubkey,
) -> Verdict {
    Verdict::AlreadyConvicted {
        prover,
        reason,
        by_us: prover == *signer,
    }
}
