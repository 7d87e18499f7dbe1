//! The list of jobs.

use {
    crate::web::{
        ask::Web,
        html::{Failure, Freshness, Page, Place},
        parts,
        query::Params,
        site::Site,
        text,
    },
    axum::{extract::State, http::Uri},
    maud::{Markup, html},
    quern_api::{JobItem, JobList, JobState, JobsRequest},
};

const PATH: &str = "/jobs";
const JOBS: u32 = 40;

pub(in crate::web) async fn jobs(State(web): State<Web>, uri: Uri) -> Result<Page, Failure> {
    let params = Params::read(&uri, &["state", "cursor"])?;
    let mut query = params.pairs();
    query.push(("limit", JOBS.to_string()));
    let reply = web.ask::<JobList>(JobsRequest::PATH, &query).await?;
    let base = params.with("cursor", None);
    let chosen = params.get("state");
    let mut states = vec![(
        "All".to_owned(),
        base.with("state", None).link(PATH),
        chosen.is_none(),
    )];
    states.extend(JobState::ALL.iter().map(|state| {
        let href = base.with("state", Some(state.word())).link(PATH);
        (
            text::capital(state.word()),
            href,
            chosen == Some(state.word()),
        )
    }));
    let next = reply.body.next_cursor.as_deref();
    let next = next.map(|cursor| params.with("cursor", Some(cursor)).link(PATH));
    let first = params.get("cursor").map(|_| base.link(PATH));
    let body = html! {
        h1 { "Jobs" }
        p .lead { "Those that changed last come first." }
        div .switches { (parts::choices("State", &states)) }
        section .card { (table(&web.site, &reply.body.jobs)) }
        (parts::pager(first.as_deref(), next.as_deref()))
    };
    Ok(Page {
        title: "Jobs".to_owned(),
        place: Place::Jobs,
        freshness: Some(Freshness::of(&reply)),
        body,
    })
}

/// Jobs as rows.
pub(super) fn table(site: &Site, jobs: &[JobItem]) -> Markup {
    if jobs.is_empty() {
        return parts::empty("There is no such job yet.");
    }
    let titles = [
        ("Job", false),
        ("State", false),
        ("For", false),
        ("Assurance", false),
        ("Price", true),
        ("Provider", false),
        ("Client", false),
        ("Created", true),
    ];
    let rows: Vec<Vec<Markup>> = jobs
        .iter()
        .map(|job| {
            vec![
                parts::link("jobs", &job.address),
                state(job),
                html! { (text::words(job.kind.word())) },
                parts::assurance(job.assurance),
                price(site, job),
                job.provider.map_or_else(
                    || html! { span .none { "–" } },
                    |provider| parts::link("providers", &provider),
                ),
                html! { span .key title=(job.client) { (text::short(&job.client)) } },
                html! { span .quiet { (parts::day(job.created_at)) } },
            ]
        })
        .collect();
    parts::table("Jobs", &titles, &rows)
}

/// The price of a milestone, and how many there are.
pub(super) fn price(site: &Site, job: &JobItem) -> Markup {
    html! {
        span .money {
            (parts::number(&text::tokens(job.price_atoms.into(), job.decimals))) " " (parts::mint(site, &job.mint))
            @if job.milestones > 1 { span .quiet { " × " (job.milestones) } }
        }
    }
}

/// Where a job stands.
pub(super) fn state(job: &JobItem) -> Markup {
    let tone = match job.state {
        _ if job.conviction.is_some() => "bad",
        JobState::Open => "open",
        JobState::Taken | JobState::Submitted => "good",
        JobState::Rejected => "warn",
        JobState::Convicted => "bad",
        JobState::Closed => "calm",
    };
    let word = match job.conviction {
        Some(_) => "convicted",
        None => job.state.word(),
    };
    parts::badge(tone, word)
}
