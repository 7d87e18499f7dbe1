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
    quern_api::{JobItem, JobList, JobState, JobsRequest, Key},
};

const PATH: &str = "/jobs";
const JOBS: u32 = 40;
/// Jobs on the page of somebody else.
const LATEST: u32 = 15;
/// Whose jobs may be listed alone.
const OF: [&str; 3] = ["provider", "client", "model"];

pub(in crate::web) async fn jobs(State(web): State<Web>, uri: Uri) -> Result<Page, Failure> {
    let params = Params::read(&uri, &["state", "provider", "client", "model", "cursor"])?;
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
        @match OF.iter().find_map(|name| Some((name, params.get(name)?))) {
            // The API has refused everything that is no address.
            Some((name, of)) => p .lead { "Of the " (name) " " a href={ "/" (name) "s/" (of) } { code .whole { (of) } } ", the latest first." },
            None => p .lead { "Those that changed last come first." },
        }
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

/// The latest jobs of a provider, a client or a model, as a part of its page.
pub(super) async fn latest(web: &Web, of: &'static str, address: &Key) -> Result<Markup, Failure> {
    let query = [(of, address.to_string()), ("limit", LATEST.to_string())];
    let reply = web.ask::<JobList>(JobsRequest::PATH, &query).await?;
    let all = reply
        .body
        .next_cursor
        .map(|_| format!("{PATH}?{of}={address}"));
    Ok(html! {
        section .card {
            h2 { "Latest jobs" }
            (table(&web.site, &reply.body.jobs))
            (parts::pager(None, all.as_deref()))
        }
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
                parts::link("clients", &job.client),
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
