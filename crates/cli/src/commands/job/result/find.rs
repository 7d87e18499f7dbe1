//! What a provider committed to and where it published it: from the job's account while it lives, afterwards from what an
//! indexer or old transactions tell.

use {
    crate::{
        context::Context,
        error::{Error, Result},
        indexer,
        output::Fields,
    },
    quern_api::{JobPage, JobRequest, Reply},
    quern_client::{
        ClientError, Pubkey, accounts,
        history::{self, At},
        instructions::NOBODY,
        quern::{
            events::{QuernEvent, ResultSubmitted},
            state::{Assurance, Job, JobState},
        },
    },
};

/// Most pages of an indexer's answer: a job has 255 milestones, and some are tried again.
const MAX_PAGES: usize = 64;

/// A commitment and the place of its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The job.
    pub job: Pubkey,
    /// How its result is assured, where that is known.
    pub assurance: Option<Assurance>,
    /// The model, or nobody.
    pub model: Pubkey,
    /// The job's items, where they are known.
    pub items: Option<u32>,
    /// Where the job stands, or how it ended.
    pub state: String,
    /// Which milestone it is of, from 1.
    pub milestone: u32,
    /// What the provider committed to.
    pub root: [u8; 32],
    /// Where the data are.
    pub uri: String,
    /// Who says so.
    pub source: &'static str,
}

impl Committed {
    /// For people and programs.
    pub fn fields(&self) -> Fields {
        Fields::new()
            .text("job", self.job)
            .text("state", &self.state)
            .maybe("assurance", self.assurance.map(Assurance::name))
            .with("milestone", self.milestone)
            .text("output_uri", &self.uri)
            .text("commitment", hex::encode(self.root))
            .text("commitment_from", self.source)
    }
}

/// The commitment of a job's newest result.
pub async fn committed(
    context: &Context,
    address: &Pubkey,
    indexer: Option<&str>,
) -> Result<Committed> {
    let job = accounts::fetch_optional::<Job>(context.rpc(), address).await?;
    match (job, indexer) {
        (Some(job), indexer) => live(context, address, &job, indexer).await,
        (None, Some(indexer)) => from_indexer(address, indexer).await,
        (None, None) => from_transactions(context, address).await,
    }
}

/// From the job's account; the text behind its hash stands in old transactions, or an indexer has it.
async fn live(
    context: &Context,
    address: &Pubkey,
    job: &Job,
    indexer: Option<&str>,
) -> Result<Committed> {
    let of = |milestone: u8, root, uri| Committed {
        job: *address,
        assurance: Some(job.assurance()),
        model: job.model,
        items: Some(job.items.get()),
        state: job.state().name().to_owned(),
        milestone: u32::from(milestone),
        root,
        uri,
        source: "the job's account",
    };
    match job.state() {
        JobState::Submitted | JobState::Rejected => {
            let uri = history::output_uri(context.rpc(), address, job).await;
            let uri = or_indexer(uri, address, indexer).await?;
            Ok(of(job.milestone.saturating_add(1), job.trace_root, uri))
        }
        JobState::Convicted => Err(Error::Convicted(*address)),
        JobState::Open | JobState::Taken if job.checkpoint != [0; 32] => {
            let uri = history::checkpoint_uri(context.rpc(), address, job).await;
            let uri = or_indexer(uri, address, indexer).await?;
            Ok(of(job.milestone, job.checkpoint, uri))
        }
        state => Err(Error::Other(format!(
            "the job {address} has no result yet: it is {}; see `quern job show {address}`",
            state.name()
        ))),
    }
}

/// An address that the node does not know any more, from the indexer: the data behind it are compared with the root on chain.
async fn or_indexer(
    uri: quern_client::Result<String>,
    address: &Pubkey,
    indexer: Option<&str>,
) -> Result<String> {
    match (uri, indexer) {
        (Err(ClientError::UriUnknown { .. }), Some(indexer)) => {
            Ok(from_indexer(address, indexer).await?.uri)
        }
        (uri, _) => Ok(uri?),
    }
}

/// What the events of an ended job have told so far, from the newest on.
#[derive(Default)]
struct Told {
    state: Option<&'static str>,
    assurance: Option<Assurance>,
    model: Option<Pubkey>,
}

impl Told {
    fn hear(&mut self, event: &QuernEvent, job: &Pubkey) -> Option<ResultSubmitted> {
        let ended = match event {
            QuernEvent::MilestoneSettled(event) if event.job == *job => {
                self.assurance = Some(event.assurance());
                self.model = Some(event.model);
                "paid"
            }
            QuernEvent::JobResolved(event) if event.job == *job => {
                self.assurance = Some(event.assurance());
                "resolved"
            }
            QuernEvent::JobExpired(event) if event.job == *job => "expired",
            QuernEvent::JobCancelled(event) if event.job == *job => "cancelled",
            QuernEvent::ConvictionSettled(event) if event.job == *job => CONVICTED,
            QuernEvent::ResultSubmitted(event) if event.job == *job => return Some(event.clone()),
            _ => return None,
        };
        // The newest says how it ended.
        self.state.get_or_insert(ended);
        None
    }
}

/// How a job ended whose result was proved wrong.
const CONVICTED: &str = "convicted";

async fn from_transactions(context: &Context, address: &Pubkey) -> Result<Committed> {
    let mut told = Told::default();
    let pick = |event: &QuernEvent| told.hear(event, address);
    let found = history::find(context.rpc(), address, At::Newest, pick).await?;
    if told.state == Some(CONVICTED) {
        return Err(Error::Convicted(*address));
    }
    match found {
        Some(event) => Ok(Committed {
            job: *address,
            assurance: told.assurance,
            model: told.model.unwrap_or(NOBODY),
            items: None,
            state: told.state.unwrap_or("ended").to_owned(),
            milestone: u32::from(event.milestone) + 1,
            root: event.trace_root,
            uri: event.output_uri,
            source: "old transactions",
        }),
        None => {
            context.protocol().await?;
            Err(Error::Other(match told.state {
                Some(state) => format!("the job {address} ended without a result: it was {state}"),
                None => format!(
                    "there is no job at {address} on this cluster, and the node has no transaction with a result of it; ask an indexer with --indexer"
                ),
            }))
        }
    }
}

async fn from_indexer(address: &Pubkey, url: &str) -> Result<Committed> {
    let path = JobPage::path(address);
    let mut request = JobRequest::default();
    // Submissions come in order: the last page has the newest.
    for _ in 0..MAX_PAGES {
        let reply: Reply<JobPage> = indexer::ask(url, &path, &request.query(), "job").await?;
        match reply.body.next_submissions_cursor {
            Some(cursor) => request.submissions_cursor = Some(cursor),
            None => return from_page(address, &reply.body),
        }
    }
    Err(Error::Indexer(format!(
        "the indexer tells of submissions without an end for the job {address}; check --indexer"
    )))
}

/// The newest result that an indexer's last page tells of.
fn from_page(address: &Pubkey, page: &JobPage) -> Result<Committed> {
    let state = page.outcome.map_or_else(
        || page.job.state.to_string(),
        |outcome| match outcome {
            quern_api::Outcome::Settled => "paid".to_owned(),
            outcome => outcome.to_string(),
        },
    );
    if page.outcome == Some(quern_api::Outcome::Convicted) {
        return Err(Error::Convicted(*address));
    }
    let newest = page.submissions.last().ok_or_else(|| {
        Error::Other(format!(
            "the job {address} ended without a result: it was {state}"
        ))
    })?;
    let mut root = [0; 32];
    hex::decode_to_slice(&newest.trace_root, &mut root).map_err(|_| {
        Error::Indexer(
            "the indexer's answer names no commitment; check --indexer and its version".to_owned(),
        )
    })?;
    Ok(Committed {
        job: *address,
        assurance: Some(match page.job.assurance {
            quern_api::Assurance::Refereed => Assurance::Refereed,
            quern_api::Assurance::Reviewed => Assurance::Reviewed,
        }),
        model: page.job.model.map_or(NOBODY, |model| Pubkey::from(model.0)),
        items: None,
        state,
        milestone: u32::from(newest.milestone) + 1,
        root,
        uri: newest.output_uri.clone(),
        source: "the indexer",
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, serde_json::json};

    fn page(outcome: &str, submissions: usize) -> JobPage {
        let key = Pubkey::from([7; 32]).to_string();
        let submissions: Vec<_> = (1..=submissions).map(|at| json!({
            "submission": at, "milestone": 0, "provider": key, "trace_root": format!("{at:064x}"),
            "output_uri": format!("https://a/{at}"), "at": 1, "slot": 1, "signature": "1".repeat(64),
        })).collect();
        serde_json::from_value(json!({
            "address": key, "state": "submitted", "kind": "inference", "assurance": "refereed", "client": key,
            "provider": key, "model": key, "mint": key, "decimals": 6, "price_atoms": "1", "bond_atoms": "2",
            "milestones": 1, "work": "0", "items": 1, "created_at": 1, "deadline": null, "conviction": null,
            "input_uri": null, "seq": "3", "changed_slot": 1, "outcome": outcome, "milestones_settled": 1,
            "complete": true, "submissions": submissions, "next_submissions_cursor": null,
            "steps": [], "next_steps_cursor": null, "demands": [], "next_demands_cursor": null,
        }))
        .unwrap()
    }

    #[test]
    fn an_indexers_newest_result_counts() {
        let address = Pubkey::from([7; 32]);
        let found = from_page(&address, &page("settled", 3)).unwrap();
        assert_eq!((found.uri.as_str(), found.root[31]), ("https://a/3", 3));
        assert_eq!((found.state.as_str(), found.milestone), ("paid", 1));
        let convicted = from_page(&address, &page("convicted", 3));
        assert!(matches!(convicted, Err(Error::Convicted(_))));
        let none = from_page(&address, &page("cancelled", 0)).unwrap_err();
        assert!(none.to_string().contains("it was cancelled"), "{none}");
    }
}
