//! A job: where it stands, what it costs, and every step of its life.

use {
    super::{jobs, steps},
    crate::web::{
        ask::Web,
        html::{Failure, Freshness, Page, Place},
        parts,
        query::{self, Params},
        site::Site,
        text,
    },
    axum::{
        extract::{Path, State, rejection::PathRejection},
        http::Uri,
    },
    maud::{Markup, html},
    quern_api::{Amount, JobDemand, JobPage, JobSubmission, Key},
};

/// Rows of each list: a step takes up to two kilobytes.
const ROWS: u32 = 15;

pub(in crate::web) async fn job(
    State(web): State<Web>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Page, Failure> {
    let address = query::address(path)?;
    let params = Params::read(
        &uri,
        &["steps_cursor", "submissions_cursor", "demands_cursor"],
    )?;
    let mut query = params.pairs();
    query.push(("limit", ROWS.to_string()));
    let reply = web.ask::<JobPage>(&JobPage::path(address), &query).await?;
    let (site, page) = (&*web.site, &reply.body);
    let lists = Lists { address, params };
    let body = html! {
        (head(page))
        (money(site, page))
        (people(page))
        section .card {
            h2 { "Time line" }
            @if !page.complete {
                p .notice role="note" { "Changes of this job are missing, so steps may be too." }
            }
            (steps::line(site, page))
            (lists.pager("steps_cursor", page.next_steps_cursor.as_deref()))
        }
        @if !page.submissions.is_empty() {
            section .card {
                h2 { "Submitted results" }
                (submissions(site, &page.submissions))
                (lists.pager("submissions_cursor", page.next_submissions_cursor.as_deref()))
            }
        }
        @if !page.demands.is_empty() {
            section .card {
                h2 { "Demands for data" }
                (demands(&page.demands, page.job.deadline.is_none()))
                (lists.pager("demands_cursor", page.next_demands_cursor.as_deref()))
            }
        }
    };
    Ok(Page {
        title: format!("Job {}", text::short(&address)),
        place: Place::Jobs,
        freshness: Some(Freshness::of(&reply)),
        body,
    })
}

/// The lists of a job's page, each of which goes on by itself.
struct Lists {
    address: Key,
    params: Params,
}

impl Lists {
    fn pager(&self, name: &'static str, next: Option<&str>) -> Markup {
        let path = format!("/jobs/{}", self.address);
        let next = next.map(|cursor| self.params.with(name, Some(cursor)).link(&path));
        let is_later = self.params.get(name).is_some();
        let first = is_later.then(|| self.params.with(name, None).link(&path));
        parts::pager(first.as_deref(), next.as_deref())
    }
}

fn head(page: &JobPage) -> Markup {
    let job = &page.job;
    html! {
        p .eyebrow { (text::capital(&text::words(job.kind.word()))) " job" }
        h1 { (text::short(&job.address)) " " (jobs::state(job)) " " (parts::assurance(job.assurance)) }
        @if let Some(conviction) = &job.conviction {
            p .notice .bad role="note" {
                "Convicted: " (reason(conviction.reason.word())) " Proved by " (parts::whole(&conviction.prover)) "."
            }
        }
        @else if let Some(outcome) = page.outcome { p .lead { (ended(outcome.word())) } }
    }
}

fn reason(word: &str) -> &'static str {
    match word {
        "wrong_cell" => "a value differs from what the graph computes.",
        "bad_padding" => "a padding byte or a missing node is not zero.",
        "unanswered" => "a demand for data was not answered in time.",
        "wrong_tokens" => "the tokens are not those that the graph computes.",
        _ => "the result was proved wrong.",
    }
}

fn ended(word: &str) -> &'static str {
    match word {
        "settled" => "Every milestone was paid.",
        "cancelled" => "The client took it back before a provider took it.",
        "resolved" => "The arbiter, or its silence, decided.",
        "expired" => "A deadline passed.",
        _ => "The result was proved wrong or withheld.",
    }
}

fn money(site: &Site, page: &JobPage) -> Markup {
    let job = &page.job;
    let bond = Amount {
        atoms: job.bond_atoms.into(),
        mint: job.mint,
        decimals: job.decimals,
    };
    parts::tiles(&[
        (
            "Price".to_owned(),
            jobs::price(site, job),
            html! { (page.milestones_settled) " of " (job.milestones) " milestones paid" },
        ),
        (
            "Bond".to_owned(),
            parts::money(site, &bond),
            html! { "what the provider loses for a wrong result" },
        ),
        (
            "Work".to_owned(),
            html! { @if job.work > 0 { (parts::count(job.work)) } @else { "–" } },
            html! {
                @if job.work > 0 { "units a milestone, " } @else { "no graph says it, " }
                (text::grouped(job.items.into())) " items"
            },
        ),
        (
            "Deadline".to_owned(),
            html! { @match job.deadline { Some(at) => (parts::day(at)), None => "–" } },
            html! { @match job.deadline { Some(at) => (parts::time(at)), None => "the job has ended" } },
        ),
    ])
}

fn people(page: &JobPage) -> Markup {
    let job = &page.job;
    parts::facts(&[
        ("Job", parts::whole(&job.address)),
        ("Client", whole_link("clients", &job.client)),
        (
            "Provider",
            job.provider
                .map_or_else(|| html! { "none yet" }, |key| whole_link("providers", &key)),
        ),
        (
            "Model",
            job.model
                .map_or_else(|| html! { "none named" }, |key| parts::whole(&key)),
        ),
        ("Inputs", parts::written(job.input_uri.as_deref())),
    ])
}

fn whole_link(kind: &str, address: &Key) -> Markup {
    html! { a href={ "/" (kind) "/" (address) } { (parts::whole(address)) } }
}

fn submissions(site: &Site, submissions: &[JobSubmission]) -> Markup {
    let titles = [
        ("No.", true),
        ("Submitted", false),
        ("Milestone", true),
        ("Provider", false),
        ("Root of the result", false),
        ("Where the result is", false),
        ("Transaction", false),
    ];
    let row = |one: &JobSubmission| {
        vec![
            html! { (one.submission) },
            parts::time(one.at),
            html! { (u16::from(one.milestone) + 1) },
            parts::link("providers", &one.provider),
            hash(&one.trace_root),
            match one.output_uri.as_str() {
                "" => html! { span .none { "–" } },
                uri => parts::strange(uri),
            },
            parts::transaction(site, &one.signature),
        ]
    };
    let rows: Vec<Vec<Markup>> = submissions.iter().map(row).collect();
    parts::table("Submitted results", &titles, &rows)
}

/// Demands; nothing is expected of those that a job's end left open.
fn demands(demands: &[JobDemand], is_over: bool) -> Markup {
    let titles = [
        ("Demand", false),
        ("State", false),
        ("About", false),
        ("Node", false),
        ("Opened by", false),
        ("Due", false),
    ];
    let row = |demand: &JobDemand| {
        let (tone, state) = match demand.state.word() {
            "waiting" if is_over => ("calm", "left open"),
            "waiting" => ("warn", "waiting"),
            "answered" => ("good", "answered"),
            other => ("calm", other),
        };
        vec![
            html! { span .key title=(demand.address) { (text::short(&demand.address)) } },
            parts::badge(tone, state),
            html! {
                "submission " (demand.submission) ", " (tree(demand.tree)) ", level " (demand.level)
                ", place " (text::grouped(demand.index.into()))
            },
            hash(&demand.node),
            html! { span .key title=(demand.opener) { (text::short(&demand.opener)) } },
            parts::time(demand.due),
        ]
    };
    let rows: Vec<Vec<Markup>> = demands.iter().map(row).collect();
    parts::table("Demands for data", &titles, &rows)
}

/// Which tree a code stands for.
fn tree(code: u16) -> String {
    match code {
        u16::MAX => "the trace".to_owned(),
        0..1024 => format!("op {code}"),
        1024..2048 => format!("input {}", code - 1024),
        _ => format!("weight {}", code - 2048),
    }
}

fn hash(hex: &str) -> Markup {
    html! { code .key title=(hex) { (hex.chars().take(12).collect::<String>()) "…" } }
}
